//! `NetworkPolicy` of networking.k8s.io/v1.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::draft::{Draft, Rules, exactly_one};
use super::labels::LabelSelector;
use super::port::{IntOrString, Item, Layer4, Ports};
use crate::convert::check::{Check, Path};
use crate::convert::{self, Converted, SPEC};
use crate::error::{FieldError, FieldErrorKind};
use crate::key::{PolicyKey, PolicyKind};
use crate::model::value::null_as_default;
use crate::model::{self, Action, DEFAULT_TIER, EntityRule, PolicyType, Rule, Staged, StagedAction, Unknown};
use crate::net;
use crate::policy::Policy;
use crate::rule::Family;

/// Order of all policies of this kind in their tier.
///
/// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go.
const ORDER: f64 = 1000.0;

/// Spec of a `NetworkPolicy` of Kubernetes: isolates pods of its namespace, and says what may pass nevertheless.
///
/// # Example
///
/// ```
/// use tortie_policy::{Inputs, k8s};
///
/// let spec: k8s::NetworkPolicySpec = serde_json::from_str(
///     r#"{ "podSelector": {}, "ingress": [{ "from": [{ "ipBlock": { "cidr": "10.0.0.0/33" } }] }] }"#,
/// )?;
/// let mut inputs = Inputs::new();
/// let faults = inputs.insert_kubernetes_network_policy("shop", "web", &spec);
/// assert_eq!(faults[0].to_string(), "spec.ingress[0].from[0].ipBlock.cidr: prefix length 33 exceeds 32");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Source: Kubernetes API, networking.k8s.io/v1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NetworkPolicySpec {
    /// Pods of the namespace that this isolates; all of them if empty.
    #[serde(default, deserialize_with = "null_as_default")]
    pub pod_selector: LabelSelector,
    /// Directions that it isolates in. If empty: ingress, and egress if there are egress rules.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub policy_types: Vec<PolicyType>,
    /// What may pass to the pods.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<NetworkPolicyIngressRule>,
    /// What may pass from the pods.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<NetworkPolicyEgressRule>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What may pass to pods: from any of these peers, to any of these ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NetworkPolicyIngressRule {
    /// Who may send; everybody if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<NetworkPolicyPeer>,
    /// Ports of the pods; all of all protocols if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NetworkPolicyPort>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What may pass from pods: to any of these ports of any of these peers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NetworkPolicyEgressRule {
    /// Who may receive; everybody if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<NetworkPolicyPeer>,
    /// Ports of the peers; all of all protocols if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NetworkPolicyPort>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Who is at the other end: an `ipBlock`, or pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NetworkPolicyPeer {
    /// Pods with such labels, of the policy's own namespace if no `namespaceSelector` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces with such labels; all of them if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Addresses in a CIDR, without those in others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct IpBlock {
    /// The CIDR.
    pub cidr: String,
    /// CIDRs of the same IP version that are left out.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NetworkPolicyPort {
    /// `TCP`, `UDP` or `SCTP`; `TCP` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// A number from 1 to 65535, or what the receiving pod calls the port; all of the protocol if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<IntOrString>,
    /// The last of the ports that begin with `port`, which is a number then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<i64>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl NetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        let kind = PolicyKind::KubernetesNetworkPolicy;
        self.convert(&Arc::new(PolicyKey::of_kind(kind, Some("default"), "unnamed")), None).errors
    }

    pub(crate) fn convert(
        &self,
        key: &Arc<PolicyKey>,
        staged: Option<&Option<StagedAction>>,
    ) -> Converted<Policy> {
        if staged == Some(&Some(StagedAction::Delete)) && *self == Self::default() {
            // It says nothing else, as it must.
            return convert::namespaced_policy(key, staged, &model::NetworkPolicySpec::default());
        }
        let mut check = Check::unbounded();
        let selector = self.pod_selector.pods(&mut check, &SPEC.field("podSelector"));
        let list = SPEC.field("policyTypes");
        for (index, kind) in self.policy_types.iter().enumerate() {
            if let PolicyType::Other(word) = kind {
                check.error(&Path::Index(&list, index), FieldErrorKind::PolicyType { word: word.clone() });
            }
        }
        let valid = check.len() == 0;

        let (mut ingress, mut egress) = (Rules::default(), Rules::default());
        let list = SPEC.field("ingress");
        for (index, rule) in self.ingress.iter().enumerate() {
            let path = Path::Index(&list, index);
            ingress.push(&mut check, index, &Action::Allow, |check| {
                check.unknown(&path, &rule.unknown);
                let peers = peers(check, &path.field("from"), &rule.from);
                let ports = ports(check, &path.field("ports"), &rule.ports);
                let rule = |peer| Rule { source: peer, ..Rule::new(Action::Allow) };
                peers.into_iter().flat_map(|peer| ports.rules(&rule(peer))).collect()
            });
        }
        let list = SPEC.field("egress");
        for (index, rule) in self.egress.iter().enumerate() {
            let path = Path::Index(&list, index);
            egress.push(&mut check, index, &Action::Allow, |check| {
                check.unknown(&path, &rule.unknown);
                let peers = peers(check, &path.field("to"), &rule.to);
                let ports = ports(check, &path.field("ports"), &rule.ports);
                let rule = |peer| Rule { destination: peer, ..Rule::new(Action::Allow) };
                peers.into_iter().flat_map(|peer| ports.rules(&rule(peer))).collect()
            });
        }
        let draft = Draft {
            tier: DEFAULT_TIER,
            order: Some(ORDER),
            selector,
            namespaces: None,
            types: self.types(),
            ingress,
            egress,
            unknown: self.unknown.clone(),
            valid,
        };
        draft.convert(check, key, staged)
    }

    /// The directions that it isolates in; both, if it names one that is not known.
    fn types(&self) -> Vec<PolicyType> {
        let named = |kind: &PolicyType| {
            self.policy_types.iter().any(|named| named == kind || matches!(named, PolicyType::Other(_)))
        };
        let governs = |kind: &PolicyType| match kind {
            _ if !self.policy_types.is_empty() => named(kind),
            PolicyType::Egress => !self.egress.is_empty(),
            _ => true,
        };
        [PolicyType::Ingress, PolicyType::Egress].into_iter().filter(governs).collect()
    }
}

