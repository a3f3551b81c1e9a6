//! What a speaker says: outputs for the driver, events for its owner.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use ipnet::IpNet;
use tortie_bgp_wire::{DecodeError, ErrorCode, Family, FamilySet, HoldTime};

use crate::config::PeerConfig;
use crate::rib::PathAttributes;

/// A configured peer. Never reused within a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(crate) u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

/// A transport connection, or an attempt at one. Never reused within a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// What the driver must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Open a TCP connection; answer with [`connected`](crate::Speaker::connected) or [`closed`](crate::Speaker::closed).
    Connect {
        /// The name of the attempt, and later of the connection.
        connection: ConnectionId,
        /// Whom for.
        peer: PeerId,
        /// Where to.
        remote: SocketAddr,
        /// The address to bind to.
        local: Option<IpAddr>,
    },
    /// Write these octets: one or more whole messages.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close the connection, or give up the attempt, once what was sent before is written (or cannot be). The speaker has
    /// forgotten it: [`closed`](crate::Speaker::closed) need not follow.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// What the owner may want to log or to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session is established.
    SessionUp {
        /// With whom.
        peer: PeerId,
        /// What was agreed.
        session: SessionInfo,
    },
    /// An established session ended; its routes are gone from the Loc-RIB.
    SessionDown {
        /// With whom.
        peer: PeerId,
        /// Why.
        reason: DownReason,
    },
    /// A connection ended before it became a session.
    ConnectionFailed {
        /// With whom.
        peer: PeerId,
        /// Why.
        reason: DownReason,
    },
    /// The first UPDATE of a session that RFC 7606 lets the session survive; the rest is counted in [`PeerStats`].
    UpdateError {
        /// From whom.
        peer: PeerId,
        /// What was wrong, and what was done about it.
        error: DecodeError,
    },
    /// The peer has sent all routes of a family that it had (RFC 4724).
    EndOfRib {
        /// Who.
        peer: PeerId,
        /// Which family.
        family: Family,
    },
    /// The Loc-RIB has changes that [`poll_change`](crate::Speaker::poll_change) has not given out; said once until it is drained.
    RoutesChanged,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// The transport closed, or could not be opened.
    Closed,
    /// The connection attempt took longer than [`Config::connect_retry`](crate::Config::connect_retry).
    ConnectTimeout,
    /// The peer sent this NOTIFICATION.
    Received(ErrorCode),
    /// We sent this NOTIFICATION.
    Sent {
        /// Code and subcode.
        code: ErrorCode,
        /// What was wrong with the peer's message, if one was.
        error: Option<DecodeError>,
    },
    /// The peer opened another connection in its place.
    Replaced,
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("connection closed"),
            Self::ConnectTimeout => f.write_str("connection attempt timed out"),
            Self::Received(code) => write!(f, "peer says {code}"),
            Self::Sent { code, error: None } => write!(f, "{code}"),
            Self::Sent { code, error: Some(error) } => write!(f, "{code}: {error}"),
            Self::Replaced => f.write_str("replaced by a newer connection"),
        }
    }
}

/// Why [`accepted`](crate::Speaker::accepted) does not want a connection. The driver closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No peer has this address.
    #[error("no peer has this address")]
    UnknownPeer,
    /// The peer has a session.
    #[error("the peer has an established session")]
    Established,
    /// The peer made an error a moment ago.
    #[error("the peer is kept waiting after an error")]
    ErrorWait,
    /// The speaker was shut down.
    #[error("the speaker is shut down")]
    ShutDown,
}

/// Why a peer cannot be added, changed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// Another peer has this address.
    #[error("another peer has the address {address}")]
    DuplicateAddress {
        /// The address.
        address: IpAddr,
    },
    /// There is no such peer.
    #[error("no such peer")]
    NotFound,
}

/// What the two sides of a session agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The peer's BGP identifier.
    pub remote_id: Ipv4Addr,
    /// Families in use.
    pub families: FamilySet,
    /// The hold time in force.
    pub hold_time: HoldTime,
    /// Whether the peer is in another AS.
    pub external: bool,
    /// When it was established.
    pub since: Duration,
}

/// State of the session with a peer (RFC 4271 §8.2.2); that of the connection that got furthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// Waiting after an error, or shut down.
    Idle,
    /// Waiting for a connection, or for the time to open one.
    Active,
    /// Opening a connection.
    Connect,
    /// OPEN sent.
    OpenSent,
    /// OPEN received and accepted.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

/// Counters of a peer since it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PeerStats {
    /// Messages received, of any type.
    pub messages_received: u64,
    /// UPDATEs received.
    pub updates_received: u64,
    /// UPDATEs sent.
    pub updates_sent: u64,
    /// UPDATEs whose announcements were treated as withdrawals (RFC 7606).
    pub treated_as_withdraw: u64,
    /// UPDATEs that lost an attribute (RFC 7606).
    pub attributes_discarded: u64,
    /// Announced prefixes not accepted: our AS in the path, our identifier as originator, or an impossible next hop.
    pub routes_rejected: u64,
    /// Prefixes not sent because their attributes leave no room for a prefix in a message.
    pub routes_unsendable: u64,
    /// Sessions established.
    pub sessions: u64,
    /// Connections refused by [`accepted`](crate::Speaker::accepted).
    pub refused: u64,
}

/// A peer as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// Its name.
    pub id: PeerId,
    /// Its configuration.
    pub config: PeerConfig,
    /// How far it got.
    pub state: SessionState,
    /// The session, if it is established.
    pub session: Option<SessionInfo>,
    /// Why the last connection ended.
    pub last_down: Option<DownReason>,
    /// How many prefixes it announces.
    pub prefixes: usize,
    /// Counters.
    pub stats: PeerStats,
}

/// Where a route comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// We announce it.
    Local,
    /// A peer announced it.
    Peer(PeerId),
}

/// A route. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The destination.
    pub prefix: IpNet,
    /// Where it comes from.
    pub source: Source,
    /// Its attributes, shared with other routes.
    pub attributes: Arc<PathAttributes>,
}

/// A change of the Loc-RIB.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The destination.
    pub prefix: IpNet,
    /// The best route to it now; `None` if there is none any more.
    pub route: Option<Route>,
}
