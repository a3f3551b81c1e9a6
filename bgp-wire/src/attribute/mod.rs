//! Path attributes of an UPDATE.

mod as_path;
mod community;
mod decode;
mod encode;
mod extended;
mod iter;
mod merge;
mod mp;
mod parts;

use core::net::Ipv4Addr;

pub use as_path::{AsPath, Asns, PathAsns, Segment, SegmentKind, Segments};
pub use community::{ClusterIds, ClusterList, Communities, Community, CommunityIter};
pub use extended::{
    ExtendedCommunities, ExtendedCommunity, ExtendedCommunityKind, Ipv6ExtendedCommunities,
    Ipv6ExtendedCommunity, LargeCommunities, LargeCommunity,
};
pub use iter::{Attributes, FlaggedAttributes, KeptAttributes, RawAttributes};
pub(crate) use iter::{Place, Seen, frame};
pub use merge::MergedPath;
pub(crate) use merge::{aggregator, path};
pub use mp::{MpReach, MpUnreach};
pub use parts::{
    Aigp, AttributeSet, LinkStateAttribute, PmsiTunnel, PrefixSid, SidStructure, Srv6Service, TunnelEncap,
};

/// Type code of an attribute, any 8-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct AttributeCode(u8);

impl AttributeCode {
    /// ORIGIN.
    pub const ORIGIN: Self = Self(1);
    /// AS_PATH.
    pub const AS_PATH: Self = Self(2);
    /// NEXT_HOP.
    pub const NEXT_HOP: Self = Self(3);
    /// MULTI_EXIT_DISC.
    pub const MED: Self = Self(4);
    /// LOCAL_PREF.
    pub const LOCAL_PREF: Self = Self(5);
    /// ATOMIC_AGGREGATE.
    pub const ATOMIC_AGGREGATE: Self = Self(6);
    /// AGGREGATOR.
    pub const AGGREGATOR: Self = Self(7);
    /// COMMUNITIES (RFC 1997).
    pub const COMMUNITIES: Self = Self(8);
    /// ORIGINATOR_ID (RFC 4456).
    pub const ORIGINATOR_ID: Self = Self(9);
    /// CLUSTER_LIST (RFC 4456).
    pub const CLUSTER_LIST: Self = Self(10);
    /// MP_REACH_NLRI (RFC 4760).
    pub const MP_REACH: Self = Self(14);
    /// MP_UNREACH_NLRI (RFC 4760).
    pub const MP_UNREACH: Self = Self(15);

    /// EXTENDED COMMUNITIES (RFC 4360).
    pub const EXTENDED_COMMUNITIES: Self = Self(16);
    /// AS4_PATH (RFC 6793).
    pub const AS4_PATH: Self = Self(17);
    /// AS4_AGGREGATOR (RFC 6793).
    pub const AS4_AGGREGATOR: Self = Self(18);
    /// PMSI_TUNNEL (RFC 6514).
    pub const PMSI_TUNNEL: Self = Self(22);
    /// TUNNEL_ENCAP (RFC 9012).
    pub const TUNNEL_ENCAP: Self = Self(23);
    /// Traffic engineering (RFC 5543), which nobody sends; kept unread.
    pub const TRAFFIC_ENGINEERING: Self = Self(24);
    /// IPv6 EXTENDED COMMUNITIES (RFC 5701).
    pub const IPV6_EXTENDED_COMMUNITIES: Self = Self(25);
    /// AIGP (RFC 7311).
    pub const AIGP: Self = Self(26);
    /// Link state (RFC 9552).
    pub const LINK_STATE: Self = Self(29);
    /// LARGE_COMMUNITY (RFC 8092).
    pub const LARGE_COMMUNITY: Self = Self(32);
    /// ONLY_TO_CUSTOMER (RFC 9234).
    pub const ONLY_TO_CUSTOMER: Self = Self(35);
    /// PREFIX_SID (RFC 8669).
    pub const PREFIX_SID: Self = Self(40);
    /// ATTR_SET (RFC 6368).
    pub const ATTR_SET: Self = Self(128);

    /// The code with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The Optional and Transitive bits that the attribute's definition demands; `None` if this crate does not know it.
    pub(crate) const fn expected_flags(self) -> Option<AttributeFlags> {
        Some(match self {
            Self::ORIGIN | Self::AS_PATH | Self::NEXT_HOP | Self::LOCAL_PREF | Self::ATOMIC_AGGREGATE => {
                AttributeFlags::WELL_KNOWN
            }
            Self::MED
            | Self::ORIGINATOR_ID
            | Self::CLUSTER_LIST
            | Self::MP_REACH
            | Self::MP_UNREACH
            | Self::TRAFFIC_ENGINEERING
            | Self::AIGP
            | Self::LINK_STATE => AttributeFlags::OPTIONAL,
            Self::AGGREGATOR
            | Self::COMMUNITIES
            | Self::EXTENDED_COMMUNITIES
            | Self::AS4_PATH
            | Self::AS4_AGGREGATOR
            | Self::PMSI_TUNNEL
            | Self::TUNNEL_ENCAP
            | Self::IPV6_EXTENDED_COMMUNITIES
            | Self::LARGE_COMMUNITY
            | Self::ONLY_TO_CUSTOMER
            | Self::PREFIX_SID
            | Self::ATTR_SET => AttributeFlags::OPTIONAL_TRANSITIVE,
            _ => return None,
        })
    }

