//! What a host sends, and policy of its interfaces.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{
    Endpoint, Flow, Host, HostAction, Inputs, Packet, Place as Where, PolicyKey, Program, Resolver, Step,
    Transport, Verdict, compile, evaluate_packet, resolve,
};

use crate::lab::{HOST, Lab, Place, enter, nft, ruleset};
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
            ip daddr 10.97.0.1 dnat ip to 192.0.2.1; ip6 daddr fd97::1 dnat ip6 to 2001:db8::1; };
        chain pre { type nat hook prerouting priority -100;
            ip daddr 10.98.0.1 dnat ip to 192.0.2.1; ip6 daddr fd98::1 dnat ip6 to 2001:db8::1; }; }";
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
            // What a workload sends a service is none of the host's, wherever it leaves.
            port += 1;
            let flow = Flow::udp((here, port).into(), (there, 80).into());
            let service = address(["10.98.0.1", "fd98::1"]);
            let packet = Packet {
                original_destination: Some((service, 80).into()),
                ..Packet::new(Where::Workload("cali0"), Where::Interface("uplink"), flow)
            };
            let wanted = evaluate_packet(&inputs, &host(), |_| true, &packet);
            assert_eq!(wanted.verdict, Verdict::Allow, "{wanted}");
            let sent = Flow::udp((here, port).into(), (service, 80).into());
            assert_eq!(lab.send(&[(sent, true)]), [true], "{interface}: {wanted}\n{}", ruleset());
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

/// A rule of this policy becomes more than the kernel's rule can hold.
fn spoil(mut program: Program, policy: &str) -> Program {
    for chain in program.chains.values_mut() {
        let mut spoilt = (**chain).clone();
        let of_policy = |step: &&mut Step| {
            step.origin.as_ref().is_some_and(|origin| origin.to_string() == format!("{policy} ingress[0]"))
        };
        for step in spoilt.steps.iter_mut().filter(of_policy) {
            step.matches = step.matches.iter().cycle().take(step.matches.len() * 100).cloned().collect();
        }
        *chain = Arc::new(spoilt);
    }
    program
}

/// If the kernel cannot have new rules of a host, it keeps the old ones; nobody else waits for that.
#[test]
fn netns_a_host_keeps_its_last_rules_if_new_ones_are_refused() {
    if let Place::Done = enter("host::netns_a_host_keeps_its_last_rules_if_new_ones_are_refused") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let (outside, pod) = (world.outside[0], world.endpoints[0]);
    let rule = |action: &str, port: u16| {
        format!(
            r#"{{ "selector": "has(host)", "types": ["Ingress"], "ingress": [
            {{ "action": "{action}", "protocol": "UDP", "destination": {{ "ports": [{port}] }} }}] }}"#
        )
    };
    let mut port = 40000;
    for interface in ["uplink", "*"] {
        let mut rules = Ruleset::new(Options::default());
        let mut inputs = open(&world);
        close(&mut inputs, interface);
        let mut enforce = |inputs: &Inputs, spoilt: Option<&str>, rules: &mut Ruleset| {
            let program = compile(&resolve(inputs, &host(), |_| true));
            rules
                .set_program(spoilt.map_or_else(|| program.clone(), |policy| spoil(program.clone(), policy)));
            settle(&mut socket, rules);
            rules.denials().map(|denial| denial.interface.to_string()).collect::<Vec<_>>()
        };
        let insert = |inputs: &mut Inputs, name: &str, spec: &str| {
            assert_eq!(inputs.insert_global_network_policy(name, &serde_json::from_str(spec).unwrap()), []);
        };
        let mut check = |lab: &mut Lab, what: &str, open: &[u16], pod_is_open: bool| {
            port += 1;
            let to = |address: IpAddr, to: u16| Flow::udp((outside[0], port).into(), (address, to).into());
            let to_host = [80, 81, 443].map(|number| (to(HOST[0], number), open.contains(&number)));
            let flows: Vec<_> = to_host.into_iter().chain([(to(pod[0], 80), pod_is_open)]).collect();
            let wanted: Vec<bool> = flows.iter().map(|(_, open)| *open).collect();
            assert_eq!(lab.send(&flows), wanted, "{interface}, {what}\n{}", ruleset());
        };
        insert(&mut inputs, "a", &rule("Allow", 80));
        assert_eq!(enforce(&inputs, None, &mut rules), [""; 0]);
        check(&mut lab, "all is well", &[80], true);

        insert(&mut inputs, "a", &rule("Allow", 81));
        insert(&mut inputs, "pods", r#"{ "selector": "!has(host)", "types": ["Ingress"] }"#);
        assert_eq!(enforce(&inputs, Some("GlobalNetworkPolicy a"), &mut rules), [interface]);
        check(&mut lab, "rules of a policy are refused", &[80], false);

        insert(&mut inputs, "b", &rule("Allow", 443));
        assert_eq!(enforce(&inputs, Some("GlobalNetworkPolicy a"), &mut rules), [interface]);
        check(&mut lab, "and there is one more policy", &[80], false);
        assert!(inputs.remove_policy(&PolicyKey::global("pods")));
        assert_eq!(enforce(&inputs, Some("GlobalNetworkPolicy b"), &mut rules), [interface]);
        // What is not refused is enforced.
        check(&mut lab, "of which the rules are refused", &[81], true);

        assert_eq!(enforce(&inputs, None, &mut rules), [""; 0]);
        check(&mut lab, "all is mended", &[81, 443], true);
        assert!(inputs.remove_policy(&PolicyKey::global("a")));
        assert_eq!(enforce(&inputs, None, &mut rules), [""; 0]);
        check(&mut lab, "and goes on", &[443], true);
    }
}

