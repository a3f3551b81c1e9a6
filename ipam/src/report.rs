//! How full pools and blocks are.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use crate::allocator::Allocator;
use crate::block::Block;
use crate::error::Fault;
use crate::pool::{Pool, View};
use crate::record::Affinity;
use crate::span::{Family, Spans, number, range, size};
use crate::store::Store;

/// How full one block is. Addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BlockUtilization {
    /// The block.
    pub cidr: IpNet,
    /// Whose it is, if anybody's.
    pub affinity: Option<Affinity>,
    /// How many it has.
    pub capacity: u128,
    /// How many are not free: in use, or at rest.
    pub in_use: u128,
    /// How many are in reserved ranges, in use or not.
    pub reserved: u128,
    /// How many are free and not reserved.
    pub available: u128,
}

/// How full one pool is. Addresses; numbers beyond 2^128 - 1 are that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolUtilization {
    /// The pool.
    pub name: String,
    /// Its range.
    pub cidr: IpNet,
    /// How many the range has.
    pub capacity: u128,
    /// How many are not free in its blocks.
    pub in_use: u128,
    /// How many are in reserved ranges, in use or not.
    pub reserved: u128,
    /// How many are free and not reserved, in blocks or outside.
    pub available: u128,
    /// Its blocks, in the order of their keys.
    pub blocks: Vec<BlockUtilization>,
}

/// How full everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Utilization {
    /// The pools, in the order of their names.
    pub pools: Vec<PoolUtilization>,
    /// Blocks in no pool ("orphaned allocation blocks").
    pub orphans: Vec<BlockUtilization>,
}

fn block_utilization(block: &Block, reserved: &Spans) -> BlockUtilization {
    let (first, last) = range(&block.cidr());
    let available = block.free_addresses().filter(|address| !reserved.contains(number(*address))).count();
    BlockUtilization {
        cidr: block.cidr(),
        affinity: block.affinity(),
        capacity: u128::from(block.capacity()),
        in_use: u128::from(block.capacity().saturating_sub(block.free())),
        reserved: reserved.count_within(first, last),
        available: u128::try_from(available).unwrap_or(u128::MAX),
    }
}

fn pool_utilization(pool: &Pool, blocks: Vec<BlockUtilization>, reserved: &[IpNet]) -> PoolUtilization {
    let family = Family::of(&pool.cidr);
    let (first, last) = range(&pool.cidr);
    let capacity = size(first, last);
    // What is neither reserved nor in a block is available too.
    let taken = Spans::of(family, reserved.iter().chain(blocks.iter().map(|block| &block.cidr)));
    let outside = capacity.saturating_sub(taken.count_within(first, last));
    PoolUtilization {
        name: pool.name.clone(),
        cidr: pool.cidr,
        capacity,
        in_use: blocks.iter().map(|block| block.in_use).fold(0, u128::saturating_add),
        reserved: Spans::of(family, reserved).count_within(first, last),
        available: blocks.iter().map(|block| block.available).fold(outside, u128::saturating_add),
        blocks,
    }
}

impl<S: Store> Allocator<S> {
    /// How full the pools of the view and their blocks are, and the blocks in no pool. Nothing is written.
    ///
    /// # Errors
    /// [`Fault::Store`]. Blocks that cannot be read are left out.
    pub async fn utilization(&self, view: &View, now: Duration) -> Result<Utilization, Fault> {
        let mut found: Vec<BlockUtilization> = Vec::new();
        for family in Family::BOTH {
            let reserved = Spans::of(family, &view.reservations);
            self.scan(family, |_, slot| {
                if let Some(mut block) = slot.value {
                    block.collect(now, view.config.ip_cooldown);
                    found.push(block_utilization(&block, &reserved));
                }
            })
            .await?;
        }
        let mut pools: Vec<&Pool> = view.pools.iter().collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        let mut outcome = Utilization::default();
        let mut housed = BTreeSet::new();
        for pool in pools {
            let blocks: Vec<_> =
                found.iter().filter(|block| pool.cidr.contains(&block.cidr)).cloned().collect();
            housed.extend(blocks.iter().map(|block| block.cidr));
            outcome.pools.push(pool_utilization(pool, blocks, &view.reservations));
        }
        outcome.orphans = found.into_iter().filter(|block| !housed.contains(&block.cidr)).collect();
        Ok(outcome)
    }
}
