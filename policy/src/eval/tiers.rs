//! What the tiers and profiles of one endpoint say.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::rule::try_rules;
use crate::flow::Flow;
use crate::inputs::{Inputs, OrderedTier};
use crate::key::{Direction, ListKind, Origin, PolicyKey, Verdict};
use crate::model::StagedAction;
use crate::policy::Policy;
use crate::rule::Deed;
use crate::verdict::{Consulted, EndTrace, StagedTrace};

/// An endpoint that judges a packet.
pub(super) struct Judge<'a> {
    pub(super) name: &'a str,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) profiles: &'a [String],
    /// Whether it is a host's, else a workload's.
    pub(super) is_host: bool,
    pub(super) has_http_enforcer: bool,
}

/// Which policies count.
#[derive(Clone, Copy)]
enum View<'a> {
    /// Those that are enforced.
    Enforced,
    /// Those that would be if all staged policies, these, were.
    Drafts(&'a [&'a Policy]),
}

/// Consults tiers, then profiles.
pub(super) fn consult(
    inputs: &Inputs,
    judge: &Judge<'_>,
    list: ListKind,
    direction: Direction,
    flow: &Flow,
) -> EndTrace {
    let ask = |view| {
        let mut consulted = Vec::new();
        let (verdict, decided_by) = decide(inputs, judge, list, direction, flow, view, &mut consulted);
        (verdict, decided_by, consulted)
    };
    let (verdict, decided_by, consulted) = ask(View::Enforced);
    let drafts: Vec<&Policy> = inputs.policies().filter(|policy| policy.staged.is_some()).collect();
    let mut staged = None;
    if !drafts.is_empty() {
        let (draft_verdict, draft_decided_by, draft_consulted) = ask(View::Drafts(&drafts));
        // They say the same word for word if no draft has anything to do with it.
        if draft_consulted != consulted || draft_decided_by != decided_by {
            staged = Some(StagedTrace {
                verdict: draft_verdict,
                decided_by: draft_decided_by,
                consulted: draft_consulted,
            });
        }
    }
    EndTrace { endpoint: judge.name.into(), direction, list, verdict, decided_by, consulted, staged }
}

fn decide(
    inputs: &Inputs,
    judge: &Judge<'_>,
    list: ListKind,
    direction: Direction,
    flow: &Flow,
    view: View<'_>,
    consulted: &mut Vec<Consulted>,
) -> (Verdict, Origin) {
    for tier in inputs.tiers_in_order() {
        let policies: Vec<&Policy> = (tier.policies.iter().copied())
            .filter(|policy| counts(policy, view))
            .filter(|policy| policy.scope.includes(list) && policy.rules(direction).is_some())
            .filter(|policy| policy.selector.as_ref().is_some_and(|selector| selector.matches(&judge.labels)))
            .collect();
        if policies.is_empty() {
            continue;
        }
        let OrderedTier { name, exists, order, .. } = &tier;
        consulted.push(Consulted::Tier { name: name.clone(), exists: *exists, order: *order });
        let mut passed = false;
        for policy in policies {
            let mut tried = Vec::new();
            let rules = policy.rules(direction).unwrap_or_default();
            let hit = try_rules(inputs, rules, judge.has_http_enforcer, flow, &mut tried);
            let key = PolicyKey::clone(&policy.key);
            consulted.push(Consulted::Policy { key, order: policy.order, rules: tried });
            match hit {
                Some((Deed::Allow, origin)) => return (Verdict::Allow, origin),
                Some((Deed::Deny, origin)) => return (Verdict::Deny, origin),
                Some((Deed::Pass, _)) => {
                    passed = true;
                    break;
                }
                Some((Deed::Log, _)) | None => {}
            }
        }
        if passed {
            continue;
        }
        let passes = tier.passes || matches!(list, ListKind::PreDnat | ListKind::Untracked);
        consulted.push(Consulted::EndOfTier { name: tier.name.clone(), passes });
        if !passes {
            return (Verdict::Deny, Origin::EndOfTier { tier: tier.name });
        }
    }
    match list {
        ListKind::Normal => ask_profiles(inputs, judge, direction, flow, consulted),
        ListKind::Forward | ListKind::PreDnat | ListKind::Untracked => (Verdict::Allow, Origin::Undecided),
    }
}

fn ask_profiles(
    inputs: &Inputs,
    judge: &Judge<'_>,
    direction: Direction,
    flow: &Flow,
    consulted: &mut Vec<Consulted>,
) -> (Verdict, Origin) {
    for name in judge.profiles {
        let Some(profile) = inputs.profile(name) else {
            consulted.push(Consulted::Profile { name: name.clone(), rules: None });
            // Nobody is locked out of a host because a profile is not there yet.
            let verdict = if judge.is_host { Verdict::Allow } else { Verdict::Deny };
            return (verdict, Origin::UnknownProfile { name: name.as_str().into() });
        };
        let mut tried = Vec::new();
        let rules = profile.rules(direction);
        let hit = try_rules(inputs, rules, judge.has_http_enforcer, flow, &mut tried);
        consulted.push(Consulted::Profile { name: name.clone(), rules: Some(tried) });
        match hit {
            Some((Deed::Allow, origin)) => return (Verdict::Allow, origin),
            Some((Deed::Deny, origin)) => return (Verdict::Deny, origin),
            // There is no tier to pass: the next profile is tried.
            Some((Deed::Pass | Deed::Log, _)) | None => {}
        }
    }
    (Verdict::Deny, Origin::NoProfileMatched)
}

/// Whether the policy counts in this view.
fn counts(policy: &Policy, view: View<'_>) -> bool {
    match (view, &policy.staged) {
        (View::Enforced, staged) => staged.is_none(),
        (View::Drafts(_), Some(action)) => !matches!(action, StagedAction::Delete | StagedAction::Ignore),
        // What is enforced, unless a draft of it takes its place or removes it.
        (View::Drafts(drafts), None) => !drafts.iter().any(|draft| {
            draft.key.kind.draft_of() == Some(policy.key.kind)
                && draft.key.namespace == policy.key.namespace
                && draft.key.name == policy.key.name
                && draft.staged != Some(StagedAction::Ignore)
        }),
    }
}
