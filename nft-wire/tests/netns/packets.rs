//! Rules that real packets meet: one of each kind, between three hosts.

use std::io::{ErrorKind, Read as _, Write as _};

use tortie_nft_wire::expr::{
    Base, Checksum, Cmp, CmpOp, Connlimit, Counter, Ct, CtKey, Dynset, DynsetOp, Fib, FibResult, Hash,
    Immediate, Last, Limit, Lookup, Masq, Meta, MetaKey, Nat, NatType, Numgen, NumgenType, Objref, Payload,
    Quota, Range, RangeOp, Redir, Reject, RejectType, Rt, RtKey,
};
use tortie_nft_wire::{
    Attachment, Batch, Chain, CtState, Data, Element, Entry, Expr, Family, Hook, Listing, Object, ObjectType,
    Policy, Register, Rule, Set, Table, Type, Verdict,
};

use crate::lab::{Host, Lab};
use crate::{name, namespaced, rule};

const INET: Family = Family::INET;
const R1: Register = Register::R1;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// Table `t` with a base chain for each place that packets pass.
fn ground() -> Batch {
    let mut batch = Batch::new();
    batch.add(INET, &Table::new(name("t"))).unwrap();
    let chains = [
        ("raw", "filter", Hook::PREROUTING, Attachment::RAW),
        ("mangle", "filter", Hook::PREROUTING, Attachment::MANGLE),
        ("pre", "nat", Hook::PREROUTING, Attachment::DSTNAT),
        ("input", "filter", Hook::INPUT, Attachment::FILTER),
        ("forward", "filter", Hook::FORWARD, Attachment::FILTER),
        ("post", "nat", Hook::POSTROUTING, Attachment::SRCNAT),
    ];
    for (chain, kind, hook, priority) in chains {
        let attachment = Attachment::new(hook, priority);
        let chain = Chain::new(name("t"), name(chain)).base(name(kind), attachment).policy(Policy::ACCEPT);
        batch.add(INET, &chain).unwrap();
    }
    batch
}

/// Puts rules into force on a host, behind what `before` adds.
fn enforce(host: &Host, before: impl FnOnce(&mut Batch), rules: &[Rule]) {
    let mut batch = ground();
    before(&mut batch);
    rules.iter().for_each(|rule| batch.add(INET, rule).unwrap());
    host.commit(&mut batch);
}

fn set(set: &str, id: u32, key_type: Type, key_len: u32) -> Set {
    Set::of(name("t"), name(set), id, key_type, key_len)
}

fn payload(base: Base, offset: u32, len: u32, dreg: Register) -> Payload {
    Payload { dreg: Some(dreg), ..Payload::new(base, offset, len) }
}

fn load(value: impl AsRef<[u8]>) -> Immediate {
    Immediate::new(R1, Data::value(value))
}

fn eq(value: impl AsRef<[u8]>) -> Cmp {
    Cmp::new(R1, CmpOp::EQ, Data::value(value))
}

fn word(index: u32) -> Register {
    Register::word(index).unwrap()
}

fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

fn elements(host: &Host, set: &str) -> Vec<Element> {
    let listing = Listing::Elements { table: &name("t"), set: &name(set) };
    let entries = host.socket().list(INET, listing).unwrap();
    let elements = entries.into_iter().flat_map(|(_, entry)| match entry {
        Entry::Elements { elements, .. } => elements,
        other => panic!("{other:?}"),
    });
    elements.collect()
}

