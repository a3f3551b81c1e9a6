//! The index of selectors over items with inherited labels, beside one that asks every selector about every item.
//!
//! Input: 10,000 items and 1,000 selectors, and 100,000 items and 10,000 selectors; 100 parents, one for each item. The
//! items come first in `load`. Loads are measured in CPU seconds of the process, changes in time that passed, memory in
//! live bytes (MB: 10^6) without labels and selectors of the caller. Where loading would take the naive index minutes, its
//! changes alone are measured, on what it would have loaded, and fewer of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "../selector/tests/twin/mod.rs"]
mod twin;

use core::time::Duration;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use tortie_benches::fixtures::index::{self, Labels, NAMESPACE, PROFILES, TEAM};
use tortie_benches::memory;
use tortie_benches::report::{self, Mode, Row};
use tortie_selector::{Index, Selector};
use twin::{Map, Tree};

#[global_allocator]
static ALLOCATOR: memory::Counted = memory::Counted::new();

/// How large, and how often.
struct Size {
    name: &'static str,
    items: usize,
    selectors: usize,
    /// Pairs that match after loading, as the reference system counts them.
    matches: usize,
    loads: usize,
    updates: usize,
    added: usize,
    parents: usize,
    /// So many of these changes the naive index makes, too.
    twin: Twin,
}

struct Twin {
    loads: bool,
    updates: usize,
    added: usize,
    parents: usize,
}

const SMALL: Size = Size {
    name: "selector/index_10k_1k",
    items: 10_000,
    selectors: 1_000,
    matches: 14_335,
    loads: 9,
    updates: 10_000,
    added: 1_000,
    parents: PROFILES,
    twin: Twin { loads: true, updates: 1_000, added: 100, parents: 10 },
};

const LARGE: Size = Size {
    name: "selector/index_100k_10k",
    items: 100_000,
    selectors: 10_000,
    matches: 1_454_826,
    loads: 3,
    updates: 10_000,
    added: 1_000,
    parents: PROFILES,
    twin: Twin { loads: false, updates: 100, added: 20, parents: 1 },
};

/// What is measured, and whether the naive index is measured only where it loads.
const WORKS: [(&str, bool); 9] = [
    ("load", true),
    ("load_selectors_first", true),
    ("memory", true),
    ("update_item_p50", false),
    ("update_item_p99", false),
    ("add_selector_p50", false),
    ("add_selector_p99", false),
    ("update_parent", false),
    ("update_parent_unused", false),
];

/// The names of all rows: with whether it is the twin's.
fn rows(sizes: &[Size]) -> Vec<(String, bool)> {
    let mut rows = Vec::new();
    for size in sizes {
        for (what, loads) in WORKS {
            rows.push((format!("{}/{what}", size.name), false));
            if (!loads || size.twin.loads) && what != "memory" {
                rows.push((format!("{}/{what}", size.name), true));
            }
        }
    }
    rows
}

fn row(work: &str, twin: bool) -> Row<'_> {
    if twin { Row::twin(work) } else { Row::tortie(work, "") }
}

fn main() {
    let sizes = [SMALL, LARGE];
    let names = rows(&sizes);
    let all: Vec<_> = names.iter().map(|(work, twin)| row(work, *twin)).collect();
    match report::mode(&all) {
        Some(Mode::Measure) => sizes.iter().for_each(measure),
        Some(_) => measure(&Size {
            name: "selector/index_test",
            items: 1_000,
            selectors: 100,
            matches: 151,
            loads: 1,
            updates: 100,
            added: 10,
            parents: 5,
            twin: Twin { loads: true, updates: 100, added: 10, parents: 5 },
        }),
        None => {}
    }
}

/// All that is made beforehand, and not measured.
struct Inputs {
    profiles: Vec<Labels>,
    items: Vec<Labels>,
    selectors: Vec<(Selector, Tree)>,
    added: Vec<(Selector, Tree)>,
    updates: Vec<(usize, Labels)>,
}

impl Inputs {
    fn new(size: &Size) -> Self {
        let parsed = |text: &String| (text.parse().unwrap(), twin::parse(text).unwrap());
        let items = index::endpoints(size.items);
        Self {
            profiles: (0..PROFILES).map(index::profile).collect(),
            updates: index::updates(items.clone(), size.updates),
            items,
            selectors: index::selectors(size.selectors, 4).iter().map(parsed).collect(),
            added: index::selectors(size.added, 6).iter().map(parsed).collect(),
        }
    }

    /// The labels of a profile after the change that selectors see.
    fn renamed(k: usize) -> Labels {
        let mut labels = index::profile(k);
        labels
            .iter_mut()
            .filter(|(name, _)| *name == NAMESPACE)
            .for_each(|(_, value)| *value = format!("ns-{}", k + 1));
        labels
    }

    /// And after the change that no selector sees, either.
    fn unused(k: usize) -> Labels {
        let mut labels = Self::renamed(k);
        labels
            .iter_mut()
            .filter(|(name, _)| *name == TEAM)
            .for_each(|(_, value)| *value = format!("newteam-{k}"));
        labels
    }
}

