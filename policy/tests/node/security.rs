//! Faults of other systems that must not be here, with packets.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::net::UdpSocket;
use std::process::Command;

use tortie_nft_wire::Socket;
use tortie_policy::nftables::{Network, Options, Ruleset, ServiceLoop};
use tortie_policy::{Flow, Host, HostAction, Inputs, compile, resolve};

use crate::lab::{HOST, Place, enter, nft, ruleset};
use crate::packet::{Fragment, Listener, fragment, icmp, packet, send, tcp, udp};
use crate::transaction::settle;
use crate::{open, stage, world};

/// Who may be sent by whom is said by policies of this list.
fn enforce(socket: &mut Socket, policies: &[(&str, &str)], options: Options) -> Ruleset {
    enforce_inputs(socket, with(policies), options)
}

fn with(policies: &[(&str, &str)]) -> Inputs {
    let mut inputs = open(&world());
    for (name, spec) in policies {
        assert_eq!(inputs.insert_global_network_policy(name, &serde_json::from_str(spec).unwrap()), []);
    }
    inputs
}

fn enforce_inputs(socket: &mut Socket, inputs: Inputs, options: Options) -> Ruleset {
    let mut rules = Ruleset::new(options);
    rules.set_program(compile(&resolve(&inputs, &Host::new("host"), |_| true)));
    settle(socket, &mut rules);
    rules
}

/// Ingress is denied to all endpoints, but for datagrams to port 80.
const ONLY_80: (&str, &str) = (
    "only-80",
    r#"{ "types": ["Ingress"], "ingress": [
    { "action": "Allow", "protocol": "UDP", "destination": { "ports": [80] } }] }"#,
);

fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn is_to(port: u16) -> impl Fn(&[u8]) -> bool {
    move |payload| payload.get(2..4) == Some(&port.to_be_bytes()[..])
}

/// felix#2481: a workload has its own addresses and no others, whatever the address of its interface.
#[test]
fn netns_no_workload_lends_an_address() {
    if let Place::Done = enter("security::netns_no_workload_lends_an_address") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let _rules = enforce(&mut socket, &[], Options::default());
    for mac in [None, Some("02:00:00:00:00:99")] {
        if let Some(mac) = mac {
            let ip = |arguments: &[&str]| Command::new("ip").args(arguments).status().unwrap().success();
            assert!(ip(&["-n", "pod0", "link", "set", "eth0", "address", mac]));
            for own in world.endpoints[0] {
                assert!(ip(&["neigh", "replace", &own.to_string(), "lladdr", mac, "dev", "cali0"]));
            }
        }
        for family in 0..2 {
            let [own, neighbour, receiver] = [0, 1, 2].map(|index| world.endpoints[index][family]);
            let nobody: IpAddr = ["203.0.113.9", "2001:db8:9::9"][family].parse().unwrap();
            let ears = Listener::new(lab.station(receiver), receiver, 17);
            for (source, arrives) in [
                (own, true),
                (neighbour, false),
                (nobody, false),
                (world.outside[0][family], false),
                (HOST[family], false),
            ] {
                let datagram = udp(at(source, 4000), at(receiver, 80), b"whose");
                send(lab.station(own), receiver, &[packet(source, receiver, 17, &datagram)]);
                assert_eq!(ears.hears(is_to(80)), arrives, "{source} {mac:?}\n{}", ruleset());
            }
        }
    }
}

/// Without an address, a workload may ask whether one is taken, and nothing else: neither of its host nor by other protocols.
#[test]
fn netns_a_workload_without_address_speaks_of_neighbours_alone() {
    if let Place::Done = enter("security::netns_a_workload_without_address_speaks_of_neighbours_alone") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let mut inputs = with(&[]);
    inputs.set_to_host(HostAction::Accept);
    let _rules = enforce_inputs(&mut socket, inputs, Options::default());
    let pod = lab.station(world.endpoints[0][1]);
    let nobody = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let everybody = IpAddr::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let ears = [17, 58].map(|protocol| Listener::new(&lab.host, HOST[1], protocol));
    let own = world.endpoints[0][1];
    for (source, arrives) in [(own, true), (nobody, false)] {
        let datagram = udp(at(source, 4000), at(everybody, 4001), b"who is there");
        send(pod, everybody, &[packet(source, everybody, 17, &datagram)]);
        assert_eq!(ears[0].hears(is_to(4001)), arrives, "{source}\n{}", ruleset());
    }
    let question = icmp(nobody, everybody, 135, 0, &[0; 20]);
    send(pod, everybody, &[packet(nobody, everybody, 58, &question)]);
    assert!(ears[1].hears(|message| message.first() == Some(&135)), "{}", ruleset());
}

