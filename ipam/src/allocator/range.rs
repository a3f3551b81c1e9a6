//! Blocks by range, by name, and for a node that goes.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use super::affinity::{HostReleased, ReleaseBlock};
use super::claim::{Fresh, Known};
use super::{Allocator, name};
use crate::config::Config;
use crate::error::{AffinityError, Fault};
use crate::keys;
use crate::pool::View;
use crate::record::Affinity;
use crate::span::{Family, range as ends};
use crate::store::{ListOptions, Op, Store};

/// Blocks that one call claims at most.
const MOST_BLOCKS: u128 = 1 << 16;

/// What became of the blocks of a range that were claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimed {
    /// Blocks that are the owner's now, or were before.
    pub claimed: Vec<IpNet>,
    /// Blocks that are not, and why.
    pub failed: Vec<(IpNet, AffinityError)>,
}

impl<S: Store> Allocator<S> {
    /// Claims every block of a range for an owner, and says which belong to others.
    ///
    /// Selectors, uses and the limit of blocks are not looked at.
    ///
    /// # Errors
    /// [`AffinityError::NotInPool`] if no enabled pool holds the range, or its blocks are larger;
    /// [`AffinityError::TooManyBlocks`] beyond 65,536; [`AffinityError::Fault`]: blocks may have been claimed before.
    pub async fn claim_range(
        &self,
        owner: &Affinity,
        range: &IpNet,
        view: &View,
        now: Duration,
    ) -> Result<Claimed, AffinityError> {
        name(owner.name())?;
        let range = range.trunc();
        let family = Family::of(&range);
        let pools = view.active(family);
        let pool =
            pools.iter().find(|pool| pool.cidr.contains(&range) && pool.block_len >= range.prefix_len());
        let pool = pool.ok_or(AffinityError::NotInPool { range })?;
        let (first, last) = ends(&range);
        let host_bits = family.bits() - pool.block_len;
        if (last - first) >> host_bits >= MOST_BLOCKS {
            return Err(AffinityError::TooManyBlocks { range });
        }
        // Blocks of one size do not overlap; those of others are few.
        let mut existing = self.block_cidrs(family).await?;
        existing.retain(|other| other.prefix_len() != pool.block_len);
        let mut outcome = Claimed::default();
        for index in 0..=(last - first) >> host_bits {
            let Some(address) = family.addr(first + (index << host_bits)) else { continue };
            let Ok(cidr) = IpNet::new(address, pool.block_len) else { continue };
            let over = existing.iter().find(|other| other.contains(&cidr) || cidr.contains(*other));
            if let Some(existing) = over {
                let existing = *existing;
                outcome.failed.push((cidr, AffinityError::Overlaps { cidr, existing }));
                continue;
            }
            let fresh = Fresh { apart: true, ..Fresh::at(now) };
            match self.hold(owner, &cidr, Known::Nothing, fresh).await {
                Ok(_) => outcome.claimed.push(cidr),
                Err(AffinityError::Fault(fault)) if !matches!(fault, Fault::Record { .. }) => {
                    return Err(fault.into());
                }
                Err(error) => outcome.failed.push((cidr, error)),
            }
        }
        Ok(outcome)
    }

    /// Releases every block of an owner within a range, in a pool or not.
    ///
    /// Otherwise as [`release_host_affinities`](Self::release_host_affinities).
    ///
    /// # Errors
    /// [`Fault`] if the blocks cannot be listed.
    pub async fn release_range(
        &self,
        owner: &Affinity,
        range: &IpNet,
        require_empty: bool,
        config: &Config,
        now: Duration,
    ) -> Result<HostReleased, Fault> {
        let how = ReleaseBlock { require_empty, sequence: None };
        self.release_owned(owner, |cidr| range.contains(cidr), how, config, now).await
    }

    /// Releases one block, whoever owns it.
    ///
    /// # Errors
    /// [`AffinityError::NotFound`] if there is no such block; [`AffinityError::NotEmpty`];
    /// [`AffinityError::Conflict`] if it is nobody's, or changes hands meanwhile; [`AffinityError::Fault`].
    pub async fn release_block_affinity(
        &self,
        cidr: &IpNet,
        require_empty: bool,
        config: &Config,
        now: Duration,
    ) -> Result<(), AffinityError> {
        let cidr = cidr.trunc();
        let block = self.block(&cidr).await?.value.ok_or(AffinityError::NotFound { cidr })?;
        let owner = block.affinity().ok_or(AffinityError::Conflict { cidr, owner: None })?;
        let how = ReleaseBlock { require_empty, sequence: None };
        self.release_block(&owner, &cidr, how, config, now).await
    }

    /// Releases every block of a node that is gone, and removes the marker that the reference keeps for it.
    ///
    /// Addresses in use stay so, in blocks that are nobody's: release them by handle, or let
    /// [`LeakCollector`](crate::LeakCollector) find them.
    ///
    /// # Errors
    /// [`Fault`] if the blocks cannot be listed, or the marker cannot be removed.
    pub async fn remove_host(
        &self,
        host: &str,
        config: &Config,
        now: Duration,
    ) -> Result<HostReleased, Fault> {
        let owner = Affinity::host(host);
        let outcome = self.release_host_affinities(&owner, false, config, now).await?;
        let key = format!("{}host/{host}", keys::ROOT);
        if let Some(marker) = self.store.get(&key).await? {
            // Who changed it meanwhile is a node of this name that lives.
            if let Err(stopped) = self.apply(&[Op::Delete { key, revision: marker.revision }]).await {
                stopped.retry()?;
            }
        }
        Ok(outcome)
    }

    /// Releases the blocks of an owner that are wanted, with an affinity or without.
    pub(super) async fn release_owned(
        &self,
        owner: &Affinity,
        wanted: impl Fn(&IpNet) -> bool + Send + Sync,
        how: ReleaseBlock,
        config: &Config,
        now: Duration,
    ) -> Result<HostReleased, Fault> {
        name(owner.name())?;
        let mut outcome = HostReleased::default();
        for family in Family::BOTH {
            let announced =
                self.store.list(&keys::affinities(owner, family), &ListOptions::new().keys_only()).await?;
            let mut cidrs: BTreeSet<IpNet> = announced
                .iter()
                .filter_map(|item| match keys::Key::parse(&item.key) {
                    Some(keys::Key::Affinity(_, cidr)) => Some(cidr),
                    _ => None,
                })
                .collect();
            // A writer that died may have left a block without an affinity.
            self.scan(family, |cidr, slot| {
                if slot.value.and_then(|block| block.affinity()).as_ref() == Some(owner) {
                    cidrs.insert(cidr);
                }
            })
            .await?;
            for cidr in cidrs.into_iter().filter(|cidr| wanted(cidr)) {
                outcome.record(cidr, self.release_block(owner, &cidr, how, config, now).await);
            }
        }
        Ok(outcome)
    }
}
