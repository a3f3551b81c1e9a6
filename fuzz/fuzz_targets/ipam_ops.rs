//! See `check_ipam_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_ipam_ops(data));
