//! The kinds that the tool knows.

use core::fmt;

use serde_json::Value;
use tortie_datastore::resource::API_VERSION;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    IpPool,
    IpReservation,
    BgpConfiguration,
    BgpPeer,
    FelixConfiguration,
    ClusterInformation,
    Node,
    Namespace,
    ServiceAccount,
    Service,
    EndpointSlice,
    Profile,
    Tier,
    HostEndpoint,
    GlobalNetworkPolicy,
    NetworkPolicy,
    GlobalNetworkSet,
    NetworkSet,
    StagedGlobalNetworkPolicy,
    StagedNetworkPolicy,
    /// A draft of a `NetworkPolicy` of Kubernetes.
    StagedKubernetesNetworkPolicy,
    /// A `NetworkPolicy` of Kubernetes.
    KubernetesNetworkPolicy,
    ClusterNetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    WorkloadEndpoint,
}

/// A column of a table: its head, and where in an object its text is.
pub(crate) type Column = (&'static str, fn(&Value) -> String);

/// Runs code with the type of a kind's spec; namespaces and service accounts are profiles.
macro_rules! with_spec {
    ($kind:expr, $spec:ident => $body:expr) => {
        match $kind {
            $crate::kind::Kind::IpPool => {
                type $spec = tortie_datastore::resource::IpPoolSpec;
                $body
            }
            $crate::kind::Kind::IpReservation => {
                type $spec = tortie_datastore::resource::IpReservationSpec;
                $body
            }
            $crate::kind::Kind::BgpConfiguration => {
                type $spec = tortie_datastore::resource::BgpConfigurationSpec;
                $body
            }
            $crate::kind::Kind::BgpPeer => {
                type $spec = tortie_datastore::resource::BgpPeerSpec;
                $body
            }
            $crate::kind::Kind::FelixConfiguration => {
                type $spec = tortie_datastore::resource::FelixConfigurationSpec;
                $body
            }
            $crate::kind::Kind::ClusterInformation => {
                type $spec = tortie_datastore::resource::ClusterInformationSpec;
                $body
            }
            $crate::kind::Kind::Service => {
                type $spec = tortie_datastore::resource::ServiceSpec;
                $body
            }
            $crate::kind::Kind::EndpointSlice => {
                type $spec = tortie_datastore::resource::EndpointSliceBody;
                $body
            }
            $crate::kind::Kind::Node => {
                type $spec = tortie_datastore::resource::NodeSpec;
                $body
            }
            $crate::kind::Kind::Namespace
            | $crate::kind::Kind::ServiceAccount
            | $crate::kind::Kind::Profile => {
                type $spec = tortie_datastore::resource::ProfileSpec;
                $body
            }
            $crate::kind::Kind::GlobalNetworkPolicy => {
                type $spec = tortie_datastore::resource::GlobalNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::NetworkPolicy => {
                type $spec = tortie_datastore::resource::NetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::GlobalNetworkSet => {
                type $spec = tortie_datastore::resource::GlobalNetworkSetSpec;
                $body
            }
            $crate::kind::Kind::Tier => {
                type $spec = tortie_datastore::resource::TierSpec;
                $body
            }
            $crate::kind::Kind::HostEndpoint => {
                type $spec = tortie_datastore::resource::HostEndpointSpec;
                $body
            }
            $crate::kind::Kind::NetworkSet => {
                type $spec = tortie_datastore::resource::NetworkSetSpec;
                $body
            }
            $crate::kind::Kind::StagedGlobalNetworkPolicy => {
                type $spec = tortie_datastore::resource::StagedGlobalNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::StagedNetworkPolicy => {
                type $spec = tortie_datastore::resource::StagedNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::StagedKubernetesNetworkPolicy => {
                type $spec = tortie_datastore::resource::kubernetes::StagedKubernetesNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::KubernetesNetworkPolicy => {
                type $spec = tortie_datastore::resource::kubernetes::NetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::ClusterNetworkPolicy => {
                type $spec = tortie_datastore::resource::kubernetes::ClusterNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::AdminNetworkPolicy => {
                type $spec = tortie_datastore::resource::kubernetes::AdminNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::BaselineAdminNetworkPolicy => {
                type $spec = tortie_datastore::resource::kubernetes::BaselineAdminNetworkPolicySpec;
                $body
            }
            $crate::kind::Kind::WorkloadEndpoint => {
                type $spec = tortie_datastore::resource::WorkloadEndpointSpec;
                $body
            }
        }
    };
}
pub(crate) use with_spec;

impl Kind {
    pub(crate) const ALL: [Self; 26] = [
        Self::IpPool,
        Self::IpReservation,
        Self::BgpConfiguration,
        Self::BgpPeer,
        Self::FelixConfiguration,
        Self::ClusterInformation,
        Self::Node,
        Self::Namespace,
        Self::ServiceAccount,
        Self::Service,
        Self::EndpointSlice,
        Self::Profile,
        Self::Tier,
        Self::HostEndpoint,
        Self::GlobalNetworkPolicy,
        Self::NetworkPolicy,
        Self::GlobalNetworkSet,
        Self::NetworkSet,
        Self::StagedGlobalNetworkPolicy,
        Self::StagedNetworkPolicy,
        Self::StagedKubernetesNetworkPolicy,
        Self::KubernetesNetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
        Self::WorkloadEndpoint,
    ];

    /// The kind as manifests write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::IpPool => "IPPool",
            Self::IpReservation => "IPReservation",
            Self::BgpConfiguration => "BGPConfiguration",
            Self::BgpPeer => "BGPPeer",
            Self::FelixConfiguration => "FelixConfiguration",
            Self::ClusterInformation => "ClusterInformation",
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Profile => "Profile",
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::GlobalNetworkSet => "GlobalNetworkSet",
            Self::Tier => "Tier",
            Self::HostEndpoint => "HostEndpoint",
            Self::NetworkSet => "NetworkSet",
            Self::StagedGlobalNetworkPolicy => "StagedGlobalNetworkPolicy",
            Self::StagedNetworkPolicy => "StagedNetworkPolicy",
            Self::StagedKubernetesNetworkPolicy => "StagedKubernetesNetworkPolicy",
            Self::KubernetesNetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::WorkloadEndpoint => "WorkloadEndpoint",
        }
    }

    /// The kind as the command line and messages write it: like no other.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::KubernetesNetworkPolicy => "KubernetesNetworkPolicy",
            _ => self.as_str(),
        }
    }

    /// The `apiVersion` that goes with it.
    pub(crate) const fn api_version(self) -> &'static str {
        match self {
            Self::Namespace | Self::ServiceAccount | Self::Service => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::KubernetesNetworkPolicy => "networking.k8s.io/v1",
            Self::ClusterNetworkPolicy => "policy.networking.k8s.io/v1alpha2",
            Self::AdminNetworkPolicy | Self::BaselineAdminNetworkPolicy => {
                "policy.networking.k8s.io/v1alpha1"
            }
            _ => API_VERSION,
        }
    }

    /// Whether objects of the kind live in a namespace.
    pub(crate) const fn namespaced(self) -> bool {
        matches!(
            self,
            Self::NetworkPolicy
                | Self::ServiceAccount
                | Self::Service
                | Self::EndpointSlice
                | Self::NetworkSet
                | Self::StagedNetworkPolicy
                | Self::StagedKubernetesNetworkPolicy
                | Self::KubernetesNetworkPolicy
                | Self::WorkloadEndpoint
        )
    }

    /// Whether manifests may hold it; workload endpoints are made by the CNI plugin alone.
    pub(crate) const fn in_manifests(self) -> bool {
        !matches!(self, Self::WorkloadEndpoint)
    }

    /// Short names, besides the kind and its plural in any case.
    ///
    /// Source: calico@87c15906f2 calicoctl/calicoctl/resourcemgr.
    const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::IpPool => &["pool", "pools", "ipp", "ipps"],
            Self::IpReservation => &["ipr", "iprs", "reservation", "reservations"],
            Self::BgpConfiguration => &["bgpconfig", "bgpconfigs"],
            Self::BgpPeer => &["bgpp", "bgpps", "bp", "bps"],
            Self::FelixConfiguration => &["felixconfig", "felixconfigs"],
            Self::ClusterInformation => &["clusterinfo", "clusterinfos"],
            Self::Node => &["no", "nos"],
            Self::Namespace => &["ns"],
            Self::ServiceAccount => &["sa", "sas"],
            Self::Service => &["svc", "svcs"],
            Self::EndpointSlice => &[],
            Self::Profile => &["pro", "pros"],
            Self::GlobalNetworkPolicy => &["gnp", "gnps"],
            Self::NetworkPolicy => &["np", "nps", "policy", "policies", "pol", "pols"],
            Self::GlobalNetworkSet => &["gnetset", "gnetsets"],
            Self::Tier => &[],
            Self::HostEndpoint => &["hep", "heps"],
            Self::NetworkSet => &["netset", "netsets"],
            Self::StagedGlobalNetworkPolicy => &["sgnp", "sgnps"],
            Self::StagedNetworkPolicy => &["snp", "snps"],
            Self::StagedKubernetesNetworkPolicy => &["sknp", "sknps"],
            Self::KubernetesNetworkPolicy => &["knp", "knps"],
            Self::ClusterNetworkPolicy => &["cnp", "cnps"],
            Self::AdminNetworkPolicy => &["anp", "anps"],
            Self::BaselineAdminNetworkPolicy => &["banp", "banps"],
            Self::WorkloadEndpoint => &["wep", "weps"],
        }
    }

    /// The kind that a word of the command line means.
    pub(crate) fn from_word(word: &str) -> Result<Self, String> {
        let word = word.to_ascii_lowercase();
        let plural = |singular: &str| match singular.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{singular}s"),
        };
        let meant = |kind: &&Self| {
            let name = kind.word().to_ascii_lowercase();
            kind.aliases().contains(&word.as_str()) || plural(&name) == word || name == word
        };
        Self::ALL.iter().find(meant).copied().ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.word()).collect();
            format!("no such kind; known are {}", known.join(", "))
        })
    }

    /// What a table shows of each object.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::IpPool => &[
                NAME,
                ("CIDR", |o| text(o, "/spec/cidr")),
                ("BLOCKSIZE", |o| text(o, "/spec/blockSize")),
                ("NAT", |o| flag(o, "/spec/natOutgoing")),
                ("DISABLED", |o| flag(o, "/spec/disabled")),
                ("NODES", |o| text(o, "/spec/nodeSelector")),
                ("NAMESPACES", |o| or(text(o, "/spec/namespaceSelector"), "all()")),
            ],
            Self::IpReservation => &[NAME, ("RESERVED", |o| text(o, "/spec/reservedCIDRs"))],
            Self::BgpConfiguration => &[
                NAME,
                ("MESH", |o| or(text(o, "/spec/nodeToNodeMeshEnabled"), "true")),
                ("ASNUMBER", |o| or(text(o, "/spec/asNumber"), "64512")),
                ("PORT", |o| or(text(o, "/spec/listenPort"), "179")),
            ],
            Self::BgpPeer => &[
                NAME,
                ("PEER", |o| or(text(o, "/spec/peerIP"), &text(o, "/spec/peerSelector"))),
                ("ASNUMBER", |o| text(o, "/spec/asNumber")),
                ("NODES", |o| or(or(text(o, "/spec/node"), &text(o, "/spec/nodeSelector")), "all()")),
            ],
            Self::Node => &[
                NAME,
                ("ASNUMBER", |o| text(o, "/spec/bgp/asNumber")),
                ("IPV4", |o| text(o, "/spec/bgp/ipv4Address")),
                ("IPV6", |o| text(o, "/spec/bgp/ipv6Address")),
                LABELS,
            ],
            Self::FelixConfiguration => &[
                NAME,
                ("TOHOST", |o| or(text(o, "/spec/defaultEndpointToHostAction"), "Drop")),
                ("SERVICELOOP", |o| or(text(o, "/spec/serviceLoopPrevention"), "Drop")),
                ("NATPORTS", |o| text(o, "/spec/natPortRange")),
                ("PREFIX", |o| or(text(o, "/spec/interfacePrefix"), "cali")),
            ],
            Self::ClusterInformation => &[NAME, ("GUID", |o| text(o, "/spec/clusterGUID"))],
            Self::Namespace => &[NAME, LABELS],
            Self::ServiceAccount => &[NAMESPACE, NAME, LABELS],
            Self::Service => &[
                NAMESPACE,
                NAME,
                ("TYPE", |o| or(text(o, "/spec/type"), "ClusterIP")),
                ("CLUSTERIP", |o| text(o, "/spec/clusterIP")),
                ("PORTS", |o| each(o, "/spec/ports", "/port")),
            ],
            Self::EndpointSlice => &[
                NAMESPACE,
                NAME,
                ("SERVICE", |o| text(o, "/metadata/labels/kubernetes.io~1service-name")),
                ("PORTS", |o| each(o, "/ports", "/port")),
                ("ADDRESSES", |o| each(o, "/endpoints", "/addresses")),
            ],
            Self::Profile => &[NAME, ("LABELS", |o| text(o, "/spec/labelsToApply"))],
            Self::Tier => &[NAME, ORDER, ("DEFAULT", |o| or(text(o, "/spec/defaultAction"), "Deny"))],
            Self::HostEndpoint => &[
                NAME,
                ("NODE", |o| text(o, "/spec/node")),
                ("INTERFACE", |o| text(o, "/spec/interfaceName")),
                ("IPS", |o| text(o, "/spec/expectedIPs")),
                LABELS,
            ],
            Self::GlobalNetworkPolicy => &[NAME, TIER, ORDER, SELECTOR, TYPES],
            Self::NetworkPolicy => &[NAMESPACE, NAME, TIER, ORDER, SELECTOR, TYPES],
            Self::GlobalNetworkSet => &[NAME, NETS, LABELS],
            Self::NetworkSet => &[NAMESPACE, NAME, NETS, LABELS],
            Self::StagedGlobalNetworkPolicy => &[NAME, STAGED, TIER, ORDER, SELECTOR, TYPES],
            Self::StagedNetworkPolicy => &[NAMESPACE, NAME, STAGED, TIER, ORDER, SELECTOR, TYPES],
            Self::StagedKubernetesNetworkPolicy => {
                &[NAMESPACE, NAME, STAGED, ("PODS", |o| text(o, "/spec/podSelector"))]
            }
            Self::KubernetesNetworkPolicy => &[
                NAMESPACE,
                NAME,
                ("PODS", |o| text(o, "/spec/podSelector")),
                ("TYPES", |o| text(o, "/spec/policyTypes")),
            ],
            Self::ClusterNetworkPolicy => &[NAME, ("TIER", |o| text(o, "/spec/tier")), PRIORITY],
            Self::AdminNetworkPolicy => &[NAME, PRIORITY],
            Self::BaselineAdminNetworkPolicy => &[NAME],
            Self::WorkloadEndpoint => &[
                NAMESPACE,
                ("WORKLOAD", |o| or(text(o, "/spec/pod"), &text(o, "/spec/containerID"))),
                ("NODE", |o| text(o, "/spec/node")),
                ("NETWORKS", |o| text(o, "/spec/ipNetworks")),
                ("INTERFACE", |o| text(o, "/spec/interfaceName")),
                LABELS,
            ],
        }
    }
}

