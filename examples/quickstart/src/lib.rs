//! The README's example of each crate, held as tests.