#[test]
fn netns_a_verdict_map_dispatches() {
    namespaced("netns_a_verdict_map_dispatches", &["ip"], || {
        let lab = Lab::new();
        let dispatch = set("dispatch", 1, Type::IFNAME, 16).map(Type::VERDICT, 0);
        let ports = set("ports", 2, Type::INET_SERVICE, 2).map(Type::VERDICT, 0);
        enforce(
            &lab.router,
            |batch| {
                batch.add(INET, &Chain::new(name("t"), name("in"))).unwrap();
                batch.add(INET, &Chain::new(name("t"), name("one"))).unwrap();
                batch.add(INET, &dispatch).unwrap();
                batch.add(INET, &ports).unwrap();
                let (inward, one) = (Verdict::Jump(name("in")), Verdict::Goto(name("one")));
                batch.add_verdicts(INET, &dispatch, [(interface("near"), &inward)]).unwrap();
                let verdicts = [
                    ([0, 1], &one),
                    ([0, 2], &Verdict::Drop),
                    ([0, 3], &Verdict::Accept),
                    ([0, 4], &Verdict::Return),
                ];
                batch.add_verdicts(INET, &ports, verdicts).unwrap();
            },
            &[
                rule("forward").iifname_vmap(name("dispatch")),
                rule("forward").counter().comment("not dispatched"),
                rule("in")
                    .l4proto(UDP)
                    .expr(payload(Base::TRANSPORT, 2, 2, R1))
                    .expr(Lookup { dreg: Some(Register::VERDICT), ..Lookup::new(name("ports"), R1) }),
                rule("one").counter().drop().comment("one"),
            ],
        );
        assert_eq!(lab.get_through(&[1, 2, 3, 4, 5]), [3, 4, 5]);
        assert_eq!(lab.router.counted("one"), 1);
        // Those of 4 and 5, and the last; the answers of nobody.
        assert_eq!(lab.router.counted("not dispatched"), 3);
    });
}

#[test]
fn netns_sets_of_each_kind_match() {
    namespaced("netns_sets_of_each_kind_match", &["ip"], || {
        let lab = Lab::new();
        let hash = set("hash", 1, Type::INET_SERVICE, 2).size(16);
        let interval = set("interval", 2, Type::INET_SERVICE, 2).flags(Set::INTERVAL);
        let pair = Type::IPV4_ADDR.then(Type::INET_SERVICE);
        let concat = set("concat", 3, pair, 8);
        let ranges = set("ranges", 4, pair, 8).parts(&[4, 2]);
        let both = |set: &str| {
            rule("forward")
                .nfproto(Family::IPV4)
                .l4proto(UDP)
                .expr(payload(Base::NETWORK, 12, 4, R1))
                .expr(payload(Base::TRANSPORT, 2, 2, word(1)))
                .expr(Lookup::new(name(set), R1))
                .counter()
                .drop()
                .comment(set)
        };
        let port = |set: &str| {
            let port = payload(Base::TRANSPORT, 2, 2, R1);
            rule("forward")
                .l4proto(UDP)
                .expr(port)
                .expr(Lookup::new(name(set), R1))
                .counter()
                .drop()
                .comment(set)
        };
        enforce(
            &lab.router,
            |batch| {
                [&hash, &interval, &concat, &ranges]
                    .into_iter()
                    .for_each(|set| batch.add(INET, set).unwrap());
                batch.add_keys(INET, &hash, [[0, 1], [0, 2]]).unwrap();
                let end = Element::of([0, 15]).flags(Element::INTERVAL_END);
                batch.add_elements(INET, &interval, &[Element::of([0, 10]), end]).unwrap();
                batch
                    .add_keys(INET, &concat, [[10, 1, 0, 2, 0, 20, 0, 0], [10, 9, 0, 2, 0, 21, 0, 0]])
                    .unwrap();
                let nets = [
                    Element::of([10, 1, 0, 0, 0, 30, 0, 0]).to([10, 1, 255, 255, 0, 33, 0, 0]),
                    Element::of([10, 9, 0, 0, 0, 34, 0, 0]).to([10, 9, 255, 255, 0, 39, 0, 0]),
                ];
                batch.add_elements(INET, &ranges, &nets).unwrap();
            },
            &[port("hash"), port("interval"), both("concat"), both("ranges")],
        );
        let sent = [1, 2, 3, 9, 10, 14, 15, 20, 21, 29, 30, 33, 34, 35];
        assert_eq!(lab.get_through(&sent), [3, 9, 15, 21, 29, 34, 35]);
        for (set, count) in [("hash", 2), ("interval", 2), ("concat", 1), ("ranges", 2)] {
            assert_eq!(lab.router.counted(set), count, "{set}");
        }
        // One element more, and one less.
        let mut batch = Batch::new();
        batch.add_keys(INET, &hash, [[0, 3]]).unwrap();
        batch.delete_keys(INET, &hash, [[0, 1]]).unwrap();
        lab.router.commit(&mut batch);
        assert_eq!(lab.get_through(&[1, 2, 3]), [1]);
    });
}

