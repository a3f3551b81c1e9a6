//! One speaker and a scripted peer: what is answered to what, and when.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod sim;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use ipnet::IpNet;
use sim::{Rng, cases, secs};
use tortie_bgp_speaker::wire::{
    AsPath, Attribute, Capability, Community, ErrorCode, Family, HoldTime, KEEPALIVE, Message, NextHop, Open,
    Origin, RawCapability, RouteRefresh, Session, UpdateBuilder,
};
use tortie_bgp_speaker::wire::{CapabilityCode, Communities};
use tortie_bgp_speaker::{
    Config, ConnectionId, DownReason, Event, LocalRoute, Output, PeerConfig, PeerError, PeerId, Refusal,
    SessionState, Source, Speaker,
};

const OUR_AS: u32 = 64512;
const OUR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

/// Random streams of [`garbage_ends_one_session_and_no_other`].
const GARBAGE: u64 = 300;

/// A speaker, its clock, and what it has written to each connection.
struct Bench {
    speaker: Speaker,
    now: Duration,
    connects: Vec<ConnectionId>,
    closed: Vec<ConnectionId>,
    sent: Vec<(ConnectionId, Vec<u8>)>,
    events: Vec<Event>,
}

fn address(i: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, i).into()
}

fn config(i: u8, asn: u32) -> PeerConfig {
    PeerConfig::new(address(i), asn).next_hop4(OUR_ID).next_hop6("fd00::5".parse().unwrap())
}

/// A session with four-octet AS numbers.
fn wide() -> Session {
    let mut session = Session::default();
    session.four_octet_as = true;
    session
}

fn open_of(asn: u32, id: Ipv4Addr, hold: u16, capabilities: &[Capability<'_>]) -> Vec<u8> {
    let open = Open::new(asn, HoldTime::new(hold).unwrap(), id, capabilities);
    let mut bytes = vec![0; open.encoded_len()];
    open.encode(&mut bytes).unwrap();
    bytes
}

/// The OPEN of peer `i`: both families, hold time 90 s.
fn good_open(i: u8, asn: u32) -> Vec<u8> {
    let both = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(Capability::Multiprotocol);
    let capabilities = [both[0], both[1], Capability::RouteRefresh, Capability::FourOctetAs(asn)];
    open_of(asn, Ipv4Addr::new(10, 0, 0, i), 90, &capabilities)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(19 + body.len()).unwrap();
    [&[0xff; 16][..], &len.to_be_bytes(), &[kind], body].concat()
}

/// An UPDATE that announces IPv4 prefixes.
fn announce(attributes: &[Attribute<'_>], next_hop: [u8; 4], prefixes: &[&str]) -> Vec<u8> {
    let mut buf = [0; 4096];
    let hop = NextHop::Ipv4(next_hop.into());
    let mut builder =
        UpdateBuilder::announce(&mut buf, &wide(), Family::IPV4_UNICAST, hop, attributes).unwrap();
    for prefix in prefixes {
        builder.push(prefix.parse().unwrap()).unwrap();
    }
    builder.finish().to_vec()
}

fn simple(asns: &[u32], prefixes: &[&str]) -> Vec<u8> {
    announce(
        &[Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(asns))],
        [10, 0, 0, 77],
        prefixes,
    )
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::new(OUR_AS, OUR_ID))
    }

    fn with(config: Config) -> Self {
        let (connects, closed, sent, events) = Default::default();
        Self { speaker: Speaker::new(config), now: secs(5000), connects, closed, sent, events }
    }

    fn drain(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Connect { connection, .. } => self.connects.push(connection),
                Output::Close { connection } => self.closed.push(connection),
                Output::Send { connection, bytes } => self.sent.push((connection, bytes)),
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.speaker.poll_event() {
            self.events.push(event);
        }
        while self.speaker.poll_change().is_some() {}
    }

    /// A passive peer with an accepted connection.
    fn accept(&mut self, config: PeerConfig) -> (PeerId, ConnectionId) {
        let address = config.address;
        let id = self.speaker.add_peer(config.passive(true), self.now).unwrap();
        let connection = self.speaker.accepted(address, self.now).unwrap();
        self.drain();
        (id, connection)
    }

    /// An established session with peer `i`.
    fn establish(&mut self, i: u8, asn: u32) -> (PeerId, ConnectionId) {
        let (id, connection) = self.accept(config(i, asn));
        self.feed(connection, &good_open(i, asn));
        self.feed(connection, &KEEPALIVE);
        assert_eq!(self.state(id), SessionState::Established);
        self.taken(connection);
        (id, connection)
    }

    fn feed(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.speaker.data(connection, bytes, self.now);
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.speaker.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.speaker.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn state(&self, id: PeerId) -> SessionState {
        self.speaker.peer(id).unwrap().state
    }

    /// The messages written to a connection since the last call.
    fn taken(&mut self, connection: ConnectionId) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for (_, bytes) in self.sent.iter().filter(|(to, _)| *to == connection) {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let len = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
                out.push(rest[..len].to_vec());
                rest = &rest[len..];
            }
        }
        self.sent.retain(|(to, _)| *to != connection);
        out
    }

    /// Expects that the connection was closed, with this NOTIFICATION as its last message.
    fn expect_notification(&mut self, connection: ConnectionId, code: ErrorCode, data: &[u8]) {
        let last = self.taken(connection).pop().unwrap_or_else(|| panic!("nothing instead of {code}"));
        let Message::Notification(notification) = Message::decode(&last, &wide()).unwrap().0 else {
            panic!("{last:?} instead of {code}")
        };
        assert_eq!((notification.code(), notification.data()), (code, data), "{}", notification.code());
        assert!(self.closed.contains(&connection));
    }
}

