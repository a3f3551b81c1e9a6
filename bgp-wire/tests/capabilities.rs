//! Every capability, what two sides make of them, filters in ROUTE-REFRESH, and long messages.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use proptest::prelude::*;
use support::{config, hex, message};
use tortie_bgp_wire::{
    AddPath, Afi, Capability, CapabilityCode, DecodeErrorKind, EXTENDED_MAX_LEN, EncodeError, ErrorCode,
    ExtendedNextHop, Family, FamilySet, FilterAction, FilterGroup, Fqdn, Framer, GracefulRestart, Header,
    HoldTime, LongLivedRestart, Message, Notification, Open, PathsLimit, PrefixFilter, RawCapability,
    Records, RefreshFilters, RestartFamily, Role, RouteFiltering, RouteRefresh, Session,
};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

/// The only capability of an OPEN that is read from these octets.
fn read(octets: &[u8]) -> Result<String, DecodeErrorKind> {
    let len = u8::try_from(octets.len()).unwrap();
    let body = [&[4, 0xfc, 0, 0, 90, 10, 0, 0, 1, len + 2, 2, len][..], octets].concat();
    let bytes = message(1, &body);
    let (message, _) = Message::decode(&bytes, &Session::default()).map_err(|error| error.kind())?;
    let Message::Open(open) = message else { panic!("no OPEN") };
    let list: Vec<_> = open.capabilities().iter().collect();
    assert_eq!(list.len(), 1);
    let mut buf = [0; 300];
    let written = list[0].encode(&mut buf).unwrap();
    assert_eq!(&buf[..written], octets, "written as it was read");
    assert_eq!(written, list[0].encoded_len());
    assert_eq!(list[0].encode(&mut buf[..written - 1]), Err(EncodeError::BufferTooSmall));
    Ok(format!("{:?}", list[0]))
}

