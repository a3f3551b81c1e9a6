//! A cluster's addresses over a store in memory, every value as JSON bytes.
//!
//! - `auto_assign_json_store`: 100 nodes, pool 10.0.0.0/16, blocks of 64; 6,000 single assignments, the i-th on node
//!   i mod 100 with the handle `k8s-pod-network.pod-<i>` and the attributes namespace, node, pod. A node keeps its blocks at
//!   hand; its first assignment, which claims the block, is not measured. The floor is as many commits of the same values.
//! - `release_by_handle`: those 6,000 handles, in the same order.
//! - `claim_among_20k_blocks`: how much a node reads to claim its first block, and to assign from it, where 20,000 exist.
//!
//! CPU time of the process, of one address; the median of the runs.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tortie_benches::report::{self, Mode, Row};
use tortie_ipam::{
    Affinity, Allocator, AssignRequest, Block, Config, ListOptions, MemoryStore, Op, OwnBlocks, Pool,
    Revision, Store, StoreError, Use, Versioned, View, block_on, keys,
};

const NODES: usize = 100;
const PODS: usize = 6_000;
const NOW: Duration = Duration::from_secs(1_800_000_000);

const ASSIGN: Row<'_> = Row::tortie("ipam/auto_assign_json_store", "tortie");
const FLOOR: Row<'_> = Row::floor("ipam/auto_assign_json_store", "commit_alone");
const OPERATIONS: Row<'_> = Row::tortie("ipam/auto_assign_operations", "tortie");
const RELEASE: Row<'_> = Row::tortie("ipam/release_by_handle", "tortie");
const CLAIM: Row<'_> = Row::tortie("ipam/claim_among_20k_blocks", "tortie");

/// A store in memory that counts.
#[derive(Default)]
struct Counting {
    store: MemoryStore,
    operations: AtomicUsize,
    read: AtomicUsize,
}

impl Counting {
    fn count(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// Keys and values are what goes over a wire.
    fn bring<'a>(&self, items: impl IntoIterator<Item = &'a Versioned>) {
        let bytes = items.into_iter().map(|item| item.key.len() + item.value.len()).sum();
        self.read.fetch_add(bytes, Ordering::Relaxed);
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
        self.count();
        self.store.commit(ops).await
    }
}

/// CPU time that the process has used, in microseconds.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark")]
    let micros = now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3;
    micros
}

fn handle(pod: usize) -> String {
    format!("k8s-pod-network.pod-{pod}")
}

fn request(pod: usize) -> AssignRequest {
    let node = format!("node-{}", pod % NODES);
    AssignRequest::new(handle(pod), &node, Use::Workload)
        .v4(1)
        .attribute("namespace", "default")
        .attribute("node", node)
        .attribute("pod", format!("pod-{pod}"))
}