#[test]
fn a_session_comes_up_message_by_message() {
    let mut b = Bench::new();
    let (id, connection) = b.accept(config(1, OUR_AS));
    assert_eq!(b.state(id), SessionState::OpenSent);
    let open = b.taken(connection).pop().unwrap();
    let Message::Open(open) = Message::decode(&open, &wide()).unwrap().0 else { panic!("no OPEN") };
    assert_eq!((open.asn(), open.identifier(), open.hold_time().seconds()), (OUR_AS, OUR_ID, 90));
    b.feed(connection, &good_open(1, OUR_AS));
    assert_eq!(b.state(id), SessionState::OpenConfirm);
    assert_eq!(b.taken(connection), [KEEPALIVE.to_vec()]);
    // One octet at a time is as good.
    for byte in KEEPALIVE {
        b.feed(connection, &[byte]);
    }
    assert_eq!(b.state(id), SessionState::Established);
    let session = b.speaker.peer(id).unwrap().session.unwrap();
    assert_eq!(
        (session.remote_id, session.external, session.since),
        (Ipv4Addr::new(10, 0, 0, 1), false, b.now)
    );
    assert_eq!(b.events, [Event::SessionUp { peer: id, session }]);
    let ends = b.taken(connection);
    assert_eq!(ends.len(), 2, "an End-of-RIB for each family");
}

