//! The reference evaluator: slow and obvious.
//!
//! It works from the rules one by one, and computes nothing ahead. What the compiler makes must agree with it, packet by
//! packet.

mod rule;
mod tiers;

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::convert::HostEndpoint;
use crate::endpoint::Endpoint;
use crate::flow::{Flow, Transport};
use crate::host::{Host, Packet, Place};
use crate::inputs::Inputs;
use crate::key::{Direction, ListKind, Origin, Verdict};
use crate::settings::HostAction;
use crate::verdict::{EndTrace, Evaluation, Trace};

use tiers::{Judge, consult};

/// Verdict on the first packet of a connection, at both of its ends, with the path that led to it.
///
/// The source's egress policy is that of the endpoint with the source address, the destination's ingress policy that of
/// the endpoint with the destination address, on whichever hosts they are: a workload's, else the normal policy of a host
/// endpoint that expects the address. An address that no endpoint has is not judged at its end. What a host sends its own
/// workloads ([`Flow::from_host`]) is not judged at all. Packets of a connection that was accepted are not policed, and
/// invalid ones dropped, before any of this. What the hosts on the way say, [`evaluate_packet`] tells.
///
/// # Complexity
///
/// Linear in policies, rules, endpoints and network sets: every selector is evaluated anew.
///
/// # Example
///
/// ```
/// use tortie_policy::{Endpoint, Flow, Inputs, Verdict, evaluate};
///
/// let mut inputs = Inputs::new();
/// inputs.insert_endpoint(Endpoint {
///     id: "node-1/pod-a".into(),
///     interface: "cali123".into(),
///     addresses: vec!["10.0.0.1".parse()?],
///     ..Endpoint::default()
/// });
/// let flow = Flow::tcp("10.9.9.9:40000".parse()?, "10.0.0.1:80".parse()?);
/// let evaluation = evaluate(&inputs, &flow);
/// assert_eq!(evaluation.verdict, Verdict::Deny);
/// assert_eq!(
///     evaluation.to_string(),
///     "deny: tcp 10.9.9.9:40000 -> 10.0.0.1:80\n  ingress of node-1/pod-a: deny, by no profile matched"
/// );
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn evaluate(inputs: &Inputs, flow: &Flow) -> Evaluation {
    let flow = flow.canonical();
    let host = |address: IpAddr| inputs.host_endpoints().find(|host| host.addresses.contains(&address));
    let mut ends = Vec::new();
    if let Some(endpoint) = inputs.endpoint_at(flow.source) {
        ends.push(workload(inputs, endpoint, Direction::Egress, &flow));
    } else if let Some(host) = host(flow.source).filter(|_| !flow.from_host) {
        ends.push(host_list(inputs, host, ListKind::Normal, Direction::Egress, &flow));
    }
    if let Some(endpoint) = inputs.endpoint_at(flow.destination) {
        if !flow.from_host {
            ends.push(workload(inputs, endpoint, Direction::Ingress, &flow));
        }
    } else if let Some(host) = host(flow.destination).filter(|_| !flow.from_host) {
        ends.push(host_list(inputs, host, ListKind::Normal, Direction::Ingress, &flow));
    }
    evaluation(flow, ends)
}

fn evaluation(flow: Flow, ends: Vec<EndTrace>) -> Evaluation {
    let allowed = ends.iter().all(|end| end.verdict == Verdict::Allow);
    let verdict = if allowed { Verdict::Allow } else { Verdict::Deny };
    Evaluation { flow, verdict, trace: Trace { ends } }
}

