//! Faults of other systems that must not be here.

use core::net::SocketAddr;

use tortie_policy::model::{Action, NetworkPolicySpec, Rule};
use tortie_policy::{Flow, NamedPort, PolicyKey, Transport, Verdict, nftables};
use tortie_policy::{Host, compile, resolve};

use crate::{DB, OTHER, OUTSIDE, WEB, allows, check, denies, insert, ip, world};

/// CVE-2024-7598: when a namespace ends, its policies may go before its workloads.
#[test]
fn a_workload_that_outlives_its_namespace_is_closed() {
    let mut inputs = world();
    assert_eq!(insert(&mut inputs, "shop/closed", r#"{ "types": ["Ingress", "Egress"] }"#), 0);
    denies(&inputs, OTHER, DB, 80);
    // Policies first: its profile still opens it, as the namespace is still there.
    assert!(inputs.remove_policy(&PolicyKey::namespaced("shop", "closed")));
    // The namespace is gone: so is the profile that opened it.
    assert!(inputs.remove_profile("kns.shop"));
    denies(&inputs, OTHER, DB, 80);
    denies(&inputs, DB, OTHER, 80);
}

/// GHSA-3wwx-63fv-pfq6: a broad denial before a narrow permission stands, in all orders and tiers.
#[test]
fn order_decides_and_not_the_longest_prefix() {
    let (deny, allow) = (
        r#"{ "action": "Deny", "source": { "nets": ["192.0.0.0/16"] } }"#,
        r#"{ "action": "Allow", "source": { "nets": ["192.0.2.1/32"] } }"#,
    );
    for (first, second, want) in [(deny, allow, Verdict::Deny), (allow, deny, Verdict::Allow)] {
        let flow = crate::tcp(OUTSIDE, DB, 80);
        let mut inputs = world();
        assert_eq!(insert(&mut inputs, "p", &format!(r#"{{ "ingress": [{first}, {second}] }}"#)), 0);
        check(&inputs, &flow, want);
        let mut inputs = world();
        assert_eq!(insert(&mut inputs, "b", &format!(r#"{{ "order": 1, "ingress": [{first}] }}"#)), 0);
        assert_eq!(insert(&mut inputs, "a", &format!(r#"{{ "order": 2, "ingress": [{second}] }}"#)), 0);
        check(&inputs, &flow, want);
        let mut inputs = world();
        let tiered = |tier: &str, rule: &str| format!(r#"{{ "tier": "{tier}", "ingress": [{rule}] }}"#);
        assert_eq!(insert(&mut inputs, "b", &tiered("kube-admin", first)), 0);
        assert_eq!(insert(&mut inputs, "a", &tiered("default", second)), 0);
        check(&inputs, &flow, want);
    }
}

/// CVE-2026-56743: a peer of addresses alone is no selector of anything.
#[test]
fn a_peer_of_addresses_matches_no_workload_by_selector() {
    let mut inputs = world();
    let spec = r#"{ "ingress": [{ "action": "Allow", "source": { "nets": ["192.0.2.0/24"] } }] }"#;
    assert_eq!(insert(&mut inputs, "shop/p", spec), 0);
    allows(&inputs, OUTSIDE, DB, 80);
    denies(&inputs, WEB, DB, 80);
    denies(&inputs, OTHER, DB, 80);
}

/// CVE-2023-41333: a selector of a namespaced policy stays in the namespace.
#[test]
fn selectors_of_a_namespaced_policy_do_not_leave_it() {
    for selector in ["app == 'web' || all()", "!has(x)", "projectcalico.org/namespace == 'bank' || has(app)"]
    {
        let mut inputs = world();
        let spec = format!(
            r#"{{ "selector": "{selector}", "ingress": [{{ "action": "Allow", "source": {{ "selector": "{selector}" }} }}] }}"#
        );
        assert_eq!(insert(&mut inputs, "shop/p", &spec), 0);
        // It governs nothing of another namespace, and means nothing of one.
        allows(&inputs, WEB, OTHER, 80);
        denies(&inputs, OTHER, WEB, 80);
        allows(&inputs, DB, WEB, 80);
    }
}

/// A rule for one protocol is none for another with the same port.
#[test]
fn sctp_and_udp_are_not_tcp() {
    let mut inputs = world();
    for (rule, number) in [("SCTP", 132), ("UDP", 17), ("TCP", 6)] {
        let spec = format!(
            r#"{{ "ingress": [{{ "action": "Allow", "protocol": "{rule}", "destination": {{ "ports": [80] }} }}] }}"#
        );
        assert_eq!(insert(&mut inputs, "p", &spec), 0);
        let (source_port, destination_port) = (40000, 80);
        for (transport, other) in [
            (Transport::Tcp { source_port, destination_port }, 6),
            (Transport::Udp { source_port, destination_port }, 17),
            (Transport::Sctp { source_port, destination_port }, 132),
            (Transport::Other(253), 253),
        ] {
            let want = if number == other { Verdict::Allow } else { Verdict::Deny };
            check(&inputs, &Flow::new(ip(OTHER), ip(DB), transport), want);
        }
    }
}

/// antrea#367: what one policy leaves out another may allow.
#[test]
fn an_exception_of_one_policy_is_no_denial() {
    let mut inputs = world();
    let except = r#"{ "ingress": [{ "action": "Allow", "source": { "nets": ["10.0.0.0/8"], "notNets": ["10.0.0.3/32"] } }] }"#;
    assert_eq!(insert(&mut inputs, "a", except), 0);
    denies(&inputs, OTHER, DB, 80);
    assert_eq!(
        insert(
            &mut inputs,
            "b",
            r#"{ "ingress": [{ "action": "Allow", "source": { "nets": ["10.0.0.3"] } }] }"#
        ),
        0
    );
    allows(&inputs, OTHER, DB, 80);
}

/// kube-network-policies#49: protocols that nobody knows are not let through.
#[test]
fn unknown_protocols_are_denied() {
    let mut inputs = world();
    let spec = r#"{ "ingress": [{ "action": "Allow", "protocol": "TCP" }, { "action": "Allow", "protocol": "UDP" }] }"#;
    assert_eq!(insert(&mut inputs, "p", spec), 0);
    for number in [253, 47, 50, 0, 60, 255] {
        check(&inputs, &Flow::new(ip(OTHER), ip(DB), Transport::Other(number)), Verdict::Deny);
    }
}

/// kube-router#2059: an address that another workload has now is not in the sets of the one before.
#[test]
fn an_address_belongs_to_who_has_it_now() {
    let mut inputs = world();
    let spec = r#"{ "selector": "app == 'db'", "ingress": [{ "action": "Allow", "source": { "selector": "app == 'web'" } }] }"#;
    assert_eq!(insert(&mut inputs, "shop/p", spec), 0);
    allows(&inputs, WEB, DB, 80);
    let mut web = inputs.remove_endpoint("web").unwrap();
    denies(&inputs, WEB, DB, 80);
    web.id = "newcomer".to_string();
    web.labels = [("app".to_string(), "batch".to_string())].into();
    inputs.insert_endpoint(web);
    denies(&inputs, WEB, DB, 80);
}

/// Names reach rule text; none gets out of where it stands, and what is too much is refused.
#[test]
fn hostile_names_and_sizes_are_borne() {
    let mut inputs = world();
    let hostile = "x\" drop\n}\nflush ruleset;".repeat(10);
    let mut db = inputs.remove_endpoint("db").unwrap();
    db.ports.push(NamedPort { name: hostile.clone(), protocol: 6, port: 80 });
    inputs.insert_endpoint(db);
    let mut rule = Rule::new(Action::Allow);
    rule.protocol = Some(tortie_policy::model::Protocol::Number(6));
    rule.destination.ports = vec![tortie_policy::model::Port::Named(hostile.clone())];
    let spec = NetworkPolicySpec {
        tier: Some(hostile),
        ingress: vec![rule.clone()],
        ..NetworkPolicySpec::default()
    };
    assert_eq!(inputs.insert_network_policy("shop", "p", &spec).len(), 1, "it is no name of a port");
    denies(&inputs, OTHER, DB, 80);
    let text = nftables::render(
        &compile(&resolve(&inputs, &Host::new("host"), |_| true)),
        &nftables::Options::default(),
    );
    assert!(!text.lines().any(|line| line.trim_start().starts_with("flush")), "{text}");
    // A thousand ports are refused, fifty names at both ends are not.
    rule.destination.ports = (0..1000).map(tortie_policy::model::Port::Number).collect();
    let spec = NetworkPolicySpec { ingress: vec![rule.clone()], ..NetworkPolicySpec::default() };
    assert_eq!(inputs.insert_network_policy("shop", "p", &spec).len(), 1);
    let names = |end: &str| (0..50).map(|n| tortie_policy::model::Port::Named(format!("{end}{n}"))).collect();
    (rule.source.ports, rule.destination.ports) = (names("s"), names("d"));
    let spec = NetworkPolicySpec { ingress: vec![rule], ..NetworkPolicySpec::default() };
    assert_eq!(inputs.insert_network_policy("bank", "p", &spec), []);
    let flow = Flow::tcp(SocketAddr::new(ip(WEB), 1), SocketAddr::new(ip(OTHER), 1));
    check(&inputs, &flow, Verdict::Deny);
}
