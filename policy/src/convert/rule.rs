//! Rules.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ipnet::IpNet;
use tortie_selector::{Selector, combine};

use super::check::{Check, Path};
use crate::error::FieldErrorKind;
use crate::key::{Direction, Origin, Owner};
use crate::model::{self, Action, Port, PortError, Protocol};
use crate::net;
use crate::rule::{Criteria, Deed, Entity, Family, IcmpMatch, PortRange, Rule};

/// Most CIDRs in one list.
const MAX_NETS: usize = 256;
/// Most ports in one list.
const MAX_PORTS: usize = 50;

/// Where the rules stand.
pub(super) struct Context<'a> {
    pub(super) owner: &'a Owner,
    pub(super) direction: Direction,
    /// Selector of the owner's own namespace.
    pub(super) namespace: Option<&'a Selector>,
    /// Path of a criterion of the owner that is not enforced.
    pub(super) unenforced: Option<&'a String>,
}

pub(super) fn convert_all(
    check: &mut Check,
    path: &Path<'_>,
    rules: &[model::Rule],
    context: &Context<'_>,
) -> Vec<Rule> {
    (rules.iter().enumerate())
        .map(|(index, rule)| convert(check, &Path::Index(path, index), rule, context, index))
        .collect()
}

fn convert(
    check: &mut Check,
    path: &Path<'_>,
    rule: &model::Rule,
    context: &Context<'_>,
    index: usize,
) -> Rule {
    let mut unenforced = context.unenforced.cloned();
    let mut note = |found: Option<String>| {
        if unenforced.is_none() {
            unenforced = found;
        }
    };
    note(check.unknown(path, &rule.unknown));
    if rule.http.is_some() {
        let http = path.field("http");
        let over_tcp = rule.protocol.as_ref().is_none_or(|protocol| protocol.number() == Some(Protocol::TCP));
        if rule.action != Action::Allow || context.direction != Direction::Ingress || !over_tcp {
            check.error(&http, FieldErrorKind::MisplacedHttp);
        }
        check.error(&http, FieldErrorKind::Unsupported);
        note(Some(http.to_string()));
    }

    let protocol = protocol(check, &path.field("protocol"), rule.protocol.as_ref());
    let not_protocol = self::protocol(check, &path.field("notProtocol"), rule.not_protocol.as_ref());
    let is_icmp = matches!(protocol, Some(Protocol::ICMP | Protocol::ICMPV6));
    let (icmp, found) = icmp(check, &path.field("icmp"), rule.icmp.as_ref(), is_icmp);
    note(found);
    let (not_icmp, found) = self::icmp(check, &path.field("notICMP"), rule.not_icmp.as_ref(), is_icmp);
    note(found);

    let (source, found) = entity(check, &path.field("source"), &rule.source, protocol, context);
    note(found);
    let (destination, found) =
        entity(check, &path.field("destination"), &rule.destination, protocol, context);
    note(found);

    let stated = ip_version(check, path, rule);
    let of_protocol = icmp_family(check, path, rule, stated, icmp.is_some() || not_icmp.is_some());
    let of_nets = net_family(check, path, rule, [&source, &destination], stated.or(of_protocol));
    let family = stated.or(of_protocol).or(of_nets);

    let mut deed = match &rule.action {
        Action::Allow => Deed::Allow,
        Action::Deny => Deed::Deny,
        Action::Pass => Deed::Pass,
        Action::Log => Deed::Log,
        Action::Other(word) => {
            check.error(&path.field("action"), FieldErrorKind::Action { word: word.clone() });
            Deed::Deny
        }
    };
    let mut criteria = Criteria { family, protocol, not_protocol, icmp, not_icmp, source, destination };
    let never = unenforced.is_some() && matches!(deed, Deed::Allow | Deed::Log);
    if unenforced.is_some() && deed == Deed::Pass {
        deed = Deed::Deny;
        criteria = Criteria::default();
    }
    let origin = Origin::Rule { owner: context.owner.clone(), direction: context.direction, index };
    Rule { origin, deed, unenforced, never, criteria }
}

