//! The reconciler: what is desired on one side, what the kernel says on the other, operations as the result.

mod held;
mod observe;
mod trouble;
mod work;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use self::held::{Desired, HeldTable};
use self::observe::ScanState;
use self::trouble::Troubles;
use crate::config::Config;
use crate::diff::{Decision, Want, decide, surplus};
use crate::entry::Entry;
use crate::event::{Event, Notice, Scan, Stats, Status};
use crate::link::LinkTable;
use crate::number::{Family, Protocol};
use crate::op::{Op, OpId};
use crate::route::{Key, Route};

/// Notices kept for whoever fetches them.
const NOTICES: usize = 1024;

/// Keeps the kernel's routes as desired; does no I/O and reads no clock.
///
/// The caller passes on what the kernel says, does the scans and operations that are asked for, and says what time it
/// is (since any epoch, never backwards). `netlink::Driver` is such a caller.
///
/// ```
/// use core::time::Duration;
/// use tortie_routes::{Config, LinkState, Ownership, Reconciler, Route, Scan, Snapshot};
///
/// let mut reconciler = Reconciler::new(Config::new(Ownership::agent("cali")));
/// reconciler.set(Route::local("10.0.0.2".parse()?, "cali12").metric(1024))?;
/// reconciler.set_in_sync();
///
/// let now = Duration::ZERO;
/// while let Some(scan) = reconciler.poll_scan(now) {
///     let snapshot = match scan {
///         Scan::Links => Snapshot::links(vec![LinkState::new(7, "cali12", true)]),
///         _ => Snapshot::routes(vec![]), // read them from the kernel
///     };
///     reconciler.handle_scan(scan, Ok(snapshot), now);
/// }
/// while let Some(batch) = reconciler.poll_batch(256, now) {
///     for (id, op) in batch.ops() {
///         println!("{op}"); // write it to the kernel
///         reconciler.handle_result(*id, Ok(()), now);
///     }
/// }
/// assert!(reconciler.is_settled());
/// let wake = reconciler.poll_timeout(); // then handle_timeout, and all over again
/// # assert!(wake.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it promises
/// - Nothing is written before the links and the routes of that family and table were read once, and nothing is removed
///   before [`Reconciler::set_in_sync`].
/// - Of the routes in the kernel, only those that [`Ownership`](crate::Ownership) calls ours are removed; a foreign route
///   is replaced only if it is to be taken over. A free key is taken with "create exclusively", a removal names the
///   protocol: so a foreign route that was not yet heard of is not hit either. (A replacement cannot be made
///   conditional in the kernel: what a stranger puts in the place of our own route, at that very moment, is lost.)
/// - Make before break: a superfluous route stays until the desired route of the same destination and interface is in
///   place. Where an address moves to another interface, the key is the same and the replacement is atomic.
/// - News may be late, double, or lost (if [`Event::Overrun`] says so; without a word, until the next full resync),
///   results may be lost or come in any order, and operations may fail: the routes still become as desired, and every
///   retry of a key comes after a pause that doubles.
///
/// Whoever reassigns an address to another workload and wants no packet of the old one's connections to reach the new
/// one sets [`Route::prohibit`] for it first, waits for [`Status::InPlace`], flushes the connections, then sets the
/// new route.
#[derive(Debug)]
pub struct Reconciler {
    config: Config,
    links: LinkTable,
    desired: Desired,
    held: HeldTable,
    troubles: Troubles,
    /// Keys to be looked at, those first whose routes others need to be reachable.
    dirty: BTreeSet<(u8, Key)>,
    flights: BTreeMap<OpId, Flight>,
    flying: BTreeMap<Key, OpId>,
    next_id: u64,
    scans: BTreeMap<Scan, ScanState>,
    running: Option<Scan>,
    /// News that came while a scan was running; they count after it.
    journal: Vec<Event>,
    conflicts: BTreeMap<Key, Protocol>,
    notices: VecDeque<Notice>,
    stats: Stats,
    in_sync: bool,
}

