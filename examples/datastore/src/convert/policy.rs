//! The inputs of policy, kept up to date record by record.

use alloc::collections::{BTreeMap, BTreeSet};

use tortie_ipam::Revision;
use tortie_policy::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, NetworkPolicySpec, ProfileSpec, Protocol, Salvage,
};
use tortie_policy::{Endpoint, Inputs, NamedPort, PolicyKey, PolicyKind, k8s};

use crate::resource::{EndpointPort, FieldError, Kind, Resource, ResourceKey, WorkloadEndpointSpec, prefix};
use crate::{Datastore, Error};

/// The endpoint as policy knows it.
pub fn endpoint(object: &Resource<WorkloadEndpointSpec>) -> Endpoint {
    let Resource { metadata, spec, .. } = object;
    let account = &spec.service_account_name;
    Endpoint {
        id: endpoint_id(metadata.namespace.as_deref().unwrap_or_default(), &metadata.name),
        interface: spec.interface_name.clone(),
        namespace: metadata.namespace.clone(),
        service_account: (!account.is_empty()).then(|| account.clone()),
        labels: metadata.labels.clone(),
        profiles: spec.profiles.clone(),
        addresses: spec.addresses().collect(),
        ports: spec.ports.iter().filter_map(named_port).collect(),
        has_http_enforcer: false,
    }
}

/// The port as rules may speak of it; `None` if it has no name, or is of a protocol without ports.
fn named_port(port: &EndpointPort) -> Option<NamedPort> {
    let protocol: Protocol = serde_json::from_value(port.protocol.clone()).ok()?;
    let protocol = protocol.number()?;
    let has_ports = matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::SCTP);
    (has_ports && !port.name.is_empty()).then(|| NamedPort {
        name: port.name.clone(),
        protocol,
        port: port.port,
    })
}

