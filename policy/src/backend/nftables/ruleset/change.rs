//! What is wished, change by change.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Ruleset;
use super::set::SetState;
use crate::backend::nftables::layout::{chain_name, is_fixed_equal};
use crate::program::{Chain, ChainKey, Dispatch, HostDispatch, Program, Step};
use crate::set::{Members, SetId};
use crate::settings::HostAction;

/// One change.
#[derive(Debug)]
pub(super) enum Change {
    Program(Program),
    Set(SetId, Members),
    SetMembers { set: SetId, removed: Members, added: Members },
    NoSet(SetId),
    Chain(ChainKey, Arc<Chain>),
    NoChain(ChainKey),
    Workload(String, Option<Dispatch>),
    Host(String, Option<HostDispatch>),
    AllInterfaces(Option<HostDispatch>),
    Guard(Vec<Step>),
    ToHost(Vec<Step>),
    HostAction(HostAction),
}

impl Ruleset {
    /// Wishes for this program instead of what was wished for.
    ///
    /// # Complexity
    ///
    /// In proportion to the program and the members of its sets. Chains that are shared with the one before are not looked into.
    pub fn set_program(&mut self, program: Program) {
        self.change(Change::Program(program));
    }

    /// Wishes for a set, new or instead of one with this id.
    pub fn insert_set(&mut self, set: SetId, members: Members) {
        self.change(Change::Set(set, members));
    }

    /// Changes members of a set: takes out those that are `removed`, and then puts in those that are `added`, which overlap
    /// none that is left.
    ///
    /// # Complexity
    ///
    /// In proportion to the changes; the other members are only moved in memory.
    pub fn change_set(&mut self, set: SetId, removed: Members, added: Members) {
        self.change(Change::SetMembers { set, removed, added });
    }

    /// Wishes for a set no more. No chain speaks of it any more when the next batch is asked for.
    pub fn remove_set(&mut self, set: SetId) {
        self.change(Change::NoSet(set));
    }

    /// Wishes for a chain, new or instead of one with this key.
    pub fn insert_chain(&mut self, key: ChainKey, chain: Arc<Chain>) {
        self.change(Change::Chain(key, chain));
    }

    /// Wishes for a chain no more. Nothing leads to it any more when the next batch is asked for.
    pub fn remove_chain(&mut self, key: ChainKey) {
        self.change(Change::NoChain(key));
    }

    /// Wishes for these chains of an interface of a workload; without any, its packets are dropped if it has the prefix of
    /// workloads.
    pub fn set_workload(&mut self, interface: String, dispatch: Option<Dispatch>) {
        self.change(Change::Workload(interface, dispatch));
    }

    /// Wishes for these chains of an interface of the host.
    pub fn set_host(&mut self, interface: String, dispatch: Option<HostDispatch>) {
        self.change(Change::Host(interface, dispatch));
    }

    /// Wishes for these chains of all other interfaces.
    pub fn set_all_interfaces(&mut self, dispatch: Option<HostDispatch>) {
        self.change(Change::AllInterfaces(dispatch));
    }

    /// Wishes for these steps ahead of all egress chains of workloads.
    pub fn set_guard(&mut self, steps: Vec<Step>) {
        self.change(Change::Guard(steps));
    }

    /// Wishes for these steps ahead of all else about what workloads send their host.
    pub fn set_to_host(&mut self, steps: Vec<Step>) {
        self.change(Change::ToHost(steps));
    }

    /// Wishes for this end of what workloads send their host.
    pub fn set_host_action(&mut self, action: HostAction) {
        self.change(Change::HostAction(action));
    }

    fn change(&mut self, change: Change) {
        if self.flight.is_some() {
            self.later.push(change);
        } else {
            self.take(change);
        }
    }

