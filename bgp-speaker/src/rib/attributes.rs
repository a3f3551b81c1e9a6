//! Attributes that are kept: owned, comparable, shared.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use tortie_bgp_wire::{
    Aggregator, AsPath, Attribute, AttributeCode, AttributeFlags, Community, NextHop, Origin, RawAttribute,
    Update,
};

use crate::config::LocalRoute;

/// The path attributes of a route, as received or as announced.
///
/// `next_hop` is that of the message the route came in; routes that we announce have none. Optional non-transitive
/// attributes that the speaker does not know are not kept (RFC 4271 §5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnknownAttribute {
    pub(crate) flags: u8,
    pub(crate) code: u8,
    pub(crate) value: Box<[u8]>,
}

impl PathAttributes {
    /// Those of an UPDATE, without next hop: the first well-formed occurrence of each.
    pub(crate) fn from_update(update: &Update<'_>) -> Self {
        let mut out = Self::default();
        let mut unknown = Vec::new();
        for attribute in update.attributes().flatten() {
            match attribute {
                Attribute::Origin(origin) => out.origin = origin.get(),
                Attribute::AsPath(path) => out.as_path = path_octets(path),
                Attribute::Med(med) => out.med = Some(med),
                Attribute::LocalPref(local_pref) => out.local_pref = Some(local_pref),
                Attribute::AtomicAggregate => out.atomic_aggregate = true,
                Attribute::Aggregator(a) => out.aggregator = Some((a.asn, a.address)),
                Attribute::Communities(communities) => out.communities = communities.iter().collect(),
                Attribute::OriginatorId(id) => out.originator_id = Some(id),
                Attribute::ClusterList(list) => out.cluster_list = list.iter().collect(),
                // They belong to sessions with two-octet AS numbers (RFC 6793 §4.1).
                Attribute::As4Path(_) | Attribute::As4Aggregator(_) => {}
                // Next hops depend on the family; optional non-transitive attributes end here. The others go on as they are.
                other => {
                    let first = update.raw_attributes().find(|raw| raw.code() == other.code());
                    let passed_on =
                        |raw: &RawAttribute<'_>| raw.flags().contains(AttributeFlags::OPTIONAL_TRANSITIVE);
                    unknown.extend(first.filter(passed_on).map(|raw| UnknownAttribute::new(&raw)));
                }
            }
        }
        unknown.sort_unstable();
        out.unknown = unknown.into_boxed_slice();
        out
    }

    /// Those of a prefix that we announce.
    pub(crate) fn from_local(route: LocalRoute, default_local_pref: u32) -> Self {
        Self {
            local_pref: Some(route.local_pref.unwrap_or(default_local_pref)),
            med: route.med,
            communities: route.communities.into_boxed_slice(),
            ..Self::default()
        }
    }

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

impl UnknownAttribute {
    fn new(raw: &RawAttribute<'_>) -> Self {
        Self {
            flags: raw.flags().get() & !AttributeFlags::EXTENDED_LENGTH.get(),
            code: raw.code().get(),
            value: raw.value().into(),
        }
    }
}

/// A path as it lies on the wire with four-octet numbers.
fn path_octets(path: AsPath<'_>) -> Box<[u8]> {
    let mut octets = vec![0; path.encoded_len(true)].into_boxed_slice();
    match path.encode(true, &mut octets) {
        Ok(_) => octets,
        // The buffer has the very length, and every number fits four octets.
        Err(_) => Box::default(),
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
            unknown: Box::default(),
        }
    }
}
