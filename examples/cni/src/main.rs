//! The reference CNI plugin.

fn main() {}
