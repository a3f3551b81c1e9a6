//! The kernel's nf_tables, filled from Rust, in a network namespace of its own.
//!
//! - `load_100k_set`: a table and a hash set of 100,000 IPv4 addresses with a size; from the addresses to the kernel's answer.
//! - `load_10k_rules`: a table, a chain and 10,000 rules `ip saddr A tcp dport P counter accept`.
//! - `load_100k_intervals`: an interval set of 100,000 networks /24 that do not touch.
//! - `add_one_of_100k`: one address more in that first set.
//! - `encode_element`: an address as an element, of 100,000 in one call; into a buffer that had as many before.
//!
//! Beside each: `nft -f` of the same content, the crate `nftables`, which runs `nft -j`, and as the floor the same bytes,
//! made before, in one `send`. What of it is text or JSON is made before, too. Time on the wall, the median of runs in turn; the
//! check is what the kernel holds afterwards.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use core::fmt::Write as _;
use core::hint::black_box;

use std::process::Command;

use netlink_packet_core::Emitable as _;
use netlink_packet_netfilter::nftables::{DataAttribute, ListAttribute, SetElementAttribute, SetElementList};
use nftables::schema::Nftables;
use serde_json::json;
use tortie_benches::kernel::{self, Bare, median, timed};
use tortie_benches::memory::{self, Counted};
use tortie_benches::report::{self, Mode, Row};
use tortie_nft_wire::{
    Attachment, Batch, Chain, Data, Element, Entry, Family, Hook, Listing, Messages, Name, Rule, Set, Socket,
    Table, Type,
};

#[global_allocator]
static ALLOCATOR: Counted = Counted::new();

const SET: &str = "nft-wire/load_100k_set";
const RULES: &str = "nft-wire/load_10k_rules";
const INTERVALS: &str = "nft-wire/load_100k_intervals";
const ONE: &str = "nft-wire/add_one_of_100k";
const ENCODE: &str = "nft-wire/encode_element";

/// Who loads, in the order of the turns.
const LOADERS: usize = 4;

const fn rows(work: &str) -> [Row<'_>; LOADERS] {
    [
        Row::tortie(work, "tortie"),
        Row::floor(work, "one_send"),
        Row::rival(work, "nft"),
        Row::rival(work, "nftables"),
    ]
}

const ENCODERS: [Row<'_>; 3] =
    [Row::tortie(ENCODE, "tortie"), Row::twin(ENCODE), Row::rival(ENCODE, "netlink_packet_netfilter")];

const FAMILY: Family = Family::IPV4;
const TCP: u8 = 6;

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// What is loaded, and how each says it.
struct Load<'l> {
    work: &'l str,
    batch: &'l dyn Fn() -> Batch,
    text: String,
    document: Nftables<'static>,
    /// What the kernel holds afterwards.
    check: &'l dyn Fn(&mut Socket) -> String,
    /// Takes what was loaded away again.
    undo: &'l dyn Fn(&mut Socket),
}

fn addresses(count: u32) -> impl Iterator<Item = [u8; 4]> {
    (0..count).map(|number| (0x0a00_0000 + number * 7).to_be_bytes())
}

/// Networks of 256 addresses, with as many between them.
fn networks(count: u32) -> impl Iterator<Item = ([u8; 4], [u8; 4])> {
    (0..count).map(|number| {
        let first = 0x0100_0000 + (number << 9);
        (first.to_be_bytes(), (first | 0xff).to_be_bytes())
    })
}

fn dotted([a, b, c, d]: [u8; 4]) -> String {
    format!("{a}.{b}.{c}.{d}")
}

fn hash_set(count: u32) -> Set {
    // One more than there are, for the one that is added.
    Set::of(name("t"), name("s"), 1, Type::IPV4_ADDR, 4).size(count + 1)
}

fn interval_set() -> Set {
    Set::of(name("t"), name("s"), 1, Type::IPV4_ADDR, 4).flags(Set::INTERVAL)
}

fn table() -> Batch {
    let mut batch = Batch::new();
    batch.add(FAMILY, &Table::new(name("t"))).unwrap();
    batch
}

fn drop_table(socket: &mut Socket) {
    let mut batch = Batch::new();
    batch.delete(FAMILY, &Table::new(name("t"))).unwrap();
    socket.commit(&mut batch).unwrap();
    // The kernel frees it afterwards, which the next run shall not pay for.
    std::thread::sleep(core::time::Duration::from_millis(30));
}

