//! The kernel, given the rendered text, agrees with the reference evaluator about real packets.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed says why one was skipped"
)]

mod lab;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::net::UdpSocket;

use tortie_policy::model::{Action, GlobalNetworkPolicySpec, PolicyType, ProfileSpec, Rule};
use tortie_policy::nftables::{self, Options};
use tortie_policy::testing::{Choices, World, bytes_of, inputs};
use tortie_policy::{
    Endpoint, Flow, Host, HostAction, Inputs, Packet, Transport, Verdict, compile, evaluate, evaluate_packet,
    resolve,
};

use lab::{HOST, Lab, Place, enter, nft, ruleset};

/// Random policies whose packets are sent; ten times as many with `TORTIE_PROVE=1`.
const ROUNDS: u64 = 30;
/// Random policies that only nft looks at.
const TEXTS: u64 = 30;

fn world() -> World {
    // Faults deny, and have their own tests.
    World { faults: false, interfaces: vec![], ..World::new() }
}

fn text(inputs: &Inputs) -> String {
    nftables::render(&compile(&resolve(inputs, &Host::new("host"), |_| true)), &Options::default())
}

/// Endpoints 0 to 3 of the world, all of them open.
fn open() -> Inputs {
    let mut inputs = Inputs::new();
    let rules = vec![Rule::new(Action::Allow)];
    let profile = ProfileSpec { ingress: rules.clone(), egress: rules, ..ProfileSpec::default() };
    assert_eq!(inputs.insert_profile("open", &profile), []);
    for (index, addresses) in world().endpoints.iter().enumerate().take(4) {
        inputs.insert_endpoint(Endpoint {
            id: format!("host/pod-{index}"),
            interface: world().links[index].clone(),
            profiles: vec!["open".to_string()],
            addresses: addresses.to_vec(),
            ..Endpoint::default()
        });
    }
    inputs
}

fn udp(source: IpAddr, destination: IpAddr, port: u16) -> Flow {
    Flow::udp(SocketAddr::new(source, 40000), SocketAddr::new(destination, port))
}

fn tcp(source: IpAddr, destination: IpAddr, port: u16) -> Flow {
    Flow::tcp(SocketAddr::new(source, 50000), SocketAddr::new(destination, port))
}

fn ping(source: IpAddr, destination: IpAddr) -> Flow {
    let kind = if source.is_ipv4() { 8 } else { 128 };
    Flow::new(source, destination, Transport::Icmp { kind, code: 0 })
}

/// Sends what is listed, and compares what arrives.
fn expect(lab: &mut Lab, what: &str, flows: &[(Flow, bool)]) {
    let arrived = lab.send(flows);
    for ((flow, expected), arrived) in flows.iter().zip(arrived) {
        assert_eq!(arrived, *expected, "{what}: {flow}\n{}", ruleset());
    }
}

#[test]
fn netns_packets_meet_the_verdicts_of_the_evaluator() {
    if let Place::Done = enter("netns_packets_meet_the_verdicts_of_the_evaluator") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let all: Vec<_> = world.endpoints.iter().chain(&world.outside[..1]).copied().collect();
    let mut counts = [0usize; 2];
    let rounds =
        if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") { ROUNDS * 10 } else { ROUNDS };
    for seed in 0..rounds {
        let bytes = bytes_of(seed, 4000);
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        nft(&text(&inputs)).unwrap();

        let mut flows = Vec::new();
        for (index, source) in all.iter().enumerate() {
            for destination in all.iter().filter(|destination| *destination != source) {
                for family in 0..2 {
                    let (source, destination) = (source[family], destination[family]);
                    flows.push(udp(source, destination, *choices.one(&world.ports)));
                    if choices.once_in(8) {
                        flows.push(tcp(source, destination, *choices.one(&world.ports[..4])));
                    }
                    if choices.once_in(8) {
                        flows.push(ping(source, destination));
                    }
                }
            }
            let host = HOST[index % 2];
            flows.push(udp(source[index % 2], host, 80));
        }
        // No endpoint of this is policed by what it sends itself, and by default nothing that workloads send it passes.
        let expected = |flow: &Flow| {
            let to_host = HOST.contains(&flow.destination) && inputs.endpoint_at(flow.source).is_some();
            evaluate(&inputs, flow).verdict == Verdict::Allow && !to_host
        };
        let flows: Vec<_> = flows.into_iter().map(|flow| (flow, expected(&flow))).collect();
        let arrived = lab.send(&flows);
        for ((flow, expected), arrived) in flows.iter().zip(arrived) {
            counts[usize::from(arrived)] += 1;
            assert_eq!(
                arrived,
                *expected,
                "seed {seed}: arrived, expected\n{}\n{}",
                evaluate(&inputs, flow),
                ruleset()
            );
        }
    }
    println!("{} packets arrived, {} did not", counts[1], counts[0]);
    assert!(counts.iter().all(|count| *count > 300), "too few of one kind: {counts:?}");
}

