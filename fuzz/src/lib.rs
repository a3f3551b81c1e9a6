//! What must hold of any input, one function for each fuzz target.
//!
//! A breach is a panic. The tests below run every committed seed and every regression through them, so `cargo test` in
//! this folder needs no fuzzer.

mod bgp;
mod bytes;
mod cluster;
mod ipam;
mod nft;
mod policy;
mod records;
mod selector;
mod trial;

pub use bgp::{check_bgp_decode, check_bgp_roundtrip, check_bgp_stream};
pub use cluster::{check_ipam_ops, check_ipam_records};
pub use ipam::check_ipam_block;
pub use nft::{check_nft_decode, check_nft_roundtrip};
pub use policy::check_policy_yaml;
pub use records::{check_bmp_read, check_mrt_read};
pub use selector::{check_selector_index, check_selector_parse, check_selector_roundtrip};
pub use trial::check_policy_eval;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs the seeds and regressions of a target.
    fn replay(target: &str, check: fn(&[u8])) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for folder in ["seeds", "regressions"] {
            let Ok(entries) = fs::read_dir(root.join(folder).join(target)) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                check(&fs::read(&path).unwrap());
                files += 1;
            }
        }
        assert!(files > 0, "no seed for {target}");
    }

    #[test]
    fn selector_parse() {
        replay("selector_parse", super::check_selector_parse);
    }

    #[test]
    fn selector_roundtrip() {
        replay("selector_roundtrip", super::check_selector_roundtrip);
    }

    #[test]
    fn selector_index() {
        replay("selector_index", super::check_selector_index);
    }

    #[test]
    fn bgp_decode() {
        replay("bgp_decode", super::check_bgp_decode);
    }

    #[test]
    fn bgp_roundtrip() {
        replay("bgp_roundtrip", super::check_bgp_roundtrip);
    }

    #[test]
    fn bgp_stream() {
        replay("bgp_stream", super::check_bgp_stream);
    }

    #[test]
    fn mrt_read() {
        replay("mrt_read", super::check_mrt_read);
    }

    #[test]
    fn bmp_read() {
        replay("bmp_read", super::check_bmp_read);
    }

    #[test]
    fn ipam_block() {
        replay("ipam_block", super::check_ipam_block);
    }

    #[test]
    fn ipam_records() {
        replay("ipam_records", super::check_ipam_records);
    }

    #[test]
    fn ipam_ops() {
        replay("ipam_ops", super::check_ipam_ops);
    }

    #[test]
    fn policy_eval() {
        replay("policy_eval", super::check_policy_eval);
    }

    #[test]
    fn policy_yaml() {
        replay("policy_yaml", super::check_policy_yaml);
    }

    #[test]
    fn nft_decode() {
        replay("nft_decode", super::check_nft_decode);
    }

    #[test]
    fn nft_roundtrip() {
        replay("nft_roundtrip", super::check_nft_roundtrip);
    }
}
