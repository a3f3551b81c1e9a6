//! Random clusters: few labels and addresses, so that selectors hit and miss.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tortie_policy::k8s::{
    ClusterEgressRule, ClusterIngressRule, ClusterNetworkPolicySpec, ClusterPeer, ClusterProtocol,
    DestinationPort, IntOrString, IpBlock, LabelSelector, NamespacedPod, NetworkPolicyEgressRule,
    NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec, NumberOrRange,
    Requirement, StartEnd, Subject,
};
use tortie_policy::model::PolicyType;

use crate::twin::{Cluster, Labels, TwinNode, TwinPod};

/// Addresses of nobody.
pub(crate) const OUTSIDE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// Destination ports of attempts.
pub(crate) const PORTS: [u16; 4] = [80, 81, 443, 8080];

const CIDRS: &[&str] = &[
    "10.0.0.0/8",
    "10.0.0.0/30",
    "10.0.0.2/32",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "172.18.0.0/16",
    "fd00::/16",
    "fd00::2/127",
    "2001:db8::/32",
    "::/0",
];
/// What except may leave out: never everything, and never of another family than what it is left out of.
const EXCEPTS: [&[&str]; 2] =
    [&["10.0.0.0/31", "10.0.0.3/32", "192.0.2.1/32"], &["fd00::3/128", "fd00::/126"]];

fn text(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(String::from)
}

fn labels() -> impl Strategy<Value = Labels> {
    let label = |values: &'static [&'static str]| option::weighted(0.7, text(values));
    (label(&["web", "db"]), label(&["red", "blue"]), prop::bool::weighted(0.1)).prop_map(
        |(app, team, evil)| {
            let mut labels = BTreeMap::new();
            labels.extend(app.map(|value| ("app".to_string(), value)));
            labels.extend(team.map(|value| ("team".to_string(), value)));
            if evil {
                // What is not for a pod to say.
                labels.insert("pcns.team".to_string(), "red".to_string());
                labels.insert("projectcalico.org/namespace".to_string(), "a".to_string());
            }
            labels
        },
    )
}

/// A selector; now and then one with a fault.
fn selector() -> impl Strategy<Value = LabelSelector> {
    let values = vec(text(&["web", "db", "red", "blue"]), 1..3);
    let key = text(&["app", "team"]);
    let right = prop_oneof![
        (select(&["In", "NotIn"][..]), values).prop_map(|(operator, values)| (operator.to_string(), values)),
        text(&["Exists", "DoesNotExist"]).prop_map(|operator| (operator, Vec::new())),
    ];
    let wrong = select(&["In", "Gt"][..]).prop_map(|operator| (operator.to_string(), Vec::new()));
    let comparison = prop_oneof![30 => right, 1 => wrong];
    let requirement = (key, comparison).prop_map(|(key, (operator, values))| Requirement {
        key,
        operator,
        values,
        ..Requirement::default()
    });
    (option::weighted(0.3, text(&["web", "db"])), vec(requirement, 0..2)).prop_map(
        |(app, match_expressions)| {
            let match_labels = app.into_iter().map(|value| ("app".to_string(), value)).collect();
            LabelSelector { match_labels, match_expressions, ..LabelSelector::default() }
        },
    )
}

/// A selector without a fault: of what a policy governs.
fn right_selector() -> impl Strategy<Value = LabelSelector> {
    selector().prop_map(|mut selector| {
        selector.match_expressions.retain(|requirement| match requirement.operator.as_str() {
            "In" => !requirement.values.is_empty(),
            operator => operator != "Gt",
        });
        selector
    })
}

fn ip_block() -> impl Strategy<Value = IpBlock> {
    (prop_oneof![30 => text(CIDRS), 1 => text(&["10.0.0.0/33", "10.0.0.1", "all"])], vec(0..3usize, 0..2))
        .prop_map(|(cidr, except)| {
            let family = EXCEPTS[usize::from(cidr.contains(':'))];
            let except = except.into_iter().map(|at| family[at % family.len()].to_string()).collect();
            IpBlock { cidr, except, ..IpBlock::default() }
        })
}

