//! Messages as other speakers send them, and as RFCs draw them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod support;

use support::{four, hex, message, update};
use tortie_bgp_wire::{
    AS_TRANS, AsPath, Attribute, AttributeCode, Capability, CapabilityCode, Communities, Community,
    EncodeError, ErrorCode, Family, FamilySet, GracefulRestart, HoldTime, KEEPALIVE, Message, NextHop, Nlri,
    Notification, Open, Origin, RawCapability, Records, RouteRefresh, Session, Update, UpdateBuilder,
};

// Captured from BIRD 2.0.12, router id 10.254.0.2, AS 64513, towards 10.254.0.1, AS 4200000001:
//   protocol static s4 { ipv4; route 192.0.2.0/26 blackhole { bgp_community.add((64512,1)); bgp_community.add((65535,666)); };
//                        route 192.0.2.64/26 blackhole; }
//   protocol static s6 { ipv6; route 2001:db8:1::/64 blackhole; route 2001:db8:2::/64 blackhole; }
//   protocol bgp up { ... ipv4 { export all; next hop self; }; ipv6 { export all; next hop address fd00:254::2; }; }
const OPEN: &str = "ffffffffffffffffffffffffffffffff003b0104fc0100f00afe00021e\
    021c01040001000101040002000102004002007841040000fc0146004700";
const WITH_COMMUNITIES: &str = "ffffffffffffffffffffffffffffffff003b020000001f4001010040020602010000fc01\
    4003040afe0002c00808fc000001ffff029a1ac0000200";
const IPV4: &str =
    "ffffffffffffffffffffffffffffffff003002000000144001010040020602010000fc014003040afe00021ac0000240";
const END4: &str = "ffffffffffffffffffffffffffffffff00170200000000";
const IPV6: &str = "ffffffffffffffffffffffffffffffff004f0200000038900e002700020110fd00025400000000000000000000000200\
    4020010db8000100004020010db8000200004001010040020602010000fc01";
const END6: &str = "ffffffffffffffffffffffffffffffff001d0200000006800f03000201";
// birdc disable up
const SHUTDOWN: &str = "ffffffffffffffffffffffffffffffff0015030602";

fn decode<'a>(bytes: &'a [u8], session: &Session) -> Message<'a> {
    let (message, rest) = Message::decode(bytes, session).unwrap();
    assert!(rest.is_empty());
    let mut buf = [0; 4096];
    let len = message.encode(&mut buf, session).unwrap();
    assert_eq!(Ok(len), message.encoded_len(session));
    assert_eq!(&buf[..len], bytes);
    assert!(message.encode(&mut buf[..len - 1], session).is_err(), "one octet short");
    message
}

fn decode_update<'a>(bytes: &'a [u8], session: &Session) -> Update<'a> {
    let Message::Update(update) = decode(bytes, session) else { panic!("no UPDATE") };
    assert_eq!(update.disposition(), None);
    update
}

fn nets(nlri: impl Iterator<Item = Nlri<'static>>) -> Vec<String> {
    nlri.map(|nlri| nlri.prefix().unwrap().to_string()).collect()
}

#[test]
fn open_of_bird() {
    let bytes = hex(OPEN);
    let Message::Open(open) = decode(&bytes, &Session::default()) else { panic!("no OPEN") };
    assert_eq!((open.asn(), open.my_as(), open.hold_time().seconds()), (64513, 64513, 240));
    assert_eq!(open.identifier().to_string(), "10.254.0.2");
    let expected = [
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::Multiprotocol(Family::IPV6_UNICAST),
        Capability::RouteRefresh,
        Capability::GracefulRestart(GracefulRestart::new(120, Records::list(&[]))),
        Capability::FourOctetAs(64513),
        Capability::EnhancedRefresh,
        Capability::LongLivedRestart(Records::list(&[])),
    ];
    assert_eq!(open.capabilities().iter().collect::<Vec<_>>(), expected);

    let ours = [Capability::Multiprotocol(Family::IPV6_UNICAST), Capability::FourOctetAs(4_200_000_001)];
    let ours = Open::new(4_200_000_001, HoldTime::DEFAULT, [10, 254, 0, 1].into(), &ours);
    assert_eq!(ours.my_as(), AS_TRANS);
    let session = Session::negotiate(&ours, &open);
    assert_eq!(session, Session::negotiate(&open, &ours));
    assert!(session.four_octet_as && session.external && !session.route_refresh);
    assert_eq!(session.families, FamilySet::EMPTY.with(Family::IPV6_UNICAST));
    assert_eq!(session.hold_time, HoldTime::DEFAULT);
}

