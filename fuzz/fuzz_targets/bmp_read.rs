//! See `check_bmp_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_bmp_read(data));
