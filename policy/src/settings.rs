//! Choices about a host that are no policy, and that policy stands on.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::flow::{Flow, Transport};
use crate::key::Direction;
use crate::model::Protocol;

/// Which encapsulated packets workloads may send.
///
/// A host that decapsulates such a packet would take the inner one for that of another host, past all policy.
/// The default drops all of them; VXLAN is then known by UDP port 4789.
///
/// Source: calico@87c15906f2 felix/rules/endpoints.go, config `AllowVXLANPacketsFromWorkloads`,
/// `AllowIPIPPacketsFromWorkloads`, `VXLANPort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Encapsulation {
    /// Destination port of UDP that VXLAN uses here.
    pub vxlan_port: u16,
    /// Whether workloads may send UDP to that port, if policy allows.
    pub allow_vxlan: bool,
    /// Whether workloads may send IP protocol 4, if policy allows.
    pub allow_ipip: bool,
}

impl Default for Encapsulation {
    fn default() -> Self {
        Self { vxlan_port: 4789, allow_vxlan: false, allow_ipip: false }
    }
}

impl Encapsulation {
    /// Whether workloads may not send this, whatever policy says.
    #[must_use]
    pub const fn forbids(&self, flow: &Flow) -> bool {
        match flow.transport {
            Transport::Udp { destination_port, .. } => {
                !self.allow_vxlan && destination_port == self.vxlan_port
            }
            Transport::Other(number) => !self.allow_ipip && number == Protocol::IPIP,
            _ => false,
        }
    }
}

/// What becomes of a packet from a workload to its host that the workload's egress policy allows.
///
/// Source: calico@87c15906f2 felix config `DefaultEndpointToHostAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostAction {
    /// It is dropped.
    #[default]
    Drop,
    /// It is accepted.
    Accept,
    /// It is left to the policy of the host endpoint for all interfaces, if there is one, and then to other rules of the
    /// host.
    Return,
}

/// A port of a host that host policy never closes, so that nobody locks himself out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct FailsafePort {
    /// Number of the protocol: TCP, UDP or SCTP.
    pub protocol: u8,
    /// Destination port.
    pub port: u16,
    /// Where the packet comes from, or where it goes if the host sends it; anywhere if `None`.
    pub net: Option<IpNet>,
}

impl FailsafePort {
    const fn new(protocol: u8, port: u16) -> Self {
        Self { protocol, port, net: None }
    }

    /// Whether this is the port, and the peer one that it is open to.
    pub(crate) fn is_for(&self, protocol: u8, port: u16, peer: IpAddr) -> bool {
        self.protocol == protocol && self.port == port && self.net.is_none_or(|net| net.contains(&peer))
    }
}

/// Ports that host policy never closes. They are no exception for what is forwarded.
///
/// By default inbound TCP 22, 179, 2379, 2380, 5473, 6443, 6666, 6667 and UDP 68; outbound the same of TCP without 22, and
/// UDP 53 and 67.
///
/// Source: calico@87c15906f2 felix config `FailsafeInboundHostPorts`, `FailsafeOutboundHostPorts`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Failsafe {
    /// Ports that the host receives on.
    pub inbound: Vec<FailsafePort>,
    /// Ports of others that the host sends to.
    pub outbound: Vec<FailsafePort>,
}

impl Default for Failsafe {
    fn default() -> Self {
        let tcp = |ports: &[u16]| ports.iter().map(|port| FailsafePort::new(Protocol::TCP, *port)).collect();
        let (mut inbound, mut outbound): (Vec<_>, Vec<_>) = (
            tcp(&[22, 179, 2379, 2380, 5473, 6443, 6666, 6667]),
            tcp(&[179, 2379, 2380, 5473, 6443, 6666, 6667]),
        );
        inbound.push(FailsafePort::new(Protocol::UDP, 68));
        outbound.extend([53, 67].map(|port| FailsafePort::new(Protocol::UDP, port)));
        Self { inbound, outbound }
    }
}

impl Failsafe {
    /// The ports for packets to the host, or from it.
    #[must_use]
    pub fn ports(&self, direction: Direction) -> &[FailsafePort] {
        match direction {
            Direction::Ingress => &self.inbound,
            Direction::Egress => &self.outbound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// calico@87c15906f2 felix/config/config_params.go, `FailsafeInboundHostPorts` and `FailsafeOutboundHostPorts`.
    #[test]
    fn what_is_never_closed_by_default() {
        let ports = |direction| {
            let failsafe = Failsafe::default();
            let mut ports: Vec<_> =
                failsafe.ports(direction).iter().map(|it| (it.protocol, it.port)).collect();
            assert!(failsafe.ports(direction).iter().all(|it| it.net.is_none()));
            ports.sort_unstable();
            ports
        };
        let tcp = [179, 2379, 2380, 5473, 6443, 6666, 6667].map(|port| (6, port));
        let both = |first: &[(u8, u16)], last: &[(u8, u16)]| [first, tcp.as_slice(), last].concat();
        assert_eq!(ports(Direction::Ingress), both(&[(6, 22)], &[(17, 68)]));
        assert_eq!(ports(Direction::Egress), both(&[], &[(17, 53), (17, 67)]));
    }
}
