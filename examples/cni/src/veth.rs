//! The link between host and container, its addresses, routes and kernel parameters.
//!
//! The container's end holds each address as /32 or /128 and sends everything to a gateway that is on no network:
//! 169.254.1.1, for which the host answers ARP requests by proxy, and the link-local address of the host's end. The host
//! routes each address to its end (calico@87c15906f2 cni-plugin/pkg/dataplane/linux).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tortie_routes::netlink::{self, Kernel, Links, NetNs, Veth, sysctl};
use tortie_routes::{Entry, Errno, Family, Mac, Op, Protocol, Route, Scan};

use crate::error::{Code, Error};

/// MAC address of every host's end: containers that move between hosts keep their neighbour entries.
const HOST_MAC: Mac = Mac::new([0xee; 6]);
/// The link-local address that follows from it (RFC 4291 appendix A): the containers' IPv6 gateway.
const HOST_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0xecee, 0xeeff, 0xfeee, 0xeeee);
/// The containers' IPv4 gateway.
const HOST_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// A container's network namespace.
#[derive(Debug)]
pub(crate) struct Sandbox {
    namespace: NetNs,
}

/// A link to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    /// Name of the host's end.
    pub(crate) host: &'a str,
    /// Name of the container's end.
    pub(crate) container: &'a str,
    /// MAC address of the container's end.
    pub(crate) mac: Mac,
    /// MTU of both ends; none leaves the kernel's default.
    pub(crate) mtu: Option<u32>,
    /// Addresses of the container's end.
    pub(crate) addresses: &'a [IpAddr],
    /// Whether the container may forward packets.
    pub(crate) forwarding: bool,
}

impl Link<'_> {
    fn has(&self, family: Family) -> bool {
        self.addresses.iter().any(|address| Family::of(address) == family)
    }
}

impl Sandbox {
    /// The namespace at that path.
    ///
    /// # Errors
    /// Code 3 when there is none.
    pub(crate) fn open(path: &str) -> Result<Self, Error> {
        let namespace = NetNs::open(path).and_then(|namespace| namespace.run(|| ()).map(|()| namespace));
        match namespace {
            Ok(namespace) => Ok(Self { namespace }),
            Err(error) => {
                let code =
                    if error.errno() == Some(Errno::EPERM) { Code::Network } else { Code::UnknownContainer };
                Err(Error::caused(
                    code,
                    "CNI_NETNS: the container's network namespace cannot be entered",
                    &error,
                ))
            }
        }
    }

    /// Whether it has an interface of that name.
    ///
    /// # Errors
    /// Code 102.
    pub(crate) async fn has(&self, interface: &str) -> Result<bool, Error> {
        let links =
            Links::open_in(&self.namespace).map_err(refused("the container's links cannot be read"))?;
        let link = links.find(interface).await.map_err(refused("the container's links cannot be read"))?;
        Ok(link.is_some())
    }

    /// Removes the container's end of a link of ours; one that is not there, or is another's, is no error.
    ///
    /// # Errors
    /// Code 102.
    pub(crate) async fn detach(&self, interface: &str, mac: Mac) -> Result<(), Error> {
        let wrong = || refused("the container's end of the link cannot be removed");
        let links = Links::open_in(&self.namespace).map_err(wrong())?;
        let Some(link) = links.find(interface).await.map_err(wrong())? else { return Ok(()) };
        if link.kind.as_deref() != Some("veth") || link.mac != Some(mac) {
            tracing::warn!(interface, "an interface of that name is not ours and stays");
            return Ok(());
        }
        gone(links.delete(link.index).await).map_err(wrong())
    }

    /// Makes the link, with all that belongs to it.
    ///
    /// # Errors
    /// Code 102, or 11 when an earlier workload's route is still in the way. Part of it may then be there: [`delete`]
    /// removes it.
    pub(crate) async fn attach(&self, link: &Link<'_>) -> Result<(), Error> {
        let host = Links::open().map_err(refused("the host's links cannot be read"))?;
        // Left by an earlier container of the same workload.
        delete(link.host).await?;
        let mut veth = Veth::new(link.host, link.container)
            .mac(HOST_MAC)
            .peer_mac(link.mac)
            .peer_namespace(&self.namespace);
        if let Some(mtu) = link.mtu {
            veth = veth.mtu(mtu);
        }
        let index = host.create_veth(&veth).await.map_err(refused("the link cannot be made"))?;
        host_parameters(link).map_err(refused("a parameter of the host's end cannot be set"))?;
        host.set_up(index).await.map_err(refused("the host's end cannot be set up"))?;
        if link.has(Family::V6) {
            // The kernel would make the same address by itself, a while later.
            let address = Ipv6Net::new_assert(HOST_V6, 64);
            match host.add_address_nodad(index, address.into()).await {
                Err(error) if !error.is_already_exists() => {
                    return Err(refused("the host's end cannot be the gateway")(error));
                }
                _ => {}
            }
        }
        self.furnish(link).await?;
        let mut kernel = Kernel::open().map_err(refused("the host's routes cannot be written"))?;
        host_routes(&mut kernel, link, index)
    }

