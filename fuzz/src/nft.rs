//! Messages of nf_tables.

use tortie_nft_wire::expr::{
    Base, Bitwise, Byteorder, ByteorderOp, Cmp, CmpOp, Counter, Ct, CtKey, Dynset, DynsetOp, Fib, FibResult,
    Hash, Immediate, Limit, Log, Lookup, Meta, MetaKey, Nat, NatType, Numgen, NumgenType, Payload, Quota,
    Range, RangeOp, Reject, RejectType,
};
use tortie_nft_wire::{
    Attachment, Batch, Chain, Data, Element, EncodeError, Entry, Expr, Family, Hook, Messages, Name, Object,
    ObjectType, Policy, Register, Rule, Set, Table, Type, Verdict,
};

use crate::bytes::Bytes;

/// What dumps and answers may be: reading is total, and what was read is written so that it is read as the same. What a batch
/// of such messages says of them, for a refusal at any place, is words.
pub fn check_nft_decode(data: &[u8]) {
    let mut raw = Batch::new();
    for message in Messages::new(data) {
        assert!(message.payload().len() <= data.len());
        let Some((family, entry)) = message.entry() else { continue };
        let attributes = message.payload().get(4..).unwrap_or_default();
        let [_, kind] = message.kind().to_be_bytes();
        if raw.raw(kind, 0, family, attributes).is_ok() {
            let (number, len) = (raw.len(), attributes.len() + 20);
            // Wherever the kernel points.
            for offset in (0..=len).step_by(1 + len / 64) {
                let path = raw.path_at(number, offset).expect("the batch has that message");
                assert!(!path.to_string().is_empty());
            }
        }
        check_entry(family, &entry);
    }
    for number in 0..=raw.len() {
        assert!(raw.path(number).is_some(), "{number} of {}", raw.len());
    }
    assert_eq!(raw.path(raw.len() + 1), None);
}

/// Puts what an entry tells into a batch.
fn write(batch: &mut Batch, family: Family, entry: &Entry) -> Result<(), EncodeError> {
    match entry {
        Entry::Table(table) => batch.add(family, table),
        Entry::Chain(chain) => batch.add(family, chain),
        Entry::Rule(rule) => batch.add(family, rule),
        Entry::Set(set) => batch.add(family, set),
        Entry::Elements { table, set, elements } => {
            batch.add_elements(family, &Set::new(table.clone(), set.clone()), elements)
        }
        Entry::Object(object) => batch.add(family, object),
        Entry::Flowtable(flowtable) => batch.add(family, flowtable),
        Entry::Other { kind, attributes } => batch.raw(*kind, 0, family, attributes),
        // The kernel alone tells it.
        _ => Ok(()),
    }
}

/// What the messages of a batch tell.
fn read(batch: &mut Batch) -> Vec<(Family, Entry)> {
    let bytes = batch.finish();
    let middle = Messages::new(bytes).filter(|message| message.kind() >> 8 == 10);
    middle.map(|message| message.entry().expect("a message of nf_tables")).collect()
}

/// What was read can be written, or is more than may be; it is read again as it was, and written again to the same bytes.
fn check_entry(family: Family, entry: &Entry) {
    let mut batch = Batch::new();
    let empty = batch.clone().finish().to_vec();
    if write(&mut batch, family, entry).is_err() {
        assert_eq!(batch.finish(), empty, "nothing of what is wrong");
        return;
    }
    let again = read(&mut batch);
    match (entry, &again[..]) {
        // Any number of messages, of elements in their order.
        (Entry::Elements { table, set, elements }, parts) => {
            let mut all = Vec::new();
            for (part_family, part) in parts {
                let Entry::Elements { table: t, set: s, elements } = part else { panic!("{part:?}") };
                assert_eq!((part_family, t, s), (&family, table, set));
                all.extend(elements.iter().cloned());
            }
            assert_eq!(&all, elements);
        }
        (Entry::Generation(_), parts) => assert!(parts.is_empty()),
        (entry, [(f, part)]) => assert_eq!((f, part), (&family, entry)),
        (entry, parts) => panic!("{entry:?} became {parts:?}"),
    }
    let mut twice = Batch::new();
    for (family, entry) in &again {
        write(&mut twice, *family, entry).expect("it was written before");
    }
    assert_eq!(twice.finish(), batch.finish());
}