    /// Takes what was wished while a batch was out.
    pub(super) fn catch_up(&mut self) {
        for change in core::mem::take(&mut self.later) {
            self.take(change);
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Program(program) => self.take_program(program),
            Change::Set(set, members) => self.take_set(set, members),
            Change::SetMembers { set, removed, added } => {
                if let Some(state) = self.sets.get_mut(&set) {
                    if state.change(&set, &removed, &added) {
                        self.pending.relaid.insert(set.clone());
                    }
                    self.touch_set(set);
                }
            }
            Change::NoSet(set) => {
                if let Some(state) = self.sets.remove(&set)
                    && !state.held.is_empty()
                {
                    self.pending.dropped_sets.insert(set.clone(), state);
                }
                self.pending.sets.remove(&set);
                self.barred_sets.remove(&set);
            }
            Change::Chain(key, chain) => self.take_chain(key, chain),
            Change::NoChain(key) => {
                self.program.chains.remove(&key);
                self.names.remove(&key);
                self.unbar(&key);
                self.pending.chains.insert(key);
            }
            Change::Workload(interface, dispatch) => {
                self.pending.fixed |= !interface.starts_with(&self.options.workload_prefix);
                put(&mut self.program.dispatch, &interface, dispatch);
                self.touch_interface(interface);
            }
            Change::Host(interface, dispatch) => {
                self.pending.fixed |= dispatch.is_some() != self.program.hosts.contains_key(&interface);
                put(&mut self.program.hosts, &interface, dispatch);
                self.touch_interface(interface);
            }
            Change::AllInterfaces(dispatch) => {
                self.program.all_interfaces = dispatch;
                self.touch_fixed();
            }
            Change::Guard(steps) => {
                self.program.guard = steps;
                self.pending.fixed = true;
            }
            Change::ToHost(steps) => {
                self.program.to_host = steps;
                self.pending.fixed = true;
            }
            Change::HostAction(action) => {
                self.program.host_action = action;
                self.pending.fixed = true;
            }
        }
    }

    /// Chains of the host that all tables with such chains have may be new: then so are their maps.
    fn touch_fixed(&mut self) {
        self.pending.fixed = true;
        self.pending.interfaces.extend(self.program.hosts.keys().cloned());
    }

    fn touch_interface(&mut self, interface: String) {
        self.banned.remove(&interface);
        self.pending.interfaces.insert(interface);
    }

    fn touch_set(&mut self, set: SetId) {
        if self.barred_sets.remove(&set) {
            self.retry_denied();
        }
        self.pending.sets.insert(set);
    }

    fn take_set(&mut self, set: SetId, members: Members) {
        let state = self.pending.dropped_sets.remove(&set).or_else(|| self.sets.remove(&set));
        let state = match state {
            Some(mut state) => {
                if state.replace(&set, &members) {
                    self.pending.relaid.insert(set.clone());
                }
                state
            }
            None => SetState::new(&set, members),
        };
        let differs = state.has_differences();
        self.sets.insert(set.clone(), state);
        if differs {
            self.touch_set(set);
        }
    }

    fn take_chain(&mut self, key: ChainKey, chain: Arc<Chain>) {
        let before = self.program.chains.insert(key.clone(), Arc::clone(&chain));
        if before.is_some_and(|before| Arc::ptr_eq(&before, &chain) || before == chain) {
            return;
        }
        if !self.names.contains_key(&key) {
            self.names.insert(key.clone(), chain_name(&key));
        }
        self.unbar(&key);
        self.pending.chains.insert(key);
    }

    fn take_program(&mut self, mut program: Program) {
        self.pending.fixed |= !is_fixed_equal(&self.program, &program, &self.options);
        let sets = core::mem::take(&mut program.sets);
        let gone: Vec<_> = self.sets.keys().filter(|set| !sets.contains_key(*set)).cloned().collect();
        for (set, members) in sets {
            if self.sets.get(&set).is_none_or(|state| state.members != members) {
                self.take_set(set, members);
            }
        }
        let chains = core::mem::take(&mut program.chains);
        let gone_chains: Vec<_> =
            self.program.chains.keys().filter(|key| !chains.contains_key(*key)).cloned().collect();
        chains.into_iter().for_each(|(key, chain)| self.take_chain(key, chain));
        gone_chains.into_iter().for_each(|key| self.take(Change::NoChain(key)));
        gone.into_iter().for_each(|set| self.take(Change::NoSet(set)));

        let before = core::mem::take(&mut self.program.dispatch);
        let differs = |name: &&String| before.get(*name) != program.dispatch.get(*name);
        let names: Vec<_> = before.keys().chain(program.dispatch.keys()).filter(differs).cloned().collect();
        names.into_iter().for_each(|name| self.touch_interface(name));
        let before = core::mem::take(&mut self.program.hosts);
        let differs = |name: &&String| before.get(*name) != program.hosts.get(*name);
        let names: Vec<_> = before.keys().chain(program.hosts.keys()).filter(differs).cloned().collect();
        names.into_iter().for_each(|name| self.touch_interface(name));
        program.chains = core::mem::take(&mut self.program.chains);
        let had_hosts = self.program.all_interfaces.is_some();
        self.program = program;
        if had_hosts != self.program.all_interfaces.is_some() {
            self.touch_fixed();
        }
    }
}

fn put<V>(map: &mut alloc::collections::BTreeMap<String, V>, key: &str, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key.into(), value)),
        None => drop(map.remove(key)),
    }
}
