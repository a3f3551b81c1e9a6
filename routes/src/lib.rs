//! The kernel's routes kept as desired: a sans-IO reconciler, and its netlink driver.
//!
//! For whoever writes a network agent: say which routes there should be, and they are there, whatever other writers, links
//! and the kernel itself do.
//!
//! ```
//! use tortie_routes::{LinkState, LinkTable, Op, Ownership, Route, diff};
//!
//! let links: LinkTable = [LinkState::new(7, "cali12", true)].into_iter().collect();
//! let desired = [
//!     Route::local("10.0.0.2".parse()?, "cali12").metric(1024),
//!     Route::blackhole("10.0.0.0/26".parse()?),
//!     Route::via("10.0.1.0/26".parse()?, "192.0.2.7".parse()?, "eth0").onlink(),
//! ];
//! let diff = diff(&desired, &[], &Ownership::agent("cali"), &links);
//! assert_eq!(diff.ops.len(), 2);
//! assert_eq!(diff.blocked, [desired[2].key()]); // there is no eth0
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Model
//! A [`Route`] is what somebody wants, with its interface by name; an [`Entry`] is what the kernel holds, with its
//! interface by index. Both are found by their [`Key`]: table, destination and metric. [`Ownership`] says whose an entry
//! is. [`diff()`] compares once; a [`Reconciler`] goes on comparing: it hands out [`Batch`]es of [`Op`]s and [`Scan`]s to
//! be done, and takes [`Event`]s, results and [`Snapshot`]s. The module `netlink` (a feature) does all that on Linux, and has
//! the links, addresses, neighbours and namespaces that workloads need.
//!
//! # Guarantees
//! `no_std` with `alloc`; no panics on any input; no clock, no I/O and no logging outside of `netlink`; unsafe code is two
//! calls in `netlink`. What [`Reconciler`] promises of the kernel's routes stands there. Memory grows with the desired
//! routes and with all routes of the owned tables.
//!
//! # Limits
//! One next hop per route, no nexthop objects, no type of service; links are known by name and index alone.
//!
//! # Features
//! `std` (default); `netlink`: the Linux driver, on tokio. Minimum supported Rust version: 1.85.
//!
//! # Sources
//! rtnetlink(7), netlink(7), RFC 3549; the behaviour of a Calico node's agent (calico@87c15906f2 felix/routetable,
//! felix/dataplane/linux), except where [`Reconciler`] says otherwise: it makes before it breaks, and listens to the
//! kernel's notifications instead of comparing every 90 seconds alone.

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

mod config;
mod diff;
mod entry;
mod error;
mod event;
mod link;
mod mac;
#[cfg(feature = "netlink")]
pub mod netlink;
mod number;
mod op;
mod owner;
mod reconcile;
mod route;

pub use config::Config;
pub use diff::{Diff, diff};
pub use entry::{Entry, Hop};
pub use error::Errno;
pub use event::{Event, Notice, Scan, Snapshot, Stats, Status};
pub use link::{LinkState, LinkTable};
pub use mac::{Mac, ParseMacError};
pub use number::{Family, Kind, Protocol, Scope, Table};
pub use op::{Batch, Op, OpId};
pub use owner::Ownership;
pub use reconcile::{NotOwned, Reconciler};
pub use route::{Key, NextHop, Route};

#[cfg(all(doctest, feature = "netlink"))]
#[doc = include_str!("../README.md")]
struct Readme;
