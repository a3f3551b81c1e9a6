//! What is known about each name and each value: who has it, and which selectors want it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use super::cover::Atom;
use super::ids::Ids;
use crate::compiled::Compiled;
use crate::intern::{Entry, Symbols, make_room};

#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    names: Vec<Name>,
    /// For each pair its place among those about which something is known, from 1; 0 if nothing is.
    places: Vec<u32>,
    pairs: Vec<Pair>,
    free: Vec<u32>,
    /// The selectors that want nothing in particular.
    loose: Ids,
}

/// A name of labels.
#[derive(Clone, Debug, Default)]
struct Name {
    /// Whether it is known which items and parents have its pairs. That takes memory for each pair, and only names that
    /// stood in a selector are asked for.
    known: bool,
    /// The pairs of it that items or parents have.
    pairs: Ids,
    /// The same by value; only once a prefix of a value was asked for.
    by_value: Option<BTreeMap<Box<str>, u32>>,
    /// The selectors in which it stands.
    mentioned: Ids,
    /// Those of them that want nothing in particular.
    loose: Ids,
    /// Those of them that are filed under its presence.
    present: Ids,
    /// Those of them that are filed under a prefix.
    prefixes: BTreeMap<Box<str>, Ids>,
    /// How many prefixes have so many bytes.
    lengths: BTreeMap<usize, usize>,
}

/// A name with a value.
#[derive(Clone, Debug, Default)]
struct Pair {
    /// The items that have it themselves.
    items: Ids,
    parents: Ids,
    /// The selectors that are filed under it.
    filed: Ids,
}

/// Few enough to be counted one by one; what is more is estimated.
const COUNTED: usize = 16;

/// The bit of a name in a mask.
pub(super) const fn name_bit(name: u32) -> u32 {
    1 << (name % 32)
}

impl Rows {
    /// Makes room for all symbols.
    pub(super) fn resize(&mut self, symbols: &Symbols) {
        let (names, pairs) = symbols.rows();
        if self.names.len() < names {
            self.names.resize_with(names, Name::default);
        }
        if self.places.len() < pairs {
            let more = pairs - self.places.len();
            if self.places.capacity() < pairs {
                self.places.reserve_exact(more.max(self.places.len() / 8));
            }
            self.places.resize(pairs, 0);
        }
    }

    fn name(&self, name: u32) -> Option<&Name> {
        self.names.get(name as usize)
    }

    #[inline]
    fn pair(&self, pair: u32) -> Option<&Pair> {
        let place = self.places.get(pair as usize)?.checked_sub(1)?;
        self.pairs.get(place as usize)
    }

    /// What is known about a pair, from now on.
    fn pair_mut(&mut self, pair: u32) -> Option<&mut Pair> {
        let place = self.places.get_mut(pair as usize)?;
        if *place == 0 {
            *place = self.free.pop().unwrap_or_else(|| {
                make_room(&mut self.pairs);
                self.pairs.push(Pair::default());
                // There are not more of them than pairs.
                u32::try_from(self.pairs.len()).unwrap_or(u32::MAX)
            });
        }
        self.pairs.get_mut(*place as usize - 1)
    }

    /// Forgets a pair about which nothing is known any more.
    fn tidy(&mut self, pair: u32) {
        let is_empty = |pair: &Pair| pair.nobody() && pair.filed.is_empty();
        if self.pair(pair).is_some_and(is_empty) {
            if let Some(place) = self.places.get_mut(pair as usize) {
                self.free.push(core::mem::take(place));
            }
        }
    }

    /// Whether it is known who has pairs of this name.
    pub(super) fn is_known(&self, name: u32) -> bool {
        self.name(name).is_some_and(|name| name.known)
    }

    /// From now on it is known who has pairs of this name: who has one now is to be added.
    pub(super) fn set_known(&mut self, name: u32) {
        if let Some(name) = self.names.get_mut(name as usize) {
            name.known = true;
        }
    }

    /// Whether the name stands in any selector.
    pub(super) fn is_mentioned(&self, name: u32) -> bool {
        self.name(name).is_some_and(|name| !name.mentioned.is_empty())
    }

    pub(super) fn add_item(&mut self, label: Entry, item: u32, symbols: &Symbols) {
        self.have(label, symbols, |pair| pair.items.insert(item));
    }

    pub(super) fn remove_item(&mut self, label: Entry, item: u32, symbols: &Symbols) {
        self.have(label, symbols, |pair| pair.items.remove(item));
    }

    pub(super) fn add_parent(&mut self, label: Entry, parent: u32, symbols: &Symbols) {
        self.have(label, symbols, |pair| pair.parents.insert(parent));
    }

    pub(super) fn remove_parent(&mut self, label: Entry, parent: u32, symbols: &Symbols) {
        self.have(label, symbols, |pair| pair.parents.remove(parent));
    }

