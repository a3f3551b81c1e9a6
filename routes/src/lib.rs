//! The kernel's routes and links kept as desired: a sans-IO reconciler and its netlink driver.

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

mod error;
mod mac;
#[cfg(feature = "netlink")]
pub mod netlink;
mod route;

pub use error::Errno;
pub use mac::{Mac, ParseMacError};
pub use route::{Family, Key, Kind, NextHop, Protocol, Route, Scope, Table};
