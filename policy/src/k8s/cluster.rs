//! Policies of clusters: `ClusterNetworkPolicy`, and the two kinds that went before it.
//!
//! The kinds differ in words alone; here they are one.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::admin::AdminNetworkPolicyPort;
use super::draft::{Draft, Rules, exactly_one};
use super::labels::LabelSelector;
use super::peer::{ClusterPeer, Subject, of_pods, peers};
use super::port::Ports;
use super::protocol::ClusterProtocol;
use crate::convert::check::{Check, Path};
use crate::convert::{Converted, SPEC};
use crate::error::{FieldError, FieldErrorKind};
use crate::key::{PolicyKey, PolicyKind};
use crate::model::value::null_as_default;
use crate::model::{Action, EntityRule, PolicyType, Rule, Unknown};
use crate::policy::Policy;

/// Tier of policies that come before those of namespaces.
pub(super) const ADMIN_TIER: &str = "kube-admin";
/// Tier of policies that come after those of namespaces.
pub(super) const BASELINE_TIER: &str = "kube-baseline";
/// The last priority.
const MAX_PRIORITY: i64 = 1000;

/// Spec of a `ClusterNetworkPolicy` of policy.networking.k8s.io/v1alpha2.
///
/// A rule with a fault, or with a criterion that this version does not know, matches nothing if it accepts, and denies
/// everything if it does not.
///
/// # Example
///
/// ```
/// use tortie_policy::{Inputs, k8s};
///
/// let spec: k8s::ClusterNetworkPolicySpec = serde_json::from_str(
///     r#"{ "tier": "Admin", "priority": 5, "subject": { "namespaces": {} },
///          "egress": [{ "action": "Deny", "to": [{ "networks": ["192.0.2.0/24"] }] }] }"#,
/// )?;
/// assert_eq!(Inputs::new().insert_cluster_network_policy("closed", &spec), []);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Source: Kubernetes network policy API, apis/v1alpha2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ClusterNetworkPolicySpec {
    /// `Admin`, before the policies of namespaces, or `Baseline`, after them.
    #[serde(default)]
    pub tier: String,
    /// From 0 to 1000; lower ones come first in the tier.
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

/// A rule for packets to the pods that a policy of the cluster governs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ClusterIngressRule {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `Accept` (`Allow` in v1alpha1), `Deny` or `Pass`.
    pub action: String,
    /// Who sends; at least one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub from: Vec<ClusterPeer>,
    /// Protocols and ports; all if absent. Of `ClusterNetworkPolicy` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Vec<ClusterProtocol>>,
    /// Ports; all of all protocols if absent. Of v1alpha1 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<AdminNetworkPolicyPort>>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A rule for packets from the pods that a policy of the cluster governs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ClusterEgressRule {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `Accept` (`Allow` in v1alpha1), `Deny` or `Pass`.
    pub action: String,
    /// Who receives; at least one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub to: Vec<ClusterPeer>,
    /// Protocols and ports; all if absent. Of `ClusterNetworkPolicy` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Vec<ClusterProtocol>>,
    /// Ports; all of all protocols if absent. Of v1alpha1 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<AdminNetworkPolicyPort>>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How a kind writes what all of them mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// The word for what lets a packet pass.
    pub(super) accept: &'static str,
    /// All words for actions, for people.
    pub(super) actions: &'static str,
    /// Whether a rule may pass to the next tier.
    pub(super) passes: bool,
    /// Whether rules have `ports` instead of `protocols`.
    pub(super) ports: bool,
}

/// What all kinds have.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    pub(super) dialect: Dialect,
    pub(super) tier: &'static str,
    /// Last in the tier if `None`.
    pub(super) priority: Option<i64>,
    pub(super) subject: &'a Subject,
    pub(super) ingress: &'a [ClusterIngressRule],
    pub(super) egress: &'a [ClusterEgressRule],
    pub(super) unknown: &'a Unknown,
}

impl ClusterNetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        self.convert(&Arc::new(PolicyKey::of_kind(
            PolicyKind::KubernetesClusterNetworkPolicy,
            None,
            "unnamed",
        )))
        .errors
    }

    pub(crate) fn convert(&self, key: &Arc<PolicyKey>) -> Converted<Policy> {
        let mut check = Check::unbounded();
        let tier = match self.tier.as_str() {
            "Admin" => ADMIN_TIER,
            "Baseline" => BASELINE_TIER,
            word => {
                let error = FieldErrorKind::NotOneOf { word: word.into(), expected: "Admin or Baseline" };
                check.error(&SPEC.field("tier"), error);
                ADMIN_TIER
            }
        };
        let dialect =
            Dialect { accept: "Accept", actions: "Accept, Deny or Pass", passes: true, ports: false };
        let cluster = Cluster {
            dialect,
            tier,
            priority: Some(self.priority),
            subject: &self.subject,
            ingress: &self.ingress,
            egress: &self.egress,
            unknown: &self.unknown,
        };
        cluster.convert(check, key)
    }
}

