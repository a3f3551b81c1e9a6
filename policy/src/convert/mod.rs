//! From specs as written to what is enforced, naming every fault on the way.

pub(crate) mod check;
mod entity;
mod host;
mod policy;
mod rule;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::endpoint::{NAMESPACE_LABEL, ORCHESTRATOR_LABEL, is_of_workloads};
use crate::error::{FieldError, FieldErrorKind};
use crate::key::{Direction, Owner};
use crate::model::{self, Action, TierSpec};
use crate::net;
use crate::policy::{NetworkSet, Profile, Tier};

pub(crate) use host::{HostEndpoint, host_endpoint};
pub(crate) use policy::{default_types, denial, global_policy, namespaced_policy};

use check::{Check, Path};

/// What conversion made of a spec, and the faults that it found.
#[derive(Debug)]
pub(crate) struct Converted<T> {
    pub(crate) value: T,
    /// Whether it may take the place of a version without faults.
    pub(crate) valid: bool,
    pub(crate) errors: Vec<FieldError>,
}

impl<T> Converted<T> {
    /// One that is valid unless there is an error that makes it not so.
    pub(crate) fn new(value: T, errors: Vec<FieldError>) -> Self {
        Self { value, valid: !is_invalid(&errors), errors }
    }
}

fn is_invalid(errors: &[FieldError]) -> bool {
    errors.iter().any(|error| !error.is_unsupported())
}

pub(crate) const SPEC: Path<'static> = Path::Root("spec");
/// Longest list of rules.
const MAX_RULES: usize = 1024;

pub(crate) fn profile(name: &str, spec: &model::ProfileSpec) -> Converted<Profile> {
    let mut check = Check::default();
    let fixed = (name == DEFAULT_ALLOW).then(allowing);
    if fixed.as_ref().is_some_and(|fixed| fixed != spec) {
        check.error(&SPEC, FieldErrorKind::BuiltInProfile);
    }
    let spec = fixed.as_ref().unwrap_or(spec);
    check.unknown(&SPEC, &spec.unknown);
    let owner = Owner::Profile(name.into());
    let unenforced = spec.unknown.keys().next().map(|name| SPEC.field(name).to_string());
    let mut rules = |direction, rules| {
        let path = SPEC.field(Direction::as_str(direction));
        check.count(&path, <[model::Rule]>::len(rules), MAX_RULES);
        let context = rule::Context {
            owner: &owner,
            direction,
            namespace: None,
            own_namespace: None,
            unenforced: unenforced.as_ref(),
        };
        rule::convert_all(&mut check, &path, rules, &context)
    };
    let ingress = rules(Direction::Ingress, &spec.ingress);
    let egress = rules(Direction::Egress, &spec.egress);
    let mut profile = Profile { labels: spec.labels_to_apply.clone(), ingress, egress };
    let errors = check.into_errors();
    if is_invalid(&errors) {
        profile.ingress = denial(&owner);
        profile.egress = denial(&owner);
    }
    Converted::new(profile, errors)
}

/// The profile that is always there: it allows all.
///
/// Source: calico@87c15906f2 libcalico-go/lib/resources.
pub(crate) const DEFAULT_ALLOW: &str = "projectcalico-default-allow";

/// What [`DEFAULT_ALLOW`] always is.
pub(crate) fn default_allow() -> Profile {
    profile(DEFAULT_ALLOW, &allowing()).value
}

fn allowing() -> model::ProfileSpec {
    let allow = || [model::Rule::new(Action::Allow)].into();
    model::ProfileSpec { ingress: allow(), egress: allow(), ..model::ProfileSpec::default() }
}

/// Tiers that are always there, and what they are.
pub(crate) const BUILT_IN_TIERS: [(&str, Tier); 3] = [
    ("kube-admin", Tier { order: Some(1_000.0), passes: true }),
    (model::DEFAULT_TIER, Tier { order: Some(1_000_000.0), passes: false }),
    ("kube-baseline", Tier { order: Some(10_000_000.0), passes: true }),
];

pub(crate) fn tier(name: &str, spec: &TierSpec) -> Converted<Tier> {
    let mut check = Check::default();
    check.unknown(&SPEC, &spec.unknown);
    if spec.order.is_some_and(f64::is_nan) {
        check.error(&SPEC.field("order"), FieldErrorKind::OrderNotANumber);
    }
    let path = SPEC.field("defaultAction");
    let passes = match &spec.default_action {
        None | Some(Action::Deny) => false,
        Some(Action::Pass) => true,
        Some(other) => {
            check.error(&path, FieldErrorKind::DefaultAction { word: other.as_str().into() });
            false
        }
    };
    let mut tier = Tier { order: spec.order.filter(|order| !order.is_nan()), passes };
    if let Some((_, built_in)) = BUILT_IN_TIERS.iter().find(|(known, _)| *known == name) {
        if spec.order.is_some() && tier.order != built_in.order {
            check.error(&SPEC.field("order"), FieldErrorKind::BuiltInTier);
        }
        if spec.default_action.is_some() && passes != built_in.passes {
            check.error(&path, FieldErrorKind::BuiltInTier);
        }
        tier = *built_in;
    }
    Converted::new(tier, check.into_errors())
}

/// A network set; one in a namespace inherits the labels of it, and may not say of itself what only the namespace may.
pub(crate) fn network_set(
    namespace: Option<&str>,
    labels: &BTreeMap<String, String>,
    spec: &model::GlobalNetworkSetSpec,
) -> Converted<NetworkSet> {
    let mut check = Check::default();
    check.unknown(&SPEC, &spec.unknown);
    let mut labels = labels.clone();
    if labels.remove(NAMESPACE_LABEL).is_some() {
        let metadata = Path::Root("metadata");
        check.error(&metadata.field("labels").field(NAMESPACE_LABEL), FieldErrorKind::ReservedLabel);
    }
    labels.remove(ORCHESTRATOR_LABEL);
    let mut profiles = Vec::new();
    if let Some(namespace) = namespace {
        labels.retain(|name, _| !is_of_workloads(name));
        labels.insert(NAMESPACE_LABEL.to_string(), namespace.to_string());
        profiles.push(alloc::format!("kns.{namespace}"));
    }
    let list = SPEC.field("nets");
    let mut nets = Vec::new();
    for (index, text) in spec.nets.iter().enumerate() {
        match net::parse(text) {
            Ok(net) => nets.push(net),
            Err(error) => check.error(&Path::Index(&list, index), error),
        }
    }
    Converted::new(NetworkSet { labels, profiles, nets }, check.into_errors())
}
