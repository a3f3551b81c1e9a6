//! Names and values as numbers.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hash as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::compiled::{Compiled, Step, guard};
use crate::selector::Selector;
use crate::tree::{Op, place};

/// Label names and values as numbers, for selectors that are evaluated against the same items again and again.
///
/// Selectors ([`compile`](Self::compile)) and label sets ([`labels`](Self::labels)) that were made with the same symbols
/// can be matched without comparing strings. With other symbols the answer is meaningless. Symbols are never forgotten:
/// their memory grows with the names and values that were ever seen. An [`Index`](crate::Index) has symbols of its own,
/// and forgets those that it does not need any more.
///
/// # Example
///
/// ```
/// use tortie_selector::{Selector, Symbols};
///
/// let mut symbols = Symbols::new();
/// let web = symbols.compile(&Selector::parse("app == 'web' && !has(retired)")?);
/// let labels = symbols.labels([("app", "web"), ("tier", "front")]);
/// assert!(web.matches(&labels, &symbols));
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    hasher: DefaultHashBuilder,
    names: Rows<Box<str>>,
    name_of: HashTable<u32>,
    pairs: Rows<Pair>,
    pair_of: HashTable<u32>,
}

/// A name with a value of it.
#[derive(Clone, Debug)]
struct Pair {
    name: u32,
    value: Box<str>,
}

/// Rows that are found by number, and how often each is in use. Numbers are used again.
#[derive(Clone, Debug)]
struct Rows<T> {
    rows: Vec<Option<Row<T>>>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Row<T> {
    row: T,
    uses: u32,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), free: Vec::new() }
    }
}

impl<T> Rows<T> {
    fn get(&self, id: u32) -> Option<&T> {
        self.rows.get(id as usize)?.as_ref().map(|row| &row.row)
    }

    /// Who uses it is in memory: that is less often than 2^32 times.
    fn uses(&mut self, id: u32) -> Option<&mut u32> {
        self.rows.get_mut(id as usize)?.as_mut().map(|row| &mut row.uses)
    }

    fn add(&mut self, row: T) -> u32 {
        let row = Some(Row { row, uses: 1 });
        if let Some(id) = self.free.pop() {
            if let Some(place) = self.rows.get_mut(id as usize) {
                *place = row;
            }
            return id;
        }
        make_room(&mut self.rows);
        self.rows.push(row);
        // So many strings would not fit into memory.
        u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
    }

    /// One use less; the row, if that was the last.
    fn release(&mut self, id: u32) -> Option<T> {
        let uses = self.uses(id)?;
        *uses -= 1;
        if *uses > 0 {
            return None;
        }
        self.free.push(id);
        self.rows.get_mut(id as usize)?.take().map(|row| row.row)
    }
}

/// Makes room for one more in a long list: an eighth of it, for twice as much would be half empty.
pub(crate) fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 8);
    }
}

