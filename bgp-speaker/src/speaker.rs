//! The speaker: its inputs, outputs and what can be seen of it.

use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use crate::config::{Config, LocalRoute, PeerConfig};
use crate::event::{
    Change, ConnectionId, Event, Output, PeerError, PeerId, PeerStatus, Refusal, Route, Source,
};

/// A BGP speaker.
#[derive(Debug)]
pub struct Speaker {
    config: Config,
}

// Signatures first, so that drivers can be written against them: the machine behind them is the next commit.
impl Speaker {
    /// A speaker without peers and prefixes.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }

    /// add_peer
    pub fn add_peer(&mut self, _config: PeerConfig, _now: Duration) -> Result<PeerId, PeerError> {
        Err(PeerError::NotFound)
    }

    /// change_peer
    pub fn change_peer(
        &mut self,
        _peer: PeerId,
        _config: PeerConfig,
        _now: Duration,
    ) -> Result<(), PeerError> {
        Err(PeerError::NotFound)
    }

    /// remove_peer
    pub fn remove_peer(&mut self, _peer: PeerId, _now: Duration) -> Result<(), PeerError> {
        Err(PeerError::NotFound)
    }

    /// set_peers
    pub fn set_peers(
        &mut self,
        _peers: impl IntoIterator<Item = PeerConfig>,
        _now: Duration,
    ) -> Result<(), PeerError> {
        Err(PeerError::NotFound)
    }

    /// peer_by_address
    pub fn peer_by_address(&self, _address: IpAddr) -> Option<PeerId> {
        None
    }

    /// announce
    pub fn announce(&mut self, _prefix: IpNet) {}

    /// announce_with
    pub fn announce_with(&mut self, _prefix: IpNet, _route: LocalRoute) {}

    /// withdraw
    pub fn withdraw(&mut self, _prefix: IpNet) -> bool {
        false
    }

    /// set_announcements
    pub fn set_announcements(&mut self, _prefixes: impl IntoIterator<Item = (IpNet, LocalRoute)>) {}

    /// connected
    pub fn connected(&mut self, _connection: ConnectionId, _now: Duration) {}

    /// accepted
    pub fn accepted(&mut self, _remote: IpAddr, _now: Duration) -> Result<ConnectionId, Refusal> {
        Err(Refusal::UnknownPeer)
    }

    /// data
    pub fn data(&mut self, _connection: ConnectionId, _bytes: &[u8], _now: Duration) {}

    /// closed
    pub fn closed(&mut self, _connection: ConnectionId, _now: Duration) {}

    /// blocked
    pub fn blocked(&mut self, _connection: ConnectionId, _now: Duration) {}

    /// writable
    pub fn writable(&mut self, _connection: ConnectionId) {}

    /// handle_timeout
    pub fn handle_timeout(&mut self, _now: Duration) {}

    /// shutdown
    pub fn shutdown(&mut self, _now: Duration) {}

    /// poll_output
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// poll_timeout
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// poll_event
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// poll_change
    pub fn poll_change(&mut self) -> Option<Change> {
        None
    }

    /// config
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// peers
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        core::iter::empty()
    }

    /// peer
    pub fn peer(&self, _peer: PeerId) -> Option<PeerStatus> {
        None
    }

    /// routes
    pub fn routes(&self) -> impl Iterator<Item = Route> + '_ {
        core::iter::empty()
    }

    /// best
    pub fn best(&self, _prefix: IpNet) -> Option<Route> {
        None
    }

    /// routes_from
    pub fn routes_from(&self, _source: Source) -> impl Iterator<Item = Route> + '_ {
        core::iter::empty()
    }

    /// routes_to
    pub fn routes_to(&self, _peer: PeerId) -> impl Iterator<Item = IpNet> + '_ {
        core::iter::empty()
    }
}
