//! Policies, tiers, profiles, host endpoints and network sets of Calico: the specs are those of `tortie_policy`.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tortie_ipam::Versioned;
use tortie_policy::FieldErrorKind;
use tortie_policy::model::{
    Action, DEFAULT_TIER, GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec,
    ProfileSpec, Rule, StagedAction, StagedGlobalNetworkPolicySpec, StagedNetworkPolicySpec, TierSpec,
};
use tortie_policy::{NAMESPACE_LABEL_PREFIX, SERVICE_ACCOUNT_LABEL_PREFIX};

use super::field::FieldError;
use super::{Kind, Metadata, Resource, ResourceKey};

/// The prefix of the keys of tiers.
const TIERS: &str = "/calico/resources/v3/projectcalico.org/tiers/";
/// Longest name of a tier, in characters.
const TIER_LIMIT: usize = 63;
/// The label of a stored policy that repeats its tier.
const TIER_LABEL: &str = "projectcalico.org/tier";
/// The label, behind the prefix, that repeats the name of a namespace.
const NAME_LABEL: &str = "projectcalico.org/name";
/// What names of namespaces' profiles begin with.
const NAMESPACE_PROFILE_PREFIX: &str = "kns.";
/// What names of service accounts' profiles begin with.
const ACCOUNT_PROFILE_PREFIX: &str = "ksa.";

impl From<tortie_policy::FieldError> for FieldError {
    fn from(error: tortie_policy::FieldError) -> Self {
        let message = error.kind().to_string();
        let drawing = error.render_selector().map(|drawing| drawing.to_string());
        Self { drawing, ..Self::new(error.path(), message) }
    }
}

/// What is wrong, less the fields that are merely unknown.
pub(super) fn faults(errors: Vec<tortie_policy::FieldError>) -> Vec<FieldError> {
    let known = |error: &tortie_policy::FieldError| !matches!(error.kind(), FieldErrorKind::UnknownField);
    errors.into_iter().filter(known).map(FieldError::from).collect()
}

/// The paths of the fields that are merely unknown.
pub(super) fn unknown(errors: &[tortie_policy::FieldError]) -> Vec<String> {
    let unknown = errors.iter().filter(|error| matches!(error.kind(), FieldErrorKind::UnknownField));
    unknown.map(|error| error.path().to_owned()).collect()
}

/// Writes out the tier, as the reference does.
fn complete_tier(tier: &mut Option<String>, metadata: &mut Metadata) {
    let tier = tier.get_or_insert_with(|| DEFAULT_TIER.to_owned());
    metadata.labels.insert(TIER_LABEL.to_owned(), tier.clone());
}

/// Tiers that are always there.
const BUILT_IN_TIERS: [&str; 3] = [DEFAULT_TIER, "kube-admin", "kube-baseline"];

/// What is wrong with a policy among these tiers: its own must be there when it is created.
fn without_tier(tier: Option<&String>, neighbours: &[Versioned]) -> Vec<FieldError> {
    let tier = tier.map(String::as_str).filter(|tier| !tier.is_empty() && !BUILT_IN_TIERS.contains(tier));
    let is_it = |tier: &str| {
        let keys = neighbours.iter().filter_map(|record| ResourceKey::parse(&record.key));
        keys.into_iter().any(|key| key.plural == TierSpec::PLURAL && key.name == tier)
    };
    let missing = tier.filter(|tier| !is_it(tier));
    let error = |tier| FieldError::new("spec.tier", format!("there is no tier `{tier}`"));
    missing.map(error).into_iter().collect()
}

/// A kind of policy; `$spec` are the fields that it has in common with all.
macro_rules! policy {
    ($type:ty, $kind:literal, $plural:literal, $namespaced:literal, |$it:ident| $spec:expr, $is_whole:expr) => {
        impl Kind for $type {
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $namespaced;

            fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
                faults(Self::validate(self))
            }

            fn unknown_fields(&self) -> Vec<String> {
                unknown(&Self::validate(self))
            }

            fn complete(&mut self, metadata: &mut Metadata) {
                let $it = self;
                // One that only takes another away says nothing else.
                if $is_whole {
                    $spec.types = $spec.types_or_default();
                }
                complete_tier(&mut $spec.tier, metadata);
            }

            const NEIGHBOURS: &'static [&'static str] = &[TIERS];

            fn validate_among(&self, _metadata: &Metadata, neighbours: &[Versioned]) -> Vec<FieldError> {
                let $it = self;
                without_tier($spec.tier.as_ref(), neighbours)
            }
        }
    };
}

policy!(NetworkPolicySpec, "NetworkPolicy", "networkpolicies", true, |it| it, true);
policy!(GlobalNetworkPolicySpec, "GlobalNetworkPolicy", "globalnetworkpolicies", false, |it| it, true);
policy!(
    StagedNetworkPolicySpec,
    "StagedNetworkPolicy",
    "stagednetworkpolicies",
    true,
    |it| it.spec,
    it.staged_action != Some(StagedAction::Delete)
);
policy!(
    StagedGlobalNetworkPolicySpec,
    "StagedGlobalNetworkPolicy",
    "stagedglobalnetworkpolicies",
    false,
    |it| it.spec,
    it.staged_action != Some(StagedAction::Delete)
);

