//! `IPPool`: a range that addresses are assigned from.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tortie_ipam::Versioned;
use tortie_ipam::keys::Key;

use super::field::{FieldError, check_selector};
use super::text::{self, words};
use super::{Kind, Metadata, Resource, ResourceKey, Unknown};

words! {
    /// When traffic of a pool is encapsulated.
    #[derive(Default)]
    EncapMode {
        /// Never.
        #[default]
        Never = "Never",
        /// Always.
        Always = "Always",
        /// Only between subnets.
        CrossSubnet = "CrossSubnet",
    }
}

words! {
    /// What addresses of a pool may serve for.
    AllowedUse {
        /// Pods and other workloads.
        Workload = "Workload",
        /// Tunnel devices of hosts.
        Tunnel = "Tunnel",
        /// Load balancer services.
        LoadBalancer = "LoadBalancer",
    }
}

words! {
    /// Whether addresses are assigned from a pool without being asked for by name.
    #[derive(Default)]
    AssignmentMode {
        /// Yes.
        #[default]
        Automatic = "Automatic",
        /// Only when a request names the pool.
        Manual = "Manual",
    }
}

/// `spec` of an `IPPool`.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/ippool.go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct IpPoolSpec {
    /// The range; immutable.
    #[serde(with = "text::cidr")]
    pub cidr: IpNet,
    /// Prefix length of the blocks; immutable; [`IpPoolSpec::block_size`] supplies the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u8>,
    /// Default `Never`.
    #[serde(default)]
    pub vxlan_mode: EncapMode,
    /// Default `Never`.
    #[serde(default)]
    pub ipip_mode: EncapMode,
    /// Whether traffic that leaves all pools is masqueraded. Default `false`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub nat_outgoing: bool,
    /// Whether no new address is assigned. Default `false`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub disabled: bool,
    /// Whether the pool's blocks are kept from BGP peers. Default `false`.
    #[serde(default, rename = "disableBGPExport", skip_serializing_if = "core::ops::Not::not")]
    pub disable_bgp_export: bool,
    /// Hosts that may own blocks. Default `all()`.
    #[serde(default = "all", deserialize_with = "all_if_empty")]
    pub node_selector: String,
    /// Namespaces whose workloads may have addresses; empty (the default) means any.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub namespace_selector: String,
    /// Empty means the default; see [`IpPoolSpec::allowed_uses`].
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "Vec::is_empty")]
    pub allowed_uses: Vec<AllowedUse>,
    /// Default `Automatic`.
    #[serde(default)]
    pub assignment_mode: AssignmentMode,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

fn all() -> String {
    "all()".to_owned()
}

fn all_if_empty<'de, D: serde::Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text: String = text::null_default(input)?;
    Ok(if text.is_empty() { all() } else { text })
}

impl IpPoolSpec {
    /// A pool with every other field at its default.
    pub fn new(cidr: IpNet) -> Self {
        Self {
            cidr,
            block_size: None,
            vxlan_mode: EncapMode::Never,
            ipip_mode: EncapMode::Never,
            nat_outgoing: false,
            disabled: false,
            disable_bgp_export: false,
            node_selector: all(),
            namespace_selector: String::new(),
            allowed_uses: Vec::new(),
            assignment_mode: AssignmentMode::Automatic,
            unknown: Unknown::new(),
        }
    }

    /// The prefix length of the pool's blocks: as given, else 26 for IPv4 and 122 for IPv6.
    pub fn block_size(&self) -> u8 {
        let default = if self.is_ipv4() { 26 } else { 122 };
        self.block_size.unwrap_or(default)
    }

    /// What the pool's addresses may serve for, with the default filled in: workloads and tunnels, or workloads alone
    /// where a `namespaceSelector` excludes tunnels.
    pub fn allowed_uses(&self) -> &[AllowedUse] {
        const DEFAULT: &[AllowedUse] = &[AllowedUse::Workload, AllowedUse::Tunnel];
        const OF_NAMESPACES: &[AllowedUse] = &[AllowedUse::Workload];
        match (self.allowed_uses.is_empty(), self.namespace_selector.is_empty()) {
            (false, _) => &self.allowed_uses,
            (true, true) => DEFAULT,
            (true, false) => OF_NAMESPACES,
        }
    }

    fn is_ipv4(&self) -> bool {
        matches!(self.cidr, IpNet::V4(_))
    }

    fn check_cidr(&self, errors: &mut Vec<FieldError>) {
        let cidr = self.cidr;
        if cidr != cidr.trunc() {
            let message = format!("{cidr} has host bits set; did you mean {}?", cidr.trunc());
            errors.push(FieldError::new("spec.cidr", message));
        }
        for link_local in ["169.254.0.0/16", "fe80::/10"] {
            if link_local.parse().is_ok_and(|other| overlap(&cidr, &other)) {
                errors.push(FieldError::new("spec.cidr", format!("{cidr} overlaps link-local {link_local}")));
            }
        }
        let (least, most) = if self.is_ipv4() { (20, 32) } else { (116, 128) };
        let block_size = self.block_size();
        if !(least..=most).contains(&block_size) {
            let message = format!("{block_size} is not between {least} and {most}");
            errors.push(FieldError::new("spec.blockSize", message));
        } else if cidr.prefix_len() > block_size && !self.disabled {
            let message = format!("{cidr} is smaller than one block (/{block_size})");
            errors.push(FieldError::new("spec.cidr", message));
        }
    }