#[test]
fn netns_addresses_interfaces_and_ranges_match() {
    namespaced("netns_addresses_interfaces_and_ranges_match", &["ip"], || {
        let lab = Lab::new();
        let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
        let range = Range::new(R1, RangeOp::EQ, Data::value([0, 40]), Data::value([0, 49]));
        enforce(
            &lab.router,
            |_| {},
            &[
                rule("forward").iifname("far").drop().comment("from the server"),
                rule("forward")
                    .iifname("ne*")
                    .oifname("far")
                    .saddr(net("10.1.0.0/24"))
                    .daddr(net("10.2.0.2/32"))
                    .dport(UDP, 1)
                    .counter()
                    .drop()
                    .comment("all"),
                rule("forward").saddr(net("10.3.0.0/16")).counter().drop().comment("nobody"),
                rule("forward")
                    .l4proto(UDP)
                    .expr(payload(Base::TRANSPORT, 2, 2, R1))
                    .expr(range)
                    .counter()
                    .drop()
                    .comment("range"),
                rule("forward").saddr(net("fd01::/16")).dport(UDP, 1).counter().drop().comment("six"),
            ],
        );
        assert_eq!(lab.get_through(&[1, 2, 39, 40, 49, 50]), [2, 39, 50]);
        let server = lab.server.udp("[::]:2");
        let client = lab.client.udp("[fd01::2]:0");
        client.send_to(b"1", "[fd02::2]:1").unwrap();
        client.send_to(b"2", "[fd02::2]:2").unwrap();
        server.recv_from(&mut [0]).unwrap();
        let counts = ["all", "nobody", "range", "six"].map(|comment| lab.router.counted(comment));
        assert_eq!(counts, [1, 0, 2, 1]);
    });
}

#[test]
fn netns_states_of_connections_match() {
    namespaced("netns_states_of_connections_match", &["ip"], || {
        let lab = Lab::new();
        enforce(
            &lab.router,
            |_| {},
            &[
                rule("raw").dport(UDP, 7).notrack(),
                rule("forward").ct_state(CtState::UNTRACKED).counter().comment("untracked"),
                rule("forward").ct_state(CtState::ESTABLISHED).counter().accept().comment("established"),
                rule("forward").iifname("near").ct_state(CtState::NEW).counter().accept().comment("new"),
                rule("forward").iifname("far").counter().drop().comment("dropped"),
            ],
        );
        let (server, client) = (lab.server.udp("10.2.0.2:5"), lab.client.udp("10.1.0.2:5"));
        // The server may not begin, but may answer.
        server.send_to(b"a", "10.1.0.2:5").unwrap();
        server.send_to(b"b", "10.1.0.2:6").unwrap();
        client.send_to(b"q", "10.2.0.2:5").unwrap();
        let mut buf = [0; 8];
        assert_eq!(server.recv_from(&mut buf).unwrap().0, 1);
        server.send_to(b"c", "10.1.0.2:5").unwrap();
        client.recv_from(&mut buf).unwrap();
        assert_eq!(buf[0], b'c');
        let counts =
            ["established", "new", "dropped", "untracked"].map(|comment| lab.router.counted(comment));
        assert_eq!(counts, [1, 1, 2, 0]);
        assert_eq!(lab.get_through(&[7]), [7]);
        assert_eq!(lab.router.counted("untracked"), 1);
    });
}