    /// Changes who has a pair; the name knows its pairs that somebody has.
    fn have(&mut self, label: Entry, symbols: &Symbols, change: impl FnOnce(&mut Pair) -> bool) {
        if !self.is_known(label.name) {
            return;
        }
        let Some(pair) = self.pair_mut(label.pair) else { return };
        let before = pair.nobody();
        change(pair);
        let after = pair.nobody();
        if after {
            self.tidy(label.pair);
        }
        let Some(name) = self.names.get_mut(label.name as usize).filter(|_| before != after) else { return };
        let value = symbols.value(label.pair);
        if after {
            name.pairs.remove(label.pair);
            if let Some(by_value) = &mut name.by_value {
                by_value.remove(value);
            }
        } else {
            name.pairs.insert(label.pair);
            if let Some(by_value) = &mut name.by_value {
                by_value.insert(value.into(), label.pair);
            }
        }
    }

    /// The lists of items that fulfil one of these conditions; an item may be in more than one.
    pub(super) fn lists<'a>(
        &'a self,
        atoms: &[Atom],
        compiled: &Compiled,
        children: &dyn Fn(u32) -> Option<&'a Ids>,
    ) -> Vec<&'a Ids> {
        let mut lists = Vec::new();
        let mut add = |pair: u32| {
            let Some(pair) = self.pair(pair) else { return };
            if !pair.items.is_empty() {
                lists.push(&pair.items);
            }
            lists.extend(pair.parents.iter().filter_map(children));
        };
        for atom in atoms {
            match *atom {
                Atom::Pair(pair) => add(pair),
                Atom::Present(name) => {
                    self.name(name).into_iter().for_each(|name| name.pairs.for_each(&mut add))
                }
                Atom::Prefix { name, node } => {
                    let name = self.name(name).into_iter();
                    name.flat_map(|name| name.with_prefix(prefix(compiled, node))).for_each(&mut add);
                }
            }
        }
        lists
    }

    /// From now on the values of a name are found by prefix.
    fn sort(&mut self, name: u32, symbols: &Symbols) {
        let Some(name) = self.names.get_mut(name as usize) else { return };
        let pairs = &name.pairs;
        name.by_value
            .get_or_insert_with(|| pairs.iter().map(|pair| (symbols.value(pair).into(), pair)).collect());
    }

    /// About how many items fulfil a condition. It makes sure that they are found by prefix if need be.
    pub(super) fn weight(
        &mut self,
        atom: Atom,
        compiled: &Compiled,
        symbols: &Symbols,
        children: &dyn Fn(u32) -> usize,
    ) -> u64 {
        if let Atom::Prefix { name, .. } = atom {
            self.sort(name, symbols);
        }
        let of = |pair: u32| {
            self.pair(pair).map_or(0, |pair| {
                pair.items.len() + sample(pair.parents.iter().map(children), pair.parents.len())
            })
        };
        let weight = match atom {
            Atom::Pair(pair) => of(pair),
            Atom::Present(name) => {
                self.name(name).map_or(0, |name| sample(name.pairs.iter().map(of), name.pairs.len()))
            }
            Atom::Prefix { name, node } => self.name(name).map_or(0, |name| {
                let pairs = || name.with_prefix(prefix(compiled, node));
                let counted = pairs().take(COUNTED + 1).count();
                sample(pairs().map(of), if counted > COUNTED { name.pairs.len() } else { counted })
            }),
        };
        weight as u64
    }

    /// How much of a burden one more selector under this condition is.
    pub(super) fn filed(&self, atom: Atom, compiled: &Compiled) -> u64 {
        /// Whatever has a label of a name looks at what is filed under the name: rather take a value.
        const PREFIX: u64 = 1 << 20;
        const PRESENT: u64 = 1 << 32;
        match atom {
            Atom::Pair(pair) => 1 + self.pair(pair).map_or(0, |pair| pair.filed.len() as u64),
            Atom::Prefix { name, node } => {
                let filed = self.name(name).and_then(|name| name.prefixes.get(prefix(compiled, node)));
                PREFIX + filed.map_or(0, |filed| filed.len() as u64)
            }
            Atom::Present(name) => PRESENT + self.name(name).map_or(0, |name| name.present.len() as u64),
        }
    }

    pub(super) fn file(&mut self, selector: u32, compiled: &Compiled, atoms: Option<&[Atom]>) {
        for name in compiled.names() {
            let Some(name) = self.names.get_mut(name as usize) else { continue };
            name.mentioned.insert(selector);
            if atoms.is_none() {
                name.loose.insert(selector);
            }
        }
        let Some(atoms) = atoms else {
            self.loose.insert(selector);
            return;
        };
        for atom in atoms {
            match *atom {
                Atom::Pair(pair) => {
                    if let Some(pair) = self.pair_mut(pair) {
                        pair.filed.insert(selector);
                    }
                }
                Atom::Present(name) => {
                    if let Some(name) = self.names.get_mut(name as usize) {
                        name.present.insert(selector);
                    }
                }
                Atom::Prefix { name, node } => {
                    let Some(name) = self.names.get_mut(name as usize) else { continue };
                    let prefix = prefix(compiled, node);
                    let filed = name.prefixes.entry(prefix.into()).or_default();
                    if filed.is_empty() {
                        *name.lengths.entry(prefix.len()).or_default() += 1;
                    }
                    filed.insert(selector);
                }
            }
        }
    }

    pub(super) fn unfile(&mut self, selector: u32, compiled: &Compiled, atoms: Option<&[Atom]>) {
        for name in compiled.names() {
            let Some(name) = self.names.get_mut(name as usize) else { continue };
            name.mentioned.remove(selector);
            name.loose.remove(selector);
        }
        self.loose.remove(selector);
        for atom in atoms.unwrap_or_default() {
            match *atom {
                Atom::Pair(number) => {
                    if let Some(pair) = self.pair_mut(number) {
                        pair.filed.remove(selector);
                    }
                    self.tidy(number);
                }
                Atom::Present(name) => {
                    if let Some(name) = self.names.get_mut(name as usize) {
                        name.present.remove(selector);
                    }
                }
                Atom::Prefix { name, node } => {
                    if let Some(name) = self.names.get_mut(name as usize) {
                        name.unfile_prefix(selector, prefix(compiled, node));
                    }
                }
            }
        }
    }

    /// Visits every selector that may match these labels, and in which one of these names stands (`None`: or none at all).
    /// Some are visited more than once, and some in which none of the names stands.
    pub(super) fn candidates(
        &self,
        labels: &[Entry],
        names: Option<&[u32]>,
        symbols: &Symbols,
        visit: &mut dyn FnMut(u32),
    ) {
        let Some(names) = names else {
            self.loose.for_each(&mut *visit);
            self.wanted(labels, symbols, visit);
            return;
        };
        let rows = || names.iter().filter_map(|name| self.name(*name));
        let mentioned = rows().map(|name| name.mentioned.len()).sum::<usize>();
        if mentioned <= self.wanted_count(labels, mentioned) {
            rows().for_each(|name| name.mentioned.for_each(&mut *visit));
        } else {
            rows().for_each(|name| name.loose.for_each(&mut *visit));
            self.wanted(labels, symbols, visit);
        }
    }

    /// About how many selectors want one of these labels; it does not count on from `enough`.
    fn wanted_count(&self, labels: &[Entry], enough: usize) -> usize {
        let mut count = 0;
        for label in labels {
            count += self.pair(label.pair).map_or(0, |pair| pair.filed.len());
            count += self.name(label.name).map_or(0, |name| name.present.len() + name.prefixes.len());
            if count >= enough {
                break;
            }
        }
        count
    }

    /// Visits the selectors that are filed under one of these labels.
    fn wanted(&self, labels: &[Entry], symbols: &Symbols, visit: &mut dyn FnMut(u32)) {
        for label in labels {
            if let Some(pair) = self.pair(label.pair) {
                pair.filed.for_each(&mut *visit);
            }
            let Some(name) = self.name(label.name) else { continue };
            name.present.for_each(&mut *visit);
            if name.lengths.is_empty() {
                continue;
            }
            let value = symbols.value(label.pair);
            for (len, _) in name.lengths.range(..=value.len()) {
                let filed = value.get(..*len).and_then(|prefix| name.prefixes.get(prefix));
                if let Some(filed) = filed {
                    filed.for_each(&mut *visit);
                }
            }
        }
    }
}

impl Pair {
    /// Whether nobody has it.
    fn nobody(&self) -> bool {
        self.items.is_empty() && self.parents.is_empty()
    }
}

impl Name {
    /// The pairs whose values start so.
    fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = u32> + 'a {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let values = self.by_value.iter().flat_map(move |values| values.range::<str, _>(range));
        values.take_while(move |(value, _)| value.starts_with(prefix)).map(|(_, pair)| *pair)
    }

    fn unfile_prefix(&mut self, selector: u32, prefix: &str) {
        let Some(filed) = self.prefixes.get_mut(prefix) else { return };
        filed.remove(selector);
        if !filed.is_empty() {
            return;
        }
        self.prefixes.remove(prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }
}

/// The value of the term at a node.
fn prefix(compiled: &Compiled, node: u32) -> &str {
    let tree = compiled.tree();
    tree.nodes.get(node as usize).map_or("", |node| node.value_in(&tree.text))
}

/// The sum of `len` counts, or an estimate by the first of them.
fn sample(counts: impl Iterator<Item = usize>, len: usize) -> usize {
    let sum = counts.take(COUNTED).sum::<usize>();
    if len > COUNTED { sum.saturating_mul(len) / COUNTED } else { sum }
}
