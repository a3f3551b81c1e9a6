//! A host, and a packet that passes it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::convert::HostEndpoint;
use crate::flow::{Flow, Transport};
use crate::inputs::Inputs;

/// A host, as its host endpoints find their interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Host {
    /// Its name: the `node` of its host endpoints.
    pub name: String,
    /// Its interfaces that are not those of workloads, each with its addresses.
    pub interfaces: BTreeMap<String, Vec<IpAddr>>,
}

impl Host {
    /// A host of this name of which no interface is known.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), interfaces: BTreeMap::new() }
    }
}

/// Where a packet comes from or goes to, seen from a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Place<'a> {
    /// A process of the host itself.
    Host,
    /// The interface of a workload, by its name: one with the prefix of workloads, or of an endpoint.
    Workload(&'a str),
    /// Another interface of the host, by its name.
    Interface(&'a str),
}

/// The first packet of a connection, as it passes a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Packet<'a> {
    /// Where it comes from.
    pub from: Place<'a>,
    /// Where it goes.
    pub to: Place<'a>,
    /// What it is; its destination as it is once translated. Whether the host sends it, `from` tells.
    pub flow: Flow,
    /// Its destination before the host translated it; `None` if it does not.
    pub original_destination: Option<SocketAddr>,
}

impl<'a> Packet<'a> {
    /// A packet of which the host translates nothing.
    #[must_use]
    pub const fn new(from: Place<'a>, to: Place<'a>, flow: Flow) -> Self {
        Self { from, to, flow, original_destination: None }
    }

    /// The flow before any translation.
    pub(crate) fn original_flow(&self) -> Flow {
        let mut flow = self.flow;
        if let Some(original) = self.original_destination {
            flow.destination = original.ip();
            if let Transport::Tcp { destination_port, .. }
            | Transport::Udp { destination_port, .. }
            | Transport::Sctp { destination_port, .. } = &mut flow.transport
            {
                *destination_port = original.port();
            }
        }
        flow.canonical()
    }
}

impl Inputs {
    /// The host endpoint of one interface of a host; of several, the one with the smallest name.
    ///
    /// Source: calico@87c15906f2 felix/dataplane/linux/endpoint_mgr.go.
    pub(crate) fn host_endpoint_of(&self, host: &Host, interface: &str) -> Option<&HostEndpoint> {
        self.host_endpoints().find(|endpoint| endpoint.is_for(host, interface))
    }

    /// The host endpoint of all interfaces of a host that have none of their own; of several, the one with the smallest
    /// name.
    pub(crate) fn host_endpoint_of_all(&self, host: &Host) -> Option<&HostEndpoint> {
        self.host_endpoints().find(|endpoint| endpoint.node == host.name && endpoint.is_for_all_interfaces())
    }
}

impl HostEndpoint {
    /// Whether it may be that of this interface of a host: by name, else by one of its addresses.
    pub(crate) fn is_for(&self, host: &Host, interface: &str) -> bool {
        let has = |address: &IpAddr| {
            let addresses = host.interfaces.get(interface).into_iter().flatten();
            addresses.into_iter().any(|own| own.to_canonical() == *address)
        };
        self.node == host.name
            && match &self.interface {
                Some(name) => name == interface,
                None => self.addresses.iter().any(has),
            }
    }
}
