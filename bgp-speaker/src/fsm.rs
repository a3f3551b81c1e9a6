//! The finite state machine of RFC 4271 §8: connections, OPEN, timers, collisions.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use smallvec::SmallVec;
use tortie_bgp_wire::{
    Capability, CapabilityCode, DecodeError, ErrorCode, FamilySet, Header, KEEPALIVE, Message, MessageType,
    Notification, Open, Session,
};

use crate::event::{ConnectionId, DownReason, Event, Output, PeerId, Refusal};
use crate::peer::{Connection, Peer, State};
use crate::speaker::Speaker;
use crate::timers::Timer;

/// How long to wait for an OPEN. RFC 4271 §8.2.2 suggests four minutes; but a peer that died after it accepted a connection
/// would then be kept waiting for as long when it is back.
const OPEN_HOLD: Duration = Duration::from_secs(60);
/// The least time a transport may take nothing before the session ends (RFC 9687 §6).
const SEND_HOLD: Duration = Duration::from_secs(480);

/// A connection is to be closed with this NOTIFICATION.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) data: Vec<u8>,
    pub(crate) error: Option<DecodeError>,
}

impl Failure {
    pub(crate) const fn new(code: ErrorCode) -> Self {
        Self { code, data: Vec::new(), error: None }
    }

    /// What the wire crate found in a message.
    pub(crate) fn decode(error: DecodeError, message: &[u8]) -> Self {
        Self { code: error.code(), data: error.data(message).to_vec(), error: Some(error) }
    }

    pub(crate) fn with_data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }
}

impl Speaker {
    /// Opens a connection, unless there is one or the peer is passive or kept waiting.
    pub(crate) fn start_connect(&mut self, id: PeerId, now: Duration) {
        let advanced = self.advanced(id).is_some();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let unwanted = self.shut_down || peer.config.passive || peer.idle_until.is_some();
        if unwanted || advanced || peer.outgoing.is_some() {
            return;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        peer.outgoing = Some(connection);
        self.connections.insert(connection, Connection::new(id));
        let (remote, local) = (peer.config.socket(), peer.config.local_address);
        self.queue.push_back(Output::Connect { connection, peer: id, remote, local });
        self.timers.set(Timer::Connect(id), now.saturating_add(self.config.connect_retry));
    }

    /// The connection of a peer that has got to OpenConfirm or further.
    fn advanced(&self, id: PeerId) -> Option<ConnectionId> {
        self.peers.get(&id)?.connections().find(|connection| {
            self.connections.get(connection).is_some_and(|connection| connection.state >= State::OpenConfirm)
        })
    }

    /// The attempt of ours that is not yet open.
    fn connecting(&self, id: PeerId) -> Option<ConnectionId> {
        let outgoing = self.peers.get(&id)?.outgoing?;
        self.connections.get(&outgoing).filter(|connection| connection.state == State::Connecting)?;
        Some(outgoing)
    }

    /// Sets the timer for the next attempt.
    fn schedule_connect(&mut self, id: PeerId, now: Duration) {
        let wait = self.config.connect_retry;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if self.shut_down || peer.idle_until.is_some() {
            return;
        }
        let wait = peer.jitter(wait, self.config.router_id);
        self.timers.set(Timer::Connect(id), now.saturating_add(wait));
    }

    /// Keeps a peer waiting that made an error.
    fn penalise(&mut self, id: PeerId, now: Duration) {
        let (first, max) = (self.config.error_wait, self.config.error_wait_max);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let wait = first.saturating_mul(1 << peer.errors.min(16)).min(max.max(first));
        peer.errors = peer.errors.saturating_add(1);
        let until = now.saturating_add(peer.jitter(wait, self.config.router_id));
        peer.idle_until = Some(until);
        self.timers.set(Timer::Connect(id), until);
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, now: Duration) {
        match timer {
            Timer::Connect(id) => {
                let Some(peer) = self.peers.get_mut(&id) else { return };
                peer.idle_until = None;
                if let Some(connection) = self.connecting(id) {
                    self.queue.push_back(Output::Close { connection });
                    self.forget(connection, DownReason::ConnectTimeout, now);
                }
                self.start_connect(id, now);
            }
            Timer::Hold(connection) => {
                self.fail(connection, &Failure::new(ErrorCode::HOLD_TIMER_EXPIRED), now);
            }
            Timer::SendHold(connection) => {
                self.fail(connection, &Failure::new(ErrorCode::SEND_HOLD_TIMER_EXPIRED), now);
            }
            Timer::Keepalive(id) => {
                let Some(connection) = self.connections.get(&id) else { return };
                if let Some(interval) = keepalive_interval(&connection.session) {
                    self.timers.set(Timer::Keepalive(id), now.saturating_add(interval));
                }
                self.keepalives.insert(id);
            }
        }
    }

    /// The next KEEPALIVE that is due.
    pub(crate) fn poll_keepalive(&mut self) -> Option<Output> {
        let connection = self.keepalives.pop_first()?;
        Some(Output::Send { connection, bytes: KEEPALIVE.to_vec() })
    }

    /// A connection is open: say who we are.
    pub(crate) fn send_open(&mut self, id: ConnectionId, now: Duration) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(peer) = self.peers.get(&connection.peer) else { return };
        connection.state = State::OpenSent;
        let capabilities = capabilities(peer.config.families, self.config.local_as);
        let open =
            Open::new(self.config.local_as, self.config.hold_time, self.config.router_id, &capabilities);
        let mut bytes = alloc::vec![0; open.encoded_len()];
        if open.encode(&mut bytes).is_ok() {
            self.queue.push_back(Output::Send { connection: id, bytes });
        }
        self.timers.set(Timer::Hold(id), now.saturating_add(OPEN_HOLD));
    }

