//! Forgetting changes, and files that are no store.

use core::time::Duration;

use tortie_datastore::{Embedded, Error, Op, Options, Revision, WatchError};

use crate::block_on;

#[test]
fn a_watcher_that_is_too_late_lists_again() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = Options::default().keep_revisions(10).open(dir.path().join("store.db")).unwrap();
        let mut late = store.watch("/", Revision::new(0));
        let mut current = store.watch("/", Revision::new(0));
        let mut revision = store.create("/x", b"0").await.unwrap();
        for number in 1..100_u64 {
            assert_eq!(current.next().await.unwrap().revision, Revision::new(number));
            revision = store.update("/x", number.to_string().as_bytes(), revision).await.unwrap();
        }
        let Err(WatchError::Compacted { oldest }) = late.next().await else { panic!("not too late") };
        assert!((85..=90).contains(&oldest.get()), "{oldest}");
        assert!(matches!(late.next().await, Err(WatchError::Compacted { .. })), "and so it remains");
        // All that is kept can be read, from the very edge.
        let mut edge = store.watch("/", oldest);
        assert_eq!(edge.next().await.unwrap().revision.get(), oldest.get() + 1);

        let listing = store.list("/").await.unwrap();
        let mut again = store.watch("/", listing.revision);
        assert!(tokio::time::timeout(Duration::from_millis(30), again.next()).await.is_err());
        store.delete("/x", revision).await.unwrap();
        assert_eq!(again.next().await.unwrap().key, "/x");
    });
}

#[test]
fn a_watcher_between_two_changes_of_one_forgotten_commit_is_too_late() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path().join("store.db")).unwrap();
        let create = |number: u32| Op::Create { key: format!("/{number:04}"), value: Vec::new() };
        store.commit((0..1000).map(create).collect()).await.unwrap();
        let mut watch = store.watch("/", Revision::new(0));
        let first = watch.ready().await.unwrap();
        assert!(first.len() < 1000, "the commit is larger than a page");
        store.compact(Revision::new(1)).await.unwrap();
        assert!(matches!(watch.ready().await, Err(WatchError::Compacted { .. })));
        assert!(store.watch("/", Revision::new(1)).ready().await.unwrap().is_empty());
    });
}

#[test]
fn compaction_beyond_the_newest_revision_forgets_no_future() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path().join("store.db")).unwrap();
        let revision = store.create("/x", b"").await.unwrap();
        store.compact(Revision::new(u64::MAX)).await.unwrap();
        let mut watch = store.watch("/", revision);
        store.create("/y", b"").await.unwrap();
        assert_eq!(watch.next().await.unwrap().key, "/y");
        let from_the_future = store.watch("/", Revision::new(99)).ready().await;
        assert!(matches!(from_the_future, Err(WatchError::Compacted { .. })), "it has seen another file");
    });
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    std::fs::write(
        &text,
        "not a database, but long enough to have a header of one hundred octets ".repeat(9),
    )
    .unwrap();
    let before = std::fs::read(&text).unwrap();
    assert!(matches!(Embedded::open(&text), Err(Error::Unavailable(_))));
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let foreign = dir.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE kv (key TEXT)").unwrap();
    let error = Embedded::open(&foreign).unwrap_err().to_string();
    assert!(error.contains("not a tortie datastore"), "{error}");

    let newer = dir.path().join("newer.db");
    drop(Embedded::open(&newer).unwrap());
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    let error = Embedded::open(&newer).unwrap_err().to_string();
    assert!(error.contains("format 2"), "{error}");

    let error = Embedded::open(dir.path().join("no/such/folder.db")).unwrap_err();
    assert!(error.is_retryable(), "{error}");
}
