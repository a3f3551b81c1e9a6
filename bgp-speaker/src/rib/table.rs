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

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// What can happen to a table.
    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, usize, u32),
        Remove(u8, usize),
        Flush(usize),
        /// A reader takes so many changes.
        Read(usize, usize),
        Collect,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6u8, 0..3usize, 0..3u32).prop_map(|(p, s, med)| Step::Insert(p, s, med)),
            3 => (0..6u8, 0..3usize).prop_map(|(p, s)| Step::Remove(p, s)),
            1 => (1..3usize).prop_map(Step::Flush),
            3 => (0..2usize, 1..5usize).prop_map(|(r, n)| Step::Read(r, n)),
            1 => Just(Step::Collect),
        ]
    }

    fn prefix(i: u8) -> IpNet {
        IpNet::new(Ipv4Addr::new(10, i, 0, 0).into(), 16).unwrap()
    }

    /// Source 0 is local, the others are peers.
    fn neighbor(source: usize) -> Option<Arc<Neighbor>> {
        let id = u8::try_from(source).unwrap();
        let address = Ipv4Addr::new(10, 0, 0, id);
        let peer = PeerId(u64::from(id));
        (source > 0)
            .then(|| Arc::new(Neighbor { peer, address: address.into(), router_id: address, external: true }))
    }

    fn source(of: usize) -> Source {
        neighbor(of).map_or(Source::Local, |neighbor| Source::Peer(neighbor.peer))
    }

    /// The twin's best: local first, then the lowest MED (no path has a neighbouring AS), then the lowest peer.
    fn best(paths: &BTreeMap<(IpNet, usize), u32>, prefix: IpNet) -> Option<(Source, u32)> {
        let paths = paths.iter().filter(|((p, _), _)| *p == prefix);
        let best = paths.min_by_key(|((_, s), med)| (*s > 0, **med, *s));
        best.map(|((_, s), med)| (source(*s), *med))
    }

    fn seen(entry: &Entry) -> Option<(Source, u32)> {
        entry.best().map(|path| (path.source(), path.attributes.med().unwrap()))
    }

    /// Cases of the property.
    const CASES: u32 = 400;

    proptest! {
        #![proptest_config(crate::prove::config(CASES))]

        /// After every step the best paths are the twin's, and each reader that catches up knows exactly them.
        #[test]
        fn readers_learn_what_a_scan_shows(steps in prop::collection::vec(step(), 0..80)) {
            let mut table = Table::new(100);
            let mut interner = super::super::Interner::default();
            let mut paths = BTreeMap::new();
            let mut readers = [(0_u64, BTreeMap::new()), (0, BTreeMap::new())];
            for step in steps {
                match step {
                    Step::Insert(p, s, med) => {
                        let attributes = PathAttributes { med: Some(med), ..PathAttributes::default() };
                        let had = table.insert(prefix(p), neighbor(s).as_ref(), interner.intern(attributes));
                        prop_assert_eq!(had, paths.insert((prefix(p), s), med).is_some());
                    }
                    Step::Remove(p, s) => {
                        let had = table.remove(prefix(p), source(s));
                        prop_assert_eq!(had, paths.remove(&(prefix(p), s)).is_some());
                    }
                    Step::Flush(s) => {
                        table.flush(PeerId(u64::try_from(s).unwrap()), s);
                        paths.retain(|(_, other), _| *other != s);
                    }
                    Step::Read(r, count) => {
                        let (cursor, known) = &mut readers[r];
                        for _ in 0..count {
                            let Some((version, prefix, entry)) = table.change_after(*cursor) else { break };
                            prop_assert!(version > *cursor);
                            *cursor = version;
                            match seen(entry) {
                                Some(best) => known.insert(prefix, best),
                                None => known.remove(&prefix),
                            };
                        }
                    }
                    Step::Collect => table.collect(readers[0].0.min(readers[1].0)),
                }
                for p in 0..6 {
                    prop_assert_eq!(table.entry(&prefix(p)).and_then(seen), best(&paths, prefix(p)));
                }
                for (cursor, known) in &readers {
                    if table.change_after(*cursor).is_none() {
                        let expected: BTreeMap<_, _> =
                            (0..6).filter_map(|p| Some((prefix(p), best(&paths, prefix(p))?))).collect();
                        prop_assert_eq!(known, &expected);
                    }
                }
                prop_assert_eq!(table.changes.len(), table.entries.len());
                let dead = table.entries.values().filter(|entry| entry.paths.is_empty()).count();
                prop_assert_eq!(table.tombstones.len(), dead);
            }
            table.collect(table.version());
            prop_assert!(table.entries.values().all(|entry| entry.best().is_some()), "no tombstone is left");
        }
    }
}
