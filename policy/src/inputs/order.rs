//! The order in which policies are consulted.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Inputs;
use crate::key::PolicyKey;
use crate::policy::{Policy, by_order};

/// A tier with its policies, staged ones among them, in order.
#[derive(Debug)]
pub(crate) struct OrderedTier<'a> {
    pub(crate) name: Arc<str>,
    /// Whether there is such a tier.
    pub(crate) exists: bool,
    pub(crate) order: Option<f64>,
    /// Whether the next tier is consulted if no rule matches.
    pub(crate) passes: bool,
    pub(crate) policies: Vec<&'a Policy>,
}

impl Inputs {
    /// Tiers with policies: those that exist before those that do not, by order, those without last, then by name.
    ///
    /// Source: calico@87c15906f2 felix/calc/policy_sorter.go.
    pub(crate) fn tiers_in_order(&self) -> Vec<OrderedTier<'_>> {
        let mut by_name: BTreeMap<&Arc<str>, Vec<&Policy>> = BTreeMap::new();
        for entry in self.policies.values() {
            by_name.entry(&entry.value.tier).or_default().push(&entry.value);
        }
        let mut tiers: Vec<_> = by_name
            .into_iter()
            .map(|(name, mut policies)| {
                policies.sort_by(|a, b| a.precedence(b));
                let tier = self.tiers.get(name).map(|entry| entry.value);
                OrderedTier {
                    name: Arc::clone(name),
                    exists: tier.is_some(),
                    order: tier.and_then(|tier| tier.order),
                    passes: tier.is_some_and(|tier| tier.passes),
                    policies,
                }
            })
            .collect();
        // By name they are sorted already.
        tiers.sort_by(|a, b| b.exists.cmp(&a.exists).then_with(|| by_order(a.order, b.order)));
        tiers
    }

    /// Policies whose tier does not exist, each with the name of the tier. Report them.
    pub fn policies_of_unknown_tiers(&self) -> impl Iterator<Item = (&PolicyKey, &str)> {
        let policies = self.policies.values().map(|entry| &entry.value);
        policies
            .filter(|policy| !self.tiers.contains_key(&policy.tier))
            .map(|policy| (policy.key.as_ref(), policy.tier.as_ref()))
    }
}
