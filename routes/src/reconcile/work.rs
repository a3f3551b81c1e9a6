//! Operations handed out, and what became of them.

use alloc::vec::Vec;
use core::time::Duration;

use super::trouble::Cause;
use super::{Flight, Reconciler, scan_of};
use crate::diff::{Decision, Want, apply, decide, surplus};
use crate::entry::Entry;
use crate::error::Errno;
use crate::event::{Notice, Scan};
use crate::number::Protocol;
use crate::op::{Batch, Op, OpId};
use crate::route::{Key, Route};

impl Reconciler {
    /// The next operations, at most `max` of them; `None` if there is nothing to do now. Several batches may be under way
    /// at once; none is handed out while a scan is, or is due.
    ///
    /// # Complexity
    /// O(k log n) for k keys that have changed, not for all.
    pub fn poll_batch(&mut self, max: usize, now: Duration) -> Option<Batch> {
        let links_known = self.scans.get(&Scan::Links).is_some_and(super::ScanState::is_fresh);
        let scan_due = self.scans.values().any(|state| state.due() <= now);
        if self.running.is_some() || !links_known || scan_due {
            return None;
        }
        let mut ops = Vec::new();
        while ops.len() < max {
            let Some((phase, key)) = self.dirty.pop_first() else { break };
            let Some(op) = self.step(&key, now) else { continue };
            // What the key needs may have changed since it was noted: then it takes its place among its like.
            let due = phase_of(&op);
            if due > phase {
                self.dirty.insert((due, key));
                continue;
            }
            let id = OpId(self.next_id);
            self.next_id = self.next_id.saturating_add(1);
            let count = match &op {
                Op::Create(_) => &mut self.stats.creates,
                Op::Replace(_) => &mut self.stats.replaces,
                Op::Delete(_) => &mut self.stats.deletes,
            };
            *count = count.saturating_add(1);
            let deadline = now.saturating_add(self.config.result_timeout);
            self.flights.insert(id, Flight { op: op.clone(), deadline, echoed: false, disturbed: false });
            self.flying.insert(key, id);
            ops.push((id, op));
        }
        if ops.is_empty() { None } else { Some(Batch::new(ops)) }
    }

    fn step(&mut self, key: &Key, now: Duration) -> Option<Op> {
        // Each of these looks at the key again when it ends.
        if self.flying.contains_key(key) || !self.is_known(key) || self.troubles.is_waiting(key, now) {
            return None;
        }
        if self.troubles.is_doubted(key) && self.concerns_us(key, &[]) {
            self.lose_sight(*key, now);
            return None;
        }
        let want = Want::of(self.desired.get(key), &self.links);
        match decide(&want, self.held.entries(key), &self.config.ownership, &self.links) {
            Decision::Nothing => {
                self.end_conflict(key);
                None
            }
            Decision::Conflict(protocol) => {
                self.begin_conflict(*key, protocol);
                None
            }
            Decision::Do(op) => {
                self.end_conflict(key);
                match op {
                    Op::Create(_) => Some(op),
                    Op::Replace(_) => {
                        self.scans.get(&scan_of(key)).is_some_and(super::ScanState::is_whole).then_some(op)
                    }
                    Op::Delete(_) => self.next_removal(key, &want, now),
                }
            }
        }
    }

    /// Of the entries that nobody wants under a key, the first that may go now.
    fn next_removal(&mut self, key: &Key, want: &Want, now: Duration) -> Option<Op> {
        if !self.in_sync {
            return None;
        }
        let held = self.held.get(key)?;
        let mut surplus = surplus(want, &held.entries, &self.config.ownership, &self.links);
        if matches!(want, Want::Ready(_)) {
            return surplus.next().cloned().map(Op::Delete); // beside the desired entry, which is there
        }
        let mut graced = false;
        let op = surplus
            .find(|entry| {
                let grace = !held.ours && now < held.since.saturating_add(self.config.grace);
                let waits = grace && self.has_grace(entry);
                graced |= waits;
                !waits && self.successor(entry).is_none()
            })
            .cloned()
            .map(Op::Delete);
        if graced {
            self.troubles.set_timer(*key, held.since.saturating_add(self.config.grace));
        }
        op
    }

    /// Whether an unexpected entry may be that of an endpoint that we have not heard of yet.
    fn has_grace(&self, entry: &Entry) -> bool {
        let link = entry.index().and_then(|index| self.links.by_index(index));
        let (Some(link), Some(prefix)) = (link, &self.config.grace_prefix) else { return false };
        link.name.starts_with(prefix.as_str()) && !self.desired.has_interface(&link.name)
    }

