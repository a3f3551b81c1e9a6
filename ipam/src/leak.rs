//! Collection of addresses whose workloads are gone, of blocks nobody needs, and of nodes that went.
//!
//! The rules are those of calico@87c15906f2 kube-controllers/pkg/controllers/node/ipam.go. What runs where is for the
//! caller to say: an address is collected by its handle and the sequence number at which it was assigned, so that one
//! that was assigned again meanwhile stays.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use crate::allocator::{Allocator, ReleaseBlock};
use crate::assigned::ReleaseRequest;
use crate::block::{Allocation, Block};
use crate::error::{AffinityError, Fault, ReleaseError};
use crate::pool::View;
use crate::record::Affinity;
use crate::span::Family;
use crate::store::Store;

/// The least time for which the address of a virtual machine stays, since the machine may be between two pods.
const MACHINE_GRACE: Duration = Duration::from_secs(300);

/// What a workload that has an address is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is there, or not, or nobody knows")]
pub enum Standing {
    /// It is there, and the address is its own or may become so.
    InUse,
    /// It is not there, or somewhere else, or has other addresses.
    Gone,
    /// It cannot be said now. The address stays.
    Unknown,
}

/// An address whose workload is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Leak {
    /// The address.
    pub address: IpAddr,
    /// The handle that has it.
    pub handle: Option<String>,
    /// The sequence number of its block when it was assigned.
    pub sequence: Option<u64>,
    /// The node that it was assigned for.
    pub node: String,
}

/// What a look at all blocks found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakScan {
    /// To be released. Leave out those whose workload is there after all before [collecting](LeakCollector::collect).
    pub confirmed: Vec<Leak>,
    /// Perhaps leaked, but not for long enough.
    pub candidates: Vec<Leak>,
    /// Nodes that are gone and have no address in use: their blocks are to be released.
    pub hosts: Vec<String>,
    /// Blocks that were empty all the time, of nodes that have others: owner, block, sequence number.
    pub idle: Vec<(Affinity, IpNet, u64)>,
}

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Addresses that are free now, or rest.
    pub addresses: Vec<IpAddr>,
    /// Addresses that stay: their handle has others that are no leaks, or they changed hands meanwhile.
    pub kept: Vec<IpAddr>,
    /// Blocks that are nobody's, or gone.
    pub blocks: Vec<IpNet>,
    /// Blocks that could not be released, and why.
    pub failed: Vec<(IpNet, AffinityError)>,
}

/// Finds leaks, and remembers since when.
///
/// For one process of the cluster at a time, such as a leader: two do no harm, but each counts for itself. A new one
/// begins to count anew.
///
/// # Example
///
/// ```
/// use core::time::Duration;
/// use tortie_ipam::{
///     Allocator, AssignRequest, LeakCollector, MemoryStore, Pool, Standing, Use, View, block_on,
/// };
///
/// let view = View::new([Pool::new("p", "10.65.0.0/16".parse()?)]);
/// let allocator = Allocator::new(MemoryStore::new());
/// let at = Duration::from_secs;
/// let request = AssignRequest::new("net.c1", "node-1", Use::Workload).v4(1);
/// let request = request.attribute("node", "node-1").attribute("pod", "db").attribute("namespace", "red");
/// let assigned = block_on(allocator.assign_all(&request, &view, at(1_000)))?;
///
/// let mut collector = LeakCollector::new(Some(at(900)));
/// let nodes = |node: &str| node == "node-1";
/// for (now, found) in [(2_000, 0), (2_500, 0), (2_900, 1)] {
///     let scan = block_on(collector.scan(&allocator, &view, at(now), nodes, |_| Standing::Gone))?;
///     assert_eq!(scan.confirmed.len(), found);
///     let collected = block_on(collector.collect(&allocator, &scan, &view, at(now)))?;
///     assert_eq!(collected.addresses.len(), found);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LeakCollector {
    grace: Option<Duration>,
    /// Candidates, and since when.
    candidates: BTreeMap<Leak, Duration>,
    /// Empty blocks with their sequence number, and since when.
    empty: BTreeMap<(IpNet, u64), Duration>,
}

/// What the blocks say of one node.
#[derive(Default)]
struct Host {
    blocks: usize,
    empty: Vec<(IpNet, u64)>,
    tunnels: Vec<Leak>,
    /// It has addresses that are in use, or may be.
    alive: bool,
}

/// What an allocation is for, as its attributes say.
enum Purpose {
    /// Nothing that can leak: nobody's, or kept by the node.
    Ignored,
    /// Something that only its node knows.
    Other,
    Tunnel,
    Workload {
        /// It is a virtual machine.
        machine: bool,
    },
}

