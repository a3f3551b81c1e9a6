//! Rows that are found by key or by number.

use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::intern::make_room;

/// Rows with a key each. The number of a row that was removed is used again.
#[derive(Clone, Debug)]
pub(super) struct Table<K, R> {
    hasher: DefaultHashBuilder,
    rows: Vec<Option<(K, R)>>,
    free: Vec<u32>,
    by_key: HashTable<u32>,
}

impl<K, R> Default for Table<K, R> {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            rows: Vec::new(),
            free: Vec::new(),
            by_key: HashTable::new(),
        }
    }
}

impl<K: Hash + Eq, R> Table<K, R> {
    pub(super) fn find(&self, key: &K) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.by_key.find(hash, |row| self.key(*row) == Some(key)).copied()
    }

    /// Adds a row with a key that is not there yet.
    pub(super) fn add(&mut self, key: K, row: R) -> u32 {
        let hash = self.hasher.hash_one(&key);
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.rows.get_mut(number as usize) {
                    *place = Some((key, row));
                }
                number
            }
            None => {
                make_room(&mut self.rows);
                self.rows.push(Some((key, row)));
                // So many rows would not fit into memory.
                u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.by_key.insert_unique(hash, number, |number| {
            rows.get(*number as usize).and_then(Option::as_ref).map_or(0, |(key, _)| hasher.hash_one(key))
        });
        number
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<(K, R)> {
        let row = self.rows.get_mut(number as usize)?.take()?;
        let hash = self.hasher.hash_one(&row.0);
        if let Ok(entry) = self.by_key.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.free.push(number);
        Some(row)
    }
}

impl<K, R> Table<K, R> {
    pub(super) fn key(&self, number: u32) -> Option<&K> {
        self.rows.get(number as usize)?.as_ref().map(|(key, _)| key)
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&R> {
        self.rows.get(number as usize)?.as_ref().map(|(_, row)| row)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut R> {
        self.rows.get_mut(number as usize)?.as_mut().map(|(_, row)| row)
    }

    /// One past the highest number that a row can have.
    pub(super) fn capacity(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// All rows with their numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &R)> {
        (0_u32..).zip(&self.rows).filter_map(|(number, row)| row.as_ref().map(|(_, row)| (number, row)))
    }

    /// The numbers of all rows.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.rows).filter(|(_, row)| row.is_some()).map(|(number, _)| number)
    }
}
