//! Leaves out steps that never decide, because an earlier one decides about all that they match.

use alloc::vec::Vec;

use crate::key::Origin;
use crate::program::{Addresses, Match, Step, StepAction};
use crate::rule::PortRange;

use super::{is_verdict, origin};

/// How many earlier steps a step is compared with: the first ones that can cover anything, as those with the fewest
/// criteria stand first where people write rules.
const CANDIDATES: usize = 64;

/// A rule that never decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The rule.
    pub origin: Origin,
    /// Why it never decides.
    pub reason: Reason,
}

/// Why a rule never decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// This rule stands before it and matches all that it matches.
    ShadowedBy(Origin),
}

/// The steps without those that an earlier verdict covers. Steps that only log are never left out before a verdict.
pub(super) fn remove(steps: Vec<Step>, removed: &mut Vec<Removed>) -> Vec<Step> {
    let mut kept: Vec<Step> = Vec::with_capacity(steps.len());
    let mut candidates: Vec<usize> = Vec::new();
    for step in steps {
        let mut covering = candidates.iter().filter_map(|index| kept.get(*index));
        if let Some(cover) = covering.find(|cover| covers(&cover.matches, &step.matches)) {
            if step.origin.is_some() {
                removed.push(Removed { origin: origin(&step), reason: Reason::ShadowedBy(origin(cover)) });
            }
            continue;
        }
        // What goes elsewhere for good decides as well as a verdict does.
        if (is_verdict(&step) || matches!(step.action, StepAction::Goto(_))) && candidates.len() < CANDIDATES
        {
            candidates.push(kept.len());
        }
        kept.push(step);
    }
    kept
}

/// Whether a packet with all of `narrow` surely has all of `wide`.
fn covers(wide: &[Match], narrow: &[Match]) -> bool {
    wide.iter().all(|wanted| narrow.iter().any(|given| implies(given, wanted)))
}

fn implies(given: &Match, wanted: &Match) -> bool {
    match (given, wanted) {
        (Match::Address { family, .. }, Match::Family(wanted)) => family == wanted,
        (
            Match::Address { end, family, addresses: Addresses::Nets(nets), negated: false },
            Match::Address {
                end: wanted_end,
                family: wanted_family,
                addresses: Addresses::Nets(wanted),
                negated: false,
            },
        ) => {
            let inside = |net: &ipnet::IpNet| wanted.iter().any(|wanted| wanted.contains(net));
            end == wanted_end && family == wanted_family && nets.iter().all(inside)
        }
        (
            Match::Port { end, ranges, negated: false },
            Match::Port { end: wanted_end, ranges: wanted, negated: false },
        ) => {
            let inside = |range: &PortRange| wanted.iter().any(|w| w.min <= range.min && range.max <= w.max);
            end == wanted_end && ranges.iter().all(inside)
        }
        _ => given == wanted,
    }
}
