//! A store in an etcd cluster (API v3, etcd 3.4 or newer).

mod commit;
mod connection;
mod fault;
mod ipam;
mod list;
mod watch;

use alloc::sync::Arc;

use etcd_client::GetOptions;
use tortie_ipam::{Op, Revision, Versioned};

use crate::{Error, EtcdOptions, Listing};
use connection::{Connection, Kind};
use fault::Fault;
use list::Query;

pub use watch::EtcdWatch;

/// A compare-and-swap store in an etcd cluster; revisions are etcd's.
///
/// Each call is one request, and each commit one transaction; only lists of many records take more. Reads are repeated
/// while the cluster cannot be reached, with growing pauses; so are commits that were certainly not received. Of a commit
/// that may have been received nothing is repeated: [`Error::Unavailable`] says that it may have happened. Everything
/// ends after [`EtcdOptions::timeout`].
///
/// Clones share the connections, which are made at the first call and belong to the Tokio runtime that it is made in.
/// Keys that are not UTF-8 are nobody's, and not listed.
///
/// # Example
///
/// ```no_run
/// # async fn example() -> Result<(), tortie_datastore::Error> {
/// use tortie_datastore::{Etcd, EtcdOptions};
///
/// let options = EtcdOptions::new(["https://10.0.0.1:2379", "https://10.0.0.2:2379"]).ca_cert("/etc/etcd/ca.pem");
/// let store = Etcd::new(&options)?;
/// let created = store.create("/a/1", b"one").await?;
/// let mut watch = store.watch("/a/", store.list("/a/").await?.revision);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Etcd {
    connection: Arc<Connection>,
}

impl Etcd {
    /// The store in the cluster that `options` describe. Reads the certificates; speaks with nobody yet.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the options do not fit together, or a file cannot be read.
    pub fn new(options: &EtcdOptions) -> Result<Self, Error> {
        Ok(Self { connection: Arc::new(Connection::new(options)?) })
    }

    /// One record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn get(&self, key: &str) -> Result<Option<Versioned>, Error> {
        Ok(list::get(&self.connection, key).await?)
    }

    /// All records whose key begins with `prefix`, as of one revision.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        Ok(list::list(&self.connection, &Query { prefix, ..Query::default() }).await?)
    }

    /// Several prefixes as of one revision, in the order given.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn list_all(&self, prefixes: &[&str]) -> Result<Vec<Listing>, Error> {
        Ok(list::list_all(&self.connection, prefixes).await?)
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
    /// That of the first op that does not hold; [`Error::DuplicateKey`]; [`Error::TooManyOps`] (a member does 128 by
    /// default); [`Error::Unavailable`]; [`Error::Refused`].
    pub async fn commit(&self, ops: Vec<Op>) -> Result<Revision, Error> {
        let transaction = commit::transaction(&ops)?;
        let sent = self.connection.call(Kind::Write, |mut clients| {
            let transaction = transaction.clone();
            async move { clients.kv.txn(transaction).await }
        });
        match sent.await {
            Ok(response) => commit::outcome(&ops, &response.0),
            Err(Fault::TooManyOps) => Err(Error::TooManyOps { ops: ops.len() }),
            Err(fault) => Err(fault.into()),
        }
    }

    /// The newest revision.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn revision(&self) -> Result<Revision, Error> {
        let options = GetOptions::new().with_count_only();
        let response = self.connection.call(Kind::Read, |mut clients| {
            let options = options.clone();
            async move { clients.kv.get("/", Some(options)).await }
        });
        Ok(list::revision_of(response.await?.header())?)
    }

    /// Forgets changes up to and including `revision` (at most the newest), for everyone who uses the cluster.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Refused`].
    pub async fn compact(&self, revision: Revision) -> Result<(), Error> {
        let revision = i64::try_from(revision.min(self.revision().await?).get()).unwrap_or(i64::MAX);
        // Read: to do it twice is to do it once.
        let compacted = self
            .connection
            .call(Kind::Read, |mut clients| async move { clients.kv.compact(revision, None).await });
        match compacted.await {
            Ok(_) | Err(Fault::Compacted) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Every change after `from` to keys that begin with `prefix`.
    ///
    /// List first, and watch from the listing's revision: together they miss nothing and repeat nothing.
    pub fn watch(&self, prefix: &str, from: Revision) -> EtcdWatch {
        EtcdWatch::new(self.clone(), prefix.to_owned(), from)
    }
}
