//! The README's example of each crate, held as tests.
//!
//! Below is the README; `cargo test -p tortie-quickstart --doc` compiles and runs every example in it.
#![doc = include_str!("../../../README.md")]
