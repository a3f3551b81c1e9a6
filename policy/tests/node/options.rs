//! Choices that are no policy, changed while packets pass.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use tortie_nft_wire::{Family, Listing};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{Failsafe, FailsafePort, Flow, Host, HostAction, Program, Resolver, compile, resolve};

use crate::lab::{HOST, Lab, Place, enter, ruleset};
use crate::packet::{Listener, packet, send, tcp};
use crate::transaction::{commit, settle};
use crate::{open, stage};

/// A reset, which begins no connection.
const RST: u8 = 0x04;

fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn udp(source: IpAddr, destination: IpAddr, port: u16) -> Flow {
    Flow::udp(at(source, 40000), at(destination, port))
}

/// The table is made anew in one transaction: what was denied is counted on, what is there passes, and each choice does what it
/// says.
#[test]
fn netns_options_change_while_packets_pass() {
    if let Place::Done = enter("options::netns_options_change_while_packets_pass") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let mut inputs = open(&world);
    let spec = r#"{ "types": ["Ingress"], "ingress": [{ "action": "Log", "protocol": "UDP", "destination": { "ports": [81] } },
        { "action": "Deny", "protocol": "UDP", "destination": { "ports": [80] } }, { "action": "Allow" }] }"#;
    assert_eq!(inputs.insert_global_network_policy("shut", &serde_json::from_str(spec).unwrap()), []);
    let mut rules = Ruleset::new(Options::default());
    rules.set_program(compile(&resolve(&inputs, &Host::new("host"), |_| true)));
    settle(&mut socket, &mut rules);
    let (a, b) = (world.endpoints[0][0], world.endpoints[1][0]);
    let listener = lab.station(b).within(|| TcpListener::bind(at(b, 9000)).unwrap());
    let mut client = lab.station(a).within(|| TcpStream::connect(at(b, 9000)).unwrap());
    let (mut server, _) = listener.accept().unwrap();
    let is_invalid_heard = |lab: &Lab| {
        let ears = Listener::new(lab.station(b), b, 6);
        let port = 4321_u16;
        send(lab.station(a), b, &[packet(a, b, 6, &tcp(at(a, port), at(b, 9001), RST))]);
        ears.hears(|segment| segment.starts_with(&port.to_be_bytes()))
    };
    let changes = [
        (Options::default(), false),
        (Options::default().log_prefix("other: ").unwrap(), false),
        (Options::default().judges_invalid(true), true),
        (Options::default().mark_mask(0x0000_0700).unwrap(), false),
        (Options::default(), false),
    ];
    for (round, (options, hears_invalid)) in (1_u64..).zip(changes) {
        let is_other = round > 1;
        rules.set_options(options);
        if is_other {
            commit(&mut socket, &mut rules);
        } else {
            assert!(rules.poll_batch().unwrap().is_none(), "the same options are no change");
        }
        let text = ruleset();
        assert_eq!(text.contains("log prefix \"other: \""), round == 2, "{text}");
        assert_eq!(text.contains("log prefix \"calico-packet: \""), round != 2, "{text}");
        assert_eq!(text.contains("ct mark & 0x00000400 "), round == 4, "{text}");
        assert_eq!(is_invalid_heard(&lab), hears_invalid, "round {round}\n{text}");
        assert_eq!(lab.send(&[(udp(a, b, 80), false), (udp(a, b, 8080), true)]), [false, true], "{text}");
        client.write_all(b"x").unwrap();
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 1);
        rules.read_counters(&socket.list(Family::INET, Listing::Objects).unwrap());
        let denied: u64 = rules.denied().map(|denied| denied.packets).sum();
        assert_eq!(denied, round, "{text}");
    }
}

/// What the settings of a host say changes what it does with packets of its own, and no more than that.
#[test]
fn netns_settings_of_a_host_change_while_it_stands() {
    if let Place::Done = enter("options::netns_settings_of_a_host_change_while_it_stands") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let interfaces = BTreeMap::from([("uplink".to_string(), vec![])]);
    let mut resolver = Resolver::new(Host { interfaces, ..Host::new("host") }, |_| true);
    let spec = serde_json::from_str(r#"{ "node": "host", "interfaceName": "uplink" }"#).unwrap();
    assert_eq!(resolver.insert_host_endpoint("host", &BTreeMap::new(), &spec), []);
    let profile =
        serde_json::from_str(r#"{ "ingress": [{ "action": "Allow" }], "egress": [{ "action": "Allow" }] }"#);
    assert_eq!(resolver.insert_profile("open", &profile.unwrap()), []);
    for endpoint in open(&world).endpoints() {
        resolver.insert_endpoint(endpoint);
    }
    resolver.set_in_sync();
    let mut program = Program::default();
    program.apply(resolver.flush());
    let mut rules = Ruleset::new(Options::default());
    rules.set_program(program.clone());
    settle(&mut socket, &mut rules);
    // From the world, from another place of the world, and from a workload, to ports of the host.
    let [near, far, pod] = [world.outside[0], world.outside[1], world.endpoints[0]];
    let port = |port, net: Option<IpAddr>| FailsafePort { protocol: 17, port, net: net.map(Into::into) };
    let only = |ports: Vec<FailsafePort>| Failsafe { inbound: ports, outbound: vec![] };
    for (failsafe, to_host, want) in [
        (Failsafe::default(), HostAction::Drop, [false, false, false]),
        (only(vec![port(80, None)]), HostAction::Drop, [true, true, false]),
        (
            only(vec![port(80, Some(near[0])), port(80, Some(near[1]))]),
            HostAction::Accept,
            [true, false, true],
        ),
        (only(vec![]), HostAction::Return, [false, false, true]),
        // Nothing but what becomes of what workloads send their host.
        (only(vec![]), HostAction::Drop, [false, false, false]),
    ] {
        resolver.set_failsafe(failsafe.clone());
        resolver.set_to_host(to_host);
        let delta = resolver.flush();
        program.apply(delta.clone());
        // As a change, and as a whole.
        if to_host == HostAction::Drop {
            rules.set_program(program.clone())
        } else {
            rules.apply(delta)
        }
        settle(&mut socket, &mut rules);
        for family in 0..2 {
            let flows = [near, far, pod].map(|from| udp(from[family], HOST[family], 80));
            let asked: Vec<_> = flows.into_iter().zip(want).collect();
            assert_eq!(lab.send(&asked), want, "{failsafe:?}, {to_host:?}\n{}", ruleset());
        }
    }
}
