//! What happens to sessions: Peer Up and Peer Down (RFC 7854 §4.9, §4.10).

use core::net::IpAddr;

use crate::bmp::error::{BmpError, BmpErrorKind};
use crate::bmp::information::{InformationType, read_all};
use crate::bmp::peer::{PEER_LEN, PeerHeader, octets};
use crate::cursor::Writer;
use crate::entries::Entries;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::FamilySet;
use crate::fields::Fields;
use crate::header::{Header, MessageType};
use crate::message::Message;
use crate::notification::Notification;
use crate::open::Open;
use crate::recorded;
use crate::session::Session;
use crate::tlv::Tlv;

/// A session came up.
///
/// ```text
/// | peer header | local address (16) | local port (2) | remote port (2) | sent OPEN | received OPEN | information |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerUp<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// The router's address; an IPv4 address is in the last four octets.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub local_octets: [u8; 16],
    /// The router's port.
    pub local_port: u16,
    /// The peer's port.
    pub remote_port: u16,
    /// The OPEN that the router sent, from its marker on.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub sent_bytes: &'a [u8],
    /// The OPEN that the router received.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub received_bytes: &'a [u8],
    /// What else the router says, by [`InformationType`].
    pub information: Entries<'a, Tlv<'a>>,
}

impl<'a> PeerUp<'a> {
    /// A session between `local` and the peer, both on port 179, with these OPENs, as they lie on the wire.
    pub fn new(peer: PeerHeader, local: IpAddr, sent: &'a [u8], received: &'a [u8]) -> Self {
        Self {
            peer,
            local_octets: octets(local),
            local_port: 179,
            remote_port: 179,
            sent_bytes: sent,
            received_bytes: received,
            information: Entries::list(&[]),
        }
    }

    /// The router's address, of the same family as the peer's.
    pub fn local(&self) -> IpAddr {
        self.peer.address_of(self.local_octets)
    }

    /// The OPEN that the router sent.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn sent(&self) -> Result<Open<'a>, DecodeError> {
        open(self.sent_bytes)
    }

    /// The OPEN that the router received.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn received(&self) -> Result<Open<'a>, DecodeError> {
        open(self.received_bytes)
    }

    /// Name of the VRF or table (RFC 9069 §5.2.1), by rights in UTF-8.
    pub fn table_name(&self) -> Option<&'a [u8]> {
        value_of(self.information, InformationType::TABLE_NAME)
    }

    /// What the operator calls the peer, or a group of peers (RFC 8671 §6.3), by rights in UTF-8.
    pub fn admin_label(&self) -> Option<&'a [u8]> {
        value_of(self.information, InformationType::ADMIN_LABEL)
    }

    /// The agreement that reads the Route Monitoring messages of this peer: what the OPENs agree on, in the direction that
    /// the flags say, with AS numbers as the flags have them.
    ///
    /// # Errors
    /// That of an OPEN that cannot be read.
    pub fn session(&self) -> Result<Session, DecodeError> {
        let (sent, received) = (self.sent()?, self.received()?);
        let negotiated = if self.peer.is_adj_rib_out() {
            Session::negotiate(&received, &sent)
        } else {
            Session::negotiate(&sent, &received)
        };
        let mut add_path = negotiated.add_path_receive;
        if self.peer.is_loc_rib() {
            // There is no peer: the router made both OPENs up to say what the messages have (RFC 9069 §5.2).
            let (send, receive) = sent.capabilities().add_path();
            add_path = send.iter().chain(receive).collect::<FamilySet>();
        }
        Ok(Session {
            four_octet_as: self.peer.four_octet_as(),
            add_path_receive: add_path,
            add_path_send: add_path,
            extended_message: true,
            external: false,
            ..negotiated
        })
    }

    pub(super) fn decode(r: &mut Fields<'a>) -> Result<Self, BmpError> {
        let peer = PeerHeader::decode(r)?;
        let (local_octets, local_port, remote_port) = (r.array()?, r.u16()?, r.u16()?);
        let (sent_bytes, received_bytes) = (take_open(r)?, take_open(r)?);
        let information = read_all(r)?;
        Ok(Self { peer, local_octets, local_port, remote_port, sent_bytes, received_bytes, information })
    }

    pub(super) fn encoded_len(&self) -> usize {
        let opens = self.sent_bytes.len().saturating_add(self.received_bytes.len());
        opens.saturating_add(self.information.encoded_len()).saturating_add(PEER_LEN + 20)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.peer.write(w)?;
        w.put(&self.local_octets)?;
        w.u16(self.local_port)?;
        w.u16(self.remote_port)?;
        w.put(self.sent_bytes)?;
        w.put(self.received_bytes)?;
        self.information.write(w)
    }
}

/// Takes the octets of an OPEN off the fields.
fn take_open<'a>(r: &mut Fields<'a>) -> Result<&'a [u8], BmpError> {
    let bad = BmpError::new(BmpErrorKind::Open, r.at());
    let header = Header::decode(r.rest()).map_err(|_| bad)?;
    if header.kind() != MessageType::OPEN {
        return Err(bad);
    }
    Ok(r.take(header.len().into())?)
}

