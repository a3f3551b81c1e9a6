//! An optimised program gives the verdicts and the log lines of the program that it was made from, on random and on boundary
//! packets, with each pass alone and with all of them.

use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use tortie_policy::model::{Action, EntityRule, GlobalNetworkPolicySpec, Port, Protocol, Rule};
use tortie_policy::testing::{Choices, World, inputs};
use tortie_policy::{
    Endpoint, Flow, Host, Inputs, Match, Origin, Packet, Passes, Place, Program, Reason, Step, StepAction,
    Transport, compile, interpret, optimise, resolve,
};

/// Random policies tried; fifty times as many with `TORTIE_PROVE=1`.
const CASES: u32 = 200;
/// Flows tried for each.
const FLOWS: usize = 60;
/// Bytes that choices are made from.
const BYTES: usize = 3000;

fn runner() -> TestRunner {
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    let cases = if prove { CASES * 50 } else { CASES };
    let config = Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]))
}

/// All passes, each alone, and with everything a matter for a table.
fn variants() -> Vec<Passes> {
    let none = Passes::none().inline(1);
    vec![
        Passes::default(),
        Passes::default().inline(0),
        Passes::default().inline(3),
        none.shadow(true),
        none.fold(true),
        none.spread(true),
        none.fold(true).spread(true),
    ]
}

fn place(inputs: &Inputs, address: IpAddr) -> Place<'_> {
    match inputs.endpoint_at(address) {
        Some(endpoint) => Place::Workload(&endpoint.interface),
        None => Place::Interface("eth0"),
    }
}

fn compare(
    inputs: &Inputs,
    program: &Program,
    variants: &[Program],
    flow: Flow,
) -> Result<(), TestCaseError> {
    let packet = Packet::new(place(inputs, flow.source), place(inputs, flow.destination), flow);
    // Of several rules that match with one verdict, another may be the one that decides.
    let says = |program: &Program| -> Vec<_> {
        let judgements = interpret(program, &packet).judgements;
        judgements
            .into_iter()
            .map(|judgement| (judgement.endpoint, judgement.verdict, judgement.logged))
            .collect()
    };
    let want = says(program);
    for (index, optimised) in variants.iter().enumerate() {
        let got = says(optimised);
        if got != want {
            return Err(TestCaseError::fail(format!("variant {index}: {flow}: {got:?}, not {want:?}")));
        }
    }
    Ok(())
}

fn transport(protocol: usize, source_port: u16, destination_port: u16) -> Transport {
    match protocol {
        0 => Transport::Tcp { source_port, destination_port },
        1 => Transport::Udp { source_port, destination_port },
        2 => Transport::Icmp { kind: 8, code: 0 },
        _ => Transport::Other(253),
    }
}

