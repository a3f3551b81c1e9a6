//! Reading: one record, and records by prefix, page by page as of one revision.

use etcd_client::proto::{PbKeyValue, PbRangeResponse, PbTxnOpResponse};
use etcd_client::{GetOptions, ResponseHeader, Txn, TxnOp};
use tortie_ipam::{Revision, Versioned};

use super::connection::{Connection, Kind};
use super::fault::{Fault, malformed};
use crate::Listing;

/// How many records are asked for at once; fewer where they are large.
const PAGE: usize = 1_000;
/// How often a list begins anew because its revision was forgotten between two pages.
const RESTARTS: usize = 4;

/// Which records to list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Query<'a> {
    /// Keys begin with this.
    pub(super) prefix: &'a str,
    /// Keys come after this one.
    pub(super) after: Option<&'a str>,
    /// At most this many.
    pub(super) limit: Option<usize>,
    /// Leave the values empty.
    pub(super) keys_only: bool,
    /// As they were then; else as they are now.
    pub(super) revision: Option<Revision>,
}

/// The revision that the server is at.
pub(super) fn revision(number: i64) -> Result<Revision, Fault> {
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(Revision::new(number)),
        _ => Err(malformed("a revision below 1")),
    }
}

pub(super) fn revision_of(header: Option<&ResponseHeader>) -> Result<Revision, Fault> {
    revision(header.ok_or_else(|| malformed("no header"))?.revision())
}

/// The revision of a record.
pub(super) fn mod_revision(record: &PbKeyValue) -> Result<Revision, Fault> {
    revision(record.mod_revision)
}

/// The range of the keys that begin with `prefix`, as etcd writes it: the first, and the first beyond.
pub(super) fn range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    // UTF-8 has no octet 255, so the last one can always grow. Of all keys, the first is one zero, and so is the end.
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last = last.saturating_add(1),
        None => return (vec![0], vec![0]),
    }
    (prefix.as_bytes().to_vec(), end)
}

/// A list that is being read.
struct Reader {
    /// The first key of the next page.
    start: Vec<u8>,
    /// The first key beyond the list; one zero where there is none.
    end: Vec<u8>,
    keys_only: bool,
    /// How many are still wanted.
    left: usize,
    /// What all pages are as of; known after the first.
    revision: Option<Revision>,
    items: Vec<Versioned>,
    done: bool,
}

impl Reader {
    fn new(query: &Query<'_>) -> Self {
        let (mut start, end) = range(query.prefix);
        if let Some(after) = query.after.filter(|after| after.as_bytes() >= start.as_slice()) {
            start = after.as_bytes().to_vec();
            start.push(0);
        }
        let left = query.limit.unwrap_or(usize::MAX);
        Self {
            done: left == 0 || beyond(&start, &end),
            start,
            end,
            keys_only: query.keys_only,
            left,
            revision: query.revision,
            items: Vec::new(),
        }
    }

    /// How the next page of at most `page` records is asked for.
    fn options(&self, page: usize) -> GetOptions {
        let limit = i64::try_from(page.min(self.left)).unwrap_or(i64::MAX);
        let options = GetOptions::new().with_range(self.end.clone()).with_limit(limit);
        let options = if self.keys_only { options.with_keys_only() } else { options };
        match self.revision.and_then(|revision| i64::try_from(revision.get()).ok()) {
            Some(revision) => options.with_revision(revision),
            None => options,
        }
    }

    /// Takes the answer, given when the store was at revision `now`.
    fn take(&mut self, answer: PbRangeResponse, now: Revision) -> Result<(), Fault> {
        let as_of = *self.revision.get_or_insert(now);
        if answer.kvs.len() > self.left {
            return Err(malformed("more records than asked for"));
        }
        self.left -= answer.kvs.len();
        self.done = !answer.more || answer.kvs.is_empty() || self.left == 0;
        for record in answer.kvs {
            if record.key < self.start || beyond(&record.key, &self.end) {
                return Err(malformed("a record out of order, or that was not asked for"));
            }
            let revision = mod_revision(&record)?;
            if revision > as_of {
                return Err(malformed("a record from the future"));
            }
            self.start.clone_from(&record.key);
            self.start.push(0);
            if let Ok(key) = String::from_utf8(record.key) {
                let value = if self.keys_only { Vec::new() } else { record.value };
                self.items.push(Versioned { key, value, revision });
            }
        }
        Ok(())
    }

    /// Reads what is missing.
    async fn finish(mut self, connection: &Connection) -> Result<Listing, Fault> {
        let mut page = PAGE;
        while !self.done {
            let options = self.options(page);
            let answer = connection.call(Kind::Read, |mut clients| {
                let (start, options) = (self.start.clone(), options.clone());
                async move { clients.kv.get(start, Some(options)).await }
            });
            match answer.await {
                Ok(answer) => {
                    let now = revision_of(answer.header())?;
                    self.take(answer.0, now)?;
                }
                Err(Fault::TooLarge(_)) if page > 1 => page = smaller(page),
                Err(fault) => return Err(fault),
            }
        }
        // Only a list of which nothing was wanted has none.
        let revision = self.revision.unwrap_or(Revision::new(0));
        Ok(Listing { items: self.items, revision })
    }
}

fn beyond(key: &[u8], end: &[u8]) -> bool {
    end != [0] && key >= end
}

fn smaller(page: usize) -> usize {
    page.div_ceil(8)
}

