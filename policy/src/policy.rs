//! Policies, tiers, profiles and network sets in the form that both the evaluator and the compiler work from.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::key::{Direction, ListKind, PolicyKey};
use crate::model::StagedAction;
use crate::rule::Rule;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) key: Arc<PolicyKey>,
    /// Name of its tier, which may not exist.
    pub(crate) tier: Arc<str>,
    pub(crate) order: Option<f64>,
    /// What to do with the policy that this is a draft of, if it is one.
    pub(crate) staged: Option<StagedAction>,
    pub(crate) scope: Scope,
    /// What it governs; nothing if `None`.
    pub(crate) selector: Option<Selector>,
    /// Rules for each direction that it governs.
    pub(crate) ingress: Option<Vec<Rule>>,
    pub(crate) egress: Option<Vec<Rule>>,
}

/// In which lists of a host endpoint a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In the normal one, and that for what is forwarded if it says so.
    Normal {
        on_forward: bool,
    },
    PreDnat,
    Untracked,
}

impl Scope {
    pub(crate) const fn includes(self, list: ListKind) -> bool {
        match list {
            ListKind::Normal => matches!(self, Self::Normal { .. }),
            ListKind::Forward => matches!(self, Self::Normal { on_forward: true }),
            ListKind::PreDnat => matches!(self, Self::PreDnat),
            ListKind::Untracked => matches!(self, Self::Untracked),
        }
    }
}

impl Policy {
    pub(crate) fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// The order in which policies of one tier are consulted: by order, those without last, then by name.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        by_order(self.order, other.order).then_with(|| self.key.cmp(&other.key))
    }
}

/// The lower order first, none last. Zero has two signs, which are one order.
pub(crate) fn by_order(one: Option<f64>, other: Option<f64>) -> Ordering {
    let order = |order: Option<f64>| order.unwrap_or(f64::INFINITY);
    order(one).partial_cmp(&order(other)).unwrap_or(Ordering::Equal)
}

/// What is known of a tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tier {
    pub(crate) order: Option<f64>,
    /// Whether the next tier is consulted if no rule of this one matches; else that is a denial.
    pub(crate) passes: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) ingress: Vec<Rule>,
    pub(crate) egress: Vec<Rule>,
}

impl Profile {
    pub(crate) fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// A network set of either kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NetworkSet {
    pub(crate) labels: BTreeMap<String, String>,
    /// Names of profiles whose labels it inherits.
    pub(crate) profiles: Vec<String>,
    pub(crate) nets: Vec<IpNet>,
}
