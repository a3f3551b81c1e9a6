//! Changes in order, each once.

use alloc::collections::VecDeque;

use tokio::sync::watch::Receiver;
use tortie_ipam::Revision;

use super::Embedded;
use super::read::{self, Cursor, Page};
use crate::Error;

/// How many changes are read at once.
const PAGE: usize = 256;

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

/// A reader of changes; see [`Embedded::watch`].
///
/// It holds one page of changes at most: whoever reads slowly costs no memory, but may find changes forgotten.
#[derive(Debug)]
pub struct Watch {
    store: Embedded,
    prefix: String,
    cursor: Cursor,
    latest: Receiver<u64>,
    page: VecDeque<Event>,
}

impl Watch {
    pub(super) fn new(store: Embedded, prefix: String, from: Revision) -> Self {
        let latest = store.shared.latest.subscribe();
        store.shared.reader.nudge();
        let cursor = Cursor { revision: from.get(), position: None };
        Self { store, prefix, cursor, latest, page: VecDeque::new() }
    }

    /// The next change; waits until there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`WatchError::Compacted`] when the change log does not reach back to the last change read.
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Ok(event);
            }
            // Before reading, so that what comes after the read is noticed.
            self.latest.mark_unchanged();
            let more = self.read().await?;
            if self.page.is_empty() && !more {
                // The sender lives as long as `store`.
                let _ = self.latest.changed().await;
            }
        }
    }

    /// The changes that are there already, at most one page; empty when there are none. Does not wait.
    ///
    /// # Errors
    ///
    /// As [`Watch::next`].
    pub async fn ready(&mut self) -> Result<Vec<Event>, WatchError> {
        if self.page.is_empty() {
            self.read().await?;
        }
        Ok(self.page.drain(..).collect())
    }

    /// Reads the next page; whether there may be more.
    async fn read(&mut self) -> Result<bool, WatchError> {
        let (prefix, cursor) = (self.prefix.clone(), self.cursor);
        let page = self
            .store
            .shared
            .reader
            .run(move |connection| read::changes(connection, &prefix, cursor, PAGE))
            .await?;
        match page {
            Page::Changes { events, cursor, more } => {
                self.page.extend(events);
                self.cursor = cursor;
                Ok(more)
            }
            Page::Compacted { oldest } => Err(WatchError::Compacted { oldest: Revision::new(oldest) }),
        }
    }
}
