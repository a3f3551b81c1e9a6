//! Address families.

use core::fmt;

/// Address family identifier (IANA "Address Family Numbers"), any 16-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Afi(u16);

impl Afi {
    /// IPv4.
    pub const IPV4: Self = Self(1);
    /// IPv6.
    pub const IPV6: Self = Self(2);

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
pub struct Safi(u8);

impl Safi {
    /// Unicast forwarding.
    pub const UNICAST: Self = Self(1);

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
pub struct Family {
    afi: Afi,
    safi: Safi,
}

impl Family {
    /// IPv4 unicast: the family of the classic NLRI and Withdrawn Routes fields.
    pub const IPV4_UNICAST: Self = Self::new(Afi::IPV4, Safi::UNICAST);
    /// IPv6 unicast.
    pub const IPV6_UNICAST: Self = Self::new(Afi::IPV6, Safi::UNICAST);

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
    pub fn is_known(self) -> bool {
        FamilySet::bit(self).is_some()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4_UNICAST => f.write_str("ipv4-unicast"),
            Self::IPV6_UNICAST => f.write_str("ipv6-unicast"),
            Self { afi, safi } => write!(f, "afi{}-safi{}", afi.get(), safi.get()),
        }
    }
}

/// A set of the families that this crate types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FamilySet(u32);

/// In the order of the bits of [`FamilySet`].
const KNOWN: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

impl FamilySet {
    /// No family.
    pub const EMPTY: Self = Self(0);
    /// IPv4 unicast alone: what a peer without the multiprotocol capability speaks.
    pub const IPV4: Self = Self(1);
    /// Every family this crate types.
    pub const ALL: Self = Self(3);

    fn bit(family: Family) -> Option<u32> {
        KNOWN.iter().zip(0u32..).find(|(known, _)| **known == family).map(|(_, i)| 1 << i)
    }

    /// The set with `family` in it; unchanged if the family [is not known](Family::is_known).
    #[must_use]
    pub fn with(self, family: Family) -> Self {
        Self(self.0 | Self::bit(family).unwrap_or(0))
    }

    /// Whether `family` is in the set.
    pub fn contains(self, family: Family) -> bool {
        Self::bit(family).is_some_and(|bit| self.0 & bit != 0)
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
