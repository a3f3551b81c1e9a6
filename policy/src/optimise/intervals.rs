//! Ranges of ports as sets: what is covered, and what is not.

use alloc::vec::Vec;

use crate::rule::PortRange;

/// Ports in rising order, in ranges of which no two touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports(Vec<PortRange>);

impl Ports {
    /// Takes the range in, and tells which parts of it were not there before.
    pub(super) fn insert(&mut self, range: PortRange) -> Vec<PortRange> {
        let fresh = self.missing(range);
        let first = self.0.partition_point(|held| held.max.saturating_add(1) < range.min);
        let last = self.0.partition_point(|held| held.min <= range.max.saturating_add(1));
        let touched = self.0.get(first..last).unwrap_or_default();
        let whole = match (touched.first(), touched.last()) {
            (Some(low), Some(high)) => {
                PortRange { min: low.min.min(range.min), max: high.max.max(range.max) }
            }
            _ => range,
        };
        self.0.splice(first..last.max(first), [whole]);
        fresh
    }

    /// The parts of the range that are not there.
    pub(super) fn missing(&self, range: PortRange) -> Vec<PortRange> {
        let mut missing = Vec::new();
        let first = self.0.partition_point(|held| held.max < range.min);
        let mut next = Some(range.min);
        for held in self.0.iter().skip(first).take_while(|held| held.min <= range.max) {
            if let Some(min) = next.filter(|min| *min < held.min) {
                missing.push(PortRange { min, max: held.min.saturating_sub(1) });
            }
            next = held.max.checked_add(1);
        }
        if let Some(min) = next.filter(|min| *min <= range.max) {
            missing.push(PortRange { min, max: range.max });
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ports_are_those_of_a_plain_set(ranges in prop::collection::vec((0_u16..40, 0_u16..12, any::<bool>()), 1..20)) {
            let (mut ports, mut twin) = (Ports::default(), std::collections::BTreeSet::new());
            for (min, len, high) in ranges {
                // At both ends of what there is.
                let min = if high { u16::MAX - 40 + min } else { min };
                let range = PortRange { min, max: min.saturating_add(len) };
                let fresh: Vec<u16> = ports.insert(range).iter().flat_map(|part| part.min..=part.max).collect();
                let want: Vec<u16> = (range.min..=range.max).filter(|port| twin.insert(*port)).collect();
                prop_assert_eq!(fresh, want);
                prop_assert!(ports.0.windows(2).all(|pair| u32::from(pair[0].max) + 1 < u32::from(pair[1].min)));
            }
        }
    }
}
