//! Sockets: features, changes by others, a whole ruleset at one generation, and tokio.

use core::time::Duration;
use std::io;
use std::process::Command;

use tortie_nft_wire::{
    Batch, Chain, CommitError, Entry, Event, Events, Family, Feature, Features, Listing, Options, Set,
    Socket, Table, Type,
};

use super::{load, must, name, namespaced, rule};

const FAMILY: Family = Family::INET;
const SOON: Option<Duration> = Some(Duration::from_secs(5));

fn batch() -> Batch {
    let mut batch = Batch::new();
    batch.add(FAMILY, &Table::new(name("t"))).unwrap();
    batch.add(FAMILY, &Chain::new(name("t"), name("c"))).unwrap();
    batch.add(FAMILY, &rule("c").counter().accept()).unwrap();
    batch
}

fn many() -> (Set, Batch) {
    let set = Set::of(name("t"), name("many"), 1, Type::IPV4_ADDR, 4).size(200_000);
    let mut batch = batch();
    batch.add(FAMILY, &set).unwrap();
    batch.add_keys(FAMILY, &set, (0..100_000_u32).map(u32::to_be_bytes)).unwrap();
    (set, batch)
}

#[test]
fn netns_features_are_found_and_nothing_changes() {
    namespaced("netns_features_are_found_and_nothing_changes", &["nft"], || {
        let mut events = Events::open(Options::new()).unwrap();
        let mut socket = Socket::open().unwrap();
        let generation = socket.generation().unwrap();
        let features = socket.features().unwrap();
        let missing: Features =
            Feature::ALL.iter().copied().filter(|feature| !features.has(*feature)).collect();
        println!("this kernel has: {features}\nand has not: {missing}");
        // What every kernel has that runs these tests.
        for feature in [Feature::Interval, Feature::ConcatInterval, Feature::Ct, Feature::Limit, Feature::Nat]
        {
            assert!(features.has(feature), "{feature}");
        }
        assert_eq!(socket.generation().unwrap(), generation);
        assert_eq!(events.poll().unwrap(), None);
        assert_eq!(must("nft", &["list", "ruleset"]), "");
        assert_eq!(socket.features().unwrap(), features);
    });
}