fn protocol(check: &mut Check, path: &Path<'_>, protocol: Option<&Protocol>) -> Option<u8> {
    let protocol = protocol?;
    match (protocol.number(), protocol) {
        (Some(0), _) => check.error(path, FieldErrorKind::ProtocolZero),
        (None, Protocol::Name(name)) => check.error(path, FieldErrorKind::Protocol { name: name.clone() }),
        (number, _) => return number,
    }
    None
}

fn icmp(
    check: &mut Check,
    path: &Path<'_>,
    fields: Option<&model::IcmpFields>,
    is_icmp: bool,
) -> (Option<IcmpMatch>, Option<String>) {
    let Some(fields) = fields else { return (None, None) };
    let unknown = check.unknown(path, &fields.unknown);
    if !is_icmp {
        check.error(path, FieldErrorKind::IcmpWithoutProtocol);
    }
    let code = fields.code.map(|code| u8::try_from(code).map_err(|_| code));
    if let Some(Err(code)) = code {
        check.error(&path.field("code"), FieldErrorKind::IcmpCode { code });
    }
    let Some(kind) = fields.kind else {
        if code.is_some() {
            check.error(&path.field("code"), FieldErrorKind::IcmpCodeWithoutType);
        }
        return (None, unknown);
    };
    let Some(kind) = u8::try_from(kind).ok().filter(|kind| *kind < u8::MAX) else {
        check.error(&path.field("type"), FieldErrorKind::IcmpType { kind });
        return (None, unknown);
    };
    (Some(IcmpMatch { kind, code: code.and_then(Result::ok) }), unknown)
}

fn ip_version(check: &mut Check, path: &Path<'_>, rule: &model::Rule) -> Option<Family> {
    match rule.ip_version? {
        4 => Some(Family::V4),
        6 => Some(Family::V6),
        version => {
            check.error(&path.field("ipVersion"), FieldErrorKind::IpVersion { version });
            None
        }
    }
}

/// The family that the protocol implies: by name, or by number if messages of a type are asked for.
fn icmp_family(
    check: &mut Check,
    path: &Path<'_>,
    rule: &model::Rule,
    stated: Option<Family>,
    has_type: bool,
) -> Option<Family> {
    let of = |protocol: &Protocol| match protocol.number() {
        Some(Protocol::ICMP) => Some(Family::V4),
        Some(Protocol::ICMPV6) => Some(Family::V6),
        _ => None,
    };
    let is_name = |protocol: &Protocol| matches!(protocol, Protocol::Name(_));
    for (name, protocol) in [("protocol", &rule.protocol), ("notProtocol", &rule.not_protocol)] {
        let Some(protocol) = protocol else { continue };
        let differs = of(protocol).zip(stated).is_some_and(|(family, stated)| family != stated);
        if differs && (is_name(protocol) || has_type) {
            check.error(&path.field(name), FieldErrorKind::ProtocolOfOtherFamily);
        }
    }
    let protocol = rule.protocol.as_ref()?;
    of(protocol).filter(|_| is_name(protocol) || has_type)
}

/// The one family of all CIDRs of a rule.
fn net_family(
    check: &mut Check,
    path: &Path<'_>,
    rule: &model::Rule,
    ends: [&Entity; 2],
    known: Option<Family>,
) -> Option<Family> {
    let [source, destination] = ends;
    let lists = [
        ("source", "nets", &rule.source.nets, &source.nets),
        ("source", "notNets", &rule.source.not_nets, &source.not_nets),
        ("destination", "nets", &rule.destination.nets, &destination.nets),
        ("destination", "notNets", &rule.destination.not_nets, &destination.not_nets),
    ];
    let mut family = known;
    for (end, list, texts, nets) in lists {
        // With a fault in the list, its items have not the places that they were written at; that fault is enough.
        if texts.len() != nets.len() {
            continue;
        }
        for (index, net) in nets.iter().enumerate() {
            let of_net = Family::of_net(net);
            if *family.get_or_insert(of_net) != of_net {
                let end = path.field(end);
                check.error(&Path::Index(&end.field(list), index), FieldErrorKind::MixedFamilies);
            }
        }
    }
    family
}

