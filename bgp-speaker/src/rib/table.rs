//! The table of one family: every path, the best of each prefix, and who was told.
//!
//! Each change of a best path gets the next version number, and `changes` holds each prefix once, under the version of its last
//! change. Whoever must be told — a peer, the owner — keeps one number: the version up to which it knows. A slow
//! reader thus costs one old number, and prefixes that changed often are told once. A prefix without a path stays as a
//! tombstone until all readers have passed it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::PathAttributes;
use crate::decision::{self, Neighbor, Path};
use crate::event::{PeerId, Source};

/// Which peers a prefix was advertised to, by slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(SmallVec<[u64; 1]>);

impl Slots {
    pub(crate) fn contains(&self, slot: usize) -> bool {
        self.0.get(slot / 64).is_some_and(|word| word & 1 << (slot % 64) != 0)
    }

    /// Adds or removes a slot; whether it was there.
    fn set(&mut self, slot: usize, present: bool) -> bool {
        let (index, bit) = (slot / 64, 1 << (slot % 64));
        if present && self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        let Some(word) = self.0.get_mut(index) else { return false };
        let was = *word & bit != 0;
        *word = if present { *word | bit } else { *word & !bit };
        was
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// What is known of one prefix.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    paths: SmallVec<[Path; 1]>,
    best: Option<usize>,
    version: u64,
    sent: Slots,
}

impl Entry {
    /// The best path.
    pub(crate) fn best(&self) -> Option<&Path> {
        self.best.and_then(|i| self.paths.get(i))
    }

    /// Whether the prefix is advertised to the peer with this slot.
    pub(crate) fn is_sent(&self, slot: usize) -> bool {
        self.sent.contains(slot)
    }

    /// The path from this source.
    pub(crate) fn path(&self, source: Source) -> Option<&Path> {
        self.paths.iter().find(|path| path.source() == source)
    }

    /// Chooses again; whether another path, or none any more, is the best.
    fn choose(&mut self, before: Option<&Path>, default_local_pref: u32) -> bool {
        self.best = decision::best(&self.paths, default_local_pref);
        match (before, self.best()) {
            (None, None) => false,
            (Some(before), Some(after)) => !before.same(after),
            _ => true,
        }
    }
}

/// The table of one family.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: BTreeMap<IpNet, Entry>,
    changes: BTreeMap<u64, IpNet>,
    tombstones: BTreeSet<u64>,
    version: u64,
    default_local_pref: u32,
}

impl Table {
    pub(crate) fn new(default_local_pref: u32) -> Self {
        Self { default_local_pref, ..Self::default() }
    }

    /// The version of the last change.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// The entries in prefix order, tombstones among them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&IpNet, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn entry(&self, prefix: &IpNet) -> Option<&Entry> {
        self.entries.get(prefix)
    }

    /// Sets the path of a source; whether the source had one before.
    pub(crate) fn insert(
        &mut self,
        prefix: IpNet,
        from: Option<&Arc<Neighbor>>,
        attributes: Arc<PathAttributes>,
    ) -> bool {
        let path = Path { from: from.cloned(), attributes };
        let entry = self.entries.entry(prefix).or_default();
        let before = entry.best().cloned();
        let old = entry.paths.iter_mut().find(|old| old.source() == path.source());
        let replaced = old.is_some();
        match old {
            Some(old) => *old = path,
            None => entry.paths.push(path),
        }
        if entry.choose(before.as_ref(), self.default_local_pref) {
            self.bump(prefix);
        }
        replaced
    }

    /// Removes the path of a source; whether it had one.
    pub(crate) fn remove(&mut self, prefix: IpNet, source: Source) -> bool {
        let Some(entry) = self.entries.get_mut(&prefix) else { return false };
        let before = entry.best().cloned();
        let count = entry.paths.len();
        entry.paths.retain(|path| path.source() != source);
        let removed = entry.paths.len() < count;
        if removed && entry.choose(before.as_ref(), self.default_local_pref) {
            self.bump(prefix);
        }
        removed
    }

    /// Removes every path of a peer, and forgets what was advertised to it.
    pub(crate) fn flush(&mut self, peer: PeerId, slot: usize) {
        let mut gone = Vec::new();
        for (prefix, entry) in &mut self.entries {
            entry.sent.set(slot, false);
            if entry.path(Source::Peer(peer)).is_some() {
                gone.push(*prefix);
            }
        }
        for prefix in gone {
            self.remove(prefix, Source::Peer(peer));
        }
    }

    /// Gives the prefix the next version.
    fn bump(&mut self, prefix: IpNet) {
        let Some(entry) = self.entries.get_mut(&prefix) else { return };
        self.changes.remove(&entry.version);
        self.tombstones.remove(&entry.version);
        self.version += 1;
        entry.version = self.version;
        self.changes.insert(self.version, prefix);
        if entry.paths.is_empty() {
            self.tombstones.insert(self.version);
        }
    }

    /// The first change after `version`: its version, prefix and entry.
    pub(crate) fn change_after(&self, version: u64) -> Option<(u64, IpNet, &Entry)> {
        let (version, prefix) = self.changes.range((Bound::Excluded(version), Bound::Unbounded)).next()?;
        Some((*version, *prefix, self.entries.get(prefix)?))
    }

    /// Notes whether the prefix is advertised to the peer with this slot; whether it was.
    pub(crate) fn mark_sent(&mut self, prefix: &IpNet, slot: usize, sent: bool) -> bool {
        self.entries.get_mut(prefix).is_some_and(|entry| entry.sent.set(slot, sent))
    }

    /// Drops the tombstones that everybody has passed: those up to `version`.
    pub(crate) fn collect(&mut self, version: u64) {
        while let Some(first) = self.tombstones.first().copied().filter(|first| *first <= version) {
            self.tombstones.remove(&first);
            let Some(prefix) = self.changes.remove(&first) else { continue };
            debug_assert!(self.entries.get(&prefix).is_none_or(|entry| entry.sent.is_empty()));
            self.entries.remove(&prefix);
        }
    }
}
