//! Address families.

use core::fmt;

/// Address family identifier (IANA "Address Family Numbers"), any 16-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Afi(u16);

impl Afi {
    /// IPv4.
    pub const IPV4: Self = Self(1);
    /// IPv6.
    pub const IPV6: Self = Self(2);
    /// Layer 2 VPN.
    pub const L2VPN: Self = Self(25);
    /// Link state.
    pub const LINK_STATE: Self = Self(16388);

    /// The family with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Subsequent address family identifier (RFC 4760 §6), any 8-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Safi(u8);

impl Safi {
    /// Unicast forwarding.
    pub const UNICAST: Self = Self(1);
    /// Multicast forwarding.
    pub const MULTICAST: Self = Self(2);
    /// Prefixes with MPLS labels (RFC 8277).
    pub const LABELLED: Self = Self(4);
    /// Ethernet VPN (RFC 7432).
    pub const EVPN: Self = Self(70);
    /// Link state (RFC 9552).
    pub const LINK_STATE: Self = Self(71);
    /// Link state of a VPN (RFC 9552).
    pub const LINK_STATE_VPN: Self = Self(72);
    /// Segment routing policy (RFC 9830).
    pub const SR_POLICY: Self = Self(73);
    /// Labelled prefixes of a VPN (RFC 4364).
    pub const VPN: Self = Self(128);
    /// Route target constraints (RFC 4684).
    pub const ROUTE_TARGET: Self = Self(132);
    /// Flow specifications (RFC 8955).
    pub const FLOW: Self = Self(133);
    /// Flow specifications of a VPN (RFC 8955).
    pub const FLOW_VPN: Self = Self(134);

    /// The identifier with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A pair of address family and subsequent address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Family {
    afi: Afi,
    safi: Safi,
}

impl Family {
    /// IPv4 unicast: the family of the classic NLRI and Withdrawn Routes fields.
    pub const IPV4_UNICAST: Self = Self::new(Afi::IPV4, Safi::UNICAST);
    /// IPv6 unicast.
    pub const IPV6_UNICAST: Self = Self::new(Afi::IPV6, Safi::UNICAST);
    /// IPv4 multicast.
    pub const IPV4_MULTICAST: Self = Self::new(Afi::IPV4, Safi::MULTICAST);
    /// IPv6 multicast.
    pub const IPV6_MULTICAST: Self = Self::new(Afi::IPV6, Safi::MULTICAST);
    /// IPv4 prefixes with labels.
    pub const IPV4_LABELLED: Self = Self::new(Afi::IPV4, Safi::LABELLED);
    /// IPv6 prefixes with labels.
    pub const IPV6_LABELLED: Self = Self::new(Afi::IPV6, Safi::LABELLED);
    /// IPv4 prefixes of a VPN.
    pub const IPV4_VPN: Self = Self::new(Afi::IPV4, Safi::VPN);
    /// IPv6 prefixes of a VPN.
    pub const IPV6_VPN: Self = Self::new(Afi::IPV6, Safi::VPN);
    /// Ethernet VPN.
    pub const EVPN: Self = Self::new(Afi::L2VPN, Safi::EVPN);
    /// IPv4 flow specifications.
    pub const IPV4_FLOW: Self = Self::new(Afi::IPV4, Safi::FLOW);
    /// IPv6 flow specifications.
    pub const IPV6_FLOW: Self = Self::new(Afi::IPV6, Safi::FLOW);
    /// IPv4 flow specifications of a VPN.
    pub const IPV4_FLOW_VPN: Self = Self::new(Afi::IPV4, Safi::FLOW_VPN);
    /// IPv6 flow specifications of a VPN.
    pub const IPV6_FLOW_VPN: Self = Self::new(Afi::IPV6, Safi::FLOW_VPN);
    /// Route target constraints.
    pub const ROUTE_TARGET: Self = Self::new(Afi::IPV4, Safi::ROUTE_TARGET);
    /// Link state.
    pub const LINK_STATE: Self = Self::new(Afi::LINK_STATE, Safi::LINK_STATE);
    /// Link state of a VPN.
    pub const LINK_STATE_VPN: Self = Self::new(Afi::LINK_STATE, Safi::LINK_STATE_VPN);
    /// Segment routing policies with IPv4 endpoints.
    pub const IPV4_SR_POLICY: Self = Self::new(Afi::IPV4, Safi::SR_POLICY);
    /// Segment routing policies with IPv6 endpoints.
    pub const IPV6_SR_POLICY: Self = Self::new(Afi::IPV6, Safi::SR_POLICY);

    /// The pair, known or not.
    pub const fn new(afi: Afi, safi: Safi) -> Self {
        Self { afi, safi }
    }

    /// The address family.
    pub const fn afi(self) -> Afi {
        self.afi
    }

    /// The subsequent address family.
    pub const fn safi(self) -> Safi {
        self.safi
    }

