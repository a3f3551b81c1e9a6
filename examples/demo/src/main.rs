//! A cluster on one machine: three hosts, nine pods, no root.

fn main() {}
