//! Random rule sets: the kernel takes them, holds what was sent, twice as well as once, and nothing of a batch with one bad message.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tortie_nft_wire::expr::{
    Base, Bitwise, BitwiseOp, Byteorder, ByteorderOp, Cmp, CmpOp, Connlimit, Counter, Ct, CtKey, Dynset,
    DynsetOp, Fib, FibResult, Hash, HashType, Immediate, Last, Limit, LimitType, Log, Lookup, Meta, MetaKey,
    Numgen, NumgenType, Objref, Payload, Quota, Range, RangeOp, Reject, RejectType, Rt, RtKey,
};
use tortie_nft_wire::{
    Action, Attachment, Batch, Bytes, Chain, CommitError, Data, Element, Entry, Expr, Family, Hook, Name,
    Object, ObjectType, Policy, Register, Rule, Set, Socket, Subject, Table, Type, Verdict,
};

use crate::{name, namespaced};

/// Random numbers as a source of choices; zeros when they are over, so that fewer of them are a smaller rule set.
struct Tape<'t>(core::slice::Iter<'t, u32>);

impl Tape<'_> {
    fn below(&mut self, n: u32) -> u32 {
        self.0.next().copied().unwrap_or(0) % n
    }

    fn number(&mut self) -> u32 {
        self.below(u32::MAX)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(u32::try_from(from.len()).unwrap()) as usize].clone()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

/// A table of a family and what is in it, as the kernel tells it.
#[derive(Clone, Debug)]
struct Rules {
    family: Family,
    table: Table,
    chains: Vec<Chain>,
    objects: Vec<Object>,
    sets: Vec<(Set, Vec<Element>)>,
    rules: Vec<Rule>,
}

const REGISTERS: [Register; 4] = [Register::R1, Register::R2, Register::R3, Register::R4];
const FAMILIES: [Family; 5] = [Family::INET, Family::IPV4, Family::IPV6, Family::ARP, Family::BRIDGE];
/// What loads a value of so many bytes in every family.
const LOADS: [(MetaKey, usize); 8] = [
    (MetaKey::LEN, 4),
    (MetaKey::MARK, 4),
    (MetaKey::PROTOCOL, 2),
    (MetaKey::IIFNAME, 16),
    (MetaKey::NFPROTO, 1),
    (MetaKey::L4PROTO, 1),
    (MetaKey::PKTTYPE, 1),
    (MetaKey::CPU, 4),
];

fn rules(tape: &mut Tape<'_>) -> Rules {
    let family = tape.pick(&FAMILIES);
    let table = Table::new(name(["t", "another", "a.b-c_d"][tape.below(3) as usize]));
    let table = if tape.below(4) == 3 { table.flags(Table::DORMANT) } else { table.flags(0) };
    let mut chains = Vec::new();
    let base = Attachment::new(
        if family == Family::ARP { Hook::new(0) } else { Hook::INPUT },
        tape.below(600) as i32 - 300,
    );
    let policy = tape.pick(&[Policy::ACCEPT, Policy::DROP]);
    chains.push(Chain::new(table.name.clone(), name("base")).base(name("filter"), base).policy(policy));
    for number in 0..tape.below(4) {
        let chain = Chain::new(table.name.clone(), name(&format!("chain{number}")));
        chains.push(match tape.below(3) {
            0 => chain,
            _ => chain.comment(&format!("number {number}")).unwrap(),
        });
    }
    let mut objects = Vec::new();
    for number in 0..tape.below(3) {
        let (table, name) = (table.name.clone(), name(&format!("object{number}")));
        objects.push(match tape.below(3) {
            0 => Object::counter(table, name, counter(tape)),
            1 => Object::quota(table, name, quota(tape)),
            _ => Object::limit(table, name, limit(tape)),
        });
    }
    let mut whole = Rules { family, table, chains, objects, sets: Vec::new(), rules: Vec::new() };
    for number in 0..tape.below(4) {
        let set = set(tape, &whole, number + 1);
        whole.sets.push(set);
    }
    for _ in 0..tape.below(9) {
        let rule = rule(tape, &whole);
        whole.rules.push(rule);
    }
    whole
}

fn counter(tape: &mut Tape<'_>) -> Counter {
    Counter { packets: Some(tape.number().into()), bytes: Some(tape.number().into()) }
}

