//! The store that an allocator works on, reduced to compare-and-swap.

mod erased;
#[cfg(feature = "std")]
mod memory;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub use erased::{BoxFuture, DynStore, ErasedStore};
#[cfg(feature = "std")]
pub use memory::MemoryStore;

/// The version of one key: a number that a store gives to each write.
///
/// Opaque but for equality: only the store that made it may read more into it. Invariant: a revision never recurs for
/// a key, not even after the key was deleted and created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, as the store gave it.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key with its value and the revision of that value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that every store builds with a literal")]
pub struct Versioned {
    /// The key, whole.
    pub key: String,
    /// The value; empty in a list with [`ListOptions::keys_only`].
    pub value: Vec<u8>,
    /// The revision of the write that made this value.
    pub revision: Revision,
}

/// One part of a [commit](Store::commit).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a store must know every part of a commit, or refuse to compile")]
pub enum Op {
    /// Writes a key that must not exist; else [`StoreError::AlreadyExists`].
    Create {
        /// The key.
        key: String,
        /// Its first value.
        value: Vec<u8>,
    },
    /// Replaces a value that must have this revision; else [`StoreError::NotFound`] or [`StoreError::Conflict`].
    Update {
        /// The key.
        key: String,
        /// Its new value.
        value: Vec<u8>,
        /// The revision that it must have.
        revision: Revision,
    },
    /// Deletes a key that must have this revision; else [`StoreError::NotFound`] or [`StoreError::Conflict`].
    Delete {
        /// The key.
        key: String,
        /// The revision that it must have.
        revision: Revision,
    },
    /// Writes nothing; fails with [`StoreError::Conflict`] unless the key has this revision, or (`None`) does not exist.
    Check {
        /// The key.
        key: String,
        /// The revision that it must have; `None`: it must not exist.
        revision: Option<Revision>,
    },
}

impl Op {
    /// The key that this part is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Create { key, .. }
            | Self::Update { key, .. }
            | Self::Delete { key, .. }
            | Self::Check { key, .. } => key,
        }
    }
}

/// What a [list](Store::list) leaves out. The default leaves out nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListOptions {
    /// Leave every value empty. Default false.
    pub keys_only: bool,
    /// At most this many items. Default: no limit.
    pub limit: Option<usize>,
    /// Only keys greater than this one, to go on after a limit. Default: from the first.
    pub after: Option<String>,
}

impl ListOptions {
    /// Everything under the prefix.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys_only: false, limit: None, after: None }
    }

    /// Leaves every value empty.
    #[must_use]
    pub const fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    /// At most `limit` items.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only keys greater than `key`.
    #[must_use]
    pub fn after(mut self, key: impl Into<String>) -> Self {
        self.after = Some(key.into());
        self
    }
}

/// Why a store did not do what it was asked to.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A create found the key already there. Nothing was written.
    #[error("the key exists already")]
    AlreadyExists,
    /// An update or delete found no such key. Nothing was written.
    #[error("the key does not exist")]
    NotFound,
    /// The key has another revision than expected. Nothing was written.
    #[error("the key has another revision")]
    Conflict,
    /// The store has no [commit](Store::commit) of several keys. Nothing was written.
    #[error("the store cannot commit several keys at once")]
    Unsupported,
    /// No answer, or none that can be used: **a write may have been applied, or not**. Reading tells which.
    #[error("the store is unavailable")]
    Unavailable(#[source] Arc<dyn core::error::Error + Send + Sync>),
}

impl StoreError {
    /// An [`Unavailable`](Self::Unavailable) for this reason.
    pub fn unavailable(source: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(source))
    }

    /// The expectation about a key was wrong: nothing was written, and reading again shows the present state.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::AlreadyExists | Self::NotFound | Self::Conflict)
    }
}

impl PartialEq for StoreError {
    /// Two unavailable stores are equal if they say the same.
    fn eq(&self, other: &Self) -> bool {
        use alloc::string::ToString as _;
        match (self, other) {
            (Self::Unavailable(a), Self::Unavailable(b)) => {
                Arc::ptr_eq(a, b) || a.to_string() == b.to_string()
            }
            (a, b) => core::mem::discriminant(a) == core::mem::discriminant(b),
        }
    }
}

impl Eq for StoreError {}

/// A key-value store with compare-and-swap.
///
/// Each call is atomic and linearizable: what one call wrote, every later call of anyone sees. Futures may be dropped
/// at any await; the write is then applied or not, as with [`StoreError::Unavailable`]. For a trait object see
/// [`ErasedStore`].
pub trait Store: Send + Sync {
    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Versioned>, StoreError>> + Send;

    /// The keys that begin with `prefix`, in the order of their bytes, less what `options` leaves out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn list(
        &self,
        prefix: &str,
        options: &ListOptions,
    ) -> impl Future<Output = Result<Vec<Versioned>, StoreError>> + Send;

    /// Writes a key that must not exist.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Unavailable`].
    fn create(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Replaces the value of a key that must have the revision `expected`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`], [`StoreError::Unavailable`].
    fn update(
        &self,
        key: &str,
        value: &[u8],
        expected: Revision,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Deletes a key that must have the revision `expected`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`], [`StoreError::Unavailable`].
    fn delete(&self, key: &str, expected: Revision) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Does all of `ops` or none; what it writes gets the returned revision. Each key may appear once.
    ///
    /// A store that has no such thing (the Kubernetes API) answers [`StoreError::Unsupported`] at once; the allocator
    /// then does the parts one after the other, in an order that is safe at every point.
    ///
    /// # Errors
    /// That of the first part that could not be done, [`StoreError::Unsupported`], [`StoreError::Unavailable`].
    fn commit(&self, ops: &[Op]) -> impl Future<Output = Result<Revision, StoreError>> + Send;
}

macro_rules! forward {
    ($($pointer:ty),*) => { $(
        impl<S: Store + ?Sized> Store for $pointer {
            fn get(&self, key: &str) -> impl Future<Output = Result<Option<Versioned>, StoreError>> + Send {
                (**self).get(key)
            }
            fn list(
                &self,
                prefix: &str,
                options: &ListOptions,
            ) -> impl Future<Output = Result<Vec<Versioned>, StoreError>> + Send {
                (**self).list(prefix, options)
            }
            fn create(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<Revision, StoreError>> + Send {
                (**self).create(key, value)
            }
            fn update(
                &self,
                key: &str,
                value: &[u8],
                expected: Revision,
            ) -> impl Future<Output = Result<Revision, StoreError>> + Send {
                (**self).update(key, value, expected)
            }
            fn delete(&self, key: &str, expected: Revision) -> impl Future<Output = Result<(), StoreError>> + Send {
                (**self).delete(key, expected)
            }
            fn commit(&self, ops: &[Op]) -> impl Future<Output = Result<Revision, StoreError>> + Send {
                (**self).commit(ops)
            }
        }
    )* };
}

forward!(&S, Arc<S>);
