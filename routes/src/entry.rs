//! The route as the kernel holds it: interfaces by index.

use core::fmt;
use core::net::IpAddr;

use crate::number::{Kind, Protocol, Scope};
use crate::route::{Key, Route};

/// Where an entry sends its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Hop {
    /// The gateway; `None` means that the destination is on the link.
    pub via: Option<IpAddr>,
    /// The interface's index.
    pub index: u32,
    /// The gateway is on the link whatever other routes say.
    pub onlink: bool,
}

impl Hop {
    /// A hop out of the interface of this index.
    #[must_use]
    pub const fn new(via: Option<IpAddr>, index: u32, onlink: bool) -> Self {
        Self { via, index, onlink }
    }
}

/// A route in the kernel, observed there or to be written there.
///
/// The kernel may hold several entries under one key (`ip route append`, or IPv6 routes out of several links).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Entry {
    /// What identifies it.
    pub key: Key,
    /// Who wrote it.
    pub protocol: Protocol,
    /// What it does.
    pub kind: Kind,
    /// How far the destination is; always [`Scope::UNIVERSE`] for IPv6.
    pub scope: Scope,
    /// Through which interface; `None` for blackhole and its like, and for what `exact` says is more than one.
    pub hop: Option<Hop>,
    /// The path MTU in octets.
    pub mtu: Option<u32>,
    /// The preferred source address.
    pub preferred_source: Option<IpAddr>,
    /// Whether that is all. An entry with several next hops, an encapsulation, a nexthop object or further metrics is not
    /// exact: it equals no [`Route`], so that one of ours is replaced and a foreign one left alone.
    pub exact: bool,
}

impl Entry {
    /// The entry that a route becomes once its interface's index is known. The index is ignored where there is no
    /// interface.
    #[must_use]
    pub fn resolve(route: &Route, index: u32) -> Self {
        let hop = route.next_hop.as_ref().map(|hop| Hop { via: hop.via, index, onlink: hop.onlink });
        Self {
            key: route.key(),
            protocol: route.protocol,
            kind: route.kind,
            scope: route.scope,
            hop,
            mtu: route.mtu,
            preferred_source: route.preferred_source,
            exact: true,
        }
    }

    /// The index of the interface that it leaves through, if it is one interface.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        self.hop.map(|hop| hop.index)
    }

    pub(crate) fn has_gateway(&self) -> bool {
        self.hop.is_some_and(|hop| hop.via.is_some())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key.destination)?;
        if let Some(hop) = self.hop {
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
            write!(f, " interface {}", hop.index)?;
        }
        write!(f, " table {} proto {} metric {}", self.key.table, self.protocol, self.key.metric)?;
        if self.exact { Ok(()) } else { f.write_str(" and more") }
    }
}
