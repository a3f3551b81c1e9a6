//! The last rules of interfaces of the host, where the kernel refuses new ones.
//!
//! Nobody is locked out by that, and nothing is opened: in the program stands what the kernel took last, in place of what is wished,
//! until that changes or is tried again. So a table that is made anew has it too.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Ruleset;
use super::build::any_set;
use super::change::Change;
use crate::backend::nftables::layout::chain_name;
use crate::program::{Chain, ChainKey, HostDispatch};
use crate::set::SetId;

/// What is wished, where something else stands in the program.
#[derive(Debug, Default)]
pub(super) struct Kept {
    hosts: BTreeMap<String, HostDispatch>,
    all_interfaces: Option<HostDispatch>,
    /// `None`: no such chain.
    chains: BTreeMap<ChainKey, Option<Arc<Chain>>>,
    /// Sets that nothing else speaks of.
    pub(super) sets: BTreeSet<SetId>,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.all_interfaces.is_none()
    }
}

impl Ruleset {
    /// The kernel has the chains of the host that are not barred.
    pub(super) fn hold_hosts(&mut self) {
        let is_taken = |host: &HostDispatch| !host.lists.values().any(|key| self.barred.contains(key));
        let (program, held) = (&self.program, &mut self.held);
        if held.hosts != program.hosts {
            let taken = program.hosts.iter().filter(|(_, host)| is_taken(host));
            held.hosts = taken.map(|(name, host)| (name.clone(), host.clone())).collect();
        }
        if held.all_interfaces != program.all_interfaces {
            held.all_interfaces = program.all_interfaces.clone().filter(is_taken);
        }
    }

    /// Wishes for the last rules again where those that are wished are barred. Once: if those are barred too, nothing helps.
    pub(super) fn keep_hosts(&mut self) {
        let is_barred = |host: &HostDispatch| host.lists.values().any(|key| self.barred.contains(key));
        let refused = self.program.hosts.iter().filter(|(name, host)| {
            is_barred(host) && !self.kept.hosts.contains_key(*name) && self.held.hosts.contains_key(*name)
        });
        let refused: Vec<String> = refused.map(|(name, _)| name.clone()).collect();
        let all = self.program.all_interfaces.as_ref().is_some_and(is_barred);
        for interface in refused {
            let Some(last) = self.held.hosts.get(&interface).cloned() else { continue };
            self.keep_chains(&last);
            let wished = self.program.hosts.insert(interface.clone(), last);
            self.kept.hosts.extend(wished.map(|wished| (interface, wished)));
        }
        if let (true, None, Some(last)) = (all, &self.kept.all_interfaces, self.held.all_interfaces.clone()) {
            self.keep_chains(&last);
            self.kept.all_interfaces = self.program.all_interfaces.replace(last);
        }
    }

    /// The chains that the kernel has for this, as far as those that are wished are others and barred, or none.
    fn keep_chains(&mut self, host: &HostDispatch) {
        let mut next: Vec<ChainKey> = host.lists.values().cloned().collect();
        while let Some(key) = next.pop() {
            let is_wished = self.program.chains.contains_key(&key) && !self.barred.contains(&key);
            let Some(held) = self.held.chains.get(&key).filter(|_| !is_wished) else { continue };
            let chain = Arc::clone(&held.chain);
            next.extend(chain.targets().cloned());
            let mut take_back = |set: &SetId| {
                if let Some(state) = self.pending.dropped_sets.remove(set) {
                    self.put_set(set.clone(), state);
                    self.kept.sets.insert(set.clone());
                }
                false
            };
            any_set(&chain.steps, &mut take_back);
            self.barred.remove(&key);
            self.names.entry(key.clone()).or_insert_with(|| chain_name(&key));
            let wished = self.program.chains.insert(key.clone(), chain);
            self.kept.chains.entry(key).or_insert(wished);
        }
    }

    /// Wishes for what is wished.
    pub(super) fn release_hosts(&mut self) {
        let Kept { hosts, all_interfaces, chains, sets } = core::mem::take(&mut self.kept);
        for (interface, wished) in hosts {
            self.program.hosts.insert(interface.clone(), wished);
            self.pending.interfaces.insert(interface);
        }
        if all_interfaces.is_some() {
            self.program.all_interfaces = all_interfaces;
            self.pending.fixed = true;
        }
        for (key, wished) in chains {
            match wished {
                Some(chain) => {
                    self.program.chains.insert(key.clone(), chain);
                    self.pending.chains.insert(key);
                }
                None => self.drop_chain(key),
            }
        }
        sets.into_iter().for_each(|set| self.drop_set(set));
    }

    /// Whether the change is one of what is not in the program because something else is kept.
    pub(super) fn concerns_kept(&self, change: &Change) -> bool {
        let is_of_chain = |key: &ChainKey| self.kept.chains.contains_key(key);
        !self.kept.is_empty()
            && match change {
                Change::Program(_) => true,
                Change::Delta(delta) => {
                    !delta.hosts.is_empty()
                        || !delta.hosts_removed.is_empty()
                        || delta.all_interfaces.is_some()
                        || delta.chains.iter().any(|(key, _)| is_of_chain(key))
                        || delta.chains_removed.iter().any(is_of_chain)
                }
                Change::Network(_) | Change::Options(_) => false,
            }
    }

    /// Keeps a chain that goes, if one that is kept leads to it.
    pub(super) fn keeps_chain(&mut self, key: &ChainKey) -> bool {
        let mut leading = self.kept.chains.keys().filter_map(|kept| self.program.chains.get(kept));
        let is_kept = leading.any(|chain| chain.targets().any(|target| target == key));
        if is_kept {
            self.kept.chains.entry(key.clone()).or_insert(None);
        }
        is_kept
    }

    /// Keeps a set that goes, if a chain that is kept speaks of it.
    pub(super) fn keeps_set(&mut self, set: &SetId) -> bool {
        let mut speaking = self.kept.chains.keys().filter_map(|kept| self.program.chains.get(kept));
        let is_kept = speaking.any(|chain| any_set(&chain.steps, &mut |other| other == set));
        if is_kept {
            self.kept.sets.insert(set.clone());
        }
        is_kept
    }
}
