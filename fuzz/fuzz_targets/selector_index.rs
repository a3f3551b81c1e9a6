//! See `check_selector_index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_selector_index(data));
