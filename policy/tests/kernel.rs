//! The kernel, given messages, does what the evaluator says, what the text says, and the same whatever was there before.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed says what was tried"
)]

mod common;
mod lab;

use std::collections::BTreeMap;
use std::process::Command;

use tortie_nft_wire::{CommitError, Socket};
use tortie_policy::nftables::{self, Options, Ruleset};
use tortie_policy::{
    Flow, Host, Inputs, Passes, Program, Transport, Verdict, compile, evaluate, optimise, resolve,
};

use common::{Choices, World, inputs};
use lab::{HOST, Lab, Place, enter, nft, ruleset};

/// Random policies whose packets are sent; ten times as many with `TORTIE_PROVE=1`.
const ROUNDS: u64 = 24;
/// Random programs that are compared as text and as messages, and changes from one to the next.
const PROGRAMS: u64 = 24;

fn prove(count: u64) -> u64 {
    if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") { count * 10 } else { count }
}

/// Pseudo-random bytes of a seed (xorshift64*).
fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

fn program(inputs: &Inputs, passes: &Passes) -> Program {
    optimise(&compile(&resolve(inputs, &Host::new("host"), |_| true)), passes).program
}

/// Passes that look rules up in tables even where there are few.
fn eager() -> Passes {
    Passes::default().inline(0)
}