    /// Whether this crate types the NLRI of this family.
    pub const fn is_known(self) -> bool {
        FamilySet::bit(self).is_some()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4_UNICAST => f.write_str("ipv4-unicast"),
            Self::IPV6_UNICAST => f.write_str("ipv6-unicast"),
            Self::IPV4_MULTICAST => f.write_str("ipv4-multicast"),
            Self::IPV6_MULTICAST => f.write_str("ipv6-multicast"),
            Self::IPV4_LABELLED => f.write_str("ipv4-labelled"),
            Self::IPV6_LABELLED => f.write_str("ipv6-labelled"),
            Self::IPV4_VPN => f.write_str("ipv4-vpn"),
            Self::IPV6_VPN => f.write_str("ipv6-vpn"),
            Self::EVPN => f.write_str("l2vpn-evpn"),
            Self::IPV4_FLOW => f.write_str("ipv4-flow"),
            Self::IPV6_FLOW => f.write_str("ipv6-flow"),
            Self::IPV4_FLOW_VPN => f.write_str("ipv4-flow-vpn"),
            Self::IPV6_FLOW_VPN => f.write_str("ipv6-flow-vpn"),
            Self::ROUTE_TARGET => f.write_str("route-target"),
            Self::LINK_STATE => f.write_str("link-state"),
            Self::LINK_STATE_VPN => f.write_str("link-state-vpn"),
            Self::IPV4_SR_POLICY => f.write_str("ipv4-sr-policy"),
            Self::IPV6_SR_POLICY => f.write_str("ipv6-sr-policy"),
            Self { afi, safi } => write!(f, "afi{}-safi{}", afi.get(), safi.get()),
        }
    }
}

/// A set of the families that this crate types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FamilySet(u32);

/// In the order of the bits of [`FamilySet`].
const KNOWN: [Family; 18] = [
    Family::IPV4_UNICAST,
    Family::IPV6_UNICAST,
    Family::IPV4_MULTICAST,
    Family::IPV6_MULTICAST,
    Family::IPV4_LABELLED,
    Family::IPV6_LABELLED,
    Family::IPV4_VPN,
    Family::IPV6_VPN,
    Family::EVPN,
    Family::IPV4_FLOW,
    Family::IPV6_FLOW,
    Family::IPV4_FLOW_VPN,
    Family::IPV6_FLOW_VPN,
    Family::ROUTE_TARGET,
    Family::LINK_STATE,
    Family::LINK_STATE_VPN,
    Family::IPV4_SR_POLICY,
    Family::IPV6_SR_POLICY,
];

impl FamilySet {
    /// No family.
    pub const EMPTY: Self = Self(0);
    /// IPv4 unicast alone: what a peer without the multiprotocol capability speaks.
    pub const IPV4: Self = Self(1);
    /// IPv4 and IPv6 unicast.
    pub const UNICAST: Self = Self(3);
    /// Every family this crate types.
    pub const ALL: Self = Self((1 << KNOWN.len()) - 1);

    /// The family's bit; this order is that of [`KNOWN`].
    #[inline]
    const fn bit(family: Family) -> Option<u32> {
        let place = match family {
            Family::IPV4_UNICAST => 0,
            Family::IPV6_UNICAST => 1,
            Family::IPV4_MULTICAST => 2,
            Family::IPV6_MULTICAST => 3,
            Family::IPV4_LABELLED => 4,
            Family::IPV6_LABELLED => 5,
            Family::IPV4_VPN => 6,
            Family::IPV6_VPN => 7,
            Family::EVPN => 8,
            Family::IPV4_FLOW => 9,
            Family::IPV6_FLOW => 10,
            Family::IPV4_FLOW_VPN => 11,
            Family::IPV6_FLOW_VPN => 12,
            Family::ROUTE_TARGET => 13,
            Family::LINK_STATE => 14,
            Family::LINK_STATE_VPN => 15,
            Family::IPV4_SR_POLICY => 16,
            Family::IPV6_SR_POLICY => 17,
            _ => return None,
        };
        Some(1 << place)
    }

    /// The set with `family` in it; unchanged if the family [is not known](Family::is_known).
    #[must_use]
    pub const fn with(self, family: Family) -> Self {
        match Self::bit(family) {
            Some(bit) => Self(self.0 | bit),
            None => self,
        }
    }

    /// Whether `family` is in the set.
    #[inline]
    pub const fn contains(self, family: Family) -> bool {
        match Self::bit(family) {
            Some(bit) => self.0 & bit != 0,
            None => false,
        }
    }

    /// What both sets hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The families, IPv4 first.
    pub fn iter(self) -> FamilyIter {
        FamilyIter { set: self, next: 0 }
    }
}

impl IntoIterator for FamilySet {
    type Item = Family;
    type IntoIter = FamilyIter;

    fn into_iter(self) -> FamilyIter {
        self.iter()
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        families.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// Iterator over a [`FamilySet`].
#[derive(Debug, Clone)]
pub struct FamilyIter {
    set: FamilySet,
    next: usize,
}

impl Iterator for FamilyIter {
    type Item = Family;

    fn next(&mut self) -> Option<Family> {
        loop {
            let family = *KNOWN.get(self.next)?;
            self.next += 1;
            if self.set.contains(family) {
                return Some(family);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_family_has_its_own_bit() {
        let bits: std::vec::Vec<_> = KNOWN.iter().map(|family| FamilySet::bit(*family)).collect();
        assert_eq!(bits, (0..KNOWN.len()).map(|i| Some(1 << i)).collect::<std::vec::Vec<_>>());
        assert!(FamilySet::ALL.iter().eq(KNOWN));
        assert_eq!(FamilySet::UNICAST.iter().collect::<FamilySet>(), FamilySet::UNICAST);
        assert!(!Family::new(Afi::L2VPN, Safi::UNICAST).is_known());
        assert_eq!(
            KNOWN
                .map(|family| std::format!("{family}"))
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            KNOWN.len()
        );
    }
}
