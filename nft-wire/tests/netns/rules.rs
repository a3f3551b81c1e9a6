//! Rules: how `nft` lists them, and the expressions that they are made of.

use tortie_nft_wire::expr::{
    Base, Bitwise, BitwiseOp, Byteorder, ByteorderOp, Checksum, Cmp, CmpOp, Connlimit, Counter, Ct, CtKey,
    Dynset, DynsetOp, Exthdr, ExthdrOp, Fib, FibResult, FlowOffload, Hash, HashType, Immediate, Limit,
    LimitType, Log, Lookup, Masq, Meta, MetaKey, Nat, NatType, Notrack, Numgen, NumgenType, Objref, Payload,
    Queue, Quota, Range, RangeOp, Redir, Reject, RejectType, Rt, RtKey, Socket, SocketKey, Tproxy,
};
use tortie_nft_wire::{Bytes, Data, Element, Expr, Family, ObjectType, Register, Rule, Set, Type, Verdict};

use crate::{name, rule};

const INET: Family = Family::INET;
const IPV4: Family = Family::IPV4;
const IPV6: Family = Family::IPV6;
const ARP: Family = Family::ARP;
const BRIDGE: Family = Family::BRIDGE;
const NETDEV: Family = Family::NETDEV;
const R1: Register = Register::R1;
const R2: Register = Register::R2;
const R3: Register = Register::R3;

/// A rule: what `nft` lists, and what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub(crate) family: Family,
    pub(crate) chain: &'static str,
    /// What `nft` lists, with numbers where it has names.
    pub(crate) text: &'static str,
    /// What `nft` wants to hear for it, where it does not understand what it lists.
    pub(crate) said: &'static str,
    /// The anonymous sets that it brings; they have numbers from 1 on.
    pub(crate) sets: Vec<(Set, Vec<Element>)>,
    pub(crate) exprs: Vec<Expr>,
    comment: Option<&'static str>,
}

impl Vector {
    fn with(mut self, set: Set, elements: Vec<Element>) -> Self {
        let id = u32::try_from(self.sets.len()).unwrap() + 1;
        self.sets.push((Set { id: Some(id), ..set }, elements));
        self
    }

    fn comment(self, comment: &'static str) -> Self {
        Self { comment: Some(comment), ..self }
    }

    fn said(self, said: &'static str) -> Self {
        Self { said, ..self }
    }

    /// The rule, of the table `t`.
    pub(crate) fn rule(&self) -> Rule {
        let rule = self.exprs.iter().cloned().fold(rule(self.chain), Rule::expr);
        match self.comment {
            Some(comment) => rule.comment(comment),
            None => rule,
        }
    }
}

fn v(family: Family, chain: &'static str, text: &'static str, exprs: Vec<Expr>) -> Vector {
    Vector { family, chain, text, said: text, sets: Vec::new(), exprs, comment: None }
}

macro_rules! exprs {
    ($($expr:expr),*) => { vec![$(Expr::from($expr)),*] };
}

fn meta(key: MetaKey) -> Meta {
    Meta { dreg: Some(R1), ..Meta::new(key) }
}

fn set_meta(key: MetaKey) -> Meta {
    Meta { sreg: Some(R1), ..Meta::new(key) }
}

fn ct(key: CtKey) -> Ct {
    Ct { dreg: Some(R1), ..Ct::new(key) }
}

fn set_ct(key: CtKey) -> Ct {
    Ct { sreg: Some(R1), ..Ct::new(key) }
}

fn payload(base: Base, offset: u32, len: u32) -> Payload {
    Payload { dreg: Some(R1), ..Payload::new(base, offset, len) }
}

fn cmp(op: CmpOp, value: impl AsRef<[u8]>) -> Cmp {
    Cmp::new(R1, op, Data::value(value))
}

fn eq(value: impl AsRef<[u8]>) -> Cmp {
    cmp(CmpOp::EQ, value)
}

fn mask(mask: impl AsRef<[u8]>, xor: impl AsRef<[u8]>) -> Bitwise {
    let len = u32::try_from(mask.as_ref().len()).unwrap();
    let (mask, xor) = (Some(Data::value(mask)), Some(Data::value(xor)));
    Bitwise { mask, xor, op: Some(BitwiseOp::MASK_XOR), ..Bitwise::new(R1, R1, len) }
}

fn load_to(register: Register, value: impl AsRef<[u8]>) -> Immediate {
    Immediate::new(register, Data::value(value))
}

fn load(value: impl AsRef<[u8]>) -> Immediate {
    load_to(R1, value)
}

fn verdict(verdict: Verdict) -> Immediate {
    Immediate::new(Register::VERDICT, verdict.into())
}

fn among(set: &str, id: u32) -> Lookup {
    Lookup { set_id: Some(id), ..Lookup::new(name(set), R1) }
}

fn mapped(to: Register, map: &str, id: u32) -> Lookup {
    Lookup { dreg: Some(to), ..among(map, id) }
}

fn anonymous(set: &str, key_type: Type, key_len: u32) -> Set {
    Set::of(name("t"), name(set), 0, key_type, key_len).flags(Set::ANONYMOUS | Set::CONSTANT)
}

/// Says to `nft` that the data are intervals.
fn to_intervals(mut map: Set) -> Set {
    map.userdata.as_mut().unwrap().extend_from_slice(&[6, 4]);
    map.userdata.as_mut().unwrap().extend_from_slice(&1_u32.to_ne_bytes());
    map
}

fn word(index: u32) -> Register {
    Register::word(index).unwrap()
}

fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// All of them.
pub(crate) fn vectors() -> Vec<Vector> {
    let families = [IPV4, IPV6, ARP, BRIDGE, NETDEV];
    families
        .into_iter()
        .flat_map(everywhere)
        .chain(inet())
        .chain(ip())
        .chain(ip6())
        .chain(arp())
        .chain(bridge())
        .chain(netdev())
        .collect()
}

