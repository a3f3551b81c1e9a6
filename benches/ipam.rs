//! Address allocation over a store in memory, beside an allocator that keeps a record per address and tries one address
//! after the other, as simple IPAM plugins do.
//!
//! Input: a pool of 65,536 addresses, 100 nodes, 20 addresses in use on each. An element is one address, assigned and
//! released again by the last node. `block26_assign_release` and `block24_assign_release` are that in the block alone,
//! half of which is in use by others.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::report::Row;
use tortie_ipam::{
    Affinity, Allocator, AssignRequest, Block, ListOptions, MemoryStore, Pool, Store, StoreError, Use, View,
    block_on,
};

const NODES: u32 = 100;
const ADDRESSES: u32 = 20;
/// A fixed moment, since the Unix epoch.
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn tortie() -> (Allocator<MemoryStore>, View) {
    let allocator = Allocator::new(MemoryStore::new());
    let view = View::new([Pool::new("pool", "10.0.0.0/16".parse().unwrap())]);
    for node in 0..NODES {
        for pod in 0..ADDRESSES {
            let request = request(&format!("node-{node}"), &format!("pod-{node}-{pod}"));
            assign(&allocator, &view, &request);
        }
    }
    (allocator, view)
}

fn request(node: &str, handle: &str) -> AssignRequest {
    AssignRequest::new(handle, node, Use::Workload).v4(1).attribute("pod", handle).attribute("node", node)
}

fn assign(allocator: &Allocator<MemoryStore>, view: &View, request: &AssignRequest) -> IpAddr {
    let assigned = block_on(allocator.auto_assign(request, view, NOW)).unwrap();
    assigned.addresses().next().unwrap().addr()
}

fn release(allocator: &Allocator<MemoryStore>, view: &View, handle: &str) -> Vec<IpAddr> {
    block_on(allocator.release_by_handle(handle, &view.config, NOW)).unwrap()
}

/// The naive twin: a record per address, with the owner in it.
struct Naive(MemoryStore);

impl Naive {
    fn assign(&self, handle: &str) -> Option<IpAddr> {
        block_on(async {
            for number in 0..=u16::MAX {
                let address = Ipv4Addr::from(0x0A00_0000 | u32::from(number));
                let record = format!(r#"{{"handle":"{handle}","attributes":{{"pod":"{handle}"}}}}"#);
                match self.0.create(&format!("/address/{address}"), record.as_bytes()).await {
                    Ok(_) => return Some(address.into()),
                    Err(StoreError::AlreadyExists) => {}
                    Err(_) => return None,
                }
            }
            None
        })
    }

    fn release(&self, handle: &str) -> Vec<IpAddr> {
        block_on(async {
            let mut released = Vec::new();
            for record in self.0.list("/address/", &ListOptions::new()).await.unwrap() {
                let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
                if value.get("handle").and_then(serde_json::Value::as_str) == Some(handle) {
                    self.0.delete(&record.key, record.revision).await.unwrap();
                    released.push(record.key.rsplit('/').next().unwrap().parse().unwrap());
                }
            }
            released
        })
    }
}

/// A block, half of it in use, each address by a handle of its own.
fn half_full(cidr: &str) -> (Block, BTreeMap<String, String>) {
    let mut block = Block::new(cidr.parse().unwrap(), &Affinity::host("node-1"), NOW).unwrap();
    let owner = |pod: u32| {
        let pairs = [
            ("namespace", "default".to_owned()),
            ("node", "node-1".to_owned()),
            ("pod", format!("pod-{pod}")),
        ];
        BTreeMap::from(pairs.map(|(key, value)| (key.to_owned(), value)))
    };
    for pod in 0..block.capacity() / 2 {
        block.assign(1, &format!("k8s-pod-network.pod-{pod}"), &owner(pod));
    }
    (block, owner(u32::MAX))
}

/// One address of a block, assigned and released, in memory alone.
fn blocks(criterion: &mut Criterion) {
    for (work, cidr) in
        [("ipam/block26_assign_release", "10.0.0.0/26"), ("ipam/block24_assign_release", "10.0.0.0/24")]
    {
        let (mut block, owner) = half_full(cidr);
        let turn = |block: &mut Block| {
            let taken = block.assign(1, "k8s-pod-network.bench", &owner);
            let ordinal = taken.first().and_then(|address| block.ordinal(*address));
            block.release(ordinal.as_slice(), NOW, Duration::ZERO);
            taken.len()
        };
        let before = block.clone();
        assert_eq!(turn(&mut block), 1);
        assert_eq!(block.free(), before.free());
        assert_eq!(block.allocations().count(), before.allocations().count());
        Row::tortie(work, "tortie").check(1);
        let mut group = criterion.benchmark_group(work);
        group.throughput(Throughput::Elements(1));
        group.bench_function("tortie", |bencher| bencher.iter(|| black_box(turn(&mut block))));
        group.finish();
    }
}

fn benches(criterion: &mut Criterion) {
    let (allocator, view) = tortie();
    let naive = Naive(MemoryStore::new());
    for node in 0..NODES {
        for pod in 0..ADDRESSES {
            naive.assign(&format!("pod-{node}-{pod}")).unwrap();
        }
    }
    let request = request(&format!("node-{}", NODES - 1), "bench");
    let address = assign(&allocator, &view, &request);
    assert_eq!(release(&allocator, &view, "bench"), [address]);
    let address = naive.assign("bench").unwrap();
    assert_eq!(naive.release("bench"), [address]);

    const WORK: &str = "ipam/assign_release";
    for row in [Row::tortie(WORK, "tortie"), Row::twin(WORK)] {
        // Both gave one address and took it back, just now.
        row.check(1);
    }
    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(1));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| {
            black_box(assign(&allocator, &view, &request));
            black_box(release(&allocator, &view, "bench"));
        });
    });
    group.bench_function("naive_twin", |bencher| {
        bencher.iter(|| {
            black_box(naive.assign("bench"));
            black_box(naive.release("bench"));
        });
    });
    group.finish();
}

criterion_group!(ipam, benches, blocks);
criterion_main!(ipam);