/// felix#2052: what a workload encapsulates would be taken for a packet of another host.
#[test]
fn netns_no_workload_encapsulates() {
    if let Place::Done = enter("security::netns_no_workload_encapsulates") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let mut inputs = open(&world);
    inputs.set_to_host(HostAction::Accept);
    let _rules = enforce_inputs(&mut socket, inputs, Options::default());
    let source = world.endpoints[0][0];
    for receiver in [HOST[0], world.outside[0][0], world.endpoints[1][0]] {
        let inner = packet(world.endpoints[1][0], receiver, 17, &udp(at(source, 1), at(receiver, 80), b"in"));
        for protocol in [4, 253] {
            let ears = Listener::new(lab.station(receiver), receiver, protocol);
            send(lab.station(source), receiver, &[packet(source, receiver, protocol, &inner)]);
            // What no policy speaks of, and is no tunnel, passes where all is open.
            assert_eq!(ears.hears(|_| true), protocol == 253, "{receiver} {protocol}\n{}", ruleset());
        }
        let ears = Listener::new(lab.station(receiver), receiver, 17);
        for port in [4789, 4790] {
            let datagram = udp(at(source, 4000), at(receiver, port), &inner);
            send(lab.station(source), receiver, &[packet(source, receiver, 17, &datagram)]);
            assert_eq!(ears.hears(is_to(port)), port != 4789, "{receiver} {port}");
        }
    }
}

/// CVE-2020-13597: no workload tells its host or others where to send.
#[test]
fn netns_no_workload_advertises_routes() {
    if let Place::Done = enter("security::netns_no_workload_advertises_routes") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let mut inputs = open(&world);
    inputs.set_to_host(HostAction::Accept);
    let _rules = enforce_inputs(&mut socket, inputs, Options::default());
    let pod = lab.station(world.endpoints[0][1]);
    let ears = Listener::new(&lab.host, HOST[1], 58);
    let source = world.endpoints[0][1];
    for receiver in [HOST[1], IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))] {
        // Echo request, neighbour solicitation, router advertisement, redirect.
        for (kind, arrives) in [(128, true), (135, true), (134, false), (137, false)] {
            let message = icmp(source, receiver, kind, 0, &[[0; 4].as_slice(), &[0; 32]].concat());
            let packet = packet(source, receiver, 58, &message);
            let to = match receiver {
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    SocketAddr::V6(core::net::SocketAddrV6::new(address, 0, 0, link_of(pod)))
                }
                other => at(other, 0),
            };
            pod.within(|| crate::packet::send_to(to, &packet));
            assert_eq!(
                ears.hears(|message| message.first() == Some(&kind)),
                arrives,
                "{kind}\n{}",
                ruleset()
            );
        }
    }
}

fn link_of(station: &crate::lab::Station) -> u32 {
    station.within(|| {
        // Of each namespace its own, however `/sys` is mounted.
        let socket = UdpSocket::bind("[::]:0").unwrap();
        rustix::net::netdevice::name_to_index(&socket, "eth0").unwrap()
    })
}

/// What stands between the header of IPv6 and the datagram hides no port, and lets nothing pass that has none.
#[test]
fn netns_extension_headers_hide_nothing() {
    if let Place::Done = enter("security::netns_extension_headers_hide_nothing") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let _rules = enforce(&mut socket, &[ONLY_80], Options::default());
    let (source, receiver) = (world.endpoints[0][1], world.endpoints[1][1]);
    let ears = Listener::new(lab.station(receiver), receiver, 17);
    let datagram = |port| udp(at(source, 4000), at(receiver, port), b"inside!!");
    // Each says what follows; padding fills it.
    let header = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    for chain in [&[60][..], &[0], &[0, 60], &[60, 60, 60]] {
        for port in [80, 81] {
            let mut payload = Vec::new();
            for (index, _) in chain.iter().enumerate() {
                payload.extend(header(chain.get(index + 1).copied().unwrap_or(17)));
            }
            payload.extend(datagram(port));
            send(lab.station(source), receiver, &[packet(source, receiver, chain[0], &payload)]);
            assert_eq!(ears.hears(is_to(port)), port == 80, "{chain:?} {port}\n{}", ruleset());
        }
    }
    // Behind them something that is no datagram, though it looks like one.
    let ears = Listener::new(lab.station(receiver), receiver, 253);
    let mut payload = header(253).to_vec();
    payload.extend(datagram(80));
    send(lab.station(source), receiver, &[packet(source, receiver, 60, &payload)]);
    assert!(!ears.hears(|_| true), "{}", ruleset());
}

