//! Criteria of rules beyond labels and numbers.

use core::net::SocketAddr;

use tortie_policy::model::{Action, GlobalNetworkPolicySpec, HostEndpointSpec, NetworkSetSpec, Rule};
use tortie_policy::{
    EndpointSlice, Flow, Host, Inputs, NamedPort, ServiceKey, ServicePort, Transport, Verdict, compile,
    resolve,
};

use crate::{DB, OTHER, OUTSIDE, WEB, allows, ask, check, denies, insert, ip, profile, tcp, world};

fn name_port(inputs: &mut Inputs, id: &str, name: &str, protocol: u8, port: u16) {
    let mut endpoint = inputs.remove_endpoint(id).unwrap();
    endpoint.ports.push(NamedPort { name: name.to_string(), protocol, port });
    inputs.insert_endpoint(endpoint);
}

fn udp(source: &str, destination: &str, port: u16) -> Flow {
    Flow::udp(SocketAddr::new(ip(source), 40000), SocketAddr::new(ip(destination), port))
}

/// cilium#24779, #30003, aci-containers#1707: one name, two numbers.
#[test]
fn a_named_port_is_each_workloads_own_number() {
    let named = || {
        let mut inputs = world();
        name_port(&mut inputs, "web", "http", 6, 80);
        name_port(&mut inputs, "db", "http", 6, 81);
        name_port(&mut inputs, "db", "http", 17, 53);
        inputs
    };
    let rule = |ports: &str| format!(r#"{{ "ingress": [{{ "action": "Allow", {ports} }}] }}"#);
    let mut inputs = named();
    assert_eq!(
        insert(&mut inputs, "p", &rule(r#""protocol": "TCP", "destination": { "ports": ["http"] }"#)),
        0
    );
    allows(&inputs, OTHER, WEB, 80);
    denies(&inputs, OTHER, WEB, 81);
    allows(&inputs, OTHER, DB, 81);
    denies(&inputs, OTHER, DB, 80);
    check(&inputs, &udp(OTHER, DB, 53), Verdict::Deny);
    // Without a protocol, every protocol that has the name.
    assert_eq!(insert(&mut inputs, "p", &rule(r#""destination": { "ports": ["http"] }"#)), 0);
    check(&inputs, &udp(OTHER, DB, 53), Verdict::Allow);
    check(&inputs, &udp(OTHER, DB, 81), Verdict::Deny);
    allows(&inputs, OTHER, DB, 81);
    // Negated: what is not such a port, packets without ports among them.
    assert_eq!(insert(&mut inputs, "p", &rule(r#""destination": { "notPorts": ["http"] }"#)), 0);
    denies(&inputs, OTHER, DB, 81);
    allows(&inputs, OTHER, DB, 80);
    check(&inputs, &Flow::new(ip(OTHER), ip(DB), Transport::Other(253)), Verdict::Allow);
    // Beside numbers, and narrowed by a selector.
    let both = r#""protocol": "TCP", "destination": { "ports": [99, "http"], "selector": "app == 'db'" }"#;
    assert_eq!(insert(&mut inputs, "p", &rule(both)), 0);
    allows(&inputs, OTHER, DB, 81);
    allows(&inputs, OTHER, DB, 99);
    denies(&inputs, OTHER, WEB, 80);
    denies(&inputs, OTHER, WEB, 99);
    // At the source.
    assert_eq!(insert(&mut inputs, "p", &rule(r#""protocol": "TCP", "source": { "ports": ["http"] }"#)), 0);
    denies(&inputs, WEB, DB, 1);
    let from_80 = Flow::tcp(SocketAddr::new(ip(WEB), 80), SocketAddr::new(ip(DB), 1));
    check(&inputs, &from_80, Verdict::Allow);
}

#[test]
fn services_are_their_endpoints() {
    let mut inputs = world();
    let service = |namespace: &str| ServiceKey { namespace: namespace.to_string(), name: "back".to_string() };
    for (namespace, address, port) in [("shop", DB, 80), ("bank", OTHER, 81)] {
        inputs.insert_endpoint_slice(EndpointSlice {
            name: "back-1".to_string(),
            service: service(namespace),
            addresses: vec![ip(address)],
            ports: vec![ServicePort { protocol: 6, port }],
        });
    }
    let egress =
        r#"{ "egress": [{ "action": "Allow", "destination": { "services": { "name": "back" } } }] }"#;
    assert_eq!(insert(&mut inputs, "shop/p", egress), 0);
    // Its own namespace, if none is named.
    allows(&inputs, WEB, DB, 80);
    denies(&inputs, WEB, DB, 81);
    denies(&inputs, WEB, OTHER, 81);
    check(&inputs, &udp(WEB, DB, 80), Verdict::Deny);
    assert_eq!(
        insert(&mut inputs, "shop/p", &egress.replace("\"back\"", "\"back\", \"namespace\": \"bank\"")),
        0
    );
    denies(&inputs, WEB, DB, 80);
    allows(&inputs, WEB, OTHER, 81);
    // As a source, whatever the port.
    let ingress = r#"{ "ingress": [{ "action": "Allow", "source": { "services": { "name": "back" } } }] }"#;
    assert!(inputs.remove_policy(&tortie_policy::PolicyKey::namespaced("shop", "p")));
    assert_eq!(insert(&mut inputs, "shop/q", ingress), 0);
    allows(&inputs, DB, WEB, 7);
    denies(&inputs, OTHER, WEB, 7);
    assert!(inputs.remove_endpoint_slice("shop", "back-1"));
    denies(&inputs, DB, WEB, 7);
}

/// `nft` fails where it lists a rule that looks for ports in a protocol that has none.
#[test]
fn what_has_no_ports_comes_to_no_service() {
    let mut inputs = world();
    let steps = |inputs: &Inputs| {
        let program = compile(&resolve(inputs, &Host::new("node"), |_| true));
        let origins = program.chains.values().flat_map(|chain| &chain.steps).flat_map(|step| &step.origin);
        origins.filter(|origin| origin.to_string().starts_with("NetworkPolicy shop/p ")).count()
    };
    for (protocol, count) in [("TCP", 2), ("253", 0), ("ICMP", 0)] {
        let rule = format!(
            r#""action": "Deny", "protocol": "{protocol}", "destination": {{ "services": {{ "name": "back" }} }}"#
        );
        let spec =
            format!(r#"{{ "selector": "all()", "egress": [{{ {rule} }}] }}"#).replace("\"253\"", "253");
        assert_eq!(insert(&mut inputs, "shop/p", &spec), 0);
        assert_eq!(steps(&inputs), count, "{protocol}");
    }
}

#[test]
fn service_accounts_are_known_by_name_and_label() {
    let mut inputs = world();
    let spec = r#"{ "labelsToApply": { "pcsa.trust": "high", "pcsa.projectcalico.org/name": "admin" } }"#;
    assert_eq!(inputs.insert_profile("ksa.shop.admin", &profile(spec)), []);
    let mut web = inputs.remove_endpoint("web").unwrap();
    web.service_account = Some("admin".to_string());
    web.profiles.push("ksa.shop.admin".to_string());
    inputs.insert_endpoint(web);
    for accounts in [r#"{ "names": ["guest", "admin"] }"#, r#"{ "selector": "trust == 'high'" }"#] {
        let spec = format!(
            r#"{{ "selector": "app == 'db'", "ingress": [{{ "action": "Allow", "source": {{ "serviceAccounts": {accounts} }} }}] }}"#
        );
        assert_eq!(insert(&mut inputs, "shop/p", &spec), 0);
        allows(&inputs, WEB, DB, 80);
        denies(&inputs, OTHER, DB, 80);
        denies(&inputs, OUTSIDE, DB, 80);
    }
    // Whom a policy governs.
    assert!(inputs.remove_policy(&tortie_policy::PolicyKey::namespaced("shop", "p")));
    assert_eq!(insert(&mut inputs, "q", r#"{ "serviceAccountSelector": "trust == 'high'" }"#), 0);
    denies(&inputs, OTHER, WEB, 80);
    allows(&inputs, OTHER, DB, 80);
}

#[test]
fn network_sets_of_a_namespace_stay_in_it() {
    let mut inputs = world();
    let spec: NetworkSetSpec = serde_json::from_str(r#"{ "nets": ["192.0.2.0/24"] }"#).unwrap();
    let labels = [("kind", "partner"), ("pcns.stage", "prod"), ("projectcalico.org/serviceaccount", "admin")];
    let labels = labels.map(|(name, value)| (name.to_string(), value.to_string())).into();
    assert_eq!(inputs.insert_namespaced_network_set("bank", "partners", &labels, &spec), []);
    let with = |source: &str| {
        let mut inputs = inputs.clone();
        let rules = format!(r#"[{{ "action": "Allow", "source": {{ {source} }} }}]"#);
        assert_eq!(insert(&mut inputs, "shop/p", &format!(r#"{{ "ingress": {rules} }}"#)), 0);
        inputs
    };
    denies(&with(r#""selector": "kind == 'partner'""#), OUTSIDE, DB, 80);
    let everywhere = r#""selector": "kind == 'partner'", "namespaceSelector": "all()""#;
    allows(&with(everywhere), OUTSIDE, DB, 80);
    // Of its namespace it says nothing itself: that is `test`.
    denies(&with(r#""namespaceSelector": "stage == 'prod'""#), OUTSIDE, DB, 80);
    allows(&with(r#""namespaceSelector": "stage == 'test'""#), OUTSIDE, DB, 80);
    let admin = r#""serviceAccounts": { "names": ["admin"] }, "namespaceSelector": "all()""#;
    denies(&with(admin), OUTSIDE, DB, 80);
    let mut inputs = with(everywhere);
    assert!(inputs.remove_namespaced_network_set("bank", "partners"));
    denies(&inputs, OUTSIDE, DB, 80);
}

/// Nobody judges requests: nothing is allowed. Somebody does: the rule is a plain one here.
#[test]
fn http_waits_for_who_judges_it() {
    let mut inputs = world();
    let spec = r#"{ "ingress": [{ "action": "Allow", "http": { "methods": ["GET"], "paths": [{ "prefix": "/a" }] } }] }"#;
    assert_eq!(insert(&mut inputs, "shop/p", spec), 0);
    denies(&inputs, OTHER, DB, 80);
    let told = ask(&inputs, &tcp(OTHER, DB, 80)).to_string();
    assert!(told.contains("never, because spec.ingress[0].http is not enforced here"), "{told}");
    let mut db = inputs.remove_endpoint("db").unwrap();
    db.has_http_enforcer = true;
    inputs.insert_endpoint(db);
    allows(&inputs, OTHER, DB, 80);
    denies(&inputs, OTHER, WEB, 80);
    let told = ask(&inputs, &tcp(OTHER, DB, 80)).to_string();
    assert!(told.contains("matched, without spec.ingress[0].http"), "{told}");
}

/// CVE-2025-30163: nodes are known by their own labels, and nothing else is taken for one.
#[test]
fn nodes_are_never_taken_for_workloads_nor_workloads_for_nodes() {
    let mut inputs = world();
    let labels = [("app".to_string(), "web".to_string())].into();
    inputs.insert_node("node-1", &labels, &[ip(OUTSIDE)]);
    let peers = |inputs: &mut Inputs, change: &dyn Fn(&mut Rule)| {
        let mut rule = Rule::new(Action::Allow);
        change(&mut rule);
        let selector = Some("app == 'db'".to_string());
        let spec =
            GlobalNetworkPolicySpec { selector, ingress: vec![rule], ..GlobalNetworkPolicySpec::default() };
        assert_eq!(inputs.insert_global_network_policy("p", &spec), []);
    };
    for selector in ["app == 'web'", "", "!has(x)", "all()"] {
        peers(&mut inputs, &|rule| rule.source.node_selector = Some(selector.to_string()));
        allows(&inputs, OUTSIDE, DB, 80);
        denies(&inputs, WEB, DB, 80);
        denies(&inputs, OTHER, DB, 80);
        peers(&mut inputs, &|rule| rule.source.selector = Some(selector.to_string()));
        if !selector.is_empty() {
            denies(&inputs, OUTSIDE, DB, 80);
            allows(&inputs, WEB, DB, 80);
        }
    }
    peers(&mut inputs, &|rule| rule.source.namespace_selector = Some("global()".to_string()));
    denies(&inputs, OUTSIDE, DB, 80);
    // A document cannot say it.
    let spec = r#"{ "ingress": [{ "action": "Allow", "source": { "nodeSelector": "all()" } }] }"#;
    assert_eq!(insert(&mut inputs, "p", spec), 1);
    denies(&inputs, OUTSIDE, DB, 80);
}

/// Types and codes of ICMP, of the family that the protocol implies, and what criteria without either mean.
#[test]
fn messages_of_icmp_are_told_apart_by_type_and_code() {
    let passes = |rule: &str| {
        let mut inputs = world();
        let spec = format!(r#"{{ "types": ["Ingress"], "ingress": [{{ "action": "Allow", {rule} }}] }}"#);
        assert_eq!(insert(&mut inputs, "p", &spec), 0, "{rule}");
        let passes = |v6: bool, kind: u8, code: u8| {
            let (source, destination) = if v6 { ("fd00::3", "fd00::2") } else { (OTHER, DB) };
            let transport = Transport::Icmp { kind, code };
            let flow = Flow::new(ip(source), ip(destination), transport);
            ask(&inputs, &flow).verdict == Verdict::Allow
        };
        let v4 = [passes(false, 8, 0), passes(false, 8, 1), passes(false, 3, 1)];
        let v6 = [passes(true, 8, 0), passes(true, 8, 1), passes(true, 3, 1)];
        (v4, v6)
    };
    let (all, none) = ([true; 3], [false; 3]);
    assert_eq!(passes(r#""protocol": "ICMP""#), (all, none));
    assert_eq!(passes(r#""protocol": "ICMPv6""#), (none, all));
    assert_eq!(passes(r#""protocol": 58"#), (none, all));
    assert_eq!(passes(r#""protocol": "ICMP", "icmp": { "type": 8 }"#), ([true, true, false], none));
    assert_eq!(
        passes(r#""protocol": "icmpv6", "icmp": { "type": 8, "code": 1 }"#),
        (none, [false, true, false])
    );
    assert_eq!(passes(r#""protocol": 1, "icmp": { "type": 3 }"#), ([false, false, true], none));
    assert_eq!(passes(r#""protocol": "ICMP", "notICMP": { "type": 8 }"#), ([false, false, true], none));
    assert_eq!(
        passes(r#""protocol": "ICMPv6", "notICMP": { "type": 8, "code": 0 }"#),
        (none, [false, true, true])
    );
    assert_eq!(
        passes(r#""protocol": "ICMP", "icmp": { "type": 8 }, "notICMP": { "type": 8, "code": 1 }"#),
        ([true, false, false], none)
    );
    // Without type and code, there is nothing that a message must be, or must not be.
    assert_eq!(passes(r#""protocol": "ICMP", "icmp": {}"#), (all, none));
    assert_eq!(passes(r#""protocol": "ICMP", "notICMP": {}"#), (all, none));
    // Another protocol is any that is not this one, whatever the family.
    assert_eq!(passes(r#""notProtocol": "ICMP""#), (none, all));
    assert_eq!(passes(r#""notProtocol": "ICMP", "ipVersion": 4"#), (none, none));
}

/// A label that only pods have does not make pods of addresses.
#[test]
fn nothing_passes_for_a_pod_by_its_labels() {
    let mut inputs = world();
    let label = |name: &str, value: &str| (name.to_string(), value.to_string());
    let labels = [label("projectcalico.org/orchestrator", "k8s"), label("app", "web")].into();
    let set: NetworkSetSpec = serde_json::from_str(r#"{ "nets": ["192.0.2.0/25"] }"#).unwrap();
    let other: NetworkSetSpec = serde_json::from_str(r#"{ "nets": ["192.0.2.128/25"] }"#).unwrap();
    assert_eq!(inputs.insert_namespaced_network_set("shop", "set", &labels, &set), []);
    assert_eq!(inputs.insert_network_set("set", &labels, &other), []);
    let host: HostEndpointSpec = serde_json::from_str(
        r#"{ "node": "n", "interfaceName": "eth0", "expectedIPs": ["198.51.100.9"], "profiles": ["kns.shop"] }"#,
    )
    .unwrap();
    assert_eq!(inputs.insert_host_endpoint("hep", &labels, &host), []);
    for (selector, is_open) in [("app == 'web'", true), ("projectcalico.org/orchestrator == 'k8s'", false)] {
        let spec = format!(
            r#"{{ "types": ["Ingress"], "ingress": [{{ "action": "Allow", "source": {{ "selector": "{selector}" }} }}] }}"#
        );
        assert_eq!(insert(&mut inputs, "p", &spec), 0);
        for source in [OUTSIDE, "192.0.2.200", "198.51.100.9"] {
            let want = if is_open { Verdict::Allow } else { Verdict::Deny };
            check(&inputs, &tcp(source, DB, 80), want);
        }
    }
}

/// What allows all is always there, and always the same.
#[test]
fn the_profile_that_allows_all_is_always_there() {
    let name = "projectcalico-default-allow";
    let mut inputs = Inputs::new();
    let mut db = world().remove_endpoint("db").unwrap();
    db.profiles = vec![name.to_string()];
    inputs.insert_endpoint(db);
    allows(&inputs, OTHER, DB, 80);
    allows(&inputs, DB, OTHER, 80);
    assert!(!inputs.remove_profile(name));
    let closed = profile(r#"{ "ingress": [{ "action": "Deny" }], "egress": [{ "action": "Deny" }] }"#);
    assert_eq!(inputs.insert_profile(name, &closed).len(), 1);
    allows(&inputs, OTHER, DB, 80);
}
