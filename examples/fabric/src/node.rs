//! What is read off a `Node`: its addresses, its AS, its port.

use core::net::IpAddr;

use ipnet::IpNet;
use tortie_datastore::resource::{NodeBgp, NodeSpec};
use tortie_routes::Family;

use crate::cluster::Cluster;

/// The AS of a cluster that names none (RFC 6996: the first of the private ones).
const DEFAULT_AS: u32 = 64_512;
/// The port of a peer that names none (RFC 4271 §4).
pub(crate) const DEFAULT_PORT: u16 = 179;

/// The address by which others reach a node: that of `spec.bgp` if `spec.bgp` has any, else the first `InternalIP`, else
/// the first `ExternalIP`.
pub(crate) fn address(spec: &NodeSpec, family: Family) -> Option<IpAddr> {
    let of = |bgp: &NodeBgp| match family {
        Family::V4 => bgp.ipv4_address,
        Family::V6 => bgp.ipv6_address,
    };
    match &spec.bgp {
        Some(bgp) if bgp.ipv4_address.is_some() || bgp.ipv6_address.is_some() => {
            of(bgp).map(|net| net.addr()).filter(|address| Family::of(address) == family)
        }
        _ => ["InternalIP", "ExternalIP"].into_iter().find_map(|kind| {
            let listed = spec.addresses.iter().filter(|listed| listed.kind == kind);
            listed.filter_map(|listed| parse(&listed.address)).find(|address| Family::of(address) == family)
        }),
    }
}

/// Every address of a node: what belongs to the host itself, even inside a pool.
pub(crate) fn addresses(spec: &NodeSpec) -> impl Iterator<Item = IpAddr> + '_ {
    let bgp =
        spec.bgp.iter().flat_map(|bgp| [bgp.ipv4_address, bgp.ipv6_address]).flatten().map(|net| net.addr());
    bgp.chain(spec.addresses.iter().filter_map(|listed| parse(&listed.address)))
}

/// An address, with or without a prefix length.
fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().or_else(|| text.parse::<IpNet>().ok().map(|net| net.addr()))
}

/// Whether a node reflects routes: it has a cluster id, and is left out of the mesh.
pub(crate) fn is_reflector(spec: &NodeSpec) -> bool {
    let id = spec.bgp.as_ref().and_then(|bgp| bgp.unknown.get("routeReflectorClusterID"));
    id.and_then(|id| id.as_str()).is_some_and(|id| !id.is_empty())
}

/// The AS of a node: its own, else the cluster's.
pub(crate) fn as_number(cluster: &Cluster, name: &str) -> u32 {
    let own = cluster.nodes.get(name).and_then(|node| node.spec.bgp.as_ref()).and_then(|bgp| bgp.as_number);
    let global =
        || cluster.bgp_configurations.get("default").map_or(DEFAULT_AS, |config| config.spec.as_number().0);
    own.map_or_else(global, |number| number.0)
}

/// The port that a node listens on: that of the configuration `node.<name>`, else that of `default`.
pub(crate) fn listen_port(cluster: &Cluster, name: &str) -> u16 {
    let of = |config: &str| cluster.bgp_configurations.get(config).and_then(|config| config.spec.listen_port);
    of(&format!("node.{name}")).or_else(|| of("default")).unwrap_or(DEFAULT_PORT)
}