#[test]
fn opens_that_are_refused() {
    let check = |open: &[u8], code: ErrorCode, data: &[u8]| {
        let mut b = Bench::new();
        let (id, connection) = b.accept(config(1, OUR_AS));
        b.feed(connection, open);
        b.expect_notification(connection, code, data);
        assert_eq!(b.state(id), SessionState::Idle, "kept waiting after an error");
        assert_eq!(b.speaker.accepted(address(1), b.now), Err(Refusal::ErrorWait));
        let Some(Event::ConnectionFailed { reason: DownReason::Sent { code: told, .. }, .. }) =
            b.events.last()
        else {
            panic!("{:?}", b.events)
        };
        assert_eq!(*told, code);
        b.pass(secs(31));
        assert!(b.speaker.accepted(address(1), b.now).is_ok(), "but not for ever");
    };
    let mp = Capability::Multiprotocol(Family::IPV4_UNICAST);
    let all = [mp, Capability::FourOctetAs(OUR_AS)];
    let id = Ipv4Addr::new(10, 0, 0, 1);
    let mut version = good_open(1, OUR_AS);
    version[19] = 5;
    check(&version, ErrorCode::UNSUPPORTED_VERSION, &[0, 4]);
    check(&good_open(1, 64999), ErrorCode::BAD_PEER_AS, &[]);
    check(&open_of(OUR_AS, OUR_ID, 90, &all), ErrorCode::BAD_IDENTIFIER, &[]);
    check(&open_of(OUR_AS, Ipv4Addr::UNSPECIFIED, 90, &all), ErrorCode::BAD_IDENTIFIER, &[]);
    let mut hold = good_open(1, OUR_AS);
    hold[22..24].copy_from_slice(&[0, 2]);
    check(&hold, ErrorCode::UNACCEPTABLE_HOLD_TIME, &[]);
    let authentication = message(1, &[4, 0xfc, 0, 0, 90, 10, 0, 0, 1, 3, 1, 1, 0]);
    check(&authentication, ErrorCode::UNSUPPORTED_PARAMETER, &[]);
    // RFC 5492 §5: the data is the capability that is missed.
    check(&open_of(OUR_AS, id, 90, &[mp]), ErrorCode::UNSUPPORTED_CAPABILITY, &[65, 4, 0, 0, 0xfc, 0]);
    let evpn = Family::new(tortie_bgp_speaker::wire::Afi::new(25), tortie_bgp_speaker::wire::Safi::new(70));
    let other = [Capability::Multiprotocol(evpn), Capability::FourOctetAs(OUR_AS)];
    check(
        &open_of(OUR_AS, id, 90, &other),
        ErrorCode::UNSUPPORTED_CAPABILITY,
        &[1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1],
    );
    // The header comes first.
    check(&[0; 19], ErrorCode::NOT_SYNCHRONIZED, &[]);
    check(&message(9, &[]), ErrorCode::BAD_MESSAGE_TYPE, &[9]);
    check(&message(4, &[0]), ErrorCode::BAD_MESSAGE_LENGTH, &[0, 20]);
    // RFC 6608.
    check(&KEEPALIVE, ErrorCode::FSM_OPEN_SENT, &[]);
    check(&message(2, &[0; 4]), ErrorCode::FSM_OPEN_SENT, &[]);
    check(&[good_open(1, OUR_AS), good_open(1, OUR_AS)].concat(), ErrorCode::FSM_OPEN_CONFIRM, &[]);
    check(&[good_open(1, OUR_AS), message(2, &[0; 4])].concat(), ErrorCode::FSM_OPEN_CONFIRM, &[]);
}

