#![doc = include_str!("../README.md")]

extern crate alloc;

pub mod client;
pub mod convert;
mod embedded;
mod error;
pub mod resource;
pub mod status;

pub use embedded::{Embedded, Event, EventKind, Listing, Options, Watch, WatchError};
pub use error::Error;
pub use tortie_ipam::{Op, Revision, Versioned};
