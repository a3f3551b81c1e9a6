//! MRT records: vectors made by hand from RFC 6396 and RFC 8050, round trips, streams, and archives where there are some.

#![cfg(all(feature = "mrt", feature = "std"))]
#![expect(clippy::unwrap_used, reason = "test code")]

mod support;

use support::mrt::{EVPN, PEERING, PEERING_AS4, check_roundtrip, decode, peering, record};
use support::{hex, update};
use tortie_bgp_wire::mrt::{
    Body, MessageForm, MrtErrorKind, PathAttributes, Peer, PeerIndexTable, Peering, RawRecord, Record,
    RecordType, Rib, RibEntry, RibGeneric, SessionMessage, State, StateChange, TableDump, Timestamp,
    UnknownBody,
};
use tortie_bgp_wire::{
    AsPath, Attribute, AttributeCode, AttributeFlags, EncodeError, Evpn, Family, Message, NextHop, Nlri,
    Origin, RawAttribute,
};

fn refused(bytes: &[u8]) -> (MrtErrorKind, usize) {
    let error = Record::decode(bytes).unwrap_err();
    assert!(error.to_string().ends_with(&format!("at byte {}", error.offset())), "{error}");
    (error.kind(), error.offset())
}

/// What a built record and a decoded one have to do with each other.
fn built(record: Record<'_>, bytes: &[u8]) {
    check_roundtrip(&record, bytes);
    assert_eq!(decode(bytes), record);
}

fn peering_as4() -> Peering {
    let [peer, local] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
    Peering::new(64512, peer, 4_200_000_001, local)
}

// RFC 6396 §4.4.1 and §4.4.4: state changes.
#[test]
fn state_changes() {
    let mut change = StateChange::new(peering(), State::OPEN_CONFIRM, State::ESTABLISHED);
    change.four_octet_as = false;
    let time = Timestamp::new(0x45cf_1f3c);
    built(Record::new(time, Body::StateChange(change)), &record(16, 0, &format!("{PEERING} 0005 0006")));
    let change = StateChange::new(peering_as4(), State::ESTABLISHED, State::IDLE);
    built(Record::new(time, Body::StateChange(change)), &record(16, 5, &format!("{PEERING_AS4} 0006 0001")));
}

// RFC 6396 §4.4.2, §4.4.3, §4.4.5, §4.4.6 and RFC 8050 §3: messages of every subtype.
#[test]
fn messages_of_every_subtype() {
    let form = |four_octet_as, local, add_path| {
        let mut form = if local { MessageForm::SENT } else { MessageForm::RECEIVED };
        (form.four_octet_as, form.add_path) = (four_octet_as, add_path);
        form
    };
    for (subtype, form) in [
        (1, form(false, false, false)),
        (4, form(true, false, false)),
        (6, form(false, true, false)),
        (7, form(true, true, false)),
        (8, form(false, false, true)),
        (9, form(true, false, true)),
        (10, form(false, true, true)),
        (11, form(true, true, true)),
    ] {
        // ORIGIN IGP, AS_PATH 64512, NEXT_HOP 192.0.2.1; 10.0.0.0/26, with path identifier 5 if there are some.
        let path = if form.four_octet_as { "4002060201 0000fc00" } else { "4002040201 fc00" };
        let attributes = hex(&format!("40010100 {path} 400304c0000201"));
        let nlri = hex(if form.add_path { "00000005 1a0a000000" } else { "1a0a000000" });
        let message = update(&[], &attributes, &nlri);
        let (peering, text) =
            if form.four_octet_as { (peering_as4(), PEERING_AS4) } else { (peering(), PEERING) };
        let digits: String = message.iter().map(|octet| format!("{octet:02x}")).collect();
        for microseconds in [None, Some(123_456)] {
            let extra = microseconds.map_or(String::new(), |value: u32| format!("{value:08x}"));
            let kind = if microseconds.is_some() { 17 } else { 16 };
            let bytes = record(kind, subtype, &format!("{extra} {text} {digits}"));
            let mut time = Timestamp::new(0x45cf_1f3c);
            time.microseconds = microseconds;
            let written = SessionMessage::new(peering, form, &message);
            built(Record::new(time, Body::Message(written)), &bytes);
            let Body::Message(read) = decode(&bytes).body else { panic!("no message") };
            let Message::Update(update) = read.decode_message().unwrap() else { panic!("no UPDATE") };
            assert_eq!(update.disposition(), None);
            let id = form.add_path.then_some(5);
            let net = Nlri::Ipv4Unicast("10.0.0.0/26".parse().unwrap());
            assert!(update.announced_paths().eq([(id, net)]));
        }
    }
    let two = MessageForm::RECEIVED.two_octet_as().with_path_identifiers();
    assert!(!two.four_octet_as && two.add_path);
}

