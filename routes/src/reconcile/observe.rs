//! What the kernel says: scans and news.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;

use ipnet::IpNet;

use super::trouble::Cause;
use super::{Reconciler, scan_of};
use crate::diff::owns;
use crate::entry::Entry;
use crate::error::Errno;
use crate::event::{Content, Event, Notice, Scan, Snapshot};
use crate::link::LinkState;
use crate::number::{Family, Table};
use crate::op::Op;
use crate::route::Key;

/// News kept while a scan runs. More than these, and the scan is repeated instead.
const JOURNAL: usize = 65_536;

/// After so many interrupted scans in a row there is no hope for a whole one.
const PATIENCE: u32 = 5;

/// How often somebody must change a key in a row before that is called a fight.
const FIGHT: u32 = 5;

/// One kind of scan: when it is due, and what is known by it.
#[derive(Debug, Default)]
pub(super) struct ScanState {
    due: Duration,
    started: Duration,
    ended: Duration,
    spacing: Duration,
    failures: u32,
    /// Interrupted scans since the last whole one.
    interruptions: u32,
    completed: bool,
    /// News were lost since the last scan.
    stale: bool,
}

impl ScanState {
    pub(super) const fn due(&self) -> Duration {
        self.due
    }

    pub(super) const fn is_fresh(&self) -> bool {
        self.completed && !self.stale
    }

    /// Whether enough is known to replace entries: a dump with holes may not have shown all that hold a key.
    pub(super) const fn is_whole(&self) -> bool {
        self.interruptions == 0 || self.interruptions >= PATIENCE
    }
}

impl Reconciler {
    /// The next thing to be read from the kernel, if one is due. No other scan and no batch is handed out before
    /// [`Reconciler::handle_scan`] has the outcome, and no scan while operations are under way.
    pub fn poll_scan(&mut self, now: Duration) -> Option<Scan> {
        if self.running.is_some() || !self.flights.is_empty() {
            return None;
        }
        let (scan, state) = self.scans.iter_mut().find(|(_, state)| state.due <= now)?;
        state.started = now;
        self.running = Some(*scan);
        Some(*scan)
    }

    /// What a scan found, or why it failed. News that came since [`Reconciler::poll_scan`] count after it. The outcome of
    /// a scan that was not asked for is ignored.
    pub fn handle_scan(&mut self, scan: Scan, outcome: Result<Snapshot, Errno>, now: Duration) {
        if self.running != Some(scan) {
            return;
        }
        self.running = None;
        let read = outcome.is_ok();
        let (spacing, first) = self.end_scan(scan, outcome.as_ref().ok(), now);
        match outcome {
            Ok(Snapshot { content, interrupted }) => {
                self.stats.scans = self.stats.scans.saturating_add(1);
                match (scan, content) {
                    (Scan::Links, Content::Links(links)) => self.read_links(links, interrupted, now),
                    (Scan::Routes { family, table }, Content::Routes(entries)) => {
                        let whole = !interrupted;
                        self.read_routes((family, table), entries, Reading { whole, first }, now);
                    }
                    _ => self.request_scan(scan, now),
                }
                if interrupted {
                    self.stats.interrupted_scans = self.stats.interrupted_scans.saturating_add(1);
                    self.request_scan(scan, now.saturating_add(spacing));
                }
            }
            Err(_) => self.stats.failed_scans = self.stats.failed_scans.saturating_add(1),
        }
        for event in core::mem::take(&mut self.journal) {
            self.replay(event, read, now);
        }
    }

    /// Applies what came while a scan ran. Where that makes a difference to what the scan found, it is not known which of
    /// the two is newer.
    fn replay(&mut self, event: Event, read: bool, now: Duration) {
        let key = match &event {
            Event::RouteSet { entry, .. } | Event::RouteGone { entry } if read => entry.key,
            _ => return self.apply_event(event, now),
        };
        let found = self.held.entries(&key).to_vec();
        self.apply_event(event, now);
        if self.held.entries(&key) != found.as_slice() {
            self.doubt(key, &found, now);
        }
    }

    /// Settles the scan's own state; answers with its spacing and whether it is the first, or the first after a loss.
    fn end_scan(&mut self, scan: Scan, found: Option<&Snapshot>, now: Duration) -> (Duration, bool) {
        let config = &self.config;
        let Some(state) = self.scans.get_mut(&scan) else { return (config.scan_spacing, false) };
        let first = !state.is_fresh() || !state.is_whole();
        state.ended = now;
        let took = now.saturating_sub(state.started);
        let most = config.scan_spacing.saturating_mul(10);
        state.spacing = took.saturating_mul(10).min(most).max(config.scan_spacing);
        if let Some(found) = found {
            state.failures = 0;
            state.interruptions = if found.interrupted { state.interruptions.saturating_add(1) } else { 0 };
            state.completed = true;
            state.stale = false;
            state.due = now.saturating_add(config.resync_interval);
        } else {
            state.failures = state.failures.saturating_add(1);
            let factor = 1_u32.checked_shl(state.failures.saturating_sub(1)).unwrap_or(u32::MAX);
            let pause = config.backoff_min.saturating_mul(factor).min(config.backoff_max);
            state.due = now.saturating_add(pause);
        }
        (state.spacing, first)
    }

