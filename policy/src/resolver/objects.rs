//! What comes and goes.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::locals::Local;
use super::packed::Packed;
use super::policies::governed;
use super::sets::Item;
use super::{Resolver, Stored};
use crate::convert::{self, BUILT_IN_TIERS, Converted, DEFAULT_ALLOW};
use crate::endpoint::Endpoint;
use crate::error::FieldError;
use crate::key::Owner;
use crate::model::{GlobalNetworkSetSpec, HostEndpointSpec, ProfileSpec, TierSpec};
use crate::service::EndpointSlice;

/// What takes the place of what is stored, if anything does: of what has a fault, the last valid version stays.
pub(super) fn replacing<T: PartialEq>(stored: Option<&Stored<T>>, new: Stored<T>) -> Option<Stored<T>> {
    let stays = stored.is_some_and(|old| old.valid && !new.valid || *old == new);
    (!stays).then_some(new)
}

impl Resolver {
    /// Inserts or replaces a tier. The answer is what is wrong with it; the tiers that are always there take no other values.
    pub fn insert_tier(&mut self, name: &str, spec: &TierSpec) -> Vec<FieldError> {
        let converted = convert::tier(name, spec);
        let new = Stored { valid: converted.valid, value: converted.value };
        if let Some(new) = replacing(self.tiers.get(name), new) {
            self.tiers.insert(name.into(), new);
            self.touch_tier(name);
        }
        converted.errors
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
        }
    }

    /// Inserts or replaces a profile. The answer is what is wrong with it.
    pub fn insert_profile(&mut self, name: &str, spec: &ProfileSpec) -> Vec<FieldError> {
        let converted = convert::profile(name, spec);
        let (key, stored) = match self.profiles.get_key_value(name) {
            Some((key, stored)) => (Arc::clone(key), Some(stored)),
            None => (Arc::from(name), None),
        };
        let valid = converted.valid;
        if stored.is_some_and(|stored| stored.valid && !valid) {
            return converted.errors;
        }
        let labels = || converted.value.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.sets.set_profile(Arc::clone(&key), labels());
        let Self { locals, policies, .. } = self;
        locals.set_profile(&key, labels(), &|number| governed(policies, number));
        let new = Stored { valid, value: Packed::profile(&converted.value) };
        if let Some(new) = replacing(self.profiles.get(name), new) {
            self.profiles.insert(Arc::clone(&key), new);
            self.touch_profile(&key);
        }
        self.settle();
        converted.errors
    }

    /// Removes a profile; whether it was there, and is no more. The profile that is always there stays.
    pub fn remove_profile(&mut self, name: &str) -> bool {
        if name == DEFAULT_ALLOW {
            return false;
        }
        let Some((key, _)) = self.profiles.remove_entry(name) else { return false };
        self.sets.remove_profile(&key);
        let Self { locals, policies, .. } = self;
        locals.set_profile(&key, core::iter::empty(), &|number| governed(policies, number));
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
        self.rules.profiles.remove(name);
        let stored = self.profiles.get(name).filter(|_| self.locals.has_profile(name));
        let profile = stored.and_then(|stored| stored.value.to_profile(name));
        self.rules.profiles.extend(profile.map(|profile| (Arc::clone(name), profile)));
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
        let Self { locals, policies, sets, .. } = self;
        let labels_of = |name: &Arc<str>| sets.index().parent_labels(name);
        locals.set(number, labels, profiles, labels_of, &|number| governed(policies, number));
        profiles.iter().chain(&before).for_each(|name| self.keep_profile(name));
        self.settle();
    }

    fn remove_local(&mut self, number: u32) {
        if self.locals.is_local(number) {
            let before = self.locals.profiles(number);
            let Self { locals, policies, .. } = self;
            locals.remove(number, &|number| governed(policies, number));
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
        if !converted.valid || is_same {
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
        let Converted { value, errors, .. } = convert::network_set(namespace, labels, spec);
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