    /// The container's side.
    async fn furnish(&self, link: &Link<'_>) -> Result<(), Error> {
        let parameter = || refused("a parameter of the container cannot be set");
        let family6 = link.has(Family::V6);
        self.inside(|| if family6 { enable_v6(link.container) } else { Ok(()) }).map_err(parameter())?;
        let links =
            Links::open_in(&self.namespace).map_err(refused("the container's links cannot be read"))?;
        let end = links.require(link.container).await.map_err(refused("the container's end is not there"))?;
        links.set_up(end.index).await.map_err(refused("the container's end cannot be set up"))?;
        // The host answers for its end only while it has a route to that address elsewhere, as a default route; and the
        // first packet need not wait for an answer.
        for gateway in [(Family::V4, IpAddr::V4(HOST_V4)), (Family::V6, IpAddr::V6(HOST_V6))] {
            if link.has(gateway.0) {
                let known = links.set_neighbour(end.index, gateway.1, HOST_MAC).await;
                known.map_err(refused("the container cannot be told of its gateway"))?;
            }
        }

        let mut routes = Vec::new();
        if link.has(Family::V4) {
            routes.push(Route::device(IpNet::from(IpAddr::V4(HOST_V4)), link.container));
            routes.push(Route::via(Ipv4Net::default().into(), HOST_V4.into(), link.container));
        }
        if family6 {
            routes.push(Route::via(Ipv6Net::default().into(), HOST_V6.into(), link.container));
        }
        let mut kernel =
            Kernel::open_in(&self.namespace).map_err(refused("the container's routes cannot be written"))?;
        for (route, result) in create(&mut kernel, routes, end.index) {
            result.map_err(|errno| {
                Error::caused(
                    Code::Network,
                    format!("the container's route {route} cannot be written"),
                    &errno,
                )
            })?;
        }
        for &address in link.addresses {
            let added = links.add_address_nodad(end.index, IpNet::from(address)).await;
            added.map_err(refused("an address cannot be given to the container"))?;
        }
        let forwarding = if link.forwarding { "1" } else { "0" };
        self.inside(|| {
            if link.has(Family::V4) {
                sysctl::write("ipv4/ip_forward", forwarding)?;
            }
            if link.has(Family::V6) {
                sysctl::write_interface(Family::V6, "all", "forwarding", forwarding)?;
            }
            Ok(())
        })
        .map_err(parameter())
    }

    /// Does a piece of blocking work inside.
    fn inside(&self, work: impl FnOnce() -> Result<(), netlink::Error> + Send) -> Result<(), netlink::Error> {
        self.namespace.run(work)?
    }
}

/// Removes the host's end of a link, and so all of it; one that is not there is no error.
///
/// # Errors
/// Code 102.
pub(crate) async fn delete(interface: &str) -> Result<(), Error> {
    let wrong = || refused("the host's end of the link cannot be removed");
    let links = Links::open().map_err(wrong())?;
    match links.find(interface).await.map_err(wrong())? {
        Some(link) => gone(links.delete(link.index).await).map_err(wrong()),
        None => Ok(()),
    }
}

/// Before the link is up: what the host answers for, and what it must not believe.
fn host_parameters(link: &Link<'_>) -> Result<(), netlink::Error> {
    let helpful = |result: Result<(), netlink::Error>| {
        if let Err(error) = result {
            tracing::warn!(%error, "a parameter of the host's end is left as it is");
        }
    };
    let set = |family, name, value| sysctl::write_interface(family, link.host, name, value);
    if link.has(Family::V4) {
        // A host port may lead from the host's loopback address to the container.
        set(Family::V4, "route_localnet", "1")?;
        helpful(sysctl::write_neighbour(Family::V4, link.host, "proxy_delay", "0"));
        set(Family::V4, "proxy_arp", "1")?;
        set(Family::V4, "forwarding", "1")?;
    }
    if link.has(Family::V6) {
        set(Family::V6, "disable_ipv6", "0")?;
        set(Family::V6, "accept_dad", "0")?;
        set(Family::V6, "proxy_ndp", "1")?;
        set(Family::V6, "forwarding", "1")?;
    }
    // A container is no router of this host's.
    helpful(set(Family::V6, "accept_ra", "0"));
    Ok(())
}

/// Before the container's end is up: runtimes switch IPv6 off, and an address must be usable at once.
fn enable_v6(interface: &str) -> Result<(), netlink::Error> {
    for scope in ["all", "default", "lo"] {
        sysctl::write_interface(Family::V6, scope, "disable_ipv6", "0")?;
    }
    sysctl::write_interface(Family::V6, interface, "accept_dad", "0")
}

