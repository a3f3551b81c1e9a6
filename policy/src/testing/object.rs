//! Objects of all kinds, and the state that they make, whole and kept.

use alloc::collections::BTreeMap;
use core::fmt::Debug;
use core::net::IpAddr;

use crate::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec,
    StagedGlobalNetworkPolicySpec, StagedNetworkPolicySpec, TierSpec,
};
use crate::{
    Encapsulation, Endpoint, EndpointSlice, Failsafe, Host, HostAction, Inputs, PolicyKey, PolicySpec,
    Program, Resolver, compile, resolve,
};

/// An object with its name, or a setting.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "tests write and match all of them")]
pub enum Object {
    /// A policy of any kind.
    Policy(PolicyKey, Spec),
    /// A tier.
    Tier(String, TierSpec),
    /// A profile.
    Profile(String, ProfileSpec),
    /// An endpoint of a workload.
    Endpoint(Endpoint),
    /// A host endpoint with its labels.
    HostEndpoint(String, BTreeMap<String, String>, HostEndpointSpec),
    /// A network set, of a namespace or global, with its labels.
    NetworkSet(Option<String>, String, BTreeMap<String, String>, GlobalNetworkSetSpec),
    /// A node with its labels and addresses.
    Node(String, BTreeMap<String, String>, Vec<IpAddr>),
    /// Some of the endpoints of a service.
    Slice(EndpointSlice),
    /// What becomes of packets from workloads to their host.
    ToHost(HostAction),
    /// Which encapsulated packets workloads may send.
    Encapsulation(Encapsulation),
    /// Which ports host policy never closes.
    Failsafe(Failsafe),
}

/// The spec of a policy.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "tests write and match all of them")]
pub enum Spec {
    /// Of a kind with a namespace.
    Namespaced(Box<NetworkPolicySpec>),
    /// Of a kind without.
    Global(Box<GlobalNetworkPolicySpec>),
    /// A draft of one with a namespace.
    StagedNamespaced(Box<StagedNetworkPolicySpec>),
    /// A draft of one without.
    StagedGlobal(Box<StagedGlobalNetworkPolicySpec>),
}

impl<'a> From<&'a Spec> for PolicySpec<'a> {
    fn from(spec: &'a Spec) -> Self {
        match spec {
            Spec::Namespaced(spec) => (&**spec).into(),
            Spec::Global(spec) => (&**spec).into(),
            Spec::StagedNamespaced(spec) => (&**spec).into(),
            Spec::StagedGlobal(spec) => (&**spec).into(),
        }
    }
}

impl Object {
    /// What it is and its name: one object replaces another of the same.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Policy(key, _) => format!("policy {key}"),
            Self::Tier(name, _) => format!("tier {name}"),
            Self::Profile(name, _) => format!("profile {name}"),
            Self::Endpoint(endpoint) => format!("endpoint {}", endpoint.id),
            Self::HostEndpoint(name, ..) => format!("host endpoint {name}"),
            Self::NetworkSet(namespace, name, ..) => format!("network set {namespace:?} {name}"),
            Self::Node(name, ..) => format!("node {name}"),
            Self::Slice(slice) => format!("slice {}/{}", slice.service.namespace, slice.name),
            Self::ToHost(_) => "to host".into(),
            Self::Encapsulation(_) => "encapsulation".into(),
            Self::Failsafe(_) => "failsafe".into(),
        }
    }

    /// Puts it into the inputs. Its faults are for it to bear: the answer is dropped.
    pub fn insert(&self, inputs: &mut Inputs) {
        match self {
            Self::Policy(key, spec) => drop(inputs.insert_policy(key.clone(), spec)),
            Self::Tier(name, spec) => drop(inputs.insert_tier(name, spec)),
            Self::Profile(name, spec) => drop(inputs.insert_profile(name, spec)),
            Self::Endpoint(endpoint) => inputs.insert_endpoint(endpoint.clone()),
            Self::HostEndpoint(name, labels, spec) => drop(inputs.insert_host_endpoint(name, labels, spec)),
            Self::NetworkSet(None, name, labels, spec) => drop(inputs.insert_network_set(name, labels, spec)),
            Self::NetworkSet(Some(namespace), name, labels, spec) => {
                drop(inputs.insert_namespaced_network_set(namespace, name, labels, spec));
            }
            Self::Node(name, labels, addresses) => inputs.insert_node(name, labels, addresses),
            Self::Slice(slice) => inputs.insert_endpoint_slice(slice.clone()),
            Self::ToHost(action) => inputs.set_to_host(*action),
            Self::Encapsulation(encapsulation) => inputs.set_encapsulation(*encapsulation),
            Self::Failsafe(failsafe) => inputs.set_failsafe(failsafe.clone()),
        }
    }
}

