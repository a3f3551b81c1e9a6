//! The stable id of a selector.

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha224};

/// What an id begins with; the digest is of this and the text.
const PREFIX: &str = "s:";
/// Characters of the digest.
const DIGEST: usize = 38;

/// `s:` and the SHA-224 of `s:` and the text, in the URL-safe alphabet of base64 without padding.
///
/// Source: calico@87c15906f2 libcalico-go/lib/hash.
pub(crate) fn unique_id(text: &str) -> String {
    let mut hash = Sha224::new();
    hash.update(PREFIX);
    hash.update(text);
    let digest = hash.finalize();
    let mut id = String::with_capacity(PREFIX.len() + DIGEST);
    id.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(digest, &mut id);
    id
}

#[cfg(test)]
mod tests {
    use super::unique_id;

    #[test]
    fn known_ids() {
        assert_eq!(unique_id("all()"), "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
        assert_eq!(unique_id("!(has(b) || !has(a))"), "s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q");
    }
}
