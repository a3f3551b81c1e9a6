//! `NetworkPolicy`, `GlobalNetworkPolicy`, `GlobalNetworkSet`, `Profile`: the specs are those of `tortie_policy`.

use alloc::collections::BTreeMap;

use tortie_policy::FieldErrorKind;
use tortie_policy::model::{
    Action, DEFAULT_TIER, GlobalNetworkPolicySpec, GlobalNetworkSetSpec, NetworkPolicySpec, ProfileSpec, Rule,
};
use tortie_policy::{NAMESPACE_LABEL_PREFIX, SERVICE_ACCOUNT_LABEL_PREFIX};

use super::field::FieldError;
use super::{Kind, Metadata, Resource};

/// The label of a stored policy that repeats its tier.
const TIER_LABEL: &str = "projectcalico.org/tier";
/// The label, behind the prefix, that repeats the name of a namespace.
const NAME_LABEL: &str = "projectcalico.org/name";
/// What names of namespaces' profiles begin with.
const NAMESPACE_PROFILE_PREFIX: &str = "kns.";

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

/// Fields that speak of objects which are not stored here yet: tiers of one's own, and host endpoints. Stored by others they
/// open nothing; but who writes them here wants them to work.
fn without_objects(tier: Option<&String>, for_hosts: &[(&str, Option<bool>)]) -> Vec<FieldError> {
    let is_there = |tier: &str| [DEFAULT_TIER, "kube-admin", "kube-baseline"].contains(&tier);
    let tier = tier.filter(|tier| !is_there(tier)).map(|_| "tier");
    let fields = for_hosts.iter().filter(|(_, on)| *on == Some(true)).map(|(name, _)| *name).chain(tier);
    fields.map(|name| FieldError::new(format!("spec.{name}"), "is not supported by this version")).collect()
}

/// Writes out the tier, as the reference does.
fn complete_tier(tier: &mut Option<String>, metadata: &mut Metadata) {
    let tier = tier.get_or_insert_with(|| DEFAULT_TIER.to_owned());
    metadata.labels.insert(TIER_LABEL.to_owned(), tier.clone());
}

impl Kind for NetworkPolicySpec {
    const KIND: &'static str = "NetworkPolicy";
    const PLURAL: &'static str = "networkpolicies";
    const NAMESPACED: bool = true;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut found = faults(Self::validate(self));
        found.extend(without_objects(self.tier.as_ref(), &[]));
        found
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self))
    }

    fn complete(&mut self, metadata: &mut Metadata) {
        self.types = self.types_or_default();
        complete_tier(&mut self.tier, metadata);
    }

    fn keep_unknown(&mut self, stored: &Self) {
        super::keep_unknown(&mut self.unknown, &stored.unknown);
    }
}

impl Kind for GlobalNetworkPolicySpec {
    const KIND: &'static str = "GlobalNetworkPolicy";
    const PLURAL: &'static str = "globalnetworkpolicies";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut found = faults(Self::validate(self));
        let for_hosts = [
            ("doNotTrack", self.do_not_track),
            ("preDNAT", self.pre_dnat),
            ("applyOnForward", self.apply_on_forward),
        ];
        found.extend(without_objects(self.tier.as_ref(), &for_hosts));
        found
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self))
    }

    fn complete(&mut self, metadata: &mut Metadata) {
        self.types = self.types_or_default();
        complete_tier(&mut self.tier, metadata);
    }

    fn keep_unknown(&mut self, stored: &Self) {
        super::keep_unknown(&mut self.unknown, &stored.unknown);
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

    fn keep_unknown(&mut self, stored: &Self) {
        super::keep_unknown(&mut self.unknown, &stored.unknown);
    }
}

impl Kind for ProfileSpec {
    const KIND: &'static str = "Profile";
    const PLURAL: &'static str = "profiles";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        faults(Self::validate(self))
    }

    fn unknown_fields(&self) -> Vec<String> {
        unknown(&Self::validate(self))
    }

    fn keep_unknown(&mut self, stored: &Self) {
        super::keep_unknown(&mut self.unknown, &stored.unknown);
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
    let prefixed =
        labels.iter().map(|(name, value)| (format!("{NAMESPACE_LABEL_PREFIX}{name}"), value.clone()));
    let mut labels_to_apply: BTreeMap<String, String> = prefixed.collect();
    labels_to_apply.insert(format!("{NAMESPACE_LABEL_PREFIX}{NAME_LABEL}"), namespace.to_owned());
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
    let labels = profile.spec.labels_to_apply.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(NAMESPACE_LABEL_PREFIX).filter(|name| *name != NAME_LABEL)?;
        Some((name.to_owned(), value.clone()))
    });
    Some((namespace, labels.collect()))
}

/// Whether a label of an endpoint is one that only its namespace or service account may give.
pub(super) fn is_inherited_label(name: &str) -> bool {
    name.starts_with(NAMESPACE_LABEL_PREFIX) || name.starts_with(SERVICE_ACCOUNT_LABEL_PREFIX)
}
