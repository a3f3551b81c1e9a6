//! What nodes that start, controllers and operators do: ranges, reservations of hosts, owners, leaks, old records.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net};
use tortie_ipam::{
    AddressRequest, Affinity, AffinityError, Allocator, AssignErrorKind, AssignRequest, Block, BlockAffinity,
    Config, ConfigError, Expect, Family, HostReserve, LeakCollector, ListOptions, MemoryStore, OwnerChange,
    OwnerError, Pool, ReleaseRequest, Standing, Store, Use, View, WINDOWS_RESERVED_HANDLE, block_on, keys,
};

const NOW: Duration = Duration::from_secs(1_787_918_700);
const GRACE: Duration = Duration::from_secs(900);

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn new() -> Allocator<MemoryStore> {
    Allocator::new(MemoryStore::new())
}

fn view(cidr: &str) -> View {
    View::new([Pool::new("p", net(cidr))])
}

fn strict(view: View) -> View {
    View { config: Config { strict_affinity: true, ..view.config }, ..view }
}

fn request(handle: &str, host: &str) -> AssignRequest {
    AssignRequest::new(handle, host, Use::Workload).attribute("node", host)
}

fn assign(allocator: &Allocator<MemoryStore>, request: &AssignRequest, view: &View) -> Vec<IpAddr> {
    let assigned = block_on(allocator.assign_all(request, view, NOW)).unwrap();
    assigned.addresses().map(|net| net.addr()).collect()
}

fn block(allocator: &Allocator<MemoryStore>, cidr: &str) -> Option<Block> {
    let found = block_on(allocator.store().get(&keys::block(&net(cidr)))).unwrap();
    found.map(|found| Block::decode(&found.value).unwrap())
}

#[test]
fn ranges_are_claimed_and_released() {
    let allocator = new();
    let view = view("10.0.0.0/24");
    let (a, b) = (Affinity::host("a"), Affinity::host("b"));
    let claim = |owner: &Affinity, range: &str| {
        block_on(allocator.claim_range(owner, &net(range), &view, NOW))
            .map(|claimed| (claimed.claimed.len(), claimed.failed.len()))
    };
    assert_eq!(claim(&a, "10.0.0.64/26").unwrap(), (1, 0));
    let small = claim(&a, "10.0.0.0/27").unwrap_err();
    assert_eq!(small, AffinityError::NotInPool { range: net("10.0.0.0/27") });
    assert!(matches!(claim(&a, "10.9.0.0/24"), Err(AffinityError::NotInPool { .. })));
    assert_eq!(claim(&b, "10.0.0.0/24").unwrap(), (3, 1));
    assert_eq!(claim(&Affinity::host("c"), "10.0.0.0/24").unwrap(), (0, 4));
    let huge = View::new([Pool::new("v6", net("fd00::/64"))]);
    let all = block_on(allocator.claim_range(&a, &net("fd00::/64"), &huge, NOW)).unwrap_err();
    assert_eq!(all, AffinityError::TooManyBlocks { range: net("fd00::/64") });

    // Of b's three blocks two are in the upper half; one of them is in use.
    let held = assign(&allocator, &request("h", "b").v4(1), &view);
    let used = IpNet::new(held[0], 26).unwrap().trunc();
    let release = |range: &str, empty| {
        block_on(allocator.release_range(&b, &net(range), empty, &view.config, NOW)).unwrap()
    };
    let empty = release("10.0.0.0/24", true);
    assert_eq!(
        (empty.released.len(), empty.failed),
        (2, vec![(used, AffinityError::NotEmpty { cidr: used })])
    );
    assert_eq!(release("10.0.0.64/26", false).released, Vec::<IpNet>::new(), "that is another's");
    assert_eq!(block(&allocator, "10.0.0.64/26").unwrap().affinity(), Some(a));
    assert_eq!(release(&used.to_string(), false).released, [used]);
    assert_eq!(block(&allocator, &used.to_string()).unwrap().affinity(), None);

    let release =
        |cidr: &str, empty| block_on(allocator.release_block_affinity(&net(cidr), empty, &view.config, NOW));
    assert_eq!(release("10.0.0.64/26", true), Ok(()));
    let gone = AffinityError::NotFound { cidr: net("10.0.0.64/26") };
    assert_eq!(release("10.0.0.64/26", true), Err(gone));
    assert_eq!(
        release(&used.to_string(), false),
        Err(AffinityError::Conflict { cidr: used, owner: None }),
        "nobody's"
    );
}

