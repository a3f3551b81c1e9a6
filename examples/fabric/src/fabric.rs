//! The function itself, and its answer.

use core::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use tortie_routes::{Family, Route};

use crate::cluster::Cluster;
use crate::peer::{self, Peer};
use crate::report::Report;
use crate::{advertise, node, route};

/// What one node's kernel and BGP speaker should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fabric {
    /// Routes, ordered by destination; one for each destination at most.
    pub routes: Vec<Route>,
    /// This node as a BGP speaker.
    pub speaker: Speaker,
    /// BGP sessions of this node, ordered by name.
    pub peers: Vec<Peer>,
    /// Prefixes that this node originates, in order, without repetition.
    pub advertisements: Vec<IpNet>,
    /// What was left out, and why; in order, without repetition.
    pub reports: Vec<Report>,
}

/// This node as a BGP speaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Speaker {
    /// The node's AS.
    pub as_number: u32,
    /// The node's IPv4 address; a node without one needs an identifier from elsewhere (RFC 6286 §2.1).
    pub router_id: Option<Ipv4Addr>,
    /// TCP port that the node listens on.
    pub listen_port: u16,
    /// The node's IPv4 address: next hop of its IPv4 prefixes. Without it the node speaks no BGP over IPv4.
    pub v4: Option<IpAddr>,
    /// The same for IPv6.
    pub v6: Option<IpAddr>,
}

impl Speaker {
    /// The node's address of that family.
    #[must_use]
    pub const fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// The routes, peers and advertisements of `cluster.node`.
///
/// The same cluster always gives the same answer.
///
/// # Panics
/// Never.
///
/// # Complexity
/// O((b + a + e) log(b + a + e) · p) for b blocks with a borrowed addresses, e local endpoints and p pools, plus the
/// product of nodes and BGP peers.
#[must_use]
pub fn fabric(cluster: &Cluster) -> Fabric {
    let mut reports = Vec::new();
    let local = cluster.nodes.get(&cluster.node);
    if local.is_none() {
        reports.push(Report::NodeUnknown { node: cluster.node.clone() });
    }
    let address = |family| local.and_then(|local| node::address(&local.spec, family));
    let speaker = Speaker {
        as_number: node::as_number(cluster, &cluster.node),
        router_id: match address(Family::V4) {
            Some(IpAddr::V4(v4)) => Some(v4),
            _ => None,
        },
        listen_port: node::listen_port(cluster, &cluster.node),
        v4: address(Family::V4),
        v6: address(Family::V6),
    };
    let routes = route::routes(cluster, &speaker, &mut reports);
    let peers = peer::peers(cluster, &speaker, &mut reports);
    let advertisements = advertise::advertisements(cluster);
    reports.sort();
    reports.dedup();
    Fabric { routes, speaker, peers, advertisements, reports }
}
