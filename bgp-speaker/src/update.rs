//! What an established session does: routes in, routes out.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;

use ipnet::IpNet;
use tortie_bgp_wire::{ErrorAction, ErrorCode, Family, FamilySet, RouteRefresh, Update};

use crate::decision::Neighbor;
use crate::event::{ConnectionId, Event, Output, PeerId, SessionInfo, Source};
use crate::export::{self, Filled, Receiver};
use crate::fsm::Failure;
use crate::peer::{Established, Peer};
use crate::rib::{FAMILIES, PathAttributes};
use crate::speaker::Speaker;

impl Speaker {
    pub(crate) fn session_up(&mut self, id: ConnectionId, now: Duration) {
        let Some(connection) = self.connections.get(&id) else { return };
        let peer_id = connection.peer;
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let session = connection.session;
        let info = SessionInfo {
            remote_id: connection.remote_id,
            families: session.families,
            hold_time: session.hold_time,
            external: session.external,
            since: now,
        };
        let neighbor = Neighbor {
            peer: peer_id,
            address: peer.config.address,
            router_id: connection.remote_id,
            external: session.external,
        };
        peer.established = Some(Established {
            connection: id,
            session,
            info,
            neighbor: Arc::new(neighbor),
            cursors: [0; 2],
            complete: FamilySet::EMPTY,
            blocked: connection.blocked,
            error_reported: false,
        });
        peer.stats.sessions += 1;
        self.updates_pending = true;
        self.events.push_back(Event::SessionUp { peer: peer_id, session: info });
    }

