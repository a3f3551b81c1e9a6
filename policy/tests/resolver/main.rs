//! What is kept while it changes is what is made anew, after every change and in every order.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "test code: a panic is a failed test")]

mod changes;
mod work;

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use tortie_policy::testing::{Both, Object};
use tortie_policy::{
    Addresses, Chain, ChainKey, Delta, Endpoint, Host, Match, Passes, Program, ResolverStats, SetChange,
    SetId, optimise, resolve,
};

use changes::{Dice, HOST, both, change, make, object};

/// Random histories tried; thirty times as many with `TORTIE_PROVE=1`.
const CASES: u32 = 300;
/// Bytes that each change is made from.
const BYTES: usize = 48;

fn runner(seed: u8, share: u32) -> TestRunner {
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    let cases = CASES / share * if prove { 30 } else { 1 };
    let config = Config { cases, max_shrink_iters: 5_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

fn sets_of(chain: &Chain) -> impl Iterator<Item = &SetId> {
    chain.steps.iter().flat_map(|step| &step.matches).filter_map(|wanted| match wanted {
        Match::Address { addresses: Addresses::Set(id), .. } => Some(id),
        Match::AddressPort { set, .. } => Some(set),
        _ => None,
    })
}

/// Every chain and set that something speaks of is there.
fn is_closed(program: &Program) {
    for chain in program.chains.values() {
        assert!(sets_of(chain).all(|id| program.sets.contains_key(id)));
        assert!(chain.targets().all(|key| program.chains.contains_key(key)));
    }
    let hosts = program.hosts.values().chain(&program.all_interfaces);
    let lists: Vec<&ChainKey> = (program.dispatch.values())
        .flat_map(|dispatch| [&dispatch.ingress, &dispatch.egress])
        .chain(hosts.flat_map(|host| host.lists.values()))
        .collect();
    assert!(lists.into_iter().all(|key| program.chains.contains_key(key)));
}

/// Applies a delta step by step, and sees that each step is one that a kernel would take.
fn apply(program: &mut Program, delta: Delta) {
    let mut names = BTreeSet::new();
    for (id, _) in &delta.sets_added {
        assert!(names.insert(id.clone()) && !program.sets.contains_key(id), "set {id} is there");
    }
    for SetChange { set, removed, added, .. } in &delta.sets_changed {
        assert!(names.insert(set.clone()));
        let before = program.sets[set].clone();
        let mut step = Program::default();
        step.sets.insert(set.clone(), before.clone());
        for family in tortie_policy::Family::ALL {
            let rest = before.len(family) - removed.len(family);
            let mut change = Delta::default();
            change
                .sets_changed
                .push(delta.sets_changed.iter().find(|other| other.set == *set).unwrap().clone());
            step.sets.insert(set.clone(), before.clone());
            step.apply(change);
            // All that is removed was there, nothing that is added was.
            assert_eq!(step.sets[set].len(family), rest + added.len(family));
        }
        assert!(!removed.is_empty() || !added.is_empty());
    }
    for id in &delta.sets_removed {
        assert!(names.insert(id.clone()) && program.sets.contains_key(id));
    }
    let mut chains: BTreeSet<_> = program.chains.keys().cloned().collect();
    let mut changed = BTreeSet::new();
    for (key, chain) in &delta.chains {
        assert!(changed.insert(key.clone()), "a chain is there twice");
        assert!(program.chains.get(key) != Some(chain), "a chain has not changed");
        assert!(
            chain.targets().all(|next| chains.contains(next)),
            "a chain leads to one that is not there yet"
        );
        chains.insert(key.clone());
    }
    assert!(
        delta.chains_removed.iter().all(|key| chains.remove(key)),
        "a chain is removed that is not there"
    );
    for (interface, dispatch) in &delta.dispatch {
        assert_ne!(program.dispatch.get(interface), Some(dispatch));
    }
    for interface in &delta.dispatch_removed {
        assert!(program.dispatch.contains_key(interface));
    }

    // As far as before the removals, all is there that was and that will be.
    let mut first = delta.clone();
    (first.chains_removed, first.sets_removed) = (Vec::new(), Vec::new());
    let mut between = program.clone();
    between.apply(first);
    is_closed(&between);
    program.apply(delta);
    is_closed(program);
}

/// What a delta is of.
fn kinds(program: &Program, delta: &Delta) -> Vec<&'static str> {
    let changed = delta.chains.iter().any(|(key, _)| program.chains.contains_key(key));
    let is =
        |family| move |change: &SetChange| change.removed.len(family) > 0 && change.added.len(family) > 0;
    let [v4, v6] = tortie_policy::Family::ALL;
    let kinds = [
        ("sets added", !delta.sets_added.is_empty()),
        ("members exchanged", delta.sets_changed.iter().any(is(v4)) && delta.sets_changed.iter().any(is(v6))),
        ("ports changed", delta.sets_changed.iter().any(|change| change.set.has_ports())),
        ("nodes changed", delta.sets_changed.iter().any(|change| matches!(change.set, SetId::Nodes(_)))),
        ("services changed", delta.sets_changed.iter().any(|change| matches!(change.set, SetId::Service(_)))),
        ("chain changed", changed),
        ("guard", delta.guard.is_some() && !program.guard.is_empty()),
        ("host action", delta.host_action.is_some() && !program.guard.is_empty()),
        ("dispatch", !delta.dispatch.is_empty()),
        ("dispatch removed", !delta.dispatch_removed.is_empty()),
        ("hosts", !delta.hosts.is_empty()),
        ("hosts removed", !delta.hosts_removed.is_empty()),
        ("all interfaces", matches!(delta.all_interfaces, Some(Some(_)))),
        ("no more all interfaces", matches!(delta.all_interfaces, Some(None))),
        ("chains removed", !delta.chains_removed.is_empty()),
        ("sets removed", !delta.sets_removed.is_empty()),
        ("only members", delta.chains.is_empty() && !delta.sets_changed.is_empty()),
    ];
    kinds.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind).collect()
}

