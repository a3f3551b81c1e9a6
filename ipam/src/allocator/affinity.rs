//! Who owns a block: claim, take up again, release.
//!
//! An affinity record is a claim that is announced before the block is touched and withdrawn after. The block says
//! whose it is; the affinity says that it is safe to act on that. Whoever is about to change the owner of a block
//! first writes the affinity, so that its new revision stops all others who are about to; and a block is only
//! changed as it was read. (Source: calico@87c15906f2 libcalico-go/lib/ipam/ipam_block_reader_writer.go.)

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use super::{Allocator, MAX_TRIES, Slot, name};
use crate::block::Block;
use crate::config::Config;
use crate::error::{AffinityError, Fault};
use crate::keys;
use crate::record::{Affinity, AffinityState, BlockAffinity};
use crate::span::Family;
use crate::store::{ListOptions, Store};

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
    /// Writes an affinity as it was read; `None` if it has changed.
    async fn mark(
        &self,
        mut affinity: Slot<BlockAffinity>,
        state: AffinityState,
    ) -> Result<Option<Slot<BlockAffinity>>, Fault> {
        let record = affinity.value.get_or_insert_with(BlockAffinity::default);
        record.state = state;
        let value = record.encode();
        match self.apply(&[affinity.put(value)]).await {
            Ok(revisions) => {
                affinity.revision = revisions.first().copied().flatten();
                Ok(Some(affinity))
            }
            Err(stopped) => stopped.retry().map(|_| None),
        }
    }

    /// Deletes an affinity as it was read; false if it has changed.
    async fn unmark(&self, affinity: &Slot<BlockAffinity>) -> Result<bool, Fault> {
        let Some(op) = affinity.delete() else { return Ok(true) };
        match self.apply(&[op]).await {
            Ok(_) => Ok(true),
            Err(stopped) => stopped.retry().map(|_| false),
        }
    }

    /// Makes a block the owner's, or finds that it is: the affinity is confirmed when this returns.
    ///
    /// `known` is the affinity if it was read already.
    pub(crate) async fn hold(
        &self,
        owner: &Affinity,
        cidr: &IpNet,
        mut known: Option<Slot<BlockAffinity>>,
        now: Duration,
    ) -> Result<Slot<Block>, AffinityError> {
        for _ in 0..MAX_TRIES {
            let affinity = match known.take() {
                Some(known) => known,
                None => self.affinity(owner, cidr).await?,
            };
            let mut slot = self.block(cidr).await?;
            let block = match slot.value.take() {
                None => Block::new(*cidr, owner, now).ok_or(AffinityError::NotFound { cidr: *cidr })?,
                Some(mut block) if block.affinity().as_ref() == Some(owner) => {
                    let state = affinity.value.as_ref().map(|affinity| &affinity.state);
                    if state == Some(&AffinityState::Confirmed) {
                        return Ok(Slot { value: Some(block), ..slot });
                    }
                    // Somebody may be about to release it as it was read before: this write stops them.
                    block.bump();
                    block
                }
                Some(block) => {
                    self.unmark(&affinity).await?;
                    return Err(AffinityError::Conflict { cidr: *cidr, owner: block.affinity() });
                }
            };
            let Some(affinity) = self.mark(affinity, AffinityState::Pending).await? else { continue };
            let mut confirmed = affinity.value.clone().unwrap_or_default();
            confirmed.state = AffinityState::Confirmed;
            match self.apply(&[slot.put(block.encode()), affinity.put(confirmed.encode())]).await {
                Ok(revisions) => {
                    slot.revision = revisions.first().copied().flatten();
                    slot.value = Some(block);
                    return Ok(slot);
                }
                Err(stopped) => stopped.retry()?,
            };
        }
        Err(Fault::TooManyRetries.into())
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
        for _ in 0..MAX_TRIES {
            let affinity = self.affinity(owner, cidr).await?;
            let ours = announced.is_some() && announced == affinity.revision;
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
            if let Some(objection) = objection {
                // Others may not release it but after another announcement, and this write would then fail.
                if ours {
                    self.mark(affinity, AffinityState::Confirmed).await?;
                }
                return Err(objection);
            }
            let affinity = if ours {
                affinity
            } else {
                let Some(affinity) = self.mark(affinity, AffinityState::PendingDeletion).await? else {
                    continue;
                };
                announced = affinity.revision;
                affinity
            };
            let first = if block.is_empty() {
                slot.delete()
            } else {
                block.disown();
                block.bump();
                Some(slot.put(block.encode()))
            };
            let ops: Vec<_> = first.into_iter().chain(affinity.delete()).collect();
            match self.apply(&ops).await {
                Ok(_) => return Ok(()),
                Err(stopped) => {
                    if stopped.retry()? > 0 {
                        // The block is released; the affinity is somebody else's announcement by now.
                        return Ok(());
                    }
                }
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    /// Claims one block for an owner, or finds that it is theirs.
    ///
    /// # Errors
    /// [`AffinityError::Conflict`] if it is somebody else's, [`AffinityError::NotFound`] if it would have more than
    /// 2^16 addresses, [`AffinityError::Fault`].
    pub async fn claim_block(
        &self,
        owner: &Affinity,
        cidr: &IpNet,
        now: Duration,
    ) -> Result<(), AffinityError> {
        name(owner.name())?;
        self.hold(owner, &cidr.trunc(), None, now).await.map(drop)
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
            for cidr in cidrs {
                let how = ReleaseBlock { require_empty, sequence: None };
                outcome.record(cidr, self.release_block(owner, &cidr, how, config, now).await);
            }
        }
        Ok(outcome)
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
                    match self.hold(owner, &cidr, Some(affinity), now).await {
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

impl HostReleased {
    fn record(&mut self, cidr: IpNet, result: Result<(), AffinityError>) {
        match result {
            Ok(()) => self.released.push(cidr),
            // Only the affinity was left, and it is gone.
            Err(AffinityError::Conflict { .. } | AffinityError::NotFound { .. }) => {}
            Err(error) => self.failed.push((cidr, error)),
        }
    }
}
