//! Every interleaving of small scenarios, with crashes and lost replies.
//!
//! Each scenario says how many states it must have at least, so that one that explores nothing fails. What a test has
//! no time for, `every_scenario_to_its_end` explores with `TORTIE_PROVE=1`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use core::net::IpAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Mutex;
use std::time::Instant;

use ipnet::IpNet;
use tortie_ipam::testing::{Budget, Command, Defect, Node, Scenario, Violation};
use tortie_ipam::{Block, Config, Pool, View, keys};

const NOTHING: Budget = Budget { crashes: 0, losses: 0, delays: 0, stale: 0, switches: None, rarity: 0 };
const CRASH: Budget = Budget { crashes: 1, ..NOTHING };
const LOSS: Budget = Budget { losses: 1, ..NOTHING };
const BOTH: Budget = Budget { crashes: 1, losses: 1, ..NOTHING };
const DELAY: Budget = Budget { delays: 1, ..NOTHING };
const STALE: Budget = Budget { stale: 2, ..NOTHING };

const COMMITS: bool = true;
const SINGLE: bool = false;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A pool of some blocks of two addresses.
fn view(pool: &str) -> View {
    View::new([Pool::new("p", net(pool)).block_len(31)])
}

/// A pool of some blocks of four.
fn wide(pool: &str) -> View {
    View::new([Pool::new("p", net(pool)).block_len(30)])
}

fn add(handle: &str) -> Command {
    Command::Add(handle.into())
}

fn del(handle: &str) -> Command {
    Command::Del(handle.into())
}

use Command::{DeletePool, Settle, Uninstall};

fn node(host: &str, commands: impl Into<Vec<Command>>) -> Node {
    Node::new(host, commands)
}

/// The address of a handle, and the sequence number at which it was assigned, as a collector of leaks saw them.
fn seen(scenario: &Scenario, handle: &str) -> (IpAddr, u64) {
    let blocks = scenario.initial.iter().filter(|(key, _)| key.starts_with(keys::BLOCKS));
    let mut blocks = blocks.map(|(_, value)| Block::decode(value).unwrap());
    let of = |block: Block| block.held_by(handle).next().map(|held| (held.address, held.sequence.unwrap()));
    blocks.find_map(of).unwrap()
}

/// A collector that saw this handle before the scenario begins.
fn reap(scenario: &Scenario, handle: &str) -> Node {
    let (address, sequence) = seen(scenario, handle);
    node("controller", [Command::Reap { handle: handle.into(), address, sequence }])
}

fn collect(gone: &str, nodes: &[&str]) -> Node {
    let nodes = nodes.iter().map(ToString::to_string).collect();
    node("controller", [Command::Collect { gone: vec![gone.into()], nodes }])
}

fn with(mut scenario: Scenario, more: Node) -> Scenario {
    scenario.nodes.push(more);
    scenario
}

fn proving() -> bool {
    std::env::var_os("TORTIE_PROVE").is_some()
}

/// Explores a scenario; it must have this many states at least. Gives how many it has.
fn hold(name: &str, scenario: &Scenario, at_least: usize) -> usize {
    let begun = Instant::now();
    let (commits, budget) = (scenario.commits, scenario.budget);
    match scenario.explore() {
        Ok(explored) => {
            println!("{name} commits={commits} {budget:?}: {explored:?} in {:?}", begun.elapsed());
            assert!(explored.complete || proving(), "{name}: not all states were visited");
            assert!(explored.states >= at_least, "{name}: {} states", explored.states);
            explored.states
        }
        Err(violation) => panic!("{name} commits={commits} {budget:?}: {violation}"),
    }
}

/// Explores a scenario with what may go wrong in as far as a test has time for it.
fn hold_all((name, scenario): (&str, Scenario), quick: &[(bool, Budget)]) {
    for (commits, budget) in quick {
        hold(name, &scenario.clone().commits(*commits).budget(*budget), 100);
    }
}

fn claim() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a1"), del("a1")]), node("b", [add("b1")])];
    ("claim", Scenario::new(view("10.0.0.0/30"), nodes))
}