type Tortie = Index<usize, usize, usize>;

fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (*name, &**value))
}

fn load(inputs: &Inputs, selectors_first: bool) -> Tortie {
    let mut index = Tortie::new();
    for (k, labels) in inputs.profiles.iter().enumerate() {
        index.set_parent(k, pairs(labels), |_| {});
    }
    let selectors = |index: &mut Tortie| {
        for (id, (selector, _)) in inputs.selectors.iter().enumerate() {
            index.set_selector(id, selector, |_| {});
        }
    };
    if selectors_first {
        selectors(&mut index);
    }
    for (e, labels) in inputs.items.iter().enumerate() {
        index.set_item(e, pairs(labels), [index::profile_of(e)], |_| {});
    }
    if !selectors_first {
        selectors(&mut index);
    }
    index
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Times of one kind of change, and how many events the changes had that the naive index makes, too.
#[derive(Default)]
struct Times {
    seconds: Vec<f64>,
    events: usize,
}

impl Times {
    /// Measures each change; the first `checked` are those whose events count.
    fn of<T>(
        changes: impl IntoIterator<Item = T>,
        checked: usize,
        mut change: impl FnMut(T) -> usize,
    ) -> Self {
        let mut times = Self::default();
        for (number, input) in changes.into_iter().enumerate() {
            let start = Instant::now();
            let events = change(input);
            times.seconds.push(start.elapsed().as_secs_f64());
            if number < checked {
                times.events += events;
            }
        }
        times.seconds.sort_by(f64::total_cmp);
        times
    }

    fn quantile(&self, percent: usize) -> f64 {
        self.seconds[(self.seconds.len() * percent / 100).min(self.seconds.len() - 1)]
    }
}

/// Says a row.
fn say(size: &Size, what: &str, twin: bool, times: &Times, percent: usize, unit: &str) {
    let factor = match unit {
        "us" => 1e6,
        "ms" => 1e3,
        _ => 1.0,
    };
    let work = format!("{}/{what}", size.name);
    row(&work, twin).measured(times.quantile(percent) * factor, unit, times.seconds.len(), times.events);
}

/// Says the rows of all changes.
fn say_changes(size: &Size, twin: bool, [update, add, parent, unused]: &[Times; 4]) {
    say(size, "update_item_p50", twin, update, 50, "us");
    say(size, "update_item_p99", twin, update, 99, "us");
    say(size, "add_selector_p50", twin, add, 50, "ms");
    say(size, "add_selector_p99", twin, add, 99, "ms");
    say(size, "update_parent", twin, parent, 50, "ms");
    say(size, "update_parent_unused", twin, unused, 50, "ms");
}

fn measure(size: &Size) {
    let inputs = Inputs::new(size);
    for (what, selectors_first) in [("load", false), ("load_selectors_first", true)] {
        let mut times = Times { seconds: Vec::new(), events: size.matches };
        for _ in 0..size.loads {
            let start = cpu();
            let index = load(&inputs, selectors_first);
            times.seconds.push((cpu() - start).as_secs_f64());
            assert_eq!(index.match_count(), size.matches);
        }
        times.seconds.sort_by(f64::total_cmp);
        say(size, what, false, &times, 50, "s");
    }
    let before = memory::live();
    let mut index = load(&inputs, false);
    let bytes = memory::live() - before;
    let work = format!("{}/memory", size.name);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    row(&work, false).measured(bytes as f64 / 1e6, "MB", 1, index.match_count());
    let ours = changes(size, &inputs, &mut index);
    say_changes(size, false, &ours);
    drop(index);

    let theirs = naive_changes(size, &inputs, naive_load(size, &inputs));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.events, theirs.events, "the naive index has other events");
    }
    say_changes(size, true, &theirs);
}

fn changes(size: &Size, inputs: &Inputs, index: &mut Tortie) -> [Times; 4] {
    let update = Times::of(&inputs.updates, size.twin.updates, |(e, labels)| {
        let mut events = 0;
        index.set_item(*e, pairs(labels), [index::profile_of(*e)], |_| events += 1);
        events
    });
    let first = inputs.selectors.len();
    let add = Times::of(inputs.added.iter().enumerate(), size.twin.added, |(n, (selector, _))| {
        let mut events = 0;
        index.set_selector(first + n, selector, |_| events += 1);
        events
    });
    for n in 0..inputs.added.len() {
        assert!(index.remove_selector(&(first + n), |_| {}));
    }
    let mut set_parent = |(k, labels): (usize, Labels)| {
        let mut events = 0;
        index.set_parent(k, pairs(&labels), |_| events += 1);
        events
    };
    let parents = |labels: fn(usize) -> Labels| (0..size.parents).map(move |k| (k, labels(k)));
    let parent = Times::of(parents(Inputs::renamed), size.twin.parents, &mut set_parent);
    let unused = Times::of(parents(Inputs::unused), size.twin.parents, &mut set_parent);
    [update, add, parent, unused]
}

