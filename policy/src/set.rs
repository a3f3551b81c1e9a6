//! Sets of addresses, and of addresses with ports, that rules speak of.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use tortie_selector::{Selector, unique_id};

use crate::ipset::IpSet;
use crate::model::Protocol;
use crate::program::End;
use crate::rule::{Entity, Family, Rule};

/// Name of a service of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a set is made of.
///
/// `Display` says it for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SetId {
    /// Addresses of endpoints and network sets that a selector matches.
    Selector(Selector),
    /// Addresses of endpoints that the selector matches, each with its own ports of a name.
    #[non_exhaustive]
    NamedPort {
        /// Which endpoints.
        selector: Selector,
        /// Number of the protocol of the ports; any of TCP, UDP and SCTP if `None`.
        protocol: Option<u8>,
        /// Name of the ports.
        name: String,
    },
    /// Addresses behind a service, each with the ports that the service has there.
    Service(ServiceKey),
    /// Addresses behind a service.
    ServiceAddresses(ServiceKey),
    /// Addresses of nodes whose labels a selector matches.
    Nodes(Selector),
    /// Addresses that no policy speaks of, but a backend. No [`Program`](crate::Program) has it.
    Network(NetworkSet),
}

/// Addresses that a backend speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NetworkSet {
    /// Those of all pools.
    Pools,
    /// Those of pools whose members' sources are translated.
    Masqueraded,
    /// Others to which sources are kept.
    Excluded,
    /// Those of services.
    Services,
}

impl NetworkSet {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pools, Self::Masqueraded, Self::Excluded, Self::Services];

    /// `pools`, `masqueraded`, `excluded` or `services`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            Self::Masqueraded => "masqueraded",
            Self::Excluded => "excluded",
            Self::Services => "services",
        }
    }
}

impl SetId {
    /// A short text that is the same wherever and whenever the set is: two letters or so, a colon, and 38 characters of
    /// `[a-zA-Z0-9_-]`. It is that of the reference system, which has no sets of nodes. Sets of the network have one word.
    ///
    /// Source: calico@87c15906f2 felix/calc/rule_scanner.go.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Selector(selector) => selector.id(),
            Self::NamedPort { selector, protocol, name } => {
                let protocol = match *protocol {
                    Some(Protocol::TCP) => "tcp",
                    Some(Protocol::UDP) => "udp",
                    Some(Protocol::SCTP) => "sctp",
                    _ => "any",
                };
                unique_id("n", &format!("{},{protocol},{name}", selector.id()))
            }
            Self::Service(service) => unique_id("svc", &format!("{service}")),
            Self::ServiceAddresses(service) => unique_id("svcnoport", &format!("{service}")),
            Self::Nodes(selector) => unique_id("node", selector.canonical()),
            Self::Network(set) => set.as_str().into(),
        }
    }

    /// Whether its members are addresses with ports.
    #[must_use]
    pub const fn has_ports(&self) -> bool {
        matches!(self, Self::NamedPort { .. } | Self::Service(_))
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(selector) => write!(f, "{selector}"),
            Self::NamedPort { selector, protocol: Some(protocol), name } => {
                write!(f, "port {name} of protocol {protocol} of {selector}")
            }
            Self::NamedPort { selector, protocol: None, name } => write!(f, "port {name} of {selector}"),
            Self::Service(service) => write!(f, "service {service}"),
            Self::ServiceAddresses(service) => write!(f, "addresses of service {service}"),
            Self::Nodes(selector) => write!(f, "nodes {selector}"),
            Self::Network(set) => write!(f, "addresses: {}", set.as_str()),
        }
    }
}

/// The set of a named port at one end of a rule: which endpoints is said by the positive selector of that end, for negated
/// names too.
pub(crate) fn named_port(entity: &Entity, protocol: Option<u8>, name: &str) -> SetId {
    let selector = entity.selector.clone().unwrap_or_default();
    let with_ports = |number: &u8| matches!(*number, Protocol::TCP | Protocol::UDP | Protocol::SCTP);
    SetId::NamedPort { selector, protocol: protocol.filter(with_ports), name: name.into() }
}

