//! The steps of one rule.

use alloc::vec;
use alloc::vec::Vec;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::ipset::IpSet;
use crate::model::Protocol;
use crate::program::{Addresses, End, Match, Step, StepAction};
use crate::rule::{Deed, Entity, Family, PortRange, Ports, Rule};
use crate::set::{self, SetId};

/// Whether the rule can match anything, given whether somebody judges HTTP requests.
pub(super) const fn counts(rule: &Rule, http: bool) -> bool {
    !rule.never && (http || rule.http.is_none())
}

/// Appends the steps of these rules in order; to allow is to `accept`, and to pass is to return.
pub(super) fn push_steps(steps: &mut Vec<Step>, rules: &[Rule], accept: &StepAction, http: bool) {
    let those = || rules.iter().filter(|rule| counts(rule, http));
    steps.reserve(those().map(|rule| families(rule).iter().flatten().count()).sum());
    those().for_each(|rule| push_rule(steps, rule, accept));
}

/// The families that a rule has steps for, and `None` for steps of any.
fn families(rule: &Rule) -> [Option<Option<Family>>; 2] {
    let criteria = &rule.criteria;
    match criteria.family {
        Some(family) => [Some(Some(family)), None],
        None if [&criteria.source, &criteria.destination].into_iter().any(names_addresses) => {
            Family::ALL.map(|family| Some(Some(family)))
        }
        None => [Some(None), None],
    }
}

/// Appends the steps of one rule: no two of them match the same packet.
fn push_rule(steps: &mut Vec<Step>, rule: &Rule, accept: &StepAction) {
    let action = match rule.deed {
        Deed::Allow => accept.clone(),
        Deed::Deny => StepAction::Drop,
        Deed::Log => StepAction::Log,
        Deed::Pass => StepAction::Return,
    };
    let criteria = &rule.criteria;
    let step = |matches| Step { matches, action: action.clone(), origin: Some(rule.origin.clone()) };
    for family in families(rule).into_iter().flatten() {
        let Some(mut common) = matches(rule, family) else { continue };
        if has_one_way(rule) {
            for (end, entity) in [(End::Source, &criteria.source), (End::Destination, &criteria.destination)]
            {
                push_numbered(&mut common, end, &entity.not_ports, true);
                push_numbered(&mut common, end, &entity.ports, false);
            }
            steps.push(step(common));
            continue;
        }
        for carrier in carriers(rule) {
            let [sources, destinations] =
                [(End::Source, &criteria.source), (End::Destination, &criteria.destination)]
                    .map(|(end, entity)| port_alternatives(end, entity, criteria.protocol, family, carrier));
            let carrier = carrier.matches();
            for source in &sources {
                for destination in &destinations {
                    for icmp in icmp_alternatives(rule, family) {
                        let parts = [common.as_slice(), &carrier, source, destination, &icmp];
                        steps.push(step(parts.concat()));
                    }
                }
            }
        }
    }
}

/// What ports are looked at in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// Whatever the rule says.
    Any,
    /// This protocol, which has ports.
    Of(u8),
    /// A protocol that has none.
    Portless,
}

/// Protocols with ports.
const WITH_PORTS: [u8; 3] = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];

impl Carrier {
    fn matches(self) -> Vec<Match> {
        match self {
            Self::Any => Vec::new(),
            Self::Of(number) => vec![Match::Protocol { number, negated: false }],
            Self::Portless => WITH_PORTS.map(|number| Match::Protocol { number, negated: true }).into(),
        }
    }
}

/// Protocols that a rule is split by. What has no ports has none with a name; a kernel that looks for ports where there are none
/// passes the rule by. So a rule against names that speaks of no protocol says of those without ports what it means.
fn carriers(rule: &Rule) -> Vec<Carrier> {
    let criteria = &rule.criteria;
    let ends = [&criteria.source, &criteria.destination];
    if criteria.protocol.is_some() || ends.iter().all(|end| end.not_ports.names.is_empty()) {
        return vec![Carrier::Any];
    }
    let wanted = WITH_PORTS.into_iter().filter(|number| criteria.not_protocol != Some(*number));
    wanted.map(Carrier::Of).chain([Carrier::Portless]).collect()
}

