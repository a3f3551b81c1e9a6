//! What becomes of a batch that the kernel refuses: whoever it is about is denied, and the rest goes on.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use tortie_nft_wire::{Action, EncodeError, Subject};

use super::Ruleset;
use super::build::{Culprit, speaks_of};
use crate::endpoint::ALL_INTERFACES;
use crate::program::{ChainKey, StepAction};
use crate::set::SetId;

/// An endpoint that is denied, because the kernel refuses its rules or a set of them is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial<'a> {
    /// Its interface, or `*`. Of a workload, all packets are dropped; of the host, the rules stay that were taken last, if there
    /// are any.
    pub interface: &'a str,
    /// What is refused.
    pub reason: &'a str,
}

/// The search for endpoints that the kernel refuses, where it does not say what it refuses: all are denied, and then let in
/// again by halves.
#[derive(Debug)]
pub(super) struct Hunt {
    /// Those that are being tried.
    trial: Vec<String>,
    /// Those that are still to be tried.
    halves: Vec<Vec<String>>,
}

impl Ruleset {
    /// The kernel has refused the batch, and says that these messages are why, by their numbers: 0 is the batch itself. What
    /// belongs to them is denied; the next batch has the rest.
    ///
    /// Returns whether it makes sense to go on with the next batch at once: not if what is refused is no endpoint's.
    pub fn reject(&mut self, messages: &[u32]) -> bool {
        if self.flight.take().is_none() {
            return false;
        }
        let is_fresh = !self.held.is_there;
        let (mut chains, mut sets) = (BTreeSet::new(), BTreeSet::new());
        for path in messages.iter().filter_map(|number| self.batch.path(*number)) {
            let is_removal = matches!(path.action, Action::Delete | Action::Flush | Action::Destroy);
            let name = match &path.subject {
                _ if is_removal => None,
                Subject::Chain(name) | Subject::Rule { chain: name, .. } => {
                    name.as_ref().map(ToString::to_string)
                }
                Subject::Set(name) | Subject::Elements { set: name, .. } => {
                    sets.extend(name.as_ref().and_then(|name| self.set_named(&name.to_string())));
                    None
                }
                _ => None,
            };
            chains.extend(name.and_then(|name| self.chain_named(&name)));
        }
        let is_known = !chains.is_empty() || !sets.is_empty();
        for set in &sets {
            self.bar_set(set, "the kernel refuses the set");
        }
        for chain in &chains {
            self.bar(chain, "the kernel refuses the chain");
        }
        let goes_on = if is_known {
            true
        } else if is_fresh || self.hunt.is_some() {
            self.hunted(false)
        } else {
            // What is in the kernel may not be what is remembered.
            self.forget();
            return true;
        };
        self.catch_up();
        goes_on
    }

