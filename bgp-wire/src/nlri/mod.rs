//! Network layer reachability information, and next hops.

mod prefix;

use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::family::Family;

pub(crate) use prefix::{check, encode, encoded_len, padded};

/// One destination, typed by its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Nlri<'a> {
    /// IPv4 unicast. Bits beyond the prefix length, which RFC 4271 §4.3 calls irrelevant, are cleared.
    Ipv4Unicast(Ipv4Net),
    /// IPv6 unicast. Bits beyond the prefix length are cleared.
    Ipv6Unicast(Ipv6Net),
    /// The whole field of a family that this crate does not type.
    Unknown(RawNlri<'a>),
}

impl Nlri<'_> {
    /// The family.
    pub const fn family(&self) -> Family {
        match self {
            Self::Ipv4Unicast(_) => Family::IPV4_UNICAST,
            Self::Ipv6Unicast(_) => Family::IPV6_UNICAST,
            Self::Unknown(raw) => raw.family,
        }
    }

    /// The IP prefix, for the families that have one.
    pub const fn prefix(&self) -> Option<IpNet> {
        match self {
            Self::Ipv4Unicast(net) => Some(IpNet::V4(*net)),
            Self::Ipv6Unicast(net) => Some(IpNet::V6(*net)),
            Self::Unknown(_) => None,
        }
    }
}

/// The NLRI field of a family that this crate does not type, unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawNlri<'a> {
    pub(crate) family: Family,
    pub(crate) bytes: &'a [u8],
}

impl<'a> RawNlri<'a> {
    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The octets of the field.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Iterator over one checked NLRI field.
#[derive(Debug, Clone)]
pub struct NlriIter<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> NlriIter<'a> {
    pub(crate) const fn new(family: Family, bytes: &'a [u8]) -> Self {
        Self { family, bytes }
    }
}

impl<'a> Iterator for NlriIter<'a> {
    type Item = Nlri<'a>;

    fn next(&mut self) -> Option<Nlri<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        let read = match self.family {
            Family::IPV4_UNICAST => prefix::split::<4>(self.bytes).and_then(|(octets, len, rest)| {
                Some((Nlri::Ipv4Unicast(Ipv4Net::new(Ipv4Addr::from(octets), len).ok()?), rest))
            }),
            Family::IPV6_UNICAST => prefix::split::<16>(self.bytes).and_then(|(octets, len, rest)| {
                Some((Nlri::Ipv6Unicast(Ipv6Net::new(Ipv6Addr::from(octets), len).ok()?), rest))
            }),
            family => Some((Nlri::Unknown(RawNlri { family, bytes: self.bytes }), &[][..])),
        };
        let (nlri, rest) = read?;
        self.bytes = rest;
        Some(nlri)
    }
}

/// Where to send packets for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NextHop {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// A global IPv6 address.
    Ipv6(Ipv6Addr),
    /// A global IPv6 address and the link-local one beside it (RFC 2545 §3).
    Ipv6LinkLocal {
        /// The global address.
        global: Ipv6Addr,
        /// The link-local address.
        link_local: Ipv6Addr,
    },
}

impl NextHop {
    /// The address, the global one where there are two.
    pub const fn address(self) -> core::net::IpAddr {
        match self {
            Self::Ipv4(address) => core::net::IpAddr::V4(address),
            Self::Ipv6(address) | Self::Ipv6LinkLocal { global: address, .. } => {
                core::net::IpAddr::V6(address)
            }
        }
    }

    /// The next hop of a family in MP_REACH_NLRI; `None` if the family has no next hop of this length.
    pub(crate) fn decode(family: Family, bytes: &[u8]) -> Option<Self> {
        match family {
            Family::IPV4_UNICAST => <[u8; 4]>::try_from(bytes).ok().map(|octets| Self::Ipv4(octets.into())),
            Family::IPV6_UNICAST => {
                let (global, rest) = bytes.split_first_chunk::<16>()?;
                let global = Ipv6Addr::from(*global);
                match rest.len() {
                    0 => Some(Self::Ipv6(global)),
                    16 => {
                        let link_local = Ipv6Addr::from(*rest.first_chunk::<16>()?);
                        Some(Self::Ipv6LinkLocal { global, link_local })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether routes of `family` may have this next hop.
    pub(crate) fn fits(self, family: Family) -> bool {
        match self {
            Self::Ipv4(_) => family == Family::IPV4_UNICAST,
            Self::Ipv6(_) | Self::Ipv6LinkLocal { .. } => family == Family::IPV6_UNICAST,
        }
    }

    /// The encoded octets, and how many of them count.
    pub(crate) fn octets(self) -> ([u8; 32], u8) {
        let mut out = [0; 32];
        let (low, high) = out.split_at_mut(16);
        let len = match self {
            Self::Ipv4(address) => {
                for (to, from) in low.iter_mut().zip(address.octets()) {
                    *to = from;
                }
                4
            }
            Self::Ipv6(address) => {
                low.copy_from_slice(&address.octets());
                16
            }
            Self::Ipv6LinkLocal { global, link_local } => {
                low.copy_from_slice(&global.octets());
                high.copy_from_slice(&link_local.octets());
                32
            }
        };
        (out, len)
    }
}
