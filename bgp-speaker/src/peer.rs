//! What is kept of a peer and of a connection.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use tortie_bgp_wire::{Family, FamilySet, Framer, NextHop, Session};

use crate::config::PeerConfig;
use crate::decision::Neighbor;
use crate::event::{ConnectionId, DownReason, PeerId, PeerStats, SessionInfo};

/// A configured peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) config: PeerConfig,
    /// Its bit in the sets of a table.
    pub(crate) slot: usize,
    /// The connection that we open or opened.
    pub(crate) outgoing: Option<ConnectionId>,
    /// The connection that the peer opened.
    pub(crate) incoming: Option<ConnectionId>,
    /// The session; present exactly while it is established.
    pub(crate) established: Option<Established>,
    /// End of the wait after an error.
    pub(crate) idle_until: Option<Duration>,
    /// Protocol errors in a row.
    pub(crate) errors: u32,
    /// How many waits have been drawn.
    pub(crate) draws: u64,
    pub(crate) last_down: Option<DownReason>,
    pub(crate) stats: PeerStats,
    /// How many prefixes it announces.
    pub(crate) prefixes: usize,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: ConnectionId,
    pub(crate) session: Session,
    pub(crate) info: SessionInfo,
    pub(crate) neighbor: Arc<Neighbor>,
    /// Up to which version of each table the peer knows the routes, in the order of `FAMILIES`.
    pub(crate) cursors: [u64; 2],
    /// Families whose End-of-RIB was sent.
    pub(crate) complete: FamilySet,
    /// The transport takes no more at the moment.
    pub(crate) blocked: bool,
    /// An error that the session survived was reported.
    pub(crate) error_reported: bool,
}

impl Peer {
    pub(crate) fn new(config: PeerConfig, slot: usize) -> Self {
        Self {
            config,
            slot,
            outgoing: None,
            incoming: None,
            established: None,
            idle_until: None,
            errors: 0,
            draws: 0,
            last_down: None,
            stats: PeerStats::default(),
            prefixes: 0,
        }
    }

    /// What our routes of a family are sent with.
    pub(crate) fn next_hop(&self, family: Family) -> Option<NextHop> {
        match family {
            Family::IPV4_UNICAST => self.config.next_hop4.map(NextHop::Ipv4),
            Family::IPV6_UNICAST => self.config.next_hop6.map(NextHop::Ipv6),
            _ => None,
        }
    }

    /// Whether a next hop is one that packets cannot be sent to, or our own.
    pub(crate) fn refuses_next_hop(&self, next_hop: NextHop) -> bool {
        match next_hop.address() {
            IpAddr::V4(v4) => {
                v4.is_unspecified()
                    || v4.is_multicast()
                    || v4 == Ipv4Addr::BROADCAST
                    || Some(v4) == self.config.next_hop4
            }
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast() || Some(v6) == self.config.next_hop6,
        }
    }

    /// A factor of 3/4 to 1 for the next wait (RFC 4271 §10), so that two sides do not step in time.
    ///
    /// Derived, not random: from our identifier, the peer's address and the number of the wait.
    pub(crate) fn jitter(&mut self, wait: Duration, router_id: Ipv4Addr) -> Duration {
        self.draws += 1;
        let address = match self.config.address {
            IpAddr::V4(v4) => u64::from(u32::from(v4)),
            IpAddr::V6(v6) => {
                v6.segments().iter().fold(0, |sum: u64, s| sum.wrapping_mul(31) + u64::from(*s))
            }
        };
        let mut x = (u64::from(u32::from(router_id)) << 32)
            ^ address
            ^ self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = u32::try_from((x >> 33) % 257).unwrap_or(0);
        wait.saturating_mul(768 + part) / 1024
    }

    /// Its connections, at most one of each direction.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        self.outgoing.into_iter().chain(self.incoming)
    }
}

/// State of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Connecting,
    OpenSent,
    OpenConfirm,
    Established,
}

/// A transport connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: PeerId,
    pub(crate) state: State,
    /// Taken out while input is read.
    pub(crate) framer: Option<Box<Framer>>,
    /// From OpenConfirm on what was agreed.
    pub(crate) session: Session,
    pub(crate) remote_id: Ipv4Addr,
    pub(crate) blocked: bool,
}

impl Connection {
    pub(crate) fn new(peer: PeerId) -> Self {
        Self {
            peer,
            state: State::Connecting,
            framer: Some(Box::default()),
            session: Session::default(),
            remote_id: Ipv4Addr::UNSPECIFIED,
            blocked: false,
        }
    }
}