/// Verdict of one host on the first packet of a connection that passes it, with the path that led to it.
///
/// `is_local` tells workloads of this host from all others. In this order, as far as the packet passes there:
///
/// 1. untracked policy of the interface that it comes by; an Allow ends what the host's policy has to say there,
/// 2. pre-DNAT policy of that interface, about the destination as it was; an Allow does the same,
/// 3. egress policy of the workload that sends it,
/// 4. what becomes of packets from workloads to their host ([`HostAction`]),
/// 5. policy of the interface that it comes by: normal if it goes to the host, else that for what is forwarded,
/// 6. ingress policy of the workload that receives it, unless the host sends it,
/// 7. policy of the interface that it leaves by: untracked, then normal, if the host sends it, else that for what is
///    forwarded.
///
/// The host endpoint of an interface is the one of its name or with one of its addresses, else the one for all interfaces,
/// which has no untracked policy, and none for what the host sends its workloads. Every one of them is asked, even if one
/// before has denied.
///
/// # Complexity
///
/// As of [`evaluate`].
///
/// Source: calico@87c15906f2 felix/rules/{static,endpoints,dispatch}.go.
#[must_use]
pub fn evaluate_packet(
    inputs: &Inputs,
    host: &Host,
    mut is_local: impl FnMut(&Endpoint) -> bool,
    packet: &Packet<'_>,
) -> Evaluation {
    let flow = packet.flow.canonical();
    let original = packet.original_flow();
    let mut local = |name: &str| {
        inputs.endpoints().filter(|endpoint| endpoint.interface == name).find(|endpoint| is_local(endpoint))
    };
    let named = |place: Place<'_>| match place {
        Place::Interface(name) => inputs.host_endpoint_of(host, name),
        Place::Host | Place::Workload(_) => None,
    };
    let hosts = |place: Place<'_>| match place {
        Place::Host => None,
        Place::Interface(_) | Place::Workload(_) => {
            named(place).or_else(|| inputs.host_endpoint_of_all(host))
        }
    };
    let mut ends = Vec::new();

    // 1. and 2.
    let mut accepted = false;
    if let Some(endpoint) = named(packet.from) {
        let end = host_list(inputs, endpoint, ListKind::Untracked, Direction::Ingress, &original);
        accepted = accepts(&end);
        ends.push(end);
    }
    if let Some(endpoint) = hosts(packet.from).filter(|_| !accepted) {
        let end = host_list(inputs, endpoint, ListKind::PreDnat, Direction::Ingress, &original);
        accepted = accepts(&end);
        ends.push(end);
    }

    // 3. to 5.
    let to_host = packet.to == Place::Host;
    let mut asks_host = true;
    if let Place::Workload(name) = packet.from {
        if to_host {
            if let Some(end) = solicitation(name, &flow) {
                ends.push(end);
                return evaluation(flow, ends);
            }
        }
        ends.push(match local(name) {
            Some(endpoint) => workload(inputs, endpoint, Direction::Egress, &flow),
            None => unknown(inputs, name, Direction::Egress, &flow),
        });
        if to_host && inputs.to_host() != HostAction::Return {
            asks_host = false;
            let verdict = if inputs.to_host() == HostAction::Accept { Verdict::Allow } else { Verdict::Deny };
            ends.push(EndTrace::bare(name, Direction::Egress, verdict, Origin::ToHost));
        }
    }
    if let Some(endpoint) = hosts(packet.from).filter(|_| asks_host && !accepted) {
        let list = if to_host { ListKind::Normal } else { ListKind::Forward };
        ends.push(host_list(inputs, endpoint, list, Direction::Ingress, &flow));
    }

    // 6.
    let from_host = packet.from == Place::Host;
    if let (Place::Workload(name), false) = (packet.to, from_host) {
        ends.push(match local(name) {
            Some(endpoint) => workload(inputs, endpoint, Direction::Ingress, &flow),
            None => unknown(inputs, name, Direction::Ingress, &flow),
        });
    }

    // 7.
    if !from_host {
        if let Some(endpoint) = hosts(packet.to) {
            ends.push(host_list(inputs, endpoint, ListKind::Forward, Direction::Egress, &flow));
        }
    } else if let Place::Interface(_) = packet.to {
        let mut accepted = false;
        if let Some(endpoint) = named(packet.to) {
            let end = host_list(inputs, endpoint, ListKind::Untracked, Direction::Egress, &original);
            accepted = accepts(&end);
            ends.push(end);
        }
        if let Some(endpoint) = hosts(packet.to).filter(|_| !accepted) {
            ends.push(host_list(inputs, endpoint, ListKind::Normal, Direction::Egress, &flow));
        }
    }
    evaluation(flow, ends)
}

