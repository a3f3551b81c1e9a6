//! Choices that are no policy.

use alloc::string::{String, ToString};

use super::Network;

/// Choices for the text, all with a default.
///
/// # Example
///
/// ```
/// use tortie_policy::nftables::Options;
///
/// let options = Options::default().workload_prefix("tap")?.mark(0x100)?;
/// assert!(Options::default().workload_prefix("a b").is_err());
/// # Ok::<(), tortie_policy::nftables::OptionsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) workload_prefix: String,
    pub(super) mark: u32,
    pub(super) connection_mark: u32,
    pub(super) log_prefix: String,
    pub(super) judges_invalid: bool,
    pub(super) comment: String,
    pub(super) network: Network,
    #[cfg(feature = "nft-wire")]
    pub(super) owned: bool,
    #[cfg(feature = "nft-wire")]
    pub(super) max_set_len: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workload_prefix: "cali".to_string(),
            mark: 0x1_0000,
            connection_mark: 0x4_0000,
            log_prefix: "calico-packet: ".to_string(),
            judges_invalid: false,
            comment: String::new(),
            network: Network::new(),
            #[cfg(feature = "nft-wire")]
            owned: false,
            #[cfg(feature = "nft-wire")]
            max_set_len: 1 << 24,
        }
    }
}

/// Why a text cannot stand in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The prefix of interfaces is not 1 to 14 of `[a-zA-Z0-9_.-]`.
    #[error("prefix of workload interfaces is not of 1 to 14 of [a-zA-Z0-9_.-]")]
    WorkloadPrefix,
    /// The prefix of log lines is longer than 127 bytes, or has characters that are not printable ASCII, quotes,
    /// backslashes or dollars, which nft takes for variables.
    #[error(
        "prefix of log lines is not of up to 127 printable ASCII characters without quotes, backslashes and dollars"
    )]
    LogPrefix,
    /// The comment is longer than 128 bytes, or has characters as the prefix of log lines cannot have them.
    #[error("comment is not of up to 128 printable ASCII characters without quotes, backslashes and dollars")]
    Comment,
    /// The mark is not one bit.
    #[error("mark is not one bit")]
    Mark,
    /// The mask of marks has fewer than three bits.
    #[error("mask of marks has fewer than three bits")]
    MarkMask,
    /// The interface is not 1 to 15 of `[a-zA-Z0-9:._-]`, and perhaps a `+` at the end.
    #[error("interface is not of 1 to 15 of [a-zA-Z0-9:._-], and perhaps a + at the end")]
    Interface,
}

