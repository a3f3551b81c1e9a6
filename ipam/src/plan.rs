//! Which block size fits a cluster: found by running the allocator, not by a formula.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use crate::allocator::{Allocator, OwnBlocks};
use crate::assigned::AssignRequest;
use crate::blocking::block_on;
use crate::config::Config;
use crate::error::{AssignErrorKind, Fault};
use crate::pool::{Pool, Use, View};
use crate::span::{Family, range, size};
use crate::store::MemoryStore;

/// Block sizes that are looked at unless the caller says otherwise: addresses of a block, as a power of two.
const HOST_BITS: core::ops::RangeInclusive<u8> = 2..=10;
/// A block size with fewer stranded addresses is preferred as long as it has no more than so many times the routes.
const ROUTES_FOR_ADDRESSES: u64 = 2;

/// A cluster to plan for: pools, the pods of each node, and how they grow.
///
/// # Example
///
/// ```
/// use tortie_ipam::{Planner, Pool, uniform};
///
/// let pool = Pool::new("p", "10.65.0.0/20".parse()?);
/// let plan = Planner::new([pool], uniform(40, 30)).run()?;
/// assert_eq!(plan.recommended, Some(27)); // 32 addresses for 30 pods
/// let of_26 = plan.sizes.iter().find(|size| size.block_len == 26).ok_or("no such size")?;
/// assert_eq!((of_26.now.routes, of_26.now.stranded), (40, 40 * 34));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Planner {
    /// The pools, of one family; their block size is not looked at.
    pub pools: Vec<Pool>,
    /// How many pods each node has.
    pub pods: Vec<u32>,
    /// By how many percent every node's pods grow, rounded up. Default 0.
    pub growth: u32,
    /// Prefix lengths of blocks to try. Default: 4 to 1,024 addresses, as far as the pools are that large.
    pub block_lens: Vec<u8>,
    /// The configuration, such as the limit of blocks per node. Default as in a new cluster.
    pub config: Config,
}

/// What becomes of some pods with blocks of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Figures {
    /// Pods that want an address.
    pub pods: u64,
    /// Pods that get none.
    pub unassigned: u64,
    /// Blocks that are claimed.
    pub blocks: u64,
    /// Addresses from another node's block: each needs a route of its own.
    pub borrowed: u64,
    /// Routes that the cluster has: one for each block, and one for each borrowed address.
    pub routes: u64,
    /// Addresses in claimed blocks that no pod has.
    pub stranded: u64,
}

/// What becomes of a cluster with blocks of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct SizePlan {
    /// Prefix length of the blocks.
    pub block_len: u8,
    /// How many such blocks the pools have; numbers beyond 2^64 - 1 are that.
    pub blocks_in_pools: u64,
    /// Whether there are at least as many blocks as nodes.
    pub block_for_each_node: bool,
    /// With the pods of now.
    pub now: Figures,
    /// With those that they grow to.
    pub grown: Figures,
    /// The first pod that borrows, counted from 1 over all pods in the order in which they start.
    pub borrows_from: Option<u64>,
    /// The first pod that gets no address.
    pub fails_from: Option<u64>,
}

/// What becomes of a cluster, for each block size, the largest blocks first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Plan {
    /// How many nodes there are.
    pub nodes: usize,
    /// What was found for each size.
    pub sizes: Vec<SizePlan>,
    /// The size that fits best; `None` if there is none with which every pod gets an address.
    pub recommended: Option<u8>,
}

/// A cluster that cannot be planned for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There are no pools.
    #[error("there are no pools to plan with")]
    NoPools,
    /// There are pools of both families.
    #[error("{cidr} is not of the family of the first pool: plan for each family alone")]
    TwoFamilies {
        /// A pool of the second.
        cidr: IpNet,
    },
    /// No size is left.
    #[error("no block size fits into the pools: give prefix lengths from {least} to {most}")]
    NoSizes {
        /// The shortest prefix that would do.
        least: u8,
        /// The longest.
        most: u8,
    },
    /// The allocator failed, which it does not over a store in memory; or a pool is none.
    #[error(transparent)]
    Assign(#[from] AssignErrorKind),
}