    pub(crate) fn on_accepted(&mut self, remote: IpAddr, now: Duration) -> Result<ConnectionId, Refusal> {
        if self.shut_down {
            return Err(Refusal::ShutDown);
        }
        let id = self.peer_by_address(remote.to_canonical()).ok_or(Refusal::UnknownPeer)?;
        let peer = self.peers.get_mut(&id).ok_or(Refusal::UnknownPeer)?;
        let refusal = if peer.established.is_some() {
            Some(Refusal::Established)
        } else {
            peer.idle_until.filter(|until| *until > now).map(|_| Refusal::ErrorWait)
        };
        if let Some(refusal) = refusal {
            peer.stats.refused += 1;
            return Err(refusal);
        }
        // A peer opens a second connection only when it knows the first to be dead.
        if let Some(old) = peer.incoming {
            self.send_notification(old, &Failure::new(ErrorCode::COLLISION));
            self.queue.push_back(Output::Close { connection: old });
            self.forget(old, DownReason::Replaced, now);
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connections.insert(connection, Connection::new(id));
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.incoming = Some(connection);
        }
        self.send_open(connection, now);
        Ok(connection)
    }

    /// Reads what came in; stops when the connection ends.
    pub(crate) fn on_data(&mut self, id: ConnectionId, mut input: &[u8], now: Duration) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.state == State::Connecting {
            return;
        }
        let Some(mut framer) = connection.framer.take() else { return };
        loop {
            let result = match framer.next(input) {
                Ok((None, _)) => break,
                Ok((Some(message), rest)) => {
                    input = rest;
                    self.on_message(id, message, now)
                }
                Err(error) => Err(Failure::decode(error, framer.header())),
            };
            if let Err(failure) = result {
                self.fail(id, &failure, now);
            }
            if !self.connections.contains_key(&id) {
                return;
            }
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.framer = Some(framer);
        }
    }

    fn on_message(&mut self, id: ConnectionId, bytes: &[u8], now: Duration) -> Result<(), Failure> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let (state, session, peer) = (connection.state, connection.session, connection.peer);
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.stats.messages_received += 1;
        }
        let kind = Header::decode(bytes).map_err(|error| Failure::decode(error, bytes))?.kind();
        let allowed = match state {
            _ if kind == MessageType::NOTIFICATION => true,
            State::Connecting => false,
            State::OpenSent => kind == MessageType::OPEN,
            State::OpenConfirm => kind == MessageType::KEEPALIVE,
            State::Established => kind != MessageType::OPEN,
        };
        if !allowed {
            return Err(Failure::new(match state {
                State::Connecting => ErrorCode::FSM_UNSPECIFIC,
                State::OpenSent => ErrorCode::FSM_OPEN_SENT,
                State::OpenConfirm => ErrorCode::FSM_OPEN_CONFIRM,
                State::Established => ErrorCode::FSM_ESTABLISHED,
            }));
        }
        let (message, _) = Message::decode(bytes, &session).map_err(|error| Failure::decode(error, bytes))?;
        if state >= State::OpenConfirm && session.hold_time.seconds() > 0 {
            let hold = Duration::from_secs(session.hold_time.seconds().into());
            self.timers.set(Timer::Hold(id), now.saturating_add(hold));
        }
        match message {
            Message::Open(open) => self.on_open(id, &open, now),
            Message::Keepalive if state == State::OpenConfirm => {
                self.establish(id, now);
                Ok(())
            }
            Message::Update(update) => self.on_update(id, &update, bytes),
            Message::RouteRefresh(refresh) => {
                self.on_refresh(peer, refresh);
                Ok(())
            }
            Message::Notification(notification) => {
                self.on_notification(id, &notification, now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_open(&mut self, id: ConnectionId, open: &Open<'_>, now: Duration) -> Result<(), Failure> {
        let Some(peer_id) = self.connections.get(&id).map(|connection| connection.peer) else {
            return Ok(());
        };
        let Some(peer) = self.peers.get(&peer_id) else { return Ok(()) };
        let ours = capabilities(peer.config.families, self.config.local_as);
        let local = Open::new(self.config.local_as, self.config.hold_time, self.config.router_id, &ours);
        let session = check_open(open, &local, peer)?;
        self.collide(id, peer_id, open)?;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.session = session;
        connection.remote_id = open.identifier();
        connection.state = State::OpenConfirm;
        match keepalive_interval(&session) {
            Some(interval) => {
                let hold = Duration::from_secs(session.hold_time.seconds().into());
                self.timers.set(Timer::Hold(id), now.saturating_add(hold));
                self.timers.set(Timer::Keepalive(id), now.saturating_add(interval));
            }
            None => self.timers.clear(Timer::Hold(id)),
        }
        self.keepalives.insert(id);
        // An attempt of ours that is not yet open is not needed any more.
        if let Some(attempt) = self.connecting(peer_id) {
            self.drop_quietly(attempt);
        }
        Ok(())
    }

    /// Connection collision detection (RFC 4271 §6.8, RFC 6286 §2.3): `Err` if this connection loses.
    fn collide(&mut self, id: ConnectionId, peer: PeerId, open: &Open<'_>) -> Result<(), Failure> {
        let Some(peer) = self.peers.get(&peer) else { return Ok(()) };
        let outgoing = peer.outgoing;
        let Some(other) = peer.connections().find(|other| *other != id) else { return Ok(()) };
        let state = self.connections.get(&other).map(|other| other.state);
        if state.is_none_or(|state| state < State::OpenConfirm) {
            return Ok(());
        }
        let ours = (self.config.router_id, self.config.local_as);
        let ours_wins = ours > (open.identifier(), open.asn());
        let keep_this = state != Some(State::Established) && (outgoing == Some(id)) == ours_wins;
        if !keep_this {
            return Err(Failure::new(ErrorCode::COLLISION));
        }
        self.send_notification(other, &Failure::new(ErrorCode::COLLISION));
        self.drop_quietly(other);
        Ok(())
    }

    /// The session is up; any other connection goes.
    fn establish(&mut self, id: ConnectionId, now: Duration) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.state = State::Established;
        let peer_id = connection.peer;
        let other = self.peers.get(&peer_id).and_then(|peer| peer.connections().find(|other| *other != id));
        if let Some(other) = other {
            self.send_notification(other, &Failure::new(ErrorCode::COLLISION));
            self.drop_quietly(other);
        }
        self.timers.clear(Timer::Connect(peer_id));
        self.session_up(id, now);
    }

    fn on_notification(&mut self, id: ConnectionId, notification: &Notification<'_>, now: Duration) {
        let code = notification.code();
        let Some(peer) = self.connections.get(&id).map(|connection| connection.peer) else { return };
        self.queue.push_back(Output::Close { connection: id });
        if code == ErrorCode::COLLISION
            && self.peers.get(&peer).is_some_and(|peer| peer.connections().count() > 1)
        {
            // The peer chose the other connection.
            self.remove_connection(id);
            return;
        }
        if is_blame(code) {
            self.penalise(peer, now);
        }
        self.forget(id, DownReason::Received(code), now);
    }

    /// Ends a connection with a NOTIFICATION.
    pub(crate) fn fail(&mut self, id: ConnectionId, failure: &Failure, now: Duration) {
        let Some(peer) = self.connections.get(&id).map(|connection| connection.peer) else { return };
        self.send_notification(id, failure);
        if failure.code == ErrorCode::COLLISION {
            self.drop_quietly(id);
            return;
        }
        self.queue.push_back(Output::Close { connection: id });
        if is_blame(failure.code) {
            self.penalise(peer, now);
        }
        self.forget(id, DownReason::Sent { code: failure.code, error: failure.error }, now);
    }

    fn send_notification(&mut self, id: ConnectionId, failure: &Failure) {
        if self.connections.get(&id).is_none_or(|connection| connection.state == State::Connecting) {
            return;
        }
        let notification = Notification::new(failure.code, &failure.data);
        let mut bytes = alloc::vec![0; notification.encoded_len()];
        let bytes = if notification.encode(&mut bytes).is_ok() {
            bytes
        } else {
            // Data that fills the message and more: go without.
            let short = Notification::new(failure.code, &[]);
            bytes.truncate(short.encoded_len());
            if short.encode(&mut bytes).is_err() {
                return;
            }
            bytes
        };
        self.queue.push_back(Output::Send { connection: id, bytes });
    }

    /// Closes a connection that nobody needs to hear about.
    fn drop_quietly(&mut self, id: ConnectionId) {
        self.queue.push_back(Output::Close { connection: id });
        self.remove_connection(id);
    }

    /// Removes a connection, reports why it ended, and plans the next.
    pub(crate) fn forget(&mut self, id: ConnectionId, reason: DownReason, now: Duration) {
        let Some(connection) = self.remove_connection(id) else { return };
        let peer = connection.peer;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.last_down = Some(reason);
        }
        if connection.state == State::Established {
            self.session_down(peer, now);
            self.events.push_back(Event::SessionDown { peer, reason });
        } else {
            self.events.push_back(Event::ConnectionFailed { peer, reason });
        }
        if self.peers.get(&peer).is_some_and(|peer| peer.outgoing.is_none()) {
            self.schedule_connect(peer, now);
        }
    }

    fn remove_connection(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.keepalives.remove(&id);
        for timer in [Timer::Hold(id), Timer::Keepalive(id), Timer::SendHold(id)] {
            self.timers.clear(timer);
        }
        if let Some(peer) = self.peers.get_mut(&connection.peer) {
            peer.outgoing = peer.outgoing.filter(|other| *other != id);
            peer.incoming = peer.incoming.filter(|other| *other != id);
        }
        Some(connection)
    }

    /// The transport takes nothing more, or takes something again.
    pub(crate) fn set_blocked(&mut self, id: ConnectionId, blocked: Option<Duration>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let was = core::mem::replace(&mut connection.blocked, blocked.is_some());
        let (peer, session) = (connection.peer, connection.session);
        let established = self.peers.get_mut(&peer).and_then(|peer| peer.established.as_mut());
        if let Some(established) = established.filter(|established| established.connection == id) {
            established.blocked = blocked.is_some();
        }
        match blocked {
            Some(now) if !was => {
                let hold = Duration::from_secs(session.hold_time.seconds().into());
                self.timers
                    .set(Timer::SendHold(id), now.saturating_add(SEND_HOLD.max(hold.saturating_mul(2))));
            }
            Some(_) => {}
            None => {
                self.timers.clear(Timer::SendHold(id));
                self.updates_pending = true;
            }
        }
    }
}

