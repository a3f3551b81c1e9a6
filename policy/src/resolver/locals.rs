//! Endpoints of this host, and which policies match them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use tortie_selector::{Event, Index, Selector};

use super::waiting::Waiting;
use crate::endpoint::is_interface_name;
use crate::error::EndpointFault;

/// An endpoint of a workload on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) id: String,
    pub(super) interface: String,
    pub(super) profiles: Vec<Arc<str>>,
    pub(super) has_http_enforcer: bool,
}

/// Endpoints of this host by the numbers of their items, host endpoints among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Locals {
    /// Endpoints, profiles, and the selectors of policies that do not wait.
    index: Index<u32, Arc<str>, u32>,
    workloads: BTreeMap<u32, Local>,
    /// By interface and id.
    interfaces: BTreeMap<String, BTreeMap<String, u32>>,
    /// The profiles of each endpoint.
    profiles: BTreeMap<u32, Vec<Arc<str>>>,
    /// How many endpoints have each profile, and which labels it has.
    profile_uses: BTreeMap<Arc<str>, (usize, Vec<u64>)>,
    /// The labels of each endpoint.
    labels: BTreeMap<u32, Vec<u64>>,
    waiting: Waiting,
    /// Endpoints whose lists may not be what they were.
    dirty: BTreeSet<u32>,
    /// Policies that began or ceased to match an endpoint.
    touched: Vec<u32>,
}

impl Locals {
    pub(super) fn workload(&self, number: u32) -> Option<&Local> {
        self.workloads.get(&number)
    }

    pub(super) fn is_local(&self, number: u32) -> bool {
        self.profiles.contains_key(&number)
    }

    /// The profiles of an endpoint.
    pub(super) fn profiles(&self, number: u32) -> Vec<Arc<str>> {
        self.profiles.get(&number).cloned().unwrap_or_default()
    }

    /// Whether an endpoint has this profile.
    pub(super) fn has_profile(&self, name: &str) -> bool {
        self.profile_uses.contains_key(name)
    }

    /// Policies that match an endpoint.
    pub(super) fn policies(&self, number: u32) -> impl Iterator<Item = u32> {
        self.index.selectors(&number).copied()
    }

    /// Whether a policy matches any endpoint.
    pub(super) fn is_matched(&self, policy: u32) -> bool {
        self.index.items(&policy).next().is_some()
    }

    /// The workload whose rules an interface has: that with the smallest id.
    pub(super) fn owner(&self, interface: &str) -> Option<u32> {
        let first = self.interfaces.get(interface).and_then(|ids| ids.first_key_value());
        first.map(|(_, number)| *number)
    }

    pub(super) fn faults(&self) -> Vec<EndpointFault> {
        let mut workloads: Vec<_> = self.workloads.iter().collect();
        workloads.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let fault = |(number, local): (&u32, &Local)| {
            let Local { id, interface, .. } = local.clone();
            if !is_interface_name(&interface) {
                return Some(EndpointFault::Interface { id, interface });
            }
            let owner = self.owner(&interface).filter(|owner| owner != number)?;
            let active = self.workloads.get(&owner)?.id.clone();
            Some(EndpointFault::Shadowed { id, interface, active })
        };
        workloads.into_iter().filter_map(fault).collect()
    }

    /// Adds an endpoint or changes it. Its profiles have these labels.
    pub(super) fn set<'l, 'p, L: Iterator<Item = (&'p str, &'p str)>>(
        &mut self,
        number: u32,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        profiles: &[Arc<str>],
        labels_of: impl Fn(&Arc<str>) -> L,
        governed: Governed<'_>,
    ) {
        for name in profiles {
            let (uses, _) = self.profile_uses.entry(Arc::clone(name)).or_default();
            *uses += 1;
            if *uses == 1 {
                self.set_profile(name, labels_of(name), governed);
            }
        }
        let labels: Vec<_> = labels.collect();
        let sums: Vec<u64> = labels.iter().map(|(name, value)| self.waiting.label(name, value)).collect();
        self.wake(&sums, governed);
        let Self { index, dirty, touched, .. } = self;
        index.set_item(number, labels, profiles.iter().cloned(), |event| on(event, dirty, touched));
        let before = self.labels.insert(number, sums).unwrap_or_default();
        self.rest(&before, governed);
        let before = self.profiles.insert(number, profiles.to_vec());
        if before.as_deref() != Some(profiles) {
            self.dirty.insert(number);
        }
        self.drop_profiles(before.unwrap_or_default(), governed);
    }

    /// There are these labels: policies that wait for one are looked at from now on.
    fn wake(&mut self, labels: &[u64], governed: Governed<'_>) {
        for policy in self.waiting.hold(labels) {
            let Self { index, dirty, touched, .. } = self;
            if let Some(selector) = governed(policy) {
                index.set_selector(policy, &selector, |event| on(event, dirty, touched));
            }
        }
    }

    /// And here they are no more.
    fn rest(&mut self, labels: &[u64], governed: Governed<'_>) {
        for policy in self.waiting.release(labels, governed) {
            self.drop_selector(policy);
        }
    }

