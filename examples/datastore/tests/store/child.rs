//! This test binary, started once more as another process.

use core::time::Duration;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tortie_datastore::{Datastore, Error, Op, Options};

use crate::within;

/// Longer than any parent lets a child live: it is the parent who ends it.
const LIMIT: Duration = Duration::from_secs(3_600);

const JOB: &str = "TORTIE_TEST_JOB";
const PATH: &str = "TORTIE_TEST_PATH";
const COUNT: &str = "TORTIE_TEST_COUNT";
const NAME: &str = "TORTIE_TEST_NAME";

/// Starts a process that does `job` on the store at `path`; its output is piped.
pub(crate) fn spawn(job: &str, path: &Path, name: &str, count: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::entry", "--nocapture", "--test-threads=1"])
        .env(JOB, job)
        .env(PATH, path)
        .env(NAME, name)
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Opens a store that forgets nothing in the course of a test: a file, or etcd at an address.
pub(crate) fn open(path: &Path) -> Datastore {
    #[cfg(feature = "etcd")]
    if let Some(endpoint) = path.to_str().filter(|path| path.starts_with("http")) {
        return tortie_datastore::Etcd::new(&tortie_datastore::EtcdOptions::new([endpoint])).unwrap().into();
    }
    Options::default().keep_revisions(1_000_000).open(path).unwrap().into()
}

/// What a child does; no test when this binary is run as one.
#[test]
fn entry() {
    let Ok(job) = std::env::var(JOB) else { return };
    let path = std::env::var(PATH).unwrap();
    let name = std::env::var(NAME).unwrap();
    let count: u32 = std::env::var(COUNT).unwrap().parse().unwrap();
    let store = open(Path::new(&path));
    within(LIMIT, async {
        match job.as_str() {
            "increment" => increment(&store, count).await,
            "write" => write(&store, &name, count).await,
            "pairs" => pairs(&store).await,
            #[cfg(feature = "etcd")]
            "allocate" => crate::etcd::proof::allocate(store, &name, count).await,
            other => panic!("no job {other}"),
        }
    });
}

/// Adds one to the record `/counter`, `count` times, by compare-and-swap.
pub(crate) async fn increment(store: &Datastore, count: u32) {
    for _ in 0..count {
        loop {
            let result = match store.get("/counter").await.unwrap() {
                None => store.create("/counter", b"1").await,
                Some(found) => {
                    let number: u64 = String::from_utf8(found.value).unwrap().parse().unwrap();
                    store.update("/counter", (number + 1).to_string().as_bytes(), found.revision).await
                }
            };
            match result {
                Ok(_) => break,
                Err(Error::Conflict { .. } | Error::AlreadyExists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Writes `/log/<name>/<n>` for each n below `count`, and deletes every third of them again.
pub(crate) async fn write(store: &Datastore, name: &str, count: u32) {
    for number in 0..count {
        let key = format!("/log/{name}/{number:06}");
        let revision = store.create(&key, number.to_string().as_bytes()).await.unwrap();
        if number % 3 == 0 {
            store.delete(&key, revision).await.unwrap();
        }
    }
}

/// Sets `/pair/a` and `/pair/b` to 1, 2, 3... in one commit each, and prints each number once it is acknowledged.
async fn pairs(store: &Datastore) {
    loop {
        let listing = store.list("/pair/").await.unwrap();
        let number = match listing.items.as_slice() {
            [] => 1,
            [a, _] => String::from_utf8(a.value.clone()).unwrap().parse::<u64>().unwrap() + 1,
            other => panic!("half a pair: {other:?}"),
        };
        let value = number.to_string().into_bytes();
        let ops = ["/pair/a", "/pair/b"].map(|key| {
            let (key, value) = (key.to_owned(), value.clone());
            match listing.items.iter().find(|item| item.key == key) {
                None => Op::Create { key, value },
                Some(item) => Op::Update { key, value, revision: item.revision },
            }
        });
        store.commit(ops.to_vec()).await.unwrap();
        println!("acknowledged {number}");
    }
}
