//! Link state (RFC 9552), route target constraints (RFC 4684), segment routing policies (RFC 9830).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::labelled::RouteDistinguisher;
use super::prefix::padded;
use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::tlv::Tlvs;

/// A node, link, prefix or SID of a topology, as it lies on the wire.
///
/// ```text
/// | type (2) | length (2) | route distinguisher (8), in a VPN | protocol (1) | identifier (8) | descriptors |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkState<'a> {
    pub(super) vpn: bool,
    kind: u16,
    value: &'a [u8],
}

impl<'a> LinkState<'a> {
    /// A node.
    pub const NODE: u16 = 1;
    /// A link.
    pub const LINK: u16 = 2;
    /// An IPv4 prefix.
    pub const IPV4_PREFIX: u16 = 3;
    /// An IPv6 prefix.
    pub const IPV6_PREFIX: u16 = 4;
    /// A SID of SRv6.
    pub const SRV6_SID: u16 = 6;

    pub(super) fn split(bytes: &'a [u8], vpn: bool) -> Option<(Self, &'a [u8])> {
        let ([k1, k0, l1, l0], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l1, *l0])))?;
        Some((Self { vpn, kind: u16::from_be_bytes([*k1, *k0]), value }, rest))
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u16(self.kind)?;
        w.u16(u16::try_from(self.value.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
        w.put(self.value)
    }

    /// The type.
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// The octets after type and length.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The route distinguisher, in a VPN.
    pub fn distinguisher(&self) -> Option<RouteDistinguisher> {
        RouteDistinguisher::split(self.value).filter(|_| self.vpn).map(|(rd, _)| rd)
    }

    fn body(&self) -> Option<(u8, u64, &'a [u8])> {
        let body = self.value.get(if self.vpn { 8 } else { 0 }..)?;
        let (protocol, rest) = body.split_first()?;
        let (identifier, descriptors) = rest.split_first_chunk()?;
        Some((*protocol, u64::from_be_bytes(*identifier), descriptors))
    }

    /// Where it was learned: 1 and 2 IS-IS, 3 OSPFv2, 4 direct, 5 static, 6 OSPFv3, 7 BGP. `None` if the value is cut.
    pub fn protocol(&self) -> Option<u8> {
        self.body().map(|(protocol, ..)| protocol)
    }

    /// The identifier of the routing universe; `None` if the value is cut.
    pub fn identifier(&self) -> Option<u64> {
        self.body().map(|(_, identifier, _)| identifier)
    }

    /// The descriptors; ends before the first that is cut.
    pub fn descriptors(&self) -> Tlvs<'a> {
        Tlvs::new(self.body().map_or(&[], |(.., descriptors)| descriptors))
    }
}

/// Routes with these targets are wanted: the first bits of an origin AS and a route target.
///
/// ```text
/// | length in bits (1): 0, or 32 to 96 | origin AS (4) | route target (8) |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteTargetPrefix {
    bits: u8,
    origin: u32,
    target: [u8; 8],
}

impl RouteTargetPrefix {
    /// All routes are wanted.
    pub const DEFAULT: Self = Self { bits: 0, origin: 0, target: [0; 8] };

    /// Routes with exactly this target.
    pub const fn new(origin: u32, target: [u8; 8]) -> Self {
        Self { bits: 96, origin, target }
    }

    pub(super) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&bits, rest) = bytes.split_first()?;
        if bits > 96 || (1..32).contains(&bits) {
            return None;
        }
        let (octets, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
        let [a, b, c, d, target @ ..] = padded::<12>(octets)?;
        let mask = u64::MAX.checked_shl(96 - u32::from(bits)).unwrap_or(0);
        let target = (u64::from_be_bytes(target) & mask).to_be_bytes();
        Some((Self { bits, origin: u32::from_be_bytes([a, b, c, d]), target }, rest))
    }

    /// The first bits of an origin AS and a target; `None` unless there are none, or 32 to 96.
    #[cfg(any(feature = "arbitrary", feature = "serde"))]
    pub(crate) fn of_bits(bits: u8, origin: u32, target: [u8; 8]) -> Option<Self> {
        let (octets, _) = Self { bits: 96, origin, target }.octets();
        let [_, octets @ ..] = octets;
        let mut wire = [0; 13];
        let (head, tail) = wire.split_first_mut()?;
        *head = bits;
        tail.copy_from_slice(&octets);
        Self::split(&wire).map(|(prefix, _)| prefix)
    }

    /// How many bits of origin AS and target count: 0, or 32 to 96.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The AS that wants the routes.
    pub const fn origin(&self) -> u32 {
        self.origin
    }

    /// The route target, an extended community; bits beyond the length are zero.
    pub const fn target(&self) -> [u8; 8] {
        self.target
    }

    pub(super) fn octets(&self) -> ([u8; 13], usize) {
        let ([a, b, c, d], [e, f, g, h, i, j, k, l]) = (self.origin.to_be_bytes(), self.target);
        ([self.bits, a, b, c, d, e, f, g, h, i, j, k, l], 1 + usize::from(self.bits).div_ceil(8))
    }
}

/// A policy for traffic of some color to some endpoint; its paths are in the tunnel encapsulation attribute.
///
/// ```text
/// | length in bits (1): 96 or 192 | distinguisher (4) | color (4) | endpoint (4 or 16) |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct SrPolicy {
    /// What makes one policy differ from another of the same color and endpoint.
    pub distinguisher: u32,
    /// The color.
    pub color: u32,
    /// The endpoint, of the family's address family.
    pub endpoint: IpAddr,
}

impl SrPolicy {
    /// A policy.
    pub const fn new(distinguisher: u32, color: u32, endpoint: IpAddr) -> Self {
        Self { distinguisher, color, endpoint }
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u8(if self.endpoint.is_ipv6() { 192 } else { 96 })?;
        w.u32(self.distinguisher)?;
        w.u32(self.color)?;
        match self.endpoint {
            IpAddr::V4(address) => w.put(&address.octets()),
            IpAddr::V6(address) => w.put(&address.octets()),
        }
    }

    pub(super) fn split(bytes: &[u8], v6: bool) -> Option<(Self, &[u8])> {
        let (&bits, rest) = bytes.split_first()?;
        let (octets, rest) = rest.split_at_checked(usize::from(bits / 8))?;
        let (distinguisher, octets) = octets.split_first_chunk()?;
        let (color, endpoint) = octets.split_first_chunk()?;
        let endpoint = match (bits, v6) {
            (96, false) => IpAddr::V4(Ipv4Addr::from(*endpoint.first_chunk::<4>()?)),
            (192, true) => IpAddr::V6(Ipv6Addr::from(*endpoint.first_chunk::<16>()?)),
            _ => return None,
        };
        let (distinguisher, color) = (u32::from_be_bytes(*distinguisher), u32::from_be_bytes(*color));
        Some((Self { distinguisher, color, endpoint }, rest))
    }
}
