//! The stored configuration.

use super::{Allocator, unreadable};
use crate::config::Config;
use crate::error::{ConfigError, Fault};
use crate::keys;
use crate::record::ConfigRecord;
use crate::store::{Op, Store};

impl<S: Store> Allocator<S> {
    /// The stored configuration; the default if there is none.
    ///
    /// # Errors
    /// [`Fault::Store`], [`Fault::Record`].
    pub async fn config(&self) -> Result<Config, Fault> {
        match self.store.get(keys::CONFIG).await? {
            None => Ok(Config::default()),
            Some(found) => {
                let record = ConfigRecord::decode(&found.value).map_err(unreadable(keys::CONFIG))?;
                Ok(record.config())
            }
        }
    }

    /// Changes the stored configuration, and gives it as it is then.
    ///
    /// `change` is called with what is stored, or with the default, and again if somebody else was faster. A record that
    /// stays as it is is not written.
    ///
    /// # Errors
    /// [`ConfigError`]: the change breaks a rule, or the store failed. Nothing was written.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_ipam::{Allocator, ConfigError, MemoryStore, block_on};
    ///
    /// let allocator = Allocator::new(MemoryStore::new());
    /// let strict = block_on(allocator.update_config(|record| record.strict_affinity = true))?;
    /// assert!(strict.config().auto_allocate_blocks);
    /// let wrong = block_on(allocator.update_config(|record| {
    ///     record.strict_affinity = false;
    ///     record.max_blocks_per_host = 4;
    /// }));
    /// assert_eq!(wrong, Err(ConfigError::LimitWithoutStrict));
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub async fn update_config(
        &self,
        change: impl Fn(&mut ConfigRecord) + Send + Sync,
    ) -> Result<ConfigRecord, ConfigError> {
        for _ in 0..self.max_tries {
            let found = self.store.get(keys::CONFIG).await.map_err(Fault::from)?;
            let mut record = match &found {
                None => ConfigRecord { auto_allocate_blocks: true, ..ConfigRecord::default() },
                Some(found) => ConfigRecord::decode(&found.value).map_err(unreadable(keys::CONFIG))?,
            };
            let before = record.clone();
            change(&mut record);
            if record == before {
                return Ok(record);
            }
            record.check()?;
            let (key, value) = (keys::CONFIG.into(), record.encode());
            let op = match found {
                None => Op::Create { key, value },
                Some(found) => Op::Update { key, value, revision: found.revision },
            };
            match self.apply(&[op]).await {
                Ok(_) => return Ok(record),
                Err(stopped) => stopped.retry().map(drop)?,
            }
        }
        Err(Fault::TooManyRetries.into())
    }
}