fn document(commands: serde_json::Value) -> Nftables<'static> {
    serde_json::from_value(json!({ "nftables": commands })).unwrap()
}

/// How many elements the set has, and the sum of their keys.
fn elements(socket: &mut Socket) -> String {
    let listing = Listing::Elements { table: &name("t"), set: &name("s") };
    let entries = socket.list(FAMILY, listing).unwrap();
    let elements = entries.iter().flat_map(|(_, entry)| match entry {
        Entry::Elements { elements, .. } => elements.as_slice(),
        _ => &[],
    });
    sum(elements)
}

fn sum<'e>(elements: impl Iterator<Item = &'e Element>) -> String {
    let (mut count, mut sum) = (0, 0_u64);
    for element in elements {
        // What the kernel says itself of an interval set, that nothing is below the first, not everybody sends.
        match &element.key {
            Some(Data::Value(key)) if key.iter().any(|octet| *octet > 0) => {
                count += 1;
                sum += u64::from(u32::from_be_bytes(key.as_slice().try_into().unwrap()));
            }
            _ => {}
        }
    }
    format!("{count} elements, sum {sum}")
}

fn rules(socket: &mut Socket) -> String {
    let rules = socket.list(FAMILY, Listing::Rules).unwrap();
    let expressions: usize = rules
        .iter()
        .map(|(_, entry)| match entry {
            Entry::Rule(rule) => rule.exprs.len(),
            _ => 0,
        })
        .sum();
    format!("{} rules, {expressions} expressions", rules.len())
}

