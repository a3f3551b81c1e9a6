//! Random packets, and what the evaluator says of them in the words of the interpreter.

use core::net::{IpAddr, SocketAddr};

use crate::model::Action;
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
    let family = choices.below(2);
    let mut all = world.addresses(family);
    if world.strange {
        let near = *choices.one(&all);
        all.push(beside(choices, near));
    }
    let source = *choices.one(&all);
    let destination = if world.strange {
        *choices.one(&all)
    } else {
        let others: Vec<IpAddr> = all.iter().copied().filter(|other| *other != source).collect();
        *choices.one(&others)
    };
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
    let mut packet = Packet::new(from, to, Flow::new(source, destination, transport(choices, world, family)));
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
