//! The life of a session: what is answered to what, and when.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod bench;
mod sim;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use bench::{Bench, OUR_AS, OUR_ID, address, config, good_open, message, open_of, secs, simple, wide};
use sim::{Rng, cases};
use tortie_bgp_speaker::wire::{
    Afi, Capability, CapabilityCode, ErrorCode, Family, FamilySet, KEEPALIVE, Message, RawCapability, Safi,
};
use tortie_bgp_speaker::{DownReason, Event, PeerError, Refusal, SessionState, Source};

/// Random streams of [`garbage_ends_one_session_and_no_other`].
const GARBAGE: u64 = 300;

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
    let evpn = Family::new(Afi::new(25), Safi::new(70));
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
    assert_eq!(session.families, FamilySet::IPV4);
    // Hold time zero: no keepalives, and no end.
    b.taken(connection);
    b.pass(secs(100_000));
    assert_eq!(b.state(id), SessionState::Established);
    assert!(b.taken(connection).is_empty());
    assert_eq!(b.speaker.poll_timeout(), None);
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
        // RFC 4271 §6.8, in short: the connection initiated by the BGP speaker with the higher-valued BGP Identifier is retained
        assert!(collide(Ipv4Addr::new(10, 0, 0, 4), ours_first).0);
        assert!(!collide(Ipv4Addr::new(10, 0, 0, 6), ours_first).0);
        assert!(!collide(Ipv4Addr::new(192, 0, 0, 1), ours_first).0);
        // RFC 6286 §2.3, in short: the connection initiated by the BGP speaker with the larger AS number is preserved
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
