//! What is printed: a route, or a change of state.

use core::net::IpAddr;

use tortie_bgp_wire::mrt::{State, Timestamp};
use tortie_bgp_wire::{
    Aggregator, Attribute, Communities, DecodeError, ExtendedCommunities, LargeCommunities, MergedPath,
    NextHop, Nlri, Origin, SegmentKind,
};

/// Something in an archive that is worth a line.
pub(crate) struct Event<'a> {
    /// Type of the record: `BGP4MP_ET_AP`.
    pub(crate) form: &'static str,
    pub(crate) time: Timestamp,
    pub(crate) peer: IpAddr,
    pub(crate) peer_as: u32,
    pub(crate) what: What<'a>,
}

/// What happened.
pub(crate) enum What<'a> {
    /// A route is there, in a message or in a RIB.
    Route {
        in_rib: bool,
        destination: Destination<'a>,
        next_hop: Option<NextHop>,
        attributes: &'a Values<'a>,
    },
    /// A route is no longer there.
    Withdrawn(Destination<'a>),
    /// A session went from one state to another.
    State { old: State, new: State },
}

/// Where a route leads.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) nlri: Nlri<'a>,
    pub(crate) path_id: Option<u32>,
}

/// The attributes that are printed, each if it is there and good.
#[derive(Default)]
pub(crate) struct Values<'a> {
    pub(crate) origin: Option<Origin>,
    pub(crate) path: Option<MergedPath<'a>>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) med: Option<u32>,
    pub(crate) atomic: bool,
    pub(crate) aggregator: Option<Aggregator>,
    pub(crate) communities: Option<Communities<'a>>,
    pub(crate) large: Option<LargeCommunities<'a>>,
    pub(crate) extended: Option<ExtendedCommunities<'a>>,
    /// What is wrong with the first attribute that is not good.
    pub(crate) fault: Option<DecodeError>,
}

impl<'a> Values<'a> {
    /// Takes them from attributes. Path and aggregator depend on several, and are given.
    pub(crate) fn new(
        attributes: impl Iterator<Item = Result<Attribute<'a>, DecodeError>>,
        path: Option<MergedPath<'a>>,
        aggregator: Option<Aggregator>,
    ) -> Self {
        let mut values = Self { path, aggregator, ..Self::default() };
        for attribute in attributes {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    values.fault = values.fault.or(Some(error));
                    continue;
                }
            };
            match attribute {
                Attribute::Origin(origin) => values.origin = Some(origin),
                Attribute::LocalPref(value) => values.local_pref = Some(value),
                Attribute::Med(value) => values.med = Some(value),
                Attribute::AtomicAggregate => values.atomic = true,
                Attribute::Communities(list) => values.communities = Some(list),
                Attribute::LargeCommunities(list) => values.large = Some(list),
                Attribute::ExtendedCommunities(list) => values.extended = Some(list),
                _ => {}
            }
        }
        values
    }

    /// Whether the path has an AS_SET, of a confederation or not.
    pub(crate) fn has_as_set(&self) -> bool {
        self.path.is_some_and(|path| {
            path.segments()
                .any(|segment| segment.kind == SegmentKind::SET || segment.kind == SegmentKind::CONFED_SET)
        })
    }
}
