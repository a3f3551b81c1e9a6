//! The store as a trait object.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;

use super::{ListOptions, Op, Revision, Store, StoreError, Versioned};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Store`] with boxed futures: the form that can be a trait object. Every `Store` has it.
pub trait DynStore: Send + Sync {
    /// [`Store::get`].
    fn dyn_get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>>;
    /// [`Store::list`].
    fn dyn_list<'a>(
        &'a self,
        prefix: &'a str,
        options: &'a ListOptions,
    ) -> BoxFuture<'a, Result<Vec<Versioned>, StoreError>>;
    /// [`Store::create`].
    fn dyn_create<'a>(&'a self, key: &'a str, value: &'a [u8])
    -> BoxFuture<'a, Result<Revision, StoreError>>;
    /// [`Store::update`].
    fn dyn_update<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        expected: Revision,
    ) -> BoxFuture<'a, Result<Revision, StoreError>>;
    /// [`Store::delete`].
    fn dyn_delete<'a>(&'a self, key: &'a str, expected: Revision) -> BoxFuture<'a, Result<(), StoreError>>;
    /// [`Store::commit`].
    fn dyn_commit<'a>(&'a self, ops: &'a [Op]) -> BoxFuture<'a, Result<Revision, StoreError>>;
}

impl<S: Store> DynStore for S {
    fn dyn_get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        Box::pin(self.get(key))
    }

    fn dyn_list<'a>(
        &'a self,
        prefix: &'a str,
        options: &'a ListOptions,
    ) -> BoxFuture<'a, Result<Vec<Versioned>, StoreError>> {
        Box::pin(self.list(prefix, options))
    }

    fn dyn_create<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
    ) -> BoxFuture<'a, Result<Revision, StoreError>> {
        Box::pin(self.create(key, value))
    }

    fn dyn_update<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        expected: Revision,
    ) -> BoxFuture<'a, Result<Revision, StoreError>> {
        Box::pin(self.update(key, value, expected))
    }

    fn dyn_delete<'a>(&'a self, key: &'a str, expected: Revision) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.delete(key, expected))
    }

    fn dyn_commit<'a>(&'a self, ops: &'a [Op]) -> BoxFuture<'a, Result<Revision, StoreError>> {
        Box::pin(self.commit(ops))
    }
}

/// Any store, of one type: chosen at run time, cheap to clone.
#[derive(Clone)]
pub struct ErasedStore(Arc<dyn DynStore>);

impl ErasedStore {
    /// Erases the type of a store.
    pub fn new(store: impl Store + 'static) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for ErasedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedStore")
    }
}

impl Store for ErasedStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.0.dyn_get(key).await
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        self.0.dyn_list(prefix, options).await
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        self.0.dyn_create(key, value).await
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        self.0.dyn_update(key, value, expected).await
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        self.0.dyn_delete(key, expected).await
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        self.0.dyn_commit(ops).await
    }
}
