//! The reference command-line tool.

fn main() {}
