//! BGP UPDATEs: decoding with every value read, encoding and packing, beside the other crates there are, a naive decoder into
//! owned values, and a pass written by hand that knows nothing but sums.
//!
//! Input: the UPDATEs of `bgp/mrt_as4.flat.gz` in the folder that `TORTIE_DATA` names (173,232 from archives, 106 octets each in the
//! mean), or 10,000 synthetic ones, 89 octets each; an element is one message. Decoding is measured on those of which all
//! decoders come to the same sum of all values, so that none can leave work out; encoding on those of which all
//! keep the values when they write what they have read. The checks say how many these are, and the log how many each
//! crate alone can do, and how many it writes octet by octet as they were.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Range;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::process::Command;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::fixtures::updates;
use tortie_benches::report::Row;
use tortie_bgp_wire::{
    AsPath, Attribute, ClassicPrefix, Communities, Community, EXTENDED_MAX_LEN, Family, FlaggedAttribute,
    Message, NextHop, Origin, Session, UpdatePacker, UpdateParts,
};

use rivals::{Bgpkit, Netgauze, Rival, Rustbgpd, Zettabgp, routecore};

#[path = "bgp_wire/rivals.rs"]
mod rivals;

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
fn corpus() -> Vec<Bytes> {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else {
        return updates::corpus(10_000, 7).into_iter().map(Bytes::from).collect();
    };
    let path = std::path::Path::new(&folder).join("bgp").join("mrt_as4.flat.gz");
    let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(out.status.success(), "gzip -dc {}", path.display());
    let (mut rest, mut messages) = (&*out.stdout, Vec::new());
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(usize::try_from(u32::from_be_bytes(*len)).unwrap());
        if bytes[18] == 2 {
            messages.push(Bytes::copy_from_slice(bytes));
        }
        rest = tail;
    }
    messages
}

/// What a decoder comes to; `None` if it refuses the message, or panics.
fn attempt(decode: impl FnOnce(&mut Sum) -> Option<()>) -> Option<Sum> {
    let mut sum = Sum::default();
    catch_unwind(AssertUnwindSafe(|| decode(&mut sum))).ok()??;
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

fn of_all(corpus: &[Bytes], mut decode: impl FnMut(&Bytes, &mut Sum) -> Option<()>) -> Sum {
    let mut sum = Sum::default();
    corpus.iter().for_each(|bytes| decode(bytes, &mut sum).unwrap());
    sum
}

/// Keeps the messages of which a decoder comes to the wanted sum; the sums stand beside them. Says how many it takes.
#[expect(clippy::print_stdout, reason = "for the log of the report")]
fn agree(
    name: &str,
    corpus: &[(Bytes, Sum)],
    keep: &mut [bool],
    mut decode: impl FnMut(&Bytes, &mut Sum) -> Option<()>,
) {
    let mut count = 0;
    for ((bytes, want), keep) in corpus.iter().zip(keep) {
        let same = attempt(|sum| decode(bytes, sum)) == Some(*want);
        count += usize::from(same);
        *keep &= same;
    }
    println!("{name}: reads {count} of {} with all values", corpus.len());
}

fn decode(criterion: &mut Criterion) {
    let (session, routecore_session) = (session(), routecore::bgp::message::SessionConfig::modern());
    let (mut zettabgp, mut netgauze) = (Zettabgp::new(), Netgauze::new());
    let sums =
        corpus().into_iter().filter_map(|bytes| attempt(|sum| naive(&bytes, sum)).map(|sum| (bytes, sum)));
    let corpus: Vec<(Bytes, Sum)> = sums.collect();
    let mut keep = vec![true; corpus.len()];
    agree("tortie", &corpus, &mut keep, |bytes, sum| tortie(bytes, &session, sum));
    agree("floor", &corpus, &mut keep, |bytes, sum| floor(bytes, sum));
    agree(Zettabgp::NAME, &corpus, &mut keep, |bytes, sum| zettabgp.decode(bytes, sum));
    agree(Netgauze::NAME, &corpus, &mut keep, |bytes, sum| netgauze.decode(bytes, sum));
    agree(Rustbgpd::NAME, &corpus, &mut keep, |bytes, sum| Rustbgpd.decode(bytes, sum));
    agree(Bgpkit::NAME, &corpus, &mut keep, |bytes, sum| Bgpkit.decode(bytes, sum));
    agree("routecore", &corpus, &mut keep, |bytes, sum| routecore(bytes, &routecore_session, sum));
    let kept = corpus.into_iter().zip(keep).filter_map(|((bytes, _), keep)| keep.then_some(bytes));
    let corpus: Vec<Bytes> = kept.collect();
    let check =
        format!("{} messages, sum {}", corpus.len(), of_all(&corpus, |bytes, sum| naive(bytes, sum)).0);

    const WORK: &str = "bgp-wire/decode_ris";
    for row in [
        Row::tortie(WORK, "tortie"),
        Row::rival(WORK, Zettabgp::NAME),
        Row::rival(WORK, Netgauze::NAME),
        Row::rival(WORK, Rustbgpd::NAME),
        Row::rival(WORK, Bgpkit::NAME),
        Row::rival(WORK, "routecore"),
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
    group.bench_function(Zettabgp::NAME, |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| zettabgp.decode(bytes, sum)));
    });
    group.bench_function(Netgauze::NAME, |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| netgauze.decode(bytes, sum)));
    });
    group.bench_function(Rustbgpd::NAME, |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| Rustbgpd.decode(bytes, sum)));
    });
    group.bench_function(Bgpkit::NAME, |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| Bgpkit.decode(bytes, sum)));
    });
    group.bench_function("routecore", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| routecore(bytes, &routecore_session, sum)));
    });
    group.bench_function("naive_twin", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| naive(bytes, sum)));
    });
    group.bench_function("floor", |bencher| {
        bencher.iter(|| of_all(black_box(&corpus), |bytes, sum| floor(bytes, sum)));
    });
    group.finish();
}

