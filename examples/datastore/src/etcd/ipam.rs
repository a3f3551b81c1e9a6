//! The store as the address allocator sees it.

use tortie_ipam::{ListOptions, Op, Revision, Store, StoreError, Versioned};

use super::Etcd;
use super::list::{self, Query};
use crate::Error;

impl Store for Etcd {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(Self::get(self, key).await?)
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        let query = Query {
            prefix,
            after: options.after.as_deref(),
            limit: options.limit,
            keys_only: options.keys_only,
            revision: None,
        };
        Ok(list::list(&self.connection, &query).await.map_err(Error::from)?.items)
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        Ok(Self::create(self, key, value).await?)
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        Ok(Self::update(self, key, value, expected).await?)
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        Self::delete(self, key, expected).await?;
        Ok(())
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        Ok(Self::commit(self, ops.to_vec()).await?)
    }
}
