//! Prefixes with MPLS labels, in a VPN or not (RFC 8277, RFC 4364).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::prefix::padded;
use crate::cursor::Writer;
use crate::error::EncodeError;

/// What makes the prefixes of a VPN differ from those of another (RFC 4364 §4.2).
///
/// `Display` is the usual notation: `64512:1`, `192.0.2.1:1`, or the octets of a type that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct RouteDistinguisher([u8; 8]);

impl RouteDistinguisher {
    /// Any eight octets.
    pub const fn new(octets: [u8; 8]) -> Self {
        Self(octets)
    }

    /// Type 0: a two-octet AS number and a number.
    pub const fn of_as(asn: u16, value: u32) -> Self {
        let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), value.to_be_bytes());
        Self([0, 0, a, b, c, d, e, f])
    }

    /// The octets.
    pub const fn octets(self) -> [u8; 8] {
        self.0
    }

    pub(crate) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        bytes.split_first_chunk().map(|(octets, rest)| (Self(*octets), rest))
    }
}

impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [k1, k0, a, b, c, d, e, g] = self.0;
        match [k1, k0] {
            [0, 0] => write!(f, "{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g])),
            [0, 1] => write!(f, "{}:{}", Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, g])),
            [0, 2] => write!(f, "{}:{}", u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g])),
            _ => write!(f, "{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

/// An entry of a label stack: 20 bits of label, 3 bits of traffic class, and whether it is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Label([u8; 3]);

impl Label {
    /// Any three octets.
    pub const fn new(octets: [u8; 3]) -> Self {
        Self(octets)
    }

    /// The label, 0 to 1,048,575.
    pub const fn get(self) -> u32 {
        self.all() >> 4
    }

    /// All 24 bits: what EVPN calls a VNI where the encapsulation is VXLAN (RFC 8365 §5.1.3).
    pub const fn all(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_be_bytes([0, a, b, c])
    }

    /// Whether it is the last of the stack.
    pub const fn is_last(self) -> bool {
        let [.., last] = self.0;
        last & 1 != 0
    }

    /// The octets.
    pub const fn octets(self) -> [u8; 3] {
        self.0
    }
}

/// A prefix with labels, perhaps of a VPN: a view of checked octets.
///
/// ```text
/// | length in bits (1) | label (3) ... | route distinguisher (8), in a VPN | prefix |
/// ```
///
/// Announced, the labels end with the one that says so; withdrawn, there is one, without meaning (RFC 8277 §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LabelledPrefix<'a> {
    bits: u8,
    v6: bool,
    labels: &'a [u8],
    /// Route distinguisher, in a VPN, and prefix.
    rest: &'a [u8],
}

impl<'a> LabelledPrefix<'a> {
    /// Splits the first off a field.
    pub(super) fn split(bytes: &'a [u8], v6: bool, vpn: bool, withdrawn: bool) -> Option<(Self, &'a [u8])> {
        let (&bits, tail) = bytes.split_first()?;
        let (value, tail) = tail.split_at_checked(usize::from(bits).div_ceil(8))?;
        let mut labels = 0_u8;
        loop {
            let label = value.get(usize::from(labels)..)?.first_chunk().map(|octets| Label(*octets))?;
            labels = labels.checked_add(3)?;
            // An old way to withdraw is a label of zeros.
            if label.is_last() || withdrawn || label.0 == [0x80, 0, 0] {
                break;
            }
        }
        let (labels, rest) = value.split_at_checked(usize::from(labels))?;
        let head = labels.len() + if vpn { 8 } else { 0 };
        let len = usize::from(bits).checked_sub(head * 8)?;
        (len <= if v6 { 128 } else { 32 }).then_some((Self { bits, v6, labels, rest }, tail))
    }

    pub(super) const fn encoded_len(&self) -> usize {
        1 + self.labels.len() + self.rest.len()
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u8(self.bits)?;
        w.put(self.labels)?;
        w.put(self.rest)
    }

    pub(super) const fn is_v6(&self) -> bool {
        self.v6
    }

    /// The labels, the outermost first.
    pub fn labels(&self) -> impl Iterator<Item = Label> + use<'a> {
        self.labels.chunks_exact(3).filter_map(|label| label.first_chunk()).map(|octets| Label(*octets))
    }

    /// The prefix behind `skip` octets of the value; bits beyond its length are cleared.
    #[inline(never)]
    fn prefix_after(&self, skip: usize) -> IpNet {
        let octets = self.rest.get(skip..).unwrap_or(&[]);
        let len = usize::from(self.bits).saturating_sub((self.labels.len() + skip) * 8);
        let len = u8::try_from(len).unwrap_or(0);
        let address = if self.v6 {
            IpAddr::V6(Ipv6Addr::from(padded(octets).unwrap_or([0; 16])))
        } else {
            IpAddr::V4(Ipv4Addr::from(padded(octets).unwrap_or([0; 4])))
        };
        IpNet::new(address, len).map_or_else(|_| IpNet::default(), |net| net.trunc())
    }

    /// The prefix; bits beyond its length are cleared.
    pub fn prefix(&self) -> IpNet {
        self.prefix_after(0)
    }
}

/// A labelled prefix of a VPN: a view of checked octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VpnPrefix<'a>(pub(super) LabelledPrefix<'a>);

impl<'a> VpnPrefix<'a> {
    /// The labels, the outermost first.
    pub fn labels(&self) -> impl Iterator<Item = Label> + use<'a> {
        self.0.labels()
    }

    /// The route distinguisher.
    pub fn distinguisher(&self) -> RouteDistinguisher {
        RouteDistinguisher::split(self.0.rest).map_or(RouteDistinguisher([0; 8]), |(rd, _)| rd)
    }

    /// The prefix; bits beyond its length are cleared.
    pub fn prefix(&self) -> IpNet {
        self.0.prefix_after(8)
    }
}