#[test]
fn a_message_has_to_fill_its_record() {
    let bytes = [update(&[], &[], &[]), vec![0]].concat();
    let message = SessionMessage::new(peering(), MessageForm::RECEIVED, &bytes);
    assert!(message.decode_message().unwrap_err().to_string().starts_with("impossible message length 23"));
    let cut = SessionMessage::new(peering(), MessageForm::RECEIVED, &bytes[..22]);
    assert!(cut.decode_message().is_err());
}

// RFC 6396 §4.2: one route of one peer.
#[test]
fn table_dump() {
    let attributes = "40010100 4002040201fc00 400304c0000201";
    let bytes = record(12, 1, &format!("0001 0002 0a000040 1a 01 45cf1e00 c0000201 fc00 0012 {attributes}"));
    let value = hex(attributes);
    let mut entry = TableDump::new(
        "10.0.0.64/26".parse().unwrap(),
        0x45cf_1e00,
        [192, 0, 2, 1].into(),
        64512,
        PathAttributes::two_octet_as(&value),
    );
    (entry.view, entry.sequence) = (1, 2);
    built(Record::new(Timestamp::new(0x45cf_1f3c), Body::TableDump(entry)), &bytes);
    assert_eq!(entry.attributes.as_path().unwrap().asns().collect::<Vec<_>>(), [64512]);
    let next_hop = entry.attributes.next_hop(Family::IPV4_UNICAST);
    assert_eq!(next_hop, Some(NextHop::Ipv4([192, 0, 2, 1].into())));

    // With bits beyond the prefix length, which are kept; IPv6.
    let bytes = record(
        12,
        2,
        "0000 ffff 20010db8ffff00000000000000000000 20 01 45cf1e00 20010db8000000000000000000000001 fc00 0000",
    );
    let Body::TableDump(entry) = decode(&bytes).body else { panic!("no route") };
    assert_eq!(entry.prefix.trunc().to_string(), "2001:db8::/32");
}

// RFC 6396 §4.3.1: all four kinds of peers, and a kind with a bit that has no meaning yet.
#[test]
fn peer_index_table() {
    let six = "20010db8000000000000000000000001";
    let bytes = record(
        13,
        1,
        &format!(
            "c0000209 0004 6d61696e 0005  00 c0000201 c0000201 fc00  01 c0000202 {six} fc01
             02 c0000203 c0000203 fa56ea01  03 c0000204 {six} fa56ea02  82 c0000205 c0000205 0000fc02"
        ),
    );
    let v6 = "2001:db8::1".parse().unwrap();
    let v4 = |last| [192, 0, 2, last];
    let peers = [
        Peer::two_octet_as(v4(1).into(), v4(1).into(), 64512),
        Peer::two_octet_as(v4(2).into(), v6, 64513),
        Peer::new(v4(3).into(), v4(3).into(), 4_200_000_001),
        Peer::new(v4(4).into(), v6, 4_200_000_002),
    ];
    let Body::PeerIndexTable(table) = decode(&bytes).body else { panic!("no table") };
    assert_eq!((table.collector, table.view), (v4(9).into(), &b"main"[..]));
    assert!(table.peers.iter().take(4).eq(peers));
    let last = table.peers.iter().last().unwrap();
    assert_eq!(
        (last.kind(), last.asn(), last.address(), last.identifier()),
        (0x82, 64514, v4(5).into(), v4(5).into())
    );

    let mut written = PeerIndexTable::new(v4(9).into(), &peers);
    written.view = b"main";
    let mut buf = [0; 256];
    let time = Timestamp::new(0x45cf_1f3c);
    let len = Record::new(time, Body::PeerIndexTable(written)).encode(&mut buf).unwrap();
    assert_eq!(decode(&buf[..len]), Record::new(time, Body::PeerIndexTable(written)));
    assert_eq!((len, table.peers.len()), (bytes.len() - 13, 5));
}

