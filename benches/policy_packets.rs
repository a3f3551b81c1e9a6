//! What policy costs a packet: 10,000 rules of one chain, beside 10 of them.
//!
//! In a network namespace, a host forwards from one veth to another, on which a pod is. A packet socket on the other end of the
//! first sends datagrams, on one processor, so that each has gone all its way when the call returns: through connection
//! tracking (each begins a connection), the route, and the rules. Those that are allowed are dropped behind the rules, and
//! counted; the others in them.
//!
//! The policy (more of them, in one chain: the API takes no policy of more than 1,024 rules): 40% of its rules allow an address and a port, 30% a prefix of one of four lengths and a range of ports, 30% the
//! pods that a selector means, of which there are 500, and a port; addresses and ports are random, and there are 60 selectors.
//! All kinds are mixed. `foldable` is the first two kinds alone. Probes hit the first, a middle and the last rule of each
//! kind, and none. A row is the slowest probe: of each, the tenth part of all bursts is faster, in nanoseconds a packet.
//!
//! `tortie` is the policy compiled and optimised; the floor is `10_rules` of the same kinds, compiled in the same way. Beside
//! it, the policy with one rule of the kernel each, and as `iptables` with `ipset`. `packet_no_rules` is the way without any
//! policy. `steps` is no time: how many steps of the program a packet has behind it that no rule allows, at the most.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark")]

use core::fmt::Write as _;
use core::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use rustix::thread::{CpuSet, sched_setaffinity};
use tortie_benches::fixtures::SplitMix64;
use tortie_benches::kernel::{self, quantile, timed};
use tortie_benches::link;
use tortie_benches::report::{self, Mode, Row};
use tortie_nft_wire::expr::Expr;
use tortie_nft_wire::{
    Attachment, Batch, Chain as KernelChain, Entry, Family, Hook, Listing, Name, Rule, Socket, Table,
};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{
    Chain, ChainKey, Endpoint, Flow, Host, Packet, Passes, Place, Program, Resolver, Step, StepAction,
    Verdict, interpret, optimise,
};

const MIXED: &str = "policy/packet_10k_rules";
const FOLDABLE: &str = "policy/packet_10k_foldable_rules";
const STEPS: Row<'_> = Row::tortie("policy/packet_10k_rules/steps", "");
const EMPTY: Row<'_> = Row::tortie("policy/packet_no_rules", "");

/// Packets of a burst.
const BURST: usize = 64;
const BURST_LEN: f64 = 64.0;
/// How often all probes are sent in turn.
const ROUNDS: usize = 10;
/// Most rules of one policy.
const MOST: usize = 1_000;
/// Selectors, and pods that each means.
const SELECTORS: usize = 60;
const PODS: usize = 500;
/// Lengths of the prefixes.
const LENGTHS: [u8; 4] = [16, 20, 24, 28];
/// Where the datagrams come from that no rule allows.
const NOBODY: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);

const fn rows(work: &str) -> [Row<'_>; 4] {
    [
        Row::tortie(work, "tortie"),
        Row::floor(work, "10_rules"),
        Row::other_twin(work, "one_rule_each"),
        Row::rival(work, "iptables_ipset"),
    ]
}

/// What a rule allows.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Address(Ipv4Addr),
    Prefix(Ipv4Addr, u8),
    Selector(usize),
}

#[derive(Clone, Copy, Debug)]
struct Allow {
    peer: Peer,
    ports: (u16, u16),
}

/// So many rules, with the same kinds in each ten of them.
fn rules(count: usize, is_mixed: bool) -> Vec<Allow> {
    let mut random = SplitMix64::new(7);
    let mut below = |most: u32| u32::try_from(random.below(u64::from(most))).unwrap();
    (0..count)
        .map(|n| {
            let low = 1 + u16::try_from(below(30_000)).unwrap();
            let kinds = if is_mixed { n % 10 } else { n % 7 };
            match kinds {
                0 | 2 | 5 | 6 => {
                    Allow { peer: Peer::Address((0x0B00_0000 + below(1 << 24)).into()), ports: (low, low) }
                }
                1 | 3 | 4 => {
                    let len = LENGTHS[usize::try_from(below(4)).unwrap()];
                    let net = (0x4000_0000 + below(1 << 28)) & (u32::MAX << (32 - len));
                    let high = low + u16::try_from(below(100)).unwrap();
                    Allow { peer: Peer::Prefix(net.into(), len), ports: (low, high) }
                }
                _ => Allow { peer: Peer::Selector(n / 10 % SELECTORS), ports: (low, low) },
            }
        })
        .collect()
}

