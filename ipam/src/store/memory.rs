//! A store in memory.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ListOptions, Op, Revision, Store, StoreError, Versioned};

/// A store in this process's memory: for tests, examples and single-process embedders.
///
/// One revision counter serves all keys, as in etcd. Nothing is kept when it is dropped. Share it as `&MemoryStore` or
/// `Arc<MemoryStore>`; both are stores too.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    keys: BTreeMap<String, (Vec<u8>, Revision)>,
}

impl State {
    fn expect(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        match self.keys.get(key) {
            None => Err(StoreError::NotFound),
            Some((_, revision)) if *revision != expected => Err(StoreError::Conflict),
            Some(_) => Ok(()),
        }
    }

    fn check(&self, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::Create { key, .. } if self.keys.contains_key(key) => Err(StoreError::AlreadyExists),
            Op::Create { .. } => Ok(()),
            Op::Update { key, revision, .. } | Op::Delete { key, revision } => self.expect(key, *revision),
            Op::Check { key, revision } if self.keys.get(key).map(|found| found.1) == *revision => Ok(()),
            Op::Check { .. } => Err(StoreError::Conflict),
        }
    }

    fn commit(&mut self, ops: &[Op]) -> Result<Revision, StoreError> {
        for op in ops {
            self.check(op)?;
        }
        self.revision += 1;
        let now = Revision::new(self.revision);
        for op in ops {
            match op {
                Op::Create { key, value } | Op::Update { key, value, .. } => {
                    self.keys.insert(key.clone(), (value.clone(), now));
                }
                Op::Delete { key, .. } => {
                    self.keys.remove(key);
                }
                Op::Check { .. } => {}
            }
        }
        Ok(now)
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().keys.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.lock().keys.get(key).map(|(value, revision)| Versioned {
            key: String::from(key),
            value: value.clone(),
            revision: *revision,
        }))
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        let from = match options.after.as_deref() {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        Ok(self
            .lock()
            .keys
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(options.limit.unwrap_or(usize::MAX))
            .map(|(key, (value, revision))| Versioned {
                key: key.clone(),
                value: if options.keys_only { Vec::new() } else { value.clone() },
                revision: *revision,
            })
            .collect())
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        self.lock().commit(&[Op::Create { key: String::from(key), value: Vec::from(value) }])
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        let op = Op::Update { key: String::from(key), value: Vec::from(value), revision: expected };
        self.lock().commit(&[op])
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        self.lock().commit(&[Op::Delete { key: String::from(key), revision: expected }]).map(drop)
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        self.lock().commit(ops)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::block_on;

    fn create(key: &str) -> Op {
        Op::Create { key: key.to_string(), value: Vec::from(*b"v") }
    }

    #[test]
    fn compare_and_swap() {
        let store = MemoryStore::new();
        let first = block_on(store.create("k", b"1")).unwrap();
        assert_eq!(block_on(store.create("k", b"2")), Err(StoreError::AlreadyExists));
        let second = block_on(store.update("k", b"2", first)).unwrap();
        assert_eq!(block_on(store.update("k", b"3", first)), Err(StoreError::Conflict));
        assert_eq!(block_on(store.delete("k", first)), Err(StoreError::Conflict));
        assert_eq!(block_on(store.get("k")).unwrap().unwrap().value, b"2");
        block_on(store.delete("k", second)).unwrap();
        assert_eq!(block_on(store.delete("k", second)), Err(StoreError::NotFound));
        assert_eq!(block_on(store.update("k", b"3", second)), Err(StoreError::NotFound));
        let again = block_on(store.create("k", b"1")).unwrap();
        assert!(again != first && again != second, "a revision never comes again");
    }

    #[test]
    fn a_commit_is_all_or_nothing() {
        let store = MemoryStore::new();
        let one = block_on(store.commit(&[create("a"), create("b")])).unwrap();
        let absent = Op::Check { key: "c".to_string(), revision: None };
        let present = Op::Check { key: "b".to_string(), revision: Some(one) };
        let gone = Op::Delete { key: "a".to_string(), revision: one };
        assert_eq!(block_on(store.commit(&[gone.clone(), create("b")])), Err(StoreError::AlreadyExists));
        assert_eq!(store.len(), 2);
        let two = block_on(store.commit(&[absent.clone(), present, gone, create("c")])).unwrap();
        assert_eq!(block_on(store.get("c")).unwrap().unwrap().revision, two);
        assert_eq!(block_on(store.get("a")).unwrap(), None);
        assert_eq!(block_on(store.commit(&[absent, create("d")])), Err(StoreError::Conflict));
        let stale = Op::Update { key: "c".to_string(), value: Vec::new(), revision: one };
        assert_eq!(block_on(store.commit(&[create("d"), stale])), Err(StoreError::Conflict));
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn lists() {
        let store = MemoryStore::new();
        for key in ["b/2", "a/1", "b/1", "b/10", "c"] {
            block_on(store.create(key, b"v")).unwrap();
        }
        let list = |prefix: &str, options: ListOptions| {
            let items = block_on(store.list(prefix, &options)).unwrap();
            items.into_iter().map(|item| (item.key, item.value.len())).collect::<Vec<_>>()
        };
        let keys =
            |keys: &[&str], len: usize| keys.iter().map(|key| (key.to_string(), len)).collect::<Vec<_>>();
        assert_eq!(list("b/", ListOptions::new()), keys(&["b/1", "b/10", "b/2"], 1));
        assert_eq!(list("b/", ListOptions::new().keys_only().limit(2)), keys(&["b/1", "b/10"], 0));
        assert_eq!(list("b/", ListOptions::new().after("b/1")), keys(&["b/10", "b/2"], 1));
        assert_eq!(list("b/", ListOptions::new().after("a")), keys(&["b/1", "b/10", "b/2"], 1));
        assert_eq!(list("b/", ListOptions::new().after("c")), Vec::new());
        assert_eq!(list("", ListOptions::new()).len(), 5);
    }
}
