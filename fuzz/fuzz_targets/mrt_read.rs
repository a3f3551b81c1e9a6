//! See `check_mrt_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_mrt_read(data));
