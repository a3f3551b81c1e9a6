//! Addresses as numbers: ordinals, ranges, unions of ranges.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of a prefix.
    #[must_use]
    pub const fn of(net: &IpNet) -> Self {
        match net {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// The family of an address.
    #[must_use]
    pub const fn of_addr(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits in an address: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The digit in keys and messages: 4 or 6.
    #[must_use]
    pub const fn version(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The address with this number; `None` if it has more bits than the family.
    pub(crate) fn addr(self, number: u128) -> Option<IpAddr> {
        match self {
            Self::V4 => u32::try_from(number).ok().map(|number| IpAddr::V4(Ipv4Addr::from_bits(number))),
            Self::V6 => Some(IpAddr::V6(Ipv6Addr::from_bits(number))),
        }
    }
}

/// The number of an address within its family.
pub(crate) fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(addr.to_bits()),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

/// First and last address of a prefix, as numbers.
pub(crate) fn range(net: &IpNet) -> (u128, u128) {
    (number(net.network()), number(net.broadcast()))
}

/// The prefix of length `len` that holds an address; `None` if `len` is longer than the address.
pub(crate) fn prefix_of(addr: IpAddr, len: u8) -> Option<IpNet> {
    IpNet::new(addr, len).ok().map(|net| net.trunc())
}

/// A union of address ranges of one family: sorted, disjoint, not adjacent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Vec<(u128, u128)>);

impl Spans {
    /// The union of the prefixes of a family.
    pub(crate) fn of<'a>(family: Family, nets: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let mut ranges: Vec<_> =
            nets.into_iter().filter(|net| Family::of(net) == family).map(range).collect();
        ranges.sort_unstable();
        let mut spans: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match spans.last_mut() {
                Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
                _ => spans.push((first, last)),
            }
        }
        Self(spans)
    }

    /// The last number of the span that holds all of `first..=last`.
    pub(crate) fn covering(&self, first: u128, last: u128) -> Option<u128> {
        let at = self.0.partition_point(|span| span.1 < first);
        self.0.get(at).filter(|span| span.0 <= first && last <= span.1).map(|span| span.1)
    }

    /// The last number of the first span that shares an address with `first..=last`.
    pub(crate) fn touching(&self, first: u128, last: u128) -> Option<u128> {
        let at = self.0.partition_point(|span| span.1 < first);
        self.0.get(at).filter(|span| span.0 <= last).map(|span| span.1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is in the union.
    pub(crate) fn contains(&self, number: u128) -> bool {
        self.covering(number, number).is_some()
    }

    /// How many addresses of `first..=last` are in the union; saturates.
    pub(crate) fn count_within(&self, first: u128, last: u128) -> u128 {
        let at = self.0.partition_point(|span| span.1 < first);
        let spans = self.0.get(at..).unwrap_or_default().iter().take_while(|span| span.0 <= last);
        spans.map(|span| size(span.0.max(first), span.1.min(last))).fold(0, u128::saturating_add)
    }
}

/// How many numbers `first..=last` has; saturates.
pub(crate) fn size(first: u128, last: u128) -> u128 {
    (last - first).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CASES: u32 = 256;

    proptest! {
        #![proptest_config(crate::proof::config(CASES))]

        /// The twin: ask each prefix of each address.
        #[test]
        fn spans_agree_with_asking_each_prefix(
            nets in proptest::collection::vec((0u32..64, 26u8..=32), 0..6),
            first in 0u32..64,
            len in 0u32..16,
        ) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(addr, len)| IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(addr)), len).unwrap())
                .collect();
            let holds = |number: u32| {
                let addr = IpAddr::V4(Ipv4Addr::from_bits(number));
                nets.iter().any(|net| net.contains(&addr))
            };
            let spans = Spans::of(Family::V4, &nets);
            let last = first + len;
            let (low, high) = (u128::from(first), u128::from(last));
            prop_assert_eq!(spans.covering(low, high).is_some(), (first..=last).all(holds));
            prop_assert_eq!(spans.touching(low, high).is_some(), (first..=last).any(holds));
            prop_assert_eq!(spans.count_within(low, high), (first..=last).filter(|n| holds(*n)).count() as u128);
            if let Some(end) = spans.touching(low, high) {
                let end = u32::try_from(end).unwrap();
                prop_assert!(holds(end) && !holds(end + 1));
            }
        }
    }

    #[test]
    fn the_whole_family_saturates() {
        let all: IpNet = "::/0".parse().unwrap();
        let spans = Spans::of(Family::V6, [&all]);
        assert_eq!(spans.count_within(0, u128::MAX), u128::MAX);
        assert_eq!(spans.covering(0, u128::MAX), Some(u128::MAX));
        assert_eq!(Family::V4.addr(1 << 32), None);
    }
}
