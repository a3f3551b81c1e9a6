//! Denied packets, counted by whom.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use tortie_nft_wire::{Family, Listing, Socket};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::testing::EAGER;
use tortie_policy::{Flow, Host, Inputs, Passes, compile, optimise, resolve};

use crate::lab::{Lab, Place, enter, nft, ruleset};
use crate::transaction::settle;
use crate::{open, stage, world};

fn udp(source: IpAddr, destination: IpAddr, port: u16) -> Flow {
    Flow::udp(SocketAddr::new(source, 40000), SocketAddr::new(destination, port))
}

/// What is reported, as text.
fn told(socket: &mut Socket, rules: &mut Ruleset) -> BTreeMap<String, (u64, u64)> {
    rules.read_counters(&socket.list(Family::INET, Listing::Objects).unwrap());
    let text = |denied: tortie_policy::nftables::Denied<'_>| {
        let denier = denied.denier;
        let owner = denier.owner.as_ref().map(ToString::to_string);
        let text = [denier.tier.as_deref(), owner.as_deref(), Some(denier.direction.as_str())]
            .map(|part| part.unwrap_or("-"))
            .join(", ");
        (text, (denied.packets, denied.octets))
    };
    rules.denied().map(text).collect()
}

fn policies(more: &[(&str, &str)]) -> Inputs {
    let mut inputs = open(&world());
    let policies = [
        (
            "shut",
            r#"{ "types": ["Ingress"], "ingress": [
            { "action": "Deny", "protocol": "UDP", "destination": { "ports": [80] } },
            { "action": "Deny", "protocol": "UDP", "destination": { "ports": [81] } },
            { "action": "Allow", "protocol": "UDP", "destination": { "ports": [8080] } }] }"#,
        ),
        (
            "passing",
            r#"{ "tier": "kube-admin", "order": 1, "types": ["Egress"], "egress": [
            { "action": "Deny", "protocol": "UDP", "destination": { "ports": [4789] } },
            { "action": "Pass" }] }"#,
        ),
    ];
    for (name, spec) in policies.iter().chain(more) {
        let spec = serde_json::from_str(spec).unwrap();
        assert_eq!(inputs.insert_global_network_policy(name, &spec), []);
    }
    inputs
}