/// What stands in every family; those of inet are below.
fn everywhere(family: Family) -> Vec<Vector> {
    vec![
        v(family, "filter", "meta mark 0x00000007", exprs![meta(MetaKey::MARK), eq(7_u32.to_ne_bytes())]),
        v(
            family,
            "filter",
            "meta mark set 0x00000001",
            exprs![load(1_u32.to_ne_bytes()), set_meta(MetaKey::MARK)],
        ),
        v(
            family,
            "filter",
            "meta length 10-20",
            exprs![
                meta(MetaKey::LEN),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 4, 4),
                cmp(CmpOp::GTE, [0, 0, 0, 10]),
                cmp(CmpOp::LTE, [0, 0, 0, 20])
            ],
        ),
        v(
            family,
            "filter",
            "meta mark & 0x000000ff == 0x00000001",
            exprs![
                meta(MetaKey::MARK),
                mask(255_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                eq(1_u32.to_ne_bytes())
            ],
        ),
        v(
            family,
            "filter",
            "meta mark set meta mark << 8",
            exprs![
                meta(MetaKey::MARK),
                Bitwise {
                    op: Some(BitwiseOp::LSHIFT),
                    data: Some(Data::value(8_u32.to_ne_bytes())),
                    ..Bitwise::new(R1, R1, 4)
                },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(family, "filter", "counter packets 0 bytes 0", exprs![Counter::new()]),
        v(
            family,
            "filter",
            "limit rate 10/second",
            exprs![Limit {
                burst: Some(5),
                kind: Some(LimitType::PACKETS),
                flags: Some(0),
                ..Limit::new(10, 1)
            }],
        ),
        v(
            family,
            "filter",
            "quota over 10 bytes",
            exprs![Quota { flags: Some(1), consumed: Some(0), ..Quota::new(10) }],
        ),
        v(family, "filter", "accept", exprs![verdict(Verdict::Accept)]),
        v(family, "filter", "drop", exprs![verdict(Verdict::Drop)]),
        v(family, "filter", "continue", exprs![verdict(Verdict::Continue)]),
        v(family, "filter", "return", exprs![verdict(Verdict::Return)]),
        v(family, "filter", "jump other", exprs![verdict(Verdict::Jump(name("other")))]),
        v(family, "filter", "goto other", exprs![verdict(Verdict::Goto(name("other")))]),
        v(family, "filter", "meta mark @marks", exprs![meta(MetaKey::MARK), Lookup::new(name("marks"), R1)]),
        v(
            family,
            "filter",
            "meta mark { 0x00000001, 0x00000002 }",
            exprs![meta(MetaKey::MARK), among("__set%d", 1)],
        )
        .with(
            anonymous("__set%d", Type::MARK, 4).size(2),
            vec![Element::of(1_u32.to_ne_bytes()), Element::of(2_u32.to_ne_bytes())],
        ),
        v(
            family,
            "filter",
            "meta mark vmap { 0x00000001 : drop, 0x00000002 : jump other }",
            exprs![meta(MetaKey::MARK), mapped(Register::VERDICT, "__map%d", 1)],
        )
        .with(
            anonymous("__map%d", Type::MARK, 4).map(Type::VERDICT, 0).size(2),
            vec![
                Element::of(1_u32.to_ne_bytes()).data(Verdict::Drop),
                Element::of(2_u32.to_ne_bytes()).data(Verdict::Jump(name("other"))),
            ],
        ),
        v(
            family,
            "filter",
            "meta mark set meta mark map { 0x00000001 : 0x00000002 }",
            exprs![meta(MetaKey::MARK), mapped(R1, "__map%d", 1), set_meta(MetaKey::MARK)],
        )
        .with(
            anonymous("__map%d", Type::MARK, 4).map(Type::MARK, 4).size(1),
            vec![Element::of(1_u32.to_ne_bytes()).data(Data::value(2_u32.to_ne_bytes()))],
        ),
        v(
            family,
            "filter",
            "add @dyn { meta mark }",
            exprs![meta(MetaKey::MARK), Dynset::new(name("dyn"), DynsetOp::ADD, R1)],
        ),
        v(
            family,
            "filter",
            "update @dyn { meta mark timeout 60s counter }",
            exprs![
                meta(MetaKey::MARK),
                Dynset {
                    timeout: Some(60000),
                    exprs: vec![Counter::new().into()],
                    ..Dynset::new(name("dyn"), DynsetOp::UPDATE, R1)
                }
            ],
        ),
        v(
            family,
            "filter",
            "numgen random mod 10 offset 5 7",
            exprs![
                Numgen { offset: Some(5), ..Numgen::new(R1, 10, NumgenType::RANDOM) },
                eq(7_u32.to_ne_bytes())
            ],
        ),
        v(
            family,
            "filter",
            r#"counter name "cnt""#,
            exprs![Objref { kind: Some(ObjectType::COUNTER), name: Some(name("cnt")), ..Objref::new() }],
        ),
        v(
            family,
            "filter",
            r#"quota name "quo""#,
            exprs![Objref { kind: Some(ObjectType::QUOTA), name: Some(name("quo")), ..Objref::new() }],
        ),
        v(
            family,
            "filter",
            r#"limit name "lim""#,
            exprs![Objref { kind: Some(ObjectType::LIMIT), name: Some(name("lim")), ..Objref::new() }],
        ),
        v(family, "filter", r#"iifname "eth0""#, exprs![meta(MetaKey::IIFNAME), eq(interface("eth0"))]),
        v(family, "filter", "meta pkttype 1", exprs![meta(MetaKey::PKTTYPE), eq([1])]),
        v(family, "filter", "meta cpu 1", exprs![meta(MetaKey::CPU), eq(1_u32.to_ne_bytes())]),
        v(
            family,
            "filter",
            "meta mark set jhash meta mark mod 8 seed 0x1 offset 3",
            exprs![
                Meta { dreg: Some(R2), ..Meta::new(MetaKey::MARK) },
                Hash {
                    sreg: Some(R2),
                    len: Some(4),
                    seed: Some(1),
                    offset: Some(3),
                    kind: Some(HashType::JENKINS),
                    ..Hash::new(R1, 8)
                },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(family, "filter", r#"counter packets 0 bytes 0 comment "c""#, exprs![Counter::new()]).comment("c"),
    ]
}

fn inet() -> Vec<Vector> {
    vec![
        v(INET, "input", "meta length 1000", exprs![meta(MetaKey::LEN), eq(1000_u32.to_ne_bytes())]),
        v(INET, "input", "meta protocol 0x0800", exprs![meta(MetaKey::PROTOCOL), eq([8, 0])]),
        v(INET, "input", "meta priority 1:2", exprs![meta(MetaKey::PRIORITY), eq(65538_u32.to_ne_bytes())]),
        v(INET, "input", "meta mark 0x00000007", exprs![meta(MetaKey::MARK), eq(7_u32.to_ne_bytes())]),
        v(INET, "input", r#"iif "lo""#, exprs![meta(MetaKey::IIF), eq(1_u32.to_ne_bytes())]),
        v(INET, "output", r#"oif "lo""#, exprs![meta(MetaKey::OIF), eq(1_u32.to_ne_bytes())]),
        v(INET, "input", r#"iifname "eth0""#, exprs![meta(MetaKey::IIFNAME), eq(interface("eth0"))]),
        v(INET, "output", r#"oifname "eth*""#, exprs![meta(MetaKey::OIFNAME), eq(b"eth")]),
        v(INET, "input", "meta iiftype 1", exprs![meta(MetaKey::IIFTYPE), eq(1_u16.to_ne_bytes())]),
        v(INET, "output", "meta oiftype 772", exprs![meta(MetaKey::OIFTYPE), eq(772_u16.to_ne_bytes())]),
        v(INET, "output", "meta skuid 1000", exprs![meta(MetaKey::SKUID), eq(1000_u32.to_ne_bytes())]),
        v(INET, "output", "meta skgid 1000", exprs![meta(MetaKey::SKGID), eq(1000_u32.to_ne_bytes())]),
        v(INET, "input", "meta rtclassid 1", exprs![meta(MetaKey::RTCLASSID), eq(1_u32.to_ne_bytes())]),
        v(INET, "input", "meta nfproto 2", exprs![meta(MetaKey::NFPROTO), eq([2])]),
        v(INET, "input", "meta l4proto 6", exprs![meta(MetaKey::L4PROTO), eq([6])]),
        v(INET, "input", "meta pkttype 1", exprs![meta(MetaKey::PKTTYPE), eq([1])]),
        v(INET, "input", "meta cpu 1", exprs![meta(MetaKey::CPU), eq(1_u32.to_ne_bytes())]),
        v(INET, "input", "iifgroup 1", exprs![meta(MetaKey::IIFGROUP), eq(1_u32.to_ne_bytes())]),
        v(INET, "output", "oifgroup 1", exprs![meta(MetaKey::OIFGROUP), eq(1_u32.to_ne_bytes())]),
        v(INET, "output", "meta cgroup 1", exprs![meta(MetaKey::CGROUP), eq(1_u32.to_ne_bytes())]),
        v(INET, "input", "meta random < 100", exprs![meta(MetaKey::PRANDOM), cmp(CmpOp::LT, [0, 0, 0, 100])]),
        v(INET, "input", "meta ipsec 1", exprs![meta(MetaKey::SECPATH), eq([1])]),
        v(INET, "input", r#"meta iifkind "veth""#, exprs![meta(MetaKey::IIFKIND), eq(interface("veth"))]),
        v(INET, "output", r#"meta oifkind "veth""#, exprs![meta(MetaKey::OIFKIND), eq(interface("veth"))]),
        v(
            INET,
            "input",
            r#"meta time >= "2020-01-01 00:00:00""#,
            exprs![
                meta(MetaKey::TIME_NS),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 8, 8),
                cmp(CmpOp::GTE, [21, 229, 154, 53, 185, 138, 0, 0])
            ],
        ),
        v(INET, "input", "meta day 1", exprs![meta(MetaKey::TIME_DAY), eq([1])]),
        v(
            INET,
            "input",
            r#"meta hour "10:00""#,
            exprs![meta(MetaKey::TIME_HOUR), eq(36000_u32.to_ne_bytes())],
        ),
        v(INET, "input", r#"meta sdif "lo""#, exprs![meta(MetaKey::SDIF), eq(1_u32.to_ne_bytes())]),
        v(INET, "input", r#"meta sdifname "eth0""#, exprs![meta(MetaKey::SDIFNAME), eq(interface("eth0"))]),
        v(
            INET,
            "input",
            "meta mark set 0x00000001",
            exprs![load(1_u32.to_ne_bytes()), set_meta(MetaKey::MARK)],
        ),
        v(INET, "input", "meta priority set 1:2", exprs![load([2, 0, 1, 0]), set_meta(MetaKey::PRIORITY)]),
        v(INET, "input", "meta nftrace set 1", exprs![load([1]), set_meta(MetaKey::NFTRACE)]),
        v(INET, "input", "notrack", exprs![Notrack::new()]),
        v(INET, "pre", "notrack", exprs![Notrack::new()]),
        v(
            INET,
            "input",
            "ip saddr 10.0.0.1",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 12, 4), eq([10, 0, 0, 1])],
        ),
        v(
            INET,
            "input",
            "ip6 daddr fe80::/10",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                payload(Base::NETWORK, 24, 16),
                mask([255, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0; 16]),
                eq([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            ],
        ),
        v(
            INET,
            "input",
            "tcp dport 22",
            exprs![meta(MetaKey::L4PROTO), eq([6]), payload(Base::TRANSPORT, 2, 2), eq([0, 22])],
        ),
        v(
            INET,
            "input",
            "tcp flags 0x2",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 13, 1),
                mask([2], [0]),
                cmp(CmpOp::NEQ, [0])
            ],
        ),
        v(
            INET,
            "input",
            "tcp flags 0x2 / 0x2,0x10",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 13, 1),
                mask([18], [0]),
                eq([2])
            ],
        ),
        v(INET, "input", "th sport 53", exprs![payload(Base::TRANSPORT, 0, 2), eq([0, 53])]),
        v(INET, "input", "@ih,0,32 0x1", exprs![payload(Base::INNER, 0, 4), eq([0, 0, 0, 1])]),
        v(INET, "input", "@ll,48,48 0x1", exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])]),
        v(
            INET,
            "output",
            "tcp dport set 80",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([0, 80]),
                Payload {
                    sreg: Some(R1),
                    checksum: Some(Checksum::INET),
                    checksum_offset: Some(16),
                    ..Payload::new(Base::TRANSPORT, 2, 2)
                }
            ],
        ),
        v(
            INET,
            "output",
            "ip ttl set 5",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 8, 2),
                mask([0, 255], [5, 0]),
                Payload {
                    sreg: Some(R1),
                    checksum: Some(Checksum::INET),
                    checksum_offset: Some(10),
                    ..Payload::new(Base::NETWORK, 8, 2)
                }
            ],
        ),
        v(
            INET,
            "output",
            "ip dscp set 0x05",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 0, 2),
                mask([255, 3], [0, 20]),
                Payload {
                    sreg: Some(R1),
                    checksum: Some(Checksum::INET),
                    checksum_offset: Some(10),
                    ..Payload::new(Base::NETWORK, 0, 2)
                }
            ],
        ),
        v(
            INET,
            "output",
            "ip saddr set 10.0.0.1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                load([10, 0, 0, 1]),
                Payload {
                    sreg: Some(R1),
                    checksum: Some(Checksum::INET),
                    checksum_offset: Some(10),
                    checksum_flags: Some(1),
                    ..Payload::new(Base::NETWORK, 12, 4)
                }
            ],
        ),
        v(
            INET,
            "output",
            "ip6 hoplimit set 3",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                load([3]),
                Payload { sreg: Some(R1), ..Payload::new(Base::NETWORK, 7, 1) }
            ],
        ),
        v(
            INET,
            "input",
            "ip length != 100",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 2, 2), cmp(CmpOp::NEQ, [0, 100])],
        ),
        v(
            INET,
            "input",
            "ip length < 100",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 2, 2), cmp(CmpOp::LT, [0, 100])],
        ),
        v(
            INET,
            "input",
            "ip length <= 100",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 2, 2), cmp(CmpOp::LTE, [0, 100])],
        ),
        v(
            INET,
            "input",
            "ip length > 100",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 2, 2), cmp(CmpOp::GT, [0, 100])],
        ),
        v(
            INET,
            "input",
            "ip length >= 100",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 2, 2), cmp(CmpOp::GTE, [0, 100])],
        ),
        v(
            INET,
            "input",
            "ip length 10-20",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 2, 2),
                cmp(CmpOp::GTE, [0, 10]),
                cmp(CmpOp::LTE, [0, 20])
            ],
        ),
        v(
            INET,
            "input",
            "ip length != 10-20",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 2, 2),
                Range::new(R1, RangeOp::NEQ, Data::value([0, 10]), Data::value([0, 20]))
            ],
        ),
        v(
            INET,
            "input",
            "meta mark 0x0000000a-0x00000014",
            exprs![
                meta(MetaKey::MARK),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 4, 4),
                cmp(CmpOp::GTE, [0, 0, 0, 10]),
                cmp(CmpOp::LTE, [0, 0, 0, 20])
            ],
        ),
        v(
            INET,
            "input",
            "meta mark != 0x0000000a-0x00000014",
            exprs![
                meta(MetaKey::MARK),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 4, 4),
                Range::new(R1, RangeOp::NEQ, Data::value([0, 0, 0, 10]), Data::value([0, 0, 0, 20]))
            ],
        ),
        v(
            INET,
            "input",
            "meta mark & 0x000000ff == 0x00000001",
            exprs![
                meta(MetaKey::MARK),
                mask(255_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                eq(1_u32.to_ne_bytes())
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set meta mark | 0x00000001",
            exprs![
                meta(MetaKey::MARK),
                mask(4294967294_u32.to_ne_bytes(), 1_u32.to_ne_bytes()),
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set meta mark ^ 0x00000001",
            exprs![
                meta(MetaKey::MARK),
                mask(4294967295_u32.to_ne_bytes(), 1_u32.to_ne_bytes()),
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set meta mark << 8",
            exprs![
                meta(MetaKey::MARK),
                Bitwise {
                    op: Some(BitwiseOp::LSHIFT),
                    data: Some(Data::value(8_u32.to_ne_bytes())),
                    ..Bitwise::new(R1, R1, 4)
                },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set meta mark >> 8",
            exprs![
                meta(MetaKey::MARK),
                Bitwise {
                    op: Some(BitwiseOp::RSHIFT),
                    data: Some(Data::value(8_u32.to_ne_bytes())),
                    ..Bitwise::new(R1, R1, 4)
                },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "input",
            "ct mark set meta mark << 8",
            exprs![
                meta(MetaKey::MARK),
                Bitwise {
                    op: Some(BitwiseOp::LSHIFT),
                    data: Some(Data::value(8_u32.to_ne_bytes())),
                    ..Bitwise::new(R1, R1, 4)
                },
                set_ct(CtKey::MARK)
            ],
        ),
        v(INET, "input", "accept", exprs![verdict(Verdict::Accept)]),
        v(INET, "input", "drop", exprs![verdict(Verdict::Drop)]),
        v(INET, "input", "continue", exprs![verdict(Verdict::Continue)]),
        v(INET, "input", "return", exprs![verdict(Verdict::Return)]),
        v(INET, "input", "jump other", exprs![verdict(Verdict::Jump(name("other")))]),
        v(INET, "input", "goto other", exprs![verdict(Verdict::Goto(name("other")))]),
        v(INET, "input", "queue num 1", exprs![Queue { num: Some(1), total: Some(1), ..Queue::new() }]),
        v(INET, "input", "queue num 1-3", exprs![Queue { num: Some(1), total: Some(3), ..Queue::new() }]),
        v(
            INET,
            "input",
            "queue flags bypass num 1",
            exprs![Queue { num: Some(1), total: Some(1), flags: Some(1), ..Queue::new() }],
        ),
        v(
            INET,
            "input",
            "queue flags fanout num 1-3",
            exprs![Queue { num: Some(1), total: Some(3), flags: Some(2), ..Queue::new() }],
        ),
        v(
            INET,
            "input",
            "queue to symhash mod 2",
            exprs![
                Hash { offset: Some(0), kind: Some(HashType::SYMMETRIC), ..Hash::new(R1, 2) },
                Queue { sreg: Some(R1), ..Queue::new() }
            ],
        ),
        v(
            INET,
            "input",
            "ip saddr @hosts",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Lookup::new(name("hosts"), R1)
            ],
        ),
        v(
            INET,
            "input",
            "ip saddr != @hosts",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Lookup { flags: Some(1), ..Lookup::new(name("hosts"), R1) }
            ],
        ),
        v(
            INET,
            "input",
            "tcp dport { 22, 80 }",
            exprs![meta(MetaKey::L4PROTO), eq([6]), payload(Base::TRANSPORT, 2, 2), among("__set%d", 1)],
        )
        .with(
            anonymous("__set%d", Type::INET_SERVICE, 2).size(2),
            vec![Element::of([0, 22]), Element::of([0, 80])],
        ),
        v(
            INET,
            "input",
            "tcp dport vmap { 22 : accept, 80 : drop }",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 2, 2),
                mapped(Register::VERDICT, "__map%d", 1)
            ],
        )
        .with(
            anonymous("__map%d", Type::INET_SERVICE, 2).map(Type::VERDICT, 0).size(2),
            vec![Element::of([0, 22]).data(Verdict::Accept), Element::of([0, 80]).data(Verdict::Drop)],
        ),
        v(
            INET,
            "input",
            "meta mark set tcp dport map { 22 : 0x00000001, 80 : 0x00000002 }",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 2, 2),
                mapped(R1, "__map%d", 1),
                set_meta(MetaKey::MARK)
            ],
        )
        .with(
            anonymous("__map%d", Type::INET_SERVICE, 2).map(Type::MARK, 4).size(2),
            vec![
                Element::of([0, 22]).data(Data::value(1_u32.to_ne_bytes())),
                Element::of([0, 80]).data(Data::value(2_u32.to_ne_bytes())),
            ],
        ),
        v(
            INET,
            "input",
            "tcp dport { 22-30, 80 }",
            exprs![meta(MetaKey::L4PROTO), eq([6]), payload(Base::TRANSPORT, 2, 2), among("__set%d", 1)],
        )
        .with(
            anonymous("__set%d", Type::INET_SERVICE, 2).flags(Set::INTERVAL).size(5),
            vec![
                Element::of([0, 0]).flags(Element::INTERVAL_END),
                Element::of([0, 22]),
                Element::of([0, 31]).flags(Element::INTERVAL_END),
                Element::of([0, 80]),
                Element::of([0, 81]).flags(Element::INTERVAL_END),
            ],
        ),
        v(
            INET,
            "input",
            "ip saddr . tcp dport { 10.0.0.1 . 22 }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::NETWORK, 12, 4),
                Payload { dreg: Some(word(1)), ..Payload::new(Base::TRANSPORT, 2, 2) },
                among("__set%d", 1)
            ],
        )
        .with(
            anonymous("__set%d", Type::IPV4_ADDR.then(Type::INET_SERVICE), 8).size(1),
            vec![Element::of([10, 0, 0, 1, 0, 22, 0, 0])],
        ),
        v(
            INET,
            "input",
            "ip saddr . tcp dport { 10.0.0.0/8 . 22-30 }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::NETWORK, 12, 4),
                Payload { dreg: Some(word(1)), ..Payload::new(Base::TRANSPORT, 2, 2) },
                among("__set%d", 1)
            ],
        )
        .with(
            anonymous("__set%d", Type::IPV4_ADDR.then(Type::INET_SERVICE), 8).parts(&[4, 2]).size(1),
            vec![Element::of([10, 0, 0, 0, 0, 22, 0, 0]).to([10, 255, 255, 255, 0, 30, 0, 0])],
        ),
        v(
            INET,
            "input",
            "add @dyn { ip saddr }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset::new(name("dyn"), DynsetOp::ADD, R1)
            ],
        ),
        v(
            INET,
            "input",
            "update @dyn { ip saddr timeout 60s }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset { timeout: Some(60000), ..Dynset::new(name("dyn"), DynsetOp::UPDATE, R1) }
            ],
        ),
        v(
            INET,
            "input",
            "delete @dyn { ip saddr }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset::new(name("dyn"), DynsetOp::DELETE, R1)
            ],
        ),
        v(
            INET,
            "input",
            "update @dyn { ip saddr counter }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset {
                    exprs: vec![Counter::new().into()],
                    ..Dynset::new(name("dyn"), DynsetOp::UPDATE, R1)
                }
            ],
        ),
        v(
            INET,
            "input",
            "add @dyn { ip saddr limit rate over 10/second }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset {
                    exprs: vec![
                        Limit {
                            burst: Some(5),
                            kind: Some(LimitType::PACKETS),
                            flags: Some(1),
                            ..Limit::new(10, 1)
                        }
                        .into()
                    ],
                    ..Dynset::new(name("dyn"), DynsetOp::ADD, R1)
                }
            ],
        ),
        v(
            INET,
            "input",
            "add @dmap { ip saddr : tcp dport }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::NETWORK, 12, 4),
                Payload { dreg: Some(R2), ..Payload::new(Base::TRANSPORT, 2, 2) },
                Dynset { data: Some(R2), ..Dynset::new(name("dmap"), DynsetOp::ADD, R1) }
            ],
        ),
        v(
            INET,
            "input",
            "ct state 0x8",
            exprs![
                ct(CtKey::STATE),
                mask(8_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                cmp(CmpOp::NEQ, 0_u32.to_ne_bytes())
            ],
        ),
        v(
            INET,
            "input",
            "ct state 0x2,0x4",
            exprs![
                ct(CtKey::STATE),
                mask(6_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                cmp(CmpOp::NEQ, 0_u32.to_ne_bytes())
            ],
        ),
        v(INET, "input", "ct direction 0", exprs![ct(CtKey::DIRECTION), eq([0])]),
        v(
            INET,
            "input",
            "ct status 0x4",
            exprs![
                ct(CtKey::STATUS),
                mask(4_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                cmp(CmpOp::NEQ, 0_u32.to_ne_bytes())
            ],
        ),
        v(INET, "input", "ct mark 0x00000001", exprs![ct(CtKey::MARK), eq(1_u32.to_ne_bytes())]),
        v(INET, "input", "ct expiration 10s", exprs![ct(CtKey::EXPIRATION), eq(10000_u32.to_ne_bytes())]),
        v(INET, "input", r#"ct helper "ftp""#, exprs![ct(CtKey::HELPER), eq(interface("ftp"))]),
        v(INET, "input", "ct l3proto 2", exprs![ct(CtKey::L3PROTOCOL), eq([2])]),
        v(
            INET,
            "input",
            "ct original ip saddr 10.0.0.1",
            exprs![Ct { dreg: Some(R1), direction: Some(0), ..Ct::new(CtKey::SRC_IP) }, eq([10, 0, 0, 1])],
        ),
        v(
            INET,
            "input",
            "ct reply ip daddr 10.0.0.1",
            exprs![Ct { dreg: Some(R1), direction: Some(1), ..Ct::new(CtKey::DST_IP) }, eq([10, 0, 0, 1])],
        ),
        v(
            INET,
            "input",
            "ct original ip6 saddr ::1",
            exprs![
                Ct { dreg: Some(R1), direction: Some(0), ..Ct::new(CtKey::SRC_IP6) },
                eq([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
            ],
        ),
        v(
            INET,
            "input",
            "ct reply ip6 daddr ::1",
            exprs![
                Ct { dreg: Some(R1), direction: Some(1), ..Ct::new(CtKey::DST_IP6) },
                eq([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
            ],
        ),
        v(INET, "input", "ct protocol 6", exprs![ct(CtKey::PROTOCOL), eq([6])]),
        v(
            INET,
            "input",
            "ct label 3",
            exprs![
                ct(CtKey::LABELS),
                mask([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0; 16]),
                cmp(CmpOp::NEQ, [0; 16])
            ],
        ),
        v(
            INET,
            "input",
            "ct packets > 10",
            exprs![
                ct(CtKey::PKTS),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 8, 8),
                cmp(CmpOp::GT, [0, 0, 0, 0, 0, 0, 0, 10])
            ],
        ),
        v(
            INET,
            "input",
            "ct original bytes > 10",
            exprs![
                Ct { dreg: Some(R1), direction: Some(0), ..Ct::new(CtKey::BYTES) },
                Byteorder::new(R1, R1, ByteorderOp::HTON, 8, 8),
                cmp(CmpOp::GT, [0, 0, 0, 0, 0, 0, 0, 10])
            ],
        ),
        v(
            INET,
            "input",
            "ct avgpkt > 10",
            exprs![
                ct(CtKey::AVGPKT),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 8, 8),
                cmp(CmpOp::GT, [0, 0, 0, 0, 0, 0, 0, 10])
            ],
        ),
        v(INET, "input", "ct zone 1", exprs![ct(CtKey::ZONE), eq(1_u16.to_ne_bytes())]),
        v(
            INET,
            "input",
            "ct original zone 1",
            exprs![
                Ct { dreg: Some(R1), direction: Some(0), ..Ct::new(CtKey::ZONE) },
                eq(1_u16.to_ne_bytes())
            ],
        ),
        v(INET, "input", "ct id 1", exprs![ct(CtKey::ID), eq(16777216_u32.to_ne_bytes())]),
        v(INET, "input", "ct mark set 0x00000001", exprs![load(1_u32.to_ne_bytes()), set_ct(CtKey::MARK)]),
        v(INET, "input", "ct mark set meta mark", exprs![meta(MetaKey::MARK), set_ct(CtKey::MARK)]),
        v(INET, "pre", "ct zone set 1", exprs![load([1, 0]), set_ct(CtKey::ZONE)]),
        v(
            INET,
            "pre",
            "ct original zone set 1",
            exprs![load([1, 0]), Ct { direction: Some(0), sreg: Some(R1), ..Ct::new(CtKey::ZONE) }],
        ),
        v(
            INET,
            "input",
            "ct label set 3",
            exprs![load([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), set_ct(CtKey::LABELS)],
        ),
        v(INET, "input", "counter packets 0 bytes 0", exprs![Counter::new()]),
        v(INET, "input", "counter packets 5 bytes 6", exprs![Counter { bytes: Some(6), packets: Some(5) }]),
        v(
            INET,
            "input",
            r#"counter name "cnt""#,
            exprs![Objref { kind: Some(ObjectType::COUNTER), name: Some(name("cnt")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            r#"quota name "quo""#,
            exprs![Objref { kind: Some(ObjectType::QUOTA), name: Some(name("quo")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            r#"limit name "lim""#,
            exprs![Objref { kind: Some(ObjectType::LIMIT), name: Some(name("lim")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            r#"counter name tcp dport map { 22 : "cnt" }"#,
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 2, 2),
                Objref { sreg: Some(R1), set: Some(name("__objmap%d")), set_id: Some(1), ..Objref::new() }
            ],
        )
        .with(
            Set { object_type: Some(ObjectType::COUNTER), ..anonymous("__objmap%d", Type::INET_SERVICE, 2) }
                .flags(Set::OBJECT)
                .size(1),
            vec![Element { object: Some(name("cnt")), ..Element::of([0, 22]) }],
        ),
        v(
            INET,
            "input",
            r#"ct helper set "hlp""#,
            exprs![Objref { kind: Some(ObjectType::CT_HELPER), name: Some(name("hlp")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            r#"ct timeout set "tmo""#,
            exprs![Objref { kind: Some(ObjectType::CT_TIMEOUT), name: Some(name("tmo")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            r#"ct expectation set "exp""#,
            exprs![Objref { kind: Some(ObjectType::CT_EXPECT), name: Some(name("exp")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            r#"synproxy name "syn""#,
            exprs![Objref { kind: Some(ObjectType::SYNPROXY), name: Some(name("syn")), ..Objref::new() }],
        ),
        v(
            INET,
            "input",
            "limit rate 10/second",
            exprs![Limit {
                burst: Some(5),
                kind: Some(LimitType::PACKETS),
                flags: Some(0),
                ..Limit::new(10, 1)
            }],
        ),
        v(
            INET,
            "input",
            "limit rate over 10/minute burst 3 packets",
            exprs![Limit {
                burst: Some(3),
                kind: Some(LimitType::PACKETS),
                flags: Some(1),
                ..Limit::new(10, 60)
            }],
        ),
        v(
            INET,
            "input",
            "limit rate 10 kbytes/second",
            exprs![Limit { kind: Some(LimitType::BYTES), flags: Some(0), ..Limit::new(10240, 1) }],
        ),
        v(
            INET,
            "input",
            "limit rate over 1 mbytes/hour burst 2 kbytes",
            exprs![Limit {
                burst: Some(2048),
                kind: Some(LimitType::BYTES),
                flags: Some(1),
                ..Limit::new(1048576, 3600)
            }],
        ),
        v(
            INET,
            "input",
            "quota 10 mbytes",
            exprs![Quota { flags: Some(0), consumed: Some(0), ..Quota::new(10485760) }],
        ),
        v(
            INET,
            "input",
            "quota over 10 bytes used 3 bytes",
            exprs![Quota { flags: Some(1), consumed: Some(3), ..Quota::new(10) }],
        ),
        v(INET, "input", "ct count 3", exprs![Connlimit { flags: Some(0), ..Connlimit::new(3) }]),
        v(INET, "input", "ct count over 3", exprs![Connlimit { flags: Some(1), ..Connlimit::new(3) }]),
        v(INET, "input", "log", exprs![Log::new()]),
        v(
            INET,
            "input",
            r#"log prefix "x: ""#,
            exprs![Log { prefix: Some(Bytes::from_slice(b"x: \0")), ..Log::new() }],
        ),
        v(INET, "input", "log level debug", exprs![Log { level: Some(7), ..Log::new() }]),
        v(INET, "input", "log level audit", exprs![Log { level: Some(8), ..Log::new() }]),
        v(INET, "input", "log flags all", exprs![Log { flags: Some(47), ..Log::new() }]),
        v(INET, "input", "log flags tcp sequence,options", exprs![Log { flags: Some(3), ..Log::new() }]),
        v(INET, "input", "log flags ip options", exprs![Log { flags: Some(4), ..Log::new() }]),
        v(INET, "input", "log flags skuid", exprs![Log { flags: Some(8), ..Log::new() }]),
        v(INET, "input", "log flags ether", exprs![Log { flags: Some(32), ..Log::new() }]),
        v(INET, "input", "log group 7", exprs![Log { group: Some(7), ..Log::new() }]),
        v(
            INET,
            "input",
            r#"log prefix "y" group 7 snaplen 64 queue-threshold 3"#,
            exprs![Log {
                group: Some(7),
                prefix: Some(Bytes::from_slice(b"y\0")),
                snaplen: Some(64),
                qthreshold: Some(3),
                ..Log::new()
            }],
        ),
        v(
            INET,
            "input",
            "reject",
            exprs![Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMPX_UNREACH) }],
        ),
        v(
            INET,
            "input",
            "meta l4proto 6 reject with tcp reset",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                Reject { icmp_code: Some(0), ..Reject::new(RejectType::TCP_RST) }
            ],
        ),
        v(
            INET,
            "input",
            "reject with icmpx 3",
            exprs![Reject { icmp_code: Some(3), ..Reject::new(RejectType::ICMPX_UNREACH) }],
        ),
        v(
            INET,
            "input",
            "reject with icmp 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMP_UNREACH) }
            ],
        ),
        v(
            INET,
            "input",
            "reject with icmpv6 0",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Reject { icmp_code: Some(0), ..Reject::new(RejectType::ICMP_UNREACH) }
            ],
        ),
        v(
            INET,
            "post",
            "snat ip to 10.0.0.1",
            exprs![load([10, 0, 0, 1]), Nat { addr_min: Some(R1), ..Nat::new(NatType::SNAT, 2) }],
        ),
        v(
            INET,
            "natpre",
            "dnat ip6 to fe80::1 random",
            exprs![
                load([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                Nat { addr_min: Some(R1), flags: Some(4), ..Nat::new(NatType::DNAT, 10) }
            ],
        ),
        v(
            INET,
            "natpre",
            "dnat ip to tcp dport map { 80 : 10.0.0.1 }",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 2, 2),
                mapped(R1, "__map%d", 1),
                Nat { addr_min: Some(R1), ..Nat::new(NatType::DNAT, 2) }
            ],
        )
        .with(
            anonymous("__map%d", Type::INET_SERVICE, 2).map(Type::IPV4_ADDR, 4).size(1),
            vec![Element::of([0, 80]).data(Data::value([10, 0, 0, 1]))],
        ),
        v(
            INET,
            "natpre",
            "dnat ip to tcp dport map { 80 : 10.0.0.1 . 8080 }",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                payload(Base::TRANSPORT, 2, 2),
                mapped(R1, "__map%d", 1),
                Nat { addr_min: Some(R1), port_min: Some(word(1)), ..Nat::new(NatType::DNAT, 2) }
            ],
        )
        .with(
            anonymous("__map%d", Type::INET_SERVICE, 2)
                .map(Type::IPV4_ADDR.then(Type::INET_SERVICE), 8)
                .size(1),
            vec![Element::of([0, 80]).data(Data::value([10, 0, 0, 1, 31, 144, 0, 0]))],
        ),
        v(INET, "post", "masquerade", exprs![Masq::new()]),
        v(INET, "post", "masquerade random,persistent", exprs![Masq { flags: Some(12), ..Masq::new() }]),
        v(INET, "post", "masquerade fully-random", exprs![Masq { flags: Some(16), ..Masq::new() }]),
        v(INET, "natpre", "redirect", exprs![Redir::new()]),
        v(
            INET,
            "pre",
            "fib daddr type 2",
            exprs![Fib::new(R1, FibResult::ADDRTYPE, 2), eq(2_u32.to_ne_bytes())],
        ),
        v(
            INET,
            "pre",
            "fib saddr . iif oif 0",
            exprs![Fib::new(R1, FibResult::OIF, 9), eq(0_u32.to_ne_bytes())],
        ),
        v(
            INET,
            "pre",
            r#"fib saddr . iif oif "lo""#,
            exprs![Fib::new(R1, FibResult::OIF, 9), eq(1_u32.to_ne_bytes())],
        ),
        v(
            INET,
            "pre",
            "fib saddr . iif oif 1",
            exprs![Fib::new(R1, FibResult::OIF, 9 | 32), eq(1_u32.to_ne_bytes())],
        )
        .said("fib saddr . iif oif exists"),
        v(
            INET,
            "pre",
            "fib saddr . mark . iif oif 0",
            exprs![Fib::new(R1, FibResult::OIF, 13 | 32), eq(0_u32.to_ne_bytes())],
        )
        .said("fib saddr . mark . iif oif missing"),
        v(
            INET,
            "pre",
            r#"fib daddr oifname "lo""#,
            exprs![Fib::new(R1, FibResult::OIFNAME, 2), eq(interface("lo"))],
        ),
        v(
            INET,
            "output",
            "fib daddr . oif type 2",
            exprs![Fib::new(R1, FibResult::ADDRTYPE, 18), eq(2_u32.to_ne_bytes())],
        ),
        v(INET, "output", "rt classid 1", exprs![Rt::new(R1, RtKey::CLASSID), eq(1_u32.to_ne_bytes())]),
        v(INET, "output", "rt ip nexthop 10.0.0.1", exprs![Rt::new(R1, RtKey::NEXTHOP4), eq([10, 0, 0, 1])]),
        v(
            INET,
            "output",
            "rt ip6 nexthop fe80::1",
            exprs![Rt::new(R1, RtKey::NEXTHOP6), eq([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
        ),
        v(INET, "output", "rt mtu 1500", exprs![Rt::new(R1, RtKey::TCPMSS), eq(1500_u16.to_ne_bytes())]),
        v(INET, "output", "rt ipsec 1", exprs![Rt::new(R1, RtKey::XFRM), eq([1])]),
        v(
            INET,
            "output",
            "tcp option maxseg size set rt mtu",
            exprs![
                Rt::new(R1, RtKey::TCPMSS),
                Byteorder::new(R1, R1, ByteorderOp::HTON, 2, 2),
                Exthdr {
                    offset: Some(2),
                    len: Some(2),
                    op: Some(ExthdrOp::TCPOPT),
                    sreg: Some(R1),
                    ..Exthdr::new(2)
                }
            ],
        ),
        v(
            INET,
            "input",
            "tcp option maxseg size 1460",
            exprs![
                Exthdr {
                    offset: Some(2),
                    len: Some(2),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::TCPOPT),
                    ..Exthdr::new(2)
                },
                eq([5, 180])
            ],
        ),
        v(
            INET,
            "input",
            "tcp option maxseg 1",
            exprs![
                Exthdr {
                    offset: Some(0),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(1),
                    op: Some(ExthdrOp::TCPOPT),
                    ..Exthdr::new(2)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "tcp option window 0",
            exprs![
                Exthdr {
                    offset: Some(0),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(1),
                    op: Some(ExthdrOp::TCPOPT),
                    ..Exthdr::new(3)
                },
                eq([0])
            ],
        ),
        v(
            INET,
            "input",
            "tcp option maxseg size set 1400",
            exprs![
                load([5, 120]),
                Exthdr {
                    offset: Some(2),
                    len: Some(2),
                    op: Some(ExthdrOp::TCPOPT),
                    sreg: Some(R1),
                    ..Exthdr::new(2)
                }
            ],
        ),
        v(
            INET,
            "input",
            "reset tcp option sack-perm",
            exprs![Exthdr { op: Some(ExthdrOp::TCPOPT), ..Exthdr::new(4) }],
        ),
        v(
            INET,
            "input",
            "tcp option @255,8,16 4",
            exprs![
                Exthdr {
                    offset: Some(1),
                    len: Some(2),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::TCPOPT),
                    ..Exthdr::new(255)
                },
                eq([0, 4])
            ],
        ),
        v(
            INET,
            "input",
            "ip option rr 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                Exthdr {
                    offset: Some(0),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(1),
                    op: Some(ExthdrOp::IPV4),
                    ..Exthdr::new(7)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "ip option ra value 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                Exthdr {
                    offset: Some(2),
                    len: Some(2),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV4),
                    ..Exthdr::new(148)
                },
                eq([0, 1])
            ],
        ),
        v(
            INET,
            "input",
            "exthdr hbh 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(0),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(1),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(0)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "frag id 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(4),
                    len: Some(4),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(44)
                },
                eq([0, 0, 0, 1])
            ],
        ),
        v(
            INET,
            "input",
            "rt type 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(2),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(43)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "rt seg-left 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(3),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(43)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "dst nexthdr 6",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(0),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(60)
                },
                eq([6])
            ],
        ),
        v(
            INET,
            "input",
            "mh type 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(2),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(135)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "sctp chunk data 1",
            exprs![
                Exthdr {
                    offset: Some(0),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(1),
                    op: Some(ExthdrOp::SCTP),
                    ..Exthdr::new(0)
                },
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "sctp chunk init num-inbound-streams 3",
            exprs![
                Exthdr {
                    offset: Some(14),
                    len: Some(2),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::SCTP),
                    ..Exthdr::new(1)
                },
                eq([0, 3])
            ],
        ),
        v(
            INET,
            "input",
            "dccp type 0",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([33]),
                payload(Base::TRANSPORT, 8, 1),
                mask([30], [0]),
                eq([0])
            ],
        ),
        v(
            INET,
            "input",
            "socket transparent 1",
            exprs![Socket { level: Some(0), ..Socket::new(SocketKey::TRANSPARENT, R1) }, eq([1])],
        ),
        v(
            INET,
            "input",
            "socket mark 0x00000001",
            exprs![Socket { level: Some(0), ..Socket::new(SocketKey::MARK, R1) }, eq(1_u32.to_ne_bytes())],
        ),
        v(
            INET,
            "input",
            "socket wildcard 0",
            exprs![Socket { level: Some(0), ..Socket::new(SocketKey::WILDCARD, R1) }, eq([0])],
        ),
        v(
            INET,
            "pre",
            "meta l4proto 6 tproxy ip to 127.0.0.1:3128",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([127, 0, 0, 1]),
                load_to(R2, [12, 56]),
                Tproxy { addr: Some(R1), port: Some(R2), ..Tproxy::new(2) }
            ],
        ),
        v(
            INET,
            "pre",
            "meta l4proto 6 tproxy to :3128",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([12, 56]),
                Tproxy { port: Some(R1), ..Tproxy::new(0) }
            ],
        ),
        v(
            INET,
            "input",
            "numgen inc mod 2 0",
            exprs![
                Numgen { offset: Some(0), ..Numgen::new(R1, 2, NumgenType::INCREMENTAL) },
                eq(0_u32.to_ne_bytes())
            ],
        ),
        v(
            INET,
            "input",
            "numgen random mod 10 offset 5 7",
            exprs![
                Numgen { offset: Some(5), ..Numgen::new(R1, 10, NumgenType::RANDOM) },
                eq(7_u32.to_ne_bytes())
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set numgen inc mod 2",
            exprs![
                Numgen { offset: Some(0), ..Numgen::new(R1, 2, NumgenType::INCREMENTAL) },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "natpre",
            "dnat ip to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }",
            exprs![
                Numgen { offset: Some(0), ..Numgen::new(R1, 2, NumgenType::INCREMENTAL) },
                mapped(R1, "__map%d", 1),
                Nat { addr_min: Some(R1), ..Nat::new(NatType::DNAT, 2) }
            ],
        )
        .with(
            anonymous("__map%d", Type::INTEGER, 4).map(Type::IPV4_ADDR, 4).size(2),
            vec![
                Element::of(0_u32.to_ne_bytes()).data(Data::value([10, 0, 0, 1])),
                Element::of(1_u32.to_ne_bytes()).data(Data::value([10, 0, 0, 2])),
            ],
        ),
        v(
            INET,
            "input",
            "jhash ip saddr mod 8 seed 0xdeadbeef 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                Payload { dreg: Some(R2), ..Payload::new(Base::NETWORK, 12, 4) },
                Hash {
                    sreg: Some(R2),
                    len: Some(4),
                    seed: Some(3735928559),
                    offset: Some(0),
                    kind: Some(HashType::JENKINS),
                    ..Hash::new(R1, 8)
                },
                eq(1_u32.to_ne_bytes())
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set jhash ip saddr . tcp dport mod 8 seed 0x1 offset 3",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                meta(MetaKey::L4PROTO),
                eq([6]),
                Payload { dreg: Some(R2), ..Payload::new(Base::NETWORK, 12, 4) },
                Payload { dreg: Some(word(5)), ..Payload::new(Base::TRANSPORT, 2, 2) },
                Hash {
                    sreg: Some(R2),
                    len: Some(8),
                    seed: Some(1),
                    offset: Some(3),
                    kind: Some(HashType::JENKINS),
                    ..Hash::new(R1, 8)
                },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "input",
            "symhash mod 2 offset 1 2",
            exprs![
                Hash { offset: Some(1), kind: Some(HashType::SYMMETRIC), ..Hash::new(R1, 2) },
                eq(2_u32.to_ne_bytes())
            ],
        ),
        v(
            INET,
            "input",
            "icmp type 8",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                meta(MetaKey::L4PROTO),
                eq([1]),
                payload(Base::TRANSPORT, 0, 1),
                eq([8])
            ],
        ),
        v(
            INET,
            "input",
            "icmpv6 type 135",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                meta(MetaKey::L4PROTO),
                eq([58]),
                payload(Base::TRANSPORT, 0, 1),
                eq([135])
            ],
        ),
        v(
            INET,
            "input",
            "ip6 nexthdr 6",
            exprs![meta(MetaKey::NFPROTO), eq([10]), payload(Base::NETWORK, 6, 1), eq([6])],
        ),
        v(
            INET,
            "input",
            "ip version 4",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 0, 1), mask([240], [0]), eq([64])],
        ),
        v(
            INET,
            "input",
            "ip dscp 0x05",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 1, 1), mask([252], [0]), eq([20])],
        ),
        v(
            INET,
            "input",
            "ip frag-off & 8191 != 0",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 6, 2),
                mask([31, 255], [0, 0]),
                cmp(CmpOp::NEQ, [0, 0])
            ],
        ),
        v(INET, "forward", "flow add @ft", exprs![FlowOffload::new(name("ft"))]),
        v(
            INET,
            "natpre",
            "meta l4proto 6 dnat ip to 10.0.0.1:80",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([10, 0, 0, 1]),
                load_to(R2, [0, 80]),
                Nat { addr_min: Some(R1), port_min: Some(R2), flags: Some(2), ..Nat::new(NatType::DNAT, 2) }
            ],
        ),
        v(
            INET,
            "post",
            "meta l4proto 6 masquerade to :1024-65535",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([4, 0]),
                load_to(R2, [255, 255]),
                Masq { flags: Some(2), port_min: Some(R1), port_max: Some(R2) }
            ],
        ),
        v(
            INET,
            "natpre",
            "meta l4proto 6 redirect to :8080",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([31, 144]),
                Redir { port_min: Some(R1), flags: Some(2), ..Redir::new() }
            ],
        ),
        v(
            INET,
            "natpre",
            "meta l4proto 6 redirect to :8080-8090 random",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([31, 144]),
                load_to(R2, [31, 154]),
                Redir { port_min: Some(R1), port_max: Some(R2), flags: Some(6) }
            ],
        ),
        v(
            INET,
            "input",
            "add @dynlim { ip saddr limit rate over 10/second }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset {
                    exprs: vec![
                        Limit {
                            burst: Some(5),
                            kind: Some(LimitType::PACKETS),
                            flags: Some(1),
                            ..Limit::new(10, 1)
                        }
                        .into()
                    ],
                    ..Dynset::new(name("dynlim"), DynsetOp::ADD, R1)
                }
            ],
        ),
        v(
            INET,
            "input",
            "meta l4proto 6 ct original proto-src 22",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                Ct { dreg: Some(R1), direction: Some(0), ..Ct::new(CtKey::PROTO_SRC) },
                eq([0, 22])
            ],
        ),
        v(
            INET,
            "input",
            "meta l4proto 6 ct reply proto-dst 22",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                Ct { dreg: Some(R1), direction: Some(1), ..Ct::new(CtKey::PROTO_DST) },
                eq([0, 22])
            ],
        ),
        v(
            INET,
            "input",
            r#"meta hour "00:00:10""#,
            exprs![meta(MetaKey::TIME_HOUR), eq(10_u32.to_ne_bytes())],
        ),
        v(
            INET,
            "input",
            "frag more-fragments 1",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                Exthdr {
                    offset: Some(3),
                    len: Some(1),
                    dreg: Some(R1),
                    flags: Some(0),
                    op: Some(ExthdrOp::IPV6),
                    ..Exthdr::new(44)
                },
                mask([1], [0]),
                eq([1])
            ],
        ),
        v(
            INET,
            "input",
            "add @dyncount { ip saddr ct count over 3 }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset {
                    exprs: vec![Connlimit { flags: Some(1), ..Connlimit::new(3) }.into()],
                    ..Dynset::new(name("dyncount"), DynsetOp::ADD, R1)
                }
            ],
        ),
        v(
            INET,
            "input",
            "add @dyncount { ip saddr quota over 10 bytes }",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Dynset {
                    exprs: vec![Quota { flags: Some(1), consumed: Some(0), ..Quota::new(10) }.into()],
                    ..Dynset::new(name("dyncount"), DynsetOp::ADD, R1)
                }
            ],
        ),
        v(
            INET,
            "input",
            "iifname vmap @disp",
            exprs![
                meta(MetaKey::IIFNAME),
                Lookup { dreg: Some(Register::VERDICT), ..Lookup::new(name("disp"), R1) }
            ],
        ),
        v(
            INET,
            "input",
            "meta mark set ip saddr map @marks",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Lookup { dreg: Some(R1), ..Lookup::new(name("marks"), R1) },
                set_meta(MetaKey::MARK)
            ],
        ),
        v(
            INET,
            "input",
            "ip saddr . ip protocol . th dport @flows",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                Payload { dreg: Some(word(1)), ..Payload::new(Base::NETWORK, 9, 1) },
                Payload { dreg: Some(word(2)), ..Payload::new(Base::TRANSPORT, 2, 2) },
                Lookup::new(name("flows"), R1)
            ],
        ),
        v(
            INET,
            "input",
            "ip6 saddr @nets6",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([10]),
                payload(Base::NETWORK, 8, 16),
                Lookup::new(name("nets6"), R1)
            ],
        ),
        v(
            INET,
            "input",
            "ip saddr & 255.255.255.0 == @hosts",
            exprs![
                meta(MetaKey::NFPROTO),
                eq([2]),
                payload(Base::NETWORK, 12, 4),
                mask([255, 255, 255, 0], [0, 0, 0, 0]),
                Lookup::new(name("hosts"), R1)
            ],
        ),
        v(
            INET,
            "input",
            "ip saddr 10.0.0.0/24",
            exprs![meta(MetaKey::NFPROTO), eq([2]), payload(Base::NETWORK, 12, 3), eq([10, 0, 0])],
        ),
        v(
            INET,
            "input",
            r#"counter packets 0 bytes 0 accept comment "a rule""#,
            exprs![Counter::new(), verdict(Verdict::Accept)],
        )
        .comment("a rule"),
        v(
            INET,
            "input",
            "ct count over 3 reject",
            exprs![
                Connlimit { flags: Some(1), ..Connlimit::new(3) },
                Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMPX_UNREACH) }
            ],
        ),
        v(INET, "input", "ct event set 0x1,0x4", exprs![load(5_u32.to_ne_bytes()), set_ct(CtKey::EVENTMASK)])
            .said("ct event set new,destroy"),
        v(
            INET,
            "input",
            "socket cgroupv2 level 1 1",
            exprs![
                Socket { level: Some(1), ..Socket::new(SocketKey::CGROUPV2, R1) },
                eq(1_u64.to_ne_bytes())
            ],
        )
        .said("socket cgroupv2 level 1 \"/\""),
    ]
}

