//! See `check_policy_yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_policy_yaml(data));
