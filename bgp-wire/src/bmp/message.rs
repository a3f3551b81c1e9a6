//! Any message.

use core::fmt;

use crate::bmp::error::{BmpError, BmpErrorKind};
use crate::bmp::information::{Initiation, RouteMirroring, Termination, read_all};
use crate::bmp::peer::{PEER_LEN, PeerHeader};
use crate::bmp::session::{PeerDown, PeerUp};
use crate::bmp::statistics::StatisticsReport;
use crate::cursor::Writer;
use crate::error::{DecodeError, EncodeError};
use crate::fields::Fields;
use crate::recorded;
use crate::session::Session;

/// Length of the common header in octets.
pub const HEADER_LEN: usize = 6;
/// The version of the protocol that is read and written.
pub const VERSION: u8 = 3;

/// Type of a message, any 8-bit value (RFC 7854 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MessageType(u8);

impl MessageType {
    /// Routes.
    pub const ROUTE_MONITORING: Self = Self(0);
    /// Statistics.
    pub const STATISTICS_REPORT: Self = Self(1);
    /// A session went down.
    pub const PEER_DOWN: Self = Self(2);
    /// A session came up.
    pub const PEER_UP: Self = Self(3);
    /// Who the router is.
    pub const INITIATION: Self = Self(4);
    /// Why the router closes the connection.
    pub const TERMINATION: Self = Self(5);
    /// Messages exactly as they were received.
    pub const ROUTE_MIRRORING: Self = Self(6);

    /// The type with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ROUTE_MONITORING => f.write_str("Route Monitoring"),
            Self::STATISTICS_REPORT => f.write_str("Statistics Report"),
            Self::PEER_DOWN => f.write_str("Peer Down"),
            Self::PEER_UP => f.write_str("Peer Up"),
            Self::INITIATION => f.write_str("Initiation"),
            Self::TERMINATION => f.write_str("Termination"),
            Self::ROUTE_MIRRORING => f.write_str("Route Mirroring"),
            Self(other) => write!(f, "type {other}"),
        }
    }
}

