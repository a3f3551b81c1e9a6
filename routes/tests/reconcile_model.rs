//! The reconciler against a kernel that lies: it drops and delays news, reorders and loses results, refuses, removes
//! routes in silence when a link goes down, interrupts dumps; and strangers write routes of all protocols meanwhile.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use tortie_routes::{
    Config, Entry, Errno, Event, Family, Key, LinkState, Op, OpId, Ownership, Protocol, Reconciler, Route,
    Scan, Snapshot, Status, Table,
};

/// Histories per run of the tests; TORTIE_PROVE=1 multiplies them by 50.
const CASES: u32 = 4_000;
/// Steps per history, at most.
const STEPS: usize = 160;

const NAMES: [&str; 4] = ["cali1", "cali2", "eth0", "eth1"];
const NETS: [&str; 3] = ["10.0.0.1/32", "10.0.0.0/26", "fd00::1/128"];
const METRICS: [u32; 2] = [0, 1024];
const PROTOCOLS: [Protocol; 4] = [Protocol::AGENT, Protocol::BOOT, Protocol::STATIC, Protocol::BIRD];

/// What the test says is ours; the library has its own opinion.
fn owned(protocol: Protocol, name: Option<&str>) -> bool {
    protocol == Protocol::AGENT
        || protocol == Protocol::BOOT && name.is_some_and(|name| name.starts_with("cali"))
}

/// The stupid kernel.
#[derive(Default)]
struct Twin {
    links: BTreeMap<u32, (String, bool)>,
    routes: BTreeMap<Key, Vec<Entry>>,
    /// News that nobody has read yet.
    news: VecDeque<Event>,
    /// How many news were read or lost.
    read: usize,
    last_index: u32,
    /// Whether the reconciler hears of its own creations and replacements too.
    echoes: bool,
    /// News were lost and nobody said so: whose a route is cannot be known then.
    deaf: bool,
    ops: u64,
}

impl Twin {
    fn lose(&mut self) {
        self.read += self.news.len();
        self.news.clear();
    }