fn borrow() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a1"), del("a1")]), node("b", [add("b1"), del("b1")])];
    ("borrow", Scenario::new(view("10.0.0.0/31"), nodes))
}

fn siblings() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a1"), del("a1")]), node("a", [add("a2"), Settle])];
    ("siblings", Scenario::new(view("10.0.0.0/30"), nodes))
}

/// Another process of the node writes the block.
fn at_hand() -> (&'static str, Scenario) {
    let nodes =
        [node("a", [add("a1"), add("a2"), del("a1")]).keeps(), node("a", [add("a3"), del("a3")]).keeps()];
    ("at hand", Scenario::new(view("10.0.0.0/31"), nodes))
}

/// The block at hand is another node's.
fn at_hand_taken_away() -> (&'static str, Scenario) {
    let nodes = [
        node("a", [add("a1"), del("a1"), del("a0"), add("a2")]).keeps().tries(5, 4),
        node("a", [Uninstall]).tries(5, 4),
    ];
    ("at hand, taken away", Scenario::new(view("10.0.0.0/31"), nodes).after(&[node("a", [add("a0")])]))
}

fn reclaim() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a1")]), node("b", [add("b1"), del("b1")])];
    let before = [node("a", [add("a0"), del("a0")])];
    ("reclaim", Scenario::new(view("10.0.0.0/31"), nodes).after(&before))
}

fn uninstall() -> (&'static str, Scenario) {
    let nodes = [node("a", [del("a0"), Uninstall]), node("b", [add("b1"), del("b1")])];
    ("uninstall", Scenario::new(view("10.0.0.0/31"), nodes).after(&[node("a", [add("a0")])]))
}

fn going() -> (&'static str, Scenario) {
    let nodes = [node("a", [Uninstall]).tries(2, 2), node("a", [add("a1")]).tries(2, 2)];
    let before = [node("a", [add("a0"), del("a0")])];
    ("going", Scenario::new(view("10.0.0.0/31"), nodes).after(&before))
}

/// Two go. With commits, every conflict is somebody's success, so nobody gives up.
fn going_twice() -> (&'static str, Scenario) {
    let nodes = [node("a", [Uninstall]), node("a", [Uninstall]), node("a", [add("a1")])];
    let before = [node("a", [add("a0"), del("a0")])];
    ("going twice", Scenario::new(view("10.0.0.0/31"), nodes).after(&before))
}

/// A runtime that gave an ADD up sends DEL, while the ADD may still be under way.
fn one_handle() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("x"), del("x")]).tries(3, 4), node("a", [del("x")]).tries(3, 4)];
    let scenario = Scenario::new(view("10.0.0.0/31"), nodes).after(&[node("a", [add("x")])]);
    ("one handle", scenario.shared_handles())
}

/// Two blocks of four: one is full but for one address, and more is wanted.
fn blocks_of_four() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a4"), add("a5"), del("a1")]), node("b", [add("b1"), del("b1")])];
    let before = [node("a", [add("a1"), add("a2"), add("a3")])];
    ("blocks of four", Scenario::new(wide("10.0.0.0/29"), nodes).after(&before))
}

/// Four blocks of four, of which two are full: who needs more claims.
fn four_blocks() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a5"), del("a1")]), node("b", [add("b5"), Uninstall])];
    let full = |host: &str| node(host, [1, 2, 3, 4].map(|pod| add(&format!("{host}{pod}"))));
    ("four blocks", Scenario::new(wide("10.0.0.0/28"), nodes).after(&[full("a"), full("b")]))
}

/// All at once: claim, borrow, release, release of affinity, and a collector that finds a leak.
fn everything() -> (&'static str, Scenario) {
    let nodes = [node("a", [add("a1"), del("a1"), Uninstall]), node("b", [add("b1"), del("b1")])];
    let scenario = Scenario::new(view("10.0.0.0/31"), nodes).after(&[node("a", [add("x")])]);
    ("everything", with(scenario, collect("x", &[])))
}