/// An interface may become a workload's while a host endpoint names it: from then on it is none of the host.
#[test]
fn netns_an_interface_of_a_workload_is_none_of_the_host() {
    if let Place::Done = enter("host::netns_an_interface_of_a_workload_is_none_of_the_host") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let (near, far) = (world.endpoints[0], world.endpoints[1]);
    let mut port = 40000;
    for (names, interfaces) in [(&["cali0"][..], 1), (&["cali0", "uplink"][..], 2)] {
        let host = Host {
            name: "host".to_string(),
            interfaces: names.iter().map(|name| ((*name).to_string(), vec![])).collect(),
        };
        let mut resolver = Resolver::new(host, |_| true);
        let labels = BTreeMap::from([("host".to_string(), String::new())]);
        for name in names {
            let spec = format!(r#"{{ "node": "host", "interfaceName": "{name}" }}"#);
            assert_eq!(
                resolver.insert_host_endpoint(name, &labels, &serde_json::from_str(&spec).unwrap()),
                []
            );
        }
        let shut = r#"{ "selector": "has(host)", "applyOnForward": true, "types": ["Ingress", "Egress"] }"#;
        assert_eq!(resolver.insert_global_network_policy("shut", &serde_json::from_str(shut).unwrap()), []);
        // What its name says is of a workload is not closed to the host before its workload is known, not even untracked.
        let mute = r#"{ "selector": "has(host)", "doNotTrack": true, "applyOnForward": true, "types": ["Egress"],
            "egress": [{ "action": "Deny" }] }"#;
        assert_eq!(resolver.insert_global_network_policy("mute", &serde_json::from_str(mute).unwrap()), []);
        let profile = r#"{ "ingress": [{ "action": "Allow" }], "egress": [{ "action": "Allow" }] }"#;
        assert_eq!(resolver.insert_profile("open", &serde_json::from_str(profile).unwrap()), []);
        let (mut own, others): (Vec<_>, Vec<_>) =
            open(&world).endpoints().cloned().partition(|endpoint| endpoint.interface == "cali0");
        others.iter().for_each(|endpoint| resolver.insert_endpoint(endpoint));
        resolver.set_in_sync();
        let mut rules = Ruleset::new(Options::default());
        let mut enforce = |resolver: &mut Resolver| {
            rules.apply(resolver.flush());
            settle(&mut socket, &mut rules);
            assert_eq!(rules.denials().count(), 0);
        };
        let mut passes = |lab: &mut Lab, wanted: bool| {
            port += 1;
            let to = |family: usize, from: [IpAddr; 2]| {
                Flow::udp((from[family], port).into(), (near[family], 80).into())
            };
            let flows = [0, 1].map(|family| [(to(family, far), wanted), (to(family, HOST), true)]);
            let arrived = lab.send(flows.as_flattened());
            assert_eq!(arrived, [wanted, true, wanted, true], "{interfaces}: {}", ruleset());
        };
        enforce(&mut resolver);
        passes(&mut lab, false);
        let endpoint = own.pop().unwrap();
        resolver.insert_endpoint(&endpoint);
        enforce(&mut resolver);
        passes(&mut lab, true);
        assert!(resolver.remove_endpoint(&endpoint.id));
        enforce(&mut resolver);
        passes(&mut lab, false);
    }
}