/// Who denies is told with numbers that never go back, whatever becomes of chains, the table, and the agent.
#[test]
fn netns_denials_are_counted_by_policy() {
    if let Place::Done = enter("denied::netns_denials_are_counted_by_policy") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let (a, b) = (world.endpoints[0][0], world.endpoints[1][0]);
    let mut socket = Socket::open().unwrap();
    let program = |more: &[(&str, &str)], passes: &Passes| {
        optimise(&compile(&resolve(&policies(more), &Host::new("host"), |_| true)), passes).program
    };
    let ports = [80, 80, 81, 443, 8080];
    let expected = |rounds: u64| {
        // IPv4 and UDP headers, and four octets.
        let count = |packets: u64| (packets * rounds, packets * rounds * 32);
        BTreeMap::from([
            ("default, GlobalNetworkPolicy shut, ingress".to_string(), count(3)),
            ("default, -, ingress".to_string(), count(1)),
            ("-, -, ingress".to_string(), (0, 0)),
            ("-, -, egress".to_string(), (0, 0)),
            ("kube-admin, GlobalNetworkPolicy passing, egress".to_string(), (0, 0)),
        ])
    };
    let send = |lab: &mut Lab| {
        for port in ports {
            let arrived = lab.send(&[(udp(a, b, port), port == 8080)]);
            assert_eq!(arrived, [port == 8080], "{port}\n{}", ruleset());
        }
    };
    let seen = |told: &BTreeMap<String, (u64, u64)>, rounds: u64| {
        for (who, count) in told {
            assert_eq!(Some(count), expected(rounds).get(who), "{who}\n{told:?}\n{}", ruleset());
        }
        assert!(told.len() >= 3, "{told:?}");
    };

    let mut rules = Ruleset::new(Options::default());
    rules.set_program(program(&[], &Passes::none()));
    settle(&mut socket, &mut rules);
    seen(&told(&mut socket, &mut rules), 0);
    send(&mut lab);
    seen(&told(&mut socket, &mut rules), 1);

    // Its chain is written again, and counters stay as they are.
    rules.set_program(program(&[], &EAGER));
    settle(&mut socket, &mut rules);
    assert!(rules.is_listed(&socket.ruleset(Family::INET).unwrap().1).unwrap());
    send(&mut lab);
    seen(&told(&mut socket, &mut rules), 2);

    // The table is made anew, because somebody flushed it.
    assert_eq!(nft("flush ruleset"), Ok(()));
    rules.forget();
    settle(&mut socket, &mut rules);
    seen(&told(&mut socket, &mut rules), 2);
    send(&mut lab);
    seen(&told(&mut socket, &mut rules), 3);

    // An heir reads before he makes his own.
    let mut heir = Ruleset::new(Options::default());
    heir.set_program(program(&[], &Passes::none()));
    heir.read_counters(&socket.list(Family::INET, Listing::Objects).unwrap());
    settle(&mut socket, &mut heir);
    seen(&told(&mut socket, &mut heir), 3);
    send(&mut lab);
    let all = told(&mut socket, &mut heir);
    seen(&all, 4);

    // Somebody sets counters back: what was told stands.
    let reset =
        std::process::Command::new("nft").args(["reset", "counters", "table", "inet", "tortie"]).output();
    assert!(reset.unwrap().status.success());
    seen(&told(&mut socket, &mut heir), 4);
    send(&mut lab);
    seen(&told(&mut socket, &mut heir), 5);

    // A policy comes, and goes with its counter.
    let more = [(
        "more",
        r#"{ "order": 1, "types": ["Ingress"], "ingress": [{ "action": "Deny", "protocol": "UDP", "destination": { "ports": [80] } }] }"#,
    )];
    heir.set_program(program(&more, &Passes::none()));
    settle(&mut socket, &mut heir);
    send(&mut lab);
    let with = told(&mut socket, &mut heir);
    assert_eq!(with["default, GlobalNetworkPolicy more, ingress"], (2, 64), "{with:?}");
    heir.set_program(program(&[], &Passes::none()));
    settle(&mut socket, &mut heir);
    let without = told(&mut socket, &mut heir);
    assert_eq!(without.keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());
    assert_eq!(without["default, GlobalNetworkPolicy shut, ingress"], (16, 512));
    assert!(!ruleset().contains("more"), "{}", ruleset());
}

/// Rules of policies that pass stand in the chain of their tier: each policy counts what it denies, and so does the tier.
#[test]
fn netns_policies_in_one_chain_are_counted_apart() {
    if let Place::Done = enter("denied::netns_policies_in_one_chain_are_counted_apart") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let mut inputs = open(&world);
    let rule = |action: &str, port: u16| {
        format!(r#"{{ "action": "{action}", "protocol": "UDP", "destination": {{ "ports": [{port}] }} }}"#)
    };
    for (name, order, denied) in [("one", 1, 80), ("two", 2, 443)] {
        let rules = [rule("Deny", denied), rule("Deny", denied + 1), rule("Pass", 8080)].join(", ");
        let spec = format!(r#"{{ "order": {order}, "types": ["Ingress"], "ingress": [{rules}] }}"#);
        assert_eq!(inputs.insert_global_network_policy(name, &serde_json::from_str(&spec).unwrap()), []);
    }
    let mut rules = Ruleset::new(Options::default());
    rules.set_program(compile(&resolve(&inputs, &Host::new("host"), |_| true)));
    settle(&mut socket, &mut rules);
    let (from, to) = (world.outside[0][0], world.endpoints[0][0]);
    let flows = [80, 81, 443, 4789, 8080].map(|port| (udp(from, to, port), port == 8080));
    assert_eq!(lab.send(&flows), flows.map(|(_, arrives)| arrives), "{}", ruleset());
    let mut all = told(&mut socket, &mut rules);
    all.retain(|_, (packets, _)| *packets > 0);
    let wanted = [
        ("default, -, ingress", (1, 32)),
        ("default, GlobalNetworkPolicy one, ingress", (2, 64)),
        ("default, GlobalNetworkPolicy two, ingress", (1, 32)),
    ];
    assert_eq!(all, wanted.map(|(who, count)| (who.to_string(), count)).into(), "{}", ruleset());
}
