//! Numbers at the ends of what there is, and sets that lie in each other.

use core::net::{IpAddr, SocketAddr};

use tortie_nft_wire::Socket;
use tortie_policy::model::{GlobalNetworkPolicySpec, NetworkPolicySpec, PolicyType, Rule, TierSpec};
use tortie_policy::nftables::{self, Options, Ruleset};
use tortie_policy::{
    FieldErrorKind, Flow, Inputs, Origin, Owner, PolicyKey, Transport, Verdict, evaluate_packet,
};

use crate::lab::{Place, enter, nft};
use crate::transaction::settle;
use crate::{both, endpoint, host, into_first, judged, programs};

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

fn global(inputs: &mut Inputs, name: &str, spec: &str) {
    let spec: GlobalNetworkPolicySpec = read(spec);
    assert_eq!(inputs.insert_global_network_policy(name, &spec), []);
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

/// Orders are sorted by value, whatever value: minus infinity first, both zeros as one, infinity as none at all; what is
/// equal by name. What is no number is a fault, and the incremental resolver sorts alike.
#[test]
fn orders_of_all_kinds_are_sorted() {
    let orders = [
        ("z-least", Some(f64::NEG_INFINITY)),
        ("y-low", Some(f64::MIN)),
        ("x-negative", Some(-1.0)),
        ("a-zero", Some(0.0)),
        ("b-zero", Some(-0.0)),
        ("c-zero", Some(0.0)),
        ("w-tiny", Some(f64::MIN_POSITIVE / 2.0)),
        ("v-large", Some(f64::MAX)),
        ("a-infinite", Some(f64::INFINITY)),
        ("b-none", None),
        ("c-infinite", Some(f64::INFINITY)),
    ];
    let sorted: Vec<&str> = orders.iter().map(|(name, _)| *name).collect();
    // Each way round, and from the middle.
    for rotation in 0..orders.len() {
        let mut both = both();
        both.insert(&tortie_policy::testing::Object::Endpoint(endpoint(1, &[])));
        for (name, order) in orders.iter().cycle().skip(rotation).take(orders.len()) {
            let spec = GlobalNetworkPolicySpec {
                order: *order,
                types: vec![PolicyType::Ingress],
                ..Default::default()
            };
            let key = PolicyKey::global(*name);
            let spec = tortie_policy::testing::Spec::Global(Box::new(spec));
            both.insert(&tortie_policy::testing::Object::Policy(key, spec));
            both.resolver.flush();
        }
        let flow = Flow::tcp(at("192.0.2.1", 1), at("10.0.0.1", 80));
        let evaluation = evaluate_packet(&both.inputs, &both.host, |_| true, &into_first(flow));
        let consulted: Vec<String> = (evaluation.trace.ends.iter().flat_map(|end| &end.consulted))
            .filter_map(|consulted| match consulted {
                tortie_policy::Consulted::Policy { key, .. } => Some(key.name.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(consulted, sorted);
        let mut kept = tortie_policy::Program::default();
        // A resolver of the same state that has flushed nothing yet.
        let mut anew = crate::both();
        anew.insert(&tortie_policy::testing::Object::Endpoint(endpoint(1, &[])));
        for (name, order) in orders {
            let spec =
                GlobalNetworkPolicySpec { order, types: vec![PolicyType::Ingress], ..Default::default() };
            let spec = tortie_policy::testing::Spec::Global(Box::new(spec));
            anew.insert(&tortie_policy::testing::Object::Policy(PolicyKey::global(name), spec));
        }
        kept.apply(anew.resolver.flush());
        assert_eq!(kept, both.program());
    }
    for (text, order) in [("1e400", None), ("-1e400", None), ("18446744073709551616", Some(2_f64.powi(64)))] {
        let read = serde_json::from_str::<TierSpec>(&format!(r#"{{ "order": {text} }}"#));
        assert_eq!(read.ok().and_then(|spec| spec.order), order, "{text}");
    }
    let spec = TierSpec { order: Some(f64::NAN), ..TierSpec::default() };
    let faults = Inputs::new().insert_tier("tier", &spec);
    assert_eq!(
        (faults[0].path(), faults[0].kind()),
        ("spec.order", &FieldErrorKind::OrderNotANumber),
        "{faults:?}"
    );
}

/// Numbers that do not fit are refused where they are read, and those at the ends of their range mean what they say.
#[test]
fn numbers_end_where_they_end() {
    let refused = [
        r#"{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [65536] } }"#,
        r#"{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [-1] } }"#,
        r#"{ "action": "Allow", "protocol": "TCP", "destination": { "ports": ["90:80"] } }"#,
        r#"{ "action": "Allow", "protocol": "TCP", "destination": { "ports": ["1:99999999999999999999"] } }"#,
        r#"{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [1.5] } }"#,
        r#"{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [""] } }"#,
        r#"{ "action": "Allow", "protocol": 256 }"#,
        r#"{ "action": "Allow", "protocol": -1 }"#,
        r#"{ "action": "Allow", "protocol": "ICMP", "icmp": { "type": 99999999999999999999 } }"#,
    ];
    for text in refused {
        assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
    }
    let named = [
        (r#"{ "action": "Allow", "protocol": 0 }"#, "spec.ingress[0].protocol"),
        (r#"{ "action": "Allow", "protocol": "" }"#, "spec.ingress[0].protocol"),
        (r#"{ "action": "" }"#, "spec.ingress[0].action"),
        (r#"{ "action": "Allow", "ipVersion": 0 }"#, "spec.ingress[0].ipVersion"),
        (
            r#"{ "action": "Allow", "protocol": "ICMP", "icmp": { "type": 255 } }"#,
            "spec.ingress[0].icmp.type",
        ),
        (r#"{ "action": "Allow", "protocol": "ICMP", "icmp": { "type": -1 } }"#, "spec.ingress[0].icmp.type"),
        (
            r#"{ "action": "Allow", "protocol": "ICMP", "icmp": { "type": 8, "code": 256 } }"#,
            "spec.ingress[0].icmp.code",
        ),
        (
            r#"{ "action": "Allow", "protocol": "ICMP", "notICMP": { "type": 8, "code": -1 } }"#,
            "spec.ingress[0].notICMP.code",
        ),
        (r#"{ "action": "Allow", "source": { "nets": [""] } }"#, "spec.ingress[0].source.nets[0]"),
        (r#"{ "action": "Allow", "source": { "nets": ["10.0.0.0/33"] } }"#, "spec.ingress[0].source.nets[0]"),
        (r#"{ "action": "Allow", "source": { "nets": ["::/129"] } }"#, "spec.ingress[0].source.nets[0]"),
        (r#"{ "action": "Allow", "source": { "nets": ["10.0.0.0/+8"] } }"#, "spec.ingress[0].source.nets[0]"),
        (r#"{ "action": "Allow", "source": { "nets": ["010.0.0.1"] } }"#, "spec.ingress[0].source.nets[0]"),
    ];
    for (text, path) in named {
        let spec = NetworkPolicySpec { ingress: vec![read(text)], ..NetworkPolicySpec::default() };
        let faults = spec.validate();
        assert!(faults.iter().any(|fault| fault.path() == path), "{text}: {faults:?}");
        // It closes what it governs.
        let mut inputs = Inputs::new();
        inputs.insert_endpoint(tortie_policy::Endpoint { namespace: Some("ns".into()), ..endpoint(1, &[]) });
        inputs.insert_network_policy("ns", "policy", &spec);
        let flow = Flow::tcp(at("192.0.2.1", 1), at("10.0.0.1", 80));
        let decided = evaluate_packet(&inputs, &host(), |_| true, &into_first(flow)).trace.ends[0].clone();
        let owner = Owner::Policy(PolicyKey::namespaced("ns", "policy").into());
        assert_eq!(
            (decided.verdict, decided.decided_by),
            (Verdict::Deny, Origin::Invalid { owner }),
            "{text}"
        );
    }
    // The ends of the range, and just inside and outside of ranges.
    let mut inputs = Inputs::new();
    inputs.insert_endpoint(endpoint(1, &[]));
    let rules = r#"{ "types": ["Ingress"], "ingress": [
        { "action": "Allow", "protocol": "TCP", "destination": { "ports": [0, 65535, "100:200", "200:300"] } },
        { "action": "Allow", "protocol": "UDP", "destination": { "notPorts": ["0:99", "301:65535"] } },
        { "action": "Allow", "protocol": "SCTP", "destination": { "ports": ["0:65535"] } },
        { "action": "Allow", "protocol": 255 },
        { "action": "Allow", "protocol": "ICMP", "icmp": { "type": 254, "code": 255 } },
        { "action": "Allow", "protocol": "ICMP", "icmp": { "type": 0, "code": 0 } }] }"#;
    global(&mut inputs, "policy", rules);
    let programs = programs(&inputs);
    let ask = |transport| {
        let source: IpAddr = [192, 0, 2, 1].into();
        judged(&inputs, &programs, &into_first(Flow::new(source, [10, 0, 0, 1].into(), transport)))
            == Verdict::Allow
    };
    let source_port = 1;
    for (port, in_range) in [
        (0, false),
        (1, false),
        (99, false),
        (100, true),
        (200, true),
        (300, true),
        (301, false),
        (65534, false),
        (65535, false),
    ] {
        let is_end = matches!(port, 0 | 65535);
        assert_eq!(ask(Transport::Tcp { source_port, destination_port: port }), in_range || is_end, "{port}");
        assert_eq!(ask(Transport::Udp { source_port, destination_port: port }), in_range, "{port}");
        assert!(ask(Transport::Sctp { source_port, destination_port: port }), "{port}");
    }
    for (number, allowed) in [(255, true), (254, false), (0, false), (6, false), (17, true), (132, false)] {
        let wanted = ask(Transport::Other(number));
        // What has no ports has none of those that a rule excludes.
        assert_eq!(wanted, allowed, "{number}");
    }
    for (kind, code, allowed) in
        [(254, 255, true), (254, 254, false), (255, 255, false), (0, 0, true), (0, 1, false), (8, 0, false)]
    {
        assert_eq!(ask(Transport::Icmp { kind, code }), allowed, "{kind} {code}");
    }
}

/// Prefixes that lie in each other, are the same, and cover everything, in rules and in sets: the verdict is the sum.
const OVERLAPPING: [&str; 12] = [
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.1.2.3",
    "10.1.2.3/32",
    "10.0.0.0/8",
    "11.0.0.0/8",
    "192.0.2.255/24",
    "fd00::/8",
    "fd00::/64",
    "fd00::1",
    "::ffff:10.9.0.0/112",
];

fn overlapping(nets: &[&str], negated: bool) -> Inputs {
    let mut inputs = Inputs::new();
    inputs.insert_endpoint(endpoint(1, &[]));
    let list = serde_json::to_string(nets).unwrap();
    let labels = [("kind".to_string(), "set".to_string())].into();
    for name in ["one", "two"] {
        let spec = read(&format!(r#"{{ "nets": {list} }}"#));
        assert_eq!(inputs.insert_network_set(name, &labels, &spec), []);
    }
    let [nets, selector] = match negated {
        false => ["nets", "selector"],
        true => ["notNets", "notSelector"],
    };
    for (index, family) in ["4", "6"].into_iter().enumerate() {
        let of_family: Vec<&str> = serde_json::from_str::<Vec<&str>>(&list)
            .unwrap()
            .into_iter()
            .filter(|net| (net.contains(':') && !net.starts_with("::ffff")) == (index == 1))
            .collect();
        let of_family = serde_json::to_string(&of_family).unwrap();
        global(
            &mut inputs,
            &format!("policy-{family}"),
            &format!(
                r#"{{ "order": {family}, "types": ["Ingress"], "ingress": [
                {{ "action": "Allow", "protocol": "TCP", "ipVersion": {family}, "source": {{ "{nets}": {of_family} }},
                   "destination": {{ "ports": [80] }} }}] }}"#
            ),
        );
    }
    global(
        &mut inputs,
        "set",
        &format!(
            r#"{{ "order": 9, "types": ["Ingress"], "ingress": [
            {{ "action": "Allow", "protocol": "TCP", "source": {{ "{selector}": "kind == 'set'" }},
               "destination": {{ "ports": [81] }} }}] }}"#
        ),
    );
    inputs
}

#[test]
fn overlapping_prefixes_are_their_sum() {
    let everything = ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "::/0", "::/1", "fd00::/8"];
    let sources = [
        ("10.0.0.0", true),
        ("10.255.255.255", true),
        ("9.255.255.255", false),
        ("11.255.255.255", true),
        ("12.0.0.0", false),
        ("192.0.2.0", true),
        ("192.0.2.255", true),
        ("192.0.3.0", false),
        ("fd00::", true),
        ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("fe00::", false),
        ("fc00::", false),
        ("::", false),
    ];
    for negated in [false, true] {
        for (nets, all) in [(&OVERLAPPING[..], false), (&everything[..], true)] {
            if negated && all {
                continue;
            }
            let inputs = overlapping(nets, negated);
            let programs = programs(&inputs);
            for (source, inside) in sources {
                let destination = if source.contains(':') { "fd00::1" } else { "10.0.0.1" };
                let wanted = if (inside || all) == negated { Verdict::Deny } else { Verdict::Allow };
                for port in [80, 81] {
                    let flow = Flow::tcp(at(source, 1), at(destination, port));
                    let found = judged(&inputs, &programs, &into_first(flow));
                    assert_eq!(found, wanted, "{source} {port} negated: {negated}, all: {all}");
                }
            }
        }
    }
    // No prefix of a rule excludes everything.
    let spec: NetworkPolicySpec =
        read(r#"{ "ingress": [{ "action": "Allow", "source": { "notNets": ["0.0.0.0/0"] } }] }"#);
    let faults = spec.validate();
    assert_eq!(
        (faults[0].path(), faults[0].kind()),
        ("spec.ingress[0].source.notNets[0]", &FieldErrorKind::ExcludesAll)
    );
}

#[test]
fn netns_the_kernel_takes_overlapping_prefixes() {
    if let Place::Done = enter("values::netns_the_kernel_takes_overlapping_prefixes") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let all = ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "::/0", "8000::/1", "fd00::/8"];
    for inputs in
        [overlapping(&OVERLAPPING, false), overlapping(&OVERLAPPING, true), overlapping(&all, false)]
    {
        for program in programs(&inputs) {
            let text = nftables::render(&program, &Options::default());
            assert_eq!(nft(&text), Ok(()), "{text}");
            assert_eq!(nft("flush ruleset"), Ok(()));
            let mut rules = Ruleset::new(Options::default());
            rules.set_program(program);
            settle(&mut socket, &mut rules);
            assert_eq!(rules.denials().count(), 0);
            assert_eq!(nft("flush ruleset"), Ok(()));
        }
    }
}

/// No packet has addresses of both families: a rule that names both is told as a fault, and closes what its policy governs,
/// also where one of them is excluded. Selectors do not speak of families.
#[test]
fn both_families_in_a_rule() {
    let faulty = [
        r#"{ "source": { "nets": ["10.0.0.0/8", "fd00::/8"] } }"#,
        r#"{ "source": { "nets": ["0.0.0.0/0"] }, "destination": { "nets": ["::/0"] } }"#,
        r#"{ "ipVersion": 4, "destination": { "nets": ["::/0"] } }"#,
        r#"{ "ipVersion": 6, "source": { "nets": ["0.0.0.0/0"] } }"#,
        r#"{ "source": { "notNets": ["192.0.2.0/24"] }, "destination": { "nets": ["fd00::/8"] } }"#,
        r#"{ "source": { "notNets": ["10.0.0.0/8"] }, "destination": { "notNets": ["fe00::/8"] } }"#,
        r#"{ "source": { "nets": ["10.0.0.0/8"], "notNets": ["fd00::/8"] } }"#,
        r#"{ "protocol": "ICMPv6", "ipVersion": 4 }"#,
    ];
    for criteria in faulty {
        let (faults, found) = allowed_by(criteria);
        assert!(
            !faults.is_empty() && faults.iter().all(|fault| fault.path().starts_with("spec.ingress[0]."))
        );
        let is_family = |kind: &FieldErrorKind| {
            matches!(kind, FieldErrorKind::MixedFamilies | FieldErrorKind::ProtocolOfOtherFamily)
        };
        assert!(faults.iter().any(|fault| is_family(fault.kind())), "{criteria}: {faults:?}");
        assert_eq!(found, [false, false], "{criteria}");
    }
    let right = [
        (r#"{ "source": { "notNets": ["192.0.2.0/24"] } }"#, [false, false]),
        (r#"{ "source": { "notNets": ["192.0.3.0/24"] } }"#, [true, false]),
        (r#"{ "source": { "notNets": ["2001:db8::/32"] } }"#, [false, false]),
        (r#"{ "source": { "notNets": ["2001:db9::/32"] } }"#, [false, true]),
        (r#"{ "source": { "notSelector": "kind == 'v4'" } }"#, [false, true]),
        (r#"{ "source": { "selector": "kind == 'v4'" } }"#, [true, false]),
        (r#"{ "source": { "notSelector": "has(kind)" } }"#, [false, false]),
        (r#"{ "source": { "selector": "has(kind)", "nets": ["192.0.2.0/24"] } }"#, [true, false]),
        (r#"{ "ipVersion": 6, "source": { "selector": "kind == 'v4'" } }"#, [false, false]),
    ];
    for (criteria, wanted) in right {
        let (faults, found) = allowed_by(criteria);
        assert_eq!((faults, found), (vec![], wanted), "{criteria}");
    }
}

/// The faults of a policy with one rule of these criteria that allows, and whether a packet of each family passes.
fn allowed_by(criteria: &str) -> (Vec<tortie_policy::FieldError>, [bool; 2]) {
    let mut rule: serde_json::Value = read(criteria);
    rule["action"] = "Allow".into();
    let spec = GlobalNetworkPolicySpec {
        ingress: vec![serde_json::from_value(rule).unwrap()],
        types: vec![PolicyType::Ingress],
        ..GlobalNetworkPolicySpec::default()
    };
    let mut inputs = Inputs::new();
    inputs.insert_endpoint(endpoint(1, &[]));
    for (kind, net) in [("v4", "192.0.2.0/24"), ("v6", "2001:db8::/32")] {
        let labels = [("kind".to_string(), kind.to_string())].into();
        let spec = read(&format!(r#"{{ "nets": ["{net}"] }}"#));
        assert_eq!(inputs.insert_network_set(kind, &labels, &spec), []);
    }
    let faults = inputs.insert_global_network_policy("policy", &spec);
    let programs = programs(&inputs);
    let found = [("192.0.2.9", "10.0.0.1"), ("2001:db8::9", "fd00::1")].map(|(source, destination)| {
        let flow = Flow::tcp(at(source, 1), at(destination, 80));
        judged(&inputs, &programs, &into_first(flow)) == Verdict::Allow
    });
    (faults, found)
}
