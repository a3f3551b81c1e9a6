//! The route as its user wants it: interfaces by name, numbers as the kernel knows them.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::number::{Family, Kind, Protocol, Scope, Table};

/// Where a route sends its packets: out of an interface, to a gateway or to the destination itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct NextHop {
    /// The gateway; `None` means that the destination is on the link.
    pub via: Option<IpAddr>,
    /// The interface's name; its index is looked up, and looked up again whenever links change.
    pub interface: String,
    /// Trust that the gateway is on the link although no route says so.
    pub onlink: bool,
}

/// What makes a route one route in the kernel: within a table, destination and metric.
///
/// The type of service belongs to the kernel's key too; routes with another one than 0 are none of ours, and invisible
/// here. Keys order by table, destination, metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Key {
    /// The table.
    pub table: Table,
    /// The destination, host bits zero.
    pub destination: IpNet,
    /// The metric (priority); smaller wins. Never 0 for IPv6.
    pub metric: u32,
}

impl Key {
    /// A key in normal form: host bits cleared, an IPv6 metric of 0 written as the kernel reports it, 1024.
    #[must_use]
    pub fn new(table: Table, destination: IpNet, metric: u32) -> Self {
        Self { table, destination: destination.trunc(), metric: normal_metric(&destination, metric) }
    }

    /// The destination's family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of_net(&self.destination)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} table {} metric {}", self.destination, self.table, self.metric)
    }
}

/// The kernel's own rule: `IP6_RT_PRIO_USER`.
const fn normal_metric(destination: &IpNet, metric: u32) -> u32 {
    match (destination, metric) {
        (IpNet::V6(_), 0) => 1024,
        (_, metric) => metric,
    }
}

/// A route that somebody wants in the kernel.
///
/// ```
/// use tortie_routes::{Protocol, Route};
///
/// let pod = Route::local("10.0.0.2".parse()?, "cali12").metric(1024);
/// let block = Route::blackhole("10.0.0.0/26".parse()?);
/// let remote = Route::via("10.0.1.0/26".parse()?, "192.0.2.7".parse()?, "eth0").onlink();
/// assert_eq!(pod.protocol, Protocol::BOOT);
/// assert_eq!(block.to_string(), "blackhole 10.0.0.0/26 proto 80");
/// assert_eq!(remote.to_string(), "10.0.1.0/26 via 192.0.2.7 dev eth0 proto 80 onlink");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Fields are public for reading and matching; the methods of the same names set them, and keep the normal form that
/// [`Route::canonical`] describes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Route {
    /// Which packets: host bits zero.
    pub destination: IpNet,
    /// The table; [`Table::MAIN`] unless set.
    pub table: Table,
    /// The metric (priority), smaller wins; for IPv6 the kernel's default is 1024, for IPv4 0.
    pub metric: u32,
    /// Who wrote it.
    pub protocol: Protocol,
    /// What it does.
    pub kind: Kind,
    /// How far the destination is; always [`Scope::UNIVERSE`] for IPv6.
    pub scope: Scope,
    /// Through which interface; `None` for blackhole and its like.
    pub next_hop: Option<NextHop>,
    /// The path MTU in octets, if it is to be lower than the interface's.
    pub mtu: Option<u32>,
    /// The source address that this host prefers towards the destination.
    pub preferred_source: Option<IpAddr>,
}

impl Route {
    fn new(destination: IpNet, kind: Kind, scope: Scope, next_hop: Option<NextHop>) -> Self {
        Self {
            destination,
            table: Table::MAIN,
            metric: 0,
            protocol: Protocol::AGENT,
            kind,
            scope,
            next_hop,
            mtu: None,
            preferred_source: None,
        }
        .canonical()
    }

    /// The route to one address of a workload on this host: on the link, protocol [`Protocol::BOOT`].
    #[must_use]
    pub fn local(address: IpAddr, interface: impl Into<String>) -> Self {
        Self::device(IpNet::from(address), interface).protocol(Protocol::BOOT)
    }

    /// A route to destinations on an interface's link, without a gateway.
    #[must_use]
    pub fn device(destination: IpNet, interface: impl Into<String>) -> Self {
        let hop = NextHop { via: None, interface: interface.into(), onlink: false };
        Self::new(destination, Kind::UNICAST, Scope::LINK, Some(hop))
    }

    /// A route through a gateway.
    #[must_use]
    pub fn via(destination: IpNet, gateway: IpAddr, interface: impl Into<String>) -> Self {
        let hop = NextHop { via: Some(gateway), interface: interface.into(), onlink: false };
        Self::new(destination, Kind::UNICAST, Scope::UNIVERSE, Some(hop))
    }

    /// Drops what no longer prefix matches, in silence.
    #[must_use]
    pub fn blackhole(destination: IpNet) -> Self {
        Self::new(destination, Kind::BLACKHOLE, Scope::UNIVERSE, None)
    }