#[test]
fn random_policies_keep_their_verdicts() {
    let world = World::new();
    let result = runner().run(&vec(any::<u8>(), BYTES), |bytes| {
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        let program = compile(&resolve(&inputs, &Host::new("host"), |_| true));
        let optimised: Vec<_> = variants().iter().map(|passes| optimise(&program, passes).program).collect();
        for _ in 0..FLOWS {
            let family = choices.below(2);
            let all: Vec<_> = world.endpoints.iter().chain(&world.outside).map(|pair| pair[family]).collect();
            let (source, destination) = (*choices.one(&all), *choices.one(&all));
            let (source_port, destination_port) = (*choices.one(&[40000, 80]), *choices.one(&world.ports));
            let flow =
                Flow::new(source, destination, transport(choices.below(4), source_port, destination_port));
            compare(&inputs, &program, &optimised, flow)?;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// What the long lists of rules choose from: few enough that they overlap in every way.
struct Plenty;

impl Plenty {
    fn net(choices: &mut Choices<'_>) -> String {
        let len = *choices.one(&[32, 32, 32, 31, 30, 29, 28, 27, 26, 25, 24, 0]);
        format!("192.0.2.{}/{len}", choices.below(40))
    }

    fn port(choices: &mut Choices<'_>) -> Port {
        let min = u16::try_from(choices.below(30)).unwrap_or_default();
        match choices.below(3) {
            0 | 1 => Port::Number(min + u16::from(min == 0)),
            _ => Port::Range { min, max: *choices.one(&[min, min + 1, min + 7, u16::MAX]) },
        }
    }

    fn rule(choices: &mut Choices<'_>, verdicts: &[Action]) -> Rule {
        let mut rule = Rule::new(choices.one(verdicts).clone());
        if !choices.once_in(8) {
            rule.protocol = Some(Protocol::Name((*choices.one(&["TCP", "UDP"])).to_string()));
            if !choices.once_in(6) {
                rule.destination.ports = (0..=choices.below(2)).map(|_| Self::port(choices)).collect();
            }
            if choices.once_in(12) {
                rule.source.ports = vec![Self::port(choices)];
            }
        }
        if !choices.once_in(5) {
            rule.source.nets = (0..=choices.below(2)).map(|_| Self::net(choices)).collect();
        }
        if choices.once_in(10) {
            rule.destination.nets = vec![Self::net(choices)];
        }
        rule
    }

    fn inputs(choices: &mut Choices<'_>) -> Inputs {
        let verdicts: &[Action] = match choices.below(3) {
            0 => &[Action::Allow],
            1 => &[Action::Allow, Action::Deny],
            _ => &[Action::Allow, Action::Allow, Action::Deny, Action::Log],
        };
        let rules: Vec<Rule> = (0..=choices.below(50)).map(|_| Self::rule(choices, verdicts)).collect();
        let mut inputs = Inputs::new();
        let spec = GlobalNetworkPolicySpec { ingress: rules, ..Default::default() };
        assert_eq!(inputs.insert_global_network_policy("long", &spec), []);
        inputs.insert_endpoint(Endpoint {
            id: "web".into(),
            interface: "cali1".into(),
            addresses: vec![Ipv4Addr::new(192, 0, 2, 20).into()],
            ..Endpoint::default()
        });
        inputs
    }
}

fn is_table(step: &Step) -> bool {
    matches!(step.action, StepAction::Spread(_)) || step.matches.iter().any(|m| matches!(m, Match::Tuple(_)))
}

#[test]
fn long_lists_keep_their_verdicts_at_every_boundary() {
    let (tables, boxes) = (Cell::new(0_u32), Cell::new(0_u32));
    let result = runner().run(&vec(any::<u8>(), BYTES), |bytes| {
        let mut choices = Choices::new(&bytes);
        let inputs = Plenty::inputs(&mut choices);
        let program = compile(&resolve(&inputs, &Host::new("host"), |_| true));
        let optimised: Vec<_> = variants().iter().map(|passes| optimise(&program, passes).program).collect();
        for step in
            optimised.iter().flat_map(|program| program.chains.values()).flat_map(|chain| &chain.steps)
        {
            tables.set(tables.get() + u32::from(is_table(step)));
            for wanted in &step.matches {
                if let Match::Tuple(tuples) = wanted {
                    boxes.set(boxes.get() + u32::from(tuples.mask().is_none()));
                }
            }
        }
        // Every prefix begins and ends at one of these, and so does every range of ports.
        for address in [0, 1, 2, 7, 8, 15, 16, 20, 31, 32, 39, 40, 63, 64, 127, 128, 255] {
            for port in [0, 1, 2, 6, 7, 8, 9, 14, 15, 16, 20, 29, 30, 36, 37, 65535] {
                let protocol = (usize::from(port) + usize::from(address)) % 4;
                for protocol in [protocol % 2, protocol] {
                    let source = Ipv4Addr::new(192, 0, 2, address).into();
                    let transport = transport(protocol, *choices.one(&[0, 8, 40000]), port);
                    let flow = Flow::new(source, Ipv4Addr::new(192, 0, 2, 20).into(), transport);
                    compare(&inputs, &program, &optimised, flow)?;
                }
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(
        tables.get() > 100 && boxes.get() > 20,
        "{} tables, {} of them of boxes",
        tables.get(),
        boxes.get()
    );
}

#[test]
fn rules_that_never_decide_are_named() {
    let mut inputs = Inputs::new();
    let rule = |action, net: &str| Rule {
        source: EntityRule { nets: vec![net.into()], ..EntityRule::default() },
        ..Rule::new(action)
    };
    let spec = GlobalNetworkPolicySpec {
        ingress: vec![
            rule(Action::Deny, "10.0.0.0/8"),
            rule(Action::Allow, "10.1.0.0/16"),
            rule(Action::Allow, "11.0.0.0/8"),
            Rule::new(Action::Deny),
            rule(Action::Log, "12.0.0.0/8"),
        ],
        ..Default::default()
    };
    assert_eq!(inputs.insert_global_network_policy("shadows", &spec), []);
    inputs.insert_endpoint(Endpoint { id: "web".into(), interface: "cali1".into(), ..Endpoint::default() });
    let optimised = optimise(&compile(&resolve(&inputs, &Host::new("host"), |_| true)), &Passes::default());
    let index = |origin: &Origin| match origin {
        Origin::Rule { index, .. } => *index,
        _ => usize::MAX,
    };
    let removed: Vec<_> = (optimised.removed.iter())
        .map(|removed| match &removed.reason {
            Reason::ShadowedBy(by) => (index(&removed.origin), index(by)),
            _ => (index(&removed.origin), usize::MAX),
        })
        .collect();
    // Nor does what a tier does that has decided.
    assert_eq!(removed, [(1, 0), (4, 3), (usize::MAX, 3)]);
}
