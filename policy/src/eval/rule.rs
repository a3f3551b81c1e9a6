//! Whether one rule matches.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::endpoint::NamedPort;
use crate::flow::Flow;
use crate::inputs::Inputs;
use crate::key::Origin;
use crate::model::Action;
use crate::rule::{Deed, Entity, Family, Ports, Rule};
use crate::set::ServiceKey;
use crate::verdict::{ConsultedRule, Outcome};

/// The first rule that matches and ends the list.
pub(super) fn try_rules(
    inputs: &Inputs,
    rules: &[Rule],
    has_http_enforcer: bool,
    flow: &Flow,
    tried: &mut Vec<ConsultedRule>,
) -> Option<(Deed, Origin)> {
    for rule in rules {
        let outcome = match (&rule.unenforced, &rule.http) {
            (Some(criterion), _) if rule.never => Outcome::NotEnforced { criterion: criterion.clone() },
            (_, Some(criterion)) if !has_http_enforcer => {
                Outcome::NotEnforced { criterion: criterion.clone() }
            }
            (unknown, http) => match differs(inputs, rule, flow) {
                Some((criterion, wanted)) => Outcome::Differs { criterion, wanted },
                None => Outcome::Matched { without: unknown.as_ref().or(http.as_ref()).cloned() },
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
    let source = Side {
        address: flow.source,
        port: source_port,
        protocol: flow.protocol(),
        rule_protocol: criteria.protocol,
        is_source: true,
    };
    let destination = Side { address: flow.destination, port: destination_port, is_source: false, ..source };
    entity_differs(inputs, &criteria.source, &source, &SOURCE)
        .or_else(|| entity_differs(inputs, &criteria.destination, &destination, &DESTINATION))
}

/// One end of a packet, and what a rule says about its protocol.
struct Side {
    address: IpAddr,
    port: Option<u16>,
    protocol: u8,
    rule_protocol: Option<u8>,
    is_source: bool,
}

struct Names {
    nets: &'static str,
    not_nets: &'static str,
    selector: &'static str,
    not_selector: &'static str,
    nodes: &'static str,
    services: &'static str,
    ports: &'static str,
    not_ports: &'static str,
}

const SOURCE: Names = Names {
    nets: "source.nets",
    not_nets: "source.notNets",
    selector: "source.selector",
    not_selector: "source.notSelector",
    nodes: "source.nodeSelector",
    services: "source.services",
    ports: "source.ports",
    not_ports: "source.notPorts",
};

const DESTINATION: Names = Names {
    nets: "destination.nets",
    not_nets: "destination.notNets",
    selector: "destination.selector",
    not_selector: "destination.notSelector",
    nodes: "destination.nodeSelector",
    services: "destination.services",
    ports: "destination.ports",
    not_ports: "destination.notPorts",
};

fn entity_differs(
    inputs: &Inputs,
    entity: &Entity,
    side: &Side,
    names: &Names,
) -> Option<(&'static str, String)> {
    let in_any = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&side.address));
    if !entity.nets.is_empty() && !in_any(&entity.nets) {
        return Some((names.nets, list(&entity.nets)));
    }
    if in_any(&entity.not_nets) {
        return Some((names.not_nets, format!("none of {}", list(&entity.not_nets))));
    }
    if let Some(selector) = &entity.selector {
        if !selects(inputs, selector, side.address) {
            return Some((names.selector, selector.to_string()));
        }
    }
    if let Some(selector) = &entity.not_selector {
        if selects(inputs, selector, side.address) {
            return Some((names.not_selector, format!("other than {selector}")));
        }
    }
    if let Some(selector) = &entity.nodes {
        if !is_node(inputs, selector, side.address) {
            return Some((names.nodes, selector.to_string()));
        }
    }
    if let Some(service) = &entity.service {
        if !serves(inputs, service, side) {
            return Some((names.services, service.to_string()));
        }
    }
    if !entity.ports.is_empty() && !is_one_of(inputs, &entity.ports, entity, side) {
        return Some((names.ports, ports(&entity.ports)));
    }
    if is_one_of(inputs, &entity.not_ports, entity, side) {
        return Some((names.not_ports, format!("none of {}", ports(&entity.not_ports))));
    }
    None
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn ports(ports: &Ports) -> String {
    let ranges = ports.ranges.iter().map(ToString::to_string);
    ranges.chain(ports.names.iter().cloned()).collect::<Vec<_>>().join(", ")
}

/// Whether an endpoint or network set that the selector matches has this address.
fn selects(inputs: &Inputs, selector: &Selector, address: IpAddr) -> bool {
    let has = |addresses: &[IpAddr]| addresses.iter().any(|own| own.to_canonical() == address);
    let mut endpoints = inputs.endpoints().filter(|endpoint| has(&endpoint.addresses));
    let mut hosts = inputs.host_endpoints().filter(|host| has(&host.addresses));
    let mut sets = inputs.network_sets().filter(|set| set.nets.iter().any(|net| net.contains(&address)));
    endpoints.any(|endpoint| selector.matches(&inputs.labels_of(endpoint)))
        || hosts.any(|host| selector.matches(&inputs.inherit(host.labels.clone(), &host.profiles)))
        || sets.any(|set| selector.matches(&inputs.inherit(set.labels.clone(), &set.profiles)))
}

/// Whether a node that the selector matches has this address.
fn is_node(inputs: &Inputs, selector: &Selector, address: IpAddr) -> bool {
    inputs.nodes().any(|node| node.addresses.contains(&address) && selector.matches(&node.labels))
}

/// Whether the service has this address; as a destination, with this port.
fn serves(inputs: &Inputs, service: &ServiceKey, side: &Side) -> bool {
    let mut slices = inputs.slices().filter(|slice| slice.service == *service);
    slices.any(|slice| {
        let mut ports = slice.ports.iter();
        slice.addresses.iter().any(|address| address.to_canonical() == side.address)
            && (side.is_source
                || ports.any(|port| port.protocol == side.protocol && Some(port.port) == side.port))
    })
}

/// Whether the port is one of these numbers, or one that an endpoint with the address has under one of these names. The
/// selector of the same end says which endpoints.
fn is_one_of(inputs: &Inputs, ports: &Ports, entity: &Entity, side: &Side) -> bool {
    let Some(port) = side.port else { return false };
    if ports.ranges.iter().any(|range| range.contains(port)) {
        return true;
    }
    let is_named = |candidate: &NamedPort| {
        ports.names.contains(&candidate.name)
            && candidate.port == port
            && candidate.protocol == side.protocol
            && side.rule_protocol.is_none_or(|protocol| protocol == candidate.protocol)
    };
    let has = |addresses: &[IpAddr]| addresses.iter().any(|own| own.to_canonical() == side.address);
    let meant = |labels| entity.selector.as_ref().is_none_or(|selector| selector.matches(&labels));
    let mut endpoints = inputs.endpoints().filter(|endpoint| has(&endpoint.addresses));
    let mut hosts = inputs.host_endpoints().filter(|host| has(&host.addresses));
    endpoints.any(|endpoint| endpoint.ports.iter().any(is_named) && meant(inputs.labels_of(endpoint)))
        || hosts.any(|host| {
            host.ports.iter().any(is_named) && meant(inputs.inherit(host.labels.clone(), &host.profiles))
        })
}
