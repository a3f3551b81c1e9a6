//! Inputs of the benchmarks, each made from a fixed seed and checked against known sums.
//!
//! Every benchmark stands beside a named rival or the naive twin of the same work, in one criterion group, and reports
//! per element. Its id is `crate/work/who`. Both are held to the same result before they are measured.
//!
//! * `cargo xtask bench-report [CRATE]` measures, prints the ratios, and writes `target/bench-report.json`.
//! * `cargo test -p tortie-benches --benches` runs each once, and builds faster than `cargo bench -- --test`, which does
//!   the same with the optimisation of a measurement.

pub mod fixtures;
pub mod kernel;
pub mod link;
pub mod memory;
pub mod report;