/// A node is gone with a pod; its block is wanted, and collected, at once.
fn gone_node() -> (&'static str, Scenario) {
    let nodes = [node("b", [add("b1"), del("b1")])];
    let scenario = Scenario::new(view("10.0.0.0/31"), nodes).after(&[node("a", [add("x")])]);
    ("gone node", with(scenario, collect("x", &["a"])))
}

/// An operator disables the pool while nodes assign.
fn disabled_meanwhile() -> (&'static str, Scenario) {
    let nodes = [
        node("a", [add("a1"), del("a1")]).guards(),
        node("b", [add("b1")]).guards(),
        node("operator", [DeletePool]),
    ];
    ("pool disabled", Scenario::new(view("10.0.0.0/30"), nodes).with_pool())
}

/// Three hosts, for budgets that say how often a program is interrupted at most.
fn three_hosts() -> (&'static str, Scenario) {
    let nodes = [
        node("a", [add("a1"), del("a1")]),
        node("b", [add("b1"), del("b1")]),
        node("c", [add("c1"), Uninstall]),
    ];
    ("three hosts", Scenario::new(view("10.0.0.0/30"), nodes))
}

fn strict() -> (&'static str, Scenario) {
    let config = Config { strict_affinity: true, ..Config::default() };
    let view = View { config, reservations: vec![net("10.0.0.2/32")], ..view("10.0.0.0/30") };
    let nodes = [node("a", [add("a1"), add("a2"), del("a1")]), node("b", [add("b1"), add("b2")])];
    ("strict", Scenario::new(view, nodes))
}

/// The same handle gets the same address again, once the other is taken.
fn late_collector() -> (&'static str, Scenario) {
    let nodes = [node("a", [del("x"), add("y"), add("x")]).tries(4, 4)];
    let scenario = Scenario::new(view("10.0.0.0/31"), nodes).after(&[node("a", [add("x")])]);
    let collector = reap(&scenario, "x").tries(4, 4);
    ("late collector", with(scenario, collector))
}

/// Addresses rest, blocks are young or old, and every clock says something else: the second is behind the first, and
/// even behind the time when the block was claimed.
fn clocks() -> (&'static str, Scenario) {
    let config = Config { ip_cooldown: Duration::from_secs(100), ..Config::default() };
    let view = View { config, ..view("10.0.0.0/30") };
    let early = |node: Node| node.now(Duration::from_nanos(1));
    let nodes = [
        node("a", [add("a1"), del("a1"), add("a2")]),
        early(node("b", [add("b1"), del("b1"), add("b2")])),
        node("a", [Settle]).now(Duration::from_secs(2_000)),
    ];
    ("clocks", Scenario::new(view, nodes).after(&[node("a", [add("a0"), del("a0")])]))
}

#[test]
fn two_nodes_claim_from_two_blocks() {
    hold_all(claim(), &[(COMMITS, BOTH), (SINGLE, CRASH), (SINGLE, LOSS)]);
}

#[test]
fn two_nodes_claim_the_same_block_and_borrow_and_release() {
    hold_all(borrow(), &[(COMMITS, BOTH), (SINGLE, CRASH)]);
}

#[test]
fn two_processes_of_one_node_claim() {
    hold_all(siblings(), &[(COMMITS, CRASH), (COMMITS, LOSS), (SINGLE, NOTHING)]);
}

#[test]
fn blocks_at_hand_are_stale() {
    hold_all(at_hand(), &[(COMMITS, CRASH), (COMMITS, LOSS), (SINGLE, NOTHING)]);
    hold_all(at_hand_taken_away(), &[(COMMITS, CRASH), (SINGLE, Budget { switches: Some(4), ..NOTHING })]);
}

#[test]
fn an_empty_block_is_taken_while_its_owner_wants_it() {
    hold_all(reclaim(), &[(COMMITS, CRASH), (SINGLE, NOTHING)]);
}

#[test]
fn a_node_goes_while_another_borrows() {
    hold_all(uninstall(), &[(COMMITS, CRASH), (COMMITS, LOSS), (SINGLE, NOTHING)]);
}

#[test]
fn a_node_goes_while_another_process_of_it_assigns() {
    hold_all(going(), &[(COMMITS, BOTH), (SINGLE, NOTHING)]);
    hold_all(going_twice(), &[(COMMITS, NOTHING)]);
}

