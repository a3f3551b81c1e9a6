//! What MRT and BMP share: BGP messages of sessions that others had.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::family::FamilySet;
use crate::message::Message;
use crate::session::Session;

/// The agreement that reads the messages of a session of which no more is known than the width of AS numbers.
///
/// It takes what any session could have agreed on: messages of any length, IPv6 next hops. The peer counts as internal,
/// since nothing is to be left out.
pub(crate) fn session(four_octet_as: bool) -> Session {
    Session {
        four_octet_as,
        extended_message: true,
        families: FamilySet::ALL,
        ipv6_next_hops: FamilySet::ALL,
        ..Session::default()
    }
}

/// Reads a message that fills its octets.
pub(crate) fn message<'a>(bytes: &'a [u8], session: &Session) -> Result<Message<'a>, DecodeError> {
    let (message, rest) = Message::decode(bytes, session)?;
    if rest.is_empty() {
        return Ok(message);
    }
    let len = bytes.len().saturating_sub(rest.len());
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    Err(DecodeError::new(DecodeErrorKind::BadMessageLength { len }, 16).with_data(16, 2))
}
