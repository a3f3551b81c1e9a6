//! The database file: opening, format, pragmas.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::Error;

/// `application_id` of the file: "tort" in ASCII.
const APPLICATION: i32 = 0x746f_7274;
/// `user_version` of the file.
const FORMAT: i32 = 1;
/// How long to wait between attempts while another process converts the file to a write-ahead log.
const PAUSE: Duration = Duration::from_millis(5);

/// `changes` has one row for each record that a commit wrote or deleted (`value` is NULL); `position` counts them.
const SCHEMA: &str = "
    CREATE TABLE kv (
        key TEXT PRIMARY KEY NOT NULL,
        value BLOB NOT NULL,
        create_revision INTEGER NOT NULL,
        mod_revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE changes (
        revision INTEGER NOT NULL,
        position INTEGER NOT NULL,
        key TEXT NOT NULL,
        value BLOB,
        PRIMARY KEY (revision, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        revision INTEGER NOT NULL,
        compacted INTEGER NOT NULL
    ) STRICT;
    INSERT INTO state (id, revision, compacted) VALUES (1, 0, 0);
";

/// The file is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum FormatError {
    #[error("the file is an SQLite database, but not a tortie datastore")]
    Foreign,
    #[error("the file has format {0}, this program knows {FORMAT}")]
    Format(i32),
    #[error("the file is empty")]
    Empty,
}

/// The store's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The newest revision.
    pub(super) revision: u64,
    /// Changes up to here are forgotten.
    pub(super) compacted: u64,
}

/// Opens the file, and, if so wanted, makes it a store if it is not there, or is empty.
pub(super) fn open(path: &Path, busy_timeout: Duration, may_create: bool) -> Result<Connection, Error> {
    let deadline = Instant::now() + busy_timeout;
    // SQLite removes a log that it finds beside an empty file, and it may be all that is left of the store.
    if !may_create && fs::metadata(path).is_ok_and(|found| found.len() == 0) {
        return Err(Error::unavailable(FormatError::Empty));
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_create);
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    leave_log(&connection)?;
    // Before anything is written to it.
    if !may_create && format(&connection)?.is_none() {
        return Err(Error::unavailable(FormatError::Empty));
    }
    // The change of mode does not wait for locks, whatever the timeout.
    // Source: https://sqlite.org/wal.html, "Activating And Configuring WAL Mode" and "Sometimes Queries Return SQLITE_BUSY".
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(_mode) => break,
            Err(error) if is_busy(&error) && Instant::now() < deadline => thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    create(&mut connection)?;
    Ok(connection)
}

/// From now on closing does not remove the log: by its name, whosever that is by then.
///
/// Source: https://sqlite.org/c3ref/c_dbconfig_defensive.html, `SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE`.
fn leave_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// Puts what is in the log into the file, by both as they are open, unless somebody else is at them.
///
/// Source: https://sqlite.org/pragma.html#pragma_wal_checkpoint.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_row| Ok(()))
}

fn create(connection: &mut Connection) -> Result<(), Error> {
    if format(connection)? == Some(FORMAT) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match format(&transaction)? {
        Some(FORMAT) => return Ok(()), // Another process was faster.
        Some(other) => return Err(Error::unavailable(FormatError::Format(other))),
        None => {}
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    Ok(transaction.commit()?)
}

/// The format of the file; `None` for an empty one.
fn format(connection: &Connection) -> Result<Option<i32>, Error> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    if number("application_id")? == APPLICATION {
        return Ok(Some(number("user_version")?));
    }
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables == 0 { Ok(None) } else { Err(Error::unavailable(FormatError::Foreign)) }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The store's counters, as of the current transaction.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<State> {
    connection
        .prepare_cached("SELECT revision, compacted FROM state")?
        .query_row((), |row| Ok(State { revision: unsigned(row.get(0)?), compacted: unsigned(row.get(1)?) }))
}

/// Counters are never negative; SQLite's integers are signed.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The bound of a query; a counter beyond SQLite's range is beyond every revision.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
