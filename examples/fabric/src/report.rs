//! What was left out of the answer, and why.

use core::fmt;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_routes::Family;

/// An encapsulation that a pool can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// VXLAN (RFC 7348).
    Vxlan,
    /// IP-in-IP (RFC 2003).
    IpInIp,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vxlan => "VXLAN",
            Self::IpInIp => "IP-in-IP",
        })
    }
}

/// Something that the objects ask for and the answer does not have. `Display` is one line for an operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Report {
    /// There is no `Node` object of this name, which blocks, addresses or this host itself refer to.
    NodeUnknown {
        /// The node.
        node: String,
    },
    /// A node owns blocks or addresses of a family, and has no address of that family to reach them by.
    NodeWithoutAddress {
        /// The node.
        node: String,
        /// The family.
        family: Family,
    },
    /// Another node has this host's own address: what it owns cannot be reached.
    NodeAddressShared {
        /// The other node.
        node: String,
        /// The address.
        address: IpAddr,
    },
    /// There are routes to other nodes to be made, and the link with this host's address is not known.
    ParentUnknown {
        /// The family.
        family: Family,
    },
    /// A pool asks for an encapsulation that this fabric does not have: blocks of other nodes in it have no route.
    CarrierAbsent {
        /// Name of the pool.
        pool: String,
        /// The encapsulation.
        carrier: Carrier,
    },
    /// A block of another node is in no pool for workloads: it has no route.
    BlockOutsidePools {
        /// The block.
        block: IpNet,
    },
    /// Two local workloads have one address: the first, by namespace and name, has the route.
    AddressShared {
        /// The address.
        address: IpAddr,
        /// The one without the route, as `namespace/name`.
        endpoint: String,
    },
    /// A local workload's network is not a single address: it has no route.
    NetworkNotAddress {
        /// The network.
        network: IpNet,
        /// The workload, as `namespace/name`.
        endpoint: String,
    },
    /// A local workload names no interface: it has no route.
    InterfaceMissing {
        /// The workload, as `namespace/name`.
        endpoint: String,
    },
    /// A `BGPPeer` that concerns this node was left out.
    PeerLeftOut {
        /// Name of the object.
        peer: String,
        /// The field, and why.
        reason: String,
    },
    /// The node-to-node mesh was left out.
    MeshLeftOut {
        /// The field, and why.
        reason: String,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeUnknown { node } => write!(f, "node {node}: there is no such Node object"),
            Self::NodeWithoutAddress { node, family } => write!(
                f,
                "node {node} has no {family} address: no route to its {family} blocks and addresses"
            ),
            Self::NodeAddressShared { node, address } => {
                write!(
                    f,
                    "node {node} has this host's address {address}: no route to its blocks and addresses"
                )
            }
            Self::ParentUnknown { family } => {
                write!(f, "no link has this host's {family} address: no {family} route to other nodes")
            }
            Self::CarrierAbsent { pool, carrier } => {
                write!(
                    f,
                    "pool {pool} asks for {carrier}, which is not built: no route to its blocks on other nodes"
                )
            }
            Self::BlockOutsidePools { block } => {
                write!(f, "block {block} is in no pool for workloads: no route to it")
            }
            Self::AddressShared { address, endpoint } => {
                write!(f, "workload {endpoint} has the address {address} of another workload: no route to it")
            }
            Self::NetworkNotAddress { network, endpoint } => {
                write!(f, "workload {endpoint}: {network} is not a single address: no route to it")
            }
            Self::InterfaceMissing { endpoint } => {
                write!(f, "workload {endpoint} names no interface: no route to it")
            }
            Self::PeerLeftOut { peer, reason } => write!(f, "BGPPeer {peer} left out: {reason}"),
            Self::MeshLeftOut { reason } => write!(f, "node-to-node mesh left out: {reason}"),
        }
    }
}