    /// Who is denied, and why.
    pub fn denials(&self) -> impl Iterator<Item = Denial<'_>> {
        self.denials.iter().map(|(interface, reason)| Denial { interface, reason })
    }

    /// Tries again what is denied, with the next batch.
    pub fn retry_denied(&mut self) {
        self.release_hosts();
        let barred = core::mem::take(&mut self.barred);
        self.pending.chains.extend(barred);
        self.pending.sets.extend(core::mem::take(&mut self.barred_sets));
        let denied = core::mem::take(&mut self.denials);
        self.pending.interfaces.extend(denied.into_keys());
        self.banned.clear();
    }

    /// The chain of the program that this one of the kernel belongs to.
    fn chain_named(&self, name: &str) -> Option<ChainKey> {
        let belongs = |known: &String| {
            let rest = name.strip_prefix(known.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-leaf-"))
        };
        self.names.iter().find(|(_, known)| belongs(known)).map(|(key, _)| key.clone())
    }

    fn set_named(&self, name: &str) -> Option<SetId> {
        let mut sets = self.sets.iter();
        sets.find(|(set, state)| {
            !matches!(set, SetId::Network(_)) && state.all_parts().any(|part| part.name == name)
        })
        .map(|(set, _)| set.clone())
    }

    /// Bars sets that have more members than they may have.
    pub(super) fn bar_full_sets(&mut self) {
        let most = self.options.max_set_len;
        let is_policy = |set: &&SetId| !matches!(set, SetId::Network(_));
        let full = self.pending.sets.iter().filter(is_policy).filter(|set| {
            self.sets.get(*set).is_some_and(|state| state.all_parts().any(|part| part.len > most))
        });
        for set in full.cloned().collect::<Vec<_>>() {
            self.bar_set(&set, "a set is full");
        }
    }

    /// Bars what cannot be written; whether it was not barred before.
    pub(super) fn bar_culprit(&mut self, culprit: &Culprit, error: &EncodeError) -> bool {
        match culprit {
            Culprit::Chain(key) => {
                let is_new = !self.barred.contains(key);
                self.bar(key, &error.to_string());
                is_new
            }
            // It denies nobody: nothing helps.
            Culprit::Set(SetId::Network(_)) => false,
            Culprit::Set(set) => {
                let is_new = !self.barred_sets.contains(set);
                self.bar_set(set, &error.to_string());
                is_new
            }
        }
    }

    fn bar_set(&mut self, set: &SetId, reason: &str) {
        let reason = alloc::format!("{reason}: {set}");
        let sets = BTreeSet::from([set.clone()]);
        let speakers = self.program.chains.iter().filter(|(_, chain)| speaks_of(&chain.steps, &sets));
        for key in speakers.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.bar(&key, &reason);
        }
        self.barred_sets.extend(sets);
    }

    /// Bars a chain and all that lead to it, and denies the workloads whose chains are among these.
    fn bar(&mut self, key: &ChainKey, reason: &str) {
        let mut leading: BTreeMap<&ChainKey, Vec<&ChainKey>> = BTreeMap::new();
        for (from, chain) in &self.program.chains {
            for step in &chain.steps {
                if let StepAction::Jump(to) | StepAction::Goto(to) = &step.action {
                    leading.entry(to).or_default().push(from);
                }
            }
        }
        let mut barred = BTreeSet::new();
        let mut next = vec![key];
        while let Some(key) = next.pop() {
            if barred.insert(key.clone()) {
                next.extend(leading.get(key).into_iter().flatten());
            }
        }
        let program = &self.program;
        let workloads = program
            .dispatch
            .iter()
            .filter(|(_, chains)| barred.contains(&chains.ingress) || barred.contains(&chains.egress));
        let hosts =
            program.hosts.iter().filter(|(_, host)| host.lists.values().any(|key| barred.contains(key)));
        let mut denied: Vec<String> =
            workloads.map(|(name, _)| name).chain(hosts.map(|(name, _)| name)).cloned().collect();
        let others = program.all_interfaces.iter().flat_map(|host| host.lists.values());
        if others.into_iter().any(|key| barred.contains(key)) {
            denied.push(ALL_INTERFACES.into());
            self.pending.fixed = true;
        }
        for interface in denied {
            self.banned.insert(interface.clone());
            self.pending.interfaces.insert(interface.clone());
            self.denials.insert(interface, reason.into());
        }
        self.barred.extend(barred);
        self.keep_hosts();
    }

    /// What changes is tried again, and with it all else that is denied.
    pub(super) fn unbar(&mut self, key: &ChainKey) {
        if self.barred.contains(key) {
            self.retry_denied();
        }
    }

    /// Goes on with the search, after a batch was taken or refused; whether there is anything to go on with.
    pub(super) fn hunted(&mut self, was_taken: bool) -> bool {
        let Some(mut hunt) = self.hunt.take() else {
            if was_taken {
                return true;
            }
            let all: Vec<String> = self.program.dispatch.keys().cloned().collect();
            self.banned.extend(all.iter().cloned());
            let (left, right) = all.split_at(all.len() / 2);
            self.hunt = Some(Hunt { trial: Vec::new(), halves: vec![right.to_vec(), left.to_vec()] });
            self.bar_unreachable();
            return !all.is_empty();
        };
        if !was_taken {
            let refused = core::mem::take(&mut hunt.trial);
            match refused.as_slice() {
                // Not one endpoint is in it, and yet it is refused.
                [] => {
                    self.banned.clear();
                    return false;
                }
                [one] => {
                    self.denials.insert(one.clone(), "the kernel refuses its rules".into());
                }
                several => {
                    let (left, right) = several.split_at(several.len() / 2);
                    hunt.halves.extend([right.to_vec(), left.to_vec()]);
                }
            }
            self.banned.extend(refused);
        }
        while let Some(next) = hunt.halves.pop() {
            if next.is_empty() {
                continue;
            }
            for interface in &next {
                self.banned.remove(interface);
                self.pending.interfaces.insert(interface.clone());
            }
            hunt.trial = next;
            self.hunt = Some(hunt);
            break;
        }
        self.bar_unreachable();
        true
    }

    /// Bars the chains that only workloads lead to that are denied by name, and no others.
    fn bar_unreachable(&mut self) {
        let program = &self.program;
        let workloads = program.dispatch.iter().filter(|(name, _)| !self.banned.contains(*name));
        let workloads = workloads.flat_map(|(_, chains)| [&chains.ingress, &chains.egress]);
        let hosts =
            program.hosts.values().chain(&program.all_interfaces).flat_map(|host| host.lists.values());
        let mut next: Vec<&ChainKey> = workloads.chain(hosts).collect();
        let mut reached = BTreeSet::new();
        while let Some(key) = next.pop() {
            if reached.insert(key) {
                let steps = program.chain(key).into_iter().flat_map(|chain| &chain.steps);
                next.extend(steps.filter_map(|step| match &step.action {
                    StepAction::Jump(to) | StepAction::Goto(to) => Some(to),
                    _ => None,
                }));
            }
        }
        let barred = program.chains.keys().filter(|key| !reached.contains(key)).cloned().collect();
        let before = core::mem::replace(&mut self.barred, barred);
        self.pending.chains.extend(before.into_iter().filter(|key| !self.barred.contains(key)));
    }
}