/// The naive index: it asks every selector about an item that changes, and every item about a selector.
struct Naive<'a> {
    own: Vec<Map>,
    /// With what is inherited.
    all: Vec<Map>,
    profiles: Vec<Map>,
    selectors: Vec<&'a Tree>,
    /// What matches each item, as far as somebody asked.
    matched: HashMap<usize, BTreeSet<usize>>,
}

fn map(labels: &Labels) -> Map {
    pairs(labels).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl<'a> Naive<'a> {
    fn label(&mut self, e: usize, own: Map) {
        let mut all = self.profiles[index::profile_of(e)].clone();
        all.extend(own.clone());
        self.own[e] = own;
        self.all[e] = all;
    }

    fn of(&self, e: usize) -> BTreeSet<usize> {
        let matches = |(_, tree): &(usize, &&Tree)| tree.matches(&self.all[e]);
        self.selectors.iter().enumerate().filter(matches).map(|(id, _)| id).collect()
    }

    /// Knows what matches an item now.
    fn know(&mut self, e: usize) {
        if !self.matched.contains_key(&e) {
            let matched = self.of(e);
            self.matched.insert(e, matched);
        }
    }

    /// How many selectors began or stopped to match an item.
    fn look(&mut self, e: usize) -> usize {
        let now = self.of(e);
        let before = self.matched.insert(e, now).unwrap();
        before.symmetric_difference(&self.matched[&e]).count()
    }

    /// How many items a new selector matches.
    fn add(&mut self, tree: &'a Tree) -> usize {
        let id = self.selectors.len();
        self.selectors.push(tree);
        let mut events = 0;
        for (e, labels) in self.all.iter().enumerate() {
            if tree.matches(labels) {
                self.matched.entry(e).or_default().insert(id);
                events += 1;
            }
        }
        events
    }

    fn set_profile(&mut self, k: usize, labels: &Labels) -> usize {
        self.profiles[k] = map(labels);
        let mut events = 0;
        for e in (k..self.own.len()).step_by(PROFILES) {
            let own = self.own[e].clone();
            self.label(e, own);
            events += self.look(e);
        }
        events
    }
}

fn naive_load<'a>(size: &Size, inputs: &'a Inputs) -> Naive<'a> {
    let mut naive = Naive {
        own: vec![Map::new(); inputs.items.len()],
        all: vec![Map::new(); inputs.items.len()],
        profiles: inputs.profiles.iter().map(map).collect(),
        selectors: Vec::new(),
        matched: HashMap::new(),
    };
    let trees: Vec<&Tree> = inputs.selectors.iter().map(|(_, tree)| tree).collect();
    for (what, selectors_first) in [("load_selectors_first", true), ("load", false)] {
        naive.matched.clear();
        naive.selectors = if selectors_first { trees.clone() } else { Vec::new() };
        let start = cpu();
        for (e, labels) in inputs.items.iter().enumerate() {
            naive.label(e, map(labels));
            if size.twin.loads {
                naive.know(e);
            }
        }
        if size.twin.loads {
            if !selectors_first {
                for tree in &trees {
                    naive.add(tree);
                }
            }
            let seconds = vec![(cpu() - start).as_secs_f64()];
            let events = naive.matched.values().map(BTreeSet::len).sum();
            assert_eq!(events, size.matches, "the naive index has other matches");
            say(size, what, true, &Times { seconds, events }, 50, "s");
        }
    }
    naive.selectors = trees;
    naive
}

fn naive_changes(size: &Size, inputs: &Inputs, mut naive: Naive<'_>) -> [Times; 4] {
    let (timed, rest) = inputs.updates.split_at(size.twin.updates.min(inputs.updates.len()));
    timed.iter().for_each(|(e, _)| naive.know(*e));
    let update = Times::of(timed, timed.len(), |(e, labels)| {
        naive.label(*e, map(labels));
        naive.look(*e)
    });
    for (e, labels) in rest {
        naive.label(*e, map(labels));
    }
    let mut later = Naive { matched: HashMap::new(), selectors: Vec::new(), ..naive };
    let timed = inputs.added.iter().take(size.twin.added);
    let add = Times::of(timed, size.twin.added, |(_, tree)| later.add(tree));

    later.selectors = inputs.selectors.iter().map(|(_, tree)| tree).collect();
    later.matched.clear();
    for k in 0..size.twin.parents {
        (k..inputs.items.len()).step_by(PROFILES).for_each(|e| later.know(e));
    }
    let mut set = |(k, labels): (usize, Labels)| later.set_profile(k, &labels);
    let parents = |labels: fn(usize) -> Labels| (0..size.twin.parents).map(move |k| (k, labels(k)));
    let parent = Times::of(parents(Inputs::renamed), size.twin.parents, &mut set);
    let unused = Times::of(parents(Inputs::unused), size.twin.parents, &mut set);
    [update, add, parent, unused]
}