fn peer() -> impl Strategy<Value = NetworkPolicyPeer> {
    let pods =
        (option::of(selector()), option::of(selector())).prop_map(|(pod_selector, namespace_selector)| {
            NetworkPolicyPeer { pod_selector, namespace_selector, ..NetworkPolicyPeer::default() }
        });
    let block = ip_block()
        .prop_map(|block| NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() });
    prop_oneof![3 => pods, 2 => block]
}

fn port() -> impl Strategy<Value = NetworkPolicyPort> {
    let number = || prop_oneof![30 => select(&PORTS[..]).prop_map(i64::from), 1 => select(vec![0i64, 65536])];
    let which = prop_oneof![
        1 => Just((None, None)),
        4 => number().prop_map(|port| (Some(IntOrString::Int(port)), None)),
        2 => (number(), number()).prop_map(|(port, end)| (Some(IntOrString::Int(port)), Some(end))),
        3 => text(&["http", "dns", "none"]).prop_map(|name| (Some(IntOrString::String(name)), None)),
    ];
    let protocol = prop_oneof![2 => Just(None), 3 => select(&["TCP", "UDP", "SCTP"][..]).prop_map(Some)];
    (protocol, which).prop_map(|(protocol, (port, end_port))| NetworkPolicyPort {
        protocol: protocol.map(String::from),
        port,
        end_port,
        ..NetworkPolicyPort::default()
    })
}

fn policy() -> impl Strategy<Value = NetworkPolicySpec> {
    let types = select(vec![
        vec![],
        vec![PolicyType::Ingress],
        vec![PolicyType::Egress],
        vec![PolicyType::Ingress, PolicyType::Egress],
    ]);
    let rule = || (vec(peer(), 0..3), vec(port(), 0..4));
    (right_selector(), types, vec(rule(), 0..3), vec(rule(), 0..3)).prop_map(
        |(pod_selector, policy_types, ingress, egress)| NetworkPolicySpec {
            pod_selector,
            policy_types,
            ingress: (ingress.into_iter())
                .map(|(from, ports)| NetworkPolicyIngressRule {
                    from,
                    ports,
                    ..NetworkPolicyIngressRule::default()
                })
                .collect(),
            egress: (egress.into_iter())
                .map(|(to, ports)| NetworkPolicyEgressRule {
                    to,
                    ports,
                    ..NetworkPolicyEgressRule::default()
                })
                .collect(),
            ..NetworkPolicySpec::default()
        },
    )
}

fn namespaced_pod(
    selector: impl Strategy<Value = LabelSelector> + Clone,
) -> impl Strategy<Value = NamespacedPod> {
    (selector.clone(), selector).prop_map(|(namespace_selector, pod_selector)| NamespacedPod {
        namespace_selector,
        pod_selector,
        ..NamespacedPod::default()
    })
}

fn cluster_peer(egress: bool) -> BoxedStrategy<ClusterPeer> {
    let none = ClusterPeer::default;
    let pods = prop_oneof![
        selector().prop_map(move |selector| ClusterPeer { namespaces: Some(selector), ..none() }),
        namespaced_pod(selector().boxed()).prop_map(move |pods| ClusterPeer { pods: Some(pods), ..none() }),
    ];
    if !egress {
        return pods.boxed();
    }
    let networks = vec(prop_oneof![30 => text(CIDRS), 1 => text(&["10.0.0.0/33"])], 1..3);
    prop_oneof![
        3 => pods,
        1 => selector().prop_map(move |selector| ClusterPeer { nodes: Some(selector), ..none() }),
        2 => networks.prop_map(move |networks| ClusterPeer { networks: Some(networks), ..none() }),
    ]
    .boxed()
}

