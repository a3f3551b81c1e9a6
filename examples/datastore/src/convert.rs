//! From stored objects to the inputs of the libraries.

mod ipam;
mod policy;

pub use ipam::{pool, pool_view, view};
pub use policy::{PolicySink, PolicyState, RecordFault, endpoint, endpoint_id};