/// What one run took for each address, in microseconds.
struct Run {
    assign: f64,
    floor: f64,
    release: f64,
    operations: f64,
    assigned: usize,
    released: usize,
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn run(pods: usize) -> Run {
    let view = View::new([Pool::new("pool", "10.0.0.0/16".parse().unwrap())]);
    let allocator = Allocator::new(Counting::default());
    let mut nodes = vec![OwnBlocks::default(); NODES];
    let requests: Vec<AssignRequest> = (0..pods).map(request).collect();
    let assign = |request: &AssignRequest, own: &mut OwnBlocks| {
        block_on(allocator.auto_assign_from(own, request, &view, NOW)).unwrap().addresses().count()
    };
    let mut assigned = 0;
    for (request, own) in requests.iter().zip(&mut nodes) {
        assigned += assign(request, own);
    }
    let store = allocator.store();
    let operations = store.operations.load(Ordering::Relaxed);
    let begun = cpu();
    for (pod, request) in requests.iter().enumerate().skip(NODES) {
        assigned += nodes.get_mut(pod % NODES).map_or(0, |own| assign(request, own));
    }
    let warm = (pods - NODES) as f64;
    let took = (cpu() - begun) / warm;
    let operations = (store.operations.load(Ordering::Relaxed) - operations) as f64 / warm;

    let blocks = block_on(store.store.list(keys::BLOCKS, &ListOptions::new())).unwrap();
    let floor = floor(&blocks, pods);
    let begun = cpu();
    let mut released = 0;
    for pod in 0..pods {
        released += block_on(allocator.release_by_handle(&handle(pod), &view.config, NOW)).unwrap().len();
    }
    let release = (cpu() - begun) / pods as f64;
    Run { assign: took, floor, release, operations, assigned, released }
}

/// As many commits of a new key and a block, with nothing decided: what the store alone takes, at half the blocks' size.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn floor(blocks: &[Versioned], pods: usize) -> f64 {
    let store = MemoryStore::new();
    let mut blocks: Vec<Versioned> = blocks.to_vec();
    for block in &mut blocks {
        block.value.truncate(block.value.len() / 2);
        block.revision = block_on(store.create(&block.key, &block.value)).unwrap();
    }
    let begun = cpu();
    for pod in 0..pods {
        let at = pod % blocks.len();
        let Some(block) = blocks.get_mut(at) else { continue };
        let update =
            Op::Update { key: block.key.clone(), value: block.value.clone(), revision: block.revision };
        let create = Op::Create {
            key: keys::handle(&handle(pod)),
            value: br#"{"block":{"10.0.100.64/26":1},"deleted":false}"#.to_vec(),
        };
        block.revision = block_on(store.commit(&[create, update])).unwrap();
    }
    (cpu() - begun) / pods as f64
}

/// The bytes that a node reads for its first address where there are so many blocks, and the operations.
fn claim(blocks: u32) -> (usize, usize) {
    let view = View {
        config: Config { max_blocks_per_host: 0, ..Config::default() },
        ..View::new([Pool::new("pool", "10.0.0.0/8".parse().unwrap())])
    };
    let allocator = Allocator::new(Counting::default());
    let store = allocator.store();
    for number in 0..blocks {
        let network = core::net::Ipv4Addr::from_bits(0x0a00_0000 | (number << 6));
        let cidr = ipnet::IpNet::new(network.into(), 26).unwrap();
        let owner = Affinity::host(format!("node-{}", number / 10));
        let block = Block::new(cidr, &owner, NOW).unwrap();
        block_on(store.store.create(&keys::block(&cidr), &block.encode())).unwrap();
    }
    let request = AssignRequest::new("h", "newcomer", Use::Workload).v4(1);
    let assigned = block_on(allocator.auto_assign(&request, &view, NOW)).unwrap();
    assert_eq!(assigned.addresses().count(), 1);
    (store.read.load(Ordering::Relaxed), store.operations.load(Ordering::Relaxed))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "megabytes")]
fn main() {
    let Some(mode) = report::mode(&[ASSIGN, FLOOR, OPERATIONS, RELEASE, CLAIM]) else { return };
    let (runs, pods, blocks) = if mode == Mode::Measure { (9, PODS, 20_000) } else { (1, PODS / 10, 2_000) };
    let runs: Vec<Run> = (0..runs).map(|_| run(pods)).collect();
    for run in &runs {
        assert_eq!((run.assigned, run.released), (pods, pods));
        assert!(run.operations <= 2.0, "{} operations for a warm assignment", run.operations);
    }
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    let samples = runs.len() * pods;
    ASSIGN.measured(of(|run| run.assign), "us", samples, pods);
    FLOOR.measured(of(|run| run.floor), "us", samples, pods);
    OPERATIONS.measured(of(|run| run.operations), "operations", samples, pods);
    RELEASE.measured(of(|run| run.release), "us", samples, pods);
    let (bytes, operations) = claim(blocks);
    CLAIM.measured(bytes as f64 / 1e6, "MB", 1, format!("{blocks} blocks, {operations} operations"));
}