/// Packets come with marks that others set. None of these says that policy has accepted them.
#[test]
fn netns_marks_of_others_open_no_host() {
    if let Place::Done = enter("host::netns_marks_of_others_open_no_host") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    let others = "table inet other { chain in { type filter hook prerouting priority -400; meta mark set 0xffffffff; };
        chain out { type filter hook output priority -400; meta mark set 0xffffffff; }; }";
    assert_eq!(nft(others), Ok(()));
    for interface in ["uplink", "*"] {
        let mut inputs = open(&world);
        let mut rules = Ruleset::new(Options::default());
        for (port, is_open) in [(40000, true), (40001, false)] {
            if !is_open {
                close(&mut inputs, interface);
            }
            rules.set_program(compile(&resolve(&inputs, &host(), |_| true)));
            settle(&mut socket, &mut rules);
            let flows = [0, 1].map(|family| {
                let (near, far) = (HOST[family], world.outside[0][family]);
                [(near, far), (far, near)]
                    .map(|(from, to)| (Flow::udp((from, port).into(), (to, 80).into()), is_open))
            });
            assert_eq!(lab.send(flows.as_flattened()), [is_open; 4], "{interface}\n{}", ruleset());
        }
    }
}

/// While a host keeps its last rules, chains and sets that they speak of stay, though nobody else has them any more.
#[test]
fn netns_what_the_last_rules_of_a_host_speak_of_stays() {
    if let Place::Done = enter("host::netns_what_the_last_rules_of_a_host_speak_of_stays") {
        return;
    }
    let (world, mut lab, mut socket) = stage();
    // The rules of the one policy may be the pods' too, or only the set that they speak of.
    for (round, (of_one, goes)) in
        (0_u16..).zip([("host == 'a' || has(pod)", "one"), ("host == 'a'", "pods")])
    {
        let mut resolver = Resolver::new(host(), |_| true);
        let labels = |name: &str, value: &str| BTreeMap::from([(name.to_string(), value.to_string())]);
        for endpoint in open(&world).endpoints() {
            resolver.insert_endpoint(&Endpoint { labels: labels("pod", ""), ..endpoint.clone() });
        }
        for (name, nets) in [
            ("few", r#"{ "nets": ["192.0.2.1/32", "2001:db8::1/128"] }"#),
            (
                "many",
                r#"{ "nets": ["192.0.2.2/32", "198.51.100.1/32", "198.51.100.3/32", "198.51.100.5/32"] }"#,
            ),
        ] {
            let spec = serde_json::from_str(nets).unwrap();
            assert_eq!(resolver.insert_network_set(name, &labels("is", name), &spec), []);
        }
        for (name, selector, set) in
            [("one", of_one, "few"), ("pods", "has(pod)", "few"), ("full", "host == 'b'", "many")]
        {
            let spec = format!(
                r#"{{ "selector": "{selector}", "types": ["Ingress"], "ingress": [
                {{ "action": "Allow", "protocol": "UDP", "source": {{ "selector": "is == '{set}'" }} }}] }}"#
            );
            let spec = serde_json::from_str(&spec).unwrap();
            assert_eq!(resolver.insert_global_network_policy(name, &spec), []);
        }
        let call = |resolver: &mut Resolver, label: &str| {
            let spec = serde_json::from_str(r#"{ "node": "host", "interfaceName": "uplink" }"#).unwrap();
            assert_eq!(resolver.insert_host_endpoint("uplink", &labels("host", label), &spec), []);
        };
        call(&mut resolver, "a");
        resolver.set_in_sync();
        let mut rules = Ruleset::new(Options::default().max_set_len(3));
        let [near, far] = [0, 1].map(|index| world.outside[index]);
        let mut port = 40000 + 100 * round;
        let mut check = |resolver: &mut Resolver, rules: &mut Ruleset, denied: &[&str], open: [bool; 2]| {
            rules.apply(resolver.flush());
            settle(&mut socket, rules);
            let denials: Vec<_> = rules.denials().map(|denial| denial.interface.to_string()).collect();
            assert_eq!(denials, denied, "{goes}");
            port += 1;
            let flows = [near, far].map(|from| Flow::udp((from[0], port).into(), (HOST[0], 80).into()));
            let flows: Vec<_> = flows.into_iter().zip(open).collect();
            assert_eq!(lab.send(&flows), open, "{goes}\n{}", ruleset());
        };
        check(&mut resolver, &mut rules, &[], [true, false]);
        call(&mut resolver, "b");
        check(&mut resolver, &mut rules, &["uplink"], [true, false]);
        assert!(resolver.remove_policy(&PolicyKey::global(goes)));
        check(&mut resolver, &mut rules, &["uplink"], [true, false]);
        // Mended, the host has its new rules.
        let spec = serde_json::from_str(r#"{ "nets": ["192.0.2.2/32"] }"#).unwrap();
        assert_eq!(resolver.insert_network_set("many", &labels("is", "many"), &spec), []);
        check(&mut resolver, &mut rules, &[], [false, true]);
    }
}
