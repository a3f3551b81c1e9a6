//! Records of address assignment together: as others may have left them, and as operations make them.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use tortie_ipam::{
    AddressRequest, Affinity, Allocator, AssignErrorKind, AssignRequest, Audit, Block, BlockAffinity, Config,
    ConfigRecord, Handle, LeakCollector, ListOptions, MemoryStore, Pool, ReleaseError, ReleaseRequest,
    Standing, Store, Use, Versioned, View, block_on, keys,
};

use crate::bytes::Bytes;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// Where the records of an input are stored.
const KEYS: [&str; 8] = [
    "assignment/ipv4/block/10.0.0.0-30",
    "assignment/ipv4/block/10.0.0.4-30",
    "assignment/ipv4/block/10.0.0.0-29",
    "host/a/ipv4/block/10.0.0.0-30",
    "host/b/ipv4/block/10.0.0.0-30",
    "handle/x",
    "handle/y",
    "config",
];

fn view() -> View {
    let pool = Pool::new("p", "10.0.0.0/29".parse().expect("a prefix")).block_len(30);
    View::new([pool])
}

fn records(store: &MemoryStore) -> Vec<Versioned> {
    block_on(store.list("", &ListOptions::new())).expect("memory does not fail")
}

/// Whether a record can be read as what its key says.
fn is_readable(record: &Versioned) -> bool {
    match keys::Key::parse(&record.key).expect("one of the keys") {
        keys::Key::Block(cidr) => Block::decode(&record.value).is_ok_and(|block| block.cidr() == cidr),
        keys::Key::Affinity(..) => BlockAffinity::decode(&record.value).is_ok(),
        keys::Key::Handle(_) => Handle::decode(&record.value).is_ok(),
        keys::Key::Config => ConfigRecord::decode(&record.value).is_ok(),
        _ => true,
    }
}

/// The addresses that the blocks say are in use.
fn taken(records: &[Versioned]) -> BTreeSet<IpAddr> {
    let blocks = records.iter().filter(|record| record.key.starts_with(keys::BLOCKS) && is_readable(record));
    let blocks = blocks.filter_map(|record| Block::decode(&record.value).ok());
    blocks
        .filter(|block| !block.is_deleted())
        .flat_map(|block| {
            block.allocations().filter(|held| !held.rests()).map(|held| held.address).collect::<Vec<_>>()
        })
        .collect()
}

/// Records as others may have left them, one a line: a digit that says where, and the value. No operation panics, none
/// touches what it cannot read, none assigns what is assigned, and none makes a block over another.
pub fn check_ipam_records(data: &[u8]) {
    let store = MemoryStore::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((place, value)) = line.split_first() else { continue };
        let key = format!("{}{}", keys::ROOT, KEYS[usize::from(*place) % KEYS.len()]);
        drop(block_on(store.create(&key, value)));
    }
    let before = records(&store);
    let (view, allocator) = (view(), Allocator::new(&store));
    let audit = Audit::new(&before, &view, &[]);
    let unreadable: Vec<&Versioned> = before.iter().filter(|record| !is_readable(record)).collect();
    assert!(audit.count() >= unreadable.iter().filter(|record| record.key != keys::CONFIG).count());
    let _ = block_on(allocator.config());
    let _ = block_on(allocator.update_config(|record| record.strict_affinity = true));
    for (handle, host) in [("x", "a"), ("z", "b")] {
        let held = taken(&records(&store));
        let request = AssignRequest::new(handle, host, Use::Workload).v4(1).attribute("node", host);
        let assigned = match block_on(allocator.auto_assign(&request, &view, NOW)) {
            Ok(assigned) => assigned,
            Err(error) => error.assigned().clone(),
        };
        // The third block overlaps the others, so that it may have assigned the same before.
        let overlap = before.iter().any(|record| record.key.ends_with("-29"));
        assert!(overlap || assigned.addresses().all(|net| !held.contains(&net.addr())));
    }
    let owner = Affinity::host("a");
    let _ = block_on(allocator.settle_host_affinities(&owner, NOW));
    let _ = block_on(allocator.upgrade(&owner));
    let _ = block_on(allocator.utilization(&view, NOW));
    let _ = block_on(allocator.collect_rested(&view, NOW));
    for address in ["10.0.0.1", "10.0.0.5", "10.9.0.1"] {
        let address = address.parse().expect("an address");
        let request = AddressRequest::new(address, "w", "b", Use::Workload);
        let _ = block_on(allocator.assign_address(&request, &view, NOW));
        let _ = block_on(allocator.assignment(address, &view));
        let _ = block_on(allocator.release_addresses(&[ReleaseRequest::new(address)], &view, NOW));
    }
    let _ = block_on(allocator.release_by_handle("y", &view.config, NOW));
    let mut collector = LeakCollector::new(None);
    let scan = block_on(collector.scan(&allocator, &view, NOW, |_| false, |_| Standing::Gone));
    if let Ok(scan) = scan {
        let _ = block_on(collector.collect(&allocator, &scan, &view, NOW));
    }
    let _ = block_on(allocator.claim_range(&owner, &view.pools[0].cidr, &view, NOW));
    let _ = block_on(allocator.remove_host("b", &view.config, NOW));
    let after = records(&store);
    for record in unreadable {
        assert!(after.contains(record), "{} was written", record.key);
    }
    // A block that was not there is not one that has addresses of another.
    let cidrs = |records: &[Versioned]| {
        let block = |record: &Versioned| match keys::Key::parse(&record.key) {
            Some(keys::Key::Block(cidr)) => Some(cidr),
            _ => None,
        };
        records.iter().filter_map(block).collect::<BTreeSet<_>>()
    };
    let (old, now) = (cidrs(&before), cidrs(&after));
    for new in now.difference(&old) {
        let over = now.iter().find(|other| *other != new && (other.contains(new) || new.contains(*other)));
        assert!(over.is_none(), "{new} came over {over:?}");
    }
}

