//! Several processes and handles at once.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use tortie_datastore::{Datastore, Embedded, Event, EventKind, Options, Revision};

use crate::{block_on, child, scaled};

const INCREMENTS: u32 = 40;
const WRITES: u32 = 60;
/// Longer than any change takes to be seen, even on a busy machine.
const SLOW: Duration = Duration::from_secs(30);

#[test]
fn no_increment_by_compare_and_swap_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let count = scaled(INCREMENTS);
    // The file does not exist yet: its creation is contended, too.
    let children: Vec<_> = (0..3).map(|_| child::spawn("increment", &path, "", count)).collect();
    let [store, other]: [Datastore; 2] = [0, 1].map(|_| Embedded::open(&path).unwrap().into());
    std::thread::scope(|scope| {
        for handle in [store.clone(), store.clone(), other] {
            scope.spawn(move || block_on(child::increment(&handle, count)));
        }
    });
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let found = block_on(store.get("/counter")).unwrap().unwrap();
    assert_eq!(found.value, (6 * count).to_string().into_bytes());
    assert_eq!(found.revision, Revision::new(u64::from(6 * count)));
}

#[test]
fn a_watch_sees_every_change_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = child::open(&path);
    let count = scaled(WRITES);
    let children: Vec<_> =
        ["one", "two"].iter().map(|name| child::spawn("write", &path, name, count)).collect();
    let writer = child::open(&path);
    let changes = |writers: usize| writers * (count + count.div_ceil(3)) as usize;
    let events = std::thread::scope(|scope| {
        let own = store.clone();
        scope.spawn(move || block_on(child::write(&own, "three", count)));
        scope.spawn(move || block_on(child::write(&writer, "four", count)));
        let watchers = [("/log/", changes(4)), ("/log/two/", changes(1)), ("/log/three/", changes(1))];
        let watchers = watchers.map(|(prefix, want)| {
            let store = store.clone();
            scope.spawn(move || block_on(read(&store, prefix, want)))
        });
        watchers.map(|watcher| watcher.join().unwrap())
    });
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let [all, two, three] = events;
    let only = |name: &str| all.iter().filter(|e| e.key.starts_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(two, only("/log/two/"));
    assert_eq!(three, only("/log/three/"));
    for (number, event) in all.iter().enumerate() {
        assert_eq!(event.revision.get(), number as u64 + 1, "each commit wrote one record");
    }
    // Replayed, the changes make what is there.
    let mut records = BTreeMap::new();
    for event in &all {
        match &event.kind {
            EventKind::Put(value) => drop(records.insert(event.key.clone(), value.clone())),
            EventKind::Delete => assert!(records.remove(&event.key).is_some(), "{}", event.key),
        }
    }
    let listing = block_on(store.list("")).unwrap();
    let there: BTreeMap<_, _> = listing.items.into_iter().map(|item| (item.key, item.value)).collect();
    assert_eq!(records, there);
}

async fn read(store: &Datastore, prefix: &str, want: usize) -> Vec<Event> {
    let mut watch = store.watch(prefix, Revision::new(0));
    let mut events = Vec::new();
    while events.len() < want {
        events.push(tokio::time::timeout(SLOW, watch.next()).await.expect("a change is missing").unwrap());
    }
    let more = tokio::time::timeout(Duration::from_millis(50), watch.next()).await;
    assert!(more.is_err(), "a change too many: {more:?}");
    events
}

#[test]
fn a_dropped_wait_loses_nothing() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store: Datastore = Embedded::open(dir.path().join("store.db")).unwrap().into();
        let mut watch = store.watch("/log/", Revision::new(0));
        let writing = child::write(&store, "x", 30);
        let mut events = Vec::new();
        let reading = async {
            let begun = Instant::now();
            while events.len() < 40 && begun.elapsed() < SLOW {
                // Far shorter than a read takes: most waits are dropped half-way.
                if let Ok(event) = tokio::time::timeout(Duration::from_micros(50), watch.next()).await {
                    events.push(event.unwrap().revision.get());
                }
            }
        };
        tokio::join!(writing, reading);
        assert_eq!(events, (1..=40).collect::<Vec<_>>());
    });
}

#[test]
fn changes_by_others_are_seen_soon() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let (here, there) = (Embedded::open(&path).unwrap(), Embedded::open(&path).unwrap());
        let mut watch = here.watch("/", Revision::new(0));
        let mut slowest = Duration::ZERO;
        for number in 0..20 {
            let waiting = async {
                let event = tokio::time::timeout(SLOW, watch.next()).await.expect("not seen at all").unwrap();
                (event, Instant::now())
            };
            let writing = async {
                // The watch has found nothing, and waits.
                tokio::time::sleep(Duration::from_millis(15)).await;
                there.create(&format!("/{number}"), b"").await.unwrap();
                Instant::now()
            };
            let ((event, seen), written) = tokio::join!(waiting, writing);
            assert_eq!(event.key, format!("/{number}"));
            slowest = slowest.max(seen.saturating_duration_since(written));
        }
        // The poll interval is 10 ms; the rest is for a busy machine.
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
}

#[test]
fn changes_of_ones_own_are_seen_at_once() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let never = Duration::from_secs(86_400);
        let store = Options::default().poll_interval(never).open(dir.path().join("store.db")).unwrap();
        let mut watch = store.watch("/", Revision::new(0));
        for number in 0..20 {
            let writing = async {
                tokio::task::yield_now().await;
                store.create(&format!("/{number}"), b"").await.unwrap();
            };
            let (event, ()) = tokio::join!(tokio::time::timeout(SLOW, watch.next()), writing);
            assert_eq!(event.expect("not seen").unwrap().key, format!("/{number}"));
        }
    });
}
