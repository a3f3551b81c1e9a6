//! The cabling: a bridge in the demo's own namespace, and one cable from it to each host and to the router.

use crate::hosts::{Host, Router};
use crate::pods::Pod;
use anyhow::Context as _;
use ipnet::IpNet;
use std::path::Path;
use tortie_routes::Family;
use tortie_routes::netlink::{Links, NetNs, Veth, netns, sysctl};

/// The bridge, a switch between the hosts.
const BRIDGE: &str = "switch";
/// The interface of a host towards the switch.
pub(crate) const UPLINK: &str = "eth0";
/// The prefix lengths of the hosts' subnets.
const SUBNETS: [u8; 2] = [24, 64];

/// Makes the switch, the hosts' namespaces and the router's.
pub(crate) async fn lay(router: &Router, hosts: &[Host]) -> anyhow::Result<()> {
    let own = Links::open()?;
    up_by_name(&own, "lo").await?;
    let bridge = own.create_bridge(BRIDGE).await?;
    own.set_up(bridge).await?;
    let [v4, v6] = SUBNETS;
    let address = |address: core::net::IpAddr, len| IpNet::new(address, len).context("a subnet");
    let router_addresses = [
        address(router.v4.into(), v4)?,
        address(router.v6.into(), v6)?,
        address(router.stranger.into(), v4)?,
    ];
    cable(&own, bridge, "router", &router.netns, &router_addresses).await?;
    for host in hosts {
        let addresses = [address(host.v4.into(), v4)?, address(host.v6.into(), v6)?];
        let namespace = cable(&own, bridge, &host.name, &host.netns, &addresses).await?;
        // A host forwards for its pods.
        namespace.run(|| {
            sysctl::write("ipv4/ip_forward", "1")?;
            sysctl::write("ipv6/conf/all/forwarding", "1")
        })??;
    }
    Ok(())
}

/// A new namespace with an uplink to the bridge, and these addresses on it.
async fn cable(
    own: &Links,
    bridge: u32,
    port: &str,
    path: &Path,
    addresses: &[IpNet],
) -> anyhow::Result<NetNs> {
    let namespace = netns::create(path)?;
    let port = own.create_veth(&Veth::new(port, UPLINK).peer_namespace(&namespace)).await?;
    own.set_master(port, Some(bridge)).await?;
    own.set_up(port).await?;
    // Nobody else is on the link: its own link-local address may be used at once too.
    namespace.run(|| sysctl::write_interface(Family::V6, UPLINK, "accept_dad", "0"))??;
    let inside = Links::open_in(&namespace)?;
    up_by_name(&inside, "lo").await?;
    let uplink = up_by_name(&inside, UPLINK).await?;
    for address in addresses {
        inside.add_address_nodad(uplink, *address).await?;
    }
    Ok(namespace)
}

async fn up_by_name(links: &Links, name: &str) -> anyhow::Result<u32> {
    let index = links.require(name).await?.index;
    links.set_up(index).await?;
    Ok(index)
}

/// Makes a pod's namespace, with nothing in it but loopback: the rest is the plugin's.
pub(crate) async fn prepare(pod: &Pod) -> anyhow::Result<()> {
    let namespace = netns::create(&pod.netns)?;
    up_by_name(&Links::open_in(&namespace)?, "lo").await?;
    Ok(())
}

/// The names of the links in a namespace.
pub(crate) async fn links(netns: &Path) -> anyhow::Result<Vec<String>> {
    let links = Links::open_in(&NetNs::open(netns)?)?.list().await?;
    Ok(links.into_iter().map(|link| link.name).collect())
}