    /// Refuses it: "administratively prohibited".
    #[must_use]
    pub fn prohibit(destination: IpNet) -> Self {
        Self::new(destination, Kind::PROHIBIT, Scope::UNIVERSE, None)
    }

    /// Refuses it: "host unreachable".
    #[must_use]
    pub fn unreachable(destination: IpNet) -> Self {
        Self::new(destination, Kind::UNREACHABLE, Scope::UNIVERSE, None)
    }

    /// Sends the search on to the next table.
    #[must_use]
    pub fn throw(destination: IpNet) -> Self {
        Self::new(destination, Kind::THROW, Scope::UNIVERSE, None)
    }

    /// In another table than main.
    #[must_use]
    pub const fn table(mut self, table: Table) -> Self {
        self.table = table;
        self
    }

    /// With this metric; an IPv6 metric of 0 becomes 1024, as in the kernel.
    #[must_use]
    pub const fn metric(mut self, metric: u32) -> Self {
        self.metric = normal_metric(&self.destination, metric);
        self
    }

    /// Written under this protocol.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// With this scope; ignored for IPv6.
    #[must_use]
    pub const fn scope(mut self, scope: Scope) -> Self {
        if matches!(self.destination, IpNet::V4(_)) {
            self.scope = scope;
        }
        self
    }

    /// The gateway is on the link, whatever other routes say. Nothing happens to a route without a next hop.
    #[must_use]
    pub fn onlink(mut self) -> Self {
        if let Some(hop) = &mut self.next_hop {
            hop.onlink = true;
        }
        self
    }

    /// With this path MTU, in octets.
    #[must_use]
    pub const fn mtu(mut self, octets: u32) -> Self {
        self.mtu = Some(octets);
        self
    }

    /// With this source address for the host's own packets.
    #[must_use]
    pub const fn preferred_source(mut self, address: IpAddr) -> Self {
        self.preferred_source = Some(address);
        self
    }

    /// What identifies the route in the kernel.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(self.table, self.destination, self.metric)
    }

    /// The destination's family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of_net(&self.destination)
    }

    /// The interface's name, if the route leaves through one.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.next_hop.as_ref().map(|hop| hop.interface.as_str())
    }

    /// The normal form, which the kernel would report: host bits zero, an IPv6 metric of 0 as 1024, IPv6 scope universe,
    /// no next hop on blackhole and its like. Constructors and setters keep it; whoever assigns fields may restore it.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.destination = self.destination.trunc();
        self.metric = normal_metric(&self.destination, self.metric);
        if self.family() == Family::V6 {
            self.scope = Scope::UNIVERSE;
        }
        if self.kind.is_without_next_hop() {
            self.next_hop = None;
        }
        self
    }
}

/// In the manner of `ip route`; defaults are left out.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != Kind::UNICAST {
            write!(f, "{} ", self.kind)?;
        }
        write!(f, "{}", self.destination)?;
        if let Some(hop) = &self.next_hop {
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
            write!(f, " dev {}", hop.interface)?;
        }
        if self.table != Table::MAIN {
            write!(f, " table {}", self.table)?;
        }
        write!(f, " proto {}", self.protocol)?;
        if self.scope == Scope::LINK {
            f.write_str(" scope link")?;
        }
        if let Some(source) = self.preferred_source {
            write!(f, " src {source}")?;
        }
        if self.metric != normal_metric(&self.destination, 0) {
            write!(f, " metric {}", self.metric)?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if self.next_hop.as_ref().is_some_and(|hop| hop.onlink) {
            f.write_str(" onlink")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn normal_form() {
        let v6 = Route::local("fd00::2".parse().unwrap(), "cali1");
        assert_eq!((v6.metric, v6.scope), (1024, Scope::UNIVERSE));
        assert_eq!(v6.clone().metric(0).metric, 1024);
        assert_eq!(v6.scope(Scope::LINK).scope, Scope::UNIVERSE);
        let mut hole = Route::blackhole("10.0.0.7/26".parse().unwrap());
        assert_eq!(hole.destination.to_string(), "10.0.0.0/26");
        hole.next_hop = Some(NextHop { via: None, interface: "eth0".into(), onlink: false });
        assert_eq!(hole.canonical().next_hop, None);
        assert_eq!(Table::new(0), Table::MAIN);
    }

    #[test]
    fn the_plugin_and_the_agent_write_different_ipv4_keys_and_one_ipv6_key() {
        for (address, same) in [("10.0.0.2", false), ("fd00::2", true)] {
            let plugin = Route::local(address.parse().unwrap(), "cali1");
            let agent = plugin.clone().metric(1024);
            assert_eq!(plugin.key() == agent.key(), same, "{address}");
        }
    }
}
