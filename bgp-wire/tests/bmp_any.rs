//! BMP messages of any octets and of any values, and in serde formats.

#![cfg(all(feature = "bmp", feature = "std"))]

mod support;

use proptest::prelude::*;
use support::bmp::{check, decode, digits, open, peer, seeds};
use support::{config, message as bgp};
use tortie_bgp_wire::bmp::{
    Initiation, Message, MessageType, PeerDown, PeerDownReason, PeerFlags, PeerType, PeerUp, RouteMirroring,
    RouteMonitoring, Statistic, StatisticType, StatisticValue, StatisticsReport, Termination,
};
use tortie_bgp_wire::{Family, RouteDistinguisher, Tlv};

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
        seed in 0..9usize,
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
        // With a header that is right again, so that the body is reached.
        if bytes.len() >= 6 {
            bytes[0] = 3;
            let len = u32::try_from(bytes.len()).unwrap();
            bytes[1..5].copy_from_slice(&len.to_be_bytes());
            check(&bytes);
        }
    }

    #[test]
    fn what_is_built_is_read(
        header in any::<(u8, u8, [u8; 8], [u8; 16], u32, u32, u32, u32)>(),
        tlvs in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..20)), 0..5),
        numbers in any::<(u32, u64, u8, u16)>(),
        octets in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut peer = peer();
        (peer.kind, peer.flags) = (PeerType::new(header.0), PeerFlags::new(header.1));
        peer.distinguisher = RouteDistinguisher::new(header.2);
        (peer.address_octets, peer.asn, peer.identifier) = (header.3, header.4, header.5.into());
        let peer = peer.at(header.6, header.7);
        let tlvs: Vec<Tlv<'_>> = tlvs.iter().map(|(kind, value)| Tlv::new(*kind, value)).collect();
        let family = Family::IPV4_VPN;
        let values = [
            Statistic::new(StatisticType::new(numbers.3), StatisticValue::Counter(numbers.0)),
            Statistic::new(StatisticType::LOC_RIB, StatisticValue::Gauge(numbers.1)),
            Statistic::new(StatisticType::LOC_RIB, StatisticValue::FamilyGauge { family, value: numbers.1 }),
        ];
        let sent = open(&[]);
        let information = Initiation::new(&tlvs).information;
        let mut up = PeerUp::new(peer, [192, 0, 2, 9].into(), &sent, &sent);
        up.information = information;
        let mut buf = [0; 1024];
        for message in [
            Message::RouteMonitoring(RouteMonitoring::new(peer, &octets)),
            Message::StatisticsReport(StatisticsReport::new(peer, &values)),
            Message::PeerDown(PeerDown::new(peer, PeerDownReason::LocalEvent(numbers.3))),
            Message::PeerDown(PeerDown::new(peer, PeerDownReason::RemoteNotification(&octets))),
            Message::PeerDown(PeerDown::new(peer, PeerDownReason::LocalClosed(information))),
            Message::PeerUp(up),
            Message::Initiation(Initiation::new(&tlvs)),
            Message::Termination(Termination::new(&tlvs)),
            Message::RouteMirroring(RouteMirroring::new(peer, &tlvs)),
            Message::Unknown { kind: MessageType::new(numbers.2 | 0x80), body: &octets },
        ] {
            let len = message.encode(&mut buf).unwrap();
            prop_assert_eq!(message.encoded_len(), len);
            prop_assert_eq!(decode(&buf[..len]), message);
        }
    }
}

#[cfg(feature = "arbitrary")]
proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn what_is_arbitrary_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let message: Result<Message<'_>, _> = arbitrary::Unstructured::new(&bytes).arbitrary();
        let Ok(message) = message else { return Ok(()) };
        let mut buf = vec![0; message.encoded_len()];
        prop_assert_eq!(message.encode(&mut buf), Ok(buf.len()));
        prop_assert_eq!(decode(&buf), message);
    }
}

#[cfg(feature = "arbitrary")]
#[test]
fn every_kind_is_made() {
    let mut kinds = std::collections::BTreeMap::new();
    for bytes in support::noise(1500) {
        let message: Result<Message<'_>, _> = arbitrary::Unstructured::new(&bytes).arbitrary();
        let Ok(message) = message else { continue };
        let long = match message {
            Message::StatisticsReport(report) => !report.statistics.is_empty(),
            Message::Initiation(initiation) => !initiation.information.is_empty(),
            Message::RouteMirroring(mirrored) => !mirrored.information.is_empty(),
            _ => true,
        };
        *kinds.entry(message.kind().get().min(7)).or_insert(0) += usize::from(long);
    }
    assert_eq!(kinds.len(), 8);
    assert!(kinds.values().all(|count| *count > 0), "{kinds:?}");
}

#[cfg(feature = "serde")]
#[test]
fn messages_are_written_by_serde() {
    let json = |bytes: &[u8]| serde_json::to_value(decode(bytes)).unwrap();
    let information = serde_json::json!([{ "kind": 1, "value": "6f7331" }, { "kind": 2, "value": "7231" }]);
    assert_eq!(json(&seeds()[5]), serde_json::json!({ "Initiation": { "information": information } }));
    let report = json(&seeds()[1]);
    let report = &report["StatisticsReport"];
    assert_eq!(report["statistics"][0], serde_json::json!({ "kind": 0, "value": { "Counter": 7 } }));
    assert_eq!(report["statistics"][1]["value"]["FamilyGauge"]["family"], "ipv6-unicast");
    assert_eq!(report["peer"]["address_octets"], "000000000000000000000000c0000201");
    assert_eq!(report["peer"]["distinguisher"], "0:0");
    let down = json(&seeds()[2]);
    assert_eq!(down["PeerDown"]["reason"]["LocalNotification"], digits(&bgp(3, &[6, 2])));
    let kind: MessageType = serde_json::from_str("3").unwrap();
    assert_eq!(kind, MessageType::PEER_UP);
}