#[test]
fn updates_of_bird() {
    let bytes = hex(WITH_COMMUNITIES);
    let update = decode_update(&bytes, &four());
    assert_eq!(nets(update.announcements().map(own)), ["192.0.2.0/26"]);
    assert_eq!(update.withdrawals().count(), 0);
    assert_eq!(update.next_hop(Family::IPV4_UNICAST), Some(NextHop::Ipv4([10, 254, 0, 2].into())));
    assert_eq!(update.next_hop(Family::IPV6_UNICAST), None);
    let communities = [Community::of(64512, 1), Community::of(65535, 666)];
    let expected = [
        Attribute::Origin(Origin::IGP),
        Attribute::AsPath(AsPath::sequence(&[64513])),
        Attribute::NextHop([10, 254, 0, 2].into()),
        Attribute::Communities(Communities::list(&communities)),
    ];
    assert_eq!(update.attributes().collect::<Result<Vec<_>, _>>().unwrap(), expected);
    assert_eq!(communities[1].to_string(), "65535:666");

    let bytes = hex(IPV6);
    let update = decode_update(&bytes, &four());
    assert_eq!(nets(update.announcements().map(own)), ["2001:db8:1::/64", "2001:db8:2::/64"]);
    assert_eq!(update.next_hop(Family::IPV6_UNICAST), Some(NextHop::Ipv6("fd00:254::2".parse().unwrap())));
    assert_eq!(update.end_of_rib(), None);
}