    fn index(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|(_, link)| link.0 == name).map(|(index, _)| *index)
    }

    fn owns(&self, entry: &Entry) -> bool {
        let name = entry.index().and_then(|index| self.links.get(&index)).map(|link| link.0.as_str());
        owned(entry.protocol, name)
    }

    /// Whether the reconciler cannot have known the truth about a key.
    fn is_unread(&self, key: &Key) -> bool {
        self.deaf
            || self.news.iter().any(|event| match event {
                Event::RouteSet { entry, .. } | Event::RouteGone { entry } => entry.key == *key,
                _ => true,
            })
    }

    fn write(&mut self, entry: &Entry, replace: bool, append: bool) -> Result<(), Errno> {
        if let Some(index) = entry.index() {
            let (_, up) = self.links.get(&index).ok_or(Errno::ENODEV)?;
            if !up {
                return Err(Errno::ENETDOWN);
            }
        }
        let held = self.routes.entry(entry.key).or_default();
        if held.contains(entry) && (replace || append) {
            return if replace { Ok(()) } else { Err(Errno::EEXIST) };
        }
        if !held.is_empty() && !replace && !append {
            return Err(Errno::EEXIST);
        }
        let replaced = replace && !held.is_empty();
        match entry.key.family() {
            Family::V4 if replaced => held[0] = entry.clone(),
            Family::V6 if replaced => *held = vec![entry.clone()],
            _ => held.push(entry.clone()),
        }
        self.news.push_back(Event::RouteSet { entry: entry.clone(), replaced });
        Ok(())
    }

    /// IPv4 takes a metric of 0 in a deletion for "any metric".
    fn erase(&mut self, wanted: &Entry) -> Result<Entry, Errno> {
        let any_metric = wanted.key.family() == Family::V4 && wanted.key.metric == 0;
        for (key, held) in &mut self.routes {
            let same = key.destination == wanted.key.destination && key.table == wanted.key.table;
            if !same || !any_metric && key.metric != wanted.key.metric {
                continue;
            }
            let matching = |held: &Entry| {
                (held.protocol, held.kind, held.hop) == (wanted.protocol, wanted.kind, wanted.hop)
            };
            if let Some(at) = held.iter().position(matching) {
                let entry = held.remove(at);
                self.news.push_back(Event::RouteGone { entry: entry.clone() });
                return Ok(entry);
            }
        }
        Err(Errno::ESRCH)
    }

    /// An operation of the reconciler: it must not hurt strangers.
    fn apply(&mut self, op: &Op) -> Result<(), Errno> {
        self.ops += 1;
        let unread = self.is_unread(&op.key());
        match op {
            Op::Create(entry) => self.write(entry, false, false)?,
            Op::Replace(entry) => {
                for victim in self.routes.get(&entry.key).into_iter().flatten() {
                    let fair = self.owns(victim) || victim.protocol == Protocol::BIRD;
                    assert!(fair || unread, "replaced a foreign route: {victim}");
                }
                self.write(entry, true, false)?;
            }
            Op::Delete(entry) => {
                let victim = self.erase(entry)?;
                // Its owner may have changed with its interface's name, if that was not read yet.
                assert!(self.owns(&victim) || unread, "deleted a foreign route: {victim}");
                return Ok(()); // echoes of deletions are always read
            }
            _ => unreachable!(),
        }
        if !self.echoes {
            self.news.pop_back();
        }
        Ok(())
    }

    fn tell_link(&mut self, index: u32) {
        let (name, up) = self.links[&index].clone();
        self.news.push_back(Event::LinkSet(LinkState::new(index, name, up)));
    }

    /// IPv6 routes leave with a message, IPv4 routes without.
    fn drop_routes(&mut self, index: u32) {
        let news = &mut self.news;
        for (key, held) in &mut self.routes {
            held.retain(|entry| {
                let gone = entry.index() == Some(index);
                if gone && key.family() == Family::V6 {
                    news.push_back(Event::RouteGone { entry: entry.clone() });
                }
                !gone
            });
        }
    }

    fn change_link(&mut self, name: &str, action: u8) {
        match (self.index(name), action % 4) {
            (None, _) => {
                self.last_index += 1;
                self.links.insert(self.last_index, (name.into(), action < 128));
                self.tell_link(self.last_index);
            }
            (Some(index), 0) => {
                self.drop_routes(index);
                self.links.remove(&index);
                self.news.push_back(Event::LinkGone { index });
            }
            (Some(index), 1) => {
                let free = NAMES.iter().find(|name| self.index(name).is_none());
                if let Some(free) = free {
                    self.links.get_mut(&index).unwrap().0 = (*free).into();
                    self.tell_link(index);
                }
            }
            (Some(index), 2) => {
                self.drop_routes(index);
                self.links.get_mut(&index).unwrap().1 = false;
                self.tell_link(index);
            }
            (Some(index), _) => {
                self.links.get_mut(&index).unwrap().1 = true;
                self.tell_link(index);
            }
        }
    }

    fn snapshot(&self, scan: Scan, missing: u64) -> Snapshot {
        match scan {
            Scan::Links => {
                let links = self.links.iter().map(|(index, (name, up))| LinkState::new(*index, name, *up));
                Snapshot::links(links.collect())
            }
            Scan::Routes { family, table } => {
                let of = |entry: &&Entry| entry.key.family() == family && entry.key.table == table;
                let entries = self.routes.values().flatten().filter(of).cloned().enumerate();
                let kept = entries.filter(|(n, _)| missing >> (n % 64) & 1 == 0).map(|(_, entry)| entry);
                let snapshot = Snapshot::routes(kept.collect());
                if missing == 0 { snapshot } else { snapshot.interrupted() }
            }
            _ => unreachable!(),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set {
        net: usize,
        metric: usize,
        shape: u8,
    },
    Remove {
        net: usize,
        metric: usize,
    },
    ReplaceAll {
        mask: u16,
    },
    Outside {
        net: usize,
        metric: usize,
        protocol: usize,
        shape: u8,
        way: u8,
    },
    Link {
        name: usize,
        action: u8,
    },
    Deliver {
        count: usize,
    },
    /// News are lost, and in histories with a resync nobody says so.
    Lose,
    BeginScan,
    ReadScan {
        missing: u64,
    },
    EndScan {
        fail: bool,
    },
    Work {
        max: usize,
        faults: u64,
    },
    Results {
        pick: usize,
        count: usize,
    },
    Sleep {
        millis: u64,
    },
    InSync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (net, metric) = (0..NETS.len(), 0..METRICS.len());
    let step = prop_oneof![
        6 => (net.clone(), metric.clone(), any::<u8>()).prop_map(|(net, metric, shape)| Step::Set { net, metric, shape }),
        2 => (net.clone(), metric.clone()).prop_map(|(net, metric)| Step::Remove { net, metric }),
        1 => any::<u16>().prop_map(|mask| Step::ReplaceAll { mask }),
        8 => (net, metric, 0..PROTOCOLS.len(), any::<u8>(), any::<u8>())
            .prop_map(|(net, metric, protocol, shape, way)| Step::Outside { net, metric, protocol, shape, way }),
        4 => (0..NAMES.len(), any::<u8>()).prop_map(|(name, action)| Step::Link { name, action }),
        6 => (1_usize..6).prop_map(|count| Step::Deliver { count }),
        1 => Just(Step::Lose),
        4 => Just(Step::BeginScan),
        4 => prop_oneof![4 => Just(0), 1 => any::<u64>()].prop_map(|missing| Step::ReadScan { missing }),
        4 => (0_u8..6).prop_map(|n| Step::EndScan { fail: n == 0 }),
        8 => (1_usize..8, prop_oneof![3 => Just(0), 1 => any::<u64>()])
            .prop_map(|(max, faults)| Step::Work { max, faults }),
        8 => (any::<usize>(), 1_usize..5).prop_map(|(pick, count)| Step::Results { pick, count }),
        4 => prop_oneof![3 => 0_u64..500, 1 => 0_u64..12_000].prop_map(|millis| Step::Sleep { millis }),
        1 => Just(Step::InSync),
    ];
    prop::collection::vec(step, 1..STEPS)
}

struct World {
    twin: Twin,
    reconciler: Reconciler,
    desired: BTreeMap<Key, Route>,
    /// The scan under way; what it found, and how many news are older.
    scan: Option<(Scan, Option<(Snapshot, usize)>)>,
    /// Results, and how many news are older.
    results: Vec<(OpId, Result<(), Errno>, usize)>,
    now: Duration,
    in_sync: bool,
    resync: bool,
}

fn route(net: usize, metric: usize, shape: u8) -> Route {
    let net = NETS[net].parse().unwrap();
    let name = NAMES[usize::from(shape >> 2) % NAMES.len()];
    let gateway = match Family::of_net(&net) {
        Family::V4 => "192.0.2.1",
        Family::V6 => "2001:db8::1",
    };
    let route = match shape & 3 {
        0 => Route::blackhole(net),
        1 => Route::via(net, gateway.parse().unwrap(), name).onlink(),
        2 => Route::device(net, name).mtu(1400),
        _ => Route::device(net, name).protocol(Protocol::BOOT),
    };
    route.metric(METRICS[metric])
}

impl World {
    /// Without a resync, so that nothing else makes up for what goes wrong.
    fn new(echoes: bool, resync: bool) -> Self {
        let config = Config::new(Ownership::agent("cali"))
            .grace("cali", Duration::from_secs(10))
            .resync_interval(Duration::from_secs(if resync { 90 } else { 1_000_000 }));
        Self {
            twin: Twin { echoes, ..Twin::default() },
            reconciler: Reconciler::new(config),
            desired: BTreeMap::new(),
            scan: None,
            results: Vec::new(),
            now: Duration::ZERO,
            in_sync: false,
            resync,
        }
    }

    fn set(&mut self, route: Route) {
        let admitted = owned(route.protocol, route.interface());
        assert_eq!(self.reconciler.set(route.clone()).is_ok(), admitted);
        if admitted {
            self.desired.insert(route.key(), route);
        }
    }

    fn outside(&mut self, route: &Route, protocol: Protocol, way: u8) {
        let index = match route.interface() {
            None => 0,
            Some(name) => match self.twin.index(name) {
                Some(index) => index,
                None => return,
            },
        };
        let entry = Entry::resolve(&route.clone().protocol(protocol), index);
        // Refusals concern the stranger alone.
        let _ = match way % 4 {
            0 => self.twin.write(&entry, false, false),
            1 => self.twin.write(&entry, true, false),
            2 => self.twin.write(&entry, false, true),
            _ => {
                let held = self.twin.routes.get(&entry.key).and_then(|held| held.first()).cloned();
                held.map_or(Ok(()), |held| self.twin.erase(&held).map(drop))
            }
        };
    }

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let Some(event) = self.twin.news.pop_front() else { break };
            self.twin.read += 1;
            self.reconciler.handle_event(event, self.now);
        }
    }

    fn begin_scan(&mut self) {
        if let Some(scan) = self.reconciler.poll_scan(self.now) {
            assert!(self.scan.is_none());
            self.scan = Some((scan, None));
        }
    }

    fn read_scan(&mut self, missing: u64) {
        if let Some((scan, snapshot @ None)) = &mut self.scan {
            let older = self.twin.read + self.twin.news.len();
            *snapshot = Some((self.twin.snapshot(*scan, missing), older));
        }
    }

    fn end_scan(&mut self, fail: bool) {
        let read = self.twin.read;
        let ripe = |(_, found): &mut (Scan, Option<(Snapshot, usize)>)| {
            found.as_ref().is_some_and(|(_, older)| *older <= read)
        };
        if let Some((scan, Some((snapshot, _)))) = self.scan.take_if(ripe) {
            let outcome = if fail { Err(Errno::EINTR) } else { Ok(snapshot) };
            self.reconciler.handle_scan(scan, outcome, self.now);
        }
    }

    fn work(&mut self, max: usize, faults: u64) {
        let Some(batch) = self.reconciler.poll_batch(max, self.now) else { return };
        assert!(batch.ops().len() <= max);
        for (n, (id, op)) in batch.ops().iter().enumerate() {
            if matches!(op, Op::Delete(_)) {
                assert!(self.in_sync, "deleted before the desired set was in sync: {op}");
            }
            let older = self.twin.read + self.twin.news.len();
            match faults >> (n * 3) & 7 {
                1 => self.results.push((*id, Err(Errno::EPERM), older)), // refused
                2 => drop(self.twin.apply(op)),                          // done, and the result is lost
                4 => {}                                                  // neither done nor answered
                3 => {
                    let _ = self.twin.apply(op);
                    self.results.push((*id, Err(Errno::ENOBUFS), older)); // done or not: who knows
                }
                _ => {
                    let result = self.twin.apply(op);
                    self.results.push((*id, result, older));
                }
            }
        }
    }

    fn results(&mut self, pick: usize, count: usize) {
        for n in 0..count.min(self.results.len()) {
            let at = (pick + n * 7) % self.results.len();
            if self.twin.read < self.results[at].2 {
                continue;
            }
            let (id, result, _) = self.results.swap_remove(at);
            self.reconciler.handle_result(id, result, self.now);
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.reconciler.handle_timeout(self.now);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Set { net, metric, shape } => self.set(route(net, metric, shape)),
            Step::Remove { net, metric } => {
                let key = route(net, metric, 0).key();
                assert_eq!(self.reconciler.remove(&key), self.desired.remove(&key));
            }
            Step::ReplaceAll { mask } => {
                let routes = (0..6_u8)
                    .filter(|n| mask >> n & 1 == 1)
                    .map(|n| route(usize::from(n % 3), usize::from(n / 3), mask.to_le_bytes()[1] ^ n));
                let (taken, refused): (Vec<Route>, Vec<Route>) =
                    routes.partition(|route| owned(route.protocol, route.interface()));
                let told = self.reconciler.replace_all(taken.iter().chain(&refused).cloned());
                assert_eq!(told.len(), refused.len());
                self.desired = taken.into_iter().map(|route| (route.key(), route)).collect();
            }
            Step::Outside { net, metric, protocol, shape, way } => {
                self.outside(&route(net, metric, shape), PROTOCOLS[protocol], way);
            }
            Step::Link { name, action } => self.twin.change_link(NAMES[name], action),
            Step::Deliver { count } => self.deliver(count),
            Step::Lose => {
                self.twin.lose();
                self.twin.deaf |= self.resync;
                if !self.resync {
                    self.reconciler.handle_event(Event::Overrun, self.now);
                }
            }
            Step::BeginScan => self.begin_scan(),
            Step::ReadScan { missing } => self.read_scan(missing),
            Step::EndScan { fail } => self.end_scan(fail),
            Step::Work { max, faults } => self.work(max, faults),
            Step::Results { pick, count } => self.results(pick, count),
            Step::Sleep { millis } => self.sleep(Duration::from_millis(millis)),
            Step::InSync => {
                self.reconciler.set_in_sync();
                self.in_sync = true;
            }
        }
    }

    /// Everything that is due now, with a kernel that has come to its senses.
    fn drain(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 1_000, "a driver would spin");
            self.deliver(usize::MAX);
            self.results(0, usize::MAX);
            self.begin_scan();
            let scanning = self.scan.is_some();
            self.read_scan(0);
            self.deliver(usize::MAX);
            self.end_scan(false);
            let before = self.twin.ops;
            self.work(3, 0);
            let due = self.reconciler.poll_timeout().is_some_and(|wake| wake <= self.now);
            if !scanning && before == self.twin.ops && !due {
                break;
            }
            self.reconciler.handle_timeout(self.now);
        }
    }

    /// Sleeps and works as a driver would, for this long.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let wake = self.reconciler.poll_timeout().unwrap();
            assert!(wake > self.now, "a driver would spin");
            if wake > end {
                break;
            }
            self.sleep(wake - self.now);
        }
        self.sleep(end - self.now);
        self.drain();
    }

    fn check(&self) {
        let twin = &self.twin;
        assert!(self.reconciler.is_settled());
        let mut conflicts = BTreeSet::new();
        for route in self.desired.values() {
            let index = match route.interface() {
                None => Some(0),
                Some(name) => twin.index(name).filter(|index| twin.links[index].1),
            };
            let Some(index) = index else { continue };
            let held = twin.routes.get(&route.key()).map_or(&[][..], Vec::as_slice);
            let wanted = Entry::resolve(route, index);
            let foreign = held.iter().any(|e| !twin.owns(e) && e.protocol != Protocol::BIRD);
            if !held.contains(&wanted) {
                assert!(foreign, "missing: {wanted}");
                conflicts.insert(route.key());
            }
        }
        assert_eq!(self.reconciler.conflicts().map(|(key, _)| key).collect::<BTreeSet<_>>(), conflicts);
        for entry in twin.routes.values().flatten().filter(|entry| twin.owns(entry)) {
            let route = self.desired.get(&entry.key);
            let wanted = route.map(|route| {
                Entry::resolve(route, route.interface().and_then(|name| twin.index(name)).unwrap_or(0))
            });
            // Or it stays because what should come after it cannot.
            let before = conflicts.iter().any(|key| {
                let name = entry.index().map(|index| twin.links[&index].0.as_str());
                key.destination == entry.key.destination && self.desired[key].interface() == name
            });
            let kept = wanted.as_ref() == Some(entry) || conflicts.contains(&entry.key) || before;
            assert!(kept, "left behind: {entry}");
        }
        assert_eq!(self.reconciler.stats().conflicts, conflicts.len());
    }
}

