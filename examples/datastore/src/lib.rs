#![doc = include_str!("../README.md")]

extern crate alloc;

pub mod client;
pub mod convert;
mod datastore;
mod embedded;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod excerpt;
mod location;
mod random;
pub mod resource;
pub mod status;
mod watch;

pub use datastore::{Datastore, Listing};
pub use embedded::{Embedded, EmbeddedWatch, Options};
pub use error::Error;
#[cfg(feature = "etcd")]
pub use etcd::{Etcd, EtcdWatch};
pub use excerpt::Excerpt;
pub use location::{Credentials, EtcdOptions, Location, LocationError};
pub use tortie_ipam::{Op, Revision, Versioned};
pub use watch::{Event, EventKind, Watch, WatchError};
