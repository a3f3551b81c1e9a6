//! Connections that are there when policy comes, or changes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use tortie_nft_wire::{Connection, Conntrack, Socket};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{Host, Inputs, Place as At, compile, resolve};

use crate::lab::{HOST, Lab, Place, enter, nft, ruleset};
use crate::transaction::settle;
use crate::{open, stage, world};
use tortie_policy::testing::World;

/// How long something that must not arrive is waited for.
const GRACE: Duration = Duration::from_millis(60);

/// A connection of each kind, from one to another.
struct Live {
    tcp: [TcpStream; 2],
    udp: [UdpSocket; 2],
}

impl Live {
    fn new(lab: &Lab, client: IpAddr, server: IpAddr, at: IpAddr, port: u16) -> Self {
        let (here, there) = (lab.station(client), lab.station(server));
        let any = SocketAddr::new(server, 9000);
        let listener = there.within(|| TcpListener::bind(any).unwrap());
        let receiver = there.within(|| UdpSocket::bind(any).unwrap());
        let sender = here.within(|| UdpSocket::bind(SocketAddr::new(client, 0)).unwrap());
        sender.connect(SocketAddr::new(at, port)).unwrap();
        let stream = here.within(|| TcpStream::connect(SocketAddr::new(at, port)).unwrap());
        let (peer, _) = listener.accept().unwrap();
        sender.send(b"first").unwrap();
        let (_, from) = receiver.recv_from(&mut [0; 8]).unwrap();
        receiver.connect(from).unwrap();
        for stream in [&stream, &peer] {
            stream.set_read_timeout(Some(GRACE)).unwrap();
        }
        for socket in [&sender, &receiver] {
            socket.set_read_timeout(Some(GRACE)).unwrap();
        }
        Self { tcp: [stream, peer], udp: [sender, receiver] }
    }

    /// Whether something passes: by UDP, by TCP, each there and back.
    fn passes(&mut self) -> [bool; 4] {
        let [client, server] = &self.udp;
        let datagram = |from: &UdpSocket, to: &UdpSocket| {
            while to.recv(&mut [0; 8]).is_ok() {}
            let _ = from.send(b"x");
            to.recv(&mut [0; 8]).is_ok()
        };
        let there = datagram(client, server);
        let back = datagram(server, client);
        let mut octet = |from: usize, to: usize| {
            let _ = self.tcp[from].write_all(b"y");
            self.tcp[to].read(&mut [0; 64]).is_ok_and(|len| len > 0)
        };
        // Of what is cut, the server speaks first: nobody may take that for a connection of its own.
        let back_by_stream = octet(1, 0);
        [there, back, octet(0, 1), back_by_stream]
    }
}

const LINKS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)), IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))];

/// Where an address of this world is.
fn place(world: &World) -> impl Fn(IpAddr) -> At<'static> {
    let interfaces: Vec<(IpAddr, &'static str)> = (world.endpoints.iter().enumerate())
        .flat_map(|(index, pair)| {
            let name: &'static str = world.links[index].clone().leak();
            pair.map(|address| (address, name))
        })
        .collect();
    move |address| match interfaces.iter().find(|(known, _)| *known == address) {
        Some((_, name)) => At::Workload(name),
        // The host has these on its interfaces to workloads.
        None if HOST.contains(&address) || LINKS.contains(&address) => At::Host,
        None => At::Interface("uplink"),
    }
}

/// How many connections have another mark now.
fn evaluate_anew(conntrack: &mut Conntrack, rules: &Ruleset, world: &World) -> u64 {
    let place = place(world);
    let marked =
        conntrack.mark(rules.connection_mask(), |connection| rules.connection_mark(connection, &place));
    marked.unwrap().changed
}

fn wish(rules: &mut Ruleset, inputs: &Inputs) {
    rules.set_program(compile(&resolve(inputs, &Host::new("host"), |_| true)));
}

fn with(policies: &[(&str, &str)]) -> Inputs {
    let mut inputs = open(&world());
    for (name, spec) in policies {
        assert_eq!(inputs.insert_global_network_policy(name, &serde_json::from_str(spec).unwrap()), []);
    }
    inputs
}

/// Nobody may send to the first of the world's endpoints, and all may send whatever they like.
const SHUT: (&str, &str) = (
    "shut",
    r#"{ "types": ["Ingress"], "ingress": [
        { "action": "Allow", "source": { "nets": ["192.0.2.0/24"] } },
        { "action": "Allow", "source": { "nets": ["2001:db8::/64"] } }] }"#,
);

#[test]
fn netns_a_change_keeps_connections_or_cuts_what_it_denies() {
    if let Place::Done = enter("connections::netns_a_change_keeps_connections_or_cuts_what_it_denies") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let mut conntrack = Conntrack::open(tortie_nft_wire::Options::new()).unwrap();
    let mut rules = Ruleset::new(Options::default());
    wish(&mut rules, &with(&[]));
    settle(&mut socket, &mut rules);
    let (pods, outside) = (&world.endpoints, &world.outside[0]);
    let mut denied: Vec<Live> = (0..2)
        .map(|family| Live::new(&lab, pods[0][family], pods[1][family], pods[1][family], 9000))
        .collect();
    let mut allowed: Vec<Live> = (0..2)
        .map(|family| Live::new(&lab, outside[family], pods[2][family], pods[2][family], 9000))
        .collect();
    let mut hosts: Vec<Live> =
        (0..2).map(|family| Live::new(&lab, HOST[family], pods[3][family], pods[3][family], 9000)).collect();
    let mut check = |what: &str, open: bool| {
        for (lives, open) in [(&mut denied, open), (&mut allowed, true), (&mut hosts, true)] {
            for live in lives {
                let peer = live.tcp[0].peer_addr().unwrap();
                assert_eq!(live.passes(), [open; 4], "{what}: {peer}\n{}", ruleset());
            }
        }
    };
    check("open", true);

    // Keep: a change cuts nothing.
    wish(&mut rules, &with(&[SHUT]));
    settle(&mut socket, &mut rules);
    check("denied, and kept", true);

    // Evaluated anew: what is denied now is cut, in both directions, and nothing else.
    let changed = evaluate_anew(&mut conntrack, &rules, &world);
    assert_eq!(changed, 4, "one of each protocol and family");
    assert_eq!(evaluate_anew(&mut conntrack, &rules, &world), 0, "it is done");
    check("denied, and cut", false);

    // Allowed again: what is still there goes on.
    wish(&mut rules, &with(&[]));
    settle(&mut socket, &mut rules);
    evaluate_anew(&mut conntrack, &rules, &world);
    // What was sent meanwhile is sent again after a while.
    std::thread::sleep(Duration::from_secs(2));
    for live in &mut denied {
        live.tcp.iter_mut().for_each(|stream| while stream.read(&mut [0; 64]).is_ok_and(|len| len > 0) {});
        assert_eq!(live.passes(), [true; 4], "{}", ruleset());
    }
}