/// Structures that the input chooses: what is in a batch is read as it was put there, or was refused and left no trace.
pub fn check_nft_roundtrip(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let family = Family::new(bytes.byte());
    let (mut batch, mut want) = (Batch::new(), Vec::new());
    while !bytes.is_empty() {
        let Some(entry) = entry(&mut bytes) else { continue };
        let (len, size) = (batch.len(), batch.len_octets());
        match write(&mut batch, family, &entry) {
            Ok(()) => want.push(entry),
            Err(_) => assert_eq!((batch.len(), batch.len_octets()), (len, size)),
        }
    }
    let mut elements = 0;
    let got = read(&mut batch);
    let mut want = want
        .into_iter()
        .filter(|entry| !matches!(entry, Entry::Elements { elements, .. } if elements.is_empty()));
    for (f, entry) in &got {
        assert_eq!(f.get(), family.get());
        if let Entry::Elements { elements: some, .. } = entry {
            elements += some.len();
        }
        assert_eq!(Some(entry), want.next().as_ref());
    }
    assert_eq!(want.next(), None);
    assert!(elements <= data.len());
    got.iter().for_each(|(family, entry)| check_entry(*family, entry));
    for number in 1..=batch.len() {
        assert!(batch.path(number).is_some_and(|path| !path.to_string().is_empty()));
    }
}

fn name(bytes: &mut Bytes<'_>) -> Option<Name> {
    let text = bytes.text(20);
    // What is wrong is told, and what is told is wrong.
    let name = Name::new(&text);
    assert_eq!(name.is_ok(), !text.is_empty() && text.len() <= Name::MAX_LEN && !text.contains('\0'));
    name.ok()
}

fn number(bytes: &mut Bytes<'_>) -> u32 {
    u32::from_be_bytes([bytes.byte(), bytes.byte(), bytes.byte(), bytes.byte()])
}

fn octets(bytes: &mut Bytes<'_>, most: usize) -> Vec<u8> {
    (0..bytes.below(most + 1)).map(|_| bytes.byte()).collect()
}

fn register(bytes: &mut Bytes<'_>) -> Register {
    Register::new(u32::from(bytes.byte()))
}

fn verdict(bytes: &mut Bytes<'_>) -> Option<Verdict> {
    Some(match bytes.below(8) {
        0 => Verdict::Accept,
        1 => Verdict::Drop,
        2 => Verdict::Continue,
        3 => Verdict::Break,
        4 => Verdict::Return,
        5 => Verdict::Jump(name(bytes)?),
        6 => Verdict::Goto(name(bytes)?),
        _ => Verdict::Other(i32::from(bytes.byte()) + 2),
    })
}

fn data(bytes: &mut Bytes<'_>) -> Option<Data> {
    Some(if bytes.below(4) == 0 { verdict(bytes)?.into() } else { Data::value(octets(bytes, 70)) })
}

