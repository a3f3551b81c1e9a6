//! What sets are made of.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::endpoint::NamedPort;
use crate::inputs::Inputs;
use crate::ipset::IpSet;
use crate::set::{Members, PortMember, ServiceKey, SetId};

/// Something with labels, addresses and maybe named ports.
struct Item<'a> {
    labels: BTreeMap<String, String>,
    addresses: &'a [IpAddr],
    nets: &'a [IpNet],
    ports: &'a [NamedPort],
}

/// The members of these sets.
pub(super) fn of(inputs: &Inputs, sets: BTreeSet<SetId>) -> BTreeMap<SetId, Members> {
    let workloads = inputs.endpoints().map(|endpoint| Item {
        labels: inputs.labels_of(endpoint),
        addresses: &endpoint.addresses,
        nets: &[],
        ports: &endpoint.ports,
    });
    let hosts = inputs.host_endpoints().map(|host| Item {
        labels: inputs.inherit(host.labels.clone(), &host.profiles),
        addresses: &host.addresses,
        nets: &[],
        ports: &host.ports,
    });
    let network_sets = inputs.network_sets().map(|set| Item {
        labels: inputs.inherit(set.labels.clone(), &set.profiles),
        addresses: &[],
        nets: &set.nets,
        ports: &[],
    });
    let items: Vec<_> = workloads.chain(hosts).chain(network_sets).collect();
    sets.into_iter().map(|id| (id.clone(), members(inputs, &items, &id))).collect()
}

fn members(inputs: &Inputs, items: &[Item<'_>], id: &SetId) -> Members {
    let plain = |address: &IpAddr| IpNet::from(address.to_canonical());
    let of_slices = |service: &ServiceKey| {
        let service = service.clone();
        inputs.slices().filter(move |slice| slice.service == service)
    };
    match id {
        SetId::Selector(selector) => {
            let items = matching(items, selector);
            Members::Addresses(IpSet::new(
                items.flat_map(|item| item.addresses.iter().map(plain).chain(item.nets.iter().copied())),
            ))
        }
        SetId::Nodes(selector) => {
            let nodes = inputs.nodes().filter(|node| selector.matches(&node.labels));
            Members::Addresses(IpSet::new(nodes.flat_map(|node| &node.addresses).map(plain)))
        }
        // Nobody's labels are asked.
        SetId::Network(_) => Members::Addresses(IpSet::default()),
        SetId::ServiceAddresses(service) => {
            Members::Addresses(IpSet::new(of_slices(service).flat_map(|slice| &slice.addresses).map(plain)))
        }
        SetId::Service(service) => {
            let ports = of_slices(service).flat_map(|slice| {
                let ports = slice.ports.iter().map(|port| (port.protocol, port.port));
                product(&slice.addresses, ports.collect())
            });
            Members::Ports(ports.collect())
        }
        SetId::NamedPort { selector, protocol, name } => {
            let ports = matching(items, selector).flat_map(|item| {
                let meant = |port: &&NamedPort| {
                    port.name == *name && protocol.is_none_or(|protocol| protocol == port.protocol)
                };
                let ports = item.ports.iter().filter(meant).map(|port| (port.protocol, port.port));
                product(item.addresses, ports.collect())
            });
            Members::Ports(ports.collect())
        }
    }
}

fn matching<'a>(items: &'a [Item<'a>], selector: &Selector) -> impl Iterator<Item = &'a Item<'a>> {
    items.iter().filter(|item| selector.matches(&item.labels))
}

/// Each address with each port.
fn product(addresses: &[IpAddr], ports: Vec<(u8, u16)>) -> Vec<PortMember> {
    let members = addresses.iter().flat_map(|address| {
        let address = address.to_canonical();
        ports.iter().map(move |(protocol, port)| PortMember { address, protocol: *protocol, port: *port })
    });
    members.collect()
}