/// The set of a service: with its ports as a destination, plain addresses as a source.
pub(crate) fn service(end: End, service: &ServiceKey) -> SetId {
    match end {
        End::Source => SetId::ServiceAddresses(service.clone()),
        End::Destination => SetId::Service(service.clone()),
    }
}

/// All sets that a rule may speak of.
pub(crate) fn sets_of(rule: &Rule) -> Vec<SetId> {
    let criteria = &rule.criteria;
    let mut sets = Vec::new();
    for (end, entity) in [(End::Source, &criteria.source), (End::Destination, &criteria.destination)] {
        let selectors = [&entity.selector, &entity.not_selector];
        sets.extend(selectors.into_iter().flatten().cloned().map(SetId::Selector));
        sets.extend(entity.nodes.clone().map(SetId::Nodes));
        sets.extend(entity.service.as_ref().map(|key| service(end, key)));
        let names = entity.ports.names.iter().chain(&entity.not_ports.names);
        sets.extend(names.map(|name| named_port(entity, criteria.protocol, name)));
    }
    sets
}

/// An address with a port of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "plain vocabulary")]
pub struct PortMember {
    /// The address; never IPv4 mapped into IPv6.
    pub address: IpAddr,
    /// Number of the protocol: TCP, UDP or SCTP.
    pub protocol: u8,
    /// The port.
    pub port: u16,
}

/// Members of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "what sets are made of: see SetId::has_ports")]
pub enum Members {
    /// Addresses.
    Addresses(IpSet),
    /// Addresses with ports.
    Ports(BTreeSet<PortMember>),
}

impl Members {
    /// How many there are of this family.
    #[must_use]
    pub fn len(&self, family: Family) -> usize {
        match self {
            Self::Addresses(set) => set.len(family),
            Self::Ports(ports) => ports.iter().filter(|port| Family::of(&port.address) == family).count(),
        }
    }

    /// How many members of this family there are of each prefix length; those with ports have the longest.
    pub(crate) fn lengths(&self, family: Family) -> BTreeMap<u8, usize> {
        let mut lengths = BTreeMap::new();
        match self {
            Self::Addresses(set) => {
                for net in set.members(family) {
                    let count: &mut usize = lengths.entry(net.prefix_len()).or_default();
                    *count = count.saturating_add(1);
                }
            }
            Self::Ports(_) => {
                let longest = if family == Family::V4 { 32 } else { 128 };
                lengths.extend(Some((longest, self.len(family))).filter(|(_, len)| *len > 0));
            }
        }
        lengths
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Family::ALL.iter().all(|family| self.len(*family) == 0)
    }

    /// Takes these away and then adds those. Members of another kind than those that are there are left alone.
    pub(crate) fn change(&mut self, removed: &Self, added: &Self) {
        match (self, removed, added) {
            (Self::Addresses(set), Self::Addresses(removed), Self::Addresses(added)) => {
                set.change(removed, added);
            }
            (Self::Ports(ports), Self::Ports(removed), Self::Ports(added)) => {
                ports.retain(|port| !removed.contains(port));
                ports.extend(added);
            }
            _ => {}
        }
    }

    /// Whether the address is a member; an address with ports is not.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::Addresses(set) => set.contains(address),
            Self::Ports(_) => false,
        }
    }

    /// Whether the address with this port is a member; a plain address is not.
    #[must_use]
    pub fn contains_port(&self, member: &PortMember) -> bool {
        match self {
            Self::Addresses(_) => false,
            Self::Ports(ports) => ports.contains(member),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_reference_system() {
        let service = ServiceKey { namespace: "default".into(), name: "svc".into() };
        assert_eq!(SetId::Service(service.clone()).id(), "svc:Jhwii46PCMT5NlhWsUqZmv7al8TeHFbNQMhoVg");
        assert_eq!(SetId::ServiceAddresses(service).id(), "svcnoport:T03S_6hogdrGKrNFBcbKTFsH_uKwDHEo8JddOg");
        let selector: Selector = "all()".parse().unwrap();
        assert_eq!(SetId::Selector(selector.clone()).id(), "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
        let named = SetId::NamedPort { selector, protocol: Some(6), name: "http".into() };
        assert_eq!(named.id(), "n:cl9_Kgeu4H0OGLbhovVR3NBLUOZscKeMK1Mu4A");
    }
}