/// What host endpoints say of packets on every way through a host. Datagrams only: untracked policy judges replies too.
#[test]
fn netns_packets_meet_the_verdicts_of_host_endpoints() {
    if let Place::Done = enter("netns_packets_meet_the_verdicts_of_host_endpoints") {
        return;
    }
    let world = World { interfaces: ["uplink", "*"].map(String::from).into(), ..world() };
    let mut lab = Lab::new(&world);
    let host = Host { name: "host".to_string(), interfaces: [("uplink".to_string(), vec![])].into() };
    let place = |address: IpAddr| {
        let pod = world.endpoints.iter().position(|pair| pair.contains(&address));
        let outside = world.outside.iter().flatten().any(|other| *other == address);
        match pod {
            Some(index) => tortie_policy::Place::Workload(&world.links[index]),
            None if outside => tortie_policy::Place::Interface("uplink"),
            None => tortie_policy::Place::Host,
        }
    };
    let all: Vec<_> =
        world.endpoints[..2].iter().chain(&world.outside[..1]).chain([&HOST]).copied().collect();
    let mut counts = [0usize; 2];
    let rounds = if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") {
        ROUNDS * 20
    } else {
        ROUNDS * 2
    };
    for seed in 2000..2000 + rounds {
        let bytes = bytes_of(seed, 5000);
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        nft(&nftables::render(&compile(&resolve(&inputs, &host, |_| true)), &Options::default())).unwrap();
        let mut flows = Vec::new();
        for source in &all {
            for destination in all.iter().filter(|destination| *destination != source) {
                for family in 0..2 {
                    let flow = udp(source[family], destination[family], *choices.one(&world.ports));
                    let packet = Packet::new(place(flow.source), place(flow.destination), flow);
                    let evaluation = evaluate_packet(&inputs, &host, |_| true, &packet);
                    flows.push((flow, evaluation.verdict == Verdict::Allow, evaluation));
                }
            }
        }
        let sent: Vec<_> = flows.iter().map(|(flow, expected, _)| (*flow, *expected)).collect();
        for ((_, expected, evaluation), arrived) in flows.iter().zip(lab.send(&sent)) {
            counts[usize::from(arrived)] += 1;
            assert_eq!(arrived, *expected, "seed {seed}: arrived, expected\n{evaluation}\n{}", ruleset());
        }
    }
    println!("{} packets arrived, {} did not", counts[1], counts[0]);
    assert!(counts.iter().all(|count| *count > 200), "too few of one kind: {counts:?}");
}

/// Pre-DNAT policy sees where a packet went before another table sends it elsewhere; an Allow of it is remembered, and
/// nobody can pretend to have it.
#[test]
fn netns_policy_before_translation() {
    if let Place::Done = enter("netns_policy_before_translation") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let nat = "table ip elsewhere { chain pre { type nat hook prerouting priority dstnat; ip daddr 10.255.0.1 udp \
               dport 443 dnat to 10.0.0.1:80; }; chain marked { type filter hook prerouting priority -310; meta mark set \
               0x10000; }; }";
    assert_eq!(nft(nat), Ok(()));
    let host = Host { name: "host".to_string(), interfaces: [("uplink".to_string(), vec![])].into() };
    let send = |lab: &mut Lab, action: &str, port: u16, arrives: bool| {
        let mut inputs = open();
        let uplink = serde_json::from_str(r#"{ "node": "host", "interfaceName": "uplink" }"#).unwrap();
        let labels = [("host".to_string(), String::new())].into();
        assert_eq!(inputs.insert_host_endpoint("uplink", &labels, &uplink), []);
        let spec = format!(
            r#"{{ "selector": "has(host)", "preDNAT": true, "applyOnForward": true, "ingress": [
                 {{ "action": "{action}", "protocol": "UDP", "destination": {{ "ports": [443] }} }}] }}"#
        );
        let spec = serde_json::from_str(&spec).unwrap();
        assert_eq!(inputs.insert_global_network_policy("pre", &spec), []);
        // What is forwarded is denied, unless it was accepted before.
        let deny = serde_json::from_str(r#"{ "selector": "has(host)", "applyOnForward": true }"#).unwrap();
        assert_eq!(inputs.insert_global_network_policy("deny", &deny), []);
        nft(&nftables::render(&compile(&resolve(&inputs, &host, |_| true)), &Options::default())).unwrap();
        let flow = udp(world.outside[0][0], HOST[0], port);
        assert_eq!(lab.send(&[(flow, arrives)]), [arrives], "{action} {port}\n{}", ruleset());
    };
    send(&mut lab, "Allow", 443, true);
    send(&mut lab, "Deny", 443, false);
    send(&mut lab, "Log", 443, false);
    send(&mut lab, "Allow", 80, false);
}

