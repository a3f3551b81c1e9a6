//! BGP4MP: messages and states of sessions (RFC 6396 §4.4, RFC 8050 §3).

use core::fmt;
use core::net::IpAddr;

use crate::cursor::Writer;
use crate::error::{DecodeError, EncodeError};
use crate::family::FamilySet;
use crate::fields::Fields;
use crate::message::Message;
use crate::mrt::address::{address_len, write_address, write_asn};
use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::recorded;
use crate::session::Session;

/// Between whom a session is, as the collector sees it.
///
/// ```text
/// | peer AS (2 or 4) | local AS (2 or 4) | interface (2) | AFI (2) | peer address | local address |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Peering {
    /// AS number of the peer.
    pub peer_as: u32,
    /// AS number of the collector.
    pub local_as: u32,
    /// Number of the interface, by SNMP; 0 where the collector does not say.
    pub interface: u16,
    /// Address of the peer.
    pub peer: IpAddr,
    /// Address of the collector, of the same family.
    pub local: IpAddr,
}

impl Peering {
    /// A session of `peer_as` at `peer` with `local_as` at `local`.
    pub const fn new(peer_as: u32, peer: IpAddr, local_as: u32, local: IpAddr) -> Self {
        Self { peer_as, local_as, interface: 0, peer, local }
    }

    fn decode(r: &mut Fields<'_>, four: bool) -> Result<Self, MrtError> {
        let (peer_as, local_as, interface) = (r.asn(four)?, r.asn(four)?, r.u16()?);
        let at = r.at();
        let v6 = match r.u16()? {
            1 => false,
            2 => true,
            afi => return Err(MrtError::new(MrtErrorKind::AddressFamily { afi }, at)),
        };
        Ok(Self { peer_as, local_as, interface, peer: r.address(v6)?, local: r.address(v6)? })
    }

    fn encoded_len(&self, four: bool) -> usize {
        address_len(self.peer) + address_len(self.local) + if four { 12 } else { 8 }
    }

    fn write(&self, w: &mut Writer<'_>, four: bool) -> Result<(), EncodeError> {
        if self.peer.is_ipv4() != self.local.is_ipv4() {
            return Err(EncodeError::MixedAddresses);
        }
        write_asn(w, self.peer_as, four)?;
        write_asn(w, self.local_as, four)?;
        w.u16(self.interface)?;
        w.u16(if self.peer.is_ipv4() { 1 } else { 2 })?;
        write_address(w, self.peer)?;
        write_address(w, self.local)
    }
}

/// What the subtype of a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MessageForm {
    /// AS numbers have four octets, in the record and in the message's AS_PATH.
    pub four_octet_as: bool,
    /// The collector sent the message; else it received it.
    pub local: bool,
    /// Destinations have path identifiers (RFC 8050 §3).
    pub add_path: bool,
}

impl MessageForm {
    /// A received message, with four-octet AS numbers and no path identifiers.
    pub const RECEIVED: Self = Self { four_octet_as: true, local: false, add_path: false };
    /// A sent one.
    pub const SENT: Self = Self { four_octet_as: true, local: true, add_path: false };

    /// The same with AS numbers of two octets.
    #[must_use]
    pub const fn two_octet_as(mut self) -> Self {
        self.four_octet_as = false;
        self
    }

    /// The same with path identifiers.
    #[must_use]
    pub const fn with_path_identifiers(mut self) -> Self {
        self.add_path = true;
        self
    }
}

/// A BGP message that the collector received or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionMessage<'a> {
    /// The session.
    pub peering: Peering,
    /// What the subtype says.
    pub form: MessageForm,
    /// The whole message, from its marker on, not yet read.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub message: &'a [u8],
}

impl<'a> SessionMessage<'a> {
    /// A message to record.
    pub const fn new(peering: Peering, form: MessageForm, message: &'a [u8]) -> Self {
        Self { peering, form, message }
    }

    /// The agreement that reads the message, as far as the record says it: AS numbers, path identifiers in all families,
    /// messages of any length, next hops of IPv6 wherever there can be some; the peer counts as internal, so that
    /// nothing is left out.
    pub fn session(&self) -> Session {
        let add_path = if self.form.add_path { FamilySet::ALL } else { FamilySet::EMPTY };
        let mut session = recorded::session(self.form.four_octet_as);
        (session.add_path_receive, session.add_path_send) = (add_path, add_path);
        session
    }