fn ip() -> Vec<Vector> {
    vec![
        v(
            IPV4,
            "input",
            "ct original ip saddr 10.0.0.1",
            exprs![Ct { dreg: Some(R1), direction: Some(0), ..Ct::new(CtKey::SRC_IP) }, eq([10, 0, 0, 1])],
        ),
        v(
            IPV4,
            "input",
            "reject",
            exprs![Reject { icmp_code: Some(3), ..Reject::new(RejectType::ICMP_UNREACH) }],
        ),
        v(
            IPV4,
            "input",
            "reject with icmp 9",
            exprs![Reject { icmp_code: Some(9), ..Reject::new(RejectType::ICMP_UNREACH) }],
        ),
        v(
            IPV4,
            "post",
            "snat to 10.0.0.1",
            exprs![load([10, 0, 0, 1]), Nat { addr_min: Some(R1), ..Nat::new(NatType::SNAT, 2) }],
        ),
        v(
            IPV4,
            "post",
            "snat to 10.0.0.1-10.0.0.9",
            exprs![
                load([10, 0, 0, 1]),
                load_to(R2, [10, 0, 0, 9]),
                Nat { addr_min: Some(R1), addr_max: Some(R2), ..Nat::new(NatType::SNAT, 2) }
            ],
        ),
        v(
            IPV4,
            "pre",
            "dnat ip prefix to ip daddr map { 10.0.0.0/24 : 10.1.0.0/24 }",
            exprs![
                payload(Base::NETWORK, 16, 4),
                mapped(R1, "__map%d", 1),
                Nat {
                    addr_min: Some(R1),
                    addr_max: Some(word(1)),
                    flags: Some(64),
                    ..Nat::new(NatType::DNAT, 2)
                }
            ],
        )
        .with(
            to_intervals(anonymous("__map%d", Type::IPV4_ADDR, 4).map(Type::IPV4_ADDR, 8))
                .flags(Set::INTERVAL)
                .size(3),
            vec![
                Element::of([0, 0, 0, 0]).flags(Element::INTERVAL_END),
                Element::of([10, 0, 0, 0]).data(Data::value([10, 1, 0, 0, 10, 1, 0, 255])),
                Element::of([10, 0, 1, 0]).flags(Element::INTERVAL_END),
            ],
        ),
        v(
            IPV4,
            "post",
            "meta l4proto 6 snat to 10.0.0.1:1-9 persistent",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([10, 0, 0, 1]),
                load_to(R2, [0, 1]),
                load_to(R3, [0, 9]),
                Nat {
                    addr_min: Some(R1),
                    port_min: Some(R2),
                    port_max: Some(R3),
                    flags: Some(10),
                    ..Nat::new(NatType::SNAT, 2)
                }
            ],
        ),
        v(
            IPV4,
            "post",
            "meta l4proto 6 snat to :100",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([0, 100]),
                Nat { port_min: Some(R1), flags: Some(2), ..Nat::new(NatType::SNAT, 2) }
            ],
        ),
        v(IPV4, "filter", "ip saddr 10.0.0.0/8", exprs![payload(Base::NETWORK, 12, 1), eq([10])]),
        v(
            IPV4,
            "filter",
            "ip saddr @hosts",
            exprs![payload(Base::NETWORK, 12, 4), Lookup::new(name("hosts"), R1)],
        ),
        v(
            IPV4,
            "filter",
            "icmp type 8",
            exprs![meta(MetaKey::L4PROTO), eq([1]), payload(Base::TRANSPORT, 0, 1), eq([8])],
        ),
        v(
            IPV4,
            "filter",
            "ct state 0x2,0x4",
            exprs![
                ct(CtKey::STATE),
                mask(6_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                cmp(CmpOp::NEQ, 0_u32.to_ne_bytes())
            ],
        ),
        v(
            IPV4,
            "filter",
            "fib daddr type 2",
            exprs![Fib::new(R1, FibResult::ADDRTYPE, 2), eq(2_u32.to_ne_bytes())],
        ),
        v(
            IPV4,
            "filter",
            "reject with tcp reset",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                Reject { icmp_code: Some(0), ..Reject::new(RejectType::TCP_RST) }
            ],
        ),
        v(
            IPV4,
            "filter",
            r#"log prefix "x" group 7"#,
            exprs![Log { group: Some(7), prefix: Some(Bytes::from_slice(b"x\0")), ..Log::new() }],
        ),
        v(IPV4, "pre", "redirect", exprs![Redir::new()]),
        v(IPV4, "filter", "@ll,48,48 0x1", exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])]),
        v(
            IPV4,
            "filter",
            "ip dscp 0x00 ip ecn 0x1",
            exprs![
                payload(Base::NETWORK, 1, 1),
                mask([252], [0]),
                eq([0]),
                payload(Base::NETWORK, 1, 1),
                mask([3], [0]),
                eq([1])
            ],
        ),
    ]
}

