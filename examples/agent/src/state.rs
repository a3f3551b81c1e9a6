//! The datastore as this host sees it: listed once, then followed change by change.
//!
//! Out of it come two wishes, each published whole: what policy is made from, and what the fabric should be.

use crate::health::{BEAT, Reporter};
use crate::options::{Host, ToHost};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::watch;
use tortie_datastore::convert::PolicyState;
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_datastore::{Datastore, Event, EventKind, WatchError};
use tortie_fabric::{Change, Cluster, Fabric, Parents};
use tortie_policy::{HostAction, Inputs};

/// All records, of whatever kind, are below this.
const PREFIX: &str = "/calico/";
/// The pause before the datastore is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What policy is made from.
#[derive(Default)]
pub(crate) struct PolicyWish {
    pub(crate) inputs: Inputs,
    /// This host's endpoints.
    pub(crate) endpoints: Vec<Resource<WorkloadEndpointSpec>>,
}

/// What the fabric should be.
pub(crate) struct FabricWish {
    pub(crate) fabric: Fabric,
    /// Whether the links of the node's own addresses were looked for. Before that the routes to other nodes are missing
    /// from the fabric, and acting on it would remove those of an earlier run.
    pub(crate) parents_known: bool,
}

/// A wish; `None` until the datastore is in sync, which is when acting on it may begin.
pub(crate) type Wish<T> = watch::Receiver<Option<Arc<T>>>;

/// Where the wishes are published, and what else they depend on.
pub(crate) struct Follower {
    host: Host,
    to_host: HostAction,
    store: Datastore,
    parents: watch::Receiver<Option<Parents>>,
    policy: watch::Sender<Option<Arc<PolicyWish>>>,
    fabric: watch::Sender<Option<Arc<FabricWish>>>,
    health: Reporter,
}

/// The records as of now.
struct State {
    policy: PolicyState,
    cluster: Cluster,
}

/// What of it has changed since it was last published.
#[derive(Clone, Copy, Default)]
struct Dirty {
    policy: bool,
    fabric: bool,
}

impl Follower {
    pub(crate) fn new(
        host: Host,
        to_host: ToHost,
        store: Datastore,
        parents: watch::Receiver<Option<Parents>>,
        health: Reporter,
    ) -> Self {
        let to_host = match to_host {
            ToHost::Drop => HostAction::Drop,
            ToHost::Accept => HostAction::Accept,
            ToHost::Return => HostAction::Return,
        };
        Self {
            host,
            to_host,
            store,
            parents,
            policy: watch::Sender::new(None),
            fabric: watch::Sender::new(None),
            health,
        }
    }

    pub(crate) fn policy(&self) -> Wish<PolicyWish> {
        self.policy.subscribe()
    }

    pub(crate) fn fabric(&self) -> Wish<FabricWish> {
        self.fabric.subscribe()
    }

    /// Lists, follows, and lists again where changes were missed; for ever.
    pub(crate) async fn run(mut self) {
        loop {
            let listing = match self.store.list(PREFIX).await {
                Ok(listing) => listing,
                Err(error) => {
                    self.health.not_ready(format!("cannot read the datastore: {error}"));
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            let mut state = State::new(&self.host.node);
            for record in &listing.items {
                state.put(&record.key, &record.value);
            }
            self.publish(&mut state, Dirty { policy: true, fabric: true });
            self.health.ready();
            let mut watch = self.store.watch(PREFIX, listing.revision);
            loop {
                let mut dirty = Dirty::default();
                let next = tokio::select! {
                    next = watch.next() => Some(next),
                    changed = self.parents.changed() => {
                        dirty.fabric = changed.is_ok();
                        None
                    }
                    () = tokio::time::sleep(BEAT) => None,
                };
                // One burst of changes, one wish.
                let events = match next {
                    None => Ok(Vec::new()),
                    Some(Err(error)) => Err(error),
                    Some(Ok(first)) => watch.ready().await.map(|mut more| {
                        more.insert(0, first);
                        more
                    }),
                };
                match events {
                    Ok(events) => {
                        for event in events {
                            dirty = dirty.or(state.take(&event));
                        }
                        self.publish(&mut state, dirty);
                        self.health.ready();
                    }
                    Err(WatchError::Compacted { .. }) => break,
                    Err(error) => {
                        self.health.not_ready(format!("cannot follow the datastore: {error}"));
                        tokio::time::sleep(RETRY).await;
                        // An event may be lost with the error; what is listed afresh is complete.
                        break;
                    }
                }
            }
        }
    }

    fn publish(&mut self, state: &mut State, dirty: Dirty) {
        if dirty.policy {
            let workloads = state.policy.workloads().values();
            let endpoints =
                workloads.filter(|endpoint| endpoint.spec.node == self.host.node).cloned().collect();
            let mut inputs = state.policy.inputs().clone();
            inputs.set_to_host(self.to_host);
            let wish = PolicyWish { inputs, endpoints };
            self.policy.send_replace(Some(Arc::new(wish)));
        }
        if dirty.fabric {
            let parents = self.parents.borrow_and_update().clone();
            let parents_known = parents.is_some();
            state.cluster.parents = parents.unwrap_or_default();
            let wish = Arc::new(FabricWish { fabric: tortie_fabric::fabric(&state.cluster), parents_known });
            let before =
                self.fabric.send_replace(Some(Arc::clone(&wish))).filter(|before| before.parents_known);
            for report in wish.fabric.reports.iter().filter(|_| parents_known) {
                if before.as_ref().is_none_or(|before| !before.fabric.reports.contains(report)) {
                    tracing::warn!(%report, "fabric");
                }
            }
        }
    }
}

impl State {
    fn new(node: &str) -> Self {
        Self { policy: PolicyState::default(), cluster: Cluster::new(node) }
    }

    fn take(&mut self, event: &Event) -> Dirty {
        match &event.kind {
            EventKind::Put(value) => self.put(&event.key, value),
            EventKind::Delete => self.remove(&event.key),
        }
    }

    fn put(&mut self, key: &str, value: &[u8]) -> Dirty {
        let faults = self.policy.insert(key, value);
        for fault in faults.iter().flatten() {
            tracing::warn!(%fault, "record has a fault: it is closed, or its last good version stays");
        }
        let fabric = match self.cluster.put(key, value) {
            Ok(change) => change == Change::Changed,
            Err(error) => {
                let source = core::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, source, "record is malformed: its last good version stays");
                false
            }
        };
        Dirty { policy: faults.is_some(), fabric }
    }

    fn remove(&mut self, key: &str) -> Dirty {
        let policy = self.policy.remove(key);
        Dirty { policy, fabric: self.cluster.remove(key) == Change::Changed }
    }
}

impl Dirty {
    fn or(self, other: Self) -> Self {
        Self { policy: self.policy || other.policy, fabric: self.fabric || other.fabric }
    }
}
