//! The specs of the objects, as documents write them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::value::{Unknown, Value, null_as_default};
use super::{Action, PolicyType, Protocol, Rule, StagedAction};

/// Name of the tier that a policy is in if it names none.
pub const DEFAULT_TIER: &str = "default";

/// Spec of a `NetworkPolicy`, which governs endpoints of its own namespace.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/networkpolicy.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NetworkPolicySpec {
    /// Tier; [`DEFAULT_TIER`] if absent. A policy of a tier that does not exist comes after those of all that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Policies of lower order come first; without an order, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// Endpoints of the namespace that this governs; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Directions that this governs. If empty: egress if there are only egress rules, both if there are both kinds, else
    /// ingress.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<PolicyType>,
    /// Rules for packets to the endpoint, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Rule>,
    /// Rules for packets from the endpoint, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Rule>,
    /// Narrows the selector to endpoints of service accounts with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_selector: Option<String>,
    /// Hints; they change no verdict.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub performance_hints: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Spec of a `GlobalNetworkPolicy`, which governs endpoints of all namespaces, and those without.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/globalnetworkpolicy.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct GlobalNetworkPolicySpec {
    /// Tier; [`DEFAULT_TIER`] if absent. A policy of a tier that does not exist comes after those of all that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Policies of lower order come first; without an order, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// Endpoints that this governs; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Narrows the selector to endpoints of namespaces with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<String>,
    /// Directions that this governs. If empty: egress if there are only egress rules, both if there are both kinds, else
    /// ingress.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<PolicyType>,
    /// Rules for packets to the endpoint, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Rule>,
    /// Rules for packets from the endpoint, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Rule>,
    /// Narrows the selector to endpoints of service accounts with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_selector: Option<String>,
    /// Governs host endpoints only, before connection tracking; needs `applyOnForward`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_not_track: Option<bool>,
    /// Governs ingress of host endpoints only, before address translation; needs `applyOnForward`.
    #[serde(default, rename = "preDNAT", skip_serializing_if = "Option::is_none")]
    pub pre_dnat: Option<bool>,
    /// Governs what is forwarded through host endpoints as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_on_forward: Option<bool>,
    /// Hints; they change no verdict.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub performance_hints: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Spec of a `Profile`: labels that endpoints inherit, and rules for those that no policy governs.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/profile.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ProfileSpec {
    /// Rules for packets to the endpoint, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Rule>,
    /// Rules for packets from the endpoint, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Rule>,
    /// Labels that endpoints with this profile inherit, unless they have them themselves.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels_to_apply: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Spec of a `GlobalNetworkSet` or `NetworkSet`: addresses that the labels of its metadata name in selectors of rules.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/{globalnetworkset,networkset}.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct GlobalNetworkSetSpec {
    /// CIDRs, or addresses.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub nets: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Spec of a `NetworkSet`, which is in a namespace.
pub type NetworkSetSpec = GlobalNetworkSetSpec;

/// Spec of a `Tier`: policies that are consulted together.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/tier.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct TierSpec {
    /// Tiers of lower order come first; without an order, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// `Deny` or `Pass`: what becomes of a packet that policies of the tier govern and no rule of them matches; `Deny` if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_action: Option<Action>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Spec of a staged policy: that of the policy which it is a draft of, and what to do with it.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/staged*.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Staged<S> {
    /// What to do; [`Set`](StagedAction::Set) if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_action: Option<StagedAction>,
    /// The draft itself.
    #[serde(flatten)]
    pub spec: S,
}

/// Spec of a `StagedNetworkPolicy`.
pub type StagedNetworkPolicySpec = Staged<NetworkPolicySpec>;
/// Spec of a `StagedGlobalNetworkPolicy`.
pub type StagedGlobalNetworkPolicySpec = Staged<GlobalNetworkPolicySpec>;

/// Spec of a `HostEndpoint`: interfaces of a host itself.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/hostendpoint.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct HostEndpointSpec {
    /// Name of the host.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Name of the interface; `*` for all that have no host endpoint of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_name: Option<String>,
    /// Addresses that selectors of rules mean by it. Without a name of the interface, it is the one that has one of these.
    #[serde(
        default,
        rename = "expectedIPs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub expected_ips: Vec<String>,
    /// Names of its profiles, in order.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Ports with names.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<EndpointPort>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A port of an endpoint that has a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct EndpointPort {
    /// Its name.
    pub name: String,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What can still be read of a policy's spec that does not decode as one.