/// UPDATEs as typed values. These own nothing, so those of all messages lie one behind another, as whoever has many would keep
/// them; each message is a part of every list.
#[derive(Default)]
struct Typed<'a> {
    withdrawn: Vec<ClassicPrefix>,
    attributes: Vec<FlaggedAttribute<'a>>,
    announced: Vec<ClassicPrefix>,
    parts: Vec<[Range<usize>; 3]>,
}

impl<'a> Typed<'a> {
    /// One more; `None`, and it counts for nothing, if an attribute is malformed.
    fn push(&mut self, message: &Message<'a>) -> Option<()> {
        let Apart { withdrawn, attributes, announced } = Apart::new(message)?;
        self.parts.push([
            append(&mut self.withdrawn, withdrawn),
            append(&mut self.attributes, attributes),
            append(&mut self.announced, announced),
        ]);
        Some(())
    }

    /// The messages.
    fn iter(&self) -> impl Iterator<Item = UpdateParts<'_>> {
        self.parts.iter().map(|[withdrawn, attributes, announced]| UpdateParts {
            withdrawn: &self.withdrawn[withdrawn.clone()],
            attributes: &self.attributes[attributes.clone()],
            announced: &self.announced[announced.clone()],
        })
    }
}

/// One UPDATE as typed values in lists of its own.
struct Apart<'a> {
    withdrawn: Vec<ClassicPrefix>,
    attributes: Vec<FlaggedAttribute<'a>>,
    announced: Vec<ClassicPrefix>,
}

impl<'a> Apart<'a> {
    /// `None` if an attribute is malformed.
    fn new(message: &Message<'a>) -> Option<Self> {
        let Message::Update(update) = message else { return None };
        Some(Self {
            withdrawn: update.classic_withdrawals().collect(),
            attributes: update.attributes().flagged().collect::<Result<_, _>>().ok()?,
            announced: update.classic_announcements().collect(),
        })
    }

    fn parts(&self) -> UpdateParts<'_> {
        UpdateParts { withdrawn: &self.withdrawn, attributes: &self.attributes, announced: &self.announced }
    }
}

/// Where the new ones are.
fn append<T>(list: &mut Vec<T>, new: impl IntoIterator<Item = T>) -> Range<usize> {
    let start = list.len();
    list.extend(new);
    start..list.len()
}