#[test]
fn a_block_is_ensured_once() {
    let allocator = new();
    let view = view("10.0.0.0/25");
    let ensure = |host: &str, view: &View| {
        block_on(allocator.ensure_block(&request("unused", host), Family::V4, view, NOW))
    };
    let first = ensure("a", &view).unwrap();
    assert_eq!(ensure("a", &view).unwrap(), first);
    assert_eq!(block(&allocator, &first.to_string()).unwrap().affinity(), Some(Affinity::host("a")));
    assert_ne!(ensure("b", &view).unwrap(), first);
    // Both are full of reserved addresses for a third.
    assign(&allocator, &request("a", "a").v4(1), &view);
    assign(&allocator, &request("b", "b").v4(1), &view);
    assert_eq!(ensure("c", &view), Err(AssignErrorKind::BlocksForbidden));
    let closed = View { config: Config { auto_allocate_blocks: false, ..view.config }, ..view };
    assert_eq!(ensure("a", &closed).unwrap(), first, "what it has already may be kept");
}

#[test]
fn a_host_keeps_both_ends_of_its_blocks() {
    let view = strict(view("192.168.1.0/24"));
    let allocator = new();
    let windows = request("h", "win").host_reserve(HostReserve::WINDOWS);
    let assigned = block_on(allocator.auto_assign(&windows.clone().v4(256), &view, NOW)).unwrap();
    assert_eq!(assigned.v4.addresses.len(), 240);
    for kept in ["192.168.1.0", "192.168.1.2", "192.168.1.63", "192.168.1.64", "192.168.1.255"] {
        assert!(assigned.addresses().all(|net| net.addr() != ip(kept)), "{kept}");
    }
    let first = block(&allocator, "192.168.1.0/26").unwrap();
    let kept: Vec<u32> = first.held_by(WINDOWS_RESERVED_HANDLE).map(|kept| kept.ordinal).collect();
    assert_eq!(kept, [0, 1, 2, 63]);
    block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap();
    assert!(block(&allocator, "192.168.1.0/26").unwrap().is_empty());

    let open = View { config: Config::default(), ..view };
    let error = block_on(new().auto_assign(&windows.clone().v4(1), &open, NOW)).unwrap_err();
    assert_eq!(error.kind(), &AssignErrorKind::StrictRequired);
    // A block of four would have nothing left, one of eight has four.
    for (len, got) in [(30, None), (29, Some(4))] {
        let view = strict(View::new([Pool::new("p", net("10.0.0.0/29")).block_len(len)]));
        let assigned = block_on(new().auto_assign(&windows.clone().v4(8), &view, NOW));
        assert_eq!(assigned.ok().map(|assigned| assigned.v4.addresses.len()), got, "{len}");
    }
}

#[test]
fn a_handle_has_no_more_than_its_limit() {
    let allocator = new();
    let view = View::new([Pool::new("v4", net("10.0.0.0/24")), Pool::new("v6", net("fd00::/64"))]);
    let one = request("vm", "a").max_per_handle(1);
    let first = assign(&allocator, &one.clone().v4(1).v6(1), &view);
    assert_eq!(first.len(), 2, "the limit is for each family");
    let error = block_on(allocator.auto_assign(&one.v4(1), &view, NOW)).unwrap_err();
    assert_eq!(error.kind(), &AssignErrorKind::HandleLimit { handle: "vm".to_string(), limit: 1 });
    let exact = |address| {
        let request = AddressRequest::new(address, "vm", "a", Use::Workload).max_per_handle(1);
        block_on(allocator.assign_address(&request, &view, NOW))
    };
    assert!(exact(first[0]).is_ok(), "that one it has");
    assert!(matches!(exact(ip("10.0.0.200")), Err(AssignErrorKind::HandleLimit { .. })));
    let three = request("vm", "a").max_per_handle(3);
    let error = block_on(allocator.auto_assign(&three.v4(5), &view, NOW)).unwrap_err();
    assert_eq!(error.assigned().v4.addresses.len(), 2, "up to the limit");
    assert_eq!(block_on(allocator.addresses_by_handle("vm")).unwrap().len(), 4);
    // A record that names too much, as after a crash, limits nobody.
    let key = keys::handle("x");
    block_on(allocator.store().create(&key, br#"{"block":{"10.0.0.0/26":9}}"#)).unwrap();
    assert_eq!(assign(&allocator, &request("x", "a").max_per_handle(1).v4(1), &view).len(), 1);
}

fn owner(pod: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("pod".into(), pod.into()), ("namespace".into(), "red".into())])
}

