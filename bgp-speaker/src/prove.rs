//! How unit tests draw their cases.

use proptest::test_runner::{Config, RngSeed};

/// So many cases from a fixed seed; fifty times as many with `TORTIE_PROVE=1`.
pub(crate) fn config(cases: u32) -> Config {
    let prove = std::env::var("TORTIE_PROVE").is_ok_and(|value| value == "1");
    Config {
        cases: if prove { cases * 50 } else { cases },
        rng_seed: RngSeed::Fixed(4271),
        failure_persistence: None,
        ..Config::default()
    }
}
