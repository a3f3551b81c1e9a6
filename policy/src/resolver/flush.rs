//! From what has changed to a delta.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem;

use super::Resolver;
use super::chains::{Dirty, Turn};
use super::delta::Delta;
use crate::compile::{guard, solicitations};
use crate::convert::HostEndpoint;
use crate::error::EndpointFault;
use crate::key::{Direction, ListKind, Owner};
use crate::policy::{Policy, by_order};
use crate::program::{ChainKey, Dispatch, HostDispatch};
use crate::resolve::{PolicyList, ResolvedHostEndpoint, TierPolicies, untracked};
use crate::set::SetId;

/// What chains are looked up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// The number of a workload.
    Workload(u32),
    /// The name of an interface of the host.
    Host(String),
    AllInterfaces,
}

/// What is in use on behalf of a slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Programmed {
    /// The interface of a workload.
    interface: Option<String>,
    chains: Vec<ChainKey>,
    owners: BTreeSet<Owner>,
}

/// A policy or profile that is in lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    slots: usize,
    sets: BTreeSet<SetId>,
}

/// What has been put together in one flush.
#[derive(Default)]
struct Wanted {
    slots: Vec<(Slot, Programmed)>,
    /// Interfaces of workloads that may have other chains; `None`: no more chains.
    dispatch: BTreeMap<String, Option<Dispatch>>,
    /// All interfaces of the host, if one may have others.
    hosts: Option<(BTreeMap<String, HostDispatch>, Option<HostDispatch>)>,
}

type Lists = BTreeMap<(ListKind, Direction), PolicyList>;

impl Resolver {
    /// What has changed in the program since the last time. Nothing, as long as not all is known.
    pub fn flush(&mut self) -> Delta {
        let mut delta = Delta::default();
        if !self.is_in_sync {
            return delta;
        }
        let wanted = self.wanted();
        let dirty = mem::take(&mut self.dirty);
        self.account(&wanted, &dirty, &mut delta);
        self.sets.flush(&mut delta);
        self.program(wanted, dirty, &mut delta);
        if mem::take(&mut self.guard_dirty) {
            delta.guard = Some(guard(&self.encapsulation));
        }
        if !mem::replace(&mut self.is_begun, true) {
            delta.to_host = Some(solicitations());
        }
        if mem::take(&mut self.host_action_dirty) {
            delta.host_action = Some(self.to_host);
        }
        delta
    }

    /// What is to become of all that may not be as it was.
    fn wanted(&mut self) -> Wanted {
        let mut wanted = Wanted::default();
        for number in self.locals.take_dirty() {
            let slot = Slot::Workload(number);
            let before = self.programmed.get(&slot);
            let local = self.locals.workload(number);
            if local.is_none() && self.locals.is_local(number) {
                self.hosts_dirty = true;
            }
            let Some(local) = local.filter(|local| self.locals.owner(&local.interface) == Some(number))
            else {
                if let Some(interface) = before.and_then(|before| before.interface.clone()) {
                    wanted.dispatch.entry(interface).or_default();
                    wanted.slots.push((slot, Programmed::default()));
                }
                continue;
            };
            if let Some(interface) = before.and_then(|before| before.interface.as_ref()) {
                wanted.dispatch.entry(interface.clone()).or_default();
            }
            self.lists += 1;
            let lists = self.lists_of(number, &[ListKind::Normal], &local.profiles);
            let [ingress, egress] = Direction::ALL.map(|direction| {
                let list = lists.get(&(ListKind::Normal, direction)).cloned().unwrap_or_default();
                self.rules.workload(&list, direction, local.has_http_enforcer)
            });
            let programmed = Programmed {
                interface: Some(local.interface.clone()),
                chains: [&ingress, &egress].map(ChainKey::clone).into(),
                owners: owners(&lists),
            };
            let dispatch = Dispatch { endpoint: local.id.clone(), ingress, egress };
            wanted.dispatch.insert(local.interface.clone(), Some(dispatch));
            wanted.slots.push((slot, programmed));
        }
        if mem::take(&mut self.hosts_dirty) {
            self.wanted_hosts(&mut wanted);
        }
        wanted
    }

