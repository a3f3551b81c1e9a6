//! Types and values: Initiation, Termination, Route Mirroring (RFC 7854 §4.3 to §4.5, §4.7).

use crate::bmp::error::{BmpError, BmpErrorKind};
use crate::bmp::peer::{PEER_LEN, PeerHeader};
use crate::bmp::session::value_of;
use crate::cursor::Writer;
use crate::entries::{Entries, Entry};
use crate::error::EncodeError;
use crate::fields::{Cut, Fields, short};
use crate::tlv::Tlv;

/// What a type and value says in Initiation, Peer Up and Peer Down, any 16-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InformationType(u16);

impl InformationType {
    /// Free text. There may be several.
    pub const STRING: Self = Self(0);
    /// The system's description, as SNMP has it.
    pub const SYS_DESCR: Self = Self(1);
    /// The system's name, as SNMP has it.
    pub const SYS_NAME: Self = Self(2);
    /// Name of the VRF or table (RFC 9069).
    pub const TABLE_NAME: Self = Self(3);
    /// What the operator calls the peer (RFC 8671).
    pub const ADMIN_LABEL: Self = Self(4);

    /// The type with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl<'a> Entry<'a> for Tlv<'a> {
    fn read(bytes: &'a [u8], _: bool) -> Option<(Self, &'a [u8])> {
        let read = |r: &mut Fields<'a>| {
            let (kind, len) = (r.u16()?, r.u16()?);
            Ok::<_, Cut>(Self { kind, value: r.take(len.into())? })
        };
        let mut r = Fields::new(bytes, 0);
        read(&mut r).ok().map(|tlv| (tlv, r.rest()))
    }

    fn encoded_len(&self) -> usize {
        self.value.len().saturating_add(4)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        w.u16(self.kind)?;
        w.u16(short(self.value.len())?)?;
        w.put(self.value)?;
        Ok(w.len())
    }
}

/// Takes types and values to the end of the message.
pub(super) fn read_all<'a>(r: &mut Fields<'a>) -> Result<Entries<'a, Tlv<'a>>, BmpError> {
    let (bytes, end) = (r.rest(), r.at().saturating_add(r.rest().len()));
    let list =
        Entries::all(bytes).map_err(|cut| BmpError::new(BmpErrorKind::Cut, end.saturating_sub(cut.len())))?;
    r.take(bytes.len())?;
    Ok(list)
}

/// The first message of a connection: who the router is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Initiation<'a> {
    /// What the router says, by [`InformationType`].
    pub information: Entries<'a, Tlv<'a>>,
}

impl<'a> Initiation<'a> {
    /// What a router says of itself: by rights at least its description and its name.
    pub const fn new(information: &'a [Tlv<'a>]) -> Self {
        Self { information: Entries::list(information) }
    }

    /// The system's name, in ASCII by rights.
    pub fn sys_name(&self) -> Option<&'a [u8]> {
        value_of(self.information, InformationType::SYS_NAME)
    }

    /// The system's description, in ASCII by rights.
    pub fn sys_descr(&self) -> Option<&'a [u8]> {
        value_of(self.information, InformationType::SYS_DESCR)
    }
}

/// The last message of a connection: why the router closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Termination<'a> {
    /// What the router says: type 0 is free text, type 1 the reason.
    pub information: Entries<'a, Tlv<'a>>,
}

/// Why a router closes a connection, any 16-bit value (RFC 7854 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TerminationReason(u16);

impl TerminationReason {
    /// An operator closed it.
    pub const ADMINISTRATIVE: Self = Self(0);
    /// No reason.
    pub const UNSPECIFIED: Self = Self(1);
    /// The router is out of resources.
    pub const RESOURCES: Self = Self(2);
    /// The router has another connection to this station.
    pub const REDUNDANT: Self = Self(3);
    /// An operator closed it, and the router will not open it again.
    pub const PERMANENT: Self = Self(4);

    /// The reason with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl<'a> Termination<'a> {
    /// What a router says in the end.
    pub const fn new(information: &'a [Tlv<'a>]) -> Self {
        Self { information: Entries::list(information) }
    }

    /// The reason; `None` if there is none of two octets.
    pub fn reason(&self) -> Option<TerminationReason> {
        let value = value_of(self.information, InformationType(1))?;
        <[u8; 2]>::try_from(value).ok().map(|octets| TerminationReason(u16::from_be_bytes(octets)))
    }
}

/// Messages of a session exactly as the router received them, good or bad.
///
/// ```text
/// | peer header | types and values |        RFC 7854 §4.7
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RouteMirroring<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// Messages (type 0) and what the router says about them (type 1).
    pub information: Entries<'a, Tlv<'a>>,
}

/// What a router says about mirrored messages, any 16-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MirroringCode(u16);

impl MirroringCode {
    /// The message is bad, and was treated as withdrawn or closed the session.
    pub const ERRORED: Self = Self(0);
    /// Messages were lost.
    pub const LOST: Self = Self(1);

    /// The code with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl<'a> RouteMirroring<'a> {
    /// Mirrored messages.
    pub const fn new(peer: PeerHeader, information: &'a [Tlv<'a>]) -> Self {
        Self { peer, information: Entries::list(information) }
    }

    /// The messages, from their markers on.
    pub fn messages(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.information.iter().filter(|tlv| tlv.kind == 0).map(|tlv| tlv.value)
    }

    /// What the router says about them.
    pub fn codes(&self) -> impl Iterator<Item = MirroringCode> + use<'a> {
        self.information.iter().filter(|tlv| tlv.kind == 1).filter_map(|tlv| {
            let octets = <[u8; 2]>::try_from(tlv.value).ok()?;
            Some(MirroringCode(u16::from_be_bytes(octets)))
        })
    }

    pub(super) fn decode(r: &mut Fields<'a>) -> Result<Self, BmpError> {
        Ok(Self { peer: PeerHeader::decode(r)?, information: read_all(r)? })
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.information.encoded_len().saturating_add(PEER_LEN)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.peer.write(w)?;
        self.information.write(w)
    }
}
