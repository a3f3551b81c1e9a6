//! What denied packets are counted under.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::names::{Told, name_of, named};
use crate::backend::nftables::Denier;
use crate::key::{Direction, Origin, Owner};
use crate::program::{Chain, ChainKey, Step, StepAction};

/// A counter of the kernel, and what it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Counter {
    pub(in super::super) name: Arc<str>,
    pub(in super::super) denier: Denier,
}

/// The counters of one chain. Names are made once for each, not for each rule.
#[derive(Debug)]
pub(super) struct Counters<'a> {
    chain: &'a Chain,
    direction: Direction,
    pub(super) all: Vec<Counter>,
}

impl<'a> Counters<'a> {
    pub(super) fn new(key: &ChainKey, chain: &'a Chain) -> Self {
        Self { chain, direction: key.direction(), all: Vec::new() }
    }

    /// The counter of a step that denies.
    pub(super) fn of(&mut self, step: &Step) -> Option<Arc<str>> {
        if !matches!(step.action, StepAction::Drop) {
            return None;
        }
        let owner = match step.origin.as_ref()? {
            Origin::Rule { owner, .. } | Origin::Invalid { owner } => Some(owner.clone()),
            Origin::UnknownProfile { name } => Some(Owner::Profile(Arc::clone(name))),
            _ => None,
        };
        let known = self.all.iter().rev().find(|counter| counter.denier.owner == owner);
        if let Some(counter) = known {
            return Some(Arc::clone(&counter.name));
        }
        let denier = Denier { tier: self.chain.tier.clone(), owner, direction: self.direction };
        let name: Arc<str> = name(&denier).into();
        self.all.push(Counter { name: Arc::clone(&name), denier });
        Some(name)
    }
}

fn name(denier: &Denier) -> String {
    let kind = if denier.direction == Direction::Ingress { "denied-in" } else { "denied-out" };
    let about = match (&denier.owner, &denier.tier) {
        (Some(Owner::Policy(policy)), _) => name_of(policy),
        (Some(Owner::Profile(name)), _) | (None, Some(name)) => Cow::Borrowed(name.as_ref()),
        (None, None) => Cow::Borrowed(""),
    };
    let what = match (&denier.owner, &denier.tier) {
        (Some(Owner::Policy(policy)), Some(tier)) => format!("{} {tier}{}", tier.len(), Told(policy)),
        _ => format!("{denier:?}"),
    };
    named(kind, &about, &what)
}
