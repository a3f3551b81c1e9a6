//! Names of policies and profiles, and of what decides about a packet.

use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;

/// Kind of a policy object.
///
/// The kinds of Kubernetes are spelled with `Kubernetes` in front, so that a policy of Calico may have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Governs endpoints everywhere.
    GlobalNetworkPolicy,
    /// `AdminNetworkPolicy` of `policy.networking.k8s.io/v1alpha1`, global.
    KubernetesAdminNetworkPolicy,
    /// `BaselineAdminNetworkPolicy` of `policy.networking.k8s.io/v1alpha1`, global.
    KubernetesBaselineAdminNetworkPolicy,
    /// `ClusterNetworkPolicy` of `policy.networking.k8s.io/v1alpha2`, global.
    KubernetesClusterNetworkPolicy,
    /// `NetworkPolicy` of `networking.k8s.io/v1`; governs endpoints of its namespace.
    KubernetesNetworkPolicy,
    /// Governs endpoints of its namespace.
    NetworkPolicy,
    /// A [`GlobalNetworkPolicy`](Self::GlobalNetworkPolicy) that is not enforced yet.
    StagedGlobalNetworkPolicy,
    /// A [`KubernetesNetworkPolicy`](Self::KubernetesNetworkPolicy) that is not enforced yet.
    StagedKubernetesNetworkPolicy,
    /// A [`NetworkPolicy`](Self::NetworkPolicy) that is not enforced yet.
    StagedNetworkPolicy,
}

impl PolicyKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::GlobalNetworkPolicy,
        Self::KubernetesAdminNetworkPolicy,
        Self::KubernetesBaselineAdminNetworkPolicy,
        Self::KubernetesClusterNetworkPolicy,
        Self::KubernetesNetworkPolicy,
        Self::NetworkPolicy,
        Self::StagedGlobalNetworkPolicy,
        Self::StagedKubernetesNetworkPolicy,
        Self::StagedNetworkPolicy,
    ];

    /// The kind as a key spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
            Self::KubernetesAdminNetworkPolicy => "KubernetesAdminNetworkPolicy",
            Self::KubernetesBaselineAdminNetworkPolicy => "KubernetesBaselineAdminNetworkPolicy",
            Self::KubernetesClusterNetworkPolicy => "KubernetesClusterNetworkPolicy",
            Self::KubernetesNetworkPolicy => "KubernetesNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::StagedGlobalNetworkPolicy => "StagedGlobalNetworkPolicy",
            Self::StagedKubernetesNetworkPolicy => "StagedKubernetesNetworkPolicy",
            Self::StagedNetworkPolicy => "StagedNetworkPolicy",
        }
    }

    /// Whether objects of this kind are in a namespace.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        match self {
            Self::KubernetesNetworkPolicy
            | Self::NetworkPolicy
            | Self::StagedKubernetesNetworkPolicy
            | Self::StagedNetworkPolicy => true,
            Self::GlobalNetworkPolicy
            | Self::KubernetesAdminNetworkPolicy
            | Self::KubernetesBaselineAdminNetworkPolicy
            | Self::KubernetesClusterNetworkPolicy
            | Self::StagedGlobalNetworkPolicy => false,
        }
    }

    /// The kind that a staged kind is a draft of; `None` for kinds that are enforced.
    #[must_use]
    pub const fn draft_of(self) -> Option<Self> {
        match self {
            Self::StagedGlobalNetworkPolicy => Some(Self::GlobalNetworkPolicy),
            Self::StagedKubernetesNetworkPolicy => Some(Self::KubernetesNetworkPolicy),
            Self::StagedNetworkPolicy => Some(Self::NetworkPolicy),
            _ => None,
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

    /// Name of an object of this kind, in this namespace if the kind has namespaces.
    #[must_use]
    pub fn of_kind(kind: PolicyKind, namespace: Option<&str>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.map(String::from), name: name.into() }
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
        if core::ptr::eq(self, other) {
            return Ordering::Equal;
        }
        // The texts begin with the names, which most keys differ in.
        let (one, another) = (self.name.as_bytes(), other.name.as_bytes());
        let common = one.len().min(another.len());
        match one.get(..common).cmp(&another.get(..common)) {
            Ordering::Equal if self == other => return Ordering::Equal,
            Ordering::Equal => {}
            unequal => return unequal,
        }
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
    Policy(Arc<PolicyKey>),
    /// A profile, by name.
    Profile(Arc<str>),
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
    /// The policy or profile is invalid, and denies whatever it governs.
    Invalid {
        /// The invalid object.
        owner: Owner,
    },
    /// Policies of this tier govern the endpoint in this direction, no rule of them matched, and the tier denies by default.
    EndOfTier {
        /// Name of the tier.
        tier: Arc<str>,
    },
    /// The endpoint has a profile of this name, which does not exist. It closes a workload, and opens a host.
    UnknownProfile {
        /// Name of the profile.
        name: Arc<str>,
    },
    /// No tier decided, and no rule of the endpoint's profiles matched.
    NoProfileMatched,
    /// A workload sends a packet that is encapsulated already, which would pass the policy of the outer packet only.
    Encapsulated,
    /// The interface is that of a workload, and no endpoint is known on it.
    UnknownInterface,
    /// A port that host policy never closes.
    Failsafe,
    /// Policy of a host that has nothing to say: what it does not decide goes on.
    Undecided,
    /// Neighbour discovery, which no policy of a host closes; from workloads, multicast listening too.
    NeighbourDiscovery,
    /// Router advertisements and redirects, which a host never accepts from its workloads.
    RoutingAdvice,
    /// What becomes of packets from workloads to their host that policy allows.
    ToHost,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { owner, direction, index } => write!(f, "{owner} {direction}[{index}]"),
            Self::Invalid { owner } => write!(f, "{owner} is invalid"),
            Self::EndOfTier { tier } => write!(f, "end of tier {tier}"),
            Self::UnknownProfile { name } => write!(f, "unknown profile {name}"),
            Self::NoProfileMatched => f.write_str("no profile matched"),
            Self::Encapsulated => f.write_str("encapsulated by the workload"),
            Self::UnknownInterface => f.write_str("unknown interface"),
            Self::Failsafe => f.write_str("failsafe port"),
            Self::Undecided => f.write_str("no policy decided"),
            Self::NeighbourDiscovery => f.write_str("neighbour discovery"),
            Self::RoutingAdvice => f.write_str("routing advice from a workload"),
            Self::ToHost => f.write_str("from a workload to its host"),
        }
    }
}

