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
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) all: Vec<Counter>,
    /// For each step that denies, in their order: which of them.
    places: Vec<usize>,
}

impl Counters {
    /// Those of the steps of this chain and of its leaves; `add` is called for each, in the order of [`of`](InOrder::of).
    pub(super) fn add(&mut self, key: &ChainKey, chain: &Chain, step: &Step) {
        let Some(origin) = denies(step) else { return };
        let place =
            self.all.iter().rposition(|counter| is_of(&counter.denier, origin)).unwrap_or_else(|| {
                let owner = match origin {
                    Origin::Rule { owner, .. } | Origin::Invalid { owner } => Some(owner.clone()),
                    Origin::UnknownProfile { name } => Some(Owner::Profile(Arc::clone(name))),
                    _ => None,
                };
                let denier = Denier { tier: chain.tier.clone(), owner, direction: key.direction() };
                self.all.push(Counter { name: name(&denier).into(), denier });
                self.all.len().saturating_sub(1)
            });
        self.places.push(place);
    }

    /// They are asked for in the order in which their steps were added.
    pub(super) fn in_order(&self) -> InOrder<'_> {
        InOrder { all: &self.all, places: self.places.iter() }
    }
}

/// Counters of one step after the other.
pub(super) struct InOrder<'c> {
    all: &'c [Counter],
    places: core::slice::Iter<'c, usize>,
}

impl<'c> InOrder<'c> {
    /// The counter of a step that denies.
    pub(super) fn of(&mut self, step: &Step) -> Option<&'c str> {
        denies(step)?;
        Some(&self.all.get(*self.places.next()?)?.name)
    }
}

/// What a step stems from that denies.
fn denies(step: &Step) -> Option<&Origin> {
    step.origin.as_ref().filter(|_| matches!(step.action, StepAction::Drop))
}

fn is_of(denier: &Denier, origin: &Origin) -> bool {
    match (origin, &denier.owner) {
        (Origin::Rule { owner, .. } | Origin::Invalid { owner }, of) => of.as_ref() == Some(owner),
        (Origin::UnknownProfile { name }, Some(Owner::Profile(of))) => of == name,
        (Origin::UnknownProfile { .. }, _) => false,
        (_, of) => of.is_none(),
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
