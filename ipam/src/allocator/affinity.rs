//! Who owns a block: claim, take up again, release.
//!
//! The block says whose it is; an affinity record, confirmed, says that it is safe to act on that. Invariant: a
//! confirmed affinity means that the block is its owner's.
//!
//! Where the store commits several keys at once, block and affinity change together, and that is all. Where it does
//! not, the affinity announces what is to come and is withdrawn after, as the reference does it
//! (calico@87c15906f2 libcalico-go/lib/ipam/ipam_block_reader_writer.go), under two rules:
//!
//! - Who confirms has read the affinity, then written the block, and then writes the affinity as it was read.
//! - Who takes a block away has read it, then written the affinity, and then writes the block as it was read.
//!
//! So of two who do this at once, at least one finds a key changed, whatever the order, and starts over. The two kinds
//! of writers may work on one store.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use super::claim::{Fresh, Known};
use super::{Allocator, Slot, name};
use crate::config::Config;
use crate::error::{AffinityError, Fault};
use crate::keys;
use crate::mistake::Mistake;
use crate::record::{Affinity, AffinityState, BlockAffinity};
use crate::span::Family;
use crate::store::{ListOptions, Op, Revision, Store, StoreError};

/// What became of the blocks of a host or pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostReleased {
    /// Blocks that are its own no longer.
    pub released: Vec<IpNet>,
    /// Blocks that still are, and why.
    pub failed: Vec<(IpNet, AffinityError)>,
}

/// How a block is to be released.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReleaseBlock {
    /// Only if no address of it is in use.
    pub(crate) require_empty: bool,
    /// Only if it was not written since this sequence number.
    pub(crate) sequence: Option<u64>,
}

impl<S: Store> Allocator<S> {
    /// Does one operation; `None` if the key has changed, else its revision.
    pub(super) async fn single(&self, op: Op) -> Result<Option<Option<Revision>>, Fault> {
        match self.apply(&[op]).await {
            Ok(revisions) => Ok(Some(revisions.first().copied().flatten())),
            Err(stopped) => stopped.retry().map(|_| None),
        }
    }

