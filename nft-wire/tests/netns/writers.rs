//! Several writers at once: their transactions do not mix, none is lost, and a table with an owner is changed by nobody else.

use std::process::Command;
use std::thread;

use tortie_nft_wire::{
    Batch, Chain, CommitError, Data, Element, Entry, Family, Listing, Name, Options, Rule, Set, Socket,
    Table, Type,
};

use crate::{listed, must, name, namespaced};

const IPV4: Family = Family::IPV4;
const EPERM: i32 = 1;

fn table(table: &str, flags: u32) -> Batch {
    let mut batch = Batch::new();
    batch.add(IPV4, &Table::new(name(table)).flags(flags)).unwrap();
    batch
}

/// A set of a declared size: a dump of another, while the kernel makes its table larger, may tell an element twice.
fn numbers(table: &Name) -> Set {
    Set::of(table.clone(), name("s"), 1, Type::MARK, 4).size(1000)
}

/// The numbers in the set, in their order.
fn read(socket: &mut Socket, table: &Name) -> Vec<u32> {
    let set = name("s");
    let entries = socket.list(IPV4, Listing::Elements { table, set: &set }).unwrap();
    let mut numbers: Vec<u32> = entries
        .into_iter()
        .flat_map(|(_, entry)| match entry {
            Entry::Elements { elements, .. } => elements,
            other => panic!("{other:?}"),
        })
        .map(|element| match element.key {
            Some(Data::Value(key)) => u32::from_ne_bytes(key[..].try_into().unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Runs two writers in this thread's namespace at once. What one reads, the other may change each time, until it has done all
/// that it wants to: reading is not given up before.
fn at_once<T: Send>(write: impl Fn(u32, Socket) -> T + Sync) -> Vec<T> {
    let patient = Options::new().attempts(10_000);
    let sockets = [Socket::open_with(patient).unwrap(), Socket::open_with(patient).unwrap()];
    thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> =
            (0..).zip(sockets).map(|(number, socket)| scope.spawn(move || write(number, socket))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

#[test]
fn netns_two_writers_at_once_lose_nothing() {
    const EACH: u32 = 200;
    namespaced("netns_two_writers_at_once_lose_nothing", &[], || {
        let t = name("t");
        let mut batch = table("t", 0);
        batch.add(IPV4, &numbers(&t)).unwrap();
        Socket::open().unwrap().commit(&mut batch).unwrap();
        // Each element in a transaction of its own, whoever else writes.
        at_once(|writer, mut socket| {
            for number in 0..EACH {
                let mut batch = Batch::new();
                let element = Element::of((number * 2 + writer).to_ne_bytes());
                batch.add_elements(IPV4, &numbers(&t), &[element]).unwrap();
                socket.commit(&mut batch).unwrap();
            }
        });
        let mut socket = Socket::open().unwrap();
        assert_eq!(read(&mut socket, &t), (0..2 * EACH).collect::<Vec<_>>());
        let mut batch = Batch::new();
        batch.flush(IPV4, &numbers(&t)).unwrap();
        socket.commit(&mut batch).unwrap();
        // One reads, adds what is missing, and begins anew when the other was faster: every number is added once.
        let foreign: u32 = at_once(|_, mut socket| {
            let (mut added, mut foreign) = (0, 0);
            while added < EACH / 2 {
                let generation = socket.generation().unwrap();
                let next = u32::try_from(read(&mut socket, &t).len()).unwrap();
                let mut batch = Batch::at_generation(generation);
                batch.add_elements(IPV4, &numbers(&t), &[Element::of(next.to_ne_bytes())]).unwrap();
                match socket.commit(&mut batch) {
                    Ok(()) => added += 1,
                    Err(CommitError::Foreign) => foreign += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            foreign
        })
        .into_iter()
        .sum();
        assert_eq!(read(&mut socket, &t), (0..EACH).collect::<Vec<_>>());
        println!("two writers: {} transactions, {foreign} commits of the other were noticed", 3 * EACH);
    });
}

/// Whether the table `t` is there.
fn is_there() -> bool {
    listed().iter().any(|line| line.starts_with("table ip t "))
}

/// Whether the kernel refuses `socket` a chain in the table `t`.
fn is_refused(socket: &mut Socket) -> bool {
    let mut batch = Batch::new();
    batch.add(IPV4, &Chain::new(name("t"), name("theirs"))).unwrap();
    match socket.commit(&mut batch) {
        Ok(()) => false,
        Err(CommitError::Refused(refusals)) => {
            assert_eq!(refusals.iter().map(|refusal| refusal.errno).collect::<Vec<_>>(), [EPERM]);
            true
        }
        Err(error) => panic!("{error}"),
    }
}

/// Makes the table `t` with an owner; `None` where the kernel has no such flags.
fn owned(test: &str, flags: u32) -> Option<Socket> {
    let mut owner = Socket::open().unwrap();
    match owner.commit(&mut table("t", flags)) {
        Ok(()) => Some(owner),
        Err(error) => {
            println!("skipped {test}: this kernel refuses the flags {flags}: {error}");
            None
        }
    }
}

#[test]
fn netns_a_table_with_an_owner_alone_goes_with_its_socket() {
    const TEST: &str = "netns_a_table_with_an_owner_alone_goes_with_its_socket";
    namespaced(TEST, &["nft"], || {
        let Some(mut owner) = owned(TEST, Table::OWNER) else { return };
        let mut other = Socket::open().unwrap();
        assert!(is_refused(&mut other), "another may not change it");
        assert!(!is_refused(&mut owner), "its owner may");
        must("nft", &["flush", "ruleset"]);
        assert!(is_there(), "a flush by another leaves it");
        let entries = other.list(IPV4, Listing::Tables).unwrap();
        let [(_, Entry::Table(table))] = &entries[..] else { panic!("{entries:?}") };
        assert!(table.owner.is_some_and(|owner| owner > 0), "{table:?}");
        drop(owner);
        assert!(!is_there(), "its owner is gone, and so is it");
    });
}

#[test]
fn netns_a_table_with_owner_and_persist_stays() {
    const TEST: &str = "netns_a_table_with_owner_and_persist_stays";
    namespaced(TEST, &["nft"], || {
        let flags = Table::OWNER | Table::PERSIST;
        let Some(mut owner) = owned(TEST, flags) else { return };
        let mut batch = Batch::new();
        batch.add(IPV4, &Chain::new(name("t"), name("ours"))).unwrap();
        batch.add(IPV4, &Rule::new(name("t"), name("ours")).drop()).unwrap();
        owner.commit(&mut batch).unwrap();
        must("nft", &["flush", "ruleset"]);
        let deletes =
            || Command::new("nft").args(["delete", "table", "ip", "t"]).output().unwrap().status.success();
        assert!(!deletes(), "another may not delete it");
        let whole = |listed: Vec<String>| listed.contains(&"drop".to_owned());
        assert!(whole(listed()), "a flush by another leaves all of it");

        drop(owner);
        assert!(whole(listed()), "its owner is gone, it stays");
        let mut heir = Socket::open().unwrap();
        assert!(!is_refused(&mut heir), "but while it has no owner, anybody may change it");

        // Whoever says that it is the owner now takes it over as it is.
        heir.commit(&mut table("t", flags)).unwrap();
        assert!(whole(listed()), "what was in it stays");
        let mut other = Socket::open().unwrap();
        assert!(is_refused(&mut other) && !deletes(), "its new owner is the only one who may change it");
        assert!(other.commit(&mut table("t", flags)).is_err(), "a second one may not take it from its owner");
        must("nft", &["flush", "ruleset"]);
        assert!(whole(listed()), "a flush by another leaves all of it again");
        drop(heir);
        must("nft", &["flush", "ruleset"]);
        assert!(!is_there(), "a flush takes what has no owner: the next one must take over before that");
    });
}
