//! Host endpoints.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use tortie_policy::model::{GlobalNetworkPolicySpec, HostEndpointSpec, Salvage};
use tortie_policy::{
    Evaluation, Failsafe, FailsafePort, Flow, Host, HostAction, Inputs, Packet, Place, Transport, Verdict,
    compile, evaluate, evaluate_packet, interpret, nftables, resolve,
};

use crate::{DB, OUTSIDE, WEB, insert, ip, profile, world};

const HOST: &str = "198.51.100.1";
const ETH0: Place<'_> = Place::Interface("eth0");
const ETH1: Place<'_> = Place::Interface("eth1");
const WEB_IF: Place<'_> = Place::Workload("cali-web");

fn host() -> Host {
    let interfaces = [("eth0", HOST), ("eth1", "198.51.100.2")];
    let interfaces = interfaces.map(|(name, address)| (name.to_string(), vec![ip(address)]));
    Host { name: "node".to_string(), interfaces: interfaces.into() }
}

/// The world, with a host endpoint of this spec, labelled `host`.
fn with(spec: &str) -> Inputs {
    let mut inputs = world();
    add(&mut inputs, "hep", spec);
    inputs
}

fn add(inputs: &mut Inputs, name: &str, spec: &str) {
    let spec: HostEndpointSpec = serde_json::from_str(spec).unwrap();
    let labels =
        BTreeMap::from([("host".to_string(), String::new()), ("name".to_string(), name.to_string())]);
    assert_eq!(inputs.insert_host_endpoint(name, &labels, &spec), []);
}

const NAMED: &str = r#"{ "node": "node", "interfaceName": "eth0" }"#;
const ALL: &str = r#"{ "node": "node", "interfaceName": "*" }"#;

fn flow(port: u16) -> Flow {
    Flow::tcp(SocketAddr::new(ip(OUTSIDE), 40000), SocketAddr::new(ip(HOST), port))
}

/// What the evaluator says; the program says the same of every list.
fn judge(inputs: &Inputs, packet: &Packet<'_>) -> Evaluation {
    let evaluation = evaluate_packet(inputs, &host(), |_| true, packet);
    let got = interpret(&compile(&resolve(inputs, &host(), |_| true)), packet);
    let of_program: Vec<_> =
        got.judgements.into_iter().map(|one| (one.endpoint, one.list, one.decided_by)).collect();
    let of_evaluator: Vec<_> = (evaluation.trace.ends.iter())
        .map(|end| (end.endpoint.clone(), end.list, end.decided_by.clone()))
        .collect();
    assert_eq!(of_program, of_evaluator, "{evaluation}");
    evaluation
}

#[track_caller]
fn expect(inputs: &Inputs, from: Place<'_>, to: Place<'_>, flow: Flow, want: Verdict) {
    let evaluation = judge(inputs, &Packet::new(from, to, flow));
    assert_eq!(evaluation.verdict, want, "{evaluation}");
}

#[track_caller]
fn in_on(inputs: &Inputs, interface: Place<'_>, port: u16, want: Verdict) {
    expect(inputs, interface, Place::Host, flow(port), want);
}

use Verdict::{Allow, Deny};