// RFC 6396 §4.3.2, RFC 8050 §4.1: routes to a prefix, in every subtype.
#[test]
fn ribs_of_every_subtype() {
    // ORIGIN IGP, AS_PATH 64512; MP_REACH_NLRI with the next hop alone (RFC 6396 §4.3.4), and whole.
    let short = "40010100 4002060201 0000fc00 800e11 10 20010db8000000000000000000000001";
    let whole = "40010100 4002060201 0000fc00 800e15 000201 10 20010db8000000000000000000000001 00";
    let classic = "40010100 4002060201 0000fc00 400304c0000201";
    let v4 = "10.0.0.64/26".parse().unwrap();
    let v6 = "2001:db8::/32".parse().unwrap();
    let six = NextHop::Ipv6("2001:db8::1".parse().unwrap());
    let four = NextHop::Ipv4([192, 0, 2, 1].into());
    for (subtype, family, prefix, digits, attributes, next_hop) in [
        (2, Family::IPV4_UNICAST, v4, "1a 0a000040", classic, four),
        (3, Family::IPV4_MULTICAST, v4, "1a 0a000040", classic, four),
        (4, Family::IPV6_UNICAST, v6, "20 20010db8", short, six),
        (5, Family::IPV6_MULTICAST, v6, "20 20010db8", whole, six),
        (8, Family::IPV4_UNICAST, v4, "1a 0a000040", classic, four),
        (9, Family::IPV4_MULTICAST, v4, "1a 0a000040", classic, four),
        (10, Family::IPV6_UNICAST, v6, "20 20010db8", whole, six),
        (11, Family::IPV6_MULTICAST, v6, "20 20010db8", short, six),
    ] {
        let value = hex(attributes);
        let id = if subtype >= 8 { "00000005" } else { "" };
        let entry = format!("0003 45cf1e00 {id} {:04x} {attributes}", value.len());
        let bytes = record(13, subtype, &format!("00000009 {digits} 0001 {entry}"));
        let mut route = RibEntry::new(3, 0x45cf_1e00, PathAttributes::new(&value));
        if subtype >= 8 {
            route = route.with_path_id(5);
        }
        let routes = [route];
        let multicast = family == Family::IPV4_MULTICAST || family == Family::IPV6_MULTICAST;
        let rib =
            if multicast { Rib::multicast(9, prefix, &routes) } else { Rib::unicast(9, prefix, &routes) };
        built(Record::new(Timestamp::new(0x45cf_1f3c), Body::Rib(rib)), &bytes);
        let Body::Rib(rib) = decode(&bytes).body else { panic!("no routes") };
        assert_eq!((rib.family(), rib.prefix(), rib.sequence()), (family, prefix, 9));
        let route = rib.entries().iter().next().unwrap();
        assert_eq!(route.attributes.next_hop(family), Some(next_hop));
        assert_eq!(route.attributes.as_path().unwrap().asns().collect::<Vec<_>>(), [64512]);
        assert!(route.attributes.iter().all(|attribute| attribute.is_ok()));
    }
}

#[test]
fn ribs_keep_what_they_were_written_with() {
    // Bits beyond the prefix length, and no route at all, with path identifiers.
    let bytes = record(13, 2, "00000000 09 ffff 0000");
    let Body::Rib(rib) = decode(&bytes).body else { panic!("no routes") };
    assert_eq!(rib.prefix().to_string(), "255.128.0.0/9");
    let bytes = record(13, 8, "00000000 00 0000");
    let Body::Rib(rib) = decode(&bytes).body else { panic!("no routes") };
    assert!(rib.has_path_ids() && rib.entries().is_empty());
}