fn quota(tape: &mut Tape<'_>) -> Quota {
    let (flags, consumed) = (Some(tape.below(2)), Some(tape.below(9).into()));
    Quota { flags, consumed, ..Quota::new(u64::from(tape.number()) + 10) }
}

fn limit(tape: &mut Tape<'_>) -> Limit {
    let unit = tape.pick(&[1, 60, 3_600, 86_400]);
    let kind = tape.pick(&[LimitType::PACKETS, LimitType::BYTES]);
    let (burst, flags) = (Some(tape.below(999) + 1), Some(tape.below(2)));
    Limit { burst, flags, kind: Some(kind), ..Limit::new(u64::from(tape.below(9_999)) + 1, unit) }
}

fn stateful(tape: &mut Tape<'_>) -> Expr {
    match tape.below(3) {
        0 => counter(tape).into(),
        1 => limit(tape).into(),
        _ => quota(tape).into(),
    }
}

fn verdict(tape: &mut Tape<'_>, whole: &Rules) -> Verdict {
    // Only to later chains, so that nothing jumps in a circle.
    match (tape.below(6), whole.chains.last()) {
        (0, _) => Verdict::Accept,
        (1, _) => Verdict::Drop,
        (2, _) => Verdict::Continue,
        (3, _) => Verdict::Return,
        (4, Some(last)) if whole.chains.len() > 1 => Verdict::Jump(last.name.clone()),
        (_, Some(last)) if whole.chains.len() > 1 => Verdict::Goto(last.name.clone()),
        _ => Verdict::Accept,
    }
}

fn set(tape: &mut Tape<'_>, whole: &Rules, number: u32) -> (Set, Vec<Element>) {
    let (key_type, len) = tape.pick(&[
        (Type::IPV4_ADDR, 4),
        (Type::IPV6_ADDR, 16),
        (Type::MARK, 4),
        (Type::INET_SERVICE, 2),
        (Type::INET_PROTO, 1),
    ]);
    let mut set = Set::of(whole.table.name.clone(), name(&format!("set{number}")), number, key_type, len);
    let mut keys: BTreeSet<Vec<u8>> = (0..tape.below(12)).map(|_| tape.bytes(len as usize)).collect();
    match tape.below(5) {
        // Pairs of keys are intervals; so that they do not touch, each is widened only where there is room.
        0 => {
            keys.remove(&vec![0; len as usize]);
            let keys: Vec<_> = keys.into_iter().collect();
            let elements = keys
                .chunks_exact(2)
                .flat_map(|pair| [Element::of(&pair[0]), Element::of(&pair[1]).flags(Element::INTERVAL_END)]);
            (set.flags(Set::INTERVAL), elements.collect())
        }
        1 => {
            let elements = keys.iter().map(|key| Element::of(key).data(verdict(tape, whole)));
            (set.map(Type::VERDICT, 0), elements.collect())
        }
        2 => {
            let elements = keys.iter().map(|key| Element::of(key).data(Data::value(tape.bytes(4))));
            (set.map(Type::MARK, 4).size(64), elements.collect())
        }
        3 => {
            let pairs = keys.iter().map(|key| {
                let (mut from, mut to) = (key.clone(), key.clone());
                from.resize(from.len().next_multiple_of(4), 0);
                to.resize(from.len(), 0);
                let port = u16::try_from(tape.below(60_000)).unwrap();
                from.extend_from_slice(&port.to_be_bytes());
                to.extend_from_slice(&(port + u16::try_from(tape.below(999)).unwrap()).to_be_bytes());
                from.extend_from_slice(&[0; 2]);
                to.extend_from_slice(&[0; 2]);
                Element::of(from).to(to)
            });
            let elements = pairs.collect();
            set = Set::of(
                set.table,
                set.name,
                number,
                key_type.then(Type::INET_SERVICE),
                len.next_multiple_of(4) + 4,
            );
            (set.parts(&[len, 2]), elements)
        }
        _ => {
            let elements = keys.iter().map(|key| {
                let comment = Bytes::from_slice(&[0, 2, b'c', 0]);
                Element { userdata: (tape.below(3) == 0).then_some(comment), ..Element::of(key) }
            });
            let elements = elements.collect();
            (if tape.below(2) == 0 { set.size(64) } else { set }, elements)
        }
    }
}

