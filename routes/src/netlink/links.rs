//! Links, addresses and neighbours: what a workload's interface needs before any route does.

use core::net::IpAddr;
use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::pin;

use futures_util::StreamExt;
use ipnet::IpNet;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};
use tokio::runtime;

use super::link::{
    Address, Link, Neighbour, address_message, address_of, link_of, neighbour_message, neighbour_of,
    veth_peer,
};
use super::{Error, ErrorKind, NetNs, TIMEOUT};
use crate::{Errno, Mac};

/// How often a list that changed while it was read is read again.
const ATTEMPTS: usize = 8;

/// A veth pair to be made: two names, and what else is to be settled at birth.
#[derive(Clone, Debug)]
pub struct Veth<'a> {
    name: String,
    peer: String,
    peer_namespace: Option<BorrowedFd<'a>>,
    mtu: Option<u32>,
    mac: Option<Mac>,
    peer_mac: Option<Mac>,
}

impl<'a> Veth<'a> {
    /// A pair of these names, both ends in the namespace of the [`Links`] that makes it.
    #[must_use]
    pub fn new(name: impl Into<String>, peer: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            peer: peer.into(),
            peer_namespace: None,
            mtu: None,
            mac: None,
            peer_mac: None,
        }
    }

    /// The peer is born in this namespace, and never seen in ours.
    #[must_use]
    pub fn peer_namespace(mut self, namespace: &'a impl AsFd) -> Self {
        self.peer_namespace = Some(namespace.as_fd());
        self
    }

    /// Both ends have this MTU, in octets.
    #[must_use]
    pub const fn mtu(mut self, octets: u32) -> Self {
        self.mtu = Some(octets);
        self
    }

    /// Our end has this MAC address.
    #[must_use]
    pub const fn mac(mut self, mac: Mac) -> Self {
        self.mac = Some(mac);
        self
    }

    /// The peer has this MAC address.
    #[must_use]
    pub const fn peer_mac(mut self, mac: Mac) -> Self {
        self.peer_mac = Some(mac);
        self
    }
}

/// A handle on the links of one network namespace. Clones share one socket.
///
/// ```no_run
/// # async fn example() -> Result<(), tortie_routes::netlink::Error> {
/// use tortie_routes::netlink::{Links, NetNs, Veth};
///
/// let pod = NetNs::open("/run/netns/pod")?;
/// let host = Links::open()?;
/// let index = host.create_veth(&Veth::new("cali12", "eth0").peer_namespace(&pod).mtu(1450)).await?;
/// host.set_up(index).await?;
///
/// let inside = Links::open_in(&pod)?;
/// let eth0 = inside.require("eth0").await?;
/// inside.set_up(eth0.index).await?;
/// inside.add_address(eth0.index, "10.0.0.2/32".parse().unwrap()).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// Every method fails with the kernel's errno in [`ErrorKind::Kernel`], with [`ErrorKind::NoSuchLink`] for an unknown
/// interface, or with [`ErrorKind::TimedOut`] and [`ErrorKind::Closed`] as those say.
#[derive(Clone, Debug)]
pub struct Links {
    handle: rtnetlink::Handle,
}

impl Links {
    /// Opens a socket in the calling thread's namespace, and starts its task on the current tokio runtime. The task ends
    /// with the last clone.
    ///
    /// # Errors
    /// [`ErrorKind::NoRuntime`] outside of a runtime; the kernel's, if there are no more descriptors.
    pub fn open() -> Result<Self, Error> {
        let runtime = runtime::Handle::try_current().map_err(|_| no_runtime())?;
        Self::open_on(&runtime)
    }

    /// The same in another namespace; the calling thread stays where it is.
    ///
    /// # Errors
    /// Those of [`Links::open`] and [`NetNs::run`].
    pub fn open_in(namespace: &NetNs) -> Result<Self, Error> {
        let runtime = runtime::Handle::try_current().map_err(|_| no_runtime())?;
        namespace.run(|| Self::open_on(&runtime))?
    }

    fn open_on(runtime: &runtime::Handle) -> Result<Self, Error> {
        let _entered = runtime.enter();
        let (connection, handle, _unsolicited) =
            rtnetlink::new_connection().map_err(|e| Error::io("open a netlink socket", &e))?;
        runtime.spawn(connection);
        Ok(Self { handle })
    }

