//! What policy is made from, between who follows the datastore and who enforces.
//!
//! What is not enforced yet is kept nowhere but in the resolver, so it takes no more room the longer the kernel is away.

use crate::options::{Run, ToHost};
use core::future::Future;
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tortie_datastore::convert::{PolicyState, RecordFault};
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_datastore::{Event, EventKind};
use tortie_policy::nftables::Network;
use tortie_policy::{Delta, Encapsulation, HostAction, Passes, Resolver};

/// The records of policy, as they are in the datastore.
pub(crate) struct Feed {
    node: String,
    to_host: HostAction,
    encapsulation: Encapsulation,
    held: Mutex<Held>,
    changed: Notify,
}

struct Held {
    state: PolicyState<Resolver>,
    /// The interfaces of the host that are none of workloads, with their addresses, once they are known.
    interfaces: Option<Interfaces>,
    /// Whether nothing of it was passed on yet.
    is_new: bool,
    /// Which endpoints were passed on.
    endpoints: Option<u64>,
    /// What pools and services ask for, once that is known.
    network: Option<Network>,
    /// Whether that was not passed on yet.
    is_network_new: bool,
    /// What was reported about endpoints, so that it is not reported again.
    faults: BTreeSet<String>,
}

/// Interfaces by name, each with its addresses.
pub(crate) type Interfaces = BTreeMap<String, Vec<IpAddr>>;

/// What is not as it was passed on before.
pub(super) struct Changes {
    /// What has changed in the program, optimised.
    pub(super) delta: Delta,
    /// Whether that is the whole program.
    pub(super) is_whole: bool,
    /// What pools and services ask for, if that has changed.
    pub(super) network: Option<Network>,
    /// The endpoints of this host that have rules, if they have changed.
    pub(super) endpoints: Option<Vec<Resource<WorkloadEndpointSpec>>>,
}

impl Feed {
    pub(crate) fn new(run: &Run) -> Self {
        let to_host = match run.endpoint_to_host {
            ToHost::Drop => HostAction::Drop,
            ToHost::Accept => HostAction::Accept,
            ToHost::Return => HostAction::Return,
        };
        let (node, encapsulation) = (run.host.node.clone(), run.encapsulation());
        let held = Mutex::new(Held::new(&node, None));
        Self { node, to_host, encapsulation, held, changed: Notify::new() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew with these records, which are all that there are.
    pub(crate) fn begin<'r>(&self, records: impl Iterator<Item = (&'r str, &'r [u8])>) {
        let mut held = self.held();
        let (interfaces, network) = (held.interfaces.take(), held.network.take());
        // The old one goes before the new one grows.
        *held = Held { network, is_network_new: held.is_network_new, ..Held::new(&self.node, interfaces) };
        let resolver = held.state.resolver();
        resolver.set_to_host(self.to_host);
        resolver.set_encapsulation(self.encapsulation);
        for (key, value) in records {
            report(held.state.insert(key, value));
        }
        held.state.resolver().set_in_sync();
        drop(held);
        self.changed.notify_one();
    }

    /// Takes these events.
    pub(crate) fn take(&self, events: &[Event]) {
        let mut held = self.held();
        let mut has_changed = false;
        for event in events {
            has_changed |= match &event.kind {
                EventKind::Put(value) => report(held.state.insert(&event.key, value)),
                EventKind::Delete => held.state.remove(&event.key),
            };
        }
        drop(held);
        if has_changed {
            self.changed.notify_one();
        }
    }

    /// Says which interfaces the host has, besides those of workloads.
    pub(crate) fn set_interfaces(&self, interfaces: Interfaces) {
        let mut held = self.held();
        if held.interfaces.as_ref() != Some(&interfaces) {
            held.state.resolver().set_interfaces(interfaces.clone());
            held.interfaces = Some(interfaces);
            drop(held);
            self.changed.notify_one();
        }
    }

    /// Pools and services ask for this.
    pub(crate) fn set_network(&self, network: Network) {
        let mut held = self.held();
        if held.network.as_ref() != Some(&network) {
            held.network = Some(network);
            held.is_network_new = true;
            drop(held);
            self.changed.notify_one();
        }
    }

    /// Waits until anything may have changed since the last time.
    pub(super) fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// Why endpoints of this host have no rules of their own.
    pub(super) fn faults(&self) -> Vec<String> {
        self.held().faults.iter().cloned().collect()
    }

    /// What has changed since the last time; `None` before the datastore is in sync and interfaces and network are known.
    /// Without them, host endpoints that are found by their addresses would lose the rules of an earlier run, and pools
    /// their translation.
    pub(super) fn flush(&self, passes: &Passes) -> Option<Changes> {
        let mut held = self.held();
        let Held { state, interfaces, is_new, endpoints, network, is_network_new, faults } = &mut *held;
        if !state.resolver().is_in_sync() || interfaces.is_none() || network.is_none() {
            return None;
        }
        let mut delta = state.resolver().flush();
        for removed in delta.optimise(passes) {
            tracing::debug!(rule = ?removed.origin, reason = ?removed.reason, "a rule never decides");
        }
        let is_whole = core::mem::take(is_new);
        let before = endpoints.replace(state.workload_changes());
        let has_changed =
            before != *endpoints || !delta.dispatch.is_empty() || !delta.dispatch_removed.is_empty();
        let endpoints = has_changed.then(|| {
            let found = state.resolver().faults();
            let closed: BTreeSet<&str> = found.iter().map(|fault| fault.id()).collect();
            let open = state.workloads().iter().filter(|(id, _)| !closed.contains(id.as_str()));
            let open = open.map(|(_, endpoint)| endpoint.clone()).collect();
            let texts: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
            for fault in texts.difference(faults) {
                tracing::warn!(%fault, "endpoint gets no rules of its own");
            }
            *faults = texts;
            open
        });
        let network = network.as_ref().filter(|_| core::mem::take(is_network_new)).cloned();
        Some(Changes { delta, is_whole, network, endpoints })
    }
}

impl Held {
    fn new(node: &str, interfaces: Option<Interfaces>) -> Self {
        let host = tortie_policy::Host {
            interfaces: interfaces.clone().unwrap_or_default(),
            ..tortie_policy::Host::new(node)
        };
        let local = node.to_owned();
        let resolver = Resolver::new(host, move |endpoint| endpoint.node == local);
        let state = PolicyState::of_node(node, resolver);
        Self {
            state,
            interfaces,
            is_new: true,
            endpoints: None,
            network: None,
            is_network_new: false,
            faults: BTreeSet::new(),
        }
    }
}

/// Reports what is wrong with a record; whether it is one that policy is made from.
fn report(faults: Option<Vec<RecordFault>>) -> bool {
    for fault in faults.iter().flatten() {
        tracing::warn!(%fault, "record has a fault: it is closed, or its last good version stays");
    }
    faults.is_some()
}
