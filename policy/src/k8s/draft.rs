//! What documents of Kubernetes become on their way to policies.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::convert::check::{Check, Path};
use crate::convert::{self, Converted};
use crate::error::{FieldError, FieldErrorKind};
use crate::key::{Direction, Origin, Owner, PolicyKey};
use crate::model::{self, Action, PolicyType, StagedAction, Value};
use crate::policy::Policy;
use crate::rule::Rule;

/// A criterion that cannot be converted. It is known to nobody, so what the law says of such criteria holds: an Allow with
/// it never matches, a Deny or Pass with it denies everything.
const UNCONVERTED: &str = "unconverted";

/// The rules of one direction. One rule of the document becomes any number of them.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<model::Rule>,
    sources: Vec<Source>,
}

/// The rule of the document that a rule was made from.
#[derive(Clone, Debug)]
struct Source {
    index: usize,
    /// Path of its first fault.
    fault: Option<String>,
}

impl Rules {
    /// Takes in what the rule at this place in its list becomes.
    ///
    /// If a fault is found while it is made, it becomes one rule with a criterion that nobody knows.
    pub(super) fn push(
        &mut self,
        check: &mut Check,
        index: usize,
        action: &Action,
        make: impl FnOnce(&mut Check) -> Vec<model::Rule>,
    ) {
        let before = check.len();
        let mut rules = make(check);
        let fault = check.path_at(before);
        if fault.is_some() {
            let mut rule = model::Rule::new(action.clone());
            rule.unknown.insert(UNCONVERTED.into(), Value::Null);
            rules = vec![rule];
        }
        let source = Source { index, fault };
        self.sources.extend(rules.iter().map(|_| source.clone()));
        self.rules.extend(rules);
    }
}

/// A policy of Kubernetes in the words of Calico.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) tier: &'static str,
    pub(super) order: Option<f64>,
    /// `None` if it cannot be read.
    pub(super) selector: Option<String>,
    /// `None` if it cannot be read, or if there is none because the policy is of one namespace.
    pub(super) namespaces: Option<String>,
    pub(super) types: Vec<PolicyType>,
    pub(super) ingress: Rules,
    pub(super) egress: Rules,
    /// Fields of the spec that this version does not know: criteria of each of its rules.
    pub(super) unknown: model::Unknown,
    /// Whether all is right but for single rules.
    pub(super) valid: bool,
}

impl Draft {
    /// The policy, with the faults that `check` has found and those that it finds.
    pub(super) fn convert(
        self,
        mut check: Check,
        key: &Arc<PolicyKey>,
        staged: Option<&Option<StagedAction>>,
    ) -> Converted<Policy> {
        let Self { ingress, egress, .. } = self;
        let (tier, order) = (Some(self.tier.to_string()), self.order);
        let converted = match &key.namespace {
            Some(_) => {
                let spec = model::NetworkPolicySpec {
                    tier,
                    order,
                    selector: self.selector,
                    types: self.types,
                    ingress: ingress.rules,
                    egress: egress.rules,
                    unknown: self.unknown,
                    ..model::NetworkPolicySpec::default()
                };
                convert::namespaced_policy(key, staged, &spec)
            }
            None => {
                let spec = model::GlobalNetworkPolicySpec {
                    tier,
                    order,
                    selector: self.selector,
                    namespace_selector: self.namespaces,
                    types: self.types,
                    ingress: ingress.rules,
                    egress: egress.rules,
                    unknown: self.unknown,
                    ..model::GlobalNetworkPolicySpec::default()
                };
                convert::global_policy(key, staged, &spec)
            }
        };
        let valid = self.valid && converted.valid;
        let Converted { value: mut policy, errors, .. } = converted;
        for (direction, sources) in
            [(Direction::Ingress, &ingress.sources), (Direction::Egress, &egress.sources)]
        {
            let rules = match direction {
                Direction::Ingress => policy.ingress.as_mut(),
                Direction::Egress => policy.egress.as_mut(),
            };
            rules.into_iter().flatten().for_each(|rule| trace_back(rule, sources));
        }
        for error in errors {
            if !is_reported(&error) {
                check.push(at_source(error, &ingress.sources, &egress.sources));
            }
        }
        if !valid {
            let denial = convert::denial(&Owner::Policy(Arc::clone(key)));
            policy.ingress.iter_mut().chain(&mut policy.egress).for_each(|rules| rules.clone_from(&denial));
        }
        Converted { value: policy, valid, errors: check.into_errors() }
    }
}

/// Whether it is reported already: of a rule, or as a field of the spec.
fn is_reported(error: &FieldError) -> bool {
    let of_rule = |path: &str| {
        path.rsplit_once('.').is_some_and(|(rule, name)| name == UNCONVERTED && rule.ends_with(']'))
    };
    matches!(error.kind(), FieldErrorKind::UnknownField) && of_rule(error.path())
}

/// Makes the rule say which rule of the document it was made from.
fn trace_back(rule: &mut Rule, sources: &[Source]) {
    let Origin::Rule { index, .. } = &mut rule.origin else { return };
    let Some(source) = sources.get(*index) else { return };
    *index = source.index;
    if source.fault.is_some() {
        rule.unenforced.clone_from(&source.fault);
    }
}

/// The fault with the place of the rule in the document: a rule may become one that exceeds a limit.
fn at_source(error: FieldError, ingress: &[Source], egress: &[Source]) -> FieldError {
    for (list, sources) in [("spec.ingress[", ingress), ("spec.egress[", egress)] {
        let place = error.path().strip_prefix(list).and_then(|rest| rest.split_once(']'));
        let index = place.and_then(|(index, _)| index.parse::<usize>().ok());
        if let Some(source) = index.and_then(|index| sources.get(index)) {
            let path = alloc::format!("{list}{}]", source.index);
            return FieldError::new(path, error.kind().clone());
        }
    }
    error
}

/// Checks what is there only once: reports this as the one of several fields that must be there alone.
pub(super) fn exactly_one(
    check: &mut Check,
    path: &Path<'_>,
    fields: &[(&'static str, bool)],
    expected: &'static str,
) -> bool {
    let count = fields.iter().filter(|(_, there)| *there).count();
    if count != 1 {
        check.error(path, FieldErrorKind::ExactlyOne { expected });
    }
    count == 1
}