    fn drop_selector(&mut self, policy: u32) {
        let Self { index, dirty, touched, .. } = self;
        index.remove_selector(&policy, |event| on(event, dirty, touched));
    }

    pub(super) fn set_workload(&mut self, number: u32, local: Local) {
        let before = self.workloads.get(&number);
        if before == Some(&local) {
            return;
        }
        if before.is_none_or(|before| before.interface != local.interface) {
            self.leave(number);
            if is_interface_name(&local.interface) {
                self.change_interface(&local.interface, |ids| {
                    ids.insert(local.id.clone(), number);
                });
            }
        }
        self.workloads.insert(number, local);
        self.dirty.insert(number);
    }

    /// Changes who is on an interface. All of them may have other rules then.
    fn change_interface(&mut self, interface: &str, change: impl FnOnce(&mut BTreeMap<String, u32>)) {
        let ids = self.interfaces.entry(interface.into()).or_default();
        change(ids);
        self.dirty.extend(ids.values());
        if ids.is_empty() {
            self.interfaces.remove(interface);
        }
    }

    /// A workload leaves its interface.
    fn leave(&mut self, number: u32) {
        let Some(local) = self.workloads.remove(&number) else { return };
        self.dirty.insert(number);
        if self.interfaces.contains_key(&local.interface) {
            self.change_interface(&local.interface, |ids| {
                ids.remove(&local.id);
            });
        }
    }

    pub(super) fn remove(&mut self, number: u32, governed: Governed<'_>) {
        let Some(profiles) = self.profiles.remove(&number) else { return };
        self.leave(number);
        let Self { index, dirty, touched, .. } = self;
        index.remove_item(&number, |event| on(event, dirty, touched));
        self.dirty.insert(number);
        let labels = self.labels.remove(&number).unwrap_or_default();
        self.rest(&labels, governed);
        self.drop_profiles(profiles, governed);
    }

    fn drop_profiles(&mut self, profiles: Vec<Arc<str>>, governed: Governed<'_>) {
        for name in profiles {
            let Some((uses, _)) = self.profile_uses.get_mut(&name) else { continue };
            *uses -= 1;
            if *uses == 0 {
                let labels = self.profile_uses.remove(&name).map(|(_, labels)| labels);
                self.index.remove_parent(&name, |_| {});
                self.rest(&labels.unwrap_or_default(), governed);
            }
        }
    }

    /// Sets the labels of a profile, if an endpoint has it.
    pub(super) fn set_profile<'l>(
        &mut self,
        name: &Arc<str>,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        governed: Governed<'_>,
    ) {
        if !self.has_profile(name) {
            return;
        }
        let labels: Vec<_> = labels.collect();
        let sums: Vec<u64> = labels.iter().map(|(name, value)| self.waiting.label(name, value)).collect();
        self.wake(&sums, governed);
        let Self { index, dirty, touched, .. } = self;
        index.set_parent(Arc::clone(name), labels, |event| on(event, dirty, touched));
        let Some((_, place)) = self.profile_uses.get_mut(name) else { return };
        let before = core::mem::replace(place, sums);
        self.rest(&before, governed);
    }

    /// Rules of a profile are not what they were: endpoints that have it may have other lists.
    pub(super) fn touch_profile(&mut self, name: &str) {
        if self.has_profile(name) {
            let has = |(_, names): &(&u32, &Vec<Arc<str>>)| names.iter().any(|other| **other == *name);
            self.dirty.extend(self.profiles.iter().filter(has).map(|(number, _)| number));
        }
    }

    /// Sets what a policy governs, and looks at all that it matches. Before, it governed something else.
    pub(super) fn set_policy(&mut self, policy: u32, before: Option<&Selector>, selector: Option<&Selector>) {
        if let Some(before) = before {
            self.waiting.remove(policy, before);
        }
        match selector.filter(|selector| self.waiting.add(policy, selector)) {
            Some(selector) => {
                let Self { index, dirty, touched, .. } = self;
                index.set_selector(policy, selector, |event| on(event, dirty, touched));
                dirty.extend(index.items(&policy));
            }
            None => self.drop_selector(policy),
        }
    }

    /// All endpoints may have other lists.
    pub(super) fn touch_all(&mut self) {
        self.dirty.extend(self.profiles.keys());
    }

    pub(super) fn take_dirty(&mut self) -> BTreeSet<u32> {
        core::mem::take(&mut self.dirty)
    }

    /// Policies that began or ceased to match an endpoint since the last time.
    pub(super) fn take_touched(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.touched)
    }
}

/// What a policy governs.
pub(super) type Governed<'a> = &'a dyn Fn(u32) -> Option<Selector>;

fn on(event: Event<'_, u32, u32>, dirty: &mut BTreeSet<u32>, touched: &mut Vec<u32>) {
    if let Event::MatchStarted { selector, item, .. } | Event::MatchStopped { selector, item, .. } = event {
        dirty.insert(*item);
        touched.push(*selector);
    }
}
