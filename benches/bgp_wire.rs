//! BGP UPDATEs: decoding with every value read, encoding and packing, beside zettabgp, a naive decoder into owned values, and
//! a pass written by hand that knows nothing but sums.
//!
//! Input: the UPDATEs of `bgp/mrt_as4.flat.gz` in the folder that `TORTIE_DATA` names (173,232 from archives, 106 octets each in the
//! mean), or 10,000 synthetic ones, 89 octets each; an element is one message. Decoding is measured on those of which all
//! decoders come to the same sum of all values, so that none can leave work out; encoding on those of which zettabgp
//! keeps all values when it writes what it has read. The checks say how many these are.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::process::Command;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::fixtures::updates;
use tortie_benches::report::Row;
use tortie_bgp_wire::{
    AsPath, Attribute, ClassicPrefix, Communities, Community, EXTENDED_MAX_LEN, Family, FlaggedAttribute,
    Message, NextHop, Origin, Session, UpdatePacker, UpdateParts,
};
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
    session.extended_message = true;
    session
}

/// The UPDATEs, real ones if there are.
fn corpus() -> Vec<Vec<u8>> {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else { return updates::corpus(10_000, 7) };
    let path = std::path::Path::new(&folder).join("bgp").join("mrt_as4.flat.gz");
    let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(out.status.success(), "gzip -dc {}", path.display());
    let (mut rest, mut messages) = (&*out.stdout, Vec::new());
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(usize::try_from(u32::from_be_bytes(*len)).unwrap());
        if bytes[18] == 2 {
            messages.push(bytes.to_vec());
        }
        rest = tail;
    }
    messages
}

/// What a decoder comes to; `None` if it refuses the message, or panics.
fn attempt(bytes: &[u8], decode: impl FnOnce(&[u8], &mut Sum) -> Option<()>) -> Option<Sum> {
    let mut sum = Sum::default();
    catch_unwind(AssertUnwindSafe(|| decode(bytes, &mut sum))).ok()??;
    Some(sum)
}

/// Borrowed views; the attributes are judged one by one.
fn tortie(bytes: &[u8], session: &Session, sum: &mut Sum) -> Option<()> {
    let (Message::Update(update), _) = Message::decode(bytes, session).ok()? else { return None };
    for attribute in update.attributes() {
        match attribute.ok()? {
            Attribute::Origin(origin) => sum.add(origin.get()),
            Attribute::AsPath(path) => path.asns().for_each(|asn| sum.add(asn)),
            Attribute::NextHop(address) => sum.add(u32::from(address)),
            Attribute::Med(value) | Attribute::LocalPref(value) => sum.add(value),
            Attribute::Aggregator(aggregator) => {
                sum.add(aggregator.asn);
                sum.add(u32::from(aggregator.address));
            }
            Attribute::Communities(list) => list.iter().for_each(|community| sum.add(community.get())),
            Attribute::LargeCommunities(list) => list.iter().for_each(|community| {
                sum.add(community.global);
                sum.add(community.local1);
                sum.add(community.local2);
            }),
            _ => {}
        }
    }
    update.announcements().chain(update.withdrawals()).for_each(|nlri| {
        if let Some(net) = nlri.prefix() {
            sum.net(net);
        }
    });
    Some(())
}

