//! Random rules.

use alloc::collections::BTreeMap;

use crate::model::{
    Action, EntityRule, HttpMatch, IcmpFields, Port, Protocol, Rule, ServiceAccountMatch, ServiceMatch, Value,
};

use super::{Choices, World};

pub(super) const SELECTORS: &[&str] = &[
    "all()",
    "app == 'web'",
    "app != 'web'",
    "app in {'db', 'cache'}",
    "has(app)",
    "!has(app)",
    "team == 'red'",
    "app == 'db' || team == 'blue'",
    "has(team) && app not in {'web'}",
    "projectcalico.org/namespace == 'shop'",
    "kind == 'outside'",
    "pcns.stage == 'prod'",
    "projectcalico.org/serviceaccount == 'admin'",
    "pcsa.trust == 'high'",
];
pub(super) const NAMESPACE_SELECTORS: &[&str] = &["all()", "stage == 'prod'", "!has(stage)", "global()"];
pub(super) const NODE_SELECTORS: &[&str] = &["", "app == 'web'", "!has(app)", "zone == 'a'"];
pub(super) const ACCOUNTS: &[&str] = &["admin", "guest"];
pub(super) const SERVICES: &[&str] = &["front", "back"];
pub(super) const PORT_NAMES: &[&str] = &["http", "dns", "nowhere"];
pub(super) const NAMESPACES: &[Option<&str>] = &[Some("shop"), Some("bank"), None];
pub(super) const PROFILES: &[&str] = &["kns.shop", "kns.bank", "ksa.admin", "open", "team-red", "missing"];

pub(super) fn labels(choices: &mut Choices<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, values) in [("app", ["web", "db", "cache"]), ("team", ["red", "blue", "green"])] {
        if !choices.once_in(3) {
            labels.insert(name.to_string(), (*choices.one(&values)).to_string());
        }
    }
    if choices.once_in(6) {
        // Not for a workload to say.
        labels.insert("projectcalico.org/serviceaccount".to_string(), "admin".to_string());
        labels.insert("pcsa.trust".to_string(), "high".to_string());
        labels.insert("pcns.stage".to_string(), "prod".to_string());
        labels.insert("projectcalico.org/namespace".to_string(), "shop".to_string());
    }
    labels
}

/// What a rule says of ports.
#[derive(Clone, Copy, PartialEq)]
enum PortUse {
    None,
    /// By name only: there is no protocol.
    Names,
    All,
}

/// Where an end stands, which decides whether a service may stand there: not at all, or with the namespace, or without.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum ServiceUse {
    None,
    Namespaced,
    Own,
}

fn entity(
    choices: &mut Choices<'_>,
    world: &World,
    family: Option<usize>,
    ports: PortUse,
    services: ServiceUse,
) -> EntityRule {
    let mut end = EntityRule::default();
    let text = |choices: &mut Choices<'_>, from: &[&str]| Some((*choices.one(from)).to_string());
    if services != ServiceUse::None && choices.once_in(8) {
        let named = services == ServiceUse::Namespaced || choices.once_in(2);
        let namespace = if named { (*choices.one(&["shop", "bank"])).to_string() } else { String::new() };
        let name = (*choices.one(SERVICES)).to_string();
        end.services = Some(ServiceMatch { name, namespace, ..ServiceMatch::default() });
        return end;
    }
    if choices.once_in(12) {
        end.node_selector = text(choices, NODE_SELECTORS);
        return end;
    }
    if let Some(family) = family {
        let nets = world.nets(family);
        end.nets = choices.some(3, |choices| choices.one(&nets).clone());
        if choices.once_in(3) {
            end.not_nets = choices.some(2, |choices| choices.one(&nets).clone());
            end.not_nets.retain(|net| !net.ends_with("/0"));
        }
    }
    if choices.once_in(3) {
        end.selector = text(choices, SELECTORS);
    }
    if choices.once_in(6) {
        end.not_selector = text(choices, SELECTORS);
    }
    if choices.once_in(8) {
        end.namespace_selector = text(choices, NAMESPACE_SELECTORS);
    }
    if choices.once_in(8) {
        let names = choices.some(2, |choices| (*choices.one(ACCOUNTS)).to_string());
        let selector = choices.once_in(2).then(|| "trust == 'high'".to_string());
        end.service_accounts = Some(ServiceAccountMatch { names, selector, ..Default::default() });
    }
    if ports != PortUse::None {
        let names = ports == PortUse::Names;
        let port = |choices: &mut Choices<'_>| match choices.below(6) {
            0 | 1 if !names => Port::Number(*choices.one(&world.ports)),
            2 if !names => Port::Range { min: 80, max: 90 },
            0..=4 => Port::Named((*choices.one(PORT_NAMES)).to_string()),
            _ if names => Port::Named("http".to_string()),
            _ => Port::Range { min: *choices.one(&[0, 81, 91]), max: u16::MAX },
        };
        end.ports = choices.some(3, port);
        if choices.once_in(4) {
            end.not_ports = choices.some(2, port);
        }
    }
    if world.faults && choices.once_in(40) {
        end.unknown.insert("zone".to_string(), Value::Null);
    }
    if world.faults && choices.once_in(100) {
        end.nets.push("10.0.0.0/33".to_string());
    }
    end
}

