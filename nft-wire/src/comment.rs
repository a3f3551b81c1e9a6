//! Comments, as `nft` keeps them among what the maker wants to remember: a type, a length, and a text with a zero at its end.
//!
//! Source: libnftnl/udata.h, `NFTNL_UDATA_RULE_COMMENT` and its like.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::attr::Bytes;
use crate::error::EncodeError;

/// Type of a comment of a rule, a table, a chain, an object or an element.
pub(crate) const COMMENT: u8 = 0;
/// Type of a comment of a set, behind what else is remembered of it.
pub(crate) const SET_COMMENT: u8 = 7;
/// Most bytes of a comment, `NFTNL_UDATA_COMMENT_MAXLEN`.
const MAX: usize = 128;

/// Whether a text can be printed by `nft` and read again, and has at most so many bytes.
pub(crate) fn check(text: &str, max: usize) -> Result<(), EncodeError> {
    if text.len() > max {
        return Err(EncodeError::TextTooLong { len: text.len(), max });
    }
    // Nearly every text is plain, which is seen of many bytes at once.
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' ' | b'!' | b'#'..=b'~')) {
        return Ok(());
    }
    match text.char_indices().find(|(_, character)| character.is_control() || *character == '"') {
        Some((at, character)) => Err(EncodeError::Text { at, character }),
        None => Ok(()),
    }
}

/// What stands before the text of a comment: its type, and the length with the zero behind it.
pub(crate) fn head(kind: u8, comment: &str) -> Result<[u8; 2], EncodeError> {
    check(comment, MAX)?;
    // At most 129.
    Ok([kind, u8::try_from(comment.len() + 1).unwrap_or(u8::MAX)])
}

/// Puts a comment behind what is remembered already.
pub(crate) fn put(userdata: &mut Bytes, kind: u8, comment: &str) -> Result<(), EncodeError> {
    let head = head(kind, comment)?;
    userdata.reserve(comment.len() + 3);
    userdata.extend_from_slice(&head);
    userdata.extend_from_slice(comment.as_bytes());
    userdata.push(0);
    Ok(())
}

/// The comment among what is remembered, by its type.
pub(crate) fn find(mut userdata: &[u8], wanted: u8) -> Option<String> {
    while let [kind, len, rest @ ..] = userdata {
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        if *kind == wanted {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return core::str::from_utf8(text).ok().map(ToOwned::to_owned);
        }
        userdata = rest;
    }
    None
}

/// Methods that write and read the comment of something with `userdata`.
macro_rules! commented {
    ($type:ident, $kind:expr) => {
        impl $type {
            /// The same with a comment, which `nft` shows, behind what is remembered already.
            ///
            /// # Errors
            ///
            /// [`TextTooLong`](crate::EncodeError::TextTooLong): it has more than 128 bytes.
            /// [`Text`](crate::EncodeError::Text): it has a control character or a double quote.
            pub fn comment(mut self, comment: &str) -> Result<Self, $crate::error::EncodeError> {
                $crate::comment::put(self.userdata.get_or_insert_default(), $kind, comment)?;
                Ok(self)
            }

            /// Its comment.
            #[must_use]
            pub fn comment_text(&self) -> Option<alloc::string::String> {
                $crate::comment::find(self.userdata.as_ref()?, $kind)
            }
        }
    };
}
pub(crate) use commented;