fn entity(
    check: &mut Check,
    path: &Path<'_>,
    end: &model::EntityRule,
    protocol: Option<u8>,
    context: &Context<'_>,
) -> (Entity, Option<String>) {
    let mut unenforced = check.unknown(path, &end.unknown);
    let not_enforced =
        [("serviceAccounts", end.service_accounts.is_some()), ("services", end.services.is_some())];
    for (name, _) in not_enforced.into_iter().filter(|(_, there)| *there) {
        check.error(&path.field(name), FieldErrorKind::Unsupported);
        unenforced.get_or_insert_with(|| path.field(name).to_string());
    }

    let selector = check.policy_selector(&path.field("selector"), end.selector.as_ref());
    let not_selector = check.selector(&path.field("notSelector"), end.not_selector.as_ref());
    let namespace_selector =
        check.rule_namespace_selector(&path.field("namespaceSelector"), end.namespace_selector.as_ref());
    let mut selectors = combine::End::default();
    selectors.selector = selector.as_ref();
    selectors.not_selector = not_selector.as_ref();
    selectors.namespaces = namespace_selector.as_ref();
    let combined = combine::of_rule(&selectors, context.namespace);
    let (selector, not_selector) = check.combined(&path.field("selector"), combined).unwrap_or_default();

    let has_ports = matches!(protocol, Some(Protocol::TCP | Protocol::UDP | Protocol::SCTP));
    let (ports, found) = ports(check, &path.field("ports"), &end.ports, protocol, has_ports);
    unenforced = unenforced.or(found);
    let (not_ports, found) = self::ports(check, &path.field("notPorts"), &end.not_ports, protocol, has_ports);
    unenforced = unenforced.or(found);

    let nets = nets(check, &path.field("nets"), &end.nets);
    let list = path.field("notNets");
    let not_nets = self::nets(check, &list, &end.not_nets);
    if not_nets.len() == end.not_nets.len() {
        for (index, _) in not_nets.iter().enumerate().filter(|(_, net)| net.prefix_len() == 0) {
            check.error(&Path::Index(&list, index), FieldErrorKind::ExcludesAll);
        }
    }
    (Entity { nets, not_nets, selector, not_selector, ports, not_ports }, unenforced)
}

fn nets(check: &mut Check, path: &Path<'_>, texts: &[String]) -> Vec<IpNet> {
    check.count(path, texts.len(), MAX_NETS);
    let mut nets = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match net::parse(text) {
            Ok(net) => nets.push(net),
            Err(error) => check.error(&Path::Index(path, index), error),
        }
    }
    nets
}

/// The numbers, unless there is a name among them: then there is no criterion, but the path of the first name.
fn ports(
    check: &mut Check,
    path: &Path<'_>,
    ports: &[Port],
    protocol: Option<u8>,
    has_ports: bool,
) -> (Vec<PortRange>, Option<String>) {
    check.count(path, ports.len(), MAX_PORTS);
    let mut ranges = Vec::with_capacity(ports.len());
    let mut named = None;
    for (index, port) in ports.iter().enumerate() {
        let path = Path::Index(path, index);
        // A named port says by itself what it is a port of; no port is one of a protocol that has none.
        let misplaced = match port {
            Port::Named(_) => protocol.is_some() && !has_ports,
            Port::Number(_) | Port::Range { .. } => !has_ports,
        };
        if misplaced {
            check.error(&path, FieldErrorKind::PortsWithoutProtocol);
        }
        match port {
            Port::Number(port) => ranges.push(PortRange { min: *port, max: *port }),
            Port::Range { min, max } if min <= max => ranges.push(PortRange { min: *min, max: *max }),
            Port::Range { min, max } => {
                check.error(&path, FieldErrorKind::PortRange { min: *min, max: *max });
            }
            Port::Named(name) => {
                // A number out of range is no name, though its digits would make one.
                let fault = match Port::parse(name) {
                    Ok(Port::Named(_)) => None,
                    Ok(_)
                    | Err(PortError::Malformed | PortError::OutOfRange | PortError::Backwards { .. }) => {
                        Some(FieldErrorKind::PortName)
                    }
                };
                match fault {
                    Some(fault) => check.error(&path, fault),
                    None => {
                        check.error(&path, FieldErrorKind::Unsupported);
                        named.get_or_insert_with(|| path.to_string());
                    }
                }
            }
        }
    }
    if named.is_some() {
        ranges.clear();
    }
    (ranges, named)
}
