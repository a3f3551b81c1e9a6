//! BGP UPDATEs: decoding with every value read, and encoding, beside zettabgp and a naive decoder into owned values.
//!
//! Input: 10,000 synthetic UPDATEs, 89 octets each in the mean; an element is one message. Encoding is
//! measured on the 9,116 of which zettabgp keeps all values when it writes what it has read. Every decoder must come to the same
//! sum of all values, so that none can leave work out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::fixtures::updates;
use tortie_benches::report::Row;
use tortie_bgp_wire::{Attribute, Message, Session};
use zettabgp::prelude::*;

/// Sum of everything in a message that a decoder must have looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, value: impl Into<u64>) {
        self.0 = self.0.wrapping_add(value.into());
    }

    fn v4(&mut self, address: Ipv4Addr, len: u8) {
        self.add(u32::from(address));
        self.add(len);
    }

    fn v6(&mut self, address: Ipv6Addr, len: u8) {
        address.segments().into_iter().for_each(|segment| self.add(segment));
        self.add(len);
    }

    fn net(&mut self, net: ipnet::IpNet) {
        match net {
            ipnet::IpNet::V4(net) => self.v4(net.addr(), net.prefix_len()),
            ipnet::IpNet::V6(net) => self.v6(net.addr(), net.prefix_len()),
        }
    }
}

fn session() -> Session {
    let mut session = Session::default();
    session.four_octet_as = true;
    session.external = true;
    session
}

/// Borrowed views; the attributes are judged one by one.
fn tortie(bytes: &[u8], session: &Session, sum: &mut Sum) {
    let (Message::Update(update), _) = Message::decode(bytes, session).unwrap() else { panic!("an UPDATE") };
    for attribute in update.attributes() {
        match attribute.unwrap() {
            Attribute::Origin(origin) => sum.add(origin.get()),
            Attribute::AsPath(path) => path.asns().for_each(|asn| sum.add(asn)),
            Attribute::NextHop(address) => sum.add(u32::from(address)),
            Attribute::Med(value) => sum.add(value),
            Attribute::Aggregator(aggregator) => {
                sum.add(aggregator.asn);
                sum.add(u32::from(aggregator.address));
            }
            Attribute::Communities(list) => list.iter().for_each(|community| sum.add(community.get())),
            Attribute::Unknown(raw) => raw
                .value()
                .chunks_exact(4)
                .for_each(|word| sum.add(u32::from_be_bytes(word.try_into().unwrap()))),
            _ => {}
        }
    }
    update.announcements().chain(update.withdrawals()).for_each(|nlri| sum.net(nlri.prefix().unwrap()));
}

fn rival_session() -> BgpSessionParams {
    let mut session =
        BgpSessionParams::new(64_512, 180, BgpTransportMode::IPv4, Ipv4Addr::new(192, 0, 2, 1), Vec::new());
    session.has_as32bit = true;
    session.fuzzy_pathid = false;
    session
}

fn zettabgp(bytes: &[u8], session: &BgpSessionParams, sum: &mut Sum) {
    let mut update = BgpUpdateMessage::new();
    update.decode_from(session, bytes.get(19..).unwrap()).unwrap();
    for attribute in &update.attrs {
        match attribute {
            BgpAttrItem::Origin(origin) => sum.add(match origin.value {
                BgpAttrOrigin::Igp => 0_u8,
                BgpAttrOrigin::Egp => 1,
                BgpAttrOrigin::Incomplete => 2,
            }),
            BgpAttrItem::ASPath(path) => {
                for item in &path.value {
                    match item {
                        BgpASitem::Seq(sequence) => sequence.value.iter().for_each(|asn| sum.add(asn.value)),
                        BgpASitem::Set(set) => set.value.iter().for_each(|asn| sum.add(asn.value)),
                    }
                }
            }
            BgpAttrItem::NextHop(next_hop) => match next_hop.value {
                core::net::IpAddr::V4(address) => sum.add(u32::from(address)),
                core::net::IpAddr::V6(_) => panic!("IPv4"),
            },
            BgpAttrItem::MED(med) => sum.add(med.value),
            BgpAttrItem::AggregatorAS(aggregator) => {
                sum.add(aggregator.asn);
                sum.add(u32::from(aggregator.addr));
            }
            BgpAttrItem::CommunityList(list) => {
                list.value.iter().for_each(|community| sum.add(community.value))
            }
            BgpAttrItem::LargeCommunityList(list) => list.value.iter().for_each(|community| {
                sum.add(community.ga);
                sum.add(community.ldp1);
                sum.add(community.ldp2);
            }),
            BgpAttrItem::MPUpdates(reach) => addresses(&reach.addrs, sum),
            _ => {}
        }
    }
    addresses(&update.updates, sum);
    addresses(&update.withdraws, sum);
}

fn addresses(list: &BgpAddrs, sum: &mut Sum) {
    match list {
        BgpAddrs::IPV4U(list) => list.iter().for_each(|net| sum.v4(net.addr, net.prefixlen)),
        BgpAddrs::IPV6U(list) => list.iter().for_each(|net| sum.v6(net.addr, net.prefixlen)),
        _ => {}
    }
}

/// The naive twin: every attribute in a vector of its own, every prefix in a list.
struct Owned {
    attributes: Vec<(u8, Vec<u8>)>,
    nets: Vec<ipnet::IpNet>,
}

