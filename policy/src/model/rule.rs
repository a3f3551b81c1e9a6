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
    /// The packet begins such an HTTP request; only in Allow rules for ingress, over TCP. Whoever terminates HTTP for the
    /// endpoint judges it; until there is someone, a rule with it allows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpMatch>,
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

/// Service accounts, by name or by label; both must hold.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/policy_common.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ServiceAccountMatch {
    /// The name is one of these; any if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The service account has such labels; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A service of Kubernetes.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/policy_common.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ServiceMatch {
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its namespace; that of the policy if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Criteria for an HTTP request.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/policy_common.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct HttpMatch {
    /// The method is one of these; any if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The path is one of these; any if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<HttpPath>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A path of HTTP requests, or all that begin with it: exactly one field is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct HttpPath {
    /// This path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// All paths that begin with these segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
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
    /// The endpoint runs under such a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<ServiceAccountMatch>,
    /// The address is that of an endpoint behind this service; as a destination, the port is one of the service too. Only
    /// for the source of ingress and the destination of egress, and without other criteria of addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceMatch>,
    /// The address is that of a node with such labels, and of no endpoint or network set; without other selectors.
    ///
    /// Not a field of documents: what Kubernetes calls a peer of `nodes` is converted to it. A field of this name in a
    /// document is one that is not known.
    #[serde(skip)]
    pub node_selector: Option<String>,
    /// The port is one of these: numbers and ranges, which need a protocol with ports, and names, each meaning the ports
    /// that endpoints have under this name.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// The port is none of these.
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
