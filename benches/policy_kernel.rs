//! What changes of policy cost in the kernel, in a network namespace of its own.
//!
//! - `kernel_load_10k_rules`: a program of 10,000 rules, and a set of 100,000 addresses that they speak of; from the program to
//!   the kernel's answer, in milliseconds on the wall. The floor is the same bytes, made before, in one `send`.
//! - `kernel_load_1000_programs`: 1,000 pods of this host, each with a policy of its own; likewise.
//! - `kernel_add_pod`: a pod of this host comes, and its address to the set that all rules speak of: 100,000 addresses and 1,000
//!   prefixes of ten lengths. 100 programs are in place.
//! - `kernel_add_remote_pod`: a pod of another host comes, whose address alone is new.
//! - `kernel_chain_change`: one of 1,000 programs has another port in a rule.
//!
//! Of the last three, the value is the processor time of one transaction, from `send` to the kernel's answer, in milliseconds,
//! and the median of many; changes are those that a resolver tells. The check is what the kernel holds then.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::collections::BTreeMap;

use tortie_benches::kernel::{self, Bare, median, thread_cpu, timed};
use tortie_benches::report::{self, Mode, Row};
use tortie_nft_wire::{Batch, Entry, Family, Listing, Name, Socket};
use tortie_policy::model::GlobalNetworkSetSpec;
use tortie_policy::nftables::{Options, Ruleset, TABLE};
use tortie_policy::{Delta, Endpoint, Host, Program, Resolver};

const LOAD_RULES: &str = "policy/kernel_load_10k_rules";
const LOAD_PROGRAMS: &str = "policy/kernel_load_1000_programs";
const ADD_POD: Row<'_> = Row::tortie("policy/kernel_add_pod", "tortie");
const ADD_REMOTE_POD: Row<'_> = Row::tortie("policy/kernel_add_remote_pod", "tortie");
const CHAIN_CHANGE: Row<'_> = Row::tortie("policy/kernel_chain_change", "tortie");

const fn loads(work: &str) -> [Row<'_>; 2] {
    [Row::tortie(work, "tortie"), Row::floor(work, "one_send")]
}

/// How much there is of everything.
struct Size {
    /// Rules of policies, for the load.
    rules: usize,
    /// Pods of the cluster that all rules allow.
    pods: usize,
    prefixes: u32,
    /// Programs among which a pod comes.
    few: usize,
    /// Programs of which one changes.
    many: usize,
    loads: usize,
    changes: usize,
}

const WHOLE: Size =
    Size { rules: 10_000, pods: 100_000, prefixes: 1_000, few: 100, many: 1_000, loads: 7, changes: 101 };
const SMALL: Size = Size { rules: 100, pods: 1_000, prefixes: 40, few: 10, many: 20, loads: 2, changes: 3 };

fn resolver() -> Resolver {
    let mut resolver =
        Resolver::new(Host::new("here"), |endpoint: &Endpoint| endpoint.id.starts_with("here/"));
    resolver.set_in_sync();
    resolver
}

fn pod(n: usize, host: &str, app: &str) -> Endpoint {
    let labels = [("app", app), ("side", "all")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Endpoint {
        id: format!("{host}/pod-{n}"),
        interface: format!("cali{n:011x}"),
        namespace: Some("shop".into()),
        labels: labels.into(),
        addresses: vec![(0x0A00_0000 + u32::try_from(n).unwrap()).to_be_bytes().into()],
        ..Endpoint::default()
    }
}

/// A policy of its own for each application.
fn insert_policy(resolver: &mut Resolver, app: usize, count: usize, port: u16) {
    let peer = (app + 1) % count;
    let spec = format!(
        r#"{{ "selector": "app == 'app-{app}'", "types": ["Ingress", "Egress"],
            "ingress": [
                {{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "app == 'app-{peer}'" }},
                   "destination": {{ "ports": [80, {port}, "8000:8100"] }} }},
                {{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "side == 'all'" }},
                   "destination": {{ "ports": [443] }} }}],
            "egress": [
                {{ "action": "Allow", "protocol": "UDP", "destination": {{ "nets": ["10.96.0.10/32"], "ports": [53] }} }},
                {{ "action": "Allow", "destination": {{ "selector": "app == 'app-{peer}'" }} }},
                {{ "action": "Allow", "destination": {{ "notNets": ["10.0.0.0/8"] }} }}] }}"#
    );
    let spec = serde_json::from_str(&spec).unwrap();
    assert!(resolver.insert_network_policy("shop", &format!("policy-{app}"), &spec).is_empty());
}

