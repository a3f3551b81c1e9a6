//! How many operations of the store an assignment takes, and how much it reads.

#![expect(clippy::unwrap_used, reason = "a test")]

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;

use tortie_ipam::{
    Affinity, AffinityState, Allocator, AssignErrorKind, AssignRequest, Block, BlockAffinity, Config,
    ListOptions, MemoryStore, Op, OwnBlocks, Pool, Revision, Store, StoreError, Use, Versioned, View,
    block_on, keys,
};

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A store in memory that counts.
struct Counting {
    store: MemoryStore,
    commits: bool,
    operations: AtomicUsize,
    read: AtomicUsize,
}

impl Counting {
    fn new(commits: bool) -> Self {
        let (operations, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { store: MemoryStore::new(), commits, operations, read }
    }

    fn count(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    fn bring<'a>(&self, items: impl IntoIterator<Item = &'a Versioned>) {
        let bytes = items.into_iter().map(|item| item.key.len() + item.value.len()).sum();
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The operations since the last time, and the bytes that they read.
    fn taken(&self) -> (usize, usize) {
        (self.operations.swap(0, Ordering::Relaxed), self.read.swap(0, Ordering::Relaxed))
    }
}

impl Store for Counting {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.count();
        let found = self.store.get(key).await?;
        self.bring(&found);
        Ok(found)
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        self.count();
        let found = self.store.list(prefix, options).await?;
        self.bring(&found);
        Ok(found)
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        self.count();
        self.store.create(key, value).await
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        self.count();
        self.store.update(key, value, expected).await
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        self.count();
        self.store.delete(key, expected).await
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        // What a store that cannot says of itself goes over no wire.
        if !self.commits {
            return Err(StoreError::Unsupported);
        }
        self.count();
        self.store.commit(ops).await
    }
}

fn request(handle: &str, host: &str) -> AssignRequest {
    AssignRequest::new(handle, host, Use::Workload).v4(1).attribute("node", host)
}

fn view(pool: &str) -> View {
    View::new([Pool::new("pool", pool.parse().unwrap())])
}

#[test]
fn a_warm_assignment_takes_two_operations() {
    for commits in [true, false] {
        let (view, allocator) = (view("10.0.0.0/16"), Allocator::new(Counting::new(commits)));
        let mut own = OwnBlocks::default();
        block_on(allocator.auto_assign_from(&mut own, &request("first", "a"), &view, NOW)).unwrap();
        for pod in 0..50 {
            allocator.store().taken();
            let request = request(&format!("pod-{pod}"), "a");
            block_on(allocator.auto_assign_from(&mut own, &request, &view, NOW)).unwrap();
            // Handle and block, in one commit where there is such a thing.
            assert_eq!(allocator.store().taken(), (if commits { 1 } else { 2 }, 0));
        }
        if commits {
            // To keep none where not all can be had, it looks first what the handle has.
            block_on(allocator.assign_all_from(&mut own, &request("all", "a"), &view, NOW)).unwrap();
            assert_eq!(allocator.store().taken().0, 2);
        }
    }
}

#[test]
fn a_cold_assignment_takes_six_operations_at_most_and_seven_without_commits() {
    // All or nothing looks first what the handle has.
    const LOOK: usize = 1;
    for commits in [true, false] {
        let (view, allocator) = (view("10.0.0.0/16"), Allocator::new(Counting::new(commits)));
        // Claims a block: own blocks, all blocks; then handle, block with the address in it, and affinity in one commit,
        // or affinity (pending), block, affinity (confirmed), handle, block with the address in it. The block cannot
        // come with the address at once there: such a create, if it comes late, assigns what was released meanwhile.
        let claims = if commits { 3 } else { 7 };
        // Has a block: own blocks, the block; then handle and block.
        let has = if commits { 3 } else { 4 };
        for host in 0..100 {
            let host = format!("host-{host}");
            for (pod, want) in [("1", claims), ("2", has)] {
                let request = request(&format!("{host}-{pod}"), &host);
                block_on(allocator.auto_assign(&request, &view, NOW)).unwrap();
                assert_eq!(allocator.store().taken().0, want, "{host}, pod {pod}, commits={commits}");
            }
            let other = format!("other-{host}");
            for (pod, want) in [("1", LOOK + claims), ("2", LOOK + has)] {
                let request = request(&format!("{other}-{pod}"), &other);
                block_on(allocator.assign_all(&request, &view, NOW)).unwrap();
                assert_eq!(allocator.store().taken().0, want, "{other}, pod {pod}, commits={commits}");
            }
        }
    }
}

/// So many full blocks of 64; the i-th is that of host i mod `hosts`.
fn full(store: &MemoryStore, blocks: u32, hosts: u32) {
    let attributes = BTreeMap::from([("node".to_owned(), "somebody".to_owned())]);
    for number in 0..blocks {
        let network = Ipv4Addr::from_bits(0x0a00_0000 | (number << 6));
        let cidr = ipnet::IpNet::new(network.into(), 26).unwrap();
        let owner = Affinity::host(format!("host-{}", number % hosts));
        let mut block = Block::new(cidr, &owner, NOW).unwrap();
        block.assign(64, &format!("handle-{number}"), &attributes);
        block_on(store.create(&keys::block(&cidr), &block.encode())).unwrap();
        let affinity = BlockAffinity::new(AffinityState::Confirmed);
        block_on(store.create(&keys::affinity(&owner, &cidr), &affinity.encode())).unwrap();
    }
}

/// A full cluster is said to be full in so many operations, and a page of 256 blocks each.
const FULL: usize = 6;

#[test]
fn a_full_cluster_is_answered_by_lists() {
    for (pool, blocks, hosts) in
        [("10.0.0.0/16", 1_024, 1_024), ("10.0.0.0/16", 1_024, 64), ("10.0.0.0/14", 4_096, 250)]
    {
        let allocator = Allocator::new(Counting::new(true));
        full(&allocator.store().store, blocks, hosts);
        let pages = usize::try_from(blocks / 256).unwrap() + 1;
        for strict in [false, true] {
            let config = Config { strict_affinity: strict, ..Config::default() };
            let view = View { config, ..view(pool) };
            for host in ["host-1", "host-7", "newcomer"] {
                let error =
                    block_on(allocator.assign_all(&request("one-more", host), &view, NOW)).unwrap_err();
                assert!(matches!(error.kind(), AssignErrorKind::Short(_)), "{error}");
                let (operations, read) = allocator.store().taken();
                println!("{blocks} blocks of {hosts} hosts, {host}: {operations} operations, {read} bytes");
                assert!(operations <= FULL + pages, "{operations} operations for {blocks} blocks");
            }
        }
    }
    // A thousand blocks are four pages.
    let allocator = Allocator::new(Counting::new(true));
    full(&allocator.store().store, 1_000, 55);
    let reservations = ["10.0.250.0/23", "10.0.252.0/22"].map(|range| range.parse().unwrap()).into();
    let view = View { reservations, ..view("10.0.0.0/16") };
    for host in ["host-0", "newcomer"] {
        let store = allocator.store();
        let error = block_on(allocator.assign_all(&request("one-more", host), &view, NOW)).unwrap_err();
        assert!(error.to_string().contains("No IPs available in pools: [10.0.0.0/16]"), "{error}");
        let (operations, _) = store.taken();
        assert!(operations <= 10, "{operations} operations");
    }
}

#[test]
fn a_claim_among_20_000_blocks_reads_two_megabytes_at_most() {
    let view = view("10.0.0.0/8");
    let allocator = Allocator::new(Counting::new(true));
    full(&allocator.store().store, 20_000, 2_000);
    block_on(allocator.assign_all(&request("h", "newcomer"), &view, NOW)).unwrap();
    let (operations, read) = allocator.store().taken();
    println!("{operations} operations, {read} bytes");
    assert!(operations <= 6 && read <= 2_000_000);
    // One with ten blocks, all of them full, reads those as well, one by one: there are free ones to claim.
    block_on(allocator.assign_all(&request("i", "host-3"), &view, NOW)).unwrap();
    let (operations, read) = allocator.store().taken();
    println!("{operations} operations, {read} bytes");
    assert!(operations <= 6 + 10 + 1 && read <= 4_000_000);
}
