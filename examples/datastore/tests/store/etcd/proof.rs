//! Twenty processes that assign and release addresses over one etcd, and are killed at random: no address ever has two
//! owners, the records never contradict each other, and every leak is collected.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tortie_datastore::{Datastore, Etcd};
use tortie_ipam::{
    Affinity, Allocator, AssignErrorKind, AssignRequest, Audit, LeakCollector, OwnBlocks, Pool, Standing,
    Use, View, keys,
};

use super::server::{self, Server};
use crate::{block_on, child};

const PROCESSES: usize = 20;
/// Assignments and releases, of all processes together.
const OPERATIONS: usize = 10_000;
/// After how many operations one process is killed, at least and at most.
const LIVES: (u64, u64) = (60, 190);
/// How many handles a process has at most.
const HELD: usize = 12;
/// Longer than the test takes, even on a busy machine.
const SLOW: Duration = Duration::from_secs(160);

/// 32 blocks of 16 addresses: the leaks fill them, so that in the end processes borrow, and find nothing free.
fn view() -> View {
    View::new([Pool::new("pods", "10.0.0.0/23".parse().unwrap()).block_len(28)])
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Nanoseconds of the clock that all processes of the machine share.
fn stamp() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// What a child does: assigns, releases and gives blocks back, and says so, until it is killed, or the file `stop` is there.
///
/// `name` is node, life and the path of that file.
pub(crate) async fn allocate(store: Datastore, name: &str, seed: u32) {
    let [node, life, stop] = name.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let (allocator, view, owner) = (Allocator::new(store), view(), Affinity::host(node));
    let mut random = Random(seed.into());
    let mut held: Vec<String> = Vec::new();
    let mut own = OwnBlocks::default();
    // Some keep their blocks at hand, as agents do; others read them each time, as plugins do.
    let warm = random.below(2) == 0;
    // The test runner has begun a line of its own.
    println!();
    for number in 0.. {
        if Path::new(stop).exists() {
            return;
        }
        let full = held.len() >= HELD;
        match random.below(50) {
            0 => {
                let _ = allocator.release_host_affinities(&owner, true, &view.config, now()).await;
            }
            1..=25 if !full => {
                let handle = format!("net.{node}.{life}.{number}");
                let request = AssignRequest::new(&handle, node, Use::Workload)
                    .v4(if random.below(8) == 0 { 2 } else { 1 })
                    .attribute("node", node)
                    .attribute("namespace", "default")
                    .attribute("pod", &handle);
                let result = match warm {
                    true => allocator.assign_all_from(&mut own, &request, &view, now()).await,
                    false => allocator.assign_all(&request, &view, now()).await,
                };
                match result {
                    Ok(assigned) => {
                        let addresses: Vec<String> =
                            assigned.addresses().map(|address| address.addr().to_string()).collect();
                        println!("got {} {handle} {}", stamp(), addresses.join(" "));
                        held.push(handle);
                    }
                    Err(error) if matches!(error.kind(), AssignErrorKind::Short(_)) => println!("short"),
                    Err(error) => println!("failed: {error}: {:?}", error.kind()),
                }
            }
            _ if held.is_empty() => {}
            _ => {
                let index = usize::try_from(random.below(held.len() as u64)).unwrap();
                let handle = held.swap_remove(index);
                println!("giving {} {handle}", stamp());
                match allocator.release_by_handle(&handle, &view.config, now()).await {
                    Ok(_) => println!("gave {handle}"),
                    Err(error) => println!("failed: {error}: {error:?}"),
                }
            }
        }
    }
}

/// A handle, as the processes told of it.
#[derive(Clone, Debug, Default)]
struct Tenancy {
    addresses: Vec<IpAddr>,
    from: i128,
    /// When its release began.
    to: Option<i128>,
}

/// What all processes said.
#[derive(Default)]
struct Log {
    operations: usize,
    tenancies: BTreeMap<String, Tenancy>,
    short: usize,
    failures: Vec<String>,
}

impl Log {
    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["got", at, handle, addresses @ ..] => {
                self.operations += 1;
                let tenancy = Tenancy {
                    addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
                    from: at.parse().unwrap(),
                    to: None,
                };
                assert!(self.tenancies.insert((*handle).to_owned(), tenancy).is_none());
            }
            ["giving", at, handle] => {
                self.tenancies.get_mut(*handle).unwrap().to = Some(at.parse().unwrap());
            }
            ["gave", _] => self.operations += 1,
            ["short"] => self.short += 1,
            ["failed:", ..] => self.failures.push(line.to_owned()),
            _ => {} // The test runner's own words.
        }
    }

    /// Who gets an address gets it after the one before began to give it back; one who was killed never gave back.
    fn assert_no_double_use(&self) {
        let mut by_address: BTreeMap<IpAddr, Vec<(&Tenancy, &str)>> = BTreeMap::new();
        for (handle, tenancy) in &self.tenancies {
            for address in &tenancy.addresses {
                by_address.entry(*address).or_default().push((tenancy, handle));
            }
        }
        for (address, mut tenants) in by_address {
            tenants.sort_by_key(|(tenancy, _)| tenancy.from);
            for pair in tenants.windows(2) {
                let free = pair[0].0.to.is_some_and(|to| to < pair[1].0.from);
                assert!(free, "{address} has two owners: {pair:?}");
            }
        }
    }
}

/// A process, and the thread that reads what it says; killed, by its own process id, when dropped.
struct Process {
    child: Child,
    reader: Option<JoinHandle<()>>,
    life: usize,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(server: &Server, log: &Arc<Mutex<Log>>, stop: &Path, node: usize, life: usize) -> Process {
    let name = format!("node-{node} {life} {}", stop.display());
    let seed = u32::try_from(node * 1_000 + life).unwrap();
    let mut child = child::spawn("allocate", server.endpoint().as_ref(), &name, seed);
    let output = BufReader::new(child.stdout.take().unwrap());
    let log = Arc::clone(log);
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            log.lock().unwrap().read(&line);
        }
    });
    Process { child, reader: Some(reader), life }
}