/// Whether a policy of the host has accepted the packet, so that no other of its policies is asked there.
fn accepts(end: &EndTrace) -> bool {
    end.verdict == Verdict::Allow && matches!(end.decided_by, Origin::Rule { .. })
}

fn workload(inputs: &Inputs, endpoint: &Endpoint, direction: Direction, flow: &Flow) -> EndTrace {
    if direction == Direction::Egress && inputs.encapsulation().forbids(flow) {
        return EndTrace::bare(&endpoint.id, direction, Verdict::Deny, Origin::Encapsulated);
    }
    let judge = Judge {
        name: &endpoint.id,
        labels: inputs.labels_of(endpoint),
        profiles: &endpoint.profiles,
        is_host: false,
        has_http_enforcer: endpoint.has_http_enforcer,
    };
    consult(inputs, &judge, ListKind::Normal, direction, flow)
}

/// What the interface of a workload says that nobody knows.
fn unknown(inputs: &Inputs, interface: &str, direction: Direction, flow: &Flow) -> EndTrace {
    let encapsulated = direction == Direction::Egress && inputs.encapsulation().forbids(flow);
    let origin = if encapsulated { Origin::Encapsulated } else { Origin::UnknownInterface };
    EndTrace::bare(interface, direction, Verdict::Deny, origin)
}

/// What a host does with messages of neighbour discovery from a workload, ahead of all policy.
fn solicitation(interface: &str, flow: &Flow) -> Option<EndTrace> {
    let Transport::Icmp { kind, .. } = flow.transport else { return None };
    if flow.destination.is_ipv4() {
        return None;
    }
    let (verdict, origin) = match kind {
        130..=133 | 135 | 136 => (Verdict::Allow, Origin::NeighbourDiscovery),
        134 | 137 => (Verdict::Deny, Origin::RoutingAdvice),
        _ => return None,
    };
    Some(EndTrace::bare(interface, Direction::Egress, verdict, origin))
}

fn host_list(
    inputs: &Inputs,
    endpoint: &HostEndpoint,
    list: ListKind,
    direction: Direction,
    flow: &Flow,
) -> EndTrace {
    let judge = Judge {
        name: &endpoint.name,
        labels: inputs.inherit(endpoint.labels.clone(), &endpoint.profiles),
        profiles: &endpoint.profiles,
        is_host: true,
        has_http_enforcer: false,
    };
    let end = consult(inputs, &judge, list, direction, flow);
    let closes_something = list == ListKind::Normal || !end.consulted.is_empty();
    if closes_something && list != ListKind::Forward {
        if let Some(origin) = never_closed(inputs, list, direction, flow) {
            let open = EndTrace::bare(&endpoint.name, direction, Verdict::Allow, origin);
            return EndTrace { list, ..open };
        }
    }
    end
}

/// Why host policy never closes this: neighbour discovery, without which nothing else passes; a packet to a failsafe port;
/// or, where no connection is tracked, a packet from one.
fn never_closed(inputs: &Inputs, list: ListKind, direction: Direction, flow: &Flow) -> Option<Origin> {
    if let (Transport::Icmp { kind: 133..=136, .. }, true) = (flow.transport, flow.destination.is_ipv6()) {
        return Some(Origin::NeighbourDiscovery);
    }
    let (source_port, destination_port) = flow.ports()?;
    let (peer, opposite) = match direction {
        Direction::Ingress => (flow.source, Direction::Egress),
        Direction::Egress => (flow.destination, Direction::Ingress),
    };
    let has = |direction, port| {
        let ports = inputs.failsafe().ports(direction);
        ports.iter().any(|failsafe| failsafe.is_for(flow.protocol(), port, peer))
    };
    let open =
        has(direction, destination_port) || (list == ListKind::Untracked && has(opposite, source_port));
    open.then_some(Origin::Failsafe)
}