/// Which policies of an endpoint are consulted, and where.
///
/// A workload has the normal list alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "the lists that the API has policies for")]
pub enum ListKind {
    /// What the workload or a process of the host sends and receives.
    Normal,
    /// What is forwarded through an interface of a host.
    Forward,
    /// What comes in by an interface of a host, before its destination is translated.
    PreDnat,
    /// What goes through an interface of a host, before connection tracking. Every packet is judged, replies too.
    Untracked,
}

impl ListKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Forward, Self::PreDnat, Self::Untracked];

    /// `normal`, `forward`, `preDNAT` or `untracked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Forward => "forward",
            Self::PreDnat => "preDNAT",
            Self::Untracked => "untracked",
        }
    }
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> impl Strategy<Value = PolicyKey> {
        // Names with slashes are no names of objects, but keys.
        let kind = prop::sample::select(&[PolicyKind::NetworkPolicy, PolicyKind::GlobalNetworkPolicy][..]);
        (kind, prop::option::of("[ab/]{0,2}"), "[ab./]{0,3}").prop_map(|(kind, namespace, name)| PolicyKey {
            kind,
            namespace,
            name,
        })
    }

    proptest! {
        #[test]
        fn policies_are_sorted_by_their_text(one in policy(), other in policy()) {
            let text = |key: &PolicyKey| {
                alloc::format!("{}/{}/{}", key.name, key.namespace.as_deref().unwrap_or_default(), key.kind.as_str())
            };
            let texts = text(&one).into_bytes().cmp(&text(&other).into_bytes());
            prop_assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
            prop_assert_eq!(one.cmp(&other) == Ordering::Equal, one == other);
            prop_assert!(texts == Ordering::Equal || texts == one.cmp(&other), "{texts:?}");
        }
    }
}
