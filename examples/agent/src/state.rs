//! The datastore as this host sees it: listed once, then followed change by change.
//!
//! Records of policy are passed on one by one; out of all others comes what the fabric should be, published whole.

use crate::health::{BEAT, Reporter};
use crate::policy::Feed;
use crate::settings::Settings;
use crate::source::Source;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::watch;
use tortie_datastore::{Event, EventKind, Excerpt, WatchError};
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
    node: String,
    source: Source,
    settings: Settings,
    parents: watch::Receiver<Option<Parents>>,
    policy: Arc<Feed>,
    fabric: watch::Sender<Option<Arc<FabricWish>>>,
    health: Reporter,
}

impl Follower {
    pub(crate) fn new(
        node: &str,
        source: Source,
        settings: Settings,
        parents: watch::Receiver<Option<Parents>>,
        policy: Arc<Feed>,
        health: Reporter,
    ) -> Self {
        let (node, fabric) = (node.to_owned(), watch::Sender::new(None));
        Self { node, source, settings, parents, policy, fabric, health }
    }

    pub(crate) fn fabric(&self) -> Wish<FabricWish> {
        self.fabric.subscribe()
    }

    /// Lists, follows, and lists again where changes were missed; for ever.
    pub(crate) async fn run(mut self) {
        loop {
            let (store, listing) = match self.source.list(PREFIX).await {
                Ok(listed) => listed,
                Err(error) => {
                    self.health.not_ready(format!("{error:#}"));
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            let records =
                || listing.items.iter().map(|record| (record.key.as_str(), record.value.as_slice()));
            self.settings.begin(records());
            self.policy.begin(self.source.cluster(), records());
            let mut cluster = Cluster::new(&self.node);
            for record in &listing.items {
                put(&mut cluster, &record.key, &record.value);
            }
            let mut watch = store.watch(PREFIX, listing.revision);
            drop(listing);
            self.publish(&mut cluster);
            self.tell();
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
                            has_changed |= take(&mut cluster, &mut self.settings, event);
                        }
                        if has_changed {
                            self.publish(&mut cluster);
                        }
                        self.tell();
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

    /// Says that all is read, and what people should know.
    fn tell(&self) {
        match self.settings.note() {
            Some(note) => self.health.ready_but(note),
            None => self.health.ready(),
        }
    }

    /// Publishes what the fabric should be, and tells policy what settings, pools and services say.
    fn publish(&mut self, cluster: &mut Cluster) {
        let parents = self.parents.borrow_and_update().clone();
        let parents_known = parents.is_some();
        cluster.parents = parents.unwrap_or_default();
        let settings = self.settings.now();
        self.policy.set_choices(&settings);
        self.policy.set_network(crate::network::network(cluster, &settings));
        let wish = Arc::new(FabricWish { fabric: tortie_fabric::fabric(cluster), parents_known });
        let before = self.fabric.send_replace(Some(Arc::clone(&wish))).filter(|before| before.parents_known);
        for report in wish.fabric.reports.iter().filter(|_| parents_known) {
            if before.as_ref().is_none_or(|before| !before.fabric.reports.contains(report)) {
                let report = report.to_string();
                tracing::warn!(report = %Excerpt(&report), "fabric");
            }
        }
    }
}

/// Whether fabric or settings may be others then.
fn take(cluster: &mut Cluster, settings: &mut Settings, event: &Event) -> bool {
    match &event.kind {
        EventKind::Put(value) => {
            let has_changed = settings.put(&event.key, value);
            put(cluster, &event.key, value) || has_changed
        }
        EventKind::Delete => {
            let has_changed = settings.remove(&event.key);
            cluster.remove(&event.key) == Change::Changed || has_changed
        }
    }
}

fn put(cluster: &mut Cluster, key: &str, value: &[u8]) -> bool {
    match cluster.put(key, value) {
        Ok(change) => change == Change::Changed,
        Err(error) => {
            let source = core::error::Error::source(&error).map(ToString::to_string);
            let error = source.unwrap_or_else(|| error.to_string());
            let (key, error) = (Excerpt(key), Excerpt(&error));
            tracing::warn!(%key, %error, "record is malformed: its last good version stays");
            false
        }
    }
}