#[test]
fn an_open_without_multiprotocol_means_ipv4_and_unknown_capabilities_are_fine() {
    let mut b = Bench::new();
    let (id, connection) = b.accept(config(1, OUR_AS));
    let list = [
        Capability::FourOctetAs(OUR_AS),
        Capability::Unknown(RawCapability::new(CapabilityCode::new(73), b"host")),
    ];
    b.feed(connection, &open_of(OUR_AS, Ipv4Addr::new(10, 0, 0, 1), 0, &list));
    b.feed(connection, &KEEPALIVE);
    let session = b.speaker.peer(id).unwrap().session.unwrap();
    assert_eq!(session.families, tortie_bgp_speaker::wire::FamilySet::IPV4);
    // Hold time zero: no keepalives, and no end.
    b.taken(connection);
    b.pass(secs(100_000));
    assert_eq!(b.state(id), SessionState::Established);
    assert!(b.taken(connection).is_empty());
    assert_eq!(b.speaker.poll_timeout(), None);
}

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
fn hold_keepalive_and_retry_timers() {
    let mut b = Bench::new();
    let (id, connection) = b.establish(1, OUR_AS);
    // A keepalive each third of the hold time.
    b.pass(secs(30));
    assert_eq!(b.taken(connection), [KEEPALIVE.to_vec()]);
    b.pass(secs(30));
    assert_eq!(b.taken(connection), [KEEPALIVE.to_vec()]);
    // Whatever comes restarts the hold timer.
    b.feed(connection, &simple(&[64900], &["10.9.0.0/16"]));
    b.pass(secs(89));
    assert_eq!(b.state(id), SessionState::Established);
    b.pass(secs(1));
    b.expect_notification(connection, ErrorCode::HOLD_TIMER_EXPIRED, &[]);
    // Nobody is to blame: the peer may come back at once.
    assert!(b.speaker.accepted(address(1), b.now).is_ok());

    // No OPEN within a minute.
    let mut b = Bench::new();
    let (_, connection) = b.accept(config(1, OUR_AS));
    b.pass(secs(60));
    b.expect_notification(connection, ErrorCode::HOLD_TIMER_EXPIRED, &[]);

    // The peer's shorter hold time counts.
    let mut b = Bench::new();
    let (id, connection) = b.accept(config(1, OUR_AS));
    let list = [Capability::FourOctetAs(OUR_AS)];
    b.feed(connection, &open_of(OUR_AS, Ipv4Addr::new(10, 0, 0, 1), 9, &list));
    b.feed(connection, &KEEPALIVE);
    b.taken(connection);
    b.pass(secs(8));
    assert_eq!(b.taken(connection).len(), 2);
    assert_eq!(b.state(id), SessionState::Established);
    b.pass(secs(1));
    b.expect_notification(connection, ErrorCode::HOLD_TIMER_EXPIRED, &[]);

    // An attempt that nobody answers is given up after five seconds and made again at once.
    let mut b = Bench::new();
    b.speaker.add_peer(config(1, OUR_AS), b.now).unwrap();
    b.drain();
    b.pass(secs(21));
    assert_eq!((b.connects.len(), b.closed.len()), (5, 4));
    // One that is refused is made again after five seconds, less up to a quarter.
    let start = b.now;
    b.speaker.closed(b.connects[4], b.now);
    b.drain();
    let wait = b.speaker.poll_timeout().unwrap() - start;
    assert!(wait <= secs(5) && wait >= Duration::from_millis(3750), "{wait:?}");
}

#[test]
fn errors_make_the_wait_longer_up_to_a_limit() {
    let mut b = Bench::new();
    let id = b.speaker.add_peer(config(1, OUR_AS), b.now).unwrap();
    b.drain();
    let mut waits = Vec::new();
    for _ in 0..5 {
        let connection = *b.connects.last().unwrap();
        b.speaker.connected(connection, b.now);
        b.feed(connection, &[0; 19]);
        assert_eq!(b.state(id), SessionState::Idle);
        let (start, count) = (b.now, b.connects.len());
        while b.connects.len() == count {
            let at = b.speaker.poll_timeout().unwrap();
            b.pass(at - b.now);
        }
        waits.push(b.now - start);
    }
    for (wait, full) in waits.iter().zip([5, 10, 20, 30, 30]) {
        assert!(*wait <= secs(full) && *wait >= secs(full) * 3 / 4, "{waits:?}");
    }
}

#[test]
fn notifications_from_the_peer() {
    let notification = |code: u8, subcode: u8| message(3, &[code, subcode]);
    let mut b = Bench::new();
    let (id, connection) = b.establish(1, OUR_AS);
    b.feed(connection, &notification(6, 2));
    assert!(b.closed.contains(&connection));
    assert!(b.taken(connection).is_empty(), "a NOTIFICATION is not answered");
    let reason = DownReason::Received(ErrorCode::ADMINISTRATIVE_SHUTDOWN);
    assert_eq!(b.events.last(), Some(&Event::SessionDown { peer: id, reason }));
    assert_eq!(b.speaker.peer(id).unwrap().last_down, Some(reason));
    assert!(b.speaker.accepted(address(1), b.now).is_ok(), "after a Cease the peer may come back at once");
    let mut b = Bench::new();
    let (_, connection) = b.establish(1, OUR_AS);
    b.feed(connection, &notification(3, 1));
    assert_eq!(b.speaker.accepted(address(1), b.now), Err(Refusal::ErrorWait));
}

