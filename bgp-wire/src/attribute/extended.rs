//! Extended communities (RFC 4360, RFC 5701), and large communities (RFC 8092).

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::record::{Record, Records};

/// An extended community: eight octets, of which the first one or two say what the others are.
///
/// `Display` is the usual notation for route targets and origins, `rt:64512:1`; else the octets, `0x0605...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct ExtendedCommunity([u8; 8]);

/// What an [`ExtendedCommunity`] is (IANA "BGP Extended Communities").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub enum ExtendedCommunityKind {
    /// A two-octet AS number and a number; subtype 2 is a route target, 3 a route origin (RFC 4360 §3.1).
    TwoOctetAs {
        /// The subtype.
        subtype: u8,
        /// The AS number.
        asn: u16,
        /// The number.
        value: u32,
    },
    /// An IPv4 address and a number (RFC 4360 §3.2).
    Ipv4 {
        /// The subtype.
        subtype: u8,
        /// The address.
        address: Ipv4Addr,
        /// The number.
        value: u16,
    },
    /// A four-octet AS number and a number (RFC 5668).
    FourOctetAs {
        /// The subtype.
        subtype: u8,
        /// The AS number.
        asn: u32,
        /// The number.
        value: u16,
    },
    /// The color of a path (RFC 9012 §4.3).
    Color {
        /// The flags.
        flags: u16,
        /// The color.
        color: u32,
    },
    /// The encapsulation of a tunnel (RFC 9012 §4.1): 8 is VXLAN.
    Encapsulation {
        /// The type of the tunnel.
        tunnel: u16,
    },
    /// The link bandwidth in octets a second, as the bits of a float (draft-ietf-idr-link-bandwidth).
    LinkBandwidth {
        /// The AS number.
        asn: u16,
        /// The bits of an IEEE 754 number.
        bits: u32,
    },
    /// The result of origin validation (RFC 8097): 0 valid, 1 not found, 2 invalid.
    OriginValidation {
        /// The state.
        state: u8,
    },
    /// A host that moved (RFC 7432 §7.7).
    MacMobility {
        /// 1: the host does not move.
        flags: u8,
        /// How often it has moved.
        sequence: u32,
    },
    /// The label of an Ethernet segment, for split horizon (RFC 7432 §7.5).
    SegmentLabel {
        /// 1: one router at a time.
        flags: u8,
        /// The label, in three octets.
        label: u32,
    },
    /// The MAC address in an Ethernet segment that makes a route target (RFC 7432 §7.6).
    SegmentImport {
        /// The address.
        mac: [u8; 6],
    },
    /// The MAC address of a router (RFC 9135 §8.1).
    RouterMac {
        /// The address.
        mac: [u8; 6],
    },
    /// Traffic of a flow is limited to so many octets a second (RFC 8955 §7.1); zero drops all.
    FlowRate {
        /// The AS number, which is only information.
        asn: u16,
        /// The bits of an IEEE 754 number.
        bits: u32,
    },
    /// Traffic of a flow is limited to so many packets a second (RFC 8955 §7.2).
    FlowPacketRate {
        /// The AS number, which is only information.
        asn: u16,
        /// The bits of an IEEE 754 number.
        bits: u32,
    },
    /// What else happens to the flow (RFC 8955 §7.3): 1 go on with the rules, 2 take a sample.
    FlowAction {
        /// The flags, in the last octet.
        flags: u8,
    },
    /// The flow goes to the VRF with this route target (RFC 8955 §7.4).
    FlowRedirect {
        /// The AS number.
        asn: u16,
        /// The number.
        value: u32,
    },
    /// The packets get this code point (RFC 8955 §7.5).
    FlowMark {
        /// The code point, 0 to 63.
        dscp: u8,
    },
    /// Opaque to BGP, and to this crate (RFC 4360 §3.3).
    Opaque {
        /// The subtype.
        subtype: u8,
        /// The value.
        value: [u8; 6],
    },
    /// Anything else.
    Unknown,
}

impl ExtendedCommunity {
    /// Any eight octets.
    pub const fn new(octets: [u8; 8]) -> Self {
        Self(octets)
    }

