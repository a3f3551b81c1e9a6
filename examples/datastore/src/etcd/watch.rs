//! Changes in order, each once, across lost connections and forgotten revisions.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use etcd_client::proto::PbWatchResponse;
use etcd_client::{WatchOptions, WatchStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tortie_ipam::Revision;

use super::Etcd;
use super::connection::Backoff;
use super::fault::{Fault, Reason, malformed};
use super::list::{self, Query};
use crate::watch::{Event, EventKind, WatchError};
use crate::{Error, Listing};

/// A stream that was open for so long has worked: what ended it is not what ended the one before.
const STEADY: Duration = Duration::from_secs(5);

/// A reader of changes; see [`Etcd::watch`].
///
/// It goes on after a lost connection where it was. If the changes since then were forgotten, it lists the records again,
/// and gives the difference: of a record that changed more than once, the last change; a deletion at the revision of the
/// list. For that it keeps the keys, not the values, of all records under its prefix.
#[derive(Debug)]
pub struct EtcdWatch {
    store: Etcd,
    prefix: String,
    /// All changes up to and including this revision are in the queue, or were read.
    seen: Revision,
    /// The keys that there were at `seen`; `None` before the first question.
    keys: Option<BTreeSet<String>>,
    stream: Option<WatchStream>,
    queue: VecDeque<Event>,
    /// When to give up opening the stream, whoever drops the wait for it meanwhile.
    opening: Option<Instant>,
    /// When the stream was opened.
    opened: Option<Instant>,
    /// When to give up, since nothing works, and how long to wait before trying again.
    failing: Option<(Instant, Backoff)>,
}

/// What an answer leads to.
#[derive(Debug)]
enum Next {
    /// These changes.
    Events(Vec<Event>),
    /// The revision that was asked for is forgotten.
    Compacted,
    /// The server has ended the watch, and says this.
    Ended(Reason),
}

impl EtcdWatch {
    pub(super) fn new(store: Etcd, prefix: String, from: Revision) -> Self {
        Self {
            store,
            prefix,
            seen: from,
            keys: None,
            stream: None,
            queue: VecDeque::new(),
            opening: None,
            opened: None,
            failing: None,
        }
    }

    /// The next change; waits until there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`WatchError::Compacted`] when the changes did not reach back to the revision that the watch began at, or the
    /// cluster was set back to an earlier revision: list again. [`WatchError::Store`] when the cluster could not be reached
    /// for [`EtcdOptions::timeout`](crate::EtcdOptions::timeout): the same watch can be asked again.
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(event);
            }
            self.read().await?;
        }
    }

    /// The changes that have arrived already, at most one answer's; empty when there are none. Does not wait for more.
    ///
    /// # Errors
    ///
    /// As [`EtcdWatch::next`].
    pub async fn ready(&mut self) -> Result<Vec<Event>, WatchError> {
        if self.queue.is_empty() {
            if self.stream.is_none() {
                self.begin().await?;
            }
            if let Ok(read) = timeout(Duration::ZERO, self.read()).await {
                read?;
            }
        }
        Ok(self.queue.drain(..).collect())
    }

    /// Reads one answer. Everything that is awaited can be dropped: what was read is noted without another wait.
    async fn read(&mut self) -> Result<(), WatchError> {
        let Some(stream) = &mut self.stream else { return self.begin().await };
        let answer = match stream.message().await {
            Ok(Some(answer)) => answer.0,
            Ok(None) => return self.fail(Fault::Lost(Reason::new("the watch was closed"))).await,
            Err(error) => {
                return match Fault::of(&error) {
                    // Changes that are too many for one answer will always be; the records themselves may not be.
                    Fault::TooLarge(_) => self.recover().await,
                    fault => self.fail(fault).await,
                };
            }
        };
        match take(&self.prefix, self.seen, &answer) {
            Ok(Next::Events(events)) => {
                for event in events {
                    self.push(event);
                }
                Ok(())
            }
            Ok(Next::Compacted) => self.recover().await,
            // It may be that our token is too old: members that end a watch for that reason say no more than this.
            Ok(Next::Ended(reason)) => self.fail(Fault::Stale(reason)).await,
            Err(fault) => self.fail(fault).await,
        }
    }

    fn push(&mut self, event: Event) {
        self.seen = self.seen.max(event.revision);
        let keys = self.keys.get_or_insert_default();
        match event.kind {
            EventKind::Put(_) => keys.insert(event.key.clone()),
            EventKind::Delete => keys.remove(&event.key),
        };
        self.queue.push_back(event);
    }

    /// Opens the stream; after too long, says why not. Many short waits are as long as one.
    async fn begin(&mut self) -> Result<(), WatchError> {
        let give_up = *self.opening.get_or_insert_with(|| self.store.connection.deadline());
        let opened = timeout_at(give_up, self.open()).await;
        self.opening = None;
        opened
            .unwrap_or_else(|_elapsed| Err(Error::from(Fault::Lost(Reason::new("no answer in time"))).into()))
    }

    /// Asks for the changes after those that were seen.
    async fn open(&mut self) -> Result<(), WatchError> {
        // A cluster that was restored from a copy has another history. A member that lags has not, so all are asked.
        let now = self.store.revision().await?;
        if now < self.seen {
            return Err(WatchError::Compacted { oldest: now });
        }
        if self.keys.is_none() {
            self.keys = Some(self.keys_then().await?);
        }
        let (start, end) = list::range(&self.prefix);
        let after = i64::try_from(self.seen.get()).unwrap_or(i64::MAX).saturating_add(1);
        let options = WatchOptions::new().with_range(end).with_start_revision(after);
        let connection = &self.store.connection;
        let stream = connection.call(super::Kind::Read, |mut clients| {
            let (start, options) = (start.clone(), options.clone());
            async move { clients.watch.watch(start, Some(options)).await }
        });
        match stream.await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.opened = Some(Instant::now());
                Ok(())
            }
            Err(fault) => Err(Error::from(fault).into()),
        }
    }

    /// The keys that there were when the watch began.
    async fn keys_then(&self) -> Result<BTreeSet<String>, WatchError> {
        if self.seen == Revision::new(0) {
            // Before everything.
            return Ok(BTreeSet::new());
        }
        let query =
            Query { prefix: &self.prefix, keys_only: true, revision: Some(self.seen), ..Query::default() };
        match list::list(&self.store.connection, &query).await {
            Ok(listing) => Ok(listing.items.into_iter().map(|item| item.key).collect()),
            Err(Fault::Compacted) => Err(WatchError::Compacted { oldest: self.seen }),
            Err(fault) => Err(Error::from(fault).into()),
        }
    }

    /// Lists, and queues the difference to what was seen.
    async fn recover(&mut self) -> Result<(), WatchError> {
        self.stream = None;
        let listing = self.store.list(&self.prefix).await?;
        if listing.revision < self.seen {
            return Err(WatchError::Compacted { oldest: listing.revision });
        }
        tracing::info!(prefix = self.prefix, seen = %self.seen, now = %listing.revision, "changes were forgotten: listed again");
        let now = listing.revision;
        let keys = self.keys.get_or_insert_default();
        for event in difference(self.seen, keys, listing) {
            self.push(event);
        }
        self.seen = now;
        Ok(())
    }

    /// Gives the stream up, and waits a little; after too long, says so.
    async fn fail(&mut self, fault: Fault) -> Result<(), WatchError> {
        self.stream = None;
        if self.opened.take().is_some_and(|opened| opened.elapsed() >= STEADY) {
            self.failing = None;
        }
        let deadline = self.store.connection.deadline();
        let (give_up, backoff) = self.failing.get_or_insert_with(|| (deadline, Backoff::new()));
        let refused = matches!(fault, Fault::Refused(_));
        if refused || Instant::now() >= *give_up {
            self.failing = None;
            return Err(Error::from(fault).into());
        }
        tracing::debug!(?fault, prefix = self.prefix, "watching again");
        let pause = backoff.next();
        sleep(pause).await;
        if matches!(fault, Fault::Stale(_)) {
            // If it fails, the next attempt says why.
            let _ = self.store.connection.refresh().await;
        }
        Ok(())
    }
}

