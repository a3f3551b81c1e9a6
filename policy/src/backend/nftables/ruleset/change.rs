//! What is wished, change by change.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Ruleset;
use super::set::SetState;
use crate::backend::nftables::layout::{chain_name, is_fixed_equal};
use crate::backend::nftables::{Network, Options};
use crate::program::{Chain, ChainKey, Program};
use crate::resolver::{Delta, SetChange};
use crate::set::{Members, NetworkSet, SetId};

/// What is wished while a batch is out.
#[derive(Debug)]
pub(super) enum Change {
    Program(Program),
    Delta(Delta),
    Network(Network),
    Options(Options),
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

    /// Wishes for what has changed, such as what a [`Resolver`](crate::Resolver) tells.
    ///
    /// # Complexity
    ///
    /// In proportion to the changes. Of a set that changes, the other members are only moved in memory.
    pub fn apply(&mut self, delta: Delta) {
        self.change(Change::Delta(delta));
    }

    /// Wishes for this network instead of that of the options, or what was wished for. Members of its sets are single elements;
    /// its rules are written again if they are others.
    pub fn set_network(&mut self, network: Network) {
        self.change(Change::Network(network));
    }

    /// Takes other options, all but their network, which stays what it is. If any is another, the next batch makes the table
    /// anew, as one transaction: no packet sees anything but the one or the other. What was denied is counted on.
    pub fn set_options(&mut self, options: Options) {
        self.change(Change::Options(options));
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
        if self.concerns_kept(&change) {
            self.retry_denied();
        }
        match change {
            Change::Program(program) => self.take_program(program),
            Change::Delta(delta) => self.take_delta(delta),
            Change::Network(network) => self.take_network(network),
            Change::Options(options) => self.take_options(options),
        }
    }

    fn take_options(&mut self, options: Options) {
        let options = options.network(self.options.network.clone());
        if self.options != options {
            self.options = options;
            self.lose();
        }
    }

    pub(super) fn take_network(&mut self, network: Network) {
        self.pending.fixed |= !self.options.network.is_laid_as(&network);
        for set in NetworkSet::ALL {
            let id = SetId::Network(set);
            match network.sets().find(|(used, _)| *used == set) {
                Some((_, members)) => self.take_set(id, members),
                None => self.drop_set(id),
            }
        }
        self.options.network = network;
    }

    fn take_delta(&mut self, delta: Delta) {
        delta.sets_added.into_iter().for_each(|(set, members)| self.take_set(set, members));
        for SetChange { set, removed, added } in delta.sets_changed {
            if self.change_set(&set, |state| state.change(&removed, &added)) {
                self.touch_set(set);
            }
        }
        delta.chains.into_iter().for_each(|(key, chain)| self.take_chain(key, chain));
        let changes = (delta.guard.is_some(), delta.to_host.is_some(), delta.host_action.is_some());
        self.pending.fixed |= changes != (false, false, false);
        let program = &mut self.program;
        program.guard = delta.guard.unwrap_or_else(|| core::mem::take(&mut program.guard));
        program.to_host = delta.to_host.unwrap_or_else(|| core::mem::take(&mut program.to_host));
        program.host_action = delta.host_action.unwrap_or(program.host_action);
        for (interface, dispatch) in delta.dispatch {
            let is_new = self.program.dispatch.insert(interface.clone(), dispatch).is_none();
            self.touch_workload(interface, is_new);
        }
        for (interface, host) in delta.hosts {
            self.pending.fixed |= self.program.hosts.insert(interface.clone(), host).is_none();
            self.touch_interface(interface);
        }
        if let Some(host) = delta.all_interfaces {
            self.program.all_interfaces = host;
            self.pending.fixed = true;
        }
        for interface in delta.dispatch_removed {
            self.program.dispatch.remove(&interface);
            self.touch_workload(interface, true);
        }
        for interface in delta.hosts_removed {
            self.program.hosts.remove(&interface);
            self.pending.fixed = true;
            self.touch_interface(interface);
        }
        delta.chains_removed.into_iter().for_each(|key| self.drop_chain(key));
        delta.sets_removed.into_iter().for_each(|set| self.drop_set(set));
    }

