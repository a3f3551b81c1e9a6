//! Policies that no endpoint of this host can have, found by the labels that one would need.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap};
use tortie_selector::{Selector, Term};

/// Policies by the labels of which an endpoint must have one, and the labels that endpoints of this host have.
///
/// A label is known by a sum of its name and value. That two share one does no harm: a policy does not wait then though it
/// could.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    hasher: DefaultHashBuilder,
    /// Each policy under each label that it needs one of.
    needs: HashMap<u64, Policies>,
    /// How many endpoints and profiles of this host have each label.
    uses: BTreeMap<u64, usize>,
    /// Policies that do not wait.
    awake: BTreeSet<u32>,
}

/// Most labels that a policy may wait for.
const MOST: usize = 16;

/// Policies under one label: mostly one.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "the few that are many are not to make all of them larger")]
enum Policies {
    One(u32),
    Many(Box<BTreeSet<u32>>),
}

impl Policies {
    fn insert(&mut self, policy: u32) {
        match self {
            Self::One(one) => *self = Self::Many(Box::new([*one, policy].into())),
            Self::Many(many) => {
                many.insert(policy);
            }
        }
    }

    /// Whether none is left.
    fn remove(&mut self, policy: u32) -> bool {
        match self {
            Self::One(one) => *one == policy,
            Self::Many(many) => {
                many.remove(&policy);
                many.is_empty()
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let (one, many) = match self {
            Self::One(one) => (Some(*one), None),
            Self::Many(many) => (None, Some(many.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl Waiting {
    pub(super) fn label(&self, name: &str, value: &str) -> u64 {
        self.hasher.hash_one((name, value))
    }

    /// Files a policy. Whether it need not wait.
    pub(super) fn add(&mut self, policy: u32, selector: &Selector) -> bool {
        let needed = self.needed(selector);
        for label in needed.iter().flatten() {
            let one = self.needs.entry(*label).and_modify(|policies| policies.insert(policy));
            one.or_insert(Policies::One(policy));
        }
        let awake = needed.is_none_or(|needed| needed.iter().any(|label| self.uses.contains_key(label)));
        if awake {
            self.awake.insert(policy);
        }
        awake
    }

    /// Takes a policy out of the file. Whether it did not wait.
    pub(super) fn remove(&mut self, policy: u32, selector: &Selector) -> bool {
        for label in self.needed(selector).into_iter().flatten() {
            if self.needs.get_mut(&label).is_some_and(|policies| policies.remove(policy)) {
                self.needs.remove(&label);
            }
        }
        self.awake.remove(&policy)
    }

    /// An endpoint or profile of this host has these labels. The answer is which policies wait no more.
    pub(super) fn hold(&mut self, labels: &[u64]) -> Vec<u32> {
        let mut woken = Vec::new();
        for label in labels {
            let uses = self.uses.entry(*label).or_default();
            *uses += 1;
            if *uses == 1 {
                let policies = self.needs.get(label).into_iter().flat_map(Policies::iter);
                woken.extend(policies.filter(|policy| self.awake.insert(*policy)));
            }
        }
        woken
    }

    /// One has them no more. The answer is which policies wait again, given what they govern.
    pub(super) fn release(&mut self, labels: &[u64], governed: impl Fn(u32) -> Option<Selector>) -> Vec<u32> {
        let mut gone = Vec::new();
        for label in labels {
            let Some(uses) = self.uses.get_mut(label) else { continue };
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(label);
                gone.push(*label);
            }
        }
        let concerned = gone.iter().filter_map(|label| self.needs.get(label));
        let policies: BTreeSet<u32> = concerned.flat_map(Policies::iter).collect();
        let rests = |policy: &u32| {
            let needed = governed(*policy).and_then(|selector| self.needed(&selector));
            needed.is_some_and(|needed| !needed.iter().any(|label| self.uses.contains_key(label)))
        };
        let resting: Vec<u32> = policies.into_iter().filter(rests).collect();
        for policy in &resting {
            self.awake.remove(policy);
        }
        resting
    }

    /// Labels of which what is matched has one, each once; `None` if nothing can be said, or too much.
    fn needed(&self, selector: &Selector) -> Option<Vec<u64>> {
        let mut labels = self.cover(selector.expr().term(), false)?;
        labels.sort_unstable();
        labels.dedup();
        Some(labels)
    }

    /// It recurses as deep as the selector, which its limits bound.
    fn cover(&self, term: Term<'_>, negated: bool) -> Option<Vec<u64>> {
        let labels: Vec<u64> = match (term, negated) {
            (Term::Equal { label, value, .. }, false) => alloc::vec![self.label(label, value)],
            (Term::In { label, values, .. }, false) if values.len() <= MOST => {
                values.map(|value| self.label(label, value)).collect()
            }
            (Term::Not { operand, .. }, _) => self.cover(operand.term(), !negated)?,
            (Term::And { operands, .. }, false) => {
                let covers = operands.filter_map(|operand| self.cover(operand.term(), false));
                covers.min_by_key(Vec::len)?
            }
            (Term::Or { operands, .. }, false) => {
                let covers = operands.map(|operand| self.cover(operand.term(), false));
                covers.collect::<Option<Vec<_>>>()?.concat()
            }
            _ => return None,
        };
        (labels.len() <= MOST).then_some(labels)
    }
}
