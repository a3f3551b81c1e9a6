//! The stable id of a selector.

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha224};

/// `prefix:` and the SHA-224 of `prefix:content` in the URL-safe alphabet of base64 without padding: 38 characters.
///
/// Source: calico@87c15906f2 libcalico-go/lib/hash.
pub(crate) fn unique_id(prefix: &str, content: &str) -> String {
    let digest = Sha224::new().chain_update(prefix).chain_update(":").chain_update(content).finalize();
    let mut id = String::with_capacity(prefix.len() + 1 + 38);
    id.push_str(prefix);
    id.push(':');
    URL_SAFE_NO_PAD.encode_string(digest, &mut id);
    id
}

#[cfg(test)]
mod tests {
    use super::unique_id;

    #[test]
    fn known_ids() {
        assert_eq!(unique_id("s", "all()"), "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
        assert_eq!(unique_id("s", "!(has(b) || !has(a))"), "s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q");
    }
}