/// The id of an endpoint in [`Inputs`]: `<namespace>/<name>`.
pub fn endpoint_id(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// Something wrong with a stored record that policy is made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {error}")]
#[non_exhaustive]
pub struct RecordFault {
    /// The record's key.
    pub key: String,
    /// The field and why.
    pub error: FieldError,
}

/// All that policy is made from: stored records in, [`Inputs`] out.
///
/// Nothing fails open. Of a record that cannot be read, the last version that could be read stays; if there is none, a
/// policy denies its types where its selector matches (where even that cannot be read, everywhere, or everywhere in its
/// namespace), and a profile or endpoint that is not known is closed. What [`Inputs`] finds wrong with a record that can
/// be read, it handles itself.
///
/// # Example
///
/// ```
/// use tortie_datastore::convert::PolicyState;
///
/// let key = "/calico/resources/v3/projectcalico.org/globalnetworkpolicies/close";
/// let mut state = PolicyState::default();
/// let faults = state.insert(key, br#"{"spec":{"selector":"all()","ingress":"nonsense"}}"#).unwrap();
/// assert_eq!(state.inputs().policy_keys().count(), 1, "it denies");
/// println!("{}", faults[0]);
/// assert!(state.remove(key));
/// assert!(state.insert("/calico/ipam/v2/config", b"{}").is_none(), "nothing to do with policy");
/// ```
#[derive(Clone, Debug, Default)]
pub struct PolicyState {
    inputs: Inputs,
    workloads: BTreeMap<String, Resource<WorkloadEndpointSpec>>,
    /// Policies of which no version could be read yet.
    salvaged: BTreeSet<PolicyKey>,
}

impl PolicyState {
    /// Reads everything as of one revision: watch from there.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]; records with faults are reported beside the state.
    pub async fn load(store: &Datastore) -> Result<(Self, Vec<RecordFault>, Revision), Error> {
        let mut state = Self::default();
        let mut faults = Vec::new();
        let mut revision = Revision::new(0);
        let prefixes = Self::prefixes();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        for listing in store.list_all(&prefixes).await? {
            revision = listing.revision;
            for record in &listing.items {
                faults.extend(state.insert(&record.key, &record.value).unwrap_or_default());
            }
        }
        Ok((state, faults, revision))
    }

    /// The prefixes of the records that matter.
    pub fn prefixes() -> [String; 9] {
        [
            prefix::<ProfileSpec>(None),
            prefix::<GlobalNetworkSetSpec>(None),
            prefix::<GlobalNetworkPolicySpec>(None),
            prefix::<NetworkPolicySpec>(None),
            prefix::<k8s::NetworkPolicySpec>(None),
            prefix::<k8s::ClusterNetworkPolicySpec>(None),
            prefix::<k8s::AdminNetworkPolicySpec>(None),
            prefix::<k8s::BaselineAdminNetworkPolicySpec>(None),
            prefix::<WorkloadEndpointSpec>(None),
        ]
    }

    /// What policy is computed from.
    pub const fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// All workload endpoints, of all hosts, by the id that [`Inputs`] knows them by.
    pub const fn workloads(&self) -> &BTreeMap<String, Resource<WorkloadEndpointSpec>> {
        &self.workloads
    }

    /// Takes in a record, new or changed. The answer is what is wrong with it, or `None` if it does not matter here.
    pub fn insert(&mut self, key: &str, value: &[u8]) -> Option<Vec<RecordFault>> {
        let parsed = ResourceKey::parse(key)?;
        let policy = policy_key(&parsed);
        let errors = match (parsed.plural, parsed.namespace) {
            _ if policy.is_some() => policy.map(|key| self.insert_policy(&key, value)).unwrap_or_default(),
            (ProfileSpec::PLURAL, None) => match Resource::<ProfileSpec>::decode(value) {
                Ok(object) => from_policy(self.inputs.insert_profile(parsed.name, &object.spec)),
                Err(error) => vec![error],
            },
            (GlobalNetworkSetSpec::PLURAL, None) => match Resource::<GlobalNetworkSetSpec>::decode(value) {
                Ok(object) => from_policy(self.inputs.insert_network_set(
                    parsed.name,
                    &object.metadata.labels,
                    &object.spec,
                )),
                Err(error) => vec![error],
            },
            (WorkloadEndpointSpec::PLURAL, Some(namespace)) => {
                match Resource::<WorkloadEndpointSpec>::decode(value) {
                    Ok(mut object) => {
                        // The key decides, should the record say something else.
                        namespace.clone_into(object.metadata.namespace.get_or_insert_default());
                        parsed.name.clone_into(&mut object.metadata.name);
                        self.inputs.insert_endpoint(endpoint(&object));
                        self.workloads.insert(endpoint_id(namespace, parsed.name), object);
                        Vec::new()
                    }
                    Err(error) => vec![error],
                }
            }
            _ => return None,
        };
        let fault = |error| RecordFault { key: key.to_owned(), error };
        Some(errors.into_iter().map(fault).collect())
    }

    /// Takes out a record that was deleted; whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let Some(parsed) = ResourceKey::parse(key) else { return false };
        if let Some(key) = policy_key(&parsed) {
            self.salvaged.remove(&key);
            return self.inputs.remove_policy(&key);
        }
        match (parsed.plural, parsed.namespace) {
            (ProfileSpec::PLURAL, None) => self.inputs.remove_profile(parsed.name),
            (GlobalNetworkSetSpec::PLURAL, None) => self.inputs.remove_network_set(parsed.name),
            (WorkloadEndpointSpec::PLURAL, Some(namespace)) => {
                let id = endpoint_id(namespace, parsed.name);
                self.workloads.remove(&id);
                self.inputs.remove_endpoint(&id).is_some()
            }
            _ => false,
        }
    }

    fn insert_policy(&mut self, key: &PolicyKey, value: &[u8]) -> Vec<FieldError> {
        let (name, namespace) = (key.name.as_str(), key.namespace.as_deref().unwrap_or_default());
        match key.kind {
            PolicyKind::NetworkPolicy => self.insert_spec(
                key,
                value,
                |inputs, spec: &NetworkPolicySpec| inputs.insert_network_policy(namespace, name, spec),
                |spec| salvage(spec).into(),
            ),
            PolicyKind::KubernetesNetworkPolicy => self.insert_spec(
                key,
                value,
                |inputs, spec| inputs.insert_kubernetes_network_policy(namespace, name, spec),
                salvage_isolation,
            ),
            PolicyKind::KubernetesClusterNetworkPolicy => self.insert_spec(
                key,
                value,
                |inputs, spec: &k8s::ClusterNetworkPolicySpec| {
                    inputs.insert_cluster_network_policy(name, spec)
                },
                salvage_denial,
            ),
            PolicyKind::KubernetesAdminNetworkPolicy => self.insert_spec(
                key,
                value,
                |inputs, spec: &k8s::AdminNetworkPolicySpec| inputs.insert_admin_network_policy(name, spec),
                salvage_denial,
            ),
            PolicyKind::KubernetesBaselineAdminNetworkPolicy => self.insert_spec(
                key,
                value,
                |inputs, spec: &k8s::BaselineAdminNetworkPolicySpec| {
                    inputs.insert_baseline_admin_network_policy(name, spec)
                },
                salvage_denial,
            ),
            _ => self.insert_spec(
                key,
                value,
                |inputs, spec: &GlobalNetworkPolicySpec| inputs.insert_global_network_policy(name, spec),
                |spec| salvage(spec).into(),
            ),
        }
    }

    /// Takes in a policy of the kind that has such specs; if it cannot be read, what denies in its place.
    fn insert_spec<S: Kind>(
        &mut self,
        key: &PolicyKey,
        value: &[u8],
        insert: impl Fn(&mut Inputs, &S) -> Vec<tortie_policy::FieldError>,
        denial: impl Fn(serde_json::Value) -> S,
    ) -> Vec<FieldError> {
        match Resource::<S>::decode(value) {
            Ok(object) => {
                self.forget_salvage(key);
                from_policy(insert(&mut self.inputs, &object.spec))
            }
            Err(error) => {
                if self.wants_salvage(key) {
                    let record: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
                    let spec = record.get("spec").cloned().unwrap_or_default();
                    insert(&mut self.inputs, &denial(spec));
                }
                vec![error]
            }
        }
    }

    /// What was salvaged is no valid version that could stay.
    fn forget_salvage(&mut self, key: &PolicyKey) {
        if self.salvaged.remove(key) {
            self.inputs.remove_policy(key);
        }
    }

    /// Whether no version of this policy could be read so far.
    fn wants_salvage(&mut self, key: &PolicyKey) -> bool {
        if self.inputs.policy_keys().any(|known| known == key) {
            return self.salvaged.contains(key);
        }
        self.salvaged.insert(key.clone());
        true
    }
}