#[test]
fn netns_addresses_are_translated() {
    namespaced("netns_addresses_are_translated", &["ip"], || {
        let lab = Lab::new();
        let tcp_to = |chain: &str, port: u16| rule(chain).nfproto(Family::IPV4).dport(TCP, port);
        let (address, port) = (load([10, 2, 0, 2]), Immediate::new(Register::R2, Data::value([0x1f, 0x90])));
        let ends = |kind| Nat { addr_min: Some(R1), ..Nat::new(kind, 2) };
        enforce(
            &lab.router,
            |_| {},
            &[
                tcp_to("pre", 80)
                    .expr(address)
                    .expr(port)
                    .expr(Nat { port_min: Some(Register::R2), ..ends(NatType::DNAT) }),
                tcp_to("pre", 81).expr(load([0x1f, 0x91])).expr(Redir { port_min: Some(R1), ..Redir::new() }),
                tcp_to("post", 8080).expr(load([10, 2, 0, 77])).expr(ends(NatType::SNAT)),
                tcp_to("post", 8082).expr(Masq::new()),
            ],
        );
        // The server answers to 10.2.0.77 only if the router has it.
        lab.router.within(|| crate::must("ip", &["addr", "add", "10.2.0.77/24", "dev", "far"]));
        let talk = |listening: &std::net::TcpListener, to: &str| {
            let mut client = lab.client.connect(to).unwrap();
            let (mut server, from) = listening.accept().unwrap();
            client.write_all(b"hello").unwrap();
            let mut heard = [0; 5];
            server.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello");
            from.ip().to_string()
        };
        let at = |host: &Host, port: u16| host.listen(&format!("0.0.0.0:{port}"));
        assert_eq!(talk(&at(&lab.server, 8080), "10.1.0.1:80"), "10.2.0.77", "dnat and snat");
        assert_eq!(talk(&at(&lab.router, 8081), "10.2.0.2:81"), "10.1.0.2", "redirect");
        assert_eq!(talk(&at(&lab.server, 8082), "10.2.0.2:8082"), "10.2.0.1", "masquerade");
        assert_eq!(talk(&at(&lab.server, 8083), "10.2.0.2:8083"), "10.1.0.2", "as it is");
    });
}

#[test]
fn netns_limits_quotas_and_counts_of_connections_hold() {
    namespaced("netns_limits_quotas_and_counts_of_connections_hold", &["ip"], || {
        let lab = Lab::new();
        let udp = |port| rule("forward").dport(UDP, port);
        enforce(
            &lab.router,
            |_| {},
            &[
                udp(1).expr(Limit { burst: Some(5), ..Limit::new(1, 86_400) }).accept(),
                udp(1).counter().drop().comment("limited"),
                // A packet of one byte has 29.
                udp(2).expr(Quota { flags: Some(1), ..Quota::new(3 * 29) }).counter().drop().comment("quota"),
                rule("forward")
                    .dport(TCP, 3)
                    .ct_state(CtState::NEW)
                    .expr(Connlimit { flags: Some(1), ..Connlimit::new(2) })
                    .counter()
                    .reset()
                    .comment("connections"),
            ],
        );
        assert_eq!(lab.get_through(&[1; 20]), [1; 5]);
        assert_eq!(lab.router.counted("limited"), 15);
        assert_eq!(lab.get_through(&[2; 10]), [2; 3]);
        assert_eq!(lab.router.counted("quota"), 7);
        let _server = lab.server.listen("0.0.0.0:3");
        let held: Vec<_> = (0..2).map(|_| lab.client.connect("10.2.0.2:3").unwrap()).collect();
        let refused = lab.client.connect("10.2.0.2:3").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!((held.len(), lab.router.counted("connections")), (2, 1));
    });
}

