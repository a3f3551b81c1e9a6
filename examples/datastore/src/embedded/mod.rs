//! A store in one SQLite file, shared by any number of processes of one machine.

mod ipam;
mod place;
mod read;
mod schema;
mod watch;
mod worker;
mod write;

use alloc::sync::Arc;
use core::time::Duration;
use std::path::Path;

use tokio::sync::watch::Sender;
use tortie_ipam::{Op, Revision, Versioned};

use crate::{Error, Listing};
use place::Place;
use worker::Worker;

pub use watch::EmbeddedWatch;

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many of the newest revisions the change log keeps at least. Default 10 000.
    pub keep_revisions: u64,
    /// How often watches look for changes by other processes. Default 10 ms.
    pub poll_interval: Duration,
    /// How long an operation waits for other processes before it fails as unavailable. Default 10 s.
    pub busy_timeout: Duration,
    /// Whether the file is made a store if it is not there, or is empty. Default `true`.
    pub create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_revisions: 10_000,
            poll_interval: Duration::from_millis(10),
            busy_timeout: Duration::from_secs(10),
            create: true,
        }
    }
}

impl Options {
    /// Sets how many of the newest revisions the change log keeps at least.
    #[must_use]
    pub fn keep_revisions(mut self, revisions: u64) -> Self {
        self.keep_revisions = revisions;
        self
    }

    /// Sets how often watches look for changes by other processes.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Sets how long an operation waits for other processes.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets whether the file is made a store if it is not there, or is empty.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Opens the store at `path`. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the file cannot be opened, is no store, or is of a newer format.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Embedded, Error> {
        let path = path.as_ref();
        let writer = schema::open(path, self.busy_timeout, self.create)?;
        let place = Place::of(path)?;
        let reader = schema::open(path, self.busy_timeout, false)?;
        let latest = Sender::new(schema::state(&reader)?.revision);
        // Both are of one file, or somebody has changed that meanwhile.
        place.check()?;
        Ok(Embedded {
            shared: Arc::new(Shared {
                writer: Worker::writer(writer, place.clone())?,
                reader: Worker::reader(reader, place, latest.clone(), self.poll_interval)?,
                latest,
                keep_revisions: self.keep_revisions,
            }),
        })
    }
}

/// A compare-and-swap store with one global revision, in one SQLite file.
///
/// Every commit that writes raises the revision by one; all records that it wrote carry that revision, so a revision
/// never recurs for a key, not even after the key was deleted. A commit that has returned survives a crash of the
/// machine (write-ahead log, `synchronous = FULL`). While the file's name does not lead to it, because somebody has removed
/// or replaced it, or there is nothing in it any more, every operation fails as unavailable, and watches say so. Clones share
/// two threads: one writes; one reads, and looks for changes by other processes while there are watches. No call blocks
/// the caller's thread, except opening. A call whose future is dropped may still happen.
///
/// # Example
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tortie_datastore::{Embedded, EventKind};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("tortie.db");
/// let store = Embedded::open(&path)?;
/// let created = store.create("/a/1", b"one").await?;
/// let listing = store.list("/a/").await?;
/// assert_eq!(listing.items.len(), 1);
///
/// let mut watch = store.watch("/a/", listing.revision);
/// store.update("/a/1", b"uno", created).await?;
/// let event = watch.next().await?;
/// assert_eq!((event.key.as_str(), event.kind), ("/a/1", EventKind::Put(b"uno".to_vec())));
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: Worker,
    reader: Worker,
    /// The newest revision that this process knows of.
    latest: Sender<u64>,
    keep_revisions: u64,
}

impl Embedded {
    /// Opens the store at `path` with default [`Options`], and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Options::default().open(path)
    }

    /// One record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn get(&self, key: &str) -> Result<Option<Versioned>, Error> {
        let key = key.to_owned();
        self.shared.reader.run(move |connection| read::get(connection, &key)).await
    }

    /// All records whose key begins with `prefix`, as of one revision.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let query = read::ListQuery { prefix: prefix.to_owned(), ..read::ListQuery::default() };
        self.shared.reader.run(move |connection| read::list(connection, &query)).await
    }

    /// Several prefixes as of one revision, in the order given.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn list_all(&self, prefixes: &[&str]) -> Result<Vec<Listing>, Error> {
        let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned());
        let queries: Vec<_> =
            prefixes.map(|prefix| read::ListQuery { prefix, ..read::ListQuery::default() }).collect();
        self.shared.reader.run(move |connection| read::list_all(connection, &queries)).await
    }

    /// Creates a record; its revision is returned.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], [`Error::Unavailable`].
    pub async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, Error> {
        self.commit(vec![Op::Create { key: key.to_owned(), value: value.to_vec() }]).await
    }

    /// Replaces a record that is at revision `expected`; its new revision is returned.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Unavailable`].
    pub async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, Error> {
        let op = Op::Update { key: key.to_owned(), value: value.to_vec(), revision: expected };
        self.commit(vec![op]).await
    }

    /// Deletes a record that is at revision `expected`; the store's new revision is returned.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Unavailable`].
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
    /// That of the first op that does not hold; [`Error::DuplicateKey`]; [`Error::Unavailable`].
    pub async fn commit(&self, ops: Vec<Op>) -> Result<Revision, Error> {
        let keep = self.shared.keep_revisions;
        let revision =
            self.shared.writer.run(move |connection| write::commit(connection, &ops, keep)).await?;
        worker::announce(&self.shared.latest, revision);
        Ok(Revision::new(revision))
    }

    /// The newest revision.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn revision(&self) -> Result<Revision, Error> {
        let state =
            self.shared.reader.run(|connection| schema::state(connection).map_err(Error::from)).await?;
        Ok(Revision::new(state.revision))
    }

    /// Forgets changes up to and including `revision` (at most the newest).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.shared.writer.run(move |connection| write::compact(connection, revision.get())).await
    }

    /// Every change after `from` to keys that begin with `prefix`.
    ///
    /// List first, and watch from the listing's revision: together they miss nothing and repeat nothing.
    pub fn watch(&self, prefix: &str, from: Revision) -> EmbeddedWatch {
        EmbeddedWatch::new(self.clone(), prefix.to_owned(), from)
    }
}
