//! `BGPConfiguration` and `BGPPeer`.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::field::{FieldError, check_selector};
use super::text::{self, AsNumber, words};
use super::{Kind, Metadata, Unknown};

words! {
    /// Which pools' routes to other hosts the BGP side writes into the kernel.
    ///
    /// An unknown word behaves like the default.
    #[derive(Default)]
    ProgramClusterRoutes {
        /// None.
        Disabled = "Disabled",
        /// Those of pools with IP-in-IP.
        EnabledIpipOnly = "EnabledIPIPOnly",
        /// Those of pools without encapsulation.
        #[default]
        EnabledNoEncapOnly = "EnabledNoEncapOnly",
        /// All.
        Enabled = "Enabled",
    }
}

/// `spec` of a `BGPConfiguration`; the object named `default` holds for all hosts.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/bgpconfig.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct BgpConfigurationSpec {
    /// The AS of hosts that name none; [`BgpConfigurationSpec::as_number`] supplies 64512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<AsNumber>,
    /// Whether every host peers with every other; `None` means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_to_node_mesh_enabled: Option<bool>,
    /// The TCP port to listen on; `None` means 179.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// `None` means `EnabledNoEncapOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_cluster_routes: Option<ProgramClusterRoutes>,
    /// Metric of IPv4 routes to local workloads; `None` means 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_normal_route_priority: Option<u32>,
    /// Metric of IPv6 routes to local workloads; `None` means 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_normal_route_priority: Option<u32>,
    /// Where addresses of services inside of the cluster are from.
    #[serde(
        default,
        rename = "serviceClusterIPs",
        deserialize_with = "text::null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub service_cluster_ips: Vec<ServiceBlock>,
    /// Where external addresses of services are from.
    #[serde(
        default,
        rename = "serviceExternalIPs",
        deserialize_with = "text::null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub service_external_ips: Vec<ServiceBlock>,
    /// Where addresses of load balancers are from.
    #[serde(
        default,
        rename = "serviceLoadBalancerIPs",
        deserialize_with = "text::null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub service_load_balancer_ips: Vec<ServiceBlock>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Addresses of services: one entry of `serviceClusterIPs`, `serviceExternalIPs` or `serviceLoadBalancerIPs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct ServiceBlock {
    /// A CIDR or an address, as it was written.
    #[serde(default, deserialize_with = "text::null_default")]
    pub cidr: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl BgpConfigurationSpec {
    /// The lists of addresses of services, by the field that each is in.
    fn service_lists(&self) -> [(&'static str, &[ServiceBlock]); 3] {
        [
            ("serviceClusterIPs", &self.service_cluster_ips),
            ("serviceExternalIPs", &self.service_external_ips),
            ("serviceLoadBalancerIPs", &self.service_load_balancer_ips),
        ]
    }

    /// The addresses of services, of every kind, each or what is wrong with it: one that cannot be read does not undo the
    /// others.
    pub fn services(&self) -> impl Iterator<Item = Result<IpNet, FieldError>> {
        self.service_lists().into_iter().flat_map(|(field, blocks)| {
            blocks.iter().enumerate().map(move |(index, block)| {
                let wrong = |message| FieldError::new(format!("spec.{field}[{index}].cidr"), message);
                text::parse_cidr_or_ip(&block.cidr).map(|net| net.trunc()).map_err(wrong)
            })
        })
    }

    /// The AS of hosts that name none.
    pub fn as_number(&self) -> AsNumber {
        self.as_number.unwrap_or(AsNumber(64512))
    }

    /// Whether every host peers with every other.
    pub fn mesh_enabled(&self) -> bool {
        self.node_to_node_mesh_enabled.unwrap_or(true)
    }

    /// The TCP port that hosts listen on and connect to.
    pub fn listen_port(&self) -> u16 {
        self.listen_port.unwrap_or(179)
    }

    /// Which routes the BGP side writes; an unknown word is the default.
    pub fn program_cluster_routes(&self) -> ProgramClusterRoutes {
        match &self.program_cluster_routes {
            Some(ProgramClusterRoutes::Other(_)) | None => ProgramClusterRoutes::default(),
            Some(known) => known.clone(),
        }
    }

    /// Metrics of routes to local workloads: IPv4, IPv6.
    pub fn route_priorities(&self) -> (u32, u32) {
        (self.ipv4_normal_route_priority.unwrap_or(1024), self.ipv6_normal_route_priority.unwrap_or(1024))
    }
}

impl Kind for BgpConfigurationSpec {
    const KIND: &'static str = "BGPConfiguration";
    const PLURAL: &'static str = "bgpconfigurations";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.listen_port == Some(0) {
            errors.push(FieldError::new("spec.listenPort", "0 is not between 1 and 65535"));
        }
        if let Some(word) = &self.program_cluster_routes {
            word.check("spec.programClusterRoutes", &mut errors);
        }
        errors.extend(self.services().filter_map(Result::err));
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().map(|name| format!("spec.{name}")).collect();
        for (field, blocks) in self.service_lists() {
            for (index, block) in blocks.iter().enumerate() {
                fields.extend(block.unknown.keys().map(|name| format!("spec.{field}[{index}].{name}")));
            }
        }
        fields
    }
}

/// A peer's address, with a port if it does not listen on 179: `ip`, `v4:port` or `[v6]:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(clippy::exhaustive_structs, reason = "an address with a spelling")]
pub struct PeerAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port, where one is written.
    pub port: Option<u16>,
}

impl FromStr for PeerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { ip, port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(socket) if socket.port() != 0 => Ok(Self { ip: socket.ip(), port: Some(socket.port()) }),
            _ => Err(format!("`{text}` is not an address, nor `v4:port` or `[v6]:port`")),
        }
    }
}

impl TryFrom<String> for PeerAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PeerAddress> for String {
    fn from(address: PeerAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// `spec` of a `BGPPeer`: which hosts (`node` or `nodeSelector`, neither means all) peer with whom
/// (`peerIP` and `asNumber`, or other hosts by `peerSelector`).
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/bgppeer.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct BgpPeerSpec {
    /// The one host that peers; empty means those of `node_selector`.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The hosts that peer; empty (with an empty `node`) means all.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub node_selector: String,
    /// The peer's address.
    #[serde(default, rename = "peerIP", skip_serializing_if = "Option::is_none")]
    pub peer_ip: Option<PeerAddress>,
    /// The peer's AS; `None` means that of the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<AsNumber>,
    /// Hosts to peer with, instead of `peer_ip`.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub peer_selector: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Kind for BgpPeerSpec {
    const KIND: &'static str = "BGPPeer";
    const PLURAL: &'static str = "bgppeers";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut refuse = |path: &str, message: &str| errors.push(FieldError::new(path, message));
        if !self.node.is_empty() && !self.node_selector.is_empty() {
            refuse("spec.nodeSelector", "not allowed together with node");
        }
        match (&self.peer_ip, self.peer_selector.is_empty()) {
            (Some(_), false) => refuse("spec.peerSelector", "not allowed together with peerIP"),
            (None, true) => refuse("spec.peerIP", "missing: either peerIP or peerSelector says with whom"),
            _ => {}
        }
        if !self.peer_selector.is_empty() && self.as_number.is_some() {
            refuse("spec.asNumber", "not allowed together with peerSelector");
        }
        check_selector("spec.nodeSelector", &self.node_selector, &mut errors);
        check_selector("spec.peerSelector", &self.peer_selector, &mut errors);
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        self.unknown.keys().map(|name| format!("spec.{name}")).collect()
    }
}
