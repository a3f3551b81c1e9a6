//! What was written is read as it was, and hostile bytes are read as far as they go.
#![expect(clippy::unwrap_used, reason = "test code")]

use proptest::prelude::*;
use tortie_nft_wire::expr::{Counter, Limit, Log, Quota};
use tortie_nft_wire::{
    Attachment, Batch, Bytes, Chain, CtState, Data, Element, EncodeError, Entry, Expr, ExprBuf, Family, Hook,
    Messages, Name, NameError, Object, Policy, Register, Rule, RuleBuf, Selector, Set, Table, Type, Verdict,
};

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn rule() -> Rule {
    Rule::new(name("t"), name("c"))
}

/// The entries of a batch, without the messages that begin and end it.
fn read(batch: &mut Batch) -> Vec<Entry> {
    let len = batch.len() as usize;
    let entries: Vec<Entry> = Messages::new(batch.finish())
        .skip(1)
        .filter_map(|message| message.entry())
        .map(|(_, entry)| entry)
        .collect();
    assert_eq!(entries.len(), len);
    entries
}

#[test]
fn a_rule_that_is_written_while_it_is_made_is_the_same() {
    let rules = [
        rule(),
        rule().iifname("eth*").saddr("10.0.0.0/8".parse::<ipnet::IpNet>().unwrap()).dport(6, 443).accept(),
        rule().ct_state(CtState::NEW).expr(Log { group: Some(3), ..Log::new() }).comment("a rule").drop(),
        rule().expr(Expr::Other { name: Bytes::from_slice(b"new"), data: Bytes::from_slice(&[4, 0, 1, 0]) }),
    ];
    let mut written = RuleBuf::new(&name("t"), &name("c"));
    for rule in rules {
        written.clear();
        for expr in &rule.exprs {
            written.expr(expr);
        }
        if let Some(comment) = rule.comment_text() {
            written.comment(&comment);
        }
        let (mut one, mut other) = (Batch::new(), Batch::new());
        one.add(Family::INET, &rule).unwrap();
        other.add(Family::INET, &written).unwrap();
        assert_eq!(one.finish(), other.finish(), "{rule:?}");
    }

    // Some of them written beforehand.
    let whole = rule().saddr("10.0.0.0/8".parse::<ipnet::IpNet>().unwrap()).dport(6, 443).accept();
    for at in 0..=whole.exprs.len() {
        let (before, after) = whole.exprs.split_at(at);
        let [before, after] = [before, after].map(|exprs| {
            let mut written = ExprBuf::new();
            for expr in exprs {
                written.expr(expr);
            }
            assert_eq!((written.len(), written.is_empty()), (exprs.len(), exprs.is_empty()));
            written
        });
        written.clear();
        written.exprs(&before).exprs(&after);
        let (mut one, mut other) = (Batch::new(), Batch::new());
        one.add(Family::INET, &whole).unwrap();
        other.add(Family::INET, &written).unwrap();
        assert_eq!(one.finish(), other.finish(), "{at}");
    }

    // In another chain, by its own type.
    written.set_chain(&name("u"), &name("d"));
    let counter = Counter { bytes: Some(7), ..Counter::new() };
    written.expr(&Selector::Dport.load(Register::R1)).expr(&counter);
    let mut batch = Batch::new();
    batch.add(Family::INET, &written).unwrap();
    assert_eq!(
        read(&mut batch),
        [Entry::Rule(Rule::new(name("u"), name("d")).expr(Selector::Dport.load(Register::R1)).expr(counter))]
    );
}

