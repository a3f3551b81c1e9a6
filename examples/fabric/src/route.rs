//! Routes: local workloads, local blocks, and what other nodes hold.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use tortie_ipam::Affinity;
use tortie_routes::{Family, Route};

use crate::cluster::Cluster;
use crate::fabric::Speaker;
use crate::node;
use crate::pool::{Pools, Transport, transport};
use crate::report::Report;

/// Metric of routes to local workloads, unless the BGP configuration says otherwise. The CNI plugin's own are of metric 0
/// and win until the agent has replaced them.
const LOCAL_METRIC: (u32, u32) = (1024, 1024);

/// All routes of this node, one for each destination at most, in order.
pub(crate) fn routes(cluster: &Cluster, speaker: &Speaker, reports: &mut Vec<Report>) -> Vec<Route> {
    let pools = Pools::new(cluster);
    for (name, pool) in &cluster.pools {
        if let Some(Transport::Carried(carrier)) = transport(&pool.spec) {
            reports.push(Report::CarrierAbsent { pool: name.clone(), carrier });
        }
    }
    let mut routes = local_routes(cluster, reports);
    let hosts: BTreeSet<IpAddr> =
        cluster.nodes.values().flat_map(|node| node::addresses(&node.spec)).collect();
    for (destination, holder) in claims(cluster) {
        let single = destination.prefix_len() == destination.max_prefix_len();
        let taken = routes.contains_key(&destination)
            || (single && (hosts.contains(&destination.addr()) || destination.addr().is_unspecified()));
        if taken {
            continue;
        }
        if holder == cluster.node {
            if !single {
                routes.insert(destination, Route::blackhole(destination));
            }
            continue;
        }
        match pools.transport(destination) {
            Some(Transport::Plain) => match remote(cluster, speaker, destination, &holder) {
                Ok(route) => {
                    routes.insert(destination, route);
                }
                Err(report) => reports.push(report),
            },
            // Reported once for the pool.
            Some(Transport::Carried(_)) => {}
            None => reports.push(Report::BlockOutsidePools { block: destination }),
        }
    }
    routes.into_values().collect()
}

/// One route for each address of a local workload.
fn local_routes(cluster: &Cluster, reports: &mut Vec<Report>) -> BTreeMap<IpNet, Route> {
    let (metric4, metric6) = cluster
        .bgp_configurations
        .get("default")
        .map_or(LOCAL_METRIC, |config| config.spec.route_priorities());
    let mut routes = BTreeMap::new();
    for (name, endpoint) in cluster.local_endpoints() {
        let spec = &endpoint.spec;
        if spec.interface_name.is_empty() {
            reports.push(Report::InterfaceMissing { endpoint: name });
            continue;
        }
        for &network in &spec.ip_networks {
            if network.prefix_len() != network.max_prefix_len() {
                reports.push(Report::NetworkNotAddress { network, endpoint: name.clone() });
                continue;
            }
            if network.addr().is_unspecified() {
                continue;
            }
            let metric = if matches!(network, IpNet::V4(_)) { metric4 } else { metric6 };
            let route = Route::local(network.addr(), spec.interface_name.as_str()).metric(metric);
            let standing = routes.entry(network).or_insert_with(|| route.clone());
            if *standing != route {
                reports.push(Report::AddressShared { address: network.addr(), endpoint: name.clone() });
            }
        }
    }
    routes
}

/// Who holds what: each block with its owner, and each address with the host that allocated it from another's block.
///
/// The records of one block agree on an address, so that no destination has two holders, but for blocks of a single
/// address: there the allocation, which says who uses it, beats the affinity.
fn claims(cluster: &Cluster) -> BTreeMap<IpNet, String> {
    let mut claims = BTreeMap::new();
    for block in cluster.blocks.values() {
        let owner = match block.affinity() {
            Some(Affinity::Host(host)) => Some(host),
            _ => None,
        };
        for allocation in block.allocations() {
            let holder = allocation.attributes().active_owner.remove("node").filter(|node| !node.is_empty());
            if let Some(holder) = holder.filter(|holder| Some(holder) != owner.as_ref()) {
                claims.insert(IpNet::from(allocation.address), holder);
            }
        }
        if let Some(owner) = owner {
            claims.entry(block.cidr()).or_insert(owner);
        }
    }
    claims
}

/// The route to what another node holds.
fn remote(cluster: &Cluster, speaker: &Speaker, destination: IpNet, holder: &str) -> Result<Route, Report> {
    let family = Family::of_net(&destination);
    let Some(node) = cluster.nodes.get(holder) else {
        return Err(Report::NodeUnknown { node: holder.to_owned() });
    };
    let Some(address) = node::address(&node.spec, family) else {
        return Err(Report::NodeWithoutAddress { node: holder.to_owned(), family });
    };
    if speaker.address(family) == Some(address) {
        return Err(Report::NodeAddressShared { node: holder.to_owned(), address });
    }
    let Some(parent) = cluster.parents.of(family) else {
        return Err(Report::ParentUnknown { family });
    };
    Ok(Route::via(destination, address, parent).onlink())
}
