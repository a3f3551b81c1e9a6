//! Which selectors match which items, kept while both change.
//!
//! Items know their labels and parents, pairs of a name and a value know the items and parents that have them: a new
//! selector looks only at items that have what it wants. The other way round, each selector is filed under what it wants:
//! an item whose labels change looks only at selectors that want something that it has, and that name a label that has
//! changed. What wants nothing in particular (`!has(a)`) is kept apart, by name.

mod cover;
mod ids;
mod rows;
mod table;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::Hash;
use core::mem;

use smallvec::SmallVec;

use self::cover::{Atom, cover};
use self::ids::Ids;
use self::rows::{Rows, name_bit};
use self::table::Table;
use crate::intern::{Compiled, Entry, LabelSet, Symbols, bits, find};
use crate::selector::Selector;

/// What an [`Index`] tells: a match that began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a, S, I> {
    /// The item is matched by the selector, and was not before.
    #[non_exhaustive]
    MatchStarted {
        /// Id of the selector.
        selector: &'a S,
        /// Id of the item.
        item: &'a I,
    },
    /// The item is matched by the selector no more.
    #[non_exhaustive]
    MatchStopped {
        /// Id of the selector.
        selector: &'a S,
        /// Id of the item.
        item: &'a I,
    },
}

/// Which selectors match which items, kept while both change.
///
/// `I` identifies an item (an endpoint), `P` a parent (a profile, a namespace), `S` a selector. An item has labels of its
/// own and inherits those of its parents: its own label counts first, then that of the first parent in its list that has
/// one of this name. A parent may be named before it is known; until then it has no labels.
///
/// Each call tells by events what began and what ended to match: one event for each change of the relation, none where a
/// match stays. All changes are made before the first event is told. The order of events, and of the iterators, is not
/// said.
///
/// # Complexity
///
/// A new selector costs in proportion to the items that have the rarest label which it wants. A changed item costs in
/// proportion to the selectors that name a label which has changed, or to those that want a label which the item has,
/// whichever are fewer; a changed parent costs that for each item that inherits the change. Memory is in proportion to
/// items, labels, selectors and matches.
///
/// # Example
///
/// ```
/// use tortie_selector::{Event, Index, Selector};
///
/// let mut index = Index::<&str, &str, u32>::new();
/// index.set_parent("blue", [("team", "blue")], |_| {});
/// index.set_item("web-1", [("app", "web")], ["blue"], |_| {});
///
/// let mut events = 0;
/// index.set_selector(7, &Selector::parse("app == 'web' && team == 'blue'")?, |event| {
///     assert!(matches!(event, Event::MatchStarted { selector: 7, item: &"web-1", .. }));
///     events += 1;
/// });
/// assert_eq!(events, 1);
/// assert!(index.items(&7).eq([&"web-1"]));
///
/// // The label of the parent is hidden by one of the item's own.
/// index.set_item("web-1", [("app", "web"), ("team", "red")], ["blue"], |event| {
///     assert!(matches!(event, Event::MatchStopped { .. }));
/// });
/// assert_eq!(index.match_count(), 0);
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Index<I, P, S> {
    symbols: Symbols,
    rows: Rows,
    items: Table<I, Item>,
    parents: Table<P, Parent>,
    selectors: Table<S, Filed>,
    /// By number of a selector.
    briefs: Vec<Brief>,
    matches: usize,
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Item {
    labels: LabelSet,
    /// In order, each once.
    parents: SmallVec<[u32; 2]>,
    /// The selectors that match it.
    selectors: Ids,
}

#[derive(Clone, Debug, Default)]
struct Parent {
    labels: LabelSet,
    /// Whether it was set, not only named.
    known: bool,
    /// The items that name it.
    items: Ids,
}

#[derive(Clone, Debug)]
struct Filed {
    compiled: Compiled,
    /// What it is filed under; `None`: it wants nothing in particular.
    atoms: Option<Box<[Atom]>>,
    /// The items that it matches.
    items: Ids,
}

/// What is enough to see that most selectors do not match.
#[derive(Clone, Copy, Debug, Default)]
struct Brief {
    /// A bit for each name in it.
    names: u32,
    /// A bit for each pair of which labels must have one; all of them where nothing is known.
    pairs: u64,
}

/// A match that begins or ends.
#[derive(Clone, Copy, Debug)]
struct Change {
    started: bool,
    selector: u32,
    item: u32,
}

/// What is only in use within a call, kept for its memory.
#[derive(Clone, Debug, Default)]
struct Scratch {
    changes: Vec<Change>,
    /// Labels of an item with those that it inherits.
    labels: Vec<Entry>,
    found: Vec<u32>,
    /// By number of a selector or item: the turn in which it was looked at.
    seen: Vec<u32>,
    turn: u32,
}

impl Scratch {
    /// Begins a turn among so many numbers: nothing has been seen yet.
    fn turn(&mut self, numbers: usize) {
        if self.seen.len() < numbers {
            self.seen.resize(numbers, 0);
        }
        self.turn = self.turn.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
    }

    /// Whether this number is seen for the first time in this turn.
    fn first(&mut self, number: u32) -> bool {
        let turn = self.turn;
        self.seen.get_mut(number as usize).is_some_and(|seen| mem::replace(seen, turn) != turn)
    }
}

impl<I, P, S> Default for Index<I, P, S> {
    fn default() -> Self {
        Self {
            symbols: Symbols::new(),
            rows: Rows::default(),
            items: Table::default(),
            parents: Table::default(),
            selectors: Table::default(),
            briefs: Vec::new(),
            matches: 0,
            scratch: Scratch::default(),
        }
    }
}

/// Whose labels have changed how.
struct Changed<'a> {
    /// The names whose labels differ; `None`: all of them, the item is new.
    names: Option<&'a [u32]>,
    mask: u32,
}

