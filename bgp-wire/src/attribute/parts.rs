//! Attributes that are made of parts: tunnels, segment routing, link state, and attributes within an attribute.

use core::net::{IpAddr, Ipv6Addr};

use crate::attribute::RawAttribute;
use crate::attribute::iter::{Attributes, RawAttributes, Seen};
use crate::cursor::Reader;
use crate::nlri::Label;
use crate::session::{Rules, Session};
use crate::tlv::{Tlvs, Widths};

/// The value of PMSI_TUNNEL: how multicast traffic of a VPN travels (RFC 6514 §5).
///
/// ```text
/// | flags (1) | type (1) | label (3) | identifier, by type |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PmsiTunnel<'a> {
    /// The flags: 1 asks the leaves to announce themselves.
    pub flags: u8,
    /// The type: 0 none, 1 RSVP-TE, 2 mLDP to many, 3 PIM-SSM, 4 PIM-SM, 5 BIDIR-PIM, 6 ingress replication, 7 mLDP
    /// among many.
    pub kind: u8,
    /// The label, or VNI.
    pub label: Label,
    /// The identifier of the tunnel.
    pub identifier: &'a [u8],
}

impl<'a> PmsiTunnel<'a> {
    /// Ingress replication (type 6) towards this address.
    pub const fn new(flags: u8, kind: u8, label: Label, identifier: &'a [u8]) -> Self {
        Self { flags, kind, label, identifier }
    }

    #[inline(always)]
    pub(super) fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let ([flags, kind, a, b, c], identifier) = bytes.split_first_chunk()?;
        Some(Self { flags: *flags, kind: *kind, label: Label::new([*a, *b, *c]), identifier })
    }

    /// The address that an identifier of four or sixteen octets is.
    pub fn address(&self) -> Option<IpAddr> {
        let v4 = <[u8; 4]>::try_from(self.identifier).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(self.identifier).map(IpAddr::from)).ok()
    }
}

macro_rules! parts {
    ($(#[$doc:meta])* $name:ident, $widths:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name<'a>(Tlvs<'a>);

        impl<'a> $name<'a> {
            /// The value of the attribute; `None` if there is no part, or one is cut.
            #[inline(always)]
            pub fn from_wire(bytes: &'a [u8]) -> Option<Self> {
                Tlvs::whole(bytes, $widths).map(Self)
            }

            /// The parts, with their types.
            pub const fn parts(&self) -> Tlvs<'a> {
                self.0
            }

            /// The octets.
            pub const fn bytes(&self) -> &'a [u8] {
                self.0.bytes()
            }
        }
    };
}

parts!(
    /// The value of TUNNEL_ENCAP (RFC 9012 §2): tunnels, by type, and what is said of each.
    TunnelEncap,
    Widths::Two
);
parts!(
    /// The value of AIGP (RFC 7311 §3).
    Aigp,
    Widths::Whole
);
parts!(
    /// The value of the link state attribute (RFC 9552 §5.3): properties of nodes, links and prefixes, by type.
    LinkStateAttribute,
    Widths::Two
);
parts!(
    /// The value of PREFIX_SID (RFC 8669 §3, RFC 9252 §2).
    PrefixSid,
    Widths::OneTwo
);

impl<'a> TunnelEncap<'a> {
    /// The parts of one tunnel: of its value, as [`parts`](Self::parts) gives it. Ends before the first that is cut.
    pub const fn tunnel(value: &'a [u8]) -> Tlvs<'a> {
        Tlvs::of(value, Widths::OneOne)
    }
}

impl Aigp<'_> {
    /// The accumulated metric: that of the first part of type 1 (RFC 7311 §3).
    pub fn metric(&self) -> Option<u64> {
        let value = self.parts().value_of(1)?;
        <[u8; 8]>::try_from(value).ok().map(u64::from_be_bytes)
    }
}

impl<'a> PrefixSid<'a> {
    /// The label index (RFC 8669 §3.1): the offset into the block of labels.
    pub fn label_index(&self) -> Option<u32> {
        let [_, _, _, index @ ..] = *<&[u8; 7]>::try_from(self.parts().value_of(1)?).ok()?;
        Some(u32::from_be_bytes(index))
    }