    /// Does operations at once, if the store can.
    pub(super) async fn together(&self, ops: &[Op]) -> Result<Together, Fault> {
        match self.store.commit(ops).await {
            Ok(revision) => Ok(Together::Done(revision)),
            Err(StoreError::Unsupported) => Ok(Together::Unsupported),
            Err(error) if error.is_conflict() => Ok(Together::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes an affinity as it was read; `None` if it has changed.
    pub(super) async fn mark(
        &self,
        mut affinity: Slot<BlockAffinity>,
        state: AffinityState,
    ) -> Result<Option<Slot<BlockAffinity>>, Fault> {
        let op = affinity.put(with_state(&affinity, state));
        Ok(self.single(op).await?.map(|revision| {
            affinity.revision = revision;
            affinity
        }))
    }

    /// Deletes an affinity as it was read; false if it has changed.
    pub(super) async fn unmark(&self, affinity: &Slot<BlockAffinity>) -> Result<bool, Fault> {
        match affinity.delete() {
            None => Ok(true),
            Some(op) => Ok(self.single(op).await?.is_some()),
        }
    }

    /// Takes a block from its owner. Empty, it is deleted; else it is nobody's until its addresses are released.
    pub(crate) async fn release_block(
        &self,
        owner: &Affinity,
        cidr: &IpNet,
        how: ReleaseBlock,
        config: &Config,
        now: Duration,
    ) -> Result<(), AffinityError> {
        // The revision of our own announcement.
        let mut announced = None;
        for _ in 0..self.max_tries {
            let affinity = self.affinity(owner, cidr).await?;
            let mut slot = self.block(cidr).await?;
            let Some(mut block) = slot.value.take() else {
                if affinity.revision.is_none() && announced.is_none() {
                    return Err(AffinityError::NotFound { cidr: *cidr });
                }
                if self.unmark(&affinity).await? {
                    return Ok(());
                }
                continue;
            };
            if block.affinity().as_ref() != Some(owner) {
                self.unmark(&affinity).await?;
                return Err(AffinityError::Conflict { cidr: *cidr, owner: block.affinity() });
            }
            let sequence = block.sequence();
            block.collect(now, config.ip_cooldown);
            let objection = if how.sequence.is_some_and(|wanted| wanted != sequence) {
                Some(AffinityError::Changed { cidr: *cidr })
            } else if how.require_empty && !block.is_empty() {
                Some(AffinityError::NotEmpty { cidr: *cidr })
            } else {
                None
            };
            block.bump();
            if let Some(objection) = objection {
                if announced.is_some() && announced == affinity.revision {
                    // It stays its owner's: take the announcement back.
                    let confirmed = with_state(&affinity, AffinityState::Confirmed);
                    if self.single(slot.put(block.encode())).await?.is_some() {
                        self.single(affinity.put(confirmed)).await?;
                    }
                }
                return Err(objection);
            }
            let unused = block.is_empty() || self.makes(Mistake::DeletesInUse);
            let write = if let (true, Some(delete)) = (unused, slot.delete()) {
                delete
            } else {
                block.disown();
                slot.put(block.encode())
            };
            let withdraw =
                affinity.delete().unwrap_or_else(|| Op::Check { key: affinity.key.clone(), revision: None });
            match self.together(&[write.clone(), withdraw]).await? {
                Together::Done(_) => return Ok(()),
                Together::Changed => continue,
                Together::Unsupported => {}
            }
            let affinity = if self.makes(Mistake::AnnouncesNothing) {
                affinity
            } else {
                let state = AffinityState::PendingDeletion;
                let Some(affinity) = self.mark(affinity, state).await? else { continue };
                affinity
            };
            announced = affinity.revision;
            if self.single(write).await?.is_some() {
                // If this fails, the affinity is somebody else's announcement by now.
                self.unmark(&affinity).await?;
                return Ok(());
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    /// Releases every block of an owner, in both families: for a node that goes.
    ///
    /// Addresses in use stay so, in blocks that are nobody's; with `require_empty` their blocks stay the owner's. Goes
    /// on after a block that fails, and says which did.
    ///
    /// # Errors
    /// [`Fault`] if the blocks cannot be listed.
    pub async fn release_host_affinities(
        &self,
        owner: &Affinity,
        require_empty: bool,
        config: &Config,
        now: Duration,
    ) -> Result<HostReleased, Fault> {
        let how = ReleaseBlock { require_empty, sequence: None };
        self.release_owned(owner, |_| true, how, config, now).await
    }

    /// Releases every block within a range, whoever owns it: for a pool that goes.
    ///
    /// Addresses in use stay so, in blocks that are nobody's. Goes on after a block that fails, and says which did.
    ///
    /// # Errors
    /// [`Fault`] if the blocks cannot be listed.
    pub async fn release_pool_affinities(
        &self,
        range: &IpNet,
        config: &Config,
        now: Duration,
    ) -> Result<HostReleased, Fault> {
        let mut owned: BTreeSet<(IpNet, Affinity)> = BTreeSet::new();
        self.scan(Family::of(range), |cidr, slot| {
            let owner = slot.value.and_then(|block| block.affinity());
            owned.extend(owner.filter(|_| range.contains(&cidr)).map(|owner| (cidr, owner)));
        })
        .await?;
        for room in ["host/", "virtual/"] {
            let prefix = alloc::format!("{}{room}", keys::ROOT);
            for item in self.store.list(&prefix, &ListOptions::new().keys_only()).await? {
                match keys::Key::parse(&item.key) {
                    Some(keys::Key::Affinity(owner, cidr)) if range.contains(&cidr) => {
                        owned.insert((cidr, owner));
                    }
                    _ => {}
                }
            }
        }
        let mut outcome = HostReleased::default();
        for (cidr, owner) in owned {
            outcome
                .record(cidr, self.release_block(&owner, &cidr, ReleaseBlock::default(), config, now).await);
        }
        Ok(outcome)
    }

    /// Finishes what writers that died left half done at an owner's affinities, so that each is confirmed or gone.
    ///
    /// For a node that starts. Gives the blocks whose affinity was not confirmed. Assigning does the same for the
    /// blocks that it passes.
    ///
    /// # Errors
    /// [`Fault`]; the rest is then as it was.
    pub async fn settle_host_affinities(&self, owner: &Affinity, now: Duration) -> Result<Vec<IpNet>, Fault> {
        name(owner.name())?;
        let mut settled = Vec::new();
        for family in Family::BOTH {
            for (cidr, affinity) in self.affinities(owner, family).await? {
                let state = affinity.value.as_ref().map(|affinity| &affinity.state);
                if state == Some(&AffinityState::Confirmed) {
                    continue;
                }
                let block = self.block(&cidr).await?;
                if block.value.and_then(|block| block.affinity()).as_ref() == Some(owner) {
                    match self.hold(owner, &cidr, Known::Affinity(affinity), Fresh::at(now)).await {
                        Err(AffinityError::Fault(fault)) => return Err(fault),
                        _ => settled.push(cidr),
                    }
                } else if self.unmark(&affinity).await? {
                    settled.push(cidr);
                }
            }
        }
        Ok(settled)
    }
}

/// The record to store for an affinity in another state.
pub(super) fn with_state(affinity: &Slot<BlockAffinity>, state: AffinityState) -> Vec<u8> {
    let mut record = affinity.value.clone().unwrap_or_default();
    record.state = state;
    record.encode()
}

/// What became of operations that were to be done at once.
pub(super) enum Together {
    Done(Revision),
    /// A key has changed; nothing was written.
    Changed,
    /// The store cannot.
    Unsupported,
}

impl HostReleased {
    pub(super) fn record(&mut self, cidr: IpNet, result: Result<(), AffinityError>) {
        match result {
            Ok(()) => self.released.push(cidr),
            // Only the affinity was left, and it is gone.
            Err(AffinityError::Conflict { .. } | AffinityError::NotFound { .. }) => {}
            Err(error) => self.failed.push((cidr, error)),
        }
    }
}