/// Runs a work by everybody in turn.
fn measure(load: &Load<'_>, runs: usize, unit: &str) {
    let mut socket = Socket::open().unwrap();
    let bare = Bare::open().unwrap();
    let mut prebuilt = (load.batch)();
    let bytes = prebuilt.finish().to_vec();
    let path = std::env::temp_dir().join(format!("tortie-nft-{}.nft", std::process::id()));
    std::fs::write(&path, &load.text).unwrap();
    let nft = || {
        let output = Command::new("nft").arg("-f").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (mut times, mut checks) = ([const { Vec::new() }; LOADERS], [const { String::new() }; LOADERS]);
    for _ in 0..runs {
        for (who, (times, said)) in times.iter_mut().zip(&mut checks).enumerate() {
            times.push(match who {
                0 => timed(|| socket.commit(&mut (load.batch)()).unwrap()),
                1 => timed(|| bare.send(&bytes).unwrap()),
                2 => timed(nft),
                _ => timed(|| nftables::helper::apply_ruleset(&load.document).unwrap()),
            });
            *said = (load.check)(&mut socket);
            (load.undo)(&mut socket);
        }
    }
    std::fs::remove_file(&path).unwrap();
    let factor = if unit == "ms" { 1e3 } else { 1e6 };
    for ((row, times), said) in rows(load.work).iter().zip(times).zip(checks) {
        let samples = times.len();
        row.measured(median(times) * factor, unit, samples, said);
    }
}

fn load_set(count: u32, runs: usize) {
    let text = addresses(count).map(dotted).collect::<Vec<_>>();
    measure(
        &Load {
            work: SET,
            batch: &|| {
                let mut batch = table();
                batch.add(FAMILY, &hash_set(count)).unwrap();
                batch.add_keys(FAMILY, &hash_set(count), addresses(count)).unwrap();
                batch
            },
            text: format!(
                "table ip t {{\nset s {{\ntype ipv4_addr\nsize {}\nelements = {{ {} }}\n}}\n}}\n",
                count + 1,
                text.join(", ")
            ),
            document: document(json!([
                { "add": { "table": { "family": "ip", "name": "t" } } },
                { "add": { "set": { "family": "ip", "table": "t", "name": "s", "type": "ipv4_addr", "size": count + 1, "elem": text } } },
            ])),
            check: &elements,
            undo: &drop_table,
        },
        runs,
        "ms",
    );
}

fn load_intervals(count: u32, runs: usize) {
    let text: Vec<String> = networks(count).map(|(first, _)| format!("{}/24", dotted(first))).collect();
    let prefixes: Vec<_> =
        networks(count).map(|(first, _)| json!({ "prefix": { "addr": dotted(first), "len": 24 } })).collect();
    measure(
        &Load {
            work: INTERVALS,
            batch: &|| {
                let mut batch = table();
                batch.add(FAMILY, &interval_set()).unwrap();
                batch.add_intervals(FAMILY, &interval_set(), networks(count)).unwrap();
                batch
            },
            text: format!(
                "table ip t {{\nset s {{\ntype ipv4_addr\nflags interval\nelements = {{ {} }}\n}}\n}}\n",
                text.join(", ")
            ),
            document: document(json!([
                { "add": { "table": { "family": "ip", "name": "t" } } },
                { "add": { "set": { "family": "ip", "table": "t", "name": "s", "type": "ipv4_addr", "flags": ["interval"], "elem": prefixes } } },
            ])),
            check: &elements,
            undo: &drop_table,
        },
        runs,
        "ms",
    );
}

fn load_rules(count: u32, runs: usize) {
    let port = |number: u32| u16::try_from(number % 60_000).unwrap() + 1;
    let lines = addresses(count).zip(0..).fold(String::new(), |mut lines, (address, number)| {
        let _ = writeln!(lines, "ip saddr {} tcp dport {} counter accept", dotted(address), port(number));
        lines
    });
    let matches = |protocol: &str, field: &str, right: serde_json::Value| json!({ "match": { "op": "==", "left": { "payload": { "protocol": protocol, "field": field } }, "right": right } });
    let mut commands = vec![
        json!({ "add": { "table": { "family": "ip", "name": "t" } } }),
        json!({ "add": { "chain": { "family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "accept" } } }),
    ];
    commands.extend(addresses(count).zip(0..).map(|(address, number)| {
        json!({ "add": { "rule": { "family": "ip", "table": "t", "chain": "c", "expr": [
            matches("ip", "saddr", json!(dotted(address))),
            matches("tcp", "dport", json!(port(number))),
            { "counter": null },
            { "accept": null },
        ] } } })
    }));
    measure(
        &Load {
            work: RULES,
            batch: &|| {
                let mut batch = table();
                let input = Attachment::new(Hook::INPUT, Attachment::FILTER);
                batch.add(FAMILY, &Chain::new(name("t"), name("c")).base(name("filter"), input)).unwrap();
                let (t, c) = (name("t"), name("c"));
                for (address, number) in addresses(count).zip(0..) {
                    let rule = Rule::new(t.clone(), c.clone())
                        .expr(load_saddr())
                        .expr(equal(address))
                        .dport(TCP, port(number))
                        .counter()
                        .accept();
                    batch.add(FAMILY, &rule).unwrap();
                }
                batch
            },
            text: format!(
                "table ip t {{\nchain c {{\ntype filter hook input priority 0; policy accept;\n{lines}}}\n}}\n"
            ),
            document: document(serde_json::Value::Array(commands)),
            check: &rules,
            undo: &drop_table,
        },
        runs,
        "ms",
    );
}

/// The source address; in a table of IPv4, no family needs to be asked for.
fn load_saddr() -> tortie_nft_wire::expr::Payload {
    use tortie_nft_wire::expr::{Base, Payload};
    Payload { dreg: Some(tortie_nft_wire::Register::R1), ..Payload::new(Base::NETWORK, 12, 4) }
}

fn equal(address: [u8; 4]) -> tortie_nft_wire::expr::Cmp {
    use tortie_nft_wire::expr::{Cmp, CmpOp};
    Cmp::new(tortie_nft_wire::Register::R1, CmpOp::EQ, Data::value(address))
}

fn add_one(count: u32, runs: usize) {
    let mut socket = Socket::open().unwrap();
    let mut batch = table();
    let set = hash_set(count);
    batch.add(FAMILY, &set).unwrap();
    batch.add_keys(FAMILY, &set, addresses(count)).unwrap();
    socket.commit(&mut batch).unwrap();
    // Of the set as it is; its number was one of that batch.
    let set = Set { id: None, ..set };
    let key = [192, 0, 2, 1];
    measure(
        &Load {
            work: ONE,
            batch: &|| {
                let mut batch = Batch::new();
                batch.add_keys(FAMILY, &set, [key]).unwrap();
                batch
            },
            text: "add element ip t s { 192.0.2.1 }\n".into(),
            document: document(json!([
                { "add": { "element": { "family": "ip", "table": "t", "name": "s", "elem": ["192.0.2.1"] } } },
            ])),
            check: &elements,
            undo: &|socket| {
                let mut batch = Batch::new();
                batch.delete_keys(FAMILY, &set, [key]).unwrap();
                socket.commit(&mut batch).unwrap();
            },
        },
        runs,
        "us",
    );
    drop_table(&mut socket);
}

/// An attribute as its own bytes, the stupid way.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(len.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    while bytes.len() % 4 != 0 {
        bytes.push(0);
    }
    bytes
}

/// Elements of one message of the others.
const CHUNK: usize = 3_000;

/// A message with these attributes, to read what was written.
fn message(attributes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(attributes.len() + 20).unwrap();
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend((10_u16 << 8 | 12).to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend([FAMILY.get(), 0, 0, 0]);
    bytes.extend(attributes);
    bytes
}

fn read(bytes: &[u8]) -> String {
    let entries: Vec<_> = Messages::new(bytes).filter_map(|message| message.entry()).collect();
    let elements = entries.iter().flat_map(|(_, entry)| match entry {
        Entry::Elements { elements, .. } => elements.as_slice(),
        _ => &[],
    });
    sum(elements)
}

fn twin(keys: &[[u8; 4]]) -> Vec<Vec<u8>> {
    let messages = keys.chunks(CHUNK).map(|keys| {
        let elements: Vec<Vec<u8>> = keys
            .iter()
            .map(|key| attribute(1 | 0x8000, &attribute(1 | 0x8000, &attribute(1, key))))
            .collect();
        let parts = [attribute(1, b"t\0"), attribute(2, b"s\0"), attribute(3 | 0x8000, &elements.concat())];
        parts.concat()
    });
    messages.collect()
}

fn rival(keys: &[[u8; 4]]) -> Vec<Vec<u8>> {
    let messages = keys.chunks(CHUNK).map(|keys| {
        let elements = keys.iter().map(|key| {
            ListAttribute::Element(vec![SetElementAttribute::Key(DataAttribute::Value(key.to_vec()))])
        });
        let list = [
            SetElementList::Table("t".into()),
            SetElementList::Set("s".into()),
            SetElementList::Elements(elements.collect()),
        ];
        let mut bytes = vec![0; list.as_slice().buffer_len()];
        list.as_slice().emit(&mut bytes);
        bytes
    });
    messages.collect()
}

/// Elements of 100,000, in nanoseconds each.
fn encode(count: u32, runs: usize) {
    let keys: Vec<[u8; 4]> = addresses(count).collect();
    let set = Set { id: None, ..hash_set(count) };
    let mut batch = Batch::new();
    let whole =
        |messages: Vec<Vec<u8>>| read(&messages.iter().flat_map(|bytes| message(bytes)).collect::<Vec<_>>());
    let (mut times, mut checks) = ([const { Vec::new() }; 3], [const { String::new() }; 3]);
    for _ in 0..=runs {
        for (who, (times, said)) in times.iter_mut().zip(&mut checks).enumerate() {
            batch.clear();
            let (mut built, before) = (Vec::new(), memory::allocations());
            let time = match who {
                0 => timed(|| batch.add_keys(FAMILY, &set, black_box(&keys)).unwrap()),
                1 => timed(|| built = black_box(twin(black_box(&keys)))),
                _ => timed(|| built = black_box(rival(black_box(&keys)))),
            };
            let asked = memory::allocations() - before;
            times.push(time);
            *said = if who == 0 { read(batch.finish()) } else { whole(built) };
            // The first one makes the room.
            assert!(who > 0 || times.len() == 1 || asked == 0, "{asked} allocations");
        }
    }
    for ((row, mut times), said) in ENCODERS.iter().zip(times).zip(checks) {
        times.remove(0);
        let samples = times.len();
        row.measured(median(times) * 1e9 / f64::from(count), "ns", samples, said);
    }
}

fn main() {
    let all: Vec<Row<'_>> = [SET, RULES, INTERVALS, ONE].into_iter().flat_map(rows).chain(ENCODERS).collect();
    let Some(mode) = report::mode(&all) else { return };
    let is_test = mode == Mode::Test;
    let (elements, networks, rules) = if is_test { (1_000, 1_000, 100) } else { (100_000, 100_000, 10_000) };
    let runs = |usual: usize| if is_test { 2 } else { usual };
    encode(elements, runs(101));
    if let Err(error) = kernel::unshare() {
        return println!("skipped {SET} and what else needs the kernel: {error}; run it as root");
    }
    if Command::new("nft").arg("-V").output().is_err() {
        return println!("skipped {SET} and what else needs the kernel: there is no `nft`");
    }
    load_set(elements, runs(11));
    load_rules(rules, runs(11));
    load_intervals(networks, runs(11));
    add_one(elements, runs(51));
}
