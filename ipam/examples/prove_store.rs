//! A store of one's own, and the proof that it keeps the contract: `cargo run -p tortie-ipam --example prove_store
//! --features testing`.
//!
//! It is proven as it should be, and then with a mistake that is easily made: revisions that begin anew when a key was
//! deleted.

#![expect(clippy::print_stdout, reason = "an example")]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tortie_ipam::testing::{Budget, Command, Node, Scenario, prove_store};
use tortie_ipam::{ListOptions, Op, Pool, Revision, Store, StoreError, Versioned, View, block_on};

type Items = BTreeMap<String, (Vec<u8>, Revision)>;

/// A map in memory that commits one key at a time.
#[derive(Default)]
struct Shelf {
    /// What is there, and the number of writes so far.
    items: Mutex<(Items, u64)>,
    /// The mistake: each key counts its own writes, from the last time that it was created.
    counts_by_key: bool,
}

impl Shelf {
    fn items(&self) -> MutexGuard<'_, (Items, u64)> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value where a key has the revision that is expected, or is not there.
    fn put(&self, key: &str, value: &[u8], expected: Option<Revision>) -> Result<Revision, StoreError> {
        let (items, writes) = &mut *self.items();
        let found = items.get(key).map(|found| found.1);
        match (found, expected) {
            (Some(_), None) => return Err(StoreError::AlreadyExists),
            (None, Some(_)) => return Err(StoreError::NotFound),
            (Some(found), Some(expected)) if found != expected => return Err(StoreError::Conflict),
            _ => {}
        }
        *writes += 1;
        let number = if self.counts_by_key { found.map_or(0, Revision::get) + 1 } else { *writes };
        items.insert(key.to_owned(), (value.to_vec(), Revision::new(number)));
        Ok(Revision::new(number))
    }
}

fn versioned((key, (value, revision)): (&String, &(Vec<u8>, Revision))) -> Versioned {
    Versioned { key: key.clone(), value: value.clone(), revision: *revision }
}

impl Store for Shelf {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.items().0.get_key_value(key).map(versioned))
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        let after = options.after.as_deref().unwrap_or("");
        let mut found: Vec<Versioned> = self
            .items()
            .0
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
            .take(options.limit.unwrap_or(usize::MAX))
            .map(versioned)
            .collect();
        if options.keys_only {
            found.iter_mut().for_each(|item| item.value.clear());
        }
        Ok(found)
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        self.put(key, value, None)
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        self.put(key, value, Some(expected))
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        let items = &mut self.items().0;
        match items.get(key).map(|found| found.1) {
            None => Err(StoreError::NotFound),
            Some(found) if found != expected => Err(StoreError::Conflict),
            Some(_) => {
                items.remove(key);
                Ok(())
            }
        }
    }

    async fn commit(&self, _: &[Op]) -> Result<Revision, StoreError> {
        Err(StoreError::Unsupported)
    }
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let proof = block_on(prove_store(&Shelf::default()))?;
    println!("{} operations and {} ways: a store to build on", proof.operations, proof.ways);

    match block_on(prove_store(&Shelf { counts_by_key: true, ..Shelf::default() })) {
        Ok(_) => return Err("the mistake was not seen".into()),
        Err(violation) => println!("with a mistake: {}", violation.what),
    }

    // The allocator itself, on such a store: what a crash can do to two nodes in a scenario of one's own.
    let view = View::new([Pool::new("p", "10.0.0.0/30".parse()?).block_len(31)]);
    let pod = |handle: &str| [Command::Add(handle.into()), Command::Del(handle.into())];
    let nodes = [Node::new("a", pod("a1")), Node::new("b", pod("b1"))];
    let scenario =
        Scenario::new(view, nodes).commits(false).budget(Budget { crashes: 1, ..Budget::default() });
    println!("{} states, and what must hold does in each", scenario.explore()?.states);
    Ok(())
}
