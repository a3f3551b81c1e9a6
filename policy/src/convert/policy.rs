//! Policies of all kinds.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use tortie_selector::{Selector, combine};

use super::check::{Check, Path};
use super::{Converted, MAX_RULES, SPEC, is_invalid, rule};
use crate::error::FieldErrorKind;
use crate::key::{Direction, Origin, Owner, PolicyKey};
use crate::model::{self, DEFAULT_TIER, PolicyType, StagedAction, Unknown};
use crate::policy::{Policy, Scope};
use crate::rule::{Criteria, Deed, Rule};

/// The fields that all kinds of policy have.
struct Common<'a> {
    tier: Option<&'a String>,
    order: Option<f64>,
    types: &'a [PolicyType],
    ingress: &'a [model::Rule],
    egress: &'a [model::Rule],
    unknown: &'a Unknown,
    staged: Option<&'a StagedAction>,
    /// Whether there is a field that a policy which deletes does not have.
    is_bare: bool,
}

impl Common<'_> {
    fn types(&self) -> Vec<PolicyType> {
        if self.types.is_empty() { default_types(self.ingress, self.egress) } else { self.types.to_vec() }
    }

    fn staged(&self, check: &mut Check, key: &PolicyKey) -> Option<StagedAction> {
        key.kind.draft_of()?;
        let action = self.staged.cloned().unwrap_or_default();
        let path = SPEC.field("stagedAction");
        if let StagedAction::Other(word) = &action {
            check.error(&path, FieldErrorKind::StagedAction { word: word.clone() });
        }
        if action == StagedAction::Delete && !self.is_bare {
            check.error(&path, FieldErrorKind::StagedDelete);
        }
        Some(action)
    }

    /// The policy, given what it governs. `namespace` is the selector of its own namespace.
    fn convert(
        &self,
        mut check: Check,
        key: &Arc<PolicyKey>,
        selector: Option<Selector>,
        namespace: Option<&Selector>,
        scope: Scope,
    ) -> Converted<Policy> {
        check.unknown(&SPEC, self.unknown);
        if self.order.is_some_and(f64::is_nan) {
            check.error(&SPEC.field("order"), FieldErrorKind::OrderNotANumber);
        }
        let staged = self.staged(&mut check, key);
        // A criterion of the policy is one of each of its rules.
        let unenforced = self.unknown.keys().next().map(|name| SPEC.field(name).to_string());
        let types = self.types();
        for (index, kind) in types.iter().enumerate() {
            let (list, path) = (SPEC.field("types"), Path::Index);
            if let PolicyType::Other(word) = kind {
                check.error(&path(&list, index), FieldErrorKind::PolicyType { word: word.clone() });
            } else if types.iter().take(index).any(|other| other == kind) {
                check.error(&path(&list, index), FieldErrorKind::Duplicate);
            }
        }
        let owner = Owner::Policy(Arc::clone(key));
        let mut rules = |direction, rules| {
            let path = SPEC.field(Direction::as_str(direction));
            check.count(&path, <[model::Rule]>::len(rules), MAX_RULES);
            let context = rule::Context {
                owner: &owner,
                direction,
                namespace,
                own_namespace: key.namespace.as_deref(),
                unenforced: unenforced.as_ref(),
            };
            rule::convert_all(&mut check, &path, rules, &context)
        };
        let ingress = rules(Direction::Ingress, self.ingress);
        let egress = rules(Direction::Egress, self.egress);
        let governs =
            |kind| types.iter().any(|other| *other == kind || matches!(other, PolicyType::Other(_)));
        let mut policy = Policy {
            key: Arc::clone(key),
            tier: self.tier.filter(|tier| !tier.is_empty()).map_or(DEFAULT_TIER, String::as_str).into(),
            order: self.order.filter(|order| !order.is_nan()),
            staged,
            scope,
            selector,
            ingress: governs(PolicyType::Ingress).then_some(ingress),
            egress: (governs(PolicyType::Egress) && scope != Scope::PreDnat).then_some(egress),
        };
        let errors = check.into_errors();
        if is_invalid(&errors) {
            for rules in policy.ingress.iter_mut().chain(&mut policy.egress) {
                *rules = denial(&owner);
            }
        }
        Converted::new(policy, errors)
    }
}

/// The one rule of what is invalid.
pub(crate) fn denial(owner: &Owner) -> Vec<Rule> {
    let origin = Origin::Invalid { owner: owner.clone() };
    let (deed, criteria) = (Deed::Deny, Criteria::default());
    vec![Rule { origin, deed, unenforced: None, never: false, http: None, criteria }]
}