fn open(bytes: &[u8]) -> Result<Open<'_>, DecodeError> {
    match recorded::message(bytes, &Session::default())? {
        Message::Open(open) => Ok(open),
        other => Err(DecodeError::new(DecodeErrorKind::BadMessageType { kind: other.kind().get() }, 18)),
    }
}

/// The first value of a type.
pub(super) fn value_of<'a>(list: Entries<'a, Tlv<'a>>, kind: InformationType) -> Option<&'a [u8]> {
    list.iter().find(|tlv| tlv.kind == kind.get()).map(|tlv| tlv.value)
}

/// A session went down.
///
/// ```text
/// | peer header | reason (1) | data |        RFC 7854 §4.9
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerDown<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// Why.
    pub reason: PeerDownReason<'a>,
}

/// Why a session went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PeerDownReason<'a> {
    /// The router closed it with this NOTIFICATION, from its marker on.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    LocalNotification(&'a [u8]),
    /// The router closed it without one, on this event of its state machine (RFC 4271 §8.1); 0 for no such event.
    LocalEvent(u16),
    /// The peer closed it with this NOTIFICATION.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    RemoteNotification(&'a [u8]),
    /// The peer closed it without one.
    RemoteClosed,
    /// The router no longer reports on the peer.
    NotMonitored,
    /// The router closed it, and says more, by [`InformationType`] (RFC 9069 §5.3).
    LocalClosed(Entries<'a, Tlv<'a>>),
    /// Any other reason, and a known one with data that it does not have.
    Unknown {
        /// The reason.
        code: u8,
        /// The rest of the message.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
        data: &'a [u8],
    },
}

impl<'a> PeerDown<'a> {
    /// A session that went down.
    pub const fn new(peer: PeerHeader, reason: PeerDownReason<'a>) -> Self {
        Self { peer, reason }
    }

    /// The NOTIFICATION that closed the session, whoever sent it; `None` if there was none.
    ///
    /// # Errors
    /// As [`Message::decode`]; `BadMessageType` if it is another message.
    pub fn notification(&self) -> Option<Result<Notification<'a>, DecodeError>> {
        let (PeerDownReason::LocalNotification(bytes) | PeerDownReason::RemoteNotification(bytes)) =
            self.reason
        else {
            return None;
        };
        Some(match recorded::message(bytes, &self.peer.session()) {
            Ok(Message::Notification(notification)) => Ok(notification),
            Ok(other) => {
                Err(DecodeError::new(DecodeErrorKind::BadMessageType { kind: other.kind().get() }, 18))
            }
            Err(error) => Err(error),
        })
    }

    pub(super) fn decode(r: &mut Fields<'a>) -> Result<Self, BmpError> {
        let peer = PeerHeader::decode(r)?;
        Ok(Self { peer, reason: Self::reason(r)? })
    }

    pub(super) fn reason(r: &mut Fields<'a>) -> Result<PeerDownReason<'a>, BmpError> {
        let code = r.u8()?;
        Ok(match (code, r.rest()) {
            (6, _) => PeerDownReason::LocalClosed(read_all(r)?),
            (code, data) => {
                r.take(data.len())?;
                match (code, data) {
                    (1, data) => PeerDownReason::LocalNotification(data),
                    (2, &[high, low]) => PeerDownReason::LocalEvent(u16::from_be_bytes([high, low])),
                    (3, data) => PeerDownReason::RemoteNotification(data),
                    (4, []) => PeerDownReason::RemoteClosed,
                    (5, []) => PeerDownReason::NotMonitored,
                    (code, data) => PeerDownReason::Unknown { code, data },
                }
            }
        })
    }

    pub(super) fn encoded_len(&self) -> usize {
        let data = match self.reason {
            PeerDownReason::LocalNotification(data)
            | PeerDownReason::RemoteNotification(data)
            | PeerDownReason::Unknown { data, .. } => data.len(),
            PeerDownReason::LocalEvent(_) => 2,
            PeerDownReason::RemoteClosed | PeerDownReason::NotMonitored => 0,
            PeerDownReason::LocalClosed(information) => information.encoded_len(),
        };
        data.saturating_add(PEER_LEN + 1)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.peer.write(w)?;
        let (code, data): (u8, &[u8]) = match &self.reason {
            PeerDownReason::LocalNotification(data) => (1, data),
            PeerDownReason::LocalEvent(event) => (2, &event.to_be_bytes()),
            PeerDownReason::RemoteNotification(data) => (3, data),
            PeerDownReason::RemoteClosed => (4, &[]),
            PeerDownReason::NotMonitored => (5, &[]),
            PeerDownReason::LocalClosed(information) => {
                w.u8(6)?;
                return information.write(w);
            }
            PeerDownReason::Unknown { code, data } => (*code, data),
        };
        w.u8(code)?;
        w.put(data)
    }
}