/// Makes the kernel as wished; how many batches that took.
fn settle(socket: &mut Socket, ruleset: &mut Ruleset) -> usize {
    for count in 0..100 {
        let Some(batch) = ruleset.poll_batch().unwrap() else { return count };
        match socket.commit(batch) {
            Ok(()) => ruleset.confirm(),
            Err(CommitError::Refused(refusals)) => {
                let numbers: Vec<u32> = refusals.iter().map(|refusal| refusal.number).collect();
                let texts: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                assert!(ruleset.reject(&numbers), "{}", texts.join("\n"));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never ends");
}

/// Makes the kernel as wished by one batch that it takes.
fn commit(socket: &mut Socket, ruleset: &mut Ruleset) {
    let batch = ruleset.poll_batch().unwrap().unwrap();
    if let Err(error) = socket.commit(batch) {
        panic!("{error}");
    }
    ruleset.confirm();
    assert!(ruleset.poll_batch().unwrap().is_none(), "nothing is left to do");
}

/// What nft lists of the table: for each chain, set and map its lines. Sizes are left out, and elements are sorted.
fn listed() -> BTreeMap<String, Vec<String>> {
    let output =
        Command::new("nft").args(["-s", "-n", "list", "table", "inet", nftables::TABLE]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut head, mut elements) = (String::new(), None::<String>);
    for line in text.lines().map(str::trim) {
        if let Some(list) = &mut elements {
            list.push(' ');
            list.push_str(line);
        } else if let Some(name) = line.strip_suffix(" {").filter(|_| !line.contains('=')) {
            head = name.to_string();
            blocks.entry(head.clone()).or_default();
        } else if line.starts_with("elements = {") {
            elements = Some(line.to_string());
        } else if !line.starts_with("size ")
            && !line.starts_with("flags owner")
            && !line.is_empty()
            && line != "}"
        {
            blocks.get_mut(&head).unwrap().push(sorted(line));
        }
        if let Some(list) = elements.take_if(|list| list.ends_with('}')) {
            blocks.get_mut(&head).unwrap().push(sorted(&list));
        }
    }
    blocks
}

/// The line with the elements of each set in order. nft puts comparisons of one ICMP header in an order of its own: words of
/// such a line are sorted, too.
fn sorted(line: &str) -> String {
    let line = with_sorted_elements(line);
    if !line.contains("icmp") {
        return line;
    }
    let mut words: Vec<&str> = line.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}

fn with_sorted_elements(line: &str) -> String {
    let Some((before, rest)) = line.split_once("{ ") else { return line.to_string() };
    let Some((list, after)) = rest.split_once(" }") else { return line.to_string() };
    let mut items: Vec<&str> = list.split(", ").map(str::trim).collect();
    items.sort_unstable();
    format!("{before}{{ {} }}{}", items.join(", "), with_sorted_elements(after))
}

#[track_caller]
fn assert_same(what: &str, one: &BTreeMap<String, Vec<String>>, other: &BTreeMap<String, Vec<String>>) {
    for name in one.keys().chain(other.keys()) {
        assert_eq!(one.get(name), other.get(name), "{what}: {name}");
    }
}

fn udp(source: core::net::IpAddr, destination: core::net::IpAddr, port: u16) -> Flow {
    Flow::udp((source, 40000).into(), (destination, port).into())
}

#[test]
fn netns_messages_meet_the_verdicts_of_the_evaluator() {
    if let Place::Done = enter("netns_messages_meet_the_verdicts_of_the_evaluator") {
        return;
    }
    let world = World { faults: false, ..World::new() };
    let mut lab = Lab::new(&world);
    let mut socket = Socket::open().unwrap();
    let mut rules = Ruleset::new(Options::default());
    let all: Vec<_> = world.endpoints.iter().chain(&world.outside[..1]).copied().collect();
    let mut counts = [0usize; 2];
    for seed in 0..prove(ROUNDS) {
        let bytes = bytes_of(seed, 4000);
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        let passes = [Passes::none(), Passes::default(), eager()][usize::try_from(seed % 3).unwrap()];
        rules.set_program(program(&inputs, &passes));
        settle(&mut socket, &mut rules);
        assert_eq!(rules.denials().count(), 0);

        let mut flows = Vec::new();
        for (index, source) in all.iter().enumerate() {
            for destination in all.iter().filter(|destination| *destination != source) {
                for family in 0..2 {
                    let (source, destination) = (source[family], destination[family]);
                    flows.push(udp(source, destination, *choices.one(&world.ports)));
                    if choices.once_in(8) {
                        let port = *choices.one(&world.ports[..4]);
                        flows.push(Flow::tcp((source, 50000).into(), (destination, port).into()));
                    }
                    if choices.once_in(8) {
                        let kind = if source.is_ipv4() { 8 } else { 128 };
                        flows.push(Flow::new(source, destination, Transport::Icmp { kind, code: 0 }));
                    }
                }
            }
            flows.push(udp(source[index % 2], HOST[index % 2], 80));
        }
        let expected = |flow: &Flow| {
            let to_host = HOST.contains(&flow.destination) && inputs.endpoint_at(flow.source).is_some();
            evaluate(&inputs, flow).verdict == Verdict::Allow && !to_host
        };
        let flows: Vec<_> = flows.into_iter().map(|flow| (flow, expected(&flow))).collect();
        let arrived = lab.send(&flows);
        for ((flow, expected), arrived) in flows.iter().zip(arrived) {
            counts[usize::from(arrived)] += 1;
            assert_eq!(
                arrived,
                *expected,
                "seed {seed}: arrived, expected\n{}\n{}",
                evaluate(&inputs, flow),
                ruleset()
            );
        }
    }
    println!("{} packets arrived, {} did not", counts[1], counts[0]);
    assert!(counts.iter().all(|count| *count > 300), "too few of one kind: {counts:?}");
}

#[test]
fn netns_text_and_messages_make_the_same_table() {
    if let Place::Done = enter("netns_text_and_messages_make_the_same_table") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let mut lines = 0;
    for seed in 0..prove(PROGRAMS) {
        let bytes = bytes_of(seed + 1000, 4000);
        let inputs = inputs(&mut Choices::new(&bytes), &World::new());
        let passes = if seed % 2 == 0 { Passes::none() } else { eager() };
        let program = program(&inputs, &passes);
        let text = nftables::render(&program, &Options::default());
        if let Err(error) = nft(&text) {
            panic!("{error}\n{text}");
        }
        let by_text = listed();
        let mut rules = Ruleset::new(Options::default());
        rules.set_program(program);
        commit(&mut socket, &mut rules);
        let by_messages = listed();
        assert_same(&format!("seed {seed}: by text, by messages"), &by_text, &by_messages);
        lines += by_text.values().map(Vec::len).sum::<usize>();
    }
    println!("{lines} lines are the same");
    assert!(lines > 1000);
}

#[test]
fn netns_changes_make_what_a_fresh_table_is() {
    if let Place::Done = enter("netns_changes_make_what_a_fresh_table_is") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let mut rules = Ruleset::new(Options::default());
    let world = World::new();
    for seed in 0..prove(PROGRAMS) {
        let bytes = bytes_of(seed / 4 + 2000, 4000);
        let mut inputs = inputs(&mut Choices::new(&bytes), &world);
        // Neighbours differ by little, every fourth by all.
        let mut choices = bytes_of(seed + 3000, 64);
        for index in 0..6 {
            if choices.pop().unwrap() % 3 == 0 {
                inputs.remove_endpoint(&format!("host-{}/pod-{index}", index % 2));
            }
        }
        let passes = [Passes::none(), eager()][usize::try_from(seed / 4 % 2).unwrap()];
        let program = program(&inputs, &passes);
        rules.set_program(program.clone());
        if rules.poll_batch().unwrap().is_some() {
            commit(&mut socket, &mut rules);
        }
        let changed = listed();
        rules.set_program(program.clone());
        assert!(rules.poll_batch().unwrap().is_none(), "the same again is nothing");
        assert!(rules.is_settled());
        let mut other = Ruleset::new(Options::default());
        other.set_program(program);
        commit(&mut socket, &mut other);
        assert_same(&format!("seed {seed}: changed, fresh"), &changed, &listed());
    }
}