/// Directions that a policy without `types` governs.
pub(crate) fn default_types(ingress: &[model::Rule], egress: &[model::Rule]) -> Vec<PolicyType> {
    match (ingress.is_empty(), egress.is_empty()) {
        (_, true) => vec![PolicyType::Ingress],
        (true, false) => vec![PolicyType::Egress],
        (false, false) => vec![PolicyType::Ingress, PolicyType::Egress],
    }
}

/// Whether the key has a namespace if and only if objects of its kind do, and the kind has such specs.
fn belongs(check: &mut Check, key: &PolicyKey, spec_is_namespaced: bool, is_staged: bool) {
    let kind = key.kind;
    if kind.is_namespaced() != spec_is_namespaced || kind.draft_of().is_some() != is_staged {
        check.error(&SPEC, FieldErrorKind::OtherKind { kind });
    }
    if kind.is_namespaced() != key.namespace.is_some() {
        check.error(&Path::Root("metadata").field("namespace"), FieldErrorKind::OtherKind { kind });
    }
}

pub(crate) fn namespaced_policy(
    key: &Arc<PolicyKey>,
    staged: Option<&Option<StagedAction>>,
    spec: &model::NetworkPolicySpec,
) -> Converted<Policy> {
    let mut check = Check::of_kind(key.kind);
    belongs(&mut check, key, true, staged.is_some());
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let own = combine::in_namespace(namespace);
    if own.is_none() {
        let error = FieldErrorKind::Namespace { namespace: namespace.to_string() };
        check.error(&Path::Root("metadata").field("namespace"), error);
    }
    let path = SPEC.field("selector");
    let selector = check.policy_selector(&path, spec.selector.as_ref());
    let accounts =
        check.policy_selector(&SPEC.field("serviceAccountSelector"), spec.service_account_selector.as_ref());
    let governed = own.as_ref().map(|own| {
        let combined = combine::of_network_policy(selector.as_ref(), own, accounts.as_ref());
        check.combined(&path, combined).unwrap_or_else(|| own.clone())
    });
    let bare = || model::NetworkPolicySpec { tier: spec.tier.clone(), ..Default::default() };
    let common = Common {
        tier: spec.tier.as_ref(),
        order: spec.order,
        types: &spec.types,
        ingress: &spec.ingress,
        egress: &spec.egress,
        unknown: &spec.unknown,
        staged: staged.and_then(Option::as_ref),
        is_bare: staged.is_some() && *spec == bare(),
    };
    common.convert(check, key, governed, own.as_ref(), Scope::Normal { on_forward: false })
}

pub(crate) fn global_policy(
    key: &Arc<PolicyKey>,
    staged: Option<&Option<StagedAction>>,
    spec: &model::GlobalNetworkPolicySpec,
) -> Converted<Policy> {
    let mut check = Check::of_kind(key.kind);
    belongs(&mut check, key, false, staged.is_some());
    let path = SPEC.field("selector");
    let selector = check.policy_selector(&path, spec.selector.as_ref());
    let namespaces =
        check.policy_selector(&SPEC.field("namespaceSelector"), spec.namespace_selector.as_ref());
    let accounts =
        check.policy_selector(&SPEC.field("serviceAccountSelector"), spec.service_account_selector.as_ref());
    let combined = combine::of_global_policy(selector.as_ref(), namespaces.as_ref(), accounts.as_ref());
    let governed = check.combined(&path, combined).unwrap_or_default();

    let (untracked, pre_dnat) = (spec.do_not_track == Some(true), spec.pre_dnat == Some(true));
    let on_forward = spec.apply_on_forward == Some(true);
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
    let scope = match (untracked, pre_dnat) {
        (true, _) => Scope::Untracked,
        (false, true) => Scope::PreDnat,
        (false, false) => Scope::Normal { on_forward },
    };
    let bare = || model::GlobalNetworkPolicySpec { tier: spec.tier.clone(), ..Default::default() };
    let common = Common {
        tier: spec.tier.as_ref(),
        order: spec.order,
        types: &spec.types,
        ingress: &spec.ingress,
        egress: &spec.egress,
        unknown: &spec.unknown,
        staged: staged.and_then(Option::as_ref),
        is_bare: staged.is_some() && *spec == bare(),
    };
    common.convert(check, key, Some(governed), None, scope)
}
