//! Tables, chains, sets, elements and objects: what `nft` lists after our batch, as text and as JSON, and what `nft` itself sends
//! for that text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tortie_nft_wire::expr::{Counter, Limit, LimitType, Quota};
use tortie_nft_wire::{
    Attachment, Batch, Bytes, Chain, Data, Devices, Element, Entry, Family, Hook, Messages, Object,
    ObjectType, Policy, Set, SetPolicy, Socket, Table, Type, Verdict,
};

use crate::spoken::{Spoken, spoken};
use crate::{must, name, namespaced};

/// What a batch makes, and how `nft` tells it.
struct Scene {
    what: &'static str,
    /// What `nft` lists, but for where it breaks lines, and understands.
    text: &'static str,
    batch: fn() -> Batch,
}

fn table(family: Family) -> Batch {
    let mut batch = Batch::new();
    batch.add(family, &Table::new(name("t"))).unwrap();
    batch
}

fn chain(chain: &str, kind: &str, hook: Hook, priority: i32) -> Chain {
    Chain::new(name("t"), name(chain))
        .base(name(kind), Attachment::new(hook, priority))
        .policy(Policy::ACCEPT)
}

fn set(set: &str, id: u32, key_type: Type, key_len: u32) -> Set {
    Set::of(name("t"), name(set), id, key_type, key_len)
}

fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// A comment as `nft` keeps it: its type, its length with the zero at its end, and it.
fn comment(kind: u8, text: &str) -> Option<Bytes> {
    let mut bytes = Bytes::from_slice(&[kind, u8::try_from(text.len()).unwrap() + 1]);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    Some(bytes)
}

fn tables() -> Batch {
    let mut batch = Batch::new();
    let families = [Family::IPV4, Family::IPV6, Family::ARP, Family::BRIDGE, Family::NETDEV];
    for family in families {
        batch.add(family, &Table::new(name("t"))).unwrap();
    }
    batch.add(Family::INET, &Table { userdata: comment(0, "why"), ..Table::new(name("t")) }).unwrap();
    batch
}

fn chains(family: Family, chains: &[Chain]) -> Batch {
    let mut batch = table(family);
    chains.iter().for_each(|chain| batch.add(family, chain).unwrap());
    batch
}

fn inet_chains() -> Batch {
    let regular = Chain { userdata: comment(0, "called"), ..Chain::new(name("t"), name("regular")) };
    let ingress = Attachment { device: Some(name("lo")), ..Attachment::new(Hook::new(5), -500) };
    chains(
        Family::INET,
        &[
            chain("a", "filter", Hook::PREROUTING, Attachment::RAW),
            chain("b", "filter", Hook::INPUT, Attachment::FILTER).policy(Policy::DROP),
            chain("c", "filter", Hook::FORWARD, Attachment::MANGLE),
            chain("d", "route", Hook::OUTPUT, -1),
            chain("e", "nat", Hook::POSTROUTING, Attachment::SRCNAT),
            chain("f", "nat", Hook::PREROUTING, Attachment::DSTNAT),
            Chain::new(name("t"), name("g")).base(name("filter"), ingress).policy(Policy::ACCEPT),
            regular,
        ],
    )
}

fn netdev_chains() -> Batch {
    let one = Attachment { device: Some(name("lo")), ..Attachment::new(Hook::INGRESS, 7) };
    let out = Attachment { device: Some(name("lo")), ..Attachment::new(Hook::EGRESS, -7) };
    let both = Devices(vec![name("lo"), name("ifb7")]);
    let two = Attachment { devices: Some(both), ..Attachment::new(Hook::INGRESS, 8) };
    let base =
        |chain: &str, at| Chain::new(name("t"), name(chain)).base(name("filter"), at).policy(Policy::ACCEPT);
    chains(Family::NETDEV, &[base("one", one), base("out", out), base("two", two)])
}