fn prove() -> u32 {
    if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") { 50 } else { 1 }
}

#[test]
fn the_kernel_becomes_as_desired_whatever_happens() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runs = Runs { cases: CASES * prove(), failure_persistence: None, ..Runs::default() };
    TestRunner::new_with_rng(runs, rng)
        .run(&(any::<bool>(), any::<bool>(), steps()), |(echoes, resync, steps)| {
            let mut world = World::new(echoes, resync);
            for step in steps {
                world.take(step);
            }
            world.take(Step::InSync);
            world.read_scan(0);
            world.deliver(usize::MAX);
            world.end_scan(false);
            // Lost results, the last scan's spacing, backoff and grace: all over within a minute, or a resync.
            world.run(Duration::from_secs(if resync { 300 } else { 60 }));
            world.check();
            // And then there is peace.
            let (ops, scans) = (world.twin.ops, world.reconciler.stats().scans);
            world.run(Duration::from_secs(900));
            assert_eq!(world.twin.ops, ops, "works without a cause");
            let allowed = if resync { 3 * 11 } else { 0 };
            assert!(world.reconciler.stats().scans - scans <= allowed, "scans without a cause");
            world.check();
            Ok(())
        })
        .unwrap();
}

fn at_peace(routes: &[Route], links: &[&str]) -> World {
    let mut world = World::new(false, false);
    for name in links {
        world.twin.change_link(name, 4);
    }
    for route in routes {
        world.set(route.clone());
    }
    world.take(Step::InSync);
    world.run(Duration::from_secs(1));
    world.check();
    world
}