fn ip6() -> Vec<Vector> {
    vec![
        v(
            IPV6,
            "input",
            "reject with icmpv6 3",
            exprs![Reject { icmp_code: Some(3), ..Reject::new(RejectType::ICMP_UNREACH) }],
        ),
        v(
            IPV6,
            "post",
            "snat to fe80::1",
            exprs![
                load([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                Nat { addr_min: Some(R1), ..Nat::new(NatType::SNAT, 10) }
            ],
        ),
        v(
            IPV6,
            "tp",
            "meta l4proto 17 tproxy to [::1]:3128",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([17]),
                load([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                load_to(R2, [12, 56]),
                Tproxy { addr: Some(R1), port: Some(R2), ..Tproxy::new(10) }
            ],
        ),
        v(
            IPV6,
            "pre",
            "meta l4proto 6 dnat to [fe80::1]:80",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                load_to(R2, [0, 80]),
                Nat { addr_min: Some(R1), port_min: Some(R2), flags: Some(2), ..Nat::new(NatType::DNAT, 10) }
            ],
        ),
        v(
            IPV6,
            "filter",
            "ip6 saddr fe80::/10",
            exprs![
                payload(Base::NETWORK, 8, 16),
                mask([255, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0; 16]),
                eq([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            ],
        ),
        v(
            IPV6,
            "filter",
            "ip6 saddr ::1",
            exprs![payload(Base::NETWORK, 8, 16), eq([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
        ),
        v(
            IPV6,
            "filter",
            "icmpv6 type 128",
            exprs![meta(MetaKey::L4PROTO), eq([58]), payload(Base::TRANSPORT, 0, 1), eq([128])],
        ),
        v(
            IPV6,
            "filter",
            "ct state 0x2,0x4",
            exprs![
                ct(CtKey::STATE),
                mask(6_u32.to_ne_bytes(), 0_u32.to_ne_bytes()),
                cmp(CmpOp::NEQ, 0_u32.to_ne_bytes())
            ],
        ),
        v(
            IPV6,
            "filter",
            "fib daddr type 2",
            exprs![Fib::new(R1, FibResult::ADDRTYPE, 2), eq(2_u32.to_ne_bytes())],
        ),
        v(
            IPV6,
            "filter",
            "reject with tcp reset",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                Reject { icmp_code: Some(0), ..Reject::new(RejectType::TCP_RST) }
            ],
        ),
        v(IPV6, "post", "masquerade", exprs![Masq::new()]),
        v(IPV6, "pre", "redirect", exprs![Redir::new()]),
        v(IPV6, "filter", "@ll,48,48 0x1", exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])]),
        v(IPV6, "filter", "@nh,8,8 0x1", exprs![payload(Base::NETWORK, 1, 1), eq([1])]),
    ]
}

fn arp() -> Vec<Vector> {
    vec![
        v(ARP, "in", "arp operation 1", exprs![payload(Base::NETWORK, 6, 2), eq([0, 1])]),
        v(ARP, "in", "arp saddr ip 10.0.0.1", exprs![payload(Base::NETWORK, 14, 4), eq([10, 0, 0, 1])]),
        v(
            ARP,
            "in",
            "arp htype 1 counter packets 0 bytes 0",
            exprs![payload(Base::NETWORK, 0, 2), eq([0, 1]), Counter::new()],
        ),
        v(
            ARP,
            "filter",
            "arp daddr ether 00:00:00:00:00:01",
            exprs![payload(Base::NETWORK, 18, 6), eq([0, 0, 0, 0, 0, 1])],
        ),
        v(
            ARP,
            "filter",
            r#"log prefix "x" group 7"#,
            exprs![Log { group: Some(7), prefix: Some(Bytes::from_slice(b"x\0")), ..Log::new() }],
        ),
        v(ARP, "filter", "@ll,48,48 0x1", exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])]),
        v(ARP, "filter", "@nh,8,8 0x1", exprs![payload(Base::NETWORK, 1, 1), eq([1])]),
    ]
}

