//! The stupid twin of the index: after each change it asks every selector about every item.

use super::{Map, Tree, parse};
use std::collections::{BTreeMap, BTreeSet};

/// A selector began to match an item, or stopped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change<S, I> {
    Started(S, I),
    Stopped(S, I),
}

#[derive(Clone, Debug)]
pub(crate) struct Index<I, P, S> {
    items: BTreeMap<I, (Map, Vec<P>)>,
    parents: BTreeMap<P, Map>,
    selectors: BTreeMap<S, Tree>,
    /// The relation after the last change.
    matches: BTreeSet<(S, I)>,
}

impl<I: Clone + Ord, P: Clone + Ord, S: Clone + Ord> Index<I, P, S> {
    pub(crate) fn new() -> Self {
        Self {
            items: BTreeMap::new(),
            parents: BTreeMap::new(),
            selectors: BTreeMap::new(),
            matches: BTreeSet::new(),
        }
    }

    /// Of labels with the same name, the last counts.
    pub(crate) fn set_item(&mut self, item: I, labels: &[(&str, &str)], parents: &[P]) -> Vec<Change<S, I>> {
        self.items.insert(item, (map(labels), parents.to_vec()));
        self.changes()
    }

    /// Whether it was there, and what stopped.
    pub(crate) fn remove_item(&mut self, item: &I) -> (bool, Vec<Change<S, I>>) {
        (self.items.remove(item).is_some(), self.changes())
    }

    pub(crate) fn set_parent(&mut self, parent: P, labels: &[(&str, &str)]) -> Vec<Change<S, I>> {
        self.parents.insert(parent, map(labels));
        self.changes()
    }

    pub(crate) fn remove_parent(&mut self, parent: &P) -> (bool, Vec<Change<S, I>>) {
        (self.parents.remove(parent).is_some(), self.changes())
    }

    pub(crate) fn set_selector(&mut self, id: S, text: &str) -> Vec<Change<S, I>> {
        self.selectors.insert(id, parse(text).expect("a selector"));
        self.changes()
    }

    pub(crate) fn remove_selector(&mut self, id: &S) -> (bool, Vec<Change<S, I>>) {
        (self.selectors.remove(id).is_some(), self.changes())
    }

    /// The whole relation.
    pub(crate) const fn matches(&self) -> &BTreeSet<(S, I)> {
        &self.matches
    }

    /// An item's own labels, then those of its first parent that has them.
    fn labels(&self, (own, parents): &(Map, Vec<P>)) -> Map {
        let mut labels = own.clone();
        for inherited in parents.iter().filter_map(|parent| self.parents.get(parent)) {
            for (name, value) in inherited {
                labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        labels
    }

    /// Makes the relation anew, and says in which pairs it differs from the one before; in order.
    fn changes(&mut self) -> Vec<Change<S, I>> {
        let mut matches = BTreeSet::new();
        for (item, own) in &self.items {
            let labels = self.labels(own);
            for (selector, tree) in &self.selectors {
                if tree.matches(&labels) {
                    matches.insert((selector.clone(), item.clone()));
                }
            }
        }
        let before = core::mem::replace(&mut self.matches, matches);
        let pairs = |left: &BTreeSet<(S, I)>, right| left.difference(right).cloned().collect::<Vec<_>>();
        let started = pairs(&self.matches, &before).into_iter().map(|(s, i)| Change::Started(s, i));
        let stopped = pairs(&before, &self.matches).into_iter().map(|(s, i)| Change::Stopped(s, i));
        started.chain(stopped).collect()
    }
}

fn map(labels: &[(&str, &str)]) -> Map {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// One change of an index.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    SetItem { item: u8, labels: Vec<(String, String)>, parents: Vec<u8> },
    RemoveItem { item: u8 },
    SetParent { parent: u8, labels: Vec<(String, String)> },
    RemoveParent { parent: u8 },
    SetSelector { selector: u8, text: String },
    RemoveSelector { selector: u8 },
}

/// The crate's index and the twin, side by side.
pub(crate) struct Pair {
    index: tortie_selector::Index<u8, u8, u8>,
    twin: Index<u8, u8, u8>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self { index: tortie_selector::Index::new(), twin: Index::new() }
    }

    /// Makes the change in both, and compares what they say, and then all that they know.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        let mut events = Vec::new();
        let record = |event: tortie_selector::Event<'_, u8, u8>| {
            events.push(match event {
                tortie_selector::Event::MatchStarted { selector, item, .. } => {
                    Change::Started(*selector, *item)
                }
                tortie_selector::Event::MatchStopped { selector, item, .. } => {
                    Change::Stopped(*selector, *item)
                }
                _ => panic!("an event of a kind that is not known"),
            });
        };
        let (index, twin) = (&mut self.index, &mut self.twin);
        let want = match operation {
            Operation::SetItem { item, labels, parents } => {
                index.set_item(*item, pairs(labels), parents.iter().copied(), record);
                twin.set_item(*item, &pairs(labels), parents)
            }
            Operation::RemoveItem { item } => known(index.remove_item(item, record), twin.remove_item(item)),
            Operation::SetParent { parent, labels } => {
                index.set_parent(*parent, pairs(labels), record);
                twin.set_parent(*parent, &pairs(labels))
            }
            Operation::RemoveParent { parent } => {
                known(index.remove_parent(parent, record), twin.remove_parent(parent))
            }
            Operation::SetSelector { selector, text } => {
                let parsed = text.parse().expect("a selector");
                index.set_selector(*selector, &parsed, record);
                twin.set_selector(*selector, text)
            }
            Operation::RemoveSelector { selector } => {
                known(index.remove_selector(selector, record), twin.remove_selector(selector))
            }
        };
        events.sort();
        assert_eq!(events, want, "events of {operation:?}");
        self.check();
    }

    /// Both hold the same relation, asked from either side and pair by pair.
    fn check(&self) {
        let relation = self.twin.matches();
        assert_eq!(self.index.match_count(), relation.len());
        for id in 0..=8 {
            let mut items: Vec<u8> = self.index.items(&id).copied().collect();
            items.sort_unstable();
            let want: Vec<u8> = relation.iter().filter(|(s, _)| *s == id).map(|(_, i)| *i).collect();
            assert_eq!(items, want, "items of selector {id}");

            let mut selectors: Vec<u8> = self.index.selectors(&id).copied().collect();
            selectors.sort_unstable();
            let want: Vec<u8> = relation.iter().filter(|(_, i)| *i == id).map(|(s, _)| *s).collect();
            assert_eq!(selectors, want, "selectors of item {id}");

            for item in 0..=8 {
                assert_eq!(self.index.is_match(&id, &item), relation.contains(&(id, item)), "{id} on {item}");
            }
        }
    }

    /// What the twin holds.
    pub(crate) const fn relation(&self) -> &BTreeSet<(u8, u8)> {
        self.twin.matches()
    }
}

fn pairs(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (&**name, &**value)).collect()
}

/// Both know whether what is removed was there.
fn known<C>(was: bool, (want, changes): (bool, C)) -> C {
    assert_eq!(was, want, "what was removed was there, or not");
    changes
}