/// So many applications, each with a pod of this host.
fn programs(count: usize) -> Resolver {
    let mut resolver = resolver();
    for app in 0..count {
        insert_policy(&mut resolver, app, count, 443);
        resolver.insert_endpoint(&pod(app, "here", &format!("app-{app}")));
    }
    resolver
}

/// Prefixes of ten lengths, none in another.
fn prefixes(count: u32) -> GlobalNetworkSetSpec {
    let net = |n: u32| format!("{}/{}", core::net::Ipv4Addr::from(0x4000_0000 + (n << 14)), 18 + n % 10);
    GlobalNetworkSetSpec { nets: (0..count).map(net).collect(), ..GlobalNetworkSetSpec::default() }
}

/// Most rules of one policy.
const MOST: usize = 1_000;

/// Policies of so many rules in all, a third of which speak of one set.
fn many_rules(size: &Size) -> Program {
    let mut resolver = resolver();
    let rule = |n: usize| {
        let (port, third) = (1 + n % 60_000, n % 250);
        match n % 3 {
            0 => format!(
                r#"{{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "side == 'all'" }},
                    "destination": {{ "ports": [{port}] }} }}"#
            ),
            1 => format!(
                r#"{{ "action": "Allow", "protocol": "TCP", "source": {{ "nets": ["192.0.{third}.0/24"] }},
                    "destination": {{ "ports": ["{port}:{}", 443] }} }}"#,
                port + 10
            ),
            _ => format!(
                r#"{{ "action": "Deny", "protocol": "UDP", "source": {{ "nets": ["198.18.{third}.7/32"] }},
                    "destination": {{ "ports": [{port}] }} }}"#
            ),
        }
    };
    let rules: Vec<String> = (0..size.rules).map(rule).collect();
    for (n, rules) in rules.chunks(MOST).enumerate() {
        let spec = format!(r#"{{ "selector": "app == 'web'", "ingress": [{}] }}"#, rules.join(","));
        let spec = serde_json::from_str(&spec).unwrap();
        assert!(resolver.insert_network_policy("shop", &format!("many-{n}"), &spec).is_empty());
    }
    resolver.insert_endpoint(&pod(0, "here", "web"));
    for n in 1..=size.pods {
        resolver.insert_endpoint(&pod(n, "there", "other"));
    }
    let mut program = Program::default();
    program.apply(resolver.flush());
    program
}

/// A table of the kernel, and the resolver that says what it is to be.
struct Node {
    socket: Socket,
    resolver: Resolver,
    ruleset: Ruleset,
}

impl Node {
    fn new(resolver: Resolver) -> Self {
        let mut node =
            Self { socket: Socket::open().unwrap(), resolver, ruleset: Ruleset::new(Options::default()) };
        node.commit();
        node
    }

    /// Makes the kernel as the resolver says, by one transaction; seconds of processor time that it takes.
    fn commit(&mut self) -> f64 {
        let delta = self.resolver.flush();
        assert_ne!(delta, Delta::default());
        self.ruleset.apply(delta);
        let batch = self.ruleset.poll_batch().unwrap().unwrap();
        let seconds = thread_cpu(|| self.socket.commit(batch).unwrap());
        self.ruleset.confirm();
        assert!(self.ruleset.is_settled());
        seconds
    }
}

/// What the kernel holds: rules, sets, and members in all.
fn held(socket: &mut Socket) -> String {
    let table = Name::new(TABLE).unwrap();
    let rules = socket.list(Family::INET, Listing::Rules).unwrap().len();
    let sets = socket.list(Family::INET, Listing::Sets).unwrap();
    let names: Vec<Name> = sets
        .into_iter()
        .filter_map(|(_, entry)| match entry {
            Entry::Set(set) => Some(set.name),
            _ => None,
        })
        .collect();
    let mut members = 0;
    for set in &names {
        let entries = socket.list(Family::INET, Listing::Elements { table: &table, set }).unwrap();
        let count = |(_, entry): &(Family, Entry)| match entry {
            Entry::Elements { elements, .. } => elements.len(),
            _ => 0,
        };
        members += entries.iter().map(count).sum::<usize>();
    }
    format!("{rules} rules, {} sets, {members} members", names.len())
}

