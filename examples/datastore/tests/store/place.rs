//! A file that is removed, moved, replaced or empty.

use core::time::Duration;
use std::fs;
use std::path::Path;

use tortie_datastore::{Datastore, Embedded, Error, Location, Options, Revision, WatchError};

use crate::block_on;

/// What every operation says.
async fn fails(store: &Datastore, what: &str) {
    let results = [
        store.get("/a").await.map(drop),
        store.list("").await.map(drop),
        store.list_all(&["/a"]).await.map(drop),
        store.create("/b", b"").await.map(drop),
        store.compact(Revision::new(1)).await,
        store.revision().await.map(drop),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)) && error.to_string().contains(what), "{error}");
    }
}

fn rename(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let name = |path: &Path| format!("{}{end}", path.display());
        fs::rename(name(from), name(to)).unwrap();
    }
}

#[test]
fn a_file_that_is_removed_is_no_store_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let [path, away] = ["store.db", "away.db"].map(|name| folder.path().join(name));
    let store: Datastore = Embedded::open(&path).unwrap().into();
    block_on(async {
        let first = store.create("/a", b"1").await.unwrap();
        let mut watch = store.watch("", first);
        let woken = tokio::spawn(async move { (watch.next().await, watch) });
        tokio::time::sleep(Duration::from_millis(50)).await;

        rename(&path, &away);
        fails(&store, "is not there any more").await;
        let (woken, mut watch) = woken.await.unwrap();
        assert!(matches!(&woken, Err(WatchError::Store(Error::Unavailable(_)))), "{woken:?}");

        rename(&away, &path);
        assert_eq!(store.get("/a").await.unwrap().unwrap().value, b"1");
        store.update("/a", b"2", first).await.unwrap();
        assert_eq!(watch.next().await.unwrap().key, "/a");

        // Whoever opens it makes another, which has nothing to do with it.
        rename(&path, &away);
        let other: Datastore = Embedded::open(&path).unwrap().into();
        fails(&store, "another file is in the place").await;
        assert!(watch.next().await.is_err());
        other.create("/c", b"").await.unwrap();
        assert_eq!(other.list("").await.unwrap().items.len(), 1);
        drop(other);

        // What was written before is still in the old one.
        rename(&away, &path);
        assert_eq!(store.get("/a").await.unwrap().unwrap().value, b"2");
    });
}

/// Nothing is made of a file that is not there, or has nothing in it, but on request.
#[test]
fn a_store_is_made_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let files = || fs::read_dir(folder.path()).unwrap().count();
    let existing = || Options::default().create(false).open(&path);
    assert!(matches!(existing(), Err(Error::Unavailable(_))));
    assert_eq!(files(), 0);
    fs::write(&path, "").unwrap();
    let error = existing().unwrap_err();
    assert!(error.to_string().contains("the file is empty"), "{error}");
    assert_eq!((files(), fs::metadata(&path).unwrap().len()), (1, 0));
    drop(Location::File(path.clone()).open().unwrap());
    drop(existing().unwrap());
    drop(Location::File(path.clone()).open_existing().unwrap());
}

/// Somebody empties the file, as `> store.db` does: it keeps its name, and SQLite what it has of it in the log and in memory.
#[test]
fn a_file_that_is_emptied_is_no_store() {
    for is_in_log in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store: Datastore = Embedded::open(&path).unwrap().into();
        block_on(async {
            let first = store.create("/a", b"1").await.unwrap();
            if !is_in_log {
                // Whoever is the last to close it empties the log.
                let other = rusqlite::Connection::open(&path).unwrap();
                other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            }
            let mut watch = store.watch("", first);
            let woken = tokio::spawn(async move { watch.next().await });
            tokio::time::sleep(Duration::from_millis(50)).await;
            fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            fails(&store, "is empty").await;
            let woken = tokio::time::timeout(Duration::from_secs(5), woken).await.unwrap().unwrap();
            assert!(matches!(&woken, Err(WatchError::Store(Error::Unavailable(_)))), "{woken:?}");
        });
        drop(store);
        let log = fs::read(folder.path().join("store.db-wal")).unwrap();
        assert_eq!(log.is_empty(), !is_in_log, "whoever closes it leaves its log");
        let error = Location::File(path.clone()).open_existing().unwrap_err();
        assert!(error.to_string().contains("the file is empty"), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().len(), 0, "nothing is written to it");
        assert_eq!(fs::read(folder.path().join("store.db-wal")).unwrap(), log, "nor is its log removed");
    }
}

/// SQLite removes a log by its name, which may be that of another file's by then.
#[test]
fn whoever_closes_it_last_leaves_an_empty_log_and_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let [path, alone] = ["store.db", "alone.db"].map(|name| folder.path().join(name));
    let store: Datastore = Embedded::open(&path).unwrap().into();
    block_on(store.create("/a", b"1")).unwrap();
    drop(store);
    let log = folder.path().join("store.db-wal");
    // Its threads end by and by.
    let mut tries = 0..500;
    while fs::metadata(&log).unwrap().len() > 0 && tries.next().is_some() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    fs::copy(&path, &alone).unwrap();
    let copy = Location::File(alone).open_existing().unwrap();
    assert_eq!(block_on(copy.get("/a")).unwrap().unwrap().value, b"1");
}