/// Two connections to one peer, ours and the peer's; the OPEN comes first on the one or the other.
fn collide(remote_id: Ipv4Addr, ours_first: bool) -> (bool, bool) {
    let mut b = Bench::new();
    let id = b.speaker.add_peer(config(1, 64900), b.now).unwrap();
    b.drain();
    let outgoing = b.connects[0];
    let incoming = b.speaker.accepted(address(1), b.now).unwrap();
    b.speaker.connected(outgoing, b.now);
    b.drain();
    let both = [Capability::Multiprotocol(Family::IPV4_UNICAST), Capability::FourOctetAs(64900)];
    let open = open_of(64900, remote_id, 90, &both);
    let order = if ours_first { [outgoing, incoming] } else { [incoming, outgoing] };
    for connection in order {
        b.feed(connection, &open);
    }
    assert_eq!(b.closed.len(), 1);
    let (lost, kept) = if b.closed[0] == outgoing { (outgoing, incoming) } else { (incoming, outgoing) };
    b.expect_notification(lost, ErrorCode::COLLISION, &[]);
    b.feed(kept, &KEEPALIVE);
    assert_eq!(b.state(id), SessionState::Established);
    assert!(b.events.iter().all(|event| matches!(event, Event::SessionUp { .. })), "{:?}", b.events);
    (kept == outgoing, ours_first)
}

#[test]
fn collisions_are_decided_by_identifier() {
    for ours_first in [false, true] {
        //= rfc4271#section-6.8
        //# the connection initiated by the BGP speaker with the higher-valued BGP Identifier is retained
        assert!(collide(Ipv4Addr::new(10, 0, 0, 4), ours_first).0);
        assert!(!collide(Ipv4Addr::new(10, 0, 0, 6), ours_first).0);
        assert!(!collide(Ipv4Addr::new(192, 0, 0, 1), ours_first).0);
        //= rfc6286#section-2.3
        //# the connection initiated by the BGP speaker with the larger AS number is preserved
        assert!(!collide(OUR_ID, ours_first).0);
    }
}

#[test]
fn an_established_session_wins_every_collision() {
    let mut b = Bench::new();
    let id = b.speaker.add_peer(config(1, OUR_AS), b.now).unwrap();
    b.drain();
    let outgoing = b.connects[0];
    let incoming = b.speaker.accepted(address(1), b.now).unwrap();
    b.speaker.connected(outgoing, b.now);
    b.drain();
    // The identifier is lower than ours, so that by identifier the outgoing one would win.
    b.feed(incoming, &good_open(1, OUR_AS));
    b.feed(incoming, &KEEPALIVE);
    assert_eq!(b.state(id), SessionState::Established);
    b.expect_notification(outgoing, ErrorCode::COLLISION, &[]);
    assert_eq!(b.speaker.accepted(address(1), b.now), Err(Refusal::Established));
    // An attempt that is not yet open ends without a message as soon as the other one has an OPEN.
    let mut b = Bench::new();
    b.speaker.add_peer(config(1, OUR_AS), b.now).unwrap();
    b.drain();
    let incoming = b.speaker.accepted(address(1), b.now).unwrap();
    b.feed(incoming, &good_open(1, OUR_AS));
    assert_eq!(b.closed, b.connects);
    assert!(b.events.is_empty());
    b.speaker.connected(b.connects[0], b.now);
    b.drain();
    assert!(b.taken(b.connects[0]).is_empty(), "nothing is said on a connection that was given up");
}

#[test]
fn a_newer_connection_of_the_peer_replaces_a_dead_one() {
    let mut b = Bench::new();
    let (id, old) = b.accept(config(1, OUR_AS));
    let new = b.speaker.accepted(address(1), b.now).unwrap();
    b.drain();
    assert!(b.closed.contains(&old));
    b.feed(new, &good_open(1, OUR_AS));
    b.feed(new, &KEEPALIVE);
    assert_eq!(b.state(id), SessionState::Established);
}

