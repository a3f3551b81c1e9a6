//! Policies as documents: whatever they say, they are read, checked, judged by and compiled.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tortie_policy::k8s::{self, ObjectMeta, Pod, ServiceAccount};
use tortie_policy::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec, TierSpec,
};
use tortie_policy::{
    Endpoint, Flow, Host, Inputs, ORCHESTRATOR_LABEL, Packet, Place, PolicyKey, PolicyKind, Transport,
    Verdict, compile, evaluate, evaluate_packet, interpret, nftables, resolve,
};

/// Longest text that is read, in octets: what grows faster than the text shows long before.
const MAX_LEN: usize = 16 * 1024;
/// Most documents of a text.
const MAX_DOCUMENTS: usize = 16;

#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    spec: Value,
}

/// Reads documents of all kinds, YAML or JSON, and asks for verdicts; the program must give those of the evaluator.
pub fn check_policy_yaml(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if text.len() > MAX_LEN {
        return;
    }
    let mut inputs = Inputs::new();
    for name in ["a", "b"] {
        let endpoint = |last: u8, interface: &str| Endpoint {
            id: format!("{name}/{last}"),
            interface: interface.into(),
            namespace: Some(name.into()),
            labels: [("app".into(), name.into()), (ORCHESTRATOR_LABEL.into(), "k8s".into())].into(),
            profiles: vec![format!("kns.{name}")],
            addresses: vec![[10, 0, 0, last].into(), [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)].into()],
            ..Endpoint::default()
        };
        let (last, interface) = if name == "a" { (1, "cali1") } else { (2, "cali2") };
        inputs.insert_endpoint(endpoint(last, interface));
    }
    for text in text.split("\n---\n").take(MAX_DOCUMENTS) {
        let document: Option<Document> = serde_saphyr::from_str(text).ok();
        if let Some(document) = document {
            insert(&mut inputs, &document);
        }
    }
    judge(&inputs);
}

/// Reads a spec; one that was read is written and read again as it was.
fn spec<S: DeserializeOwned + serde::Serialize + PartialEq + core::fmt::Debug>(value: &Value) -> Option<S> {
    let spec: S = serde_json::from_value(value.clone()).ok()?;
    let written = serde_json::to_value(&spec).expect("a spec can be written");
    let again: S = serde_json::from_value(written).expect("what was written can be read");
    assert_eq!(again, spec, "a spec survives being written");
    Some(spec)
}

