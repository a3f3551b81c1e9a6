//! The 19 octets in front of every message.

use core::fmt;

use crate::cursor::Writer;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::session::Session;

/// Length of the header in octets.
pub const HEADER_LEN: usize = 19;
/// Longest message in octets (RFC 4271 §4.1).
pub const MAX_LEN: usize = 4096;
/// Longest message in octets where both sides agreed on extended messages (RFC 8654 §3).
pub const EXTENDED_MAX_LEN: usize = 65535;
/// [`HEADER_LEN`] as an offset.
pub(crate) const BODY: u16 = 19;
/// [`MAX_LEN`] as a length field.
const MAX: u16 = 4096;

/// Type of a message, any 8-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct MessageType(u8);

impl MessageType {
    /// OPEN.
    pub const OPEN: Self = Self(1);
    /// UPDATE.
    pub const UPDATE: Self = Self(2);
    /// NOTIFICATION.
    pub const NOTIFICATION: Self = Self(3);
    /// KEEPALIVE.
    pub const KEEPALIVE: Self = Self(4);
    /// ROUTE-REFRESH (RFC 2918).
    pub const ROUTE_REFRESH: Self = Self(5);

    /// The type with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Shortest and longest message of this type where messages may have `max` octets; `None` for an unknown type.
    const fn bounds(self, max: u16) -> Option<(u16, u16)> {
        match self {
            // RFC 8654 §3 leaves OPEN and KEEPALIVE as they are.
            Self::OPEN => Some((29, MAX)),
            Self::UPDATE => Some((23, max)),
            Self::NOTIFICATION => Some((21, max)),
            Self::KEEPALIVE => Some((BODY, BODY)),
            // RFC 7313 §5 has an error of its own for its length.
            Self::ROUTE_REFRESH => Some((BODY, max)),
            _ => None,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OPEN => f.write_str("OPEN"),
            Self::UPDATE => f.write_str("UPDATE"),
            Self::NOTIFICATION => f.write_str("NOTIFICATION"),
            Self::KEEPALIVE => f.write_str("KEEPALIVE"),
            Self::ROUTE_REFRESH => f.write_str("ROUTE-REFRESH"),
            Self(other) => write!(f, "type {other}"),
        }
    }
}

/// A checked message header.
///
/// ```text
/// | marker (16 octets, all ones) | length (2) | type (1) |        RFC 4271 §4.1
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    len: u16,
    kind: MessageType,
}

impl Header {
    /// Reads and checks a header: marker, length against the type's bounds, type.
    ///
    /// # Errors
    /// `NotSynchronized`, `BadMessageLength`, `BadMessageType` (RFC 4271 §6.1), or `Incomplete` with fewer than 19 octets.
    ///
    /// # Panics
    /// Never.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(bytes, MAX)
    }

    /// As [`decode`](Self::decode), on a session that may have extended messages.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    ///
    /// # Panics
    /// Never.
    #[inline]
    pub fn decode_in(bytes: &[u8], session: &Session) -> Result<Self, DecodeError> {
        Self::read(bytes, if session.extended_message { u16::MAX } else { MAX })
    }

    #[inline(always)]
    pub(crate) fn read(bytes: &[u8], max: u16) -> Result<Self, DecodeError> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::new(DecodeErrorKind::Incomplete, 0));
        };
        let [marker @ .., high, low, kind] = header;
        let (len, kind) = (u16::from_be_bytes([*high, *low]), MessageType(*kind));
        if u128::from_ne_bytes(*marker) != u128::MAX {
            return Err(DecodeError::new(DecodeErrorKind::NotSynchronized, 0));
        }
        let bad_len = DecodeError::new(DecodeErrorKind::BadMessageLength { len }, 16).with_data(16, 2);
        if !(BODY..=max).contains(&len) {
            return Err(bad_len);
        }
        match kind.bounds(max) {
            None => {
                Err(DecodeError::new(DecodeErrorKind::BadMessageType { kind: kind.0 }, 18).with_data(18, 1))
            }
            Some((min, max)) if len < min || len > max => Err(bad_len),
            Some(_) => Ok(Self { len, kind }),
        }
    }

    /// Length of the whole message in octets, header included: 19 to 4096, or to 65535.
    #[expect(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub const fn len(self) -> u16 {
        self.len
    }

    /// Type of the message.
    pub const fn kind(self) -> MessageType {
        self.kind
    }
}

/// Writes a header for a message of `len` octets, at most `max`.
pub(crate) fn encode(
    w: &mut Writer<'_>,
    len: usize,
    kind: MessageType,
    max: usize,
) -> Result<(), EncodeError> {
    let too_long = EncodeError::MessageTooLong { max };
    if len > max {
        return Err(too_long);
    }
    w.put(&[0xff; 16])?;
    w.u16(u16::try_from(len).map_err(|_| too_long)?)?;
    w.u8(kind.0)
}