fn rule(tape: &mut Tape<'_>, whole: &Rules) -> Rule {
    let chain = tape.pick(&whole.chains).name;
    let mut rule = Rule::new(whole.table.name.clone(), chain.clone());
    for _ in 0..tape.below(6) {
        rule.exprs.extend(step(tape, whole));
    }
    // Nothing behind a verdict; the last chain jumps nowhere.
    if tape.below(2) == 0 {
        let last = whole.chains.last().is_some_and(|last| last.name == chain);
        let verdict = if last { Verdict::Accept } else { verdict(tape, whole) };
        rule = rule.verdict(verdict);
    }
    match tape.below(3) {
        0 => rule.comment("why \\ é"),
        1 => {
            rule.userdata = Some(Bytes::from_slice(&tape.bytes(20)));
            rule
        }
        _ => rule,
    }
}

/// Some expressions that stand together.
fn step(tape: &mut Tape<'_>, whole: &Rules) -> Vec<Expr> {
    let register = tape.pick(&REGISTERS);
    let is_ip = matches!(whole.family, Family::INET | Family::IPV4 | Family::IPV6);
    let (key, len) = tape.pick(&LOADS);
    let load = || Expr::from(Meta { dreg: Some(register), ..Meta::new(key) });
    let op = tape.pick(&[CmpOp::EQ, CmpOp::NEQ, CmpOp::LT, CmpOp::LTE, CmpOp::GT, CmpOp::GTE]);
    let compare =
        |tape: &mut Tape<'_>, len: usize| Expr::from(Cmp::new(register, op, Data::value(tape.bytes(len))));
    match tape.below(20) {
        0 => vec![load(), compare(tape, len)],
        1 => {
            let base = tape.pick(&[Base::LINK, Base::NETWORK, Base::TRANSPORT]);
            let (offset, len) = (tape.below(40), tape.below(16) + 1);
            vec![
                Payload { dreg: Some(register), ..Payload::new(base, offset, len) }.into(),
                compare(tape, len as usize),
            ]
        }
        2 => {
            let (mask, xor) = (Some(Data::value(tape.bytes(len))), Some(Data::value(tape.bytes(len))));
            let len = u32::try_from(len).unwrap();
            let bitwise =
                Bitwise { mask, xor, op: Some(BitwiseOp::MASK_XOR), ..Bitwise::new(register, register, len) };
            vec![load(), bitwise.into(), compare(tape, len as usize)]
        }
        3 => {
            let op = Some(tape.pick(&[BitwiseOp::LSHIFT, BitwiseOp::RSHIFT]));
            let shift = Some(Data::value((tape.below(31) + 1).to_ne_bytes()));
            let mark = Meta { dreg: Some(register), ..Meta::new(MetaKey::MARK) };
            let set = Meta { sreg: Some(register), ..Meta::new(MetaKey::MARK) };
            vec![
                mark.into(),
                Bitwise { op, data: shift, ..Bitwise::new(register, register, 4) }.into(),
                set.into(),
            ]
        }
        4 => {
            let op = tape.pick(&[ByteorderOp::HTON, ByteorderOp::NTOH]);
            let length = Meta { dreg: Some(register), ..Meta::new(MetaKey::LEN) };
            vec![length.into(), Byteorder::new(register, register, op, 4, 4).into(), compare(tape, 4)]
        }
        5 => {
            let (mut from, mut to) = (tape.bytes(len), tape.bytes(len));
            if from > to {
                core::mem::swap(&mut from, &mut to);
            }
            let op = tape.pick(&[RangeOp::EQ, RangeOp::NEQ]);
            vec![load(), Range::new(register, op, Data::value(from), Data::value(to)).into()]
        }
        6 => {
            let mark = Meta { sreg: Some(register), ..Meta::new(MetaKey::MARK) };
            vec![Immediate::new(register, Data::value(tape.bytes(4))).into(), mark.into()]
        }
        7 => lookup(tape, whole),
        8 => vec![counter(tape).into()],
        9 => vec![limit(tape).into()],
        10 => vec![quota(tape).into()],
        11 => vec![Last { set: Some(0), msecs: Some(0) }.into()],
        12 => {
            let kind = tape.pick(&[NumgenType::INCREMENTAL, NumgenType::RANDOM]);
            let numgen =
                Numgen { offset: Some(tape.below(99)), ..Numgen::new(register, tape.below(99) + 1, kind) };
            vec![numgen.into(), compare(tape, 4)]
        }
        13 => {
            let hash = Hash {
                sreg: Some(register),
                len: Some(u32::try_from(len).unwrap()),
                seed: Some(tape.number()),
                offset: Some(tape.below(99) + 1),
                kind: Some(HashType::JENKINS),
                ..Hash::new(register, tape.below(99) + 2)
            };
            vec![load(), hash.into(), compare(tape, 4)]
        }
        14 => match whole.objects.last() {
            Some(object) => {
                let (kind, name) = (Some(object.data.kind()), Some(object.name.clone()));
                vec![Objref { kind, name, ..Objref::new() }.into()]
            }
            None => Vec::new(),
        },
        15 if is_ip => {
            let keys = [
                (CtKey::STATE, 4),
                (CtKey::MARK, 4),
                (CtKey::STATUS, 4),
                (CtKey::EXPIRATION, 4),
                (CtKey::DIRECTION, 1),
            ];
            let (key, len) = tape.pick(&keys);
            vec![Ct { dreg: Some(register), ..Ct::new(key) }.into(), compare(tape, len)]
        }
        16 if is_ip => {
            let fib = Fib::new(register, FibResult::ADDRTYPE, tape.pick(&[1, 2]));
            vec![fib.into(), compare(tape, 4)]
        }
        17 if is_ip => vec![Rt::new(register, RtKey::CLASSID).into(), compare(tape, 4)],
        18 if is_ip => {
            let icmpx = Reject {
                icmp_code: Some(u8::try_from(tape.below(4)).unwrap()),
                ..Reject::new(RejectType::ICMPX_UNREACH)
            };
            let log = Log {
                group: Some(u16::try_from(tape.below(99)).unwrap()),
                snaplen: Some(tape.below(99) + 1),
                qthreshold: Some(3),
                ..Log::new()
            };
            match tape.below(3) {
                0 if whole.family == Family::INET => vec![icmpx.into()],
                1 => vec![
                    Connlimit { flags: (tape.below(2) == 0).then_some(1), ..Connlimit::new(tape.below(99)) }
                        .into(),
                ],
                _ => vec![Log { prefix: Some(Bytes::from_slice(b"x: \0")), ..log }.into()],
            }
        }
        _ => Vec::new(),
    }
}

