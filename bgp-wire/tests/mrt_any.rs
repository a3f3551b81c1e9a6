//! MRT records of any octets and of any values, in serde formats, and those of archives where there are some.

#![cfg(all(feature = "mrt", feature = "std"))]

mod support;

use proptest::prelude::*;
use support::mrt::{PEERING, check, check_roundtrip, decode, peering, record, seeds};
use support::{config, hex};
use tortie_bgp_wire::mrt::{
    Body, MessageForm, PathAttributes, Peer, PeerIndexTable, Peering, Record, Rib, RibEntry, RibGeneric,
    SessionMessage, State, StateChange, TableDump, Timestamp,
};
use tortie_bgp_wire::{Evpn, Nlri};

/// Cases of each property.
const CASES: u32 = 400;

#[test]
fn the_seeds_are_good() {
    for seed in seeds() {
        decode(&seed);
        check(&seed);
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn mutants(
        seed in 0..10usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
    ) {
        let mut bytes = seeds().swap_remove(seed);
        for (at, value, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                _ => { bytes.remove(at); }
            }
        }
        check(&bytes);
        // With a length that is right again, so that the body is reached.
        if let Some(body) = bytes.len().checked_sub(12) {
            bytes[8..12].copy_from_slice(&u32::try_from(body).unwrap().to_be_bytes());
            check(&bytes);
        }
    }

    #[test]
    fn what_is_built_is_read(
        asns in any::<[u32; 2]>(),
        addresses in any::<([u8; 16], [u8; 16], bool)>(),
        numbers in any::<(u16, u32, Option<u32>, u16)>(),
        message in prop::collection::vec(any::<u8>(), 0..60),
        flags in any::<(bool, bool)>(),
        routes in prop::collection::vec(any::<(u16, u32, u32, Vec<u8>)>(), 0..5),
        add_path in any::<bool>(),
        len in any::<u8>(),
    ) {
        let address = |octets: [u8; 16]| match addresses.2 {
            true => core::net::IpAddr::from(octets),
            false => core::net::IpAddr::from(*octets.first_chunk::<4>().unwrap()),
        };
        let (peer, local) = (address(addresses.0), address(addresses.1));
        let mut peering = Peering::new(asns[0], peer, asns[1], local);
        peering.interface = numbers.0;
        let mut form = if flags.0 { MessageForm::SENT } else { MessageForm::RECEIVED };
        form.add_path = flags.1;
        let mut time = Timestamp::new(numbers.1);
        let net = ipnet::IpNet::new(peer, len % if peer.is_ipv6() { 129 } else { 33 }).unwrap();
        let peers = [Peer::new(numbers.1.into(), peer, asns[0]), Peer::two_octet_as(asns[1].into(), local, numbers.0)];
        let routes: Vec<RibEntry<'_>> = routes
            .iter()
            .map(|(peer, time, id, bytes)| {
                let route = RibEntry::new(*peer, *time, PathAttributes::new(bytes));
                if add_path { route.with_path_id(*id) } else { route }
            })
            .collect();
        let plain = [
            Body::PeerIndexTable(PeerIndexTable::new(asns[0].into(), &peers)),
            Body::Rib(Rib::unicast(numbers.1, net.trunc(), &routes)),
            Body::Rib(Rib::multicast(numbers.1, net.trunc(), &routes)),
            Body::RibGeneric(RibGeneric::new(numbers.1, net.trunc().into(), &routes)),
            Body::TableDump(TableDump::new(net, numbers.1, peer, numbers.0, PathAttributes::two_octet_as(&message))),
        ];
        let sessions = [
            Body::Message(SessionMessage::new(peering, form, &message)),
            Body::StateChange(StateChange::new(peering, State::new(numbers.0), State::new(numbers.3))),
        ];
        let mut buf = [0; 4096];
        for (i, body) in plain.into_iter().chain(sessions).enumerate() {
            time.microseconds = if i < plain.len() { None } else { numbers.2 };
            let record = Record::new(time, body);
            let len = record.encode(&mut buf).unwrap();
            prop_assert_eq!(record.encoded_len(), len);
            prop_assert_eq!(decode(&buf[..len]), record);
        }
    }
}