fn sets() -> Batch {
    let family = Family::INET;
    let mut batch = table(family);
    let tuple = Type::IPV4_ADDR.then(Type::INET_PROTO).then(Type::INET_SERVICE);
    let counters = |set: Set| Set { expr: Some(Counter::new().into()), ..set };
    batch.add(family, &Chain::new(name("t"), name("x"))).unwrap();
    let all = [
        Set { timeout: Some(60_000), gc_interval: Some(10_000), ..set("a", 1, Type::IPV4_ADDR, 4).size(10) }
            .flags(Set::TIMEOUT),
        set("b", 2, Type::IPV4_ADDR, 4).flags(Set::CONSTANT),
        set("c", 3, Type::IPV4_ADDR, 4).flags(Set::INTERVAL),
        set("d", 4, tuple, 12).parts(&[4, 1, 2]),
        set("e", 5, Type::IPV4_ADDR.then(Type::INET_SERVICE), 8).flags(Set::TIMEOUT | Set::EVAL).size(7),
        counters(set("f", 6, Type::IPV4_ADDR, 4)),
        set("g", 7, Type::IFNAME, 16).map(Type::VERDICT, 0),
        set("h", 8, Type::INET_SERVICE, 2).map(Type::IPV4_ADDR.then(Type::INET_SERVICE), 8),
        set("i", 9, Type::IPV4_ADDR, 4).map(Type::MARK, 4).flags(Set::INTERVAL),
        Set { object_type: Some(ObjectType::COUNTER), ..set("j", 10, Type::IPV4_ADDR, 4).flags(Set::OBJECT) },
        set("k", 11, Type::ETHER_ADDR, 6),
        set("l", 12, Type::MARK, 4),
        set("m", 13, Type::INET_PROTO, 1),
        Set { policy: Some(SetPolicy::MEMORY), ..set("n", 14, Type::IPV6_ADDR, 16) },
    ];
    all.iter().for_each(|set| batch.add(family, set).unwrap());
    batch
}

fn elements() -> Batch {
    let family = Family::INET;
    let mut batch = table(family);
    batch.add(family, &Chain::new(name("t"), name("x"))).unwrap();
    let counter = Counter { packets: Some(1), bytes: Some(2) };
    batch.add(family, &Object::counter(name("t"), name("cn"), counter)).unwrap();
    let mut put = |set: Set, elements: Vec<Element>| {
        batch.add(family, &set).unwrap();
        batch.add_elements(family, &set, &elements).unwrap();
    };
    let end = |key: [u8; 4]| Element::of(key).flags(Element::INTERVAL_END);
    put(set("b", 2, Type::IPV4_ADDR, 4), vec![Element::of([10, 0, 0, 1]), Element::of([10, 0, 0, 2])]);
    put(
        set("c", 3, Type::IPV4_ADDR, 4).flags(Set::INTERVAL),
        vec![
            end([0, 0, 0, 0]),
            Element::of([10, 0, 0, 0]),
            end([11, 0, 0, 0]),
            Element::of([192, 0, 2, 1]),
            end([192, 0, 2, 8]),
            // What nft remembers of an interval that does not end.
            Element { userdata: Some(Bytes::from_slice(&[1, 4, 1, 0, 0, 0])), ..Element::of([224, 0, 0, 0]) },
        ],
    );
    let flow =
        [Element::of([10, 1, 0, 0, 6, 0, 0, 0, 0, 80, 0, 0]).to([10, 1, 255, 255, 6, 0, 0, 0, 0, 90, 0, 0])];
    let tuple = Type::IPV4_ADDR.then(Type::INET_PROTO).then(Type::INET_SERVICE);
    put(set("d", 4, tuple, 12).parts(&[4, 1, 2]), flow.to_vec());
    let counted = Counter { packets: Some(3), bytes: Some(4) };
    let element =
        Element { expr: Some(counted.into()), userdata: comment(0, "el"), ..Element::of([10, 0, 0, 1]) };
    put(Set { expr: Some(Counter::new().into()), ..set("f", 6, Type::IPV4_ADDR, 4) }, vec![element]);
    put(
        set("g", 7, Type::IFNAME, 16).map(Type::VERDICT, 0),
        vec![
            Element::of(interface("eth0")).data(Verdict::Drop),
            Element::of(interface("eth1")).data(Verdict::Jump(name("x"))),
        ],
    );
    put(
        set("h", 8, Type::INET_SERVICE, 2).map(Type::IPV4_ADDR.then(Type::INET_SERVICE), 8),
        vec![Element::of([0, 80]).data(Data::value([10, 0, 0, 1, 31, 144, 0, 0]))],
    );
    let other = Element { flags: Some(Element::CATCHALL), ..Element::new() };
    put(
        set("i", 9, Type::IPV4_ADDR, 4).map(Type::MARK, 4).flags(Set::INTERVAL),
        vec![
            other.data(Data::value(9_u32.to_ne_bytes())),
            end([0, 0, 0, 0]),
            Element::of([10, 0, 0, 0]).data(Data::value(1_u32.to_ne_bytes())),
            end([11, 0, 0, 0]),
        ],
    );
    put(
        Set { object_type: Some(ObjectType::COUNTER), ..set("j", 10, Type::IPV4_ADDR, 4).flags(Set::OBJECT) },
        vec![Element { object: Some(name("cn")), ..Element::of([10, 0, 0, 1]) }],
    );
    put(set("k", 11, Type::ETHER_ADDR, 6), vec![Element::of([0, 0, 0, 0, 0, 1])]);
    put(set("l", 12, Type::MARK, 4), vec![Element::of(7_u32.to_ne_bytes())]);
    batch
}

