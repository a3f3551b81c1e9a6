//! How much work a change is: in proportion to what it affects.

use std::collections::BTreeMap;

use tortie_policy::model::{NetworkPolicySpec, ProfileSpec};
use tortie_policy::{Endpoint, Host, PolicyKey, Program, Resolver, ResolverStats};

/// As many endpoints on this host, each in a namespace of its own with policies of its own.
const NAMESPACES: usize = 200;
/// Policies of each namespace.
const POLICIES: usize = 3;

fn endpoint(n: usize, app: &str) -> Endpoint {
    Endpoint {
        id: format!("here/pod-{n}"),
        interface: format!("cali{n}"),
        namespace: Some(format!("ns-{n}")),
        labels: BTreeMap::from([("app".into(), app.into()), ("pod".into(), format!("pod-{n}"))]),
        profiles: vec![format!("kns.ns-{n}")],
        addresses: vec![[10, 0, u8::try_from(n / 200).unwrap(), u8::try_from(n % 200).unwrap()].into()],
        ..Endpoint::default()
    }
}

fn policy(p: usize, port: u16) -> NetworkPolicySpec {
    let selector = ["all()", "app == 'web'", "app == 'db'"][p];
    let spec = format!(
        r#"{{ "selector": "{selector}", "ingress": [{{ "action": "Allow", "protocol": "TCP",
            "source": {{ "selector": "app == 'web'" }}, "destination": {{ "ports": [{port}] }} }}] }}"#
    );
    serde_json::from_str(&spec).unwrap()
}

fn profile(n: usize, stage: &str) -> ProfileSpec {
    let spec = format!(
        r#"{{ "labelsToApply": {{ "pcns.name": "ns-{n}", "pcns.stage": "{stage}" }},
            "ingress": [{{ "action": "Allow" }}], "egress": [{{ "action": "Allow" }}] }}"#
    );
    serde_json::from_str(&spec).unwrap()
}

/// What one change costs: lists that are put together, chains that are compiled, changes in sets.
fn cost(resolver: &mut Resolver, program: &mut Program, change: impl FnOnce(&mut Resolver)) -> [u64; 3] {
    let before = resolver.stats();
    change(resolver);
    program.apply(resolver.flush());
    let after = resolver.stats();
    let did = |of: fn(&ResolverStats) -> u64| of(&after) - of(&before);
    [did(|stats| stats.lists_made), did(|stats| stats.chains_compiled), did(|stats| stats.set_changes)]
}

#[test]
fn a_change_costs_what_it_affects() {
    let mut resolver = Resolver::new(Host::new("here"), |endpoint| endpoint.id.starts_with("here/"));
    let mut program = Program::default();
    for n in 0..NAMESPACES {
        assert!(resolver.insert_profile(&format!("kns.ns-{n}"), &profile(n, "prod")).is_empty());
        resolver.insert_endpoint(&endpoint(n, "web"));
        for p in 0..POLICIES {
            let faults =
                resolver.insert_network_policy(&format!("ns-{n}"), &format!("policy-{p}"), &policy(p, 80));
            assert!(faults.is_empty());
        }
    }
    resolver.set_in_sync();
    program.apply(resolver.flush());
    let stats = resolver.stats();
    assert_eq!((stats.policies, stats.active_policies), (NAMESPACES * POLICIES, NAMESPACES * (POLICIES - 1)));
    assert_eq!(stats.lists_made, NAMESPACES as u64);

    let mut cost = |change: &dyn Fn(&mut Resolver)| cost(&mut resolver, &mut program, change);
    // A label that no selector names costs nothing.
    let unnamed = |resolver: &mut Resolver| {
        let mut endpoint = endpoint(7, "web");
        endpoint.labels.insert("pod".into(), "other".into());
        resolver.insert_endpoint(&endpoint);
    };
    assert_eq!(cost(&unnamed), [0, 0, 0]);
    assert_eq!(cost(&unnamed), [0, 0, 0]);
    // From web to db: one policy less, another more, one member less; the chain of the policy, and of the tier, which is the whole list.
    assert_eq!(cost(&|resolver| resolver.insert_endpoint(&endpoint(7, "db"))), [1, 2, 1]);
    // One policy has another port: its chain, and that of the tier, which may be another with it but is not.
    let port = |resolver: &mut Resolver| {
        assert!(resolver.insert_network_policy("ns-9", "policy-1", &policy(1, 81)).is_empty());
    };
    assert_eq!(cost(&port), [1, 2, 0]);
    assert_eq!(cost(&port), [0, 0, 0]);
    // A policy that governs nothing here.
    let remote = |resolver: &mut Resolver| {
        assert!(resolver.insert_network_policy("elsewhere", "policy", &policy(1, 81)).is_empty());
        assert!(resolver.remove_policy(&PolicyKey::namespaced("elsewhere", "policy")));
    };
    assert_eq!(cost(&remote), [0, 0, 0]);
    // A profile with another label that nothing names, and the same rules; then with other rules.
    let label = |resolver: &mut Resolver| {
        assert!(resolver.insert_profile("kns.ns-11", &profile(11, "test")).is_empty());
    };
    assert_eq!(cost(&label), [0, 0, 0]);
    let rules = |resolver: &mut Resolver| {
        let spec = ProfileSpec { egress: Vec::new(), ..profile(11, "test") };
        assert!(resolver.insert_profile("kns.ns-11", &spec).is_empty());
    };
    // In each direction the chain of the profile, of all profiles; for ingress no tier lets it come so far.
    assert_eq!(cost(&rules), [1, 2, 0]);
    // An endpoint far away that no rule speaks of; then one that one rule does.
    let far = |namespace: &str| {
        let id = "there/pod".into();
        let endpoint = Endpoint { id, namespace: Some(namespace.into()), ..endpoint(1_000, "web") };
        move |resolver: &mut Resolver| resolver.insert_endpoint(&endpoint)
    };
    assert_eq!(cost(&far("elsewhere")), [0, 0, 0]);
    assert_eq!(cost(&far("ns-13")), [0, 0, 1]);
}
