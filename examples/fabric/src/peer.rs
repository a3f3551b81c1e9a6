//! BGP sessions of this node: the mesh, and what `BGPPeer` objects say.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tortie_datastore::resource::{AsNumber, BgpPeerSpec, PeerAddress};
use tortie_routes::Family;
use tortie_selector::Selector;

use crate::cluster::Cluster;
use crate::fabric::Speaker;
use crate::node;
use crate::report::Report;

/// Fields of a `BGPPeer` that protect or change the session, and that are not built: a peer that sets one is left out.
const UNBUILT: [&str; 5] = ["password", "filters", "localWorkloadSelector", "ttlSecurity", "reachableBy"];

/// Where a peer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PeerKind {
    /// Another node, by the node-to-node mesh.
    Mesh,
    /// A `BGPPeer` for all nodes.
    Global,
    /// A `BGPPeer` for this node, by name or selector.
    Node,
}

/// One BGP session of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Kind and address, unique: `Mesh_192_0_2_2`, `Global_192_0_2_9_port_1790`.
    pub name: String,
    /// Where it comes from.
    pub kind: PeerKind,
    /// The peer's address.
    pub address: IpAddr,
    /// TCP port to connect to.
    pub port: u16,
    /// The peer's AS.
    pub remote_as: u32,
    /// This node's AS in the session.
    pub local_as: u32,
    /// Whether this node waits for the peer to connect, so that the two do not connect at once.
    pub passive: bool,
    /// Address to connect from; `None` leaves it to the kernel.
    pub source: Option<IpAddr>,
}

impl Peer {
    /// Whether the session is internal (iBGP): both ends are of one AS.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        self.remote_as == self.local_as
    }
}