#[test]
fn what_is_wrong_with_a_rule_that_is_written_is_told_until_it_is_cleared() {
    let mut rule = RuleBuf::new(&name("t"), &name("c"));
    let mut told = |write: &dyn Fn(&mut RuleBuf)| {
        rule.clear();
        write(&mut rule);
        let mut batch = Batch::new();
        let told = batch.add(Family::INET, &rule);
        assert_eq!(batch.is_empty(), told.is_err());
        told
    };
    let many = |count: usize| {
        move |rule: &mut RuleBuf| {
            for _ in 0..count {
                rule.expr(&Counter::new());
            }
        }
    };
    assert_eq!(told(&many(128)), Ok(()));
    assert_eq!(told(&many(129)), Err(EncodeError::TooManyExpressions { len: 129, max: 128 }));
    let long = Log { prefix: Some(Bytes::from_slice(&[b'a'; 70_000])), ..Log::new() };
    assert_eq!(
        told(&|rule| {
            rule.expr(&long).expr(&Counter::new());
        }),
        Err(EncodeError::TooLarge)
    );
    let mut half = ExprBuf::new();
    for _ in 0..65 {
        half.expr(&Counter::new());
    }
    assert_eq!(
        told(&|rule| {
            rule.exprs(&half).exprs(&half);
        }),
        Err(EncodeError::TooManyExpressions { len: 130, max: 128 })
    );
    let mut cut = ExprBuf::new();
    cut.expr(&long).expr(&Counter::new());
    assert_eq!(
        told(&|rule| {
            rule.exprs(&cut);
        }),
        Err(EncodeError::TooLarge)
    );
    let text = |at, character| Err(EncodeError::Text { at, character });
    assert_eq!(
        told(&|rule| {
            rule.comment("a\"b");
        }),
        text(1, '"')
    );
    assert_eq!(
        told(&|rule| {
            rule.comment("a\u{7f}");
        }),
        text(1, '\u{7f}')
    );
    assert_eq!(
        told(&|rule| {
            rule.comment("\u{fc}ber");
        }),
        Ok(())
    );
    assert_eq!(
        told(&|rule| {
            rule.comment(&"a".repeat(129));
        }),
        Err(EncodeError::TextTooLong { len: 129, max: 128 })
    );
    let twice = |rule: &mut RuleBuf| {
        rule.comment(&"a".repeat(128)).comment(&"b".repeat(128));
    };
    assert_eq!(told(&twice), Err(EncodeError::Userdata { len: 262, max: 256 }));
    assert_eq!(told(&|_| ()), Ok(()));
}

#[test]
fn what_was_written_is_read() {
    let table = Table::new(name("t")).flags(Table::DORMANT);
    let attachment = Attachment { device: Some(name("eth0")), ..Attachment::new(Hook::INGRESS, -500) };
    let chain = Chain::new(name("t"), name("c")).base(name("filter"), attachment).policy(Policy::DROP);
    let rule = rule()
        .iifname("eth*")
        .saddr("10.0.0.0/8".parse::<ipnet::IpNet>().unwrap())
        .dport(6, 443)
        .ct_state(CtState::NEW)
        .expr(Limit { burst: Some(2), flags: Some(1), ..Limit::new(1, 3600) })
        .expr(Log { group: Some(3), snaplen: Some(64), ..Log::new() })
        .jump(name("other"))
        .comment("a rule");
    let set = Set::of(name("t"), name("s"), 7, Type::IPV4_ADDR, 4).map(Type::VERDICT, 0).size(9);
    let object = Object::quota(name("t"), name("q"), Quota { consumed: Some(1), ..Quota::new(9) });
    let counter = Counter { bytes: Some(u64::MAX), ..Counter::new() };
    let elements = [
        Element::of([10, 0, 0, 1]).data(Verdict::Goto(name("other"))),
        Element {
            expr: Some(counter.into()),
            timeout: Some(5),
            ..Element::of([10, 0, 0, 2]).data(Verdict::Other(7))
        },
    ];
    let mut batch = Batch::new();
    batch.add(Family::NETDEV, &table).unwrap();
    batch.create(Family::NETDEV, &chain).unwrap();
    batch.insert(Family::NETDEV, &rule).unwrap();
    batch.add(Family::NETDEV, &set).unwrap();
    batch.add_elements(Family::NETDEV, &set, &elements).unwrap();
    batch.delete(Family::NETDEV, &object).unwrap();
    let entries = read(&mut batch);
    let elements = Entry::Elements { table: name("t"), set: name("s"), elements: elements.into() };
    let want = [
        Entry::Table(table),
        Entry::Chain(chain),
        Entry::Rule(rule),
        Entry::Set(set),
        elements,
        Entry::Object(object),
    ];
    assert_eq!(entries, want);
}