    /// Wants a scan soon: as soon as the spacing since the last one allows.
    pub(super) fn request_scan(&mut self, scan: Scan, now: Duration) {
        if let Some(state) = self.scans.get_mut(&scan) {
            let earliest =
                if state.completed { state.ended.saturating_add(state.spacing) } else { Duration::ZERO };
            state.due = state.due.min(now.max(earliest));
        }
    }

    /// News from the kernel, to be passed on in the order in which they came, and what happened before a scan or an
    /// operation before its outcome. Those of our own work may be left out.
    pub fn handle_event(&mut self, event: Event, now: Duration) {
        if self.running.is_none() {
            self.apply_event(event, now);
        } else if self.journal.len() < JOURNAL {
            self.journal.push(event);
        } else {
            // The whole journal is worth no more than this one line.
            self.journal.clear();
            self.journal.push(Event::Overrun);
        }
    }

    fn apply_event(&mut self, event: Event, now: Duration) {
        match event {
            Event::LinkSet(link) => self.set_link(link, now),
            Event::LinkGone { index } => self.forget_link(index, now),
            Event::RouteSet { entry, replaced } => {
                if self.is_relevant(&entry.key) && !self.is_echo(&entry, true) {
                    self.add_entry(entry, replaced, now);
                }
            }
            Event::RouteGone { entry } => {
                if self.is_relevant(&entry.key) && !self.is_echo(&entry, false) {
                    self.remove_entry(&entry, now);
                }
            }
            Event::Overrun => {
                self.stats.overruns = self.stats.overruns.saturating_add(1);
                let scans: Vec<Scan> = self.scans.keys().copied().collect();
                for scan in scans {
                    if let Some(state) = self.scans.get_mut(&scan) {
                        state.stale = true;
                    }
                    self.request_scan(scan, now);
                }
            }
        }
    }

    /// Only the tables that we own routes in, and no link-local or multicast destinations: there are many with one key,
    /// one per link, and nobody's but the kernel's (calico@87c15906f2 felix/routetable ignores `fe80::/64` too).
    fn is_relevant(&self, key: &Key) -> bool {
        let own_affair = match key.destination {
            IpNet::V4(net) => net.network().is_multicast() && net.prefix_len() >= 4,
            IpNet::V6(net) => {
                let top = |bits: u16| Ipv6Addr::new(bits, 0, 0, 0, 0, 0, 0, 0);
                (net.prefix_len() >= 10
                    && net.network().segments().first().is_some_and(|s| s & 0xffc0 == 0xfe80))
                    || (net.prefix_len() >= 8 && net.network() >= top(0xff00))
            }
        };
        !own_affair && self.scans.contains_key(&scan_of(key))
    }

    /// Whether this is what an operation under way does; then its result will say so too. If it is not, but an operation on
    /// the key is under way, then nobody knows which came first.
    fn is_echo(&mut self, entry: &Entry, set: bool) -> bool {
        let flight = self.flying.get(&entry.key).and_then(|id| self.flights.get_mut(id));
        let Some(flight) = flight else { return false };
        let echo = match &flight.op {
            Op::Create(own) | Op::Replace(own) => set && own == entry,
            Op::Delete(own) => !set && own == entry,
        };
        flight.disturbed |= !echo || flight.echoed;
        flight.echoed |= echo;
        echo
    }

    fn add_entry(&mut self, entry: Entry, replaced: bool, now: Duration) {
        let key = entry.key;
        let mut entries = self.held.entries(&key).to_vec();
        if replaced && !entries.is_empty() {
            entries.splice(..1, [entry]);
        } else if !entries.contains(&entry) {
            entries.push(entry);
        }
        // Which of several was replaced, and whether siblings were merged, is not said.
        if entries.len() > 1 {
            self.doubt(key, &entries, now);
        }
        self.observe(key, entries, true, now);
    }

    fn remove_entry(&mut self, entry: &Entry, now: Duration) {
        let key = entry.key;
        let mut entries = self.held.entries(&key).to_vec();
        match entries.iter().position(|held| held == entry) {
            Some(at) => {
                entries.remove(at);
                self.observe(key, entries, true, now);
            }
            // One of several next hops, or something that we have not heard of.
            None if !entries.is_empty() => self.doubt(key, &entries, now),
            None => {}
        }
    }

