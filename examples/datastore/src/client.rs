//! Typed objects in the store: read, list, create, update, apply, delete.

use std::time::{SystemTime, UNIX_EPOCH};

use tortie_ipam::{Op, Revision, Timestamp, Versioned};

use crate::resource::{self, FieldError, FieldErrors, Kind, Resource};
use crate::{Datastore, Error, random};

/// How often a read-modify-write is repeated when somebody else is faster.
const ATTEMPTS: usize = 16;

/// All objects of a kind as of one revision.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Objects<K: Kind> {
    /// The objects, in the order of their keys.
    pub items: Vec<Resource<K>>,
    /// Stored records that cannot be read as objects of this kind.
    pub unreadable: Vec<Unreadable>,
    /// The store's revision when they were read: watch from here.
    pub revision: Revision,
}

/// A stored record that cannot be read as an object of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its key.
    pub key: String,
    /// The field and why.
    pub error: FieldError,
}

/// What [`apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an object was there, or was there as wanted, or not")]
pub enum Applied {
    /// There was no such object.
    Created,
    /// It was another.
    Updated,
    /// It was like this already; nothing was written.
    Unchanged,
}

/// Reads a stored record: the object, with its revision as `resourceVersion`.
///
/// # Errors
///
/// [`Error::Unreadable`].
pub fn decode<K: Kind>(record: &Versioned) -> Result<Resource<K>, Error> {
    let mut object = Resource::decode(&record.value)
        .map_err(|error| Error::Unreadable { key: record.key.clone(), error })?;
    object.metadata.resource_version = Some(record.revision.to_string());
    Ok(object)
}

