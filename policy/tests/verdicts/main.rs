//! Verdicts by hand: order, tiers, profiles, namespaces, and failing closed.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failed test")]

mod hosts;
mod rules;
mod security;
mod tiers;

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use tortie_policy::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, NetworkPolicySpec, ProfileSpec, Salvage,
};
use tortie_policy::{
    Direction, Encapsulation, Endpoint, EndpointFault, Evaluation, Flow, Host, Inputs, Origin, Owner, Packet,
    Place, PolicyKey, Transport, Verdict, compile, evaluate, interpret, resolve,
};

const WEB: &str = "10.0.0.1";
const DB: &str = "10.0.0.2";
const OTHER: &str = "10.0.0.3";
const OUTSIDE: &str = "192.0.2.1";

fn endpoint(id: &str, namespace: &str, labels: &[(&str, &str)], addresses: &[&str]) -> Endpoint {
    Endpoint {
        id: id.to_string(),
        interface: format!("cali-{id}"),
        namespace: Some(namespace.to_string()),
        labels: labels.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect(),
        profiles: vec![format!("kns.{namespace}")],
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ..Endpoint::default()
    }
}

/// Two workloads in namespace `shop`, one in `bank`; all open by their profiles.
fn world() -> Inputs {
    let mut inputs = Inputs::new();
    for (namespace, stage) in [("shop", "prod"), ("bank", "test")] {
        let spec = format!(
            r#"{{ "ingress": [{{ "action": "Allow" }}], "egress": [{{ "action": "Allow" }}],
                  "labelsToApply": {{ "pcns.stage": "{stage}", "pcns.projectcalico.org/name": "{namespace}" }} }}"#
        );
        assert_eq!(inputs.insert_profile(&format!("kns.{namespace}"), &profile(&spec)), []);
    }
    inputs.insert_endpoint(endpoint("web", "shop", &[("app", "web")], &[WEB, "fd00::1"]));
    inputs.insert_endpoint(endpoint("db", "shop", &[("app", "db")], &[DB, "fd00::2"]));
    inputs.insert_endpoint(endpoint("other", "bank", &[("app", "web")], &[OTHER, "fd00::3"]));
    inputs
}

fn profile(spec: &str) -> ProfileSpec {
    serde_json::from_str(spec).unwrap()
}

