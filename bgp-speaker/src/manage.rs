//! Peers added, changed and removed at run time; the end.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use tortie_bgp_wire::ErrorCode;

use crate::config::PeerConfig;
use crate::event::{PeerError, PeerId};
use crate::fsm::Failure;
use crate::peer::Peer;
use crate::speaker::Speaker;
use crate::timers::Timer;

impl Speaker {
    /// Adds a peer, and connects to it unless it is passive.
    ///
    /// # Errors
    /// `DuplicateAddress`.
    pub fn add_peer(&mut self, mut config: PeerConfig, now: Duration) -> Result<PeerId, PeerError> {
        config.address = config.address.to_canonical();
        if self.addresses.contains_key(&config.address) {
            return Err(PeerError::DuplicateAddress { address: config.address });
        }
        self.next_peer += 1;
        let id = PeerId(self.next_peer);
        let used: BTreeSet<usize> = self.peers.values().map(|peer| peer.slot).collect();
        let slot = (0..).zip(&used).find(|(free, used)| free != *used).map_or(used.len(), |(free, _)| free);
        self.addresses.insert(config.address, id);
        self.peers.insert(id, Peer::new(config, slot));
        self.start_connect(id, now);
        Ok(id)
    }

    /// Changes a peer's configuration.
    ///
    /// Another address, AS, local address or set of families ends the session with a Cease and begins another. Other next hops
    /// are announced within the session; the rest needs no message.
    ///
    /// # Errors
    /// `NotFound`, `DuplicateAddress`; nothing is changed then.
    pub fn change_peer(
        &mut self,
        id: PeerId,
        mut config: PeerConfig,
        now: Duration,
    ) -> Result<(), PeerError> {
        config.address = config.address.to_canonical();
        let peer = self.peers.get_mut(&id).ok_or(PeerError::NotFound)?;
        if self.addresses.get(&config.address).is_some_and(|other| *other != id) {
            return Err(PeerError::DuplicateAddress { address: config.address });
        }
        let old = core::mem::replace(&mut peer.config, config.clone());
        self.addresses.remove(&old.address);
        self.addresses.insert(config.address, id);
        let identity =
            |config: &PeerConfig| (config.address, config.remote_as, config.local_address, config.families);
        if identity(&old) != identity(&config) {
            self.close_all(id, ErrorCode::CONFIGURATION_CHANGE, now);
            if let Some(peer) = self.peers.get_mut(&id) {
                (peer.idle_until, peer.errors) = (None, 0);
            }
            self.start_connect(id, now);
            return Ok(());
        }
        if let Some(established) = peer.established.as_mut() {
            let changed = [old.next_hop4 != config.next_hop4, old.next_hop6 != config.next_hop6];
            for (cursor, _) in established.cursors.iter_mut().zip(changed).filter(|(_, changed)| *changed) {
                *cursor = 0;
            }
            self.updates_pending = true;
        } else if old.passive && !config.passive {
            self.start_connect(id, now);
        }
        Ok(())
    }

    /// Ends the session with a Cease, "peer de-configured", and forgets the peer.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn remove_peer(&mut self, id: PeerId, now: Duration) -> Result<(), PeerError> {
        let address = self.peers.get(&id).ok_or(PeerError::NotFound)?.config.address;
        self.close_all(id, ErrorCode::PEER_DECONFIGURED, now);
        self.timers.clear(Timer::Connect(id));
        self.addresses.remove(&address);
        self.peers.remove(&id);
        Ok(())
    }

    /// Adds, changes and removes peers so that exactly these remain. A peer is recognised by its address.
    ///
    /// # Errors
    /// `DuplicateAddress` if two of them share one; nothing is changed then.
    pub fn set_peers(
        &mut self,
        peers: impl IntoIterator<Item = PeerConfig>,
        now: Duration,
    ) -> Result<(), PeerError> {
        let mut wanted = BTreeMap::new();
        for mut config in peers {
            config.address = config.address.to_canonical();
            let address = config.address;
            if wanted.insert(address, config).is_some() {
                return Err(PeerError::DuplicateAddress { address });
            }
        }
        let known: Vec<_> = self.addresses.iter().map(|(address, id)| (*address, *id)).collect();
        for (address, id) in known {
            match wanted.remove(&address) {
                None => self.remove_peer(id, now)?,
                Some(config) if self.peers.get(&id).is_some_and(|peer| peer.config == config) => {}
                Some(config) => self.change_peer(id, config, now)?,
            }
        }
        wanted.into_values().try_for_each(|config| self.add_peer(config, now).map(|_| ()))
    }

    /// Ends every session with a Cease, "administrative shutdown". Drain [`poll_output`](Self::poll_output) once more; the speaker then does
    /// nothing any more.
    pub fn shutdown(&mut self, now: Duration) {
        self.shut_down = true;
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in peers {
            self.close_all(id, ErrorCode::ADMINISTRATIVE_SHUTDOWN, now);
            self.timers.clear(Timer::Connect(id));
        }
    }

    /// Ends the connections of a peer.
    fn close_all(&mut self, id: PeerId, code: ErrorCode, now: Duration) {
        let connections: Vec<_> = self.peers.get(&id).into_iter().flat_map(Peer::connections).collect();
        for connection in connections {
            self.fail(connection, &Failure::new(code), now);
        }
    }
}
