//! BMP messages: vectors made by hand from RFC 7854, RFC 8671 and RFC 9069, round trips, streams.

#![cfg(all(feature = "bmp", feature = "std"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::io::{self, Read};

use proptest::prelude::*;
use support::{config, hex, message as bgp, update};
use tortie_bgp_wire::bmp::{
    BmpErrorKind, BmpReadError, BmpReader, InformationType, Initiation, Message, MessageType, MirroringCode,
    PeerDown, PeerDownReason, PeerFlags, PeerHeader, PeerType, PeerUp, RouteMirroring, RouteMonitoring,
    Statistic, StatisticType, StatisticValue, StatisticsReport, Termination, TerminationReason,
};
use tortie_bgp_wire::{
    AddPath, Capability, EncodeError, ErrorCode, Family, HoldTime, KEEPALIVE, Message as BgpMessage,
    Notification, Open, Records, RouteDistinguisher, Session, Tlv,
};

/// Cases of each property.
const CASES: u32 = 400;

/// A message of this type and body; the length is counted.
fn message(kind: u8, body: &str) -> Vec<u8> {
    let body = hex(body);
    let len = u32::try_from(body.len() + 6).unwrap();
    [&[3][..], &len.to_be_bytes(), &[kind], &body].concat()
}

fn check_roundtrip(message: &Message<'_>, bytes: &[u8]) {
    let mut buf = vec![0; bytes.len()];
    assert_eq!(message.encode(&mut buf), Ok(bytes.len()));
    assert_eq!(message.encoded_len(), bytes.len());
    assert_eq!(buf, bytes);
    assert_eq!(message.encode(&mut buf[..bytes.len() - 1]), Err(EncodeError::BufferTooSmall));
}

/// Decodes one whole message, which encodes to the same octets.
fn decode(bytes: &[u8]) -> Message<'_> {
    let (message, rest) = Message::decode(bytes).unwrap();
    assert!(rest.is_empty());
    check_roundtrip(&message, bytes);
    message
}