/// A look-up in the last set, of what its keys are.
fn lookup(tape: &mut Tape<'_>, whole: &Rules) -> Vec<Expr> {
    let Some((set, _)) = whole.sets.last() else { return Vec::new() };
    let Some(len) = set.key_len else { return Vec::new() };
    let payload = Payload { dreg: Some(Register::R1), ..Payload::new(Base::NETWORK, tape.below(20), len) };
    let dreg = match set.data_type {
        Some(Type::VERDICT) => Some(Register::VERDICT),
        Some(_) => Some(Register::R2),
        None => None,
    };
    // What is in the last chain may jump nowhere.
    if dreg == Some(Register::VERDICT) {
        return Vec::new();
    }
    let flags = if dreg.is_none() { tape.below(2) } else { 0 };
    vec![
        payload.into(),
        Lookup { dreg, flags: Some(flags), ..Lookup::new(set.name.clone(), Register::R1) }.into(),
    ]
}

/// Whether packets may add to it: a set of one part, with room. One such set is in every rule set.
fn dynamic(whole: &Rules, tape: &mut Tape<'_>) -> (Set, Rule) {
    let set = Set::of(whole.table.name.clone(), name("dynamic"), 99, Type::MARK, 4)
        .flags(Set::TIMEOUT | Set::EVAL)
        .size(9);
    let op = tape.pick(&[DynsetOp::ADD, DynsetOp::UPDATE, DynsetOp::DELETE]);
    let count = if op == DynsetOp::DELETE { 0 } else { tape.below(3) };
    let exprs = (0..count).map(|_| stateful(tape)).collect();
    // The kernel tells 0 where none is said.
    let timeout =
        Some(if op == DynsetOp::DELETE { 0 } else { u64::from(tape.below(2) * tape.below(999)) * 1_000 });
    let flags = Some(tape.below(2));
    let mark = Meta { dreg: Some(Register::R1), ..Meta::new(MetaKey::MARK) };
    let update = Dynset { exprs, timeout, flags, ..Dynset::new(set.name.clone(), op, Register::R1) };
    let rule = Rule::new(whole.table.name.clone(), name("base")).expr(mark).expr(update);
    (set, rule)
}

