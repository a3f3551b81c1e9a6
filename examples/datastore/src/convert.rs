//! From stored objects to the inputs of the libraries.

mod ipam;
mod policy;

pub use ipam::{pool, view};
pub use policy::{PolicyState, RecordFault, endpoint, endpoint_id};
