//! Batches as transactions: what is read is what was sent, what is refused changes nothing, what others change is noticed.

use std::process::Command;

use tortie_nft_wire::expr::{Cmp, CmpOp, Fib, FibResult, Immediate, Nat, NatType};
use tortie_nft_wire::{
    Attachment, Batch, Chain, CommitError, CtState, Data, Element, Entry, Family, Hook, Listing, Policy,
    Register, Rule, Set, Socket, Table, Type, Verdict,
};

use crate::{listed, name, namespaced, rule};

/// Table `t` with the base chains `input` and `nat`, and the chain `other`.
fn base(batch: &mut Batch) {
    let family = Family::INET;
    let table = name("t");
    batch.add(family, &Table::new(table.clone())).unwrap();
    let filter = Attachment::new(Hook::INPUT, Attachment::FILTER);
    let input = Chain::new(table.clone(), name("input")).base(name("filter"), filter).policy(Policy::DROP);
    batch.add(family, &input).unwrap();
    let raw = Attachment::new(Hook::PREROUTING, Attachment::RAW);
    batch.add(family, &Chain::new(table.clone(), name("raw")).base(name("filter"), raw)).unwrap();
    let srcnat = Attachment::new(Hook::POSTROUTING, Attachment::SRCNAT);
    batch.add(family, &Chain::new(table.clone(), name("post")).base(name("nat"), srcnat)).unwrap();
    let dstnat = Attachment::new(Hook::PREROUTING, Attachment::DSTNAT);
    batch.add(family, &Chain::new(table.clone(), name("pre")).base(name("nat"), dstnat)).unwrap();
    batch.add(family, &Chain::new(table, name("other"))).unwrap();
}