/// Whether neither names of ports nor types of ICMP messages make it several steps, as in most rules.
fn has_one_way(rule: &Rule) -> bool {
    let criteria = &rule.criteria;
    let (source, destination) = (&criteria.source, &criteria.destination);
    source.ports.names.is_empty()
        && source.not_ports.names.is_empty()
        && destination.ports.names.is_empty()
        && destination.not_ports.names.is_empty()
        && criteria.icmp.is_none()
        && criteria.not_icmp.is_none()
}

/// Whether the criteria hold of addresses, which are of one family or the other.
fn names_addresses(end: &Entity) -> bool {
    !end.nets.is_empty()
        || !end.not_nets.is_empty()
        || end.selector.is_some()
        || end.not_selector.is_some()
        || end.nodes.is_some()
        || end.service.is_some()
        || !end.ports.names.is_empty()
        || !end.not_ports.names.is_empty()
}

/// What must hold of a packet of this family, apart from ports and the type of an ICMP message; `None` if nothing can.
fn matches(rule: &Rule, family: Option<Family>) -> Option<Vec<Match>> {
    let criteria = &rule.criteria;
    // A service has ports at its end, and a protocol without any never comes to one. (`nft` fails where it lists such a rule.)
    let is_portless = criteria.protocol.is_some_and(|number| !WITH_PORTS.contains(&number));
    if is_portless && criteria.destination.service.is_some() {
        return None;
    }
    let is_elsewhere = |end: &&Entity| {
        let is_here = |net| family.is_none_or(|family| Family::of_net(net) == family);
        !end.nets.is_empty() && !end.nets.iter().any(is_here)
    };
    if [&criteria.source, &criteria.destination].iter().any(is_elsewhere) {
        return None;
    }
    let mut matches = Vec::with_capacity(6);
    if let Some(family) = family {
        matches.push(Match::Family(family));
    }
    if let Some(number) = criteria.protocol {
        matches.push(Match::Protocol { number, negated: false });
    }
    if let Some(number) = criteria.not_protocol {
        matches.push(Match::Protocol { number, negated: true });
    }
    if let Some(family) = family {
        addresses(&mut matches, End::Source, &criteria.source, family);
        addresses(&mut matches, End::Destination, &criteria.destination, family);
    }
    Some(matches)
}

/// Those of this family: in rising order, none in another.
fn of_family(nets: &[IpNet], family: Family) -> SmallVec<[IpNet; 1]> {
    let is_of_family = |net: &&IpNet| Family::of_net(net) == family;
    match nets {
        [net] if net.prefix_len() > 0 => [net].into_iter().filter(is_of_family).map(IpNet::trunc).collect(),
        nets => IpSet::new(nets.iter().filter(is_of_family).copied()).members(family).collect(),
    }
}

fn addresses(matches: &mut Vec<Match>, end: End, entity: &Entity, family: Family) {
    for (nets, negated) in [(&entity.nets, false), (&entity.not_nets, true)] {
        if nets.is_empty() {
            continue;
        }
        let nets = of_family(nets, family);
        if !nets.is_empty() {
            matches.push(Match::Address { end, family, addresses: Addresses::Nets(nets), negated });
        }
    }
    // With named ports only, their sets hold addresses that the selector matches, and no others.
    let is_folded = entity.ports.ranges.is_empty() && !entity.ports.names.is_empty();
    let mut push = |set, negated| {
        matches.push(Match::Address { end, family, addresses: Addresses::Set(set), negated });
    };
    if let Some(selector) = entity.selector.as_ref().filter(|_| !is_folded) {
        push(SetId::Selector(selector.clone()), false);
    }
    if let Some(selector) = &entity.not_selector {
        push(SetId::Selector(selector.clone()), true);
    }
    if let Some(nodes) = &entity.nodes {
        push(SetId::Nodes(nodes.clone()), false);
    }
    if let Some(service) = &entity.service {
        let set = set::service(end, service);
        if set.has_ports() {
            matches.push(Match::AddressPort { end, family, set, negated: false });
        } else {
            push(set, false);
        }
    }
}

/// The address of this end is in the prefix.
pub(super) fn in_net(end: End, net: IpNet) -> Option<Match> {
    let family = Family::of_net(&net);
    // Everything is no condition, beside the family.
    let addresses = Addresses::Nets(IpSet::new([net]).members(family).collect());
    (net.prefix_len() > 0).then_some(Match::Address { end, family, addresses, negated: false })
}