/// Whether an error was in what the other side said, so that it will likely say it again.
const fn is_blame(code: ErrorCode) -> bool {
    !code.is_cease() && !matches!(code, ErrorCode::HOLD_TIMER_EXPIRED | ErrorCode::SEND_HOLD_TIMER_EXPIRED)
}

/// A third of the hold time; `None` if there is none.
fn keepalive_interval(session: &Session) -> Option<Duration> {
    let hold = Duration::from_secs(session.hold_time.seconds().into());
    (!hold.is_zero()).then_some(hold / 3)
}

type CapabilityList = SmallVec<[Capability<'static>; 4]>;

/// What we offer.
fn capabilities(families: FamilySet, local_as: u32) -> CapabilityList {
    families
        .intersection(FamilySet::UNICAST)
        .iter()
        .map(Capability::Multiprotocol)
        .chain([Capability::RouteRefresh, Capability::FourOctetAs(local_as)])
        .collect()
}

/// OPEN message error handling (RFC 4271 §6.2), as far as it depends on the configuration.
fn check_open(open: &Open<'_>, local: &Open<'_>, peer: &Peer) -> Result<Session, Failure> {
    if open.asn() != peer.config.remote_as {
        return Err(Failure::new(ErrorCode::BAD_PEER_AS));
    }
    if open.identifier() == local.identifier() && open.asn() == local.asn() {
        return Err(Failure::new(ErrorCode::BAD_IDENTIFIER));
    }
    let session = Session::negotiate(local, open);
    let missing = |wanted: CapabilityCode| {
        let mut data = Vec::new();
        for capability in local.capabilities().iter().filter(|capability| capability.code() == wanted) {
            let mut octets = [0; 8];
            let len = capability.encode(&mut octets).unwrap_or(0);
            data.extend_from_slice(octets.get(..len).unwrap_or(&[]));
        }
        Failure::new(ErrorCode::UNSUPPORTED_CAPABILITY).with_data(&data)
    };
    if !session.four_octet_as {
        return Err(missing(CapabilityCode::FOUR_OCTET_AS));
    }
    if session.families.is_empty() {
        return Err(missing(CapabilityCode::MULTIPROTOCOL));
    }
    Ok(session)
}
