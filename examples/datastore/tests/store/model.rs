//! Random operations on the store and on a map with a log; after each step both say the same.

use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tortie_datastore::{Datastore, Embedded, Error, Event, EventKind, Op, Revision, Versioned, Watch};

use crate::{block_on, scaled};

const CASES: u32 = 24;
const STEPS: usize = 40;
const KEYS: [&str; 6] = ["/a", "/a/1", "/a/2", "/b/\u{10ffff}", "/b/é", "/c"];
const PREFIXES: [&str; 5] = ["", "/a", "/a/", "/b/", "/c/none"];
/// Longer than any change takes to be seen, even on a busy machine.
const SLOW: Duration = Duration::from_secs(30);

/// Which revision an operation expects.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Right,
    Old,
    Zero,
}

#[derive(Clone, Debug)]
enum Step {
    Create(&'static str, u8),
    Update(&'static str, u8, Expected),
    Delete(&'static str, Expected),
    Check(&'static str, Expected),
}

/// The stupid twin.
#[derive(Default)]
struct Twin {
    revision: u64,
    records: BTreeMap<String, (Vec<u8>, u64)>,
    /// The last revision that each key had, deleted or not.
    seen: BTreeMap<String, u64>,
    log: Vec<Event>,
}

#[derive(Debug, PartialEq)]
enum Refusal {
    AlreadyExists,
    NotFound,
    Conflict,
    DuplicateKey,
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::AlreadyExists { .. } => Refusal::AlreadyExists,
        Error::NotFound { .. } => Refusal::NotFound,
        Error::Conflict { .. } => Refusal::Conflict,
        Error::DuplicateKey { .. } => Refusal::DuplicateKey,
        other => panic!("{other}"),
    }
}

impl Twin {
    fn op(&self, step: &Step) -> Op {
        let revision = |key: &str, expected| {
            let current = self.records.get(key).map(|record| record.1);
            Revision::new(match expected {
                Expected::Right => current.or_else(|| self.seen.get(key).copied()).unwrap_or(7),
                Expected::Old => self.seen.get(key).map_or(3, |seen| seen - 1),
                Expected::Zero => 0,
            })
        };
        match *step {
            Step::Create(key, value) => Op::Create { key: key.to_owned(), value: vec![value] },
            Step::Update(key, value, expected) => {
                Op::Update { key: key.to_owned(), value: vec![value], revision: revision(key, expected) }
            }
            Step::Delete(key, expected) => {
                Op::Delete { key: key.to_owned(), revision: revision(key, expected) }
            }
            Step::Check(key, expected) => {
                let there = self.records.contains_key(key);
                let revision = there.then(|| revision(key, expected));
                let wrong = !there && matches!(expected, Expected::Zero);
                let revision = if wrong { Some(Revision::new(1)) } else { revision };
                Op::Check { key: key.to_owned(), revision }
            }
        }
    }

    fn commit(&mut self, ops: &[Op]) -> Result<u64, Refusal> {
        let written: Vec<&str> =
            ops.iter().filter(|op| !matches!(op, Op::Check { .. })).map(Op::key).collect();
        for (index, key) in written.iter().enumerate() {
            if written[..index].contains(key) {
                return Err(Refusal::DuplicateKey);
            }
        }
        for op in ops {
            let current = self.records.get(op.key()).map(|record| Revision::new(record.1));
            match op {
                Op::Create { .. } if current.is_some() => return Err(Refusal::AlreadyExists),
                Op::Update { .. } | Op::Delete { .. } if current.is_none() => return Err(Refusal::NotFound),
                Op::Update { revision, .. } | Op::Delete { revision, .. } if current != Some(*revision) => {
                    return Err(Refusal::Conflict);
                }
                Op::Check { revision, .. } if current != *revision => return Err(Refusal::Conflict),
                _ => {}
            }
        }
        if written.is_empty() {
            return Ok(self.revision);
        }
        self.revision += 1;
        for op in ops {
            let key = op.key().to_owned();
            let kind = match op {
                Op::Create { value, .. } | Op::Update { value, .. } => {
                    self.records.insert(key.clone(), (value.clone(), self.revision));
                    EventKind::Put(value.clone())
                }
                Op::Delete { .. } => {
                    self.records.remove(&key);
                    EventKind::Delete
                }
                Op::Check { .. } => continue,
            };
            self.seen.insert(key.clone(), self.revision);
            self.log.push(Event::new(key, kind, Revision::new(self.revision)));
        }
        Ok(self.revision)
    }

    fn list(&self, prefix: &str) -> Vec<Versioned> {
        let matching = self.records.iter().filter(|(key, _)| key.starts_with(prefix));
        matching
            .map(|(key, (value, revision))| Versioned {
                key: key.clone(),
                value: value.clone(),
                revision: Revision::new(*revision),
            })
            .collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let key = || select(&KEYS[..]);
    let expected =
        || prop_oneof![8 => Just(Expected::Right), 1 => Just(Expected::Old), 1 => Just(Expected::Zero)];
    prop_oneof![
        3 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Create(key, value)),
        4 => (key(), any::<u8>(), expected()).prop_map(|(key, value, e)| Step::Update(key, value, e)),
        2 => (key(), expected()).prop_map(|(key, e)| Step::Delete(key, e)),
        1 => (key(), expected()).prop_map(|(key, e)| Step::Check(key, e)),
    ]
}

#[test]
fn embedded_and_twin_agree_after_every_commit() {
    agree(scaled(CASES), || {
        let dir = tempfile::tempdir().unwrap();
        // Two handles stand for two processes: what one wrote, the other reads.
        let path = dir.path().join("store.db");
        let stores = [0, 1].map(|_| Embedded::open(&path).unwrap().into());
        (stores, dir)
    });
}

/// Holds random commits to so many new stores against the twin. A store is given twice, and something that it needs to live.
pub(crate) fn agree<G>(cases: u32, make: impl Fn() -> ([Datastore; 2], G)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let commits = prop::collection::vec(prop::collection::vec(step(), 1..4), STEPS);
    TestRunner::new_with_rng(config, random)
        .run(&commits, |commits| {
            let (stores, _guard) = make();
            block_on(run(&stores, &commits));
            Ok(())
        })
        .unwrap();
}

async fn run(stores: &[Datastore; 2], commits: &[Vec<Step>]) {
    let begin = stores[0].revision().await.unwrap();
    assert_eq!(stores[0].list("").await.unwrap().items, [], "the store is not new");
    let mut twin = Twin { revision: begin.get(), ..Twin::default() };
    let mut watches: Vec<_> =
        PREFIXES.iter().map(|prefix| (*prefix, stores[1].watch(prefix, begin), 0)).collect();
    for (index, steps) in commits.iter().enumerate() {
        let ops: Vec<Op> = steps.iter().map(|step| twin.op(step)).collect();
        let want = twin.commit(&ops);
        let got = stores[index % 2].commit(ops.clone()).await;
        assert_eq!(got.map(Revision::get).map_err(|error| refusal(&error)), want, "{ops:?}");
        let reader = &stores[(index + 1) % 2];
        for prefix in PREFIXES {
            let listing = reader.list(prefix).await.unwrap();
            assert_eq!(listing.revision, Revision::new(twin.revision));
            assert_eq!(listing.items, twin.list(prefix), "prefix {prefix:?}");
        }
        let listings = reader.list_all(&PREFIXES).await.unwrap();
        let listings = listings.into_iter().map(|listing| (listing.items, listing.revision.get()));
        let want = PREFIXES.iter().map(|prefix| (twin.list(prefix), twin.revision));
        assert!(listings.eq(want), "lists together");
        for key in KEYS {
            let want = twin.list(key).into_iter().find(|record| record.key == key);
            assert_eq!(reader.get(key).await.unwrap(), want);
        }
        for (prefix, watch, seen) in &mut watches {
            for event in twin.log[*seen..].iter().filter(|e| e.key.starts_with(*prefix)) {
                assert_eq!(next(watch).await, *event, "watch of {prefix:?}");
            }
            assert_eq!(watch.ready().await.unwrap(), [], "watch of {prefix:?}");
            *seen = twin.log.len();
        }
    }
    // A watch that begins anywhere sees exactly what came after.
    for from in begin.get()..=twin.revision {
        let mut watch = stores[0].watch("/a", Revision::new(from));
        for event in twin.log.iter().filter(|e| e.revision.get() > from && e.key.starts_with("/a")) {
            assert_eq!(next(&mut watch).await, *event);
        }
        assert_eq!(watch.ready().await.unwrap(), []);
    }
}

async fn next(watch: &mut Watch) -> Event {
    tokio::time::timeout(SLOW, watch.next()).await.expect("a change is missing").unwrap()
}
