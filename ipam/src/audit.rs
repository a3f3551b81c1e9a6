//! Whether what is stored agrees with itself, with the pools, and with what runs.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::block::Block;
use crate::keys::Key;
use crate::pool::View;
use crate::record::{Affinity, AffinityState, BlockAffinity, Handle};
use crate::span::Family;
use crate::store::Versioned;

/// An address of a block that is in use, as its block says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Tenant {
    /// The address.
    pub address: IpAddr,
    /// Its block.
    pub block: IpNet,
    /// Whose the block is, if anybody's.
    pub owner: Option<Affinity>,
    /// The handle that has the address.
    pub handle: Option<String>,
    /// The block's sequence number when it was assigned.
    pub sequence: Option<u64>,
    /// What is remembered of whoever uses it.
    pub attributes: BTreeMap<String, String>,
}

impl Tenant {
    /// Whether a node has it from the block of another, or of nobody; `None` if its node is not remembered.
    #[must_use]
    pub fn is_borrowed(&self) -> Option<bool> {
        let node = self.attributes.get("node")?;
        Some(self.owner.as_ref().is_none_or(|owner| owner.name() != node))
    }
}

/// A handle that says something else of a block than the block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HandleLie {
    /// Its id.
    pub handle: String,
    /// The block.
    pub block: IpNet,
    /// How many addresses the handle names.
    pub names: i64,
    /// How many it has.
    pub has: i64,
}

/// A record with something wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Problem {
    /// Its key.
    pub key: String,
    /// What.
    pub what: String,
}

/// What is wrong with the records of address assignment, at one moment.
///
/// # Example
///
/// ```
/// use core::time::Duration;
/// use tortie_ipam::{
///     Allocator, AssignRequest, Audit, ListOptions, MemoryStore, Pool, Store, Use, View, block_on, keys,
/// };
///
/// let view = View::new([Pool::new("p", "10.65.0.0/16".parse()?)]);
/// let allocator = Allocator::new(MemoryStore::new());
/// let request = AssignRequest::new("net.c1", "node-1", Use::Workload).v4(1);
/// let assigned = block_on(allocator.assign_all(&request, &view, Duration::from_secs(9)))?;
/// let records = block_on(allocator.store().list(keys::ROOT, &ListOptions::new()))?;
///
/// let used = [assigned.v4.addresses[0].addr()];
/// assert!(Audit::new(&records, &view, &used).is_clean());
/// assert_eq!(Audit::new(&records, &view, &[]).leaked.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Audit {
    /// Every address in use by the blocks; those that rest, or that nodes keep for themselves, are not.
    pub tenants: Vec<Tenant>,
    /// Those of them that nothing uses.
    pub leaked: Vec<Tenant>,
    /// Addresses that are used and not assigned, though a pool has them.
    pub unassigned: Vec<IpAddr>,
    /// Addresses that are used and in no enabled pool.
    pub outside: Vec<IpAddr>,
    /// Addresses that two use, or that two blocks have assigned.
    pub double: Vec<IpAddr>,
    /// Blocks in no pool, enabled or not.
    pub orphans: Vec<IpNet>,
    /// Handles that say something else than the blocks.
    pub lies: Vec<HandleLie>,
    /// Records that cannot be read, contradict themselves, or disagree about whose a block is.
    pub problems: Vec<Problem>,
}

