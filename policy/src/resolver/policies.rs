//! Policies that come and go.

use alloc::sync::Arc;
use alloc::vec::Vec;

use tortie_selector::Selector;

use super::objects::replacing;
use super::packed::Packed;
use super::slab::Slab;
use super::{Resolver, Stored, StoredPolicy};
use crate::error::FieldError;
use crate::inputs::PolicySpec;
use crate::key::{Owner, PolicyKey};
use crate::model::{GlobalNetworkPolicySpec, NetworkPolicySpec};

/// A policy that was checked and converted, ready for [`Resolver::insert_checked`].
///
/// To check is half the work of inserting, and needs no resolver: any thread may do it.
///
/// # Example
///
/// ```
/// use tortie_policy::model::NetworkPolicySpec;
/// use tortie_policy::{CheckedPolicy, Host, PolicyKey, Resolver};
///
/// let key = PolicyKey::namespaced("shop", "web");
/// let checked = CheckedPolicy::new(key, &NetworkPolicySpec::default());
/// assert!(checked.errors().is_empty());
/// let mut resolver = Resolver::new(Host::new("node-1"), |endpoint| endpoint.id.starts_with("node-1/"));
/// resolver.insert_checked(checked);
/// assert_eq!(resolver.stats().policies, 1);
/// ```
#[derive(Clone, Debug)]
pub struct CheckedPolicy {
    key: Arc<PolicyKey>,
    stored: Stored<Packed>,
    /// What it governs, if it is enforced.
    selector: Option<Selector>,
    errors: Vec<FieldError>,
}

impl CheckedPolicy {
    /// Checks a policy of any kind.
    #[must_use]
    pub fn new<'a>(key: PolicyKey, spec: impl Into<PolicySpec<'a>>) -> Self {
        let key = Arc::new(key);
        let converted = spec.into().convert(&key);
        let stored = Stored { valid: converted.valid, value: Packed::policy(&converted.value) };
        let is_enforced = converted.value.staged.is_none();
        let selector = converted.value.selector.filter(|_| is_enforced);
        Self { key, stored, selector, errors: converted.errors }
    }

    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl Resolver {
    /// Inserts or replaces a policy of any kind; see [`Inputs::insert_policy`](crate::Inputs::insert_policy).
    pub fn insert_policy<'a>(&mut self, key: PolicyKey, spec: impl Into<PolicySpec<'a>>) -> Vec<FieldError> {
        self.insert_checked(CheckedPolicy::new(key, spec))
    }

    /// Inserts or replaces a policy that was checked before. The answer is what is wrong with it.
    pub fn insert_checked(&mut self, policy: CheckedPolicy) -> Vec<FieldError> {
        let CheckedPolicy { key, stored: new, selector, errors } = policy;
        let number = self.policy_numbers.get(&key).copied();
        let stored = number.and_then(|number| self.policies.get(number));
        let key = stored.map_or(key, |stored| Arc::clone(&stored.key));
        let Some(new) = replacing(stored.map(|stored| &stored.stored), new) else { return errors };
        let before = number.and_then(|number| governed(&self.policies, number));
        let new = StoredPolicy { key: Arc::clone(&key), stored: new };
        let number = match number {
            Some(number) => {
                if let Some(place) = self.policies.get_mut(number) {
                    *place = new;
                }
                number
            }
            None => {
                let number = self.policies.add(new);
                self.policy_numbers.insert(key, number);
                number
            }
        };
        self.locals.set_policy(number, before.as_ref(), selector.as_ref());
        self.touch_policy(number);
        self.settle();
        errors
    }

    /// Inserts or replaces a `NetworkPolicy`. The answer is what is wrong with it.
    pub fn insert_network_policy(
        &mut self,
        namespace: &str,
        name: &str,
        spec: &NetworkPolicySpec,
    ) -> Vec<FieldError> {
        self.insert_policy(PolicyKey::namespaced(namespace, name), spec)
    }

    /// Inserts or replaces a `GlobalNetworkPolicy`. The answer is what is wrong with it.
    pub fn insert_global_network_policy(
        &mut self,
        name: &str,
        spec: &GlobalNetworkPolicySpec,
    ) -> Vec<FieldError> {
        self.insert_policy(PolicyKey::global(name), spec)
    }

    /// Whether there is a policy of this name.
    #[must_use]
    pub fn has_policy(&self, key: &PolicyKey) -> bool {
        self.policy_numbers.contains_key(key)
    }

    /// Removes a policy; whether it was there.
    pub fn remove_policy(&mut self, key: &PolicyKey) -> bool {
        let Some(number) = self.policy_numbers.remove(key) else { return false };
        let before = governed(&self.policies, number);
        self.locals.set_policy(number, before.as_ref(), None);
        self.settle();
        self.policies.remove(number);
        true
    }

    /// A policy has other rules: what is made of it is made anew.
    fn touch_policy(&mut self, number: u32) {
        let Some(StoredPolicy { key, stored }) = self.policies.get(number) else { return };
        if let Some(place) = self.rules.policies.get_mut(key) {
            if let Some(policy) = stored.value.to_policy(key) {
                *place = policy;
            }
        }
        let owner = Owner::Policy(Arc::clone(key));
        if self.used.contains_key(&owner) {
            self.dirty.owners.insert(owner);
        }
    }

    /// Brings the policies that began to match an endpoint to the rules, and takes those away that ceased to.
    pub(super) fn settle(&mut self) {
        for number in self.locals.take_touched() {
            let Some(StoredPolicy { key, stored }) = self.policies.get(number) else { continue };
            if !self.locals.is_matched(number) {
                self.rules.policies.remove(key);
            } else if !self.rules.policies.contains_key(key) {
                let policy = stored.value.to_policy(key);
                self.rules.policies.extend(policy.map(|policy| (Arc::clone(key), policy)));
            }
        }
    }
}

/// What a policy governs, if it is enforced at all.
pub(super) fn governed(policies: &Slab<StoredPolicy>, number: u32) -> Option<Selector> {
    let StoredPolicy { key, stored } = policies.get(number)?;
    stored.value.governed(key)
}