/// Detaches a typed destination from the bytes it was read from.
fn own(nlri: Nlri<'_>) -> Nlri<'static> {
    match nlri {
        Nlri::Ipv4Unicast(net) => Nlri::Ipv4Unicast(net),
        Nlri::Ipv6Unicast(net) => Nlri::Ipv6Unicast(net),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_builder_writes_what_bird_writes() {
    let path = [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&[64513]))];
    let mut buf = [0; 4096];
    let next_hop = NextHop::Ipv4([10, 254, 0, 2].into());
    let mut builder =
        UpdateBuilder::announce(&mut buf, &four(), Family::IPV4_UNICAST, next_hop, &path).unwrap();
    builder.push("192.0.2.127/26".parse().unwrap()).unwrap();
    assert_eq!(builder.finish(), hex(IPV4));

    let next_hop = NextHop::Ipv6("fd00:254::2".parse().unwrap());
    let mut builder =
        UpdateBuilder::announce(&mut buf, &four(), Family::IPV6_UNICAST, next_hop, &path).unwrap();
    builder.push("2001:db8:1::/64".parse().unwrap()).unwrap();
    builder.push("2001:db8:2::/64".parse().unwrap()).unwrap();
    assert_eq!(builder.finish(), hex(IPV6));

    let builder = UpdateBuilder::withdraw(&mut buf, &four(), Family::IPV4_UNICAST).unwrap();
    assert_eq!(builder.finish(), hex(END4));
}

#[test]
fn end_of_rib_of_bird() {
    assert_eq!(decode_update(&hex(END4), &four()).end_of_rib(), Some(Family::IPV4_UNICAST));
    assert_eq!(decode_update(&hex(END6), &four()).end_of_rib(), Some(Family::IPV6_UNICAST));
    let mut buf = [0; 64];
    let builder = UpdateBuilder::withdraw(&mut buf, &four(), Family::IPV6_UNICAST).unwrap();
    // Ours has an extended length field.
    let Message::Update(update) = decode(builder.finish(), &four()) else { panic!("no UPDATE") };
    assert_eq!(update.end_of_rib(), Some(Family::IPV6_UNICAST));
}

#[test]
fn notifications() {
    let bytes = hex(SHUTDOWN);
    let Message::Notification(notification) = decode(&bytes, &four()) else { panic!("no NOTIFICATION") };
    assert_eq!(notification, Notification::new(ErrorCode::ADMINISTRATIVE_SHUTDOWN, &[]));
    assert_eq!(notification.code().to_string(), "administrative shutdown (6/2)");
    assert_eq!(notification.shutdown_communication(), None);
    // RFC 9003 §2: a length octet and UTF-8.
    let text = message(3, b"\x06\x02\x0bmaintenance");
    let Message::Notification(notification) = decode(&text, &four()) else { panic!("no NOTIFICATION") };
    assert_eq!(notification.shutdown_communication(), Some("maintenance"));
    let cut = message(3, b"\x06\x02\x0cmaintenance");
    let Message::Notification(notification) = decode(&cut, &four()) else { panic!("no NOTIFICATION") };
    assert_eq!(notification.shutdown_communication(), None);
    // RFC 8538 §3.1: a hard reset carries code, subcode and data of the reason.
    let hard = message(3, b"\x06\x09\x06\x02\x0bmaintenance");
    let Message::Notification(notification) = decode(&hard, &four()) else { panic!("no NOTIFICATION") };
    assert_eq!(notification.code(), ErrorCode::HARD_RESET);
    let reason = notification.hard_reset_reason().unwrap();
    assert_eq!(reason, Notification::new(ErrorCode::ADMINISTRATIVE_SHUTDOWN, b"\x0bmaintenance"));
    assert_eq!(notification.shutdown_communication(), Some("maintenance"));
    assert_eq!(Notification::new(ErrorCode::HARD_RESET, &[6]).hard_reset_reason(), None);
    assert_eq!(Notification::new(ErrorCode::HARD_RESET, &[6, 9, 6, 9, 6, 2]).shutdown_communication(), None);
    assert_eq!(Notification::shutdown_data(&"x".repeat(256), &mut [0; 300]), Err(EncodeError::ValueTooLong));
    assert_eq!(ErrorCode::BFD_DOWN.to_string(), "BFD down (6/10)");
    assert_eq!(ErrorCode::ROLE_MISMATCH.to_string(), "role mismatch (2/11)");
    assert_eq!(ErrorCode::new(6, 200).to_string(), "error 6/200");
}

#[test]
fn keepalive_and_route_refresh() {
    assert_eq!(decode(&KEEPALIVE, &four()), Message::Keepalive);
    let bytes = message(5, &[0, 2, 0, 1]);
    assert_eq!(decode(&bytes, &four()), Message::RouteRefresh(RouteRefresh::new(Family::IPV6_UNICAST)));
    let bytes = message(5, &[0, 1, 2, 128]);
    let Message::RouteRefresh(refresh) = decode(&bytes, &four()) else { panic!("no ROUTE-REFRESH") };
    assert_eq!((refresh.subtype(), refresh.family().to_string().as_str()), (2, "ipv4-vpn"));
}

#[test]
fn extended_optional_parameters() {
    let open = |parameters: &[u8]| message(1, &[&[4, 0xfc, 0, 0, 90, 10, 0, 0, 1], parameters].concat());
    let decode = |bytes: &[u8]| {
        let (message, _) = Message::decode(bytes, &Session::default()).unwrap();
        let Message::Open(open) = message else { panic!("no OPEN") };
        let mut buf = [0; 4096];
        let len = open.encode(&mut buf).unwrap();
        assert_eq!((len, &buf[..len]), (open.encoded_len(), bytes));
        let list: Vec<_> = open.capabilities().iter().collect();
        let normal = Open::new(open.asn(), open.hold_time(), open.identifier(), &list);
        let len = normal.encode(&mut buf).unwrap();
        assert_eq!(len, normal.encoded_len());
        assert_eq!(Message::decode(&buf[..len], &Session::default()).unwrap().0, message);
        (open.capabilities().iter().count(), open.capabilities().families(), buf[..len].to_vec())
    };
    // RFC 9072 §2: the non-extended length and type are 255.
    let extended = [&[255, 255, 0, 9, 2, 0, 6][..], &[1, 4, 0, 2, 0, 1]].concat();
    let (count, families, normal) = decode(&open(&extended));
    assert_eq!((count, families), (1, FamilySet::EMPTY.with(Family::IPV6_UNICAST)));
    assert_eq!(normal, open(&[8, 2, 6, 1, 4, 0, 2, 0, 1]), "the normal form is the short one");
    // The first length is ignored, as long as it is not zero.
    let odd = [&[7, 255, 0, 9, 2, 0, 6][..], &[1, 4, 0, 2, 0, 1]].concat();
    assert_eq!(decode(&open(&odd)).2, normal);
    // One capability per parameter, as old implementations send them; a parameter without any.
    let (count, _, normal) = decode(&open(&[12, 2, 2, 2, 0, 2, 0, 2, 4, 200, 2, 7, 7]));
    assert_eq!((count, normal), (2, open(&[8, 2, 6, 2, 0, 200, 2, 7, 7])));
    // More than 255 octets need the extended form.
    let value = [1; 200];
    let raw = Capability::Unknown(RawCapability::new(CapabilityCode::new(200), &value));
    let list = [raw, raw];
    let long = Open::new(64512, HoldTime::NONE, [10, 0, 0, 1].into(), &list);
    let mut buf = [0; 4096];
    let len = long.encode(&mut buf).unwrap();
    assert_eq!(buf[28..32], [255, 255, 1, 151]);
    let (decoded, _) = Message::decode(&buf[..len], &Session::default()).unwrap();
    assert_eq!(decoded, Message::Open(long));
    // No capabilities, no parameters: IPv4 unicast.
    assert_eq!(decode(&open(&[0])), (0, FamilySet::IPV4, open(&[0])));
}

#[test]
fn two_octet_as_numbers() {
    let attributes = hex("400101 00  40020a 0201fc00 0102fc01fc02  4003040a000001  c00706 fc000a000001");
    let bytes = update(&[], &attributes, &[8, 10]);
    let narrow = decode_update(&bytes, &Session::default());
    let path =
        narrow.attributes().flatten().find_map(|a| if let Attribute::AsPath(p) = a { Some(p) } else { None });
    let path = path.unwrap();
    assert_eq!(path.to_string(), "64512 {64513 64514}");
    assert_eq!((path.hops(), path.neighbor(), path.contains(64514)), (2, Some(64512), true));
    // To a session with four-octet numbers, and back.
    let mut buf = [0; 4096];
    let len = narrow.encode(&mut buf, &four()).unwrap();
    assert_eq!(Ok(len), narrow.encoded_len(&four()));
    let wide_bytes = buf[..len].to_vec();
    let wide = decode_update(&wide_bytes, &four());
    assert_eq!(wide.attributes().flatten().nth(1), Some(Attribute::AsPath(path)));
    let len = wide.encode(&mut buf, &Session::default()).unwrap();
    assert_eq!(buf[..len], bytes);
    // A number that does not fit is an error, never AS_TRANS in silence.
    let mut octets = [0; 64];
    let error = AsPath::sequence(&[70_000]).encode(false, &mut octets).unwrap_err();
    assert_eq!(error.to_string(), "AS 70000 needs four octets");
}

#[test]
fn paths_grow_at_the_front() {
    let prepended = |path: AsPath<'_>| {
        let mut buf = [0; 4096];
        let len = path.encode_prepended(1, true, &mut buf).unwrap();
        AsPath::from_wire(&buf[..len], true).unwrap().segments().map(|s| s.asns.len()).collect::<Vec<_>>()
    };
    assert_eq!(prepended(AsPath::EMPTY), [1]);
    assert_eq!(prepended(AsPath::sequence(&[2, 3])), [3]);
    assert_eq!(prepended(AsPath::sequence(&[2; 254])), [255]);
    assert_eq!(prepended(AsPath::sequence(&[2; 255])), [1, 255]);
    assert_eq!(prepended(AsPath::sequence(&[2; 300])), [1, 255, 45]);
    let set = hex("0101 0000fc00");
    assert_eq!(prepended(AsPath::from_wire(&set, true).unwrap()), [1, 1], "a set is never extended");
}

