//! Routes in and out: what is accepted, what is told to whom, and with which attributes.

mod bench;

use core::net::Ipv4Addr;

use bench::{Bench, OUR_AS, OUR_ID, address, announce, config, good_open, message, net, secs, simple, wide};
use ipnet::IpNet;
use tortie_bgp_speaker::wire::{
    AsPath, Attribute, AttributeCode, AttributeFlags, Communities, Community, ErrorCode, Family, KEEPALIVE,
    Message, Origin, RawAttribute, RouteRefresh,
};
use tortie_bgp_speaker::{Config, Event, LocalRoute, PeerConfig, SessionState, Source};

#[test]
fn errors_in_updates_reset_or_not() {
    let reset = |bytes: &[u8], code: ErrorCode, data: &[u8]| {
        let mut b = Bench::new();
        let (id, connection) = b.establish(1, OUR_AS);
        b.feed(connection, &simple(&[64900], &["10.9.0.0/16"]));
        assert_eq!(b.speaker.routes().count(), 1);
        b.feed(connection, bytes);
        b.expect_notification(connection, code, data);
        assert_eq!(b.speaker.routes().count(), 0, "its routes are gone");
        assert_eq!(b.speaker.peer(id).unwrap().prefixes, 0);
        assert!(b.events.iter().any(|event| matches!(event, Event::SessionDown { .. })));
    };
    reset(&message(2, &[0, 9, 0, 0]), ErrorCode::MALFORMED_ATTRIBUTE_LIST, &[]);
    reset(&message(2, &[0, 2, 40, 1, 0, 0]), ErrorCode::INVALID_NETWORK, &[]);
    let unknown = message(
        2,
        &[&[0, 0, 0, 17][..], &[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 0, 77, 0x40, 99, 0], &[8, 11]]
            .concat(),
    );
    reset(&unknown, ErrorCode::UNRECOGNIZED_WELL_KNOWN, &[0x40, 99, 0]);
    reset(&good_open(1, OUR_AS), ErrorCode::FSM_ESTABLISHED, &[]);
    let refresh = message(5, &[0, 1, 0]);
    reset(&refresh, ErrorCode::REFRESH_LENGTH, &refresh);

    // Treat-as-withdraw: the session lives, the route it announces again does not.
    let mut b = Bench::new();
    let (id, connection) = b.establish(1, OUR_AS);
    b.feed(connection, &simple(&[64900], &["10.9.0.0/16", "10.8.0.0/16"]));
    let mut bad = simple(&[64900], &["10.9.0.0/16"]);
    bad[26] = 7; // ORIGIN
    b.feed(connection, &bad);
    assert_eq!(b.state(id), SessionState::Established);
    assert_eq!(b.speaker.routes().map(|route| route.prefix).collect::<Vec<_>>(), [net("10.8.0.0/16")]);
    let status = b.speaker.peer(id).unwrap();
    assert_eq!((status.stats.treated_as_withdraw, status.prefixes), (1, 1));
    b.feed(connection, &bad);
    let told = b.events.iter().filter(|event| matches!(event, Event::UpdateError { .. })).count();
    assert_eq!(told, 1, "once a session");
    // Attribute discard: AGGREGATOR of the wrong length.
    let tail = [0xc0, 7, 1, 0];
    let attributes = [&[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 0, 77][..], &tail].concat();
    b.feed(connection, &message(2, &[&[0, 0, 0, 18][..], &attributes, &[8, 11]].concat()));
    let route = b.speaker.best(net("11.0.0.0/8")).unwrap();
    assert_eq!(route.attributes.aggregator(), None);
    assert_eq!(b.speaker.peer(id).unwrap().stats.attributes_discarded, 1);
}