/// What a built message and a decoded one have to do with each other.
fn built(message: Message<'_>, bytes: &[u8]) {
    check_roundtrip(&message, bytes);
    assert_eq!(decode(bytes), message);
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

// RFC 7854 §4.2: type, flags, distinguisher, address, AS, identifier, time.
const PEER: &str =
    "00 00 0000000000000000 000000000000000000000000c0000201 0000fc00 c0000201 45cf1f3c 0001e240";

fn peer() -> PeerHeader {
    PeerHeader::new([192, 0, 2, 1].into(), 64512, [192, 0, 2, 1].into()).at(0x45cf_1f3c, 123_456)
}

fn open(capabilities: &[Capability<'_>]) -> Vec<u8> {
    let mut buf = [0; 256];
    let len =
        Open::new(64512, HoldTime::DEFAULT, [192, 0, 2, 1].into(), capabilities).encode(&mut buf).unwrap();
    buf[..len].to_vec()
}

// RFC 7854 §4.3 and §4.4.
#[test]
fn initiation() {
    let bytes = message(4, "0001 0003 6f7331  0002 0002 7231  0000 0002 6869  0063 0001 ff");
    let information = [
        Tlv::new(InformationType::SYS_DESCR.get(), b"os1"),
        Tlv::new(InformationType::SYS_NAME.get(), b"r1"),
        Tlv::new(InformationType::STRING.get(), b"hi"),
        Tlv::new(99, &[0xff]),
    ];
    built(Message::Initiation(Initiation::new(&information)), &bytes);
    let Message::Initiation(initiation) = decode(&bytes) else { panic!("no initiation") };
    assert_eq!((initiation.sys_descr(), initiation.sys_name()), (Some(&b"os1"[..]), Some(&b"r1"[..])));
    built(Message::Initiation(Initiation::new(&[])), &message(4, ""));
}

// RFC 7854 §4.5.
#[test]
fn termination() {
    let bytes = message(5, "0000 0003 627965  0001 0002 0003");
    let information = [Tlv::new(0, b"bye"), Tlv::new(1, &[0, 3])];
    built(Message::Termination(Termination::new(&information)), &bytes);
    let Message::Termination(termination) = decode(&bytes) else { panic!("no termination") };
    assert_eq!(termination.reason(), Some(TerminationReason::REDUNDANT));
    let bytes = message(5, "0001 0001 03");
    let Message::Termination(termination) = decode(&bytes) else { panic!("no termination") };
    assert_eq!(termination.reason(), None);
}

// RFC 7854 §4.6; the flags of RFC 8671 §4.
#[test]
fn route_monitoring() {
    let two = update(&[], &hex("40010100 4002040201 fc00 400304c0000201"), &hex("1a0a000000"));
    let four = update(&[], &hex("40010100 4002060201 0000fc00 400304c0000201"), &hex("1a0a000000"));
    for (flags, octet, octets) in [
        (PeerFlags::NONE, "00", &four),
        (PeerFlags::POST_POLICY.with(PeerFlags::TWO_OCTET_AS), "60", &two),
        (PeerFlags::ADJ_RIB_OUT, "10", &four),
    ] {
        let header = PEER.replacen("00 00", &format!("00 {octet}"), 1);
        let bytes = message(0, &format!("{header} {}", digits(octets)));
        let routes = RouteMonitoring::new(peer().with_flags(flags), octets);
        built(Message::RouteMonitoring(routes), &bytes);
        let Message::RouteMonitoring(routes) = decode(&bytes) else { panic!("no routes") };
        assert_eq!(routes.peer.is_adj_rib_out(), flags == PeerFlags::ADJ_RIB_OUT);
        let BgpMessage::Update(update) = routes.decode_message(&routes.peer.session()).unwrap() else {
            panic!("no UPDATE")
        };
        assert_eq!((update.disposition(), update.announcements().count()), (None, 1));
        assert_eq!(update.as_path().unwrap().asns().collect::<Vec<_>>(), [64512]);
    }
    let routes = [&four[..], &[0]].concat();
    assert!(RouteMonitoring::new(peer(), &routes).decode_message(&peer().session()).is_err());
}

#[test]
fn peers_of_every_kind() {
    assert_eq!(peer().address(), Some([192, 0, 2, 1].into()));
    let six = "2001:db8::1".parse().unwrap();
    let mut vpn = PeerHeader::new(six, 64512, [192, 0, 2, 1].into());
    (vpn.kind, vpn.distinguisher) = (PeerType::VPN, RouteDistinguisher::of_as(64512, 7));
    let bytes = message(
        2,
        "01 80 0000fc0000000007 20010db8000000000000000000000001 0000fc00 c0000201 00000000 00000000 04",
    );
    built(Message::PeerDown(PeerDown::new(vpn, PeerDownReason::RemoteClosed)), &bytes);
    assert_eq!((vpn.address(), vpn.flags.get(), vpn.kind.get()), (Some(six), 0x80, 1));
    // RFC 9069 §4.1 and §4.2: no address, and a flag of another meaning.
    let rib = PeerHeader::loc_rib(64512, [192, 0, 2, 1].into()).with_flags(PeerFlags::FILTERED);
    assert!(rib.is_loc_rib() && rib.four_octet_as() && !rib.is_adj_rib_out());
    assert_eq!((rib.address(), rib.address_octets), (None, [0; 16]));
    assert_eq!(PeerType::new(7).get(), 7);
    assert_eq!(PeerFlags::new(0xff).get(), 0xff);
}

// RFC 7854 §4.8, RFC 8671 §6.2.
#[test]
fn statistics() {
    let bytes = message(
        1,
        &format!(
            "{PEER} 00000005  0000 0004 00000007  0007 0008 0000000100000000
             0009 000b 000201 0000000000000005  0063 0002 ffff  0011 000b 000101 0000000000000006"
        ),
    );
    let values = [
        Statistic::new(StatisticType::REJECTED, StatisticValue::Counter(7)),
        Statistic::new(StatisticType::ADJ_RIB_IN, StatisticValue::Gauge(1 << 32)),
        Statistic::new(
            StatisticType::ADJ_RIB_IN_FAMILY,
            StatisticValue::FamilyGauge { family: Family::IPV6_UNICAST, value: 5 },
        ),
        Statistic::new(StatisticType::new(99), StatisticValue::Other(&[0xff, 0xff])),
        Statistic::new(
            StatisticType::ADJ_RIB_OUT_POST_FAMILY,
            StatisticValue::FamilyGauge { family: Family::IPV4_UNICAST, value: 6 },
        ),
    ];
    built(Message::StatisticsReport(StatisticsReport::new(peer(), &values)), &bytes);
    let Message::StatisticsReport(report) = decode(&bytes) else { panic!("no report") };
    assert_eq!(report.value_of(StatisticType::ADJ_RIB_IN), Some(StatisticValue::Gauge(1 << 32)));
    assert_eq!(report.value_of(StatisticType::LOC_RIB), None);
    assert_eq!(report.statistics.len(), 5);
}

// RFC 7854 §4.9, RFC 9069 §5.3.
#[test]
fn peer_down() {
    let notification = bgp(3, &[6, 2]);
    let text = digits(&notification);
    let table = [Tlv::new(InformationType::TABLE_NAME.get(), b"red")];
    for (body, reason) in [
        (format!("01 {text}"), PeerDownReason::LocalNotification(&notification)),
        ("02 0018".into(), PeerDownReason::LocalEvent(24)),
        (format!("03 {text}"), PeerDownReason::RemoteNotification(&notification)),
        ("04".into(), PeerDownReason::RemoteClosed),
        ("05".into(), PeerDownReason::NotMonitored),
        ("06 0003 0003 726564".into(), PeerDownReason::LocalClosed(Initiation::new(&table).information)),
        ("63 0102".into(), PeerDownReason::Unknown { code: 99, data: &[1, 2] }),
        ("02 00".into(), PeerDownReason::Unknown { code: 2, data: &[0] }),
        ("04 00".into(), PeerDownReason::Unknown { code: 4, data: &[0] }),
    ] {
        let bytes = message(2, &format!("{PEER} {body}"));
        built(Message::PeerDown(PeerDown::new(peer(), reason)), &bytes);
        let Message::PeerDown(down) = decode(&bytes) else { panic!("no peer down") };
        let sent =
            matches!(reason, PeerDownReason::LocalNotification(_) | PeerDownReason::RemoteNotification(_));
        let wanted = sent.then_some(Ok(Notification::new(ErrorCode::ADMINISTRATIVE_SHUTDOWN, &[])));
        assert_eq!(down.notification(), wanted);
    }
    let other = PeerDown::new(peer(), PeerDownReason::LocalNotification(&KEEPALIVE));
    assert_eq!(other.notification().unwrap().unwrap_err().to_string(), "unknown message type 4 at byte 18");
    assert!(PeerDown::new(peer(), PeerDownReason::LocalNotification(&[])).notification().unwrap().is_err());
}

// RFC 7854 §4.10, RFC 8671 §6.3, RFC 9069 §5.2.
#[test]
fn peer_up() {
    let v6 = Family::IPV6_UNICAST;
    let (send, receive) = ([AddPath::new(v6, AddPath::SEND)], [AddPath::new(v6, AddPath::RECEIVE)]);
    let sends = [
        Capability::Multiprotocol(v6),
        Capability::FourOctetAs(64512),
        Capability::AddPath(Records::list(&send)),
    ];
    let receives = [
        Capability::Multiprotocol(v6),
        Capability::FourOctetAs(64512),
        Capability::AddPath(Records::list(&receive)),
    ];
    let (sends, receives) = (open(&sends), open(&receives));
    let information = [Tlv::new(InformationType::ADMIN_LABEL.get(), b"up"), Tlv::new(3, b"red")];
    let bytes = message(
        3,
        &format!(
            "{PEER} 000000000000000000000000c0000202 00b3 c000 {} {} 0004 0002 7570 0003 0003 726564",
            digits(&sends),
            digits(&receives)
        ),
    );
    let mut up = PeerUp::new(peer(), [192, 0, 2, 2].into(), &sends, &receives);
    up.remote_port = 49152;
    up.information = Initiation::new(&information).information;
    built(Message::PeerUp(up), &bytes);
    let Message::PeerUp(up) = decode(&bytes) else { panic!("no peer up") };
    assert_eq!((up.local(), up.local_port), ([192, 0, 2, 2].into(), 179));
    assert_eq!((up.admin_label(), up.table_name()), (Some(&b"up"[..]), Some(&b"red"[..])));
    assert_eq!(up.sent().unwrap().asn(), 64512);

    // The router sends several paths and the peer receives them: nothing of it in the Adj-RIB-In.
    let session = up.session().unwrap();
    assert!(session.four_octet_as && !session.external && session.add_path_receive.is_empty());
    // In the Adj-RIB-Out they are there.
    let mut out = up;
    out.peer.flags = PeerFlags::ADJ_RIB_OUT.with(PeerFlags::TWO_OCTET_AS);
    let session = out.session().unwrap();
    assert!(!session.four_octet_as && session.add_path_receive.contains(v6));
    // The other way round, they are in the Adj-RIB-In.
    let turned = PeerUp::new(peer(), [192, 0, 2, 2].into(), &receives, &sends);
    assert!(turned.session().unwrap().add_path_receive.contains(v6));
    // The Loc-RIB has two OPENs that are the same.
    let rib = PeerHeader::loc_rib(64512, [192, 0, 2, 1].into());
    let up = PeerUp::new(rib, [0, 0, 0, 0].into(), &sends, &sends);
    assert!(up.session().unwrap().add_path_receive.contains(v6));
    assert_eq!(PeerUp::new(rib, [0, 0, 0, 0].into(), &KEEPALIVE, &sends).session().unwrap_err().offset(), 18);
}

// RFC 7854 §4.7.
#[test]
fn route_mirroring() {
    let text = digits(&KEEPALIVE);
    let bytes = message(6, &format!("{PEER} 0001 0002 0001 0000 0013 {text} 0001 0001 00"));
    let information = [Tlv::new(1, &[0, 1]), Tlv::new(0, &KEEPALIVE), Tlv::new(1, &[0])];
    built(Message::RouteMirroring(RouteMirroring::new(peer(), &information)), &bytes);
    let Message::RouteMirroring(mirrored) = decode(&bytes) else { panic!("nothing mirrored") };
    assert!(mirrored.messages().eq([&KEEPALIVE[..]]));
    assert!(mirrored.codes().eq([MirroringCode::LOST]));
    assert_eq!(MirroringCode::new(0), MirroringCode::ERRORED);
}

#[test]
fn unknown_types_are_kept() {
    let bytes = message(99, "0102");
    let kind = MessageType::new(99);
    built(Message::Unknown { kind, body: &[1, 2] }, &bytes);
    assert_eq!((decode(&bytes).peer(), kind.to_string()), (None, "type 99".into()));
    assert_eq!(MessageType::PEER_UP.to_string(), "Peer Up");
}

#[test]
fn every_error_says_where() {
    let up = format!("{PEER} 000000000000000000000000c0000202 00b3 c000");
    for (bytes, kind, offset) in [
        (vec![3, 0], BmpErrorKind::Incomplete { needed: 6 }, 2),
        (vec![3, 0, 0, 0, 9, 0, 0], BmpErrorKind::Incomplete { needed: 9 }, 7),
        (vec![3, 0xff, 0xff, 0xff, 0xff, 0], BmpErrorKind::Incomplete { needed: 0xffff_ffff }, 6),
        (vec![2, 0, 0, 0, 6, 0], BmpErrorKind::Version { version: 2 }, 0),
        (vec![3, 0, 0, 0, 5, 0], BmpErrorKind::Length { len: 5 }, 1),
        (message(0, "00"), BmpErrorKind::Cut, 7),
        (message(4, "0000 0001"), BmpErrorKind::Cut, 6),
        (message(4, "0000 0000 0000 0001"), BmpErrorKind::Cut, 10),
        (message(1, &format!("{PEER} 00000001 0000 0004 00")), BmpErrorKind::Cut, 52),
        (message(1, &format!("{PEER} ffffffff 0000 0000")), BmpErrorKind::Cut, 56),
        (message(1, &format!("{PEER} 00000000 00")), BmpErrorKind::Trailing { len: 1 }, 52),
        (message(3, &format!("{up} {}", digits(&KEEPALIVE))), BmpErrorKind::Open, 68),
        (message(3, &up), BmpErrorKind::Open, 68),
        (message(3, &format!("{up} {}", digits(&open(&[])[..28]))), BmpErrorKind::Cut, 68),
    ] {
        let error = Message::decode(&bytes).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset));
        assert!(error.to_string().ends_with(&format!("at byte {offset}")), "{error}");
    }
}

