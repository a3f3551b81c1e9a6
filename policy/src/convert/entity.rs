//! Criteria for one end of a packet.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ipnet::IpNet;
use tortie_selector::{Selector, combine};

use super::check::{Check, Path, Selectors};
use super::rule::Context;
use crate::error::FieldErrorKind;
use crate::key::Direction;
use crate::model::{self, Port, PortError, Protocol};
use crate::net;
use crate::program::End;
use crate::rule::{Entity, PortRange, Ports};
use crate::set::ServiceKey;

/// Most CIDRs in one list.
const MAX_NETS: usize = 256;
/// Most ports in one list.
const MAX_PORTS: usize = 50;

/// The criteria, and the path of one that is not known.
pub(super) fn convert(
    check: &mut Check,
    path: &Path<'_>,
    end: End,
    written: &model::EntityRule,
    protocol: Option<u8>,
    context: &Context<'_>,
) -> (Entity, Option<String>) {
    let mut unknown = check.unknown(path, &written.unknown);
    let (selector, not_selector, found) = selectors(check, path, written, context);
    unknown = unknown.or(found);
    let (service, found) = service(check, path, end, written, context);
    unknown = unknown.or(found);

    let has_ports = matches!(protocol, Some(Protocol::TCP | Protocol::UDP | Protocol::SCTP));
    let ports = ports(check, &path.field("ports"), &written.ports, protocol, has_ports);
    let not_ports = self::ports(check, &path.field("notPorts"), &written.not_ports, protocol, has_ports);

    let nets = nets(check, &path.field("nets"), &written.nets);
    let list = path.field("notNets");
    let not_nets = self::nets(check, &list, &written.not_nets);
    if not_nets.len() == written.not_nets.len() {
        for (index, _) in not_nets.iter().enumerate().filter(|(_, net)| net.prefix_len() == 0) {
            check.error(&Path::Index(&list, index), FieldErrorKind::ExcludesAll);
        }
    }
    let nodes = nodes(check, path, written);
    (Entity { nets, not_nets, selector, not_selector, nodes, service, ports, not_ports }, unknown)
}

/// The positive selector, the negated one, and the path of a criterion that is not known.
fn selectors(
    check: &mut Check,
    path: &Path<'_>,
    written: &model::EntityRule,
    context: &Context<'_>,
) -> (Option<Selector>, Option<Selector>, Option<String>) {
    let selector = check.policy_selector(&path.field("selector"), written.selector.as_ref());
    let not_selector = check.selector(&path.field("notSelector"), written.not_selector.as_ref());
    let namespace_selector =
        check.rule_namespace_selector(&path.field("namespaceSelector"), written.namespace_selector.as_ref());
    let mut unknown = None;
    let mut accounts = None;
    let mut names: Vec<&str> = Vec::new();
    if let Some(wanted) = &written.service_accounts {
        let path = path.field("serviceAccounts");
        unknown = check.unknown(&path, &wanted.unknown);
        accounts = check.policy_selector(&path.field("selector"), wanted.selector.as_ref());
        let list = path.field("names");
        for (index, name) in wanted.names.iter().enumerate() {
            if name.contains('"') && name.contains('\'') {
                let error = FieldErrorKind::ServiceAccount { name: name.clone() };
                check.error(&Path::Index(&list, index), error);
            } else {
                names.push(name);
            }
        }
    }
    let combine = |[selector, not_selector, namespaces, accounts]: &Selectors, names: &[&str]| {
        let mut end = combine::End::default();
        end.selector = selector.as_ref();
        end.not_selector = not_selector.as_ref();
        end.namespaces = namespaces.as_ref();
        end.service_accounts = accounts.as_ref();
        end.service_account_names = names;
        combine::of_rule(&end, context.namespace)
    };
    let selectors = [selector, not_selector, namespace_selector, accounts];
    let (path, named) = (path.field("selector"), !names.is_empty());
    let (selector, not_selector) = if named {
        check.combined(&path, combine(&selectors, &names)).unwrap_or_default()
    } else {
        check.end(&path, selectors, |selectors| combine(selectors, &[]))
    };
    (selector, not_selector, unknown)
}

/// The service, and the path of a criterion that is not known.
fn service(
    check: &mut Check,
    path: &Path<'_>,
    end: End,
    written: &model::EntityRule,
    context: &Context<'_>,
) -> (Option<ServiceKey>, Option<String>) {
    let Some(service) = &written.services else { return (None, None) };
    let services = path.field("services");
    let unknown = check.unknown(&services, &service.unknown);
    if service.name.is_empty() {
        check.error(&services.field("name"), FieldErrorKind::ServiceName);
    }
    let far = match context.direction {
        Direction::Ingress => End::Source,
        Direction::Egress => End::Destination,
    };
    if end != far {
        check.error(&services, FieldErrorKind::MisplacedServices);
    }
    let others = [
        ("selector", written.selector.is_some()),
        ("notSelector", written.not_selector.is_some()),
        ("namespaceSelector", written.namespace_selector.is_some()),
        ("serviceAccounts", written.service_accounts.is_some()),
        ("nets", !written.nets.is_empty()),
        ("notNets", !written.not_nets.is_empty()),
        ("ports", end == End::Destination && !written.ports.is_empty()),
        ("notPorts", end == End::Destination && !written.not_ports.is_empty()),
    ];
    for (name, _) in others.into_iter().filter(|(_, there)| *there) {
        check.error(&path.field(name), FieldErrorKind::ExcludesServices);
    }
    let namespace = match (service.namespace.as_str(), context.own_namespace) {
        ("", Some(own)) => own,
        ("", None) => {
            check.error(&services.field("namespace"), FieldErrorKind::ServiceNamespace);
            ""
        }
        (namespace, _) => namespace,
    };
    (Some(ServiceKey { namespace: namespace.to_string(), name: service.name.clone() }), unknown)
}

fn nodes(check: &mut Check, path: &Path<'_>, written: &model::EntityRule) -> Option<Selector> {
    let text = written.node_selector.as_ref()?;
    let others = [
        ("selector", written.selector.is_some()),
        ("notSelector", written.not_selector.is_some()),
        ("namespaceSelector", written.namespace_selector.is_some()),
        ("serviceAccounts", written.service_accounts.is_some()),
        ("services", written.services.is_some()),
    ];
    for (name, _) in others.into_iter().filter(|(_, there)| *there) {
        check.error(&path.field(name), FieldErrorKind::ExcludesNodes);
    }
    // An empty selector is there all the same, and means every node.
    Some(check.policy_selector(&path.field("nodeSelector"), Some(text)).unwrap_or_default())
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

fn ports(
    check: &mut Check,
    path: &Path<'_>,
    written: &[Port],
    protocol: Option<u8>,
    has_ports: bool,
) -> Ports {
    check.count(path, written.len(), MAX_PORTS);
    let mut ports = Ports::default();
    for (index, port) in written.iter().enumerate() {
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
            Port::Number(port) => ports.ranges.push(PortRange { min: *port, max: *port }),
            Port::Range { min, max } if min <= max => ports.ranges.push(PortRange { min: *min, max: *max }),
            Port::Range { min, max } => {
                check.error(&path, FieldErrorKind::PortRange { min: *min, max: *max });
            }
            // A number out of range is no name, though its digits would make one.
            Port::Named(name) => match Port::parse(name) {
                Ok(Port::Named(_)) => ports.names.push(name.clone()),
                Ok(_) | Err(PortError::Malformed | PortError::OutOfRange | PortError::Backwards { .. }) => {
                    check.error(&path, FieldErrorKind::PortName);
                }
            },
        }
    }
    ports
}