/// What the records have that was not seen, and the keys that are no longer there.
fn difference(seen: Revision, keys: &BTreeSet<String>, listing: Listing) -> Vec<Event> {
    let there: BTreeSet<&str> = listing.items.iter().map(|item| item.key.as_str()).collect();
    let gone = keys.iter().filter(|key| !there.contains(key.as_str()));
    let gone: Vec<Event> = gone.map(|key| Event::new(key, EventKind::Delete, listing.revision)).collect();
    let changed = listing.items.into_iter().filter(|item| item.revision > seen);
    let mut events: Vec<Event> =
        changed.map(|item| Event::new(item.key, EventKind::Put(item.value), item.revision)).collect();
    events.sort_by_key(|event| event.revision);
    events.extend(gone);
    events
}

/// What an answer says to one who has seen everything up to `seen`.
///
/// The changes of one revision are never spread over two answers (etcd v3.4.23 Documentation/learning/api.md, "Watch API").
fn take(prefix: &str, seen: Revision, answer: &PbWatchResponse) -> Result<Next, Fault> {
    if answer.compact_revision > 0 {
        return Ok(Next::Compacted);
    }
    if answer.canceled {
        let reason = if answer.cancel_reason.is_empty() { "no reason given" } else { &answer.cancel_reason };
        return Ok(Next::Ended(Reason::new(format!("the watch was ended: {reason}"))));
    }
    let mut events = Vec::new();
    let mut last = seen;
    for event in &answer.events {
        let record = event.kv.as_ref().ok_or_else(|| malformed("a change of nothing"))?;
        let revision = list::mod_revision(record)?;
        if !record.key.starts_with(prefix.as_bytes()) {
            return Err(malformed("a change that was not asked for"));
        }
        if revision <= seen {
            continue; // Seen before.
        }
        if revision < last {
            return Err(malformed("changes out of order"));
        }
        last = revision;
        // etcd's api/mvccpb/kv.proto: PUT is 0, DELETE is 1.
        let kind = match event.r#type {
            0 => EventKind::Put(record.value.clone()),
            1 => EventKind::Delete,
            _ => return Err(malformed("a change that is neither a write nor a deletion")),
        };
        if let Ok(key) = core::str::from_utf8(&record.key) {
            events.push(Event::new(key, kind, revision));
        }
    }
    Ok(Next::Events(events))
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::{PbEvent, PbKeyValue};
    use tortie_ipam::Versioned;

    use super::*;

    fn change(r#type: i32, key: &str, mod_revision: i64) -> PbEvent {
        let kv = PbKeyValue { key: key.into(), mod_revision, ..PbKeyValue::default() };
        PbEvent { r#type, kv: Some(kv), prev_kv: None }
    }

    fn answer(events: Vec<PbEvent>) -> PbWatchResponse {
        PbWatchResponse { events, ..PbWatchResponse::default() }
    }

    #[test]
    fn what_was_seen_is_not_repeated() {
        let events = vec![change(0, "/a", 4), change(0, "/b", 5), change(1, "/c", 6), change(0, "/d", 6)];
        let Ok(Next::Events(events)) = take("/", Revision::new(5), &answer(events)) else { panic!() };
        let six = Revision::new(6);
        let want = [("/c", EventKind::Delete), ("/d", EventKind::Put(Vec::new()))];
        assert_eq!(events, want.map(|(key, kind)| Event::new(key, kind, six)));
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        let nothing = PbEvent { r#type: 0, kv: None, prev_kv: None };
        for events in [
            vec![nothing],
            vec![change(2, "/a", 7)],
            vec![change(-1, "/a", 7)],
            vec![change(0, "x", 7)],
            vec![change(0, "/a", 0)],
            vec![change(0, "/a", -3)],
            vec![change(0, "/a", 8), change(0, "/b", 7)],
        ] {
            let result = take("/", Revision::new(5), &answer(events.clone()));
            assert!(matches!(result, Err(Fault::Lost(_))), "{events:?}");
        }
        let ended = PbWatchResponse { canceled: true, ..PbWatchResponse::default() };
        assert!(matches!(take("/", Revision::new(5), &ended), Ok(Next::Ended(_))));
        let compacted = PbWatchResponse { canceled: true, compact_revision: 9, ..PbWatchResponse::default() };
        assert!(matches!(take("/", Revision::new(5), &compacted), Ok(Next::Compacted)));
    }

    #[test]
    fn a_difference_makes_the_old_records_the_new_ones() {
        let item = |key: &str, revision| Versioned {
            key: key.to_owned(),
            value: vec![1],
            revision: Revision::new(revision),
        };
        let keys = ["/changed", "/gone", "/same"].map(str::to_owned).into();
        let items = vec![item("/changed", 8), item("/new", 7), item("/same", 2)];
        let events = difference(Revision::new(5), &keys, Listing { items, revision: Revision::new(9) });
        let put = |key, revision| Event::new(key, EventKind::Put(vec![1]), Revision::new(revision));
        let gone = Event::new("/gone", EventKind::Delete, Revision::new(9));
        assert_eq!(events, [put("/new", 7), put("/changed", 8), gone]);
    }
}