const NAME: Column = ("NAME", |o| text(o, "/metadata/name"));
const NAMESPACE: Column = ("NAMESPACE", |o| text(o, "/metadata/namespace"));
const LABELS: Column = ("LABELS", |o| text(o, "/metadata/labels"));
const TIER: Column = ("TIER", |o| or(text(o, "/spec/tier"), "default"));
const NETS: Column = ("NETS", |o| text(o, "/spec/nets"));
const STAGED: Column = ("ACTION", |o| or(text(o, "/spec/stagedAction"), "Set"));
const ORDER: Column = ("ORDER", |o| text(o, "/spec/order"));
const SELECTOR: Column = ("SELECTOR", |o| or(text(o, "/spec/selector"), "all()"));
const PRIORITY: Column = ("PRIORITY", |o| text(o, "/spec/priority"));
const TYPES: Column = ("TYPES", |o| text(o, "/spec/types"));

fn or(text: String, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text }
}

fn flag(object: &Value, pointer: &str) -> String {
    or(text(object, pointer), "false")
}

/// What stands there, in one cell.
fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).map(cell).unwrap_or_default()
}

/// What stands there in each item of a list.
fn each(object: &Value, list: &str, pointer: &str) -> String {
    let items = object.pointer(list).and_then(Value::as_array).into_iter().flatten();
    items.map(|item| text(item, pointer)).collect::<Vec<_>>().join(",")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| format!("{name}={}", cell(value)))
            .collect::<Vec<_>>()
            .join(","),
        // An order is a float, and mostly a whole number.
        other => other.to_string().trim_end_matches(".0").to_owned(),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_kinds() {
        for (word, kind) in [
            ("ippool", Kind::IpPool),
            ("IPPools", Kind::IpPool),
            ("pool", Kind::IpPool),
            ("ipp", Kind::IpPool),
            ("ipreservations", Kind::IpReservation),
            ("bgpp", Kind::BgpPeer),
            ("bp", Kind::BgpPeer),
            ("bgpconfig", Kind::BgpConfiguration),
            ("no", Kind::Node),
            ("felixconfig", Kind::FelixConfiguration),
            ("sa", Kind::ServiceAccount),
            ("svc", Kind::Service),
            ("endpointslices", Kind::EndpointSlice),
            ("ns", Kind::Namespace),
            ("namespaces", Kind::Namespace),
            ("pro", Kind::Profile),
            ("gnp", Kind::GlobalNetworkPolicy),
            ("globalnetworkpolicies", Kind::GlobalNetworkPolicy),
            ("np", Kind::NetworkPolicy),
            ("policy", Kind::NetworkPolicy),
            ("gnetsets", Kind::GlobalNetworkSet),
            ("knp", Kind::KubernetesNetworkPolicy),
            ("kubernetesnetworkpolicies", Kind::KubernetesNetworkPolicy),
            ("clusternetworkpolicy", Kind::ClusterNetworkPolicy),
            ("anp", Kind::AdminNetworkPolicy),
            ("banp", Kind::BaselineAdminNetworkPolicy),
            ("wep", Kind::WorkloadEndpoint),
        ] {
            assert_eq!(Kind::from_word(word), Ok(kind), "{word}");
        }
        assert!(Kind::from_word("pod").unwrap_err().contains("known are IPPool, "));
    }

    #[test]
    fn no_word_means_two_kinds() {
        let mut words: Vec<&str> = Kind::ALL.iter().flat_map(|kind| kind.aliases()).copied().collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
