//! A network of speakers under one clock: connections that cut bytes anywhere, stall, reset and refuse.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]
#![allow(dead_code, reason = "each test file uses its part")]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use tortie_bgp_speaker::{Change, Config, ConnectionId, Event, Output, PeerConfig, PeerId, Route, Speaker};

/// Cases of a randomised test; fifty times as many with `TORTIE_PROVE=1`.
pub(crate) fn cases(usual: u64) -> u64 {
    if std::env::var("TORTIE_PROVE").is_ok_and(|value| value == "1") { usual * 50 } else { usual }
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(node + 1).unwrap())
}

pub(crate) fn address6(node: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::try_from(node + 1).unwrap())
}

/// The configuration that node `of` has for its peer `to`.
pub(crate) fn peer_config(of: usize, to: usize, remote_as: u32) -> PeerConfig {
    PeerConfig::new(address(to).into(), remote_as)
        .local_address(address(of).into())
        .next_hop4(address(of))
        .next_hop6(address6(of))
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closing: bool,
}

/// A connection: two ends, each a node and its name for the connection, and what is under way from each.
#[derive(Debug)]
struct Link {
    ends: [(usize, ConnectionId); 2],
    pipes: [Pipe; 2],
}

pub(crate) struct Sim {
    pub(crate) now: Duration,
    pub(crate) rng: Rng,
    pub(crate) speakers: Vec<Speaker>,
    pub(crate) events: Vec<(usize, Event)>,
    /// What each node's owner knows from `poll_change`.
    pub(crate) learned: Vec<BTreeMap<ipnet::IpNet, Route>>,
    /// Pairs of nodes that cannot open connections.
    pub(crate) cut: Vec<(usize, usize)>,
    /// Largest number of octets waiting in one pipe for `blocked` to be called.
    pub(crate) window: usize,
    links: Vec<Link>,
    connecting: Vec<(usize, ConnectionId, usize)>,
    blocked: Vec<(usize, ConnectionId)>,
}

impl Sim {
    pub(crate) fn new(seed: u64, configs: Vec<Config>) -> Self {
        let count = configs.len();
        Self {
            now: secs(1000),
            rng: Rng(seed),
            speakers: configs.into_iter().map(Speaker::new).collect(),
            events: Vec::new(),
            learned: vec![BTreeMap::new(); count],
            cut: Vec::new(),
            window: usize::MAX,
            links: Vec::new(),
            connecting: Vec::new(),
            blocked: Vec::new(),
        }
    }

    /// Speakers of these ASes, identifiers in the order of the nodes, without peers.
    pub(crate) fn of(seed: u64, ases: &[u32]) -> Self {
        Self::new(seed, ases.iter().enumerate().map(|(i, asn)| Config::new(*asn, address(i))).collect())
    }

    /// Makes two nodes peers of each other.
    pub(crate) fn peer(&mut self, a: usize, b: usize) {
        for (of, to) in [(a, b), (b, a)] {
            let config = peer_config(of, to, self.speakers[to].config().local_as);
            self.speakers[of].add_peer(config, self.now).unwrap();
        }
    }

    pub(crate) fn id(&self, of: usize, to: usize) -> PeerId {
        self.speakers[of].peer_by_address(address(to).into()).unwrap()
    }

    pub(crate) fn node(of: IpAddr) -> usize {
        match of {
            IpAddr::V4(v4) => usize::from(v4.octets()[3]) - 1,
            IpAddr::V6(v6) => usize::from(v6.octets()[15]) - 1,
        }
    }

