//! Criterion benchmarks, each beside a named rival or the naive twin.