    /// Make before break: the desired route that must be in place before this superfluous entry of the same destination
    /// and interface goes.
    pub(super) fn successor(&self, entry: &Entry) -> Option<&Route> {
        let name = &self.links.by_index(entry.index()?)?.name;
        self.desired.siblings(&entry.key).find(|route| {
            route.interface() == Some(name)
                && match Want::of(Some(route), &self.links) {
                    Want::Ready(coming) => !self.held.entries(&coming.key).contains(&coming),
                    Want::Blocked(_) | Want::Nothing => false,
                }
        })
    }

    /// What became of an operation. Results of operations that were given up meanwhile are ignored.
    pub fn handle_result(&mut self, id: OpId, result: Result<(), Errno>, now: Duration) {
        let Some(flight) = self.flights.remove(&id) else { return };
        let key = flight.op.key();
        self.flying.remove(&key);
        let gone = |errno| matches!(errno, Errno::ESRCH | Errno::ENODEV | Errno::ENOENT);
        match (&flight.op, result) {
            _ if flight.disturbed => self.lose_sight(key, now),
            (op, Ok(())) => {
                self.troubles.succeed(&key);
                self.note(op, now);
            }
            (Op::Delete(_), Err(errno)) if gone(errno) => {
                self.troubles.succeed(&key);
                self.note(&flight.op, now);
            }
            (op, Err(errno)) => {
                self.handle_refusal(op, errno, now);
                if flight.echoed {
                    // Then it was somebody else who did it.
                    self.lose_sight(key, now);
                }
            }
        }
        self.touch(key);
    }

    fn note(&mut self, op: &Op, now: Duration) {
        let key = op.key();
        let mut entries = self.held.entries(&key).to_vec();
        if entries.len() > 1 && matches!(op, Op::Replace(_)) {
            // Which of several went is for the kernel to know.
            self.request_scan(scan_of(&key), now);
        }
        apply(op, &mut entries);
        let ours = match op {
            Op::Create(_) | Op::Replace(_) => true,
            Op::Delete(_) => self.held.get(&key).is_some_and(|held| held.ours),
        };
        self.held.set(key, entries, ours, now);
    }

    fn handle_refusal(&mut self, op: &Op, errno: Errno, now: Duration) {
        let key = op.key();
        if errno == Errno::ENOBUFS {
            // The answer was lost, not the operation.
            self.stats.lost_results = self.stats.lost_results.saturating_add(1);
            self.lose_sight(key, now);
            return;
        }
        self.stats.refusals = self.stats.refusals.saturating_add(1);
        self.troubles.strike(key, Cause::Refused, &self.config, now);
        if errno == Errno::EEXIST {
            self.lose_sight(key, now);
        } else if errno.is_link_gone() {
            self.request_scan(Scan::Links, now);
        } else if self.troubles.tell(&key, errno) {
            self.notice(Notice::Refused { key, errno });
        }
    }

    /// What the kernel holds under this key is not known until it has been looked at.
    pub(super) fn lose_sight(&mut self, key: Key, now: Duration) {
        self.troubles.set_unknown(key);
        self.request_scan(scan_of(&key), now);
    }

    /// Lets time pass: pauses end, missing results are given up, scans fall due.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(entry) = self.flights.first_entry().filter(|entry| entry.get().deadline <= now) {
            let flight = entry.remove();
            let key = flight.op.key();
            self.flying.remove(&key);
            self.stats.lost_results = self.stats.lost_results.saturating_add(1);
            self.lose_sight(key, now);
            self.touch(key);
        }
        while let Some(key) = self.troubles.expire(&self.config, now) {
            self.touch(key);
        }
    }

    fn begin_conflict(&mut self, key: Key, protocol: Protocol) {
        if self.conflicts.insert(key, protocol) != Some(protocol) {
            self.notice(Notice::Conflict { key, protocol });
        }
    }

    pub(super) fn end_conflict(&mut self, key: &Key) {
        if self.conflicts.remove(key).is_some() {
            self.notice(Notice::ConflictEnded { key: *key });
        }
    }
}

fn phase_of(op: &Op) -> u8 {
    match op {
        Op::Create(entry) | Op::Replace(entry) => u8::from(entry.has_gateway()),
        Op::Delete(entry) => 3 - u8::from(entry.has_gateway()),
    }
}