/// One object, with `resourceVersion`; `None` if there is none of that name.
///
/// # Errors
///
/// [`Error::Invalid`] for a malformed name, [`Error::Unreadable`], [`Error::Unavailable`].
pub async fn get<K: Kind>(
    store: &Datastore,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Resource<K>>, Error> {
    let key = resource::key::<K>(namespace, name)?;
    store.get(&key).await?.map(|record| decode(&record)).transpose()
}

/// All objects of a kind, or those of one namespace, each with `resourceVersion`.
///
/// # Errors
///
/// [`Error::Unavailable`]; a record that cannot be read is no error, but listed apart.
pub async fn list<K: Kind>(store: &Datastore, namespace: Option<&str>) -> Result<Objects<K>, Error> {
    let listing = store.list(&resource::prefix::<K>(namespace)).await?;
    let mut objects = Objects { items: Vec::new(), unreadable: Vec::new(), revision: listing.revision };
    for record in &listing.items {
        match decode(record) {
            Ok(object) => objects.items.push(object),
            Err(Error::Unreadable { key, error }) => objects.unreadable.push(Unreadable { key, error }),
            Err(error) => return Err(error),
        }
    }
    Ok(objects)
}

/// Creates an object: checks it, fills in defaults, `uid` and `creationTimestamp`; returns it as stored.
///
/// # Errors
///
/// [`Error::Invalid`], [`Error::AlreadyExists`], [`Error::Unavailable`].
pub async fn create<K: Kind>(store: &Datastore, mut object: Resource<K>) -> Result<Resource<K>, Error> {
    if object.metadata.resource_version.is_some() {
        return Err(FieldError::new("metadata.resourceVersion", "not allowed in a new object").into());
    }
    let key = complete(&mut object)?;
    admit(store, &mut object, &[]).await?;
    let revision = store.create(&key, &object.encode()?).await?;
    object.metadata.resource_version = Some(revision.to_string());
    Ok(object)
}

/// Holds a new object against its neighbours, and gives it `uid` and `creationTimestamp`.
async fn admit<K: Kind>(store: &Datastore, object: &mut Resource<K>, pending: &[Op]) -> Result<(), Error> {
    if !K::NEIGHBOURS.is_empty() {
        let listings = store.list_all(K::NEIGHBOURS).await?;
        let mut neighbours: Vec<Versioned> = listings.into_iter().flat_map(|listing| listing.items).collect();
        neighbours.extend(pending.iter().filter_map(|op| match op {
            Op::Create { key, value } if K::NEIGHBOURS.iter().any(|prefix| key.starts_with(prefix)) => {
                Some(Versioned { key: key.clone(), value: value.clone(), revision: Revision::new(0) })
            }
            _ => None,
        }));
        let goes =
            |key: &str| pending.iter().any(|op| matches!(op, Op::Delete { key: gone, .. } if gone == key));
        neighbours.retain(|neighbour| !goes(&neighbour.key));
        refuse(object.spec.validate_among(&object.metadata, &neighbours))?;
    }
    if object.metadata.uid.is_none() {
        object.metadata.uid = Some(random::uid()?);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    object.metadata.creation_timestamp.get_or_insert_with(|| Timestamp::from_secs_of(now).to_string());
    Ok(())
}

/// Replaces the object that was read at `resourceVersion`; returns it as stored.
///
/// `uid` and `creationTimestamp` cannot change. To keep fields that this version does not know, change an object that
/// was read.
///
/// # Errors
///
/// [`Error::Invalid`], [`Error::NotFound`], [`Error::Conflict`], [`Error::Unreadable`], [`Error::Unavailable`].
pub async fn update<K: Kind>(store: &Datastore, mut object: Resource<K>) -> Result<Resource<K>, Error> {
    let key = complete(&mut object)?;
    let missing = || FieldError::new("metadata.resourceVersion", "missing: it says which version was read");
    let text = object.metadata.resource_version.as_deref().ok_or_else(missing)?;
    let wrong = |_error| FieldError::new("metadata.resourceVersion", format!("`{text}` is not a number"));
    let expected = Revision::new(text.parse().map_err(wrong)?);
    let record = store.get(&key).await?.ok_or_else(|| Error::NotFound { key: key.clone() })?;
    if record.revision != expected {
        return Err(Error::Conflict { key });
    }
    let stored: Resource<K> = decode(&record)?;
    refuse(stored.spec.validate_change(&object.spec))?;
    object.metadata.uid = stored.metadata.uid;
    object.metadata.creation_timestamp = stored.metadata.creation_timestamp;
    let revision = store.update(&key, &object.encode()?, expected).await?;
    object.metadata.resource_version = Some(revision.to_string());
    Ok(object)
}

/// What applying an object comes to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan<K: Kind> {
    /// The object as it will be stored.
    pub object: Resource<K>,
    /// What it will be to the store.
    pub applied: Applied,
    /// What is to be committed; nothing if the stored object is like this already.
    pub op: Option<Op>,
}

/// Works out how to create the object, or to make the stored one like it; writes nothing.
///
/// Labels, annotations and spec become those given. The rest of the metadata stays, and so do fields beside and inside
/// the spec that this version does not know. `pending` is what will be committed together with this plan.
///
/// # Errors
///
/// [`Error::Invalid`], [`Error::Unreadable`], [`Error::Unavailable`].
pub async fn plan<K: Kind>(store: &Datastore, wanted: Resource<K>, pending: &[Op]) -> Result<Plan<K>, Error> {
    let mut object = wanted;
    object.metadata.resource_version = None;
    let key = object.key()?;
    let Some(record) = store.get(&key).await? else {
        complete(&mut object)?;
        admit(store, &mut object, pending).await?;
        let op = Some(Op::Create { key, value: object.encode()? });
        return Ok(Plan { object, applied: Applied::Created, op });
    };
    let stored: Resource<K> = decode(&record)?;
    let mut object = merge(object, &stored)?;
    complete(&mut object)?;
    if object == stored {
        return Ok(Plan { object: stored, applied: Applied::Unchanged, op: None });
    }
    refuse(stored.spec.validate_change(&object.spec))?;
    let op = Some(Op::Update { key, value: object.encode()?, revision: record.revision });
    Ok(Plan { object, applied: Applied::Updated, op })
}

/// Creates the object, or makes the stored one like it, as [`plan`] says; returns it as stored.
///
/// # Errors
///
/// [`Error::Invalid`], [`Error::Unreadable`], [`Error::Unavailable`]; [`Error::Conflict`] only if others change the
/// object again and again.
pub async fn apply<K: Kind>(store: &Datastore, wanted: Resource<K>) -> Result<(Resource<K>, Applied), Error> {
    for _ in 0..ATTEMPTS {
        let Plan { mut object, applied, op } = plan(store, wanted.clone(), &[]).await?;
        let Some(op) = op else { return Ok((object, applied)) };
        match store.commit(vec![op]).await {
            Ok(revision) => {
                object.metadata.resource_version = Some(revision.to_string());
                return Ok((object, applied));
            }
            Err(error) if error.is_race() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict { key: wanted.key()? })
}

/// Deletes an object, whatever its version.
///
/// # Errors
///
/// [`Error::Invalid`] for a malformed name, [`Error::NotFound`], [`Error::Unavailable`]; [`Error::Conflict`] only if
/// others change the object again and again.
pub async fn delete<K: Kind>(store: &Datastore, namespace: Option<&str>, name: &str) -> Result<(), Error> {
    let key = resource::key::<K>(namespace, name)?;
    for _ in 0..ATTEMPTS {
        let record = store.get(&key).await?.ok_or_else(|| Error::NotFound { key: key.clone() })?;
        match store.delete(&key, record.revision).await {
            Ok(_revision) => return Ok(()),
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict { key })
}

/// Checks an object by itself, and writes out its defaults; returns its key.
fn complete<K: Kind>(object: &mut Resource<K>) -> Result<String, Error> {
    refuse(object.validate())?;
    object.spec.complete(&mut object.metadata);
    Ok(object.key()?)
}

fn refuse(errors: Vec<FieldError>) -> Result<(), Error> {
    if errors.is_empty() { Ok(()) } else { Err(FieldErrors(errors).into()) }
}

/// Keeps what the user does not say.
fn merge<K: Kind>(mut object: Resource<K>, stored: &Resource<K>) -> Result<Resource<K>, Error> {
    let labels = core::mem::take(&mut object.metadata.labels);
    let annotations = core::mem::take(&mut object.metadata.annotations);
    object.metadata = stored.metadata.clone();
    object.metadata.labels = labels;
    object.metadata.annotations = annotations;
    object.spec = resource::keep_unknown(object.spec, &stored.spec)?;
    for (name, value) in &stored.unknown {
        object.unknown.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(object)
}
