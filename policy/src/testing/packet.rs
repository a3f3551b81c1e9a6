//! Random packets, and what the evaluator says of them in the words of the interpreter.

use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::model::{Action, EntityRule, Port, Protocol, Rule};
use crate::{
    Consulted, EndTrace, Endpoint, Evaluation, Flow, Inputs, Judgement, Outcome, Packet, Place, Transport,
};

use super::{Choices, World};

/// What each end says, in the form of the interpreter.
#[must_use]
pub fn judgements(evaluation: &Evaluation) -> Vec<Judgement> {
    evaluation.trace.ends.iter().map(judgement).collect()
}

fn judgement(end: &EndTrace) -> Judgement {
    let rules = end.consulted.iter().flat_map(|consulted| match consulted {
        Consulted::Policy { rules, .. } => rules.as_slice(),
        Consulted::Profile { rules, .. } => rules.as_deref().unwrap_or_default(),
        _ => &[],
    });
    let logged = rules
        .filter(|rule| rule.action == Action::Log && matches!(rule.outcome, Outcome::Matched { .. }))
        .map(|rule| rule.origin.clone())
        .collect();
    Judgement {
        endpoint: end.endpoint.clone(),
        direction: end.direction,
        list: end.list,
        verdict: end.verdict,
        decided_by: end.decided_by.clone(),
        logged,
    }
}

/// A random packet, on a way that such a packet can take through the host with these workloads.
#[must_use]
pub fn packet<'a>(
    choices: &mut Choices<'_>,
    world: &'a World,
    inputs: &Inputs,
    is_local: impl Fn(&Endpoint) -> bool,
) -> Packet<'a> {
    drawn(choices, world, inputs, is_local, None)
}

/// A random packet that this rule speaks of, or one beside it: at an edge of what it says of addresses, ports and types.
#[must_use]
pub fn packet_for<'a>(
    choices: &mut Choices<'_>,
    world: &'a World,
    inputs: &Inputs,
    is_local: impl Fn(&Endpoint) -> bool,
    rule: &Rule,
) -> Packet<'a> {
    drawn(choices, world, inputs, is_local, Some(rule))
}

fn drawn<'a>(
    choices: &mut Choices<'_>,
    world: &'a World,
    inputs: &Inputs,
    is_local: impl Fn(&Endpoint) -> bool,
    rule: Option<&Rule>,
) -> Packet<'a> {
    let family = choices.below(2);
    let family = rule.and_then(family_of).unwrap_or(family);
    let mut all = world.addresses(family);
    if world.strange {
        let near = *choices.one(&all);
        all.push(beside(choices, near));
    }
    let source = end(choices, &all, rule.map(|rule| &rule.source));
    let others: Vec<IpAddr> = all.iter().copied().filter(|other| world.strange || *other != source).collect();
    let destination = end(choices, &others, rule.map(|rule| &rule.destination));
    let uplinks: Vec<&str> = world.uplinks.keys().map(String::as_str).collect();
    let elsewhere = Place::Interface(choices.one::<&str>(&uplinks));
    let mut place = |address: IpAddr| {
        let index = world.endpoints.iter().position(|pair| pair[family] == address);
        if let Some(index) = index {
            let is_here = inputs.endpoint_at(address).is_none_or(&is_local);
            return if is_here { Place::Workload(&world.links[index]) } else { elsewhere };
        }
        match address == world.host[family] {
            true if !world.strange || choices.below(4) > 0 => Place::Host,
            _ if world.strange && choices.once_in(20) => Place::Workload("cali99"),
            _ => elsewhere,
        }
    };
    let (from, to) = (place(source), place(destination));
    let drawn = transport(choices, world, family);
    let ends = [source, destination].map(|address| inputs.endpoint_at(address));
    let transport = rule.and_then(|rule| transport_for(choices, world, rule, ends)).unwrap_or(drawn);
    let mut packet = Packet::new(from, to, Flow::new(source, destination, transport));
    if world.strange {
        if choices.once_in(4) {
            packet.original_destination =
                Some(SocketAddr::new(*choices.one(&all), *choices.one(&world.ports)));
        }
        if choices.once_in(16) {
            // The same in another form.
            packet.flow.source = mapped(packet.flow.source);
            packet.flow.destination = mapped(packet.flow.destination);
        }
    }
    packet
}

/// The family of packets that the rule can match, if it is one: 0 is IPv4, 1 is IPv6.
fn family_of(rule: &Rule) -> Option<usize> {
    let net = [&rule.source, &rule.destination]
        .into_iter()
        .flat_map(|end| end.nets.iter().chain(&end.not_nets))
        .next();
    let number = rule.protocol.as_ref().and_then(Protocol::number);
    match (rule.ip_version, number, net) {
        (Some(4), ..) | (_, Some(Protocol::ICMP), _) => Some(0),
        (Some(6), ..) | (_, Some(Protocol::ICMPV6), _) => Some(1),
        (.., Some(net)) => Some(usize::from(net.contains(':'))),
        _ => None,
    }
}

