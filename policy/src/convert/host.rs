//! Host endpoints.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::check::{Check, Path};
use super::{Converted, SPEC};
use crate::endpoint::{ALL_INTERFACES, NamedPort, is_interface_name, is_of_workloads};
use crate::error::FieldErrorKind;
use crate::model::{HostEndpointSpec, Port, Protocol};

/// A host endpoint as enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostEndpoint {
    pub(crate) name: String,
    /// Name of its host.
    pub(crate) node: String,
    /// Name of its interface, or [`ALL_INTERFACES`]; `None` if its addresses tell.
    pub(crate) interface: Option<String>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Own labels, without those that only workloads have.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) profiles: Vec<String>,
    pub(crate) ports: Vec<NamedPort>,
}

impl HostEndpoint {
    pub(crate) fn is_for_all_interfaces(&self) -> bool {
        self.interface.as_deref() == Some(ALL_INTERFACES)
    }
}

pub(crate) fn host_endpoint(
    name: &str,
    labels: &BTreeMap<String, String>,
    spec: &HostEndpointSpec,
) -> Converted<HostEndpoint> {
    let mut check = Check::default();
    check.unknown(&SPEC, &spec.unknown);
    if spec.node.is_empty() {
        check.error(&SPEC.field("node"), FieldErrorKind::NodeName);
    }
    let interface = spec.interface_name.clone().filter(|name| !name.is_empty());
    let path = SPEC.field("interfaceName");
    match &interface {
        Some(name) if name == ALL_INTERFACES || is_interface_name(name) => {}
        Some(name) => check.error(&path, FieldErrorKind::InterfaceName { name: name.clone() }),
        None if spec.expected_ips.is_empty() => check.error(&path, FieldErrorKind::NoInterface),
        None => {}
    }
    let mut addresses = Vec::new();
    let list = SPEC.field("expectedIPs");
    for (index, text) in spec.expected_ips.iter().enumerate() {
        match text.parse::<IpAddr>() {
            Ok(address) => addresses.push(address.to_canonical()),
            Err(_) => {
                check.error(&Path::Index(&list, index), FieldErrorKind::Address { text: text.clone() });
            }
        }
    }
    let mut ports = Vec::new();
    let list = SPEC.field("ports");
    for (index, port) in spec.ports.iter().enumerate() {
        let path = Path::Index(&list, index);
        check.unknown(&path, &port.unknown);
        if !matches!(Port::parse(&port.name), Ok(Port::Named(_))) {
            check.error(&path.field("name"), FieldErrorKind::PortName);
        }
        match port.protocol.number() {
            Some(protocol @ (Protocol::TCP | Protocol::UDP | Protocol::SCTP)) => {
                ports.push(NamedPort { name: port.name.clone(), protocol, port: port.port });
            }
            _ => check.error(&path.field("protocol"), FieldErrorKind::PortProtocol),
        }
    }
    let labels = labels.iter().filter(|(name, _)| !is_of_workloads(name));
    let value = HostEndpoint {
        name: name.into(),
        node: spec.node.clone(),
        interface,
        addresses,
        labels: labels.map(|(name, value)| (name.clone(), value.clone())).collect(),
        profiles: spec.profiles.clone(),
        ports,
    };
    Converted::new(value, check.into_errors())
}
