//! Makes a block that was read sound.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Block;
use super::attributes::{Entry, Parts};
use crate::record::Affinity;

impl Block {
    pub(super) fn repair(&mut self) {
        if let (None, Some(host)) = (&self.affinity, self.host_affinity.take()) {
            self.affinity = Some(Affinity::Host(host).to_string());
        }
        let mut dangles = false;
        for index in self.allocations.iter().flatten() {
            dangles |= !self.attributes.gain(*index);
        }
        if dangles {
            let known = u32::try_from(self.attributes.len()).unwrap_or(u32::MAX);
            let empty = self.attributes.index_of(Entry::of(&Parts::default()));
            for index in self.allocations.iter_mut().flatten().filter(|index| **index >= known) {
                *index = empty;
                self.attributes.gain(empty);
            }
        }
        let mut free: Vec<bool> = self.allocations.iter().map(Option::is_none).collect();
        self.unallocated.retain(|ordinal| {
            let slot = usize::try_from(*ordinal).ok().and_then(|at| free.get_mut(at));
            slot.is_some_and(core::mem::take)
        });
        self.unallocated.extend((0u32..).zip(free).filter(|(_, lost)| *lost).map(|(ordinal, _)| ordinal));
        let allocations = &self.allocations;
        self.sequences.retain(|at| allocations.get(at).is_some_and(Option::is_some));
        self.compact();
    }
}
