//! The project's commands: demo, test, prove, tidy.

fn main() {}
