//! Records with their bodies read.

use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::fields::Fields;
use crate::mrt::bgp4mp::{SessionMessage, StateChange};
use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::mrt::generic::RibGeneric;
use crate::mrt::header::{HEADER_LEN, RawRecord, RecordType, Timestamp, write_header};
use crate::mrt::peers::PeerIndexTable;
use crate::mrt::rib::Rib;
use crate::mrt::table::TableDump;

/// A checked record that borrows its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Record<'a> {
    /// When it was recorded.
    pub time: Timestamp,
    /// What was recorded.
    pub body: Body<'a>,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Body<'a> {
    /// BGP4MP: a BGP message.
    Message(SessionMessage<'a>),
    /// BGP4MP: a session went from one state to another.
    StateChange(StateChange),
    /// TABLE_DUMP: one route of one peer.
    TableDump(TableDump<'a>),
    /// TABLE_DUMP_V2: the peers that the entries of later records name by number.
    PeerIndexTable(PeerIndexTable<'a>),
    /// TABLE_DUMP_V2: the routes to one prefix.
    Rib(Rib<'a>),
    /// TABLE_DUMP_V2: the routes to one destination of any family.
    RibGeneric(RibGeneric<'a>),
    /// Any other type or subtype, and generic entries of a family that this crate does not type, as they came.
    Unknown(UnknownBody<'a>),
}

/// A body that this crate does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct UnknownBody<'a> {
    /// The type.
    pub kind: RecordType,
    /// The subtype.
    pub subtype: u16,
    /// The octets after header and microseconds.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub bytes: &'a [u8],
}

impl<'a> UnknownBody<'a> {
    /// Any body.
    pub const fn new(kind: RecordType, subtype: u16, bytes: &'a [u8]) -> Self {
        Self { kind, subtype, bytes }
    }
}

impl<'a> Record<'a> {
    /// A record to write.
    pub const fn new(time: Timestamp, body: Body<'a>) -> Self {
        Self { time, body }
    }

    /// The record at the front of `bytes`, and what follows it.
    ///
    /// Where records after a bad one matter, use [`RawRecord::decode`] and [`RawRecord::record`].
    ///
    /// # Errors
    /// Those of both.
    ///
    /// # Panics
    /// Never.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), MrtError> {
        let (raw, rest) = RawRecord::decode(bytes)?;
        Ok((raw.record()?, rest))
    }

    /// Length of the encoded record in octets.
    pub fn encoded_len(&self) -> usize {
        let extra = if self.time.microseconds.is_some() { 4 } else { 0 };
        self.body.encoded_len().saturating_add(HEADER_LEN + extra)
    }

    /// Writes the record and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`; `AsNeedsFourOctets`, `MixedAddresses`, `MixedPathIdentifiers`, `WrongFamily` from
    /// the body; `WrongTime` if the time has microseconds and the type has none, or the reverse.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        let (kind, subtype) = self.body.kind(self.time);
        write_header(&mut w, self.time, kind, subtype, self.body.encoded_len())?;
        self.body.write(&mut w)?;
        Ok(w.len())
    }
}

impl<'a> Body<'a> {
    pub(super) fn decode(raw: &RawRecord<'a>) -> Result<Self, MrtError> {
        let mut r = Fields::new(raw.body(), raw.body_offset());
        let unknown =
            Self::Unknown(UnknownBody { kind: raw.kind(), subtype: raw.subtype(), bytes: raw.body() });
        let body = match (raw.kind(), raw.subtype()) {
            (RecordType::BGP4MP | RecordType::BGP4MP_ET, subtype) => {
                if let Some(four) = StateChange::width(subtype) {
                    Self::StateChange(StateChange::decode(&mut r, four)?)
                } else if let Some(form) = SessionMessage::form(subtype) {
                    Self::Message(SessionMessage::decode(&mut r, form)?)
                } else {
                    return Ok(unknown);
                }
            }
            (RecordType::TABLE_DUMP, 1) => Self::TableDump(TableDump::decode(&mut r, false)?),
            (RecordType::TABLE_DUMP, 2) => Self::TableDump(TableDump::decode(&mut r, true)?),
            (RecordType::TABLE_DUMP_V2, 1) => Self::PeerIndexTable(PeerIndexTable::decode(&mut r)?),
            (RecordType::TABLE_DUMP_V2, subtype @ (6 | 12)) => {
                match RibGeneric::decode(&mut r, subtype == 12)? {
                    Some(rib) => Self::RibGeneric(rib),
                    None => return Ok(unknown),
                }
            }
            (RecordType::TABLE_DUMP_V2, subtype) => match Rib::form(subtype) {
                Some(form) => Self::Rib(Rib::decode(&mut r, form)?),
                None => return Ok(unknown),
            },
            _ => return Ok(unknown),
        };
        match r.rest().len() {
            0 => Ok(body),
            len => Err(MrtError::new(MrtErrorKind::Trailing { len }, r.at())),
        }
    }

    /// Type and subtype.
    fn kind(&self, time: Timestamp) -> (RecordType, u16) {
        let bgp4mp = if time.microseconds.is_some() { RecordType::BGP4MP_ET } else { RecordType::BGP4MP };
        match self {
            Self::Message(message) => (bgp4mp, message.subtype()),
            Self::StateChange(change) => (bgp4mp, change.subtype()),
            Self::TableDump(entry) => (RecordType::TABLE_DUMP, entry.subtype()),
            Self::PeerIndexTable(_) => (RecordType::TABLE_DUMP_V2, 1),
            Self::Rib(rib) => (RecordType::TABLE_DUMP_V2, rib.subtype()),
            Self::RibGeneric(rib) => (RecordType::TABLE_DUMP_V2, rib.subtype()),
            Self::Unknown(unknown) => (unknown.kind, unknown.subtype),
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Message(message) => message.encoded_len(),
            Self::StateChange(change) => change.encoded_len(),
            Self::TableDump(entry) => entry.encoded_len(),
            Self::PeerIndexTable(table) => table.encoded_len(),
            Self::Rib(rib) => rib.encoded_len(),
            Self::RibGeneric(rib) => rib.encoded_len(),
            Self::Unknown(unknown) => unknown.bytes.len(),
        }
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Message(message) => message.write(w),
            Self::StateChange(change) => change.write(w),
            Self::TableDump(entry) => entry.write(w),
            Self::PeerIndexTable(table) => table.write(w),
            Self::Rib(rib) => rib.write(w),
            Self::RibGeneric(rib) => rib.write(w),
            Self::Unknown(unknown) => w.put(unknown.bytes),
        }
    }
}
