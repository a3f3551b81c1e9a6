//! The speaker: its inputs, its outputs, and what can be seen of it.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use crate::config::{Config, LocalRoute};
use crate::decision::Path;
use crate::event::{
    Change, ConnectionId, DownReason, Event, Output, PeerId, PeerStatus, Refusal, Route, SessionState, Source,
};
use crate::peer::{Connection, Peer, State};
use crate::rib::{FAMILIES, PathAttributes, Rib, family_of};
use crate::timers::Timers;

/// A BGP speaker: inputs go in with the time, outputs and events are polled.
///
/// After every input, drain [`poll_output`](Self::poll_output), [`poll_event`](Self::poll_event) and, unless switched off,
/// [`poll_change`](Self::poll_change), and ask [`poll_timeout`](Self::poll_timeout) when to call
/// [`handle_timeout`](Self::handle_timeout). The time is the same epoch's in every call, and does not go back.
///
/// No method panics, whatever peers send and in whatever order the methods are called; a name that is not known (any more) is ignored.
#[derive(Debug)]
pub struct Speaker {
    pub(crate) config: Config,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) addresses: BTreeMap<IpAddr, PeerId>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) rib: Rib,
    /// Up to which version of each table the owner knows the routes.
    pub(crate) reported: [u64; 2],
    pub(crate) change_reported: bool,
    pub(crate) timers: Timers,
    /// Connects, OPENs, NOTIFICATIONs, closes.
    pub(crate) queue: VecDeque<Output>,
    pub(crate) keepalives: BTreeSet<ConnectionId>,
    pub(crate) updates_pending: bool,
    pub(crate) last_served: PeerId,
    pub(crate) events: VecDeque<Event>,
    pub(crate) next_peer: u64,
    pub(crate) next_connection: u64,
    pub(crate) shut_down: bool,
}

impl Speaker {
    /// A speaker without peers and prefixes.
    pub fn new(config: Config) -> Self {
        Self {
            rib: Rib::new(config.local_pref),
            config,
            peers: BTreeMap::new(),
            addresses: BTreeMap::new(),
            connections: BTreeMap::new(),
            reported: [0; 2],
            change_reported: false,
            timers: Timers::default(),
            queue: VecDeque::new(),
            keepalives: BTreeSet::new(),
            updates_pending: false,
            last_served: PeerId(0),
            events: VecDeque::new(),
            next_peer: 0,
            next_connection: 0,
            shut_down: false,
        }
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Announces a prefix to every peer, with default attributes. Host bits are cleared.
    pub fn announce(&mut self, prefix: IpNet) {
        self.announce_with(prefix, LocalRoute::new());
    }

    /// Announces a prefix to every peer; replaces the attributes of one that is announced. Host bits are cleared.
    ///
    /// Our own announcement is the best route to its prefix whatever peers announce.
    pub fn announce_with(&mut self, prefix: IpNet, route: LocalRoute) {
        let prefix = prefix.trunc();
        let attributes = PathAttributes::from_local(route, self.config.local_pref);
        let attributes = self.rib.interner.intern(attributes);
        self.rib.table_mut(family_of(&prefix)).insert(prefix, None, attributes);
        self.routes_changed();
    }

    /// Announces a prefix no longer; whether it was announced. A peer's route to it takes its place.
    pub fn withdraw(&mut self, prefix: IpNet) -> bool {
        let prefix = prefix.trunc();
        let removed = self.rib.table_mut(family_of(&prefix)).remove(prefix, Source::Local);
        self.routes_changed();
        removed
    }

    /// Announces exactly these prefixes: those missing are added, those not named are withdrawn. Of a prefix named twice the last counts.
    pub fn set_announcements(&mut self, routes: impl IntoIterator<Item = (IpNet, LocalRoute)>) {
        let wanted: BTreeMap<IpNet, LocalRoute> =
            routes.into_iter().map(|(prefix, route)| (prefix.trunc(), route)).collect();
        let announced: BTreeSet<IpNet> = self.routes_from(Source::Local).map(|route| route.prefix).collect();
        for prefix in announced.iter().filter(|prefix| !wanted.contains_key(prefix)) {
            self.withdraw(*prefix);
        }
        for (prefix, route) in wanted {
            self.announce_with(prefix, route);
        }
    }

    /// The connection that an [`Output::Connect`] asked for is open.
    pub fn connected(&mut self, connection: ConnectionId, now: Duration) {
        if self.connections.get(&connection).is_some_and(|c| c.state == State::Connecting) {
            self.send_open(connection, now);
        }
    }

    /// A connection from `remote` was accepted; returns its name.
    ///
    /// # Errors
    /// The connection is not wanted: the driver closes it.
    pub fn accepted(&mut self, remote: IpAddr, now: Duration) -> Result<ConnectionId, Refusal> {
        self.on_accepted(remote, now)
    }

    /// Octets came in, cut anyhow.
    pub fn data(&mut self, connection: ConnectionId, bytes: &[u8], now: Duration) {
        self.on_data(connection, bytes, now);
    }

    /// The connection was closed by the other side, failed, or could not be opened.
    pub fn closed(&mut self, connection: ConnectionId, now: Duration) {
        self.forget(connection, DownReason::Closed, now);
    }

    /// The transport takes no more octets: no UPDATEs are made for it until it is [`writable`](Self::writable).
    ///
    /// This is what keeps a slow peer from filling the driver's memory; its routes wait in the tables, the others' are not held up. A
    /// driver that never calls this queues what [`poll_output`](Self::poll_output) gives it. A connection that stays blocked for
    /// eight minutes, or twice the hold time, is given up (RFC 9687).
    pub fn blocked(&mut self, connection: ConnectionId, now: Duration) {
        self.set_blocked(connection, Some(now));
    }

    /// The transport takes octets again.
    pub fn writable(&mut self, connection: ConnectionId) {
        self.set_blocked(connection, None);
    }

    /// Lets every timer run out whose time has come. Harmless at any time.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(timer) = self.timers.pop(now) {
            self.on_timer(timer, now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest, in the caller's epoch; `None` for never.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// The next thing the driver must do. UPDATEs are made here, some tens of kilobytes at a time, each peer in turn.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.queue.pop_front().or_else(|| self.poll_keepalive()).or_else(|| self.poll_update())
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next prefix whose best route is another than the caller knows; the newest state of each, so nothing queues up.
    ///
    /// Own announcements are reported too, with [`Source::Local`]. A prefix that came and went between two calls is
    /// reported as gone. Always `None` if [`Config::report_changes`] is off.
    pub fn poll_change(&mut self) -> Option<Change> {
        if !self.config.report_changes {
            return None;
        }
        for (family, reported) in FAMILIES.into_iter().zip(&mut self.reported) {
            if let Some((version, prefix, entry)) = self.rib.table(family).change_after(*reported) {
                *reported = version;
                return Some(Change { prefix, route: entry.best().map(|path| route(prefix, path)) });
            }
        }
        if core::mem::take(&mut self.change_reported) {
            self.collect();
        }
        None
    }

    /// The peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        self.peers.iter().map(|(id, peer)| self.status(*id, peer))
    }

    /// One peer.
    pub fn peer(&self, peer: PeerId) -> Option<PeerStatus> {
        self.peers.get(&peer).map(|found| self.status(peer, found))
    }

    /// The peer with this address.
    pub fn peer_by_address(&self, address: IpAddr) -> Option<PeerId> {
        self.addresses.get(&address).copied()
    }

    /// The Loc-RIB: the best route of each prefix, IPv4 first, in prefix order.
    pub fn routes(&self) -> impl Iterator<Item = Route> + '_ {
        let entries = self.rib.tables().iter().flat_map(|table| table.entries());
        entries.filter_map(|(prefix, entry)| entry.best().map(|path| route(*prefix, path)))
    }