/// Good messages of every type.
fn seeds() -> Vec<Vec<u8>> {
    let opened = digits(&open(&[Capability::FourOctetAs(64512)]));
    let routes =
        digits(&update(&[], &hex("40010100 4002060201 0000fc00 400304c0000201"), &hex("1a0a000000")));
    vec![
        message(0, &format!("{PEER} {routes}")),
        message(1, &format!("{PEER} 00000002  0000 0004 00000007  0009 000b 000201 0000000000000005")),
        message(2, &format!("{PEER} 01 {}", digits(&bgp(3, &[6, 2])))),
        message(2, &format!("{PEER} 06 0003 0003 726564")),
        message(
            3,
            &format!("{PEER} 000000000000000000000000c0000202 00b3 c000 {opened} {opened} 0000 0001 61"),
        ),
        message(4, "0001 0003 6f7331  0002 0002 7231"),
        message(5, "0001 0002 0003"),
        message(6, &format!("{PEER} 0001 0002 0001 0000 0013 {}", digits(&KEEPALIVE))),
        message(99, "0102"),
    ]
}

/// Whatever octets are, all of it can be read, and a message encodes to itself.
fn check(bytes: &[u8]) {
    let Ok((message, rest)) = Message::decode(bytes) else { return };
    check_roundtrip(&message, &bytes[..bytes.len() - rest.len()]);
    core::hint::black_box(message.peer().map(|peer| (peer.address(), peer.session())));
    match message {
        Message::RouteMonitoring(routes) => {
            let message = routes.decode_message(&routes.peer.session());
            core::hint::black_box(message.map_or(0, |message| support::walk(&message)));
        }
        Message::StatisticsReport(report) => {
            assert_eq!(report.statistics.iter().count(), report.statistics.len());
        }
        Message::PeerDown(down) => {
            core::hint::black_box(down.notification().is_some_and(|notification| notification.is_ok()));
        }
        Message::PeerUp(up) => {
            core::hint::black_box((up.session().is_ok(), up.local(), up.table_name(), up.admin_label()));
        }
        Message::RouteMirroring(mirrored) => {
            core::hint::black_box(mirrored.messages().count() + mirrored.codes().count());
        }
        _ => {}
    }
}