#[test]
fn loops_and_impossible_next_hops_are_not_accepted_and_replace_what_was() {
    let mut b = Bench::new();
    let (id, connection) = b.establish(1, 64900);
    let p = net("10.9.0.0/16");
    let bad: [&dyn Fn() -> Vec<u8>; 5] = [
        &|| simple(&[64900, OUR_AS], &["10.9.0.0/16"]),
        &|| {
            announce(
                &[Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&[64900]))],
                [10, 0, 0, 5],
                &["10.9.0.0/16"],
            )
        },
        &|| {
            announce(
                &[Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&[64900]))],
                [0, 0, 0, 0],
                &["10.9.0.0/16"],
            )
        },
        &|| {
            announce(
                &[Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&[64900]))],
                [224, 0, 0, 1],
                &["10.9.0.0/16"],
            )
        },
        // A segment of a confederation: 0301 0000fc84.
        &|| {
            message(
                2,
                &[
                    &[
                        0, 0, 0, 20, 0x40, 1, 1, 0, 0x40, 2, 6, 3, 1, 0, 0, 0xfd, 0x84, 0x40, 3, 4, 10, 0, 0,
                        77,
                    ][..],
                    &[16, 10, 9],
                ]
                .concat(),
            )
        },
    ];
    for (i, bad) in bad.iter().enumerate() {
        b.feed(connection, &simple(&[64900], &["10.9.0.0/16"]));
        assert!(b.speaker.best(p).is_some());
        b.feed(connection, &bad());
        assert_eq!(b.speaker.best(p), None, "case {i}");
        assert_eq!(b.state(id), SessionState::Established);
        let status = b.speaker.peer(id).unwrap();
        assert_eq!((status.prefixes, status.stats.routes_rejected), (0, u64::try_from(i + 1).unwrap()));
    }
    // From an internal peer: our identifier as the originator (RFC 4456 §8).
    let mut b = Bench::new();
    let (_, connection) = b.establish(1, OUR_AS);
    let ours =
        [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::EMPTY), Attribute::OriginatorId(OUR_ID)];
    b.feed(connection, &announce(&ours, [10, 0, 0, 77], &["10.9.0.0/16"]));
    assert_eq!(b.speaker.best(p), None);
}

#[test]
fn attributes_on_the_way_out() {
    let mut b = Bench::with(Config::new(OUR_AS, OUR_ID).local_pref(2_147_482_623));
    let (_, internal) = b.establish(1, OUR_AS);
    let (_, external) = b.establish(2, 64900);
    let (_, third) = b.establish(3, 64901);
    let only = |b: &mut Bench, connection| {
        let messages = b.taken(connection);
        assert!(messages.len() <= 1, "{messages:?}");
        messages.into_iter().next()
    };
    let attributes = |bytes: &[u8]| {
        let Message::Update(update) = Message::decode(bytes, &wide()).unwrap().0 else { panic!("no UPDATE") };
        assert_eq!(update.disposition(), None);
        update.attributes().map(|attribute| format!("{:?}", attribute.unwrap())).collect::<Vec<_>>()
    };
    // Our own prefix.
    b.speaker
        .announce_with(net("10.1.0.0/16"), LocalRoute::new().med(7).communities(vec![Community::of(1, 2)]));
    b.drain();
    let hop = "NextHop(10.0.0.5)";
    let sent = attributes(&only(&mut b, internal).unwrap());
    assert_eq!(
        sent,
        [
            "Origin(Origin(0))",
            "AsPath(AsPath())",
            hop,
            "Med(7)",
            "LocalPref(2147482623)",
            "Communities([Community(65538)])"
        ]
    );
    let sent = attributes(&only(&mut b, external).unwrap());
    assert_eq!(
        sent,
        ["Origin(Origin(0))", "AsPath(AsPath(64512))", hop, "Med(7)", "Communities([Community(65538)])"]
    );
    only(&mut b, third);
    // A route from an external peer: MED, LOCAL_PREF, cluster things stay or go; unknown transitive ones get the Partial bit.
    let value = [1, 2, 3];
    let raw = |flags, code| {
        Attribute::Unknown(RawAttribute::new(AttributeFlags::new(flags), AttributeCode::new(code), &value))
    };
    let list = [
        Attribute::Origin(Origin::EGP),
        Attribute::AsPath(AsPath::sequence(&[64900, 5])),
        Attribute::Med(9),
        Attribute::AtomicAggregate,
        raw(0xc0, 99),
        raw(0x80, 98),
    ];
    b.feed(external, &announce(&list, [10, 0, 0, 2], &["10.2.0.0/16"]));
    let unknown =
        "Unknown(RawAttribute { flags: AttributeFlags(224), code: AttributeCode(99), value: [1, 2, 3] })";
    let sent = attributes(&only(&mut b, internal).unwrap());
    let expected = [
        "Origin(Origin(1))",
        "AsPath(AsPath(64900 5))",
        hop,
        "Med(9)",
        "LocalPref(2147482623)",
        "AtomicAggregate",
        unknown,
    ];
    assert_eq!(sent, expected);
    let sent = attributes(&only(&mut b, third).unwrap());
    assert_eq!(sent, ["Origin(Origin(1))", "AsPath(AsPath(64512 64900 5))", hop, "AtomicAggregate", unknown]);
    assert_eq!(only(&mut b, external), None, "not back to where it came from");
    // A route from an internal peer goes to external ones alone.
    let list = [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::EMPTY), Attribute::LocalPref(5)];
    let (_, internal2) = b.establish(4, OUR_AS);
    b.feed(internal, &announce(&list, [10, 0, 0, 1], &["10.3.0.0/16"]));
    assert_eq!(only(&mut b, internal2), None);
    let sent = attributes(&only(&mut b, third).unwrap());
    assert_eq!(sent, ["Origin(Origin(0))", "AsPath(AsPath(64512))", hop]);
    only(&mut b, external);
    // RFC 1997.
    for (community, inside, outside) in [
        (Community::NO_EXPORT, true, false),
        (Community::NO_EXPORT_SUBCONFED, true, false),
        (Community::NO_ADVERTISE, false, false),
        (Community::of(1, 1), true, true),
    ] {
        let communities = [community];
        let list = [
            Attribute::Origin(Origin::IGP),
            Attribute::AsPath(AsPath::sequence(&[64900])),
            Attribute::Communities(Communities::list(&communities)),
        ];
        b.feed(external, &announce(&list, [10, 0, 0, 2], &["10.4.0.0/16"]));
        assert_eq!(only(&mut b, internal).is_some(), inside, "{community}");
        assert_eq!(only(&mut b, third).is_some(), outside, "{community}");
        b.feed(external, &message(2, &[0, 3, 16, 10, 4, 0, 0]));
        b.taken(internal);
        b.taken(third);
    }
}