    /// All links, ordered by index.
    pub async fn list(&self) -> Result<Vec<Link>, Error> {
        let messages =
            self.dump("list the links", RouteNetlinkMessage::GetLink(LinkMessage::default())).await?;
        let mut links: Vec<Link> = messages.into_iter().filter_map(link_of).collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The link of this name, if there is one.
    pub async fn find(&self, name: &str) -> Result<Option<Link>, Error> {
        let action = format!("find the link {name}");
        check_name(name, &action)?;
        let message = LinkUnspec::new_with_name(name).build();
        self.lookup(action, message).await
    }

    /// The link of this index, if there is one.
    pub async fn find_index(&self, index: u32) -> Result<Option<Link>, Error> {
        self.lookup(format!("find the link {index}"), LinkUnspec::new_with_index(index).build()).await
    }

    /// The link of this name; [`ErrorKind::NoSuchLink`] if there is none.
    pub async fn require(&self, name: &str) -> Result<Link, Error> {
        self.find(name)
            .await?
            .ok_or_else(|| Error::new(format!("find the link {name}"), ErrorKind::NoSuchLink))
    }

    /// Makes a veth pair and answers with our end's index. Both ends are down.
    pub async fn create_veth(&self, veth: &Veth<'_>) -> Result<u32, Error> {
        let action = format!("create the veth pair {} and {}", veth.name, veth.peer);
        check_name(&veth.name, &action)?;
        check_name(&veth.peer, &action)?;
        let mut peer = LinkUnspec::new_with_name(&veth.peer);
        let mut own = LinkVeth::new(&veth.name, &veth.peer);
        if let Some(namespace) = veth.peer_namespace {
            peer = peer.setns_by_fd(namespace.as_raw_fd());
        }
        if let Some(mtu) = veth.mtu {
            own = own.mtu(mtu);
            peer = peer.mtu(mtu);
        }
        if let Some(mac) = veth.mac {
            own = own.address(mac.octets().to_vec());
        }
        if let Some(mac) = veth.peer_mac {
            peer = peer.address(mac.octets().to_vec());
        }
        let own = own.set_info_data(veth_peer(peer.build()));
        self.create(action, own.build(), &veth.name).await
    }

    /// Makes a bridge and answers with its index. It is down.
    pub async fn create_bridge(&self, name: &str) -> Result<u32, Error> {
        let action = format!("create the bridge {name}");
        check_name(name, &action)?;
        self.create(action, LinkBridge::new(name).build(), name).await
    }

    /// Makes a link a port of a bridge, or of none.
    pub async fn set_master(&self, index: u32, master: Option<u32>) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).controller(master.unwrap_or(0));
        self.change("set the master of", index, message).await
    }

    /// Sets a link up.
    pub async fn set_up(&self, index: u32) -> Result<(), Error> {
        self.change("set up", index, LinkUnspec::new_with_index(index).up()).await
    }

    /// Sets a link down. IPv4 routes through it vanish without a notification.
    pub async fn set_down(&self, index: u32) -> Result<(), Error> {
        self.change("set down", index, LinkUnspec::new_with_index(index).down()).await
    }

    /// Sets the MTU, in octets.
    pub async fn set_mtu(&self, index: u32, octets: u32) -> Result<(), Error> {
        self.change("set the MTU of", index, LinkUnspec::new_with_index(index).mtu(octets)).await
    }

    /// Sets the MAC address.
    pub async fn set_mac(&self, index: u32, mac: Mac) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).address(mac.octets().to_vec());
        self.change("set the MAC address of", index, message).await
    }

    /// Gives a link another name. Older kernels want it down for that.
    pub async fn rename(&self, index: u32, name: &str) -> Result<(), Error> {
        check_name(name, "rename a link")?;
        self.change("rename", index, LinkUnspec::new_with_index(index).name(name)).await
    }

    /// Moves a link into another namespace. It arrives down and without addresses, perhaps under another index.
    pub async fn move_to(&self, index: u32, namespace: &impl AsFd) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).setns_by_fd(namespace.as_fd().as_raw_fd());
        self.change("move to another namespace", index, message).await
    }

    /// Deletes a link; a veth takes its peer along.
    pub async fn delete(&self, index: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).build();
        self.request(format!("delete the link {index}"), RouteNetlinkMessage::DelLink(message), 0).await
    }

    /// The addresses of one link, or of all.
    pub async fn addresses(&self, index: Option<u32>) -> Result<Vec<Address>, Error> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let messages = self.dump("list the addresses", request).await?;
        let mut addresses: Vec<Address> = messages.into_iter().filter_map(address_of).collect();
        addresses.retain(|address| index.is_none_or(|index| index == address.index));
        addresses.sort_unstable();
        Ok(addresses)
    }

    /// Adds an address, written with its prefix length: `10.0.0.2/32`. An IPv6 address can be used only after duplicate
    /// address detection, about a second later; see [`Links::add_address_nodad`].
    pub async fn add_address(&self, index: u32, address: IpNet) -> Result<(), Error> {
        self.insert_address(index, address, AddressFlags::empty()).await
    }

    /// Adds an address that can be used at once: nobody else on the link can have it (`nodad`). No difference for IPv4.
    pub async fn add_address_nodad(&self, index: u32, address: IpNet) -> Result<(), Error> {
        let flags = if address.addr().is_ipv6() { AddressFlags::Nodad } else { AddressFlags::empty() };
        self.insert_address(index, address, flags).await
    }

    async fn insert_address(&self, index: u32, address: IpNet, flags: AddressFlags) -> Result<(), Error> {
        let mut message = address_message(index, address);
        if !flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(flags));
        }
        let action = format!("add the address {address} to the link {index}");
        self.request(action, RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL).await
    }

    /// Removes an address, written with its prefix length.
    pub async fn delete_address(&self, index: u32, address: IpNet) -> Result<(), Error> {
        let action = format!("delete the address {address} of the link {index}");
        let message = address_message(index, address);
        self.request(action, RouteNetlinkMessage::DelAddress(message), 0).await
    }

    /// The neighbour entries of one link, or of all.
    pub async fn neighbours(&self, index: Option<u32>) -> Result<Vec<Neighbour>, Error> {
        let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let messages = self.dump("list the neighbours", request).await?;
        let mut neighbours: Vec<Neighbour> = messages.into_iter().filter_map(neighbour_of).collect();
        neighbours.retain(|neighbour| index.is_none_or(|index| index == neighbour.index));
        neighbours.sort_unstable();
        Ok(neighbours)
    }

    /// Puts a permanent neighbour entry, whatever was there before.
    pub async fn set_neighbour(&self, index: u32, address: IpAddr, mac: Mac) -> Result<(), Error> {
        let mut message = neighbour_message(index, address);
        message.header.state = NeighbourState::Permanent;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
        let action = format!("set the neighbour {address} of the link {index}");
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.request(action, RouteNetlinkMessage::NewNeighbour(message), flags).await
    }

    /// Removes a neighbour entry.
    pub async fn delete_neighbour(&self, index: u32, address: IpAddr) -> Result<(), Error> {
        let action = format!("delete the neighbour {address} of the link {index}");
        let message = neighbour_message(index, address);
        self.request(action, RouteNetlinkMessage::DelNeighbour(message), 0).await
    }

    async fn create(&self, action: String, message: LinkMessage, name: &str) -> Result<u32, Error> {
        self.request(action, RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await?;
        Ok(self.require(name).await?.index)
    }

    async fn change(
        &self,
        verb: &str,
        index: u32,
        message: LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), Error> {
        let action = format!("{verb} the link {index}");
        self.request(action, RouteNetlinkMessage::SetLink(message.build()), 0).await
    }

    async fn lookup(&self, action: String, message: LinkMessage) -> Result<Option<Link>, Error> {
        let request = RouteNetlinkMessage::GetLink(message);
        match self.exchange(action.into(), request, NLM_F_REQUEST).await {
            Ok(answer) => Ok(answer.messages.into_iter().find_map(link_of)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn request(&self, action: String, message: RouteNetlinkMessage, flags: u16) -> Result<(), Error> {
        self.exchange(action.into(), message, NLM_F_REQUEST | NLM_F_ACK | flags).await.map(drop)
    }

    async fn dump(
        &self,
        action: &'static str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        for _ in 0..ATTEMPTS {
            let answer = self.exchange(action.into(), message.clone(), NLM_F_REQUEST | NLM_F_DUMP).await?;
            if !answer.interrupted {
                return Ok(answer.messages);
            }
        }
        Err(Error::new(action, ErrorKind::Interrupted))
    }

    async fn exchange(
        &self,
        action: Cow<'static, str>,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Answer, Error> {
        match tokio::time::timeout(TIMEOUT, self.converse(message, flags)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kind)) => Err(Error::new(action, kind)),
            Err(_elapsed) => Err(Error::new(action, ErrorKind::TimedOut)),
        }
    }

    async fn converse(&self, message: RouteNetlinkMessage, flags: u16) -> Result<Answer, ErrorKind> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        let mut handle = self.handle.clone();
        let mut stream = pin!(handle.request(request).map_err(|_| ErrorKind::Closed)?);
        let mut answer = Answer { messages: Vec::new(), interrupted: false };
        while let Some(message) = stream.next().await {
            answer.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => answer.messages.push(inner),
                NetlinkPayload::Error(error) => {
                    if let Some(code) = error.code {
                        return Err(ErrorKind::Kernel(Errno::new(code.get().saturating_neg())));
                    }
                }
                NetlinkPayload::Overrun(_) => return Err(ErrorKind::Interrupted),
                NetlinkPayload::Done(_) | NetlinkPayload::Noop => {}
                _ => return Err(ErrorKind::Unexpected),
            }
        }
        Ok(answer)
    }
}

struct Answer {
    messages: Vec<RouteNetlinkMessage>,
    interrupted: bool,
}

fn no_runtime() -> Error {
    Error::new("open a netlink socket", ErrorKind::NoRuntime)
}

/// What the kernel's `dev_valid_name` takes.
pub(super) fn check_name(name: &str, action: &str) -> Result<(), Error> {
    let plain = |b: u8| b != b'/' && b != b':' && b != 0 && !b.is_ascii_whitespace() && b != 0x0b;
    if !name.is_empty() && name.len() <= 15 && name != "." && name != ".." && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::new(action.to_owned(), ErrorKind::BadName))
}
