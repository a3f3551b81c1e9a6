//! `np-case/1`: states of a cluster with policies of Kubernetes, and which of its pods reach which.

use core::net::IpAddr;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use tortie_policy::k8s::{
    AdminNetworkPolicySpec, BaselineAdminNetworkPolicySpec, ClusterNetworkPolicySpec, Container,
    ContainerPort, Namespace, NetworkPolicySpec, ObjectMeta, Pod, PodIp, PodSpec, PodStatus,
};
use tortie_policy::{Flow, Host, Inputs, PolicyKey, PolicyKind, Transport, compile, resolve};

use crate::run::{Probe, Run, held_wrong};

#[derive(Deserialize)]
struct Case {
    id: String,
    steps: Vec<Step>,
}

/// A complete state.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    note: String,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    nodes: BTreeMap<String, NodeForm>,
    pods: Vec<PodForm>,
    policies: Vec<PolicyForm>,
    /// Source, destination, protocol, port, and whether it is allowed.
    expect: Vec<(String, String, String, u16, bool)>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeForm {
    ips: Vec<IpAddr>,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodForm {
    namespace: String,
    name: String,
    ip: IpAddr,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    host_network: bool,
    ports: Vec<PortForm>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortForm {
    name: String,
    port: u16,
    protocol: String,
}

#[derive(Clone, PartialEq, Deserialize)]
struct PolicyForm {
    kind: String,
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
}

/// One thing of a state: what changes are told apart by.
#[derive(Clone, PartialEq)]
enum Object {
    Namespace(Namespace),
    Node(NodeForm),
    Pod(Box<PodForm>, String),
    Policy(PolicyForm),
}

/// What an object is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Namespace(String),
    Node(String),
    Pod(String),
    Policy(PolicyKey),
}

pub(crate) fn run(case: &Value, run: &mut Run<'_>) {
    if let Err(error) = steps(case, run) {
        run.fault(format!("{error:#}"));
    }
}

fn steps(case: &Value, run: &mut Run<'_>) -> Result<()> {
    let case = Case::deserialize(case).context("not a case of this format")?;
    if case.steps.iter().all(|step| step.expect.is_empty()) {
        bail!("nothing is expected: the case proves nothing");
    }
    let mut running = Inputs::new();
    let mut before = BTreeMap::new();
    let mut interfaces = BTreeMap::new();
    for (index, step) in case.steps.iter().enumerate() {
        let note = format!("step {} {}", index + 1, step.note);
        let objects = step.objects(&mut interfaces)?;
        for key in before.keys().filter(|key| !objects.contains_key(*key)) {
            remove(&mut running, key);
        }
        let mut fresh = Inputs::new();
        for (key, object) in &objects {
            insert(&mut fresh, key, object).with_context(|| format!("{note}: {key:?}"))?;
            if before.get(key) != Some(object) {
                insert(&mut running, key, object)?;
            }
        }
        let program = |inputs| compile(&resolve(inputs, &Host::new("node"), |_| true));
        if program(&running) != program(&fresh) {
            run.fault(format!("{note}: changes led to another program than the state itself"));
        }
        let source_port = 20_000 + u16::try_from(index % 10_000)?;
        let probes: Result<Vec<_>> = (step.expect.iter().enumerate())
            .map(|(place, expect)| step.probe(expect, source_port, held_wrong(&case.id, place)))
            .collect();
        run.step(&note, &running, &probes?);
        before = objects;
    }
    Ok(())
}

impl Step {
    fn objects(&self, interfaces: &mut BTreeMap<String, String>) -> Result<BTreeMap<Key, Object>> {
        let mut objects = BTreeMap::new();
        for (name, labels) in &self.namespaces {
            let metadata = ObjectMeta { name: name.clone(), labels: labels.clone(), ..ObjectMeta::default() };
            let namespace = Namespace { metadata, ..Namespace::default() };
            objects.insert(Key::Namespace(name.clone()), Object::Namespace(namespace));
        }
        for (name, node) in &self.nodes {
            objects.insert(Key::Node(name.clone()), Object::Node(node.clone()));
        }
        for pod in &self.pods {
            let name = format!("{}/{}", pod.namespace, pod.name);
            let next = format!("cali{}", interfaces.len());
            let interface = interfaces.entry(name.clone()).or_insert(next).clone();
            objects.insert(Key::Pod(name), Object::Pod(Box::new(pod.clone()), interface));
        }
        for policy in &self.policies {
            let kind = match policy.kind.as_str() {
                "NetworkPolicy" => PolicyKind::KubernetesNetworkPolicy,
                "ClusterNetworkPolicy" => PolicyKind::KubernetesClusterNetworkPolicy,
                "AdminNetworkPolicy" => PolicyKind::KubernetesAdminNetworkPolicy,
                "BaselineAdminNetworkPolicy" => PolicyKind::KubernetesBaselineAdminNetworkPolicy,
                kind => bail!("policies of kind {kind:?} are not known"),
            };
            let namespace =
                kind.is_namespaced().then(|| policy.metadata.namespace.as_deref().unwrap_or("default"));
            let key = PolicyKey::of_kind(kind, namespace, policy.metadata.name.clone());
            objects.insert(Key::Policy(key), Object::Policy(policy.clone()));
        }
        Ok(objects)
    }

    fn probe(
        &self,
        expect: &(String, String, String, u16, bool),
        source_port: u16,
        held_wrong: Option<&'static str>,
    ) -> Result<Probe> {
        let (source, destination, protocol, destination_port, allowed) = expect;
        let transport = match protocol.as_str() {
            "TCP" => Transport::Tcp { source_port, destination_port: *destination_port },
            "UDP" => Transport::Udp { source_port, destination_port: *destination_port },
            "SCTP" => Transport::Sctp { source_port, destination_port: *destination_port },
            other => bail!("protocol {other:?} is not known"),
        };
        let flow = Flow::new(self.address(source)?, self.address(destination)?, transport);
        Ok(Probe { flow, allowed: *allowed, held_wrong })
    }

    fn address(&self, place: &str) -> Result<IpAddr> {
        if let Some(address) = place.strip_prefix("ip:") {
            return address.parse().with_context(|| format!("{address:?} is no address"));
        }
        let pod = self.pods.iter().find(|pod| place.split_once('/') == Some((&pod.namespace, &pod.name)));
        pod.map(|pod| pod.ip).with_context(|| format!("there is no pod {place:?}"))
    }
}

impl PodForm {
    fn pod(&self) -> Pod {
        let metadata = ObjectMeta {
            name: self.name.clone(),
            namespace: Some(self.namespace.clone()),
            labels: self.labels.clone(),
            ..ObjectMeta::default()
        };
        let port = |port: &PortForm| ContainerPort {
            name: Some(port.name.clone()),
            container_port: port.port.into(),
            protocol: Some(port.protocol.clone()),
            ..ContainerPort::default()
        };
        let containers =
            vec![Container { ports: self.ports.iter().map(port).collect(), ..Container::default() }];
        let spec = PodSpec {
            node_name: Some("node".into()),
            host_network: Some(self.host_network),
            containers,
            ..PodSpec::default()
        };
        let pod_ips = vec![PodIp { ip: self.ip.to_string(), ..PodIp::default() }];
        let status = PodStatus { phase: Some("Running".into()), pod_ips, ..PodStatus::default() };
        Pod { metadata, spec, status, ..Pod::default() }
    }
}

fn insert(inputs: &mut Inputs, key: &Key, object: &Object) -> Result<()> {
    match (key, object) {
        (_, Object::Namespace(namespace)) => {
            let (name, spec) = namespace.profile();
            inputs.insert_profile(&name, &spec);
        }
        (Key::Node(name), Object::Node(node)) => inputs.insert_node(name, &node.labels, &node.ips),
        (Key::Pod(name), Object::Pod(pod, interface)) => match pod.pod().endpoint(interface) {
            Some(endpoint) => inputs.insert_endpoint(endpoint),
            None => drop(inputs.remove_endpoint(name)),
        },
        (Key::Policy(key), Object::Policy(policy)) => {
            let (name, spec) = (&key.name, &policy.spec);
            // Faults are for the policy to bear: what it does then is what the case is about.
            match key.kind {
                PolicyKind::KubernetesNetworkPolicy => {
                    let namespace = key.namespace.as_deref().unwrap_or_default();
                    inputs.insert_kubernetes_network_policy(
                        namespace,
                        name,
                        &NetworkPolicySpec::deserialize(spec)?,
                    )
                }
                PolicyKind::KubernetesClusterNetworkPolicy => {
                    inputs.insert_cluster_network_policy(name, &ClusterNetworkPolicySpec::deserialize(spec)?)
                }
                PolicyKind::KubernetesAdminNetworkPolicy => {
                    inputs.insert_admin_network_policy(name, &AdminNetworkPolicySpec::deserialize(spec)?)
                }
                _ => inputs.insert_baseline_admin_network_policy(
                    name,
                    &BaselineAdminNetworkPolicySpec::deserialize(spec)?,
                ),
            };
        }
        _ => {}
    }
    Ok(())
}

fn remove(inputs: &mut Inputs, key: &Key) {
    match key {
        Key::Namespace(name) => drop(inputs.remove_profile(&Namespace::profile_name(name))),
        Key::Node(name) => drop(inputs.remove_node(name)),
        Key::Pod(name) => drop(inputs.remove_endpoint(name)),
        Key::Policy(key) => drop(inputs.remove_policy(key)),
    }
}