/// The same number of pods on each node.
#[must_use]
pub fn uniform(nodes: usize, pods_per_node: u32) -> Vec<u32> {
    alloc::vec![pods_per_node; nodes]
}

/// As many pods as [`uniform`] has, half of them on a tenth of the nodes, which come first.
#[must_use]
pub fn skewed(nodes: usize, pods_per_node: u32) -> Vec<u32> {
    let total = u64::try_from(nodes).unwrap_or(u64::MAX).saturating_mul(u64::from(pods_per_node));
    let busy = nodes.div_ceil(10);
    let idle = nodes.saturating_sub(busy);
    let on_busy = if idle == 0 { total } else { total.div_ceil(2) };
    spread(on_busy, busy).chain(spread(total.saturating_sub(on_busy), idle)).collect()
}

/// So many pods on so many nodes, the first ones with one more where it does not come out even.
fn spread(pods: u64, nodes: usize) -> impl Iterator<Item = u32> {
    let count = u64::try_from(nodes).unwrap_or(u64::MAX).max(1);
    let (each, more) = (pods / count, pods % count);
    (0..nodes).map(move |node| {
        let extra = u64::try_from(node).is_ok_and(|node| node < more);
        u32::try_from(each.saturating_add(u64::from(extra))).unwrap_or(u32::MAX)
    })
}

impl Planner {
    /// A cluster with these pools, of which each node has so many pods.
    #[must_use]
    pub fn new(pools: impl Into<Vec<Pool>>, pods: impl Into<Vec<u32>>) -> Self {
        Self {
            pools: pools.into(),
            pods: pods.into(),
            growth: 0,
            block_lens: Vec::new(),
            config: Config::default(),
        }
    }

    /// Grows every node's pods by so many percent.
    #[must_use]
    pub const fn growth(mut self, percent: u32) -> Self {
        self.growth = percent;
        self
    }

    /// Tries these prefix lengths of blocks.
    #[must_use]
    pub fn block_lens(mut self, lens: impl Into<Vec<u8>>) -> Self {
        self.block_lens = lens.into();
        self
    }

    /// With this configuration.
    #[must_use]
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Runs the allocator over a store in memory for each block size: every node starts its pods one after the other, in
    /// turn with the others, first those of now and then those that come with the growth.
    ///
    /// A node that has to borrow takes what it still needs at once.
    ///
    /// # Errors
    /// [`PlanError`].
    ///
    /// # Complexity
    /// One assignment for each pod and block size, of some ten microseconds each.
    pub fn run(&self) -> Result<Plan, PlanError> {
        let first = self.pools.first().ok_or(PlanError::NoPools)?;
        let family = Family::of(&first.cidr);
        if let Some(other) = self.pools.iter().find(|pool| Family::of(&pool.cidr) != family) {
            return Err(PlanError::TwoFamilies { cidr: other.cidr });
        }
        let mut lens: Vec<u8> = if self.block_lens.is_empty() {
            HOST_BITS.map(|host_bits| family.bits() - host_bits).collect()
        } else {
            self.block_lens.clone()
        };
        lens.sort_unstable();
        lens.dedup();
        lens.retain(|len| self.pools.iter().all(|pool| pool.clone().block_len(*len).is_divisible()));
        if lens.is_empty() {
            let least = self.pools.iter().map(|pool| pool.cidr.prefix_len()).max().unwrap_or_default();
            return Err(PlanError::NoSizes { least: least.max(family.bits() - 16), most: family.bits() });
        }
        let sizes = lens.into_iter().map(|len| self.size(family, len)).collect::<Result<Vec<_>, _>>()?;
        let recommended = recommend(&sizes);
        Ok(Plan { nodes: self.pods.len(), sizes, recommended })
    }

