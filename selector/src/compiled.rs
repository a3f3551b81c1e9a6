//! Selectors for labels that are numbers.

use alloc::boxed::Box;
use core::slice;

use crate::intern::{LabelSet, Symbols};
use crate::selector::Selector;
use crate::tree::{Node, Op, Tree, YES, compare, place, terms};

/// Selector for labels that are numbers; made by [`Symbols::compile`].
#[derive(Clone, Debug)]
pub struct Compiled {
    pub(crate) selector: Selector,
    pub(crate) steps: Box<[Step]>,
    /// The pairs of each step with values, sorted.
    pub(crate) values: Box<[u32]>,
    pub(crate) entry: u32,
}

/// A term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The bits of the names without one of which the term, or the list in which it stands, is decided.
    pub(crate) bits: u64,
    pub(crate) op: Op,
    pub(crate) node: u32,
    pub(crate) name: u32,
    /// Its one value, where it has just one.
    pub(crate) pair: u32,
    /// Its set of values, from this one on,
    pub(crate) from: u32,
    /// and up to this one.
    pub(crate) to: u32,
    pub(crate) then: u32,
    pub(crate) otherwise: u32,
}

impl Compiled {
    /// Whether the labels match. Allocates nothing.
    #[must_use]
    pub fn matches(&self, labels: &LabelSet, symbols: &Symbols) -> bool {
        self.matches_by(labels.bits, |name| labels.pair(name), symbols)
    }

    /// Whether labels match that have at most these bits, and of which `find` knows the pair of a name.
    #[inline]
    pub(crate) fn matches_by(&self, bits: u64, find: impl Fn(u32) -> Option<u32>, symbols: &Symbols) -> bool {
        let mut at = self.entry;
        while let Some(step) = self.steps.get(at as usize) {
            let holds = if bits & step.bits == step.bits {
                self.holds(step, &find, symbols)
            } else {
                step.op.is_without()
            };
            at = if holds { step.then } else { step.otherwise };
        }
        at == YES
    }

    #[inline]
    fn holds(&self, step: &Step, find: impl Fn(u32) -> Option<u32>, symbols: &Symbols) -> bool {
        let Some(pair) = find(step.name) else {
            return step.op.is_without();
        };
        match step.op {
            Op::Has | Op::All | Op::Global => true,
            Op::Equal => step.pair == pair,
            Op::NotEqual => step.pair != pair,
            Op::In => self.has_value(step, pair),
            Op::NotIn => !self.has_value(step, pair),
            _ => {
                let tree = self.tree();
                let node = tree.nodes.get(step.node as usize);
                node.is_some_and(|node| compare(step.op, symbols.value(pair), node.value_in(&tree.text)))
            }
        }
    }

    #[inline]
    fn has_value(&self, step: &Step, pair: u32) -> bool {
        /// Sets of at most so many values are searched from end to end, larger ones by halves.
        const SCAN: usize = 16;
        let values = self.values.get(step.from as usize..step.to as usize).unwrap_or_default();
        if values.len() <= SCAN { values.contains(&pair) } else { values.binary_search(&pair).is_ok() }
    }

    pub(crate) const fn selector(&self) -> &Selector {
        &self.selector
    }

    pub(crate) fn tree(&self) -> &Tree {
        self.selector.tree()
    }

    /// The value of each term that has just one.
    pub(crate) fn singles(&self) -> impl Iterator<Item = &u32> {
        self.steps.iter().filter(|step| matches!(step.op, Op::Equal | Op::NotEqual)).map(|step| &step.pair)
    }

    /// The name of each term that has one; some more than once.
    pub(crate) fn names(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().filter(|step| !matches!(step.op, Op::All | Op::Global)).map(|step| step.name)
    }

    /// Name and values of the term at a node.
    pub(crate) fn term(&self, node: u32) -> Option<(u32, &[u32])> {
        let step = self.steps.binary_search_by_key(&node, |step| step.node).ok();
        let step = step.and_then(|step| self.steps.get(step))?;
        let values = match step.op {
            Op::Equal | Op::NotEqual => slice::from_ref(&step.pair),
            _ => self.values.get(step.from as usize..step.to as usize).unwrap_or_default(),
        };
        Some((step.name, values))
    }
}

/// Terms of a list that no label at all decides ask for their names at once: the first of them asks for all.
///
/// That one label is there is hard to foresee, and that several are is mostly not so.
pub(crate) fn guard(nodes: &[Node], steps: &mut [Step]) {
    for (at, list) in nodes.iter().enumerate() {
        if !matches!(list.op, Op::And | Op::Or) {
            continue;
        }
        let (mut first, mut bits): (Option<(bool, usize)>, _) = (None, 0);
        for (term, node, negated) in terms(nodes, at) {
            if matches!(node.op, Op::All | Op::Global)
                || (node.op.is_without() != negated) != (list.op == Op::Or)
            {
                continue;
            }
            let Ok(step) = steps.binary_search_by_key(&place(term), |step| step.node) else { continue };
            bits |= steps.get(step).map_or(0, |step| step.bits);
            let is_early = node.op.is_asked_first(list.op, negated);
            if first.is_none_or(|(other_is, _)| is_early && !other_is) {
                first = Some((is_early, step));
            }
        }
        if let Some(step) = first.and_then(|(_, step)| steps.get_mut(step)) {
            step.bits = bits;
        }
    }
}