/// A pass written by hand, for these attributes and families alone: marker, flags, repetitions, every number and every prefix.
fn floor(bytes: &[u8], sum: &mut Sum) -> Option<()> {
    let ([marker @ .., _, _, kind], body) = bytes.split_first_chunk::<19>()?;
    if u128::from_ne_bytes(*marker) != u128::MAX || *kind != 2 {
        return None;
    }
    let (len, rest) = body.split_first_chunk()?;
    let (withdrawn, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    let (len, rest) = rest.split_first_chunk()?;
    let (mut attributes, nlri) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    let mut seen = [0_u64; 4];
    let word = |octets: &[u8]| octets.first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
    while let [flags, code, rest @ ..] = attributes {
        let (value, rest) = if flags & 0x10 == 0 {
            rest.get(1..)?.split_at_checked(rest[0].into())?
        } else {
            let (len, rest) = rest.split_first_chunk()?;
            rest.split_at_checked(u16::from_be_bytes(*len).into())?
        };
        attributes = rest;
        let bit = 1 << (code & 63);
        if seen[usize::from(code >> 6)] & bit != 0 || (*code < 3 && flags & 0xc0 != 0x40) {
            return None;
        }
        seen[usize::from(code >> 6)] |= bit;
        match code {
            1 => sum.add(*value.first()?),
            2 => {
                let mut path = value;
                while let [1..=4, count, rest @ ..] = path {
                    if *count == 0 {
                        return None;
                    }
                    let (asns, rest) = rest.split_at_checked(usize::from(*count) * 4)?;
                    for asn in asns.chunks_exact(4) {
                        if asn == [0; 4] {
                            return None;
                        }
                        sum.add(word(asn));
                    }
                    path = rest;
                }
                if !path.is_empty() {
                    return None;
                }
            }
            3..=5 | 7 | 8 | 32 => value.chunks_exact(4).for_each(|octets| sum.add(word(octets))),
            14 => prefixes(value.get(5 + usize::from(*value.get(3)?)..)?, value.starts_with(&[0, 2]), sum)?,
            15 => prefixes(value.get(3..)?, value.starts_with(&[0, 2]), sum)?,
            _ => {}
        }
    }
    prefixes(withdrawn, false, sum)?;
    prefixes(nlri, false, sum)
}

fn prefixes(mut bytes: &[u8], v6: bool, sum: &mut Sum) -> Option<()> {
    while let Some((len, rest)) = bytes.split_first() {
        let (octets, rest) = rest.split_at_checked(usize::from(len.div_ceil(8)))?;
        let mut address = [0; 16];
        address.get_mut(..octets.len())?.copy_from_slice(octets);
        let mask = u128::MAX.checked_shl(128 - u32::from(*len)).unwrap_or(0);
        let address = (u128::from_be_bytes(address) & mask).to_be_bytes();
        if v6 {
            sum.v6(address.into(), *len);
        } else {
            sum.v4(Ipv4Addr::from(*address.first_chunk::<4>()?), *len);
        }
        bytes = rest;
    }
    Some(())
}

fn rival_session() -> BgpSessionParams {
    let mut session =
        BgpSessionParams::new(64_512, 180, BgpTransportMode::IPv4, Ipv4Addr::new(192, 0, 2, 1), Vec::new());
    session.has_as32bit = true;
    session.fuzzy_pathid = false;
    session
}

fn zettabgp(bytes: &[u8], session: &BgpSessionParams, sum: &mut Sum) -> Option<()> {
    let mut update = BgpUpdateMessage::new();
    update.decode_from(session, bytes.get(19..)?).ok()?;
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
            BgpAttrItem::LocalPref(value) => sum.add(value.value),
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
            BgpAttrItem::MPWithdraws(unreach) => addresses(&unreach.addrs, sum),
            _ => {}
        }
    }
    addresses(&update.updates, sum);
    addresses(&update.withdraws, sum);
    Some(())
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