/// Inserts `ns/name` or `name`; how many faults it has.
fn insert(inputs: &mut Inputs, name: &str, spec: &str) -> usize {
    match name.split_once('/') {
        Some((namespace, name)) => {
            let spec: NetworkPolicySpec = serde_json::from_str(spec).unwrap();
            inputs.insert_network_policy(namespace, name, &spec).len()
        }
        None => {
            let spec: GlobalNetworkPolicySpec = serde_json::from_str(spec).unwrap();
            inputs.insert_global_network_policy(name, &spec).len()
        }
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tcp(source: &str, destination: &str, port: u16) -> Flow {
    Flow::tcp(SocketAddr::new(ip(source), 40000), SocketAddr::new(ip(destination), port))
}

/// What the evaluator says; the compiled program must say the same.
fn ask(inputs: &Inputs, flow: &Flow) -> Evaluation {
    let evaluation = evaluate(inputs, flow);
    let interface = |address| inputs.endpoint_at(address).map(|endpoint| endpoint.interface.clone());
    let (from, to) = (interface(flow.source), interface(flow.destination));
    fn place(interface: Option<&String>) -> Place<'_> {
        interface.map_or(Place::Interface("eth0"), |name| Place::Workload(name))
    }
    let from = if flow.from_host { Place::Host } else { place(from.as_ref()) };
    let packet = Packet::new(from, place(to.as_ref()), *flow);
    let program = compile(&resolve(inputs, &Host::new("host"), |_| true));
    assert_eq!(interpret(&program, &packet).verdict(), evaluation.verdict, "{evaluation}");
    evaluation
}

#[track_caller]
fn check(inputs: &Inputs, flow: &Flow, want: Verdict) {
    let evaluation = ask(inputs, flow);
    assert_eq!(evaluation.verdict, want, "{evaluation}");
}

#[track_caller]
fn allows(inputs: &Inputs, source: &str, destination: &str, port: u16) {
    check(inputs, &tcp(source, destination, port), Verdict::Allow);
}

#[track_caller]
fn denies(inputs: &Inputs, source: &str, destination: &str, port: u16) {
    check(inputs, &tcp(source, destination, port), Verdict::Deny);
}

#[test]
fn the_first_rule_of_the_first_policy_decides() {
    let mut inputs = world();
    let allow_80 = r#"{ "order": 10, "ingress": [{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [80] } }] }"#;
    let deny = r#"{ "order": 20, "ingress": [{ "action": "Deny" }] }"#;
    assert_eq!(insert(&mut inputs, "deny", deny), 0);
    assert_eq!(insert(&mut inputs, "shop/allow-80", allow_80), 0);
    allows(&inputs, OTHER, DB, 80);
    denies(&inputs, OTHER, DB, 81);
    let evaluation = ask(&inputs, &tcp(OTHER, DB, 81));
    let end = evaluation.trace.end(Direction::Ingress).unwrap();
    let owner = Owner::Policy(PolicyKey::global("deny").into());
    assert_eq!(end.decided_by, Origin::Rule { owner, direction: Direction::Ingress, index: 0 });
    assert_eq!(
        evaluation.to_string(),
        "deny: tcp 10.0.0.3:40000 -> 10.0.0.2:81\n  \
           egress of other: allow, by Profile kns.bank egress[0]\n    \
             Profile kns.bank\n      \
               egress[0] Allow: matched\n  \
           ingress of db: deny, by GlobalNetworkPolicy deny ingress[0]\n    \
             tier default (order 1000000)\n    \
             NetworkPolicy shop/allow-80 (order 10)\n      \
               ingress[0] Allow: no, destination.ports is not 80\n    \
             GlobalNetworkPolicy deny (order 20)\n      \
               ingress[0] Deny: matched"
    );
    // The other way round, the second is never asked.
    assert_eq!(insert(&mut inputs, "deny", &deny.replace("20", "5")), 0);
    denies(&inputs, OTHER, DB, 80);
}

/// Orders are ascending, a policy without one is last, and equals go by `name/namespace/kind`.
#[test]
fn policies_are_sorted() {
    let decided = |names: &[(&str, &str)]| {
        let mut inputs = world();
        for (name, order) in names {
            let spec =
                format!(r#"{{ {order} "selector": "app == 'db'", "ingress": [{{ "action": "Allow" }}] }}"#);
            assert_eq!(insert(&mut inputs, name, &spec), 0);
        }
        match &ask(&inputs, &tcp(WEB, DB, 80)).trace.end(Direction::Ingress).unwrap().decided_by {
            Origin::Rule { owner: Owner::Policy(key), .. } => key.to_string(),
            other => other.to_string(),
        }
    };
    let (early, late, none) = (r#""order": -1.5,"#, r#""order": 1e9,"#, "");
    assert_eq!(decided(&[("a", late), ("b", early), ("c", none)]), "GlobalNetworkPolicy b");
    assert_eq!(decided(&[("a", none), ("b", late)]), "GlobalNetworkPolicy b");
    assert_eq!(decided(&[("b", none), ("a", none)]), "GlobalNetworkPolicy a");
    assert_eq!(decided(&[("b", r#""order": 0,"#), ("a", r#""order": -0.0,"#)]), "GlobalNetworkPolicy a");
    // `a-b/..` is before `a/..`, because `-` is before `/`.
    assert_eq!(decided(&[("a", none), ("a-b", none)]), "GlobalNetworkPolicy a-b");
    // `a//GlobalNetworkPolicy` is before `a/shop/NetworkPolicy`.
    assert_eq!(decided(&[("shop/a", none), ("a", none)]), "GlobalNetworkPolicy a");
    assert_eq!(decided(&[("shop/a", none), ("b", none)]), "NetworkPolicy shop/a");
}

/// GHSA-3wwx-63fv-pfq6: a broad deny and a narrow allow, in either order.
#[test]
fn a_broad_deny_and_a_narrow_allow_go_by_order_alone() {
    let deny = r#""ingress": [{ "action": "Deny", "source": { "nets": ["10.0.0.0/16"] } }]"#;
    let allow = r#""ingress": [{ "action": "Allow", "source": { "nets": ["10.0.0.1/32"] } }]"#;
    for (order_of_deny, want) in [(1, Verdict::Deny), (3, Verdict::Allow)] {
        let mut inputs = world();
        assert_eq!(insert(&mut inputs, "deny", &format!("{{ \"order\": {order_of_deny}, {deny} }}")), 0);
        assert_eq!(insert(&mut inputs, "allow", &format!("{{ \"order\": 2, {allow} }}")), 0);
        check(&inputs, &tcp(WEB, DB, 80), want);
        denies(&inputs, OTHER, DB, 80);
        denies(&inputs, OUTSIDE, DB, 80);
    }
}

#[test]
fn pass_goes_on_to_profiles_and_log_to_the_next_rule() {
    let mut inputs = world();
    let spec = r#"{ "ingress": [{ "action": "Log" }, { "action": "Pass", "source": { "selector": "app == 'web'" } }] }"#;
    assert_eq!(insert(&mut inputs, "pass", spec), 0);
    assert_eq!(insert(&mut inputs, "zz-deny", r#"{ "ingress": [{ "action": "Deny" }] }"#), 0);
    allows(&inputs, WEB, DB, 80);
    denies(&inputs, OUTSIDE, DB, 80);
    let program = compile(&resolve(&inputs, &Host::new("host"), |_| true));
    let packet = Packet::new(Place::Interface("eth0"), Place::Workload("cali-db"), tcp(OUTSIDE, DB, 80));
    let logged = interpret(&program, &packet).judgements.remove(0).logged;
    let logged: Vec<_> = logged.iter().map(ToString::to_string).collect();
    assert_eq!(logged, ["GlobalNetworkPolicy pass ingress[0]"]);
}

#[test]
fn profiles_count_in_order_and_a_missing_one_denies() {
    let mut inputs = world();
    let log_and_pass = r#"{ "ingress": [{ "action": "Log" }, { "action": "Pass" }, { "action": "Deny" }] }"#;
    assert_eq!(inputs.insert_profile("passing", &profile(log_and_pass)), []);
    let mut db = inputs.remove_endpoint("db").unwrap();
    db.profiles = ["passing", "kns.shop", "missing"].map(str::to_string).into();
    inputs.insert_endpoint(db.clone());
    allows(&inputs, WEB, DB, 80);
    db.profiles = ["passing", "missing", "kns.shop"].map(str::to_string).into();
    inputs.insert_endpoint(db.clone());
    denies(&inputs, WEB, DB, 80);
    denies(&inputs, DB, WEB, 80);
    db.profiles = Vec::new();
    inputs.insert_endpoint(db);
    denies(&inputs, WEB, DB, 80);
}

#[test]
fn types_say_which_directions_are_governed() {
    let governs = |spec: &str| {
        let mut inputs = world();
        assert_eq!(insert(&mut inputs, "p", &format!(r#"{{ "selector": "app == 'db'" {spec} }}"#)), 0);
        (ask(&inputs, &tcp(WEB, DB, 80)).verdict, ask(&inputs, &tcp(DB, WEB, 80)).verdict)
    };
    let (yes, no) = (Verdict::Deny, Verdict::Allow);
    assert_eq!(governs(""), (yes, no));
    assert_eq!(governs(r#", "egress": [{ "action": "Deny" }]"#), (no, yes));
    assert_eq!(
        governs(r#", "egress": [{ "action": "Deny" }], "ingress": [{ "action": "Deny" }]"#),
        (yes, yes)
    );
    assert_eq!(governs(r#", "types": ["Egress"], "ingress": [{ "action": "Allow" }]"#), (no, yes));
    assert_eq!(governs(r#", "types": ["Ingress"], "egress": [{ "action": "Deny" }]"#), (yes, no));
}

/// Selectors of rules in a namespaced policy mean its namespace, unless they name another; CIDRs mean all.
#[test]
fn a_namespaced_policy_speaks_of_its_namespace() {
    let allowed = |source: &str| {
        let mut inputs = world();
        let spec = format!(r#"{{ "ingress": [{{ "action": "Allow", "source": {source} }}] }}"#);
        assert_eq!(insert(&mut inputs, "shop/p", &spec), 0);
        [WEB, OTHER, OUTSIDE].map(|source| ask(&inputs, &tcp(source, DB, 80)).verdict == Verdict::Allow)
    };
    assert_eq!(allowed("{}"), [true, true, true]);
    assert_eq!(allowed(r#"{ "selector": "app == 'web'" }"#), [true, false, false]);
    assert_eq!(allowed(r#"{ "selector": "all()" }"#), [true, false, false]);
    assert_eq!(allowed(r#"{ "notSelector": "app == 'db'" }"#), [true, false, false]);
    assert_eq!(allowed(r#"{ "namespaceSelector": "stage == 'test'" }"#), [false, true, false]);
    assert_eq!(
        allowed(r#"{ "namespaceSelector": "all()", "selector": "app == 'web'" }"#),
        [true, true, false]
    );
    assert_eq!(
        allowed(r#"{ "namespaceSelector": "all()", "notSelector": "app == 'web'" }"#),
        [false, false, false]
    );
    assert_eq!(allowed(r#"{ "namespaceSelector": "global()" }"#), [false, false, false]);
    assert_eq!(allowed(r#"{ "nets": ["10.0.0.3", "192.0.2.0/24"] }"#), [false, true, true]);
    // A CIDR is no selector of endpoints (GHSA-fm8w-2m5w-9j7r).
    assert_eq!(allowed(r#"{ "nets": ["172.16.0.0/12"] }"#), [false, false, false]);
    // It governs nothing elsewhere.
    let mut inputs = world();
    assert_eq!(insert(&mut inputs, "bank/deny", r#"{ "selector": "app == 'db' || all()" }"#), 0);
    allows(&inputs, WEB, DB, 80);
    denies(&inputs, WEB, OTHER, 80);
}

#[test]
fn a_global_policy_speaks_of_all() {
    let allowed = |source: &str| {
        let mut inputs = world();
        let set: GlobalNetworkSetSpec =
            serde_json::from_str(r#"{ "nets": ["192.0.2.7/24", "fd00::/8"] }"#).unwrap();
        let labels = BTreeMap::from([("kind".to_string(), "lan".to_string())]);
        assert_eq!(inputs.insert_network_set("lan", &labels, &set), []);
        let spec = format!(
            r#"{{ "selector": "app == 'db'", "ingress": [{{ "action": "Allow", "source": {source} }}] }}"#
        );
        assert_eq!(insert(&mut inputs, "p", &spec), 0);
        [WEB, OTHER, OUTSIDE].map(|source| ask(&inputs, &tcp(source, DB, 80)).verdict == Verdict::Allow)
    };
    assert_eq!(allowed(r#"{ "selector": "app == 'web'" }"#), [true, true, false]);
    assert_eq!(allowed(r#"{ "selector": "kind == 'lan'" }"#), [false, false, true]);
    assert_eq!(allowed(r#"{ "namespaceSelector": "global()" }"#), [false, false, true]);
    assert_eq!(allowed(r#"{ "namespaceSelector": "all()" }"#), [true, true, false]);
    assert_eq!(allowed(r#"{ "namespaceSelector": "!has(stage)" }"#), [false, false, true]);
    // Alone, a negated selector holds for addresses that nobody has.
    assert_eq!(allowed(r#"{ "notSelector": "app == 'web'" }"#), [false, false, true]);
    assert_eq!(
        allowed(r#"{ "selector": "has(kind)", "notSelector": "app == 'web'" }"#),
        [false, false, true]
    );
    assert_eq!(allowed(r#"{ "notNets": ["10.0.0.0/31"] }"#), [false, true, true]);
}

/// With a namespace selector, `all()` means what has a namespace; string literals are left alone.
#[test]
fn namespace_selectors_of_global_policies() {
    let governed = |spec: &str| {
        let mut inputs = world();
        let mut bare = endpoint("bare", "none", &[("app", "all()")], &["10.0.0.9"]);
        bare.namespace = None;
        bare.profiles = vec!["kns.shop".to_string()];
        inputs.insert_endpoint(bare);
        assert_eq!(insert(&mut inputs, "p", spec), 0);
        [DB, OTHER, "10.0.0.9"]
            .map(|destination| ask(&inputs, &tcp(OUTSIDE, destination, 80)).verdict == Verdict::Deny)
    };
    assert_eq!(governed("{}"), [true, true, true]);
    assert_eq!(governed(r#"{ "namespaceSelector": "stage == 'prod'" }"#), [true, false, true]);
    assert_eq!(governed(r#"{ "namespaceSelector": "all()" }"#), [true, true, false]);
    assert_eq!(governed(r#"{ "selector": "all()", "namespaceSelector": "!has(x)" }"#), [true, true, false]);
    assert_eq!(
        governed(r#"{ "selector": "app == 'all()'", "namespaceSelector": "!has(x)" }"#),
        [false, false, true]
    );
    assert_eq!(
        governed(r#"{ "selector": "app == 'db'", "namespaceSelector": "has(stage)" }"#),
        [true, false, false]
    );
}

/// CVE-2023-39347: the labels of a workload do not say where it is.
#[test]
fn labels_of_a_workload_are_not_believed_about_its_namespace() {
    let mut inputs = world();
    let labels = [
        ("projectcalico.org/namespace", "shop"),
        ("projectcalico.org/serviceaccount", "admin"),
        ("pcns.stage", "prod"),
        ("pcns.new", "x"),
        ("pcsa.role", "admin"),
        ("app", "web"),
    ];
    inputs.insert_endpoint(endpoint("other", "bank", &labels, &[OTHER]));
    let labels = inputs.labels_of(inputs.endpoint("other").unwrap());
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        labels,
        [
            "app=web",
            "pcns.projectcalico.org/name=bank",
            "pcns.stage=test",
            "projectcalico.org/namespace=bank"
        ]
    );
}

#[test]
fn an_own_label_hides_an_inherited_one_and_the_first_profile_the_second() {
    let mut inputs = world();
    for (name, team, floor) in [("one", "red", "1"), ("two", "blue", "2")] {
        let spec =
            format!(r#"{{ "labelsToApply": {{ "team": "{team}", "app": "x", "floor{name}": "{floor}" }} }}"#);
        assert_eq!(inputs.insert_profile(name, &profile(&spec)), []);
    }
    let mut web = inputs.remove_endpoint("web").unwrap();
    web.profiles = ["missing", "two", "one"].map(str::to_string).into();
    let labels = inputs.labels_of(&web);
    let label = |name: &str| labels.get(name).map(String::as_str);
    assert_eq!([label("app"), label("team"), label("floorone")], [Some("web"), Some("blue"), Some("1")]);
}

/// A criterion that is not enforced: Allow never matches, Deny matches without it, Pass denies everything.
#[test]
fn what_is_not_enforced_fails_closed() {
    let criteria = [
        r#""moon": "full""#,
        r#""source": { "zone": 1 }"#,
        r#""source": { "serviceAccounts": { "names": ["x"], "age": 1 } }"#,
        r#""source": { "services": { "name": "x", "namespace": "y", "port": 1 } }"#,
    ];
    for criterion in criteria {
        let with = |action: &str| {
            let mut inputs = world();
            let rules = format!(
                r#"[{{ "action": "{action}", {criterion} }}, {{ "action": "Allow", "protocol": "UDP" }}]"#
            );
            let spec = format!(r#"{{ "selector": "app == 'db'", "ingress": {rules} }}"#);
            assert_eq!(insert(&mut inputs, "p", &spec), 1, "{criterion}");
            inputs
        };
        let udp = Flow::udp(SocketAddr::new(ip(WEB), 1), SocketAddr::new(ip(DB), 80));
        denies(&with("Allow"), WEB, DB, 80);
        check(&with("Allow"), &udp, Verdict::Allow);
        // Without what is not known, nobody is such an account, or behind such a service.
        let other = if criterion.contains("service") { Verdict::Allow } else { Verdict::Deny };
        check(&with("Deny"), &udp, other);
        check(&with("Pass"), &udp, Verdict::Deny);
        let evaluation = ask(&with("Allow"), &tcp(WEB, DB, 80)).to_string();
        assert!(evaluation.contains("never, because spec.ingress[0]."), "{evaluation}");
    }
    for criterion in [r#""colour": null"#, r#""color": "red""#] {
        let mut inputs = world();
        let spec = format!(r#"{{ {criterion}, "order": 1, "ingress": [{{ "action": "Allow" }}] }}"#);
        assert_eq!(insert(&mut inputs, "p", &spec), 1);
        denies(&inputs, WEB, DB, 80);
    }
    // What is for host endpoints only governs no workload; what is for them too governs workloads as ever.
    let mut inputs = world();
    let spec = r#"{ "doNotTrack": true, "applyOnForward": true, "ingress": [{ "action": "Deny" }] }"#;
    assert_eq!(insert(&mut inputs, "p", spec), 0);
    allows(&inputs, WEB, DB, 80);
    assert_eq!(insert(&mut inputs, "p", &spec.replace("\"doNotTrack\": true,", "")), 0);
    denies(&inputs, WEB, DB, 80);
}

#[test]
fn an_invalid_policy_denies_its_types_where_its_selector_matches() {
    let bad = r#"{ "selector": "app == 'db'", "ingress": [{ "action": "Allow" }, { "action": "Allow", "source": { "nets": ["x"] } }] }"#;
    let good = r#"{ "selector": "app == 'db'", "ingress": [{ "action": "Allow" }] }"#;
    let mut inputs = world();
    assert_eq!(insert(&mut inputs, "p", bad), 1);
    denies(&inputs, WEB, DB, 80);
    allows(&inputs, DB, WEB, 80);
    let decided = ask(&inputs, &tcp(WEB, DB, 80)).trace.end(Direction::Ingress).unwrap().decided_by.clone();
    assert_eq!(decided.to_string(), "GlobalNetworkPolicy p is invalid");
    // Mended, it counts; broken again, the last valid version stays; removed, it is gone.
    assert_eq!(insert(&mut inputs, "p", good), 0);
    allows(&inputs, WEB, DB, 80);
    assert_eq!(insert(&mut inputs, "p", bad), 1);
    allows(&inputs, WEB, DB, 80);
    assert!(inputs.remove_policy(&PolicyKey::global("p")));
    assert_eq!(insert(&mut inputs, "p", bad), 1);
    denies(&inputs, WEB, DB, 80);
    // Without a selector that can be read, it is everything, or everything in the namespace.
    let blind = r#"{ "selector": "app = 'db'", "types": ["Egress"] }"#;
    let mut inputs = world();
    assert_eq!(insert(&mut inputs, "shop/p", blind), 1);
    denies(&inputs, WEB, OTHER, 80);
    allows(&inputs, OTHER, WEB, 80);
    assert_eq!(insert(&mut inputs, "p", blind), 1);
    denies(&inputs, OTHER, WEB, 80);
    // A profile.
    let mut inputs = world();
    let spec = r#"{ "ingress": [{ "action": "Alow" }], "labelsToApply": { "pcns.stage": "prod" } }"#;
    assert!(inputs.remove_profile("kns.shop"));
    assert_eq!(inputs.insert_profile("kns.shop", &profile(spec)).len(), 1);
    denies(&inputs, WEB, OTHER, 80);
    assert_eq!(inputs.labels_of(inputs.endpoint("web").unwrap()).get("pcns.stage").unwrap(), "prod");
    // What does not even decode.
    let mut inputs = world();
    let salvage: Salvage =
        serde_json::from_str(r#"{ "selector": "app == 'db'", "types": ["Ingress"], "egress": 7 }"#).unwrap();
    assert_eq!(inputs.insert_network_policy("shop", "p", &salvage.into()), []);
    denies(&inputs, WEB, DB, 80);
    allows(&inputs, DB, WEB, 80);
}

#[test]
fn both_ends_judge_and_the_host_is_free_to_reach_its_own() {
    let mut inputs = world();
    assert_eq!(insert(&mut inputs, "shop/in", r#"{ "selector": "app == 'db'" }"#), 0);
    denies(&inputs, WEB, DB, 80);
    let mut flow = tcp(OUTSIDE, DB, 80);
    check(&inputs, &flow, Verdict::Deny);
    flow.from_host = true;
    check(&inputs, &flow, Verdict::Allow);
    allows(&inputs, OUTSIDE, "192.0.2.2", 80);
    assert!(ask(&inputs, &tcp(OUTSIDE, "192.0.2.2", 80)).to_string().contains("no policy applies"));
    // An IPv4 address mapped into IPv6 is that address.
    denies(&inputs, "::ffff:192.0.2.1", "::ffff:10.0.0.2", 80);
}

#[test]
fn workloads_do_not_send_what_is_encapsulated() {
    let mut inputs = world();
    let vxlan = Flow::udp(SocketAddr::new(ip(WEB), 1), SocketAddr::new(ip(OUTSIDE), 4789));
    let ipip = Flow::new(ip(WEB), ip(OUTSIDE), Transport::Other(4));
    check(&inputs, &vxlan, Verdict::Deny);
    check(&inputs, &ipip, Verdict::Deny);
    allows(&inputs, WEB, OUTSIDE, 4789);
    inputs.set_encapsulation(Encapsulation {
        vxlan_port: 8472,
        allow_ipip: true,
        ..Encapsulation::default()
    });
    check(&inputs, &vxlan, Verdict::Allow);
    check(&inputs, &ipip, Verdict::Allow);
    inputs.set_encapsulation(Encapsulation { allow_vxlan: true, ..Encapsulation::default() });
    check(&inputs, &vxlan, Verdict::Allow);
    check(&inputs, &ipip, Verdict::Deny);
}

/// Endpoints with one list share its chain; an interface has one endpoint.
#[test]
fn equal_lists_share_a_chain() {
    let mut inputs = world();
    assert_eq!(insert(&mut inputs, "all", r#"{ "types": ["Ingress", "Egress"] }"#), 0);
    let mut twin = endpoint("web-twin", "shop", &[], &["10.0.0.7"]);
    twin.interface = "cali-web".to_string();
    inputs.insert_endpoint(twin);
    let resolved = resolve(&inputs, &Host::new("host"), |endpoint| endpoint.id != "db");
    let [EndpointFault::Shadowed { id, active, .. }] = resolved.faults() else {
        panic!("{:?}", resolved.faults())
    };
    assert_eq!((id.as_str(), active.as_str()), ("web-twin", "web"));
    let program = compile(&resolved);
    assert_eq!(program.dispatch.keys().collect::<Vec<_>>(), ["cali-other", "cali-web"]);
    let chains: Vec<_> = program.dispatch.values().map(|chains| (&chains.ingress, &chains.egress)).collect();
    assert_eq!(chains.first(), chains.last(), "profiles that cannot be reached make no difference");
    // An interface of a workload that nobody knows.
    let packet = Packet::new(Place::Workload("cali9"), Place::Interface("eth0"), tcp(WEB, OUTSIDE, 80));
    assert_eq!(interpret(&program, &packet).judgements[0].decided_by, Origin::UnknownInterface);
}
