//! The numbers by which the kernel knows families, tables, protocols, kinds and scopes.

use core::fmt;
use core::net::IpAddr;

use ipnet::IpNet;

/// An address family: the kernel keeps IPv4 and IPv6 routes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there are two, and callers match on both")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family of a prefix.
    #[must_use]
    pub const fn of_net(net: &IpNet) -> Self {
        match net {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// The length of a single address's prefix: 32 or 128.
    #[must_use]
    pub const fn max_prefix_len(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A routing table's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table(u32);

impl Table {
    /// `RT_TABLE_MAIN` (254): where routes go unless told otherwise.
    pub const MAIN: Self = Self(254);

    /// The table of this number. 0 is what the kernel takes for [`Table::MAIN`], and so becomes it.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        if number == 0 { Self::MAIN } else { Self(number) }
    }

    /// The table's number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::MAIN
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAIN { f.write_str("main") } else { write!(f, "{}", self.0) }
    }
}

/// Who wrote a route (`rtm_protocol`). Unknown numbers are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(u8);

impl Protocol {
    /// `RTPROT_KERNEL` (2): written by the kernel itself, for addresses of an interface.
    pub const KERNEL: Self = Self(2);
    /// `RTPROT_BOOT` (3): what a writer that names no protocol gets. Routes to local workloads carry it
    /// (calico@87c15906f2 felix/config, `DeviceRouteProtocol`), and so may anybody's.
    pub const BOOT: Self = Self(3);
    /// `RTPROT_STATIC` (4): the administrator's.
    pub const STATIC: Self = Self(4);
    /// `RTPROT_BIRD` (12).
    pub const BIRD: Self = Self(12);
    /// 80: what a Calico node's agent writes for all but local workloads (calico@87c15906f2
    /// felix/dataplane/linux/dataplanedefs), and what tortie writes.
    pub const AGENT: Self = Self(80);

    /// The protocol of this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The protocol's number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::KERNEL => f.write_str("kernel"),
            Self::BOOT => f.write_str("boot"),
            Self::STATIC => f.write_str("static"),
            Self::BIRD => f.write_str("bird"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

/// What a route does with a packet (`rtm_type`). Unknown numbers are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

impl Kind {
    /// Forward it to the next hop.
    pub const UNICAST: Self = Self(1);
    /// Deliver it to this host.
    pub const LOCAL: Self = Self(2);
    /// Drop it in silence.
    pub const BLACKHOLE: Self = Self(6);
    /// Refuse it with "host unreachable".
    pub const UNREACHABLE: Self = Self(7);
    /// Refuse it with "administratively prohibited".
    pub const PROHIBIT: Self = Self(8);
    /// Go on in the next table.
    pub const THROW: Self = Self(9);

    /// The kind of this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The kind's number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether a route of this kind leaves through no interface: blackhole, unreachable, prohibit, throw.
    #[must_use]
    pub const fn is_without_next_hop(self) -> bool {
        matches!(self, Self::BLACKHOLE | Self::UNREACHABLE | Self::PROHIBIT | Self::THROW)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNICAST => f.write_str("unicast"),
            Self::LOCAL => f.write_str("local"),
            Self::BLACKHOLE => f.write_str("blackhole"),
            Self::UNREACHABLE => f.write_str("unreachable"),
            Self::PROHIBIT => f.write_str("prohibit"),
            Self::THROW => f.write_str("throw"),
            Self(number) => write!(f, "kind {number}"),
        }
    }
}

/// How far away the destination is (`rtm_scope`). IPv6 knows only [`Scope::UNIVERSE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(u8);

impl Scope {
    /// Behind a gateway, or anywhere.
    pub const UNIVERSE: Self = Self(0);
    /// On the link itself.
    pub const LINK: Self = Self(253);
    /// On this host.
    pub const HOST: Self = Self(254);
    /// In a deletion: any scope.
    pub const NOWHERE: Self = Self(255);

    /// The scope of this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The scope's number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}