/// Keeps the messages of which a rival keeps all values when it writes what it has read. Says how many, and of how many it
/// keeps all octets.
#[expect(clippy::print_stdout, reason = "for the log of the report")]
fn keeps<R: Rival>(rival: &mut R, corpus: &[Bytes], keep: &mut [bool], buf: &mut [u8]) {
    let (mut count, mut same) = (0, 0);
    for (bytes, keep) in corpus.iter().zip(keep) {
        let written = catch_unwind(AssertUnwindSafe(|| {
            let owned = rival.read(bytes)?;
            rival.write(&owned, buf)
        }));
        let written = written.ok().flatten().and_then(|len| buf.get(..len));
        let values = |bytes: &[u8]| attempt(|sum| naive(bytes, sum));
        let all =
            written.is_some_and(|written| values(written).is_some() && values(written) == values(bytes));
        count += usize::from(all);
        same += usize::from(written == Some(bytes));
        *keep &= all;
    }
    println!("{}: writes {count} of {} with all values, {same} octet by octet", R::NAME, corpus.len());
}

fn encode(criterion: &mut Criterion) {
    const WORK: &str = "bgp-wire/encode_ris";
    let session = session();
    let mut buf = vec![0; EXTENDED_MAX_LEN];
    let (mut zettabgp, mut netgauze) = (Zettabgp::new(), Netgauze::new());
    let corpus = corpus();
    let mut keep: Vec<bool> = corpus
        .iter()
        .map(|bytes| {
            Message::decode(bytes, &session).is_ok_and(|(view, _)| {
                let mut typed = Typed::default();
                let same = |parts: UpdateParts<'_>| {
                    parts.encode(&mut buf, &session).is_ok_and(|len| buf[..len] == **bytes)
                };
                typed.push(&view).is_some() && typed.iter().all(same)
            })
        })
        .collect();
    keeps(&mut zettabgp, &corpus, &mut keep, &mut buf);
    keeps(&mut netgauze, &corpus, &mut keep, &mut buf);
    keeps(&mut Rustbgpd, &corpus, &mut keep, &mut buf);
    keeps(&mut Bgpkit, &corpus, &mut keep, &mut buf);
    let kept = corpus.into_iter().zip(keep).filter_map(|(bytes, keep)| keep.then_some(bytes));
    let corpus: Vec<Bytes> = kept.collect();
    let views: Vec<Message<'_>> =
        corpus.iter().map(|bytes| Message::decode(bytes, &session).unwrap().0).collect();
    for (bytes, view) in corpus.iter().zip(&views) {
        let len = view.encode(&mut buf, &session).unwrap();
        assert_eq!(buf.get(..len), Some(&**bytes));
    }
    let mut typed = Typed::default();
    views.iter().for_each(|view| typed.push(view).unwrap());
    let check = format!("{} messages", views.len());
    // As whoever keeps one message at a time has them: lists of its own for each, as those of the rivals are.
    let apart: Vec<Apart<'_>> = views.iter().map(|view| Apart::new(view).unwrap()).collect();
    let names = ["tortie", "tortie_own_lists", "tortie_borrowed"];
    let rows = names.map(|name| Row::tortie(WORK, name));
    rows.iter().for_each(|row| row.check(&check));

    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(views.len() as u64));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| {
            typed.iter().for_each(|parts| {
                black_box(parts.encode(&mut buf, &session).unwrap());
            });
        });
    });
    group.bench_function("tortie_own_lists", |bencher| {
        bencher.iter(|| {
            apart.iter().for_each(|apart| {
                black_box(apart.parts().encode(&mut buf, &session).unwrap());
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
    writes(&mut group, WORK, &mut zettabgp, &corpus, &check);
    writes(&mut group, WORK, &mut netgauze, &corpus, &check);
    writes(&mut group, WORK, &mut Rustbgpd, &corpus, &check);
    writes(&mut group, WORK, &mut Bgpkit, &corpus, &check);
    group.finish();
}

fn writes<R: Rival>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    work: &str,
    rival: &mut R,
    corpus: &[Bytes],
    check: &str,
) {
    let mut buf = vec![0; EXTENDED_MAX_LEN];
    let owned: Vec<R::Owned> = corpus.iter().map(|bytes| rival.read(bytes).unwrap()).collect();
    Row::rival(work, R::NAME).check(check);
    group.bench_function(R::NAME, |bencher| {
        bencher.iter(|| {
            owned.iter().for_each(|update| {
                black_box(rival.write(update, &mut buf).unwrap());
            });
        });
    });
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
