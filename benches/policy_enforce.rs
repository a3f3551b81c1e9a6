//! From a write to packets that obey it, in a network namespace: how long until what is allowed passes, and until what is
//! not allowed any more does not.
//!
//! A node with 110 pods, in a cluster of 10,000; 100 times a second a label of a pod elsewhere changes, so that a policy allows it
//! or does not any more. A thread sends, in turn, a datagram from each pod that has changed and one from a pod that is
//! always allowed, each through the host to the pod that is guarded; the second says that the first is there or never comes, and
//! its way from one end to the other is `packet`. Each datagram of the first kind begins a connection, as established ones live
//! on. Rows are the value that 99 of 100 do not exceed.
//!
//! `in_process`, the writer tells a thread, which gathers changes for 10 ms, as the agent does, and commits what a resolver
//! and a ruleset make of them. `agent` is the agent as it is released, and the writer writes records to the datastore that it
//! follows: a file, whose commits are on the disk when they return. Time runs from before the write.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "policy_enforce/agent.rs"]
mod agent;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use tortie_benches::kernel::{self, quantile};
use tortie_benches::link::{self, Link};
use tortie_benches::report::{self, Mode, Row};
use tortie_nft_wire::Socket;
use tortie_policy::model::NetworkPolicySpec;
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{Endpoint, Host, Resolver};

/// How long until what is allowed passes, until what is not does not, and how long packets take meanwhile.
type Rows = [Row<'static>; 3];

const fn rows(who: &'static str) -> Rows {
    [
        Row::tortie("policy/write_to_allowed_p99", who),
        Row::tortie("policy/write_to_revoked_p99", who),
        Row::tortie("policy/packet_meanwhile_p99", who),
    ]
}

const IN_PROCESS: Rows = rows("in_process");
const AGENT: Rows = rows("agent");

/// Pods of the cluster, and of this node.
const CLUSTER: usize = 10_000;
const NODE: usize = 110;
/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(10);
/// Between two changes.
const PERIOD: Duration = Duration::from_millis(10);
/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PORT: u16 = 8080;

fn address(n: usize) -> Ipv4Addr {
    (0x0A00_0000 + u32::try_from(n).unwrap()).into()
}

/// The last pod of the cluster is always allowed.
const fn is_allowed_at_first(n: usize) -> bool {
    n == CLUSTER - 1
}

/// Pod 0 of the cluster is the one that is guarded.
fn pod(n: usize, is_allowed: bool) -> Endpoint {
    let (host, address) = match n {
        0 => ("here", link::ADDRESS),
        n if n < NODE => ("here", address(n)),
        n => ("there", address(n)),
    };
    let role = if is_allowed { "client" } else { "other" };
    let labels = [("app", format!("app-{}", n % 100)), ("role", role.to_owned())];
    Endpoint {
        id: format!("{host}/pod-{n}"),
        interface: format!("cali{n}"),
        namespace: Some("shop".into()),
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        addresses: vec![address.into()],
        ..Endpoint::default()
    }
}

/// The policies of 100 applications, by name: pods of this node are of all of them.
fn policies() -> impl Iterator<Item = (String, NetworkPolicySpec)> {
    (0..100).map(|app| {
        let spec = format!(
            r#"{{ "selector": "app == 'app-{app}'", "ingress": [
                {{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "app == 'app-{}'" }},
                   "destination": {{ "ports": [80, 443] }} }},
                {{ "action": "Allow", "protocol": "UDP", "source": {{ "selector": "role == 'client'" }},
                   "destination": {{ "ports": [{PORT}] }} }}] }}"#,
            (app + 1) % 100
        );
        (format!("app-{app}"), serde_json::from_str(&spec).unwrap())
    })
}

fn resolver() -> Resolver {
    let mut resolver =
        Resolver::new(Host::new("here"), |endpoint: &Endpoint| endpoint.id.starts_with("here/"));
    for (name, spec) in policies() {
        assert!(resolver.insert_network_policy("shop", &name, &spec).is_empty());
    }
    for n in 0..CLUSTER {
        resolver.insert_endpoint(&pod(n, is_allowed_at_first(n)));
    }
    resolver.set_in_sync();
    resolver
}

/// A change: of which pod, whether it is allowed then, and when it was written.
#[derive(Clone, Copy, Debug)]
struct Change {
    pod: usize,
    is_allowed: bool,
    written: Instant,
}

/// Commits what changes, until nobody writes any more.
fn enforce(changes: &Receiver<Change>, resolver: &mut Resolver, ruleset: &mut Ruleset, socket: &mut Socket) {
    while let Ok(first) = changes.recv() {
        thread::sleep(GATHER);
        for change in [first].into_iter().chain(changes.try_iter()) {
            resolver.insert_endpoint(&pod(change.pod, change.is_allowed));
        }
        commit(resolver, ruleset, socket);
    }
}

