//! MRT archives: reading a whole file, with every attribute, every prefix and every route of a RIB looked at, beside
//! bgpkit-parser.
//!
//! Input: `bgp/ris/updates.et-header.2015.gz`, decompressed, in the folder that `TORTIE_DATA` names (89,686 records of
//! BGP4MP_ET, 13.5 MB), or a synthetic file: the 10,000 UPDATEs that `decode_ris` has, as BGP4MP records, and a RIB of
//! 2,000 prefixes with six routes each. An element is one record. Of the file those records are left of which both
//! come to the same sum of all values, so that neither can leave work out; the check says how many these are.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr};
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::process::Command;

use bgpkit_parser::BgpkitParser;
use bgpkit_parser::models::{
    AttributeValue, Attributes, Bgp4MpEnum, BgpMessage, Community, MrtMessage, TableDumpV2Message,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::fixtures::updates;
use tortie_benches::report::Row;
use tortie_bgp_wire::mrt::{
    Body, MessageForm, MrtReader, PathAttributes, Peer, PeerIndexTable, Peering, RawRecord, Record, Rib,
    RibEntry, SessionMessage, Timestamp,
};
use tortie_bgp_wire::{Attribute, DecodeError, Message};

/// Sum of everything in a file that a reader must have looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, value: impl Into<u64>) {
        self.0 = self.0.wrapping_add(value.into());
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.add(u32::from(address)),
            IpAddr::V6(address) => address.segments().into_iter().for_each(|segment| self.add(segment)),
        }
    }

    fn net(&mut self, net: ipnet::IpNet) {
        self.address(net.addr());
        self.add(net.prefix_len());
    }
}

/// The file, a real one if there is one.
fn corpus() -> Vec<u8> {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else { return synthetic() };
    let path = std::path::Path::new(&folder).join("bgp/ris/updates.et-header.2015.gz");
    let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(out.status.success(), "gzip -dc {}", path.display());
    out.stdout
}

fn synthetic() -> Vec<u8> {
    let mut file = Vec::new();
    let mut write = |body: Body<'_>| {
        let record = Record::new(Timestamp::new(1_700_000_000), body);
        let mut buf = vec![0; record.encoded_len()];
        record.encode(&mut buf).unwrap();
        file.extend(buf);
    };
    let address = |i: u32| IpAddr::V4(Ipv4Addr::from(0xc000_0200 + i));
    let messages = updates::corpus(10_000, 7);
    for (i, message) in (1..).zip(&messages) {
        let peering = Peering::new(64_512 + i % 40, address(i % 40), 64_511, address(255));
        write(Body::Message(SessionMessage::new(peering, MessageForm::RECEIVED, message)));
    }
    // Attributes of the messages that announce IPv4 prefixes: after the two empty lengths, up to the prefixes.
    let attributes: Vec<&[u8]> = messages
        .iter()
        .filter_map(|message| {
            let (len, rest) = message.get(19..)?.strip_prefix(&[0, 0])?.split_first_chunk()?;
            let (attributes, nlri) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
            (!nlri.is_empty()).then_some(attributes)
        })
        .collect();
    let peers: Vec<Peer> = (0..40).map(|i| Peer::new(Ipv4Addr::from(i), address(i), 64_512 + i)).collect();
    write(Body::PeerIndexTable(PeerIndexTable::new(Ipv4Addr::LOCALHOST, &peers)));
    for (i, six) in (0_u32..2000).zip(attributes.chunks_exact(6).cycle()) {
        let routes: Vec<RibEntry<'_>> =
            (0..).zip(six).map(|(peer, bytes)| RibEntry::new(peer, i, PathAttributes::new(bytes))).collect();
        let net = ipnet::Ipv4Net::new_assert(Ipv4Addr::from(0x0b00_0000 + (i << 8)), 24);
        write(Body::Rib(Rib::unicast(i, net.into(), &routes)));
    }
    file
}

/// Reads a file from a stream, record by record; how many there are, or `None` if something cannot be read.
fn tortie(file: &[u8], sum: &mut Sum) -> Option<u64> {
    let mut reader = MrtReader::new(file);
    let mut records = 0;
    while let Some(raw) = reader.next_record() {
        let record = raw.ok()?.record().ok()?;
        records += 1;
        sum.add(record.time.seconds);
        sum.add(record.time.microseconds.unwrap_or(0));
        match record.body {
            Body::Message(message) => {
                sum.add(message.peering.peer_as);
                sum.address(message.peering.peer);
                if let Message::Update(update) = message.decode_message().ok()? {
                    typed(update.attributes(), sum)?;
                    update
                        .announcements()
                        .chain(update.withdrawals())
                        .filter_map(|nlri| nlri.prefix())
                        .for_each(|net| sum.net(net));
                }
            }
            Body::StateChange(change) => {
                sum.add(change.peering.peer_as);
                sum.address(change.peering.peer);
            }
            Body::PeerIndexTable(table) => table.peers.iter().for_each(|peer| {
                sum.add(peer.asn());
                sum.address(peer.address());
            }),
            Body::Rib(rib) => {
                sum.net(rib.prefix());
                for route in rib.entries() {
                    sum.add(route.peer);
                    sum.add(route.originated);
                    typed(route.attributes.iter(), sum)?;
                }
            }
            _ => return None,
        }
    }
    Some(records)
}

