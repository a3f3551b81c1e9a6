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
use super::network_policy::cidr;
use super::port::{Item, Layer4, Ports};
use crate::convert::check::{Check, Path};
use crate::convert::{Converted, SPEC};
use crate::error::{FieldError, FieldErrorKind};
use crate::key::{PolicyKey, PolicyKind};
use crate::model::value::null_as_default;
use crate::model::{Action, EntityRule, PolicyType, Rule, Unknown};
use crate::policy::Policy;
use crate::rule::Family;

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

/// Pods that a policy of the cluster governs; one of the two fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Subject {
    /// All pods of the namespaces with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Pods with such labels in namespaces with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPod>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Pods by their labels and those of their namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NamespacedPod {
    /// Namespaces; all of them if empty.
    #[serde(default, deserialize_with = "null_as_default")]
    pub namespace_selector: LabelSelector,
    /// Pods; all of them if empty.
    #[serde(default, deserialize_with = "null_as_default")]
    pub pod_selector: LabelSelector,
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

/// Who is at the other end; one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ClusterPeer {
    /// All pods of the namespaces with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Pods with such labels in namespaces with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPod>,
    /// Addresses of the nodes with such labels; of egress rules alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<LabelSelector>,
    /// CIDRs; of egress rules alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// Names of DNS; of egress rules alone. Not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_names: Option<Vec<String>>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A protocol with ports of it; one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ClusterProtocol {
    /// TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<DestinationPort>,
    /// UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<DestinationPort>,
    /// SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp: Option<DestinationPort>,
    /// What the receiving pod calls its port, of whichever protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_named_port: Option<String>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports of the receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct DestinationPort {
    /// Which; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<NumberOrRange>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One port or a range of them; one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NumberOrRange {
    /// From 1 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// From one to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<StartEnd>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports from one to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct StartEnd {
    /// The first, from 1 to 65535.
    pub start: i64,
    /// The last, from 1 to 65535.
    pub end: i64,
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
        let mut types: Vec<_> =
            directions.into_iter().filter(|(_, empty)| !empty).map(|(kind, _)| kind).collect();
        if types.is_empty() {
            // Without rules, every direction of it passes to the next tier, so that any does.
            types.push(PolicyType::Ingress);
        }
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
            self::protocol(check, &Path::Index(&list, index), protocol, &mut out);
        }
        for (index, port) in ports.unwrap_or_default().iter().enumerate() {
            port.convert(check, &Path::Index(&list, index), &mut out);
        }
        out
    }
}

impl ClusterPeer {
    /// Whether it stands for addresses that no pod has, so that ports of it have no names.
    fn has_no_names(&self) -> bool {
        self.nodes.is_some() || self.networks.is_some() || self.domain_names.is_some()
    }
}

fn peers(check: &mut Check, path: &Path<'_>, peers: &[ClusterPeer], egress: bool) -> Vec<EntityRule> {
    if peers.is_empty() {
        check.error(path, FieldErrorKind::Empty);
    }
    (peers.iter().enumerate())
        .flat_map(|(index, peer)| self::peer(check, &Path::Index(path, index), peer, egress))
        .collect()
}

/// One end of a rule or more for a peer; none after a fault.
fn peer(check: &mut Check, path: &Path<'_>, peer: &ClusterPeer, egress: bool) -> Vec<EntityRule> {
    check.unknown(path, &peer.unknown);
    let ClusterPeer { namespaces, pods, nodes, networks, domain_names, .. } = peer;
    let addresses = [
        ("nodes", nodes.is_some()),
        ("networks", networks.is_some()),
        ("domainNames", domain_names.is_some()),
    ];
    for (name, _) in addresses.into_iter().filter(|(_, there)| *there && !egress) {
        check.error(&path.field(name), FieldErrorKind::UnknownField);
    }
    let [nodes_there, networks_there, names_there] = addresses;
    let fields = [
        ("namespaces", namespaces.is_some()),
        ("pods", pods.is_some()),
        nodes_there,
        networks_there,
        names_there,
    ];
    let expected = if egress { "namespaces, pods, nodes or networks" } else { "namespaces or pods" };
    if !exactly_one(check, path, &fields, expected) {
        return Vec::new();
    }
    if let Some(nodes) = nodes {
        let selector = nodes.plain(check, &path.field("nodes"));
        let end = |selector| EntityRule { node_selector: Some(selector), ..EntityRule::default() };
        return selector.map(end).into_iter().collect();
    }
    if let Some(networks) = networks {
        return of_networks(check, &path.field("networks"), networks);
    }
    if domain_names.is_some() {
        check.error(&path.field("domainNames"), FieldErrorKind::DomainNames);
        return Vec::new();
    }
    of_pods(check, path, namespaces.as_ref(), pods.as_ref()).into_iter().collect()
}

