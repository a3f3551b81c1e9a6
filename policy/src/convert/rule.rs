//! Rules.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use tortie_selector::Selector;

use super::check::{Check, Path};
use super::entity;
use crate::error::FieldErrorKind;
use crate::key::{Direction, Origin, Owner};
use crate::model::{self, Action, Protocol};
use crate::program::End;
use crate::rule::{Criteria, Deed, Entity, Family, IcmpMatch, Rule};

/// Most methods, and most paths, of HTTP criteria.
const MAX_HTTP: usize = 20;

/// Where the rules stand.
pub(super) struct Context<'a> {
    pub(super) owner: &'a Owner,
    pub(super) direction: Direction,
    /// Selector of the owner's own namespace.
    pub(super) namespace: Option<&'a Selector>,
    /// Name of the owner's own namespace.
    pub(super) own_namespace: Option<&'a str>,
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
    let (http, found) = http(check, &path.field("http"), rule, context);
    note(found);

    let protocol = protocol(check, &path.field("protocol"), rule.protocol.as_ref());
    let not_protocol = self::protocol(check, &path.field("notProtocol"), rule.not_protocol.as_ref());
    let is_icmp = matches!(protocol, Some(Protocol::ICMP | Protocol::ICMPV6));
    let (icmp, found) = icmp(check, &path.field("icmp"), rule.icmp.as_ref(), is_icmp);
    note(found);
    let (not_icmp, found) = self::icmp(check, &path.field("notICMP"), rule.not_icmp.as_ref(), is_icmp);
    note(found);

    let ends = [(End::Source, "source", &rule.source), (End::Destination, "destination", &rule.destination)];
    let [source, destination] = ends.map(|(end, name, written)| {
        let (entity, found) = entity::convert(check, &path.field(name), end, written, protocol, context);
        note(found);
        entity
    });

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
    Rule { origin, deed, unenforced, never, http, criteria }
}

/// The path of the criteria for HTTP requests, if there are any, and that of one which is not known.
fn http(
    check: &mut Check,
    path: &Path<'_>,
    rule: &model::Rule,
    context: &Context<'_>,
) -> (Option<String>, Option<String>) {
    let Some(http) = &rule.http else { return (None, None) };
    let mut unknown = check.unknown(path, &http.unknown);
    let over_tcp = rule.protocol.as_ref().is_none_or(|protocol| protocol.number() == Some(Protocol::TCP));
    if rule.action != Action::Allow || context.direction != Direction::Ingress || !over_tcp {
        check.error(path, FieldErrorKind::MisplacedHttp);
    }
    let list = path.field("methods");
    check.count(&list, http.methods.len(), MAX_HTTP);
    for (index, method) in http.methods.iter().enumerate() {
        if http.methods.iter().take(index).any(|other| other == method) {
            check.error(&Path::Index(&list, index), FieldErrorKind::Duplicate);
        }
    }
    let list = path.field("paths");
    check.count(&list, http.paths.len(), MAX_HTTP);
    for (index, wanted) in http.paths.iter().enumerate() {
        let path = Path::Index(&list, index);
        let found = check.unknown(&path, &wanted.unknown);
        unknown = unknown.or(found);
        let ((Some(text), None) | (None, Some(text))) = (&wanted.exact, &wanted.prefix) else {
            check.error(&path, FieldErrorKind::HttpPathForm);
            continue;
        };
        let odd = |character: char| character.is_whitespace() || matches!(character, '?' | '#');
        if !text.starts_with('/') || text.contains(odd) {
            check.error(&path, FieldErrorKind::HttpPath { text: text.clone() });
        }
    }
    (Some(path.to_string()), unknown)
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