// RFC 6396 §4.3.3: a route of a family with a destination that says its own length: EVPN, type 3, which has an
// RD, an Ethernet tag and an address.
#[test]
fn generic_ribs() {
    let digits = "0003 11 0000fc0000000001 00000000 20 c0000201";
    let value = &hex(digits)[3..];
    let destination = Nlri::Evpn(Evpn::new(3, value).unwrap());
    let entry = "0003 45cf1e00 0004 40010100";
    let entry_with_id = "0003 45cf1e00 00000005 0004 40010100";
    let attributes = hex("40010100");
    let route = RibEntry::new(3, 0x45cf_1e00, PathAttributes::new(&attributes));
    let time = Timestamp::new(0x45cf_1f3c);

    let bytes = record(13, 6, &format!("00000009 {EVPN} 0001 {entry}"));
    let routes = [route];
    built(Record::new(time, Body::RibGeneric(RibGeneric::new(9, destination, &routes))), &bytes);
    let Body::RibGeneric(rib) = decode(&bytes).body else { panic!("no routes") };
    assert_eq!((rib.family(), rib.destination(), rib.sequence()), (Family::EVPN, Some(destination), 9));

    // RFC 8050 §4.2: one path identifier before the destination.
    let (family, rest) = EVPN.split_at(7);
    let bytes = record(13, 12, &format!("00000009 {family} 00000005 {rest} 0001 {entry}"));
    let rib = RibGeneric::new(9, destination, &routes).with_path_id(5);
    built(Record::new(time, Body::RibGeneric(rib)), &bytes);
    assert_eq!(rib.path_id(), Some(5));

    // GoBGP and OpenBGPD: one in each entry.
    let bytes = record(13, 12, &format!("00000009 {EVPN} 0001 {entry_with_id}"));
    let routes = [route.with_path_id(5)];
    built(Record::new(time, Body::RibGeneric(RibGeneric::new(9, destination, &routes))), &bytes);

    // Both cannot be.
    let both = RibGeneric::new(9, destination, &routes).with_path_id(5);
    let mut buf = [0; 128];
    let refused = Record::new(time, Body::RibGeneric(both)).encode(&mut buf);
    assert_eq!(refused, Err(EncodeError::MixedPathIdentifiers));
    // A family that is not typed.
    let bytes = record(13, 6, "00000009 0063 63 0102 0001");
    assert!(matches!(decode(&bytes).body, Body::Unknown(UnknownBody { subtype: 6, .. })));
}

#[test]
fn unknown_types_are_kept() {
    for (kind, subtype, body) in [
        (11, 0, "010203"),
        (12, 3, "00"),
        (13, 99, ""),
        // BGP4MP_ENTRY and BGP4MP_SNAPSHOT (RFC 6396 appendix B).
        (16, 2, "0102"),
        (16, 3, "0102"),
        (17, 99, "00000001"),
        (33, 0, "00000001 0102"),
        (49, 0, "00000001"),
        (65535, 65535, "ff"),
    ] {
        let bytes = record(kind, subtype, body);
        let Body::Unknown(unknown) = decode(&bytes).body else { panic!("{kind} {subtype}") };
        assert_eq!((unknown.kind.get(), unknown.subtype), (kind, subtype));
        let extra = if unknown.kind.has_microseconds() { 4 } else { 0 };
        assert_eq!(unknown.bytes, &hex(body)[extra..]);
        let (raw, _) = RawRecord::decode(&bytes).unwrap();
        let mut buf = vec![0; bytes.len()];
        assert_eq!(raw.encode(&mut buf), Ok(bytes.len()));
        assert_eq!((buf, raw.encoded_len()), (bytes.clone(), bytes.len()));
    }
    assert_eq!(RecordType::BGP4MP_ET.to_string(), "BGP4MP_ET");
    assert_eq!(Timestamp::new(5).with_microseconds(42).to_string(), "5.000042");
}