#[test]
fn netns_nft_takes_every_text() {
    if let Place::Done = enter("netns_nft_takes_every_text") {
        return;
    }
    for seed in 1000..1000 + TEXTS {
        let bytes = bytes_of(seed, 4000);
        let inputs = inputs(&mut Choices::new(&bytes), &World::new());
        let text = text(&inputs);
        if let Err(error) = nft(&text) {
            panic!("{error}\n{text}");
        }
    }
    // Names that try to get out of where they stand.
    let mut inputs = Inputs::new();
    let hostile = "a\" drop comment \"\n}\nflush ruleset\n\\${x} *;#é".repeat(20);
    let rule = Rule { metadata: None, ..Rule::new(Action::Allow) };
    let mut named = Rule::new(Action::Deny);
    named.source.selector = Some("has(x) && x in {'a\nb;}', '\"; flush ruleset'}".to_string());
    let spec = GlobalNetworkPolicySpec { ingress: vec![rule, named], ..GlobalNetworkPolicySpec::default() };
    assert_eq!(inputs.insert_global_network_policy(&hostile, &spec), []);
    let profile = ProfileSpec { egress: vec![Rule::new(Action::Log)], ..ProfileSpec::default() };
    assert_eq!(inputs.insert_profile(&hostile, &profile), []);
    for (index, interface) in
        ["cali1", "tap0", "cali\" drop", "", "cali-much-too-long"].into_iter().enumerate()
    {
        inputs.insert_endpoint(Endpoint {
            id: format!("{index}{hostile}"),
            interface: interface.to_string(),
            profiles: vec![hostile.clone(), "missing\"".to_string()],
            ..Endpoint::default()
        });
    }
    let resolved = resolve(&inputs, &Host::new("host"), |_| true);
    assert_eq!(resolved.faults().len(), 3);
    let text = nftables::render(&compile(&resolved), &Options::default());
    if let Err(error) = nft(&text) {
        panic!("{error}\n{text}");
    }
    assert!(
        ruleset().contains("\"tap0\" goto judge-egress"),
        "an interface without the prefix is policed too"
    );
}