/// The host's routes to the container: of metric 0, so that they win until the agent has written its own.
fn host_routes(kernel: &mut Kernel, link: &Link<'_>, index: u32) -> Result<(), Error> {
    let routes = link.addresses.iter().map(|&address| Route::local(address, link.host)).collect();
    for (route, result) in create(kernel, routes, index) {
        match result {
            Ok(()) => {}
            // Every address is looked at, whatever was found of the one before.
            Err(Errno::EEXIST) => agree(kernel, &route, index)?,
            Err(errno) => {
                return Err(Error::caused(
                    Code::Network,
                    format!("the route {route} cannot be written"),
                    &errno,
                ));
            }
        }
    }
    Ok(())
}

/// A route that is there already is as good, if it leads to the same link: the agent was faster.
fn agree(kernel: &mut Kernel, route: &Route, index: u32) -> Result<(), Error> {
    let scan = Scan::Routes { family: route.family(), table: route.table };
    let found = kernel.scan(scan).map_err(refused("the host's routes cannot be read"))?;
    let mut there = found.entries().iter().filter(|entry| entry.key == route.key());
    match there.find(|entry| entry.index() != Some(index) || entry.scope != route.scope) {
        None => Ok(()),
        Some(other) => {
            Err(Error::new(Code::TryAgain, format!("another route is in the way of {route}: {other}")))
        }
    }
}

/// Writes routes out of one link, under the protocol of whoever names none.
fn create(kernel: &mut Kernel, routes: Vec<Route>, index: u32) -> Vec<(Route, Result<(), Errno>)> {
    let routes: Vec<_> = routes.into_iter().map(|route| route.protocol(Protocol::BOOT)).collect();
    let ops: Vec<_> = routes.iter().map(|route| Op::Create(Entry::resolve(route, index))).collect();
    let results = kernel.change(&ops);
    routes.into_iter().zip(results).collect()
}

/// Gone already is as good as removed.
fn gone(result: Result<(), netlink::Error>) -> Result<(), netlink::Error> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

fn refused(message: &'static str) -> impl FnOnce(netlink::Error) -> Error {
    move |error| Error::caused(Code::Network, message, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4291 appendix A: the octets of the MAC around ff:fe, with the universal bit turned.
    #[test]
    fn the_gateway_is_what_the_kernel_makes_of_the_mac() {
        let [a, b, c, d, e, f] = HOST_MAC.octets();
        let id = [a ^ 0x02, b, c, 0xff, 0xfe, d, e, f];
        let address = (0xfe80_u128 << 112) | u128::from(u64::from_be_bytes(id));
        assert_eq!(HOST_V6, Ipv6Addr::from_bits(address));
    }

    /// The agent may write a route before the plugin does; the other addresses must get theirs all the same.
    #[tokio::test]
    async fn netns_a_route_that_is_there_already_does_not_hide_the_others() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root: run `cargo xtask test --install` as root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let namespace = netlink::netns::create(dir.path().join("host")).unwrap();
        let links = Links::open_in(&namespace).unwrap();
        let index = links.create_veth(&Veth::new("cali1", "other1")).await.unwrap();
        links.set_up(index).await.unwrap();
        let addresses: Vec<IpAddr> =
            ["10.0.0.2", "fd00::2", "10.0.0.3"].into_iter().map(|text| text.parse().unwrap()).collect();
        let link = Link {
            host: "cali1",
            container: "eth0",
            mac: HOST_MAC,
            mtu: None,
            addresses: &addresses,
            forwarding: false,
        };
        let mut kernel = Kernel::open_in(&namespace).unwrap();
        // Once the first, once all of them are there.
        let first = vec![Route::local(addresses[0], "cali1")];
        create(&mut kernel, first, index)[0].1.unwrap();
        for _ in 0..2 {
            host_routes(&mut kernel, &link, index).unwrap();
            let found: Vec<IpAddr> = Family::ALL
                .into_iter()
                .flat_map(|family| {
                    let scan = Scan::Routes { family, table: tortie_routes::Table::MAIN };
                    kernel.scan(scan).unwrap().entries().to_vec()
                })
                .filter(|entry| entry.protocol == Protocol::BOOT)
                .map(|entry| entry.key.destination.addr())
                .collect();
            assert!(addresses.iter().all(|address| found.contains(address)) && found.len() == 3, "{found:?}");
        }
        let other = links.create_veth(&Veth::new("cali2", "other2")).await.unwrap();
        links.set_up(other).await.unwrap();
        let error = host_routes(&mut kernel, &Link { host: "cali2", ..link }, other).unwrap_err();
        assert_eq!(error.code, Code::TryAgain);
        assert!(error.message.contains("10.0.0.2"), "{error}");
        netlink::netns::delete(dir.path().join("host")).unwrap();
    }
}