    /// The same as an octet, [`UNTYPED`] for `None`.
    #[inline]
    fn expected(self) -> u8 {
        EXPECTED.get(usize::from(self.0)).copied().unwrap_or(UNTYPED)
    }

    /// Whether RFC 7606 §7 has it discarded when an external peer sends it.
    const fn is_internal(self) -> bool {
        matches!(self, Self::LOCAL_PREF | Self::ORIGINATOR_ID | Self::CLUSTER_LIST)
    }
}

/// What no two flag bits are equal to.
const UNTYPED: u8 = 0xff;

/// [`AttributeCode::expected_flags`] of every code.
const EXPECTED: [u8; 256] = {
    let mut table = [UNTYPED; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut code = 0;
    while let Some((first, others)) = rest.split_first_mut() {
        if let Some(flags) = AttributeCode(code).expected_flags() {
            *first = flags.0;
        }
        code = code.wrapping_add(1);
        rest = others;
    }
    table
};

/// Flag octet of an attribute.
///
/// ```text
/// | optional | transitive | partial | extended length | 0 | 0 | 0 | 0 |        RFC 4271 §4.3
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct AttributeFlags(u8);

impl AttributeFlags {
    /// Well-known, hence transitive.
    pub const WELL_KNOWN: Self = Self(0x40);
    /// Optional, not passed on by who does not know it.
    pub const OPTIONAL: Self = Self(0x80);
    /// Optional, passed on with [`Self::PARTIAL`] set.
    pub const OPTIONAL_TRANSITIVE: Self = Self(0xc0);
    /// Somebody on the way did not know it.
    pub const PARTIAL: Self = Self(0x20);
    /// The length field has two octets.
    pub const EXTENDED_LENGTH: Self = Self(0x10);

    /// Any octet.
    pub const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// The octet.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether the attribute is optional.
    pub const fn is_optional(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether the attribute is transitive.
    pub const fn is_transitive(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Value of ORIGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(u8);

impl Origin {
    /// Interior to the originating AS.
    pub const IGP: Self = Self(0);
    /// Learned by EGP.
    pub const EGP: Self = Self(1);
    /// By other means.
    pub const INCOMPLETE: Self = Self(2);

    /// The origin with this number; `None` above 2.
    pub const fn new(value: u8) -> Option<Self> {
        if value <= 2 { Some(Self(value)) } else { None }
    }

    /// The number: the lower, the better.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Value of AGGREGATOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Aggregator {
    /// AS of the speaker that formed the aggregate.
    pub asn: u32,
    /// Its address.
    pub address: Ipv4Addr,
}

impl Aggregator {
    /// The value.
    pub const fn new(asn: u32, address: Ipv4Addr) -> Self {
        Self { asn, address }
    }
}

/// An attribute as it lies on the wire, of any type; equal whatever the size of the length field.
#[derive(Debug, Clone, Copy)]
pub struct RawAttribute<'a> {
    flags: AttributeFlags,
    code: AttributeCode,
    value: &'a [u8],
}

impl<'a> RawAttribute<'a> {
    /// An attribute with any flags, code and value. It is encoded as it is, but for the extended length bit, which is
    /// set if the value needs it.
    pub const fn new(flags: AttributeFlags, code: AttributeCode, value: &'a [u8]) -> Self {
        Self { flags, code, value }
    }

    /// The flags as received.
    pub const fn flags(&self) -> AttributeFlags {
        self.flags
    }

    /// The type code.
    pub const fn code(&self) -> AttributeCode {
        self.code
    }

    /// The value, without header.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }
}

impl PartialEq for RawAttribute<'_> {
    fn eq(&self, other: &Self) -> bool {
        let key = |raw: &Self| (raw.flags.with(AttributeFlags::EXTENDED_LENGTH), raw.code);
        key(self) == key(other) && self.value == other.value
    }
}

impl Eq for RawAttribute<'_> {}

/// A typed attribute.
///
/// The Partial bit of a typed attribute is not kept; [`Update::raw_attributes`](crate::Update::raw_attributes) has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
// The tag in a word of its own, so that what is in the attribute begins at the same place whichever it is: copied together
// with half a word of padding, it would leave the registers each time one is handed on.
#[repr(u64)]
pub enum Attribute<'a> {
    /// ORIGIN: how the route entered BGP.
    Origin(Origin),
    /// AS_PATH: which ASes it crossed.
    AsPath(AsPath<'a>),
    /// NEXT_HOP, for the classic NLRI field.
    NextHop(Ipv4Addr),
    /// MULTI_EXIT_DISC: the lower, the better, among routes of one neighbouring AS.
    Med(u32),
    /// LOCAL_PREF: the higher, the better; internal peers only.
    LocalPref(u32),
    /// ATOMIC_AGGREGATE: more specific routes were left out.
    AtomicAggregate,
    /// AGGREGATOR: who formed the aggregate.
    Aggregator(Aggregator),
    /// COMMUNITIES.
    Communities(Communities<'a>),
    /// ORIGINATOR_ID: who brought the route into the AS.
    OriginatorId(Ipv4Addr),
    /// CLUSTER_LIST: which reflection clusters it crossed.
    ClusterList(ClusterList<'a>),
    /// MP_REACH_NLRI: announcements of any family.
    MpReach(MpReach<'a>),
    /// MP_UNREACH_NLRI: withdrawals of any family.
    MpUnreach(MpUnreach<'a>),
    /// EXTENDED COMMUNITIES.
    ExtendedCommunities(ExtendedCommunities<'a>),
    /// AS4_PATH: the path with four-octet numbers, from a session with two-octet ones; see [`Update::as_path`](crate::Update::as_path).
    As4Path(AsPath<'a>),
    /// AS4_AGGREGATOR: the aggregator with a four-octet number, from a session with two-octet ones.
    As4Aggregator(Aggregator),
    /// PMSI_TUNNEL: how multicast traffic of a VPN travels.
    PmsiTunnel(PmsiTunnel<'a>),
    /// TUNNEL_ENCAP: tunnels to the destination.
    TunnelEncap(TunnelEncap<'a>),
    /// IPv6 EXTENDED COMMUNITIES.
    Ipv6ExtendedCommunities(Ipv6ExtendedCommunities<'a>),
    /// AIGP: the metric that accumulated on the way.
    Aigp(Aigp<'a>),
    /// Properties of nodes, links and prefixes of a topology.
    LinkState(LinkStateAttribute<'a>),
    /// LARGE_COMMUNITY.
    LargeCommunities(LargeCommunities<'a>),
    /// ONLY_TO_CUSTOMER: the AS that let the route go down; it must not go up again.
    OnlyToCustomer(u32),
    /// PREFIX_SID: segment routing to the destination.
    PrefixSid(PrefixSid<'a>),
    /// ATTR_SET: the attributes of a customer's AS.
    AttributeSet(AttributeSet<'a>),
    /// Any other attribute, as received.
    Unknown(RawAttribute<'a>),
}

impl<'a> Attribute<'a> {
    /// The type code.
    pub const fn code(&self) -> AttributeCode {
        match self {
            Self::Origin(_) => AttributeCode::ORIGIN,
            Self::AsPath(_) => AttributeCode::AS_PATH,
            Self::NextHop(_) => AttributeCode::NEXT_HOP,
            Self::Med(_) => AttributeCode::MED,
            Self::LocalPref(_) => AttributeCode::LOCAL_PREF,
            Self::AtomicAggregate => AttributeCode::ATOMIC_AGGREGATE,
            Self::Aggregator(_) => AttributeCode::AGGREGATOR,
            Self::Communities(_) => AttributeCode::COMMUNITIES,
            Self::OriginatorId(_) => AttributeCode::ORIGINATOR_ID,
            Self::ClusterList(_) => AttributeCode::CLUSTER_LIST,
            Self::MpReach(_) => AttributeCode::MP_REACH,
            Self::MpUnreach(_) => AttributeCode::MP_UNREACH,
            Self::ExtendedCommunities(_) => AttributeCode::EXTENDED_COMMUNITIES,
            Self::As4Path(_) => AttributeCode::AS4_PATH,
            Self::As4Aggregator(_) => AttributeCode::AS4_AGGREGATOR,
            Self::PmsiTunnel(_) => AttributeCode::PMSI_TUNNEL,
            Self::TunnelEncap(_) => AttributeCode::TUNNEL_ENCAP,
            Self::Ipv6ExtendedCommunities(_) => AttributeCode::IPV6_EXTENDED_COMMUNITIES,
            Self::Aigp(_) => AttributeCode::AIGP,
            Self::LinkState(_) => AttributeCode::LINK_STATE,
            Self::LargeCommunities(_) => AttributeCode::LARGE_COMMUNITY,
            Self::OnlyToCustomer(_) => AttributeCode::ONLY_TO_CUSTOMER,
            Self::PrefixSid(_) => AttributeCode::PREFIX_SID,
            Self::AttributeSet(_) => AttributeCode::ATTR_SET,
            Self::Unknown(raw) => raw.code,
        }
    }
}

/// A typed attribute with the flags it was received with.
///
/// Written again it has the same octets: the Partial bit and a length field wider than needed are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlaggedAttribute<'a> {
    /// The flags.
    pub flags: AttributeFlags,
    /// The attribute.
    pub attribute: Attribute<'a>,
}

impl<'a> FlaggedAttribute<'a> {
    /// An attribute with any flags.
    pub const fn new(flags: AttributeFlags, attribute: Attribute<'a>) -> Self {
        Self { flags, attribute }
    }
}

impl<'a> From<Attribute<'a>> for FlaggedAttribute<'a> {
    /// With the flags that the attribute's definition demands.
    fn from(attribute: Attribute<'a>) -> Self {
        Self { flags: attribute.flags(), attribute }
    }
}