#[test]
fn add_and_del_of_one_handle_at_once() {
    hold_all(one_handle(), &[(COMMITS, NOTHING), (SINGLE, NOTHING)]);
}

#[test]
fn blocks_of_four_addresses() {
    hold_all(blocks_of_four(), &[(COMMITS, CRASH)]);
    hold_all(four_blocks(), &[(COMMITS, CRASH)]);
}

#[test]
fn leaks_are_collected_meanwhile() {
    hold_all(everything(), &[(COMMITS, NOTHING)]);
    hold_all(gone_node(), &[(COMMITS, CRASH)]);
}

#[test]
fn a_pool_is_disabled_meanwhile() {
    hold_all(disabled_meanwhile(), &[(COMMITS, NOTHING)]);
}

#[test]
fn three_hosts_with_few_switches() {
    hold_all(three_hosts(), &[(COMMITS, Budget { switches: Some(2), ..NOTHING })]);
}

#[test]
fn affinity_is_strict_and_ranges_are_reserved() {
    hold_all(strict(), &[(COMMITS, NOTHING), (SINGLE, NOTHING)]);
}

#[test]
fn a_collector_is_late() {
    hold_all(late_collector(), &[(COMMITS, CRASH), (SINGLE, NOTHING)]);
}

#[test]
fn clocks_disagree_and_step_back() {
    hold_all(clocks(), &[(COMMITS, NOTHING)]);
}

#[test]
fn writes_that_come_late() {
    hold_all(claim(), &[(COMMITS, DELAY), (SINGLE, DELAY)]);
}

#[test]
fn reads_that_miss_a_write() {
    hold_all(claim(), &[(COMMITS, STALE)]);
    hold_all(borrow(), &[(COMMITS, Budget { stale: 1, ..NOTHING })]);
}

/// Every scenario once, undisturbed, and how many states that is: the share of the proof that every run of the tests has.
#[test]
fn a_fixed_share_of_all_states() {
    let small = scenarios().map(|(name, scenario)| (name, scenario, NOTHING));
    let few = Budget { switches: Some(2), ..NOTHING };
    let large = large_scenarios().map(|(name, scenario)| (name, scenario, few));
    let states = small
        .into_iter()
        .chain(large)
        .map(|(name, scenario, budget)| hold(name, &scenario.budget(budget), 10));
    let states: usize = states.sum();
    println!("{states} states explored; `cargo xtask prove ipam` explores all");
    assert!(states >= 20_000, "{states} states");
}

fn scenarios() -> [(&'static str, Scenario); 14] {
    [
        claim(),
        borrow(),
        siblings(),
        at_hand(),
        at_hand_taken_away(),
        reclaim(),
        uninstall(),
        going(),
        one_handle(),
        strict(),
        late_collector(),
        blocks_of_four(),
        four_blocks(),
        gone_node(),
    ]
}

/// Those with so many states that programs are interrupted a few times only.
fn large_scenarios() -> [(&'static str, Scenario); 5] {
    [everything(), going_twice(), disabled_meanwhile(), three_hosts(), clocks()]
}

/// All of the above, with everything that may go wrong, as far as the states allowed go.
#[test]
fn every_scenario_to_its_end() {
    const AT_LEAST: usize = 1_000_000;
    if !proving() {
        println!("not proving: set TORTIE_PROVE=1");
        return;
    }
    let few = |switches: u8, budget: Budget| Budget { switches: Some(switches), ..budget };
    // Without commits there are several times the operations: more than one thing goes wrong where switches are few.
    let two: Vec<(bool, Budget)> = [BOTH, DELAY, STALE]
        .into_iter()
        .flat_map(|budget| [(COMMITS, budget), (SINGLE, few(3, budget))])
        .chain([(SINGLE, CRASH), (SINGLE, LOSS)])
        .collect();
    let three: Vec<(bool, Budget)> = [BOTH, DELAY, STALE]
        .into_iter()
        .flat_map(|budget| [(COMMITS, few(2, budget)), (SINGLE, few(1, budget))])
        .collect();
    let mut cases: Vec<(&str, Scenario)> = Vec::new();
    for (name, scenario) in scenarios() {
        for (commits, budget) in &two {
            cases.push((name, scenario.clone().commits(*commits).budget(*budget)));
        }
    }
    for (name, scenario) in large_scenarios() {
        for (commits, budget) in &three {
            cases.push((name, scenario.clone().commits(*commits).budget(*budget)));
        }
    }
    let total = AtomicUsize::new(0);
    let cases = Mutex::new(cases);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((name, scenario)) = { cases.lock().unwrap().pop() } {
                    total.fetch_add(hold(name, &scenario.limit(LIMIT), 100), Ordering::Relaxed);
                }
            });
        }
    });
    let total = total.into_inner();
    println!("{total} states explored");
    assert!(total >= AT_LEAST, "{total} states, fewer than {AT_LEAST}");
}