fn objects() -> Batch {
    let family = Family::INET;
    let mut batch = table(family);
    let (t, object) = (|| name("t"), |object: &str| name(object));
    let limit = |rate, kind, flags, burst| Limit {
        kind: Some(kind),
        flags: Some(flags),
        burst: Some(burst),
        ..Limit::new(rate, 60)
    };
    let quota = |bytes, flags| Quota { flags: Some(flags), consumed: Some(0), ..Quota::new(bytes) };
    let counter = Counter { packets: Some(1), bytes: Some(2) };
    let all = [
        Object { userdata: comment(0, "c"), ..Object::counter(t(), object("cn"), counter) },
        Object::quota(t(), object("qo"), quota(10 << 20, 1)),
        Object::quota(t(), object("qu"), quota(25, 0)),
        Object::limit(t(), object("li"), limit(400, LimitType::PACKETS, 0, 5)),
        Object::limit(t(), object("lo"), limit(1 << 10, LimitType::BYTES, 1, 2048)),
    ];
    all.iter().for_each(|object| batch.add(family, object).unwrap());
    batch
}

/// The scene that `nft` 1.0.6 breaks off to tell in JSON, at the flags.
const DORMANT: &str = "a dormant table";

const SCENES: [Scene; 9] = [
    Scene {
        what: "tables",
        text: r#"table ip t { }
            table ip6 t { }
            table arp t { }
            table bridge t { }
            table netdev t { }
            table inet t { comment "why"
            }"#,
        batch: tables,
    },
    Scene {
        what: DORMANT,
        text: r#"table inet t { flags dormant
                comment "why"
            }"#,
        batch: || {
            let mut batch = Batch::new();
            let dormant =
                Table { userdata: comment(0, "why"), ..Table::new(name("t")).flags(Table::DORMANT) };
            batch.add(Family::INET, &dormant).unwrap();
            batch
        },
    },
    Scene {
        what: "chains of inet",
        text: r#"table inet t {
            chain a { type filter hook prerouting priority -300; policy accept; }
            chain b { type filter hook input priority 0; policy drop; }
            chain c { type filter hook forward priority -150; policy accept; }
            chain d { type route hook output priority -1; policy accept; }
            chain e { type nat hook postrouting priority 100; policy accept; }
            chain f { type nat hook prerouting priority -100; policy accept; }
            chain g { type filter hook ingress device "lo" priority -500; policy accept; }
            chain regular { comment "called"
            }
            }"#,
        batch: inet_chains,
    },
    Scene {
        what: "chains of netdev",
        text: r#"table netdev t {
            chain one { type filter hook ingress device "lo" priority 7; policy accept; }
            chain out { type filter hook egress device "lo" priority -7; policy accept; }
            chain two { type filter hook ingress devices = { ifb7, lo } priority 8; policy accept; }
            }"#,
        batch: netdev_chains,
    },
    Scene {
        what: "chains of bridge",
        text: r#"table bridge t {
            chain a { type filter hook prerouting priority -200; policy accept; }
            chain b { type filter hook postrouting priority 300; policy drop; }
            }"#,
        batch: || {
            let last = chain("b", "filter", Hook::POSTROUTING, 300).policy(Policy::DROP);
            chains(Family::BRIDGE, &[chain("a", "filter", Hook::PREROUTING, -200), last])
        },
    },
    Scene {
        what: "chains of arp",
        text: r#"table arp t {
            chain a { type filter hook input priority 0; policy accept; }
            chain b { type filter hook output priority 1; policy drop; }
            }"#,
        // The hooks of ARP have numbers of their own.
        batch: || {
            let last = chain("b", "filter", Hook::new(1), 1).policy(Policy::DROP);
            chains(Family::ARP, &[chain("a", "filter", Hook::new(0), 0), last])
        },
    },
    Scene {
        what: "sets",
        text: r#"table inet t {
            set a { type ipv4_addr
                size 10
                timeout 60s
                gc-interval 10s
            }
            set b { type ipv4_addr
                flags constant
            }
            set c { type ipv4_addr
                flags interval
            }
            set d { type ipv4_addr . inet_proto . inet_service
                flags interval
            }
            set e { type ipv4_addr . inet_service
                size 7
                flags dynamic,timeout
            }
            set f { type ipv4_addr
                counter
            }
            map g { type ifname : verdict
            }
            map h { type inet_service : ipv4_addr . inet_service
            }
            map i { type ipv4_addr : mark
                flags interval
            }
            map j { type ipv4_addr : counter
            }
            set k { type ether_addr
            }
            set l { type mark
            }
            set m { type inet_proto
            }
            set n { type ipv6_addr
                policy memory
            }
            chain x { }
            }"#,
        batch: sets,
    },
    Scene {
        what: "elements",
        text: r#"table inet t {
            counter cn {
                packets 1 bytes 2
            }
            set b { type ipv4_addr
                elements = { 10.0.0.1, 10.0.0.2 }
            }
            set c { type ipv4_addr
                flags interval
                elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.7, 224.0.0.0/3 }
            }
            set d { type ipv4_addr . inet_proto . inet_service
                flags interval
                elements = { 10.1.0.0/16 . 6 . 80-90 }
            }
            set f { type ipv4_addr
                counter
                elements = { 10.0.0.1 counter packets 3 bytes 4 comment "el" }
            }
            map g { type ifname : verdict
                elements = { "eth0" : drop, "eth1" : jump x }
            }
            map h { type inet_service : ipv4_addr . inet_service
                elements = { 80 : 10.0.0.1 . 8080 }
            }
            map i { type ipv4_addr : mark
                flags interval
                elements = { 10.0.0.0/8 : 0x00000001, * : 0x00000009 }
            }
            map j { type ipv4_addr : counter
                elements = { 10.0.0.1 : "cn" }
            }
            set k { type ether_addr
                elements = { 00:00:00:00:00:01 }
            }
            set l { type mark
                elements = { 0x00000007 }
            }
            chain x { }
            }"#,
        batch: elements,
    },
    Scene {
        what: "objects",
        text: r#"table inet t {
            counter cn { comment "c"
                packets 1 bytes 2
            }
            quota qo {
                over 10 mbytes
            }
            quota qu {
                25 bytes
            }
            limit li {
                rate 400/minute
            }
            limit lo {
                rate over 1 kbytes/minute burst 2 kbytes
            }
            }"#,
        batch: objects,
    },
];

