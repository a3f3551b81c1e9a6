//! One speaker and a scripted peer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]
#![allow(dead_code, reason = "each test file uses its part")]

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use ipnet::IpNet;
use tortie_bgp_speaker::wire::{
    AsPath, Attribute, Capability, ErrorCode, Family, HoldTime, KEEPALIVE, Message, NextHop, Open, Origin,
    Session, UpdateBuilder,
};
use tortie_bgp_speaker::{Config, ConnectionId, Event, Output, PeerConfig, PeerId, SessionState, Speaker};

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const OUR_AS: u32 = 64512;
pub(crate) const OUR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

/// A speaker, its clock, and what it has written to each connection.
pub(crate) struct Bench {
    pub(crate) speaker: Speaker,
    pub(crate) now: Duration,
    pub(crate) connects: Vec<ConnectionId>,
    pub(crate) closed: Vec<ConnectionId>,
    pub(crate) sent: Vec<(ConnectionId, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn address(i: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, i).into()
}

pub(crate) fn config(i: u8, asn: u32) -> PeerConfig {
    PeerConfig::new(address(i), asn).next_hop4(OUR_ID).next_hop6("fd00::5".parse().unwrap())
}

/// A session with four-octet AS numbers.
pub(crate) fn wide() -> Session {
    let mut session = Session::default();
    session.four_octet_as = true;
    session
}

pub(crate) fn open_of(asn: u32, id: Ipv4Addr, hold: u16, capabilities: &[Capability<'_>]) -> Vec<u8> {
    let open = Open::new(asn, HoldTime::new(hold).unwrap(), id, capabilities);
    let mut bytes = vec![0; open.encoded_len()];
    open.encode(&mut bytes).unwrap();
    bytes
}

/// The OPEN of peer `i`: both families, hold time 90 s.
pub(crate) fn good_open(i: u8, asn: u32) -> Vec<u8> {
    let both = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(Capability::Multiprotocol);
    let capabilities = [both[0], both[1], Capability::RouteRefresh, Capability::FourOctetAs(asn)];
    open_of(asn, Ipv4Addr::new(10, 0, 0, i), 90, &capabilities)
}

pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(19 + body.len()).unwrap();
    [&[0xff; 16][..], &len.to_be_bytes(), &[kind], body].concat()
}

/// An UPDATE that announces IPv4 prefixes.
pub(crate) fn announce(attributes: &[Attribute<'_>], next_hop: [u8; 4], prefixes: &[&str]) -> Vec<u8> {
    let mut buf = [0; 4096];
    let hop = NextHop::Ipv4(next_hop.into());
    let mut builder =
        UpdateBuilder::announce(&mut buf, &wide(), Family::IPV4_UNICAST, hop, attributes).unwrap();
    for prefix in prefixes {
        builder.push(prefix.parse().unwrap()).unwrap();
    }
    builder.finish().to_vec()
}

pub(crate) fn simple(asns: &[u32], prefixes: &[&str]) -> Vec<u8> {
    announce(
        &[Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(asns))],
        [10, 0, 0, 77],
        prefixes,
    )
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(OUR_AS, OUR_ID))
    }

    pub(crate) fn with(config: Config) -> Self {
        let (connects, closed, sent, events) = Default::default();
        Self { speaker: Speaker::new(config), now: secs(5000), connects, closed, sent, events }
    }

    pub(crate) fn drain(&mut self) {
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
    pub(crate) fn accept(&mut self, config: PeerConfig) -> (PeerId, ConnectionId) {
        let address = config.address;
        let id = self.speaker.add_peer(config.passive(true), self.now).unwrap();
        let connection = self.speaker.accepted(address, self.now).unwrap();
        self.drain();
        (id, connection)
    }

    /// An established session with peer `i`.
    pub(crate) fn establish(&mut self, i: u8, asn: u32) -> (PeerId, ConnectionId) {
        let (id, connection) = self.accept(config(i, asn));
        self.feed(connection, &good_open(i, asn));
        self.feed(connection, &KEEPALIVE);
        assert_eq!(self.state(id), SessionState::Established);
        self.taken(connection);
        (id, connection)
    }

    pub(crate) fn feed(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.speaker.data(connection, bytes, self.now);
        self.drain();
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.speaker.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.speaker.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn state(&self, id: PeerId) -> SessionState {
        self.speaker.peer(id).unwrap().state
    }

    /// The messages written to a connection since the last call.
    pub(crate) fn taken(&mut self, connection: ConnectionId) -> Vec<Vec<u8>> {
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
    pub(crate) fn expect_notification(&mut self, connection: ConnectionId, code: ErrorCode, data: &[u8]) {
        let last = self.taken(connection).pop().unwrap_or_else(|| panic!("nothing instead of {code}"));
        let Message::Notification(notification) = Message::decode(&last, &wide()).unwrap().0 else {
            panic!("{last:?} instead of {code}")
        };
        assert_eq!((notification.code(), notification.data()), (code, data), "{}", notification.code());
        assert!(self.closed.contains(&connection));
    }
}
