//! `Node`: one host.

use alloc::collections::BTreeSet;
use core::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::field::FieldError;
use super::text::{self, AsNumber};
use super::{Kind, Metadata, Unknown};

/// `spec` of a `Node`; its labels are those of its metadata.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/node.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct NodeSpec {
    /// Addresses for peering and routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp: Option<NodeBgp>,
    /// Every address of the host.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<NodeAddress>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// `spec.bgp` of a `Node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct NodeBgp {
    /// The host's AS, where it differs from the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<AsNumber>,
    /// The host's IPv4 address with the length of its subnet; a bare address is a /32.
    #[serde(default, with = "text::optional_cidr", skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<IpNet>,
    /// The host's IPv6 address with the length of its subnet; a bare address is a /128.
    #[serde(default, with = "text::optional_cidr", skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<IpNet>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One of `spec.addresses` of a `Node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct NodeAddress {
    /// An address, or a CIDR.
    pub address: String,
    /// `InternalIP`, `ExternalIP`, `CalicoNodeIP`, or another word.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl NodeSpec {
    /// Every address of the host, those for peering first; none twice. Those that cannot be read are left out.
    pub fn every_address(&self) -> impl Iterator<Item = IpAddr> {
        let bgp = self.bgp.iter().flat_map(|bgp| [bgp.ipv4_address, bgp.ipv6_address]).flatten();
        let others = self.addresses.iter().filter_map(|it| text::parse_cidr_or_ip(&it.address).ok());
        let mut seen = BTreeSet::new();
        bgp.chain(others).map(|net| net.addr().to_canonical()).filter(move |address| seen.insert(*address))
    }
}

impl Kind for NodeSpec {
    const KIND: &'static str = "Node";
    const PLURAL: &'static str = "nodes";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(bgp) = &self.bgp {
            if matches!(bgp.ipv4_address, Some(IpNet::V6(_))) {
                errors.push(FieldError::new("spec.bgp.ipv4Address", "not an IPv4 address"));
            }
            if matches!(bgp.ipv6_address, Some(IpNet::V4(_))) {
                errors.push(FieldError::new("spec.bgp.ipv6Address", "not an IPv6 address"));
            }
            if bgp.ipv4_address.is_none() && bgp.ipv6_address.is_none() {
                let message = "missing: `bgp` needs an ipv4Address or an ipv6Address";
                errors.push(FieldError::new("spec.bgp.ipv4Address", message));
            }
        }
        for (index, address) in self.addresses.iter().enumerate() {
            if let Err(message) = text::parse_cidr_or_ip(&address.address) {
                errors.push(FieldError::new(format!("spec.addresses[{index}].address"), message));
            }
        }
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().map(|name| format!("spec.{name}")).collect();
        let bgp = self.bgp.iter().flat_map(|bgp| bgp.unknown.keys());
        fields.extend(bgp.map(|name| format!("spec.bgp.{name}")));
        for (index, address) in self.addresses.iter().enumerate() {
            fields.extend(address.unknown.keys().map(|name| format!("spec.addresses[{index}].{name}")));
        }
        fields
    }
}
