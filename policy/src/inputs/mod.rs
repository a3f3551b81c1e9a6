//! All that policy knows: policies, tiers, profiles, endpoints, network sets, nodes, services.

mod order;
mod spec;
mod validate;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::convert::{self, BUILT_IN_TIERS, Converted, DEFAULT_ALLOW, HostEndpoint, default_allow};
use crate::endpoint::Endpoint;
use crate::error::FieldError;
use crate::key::PolicyKey;
use crate::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec, TierSpec,
};
use crate::policy::{NetworkSet, Policy, Profile, Tier};
use crate::service::EndpointSlice;
use crate::settings::{Encapsulation, Failsafe, HostAction};

pub(crate) use order::OrderedTier;
pub use spec::PolicySpec;

/// The state that policy is computed from, of all hosts.
///
/// What is inserted is checked, and the faults found are the answer; an empty answer means that all of it is enforced.
/// Inserting under a name that is there replaces, with one exception (below). Nothing here fails open:
///
/// * A field that is not known ([`FieldError::is_unsupported`]): an Allow rule with it never matches, a Deny rule
///   matches without it, a Pass rule denies everything, a Log rule does nothing. On a policy, such a field counts as one
///   of each of its rules.
/// * An Allow rule with HTTP criteria allows an endpoint nothing until somebody judges its requests
///   ([`Endpoint::has_http_enforcer`]).
/// * Any other fault: the object's last valid version stays. If there is none, a policy denies its types where its
///   selector matches (everywhere, or everywhere in its namespace, if the selector has the fault), a profile denies
///   everything and gives its labels, a tier denies by default, a host endpoint is not there. Of a network set, the nets
///   without fault count.
/// * A profile that an endpoint of a workload names and that is not there denies everything. A host stays open then.
/// * A policy of a tier that is not there comes after those of all tiers that are, and denies by default; see
///   [`policies_of_unknown_tiers`](Self::policies_of_unknown_tiers).
///
/// The tiers `kube-admin`, `default` and `kube-baseline` are always there, and always the same; so is the profile
/// `projectcalico-default-allow`, which allows all.
///
/// # Example
///
/// ```
/// use tortie_policy::{Inputs, PolicyKey};
///
/// let mut inputs = Inputs::new();
/// let spec = serde_json::from_str(r#"{ "ingress": [{ "action": "Allow", "source": { "nets": ["10.0.0.0/33"] } }] }"#)?;
/// let faults = inputs.insert_network_policy("shop", "web", &spec);
/// assert_eq!(faults[0].to_string(), "spec.ingress[0].source.nets[0]: prefix length 33 exceeds 32");
/// inputs.remove_policy(&PolicyKey::namespaced("shop", "web"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Inputs {
    policies: BTreeMap<Arc<PolicyKey>, Entry<Policy>>,
    tiers: BTreeMap<Arc<str>, Entry<Tier>>,
    profiles: BTreeMap<String, Entry<Profile>>,
    endpoints: BTreeMap<String, Endpoint>,
    host_endpoints: BTreeMap<String, HostEndpoint>,
    /// By namespace, none for global ones, and name.
    network_sets: BTreeMap<(Option<String>, String), NetworkSet>,
    nodes: BTreeMap<String, Node>,
    /// By namespace and name.
    slices: BTreeMap<(String, String), EndpointSlice>,
    encapsulation: Encapsulation,
    failsafe: Failsafe,
    to_host: HostAction,
}

impl Default for Inputs {
    fn default() -> Self {
        let built_in = |(name, value): (&str, Tier)| (Arc::from(name), Entry { value, valid: true });
        Self {
            policies: BTreeMap::new(),
            tiers: BUILT_IN_TIERS.map(built_in).into(),
            profiles: [(DEFAULT_ALLOW.into(), Entry { value: default_allow(), valid: true })].into(),
            endpoints: BTreeMap::new(),
            host_endpoints: BTreeMap::new(),
            network_sets: BTreeMap::new(),
            nodes: BTreeMap::new(),
            slices: BTreeMap::new(),
            encapsulation: Encapsulation::default(),
            failsafe: Failsafe::default(),
            to_host: HostAction::default(),
        }
    }
}

/// A host of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) addresses: Vec<IpAddr>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    valid: bool,
}