/// What the host receives and sends is closed without policy, but for failsafe ports; what it forwards is open.
#[test]
fn a_host_endpoint_closes_the_host_and_not_what_it_forwards() {
    let inputs = with(NAMED);
    in_on(&inputs, ETH0, 80, Deny);
    in_on(&inputs, ETH1, 80, Allow);
    expect(&inputs, Place::Host, ETH0, flow(80), Deny);
    expect(&inputs, ETH0, ETH1, flow(80), Allow);
    expect(&inputs, ETH0, WEB_IF, flow(80), Allow);
    for port in [22, 179, 6443] {
        in_on(&inputs, ETH0, port, Allow);
    }
    expect(&inputs, Place::Host, ETH0, flow(2379), Allow);
    expect(&inputs, Place::Host, ETH0, flow(22), Deny);
    // Without neighbours no packet finds its way.
    let solicitation = Flow::new(ip("fe80::1"), ip("ff02::1"), Transport::Icmp { kind: 135, code: 0 });
    expect(&inputs, ETH0, Place::Host, solicitation, Allow);
    expect(&inputs, Place::Host, ETH0, solicitation, Allow);
    // Profiles open it; one that is not there, too: nobody is locked out.
    let mut inputs = with(r#"{ "node": "node", "interfaceName": "eth0", "profiles": ["p"] }"#);
    in_on(&inputs, ETH0, 80, Allow);
    assert_eq!(inputs.insert_profile("p", &profile(r#"{ "ingress": [{ "action": "Deny" }] }"#)), []);
    in_on(&inputs, ETH0, 80, Deny);
    expect(&inputs, Place::Host, ETH0, flow(80), Deny);
}

#[test]
fn failsafe_ports_can_be_chosen() {
    let mut inputs = with(NAMED);
    let net = Some("203.0.113.0/24".parse().unwrap());
    let failsafe = Failsafe { inbound: vec![FailsafePort { protocol: 6, port: 80, net }], outbound: vec![] };
    inputs.set_failsafe(failsafe);
    in_on(&inputs, ETH0, 22, Deny);
    in_on(&inputs, ETH0, 80, Deny);
    let mut near = flow(80);
    near.source = ip("203.0.113.7");
    expect(&inputs, ETH0, Place::Host, near, Allow);
}

#[test]
fn an_interface_has_the_first_endpoint_of_its_name_or_address_else_that_of_all() {
    let mut inputs = with(ALL);
    let asked = |inputs: &Inputs, place| {
        judge(inputs, &Packet::new(place, Place::Host, flow(80))).trace.ends[0].endpoint.clone()
    };
    assert_eq!([asked(&inputs, ETH0), asked(&inputs, ETH1)], ["hep", "hep"]);
    add(&mut inputs, "z", NAMED);
    add(&mut inputs, "y", &format!(r#"{{ "node": "node", "expectedIPs": ["{HOST}"] }}"#));
    add(&mut inputs, "a", r#"{ "node": "other", "interfaceName": "eth0" }"#);
    assert_eq!([asked(&inputs, ETH0), asked(&inputs, ETH1)], ["y", "hep"]);
    assert!(inputs.remove_host_endpoint("y"));
    assert_eq!([asked(&inputs, ETH0), asked(&inputs, ETH1)], ["z", "hep"]);
}

#[test]
fn forward_policy_is_for_what_is_forwarded_and_for_the_host() {
    let mut inputs = with(NAMED);
    let spec = r#"{ "selector": "has(host)", "applyOnForward": true, "types": ["Ingress"],
                    "ingress": [{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [80] } }] }"#;
    assert_eq!(insert(&mut inputs, "f", spec), 0);
    in_on(&inputs, ETH0, 80, Allow);
    in_on(&inputs, ETH0, 81, Deny);
    expect(&inputs, ETH0, WEB_IF, flow(80), Allow);
    expect(&inputs, ETH0, WEB_IF, flow(81), Deny);
    // Failsafe ports are no exception here.
    expect(&inputs, ETH0, WEB_IF, flow(22), Deny);
    // The other direction has no policy.
    expect(&inputs, WEB_IF, ETH0, flow(81), Allow);
    // Policy that is not for what is forwarded.
    assert_eq!(insert(&mut inputs, "f", &spec.replace("true", "false")), 0);
    expect(&inputs, ETH0, WEB_IF, flow(81), Allow);
    in_on(&inputs, ETH0, 81, Deny);
}

#[test]
fn pre_dnat_policy_sees_the_destination_as_it_was() {
    let mut inputs = with(NAMED);
    let spec = r#"{ "selector": "has(host)", "preDNAT": true, "applyOnForward": true, "ingress": [
        { "action": "Allow", "protocol": "TCP", "destination": { "ports": [8080] } },
        { "action": "Deny", "protocol": "TCP", "destination": { "ports": [8081, 22] } }] }"#;
    assert_eq!(insert(&mut inputs, "d", spec), 0);
    let translated = |port: u16| {
        let mut packet = Packet::new(ETH0, WEB_IF, flow(80));
        packet.flow.destination = ip(WEB);
        packet.original_destination = Some(SocketAddr::new(ip(HOST), port));
        packet
    };
    assert_eq!(judge(&inputs, &translated(8080)).verdict, Allow);
    assert_eq!(judge(&inputs, &translated(8081)).verdict, Deny);
    assert_eq!(judge(&inputs, &translated(22)).verdict, Allow, "failsafe");
    assert_eq!(judge(&inputs, &translated(9)).verdict, Allow, "not decided");
    // An Allow ends host policy at this interface, and nothing else.
    in_on(&inputs, ETH0, 8080, Allow);
    in_on(&inputs, ETH0, 9, Deny);
    assert_eq!(insert(&mut inputs, "shop/closed", r#"{ "selector": "app == 'web'" }"#), 0);
    assert_eq!(judge(&inputs, &translated(8080)).verdict, Deny);
}

#[test]
fn untracked_policy_comes_first_and_judges_replies() {
    let mut inputs = with(NAMED);
    let spec = r#"{ "selector": "has(host)", "doNotTrack": true, "applyOnForward": true, "types": ["Ingress", "Egress"],
        "ingress": [{ "action": "Allow", "protocol": "UDP", "destination": { "ports": [53] } },
                    { "action": "Deny", "protocol": "UDP" }],
        "egress": [{ "action": "Allow", "protocol": "UDP", "source": { "ports": [53] } }] }"#;
    assert_eq!(insert(&mut inputs, "u", spec), 0);
    let udp = |source: u16, destination: u16| {
        Flow::udp(SocketAddr::new(ip(OUTSIDE), source), SocketAddr::new(ip(HOST), destination))
    };
    expect(&inputs, ETH0, Place::Host, udp(9999, 53), Allow);
    expect(&inputs, ETH0, Place::Host, udp(9999, 54), Deny);
    expect(&inputs, ETH0, WEB_IF, udp(9999, 54), Deny);
    expect(&inputs, Place::Host, ETH0, udp(53, 9999), Allow);
    expect(&inputs, Place::Host, ETH0, udp(54, 9999), Deny);
    // Failsafe ports, and replies from and to them.
    expect(&inputs, ETH0, Place::Host, udp(9999, 68), Allow);
    let evaluation = judge(&inputs, &Packet::new(ETH0, Place::Host, udp(67, 9999)));
    assert_eq!(evaluation.trace.ends[0].decided_by.to_string(), "failsafe port");
    // The endpoint of all interfaces has no untracked policy; that is told.
    let mut inputs = with(ALL);
    assert_eq!(insert(&mut inputs, "u", spec), 0);
    expect(&inputs, ETH0, WEB_IF, udp(9999, 54), Allow);
    let faults: Vec<_> =
        resolve(&inputs, &host(), |_| true).faults().iter().map(ToString::to_string).collect();
    let want = "host endpoint hep: untracked policy does not count for all interfaces: GlobalNetworkPolicy u";
    assert_eq!(faults, [want]);
}

#[test]
fn what_passes_between_a_host_and_its_own_workloads() {
    let mut inputs = with(ALL);
    let between = flow(80);
    // The host reaches its workloads, whatever policy says.
    assert_eq!(insert(&mut inputs, "shop/closed", r#"{ "types": ["Ingress"] }"#), 0);
    expect(&inputs, Place::Host, WEB_IF, between, Allow);
    // Workloads reach the host if their policy allows, and then as is chosen.
    expect(&inputs, WEB_IF, Place::Host, between, Deny);
    inputs.set_to_host(HostAction::Accept);
    expect(&inputs, WEB_IF, Place::Host, between, Allow);
    inputs.set_to_host(HostAction::Return);
    expect(&inputs, WEB_IF, Place::Host, between, Deny);
    expect(&inputs, WEB_IF, Place::Host, flow(22), Allow);
    assert!(inputs.remove_host_endpoint("hep"));
    expect(&inputs, WEB_IF, Place::Host, between, Allow);
    assert_eq!(insert(&mut inputs, "shop/out", r#"{ "types": ["Egress"] }"#), 0);
    expect(&inputs, WEB_IF, Place::Host, between, Deny);
    // Neighbour discovery always, advice on routes never.
    let icmp = |kind| Flow::new(ip("fd00::1"), ip("fe80::1"), Transport::Icmp { kind, code: 0 });
    inputs.set_to_host(HostAction::Drop);
    expect(&inputs, WEB_IF, Place::Host, icmp(135), Allow);
    inputs.set_to_host(HostAction::Accept);
    expect(&inputs, WEB_IF, Place::Host, icmp(134), Deny);
}

/// Addresses of host endpoints are in sets, and end to end their normal policy is asked.
#[test]
fn host_endpoints_are_peers_too() {
    let mut inputs =
        with(&format!(r#"{{ "node": "node", "interfaceName": "eth0", "expectedIPs": ["{HOST}"] }}"#));
    let spec = r#"{ "selector": "app == 'db'", "ingress": [{ "action": "Allow", "source": { "selector": "has(host)" } }] }"#;
    assert_eq!(insert(&mut inputs, "p", spec), 0);
    let to_db = |source: &str| Flow::tcp(SocketAddr::new(ip(source), 40000), SocketAddr::new(ip(DB), 2379));
    assert_eq!(evaluate(&inputs, &to_db(HOST)).verdict, Allow);
    assert_eq!(evaluate(&inputs, &to_db(WEB)).verdict, Deny);
    assert_eq!(evaluate(&inputs, &flow(80)).verdict, Deny);
    assert_eq!(evaluate(&inputs, &flow(22)).verdict, Allow);
}

/// An interface of a workload is none of the host, whatever a host endpoint says.
#[test]
fn a_host_endpoint_of_a_workloads_interface_is_none() {
    let mut inputs = with(r#"{ "node": "node", "interfaceName": "cali-web" }"#);
    add(&mut inputs, "all", ALL);
    let spec = r#"{ "selector": "name == 'hep'", "applyOnForward": true, "types": ["Ingress", "Egress"] }"#;
    assert_eq!(insert(&mut inputs, "f", spec), 0);
    let mut flow = flow(80);
    flow.destination = ip(WEB);
    expect(&inputs, ETH0, WEB_IF, flow, Allow);
    expect(&inputs, WEB_IF, ETH0, flow, Allow);
    let program = compile(&resolve(&inputs, &host(), |_| true));
    let text = nftables::render(&program, &nftables::Options::default());
    let leads = text.lines().filter(|line| line.contains("\"cali-web\" : ")).count();
    assert_eq!(leads, 2, "to its own chains, in each direction:\n{text}");
}

/// What does not decode of a policy for hosts denies where that would: not workloads, and what is forwarded if it says so.
#[test]
fn what_is_left_of_a_policy_denies_where_it_would() {
    let left = |spec: &str| {
        let mut inputs = with(NAMED);
        let spec = format!(r#"{{ "selector": "all()", {spec}, "ingress": 7 }}"#);
        assert!(serde_json::from_str::<GlobalNetworkPolicySpec>(&spec).is_err());
        let salvage: Salvage = serde_json::from_str(&spec).unwrap();
        assert_eq!(inputs.insert_global_network_policy("left", &salvage.into()), []);
        let ends = [(ETH0, WEB_IF), (ETH1, WEB_IF)];
        ends.map(|(from, to)| {
            let evaluation = judge(&inputs, &Packet::new(from, to, flow(80)));
            let denied = evaluation.trace.ends.iter().filter(|end| end.verdict == Deny);
            denied.map(|end| (end.endpoint.clone(), end.list.as_str())).collect::<Vec<_>>()
        })
    };
    let of = |name: &str, list: &'static str| (name.to_string(), list);
    let web = || of("web", "normal");
    assert_eq!(left(r#""types": ["Ingress"]"#), [vec![web()], vec![web()]]);
    assert_eq!(left(r#""applyOnForward": true"#), [vec![of("hep", "forward"), web()], vec![web()]]);
    assert_eq!(left(r#""preDNAT": true"#), [vec![of("hep", "preDNAT")], vec![]]);
    assert_eq!(left(r#""doNotTrack": true, "applyOnForward": true"#), [vec![of("hep", "untracked")], vec![]]);
}

/// What is wrong stays as it was, and what labels say of namespaces is not believed.
#[test]
fn a_host_endpoint_with_a_fault_changes_nothing() {
    let mut inputs = with(NAMED);
    let spec: HostEndpointSpec = serde_json::from_str(r#"{ "interfaceName": "eth1" }"#).unwrap();
    assert_eq!(inputs.insert_host_endpoint("hep", &BTreeMap::new(), &spec).len(), 1);
    in_on(&inputs, ETH0, 80, Deny);
    let label = |name: &str| (name.to_string(), "shop".to_string());
    let labels = BTreeMap::from([label("projectcalico.org/namespace"), label("pcns.stage")]);
    let spec: HostEndpointSpec = serde_json::from_str(NAMED).unwrap();
    assert_eq!(inputs.insert_host_endpoint("hep", &labels, &spec), []);
    assert_eq!(
        insert(
            &mut inputs,
            "p",
            r#"{ "namespaceSelector": "stage == 'shop'", "ingress": [{ "action": "Allow" }] }"#
        ),
        0
    );
    in_on(&inputs, ETH0, 80, Deny);
}