    /// The blocks of labels of the originator (RFC 8669 §3.2): base and range.
    pub fn label_blocks(&self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let blocks = self.parts().value_of(3).and_then(|value| value.get(2..)).unwrap_or(&[]);
        blocks.chunks_exact(6).filter_map(|block| {
            let [a, b, c, d, e, f] = *block.first_chunk()?;
            Some((u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([0, d, e, f])))
        })
    }

    /// The SIDs of SRv6 services of layer 3 (type 5) and layer 2 (type 6) (RFC 9252 §2).
    pub fn services(&self) -> impl Iterator<Item = Srv6Service<'a>> + use<'a> {
        self.parts().filter(|part| matches!(part.kind, 5 | 6)).flat_map(|part| {
            let parts = Tlvs::of(part.value.get(1..).unwrap_or(&[]), Widths::OneTwo);
            parts
                .filter(|sub| sub.kind == 1)
                .filter_map(move |sub| Srv6Service::read(part.kind == 6, sub.value))
        })
    }
}

/// A SID of an SRv6 service (RFC 9252 §3.1).
///
/// ```text
/// | 0 | SID (16) | flags (1) | behavior (2) | 0 | parts |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Srv6Service<'a> {
    /// Whether it is a service of layer 2.
    pub is_layer2: bool,
    /// The SID.
    pub sid: Ipv6Addr,
    /// The flags.
    pub flags: u8,
    /// What the endpoint does (IANA "SRv6 Endpoint Behaviors").
    pub behavior: u16,
    /// Further parts; type 1 is the [structure](Self::structure).
    pub parts: Tlvs<'a>,
}

/// How a SID is made up: lengths in bits (RFC 9252 §3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SidStructure {
    /// The locator's block.
    pub block: u8,
    /// The locator's node.
    pub node: u8,
    /// The function.
    pub function: u8,
    /// The argument.
    pub argument: u8,
    /// So many bits of the function stand in the label.
    pub transposition_len: u8,
    /// Where in the SID they belong.
    pub transposition_offset: u8,
}

impl<'a> Srv6Service<'a> {
    fn read(is_layer2: bool, value: &'a [u8]) -> Option<Self> {
        let ([_, sid @ .., flags, b1, b0, _], parts) = value.split_first_chunk::<21>()?;
        Some(Self {
            is_layer2,
            sid: Ipv6Addr::from(*sid),
            flags: *flags,
            behavior: u16::from_be_bytes([*b1, *b0]),
            parts: Tlvs::of(parts, Widths::OneTwo),
        })
    }

    /// How the SID is made up.
    pub fn structure(&self) -> Option<SidStructure> {
        let value = self.parts.value_of(1)?;
        let [block, node, function, argument, transposition_len, transposition_offset] =
            *value.first_chunk()?;
        Some(SidStructure { block, node, function, argument, transposition_len, transposition_offset })
    }
}

/// The value of ATTR_SET: the attributes that a route had in a customer's AS (RFC 6368 §5).
///
/// ```text
/// | origin AS (4) | attributes |
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AttributeSet<'a> {
    origin: u32,
    /// Where they lie in the message.
    offset: u16,
    attributes: &'a [u8],
}

impl PartialEq for AttributeSet<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.origin == other.origin && self.bytes() == other.bytes()
    }
}

impl Eq for AttributeSet<'_> {}

impl<'a> AttributeSet<'a> {
    #[inline(always)]
    pub(super) fn decode(mut r: Reader<'a>) -> Option<Self> {
        let origin = r.u32()?;
        is_whole(r).then_some(Self { origin, offset: r.offset(), attributes: r.rest() })
    }

    /// The customer's AS number.
    pub const fn origin(&self) -> u32 {
        self.origin
    }

    /// The octets of the attributes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.attributes
    }

    /// The attributes, typed and judged one by one; AS numbers have four octets, and the peer counts as internal.
    pub fn attributes(&self) -> Attributes<'a> {
        let rules = Rules { four_octet_as: true, ..Session::default().rules() };
        Attributes { rest: Reader::new(self.attributes, self.offset), rules, seen: Seen::default() }
    }

    /// The attributes as they lie on the wire.
    pub fn raw_attributes(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        RawAttributes(Reader::new(self.attributes, self.offset))
    }
}

/// Whether all attributes can be framed.
fn is_whole(attributes: Reader<'_>) -> bool {
    let mut rest = RawAttributes(attributes);
    rest.by_ref().for_each(drop);
    rest.0.is_empty()
}
