//! What the reference's tests of release and of affinities check, on a store in memory.
//!
//! Cases after calico@87c15906f2 libcalico-go/lib/ipam/ipam_test.go.

#![expect(clippy::unwrap_used, reason = "a test")]

use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;
use tortie_ipam::{
    Affinity, AffinityError, AffinityState, Allocator, AssignRequest, Block, BlockAffinity, BlockUtilization,
    Config, Handle, ListOptions, MemoryStore, Pool, ReleaseError, ReleaseRequest, Store, Use, View, block_on,
    keys,
};

const NOW: Duration = Duration::from_secs(1_787_918_700);

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn view(cidr: &str, block_len: u8) -> View {
    View::new([Pool::new("p", net(cidr)).block_len(block_len)])
}

fn assign(
    allocator: &Allocator<MemoryStore>,
    handle: &str,
    host: &str,
    num: u32,
    view: &View,
) -> Vec<IpAddr> {
    let request = AssignRequest::new(handle, host, Use::Workload).v4(num);
    let assigned = block_on(allocator.assign_all(&request, view, NOW)).unwrap();
    assigned.addresses().map(|net| net.addr()).collect()
}

fn block(allocator: &Allocator<MemoryStore>, cidr: &str) -> Option<Block> {
    let found = block_on(allocator.store().get(&keys::block(&net(cidr)))).unwrap();
    found.map(|found| Block::decode(&found.value).unwrap())
}

fn handle(allocator: &Allocator<MemoryStore>, id: &str) -> Option<Handle> {
    let found = block_on(allocator.store().get(&keys::handle(id))).unwrap();
    found.map(|found| Handle::decode(&found.value).unwrap())
}

fn new() -> Allocator<MemoryStore> {
    Allocator::new(MemoryStore::new())
}

#[test]
fn by_handle_everything_or_not_found() {
    let allocator = new();
    let view = view("10.0.0.0/24", 26);
    let held = assign(&allocator, "h", "a", 66, &view);
    assert_eq!(block_on(allocator.addresses_by_handle("h")).unwrap().len(), 66);
    let mut released = block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap();
    released.sort();
    let mut sorted = held;
    sorted.sort();
    assert_eq!(released, sorted);
    assert_eq!(handle(&allocator, "h"), None);
    let error = block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap_err();
    assert_eq!(error, ReleaseError::NotFound { handle: "h".to_string() });
    assert_eq!(block_on(allocator.addresses_by_handle("h")).unwrap(), Vec::<IpAddr>::new());
    // The node keeps its blocks.
    assert_eq!(block_on(allocator.utilization(&view, NOW)).unwrap().pools[0].blocks.len(), 2);
}