fn insert<K: Ord, T>(map: &mut BTreeMap<K, Entry<T>>, key: K, converted: Converted<T>) -> Vec<FieldError> {
    let Converted { value, valid, errors } = converted;
    // What is valid replaces; what is not does not replace what is.
    if valid || !map.get(&key).is_some_and(|entry| entry.valid) {
        map.insert(key, Entry { value, valid });
    }
    errors
}

impl Inputs {
    /// Nothing at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts or replaces a policy of any kind, of which the key decides. The answer is what is wrong with it.
    ///
    /// Policies of Kubernetes are inserted as what they convert to, under their own kind. A staged policy is never enforced;
    /// the evaluator tells what it would decide.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_policy::model::StagedNetworkPolicySpec;
    /// use tortie_policy::{Inputs, PolicyKey, PolicyKind};
    ///
    /// let mut inputs = Inputs::new();
    /// let draft: StagedNetworkPolicySpec = serde_json::from_str(r#"{ "stagedAction": "Set", "types": ["Egress"] }"#)?;
    /// let key = PolicyKey::of_kind(PolicyKind::StagedNetworkPolicy, Some("shop"), "web");
    /// assert!(inputs.insert_policy(key, &draft).is_empty());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn insert_policy<'a>(&mut self, key: PolicyKey, spec: impl Into<PolicySpec<'a>>) -> Vec<FieldError> {
        let key = Arc::new(key);
        let converted = spec.into().convert(&key);
        insert(&mut self.policies, key, converted)
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
        self.policies.contains_key(key)
    }

    /// Removes a policy; whether it was there.
    pub fn remove_policy(&mut self, key: &PolicyKey) -> bool {
        self.policies.remove(key).is_some()
    }

    /// Inserts or replaces a tier. The answer is what is wrong with it; the tiers that are always there take no other values.
    pub fn insert_tier(&mut self, name: &str, spec: &TierSpec) -> Vec<FieldError> {
        let converted = convert::tier(name, spec);
        insert(&mut self.tiers, name.into(), converted)
    }

    /// Removes a tier; whether it was there, and is no more. The tiers that are always there stay.
    pub fn remove_tier(&mut self, name: &str) -> bool {
        let built_in = BUILT_IN_TIERS.iter().any(|(known, _)| *known == name);
        !built_in && self.tiers.remove(name).is_some()
    }

    /// Inserts or replaces a profile. The answer is what is wrong with it.
    pub fn insert_profile(&mut self, name: &str, spec: &ProfileSpec) -> Vec<FieldError> {
        let converted = convert::profile(name, spec);
        insert(&mut self.profiles, name.to_string(), converted)
    }

    /// Removes a profile; whether it was there, and is no more. The profile that is always there stays.
    pub fn remove_profile(&mut self, name: &str) -> bool {
        name != DEFAULT_ALLOW && self.profiles.remove(name).is_some()
    }

    /// Inserts an endpoint, or replaces the one with its id.
    pub fn insert_endpoint(&mut self, endpoint: Endpoint) {
        self.endpoints.insert(endpoint.id.clone(), endpoint);
    }

    /// Removes the endpoint with this id, and returns it.
    pub fn remove_endpoint(&mut self, id: &str) -> Option<Endpoint> {
        self.endpoints.remove(id)
    }

    /// Inserts or replaces a `HostEndpoint` with the labels of its metadata. The answer is what is wrong with it.
    pub fn insert_host_endpoint(
        &mut self,
        name: &str,
        labels: &BTreeMap<String, String>,
        spec: &HostEndpointSpec,
    ) -> Vec<FieldError> {
        let converted = convert::host_endpoint(name, labels, spec);
        if converted.valid {
            self.host_endpoints.insert(name.to_string(), converted.value);
        }
        converted.errors
    }

    /// Removes a host endpoint; whether it was there.
    pub fn remove_host_endpoint(&mut self, name: &str) -> bool {
        self.host_endpoints.remove(name).is_some()
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
    ///
    /// It inherits the labels of the profile `kns.<namespace>`.
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
        let converted = convert::network_set(namespace, labels, spec);
        self.network_sets.insert((namespace.map(String::from), name.to_string()), converted.value);
        converted.errors
    }

    /// Removes a `GlobalNetworkSet`; whether it was there.
    pub fn remove_network_set(&mut self, name: &str) -> bool {
        self.network_sets.remove(&(None, name.to_string())).is_some()
    }

    /// Removes a `NetworkSet`; whether it was there.
    pub fn remove_namespaced_network_set(&mut self, namespace: &str, name: &str) -> bool {
        self.network_sets.remove(&(Some(namespace.to_string()), name.to_string())).is_some()
    }

    /// Inserts or replaces a node of the cluster with its own labels and addresses, which
    /// [`node_selector`](crate::model::EntityRule::node_selector) speaks of, and no other selector.
    pub fn insert_node(&mut self, name: &str, labels: &BTreeMap<String, String>, addresses: &[IpAddr]) {
        let addresses = addresses.iter().map(IpAddr::to_canonical).collect();
        self.nodes.insert(name.to_string(), Node { labels: labels.clone(), addresses });
    }

    /// Removes a node; whether it was there.
    pub fn remove_node(&mut self, name: &str) -> bool {
        self.nodes.remove(name).is_some()
    }

    /// Inserts or replaces some of the endpoints of a service.
    pub fn insert_endpoint_slice(&mut self, slice: EndpointSlice) {
        self.slices.insert((slice.service.namespace.clone(), slice.name.clone()), slice);
    }

    /// Removes the slice of this namespace and name; whether it was there.
    pub fn remove_endpoint_slice(&mut self, namespace: &str, name: &str) -> bool {
        self.slices.remove(&(namespace.to_string(), name.to_string())).is_some()
    }

    /// Says which encapsulated packets workloads may send.
    pub const fn set_encapsulation(&mut self, encapsulation: Encapsulation) {
        self.encapsulation = encapsulation;
    }

    /// Which encapsulated packets workloads may send.
    #[must_use]
    pub const fn encapsulation(&self) -> &Encapsulation {
        &self.encapsulation
    }

    /// Says which ports host policy never closes.
    pub fn set_failsafe(&mut self, failsafe: Failsafe) {
        self.failsafe = failsafe;
    }

    /// Which ports host policy never closes.
    #[must_use]
    pub const fn failsafe(&self) -> &Failsafe {
        &self.failsafe
    }

    /// Says what becomes of packets from workloads to their host that policy allows; by default they are dropped.
    pub const fn set_to_host(&mut self, action: HostAction) {
        self.to_host = action;
    }

    /// What becomes of packets from workloads to their host that policy allows.
    #[must_use]
    pub const fn to_host(&self) -> HostAction {
        self.to_host
    }

    /// All endpoints, by id.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// The endpoint with this id.
    #[must_use]
    pub fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.get(id)
    }

    /// The endpoint that has this address; of several, the one with the smallest id.
    #[must_use]
    pub fn endpoint_at(&self, address: IpAddr) -> Option<&Endpoint> {
        let address = address.to_canonical();
        self.endpoints
            .values()
            .find(|endpoint| endpoint.addresses.iter().any(|a| a.to_canonical() == address))
    }

    /// Names of all policies, in no order that matters to verdicts.
    pub fn policy_keys(&self) -> impl Iterator<Item = &PolicyKey> {
        self.policies.keys().map(Arc::as_ref)
    }

    /// Labels of an endpoint as selectors see them: its own, its namespace, and those that it inherits from its profiles,
    /// the first profile first.
    #[must_use]
    pub fn labels_of(&self, endpoint: &Endpoint) -> BTreeMap<String, String> {
        let own = endpoint.own_labels().map(|(name, value)| (name.to_string(), value.to_string()));
        self.inherit(own.collect(), &endpoint.profiles)
    }

    pub(crate) fn inherit(
        &self,
        mut labels: BTreeMap<String, String>,
        profiles: &[String],
    ) -> BTreeMap<String, String> {
        for profile in profiles.iter().filter_map(|name| self.profile(name)) {
            for (name, value) in &profile.labels {
                labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        labels
    }

    pub(crate) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name).map(|entry| &entry.value)
    }

    pub(crate) fn policy(&self, key: &PolicyKey) -> Option<&Policy> {
        self.policies.get(key).map(|entry| &entry.value)
    }

    /// All policies, in no order that matters to verdicts.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values().map(|entry| &entry.value)
    }

    pub(crate) fn network_sets(&self) -> impl Iterator<Item = &NetworkSet> {
        self.network_sets.values()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub(crate) fn slices(&self) -> impl Iterator<Item = &EndpointSlice> {
        self.slices.values()
    }

    /// All host endpoints, by name.
    pub(crate) fn host_endpoints(&self) -> impl Iterator<Item = &HostEndpoint> {
        self.host_endpoints.values()
    }
}