impl Process {
    /// Waits for its end, and until all that it said was read; whether it ended well.
    fn end(mut self) -> bool {
        let well = self.child.wait().unwrap().success();
        self.reader.take().unwrap().join().unwrap();
        well
    }
}

#[test]
fn twenty_processes_that_are_killed_at_random_share_no_address_and_every_leak_is_collected() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let stop: PathBuf = folder.path().join("stop");
    let log: Arc<Mutex<Log>> = Arc::default();
    let mut random = Random(1);
    let mut lives = |at: usize| at + usize::try_from(LIVES.0 + random.below(LIVES.1 - LIVES.0)).unwrap();
    let begun = Instant::now();
    let mut processes: Vec<Process> =
        (0..PROCESSES).map(|node| spawn(&server, &log, &stop, node, 0)).collect();
    let mut kill_at = lives(0);
    let mut victims = Random(2);
    let mut killed: BTreeSet<String> = BTreeSet::new();
    loop {
        assert!(begun.elapsed() < SLOW, "only {} operations", log.lock().unwrap().operations);
        let done = log.lock().unwrap().operations;
        if done >= OPERATIONS {
            break;
        }
        if done >= kill_at {
            kill_at = lives(done);
            let node = usize::try_from(victims.below(PROCESSES as u64)).unwrap();
            let life = processes[node].life;
            killed.insert(format!("net.node-{node}.{life}."));
            processes[node].child.kill().unwrap();
            let next = spawn(&server, &log, &stop, node, life + 1);
            core::mem::replace(&mut processes[node], next).end();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::fs::write(&stop, "").unwrap();
    for process in processes {
        assert!(process.end(), "a process failed");
    }
    let took = begun.elapsed();
    let log = core::mem::take(&mut *log.lock().unwrap());
    assert_eq!(log.failures, Vec::<String>::new());
    assert!(killed.len() > OPERATIONS / 200, "only {} were killed", killed.len());
    log.assert_no_double_use();

    let dead = |handle: &str| killed.iter().any(|life| handle.starts_with(life));
    let alive = log.tenancies.iter().filter(|(handle, tenancy)| tenancy.to.is_none() && !dead(handle));
    let alive: BTreeMap<&str, &Tenancy> = alive.map(|(handle, tenancy)| (handle.as_str(), tenancy)).collect();
    let used: Vec<IpAddr> = alive.values().flat_map(|tenancy| &tenancy.addresses).copied().collect();
    let (found, borrowed) = block_on(collect(&server.store(), &used, &alive, &dead));
    assert!(borrowed > 0 && log.short > 0, "{borrowed} borrowed, {} found nothing", log.short);
    println!(
        "{} operations in {took:.1?}, {} processes killed, {} addresses in use, {found} leaked and collected, \
         {borrowed} of them borrowed, {} assignments found nothing free",
        log.operations,
        killed.len(),
        used.len(),
        log.short
    );
}

/// Checks the records, collects the leaks, and ends with an empty store; how many leaks there were, and how many addresses
/// of both kinds were borrowed.
async fn collect(
    store: &Etcd,
    used: &[IpAddr],
    alive: &BTreeMap<&str, &Tenancy>,
    dead: &impl Fn(&str) -> bool,
) -> (usize, usize) {
    let (allocator, view) = (Allocator::new(store.clone()), view());
    let audit = async |used: &[IpAddr]| {
        let records = store.list(keys::ROOT).await.unwrap().items;
        let audit = Audit::new(&records, &view, used);
        assert_eq!((&audit.double, &audit.unassigned, &audit.outside), (&vec![], &vec![], &vec![]));
        assert_eq!((&audit.orphans, &audit.lies, &audit.problems), (&vec![], &vec![], &vec![]));
        audit
    };
    for node in 0..PROCESSES {
        allocator.settle_host_affinities(&Affinity::host(format!("node-{node}")), now()).await.unwrap();
    }
    let Audit { tenants, leaked, .. } = audit(used).await;
    let borrowed = tenants.iter().filter(|tenant| tenant.is_borrowed() == Some(true)).count();
    for tenant in &leaked {
        assert!(tenant.handle.as_deref().is_some_and(dead), "{tenant:?} was not leaked by a kill");
    }
    let mut collector = LeakCollector::new(Some(Duration::from_secs(60)));
    let mut sweep = async |later: u64, is_node: bool, alive: &BTreeMap<&str, &Tenancy>| {
        let at = now() + Duration::from_secs(later);
        let standing = |allocation: &tortie_ipam::Allocation<'_>| {
            let handle = allocation.handle().unwrap_or_default();
            if alive.contains_key(handle) { Standing::InUse } else { Standing::Gone }
        };
        let scan = collector.scan(&allocator, &view, at, |_| is_node, standing).await.unwrap();
        collector.collect(&allocator, &scan, &view, at).await.unwrap().addresses.len()
    };
    assert_eq!(sweep(0, true, alive).await, 0, "nothing is collected at first sight");
    assert_eq!(sweep(61, true, alive).await, leaked.len());
    assert_eq!(audit(used).await.leaked, [], "a leak is left");
    // The nodes go, and with them everything.
    assert_eq!(sweep(122, false, &BTreeMap::new()).await, used.len());
    assert_eq!(store.list(keys::ROOT).await.unwrap().items, [], "something is left");
    (leaked.len(), borrowed)
}