fn bridge() -> Vec<Vector> {
    vec![
        v(BRIDGE, "input", r#"meta ibrname "br0""#, exprs![meta(MetaKey::BRI_IIFNAME), eq(interface("br0"))]),
        v(
            BRIDGE,
            "output",
            r#"meta obrname "br0""#,
            exprs![meta(MetaKey::BRI_OIFNAME), eq(interface("br0"))],
        ),
        v(BRIDGE, "input", "meta ibrpvid 1", exprs![meta(MetaKey::BRI_IIFPVID), eq([1, 0])]),
        v(BRIDGE, "input", "meta ibrvproto 8021q", exprs![meta(MetaKey::BRI_IIFVPROTO), eq([129, 0])]),
        v(
            BRIDGE,
            "input",
            "reject",
            exprs![Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMPX_UNREACH) }],
        ),
        v(
            BRIDGE,
            "input",
            "ether saddr 00:00:00:00:00:01",
            exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])],
        ),
        v(
            BRIDGE,
            "input",
            "ip saddr 10.0.0.1",
            exprs![meta(MetaKey::PROTOCOL), eq([8, 0]), payload(Base::NETWORK, 12, 4), eq([10, 0, 0, 1])],
        ),
        v(BRIDGE, "input", "ether type 0x0806", exprs![payload(Base::LINK, 12, 2), eq([8, 6])]),
        v(
            BRIDGE,
            "input",
            "vlan id 5",
            exprs![
                payload(Base::LINK, 12, 2),
                eq([129, 0]),
                payload(Base::LINK, 14, 2),
                mask([15, 255], [0, 0]),
                eq([0, 5])
            ],
        ),
        v(
            BRIDGE,
            "filter",
            "ip6 daddr fe80::1",
            exprs![
                meta(MetaKey::PROTOCOL),
                eq([134, 221]),
                payload(Base::NETWORK, 24, 16),
                eq([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
            ],
        ),
        v(
            BRIDGE,
            "filter",
            "tcp dport 22",
            exprs![meta(MetaKey::L4PROTO), eq([6]), payload(Base::TRANSPORT, 2, 2), eq([0, 22])],
        ),
        v(
            BRIDGE,
            "filter",
            r#"log prefix "x" group 7"#,
            exprs![Log { group: Some(7), prefix: Some(Bytes::from_slice(b"x\0")), ..Log::new() }],
        ),
        v(BRIDGE, "filter", "@nh,8,8 0x1", exprs![payload(Base::NETWORK, 1, 1), eq([1])]),
        v(
            BRIDGE,
            "filter",
            "ether saddr 00:00:00:00:00:01",
            exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])],
        ),
    ]
}