fn commit(resolver: &mut Resolver, ruleset: &mut Ruleset, socket: &mut Socket) {
    ruleset.apply(resolver.flush());
    if let Some(batch) = ruleset.poll_batch().unwrap() {
        socket.commit(batch).unwrap();
        ruleset.confirm();
    }
}

/// What was found of all changes, in seconds.
#[derive(Debug, Default)]
struct Found {
    allowed: Vec<f64>,
    revoked: Vec<f64>,
    packets: Vec<f64>,
}

/// Sends from pods that have changed until their packets do as is wished.
fn probe(changes: &Receiver<Change>) -> Found {
    let (world, inside) = (Link::open(link::UPLINK[1]), Link::open(link::POD[1]));
    let always = address(CLUSTER - 1);
    let mut found = Found::default();
    let mut open: Vec<Change> = Vec::new();
    let mut port = 1024_u16;
    loop {
        match changes.try_recv() {
            Ok(change) => open.push(change),
            Err(error) if error == std::sync::mpsc::TryRecvError::Disconnected && open.is_empty() => {
                return found;
            }
            Err(_) => {}
        }
        if open.is_empty() {
            thread::sleep(Duration::from_micros(100));
            continue;
        }
        open.retain(|change| {
            port = port.wrapping_add(1).max(1024);
            world.send(&link::datagram((address(change.pod), port), PORT));
            let sent = Instant::now();
            world.send(&link::datagram((always, 999), PORT));
            let mut passes = false;
            loop {
                match inside.receive() {
                    Some((source, 999)) if source == always => break,
                    Some(other) => passes |= other == (address(change.pod), port),
                    None => assert!(sent.elapsed() < PATIENCE, "a packet that is allowed does not arrive"),
                }
            }
            let now = Instant::now();
            found.packets.push((now - sent).as_secs_f64());
            let took = now - change.written;
            assert!(took < PATIENCE, "pod {} is not enforced", change.pod);
            if passes == change.is_allowed {
                let list = if passes { &mut found.allowed } else { &mut found.revoked };
                list.push(took.as_secs_f64());
            }
            passes != change.is_allowed
        });
    }
}

/// Writes so many changes, and finds out when each is obeyed.
fn measure(count: u32, mut write: impl FnMut(Change)) -> Found {
    let (to_probe, probed) = channel();
    thread::scope(|scope| {
        let prober = scope.spawn(move || probe(&probed));
        let mut is_allowed: BTreeMap<usize, bool> = BTreeMap::new();
        let begun = Instant::now();
        for n in 0..count {
            let due = PERIOD * n;
            thread::sleep(due.saturating_sub(begun.elapsed()));
            // Each pod four times.
            let pod = NODE + usize::try_from(n % (count / 4)).unwrap();
            let now = is_allowed.entry(pod).and_modify(|allowed| *allowed = !*allowed).or_insert(true);
            let change = Change { pod, is_allowed: *now, written: Instant::now() };
            to_probe.send(change).unwrap();
            write(change);
        }
        println!("{count} changes written in {:.2?}", begun.elapsed());
        drop(to_probe);
        prober.join().unwrap()
    })
}

fn in_process(count: u32) -> Found {
    let mut resolver = resolver();
    let mut ruleset = Ruleset::new(Options::default());
    let mut socket = Socket::open().unwrap();
    commit(&mut resolver, &mut ruleset, &mut socket);
    let (to_enforce, enforced) = channel();
    let kernel = &mut socket;
    let found = thread::scope(|scope| {
        scope.spawn(move || enforce(&enforced, &mut resolver, &mut ruleset, kernel));
        let found = measure(count, |change| to_enforce.send(change).unwrap());
        drop(to_enforce);
        found
    });
    socket.commit(&mut Ruleset::remove(&Options::default()).unwrap()).unwrap();
    found
}

fn main() {
    let Some(mode) = report::mode(&[IN_PROCESS, AGENT].concat()) else { return };
    let count = if mode == Mode::Measure { 2_000 } else { 20 };
    if let Err(error) = kernel::unshare() {
        return println!("skipped {}: {error}; run it as root", IN_PROCESS[0].id());
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return println!("skipped {}: there is no `ip`", IN_PROCESS[0].id());
    }
    link::connect();
    // Each probe begins a connection, of which there shall not be too many.
    std::fs::write("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "1").unwrap();
    tell(IN_PROCESS, in_process(count));
    match agent::program() {
        Some(program) => tell(AGENT, agent::run(&program, count)),
        None => println!("skipped {}: `cargo build --release -p tortie-agent` first", AGENT[0].id()),
    }
}

fn tell([allow, revoke, packet]: [Row<'_>; 3], found: Found) {
    let check = format!("{} allowed, {} revoked", found.allowed.len(), found.revoked.len());
    for (row, seconds) in [(allow, found.allowed), (revoke, found.revoked), (packet, found.packets)] {
        let samples = seconds.len();
        row.measured(quantile(seconds, 990) * 1e3, "ms", samples, &check);
    }
}
