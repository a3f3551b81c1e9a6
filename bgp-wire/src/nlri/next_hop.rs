//! Next hops.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::family::{Afi, Family, FamilySet, Safi};
use crate::session::Session;

/// Where to send packets for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
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
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Ipv4(address) => IpAddr::V4(address),
            Self::Ipv6(address) | Self::Ipv6LinkLocal { global: address, .. } => IpAddr::V6(address),
        }
    }

    /// The next hop of a family in MP_REACH_NLRI; `None` if it is empty, or of a length that no next hop has. The route
    /// distinguisher of a VPN, which is always zero, is left out.
    #[inline]
    pub(crate) fn decode(family: Family, bytes: &[u8]) -> Option<Self> {
        if matches!(family.safi(), Safi::VPN) {
            return Self::decode_vpn(bytes);
        }
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return Some(Self::Ipv4(octets.into()));
        }
        let (global, rest) = bytes.split_first_chunk::<16>()?;
        let global = Ipv6Addr::from(*global);
        match rest.len() {
            0 => Some(Self::Ipv6(global)),
            16 => {
                Some(Self::Ipv6LinkLocal { global, link_local: Ipv6Addr::from(*rest.first_chunk::<16>()?) })
            }
            _ => None,
        }
    }

    /// Each address after a route distinguisher (RFC 4364 §4.3.2, RFC 4659 §3.2.1).
    fn decode_vpn(bytes: &[u8]) -> Option<Self> {
        let (_, first) = bytes.split_first_chunk::<8>()?;
        if let Ok(octets) = <[u8; 4]>::try_from(first) {
            return Some(Self::Ipv4(octets.into()));
        }
        let (global, rest) = first.split_first_chunk::<16>()?;
        let global = Ipv6Addr::from(*global);
        match rest.len() {
            0 => Some(Self::Ipv6(global)),
            24 => {
                let (_, link_local) = rest.split_first_chunk::<8>()?;
                Some(Self::Ipv6LinkLocal {
                    global,
                    link_local: Ipv6Addr::from(*link_local.first_chunk::<16>()?),
                })
            }
            _ => None,
        }
    }

    /// Whether a next hop in MP_REACH_NLRI may have so many octets.
    #[inline]
    pub(crate) fn is_good_len(family: Family, len: usize, ipv6_next_hops: FamilySet) -> bool {
        // RFC 8950 §3: IPv6 next hops of IPv4 destinations are agreed on.
        let v6 = ipv6_next_hops.contains(family);
        match (family.afi(), family.safi()) {
            (Afi::IPV4, Safi::UNICAST | Safi::MULTICAST | Safi::LABELLED) => {
                len == 4 || v6 && (len == 16 || len == 32)
            }
            // RFC 4798 §2 and RFC 4659 §3.2.1.2 map an IPv4 next hop into IPv6.
            (Afi::IPV6, Safi::UNICAST | Safi::MULTICAST | Safi::LABELLED) => len == 16 || len == 32,
            (Afi::IPV4, Safi::VPN) => len == 12 || v6 && (len == 24 || len == 48),
            (Afi::IPV6, Safi::VPN) => len == 24 || len == 48,
            // RFC 8955 §4: none, and whatever is there is ignored.
            (_, Safi::FLOW | Safi::FLOW_VPN) => true,
            _ => !family.is_known() || matches!(len, 4 | 16 | 32),
        }
    }

    /// Whether routes of `family` may have this next hop.
    pub(crate) fn fits(self, family: Family, session: &Session) -> bool {
        let len = self.octets_for(family).1;
        Self::is_good_len(family, len.into(), session.ipv6_next_hops)
    }

    /// The octets for a family, and how many of them count.
    pub(crate) fn octets_for(self, family: Family) -> ([u8; 48], u8) {
        let mut out = [0; 48];
        let (octets, len) = self.octets();
        let half = if len == 32 { 16 } else { usize::from(len) };
        let skip = if family.safi() == Safi::VPN { 8 } else { 0 };
        let mut end = 0;
        for address in octets.get(..usize::from(len)).unwrap_or(&octets).chunks(half) {
            end += skip;
            if let Some(room) = out.get_mut(end..end + address.len()) {
                room.copy_from_slice(address);
            }
            end += address.len();
        }
        (out, u8::try_from(end).unwrap_or(0))
    }

    /// The encoded octets, and how many of them count.
    fn octets(self) -> ([u8; 32], u8) {
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
