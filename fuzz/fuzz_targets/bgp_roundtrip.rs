//! See `check_bgp_roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_bgp_roundtrip(data));
