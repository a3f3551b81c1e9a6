//! Stable ids of texts.

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha224};

/// Characters of the digest.
const DIGEST: usize = 38;

/// The prefix, a colon, and the SHA-224 of all that and the text, in the URL-safe alphabet of base64 without padding.
///
/// What the reference system calls sets of addresses by: `s` and the canonical text of a selector make the selector's
/// [`id`](crate::Selector::id).
///
/// # Example
///
/// ```
/// use tortie_selector::{Selector, unique_id};
///
/// assert_eq!(unique_id("s", "all()"), Selector::all().id());
/// ```
///
/// Source: calico@87c15906f2 libcalico-go/lib/hash.
#[must_use]
pub fn unique_id(prefix: &str, text: &str) -> String {
    let mut hash = Sha224::new();
    hash.update(prefix);
    hash.update(":");
    hash.update(text);
    let digest = hash.finalize();
    let mut id = String::with_capacity(prefix.len().saturating_add(1 + DIGEST));
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