/// States that one scenario of the proof visits at most.
const LIMIT: usize = 4_000_000;

/// Walks; `TORTIE_PROVE=1` multiplies them by 50.
const WALKS: u64 = 60;

#[test]
fn many_pods_on_three_nodes_by_chance() {
    let nodes = [
        node("a", [add("a1"), add("a2"), del("a1"), add("a3"), del("a2"), Settle]),
        node("a", [Settle, add("a4"), add("a5"), del("a4"), add("a6")]),
        node("b", [add("b1"), add("b2"), add("b3"), del("b2"), del("b1"), del("b3"), Uninstall]),
        node("c", [add("c1"), del("c1"), add("c2"), add("c3"), add("c4"), del("c3")]),
    ];
    // More than may fail here.
    let scenario = Scenario::new(view("10.0.0.0/29"), nodes.map(|node| node.tries(100, 8)));
    for commits in [COMMITS, SINGLE] {
        let mut steps = 0;
        for seed in 0..if proving() { WALKS * 50 } else { WALKS } {
            let budget = Budget { crashes: 3, losses: 3, delays: u8::from(seed % 4 == 0), ..NOTHING };
            match scenario.clone().commits(commits).budget(budget).walk(seed) {
                Ok(walked) => steps += walked,
                Err(violation) => panic!("seed {seed}: {violation}"),
            }
        }
        println!("by chance commits={commits}: {steps} steps");
    }
}

/// What a host does, drawn: pods come and go, the agent starts again, now and then all blocks are given up.
fn drawn(host: usize, operations: usize, seed: u64) -> Node {
    let mut state = seed ^ (host as u64) << 32;
    let mut draw = |number: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % number
    };
    let (mut commands, mut pods) = (Vec::new(), Vec::new());
    for operation in 0..operations {
        match draw(20) {
            0 => commands.push(Settle),
            1 if draw(4) == 0 => commands.push(Uninstall),
            2..=11 => {
                pods.push(format!("h{host}-{operation}"));
                commands.extend(pods.last().map(|pod| add(pod)));
            }
            _ if pods.is_empty() => commands.push(Settle),
            _ => commands.push(Command::Del(pods.swap_remove(draw(pods.len())))),
        }
    }
    node(&format!("host-{host}"), commands).tries(1_000, 50)
}

/// 50 hosts and 10,000 operations on blocks of four; a twentieth of it where nothing is to be proven.
#[test]
fn many_hosts_by_chance() {
    let (hosts, operations, seeds) = if proving() { (50, 200, 3) } else { (20, 25, 1) };
    for seed in 0..seeds {
        let nodes: Vec<Node> = (0..hosts).map(|host| drawn(host, operations, seed)).collect();
        let scenario = Scenario::new(wide("10.0.0.0/22"), nodes);
        for commits in [COMMITS, SINGLE] {
            let begun = Instant::now();
            let budget = Budget { crashes: 100, losses: 100, rarity: 50, ..NOTHING };
            match scenario.clone().commits(commits).budget(budget).walk(seed) {
                Ok(steps) => println!(
                    "{hosts} hosts, {} operations, commits={commits}: {steps} steps in {:?}",
                    hosts * operations,
                    begun.elapsed()
                ),
                Err(violation) => panic!("seed {seed}: {violation}"),
            }
        }
    }
}