/// Flushes, and sees that the program is what it should be. The answer is what the delta was of.
fn check(both: &mut Both, program: &mut Program) -> Vec<&'static str> {
    let delta = both.resolver.flush();
    let kinds = kinds(program, &delta);
    apply(program, delta);
    let want = both.program();
    assert_eq!(*program, want);
    let is_local = |endpoint: &Endpoint| endpoint.id.starts_with(HOST);
    assert_eq!(both.resolver.faults(), resolve(&both.inputs, &both.host, is_local).faults());
    assert!(both.resolver.flush().is_empty());
    let stats = both.resolver.stats();
    let counts = (stats.sets, stats.chains, stats.workloads);
    assert_eq!(counts, (want.sets.len(), want.chains.len(), want.dispatch.len()));
    kinds
}

#[test]
fn after_every_change_it_is_what_is_made_anew() {
    let strategy = (vec(any::<[u8; BYTES]>(), 0..90), any::<u8>());
    let seen = RefCell::new(BTreeMap::<&str, usize>::new());
    let note = |kinds: Vec<&'static str>| {
        kinds.into_iter().for_each(|kind| *seen.borrow_mut().entry(kind).or_default() += 1);
    };
    let result = runner(3, 1).run(&strategy, |(bytes, sync)| {
        let mut both = both();
        let mut program = Program::default();
        let sync = usize::from(sync) % 40;
        for (index, bytes) in bytes.iter().enumerate() {
            let mut dice = Dice::new(bytes);
            let often = dice.below(3);
            make(&mut both, &change(&mut dice));
            if index < sync {
                assert!(both.resolver.flush().is_empty(), "not in sync");
                continue;
            }
            both.resolver.set_in_sync();
            if often < 2 {
                note(check(&mut both, &mut program));
            }
        }
        both.resolver.set_in_sync();
        note(check(&mut both, &mut program));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    assert!(seen.len() == 17 && seen.values().all(|count| *count >= 5), "what the run has met: {seen:?}");
}

#[test]
fn what_is_optimised_change_by_change_is_the_whole_optimised() {
    let strategy = vec(any::<[u8; BYTES]>(), 0..60);
    let passes = Passes::default().inline(1);
    let changed = RefCell::new(0);
    let result = runner(11, 3).run(&strategy, |bytes| {
        let mut both = both();
        both.resolver.set_in_sync();
        let (mut program, mut optimised) = (Program::default(), Program::default());
        for bytes in &bytes {
            make(&mut both, &change(&mut Dice::new(bytes)));
            let mut delta = both.resolver.flush();
            program.apply(delta.clone());
            let removed = delta.optimise(&passes);
            optimised.apply(delta);
            let whole = optimise(&program, &passes);
            assert_eq!(optimised, whole.program);
            assert!(removed.iter().all(|removed| whole.removed.contains(removed)));
            *changed.borrow_mut() += usize::from(optimised != program);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(changed.into_inner() > 100, "there was something to optimise");
}

/// One object of each name: the last.
fn state(bytes: &[[u8; BYTES]]) -> Vec<Object> {
    let mut objects: Vec<(String, Object)> = Vec::new();
    for bytes in bytes {
        let object = object(&mut Dice::new(bytes));
        let name = object.name();
        objects.retain(|(other, _)| *other != name);
        objects.push((name, object));
    }
    objects.into_iter().map(|(_, object)| object).collect()
}

/// The same in an order that the numbers say.
fn shuffled(objects: &[Object], order: &[u8]) -> Vec<Object> {
    let mut keyed: Vec<_> = objects.iter().cloned().enumerate().collect();
    keyed.sort_by_key(|(index, _)| {
        order[index % order.len()].wrapping_mul(u8::try_from(index % 7).unwrap() | 1)
    });
    keyed.into_iter().map(|(_, object)| object).collect()
}

#[test]
fn the_order_does_not_matter_and_nothing_is_left() {
    let strategy = (vec(any::<[u8; BYTES]>(), 1..40), vec(any::<u8>(), 40));
    let result = runner(5, 3).run(&strategy, |(bytes, order)| {
        let objects = state(&bytes);
        let mut reverse = objects.clone();
        reverse.reverse();
        let mut programs = Vec::new();
        for (objects, every) in [
            (objects.clone(), 1),
            (objects.clone(), usize::MAX),
            (reverse, 3),
            (shuffled(&objects, &order), 1),
        ] {
            let mut both = both();
            let mut program = Program::default();
            both.resolver.set_in_sync();
            check(&mut both, &mut program);
            let nothing = program.clone();
            for (index, object) in objects.iter().enumerate() {
                both.insert(object);
                if index % every == 0 {
                    check(&mut both, &mut program);
                }
            }
            check(&mut both, &mut program);
            programs.push(program.clone());
            for (index, object) in shuffled(&objects, &order[1..]).into_iter().enumerate() {
                both.remove(&object);
                if index % every == 0 {
                    check(&mut both, &mut program);
                }
            }
            check(&mut both, &mut program);
            assert_eq!(program, nothing);
            let ResolverStats { policies, active_policies, items, workloads, sets, chains, .. } =
                both.resolver.stats();
            assert_eq!([policies, active_policies, items, workloads, sets, chains], [0; 6]);
        }
        assert!(programs.windows(2).all(|pair| pair[0] == pair[1]));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// An endpoint that moves is one of its new host alone: where it was, nothing is left of it but a member of sets.
#[test]
fn an_endpoint_that_moves_is_no_more_where_it_was() {
    let mut both = Both::new(Host::new(HOST), |endpoint| endpoint.node == HOST);
    both.resolver.set_in_sync();
    let mut program = Program::default();
    for (node, here) in [(HOST, 1), ("host-1", 0), (HOST, 1)] {
        both.insert(&Object::Endpoint(Endpoint {
            id: "shop/web".into(),
            node: node.into(),
            interface: "cali0".into(),
            addresses: vec![[10, 0, 0, 1].into()],
            ..Endpoint::default()
        }));
        program.apply(both.resolver.flush());
        assert_eq!(program, both.program());
        assert_eq!(program.dispatch.len(), here, "{node}");
    }
}
