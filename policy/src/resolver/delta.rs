//! What has changed in a program.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::program::{Chain, ChainKey, Dispatch, HostDispatch, Program, Step};
use crate::set::{Members, SetId};
use crate::settings::HostAction;

/// What has changed in a program since the last flush of a [`Resolver`](crate::Resolver).
///
/// The fields are in the order in which they are to be applied: then nothing speaks of what is not there. Each set, chain
/// and interface is in at most one of them. [`Program::apply`] does it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Delta {
    /// Sets that are new, with all their members.
    pub sets_added: Vec<(SetId, Members)>,
    /// Sets of which members have changed.
    pub sets_changed: Vec<SetChange>,
    /// Chains that are new or have changed. One that is new stands before those that lead to it.
    pub chains: Vec<(ChainKey, Arc<Chain>)>,
    /// What judges every packet from a workload, if that has changed.
    pub guard: Option<Vec<Step>>,
    /// What judges every packet from a workload to its host, if that has changed.
    pub to_host: Option<Vec<Step>>,
    /// What becomes of such a packet, if that has changed.
    pub host_action: Option<HostAction>,
    /// Interfaces of workloads whose chains or endpoint have changed.
    pub dispatch: Vec<(String, Dispatch)>,
    /// Interfaces of the host whose chains or host endpoint have changed.
    pub hosts: Vec<(String, HostDispatch)>,
    /// The host endpoint of all other interfaces, if that has changed; `Some(None)` if there is none any more.
    pub all_interfaces: Option<Option<HostDispatch>>,
    /// Interfaces of workloads that have no endpoint any more.
    pub dispatch_removed: Vec<String>,
    /// Interfaces of the host that have no host endpoint of their own any more.
    pub hosts_removed: Vec<String>,
    /// Chains that nothing leads to any more. One stands before those that it leads to.
    pub chains_removed: Vec<ChainKey>,
    /// Sets that nothing speaks of any more.
    pub sets_removed: Vec<SetId>,
}

/// What has changed in a set. What is removed is removed before the rest is added: then no members overlap.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SetChange {
    /// The set.
    pub set: SetId,
    /// Members that are so no more.
    pub removed: Members,
    /// New members.
    pub added: Members,
}

impl Delta {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Program {
    /// Makes these changes: what follows from an empty program by all deltas of a [`Resolver`](crate::Resolver) is its
    /// program.
    pub fn apply(&mut self, delta: Delta) {
        self.sets.extend(delta.sets_added);
        for SetChange { set, removed, added } in delta.sets_changed {
            if let Some(members) = self.sets.get_mut(&set) {
                members.change(&removed, &added);
            }
        }
        self.chains.extend(delta.chains);
        set(&mut self.guard, delta.guard);
        set(&mut self.to_host, delta.to_host);
        set(&mut self.host_action, delta.host_action);
        self.dispatch.extend(delta.dispatch);
        self.hosts.extend(delta.hosts);
        set(&mut self.all_interfaces, delta.all_interfaces);
        remove(&mut self.dispatch, &delta.dispatch_removed);
        remove(&mut self.hosts, &delta.hosts_removed);
        remove(&mut self.chains, &delta.chains_removed);
        remove(&mut self.sets, &delta.sets_removed);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn remove<K: Ord, V>(map: &mut BTreeMap<K, V>, keys: &[K]) {
    for key in keys {
        map.remove(key);
    }
}
