//! What was written is read as it was, and hostile bytes are read as far as they go.
#![expect(clippy::unwrap_used, reason = "test code")]

use proptest::prelude::*;
use tortie_nft_wire::expr::{Counter, Limit, Log, Quota};
use tortie_nft_wire::{
    Attachment, Batch, Bytes, Chain, CtState, Element, EncodeError, Entry, Expr, Family, Hook, Messages,
    Name, NameError, Object, Policy, Rule, Set, Table, Type, Verdict,
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