impl Options {
    /// How the names of workload interfaces begin; by default `cali`. What has this prefix and no endpoint is dropped.
    ///
    /// # Errors
    ///
    /// [`OptionsError::WorkloadPrefix`]: not 1 to 14 of `[a-zA-Z0-9_.-]`.
    pub fn workload_prefix(mut self, prefix: &str) -> Result<Self, OptionsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !(1..=14).contains(&prefix.len()) || !prefix.bytes().all(plain) {
            return Err(OptionsError::WorkloadPrefix);
        }
        self.workload_prefix = prefix.to_string();
        Ok(self)
    }

    /// The bit of a packet's mark that says that untracked or pre-DNAT policy has accepted it; by default `0x10000`. No
    /// other bit is touched, and this one only if there are host endpoints.
    ///
    /// # Errors
    ///
    /// [`OptionsError::Mark`]: not one bit.
    pub fn mark(mut self, bit: u32) -> Result<Self, OptionsError> {
        if bit.count_ones() != 1 {
            return Err(OptionsError::Mark);
        }
        self.mark = bit;
        Ok(self)
    }

    /// The bit of a connection's mark that says that it is cut, although it was accepted once; by default `0x40000`. Nothing
    /// sets it but whoever [asks](crate::nftables#connections-that-are-there) for it. Others who write whole marks of
    /// connections must leave it alone.
    ///
    /// # Errors
    ///
    /// [`OptionsError::Mark`]: not one bit.
    pub fn connection_mark(mut self, bit: u32) -> Result<Self, OptionsError> {
        if bit.count_ones() != 1 {
            return Err(OptionsError::Mark);
        }
        self.connection_mark = bit;
        Ok(self)
    }

    /// Takes [`mark`](Self::mark) and [`connection_mark`](Self::connection_mark) from the bits of a mask, as the reference does:
    /// its lowest, and the third from there. The defaults are those of `0xffff0000`.
    ///
    /// Source: calico@87c15906f2 felix/markbits, config `NftablesMarkMask`.
    ///
    /// # Errors
    ///
    /// [`OptionsError::MarkMask`]: fewer than three bits.
    pub fn mark_mask(self, mask: u32) -> Result<Self, OptionsError> {
        let lowest = |mask: u32| mask & mask.wrapping_neg();
        let second = mask & !lowest(mask);
        let third = second & !lowest(second);
        if third == 0 {
            return Err(OptionsError::MarkMask);
        }
        self.mark(lowest(mask))?.connection_mark(lowest(third))
    }

    /// Whether policy is asked about packets that connection tracking calls invalid; by default not, and they are dropped.
    ///
    /// Where answers take another way than what they answer, tracking sees half of each connection, and calls packets of it
    /// invalid.
    ///
    /// Source: calico@87c15906f2 felix config `DisableConntrackInvalidCheck`.
    #[must_use]
    pub const fn judges_invalid(mut self, judges: bool) -> Self {
        self.judges_invalid = judges;
        self
    }

    /// How the kernel's log lines for Log rules begin; by default `calico-packet: `.
    ///
    /// # Errors
    ///
    /// [`OptionsError::LogPrefix`]: more than 127 bytes, or other than printable ASCII without quotes,
    /// backslashes and dollars, which nft takes for variables.
    pub fn log_prefix(mut self, prefix: &str) -> Result<Self, OptionsError> {
        if !is_plain(prefix, 127) {
            return Err(OptionsError::LogPrefix);
        }
        self.log_prefix = prefix.to_string();
        Ok(self)
    }

    /// What the table says of itself to whoever lists it, such as whose policy it holds; by default nothing.
    ///
    /// # Errors
    ///
    /// [`OptionsError::Comment`]: more than 128 bytes, or other than printable ASCII without quotes, backslashes and dollars,
    /// which nft takes for variables.
    pub fn comment(mut self, comment: &str) -> Result<Self, OptionsError> {
        if !is_plain(comment, 128) {
            return Err(OptionsError::Comment);
        }
        self.comment = comment.to_string();
        Ok(self)
    }

    /// Whose sources are translated, and which services do not loop; by default nobody's and none.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Whether the table belongs to the socket that it is sent through, so that nobody else changes it or flushes it, and
    /// outlives it; by default not. Takes a kernel with the flags `owner` and `persist` (Linux 6.9).
    #[cfg(feature = "nft-wire")]
    #[must_use]
    pub const fn owned(mut self, owned: bool) -> Self {
        self.owned = owned;
        self
    }

    /// How many members a set of the kernel may have; by default 2<sup>24</sup>. A set that would have more is full: endpoints
    /// whose policy speaks of it are denied.
    #[cfg(feature = "nft-wire")]
    #[must_use]
    pub const fn max_set_len(mut self, len: usize) -> Self {
        self.max_set_len = len;
        self
    }
}

/// Whether nft takes this text between quotes.
fn is_plain(text: &str, most: usize) -> bool {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\' | b'$');
    text.len() <= most && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_what_nft_takes() {
        assert_eq!(Options::default().comment("").map(|options| options.comment), Ok(String::new()));
        let longest = "x".repeat(128);
        assert_eq!(
            Options::default().comment(&longest).map(|options| options.comment.len()),
            Ok(longest.len())
        );
        for wrong in [&"x".repeat(129), "a\"; flush ruleset", "$x", "back\\", "two\nlines", "\u{e9}"] {
            assert_eq!(Options::default().comment(wrong), Err(OptionsError::Comment), "{wrong}");
        }
    }

    #[test]
    fn marks_are_bits_of_their_mask() {
        let bits =
            |mask| Options::default().mark_mask(mask).map(|options| (options.mark, options.connection_mark));
        assert_eq!(bits(0xffff_0000), Ok((0x1_0000, 0x4_0000)));
        assert_eq!(Options::default().mark_mask(0xffff_0000), Ok(Options::default()));
        assert_eq!(bits(0x8000_0101), Ok((1, 0x8000_0000)));
        for mask in [0, 1, 0x8000_0001] {
            assert_eq!(bits(mask), Err(OptionsError::MarkMask), "{mask:x}");
        }
    }
}