impl Symbols {
    /// No symbols yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The labels of an item. Of two labels with one name the last counts.
    pub fn labels<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        labels: impl IntoIterator<Item = (N, V)>,
    ) -> LabelSet {
        let mut entries: Vec<Entry> = Vec::new();
        for (name, value) in labels {
            let name = self.name(name.as_ref());
            let pair = self.pair(name, value.as_ref());
            // The pair keeps the name.
            self.release_name(name);
            entries.push(Entry { name, pair });
        }
        // The order of those with one name stays.
        entries.sort_by_key(|entry| entry.key());
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.last_mut().filter(|last| last.name == entry.name) {
                Some(last) => {
                    let before = core::mem::replace(&mut last.pair, entry.pair);
                    self.release(before);
                }
                None => kept.push(entry),
            }
        }
        LabelSet { bits: bits(&kept), entries: kept.into() }
    }

    /// The selector, for labels of these symbols.
    pub fn compile(&mut self, selector: &Selector) -> Compiled {
        let tree = selector.tree();
        let mut steps = Vec::new();
        let mut values = Vec::new();
        for (at, node) in tree.nodes.iter().enumerate() {
            let at = place(at);
            if matches!(node.op, Op::Item | Op::Not | Op::And | Op::Or) {
                continue;
            }
            let mut step = Step {
                bits: 0,
                op: node.op,
                node: at,
                name: 0,
                pair: 0,
                from: 0,
                to: 0,
                then: node.then,
                otherwise: node.otherwise,
            };
            if !matches!(node.op, Op::All | Op::Global) {
                step.name = self.name(node.label_in(&tree.text));
                step.bits = bit(step.name);
            }
            step.from = place(values.len());
            match node.op {
                Op::Equal | Op::NotEqual => step.pair = self.pair(step.name, node.value_in(&tree.text)),
                Op::In | Op::NotIn => {
                    let items = tree.items(node, at).iter();
                    values.extend(items.map(|item| self.pair(step.name, item.value_in(&tree.text))));
                    if let Some(set) = values.get_mut(step.from as usize..) {
                        set.sort_unstable();
                    }
                }
                _ => {}
            }
            step.to = place(values.len());
            steps.push(step);
        }
        guard(&tree.nodes, &mut steps);
        // From nodes to steps.
        let step_of = |node: u32, steps: &[Step]| {
            steps.binary_search_by_key(&node, |step| step.node).map_or(node, place)
        };
        for at in 0..steps.len() {
            let Some(step) = steps.get(at) else { continue };
            let (then, otherwise) = (step_of(step.then, &steps), step_of(step.otherwise, &steps));
            if let Some(step) = steps.get_mut(at) {
                (step.then, step.otherwise) = (then, otherwise);
            }
        }
        let entry = step_of(tree.entry, &steps);
        Compiled { selector: selector.clone(), steps: steps.into(), values: values.into(), entry }
    }

    /// Number of a name, with one more use of it.
    fn name(&mut self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name);
        let known = self.name_of.find(hash, |id| self.names.get(*id).is_some_and(|known| **known == *name));
        if let Some(id) = known {
            let id = *id;
            if let Some(uses) = self.names.uses(id) {
                *uses += 1;
            }
            return id;
        }
        let id = self.names.add(name.into());
        let (names, hasher) = (&self.names, &self.hasher);
        self.name_of.insert_unique(hash, id, |id| names.get(*id).map_or(0, |name| hasher.hash_one(&**name)));
        id
    }

    /// Number of a name with a value, with one more use of it. It is a use of the name if it is new.
    fn pair(&mut self, name: u32, value: &str) -> u32 {
        let hash = pair_hash(&self.hasher, name, value);
        let same =
            |id: &u32| self.pairs.get(*id).is_some_and(|pair| pair.name == name && *pair.value == *value);
        if let Some(id) = self.pair_of.find(hash, same) {
            let id = *id;
            if let Some(uses) = self.pairs.uses(id) {
                *uses += 1;
            }
            return id;
        }
        if let Some(uses) = self.names.uses(name) {
            *uses += 1;
        }
        let id = self.pairs.add(Pair { name, value: value.into() });
        let (pairs, hasher) = (&self.pairs, &self.hasher);
        self.pair_of.insert_unique(hash, id, |id| {
            pairs.get(*id).map_or(0, |pair| pair_hash(hasher, pair.name, &pair.value))
        });
        id
    }

    /// One use less of a pair.
    pub(crate) fn release(&mut self, id: u32) {
        let Some(pair) = self.pairs.release(id) else { return };
        let hash = pair_hash(&self.hasher, pair.name, &pair.value);
        if let Ok(entry) = self.pair_of.find_entry(hash, |known| *known == id) {
            entry.remove();
        }
        self.release_name(pair.name);
    }

    fn release_name(&mut self, id: u32) {
        let Some(name) = self.names.release(id) else { return };
        let hash = self.hasher.hash_one(&*name);
        if let Ok(entry) = self.name_of.find_entry(hash, |known| *known == id) {
            entry.remove();
        }
    }

    /// What was compiled is used no more.
    pub(crate) fn forget(&mut self, compiled: &Compiled) {
        compiled.values.iter().chain(compiled.singles()).for_each(|pair| self.release(*pair));
        compiled.names().for_each(|name| self.release_name(name));
    }

    /// The text of a name.
    pub(crate) fn text(&self, name: u32) -> &str {
        self.names.get(name).map_or("", |name| name)
    }

    /// The value of a pair.
    #[inline]
    pub(crate) fn value(&self, pair: u32) -> &str {
        self.pairs.get(pair).map_or("", |pair| &*pair.value)
    }

    /// One past the highest number of a name, and of a pair.
    pub(crate) fn rows(&self) -> (usize, usize) {
        (self.names.rows.len(), self.pairs.rows.len())
    }
}