#[test]
fn netns_a_rejected_packet_is_answered() {
    namespaced("netns_a_rejected_packet_is_answered", &["ip"], || {
        let lab = Lab::new();
        let prohibited = Reject { icmp_code: Some(3), ..Reject::new(RejectType::ICMPX_UNREACH) };
        let host = Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMP_UNREACH) };
        enforce(
            &lab.router,
            |_| {},
            &[
                rule("forward").dport(UDP, 1).reject(),
                rule("forward").dport(TCP, 2).reset(),
                rule("forward").dport(TCP, 3).expr(prohibited),
                rule("forward").nfproto(Family::IPV4).dport(TCP, 4).expr(host),
            ],
        );
        for (from, to) in [("10.1.0.2:0", "10.2.0.2:1"), ("[fd01::2]:0", "[fd02::2]:1")] {
            let client = lab.client.udp(from);
            client.connect(to).unwrap();
            client.send(b"x").unwrap();
            assert_eq!(client.recv(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{to}");
        }
        for (to, wanted) in [
            ("10.2.0.2:2", ErrorKind::ConnectionRefused),
            ("[fd02::2]:2", ErrorKind::ConnectionRefused),
            ("10.2.0.2:3", ErrorKind::HostUnreachable),
            ("[fd02::2]:3", ErrorKind::PermissionDenied),
            ("10.2.0.2:4", ErrorKind::HostUnreachable),
        ] {
            assert_eq!(lab.client.connect(to).unwrap_err().kind(), wanted, "{to}");
        }
    });
}

#[test]
fn netns_a_source_without_a_route_back_is_dropped() {
    namespaced("netns_a_source_without_a_route_back_is_dropped", &["ip"], || {
        let lab = Lab::new();
        let none = Fib::new(R1, FibResult::OIF, 1 | 8);
        enforce(
            &lab.router,
            |_| {},
            &[rule("raw").expr(none).expr(eq(0_u32.to_ne_bytes())).counter().drop().comment("spoofed")],
        );
        lab.client.within(|| crate::must("ip", &["addr", "add", "10.9.0.9/32", "dev", "lo"]));
        assert_eq!(lab.get_through_from("10.9.0.9:0", &[1, 1]), [0_u16; 0]);
        assert_eq!(lab.get_through(&[1, 1]), [1, 1]);
        assert_eq!(lab.router.counted("spoofed"), 2);
    });
}

#[test]
fn netns_packets_add_to_sets_and_count_in_elements() {
    namespaced("netns_packets_add_to_sets_and_count_in_elements", &["ip"], || {
        let lab = Lab::new();
        let counted = Set { expr: Some(Counter::new().into()), ..set("seen", 1, Type::IPV4_ADDR, 4) };
        let seen = Set { timeout: Some(3_600_000), ..counted.flags(Set::TIMEOUT | Set::EVAL).size(16) };
        let counter = Object::counter(name("t"), name("all"), Counter::new());
        let update = Dynset::new(name("seen"), DynsetOp::UPDATE, R1);
        enforce(
            &lab.router,
            |batch| {
                batch.add(INET, &seen).unwrap();
                batch.add(INET, &counter).unwrap();
            },
            &[
                rule("forward")
                    .dport(UDP, 1)
                    .nfproto(Family::IPV4)
                    .expr(payload(Base::NETWORK, 12, 4, R1))
                    .expr(update),
                rule("forward").dport(UDP, 2).ipv4_saddr_in(name("seen")).counter().drop().comment("seen"),
                rule("forward").expr(Objref {
                    kind: Some(ObjectType::COUNTER),
                    name: Some(name("all")),
                    ..Objref::new()
                }),
                rule("forward").dport(UDP, 1).expr(Last::new()),
            ],
        );
        assert_eq!(lab.get_through(&[2, 1, 1, 2]), [2, 1, 1]);
        let elements = elements(&lab.router, "seen");
        let [element] = &elements[..] else { panic!("{elements:?}") };
        assert_eq!(element.key, Some(Data::value([10, 1, 0, 2])));
        assert!(element.expiration.is_some_and(|left| left > 0 && left <= 3_600_000), "{element:?}");
        // Added by one packet; counts, as the kernel does, that one and the next ones.
        let Some(Expr::Counter(counter)) = &element.expr else { panic!("{element:?}") };
        assert!(counter.packets.is_some_and(|packets| packets >= 2), "{counter:?}");
        let last = lab.router.rules().into_iter().flat_map(|rule| rule.exprs).find_map(|expr| match expr {
            Expr::Last(last) => Some(last),
            _ => None,
        });
        assert!(last.as_ref().is_some_and(|last| last.set == Some(1) && last.msecs.is_some()), "{last:?}");
        let objects = lab.router.socket().list(INET, Listing::Objects).unwrap();
        assert_eq!(objects.len(), 1);
    });
}

