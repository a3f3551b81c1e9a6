//! The datastore as this host sees it: listed once, then followed change by change.
//!
//! Records of policy are passed on one by one; out of all others comes what the fabric should be, published whole.

use crate::health::{BEAT, Reporter};
use crate::options::Host;
use crate::policy::Feed;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::watch;
use tortie_datastore::{Datastore, Event, EventKind, WatchError};
use tortie_fabric::{Change, Cluster, Fabric, Parents};

/// All records, of whatever kind, are below this.
const PREFIX: &str = "/calico/";
/// The pause before the datastore is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What the fabric should be.
pub(crate) struct FabricWish {
    pub(crate) fabric: Fabric,
    /// Whether the links of the node's own addresses were looked for. Before that the routes to other nodes are missing
    /// from the fabric, and acting on it would remove those of an earlier run.
    pub(crate) parents_known: bool,
}

/// A wish; `None` until the datastore is in sync, which is when acting on it may begin.
pub(crate) type Wish<T> = watch::Receiver<Option<Arc<T>>>;

/// Where all of it goes, and what else the wish depends on.
pub(crate) struct Follower {
    host: Host,
    store: Datastore,
    parents: watch::Receiver<Option<Parents>>,
    policy: Arc<Feed>,
    fabric: watch::Sender<Option<Arc<FabricWish>>>,
    health: Reporter,
}

impl Follower {
    pub(crate) fn new(
        host: Host,
        store: Datastore,
        parents: watch::Receiver<Option<Parents>>,
        policy: Arc<Feed>,
        health: Reporter,
    ) -> Self {
        Self { host, store, parents, policy, fabric: watch::Sender::new(None), health }
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
            self.policy
                .begin(listing.items.iter().map(|record| (record.key.as_str(), record.value.as_slice())));
            let mut cluster = Cluster::new(&self.host.node);
            for record in &listing.items {
                put(&mut cluster, &record.key, &record.value);
            }
            let mut watch = self.store.watch(PREFIX, listing.revision);
            drop(listing);
            self.publish(&mut cluster);
            self.health.ready();
            loop {
                let mut has_changed = false;
                let next = tokio::select! {
                    next = watch.next() => Some(next),
                    changed = self.parents.changed() => {
                        has_changed = changed.is_ok();
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
                        self.policy.take(&events);
                        for event in &events {
                            has_changed |= take(&mut cluster, event);
                        }
                        if has_changed {
                            self.publish(&mut cluster);
                        }
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

    /// Publishes what the fabric should be.
    fn publish(&mut self, cluster: &mut Cluster) {
        let parents = self.parents.borrow_and_update().clone();
        let parents_known = parents.is_some();
        cluster.parents = parents.unwrap_or_default();
        self.policy.set_network(crate::network::network(cluster));
        let wish = Arc::new(FabricWish { fabric: tortie_fabric::fabric(cluster), parents_known });
        let before = self.fabric.send_replace(Some(Arc::clone(&wish))).filter(|before| before.parents_known);
        for report in wish.fabric.reports.iter().filter(|_| parents_known) {
            if before.as_ref().is_none_or(|before| !before.fabric.reports.contains(report)) {
                tracing::warn!(%report, "fabric");
            }
        }
    }
}

/// Whether the fabric may be another then.
fn take(cluster: &mut Cluster, event: &Event) -> bool {
    match &event.kind {
        EventKind::Put(value) => put(cluster, &event.key, value),
        EventKind::Delete => cluster.remove(&event.key) == Change::Changed,
    }
}

fn put(cluster: &mut Cluster, key: &str, value: &[u8]) -> bool {
    match cluster.put(key, value) {
        Ok(change) => change == Change::Changed,
        Err(error) => {
            let source = core::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%error, source, "record is malformed: its last good version stays");
            false
        }
    }
}