#[test]
fn every_capability() {
    let filtering = hex("0001 00 01 02 4003 8001  0002 00 01 00");
    let rows: &[(Capability<'_>, &str)] = &[
        (Capability::Multiprotocol(V6), "01 04 0002 00 01"),
        (Capability::RouteRefresh, "02 00"),
        (
            Capability::RouteFiltering(RouteFiltering::from_wire(&filtering).unwrap()),
            "03 0e 0001 00 01 02 4003 8001 0002 00 01 00",
        ),
        (
            Capability::ExtendedNextHop(Records::list(const { &[ExtendedNextHop::new(V4, Afi::IPV6)] })),
            "05 06 0001 0001 0002",
        ),
        (Capability::ExtendedMessage, "06 00"),
        (Capability::Role(Role::CUSTOMER), "09 01 03"),
        (
            Capability::GracefulRestart(
                GracefulRestart::new(
                    120,
                    Records::list(const { &[RestartFamily::new(V4, true), RestartFamily::new(V6, false)] }),
                )
                .with_notification(),
            ),
            "40 0a 4078 0001 01 80 0002 01 00",
        ),
        (
            Capability::GracefulRestart(GracefulRestart::new(4095, Records::list(&[])).with_restarted()),
            "40 02 8fff",
        ),
        (Capability::FourOctetAs(4_200_000_001), "41 04 fa56ea01"),
        (
            Capability::AddPath(Records::list(const { &[AddPath::new(V6, AddPath::BOTH)] })),
            "45 04 0002 01 03",
        ),
        (Capability::EnhancedRefresh, "46 00"),
        (
            Capability::LongLivedRestart(Records::list(const { &[LongLivedRestart::new(V4, 0x80, 86_400)] })),
            "47 07 0001 01 80 015180",
        ),
        (Capability::Fqdn(Fqdn::new(b"r1", b"lab")), "49 07 02 7231 03 6c6162"),
        (Capability::SoftwareVersion(b"x 1"), "4b 04 03 782031"),
        (Capability::PathsLimit(Records::list(const { &[PathsLimit::new(V4, 4)] })), "4c 05 0001 01 0004"),
        (Capability::LinkLocalNextHop, "4d 00"),
        (Capability::Unknown(RawCapability::new(CapabilityCode::new(200), &[7])), "c8 01 07"),
    ];
    for (capability, text) in rows {
        let mut buf = [0; 64];
        let len = capability.encode(&mut buf).unwrap();
        assert_eq!(&buf[..len], hex(text), "{capability:?}");
        assert_eq!(read(&buf[..len]), Ok(format!("{capability:?}")));
    }
    let offers: Vec<_> = RouteFiltering::from_wire(&filtering).unwrap().offers().collect();
    let offers: Vec<_> = offers.iter().map(|offer| (offer.family, offer.kind, offer.mode)).collect();
    assert_eq!(offers, [(V4, 64, 3), (V4, 128, 1)]);
}

#[test]
fn a_capability_of_another_form_is_not_understood() {
    for text in [
        "03 04 0001 00 01",
        "03 05 0001 00 01 01",
        "05 05 0001 0001 00",
        "06 01 00",
        "09 00",
        "40 01 00",
        "40 05 0078 000101",
        "45 03 0001 01",
        "46 01 00",
        "47 06 0001 01 00 0000",
        "49 02 02 61",
        "49 01 00",
        "49 03 00 02 61",
        "4b 00",
        "4b 02 03 61",
        "4c 04 0001 01 00",
        "4d 01 00",
    ] {
        assert!(read(&hex(text)).unwrap().starts_with("Unknown"), "{text}");
    }
    // Nobody gets these wrong.
    for (code, text) in [(1, "01 03 0001 00"), (2, "02 01 00"), (65, "41 02 fc00")] {
        assert_eq!(read(&hex(text)), Err(DecodeErrorKind::MalformedCapability { code }));
    }
}

fn open<'a>(asn: u32, capabilities: &'a [Capability<'a>]) -> Open<'a> {
    Open::new(asn, HoldTime::DEFAULT, [10, 0, 0, 1].into(), capabilities)
}

#[test]
fn what_both_sides_can() {
    let gr = |notification| {
        let restart = GracefulRestart::new(60, Records::list(&[]));
        Capability::GracefulRestart(if notification { restart.with_notification() } else { restart })
    };
    let all = [
        Capability::Multiprotocol(V4),
        Capability::ExtendedMessage,
        Capability::EnhancedRefresh,
        gr(true),
        Capability::LongLivedRestart(Records::list(&[])),
        Capability::LinkLocalNextHop,
        Capability::ExtendedNextHop(Records::list(
            const { &[ExtendedNextHop::new(V4, Afi::IPV6), ExtendedNextHop::new(V6, Afi::IPV6)] },
        )),
        Capability::Role(Role::PROVIDER),
        Capability::AddPath(Records::list(const { &[AddPath::new(V4, 2), AddPath::new(V6, 3)] })),
    ];
    let session = Session::negotiate(&open(1, &all), &open(1, &all));
    assert!(session.extended_message && session.enhanced_refresh && session.link_local_next_hop);
    assert!(session.graceful_restart && session.notification_restart && session.long_lived_restart);
    assert_eq!(session.ipv6_next_hops, FamilySet::IPV4, "of the families that are carried");
    assert!(!session.roles_agree(), "two providers");
    assert_eq!((session.add_path_send, session.add_path_receive), (FamilySet::EMPTY, FamilySet::EMPTY));
    assert_eq!(session.max_len(), 65535);

    // Without the one, nothing of the other.
    for i in 1..all.len() {
        let mut fewer = all.to_vec();
        fewer.remove(i);
        let session = Session::negotiate(&open(1, &all), &open(1, &fewer));
        let facts = [
            session.extended_message,
            session.enhanced_refresh,
            session.graceful_restart && session.notification_restart,
            session.long_lived_restart,
            session.link_local_next_hop,
            !session.ipv6_next_hops.is_empty(),
        ];
        for (fact, j) in facts.into_iter().zip(1..) {
            let needs_restart = j == 4 && i == 3;
            assert_eq!(fact, j != i && !needs_restart, "capability {i} is missing, fact {j}");
        }
    }
    let session = Session::negotiate(&open(1, &[gr(true)]), &open(1, &[gr(false)]));
    assert!(session.graceful_restart && !session.notification_restart);
    // RFC 4724 §3: the last of several counts.
    let session = Session::negotiate(&open(1, &[gr(false), gr(true)]), &open(1, &[gr(true)]));
    assert!(session.notification_restart);
}

#[test]
fn paths_have_a_direction() {
    let families = [Capability::Multiprotocol(V4), Capability::Multiprotocol(V6)];
    let with =
        |list: &'static [AddPath]| [families[0], families[1], Capability::AddPath(Records::list(list))];
    const OURS: &[AddPath] = &[AddPath::new(V4, AddPath::SEND), AddPath::new(V6, AddPath::BOTH)];
    const THEIRS: &[AddPath] = &[AddPath::new(V4, AddPath::BOTH), AddPath::new(V6, AddPath::SEND)];
    // RFC 7911 §4: another value is ignored.
    const ODD: &[AddPath] = &[AddPath::new(V4, 4), AddPath::new(V6, 0)];
    let negotiate = |a, b| {
        let session = Session::negotiate(&open(1, &with(a)), &open(1, &with(b)));
        (session.add_path_send, session.add_path_receive)
    };
    let v6 = FamilySet::EMPTY.with(V6);
    assert_eq!(negotiate(OURS, THEIRS), (FamilySet::IPV4, v6));
    assert_eq!(negotiate(THEIRS, OURS), (v6, FamilySet::IPV4));
    assert_eq!(negotiate(OURS, ODD), (FamilySet::EMPTY, FamilySet::EMPTY));
}

#[test]
fn roles_that_belong_together() {
    // RFC 9234 §4.2, table 2.
    let good = [(0, 3), (3, 0), (1, 2), (2, 1), (4, 4)];
    for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
        let (ours, theirs) = ([Capability::Role(Role::new(a))], [Capability::Role(Role::new(b))]);
        let session = Session::negotiate(&open(1, &ours), &open(2, &theirs));
        assert_eq!(session.roles_agree(), good.contains(&(a, b)), "{a} {b}");
        assert!(Session::negotiate(&open(1, &ours), &open(2, &[])).roles_agree(), "the other has none");
    }
}

#[test]
fn filters_as_the_rfc_draws_them() {
    // RFC 5292 §3: add, sequence 5, permit, 16 to 24, 10.0.0.0/8; remove deny; remove all. Then a group of another type.
    let body =
        hex("0001 00 01  01  40 0016  00 00000005 10 18 08 0a  60 00000006 00 00 0c 0aff  80  81 0001 ff");
    let body = [&body[..6], &0x14_u16.to_be_bytes(), &body[8..]].concat();
    let bytes = message(5, &body);
    let (Message::RouteRefresh(refresh), _) = Message::decode(&bytes, &Session::default()).unwrap() else {
        panic!("no ROUTE-REFRESH")
    };
    let filters = refresh.filters().unwrap();
    assert_eq!((refresh.family(), refresh.subtype(), filters.when()), (V4, 0, RefreshFilters::IMMEDIATE));
    let groups: Vec<_> = filters.groups().collect();
    assert_eq!(groups.iter().map(|g| (g.kind(), g.bytes().len())).collect::<Vec<_>>(), [(64, 20), (129, 1)]);
    let permit = PrefixFilter::new(5, true, "10.0.0.0/8".parse().unwrap()).with_lengths(16, 24);
    // Bits beyond the length are cleared.
    let deny = PrefixFilter::new(6, false, "10.240.0.0/12".parse().unwrap());
    let want = [FilterAction::Add(permit), FilterAction::Remove(deny), FilterAction::RemoveAll];
    assert_eq!(groups[0].prefixes(V4).collect::<Vec<_>>(), want);
    assert_eq!(groups[1].prefixes(V4).count(), 0);
    let mut buf = [0; 64];
    assert_eq!(refresh.encode(&mut buf), Ok(bytes.len()));
    assert_eq!(&buf[..bytes.len()], bytes);
    // Lengths that do not add up.
    for cut in ["0001 00 01 01 40", "0001 00 01 01 40 0002 80", "0001 01 01 01"] {
        let error = Message::decode(&message(5, &hex(cut)), &Session::default()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (DecodeErrorKind::RefreshLength, ErrorCode::REFRESH_LENGTH));
    }
}

#[test]
fn long_messages_need_an_agreement() {
    let mut session = Session::default();
    let data = vec![7; 60_000];
    let notification = Message::Notification(Notification::new(ErrorCode::CEASE, &data));
    let mut buf = vec![0; EXTENDED_MAX_LEN];
    assert_eq!(notification.encode(&mut buf, &session), Err(EncodeError::MessageTooLong { max: 4096 }));
    session.extended_message = true;
    let len = notification.encode(&mut buf, &session).unwrap();
    let bytes = &buf[..len];
    assert_eq!(Message::decode(bytes, &session).unwrap().0, notification);
    let kind = DecodeErrorKind::BadMessageLength { len: 60_021 };
    assert_eq!(Message::decode(bytes, &Session::default()).unwrap_err().kind(), kind);
    // RFC 8654 §3: not for OPEN and KEEPALIVE.
    for kind in [1, 4] {
        let long = message(kind, &[0; 5000]);
        assert_eq!(
            Header::decode_in(&long, &session).unwrap_err().kind(),
            DecodeErrorKind::BadMessageLength { len: 5019 }
        );
    }

    let mut framer = Framer::extended();
    assert_eq!(framer.next(bytes).unwrap_err().kind(), kind, "not before the OPENs");
    let mut framer = Framer::extended();
    framer.established(&session);
    let (head, tail) = bytes.split_at(50_000);
    assert_eq!(framer.next(head), Ok((None, &[][..])));
    assert_eq!(framer.held(), 50_000);
    assert_eq!(framer.next(tail), Ok((Some(bytes), &[][..])));
    // One that cannot hold more does not take more.
    let mut framer = Framer::new();
    framer.established(&session);
    assert_eq!(framer.next(bytes).unwrap_err().kind(), kind);
}

proptest! {
    #![proptest_config(config(500))]

    /// Any value of any capability is read, and written as it was, or is an error of the three that have one.
    #[test]
    fn any_capability(code in prop_oneof![0..80u8, any::<u8>()], value in prop::collection::vec(any::<u8>(), 0..40)) {
        let octets = [&[code, u8::try_from(value.len()).unwrap()][..], &value].concat();
        if let Err(kind) = read(&octets) {
            prop_assert_eq!(kind, DecodeErrorKind::MalformedCapability { code });
        }
    }

    #[test]
    fn any_filters(
        list in prop::collection::vec((0..3u8, any::<u32>(), any::<bool>(), any::<u128>(), 0..=128u8, any::<[u8; 2]>()), 0..8),
        v6: bool,
        when: u8,
    ) {
        let actions: Vec<_> = list.iter().map(|&(action, sequence, permit, bits, len, [shortest, longest])| {
            let address = if v6 { core::net::IpAddr::from(bits.to_be_bytes()) } else { core::net::IpAddr::from(sequence.to_be_bytes()) };
            let prefix = ipnet::IpNet::new(address, if v6 { len } else { len % 33 }).unwrap().trunc();
            let filter = PrefixFilter::new(sequence, permit, prefix).with_lengths(shortest, longest);
            match action { 0 => FilterAction::Add(filter), 1 => FilterAction::Remove(filter), _ => FilterAction::RemoveAll }
        }).collect();
        let family = if v6 { V6 } else { V4 };
        let mut buf = [0; 400];
        let groups = FilterGroup::encode_prefixes(&actions, &mut buf).unwrap();
        let refresh = RouteRefresh::new(family).with_filters(RefreshFilters::from_wire(when, groups).unwrap());
        let mut out = [0; 500];
        let len = refresh.encode(&mut out).unwrap();
        prop_assert_eq!(len, refresh.encoded_len());
        let (Message::RouteRefresh(again), _) = Message::decode(&out[..len], &Session::default()).unwrap() else { panic!() };
        prop_assert_eq!(again, refresh);
        let read: Vec<_> = again.filters().unwrap().groups().flat_map(|group| group.prefixes(family)).collect();
        prop_assert_eq!(read, actions);
    }
}