#[test]
fn netns_packets_are_marked_spread_and_rewritten() {
    namespaced("netns_packets_are_marked_spread_and_rewritten", &["ip"], || {
        let lab = Lab::new();
        let set_mark = || Meta { sreg: Some(R1), ..Meta::new(MetaKey::MARK) };
        let mark_is =
            |mark: u32| (Meta { dreg: Some(R1), ..Meta::new(MetaKey::MARK) }, eq(mark.to_ne_bytes()));
        let marked = |mark: u32| {
            let (load, is) = mark_is(mark);
            rule("forward").expr(load).expr(is)
        };
        // The port of UDP, whose checksum is at 6.
        let rewrite = Payload {
            sreg: Some(R1),
            checksum: Some(Checksum::INET),
            checksum_offset: Some(6),
            ..Payload::new(Base::TRANSPORT, 2, 2)
        };
        let source = Hash { sreg: Some(Register::R2), len: Some(4), seed: Some(1), ..Hash::new(R1, 1) };
        let save = Ct { sreg: Some(R1), ..Ct::new(CtKey::MARK) };
        let saved = Ct { dreg: Some(R1), ..Ct::new(CtKey::MARK) };
        let zone = Ct { sreg: Some(R1), ..Ct::new(CtKey::ZONE) };
        let zone_is = Ct { dreg: Some(R1), ..Ct::new(CtKey::ZONE) };
        enforce(
            &lab.router,
            |_| {},
            &[
                rule("raw").dport(UDP, 6).expr(load(3_u16.to_ne_bytes())).expr(zone),
                rule("mangle").dport(UDP, 1).expr(load(7_u32.to_ne_bytes())).expr(set_mark()).expr(save),
                rule("mangle")
                    .dport(UDP, 2)
                    .expr(Numgen { offset: Some(20), ..Numgen::new(R1, 2, NumgenType::INCREMENTAL) })
                    .expr(set_mark()),
                rule("mangle")
                    .dport(UDP, 3)
                    .nfproto(Family::IPV4)
                    .expr(payload(Base::NETWORK, 12, 4, Register::R2))
                    .expr(Hash { offset: Some(30), ..source })
                    .expr(set_mark()),
                rule("mangle").dport(UDP, 4).expr(load([0, 5])).expr(rewrite),
                marked(7).counter().comment("seven"),
                marked(20).counter().comment("even"),
                marked(21).counter().comment("odd"),
                marked(30).counter().comment("hashed"),
                rule("forward")
                    .dport(UDP, 1)
                    .expr(saved)
                    .expr(eq(7_u32.to_ne_bytes()))
                    .counter()
                    .comment("saved"),
                rule("forward").expr(zone_is).expr(eq(3_u16.to_ne_bytes())).counter().comment("zone"),
                rule("forward")
                    .dport(UDP, 6)
                    .expr(Rt::new(R1, RtKey::NEXTHOP4))
                    .expr(eq([10, 2, 0, 2]))
                    .counter()
                    .comment("next hop"),
            ],
        );
        let rewritten = lab.server.udp("0.0.0.0:5");
        assert_eq!(lab.get_through(&[1, 2, 2, 2, 2, 3, 4, 6]), [1, 2, 2, 2, 2, 3, 6]);
        rewritten.recv_from(&mut [0]).unwrap();
        let counts = ["seven", "even", "odd", "hashed", "saved", "zone", "next hop"]
            .map(|comment| lab.router.counted(comment));
        assert_eq!(counts, [1, 2, 2, 1, 1, 1, 1]);
    });
}
