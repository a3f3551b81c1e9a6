//! What a change of labels, parents or selectors does to the matches.

use alloc::vec::Vec;
use core::hash::Hash;
use core::mem;

use smallvec::SmallVec;

use super::cover::{Atom, cover};
use super::ids::Ids;
use super::rows::name_bit;
use super::table::Table;
use super::{Brief, Change, Changed, Filed, Index, Item, Parent};
use crate::compiled::Compiled;
use crate::intern::{Entry, LabelSet, bits, find};

impl<I: Clone + Eq + Hash, P: Clone + Eq + Hash, S: Clone + Eq + Hash> Index<I, P, S> {
    /// Makes an item known to its labels and parents.
    pub(super) fn link(&mut self, number: u32) {
        let Some(item) = self.items.get(number) else { return };
        for entry in item.labels.entries() {
            self.rows.add_item(*entry, number, &self.symbols);
        }
        for parent in &item.parents {
            if let Some(parent) = self.parents.get_mut(*parent) {
                parent.items.insert(number);
            }
        }
    }

    pub(super) fn unlink(&mut self, number: u32) {
        let Some(item) = self.items.get(number) else { return };
        for entry in item.labels.entries() {
            self.rows.remove_item(*entry, number, &self.symbols);
        }
        for parent in &item.parents {
            if let Some(parent) = self.parents.get_mut(*parent) {
                parent.items.remove(number);
            }
        }
    }

    pub(super) fn drop_unused_parent(&mut self, number: u32) {
        if self.parents.get(number).is_some_and(|parent| !parent.known && parent.items.is_empty()) {
            self.parents.remove(number);
        }
    }

    pub(super) fn change_item(&mut self, number: u32, labels: LabelSet, parents: SmallVec<[u32; 2]>) {
        let Some(item) = self.items.get_mut(number) else { return };
        let mut before = mem::take(&mut self.scratch.before);
        effective(item, &self.parents, &mut before);
        let old_labels = mem::replace(&mut item.labels, labels);
        let old_parents = mem::replace(&mut item.parents, parents);
        // What stays is not touched.
        for entry in differing_from(&old_labels, &item.labels) {
            self.rows.remove_item(*entry, number, &self.symbols);
        }
        for entry in differing_from(&item.labels, &old_labels) {
            self.rows.add_item(*entry, number, &self.symbols);
        }
        for gone in old_parents.iter().filter(|parent| !item.parents.contains(parent)) {
            if let Some(parent) = self.parents.get_mut(*gone) {
                parent.items.remove(number);
            }
        }
        for new in item.parents.iter().filter(|parent| !old_parents.contains(parent)) {
            if let Some(parent) = self.parents.get_mut(*new) {
                parent.items.insert(number);
            }
        }
        let mut after = mem::take(&mut self.scratch.labels);
        effective(item, &self.parents, &mut after);
        let names = differing(&before, &after);
        (self.scratch.before, self.scratch.labels) = (before, after);
        if !names.is_empty() {
            self.reconsider(number, &Changed { mask: mask(names.iter().copied()), names: Some(&names) });
        }
        // Numbers may be used again only now that nothing speaks of the old ones.
        old_labels.entries().iter().for_each(|entry| self.symbols.release(entry.pair));
        old_parents.iter().for_each(|parent| self.drop_unused_parent(*parent));
    }

    pub(super) fn change_parent(&mut self, number: u32, labels: LabelSet, known: bool) {
        let Some(parent) = self.parents.get_mut(number) else { return };
        parent.known = known;
        let old = mem::replace(&mut parent.labels, labels);
        let names = differing(old.entries(), parent.labels.entries());
        for entry in differing_from(&old, &parent.labels) {
            self.rows.remove_parent(*entry, number, &self.symbols);
        }
        for entry in differing_from(&parent.labels, &old) {
            self.rows.add_parent(*entry, number, &self.symbols);
        }
        let mentioned = names.iter().any(|name| self.rows.is_mentioned(*name));
        if mentioned {
            let items = mem::take(&mut parent.items);
            for item in items.iter() {
                self.inherit(item, number, &names);
            }
            if let Some(parent) = self.parents.get_mut(number) {
                parent.items = items;
            }
        }
        old.entries().iter().for_each(|entry| self.symbols.release(entry.pair));
    }

