//! Policies, profiles and network sets in the form that both the evaluator and the compiler work from.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::key::{Direction, PolicyKey};
use crate::rule::Rule;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) key: PolicyKey,
    /// Whether the policy is of a tier that is not enforced: it denies, ahead of those that are.
    pub(crate) foreign_tier: bool,
    pub(crate) order: Option<f64>,
    /// What it governs; nothing if `None`.
    pub(crate) selector: Option<Selector>,
    /// Rules for each direction that it governs.
    pub(crate) ingress: Option<Vec<Rule>>,
    pub(crate) egress: Option<Vec<Rule>>,
}

impl Policy {
    pub(crate) fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// The order in which policies are consulted: by order, those without last, then by name.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        let order = |policy: &Self| policy.order.unwrap_or(f64::INFINITY);
        let tier = other.foreign_tier.cmp(&self.foreign_tier);
        // Zero has two signs, which are one order.
        let orders = order(self).partial_cmp(&order(other)).unwrap_or(Ordering::Equal);
        tier.then(orders).then_with(|| self.key.cmp(&other.key))
    }
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

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NetworkSet {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) nets: Vec<IpNet>,
}