    /// Reads the message, with [`session`](Self::session).
    ///
    /// # Errors
    /// As [`Message::decode`], and `BadMessageLength` if the message is shorter than the record: offsets count from
    /// the message's marker.
    ///
    /// # Panics
    /// Never.
    pub fn decode_message(&self) -> Result<Message<'a>, DecodeError> {
        recorded::message(self.message, &self.session())
    }

    pub(super) const fn form(subtype: u16) -> Option<MessageForm> {
        let (four_octet_as, local, add_path) = match subtype {
            1 => (false, false, false),
            4 => (true, false, false),
            6 => (false, true, false),
            7 => (true, true, false),
            8 => (false, false, true),
            9 => (true, false, true),
            10 => (false, true, true),
            11 => (true, true, true),
            _ => return None,
        };
        Some(MessageForm { four_octet_as, local, add_path })
    }

    pub(super) const fn subtype(&self) -> u16 {
        match (self.form.four_octet_as, self.form.local, self.form.add_path) {
            (false, false, false) => 1,
            (true, false, false) => 4,
            (false, true, false) => 6,
            (true, true, false) => 7,
            (false, false, true) => 8,
            (true, false, true) => 9,
            (false, true, true) => 10,
            (true, true, true) => 11,
        }
    }

    pub(super) fn decode(r: &mut Fields<'a>, form: MessageForm) -> Result<Self, MrtError> {
        let peering = Peering::decode(r, form.four_octet_as)?;
        let message = r.take(r.rest().len())?;
        Ok(Self { peering, form, message })
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.peering.encoded_len(self.form.four_octet_as).saturating_add(self.message.len())
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.peering.write(w, self.form.four_octet_as)?;
        w.put(self.message)
    }
}

/// State of a session, any 16-bit value (RFC 6396 §4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State(u16);

impl State {
    /// Refuses connections.
    pub const IDLE: Self = Self(1);
    /// Waits for TCP.
    pub const CONNECT: Self = Self(2);
    /// Waits for the peer to come.
    pub const ACTIVE: Self = Self(3);
    /// Waits for an OPEN.
    pub const OPEN_SENT: Self = Self(4);
    /// Waits for a KEEPALIVE or a NOTIFICATION.
    pub const OPEN_CONFIRM: Self = Self(5);
    /// Exchanges routes.
    pub const ESTABLISHED: Self = Self(6);

    /// The state with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IDLE => f.write_str("Idle"),
            Self::CONNECT => f.write_str("Connect"),
            Self::ACTIVE => f.write_str("Active"),
            Self::OPEN_SENT => f.write_str("OpenSent"),
            Self::OPEN_CONFIRM => f.write_str("OpenConfirm"),
            Self::ESTABLISHED => f.write_str("Established"),
            Self(other) => write!(f, "state {other}"),
        }
    }
}

/// A session that went from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StateChange {
    /// The session.
    pub peering: Peering,
    /// AS numbers have four octets in the record.
    pub four_octet_as: bool,
    /// The state before.
    pub old: State,
    /// The state after.
    pub new: State,
}

impl StateChange {
    /// A change to record, with four-octet AS numbers.
    pub const fn new(peering: Peering, old: State, new: State) -> Self {
        Self { peering, four_octet_as: true, old, new }
    }

    /// Whether AS numbers have four octets; `None` if records of this subtype are none of this kind.
    pub(super) const fn width(subtype: u16) -> Option<bool> {
        match subtype {
            0 => Some(false),
            5 => Some(true),
            _ => None,
        }
    }

    pub(super) const fn subtype(&self) -> u16 {
        if self.four_octet_as { 5 } else { 0 }
    }

    pub(super) fn decode(r: &mut Fields<'_>, four_octet_as: bool) -> Result<Self, MrtError> {
        let peering = Peering::decode(r, four_octet_as)?;
        Ok(Self { peering, four_octet_as, old: State(r.u16()?), new: State(r.u16()?) })
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.peering.encoded_len(self.four_octet_as).saturating_add(4)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.peering.write(w, self.four_octet_as)?;
        w.u16(self.old.0)?;
        w.u16(self.new.0)
    }
}