#[test]
fn what_is_wrong_is_told_and_leaves_the_batch_as_it_was() {
    let mut batch = Batch::new();
    let set = Set::of(name("t"), name("s"), 1, Type::IPV4_ADDR, 4);
    batch.add_keys(Family::INET, &set, [[1, 2, 3, 4]]).unwrap();
    let mut before = batch.clone();

    let long = EncodeError::Name(NameError::TooLong { len: 16, max: 15 });
    assert_eq!(batch.add(Family::INET, &rule().iifname("sixteen-letters-")), Err(long));
    let empty = EncodeError::Name(NameError::Empty);
    assert_eq!(batch.add(Family::INET, &rule().oifname("").accept()), Err(empty));
    let text = EncodeError::TextTooLong { len: 128, max: 127 };
    assert_eq!(batch.add(Family::INET, &rule().log(&"x".repeat(128))), Err(text));
    assert!(batch.add(Family::INET, &rule().log(&"x".repeat(127))).is_ok());
    batch = before.clone();
    assert_eq!(
        batch.add(Family::INET, &rule().comment("a\0b")),
        Err(EncodeError::Text { at: 1, character: '\0' }),
    );
    let many = (0..129).fold(rule(), |rule, _| rule.counter());
    let error = EncodeError::TooManyExpressions { len: 129, max: 128 };
    assert_eq!(batch.add(Family::INET, &many), Err(error));
    let data = Bytes::from_slice(&[0; 40_000]);
    let large = Expr::Other { name: Bytes::from_slice(b"x"), data };
    let large = rule().expr(large.clone()).expr(large);
    assert_eq!(batch.add(Family::INET, &large), Err(EncodeError::TooLarge));
    // Also where messages before the wrong key were whole.
    let keys = (0..20_000_u32).map(|n| n.to_be_bytes().to_vec()).chain([Vec::new()]);
    assert_eq!(
        batch.add_keys(Family::INET, &set, keys),
        Err(EncodeError::KeyLength { index: 20_000, len: 0, want: Some(4) })
    );
    let long = EncodeError::KeyLength { index: 0, len: 65, want: None };
    let any = Set::new(name("t"), name("s"));
    assert_eq!(batch.add_keys(Family::INET, &any, [[0; 65]]), Err(long));
    assert_eq!(batch.finish(), before.finish());
}

/// A message of a type of nf_tables, with attributes.
fn message(kind: u8, attributes: &[u8]) -> Vec<u8> {
    let mut batch = Batch::new();
    batch.raw(kind, 0x400, Family::IPV6, attributes).unwrap();
    batch.finish().to_vec()
}

