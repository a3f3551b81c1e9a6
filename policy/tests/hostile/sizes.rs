//! More of everything than is sensible.

use core::net::SocketAddr;
use std::time::Instant;

use tortie_policy::model::{GlobalNetworkPolicySpec, NetworkPolicySpec};
use tortie_policy::{Flow, Host, Packet, Place, PolicyKey, Program, Resolver, ResolverStats, Verdict};

use crate::{both, endpoint, judged, verdict};

/// Policies by the ten thousand.
const POLICIES: usize = 10_000;
/// Workloads of this host.
const ENDPOINTS: u16 = 100;

fn policy(index: usize, port: usize) -> GlobalNetworkPolicySpec {
    let text = format!(
        r#"{{ "order": {index}, "selector": "app == 'a{}'", "types": ["Ingress"], "ingress": [
            {{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "app == 'a{}'" }},
               "destination": {{ "ports": [{port}] }} }}] }}"#,
        index % usize::from(ENDPOINTS),
        index % 50
    );
    serde_json::from_str(&text).unwrap()
}

fn did(before: ResolverStats, after: ResolverStats) -> [u64; 3] {
    let did = |of: fn(&ResolverStats) -> u64| of(&after) - of(&before);
    [did(|stats| stats.lists_made), did(|stats| stats.chains_compiled), did(|stats| stats.set_changes)]
}

/// Memory of this process that is its own, in octets; 0 where nobody tells.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or_default() * 1024
}

/// Ten thousand policies, a hundred of them for each workload; then a change costs what it affects.
#[test]
fn policies_by_the_ten_thousand() {
    let before = memory();
    let start = Instant::now();
    let mut resolver = Resolver::new(Host::new("here"), |_| true);
    resolver.set_in_sync();
    for number in 0..ENDPOINTS {
        resolver.insert_endpoint(&endpoint(number, &[("app", &format!("a{number}"))]));
    }
    for index in 0..POLICIES {
        let faults = resolver.insert_global_network_policy(&format!("policy-{index}"), &policy(index, 80));
        assert_eq!(faults, []);
    }
    let loaded = start.elapsed();
    let mut program = Program::default();
    program.apply(resolver.flush());
    let memory = memory().saturating_sub(before);
    println!(
        "{POLICIES} policies, {ENDPOINTS} workloads: loaded in {loaded:?}, resolved and compiled after {:?}, {} MiB",
        start.elapsed(),
        memory >> 20
    );
    assert!(memory < 400 << 20, "{memory}");
    let stats = resolver.stats();
    assert_eq!((stats.policies, stats.active_policies), (POLICIES, POLICIES));
    assert_eq!(stats.lists_made, u64::from(ENDPOINTS));

    // One policy has another port: one list; its chain, its tier's, and that of the list.
    let stats = resolver.stats();
    assert_eq!(resolver.insert_global_network_policy("policy-7", &policy(7, 81)), []);
    let delta = resolver.flush();
    assert_eq!((delta.chains.len(), delta.sets_changed.len(), delta.dispatch.len()), (1, 0, 0));
    program.apply(delta);
    let [lists, chains, members] = did(stats, resolver.stats());
    assert!(lists == 1 && chains <= 3 && members == 0, "{lists} {chains} {members}");
    // A workload changes its label: the two hundred policies of both labels, none of the other.
    let stats = resolver.stats();
    resolver.insert_endpoint(&endpoint(7, &[("app", "a8")]));
    program.apply(resolver.flush());
    let [lists, chains, members] = did(stats, resolver.stats());
    assert!(lists == 1 && chains <= 3 && members <= 4, "{lists} {chains} {members}");
    // A policy goes.
    let stats = resolver.stats();
    assert!(resolver.remove_policy(&PolicyKey::global("policy-99")));
    program.apply(resolver.flush());
    let [lists, chains, members] = did(stats, resolver.stats());
    assert!(lists == 1 && chains <= 3 && members == 0, "{lists} {chains} {members}");
}

/// Whatever way to say "all", on every workload, in rules and on both ends; one workload more costs one member of each set.
#[test]
fn selectors_that_match_everything() {
    let everything = [
        "all()",
        "",
        "has(x) || !has(x)",
        "x == 'y' || x != 'y'",
        "!(has(x) && !has(x))",
        "x not in {}",
        "(((((((all())))))))",
        "projectcalico.org/namespace == 'ns' && all()",
    ];
    let mut both = both();
    let labels: Vec<(String, String)> =
        (0..50).map(|index| (format!("label-{index}"), "value".repeat(10))).collect();
    let labels: Vec<(&str, &str)> =
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let workload = |number: u16| {
        let mut workload = endpoint(number, &labels);
        workload.namespace = Some("ns".into());
        tortie_policy::testing::Object::Endpoint(workload)
    };
    let start = Instant::now();
    for number in 1..=2000 {
        both.insert(&workload(number));
    }
    for (index, selector) in everything.into_iter().enumerate() {
        let mut spec: NetworkPolicySpec = serde_json::from_str(
            r#"{ "types": ["Ingress", "Egress"], "ingress": [{ "action": "Allow", "protocol": "TCP" }],
                 "egress": [{ "action": "Allow", "protocol": "TCP" }] }"#,
        )
        .unwrap();
        spec.selector = Some(selector.into());
        spec.ingress[0].source.selector = Some(selector.into());
        spec.egress[0].destination.selector = Some(selector.into());
        spec.ingress[0].destination.ports = vec![u16::try_from(80 + index).unwrap().into()];
        let key = PolicyKey::namespaced("ns", format!("policy-{index}"));
        let spec = tortie_policy::testing::Spec::Namespaced(Box::new(spec));
        both.insert(&tortie_policy::testing::Object::Policy(key, spec));
    }
    let mut kept = Program::default();
    kept.apply(both.resolver.flush());
    println!("{} selectors of everything, 2000 workloads: {:?}", everything.len(), start.elapsed());
    // One chain for all, and the same sets.
    assert_eq!(kept.dispatch.len(), 2000);
    assert!(
        kept.chains.len() < 40 && kept.sets.len() <= everything.len(),
        "{} {}",
        kept.chains.len(),
        kept.sets.len()
    );
    let stats = both.resolver.stats();
    both.insert(&workload(2001));
    let delta = both.resolver.flush();
    assert_eq!((delta.chains.len(), delta.dispatch.len()), (0, 1));
    let sets = kept.sets.len() as u64;
    kept.apply(delta);
    assert_eq!(did(stats, both.resolver.stats()), [1, 0, sets]);
    let ask = |port, to: u16| {
        let [high, low] = to.to_be_bytes();
        let to_name = format!("cali{to}");
        let flow = Flow::tcp(
            SocketAddr::new([10, 0, 0, 1].into(), 4000),
            SocketAddr::new([10, 0, high, low].into(), port),
        );
        let packet = Packet::new(Place::Workload("cali1"), Place::Workload(&to_name), flow);
        judged(&both.inputs, core::slice::from_ref(&kept), &packet)
    };
    for port in 80..88 {
        assert_eq!(ask(port, 2001), Verdict::Allow, "{port}");
    }
    assert_eq!(ask(88, 2001), Verdict::Deny);
    let stranger =
        Flow::tcp(SocketAddr::new([192, 0, 2, 1].into(), 4000), SocketAddr::new([10, 0, 0, 2].into(), 80));
    let packet = Packet::new(Place::Interface("eth0"), Place::Workload("cali2"), stranger);
    assert_eq!(verdict(&both.inputs, &packet), Verdict::Deny, "all are workloads, and no one else");
}