    /// The best route to exactly this prefix.
    pub fn best(&self, prefix: IpNet) -> Option<Route> {
        let entry = self.rib.table(family_of(&prefix)).entry(&prefix)?;
        entry.best().map(|path| route(prefix, path))
    }

    /// What a source announces: a peer's Adj-RIB-In without what was not accepted, or our own announcements.
    pub fn routes_from(&self, source: Source) -> impl Iterator<Item = Route> + '_ {
        let entries = self.rib.tables().iter().flat_map(|table| table.entries());
        entries.filter_map(move |(prefix, entry)| entry.path(source).map(|path| route(*prefix, path)))
    }

    /// A peer's Adj-RIB-Out: the prefixes it was told of, as far as [`poll_output`](Self::poll_output) has come.
    pub fn routes_to(&self, peer: PeerId) -> impl Iterator<Item = IpNet> + '_ {
        let slot = self.peers.get(&peer).filter(|peer| peer.established.is_some()).map(|peer| peer.slot);
        let entries = self.rib.tables().iter().flat_map(|table| table.entries());
        entries
            .filter(move |(_, entry)| slot.is_some_and(|slot| entry.is_sent(slot)))
            .map(|(prefix, _)| *prefix)
    }

    fn status(&self, id: PeerId, peer: &Peer) -> PeerStatus {
        let furthest = peer
            .connections()
            .filter_map(|id| self.connections.get(&id))
            .map(|connection| connection.state)
            .max();
        let state = match furthest {
            Some(State::Established) => SessionState::Established,
            Some(State::OpenConfirm) => SessionState::OpenConfirm,
            Some(State::OpenSent) => SessionState::OpenSent,
            Some(State::Connecting) => SessionState::Connect,
            None if self.shut_down || peer.idle_until.is_some() => SessionState::Idle,
            None => SessionState::Active,
        };
        PeerStatus {
            id,
            config: peer.config.clone(),
            state,
            session: peer.established.as_ref().map(|established| established.info),
            last_down: peer.last_down,
            prefixes: peer.prefixes,
            stats: peer.stats,
        }
    }
}

fn route(prefix: IpNet, path: &Path) -> Route {
    Route { prefix, source: path.source(), attributes: path.attributes.clone() }
}
