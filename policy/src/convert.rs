//! From specs as written to policies as enforced, naming every fault on the way.

pub(crate) mod check;
mod rule;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use tortie_selector::{Selector, combine};

use crate::endpoint::NAMESPACE_LABEL;
use crate::error::{FieldError, FieldErrorKind};
use crate::key::{Direction, Origin, Owner, PolicyKey};
use crate::model::{self, DEFAULT_TIER, PolicyType, Unknown};
use crate::net;
use crate::policy::{NetworkSet, Policy, Profile};
use crate::rule::{Criteria, Deed, Rule};

use check::{Check, Path};

/// What conversion made of a spec, and the faults that it found.
#[derive(Debug)]
pub(crate) struct Converted<T> {
    pub(crate) value: T,
    pub(crate) errors: Vec<FieldError>,
}

impl<T> Converted<T> {
    pub(crate) fn is_invalid(&self) -> bool {
        self.errors.iter().any(|error| !error.is_unsupported())
    }
}

pub(crate) const SPEC: Path<'static> = Path::Root("spec");
/// Longest list of rules.
const MAX_RULES: usize = 1024;

/// The fields that both kinds of policy have.
struct Common<'a> {
    tier: Option<&'a String>,
    order: Option<f64>,
    types: &'a [PolicyType],
    ingress: &'a [model::Rule],
    egress: &'a [model::Rule],
    service_account_selector: Option<&'a String>,
    unknown: &'a Unknown,
}

impl Common<'_> {
    fn types(&self) -> Vec<PolicyType> {
        if !self.types.is_empty() {
            return self.types.to_vec();
        }
        default_types(self.ingress, self.egress)
    }

    /// The policy, given what it governs. `namespace` is the selector of its own namespace.
    fn convert(
        &self,
        mut check: Check,
        key: &PolicyKey,
        selector: Option<Selector>,
        namespace: Option<&Selector>,
    ) -> Converted<Policy> {
        check.unknown(&SPEC, self.unknown);
        let foreign_tier = self.tier.is_some_and(|tier| tier != DEFAULT_TIER);
        if foreign_tier {
            check.error(&SPEC.field("tier"), FieldErrorKind::Unsupported);
        }
        if self.order.is_some_and(f64::is_nan) {
            check.error(&SPEC.field("order"), FieldErrorKind::OrderNotANumber);
        }
        if let Some(text) = self.service_account_selector {
            let path = SPEC.field("serviceAccountSelector");
            let _ = check.policy_selector(&path, Some(text));
            check.error(&path, FieldErrorKind::Unsupported);
        }
        // A criterion of the policy is one of each of its rules.
        let unenforced = match self.service_account_selector {
            Some(_) => Some("spec.serviceAccountSelector".to_string()),
            None => self.unknown.keys().next().map(|name| SPEC.field(name).to_string()),
        };
        let types = self.types();
        for (index, kind) in types.iter().enumerate() {
            let (list, path) = (SPEC.field("types"), Path::Index);
            if let PolicyType::Other(word) = kind {
                check.error(&path(&list, index), FieldErrorKind::PolicyType { word: word.clone() });
            } else if types.iter().take(index).any(|other| other == kind) {
                check.error(&path(&list, index), FieldErrorKind::Duplicate);
            }
        }
        let owner = Owner::Policy(key.clone());
        let mut rules = |direction, rules| {
            let path = SPEC.field(Direction::as_str(direction));
            check.count(&path, <[model::Rule]>::len(rules), MAX_RULES);
            let context =
                rule::Context { owner: &owner, direction, namespace, unenforced: unenforced.as_ref() };
            rule::convert_all(&mut check, &path, rules, &context)
        };
        let ingress = rules(Direction::Ingress, self.ingress);
        let egress = rules(Direction::Egress, self.egress);
        let governs =
            |kind| types.iter().any(|other| *other == kind || matches!(other, PolicyType::Other(_)));
        let mut policy = Policy {
            key: key.clone(),
            foreign_tier,
            order: self.order.filter(|order| !order.is_nan()),
            selector,
            ingress: governs(PolicyType::Ingress).then_some(ingress),
            egress: governs(PolicyType::Egress).then_some(egress),
        };
        let errors = check.into_errors();
        if foreign_tier || errors.iter().any(|error| !error.is_unsupported()) {
            for rules in policy.ingress.iter_mut().chain(&mut policy.egress) {
                *rules = denial(&owner);
            }
        }
        Converted { value: policy, errors }
    }
}

/// The one rule of what is invalid.
pub(crate) fn denial(owner: &Owner) -> Vec<Rule> {
    let origin = Origin::Invalid { owner: owner.clone() };
    vec![Rule { origin, deed: Deed::Deny, unenforced: None, never: false, criteria: Criteria::default() }]
}

