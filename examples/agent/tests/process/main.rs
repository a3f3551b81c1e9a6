//! The built agent, what becomes of packets while it starts, dies and lives on, and how people
//! speak with it. Needs root or user namespaces, `nft` and `ip`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed are the counts that it rests on"
)]

#[cfg(feature = "etcd")]
mod cluster;
mod failsafe;
mod flush;
mod gap;
#[path = "../kit/mod.rs"]
mod kit;
mod lost;
mod operate;
mod order;