fn purpose(allocation: &Allocation<'_>, owner: &BTreeMap<String, String>) -> Purpose {
    if allocation.rests() || allocation.is_windows_reserved() || !owner.contains_key("node") {
        return Purpose::Ignored;
    }
    let kind = owner.get("type").map(String::as_str);
    if kind.is_some_and(|kind| kind.ends_with("TunnelAddress")) {
        return Purpose::Tunnel;
    }
    let machine = ["vmi-name", "vmi-uid", "vm-uid"].iter().any(|key| owner.contains_key(*key));
    if machine || (owner.contains_key("pod") && owner.contains_key("namespace")) {
        Purpose::Workload { machine }
    } else {
        Purpose::Other
    }
}

impl LeakCollector {
    /// A collector that takes an address for leaked when its workload has been gone for `grace`, on a node that is
    /// there. `None` or zero: never on such nodes.
    #[must_use]
    pub fn new(grace: Option<Duration>) -> Self {
        Self { grace: grace.filter(|grace| !grace.is_zero()), ..Self::default() }
    }

    /// Looks at all blocks. Nothing is written.
    ///
    /// `is_node` says whether a node exists, `standing` what the workload of an allocation is like: its attributes name
    /// it. Both are asked for what they know, not to look it up. Of a node that is gone, every leak is confirmed at
    /// once; the addresses of its tunnels leak with the last workload.
    ///
    /// # Errors
    /// [`Fault::Store`]. Blocks that cannot be read are left out.
    pub async fn scan<S: Store>(
        &mut self,
        allocator: &Allocator<S>,
        view: &View,
        now: Duration,
        is_node: impl Fn(&str) -> bool + Send + Sync,
        mut standing: impl FnMut(&Allocation<'_>) -> Standing + Send,
    ) -> Result<LeakScan, Fault> {
        let mut found = Found { hosts: BTreeMap::new(), gone: BTreeMap::new(), handles: BTreeMap::new() };
        for family in Family::BOTH {
            allocator
                .scan(family, |_, slot| {
                    if let Some(mut block) = slot.value {
                        let sequence = block.sequence();
                        block.collect(now, view.config.ip_cooldown);
                        found.read(&block, sequence, &mut standing);
                    }
                })
                .await?;
        }
        Ok(self.judge(found, now, is_node))
    }

    fn judge(&mut self, mut found: Found, now: Duration, is_node: impl Fn(&str) -> bool) -> LeakScan {
        let mut scan = LeakScan::default();
        let earlier = core::mem::take(&mut self.candidates);
        for (leak, machine) in core::mem::take(&mut found.gone) {
            let exists = is_node(&leak.node);
            let grace = match (exists, machine) {
                (true, true) => self.grace.map(|grace| grace.max(MACHINE_GRACE)),
                (true, false) => self.grace,
                (false, true) => Some(self.grace.unwrap_or_default().max(MACHINE_GRACE)),
                (false, false) => Some(Duration::ZERO),
            };
            // A clock that stepped back makes the wait longer, not shorter.
            let since = earlier.get(&leak).copied().unwrap_or(now);
            self.candidates.insert(leak.clone(), since);
            if grace.is_some_and(|grace| now.saturating_sub(since) >= grace) {
                scan.confirmed.push(leak);
            } else {
                if let Some(host) = found.hosts.get_mut(&leak.node) {
                    host.alive = true;
                }
                scan.candidates.push(leak);
            }
        }
        let empty = core::mem::take(&mut self.empty);
        for (name, host) in found.hosts {
            if !is_node(&name) {
                if !host.alive {
                    scan.confirmed.extend(host.tunnels);
                    scan.hosts.push(name);
                }
                continue;
            }
            let mut left = host.blocks;
            for (cidr, sequence) in host.empty {
                let since = empty.get(&(cidr, sequence)).copied().unwrap_or(now);
                self.empty.insert((cidr, sequence), since);
                let long = self.grace.is_some_and(|grace| now.saturating_sub(since) >= grace);
                if long && left > 1 {
                    left -= 1;
                    scan.idle.push((Affinity::Host(name.clone()), cidr, sequence));
                }
            }
        }
        // A handle goes whole, or not at all.
        let mut confirmed: BTreeMap<&str, usize> = BTreeMap::new();
        for handle in scan.confirmed.iter().filter_map(|leak| leak.handle.as_deref()) {
            *confirmed.entry(handle).or_default() += 1;
        }
        let whole = |handle: &str| confirmed.get(handle) == found.handles.get(handle);
        let partial: BTreeSet<String> =
            confirmed.keys().copied().filter(|h| !whole(h)).map(String::from).collect();
        let stays = |leak: &Leak| leak.handle.as_ref().is_some_and(|handle| partial.contains(handle));
        let (waits, goes) = core::mem::take(&mut scan.confirmed).into_iter().partition(stays);
        scan.confirmed = goes;
        scan.candidates.extend::<Vec<Leak>>(waits);
        scan
    }

    /// Releases what a scan confirmed: leaks, then the blocks of nodes that are gone, then idle blocks.
    ///
    /// # Errors
    /// [`Fault`]; the rest is then as it was, and found again by the next scan.
    pub async fn collect<S: Store>(
        &self,
        allocator: &Allocator<S>,
        scan: &LeakScan,
        view: &View,
        now: Duration,
    ) -> Result<Collected, Fault> {
        let mut outcome = Collected::default();
        let mut groups: BTreeMap<Option<&str>, Vec<&Leak>> = BTreeMap::new();
        for leak in &scan.confirmed {
            groups.entry(leak.handle.as_deref()).or_default().push(leak);
        }
        for (handle, leaks) in groups {
            let whole = match handle {
                None => true,
                Some(handle) => {
                    let held = allocator.addresses_by_handle(handle).await?;
                    held.iter().all(|address| leaks.iter().any(|leak| leak.address == *address))
                }
            };
            for leak in leaks {
                if !whole {
                    outcome.kept.push(leak.address);
                    continue;
                }
                let mut request = ReleaseRequest::new(leak.address).handle(handle.unwrap_or_default());
                request.sequence = leak.sequence;
                match allocator.release_addresses(&[request], view, now).await {
                    Ok(released) => outcome.addresses.extend(released.released),
                    Err(ReleaseError::Fault(fault)) => return Err(fault),
                    Err(_) => outcome.kept.push(leak.address),
                }
            }
        }
        for host in &scan.hosts {
            let released = allocator.remove_host(host, &view.config, now).await?;
            outcome.blocks.extend(released.released);
            outcome.failed.extend(released.failed);
        }
        for (owner, cidr, sequence) in &scan.idle {
            let how = ReleaseBlock { require_empty: true, sequence: Some(*sequence) };
            match allocator.release_block(owner, cidr, how, &view.config, now).await {
                Ok(()) => outcome.blocks.push(*cidr),
                Err(AffinityError::Fault(fault)) => return Err(fault),
                Err(error) => outcome.failed.push((*cidr, error)),
            }
        }
        Ok(outcome)
    }
}

/// What all blocks say.
struct Found {
    hosts: BTreeMap<String, Host>,
    /// Allocations whose workload is gone, and whether it was a machine.
    gone: BTreeMap<Leak, bool>,
    /// How many addresses each handle has.
    handles: BTreeMap<String, usize>,
}

impl Found {
    fn read(&mut self, block: &Block, sequence: u64, standing: &mut impl FnMut(&Allocation<'_>) -> Standing) {
        // What is virtual belongs to services, which are no nodes.
        if let Some(Affinity::Host(name)) = block.affinity() {
            let host = self.hosts.entry(name).or_default();
            host.blocks += 1;
            if block.is_empty() {
                host.empty.push((block.cidr(), sequence));
            }
        }
        for allocation in block.allocations() {
            let handle = allocation.handle().map(String::from);
            if let Some(handle) = &handle {
                *self.handles.entry(handle.clone()).or_default() += 1;
            }
            let owner = allocation.attributes().active_owner;
            let purpose = purpose(&allocation, &owner);
            let Some(node) = owner.get("node") else { continue };
            let leak = Leak {
                address: allocation.address,
                handle,
                sequence: allocation.sequence,
                node: node.clone(),
            };
            if matches!(purpose, Purpose::Ignored) {
                continue;
            }
            let host = self.hosts.entry(node.clone()).or_default();
            match purpose {
                Purpose::Tunnel => host.tunnels.push(leak),
                Purpose::Workload { machine } if standing(&allocation) == Standing::Gone => {
                    self.gone.insert(leak, machine);
                }
                _ => host.alive = true,
            }
        }
    }
}

impl<S: Store> Allocator<S> {
    /// Frees the addresses that have rested for long enough, in blocks that nobody writes to. Gives those blocks.
    ///
    /// Assignment and release do the same for the blocks that they write.
    ///
    /// # Errors
    /// [`Fault::Store`]. Blocks that cannot be read, or that others write just now, are left out.
    pub async fn collect_rested(&self, view: &View, now: Duration) -> Result<Vec<IpNet>, Fault> {
        let (mut due, mut freed) = (Vec::new(), Vec::new());
        for family in Family::BOTH {
            self.scan(family, |cidr, mut slot| {
                let Some(mut block) = slot.value.take() else { return };
                let before = block.free();
                block.collect(now, view.config.ip_cooldown);
                if block.free() != before {
                    slot.value = Some(block);
                    due.push((cidr, slot));
                }
            })
            .await?;
        }
        for (cidr, slot) in due {
            if self.write_back(slot).await? {
                freed.push(cidr);
            }
        }
        Ok(freed)
    }
}