#[test]
fn the_seeds_are_good() {
    for seed in seeds() {
        decode(&seed);
        check(&seed);
    }
}

/// A source that gives out pieces of these sizes in turn.
struct Pieces<'a>(&'a [u8], Vec<usize>);

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1.rotate_left(1);
        let len = self.1[0].min(buf.len());
        self.0.read(&mut buf[..len])
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
    fn pieces_make_no_difference(
        picks in prop::collection::vec(0..9usize, 0..8),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        sizes in prop::collection::vec(1..60usize, 1..8),
    ) {
        let seeds = seeds();
        let mut stream: Vec<u8> = picks.iter().flat_map(|i| seeds[*i].clone()).collect();
        stream.extend(&garbage);
        // The twin: the whole stream in one slice.
        let (mut rest, mut expected, mut failure) = (&stream[..], Vec::new(), None);
        while !rest.is_empty() && failure.is_none() {
            match Message::decode(rest) {
                Ok((message, tail)) => {
                    expected.push(message);
                    rest = tail;
                }
                Err(error) => failure = Some(error),
            }
        }
        let mut reader = BmpReader::new(Pieces(&stream, sizes));
        let mut seen = 0;
        while let Some(result) = reader.next_message() {
            match result {
                Ok(message) => prop_assert_eq!(Some(&message), expected.get(seen)),
                Err(BmpReadError::Record { error, .. }) => {
                    match (error.kind(), failure.map(|error| error.kind())) {
                        // The twin has no limit.
                        (BmpErrorKind::TooLong { .. }, Some(BmpErrorKind::Incomplete { .. })) => {}
                        _ => prop_assert_eq!(Some(error), failure),
                    }
                    prop_assert_eq!(seen, expected.len());
                    break;
                }
                Err(error) => panic!("{error}"),
            }
            seen += 1;
        }
        prop_assert_eq!(seen, expected.len());
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

#[test]
fn a_stream_goes_on_behind_what_is_bad() {
    let long = message(99, &"00".repeat(300));
    let bad = message(4, "0000 0001");
    let stream = [&seeds()[5][..], &long, &bad, &seeds()[6], &[2, 0, 0, 0, 6, 0, 0]].concat();
    let mut reader = BmpReader::new(Pieces(&stream, vec![5, 100, 1])).max_len(100);
    assert_eq!(reader.next_message().unwrap().unwrap().kind(), MessageType::INITIATION);
    let errors = [
        "message of 306 octets, above the limit of 100 at byte 1 of the message at 19",
        "field runs out of the message at byte 6 of the message at 325",
    ];
    for wanted in errors {
        assert_eq!(reader.next_message().unwrap().unwrap_err().to_string(), wanted);
    }
    assert_eq!(reader.next_message().unwrap().unwrap().kind(), MessageType::TERMINATION);
    // No length can be trusted after a version that is not ours.
    let error = reader.next_message().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("BMP version 2 instead of 3"), "{error}");
    assert!(reader.next_message().is_none());
    assert!(reader.source().1.len() == 3 && reader.into_source().0.is_empty());
}

#[test]
fn sessions_read_what_peers_send() {
    let opened = open(&[Capability::FourOctetAs(64512)]);
    let up = PeerUp::new(peer(), [192, 0, 2, 2].into(), &opened, &opened);
    let wide = update(&[], &hex("40010100 4002060201 fa56ea01 400304c0000201"), &hex("1a0a000000"));
    let routes = RouteMonitoring::new(peer(), &wide);
    let BgpMessage::Update(update) = routes.decode_message(&up.session().unwrap()).unwrap() else {
        panic!("no UPDATE")
    };
    assert_eq!(update.as_path().unwrap().asns().collect::<Vec<_>>(), [4_200_000_001]);
    assert!(routes.decode_message(&Session::default()).is_ok_and(|message| message != BgpMessage::Keepalive));
}
