//! Making a block its owner's. The rules are in `affinity.rs`.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use super::affinity::{Together, with_state};
use super::job::Job;
use super::take::guards;
use super::{Allocator, Slot, name};
use crate::assigned::HostReserve;
use crate::block::Block;
use crate::error::{AffinityError, Fault};
use crate::keys;
use crate::mistake::Mistake;
use crate::record::{Affinity, AffinityState, BlockAffinity, Handle};
use crate::span::Family;
use crate::store::{Op, Store};

/// What need not be read of a block and its affinity.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// All must be.
    Nothing,
    /// The affinity was.
    Affinity(Slot<BlockAffinity>),
    /// There was no such block a moment ago, so probably there is neither.
    Neither,
}

/// How a block is made, if there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) now: Duration,
    /// What the node keeps of it.
    pub(crate) reserve: HostReserve,
    /// The caller saw that no other block has addresses of it.
    pub(crate) apart: bool,
}

/// The first addresses of a block that is made, for a handle that is new. If it is not, nothing is taken.
#[derive(Clone, Copy)]
pub(super) struct First<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) num: usize,
}

impl Fresh {
    /// Nothing is kept.
    pub(crate) const fn at(now: Duration) -> Self {
        Self { now, reserve: HostReserve { start: 0, end: 0 }, apart: false }
    }
}

impl<S: Store> Allocator<S> {
    /// Makes a block the owner's, or finds that it is: the affinity is confirmed when this returns.
    pub(crate) async fn hold(
        &self,
        owner: &Affinity,
        cidr: &IpNet,
        known: Known,
        fresh: Fresh,
    ) -> Result<Slot<Block>, AffinityError> {
        self.hold_taking(owner, cidr, known, fresh, None).await.map(|(slot, _)| slot)
    }

    /// As [`hold`](Self::hold), but if it makes the block, and the store can commit, it makes it with the first addresses
    /// taken, and gives them.
    ///
    /// Where the store cannot, the block comes first and the address after, as ever. A block created with an address in
    /// it may come late, by a write that got no reply: after its handle was released. A releaser makes a late update fail,
    /// since it writes the block that it has read; nothing makes a late create fail.
    pub(super) async fn hold_taking(
        &self,
        owner: &Affinity,
        cidr: &IpNet,
        mut known: Known,
        fresh: Fresh,
        mut first: Option<First<'_>>,
    ) -> Result<(Slot<Block>, Vec<IpAddr>), AffinityError> {
        let mut apart = fresh.apart || matches!(known, Known::Neither);
        for _ in 0..self.max_tries {
            let (affinity, mut slot) = match core::mem::replace(&mut known, Known::Nothing) {
                Known::Nothing => (self.affinity(owner, cidr).await?, self.block(cidr).await?),
                Known::Affinity(affinity) => (affinity, self.block(cidr).await?),
                // If there is one after all, the write fails, and both are read.
                Known::Neither => {
                    (Slot::absent(keys::affinity(owner, cidr)), Slot::absent(keys::block(cidr)))
                }
            };
            let state = affinity.value.as_ref().map(|affinity| affinity.state.clone());
            let confirmed = with_state(&affinity, AffinityState::Confirmed);
            let (block, exists) = match slot.value.take() {
                None => {
                    let mut block =
                        Block::new(*cidr, owner, fresh.now).ok_or(AffinityError::NotFound { cidr: *cidr })?;
                    if !apart {
                        self.expect_apart(cidr).await?;
                        apart = true;
                    }
                    block.reserve(fresh.reserve);
                    let first = first.take();
                    let with_first = first.and_then(|first| self.take_first(first, block.clone()));
                    if let (Some(First { job, .. }), Some((mut ops, block, taken))) = (first, with_first) {
                        ops.push(slot.put(block.encode()));
                        ops.push(affinity.put(confirmed.clone()));
                        match self.together(&ops).await? {
                            Together::Done(revision) => {
                                let slot = Slot { revision: Some(revision), value: Some(block), ..slot };
                                return Ok((slot, taken));
                            }
                            Together::Changed => {
                                self.check_guards(job.view).await?;
                                continue;
                            }
                            Together::Unsupported => {}
                        }
                    }
                    (block, false)
                }
                Some(mut block) if block.affinity().as_ref() == Some(owner) => {
                    if state == Some(AffinityState::Confirmed) {
                        return Ok((Slot { value: Some(block), ..slot }, Vec::new()));
                    }
                    block.bump();
                    (block, true)
                }
                Some(block) => {
                    self.unmark(&affinity).await?;
                    return Err(AffinityError::Conflict { cidr: *cidr, owner: block.affinity() });
                }
            };
            let write = slot.put(block.encode());
            match self.together(&[write.clone(), affinity.put(confirmed.clone())]).await? {
                Together::Done(revision) => {
                    let slot = Slot { revision: Some(revision), value: Some(block), ..slot };
                    return Ok((slot, Vec::new()));
                }
                Together::Changed => continue,
                Together::Unsupported => {}
            }
            // A block comes after its affinity, so that whoever dies in between leaves a trace.
            let announced = state == Some(AffinityState::Pending) || (state.is_some() && exists);
            let affinity = if announced {
                affinity
            } else {
                let early = self.makes(Mistake::ConfirmsFirst);
                let state = if early { AffinityState::Confirmed } else { AffinityState::Pending };
                let Some(affinity) = self.mark(affinity, state).await? else { continue };
                affinity
            };
            let Some(revision) = self.single(write).await? else { continue };
            if self.single(affinity.put(confirmed)).await?.is_some() {
                return Ok((Slot { revision, value: Some(block), ..slot }, Vec::new()));
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    /// Takes the first addresses of a block that is about to be made. Gives what is to be written with it, the block, and
    /// the addresses; `None` if there are none.
    fn take_first(&self, first: First<'_>, mut block: Block) -> Option<(Vec<Op>, Block, Vec<IpAddr>)> {
        let First { job, num } = first;
        let taken = block.assign_outside(num, job.handle, job.attributes, &job.reserved);
        if taken.is_empty() {
            return None;
        }
        block.bump();
        let mut ops: Vec<Op> = guards(job.view).collect();
        if self.makes(Mistake::IgnoresGuards) {
            ops.clear();
        }
        let mut record = Handle::default();
        record.add(&block.cidr(), taken.len());
        ops.push(Op::Create { key: keys::handle(job.handle), value: record.encode() });
        Some((ops, block, taken))
    }

    /// An error if a block of another size has addresses of this one.
    async fn expect_apart(&self, cidr: &IpNet) -> Result<(), AffinityError> {
        let existing = self.block_cidrs(Family::of(cidr)).await?.into_iter();
        let mut over =
            existing.filter(|other| other != cidr && (other.contains(cidr) || cidr.contains(other)));
        over.next().map_or(Ok(()), |existing| Err(AffinityError::Overlaps { cidr: *cidr, existing }))
    }

    /// Claims one block for an owner, or finds that it is theirs.
    ///
    /// # Errors
    /// [`AffinityError::Conflict`] if it is somebody else's, [`AffinityError::Overlaps`] if a block of another size has
    /// addresses of it, [`AffinityError::NotFound`] if it would have more than 2^16 addresses, [`AffinityError::Fault`].
    pub async fn claim_block(
        &self,
        owner: &Affinity,
        cidr: &IpNet,
        now: Duration,
    ) -> Result<(), AffinityError> {
        name(owner.name())?;
        self.hold(owner, &cidr.trunc(), Known::Nothing, Fresh::at(now)).await.map(drop)
    }
}