    /// The session's routes leave the tables.
    pub(crate) fn session_down(&mut self, id: PeerId, now: Duration) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(established) = peer.established.take() else { return };
        if now.saturating_sub(established.info.since) >= self.config.error_wait_max {
            peer.errors = 0;
        }
        peer.prefixes = 0;
        let slot = peer.slot;
        for table in self.rib.tables_mut() {
            table.flush(id, slot);
        }
        self.routes_changed();
    }

    /// Tells the owner, once, and the peers that there is something to fetch.
    pub(crate) fn routes_changed(&mut self) {
        self.updates_pending = true;
        let news =
            self.rib.tables().iter().zip(&self.reported).any(|(table, reported)| table.version() > *reported);
        if news && self.config.report_changes && !self.change_reported {
            self.change_reported = true;
            self.events.push_back(Event::RoutesChanged);
        }
    }

    pub(crate) fn on_refresh(&mut self, id: PeerId, refresh: RouteRefresh<'_>) {
        let Some(established) = self.peers.get_mut(&id).and_then(|peer| peer.established.as_mut()) else {
            return;
        };
        // Subtypes belong to RFC 7313, which we do not offer.
        if refresh.subtype() != 0 || !established.session.families.contains(refresh.family()) {
            return;
        }
        for (cursor, family) in established.cursors.iter_mut().zip(FAMILIES) {
            if family == refresh.family() {
                *cursor = 0;
            }
        }
        self.updates_pending = true;
    }

    pub(crate) fn on_update(
        &mut self,
        id: ConnectionId,
        update: &Update<'_>,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let Some(peer_id) = self.connections.get(&id).map(|connection| connection.peer) else {
            return Ok(());
        };
        let Some(peer) = self.peers.get_mut(&peer_id) else { return Ok(()) };
        let Some(established) = peer.established.as_mut() else { return Ok(()) };
        peer.stats.updates_received += 1;
        let error = update.disposition();
        let mut withdraw_all = false;
        if let Some(error) = error {
            match error.action() {
                ErrorAction::AttributeDiscard => peer.stats.attributes_discarded += 1,
                ErrorAction::TreatAsWithdraw => {
                    withdraw_all = true;
                    peer.stats.treated_as_withdraw += 1;
                }
                _ => return Err(Failure::decode(error, bytes)),
            }
            if !core::mem::replace(&mut established.error_reported, true) {
                self.events.push_back(Event::UpdateError { peer: peer_id, error });
            }
        }
        let families = established.session.families;
        if let Some(family) = update.end_of_rib().filter(|family| families.contains(*family)) {
            self.events.push_back(Event::EndOfRib { peer: peer_id, family });
        }
        let neighbor = Arc::clone(&established.neighbor);
        let usable = |nlri: &tortie_bgp_wire::Nlri<'_>| families.contains(nlri.family());
        let withdrawn = update.withdrawals().filter(usable).filter_map(|nlri| nlri.prefix());
        for prefix in withdrawn {
            remove(&mut self.rib, peer, peer_id, prefix);
        }
        let attributes = if withdraw_all { None } else { self.accept(peer_id, update) };
        let mut result = Ok(());
        for family in FAMILIES {
            let prefixes = update.announcements().filter(usable).filter(|nlri| nlri.family() == family);
            let mut prefixes = prefixes.filter_map(|nlri| nlri.prefix()).peekable();
            if prefixes.peek().is_none() {
                continue;
            }
            let Some(peer) = self.peers.get_mut(&peer_id) else { break };
            let next_hop = update.next_hop(family).filter(|next_hop| !peer.refuses_next_hop(*next_hop));
            let attributes = attributes.as_ref().filter(|_| next_hop.is_some()).map(|attributes| {
                self.rib.interner.intern(PathAttributes { next_hop, ..attributes.clone() })
            });
            for prefix in prefixes {
                match &attributes {
                    // An announcement that is not accepted still replaces the last one.
                    None => {
                        remove(&mut self.rib, peer, peer_id, prefix);
                        peer.stats.routes_rejected += u64::from(!withdraw_all);
                    }
                    Some(attributes) => {
                        let table = self.rib.table_mut(family);
                        if !table.insert(prefix, Some(&neighbor), Arc::clone(attributes)) {
                            peer.prefixes += 1;
                        }
                    }
                }
            }
            if peer.prefixes > peer.config.prefix_limit {
                result = Err(too_many(family, peer.config.prefix_limit));
            }
        }
        self.routes_changed();
        result
    }

    /// The attributes of an UPDATE whose routes may be used; `None` for a loop (RFC 4271 §9, RFC 4456 §8) or a path with segments of
    /// a confederation that we are not in (RFC 5065 §5).
    fn accept(&self, peer: PeerId, update: &Update<'_>) -> Option<PathAttributes> {
        update.announcements().next()?;
        let attributes = PathAttributes::from_update(update);
        let path = attributes.as_path();
        let own = path.contains(self.config.local_as)
            || path.has_confederation()
            || attributes.originator_id() == Some(self.config.router_id);
        (!own && self.peers.contains_key(&peer)).then_some(attributes)
    }

    /// The next UPDATEs for some peer; peers take turns.
    pub(crate) fn poll_update(&mut self) -> Option<Output> {
        if !self.updates_pending {
            return None;
        }
        let after = self.last_served;
        let later = self.peers.range((Bound::Excluded(after), Bound::Unbounded));
        let turns = later.chain(self.peers.range(..=after)).filter(|(_, peer)| peer.established.is_some());
        let turns: Vec<PeerId> = turns.map(|(id, _)| *id).collect();
        for id in turns {
            if let Some(output) = self.update_for(id) {
                self.last_served = id;
                return Some(output);
            }
        }
        self.updates_pending = false;
        self.collect();
        None
    }

    /// The next UPDATEs for one peer.
    fn update_for(&mut self, id: PeerId) -> Option<Output> {
        let peer = self.peers.get_mut(&id)?;
        let next_hops = FAMILIES.map(|family| peer.next_hop(family));
        let established = peer.established.as_mut().filter(|established| !established.blocked)?;
        let mut out = Filled::default();
        for ((family, next_hop), cursor) in FAMILIES.into_iter().zip(next_hops).zip(&mut established.cursors)
        {
            if !established.session.families.contains(family) {
                continue;
            }
            let receiver = Receiver {
                peer: id,
                slot: peer.slot,
                session: established.session,
                local_as: self.config.local_as,
                default_local_pref: self.config.local_pref,
                next_hop,
            };
            let table = self.rib.table_mut(family);
            while out.bytes.is_empty() {
                let filled = export::fill(table, family, &receiver, cursor);
                let caught_up = filled.caught_up;
                out.append(filled);
                if caught_up {
                    if !established.complete.contains(family) {
                        established.complete = established.complete.with(family);
                        out.end_of_rib(family, &established.session);
                    }
                    break;
                }
            }
        }
        peer.stats.updates_sent += out.messages;
        peer.stats.routes_unsendable += u64::try_from(out.unsendable).unwrap_or(u64::MAX);
        (!out.bytes.is_empty())
            .then_some(Output::Send { connection: established.connection, bytes: out.bytes })
    }

    /// Drops the tombstones that every reader has passed.
    pub(crate) fn collect(&mut self) {
        for (i, family) in FAMILIES.into_iter().enumerate() {
            let readers = self.peers.values().filter_map(|peer| peer.established.as_ref());
            let readers = readers.filter(|established| established.session.families.contains(family));
            let cursors = readers.filter_map(|established| established.cursors.get(i).copied());
            let owner = self.reported.get(i).copied().filter(|_| self.config.report_changes);
            let passed = cursors.chain(owner).min().unwrap_or(u64::MAX);
            self.rib.table_mut(family).collect(passed);
        }
    }
}

fn remove(rib: &mut crate::rib::Rib, peer: &mut Peer, id: PeerId, prefix: IpNet) {
    if rib.table_mut(crate::rib::family_of(&prefix)).remove(prefix, Source::Peer(id)) {
        peer.prefixes = peer.prefixes.saturating_sub(1);
    }
}

/// Cease with family and limit (RFC 4486 §4).
fn too_many(family: Family, limit: usize) -> Failure {
    let [afi1, afi0] = family.afi().get().to_be_bytes();
    let [a, b, c, d] = u32::try_from(limit).unwrap_or(u32::MAX).to_be_bytes();
    Failure::new(ErrorCode::MAXIMUM_PREFIXES).with_data(&[afi1, afi0, family.safi().get(), a, b, c, d])
}
