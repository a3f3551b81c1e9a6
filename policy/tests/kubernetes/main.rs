//! Policies of Kubernetes mean what the documentation of its API says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code: a panic is a failed test")]

mod faults;
mod objects;
mod random;
mod twin;

use core::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use tortie_policy::k8s::{Container, ContainerPort, Namespace, ObjectMeta, Pod, PodIp, PodSpec, PodStatus};
use tortie_policy::{
    Flow, Host, Inputs, Packet, Place, PolicyKey, PolicyKind, Program, Resolver, Transport, Verdict, compile,
    evaluate, interpret, resolve,
};

use twin::{Attempt, Cluster, TwinPod};

fn pod(twin: &TwinPod) -> Pod {
    let port = |(name, protocol, port): &(String, String, u16)| ContainerPort {
        name: Some(name.clone()),
        container_port: i64::from(*port),
        protocol: Some(protocol.clone()),
        ..ContainerPort::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: twin.name.clone(),
            namespace: Some(twin.namespace.clone()),
            labels: twin.labels.clone(),
            ..ObjectMeta::default()
        },
        spec: PodSpec {
            node_name: Some("node".into()),
            containers: vec![Container {
                ports: twin.ports.iter().map(port).collect(),
                ..Container::default()
            }],
            ..PodSpec::default()
        },
        status: PodStatus {
            pod_ips: twin
                .addresses
                .iter()
                .map(|ip| PodIp { ip: ip.to_string(), ..PodIp::default() })
                .collect(),
            ..PodStatus::default()
        },
        ..Pod::default()
    }
}

fn inputs(cluster: &Cluster) -> Inputs {
    let mut inputs = Inputs::new();
    for (name, labels) in &cluster.namespaces {
        let metadata = ObjectMeta { name: name.clone(), labels: labels.clone(), ..ObjectMeta::default() };
        let (name, spec) = Namespace { metadata, ..Namespace::default() }.profile();
        assert_eq!(inputs.insert_profile(&name, &spec), []);
    }
    for (index, node) in cluster.nodes.iter().enumerate() {
        inputs.insert_node(&format!("node-{index}"), &node.labels, &node.addresses);
    }
    for (index, twin) in cluster.pods.iter().enumerate() {
        inputs.insert_endpoint(pod(twin).endpoint(&format!("cali{index}")).unwrap());
    }
    for (index, (namespace, spec)) in cluster.policies.iter().enumerate() {
        inputs.insert_kubernetes_network_policy(namespace, &format!("policy-{index}"), spec);
    }
    for (index, spec) in cluster.cluster_policies.iter().enumerate() {
        inputs.insert_cluster_network_policy(&format!("policy-{index}"), spec);
    }
    inputs
}

/// The program that is kept, of the same.
fn kept(cluster: &Cluster, inputs: &Inputs) -> Program {
    let mut resolver = Resolver::new(Host::new("node"), |_| true);
    for (name, labels) in &cluster.namespaces {
        let metadata = ObjectMeta { name: name.clone(), labels: labels.clone(), ..ObjectMeta::default() };
        let (name, spec) = Namespace { metadata, ..Namespace::default() }.profile();
        resolver.insert_profile(&name, &spec);
    }
    for (index, node) in cluster.nodes.iter().enumerate() {
        resolver.insert_node(&format!("node-{index}"), &node.labels, &node.addresses);
    }
    inputs.endpoints().for_each(|endpoint| resolver.insert_endpoint(endpoint));
    for (index, (namespace, spec)) in cluster.policies.iter().enumerate() {
        let (kind, name) = (PolicyKind::KubernetesNetworkPolicy, format!("policy-{index}"));
        resolver.insert_policy(PolicyKey::of_kind(kind, Some(namespace), name), spec);
    }
    for (index, spec) in cluster.cluster_policies.iter().enumerate() {
        let (kind, name) = (PolicyKind::KubernetesClusterNetworkPolicy, format!("policy-{index}"));
        resolver.insert_policy(PolicyKey::of_kind(kind, None, name), spec);
    }
    resolver.set_in_sync();
    let mut program = Program::default();
    program.apply(resolver.flush());
    program
}