///
/// Every field is read on its own, and is absent if it does not decode. Converted to a spec, it denies its types where
/// its selector matches.
///
/// # Example
///
/// ```
/// use tortie_policy::model::{Action, GlobalNetworkPolicySpec, Salvage};
///
/// let stored = r#"{ "selector": "role == 'db'", "ingress": "none at all" }"#;
/// assert!(serde_json::from_str::<GlobalNetworkPolicySpec>(stored).is_err());
/// let salvage: Salvage = serde_json::from_str(stored)?;
/// let spec = GlobalNetworkPolicySpec::from(salvage);
/// assert_eq!(spec.selector.as_deref(), Some("role == 'db'"));
/// assert_eq!(spec.ingress[0].action, Action::Deny);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, from = "Unknown")]
#[non_exhaustive]
pub struct Salvage {
    /// The field `tier`.
    pub tier: Option<String>,
    /// The field `order`.
    pub order: Option<f64>,
    /// The field `selector`.
    pub selector: Option<String>,
    /// The field `namespaceSelector`.
    pub namespace_selector: Option<String>,
    /// The field `types`; empty unless all of them are known.
    pub types: Vec<PolicyType>,
    /// The field `doNotTrack`.
    pub do_not_track: bool,
    /// The field `preDNAT`.
    pub pre_dnat: bool,
    /// The field `applyOnForward`.
    pub apply_on_forward: bool,
}

impl From<Unknown> for Salvage {
    fn from(fields: Unknown) -> Self {
        let string = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let kind = |value: &Value| match value {
            Value::String(text) => match PolicyType::from(text.clone()) {
                PolicyType::Other(_) => None,
                known => Some(known),
            },
            _ => None,
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "an order so large is at the end of the line in any case"
        )]
        let order = match fields.get("order") {
            Some(Value::Float(order)) => Some(*order),
            Some(Value::Unsigned(order)) => Some(*order as f64),
            Some(Value::Signed(order)) => Some(*order as f64),
            _ => None,
        };
        let types = match fields.get("types") {
            Some(Value::List(types)) => types.iter().map(kind).collect::<Option<_>>().unwrap_or_default(),
            _ => Vec::new(),
        };
        let is_set = |name: &str| fields.get(name) == Some(&Value::Bool(true));
        Self {
            tier: string("tier"),
            order,
            selector: string("selector"),
            namespace_selector: string("namespaceSelector"),
            types,
            do_not_track: is_set("doNotTrack"),
            pre_dnat: is_set("preDNAT"),
            apply_on_forward: is_set("applyOnForward"),
        }
    }
}

impl Salvage {
    fn denials(&self) -> (Vec<PolicyType>, Vec<Rule>) {
        let mut types = self.types.clone();
        if types.is_empty() {
            types.extend([PolicyType::Ingress, PolicyType::Egress]);
        }
        (types, [Rule::new(Action::Deny)].into())
    }
}

impl From<Salvage> for NetworkPolicySpec {
    fn from(salvage: Salvage) -> Self {
        let (types, rules) = salvage.denials();
        Self {
            tier: salvage.tier,
            order: salvage.order,
            selector: salvage.selector,
            types,
            ingress: rules.clone(),
            egress: rules,
            ..Self::default()
        }
    }
}

impl From<Salvage> for GlobalNetworkPolicySpec {
    fn from(salvage: Salvage) -> Self {
        let (mut types, rules) = salvage.denials();
        let mut egress = rules.clone();
        if salvage.pre_dnat {
            types = [PolicyType::Ingress].into();
            egress.clear();
        }
        let is_of_hosts = salvage.pre_dnat || salvage.do_not_track;
        Self {
            tier: salvage.tier,
            order: salvage.order,
            selector: salvage.selector,
            namespace_selector: salvage.namespace_selector,
            types,
            ingress: rules,
            egress,
            do_not_track: salvage.do_not_track.then_some(true),
            pre_dnat: salvage.pre_dnat.then_some(true),
            apply_on_forward: (salvage.apply_on_forward || is_of_hosts).then_some(true),
            ..Self::default()
        }
    }
}