/// Parts of a datagram are judged as the whole: the first has the port, the next ones nothing.
#[test]
fn netns_fragments_pass_as_a_whole_or_not_at_all() {
    if let Place::Done = enter("security::netns_fragments_pass_as_a_whole_or_not_at_all") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let _rules = enforce(&mut socket, &[ONLY_80], Options::default());
    for family in 0..2 {
        let (source, receiver) = (world.endpoints[0][family], world.endpoints[1][family]);
        let ears = Listener::new(lab.station(receiver), receiver, 17);
        let parts = |of: u8, port: u16| {
            let whole = udp(at(source, 4000), at(receiver, port), &[0x55; 32]);
            let part = |from: usize, to: usize, more| {
                let part = Fragment { of, at: u16::try_from(from).unwrap(), more };
                fragment(source, receiver, 17, &whole[from..to], Some(part))
            };
            [part(0, 24, true), part(24, whole.len(), false)]
        };
        let swapped = |[first, next]: [Vec<u8>; 2]| [next, first];
        for packets in [parts(1, 81), swapped(parts(2, 81))] {
            send(lab.station(source), receiver, &packets);
            assert!(!ears.hears(|_| true), "{source} to {receiver}\n{}", ruleset());
        }
        // A next one alone looks like nothing; this one like a datagram to port 80.
        let looks = udp(at(source, 4000), at(receiver, 80), &[0; 8]);
        let alone = fragment(source, receiver, 17, &looks, Some(Fragment { of: 3, at: 80, more: false }));
        send(lab.station(source), receiver, &[alone]);
        assert!(!ears.hears(|_| true), "{source} to {receiver}\n{}", ruleset());
        for packets in [parts(4, 80), swapped(parts(5, 80))] {
            send(lab.station(source), receiver, &packets);
            assert!(ears.hears(is_to(80)), "{source} to {receiver}\n{}", ruleset());
        }
    }
}

/// kube-network-policies#49: a protocol that nobody knows is denied unless all is allowed.
#[test]
fn netns_unknown_protocols_are_denied() {
    if let Place::Done = enter("security::netns_unknown_protocols_are_denied") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let all = (
        "all",
        r#"{ "order": 1, "types": ["Ingress"], "ingress": [{ "action": "Allow", "protocol": 253 }] }"#,
    );
    for (policies, arrives) in [(&[ONLY_80][..], false), (&[ONLY_80, all], true)] {
        let _rules = enforce(&mut socket, policies, Options::default());
        for family in 0..2 {
            let (source, receiver) = (world.endpoints[0][family], world.endpoints[1][family]);
            let ears = Listener::new(lab.station(receiver), receiver, 253);
            // Its beginning looks like a datagram to port 80.
            let payload = udp(at(source, 4000), at(receiver, 80), b"x");
            send(lab.station(source), receiver, &[packet(source, receiver, 253, &payload)]);
            assert_eq!(ears.hears(|_| true), arrives, "{source}\n{}", ruleset());
        }
    }
}

/// A packet that is too short to have ports has none, so it is to none of these: it is denied with all that is.
#[test]
fn netns_a_packet_without_ports_is_to_no_named_one() {
    if let Place::Done = enter("security::netns_a_packet_without_ports_is_to_no_named_one") {
        return;
    }
    let (world, lab, mut socket) = stage();
    for (action, arrives) in [("Deny", false), ("Allow", true)] {
        let other = if arrives { "Deny" } else { "Allow" };
        let spec = format!(
            r#"{{ "types": ["Ingress"], "ingress": [
                {{ "action": "{action}", "destination": {{ "notPorts": ["http"] }} }}, {{ "action": "{other}" }}] }}"#
        );
        let _rules = enforce(&mut socket, &[("not-http", &spec)], Options::default());
        for family in 0..2 {
            let (source, receiver) = (world.endpoints[0][family], world.endpoints[1][family]);
            let ears = Listener::new(lab.station(receiver), receiver, 253);
            for payload in [&[][..], &[7], &[7, 7, 7, 7]] {
                send(lab.station(source), receiver, &[packet(source, receiver, 253, payload)]);
                assert_eq!(ears.hears(|_| true), arrives, "{action} {source} {payload:?}\n{}", ruleset());
            }
        }
    }
}

