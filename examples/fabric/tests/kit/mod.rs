//! Clusters for tests, from the JSON that the datastore holds.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this module")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a wrong fixture should stop the test"
)]

use core::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};
use tortie_fabric::{Change, Cluster, Fabric};
use tortie_routes::{Kind, Route};

pub(crate) const RESOURCES: &str = "/calico/resources/v3/projectcalico.org/";

/// A resource's key below [`RESOURCES`] and its record.
pub(crate) fn resource(kind: &str, key: &str, spec: &Value) -> (String, Value) {
    let mut parts = key.split('/').skip(1);
    let (first, second) = (parts.next().unwrap(), parts.next());
    let metadata = match second {
        Some(name) => json!({"namespace": first, "name": name}),
        None => json!({"name": first}),
    };
    let record =
        json!({"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec});
    (format!("{RESOURCES}{key}"), record)
}

pub(crate) fn put(cluster: &mut Cluster, kind: &str, key: &str, spec: &Value) -> Change {
    let (key, record) = resource(kind, key, spec);
    cluster.put(&key, record.to_string().as_bytes()).unwrap()
}

pub(crate) fn node(cluster: &mut Cluster, name: &str, v4: Option<&str>, v6: Option<&str>) {
    let mut bgp = serde_json::Map::new();
    if let Some(v4) = v4 {
        bgp.insert("ipv4Address".into(), json!(v4));
    }
    if let Some(v6) = v6 {
        bgp.insert("ipv6Address".into(), json!(v6));
    }
    let spec = if bgp.is_empty() { json!({}) } else { json!({ "bgp": bgp }) };
    put(cluster, "Node", &format!("nodes/{name}"), &spec);
}

pub(crate) fn pool(cluster: &mut Cluster, name: &str, spec: &Value) {
    put(cluster, "IPPool", &format!("ippools/{name}"), spec);
}

/// A block with some addresses allocated: (address, value of the attribute `node`).
pub(crate) fn block(
    cluster: &mut Cluster,
    cidr: &str,
    affinity: Option<&str>,
    allocations: &[(&str, Option<&str>)],
) {
    let (key, record) = block_record(cidr, affinity, allocations);
    cluster.put(&key, record.to_string().as_bytes()).unwrap();
}

pub(crate) fn block_record(
    cidr: &str,
    affinity: Option<&str>,
    allocations: &[(&str, Option<&str>)],
) -> (String, Value) {
    let net: IpNet = cidr.parse().unwrap();
    let capacity = 1_usize << (net.max_prefix_len() - net.prefix_len());
    let mut ordinals = vec![Value::Null; capacity];
    let mut attributes = Vec::new();
    for (address, node) in allocations {
        let address: IpAddr = address.parse().unwrap();
        let ordinal = match (address, net.addr()) {
            (IpAddr::V4(address), IpAddr::V4(first)) => u128::from(address.to_bits() - first.to_bits()),
            (IpAddr::V6(address), IpAddr::V6(first)) => address.to_bits() - first.to_bits(),
            _ => panic!("families differ"),
        };
        ordinals[usize::try_from(ordinal).unwrap()] = json!(attributes.len());
        let owner = node.map_or_else(|| json!({}), |node| json!({"node": node}));
        attributes.push(json!({"handle_id": format!("h.{address}"), "secondary": owner}));
    }
    let free: Vec<usize> = (0..capacity).filter(|&ordinal| ordinals[ordinal].is_null()).collect();
    let record = json!({"cidr": cidr, "affinity": affinity, "allocations": ordinals, "unallocated": free,
        "attributes": attributes, "sequenceNumber": 1, "sequenceNumberForAllocation": {}, "deleted": false});
    let family = if net.addr().is_ipv4() { 4 } else { 6 };
    let key = format!("/calico/ipam/v2/assignment/ipv{family}/block/{}-{}", net.addr(), net.prefix_len());
    (key, record)
}

pub(crate) fn affinity(cluster: &mut Cluster, host: &str, cidr: &str, state: &str) {
    let net: IpNet = cidr.parse().unwrap();
    let family = if net.addr().is_ipv4() { 4 } else { 6 };
    let key = format!("/calico/ipam/v2/host/{host}/ipv{family}/block/{}", cidr.replace('/', "-"));
    cluster.put(&key, json!({ "state": state }).to_string().as_bytes()).unwrap();
}

pub(crate) fn endpoint(cluster: &mut Cluster, node: &str, name: &str, interface: &str, networks: &[&str]) {
    let spec = json!({"node": node, "orchestrator": "k8s", "pod": name, "endpoint": "eth0",
        "interfaceName": interface, "ipNetworks": networks});
    put(cluster, "WorkloadEndpoint", &format!("workloadendpoints/ns/{name}"), &spec);
}

/// Where the routes send a packet: the longest prefix, and of one prefix the smallest metric.
pub(crate) fn look_up(fabric: &Fabric, address: IpAddr) -> Hop {
    let best = fabric
        .routes
        .iter()
        .filter(|route| route.destination.contains(&address))
        .max_by_key(|route| (route.destination.prefix_len(), core::cmp::Reverse(route.metric)));
    best.map_or(Hop::Nowhere, hop)
}

fn hop(route: &Route) -> Hop {
    match (&route.next_hop, route.kind) {
        (None, Kind::BLACKHOLE) => Hop::Blackhole,
        (Some(next), Kind::UNICAST) => match next.via {
            Some(via) => Hop::Via(via),
            None => Hop::Deliver(next.interface.clone()),
        },
        _ => panic!("unexpected route {route}"),
    }
}

/// What happens to a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// It goes to a workload of this host, through this interface.
    Deliver(String),
    /// It goes to another host.
    Via(IpAddr),
    /// It is dropped.
    Blackhole,
    /// No route of ours matches.
    Nowhere,
}

pub(crate) fn shown(fabric: &Fabric) -> Vec<String> {
    fabric.routes.iter().map(ToString::to_string).collect()
}
