//! `kill -9` while a process writes.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use tortie_datastore::{Embedded, EventKind, Revision};

use crate::{block_on, child, scaled};

const KILLS: u32 = 12;

#[test]
fn a_killed_writer_leaves_whole_commits_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let mut written = 0;
    for round in 0..scaled(KILLS) {
        let mut child = child::spawn("pairs", &path, "", 0);
        let output = child.stdout.take().unwrap();
        let killer = std::thread::spawn(move || {
            // Spread over start-up, commits, and checkpoints of the log.
            std::thread::sleep(Duration::from_millis(u64::from(20 + round * 37 % 150)));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let acknowledged =
            lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok()).last();
        killer.join().unwrap();

        let store = Embedded::open(&path).unwrap();
        written = block_on(check(&store, written));
        assert!(acknowledged.is_none_or(|number| number <= written), "an acknowledged commit is lost");
    }
    assert!(written > 0, "every child died before its first commit");
}

/// Both halves are equal and of one revision, and the log after `from` tells the same story; returns the number.
async fn check(store: &Embedded, from: u64) -> u64 {
    let listing = store.list("/pair/").await.unwrap();
    let number = match listing.items.as_slice() {
        [] => 0,
        [a, b] => {
            assert_eq!((&a.value, a.revision), (&b.value, b.revision));
            assert_eq!(a.revision, listing.revision);
            String::from_utf8(a.value.clone()).unwrap().parse().unwrap()
        }
        other => panic!("half a pair: {other:?}"),
    };
    assert_eq!(listing.revision.get(), number, "each commit raised the number and the revision by one");
    let mut watch = store.watch("/pair/", Revision::new(from));
    let mut seen: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    assert!(number >= from, "a commit that was there is lost");
    for _ in 0..2 * (number - from) {
        let event = watch.next().await.unwrap();
        let EventKind::Put(value) = event.kind else { panic!("nothing was deleted") };
        seen.entry(event.revision.get()).or_default().push(value);
    }
    assert_eq!(seen.len() as u64, number - from);
    for (revision, values) in seen {
        assert_eq!(values, vec![revision.to_string().into_bytes(); 2]);
    }
    number
}