/// microsoft/mxc#798: a first packet that was dropped makes no connection, which an answer to it could belong to.
#[test]
fn netns_a_dropped_packet_begins_no_connection() {
    if let Place::Done = enter("security::netns_a_dropped_packet_begins_no_connection") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let _rules = enforce(&mut socket, &[ONLY_80], Options::default());
    for family in 0..2 {
        let (here, there) = (world.endpoints[0][family], world.endpoints[1][family]);
        let (ears, other) =
            (Listener::new(lab.station(here), here, 6), Listener::new(lab.station(there), there, 6));
        let (client, server) = (at(here, 4000), at(there, 9999));
        send(lab.station(here), there, &[packet(here, there, 6, &tcp(client, server, 0x02))]);
        assert!(!other.hears(is_to(9999)), "the first is denied");
        for flags in [0x12, 0x10, 0x14] {
            send(lab.station(there), here, &[packet(there, here, 6, &tcp(server, client, flags))]);
            assert!(!ears.hears(is_to(4000)), "an answer, {flags:#x}\n{}", ruleset());
        }
    }
}

/// kube-router#1170: what belongs to no connection and begins none is dropped, also where all is open.
#[test]
fn netns_what_connection_tracking_calls_invalid_is_dropped() {
    if let Place::Done = enter("security::netns_what_connection_tracking_calls_invalid_is_dropped") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let _rules = enforce(&mut socket, &[], Options::default());
    for family in 0..2 {
        for (source, receiver) in [
            (world.endpoints[0][family], world.endpoints[1][family]),
            (world.outside[0][family], world.endpoints[1][family]),
            (world.endpoints[0][family], world.outside[0][family]),
        ] {
            let ears = Listener::new(lab.station(receiver), receiver, 6);
            // SYN; then SYN with FIN, and nothing at all.
            for (flags, arrives) in [(0x02, true), (0x03, false), (0x00, false), (0x3f, false)] {
                let port = 5000 + u16::from(flags);
                let segment = tcp(at(source, 4000), at(receiver, port), flags);
                send(lab.station(source), receiver, &[packet(source, receiver, 6, &segment)]);
                assert_eq!(ears.hears(is_to(port)), arrives, "{source} {flags:#x}\n{}", ruleset());
            }
        }
    }
}

