//! Which selectors match which items, kept while both change.
//!
//! Items know their labels and parents, pairs of a name and a value know the items and parents that have them: a new
//! selector looks only at items that have what it wants. (Pairs of names that never stood in a selector do not: most labels
//! are there for other ends, and have a value for each item.) The other way round, each selector is filed under what it wants:
//! an item whose labels change looks only at selectors that want something that it has, and that name a label that has
//! changed. What wants nothing in particular (`!has(a)`) is kept apart, by name.

mod change;
mod cover;
mod ids;
mod rows;
mod table;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::Hash;
use core::mem;

use smallvec::SmallVec;

use self::change::effective;
use self::cover::Atom;
use self::ids::Ids;
use self::rows::Rows;
use self::table::Table;
use crate::compiled::Compiled;
use crate::intern::{Entry, LabelSet, Symbols};
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
/// A new selector costs in proportion to the items that have the rarest label which it wants; the first in which a name
/// stands, also in proportion to all items. A changed item costs in
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
    /// The same before they changed.
    before: Vec<Entry>,
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
        self.know(&compiled);
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
    pub fn items<'a>(&'a self, selector: &S) -> impl Iterator<Item = &'a I> + use<'a, I, P, S> {
        let filed = self.selectors.find(selector).and_then(|number| self.selectors.get(number));
        filed.into_iter().flat_map(|filed| filed.items.iter()).filter_map(|item| self.items.key(item))
    }

    /// The selectors that match an item.
    pub fn selectors<'a>(&'a self, item: &I) -> impl Iterator<Item = &'a S> + use<'a, I, P, S> {
        let item = self.items.find(item).and_then(|number| self.items.get(number));
        item.into_iter()
            .flat_map(|item| item.selectors.iter())
            .filter_map(|number| self.selectors.key(number))
    }

    /// The labels that items inherit from a parent, in no order that is said.
    pub fn parent_labels<'a>(
        &'a self,
        parent: &P,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, I, P, S> {
        let parent = self.parents.find(parent).and_then(|number| self.parents.get(number));
        parent
            .into_iter()
            .flat_map(|parent| parent.labels.entries())
            .map(|entry| (self.symbols.text(entry.name), self.symbols.value(entry.pair)))
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
}
