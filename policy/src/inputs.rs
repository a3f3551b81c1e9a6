//! All that policy knows: policies, profiles, endpoints, network sets.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::convert::{self, Converted};
use crate::endpoint::Endpoint;
use crate::error::FieldError;
use crate::flow::{Flow, Transport};
#[cfg(feature = "k8s")]
use crate::k8s::Conversion;
use crate::key::PolicyKey;
use crate::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, NetworkPolicySpec, PolicyType, ProfileSpec, Protocol,
};
use crate::policy::{NetworkSet, Policy, Profile};

/// The state that policy is computed from, of all hosts.
///
/// What is inserted is checked, and the faults found are the answer; an empty answer means that all of it is enforced.
/// Inserting under a name that is there replaces, with one exception (below). Nothing here fails open:
///
/// * A field that is not enforced ([`FieldError::is_unsupported`]): an Allow rule with it never matches, a Deny rule
///   matches without it, a Pass rule denies everything, a Log rule does nothing. On a policy, such a field counts as one
///   of each of its rules. A policy of another tier than `default` denies its types where its selector matches, ahead of
///   all others.
/// * Any other fault: the object's last valid version stays. If there is none, a policy denies its types where its
///   selector matches (everywhere, or everywhere in its namespace, if the selector has the fault), and a profile denies
///   everything and gives its labels. Of a network set, the nets without fault count.
/// * A profile that an endpoint names and that is not there denies everything.
///
/// `doNotTrack` and `preDNAT` policies govern host endpoints only, of which there are none here; `applyOnForward` changes
/// nothing for workloads.
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
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    policies: BTreeMap<PolicyKey, Entry<Policy>>,
    profiles: BTreeMap<String, Entry<Profile>>,
    endpoints: BTreeMap<String, Endpoint>,
    network_sets: BTreeMap<String, NetworkSet>,
    encapsulation: Encapsulation,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    valid: bool,
}

fn insert<K: Ord, T>(map: &mut BTreeMap<K, Entry<T>>, key: K, converted: Converted<T>) -> Vec<FieldError> {
    let valid = !converted.is_invalid();
    insert_entry(map, key, Entry { value: converted.value, valid });
    converted.errors
}

/// What is valid replaces; what is not does not replace what is.
fn insert_entry<K: Ord, T>(map: &mut BTreeMap<K, Entry<T>>, key: K, entry: Entry<T>) {
    if entry.valid || !map.get(&key).is_some_and(|entry| entry.valid) {
        map.insert(key, entry);
    }
}

/// Which encapsulated packets workloads may send.
///
/// A host that decapsulates such a packet would take the inner one for that of another host, past all policy.
/// The default drops all of them; VXLAN is then known by UDP port 4789.
///
/// Source: calico@87c15906f2 felix/rules/endpoints.go, config `AllowVXLANPacketsFromWorkloads`,
/// `AllowIPIPPacketsFromWorkloads`, `VXLANPort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Encapsulation {
    /// Destination port of UDP that VXLAN uses here.
    pub vxlan_port: u16,
    /// Whether workloads may send UDP to that port, if policy allows.
    pub allow_vxlan: bool,
    /// Whether workloads may send IP protocol 4, if policy allows.
    pub allow_ipip: bool,
}

impl Default for Encapsulation {
    fn default() -> Self {
        Self { vxlan_port: 4789, allow_vxlan: false, allow_ipip: false }
    }
}

impl Encapsulation {
    /// Whether workloads may not send this, whatever policy says.
    #[must_use]
    pub const fn forbids(&self, flow: &Flow) -> bool {
        match flow.transport {
            Transport::Udp { destination_port, .. } => {
                !self.allow_vxlan && destination_port == self.vxlan_port
            }
            Transport::Other(number) => !self.allow_ipip && number == Protocol::IPIP,
            _ => false,
        }
    }
}

impl Inputs {
    /// Nothing at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts or replaces a `NetworkPolicy`. The answer is what is wrong with it.
    pub fn insert_network_policy(
        &mut self,
        namespace: &str,
        name: &str,
        spec: &NetworkPolicySpec,
    ) -> Vec<FieldError> {
        let key = PolicyKey::namespaced(namespace, name);
        let converted = convert::network_policy(&key, spec);
        insert(&mut self.policies, key, converted)
    }

    /// Inserts or replaces a `GlobalNetworkPolicy`. The answer is what is wrong with it.
    pub fn insert_global_network_policy(
        &mut self,
        name: &str,
        spec: &GlobalNetworkPolicySpec,
    ) -> Vec<FieldError> {
        let key = PolicyKey::global(name);
        let converted = convert::global_network_policy(&key, spec);
        insert(&mut self.policies, key, converted)
    }