    /// Looks at an item of which a parent has changed labels of these names.
    fn inherit(&mut self, number: u32, parent: u32, names: &[u32]) {
        let Some(item) = self.items.get(number) else { return };
        // The item's own labels and those of parents before hide what has changed.
        let hidden = |name: u32| {
            let before = item.parents.iter().take_while(|other| **other != parent);
            item.labels.pair(name).is_some()
                || before
                    .filter_map(|other| self.parents.get(*other))
                    .any(|other| other.labels.pair(name).is_some())
        };
        let names: SmallVec<[u32; 8]> = names.iter().copied().filter(|name| !hidden(*name)).collect();
        if names.is_empty() {
            return;
        }
        let mut labels = mem::take(&mut self.scratch.labels);
        effective(item, &self.parents, &mut labels);
        self.scratch.labels = labels;
        self.reconsider(number, &Changed { mask: mask(names.iter().copied()), names: Some(&names) });
    }
}

impl<I, P, S: Clone + Eq + Hash> Index<I, P, S> {
    /// Finds which selectors match an item now and did not before, and the other way round. Its labels, with those that it
    /// inherits, are in the scratch.
    pub(super) fn reconsider(&mut self, number: u32, changed: &Changed<'_>) {
        let Some(item) = self.items.get(number) else { return };
        let Self { rows, selectors, briefs, symbols, scratch, .. } = self;
        let labels = mem::take(&mut scratch.labels);
        let bits = bits(&labels);
        let matches = |selector: u32| {
            let filed = selectors.get(selector);
            filed.is_some_and(|filed| {
                filed.compiled.matches_by(bits, |name| find(bits, &labels, name), symbols)
            })
        };
        let brief = |selector: u32| briefs.get(selector as usize).copied().unwrap_or_default();
        let concerned = |brief: Brief| changed.names.is_none() || brief.names & changed.mask != 0;
        let pairs = labels.iter().fold(0, |pairs, label| pairs | pair_bit(label.pair));
        let possible = |brief: Brief| brief.pairs == u64::MAX || brief.pairs & pairs != 0;
        let before = scratch.changes.len();
        scratch.turn(briefs.len());
        for selector in item.selectors.iter().filter(|selector| concerned(brief(*selector))) {
            scratch.first(selector);
            if !matches(selector) {
                scratch.changes.push(Change { started: false, selector, item: number });
            }
        }
        rows.candidates(&labels, changed.names, symbols, &mut |selector| {
            let brief = brief(selector);
            if concerned(brief) && possible(brief) && scratch.first(selector) && matches(selector) {
                scratch.changes.push(Change { started: true, selector, item: number });
            }
        });
        scratch.labels = labels;
        for Change { started, selector, item } in scratch.changes.iter().skip(before) {
            let Some(filed) = selectors.get_mut(*selector) else { continue };
            if *started {
                filed.items.insert(*item);
            } else {
                filed.items.remove(*item);
            }
        }
    }

    /// Makes it known who has labels of the names of a selector.
    pub(super) fn know(&mut self, compiled: &Compiled) {
        for name in compiled.names() {
            if self.rows.is_known(name) {
                continue;
            }
            self.rows.set_known(name);
            let Self { rows, items, parents, symbols, .. } = self;
            for (number, item) in items.rows() {
                if let Some(pair) = item.labels.pair(name) {
                    rows.add_item(Entry { name, pair }, number, symbols);
                }
            }
            for (number, parent) in parents.rows() {
                if let Some(pair) = parent.labels.pair(name) {
                    rows.add_parent(Entry { name, pair }, number, symbols);
                }
            }
        }
    }

    /// The items that match, sorted.
    pub(super) fn search(&mut self, compiled: &Compiled) -> Vec<u32> {
        let mut found = mem::take(&mut self.scratch.found);
        found.clear();
        let Self { rows, items, parents, symbols, scratch, .. } = self;
        let matches = |number: u32| {
            items
                .get(number)
                .is_some_and(|item| compiled.matches_by(u64::MAX, |name| label(item, parents, name), symbols))
        };
        let weight = |parent: u32| parents.get(parent).map_or(0, |parent| parent.items.len());
        let Some(cover) = cover(compiled, &mut |atom| rows.weight(atom, compiled, symbols, &weight)) else {
            found.extend(items.numbers().filter(|number| matches(*number)));
            return found;
        };
        /// Beyond so many pairs of lists it takes longer to intersect them than to look at the items.
        const INTERSECTIONS: usize = 32;
        let children = |parent: u32| parents.get(parent).map(|parent| &parent.items);
        let lists = rows.lists(&cover.atoms, compiled, &children);
        let also = cover.also.map(|atoms| rows.lists(&atoms, compiled, &children));
        scratch.turn(items.capacity());
        let mut look = |item: u32| {
            if scratch.first(item) && matches(item) {
                found.push(item);
            }
        };
        match also {
            Some(also) if lists.len() * also.len() <= INTERSECTIONS && is_worth_it(&lists, &also) => {
                for (list, other) in lists.iter().flat_map(|list| also.iter().map(move |other| (list, other)))
                {
                    list.both(other, &mut look);
                }
            }
            _ => lists.iter().for_each(|list| list.for_each(&mut look)),
        }
        found.sort_unstable();
        found
    }

