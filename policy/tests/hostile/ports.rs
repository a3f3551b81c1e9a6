//! Rules of a thousand ports.

use core::net::{IpAddr, SocketAddr};

use tortie_nft_wire::Socket;
use tortie_policy::model::{NetworkPolicySpec, Port};
use tortie_policy::nftables::{self, Options, Ruleset};
use tortie_policy::testing::EAGER;
use tortie_policy::{
    Endpoint, FieldErrorKind, Flow, Inputs, Passes, PolicyKey, PolicyKind, Verdict, optimise,
};

use crate::lab::{Place, enter, nft};
use crate::transaction::settle;
use crate::{endpoint, into_first, judged, programs};

/// As many ports, none beside another.
const PORTS: u16 = 1000;
/// The distance from one to the next.
const STRIDE: u16 = 60;

fn ports() -> Vec<Port> {
    let one = |index: u16| {
        let min = 100 + index * STRIDE;
        if index % 2 == 0 { Port::Number(min) } else { Port::Range { min, max: min + 9 } }
    };
    // In an order that is none, and some of them twice.
    (0..PORTS).map(|index| one(index * 7 % PORTS)).chain((0..50).map(one)).collect()
}

/// The first workload, and a rule of these ports at both ends, or of all others.
fn spec(is_negated: bool) -> NetworkPolicySpec {
    let mut spec: NetworkPolicySpec =
        serde_json::from_str(r#"{ "ingress": [{ "action": "Allow", "protocol": "TCP" }] }"#).unwrap();
    let rule = &mut spec.ingress[0];
    for end in [&mut rule.source, &mut rule.destination] {
        *(if is_negated { &mut end.not_ports } else { &mut end.ports }) = ports();
    }
    spec
}

fn inputs(is_negated: bool) -> Inputs {
    let mut inputs = Inputs::new();
    inputs.insert_endpoint(Endpoint { namespace: Some("ns".into()), ..endpoint(1, &[]) });
    // The API of Kubernetes sets no limit.
    let key = PolicyKey::of_kind(PolicyKind::KubernetesNetworkPolicy, Some("ns"), "policy");
    assert_eq!(inputs.insert_policy(key, &spec(is_negated)), []);
    inputs
}

#[test]
fn a_thousand_ports_are_a_fault_of_one_kind_and_right_in_the_other() {
    for is_negated in [false, true] {
        let faults = spec(is_negated).validate();
        let field = if is_negated { "notPorts" } else { "ports" };
        let paths: Vec<String> =
            ["source", "destination"].map(|end| format!("spec.ingress[0].{end}.{field}")).into();
        assert_eq!(faults.iter().map(tortie_policy::FieldError::path).collect::<Vec<_>>(), paths);
        let is_too_many =
            |kind: &FieldErrorKind| matches!(kind, FieldErrorKind::TooMany { len: 1050, max: 50, .. });
        assert!(faults.iter().all(|fault| is_too_many(fault.kind())), "{faults:?}");
    }
    for is_negated in [false, true] {
        let inputs = inputs(is_negated);
        let programs = programs(&inputs);
        // On, before and behind each edge.
        let edges: Vec<u16> = [0, 1, 499, 500, 501, 998, 999]
            .into_iter()
            .flat_map(|index| {
                let min = 100 + index * STRIDE;
                [min - 1, min, min + 1, min + 8, min + 9, min + 10]
            })
            .chain([0, 1, 65535])
            .collect();
        let among = |port: u16| {
            port.checked_sub(100).is_some_and(|from| {
                let (index, offset) = (from / STRIDE, from % STRIDE);
                index < PORTS && offset <= if index % 2 == 0 { 0 } else { 9 }
            })
        };
        let mut allowed = 0;
        for source in [100, 101, 160, 169, 170] {
            for destination in edges.iter().copied() {
                for (from, to) in [([192, 0, 2, 1].into(), [10, 0, 0, 1].into()), ends_of_v6()] {
                    let flow = Flow::tcp(SocketAddr::new(from, source), SocketAddr::new(to, destination));
                    let wanted = among(source) != is_negated && among(destination) != is_negated;
                    let found = judged(&inputs, &programs, &into_first(flow)) == Verdict::Allow;
                    assert_eq!(found, wanted, "{flow}, negated: {is_negated}");
                    allowed += usize::from(found);
                }
            }
        }
        assert!(allowed > 20, "{allowed}");
    }
}

fn ends_of_v6() -> (IpAddr, IpAddr) {
    ("2001:db8::1".parse().unwrap(), "fd00::1".parse().unwrap())
}

#[test]
fn netns_the_kernel_takes_a_thousand_ports() {
    if let Place::Done = enter("ports::netns_the_kernel_takes_a_thousand_ports") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    for is_negated in [false, true] {
        let [program, ..] = programs(&inputs(is_negated));
        for passes in [Passes::none(), Passes::default(), EAGER] {
            let program = optimise(&program, &passes).program;
            let text = nftables::render(&program, &Options::default());
            assert_eq!(nft(&text), Ok(()));
            assert_eq!(nft("flush ruleset"), Ok(()));
            let mut rules = Ruleset::new(Options::default());
            rules.set_program(program);
            settle(&mut socket, &mut rules);
            assert_eq!(rules.denials().count(), 0, "{passes:?}");
            assert_eq!(nft("flush ruleset"), Ok(()));
        }
    }
}
