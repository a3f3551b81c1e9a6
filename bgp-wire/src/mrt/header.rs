//! The header in front of every record, and records whose body is not read yet.

use core::fmt;

use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::fields::Fields;
use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::mrt::record::{Body, Record};

/// Length of the common header in octets.
pub const HEADER_LEN: usize = 12;

/// Type of a record, any 16-bit value (RFC 6396 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordType(u16);

impl RecordType {
    /// OSPFv2.
    pub const OSPFV2: Self = Self(11);
    /// A RIB, one route of one peer in each record.
    pub const TABLE_DUMP: Self = Self(12);
    /// A RIB, all routes to one destination in each record.
    pub const TABLE_DUMP_V2: Self = Self(13);
    /// Messages and states of BGP sessions.
    pub const BGP4MP: Self = Self(16);
    /// The same with microseconds.
    pub const BGP4MP_ET: Self = Self(17);
    /// IS-IS.
    pub const ISIS: Self = Self(32);
    /// IS-IS with microseconds.
    pub const ISIS_ET: Self = Self(33);
    /// OSPFv3.
    pub const OSPFV3: Self = Self(48);
    /// OSPFv3 with microseconds.
    pub const OSPFV3_ET: Self = Self(49);

    /// The type with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether records of this type have microseconds (RFC 6396 §3).
    pub const fn has_microseconds(self) -> bool {
        matches!(self, Self::BGP4MP_ET | Self::ISIS_ET | Self::OSPFV3_ET)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OSPFV2 => f.write_str("OSPFv2"),
            Self::TABLE_DUMP => f.write_str("TABLE_DUMP"),
            Self::TABLE_DUMP_V2 => f.write_str("TABLE_DUMP_V2"),
            Self::BGP4MP => f.write_str("BGP4MP"),
            Self::BGP4MP_ET => f.write_str("BGP4MP_ET"),
            Self::ISIS => f.write_str("ISIS"),
            Self::ISIS_ET => f.write_str("ISIS_ET"),
            Self::OSPFV3 => f.write_str("OSPFv3"),
            Self::OSPFV3_ET => f.write_str("OSPFv3_ET"),
            Self(other) => write!(f, "type {other}"),
        }
    }
}

/// When something was recorded.
///
/// `Display` is the usual notation: seconds, and six digits of microseconds after a point where there are some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Timestamp {
    /// Seconds since 1970, UTC.
    pub seconds: u32,
    /// Microseconds beyond them, in the types that have them: below a million, though nothing checks it.
    pub microseconds: Option<u32>,
}

impl Timestamp {
    /// A time in seconds since 1970.
    pub const fn new(seconds: u32) -> Self {
        Self { seconds, microseconds: None }
    }

    /// The same with microseconds, which makes a BGP4MP record one of BGP4MP_ET.
    #[must_use]
    pub const fn with_microseconds(mut self, microseconds: u32) -> Self {
        self.microseconds = Some(microseconds);
        self
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.microseconds {
            None => write!(f, "{}", self.seconds),
            Some(microseconds) => write!(f, "{}.{microseconds:06}", self.seconds),
        }
    }
}

/// A record whose body is not read yet: what is known of a record of any type.
///
/// ```text
/// | timestamp (4) | type (2) | subtype (2) | length (4) | microseconds (4), some types | body |    RFC 6396 §2, §3
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RawRecord<'a> {
    time: Timestamp,
    kind: RecordType,
    subtype: u16,
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    body: &'a [u8],
}

impl<'a> RawRecord<'a> {
    /// Any record. Whether the time has microseconds decides nothing but whether it can be encoded.
    pub const fn new(time: Timestamp, kind: RecordType, subtype: u16, body: &'a [u8]) -> Self {
        Self { time, kind, subtype, body }
    }

    /// The record at the front of `bytes`, and what follows it.
    ///
    /// # Errors
    /// `Incomplete`; `Cut` if the record is too short for its microseconds.
    ///
    /// # Panics
    /// Never.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), MrtError> {
        let incomplete = |needed| MrtError::new(MrtErrorKind::Incomplete { needed }, bytes.len());
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or_else(|| incomplete(HEADER_LEN))?;
        let (seconds, kind, subtype, len) = split_header(header);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let (body, rest) =
            rest.split_at_checked(len).ok_or_else(|| incomplete(HEADER_LEN.saturating_add(len)))?;
        let mut fields = Fields::new(body, HEADER_LEN);
        let microseconds = if kind.has_microseconds() { Some(fields.u32()?) } else { None };
        let time = Timestamp { seconds, microseconds };
        Ok((Self { time, kind, subtype, body: fields.rest() }, rest))
    }

    /// When it was recorded.
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The type.
    pub const fn kind(&self) -> RecordType {
        self.kind
    }

    /// The subtype; its meaning depends on the type.
    pub const fn subtype(&self) -> u16 {
        self.subtype
    }

    /// The octets after header and microseconds.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Where the body lies, in octets from the start of the record.
    pub(super) const fn body_offset(&self) -> usize {
        if self.time.microseconds.is_some() { HEADER_LEN + 4 } else { HEADER_LEN }
    }

    /// The record with its body read.
    ///
    /// # Errors
    /// What is wrong with the body. The next record can be read all the same.
    ///
    /// # Panics
    /// Never.
    pub fn record(&self) -> Result<Record<'a>, MrtError> {
        Ok(Record { time: self.time, body: Body::decode(self)? })
    }

    /// Length of the encoded record in octets.
    pub const fn encoded_len(&self) -> usize {
        self.body_offset().saturating_add(self.body.len())
    }

    /// Writes the record and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`; `WrongTime` if the time has microseconds and the type has none, or the reverse.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        write_header(&mut w, self.time, self.kind, self.subtype, self.body.len())?;
        w.put(self.body)?;
        Ok(w.len())
    }
}

/// Seconds, type, subtype, and length of what follows.
pub(super) const fn split_header(header: &[u8; HEADER_LEN]) -> (u32, RecordType, u16, u32) {
    let [t3, t2, t1, t0, k1, k0, s1, s0, l3, l2, l1, l0] = *header;
    (
        u32::from_be_bytes([t3, t2, t1, t0]),
        RecordType(u16::from_be_bytes([k1, k0])),
        u16::from_be_bytes([s1, s0]),
        u32::from_be_bytes([l3, l2, l1, l0]),
    )
}

/// Writes the header of a record whose body has so many octets, and the microseconds.
pub(super) fn write_header(
    w: &mut Writer<'_>,
    time: Timestamp,
    kind: RecordType,
    subtype: u16,
    body: usize,
) -> Result<(), EncodeError> {
    if time.microseconds.is_some() != kind.has_microseconds() {
        return Err(EncodeError::WrongTime);
    }
    let extra = if kind.has_microseconds() { 4 } else { 0 };
    w.u32(time.seconds)?;
    w.u16(kind.0)?;
    w.u16(subtype)?;
    w.u32(u32::try_from(body.saturating_add(extra)).map_err(|_| EncodeError::ValueTooLong)?)?;
    time.microseconds.map_or(Ok(()), |microseconds| w.u32(microseconds))
}