#[test]
fn every_error_says_where() {
    let peers = "c0000209 0000 0001 02 c0000203 c0000203 fa56";
    for (bytes, kind, offset) in [
        (hex("45cf1f3c 0010"), MrtErrorKind::Incomplete { needed: 12 }, 6),
        (hex("45cf1f3c 0010 0001 00000064 00"), MrtErrorKind::Incomplete { needed: 112 }, 13),
        (hex("45cf1f3c 0010 0001 ffffffff 00"), MrtErrorKind::Incomplete { needed: 0x1_0000_000b }, 13),
        (record(17, 1, "0000"), MrtErrorKind::Cut, 12),
        (record(16, 1, "fc00 fc01 0000 0003 c0000201"), MrtErrorKind::AddressFamily { afi: 3 }, 18),
        (record(16, 1, "fc00 fc01 0000 0001 c0000201 c00002"), MrtErrorKind::Cut, 24),
        (record(16, 0, &format!("{PEERING} 0005 0006 00")), MrtErrorKind::Trailing { len: 1 }, 32),
        (record(12, 1, "0000 0000 0a000000 21"), MrtErrorKind::PrefixLength { len: 33 }, 20),
        (record(13, 2, "00000000 21 0a00000000 0000"), MrtErrorKind::PrefixLength { len: 33 }, 16),
        (record(13, 4, "00000000 81 0a00000000"), MrtErrorKind::Cut, 17),
        (record(13, 2, "00000000 08 0a 0002 0000 45cf1e00 0000 0001"), MrtErrorKind::Cut, 28),
        (record(13, 1, peers), MrtErrorKind::Cut, 20),
        (record(13, 6, "00000009 0001 01 21 0a000000"), MrtErrorKind::Destination, 19),
        (record(13, 12, "00000009 0001 01 00000001 21 0a000000"), MrtErrorKind::Destination, 23),
    ] {
        assert_eq!(refused(&bytes), (kind, offset));
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut buf = [0; 70_000];
    let mut encode = |time, body| Record::new(time, body).encode(&mut buf);
    let time = Timestamp::new(0);
    let mixed = Peering::new(1, [192, 0, 2, 1].into(), 2, "::1".parse().unwrap());
    let change = StateChange::new(mixed, State::IDLE, State::CONNECT);
    assert_eq!(encode(time, Body::StateChange(change)), Err(EncodeError::MixedAddresses));
    let wide = SessionMessage::new(peering_as4(), MessageForm::RECEIVED.two_octet_as(), &[]);
    assert_eq!(encode(time, Body::Message(wide)), Err(EncodeError::AsNeedsFourOctets { asn: 4_200_000_001 }));
    let net = "10.0.0.0/8".parse().unwrap();
    let none = PathAttributes::new(&[]);
    let dump = TableDump::new(net, 0, "::1".parse().unwrap(), 1, none);
    assert_eq!(encode(time, Body::TableDump(dump)), Err(EncodeError::MixedAddresses));
    let routes = [RibEntry::new(0, 0, none), RibEntry::new(0, 0, none).with_path_id(1)];
    let rib = Body::Rib(Rib::unicast(0, net, &routes));
    assert_eq!(encode(time, rib), Err(EncodeError::MixedPathIdentifiers));
    assert_eq!(encode(time.with_microseconds(1), rib), Err(EncodeError::WrongTime));
    let unknown = Body::Unknown(UnknownBody::new(RecordType::ISIS_ET, 0, &[]));
    assert_eq!(encode(time, unknown), Err(EncodeError::WrongTime));
    let long = vec![0; 65_536];
    let routes = [RibEntry::new(0, 0, PathAttributes::new(&long))];
    assert_eq!(encode(time, Body::Rib(Rib::unicast(0, net, &routes))), Err(EncodeError::ValueTooLong));
}

#[test]
fn attributes_of_routes_are_written_and_read() {
    let next_hop = hex("10 20010db8000000000000000000000001");
    let reach = RawAttribute::new(AttributeFlags::OPTIONAL, AttributeCode::MP_REACH, &next_hop);
    let path = [64512, 4_200_000_001];
    let written = [
        Attribute::Origin(Origin::EGP),
        Attribute::AsPath(AsPath::sequence(&path)),
        Attribute::Unknown(reach),
    ];
    let mut buf = [0; 64];
    let attributes = PathAttributes::encode(&written.map(Into::into), &mut buf).unwrap();
    assert!(attributes.iter().map(Result::unwrap).eq(written));
    assert_eq!(attributes.raw().count(), 3);
    let found = attributes.next_hop(Family::IPV6_UNICAST).unwrap();
    assert_eq!(found.address().to_string(), "2001:db8::1");
    assert_eq!(attributes.aggregator(), None);
    // A second MP_REACH_NLRI is an error like any second attribute; what follows is read.
    let twice = hex("800e05 04 c0000201 800e05 04 c0000202 40010100");
    let twice = PathAttributes::new(&twice);
    assert_eq!(twice.iter().map(|attribute| attribute.is_ok()).collect::<Vec<_>>(), [true, false, true]);
    // RFC 6793 §4.2.3: in TABLE_DUMP, AS4_PATH and AS4_AGGREGATOR know better.
    let old = hex("4002060202 fc00 5ba0 c01106 0201 fa56ea01 c00706 5ba0 c0000201 c01208 fa56ea01 c0000202");
    let old = PathAttributes::two_octet_as(&old);
    assert!(old.as_path().unwrap().asns().eq(path));
    assert_eq!(old.aggregator().unwrap().asn, 4_200_000_001);
}