    /// `comes`: or goes; else only its chains have changed.
    fn touch_workload(&mut self, interface: String, comes: bool) {
        // The prefix of workloads stands for all others, unless they were the host's.
        let is_named = !interface.starts_with(&self.options.workload_prefix)
            || self.program.hosts.contains_key(&interface);
        self.pending.fixed |= comes && is_named;
        self.touch_interface(interface);
    }

    pub(super) fn drop_chain(&mut self, key: ChainKey) {
        if self.keeps_chain(&key) {
            return;
        }
        self.program.chains.remove(&key);
        self.names.remove(&key);
        self.unbar(&key);
        self.pending.chains.insert(key);
    }

    pub(super) fn drop_set(&mut self, set: SetId) {
        if self.keeps_set(&set) {
            return;
        }
        self.pending.sets.remove(&set);
        self.barred_sets.remove(&set);
        if let Some(state) = self.take_out(&set)
            && !state.held.is_empty()
        {
            self.pending.dropped_sets.insert(set, state);
        }
    }

    fn touch_interface(&mut self, interface: String) {
        self.banned.remove(&interface);
        self.pending.interfaces.insert(interface);
    }

    fn touch_set(&mut self, set: SetId) {
        if self.barred_sets.remove(&set) {
            self.retry_denied();
        }
        // Else all will be marked.
        if self.held.is_there {
            self.pending.sets.insert(set);
        }
    }

    fn take_set(&mut self, set: SetId, members: Members) {
        self.kept.sets.remove(&set);
        if let Some(state) = self.pending.dropped_sets.remove(&set) {
            self.put_set(set.clone(), state);
        }
        if self.sets.contains_key(&set) {
            self.change_set(&set, |state| state.replace(&members));
        } else {
            self.put_set(set.clone(), SetState::new(&set, members));
        }
        // Else touching it does nothing, and need not be thought about: all is marked when the table is made.
        let is_heeded = self.held.is_there || !self.barred_sets.is_empty();
        if is_heeded && self.sets.get(&set).is_some_and(SetState::has_differences) {
            self.touch_set(set);
        }
    }

    fn take_chain(&mut self, key: ChainKey, chain: Arc<Chain>) {
        let before = self.program.chains.insert(key.clone(), Arc::clone(&chain));
        if before.is_some_and(|before| Arc::ptr_eq(&before, &chain) || before == chain) {
            return;
        }
        self.names.entry(key.clone()).or_insert_with(|| chain_name(&key));
        self.unbar(&key);
        // Else all will be marked.
        if self.held.is_there {
            self.pending.chains.insert(key);
        }
    }

    fn take_program(&mut self, mut program: Program) {
        self.pending.fixed |= !is_fixed_equal(&self.program, &program, &self.options);
        let sets = core::mem::take(&mut program.sets);
        let is_gone = |set: &&SetId| !matches!(set, SetId::Network(_)) && !sets.contains_key(*set);
        let gone: Vec<_> = self.sets.keys().filter(is_gone).cloned().collect();
        for (set, members) in sets {
            if self.sets.get(&set).is_none_or(|state| state.members != members) {
                self.take_set(set, members);
            }
        }
        let chains = core::mem::take(&mut program.chains);
        let gone_chains: Vec<_> =
            self.program.chains.keys().filter(|key| !chains.contains_key(*key)).cloned().collect();
        chains.into_iter().for_each(|(key, chain)| self.take_chain(key, chain));
        gone_chains.into_iter().for_each(|key| self.drop_chain(key));
        gone.into_iter().for_each(|set| self.drop_set(set));

        let before = core::mem::take(&mut self.program.dispatch);
        let differs = |name: &&String| before.get(*name) != program.dispatch.get(*name);
        let names: Vec<_> = before.keys().chain(program.dispatch.keys()).filter(differs).cloned().collect();
        names.into_iter().for_each(|name| self.touch_interface(name));
        let before = core::mem::take(&mut self.program.hosts);
        let differs = |name: &&String| before.get(*name) != program.hosts.get(*name);
        let names: Vec<_> = before.keys().chain(program.hosts.keys()).filter(differs).cloned().collect();
        names.into_iter().for_each(|name| self.touch_interface(name));
        program.chains = core::mem::take(&mut self.program.chains);
        self.program = program;
    }
}
