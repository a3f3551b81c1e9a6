//! Somebody else throws the rules away, or there are rules that the kernel does not take.

use core::time::Duration;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::kit::{Agent, Host, Meter, NODE, Place, Pod, Traffic, enter, raise, record, until};

const DENIED: (&str, u16) = ("udp", 81);
const ALLOWED: (&str, u16) = ("udp", 80);
/// What is many, of packets that are sent each 100 us.
const MANY: u64 = 200;

fn guard(host: &Host) {
    host.policy(
        "guard",
        json!({ "selector": "app == 'server'", "types": ["Ingress"], "ingress": [
            { "action": "Allow", "protocol": "UDP", "destination": { "ports": [ALLOWED.1] } }] }),
    );
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A table that belongs to the agent's socket is not flushed by others; one whose agent is dead is, and the next agent makes
/// it anew. While there is none, the plugin's order still holds.
#[test]
fn netns_a_ruleset_that_somebody_flushes_is_there_again() {
    if let Place::Done = enter("flush::netns_a_ruleset_that_somebody_flushes_is_there_again") {
        return;
    }
    let host = Host::new();
    guard(&host);
    raise();
    let (agent, _) = Agent::ready(&host);
    let (server, client) =
        (Pod::attached(&host, 1, &[("app", "server")]), Pod::attached(&host, 2, &[("app", "client")]));
    host.settle();
    let meter = Meter::new(&server.namespace, &[DENIED, ALLOWED]);
    let traffic = Traffic::start(&client.namespace, &server.addresses, &[DENIED.1, ALLOWED.1]);
    until("what is allowed passes", || meter.received(ALLOWED) > MANY);
    let is_there = || nft(&["list", "tables"]).contains("inet tortie");
    // Somebody else's goes with it.
    nft(&["add", "table", "inet", "other"]);
    for _ in 0..5 {
        nft(&["flush", "ruleset"]);
        assert!(!nft(&["list", "tables"]).contains("other"));
        thread::sleep(Duration::from_millis(50));
    }
    assert!(is_there(), "a table that has an owner is not flushed by others");
    let before = meter.received(ALLOWED);
    until("what is allowed passes", || meter.received(ALLOWED) > before + MANY);
    assert_eq!(meter.received(DENIED), 0, "while others flush");

    // Nobody owns what a dead agent leaves.
    agent.kill();
    nft(&["flush", "ruleset"]);
    assert!(!is_there());
    until("nothing polices", || meter.received(DENIED) > MANY);
    let agent = Agent::start(&host);
    let took = until("the table is there", is_there);
    agent.wait_ready();
    host.settle();
    println!("the table of an agent that was dead is there again {took:.1?} after the start of the next");
    thread::sleep(Duration::from_millis(30));
    let before = (meter.received(DENIED), meter.received(ALLOWED));
    until("what is allowed passes", || meter.received(ALLOWED) > before.1 + MANY);
    assert_eq!(meter.received(DENIED), before.0, "the rules are there again");

    // Deleting it by its name is refused, too.
    assert!(!Command::new("nft").args(["delete", "table", "inet", "tortie"]).status().unwrap().success());
    traffic.end();
}

/// An endpoint that gets no rules is closed and named, and keeps nobody else from anything.
#[test]
fn netns_an_endpoint_that_gets_no_rules_is_closed_and_delays_nobody() {
    if let Place::Done = enter("flush::netns_an_endpoint_that_gets_no_rules_is_closed_and_delays_nobody") {
        return;
    }
    let host = Host::new();
    guard(&host);
    raise();
    let (agent, _) = Agent::ready(&host);
    let client = Pod::attached(&host, 2, &[("app", "client")]);
    let server = Pod::attached(&host, 1, &[("app", "server")]);
    let closed = Pod::new(3);
    let meters = [&server, &closed].map(|pod| Meter::new(&pod.namespace, &[DENIED, ALLOWED]));
    let to: Vec<_> = [server.addresses, closed.addresses].concat();
    let traffic = Traffic::start(&client.namespace, &to, &[DENIED.1, ALLOWED.1]);
    until("what is allowed passes", || meters[0].received(ALLOWED) > MANY);

    // One has an interface that cannot be, and one has somebody else's; the link of the third is there without a record.
    let mut impossible = record(NODE, 4, &[("app", "server")]);
    impossible.spec.interface_name = "cali 4\n\"; }".into();
    let mut thief = record(NODE, 5, &[("app", "client")]);
    thief.spec.interface_name = server.interface();
    host.apply(impossible.clone());
    host.apply(thief.clone());
    closed.attach(&host);
    // Who comes after them waits no longer.
    let after = Pod::new(6);
    let endpoint = after.record(&[("app", "client")]);
    host.apply(endpoint.clone());
    let took = until("others are acknowledged", || host.is_acknowledged(&endpoint));
    println!("another endpoint was acknowledged in {took:.1?}");
    let before = meters[0].received(ALLOWED);
    until("what is allowed passes", || meters[0].received(ALLOWED) > before + MANY);
    assert_eq!(meters.each_ref().map(|meter| meter.received(DENIED)), [0, 0]);
    assert_eq!(meters[1].received(ALLOWED), 0, "it has no record");
    assert!(![&impossible, &thief].into_iter().any(|endpoint| host.is_acknowledged(endpoint)));
    let told = agent.part("policy");
    println!("{told}");
    for pod in ["pod--4", "pod--5"] {
        assert!(told.starts_with("ok; ") && told.contains(pod), "{told}");
    }
    host.remove(&impossible);
    host.remove(&thief);
    until("nothing is left to say", || agent.part("policy") == "ok");
    traffic.end();
}
