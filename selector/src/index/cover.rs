//! What labels must have for a selector to match.

use smallvec::SmallVec;

use crate::compiled::Compiled;
use crate::tree::Op;

/// A condition on labels that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atom {
    /// A label has this value.
    Pair(u32),
    /// The value of this label starts with the value of the term at this node.
    Prefix { name: u32, node: u32 },
    /// This label is there.
    Present(u32),
}

/// A list of conditions.
pub(super) type Atoms = SmallVec<[Atom; 2]>;

/// Conditions of which labels fulfil at least one if the selector matches. None at all: nothing can match.
///
/// A generalisation of the reference system's "label restrictions" (calico@87c15906f2 libcalico-go/lib/selector/parser):
/// those are conditions on one label, these may be on several, and look through negations.
#[derive(Clone, Debug)]
pub(super) struct Cover {
    pub(super) atoms: Atoms,
    cost: u64,
    /// Another cover, on which the first does not depend: labels fulfil one of these, too.
    pub(super) also: Option<Atoms>,
}

/// The cheapest cover of a selector; `None` where labels may match that have nothing in particular.
pub(super) fn cover(compiled: &Compiled, cost: &mut dyn FnMut(Atom) -> u64) -> Option<Cover> {
    part(compiled, 0, false, cost)
}

/// The cover of a subtree, or of its negation. It recurses as deep as the tree.
fn part(compiled: &Compiled, at: u32, negated: bool, cost: &mut dyn FnMut(Atom) -> u64) -> Option<Cover> {
    let node = compiled.tree().nodes.get(at as usize)?;
    let mut of = |atoms: Atoms| {
        let cost = atoms.iter().fold(0_u64, |sum, atom| sum.saturating_add(cost(*atom)));
        Some(Cover { atoms, cost, also: None })
    };
    match (node.op, negated) {
        (Op::Not, _) => part(compiled, at + 1, !negated, cost),
        (Op::And, false) | (Op::Or, true) => {
            let mut best: Option<Cover> = None;
            let mut second: Option<Cover> = None;
            for part in operands(compiled, at).filter_map(|at| part(compiled, at, negated, cost)) {
                if best.as_ref().is_none_or(|best| part.cost < best.cost) {
                    second = best.replace(part);
                } else if second.as_ref().is_none_or(|second| part.cost < second.cost) {
                    second = Some(part);
                }
            }
            let mut best = best?;
            best.also = second.map(|second| second.atoms).or(best.also);
            Some(best)
        }
        (Op::Or, false) | (Op::And, true) => {
            let mut whole = Cover { atoms: SmallVec::new(), cost: 0, also: None };
            for at in operands(compiled, at) {
                let part = part(compiled, at, negated, cost)?;
                whole.cost = whole.cost.saturating_add(part.cost);
                // One atom may be there twice: who looks them up sees to that.
                whole.atoms.extend(part.atoms);
            }
            Some(whole)
        }
        (Op::Equal | Op::In, false) | (Op::NotEqual | Op::NotIn, true) => {
            let (_, values) = compiled.term(at)?;
            of(values.iter().copied().map(Atom::Pair).collect())
        }
        (Op::StartsWith, false) if node.value_len > 0 => {
            of(SmallVec::from_slice(&[Atom::Prefix { name: compiled.term(at)?.0, node: at }]))
        }
        (Op::Has | Op::StartsWith | Op::EndsWith | Op::Contains, false) => {
            of(SmallVec::from_slice(&[Atom::Present(compiled.term(at)?.0)]))
        }
        (Op::All | Op::Global, true) => of(SmallVec::new()),
        _ => None,
    }
}

fn operands(compiled: &Compiled, list: u32) -> impl Iterator<Item = u32> {
    let nodes = &compiled.tree().nodes;
    let end = nodes.get(list as usize).map_or(0, |node| node.end);
    let next = move |at: u32| nodes.get(at as usize).map(|node| node.end).filter(|at| *at < end);
    core::iter::successors(Some(list + 1), move |at| next(*at))
}