    fn wanted_hosts(&mut self, wanted: &mut Wanted) {
        let own = || self.host_endpoints.values().filter(|(_, endpoint)| endpoint.node == self.host.name);
        let mut interfaces: BTreeSet<&String> = self.host.interfaces.keys().collect();
        let named = own().filter(|(_, endpoint)| !endpoint.is_for_all_interfaces());
        interfaces.extend(named.filter_map(|(_, endpoint)| endpoint.interface.as_ref()));
        let found = interfaces.into_iter().filter_map(|interface| {
            let endpoint = own().find(|(_, endpoint)| endpoint.is_for(&self.host, interface))?;
            Some((Slot::Host(interface.clone()), endpoint))
        });
        let all = own().find(|(_, endpoint)| endpoint.is_for_all_interfaces());
        let all = all.map(|endpoint| (Slot::AllInterfaces, endpoint));
        let (mut hosts, mut all_interfaces, mut lists_made) = (BTreeMap::new(), None, 0);
        for (slot, (number, endpoint)) in found.chain(all) {
            lists_made += 1;
            let lists = self.host_lists(*number, endpoint);
            let owners = owners(&lists);
            let dispatch = self.rules.host(&ResolvedHostEndpoint { name: endpoint.name.clone(), lists });
            let chains = dispatch.lists.values().cloned().collect();
            match &slot {
                Slot::Host(interface) => drop(hosts.insert(interface.clone(), dispatch)),
                Slot::AllInterfaces | Slot::Workload(_) => all_interfaces = Some(dispatch),
            }
            wanted.slots.push((slot, Programmed { interface: None, chains, owners }));
        }
        let gone = self.programmed.keys().filter(|slot| match slot {
            Slot::Workload(_) => false,
            Slot::Host(interface) => !hosts.contains_key(interface),
            Slot::AllInterfaces => all_interfaces.is_none(),
        });
        wanted.slots.extend(gone.map(|slot| (slot.clone(), Programmed::default())));
        wanted.hosts = Some((hosts, all_interfaces));
        self.lists += lists_made;
    }

    /// Untracked policies that would be those of all interfaces.
    pub(super) fn untracked(&self) -> Vec<EndpointFault> {
        let mut own = self.host_endpoints.values();
        let all =
            own.find(|(_, endpoint)| endpoint.node == self.host.name && endpoint.is_for_all_interfaces());
        let faults = all.map(|(number, endpoint)| {
            let lists = self.lists_of(*number, &[ListKind::Untracked], &[]);
            untracked(&endpoint.name, lists.values()).collect()
        });
        faults.unwrap_or_default()
    }

    fn host_lists(&self, number: u32, endpoint: &HostEndpoint) -> Lists {
        let kinds = ListKind::ALL;
        let kinds =
            kinds.iter().filter(|kind| **kind != ListKind::Untracked || !endpoint.is_for_all_interfaces());
        let kinds: Vec<_> = kinds.copied().collect();
        let mut lists = self.lists_of(number, &kinds, &self.locals.profiles(number));
        lists.retain(|(kind, _), list| *kind == ListKind::Normal || !list.tiers.is_empty());
        lists
    }

    /// What governs an endpoint.
    fn lists_of(&self, number: u32, kinds: &[ListKind], profiles: &[Arc<str>]) -> Lists {
        let policies = self.locals.policies(number).filter_map(|policy| self.policies.get(policy));
        let mut policies: Vec<&Policy> =
            policies.filter_map(|stored| self.rules.policies.get(&stored.key)).collect();
        policies.sort_by(|a, b| self.by_tier(&a.tier, &b.tier).then_with(|| a.precedence(b)));
        let mut lists = Lists::new();
        for kind in kinds.iter().copied() {
            let goes_on = matches!(kind, ListKind::PreDnat | ListKind::Untracked);
            for direction in Direction::ALL {
                let mut list = PolicyList::default();
                let in_list =
                    |policy: &&&Policy| policy.scope.includes(kind) && policy.rules(direction).is_some();
                for policy in policies.iter().filter(in_list) {
                    let key = Arc::clone(&policy.key);
                    match list.tiers.last_mut().filter(|last| last.tier == policy.tier) {
                        Some(last) => last.policies.push(key),
                        None => {
                            let tier = self.tiers.get(&policy.tier);
                            let passes = goes_on || tier.is_some_and(|tier| tier.value.passes);
                            let (tier, policies) = (Arc::clone(&policy.tier), alloc::vec![key]);
                            list.tiers.push(TierPolicies { tier, passes, policies });
                        }
                    }
                }
                if kind == ListKind::Normal {
                    list.profiles = profiles.to_vec();
                }
                lists.insert((kind, direction), list);
            }
        }
        lists
    }

