//! OPEN: who a speaker is and what it can do.

use core::net::Ipv4Addr;

use crate::capability::{Capabilities, Capability};
use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::header::{self, HEADER_LEN, MAX_LEN, MessageType};

/// What stands in two-octet fields for an AS number that needs four (RFC 6793).
pub const AS_TRANS: u16 = 23456;

/// Hold time in seconds: 0 (no keepalives) or 3 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldTime(u16);

impl HoldTime {
    /// No keepalives, no hold timer.
    pub const NONE: Self = Self(0);
    /// 90 seconds, the value RFC 4271 §10 suggests.
    pub const DEFAULT: Self = Self(90);

    /// A hold time; `None` for 1 and 2 seconds, which RFC 4271 §4.2 forbids.
    pub const fn new(seconds: u16) -> Option<Self> {
        if seconds == 1 || seconds == 2 { None } else { Some(Self(seconds)) }
    }

    /// Seconds.
    pub const fn seconds(self) -> u16 {
        self.0
    }
}

/// An OPEN message.
///
/// ```text
/// | version (1) = 4 | my AS (2) | hold time (2) | identifier (4) | parameters length (1) | parameters |   RFC 4271 §4.2
/// | ...                                | 255 | 255 | length (2) | parameters with 2-octet lengths |      RFC 9072
/// ```
///
/// Capabilities are the only optional parameter there is; others are an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open<'a> {
    my_as: u16,
    hold_time: HoldTime,
    identifier: Ipv4Addr,
    capabilities: Capabilities<'a>,
}

impl<'a> Open<'a> {
    /// An OPEN to send. `asn` above 65535 becomes [`AS_TRANS`] in the fixed field, so that the capabilities
    /// must hold [`Capability::FourOctetAs`].
    pub fn new(
        asn: u32,
        hold_time: HoldTime,
        identifier: Ipv4Addr,
        capabilities: &'a [Capability<'a>],
    ) -> Self {
        let my_as = u16::try_from(asn).unwrap_or(AS_TRANS);
        Self { my_as, hold_time, identifier, capabilities: Capabilities::list(capabilities) }
    }

    pub(crate) fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let malformed = DecodeError::new(DecodeErrorKind::MalformedOpen, body.offset());
        let start = body.offset();
        let version = body.u8().ok_or(malformed)?;
        if version != 4 {
            return Err(DecodeError::new(DecodeErrorKind::UnsupportedVersion { version }, start));
        }
        let as_offset = body.offset();
        let my_as = body.u16().ok_or(malformed)?;
        let hold_offset = body.offset();
        let hold_time = body.u16().ok_or(malformed)?;
        let id_offset = body.offset();
        let identifier = Ipv4Addr::from(body.u32().ok_or(malformed)?);
        let len_offset = body.offset();
        let bad_lengths = DecodeError::new(DecodeErrorKind::MalformedOpen, len_offset);
        let first = body.u8().ok_or(malformed)?;
        let mut len = u16::from(first);
        let mut head = None;
        if len != 0 && body.rest().first() == Some(&255) {
            head = Some(first);
            body.u8();
            len = body.u16().ok_or(bad_lengths)?;
        }
        if usize::from(len) != body.rest().len() {
            return Err(bad_lengths);
        }
        let capabilities = Capabilities::decode(body, head)?;
        let hold_time = HoldTime::new(hold_time)
            .ok_or_else(|| DecodeError::new(DecodeErrorKind::UnacceptableHoldTime, hold_offset))?;
        if identifier.is_unspecified() {
            return Err(DecodeError::new(DecodeErrorKind::BadIdentifier, id_offset));
        }
        let open = Self { my_as, hold_time, identifier, capabilities };
        if open.my_as == 0 || open.asn() == 0 {
            return Err(DecodeError::new(DecodeErrorKind::BadPeerAs, as_offset));
        }
        Ok(open)
    }

    /// The AS number: that of the four-octet capability, else the fixed field.
    pub fn asn(&self) -> u32 {
        self.capabilities.four_octet_as().unwrap_or_else(|| u32::from(self.my_as))
    }

    /// The fixed two-octet field, which may be [`AS_TRANS`].
    pub const fn my_as(&self) -> u16 {
        self.my_as
    }

    /// The hold time that this side offers.
    pub const fn hold_time(&self) -> HoldTime {
        self.hold_time
    }

    /// The BGP identifier (router id).
    pub const fn identifier(&self) -> Ipv4Addr {
        self.identifier
    }

    /// The capabilities.
    pub const fn capabilities(&self) -> Capabilities<'a> {
        self.capabilities
    }

    /// Length of the encoded message in octets.
    pub fn encoded_len(&self) -> usize {
        HEADER_LEN + 9 + self.capabilities.encoded_len()
    }

    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong` (a capability above 255 octets), `MessageTooLong`.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        header::encode(&mut w, self.encoded_len(), MessageType::OPEN, MAX_LEN)?;
        w.u8(4)?;
        w.u16(self.my_as)?;
        w.u16(self.hold_time.0)?;
        w.put(&self.identifier.octets())?;
        self.capabilities.write(&mut w)?;
        Ok(w.len())
    }
}
