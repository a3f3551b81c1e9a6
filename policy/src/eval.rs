//! The reference evaluator: slow and obvious.
//!
//! It works from the rules one by one, and computes nothing ahead. What the compiler makes must agree with it, packet by
//! packet.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::endpoint::Endpoint;
use crate::flow::Flow;
use crate::inputs::Inputs;
use crate::key::{Direction, Origin, Verdict};
use crate::model::Action;
use crate::rule::{Deed, Entity, Family, PortRange, Rule};
use crate::verdict::{Consulted, ConsultedRule, EndTrace, Evaluation, Outcome, Trace};

/// Verdict on the first packet of a connection, at both of its ends, with the path that led to it.
///
/// The source's egress policy is that of the endpoint with the source address, the destination's ingress policy that of
/// the endpoint with the destination address, on whichever hosts they are. An address that no endpoint has is not judged
/// at its end. Packets of a connection that was accepted are not policed, and invalid ones dropped, before any of this.
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
    let mut ends = Vec::new();
    if let Some(endpoint) = inputs.endpoint_at(flow.source) {
        ends.push(judge(inputs, endpoint, Direction::Egress, &flow));
    }
    if let Some(endpoint) = inputs.endpoint_at(flow.destination).filter(|_| !flow.from_host) {
        ends.push(judge(inputs, endpoint, Direction::Ingress, &flow));
    }
    let verdict =
        if ends.iter().all(|end| end.verdict == Verdict::Allow) { Verdict::Allow } else { Verdict::Deny };
    Evaluation { flow, verdict, trace: Trace { ends } }
}

fn judge(inputs: &Inputs, endpoint: &Endpoint, direction: Direction, flow: &Flow) -> EndTrace {
    let mut consulted = Vec::new();
    let (verdict, decided_by) = decide(inputs, endpoint, direction, flow, &mut consulted);
    EndTrace { endpoint: endpoint.id.clone(), direction, verdict, decided_by, consulted }
}

fn decide(
    inputs: &Inputs,
    endpoint: &Endpoint,
    direction: Direction,
    flow: &Flow,
    consulted: &mut Vec<Consulted>,
) -> (Verdict, Origin) {
    if direction == Direction::Egress && inputs.encapsulation().forbids(flow) {
        return (Verdict::Deny, Origin::Encapsulated);
    }
    let labels = inputs.labels_of(endpoint);
    let mut governed = false;
    let mut passed = false;
    for policy in inputs.policies_in_order() {
        let Some(rules) = policy.rules(direction) else { continue };
        if !policy.selector.as_ref().is_some_and(|selector| selector.matches(&labels)) {
            continue;
        }
        governed = true;
        let mut tried = Vec::new();
        let hit = try_rules(inputs, rules, flow, &mut tried);
        consulted.push(Consulted::Policy { key: policy.key.clone(), order: policy.order, rules: tried });
        match hit {
            Some((Deed::Allow, origin)) => return (Verdict::Allow, origin),
            Some((Deed::Deny, origin)) => return (Verdict::Deny, origin),
            Some((Deed::Pass, _)) => {
                passed = true;
                break;
            }
            Some((Deed::Log, _)) | None => {}
        }
    }
    if governed && !passed {
        return (Verdict::Deny, Origin::EndOfTier);
    }
    for name in &endpoint.profiles {
        let Some(profile) = inputs.profile(name) else {
            consulted.push(Consulted::Profile { name: name.clone(), rules: None });
            return (Verdict::Deny, Origin::UnknownProfile { name: name.clone() });
        };
        let mut tried = Vec::new();
        let hit = try_rules(inputs, profile.rules(direction), flow, &mut tried);
        consulted.push(Consulted::Profile { name: name.clone(), rules: Some(tried) });
        match hit {
            Some((Deed::Allow, origin)) => return (Verdict::Allow, origin),
            Some((Deed::Deny, origin)) => return (Verdict::Deny, origin),
            // There is no tier to pass: the next profile is tried.
            Some((Deed::Pass | Deed::Log, _)) | None => {}
        }
    }
    (Verdict::Deny, Origin::NoProfileMatched)
}