/// The twin: who has which address, and since when others rest.
#[derive(Default)]
struct Twin {
    held: BTreeMap<IpAddr, String>,
    rests: BTreeMap<IpAddr, u64>,
}

impl Twin {
    fn of(&self, handle: &str) -> BTreeSet<IpAddr> {
        self.held.iter().filter(|(_, holder)| *holder == handle).map(|(address, _)| *address).collect()
    }

    fn release(&mut self, address: IpAddr, now: Duration, config: &Config) {
        self.held.remove(&address);
        if !config.ip_cooldown.is_zero() {
            self.rests.insert(address, now.as_secs());
        }
    }
}

/// So many operations of one input are done: what is reached at all is reached in fewer, and each is followed by a look
/// at all records.
const MOST_OPERATIONS: usize = 40;

/// Any operations of three nodes on a pool of sixteen addresses: as a naive twin says, and the records agree after each.
pub fn check_ipam_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let config =
        Config { ip_cooldown: Duration::from_secs(u64::from(bytes.byte() % 3) * 10), ..Config::default() };
    let pool = Pool::new("p", "10.0.0.0/28".parse().expect("a prefix")).block_len(30);
    let view = View { config, ..View::new([pool]) };
    let allocator = Allocator::new(MemoryStore::new());
    let (mut twin, mut now) = (Twin::default(), NOW);
    for _ in 0..MOST_OPERATIONS {
        if bytes.is_empty() {
            break;
        }
        let handle = bytes.pick(&["h", "i", "j", "k"]);
        let host = bytes.pick(&["a", "b", "c"]);
        let cooldown = config.ip_cooldown.as_secs();
        twin.rests.retain(|_, since| now.as_secs() <= *since + cooldown);
        match bytes.below(6) {
            0 | 1 => {
                let number = bytes.below(6);
                let request =
                    AssignRequest::new(handle, host, Use::Workload).v4(u32::try_from(number).expect("few"));
                let free = 16 - twin.held.len() - twin.rests.len();
                match block_on(allocator.assign_all(&request, &view, now)) {
                    Ok(assigned) => {
                        let addresses: BTreeSet<IpAddr> =
                            assigned.addresses().map(|net| net.addr()).collect();
                        assert_eq!(addresses.len(), number);
                        for address in addresses {
                            assert!(!twin.held.contains_key(&address) && !twin.rests.contains_key(&address));
                            twin.held.insert(address, handle.to_owned());
                        }
                    }
                    Err(error) => {
                        assert!(matches!(error.kind(), AssignErrorKind::Short(_)), "{error}");
                        assert!(number > free, "{free} were free");
                        // What it had for a moment rests, like anything that is released.
                        for address in resting(&allocator) {
                            if !twin.rests.contains_key(&address) {
                                twin.release(address, now, &config);
                            }
                        }
                    }
                }
            }
            2 | 3 => match block_on(allocator.release_by_handle(handle, &config, now)) {
                Ok(released) => {
                    assert_eq!(released.iter().copied().collect::<BTreeSet<_>>(), twin.of(handle));
                    released.into_iter().for_each(|address| twin.release(address, now, &config));
                }
                Err(ReleaseError::NotFound { .. }) => assert!(twin.of(handle).is_empty()),
                Err(error) => panic!("{error}"),
            },
            4 => drop(block_on(allocator.remove_host(host, &config, now)).expect("memory does not fail")),
            _ => now += Duration::from_secs(u64::from(bytes.byte() % 16)),
        }
        let used: Vec<IpAddr> = twin.held.keys().copied().collect();
        let audit = Audit::new(&records(allocator.store()), &view, &used);
        assert!(audit.is_clean(), "{audit:?}");
        let held = block_on(allocator.addresses_by_handle(handle)).expect("memory does not fail");
        assert_eq!(held.into_iter().collect::<BTreeSet<_>>(), twin.of(handle));
    }
}

/// The addresses that rest, as the blocks say.
fn resting(allocator: &Allocator<MemoryStore>) -> Vec<IpAddr> {
    let records = records(allocator.store());
    let blocks = records.iter().filter(|record| record.key.starts_with(keys::BLOCKS));
    let blocks = blocks.map(|record| Block::decode(&record.value).expect("our own"));
    blocks
        .flat_map(|block| {
            block.allocations().filter(|held| held.rests()).map(|held| held.address).collect::<Vec<_>>()
        })
        .collect()
}
