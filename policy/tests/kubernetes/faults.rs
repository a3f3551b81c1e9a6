//! Every fault of a document is named, and lets nothing pass.

use serde::de::DeserializeOwned;
use tortie_policy::k8s::{
    AdminNetworkPolicySpec, BaselineAdminNetworkPolicySpec, ClusterNetworkPolicySpec, NetworkPolicySpec,
    StagedKubernetesNetworkPolicySpec,
};
use tortie_policy::{Endpoint, FieldError, Flow, Inputs, PolicyKey, PolicyKind, Verdict, evaluate};

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

fn texts(errors: Vec<FieldError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn faults_of_network_policies_are_named() {
    let rule = |rule: &str| format!(r#"{{ "ingress": [{{}}, {rule}] }}"#);
    let cases = [
        (
            r#"{ "podSelector": { "matchExpressions": [{ "key": "a", "operator": "Gt" }] } }"#.to_string(),
            r#"spec.podSelector.matchExpressions[0].operator: "Gt" is not one of these: In, NotIn, Exists or DoesNotExist"#,
        ),
        (
            r#"{ "podSelector": { "matchExpressions": [{ "key": "a", "operator": "In" }] } }"#.to_string(),
            "spec.podSelector: operator In of label `a` has 0 values",
        ),
        (
            r#"{ "podSelector": { "matchFields": {} } }"#.to_string(),
            "spec.podSelector.matchFields: unknown field",
        ),
        (
            r#"{ "policyTypes": ["Ingress", "Sideways"] }"#.to_string(),
            r#"spec.policyTypes[1]: "Sideways" is no policy type: expected Ingress or Egress"#,
        ),
        (r#"{ "priority": 3 }"#.to_string(), "spec.priority: unknown field"),
        (r#"{ "unconverted": 3 }"#.to_string(), "spec.unconverted: unknown field"),
        (rule(r#"{ "via": 3 }"#), "spec.ingress[1].via: unknown field"),
        (
            rule(r#"{ "from": [{}] }"#),
            "spec.ingress[1].from[0]: needs exactly one of ipBlock, or podSelector and namespaceSelector",
        ),
        (
            rule(r#"{ "from": [{ "podSelector": {}, "ipBlock": { "cidr": "10.0.0.0/8" } }] }"#),
            "spec.ingress[1].from[0]: needs exactly one of ipBlock, or podSelector and namespaceSelector",
        ),
        (
            rule(r#"{ "from": [{ "podSelector": {}, "zone": 1 }] }"#),
            "spec.ingress[1].from[0].zone: unknown field",
        ),
        (
            rule(r#"{ "from": [{ "ipBlock": { "cidr": "10.0.0.1" } }] }"#),
            r#"spec.ingress[1].from[0].ipBlock.cidr: "10.0.0.1" is neither an IP address nor a CIDR like "10.0.0.0/8" or "fd00::/8""#,
        ),
        (
            rule(r#"{ "from": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["fd00::/64"] } }] }"#),
            "spec.ingress[1].from[0].ipBlock.except[0]: is of another IP version than the rest of the rule",
        ),
        (
            rule(r#"{ "from": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": ["0.0.0.0/0"] } }] }"#),
            "spec.ingress[1].from[0].ipBlock.except[0]: excludes every address, so the rule matches nothing",
        ),
        (
            rule(r#"{ "from": [{ "ipBlock": { "cidr": "10.0.0.0/8", "but": 1 } }] }"#),
            "spec.ingress[1].from[0].ipBlock.but: unknown field",
        ),
        (
            rule(r#"{ "from": [{ "namespaceSelector": { "matchLabels": { "a b": "c" } } }] }"#),
            "spec.ingress[1].from[0].namespaceSelector: `a b` is no label name",
        ),
        (
            rule(r#"{ "ports": [{ "protocol": "ICMP" }] }"#),
            r#"spec.ingress[1].ports[0].protocol: "ICMP" is not one of these: TCP, UDP or SCTP"#,
        ),
        (
            rule(r#"{ "ports": [{ "port": 0 }] }"#),
            "spec.ingress[1].ports[0].port: port 0 is not in 1..=65535",
        ),
        (
            rule(r#"{ "ports": [{ "port": 65536 }] }"#),
            "spec.ingress[1].ports[0].port: port 65536 is not in 1..=65535",
        ),
        (
            rule(r#"{ "ports": [{ "port": "80" }] }"#),
            "spec.ingress[1].ports[0].port: is no port name: expected 1 to 128 of [a-zA-Z0-9_.-]",
        ),
        (
            rule(r#"{ "ports": [{ "endPort": 80 }] }"#),
            "spec.ingress[1].ports[0].endPort: needs a port that is a number",
        ),
        (
            rule(r#"{ "ports": [{ "port": 80, "endPort": 70 }] }"#),
            "spec.ingress[1].ports[0].endPort: port range 80:70 ends before it begins",
        ),
        (
            rule(r#"{ "ports": [{ "port": 80, "endPort": 70000 }] }"#),
            "spec.ingress[1].ports[0].endPort: port 70000 is not in 1..=65535",
        ),
        (
            rule(r#"{ "ports": [{ "port": 80, "flags": 1 }] }"#),
            "spec.ingress[1].ports[0].flags: unknown field",
        ),
    ];
    for (document, want) in cases {
        assert_eq!(texts(read::<NetworkPolicySpec>(&document).validate()), [want], "{document}");
    }
}

#[test]
fn faults_of_cluster_policies_are_named() {
    let spec = |more: &str| {
        format!(r#"{{ "tier": "Admin", "priority": 1, "subject": {{ "namespaces": {{}} }}, {more} }}"#)
    };
    let ingress = |rule: &str| spec(&format!(r#""ingress": [{rule}]"#));
    let egress = |rule: &str| spec(&format!(r#""egress": [{rule}]"#));
    let all = r#""from": [{ "namespaces": {} }]"#;
    let protocol =
        |protocol: &str| ingress(&format!(r#"{{ "action": "Accept", {all}, "protocols": {protocol} }}"#));
    let cases = [
        (
            r#"{ "tier": "Top", "subject": { "namespaces": {} } }"#.to_string(),
            r#"spec.tier: "Top" is not one of these: Admin or Baseline"#,
        ),
        (
            r#"{ "tier": "Admin", "priority": 1001, "subject": { "namespaces": {} } }"#.to_string(),
            "spec.priority: priority 1001 is not in 0..=1000",
        ),
        (r#"{ "tier": "Admin" }"#.to_string(), "spec.subject: needs exactly one of namespaces or pods"),
        (
            r#"{ "tier": "Admin", "subject": { "namespaces": {}, "pods": {} } }"#.to_string(),
            "spec.subject: needs exactly one of namespaces or pods",
        ),
        (
            r#"{ "tier": "Admin", "subject": { "namespaces": {}, "hosts": {} } }"#.to_string(),
            "spec.subject.hosts: unknown field",
        ),
        (spec(r#""audit": true"#), "spec.audit: unknown field"),
        (
            ingress(&format!(r#"{{ "action": "Allow", {all} }}"#)),
            r#"spec.ingress[0].action: "Allow" is not one of these: Accept, Deny or Pass"#,
        ),
        (ingress(r#"{ "action": "Deny" }"#), "spec.ingress[0].from: needs at least one item"),
        (
            ingress(r#"{ "action": "Deny", "from": [{}] }"#),
            "spec.ingress[0].from[0]: needs exactly one of namespaces or pods",
        ),
        (
            ingress(&format!(r#"{{ "action": "Deny", {all}, "to": [] }}"#)),
            "spec.ingress[0].to: unknown field",
        ),
        (
            ingress(&format!(r#"{{ "action": "Deny", {all}, "ports": [] }}"#)),
            "spec.ingress[0].ports: unknown field",
        ),
        (
            egress(r#"{ "action": "Deny", "to": [{}] }"#),
            "spec.egress[0].to[0]: needs exactly one of namespaces, pods, nodes or networks",
        ),
        (
            egress(r#"{ "action": "Accept", "to": [{ "domainNames": ["example.org"] }] }"#),
            "spec.egress[0].to[0].domainNames: domain names are not enforced",
        ),
        (
            egress(r#"{ "action": "Accept", "to": [{ "networks": [] }] }"#),
            "spec.egress[0].to[0].networks: needs at least one item",
        ),
        (
            egress(r#"{ "action": "Accept", "to": [{ "networks": ["fd00::/64", "fd00::/129"] }] }"#),
            "spec.egress[0].to[0].networks[1]: prefix length 129 exceeds 128",
        ),
        (
            egress(r#"{ "action": "Accept", "to": [{ "nodes": { "matchLabels": { "": "" } } }] }"#),
            "spec.egress[0].to[0].nodes: `` is no label name",
        ),
        (
            egress(
                r#"{ "action": "Accept", "to": [{ "networks": ["10.0.0.0/8"] }], "protocols": [{ "destinationNamedPort": "web" }] }"#,
            ),
            "spec.egress[0].to: peers that are no pods have no named ports",
        ),
        (protocol("[]"), "spec.ingress[0].protocols: needs at least one item"),
        (
            protocol("[{}]"),
            "spec.ingress[0].protocols[0]: needs exactly one of tcp, udp, sctp or destinationNamedPort",
        ),
        (protocol(r#"[{ "icmp": {} }, { "tcp": {} }]"#), "spec.ingress[0].protocols[0].icmp: unknown field"),
        (protocol(r#"[{ "tcp": { "flags": 1 } }]"#), "spec.ingress[0].protocols[0].tcp.flags: unknown field"),
        (
            protocol(r#"[{ "tcp": { "destinationPort": {} } }]"#),
            "spec.ingress[0].protocols[0].tcp.destinationPort: needs exactly one of number or range",
        ),
        (
            protocol(r#"[{ "udp": { "destinationPort": { "number": 0 } } }]"#),
            "spec.ingress[0].protocols[0].udp.destinationPort.number: port 0 is not in 1..=65535",
        ),
        (
            protocol(r#"[{ "udp": { "destinationPort": { "range": { "start": 9, "end": 8 } } } }]"#),
            "spec.ingress[0].protocols[0].udp.destinationPort.range.end: port range 9:8 ends before it begins",
        ),
        (
            protocol(r#"[{ "destinationNamedPort": "a b" }]"#),
            "spec.ingress[0].protocols[0].destinationNamedPort: is no port name: expected 1 to 128 of [a-zA-Z0-9_.-]",
        ),
    ];
    for (document, want) in cases {
        let errors = texts(read::<ClusterNetworkPolicySpec>(&document).validate());
        assert_eq!(errors.first().map(String::as_str), Some(want), "{document}");
    }
    let ingress_nodes = r#"{ "action": "Deny", "from": [{ "nodes": {} }] }"#;
    let errors = texts(read::<ClusterNetworkPolicySpec>(&ingress(ingress_nodes)).validate());
    assert!(errors.contains(&"spec.ingress[0].from[0].nodes: unknown field".to_string()), "{errors:?}");
}

#[test]
fn faults_of_the_older_kinds_are_named() {
    let spec = |action: &str, ports: &str| {
        format!(
            r#"{{ "subject": {{ "namespaces": {{}} }}, "ingress":
                [{{ "action": "{action}", "from": [{{ "namespaces": {{}} }}], "ports": {ports} }}] }}"#
        )
    };
    let right = r#"[{ "namedPort": "web" }, { "portNumber": { "port": 80 } },
                    { "portRange": { "protocol": "UDP", "start": 8, "end": 9 } }]"#;
    assert_eq!(read::<AdminNetworkPolicySpec>(&spec("Pass", right)).validate(), []);
    assert_eq!(read::<BaselineAdminNetworkPolicySpec>(&spec("Deny", right)).validate(), []);
    let cases = [
        (
            spec("Accept", right),
            r#"spec.ingress[0].action: "Accept" is not one of these: Allow, Deny or Pass"#,
        ),
        (spec("Allow", "[]"), "spec.ingress[0].ports: needs at least one item"),
        (
            spec("Allow", "[{}]"),
            "spec.ingress[0].ports[0]: needs exactly one of portNumber, namedPort or portRange",
        ),
        (
            spec("Allow", r#"[{ "portNumber": { "port": 80, "protocol": "tcp" } }]"#),
            r#"spec.ingress[0].ports[0].portNumber.protocol: "tcp" is not one of these: TCP, UDP or SCTP"#,
        ),
        (
            spec("Allow", r#"[{ "portRange": { "start": 0, "end": 8 } }]"#),
            "spec.ingress[0].ports[0].portRange.start: port 0 is not in 1..=65535",
        ),
    ];
    for (document, want) in cases {
        assert_eq!(texts(read::<AdminNetworkPolicySpec>(&document).validate()), [want], "{document}");
    }
    assert_eq!(
        texts(read::<BaselineAdminNetworkPolicySpec>(&spec("Pass", right)).validate()),
        [r#"spec.ingress[0].action: "Pass" is not one of these: Allow or Deny"#]
    );
    let protocols = r#"{ "subject": { "namespaces": {} }, "egress":
        [{ "action": "Allow", "to": [{ "namespaces": {} }], "protocols": [{ "tcp": {} }] }] }"#;
    assert_eq!(
        texts(read::<AdminNetworkPolicySpec>(protocols).validate()),
        ["spec.egress[0].protocols: unknown field"]
    );
}

/// A pod that a namespace opens, and whether a packet reaches it.
struct Open(Inputs);

impl Open {
    fn new() -> Self {
        let mut inputs = Inputs::new();
        let namespace: tortie_policy::k8s::Namespace = read(r#"{ "metadata": { "name": "shop" } }"#);
        let (name, spec) = namespace.profile();
        assert_eq!(inputs.insert_profile(&name, &spec), []);
        inputs.insert_endpoint(Endpoint {
            id: "shop/web".into(),
            interface: "cali0".into(),
            namespace: Some("shop".into()),
            labels: [("projectcalico.org/orchestrator".to_string(), "k8s".to_string())].into(),
            profiles: vec![name],
            addresses: vec!["10.0.0.1".parse().unwrap()],
            ..Endpoint::default()
        });
        Self(inputs)
    }

    fn is_reached(&self) -> bool {
        evaluate(&self.0, &Self::flow()).verdict == Verdict::Allow
    }

    fn flow() -> Flow {
        Flow::tcp("192.0.2.1:40000".parse().unwrap(), "10.0.0.1:80".parse().unwrap())
    }

    fn cluster(&mut self, tier: &str, more: &str) {
        let document = format!(r#"{{ "tier": "{tier}", "subject": {{ "namespaces": {{}} }}, {more} }}"#);
        self.0.insert_cluster_network_policy("policy", &read(&document));
    }
}

#[test]
fn a_rule_with_a_fault_lets_nothing_pass() {
    let mut open = Open::new();
    assert!(open.is_reached());
    let from = r#""from": [{ "zones": {} }]"#;
    open.cluster("Admin", &format!(r#""ingress": [{{ "action": "Accept", {from} }}]"#));
    assert!(open.is_reached(), "what accepts is left out");
    for action in ["Deny", "Pass", "Reject"] {
        open.cluster("Admin", &format!(r#""ingress": [{{ "action": "{action}", {from} }}]"#));
        assert!(!open.is_reached(), "{action}");
        open.cluster("Baseline", &format!(r#""ingress": [{{ "action": "{action}", {from} }}]"#));
        assert!(!open.is_reached(), "{action}");
    }
    let key = PolicyKey::of_kind(PolicyKind::KubernetesClusterNetworkPolicy, None, "policy");
    assert!(open.0.remove_policy(&key));

    let spec = r#"{ "ingress": [{ "from": [{ "zone": "x", "podSelector": {} }] }] }"#;
    assert_eq!(open.0.insert_kubernetes_network_policy("shop", "policy", &read(spec)).len(), 1);
    assert!(!open.is_reached(), "the pod is isolated all the same");
    let key = PolicyKey::of_kind(PolicyKind::KubernetesNetworkPolicy, Some("shop"), "policy");
    assert!(open.0.remove_policy(&key) && open.is_reached());
}

#[test]
fn the_last_version_without_a_fault_stays() {
    let mut open = Open::new();
    let allow = r#"{ "ingress": [{}] }"#;
    let wrong =
        r#"{ "podSelector": { "matchExpressions": [{ "key": "a", "operator": "Gt" }] }, "ingress": [{}] }"#;
    assert_eq!(open.0.insert_kubernetes_network_policy("shop", "policy", &read(allow)), []);
    assert_eq!(open.0.insert_kubernetes_network_policy("shop", "policy", &read(wrong)).len(), 1);
    assert!(open.is_reached());
    let key = PolicyKey::of_kind(PolicyKind::KubernetesNetworkPolicy, Some("shop"), "policy");
    assert!(open.0.remove_policy(&key));
    open.0.insert_kubernetes_network_policy("shop", "policy", &read(wrong));
    assert!(!open.is_reached(), "without one, it denies");
    assert!(open.0.remove_policy(&key));

    open.cluster("Sideways", r#""ingress": [{ "action": "Accept", "from": [{ "namespaces": {} }] }]"#);
    assert!(!open.is_reached(), "nobody knows what it comes before");
    open.cluster("Admin", r#""ingress": []"#);
    assert!(open.is_reached());
    let nobody = r#"{ "tier": "Admin", "subject": {}, "ingress": [{ "action": "Deny", "from": [{ "namespaces": {} }] }] }"#;
    open.0.insert_cluster_network_policy("policy", &read(nobody));
    assert!(open.is_reached());
    open.0.insert_cluster_network_policy("other", &read(nobody));
    assert!(!open.is_reached(), "nobody knows whom it governs");
}

#[test]
fn unknown_fields_survive() {
    let documents = [
        r#"{"podSelector":{"matchFields":{"a":[1,null]}},"ingress":[{"from":[{"podSelector":{},"zone":"x"}],"ports":[{"port":"web","flags":1}],"via":true}],"extra":1.5}"#,
    ];
    for document in documents {
        let spec: NetworkPolicySpec = read(document);
        let again = serde_json::to_value(&spec).unwrap();
        assert_eq!(again, read::<serde_json::Value>(document));
    }
    let document = r#"{"tier":"Admin","priority":1,"subject":{"pods":{"namespaceSelector":{},"podSelector":{"x":1}}},"egress":[{"action":"Deny","to":[{"networks":["10.0.0.0/8"],"y":2}],"protocols":[{"tcp":{"destinationPort":{"number":80,"z":3}}}]}]}"#;
    let spec: ClusterNetworkPolicySpec = read(document);
    assert_eq!(serde_json::to_value(&spec).unwrap(), read::<serde_json::Value>(document));
}

/// Thousands of peers and ports are no fault here: the API of Kubernetes has limits of its own.
#[test]
fn large_documents_are_converted_whole() {
    let ports: Vec<_> = (1..=3000).map(|n| format!(r#"{{ "port": {} }}"#, n * 2)).collect();
    let except: Vec<_> = (0..2000).map(|n| format!("\"10.{}.{}.0/24\"", n / 250, n % 250)).collect();
    let spec = format!(
        r#"{{ "ingress": [{{ "ports": [{}], "from": [{{ "ipBlock": {{ "cidr": "0.0.0.0/0", "except": [{}] }} }}] }}] }}"#,
        ports.join(","),
        except.join(",")
    );
    let mut open = Open::new();
    assert_eq!(open.0.insert_kubernetes_network_policy("shop", "policy", &read(&spec)), []);
    assert!(open.is_reached());
    let rule = r#"{ "from": [{ "podSelector": {} }] }"#;
    let spec = format!(r#"{{ "ingress": [{}] }}"#, vec![rule; 1500].join(","));
    assert_eq!(open.0.insert_kubernetes_network_policy("shop", "policy", &read(&spec)), []);
    assert!(!open.is_reached());
}

/// A draft isolates nobody, but the evaluator says what it would do.
#[test]
fn a_draft_is_judged_and_not_enforced() {
    let mut open = Open::new();
    let key = PolicyKey::of_kind(PolicyKind::StagedKubernetesNetworkPolicy, Some("shop"), "draft");
    let draft = |text| read::<StagedKubernetesNetworkPolicySpec>(text);
    assert_eq!(draft(r#"{ "stagedAction": "Delete" }"#).validate(), []);
    let full = texts(
        draft(r#"{ "stagedAction": "Delete", "podSelector": {}, "policyTypes": ["Ingress"] }"#).validate(),
    );
    assert_eq!(full.len(), 1, "{full:?}");
    assert!(full[0].starts_with("spec.stagedAction: "), "{full:?}");
    let odd = texts(draft(r#"{ "stagedAction": "Perhaps", "podSelector": {}, "moon": 1 }"#).validate());
    assert_eq!(odd.len(), 2, "{odd:?}");

    let isolate = draft(r#"{ "podSelector": {} }"#);
    assert_eq!(open.0.insert_policy(key.clone(), &isolate), []);
    assert!(open.is_reached());
    let trace = evaluate(&open.0, &Open::flow()).to_string();
    assert!(trace.contains("with staged policies enforced: deny"), "{trace}");
    assert!(trace.contains("StagedKubernetesNetworkPolicy shop/draft"), "{trace}");
    // One that takes an enforced policy away.
    let enforced = PolicyKey::of_kind(PolicyKind::KubernetesNetworkPolicy, Some("shop"), "draft");
    assert_eq!(open.0.insert_policy(enforced, &isolate.spec), []);
    assert!(!open.is_reached());
    assert_eq!(open.0.insert_policy(key, &draft(r#"{ "stagedAction": "Delete" }"#)), []);
    assert!(!open.is_reached());
    let trace = evaluate(&open.0, &Open::flow()).to_string();
    assert!(trace.contains("with staged policies enforced: allow"), "{trace}");
}
