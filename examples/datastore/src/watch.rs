//! Changes in order, each once.

use tortie_ipam::Revision;

use crate::Error;
use crate::embedded::EmbeddedWatch;
#[cfg(feature = "etcd")]
use crate::etcd::EtcdWatch;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The key.
    pub key: String,
    /// What became of it.
    pub kind: EventKind,
    /// The revision of the commit; several changes of one commit share it.
    pub revision: Revision,
}

impl Event {
    /// A change.
    pub fn new(key: impl Into<String>, kind: EventKind, revision: Revision) -> Self {
        Self { key: key.into(), kind, revision }
    }
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a record is there or not")]
pub enum EventKind {
    /// It was created or updated; this is its value now.
    Put(Vec<u8>),
    /// It was deleted.
    Delete,
}

/// Why a watch ends.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Changes were forgotten before they were read: list again, and watch from there.
    #[error("changes up to revision {} are forgotten", oldest.get())]
    Compacted {
        /// Changes up to and including this revision are gone.
        oldest: Revision,
    },
    /// The store could not be read; the same watch can be asked again.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A reader of changes; see [`Datastore::watch`](crate::Datastore::watch).
#[derive(Debug)]
pub struct Watch {
    pub(crate) backend: Backend,
}

#[derive(Debug)]
pub(crate) enum Backend {
    Embedded(EmbeddedWatch),
    #[cfg(feature = "etcd")]
    Etcd(Box<EtcdWatch>),
}

impl Watch {
    /// The next change; waits until there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`WatchError::Compacted`] when the changes do not reach back to the last one read, and cannot be made up for;
    /// [`WatchError::Store`].
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        match &mut self.backend {
            Backend::Embedded(watch) => watch.next().await,
            #[cfg(feature = "etcd")]
            Backend::Etcd(watch) => watch.next().await,
        }
    }

    /// The changes that have arrived already, at most one page; empty when there are none. Does not wait for more.
    ///
    /// # Errors
    ///
    /// As [`Watch::next`].
    pub async fn ready(&mut self) -> Result<Vec<Event>, WatchError> {
        match &mut self.backend {
            Backend::Embedded(watch) => watch.ready().await,
            #[cfg(feature = "etcd")]
            Backend::Etcd(watch) => watch.ready().await,
        }
    }
}
