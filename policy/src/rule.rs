//! Rules in the form that both the evaluator and the compiler work from.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::key::Origin;
use crate::set::ServiceKey;

/// Version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Family of an address; one that is mapped into IPv6 is IPv6.
    #[must_use]
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Family of a prefix.
    #[must_use]
    pub const fn of_net(net: &IpNet) -> Self {
        match net {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Ports from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "plain vocabulary")]
pub struct PortRange {
    /// The first port.
    pub min: u16,
    /// The last port.
    pub max: u16,
}

impl PortRange {
    /// Whether the port is one of these.
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.min <= port && port <= self.max
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.min) } else { write!(f, "{}-{}", self.min, self.max) }
    }
}

/// A type of ICMP message, with all its codes or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "plain vocabulary")]
pub struct IcmpMatch {
    /// Type.
    pub kind: u8,
    /// Code; any if `None`.
    pub code: Option<u8>,
}

impl IcmpMatch {
    pub(crate) fn holds(self, kind: u8, code: u8) -> bool {
        self.kind == kind && self.code.is_none_or(|wanted| wanted == code)
    }
}

/// What a rule does, in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Allow,
    Deny,
    Pass,
    Log,
}

/// One rule, with law for what is not enforced already applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) origin: Origin,
    pub(crate) deed: Deed,
    /// Path of the first criterion that is not enforced, if there is one.
    pub(crate) unenforced: Option<String>,
    /// Whether the rule matches nothing, whatever its criteria say.
    pub(crate) never: bool,
    /// Path of criteria for HTTP requests: without somebody to judge them the rule matches nothing.
    pub(crate) http: Option<String>,
    pub(crate) criteria: Criteria,
}

/// All of these must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Criteria {
    pub(crate) family: Option<Family>,
    pub(crate) protocol: Option<u8>,
    pub(crate) not_protocol: Option<u8>,
    pub(crate) icmp: Option<IcmpMatch>,
    pub(crate) not_icmp: Option<IcmpMatch>,
    pub(crate) source: Entity,
    pub(crate) destination: Entity,
}

/// Criteria for one end. Empty ones hold; there is at most one selector.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entity {
    pub(crate) nets: Vec<IpNet>,
    pub(crate) not_nets: Vec<IpNet>,
    pub(crate) selector: Option<Selector>,
    pub(crate) not_selector: Option<Selector>,
    /// Selector of nodes by their own labels.
    pub(crate) nodes: Option<Selector>,
    pub(crate) service: Option<ServiceKey>,
    pub(crate) ports: Ports,
    pub(crate) not_ports: Ports,
}

/// Ports, by number or by the name that endpoints give them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ports {
    pub(crate) ranges: Vec<PortRange>,
    pub(crate) names: Vec<String>,
}

impl Ports {
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.names.is_empty()
    }
}