    /// Which tier comes first: those that exist, by order, those without last, then by name.
    fn by_tier(&self, one: &Arc<str>, other: &Arc<str>) -> Ordering {
        if one == other {
            return Ordering::Equal;
        }
        let (a, b) = (self.tiers.get(one), self.tiers.get(other));
        let order =
            |tier: Option<&super::Stored<crate::policy::Tier>>| tier.and_then(|tier| tier.value.order);
        b.is_some().cmp(&a.is_some()).then_with(|| by_order(order(a), order(b))).then_with(|| one.cmp(other))
    }

    /// Keeps account of which policies and profiles are in use, and of the sets that they speak of.
    fn account(&mut self, wanted: &Wanted, dirty: &Dirty, delta: &mut Delta) {
        let mut look_at = dirty.owners.clone();
        for (_, programmed) in &wanted.slots {
            for owner in &programmed.owners {
                let used = self.used.entry(owner.clone()).or_default();
                used.slots += 1;
                if used.slots == 1 {
                    look_at.insert(owner.clone());
                }
            }
        }
        let before = wanted.slots.iter().filter_map(|(slot, _)| self.programmed.get(slot));
        for owner in before.flat_map(|before| &before.owners) {
            let Some(used) = self.used.get_mut(owner) else { continue };
            used.slots -= 1;
            if used.slots == 0 {
                look_at.insert(owner.clone());
            }
        }
        let mut released = Vec::new();
        for owner in look_at {
            let Some(used) = self.used.get_mut(&owner) else { continue };
            let is_used = used.slots > 0;
            let sets = if is_used { self.rules.sets(&owner) } else { BTreeSet::new() };
            sets.difference(&used.sets).for_each(|id| self.sets.hold(id));
            released.extend(used.sets.difference(&sets).cloned());
            used.sets = sets;
            if !is_used {
                self.used.remove(&owner);
            }
        }
        for id in released {
            self.sets.release(&id, delta);
        }
    }

    /// Brings chains and interfaces to what is wanted.
    fn program(&mut self, wanted: Wanted, dirty: Dirty, delta: &mut Delta) {
        let mut turn = Turn::new(dirty);
        for (slot, programmed) in wanted.slots {
            for key in &programmed.chains {
                self.chains.hold(&self.rules, key, &mut turn);
            }
            let before = if programmed.chains.is_empty() {
                self.programmed.remove(&slot)
            } else {
                self.programmed.insert(slot, programmed)
            };
            before.into_iter().flat_map(|before| before.chains).for_each(|key| turn.end(key));
        }
        (delta.chains, delta.chains_removed) = self.chains.finish(turn);
        for (interface, dispatch) in wanted.dispatch {
            match dispatch {
                Some(dispatch) if self.dispatch.get(&interface) == Some(&dispatch) => {}
                Some(dispatch) => {
                    self.dispatch.insert(interface.clone(), dispatch.clone());
                    delta.dispatch.push((interface, dispatch));
                }
                None => {
                    if self.dispatch.remove(&interface).is_some() {
                        delta.dispatch_removed.push(interface);
                    }
                }
            }
        }
        let Some((hosts, all_interfaces)) = wanted.hosts else { return };
        let changed =
            hosts.iter().filter(|(interface, dispatch)| self.hosts.get(*interface) != Some(*dispatch));
        delta.hosts = changed.map(|(interface, dispatch)| (interface.clone(), dispatch.clone())).collect();
        let gone = self.hosts.keys().filter(|interface| !hosts.contains_key(*interface));
        delta.hosts_removed = gone.cloned().collect();
        self.hosts = hosts;
        if self.all_interfaces != all_interfaces {
            self.all_interfaces.clone_from(&all_interfaces);
            delta.all_interfaces = Some(all_interfaces);
        }
    }
}

/// All policies and profiles of lists.
fn owners(lists: &Lists) -> BTreeSet<Owner> {
    let policies = |list: &PolicyList| {
        let keys = list.tiers.iter().flat_map(|tier| &tier.policies);
        keys.map(|key| Owner::Policy(Arc::clone(key))).collect::<Vec<_>>()
    };
    let profiles = |list: &PolicyList| {
        list.profiles.iter().map(|name| Owner::Profile(Arc::clone(name))).collect::<Vec<_>>()
    };
    lists.values().flat_map(|list| policies(list).into_iter().chain(profiles(list))).collect()
}
