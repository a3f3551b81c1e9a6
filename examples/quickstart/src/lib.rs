//! The README's example of each crate, held as tests.
//!
//! `cargo test -p tortie-quickstart --doc` compiles and runs every example in the README.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
