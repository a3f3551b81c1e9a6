//! The built agent, and what becomes of packets while it starts, dies and lives on. Needs root or user namespaces, `nft` and `ip`.

mod gap;
#[path = "../kit/mod.rs"]
mod kit;