#[test]
fn netns_what_no_policy_speaks_of() {
    if let Place::Done = enter("netns_what_no_policy_speaks_of") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let pod = |index: usize| world.endpoints[index];
    let both = |flow: fn(IpAddr, IpAddr) -> Flow, a: [IpAddr; 2], b: [IpAddr; 2], arrives: bool| {
        [(flow(a[0], b[0]), arrives), (flow(a[1], b[1]), arrives)]
    };
    let to_80: fn(IpAddr, IpAddr) -> Flow = |a, b| udp(a, b, 80);
    let to_vxlan: fn(IpAddr, IpAddr) -> Flow = |a, b| udp(a, b, 4789);
    let between =
        |arrives| [both(to_80, pod(0), pod(1), arrives), both(ping, pod(1), pod(2), arrives)].concat();

    expect(&mut lab, "no rules", &between(true));
    assert_eq!(nft(&nftables::remove(&Options::default())), Ok(()), "there is nothing to remove");

    // Lockdown: nothing from, to or between workloads, not even to the host; but the host works.
    nft(&nftables::lockdown(&Options::default())).unwrap();
    let mut flows = between(false);
    flows.extend(both(to_80, world.outside[0], pod(0), false));
    flows.extend(both(to_80, pod(0), HOST, false));
    flows.extend(both(to_80, world.outside[0], HOST, true));
    expect(&mut lab, "lockdown", &flows);
    assert!(nft(&nftables::lockdown(&Options::default())).is_err(), "a table is there");

    // Loaded over it. Endpoints 4 and 5 are not known.
    let inputs = open();
    nft(&text(&inputs)).unwrap();
    let before = ruleset();
    let error = nft(&nftables::lockdown(&Options::default())).expect_err("a table is there");
    assert!(error.contains("File exists"), "{error}");
    assert_eq!(ruleset(), before, "lockdown does not touch a table that is there");
    let mut flows = between(true);
    flows.extend(both(to_80, world.outside[0], pod(0), true));
    flows.extend(both(to_80, pod(0), world.outside[0], true));
    flows.extend(both(to_80, pod(4), pod(0), false));
    flows.extend(both(to_80, pod(0), pod(4), false));
    flows.extend(both(to_80, pod(4), world.outside[0], false));
    flows.extend(both(to_80, world.outside[0], pod(4), false));
    flows.extend(both(to_80, world.outside[0], HOST, true));
    // Encapsulated by a workload, and by the world.
    flows.extend(both(to_vxlan, pod(0), pod(1), false));
    flows.extend(both(to_vxlan, pod(0), world.outside[0], false));
    flows.extend(both(to_vxlan, world.outside[0], pod(0), true));
    // The host talks to its workloads, and is answered; they do not talk to it.
    flows.extend(both(to_80, HOST, pod(0), true));
    flows.extend(both(to_80, HOST, pod(4), true));
    flows.extend(both(|a, b| tcp(a, b, 80), HOST, pod(0), true));
    flows.extend(both(ping, HOST, pod(1), true));
    flows.extend(both(to_80, pod(0), HOST, false));
    flows.extend(both(ping, pod(0), HOST, false));
    expect(&mut lab, "open", &flows);

    // A workload with the address of another, or of no one.
    for (address, name) in [("10.0.0.2", "v4"), ("fd00::2", "v6"), ("203.0.113.9", "v4")] {
        let address: IpAddr = address.parse().unwrap();
        let length = if address.is_ipv4() { 32 } else { 128 };
        let (to, sender) = (pod(2)[usize::from(address.is_ipv6())], lab.station(pod(0)[0]));
        let add = format!("{address}/{length}");
        let arguments = ["-n", "pod0", "addr", "add", add.as_str(), "dev", "lo"];
        assert!(std::process::Command::new("ip").args(arguments).status().unwrap().success());
        sender.within(|| {
            let mut socket = UdpSocket::bind(SocketAddr::new(address, 40001));
            for _ in 0..500 {
                // The address is tentative at first.
                if socket.is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
                socket = UdpSocket::bind(SocketAddr::new(address, 40001));
            }
            let _ = socket.unwrap().send_to(&u32::MAX.to_be_bytes(), SocketAddr::new(to, 80));
        });
        let arrived = lab.send(&[(to_80(pod(1)[0], pod(2)[0]), true)]);
        assert_eq!(arrived, [true], "{name}: only what is not spoofed");
    }

    // To the host, if policy allows and the option says so.
    for action in [HostAction::Accept, HostAction::Return] {
        let mut inputs = open();
        inputs.set_to_host(action);
        let deny = GlobalNetworkPolicySpec {
            selector: Some("projectcalico.org/namespace == 'shut'".to_string()),
            types: vec![PolicyType::Egress],
            ..GlobalNetworkPolicySpec::default()
        };
        assert_eq!(inputs.insert_global_network_policy("shut", &deny), []);
        let mut shut = inputs.remove_endpoint("host/pod-1").unwrap();
        shut.namespace = Some("shut".to_string());
        inputs.insert_endpoint(shut);
        nft(&text(&inputs)).unwrap();
        let mut flows = Vec::new();
        flows.extend(both(to_80, pod(0), HOST, true));
        flows.extend(both(ping, pod(0), HOST, true));
        flows.extend(both(to_80, pod(1), HOST, false));
        flows.extend(both(to_80, pod(4), HOST, false));
        flows.extend(both(to_80, HOST, pod(1), true));
        flows.extend(both(to_80, pod(0), pod(1), true));
        expect(&mut lab, "to the host", &flows);
    }

    nft(&nftables::remove(&Options::default())).unwrap();
    assert_eq!(ruleset(), "", "nothing is left");
    expect(&mut lab, "removed", &between(true));
}

/// What was accepted goes on when policy changes, and the change loses no packet of it.
#[test]
fn netns_connections_outlive_a_change() {
    use std::io::{Read, Write};

    if let Place::Done = enter("netns_connections_outlive_a_change") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let (client, server) = (world.endpoints[0][0], world.endpoints[1][0]);
    let mut inputs = open();
    nft(&text(&inputs)).unwrap();
    let address = SocketAddr::new(server, 9999);
    let listener = lab.station(server).within(|| std::net::TcpListener::bind(address).unwrap());
    let mut stream = lab.station(client).within(|| std::net::TcpStream::connect(address).unwrap());
    let (mut peer, _) = listener.accept().unwrap();
    for stream in [&stream, &peer] {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }

    let deny = GlobalNetworkPolicySpec {
        types: vec![PolicyType::Ingress, PolicyType::Egress],
        ..GlobalNetworkPolicySpec::default()
    };
    assert_eq!(inputs.insert_global_network_policy("deny", &deny), []);
    nft(&text(&inputs)).unwrap();
    expect(&mut lab, "denied", &[(udp(client, server, 80), false), (tcp(client, server, 80), false)]);
    for _ in 0..10 {
        stream.write_all(b"ping").unwrap();
        let mut buffer = [0; 4];
        peer.read_exact(&mut buffer).unwrap();
        peer.write_all(&buffer).unwrap();
        stream.read_exact(&mut buffer).unwrap();
        nft(&text(&inputs)).unwrap();
    }
}
