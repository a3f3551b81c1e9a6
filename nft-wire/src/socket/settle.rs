//! Waiting for transactions that are under way.
//!
//! The kernel finds the place where a dump goes on by counting. A transaction that is being prepared has put its elements and
//! rules there already, and one that is being committed takes away what it deleted after the generation has changed: meanwhile
//! a dump tells something twice, or not at all, and neither the generation nor the kernel's mark of an interrupted dump says
//! so. (Seen with Linux 6.18 in every second run of two hundred transactions beside dumps of 100,000 elements.) But there is one
//! lock for all transactions, and a batch that wants another generation than there is waits for it, and is refused then.

use std::io;

use crate::batch::Batch;
use crate::error::{CommitError, EncodeError};
use crate::family::Family;
use crate::name::Name;
use crate::table::Table;

/// A batch that is refused once no transaction is under way, because it wants another generation than this.
pub(super) fn barrier(generation: u32) -> Result<Batch, EncodeError> {
    // 0 would be any.
    let other = match generation ^ (1 << 31) {
        0 => 1,
        other => other,
    };
    let mut batch = Batch::at_generation(other);
    // Never read.
    batch.delete(Family::INET, &Table::new(Name::new("barrier")?))?;
    Ok(batch)
}

/// Whether the barrier did what it is for.
pub(super) fn passed(result: Result<(), CommitError>) -> io::Result<()> {
    match result {
        Ok(()) | Err(CommitError::Foreign | CommitError::Refused(_) | CommitError::NotInForce) => Ok(()),
        Err(CommitError::Send(source) | CommitError::Unknown { source, .. }) => Err(source),
        Err(error) => Err(io::Error::other(error)),
    }
}