/// The first rule that matches and ends the list.
fn try_rules(
    inputs: &Inputs,
    rules: &[Rule],
    flow: &Flow,
    tried: &mut Vec<ConsultedRule>,
) -> Option<(Deed, Origin)> {
    for rule in rules {
        let outcome = match (&rule.unenforced, rule.never) {
            (Some(criterion), true) => Outcome::NotEnforced { criterion: criterion.clone() },
            (without, _) => match differs(inputs, rule, flow) {
                Some((criterion, wanted)) => Outcome::Differs { criterion, wanted },
                None => Outcome::Matched { without: without.clone() },
            },
        };
        let matched = matches!(outcome, Outcome::Matched { .. });
        let action = match rule.deed {
            Deed::Allow => Action::Allow,
            Deed::Deny => Action::Deny,
            Deed::Pass => Action::Pass,
            Deed::Log => Action::Log,
        };
        tried.push(ConsultedRule { origin: rule.origin.clone(), action, outcome });
        if matched && rule.deed != Deed::Log {
            return Some((rule.deed, rule.origin.clone()));
        }
    }
    None
}

/// The first criterion of the rule that does not hold, and what it asks for.
fn differs(inputs: &Inputs, rule: &Rule, flow: &Flow) -> Option<(&'static str, String)> {
    let criteria = &rule.criteria;
    if let Some(family) = criteria.family {
        if family != Family::of(&flow.source) || family != Family::of(&flow.destination) {
            return Some(("ipVersion", family.to_string()));
        }
    }
    if let Some(protocol) = criteria.protocol {
        if protocol != flow.protocol() {
            return Some(("protocol", protocol.to_string()));
        }
    }
    if let Some(protocol) = criteria.not_protocol {
        if protocol == flow.protocol() {
            return Some(("notProtocol", format!("other than {protocol}")));
        }
    }
    if let Some(wanted) = criteria.icmp {
        if !flow.icmp().is_some_and(|(kind, code)| wanted.holds(kind, code)) {
            return Some(("icmp", format!("{wanted:?}")));
        }
    }
    if let Some(unwanted) = criteria.not_icmp {
        if flow.icmp().is_some_and(|(kind, code)| unwanted.holds(kind, code)) {
            return Some(("notICMP", format!("other than {unwanted:?}")));
        }
    }
    let (source_port, destination_port) = match flow.ports() {
        Some((source, destination)) => (Some(source), Some(destination)),
        None => (None, None),
    };
    entity_differs(inputs, &criteria.source, flow.source, source_port, &SOURCE).or_else(|| {
        entity_differs(inputs, &criteria.destination, flow.destination, destination_port, &DESTINATION)
    })
}

struct Names {
    nets: &'static str,
    not_nets: &'static str,
    selector: &'static str,
    not_selector: &'static str,
    ports: &'static str,
    not_ports: &'static str,
}

const SOURCE: Names = Names {
    nets: "source.nets",
    not_nets: "source.notNets",
    selector: "source.selector",
    not_selector: "source.notSelector",
    ports: "source.ports",
    not_ports: "source.notPorts",
};

const DESTINATION: Names = Names {
    nets: "destination.nets",
    not_nets: "destination.notNets",
    selector: "destination.selector",
    not_selector: "destination.notSelector",
    ports: "destination.ports",
    not_ports: "destination.notPorts",
};

fn entity_differs(
    inputs: &Inputs,
    entity: &Entity,
    address: IpAddr,
    port: Option<u16>,
    names: &Names,
) -> Option<(&'static str, String)> {
    let in_any = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
    let one_of =
        |ranges: &[PortRange]| port.is_some_and(|port| ranges.iter().any(|range| range.contains(port)));
    if !entity.nets.is_empty() && !in_any(&entity.nets) {
        return Some((names.nets, list(&entity.nets)));
    }
    if in_any(&entity.not_nets) {
        return Some((names.not_nets, format!("none of {}", list(&entity.not_nets))));
    }
    if let Some(selector) = &entity.selector {
        if !selects(inputs, selector, address) {
            return Some((names.selector, selector.to_string()));
        }
    }
    if let Some(selector) = &entity.not_selector {
        if selects(inputs, selector, address) {
            return Some((names.not_selector, format!("other than {selector}")));
        }
    }
    if !entity.ports.is_empty() && !one_of(&entity.ports) {
        return Some((names.ports, list(&entity.ports)));
    }
    if one_of(&entity.not_ports) {
        return Some((names.not_ports, format!("none of {}", list(&entity.not_ports))));
    }
    None
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether an endpoint or network set that the selector matches has this address.
fn selects(inputs: &Inputs, selector: &Selector, address: IpAddr) -> bool {
    let has = |endpoint: &Endpoint| endpoint.addresses.iter().any(|a| a.to_canonical() == address);
    let mut endpoints = inputs.endpoints().filter(|endpoint| has(endpoint));
    let mut sets = inputs.network_sets().filter(|set| set.nets.iter().any(|net| net.contains(&address)));
    endpoints.any(|endpoint| selector.matches(&inputs.labels_of(endpoint)))
        || sets.any(|set| selector.matches(&set.labels))
}