impl Kind for TierSpec {
    const KIND: &'static str = "Tier";
    const PLURAL: &'static str = "tiers";
    const NAMESPACED: bool = false;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        let mut found = faults(Self::validate(self, &metadata.name));
        if metadata.name.len() > TIER_LIMIT || metadata.name.contains('.') {
            let message = format!("must have at most {TIER_LIMIT} characters, and no `.`");
            found.push(FieldError::new("metadata.name", message));
        }
        found
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self, ""))
    }

    fn complete(&mut self, _metadata: &mut Metadata) {
        self.default_action.get_or_insert(Action::Deny);
    }
}

impl Kind for HostEndpointSpec {
    const KIND: &'static str = "HostEndpoint";
    const PLURAL: &'static str = "hostendpoints";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        faults(Self::validate(self))
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self))
    }
}

/// `spec` of a `NetworkSet`: that of a `GlobalNetworkSet`, in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
#[expect(clippy::exhaustive_structs, reason = "one spec for two kinds")]
pub struct NetworkSetSpec(pub GlobalNetworkSetSpec);

impl Kind for NetworkSetSpec {
    const KIND: &'static str = "NetworkSet";
    const PLURAL: &'static str = "networksets";
    const NAMESPACED: bool = true;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        Kind::validate(&self.0, metadata)
    }

    fn unknown_fields(&self) -> Vec<String> {
        self.0.unknown_fields()
    }
}

impl Kind for GlobalNetworkSetSpec {
    const KIND: &'static str = "GlobalNetworkSet";
    const PLURAL: &'static str = "globalnetworksets";
    const NAMESPACED: bool = false;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        faults(Self::validate(self, &metadata.labels))
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self, &BTreeMap::new()))
    }
}

impl Kind for ProfileSpec {
    const KIND: &'static str = "Profile";
    const PLURAL: &'static str = "profiles";
    const NAMESPACED: bool = false;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        faults(Self::validate(self, &metadata.name))
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self, ""))
    }
}

/// The name of the profile that stands for a namespace: `kns.<namespace>`.
pub fn namespace_profile_name(namespace: &str) -> String {
    format!("{NAMESPACE_PROFILE_PREFIX}{namespace}")
}

/// The profile that stands for a namespace: it gives endpoints the namespace's labels, each with `pcns.` before it, and
/// allows whatever no policy governs.
///
/// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `NamespaceToProfile`.
pub fn namespace_profile(namespace: &str, labels: &BTreeMap<String, String>) -> Resource<ProfileSpec> {
    let labels_to_apply = given_labels(NAMESPACE_LABEL_PREFIX, namespace, labels);
    let spec = ProfileSpec {
        ingress: vec![Rule::new(Action::Allow)],
        egress: vec![Rule::new(Action::Allow)],
        labels_to_apply,
        ..ProfileSpec::default()
    };
    Resource::new(namespace_profile_name(namespace), spec)
}

/// The namespace that a profile stands for, and its labels; `None` for a profile that stands for none.
pub fn namespace_of_profile(profile: &Resource<ProfileSpec>) -> Option<(&str, BTreeMap<String, String>)> {
    let namespace = profile.metadata.name.strip_prefix(NAMESPACE_PROFILE_PREFIX)?;
    Some((namespace, taken_labels(NAMESPACE_LABEL_PREFIX, profile)))
}

/// The name of the profile that stands for a service account: `ksa.<namespace>.<name>`.
pub fn service_account_profile_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT_PROFILE_PREFIX}{namespace}.{name}")
}

/// The profile that stands for a service account: it gives endpoints the account's labels, each with `pcsa.` before it, and has
/// no rules.
///
/// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `ServiceAccountToProfile`.
pub fn service_account_profile(
    namespace: &str,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> Resource<ProfileSpec> {
    let labels_to_apply = given_labels(SERVICE_ACCOUNT_LABEL_PREFIX, name, labels);
    let spec = ProfileSpec { labels_to_apply, ..ProfileSpec::default() };
    Resource::new(service_account_profile_name(namespace, name), spec)
}

/// The namespace and name of the service account that a profile stands for, and its labels; `None` for a profile that stands for
/// none.
pub fn service_account_of_profile(
    profile: &Resource<ProfileSpec>,
) -> Option<(&str, &str, BTreeMap<String, String>)> {
    // Names of namespaces have no dots.
    let (namespace, name) = profile.metadata.name.strip_prefix(ACCOUNT_PROFILE_PREFIX)?.split_once('.')?;
    Some((namespace, name, taken_labels(SERVICE_ACCOUNT_LABEL_PREFIX, profile)))
}

/// Labels as they are given to endpoints.
fn given_labels(prefix: &str, name: &str, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let prefixed = labels.iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone()));
    prefixed.chain([(format!("{prefix}{NAME_LABEL}"), name.to_owned())]).collect()
}

/// Labels as they were before they were given.
fn taken_labels(prefix: &str, profile: &Resource<ProfileSpec>) -> BTreeMap<String, String> {
    let labels = profile.spec.labels_to_apply.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(prefix).filter(|name| *name != NAME_LABEL)?;
        Some((name.to_owned(), value.clone()))
    });
    labels.collect()
}

/// Whether a label of an endpoint is one that only its namespace or service account may give.
pub(super) fn is_inherited_label(name: &str) -> bool {
    name.starts_with(NAMESPACE_LABEL_PREFIX) || name.starts_with(SERVICE_ACCOUNT_LABEL_PREFIX)
}