#[test]
fn owners_change_as_a_machine_moves() {
    let allocator = new();
    let view = view("10.0.0.0/24");
    let mut wanted = request("vm", "a").v4(1);
    wanted.attributes = owner("source");
    let address = assign(&allocator, &wanted, &view)[0];
    let look = || block_on(allocator.assignment(address, &view)).unwrap();
    let sequence = look().sequence;
    assert_eq!((look().attributes.active_owner, look().attributes.alternate_owner), (owner("source"), None));
    let (source, target) = (owner("source"), owner("target"));
    let pod = |pod| Expect::Pod { pod, namespace: "red" };
    let set = |handle: &str, active: Option<&OwnerChange<'_>>, alternate: Option<&OwnerChange<'_>>| {
        block_on(allocator.set_owner(address, handle, active, alternate, &view))
    };
    let arrives = OwnerChange::set(&target).expect(Expect::Nobody);
    assert_eq!(set("vm", None, Some(&arrives)), Ok(()));
    assert_eq!(look().attributes.alternate_owner, Some(target.clone()));
    assert!(matches!(set("vm", None, Some(&arrives)), Err(OwnerError::Unexpected { .. })));
    assert!(matches!(set("other", None, Some(&arrives)), Err(OwnerError::BadHandle { .. })));
    // Both sides at once, or neither.
    let takes_over = OwnerChange::set(&target).expect(pod("source"));
    let wrong = OwnerChange::clear().expect(pod("source"));
    assert!(matches!(set("vm", Some(&takes_over), Some(&wrong)), Err(OwnerError::Unexpected { .. })));
    assert_eq!(look().attributes.active_owner, source);
    assert_eq!(set("vm", Some(&takes_over), Some(&OwnerChange::clear().expect(pod("target")))), Ok(()));
    let now = look();
    assert_eq!((now.attributes.active_owner, now.attributes.alternate_owner), (target, None));
    assert_eq!((now.sequence, now.block), (sequence, IpNet::new(address, 26).unwrap().trunc()));
    assert_eq!(set("vm", None, None), Ok(()), "nothing is nothing");

    let not = |address| block_on(allocator.assignment(address, &view)).unwrap_err();
    assert_eq!(not(ip("10.0.0.99")), OwnerError::NotAssigned { address: ip("10.0.0.99") });
    assert_eq!(not(ip("10.9.0.1")), OwnerError::NotAssigned { address: ip("10.9.0.1") });
    let rests = Config { ip_cooldown: Duration::from_secs(60), ..view.config };
    block_on(allocator.release_by_handle("vm", &rests, NOW)).unwrap();
    assert_eq!(not(address), OwnerError::Rests { address });
}

#[test]
fn the_configuration_keeps_its_rules() {
    let allocator = new();
    let set = |strict: bool, auto: bool, limit: i64, seconds: i64| {
        block_on(allocator.update_config(|record| {
            record.strict_affinity = strict;
            record.auto_allocate_blocks = auto;
            record.max_blocks_per_host = limit;
            record.ip_cooldown_seconds = seconds;
        }))
        .map(drop)
    };
    assert_eq!(set(false, true, 0, 0), Ok(()));
    assert!(allocator.store().is_empty(), "the default is not written");
    assert_eq!(set(false, false, 0, 0), Err(ConfigError::NeitherStrictNorAutomatic));
    assert_eq!(set(false, true, 3, 0), Err(ConfigError::LimitWithoutStrict));
    assert_eq!(set(true, true, -1, 0), Err(ConfigError::NegativeLimit { limit: -1 }));
    assert_eq!(set(true, true, 0, 1201), Err(ConfigError::Cooldown { seconds: 1201 }));
    assert!(allocator.store().is_empty());
    assert_eq!(set(true, true, 3, 1200), Ok(()));
    let stored = block_on(allocator.store().get(keys::CONFIG)).unwrap().unwrap();
    assert_eq!(
        String::from_utf8(stored.value).unwrap(),
        r#"{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":3,"ipCooldownSeconds":1200}"#
    );
    assert_eq!(set(true, true, 3, 1200), Ok(()));
    let again = block_on(allocator.store().get(keys::CONFIG)).unwrap().unwrap();
    assert_eq!(again.revision, stored.revision, "unchanged, unwritten");
}

