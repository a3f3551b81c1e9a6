//! Rows that are found by number.

use alloc::vec::Vec;

/// Rows that are found by number. Numbers are used again.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    rows: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn add(&mut self, row: T) -> u32 {
        if let Some(number) = self.free.pop() {
            if let Some(place) = self.rows.get_mut(number as usize) {
                *place = Some(row);
            }
            return number;
        }
        // Twice as much each time would be half empty.
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact(self.rows.len() / 8 + 8);
        }
        self.rows.push(Some(row));
        // So many rows would not fit into memory.
        u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.rows.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.rows.get_mut(number as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let row = self.rows.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(row)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }
}