fn pair_hash(hasher: &DefaultHashBuilder, name: u32, value: &str) -> u64 {
    let mut hasher = hasher.build_hasher();
    name.hash(&mut hasher);
    value.hash(&mut hasher);
    hasher.finish()
}

/// A label: its name, and the name with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: u32,
    pub(crate) pair: u32,
}

impl Entry {
    /// Labels are sorted by this: first by the bit of the name, then by the name.
    pub(crate) const fn key(self) -> (u32, u32) {
        (self.name % 64, self.name)
    }
}

/// Labels of an item as numbers; made by [`Symbols::labels`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSet {
    pub(crate) bits: u64,
    entries: Box<[Entry]>,
}

impl LabelSet {
    /// The pair of this name.
    #[inline]
    pub(crate) fn pair(&self, name: u32) -> Option<u32> {
        find(self.bits, &self.entries, name)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The bit of a name; others share it.
const fn bit(name: u32) -> u64 {
    1 << (name % 64)
}

/// A bit for each name.
pub(crate) fn bits(entries: &[Entry]) -> u64 {
    entries.iter().fold(0, |bits, entry| bits | bit(entry.name))
}

/// The pair of this name in a sorted list.
///
/// How many bits are set below that of the name is at most how many entries stand before it; it is exactly that as long as
/// no two names share a bit. Of more names than there are bits, many do.
#[inline]
pub(crate) fn find(bits: u64, entries: &[Entry], name: u32) -> Option<u32> {
    let bit = bit(name);
    if bits & bit == 0 {
        return None;
    }
    if entries.len() > 64 {
        let key = Entry { name, pair: 0 }.key();
        let at = entries.binary_search_by_key(&key, |entry| entry.key()).ok()?;
        return entries.get(at).map(|entry| entry.pair);
    }
    let before = (bits & (bit - 1)).count_ones() as usize;
    entries.get(before..)?.iter().find(|entry| entry.name == name).map(|entry| entry.pair)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn symbols_that_nobody_uses_are_forgotten() {
        let mut symbols = Symbols::new();
        let kept = symbols.labels([("a", "1")]);
        for n in 0..100 {
            let selector =
                Selector::parse(&format!("a == '1' && b{n} in {{'x', 'y{n}'}} || has(c{n})")).unwrap();
            let compiled = symbols.compile(&selector);
            let labels = symbols.labels([(format!("b{n}"), "x"), (format!("b{n}"), "z"), ("a".into(), "1")]);
            assert!(!compiled.matches(&labels, &symbols));
            assert!(!compiled.matches(&kept, &symbols));
            labels.entries().iter().for_each(|entry| symbols.release(entry.pair));
            symbols.forget(&compiled);
        }
        let (names, pairs) = symbols.rows();
        assert!(names <= 3 && pairs <= 5, "{names} names, {pairs} pairs");
        assert_eq!(symbols.name_of.len(), 1);
        assert_eq!(symbols.pair_of.len(), 1);
    }

    #[test]
    fn names_that_share_a_bit_are_told_apart() {
        let mut symbols = Symbols::new();
        let names: Vec<_> = (0..300).map(|n| format!("n{n}")).collect();
        let labels =
            symbols.labels(names.iter().filter(|name| !name.ends_with('7')).map(|name| (name, name)));
        for name in &names {
            let selector = Selector::parse(&format!("{name} == '{name}'")).unwrap();
            let compiled = symbols.compile(&selector);
            assert_eq!(compiled.matches(&labels, &symbols), !name.ends_with('7'), "{name}");
        }
    }
}
