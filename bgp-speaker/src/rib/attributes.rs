//! Attributes that are kept: owned, comparable, shared.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use tortie_bgp_wire::{Aggregator, AsPath, AttributeCode, AttributeFlags, Community, NextHop, Origin};

/// The path attributes of a route, as received or as announced.
///
/// `next_hop` is that of the message the route came in; routes that we announce have none. Optional non-transitive
/// attributes that the speaker does not know are not kept (RFC 4271 §5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathAttributes {
    pub(crate) origin: u8,
    /// AS_PATH with four-octet numbers, as on the wire.
    pub(crate) as_path: Box<[u8]>,
    pub(crate) next_hop: Option<NextHop>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) atomic_aggregate: bool,
    pub(crate) aggregator: Option<(u32, Ipv4Addr)>,
    pub(crate) communities: Box<[Community]>,
    pub(crate) originator_id: Option<Ipv4Addr>,
    pub(crate) cluster_list: Box<[Ipv4Addr]>,
    pub(crate) unknown: Box<[UnknownAttribute]>,
}

/// An optional transitive attribute that the speaker does not know and passes on with the Partial bit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UnknownAttribute {
    pub(crate) flags: u8,
    pub(crate) code: u8,
    pub(crate) value: Box<[u8]>,
}

impl PathAttributes {
    /// ORIGIN.
    pub fn origin(&self) -> Origin {
        match self.origin {
            0 => Origin::IGP,
            1 => Origin::EGP,
            _ => Origin::INCOMPLETE,
        }
    }

    /// AS_PATH, empty for routes of our own AS.
    pub fn as_path(&self) -> AsPath<'_> {
        AsPath::from_wire(&self.as_path, true).unwrap_or(AsPath::EMPTY)
    }

    /// The next hop; `None` for routes that we announce.
    pub const fn next_hop(&self) -> Option<NextHop> {
        self.next_hop
    }

    /// The next hop's address, the global one where there are two.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.next_hop.map(NextHop::address)
    }

    /// MULTI_EXIT_DISC.
    pub const fn med(&self) -> Option<u32> {
        self.med
    }

    /// LOCAL_PREF; `None` for routes from external peers.
    pub const fn local_pref(&self) -> Option<u32> {
        self.local_pref
    }

    /// Whether ATOMIC_AGGREGATE is there.
    pub const fn atomic_aggregate(&self) -> bool {
        self.atomic_aggregate
    }

    /// AGGREGATOR.
    pub fn aggregator(&self) -> Option<Aggregator> {
        self.aggregator.map(|(asn, address)| Aggregator::new(asn, address))
    }

    /// COMMUNITIES, in order.
    pub fn communities(&self) -> &[Community] {
        &self.communities
    }

    /// ORIGINATOR_ID.
    pub const fn originator_id(&self) -> Option<Ipv4Addr> {
        self.originator_id
    }

    /// CLUSTER_LIST, in order.
    pub fn cluster_list(&self) -> &[Ipv4Addr] {
        &self.cluster_list
    }

    /// Transitive attributes that the speaker does not know: flags, code, value.
    pub fn unknown(&self) -> impl Iterator<Item = (AttributeFlags, AttributeCode, &[u8])> {
        self.unknown.iter().map(|u| (AttributeFlags::new(u.flags), AttributeCode::new(u.code), &*u.value))
    }
}

impl Default for PathAttributes {
    fn default() -> Self {
        Self {
            origin: Origin::IGP.get(),
            as_path: Box::default(),
            next_hop: None,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Box::default(),
            originator_id: None,
            cluster_list: Box::default(),
            unknown: Vec::new().into_boxed_slice(),
        }
    }
}