/// Connections that begin before there is policy are judged when it comes, wherever they were translated to.
#[test]
fn netns_taking_over_a_node_cuts_what_policy_denies() {
    if let Place::Done = enter("connections::netns_taking_over_a_node_cuts_what_policy_denies") {
        return;
    }
    let world = world();
    let lab = Lab::new(&world);
    // Somebody else tracks connections, translates some, and has a mark of his own on them.
    let others =
        "table ip other { chain c { type filter hook forward priority -5; ct state new ct mark set 0x20; };
        chain nat { type nat hook prerouting priority dstnat; ip daddr 10.96.0.1 dnat to 10.0.0.5; }; }";
    assert_eq!(nft(others), Ok(()));
    let pods = &world.endpoints;
    let service: IpAddr = "10.96.0.1".parse().unwrap();
    let mut denied = vec![
        Live::new(&lab, pods[0][0], pods[1][0], pods[1][0], 9000),
        Live::new(&lab, pods[0][0], pods[4][0], service, 9000),
    ];
    let mut allowed = Live::new(&lab, world.outside[0][0], pods[2][0], pods[2][0], 9000);
    for live in denied.iter_mut().chain([&mut allowed]) {
        assert_eq!(live.passes(), [true; 4]);
    }

    let mut socket = Socket::open().unwrap();
    let mut conntrack = Conntrack::open(tortie_nft_wire::Options::new()).unwrap();
    let mut rules = Ruleset::new(Options::default());
    wish(&mut rules, &with(&[SHUT]));
    // First the marks, then the rules: no packet comes through in between.
    assert_eq!(evaluate_anew(&mut conntrack, &rules, &world), 4);
    settle(&mut socket, &mut rules);
    assert_eq!(evaluate_anew(&mut conntrack, &rules, &world), 0);
    for live in &mut denied {
        assert_eq!(live.passes(), [false; 4], "{}", ruleset());
    }
    assert_eq!(allowed.passes(), [true; 4], "{}", ruleset());
    // The marks of others stay as they are.
    let mut marks = Vec::new();
    conntrack
        .mark(rules.connection_mask(), |connection| {
            marks.push(connection.mark);
            None
        })
        .unwrap();
    marks.sort_unstable();
    assert_eq!(marks, [0x20, 0x20, 0x4_0020, 0x4_0020, 0x4_0020, 0x4_0020]);
}

/// What is judged is where a connection went in the end, whichever end of it is here; what another connection expected is
/// left alone.
#[test]
fn netns_a_connection_is_judged_by_where_it_went() {
    if let Place::Done = enter("connections::netns_a_connection_is_judged_by_where_it_went") {
        return;
    }
    let world = world();
    let lab = Lab::new(&world);
    let others = "table inet other { chain nat { type nat hook prerouting priority dstnat;
        ip daddr 10.96.0.1 meta l4proto { tcp, udp } th dport 8000 dnat ip to 10.0.0.2:9000; }; }";
    assert_eq!(nft(others), Ok(()));
    let pods = &world.endpoints;
    let service: IpAddr = "10.96.0.1".parse().unwrap();
    let mut translated = Live::new(&lab, pods[0][0], pods[1][0], service, 8000);
    let mut from_outside = Live::new(&lab, world.outside[0][0], pods[2][0], pods[2][0], 9000);

    let mut socket = Socket::open().unwrap();
    let mut conntrack = Conntrack::open(tortie_nft_wire::Options::new()).unwrap();
    let mut rules = Ruleset::new(Options::default());
    let near = r#"{ "types": ["Ingress"], "ingress": [
        { "action": "Allow", "protocol": "TCP", "source": { "nets": ["10.0.0.0/8"] }, "destination": { "ports": [9000] } },
        { "action": "Allow", "protocol": "UDP", "source": { "nets": ["10.0.0.0/8"] }, "destination": { "ports": [9000] } }] }"#;
    wish(&mut rules, &with(&[("near", near)]));
    let place = place(&world);
    conntrack
        .mark(rules.connection_mask(), |connection| {
            let mut expected = connection.clone();
            expected.status |= Connection::EXPECTED;
            assert!(rules.connection_mark(connection, &place).is_some());
            assert_eq!(rules.connection_mark(&expected, &place), None);
            None
        })
        .unwrap();
    assert_eq!(evaluate_anew(&mut conntrack, &rules, &world), 2, "one of each protocol");
    settle(&mut socket, &mut rules);
    assert_eq!(from_outside.passes(), [false; 4], "{}", ruleset());
    assert_eq!(translated.passes(), [true; 4], "{}", ruleset());
}