fn naive(bytes: &[u8], sum: &mut Sum) {
    let update = owned(bytes).unwrap();
    for (code, value) in &update.attributes {
        let words = |value: &[u8], sum: &mut Sum| {
            value.chunks_exact(4).for_each(|word| sum.add(u32::from_be_bytes(word.try_into().unwrap())));
        };
        match code {
            1 => sum.add(value.first().copied().unwrap()),
            2 => words(value.get(2..).unwrap(), sum),
            3 | 4 | 7 | 8 | 32 => words(value, sum),
            _ => {}
        }
    }
    update.nets.into_iter().for_each(|net| sum.net(net));
}

fn owned(bytes: &[u8]) -> Option<Owned> {
    let section = |bytes: &[u8]| {
        let (len, rest) = bytes.split_first_chunk::<2>()?;
        let (head, tail) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        Some((head.to_vec(), tail.to_vec()))
    };
    let (withdrawn, rest) = section(bytes.get(19..)?)?;
    let (mut left, nlri) = section(&rest)?;
    let mut update = Owned { attributes: Vec::new(), nets: Vec::new() };
    while let [flags, code, rest @ ..] = &*left {
        let (value, rest) = if flags & 0x10 == 0 {
            let (len, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(*len))?
        } else {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?
        };
        if *code == 14 {
            let next_hop = usize::from(*value.get(3)?);
            nets(value.get(5 + next_hop..)?, true, &mut update.nets)?;
        }
        update.attributes.push((*code, value.to_vec()));
        left = rest.to_vec();
    }
    nets(&nlri, false, &mut update.nets)?;
    nets(&withdrawn, false, &mut update.nets)?;
    Some(update)
}

fn nets(mut bytes: &[u8], v6: bool, out: &mut Vec<ipnet::IpNet>) -> Option<()> {
    while let Some((len, rest)) = bytes.split_first() {
        let (prefix, rest) = rest.split_at_checked(usize::from(len.div_ceil(8)))?;
        let mut octets = [0; 16];
        octets.get_mut(..prefix.len())?.copy_from_slice(prefix);
        let address = u128::from_be_bytes(octets);
        out.push(if v6 {
            ipnet::Ipv6Net::new(address.into(), *len).ok()?.into()
        } else {
            ipnet::Ipv4Net::new(u32::try_from(address >> 96).ok()?.into(), *len).ok()?.into()
        });
        bytes = rest;
    }
    Some(())
}

fn of_all(corpus: &[Vec<u8>], mut decode: impl FnMut(&[u8], &mut Sum)) -> Sum {
    let mut sum = Sum::default();
    corpus.iter().for_each(|bytes| decode(bytes, &mut sum));
    sum
}

fn decode(criterion: &mut Criterion) {
    let corpus = updates::corpus(10_000, 7);
    let (session, rival) = (session(), rival_session());
    let want = of_all(&corpus, naive);
    assert_eq!(of_all(&corpus, |bytes, sum| tortie(bytes, &session, sum)), want);
    assert_eq!(of_all(&corpus, |bytes, sum| zettabgp(bytes, &rival, sum)), want);

    const WORK: &str = "bgp-wire/decode_synthetic";
    for row in [Row::tortie(WORK, "tortie"), Row::rival(WORK, "zettabgp"), Row::twin(WORK)] {
        // All came to the same sum, just now.
        row.check(want.0);
    }
    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| tortie(bytes, &session, sum)));
    });
    group.bench_function("zettabgp", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| zettabgp(bytes, &rival, sum)));
    });
    group.bench_function("naive_twin", |bencher| bencher.iter(|| of_all(black_box(&corpus), naive)));
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    const WORK: &str = "bgp-wire/encode_synthetic";
    let (of_view, zettabgp) = (Row::tortie(WORK, "tortie"), Row::rival(WORK, "zettabgp"));
    let (session, rival) = (session(), rival_session());
    let encode = |update: &BgpUpdateMessage, buf: &mut [u8]| {
        let body = update.encode_to(&rival, buf.get_mut(19..).unwrap()).unwrap();
        rival.prepare_message_buf(buf, BgpMessageType::Update, body).unwrap()
    };
    let sum = |bytes: &[u8]| of_all(&[bytes.to_vec()], naive);
    let mut buf = [0; 4096];

    // zettabgp writes some values otherwise than it reads them. Both write the messages of which it keeps all values.
    let mut corpus = updates::corpus(10_000, 7);
    let mut owned = Vec::new();
    corpus.retain(|bytes| {
        let mut update = BgpUpdateMessage::new();
        update.decode_from(&rival, bytes.get(19..).unwrap()).unwrap();
        let len = encode(&update, &mut buf);
        let keeps = sum(buf.get(..len).unwrap()) == sum(bytes);
        if keeps {
            owned.push(update);
        }
        keeps
    });
    let views: Vec<Message<'_>> =
        corpus.iter().map(|bytes| Message::decode(bytes, &session).unwrap().0).collect();
    for (bytes, view) in corpus.iter().zip(&views) {
        let len = view.encode(&mut buf, &session).unwrap();
        assert_eq!(buf.get(..len), Some(&**bytes));
    }
    of_view.check(format!("{} messages", views.len()));
    zettabgp.check(format!("{} messages", owned.len()));

    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(views.len() as u64));
    group.bench_function(of_view.name(), |bencher| {
        bencher.iter(|| {
            views.iter().for_each(|view| {
                black_box(view.encode(&mut buf, &session).unwrap());
            });
        });
    });
    group.bench_function(zettabgp.name(), |bencher| {
        bencher.iter(|| {
            owned.iter().for_each(|update| {
                black_box(encode(update, &mut buf));
            });
        });
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