#[test]
fn attributes_of_newer_kernels_are_kept() {
    // A name, attributes that nobody knows (one of a single byte, one empty), and flags that are too long to be flags.
    let attributes = b"\x06\0\x01\0t\0\0\0\x05\0\x63\0\x07\0\0\0\x04\0\x64\x80\x0c\0\x02\0\0\0\0\0\0\0\0\x01";
    let bytes = message(0, attributes);
    let (family, entry) = Messages::new(&bytes).nth(1).unwrap().entry().unwrap();
    let Entry::Table(table) = entry else { panic!("{entry:?}") };
    assert_eq!((family, &table.name, table.flags), (Family::IPV6, &name("t"), None));
    assert_eq!(table.unknown.as_deref(), Some(&attributes[8..]));
    let mut again = Batch::new();
    again.add(family, &table).unwrap();
    assert_eq!(again.finish(), bytes);

    // A message that nobody knows.
    let bytes = message(77, attributes);
    let (_, entry) = Messages::new(&bytes).nth(1).unwrap().entry().unwrap();
    let Entry::Other { kind: 77, attributes: kept } = entry else { panic!("{entry:?}") };
    assert_eq!(message(77, &kept), bytes);

    // A rule with an expression that says more than is known of it, and one that is unknown.
    let mut more = Vec::new();
    more.extend_from_slice(b"\x08\0\x01\0\0\0\0\x01\x08\0\x63\0\0\0\0\x01");
    let exprs = [("limit", more.as_slice()), ("next-year", &[1, 2, 3, 4, 5])].map(|(name, data)| {
        Expr::Other { name: Bytes::from_slice(name.as_bytes()), data: Bytes::from_slice(data) }
    });
    let rule = exprs.iter().cloned().fold(rule(), Rule::expr);
    let mut batch = Batch::new();
    batch.add(Family::INET, &rule).unwrap();
    assert_eq!(read(&mut batch), [Entry::Rule(rule)]);
}

#[test]
fn a_batch_goes_on_after_its_end_and_begins_anew() {
    let (table, chain) = (Table::new(name("t")), Chain::new(name("t"), name("c")));
    let mut whole = Batch::new();
    whole.add(Family::INET, &table).unwrap();
    whole.add(Family::INET, &chain).unwrap();
    let whole = whole.finish().to_vec();

    let mut batch = Batch::new();
    batch.add(Family::INET, &table).unwrap();
    let first = batch.finish().to_vec();
    assert_eq!(batch.finish(), first);
    // What is refused leaves the end as it was.
    assert!(batch.add(Family::INET, &rule().comment("\"")).is_err());
    assert!(batch.add_keys(Family::INET, &Set::new(name("t"), name("s")), [[]]).is_err());
    assert_eq!(batch.finish(), first);
    batch.add(Family::INET, &chain).unwrap();
    assert_eq!(batch.finish(), whole);
    assert_eq!(batch.messages().count(), 2);

    batch.set_generation(Some(7));
    assert_eq!(batch.generation(), Some(7));
    batch.clear();
    assert_eq!((batch.len(), batch.generation()), (0, None));
    batch.add(Family::INET, &table).unwrap();
    assert_eq!(batch.finish(), first);
    assert_eq!(Batch::at_generation(9).generation(), Some(9));
}