    /// Polls everything that the speakers have to say.
    pub(crate) fn drain(&mut self) {
        for node in 0..self.speakers.len() {
            while let Some(output) = self.speakers[node].poll_output() {
                self.output(node, output);
            }
            while let Some(event) = self.speakers[node].poll_event() {
                self.events.push((node, event));
            }
            while let Some(Change { prefix, route, .. }) = self.speakers[node].poll_change() {
                match route {
                    Some(route) => self.learned[node].insert(prefix, route),
                    None => self.learned[node].remove(&prefix),
                };
            }
        }
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Connect { connection, remote, .. } => {
                self.connecting.push((node, connection, Self::node(remote.ip())));
            }
            Output::Send { connection, bytes } => {
                let (now, window) = (self.now, self.window);
                if let Some((link, side)) = self.find(node, connection) {
                    let pipe = &mut self.links[link].pipes[side];
                    pipe.bytes.extend(bytes);
                    if pipe.bytes.len() > window && !self.blocked.contains(&(node, connection)) {
                        self.blocked.push((node, connection));
                        self.speakers[node].blocked(connection, now);
                    }
                }
            }
            Output::Close { connection } => {
                self.connecting.retain(|(n, c, _)| (*n, *c) != (node, connection));
                self.blocked.retain(|entry| *entry != (node, connection));
                if let Some((link, side)) = self.find(node, connection) {
                    self.links[link].pipes[side].closing = true;
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn find(&self, node: usize, connection: ConnectionId) -> Option<(usize, usize)> {
        self.links.iter().enumerate().find_map(|(i, link)| {
            link.ends.iter().position(|end| *end == (node, connection)).map(|side| (i, side))
        })
    }

    /// One thing that the network does: a connection opens, bytes arrive, a close arrives. False if nothing is under way.
    pub(crate) fn deliver(&mut self) -> bool {
        let busy: Vec<(usize, usize)> = self
            .links
            .iter()
            .enumerate()
            .flat_map(|(i, link)| [(i, 0, link), (i, 1, link)])
            .filter(|(_, side, link)| !link.pipes[*side].bytes.is_empty() || link.pipes[*side].closing)
            .map(|(i, side, _)| (i, side))
            .collect();
        let total = busy.len() + self.connecting.len();
        if total == 0 {
            return false;
        }
        let pick = self.rng.below(total);
        match busy.get(pick) {
            Some((link, side)) => self.move_bytes(*link, *side),
            None => {
                let (node, connection, to) = self.connecting.swap_remove(pick - busy.len());
                self.open(node, connection, to);
            }
        }
        self.drain();
        true
    }

    fn open(&mut self, node: usize, connection: ConnectionId, to: usize) {
        let now = self.now;
        if self.cut.contains(&(node, to)) || self.cut.contains(&(to, node)) {
            return; // No answer: the speaker's own timer has to end it.
        }
        match self.speakers[to].accepted(address(node).into(), now) {
            Ok(other) => {
                let ends = [(node, connection), (to, other)];
                self.links.push(Link { ends, pipes: [Pipe::default(), Pipe::default()] });
                self.speakers[node].connected(connection, now);
            }
            Err(_) => self.speakers[node].closed(connection, now),
        }
    }

    fn move_bytes(&mut self, link: usize, side: usize) {
        let now = self.now;
        let (node, connection) = self.links[link].ends[1 - side];
        let pipe = &mut self.links[link].pipes[side];
        if pipe.bytes.is_empty() {
            // A close arrives after everything sent before it; the link is gone.
            self.links.swap_remove(link);
            self.blocked.retain(|(n, c)| (*n, *c) != (node, connection));
            self.speakers[node].closed(connection, now);
            return;
        }
        let len = pipe.bytes.len();
        let count = if self.rng.one_in(2) { len } else { 1 + self.rng.below(len.min(200)) };
        let bytes: Vec<u8> = self.links[link].pipes[side].bytes.drain(..count).collect();
        let sender = self.links[link].ends[side];
        if self.links[link].pipes[side].bytes.len() < self.window
            && let Some(at) = self.blocked.iter().position(|entry| *entry == sender)
        {
            self.blocked.swap_remove(at);
            self.speakers[sender.0].writable(sender.1);
        }
        // A side that has closed does not read any more.
        if !self.links[link].pipes[1 - side].closing {
            self.speakers[node].data(connection, &bytes, now);
        }
    }

    /// Breaks a random connection; what is under way is lost.
    pub(crate) fn reset_some_link(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let at = self.rng.below(self.links.len());
        let link = self.links.swap_remove(at);
        for (node, connection) in link.ends {
            self.blocked.retain(|entry| *entry != (node, connection));
            self.speakers[node].closed(connection, self.now);
        }
        self.drain();
    }

    /// Lets a random connection hang: what is under way, and all to come, is lost, and nobody is told.
    pub(crate) fn hang_some_link(&mut self) {
        if !self.links.is_empty() {
            let at = self.rng.below(self.links.len());
            self.links.swap_remove(at);
        }
    }

    /// Moves the clock to the next deadline, or by `most` if that comes first.
    pub(crate) fn sleep(&mut self, most: Duration) {
        let next = self.speakers.iter().filter_map(Speaker::poll_timeout).min();
        self.now = next.unwrap_or(self.now + most).clamp(self.now, self.now + most);
        for speaker in &mut self.speakers {
            speaker.handle_timeout(self.now);
        }
        self.drain();
    }

    /// Delivers everything, then lets time pass, until `span` is over.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.drain();
        loop {
            let mut steps = 0;
            while self.deliver() {
                steps += 1;
                assert!(steps < 1_000_000, "the network does not come to rest");
            }
            if self.now >= end {
                return;
            }
            self.sleep(end - self.now);
        }
    }

    /// Octets that `node` has under way to `to`.
    pub(crate) fn under_way(&self, node: usize, to: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for link in &self.links {
            for side in 0..2 {
                if link.ends[side].0 == node && link.ends[1 - side].0 == to {
                    out.extend(&link.pipes[side].bytes);
                }
            }
        }
        out
    }
}