impl Rules {
    fn draw(numbers: &[u32]) -> Self {
        let mut tape = Tape(numbers.iter());
        let mut whole = rules(&mut tape);
        let (set, rule) = dynamic(&whole, &mut tape);
        whole.sets.insert(0, (set, Vec::new()));
        whole.rules.push(rule);
        whole
    }

    /// Everything else away, and this into its place.
    fn batch(&self) -> Batch {
        let mut batch = Batch::new();
        batch.flush_ruleset(None).unwrap();
        batch.add(self.family, &self.table).unwrap();
        self.chains.iter().for_each(|chain| batch.add(self.family, chain).unwrap());
        self.objects.iter().for_each(|object| batch.add(self.family, object).unwrap());
        for (set, elements) in &self.sets {
            batch.add(self.family, set).unwrap();
            batch.add_elements(self.family, set, elements).unwrap();
        }
        self.rules.iter().for_each(|rule| batch.add(self.family, rule).unwrap());
        batch
    }

    /// As it is read.
    fn entries(&self) -> BTreeSet<String> {
        let one = |entry: Entry| (self.family, entry);
        let mut entries = vec![one(Entry::Table(self.table.clone()))];
        entries.extend(self.chains.iter().cloned().map(Entry::Chain).map(one));
        entries.extend(self.objects.iter().cloned().map(Entry::Object).map(one));
        for (set, elements) in &self.sets {
            let (table, name) = (set.table.clone(), set.name.clone());
            entries.push(one(Entry::Set(set.clone())));
            entries.push(one(Entry::Elements { table, set: name, elements: elements.clone() }));
        }
        let mut all = lasting(entries);
        all.extend(order(&self.rules));
        all
    }
}

/// Each rule with the one before it in its chain.
fn order<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Vec<String> {
    let mut before: std::collections::HashMap<Name, usize> = std::collections::HashMap::new();
    let lines = rules.into_iter().map(|rule| {
        let number = before.entry(rule.chain.clone()).and_modify(|number| *number += 1).or_insert(0);
        format!("rule {number} of {}: {:?} {:?}", rule.chain, rule.exprs, rule.userdata)
    });
    lines.collect()
}

/// What of entries lasts: no handles, and nothing that only the kernel or only the batch knows.
fn lasting(entries: impl IntoIterator<Item = (Family, Entry)>) -> BTreeSet<String> {
    let (mut all, mut rules) = (BTreeSet::new(), Vec::new());
    for (family, entry) in entries {
        let family = family.get();
        match entry {
            Entry::Table(table) => {
                all.insert(format!("{family} {:?}", Table { uses: None, handle: None, ..table }));
            }
            Entry::Chain(chain) => {
                let flags = None;
                all.insert(format!("{family} {:?}", Chain { uses: None, handle: None, flags, ..chain }));
            }
            Entry::Set(set) => {
                // Newer kernels tell how many elements there are, and more.
                let unknown = None;
                // A verdict is as long as that of the kernel.
                let data_len = set.data_len.filter(|_| set.data_type != Some(Type::VERDICT));
                let layout = set.layout.filter(|layout| *layout != tortie_nft_wire::Layout::new());
                all.insert(format!(
                    "{family} {:?}",
                    Set {
                        id: None,
                        handle: None,
                        flags: set.flags.or(Some(0)),
                        layout,
                        data_len,
                        unknown,
                        ..set
                    }
                ));
            }
            Entry::Elements { set, elements, .. } => {
                all.extend(elements.iter().map(|element| format!("{family} {set} {element:?}")));
            }
            Entry::Object(object) => {
                all.insert(format!("{family} {:?}", Object { uses: None, handle: None, ..object }));
            }
            Entry::Rule(rule) => rules.push(rule),
            other => panic!("{other:?}"),
        }
    }
    all.extend(order(&rules));
    all
}

