//! What the table does for the network around policy: sources are translated, and what no service takes does not loop.

use alloc::string::{String, ToString};
use core::net::IpAddr;

use ipnet::IpNet;

use super::OptionsError;
use crate::ipset::IpSet;
use crate::rule::{Family, PortRange};
use crate::set::{Members, NetworkSet};

/// Whose source addresses are translated, and which addresses of services may not loop; by default none.
///
/// What members of masqueraded pools send to anybody outside of all pools leaves under another source address: that of the
/// interface that it leaves by, with a port at random, unless an [`address`](Self::address) is said. What is forwarded to an
/// address of a service has not been translated to one of its endpoints, or it would go there: it is dropped, so that it does
/// not go to and fro between a host and its router.
///
/// Source: calico@87c15906f2 felix/dataplane/linux/masq_mgr.go, felix/rules/nat.go, felix/dataplane/linux/service_loop_mgr.go.
///
/// # Example
///
/// ```
/// use tortie_policy::nftables::{Network, Options, render};
/// use tortie_policy::Program;
///
/// let pools = ["10.0.0.0/16".parse()?, "fd00::/64".parse()?];
/// let network = Network::new().pools(pools).masqueraded(pools).services(["10.96.0.0/12".parse()?]);
/// let text = render(&Program::default(), &Options::default().network(network));
/// assert!(text.contains("masquerade fully-random"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pools: IpSet,
    masqueraded: IpSet,
    excluded: IpSet,
    services: IpSet,
    pub(super) service_loop: ServiceLoop,
    pub(super) source: Source,
}

/// What becomes of packets that are forwarded to an address of a service.
///
/// Source: calico@87c15906f2 felix config `ServiceLoopPrevention`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceLoop {
    /// They are dropped.
    #[default]
    Drop,
    /// They are dropped, and the sender is told that the port cannot be reached.
    Reject,
    /// They go on.
    Pass,
}

/// How sources are translated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// To which address of each family, if not to that of the interface.
    pub(super) addresses: [Option<IpAddr>; 2],
    /// To which ports of TCP and UDP.
    pub(super) ports: Option<PortRange>,
    /// Where the packet leaves: a name, or how names begin.
    pub(super) interface: Option<Interface>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    Named(String),
    Prefixed(String),
}

impl Network {
    /// One of which nothing is translated and nothing dropped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Prefixes of all pools of addresses, disabled ones too: what goes there keeps its source.
    #[must_use]
    pub fn pools(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.pools = IpSet::new(nets);
        self
    }

    /// Prefixes of the pools whose members' sources are translated (`natOutgoing`).
    #[must_use]
    pub fn masqueraded(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.masqueraded = IpSet::new(nets);
        self
    }

    /// Where else sources are kept, such as addresses of hosts (`natOutgoingExclusions`).
    #[must_use]
    pub fn excluded(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.excluded = IpSet::new(nets);
        self
    }

    /// The address that sources of its family are translated to (`natOutgoingAddress`).
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        let address = address.to_canonical();
        let [v4, v6] = &mut self.source.addresses;
        *(if address.is_ipv4() { v4 } else { v6 }) = Some(address);
        self
    }

    /// The ports that those of TCP and UDP are translated to, the last one included (`natPortRange`); by default any. A range
    /// that ends before it begins is one port.
    #[must_use]
    pub fn ports(mut self, ports: core::ops::RangeInclusive<u16>) -> Self {
        self.source.ports = Some(PortRange { min: *ports.start(), max: *ports.end().max(ports.start()) });
        self
    }

    /// The interface by which what is translated leaves; with a `+` at its end all whose names begin so
    /// (`natOutgoingInterfaceFilter`). By default any.
    ///
    /// # Errors
    ///
    /// [`OptionsError::Interface`]: not 1 to 15 of `[a-zA-Z0-9:._-]`, and perhaps a `+` at the end.
    pub fn interface(mut self, pattern: &str) -> Result<Self, OptionsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'.' | b'-');
        let (name, is_prefix) = pattern.strip_suffix('+').map_or((pattern, false), |name| (name, true));
        if !(1..=15).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(OptionsError::Interface);
        }
        let name = name.to_string();
        self.source.interface =
            Some(if is_prefix { Interface::Prefixed(name) } else { Interface::Named(name) });
        Ok(self)
    }

    /// Prefixes of addresses of services that are advertised, or that only this cluster knows.
    #[must_use]
    pub fn services(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.services = IpSet::new(nets);
        self
    }

    /// What becomes of packets that are forwarded to these.
    #[must_use]
    pub const fn service_loop(mut self, action: ServiceLoop) -> Self {
        self.service_loop = action;
        self
    }

    /// What is in a set.
    pub(super) const fn set(&self, set: NetworkSet) -> &IpSet {
        match set {
            NetworkSet::Pools => &self.pools,
            NetworkSet::Masqueraded => &self.masqueraded,
            NetworkSet::Excluded => &self.excluded,
            NetworkSet::Services => &self.services,
        }
    }

    /// The sets that rules speak of, with their members.
    pub(super) fn sets(&self) -> impl Iterator<Item = (NetworkSet, Members)> + '_ {
        let is_used = |set: &NetworkSet| Family::ALL.iter().any(|family| self.uses(*set, *family));
        NetworkSet::ALL
            .into_iter()
            .filter(is_used)
            .map(|set| (set, Members::Addresses(self.set(set).clone())))
    }

    /// Whether a rule of this family speaks of this set.
    pub(super) fn uses(&self, set: NetworkSet, family: Family) -> bool {
        let has = |set| self.set(set).len(family) > 0;
        match set {
            NetworkSet::Masqueraded | NetworkSet::Pools => has(NetworkSet::Masqueraded),
            NetworkSet::Excluded => has(NetworkSet::Masqueraded) && has(NetworkSet::Excluded),
            NetworkSet::Services => has(set) && self.service_loop != ServiceLoop::Pass,
        }
    }

    /// Whether the rules are the same, whatever the sets have.
    #[cfg(feature = "nft-wire")]
    pub(super) fn is_laid_as(&self, other: &Self) -> bool {
        let uses =
            |network: &Self| NetworkSet::ALL.map(|set| Family::ALL.map(|family| network.uses(set, family)));
        self.source == other.source && self.service_loop == other.service_loop && uses(self) == uses(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_a_plain_name_or_prefix() {
        let network =
            |pattern: &str| Network::new().interface(pattern).map(|network| network.source.interface);
        assert_eq!(network("eth0"), Ok(Some(Interface::Named("eth0".into()))));
        assert_eq!(network("eth+"), Ok(Some(Interface::Prefixed("eth".into()))));
        for pattern in ["", "+", "e\" accept", "sixteen-bytes-xx", "a+b", "a b", "a*"] {
            assert_eq!(network(pattern), Err(OptionsError::Interface), "{pattern}");
        }
    }
}