    /// Nothing is done to a key before it has been looked at; and looked at it is once it concerns us, be it by what it
    /// may hold.
    fn doubt(&mut self, key: Key, entries: &[Entry], now: Duration) {
        if self.concerns_us(&key, entries) {
            self.lose_sight(key, now);
        } else {
            self.troubles.doubt(key);
        }
        self.touch(key);
    }

    pub(super) fn concerns_us(&self, key: &Key, entries: &[Entry]) -> bool {
        let ours = |entry: &Entry| owns(&self.config.ownership, &self.links, entry);
        self.desired.get(key).is_some() || entries.iter().any(ours) || self.held.entries(key).iter().any(ours)
    }

    /// Somebody else has changed a key, or it was found changed.
    fn observe(&mut self, key: Key, entries: Vec<Entry>, strike: bool, now: Duration) {
        if self.held.entries(&key) == entries.as_slice() {
            return;
        }
        if strike && self.concerns_us(&key, &entries) {
            self.stats.outside_changes = self.stats.outside_changes.saturating_add(1);
            let times = self.troubles.strike(key, Cause::Outside, &self.config, now);
            if times == Some(FIGHT) {
                self.notice(Notice::Fight { key, times: FIGHT });
            }
        }
        self.held.set(key, entries, false, now);
        self.touch(key);
    }

    fn read_routes(
        &mut self,
        (family, table): (Family, Table),
        found: Vec<Entry>,
        reading: Reading,
        now: Duration,
    ) {
        let mut by_key: BTreeMap<Key, Vec<Entry>> = BTreeMap::new();
        for entry in found {
            let asked_for = entry.key.family() == family && entry.key.table == table;
            if asked_for && self.is_relevant(&entry.key) {
                by_key.entry(entry.key).or_default().push(entry);
            }
        }
        if reading.whole {
            let gone: Vec<Key> =
                self.held.keys_of(family, table).filter(|key| !by_key.contains_key(key)).collect();
            for key in gone {
                self.observe(key, Vec::new(), !reading.first, now);
            }
        }
        for (key, entries) in by_key {
            self.observe(key, entries, !reading.first, now);
        }
        let of = |key: &Key| key.family() == family && key.table == table;
        for key in self.troubles.clear_up(of) {
            self.touch(key);
        }
        if reading.first {
            let all: BTreeSet<Key> =
                self.desired.keys_of(family, table).chain(self.held.keys_of(family, table)).collect();
            for key in all {
                self.touch(key);
            }
        }
    }

    fn read_links(&mut self, found: Vec<LinkState>, interrupted: bool, now: Duration) {
        if !interrupted {
            let there: BTreeSet<u32> = found.iter().map(|link| link.index).collect();
            let gone: Vec<u32> =
                self.links.iter().map(|link| link.index).filter(|index| !there.contains(index)).collect();
            for index in gone {
                self.forget_link(index, now);
            }
        }
        for link in found {
            self.set_link(link, now);
        }
    }

    fn set_link(&mut self, link: LinkState, now: Duration) {
        let (index, name, up) = (link.index, link.name.clone(), link.up);
        if !up {
            // Even if that was known: entries may have been heard of since, from before.
            self.drop_entries_on(index, now);
        }
        if self.links.by_index(index) == Some(&link) && self.links.by_name(&name) == Some(&link) {
            return;
        }
        let before = self.links.set(link);
        for key in self.desired.on_interface(&name) {
            if up {
                self.troubles.forget(&key);
            }
            self.touch(key);
        }
        if let Some(before) = before.filter(|before| before.name != name) {
            for key in self.desired.on_interface(&before.name) {
                self.touch(key);
            }
        }
        for key in self.held.on_index(index) {
            self.touch(key);
        }
    }

    fn forget_link(&mut self, index: u32, now: Duration) {
        self.drop_entries_on(index, now);
        let Some(before) = self.links.remove(index) else { return };
        for key in self.desired.on_interface(&before.name) {
            self.touch(key);
        }
    }

    /// A link that is set down or deleted takes its routes along, the IPv4 ones without a word. Should that ever be less
    /// than the truth, a scan will say so.
    fn drop_entries_on(&mut self, index: u32, now: Duration) {
        let mut scans = BTreeSet::new();
        for key in self.held.on_index(index) {
            let mut entries = self.held.entries(&key).to_vec();
            entries.retain(|entry| entry.index() != Some(index));
            self.observe(key, entries, false, now);
            scans.insert(scan_of(&key));
        }
        for scan in scans {
            self.request_scan(scan, now);
        }
    }
}

/// How far a scan of routes can be trusted.
#[derive(Clone, Copy)]
struct Reading {
    /// What was not found is not there.
    whole: bool,
    /// It is the first, or the first after a loss.
    first: bool,
}
