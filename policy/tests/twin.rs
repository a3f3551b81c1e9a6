//! The compiled program agrees with the reference evaluator, on random policy and random flows.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "test code: a panic is a failed test")]

use core::cell::RefCell;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use tortie_policy::model::Action;
use tortie_policy::{
    Consulted, EndTrace, Endpoint, Flow, Host, Inputs, Judgement, Origin, Outcome, Packet, Place, Transport,
    compile, evaluate_packet, interpret, resolve,
};

use common::{Choices, World, inputs};

mod common;

/// Random policies tried; fifty times as many with `TORTIE_PROVE=1`.
const CASES: u32 = 400;
/// Flows tried for each.
const FLOWS: usize = 60;
/// Bytes that choices are made from.
const BYTES: usize = 3000;

fn runner() -> TestRunner {
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    let cases = if prove { CASES * 50 } else { CASES };
    let config = Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

/// What the evaluator says of one end, in the form of the interpreter.
fn judgement(end: &EndTrace) -> Judgement {
    let rules = end.consulted.iter().flat_map(|consulted| match consulted {
        Consulted::Policy { rules, .. } => rules.clone(),
        Consulted::Profile { rules, .. } => rules.clone().unwrap_or_default(),
        _ => Vec::new(),
    });
    let logged = rules
        .filter(|rule| rule.action == Action::Log && matches!(rule.outcome, Outcome::Matched { .. }))
        .map(|rule| rule.origin)
        .collect();
    Judgement {
        endpoint: end.endpoint.clone(),
        direction: end.direction,
        list: end.list,
        verdict: end.verdict,
        decided_by: end.decided_by.clone(),
        logged,
    }
}

fn kind(origin: &Origin) -> &'static str {
    match origin {
        Origin::Rule { owner: tortie_policy::Owner::Policy(_), .. } => "policy rule",
        Origin::Rule { .. } => "profile rule",
        Origin::Invalid { .. } => "invalid",
        Origin::EndOfTier { .. } => "end of tier",
        Origin::UnknownProfile { .. } => "unknown profile",
        Origin::NoProfileMatched => "no profile matched",
        Origin::Encapsulated => "encapsulated",
        Origin::UnknownInterface => "unknown interface",
        _ => "other",
    }
}

fn agree(
    inputs: &Inputs,
    choices: &mut Choices<'_>,
    world: &World,
    seen: &RefCell<BTreeSet<(&'static str, String)>>,
) -> Result<(), TestCaseError> {
    let local = choices.below(4);
    let is_local = |id: &str| local == 3 || id.starts_with("host-0/") || (local == 2 && id.ends_with('1'));
    let host = Host::new("host");
    let is_local = |endpoint: &Endpoint| is_local(&endpoint.id);
    let program = compile(&resolve(inputs, &host, is_local));
    for _ in 0..FLOWS {
        let flow = flow(choices, world);
        let place = |address| match inputs.endpoint_at(address).filter(|endpoint| is_local(endpoint)) {
            Some(endpoint) => Place::Workload(&endpoint.interface),
            None => Place::Interface("eth0"),
        };
        let from = if flow.from_host { Place::Host } else { place(flow.source) };
        let packet = Packet::new(from, place(flow.destination), flow);
        let got = interpret(&program, &packet);
        let evaluation = evaluate_packet(inputs, &host, is_local, &packet);
        let want: Vec<_> = evaluation.trace.ends.iter().map(judgement).collect();
        if got.judgements != want {
            return Err(TestCaseError::fail(format!("{got:?}\nbut\n{evaluation}")));
        }
        for judgement in want {
            let mut seen = seen.borrow_mut();
            seen.insert((kind(&judgement.decided_by), judgement.verdict.to_string()));
            if !judgement.logged.is_empty() {
                seen.insert(("log", String::new()));
            }
        }
    }
    Ok(())
}

/// A random flow.
fn flow(choices: &mut Choices<'_>, world: &World) -> Flow {
    let family = choices.below(2);
    let all: Vec<_> = world.endpoints.iter().chain(&world.outside).map(|pair| pair[family]).collect();
    let (source, destination) = (*choices.one(&all), *choices.one(&all));
    let source_port = *choices.one(&[40000, 80, 443]);
    let destination_port = *choices.one(&world.ports);
    let transport = match choices.below(6) {
        0 | 1 => Transport::Tcp { source_port, destination_port },
        2 | 3 => Transport::Udp { source_port, destination_port },
        4 => Transport::Icmp { kind: *choices.one(&[8, 128]), code: *choices.one(&[0, 1]) },
        _ => match choices.below(2) {
            0 => Transport::Sctp { source_port, destination_port },
            _ => Transport::Other(*choices.one(&[253, 4, 47])),
        },
    };
    let mut flow = Flow::new(source, destination, transport);
    flow.from_host = choices.once_in(10);
    flow
}

#[test]
fn program_agrees_with_evaluator() {
    let world = World::new();
    let seen = RefCell::new(BTreeSet::new());
    let result = runner().run(&vec(any::<u8>(), BYTES), |bytes| {
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        agree(&inputs, &mut choices, &world, &seen)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    let want = [
        ("encapsulated", "deny"),
        ("end of tier", "deny"),
        ("invalid", "deny"),
        ("log", ""),
        ("no profile matched", "deny"),
        ("policy rule", "allow"),
        ("policy rule", "deny"),
        ("profile rule", "allow"),
        ("profile rule", "deny"),
        ("unknown profile", "deny"),
    ];
    assert_eq!(seen, want.map(|(kind, verdict)| (kind, verdict.to_string())).into(), "what the run has met");
}