/// A cluster with pods that run or not, and nodes that exist or not.
struct Pods {
    allocator: Allocator<MemoryStore>,
    view: View,
    running: BTreeSet<String>,
    nodes: BTreeSet<String>,
}

impl Pods {
    fn new(nodes: &[&str]) -> Self {
        let nodes = nodes.iter().map(|node| node.to_string()).collect();
        Self { allocator: new(), view: view("10.0.0.0/24"), running: BTreeSet::new(), nodes }
    }

    fn pod(&mut self, pod: &str, handle: &str, node: &str) -> IpAddr {
        self.running.insert(pod.to_string());
        let wanted = request(handle, node).v4(1).attribute("pod", pod).attribute("namespace", "red");
        assign(&self.allocator, &wanted, &self.view)[0]
    }

    fn scan(&self, collector: &mut LeakCollector, secs: u64) -> tortie_ipam::LeakScan {
        let is_node = |node: &str| self.nodes.contains(node);
        let standing = |allocation: &tortie_ipam::Allocation<'_>| {
            let pod = &allocation.attributes().active_owner["pod"];
            if self.running.contains(pod) { Standing::InUse } else { Standing::Gone }
        };
        let now = NOW + Duration::from_secs(secs);
        block_on(collector.scan(&self.allocator, &self.view, now, is_node, standing)).unwrap()
    }

    fn collect(&self, collector: &LeakCollector, scan: &tortie_ipam::LeakScan) -> tortie_ipam::Collected {
        block_on(collector.collect(&self.allocator, scan, &self.view, NOW)).unwrap()
    }
}

fn leaked(scan: &tortie_ipam::LeakScan) -> Vec<IpAddr> {
    scan.confirmed.iter().map(|leak| leak.address).collect()
}

#[test]
fn a_leak_is_collected_after_the_grace() {
    let mut pods = Pods::new(&["a"]);
    let stays = pods.pod("stays", "stays", "a");
    let goes = pods.pod("goes", "goes", "a");
    let returns = pods.pod("returns", "returns", "a");
    pods.running.remove("goes");
    pods.running.remove("returns");
    let mut collector = LeakCollector::new(Some(GRACE));
    let first = pods.scan(&mut collector, 0);
    assert_eq!((first.confirmed.len(), first.candidates.len()), (0, 2));
    pods.running.insert("returns".to_string());
    assert_eq!(pods.scan(&mut collector, 600).candidates.len(), 1);
    pods.running.remove("returns");
    let scan = pods.scan(&mut collector, 900);
    assert_eq!(leaked(&scan), [goes], "whoever returned begins anew");
    let collected = pods.collect(&collector, &scan);
    assert_eq!(collected.addresses, [goes]);
    for (handle, has) in [("stays", Some(stays)), ("goes", None), ("returns", Some(returns))] {
        let held = block_on(pods.allocator.addresses_by_handle(handle)).unwrap();
        assert_eq!(held, Vec::from_iter(has), "{handle}");
    }
    assert!(leaked(&pods.scan(&mut collector, 1_799)).is_empty());
    assert_eq!(leaked(&pods.scan(&mut collector, 1_800)), [returns]);
    // A clock that steps back makes nobody a leak.
    let mut early = LeakCollector::new(Some(GRACE));
    pods.scan(&mut early, 5_000);
    assert!(leaked(&pods.scan(&mut early, 0)).is_empty());
    // Without a grace, nothing on a node that is there is ever a leak.
    let mut never = LeakCollector::new(None);
    assert!(leaked(&pods.scan(&mut never, 0)).is_empty());
    assert!(leaked(&pods.scan(&mut never, 1_000_000)).is_empty());
}

