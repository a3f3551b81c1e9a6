//! What the kernel refuses, by the path that names it.

use tortie_nft_wire::expr::{Lookup, Masq};
use tortie_nft_wire::{
    Attachment, Batch, Chain, CommitError, Element, Family, Hook, Object, ObjectData, Options, Part,
    Register, Selector, Set, Socket, Subject, Table, Type, expr,
};

use super::{name, namespaced, rule};

const FAMILY: Family = Family::INET;

fn ground() -> Batch {
    let mut batch = Batch::new();
    batch.add(FAMILY, &Table::new(name("t"))).unwrap();
    batch.add(FAMILY, &Chain::new(name("t"), name("c"))).unwrap();
    batch.add(FAMILY, &set("s").size(4)).unwrap();
    batch.add(FAMILY, &set("i").flags(Set::INTERVAL)).unwrap();
    batch.add_keys(FAMILY, &set("s"), [[10, 0, 0, 1]]).unwrap();
    batch.add(FAMILY, &rule("c").ipv4_saddr_in(name("s")).drop()).unwrap();
    batch
}

fn set(word: &str) -> Set {
    let id = u32::from(word.as_bytes()[0]);
    Set::of(name("t"), name(word), id, Type::IPV4_ADDR, 4)
}

/// What the kernel says of a batch of one message behind a good one.
fn refused(socket: &mut Socket, put: impl FnOnce(&mut Batch)) -> String {
    let mut batch = Batch::new();
    batch.add(FAMILY, &rule("c").counter()).unwrap();
    put(&mut batch);
    match socket.commit(&mut batch) {
        Err(CommitError::Refused(refusals)) => {
            let all: Vec<_> = refusals.iter().map(ToString::to_string).collect();
            all.join("\n")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn netns_each_refused_message_is_named_by_its_path() {
    namespaced("netns_each_refused_message_is_named_by_its_path", &[], || {
        let mut socket = Socket::open().unwrap();
        socket.commit(&mut ground()).unwrap();
        let generation = socket.generation().unwrap();
        let socket = &mut socket;
        let mut check = |want: &str, put: &dyn Fn(&mut Batch)| {
            assert_eq!(refused(socket, put), want);
        };
        check(
            "message 2: add rule inet t missing index 0 comment \"why\", its chain: \
             it, or something that it names, is not there (ENOENT)",
            &|batch| batch.add(FAMILY, &rule("missing").accept().comment("why")).unwrap(),
        );
        check(
            "message 2: add rule inet t c index 1, expression 2 (lookup): \
             it, or something that it names, is not there (ENOENT)",
            &|batch| {
                let lookup = Lookup::new(name("nowhere"), Register::R1);
                let rule = rule("c").counter().expr(Selector::Ipv4Saddr.load(Register::R1)).expr(lookup);
                batch.add(FAMILY, &rule).unwrap();
            },
        );
        check(
            "message 2: replace rule inet t c handle 999, its handle: \
             it, or something that it names, is not there (ENOENT)",
            &|batch| batch.replace(FAMILY, &rule("c").handle(999).accept()).unwrap(),
        );
        check("message 2: create table inet t, its name: it is there already (EEXIST)", &|batch| {
            batch.create(FAMILY, &Table::new(name("t"))).unwrap()
        });
        check(
            "message 2: delete set inet t s, its name: it is in use (EBUSY): something still refers to it",
            &|batch| batch.delete(FAMILY, &set("s")).unwrap(),
        );
        check(
            "message 2: flush chain inet t missing, its chain: \
             it, or something that it names, is not there (ENOENT)",
            &|batch| batch.flush_chain(FAMILY, &name("t"), &name("missing")).unwrap(),
        );
        check(
            "message 2: delete element 1 (key 0x0a000009) of set inet t s: \
             it, or something that it names, is not there (ENOENT)",
            &|batch| batch.delete_keys(FAMILY, &set("s"), [[10, 0, 0, 1], [10, 0, 0, 9]]).unwrap(),
        );
        check(
            "message 2: add element 3 (key 0x0a000005) of set inet t s: the set is full (ENFILE)",
            &|batch| {
                let keys = (2..6).map(|last| [10, 0, 0, last]);
                batch.add_keys(FAMILY, &set("s"), keys).unwrap();
            },
        );
        check(
            "message 2: add counter inet missing n, its table: \
             it, or something that it names, is not there (ENOENT)",
            &|batch| {
                let counter = ObjectData::Counter(expr::Counter::new());
                batch.add(FAMILY, &Object::new(name("missing"), name("n"), counter)).unwrap();
            },
        );
        assert_eq!(socket.generation().unwrap(), generation);
    });
}

#[test]
fn netns_an_element_of_many_messages_is_named() {
    namespaced("netns_an_element_of_many_messages_is_named", &[], || {
        let mut socket = Socket::open().unwrap();
        socket.commit(&mut ground()).unwrap();
        let mut batch = Batch::new();
        let list = set("z").size(100_000);
        batch.add(FAMILY, &list).unwrap();
        batch.add_keys(FAMILY, &list, (0..100_000_u32).map(u32::to_be_bytes)).unwrap();
        // Not there: the 70,001st of those that are deleted.
        let keys = (0..90_000_u32).map(|n| if n == 70_000 { u32::MAX } else { n });
        batch.delete_keys(FAMILY, &list, keys.map(u32::to_be_bytes)).unwrap();
        let Err(CommitError::Refused(refusals)) = socket.commit(&mut batch) else { panic!("not refused") };
        let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
        let Some(Part::Element { index, key }) = &refusal.path.part else { panic!("{refusal:?}") };
        assert_eq!((*index, key.as_deref()), (70_000, Some(&[0xff; 4][..])));
        assert!(matches!(&refusal.path.subject, Subject::Elements { first, count, .. }
            if (*first..first + count).contains(index)));
    });
}

#[test]
fn netns_what_is_wrong_with_the_whole_is_told_of_the_whole() {
    namespaced("netns_what_is_wrong_with_the_whole_is_told_of_the_whole", &[], || {
        let mut socket = Socket::open().unwrap();
        socket.commit(&mut ground()).unwrap();
        let mut batch = Batch::new();
        // Chains that jump in a circle, which is found when the whole is put into force, or before.
        for chain in ["a", "b"] {
            batch.add(FAMILY, &Chain::new(name("t"), name(chain))).unwrap();
        }
        let input = Attachment::new(Hook::INPUT, 0);
        batch.add(FAMILY, &Chain::new(name("t"), name("in")).base(name("filter"), input)).unwrap();
        batch.add(FAMILY, &rule("in").jump(name("a"))).unwrap();
        batch.add(FAMILY, &rule("a").jump(name("b"))).unwrap();
        batch.add(FAMILY, &rule("b").jump(name("a"))).unwrap();
        let Err(CommitError::Refused(refusals)) = socket.commit(&mut batch) else { panic!("not refused") };
        let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
        let circle = "message 6: add rule inet t b index 0: rules jump in a circle, or too deep (EMLINK)";
        assert_eq!(refusal.to_string(), circle);
        // Masquerade in a chain of the wrong type.
        let mut batch = Batch::new();
        let input = Attachment::new(Hook::INPUT, 0);
        batch.add(FAMILY, &Chain::new(name("t"), name("in")).base(name("filter"), input)).unwrap();
        batch.add(FAMILY, &rule("in").expr(Masq::new())).unwrap();
        let Err(CommitError::Refused(refusals)) = socket.commit(&mut batch) else { panic!("not refused") };
        let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
        assert_eq!((refusal.number, refusal.errno), (2, 95));
        // The socket is in step.
        assert!(socket.commit(&mut ground()).is_ok());
    });
}

#[test]
fn netns_more_refusals_than_there_is_room_for() {
    namespaced("netns_more_refusals_than_there_is_room_for", &[], || {
        let mut socket = Socket::open_with(Options::new().receive_buffer(8 << 10)).unwrap();
        socket.commit(&mut ground()).unwrap();
        let before = socket.generation().unwrap();
        for _ in 0..3 {
            let mut batch = Batch::new();
            (0..5_000).for_each(|_| batch.add(FAMILY, &rule("missing").accept()).unwrap());
            let Err(CommitError::Refused(refusals)) = socket.commit(&mut batch) else {
                panic!("not refused")
            };
            assert!((1..4_000).contains(&refusals.len()), "{}", refusals.len());
            for (index, refusal) in refusals.iter().enumerate() {
                assert_eq!(refusal.number as usize, index + 1);
                let Subject::Rule { index: place, .. } = refusal.path.subject else { panic!("{refusal:?}") };
                assert_eq!(place as usize, index);
            }
            assert_eq!(socket.generation().unwrap(), before);
            // And in step.
            assert_eq!(socket.list(FAMILY, tortie_nft_wire::Listing::Tables).unwrap().len(), 1);
        }
    });
}

#[test]
fn netns_intervals_are_what_they_say() {
    namespaced("netns_intervals_are_what_they_say", &["nft"], || {
        let mut socket = Socket::open().unwrap();
        let mut batch = ground();
        let ten = ([10, 0, 0, 0], [10, 255, 255, 255]);
        let next = ([11, 0, 0, 0], [11, 0, 0, 0]);
        let last = ([255, 255, 255, 0], [255, 255, 255, 255]);
        batch.add_intervals(FAMILY, &set("i"), [ten, next, last]).unwrap();
        socket.commit(&mut batch).unwrap();
        let want = "elements = { 10.0.0.0/8, 11.0.0.0,";
        assert!(super::listed().iter().any(|line| line.contains(want)), "{:?}", super::listed());
        // What overlaps what is there already, the kernel sees.
        let overlap = ([10, 1, 0, 0], [10, 1, 0, 255]);
        let said = refused(&mut socket, |batch| {
            batch.add_intervals(FAMILY, &set("i"), [([9, 0, 0, 0], [9, 0, 0, 1]), overlap]).unwrap();
        });
        assert!(said.contains("(key 0x0a010000) of set inet t i: it "), "{said}");
        // A batch that was sent goes on.
        let elements = [Element::of([10, 0, 0, 2])];
        batch.clear();
        batch.add_elements(FAMILY, &set("s"), &elements).unwrap();
        socket.commit(&mut batch).unwrap();
        batch.delete_intervals(FAMILY, &set("i"), [ten, last]).unwrap();
        batch.delete_elements(FAMILY, &set("s"), &elements).unwrap();
        socket.commit(&mut batch).unwrap();
        assert!(
            super::listed().iter().any(|line| line == "elements = { 11.0.0.0 }"),
            "{:?}",
            super::listed()
        );
    });
}