fn naive(bytes: &[u8], sum: &mut Sum) -> Option<()> {
    let update = owned(bytes)?;
    for (code, value) in &update.attributes {
        let words = |value: &[u8], sum: &mut Sum| {
            value.chunks_exact(4).for_each(|word| sum.add(u32::from_be_bytes(word.try_into().unwrap())));
        };
        match code {
            1 => sum.add(value.first().copied()?),
            2 => {
                let mut path = value.clone();
                while let [_, count, rest @ ..] = &*path {
                    let (asns, rest) = rest.split_at_checked(usize::from(*count) * 4)?;
                    words(asns, sum);
                    path = rest.to_vec();
                }
            }
            3 | 4 | 5 | 7 | 8 | 32 => words(value, sum),
            _ => {}
        }
    }
    update.nets.into_iter().for_each(|net| sum.net(net.trunc()));
    Some(())
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
            nets(value.get(5 + next_hop..)?, value.starts_with(&[0, 2]), &mut update.nets)?;
        }
        if *code == 15 {
            nets(value.get(3..)?, value.starts_with(&[0, 2]), &mut update.nets)?;
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

fn of_all(corpus: &[Vec<u8>], mut decode: impl FnMut(&[u8], &mut Sum) -> Option<()>) -> Sum {
    let mut sum = Sum::default();
    corpus.iter().for_each(|bytes| decode(bytes, &mut sum).unwrap());
    sum
}

fn decode(criterion: &mut Criterion) {
    let (session, rival) = (session(), rival_session());
    let mut corpus = corpus();
    corpus.retain(|bytes| {
        let want = attempt(bytes, naive);
        want.is_some()
            && attempt(bytes, |bytes, sum| tortie(bytes, &session, sum)) == want
            && attempt(bytes, |bytes, sum| zettabgp(bytes, &rival, sum)) == want
            && attempt(bytes, floor) == want
    });
    let check = format!("{} messages, sum {}", corpus.len(), of_all(&corpus, naive).0);

    const WORK: &str = "bgp-wire/decode_ris";
    for row in [
        Row::tortie(WORK, "tortie"),
        Row::rival(WORK, "zettabgp"),
        Row::twin(WORK),
        Row::floor(WORK, "floor"),
    ] {
        // All came to the same sum, just now.
        row.check(&check);
    }
    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(corpus.len() as u64));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| tortie(bytes, &session, sum)));
    });
    group.bench_function("zettabgp", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| zettabgp(bytes, &rival, sum)));
    });
    group.bench_function("naive_twin", |bencher| bencher.iter(|| of_all(black_box(&corpus), naive)));
    group.bench_function("floor", |bencher| bencher.iter(|| of_all(black_box(&corpus), floor)));
    group.finish();
}

/// An UPDATE as typed values.
struct Typed<'a> {
    withdrawn: Vec<ClassicPrefix>,
    attributes: Vec<FlaggedAttribute<'a>>,
    announced: Vec<ClassicPrefix>,
}

impl<'a> Typed<'a> {
    /// `None` if an attribute is malformed.
    fn of(message: &Message<'a>) -> Option<Self> {
        let Message::Update(update) = message else { return None };
        Some(Self {
            withdrawn: update.classic_withdrawals().collect(),
            attributes: update.attributes().flagged().collect::<Result<_, _>>().ok()?,
            announced: update.classic_announcements().collect(),
        })
    }

    fn encode(&self, buf: &mut [u8], session: &Session) -> Option<usize> {
        let Self { withdrawn, attributes, announced } = self;
        UpdateParts { withdrawn, attributes, announced }.encode(buf, session).ok()
    }
}

