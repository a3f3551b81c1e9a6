//! Enters long lists of rules with ports by the packet's protocol and port.
//!
//! A packet then meets only those rules that want its port, in their order, whatever their verdicts are.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::program::{End, Match, Step, StepAction};
use crate::rule::PortRange;
use crate::table::{Spread, SpreadRow};

use super::is_verdict;

/// A spread is worth its space if no leaf has more than this share of the rules, and all together not more than so many
/// times as many steps.
const SHARE: usize = 4;

/// Spreads each run of steps with destination ports that is longer than `inline`.
pub(super) fn spread(steps: Vec<Step>, inline: usize) -> Vec<Step> {
    let mut spread = Vec::with_capacity(steps.len());
    let mut run: Vec<Step> = Vec::new();
    for step in steps {
        if fields(&step).is_some() {
            run.push(step);
        } else {
            flush(&mut run, &mut spread, inline);
            spread.push(step);
        }
    }
    flush(&mut run, &mut spread, inline);
    spread
}

/// Protocol and ports that the step wants; `None` if it can be in no leaf.
fn fields(step: &Step) -> Option<(u8, &[PortRange])> {
    let stays = is_verdict(step) || matches!(step.action, StepAction::Log);
    let mut protocols = step.matches.iter().filter_map(protocol);
    let mut ranges = step.matches.iter().filter_map(ports);
    let (wanted, more) = (protocols.next().zip(ranges.next()), (protocols.next(), ranges.next()));
    wanted.filter(|_| stays && more == (None, None))
}

const fn protocol(wanted: &Match) -> Option<u8> {
    match wanted {
        Match::Protocol { number, negated: false } => Some(*number),
        _ => None,
    }
}

fn ports(wanted: &Match) -> Option<&[PortRange]> {
    match wanted {
        Match::Port { end: End::Destination, ranges, negated: false } => Some(ranges),
        _ => None,
    }
}

fn flush(run: &mut Vec<Step>, spread: &mut Vec<Step>, inline: usize) {
    let found = if run.len() > inline { leaves(run) } else { None };
    match found {
        Some(found) => {
            run.clear();
            let action = StepAction::Spread(Arc::new(found));
            spread.push(Step { matches: Vec::new(), action, origin: None });
        }
        None => spread.append(run),
    }
}

/// Which steps are met from which port on: places in the run, by protocol.
fn edges(run: &[Step]) -> BTreeMap<u8, BTreeMap<u32, Vec<(usize, bool)>>> {
    let mut edges: BTreeMap<u8, BTreeMap<u32, Vec<(usize, bool)>>> = BTreeMap::new();
    for (index, step) in run.iter().enumerate() {
        let Some((protocol, ranges)) = fields(step) else { continue };
        let ports = edges.entry(protocol).or_default();
        for range in ranges {
            ports.entry(range.min.into()).or_default().push((index, true));
            ports.entry(u32::from(range.max).saturating_add(1)).or_default().push((index, false));
        }
    }
    edges
}

/// The spread of these steps; `None` if it is not worth its space.
fn leaves(run: &[Step]) -> Option<Spread> {
    let (longest, most) = (run.len().div_ceil(SHARE), run.len().saturating_mul(SHARE));
    let mut spread = Spread::default();
    let mut numbers: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut total = 0_usize;
    for (protocol, edges) in edges(run) {
        // How many ranges of each step the port is in: those of one step do not overlap, but may be repeated.
        let mut met: BTreeMap<usize, usize> = BTreeMap::new();
        let mut bounds = edges.iter().peekable();
        while let Some((from, changes)) = bounds.next() {
            for (index, enters) in changes {
                let count = met.entry(*index).or_default();
                *count = if *enters { count.saturating_add(1) } else { count.saturating_sub(1) };
            }
            met.retain(|_, count| *count > 0);
            let Some((to, _)) = bounds.peek() else { continue };
            if met.is_empty() {
                continue;
            }
            if met.len() > longest {
                return None;
            }
            let steps: Vec<usize> = met.keys().copied().collect();
            let leaf = match numbers.get(&steps) {
                Some(leaf) => *leaf,
                None => {
                    total = total.saturating_add(steps.len());
                    if total > most {
                        return None;
                    }
                    spread.leaves.push(steps.iter().filter_map(|index| run.get(*index)).map(rest).collect());
                    numbers.insert(steps, spread.leaves.len().saturating_sub(1));
                    spread.leaves.len().saturating_sub(1)
                }
            };
            let (Ok(min), Ok(max)) = (u16::try_from(*from), u16::try_from(to.saturating_sub(1))) else {
                continue;
            };
            let row = SpreadRow { protocol, ports: PortRange { min, max }, leaf };
            match spread.rows.last_mut() {
                Some(last)
                    if last.leaf == leaf
                        && last.protocol == protocol
                        && last.ports.max.checked_add(1) == Some(min) =>
                {
                    last.ports.max = max;
                }
                _ => spread.rows.push(row),
            }
        }
    }
    Some(spread)
}

/// The step without what its leaf has settled.
fn rest(step: &Step) -> Step {
    let settled = |wanted: &&Match| protocol(wanted).is_none() && ports(wanted).is_none();
    let matches = step.matches.iter().filter(settled).cloned().collect();
    Step { matches, action: step.action.clone(), origin: step.origin.clone() }
}