    /// Inserts or replaces a policy that was converted. The answer is what is wrong with it.
    #[cfg(feature = "k8s")]
    pub(crate) fn insert_conversion(&mut self, key: PolicyKey, conversion: Conversion) -> Vec<FieldError> {
        let Conversion { policy, valid, errors } = conversion;
        insert_entry(&mut self.policies, key, Entry { value: policy, valid });
        errors
    }

    /// Removes a policy; whether it was there.
    pub fn remove_policy(&mut self, key: &PolicyKey) -> bool {
        self.policies.remove(key).is_some()
    }

    /// Inserts or replaces a profile. The answer is what is wrong with it.
    pub fn insert_profile(&mut self, name: &str, spec: &ProfileSpec) -> Vec<FieldError> {
        let converted = convert::profile(name, spec);
        insert(&mut self.profiles, name.to_string(), converted)
    }

    /// Removes a profile; whether it was there.
    pub fn remove_profile(&mut self, name: &str) -> bool {
        self.profiles.remove(name).is_some()
    }

    /// Inserts an endpoint, or replaces the one with its id.
    pub fn insert_endpoint(&mut self, endpoint: Endpoint) {
        self.endpoints.insert(endpoint.id.clone(), endpoint);
    }

    /// Removes the endpoint with this id, and returns it.
    pub fn remove_endpoint(&mut self, id: &str) -> Option<Endpoint> {
        self.endpoints.remove(id)
    }

    /// Inserts or replaces a `GlobalNetworkSet` with the labels of its metadata. The answer is what is wrong with it.
    pub fn insert_network_set(
        &mut self,
        name: &str,
        labels: &BTreeMap<String, String>,
        spec: &GlobalNetworkSetSpec,
    ) -> Vec<FieldError> {
        let converted = convert::network_set(labels, spec);
        self.network_sets.insert(name.to_string(), converted.value);
        converted.errors
    }

    /// Removes a network set; whether it was there.
    pub fn remove_network_set(&mut self, name: &str) -> bool {
        self.network_sets.remove(name).is_some()
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
        self.policies.keys()
    }

    /// Labels of an endpoint as selectors see them: its own, its namespace, and those that it inherits from its profiles,
    /// the first profile first.
    #[must_use]
    pub fn labels_of(&self, endpoint: &Endpoint) -> BTreeMap<String, String> {
        let mut labels = endpoint.own_labels();
        for profile in endpoint.profiles.iter().filter_map(|name| self.profile(name)) {
            for (name, value) in &profile.labels {
                labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        labels
    }

    pub(crate) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name).map(|entry| &entry.value)
    }

    pub(crate) fn network_sets(&self) -> impl Iterator<Item = &NetworkSet> {
        self.network_sets.values()
    }

    /// All policies, in the order in which they are consulted.
    pub(crate) fn policies_in_order(&self) -> Vec<&Policy> {
        let mut policies: Vec<_> = self.policies.values().map(|entry| &entry.value).collect();
        policies.sort_by(|a, b| a.precedence(b));
        policies
    }
}

impl NetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_policy::model::NetworkPolicySpec;
    ///
    /// let spec = NetworkPolicySpec { selector: Some("role = 'db'".into()), ..Default::default() };
    /// let faults = spec.validate();
    /// assert_eq!(faults[0].path(), "spec.selector");
    /// println!("{}", faults[0].render_selector().expect("a selector"));
    /// ```
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        convert::network_policy(&PolicyKey::namespaced("default", "unnamed"), self).errors
    }

    /// The types, or those that their absence stands for. A writer should store these, as the reference system does.
    #[must_use]
    pub fn types_or_default(&self) -> Vec<PolicyType> {
        types_or_default(&self.types, convert::default_types(&self.ingress, &self.egress))
    }
}

impl GlobalNetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        convert::global_network_policy(&PolicyKey::global("unnamed"), self).errors
    }

    /// The types, or those that their absence stands for. A writer should store these, as the reference system does.
    #[must_use]
    pub fn types_or_default(&self) -> Vec<PolicyType> {
        types_or_default(&self.types, convert::default_types(&self.ingress, &self.egress))
    }
}

fn types_or_default(types: &[PolicyType], default: Vec<PolicyType>) -> Vec<PolicyType> {
    if types.is_empty() { default } else { types.to_vec() }
}

impl ProfileSpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        convert::profile("unnamed", self).errors
    }
}

impl GlobalNetworkSetSpec {
    /// All that is wrong with it and with the labels of its metadata, each with the path of its field; empty if nothing
    /// is.
    #[must_use]
    pub fn validate(&self, labels: &BTreeMap<String, String>) -> Vec<FieldError> {
        convert::network_set(labels, self).errors
    }
}