fn typed<'a>(
    attributes: impl Iterator<Item = Result<Attribute<'a>, DecodeError>>,
    sum: &mut Sum,
) -> Option<()> {
    for attribute in attributes {
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
    Some(())
}

/// The same with bgpkit-parser, by the iterator over whole records, which are what its others are made from.
fn bgpkit(file: &[u8], sum: &mut Sum) -> Option<u64> {
    let mut records = 0;
    for record in BgpkitParser::from_reader(file).disable_warnings().into_record_iter() {
        records += 1;
        sum.add(record.common_header.timestamp);
        sum.add(record.common_header.microsecond_timestamp.unwrap_or(0));
        match &record.message {
            MrtMessage::Bgp4Mp(Bgp4MpEnum::Message(message)) => {
                sum.add(u32::from(message.peer_asn));
                sum.address(message.peer_ip);
                if let BgpMessage::Update(update) = &message.bgp_message {
                    values(&update.attributes, sum);
                    let nets = update.announced_prefixes.iter().chain(&update.withdrawn_prefixes);
                    nets.for_each(|net| sum.net(net.prefix));
                }
            }
            MrtMessage::Bgp4Mp(Bgp4MpEnum::StateChange(change)) => {
                sum.add(u32::from(change.peer_asn));
                sum.address(change.peer_ip);
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::PeerIndexTable(table)) => {
                table.id_peer_map.values().for_each(|peer| {
                    sum.add(u32::from(peer.peer_asn));
                    sum.address(peer.peer_ip);
                });
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::RibAfi(rib)) => {
                sum.net(rib.prefix.prefix);
                for route in &rib.rib_entries {
                    sum.add(route.peer_index);
                    sum.add(route.originated_time);
                    values(&route.attributes, sum);
                }
            }
            _ => return None,
        }
    }
    Some(records)
}

fn values(attributes: &Attributes, sum: &mut Sum) {
    for attribute in attributes {
        match attribute {
            AttributeValue::Origin(origin) => sum.add(*origin as u8),
            AttributeValue::AsPath(path) => path.iter_segments().for_each(|segment| {
                segment.into_iter().for_each(|asn| sum.add(u32::from(*asn)));
            }),
            AttributeValue::NextHop(address) => sum.address(*address),
            AttributeValue::MultiExitDiscriminator(value) | AttributeValue::LocalPreference(value) => {
                sum.add(*value);
            }
            AttributeValue::Aggregator { asn, id } => {
                sum.add(u32::from(*asn));
                sum.add(u32::from(*id));
            }
            AttributeValue::Communities(list) => list.iter().for_each(|community| {
                sum.add(match community {
                    Community::NoExport => 0xffff_ff01_u32,
                    Community::NoAdvertise => 0xffff_ff02,
                    Community::NoExportSubConfed => 0xffff_ff03,
                    Community::Custom(asn, value) => u32::from(*asn) << 16 | u32::from(*value),
                });
            }),
            AttributeValue::LargeCommunities(list) => list.iter().for_each(|community| {
                sum.add(community.global_admin);
                community.local_data.iter().for_each(|value| sum.add(*value));
            }),
            AttributeValue::MpReachNlri(nlri) | AttributeValue::MpUnreachNlri(nlri) => {
                nlri.prefixes.iter().for_each(|net| sum.net(net.prefix));
            }
            _ => {}
        }
    }
}

/// What a reader comes to; `None` if it refuses something, or panics.
fn attempt(file: &[u8], read: impl FnOnce(&[u8], &mut Sum) -> Option<u64>) -> Option<(u64, Sum)> {
    let mut sum = Sum::default();
    let records = catch_unwind(AssertUnwindSafe(|| read(file, &mut sum))).ok()??;
    Some((records, sum))
}

fn read(criterion: &mut Criterion) {
    let whole = corpus();
    let (mut rest, mut file) = (&whole[..], Vec::new());
    while let Ok((_, tail)) = RawRecord::decode(rest) {
        let (record, _) = rest.split_at(rest.len() - tail.len());
        rest = tail;
        let ours = attempt(record, tortie);
        if ours.is_some_and(|(records, _)| records == 1) && attempt(record, bgpkit) == ours {
            file.extend(record);
        }
    }
    let (records, sum) = attempt(&file, tortie).unwrap();
    assert_eq!(attempt(&file, bgpkit), Some((records, sum)));
    let check = format!("{records} records of {} octets, sum {}", file.len(), sum.0);

    const WORK: &str = "bgp-wire/mrt_read";
    [Row::tortie(WORK, "tortie"), Row::rival(WORK, "bgpkit-parser")].iter().for_each(|row| row.check(&check));
    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(records));
    group.sample_size(20);
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| attempt(black_box(&file), tortie).unwrap());
    });
    group.bench_function("bgpkit-parser", |bencher| {
        bencher.iter(|| attempt(black_box(&file), bgpkit).unwrap());
    });
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
