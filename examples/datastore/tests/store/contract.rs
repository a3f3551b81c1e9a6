//! What the address allocator relies on, held against every store.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tortie_datastore::resource::RECORD_LIMIT;
use tortie_datastore::{Embedded, Error};
use tortie_ipam::{ListOptions, MemoryStore, Op, Revision, Store, StoreError, Versioned};

use crate::{block_on, scaled};

const CASES: u32 = 24;
const STEPS: usize = 40;
const KEYS: [&str; 5] = ["/k", "/k/1", "/k/2", "/k/2/x", "/l"];

#[test]
fn the_store_in_memory_keeps_the_contract() {
    block_on(holds(&MemoryStore::new()));
}

#[test]
fn the_embedded_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    block_on(holds(&Embedded::open(dir.path().join("store.db")).unwrap()));
}

#[test]
fn the_embedded_store_is_like_the_one_in_memory() {
    same(scaled(CASES), || {
        let dir = tempfile::tempdir().unwrap();
        (Embedded::open(dir.path().join("store.db")).unwrap(), dir)
    });
}

/// The contract, clause by clause, on a store without keys under `/x/` and `/y`.
pub(crate) async fn holds(store: &impl Store) {
    for key in ["/x/1", "/x/2", "/x/3", "/y"] {
        store.create(key, key.as_bytes()).await.unwrap();
    }
    let keys = async |options: ListOptions| {
        let items = store.list("/x/", &options).await.unwrap();
        items.into_iter().map(|item| (item.key, item.value.len())).collect::<Vec<_>>()
    };
    let all = vec![("/x/1".to_owned(), 4), ("/x/2".to_owned(), 4), ("/x/3".to_owned(), 4)];
    assert_eq!(keys(ListOptions::new()).await, all);
    assert_eq!(keys(ListOptions::new().limit(2)).await, all[..2]);
    assert_eq!(keys(ListOptions::new().limit(0)).await, []);
    assert_eq!(keys(ListOptions::new().after("/x/1")).await, all[1..]);
    assert_eq!(keys(ListOptions::new().after("/x/1").limit(1).keys_only()).await, [("/x/2".to_owned(), 0)]);
    assert_eq!(keys(ListOptions::new().after("/a")).await, all);
    assert_eq!(keys(ListOptions::new().after("/x/3")).await, []);
    assert_eq!(keys(ListOptions::new().after("/z")).await, []);

    let found = store.get("/y").await.unwrap().unwrap();
    assert_eq!(store.create("/y", b"").await, Err(StoreError::AlreadyExists));
    assert_eq!(store.update("/z", b"", found.revision).await, Err(StoreError::NotFound));
    assert_eq!(store.update("/z", b"", Revision::new(0)).await, Err(StoreError::NotFound));
    assert_eq!(store.update("/y", b"", Revision::new(0)).await, Err(StoreError::Conflict));
    assert_eq!(store.delete("/y", Revision::new(u64::MAX)).await, Err(StoreError::Conflict));
    let newer = store.update("/y", b"2", found.revision).await.unwrap();
    assert_eq!(store.update("/y", b"3", found.revision).await, Err(StoreError::Conflict));
    assert_eq!(store.delete("/y", found.revision).await, Err(StoreError::Conflict));
    store.delete("/y", newer).await.unwrap();
    assert_eq!(store.delete("/y", newer).await, Err(StoreError::NotFound));
    let again = store.create("/y", b"4").await.unwrap();
    assert!(again != newer && again != found.revision, "a revision recurred");

    // All or nothing; each part is judged by what was there before.
    let check = |key: &str, revision| Op::Check { key: key.to_owned(), revision };
    let create = |key: &str| Op::Create { key: key.to_owned(), value: b"c".to_vec() };
    store.commit(&[check("/none", None)]).await.unwrap();
    assert_eq!(store.commit(&[create("/x/4"), check("/none", Some(again))]).await, Err(StoreError::Conflict));
    assert_eq!(
        store.commit(&[create("/x/4"), check("/none", Some(Revision::new(0)))]).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.commit(&[create("/x/4"), create("/y")]).await, Err(StoreError::AlreadyExists));
    assert_eq!(keys(ListOptions::new()).await, all, "half a commit was done");
    let gone = Op::Delete { key: "/y".to_owned(), revision: again };
    let one = store.commit(&[create("/x/4"), check("/y", Some(again)), gone, create("/x/5")]).await.unwrap();
    assert_eq!(store.get("/y").await.unwrap(), None);
    for key in ["/x/4", "/x/5"] {
        assert_eq!(store.get(key).await.unwrap().unwrap().revision, one);
    }
}