/// A device for the chains of several.
fn device() {
    must("ip", &["link", "add", "ifb7", "type", "ifb"]);
}

/// The text without what it says of lines: `nft` wants some of them, and lists some.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What of a listing in JSON is not another time: handles and the version.
fn lasting(json: &str) -> Vec<Value> {
    let mut whole: Value = serde_json::from_str(json).unwrap();
    let entries = core::mem::take(whole["nftables"].as_array_mut().unwrap());
    let mut entries: Vec<Value> =
        entries.into_iter().filter(|entry| entry.get("metainfo").is_none()).collect();
    for entry in &mut entries {
        for (_, about) in entry.as_object_mut().unwrap() {
            about.as_object_mut().unwrap().remove("handle");
        }
    }
    entries
}

#[test]
fn netns_nft_lists_each_scene() {
    namespaced("netns_nft_lists_each_scene", &["nft", "ip"], || {
        device();
        let json: BTreeMap<String, Vec<Value>> =
            serde_json::from_str(include_str!("../testdata/scenes.json")).unwrap();
        let mut told = 0;
        for scene in SCENES {
            must("nft", &["flush", "ruleset"]);
            Socket::open().unwrap().commit(&mut (scene.batch)()).unwrap();
            let listed = must("nft", &["-y", "-n", "list", "ruleset"]);
            assert_eq!(words(&listed), words(scene.text), "{}\n{listed}", scene.what);
            let told_json = must("nft", &["-y", "-n", "-j", "list", "ruleset"]);
            if scene.what == DORMANT && !told_json.trim_end().ends_with('}') {
                continue;
            }
            let entries = lasting(&told_json);
            told += entries.len();
            assert_eq!(
                json.get(scene.what),
                Some(&entries),
                "{}\n{}",
                scene.what,
                serde_json::json!(entries)
            );
        }
        println!(
            "{} scenes of {told} entries are listed as they should be, as text and as JSON",
            SCENES.len()
        );
    });
}

