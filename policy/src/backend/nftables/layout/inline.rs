//! Few ports and addresses as comparisons, without a set.
//!
//! A rule is the more to the kernel if it has a set of its own: to name that, the kernel looks at every other set of the table,
//! and to look one up costs a packet as much as eight comparisons. The union of ranges is one that reaches from the first to
//! the last, less the gaps between them; so a rule can say it without alternatives.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Test, Tests};
use crate::program::{Addresses, Match};
use crate::rule::PortRange;

/// Most ranges that are compared with one by one.
const RANGES: usize = 8;

/// Puts down the tests for a match that compares with few ranges, or answers that it is a test by itself.
pub(super) fn compare(wanted: &Match, tests: &mut Tests<'_>) -> bool {
    match wanted {
        Match::Port { end, ranges, negated } if ranges.len() <= RANGES => {
            let (end, negated) = (*end, *negated);
            let bounds = ranges.iter().map(|range| (range.min, range.max));
            let step = |port: u16, up: bool| if up { port.checked_add(1) } else { port.checked_sub(1) };
            let test = |((min, max), negated)| Test::Port { end, range: PortRange { min, max }, negated };
            tests.extend(parts(bounds, negated, step).map(test));
        }
        Match::Address { end, addresses: Addresses::Nets(nets), negated, .. } if nets.len() > 1 => {
            let runs = joined(nets.iter().copied());
            if runs.len() > RANGES {
                return false;
            }
            let test = |(addresses, negated)| Test::Between { end: *end, addresses, negated };
            tests.extend(parts(runs.iter().copied(), *negated, next).map(test));
        }
        _ => return false,
    }
    true
}

/// Ranges of which all must hold, each with whether it is negated: together as the union of these, or as what is not in it.
fn parts<T: Copy>(
    ranges: impl Iterator<Item = (T, T)> + Clone,
    negated: bool,
    step: impl Fn(T, bool) -> Option<T>,
) -> impl Iterator<Item = ((T, T), bool)> {
    let each = ranges.clone().filter(move |_| negated).map(|range| (range, true));
    let ends = ranges.clone().next().zip(ranges.clone().last()).filter(|_| !negated);
    let hull = ends.map(|((min, _), (_, max))| ((min, max), false));
    let pairs = ranges.clone().zip(ranges.skip(1)).filter(move |_| !negated);
    let gaps = pairs.filter_map(move |((_, before), (after, _))| {
        Some(((step(before, true)?, step(after, false)?), true))
    });
    each.chain(hull).chain(gaps)
}

/// The address behind this one, or before it.
fn next(address: IpAddr, up: bool) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address);
            Ipv4Addr::from(if up { bits.checked_add(1) } else { bits.checked_sub(1) }?).into()
        }
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            Ipv6Addr::from(if up { bits.checked_add(1) } else { bits.checked_sub(1) }?).into()
        }
    })
}

/// The first and the last address of each run of prefixes that touch; they are in order and do not overlap.
pub(in super::super) fn joined(nets: impl Iterator<Item = IpNet>) -> Vec<(IpAddr, IpAddr)> {
    let mut runs: Vec<(IpAddr, IpAddr)> = Vec::new();
    for net in nets {
        match runs.last_mut() {
            Some((_, last)) if next(*last, true) == Some(net.network()) => *last = net.broadcast(),
            _ => runs.push((net.network(), net.broadcast())),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::End;
    use crate::rule::Family;

    use proptest::prelude::*;

    /// Whether all of these hold of the port.
    fn holds(tests: &[Test<'_>], port: u16) -> bool {
        tests.iter().all(|test| match test {
            Test::Port { range, negated, .. } => range.contains(port) != *negated,
            other => panic!("{other:?}"),
        })
    }

    proptest! {
        #[test]
        fn comparisons_mean_what_the_ranges_mean(
            // Gaps between ranges, and their lengths.
            steps in prop::collection::vec((2_u16..9, 0_u16..5), 1..10),
            high in any::<bool>(),
            negated in any::<bool>(),
        ) {
            let mut ranges = Vec::new();
            let mut at = if high { u16::MAX - 2 } else { 0 };
            for (gap, len) in steps {
                let max = at.saturating_add(len);
                ranges.push(PortRange { min: at, max });
                let Some(next) = max.checked_add(gap) else { break };
                at = next;
            }
            let wanted = Match::Port { end: End::Destination, ranges: ranges.clone().into(), negated };
            let mut tests = Tests::new();
            if !compare(&wanted, &mut tests) {
                prop_assert!(ranges.len() > RANGES);
                return Ok(());
            }
            prop_assert_eq!(tests.len(), ranges.len());
            for port in (0..200).chain(u16::MAX - 20..=u16::MAX) {
                let inside = ranges.iter().any(|range| range.contains(port));
                prop_assert_eq!(holds(&tests, port), inside != negated, "{}", port);
            }
        }

        #[test]
        fn comparisons_mean_what_the_prefixes_mean(
            nets in prop::collection::btree_set((0_u8..16, 28_u8..=32), 2..12),
            negated in any::<bool>(),
        ) {
            let nets = nets.into_iter().map(|(last, len)| IpNet::new([10, 0, 0, last * 16].into(), len).unwrap());
            let mut nets: Vec<IpNet> = nets.collect();
            nets.sort_unstable_by_key(|net| (net.network(), net.prefix_len()));
            nets.dedup_by(|next, net| net.contains(&*next));
            prop_assume!(nets.len() > 1);
            let addresses = Addresses::Nets(nets.clone().into());
            let wanted = Match::Address { end: End::Source, family: Family::V4, addresses, negated };
            let mut tests = Tests::new();
            if !compare(&wanted, &mut tests) {
                prop_assert!(nets.len() > RANGES);
                return Ok(());
            }
            for address in (0..=u8::MAX).map(|last| IpAddr::from([10, 0, 0, last])) {
                let inside = nets.iter().any(|net| net.contains(&address));
                let all = tests.iter().all(|test| match test {
                    Test::Between { addresses: (from, to), negated, .. } => {
                        (*from <= address && address <= *to) != *negated
                    }
                    other => panic!("{other:?}"),
                });
                prop_assert_eq!(all, inside != negated, "{}", address);
            }
        }
    }
}