    /// Files a selector, under this number where it has one already.
    pub(super) fn file(&mut self, number: Option<u32>, id: S, compiled: Compiled) -> u32 {
        let cover = cover(&compiled, &mut |atom| self.rows.filed(atom, &compiled));
        let also = cover.as_ref().and_then(|cover| cover.also.as_ref());
        let pairs = also.and_then(|also| {
            also.iter().try_fold(0, |bits, atom| match atom {
                Atom::Pair(pair) => Some(bits | pair_bit(*pair)),
                _ => None,
            })
        });
        let brief = Brief { names: mask(compiled.names()), pairs: pairs.unwrap_or(u64::MAX) };
        let atoms = cover.map(|cover| cover.atoms.into_boxed_slice());
        let filed = Filed { compiled, atoms, items: Ids::default() };
        let number = match number {
            Some(number) => {
                if let Some(place) = self.selectors.get_mut(number) {
                    *place = filed;
                }
                number
            }
            None => self.selectors.add(id, filed),
        };
        if self.briefs.len() <= number as usize {
            self.briefs.resize(number as usize + 1, Brief::default());
        }
        if let Some(place) = self.briefs.get_mut(number as usize) {
            *place = brief;
        }
        if let Some(filed) = self.selectors.get(number) {
            self.rows.file(number, &filed.compiled, filed.atoms.as_deref());
        }
        number
    }

    /// Takes a selector out of all lists, and returns its matches.
    pub(super) fn unfile(&mut self, number: u32) -> Ids {
        let Some(filed) = self.selectors.get_mut(number) else { return Ids::default() };
        self.rows.unfile(number, &filed.compiled, filed.atoms.as_deref());
        self.symbols.forget(&filed.compiled);
        mem::take(&mut filed.items)
    }
}

/// Whether lists are intersected faster than the items of the first are looked at.
fn is_worth_it(lists: &[&Ids], also: &[&Ids]) -> bool {
    /// To look at an item costs as much as to merge so many.
    const ITEM: usize = 16;
    let count = |lists: &[&Ids]| lists.iter().map(|list| list.len()).sum::<usize>();
    count(lists) * also.len() + count(also) * lists.len() < ITEM * count(lists)
}

/// The label of an item, own or inherited.
fn label<P>(item: &Item, parents: &Table<P, Parent>, name: u32) -> Option<u32> {
    item.labels.pair(name).or_else(|| {
        item.parents
            .iter()
            .filter_map(|parent| parents.get(*parent))
            .find_map(|parent| parent.labels.pair(name))
    })
}

/// All labels of an item, own and inherited, sorted as [`LabelSet`] has them.
pub(super) fn effective<P>(item: &Item, parents: &Table<P, Parent>, labels: &mut Vec<Entry>) {
    labels.clear();
    labels.extend_from_slice(item.labels.entries());
    let own = labels.len();
    for parent in item.parents.iter().filter_map(|parent| parents.get(*parent)) {
        let inherited = parent.labels.entries().iter();
        labels.extend(inherited.filter(|entry| item.labels.pair(entry.name).is_none()));
    }
    if labels.len() > own {
        // Of more than one with a name, that of the first parent comes first.
        labels.sort_by_key(|entry| entry.key());
        labels.dedup_by_key(|entry| entry.name);
    }
}

/// The labels that the other set has not, or not with this value.
fn differing_from<'a>(labels: &'a LabelSet, other: &'a LabelSet) -> impl Iterator<Item = &'a Entry> {
    labels.entries().iter().filter(|entry| other.pair(entry.name) != Some(entry.pair))
}

/// The names of which two sorted lists have different labels.
fn differing(before: &[Entry], after: &[Entry]) -> Vec<u32> {
    let mut names = Vec::new();
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let (old, new) = (before.peek().map(|entry| entry.key()), after.peek().map(|entry| entry.key()));
        let entry = match (old, new) {
            (None, None) => return names,
            (Some(old), Some(new)) if old == new => {
                let (old, new) = (before.next(), after.next());
                if old == new {
                    continue;
                }
                new
            }
            (Some(old), new) if new.is_none_or(|new| old < new) => before.next(),
            _ => after.next(),
        };
        names.extend(entry.map(|entry| entry.name));
    }
}

/// A bit for a pair; others may have the same.
const fn pair_bit(pair: u32) -> u64 {
    1 << (pair % 64)
}

/// A bit for each name; more than one name may have the same.
fn mask(names: impl Iterator<Item = u32>) -> u32 {
    names.fold(0, |mask, name| mask | name_bit(name))
}
