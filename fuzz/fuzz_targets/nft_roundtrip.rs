//! See `check_nft_roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_nft_roundtrip(data));