/// A checked message that borrows its octets.
///
/// ```text
/// | version (1) = 3 | length (4), header included | type (1) | body |        RFC 7854 §4.1
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Message<'a> {
    /// Routes of a peer.
    RouteMonitoring(RouteMonitoring<'a>),
    /// Statistics of a peer.
    StatisticsReport(StatisticsReport<'a>),
    /// A session went down.
    PeerDown(PeerDown<'a>),
    /// A session came up.
    PeerUp(PeerUp<'a>),
    /// Who the router is.
    Initiation(Initiation<'a>),
    /// Why the router closes the connection.
    Termination(Termination<'a>),
    /// Messages of a session exactly as they were received.
    RouteMirroring(RouteMirroring<'a>),
    /// Any other type, as it came.
    Unknown {
        /// The type.
        kind: MessageType,
        /// The octets after the header.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
        body: &'a [u8],
    },
}

/// Routes of a peer, as an UPDATE.
///
/// ```text
/// | peer header | UPDATE, from its marker on |        RFC 7854 §4.6
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RouteMonitoring<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// The UPDATE, not yet read.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub message: &'a [u8],
}

impl<'a> RouteMonitoring<'a> {
    /// An UPDATE of a peer.
    pub const fn new(peer: PeerHeader, message: &'a [u8]) -> Self {
        Self { peer, message }
    }

    /// Reads the UPDATE. The session is that of [`PeerUp::session`], or of [`PeerHeader::session`] where the Peer Up was missed.
    ///
    /// # Errors
    /// As [`crate::Message::decode`], and `BadMessageLength` if octets are left over: offsets count from the marker.
    ///
    /// # Panics
    /// Never.
    pub fn decode_message(&self, session: &Session) -> Result<crate::Message<'a>, DecodeError> {
        recorded::message(self.message, session)
    }
}

/// Length of the whole message whose header this is.
///
/// # Errors
/// `Version`, `Length`.
pub(super) const fn message_len(header: &[u8; HEADER_LEN]) -> Result<u32, BmpError> {
    let [version, l3, l2, l1, l0, _] = *header;
    if version != VERSION {
        return Err(BmpError::new(BmpErrorKind::Version { version }, 0));
    }
    let len = u32::from_be_bytes([l3, l2, l1, l0]);
    if len < 6 {
        return Err(BmpError::new(BmpErrorKind::Length { len }, 1));
    }
    Ok(len)
}

impl<'a> Message<'a> {
    /// The message at the front of `bytes`, and what follows it.
    ///
    /// # Errors
    /// `Incomplete` asks for more octets; `Version` and `Length` mean that the stream cannot be followed any further. The others are
    /// about this message alone.
    ///
    /// # Panics
    /// Never.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BmpError> {
        let incomplete = |needed| BmpError::new(BmpErrorKind::Incomplete { needed }, bytes.len());
        let header = bytes.first_chunk::<HEADER_LEN>().ok_or_else(|| incomplete(HEADER_LEN))?;
        let len = usize::try_from(message_len(header)?).unwrap_or(usize::MAX);
        let (message, rest) = bytes.split_at_checked(len).ok_or_else(|| incomplete(len))?;
        let [.., kind] = header;
        let mut r = Fields::new(message.get(HEADER_LEN..).unwrap_or(&[]), HEADER_LEN);
        let message = Self::decode_body(MessageType(*kind), &mut r)?;
        match r.rest().len() {
            0 => Ok((message, rest)),
            len => Err(BmpError::new(BmpErrorKind::Trailing { len }, r.at())),
        }
    }

    fn decode_body(kind: MessageType, r: &mut Fields<'a>) -> Result<Self, BmpError> {
        Ok(match kind {
            MessageType::ROUTE_MONITORING => {
                let peer = PeerHeader::decode(r)?;
                Self::RouteMonitoring(RouteMonitoring { peer, message: r.take(r.rest().len())? })
            }
            MessageType::STATISTICS_REPORT => Self::StatisticsReport(StatisticsReport::decode(r)?),
            MessageType::PEER_DOWN => Self::PeerDown(PeerDown::decode(r)?),
            MessageType::PEER_UP => Self::PeerUp(PeerUp::decode(r)?),
            MessageType::INITIATION => Self::Initiation(Initiation { information: read_all(r)? }),
            MessageType::TERMINATION => Self::Termination(Termination { information: read_all(r)? }),
            MessageType::ROUTE_MIRRORING => Self::RouteMirroring(RouteMirroring::decode(r)?),
            kind => Self::Unknown { kind, body: r.take(r.rest().len())? },
        })
    }

    /// Type of the message.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::RouteMonitoring(_) => MessageType::ROUTE_MONITORING,
            Self::StatisticsReport(_) => MessageType::STATISTICS_REPORT,
            Self::PeerDown(_) => MessageType::PEER_DOWN,
            Self::PeerUp(_) => MessageType::PEER_UP,
            Self::Initiation(_) => MessageType::INITIATION,
            Self::Termination(_) => MessageType::TERMINATION,
            Self::RouteMirroring(_) => MessageType::ROUTE_MIRRORING,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// The peer that the message is about.
    pub const fn peer(&self) -> Option<PeerHeader> {
        match self {
            Self::RouteMonitoring(routes) => Some(routes.peer),
            Self::StatisticsReport(report) => Some(report.peer),
            Self::PeerDown(down) => Some(down.peer),
            Self::PeerUp(up) => Some(up.peer),
            Self::RouteMirroring(mirrored) => Some(mirrored.peer),
            _ => None,
        }
    }

    /// Length of the encoded message in octets.
    pub fn encoded_len(&self) -> usize {
        let body = match self {
            Self::RouteMonitoring(routes) => routes.message.len().saturating_add(PEER_LEN),
            Self::StatisticsReport(report) => report.encoded_len(),
            Self::PeerDown(down) => down.encoded_len(),
            Self::PeerUp(up) => up.encoded_len(),
            Self::Initiation(initiation) => initiation.information.encoded_len(),
            Self::Termination(termination) => termination.information.encoded_len(),
            Self::RouteMirroring(mirrored) => mirrored.encoded_len(),
            Self::Unknown { body, .. } => body.len(),
        };
        body.saturating_add(HEADER_LEN)
    }

    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        w.u8(VERSION)?;
        w.u32(u32::try_from(self.encoded_len()).map_err(|_| EncodeError::ValueTooLong)?)?;
        w.u8(self.kind().0)?;
        match self {
            Self::RouteMonitoring(routes) => {
                routes.peer.write(&mut w)?;
                w.put(routes.message)?;
            }
            Self::StatisticsReport(report) => report.write(&mut w)?,
            Self::PeerDown(down) => down.write(&mut w)?,
            Self::PeerUp(up) => up.write(&mut w)?,
            Self::Initiation(initiation) => initiation.information.write(&mut w)?,
            Self::Termination(termination) => termination.information.write(&mut w)?,
            Self::RouteMirroring(mirrored) => mirrored.write(&mut w)?,
            Self::Unknown { body, .. } => w.put(body)?,
        }
        Ok(w.len())
    }
}
