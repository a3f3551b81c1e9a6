//! The kernel's routes and links kept as desired: a sans-IO reconciler and its netlink driver.

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
pub use op::{Batch, Op, OpId};
pub use owner::Ownership;
pub use reconcile::{NotOwned, Reconciler};
pub use route::{Family, Key, Kind, NextHop, Protocol, Route, Scope, Table};