impl<I: Clone + Eq + Hash, P: Clone + Eq + Hash, S: Clone + Eq + Hash> Index<I, P, S> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item, or changes its labels and parents. Of two labels with one name the last counts.
    pub fn set_item<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        item: I,
        labels: impl IntoIterator<Item = (N, V)>,
        parents: impl IntoIterator<Item = P>,
        on_event: impl FnMut(Event<'_, S, I>),
    ) {
        let labels = self.symbols.labels(labels);
        let mut list = SmallVec::<[u32; 2]>::new();
        for parent in parents {
            let number = match self.parents.find(&parent) {
                Some(number) => number,
                None => self.parents.add(parent, Parent::default()),
            };
            if !list.contains(&number) {
                list.push(number);
            }
        }
        self.rows.resize(&self.symbols);
        match self.items.find(&item) {
            Some(number) => self.change_item(number, labels, list),
            None => {
                let number = self.items.add(item, Item { labels, parents: list, selectors: Ids::default() });
                self.link(number);
                let mut labels = mem::take(&mut self.scratch.labels);
                if let Some(item) = self.items.get(number) {
                    effective(item, &self.parents, &mut labels);
                }
                self.scratch.labels = labels;
                self.reconsider(number, &Changed { names: None, mask: u32::MAX });
            }
        }
        self.tell(on_event);
    }

    /// Removes an item, and says whether it was there.
    pub fn remove_item(&mut self, item: &I, on_event: impl FnMut(Event<'_, S, I>)) -> bool {
        let Some(number) = self.items.find(item) else { return false };
        for selector in self.items.get(number).into_iter().flat_map(|item| item.selectors.iter()) {
            if let Some(filed) = self.selectors.get_mut(selector) {
                filed.items.remove(number);
            }
            self.scratch.changes.push(Change { started: false, selector, item: number });
        }
        self.tell(on_event);
        self.unlink(number);
        if let Some((_, item)) = self.items.remove(number) {
            item.labels.entries().iter().for_each(|entry| self.symbols.release(entry.pair));
            item.parents.iter().for_each(|parent| self.drop_unused_parent(*parent));
        }
        true
    }

    /// Sets the labels of a parent. Of two labels with one name the last counts.
    pub fn set_parent<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        parent: P,
        labels: impl IntoIterator<Item = (N, V)>,
        on_event: impl FnMut(Event<'_, S, I>),
    ) {
        let labels = self.symbols.labels(labels);
        self.rows.resize(&self.symbols);
        let number = match self.parents.find(&parent) {
            Some(number) => number,
            None => self.parents.add(parent, Parent::default()),
        };
        self.change_parent(number, labels, true);
        self.tell(on_event);
    }

    /// Takes the labels of a parent away, and says whether it had been set. Items may go on naming it.
    pub fn remove_parent(&mut self, parent: &P, on_event: impl FnMut(Event<'_, S, I>)) -> bool {
        let Some(number) = self.parents.find(parent) else { return false };
        let known = self.parents.get(number).is_some_and(|parent| parent.known);
        self.change_parent(number, LabelSet::default(), false);
        self.tell(on_event);
        self.drop_unused_parent(number);
        known
    }

    /// Adds a selector, or replaces the one with this id. Nothing happens if they are equal.
    pub fn set_selector(&mut self, id: S, selector: &Selector, on_event: impl FnMut(Event<'_, S, I>)) {
        let number = self.selectors.find(&id);
        let old = number.and_then(|number| self.selectors.get(number));
        if old.is_some_and(|old| old.compiled.selector() == selector) {
            return;
        }
        let compiled = self.symbols.compile(selector);
        self.rows.resize(&self.symbols);
        let found = self.search(&compiled);
        let before = match number {
            Some(number) => self.unfile(number),
            None => Ids::default(),
        };
        let number = self.file(number, id, compiled);
        let changes = &mut self.scratch.changes;
        for item in before.iter().filter(|item| found.binary_search(item).is_err()) {
            changes.push(Change { started: false, selector: number, item });
        }
        for item in found.iter().copied().filter(|item| !before.contains(*item)) {
            changes.push(Change { started: true, selector: number, item });
        }
        if let Some(filed) = self.selectors.get_mut(number) {
            filed.items = Ids::from(found.as_slice());
        }
        self.scratch.found = found;
        self.tell(on_event);
    }

    /// Removes a selector, and says whether it was there.
    pub fn remove_selector(&mut self, id: &S, on_event: impl FnMut(Event<'_, S, I>)) -> bool {
        let Some(number) = self.selectors.find(id) else { return false };
        let items = self.selectors.get(number).into_iter().flat_map(|filed| filed.items.iter());
        self.scratch.changes.extend(items.map(|item| Change { started: false, selector: number, item }));
        self.tell(on_event);
        self.unfile(number);
        self.selectors.remove(number);
        true
    }

    /// The items that a selector matches.
    pub fn items(&self, selector: &S) -> impl Iterator<Item = &I> {
        let filed = self.selectors.find(selector).and_then(|number| self.selectors.get(number));
        filed.into_iter().flat_map(|filed| filed.items.iter()).filter_map(|item| self.items.key(item))
    }

    /// The selectors that match an item.
    pub fn selectors(&self, item: &I) -> impl Iterator<Item = &S> {
        let item = self.items.find(item).and_then(|number| self.items.get(number));
        item.into_iter()
            .flat_map(|item| item.selectors.iter())
            .filter_map(|number| self.selectors.key(number))
    }

    /// Whether a selector matches an item; no if one of them is unknown.
    #[must_use]
    pub fn is_match(&self, selector: &S, item: &I) -> bool {
        let (Some(selector), Some(item)) = (self.selectors.find(selector), self.items.find(item)) else {
            return false;
        };
        self.items.get(item).is_some_and(|item| item.selectors.contains(selector))
    }

    /// How many pairs of a selector and an item match.
    #[must_use]
    pub const fn match_count(&self) -> usize {
        self.matches
    }

    /// How many items there are.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.items.len()
    }

    /// How many selectors there are.
    #[must_use]
    pub fn selector_count(&self) -> usize {
        self.selectors.len()
    }

    /// Tells the changes, which the selectors know already, to the items and then to the caller.
    fn tell(&mut self, mut on_event: impl FnMut(Event<'_, S, I>)) {
        let mut changes = mem::take(&mut self.scratch.changes);
        for Change { started, selector, item } in changes.iter().copied() {
            let Some(item) = self.items.get_mut(item) else { continue };
            if started {
                item.selectors.insert(selector);
                self.matches += 1;
            } else {
                item.selectors.remove(selector);
                self.matches -= 1;
            }
        }
        for Change { started, selector, item } in changes.drain(..) {
            let (Some(selector), Some(item)) = (self.selectors.key(selector), self.items.key(item)) else {
                continue;
            };
            on_event(if started {
                Event::MatchStarted { selector, item }
            } else {
                Event::MatchStopped { selector, item }
            });
        }
        self.scratch.changes = changes;
    }

    /// Makes an item known to its labels and parents.
    fn link(&mut self, number: u32) {
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

    fn unlink(&mut self, number: u32) {
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

    fn drop_unused_parent(&mut self, number: u32) {
        if self.parents.get(number).is_some_and(|parent| !parent.known && parent.items.is_empty()) {
            self.parents.remove(number);
        }
    }

    fn change_item(&mut self, number: u32, labels: LabelSet, parents: SmallVec<[u32; 2]>) {
        let mut before = Vec::new();
        let Some(item) = self.items.get(number) else { return };
        effective(item, &self.parents, &mut before);
        // What stays is not touched.
        let old_labels = item.labels.clone();
        let old_parents = item.parents.clone();
        for entry in differing_from(&old_labels, &labels) {
            self.rows.remove_item(*entry, number, &self.symbols);
        }
        for entry in differing_from(&labels, &old_labels) {
            self.rows.add_item(*entry, number, &self.symbols);
        }
        for gone in old_parents.iter().filter(|parent| !parents.contains(parent)) {
            if let Some(parent) = self.parents.get_mut(*gone) {
                parent.items.remove(number);
            }
        }
        for new in parents.iter().filter(|parent| !old_parents.contains(parent)) {
            if let Some(parent) = self.parents.get_mut(*new) {
                parent.items.insert(number);
            }
        }
        if let Some(item) = self.items.get_mut(number) {
            (item.labels, item.parents) = (labels, parents);
        }
        let mut after = mem::take(&mut self.scratch.labels);
        if let Some(item) = self.items.get(number) {
            effective(item, &self.parents, &mut after);
        }
        let names = differing(&before, &after);
        self.scratch.labels = after;
        if !names.is_empty() {
            self.reconsider(number, &Changed { mask: mask(names.iter().copied()), names: Some(&names) });
        }
        // Numbers may be used again only now that nothing speaks of the old ones.
        old_labels.entries().iter().for_each(|entry| self.symbols.release(entry.pair));
        old_parents.iter().for_each(|parent| self.drop_unused_parent(*parent));
    }

    fn change_parent(&mut self, number: u32, labels: LabelSet, known: bool) {
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
    fn reconsider(&mut self, number: u32, changed: &Changed<'_>) {
        let Some(item) = self.items.get(number) else { return };
        let Self { rows, selectors, briefs, symbols, scratch, .. } = self;
        let labels = mem::take(&mut scratch.labels);
        let bits = bits(&labels);
        let matches = |selector: u32| {
            let filed = selectors.get(selector);
            filed.is_some_and(|filed| filed.compiled.matches_by(|name| find(bits, &labels, name), symbols))
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

    /// The items that match, sorted.
    fn search(&mut self, compiled: &Compiled) -> Vec<u32> {
        let mut found = mem::take(&mut self.scratch.found);
        found.clear();
        let Self { rows, items, parents, symbols, scratch, .. } = self;
        let matches = |number: u32| {
            items
                .get(number)
                .is_some_and(|item| compiled.matches_by(|name| label(item, parents, name), symbols))
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
    fn file(&mut self, number: Option<u32>, id: S, compiled: Compiled) -> u32 {
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
    fn unfile(&mut self, number: u32) -> Ids {
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
fn effective<P>(item: &Item, parents: &Table<P, Parent>, labels: &mut Vec<Entry>) {
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
