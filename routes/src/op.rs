//! What is to be done to the kernel.

use alloc::vec::Vec;
use core::fmt;

use crate::entry::Entry;
use crate::route::Key;

/// One change of the kernel's routes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Add an entry under a key that is free (`NLM_F_CREATE | NLM_F_EXCL`): fails if somebody holds the key.
    Create(Entry),
    /// Put an entry in place of the one that holds its key (`NLM_F_CREATE | NLM_F_REPLACE`).
    Replace(Entry),
    /// Remove this entry: of this key, protocol, kind and hop, and no other.
    Delete(Entry),
}

impl Op {
    /// The entry to be written or removed.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        match self {
            Self::Create(entry) | Self::Replace(entry) | Self::Delete(entry) => entry,
        }
    }

    /// The key that it concerns.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.entry().key
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Self::Create(_) => "create",
            Self::Replace(_) => "replace",
            Self::Delete(_) => "delete",
        };
        write!(f, "{verb} {}", self.entry())
    }
}

/// The number of an operation within one reconciler; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub(crate) u64);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Operations to be done in this order. No two concern the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<(OpId, Op)>,
}

impl Batch {
    pub(crate) const fn new(ops: Vec<(OpId, Op)>) -> Self {
        Self { ops }
    }

    /// The operations with their numbers, in order.
    #[must_use]
    pub fn ops(&self) -> &[(OpId, Op)] {
        &self.ops
    }
}