    fn check_encapsulation(&self, errors: &mut Vec<FieldError>) {
        self.vxlan_mode.check("spec.vxlanMode", errors);
        self.ipip_mode.check("spec.ipipMode", errors);
        if self.ipip_mode != EncapMode::Never {
            if self.vxlan_mode != EncapMode::Never {
                errors.push(FieldError::new("spec.ipipMode", "IP-in-IP and VXLAN cannot both be enabled"));
            }
            if !self.is_ipv4() {
                errors.push(FieldError::new("spec.ipipMode", "IP-in-IP is for IPv4 pools only"));
            }
        }
    }

    fn check_uses(&self, errors: &mut Vec<FieldError>) {
        for (index, allowed) in self.allowed_uses.iter().enumerate() {
            allowed.check(&format!("spec.allowedUses[{index}]"), errors);
        }
        let uses = self.allowed_uses();
        let mut refuse = |path: &str, message: &str| errors.push(FieldError::new(path, message));
        if uses.contains(&AllowedUse::LoadBalancer) {
            if uses.contains(&AllowedUse::Workload) || uses.contains(&AllowedUse::Tunnel) {
                refuse("spec.allowedUses", "LoadBalancer cannot be combined with another use");
            }
            if self.vxlan_mode != EncapMode::Never || self.ipip_mode != EncapMode::Never {
                refuse("spec.allowedUses", "LoadBalancer cannot be combined with encapsulation");
            }
            if self.disable_bgp_export {
                refuse("spec.disableBGPExport", "must be false for a LoadBalancer pool");
            }
            if self.node_selector != "all()" {
                refuse("spec.nodeSelector", "must be all() for a LoadBalancer pool");
            }
        }
        if uses.contains(&AllowedUse::Tunnel) && !self.namespace_selector.is_empty() {
            refuse("spec.namespaceSelector", "not allowed for a pool with the use Tunnel");
        }
    }
}

/// Whether two ranges share an address.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

impl Kind for IpPoolSpec {
    const KIND: &'static str = "IPPool";
    const PLURAL: &'static str = "ippools";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check_cidr(&mut errors);
        self.check_encapsulation(&mut errors);
        self.assignment_mode.check("spec.assignmentMode", &mut errors);
        check_selector("spec.nodeSelector", &self.node_selector, &mut errors);
        check_selector("spec.namespaceSelector", &self.namespace_selector, &mut errors);
        self.check_uses(&mut errors);
        errors
    }

    fn validate_change(&self, new: &Self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.cidr != new.cidr {
            let message = format!("immutable: it is {}, and cannot become {}", self.cidr, new.cidr);
            errors.push(FieldError::new("spec.cidr", message));
        }
        if self.block_size() != new.block_size() {
            let message =
                format!("immutable: it is {}, and cannot become {}", self.block_size(), new.block_size());
            errors.push(FieldError::new("spec.blockSize", message));
        }
        let balances = |spec: &Self| spec.allowed_uses().contains(&AllowedUse::LoadBalancer);
        if balances(self) && !balances(new) {
            errors.push(FieldError::new("spec.allowedUses", "a LoadBalancer pool cannot change its use"));
        }
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        self.unknown.keys().map(|name| format!("spec.{name}")).collect()
    }

    const NEIGHBOURS: &'static [&'static str] =
        &["/calico/resources/v3/projectcalico.org/ippools/", tortie_ipam::keys::BLOCKS];

    fn validate_among(&self, metadata: &Metadata, neighbours: &[Versioned]) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for record in neighbours {
            let message = match (ResourceKey::parse(&record.key), Key::parse(&record.key)) {
                (Some(key), _) if key.name != metadata.name => {
                    // A pool that cannot be read owns no known range.
                    let Ok(other) = Resource::<Self>::decode(&record.value) else { continue };
                    let cidr = other.spec.cidr;
                    overlap(&self.cidr, &cidr).then(|| format!("overlaps pool `{}` ({cidr})", key.name))
                }
                (_, Some(Key::Block(block)))
                    if overlap(&self.cidr, &block) && block.prefix_len() != self.block_size() =>
                {
                    Some(format!("holds block {block}, which is not a /{}", self.block_size()))
                }
                _ => None,
            };
            errors.extend(message.map(|message| FieldError::new("spec.cidr", message)));
        }
        errors
    }

    fn complete(&mut self, _metadata: &mut Metadata) {
        self.block_size = Some(self.block_size());
        self.allowed_uses = self.allowed_uses().to_vec();
    }
}