/// Whose rules these are, and for which direction.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) ingress: bool,
    /// Whether there is a namespace of its own.
    pub(super) has_namespace: bool,
}

pub(super) fn rule(choices: &mut Choices<'_>, world: &World, place: Place) -> Rule {
    let mut rule = Rule::new(
        choices
            .one(&[Action::Allow, Action::Deny, Action::Allow, Action::Deny, Action::Pass, Action::Log])
            .clone(),
    );
    let mut family = choices.once_in(3).then(|| choices.below(2));
    if choices.once_in(6) {
        rule.ip_version = Some(if *family.get_or_insert_with(|| choices.below(2)) == 0 { 4 } else { 6 });
    }
    let name = |name: &str| Some(Protocol::Name(name.to_string()));
    rule.protocol = match choices.below(8) {
        0 => None,
        1 | 2 => name("TCP"),
        3 => name("udp"),
        4 => Some(Protocol::Number(17)),
        5 => name("SCTP"),
        6 => Some(Protocol::Number(*choices.one(&[253, 4, 1, 58]))),
        _ if *family.get_or_insert_with(|| choices.below(2)) == 0 => name("ICMP"),
        _ => name("ICMPv6"),
    };
    let number = rule.protocol.as_ref().and_then(Protocol::number);
    if number.is_none() && choices.once_in(4) {
        rule.not_protocol = Some(choices.one(&[Protocol::Number(6), Protocol::Number(17)]).clone());
    }
    if matches!(rule.protocol, Some(Protocol::Name(_))) && matches!(number, Some(1 | 58)) {
        let fields = |choices: &mut Choices<'_>| {
            choices.once_in(2).then(|| {
                let code = choices.below(3).checked_sub(1).and_then(|code| i64::try_from(code).ok());
                IcmpFields { kind: Some(*choices.one(&[8, 128])), code, ..IcmpFields::default() }
            })
        };
        rule.icmp = fields(choices);
        rule.not_icmp = fields(choices);
    }
    let has_ports = matches!(number, Some(6 | 17 | 132));
    let (source_ports, destination_ports) = (choices.once_in(4), choices.once_in(2));
    let ports = |wanted: bool| match (wanted, has_ports, number.is_none()) {
        (true, true, _) => PortUse::All,
        (true, false, true) => PortUse::Names,
        _ => PortUse::None,
    };
    let services = if place.has_namespace { ServiceUse::Own } else { ServiceUse::Namespaced };
    let (near, far) = (ServiceUse::None, services);
    let (source, destination) = if place.ingress { (far, near) } else { (near, far) };
    rule.source = entity(choices, world, family, ports(source_ports), source);
    // A service has ports of its own.
    rule.destination = entity(choices, world, family, ports(destination_ports), destination);
    let over_tcp = number.is_none_or(|number| number == 6);
    if place.ingress && over_tcp && rule.action == Action::Allow && choices.once_in(8) {
        rule.http = Some(HttpMatch { methods: vec!["GET".to_string()], ..HttpMatch::default() });
    }
    if world.faults && choices.once_in(40) {
        rule.unknown.insert("moon".to_string(), Value::String("full".to_string()));
    }
    rule
}