impl Cluster<'_> {
    /// The policy. What `check` has found by now makes it invalid.
    ///
    /// An invalid one denies in the directions that it has rules for: where the subject says, or all pods if it does
    /// not say it.
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `K8sClusterNetworkPolicyToCalico`.
    pub(super) fn convert(&self, mut check: Check, key: &Arc<PolicyKey>) -> Converted<Policy> {
        if let Some(priority) = self.priority.filter(|priority| !(0..=MAX_PRIORITY).contains(priority)) {
            check.error(&SPEC.field("priority"), FieldErrorKind::Priority { priority, max: MAX_PRIORITY });
        }
        let subject = self.subject(&mut check);
        let (selector, namespaces) = match subject {
            Some(end) => (end.selector, end.namespace_selector),
            None => (LabelSelector::default().pods(&mut check, &SPEC), None),
        };
        let valid = check.len() == 0;

        let (mut ingress, mut egress) = (Rules::default(), Rules::default());
        let list = SPEC.field("ingress");
        for (index, rule) in self.ingress.iter().enumerate() {
            let path = Path::Index(&list, index);
            let action = self.action(&rule.action);
            ingress.push(&mut check, index, &action, |check| {
                check.unknown(&path, &rule.unknown);
                self.check_action(check, &path, &rule.action);
                let peers = peers(check, &path.field("from"), &rule.from, false);
                let ports = self.ports(check, &path, rule.protocols.as_deref(), rule.ports.as_deref());
                let rule = |peer| Rule { source: peer, ..Rule::new(action.clone()) };
                peers.into_iter().flat_map(|peer| ports.rules(&rule(peer))).collect()
            });
        }
        let list = SPEC.field("egress");
        for (index, rule) in self.egress.iter().enumerate() {
            let path = Path::Index(&list, index);
            let action = self.action(&rule.action);
            egress.push(&mut check, index, &action, |check| {
                check.unknown(&path, &rule.unknown);
                self.check_action(check, &path, &rule.action);
                let peers = peers(check, &path.field("to"), &rule.to, true);
                let ports = self.ports(check, &path, rule.protocols.as_deref(), rule.ports.as_deref());
                if ports.has_names() && rule.to.iter().any(ClusterPeer::has_no_names) {
                    check.error(&path.field("to"), FieldErrorKind::NamedPortOfNoPod);
                }
                let rule = |peer| Rule { destination: peer, ..Rule::new(action.clone()) };
                peers.into_iter().flat_map(|peer| ports.rules(&rule(peer))).collect()
            });
        }
        let directions =
            [(PolicyType::Ingress, self.ingress.is_empty()), (PolicyType::Egress, self.egress.is_empty())];
        // Without rules it has none, as if it did not say: whichever direction that is passes to the next tier.
        let types = directions.into_iter().filter(|(_, empty)| !empty).map(|(kind, _)| kind).collect();
        #[expect(clippy::cast_precision_loss, reason = "a priority that is right has at most four digits")]
        let order = self.priority.map(|priority| priority as f64);
        let (tier, unknown) = (self.tier, self.unknown.clone());
        Draft { tier, order, selector, namespaces, types, ingress, egress, unknown, valid }
            .convert(check, key, None)
    }

    fn subject(&self, check: &mut Check) -> Option<EntityRule> {
        let path = SPEC.field("subject");
        check.unknown(&path, &self.subject.unknown);
        let Subject { namespaces, pods, .. } = self.subject;
        let fields = [("namespaces", namespaces.is_some()), ("pods", pods.is_some())];
        if !exactly_one(check, &path, &fields, "namespaces or pods") {
            return None;
        }
        of_pods(check, &path, namespaces.as_ref(), pods.as_ref())
    }

    fn action(&self, word: &str) -> Action {
        match word {
            word if word == self.dialect.accept => Action::Allow,
            "Pass" if self.dialect.passes => Action::Pass,
            _ => Action::Deny,
        }
    }

    fn check_action(&self, check: &mut Check, path: &Path<'_>, word: &str) {
        if self.action(word) == Action::Deny && word != "Deny" {
            let error = FieldErrorKind::NotOneOf { word: word.into(), expected: self.dialect.actions };
            check.error(&path.field("action"), error);
        }
    }

    fn ports(
        &self,
        check: &mut Check,
        path: &Path<'_>,
        protocols: Option<&[ClusterProtocol]>,
        ports: Option<&[AdminNetworkPolicyPort]>,
    ) -> Ports {
        let mut out = Ports::default();
        let (name, len) = match (protocols, ports) {
            (Some(list), None) if !self.dialect.ports => ("protocols", list.len()),
            (None, Some(list)) if self.dialect.ports => ("ports", list.len()),
            (None, None) => return out,
            _ => {
                let foreign = if self.dialect.ports { "protocols" } else { "ports" };
                check.error(&path.field(foreign), FieldErrorKind::UnknownField);
                return out;
            }
        };
        let list = path.field(name);
        if len == 0 {
            check.error(&list, FieldErrorKind::Empty);
        }
        for (index, protocol) in protocols.unwrap_or_default().iter().enumerate() {
            protocol.convert(check, &Path::Index(&list, index), &mut out);
        }
        for (index, port) in ports.unwrap_or_default().iter().enumerate() {
            port.convert(check, &Path::Index(&list, index), &mut out);
        }
        out
    }
}