fn read(socket: &mut Socket) -> (u32, BTreeSet<String>) {
    let (generation, entries) = socket.ruleset(Family::new(0)).unwrap();
    (generation, lasting(entries))
}

/// A message that the kernel refuses, whatever else is there, and what its path must say.
fn bad(tape: &mut Tape<'_>, whole: &Rules, batch: &mut Batch) -> Action {
    let table = whole.table.name.clone();
    let base = || Rule::new(table.clone(), name("base"));
    match tape.below(5) {
        0 => batch.add(whole.family, &Rule::new(table.clone(), name("missing")).accept()).unwrap(),
        1 => batch.add(whole.family, &base().jump(name("nowhere"))).unwrap(),
        2 => {
            let lookup = Lookup::new(name("nothing"), Register::R1);
            let load = Meta { dreg: Some(Register::R1), ..Meta::new(MetaKey::MARK) };
            batch.insert(whole.family, &base().expr(load).expr(lookup)).unwrap();
            return Action::Insert;
        }
        3 => {
            batch.create(whole.family, &whole.table).unwrap();
            return Action::Create;
        }
        _ => {
            let object = Object::named(table, name("never"), ObjectType::COUNTER);
            batch.delete(whole.family, &object).unwrap();
            return Action::Delete;
        }
    }
    Action::Add
}

fn check(socket: &mut Socket, numbers: &[u32]) -> Result<(), TestCaseError> {
    let whole = Rules::draw(numbers);
    if let Err(error) = socket.commit(&mut whole.batch()) {
        return Err(TestCaseError::fail(error.to_string()));
    }
    let (_, once) = read(socket);
    let want = whole.entries();
    let differ: Vec<_> = once.symmetric_difference(&want).collect();
    prop_assert!(differ.is_empty(), "read or sent, not both: {differ:#?}");
    if let Err(error) = socket.commit(&mut whole.batch()) {
        return Err(TestCaseError::fail(format!("a second time: {error}")));
    }
    let (generation, twice) = read(socket);
    prop_assert_eq!(&twice, &once);

    // Somewhere in another rule set, a message that is refused.
    let mut tape = Tape(numbers.iter());
    let other = numbers.iter().rev().map(|number| number.rotate_left(7)).collect::<Vec<_>>();
    let mut batch =
        Rules { table: whole.table.clone(), family: whole.family, ..Rules::draw(&other) }.empty_batch();
    let action = bad(&mut tape, &whole, &mut batch);
    let number = batch.len();
    for rule in whole.rules.iter().filter(|rule| rule.exprs.is_empty()) {
        batch.add(whole.family, rule).unwrap();
    }
    match socket.commit(&mut batch) {
        Err(CommitError::Refused(refusals)) => {
            let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
            prop_assert_eq!((refusal.number, refusal.path.action), (number, action), "{}", refusal);
            prop_assert_eq!(refusal.path.table.as_ref(), Some(&whole.table.name));
            prop_assert!(!matches!(refusal.path.subject, Subject::Batch | Subject::Ruleset), "{}", refusal);
        }
        other => return Err(TestCaseError::fail(format!("not refused: {other:?}"))),
    }
    prop_assert_eq!(read(socket), (generation, once));
    Ok(())
}

impl Rules {
    /// A few messages about chains that may be added to what is there.
    fn empty_batch(&self) -> Batch {
        let mut batch = Batch::new();
        for (number, _) in self.chains.iter().enumerate() {
            let chain = Chain::new(self.table.name.clone(), name(&format!("added{number}")));
            batch.add(self.family, &chain).unwrap();
        }
        batch
    }
}

#[test]
fn netns_random_rule_sets_are_read_as_they_were_sent() {
    namespaced("netns_random_rule_sets_are_read_as_they_were_sent", &[], || {
        let prove = std::env::var("TORTIE_PROVE").is_ok_and(|value| value == "1");
        let cases = if prove { 5_000 } else { 60 };
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let numbers = proptest::collection::vec(any::<u32>(), 0..400);
        let socket = core::cell::RefCell::new(Socket::open().unwrap());
        let ran = runner.run(&numbers, |numbers| check(&mut socket.borrow_mut(), &numbers));
        if let Err(error) = ran {
            panic!("{error}");
        }
        println!(
            "{cases} random rule sets were read as they were sent, once and twice, and nothing of a bad batch"
        );
    });
}