fn expr(bytes: &mut Bytes<'_>) -> Option<Expr> {
    let maybe = |bytes: &mut Bytes<'_>| (bytes.below(2) == 0).then(|| number(bytes));
    let maybe_register = |bytes: &mut Bytes<'_>| (bytes.below(2) == 0).then(|| register(bytes));
    let r = register(bytes);
    Some(match bytes.below(18) {
        0 => Meta {
            dreg: maybe_register(bytes),
            sreg: maybe_register(bytes),
            ..Meta::new(MetaKey::new(number(bytes)))
        }
        .into(),
        1 => {
            Payload { dreg: Some(r), ..Payload::new(Base::new(number(bytes)), number(bytes), number(bytes)) }
                .into()
        }
        2 => Cmp::new(r, CmpOp::new(number(bytes)), data(bytes)?).into(),
        3 => Range::new(r, RangeOp::EQ, data(bytes)?, data(bytes)?).into(),
        4 => Bitwise {
            mask: data(bytes),
            xor: data(bytes),
            data: data(bytes),
            ..Bitwise::new(r, r, number(bytes))
        }
        .into(),
        5 => Byteorder::new(r, r, ByteorderOp::HTON, number(bytes), number(bytes)).into(),
        6 => Immediate::new(r, data(bytes)?).into(),
        7 => Lookup {
            dreg: maybe_register(bytes),
            set_id: maybe(bytes),
            flags: maybe(bytes),
            ..Lookup::new(name(bytes)?, r)
        }
        .into(),
        8 => {
            // One in another, which is kept as bytes.
            let inner = (0..bytes.below(3))
                .filter_map(|_| expr(bytes))
                .filter(|expr| !matches!(expr, Expr::Dynset(_)));
            let exprs: Vec<Expr> = inner.collect();
            // Of a list they are always said.
            let flags = (exprs.len() > 1).then_some(0);
            Dynset { exprs, flags, ..Dynset::new(name(bytes)?, DynsetOp::new(number(bytes)), r) }.into()
        }
        9 => Ct { dreg: Some(r), ..Ct::new(CtKey::new(number(bytes))) }.into(),
        10 => Fib::new(r, FibResult::new(number(bytes)), number(bytes)).into(),
        11 => Counter { packets: maybe(bytes).map(u64::from), ..Counter::new() }.into(),
        12 => Limit {
            burst: maybe(bytes),
            flags: maybe(bytes),
            ..Limit::new(number(bytes).into(), number(bytes).into())
        }
        .into(),
        13 => Quota::new(number(bytes).into()).into(),
        14 => Nat {
            addr_min: maybe_register(bytes),
            port_max: maybe_register(bytes),
            flags: maybe(bytes),
            ..Nat::new(NatType::DNAT, number(bytes))
        }
        .into(),
        15 => Reject { icmp_code: Some(bytes.byte()), ..Reject::new(RejectType::new(number(bytes))) }.into(),
        16 => Hash { sreg: Some(r), len: maybe(bytes), seed: maybe(bytes), ..Hash::new(r, number(bytes)) }
            .into(),
        _ => match bytes.below(2) {
            0 => Numgen::new(r, number(bytes), NumgenType::RANDOM).into(),
            _ => Log { level: maybe(bytes), ..Log::new() }.into(),
        },
    })
}

fn rule(bytes: &mut Bytes<'_>) -> Option<Rule> {
    let mut rule = Rule::new(name(bytes)?, name(bytes)?);
    for _ in 0..bytes.below(20) {
        rule = match bytes.below(8) {
            0 => rule.iifname(&bytes.text(20)),
            1 => rule.log(&bytes.text(140)),
            2 => rule.comment(&bytes.text(140)),
            3 => rule.dport(bytes.byte(), 80),
            _ => rule.expr(expr(bytes)?),
        };
    }
    rule.handle = (bytes.below(2) == 0).then(|| number(bytes).into());
    Some(rule)
}

fn element(bytes: &mut Bytes<'_>) -> Option<Element> {
    let key = (bytes.below(8) > 0).then(|| Data::value(octets(bytes, 66)));
    Some(Element {
        key,
        data: if bytes.below(2) == 0 { data(bytes) } else { None },
        flags: (bytes.below(4) == 0).then(|| number(bytes)),
        exprs: None,
        timeout: (bytes.below(4) == 0).then(|| number(bytes).into()),
        ..Element::new()
    })
}

fn entry(bytes: &mut Bytes<'_>) -> Option<Entry> {
    Some(match bytes.below(6) {
        0 => Entry::Table(Table::new(name(bytes)?).flags(number(bytes))),
        1 => {
            let chain = Chain::new(name(bytes)?, name(bytes)?);
            let attachment =
                Attachment::new(Hook::new(number(bytes)), i32::from_ne_bytes(number(bytes).to_ne_bytes()));
            Entry::Chain(chain.base(name(bytes)?, attachment).policy(Policy::new(number(bytes))))
        }
        2 => {
            let set =
                Set::of(name(bytes)?, name(bytes)?, number(bytes), Type::new(number(bytes)), number(bytes));
            Entry::Set(if bytes.below(2) == 0 {
                set.size(number(bytes))
            } else {
                set.parts(&[number(bytes), 2])
            })
        }
        3 => {
            let (table, set) = (name(bytes)?, name(bytes)?);
            let elements = (0..bytes.below(6)).filter_map(|_| element(bytes)).collect();
            Entry::Elements { table, set, elements }
        }
        4 => {
            let (table, name) = (name(bytes)?, name(bytes)?);
            Entry::Object(match bytes.below(2) {
                0 => Object::quota(table, name, Quota::new(number(bytes).into())),
                _ => Object::named(table, name, ObjectType::new(number(bytes))),
            })
        }
        _ => Entry::Rule(rule(bytes)?),
    })
}