/// Directions that a policy without `types` governs.
pub(crate) fn default_types(ingress: &[model::Rule], egress: &[model::Rule]) -> Vec<PolicyType> {
    match (ingress.is_empty(), egress.is_empty()) {
        (_, true) => vec![PolicyType::Ingress],
        (true, false) => vec![PolicyType::Egress],
        (false, false) => vec![PolicyType::Ingress, PolicyType::Egress],
    }
}

pub(crate) fn network_policy(key: &PolicyKey, spec: &model::NetworkPolicySpec) -> Converted<Policy> {
    let mut check = Check::of_kind(key.kind);
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let own = combine::in_namespace(namespace);
    if own.is_none() {
        let error = FieldErrorKind::Namespace { namespace: namespace.to_string() };
        check.error(&Path::Root("metadata").field("namespace"), error);
    }
    let path = SPEC.field("selector");
    let selector = check.policy_selector(&path, spec.selector.as_ref());
    let governed = own.as_ref().map(|own| {
        let combined = combine::of_network_policy(selector.as_ref(), own, None);
        check.combined(&path, combined).unwrap_or_else(|| own.clone())
    });
    let common = Common {
        tier: spec.tier.as_ref(),
        order: spec.order,
        types: &spec.types,
        ingress: &spec.ingress,
        egress: &spec.egress,
        service_account_selector: spec.service_account_selector.as_ref(),
        unknown: &spec.unknown,
    };
    common.convert(check, key, governed, own.as_ref())
}

pub(crate) fn global_network_policy(
    key: &PolicyKey,
    spec: &model::GlobalNetworkPolicySpec,
) -> Converted<Policy> {
    let mut check = Check::of_kind(key.kind);
    let path = SPEC.field("selector");
    let selector = check.policy_selector(&path, spec.selector.as_ref());
    let namespaces =
        check.policy_selector(&SPEC.field("namespaceSelector"), spec.namespace_selector.as_ref());
    let combined = combine::of_global_policy(selector.as_ref(), namespaces.as_ref(), None);
    let governed = check.combined(&path, combined).unwrap_or_default();

    let (untracked, pre_dnat) = (spec.do_not_track == Some(true), spec.pre_dnat == Some(true));
    let on_forward = spec.apply_on_forward == Some(true);
    let switches =
        [("doNotTrack", untracked), ("preDNAT", pre_dnat), ("applyOnForward", on_forward)].into_iter();
    for (name, _) in switches.filter(|(_, on)| *on) {
        check.error(&SPEC.field(name), FieldErrorKind::Unsupported);
    }
    if untracked && pre_dnat {
        check.error(&SPEC.field("preDNAT"), FieldErrorKind::UntrackedAndPreDnat);
    }
    if pre_dnat && (!spec.egress.is_empty() || spec.types.contains(&PolicyType::Egress)) {
        check.error(&SPEC.field("preDNAT"), FieldErrorKind::PreDnatEgress);
    }
    if (untracked || pre_dnat) && !on_forward {
        let name = if untracked { "doNotTrack" } else { "preDNAT" };
        check.error(&SPEC.field(name), FieldErrorKind::NeedsApplyOnForward);
    }
    let common = Common {
        tier: spec.tier.as_ref(),
        order: spec.order,
        types: &spec.types,
        ingress: &spec.ingress,
        egress: &spec.egress,
        service_account_selector: spec.service_account_selector.as_ref(),
        unknown: &spec.unknown,
    };
    // Such a policy governs host endpoints only.
    let governed = Some(governed).filter(|_| !untracked && !pre_dnat);
    common.convert(check, key, governed, None)
}

pub(crate) fn profile(name: &str, spec: &model::ProfileSpec) -> Converted<Profile> {
    let mut check = Check::default();
    check.unknown(&SPEC, &spec.unknown);
    let owner = Owner::Profile(name.to_string());
    let unenforced = spec.unknown.keys().next().map(|name| SPEC.field(name).to_string());
    let mut rules = |direction, rules| {
        let path = SPEC.field(Direction::as_str(direction));
        check.count(&path, <[model::Rule]>::len(rules), MAX_RULES);
        let context =
            rule::Context { owner: &owner, direction, namespace: None, unenforced: unenforced.as_ref() };
        rule::convert_all(&mut check, &path, rules, &context)
    };
    let ingress = rules(Direction::Ingress, &spec.ingress);
    let egress = rules(Direction::Egress, &spec.egress);
    let mut profile = Profile { labels: spec.labels_to_apply.clone(), ingress, egress };
    let errors = check.into_errors();
    if errors.iter().any(|error| !error.is_unsupported()) {
        profile.ingress = denial(&owner);
        profile.egress = denial(&owner);
    }
    Converted { value: profile, errors }
}

pub(crate) fn network_set(
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
    let list = SPEC.field("nets");
    let mut nets = Vec::new();
    for (index, text) in spec.nets.iter().enumerate() {
        match net::parse(text) {
            Ok(net) => nets.push(net),
            Err(error) => check.error(&Path::Index(&list, index), error),
        }
    }
    Converted { value: NetworkSet { labels, nets }, errors: check.into_errors() }
}
