//! The difference between the routes that are wanted and those that are there.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::entry::Entry;
use crate::link::LinkTable;
use crate::number::{Family, Protocol};
use crate::op::Op;
use crate::owner::Ownership;
use crate::route::{Key, Route};

/// What lies between desired and observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diff {
    /// What to do, in this order: routes on links, then routes through gateways, then removals, gateways first. So a
    /// gateway is reachable when it is named, and a destination that has another route coming never lacks one.
    pub ops: Vec<Op>,
    /// Keys of desired routes that a foreign route holds.
    pub conflicts: Vec<(Key, Protocol)>,
    /// Keys of desired routes whose interface is missing or down.
    pub blocked: Vec<Key>,
}

/// What one key wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is as it should be.
    Nothing,
    /// A foreign route of this protocol is in the way.
    Conflict(Protocol),
    Do(Op),
}

/// What a desired route comes to, given the links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Nothing,
    /// The interface is missing, or down: then the entry is known, and stays should it be there.
    Blocked(Option<Entry>),
    Ready(Entry),
}

impl Want {
    pub(crate) fn of(route: Option<&Route>, links: &LinkTable) -> Self {
        let Some(route) = route else { return Self::Nothing };
        let Some(name) = route.interface() else { return Self::Ready(Entry::resolve(route, 0)) };
        match links.by_name(name) {
            Some(link) if link.up => Self::Ready(Entry::resolve(route, link.index)),
            Some(link) => Self::Blocked(Some(Entry::resolve(route, link.index))),
            None => Self::Blocked(None),
        }
    }
}

pub(crate) fn owns(ownership: &Ownership, links: &LinkTable, entry: &Entry) -> bool {
    let name = entry.index().and_then(|index| links.by_index(index)).map(|link| link.name.as_str());
    ownership.owns(entry.key.table, entry.protocol, name)
}

/// The next step for one key. Done over and over it comes to `Nothing` or `Conflict`, after at most one step more than
/// there are entries.
pub(crate) fn decide(want: &Want, held: &[Entry], ownership: &Ownership, links: &LinkTable) -> Decision {
    let entry = match want {
        Want::Ready(entry) if !held.contains(entry) => entry,
        _ => {
            let first = surplus(want, held, ownership, links).next();
            return first.map_or(Decision::Nothing, |entry| Decision::Do(Op::Delete(entry.clone())));
        }
    };
    let foreign = |held: &&Entry| !owns(ownership, links, held) && !ownership.takes_over(held.protocol);
    match held.iter().find(foreign) {
        Some(foreign) => Decision::Conflict(foreign.protocol),
        None if held.is_empty() => Decision::Do(Op::Create(entry.clone())),
        None => Decision::Do(Op::Replace(entry.clone())),
    }
}

/// The entries under one key that are ours and not wanted.
pub(crate) fn surplus<'a>(
    want: &'a Want,
    held: &'a [Entry],
    ownership: &'a Ownership,
    links: &'a LinkTable,
) -> impl Iterator<Item = &'a Entry> {
    let keep = match want {
        Want::Nothing => None,
        Want::Blocked(entry) => entry.as_ref(),
        Want::Ready(entry) => Some(entry),
    };
    held.iter().filter(move |entry| keep != Some(*entry) && owns(ownership, links, entry))
}

/// What the kernel's entries under one key are after an operation that succeeded.
pub(crate) fn apply(op: &Op, held: &mut Vec<Entry>) {
    match op {
        Op::Create(entry) if held.contains(entry) => {}
        Op::Create(entry) => held.push(entry.clone()),
        Op::Replace(entry) => match (entry.key.family(), held.first_mut()) {
            // IPv4 replaces the first entry only; IPv6 replaces all that can be siblings.
            (Family::V4, Some(first)) => *first = entry.clone(),
            _ => {
                held.clear();
                held.push(entry.clone());
            }
        },
        Op::Delete(entry) => {
            if let Some(at) = held.iter().position(|held| held == entry) {
                held.remove(at);
            }
        }
    }
}

/// What to do so that the kernel's routes, of those that are ours, become the desired ones.
///
/// Pure: no time, no grace periods, no trust that the kernel does as it is told; [`Reconciler`](crate::Reconciler) adds
/// these. Of several desired routes with one key the last counts; those that `ownership` does not admit are left out.
/// Observed entries outside of the owned tables are not looked at.
///
/// ```
/// use tortie_routes::{LinkState, LinkTable, Op, Ownership, Route, diff};
///
/// let links: LinkTable = [LinkState::new(7, "cali12", true)].into_iter().collect();
/// let pod = Route::local("10.0.0.2".parse()?, "cali12").metric(1024);
/// let diff = diff(&[pod], &[], &Ownership::agent("cali"), &links);
/// assert!(matches!(diff.ops.as_slice(), [Op::Create(entry)] if entry.index() == Some(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Complexity
/// O(n log n) in the routes on both sides.
#[must_use]
pub fn diff(desired: &[Route], observed: &[Entry], ownership: &Ownership, links: &LinkTable) -> Diff {
    let mut keys: BTreeMap<Key, (Option<Route>, Vec<Entry>)> = BTreeMap::new();
    for route in desired.iter().cloned().map(Route::canonical) {
        if ownership.admits(&route) {
            let key = route.key();
            keys.entry(key).or_default().0 = Some(route);
        }
    }
    for entry in observed {
        keys.entry(entry.key).or_default().1.push(entry.clone());
    }
    let mut found = Diff::default();
    for (key, (route, mut held)) in keys {
        let want = Want::of(route.as_ref(), links);
        if matches!(want, Want::Blocked(_)) {
            found.blocked.push(key);
        }
        for _ in 0..=held.len() {
            match decide(&want, &held, ownership, links) {
                Decision::Nothing => break,
                Decision::Conflict(protocol) => {
                    found.conflicts.push((key, protocol));
                    break;
                }
                Decision::Do(op) => {
                    apply(&op, &mut held);
                    found.ops.push(op);
                }
            }
        }
    }
    found.ops.sort_by_key(phase);
    found
}

fn phase(op: &Op) -> u8 {
    match op {
        Op::Create(entry) | Op::Replace(entry) => u8::from(entry.has_gateway()),
        Op::Delete(entry) => 3 - u8::from(entry.has_gateway()),
    }
}