/// The pods of these namespaces, or these pods; whatever is selected is a pod.
fn of_pods(
    check: &mut Check,
    path: &Path<'_>,
    namespaces: Option<&LabelSelector>,
    pods: Option<&NamespacedPod>,
) -> Option<EntityRule> {
    let (namespaces, pods) = match (namespaces, pods) {
        (Some(namespaces), _) => {
            let namespaces = namespaces.plain(check, &path.field("namespaces"));
            (namespaces?, LabelSelector::default().pods(check, path)?)
        }
        (None, pods) => {
            let (path, pods) = (path.field("pods"), pods?);
            check.unknown(&path, &pods.unknown);
            let namespaces = pods.namespace_selector.plain(check, &path.field("namespaceSelector"));
            let pods = pods.pod_selector.pods(check, &path.field("podSelector"));
            (namespaces?, pods?)
        }
    };
    Some(EntityRule { selector: Some(pods), namespace_selector: Some(namespaces), ..EntityRule::default() })
}

/// The CIDRs, each family by itself.
fn of_networks(check: &mut Check, path: &Path<'_>, networks: &[String]) -> Vec<EntityRule> {
    if networks.is_empty() {
        check.error(path, FieldErrorKind::Empty);
    }
    let mut families = [Vec::new(), Vec::new()];
    for (index, text) in networks.iter().enumerate() {
        let Some(net) = cidr(check, &Path::Index(path, index), text) else { continue };
        let [v4, v6] = &mut families;
        let family = if Family::of_net(&net) == Family::V4 { v4 } else { v6 };
        family.push(text.clone());
    }
    let end = |nets: Vec<_>| EntityRule { nets, ..EntityRule::default() };
    families.into_iter().filter(|nets| !nets.is_empty()).map(end).collect()
}

fn protocol(check: &mut Check, path: &Path<'_>, protocol: &ClusterProtocol, out: &mut Ports) {
    check.unknown(path, &protocol.unknown);
    let ClusterProtocol { tcp, udp, sctp, destination_named_port: name, .. } = protocol;
    let fields = [
        ("tcp", tcp.is_some()),
        ("udp", udp.is_some()),
        ("sctp", sctp.is_some()),
        ("destinationNamedPort", name.is_some()),
    ];
    if !exactly_one(check, path, &fields, "tcp, udp, sctp or destinationNamedPort") {
        return;
    }
    if let Some(name) = name {
        if let Some(item) = Item::named(check, &path.field("destinationNamedPort"), name) {
            out.insert(Layer4::Any, item);
        }
    }
    for (name, protocol, ports) in
        [("tcp", Layer4::Tcp, tcp), ("udp", Layer4::Udp, udp), ("sctp", Layer4::Sctp, sctp)]
    {
        let Some(ports) = ports else { continue };
        let path = path.field(name);
        check.unknown(&path, &ports.unknown);
        let item = match &ports.destination_port {
            None => Some(Item::All),
            Some(port) => port.convert(check, &path.field("destinationPort")),
        };
        if let Some(item) = item {
            out.insert(protocol, item);
        }
    }
}

impl NumberOrRange {
    fn convert(&self, check: &mut Check, path: &Path<'_>) -> Option<Item> {
        check.unknown(path, &self.unknown);
        let fields = [("number", self.number.is_some()), ("range", self.range.is_some())];
        if !exactly_one(check, path, &fields, "number or range") {
            return None;
        }
        if let Some(number) = self.number {
            return Item::number(check, &path.field("number"), number);
        }
        let (path, range) = (path.field("range"), self.range.as_ref()?);
        check.unknown(&path, &range.unknown);
        Item::range(check, &path, ["start", "end"], [range.start, range.end])
    }
}