/// One of these addresses; mostly one of those in the prefixes of the end.
fn end(choices: &mut Choices<'_>, all: &[IpAddr], end: Option<&EntityRule>) -> IpAddr {
    let mut fitting = Vec::new();
    if let Some(end) = end.filter(|end| !end.nets.is_empty() && choices.below(8) > 0) {
        let nets: Vec<IpNet> = end.nets.iter().filter_map(|net| crate::net::parse(net).ok()).collect();
        fitting.extend(all.iter().filter(|address| nets.iter().any(|net| net.contains(*address))));
    }
    *choices.one(if fitting.is_empty() { all } else { &fitting })
}

/// What the rule says of protocol, ports and type, or one step away from it; `None` if it names no protocol.
fn transport_for(
    choices: &mut Choices<'_>,
    world: &World,
    rule: &Rule,
    [source, destination]: [Option<&Endpoint>; 2],
) -> Option<Transport> {
    let number = rule.protocol.as_ref().and_then(Protocol::number)?;
    let source_port = edge(choices, world, &rule.source, source);
    let destination_port = edge(choices, world, &rule.destination, destination);
    Some(match number {
        // The rest of what was fragmented has no ports.
        Protocol::TCP | Protocol::UDP | Protocol::SCTP if choices.once_in(12) => Transport::Other(number),
        Protocol::TCP => Transport::Tcp { source_port, destination_port },
        Protocol::UDP => Transport::Udp { source_port, destination_port },
        Protocol::SCTP => Transport::Sctp { source_port, destination_port },
        Protocol::ICMP | Protocol::ICMPV6 => {
            let icmp = rule.icmp.as_ref().filter(|_| rule.not_icmp.is_none() || choices.once_in(2));
            let icmp = icmp.or(rule.not_icmp.as_ref());
            let near = |choices: &mut Choices<'_>, wanted: Option<i64>| {
                let wanted = wanted.and_then(|number| u8::try_from(number).ok()).unwrap_or_default();
                wanted.saturating_add(u8::from(choices.once_in(2)))
            };
            let kind = near(choices, icmp.and_then(|icmp| icmp.kind));
            Transport::Icmp { kind, code: near(choices, icmp.and_then(|icmp| icmp.code)) }
        }
        number => Transport::Other(number),
    })
}

/// A port at an edge of those that the end wants or excludes, inside or out, where this endpoint stands.
fn edge(choices: &mut Choices<'_>, world: &World, end: &EntityRule, endpoint: Option<&Endpoint>) -> u16 {
    let ranges: Vec<(u16, u16)> = (end.ports.iter().chain(&end.not_ports))
        .map(|port| match port {
            Port::Number(port) => (*port, *port),
            Port::Range { min, max } => (*min, *max),
            Port::Named(name) => {
                let mut ports = endpoint.iter().flat_map(|endpoint| &endpoint.ports);
                let port = ports.find(|port| port.name == *name).map(|port| port.port);
                let port = port.unwrap_or_else(|| *choices.one(&world.ports));
                (port, port)
            }
        })
        .collect();
    if ranges.is_empty() {
        return *choices.one(EDGES);
    }
    let (min, max) = *choices.one(&ranges);
    *choices.one(&[min, max, min.saturating_sub(1), max.saturating_add(1)])
}

/// An address that differs from this one in a bit: on the other side of the edge of some prefix.
fn beside(choices: &mut Choices<'_>, address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::from((u32::from(address) ^ (1 << choices.below(32))).to_be_bytes()),
        IpAddr::V6(address) => IpAddr::from((u128::from(address) ^ (1 << choices.below(128))).to_be_bytes()),
    }
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}

/// Ports at the edges of ranges in rules, inside and out.
const EDGES: &[u16] = &[
    0, 1, 78, 79, 82, 84, 85, 86, 89, 90, 91, 92, 95, 96, 100, 101, 444, 8081, 8085, 8086, 65533, 65534,
    65535,
];

fn transport(choices: &mut Choices<'_>, world: &World, family: usize) -> Transport {
    let source_port = *choices.one(&[40000, 80, 443, 22, 79, 90, 91, u16::MAX]);
    let destination_port = match choices.below(8) {
        7 => *choices.one(&[22, 53, 179]),
        5 | 6 if world.strange => *choices.one(EDGES),
        _ => *choices.one(&world.ports),
    };
    match choices.below(6) {
        0 | 1 => Transport::Tcp { source_port, destination_port },
        2 | 3 => Transport::Udp { source_port, destination_port },
        4 => {
            let echo: &[u8] = if family == 0 { &[8] } else { &[128] };
            let kinds = if world.strange { &[8, 128, 134, 135, 0, 255] } else { echo };
            Transport::Icmp { kind: *choices.one(kinds), code: *choices.one(&[0, 1]) }
        }
        _ => match choices.below(2) {
            0 => Transport::Sctp { source_port, destination_port },
            // Of a protocol with ports or types, but without them, as the rest of what was fragmented.
            _ if world.strange && choices.once_in(4) => Transport::Other(*choices.one(&[6, 17, 1, 58, 132])),
            _ => Transport::Other(*choices.one(&[253, 4, 47])),
        },
    }
}
