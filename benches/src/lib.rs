//! Inputs of the benchmarks, each made from a fixed seed and checked against known sums.
//!
//! Every benchmark stands beside a named rival or the naive twin of the same work, in one criterion group, and reports
//! per element. `cargo xtask bench-report` prints the ratios; `cargo bench -p tortie-benches -- --test` runs each once.

pub mod fixtures;