/// aws-network-policy-agent#207: whoever may send is told that his packets are too large; others are told nothing.
#[test]
fn netns_errors_of_connections_pass() {
    if let Place::Done = enter("security::netns_errors_of_connections_pass") {
        return;
    }
    let (world, lab, mut socket) = stage();
    // Nobody may send to endpoints.
    let shut = ("shut", r#"{ "types": ["Ingress"] }"#);
    let _rules = enforce(&mut socket, &[shut], Options::default());
    for family in 0..2 {
        let (pod, outside) = (world.endpoints[0][family], world.outside[0][family]);
        let ears = Listener::new(lab.station(pod), pod, if family == 0 { 1 } else { 58 });
        let (kind, code) = [(3, 4), (2, 0)][family];
        let about = |port: u16| {
            let sent = packet(pod, outside, 17, &udp(at(pod, 4000), at(outside, port), b"large"));
            // Octets that may follow: the next hop takes 1400 of them.
            let message = icmp(outside, pod, kind, code, &[&[0, 0, 5, 0x78], sent.as_slice()].concat());
            (sent, packet(outside, pod, [1, 58][family], &message))
        };
        let is_error = |message: &[u8]| message.first() == Some(&kind);
        let (sent, error) = about(80);
        send(lab.station(pod), outside, &[sent]);
        assert!(lab.received(outside, 80).is_some());
        send(lab.station(outside), pod, &[error]);
        assert!(ears.hears(is_error), "of a connection\n{}", ruleset());
        let (_, error) = about(81);
        send(lab.station(outside), pod, &[error]);
        assert!(!ears.hears(is_error), "of none\n{}", ruleset());
    }
}

/// antrea#2548: refusals are not refused in turn.
#[test]
fn netns_two_that_reject_do_not_loop() {
    if let Place::Done = enter("security::netns_two_that_reject_do_not_loop") {
        return;
    }
    let (world, lab, mut socket) = stage();
    // Each endpoint refuses everything, and so does its host, of what goes to a service.
    let services = ["10.96.0.0/12", "fd96::/108"].map(|net| net.parse().unwrap());
    let network = Network::new().services(services).service_loop(ServiceLoop::Reject);
    let _rules = enforce(&mut socket, &[], Options::default().network(network));
    for pod in ["pod0", "pod1"] {
        let refuse = "table inet r { chain c { type filter hook input priority 0; meta l4proto { udp, icmp } reject; }; }";
        let status = Command::new("ip").args(["netns", "exec", pod, "nft", refuse]).status().unwrap();
        assert!(status.success());
    }
    let count = "table inet count { counter c { }; chain f { type filter hook forward priority 50; meta nfproto ipv4 counter \
                 name c; }; chain o { type filter hook output priority 50; meta nfproto ipv4 oifname cali* counter name c; }; }";
    assert_eq!(nft(count), Ok(()));
    let (a, b) = (world.endpoints[0][0], world.endpoints[1][0]);
    let service: IpAddr = "10.96.0.1".parse().unwrap();
    assert!(
        Command::new("ip")
            .args(["route", "add", "10.96.0.0/12", "dev", "uplink"])
            .status()
            .unwrap()
            .success()
    );
    for receiver in [b, service] {
        send(lab.station(a), receiver, &[packet(a, receiver, 17, &udp(at(a, 4000), at(receiver, 80), b"x"))]);
    }
    std::thread::sleep(core::time::Duration::from_millis(200));
    let listed = Command::new("nft").args(["list", "counters", "table", "inet", "count"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let packets: u32 = text.split_once("packets ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    // To the endpoint and its refusal; the refusal of the host.
    assert_eq!(packets, 3, "{text}");
}

/// kube-router#2059, #1732: an address that another workload has now is not in the sets of the one before.
#[test]
fn netns_an_address_belongs_to_who_has_it_now() {
    if let Place::Done = enter("security::netns_an_address_belongs_to_who_has_it_now") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let web = (
        "web",
        r#"{ "types": ["Ingress"], "ingress": [{ "action": "Allow", "source": { "selector": "app == 'web'" } }] }"#,
    );
    let mut inputs = with(&[web]);
    let mut rules = Ruleset::new(Options::default());
    let mut port = 50000;
    let mut check = |inputs: &Inputs, arrives: bool| {
        rules.set_program(compile(&resolve(inputs, &Host::new("host"), |_| true)));
        settle(&mut socket, &mut rules);
        for family in 0..2 {
            // Of a new connection each time.
            port += 1;
            let (source, receiver) = (world.endpoints[0][family], world.endpoints[1][family]);
            let flow = Flow::udp(at(source, port), at(receiver, 80));
            assert_eq!(lab.send(&[(flow, arrives)]), [arrives], "{flow}\n{}", ruleset());
        }
    };
    check(&inputs, false);
    let mut old = inputs.remove_endpoint("host/pod-0").unwrap();
    old.labels = [("app".to_string(), "web".to_string())].into();
    inputs.insert_endpoint(old);
    check(&inputs, true);
    let mut new = inputs.remove_endpoint("host/pod-0").unwrap();
    check(&inputs, false);
    new.id = "host/newcomer".to_string();
    new.labels = [("app".to_string(), "batch".to_string())].into();
    inputs.insert_endpoint(new);
    check(&inputs, false);
}

/// GHSA-hxv8-4j4r-cqgv: ingress policy holds on every way that leads to an endpoint.
#[test]
fn netns_every_way_is_policed() {
    if let Place::Done = enter("security::netns_every_way_is_policed") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let _rules = enforce(&mut socket, &[ONLY_80], Options::default());
    let proxy = "table inet proxy { chain pre { type nat hook prerouting priority dstnat;
            ip daddr 10.96.0.1 dnat ip to 10.0.0.2; ip6 daddr fd96::1 dnat ip6 to fd00::2;
            ip daddr 10.96.0.9 dnat ip to 10.0.0.1; ip6 daddr fd96::9 dnat ip6 to fd00::1; };
        chain post { type nat hook postrouting priority srcnat; iifname cali0 oifname cali0 masquerade; }; }";
    assert_eq!(nft(proxy), Ok(()));
    let mut flows = Vec::new();
    for family in 0..2 {
        let (a, b) = (world.endpoints[0][family], world.endpoints[1][family]);
        let service = ["10.96.0.1", "fd96::1"][family].parse().unwrap();
        let itself = ["10.96.0.9", "fd96::9"][family].parse().unwrap();
        let outside = world.outside[0][family];
        // Same node, another node, a service, a service of one's own; and the host, which is not policed.
        for (source, receiver) in [(a, b), (outside, b), (a, service), (outside, service), (a, itself)] {
            for port in [80, 81] {
                flows.push((Flow::udp(at(source, 40000), at(receiver, port)), port == 80));
            }
        }
        flows.push((Flow::udp(at(HOST[family], 40000), at(b, 81)), true));
    }
    let arrived = lab.send(&flows);
    for ((flow, expected), arrived) in flows.iter().zip(arrived) {
        assert_eq!(arrived, *expected, "{flow}\n{}", ruleset());
    }
}