    fn size(&self, family: Family, block_len: u8) -> Result<SizePlan, PlanError> {
        let pools: Vec<Pool> = self.pools.iter().map(|pool| pool.clone().block_len(block_len)).collect();
        let blocks = |pool: &Pool| {
            let (first, last) = range(&pool.cidr);
            size(first, last) >> (family.bits() - block_len)
        };
        let in_pools = pools.iter().map(blocks).fold(0, u128::saturating_add);
        let blocks_in_pools = u64::try_from(in_pools).unwrap_or(u64::MAX);
        let mut cluster = Cluster {
            family,
            block_size: 1u64.checked_shl(u32::from(family.bits() - block_len)).unwrap_or(u64::MAX),
            view: View { config: self.config, ..View::new(pools) },
            allocator: Allocator::new(MemoryStore::new()),
            nodes: (0..self.pods.len()).map(Node::new).collect(),
            owners: BTreeMap::new(),
            figures: Figures::default(),
            borrows_from: None,
            fails_from: None,
        };
        cluster.start(&self.pods)?;
        let now = cluster.figures();
        let grow = |pods: &u32| {
            let more = u64::from(*pods).saturating_mul(u64::from(self.growth)).div_ceil(100);
            pods.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
        };
        let grown: Vec<u32> = self.pods.iter().map(grow).collect();
        cluster.start(&grown)?;
        let nodes = u64::try_from(self.pods.len()).unwrap_or(u64::MAX);
        Ok(SizePlan {
            block_len,
            blocks_in_pools,
            block_for_each_node: blocks_in_pools >= nodes,
            now,
            grown: cluster.figures(),
            borrows_from: cluster.borrows_from,
            fails_from: cluster.fails_from,
        })
    }
}

struct Node {
    name: String,
    /// Pods that it was told to start so far.
    started: u32,
    own: OwnBlocks,
    borrows: bool,
    /// It was refused an address, and would be again.
    full: bool,
}

impl Node {
    fn new(number: usize) -> Self {
        let name = alloc::format!("node-{number}");
        Self { name, started: 0, own: OwnBlocks::default(), borrows: false, full: false }
    }
}

/// A cluster while its pods start.
struct Cluster {
    family: Family,
    block_size: u64,
    view: View,
    allocator: Allocator<MemoryStore>,
    nodes: Vec<Node>,
    /// Which node claimed a block, which is whoever had the first address of it.
    owners: BTreeMap<IpNet, usize>,
    figures: Figures,
    borrows_from: Option<u64>,
    fails_from: Option<u64>,
}

impl Cluster {
    /// Starts pods in turns until each node has as many as it is to have.
    fn start(&mut self, pods: &[u32]) -> Result<(), AssignErrorKind> {
        let mut under_way = true;
        while core::mem::take(&mut under_way) {
            for at in 0..pods.len() {
                let (Some(node), Some(wanted)) = (self.nodes.get(at), pods.get(at)) else { continue };
                let missing = wanted.saturating_sub(node.started);
                if missing > 0 {
                    let number = if node.borrows || node.full { missing } else { 1 };
                    self.start_on(at, number)?;
                    under_way = true;
                }
            }
        }
        Ok(())
    }