/// An operation without a result yet.
#[derive(Debug)]
struct Flight {
    op: Op,
    deadline: Duration,
    /// What it does was heard of, from whomever.
    echoed: bool,
    /// Something else happened to the key meanwhile; which came first is not known.
    disturbed: bool,
}

/// A desired route that would not be ours once written, by [`Ownership`](crate::Ownership).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotOwned {
    /// The route.
    pub route: Route,
}

impl fmt::Display for NotOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the route {} is outside of the owned tables, protocols and interfaces", self.route)
    }
}

impl core::error::Error for NotOwned {}

impl Reconciler {
    /// A reconciler that desires nothing yet and knows nothing of the kernel.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut scans = BTreeMap::from([(Scan::Links, ScanState::default())]);
        for table in config.ownership.tables() {
            for family in Family::ALL {
                scans.insert(Scan::Routes { family, table }, ScanState::default());
            }
        }
        Self {
            config,
            links: LinkTable::default(),
            desired: Desired::default(),
            held: HeldTable::default(),
            troubles: Troubles::default(),
            dirty: BTreeSet::new(),
            flights: BTreeMap::new(),
            flying: BTreeMap::new(),
            next_id: 0,
            scans,
            running: None,
            journal: Vec::new(),
            conflicts: BTreeMap::new(),
            notices: VecDeque::new(),
            stats: Stats::default(),
            in_sync: false,
        }
    }

    /// Desires a route, in place of any other of the same [`Key`].
    ///
    /// # Errors
    /// [`NotOwned`] if we would not recognise the route as ours later; nothing changes then.
    pub fn set(&mut self, route: Route) -> Result<(), NotOwned> {
        let route = route.canonical();
        if !self.config.ownership.admits(&route) {
            return Err(NotOwned { route });
        }
        let key = route.key();
        if self.desired.get(&key) == Some(&route) {
            return Ok(());
        }
        let first_on = route.interface().filter(|name| !self.desired.has_interface(name));
        let ends_grace = first_on.and_then(|name| self.links.by_name(name)).map(|link| link.index);
        self.desired.set(route);
        self.troubles.relieve(&key);
        self.touch(key);
        for key in ends_grace.map(|index| self.held.on_index(index)).unwrap_or_default() {
            self.touch(key);
        }
        Ok(())
    }

    /// Desires the route of this key no longer, and answers with it.
    pub fn remove(&mut self, key: &Key) -> Option<Route> {
        let route = self.desired.remove(key)?;
        self.troubles.relieve(key);
        self.end_conflict(key);
        self.touch(*key);
        Some(route)
    }

    /// Desires exactly these routes. Of several with one key the last counts. Answers with those that were not taken.
    pub fn replace_all(&mut self, routes: impl IntoIterator<Item = Route>) -> Vec<NotOwned> {
        let mut new: BTreeMap<Key, Route> = BTreeMap::new();
        let mut refused = Vec::new();
        for route in routes.into_iter().map(Route::canonical) {
            if self.config.ownership.admits(&route) {
                new.insert(route.key(), route);
            } else {
                refused.push(NotOwned { route });
            }
        }
        let gone: Vec<Key> =
            self.desired.iter().map(Route::key).filter(|key| !new.contains_key(key)).collect();
        for key in gone {
            self.remove(&key);
        }
        for route in new.into_values() {
            if let Err(error) = self.set(route) {
                refused.push(error);
            }
        }
        refused
    }

    /// The desired routes, ordered by key.
    pub fn desired(&self) -> impl Iterator<Item = &Route> + '_ {
        self.desired.iter()
    }

    /// The desired set is complete from now on: what is ours in the kernel and not in it may be removed.
    pub fn set_in_sync(&mut self) {
        if !self.in_sync {
            self.in_sync = true;
            let keys: Vec<Key> = self.held.keys().collect();
            for key in keys {
                self.touch(key);
            }
        }
    }

    /// How the desired route of this key fares.
    #[must_use]
    pub fn status(&self, key: &Key) -> Status {
        let want = Want::of(self.desired.get(key), &self.links);
        let entry = match &want {
            Want::Nothing => return Status::Undesired,
            Want::Blocked(_) => return Status::Blocked,
            Want::Ready(entry) => entry,
        };
        if !self.is_known(key) || self.flying.contains_key(key) {
            return Status::Pending;
        }
        if self.held.entries(key).contains(entry) {
            return Status::InPlace;
        }
        match decide(&want, self.held.entries(key), &self.config.ownership, &self.links) {
            Decision::Conflict(protocol) => Status::Conflict(protocol),
            _ => Status::Pending,
        }
    }

    /// Whether nothing is left to do, as far as is known: everything was read, every desired route is in place, blocked or
    /// in conflict, and (once in sync) no other route is ours, but for those that stay because a route in conflict
    /// should take their place.
    ///
    /// # Complexity
    /// O(n) in the routes, once nothing is in flight.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let quiet = self.dirty.is_empty()
            && self.flights.is_empty()
            && self.running.is_none()
            && !self.troubles.has_unknown()
            && self.scans.values().all(ScanState::is_fresh);
        let (ownership, links) = (&self.config.ownership, &self.links);
        let want = |key: &Key| Want::of(self.desired.get(key), links);
        let decision = |key: &Key| decide(&want(key), self.held.entries(key), ownership, links);
        let stays = |entry: &Entry| {
            let successor = self.successor(entry).map(|route| decision(&route.key()));
            matches!(successor, Some(Decision::Conflict(_)))
        };
        let done = |key: &Key| match decision(key) {
            Decision::Nothing | Decision::Conflict(_) => true,
            Decision::Do(Op::Delete(_)) => {
                !self.in_sync || surplus(&want(key), self.held.entries(key), ownership, links).all(stays)
            }
            Decision::Do(_) => false,
        };
        quiet && self.held.keys().all(|key| done(&key)) && self.desired.iter().all(|route| done(&route.key()))
    }

    /// The desired routes that a foreign route keeps out of the kernel, and that route's protocol.
    pub fn conflicts(&self) -> impl Iterator<Item = (Key, Protocol)> + '_ {
        self.conflicts.iter().map(|(key, protocol)| (*key, *protocol))
    }

    /// The next thing worth telling somebody. Of those that are not fetched the last 1,024 are kept.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            desired: self.desired.len(),
            held: self.held.len(),
            conflicts: self.conflicts.len(),
            ..self.stats
        }
    }

    /// When [`Reconciler::handle_timeout`] wants to be called, if nothing else happens. To be asked anew after every other
    /// call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let flight = self.flights.values().map(|flight| flight.deadline).next();
        let idle = self.running.is_none() && self.flights.is_empty();
        let scan = self.scans.values().map(ScanState::due).min().filter(|_| idle);
        [self.troubles.next_timer(), flight, scan].into_iter().flatten().min()
    }

    fn notice(&mut self, notice: Notice) {
        if self.notices.len() >= NOTICES {
            self.notices.pop_front();
            self.stats.dropped_notices = self.stats.dropped_notices.saturating_add(1);
        }
        self.notices.push_back(notice);
    }

    /// A key is to be looked at; and with it the others of the same destination, since they may have waited for it.
    fn touch(&mut self, key: Key) {
        self.dirty.insert((self.phase(&key), key));
        let siblings: Vec<Key> = self.held.siblings(&key).filter(|sibling| *sibling != key).collect();
        for sibling in siblings {
            self.dirty.insert((self.phase(&sibling), sibling));
        }
    }

    /// Desired routes on links first, then those through gateways, then what nobody desires.
    fn phase(&self, key: &Key) -> u8 {
        let gateway = |route: &Route| route.next_hop.as_ref().is_some_and(|hop| hop.via.is_some());
        self.desired.get(key).map_or(2, |route| u8::from(gateway(route)))
    }

    /// Whether the kernel's entries under this key were read, and nothing was lost since.
    fn is_known(&self, key: &Key) -> bool {
        self.scans.get(&scan_of(key)).is_some_and(ScanState::is_fresh)
    }
}

const fn scan_of(key: &Key) -> Scan {
    Scan::Routes { family: key.family(), table: key.table }
}
