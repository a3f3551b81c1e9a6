//! The compiled program agrees with the reference evaluator, on random policy and random flows.

use core::cell::RefCell;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use tortie_policy::testing::{Choices, World, inputs, judgements, kind, objects, packet};
use tortie_policy::{Endpoint, Host, Inputs, ListKind, compile, evaluate_packet, interpret, resolve};

/// Random policies tried; fifty times as many with `TORTIE_PROVE=1`.
const CASES: u32 = 400;
/// Flows tried for each.
const FLOWS: usize = 60;
/// Bytes that choices are made from.
const BYTES: usize = 5000;

fn runner() -> TestRunner {
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    let cases = if prove { CASES * 50 } else { CASES };
    let config = Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

fn agree(
    inputs: &Inputs,
    choices: &mut Choices<'_>,
    world: &World,
    seen: &RefCell<BTreeSet<(&'static str, String)>>,
) -> Result<(), TestCaseError> {
    let local = choices.below(4);
    let is_local = |id: &str| local == 3 || id.starts_with("host-0/") || (local == 2 && id.ends_with('1'));
    let host = world.host();
    let is_local = |endpoint: &Endpoint| is_local(&endpoint.id);
    let program = compile(&resolve(inputs, &host, is_local));
    for _ in 0..FLOWS {
        let packet = packet(choices, world, inputs, is_local);
        let got = interpret(&program, &packet);
        let evaluation = evaluate_packet(inputs, &host, is_local, &packet);
        let want = judgements(&evaluation);
        if got.judgements != want || got.verdict() != evaluation.verdict {
            return Err(TestCaseError::fail(format!("{got:#?}\nbut {packet:?}\n{evaluation}")));
        }
        let mut seen = seen.borrow_mut();
        for (end, judgement) in evaluation.trace.ends.iter().zip(want) {
            let list = if end.list == ListKind::Normal { "" } else { end.list.as_str() };
            seen.insert((kind(&judgement.decided_by), format!("{list} {}", judgement.verdict)));
            if !judgement.logged.is_empty() {
                seen.insert(("log", String::new()));
            }
            if end.staged.as_ref().is_some_and(|staged| staged.verdict != end.verdict) {
                seen.insert(("staged differs", String::new()));
            }
        }
    }
    Ok(())
}

/// What was inserted first makes no difference to anything.
#[test]
fn the_order_of_insertion_does_not_matter() {
    let world = World::new();
    let config = Config { cases: CASES / 4, ..runner().config().clone() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]));
    let result = runner.run(&(vec(any::<u8>(), BYTES), any::<u64>()), |(bytes, seed)| {
        let mut objects = objects(&mut Choices::new(&bytes), &world);
        let programs = [0, seed, seed.rotate_left(32)].map(|seed| {
            // A permutation of few swaps is as good as any.
            for index in 1..objects.len() {
                let other = usize::try_from(seed.rotate_left(u32::try_from(index).unwrap()) % 64).unwrap();
                objects.swap(index, other % (index + 1));
            }
            let mut inputs = Inputs::new();
            objects.iter().for_each(|object| object.insert(&mut inputs));
            let resolved = resolve(&inputs, &Host::new("host"), |_| true);
            (compile(&resolved), resolved)
        });
        proptest::prop_assert!(programs.windows(2).all(|pair| pair[0] == pair[1]));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
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
        ("encapsulated", " deny"),
        ("end of tier", " deny"),
        ("end of tier", "forward deny"),
        ("failsafe", " allow"),
        ("failsafe", "preDNAT allow"),
        ("failsafe", "untracked allow"),
        ("invalid", " deny"),
        ("log", ""),
        ("neighbour discovery", " allow"),
        ("neighbour discovery", "preDNAT allow"),
        ("neighbour discovery", "untracked allow"),
        ("no profile matched", " deny"),
        ("policy rule", " allow"),
        ("policy rule", " deny"),
        ("policy rule", "forward allow"),
        ("policy rule", "forward deny"),
        ("policy rule", "preDNAT allow"),
        ("policy rule", "preDNAT deny"),
        ("policy rule", "untracked allow"),
        ("policy rule", "untracked deny"),
        ("profile rule", " allow"),
        ("profile rule", " deny"),
        ("routing advice", " deny"),
        ("staged differs", ""),
        ("to host", " allow"),
        ("to host", " deny"),
        ("undecided", "forward allow"),
        ("undecided", "preDNAT allow"),
        ("undecided", "untracked allow"),
        ("unknown interface", " deny"),
        ("unknown profile", " allow"),
        ("unknown profile", " deny"),
    ];
    let want: BTreeSet<_> = want.map(|(kind, verdict)| (kind, verdict.to_string())).into();
    let missing: Vec<_> = want.difference(&seen).collect();
    assert!(missing.is_empty(), "the run has not met {missing:?}");
}