fn encode(criterion: &mut Criterion) {
    const WORK: &str = "bgp-wire/encode_ris";
    let rows =
        [Row::tortie(WORK, "tortie"), Row::tortie(WORK, "tortie_borrowed"), Row::rival(WORK, "zettabgp")];
    let (session, rival) = (session(), rival_session());
    let encode = |update: &BgpUpdateMessage, buf: &mut [u8]| {
        let body = update.encode_to(&rival, buf.get_mut(19..).unwrap()).ok()?;
        rival.prepare_message_buf(buf, BgpMessageType::Update, body).ok()
    };
    let mut buf = vec![0; EXTENDED_MAX_LEN];

    // zettabgp writes some values otherwise than it reads them. All write the messages of which it keeps all values, and of
    // which the typed values give the same octets: prefixes without bits beyond their length.
    let mut corpus = corpus();
    let mut owned = Vec::new();
    corpus.retain(|bytes| {
        let update = catch_unwind(AssertUnwindSafe(|| {
            let mut update = BgpUpdateMessage::new();
            update.decode_from(&rival, bytes.get(19..)?).ok()?;
            let len = encode(&update, &mut buf)?;
            (attempt(buf.get(..len)?, naive)? == attempt(bytes, naive)?).then_some(update)
        }));
        let same = Message::decode(bytes, &session).is_ok_and(|(view, _)| {
            let len = Typed::of(&view).and_then(|typed| typed.encode(&mut buf, &session));
            len.is_some_and(|len| buf[..len] == **bytes)
        });
        let update = update.ok().flatten().filter(|_| same);
        let keeps = update.is_some();
        owned.extend(update);
        keeps
    });
    let views: Vec<Message<'_>> =
        corpus.iter().map(|bytes| Message::decode(bytes, &session).unwrap().0).collect();
    for (bytes, view) in corpus.iter().zip(&views) {
        let len = view.encode(&mut buf, &session).unwrap();
        assert_eq!(buf.get(..len), Some(&**bytes));
    }
    let typed: Vec<Typed<'_>> = views.iter().map(|view| Typed::of(view).unwrap()).collect();
    rows.iter().for_each(|row| row.check(format!("{} messages", views.len())));

    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(views.len() as u64));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| {
            typed.iter().for_each(|typed| {
                black_box(typed.encode(&mut buf, &session).unwrap());
            });
        });
    });
    group.bench_function("tortie_borrowed", |bencher| {
        bencher.iter(|| {
            views.iter().for_each(|view| {
                black_box(view.encode(&mut buf, &session).unwrap());
            });
        });
    });
    group.bench_function("zettabgp", |bencher| {
        bencher.iter(|| {
            owned.iter().for_each(|update| {
                black_box(encode(update, &mut buf).unwrap());
            });
        });
    });
    group.finish();
}

/// A million /24 over 120,000 attribute sets: eight or nine each.
fn pack(criterion: &mut Criterion) {
    const WORK: &str = "bgp-wire/pack_1m";
    const PREFIXES: u32 = 1_000_000;
    const SETS: u32 = 120_000;
    let session = session();
    let paths: Vec<[u32; 4]> = (0..SETS).map(|set| [64_512, 1 + set, 4_200_000_000 + set, 174]).collect();
    let next_hop = NextHop::Ipv4([192, 0, 2, 1].into());
    let whole = |buf: &mut [u8]| {
        let (mut messages, mut octets) = (0_u64, 0_u64);
        for (set, path) in (0..SETS).zip(&paths) {
            let communities = [Community::new(set)];
            let attributes = [
                Attribute::Origin(Origin::IGP),
                Attribute::AsPath(AsPath::sequence(path)),
                Attribute::Communities(Communities::list(&communities)),
            ];
            let prefixes = (set..PREFIXES)
                .step_by(120_000)
                .map(|i| ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert((i << 8).into(), 24)));
            let mut packer =
                UpdatePacker::announce(&session, Family::IPV4_UNICAST, next_hop, &attributes, prefixes);
            while let Some(message) = packer.next(buf).unwrap() {
                messages += 1;
                octets += message.len() as u64;
            }
        }
        (messages, octets)
    };
    let mut buf = [0; 4096];
    let (messages, octets) = whole(&mut buf);
    Row::tortie(WORK, "").check(format!("{messages} messages, {octets} octets"));
    let mut group = criterion.benchmark_group("bgp-wire");
    group.throughput(Throughput::Elements(PREFIXES.into()));
    group.bench_function("pack_1m", |bencher| {
        bencher.iter(|| black_box(whole(&mut buf)));
    });
    group.finish();
}

criterion_group!(benches, decode, encode, pack);
criterion_main!(benches);
