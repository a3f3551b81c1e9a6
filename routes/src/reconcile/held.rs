//! What the kernel holds, as far as is known; and what is desired. Both are found by key and by interface.

use alloc::collections::btree_map::Range;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::entry::Entry;
use crate::number::{Family, Table};
use crate::route::{Key, Route};

/// The kernel's entries under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) entries: Vec<Entry>,
    /// Since when the key has been held.
    pub(super) since: Duration,
    /// Whether it was us who wrote it.
    pub(super) ours: bool,
}

#[derive(Debug, Default)]
pub(super) struct HeldTable {
    by_key: BTreeMap<Key, Held>,
    by_index: BTreeMap<u32, BTreeSet<Key>>,
}

impl HeldTable {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Held> {
        self.by_key.get(key)
    }

    pub(super) fn entries(&self, key: &Key) -> &[Entry] {
        self.by_key.get(key).map_or(&[], |held| held.entries.as_slice())
    }

    /// Puts other entries under a key; says whether that was a change. A key stays ours only by `ours`.
    pub(super) fn set(&mut self, key: Key, entries: Vec<Entry>, ours: bool, now: Duration) -> bool {
        let before = self.by_key.remove(&key);
        let old = before.as_ref().map_or(&[][..], |held| held.entries.as_slice());
        let changed = old != entries.as_slice();
        if changed {
            for index in old.iter().filter_map(Entry::index) {
                if let Some(keys) = self.by_index.get_mut(&index) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.by_index.remove(&index);
                    }
                }
            }
            for index in entries.iter().filter_map(Entry::index) {
                self.by_index.entry(index).or_default().insert(key);
            }
        }
        if !entries.is_empty() {
            let since = before.map_or(now, |held| held.since);
            self.by_key.insert(key, Held { entries, since, ours });
        }
        changed
    }

    /// The keys with an entry out of this interface.
    pub(super) fn on_index(&self, index: u32) -> Vec<Key> {
        self.by_index.get(&index).map(|keys| keys.iter().copied().collect()).unwrap_or_default()
    }

    /// The keys of this destination, whatever their metric.
    pub(super) fn siblings(&self, of: &Key) -> impl Iterator<Item = Key> + '_ {
        sibling_range(&self.by_key, of).map(|(key, _)| *key)
    }

    pub(super) fn keys_of(&self, family: Family, table: Table) -> impl Iterator<Item = Key> + '_ {
        family_range(&self.by_key, family, table).map(|(key, _)| *key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.by_key.keys().copied()
    }
}

#[derive(Debug, Default)]
pub(super) struct Desired {
    by_key: BTreeMap<Key, Route>,
    by_interface: BTreeMap<String, BTreeSet<Key>>,
}

impl Desired {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Route> {
        self.by_key.get(key)
    }

    pub(super) fn set(&mut self, route: Route) {
        let key = route.key();
        self.remove(&key);
        if let Some(name) = route.interface() {
            if let Some(keys) = self.by_interface.get_mut(name) {
                keys.insert(key);
            } else {
                self.by_interface.insert(name.to_string(), BTreeSet::from([key]));
            }
        }
        self.by_key.insert(key, route);
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Route> {
        let route = self.by_key.remove(key)?;
        if let Some(name) = route.interface() {
            if let Some(keys) = self.by_interface.get_mut(name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_interface.remove(name);
                }
            }
        }
        Some(route)
    }

    /// The keys of routes through this interface.
    pub(super) fn on_interface(&self, name: &str) -> Vec<Key> {
        self.by_interface.get(name).map(|keys| keys.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn has_interface(&self, name: &str) -> bool {
        self.by_interface.contains_key(name)
    }

    pub(super) fn siblings(&self, of: &Key) -> impl Iterator<Item = &Route> + '_ {
        sibling_range(&self.by_key, of).map(|(_, route)| route)
    }

    pub(super) fn keys_of(&self, family: Family, table: Table) -> impl Iterator<Item = Key> + '_ {
        family_range(&self.by_key, family, table).map(|(key, _)| *key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> + '_ {
        self.by_key.values()
    }
}

fn sibling_range<'a, T>(map: &'a BTreeMap<Key, T>, of: &Key) -> Range<'a, Key, T> {
    map.range(Key { metric: 0, ..*of }..=Key { metric: u32::MAX, ..*of })
}

/// Keys order by table, then family, then the rest.
fn family_range<T>(map: &BTreeMap<Key, T>, family: Family, table: Table) -> Range<'_, Key, T> {
    let (first, last) = match family {
        Family::V4 => (
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32)),
        ),
        Family::V6 => (
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(u128::MAX), 128)),
        ),
    };
    let first = Key { table, destination: first, metric: 0 };
    map.range(first..=Key { table, destination: last, metric: u32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_keep_families_and_tables_apart() {
        let mut map = BTreeMap::new();
        for table in [253, 254, 255] {
            for net in ["0.0.0.0/0", "255.255.255.255/32", "::/0", "ffff::/16"] {
                map.insert(Key::new(Table::new(table), net.parse().unwrap(), 7), ());
            }
        }
        for family in Family::ALL {
            let keys: Vec<Key> = family_range(&map, family, Table::MAIN).map(|(key, ())| *key).collect();
            assert_eq!(keys.len(), 2);
            assert!(keys.iter().all(|key| key.family() == family && key.table == Table::MAIN));
        }
        let of = Key::new(Table::MAIN, "::/0".parse().unwrap(), 0);
        assert_eq!(sibling_range(&map, &of).count(), 1);
    }
}