#[test]
fn a_fight_costs_little_and_a_single_deletion_is_repaired_at_once() {
    let pod = Route::local("10.0.0.1".parse().unwrap(), "cali1").metric(1024);
    let mut world = at_peace(core::slice::from_ref(&pod), &["cali1"]);
    let index = world.twin.index("cali1").unwrap();
    let ours = Entry::resolve(&pod, index);

    world.twin.erase(&ours).unwrap();
    world.drain();
    assert!(world.twin.routes[&pod.key()].contains(&ours), "not repaired at once");

    // Ten minutes long somebody deletes it a hundred times a second.
    let ops = world.twin.ops;
    for _ in 0..60_000 {
        let _ = world.twin.erase(&ours);
        world.drain();
        world.sleep(Duration::from_millis(10));
    }
    let spent = world.twin.ops - ops;
    assert!((15..40).contains(&spent), "{spent} operations");
    let mut notices = core::iter::from_fn(|| world.reconciler.poll_notice());
    assert!(notices.any(|notice| matches!(notice, tortie_routes::Notice::Fight { .. })));
    world.run(Duration::from_secs(60));
    world.check();
}

#[test]
fn refusals_cost_little() {
    let routes: Vec<Route> =
        (0..100).map(|n| Route::blackhole(format!("10.0.{n}.0/24").parse().unwrap())).collect();
    let mut world = World::new(false, false);
    for route in &routes {
        world.set(route.clone());
    }
    let mut attempts = 0;
    let end = Duration::from_secs(600);
    while world.now < end {
        world.begin_scan();
        world.read_scan(0);
        world.end_scan(false);
        while let Some(batch) = world.reconciler.poll_batch(256, world.now) {
            attempts += batch.ops().len();
            assert!(attempts < 10_000, "no pause between attempts");
            for (id, _) in batch.ops() {
                world.reconciler.handle_result(*id, Err(Errno::EPERM), world.now);
            }
        }
        world.sleep(Duration::from_millis(50));
    }
    assert!((100 * 15..100 * 30).contains(&attempts), "{attempts} attempts");
    let told = core::iter::from_fn(|| world.reconciler.poll_notice()).count();
    assert_eq!(told, 100, "the same refusal is told once");
    world.take(Step::InSync);
    world.run(Duration::from_secs(31));
    world.check();
}