impl Audit {
    /// Looks at all records under [`ROOT`](crate::keys::ROOT), read at one moment. `used` has each address once for each
    /// that uses it: workloads, tunnels, services.
    #[must_use]
    pub fn new(records: &[Versioned], view: &View, used: &[IpAddr]) -> Self {
        let mut audit = Self::default();
        let mut blocks: BTreeMap<IpNet, Block> = BTreeMap::new();
        let mut affinities: BTreeMap<(IpNet, Affinity), AffinityState> = BTreeMap::new();
        let mut counts: BTreeMap<(String, IpNet), (i64, i64)> = BTreeMap::new();
        for record in records {
            match Key::parse(&record.key) {
                Some(Key::Block(cidr)) => match Block::decode(&record.value) {
                    Ok(block) if block.is_deleted() => {}
                    Ok(block) if block.cidr() != cidr => audit.problem(record, "names another block"),
                    Ok(block) => {
                        for what in Block::contradictions(&record.value).unwrap_or_default() {
                            audit.problem(record, what);
                        }
                        blocks.insert(cidr, block);
                    }
                    Err(error) => audit.problem(record, &error.to_string()),
                },
                Some(Key::Affinity(owner, cidr)) => match BlockAffinity::decode(&record.value) {
                    Ok(affinity) if affinity.deleted => {}
                    Ok(affinity) => drop(affinities.insert((cidr, owner), affinity.state)),
                    Err(error) => audit.problem(record, &error.to_string()),
                },
                Some(Key::Handle(id)) => match Handle::decode(&record.value) {
                    Ok(handle) if handle.deleted => {}
                    Ok(handle) => {
                        if handle.block.is_empty() {
                            audit.problem(record, "has no addresses");
                        }
                        for (text, count) in &handle.block {
                            match text.parse::<IpNet>() {
                                Ok(cidr) => counts.entry((id.clone(), cidr)).or_default().0 = *count,
                                Err(_) => audit.problem(record, "names what is no block"),
                            }
                        }
                    }
                    Err(error) => audit.problem(record, &error.to_string()),
                },
                _ => {}
            }
        }
        audit.read_blocks(&blocks, &mut counts);
        audit.orphans = blocks
            .keys()
            .filter(|cidr| !view.pools.iter().any(|pool| pool.cidr.contains(*cidr)))
            .copied()
            .collect();
        audit.compare_owners(&blocks, &affinities);
        audit.compare_use(view, used);
        let lie = |((handle, block), (names, has)): ((String, IpNet), (i64, i64))| {
            (names != has).then_some(HandleLie { handle, block, names, has })
        };
        audit.lies = counts.into_iter().filter_map(lie).collect();
        audit.problems.sort();
        audit
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.count() == 0
    }

    /// How many things are wrong.
    #[must_use]
    pub fn count(&self) -> usize {
        let addresses = self.leaked.len() + self.unassigned.len() + self.outside.len() + self.double.len();
        addresses + self.orphans.len() + self.lies.len() + self.problems.len()
    }

    fn problem(&mut self, record: &Versioned, what: &str) {
        self.problems.push(Problem { key: record.key.clone(), what: String::from(what) });
    }

    fn read_blocks(
        &mut self,
        blocks: &BTreeMap<IpNet, Block>,
        counts: &mut BTreeMap<(String, IpNet), (i64, i64)>,
    ) {
        for (cidr, block) in blocks {
            for allocation in block.allocations() {
                if allocation.rests() || allocation.is_windows_reserved() {
                    continue;
                }
                let handle = allocation.handle().map(String::from);
                if let Some(handle) = &handle {
                    counts.entry((handle.clone(), *cidr)).or_default().1 += 1;
                }
                self.tenants.push(Tenant {
                    address: allocation.address,
                    block: *cidr,
                    owner: block.affinity(),
                    handle,
                    sequence: allocation.sequence,
                    attributes: allocation.attributes().active_owner,
                });
            }
        }
    }

    /// A confirmed affinity is the block's owner's; a block's owner has an affinity.
    fn compare_owners(
        &mut self,
        blocks: &BTreeMap<IpNet, Block>,
        affinities: &BTreeMap<(IpNet, Affinity), AffinityState>,
    ) {
        for ((cidr, owner), state) in affinities {
            let theirs = blocks.get(cidr).and_then(Block::affinity).as_ref() == Some(owner);
            let what = match state {
                AffinityState::Confirmed if theirs => continue,
                AffinityState::Confirmed => "is confirmed, and the block is not its owner's",
                _ => "is not confirmed: its owner settles it as it starts, or with its next assignment",
            };
            self.problems.push(Problem { key: crate::keys::affinity(owner, cidr), what: String::from(what) });
        }
        for (cidr, block) in blocks {
            if let Some(owner) = block.affinity() {
                if !affinities.contains_key(&(*cidr, owner)) {
                    let what = String::from("has an owner without an affinity");
                    self.problems.push(Problem { key: crate::keys::block(cidr), what });
                }
            }
        }
    }