/// What messages mean, in no order: elements alone, and nothing that only says what follows without it.
fn meaning(messages: impl IntoIterator<Item = Spoken>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for Spoken { family, kind, entry } in messages {
        let about = (family.get(), kind);
        match entry {
            Entry::Table(table) => {
                let flags = Some(table.flags.unwrap_or(0));
                all.insert(format!("{about:?} {:?}", Table { flags, ..table }));
            }
            Entry::Chain(chain) => {
                all.insert(format!("{about:?} {chain:?}"));
            }
            Entry::Set(set) => {
                // Numbers of a batch, and what nft remembers about types.
                let set = Set { id: None, userdata: None, flags: Some(set.flags.unwrap_or(0)), ..set };
                all.insert(format!("{about:?} {set:?}"));
            }
            Entry::Elements { table, set, elements } => {
                all.extend(elements.iter().map(|element| format!("{about:?} {table:?} {set:?} {element:?}")));
            }
            Entry::Object(object) => {
                all.insert(format!("{about:?} {object:?}"));
            }
            Entry::Rule(rule) => {
                all.insert(format!("{about:?} {rule:?}"));
            }
            Entry::Flowtable(flowtable) => {
                all.insert(format!("{about:?} {flowtable:?}"));
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

/// The messages of a batch.
fn written(batch: &mut Batch) -> Vec<Spoken> {
    let messages = Messages::new(batch.finish()).filter_map(|message| {
        let [subsystem, kind] = message.kind().to_be_bytes();
        let (family, entry) = message.entry()?;
        (subsystem == 10).then_some(Spoken { family, kind, entry })
    });
    messages.collect()
}

#[test]
fn netns_nft_sends_the_same_for_each_scene() {
    namespaced("netns_nft_sends_the_same_for_each_scene", &["nft", "ip", "strace"], || {
        device();
        let mut compared = 0;
        for scene in SCENES {
            must("nft", &["flush", "ruleset"]);
            let (theirs, ours) = (meaning(spoken(scene.text)), meaning(written(&mut (scene.batch)())));
            let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> Vec<String> {
                these.difference(those).cloned().collect()
            };
            let differ = (only(&theirs, &ours), only(&ours, &theirs));
            assert_eq!(differ, (Vec::new(), Vec::new()), "{}: nft's and ours", scene.what);
            compared += ours.len();
        }
        println!(
            "{compared} tables, chains, sets, elements and objects of nft's own bytes mean what ours do"
        );
        assert!(compared > 60, "{compared}");
    });
}
