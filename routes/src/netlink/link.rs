//! Links, addresses and neighbours as rtnetlink's messages tell of them.

use core::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::Mac;

/// A link (network interface) as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The index, unique within the namespace.
    pub index: u32,
    /// The name.
    pub name: String,
    /// The driver's kind: `veth`, `bridge`, `vxlan`; `None` for hardware and loopback.
    pub kind: Option<String>,
    /// The MAC address, if it is an Ethernet-like link.
    pub mac: Option<Mac>,
    /// The MTU in octets.
    pub mtu: u32,
    /// Whether it is administratively up (`IFF_UP`): what routes depend on.
    pub up: bool,
    /// Whether it has a carrier too (`IFF_LOWER_UP`): a veth's peer is up.
    pub carrier: bool,
    /// The bridge that it is a port of.
    pub master: Option<u32>,
    /// The peer's index (veth) or the parent's; in another namespace where `peer_elsewhere` says so.
    pub peer: Option<u32>,
    /// Whether `peer` is an index of another namespace.
    pub peer_elsewhere: bool,
}

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Address {
    /// The link's index.
    pub index: u32,
    /// The address with its prefix length; host bits are the address.
    pub net: IpNet,
    /// Whether duplicate address detection is still running: the address cannot be bound yet.
    pub tentative: bool,
}

/// A neighbour entry: who answers for an address on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Neighbour {
    /// The link's index.
    pub index: u32,
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its MAC address; `None` while it is unknown.
    pub mac: Option<Mac>,
    /// Whether it was put there to stay.
    pub permanent: bool,
}

pub(super) const fn veth_peer(peer: LinkMessage) -> InfoData {
    InfoData::Veth(InfoVeth::Peer(peer))
}

fn mac_of(octets: &[u8]) -> Option<Mac> {
    <[u8; 6]>::try_from(octets).ok().map(Mac::new)
}

pub(super) fn link_of(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: None,
        mac: None,
        mtu: 0,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        master: None,
        peer: None,
        peer_elsewhere: false,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(octets) => link.mac = mac_of(&octets),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.master = Some(index).filter(|&index| index != 0),
            LinkAttribute::Link(index) => link.peer = Some(index).filter(|&index| index != 0),
            LinkAttribute::LinkNetNsId(_) => link.peer_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind_of(kind)),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn kind_of(kind: InfoKind) -> String {
    match kind {
        InfoKind::Other(name) => name,
        known => known.to_string(),
    }
}

pub(super) fn address_message(index: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.header.scope = AddressScope::Universe;
    message.header.family = family_of(net.addr());
    message.attributes.push(AddressAttribute::Local(net.addr()));
    message.attributes.push(AddressAttribute::Address(net.addr()));
    if let IpNet::V4(net) = net {
        if net.prefix_len() < 31 {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
    }
    message
}

pub(super) fn address_of(message: RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let (mut local, mut address, mut tentative) = (None, None, false);
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Flags(flags) => tentative = flags.contains(AddressFlags::Tentative),
            _ => {}
        }
    }
    // On a point-to-point link, IFA_ADDRESS is the other side's; IPv6 leaves IFA_LOCAL out where they are the same.
    let net = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    Some(Address { index: message.header.index, net, tentative })
}

pub(super) fn neighbour_message(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family_of(address);
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    }));
    message
}

pub(super) fn neighbour_of(message: RouteNetlinkMessage) -> Option<Neighbour> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else { return None };
    let (mut address, mut mac) = (None, None);
    for attribute in message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => address = Some(IpAddr::V4(ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => address = Some(IpAddr::V6(ip)),
            NeighbourAttribute::LinkLayerAddress(octets) => mac = mac_of(&octets),
            _ => {}
        }
    }
    Some(Neighbour {
        index: message.header.ifindex,
        address: address?,
        mac,
        permanent: message.header.state == NeighbourState::Permanent,
    })
}

const fn family_of(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