#[test]
fn a_family_without_next_hop_is_not_sent() {
    let mut b = Bench::new();
    let only4 = PeerConfig::new(address(1), OUR_AS).next_hop4(OUR_ID);
    let (id, connection) = b.accept(only4.clone());
    b.feed(connection, &good_open(1, OUR_AS));
    b.feed(connection, &KEEPALIVE);
    b.speaker.announce(net("10.1.0.0/16"));
    b.speaker.announce(net("fd01::/64"));
    b.drain();
    assert_eq!(b.speaker.routes_to(id).collect::<Vec<_>>(), [net("10.1.0.0/16")]);
    // With one, it is; and without again, it is withdrawn.
    let both = only4.clone().passive(true).next_hop6("fd00::5".parse().unwrap());
    b.speaker.change_peer(id, both, b.now).unwrap();
    b.drain();
    assert_eq!(b.speaker.routes_to(id).count(), 2);
    b.taken(connection);
    b.speaker.change_peer(id, only4.passive(true), b.now).unwrap();
    b.drain();
    assert_eq!(b.speaker.routes_to(id).count(), 1);
    let bytes = b.taken(connection).pop().unwrap();
    let Message::Update(update) = Message::decode(&bytes, &wide()).unwrap().0 else { panic!("no UPDATE") };
    assert_eq!(
        update.withdrawals().map(|nlri| nlri.prefix().unwrap()).collect::<Vec<_>>(),
        [net("fd01::/64")]
    );
}

#[test]
fn route_refresh_sends_the_family_again() {
    let mut b = Bench::new();
    b.speaker.announce(net("10.1.0.0/16"));
    b.speaker.announce(net("fd01::/64"));
    let (_, connection) = b.establish(1, OUR_AS);
    let mut bytes = [0; 23];
    RouteRefresh::new(Family::IPV6_UNICAST).encode(&mut bytes).unwrap();
    b.feed(connection, &bytes);
    let again = b.taken(connection);
    assert_eq!(again.len(), 1);
    let Message::Update(update) = Message::decode(&again[0], &wide()).unwrap().0 else { panic!("no UPDATE") };
    assert_eq!(
        update.announcements().map(|nlri| nlri.prefix().unwrap()).collect::<Vec<_>>(),
        [net("fd01::/64")]
    );
}