/// Rules, and what `nft` calls them.
fn rules() -> Vec<(Rule, &'static str)> {
    let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    let dnat = Nat { addr_min: Some(Register::R1), ..Nat::new(NatType::DNAT, 2) };
    let load = |bytes: &[u8]| Immediate::new(Register::R1, Data::value(bytes));
    let local = Cmp::new(Register::R1, CmpOp::EQ, Data::value(2_u32.to_ne_bytes()));
    let fib = Fib::new(Register::R1, FibResult::ADDRTYPE, 2);
    vec![
        (rule("input").iifname("eth0").accept(), r#"iifname "eth0" accept"#),
        (rule("input").iifname("cali*").drop(), r#"iifname "cali*" drop"#),
        (rule("input").oifname("lo").counter(), r#"oifname "lo" counter packets 0 bytes 0"#),
        (
            rule("input").ct_state(CtState::ESTABLISHED.or(CtState::RELATED)).accept(),
            "ct state 0x2,0x4 accept",
        ),
        (rule("input").saddr(net("10.0.0.0/8")).jump(name("other")), "ip saddr 10.0.0.0/8 jump other"),
        (rule("input").daddr(net("192.0.2.1/32")).goto(name("other")), "ip daddr 192.0.2.1 goto other"),
        (
            rule("input").saddr(net("2001:db8::/33")).verdict(Verdict::Return),
            "ip6 saddr 2001:db8::/33 return",
        ),
        (rule("input").daddr(net("2001:db8::1/128")).drop(), "ip6 daddr 2001:db8::1 drop"),
        (rule("input").dport(6, 22).accept(), "tcp dport 22 accept"),
        (rule("input").sport(17, 53).accept(), "udp sport 53 accept"),
        (
            rule("input").l4proto(1).limit_per_second(10, 5).accept(),
            "meta l4proto 1 limit rate 10/second accept",
        ),
        (rule("input").log("dropped: ").drop(), r#"log prefix "dropped: " drop"#),
        (rule("input").log_group("x", 7).drop(), r#"log prefix "x" group 7 drop"#),
        (rule("input").dport(6, 23).reset(), "tcp dport 23 reject with tcp reset"),
        (rule("input").reject(), "reject"),
        (rule("input").accept().comment("why so"), r#"accept comment "why so""#),
        (rule("input").ipv4_saddr_in(name("hosts")).accept(), "ip saddr @hosts accept"),
        (rule("input").ipv6_daddr_in(name("nets6")).accept(), "ip6 daddr @nets6 accept"),
        (rule("input").iifname_vmap(name("dispatch")), "iifname vmap @dispatch"),
        (rule("raw").notrack(), "notrack"),
        (rule("raw").expr(fib).expr(local).drop(), "fib daddr type 2 drop"),
        (rule("post").masquerade(), "masquerade"),
        (
            rule("pre").nfproto(Family::IPV4).expr(load(&[192, 0, 2, 9])).expr(dnat),
            "meta nfproto 2 dnat ip to 192.0.2.9",
        ),
    ]
}

fn sets() -> [Set; 4] {
    [
        Set::of(name("t"), name("hosts"), 1, Type::IPV4_ADDR, 4).size(100_000),
        Set::of(name("t"), name("nets6"), 2, Type::IPV6_ADDR, 16).flags(Set::INTERVAL),
        Set::of(name("t"), name("dispatch"), 3, Type::IFNAME, 16).map(Type::VERDICT, 0),
        Set::of(
            name("t"),
            name("flows"),
            4,
            Type::IPV4_ADDR.then(Type::INET_PROTO).then(Type::INET_SERVICE),
            12,
        )
        .parts(&[4, 1, 2]),
    ]
}

fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// A batch of everything.
fn everything() -> Batch {
    let family = Family::INET;
    let mut batch = Batch::new();
    base(&mut batch);
    let [hosts, nets6, dispatch, flows] = sets();
    for set in [&hosts, &nets6, &dispatch, &flows] {
        batch.add(family, set).unwrap();
    }
    batch.add_keys(family, &hosts, [[10, 0, 0, 1], [10, 0, 0, 2]]).unwrap();
    let net: core::net::Ipv6Addr = "2001:db8::".parse().unwrap();
    let end: core::net::Ipv6Addr = "2001:db9::".parse().unwrap();
    let interval = [Element::of(net.octets()), Element::of(end.octets()).flags(Element::INTERVAL_END)];
    batch.add_elements(family, &nets6, &interval).unwrap();
    let jump = Verdict::Jump(name("other"));
    batch
        .add_verdicts(family, &dispatch, [(interface("cali0"), &jump), (interface("cali1"), &Verdict::Drop)])
        .unwrap();
    let from = [10, 1, 0, 0, 6, 0, 0, 0, 0, 80, 0, 0];
    let to = [10, 1, 255, 255, 6, 0, 0, 0, 0, 90, 0, 0];
    batch.add_elements(family, &flows, &[Element::of(from).to(to)]).unwrap();
    for (rule, _) in rules() {
        batch.add(family, &rule).unwrap();
    }
    batch
}

#[test]
fn netns_nft_lists_what_was_sent() {
    namespaced("netns_nft_lists_what_was_sent", &["nft"], || {
        Socket::open().unwrap().commit(&mut everything()).unwrap();
        let listed = listed();
        for (_, text) in rules() {
            assert!(listed.iter().any(|line| line == text), "{text}\n{}", listed.join("\n"));
        }
        for text in [
            "type filter hook input priority 0; policy drop;",
            "type nat hook postrouting priority 100; policy accept;",
            "size 100000",
            "elements = { 10.0.0.1, 10.0.0.2 }",
            "elements = { 2001:db8::/32 }",
            r#"elements = { "cali0" : jump other,"#,
            "elements = { 10.1.0.0/16 . 6 . 80-90 }",
        ] {
            assert!(listed.iter().any(|line| line == text), "{text}\n{}", listed.join("\n"));
        }
    });
}

#[test]
fn netns_what_is_read_is_what_was_sent() {
    namespaced("netns_what_is_read_is_what_was_sent", &["nft"], || {
        let mut socket = Socket::open().unwrap();
        socket.commit(&mut everything()).unwrap();
        let read = socket.list(Family::INET, Listing::Rules).unwrap();
        for chain in ["input", "raw", "post", "pre"] {
            let sent: Vec<_> = rules().into_iter().filter(|(rule, _)| rule.chain == name(chain)).collect();
            let read: Vec<_> = read
                .iter()
                .filter_map(|(_, entry)| match entry {
                    Entry::Rule(rule) if rule.chain == name(chain) => Some(rule),
                    Entry::Rule(_) => None,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(sent.len(), read.len());
            for ((sent, text), read) in sent.iter().zip(read) {
                assert_eq!(sent.exprs.len(), read.exprs.len(), "{text}");
                assert_eq!(sent.userdata, read.userdata, "{text}");
                let known =
                    read.exprs.iter().all(|expr| !matches!(expr, tortie_nft_wire::Expr::Other { .. }));
                assert!(known, "{text}: {:?}", read.exprs);
            }
        }
        // Sent again, what was read is listed as the same.
        let before = listed();
        let mut again = Batch::new();
        for chain in ["input", "raw", "post", "pre"] {
            again.delete(Family::INET, &rule(chain)).unwrap();
        }
        for (family, entry) in read {
            let Entry::Rule(mut rule) = entry else { continue };
            (rule.handle, rule.position) = (None, None);
            again.add(family, &rule).unwrap();
        }
        socket.commit(&mut again).unwrap();
        assert_eq!(listed(), before);

        let listing = Listing::Elements { table: &name("t"), set: &name("hosts") };
        let elements: Vec<Element> = socket
            .list(Family::INET, listing)
            .unwrap()
            .into_iter()
            .flat_map(|(_, entry)| match entry {
                Entry::Elements { elements, .. } => elements,
                other => panic!("{other:?}"),
            })
            .collect();
        let mut keys: Vec<_> = elements.iter().map(|element| element.key.clone().unwrap()).collect();
        keys.sort_by_key(|key| format!("{key:?}"));
        assert_eq!(keys, [Data::value([10, 0, 0, 1]), Data::value([10, 0, 0, 2])]);
    });
}

#[test]
fn netns_a_refused_batch_changes_nothing_and_says_why() {
    namespaced("netns_a_refused_batch_changes_nothing_and_says_why", &["nft"], || {
        let mut socket = Socket::open().unwrap();
        socket.commit(&mut everything()).unwrap();
        let (before, generation) = (listed(), socket.generation().unwrap());
        let mut batch = Batch::new();
        batch.add(Family::INET, &rule("input").accept()).unwrap();
        batch.add(Family::INET, &rule("missing").accept()).unwrap();
        batch.add(Family::INET, &rule("input").jump(name("nowhere"))).unwrap();
        batch.add(Family::INET, &rule("input").drop()).unwrap();
        let Err(CommitError::Refused(refusals)) = socket.commit(&mut batch) else {
            panic!("it was not refused")
        };
        let numbers: Vec<_> = refusals.iter().map(|refusal| (refusal.number, refusal.errno)).collect();
        assert_eq!(numbers, [(2, 2), (3, 2)], "{refusals:?}");
        assert_eq!((listed(), socket.generation().unwrap()), (before, generation));
        // The socket is in step: the next batch is answered as itself.
        let mut batch = Batch::new();
        batch.add(Family::INET, &rule("other").accept()).unwrap();
        socket.commit(&mut batch).unwrap();
    });
}

#[test]
fn netns_a_foreign_change_is_noticed() {
    namespaced("netns_a_foreign_change_is_noticed", &["nft"], || {
        let mut socket = Socket::open().unwrap();
        socket.commit(&mut everything()).unwrap();
        let generation = socket.generation().unwrap();
        let batch = || {
            let mut batch = Batch::at_generation(generation);
            batch.add(Family::INET, &rule("other").accept()).unwrap();
            batch
        };
        assert!(Command::new("nft").args(["add", "table", "ip", "foreign"]).status().unwrap().success());
        let before = listed();
        let result = socket.commit(&mut batch());
        assert!(matches!(result, Err(CommitError::Foreign)), "{result:?}");
        assert_eq!(listed(), before);
    });
}

#[test]
fn netns_a_hundred_thousand_elements_are_one_transaction() {
    namespaced("netns_a_hundred_thousand_elements_are_one_transaction", &["nft"], || {
        let mut socket = Socket::open().unwrap();
        let set = Set::of(name("t"), name("many"), 1, Type::IPV4_ADDR, 4).size(100_000);
        let keys = || (0..100_000_u32).map(|n| (0x0a00_0000 + n).to_be_bytes());
        let mut batch = Batch::new();
        batch.add(Family::IPV4, &Table::new(name("t"))).unwrap();
        batch.add(Family::IPV4, &set).unwrap();
        batch.add_keys(Family::IPV4, &set, keys()).unwrap();
        socket.commit(&mut batch).unwrap();
        let listing = Listing::Elements { table: &name("t"), set: &name("many") };
        let count = |socket: &mut Socket| -> usize {
            let entries = socket.list(Family::IPV4, listing).unwrap();
            entries
                .iter()
                .map(|(_, entry)| match entry {
                    Entry::Elements { elements, .. } => elements.len(),
                    other => panic!("{other:?}"),
                })
                .sum()
        };
        assert_eq!(count(&mut socket), 100_000);
        let mut batch = Batch::new();
        batch.delete_keys(Family::IPV4, &set, keys().take(99_999)).unwrap();
        socket.commit(&mut batch).unwrap();
        assert_eq!(count(&mut socket), 1);
        let mut batch = Batch::new();
        batch.flush(Family::IPV4, &set).unwrap();
        socket.commit(&mut batch).unwrap();
        assert_eq!(count(&mut socket), 0);
    });
}