/// One state in both forms: whole, for the evaluator and for what is made anew; and kept, by a resolver.
#[derive(Debug)]
pub struct Both {
    /// The state.
    pub inputs: Inputs,
    /// The host whose program it is.
    pub host: Host,
    /// What keeps the program.
    pub resolver: Resolver,
    is_local: fn(&Endpoint) -> bool,
}

impl Both {
    /// Of nothing; the resolver is not in sync.
    #[must_use]
    pub fn new(host: Host, is_local: fn(&Endpoint) -> bool) -> Self {
        Self { inputs: Inputs::new(), resolver: Resolver::new(host.clone(), is_local), host, is_local }
    }

    /// Inserts an object, or replaces the one of its name.
    ///
    /// # Panics
    ///
    /// If the two do not find the same faults.
    pub fn insert(&mut self, object: &Object) {
        let Self { inputs, resolver, .. } = self;
        match object {
            Object::Policy(key, spec) => {
                same(inputs.insert_policy(key.clone(), spec), resolver.insert_policy(key.clone(), spec));
            }
            Object::Tier(name, spec) => {
                same(inputs.insert_tier(name, spec), resolver.insert_tier(name, spec));
            }
            Object::Profile(name, spec) => {
                same(inputs.insert_profile(name, spec), resolver.insert_profile(name, spec));
            }
            Object::HostEndpoint(name, labels, spec) => same(
                inputs.insert_host_endpoint(name, labels, spec),
                resolver.insert_host_endpoint(name, labels, spec),
            ),
            Object::NetworkSet(None, name, labels, spec) => same(
                inputs.insert_network_set(name, labels, spec),
                resolver.insert_network_set(name, labels, spec),
            ),
            Object::NetworkSet(Some(namespace), name, labels, spec) => same(
                inputs.insert_namespaced_network_set(namespace, name, labels, spec),
                resolver.insert_namespaced_network_set(namespace, name, labels, spec),
            ),
            without_faults => {
                without_faults.insert(inputs);
                match without_faults {
                    Object::Endpoint(endpoint) => resolver.insert_endpoint(endpoint),
                    Object::Node(name, labels, addresses) => resolver.insert_node(name, labels, addresses),
                    Object::Slice(slice) => resolver.insert_endpoint_slice(slice.clone()),
                    Object::ToHost(action) => resolver.set_to_host(*action),
                    Object::Encapsulation(encapsulation) => resolver.set_encapsulation(*encapsulation),
                    Object::Failsafe(failsafe) => resolver.set_failsafe(failsafe.clone()),
                    _ => {}
                }
            }
        }
    }

    /// Removes the object of this name; a setting becomes what it is by default.
    ///
    /// # Panics
    ///
    /// If the two do not agree whether it was there.
    pub fn remove(&mut self, object: &Object) {
        let Self { inputs, resolver, .. } = self;
        match object {
            Object::Policy(key, _) => same(inputs.remove_policy(key), resolver.remove_policy(key)),
            Object::Tier(name, _) => same(inputs.remove_tier(name), resolver.remove_tier(name)),
            Object::Profile(name, _) => same(inputs.remove_profile(name), resolver.remove_profile(name)),
            Object::Endpoint(endpoint) => {
                let id = &endpoint.id;
                same(inputs.remove_endpoint(id).is_some(), resolver.remove_endpoint(id));
            }
            Object::HostEndpoint(name, ..) => {
                same(inputs.remove_host_endpoint(name), resolver.remove_host_endpoint(name));
            }
            Object::NetworkSet(None, name, ..) => {
                same(inputs.remove_network_set(name), resolver.remove_network_set(name));
            }
            Object::NetworkSet(Some(namespace), name, ..) => same(
                inputs.remove_namespaced_network_set(namespace, name),
                resolver.remove_namespaced_network_set(namespace, name),
            ),
            Object::Node(name, ..) => same(inputs.remove_node(name), resolver.remove_node(name)),
            Object::Slice(slice) => {
                let (namespace, name) = (&slice.service.namespace, &slice.name);
                same(
                    inputs.remove_endpoint_slice(namespace, name),
                    resolver.remove_endpoint_slice(namespace, name),
                );
            }
            Object::ToHost(_) => self.insert(&Object::ToHost(HostAction::default())),
            Object::Encapsulation(_) => self.insert(&Object::Encapsulation(Encapsulation::default())),
            Object::Failsafe(_) => self.insert(&Object::Failsafe(Failsafe::default())),
        }
    }

    /// Says which interfaces the host has.
    pub fn set_interfaces(&mut self, interfaces: BTreeMap<String, Vec<IpAddr>>) {
        self.host.interfaces.clone_from(&interfaces);
        self.resolver.set_interfaces(interfaces);
    }

    /// The program, made anew.
    #[must_use]
    pub fn program(&self) -> Program {
        compile(&resolve(&self.inputs, &self.host, self.is_local))
    }
}

fn same<T: PartialEq + Debug>(theirs: T, ours: T) {
    assert_eq!(theirs, ours, "inputs and resolver do not answer the same");
}