#[test]
fn too_many_prefixes_end_the_session() {
    let mut b = Bench::new();
    let (id, connection) = b.accept(config(1, OUR_AS).prefix_limit(3));
    b.feed(connection, &good_open(1, OUR_AS));
    b.feed(connection, &KEEPALIVE);
    b.feed(connection, &simple(&[1], &["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]));
    b.feed(connection, &simple(&[2], &["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]));
    assert_eq!(b.speaker.peer(id).unwrap().prefixes, 3, "the same prefixes count once");
    b.feed(connection, &simple(&[1], &["10.4.0.0/16"]));
    b.expect_notification(connection, ErrorCode::MAXIMUM_PREFIXES, &[0, 1, 1, 0, 0, 0, 3]);
    assert_eq!(b.speaker.routes().count(), 0);
}

#[test]
fn a_slow_peer_costs_itself_alone() {
    let mut b = Bench::new();
    let (slow_id, slow) = b.establish(1, OUR_AS);
    let (_, quick) = b.establish(2, OUR_AS);
    b.speaker.blocked(slow, b.now);
    let mut told = 0;
    for round in 0..50_u32 {
        for i in 0..100 {
            let prefix = IpNet::V4(ipnet::Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + i * 256), 24).unwrap());
            if round % 2 == 0 { b.speaker.announce(prefix) } else { assert!(b.speaker.withdraw(prefix)) }
        }
        b.drain();
        told += b.taken(quick).len();
        assert!(b.taken(slow).is_empty());
    }
    assert_eq!(told, 50, "one message a round");
    b.speaker.announce(net("10.9.9.0/24"));
    b.drain();
    b.speaker.writable(slow);
    b.drain();
    // Fifty rounds are over: all that is left to say is the last prefix.
    let messages = b.taken(slow);
    assert_eq!(messages.len(), 1);
    assert_eq!(b.speaker.routes_to(slow_id).collect::<Vec<_>>(), [net("10.9.9.0/24")]);
    // RFC 9687: who takes nothing for eight minutes is given up.
    b.speaker.blocked(slow, b.now);
    for _ in 0..16 {
        b.feed(slow, &KEEPALIVE);
        b.feed(quick, &KEEPALIVE);
        b.pass(secs(30));
    }
    b.expect_notification(slow, ErrorCode::SEND_HOLD_TIMER_EXPIRED, &[]);
    assert!(!b.closed.contains(&quick));
}

#[test]
fn attributes_that_leave_no_room_withdraw_the_prefix() {
    let mut b = Bench::new();
    let (_, from) = b.establish(1, 64900);
    let (to_id, to) = b.establish(2, 64901);
    let p = net("10.9.0.0/16");
    b.feed(from, &simple(&[64900], &["10.9.0.0/16"]));
    assert_eq!(b.speaker.routes_to(to_id).count(), 1);
    // 1011 numbers fit a message as it comes in, with our own in front they do not.
    let path: Vec<u32> = (0..1011).map(|i| 64900 + i).filter(|n| *n != OUR_AS).collect();
    b.feed(from, &simple(&path, &["10.9.0.0/16"]));
    assert!(b.speaker.best(p).is_some());
    assert_eq!(b.speaker.routes_to(to_id).count(), 0);
    let last = b.taken(to).pop().unwrap();
    let Message::Update(update) = Message::decode(&last, &wide()).unwrap().0 else { panic!("no UPDATE") };
    assert_eq!(update.withdrawals().count(), 1);
    assert_eq!(b.speaker.peer(to_id).unwrap().stats.routes_unsendable, 1);
}

#[test]
fn best_routes_come_and_go_with_sessions() {
    let mut b = Bench::new();
    let (_, long) = b.establish(1, 64900);
    let (short_id, short) = b.establish(2, 64901);
    let p = net("10.9.0.0/16");
    b.feed(long, &simple(&[64900, 7], &["10.9.0.0/16"]));
    b.feed(short, &simple(&[64901], &["10.9.0.0/16"]));
    assert_eq!(b.speaker.best(p).unwrap().source, Source::Peer(short_id));
    b.speaker.announce(p);
    assert_eq!(b.speaker.best(p).unwrap().source, Source::Local);
    assert!(b.speaker.withdraw(p));
    assert!(!b.speaker.withdraw(p));
    b.speaker.closed(short, b.now);
    b.drain();
    assert_eq!(b.speaker.best(p).unwrap().attributes.as_path().to_string(), "64900 7");
    b.speaker.set_announcements([(p, LocalRoute::new()), (net("10.7.7.7/8"), LocalRoute::new())]);
    b.speaker.set_announcements([(net("10.0.0.0/8"), LocalRoute::new())]);
    let own: Vec<_> = b.speaker.routes_from(Source::Local).map(|route| route.prefix).collect();
    assert_eq!(own, [net("10.0.0.0/8")]);
}
