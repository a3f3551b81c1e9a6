//! Taking addresses from a block.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use super::job::{Job, cidr_of};
use super::{Allocator, Slot};
use crate::assigned::FamilyAssigned;
use crate::block::Block;
use crate::error::{AssignErrorKind, Fault};
use crate::keys;
use crate::mistake::Mistake;
use crate::pool::View;
use crate::record::{Affinity, Handle};
use crate::span::{Family, number};
use crate::store::{Op, Store};

/// Which addresses to take from a block.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// Any, up to this many.
    Any(usize),
    /// This one.
    This(IpAddr),
}

/// What to try without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    Nothing,
    /// That there is no such handle. If there is, the write fails, and it is read.
    NewHandle,
}

/// What a block gave, and the block as it is then.
pub(super) type Taken = (Vec<IpAddr>, Slot<Block>);

/// Why a block gave nothing.
pub(super) enum Refusal {
    /// It is not the owner's, but should be.
    Foreign(Option<Affinity>),
    /// It is not there (any more).
    Absent,
    /// The handle has as many addresses as it may.
    HandleFull(u32),
}

impl<S: Store> Allocator<S> {
    /// Takes addresses from a block, and counts them in the handle.
    ///
    /// Gives the block as it is then, too. The block is read before the handle, and the handle written no later than the
    /// block: so a handle never says less than its blocks, and whoever releases the handle meanwhile is noticed (see
    /// `release.rs`).
    pub(super) async fn take(
        &self,
        job: &Job<'_>,
        cidr: &IpNet,
        slot: Slot<Block>,
        mut guess: Guess,
        strict: bool,
        want: Want,
    ) -> Result<Result<Taken, Refusal>, Fault> {
        let mut known = Some(slot);
        for _ in 0..self.max_tries {
            let mut slot = match known.take() {
                Some(slot) => slot,
                None => self.block(cidr).await?,
            };
            let Some(mut block) = slot.value.take() else { return Ok(Err(Refusal::Absent)) };
            if strict && block.affinity().as_ref() != Some(&job.owner) {
                return Ok(Err(Refusal::Foreign(block.affinity())));
            }
            block.collect(job.now, job.config.ip_cooldown);
            let free = match want {
                Want::Any(_) => block.free_addresses().any(|address| !job.reserved.contains(number(address))),
                Want::This(address) => block.is_free(address),
            };
            if !free {
                slot.value = Some(block);
                return Ok(Ok((Vec::new(), slot)));
            }
            let mut handle = match guess {
                Guess::NewHandle if job.max_per_handle.is_none() => {
                    Slot { key: keys::handle(job.handle), revision: None, value: None }
                }
                _ => self.handle(job.handle).await?,
            };
            guess = Guess::Nothing;
            let mut record = handle.value.take().unwrap_or_default();
            let Some(room) = self.room(job, &record).await? else {
                return Ok(Err(Refusal::HandleFull(job.max_per_handle.unwrap_or_default())));
            };
            let taken = match want {
                Want::Any(num) => {
                    block.assign_outside(num.min(room), job.handle, job.attributes, &job.reserved)
                }
                Want::This(address) => {
                    block.assign_address(address, job.handle, job.attributes);
                    alloc::vec![address]
                }
            };
            record.add(cidr, taken.len());
            block.bump();
            let mut ops: Vec<Op> = guards(job.view).collect();
            if self.makes(Mistake::IgnoresGuards) {
                ops.clear();
            }
            if self.makes(Mistake::WritesBlind) {
                slot.revision = self.store.get(&slot.key).await?.map(|found| found.revision);
            }
            ops.push(handle.put(record.encode()));
            ops.push(slot.put(block.encode()));
            if self.makes(Mistake::CountsLate) {
                ops.reverse();
            }
            match self.apply(&ops).await {
                Ok(revisions) => {
                    slot.revision = revisions.last().copied().flatten();
                    slot.value = Some(block);
                    return Ok(Ok((taken, slot)));
                }
                Err(stopped) => {
                    if self.makes(Mistake::GuessesRefusal) && !stopped.error.is_conflict() {
                        self.lower(job.handle, cidr).await?;
                    }
                    stopped.retry()?;
                    self.check_guards(job.view).await?;
                }
            }
        }
        Err(Fault::TooManyRetries)
    }

    /// How many more addresses the handle may have; `None` if none.
    async fn room(&self, job: &Job<'_>, record: &Handle) -> Result<Option<usize>, Fault> {
        let Some(limit) = job.max_per_handle else { return Ok(Some(usize::MAX)) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let named = usize::try_from(record.count(job.family)).unwrap_or(usize::MAX);
        let mut room = limit.saturating_sub(named);
        if room == 0 {
            // The record may name too much.
            let held = self.addresses_by_handle(job.handle).await?;
            let held = held.iter().filter(|address| Family::of_addr(**address) == job.family).count();
            room = limit.saturating_sub(held);
        }
        Ok(Some(room).filter(|room| *room > 0))
    }

    /// Forgets a block in a handle, as [`Mistake::GuessesRefusal`] does.
    async fn lower(&self, handle: &str, cidr: &IpNet) -> Result<(), Fault> {
        let mut slot = self.handle(handle).await?;
        if let Some(mut record) = slot.value.take() {
            record.set(cidr, 0);
            drop(self.apply(&[slot.put(record.encode())]).await);
        }
        Ok(())
    }

    pub(super) async fn check_guards(&self, view: &View) -> Result<(), Fault> {
        for (key, revision) in &view.guards {
            if self.store.get(key).await?.map(|found| found.revision) != *revision {
                return Err(Fault::ViewChanged { key: key.clone() });
            }
        }
        Ok(())
    }
}

/// What must still be as the view says when anything is assigned.
pub(super) fn guards(view: &View) -> impl Iterator<Item = Op> {
    view.guards.iter().map(|(key, revision)| Op::Check { key: key.clone(), revision: *revision })
}

/// Notes what a block gave, and hands the block on.
pub(super) fn taken(
    result: Result<Taken, Refusal>,
    job: &Job<'_>,
    cidr: &IpNet,
    out: &mut FamilyAssigned,
) -> Result<Option<Slot<Block>>, AssignErrorKind> {
    match result {
        Ok((taken, slot)) => {
            out.addresses.extend(taken.into_iter().map(|address| cidr_of(address, cidr)));
            Ok(Some(slot))
        }
        Err(Refusal::HandleFull(limit)) => {
            Err(AssignErrorKind::HandleLimit { handle: String::from(job.handle), limit })
        }
        Err(Refusal::Foreign(_) | Refusal::Absent) => Ok(None),
    }
}
