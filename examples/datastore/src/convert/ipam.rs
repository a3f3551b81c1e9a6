//! Pools and views for address assignment.

use alloc::collections::BTreeMap;

use tortie_ipam::{ConfigRecord, Pool, Use, Versioned, View, keys};
use tortie_selector::Selector;

use crate::resource::{
    self, AllowedUse, AssignmentMode, FieldError, IpPoolSpec, IpReservationSpec, NodeSpec, ProfileSpec,
    Resource, namespace_of_profile, namespace_profile_name,
};
use crate::{Datastore, Error, client};

/// The pool as the allocator knows it.
///
/// # Errors
///
/// The path of a selector that does not parse: no address may be assigned from such a pool.
pub fn pool(object: &Resource<IpPoolSpec>) -> Result<Pool, FieldError> {
    let spec = &object.spec;
    let parse = |path: &str, text: &str| {
        Selector::parse(text).map_err(|error| FieldError::selector(path, text, &error))
    };
    let uses = spec.allowed_uses().iter().filter_map(|allowed| match allowed {
        AllowedUse::Workload => Some(Use::Workload),
        AllowedUse::Tunnel => Some(Use::Tunnel),
        AllowedUse::LoadBalancer => Some(Use::LoadBalancer),
        // Nobody asks for a use that is not known.
        AllowedUse::Other(_) => None,
    });
    let uses: Vec<Use> = uses.collect();
    let mut pool = Pool::new(&object.metadata.name, spec.cidr)
        .block_len(spec.block_size())
        .node_selector(parse("spec.nodeSelector", &spec.node_selector)?)
        .assignment_mode(match spec.assignment_mode {
            AssignmentMode::Automatic => tortie_ipam::AssignmentMode::Automatic,
            AssignmentMode::Manual | AssignmentMode::Other(_) => tortie_ipam::AssignmentMode::Manual,
        });
    if !spec.namespace_selector.is_empty() {
        pool = pool.namespace_selector(parse("spec.namespaceSelector", &spec.namespace_selector)?);
    }
    // An empty list would mean the default uses.
    pool.disabled = spec.disabled || uses.is_empty();
    Ok(pool.allowed_uses(uses))
}

/// Everything that an assignment for a workload on `host` in `namespace` looks at, as of one revision.
///
/// The pools, the reservations and the configuration are guarded: an assignment fails if they change before it is made.
/// A pool or a reserved range that cannot be read is left out, and logged.
///
/// # Errors
///
/// [`Error::Unreadable`] when the configuration, the node or the namespace cannot be read; [`Error::Unavailable`];
/// [`Error::Invalid`] for a malformed name.
pub async fn view(store: &Datastore, host: &str, namespace: Option<&str>) -> Result<View, Error> {
    let node_key = resource::key::<NodeSpec>(None, host)?;
    let profile_key = match namespace {
        Some(namespace) => Some(resource::key::<ProfileSpec>(None, &namespace_profile_name(namespace))?),
        None => None,
    };
    let mut keys = vec![node_key.as_str()];
    keys.extend(profile_key.as_deref());
    let (mut view, records) = read(store, &keys).await?;
    if let Some(record) = records.get(&node_key) {
        view.node_labels = client::decode::<NodeSpec>(record)?.metadata.labels;
    }
    if let Some(record) = profile_key.and_then(|key| records.get(&key)) {
        let profile = client::decode::<ProfileSpec>(record)?;
        view.namespace_labels =
            namespace_of_profile(&profile).map(|(_name, labels)| labels).unwrap_or_default();
    }
    Ok(view)
}

/// Pools, reservations and configuration alone: what releases, reports and uninstallation look at.
///
/// # Errors
///
/// [`Error::Unreadable`] when the configuration cannot be read; [`Error::Unavailable`].
pub async fn pool_view(store: &Datastore) -> Result<View, Error> {
    Ok(read(store, &[]).await?.0)
}

/// Pools, reservations and configuration, and besides the records with these keys, as of one revision.
async fn read(store: &Datastore, keys: &[&str]) -> Result<(View, BTreeMap<String, Versioned>), Error> {
    let pool_prefix = resource::prefix::<IpPoolSpec>(None);
    let reservation_prefix = resource::prefix::<IpReservationSpec>(None);
    let mut prefixes = vec![pool_prefix.as_str(), reservation_prefix.as_str(), keys::CONFIG];
    prefixes.extend(keys);
    let items = store.list_all(&prefixes).await?.into_iter().flat_map(|listing| listing.items);
    let records: BTreeMap<String, Versioned> = items.map(|item| (item.key.clone(), item)).collect();

    let mut view = View::default();
    let config = records.get(keys::CONFIG);
    view.guards.push((keys::CONFIG.to_owned(), config.map(|record| record.revision)));
    if let Some(record) = config {
        let decoded = ConfigRecord::decode(&record.value).map_err(|error| Error::Unreadable {
            key: keys::CONFIG.to_owned(),
            error: FieldError::new("", error.to_string()),
        })?;
        view.config = decoded.config();
    }
    for (key, record) in records.iter().filter(|(key, _)| key.starts_with(&pool_prefix)) {
        view.guards.push((key.clone(), Some(record.revision)));
        match client::decode(record).and_then(|object| Ok(pool(&object)?)) {
            Ok(pool) => view.pools.push(pool),
            Err(error) => tracing::warn!(key, %error, "a pool is left out"),
        }
    }
    for (key, record) in records.iter().filter(|(key, _)| key.starts_with(&reservation_prefix)) {
        view.guards.push((key.clone(), Some(record.revision)));
        match client::decode::<IpReservationSpec>(record) {
            Ok(reservation) => {
                for range in reservation.spec.ranges() {
                    match range {
                        Ok(range) => view.reservations.push(range),
                        Err(error) => tracing::warn!(key, %error, "a reserved range is left out"),
                    }
                }
            }
            Err(error) => tracing::warn!(key, %error, "a reservation is left out"),
        }
    }
    Ok((view, records))
}