/// Rules of few fields each, one after the other: lists as an optimiser makes tables of.
pub(super) fn list(choices: &mut Choices<'_>, world: &World) -> Vec<Rule> {
    let actions: &[Action] = match choices.below(5) {
        0 => &[Action::Allow],
        1 => &[Action::Deny],
        2 => &[Action::Allow, Action::Allow, Action::Allow, Action::Deny],
        3 => &[Action::Deny, Action::Pass, Action::Deny],
        _ => &[Action::Deny, Action::Allow, Action::Deny, Action::Deny, Action::Log],
    };
    let family = choices.below(2);
    let nets = world.nets(family);
    let (ports, addresses) = (choices.below(4), choices.below(4));
    // All at one end, at the other, or each at its own.
    let end = choices.below(3);
    let len = 4 + choices.below(28);
    let one = |choices: &mut Choices<'_>| {
        let mut rule = Rule::new(choices.one(actions).clone());
        let (mut near, mut far) = (EntityRule::default(), EntityRule::default());
        rule.protocol = Some(Protocol::Number(*choices.one(&[6, 6, 6, 17])));
        let shape = choices.below(256);
        // Of most lists, one rule is like the others.
        if ports == 3 || (ports > 0 && shape % 8 > 0) {
            near.ports = vec![port(choices)];
        } else if ports == 0 && shape % 2 > 0 {
            rule.protocol = None;
        }
        if addresses == 3 || (addresses > 0 && (shape / 8) % 8 > 0) {
            far.nets = vec![choices.one(&nets).clone()];
        }
        if far.nets.is_empty() && shape % 4 == 3 {
            // What prefixes would say.
            rule.ip_version = Some(if family == 0 { 4 } else { 6 });
        }
        match shape / 64 {
            1 if ports > 1 && rule.protocol.is_some() => near.ports.push(port(choices)),
            2 if addresses > 1 => far.nets.push(choices.one(&nets).clone()),
            _ => {}
        }
        let at_source = if end == 2 { choices.once_in(2) } else { end == 1 };
        (rule.source, rule.destination) = if at_source { (near, far) } else { (far, near) };
        rule
    };
    let mut rules: Vec<Rule> = Vec::with_capacity(len);
    for _ in 0..len {
        let rule = match rules.is_empty() || choices.below(3) < 2 {
            true => one(choices),
            false => {
                let rule = choices.one(&rules).clone();
                variation(choices, rule, actions, &nets)
            }
        };
        rules.push(rule);
    }
    rules
}

/// A rule that differs from this one in one respect, as two differ that an optimiser must not take for each other.
fn variation(choices: &mut Choices<'_>, mut rule: Rule, actions: &[Action], nets: &[String]) -> Rule {
    let Rule { source, destination, .. } = &mut rule;
    match choices.below(5) {
        0 => rule.action = choices.one(actions).clone(),
        1 => {
            let other = |number| if number == 6 { 17 } else { 6 };
            rule.protocol =
                rule.protocol.and_then(|protocol| protocol.number()).map(other).map(Protocol::Number);
        }
        2 => {
            for port in [source, destination].into_iter().flat_map(|end| &mut end.ports) {
                let (min, max) = match *port {
                    Port::Range { min, max } => (min, max),
                    Port::Number(port) => (port, port),
                    Port::Named(_) => continue,
                };
                // Behind it, over its end, or inside.
                let more = max.saturating_add(10);
                *port = match choices.below(3) {
                    0 => Port::Range { min: max.saturating_add(1), max: more },
                    1 => Port::Range { min, max: more },
                    _ => Port::Number(max),
                };
            }
        }
        3 => core::mem::swap(source, destination),
        _ => {
            for net in [source, destination].into_iter().flat_map(|end| &mut end.nets) {
                net.clone_from(choices.one(nets));
            }
        }
    }
    rule
}

/// A port, or a range of few or many of them, that has much in common with others.
fn port(choices: &mut Choices<'_>) -> Port {
    let min = *choices.one(&[80, 79, 81, 85, 90, 443, 8080, 0, 65534]);
    match choices.below(4) {
        0 | 1 => Port::Number(min),
        2 => Port::Range { min, max: min.saturating_add(*choices.one(&[1, 5, 10])) },
        _ => Port::Range { min, max: *choices.one(&[u16::MAX, u16::MAX - 1]) },
    }
}