#[test]
fn intervals_sizes_and_lengths_are_checked_on_the_way() {
    let set = Set::of(name("t"), name("s"), 1, Type::INET_SERVICE, 2).flags(Set::INTERVAL);
    let interval = |from: u16, to: u16| (from.to_be_bytes(), to.to_be_bytes());
    let put = |set: &Set, intervals: &[(u16, u16)]| {
        let mut batch = Batch::new();
        let result = batch.add_intervals(Family::INET, set, intervals.iter().map(|(a, b)| interval(*a, *b)));
        assert_eq!(result.is_err() || intervals.is_empty(), batch.is_empty());
        result.map(|()| read(&mut batch))
    };
    assert_eq!(put(&set, &[(5, 4)]), Err(EncodeError::IntervalEnd { index: 0 }));
    assert_eq!(put(&set, &[(1, 5), (5, 9)]), Err(EncodeError::IntervalOrder { index: 1 }));
    assert_eq!(put(&set, &[(1, 5), (7, 9), (6, 6)]), Err(EncodeError::IntervalOrder { index: 2 }));
    let entries = put(&set, &[(0, 0x00ff), (0x0100, 0x0100), (0xff00, 0xffff)]).unwrap();
    let [Entry::Elements { elements, .. }] = entries.as_slice() else { panic!("{entries:?}") };
    let end = |key: u16| Element::of(key.to_be_bytes()).flags(Element::INTERVAL_END);
    let begin = |key: u16| Element::of(key.to_be_bytes());
    // The last one needs no end.
    assert_eq!(*elements, [begin(0), end(0x0100), begin(0x0100), end(0x0101), begin(0xff00)]);

    // Of several parts, each may be an interval, and lies in both keys.
    let parts = Set::of(name("t"), name("s"), 1, Type::INET_SERVICE.then(Type::INET_PROTO), 8).parts(&[2, 1]);
    let two = |from: [u8; 8], to: [u8; 8]| {
        let mut batch = Batch::new();
        batch.add_intervals(Family::INET, &parts, [(from, to)]).map(|()| read(&mut batch))
    };
    let entries = two([0, 80, 0, 0, 6, 0, 0, 0], [0, 90, 0, 0, 6, 0, 0, 0]).unwrap();
    let [Entry::Elements { elements, .. }] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(*elements, [Element::of([0, 80, 0, 0, 6, 0, 0, 0]).to([0, 90, 0, 0, 6, 0, 0, 0])]);
    let wrong = two([0, 80, 0, 0, 7, 0, 0, 0], [0, 90, 0, 0, 6, 0, 0, 0]);
    assert_eq!(wrong, Err(EncodeError::IntervalEnd { index: 0 }));

    // The same key twice is one element.
    let small = Set::of(name("t"), name("s"), 1, Type::INET_SERVICE, 2).size(2);
    let keys =
        |keys: &[u16]| Batch::new().add_keys(Family::INET, &small, keys.iter().map(|key| key.to_be_bytes()));
    assert_eq!(keys(&[1, 2, 1, 2]), Ok(()));
    assert_eq!(keys(&[1, 2, 3]), Err(EncodeError::SetSize { count: 3, size: 2 }));
    let sized = small.flags(Set::INTERVAL);
    assert!(put(&sized, &[(1, 2), (5, 6)]).is_ok());
    assert_eq!(put(&sized, &[(1, 2), (5, 6), (8, 9)]), Err(EncodeError::SetSize { count: 3, size: 2 }));

    let map = Set::of(name("t"), name("m"), 1, Type::INET_SERVICE, 2).map(Type::IPV4_ADDR, 4);
    let values = Batch::new().add_values(Family::INET, &map, [([0, 1], [1, 2, 3])]);
    assert_eq!(values, Err(EncodeError::DataLength { index: 0, len: 3, want: Some(4) }));
    let element = Element::of([0, 1]).data(Data::value([1; 5]));
    let elements = Batch::new().add_elements(Family::INET, &map, &[Element::of([0, 1]), element]);
    assert_eq!(elements, Err(EncodeError::DataLength { index: 1, len: 5, want: Some(4) }));
}