fn flow(attempt: &Attempt) -> Flow {
    let (source, destination) =
        (SocketAddr::new(attempt.source, 40_000), SocketAddr::new(attempt.destination, attempt.port));
    let (source_port, destination_port) = (source.port(), destination.port());
    match attempt.protocol.as_str() {
        "TCP" => Flow::tcp(source, destination),
        "UDP" => Flow::udp(source, destination),
        "SCTP" => Flow::new(source.ip(), destination.ip(), Transport::Sctp { source_port, destination_port }),
        _ => Flow::new(source.ip(), destination.ip(), Transport::Other(47)),
    }
}

/// Every pod and some others, to every other, by every protocol and port.
fn attempts(cluster: &Cluster) -> Vec<Attempt> {
    let others = cluster.nodes.iter().flat_map(|node| node.addresses.iter().copied());
    let mut places: Vec<IpAddr> = cluster.pods.iter().flat_map(|pod| pod.addresses.iter().copied()).collect();
    places.extend(others);
    places.extend(random::OUTSIDE.map(|address| address.parse::<IpAddr>().unwrap()));
    let mut attempts = Vec::new();
    for source in &places {
        for destination in
            places.iter().filter(|address| *address != source && address.is_ipv4() == source.is_ipv4())
        {
            for protocol in ["TCP", "UDP", "SCTP", "GRE"] {
                for port in random::PORTS {
                    let (source, destination) = (*source, *destination);
                    attempts.push(Attempt { source, destination, protocol: protocol.into(), port });
                }
            }
        }
    }
    attempts
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    ProptestConfig { cases: if long { 4096 } else { 256 }, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn evaluator_and_program_agree_with_the_documentation(cluster in random::cluster()) {
        let inputs = inputs(&cluster);
        let program = compile(&resolve(&inputs, &Host::new("node"), |_| true));
        prop_assert_eq!(&kept(&cluster, &inputs), &program);
        for attempt in attempts(&cluster) {
            let flow = flow(&attempt);
            let allowed = cluster.allows(&attempt);
            let evaluation = evaluate(&inputs, &flow);
            prop_assert_eq!(evaluation.verdict == Verdict::Allow, allowed, "allowed: {}; {}", allowed, evaluation);
            let place = |address| match inputs.endpoint_at(address) {
                Some(endpoint) => Place::Workload(&endpoint.interface),
                None => Place::Interface("eth0"),
            };
            let packet = Packet::new(place(flow.source), place(flow.destination), flow);
            prop_assert_eq!(interpret(&program, &packet).verdict() == Verdict::Allow, allowed, "{}", evaluation);
        }
    }
}

/// In the older kinds a port is named without a protocol: whatever the pod gives that name is meant.
#[test]
fn a_port_of_the_older_kinds_is_named_for_every_protocol() {
    let text = r#"{ "priority": 1, "subject": { "namespaces": {} }, "ingress": [
        { "action": "Deny", "from": [{ "namespaces": {} }], "ports": [{ "namedPort": "web" }] }] }"#;
    let address = |last: u8| IpAddr::from([10, 0, 0, last]);
    let ports = [("web", "TCP", 80), ("web", "UDP", 81), ("dns", "UDP", 443)];
    let twin = |last: u8| TwinPod {
        name: format!("pod-{last}"),
        namespace: "a".into(),
        labels: twin::Labels::new(),
        addresses: vec![address(last)],
        ports: ports.map(|(name, protocol, port)| (name.into(), protocol.into(), port)).into(),
    };
    let cluster = Cluster {
        namespaces: [("a".to_string(), twin::Labels::new())].into(),
        pods: vec![twin(1), twin(2)],
        ..Cluster::default()
    };
    let mut inputs = inputs(&cluster);
    assert_eq!(inputs.insert_admin_network_policy("named", &serde_json::from_str(text).unwrap()), []);
    for (protocol, port, allowed) in
        [("TCP", 80, false), ("UDP", 81, false), ("UDP", 80, true), ("TCP", 81, true), ("UDP", 443, true)]
    {
        let (source, destination) = (address(1), address(2));
        let attempt = Attempt { source, destination, protocol: protocol.into(), port };
        let evaluation = evaluate(&inputs, &flow(&attempt));
        assert_eq!(evaluation.verdict == Verdict::Allow, allowed, "{evaluation}");
    }
}