#[test]
fn make_before_break() {
    // The plugin's route has metric 0, the agent's 1024. While the latter is refused, the former stays.
    let mut world = at_peace(&[], &["cali1"]);
    let plugin = Route::local("10.0.0.1".parse().unwrap(), "cali1");
    world.outside(&plugin, Protocol::BOOT, 0);
    world.drain();
    assert_eq!(world.twin.routes[&plugin.key()].len(), 1, "no grace for an unexpected route");
    world.set(plugin.clone().metric(1024));
    for faults in [1, 1, 0] {
        world.work(8, faults);
        assert_eq!(world.twin.routes[&plugin.key()].len(), 1);
        world.results(0, 8);
        world.sleep(Duration::from_secs(1));
    }
    world.run(Duration::from_secs(2));
    assert_eq!(world.twin.routes[&plugin.key()].len(), 0);
    world.check();
}

#[test]
fn a_taken_key_is_found_out() {
    let mut world = at_peace(&[], &["eth0"]);
    let route = Route::device("10.0.0.0/26".parse().unwrap(), "eth0");
    world.outside(&route, Protocol::STATIC, 0);
    world.twin.lose();
    world.set(route.clone());
    world.run(Duration::from_secs(3));
    assert_eq!(world.reconciler.status(&route.key()), Status::Conflict(Protocol::STATIC));
    world.check();
}

