//! Queries: one record, records by prefix, changes.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tortie_ipam::{Revision, Versioned};

use super::schema::{self, signed, unsigned};
use crate::{Error, Event, EventKind, Listing};

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub(super) struct ListQuery {
    /// Keys begin with this.
    pub(super) prefix: String,
    /// Keys come after this one.
    pub(super) after: Option<String>,
    /// At most this many.
    pub(super) limit: Option<usize>,
    /// Leave the values empty.
    pub(super) keys_only: bool,
}

/// The position of a reader in the change log: everything up to and including it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The revision of the last change seen.
    pub(super) revision: u64,
    /// Its position inside that revision; `None` when the whole revision was seen.
    pub(super) position: Option<i64>,
}

impl Cursor {
    /// The newest revision of which nothing is missing.
    fn complete(self) -> u64 {
        if self.position.is_none() { self.revision } else { self.revision.saturating_sub(1) }
    }
}

/// Some changes, and where to go on.
#[derive(Debug)]
pub(super) enum Page {
    /// Changes in order, and whether there may be more.
    Changes { events: Vec<Event>, cursor: Cursor, more: bool },
    /// The log does not reach back to the cursor.
    Compacted { oldest: u64 },
}

/// The least text above every text that begins with `prefix`, in the order of code points (which is that of UTF-8);
/// `None` if there is none.
pub(super) fn prefix_end(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

pub(super) fn get(connection: &Connection, key: &str) -> Result<Option<Versioned>, Error> {
    let mut statement = connection.prepare_cached("SELECT value, mod_revision FROM kv WHERE key = ?1")?;
    let found = statement.query_row([key], |row| {
        Ok(Versioned {
            key: key.to_owned(),
            value: row.get(0)?,
            revision: Revision::new(unsigned(row.get(1)?)),
        })
    });
    Ok(found.optional()?)
}

pub(super) fn list(connection: &mut Connection, query: &ListQuery) -> Result<Listing, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    list_in(&transaction, query)
}

pub(super) fn list_all(connection: &mut Connection, queries: &[ListQuery]) -> Result<Vec<Listing>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    queries.iter().map(|query| list_in(&transaction, query)).collect()
}

fn list_in(connection: &Connection, query: &ListQuery) -> Result<Listing, Error> {
    let revision = schema::state(connection)?.revision;
    let value = if query.keys_only { "x''" } else { "value" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT key, {value}, mod_revision FROM kv
         WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) AND (?3 IS NULL OR key > ?3)
         ORDER BY key LIMIT ?4"
    ))?;
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let parameters = params![query.prefix, prefix_end(&query.prefix), query.after, limit];
    let rows = statement.query_map(parameters, |row| {
        Ok(Versioned { key: row.get(0)?, value: row.get(1)?, revision: Revision::new(unsigned(row.get(2)?)) })
    })?;
    let items = rows.collect::<rusqlite::Result<_>>()?;
    Ok(Listing { items, revision: Revision::new(revision) })
}

/// At most `limit` changes after `cursor` to keys that begin with `prefix`.
pub(super) fn changes(
    connection: &mut Connection,
    prefix: &str,
    cursor: Cursor,
    limit: usize,
) -> Result<Page, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let state = schema::state(&transaction)?;
    // A reader from the future has seen another file: it must list again, too.
    if cursor.complete() < state.compacted || cursor.revision > state.revision {
        return Ok(Page::Compacted { oldest: state.compacted });
    }
    let mut statement = transaction.prepare_cached(
        "SELECT revision, position, key, value FROM changes
         WHERE (revision, position) > (?1, ?2) AND key >= ?3 AND (?4 IS NULL OR key < ?4)
         ORDER BY revision, position LIMIT ?5",
    )?;
    let limit_signed = i64::try_from(limit).unwrap_or(i64::MAX);
    let position = cursor.position.unwrap_or(i64::MAX);
    let mut rows = statement.query(params![
        signed(cursor.revision),
        position,
        prefix,
        prefix_end(prefix),
        limit_signed
    ])?;
    let mut events = Vec::new();
    let mut last = cursor;
    while let Some(row) = rows.next()? {
        let revision = unsigned(row.get(0)?);
        last = Cursor { revision, position: Some(row.get(1)?) };
        let value: Option<Vec<u8>> = row.get(3)?;
        events.push(Event {
            key: row.get(2)?,
            kind: value.map_or(EventKind::Delete, EventKind::Put),
            revision: Revision::new(revision),
        });
    }
    let more = events.len() >= limit;
    let cursor = if more { last } else { Cursor { revision: state.revision, position: None } };
    Ok(Page::Changes { events, cursor, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_just_above_the_prefix() {
        assert_eq!(prefix_end("").as_deref(), None);
        assert_eq!(prefix_end("/a/").as_deref(), Some("/a0"));
        assert_eq!(prefix_end("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(prefix_end("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(prefix_end("\u{10ffff}").as_deref(), None);
    }
}