#[test]
fn what_was_assigned_again_survives() {
    let mut pods = Pods::new(&["a"]);
    let address = pods.pod("p", "h", "a");
    pods.running.clear();
    let mut collector = LeakCollector::new(Some(GRACE));
    pods.scan(&mut collector, 0);
    let scan = pods.scan(&mut collector, 1_000);
    assert_eq!(leaked(&scan), [address]);
    // Between scan and release, the same handle gets the same address again.
    block_on(pods.allocator.release_by_handle("h", &pods.view.config, NOW)).unwrap();
    let again = AddressRequest::new(address, "h", "a", Use::Workload).attribute("node", "a");
    block_on(pods.allocator.assign_address(&again, &pods.view, NOW)).unwrap();
    let collected = pods.collect(&collector, &scan);
    assert_eq!((collected.addresses, collected.kept), (vec![], vec![address]));
    assert_eq!(block_on(pods.allocator.addresses_by_handle("h")).unwrap(), [address]);
}

#[test]
fn a_handle_is_collected_whole_or_not_at_all() {
    let mut pods = Pods::new(&["a"]);
    let dead = pods.pod("dead", "shared", "a");
    let alive = pods.pod("alive", "shared", "a");
    pods.running.remove("dead");
    let mut collector = LeakCollector::new(Some(GRACE));
    pods.scan(&mut collector, 0);
    assert!(leaked(&pods.scan(&mut collector, 1_000)).is_empty());
    pods.running.remove("alive");
    pods.scan(&mut collector, 1_000);
    let mut scan = pods.scan(&mut collector, 2_000);
    assert_eq!(leaked(&scan).len(), 2);
    // The caller looks again, and finds one alive after all.
    scan.confirmed.retain(|leak| leak.address != alive);
    let collected = pods.collect(&collector, &scan);
    assert_eq!((collected.addresses, collected.kept), (vec![], vec![dead]));
}

#[test]
fn a_node_that_goes_leaves_nothing() {
    let mut pods = Pods::new(&["a", "b"]);
    let held = pods.pod("p", "h", "a");
    let tunnel = request("vxlan-tunnel-addr-a", "a").v4(1).attribute("type", "vxlanTunnelAddress");
    let tunnel = assign(&pods.allocator, &tunnel, &pods.view)[0];
    let lender = pods.pod("q", "i", "b");
    let mut collector = LeakCollector::new(None);
    pods.nodes.remove("a");
    let scan = pods.scan(&mut collector, 0);
    assert_eq!((leaked(&scan), scan.hosts), (vec![], vec![]), "its pod runs on, as far as anybody knows");
    pods.running.remove("p");
    let scan = pods.scan(&mut collector, 0);
    assert_eq!(leaked(&scan).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([held, tunnel]));
    assert_eq!(scan.hosts, ["a"]);
    let marker = format!("{}host/a", keys::ROOT);
    block_on(pods.allocator.store().create(&marker, b"")).unwrap();
    let collected = pods.collect(&collector, &scan);
    assert_eq!((collected.addresses.len(), collected.blocks.len(), collected.failed), (2, 1, vec![]));
    let left = block_on(pods.allocator.store().list("", &ListOptions::new())).unwrap();
    let of_b = |key: &str| key.contains("/b/") || key.ends_with("handle/i") || key.contains("/assignment/");
    assert_eq!((left.len(), left.iter().all(|item| of_b(&item.key))), (3, true), "{left:?}");
    assert_eq!(block_on(pods.allocator.addresses_by_handle("i")).unwrap(), [lender]);
}

#[test]
fn what_is_no_pod_stays() {
    let pods = Pods::new(&["a"]);
    let odd = [
        request("odd", "a").v4(1),
        AssignRequest::new("bare", "a", Use::Workload).v4(1),
        request("tunnel", "a").v4(1).attribute("type", "ipipTunnelAddress"),
    ];
    odd.iter().for_each(|request| drop(assign(&pods.allocator, request, &pods.view)));
    let mut collector = LeakCollector::new(Some(GRACE));
    for secs in [0, 2_000] {
        let scan = pods.scan(&mut collector, secs);
        assert_eq!((scan.confirmed, scan.candidates), (vec![], vec![]));
    }
    // Nobody knows what `odd` is, so nobody takes the node's blocks.
    let mut gone = Pods { nodes: BTreeSet::new(), ..pods };
    assert_eq!(gone.scan(&mut collector, 3_000).hosts, Vec::<String>::new());
    gone.running.clear();
    assert!(leaked(&gone.scan(&mut collector, 9_000)).is_empty());
}

