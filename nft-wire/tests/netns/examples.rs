//! The examples, with packets.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::ErrorKind;
use std::net::UdpSocket;

use std::thread;
use std::time::Instant;

use tortie_nft_wire::{Entry, Family, Listing};

use crate::lab::Lab;
use crate::{must, name, namespaced};

#[path = "../../examples/blocklist.rs"]
mod blocklist;
#[path = "../../examples/firewall.rs"]
mod firewall;
#[path = "../../examples/knock.rs"]
mod knock;

#[test]
fn netns_the_firewall_lets_in_what_it_says() {
    namespaced("netns_the_firewall_lets_in_what_it_says", &["ip"], || {
        let lab = Lab::new();
        // An administrator and a stranger behind the client, one address that is blocked, and the host that is the router.
        for address in ["192.0.2.5/32", "198.51.100.7/32"] {
            lab.client.within(|| must("ip", &["addr", "add", address, "dev", "lo"]));
            lab.router.within(|| must("ip", &["route", "add", address, "via", "10.1.0.2"]));
        }
        let at = |port: u16| lab.router.listen(&format!("0.0.0.0:{port}"));
        let (_ssh, _web) = (at(22), at(80));
        assert!(lab.client.connect("10.1.0.1:80").is_ok(), "without it");
        lab.router.within(|| firewall::main().unwrap());

        let from = |source: &str, port: u16| {
            let source = source.parse().unwrap();
            lab.client.connect_from(source, &format!("10.1.0.1:{port}"), Duration::from_millis(200)).is_ok()
        };
        assert!(from("192.0.2.5", 22), "an administrator");
        assert!(!from("10.1.0.2", 22) && !from("192.0.2.5", 80), "a stranger, and another port");
        assert!(!from("198.51.100.7", 22), "who is blocked");
        let counters =
            lab.router.rules().into_iter().flat_map(|rule| rule.exprs).filter_map(|expr| match expr {
                tortie_nft_wire::Expr::Counter(counter) => counter.packets,
                _ => None,
            });
        assert_eq!(counters.collect::<Vec<_>>(), [1], "what was blocked is counted");
        // What the host begins itself is answered.
        let peer = lab.server.udp("10.2.0.2:7");
        let own = lab.router.udp("10.2.0.1:0");
        own.send_to(b"q", "10.2.0.2:7").unwrap();
        let (_, who) = peer.recv_from(&mut [0]).unwrap();
        peer.send_to(b"a", who).unwrap();
        assert_eq!(own.recv(&mut [0]).unwrap(), 1);
    });
}

/// Sends a packet from each of two addresses, again and again, until it is told to stop: how many of each.
fn flow(blocked: &UdpSocket, free: &UdpSocket, stop: &AtomicBool) -> u32 {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        blocked.send_to(b"b", "10.2.0.2:9").unwrap();
        free.send_to(b"f", "10.2.0.2:9").unwrap();
        sent += 1;
        // As fast as the other side reads.
        thread::sleep(Duration::from_micros(200));
    }
    sent
}

#[test]
fn netns_a_block_list_changes_while_packets_flow() {
    const COUNT: u32 = 100_000;
    namespaced("netns_a_block_list_changes_while_packets_flow", &["ip"], || {
        let lab = Lab::new();
        lab.client.within(|| must("ip", &["addr", "add", "10.1.0.66/24", "dev", "eth0"]));
        let them = Ipv4Addr::new(10, 1, 0, 66);
        let others =
            |from: u32| (0..COUNT - 1).map(move |number| Ipv4Addr::from_bits(0xc000_0000 + from + number));
        let with_them = |from: u32| others(from).chain([them]).collect::<Vec<_>>();
        let mut list = lab.router.within(|| blocklist::Blocklist::new().unwrap());
        list.replace(&with_them(0)).unwrap();

        let server = lab.server.udp("10.2.0.2:9");
        let (blocked, free) = (lab.client.udp("10.1.0.66:0"), lab.client.udp("10.1.0.2:0"));
        let stop = AtomicBool::new(false);
        let (sent, heard) = thread::scope(|scope| {
            let flow = scope.spawn(|| flow(&blocked, &free, &stop));
            let hear = scope.spawn(|| {
                let (mut heard, mut buf) = (Vec::new(), [0]);
                // One packet behind all others ends it.
                while let Ok((1, _)) = server.recv_from(&mut buf) {
                    match buf[0] {
                        b'e' => break,
                        other => heard.push(other),
                    }
                }
                heard
            });
            for round in 1..=3 {
                list.replace(&with_them(round * COUNT)).unwrap();
                list.add(&[Ipv4Addr::new(203, 0, 113, 1)]).unwrap();
                list.remove(&others(round * COUNT).take(50_000).collect::<Vec<_>>()).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            let sent = flow.join().unwrap();
            free.send_to(b"e", "10.2.0.2:9").unwrap();
            (sent, hear.join().unwrap())
        });
        assert!(sent > 0);
        assert_eq!(heard.iter().filter(|from| **from == b'b').count(), 0, "never, also while it is replaced");
        assert_eq!(heard.len(), sent as usize, "all of those who are not on it");
        println!(
            "a list of {COUNT} was replaced three times: {sent} packets were dropped, {} passed",
            heard.len()
        );

        list.remove(&[them]).unwrap();
        blocked.send_to(b"b", "10.2.0.2:9").unwrap();
        let mut buf = [0];
        server.recv_from(&mut buf).unwrap();
        assert_eq!(&buf, b"b", "and no longer on it, they pass");
    });
}

#[test]
fn netns_a_port_opens_to_who_knocks() {
    namespaced("netns_a_port_opens_to_who_knocks", &["ip"], || {
        let lab = Lab::new();
        let next = Duration::from_millis(400);
        lab.router
            .within(|| knock::hide(22, &[1_001, 1_002, 1_003], next, Duration::from_secs(3_600)).unwrap());
        let _ssh = lab.router.listen("0.0.0.0:22");
        let client = lab.client.udp("10.1.0.2:0");
        let knock = |ports: &[u16]| {
            for port in ports {
                client.send_to(b"knock", ("10.1.0.1", *port)).unwrap();
            }
        };
        let is_closed = || {
            lab.client.connect("10.1.0.1:22").is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        };
        let knocked = |stage: &str| {
            let listing = Listing::Elements { table: &name("knock"), set: &name(stage) };
            let entries = lab.router.socket().list(Family::IPV4, listing).unwrap();
            entries
                .iter()
                .any(|(_, entry)| matches!(entry, Entry::Elements { elements, .. } if !elements.is_empty()))
        };
        let waits_for = |what: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !what() {
                assert!(begun.elapsed() < Duration::from_secs(10));
                thread::sleep(Duration::from_millis(5));
            }
        };
        assert!(is_closed(), "nobody knocked");
        knock(&[1_003, 1_002, 1_001]);
        assert!(is_closed(), "not in their order");
        // Of that, the first knock counts, for a while.
        waits_for(&|| !knocked("knocked0"));
        knock(&[1_002, 1_003]);
        assert!(is_closed(), "not in time");
        knock(&[1_001, 1_002, 1_003]);
        waits_for(&|| knocked("knocked2"));
        assert!(lab.client.connect("10.1.0.1:22").is_ok(), "in their order, and in time");
        let refused = lab.server.connect("10.2.0.1:22").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "and to nobody else");
    });
}
