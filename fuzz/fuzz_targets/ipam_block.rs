//! See `check_ipam_block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_ipam_block(data));