/// The longest record is taken, and one of 10 MB refused with what to do, however it is written; nothing of its commit is done.
#[test]
fn the_embedded_store_takes_no_more_than_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path().join("store.db")).unwrap();
    block_on(async {
        let key = format!("/{}", "k".repeat(10_000));
        let first = store.create(&key, &vec![b'x'; RECORD_LIMIT]).await.unwrap();
        let create = Op::Create { key: "/a".to_owned(), value: Vec::new() };
        let update = Op::Update { key: key.clone(), value: vec![b'x'; 10_000_000], revision: first };
        for refused in [
            store.commit(vec![create, update]).await.unwrap_err(),
            store.create("/b", &vec![b'x'; RECORD_LIMIT + 1]).await.unwrap_err(),
        ] {
            let text = refused.to_string();
            assert!(matches!(refused, Error::Refused(_)) && !refused.is_retryable(), "{text}");
            assert!(text.contains("a record has at most 1572864 octets, and this has 1"), "{text}");
            assert!(text.ends_with("split it") && text.len() < 800, "{text}");
        }
        let there = store.list("/").await.unwrap().items;
        assert_eq!(there.iter().map(|item| item.value.len()).collect::<Vec<_>>(), [RECORD_LIMIT]);
    });
}

#[derive(Clone, Copy, Debug)]
enum What {
    Create(u8),
    Update(u8),
    Delete,
    Check,
}

/// Which revision is expected: this many writes of the key ago.
type Age = usize;

fn step() -> impl Strategy<Value = (usize, What, Age)> {
    let what = prop_oneof![
        3 => any::<u8>().prop_map(What::Create),
        4 => any::<u8>().prop_map(What::Update),
        2 => Just(What::Delete),
        1 => Just(What::Check),
    ];
    (0..KEYS.len(), what, prop_oneof![8 => Just(0), 1 => 1_usize..3])
}

/// So many times, does random commits on a new store and on one in memory: both answer the same, and hold the same.
pub(crate) fn same<S: Store, G>(cases: u32, make: impl Fn() -> (S, G)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let after = prop::option::of(select(&KEYS[..]));
    let list = (select(&["", "/k", "/k/", "/none"][..]), after, prop::option::of(0_usize..4), any::<bool>());
    let commits = prop::collection::vec((prop::collection::vec(step(), 1..4), list), STEPS);
    TestRunner::new_with_rng(config, random)
        .run(&commits, |commits| {
            let (store, _guard) = make();
            block_on(async {
                let twin = MemoryStore::new();
                // The revisions that each key had, in both stores; the last is the newest.
                let mut seen: Vec<Vec<[Revision; 2]>> = vec![Vec::new(); KEYS.len()];
                for (steps, (prefix, after, limit, keys_only)) in commits {
                    let of = |which: usize| ops(&steps, &seen, which);
                    let (want, got) = (twin.commit(&of(0)).await, store.commit(&of(1)).await);
                    assert_eq!(want.as_ref().err(), got.as_ref().err(), "{:?}", of(0));
                    if let (Ok(want), Ok(got)) = (want, got) {
                        for op in of(0) {
                            if matches!(op, Op::Create { .. } | Op::Update { .. }) {
                                let key = KEYS.iter().position(|key| *key == op.key()).unwrap();
                                seen[key].push([want, got]);
                            }
                        }
                    }
                    let mut options = ListOptions::new();
                    (options.after, options.limit, options.keys_only) =
                        (after.map(str::to_owned), limit, keys_only);
                    let plain = |items: Vec<Versioned>| {
                        items.into_iter().map(|item| (item.key, item.value)).collect::<Vec<_>>()
                    };
                    let want = twin.list(prefix, &options).await.unwrap();
                    assert_eq!(
                        plain(store.list(prefix, &options).await.unwrap()),
                        plain(want),
                        "{prefix} {options:?}"
                    );
                }
            });
            Ok(())
        })
        .unwrap();
}

/// The steps as one store sees them; of several for one key only the first.
fn ops(steps: &[(usize, What, Age)], seen: &[Vec<[Revision; 2]>], which: usize) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    for (key, what, age) in steps {
        let had = &seen[*key];
        let revision = had.len().checked_sub(1 + age).map(|index| had[index][which]);
        let expected = revision.unwrap_or(Revision::new(0));
        let key = KEYS[*key].to_owned();
        if ops.iter().any(|op| op.key() == key) {
            continue;
        }
        ops.push(match *what {
            What::Create(value) => Op::Create { key, value: vec![value] },
            What::Update(value) => Op::Update { key, value: vec![value], revision: expected },
            What::Delete => Op::Delete { key, revision: expected },
            What::Check => Op::Check { key, revision },
        });
    }
    ops
}
