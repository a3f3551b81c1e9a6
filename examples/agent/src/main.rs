//! The reference agent: one process a host.

fn main() {}