#[test]
fn idle_blocks_go_but_the_last() {
    let pods = Pods::new(&["a"]);
    let owner = Affinity::host("a");
    block_on(pods.allocator.claim_range(&owner, &net("10.0.0.0/25"), &pods.view, NOW)).unwrap();
    let mut collector = LeakCollector::new(Some(GRACE));
    assert_eq!(pods.scan(&mut collector, 0).idle.len(), 0);
    let scan = pods.scan(&mut collector, 1_000);
    assert_eq!(scan.idle.len(), 1, "one of two");
    // It is written to before it goes: then it stays.
    let wanted = request("h", "a").v4(1).pools4([net("10.0.0.0/24")].map(|net| match net {
        IpNet::V4(net) => net,
        IpNet::V6(_) => Ipv4Net::default(),
    }));
    let address = assign(&pods.allocator, &wanted, &pods.view)[0];
    block_on(pods.allocator.release_by_handle("h", &pods.view.config, NOW)).unwrap();
    let collected = pods.collect(&collector, &scan);
    let written = scan.idle[0].1.contains(&address);
    assert_eq!((collected.blocks.len(), collected.failed.len()), if written { (0, 1) } else { (1, 0) });
}

#[test]
fn rested_addresses_are_freed_in_blocks_that_nobody_writes() {
    let allocator = new();
    let config = Config { ip_cooldown: Duration::from_secs(60), ..Config::default() };
    let view = View { config, ..view("10.0.0.0/24") };
    let address = assign(&allocator, &request("h", "a").v4(1), &view)[0];
    let cidr = IpNet::new(address, 26).unwrap().trunc();
    block_on(allocator.release_addresses(&[ReleaseRequest::new(address)], &view, NOW)).unwrap();
    let rested = |secs| block_on(allocator.collect_rested(&view, NOW + Duration::from_secs(secs))).unwrap();
    assert_eq!(rested(60), []);
    assert_eq!(block(&allocator, &cidr.to_string()).unwrap().free(), 63);
    assert_eq!(rested(61), [cidr]);
    assert_eq!(block(&allocator, &cidr.to_string()).unwrap().free(), 64);
    assert_eq!(rested(61), []);
    // Nobody's and empty, it goes.
    assign(&allocator, &request("h", "a").v4(1), &view);
    block_on(allocator.remove_host("a", &config, NOW)).unwrap();
    block_on(allocator.release_by_handle("h", &config, NOW)).unwrap();
    assert!(block(&allocator, &cidr.to_string()).is_some());
    assert_eq!(rested(120), [cidr]);
    assert!(allocator.store().is_empty());
}

#[test]
fn old_records_are_written_anew() {
    let allocator = new();
    let view = view("10.0.0.0/26");
    let (a, cidr) = (Affinity::host("a"), net("10.0.0.0/26"));
    assign(&allocator, &request("h", "a").v4(1), &view);
    let store = allocator.store();
    let (affinity, key) = (keys::affinity(&a, &cidr), keys::block(&cidr));
    let stored = block_on(store.get(&key)).unwrap().unwrap();
    let mut old: serde_json::Value = serde_json::from_slice(&stored.value).unwrap();
    old["affinity"] = serde_json::Value::Null;
    old["hostAffinity"] = "a".into();
    block_on(store.update(&key, old.to_string().as_bytes(), stored.revision)).unwrap();
    let found = block_on(store.get(&affinity)).unwrap().unwrap();
    block_on(store.update(&affinity, b"", found.revision)).unwrap();

    assert_eq!(block_on(allocator.upgrade(&a)).unwrap(), [cidr]);
    let text = |key: &str| String::from_utf8(block_on(store.get(key)).unwrap().unwrap().value).unwrap();
    assert_eq!(text(&affinity), r#"{"state":"confirmed","deleted":false}"#);
    assert!(!BlockAffinity::decode(text(&affinity).as_bytes()).unwrap().deleted);
    assert!(text(&key).contains(r#""affinity":"host:a""#) && !text(&key).contains("hostAffinity"));
    assert_eq!(block_on(allocator.upgrade(&a)).unwrap(), Vec::<IpNet>::new(), "once is enough");
}
