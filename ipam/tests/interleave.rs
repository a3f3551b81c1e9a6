//! Every interleaving of small scenarios, with crashes and lost replies.
//!
//! `TORTIE_PROVE=1` raises the budgets. Every scenario says how many states it must have at least, so that one that
//! explores nothing fails.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

#[expect(unreachable_pub, reason = "a module of a test")]
mod explore;

use core::net::IpAddr;
use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use explore::{Budget, Contents, Explored, Explorer, Invariants, Local, Mode, Probe, Program, Violation};
use ipnet::IpNet;
use tortie_ipam::{
    Affinity, AffinityState, Allocation, Allocator, AssignErrorKind, AssignRequest, Block, BlockAffinity,
    Config, Handle, OwnBlocks, Pool, ReleaseError, ReleaseRequest, Use, View, block_on, keys,
};

const NOW: Duration = Duration::from_secs(1_000);

/// What a program does. A command that fails for the store is tried again.
#[derive(Clone, Debug)]
enum Command {
    /// CNI ADD of a pod: one address, all or nothing.
    Add(&'static str),
    /// CNI DEL of a pod.
    Del(&'static str),
    /// The node goes: its affinities are released.
    Uninstall,
    /// The node's agent starts: its affinities are settled.
    Settle,
    /// A collector of leaks saw this address of this handle, assigned at this sequence number.
    Reap(&'static str, IpAddr, u64),
}

use Command::{Add, Del, Reap, Settle, Uninstall};

#[derive(Clone)]
struct Node {
    host: &'static str,
    view: View,
    commands: Vec<Command>,
    now: Duration,
    max_tries: usize,
    /// How often a command that the store failed is tried.
    attempts: usize,
    /// It keeps its blocks at hand from one command to the next, while others write them.
    keeps: bool,
    #[cfg(feature = "_faults")]
    mistake: Option<tortie_ipam::Mistake>,
}

/// A command did not get through.
struct Stuck;

async fn delete(allocator: &Allocator<Probe>, handle: &str, node: &Node) -> Result<(), Stuck> {
    for _ in 0..node.attempts {
        match allocator.release_by_handle(handle, &node.view.config, node.now).await {
            Ok(_) | Err(ReleaseError::NotFound { .. }) => return Ok(()),
            Err(ReleaseError::Fault(fault)) if fault.is_retryable() => {}
            Err(error) => panic!("release: {error:?}"),
        }
    }
    Err(Stuck)
}

/// One address, all or nothing; none if there is none.
async fn add(
    allocator: &Allocator<Probe>,
    own: &mut OwnBlocks,
    handle: &str,
    node: &Node,
) -> Result<Vec<IpAddr>, Stuck> {
    let request = AssignRequest::new(handle, node.host, Use::Workload).v4(1).attribute("node", node.host);
    for _ in 0..node.attempts {
        let assigned = if node.keeps {
            allocator.assign_all_from(own, &request, &node.view, node.now).await
        } else {
            allocator.assign_all(&request, &node.view, node.now).await
        };
        match assigned {
            Ok(assigned) => return Ok(assigned.addresses().map(|net| net.addr()).collect()),
            Err(error) => {
                assert_eq!(error.assigned().addresses().count(), 0);
                if matches!(error.kind(), AssignErrorKind::NotUndone { .. }) {
                    delete(allocator, handle, node).await?;
                }
                if !error.is_retryable() {
                    return Ok(Vec::new());
                }
            }
        }
    }
    Err(Stuck)
}

async fn perform(node: &Node, allocator: &Allocator<Probe>, local: &Mutex<Local>) -> Result<(), Stuck> {
    let owner = Affinity::host(node.host);
    let mut own = OwnBlocks::default();
    let done = local.lock().unwrap().done;
    for command in &node.commands[done..] {
        match command {
            Add(handle) => {
                let crashed = local.lock().unwrap().crashed;
                if crashed {
                    // What a runtime does for an ADD that got no answer.
                    delete(allocator, handle, node).await?;
                }
                let addresses = add(allocator, &mut own, handle, node).await?;
                local.lock().unwrap().pods.insert(handle.to_string(), addresses);
            }
            Del(handle) => {
                local.lock().unwrap().pods.remove(*handle);
                delete(allocator, handle, node).await?;
            }
            Uninstall => {
                let mut gone = false;
                for _ in 0..node.attempts {
                    let outcome =
                        allocator.release_host_affinities(&owner, false, &node.view.config, node.now).await;
                    gone = outcome.is_ok_and(|outcome| outcome.failed.is_empty());
                    if gone {
                        break;
                    }
                }
                if !gone {
                    return Err(Stuck);
                }
            }
            Reap(handle, address, sequence) => {
                let request = ReleaseRequest::new(*address).handle(*handle).sequence(*sequence);
                for _ in 0..node.attempts {
                    match allocator.release_addresses(slice::from_ref(&request), &node.view, node.now).await {
                        Err(ReleaseError::Fault(_)) => {}
                        _ => break,
                    }
                }
            }
            Settle => while allocator.settle_host_affinities(&owner, node.now).await.is_err() {},
        }
        let mut local = local.lock().unwrap();
        local.done += 1;
        local.crashed = false;
    }
    Ok(())
}

async fn run(node: Node, probe: Probe, local: Arc<Mutex<Local>>) {
    let allocator = Allocator::new(probe).max_tries(node.max_tries);
    #[cfg(feature = "_faults")]
    let allocator = match node.mistake {
        Some(mistake) => allocator.making(mistake),
        None => allocator,
    };
    if perform(&node, &allocator, &local).await.is_err() {
        local.lock().unwrap().stuck = true;
    }
}

fn program(node: Node) -> Program {
    Box::new(move |probe, local| Box::pin(run(node.clone(), probe, local)))
}

/// What holds in every state, and at the end.
struct Rules {
    commits: bool,
    /// Nobody gives affinities up: then every block has one, whoever died.
    traces: bool,
    /// Without commits, two who are in each other's way may both give up.
    may_give_up: bool,
    /// Whether a node has addresses of its own blocks only.
    strict: bool,
    /// What nobody has.
    reserved: Vec<IpNet>,
}

impl Rules {
    fn new(commits: bool) -> Self {
        Self { commits, traces: false, may_give_up: false, strict: false, reserved: Vec::new() }
    }

    /// Whether this handle of this node may have that address of that block.
    fn permit(&self, block: &Block, allocation: &Allocation<'_>) -> Result<(), String> {
        let address = allocation.address;
        if self.reserved.iter().any(|range| range.contains(&address)) {
            return Err(format!("{address} is reserved, and assigned"));
        }
        let node = allocation.attributes.active_owner.get("node");
        if let (true, Some(node), Some(owner)) = (self.strict, node, block.affinity()) {
            if owner.name() != node {
                return Err(format!("{address} of {owner} is {node}'s, though affinity is strict"));
            }
        }
        Ok(())
    }
}

struct Facts {
    /// Who has an address.
    holders: BTreeMap<IpAddr, String>,
    blocks: BTreeMap<IpNet, Block>,
    affinities: Vec<(Affinity, IpNet, AffinityState)>,
    handles: BTreeMap<String, Handle>,
}

impl Invariants for Rules {
    type Facts = Facts;

    fn facts(&self, contents: &Contents) -> Result<Facts, String> {
        let mut facts = Facts {
            holders: BTreeMap::new(),
            blocks: BTreeMap::new(),
            affinities: Vec::new(),
            handles: BTreeMap::new(),
        };
        for (key, value) in contents.items() {
            match keys::Key::parse(key).unwrap() {
                keys::Key::Block(cidr) => {
                    let block = Block::decode(value).map_err(|error| error.to_string())?;
                    for allocation in block.allocations() {
                        let handle = allocation.attributes.handle().unwrap_or_default().to_string();
                        facts.holders.insert(allocation.address, handle);
                        self.permit(&block, &allocation)?;
                    }
                    facts.blocks.insert(cidr, block);
                }
                keys::Key::Affinity(owner, cidr) => {
                    facts.affinities.push((owner, cidr, BlockAffinity::decode(value).unwrap().state));
                }
                keys::Key::Handle(id) => {
                    facts.handles.insert(id, Handle::decode(value).unwrap());
                }
                other => return Err(format!("unexpected key {other:?}")),
            }
        }
        // One confirmed owner per block, and it is the block's.
        for (owner, cidr, state) in &facts.affinities {
            let block_owner = facts.blocks.get(cidr).and_then(Block::affinity);
            if *state == AffinityState::Confirmed && block_owner.as_ref() != Some(owner) {
                return Err(format!("{owner} is confirmed for {cidr}, which is {block_owner:?}'s"));
            }
        }
        // A handle never names less than its blocks say.
        for (cidr, block) in &facts.blocks {
            let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
            for allocation in block.allocations() {
                *counts.entry(allocation.attributes.handle().unwrap_or_default()).or_default() += 1;
            }
            for (handle, count) in counts {
                let named = facts.handles.get(handle).and_then(|handle| handle.block.get(&cidr.to_string()));
                if named.copied().unwrap_or(0) < count {
                    return Err(format!("{handle} has {count} addresses of {cidr}, but names {named:?}"));
                }
                if self.commits && named != Some(&count) {
                    return Err(format!("{handle} has {count} addresses of {cidr}, and names {named:?}"));
                }
            }
        }
        Ok(facts)
    }

    fn always(&self, facts: &Facts, locals: &[&Local]) -> Result<(), String> {
        let mut seen: BTreeMap<IpAddr, &str> = BTreeMap::new();
        for (handle, addresses) in locals.iter().copied().flat_map(|local| &local.pods) {
            for address in addresses {
                if let Some(other) = seen.insert(*address, handle) {
                    return Err(format!("{address} runs twice: {other} and {handle}"));
                }
                if facts.holders.get(address) != Some(handle) {
                    return Err(format!(
                        "{handle} runs with {address}, held by {:?}",
                        facts.holders.get(address)
                    ));
                }
            }
        }
        Ok(())
    }

    fn at_end(&self, facts: &Facts, locals: &[&Local], used: Budget) -> Result<(), String> {
        if used.delays > 0 {
            // A write may be applied after everybody has cleaned up; only a garbage collector finds it.
            return Ok(());
        }
        if locals.iter().any(|local| local.stuck) {
            return if self.may_give_up { Ok(()) } else { Err(String::from("a program gave up")) };
        }
        let running: BTreeMap<IpAddr, &String> = locals
            .iter()
            .copied()
            .flat_map(|local| &local.pods)
            .flat_map(|(handle, addresses)| addresses.iter().map(move |address| (*address, handle)))
            .collect();
        for (address, handle) in &facts.holders {
            if !running.contains_key(address) {
                return Err(format!("{address} is leaked by {handle}"));
            }
        }
        for id in facts.handles.keys() {
            if self.commits && !running.values().any(|handle| *handle == id) {
                return Err(format!("the handle {id} is leaked"));
            }
        }
        for (cidr, block) in &facts.blocks {
            match block.affinity() {
                None if block.is_empty() => return Err(format!("{cidr} is nobody's and empty: lost")),
                Some(owner) => {
                    let announced = facts.affinities.iter().any(|found| found.0 == owner && found.1 == *cidr);
                    // Without commits, a writer that stops between block and affinity, while another gives the
                    // affinity up, leaves the block behind; whoever needs it finds it.
                    if !announced && (self.commits || self.traces || used == NOTHING) {
                        return Err(format!("{cidr} is {owner}'s without an affinity"));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

const NOTHING: Budget = Budget { crashes: 0, losses: 0, delays: 0 };

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A pool of some blocks of two addresses.
fn view(pool: &str) -> View {
    View::new([Pool::new("p", net(pool)).block_len(31)])
}

fn node(host: &'static str, view: &View, commands: impl Into<Vec<Command>>) -> Node {
    Node {
        host,
        view: view.clone(),
        commands: commands.into(),
        now: NOW,
        max_tries: 100,
        attempts: 4,
        keeps: false,
        #[cfg(feature = "_faults")]
        mistake: None,
    }
}

/// What a store holds after these commands, undisturbed, at time zero.
fn prepared(nodes: &[Node]) -> Vec<(String, Vec<u8>)> {
    use tortie_ipam::{ListOptions, MemoryStore, Store};
    let store = MemoryStore::new();
    let allocator = Allocator::new(&store);
    for node in nodes {
        for command in &node.commands {
            match command {
                Add(handle) => {
                    let request = AssignRequest::new(*handle, node.host, Use::Workload).v4(1);
                    block_on(allocator.assign_all(&request, &node.view, Duration::ZERO)).unwrap();
                }
                Del(handle) => {
                    block_on(allocator.release_by_handle(handle, &Config::default(), Duration::ZERO))
                        .unwrap();
                }
                Uninstall | Settle | Reap(..) => {}
            }
        }
    }
    let items = block_on(store.list("", &ListOptions::new())).unwrap();
    items.into_iter().map(|item| (item.key, item.value)).collect()
}

fn explore(
    nodes: &[Node],
    initial: &[(String, Vec<u8>)],
    mode: Mode,
    budget: Budget,
) -> Result<Explored, Violation> {
    let programs: Vec<Program> = nodes.iter().cloned().map(program).collect();
    let gives_up = |command: &Command| matches!(command, Uninstall | Settle);
    let traces = initial.is_empty() && !nodes.iter().flat_map(|node| &node.commands).any(gives_up);
    // Few tries: here all of them may be in vain, and each makes more states.
    let may_give_up = !mode.commits && nodes.iter().all(|node| node.max_tries < 100);
    let (strict, reserved) = (nodes[0].view.config.strict_affinity, nodes[0].view.reservations.clone());
    let rules = Rules { commits: mode.commits, traces, may_give_up, strict, reserved };
    // The largest have more than can be visited; then this many are.
    let limit = if proving() { 10_000_000 } else { 2_000_000 };
    Explorer::new(&programs, mode, budget, limit, &rules).run(initial)
}

fn proving() -> bool {
    std::env::var_os("TORTIE_PROVE").is_some()
}

const COMMITS: Mode = Mode { commits: true, lax: false, recurs: false };
const SINGLE: Mode = Mode { commits: false, lax: false, recurs: false };

/// States that this process has explored, in all scenarios.
static STATES: AtomicUsize = AtomicUsize::new(0);

/// Explores a scenario; it must have this many states at least.
fn hold(
    name: &str,
    nodes: &[Node],
    initial: &[(String, Vec<u8>)],
    mode: Mode,
    budget: Budget,
    at_least: usize,
) {
    let begun = Instant::now();
    match explore(nodes, initial, mode, budget) {
        Ok(explored) => {
            println!("{name} commits={} {budget:?}: {explored:?} in {:?}", mode.commits, begun.elapsed());
            let total = STATES.fetch_add(explored.states, Ordering::Relaxed) + explored.states;
            println!("{total} states explored so far");
            assert!(explored.complete || proving(), "{name}: not all states were visited");
            assert!(explored.states >= at_least, "{name}: {} states", explored.states);
        }
        Err(violation) => {
            panic!("{name} commits={}: {}\n{}", mode.commits, violation.what, violation.trace.join("\n"))
        }
    }
}

const CRASH: Budget = Budget { crashes: 1, losses: 0, delays: 0 };
const LOSS: Budget = Budget { crashes: 0, losses: 1, delays: 0 };
const BOTH: Budget = Budget { crashes: 1, losses: 1, delays: 0 };
const DELAY: Budget = Budget { crashes: 0, losses: 0, delays: 1 };

/// Explores a scenario with what may go wrong in as far as a test has time for it; with everything, to prove it.
fn hold_all(name: &str, nodes: &[Node], initial: &[(String, Vec<u8>)], quick: &[(Mode, Budget)]) {
    for (mode, budget) in quick {
        hold(name, nodes, initial, *mode, *budget, 100);
    }
    if proving() {
        for (mode, budget) in [COMMITS, SINGLE].into_iter().flat_map(|mode| [(mode, BOTH), (mode, DELAY)]) {
            hold(name, nodes, initial, mode, budget, 1_000);
        }
    }
}

#[test]
fn two_nodes_claim_from_two_blocks() {
    let view = view("10.0.0.0/30");
    let nodes = [node("a", &view, [Add("a1"), Del("a1")]), node("b", &view, [Add("b1")])];
    hold_all("claim", &nodes, &[], &[(COMMITS, BOTH), (SINGLE, CRASH), (SINGLE, LOSS)]);
}

#[test]
fn two_nodes_claim_the_same_block_and_borrow_and_release() {
    let view = view("10.0.0.0/31");
    let nodes = [node("a", &view, [Add("a1")]), node("b", &view, [Add("b1"), Del("b1")])];
    hold_all("borrow", &nodes, &[], &[(COMMITS, BOTH), (SINGLE, CRASH)]);
    if proving() {
        let nodes = [node("a", &view, [Add("a1"), Del("a1")]), node("b", &view, [Add("b1"), Del("b1")])];
        hold_all("borrow and release", &nodes, &[], &[]);
    }
}

#[test]
fn two_processes_of_one_node_claim() {
    let view = view("10.0.0.0/30");
    let nodes = [node("a", &view, [Add("a1"), Del("a1")]), node("a", &view, [Add("a2"), Settle])];
    hold_all("siblings", &nodes, &[], &[(COMMITS, CRASH), (COMMITS, LOSS), (SINGLE, NOTHING)]);
}

#[test]
fn blocks_at_hand_are_stale() {
    let view = view("10.0.0.0/31");
    let keeps = |mut node: Node| {
        node.keeps = true;
        node
    };
    // Another process of the node writes the block; then it is another node's.
    let nodes =
        [node("a", &view, [Add("a1"), Add("a2"), Del("a1")]), node("a", &view, [Add("a3"), Del("a3")])];
    hold_all("at hand", &nodes.map(keeps), &[], &[(COMMITS, CRASH), (COMMITS, LOSS), (SINGLE, NOTHING)]);
    let initial = prepared(&[node("a", &view, [Add("a0")])]);
    let mut nodes =
        [node("a", &view, [Add("a1"), Del("a1"), Del("a0"), Add("a2")]), node("a", &view, [Uninstall])];
    nodes.iter_mut().for_each(|node| (node.max_tries, node.attempts) = (3, 2));
    hold_all("at hand, taken away", &nodes.map(keeps), &initial, &[(COMMITS, CRASH), (SINGLE, NOTHING)]);
}

#[test]
fn an_empty_block_is_taken_while_its_owner_wants_it() {
    let view = view("10.0.0.0/31");
    let initial = prepared(&[node("a", &view, [Add("a0"), Del("a0")])]);
    let nodes = [node("a", &view, [Add("a1")]), node("b", &view, [Add("b1"), Del("b1")])];
    hold_all("reclaim", &nodes, &initial, &[(COMMITS, CRASH), (SINGLE, NOTHING)]);
}

#[test]
fn a_node_goes_while_another_borrows() {
    let view = view("10.0.0.0/31");
    let initial = prepared(&[node("a", &view, [Add("a0")])]);
    let nodes = [node("a", &view, [Del("a0"), Uninstall]), node("b", &view, [Add("b1"), Del("b1")])];
    hold_all("uninstall", &nodes, &initial, &[(COMMITS, CRASH), (COMMITS, LOSS), (SINGLE, NOTHING)]);
}

#[test]
fn a_node_goes_while_another_process_of_it_assigns() {
    let view = view("10.0.0.0/31");
    let initial = prepared(&[node("a", &view, [Add("a0"), Del("a0")])]);
    let few = |mut node: Node| {
        (node.max_tries, node.attempts) = (2, 2);
        node
    };
    let nodes = [node("a", &view, [Uninstall]), node("a", &view, [Add("a1")])].map(few);
    hold_all("going", &nodes, &initial, &[(COMMITS, BOTH), (SINGLE, NOTHING)]);
    // Two go. With commits, every conflict is somebody's success, so nobody gives up.
    let nodes = [node("a", &view, [Uninstall]), node("a", &view, [Uninstall]), node("a", &view, [Add("a1")])];
    hold("going twice", &nodes, &initial, COMMITS, NOTHING, 10_000);
    if proving() {
        hold("going twice", &nodes, &initial, COMMITS, BOTH, 10_000);
        hold("going twice", &nodes, &initial, COMMITS, DELAY, 10_000);
    }
}

#[test]
fn add_and_del_of_one_handle_at_once() {
    let view = view("10.0.0.0/31");
    let initial = prepared(&[node("a", &view, [Add("x")])]);
    // A runtime that gave an ADD up sends DEL, while the ADD may still be under way.
    let mut nodes = [node("a", &view, [Add("x"), Del("x")]), node("a", &view, [Del("x")])];
    nodes.iter_mut().for_each(|node| node.max_tries = if proving() { 3 } else { 2 });
    let programs: Vec<Program> = nodes.iter().cloned().map(program).collect();
    for mode in [COMMITS, SINGLE] {
        let rules = Listed(Rules::new(mode.commits));
        match Explorer::new(&programs, mode, NOTHING, 1_000_000, &rules).run(&initial) {
            Ok(explored) => {
                println!("one handle commits={}: {explored:?}", mode.commits);
                assert!(explored.complete && explored.states >= 200);
            }
            Err(violation) => panic!("{}\n{}", violation.what, violation.trace.join("\n")),
        }
    }
}

/// Only what the store says of itself: a pod may lose its address to a concurrent DEL of its own handle.
struct Listed(Rules);

impl Invariants for Listed {
    type Facts = Facts;

    fn facts(&self, contents: &Contents) -> Result<Facts, String> {
        self.0.facts(contents)
    }

    fn always(&self, _: &Facts, _: &[&Local]) -> Result<(), String> {
        Ok(())
    }

    fn at_end(&self, facts: &Facts, locals: &[&Local], _: Budget) -> Result<(), String> {
        // Without commits, two who fight over one handle may both give up.
        if facts.holders.is_empty() || locals.iter().any(|local| local.stuck) {
            Ok(())
        } else {
            Err(format!("leaked: {:?}", facts.holders))
        }
    }
}

#[test]
fn writes_that_come_late() {
    let view = view("10.0.0.0/31");
    let nodes = [node("a", &view, [Add("a1")]), node("b", &view, [Add("b1")])];
    hold("late", &nodes, &[], COMMITS, DELAY, 1_000);
    hold("late", &nodes, &[], SINGLE, DELAY, 1_000);
}

/// Walks; `TORTIE_PROVE=1` multiplies them by 50.
const WALKS: u64 = 100;

#[test]
fn many_pods_on_three_nodes_by_chance() {
    let view = view("10.0.0.0/29");
    let mut nodes = [
        node("a", &view, [Add("a1"), Add("a2"), Del("a1"), Add("a3"), Del("a2"), Settle]),
        node("a", &view, [Settle, Add("a4"), Add("a5"), Del("a4"), Add("a6")]),
        node("b", &view, [Add("b1"), Add("b2"), Add("b3"), Del("b2"), Del("b1"), Del("b3"), Uninstall]),
        node("c", &view, [Add("c1"), Del("c1"), Add("c2"), Add("c3"), Add("c4"), Del("c3")]),
    ];
    // More than may fail here.
    nodes.iter_mut().for_each(|node| node.attempts = 8);
    let programs: Vec<Program> = nodes.iter().cloned().map(program).collect();
    for mode in [COMMITS, SINGLE] {
        let rules = Rules::new(mode.commits);
        let mut steps = 0;
        for seed in 0..if proving() { WALKS * 50 } else { WALKS } {
            let budget = Budget { crashes: 3, losses: 3, delays: u8::from(seed % 4 == 0) };
            match Explorer::new(&programs, mode, budget, 0, &rules).walk(&[], seed) {
                Ok(walked) => steps += walked,
                Err(violation) => panic!("seed {seed}: {}\n{}", violation.what, violation.trace.join("\n")),
            }
        }
        println!("by chance commits={}: {steps} steps", mode.commits);
    }
}

#[test]
fn the_explorer_sees_a_store_that_ignores_revisions() {
    let view = view("10.0.0.0/31");
    let nodes = [node("a", &view, [Add("a1")]), node("b", &view, [Add("b1")])];
    for commits in [true, false] {
        let mode = Mode { commits, lax: true, recurs: false };
        let violation = explore(&nodes, &[], mode, NOTHING).unwrap_err();
        println!("{}: {} steps", violation.what, violation.trace.len());
    }
}

#[test]
fn affinity_is_strict_and_ranges_are_reserved() {
    let config = Config { strict_affinity: true, ..Config::default() };
    let view = View { config, reservations: vec![net("10.0.0.2/32")], ..view("10.0.0.0/30") };
    let nodes =
        [node("a", &view, [Add("a1"), Add("a2"), Del("a1")]), node("b", &view, [Add("b1"), Add("b2")])];
    hold_all("strict", &nodes, &[], &[(COMMITS, CRASH), (SINGLE, NOTHING)]);
}

/// The address of a handle, and the sequence number at which it was assigned, as a collector of leaks saw them.
fn seen(initial: &[(String, Vec<u8>)], handle: &str) -> (IpAddr, u64) {
    let blocks = initial.iter().filter(|(key, _)| key.starts_with(keys::BLOCKS));
    let mut blocks = blocks.map(|(_, value)| Block::decode(value).unwrap());
    let of = |block: Block| block.held_by(handle).next().map(|held| (held.address, held.sequence.unwrap()));
    blocks.find_map(of).unwrap()
}

#[test]
fn a_collector_is_late() {
    let view = view("10.0.0.0/31");
    let initial = prepared(&[node("a", &view, [Add("x")])]);
    let (address, sequence) = seen(&initial, "x");
    // The same handle gets the same address again, once the other is taken.
    let nodes = [
        node("a", &view, [Del("x"), Add("y"), Add("x")]),
        node("controller", &view, [Reap("x", address, sequence)]),
    ];
    hold_all("collector", &nodes, &initial, &[(COMMITS, CRASH), (SINGLE, NOTHING)]);
}

/// Mistakes made on purpose: each must be seen.
#[cfg(feature = "_faults")]
mod mistakes {
    use tortie_ipam::Mistake;

    use super::*;

    /// Explores until something is wrong; whether it was.
    fn catch(what: &str, nodes: &[Node], initial: &[(String, Vec<u8>)], mode: Mode, budget: Budget) -> bool {
        let begun = Instant::now();
        match explore(nodes, initial, mode, budget) {
            Err(violation) => {
                let steps = violation.trace.len();
                println!("{what}: {} after {steps} steps, in {:?}", violation.what, begun.elapsed());
                true
            }
            Ok(explored) => {
                println!("{what} was not seen: {explored:?}");
                false
            }
        }
    }

    fn making(nodes: &[Node], mistake: Mistake) -> Vec<Node> {
        nodes.iter().cloned().map(|node| Node { mistake: Some(mistake), ..node }).collect()
    }

    #[test]
    fn each_mistake_is_seen() {
        let one = view("10.0.0.0/31");
        let two = view("10.0.0.0/30");
        let config = Config { strict_affinity: true, ..Config::default() };
        let strict = View { config, ..one.clone() };
        let kept = View { reservations: vec![net("10.0.0.1/32"), net("10.0.0.3/32")], ..two.clone() };
        let both =
            |view: &View| [node("a", view, [Add("a1"), Del("a1")]), node("b", view, [Add("b1"), Add("b2")])];
        let used = prepared(&[node("a", &one, [Add("a0")])]);
        let (address, sequence) = seen(&used, "a0");
        let goes = [node("a", &one, [Uninstall]), node("a", &one, [Add("a1")])];
        let reaped = [
            node("a", &one, [Del("a0"), Add("a1"), Add("a0")]),
            node("controller", &one, [Reap("a0", address, sequence)]),
        ];
        let from: &[(String, Vec<u8>)] = &used;
        let mut seen = 0;
        let mistakes = [
            (Mistake::WritesBlind, both(&one), &[][..], COMMITS, NOTHING),
            (Mistake::ConfirmsFirst, both(&two), &[], SINGLE, NOTHING),
            (Mistake::AnnouncesNothing, goes.clone(), from, SINGLE, NOTHING),
            (Mistake::CountsLate, both(&two), &[], SINGLE, NOTHING),
            (Mistake::ForgetsEarly, both(&two), &[], SINGLE, NOTHING),
            (Mistake::GuessesRefusal, both(&two), &[], COMMITS, LOSS),
            (Mistake::KeepsOnFailure, both(&two), &[], COMMITS, LOSS),
            (Mistake::DeletesInUse, goes, from, COMMITS, NOTHING),
            (Mistake::LeavesHandles, both(&two), &[], COMMITS, NOTHING),
            (Mistake::IgnoresSequence, reaped, from, COMMITS, NOTHING),
            (Mistake::IgnoresReservations, both(&kept), &[], COMMITS, NOTHING),
            (Mistake::IgnoresStrictness, both(&strict), &[], COMMITS, NOTHING),
        ];
        for (mistake, nodes, initial, mode, budget) in &mistakes {
            let nodes = making(nodes, *mistake);
            seen += usize::from(catch(&format!("{mistake:?}"), &nodes, initial, *mode, *budget));
        }
        // Not the allocator's, but the store's: what was read comes again after a delete, and is another.
        let empty = prepared(&[node("a", &one, [Add("a0"), Del("a0")])]);
        let nodes = [node("a", &one, [Add("a1")]), node("b", &one, [Add("b1")])];
        for commits in [true, false] {
            let mode = Mode { commits, lax: false, recurs: true };
            seen += usize::from(catch("revisions that recur", &nodes, &empty, mode, NOTHING));
        }
        assert_eq!(seen, mistakes.len() + 2);
    }
}
