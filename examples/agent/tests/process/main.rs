//! The built agent, and what becomes of packets while it starts, dies and lives on. Needs root or user namespaces, `nft` and `ip`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed are the counts that it rests on"
)]

mod failsafe;
mod flush;
mod gap;
#[path = "../kit/mod.rs"]
mod kit;
mod order;
