//! Releasing addresses.
//!
//! Invariant: a handle never names fewer addresses of a block than the block says. So an assigner writes the handle no
//! later than the block, and a releaser no earlier. A releaser reads the handle, then the block, writes the block even
//! where nothing is to be released, and then the handle as it was read. An assigner with the same handle who is in
//! between then fails at one of the two writes, and starts over.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use super::{Allocator, Slot, name};
use crate::assigned::{ReleaseRequest, Released};
use crate::block::Block;
use crate::config::Config;
use crate::error::{Fault, ReleaseError};
use crate::mistake::Mistake;
use crate::pool::View;
use crate::record::Handle;
use crate::span::{Family, prefix_of};
use crate::store::{Op, Store};

/// What to release from a block: ordinals in use.
type Pick<'a> = &'a (dyn Fn(&Block) -> Result<Vec<u32>, ReleaseError> + Sync);

impl<S: Store> Allocator<S> {
    /// Releases all addresses of a handle, and gives them.
    ///
    /// Idempotent but for the error: a handle that holds nothing any more is deleted. A block that cannot be read is
    /// passed over, stays in the handle, and is the error at the end.
    ///
    /// # Errors
    /// [`ReleaseError::NotFound`] if there is no such handle, [`ReleaseError::Fault`].
    pub async fn release_by_handle(
        &self,
        handle: &str,
        config: &Config,
        now: Duration,
    ) -> Result<Vec<IpAddr>, ReleaseError> {
        name(handle)?;
        let slot = self.handle(handle).await?;
        let Some(record) = slot.value else {
            return Err(ReleaseError::NotFound { handle: String::from(handle) });
        };
        let (mut released, mut failure) = (Vec::new(), None);
        let pick = |block: &Block| Ok(block.held_by(handle).map(|allocation| allocation.ordinal).collect());
        for cidr in record.blocks() {
            match self.release_in(&cidr, Some(handle), &pick, config, now).await {
                Ok(addresses) => released.extend(addresses.unwrap_or_default()),
                Err(error @ ReleaseError::Fault(Fault::Record { .. })) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        if record.blocks().count() < record.block.len() || record.block.is_empty() {
            // What is left names no blocks.
            let slot = self.handle(handle).await?;
            if slot.value.as_ref().is_some_and(|record| record.blocks().next().is_none()) {
                let ops: Vec<Op> = slot.delete().into_iter().collect();
                if let Err(stopped) = self.apply(&ops).await {
                    stopped.retry()?;
                }
            }
        }
        Ok(released)
    }

    /// The addresses that a handle holds; none if there is no such handle. Blocks that cannot be read are left out.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn addresses_by_handle(&self, handle: &str) -> Result<Vec<IpAddr>, Fault> {
        name(handle)?;
        let mut addresses = Vec::new();
        if let Some(record) = self.handle(handle).await?.value {
            for cidr in record.blocks() {
                match self.block(&cidr).await {
                    Ok(slot) => {
                        let held = slot.value.iter().flat_map(|block| block.held_by(handle));
                        addresses.extend(held.map(|allocation| allocation.address));
                    }
                    Err(Fault::Record { .. }) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(addresses)
    }

    /// Releases these addresses.
    ///
    /// All of one block, or none if one of them is not what the request says. Addresses that are not assigned, or rest
    /// since an earlier release, are named apart. A request may come twice.
    ///
    /// # Errors
    /// [`ReleaseError::BadSequence`], [`ReleaseError::BadHandle`], [`ReleaseError::Fault`]. Other blocks may have
    /// been released before.
    pub async fn release_addresses(
        &self,
        requests: &[ReleaseRequest],
        view: &View,
        now: Duration,
    ) -> Result<Released, ReleaseError> {
        let mut outcome = Released::default();
        let mut groups: BTreeMap<IpNet, Vec<&ReleaseRequest>> = BTreeMap::new();
        let mut homeless = Vec::new();
        for request in requests {
            let pool =
                view.pools.iter().find(|pool| pool.is_divisible() && pool.cidr.contains(&request.address));
            match pool.and_then(|pool| prefix_of(request.address, pool.block_len)) {
                Some(cidr) => groups.entry(cidr).or_default().push(request),
                None => homeless.push(request),
            }
        }
        for (cidr, group) in groups {
            if !self.release_group(&cidr, &group, &view.config, now, &mut outcome).await? {
                homeless.extend(group);
            }
        }
        // Blocks outside all pools, or of a size that their pool has no more.
        for family in Family::BOTH {
            let mut left: Vec<_> = homeless
                .iter()
                .copied()
                .filter(|request| Family::of_addr(request.address) == family)
                .collect();
            if left.is_empty() {
                continue;
            }
            for cidr in self.block_cidrs(family).await? {
                let group: Vec<_> =
                    left.iter().copied().filter(|request| cidr.contains(&request.address)).collect();
                if !group.is_empty()
                    && self.release_group(&cidr, &group, &view.config, now, &mut outcome).await?
                {
                    left.retain(|request| !cidr.contains(&request.address));
                }
            }
            outcome.unallocated.extend(left.iter().map(|request| request.address));
        }
        outcome.unallocated.sort_unstable();
        outcome.unallocated.dedup();
        Ok(outcome)
    }

    /// Releases addresses of one block; false if there is no such block.
    async fn release_group(
        &self,
        cidr: &IpNet,
        group: &[&ReleaseRequest],
        config: &Config,
        now: Duration,
        outcome: &mut Released,
    ) -> Result<bool, ReleaseError> {
        let forgetful: Vec<ReleaseRequest>;
        let forgetful = if self.makes(Mistake::IgnoresSequence) {
            let without = |request: &&ReleaseRequest| ReleaseRequest { sequence: None, ..(*request).clone() };
            forgetful = group.iter().map(without).collect();
            forgetful.iter().collect()
        } else {
            group.to_vec()
        };
        let pick = |block: &Block| pick_requested(block, &forgetful);
        let Some(released) = self.release_in(cidr, None, &pick, config, now).await? else { return Ok(false) };
        let missed =
            group.iter().map(|request| request.address).filter(|address| !released.contains(address));
        outcome.unallocated.extend(missed);
        outcome.released.extend(released);
        Ok(true)
    }

    /// Releases what is picked from a block, and settles the handles that had it, and `touched`. `None`: no such block.
    async fn release_in(
        &self,
        cidr: &IpNet,
        touched: Option<&str>,
        pick: Pick<'_>,
        config: &Config,
        now: Duration,
    ) -> Result<Option<Vec<IpAddr>>, ReleaseError> {
        let text = cidr.to_string();
        // Handles to settle; once the block is written, nothing else is left to do.
        let mut settle: BTreeSet<String> = touched.map(String::from).into_iter().collect();
        let mut released: Option<Vec<IpAddr>> = None;
        for _ in 0..self.max_tries {
            let mut handles: Vec<Slot<Handle>> = Vec::new();
            for id in &settle {
                handles.push(self.handle(id).await?);
            }
            let names = |slot: &Slot<Handle>| {
                slot.value.as_ref().is_some_and(|handle| handle.block.contains_key(&text))
            };
            let mut slot = self.block(cidr).await?;
            let (mut ops, mut addresses) = (Vec::new(), Vec::new());
            let mut ids: Vec<String> = settle.iter().cloned().collect();
            let block = if let Some(mut block) = slot.value.take() {
                block.collect(now, config.ip_cooldown);
                let ordinals = if released.is_none() { pick(&block)? } else { Vec::new() };
                if ordinals.is_empty() && !handles.iter().any(names) {
                    return Ok(Some(released.unwrap_or_default()));
                }
                let held = block.allocations().filter(|allocation| ordinals.contains(&allocation.ordinal));
                for allocation in held {
                    addresses.push(allocation.address);
                    if let Some(id) = allocation.handle() {
                        if !ids.iter().any(|known| known == id) {
                            ids.push(String::from(id));
                        }
                    }
                }
                for id in ids.iter().skip(settle.len()) {
                    match self.handle(id).await {
                        Ok(handle) => handles.push(handle),
                        // Its count stays too high, which is safe.
                        Err(Fault::Record { key, .. }) => {
                            handles.push(Slot { key, revision: None, value: None });
                        }
                        Err(fault) => return Err(fault.into()),
                    }
                }
                block.release(&ordinals, now, config.ip_cooldown);
                block.bump();
                let nobodys = block.affinity().is_none() && block.is_empty();
                let op = if nobodys { slot.delete() } else { None };
                ops.push(op.unwrap_or_else(|| slot.put(block.encode())));
                Some(block)
            } else {
                if !handles.iter().any(names) {
                    return Ok(released);
                }
                // Still not: it may be made with addresses of these handles.
                ops.push(Op::Check { key: slot.key, revision: slot.revision });
                None
            };
            let block_ops = ops.len();
            let mut settled = Vec::new();
            for (id, mut handle) in ids.into_iter().zip(handles) {
                if !names(&handle) {
                    continue;
                }
                let Some(mut record) = handle.value.take() else { continue };
                record.set(cidr, block.as_ref().map_or(0, |block| block.held_by(&id).count()));
                let empty = if record.block.is_empty() { handle.delete() } else { None };
                ops.push(empty.unwrap_or_else(|| handle.put(record.encode())));
                settled.push(id);
            }
            let exists = block.is_some();
            if self.makes(Mistake::LeavesHandles) {
                ops.truncate(block_ops);
            } else if self.makes(Mistake::ForgetsEarly) {
                ops.reverse();
            }
            match self.apply(&ops).await {
                Ok(_) => {
                    let earlier = released.unwrap_or_default();
                    return Ok((exists || !earlier.is_empty()).then(|| [earlier, addresses].concat()));
                }
                Err(stopped) => {
                    let done = stopped.retry()?;
                    if done >= block_ops && exists {
                        released.get_or_insert_with(Vec::new).extend(addresses);
                        settle = settled.split_off(done - block_ops).into_iter().collect();
                    }
                }
            }
        }
        Err(Fault::TooManyRetries.into())
    }
}

/// The ordinals that requests mean, each once; those not in use are left out.
fn pick_requested(block: &Block, group: &[&ReleaseRequest]) -> Result<Vec<u32>, ReleaseError> {
    let mut ordinals = BTreeSet::new();
    for request in group {
        let address = request.address;
        let Some(allocation) = block.allocation(address).filter(|allocation| !allocation.rests()) else {
            continue;
        };
        let found = allocation.sequence.unwrap_or(0);
        if let Some(wanted) = request.sequence.filter(|wanted| *wanted != found) {
            return Err(ReleaseError::BadSequence { address, wanted, found });
        }
        let found = allocation.handle().unwrap_or_default();
        if let Some(wanted) = request.handle.clone().filter(|wanted| wanted != found) {
            return Err(ReleaseError::BadHandle { address, wanted, found: String::from(found) });
        }
        ordinals.insert(allocation.ordinal);
    }
    Ok(ordinals.into_iter().collect())
}
