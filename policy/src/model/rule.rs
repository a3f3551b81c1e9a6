//! A rule and its two ends, as documents write them.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::value::{Unknown, Value, null_as_default};
use super::{Action, Port, Protocol};

/// One rule of a policy or profile.
///
/// All criteria must hold; those that are absent hold. Within one list, one item suffices.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/policy_common.go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Rule {
    /// What happens to a packet that matches.
    pub action: Action,
    /// 4 or 6; both if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_version: Option<i64>,
    /// The packet has this IP protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The packet has another IP protocol than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_protocol: Option<Protocol>,
    /// The packet is an ICMP message of this type and code; needs `protocol`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpFields>,
    /// The packet is an ICMP message of another type or code; needs `protocol`.
    #[serde(default, rename = "notICMP", skip_serializing_if = "Option::is_none")]
    pub not_icmp: Option<IcmpFields>,
    /// Where the packet comes from.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "EntityRule::is_empty")]
    pub source: EntityRule,
    /// Where the packet goes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "EntityRule::is_empty")]
    pub destination: EntityRule,
    /// HTTP criteria. Not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Value>,
    /// Annotations; they change no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Rule {
    /// A rule that matches everything.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            action,
            ip_version: None,
            protocol: None,
            not_protocol: None,
            icmp: None,
            not_icmp: None,
            source: EntityRule::default(),
            destination: EntityRule::default(),
            http: None,
            metadata: None,
            unknown: Unknown::new(),
        }
    }
}

/// Type and code of ICMP messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct IcmpFields {
    /// Type, 0 to 254; any if absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<i64>,
    /// Code, 0 to 255; any if absent; needs the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Criteria for one end of a packet, its source or its destination.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/policy_common.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct EntityRule {
    /// The address is in one of these: CIDRs, or addresses.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub nets: Vec<String>,
    /// The address is in none of these.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub not_nets: Vec<String>,
    /// The address is that of an endpoint or network set with such labels, of the policy's own namespace if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The address is not that of an endpoint or network set with such labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_selector: Option<String>,
    /// The endpoint is in a namespace with such labels; instead of the policy's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<String>,
    /// Service accounts. Not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<Value>,
    /// Services. Not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Value>,
    /// The port is one of these; needs a protocol with ports. Named ports are not enforced.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// The port is none of these; needs a protocol with ports. Named ports are not enforced.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub not_ports: Vec<Port>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl EntityRule {
    /// Whether there is no criterion at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
