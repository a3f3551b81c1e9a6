//! Changes in order, each once.

use alloc::collections::VecDeque;

use tokio::sync::watch::Receiver;
use tortie_ipam::Revision;

use super::Embedded;
use super::read::{self, Cursor, Page};
use crate::watch::{Event, WatchError};

/// How many changes are read at once.
const PAGE: usize = 256;

/// A reader of changes; see [`Embedded::watch`].
///
/// It holds one page of changes at most: whoever reads slowly costs no memory, but may find changes forgotten.
#[derive(Debug)]
pub struct EmbeddedWatch {
    store: Embedded,
    prefix: String,
    cursor: Cursor,
    latest: Receiver<u64>,
    page: VecDeque<Event>,
}

impl EmbeddedWatch {
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
    /// As [`EmbeddedWatch::next`].
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