/// Explores until something is wrong; whether it was.
fn catch(what: &str, scenario: &Scenario) -> bool {
    let begun = Instant::now();
    match scenario.explore() {
        Err(Violation { what: found, trace, .. }) => {
            println!("{what}: {found} after {} steps, in {:?}", trace.len(), begun.elapsed());
            true
        }
        Ok(explored) => {
            println!("{what} was not seen: {explored:?}");
            false
        }
    }
}

/// Not the allocator's mistakes, but the store's.
#[test]
fn the_explorer_sees_a_store_with_a_defect() {
    let nodes = [node("a", [add("a1")]), node("b", [add("b1")])];
    let before = [node("a", [add("a0"), del("a0")])];
    let used = [node("a", [add("a0")])];
    let lax = Scenario::new(wide("10.0.0.0/30"), nodes.clone()).after(&used).defect(Defect::IgnoresRevisions);
    // What was read comes again after a delete, and is another.
    let recurs = Scenario::new(view("10.0.0.0/31"), nodes).after(&before).defect(Defect::RevisionsRecur);
    for commits in [COMMITS, SINGLE] {
        assert!(catch("revisions that are ignored", &lax.clone().commits(commits)));
        assert!(catch("revisions that recur", &recurs.clone().commits(commits)));
    }
}

/// Mistakes made on purpose: each must be seen.
#[cfg(feature = "_faults")]
mod mistakes {
    use tortie_ipam::Mistake;

    use super::*;

    #[test]
    fn each_mistake_is_seen() {
        let config = Config { strict_affinity: true, ..Config::default() };
        let (one, two) = (view("10.0.0.0/31"), view("10.0.0.0/30"));
        let strict = View { config, ..one.clone() };
        let kept = View { reservations: vec![net("10.0.0.1/32"), net("10.0.0.3/32")], ..two.clone() };
        let both = |view: &View| {
            let nodes = [node("a", [add("a1"), del("a1")]), node("b", [add("b1"), add("b2")])];
            Scenario::new(view.clone(), nodes)
        };
        let used = [node("a", [add("a0")])];
        let goes = [node("a", [Uninstall]), node("a", [add("a1")])];
        let goes = Scenario::new(one.clone(), goes).after(&used);
        let again = [node("a", [del("a0"), add("a1"), add("a0")])];
        let again = Scenario::new(one.clone(), again).after(&used);
        let collector = reap(&again, "a0");
        let reaped = with(again, collector);
        let mut seen = 0;
        let mistakes = [
            (Mistake::WritesBlind, both(&one), COMMITS, NOTHING),
            (Mistake::ConfirmsFirst, both(&two), SINGLE, NOTHING),
            (Mistake::AnnouncesNothing, goes.clone(), SINGLE, NOTHING),
            (Mistake::CountsLate, both(&two), SINGLE, NOTHING),
            (Mistake::ForgetsEarly, both(&two), SINGLE, NOTHING),
            (Mistake::GuessesRefusal, both(&two), COMMITS, LOSS),
            (Mistake::KeepsOnFailure, both(&two), COMMITS, LOSS),
            (Mistake::DeletesInUse, goes, COMMITS, NOTHING),
            (Mistake::LeavesHandles, both(&two), COMMITS, NOTHING),
            (Mistake::IgnoresSequence, reaped, COMMITS, NOTHING),
            (Mistake::IgnoresReservations, both(&kept), COMMITS, NOTHING),
            (Mistake::IgnoresStrictness, both(&strict), COMMITS, NOTHING),
            (Mistake::IgnoresGuards, disabled_meanwhile().1, COMMITS, NOTHING),
        ];
        let number = mistakes.len();
        for (mistake, mut scenario, commits, budget) in mistakes {
            scenario.nodes = scenario.nodes.into_iter().map(|node| node.making(mistake)).collect();
            let scenario = scenario.commits(commits).budget(budget);
            seen += usize::from(catch(&format!("{mistake:?}"), &scenario));
        }
        assert_eq!(seen, number);
    }
}