pub(super) async fn get(connection: &Connection, key: &str) -> Result<Option<Versioned>, Fault> {
    let answer = connection.call(Kind::Read, |mut clients| async move { clients.kv.get(key, None).await });
    let answer = answer.await?.0;
    let mut records = answer.kvs.into_iter();
    match (records.next(), records.next()) {
        (None, _) => Ok(None),
        (Some(record), None) if record.key == key.as_bytes() => {
            let revision = mod_revision(&record)?;
            Ok(Some(Versioned { key: key.to_owned(), value: record.value, revision }))
        }
        _ => Err(malformed("other records than the one asked for")),
    }
}

pub(super) async fn list(connection: &Connection, query: &Query<'_>) -> Result<Listing, Fault> {
    let mut restarts = RESTARTS;
    loop {
        match Reader::new(query).finish(connection).await {
            Err(Fault::Compacted) if query.revision.is_none() && restarts > 0 => restarts -= 1,
            ended => return ended,
        }
    }
}

/// All in one request, but for what does not fit into a page.
pub(super) async fn list_all(connection: &Connection, prefixes: &[&str]) -> Result<Vec<Listing>, Fault> {
    let (mut page, mut restarts) = (PAGE, RESTARTS);
    loop {
        match list_together(connection, prefixes, page).await {
            Err(Fault::TooLarge(_)) if page > 1 => page = smaller(page),
            Err(Fault::Compacted) if restarts > 0 => restarts -= 1,
            ended => return ended,
        }
    }
}

async fn list_together(
    connection: &Connection,
    prefixes: &[&str],
    page: usize,
) -> Result<Vec<Listing>, Fault> {
    let readers: Vec<Reader> =
        prefixes.iter().map(|prefix| Reader::new(&Query { prefix, ..Query::default() })).collect();
    let read = |reader: &Reader| TxnOp::get(reader.start.clone(), Some(reader.options(page)));
    let transaction = Txn::new().and_then(readers.iter().map(read).collect::<Vec<_>>());
    let answer = connection.call(Kind::Read, |mut clients| {
        let transaction = transaction.clone();
        async move { clients.kv.txn(transaction).await }
    });
    let answer = answer.await?;
    let now = revision_of(answer.header())?;
    if !answer.0.succeeded || answer.0.responses.len() != readers.len() {
        return Err(malformed("a transaction with too few or too many answers"));
    }
    let mut listings = Vec::new();
    for (mut reader, answer) in readers.into_iter().zip(answer.0.responses) {
        let Some(PbTxnOpResponse::ResponseRange(range)) = answer.response else {
            return Err(malformed("no list in answer to a list"));
        };
        reader.take(range, now)?;
        listings.push(reader.finish(connection).await?);
    }
    Ok(listings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &[u8], mod_revision: i64) -> PbKeyValue {
        PbKeyValue { key: key.to_vec(), mod_revision, ..PbKeyValue::default() }
    }

    fn answer(kvs: Vec<PbKeyValue>, more: bool) -> PbRangeResponse {
        PbRangeResponse { kvs, more, ..PbRangeResponse::default() }
    }

    #[test]
    fn a_range_ends_just_above_the_prefix() {
        assert_eq!(range(""), (vec![0], vec![0]));
        assert_eq!(range("/a/"), (b"/a/".to_vec(), b"/a0".to_vec()));
        let last = "\u{10ffff}";
        assert!(range(last).1.as_slice() > "\u{10ffff}\u{10ffff}".as_bytes());
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let mut reader = Reader::new(&Query { prefix: "/a", limit: Some(5), ..Query::default() });
        let now = Revision::new(9);
        reader.take(answer(vec![record(b"/a/1", 3), record(b"/a/\xff", 4)], true), now).unwrap();
        assert_eq!((reader.start.as_slice(), reader.left, reader.done), (&b"/a/\xff\0"[..], 3, false));
        assert_eq!(reader.revision, Some(now));
        // The store has moved on; this page is as of revision 9 all the same.
        reader.take(answer(vec![record(b"/a\xff", 9)], false), Revision::new(12)).unwrap();
        assert!(reader.done && reader.revision == Some(now));
        let keys: Vec<&str> = reader.items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(keys, ["/a/1"], "what is not UTF-8 is nobody's");
    }

    #[test]
    fn nothing_is_asked_where_nothing_can_be() {
        let none = |after, limit| Reader::new(&Query { prefix: "/a", after, limit, ..Query::default() }).done;
        assert!(none(None, Some(0)) && none(Some("/b"), None) && none(Some("/c"), None));
        assert!(!none(Some("/a"), None) && !none(Some("/"), None) && !none(Some("/a/z"), Some(1)));
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        for records in [
            vec![record(b"/b", 3)],
            vec![record(b"/", 3)],
            vec![record(b"/a/2", 3), record(b"/a/1", 3)],
            vec![record(b"/a/1", 3), record(b"/a/1", 3)],
            vec![record(b"/a/1", 0)],
            vec![record(b"/a/1", i64::MIN)],
            vec![record(b"/a/1", 10)],
            vec![record(b"/a/1", 3), record(b"/a/2", 3), record(b"/a/3", 3)],
        ] {
            let mut reader = Reader::new(&Query { prefix: "/a/", limit: Some(2), ..Query::default() });
            let result = reader.take(answer(records.clone(), true), Revision::new(9));
            assert!(matches!(result, Err(Fault::Lost(_))), "{records:?}");
        }
        assert!(revision(0).is_err() && revision(-1).is_err() && revision_of(None).is_err());
    }
}
