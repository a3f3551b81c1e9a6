//! How many cases a property test runs.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// So many cases with a fixed seed; `TORTIE_PROVE=1` runs fifty times as many.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    ProptestConfig {
        cases: if prove { cases * 50 } else { cases },
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}
