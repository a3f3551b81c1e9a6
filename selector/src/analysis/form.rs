//! Selectors as one graph of conjunctions, negations and tests, in which what is said twice is there once.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::ops::Not;

use super::{Exhausted, Meter};
use crate::expr::{Expr, Term};
use crate::selector::Selector;

/// A node of a [`Form`], or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lit(usize);

impl Lit {
    /// Holds always.
    pub(super) const TRUE: Self = Self(0);
    /// Never holds.
    pub(super) const FALSE: Self = Self(1);

    const fn of(node: usize) -> Self {
        Self(node << 1)
    }

    const fn negated_if(self, negated: bool) -> Self {
        Self(if negated { self.0 ^ 1 } else { self.0 })
    }

    pub(super) const fn node(self) -> usize {
        self.0 >> 1
    }

    pub(super) const fn is_negated(self) -> bool {
        self.0 & 1 == 1
    }

    /// A number of its own: twice the node's, and one more if negated.
    pub(super) const fn index(self) -> usize {
        self.0
    }
}

impl Not for Lit {
    type Output = Self;

    fn not(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node<'a> {
    /// Holds always; node 0.
    True,
    /// Holds if all of these do: two or more, in rising order, no two of one node.
    And(Rc<[Lit]>),
    /// Holds if the label is there and its value passes.
    Test { label: usize, test: Test<'a> },
}

/// What is asked of the value of a label that is there. No text is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test<'a> {
    /// Nothing.
    Present,
    /// To be one of these of the label's values, which are given by number, in rising order; not none.
    OneOf(Rc<[usize]>),
    Starts(&'a str),
    Ends(&'a str),
    Contains(&'a str),
}

/// A label that is asked about.
#[derive(Debug)]
pub(super) struct Label<'a> {
    pub(super) name: &'a str,
    /// Values that it is compared with, by number.
    pub(super) values: Vec<&'a str>,
    /// Texts that its value is asked to start with, end with or contain.
    pub(super) parts: Vec<&'a str>,
}

/// The graph.
#[derive(Debug)]
pub(super) struct Form<'a> {
    nodes: Vec<Node<'a>>,
    labels: Vec<Label<'a>>,
    node_numbers: BTreeMap<Node<'a>, usize>,
    label_numbers: BTreeMap<&'a str, usize>,
    value_numbers: BTreeMap<(usize, &'a str), usize>,
}

impl<'a> Form<'a> {
    /// The graph of these selectors, and the literal that holds where each matches, or does not, as it says beside it.
    pub(super) fn new(wanted: &[(&'a Selector, bool)], meter: &mut Meter) -> Result<(Self, Lit), Exhausted> {
        let mut form = Self {
            nodes: Vec::new(),
            labels: Vec::new(),
            node_numbers: BTreeMap::new(),
            label_numbers: BTreeMap::new(),
            value_numbers: BTreeMap::new(),
        };
        form.node(Node::True);
        let mut lits = Vec::new();
        for (selector, matches) in wanted {
            form.gather(selector.expr(), !matches, &mut lits, meter)?;
        }
        let root = form.and(lits, meter)?;
        Ok((form, root))
    }

    pub(super) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    pub(super) fn labels(&self) -> &[Label<'a>] {
        &self.labels
    }

    /// The test that a literal is of, and the number of its label.
    pub(super) fn test(&self, lit: Lit) -> Option<(usize, &Test<'a>)> {
        match self.nodes.get(lit.node()) {
            Some(Node::Test { label, test }) => Some((*label, test)),
            _ => None,
        }
    }

    /// Appends what must hold together for the expression, or for its negation, to hold.
    ///
    /// It calls itself once for each level of the tree, of which there are at most
    /// [`Limits::MAX_DEPTH`](crate::Limits::MAX_DEPTH).
    fn gather(
        &mut self,
        expr: Expr<'a>,
        negated: bool,
        into: &mut Vec<Lit>,
        meter: &mut Meter,
    ) -> Result<(), Exhausted> {
        meter.spend(1)?;
        let term = expr.term();
        // `x || y` is `!(!x && !y)`.
        let or = matches!(term, Term::Or { .. });
        let lit = match term {
            Term::All | Term::Global => Lit::TRUE,
            Term::Has { label } => self.test_of(label, Test::Present),
            Term::Equal { label, value } => self.one_of(label, [value].into_iter(), meter)?,
            Term::NotEqual { label, value } => !self.one_of(label, [value].into_iter(), meter)?,
            Term::In { label, values } => self.one_of(label, values, meter)?,
            Term::NotIn { label, values } => !self.one_of(label, values, meter)?,
            Term::Contains { label, value } => self.part(label, value, Test::Contains),
            Term::StartsWith { label, value } => self.part(label, value, Test::Starts),
            Term::EndsWith { label, value } => self.part(label, value, Test::Ends),
            Term::Not { operand } => return self.gather(operand, !negated, into, meter),
            Term::And { mut operands } | Term::Or { mut operands } => {
                // A conjunction in a conjunction goes up into that.
                if or == negated {
                    return operands.try_for_each(|operand| self.gather(operand, negated, into, meter));
                }
                let mut all = Vec::new();
                operands.try_for_each(|operand| self.gather(operand, or, &mut all, meter))?;
                into.push(!self.and(all, meter)?);
                return Ok(());
            }
        };
        into.push(lit.negated_if(negated));
        Ok(())
    }

    fn node(&mut self, node: Node<'a>) -> Lit {
        let next = self.nodes.len();
        let number = *self.node_numbers.entry(node).or_insert_with_key(|node| {
            self.nodes.push(node.clone());
            next
        });
        Lit::of(number)
    }

    fn label(&mut self, name: &'a str) -> usize {
        let next = self.labels.len();
        *self.label_numbers.entry(name).or_insert_with(|| {
            self.labels.push(Label { name, values: Vec::new(), parts: Vec::new() });
            next
        })
    }

    fn test_of(&mut self, name: &'a str, test: Test<'a>) -> Lit {
        let label = self.label(name);
        self.node(Node::Test { label, test })
    }

    fn part(&mut self, name: &'a str, text: &'a str, test: fn(&'a str) -> Test<'a>) -> Lit {
        if text.is_empty() {
            return self.test_of(name, Test::Present);
        }
        let label = self.label(name);
        if let Some(label) = self.labels.get_mut(label) {
            label.parts.push(text);
        }
        self.node(Node::Test { label, test: test(text) })
    }

    fn one_of(
        &mut self,
        name: &'a str,
        values: impl ExactSizeIterator<Item = &'a str>,
        meter: &mut Meter,
    ) -> Result<Lit, Exhausted> {
        meter.spend(values.len())?;
        let label = self.label(name);
        let mut numbers = Vec::with_capacity(values.len());
        for value in values {
            let Some(Label { values: known, .. }) = self.labels.get_mut(label) else { continue };
            numbers.push(*self.value_numbers.entry((label, value)).or_insert_with(|| {
                known.push(value);
                known.len() - 1
            }));
        }
        Ok(self.set(label, numbers))
    }

    /// That the label's value is one of these, in any order, each once.
    fn set(&mut self, label: usize, mut numbers: Vec<usize>) -> Lit {
        if numbers.is_empty() {
            return Lit::FALSE;
        }
        numbers.sort_unstable();
        self.node(Node::Test { label, test: Test::OneOf(numbers.into()) })
    }

    /// That all of these hold.
    fn and(&mut self, mut lits: Vec<Lit>, meter: &mut Meter) -> Result<Lit, Exhausted> {
        meter.spend(lits.len())?;
        self.merge_sets(&mut lits, meter)?;
        lits.sort_unstable();
        lits.dedup();
        lits.retain(|lit| *lit != Lit::TRUE);
        // A node and its negation are neighbours now.
        if lits.first() == Some(&Lit::FALSE) || lits.iter().zip(lits.iter().skip(1)).any(|(a, b)| *a == !*b) {
            return Ok(Lit::FALSE);
        }
        Ok(match lits.as_slice() {
            [] => Lit::TRUE,
            [one] => *one,
            _ => self.node(Node::And(lits.into())),
        })
    }

    /// Makes one literal of all that say which values one label has, or has not.
    ///
    /// `a in X && a in Y` is `a in X ∩ Y`; `a not in X && a not in Y` is `a not in X ∪ Y`, and both hold without the
    /// label; `a in X && a not in Y` is `a in X \ Y`.
    fn merge_sets(&mut self, lits: &mut Vec<Lit>, meter: &mut Meter) -> Result<(), Exhausted> {
        let mut sets = Vec::new();
        lits.retain(|lit| match self.nodes.get(lit.node()) {
            Some(Node::Test { label, test: Test::OneOf(values) }) => {
                sets.push((*label, lit.is_negated(), Rc::clone(values), *lit));
                false
            }
            _ => true,
        });
        // For each label the sets to be in, the smallest first, and then the sets not to be in.
        sets.sort_by_key(|(label, negated, values, lit)| (*label, *negated, values.len(), *lit));
        for group in sets.chunk_by(|a, b| a.0 == b.0) {
            let [(label, _, smallest, lit), rest @ ..] = group else { continue };
            if rest.is_empty() {
                lits.push(*lit);
                continue;
            }
            let (within, without) = group.split_at(group.partition_point(|(_, negated, ..)| !negated));
            let mut barred = Vec::new();
            for (_, _, values, _) in without {
                meter.spend(values.len())?;
                barred.extend_from_slice(values);
            }
            barred.sort_unstable();
            barred.dedup();
            if within.is_empty() {
                let set = self.set(*label, barred);
                lits.push(!set);
                continue;
            }
            let mut left = smallest.to_vec();
            for (_, _, values, _) in within.iter().skip(1) {
                meter.spend(left.len())?;
                left.retain(|number| values.binary_search(number).is_ok());
            }
            left.retain(|number| barred.binary_search(number).is_err());
            let set = self.set(*label, left);
            lits.push(set);
        }
        Ok(())
    }
}