fn insert(inputs: &mut Inputs, document: &Document) {
    let Document { api_version, kind, metadata, spec: value } = document;
    let metadata: ObjectMeta = serde_json::from_value(metadata.clone()).unwrap_or_default();
    let (name, namespace) = (metadata.name.as_str(), metadata.namespace.as_deref().unwrap_or("a"));
    let labels: &BTreeMap<String, String> = &metadata.labels;
    match (api_version.as_str(), kind.as_str()) {
        ("networking.k8s.io/v1", "NetworkPolicy") => {
            let Some(spec) = spec::<k8s::NetworkPolicySpec>(value) else { return };
            let faults = inputs.insert_kubernetes_network_policy(namespace, name, &spec);
            assert_eq!(faults.is_empty(), spec.validate().is_empty());
        }
        (_, "ClusterNetworkPolicy") => {
            let Some(spec) = spec::<k8s::ClusterNetworkPolicySpec>(value) else { return };
            assert_eq!(inputs.insert_cluster_network_policy(name, &spec), spec.validate());
        }
        (_, "AdminNetworkPolicy") => {
            let Some(spec) = spec::<k8s::AdminNetworkPolicySpec>(value) else { return };
            assert_eq!(inputs.insert_admin_network_policy(name, &spec), spec.validate());
        }
        (_, "BaselineAdminNetworkPolicy") => {
            let Some(spec) = spec::<k8s::BaselineAdminNetworkPolicySpec>(value) else { return };
            assert_eq!(inputs.insert_baseline_admin_network_policy(name, &spec), spec.validate());
        }
        ("v1", "Pod") => {
            let whole = serde_json::json!({ "metadata": document.metadata, "spec": value });
            let Some(pod) = spec::<Pod>(&whole) else { return };
            if let Some(endpoint) = pod.endpoint("cali3") {
                inputs.insert_endpoint(endpoint);
            }
        }
        ("v1", "Namespace") => {
            let (name, spec) = k8s::Namespace { metadata, ..k8s::Namespace::default() }.profile();
            inputs.insert_profile(&name, &spec);
        }
        ("v1", "ServiceAccount") => {
            let (name, spec) = ServiceAccount { metadata, ..ServiceAccount::default() }.profile();
            inputs.insert_profile(&name, &spec);
        }
        (_, "NetworkPolicy") => {
            let Some(spec) = spec::<NetworkPolicySpec>(value) else { return };
            let faults = inputs.insert_network_policy(namespace, name, &spec);
            assert_eq!(faults.is_empty(), spec.validate().is_empty());
        }
        (_, "GlobalNetworkPolicy") => {
            let Some(spec) = spec::<GlobalNetworkPolicySpec>(value) else { return };
            assert_eq!(inputs.insert_global_network_policy(name, &spec), spec.validate());
        }
        (_, "Tier") => {
            let Some(spec) = spec::<TierSpec>(value) else { return };
            inputs.insert_tier(name, &spec);
        }
        (_, "Profile") => {
            let Some(spec) = spec::<ProfileSpec>(value) else { return };
            assert_eq!(inputs.insert_profile(name, &spec), spec.validate(name));
        }
        (_, "HostEndpoint") => {
            let Some(spec) = spec::<HostEndpointSpec>(value) else { return };
            inputs.insert_host_endpoint(name, labels, &spec);
        }
        (_, "GlobalNetworkSet") => {
            let Some(spec) = spec::<GlobalNetworkSetSpec>(value) else { return };
            inputs.insert_network_set(name, labels, &spec);
        }
        (_, "NetworkSet") => {
            let Some(spec) = spec::<GlobalNetworkSetSpec>(value) else { return };
            inputs.insert_namespaced_network_set(namespace, name, labels, &spec);
        }
        (_, "Delete") => {
            let key = PolicyKey::of_kind(PolicyKind::KubernetesNetworkPolicy, Some(namespace), name);
            inputs.remove_policy(&key);
        }
        _ => {}
    }
}

fn judge(inputs: &Inputs) {
    let mut host = Host::new("node");
    host.interfaces.insert("eth0".into(), vec![[192, 0, 2, 1].into()]);
    let program = compile(&resolve(inputs, &host, |_| true));
    let _ = nftables::render(&program, &nftables::Options::default());
    let places = [
        (Place::Workload("cali1"), [10, 0, 0, 1]),
        (Place::Workload("cali2"), [10, 0, 0, 2]),
        (Place::Interface("eth0"), [192, 0, 2, 9]),
        (Place::Host, [192, 0, 2, 1]),
    ];
    let tcp = |destination_port| Transport::Tcp { source_port: 40_000, destination_port };
    let transports = [
        tcp(80),
        tcp(8080),
        Transport::Udp { source_port: 40_000, destination_port: 53 },
        Transport::Icmp { kind: 8, code: 0 },
        Transport::Other(47),
    ];
    for (from, source) in places {
        for (to, destination) in places.into_iter().filter(|(to, _)| *to != from) {
            for transport in transports {
                let flow = Flow::new(source.into(), destination.into(), transport);
                let _ = evaluate(inputs, &flow).to_string();
                let packet = Packet::new(from, to, flow);
                let evaluation = evaluate_packet(inputs, &host, |_| true, &packet);
                let found = interpret(&program, &packet).verdict();
                assert_eq!(found == Verdict::Allow, evaluation.verdict == Verdict::Allow, "{evaluation}");
            }
        }
    }
}
