//! BMP messages: vectors made by hand from RFC 7854, RFC 8671 and RFC 9069, round trips, streams.

#![cfg(all(feature = "bmp", feature = "std"))]

mod support;

use support::bmp::{PEER, check_roundtrip, decode, digits, message, open, peer};
use support::{hex, message as bgp, update};
use tortie_bgp_wire::bmp::{
    BmpErrorKind, InformationType, Initiation, Message, MessageType, MirroringCode, PeerDown, PeerDownReason,
    PeerFlags, PeerHeader, PeerType, PeerUp, RouteMirroring, RouteMonitoring, Statistic, StatisticType,
    StatisticValue, StatisticsReport, Termination, TerminationReason,
};
use tortie_bgp_wire::{
    AddPath, Capability, ErrorCode, Family, KEEPALIVE, Message as BgpMessage, Notification, Records,
    RouteDistinguisher, Session, Tlv,
};

/// What a built message and a decoded one have to do with each other.
fn built(message: Message<'_>, bytes: &[u8]) {
    check_roundtrip(&message, bytes);
    assert_eq!(decode(bytes), message);
}

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