#[test]
fn strangers_are_refused() {
    let mut b = Bench::new();
    assert_eq!(b.speaker.accepted(address(9), b.now), Err(Refusal::UnknownPeer));
    let (id, _) = b.establish(1, OUR_AS);
    let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
    assert_eq!(b.speaker.accepted(mapped, b.now), Err(Refusal::Established));
    assert_eq!(b.speaker.peer(id).unwrap().stats.refused, 1);
    b.speaker.shutdown(b.now);
    assert_eq!(b.speaker.accepted(address(1), b.now), Err(Refusal::ShutDown));
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
        use tortie_bgp_speaker::wire::{AttributeCode, AttributeFlags, RawAttribute};
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
fn the_end_says_cease() {
    let mut b = Bench::new();
    let (one, first) = b.establish(1, OUR_AS);
    let (_, second) = b.establish(2, OUR_AS);
    let third = b.speaker.add_peer(config(3, OUR_AS), b.now).unwrap();
    b.drain();
    b.speaker.remove_peer(one, b.now).unwrap();
    b.drain();
    b.expect_notification(first, ErrorCode::PEER_DECONFIGURED, &[]);
    assert_eq!(b.speaker.remove_peer(one, b.now), Err(PeerError::NotFound));
    assert_eq!(b.speaker.change_peer(one, config(1, 1), b.now), Err(PeerError::NotFound));
    let duplicate = Err(PeerError::DuplicateAddress { address: address(2) });
    assert_eq!(b.speaker.change_peer(third, config(2, 1), b.now), duplicate);
    assert_eq!(b.speaker.set_peers([config(2, 1), config(2, 1)], b.now), duplicate);
    b.speaker.shutdown(b.now);
    b.drain();
    b.expect_notification(second, ErrorCode::ADMINISTRATIVE_SHUTDOWN, &[]);
    assert!(b.closed.contains(&b.connects[0]));
    b.pass(secs(1000));
    assert_eq!((b.connects.len(), b.speaker.poll_timeout()), (1, None));
    assert!(b.speaker.peers().all(|peer| peer.state == SessionState::Idle));
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

/// Whatever a peer sends in whatever state, the speaker answers with at most a NOTIFICATION, and other sessions live on.
#[test]
fn garbage_ends_one_session_and_no_other() {
    for seed in 0..cases(GARBAGE) {
        let mut rng = Rng(seed);
        let mut b = Bench::new();
        let (good, good_connection) = b.establish(2, OUR_AS);
        b.feed(good_connection, &simple(&[64900], &["10.9.0.0/16"]));
        let (bad, connection) = b.accept(config(1, 64901));
        let mut stream = Vec::new();
        for step in 0..rng.below(4) {
            stream.extend(match step {
                0 => good_open(1, 64901),
                1 => KEEPALIVE.to_vec(),
                _ => simple(&[64901], &["10.8.0.0/16"]),
            });
        }
        match rng.below(3) {
            0 => stream.extend((0..rng.below(200)).map(|_| rng.next().to_be_bytes()[0])),
            1 => {
                let body: Vec<u8> = (0..rng.below(200)).map(|_| rng.next().to_be_bytes()[0]).collect();
                stream.extend(message(rng.next().to_be_bytes()[0] % 6, &body));
            }
            _ => {
                for _ in 0..1 + rng.below(4) {
                    let at = rng.below(stream.len());
                    if let Some(byte) = stream.get_mut(at) {
                        *byte = rng.next().to_be_bytes()[0];
                    }
                }
            }
        }
        for chunk in stream.chunks(1 + rng.below(100)) {
            b.feed(connection, chunk);
        }
        let answers = b.taken(connection);
        let notifications = answers.iter().filter(|bytes| bytes[18] == 3).count();
        assert!(notifications <= 1, "seed {seed}");
        assert_eq!(
            notifications == 1 || b.closed.contains(&connection),
            b.state(bad) <= SessionState::Active
        );
        if notifications == 1 {
            assert_eq!(answers.last().unwrap()[18], 3, "seed {seed}: a NOTIFICATION is the last word");
        }
        assert_eq!(b.state(good), SessionState::Established, "seed {seed}");
        assert!(!b.closed.contains(&good_connection));
        assert_eq!(b.speaker.routes_from(Source::Peer(good)).count(), 1);
        // And the bad peer can come back, later.
        b.pass(secs(31));
        b.feed(good_connection, &KEEPALIVE);
        let again = b.speaker.accepted(address(1), b.now);
        if b.state(bad) != SessionState::Established {
            assert!(again.is_ok(), "seed {seed}: {again:?}");
        }
    }
}