    fn compare_use(&mut self, view: &View, used: &[IpAddr]) {
        let mut assigned: BTreeSet<IpAddr> = BTreeSet::new();
        let mut double: BTreeSet<IpAddr> = BTreeSet::new();
        for tenant in &self.tenants {
            if !assigned.insert(tenant.address) {
                double.insert(tenant.address);
            }
        }
        let mut seen = BTreeSet::new();
        for address in used {
            if !seen.insert(*address) {
                double.insert(*address);
                continue;
            }
            let pools = view.active(Family::of_addr(*address));
            if !pools.iter().any(|pool| pool.cidr.contains(address)) {
                self.outside.push(*address);
            } else if !assigned.contains(address) {
                self.unassigned.push(*address);
            }
        }
        self.leaked = self.tenants.iter().filter(|tenant| !seen.contains(&tenant.address)).cloned().collect();
        self.double = double.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::{
        Allocator, AssignRequest, ListOptions, MemoryStore, Pool, Revision, Store, Use, block_on, keys,
    };

    #[test]
    fn everything_that_can_be_wrong_is_found() {
        let view = View::new([Pool::new("p", "10.0.0.0/24".parse().unwrap())]);
        let allocator = Allocator::new(MemoryStore::new());
        let mut held = Vec::new();
        for handle in ["a", "b"] {
            let request = AssignRequest::new(handle, "node", Use::Workload).v4(1).attribute("node", "node");
            let assigned = block_on(allocator.assign_all(&request, &view, Duration::from_secs(9))).unwrap();
            held.extend(assigned.addresses().map(|net| net.addr()));
        }
        let mut records = block_on(allocator.store().list(keys::ROOT, &ListOptions::new())).unwrap();
        assert!(Audit::new(&records, &view, &held).is_clean());
        let foreign: IpAddr = "10.9.0.1".parse().unwrap();
        let free: IpAddr = "10.0.0.250".parse().unwrap();
        let used = vec![held[0], held[0], foreign, free];
        let audit = Audit::new(&records, &view, &used);
        assert_eq!(audit.leaked.iter().map(|leak| leak.address).collect::<Vec<_>>(), [held[1]]);
        assert_eq!(audit.leaked[0].handle.as_deref(), Some("b"));
        assert_eq!(audit.leaked[0].is_borrowed(), Some(false));
        assert_eq!(
            (audit.double, audit.outside, audit.unassigned),
            (vec![held[0]], vec![foreign], vec![free])
        );

        let none = View::default();
        assert_eq!(Audit::new(&records, &none, &held).orphans.len(), 1);
        for record in &mut records {
            let text = String::from_utf8(record.value.clone()).unwrap();
            let changed = match Key::parse(&record.key) {
                Some(Key::Handle(id)) if id == "a" => text.replace(":1}", ":7}"),
                Some(Key::Block(_)) => text.replace(r#""unallocated":["#, r#""unallocated":[0,63,"#),
                _ => text.replace("confirmed", "pending"),
            };
            record.value = changed.into_bytes();
        }
        let put = |key: &str, value: &str| Versioned {
            key: key.to_string(),
            value: Vec::from(value),
            revision: Revision::new(1),
        };
        records.push(put("/calico/ipam/v2/handle/odd", r#"{"block":{}}"#));
        records.push(put("/calico/ipam/v2/assignment/ipv4/block/10.0.9.0-26", "{"));
        // A larger block over the first, with the same address.
        let block: IpNet = keys_block(&records);
        let large = Affinity::host("other");
        let mut over =
            Block::new(IpNet::new(block.addr(), 25).unwrap().trunc(), &large, Duration::ZERO).unwrap();
        over.assign_address(held[0], "c", &BTreeMap::new());
        records.push(put(&keys::block(&over.cidr()), &String::from_utf8(over.encode()).unwrap()));
        let audit = Audit::new(&records, &view, &held);
        assert_eq!(audit.double, [held[0]]);
        let lies: Vec<_> = audit.lies.iter().map(|lie| (lie.handle.as_str(), lie.names, lie.has)).collect();
        assert_eq!(lies, [("a", 7, 1), ("c", 0, 1)]);
        let problems: Vec<&str> = audit.problems.iter().map(|problem| problem.what.as_str()).collect();
        for wanted in [
            "has no addresses",
            "free twice",
            "is both in use and free",
            "not block record",
            "is not confirmed",
            "has an owner without an affinity",
        ] {
            assert!(problems.iter().any(|what| what.contains(wanted)), "{wanted}: {problems:?}");
        }
        assert_eq!(audit.count(), 1 + 2 + problems.len());
    }

    fn keys_block(records: &[Versioned]) -> IpNet {
        let mut blocks = records.iter().filter_map(|record| match Key::parse(&record.key) {
            Some(Key::Block(cidr)) if cidr.addr() < "10.0.1.0".parse::<IpAddr>().unwrap() => Some(cidr),
            _ => None,
        });
        blocks.next().unwrap()
    }
}