/// Address of a pod that a selector means.
fn pod(selector: usize, n: usize) -> Ipv4Addr {
    (0x0A00_0000 + u32::try_from(selector * PODS + n).unwrap()).into()
}

impl Allow {
    /// As YAML has it, in JSON.
    fn spec(&self) -> String {
        let source = match self.peer {
            Peer::Address(address) => format!(r#""nets": ["{address}/32"]"#),
            Peer::Prefix(net, len) => format!(r#""nets": ["{net}/{len}"]"#),
            Peer::Selector(n) => format!(r#""selector": "app == 'app-{n}'""#),
        };
        let (low, high) = self.ports;
        format!(
            r#"{{ "action": "Allow", "protocol": "UDP", "source": {{ {source} }},
                "destination": {{ "ports": ["{low}:{high}"] }} }}"#
        )
    }

    /// As a line of `iptables-restore`.
    fn line(&self) -> String {
        let source = match self.peer {
            Peer::Address(address) => format!("-s {address}"),
            Peer::Prefix(net, len) => format!("-s {net}/{len}"),
            Peer::Selector(n) => format!("-m set --match-set app-{n} src"),
        };
        let (low, high) = self.ports;
        format!("-A policy -p udp -m udp --dport {low}:{high} {source} -j ACCEPT\n")
    }

    /// One that it allows.
    fn probe(&self) -> (Ipv4Addr, u16) {
        let source = match self.peer {
            Peer::Address(address) => address,
            Peer::Prefix(net, _) => (u32::from(net) + 9).into(),
            Peer::Selector(n) => pod(n, PODS / 2),
        };
        (source, self.ports.1)
    }
}

/// The first, a middle and the last rule of each kind, and nobody.
fn probes(rules: &[Allow]) -> Vec<(Ipv4Addr, u16)> {
    let mut probes = vec![(NOBODY, 31_000)];
    for kind in 0..3 {
        let is_kind = |rule: &&Allow| match rule.peer {
            Peer::Address(_) => kind == 0,
            Peer::Prefix(..) => kind == 1,
            Peer::Selector(_) => kind == 2,
        };
        let some: Vec<&Allow> = rules.iter().filter(is_kind).collect();
        if let (Some(first), Some(middle), Some(last)) = (some.first(), some.get(some.len() / 2), some.last())
        {
            probes.extend([first, middle, last].map(|rule| rule.probe()));
        }
    }
    probes
}

/// The program of a host with the pod that the policy governs.
fn program(rules: &[Allow], passes: &Passes) -> Program {
    let mut resolver =
        Resolver::new(Host::new("here"), |endpoint: &Endpoint| endpoint.id.starts_with("here/"));
    resolver.set_in_sync();
    let endpoint = |id: String, interface: &str, app: String, address: Ipv4Addr| Endpoint {
        id,
        interface: interface.into(),
        labels: [("app".into(), app)].into(),
        addresses: vec![address.into()],
        ..Endpoint::default()
    };
    resolver.insert_endpoint(&endpoint("here/pod".into(), link::POD[0], "guarded".into(), link::ADDRESS));
    for selector in 0..SELECTORS {
        for n in 0..PODS {
            let id = format!("there/pod-{selector}-{n}");
            resolver.insert_endpoint(&endpoint(id, "cali1", format!("app-{selector}"), pod(selector, n)));
        }
    }
    let specs: Vec<String> = rules.iter().map(Allow::spec).collect();
    for (n, specs) in specs.chunks(MOST).enumerate() {
        let spec = format!(
            r#"{{ "order": {n}, "selector": "app == 'guarded'", "types": ["Ingress"], "ingress": [{}] }}"#,
            specs.join(",")
        );
        let spec = serde_json::from_str(&spec).unwrap();
        assert!(resolver.insert_global_network_policy(&format!("big-{n}"), &spec).is_empty());
    }
    let mut program = Program::default();
    program.apply(resolver.flush());
    join(&mut program);
    optimise(&program, passes).program
}

/// Makes one chain of those of all policies: the API takes no more than 1,024 rules in one.
fn join(program: &mut Program) {
    let is_policy = |key: &ChainKey| matches!(key, ChainKey::Policy { .. });
    let Some(tier) = program.chains.values_mut().find(|chain| chain.targets().any(is_policy)) else {
        // Few rules of one policy are in one chain already.
        return;
    };
    let targets: Vec<ChainKey> = tier.targets().cloned().collect();
    let mut whole = Chain::clone(tier);
    let is_first = |step: &Step| matches!(&step.action, StepAction::Jump(key) if *key == targets[0]);
    whole.steps.retain(|step| !matches!(step.action, StepAction::Jump(_)) || is_first(step));
    *tier = Arc::new(whole);
    let steps: Vec<Step> =
        targets.iter().flat_map(|key| program.chains.remove(key).unwrap().steps.clone()).collect();
    let mut chain = Chain::default();
    chain.steps = steps;
    program.chains.insert(targets[0].clone(), Arc::new(chain));
}

/// How many of the probes a program allows.
fn allowed(program: &Program, probes: &[(Ipv4Addr, u16)]) -> usize {
    let verdict = |(source, port): &(Ipv4Addr, u16)| {
        let flow = Flow::udp((*source, 40_000).into(), (link::ADDRESS, *port).into());
        interpret(
            program,
            &Packet::new(Place::Interface(link::UPLINK[0]), Place::Workload(link::POD[0]), flow),
        )
        .verdict()
    };
    probes.iter().filter(|probe| verdict(probe) == Verdict::Allow).count()
}

/// How many steps the longest way of a packet has that none of them stops.
fn steps(program: &Program, chain: &ChainKey) -> usize {
    let chain = program.chain(chain).unwrap();
    let behind = |step: &Step| match &step.action {
        StepAction::Jump(next) | StepAction::Goto(next) => steps(program, next),
        StepAction::Spread(spread) => spread.leaves.iter().map(Vec::len).max().unwrap_or(0),
        _ => 0,
    };
    chain.steps.iter().map(|step| 1 + behind(step)).sum()
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// Drops and counts what has come through all rules.
struct Sink(Socket);

impl Sink {
    fn new() -> Self {
        let mut socket = Socket::open().unwrap();
        let mut batch = Batch::new();
        batch.add(Family::IPV4, &Table::new(name("sink"))).unwrap();
        let last = Attachment::new(Hook::FORWARD, Attachment::FILTER + 50);
        batch
            .add(Family::IPV4, &KernelChain::new(name("sink"), name("c")).base(name("filter"), last))
            .unwrap();
        batch.add(Family::IPV4, &Rule::new(name("sink"), name("c")).counter().drop()).unwrap();
        socket.commit(&mut batch).unwrap();
        Self(socket)
    }

    /// How many packets have come so far.
    fn count(&mut self) -> u64 {
        let rules = self.0.list(Family::IPV4, Listing::Rules).unwrap();
        let counters = rules.iter().flat_map(|(_, entry)| match entry {
            Entry::Rule(rule) if rule.table == name("sink") => rule.exprs.as_slice(),
            _ => &[],
        });
        counters
            .map(|expr| match expr {
                Expr::Counter(counter) => counter.packets.unwrap_or(0),
                _ => 0,
            })
            .sum()
    }
}

struct Lab {
    world: link::Link,
    sink: Sink,
    bursts: usize,
}

impl Lab {
    /// Nanoseconds a packet of the slowest probe, and how many probes come through.
    fn measure(&mut self, probes: &[(Ipv4Addr, u16)]) -> (f64, usize) {
        let sent = u64::try_from(self.bursts / ROUNDS * ROUNDS * BURST).unwrap();
        let mut times = vec![Vec::new(); probes.len()];
        let mut came = vec![0; probes.len()];
        // In turn, so that what else the machine does is not one probe's.
        for _ in 0..ROUNDS {
            for ((probe, times), came) in probes.iter().zip(&mut times).zip(&mut came) {
                let frame = link::datagram((probe.0, 40_000), probe.1);
                let before = self.sink.count();
                times.extend(
                    (0..self.bursts / ROUNDS).map(|_| {
                        timed(|| (0..BURST).for_each(|_| self.world.send(&frame))) * 1e9 / BURST_LEN
                    }),
                );
                *came += self.sink.count() - before;
            }
        }
        assert!(came.iter().all(|came| [0, sent].contains(came)), "{came:?} of {sent} packets came through");
        let slowest = times.into_iter().map(|times| quantile(times, 100)).fold(0.0, f64::max);
        (slowest, came.iter().filter(|came| **came > 0).count())
    }

    fn say(&mut self, row: Row<'_>, probes: &[(Ipv4Addr, u16)], expected: usize) {
        let (time, through) = self.measure(probes);
        assert_eq!(through, expected, "{}", row.id());
        row.measured(time, "ns", self.bursts, format!("{through} of {} probes come through", probes.len()));
    }

    /// The rows of one work.
    fn work(&mut self, work: &str, count: usize, is_mixed: bool) {
        let [tortie, floor, each, iptables] = rows(work);
        let all = rules(count, is_mixed);
        let few = &all[..10];
        let mut socket = Socket::open().unwrap();
        for (row, rules, passes) in [
            (tortie, &all[..], Passes::default()),
            (floor, few, Passes::default()),
            (each, &all[..], Passes::none()),
        ] {
            let program = program(rules, &passes);
            let probes = probes(rules);
            let mut ruleset = Ruleset::new(Options::default());
            ruleset.set_program(program.clone());
            socket.commit(ruleset.poll_batch().unwrap().unwrap()).unwrap();
            self.say(row, &probes, allowed(&program, &probes));
            if row.id() == rows(MIXED)[0].id() {
                let longest = steps(&program, &program.dispatch[link::POD[0]].ingress);
                STEPS.measured(f64::from(u32::try_from(longest).unwrap()), "steps", 1, rules.len());
            }
            socket.commit(&mut Ruleset::remove(&Options::default()).unwrap()).unwrap();
        }
        if Command::new("ipset").arg("-v").output().is_err()
            || Command::new("iptables-legacy-restore").arg("-V").output().is_err()
        {
            return println!("skipped {}: there is no `ipset` and `iptables-legacy-restore`", iptables.id());
        }
        let probes = probes(&all);
        let expected = probes.len() - 1;
        restore(&all);
        self.say(iptables, &probes, expected);
        link::run("iptables-legacy-restore", &[], "*filter\n:FORWARD ACCEPT\nCOMMIT\n");
        link::run("ipset", &["destroy"], "");
    }
}

/// The policy as `iptables` and `ipset` have it, with a jump by the interface and established connections first, as ours.
fn restore(rules: &[Allow]) {
    let mut sets = String::new();
    for selector in 0..SELECTORS {
        writeln!(sets, "create app-{selector} hash:ip hashsize 1024").unwrap();
        for n in 0..PODS {
            writeln!(sets, "add app-{selector} {}", pod(selector, n)).unwrap();
        }
    }
    link::run("ipset", &["restore"], &sets);
    let lines: String = rules.iter().map(Allow::line).collect();
    let text = format!(
        "*filter\n:FORWARD ACCEPT\n:policy -\n\
        -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
        -A FORWARD -o {} -j policy\n{lines}-A policy -j DROP\nCOMMIT\n",
        link::POD[0]
    );
    link::run("iptables-legacy-restore", &[], &text);
}

fn main() {
    let all: Vec<Row<'_>> = [MIXED, FOLDABLE].into_iter().flat_map(rows).chain([STEPS, EMPTY]).collect();
    let Some(mode) = report::mode(&all) else { return };
    let (count, bursts) = if mode == Mode::Measure { (10_000, 300) } else { (100, 10) };
    if let Err(error) = kernel::unshare() {
        return println!("skipped {MIXED} and what else needs the kernel: {error}; run it as root");
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return println!("skipped {MIXED} and what else needs the kernel: there is no `ip`");
    }
    let mut cpus = CpuSet::new();
    cpus.set(0);
    sched_setaffinity(None, &cpus).unwrap();
    link::connect();
    let mut lab = Lab { world: link::Link::open(link::UPLINK[1]), sink: Sink::new(), bursts };
    lab.say(EMPTY, &[(NOBODY, 31_000)], 1);
    lab.work(MIXED, count, true);
    lab.work(FOLDABLE, count, false);
}