#[test]
fn a_handle_that_names_too_much_is_cleaned_up() {
    let allocator = new();
    let view = view("10.0.0.0/30", 30);
    assign(&allocator, "h", "a", 1, &view);
    let store = allocator.store();
    let key = keys::handle("h");
    let stored = block_on(store.get(&key)).unwrap().unwrap();
    let text = r#"{"block":{"10.0.0.0/30":7,"10.9.0.0/26":1,"nonsense":3},"deleted":false}"#;
    block_on(store.update(&key, text.as_bytes(), stored.revision)).unwrap();
    assert_eq!(block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap(), [ip("10.0.0.0")]);
    assert_eq!(handle(&allocator, "h"), None);
    // One with nothing at all, too.
    block_on(store.create(&key, br#"{"block":{},"deleted":false}"#)).unwrap();
    assert_eq!(block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap(), Vec::<IpAddr>::new());
    assert_eq!(handle(&allocator, "h"), None);
}

#[test]
fn addresses_over_two_blocks_twice_and_unknown_ones() {
    let allocator = new();
    let view = view("10.0.0.0/24", 26);
    let held = assign(&allocator, "h", "a", 66, &view);
    let mut requests: Vec<ReleaseRequest> = held.iter().copied().map(ReleaseRequest::new).collect();
    requests.extend(requests.clone());
    requests.push(ReleaseRequest::new(ip("172.16.0.1")));
    requests.push(ReleaseRequest::new(ip("fd00::1")));
    let outcome = block_on(allocator.release_addresses(&requests, &view, NOW)).unwrap();
    assert_eq!(outcome.released.len(), 66);
    assert_eq!(outcome.unallocated, [ip("172.16.0.1"), ip("fd00::1")]);
    assert_eq!(handle(&allocator, "h"), None, "the handle is settled with its addresses");
    let again = block_on(allocator.release_addresses(&requests, &view, NOW)).unwrap();
    assert_eq!((again.released.len(), again.unallocated.len()), (0, 68));
}

#[test]
fn a_block_outside_all_pools_is_found() {
    let allocator = new();
    let held = assign(&allocator, "h", "a", 1, &view("10.0.0.0/24", 26));
    for view in [View::default(), view("10.0.0.0/24", 28)] {
        let unknown = ReleaseRequest::new(ip("10.0.0.250"));
        let outcome = block_on(allocator.release_addresses(&[unknown], &view, NOW)).unwrap();
        assert_eq!(outcome.unallocated, [ip("10.0.0.250")]);
    }
    let wanted = ReleaseRequest::new(held[0]).handle("h");
    let outcome = block_on(allocator.release_addresses(&[wanted], &View::default(), NOW)).unwrap();
    assert_eq!(outcome.released, held);
}

#[test]
fn the_wrong_sequence_or_handle_releases_nothing() {
    let allocator = new();
    let view = view("10.0.0.0/30", 30);
    let held = assign(&allocator, "h", "a", 2, &view);
    let sequence = block(&allocator, "10.0.0.0/30").unwrap().allocation(held[0]).unwrap().sequence.unwrap();
    let release = |requests: &[ReleaseRequest]| block_on(allocator.release_addresses(requests, &view, NOW));
    let good = ReleaseRequest::new(held[1]);
    let stale = ReleaseRequest::new(held[0]).sequence(sequence - 1);
    let error = release(&[good.clone(), stale]).unwrap_err();
    assert!(matches!(error, ReleaseError::BadSequence { wanted, found, .. } if wanted + 1 == found));
    let foreign = ReleaseRequest::new(held[0]).handle("other");
    assert!(matches!(release(&[good, foreign]), Err(ReleaseError::BadHandle { found, .. }) if found == "h"));
    assert_eq!(block_on(allocator.addresses_by_handle("h")).unwrap(), held);
    let exact = ReleaseRequest::new(held[0]).handle("h").sequence(sequence);
    assert_eq!(release(&[exact]).unwrap().released, [held[0]]);
    assert_eq!(handle(&allocator, "h").unwrap().block["10.0.0.0/30"], 1);
}

#[test]
fn a_stale_release_spares_who_came_after() {
    let allocator = new();
    let view = view("10.0.0.0/31", 31);
    let held = assign(&allocator, "h", "a", 1, &view);
    let sequence = |allocator: &Allocator<MemoryStore>| {
        block(allocator, "10.0.0.0/31").unwrap().allocation(held[0]).unwrap().sequence.unwrap()
    };
    let seen = sequence(&allocator);
    let stale = ReleaseRequest::new(held[0]).handle("h").sequence(seen);
    let release = |request: &ReleaseRequest| {
        block_on(allocator.release_addresses(core::slice::from_ref(request), &view, NOW))
    };
    // Released and assigned again with the same handle.
    block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap();
    assign(&allocator, "h", "a", 2, &view);
    assert!(matches!(release(&stale), Err(ReleaseError::BadSequence { .. })));
    // The block deleted and made again.
    block_on(allocator.release_by_handle("h", &view.config, NOW)).unwrap();
    let owner = Affinity::host("a");
    block_on(allocator.release_host_affinities(&owner, true, &view.config, NOW)).unwrap();
    assert_eq!(block(&allocator, "10.0.0.0/31"), None);
    let later = NOW + Duration::from_millis(1);
    let request = AssignRequest::new("h", "a", Use::Workload).v4(2);
    block_on(allocator.assign_all(&request, &view, later)).unwrap();
    assert!(matches!(release(&stale), Err(ReleaseError::BadSequence { .. })));
    assert_ne!(sequence(&allocator), seen);
    assert_eq!(block_on(allocator.addresses_by_handle("h")).unwrap().len(), 2);
}

#[test]
fn resting_addresses_are_not_allocated() {
    let allocator = new();
    let config = Config { ip_cooldown: Duration::from_secs(30), ..Config::default() };
    let view = View { config, ..view("10.0.0.0/31", 31) };
    let held = assign(&allocator, "h", "a", 1, &view);
    let request = [ReleaseRequest::new(held[0])];
    assert_eq!(block_on(allocator.release_addresses(&request, &view, NOW)).unwrap().released, held);
    assert_eq!(block_on(allocator.release_addresses(&request, &view, NOW)).unwrap().unallocated, held);
    let utilization = block_on(allocator.utilization(&view, NOW)).unwrap();
    assert_eq!((utilization.pools[0].in_use, utilization.pools[0].available), (1, 1));
    let rested = block_on(allocator.utilization(&view, NOW + Duration::from_secs(31))).unwrap();
    assert_eq!((rested.pools[0].in_use, rested.pools[0].available), (0, 2));
}

#[test]
fn a_host_that_goes() {
    let allocator = new();
    let view = view("10.0.0.0/28", 30);
    assign(&allocator, "x", "a", 4, &view);
    assign(&allocator, "y", "a", 4, &view);
    assign(&allocator, "z", "b", 1, &view);
    block_on(allocator.release_by_handle("x", &view.config, NOW)).unwrap();
    let owner = Affinity::host("a");
    let kept = block_on(allocator.release_host_affinities(&owner, true, &view.config, NOW)).unwrap();
    assert_eq!((kept.released.len(), kept.failed.len()), (1, 1));
    assert!(matches!(kept.failed[0].1, AffinityError::NotEmpty { .. }));
    let all = block_on(allocator.release_host_affinities(&owner, false, &view.config, NOW)).unwrap();
    assert_eq!((all.released.len(), all.failed.len()), (1, 0));
    let prefix = "/calico/ipam/v2/host/a/";
    assert!(block_on(allocator.store().list(prefix, &ListOptions::new())).unwrap().is_empty());
    // Its addresses are still held, in a block that is nobody's, until they are released.
    let cidr = all.released[0].to_string();
    assert_eq!(block(&allocator, &cidr).unwrap().affinity(), None);
    assert_eq!(block_on(allocator.addresses_by_handle("y")).unwrap().len(), 4);
    block_on(allocator.release_by_handle("y", &view.config, NOW)).unwrap();
    assert_eq!(block(&allocator, &cidr), None);
    let again = block_on(allocator.release_host_affinities(&owner, false, &view.config, NOW)).unwrap();
    assert_eq!(again, tortie_ipam::HostReleased::default());
    assert_eq!(allocator.store().len(), 3, "what is left is b's: block, affinity, handle");
}

#[test]
fn a_pool_that_goes() {
    let allocator = new();
    let view = View::new([
        Pool::new("p", net("10.0.0.0/28")).block_len(30),
        Pool::new("q", net("10.1.0.0/28")).block_len(30),
    ]);
    assign(&allocator, "x", "a", 1, &view);
    assign(&allocator, "y", "b", 1, &view);
    let request = AssignRequest::new("z", "b", Use::Workload).v4(1).pools4(["10.1.0.0/28".parse().unwrap()]);
    block_on(allocator.assign_all(&request, &view, NOW)).unwrap();
    block_on(allocator.release_by_handle("x", &view.config, NOW)).unwrap();
    let outcome =
        block_on(allocator.release_pool_affinities(&net("10.0.0.0/28"), &view.config, NOW)).unwrap();
    assert_eq!((outcome.released.len(), outcome.failed.len()), (2, 0));
    let utilization = block_on(allocator.utilization(&view, NOW)).unwrap();
    let owners =
        |blocks: &[BlockUtilization]| blocks.iter().map(|block| block.affinity.clone()).collect::<Vec<_>>();
    assert_eq!(owners(&utilization.pools[0].blocks), [None]);
    assert_eq!(owners(&utilization.pools[1].blocks), [Some(Affinity::host("b"))]);
}

#[test]
fn claims() {
    let allocator = new();
    let (a, b) = (Affinity::host("a"), Affinity::host("b"));
    let cidr = net("10.0.0.0/26");
    block_on(allocator.claim_block(&a, &cidr, NOW)).unwrap();
    block_on(allocator.claim_block(&a, &cidr, NOW)).unwrap();
    let error = block_on(allocator.claim_block(&b, &cidr, NOW)).unwrap_err();
    assert_eq!(error.to_string(), "the block 10.0.0.0/26 belongs to host:a");
    assert_eq!(allocator.store().len(), 2, "the loser leaves no affinity");
    let large = block_on(allocator.claim_block(&a, &net("10.0.0.0/8"), NOW)).unwrap_err();
    assert!(matches!(large, AffinityError::NotFound { .. }));
}

fn affinity(allocator: &Allocator<MemoryStore>, owner: &Affinity, cidr: &str) -> Option<AffinityState> {
    let found = block_on(allocator.store().get(&keys::affinity(owner, &net(cidr)))).unwrap();
    found.map(|found| BlockAffinity::decode(&found.value).unwrap().state)
}

#[test]
fn what_others_left_half_done_is_finished() {
    let cidr = "10.0.0.0/30";
    let a = Affinity::host("a");
    let view = view(cidr, 30);
    for state in ["pending", "pendingDeletion", "somethingNew"] {
        let record = format!(r#"{{"state":"{state}","deleted":false,"note":"mine"}}"#);
        let write = |allocator: &Allocator<MemoryStore>| {
            let key = keys::affinity(&a, &net(cidr));
            block_on(allocator.store().create(&key, record.as_bytes())).unwrap();
        };
        // Only the affinity was written: assigning goes on from there.
        let allocator = new();
        write(&allocator);
        assign(&allocator, "h", "a", 1, &view);
        assert_eq!(affinity(&allocator, &a, cidr), Some(AffinityState::Confirmed));
        let stored = block_on(allocator.store().get(&keys::affinity(&a, &net(cidr)))).unwrap().unwrap();
        assert!(String::from_utf8(stored.value).unwrap().contains(r#""note":"mine""#));
        // A node that starts gives it up instead.
        let allocator = new();
        write(&allocator);
        assert_eq!(block_on(allocator.settle_host_affinities(&a, NOW)).unwrap(), [net(cidr)]);
        assert!(allocator.store().is_empty());
        // The block is there: a node that starts confirms.
        let allocator = new();
        write(&allocator);
        let block = Block::new(net(cidr), &a, NOW).unwrap();
        block_on(allocator.store().create(&keys::block(&net(cidr)), &block.encode())).unwrap();
        assert_eq!(block_on(allocator.settle_host_affinities(&a, NOW)).unwrap(), [net(cidr)]);
        assert_eq!(affinity(&allocator, &a, cidr), Some(AffinityState::Confirmed));
        // The block is another's: the affinity goes, and its block is used as that other's.
        let allocator = new();
        write(&allocator);
        let b = Affinity::host("b");
        block_on(allocator.claim_block(&b, &net(cidr), NOW)).unwrap();
        assign(&allocator, "h", "a", 1, &view);
        assert_eq!(affinity(&allocator, &a, cidr), None);
        assert_eq!(affinity(&allocator, &b, cidr), Some(AffinityState::Confirmed));
    }
}

#[test]
fn a_block_without_affinity_is_not_lost() {
    let cidr = net("10.0.0.0/30");
    let view =
        View { config: Config { strict_affinity: true, ..Config::default() }, ..view("10.0.0.0/30", 30) };
    let write = |allocator: &Allocator<MemoryStore>, text: &str| {
        block_on(allocator.store().create(&keys::block(&cidr), text.as_bytes())).unwrap();
    };
    let empty = |owner: &str| {
        format!(
            r#"{{"cidr":"10.0.0.0/30","affinity":{owner},"allocations":[null,null,null,null],"unallocated":[0,1,2,3]}}"#
        )
    };
    for owner in [r#""host:a""#, r#""host:b""#, "null"] {
        let allocator = new();
        write(&allocator, &empty(owner));
        assign(&allocator, "h", "a", 1, &view);
        assert_eq!(
            block(&allocator, "10.0.0.0/30").unwrap().affinity(),
            Some(Affinity::host("a")),
            "{owner}"
        );
        assert_eq!(affinity(&allocator, &Affinity::host("a"), "10.0.0.0/30"), Some(AffinityState::Confirmed));
    }
    let allocator = new();
    write(&allocator, &empty(r#""host:a""#));
    let outcome = block_on(allocator.release_host_affinities(&Affinity::host("a"), true, &view.config, NOW));
    assert_eq!(outcome.unwrap().released, [cidr]);
    assert!(allocator.store().is_empty());
}

#[test]
fn utilization_vectors() {
    let allocator = new();
    let mut view = view("10.0.0.0/24", 26);
    let pool = net("10.0.0.0/26");
    block_on(allocator.claim_block(&Affinity::host("a"), &pool, NOW)).unwrap();
    let wanted = tortie_ipam::AddressRequest::new(ip("10.0.0.5"), "h", "a", Use::Workload);
    block_on(allocator.assign_address(&wanted, &view, NOW)).unwrap();
    for (reserved, of_pool, of_block) in [
        (vec![], (256, 1, 0, 255), (64, 1, 0, 63)),
        (vec!["10.0.0.32/30"], (256, 1, 4, 251), (64, 1, 4, 59)),
        (vec!["10.0.0.128/25"], (256, 1, 128, 127), (64, 1, 0, 63)),
        (vec!["10.0.0.5/32"], (256, 1, 1, 255), (64, 1, 1, 63)),
        (vec!["10.0.0.0/25", "10.0.0.5/32", "10.0.0.64/26"], (256, 1, 128, 128), (64, 1, 64, 0)),
    ] {
        view.reservations = reserved.iter().map(|cidr| net(cidr)).collect();
        let found = block_on(allocator.utilization(&view, NOW)).unwrap();
        let pool = &found.pools[0];
        assert_eq!((pool.capacity, pool.in_use, pool.reserved, pool.available), of_pool, "{reserved:?}");
        let block = &pool.blocks[0];
        assert_eq!((block.capacity, block.in_use, block.reserved, block.available), of_block, "{reserved:?}");
        assert!(found.orphans.is_empty());
    }
    let orphaned = block_on(allocator.utilization(&View::default(), NOW)).unwrap();
    assert_eq!((orphaned.pools.len(), orphaned.orphans.len()), (0, 1));
}

#[test]
fn many_blocks_are_read_in_pages() {
    let allocator = new();
    let view = view("10.0.0.0/20", 32);
    let owner = Affinity::host("a");
    for at in 0..600u32 {
        let cidr = IpNet::new(ip("10.0.0.0"), 32).unwrap();
        let IpNet::V4(first) = cidr else { unreachable!() };
        let addr = core::net::Ipv4Addr::from_bits(first.addr().to_bits() + at);
        block_on(allocator.claim_block(&owner, &IpNet::new(addr.into(), 32).unwrap(), NOW)).unwrap();
    }
    assert_eq!(block_on(allocator.utilization(&view, NOW)).unwrap().pools[0].blocks.len(), 600);
}

#[test]
fn every_future_is_send() {
    fn send<T: Send>(future: T) {
        drop(future);
    }
    let allocator = new();
    let (view, owner) = (View::default(), Affinity::host("a"));
    let request = AssignRequest::new("h", "a", Use::Workload);
    let address = tortie_ipam::AddressRequest::new(ip("10.0.0.5"), "h", "a", Use::Workload);
    send(allocator.auto_assign(&request, &view, NOW));
    send(allocator.assign_all(&request, &view, NOW));
    send(allocator.assign_address(&address, &view, NOW));
    send(allocator.release_by_handle("h", &view.config, NOW));
    send(allocator.addresses_by_handle("h"));
    send(allocator.release_addresses(&[], &view, NOW));
    send(allocator.claim_block(&owner, &net("10.0.0.0/26"), NOW));
    send(allocator.release_host_affinities(&owner, true, &view.config, NOW));
    send(allocator.release_pool_affinities(&net("10.0.0.0/24"), &view.config, NOW));
    send(allocator.settle_host_affinities(&owner, NOW));
    send(allocator.utilization(&view, NOW));
    send(allocator.config());
}
