//! Inputs of the benchmarks, each made from a fixed seed and checked against known sums.
//!
//! Every benchmark stands beside a named rival or the naive twin of the same work, in one criterion group, and reports
//! per element. Both are held to the same result before they are measured.
//!
//! * `cargo xtask bench-report` measures, and prints the ratios.
//! * `cargo test -p tortie-benches --benches` runs each once, and builds faster than `cargo bench -- --test`, which does
//!   the same with the optimisation of a measurement.

pub mod fixtures;
