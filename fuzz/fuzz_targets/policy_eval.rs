//! See `check_policy_eval`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_policy_eval(data));
