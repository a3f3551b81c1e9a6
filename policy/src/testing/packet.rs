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
    let all = world.addresses(family);
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
    if world.strange && choices.once_in(4) {
        packet.original_destination = Some(SocketAddr::new(*choices.one(&all), *choices.one(&world.ports)));
    }
    packet
}

fn transport(choices: &mut Choices<'_>, world: &World, family: usize) -> Transport {
    let source_port = *choices.one(&[40000, 80, 443, 22]);
    let destination_port =
        if choices.once_in(8) { *choices.one(&[22, 53, 179]) } else { *choices.one(&world.ports) };
    match choices.below(6) {
        0 | 1 => Transport::Tcp { source_port, destination_port },
        2 | 3 => Transport::Udp { source_port, destination_port },
        4 => {
            let echo: &[u8] = if family == 0 { &[8] } else { &[128] };
            let kinds = if world.strange { &[8, 128, 134, 135] } else { echo };
            Transport::Icmp { kind: *choices.one(kinds), code: *choices.one(&[0, 1]) }
        }
        _ => match choices.below(2) {
            0 => Transport::Sctp { source_port, destination_port },
            _ => Transport::Other(*choices.one(&[253, 4, 47])),
        },
    }
}