#[test]
fn what_the_kernel_would_not_keep_is_refused() {
    let add = |entity: &Table| Batch::new().add(Family::INET, entity);
    let userdata = |len| Table { userdata: Some(Bytes::from_elem(1, len)), ..Table::new(name("t")) };
    assert_eq!(add(&userdata(256)), Ok(()));
    assert_eq!(add(&userdata(257)), Err(EncodeError::Userdata { len: 257, max: 256 }));
    let set = Set::new(name("t"), name("s"));
    let element = Element { userdata: userdata(257).userdata, ..Element::of([1]) };
    let result = Batch::new().add_elements(Family::INET, &set, &[element]);
    assert_eq!(result, Err(EncodeError::Userdata { len: 257, max: 256 }));
    let comment = Table::new(name("t")).comment("a\nb");
    assert_eq!(comment, Err(EncodeError::Text { at: 1, character: '\n' }));
    assert_eq!(
        Table::new(name("t")).comment(&"x".repeat(129)),
        Err(EncodeError::TextTooLong { len: 129, max: 128 })
    );
    let table = Table::new(name("t")).comment(&"x".repeat(128)).unwrap();
    assert_eq!(table.comment_text(), Some("x".repeat(128)));
    let set = Set::of(name("t"), name("s"), 1, Type::MARK, 4).comment("why").unwrap();
    assert_eq!(set.comment_text().as_deref(), Some("why"));

    let device = Attachment::new(Hook::INGRESS, 0).device(name("sixteen-letters-"));
    let chain = Chain::new(name("t"), name("c")).base(name("filter"), device);
    let long = EncodeError::Name(NameError::TooLong { len: 16, max: 15 });
    assert_eq!(Batch::new().add(Family::NETDEV, &chain), Err(long));
    let parts = Set::of(name("t"), name("s"), 1, Type::MARK, 12).parts(&[4, 4]);
    assert_eq!(Batch::new().add(Family::INET, &parts), Err(EncodeError::Parts { parts: 8, key: 12 }));
    assert_eq!(Batch::new().replace(Family::INET, &rule()), Err(EncodeError::NoHandle));
    assert_eq!(Batch::new().add(Family::INET, &rule().accept().not()), Err(EncodeError::NoComparison));
    let key =
        [Selector::Ipv6Saddr, Selector::Ipv6Daddr, Selector::Iifname, Selector::Oifname, Selector::Mark];
    let error = EncodeError::KeyLength { index: 0, len: 68, want: None };
    assert_eq!(Batch::new().add(Family::INET, &rule().in_set(&key, name("s"))), Err(error));
}

#[test]
fn names_have_from_1_to_255_bytes_and_no_zero() {
    assert!(Name::new("x".repeat(255)).is_ok());
    assert_eq!(Name::new("x".repeat(256)), Err(NameError::TooLong { len: 256, max: 255 }));
    assert_eq!(Name::new([0xff, 0]), Err(NameError::Zero { at: 1 }));
    assert_eq!(Name::new([0xff]).unwrap().as_bytes(), [0xff]);
}

#[test]
fn elements_are_spread_over_as_many_messages_as_they_need() {
    let set = Set::of(name("t"), name("s"), 1, Type::IPV4_ADDR, 4);
    for count in [0_u32, 1, 2_999, 3_000, 3_001, 3_750, 3_751, 100_000] {
        let mut batch = Batch::new();
        batch.add_keys(Family::INET, &set, (0..count).map(u32::to_be_bytes)).unwrap();
        let keys: Vec<Element> = read(&mut batch)
            .into_iter()
            .flat_map(|entry| match entry {
                Entry::Elements { elements, .. } => elements,
                _ => Vec::new(),
            })
            .collect();
        assert!(keys.into_iter().eq((0..count).map(|n| Element::of(n.to_be_bytes()))), "{count}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_far_as_they_go(bytes: Vec<u8>) {
        Messages::new(&bytes).for_each(|message| drop(message.entry()));
    }

    #[test]
    fn damaged_messages_are_read_as_far_as_they_go(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut batch = Batch::new();
        let whole = rule().iifname("eth0").log("x").dport(6, 1).jump(name("o")).comment("c");
        batch.add(Family::INET, &whole).unwrap();
        let mut bytes = batch.finish().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len() + 1));
        for message in Messages::new(&bytes) {
            if let Some((_, Entry::Rule(rule))) = message.entry() {
                // What was read can be written.
                prop_assert!(Batch::new().add(Family::INET, &rule).is_ok());
            }
        }
    }
}

/// What others wrote may end anywhere; the message behind it begins where one can.
#[test]
fn a_raw_message_of_any_length_leaves_the_next_one_whole() {
    for len in 0..8 {
        let mut batch = Batch::new();
        batch.raw(99, 0, Family::INET, &vec![7; len]).unwrap();
        batch.add(Family::INET, &Table::new(name("t"))).unwrap();
        let other = Entry::Other { kind: 99, attributes: vec![7; len] };
        assert_eq!(read(&mut batch), [other, Entry::Table(Table::new(name("t")))], "{len}");
    }
}
