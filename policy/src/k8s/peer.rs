//! Whom policies of clusters speak of.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::draft::exactly_one;
use super::labels::LabelSelector;
use super::network_policy::cidr;
use crate::convert::check::{Check, Path};
use crate::error::FieldErrorKind;
use crate::model::value::null_as_default;
use crate::model::{EntityRule, Unknown};
use crate::rule::Family;

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

impl ClusterPeer {
    /// Whether it stands for addresses that no pod has, so that ports of it have no names.
    pub(super) const fn has_no_names(&self) -> bool {
        self.nodes.is_some() || self.networks.is_some() || self.domain_names.is_some()
    }
}

pub(super) fn peers(
    check: &mut Check,
    path: &Path<'_>,
    peers: &[ClusterPeer],
    egress: bool,
) -> Vec<EntityRule> {
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
pub(super) fn of_pods(
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
