//! What one host does to a cluster's network: resources in; routes, peers and advertisements out.
//!
//! For agents that keep a host's routes and BGP sessions in step with the cluster's objects. [`fabric()`] is a pure
//! function: it reads a [`Cluster`] (what the datastore says, seen from one node) and answers with a [`Fabric`] (what
//! this node's kernel and BGP speaker should hold). Call it again after each change and let the route reconciler find
//! the difference.
//!
//! ```
//! use tortie_fabric::{Cluster, fabric};
//!
//! let mut cluster = Cluster::new("node-1");
//! cluster.parents.v4 = Some("eth0".into());
//! let objects = [
//!     ("nodes/node-1", r#"{"kind":"Node","metadata":{"name":"node-1"},"spec":{"bgp":{"ipv4Address":"192.0.2.1/24"}}}"#),
//!     ("nodes/node-2", r#"{"kind":"Node","metadata":{"name":"node-2"},"spec":{"bgp":{"ipv4Address":"192.0.2.2/24"}}}"#),
//!     ("ippools/pods", r#"{"kind":"IPPool","metadata":{"name":"pods"},"spec":{"cidr":"10.0.0.0/16"}}"#),
//! ];
//! for (key, json) in objects {
//!     let json = json.replacen('{', r#"{"apiVersion":"projectcalico.org/v3","#, 1);
//!     cluster.put(&format!("/calico/resources/v3/projectcalico.org/{key}"), json.as_bytes())?;
//! }
//! let block = r#"{"cidr":"10.0.7.0/30","affinity":"host:node-2","allocations":[null,null,null,null]}"#;
//! cluster.put("/calico/ipam/v2/assignment/ipv4/block/10.0.7.0-30", block.as_bytes())?;
//!
//! let fabric = fabric(&cluster);
//! assert_eq!(fabric.routes[0].to_string(), "10.0.7.0/30 via 192.0.2.2 dev eth0 proto 80 onlink");
//! assert_eq!(fabric.peers[0].name, "Mesh_192_0_2_2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which route an address gets
//!
//! At most one route is made for a destination. Where several say something of it, the first of these counts:
//! 1. a workload of this host has the address: on the link of its interface;
//! 2. the address was allocated by another host than the owner of its block (it was borrowed): to that host;
//! 3. the block is another host's: to that host;
//! 4. the block is this host's: a blackhole, so that what no workload has is not sent back to where it came from
//!    (none for blocks of a single address, whose route is the workload's).
//!
//! Between routes of different length the kernel's longest prefix decides. A destination that is one of a node's own
//! addresses is left to the kernel. Remote routes are made for pools without encapsulation only; each pool that wants
//! VXLAN or IP-in-IP gives none, and a [`Report`].
//!
//! # Limits
//!
//! BGP peers by `peerSelector`, from local workloads, with a password or with filters are not made: each is reported and
//! left out, since a session with less protection than asked for would be worse than none. Reverse peering is not
//! inferred. Service addresses are not advertised.
//!
//! # Sources
//!
//! calico@87c15906f2 felix/calc/l3_route_resolver.go, felix/dataplane/linux/route_mgr.go,
//! confd/pkg/backends/calico/bgp_processor.go.

#![forbid(unsafe_code)]

mod advertise;
mod cluster;
mod fabric;
mod node;
mod peer;
mod pool;
mod report;
mod route;

pub use cluster::{Change, Cluster, Parents, PutError};
pub use fabric::{Fabric, Speaker, fabric};
pub use peer::{Peer, PeerKind};
pub use report::{Carrier, Report};