#[cfg(feature = "arbitrary")]
proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn what_is_arbitrary_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let record: Result<Record<'_>, _> = arbitrary::Unstructured::new(&bytes).arbitrary();
        let Ok(record) = record else { return Ok(()) };
        let mut buf = vec![0; record.encoded_len()];
        prop_assert_eq!(record.encode(&mut buf), Ok(buf.len()));
        prop_assert_eq!(decode(&buf), record);
    }
}

#[cfg(feature = "arbitrary")]
#[test]
fn every_kind_is_made() {
    let mut kinds = std::collections::BTreeMap::new();
    for bytes in support::noise(700) {
        let record: Result<Record<'_>, _> = arbitrary::Unstructured::new(&bytes).arbitrary();
        let body = record.unwrap().body;
        let name = format!("{body:?}").split('(').next().unwrap().to_owned();
        let long = match body {
            Body::PeerIndexTable(table) => table.peers.len() > 1,
            Body::Rib(rib) => rib.entries().len() > 1,
            Body::RibGeneric(rib) => !rib.entries().is_empty(),
            _ => true,
        };
        *kinds.entry(name).or_insert(0) += usize::from(long);
    }
    assert_eq!(kinds.len(), 7);
    assert!(kinds.values().all(|count| *count > 0), "{kinds:?}");
}

#[cfg(feature = "serde")]
#[test]
fn records_are_written_by_serde() {
    let json = |bytes: &[u8]| serde_json::to_value(decode(bytes)).unwrap();
    let time = serde_json::json!({ "seconds": 0x45cf_1f3c, "microseconds": null });
    let state = json(&record(16, 0, &format!("{PEERING} 0005 0006")));
    let between = serde_json::json!({ "peer_as": 64512, "local_as": 64513, "interface": 7, "peer": "192.0.2.1",
        "local": "192.0.2.2" });
    let change = serde_json::json!({ "peering": between, "four_octet_as": false, "old": 5, "new": 6 });
    assert_eq!(state, serde_json::json!({ "time": time, "body": { "StateChange": change } }));
    let back: StateChange = serde_json::from_value(change).unwrap();
    assert_eq!((back.peering, back.new), (peering(), State::ESTABLISHED));

    let rib = json(&seeds()[5]);
    let entry = |bytes: &str| serde_json::json!({ "four_octet_as": true, "bytes": bytes });
    assert_eq!(rib["body"]["Rib"]["prefix"], "10.0.0.64/26");
    assert_eq!(rib["body"]["Rib"]["entries"][0]["attributes"], entry("40010100"));
    assert_eq!(rib["body"]["Rib"]["entries"][1]["path_id"], serde_json::Value::Null);
    let generic = json(&seeds()[7]);
    let generic = &generic["body"]["RibGeneric"];
    assert_eq!(generic["destination"], "03110000fc00000000010000000020c0000201");
    assert_eq!(generic["family"], "l2vpn-evpn");
    // Built from values, it says the same.
    let value = hex("0000fc0000000001 00000000 20 c0000201");
    let attributes = hex("40010100");
    let routes = [RibEntry::new(3, 0x45cf_1e00, PathAttributes::new(&attributes))];
    let built = RibGeneric::new(9, Nlri::Evpn(Evpn::new(3, &value).unwrap()), &routes);
    assert_eq!(&serde_json::to_value(built).unwrap(), generic);
}

#[test]
fn every_record_of_the_archives_encodes_to_itself() {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else {
        support::skip("TORTIE_DATA is not set");
        return;
    };
    let (mut records, mut refused) = (0, Vec::new());
    for entry in std::fs::read_dir(std::path::Path::new(&folder).join("bgp/ris")).unwrap() {
        let path = entry.unwrap().path();
        let file = support::gunzip(&path);
        let mut rest = &file[..];
        while !rest.is_empty() {
            let start = rest;
            let (record, tail) = Record::decode(rest).unwrap();
            let whole = &start[..start.len() - tail.len()];
            check_roundtrip(&record, whole);
            check(whole);
            if let Body::Message(message) = record.body {
                refused.extend(message.decode_message().err().map(|error| error.to_string()));
            }
            rest = tail;
            records += 1;
        }
    }
    // The second prefix of the one message in updates.nlri_mask_trailing_bits has one octet too few.
    assert_eq!(refused, ["prefix too long or cut at byte 59"]);
    assert!(records > 100_000, "{records} records");
}
