//! What comes and goes.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::locals::Local;
use super::sets::Item;
use super::{Resolver, Stored};
use crate::convert::{self, BUILT_IN_TIERS, Converted};
use crate::endpoint::Endpoint;
use crate::error::FieldError;
use crate::inputs::PolicySpec;
use crate::key::{Owner, PolicyKey};
use crate::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec, TierSpec,
};
use crate::policy::Policy;
use crate::service::EndpointSlice;

/// What takes the place of what is stored, if anything does: of what has a fault, the last valid version stays.
fn replacing<T: PartialEq>(stored: Option<&Stored<T>>, converted: Converted<T>) -> Option<Stored<T>> {
    let valid = !converted.is_invalid();
    let value = converted.value;
    match stored {
        Some(old) if old.valid && !valid || old.valid == valid && old.value == value => None,
        _ => Some(Stored { value, valid }),
    }
}

impl Resolver {
    /// Inserts or replaces a policy of any kind; see [`Inputs::insert_policy`](crate::Inputs::insert_policy).
    pub fn insert_policy<'a>(&mut self, key: PolicyKey, spec: impl Into<PolicySpec<'a>>) -> Vec<FieldError> {
        let number = self.policy_numbers.get(&key).copied();
        let stored = number.and_then(|number| self.policies.get(number));
        let key = stored.map_or_else(|| Arc::new(key), |stored| Arc::clone(&stored.value.key));
        let mut converted = spec.into().convert(&key);
        let errors = core::mem::take(&mut converted.errors);
        converted.errors.clone_from(&errors);
        if let Some(replacement) = replacing(stored, converted) {
            let governed = governed(&replacement.value);
            let number = match number {
                Some(number) => {
                    if let Some(place) = self.policies.get_mut(number) {
                        *place = replacement;
                    }
                    number
                }
                None => {
                    let number = self.policies.add(replacement);
                    self.policy_numbers.insert(Arc::clone(&key), number);
                    number
                }
            };
            match governed {
                Some(selector) => self.locals.set_policy(number, &selector),
                None => self.locals.remove_policy(number),
            }
            self.touch_policy(number);
            self.settle();
        }
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

    /// Removes a policy; whether it was there.
    pub fn remove_policy(&mut self, key: &PolicyKey) -> bool {
        let Some(number) = self.policy_numbers.remove(key) else { return false };
        self.locals.remove_policy(number);
        self.settle();
        self.policies.remove(number);
        true
    }

    /// A policy has other rules: what is made of it is made anew.
    fn touch_policy(&mut self, number: u32) {
        let Some(stored) = self.policies.get(number) else { return };
        let key = &stored.value.key;
        if let Some(place) = self.rules.policies.get_mut(key) {
            *place = stored.value.clone();
        }
        let owner = Owner::Policy(Arc::clone(key));
        if self.used.contains_key(&owner) {
            self.dirty.owners.insert(owner);
        }
    }

    /// Brings the policies that began to match an endpoint to the rules, and takes those away that ceased to.
    fn settle(&mut self) {
        for number in self.locals.take_touched() {
            let Some(stored) = self.policies.get(number) else { continue };
            let key = &stored.value.key;
            if !self.locals.is_matched(number) {
                self.rules.policies.remove(key);
            } else if !self.rules.policies.contains_key(key) {
                self.rules.policies.insert(Arc::clone(key), stored.value.clone());
            }
        }
    }

    /// Inserts or replaces a tier. The answer is what is wrong with it; the tiers that are always there take no other values.
    pub fn insert_tier(&mut self, name: &str, spec: &TierSpec) -> Vec<FieldError> {
        let converted = convert::tier(name, spec);
        let errors = converted.errors.clone();
        if let Some(replacement) = replacing(self.tiers.get(name), converted) {
            self.tiers.insert(name.into(), replacement);
            self.touch_tier(name);
        }
        errors
    }

    /// Removes a tier; whether it was there, and is no more. The tiers that are always there stay.
    pub fn remove_tier(&mut self, name: &str) -> bool {
        let built_in = BUILT_IN_TIERS.iter().any(|(known, _)| *known == name);
        let removed = !built_in && self.tiers.remove(name).is_some();
        if removed {
            self.touch_tier(name);
        }
        removed
    }

    /// All endpoints may have other lists, if a policy of the tier is in one.
    fn touch_tier(&mut self, name: &str) {
        if self.rules.policies.values().any(|policy| *policy.tier == *name) {
            self.locals.touch_all();
            self.hosts_dirty = true;
        }
    }

    /// Inserts or replaces a profile. The answer is what is wrong with it.
    pub fn insert_profile(&mut self, name: &str, spec: &ProfileSpec) -> Vec<FieldError> {
        let converted = convert::profile(name, spec);
        let errors = converted.errors.clone();
        if let Some(replacement) = replacing(self.profiles.get(name), converted) {
            let key = self.profiles.get_key_value(name).map(|(key, _)| Arc::clone(key));
            let key = key.unwrap_or_else(|| Arc::from(name));
            let labels =
                || replacement.value.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            self.sets.set_profile(Arc::clone(&key), labels());
            self.locals.set_profile(&key, labels());
            self.profiles.insert(Arc::clone(&key), replacement);
            self.touch_profile(&key);
            self.settle();
        }
        errors
    }

    /// Removes a profile; whether it was there.
    pub fn remove_profile(&mut self, name: &str) -> bool {
        let Some((key, _)) = self.profiles.remove_entry(name) else { return false };
        self.sets.remove_profile(&key);
        self.locals.set_profile(&key, core::iter::empty());
        self.touch_profile(&key);
        self.settle();
        true
    }

    /// A profile has other rules, or came, or went.
    fn touch_profile(&mut self, name: &Arc<str>) {
        self.keep_profile(name);
        self.locals.touch_profile(name);
        let owner = Owner::Profile(Arc::clone(name));
        if self.used.contains_key(&owner) {
            self.dirty.owners.insert(owner);
        }
    }

    /// The rules have a profile if it is known and an endpoint has it.
    fn keep_profile(&mut self, name: &Arc<str>) {
        match self.profiles.get(name).filter(|_| self.locals.has_profile(name)) {
            Some(stored) => drop(self.rules.profiles.insert(Arc::clone(name), stored.value.clone())),
            None => drop(self.rules.profiles.remove(name)),
        }
    }

    /// Profiles by name, each with the text that it is known by if it is known.
    fn profile_names(&self, names: &[String]) -> Vec<Arc<str>> {
        let known =
            |name: &String| self.profiles.get_key_value(name.as_str()).map(|(key, _)| Arc::clone(key));
        names.iter().map(|name| known(name).unwrap_or_else(|| Arc::from(name.as_str()))).collect()
    }

    /// Inserts an endpoint, or replaces the one with its id.
    pub fn insert_endpoint(&mut self, endpoint: &Endpoint) {
        let profiles = self.profile_names(&endpoint.profiles);
        let number = self.workloads.get(endpoint.id.as_str()).copied();
        let item = Item::new(&endpoint.addresses, &[], &endpoint.ports);
        let known = number.is_some();
        let number = self.sets.set_item(number, item, endpoint.own_labels(), profiles.iter().cloned());
        if !known {
            self.workloads.insert(endpoint.id.as_str().into(), number);
        }
        if (self.is_local)(endpoint) {
            self.set_local(number, endpoint.own_labels(), &profiles);
            let local = Local {
                id: endpoint.id.clone(),
                interface: endpoint.interface.clone(),
                profiles,
                has_http_enforcer: endpoint.has_http_enforcer,
            };
            self.locals.set_workload(number, local);
        } else if known {
            self.remove_local(number);
        }
    }

    /// Removes the endpoint with this id; whether it was there.
    pub fn remove_endpoint(&mut self, id: &str) -> bool {
        let Some(number) = self.workloads.remove(id) else { return false };
        self.remove_local(number);
        self.sets.remove_item(number);
        true
    }

    /// Adds an endpoint to those of this host, or changes it.
    fn set_local<'l>(
        &mut self,
        number: u32,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        profiles: &[Arc<str>],
    ) {
        let before = self.locals.profiles(number);
        let index = self.sets.index();
        self.locals.set(number, labels, profiles, |name| index.parent_labels(name));
        profiles.iter().chain(&before).for_each(|name| self.keep_profile(name));
        self.settle();
    }

    fn remove_local(&mut self, number: u32) {
        if self.locals.is_local(number) {
            let before = self.locals.profiles(number);
            self.locals.remove(number);
            before.iter().for_each(|name| self.keep_profile(name));
            self.settle();
        }
    }

    /// Inserts or replaces a `HostEndpoint` with the labels of its metadata. The answer is what is wrong with it.
    pub fn insert_host_endpoint(
        &mut self,
        name: &str,
        labels: &BTreeMap<String, String>,
        spec: &HostEndpointSpec,
    ) -> Vec<FieldError> {
        let converted = convert::host_endpoint(name, labels, spec);
        let stored = self.host_endpoints.get(name);
        let is_same = stored.is_some_and(|(_, stored)| *stored == converted.value);
        if converted.is_invalid() || is_same {
            return converted.errors;
        }
        let number = stored.map(|(number, _)| *number);
        let endpoint = converted.value;
        let profiles = self.profile_names(&endpoint.profiles);
        let item = Item::new(&endpoint.addresses, &[], &endpoint.ports);
        let labels = || endpoint.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let number = self.sets.set_item(number, item, labels(), profiles.iter().cloned());
        if endpoint.node == self.host.name {
            self.set_local(number, labels(), &profiles);
        } else {
            self.remove_local(number);
        }
        self.host_endpoints.insert(name.to_owned(), (number, endpoint));
        self.hosts_dirty = true;
        converted.errors
    }

    /// Removes a host endpoint; whether it was there.
    pub fn remove_host_endpoint(&mut self, name: &str) -> bool {
        let Some((number, _)) = self.host_endpoints.remove(name) else { return false };
        self.remove_local(number);
        self.sets.remove_item(number);
        self.hosts_dirty = true;
        true
    }

    /// Inserts or replaces a `GlobalNetworkSet` with the labels of its metadata. The answer is what is wrong with it.
    pub fn insert_network_set(
        &mut self,
        name: &str,
        labels: &BTreeMap<String, String>,
        spec: &GlobalNetworkSetSpec,
    ) -> Vec<FieldError> {
        self.insert_set(None, name, labels, spec)
    }

    /// Inserts or replaces a `NetworkSet` with the labels of its metadata. The answer is what is wrong with it.
    pub fn insert_namespaced_network_set(
        &mut self,
        namespace: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        spec: &GlobalNetworkSetSpec,
    ) -> Vec<FieldError> {
        self.insert_set(Some(namespace), name, labels, spec)
    }

    fn insert_set(
        &mut self,
        namespace: Option<&str>,
        name: &str,
        labels: &BTreeMap<String, String>,
        spec: &GlobalNetworkSetSpec,
    ) -> Vec<FieldError> {
        let Converted { value, errors } = convert::network_set(namespace, labels, spec);
        let profiles = self.profile_names(&value.profiles);
        let key = (namespace.map(String::from), name.to_string());
        let number = self.network_sets.get(&key).copied();
        let labels = value.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let item = Item::new(&[], &value.nets, &[]);
        let number = self.sets.set_item(number, item, labels, profiles.into_iter());
        self.network_sets.insert(key, number);
        errors
    }

    /// Removes a `GlobalNetworkSet`; whether it was there.
    pub fn remove_network_set(&mut self, name: &str) -> bool {
        self.remove_set(&(None, name.to_string()))
    }

    /// Removes a `NetworkSet`; whether it was there.
    pub fn remove_namespaced_network_set(&mut self, namespace: &str, name: &str) -> bool {
        self.remove_set(&(Some(namespace.to_string()), name.to_string()))
    }

    fn remove_set(&mut self, key: &(Option<String>, String)) -> bool {
        let Some(number) = self.network_sets.remove(key) else { return false };
        self.sets.remove_item(number);
        true
    }

    /// Inserts or replaces a node of the cluster with its own labels and addresses, which
    /// [`node_selector`](crate::model::EntityRule::node_selector) speaks of, and no other selector.
    pub fn insert_node(&mut self, name: &str, labels: &BTreeMap<String, String>, addresses: &[IpAddr]) {
        self.sets.set_node(name, labels, addresses);
    }

    /// Removes a node; whether it was there.
    pub fn remove_node(&mut self, name: &str) -> bool {
        self.sets.remove_node(name)
    }

    /// Inserts or replaces some of the endpoints of a service.
    pub fn insert_endpoint_slice(&mut self, slice: EndpointSlice) {
        self.sets.set_slice(slice);
    }

    /// Removes the slice of this namespace and name; whether it was there.
    pub fn remove_endpoint_slice(&mut self, namespace: &str, name: &str) -> bool {
        self.sets.remove_slice(&(namespace.to_string(), name.to_string()))
    }
}

/// What a policy governs, if it is enforced at all.
fn governed(policy: &Policy) -> Option<tortie_selector::Selector> {
    let has_rules = policy.ingress.is_some() || policy.egress.is_some();
    policy.selector.clone().filter(|_| has_rules && policy.staged.is_none())
}