#[test]
fn news_that_cross_a_result_are_looked_into() {
    for way in [1, 3] {
        let mut world = at_peace(&[], &["eth0"]);
        let route = Route::device("10.0.0.0/26".parse().unwrap(), "eth0");
        world.set(route.clone());
        world.work(1, 0);
        // Done, and undone by somebody else; we hear of the latter first.
        world.outside(&Route::blackhole(route.destination), Protocol::AGENT, way);
        world.deliver(8);
        world.results(0, 8);
        world.run(Duration::from_secs(3));
        world.check();
    }
}

#[test]
fn a_conflict_ends_with_the_interface() {
    let mut world = at_peace(&[], &["eth0"]);
    let route = Route::device("10.0.0.0/26".parse().unwrap(), "eth0");
    world.outside(&Route::blackhole(route.destination), Protocol::STATIC, 0);
    world.set(route.clone());
    world.run(Duration::from_secs(1));
    assert_eq!(world.reconciler.conflicts().count(), 1);
    world.twin.change_link("eth0", 1); // another name
    world.run(Duration::from_secs(1));
    assert_eq!(world.reconciler.status(&route.key()), Status::Blocked);
    world.check();
}

#[test]
fn what_an_interrupted_scan_may_have_missed_is_not_replaced() {
    let mut world = World::new(false, false);
    world.twin.change_link("eth0", 4);
    let route = Route::device("10.0.0.0/26".parse().unwrap(), "eth0");
    world.outside(&route, Protocol::STATIC, 0);
    world.outside(&Route::blackhole(route.destination), Protocol::AGENT, 2);
    world.twin.lose();
    world.set(route);
    for missing in [0, 1, 0] {
        world.begin_scan();
        world.read_scan(missing);
        world.end_scan(false);
    }
    world.work(8, 0);
    world.results(0, 8);
    world.run(Duration::from_secs(60));
    world.take(Step::InSync);
    world.run(Duration::from_secs(1));
    world.check();
}