    /// A route target of a two-octet AS.
    pub const fn route_target(asn: u16, value: u32) -> Self {
        let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), value.to_be_bytes());
        Self([0, 2, a, b, c, d, e, f])
    }

    /// A route target of a four-octet AS.
    pub const fn route_target4(asn: u32, value: u16) -> Self {
        let ([a, b, c, d], [e, f]) = (asn.to_be_bytes(), value.to_be_bytes());
        Self([2, 2, a, b, c, d, e, f])
    }

    /// The octets.
    pub const fn octets(self) -> [u8; 8] {
        self.0
    }

    /// Whether it is passed on to another AS.
    pub const fn is_transitive(self) -> bool {
        let [first, ..] = self.0;
        first & 0x40 == 0
    }

    /// Whether it is a route target, of whatever kind.
    pub const fn is_route_target(self) -> bool {
        matches!(self.0, [0..=2, 2, ..])
    }

    /// What it is.
    pub const fn kind(self) -> ExtendedCommunityKind {
        use ExtendedCommunityKind as K;
        let [high, subtype, a, b, c, d, e, f] = self.0;
        let (asn, value) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
        match (high, subtype) {
            (0x40, 4) => K::LinkBandwidth { asn, bits: value },
            (0 | 0x40, _) => K::TwoOctetAs { subtype, asn, value },
            (1 | 0x41, _) => {
                K::Ipv4 { subtype, address: Ipv4Addr::new(a, b, c, d), value: u16::from_be_bytes([e, f]) }
            }
            (2 | 0x42, _) => K::FourOctetAs {
                subtype,
                asn: u32::from_be_bytes([a, b, c, d]),
                value: u16::from_be_bytes([e, f]),
            },
            (3, 0x0b) => K::Color { flags: asn, color: value },
            (3, 0x0c) => K::Encapsulation { tunnel: u16::from_be_bytes([e, f]) },
            (0x43, 0) => K::OriginValidation { state: f },
            (3 | 0x43, _) => K::Opaque { subtype, value: [a, b, c, d, e, f] },
            (6, 0) => K::MacMobility { flags: a, sequence: value },
            (6, 1) => K::SegmentLabel { flags: a, label: u32::from_be_bytes([0, d, e, f]) },
            (6, 2) => K::SegmentImport { mac: [a, b, c, d, e, f] },
            (6, 3) => K::RouterMac { mac: [a, b, c, d, e, f] },
            (0x80, 6) => K::FlowRate { asn, bits: value },
            (0x80, 0x0c) => K::FlowPacketRate { asn, bits: value },
            (0x80, 7) => K::FlowAction { flags: f },
            (0x80, 8) => K::FlowRedirect { asn, value },
            (0x80, 9) => K::FlowMark { dscp: f & 0x3f },
            _ => K::Unknown,
        }
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ExtendedCommunityKind as K;
        let name = |subtype| if subtype == 2 { "rt" } else { "ro" };
        match self.kind() {
            K::TwoOctetAs { subtype: subtype @ 2..=3, asn, value } => {
                write!(f, "{}:{asn}:{value}", name(subtype))
            }
            K::Ipv4 { subtype: subtype @ 2..=3, address, value } => {
                write!(f, "{}:{address}:{value}", name(subtype))
            }
            K::FourOctetAs { subtype: subtype @ 2..=3, asn, value } => {
                write!(f, "{}:{asn}:{value}", name(subtype))
            }
            _ => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl Record for ExtendedCommunity {
    const LEN: usize = 8;

    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|octets| Self(*octets))
    }

    fn octets(self) -> impl AsRef<[u8]> {
        self.0
    }
}

/// An extended community that holds an IPv6 address (RFC 5701 §2).
///
/// ```text
/// | 0, or 0x40 if not transitive | subtype (1) | address (16) | number (2) |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Ipv6ExtendedCommunity([u8; 20]);

impl Ipv6ExtendedCommunity {
    /// Any twenty octets.
    pub const fn new(octets: [u8; 20]) -> Self {
        Self(octets)
    }

    /// The octets.
    pub const fn octets(self) -> [u8; 20] {
        self.0
    }

    /// The type; 0x40 is not passed on to another AS.
    pub const fn kind(self) -> u8 {
        let [kind, ..] = self.0;
        kind
    }

    /// The subtype: 2 is a route target, 3 a route origin.
    pub const fn subtype(self) -> u8 {
        let [_, subtype, ..] = self.0;
        subtype
    }

    /// The address.
    pub fn address(self) -> Ipv6Addr {
        let [_, _, address @ .., _, _] = self.0;
        Ipv6Addr::from(address)
    }

    /// The number.
    pub const fn value(self) -> u16 {
        let [.., a, b] = self.0;
        u16::from_be_bytes([a, b])
    }
}

impl Record for Ipv6ExtendedCommunity {
    const LEN: usize = 20;

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|octets| Self(*octets))
    }

    fn octets(self) -> impl AsRef<[u8]> {
        self.0
    }
}

/// A large community (RFC 8092): who defines it, and two numbers of their choice.
///
/// `Display` is the notation of RFC 8092 §4: `64512:1:2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct LargeCommunity {
    /// The AS number of who defines the others.
    pub global: u32,
    /// The first number.
    pub local1: u32,
    /// The second number.
    pub local2: u32,
}

impl LargeCommunity {
    /// The community `global:local1:local2`.
    pub const fn new(global: u32, local1: u32, local2: u32) -> Self {
        Self { global, local1, local2 }
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl Record for LargeCommunity {
    const LEN: usize = 12;

    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes.first_chunk()?;
        Some(Self {
            global: u32::from_be_bytes([a, b, c, d]),
            local1: u32::from_be_bytes([e, f, g, h]),
            local2: u32::from_be_bytes([i, j, k, l]),
        })
    }

    fn octets(self) -> impl AsRef<[u8]> {
        let ([a, b, c, d], [e, f, g, h]) = (self.global.to_be_bytes(), self.local1.to_be_bytes());
        let [i, j, k, l] = self.local2.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

/// The value of EXTENDED COMMUNITIES.
pub type ExtendedCommunities<'a> = Records<'a, ExtendedCommunity>;
/// The value of IPv6 EXTENDED COMMUNITIES.
pub type Ipv6ExtendedCommunities<'a> = Records<'a, Ipv6ExtendedCommunity>;
/// The value of LARGE_COMMUNITY.
pub type LargeCommunities<'a> = Records<'a, LargeCommunity>;
