//! The store that a program was told to use, whichever it is.

use tortie_ipam::{ListOptions, Op, Revision, Store, StoreError, Versioned};

#[cfg(feature = "etcd")]
use crate::etcd::Etcd;
use crate::watch::{self, Watch};
use crate::{Embedded, Error};

/// Some records, all as they were at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The records, in the order of their keys.
    pub items: Vec<Versioned>,
    /// The store's revision when they were read: watch from here.
    pub revision: Revision,
}

/// A compare-and-swap store with one global revision and a watch: [`Embedded`], or etcd.
///
/// Every commit that writes raises the revision; all records that it wrote carry that revision, so a revision never
/// recurs for a key, not even after the key was deleted. Clones share their connections. A call whose future is dropped
/// may still happen. [`Location`](crate::Location) says which store is meant, and opens it.
///
/// # Example
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tortie_datastore::{Datastore, Location};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("tortie.db");
/// let store: Datastore = Location::File(path).open()?;
/// let created = store.create("/a/1", b"one").await?;
/// let mut watch = store.watch("/a/", store.list("/a/").await?.revision);
/// store.update("/a/1", b"uno", created).await?;
/// assert_eq!(watch.next().await?.key, "/a/1");
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Datastore {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Embedded(Embedded),
    #[cfg(feature = "etcd")]
    Etcd(Etcd),
}

impl From<Embedded> for Datastore {
    fn from(store: Embedded) -> Self {
        Self { backend: Backend::Embedded(store) }
    }
}

#[cfg(feature = "etcd")]
impl From<Etcd> for Datastore {
    fn from(store: Etcd) -> Self {
        Self { backend: Backend::Etcd(store) }
    }
}

/// The same call to whichever store it is.
macro_rules! either {
    ($datastore:expr, $store:ident => $call:expr) => {
        match &$datastore.backend {
            Backend::Embedded($store) => $call,
            #[cfg(feature = "etcd")]
            Backend::Etcd($store) => $call,
        }
    };
}

impl Datastore {
    /// One record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn get(&self, key: &str) -> Result<Option<Versioned>, Error> {
        either!(self, store => store.get(key).await)
    }

    /// All records whose key begins with `prefix`, as of one revision.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        either!(self, store => store.list(prefix).await)
    }

    /// Several prefixes as of one revision, in the order given.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn list_all(&self, prefixes: &[&str]) -> Result<Vec<Listing>, Error> {
        either!(self, store => store.list_all(prefixes).await)
    }

    /// Creates a record; its revision is returned.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], [`Error::Unavailable`], [`Error::Refused`].
    pub async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, Error> {
        self.commit(vec![Op::Create { key: key.to_owned(), value: value.to_vec() }]).await
    }

    /// Replaces a record that is at revision `expected`; its new revision is returned.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Unavailable`], [`Error::Refused`].
    pub async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, Error> {
        let op = Op::Update { key: key.to_owned(), value: value.to_vec(), revision: expected };
        self.commit(vec![op]).await
    }

    /// Deletes a record that is at revision `expected`; the store's new revision is returned.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Unavailable`], [`Error::Refused`].
    pub async fn delete(&self, key: &str, expected: Revision) -> Result<Revision, Error> {
        self.commit(vec![Op::Delete { key: key.to_owned(), revision: expected }]).await
    }

    /// Does all of `ops` in one transaction, or nothing; the revision that they share is returned.
    ///
    /// Every op is judged by what was there before the commit. A commit that writes nothing returns the store's
    /// revision as it is.
    ///
    /// # Errors
    ///
    /// That of the first op that does not hold; [`Error::DuplicateKey`]; [`Error::TooManyOps`];
    /// [`Error::Unavailable`]; [`Error::Refused`].
    pub async fn commit(&self, ops: Vec<Op>) -> Result<Revision, Error> {
        either!(self, store => store.commit(ops).await)
    }

    /// The newest revision.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn revision(&self) -> Result<Revision, Error> {
        either!(self, store => store.revision().await)
    }

    /// Forgets changes up to and including `revision` (at most the newest).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn compact(&self, revision: Revision) -> Result<(), Error> {
        either!(self, store => store.compact(revision).await)
    }

    /// Every change after `from` to keys that begin with `prefix`.
    ///
    /// List first, and watch from the listing's revision: together they miss nothing and repeat nothing.
    pub fn watch(&self, prefix: &str, from: Revision) -> Watch {
        let backend = match &self.backend {
            Backend::Embedded(store) => watch::Backend::Embedded(store.watch(prefix, from)),
            #[cfg(feature = "etcd")]
            Backend::Etcd(store) => watch::Backend::Etcd(Box::new(store.watch(prefix, from))),
        };
        Watch { backend }
    }
}

impl Store for Datastore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        either!(self, store => Store::get(store, key).await)
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        either!(self, store => Store::list(store, prefix, options).await)
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        either!(self, store => Store::create(store, key, value).await)
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        either!(self, store => Store::update(store, key, value, expected).await)
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        either!(self, store => Store::delete(store, key, expected).await)
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        either!(self, store => Store::commit(store, ops).await)
    }
}
