//! What an operator decides: about the speaker, each peer, each announced prefix.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use tortie_bgp_wire::{Community, FamilySet, HoldTime};

/// Configuration of a [`Speaker`](crate::Speaker).
///
/// The defaults of the timers are those a Calico node uses (calico@87c15906f2 confd/etc/calico/confd/templates/bird.cfg.template):
/// connect retry 5 s, error wait 5 to 30 s; and the hold time of RFC 4271, 90 s.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Our AS number, not zero.
    pub local_as: u32,
    /// Our BGP identifier, not `0.0.0.0`; unique in the AS.
    pub router_id: Ipv4Addr,
    /// The hold time we offer. Default 90 s.
    pub hold_time: HoldTime,
    /// How long a connection attempt may take, and how long to wait for the next. Default 5 s.
    pub connect_retry: Duration,
    /// The first wait after a protocol error. Default 5 s; doubled with every error up to [`error_wait_max`](Self::error_wait_max).
    pub error_wait: Duration,
    /// The longest wait after a protocol error. Default 30 s.
    pub error_wait_max: Duration,
    /// LOCAL_PREF of announced prefixes that name none, and of routes from external peers. Default 100.
    pub local_pref: u32,
    /// Whether [`poll_change`](crate::Speaker::poll_change) reports Loc-RIB changes. Default true; whoever does not poll them
    /// sets false, or withdrawn prefixes are remembered for ever.
    pub report_changes: bool,
}

impl Config {
    /// A configuration with defaults.
    pub const fn new(local_as: u32, router_id: Ipv4Addr) -> Self {
        Self {
            local_as,
            router_id,
            hold_time: HoldTime::DEFAULT,
            connect_retry: Duration::from_secs(5),
            error_wait: Duration::from_secs(5),
            error_wait_max: Duration::from_secs(30),
            local_pref: 100,
            report_changes: true,
        }
    }

    /// Sets [`hold_time`](Self::hold_time).
    #[must_use]
    pub const fn hold_time(mut self, hold_time: HoldTime) -> Self {
        self.hold_time = hold_time;
        self
    }

    /// Sets [`connect_retry`](Self::connect_retry).
    #[must_use]
    pub const fn connect_retry(mut self, wait: Duration) -> Self {
        self.connect_retry = wait;
        self
    }

    /// Sets [`error_wait`](Self::error_wait) and [`error_wait_max`](Self::error_wait_max).
    #[must_use]
    pub const fn error_wait(mut self, first: Duration, max: Duration) -> Self {
        self.error_wait = first;
        self.error_wait_max = max;
        self
    }

    /// Sets [`local_pref`](Self::local_pref).
    #[must_use]
    pub const fn local_pref(mut self, local_pref: u32) -> Self {
        self.local_pref = local_pref;
        self
    }

    /// Sets [`report_changes`](Self::report_changes).
    #[must_use]
    pub const fn report_changes(mut self, report: bool) -> Self {
        self.report_changes = report;
        self
    }
}

/// Configuration of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerConfig {
    /// The peer's address, which identifies it: no two peers of a speaker share one.
    pub address: IpAddr,
    /// The peer's AS number; equal to ours for an internal peer.
    pub remote_as: u32,
    /// The port to connect to. Default 179.
    pub port: u16,
    /// The address to connect from; `None` leaves the choice to the system.
    pub local_address: Option<IpAddr>,
    /// Wait for the peer to connect, never connect ourselves. Default false.
    pub passive: bool,
    /// The families to offer: IPv4 and IPv6 unicast, the default, or one of them. Others are left out.
    pub families: FamilySet,
    /// The next hop of every IPv4 route that we send to this peer. Without it, no IPv4 route is sent.
    pub next_hop4: Option<Ipv4Addr>,
    /// The next hop of every IPv6 route that we send to this peer, a global address. Without it, no IPv6 route is sent.
    pub next_hop6: Option<Ipv6Addr>,
    /// How many prefixes the peer may announce, both families together. Default 1,000,000; the session ends with a Cease beyond it.
    pub prefix_limit: usize,
}

impl PeerConfig {
    /// A peer with defaults. An IPv4 address serves as local address and next hop only if told so.
    pub const fn new(address: IpAddr, remote_as: u32) -> Self {
        Self {
            address,
            remote_as,
            port: 179,
            local_address: None,
            passive: false,
            families: FamilySet::UNICAST,
            next_hop4: None,
            next_hop6: None,
            prefix_limit: 1_000_000,
        }
    }

    /// Sets [`port`](Self::port).
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets [`local_address`](Self::local_address).
    #[must_use]
    pub const fn local_address(mut self, address: IpAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// Sets [`passive`](Self::passive).
    #[must_use]
    pub const fn passive(mut self, passive: bool) -> Self {
        self.passive = passive;
        self
    }

    /// Sets [`families`](Self::families).
    #[must_use]
    pub const fn families(mut self, families: FamilySet) -> Self {
        self.families = families;
        self
    }

    /// Sets [`next_hop4`](Self::next_hop4).
    #[must_use]
    pub const fn next_hop4(mut self, address: Ipv4Addr) -> Self {
        self.next_hop4 = Some(address);
        self
    }

    /// Sets [`next_hop6`](Self::next_hop6).
    #[must_use]
    pub const fn next_hop6(mut self, address: Ipv6Addr) -> Self {
        self.next_hop6 = Some(address);
        self
    }

    /// Sets [`prefix_limit`](Self::prefix_limit).
    #[must_use]
    pub const fn prefix_limit(mut self, limit: usize) -> Self {
        self.prefix_limit = limit;
        self
    }

    /// Address and port.
    pub const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Attributes of a prefix that we announce: ORIGIN IGP, an empty path, and these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct LocalRoute {
    /// LOCAL_PREF for internal peers; `None` is that of [`Config`].
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC; `None` sends none.
    pub med: Option<u32>,
    /// Communities, in this order.
    pub communities: Vec<Community>,
}

impl LocalRoute {
    /// A route without any of them.
    pub const fn new() -> Self {
        Self { local_pref: None, med: None, communities: Vec::new() }
    }

    /// Sets [`local_pref`](Self::local_pref).
    #[must_use]
    pub const fn local_pref(mut self, local_pref: u32) -> Self {
        self.local_pref = Some(local_pref);
        self
    }

    /// Sets [`med`](Self::med).
    #[must_use]
    pub const fn med(mut self, med: u32) -> Self {
        self.med = Some(med);
        self
    }

    /// Sets [`communities`](Self::communities).
    #[must_use]
    pub fn communities(mut self, communities: Vec<Community>) -> Self {
        self.communities = communities;
        self
    }
}