fn netdev() -> Vec<Vector> {
    vec![
        v(NETDEV, "ing", "meta pkttype set 1", exprs![load([1]), set_meta(MetaKey::PKTTYPE)]),
        v(
            NETDEV,
            "ing",
            "reject",
            exprs![Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMPX_UNREACH) }],
        ),
        v(
            NETDEV,
            "ing",
            "ip daddr 10.0.0.1",
            exprs![meta(MetaKey::PROTOCOL), eq([8, 0]), payload(Base::NETWORK, 16, 4), eq([10, 0, 0, 1])],
        ),
        v(
            NETDEV,
            "ing",
            "vlan id 5",
            exprs![
                meta(MetaKey::IIFTYPE),
                eq(1_u16.to_ne_bytes()),
                payload(Base::LINK, 12, 2),
                eq([129, 0]),
                payload(Base::LINK, 14, 2),
                mask([15, 255], [0, 0]),
                eq([0, 5])
            ],
        ),
        v(
            NETDEV,
            "filter",
            "ip saddr 10.0.0.1 counter packets 0 bytes 0",
            exprs![
                meta(MetaKey::PROTOCOL),
                eq([8, 0]),
                payload(Base::NETWORK, 12, 4),
                eq([10, 0, 0, 1]),
                Counter::new()
            ],
        ),
        v(
            NETDEV,
            "filter",
            "ip6 saddr fe80::1",
            exprs![
                meta(MetaKey::PROTOCOL),
                eq([134, 221]),
                payload(Base::NETWORK, 8, 16),
                eq([254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
            ],
        ),
        v(
            NETDEV,
            "filter",
            "reject with icmpx 3",
            exprs![Reject { icmp_code: Some(3), ..Reject::new(RejectType::ICMPX_UNREACH) }],
        ),
        v(
            NETDEV,
            "filter",
            "meta l4proto 6 reject with tcp reset",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                Reject { icmp_code: Some(0), ..Reject::new(RejectType::TCP_RST) }
            ],
        ),
        v(
            NETDEV,
            "filter",
            r#"log prefix "x" group 7"#,
            exprs![Log { group: Some(7), prefix: Some(Bytes::from_slice(b"x\0")), ..Log::new() }],
        ),
        v(
            NETDEV,
            "filter",
            "tcp dport set 80",
            exprs![
                meta(MetaKey::L4PROTO),
                eq([6]),
                load([0, 80]),
                Payload {
                    sreg: Some(R1),
                    checksum: Some(Checksum::INET),
                    checksum_offset: Some(16),
                    ..Payload::new(Base::TRANSPORT, 2, 2)
                }
            ],
        ),
        v(NETDEV, "filter", "@ll,48,48 0x1", exprs![payload(Base::LINK, 6, 6), eq([0, 0, 0, 0, 0, 1])]),
        v(NETDEV, "filter", "@nh,8,8 0x1", exprs![payload(Base::NETWORK, 1, 1), eq([1])]),
    ]
}
