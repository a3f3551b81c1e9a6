//! Commits and compaction.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tortie_ipam::{Op, Revision};

use super::schema::{self, signed, unsigned};
use crate::resource::{RECORD_LIMIT, too_long};
use crate::{Error, Excerpt};

/// The record is longer than any store has to take.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {}", Excerpt(key), too_long(*len))]
struct TooLong {
    key: String,
    len: usize,
}

/// Does all of `ops` or nothing; returns the revision that they share.
pub(super) fn commit(connection: &mut Connection, ops: &[Op], keep: u64) -> Result<u64, Error> {
    refuse_duplicates(ops)?;
    refuse_long(ops)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let state = schema::state(&transaction)?;
    let revision = state.revision + 1;
    for op in ops {
        check(&transaction, op)?;
    }
    let mut written = 0;
    for op in ops {
        written += write(&transaction, op, signed(revision), written)?;
    }
    if written == 0 {
        return Ok(state.revision);
    }
    transaction.prepare_cached("UPDATE state SET revision = ?1")?.execute([signed(revision)])?;
    // Forgetting in strides keeps its cost off most commits.
    let stride = (keep / 8).max(1);
    if revision - state.compacted >= keep.saturating_add(stride) {
        forget(&transaction, revision - keep)?;
    }
    transaction.commit()?;
    Ok(revision)
}

/// Forgets changes up to and including `revision`.
pub(super) fn compact(connection: &mut Connection, revision: u64) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let state = schema::state(&transaction)?;
    let revision = revision.min(state.revision);
    if revision > state.compacted {
        forget(&transaction, revision)?;
    }
    Ok(transaction.commit()?)
}

fn forget(transaction: &Transaction<'_>, revision: u64) -> Result<(), Error> {
    transaction.prepare_cached("DELETE FROM changes WHERE revision <= ?1")?.execute([signed(revision)])?;
    transaction.prepare_cached("UPDATE state SET compacted = ?1")?.execute([signed(revision)])?;
    Ok(())
}

fn refuse_duplicates(ops: &[Op]) -> Result<(), Error> {
    let mut written = HashSet::new();
    for op in ops {
        if let Op::Create { key, .. } | Op::Update { key, .. } | Op::Delete { key, .. } = op
            && !written.insert(key)
        {
            return Err(Error::DuplicateKey { key: key.clone() });
        }
    }
    Ok(())
}

fn refuse_long(ops: &[Op]) -> Result<(), Error> {
    let long = ops.iter().find_map(|op| match op {
        Op::Create { key, value } | Op::Update { key, value, .. } if value.len() > RECORD_LIMIT => {
            Some(TooLong { key: key.clone(), len: value.len() })
        }
        _ => None,
    });
    long.map_or(Ok(()), |long| Err(Error::refused(long)))
}

/// Whether the op holds for what is there.
fn check(transaction: &Transaction<'_>, op: &Op) -> Result<(), Error> {
    let key = || op.key().to_owned();
    let current = current(transaction, op.key())?;
    match (op, current) {
        (Op::Create { .. }, Some(_)) => Err(Error::AlreadyExists { key: key() }),
        (Op::Update { .. } | Op::Delete { .. }, None) => Err(Error::NotFound { key: key() }),
        (Op::Update { revision, .. } | Op::Delete { revision, .. }, Some(current))
            if current != *revision =>
        {
            Err(Error::Conflict { key: key() })
        }
        (Op::Check { revision, .. }, current) if current != *revision => Err(Error::Conflict { key: key() }),
        _ => Ok(()),
    }
}

/// Does one op that holds, as change number `position` of the commit; how many records it wrote.
fn write(transaction: &Transaction<'_>, op: &Op, revision: i64, position: i64) -> Result<i64, Error> {
    let (key, value) = match op {
        Op::Create { key, value } => {
            let sql = "INSERT INTO kv (key, value, create_revision, mod_revision) VALUES (?1, ?2, ?3, ?3)";
            transaction.prepare_cached(sql)?.execute(params![key, value, revision])?;
            (key, Some(value))
        }
        Op::Update { key, value, .. } => {
            let sql = "UPDATE kv SET value = ?2, mod_revision = ?3 WHERE key = ?1";
            transaction.prepare_cached(sql)?.execute(params![key, value, revision])?;
            (key, Some(value))
        }
        Op::Delete { key, .. } => {
            transaction.prepare_cached("DELETE FROM kv WHERE key = ?1")?.execute([key])?;
            (key, None)
        }
        Op::Check { .. } => return Ok(0),
    };
    let sql = "INSERT INTO changes (revision, position, key, value) VALUES (?1, ?2, ?3, ?4)";
    transaction.prepare_cached(sql)?.execute(params![revision, position, key, value])?;
    Ok(1)
}

/// The revision of a key.
fn current(transaction: &Transaction<'_>, key: &str) -> Result<Option<Revision>, Error> {
    let mut statement = transaction.prepare_cached("SELECT mod_revision FROM kv WHERE key = ?1")?;
    let revision: Option<i64> = statement.query_row([key], |row| row.get(0)).optional()?;
    Ok(revision.map(|revision| Revision::new(unsigned(revision))))
}