fn from_policy(errors: Vec<tortie_policy::FieldError>) -> Vec<FieldError> {
    errors.into_iter().map(FieldError::from).collect()
}

/// The name of a policy as [`Inputs`] knows it; `None` if the record is no policy.
fn policy_key(key: &ResourceKey<'_>) -> Option<PolicyKey> {
    let kinds = [
        (NetworkPolicySpec::PLURAL, PolicyKind::NetworkPolicy),
        (GlobalNetworkPolicySpec::PLURAL, PolicyKind::GlobalNetworkPolicy),
        (k8s::NetworkPolicySpec::PLURAL, PolicyKind::KubernetesNetworkPolicy),
        (k8s::ClusterNetworkPolicySpec::PLURAL, PolicyKind::KubernetesClusterNetworkPolicy),
        (k8s::AdminNetworkPolicySpec::PLURAL, PolicyKind::KubernetesAdminNetworkPolicy),
        (k8s::BaselineAdminNetworkPolicySpec::PLURAL, PolicyKind::KubernetesBaselineAdminNetworkPolicy),
    ];
    let (_, kind) = kinds.into_iter().find(|(plural, _)| *plural == key.plural)?;
    (kind.is_namespaced() == key.namespace.is_some())
        .then(|| PolicyKey::of_kind(kind, key.namespace, key.name))
}

/// What can still be read of the spec of a policy of Calico.
fn salvage(spec: serde_json::Value) -> Salvage {
    serde_json::from_value(spec).unwrap_or_default()
}

/// What isolates the pods that a spec says, in the directions that it says; all pods in both, if it does not say that.
fn salvage_isolation(spec: serde_json::Value) -> k8s::NetworkPolicySpec {
    let kept = |name: &str| spec.get(name).cloned().unwrap_or_default();
    let both = serde_json::json!(["Ingress", "Egress"]);
    let types =
        Some(kept("policyTypes")).filter(|types| types.as_array().is_some_and(|types| !types.is_empty()));
    let types = types.unwrap_or_else(|| both.clone());
    let attempts =
        [(kept("podSelector"), types), (kept("podSelector"), both.clone()), (serde_json::Value::Null, both)];
    let read = |(selector, types)| {
        serde_json::from_value(serde_json::json!({ "podSelector": selector, "policyTypes": types })).ok()
    };
    attempts.into_iter().find_map(read).unwrap_or_default()
}

/// What denies all to and from the subject of a spec; to and from all pods, if it does not say it.
fn salvage_denial<S: Kind + Default>(spec: serde_json::Value) -> S {
    // Without peers, a rule has a fault, and denies everything.
    let rules = serde_json::json!([{ "action": "Deny" }]);
    let kept = |names: &[&str]| {
        let kept = names.iter().filter_map(|name| Some(((*name).to_owned(), spec.get(name)?.clone())));
        let denial = ["ingress", "egress"].map(|name| (name.to_owned(), rules.clone()));
        serde_json::from_value(denial.into_iter().chain(kept).collect::<serde_json::Value>()).ok()
    };
    let attempts = [&["tier", "priority", "subject"][..], &["tier", "subject"], &["tier"], &[]];
    attempts.into_iter().find_map(kept).unwrap_or_default()
}
