//! The endpoint's records in the datastore.

use serde_json::json;
use tortie_datastore::resource::{ProfileSpec, Resource, WorkloadEndpointSpec};
use tortie_datastore::{Datastore, Location, client};

use crate::endpoint::Endpoint;
use crate::error::{Code, Error};

/// How often a record is written or deleted again when others change it meanwhile
/// (calico@87c15906f2 cni-plugin/pkg/k8s).
const ATTEMPTS: usize = 6;

/// The record of a workload endpoint.
pub(crate) type Record = Resource<WorkloadEndpointSpec>;

/// The error of the datastore as the runtime sees it: 11 where trying again can help, else 103.
pub(crate) fn error(error: &tortie_datastore::Error) -> Error {
    let code = if error.is_retryable() { Code::TryAgain } else { Code::Datastore };
    Error::caused(code, "the datastore refused", error)
}

/// Opens the store, which the agent makes: a plugin that made an empty one would hide that it was given the wrong path.
///
/// # Errors
/// Code 11: the store is not there (yet), or is busy.
pub(crate) fn open(location: &Location) -> Result<Datastore, Error> {
    location.open_existing().map_err(|e| error(&e))
}

/// The workload's record, whatever its interface is called; one under this interface first.
///
/// # Errors
/// Code 11 or 103.
pub(crate) async fn find(store: &Datastore, endpoint: &Endpoint) -> Result<Option<Record>, Error> {
    let listing = store.list(&endpoint.key_prefix()?).await.map_err(|e| error(&e))?;
    let mut found = None;
    for record in &listing.items {
        let record = client::decode::<WorkloadEndpointSpec>(record).map_err(|e| error(&e))?;
        if !endpoint.owns(&record.spec) {
            continue;
        }
        if record.spec.endpoint == endpoint.interface {
            return Ok(Some(record));
        }
        found.get_or_insert(record);
    }
    Ok(found)
}

/// Writes the record that `make` makes of the one that is there under this interface, and gives it as stored.
///
/// # Errors
/// Code 11 or 103.
pub(crate) async fn write(
    store: &Datastore,
    endpoint: &Endpoint,
    make: impl Fn(Option<Record>) -> Result<Record, Error>,
) -> Result<Record, Error> {
    let mut last = Error::new(Code::TryAgain, "the endpoint's record keeps changing");
    for _ in 0..ATTEMPTS {
        let existing = find(store, endpoint).await?;
        let written = match existing.filter(|record| record.spec.endpoint == endpoint.interface) {
            Some(existing) => client::update(store, make(Some(existing))?).await,
            None => client::create(store, make(None)?).await,
        };
        match written {
            Ok(record) => return Ok(record),
            Err(e) if e.is_race() => last = last.details(e.to_string()),
            Err(e) => return Err(error(&e)),
        }
    }
    Err(last)
}

/// Deletes the workload's record while `mine` says so of it; gives the last one that was there.
///
/// # Errors
/// Code 11 or 103.
pub(crate) async fn delete(
    store: &Datastore,
    endpoint: &Endpoint,
    mine: impl Fn(&Record) -> bool,
) -> Result<Option<Record>, Error> {
    let mut last = Error::new(Code::TryAgain, "the endpoint's record keeps changing");
    for _ in 0..ATTEMPTS {
        let Some(record) = find(store, endpoint).await? else { return Ok(None) };
        if !mine(&record) {
            return Ok(Some(record));
        }
        let key = record.key().map_err(|e| error(&e.into()))?;
        let stored = store.get(&key).await.map_err(|e| error(&e))?;
        let Some(stored) = stored.filter(|stored| {
            record.metadata.resource_version.as_deref() == Some(stored.revision.to_string().as_str())
        }) else {
            continue;
        };
        match store.delete(&key, stored.revision).await {
            Ok(_) => return Ok(Some(record)),
            Err(e) if e.is_race() => last = last.details(e.to_string()),
            Err(e) => return Err(error(&e)),
        }
    }
    Err(last)
}

/// Makes the network's profile if it is not there: its workloads may reach each other and everything else, and nobody else
/// may reach them. An operator's own profile of that name stays (calico@87c15906f2 cni-plugin/pkg/plugin).
///
/// # Errors
/// Code 11 or 103.
pub(crate) async fn ensure_profile(store: &Datastore, name: &str) -> Result<(), Error> {
    if client::get::<ProfileSpec>(store, None, name).await.map_err(|e| error(&e))?.is_some() {
        return Ok(());
    }
    let profile = json!({
        "apiVersion": tortie_datastore::resource::API_VERSION,
        "kind": "Profile",
        "metadata": {"name": name},
        "spec": {
            "ingress": [{"action": "Allow", "source": {"selector": format!("has({name})")}}],
            "egress": [{"action": "Allow"}],
            "labelsToApply": {name: ""},
        },
    });
    let profile = Resource::<ProfileSpec>::from_value(profile).map_err(|e| error(&e.into()))?;
    match client::create(store, profile).await {
        Ok(_) => Ok(()),
        Err(tortie_datastore::Error::AlreadyExists { .. }) => Ok(()),
        Err(e) => Err(error(&e)),
    }
}
