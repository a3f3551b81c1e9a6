//! How many cases property tests try.

use proptest::test_runner::{Config, RngSeed};

/// What `TORTIE_PROVE=1` multiplies the cases by.
const PROVE_FACTOR: u32 = 50;

/// This many cases, always the same; many more, and new ones, with `TORTIE_PROVE=1`.
pub(crate) fn config(cases: u32) -> Config {
    if std::env::var_os("TORTIE_PROVE").is_some() {
        Config { cases: cases * PROVE_FACTOR, ..Config::default() }
    } else {
        Config {
            cases,
            rng_seed: RngSeed::Fixed(0x70_72_6f_6f_66),
            failure_persistence: None,
            ..Config::default()
        }
    }
}
