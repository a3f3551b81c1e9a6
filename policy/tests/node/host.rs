//! What a host sends, and policy of its interfaces.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::process::Command;

use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{
    Flow, Host, HostAction, Inputs, Packet, Place as Where, Transport, Verdict, compile, evaluate_packet,
    resolve,
};

use crate::lab::{HOST, Place, enter, nft, ruleset};
use crate::packet::{Listener, icmp, send};
use crate::transaction::settle;
use crate::{open, stage};

fn host() -> Host {
    Host { name: "host".to_string(), interfaces: [("uplink".to_string(), vec![])].into() }
}

/// A host endpoint of this interface, closed but for what stays open always.
fn close(inputs: &mut Inputs, interface: &str) {
    let spec = format!(r#"{{ "node": "host", "interfaceName": "{interface}" }}"#);
    let labels = BTreeMap::from([("host".to_string(), String::new())]);
    assert_eq!(inputs.insert_host_endpoint(interface, &labels, &serde_json::from_str(&spec).unwrap()), []);
}

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// What a host sends to a service leaves by another interface than its address says: policy of the interface that it
/// leaves by is asked, and no other.
#[test]
fn netns_a_host_that_calls_a_service_is_judged_where_it_leaves() {
    if let Place::Done = enter("host::netns_a_host_that_calls_a_service_is_judged_where_it_leaves") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let proxy = "table inet proxy { chain out { type nat hook output priority -100;
            ip daddr 10.96.0.1 dnat ip to 10.0.0.1; ip6 daddr fd96::1 dnat ip6 to fd00::1;
            ip daddr 10.97.0.1 dnat ip to 192.0.2.1; ip6 daddr fd97::1 dnat ip6 to 2001:db8::1; }; }";
    assert_eq!(nft(proxy), Ok(()));
    // The addresses of one service are routed to the world, its endpoint is here; those of the other the other way round.
    for (net, link) in [
        ("10.96.0.0/16", "uplink"),
        ("fd96::/64", "uplink"),
        ("10.97.0.0/16", "cali1"),
        ("fd97::/64", "cali1"),
    ] {
        ip(&format!("route add {net} dev {link}"));
    }
    let mut rules = Ruleset::new(Options::default());
    let mut port = 40000;
    for interface in ["uplink", "*"] {
        let mut inputs = open(&world);
        close(&mut inputs, interface);
        rules.set_program(compile(&resolve(&inputs, &host(), |_| true)));
        settle(&mut socket, &mut rules);
        for family in 0..2 {
            let address = |texts: [&str; 2]| -> IpAddr { texts[family].parse().unwrap() };
            let (here, there) = (world.endpoints[0][family], world.outside[0][family]);
            for (service, to, backend) in [
                (address(["10.96.0.1", "fd96::1"]), Where::Workload("cali0"), here),
                (address(["10.97.0.1", "fd97::1"]), Where::Interface("uplink"), there),
            ] {
                // Of a new connection each time.
                port += 1;
                let flow = Flow::udp((HOST[family], port).into(), (backend, 80).into());
                let packet = Packet {
                    original_destination: Some((service, 80).into()),
                    ..Packet::new(Where::Host, to, flow)
                };
                let wanted = evaluate_packet(&inputs, &host(), |_| true, &packet);
                let arrives = wanted.verdict == Verdict::Allow;
                assert_eq!(arrives, backend == here, "{wanted}");
                let sent = Flow::udp((HOST[family], port).into(), (service, 80).into());
                assert_eq!(lab.send(&[(sent, arrives)]), [arrives], "{interface}: {wanted}\n{}", ruleset());
            }
        }
    }
}

/// What is left to host policy is not all that a workload sends its host: it must hear of its neighbours.
#[test]
fn netns_neighbours_and_listeners_are_heard_whatever_else_is_denied() {
    if let Place::Done = enter("host::netns_neighbours_and_listeners_are_heard_whatever_else_is_denied") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let pod = world.endpoints[0][1];
    let ears = Listener::new(&lab.host, HOST[1], 58);
    for (number, action) in [(1, HostAction::Drop), (2, HostAction::Accept), (3, HostAction::Return)] {
        let mut inputs = open(&world);
        close(&mut inputs, "*");
        inputs.set_to_host(action);
        let mut rules = Ruleset::new(Options::default());
        rules.set_program(compile(&resolve(&inputs, &host(), |_| true)));
        settle(&mut socket, &mut rules);
        // Listeners' reports and the end of one, neighbours, advice on routes, an echo request.
        for kind in [131, 132, 135, 136, 134, 137, 128] {
            let flow = Flow::new(pod, HOST[1], Transport::Icmp { kind, code: 0 });
            let packet = Packet::new(Where::Workload("cali0"), Where::Host, flow);
            let wanted = evaluate_packet(&inputs, &host(), |_| true, &packet);
            let message = icmp(pod, HOST[1], kind, 0, &[[number; 2].as_slice(), &[0; 18]].concat());
            send(lab.station(pod), HOST[1], &[crate::packet::packet(pod, HOST[1], 58, &message)]);
            let arrives = ears.hears(|message| message.first() == Some(&kind));
            assert_eq!(arrives, wanted.verdict == Verdict::Allow, "{action:?}: {wanted}\n{}", ruleset());
        }
    }
}
