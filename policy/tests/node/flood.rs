//! Packets at the kernel's own speed while rules change: each meets the rules of before or those of after, and never none.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Instant;

use tortie_nft_wire::Socket;
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::testing::EAGER;
use tortie_policy::{Host, Inputs, compile, optimise, resolve};

use crate::lab::{Lab, Place, enter};
use crate::transaction::settle;
use crate::{open, stage, world};

/// How long rules are changed, one transaction after the other.
const WHILE: Duration = Duration::from_secs(2);
/// The port that is denied.
const DENIED: u16 = 81;

/// Sends datagrams to the second endpoint of the world as fast as one processor can while rules change; and how many were sent
/// and have arrived, and how often rules have changed.
fn flood(lab: &Lab, mut change: impl FnMut(usize)) -> [u64; 3] {
    let world = world();
    let count = "table inet seen { counter c { }; chain i { type filter hook input priority 0; udp dport 81 counter name c; }; }";
    let nft = |arguments: &[&str]| {
        let output =
            Command::new("ip").args(["netns", "exec", "pod1", "nft"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    nft(&[count]);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut changes = 0;
    thread::scope(|scope| {
        for family in 0..2 {
            let [source, receiver] = [0, 1].map(|index| world.endpoints[index][family]);
            let socket = lab.station(source).within(|| UdpSocket::bind((source, 40000)).unwrap());
            let (stop, sent) = (&stop, &sent);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    socket.send_to(b"x", SocketAddr::new(receiver, DENIED)).unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < WHILE {
            change(changes);
            changes += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let text = nft(&["list", "counter", "inet", "seen", "c"]);
    nft(&["delete", "table", "inet", "seen"]);
    let arrived = text.split_once("packets ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    [sent.into_inner(), arrived, u64::try_from(changes).unwrap()]
}

fn enforce(socket: &mut Socket, rules: &mut Ruleset, inputs: &Inputs) {
    let compiled = compile(&resolve(inputs, &Host::new("host"), |_| true));
    rules.set_program(optimise(&compiled, &EAGER).program);
    settle(socket, rules);
}

/// The port is denied, all others are open; there are rules enough that they are looked up together.
fn inputs(name: &str, number: usize) -> Inputs {
    let mut inputs = open(&world());
    let mut rules: Vec<_> = (0..40)
        .map(|rule| {
            let action = ["Allow", "Deny"][rule % 2];
            serde_json::json!({ "action": action, "protocol": "UDP",
                "source": { "nets": [format!("10.{}.{}.0/24", 100 + rule, number % 200)] },
                "destination": { "ports": [1000 + rule] } })
        })
        .collect();
    rules.insert(
        20,
        serde_json::json!({ "action": "Deny", "protocol": "UDP", "destination": { "ports": [DENIED] } }),
    );
    rules.push(serde_json::json!({ "action": "Allow" }));
    let spec = serde_json::json!({ "types": ["Ingress"], "ingress": rules });
    assert_eq!(inputs.insert_global_network_policy(name, &serde_json::from_value(spec).unwrap()), []);
    inputs
}

/// What an old rule leads to is never empty or gone already, to a packet that runs through while a transaction is committed.
#[test]
fn netns_nothing_slips_by_rules_that_change() {
    if let Place::Done = enter("flood::netns_nothing_slips_by_rules_that_change") {
        return;
    }
    let (_, lab, mut socket) = stage();
    let mut rules = Ruleset::new(Options::default());
    enforce(&mut socket, &mut rules, &inputs("p", 0));
    let list = |n: usize| inputs(&format!("p-{n}"), 0);
    let moved = flood(&lab, |n| enforce(&mut socket, &mut rules, &list(n)));
    let changed = flood(&lab, |n| enforce(&mut socket, &mut rules, &inputs("p", n)));
    let remade = flood(&lab, |_| {
        rules.forget();
        settle(&mut socket, &mut rules);
    });
    let open = flood(&lab, |_| enforce(&mut socket, &mut rules, &open(&world())));
    let all = [
        ("an endpoint gets another list", moved),
        ("the rules of its policy change", changed),
        ("the table is made anew", remade),
    ];
    for (what, [sent, arrived, changes]) in all {
        println!("{what}, {changes} times: of {sent} datagrams that are denied {arrived} have arrived");
    }
    assert!(open[1] > 10_000, "nothing else is in their way: {open:?}");
    for (what, [sent, arrived, changes]) in all {
        assert!(sent > 10_000 && changes > 20, "{what}");
        assert_eq!(arrived, 0, "{what}");
    }
}