#[test]
fn netns_changes_of_others_are_told() {
    namespaced("netns_changes_of_others_are_told", &["nft"], || {
        let mut socket = Socket::open().unwrap();
        let mut events = Events::open(Options::new()).unwrap();
        socket.commit(&mut batch()).unwrap();
        let mut told = Vec::new();
        let generation = loop {
            match events.next(SOON).unwrap() {
                Event::Generation { generation, port } => {
                    assert_eq!(port, socket.id().unwrap());
                    break generation.id;
                }
                Event::Added { port, family, entry } => {
                    assert_eq!((port, family), (socket.id().unwrap(), FAMILY));
                    told.push(entry);
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(socket.generation().unwrap(), generation);
        assert!(matches!(told.as_slice(), [Entry::Table(_), Entry::Chain(_), Entry::Rule(_)]), "{told:?}");

        load("delete table inet t\n");
        let mut told = Vec::new();
        let by = loop {
            match events.next(SOON).unwrap() {
                Event::Generation { generation, port } => {
                    assert_ne!(port, socket.id().unwrap());
                    break generation.process_name.unwrap();
                }
                Event::Deleted { entry, .. } => told.push(entry),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(by, name("nft"));
        assert!(told.iter().any(|entry| matches!(entry, Entry::Table(table) if table.name == name("t"))));
        assert_eq!(events.next(Some(Duration::from_millis(10))).unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn netns_lost_changes_are_told_as_lost() {
    namespaced("netns_lost_changes_are_told_as_lost", &[], || {
        let mut socket = Socket::open().unwrap();
        let mut events = Events::open(Options::new().receive_buffer(16 << 10)).unwrap();
        socket.commit(&mut many().1).unwrap();
        let mut is_lost = false;
        while let Some(event) = events.poll().unwrap() {
            is_lost |= event == Event::Lost;
        }
        assert!(is_lost);
        // What comes later is told again.
        let mut batch = Batch::new();
        batch.delete(FAMILY, &Table::new(name("t"))).unwrap();
        socket.commit(&mut batch).unwrap();
        assert!(matches!(events.next(SOON).unwrap(), Event::Deleted { .. } | Event::Lost));
    });
}

#[test]
fn netns_a_ruleset_is_of_one_generation() {
    namespaced("netns_a_ruleset_is_of_one_generation", &[], || {
        let mut socket = Socket::open().unwrap();
        let (_, mut all) = many();
        socket.commit(&mut all).unwrap();
        let (generation, entries) = socket.ruleset(FAMILY).unwrap();
        let count = |is: fn(&Entry) -> usize| entries.iter().map(|(_, entry)| is(entry)).sum::<usize>();
        assert_eq!(count(|entry| matches!(entry, Entry::Table(_)).into()), 1);
        assert_eq!(count(|entry| matches!(entry, Entry::Chain(_)).into()), 1);
        assert_eq!(count(|entry| matches!(entry, Entry::Rule(_)).into()), 1);
        assert_eq!(count(|entry| matches!(entry, Entry::Set(_)).into()), 1);
        let elements = count(|entry| match entry {
            Entry::Elements { elements, .. } => elements.len(),
            _ => 0,
        });
        assert_eq!(elements, 100_000);

        // What rests on it is taken once.
        let mut again = batch();
        again.set_generation(Some(generation));
        socket.commit(&mut again).unwrap();
        assert!(matches!(socket.commit(&mut again), Err(CommitError::Foreign)));
        let rules = Listing::RulesOf { table: &name("t"), chain: &name("c") };
        assert_eq!(socket.list(FAMILY, rules).unwrap().len(), 2);
    });
}

#[test]
fn netns_a_dump_that_others_disturb_is_read_anew() {
    namespaced("netns_a_dump_that_others_disturb_is_read_anew", &[], || {
        let mut socket = Socket::open_with(Options::new().attempts(1_000)).unwrap();
        let (set, mut all) = many();
        socket.commit(&mut all).unwrap();
        let namespace = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                use std::os::fd::AsFd;
                let mut other = Socket::open_in(namespace.as_fd(), Options::new()).unwrap();
                let key = [[9, 9, 9, 9]];
                for round in 0..200 {
                    let mut batch = Batch::new();
                    if round % 2 == 0 {
                        batch.delete_keys(FAMILY, &set, [[0, 0, 0, 1]]).unwrap();
                        batch.add_keys(FAMILY, &set, key).unwrap();
                    } else {
                        batch.add_keys(FAMILY, &set, [[0, 0, 0, 1]]).unwrap();
                        batch.delete_keys(FAMILY, &set, key).unwrap();
                    }
                    other.commit(&mut batch).unwrap();
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
            let elements = Listing::Elements { table: &name("t"), set: &name("many") };
            let mut reads = 0;
            while !writer.is_finished() {
                let read = socket.list(FAMILY, elements).unwrap();
                let count: usize = read
                    .iter()
                    .map(|(_, entry)| match entry {
                        Entry::Elements { elements, .. } => elements.len(),
                        _ => 0,
                    })
                    .sum();
                // Each transaction takes one and puts one.
                assert_eq!(count, 100_000);
                reads += 1;
            }
            println!("{reads} dumps beside 200 transactions");
        });
    });
}

/// Says to the test below that it runs inside of a user namespace.
const INSIDE: &str = "TORTIE_NFT_INSIDE";

#[test]
fn netns_a_batch_is_never_cut() {
    const TEST: &str = "sockets::netns_a_batch_is_never_cut";
    if std::env::var_os(INSIDE).is_none() {
        // Who has no rights outside may not have any size of buffer.
        let this = std::env::current_exe().unwrap();
        let outcome = Command::new("unshare")
            .args(["-Urn", "--"])
            .arg(this)
            .args(["--exact", TEST, "--nocapture"])
            .env(INSIDE, "1")
            .output();
        let Ok(outcome) = outcome else { return println!("skipped {TEST}: there is no `unshare`") };
        let said = String::from_utf8_lossy(&outcome.stdout);
        if said.is_empty() {
            return println!("skipped {TEST}: {}", String::from_utf8_lossy(&outcome.stderr));
        }
        assert!(outcome.status.success(), "{said}{}", String::from_utf8_lossy(&outcome.stderr));
        return print!("{said}");
    }
    let mut socket = Socket::open().unwrap();
    socket.commit(&mut batch()).unwrap();
    let mut large = Batch::new();
    for shift in 16..23_u32 {
        large.clear();
        let set = Set::of(name("t"), name("many"), 1, Type::IPV4_ADDR, 4).size(1 << shift);
        large.add(FAMILY, &set).unwrap();
        large.add_keys(FAMILY, &set, (0..1_u32 << shift).map(u32::to_be_bytes)).unwrap();
        large.delete(FAMILY, &set).unwrap();
        let generation = socket.generation().unwrap();
        match socket.commit(&mut large) {
            Ok(()) => assert_ne!(socket.generation().unwrap(), generation),
            Err(CommitError::TooLarge { len, room }) => {
                assert!(len > room && len == large.len_octets(), "{len} {room}");
                println!("{len} bytes are too many for the {room} that may be sent");
                // Nothing was sent, and what fits still goes.
                assert_eq!(socket.generation().unwrap(), generation);
                return socket.commit(&mut batch()).unwrap();
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    println!("{} bytes may be sent here", large.len_octets());
}

#[cfg(feature = "tokio")]
mod tokio {
    use tortie_nft_wire::{AsyncEvents, AsyncSocket};

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn netns_tokio_commits_lists_and_hears() {
        namespaced("netns_tokio_commits_lists_and_hears", &[], || {
            block_on(async {
                let mut socket = AsyncSocket::open(Options::new()).unwrap();
                let mut events = AsyncEvents::open(Options::new()).unwrap();
                let before = socket.generation().await.unwrap();
                let heard = async {
                    loop {
                        if let Event::Generation { generation, port } = events.next().await.unwrap() {
                            return (generation.id, port);
                        }
                    }
                };
                let committed = async {
                    socket.commit(&mut batch()).await.unwrap();
                    socket.id().unwrap()
                };
                let ((generation, port), id) = ::tokio::join!(heard, committed);
                assert_eq!((generation, port), (before + 1, id));
                assert_eq!(socket.list(FAMILY, Listing::Rules).await.unwrap().len(), 1);
                let (generation, entries) = socket.ruleset(FAMILY).await.unwrap();
                assert_eq!((generation, entries.len()), (before + 1, 3));
                assert_eq!(socket.features().await.unwrap(), Socket::open().unwrap().features().unwrap());

                let mut refused = Batch::new();
                refused.add(FAMILY, &rule("missing").accept()).unwrap();
                let error = socket.commit(&mut refused).await.unwrap_err();
                assert!(error.to_string().contains("add rule inet t missing index 0"), "{error}");
                let patience = Duration::from_millis(5);
                let error = events.next_within(patience).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            });
        });
    }

    #[test]
    fn netns_tokio_stays_in_step_where_a_future_is_dropped() {
        namespaced("netns_tokio_stays_in_step_where_a_future_is_dropped", &[], || {
            block_on(async {
                let mut socket = AsyncSocket::open(Options::new()).unwrap();
                let (_, mut all) = many();
                // Dropped while it is being sent.
                let sent = ::tokio::time::timeout(Duration::from_millis(5), socket.commit(&mut all)).await;
                println!("dropped before its end: {}", sent.is_err());
                socket.commit(&mut batch()).await.unwrap();
                // And dropped while it is being read.
                let elements = Listing::Elements { table: &name("t"), set: &name("many") };
                let _ = ::tokio::time::timeout(Duration::from_micros(1), socket.list(FAMILY, elements)).await;
                assert_eq!(socket.list(FAMILY, Listing::Tables).await.unwrap().len(), 1);
                let mut count = 0;
                for (_, entry) in socket.list(FAMILY, elements).await.unwrap() {
                    if let Entry::Elements { elements, .. } = entry {
                        count += elements.len();
                    }
                }
                assert_eq!(count, 100_000);
            });
        });
    }
}