    fn start_on(&mut self, at: usize, number: u32) -> Result<(), AssignErrorKind> {
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let before = self.figures.pods;
        let mut addresses = Vec::new();
        if !node.full {
            let handle = alloc::format!("{}.{}", node.name, node.started);
            let request = AssignRequest::new(handle, &node.name, Use::Workload);
            let request = if self.family == Family::V4 { request.v4(number) } else { request.v6(number) };
            // A clock that stands: nothing is reclaimed, as in a cluster whose nodes stay.
            let now = Duration::from_secs(1);
            match block_on(self.allocator.auto_assign_from(&mut node.own, &request, &self.view, now)) {
                Ok(assigned) => addresses.extend(assigned.addresses()),
                Err(error) => match error.kind() {
                    AssignErrorKind::BlockLimit { .. } | AssignErrorKind::BlocksForbidden => {
                        addresses.extend(error.assigned().addresses());
                    }
                    kind => return Err(kind.clone()),
                },
            }
        }
        node.started = node.started.saturating_add(number);
        let got = u64::try_from(addresses.len()).unwrap_or(u64::MAX);
        for (place, address) in (before + 1..).zip(addresses) {
            let owner = *self.owners.entry(address.trunc()).or_insert(at);
            if owner != at {
                node.borrows = true;
                self.figures.borrowed += 1;
                self.borrows_from.get_or_insert(place);
            }
        }
        self.figures.pods += u64::from(number);
        let unassigned = u64::from(number).saturating_sub(got);
        if unassigned > 0 {
            node.full = true;
            self.figures.unassigned += unassigned;
            self.fails_from.get_or_insert(before + got + 1);
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let blocks = u64::try_from(self.owners.len()).unwrap_or(u64::MAX);
        let Figures { pods, unassigned, borrowed, .. } = self.figures;
        let assigned = pods.saturating_sub(unassigned);
        let stranded = blocks.saturating_mul(self.block_size).saturating_sub(assigned);
        Figures { blocks, routes: blocks.saturating_add(borrowed), stranded, ..self.figures }
    }
}

/// The size with which every pod has an address and, if that can be, none is borrowed and no node is without a block;
/// of these, that which strands the fewest addresses without more than twice the routes of the best.
fn recommend(sizes: &[SizePlan]) -> Option<u8> {
    let serves = || sizes.iter().filter(|size| size.grown.unassigned == 0);
    let least_borrowed = serves().map(|size| (size.grown.borrowed, !size.block_for_each_node)).min()?;
    let fit: Vec<&SizePlan> =
        serves().filter(|size| (size.grown.borrowed, !size.block_for_each_node) == least_borrowed).collect();
    let fewest = fit.iter().map(|size| size.grown.routes).min()?;
    let enough = fewest.saturating_mul(ROUTES_FOR_ADDRESSES);
    let best = fit
        .into_iter()
        .filter(|size| size.grown.routes <= enough)
        .min_by_key(|size| (size.grown.stranded, size.grown.routes, size.block_len))?;
    Some(best.block_len)
}

impl From<Fault> for PlanError {
    fn from(fault: Fault) -> Self {
        Self::Assign(fault.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(cidr: &str) -> Pool {
        Pool::new("p", cidr.parse().unwrap())
    }

    fn size_of(plan: &Plan, block_len: u8) -> &SizePlan {
        plan.sizes.iter().find(|size| size.block_len == block_len).unwrap()
    }

    /// Counted by hand: four blocks of four. Nodes of five, one and one pod take two, one and one.
    #[test]
    fn a_small_cluster_counted_by_hand() {
        let plan = Planner::new([pool("10.0.0.0/28")], [5, 1, 1]).growth(100).block_lens([30]).run().unwrap();
        let size = size_of(&plan, 30);
        let now = Figures { pods: 7, unassigned: 0, blocks: 4, borrowed: 0, routes: 4, stranded: 16 - 7 };
        assert_eq!(size.now, now);
        // The first node has ten then, eight in its own blocks: the other two come from the others' free six less two.
        let grown = Figures { pods: 14, unassigned: 0, blocks: 4, borrowed: 2, routes: 6, stranded: 2 };
        assert_eq!(size.grown, grown);
        // Seven of now; then three, one and one a turn: the first node's ninth is the 13th in all.
        assert_eq!((size.borrows_from, size.fails_from), (Some(13), None));
        assert_eq!((size.blocks_in_pools, size.block_for_each_node), (4, true));
    }

    /// Four blocks of four for five nodes of four pods: the last has no block, and nobody has an address to lend.
    #[test]
    fn a_cluster_that_is_too_large() {
        let plan = Planner::new([pool("10.0.0.0/28")], uniform(5, 4)).block_lens([30, 32]).run().unwrap();
        let size = size_of(&plan, 30);
        assert!(!size.block_for_each_node);
        // The first four claim, the fifth borrows: four in all, which fill up one block and another. So the owners of those
        // two, with two pods of their own by then, each borrow one. Twenty pods want sixteen addresses.
        assert_eq!((size.now.pods, size.now.unassigned, size.now.blocks), (20, 4, 4));
        assert_eq!((size.now.borrowed, size.now.stranded), (6, 0));
        assert_eq!((size.borrows_from, size.fails_from), (Some(5), Some(17)));
        assert_eq!(plan.recommended, None);
        assert_eq!(size_of(&plan, 32).now.unassigned, 4);
    }

    /// Nodes of 30 pods: 32 addresses strand two each, 64 strand 34, 16 take two blocks for the same two.
    #[test]
    fn the_fewest_addresses_for_twice_the_routes() {
        let plan = Planner::new([pool("10.0.0.0/20")], uniform(40, 30)).run().unwrap();
        let figures = |len: u8| {
            let now = size_of(&plan, len).now;
            (now.blocks, now.routes, now.stranded)
        };
        assert_eq!((figures(27), figures(28), figures(26)), ((40, 40, 80), (80, 80, 80), (40, 40, 1_360)));
        assert_eq!(plan.recommended, Some(27));
        // 45 pods want 48 or 64 addresses; three blocks of 16 are three times the routes.
        let plan = Planner::new([pool("10.0.0.0/19")], uniform(40, 30)).growth(50).run().unwrap();
        assert_eq!(size_of(&plan, 28).grown.routes, 120);
        assert_eq!(plan.recommended, Some(26));
        assert!(plan.sizes.iter().all(|size| size.grown.pods == 1_800));
    }

    #[test]
    fn a_limit_of_blocks_is_kept() {
        let config = Config { strict_affinity: true, max_blocks_per_host: 2, ..Config::default() };
        let planner = Planner::new([pool("10.0.0.0/24")], [10, 3]).block_lens([30]).config(config);
        let plan = planner.run().unwrap();
        let now = Figures { pods: 13, unassigned: 2, blocks: 3, borrowed: 0, routes: 3, stranded: 1 };
        assert_eq!((plan.sizes[0].now, plan.sizes[0].fails_from), (now, Some(12)));
        assert_eq!(plan.recommended, None);
    }

    #[test]
    fn ipv6_and_several_pools() {
        let pools = [pool("fd00::/124"), Pool::new("q", "fd00:1::/124".parse().unwrap())];
        let plan = Planner::new(pools, [20, 4]).run().unwrap();
        assert_eq!(plan.sizes.iter().map(|size| size.block_len).collect::<Vec<_>>(), [124, 125, 126]);
        assert_eq!((size_of(&plan, 125).blocks_in_pools, size_of(&plan, 125).now.blocks), (4, 4));
    }

    #[test]
    fn what_cannot_be_planned() {
        assert_eq!(Planner::new([], [1]).run(), Err(PlanError::NoPools));
        let both = [pool("10.0.0.0/24"), Pool::new("q", "fd00::/120".parse().unwrap())];
        assert!(matches!(Planner::new(both, [1]).run(), Err(PlanError::TwoFamilies { .. })));
        let none = Planner::new([pool("10.0.0.0/24")], [1]).block_lens([20]).run();
        assert_eq!(none, Err(PlanError::NoSizes { least: 24, most: 32 }));
        let disabled = Pool { disabled: true, ..pool("10.0.0.0/24") };
        assert!(matches!(Planner::new([disabled], [1]).run(), Err(PlanError::Assign(_))));
        let nobody = Planner::new([pool("10.0.0.0/24")], []).run().unwrap();
        assert!(nobody.sizes.iter().all(|size| size.now == Figures::default()));
    }

    #[test]
    fn pods_are_spread() {
        assert_eq!(uniform(3, 30), [30, 30, 30]);
        assert_eq!(skewed(10, 4), [20, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(skewed(21, 10).iter().sum::<u32>(), 210);
        assert_eq!((skewed(0, 9), skewed(1, 9)), (Vec::new(), alloc::vec![9]));
    }
}