impl Staged<NetworkPolicySpec> {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        let kind = PolicyKind::StagedKubernetesNetworkPolicy;
        let key = PolicyKey::of_kind(kind, Some("default"), "unnamed");
        self.spec.convert(&Arc::new(key), Some(&self.staged_action)).errors
    }
}

/// Spec of a `StagedKubernetesNetworkPolicy`: a draft of a `NetworkPolicy` of Kubernetes.
pub type StagedKubernetesNetworkPolicySpec = Staged<NetworkPolicySpec>;

/// One end of a rule for each peer; one that is everybody, if there are none.
fn peers(check: &mut Check, path: &Path<'_>, peers: &[NetworkPolicyPeer]) -> Vec<EntityRule> {
    if peers.is_empty() {
        return [EntityRule::default()].into();
    }
    (peers.iter().enumerate())
        .filter_map(|(index, peer)| self::peer(check, &Path::Index(path, index), peer))
        .collect()
}

fn peer(check: &mut Check, path: &Path<'_>, peer: &NetworkPolicyPeer) -> Option<EntityRule> {
    check.unknown(path, &peer.unknown);
    let pods = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
    let fields = [("ipBlock", peer.ip_block.is_some()), ("podSelector", pods)];
    if !exactly_one(check, path, &fields, "ipBlock, or podSelector and namespaceSelector") {
        return None;
    }
    if let Some(block) = &peer.ip_block {
        return ip_block(check, &path.field("ipBlock"), block);
    }
    // Whatever is selected is a pod, also where the namespace alone decides.
    let all = LabelSelector::default();
    let selector = peer.pod_selector.as_ref().unwrap_or(&all).pods(check, &path.field("podSelector"));
    let namespaces = (peer.namespace_selector.as_ref())
        .map(|selector| selector.plain(check, &path.field("namespaceSelector")));
    let namespace_selector = match namespaces {
        Some(selector) => Some(selector?),
        None => None,
    };
    Some(EntityRule { selector: Some(selector?), namespace_selector, ..EntityRule::default() })
}

fn ip_block(check: &mut Check, path: &Path<'_>, block: &IpBlock) -> Option<EntityRule> {
    check.unknown(path, &block.unknown);
    let cidr = cidr(check, &path.field("cidr"), &block.cidr);
    let list = path.field("except");
    for (index, text) in block.except.iter().enumerate() {
        let path = Path::Index(&list, index);
        let Some(net) = self::cidr(check, &path, text) else { continue };
        if net.prefix_len() == 0 {
            check.error(&path, FieldErrorKind::ExcludesAll);
        } else if cidr.is_some_and(|cidr| Family::of_net(&cidr) != Family::of_net(&net)) {
            check.error(&path, FieldErrorKind::MixedFamilies);
        }
    }
    let nets = [block.cidr.clone()].into();
    Some(EntityRule { nets, not_nets: block.except.clone(), ..EntityRule::default() })
}

/// The prefix that this text is; unlike elsewhere, an address alone is none.
pub(super) fn cidr(check: &mut Check, path: &Path<'_>, text: &str) -> Option<IpNet> {
    let net =
        if text.contains('/') { net::parse(text) } else { Err(FieldErrorKind::Net { text: text.into() }) };
    net.map_err(|error| check.error(path, error)).ok()
}

fn ports(check: &mut Check, path: &Path<'_>, ports: &[NetworkPolicyPort]) -> Ports {
    let mut out = Ports::default();
    for (index, port) in ports.iter().enumerate() {
        let path = Path::Index(path, index);
        check.unknown(&path, &port.unknown);
        let protocol = Layer4::of(check, &path.field("protocol"), port.protocol.as_ref());
        let item = match (&port.port, port.end_port) {
            (None, None) => Some(Item::All),
            (Some(IntOrString::Int(number)), None) => Item::number(check, &path.field("port"), *number),
            (Some(IntOrString::Int(number)), Some(end)) => {
                Item::range(check, &path, ["port", "endPort"], [*number, end])
            }
            (Some(IntOrString::String(name)), None) => Item::named(check, &path.field("port"), name),
            (None | Some(IntOrString::String(_)), Some(_)) => {
                check.error(&path.field("endPort"), FieldErrorKind::NeedsPort);
                None
            }
        };
        if let (Some(protocol), Some(item)) = (protocol, item) {
            out.insert(protocol, item);
        }
    }
    out
}
