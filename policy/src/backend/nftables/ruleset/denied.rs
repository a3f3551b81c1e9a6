//! Denied packets, as the kernel counts them.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;

use tortie_nft_wire::{Entry, Family, ObjectData};

use super::Ruleset;
use crate::backend::nftables::{Denied, Denier, TABLE};

/// A counter that the kernel has, and how many chains speak of it.
#[derive(Clone, Debug)]
pub(super) struct HeldCounter {
    pub(super) denier: Denier,
    pub(super) uses: usize,
}

/// What was counted: before the kernel began anew, and since.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    before: u64,
    now: u64,
}

impl Count {
    const fn total(self) -> u64 {
        self.before.saturating_add(self.now)
    }

    const fn read(&mut self, now: u64, began_anew: bool) {
        if began_anew {
            self.before = self.total();
        }
        self.now = now;
    }
}

/// What was counted by each counter, by its name. It never goes back: a counter that is made anew begins where it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<Arc<str>, [Count; 2]>);

impl Tally {
    /// Packets and octets so far.
    pub(super) fn of(&self, name: &str) -> (u64, u64) {
        self.0.get(name).map_or((0, 0), |[packets, octets]| (packets.total(), octets.total()))
    }

    fn read(&mut self, name: Arc<str>, packets: u64, octets: u64) {
        let [counted, sum] = self.0.entry(name).or_default();
        let began_anew = packets < counted.now;
        counted.read(packets, began_anew);
        sum.read(octets, began_anew);
    }

    /// The kernel has this counter since now, with what was counted before.
    pub(super) fn begin(&mut self, name: &str) {
        for count in self.0.get_mut(name).into_iter().flatten() {
            *count = Count { before: 0, now: count.total() };
        }
    }

    /// Forgets counters that are not there any more.
    pub(super) fn keep(&mut self, held: &BTreeMap<Arc<str>, HeldCounter>) {
        self.0.retain(|name, _| held.contains_key(name));
    }
}

impl Ruleset {
    /// Takes what the kernel has counted, out of what a socket lists: objects are enough, of others nothing is looked at.
    ///
    /// Read before the first batch, counters of an earlier run go on where they are. What is denied after the last reading and
    /// before the table is made anew is not counted.
    pub fn read_counters(&mut self, entries: &[(Family, Entry)]) {
        for (family, entry) in entries {
            let Entry::Object(object) = entry else { continue };
            let is_ours = *family == Family::INET && object.table.as_bytes() == TABLE.as_bytes();
            if let (true, ObjectData::Counter(counter)) = (is_ours, &object.data) {
                let (packets, octets) = (counter.packets.unwrap_or(0), counter.bytes.unwrap_or(0));
                self.tally.read(object.name.to_string().into(), packets, octets);
            }
        }
    }

    /// How many packets were denied by whom, as far as was [read](Self::read_counters): of all who may deny any. Rules that are
    /// looked up together count for the first of them.
    pub fn denied(&self) -> impl Iterator<Item = Denied<'_>> {
        self.held.counters.iter().map(|(name, held)| {
            let (packets, octets) = self.tally.of(name);
            Denied { denier: &held.denier, packets, octets }
        })
    }
}
