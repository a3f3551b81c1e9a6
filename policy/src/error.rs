//! What is wrong with an object, and in which field.

use alloc::string::String;
use core::fmt;

use tortie_selector::{LabelSelectorError, ParseError};

use crate::key::{PolicyKey, PolicyKind};

/// One fault of an object.
///
/// `Display` is one line: the path of the field, then what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct FieldError {
    path: String,
    kind: FieldErrorKind,
}

impl FieldError {
    pub(crate) const fn new(path: String, kind: FieldErrorKind) -> Self {
        Self { path, kind }
    }

    /// Path of the field from the root of the object, such as `spec.ingress[2].source.nets[0]`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with the field.
    #[must_use]
    pub const fn kind(&self) -> &FieldErrorKind {
        &self.kind
    }

    /// Whether the field may be right, but this version does not know it.
    ///
    /// Such an object is not invalid as a whole: see [`Inputs`](crate::Inputs).
    #[must_use]
    pub const fn is_unsupported(&self) -> bool {
        matches!(self.kind, FieldErrorKind::UnknownField)
    }

    /// The selector with the fault underlined, over several lines, if the fault is in a selector.
    #[must_use]
    pub fn render_selector(&self) -> Option<impl fmt::Display + '_> {
        match &self.kind {
            FieldErrorKind::Selector { text, error } => Some(error.render(text)),
            _ => None,
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldErrorKind {
    /// A field that this version does not know.
    #[error("unknown field")]
    UnknownField,
    /// A selector that does not parse.
    #[error("column {}: {error}", error.column(text))]
    #[non_exhaustive]
    Selector {
        /// The selector as written.
        text: String,
        /// What is wrong, and where.
        error: ParseError,
    },
    /// A selector that cannot be combined with that of the namespace, because the result exceeds a limit.
    #[error("selector is too large in combination with its namespace: {error}")]
    #[non_exhaustive]
    CombinedSelector {
        /// What is wrong with the combination.
        error: ParseError,
    },
    /// A selector longer than the API allows.
    #[error("selector has {len} characters, {max} are allowed")]
    #[non_exhaustive]
    SelectorTooLong {
        /// Its length in characters.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// `global()` where it has no meaning: it may only be the whole of a rule's `namespaceSelector`.
    #[error("global() may only be the whole of a rule's namespaceSelector")]
    MisplacedGlobal,
    /// A text that is neither an address nor a CIDR.
    #[error("{text:?} is neither an IP address nor a CIDR like \"10.0.0.0/8\" or \"fd00::/8\"")]
    #[non_exhaustive]
    Net {
        /// The text as written.
        text: String,
    },
    /// A prefix length that is too large for the family of the address.
    #[error("prefix length {len} exceeds {max}")]
    #[non_exhaustive]
    PrefixTooLong {
        /// The length as written.
        len: u32,
        /// The longest of the family.
        max: u32,
    },
    /// A CIDR of another IP version than the rule, or than another CIDR of it.
    #[error("is of another IP version than the rest of the rule")]
    MixedFamilies,
    /// A negated CIDR that covers everything, so that the rule matches nothing.
    #[error("excludes every address, so the rule matches nothing")]
    ExcludesAll,
    /// Too many items in a list.
    #[error("has {len} items, {max} are allowed")]
    #[non_exhaustive]
    TooMany {
        /// How many there are.
        len: usize,
        /// How many are allowed.
        max: usize,
    },
    /// An unknown action.
    #[error("{word:?} is no action: expected Allow, Deny, Log or Pass")]
    #[non_exhaustive]
    Action {
        /// The word as written.
        word: String,
    },
    /// An unknown policy type.
    #[error("{word:?} is no policy type: expected Ingress or Egress")]
    #[non_exhaustive]
    PolicyType {
        /// The word as written.
        word: String,
    },
    /// A word that is none of those that the field may have.
    #[error("{word:?} is not one of these: {expected}")]
    #[non_exhaustive]
    NotOneOf {
        /// The word as written.
        word: String,
        /// Those that it may have, for people.
        expected: &'static str,
    },
    /// None of several fields, or more than one.
    #[error("needs exactly one of {expected}")]
    #[non_exhaustive]
    ExactlyOne {
        /// The fields, for people.
        expected: &'static str,
    },
    /// A list without items, where it needs one.
    #[error("needs at least one item")]
    Empty,
    /// A label selector that does not convert.
    #[error("{error}")]
    #[non_exhaustive]
    LabelSelector {
        /// What is wrong.
        error: LabelSelectorError,
    },
    /// A priority out of range.
    #[error("priority {priority} is not in 0..={max}")]
    #[non_exhaustive]
    Priority {
        /// The number as written.
        priority: i64,
        /// The last one.
        max: i64,
    },
    /// A policy type that was there before.
    #[error("is there twice")]
    Duplicate,
    /// An IP version other than 4 and 6.
    #[error("{version} is no IP version: expected 4 or 6")]
    #[non_exhaustive]
    IpVersion {
        /// The number as written.
        version: i64,
    },
    /// A protocol name that is not known.
    #[error(
        "{name:?} is no protocol: expected TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255"
    )]
    #[non_exhaustive]
    Protocol {
        /// The name as written.
        name: String,
    },
    /// Protocol 0.
    #[error("protocol 0 is not allowed")]
    ProtocolZero,
    /// ICMP with IP version 6, or ICMPv6 with IP version 4.
    #[error("protocol does not belong to the IP version of the rule")]
    ProtocolOfOtherFamily,
    /// Ports without a protocol that has ports.
    #[error("ports need protocol TCP, UDP or SCTP")]
    PortsWithoutProtocol,
    /// A range that ends before it begins.
    #[error("port range {min}:{max} ends before it begins")]
    #[non_exhaustive]
    PortRange {
        /// The first port.
        min: u16,
        /// The last port.
        max: u16,
    },
    /// A number that no port has.
    #[error("port {port} is not in 1..=65535")]
    #[non_exhaustive]
    PortNumber {
        /// The number as written.
        port: i64,
    },
    /// The end of a range of ports of which the first is no number.
    #[error("needs a port that is a number")]
    NeedsPort,
    /// Names of DNS as peers, which are not enforced.
    #[error("domain names are not enforced")]
    DomainNames,
    /// Peers that are no pods, in a rule with the name of a port, which only pods have.
    #[error("peers that are no pods have no named ports")]
    NamedPortOfNoPod,
    /// A port name with other characters than `[a-zA-Z0-9_.-]`, or none, or more than 128 of them.
    #[error("is no port name: expected 1 to 128 of [a-zA-Z0-9_.-]")]
    PortName,
    /// ICMP criteria without protocol ICMP or ICMPv6.
    #[error("needs protocol ICMP or ICMPv6")]
    IcmpWithoutProtocol,
    /// An ICMP type out of range.
    #[error("ICMP type {kind} is not in 0..=254")]
    #[non_exhaustive]
    IcmpType {
        /// The number as written.
        kind: i64,
    },
    /// An ICMP code out of range.
    #[error("ICMP code {code} is not in 0..=255")]
    #[non_exhaustive]
    IcmpCode {
        /// The number as written.
        code: i64,
    },
    /// An ICMP code without a type.
    #[error("ICMP code needs a type")]
    IcmpCodeWithoutType,
    /// HTTP criteria where they are not allowed.
    #[error("HTTP criteria are only allowed in Allow rules for ingress, over TCP")]
    MisplacedHttp,
    /// A path of HTTP that is neither exact nor a prefix, or both.
    #[error("needs exactly one of exact and prefix")]
    HttpPathForm,
    /// A path of HTTP that does not begin with a slash, or has what no path has.
    #[error("path {text:?} does not begin with / or has blanks, ? or # in it")]
    #[non_exhaustive]
    HttpPath {
        /// The path as written.
        text: String,
    },
    /// A service without a name.
    #[error("a service needs a name")]
    ServiceName,
    /// A service in a global policy, without a namespace.
    #[error("a global policy needs the namespace of a service")]
    ServiceNamespace,
    /// A service as the source of egress or the destination of ingress.
    #[error("services are only allowed in the source of ingress and the destination of egress")]
    MisplacedServices,
    /// Another criterion of addresses, or one of ports, beside a service.
    #[error("excludes services")]
    ExcludesServices,
    /// A selector beside one of nodes.
    #[error("excludes a selector of nodes")]
    ExcludesNodes,
    /// The name of a service account that cannot stand in a selector.
    #[error("service account {name:?} cannot be quoted in a selector")]
    #[non_exhaustive]
    ServiceAccount {
        /// The name as written.
        name: String,
    },
    /// A default action of a tier that is neither Deny nor Pass.
    #[error("{word:?} is no default action: expected Deny or Pass")]
    #[non_exhaustive]
    DefaultAction {
        /// The word as written.
        word: String,
    },
    /// A field of a tier that is always there, with another value than it always has.
    #[error("is not what this tier always has")]
    BuiltInTier,
    /// Another spec of a profile that is always there.
    #[error("is not what this profile always is")]
    BuiltInProfile,
    /// An unknown action of a staged policy.
    #[error("{word:?} is no staged action: expected Set, Delete, Learn or Ignore")]
    #[non_exhaustive]
    StagedAction {
        /// The word as written.
        word: String,
    },
    /// A field of a staged policy that deletes.
    #[error("a policy that is to be deleted has no other fields than tier and stagedAction")]
    StagedDelete,
    /// A spec that does not belong to the kind of the object, or a namespace where the kind has none, or none where it
    /// has one.
    #[error("does not belong to a {kind}")]
    #[non_exhaustive]
    OtherKind {
        /// The kind of the object.
        kind: PolicyKind,
    },
    /// A host endpoint without a node.
    #[error("a host endpoint needs a node")]
    NodeName,
    /// A host endpoint without interface and addresses.
    #[error("a host endpoint needs interfaceName or expectedIPs")]
    NoInterface,
    /// A name that no interface has.
    #[error("{name:?} is neither * nor 1 to 15 of [a-zA-Z0-9_.-]")]
    #[non_exhaustive]
    InterfaceName {
        /// The name as written.
        name: String,
    },
    /// A text that is no address.
    #[error("{text:?} is no IP address")]
    #[non_exhaustive]
    Address {
        /// The text as written.
        text: String,
    },
    /// A named port of a protocol without ports.
    #[error("expected protocol TCP, UDP or SCTP")]
    PortProtocol,
    /// An order that is no number.
    #[error("order is not a number")]
    OrderNotANumber,
    /// A namespace or a name that cannot stand in a selector.
    #[error("namespace {namespace:?} cannot be quoted in a selector")]
    #[non_exhaustive]
    Namespace {
        /// The namespace as written.
        namespace: String,
    },
    /// A label that only the system may give.
    #[error("label is reserved")]
    ReservedLabel,
    /// `doNotTrack` together with `preDNAT`.
    #[error("doNotTrack and preDNAT exclude each other")]
    UntrackedAndPreDnat,
    /// `preDNAT` with egress rules or type.
    #[error("preDNAT policies govern ingress only")]
    PreDnatEgress,
    /// `doNotTrack` or `preDNAT` without `applyOnForward`.
    #[error("needs applyOnForward: true")]
    NeedsApplyOnForward,
}

/// Why an interface of an endpoint carries no rules of it, or not all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointFault {
    /// The name is empty, longer than 15 bytes, or has characters other than `[a-zA-Z0-9_.-]`: dropped by the prefix
    /// of workload interfaces, if it has that.
    #[error("endpoint {id}: interface name {interface:?} is not of 1 to 15 of [a-zA-Z0-9_.-]")]
    #[non_exhaustive]
    Interface {
        /// Id of the endpoint.
        id: String,
        /// The name.
        interface: String,
    },
    /// Another endpoint, with a smaller id, has the interface.
    #[error("endpoint {id}: its interface {interface} belongs to endpoint {active}")]
    #[non_exhaustive]
    Shadowed {
        /// Id of the endpoint.
        id: String,
        /// Name of the interface.
        interface: String,
        /// Id of the endpoint that has it.
        active: String,
    },
    /// The host endpoint is that of all interfaces, which has no untracked policy, though one is for it.
    #[error("host endpoint {id}: untracked policy does not count for all interfaces: {policy}")]
    #[non_exhaustive]
    Untracked {
        /// Name of the host endpoint.
        id: String,
        /// The policy.
        policy: PolicyKey,
    },
}

impl EndpointFault {
    /// Id of the endpoint, or name of the host endpoint.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Interface { id, .. } | Self::Shadowed { id, .. } | Self::Untracked { id, .. } => id,
        }
    }

    /// Whether the interface has no rules of the endpoint at all; else some policies of it count.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !matches!(self, Self::Untracked { .. })
    }
}
