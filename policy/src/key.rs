//! Names of policies and profiles, and of what decides about a packet.

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;

/// Kind of a policy object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Governs endpoints everywhere.
    GlobalNetworkPolicy,
    /// Governs endpoints of its namespace.
    NetworkPolicy,
}

impl PolicyKind {
    /// The kind as documents spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Name of one policy object.
///
/// Its order is that of the text `name/namespace/kind`, by which policies of equal `order` are sorted.
/// `Display` is `NetworkPolicy namespace/name` or `GlobalNetworkPolicy name`.
///
/// Source of the order: calico@87c15906f2 felix/calc/policy_sorter.go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct PolicyKey {
    /// Kind of the object.
    pub kind: PolicyKind,
    /// Namespace of the object; `None` for global kinds.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
}

impl PolicyKey {
    /// Name of a `GlobalNetworkPolicy`.
    #[must_use]
    pub fn global(name: impl Into<String>) -> Self {
        Self { kind: PolicyKind::GlobalNetworkPolicy, namespace: None, name: name.into() }
    }

    /// Name of a `NetworkPolicy`.
    #[must_use]
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: PolicyKind::NetworkPolicy, namespace: Some(namespace.into()), name: name.into() }
    }

    fn sort_text(&self) -> impl Iterator<Item = u8> + '_ {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        [self.name.as_str(), "/", namespace, "/", self.kind.as_str()].into_iter().flat_map(str::bytes)
    }
}

impl PartialOrd for PolicyKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PolicyKey {
    fn cmp(&self, other: &Self) -> Ordering {
        // The second comparison only tells apart keys whose texts are equal, which takes names with slashes.
        let fields = |key: &Self| (key.name.len(), key.namespace.is_some(), key.kind);
        self.sort_text().cmp(other.sort_text()).then_with(|| fields(self).cmp(&fields(other)))
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Direction of a packet, seen from the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Direction {
    /// To the endpoint.
    Ingress,
    /// From the endpoint.
    Egress,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// `ingress` or `egress`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What has rules: a policy or a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Owner {
    /// A policy.
    Policy(PolicyKey),
    /// A profile, by name.
    Profile(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(key) => key.fmt(f),
            Self::Profile(name) => write!(f, "Profile {name}"),
        }
    }
}

/// What decided about a packet, or what a step of a program stems from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// A rule of a policy or profile; `index` counts from 0 in its list for this direction, as written.
    Rule {
        /// Whose rule it is.
        owner: Owner,
        /// Which list it is in.
        direction: Direction,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// The policy or profile is invalid, or of a tier that is not enforced, and denies whatever it governs.
    Invalid {
        /// The invalid object.
        owner: Owner,
    },
    /// Policies govern the endpoint in this direction, and no rule of them matched.
    EndOfTier,
    /// The endpoint has a profile of this name, which does not exist.
    UnknownProfile {
        /// Name of the profile.
        name: String,
    },
    /// No policy governs the endpoint in this direction, and no rule of its profiles matched.
    NoProfileMatched,
    /// A workload sends a packet that is encapsulated already, which would pass the policy of the outer packet only.
    Encapsulated,
    /// The interface is that of a workload, and no endpoint is known on it.
    UnknownInterface,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { owner, direction, index } => write!(f, "{owner} {direction}[{index}]"),
            Self::Invalid { owner } => write!(f, "{owner} is invalid"),
            Self::EndOfTier => f.write_str("end of tier default"),
            Self::UnknownProfile { name } => write!(f, "unknown profile {name}"),
            Self::NoProfileMatched => f.write_str("no profile matched"),
            Self::Encapsulated => f.write_str("encapsulated by the workload"),
            Self::UnknownInterface => f.write_str("unknown interface"),
        }
    }
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Verdict {
    /// It goes on.
    Allow,
    /// It is dropped.
    Deny,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}
