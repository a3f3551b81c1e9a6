//! `AdminNetworkPolicy` and `BaselineAdminNetworkPolicy` of policy.networking.k8s.io/v1alpha1.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cluster::{ADMIN_TIER, BASELINE_TIER, Cluster, ClusterEgressRule, ClusterIngressRule, Dialect};
use super::draft::exactly_one;
use super::peer::Subject;
use super::port::{Item, Layer4, Ports};
use crate::convert::Converted;
use crate::convert::check::{Check, Path};
use crate::error::FieldError;
use crate::key::{PolicyKey, PolicyKind};
use crate::model::Unknown;
use crate::model::value::null_as_default;
use crate::policy::Policy;

/// Spec of an `AdminNetworkPolicy`: like a [`ClusterNetworkPolicySpec`](super::ClusterNetworkPolicySpec) of tier `Admin`.
///
/// Source: Kubernetes network policy API, apis/v1alpha1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct AdminNetworkPolicySpec {
    /// From 0 to 1000; lower ones come first.
    #[serde(default)]
    pub priority: i64,
    /// Pods that this governs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub subject: Subject,
    /// Rules for packets to the pods, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<ClusterIngressRule>,
    /// Rules for packets from the pods, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<ClusterEgressRule>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Spec of the `BaselineAdminNetworkPolicy`: like a [`ClusterNetworkPolicySpec`](super::ClusterNetworkPolicySpec) of tier
/// `Baseline` that comes last in it and does not pass.
///
/// Source: Kubernetes network policy API, apis/v1alpha1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct BaselineAdminNetworkPolicySpec {
    /// Pods that this governs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub subject: Subject,
    /// Rules for packets to the pods, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<ClusterIngressRule>,
    /// Rules for packets from the pods, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<ClusterEgressRule>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports of the receiver; one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct AdminNetworkPolicyPort {
    /// One port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_number: Option<ProtocolPort>,
    /// What the receiving pod calls its port, of whichever protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_port: Option<String>,
    /// From one port to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range: Option<ProtocolPortRange>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One port of a protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ProtocolPort {
    /// `TCP`, `UDP` or `SCTP`; `TCP` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// From 1 to 65535.
    pub port: i64,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports of a protocol from one to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ProtocolPortRange {
    /// `TCP`, `UDP` or `SCTP`; `TCP` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The first, from 1 to 65535.
    pub start: i64,
    /// The last, from 1 to 65535.
    pub end: i64,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl AdminNetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        self.convert(&Arc::new(PolicyKey::of_kind(PolicyKind::KubernetesAdminNetworkPolicy, None, "unnamed")))
            .errors
    }

    pub(crate) fn convert(&self, key: &Arc<PolicyKey>) -> Converted<Policy> {
        let dialect = Dialect { accept: "Allow", actions: "Allow, Deny or Pass", passes: true, ports: true };
        let cluster = Cluster {
            dialect,
            tier: ADMIN_TIER,
            priority: Some(self.priority),
            subject: &self.subject,
            ingress: &self.ingress,
            egress: &self.egress,
            unknown: &self.unknown,
        };
        cluster.convert(Check::unbounded(), key)
    }
}

impl BaselineAdminNetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        self.convert(&Arc::new(PolicyKey::of_kind(
            PolicyKind::KubernetesBaselineAdminNetworkPolicy,
            None,
            "unnamed",
        )))
        .errors
    }

    pub(crate) fn convert(&self, key: &Arc<PolicyKey>) -> Converted<Policy> {
        let dialect = Dialect { accept: "Allow", actions: "Allow or Deny", passes: false, ports: true };
        let cluster = Cluster {
            dialect,
            tier: BASELINE_TIER,
            priority: None,
            subject: &self.subject,
            ingress: &self.ingress,
            egress: &self.egress,
            unknown: &self.unknown,
        };
        cluster.convert(Check::unbounded(), key)
    }
}

impl AdminNetworkPolicyPort {
    pub(super) fn convert(&self, check: &mut Check, path: &Path<'_>, out: &mut Ports) {
        check.unknown(path, &self.unknown);
        let Self { port_number, named_port, port_range, .. } = self;
        let fields = [
            ("portNumber", port_number.is_some()),
            ("namedPort", named_port.is_some()),
            ("portRange", port_range.is_some()),
        ];
        if !exactly_one(check, path, &fields, "portNumber, namedPort or portRange") {
            return;
        }
        let mut found = None;
        if let Some(port) = port_number {
            let path = path.field("portNumber");
            check.unknown(&path, &port.unknown);
            let protocol = Layer4::of(check, &path.field("protocol"), port.protocol.as_ref());
            found = protocol.zip(Item::number(check, &path.field("port"), port.port));
        }
        if let Some(name) = named_port {
            found = Item::named(check, &path.field("namedPort"), name).map(|item| (Layer4::Any, item));
        }
        if let Some(range) = port_range {
            let path = path.field("portRange");
            check.unknown(&path, &range.unknown);
            let protocol = Layer4::of(check, &path.field("protocol"), range.protocol.as_ref());
            found = protocol.zip(Item::range(check, &path, ["start", "end"], [range.start, range.end]));
        }
        if let Some((protocol, item)) = found {
            out.insert(protocol, item);
        }
    }
}