#[test]
fn unknown_attributes_and_families_are_kept() {
    // Attribute 99, optional transitive partial, with an extended length that it does not need.
    let attributes = hex("f063 0003 010203");
    let bytes = update(&[], &[&hex("40010100 400200 4003040a000001"), &attributes[..]].concat(), &[8, 10]);
    let update4 = decode_update(&bytes, &four());
    let Some(Ok(Attribute::Unknown(raw))) = update4.attributes().last() else { panic!("not kept") };
    assert_eq!((raw.flags().get(), raw.code(), raw.value()), (0xf0, AttributeCode::new(99), &[1, 2, 3][..]));
    // L2VPN VPLS (25/65), next hop of four octets.
    let evpn = hex("40010100 400200 800e0c 001941 04 0a000001 00 deadbe");
    let bytes = update(&[], &evpn, &[]);
    let update = decode_update(&bytes, &four());
    let Some(Nlri::Unknown(raw)) = update.announcements().next() else { panic!("not kept") };
    assert_eq!((raw.family().to_string().as_str(), raw.bytes()), ("afi25-safi65", &[0xde, 0xad, 0xbe][..]));
    assert_eq!(update.next_hop(raw.family()), None);
}

#[test]
fn both_ways_to_announce_in_one_message() {
    let attributes = hex("40010100 400200 4003040a000001
         800e1c 000201 10 fd000000000000000000000000000001 00 30fd0000000002
         800f06 000201 10fd01");
    let bytes = update(&[8, 11], &attributes, &[25, 10, 0, 0, 0x80, 0]);
    let update = decode_update(&bytes, &four());
    assert_eq!(nets(update.announcements().map(own)), ["fd00:0:2::/48", "10.0.0.128/25", "0.0.0.0/0"]);
    assert_eq!(nets(update.withdrawals().map(own)), ["11.0.0.0/8", "fd01::/16"]);
    assert_eq!(update.next_hop(Family::IPV4_UNICAST).unwrap().address().to_string(), "10.0.0.1");
    assert_eq!(update.next_hop(Family::IPV6_UNICAST).unwrap().address().to_string(), "fd00::1");
}