#[test]
fn grace_ends() {
    let mut world = at_peace(&[], &["cali1", "eth0"]);
    let plugin = Route::local("10.0.0.1".parse().unwrap(), "cali1");
    let stale = Route::blackhole("10.0.0.0/26".parse().unwrap());
    world.outside(&plugin, Protocol::BOOT, 0);
    world.outside(&stale, Protocol::AGENT, 0);
    world.run(Duration::from_secs(9));
    assert_eq!(world.twin.routes[&plugin.key()].len(), 1);
    assert_eq!(world.twin.routes[&stale.key()].len(), 0, "only workload interfaces have grace");
    world.run(Duration::from_secs(2));
    assert_eq!(world.twin.routes[&plugin.key()].len(), 0);
    world.check();
}

#[test]
fn the_tables_that_are_not_ours_are_never_asked_for() {
    let world = at_peace(&[], &[]);
    let mut reconciler = world.reconciler;
    let far = Route::blackhole("10.0.0.0/8".parse().unwrap()).table(Table::new(100));
    assert!(reconciler.set(far).is_err());
    let mut asked = BTreeSet::new();
    while let Some(scan) = reconciler.poll_scan(Duration::from_secs(3600)) {
        asked.insert(scan);
        reconciler.handle_scan(scan, Err(Errno::EINTR), Duration::from_secs(3600));
        if asked.len() == 3 {
            break;
        }
    }
    assert!(asked.iter().all(|scan| match scan {
        Scan::Routes { table, .. } => *table == Table::MAIN,
        _ => true,
    }));
}
