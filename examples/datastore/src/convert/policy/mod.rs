//! What policy is made from, kept up to date record by record.

mod salvage;
mod sink;

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use tortie_ipam::Revision;
use tortie_policy::k8s::StagedKubernetesNetworkPolicySpec;
use tortie_policy::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec,
    Protocol, StagedGlobalNetworkPolicySpec, StagedNetworkPolicySpec, TierSpec,
};
use tortie_policy::{Endpoint, Inputs, NamedPort, PolicyKey, PolicyKind, PolicySpec, Resolver, k8s};

use crate::resource::{
    EndpointPort, EndpointSliceBody, FieldError, Kind, NetworkSetSpec, NodeSpec, Resource, ResourceKey,
    WorkloadEndpointSpec, endpoint_slice, prefix,
};
use crate::{Datastore, Error};

use salvage::{salvage, salvage_denial, salvage_isolation};
pub use sink::PolicySink;

/// The endpoint as policy knows it.
pub fn endpoint(object: &Resource<WorkloadEndpointSpec>) -> Endpoint {
    let Resource { metadata, spec, .. } = object;
    let account = &spec.service_account_name;
    Endpoint {
        id: endpoint_id(metadata.namespace.as_deref().unwrap_or_default(), &metadata.name),
        node: spec.node.clone(),
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

/// All that policy is made from: stored records in, [`Inputs`] out, or what a [`Resolver`] makes of them.
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
pub struct PolicyState<S = Inputs> {
    sink: S,
    /// The only node whose workloads are kept as they are stored, if not all are.
    node: Option<String>,
    workloads: BTreeMap<String, Resource<WorkloadEndpointSpec>>,
    /// Policies of which no version could be read yet.
    salvaged: BTreeSet<PolicyKey>,
    workload_changes: u64,
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

    /// What policy is computed from.
    pub const fn inputs(&self) -> &Inputs {
        &self.sink
    }
}

impl PolicyState<Resolver> {
    /// What comes of the records on that node, whose workloads alone are kept as they are stored.
    pub fn of_node(node: &str, resolver: Resolver) -> Self {
        let (workloads, salvaged) = (BTreeMap::new(), BTreeSet::new());
        Self { sink: resolver, node: Some(node.to_owned()), workloads, salvaged, workload_changes: 0 }
    }

    /// What makes the node's program.
    pub const fn resolver(&mut self) -> &mut Resolver {
        &mut self.sink
    }
}

impl<S: PolicySink> PolicyState<S> {
    /// The prefixes of the records that matter.
    pub fn prefixes() -> [String; 17] {
        [
            prefix::<NodeSpec>(None),
            prefix::<EndpointSliceBody>(None),
            prefix::<TierSpec>(None),
            prefix::<ProfileSpec>(None),
            prefix::<GlobalNetworkSetSpec>(None),
            prefix::<NetworkSetSpec>(None),
            prefix::<HostEndpointSpec>(None),
            prefix::<GlobalNetworkPolicySpec>(None),
            prefix::<NetworkPolicySpec>(None),
            prefix::<StagedGlobalNetworkPolicySpec>(None),
            prefix::<StagedNetworkPolicySpec>(None),
            prefix::<StagedKubernetesNetworkPolicySpec>(None),
            prefix::<k8s::NetworkPolicySpec>(None),
            prefix::<k8s::ClusterNetworkPolicySpec>(None),
            prefix::<k8s::AdminNetworkPolicySpec>(None),
            prefix::<k8s::BaselineAdminNetworkPolicySpec>(None),
            prefix::<WorkloadEndpointSpec>(None),
        ]
    }

    /// The workload endpoints, of all hosts or of [one](PolicyState::of_node), by the id that policy knows them by.
    pub const fn workloads(&self) -> &BTreeMap<String, Resource<WorkloadEndpointSpec>> {
        &self.workloads
    }

    /// How often one of [these](Self::workloads) has come, changed or gone.
    pub const fn workload_changes(&self) -> u64 {
        self.workload_changes
    }

    /// Takes in a record, new or changed. The answer is what is wrong with it, or `None` if it does not matter here.
    pub fn insert(&mut self, key: &str, value: &[u8]) -> Option<Vec<RecordFault>> {
        let parsed = ResourceKey::parse(key)?;
        let errors = match policy_key(&parsed) {
            Some(key) => self.insert_policy(&key, value),
            None => match self.insert_object(&parsed, value)? {
                Ok(errors) => errors,
                Err(error) => vec![error],
            },
        };
        let fault = |error| RecordFault { key: key.to_owned(), error };
        Some(errors.into_iter().map(fault).collect())
    }

    /// Takes out a record that was deleted; whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let Some(parsed) = ResourceKey::parse(key) else { return false };
        if let Some(key) = policy_key(&parsed) {
            self.salvaged.remove(&key);
            return self.sink.remove_policy(&key);
        }
        let (sink, name) = (&mut self.sink, parsed.name);
        match (parsed.plural, parsed.namespace) {
            (NodeSpec::PLURAL, None) => sink.remove_node(name),
            (TierSpec::PLURAL, None) => sink.remove_tier(name),
            (ProfileSpec::PLURAL, None) => sink.remove_profile(name),
            (GlobalNetworkSetSpec::PLURAL, None) | (NetworkSetSpec::PLURAL, Some(_)) => {
                sink.remove_network_set(parsed.namespace, name)
            }
            (HostEndpointSpec::PLURAL, None) => sink.remove_host_endpoint(name),
            (EndpointSliceBody::PLURAL, Some(namespace)) => sink.remove_endpoint_slice(namespace, name),
            (WorkloadEndpointSpec::PLURAL, Some(namespace)) => {
                let id = endpoint_id(namespace, name);
                let was_there = sink.remove_endpoint(&id);
                self.drop_workload(&id);
                was_there
            }
            _ => false,
        }
    }

    /// Takes in an object that is no policy; `None` if it does not matter here.
    fn insert_object(
        &mut self,
        key: &ResourceKey<'_>,
        value: &[u8],
    ) -> Option<Result<Vec<FieldError>, FieldError>> {
        let (sink, name) = (&mut self.sink, key.name);
        Some(match (key.plural, key.namespace) {
            (NodeSpec::PLURAL, None) => Resource::<NodeSpec>::decode(value).map(|node| {
                let addresses: Vec<IpAddr> = node.spec.every_address().collect();
                sink.insert_node(name, &node.metadata.labels, &addresses);
                Vec::new()
            }),
            (TierSpec::PLURAL, None) => Resource::<TierSpec>::decode(value)
                .map(|tier| from_policy(sink.insert_tier(name, &tier.spec))),
            (ProfileSpec::PLURAL, None) => Resource::<ProfileSpec>::decode(value)
                .map(|profile| from_policy(sink.insert_profile(name, &profile.spec))),
            (GlobalNetworkSetSpec::PLURAL, None) => Resource::<GlobalNetworkSetSpec>::decode(value)
                .map(|set| from_policy(sink.insert_network_set(None, name, &set.metadata.labels, &set.spec))),
            (NetworkSetSpec::PLURAL, Some(namespace)) => {
                Resource::<NetworkSetSpec>::decode(value).map(|set| {
                    let (labels, spec) = (&set.metadata.labels, &set.spec.0);
                    from_policy(sink.insert_network_set(Some(namespace), name, labels, spec))
                })
            }
            (HostEndpointSpec::PLURAL, None) => Resource::<HostEndpointSpec>::decode(value)
                .map(|host| from_policy(sink.insert_host_endpoint(name, &host.metadata.labels, &host.spec))),
            (EndpointSliceBody::PLURAL, Some(namespace)) => {
                Resource::<EndpointSliceBody>::decode(value).map(|mut object| {
                    key.name(&mut object.metadata);
                    match endpoint_slice(&object) {
                        Some(slice) => sink.insert_endpoint_slice(slice),
                        None => _ = sink.remove_endpoint_slice(namespace, name),
                    }
                    object.spec.validate(&object.metadata)
                })
            }
            (WorkloadEndpointSpec::PLURAL, Some(namespace)) => {
                Resource::<WorkloadEndpointSpec>::decode(value).map(|mut object| {
                    key.name(&mut object.metadata);
                    self.sink.insert_endpoint(endpoint(&object));
                    self.keep(endpoint_id(namespace, name), object);
                    Vec::new()
                })
            }
            _ => return None,
        })
    }

    fn keep(&mut self, id: String, object: Resource<WorkloadEndpointSpec>) {
        if self.node.as_ref().is_some_and(|node| *node != object.spec.node) {
            self.drop_workload(&id);
        } else if self.workloads.get(&id) != Some(&object) {
            self.workloads.insert(id, object);
            self.workload_changes += 1;
        }
    }

    fn drop_workload(&mut self, id: &str) {
        self.workload_changes += u64::from(self.workloads.remove(id).is_some());
    }

    fn insert_policy(&mut self, key: &PolicyKey, value: &[u8]) -> Vec<FieldError> {
        match key.kind {
            PolicyKind::NetworkPolicy => {
                self.insert_spec(key, value, |spec| Some(NetworkPolicySpec::from(salvage(spec))))
            }
            PolicyKind::KubernetesNetworkPolicy => {
                self.insert_spec(key, value, |spec| Some(salvage_isolation(spec)))
            }
            PolicyKind::KubernetesClusterNetworkPolicy => self
                .insert_spec(key, value, |spec| Some(salvage_denial::<k8s::ClusterNetworkPolicySpec>(spec))),
            PolicyKind::KubernetesAdminNetworkPolicy => {
                self.insert_spec(key, value, |spec| Some(salvage_denial::<k8s::AdminNetworkPolicySpec>(spec)))
            }
            PolicyKind::KubernetesBaselineAdminNetworkPolicy => self.insert_spec(key, value, |spec| {
                Some(salvage_denial::<k8s::BaselineAdminNetworkPolicySpec>(spec))
            }),
            // A draft denies nothing.
            PolicyKind::StagedNetworkPolicy => {
                self.insert_spec(key, value, |_| None::<StagedNetworkPolicySpec>)
            }
            PolicyKind::StagedGlobalNetworkPolicy => {
                self.insert_spec(key, value, |_| None::<StagedGlobalNetworkPolicySpec>)
            }
            PolicyKind::StagedKubernetesNetworkPolicy => {
                self.insert_spec(key, value, |_| None::<StagedKubernetesNetworkPolicySpec>)
            }
            _ => self.insert_spec(key, value, |spec| Some(GlobalNetworkPolicySpec::from(salvage(spec)))),
        }
    }

    /// Takes in a policy of the kind that has such specs; if it cannot be read, what denies in its place.
    fn insert_spec<P: Kind>(
        &mut self,
        key: &PolicyKey,
        value: &[u8],
        denial: impl Fn(serde_json::Value) -> Option<P>,
    ) -> Vec<FieldError>
    where
        for<'p> PolicySpec<'p>: From<&'p P>,
    {
        match Resource::<P>::decode(value) {
            Ok(object) => {
                self.forget_salvage(key);
                from_policy(self.sink.insert_policy(key.clone(), (&object.spec).into()))
            }
            Err(error) => {
                if self.wants_salvage(key)
                    && let Some(denial) = denial(salvage::spec(value))
                {
                    self.sink.insert_policy(key.clone(), (&denial).into());
                }
                vec![error]
            }
        }
    }

    /// What was salvaged is no valid version that could stay.
    fn forget_salvage(&mut self, key: &PolicyKey) {
        if self.salvaged.remove(key) {
            self.sink.remove_policy(key);
        }
    }

    /// Whether no version of this policy could be read so far.
    fn wants_salvage(&mut self, key: &PolicyKey) -> bool {
        if self.sink.has_policy(key) {
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
        (StagedNetworkPolicySpec::PLURAL, PolicyKind::StagedNetworkPolicy),
        (StagedGlobalNetworkPolicySpec::PLURAL, PolicyKind::StagedGlobalNetworkPolicy),
        (StagedKubernetesNetworkPolicySpec::PLURAL, PolicyKind::StagedKubernetesNetworkPolicy),
    ];
    let (_, kind) = kinds.into_iter().find(|(plural, _)| *plural == key.plural)?;
    (kind.is_namespaced() == key.namespace.is_some())
        .then(|| PolicyKey::of_kind(kind, key.namespace, key.name))
}
