//! Pods are endpoints, or are not.

use tortie_policy::k8s::{Namespace, Pod, ServiceAccount};
use tortie_policy::model::{Action, Protocol};
use tortie_policy::{Endpoint, NamedPort};

const POD: &str = r#"{
    "metadata": { "name": "web-0", "namespace": "shop", "labels": { "app": "web", "projectcalico.org/orchestrator": "x" } },
    "spec": {
        "nodeName": "node-1", "serviceAccountName": "robot",
        "containers": [
            { "name": "web", "ports": [
                { "name": "http", "containerPort": 80 }, { "name": "dns", "containerPort": 53, "protocol": "UDP" },
                { "containerPort": 81 }, { "name": "odd", "containerPort": 70000 } ] },
            { "name": "other" }
        ],
        "initContainers": [{ "ports": [{ "name": "init", "containerPort": 82, "protocol": "SCTP" }] }]
    },
    "status": { "phase": "Running", "podIP": "10.0.0.9", "podIPs": [{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }] }
}"#;

/// The pod, with this merged into it.
fn endpoint(change: &str) -> Option<Endpoint> {
    let mut document: serde_json::Value = serde_json::from_str(POD).unwrap();
    merge(&mut document, serde_json::from_str(change).unwrap());
    serde_json::from_value::<Pod>(document).unwrap().endpoint("cali1")
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[test]
fn a_pod_is_an_endpoint() {
    let port = |name: &str, protocol, port| NamedPort { name: name.to_string(), protocol, port };
    let endpoint = endpoint("{}").unwrap();
    assert_eq!(
        endpoint,
        Endpoint {
            id: "shop/web-0".into(),
            node: "node-1".into(),
            interface: "cali1".into(),
            namespace: Some("shop".into()),
            service_account: Some("robot".into()),
            labels: [("app", "web"), ("projectcalico.org/orchestrator", "k8s")]
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .into(),
            profiles: vec!["kns.shop".into(), "ksa.shop.robot".into()],
            addresses: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            ports: vec![
                port("http", Protocol::TCP, 80),
                port("dns", Protocol::UDP, 53),
                port("init", Protocol::SCTP, 82)
            ],
            ..Endpoint::default()
        }
    );
}

#[test]
fn addresses_are_where_they_are_found_first() {
    let addresses = |change: &str| {
        endpoint(change)
            .map(|endpoint| endpoint.addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let annotated = |name: &str, value: &str, status: &str| {
        addresses(&format!(
            r#"{{ "metadata": {{ "annotations": {{ "{name}": "{value}" }} }}, "status": {status} }}"#
        ))
    };
    assert_eq!(addresses(r#"{ "status": { "podIPs": null } }"#).unwrap(), ["10.0.0.9"]);
    let none = r#"{ "podIP": null, "podIPs": null }"#;
    assert_eq!(
        annotated("cni.projectcalico.org/podIPs", "10.0.0.3/32,fd00::3/128", none).unwrap(),
        ["10.0.0.3", "fd00::3"]
    );
    assert_eq!(annotated("cni.projectcalico.org/podIP", "10.0.0.4/32", none).unwrap(), ["10.0.0.4"]);
    assert_eq!(annotated("vpc.amazonaws.com/pod-ips", "10.0.0.5", none).unwrap(), ["10.0.0.5"]);
    assert_eq!(
        annotated("cni.projectcalico.org/podIP", "10.0.0.4/32", "{}").unwrap(),
        ["10.0.0.1", "fd00::1"]
    );
    assert_eq!(annotated("cni.projectcalico.org/podIP", "10.0.0.0/24", none), None);
    assert_eq!(addresses(&format!(r#"{{ "status": {none} }}"#)), None);
}

#[test]
fn some_pods_are_no_endpoints() {
    assert!(endpoint(r#"{ "spec": { "hostNetwork": true } }"#).is_none());
    assert!(endpoint(r#"{ "spec": { "nodeName": null } }"#).is_none());
    assert!(endpoint(r#"{ "spec": { "nodeName": "" } }"#).is_none());
    for phase in ["Failed", "Succeeded", "Completed"] {
        assert!(endpoint(&format!(r#"{{ "status": {{ "phase": "{phase}" }} }}"#)).is_none());
    }
    let deleted = r#""deletionTimestamp": "2026-01-01T00:00:00Z""#;
    assert!(endpoint(&format!(r#"{{ "metadata": {{ {deleted} }} }}"#)).is_some());
    let annotation =
        |value: &str| format!(r#""annotations": {{ "cni.projectcalico.org/podIP": "{value}" }}"#);
    assert!(
        endpoint(&format!(r#"{{ "metadata": {{ {deleted}, {} }} }}"#, annotation("10.0.0.1/32"))).is_some()
    );
    assert!(endpoint(&format!(r#"{{ "metadata": {{ {deleted}, {} }} }}"#, annotation(""))).is_none());
    assert!(endpoint(&format!(r#"{{ "metadata": {{ {} }} }}"#, annotation(""))).is_some());
    assert!(
        endpoint(r#"{ "spec": { "hostNetwork": false, "serviceAccountName": "" } }"#)
            .unwrap()
            .service_account
            .is_none()
    );
}

#[test]
fn namespaces_and_accounts_are_profiles() {
    let metadata = r#"{ "metadata": { "name": "shop", "labels": { "team": "red" } } }"#;
    let (name, spec) = serde_json::from_str::<Namespace>(metadata).unwrap().profile();
    assert_eq!(name, "kns.shop");
    assert_eq!(
        spec.ingress.iter().chain(&spec.egress).filter(|rule| rule.action == Action::Allow).count(),
        2
    );
    let labels: Vec<_> = spec.labels_to_apply.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["pcns.projectcalico.org/name=shop", "pcns.team=red"]);

    let (name, spec) = serde_json::from_str::<ServiceAccount>(metadata).unwrap().profile();
    assert_eq!(name, "ksa.default.shop");
    assert!(spec.ingress.is_empty() && spec.egress.is_empty());
    let labels: Vec<_> = spec.labels_to_apply.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["pcsa.projectcalico.org/name=shop", "pcsa.team=red"]);
}