fn cluster_protocol(names: bool) -> BoxedStrategy<ClusterProtocol> {
    let number = || prop_oneof![30 => select(&PORTS[..]).prop_map(i64::from), 1 => select(vec![0i64, 65536])];
    let one = |number| NumberOrRange { number: Some(number), ..NumberOrRange::default() };
    let range = |(start, end)| NumberOrRange {
        range: Some(StartEnd { start, end, ..StartEnd::default() }),
        ..NumberOrRange::default()
    };
    let port = option::weighted(
        0.9,
        prop_oneof![3 => number().prop_map(one), 1 => (number(), number()).prop_map(range)],
    );
    let numbered = (0..3, port).prop_map(|(protocol, destination_port)| {
        let ports = Some(DestinationPort { destination_port, ..DestinationPort::default() });
        match protocol {
            0 => ClusterProtocol { tcp: ports, ..ClusterProtocol::default() },
            1 => ClusterProtocol { udp: ports, ..ClusterProtocol::default() },
            _ => ClusterProtocol { sctp: ports, ..ClusterProtocol::default() },
        }
    });
    if !names {
        return numbered.boxed();
    }
    let named = text(&["http", "dns", "none"]).prop_map(|name| ClusterProtocol {
        destination_named_port: Some(name),
        ..ClusterProtocol::default()
    });
    prop_oneof![3 => numbered, 1 => named].boxed()
}

fn cluster_policy(priority: i64) -> impl Strategy<Value = ClusterNetworkPolicySpec> {
    let action = || text(&["Accept", "Deny", "Pass"]);
    let subject = prop_oneof![
        right_selector().prop_map(|selector| Subject { namespaces: Some(selector), ..Subject::default() }),
        namespaced_pod(right_selector().boxed())
            .prop_map(|pods| Subject { pods: Some(pods), ..Subject::default() }),
    ];
    let ingress = (action(), vec(cluster_peer(false), 1..3), option::of(vec(cluster_protocol(true), 1..3)))
        .prop_map(|(action, from, protocols)| ClusterIngressRule {
            action,
            from,
            protocols,
            ..ClusterIngressRule::default()
        });
    // Only pods have named ports.
    let to_pods = (vec(cluster_peer(false), 1..3), option::of(vec(cluster_protocol(true), 1..3)));
    let to_any = (vec(cluster_peer(true), 1..3), option::of(vec(cluster_protocol(false), 1..3)));
    let egress = (action(), prop_oneof![to_pods, to_any]).prop_map(|(action, (to, protocols))| {
        ClusterEgressRule { action, to, protocols, ..ClusterEgressRule::default() }
    });
    (text(&["Admin", "Baseline"]), subject, vec(ingress, 0..3), vec(egress, 0..3)).prop_map(
        move |(tier, subject, ingress, egress)| ClusterNetworkPolicySpec {
            tier,
            priority,
            subject,
            ingress,
            egress,
            ..ClusterNetworkPolicySpec::default()
        },
    )
}

/// A cluster of a few pods on both families, in three namespaces.
pub(crate) fn cluster() -> impl Strategy<Value = Cluster> {
    let port = (text(&["http", "dns"]), text(&["TCP", "UDP", "SCTP"]), select(&PORTS[..]));
    let pod = (text(&["a", "b", "c"]), labels(), vec(port, 0..3));
    let namespaces = vec(labels(), 3);
    let nodes = vec(labels(), 2);
    let policies = vec((text(&["a", "b", "c"]), policy()), 0..4);
    let of_cluster = vec(0..1000i64, 0..4).prop_flat_map(|mut priorities| {
        priorities.sort_unstable();
        priorities.dedup();
        priorities.into_iter().map(|priority| cluster_policy(priority).boxed()).collect::<Vec<_>>()
    });
    (namespaces, nodes, vec(pod, 1..5), policies, of_cluster).prop_map(
        |(namespaces, nodes, pods, policies, cluster_policies)| Cluster {
            // What stems from a pod's own label is not a namespace's.
            namespaces: ["a", "b", "c"].map(String::from).into_iter().zip(namespaces).collect(),
            nodes: (1..)
                .zip(nodes)
                .map(|(last, labels)| TwinNode { labels, addresses: vec![[172, 18, 0, last].into()] })
                .collect(),
            pods: (1u16..)
                .zip(pods)
                .map(|(last, (namespace, labels, ports))| TwinPod {
                    name: format!("pod-{last}"),
                    namespace,
                    labels,
                    addresses: vec![
                        [10, 0, 0, last.to_be_bytes()[1]].into(),
                        [0xfd00, 0, 0, 0, 0, 0, 0, last].into(),
                    ],
                    ports,
                })
                .collect(),
            policies,
            cluster_policies,
        },
    )
}
