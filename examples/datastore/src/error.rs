//! What can go wrong with the store, and with typed objects in it.

use alloc::sync::Arc;

use tortie_ipam::StoreError;

use crate::resource::{FieldError, FieldErrors};

/// Why an operation on the store did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key was to be created, but is there.
    #[error("`{key}` exists already")]
    AlreadyExists {
        /// The key.
        key: String,
    },
    /// A key was to be updated or deleted, but is not there.
    #[error("`{key}` does not exist")]
    NotFound {
        /// The key.
        key: String,
    },
    /// A key is not at the expected revision: read it again, and decide again.
    #[error("`{key}` was changed by somebody else")]
    Conflict {
        /// The key.
        key: String,
    },
    /// One commit writes a key twice.
    #[error("`{key}` is written twice in one commit")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// An object breaks the rules of its kind.
    #[error("{errors}")]
    Invalid {
        /// What is wrong, by field.
        errors: FieldErrors,
    },
    /// A stored record cannot be read as an object of its kind.
    #[error("the stored record `{key}` cannot be read: {error}")]
    Unreadable {
        /// The key.
        key: String,
        /// The field and why.
        error: FieldError,
    },
    /// The commit has more parts than the store does at once; nothing was written.
    #[error("{ops} parts are more than the datastore commits at once: commit fewer (etcd: --max-txn-ops)")]
    TooManyOps {
        /// How many parts it has.
        ops: usize,
    },
    /// The store does not do this, now or later: credentials, permissions, limits. Nothing was written.
    #[error("the datastore refuses: {0}")]
    Refused(Arc<dyn core::error::Error + Send + Sync>),
    /// The database cannot be reached or written; the operation may have happened.
    #[error("the datastore is not available: {0}")]
    Unavailable(Arc<dyn core::error::Error + Send + Sync>),
}

impl Error {
    /// Whether reading again and trying again can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unavailable(_))
    }

    /// Whether somebody else was faster: read again, decide again, and try again.
    pub fn is_race(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. } | Self::NotFound { .. } | Self::Conflict { .. })
    }

    pub(crate) fn refused(source: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self::Refused(Arc::new(source))
    }

    pub(crate) fn unavailable(source: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(source))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::unavailable(error)
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::AlreadyExists { .. } => Self::AlreadyExists,
            Error::NotFound { .. } => Self::NotFound,
            Error::Conflict { .. } => Self::Conflict,
            // The allocator then does the parts one after the other.
            Error::TooManyOps { .. } => Self::Unsupported,
            Error::Unavailable(source) => Self::Unavailable(source),
            other => Self::unavailable(other),
        }
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid { errors }
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::Invalid { errors: error.into() }
    }
}

/// The thread that owns the database connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its thread has ended")]
pub(crate) struct Stopped;
