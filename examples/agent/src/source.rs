//! The datastore that is followed: that of the cluster whose policy is in force here, and no other.
//!
//! An empty datastore says that nothing is wished for: no policy, no endpoint of the host, no route. So one that is new, or
//! somebody else's, must not be taken for the one that was followed before, whose rules stand in the kernel. The table says of
//! which cluster they are, and so does the `ClusterInformation` in the datastore.

use crate::policy::{self, InForce};
use anyhow::{Context as _, bail, ensure};
use tortie_datastore::resource::{ClusterInformationSpec, Resource, key};
use tortie_datastore::{Datastore, Excerpt, Listing, Location, client};

/// Where the datastore is, and which one it has to be.
pub(crate) struct Source {
    location: Location,
    /// Whether a file that is not there may be made.
    may_create: bool,
    key: String,
    /// What the kernel had before; `None` before it was asked.
    in_force: Option<InForce>,
    /// The cluster that is followed.
    cluster: Option<String>,
    store: Option<Datastore>,
}

impl Source {
    /// The datastore at this place.
    ///
    /// # Errors
    /// This program cannot open such a datastore, whatever becomes of it.
    pub(crate) fn new(location: Location, may_create: bool) -> anyhow::Result<Self> {
        let store = match &location {
            Location::File(_) => None,
            location => Some(location.open().with_context(|| format!("cannot open {location}"))?),
        };
        let key = key::<ClusterInformationSpec>(None, ClusterInformationSpec::NAME)?;
        Ok(Self { location, may_create, key, in_force: None, cluster: None, store })
    }

    /// The cluster that is followed, once that is known; none if its datastore does not say.
    pub(crate) fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// The datastore, if it can be read and is that of the cluster that is followed. One that does not say of which cluster it
    /// is, is told of a new one, unless another is followed.
    pub(crate) async fn open(&mut self) -> anyhow::Result<Datastore> {
        if self.in_force.is_none() {
            let found = policy::in_force().await.context("cannot tell which policy is in force")?;
            self.cluster.clone_from(&found.cluster);
            self.in_force = Some(found);
        }
        let store = self.reach().await?;
        let known = self.know(&store).await;
        if known.is_err() {
            self.leave();
        }
        known.map(|()| store)
    }

    /// The same, and all its records whose keys begin so.
    pub(crate) async fn list(&mut self, prefix: &str) -> anyhow::Result<(Datastore, Listing)> {
        let store = self.open().await?;
        let listed = store.list(prefix).await.context("cannot read the datastore");
        // It may have become another since it was opened.
        let judged = listed.and_then(|listing| {
            let place = listing.items.binary_search_by(|record| record.key.as_str().cmp(&self.key));
            let record = place.ok().and_then(|at| listing.items.get(at));
            self.judge(record.and_then(|record| guid(&record.value)))?;
            Ok(listing)
        });
        if judged.is_err() {
            self.leave();
        }
        judged.map(|listing| (store, listing))
    }

    /// Opens it, if it is not open.
    async fn reach(&mut self) -> anyhow::Result<Datastore> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let is_first =
            self.cluster.is_none() && !self.in_force.as_ref().is_some_and(|found| found.is_policed);
        let creates = self.may_create && is_first;
        if let Location::File(path) = &self.location {
            let advice = match &self.cluster {
                Some(ours) => format!("the policy in force here is of the cluster {ours}, and stays"),
                None => {
                    "`tortie-ctl apply` makes one, and the first agent with --create-datastore".to_owned()
                }
            };
            ensure!(creates || path.exists(), "there is no datastore at {}: {advice}", path.display());
        }
        let location = self.location.clone();
        let opened =
            tokio::task::spawn_blocking(
                move || {
                    if creates { location.open() } else { location.open_existing() }
                },
            );
        let store = opened.await?.with_context(|| format!("cannot open {}", self.location))?;
        Ok(self.store.insert(store).clone())
    }

    /// A file that fails may be another by the next time; a cluster's client looks for its members by itself.
    fn leave(&mut self) {
        if matches!(self.location, Location::File(_)) {
            self.store = None;
        }
    }

    /// Finds out of which cluster it is.
    async fn know(&mut self, store: &Datastore) -> anyhow::Result<()> {
        let read = async || store.get(&self.key).await.context("cannot read the datastore");
        let mut record = read().await?;
        if record.is_none() && self.cluster.is_none() {
            let first: Resource<ClusterInformationSpec> = ClusterInformationSpec::new_cluster()?;
            match client::create(store, first).await {
                Ok(_) | Err(tortie_datastore::Error::AlreadyExists { .. }) => record = read().await?,
                // It can be read all the same.
                Err(error @ tortie_datastore::Error::Refused(_)) => {
                    tracing::warn!(%error, "the datastore cannot be told from others: it has no ClusterInformation");
                }
                Err(error) => return Err(error).context("cannot write to the datastore"),
            }
        }
        let found = record.as_ref().and_then(|record| guid(&record.value));
        self.judge(found.clone())?;
        if found.is_some() && self.cluster != found {
            tracing::info!(cluster = found, "this cluster is followed");
            self.cluster = found;
        }
        Ok(())
    }

    /// Whether a datastore that says so is the one to be followed.
    fn judge(&self, found: Option<String>) -> anyhow::Result<()> {
        let Some(ours) = &self.cluster else { return Ok(()) };
        let place = &self.location;
        let advice = format!(
            "the policy in force here is of the cluster {ours}, and stays until that cluster's datastore is back, or this one has \
             a ClusterInformation `default` with clusterGUID {ours}"
        );
        match found {
            Some(found) if found == *ours => Ok(()),
            Some(found) => bail!("{place} is of the cluster {found}: {advice}"),
            None => bail!("{place} does not say of which cluster it is: {advice}"),
        }
    }
}

/// What a record says of which cluster it is.
fn guid(record: &[u8]) -> Option<String> {
    match Resource::<ClusterInformationSpec>::decode(record) {
        Ok(information) => information.spec.guid().map(ToOwned::to_owned),
        Err(error) => {
            let error = error.to_string();
            // What comes of it is told once, by readiness.
            tracing::debug!(error = %Excerpt(&error), "the ClusterInformation cannot be read");
            None
        }
    }
}
