//! See `check_nft_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tortie_fuzz::check_nft_decode(data));