fn remove(socket: &mut Socket) {
    let mut batch = Ruleset::remove(&Options::default()).unwrap();
    socket.commit(&mut batch).unwrap();
    // The kernel frees it afterwards, which the next run shall not pay for.
    std::thread::sleep(core::time::Duration::from_millis(100));
}

/// A program by a new ruleset, and the same bytes by themselves, in turn.
fn load(work: &str, program: &Program, runs: usize) {
    let (mut socket, bare) = (Socket::open().unwrap(), Bare::open().unwrap());
    let ruleset = || {
        let mut ruleset = Ruleset::new(Options::default());
        ruleset.set_program(program.clone());
        ruleset
    };
    let bytes = ruleset().poll_batch().unwrap().map(Batch::finish).unwrap().to_vec();
    let (mut times, mut checks) = ([Vec::new(), Vec::new()], [String::new(), String::new()]);
    for _ in 0..runs {
        for (who, (times, check)) in times.iter_mut().zip(&mut checks).enumerate() {
            times.push(timed(|| {
                if who == 0 {
                    let mut ruleset = ruleset();
                    socket.commit(ruleset.poll_batch().unwrap().unwrap()).unwrap();
                    ruleset.confirm();
                } else {
                    bare.send(&bytes).unwrap();
                }
            }));
            *check = held(&mut socket);
            remove(&mut socket);
        }
    }
    for ((row, times), check) in loads(work).iter().zip(times).zip(checks) {
        let samples = times.len();
        row.measured(median(times) * 1e3, "ms", samples, check);
    }
}

/// Says the median of many transactions, in milliseconds.
fn say(row: Row<'_>, node: &mut Node, seconds: Vec<f64>) {
    let samples = seconds.len();
    row.measured(median(seconds) * 1e3, "ms", samples, held(&mut node.socket));
}

fn add_pods(size: &Size) {
    let mut resolver = programs(size.few);
    resolver.insert_network_set(
        "prefixes",
        &BTreeMap::from([("side".into(), "all".into())]),
        &prefixes(size.prefixes),
    );
    for n in 0..size.pods {
        resolver.insert_endpoint(&pod(1_000 + n, "there", "other"));
    }
    let mut node = Node::new(resolver);
    for (row, host) in [(ADD_POD, "here"), (ADD_REMOTE_POD, "there")] {
        let mut seconds = Vec::new();
        for n in 0..size.changes {
            let new = pod(1_000_000 + n, host, "app-0");
            node.resolver.insert_endpoint(&new);
            seconds.push(node.commit());
            node.resolver.remove_endpoint(&new.id);
            node.commit();
        }
        say(row, &mut node, seconds);
    }
    remove(&mut node.socket);
}

fn change_chains(size: &Size) {
    let mut node = Node::new(programs(size.many));
    let mut seconds = Vec::new();
    for n in 0..size.changes {
        let port = 10_000 + u16::try_from(n).unwrap();
        insert_policy(&mut node.resolver, n * 7919 % size.many, size.many, port);
        seconds.push(node.commit());
    }
    say(CHAIN_CHANGE, &mut node, seconds);
    remove(&mut node.socket);
}

fn main() {
    let rows: Vec<Row<'_>> = [LOAD_RULES, LOAD_PROGRAMS].into_iter().flat_map(loads).collect();
    let rows = [rows, vec![ADD_POD, ADD_REMOTE_POD, CHAIN_CHANGE]].concat();
    let Some(mode) = report::mode(&rows) else { return };
    let size = if mode == Mode::Measure { WHOLE } else { SMALL };
    if let Err(error) = kernel::unshare() {
        return println!("skipped {LOAD_RULES} and what else needs the kernel: {error}; run it as root");
    }
    load(LOAD_RULES, &many_rules(&size), size.loads);
    let mut program = Program::default();
    program.apply(programs(size.many).flush());
    load(LOAD_PROGRAMS, &program, size.loads);
    add_pods(&size);
    change_chains(&size);
}