/// All sessions, ordered by name. One for an address and port: an object for all nodes beats one for this node, and of two
/// alike the first by name counts. The mesh adds a session with each address that no object names.
pub(crate) fn peers(cluster: &Cluster, speaker: &Speaker, reports: &mut Vec<Report>) -> Vec<Peer> {
    let mut peers = BTreeMap::new();
    for kind in [PeerKind::Global, PeerKind::Node] {
        for (name, object) in &cluster.bgp_peers {
            let made = concerns(cluster, &object.spec, kind)
                .and_then(|yes| if yes { explicit(cluster, speaker, &object.spec, kind) } else { Ok(None) });
            match made {
                Ok(Some(peer)) => {
                    peers.entry((peer.address, peer.port)).or_insert(peer);
                }
                Ok(None) => {}
                Err(reason) => reports.push(Report::PeerLeftOut { peer: name.clone(), reason }),
            }
        }
    }
    match mesh(cluster, speaker) {
        Ok(mesh) => {
            let mut addresses: BTreeSet<_> = peers.keys().map(|&(address, _)| address).collect();
            for peer in mesh {
                if addresses.insert(peer.address) {
                    peers.insert((peer.address, peer.port), peer);
                }
            }
        }
        Err(reason) => reports.push(Report::MeshLeftOut { reason }),
    }
    let mut peers: Vec<_> = peers.into_values().collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

/// Whether an object of that kind is for this node.
fn concerns(cluster: &Cluster, spec: &BgpPeerSpec, kind: PeerKind) -> Result<bool, String> {
    let global = spec.node.is_empty() && spec.node_selector.is_empty();
    if global || kind == PeerKind::Global {
        return Ok(global && kind == PeerKind::Global);
    }
    if !spec.node.is_empty() {
        return Ok(spec.node == cluster.node);
    }
    let selector =
        Selector::parse(&spec.node_selector).map_err(|error| format!("spec.nodeSelector: {error}"))?;
    Ok(cluster.nodes.get(&cluster.node).is_some_and(|node| selector.matches(&node.metadata.labels)))
}

/// The session that an object asks for; none with this node itself, or over a family that it does not speak.
fn explicit(
    cluster: &Cluster,
    speaker: &Speaker,
    spec: &BgpPeerSpec,
    kind: PeerKind,
) -> Result<Option<Peer>, String> {
    let unset = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if let Some(field) = UNBUILT.into_iter().find(|&field| spec.unknown.get(field).is_some_and(|v| !unset(v)))
    {
        return Err(format!("spec.{field} is not built"));
    }
    if !spec.peer_selector.is_empty() {
        return Err("spec.peerSelector is not built: name the peer by peerIP".into());
    }
    let Some(PeerAddress { ip, port: stated_port }) = spec.peer_ip else {
        return Err("spec.peerIP is missing".into());
    };
    let local_as = match spec.unknown.get("localASNumber").filter(|value| !value.is_null()) {
        None => speaker.as_number,
        Some(value) => {
            serde_json::from_value::<AsNumber>(value.clone())
                .map_err(|error| format!("spec.localASNumber: {error}"))?
                .0
        }
    };
    let family = Family::of(&ip);
    let Some(own) = speaker.address(family) else {
        return Err(format!("this node has no {family} address"));
    };
    if own == ip {
        return Ok(None);
    }
    let remote_as = spec.as_number.map_or(speaker.as_number, |number| number.0);
    let neighbour = cluster
        .nodes
        .iter()
        .find(|(name, node)| {
            node::address(&node.spec, family) == Some(ip) && node::as_number(cluster, name) == remote_as
        })
        .map(|(name, _)| name.as_str());
    let port = match (stated_port, neighbour) {
        (Some(port), _) => port,
        (None, Some(name)) => node::listen_port(cluster, name),
        (None, None) => node::DEFAULT_PORT,
    };
    let source = match spec.unknown.get("sourceAddress").and_then(Value::as_str) {
        Some("None") => None,
        _ => Some(own),
    };
    Ok(Some(Peer {
        name: peer_name(kind, ip, stated_port),
        kind,
        address: ip,
        port,
        remote_as,
        local_as,
        passive: kind == PeerKind::Global && neighbour.is_some() && waits_for(own, ip),
        source,
    }))
}

/// A session with every other node, over each family that both have; none for route reflectors.
fn mesh(cluster: &Cluster, speaker: &Speaker) -> Result<Vec<Peer>, String> {
    let Some(local) = cluster.nodes.get(&cluster.node) else { return Ok(Vec::new()) };
    let config = cluster.bgp_configurations.get("default").map(|config| &config.spec);
    if node::is_reflector(&local.spec) || config.is_some_and(|config| !config.mesh_enabled()) {
        return Ok(Vec::new());
    }
    if config.and_then(|config| config.unknown.get("nodeMeshPassword")).is_some_and(|value| !value.is_null())
    {
        return Err("spec.nodeMeshPassword is not built".into());
    }
    let mut peers = Vec::new();
    for (name, node) in &cluster.nodes {
        if *name == cluster.node || node::is_reflector(&node.spec) {
            continue;
        }
        for family in Family::ALL {
            let (Some(own), Some(address)) = (speaker.address(family), node::address(&node.spec, family))
            else {
                continue;
            };
            if own == address {
                continue;
            }
            peers.push(Peer {
                name: peer_name(PeerKind::Mesh, address, None),
                kind: PeerKind::Mesh,
                address,
                port: node::listen_port(cluster, name),
                remote_as: node::as_number(cluster, name),
                local_as: speaker.as_number,
                passive: waits_for(own, address),
                source: Some(own),
            });
        }
    }
    Ok(peers)
}

/// Of two nodes, the one whose address comes first as text waits. Compatible to the letter: the other end may be the
/// reference system, and exactly one of the two must connect.
fn waits_for(own: IpAddr, peer: IpAddr) -> bool {
    peer.to_string() > own.to_string()
}

fn peer_name(kind: PeerKind, address: IpAddr, port: Option<u16>) -> String {
    let kind = match kind {
        PeerKind::Mesh => "Mesh",
        PeerKind::Global => "Global",
        PeerKind::Node => "Node",
    };
    let address = address.to_string().replace(['.', ':'], "_");
    match port {
        Some(port) => format!("{kind}_{address}_port_{port}"),
        None => format!("{kind}_{address}"),
    }
}