/// The port of this end is one of these numbers, or none, if there are any.
fn push_numbered(matches: &mut Vec<Match>, end: End, ports: &Ports, negated: bool) {
    if !ports.ranges.is_empty() {
        matches.push(Match::Port { end, ranges: merged(&ports.ranges), negated });
    }
}

/// What must hold of the port of this end, as alternatives that exclude each other.
fn port_alternatives(
    end: End,
    entity: &Entity,
    protocol: Option<u8>,
    family: Option<Family>,
    carrier: Carrier,
) -> Vec<Vec<Match>> {
    if carrier == Carrier::Portless {
        // No port is one of these, and none is one of those that it must not be.
        return if entity.ports.is_empty() { vec![Vec::new()] } else { Vec::new() };
    }
    // A rule with named ports has a family.
    let named = |name, negated| {
        let set = set::named_port(entity, protocol, name);
        family.map(|family| Match::AddressPort { end, family, set, negated })
    };
    let mut always = Vec::new();
    push_numbered(&mut always, end, &entity.not_ports, true);
    always.extend(entity.not_ports.names.iter().filter_map(|name| named(name, true)));
    if entity.ports.is_empty() {
        return vec![always];
    }
    // The numbers, or none of them and the first name, or none of these and the second.
    let mut alternatives = Vec::new();
    let mut others = always;
    if !entity.ports.ranges.is_empty() {
        let mut alternative = others.clone();
        push_numbered(&mut alternative, end, &entity.ports, false);
        alternatives.push(alternative);
        push_numbered(&mut others, end, &entity.ports, true);
    }
    for name in &entity.ports.names {
        alternatives.push(others.iter().cloned().chain(named(name, false)).collect());
        others.extend(named(name, true));
    }
    alternatives
}

/// What must hold besides, as alternatives that exclude each other.
fn icmp_alternatives(rule: &Rule, family: Option<Family>) -> Vec<Vec<Match>> {
    // A rule with a type has the family of its protocol.
    let Some(family) = family else { return vec![Vec::new()] };
    let of_type = |kind, negated| Match::IcmpType { family, kind, negated };
    let of_code = |code, negated| Match::IcmpCode { family, code, negated };
    let mut wanted = Vec::new();
    if let Some(icmp) = rule.criteria.icmp {
        wanted.push(of_type(icmp.kind, false));
        wanted.extend(icmp.code.map(|code| of_code(code, false)));
    }
    let Some(unwanted) = rule.criteria.not_icmp else { return vec![wanted] };
    let with = |more: &[Match]| wanted.iter().chain(more).cloned().collect();
    // Another type, or this one and another code.
    let mut alternatives = vec![with(&[of_type(unwanted.kind, true)])];
    if let Some(code) = unwanted.code {
        alternatives.push(with(&[of_type(unwanted.kind, false), of_code(code, true)]));
    }
    alternatives
}

/// The same ports in rising order, in as few ranges as possible.
fn merged(ranges: &[PortRange]) -> SmallVec<[PortRange; 4]> {
    let mut ranges: SmallVec<[PortRange; 4]> = SmallVec::from_slice(ranges);
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let touches = later.min <= earlier.max.saturating_add(1);
        if touches {
            earlier.max = earlier.max.max(later.max);
        }
        touches
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports_are_merged() {
        let merge = |ranges: &[(u16, u16)]| -> Vec<(u16, u16)> {
            let ranges: Vec<_> = ranges.iter().map(|(min, max)| PortRange { min: *min, max: *max }).collect();
            merged(&ranges).iter().map(|range| (range.min, range.max)).collect()
        };
        assert_eq!(merge(&[(90, 95), (80, 80), (80, 80)]), [(80, 80), (90, 95)]);
        assert_eq!(merge(&[(81, 85), (80, 80), (86, 90)]), [(80, 90)]);
        assert_eq!(merge(&[(80, 100), (85, 90), (100, 101)]), [(80, 101)]);
        assert_eq!(merge(&[(65535, 65535), (0, 65535), (1, 2)]), [(0, 65535)]);
    }
}
