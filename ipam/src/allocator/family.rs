//! Assigning addresses of one family: from own blocks, from new ones, from those of others.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use super::affinity::ReleaseBlock;
use super::claim::{First, Known};
use super::job::{Job, cidr_of, job, labels};
use super::own::OwnBlocks;
use super::search::{Found, Survey, Walk};
use super::take::{Guess, Want, taken};
use super::{Allocator, Slot, name};
use crate::assigned::{AssignRequest, FamilyAssigned, Message};
use crate::block::Block;
use crate::error::{AffinityError, AssignErrorKind, Fault};
use crate::mistake::Mistake;
use crate::pool::View;
use crate::record::BlockAffinity;
use crate::span::{Family, Spans};
use crate::store::Store;

/// A further block for a job, or why there is none.
enum Another {
    Block(IpNet, Box<Slot<Block>>),
    Nothing(Survey),
}

/// So many of its own blocks a node reads one by one. If it has more, and nobody's are used up, all blocks are read in
/// pages: of what is left to try then, most is full.
const READ_ALONE: usize = 2;

impl<S: Store> Allocator<S> {
    pub(super) async fn assign_family(
        &self,
        mut at_hand: Option<&mut OwnBlocks>,
        request: &AssignRequest,
        family: Family,
        view: &View,
        now: Duration,
        out: &mut FamilyAssigned,
    ) -> Result<(), AssignErrorKind> {
        name(&request.handle)?;
        let mut job = job(request, family, view, now)?;
        if self.makes(Mistake::IgnoresReservations) {
            job.reserved = Spans::default();
        }
        if let Some(at_hand) = at_hand.as_deref_mut() {
            at_hand.of(&job.owner);
            let cidrs: Vec<IpNet> = at_hand.cidrs().filter(|cidr| job.serves(cidr)).collect();
            for cidr in cidrs {
                let Some(slot) = at_hand.take(&cidr) else { continue };
                self.take_own(&job, &cidr, slot, Guess::NewHandle, Some(&mut *at_hand), out).await?;
                if out.missing() == 0 {
                    return Ok(());
                }
            }
        }
        let own = self.own_blocks(&job).await?;
        let mut owned = own.len();
        let (mut tried, mut survey, mut looked) = (BTreeSet::new(), None, false);
        // Callers use a handle once, mostly.
        let mut guess = Guess::NewHandle;
        for (cidr, affinity) in own {
            if out.missing() == 0 {
                return Ok(());
            }
            tried.insert(cidr);
            if !job.serves(&cidr) {
                continue;
            }
            if tried.len() > READ_ALONE && !looked {
                (survey, looked) = (self.survey_if_exhausted(&job).await?, true);
            }
            if survey.as_ref().is_some_and(|survey| !survey.has_space(&cidr)) {
                continue;
            }
            match self.hold(&job.owner, &cidr, Known::Affinity(affinity), job.fresh()).await {
                Ok(slot) => {
                    let before = out.missing();
                    self.take_own(&job, &cidr, slot, guess, at_hand.as_deref_mut(), out).await?;
                    if out.missing() < before {
                        guess = Guess::Nothing;
                    }
                }
                Err(error) => pass_over(error, &cidr, out)?,
            }
        }
        while out.missing() > 0 {
            match self.claim_another(&job, owned, &mut tried, survey.take(), guess, out).await? {
                Another::Nothing(survey) => return self.borrow(&job, &survey, guess, out).await,
                Another::Block(cidr, slot) => {
                    owned += 1;
                    if !out.addresses.is_empty() {
                        guess = Guess::Nothing;
                    }
                    if out.missing() > 0 {
                        self.take_own(&job, &cidr, *slot, guess, at_hand.as_deref_mut(), out).await?;
                        guess = Guess::Nothing;
                    } else if let Some(at_hand) = at_hand.as_deref_mut() {
                        at_hand.keep(cidr, *slot);
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the node of a request has a block of a family, and gives one: its own, or one newly claimed.
    ///
    /// Its pools are those that an assignment would use. Whether the block has a free address is not looked at.
    ///
    /// # Errors
    /// As [`auto_assign`](Self::auto_assign); [`AssignErrorKind::BlocksForbidden`] also if there is no block to claim.
    pub async fn ensure_block(
        &self,
        request: &AssignRequest,
        family: Family,
        view: &View,
        now: Duration,
    ) -> Result<IpNet, AssignErrorKind> {
        let job = job(request, family, view, now)?;
        let own = self.own_blocks(&job).await?;
        let (owned, mut tried, mut out) = (own.len(), BTreeSet::new(), FamilyAssigned::default());
        for (cidr, affinity) in own {
            tried.insert(cidr);
            match self.hold(&job.owner, &cidr, Known::Affinity(affinity), job.fresh()).await {
                Ok(_) => return Ok(cidr),
                Err(error) => pass_over(error, &cidr, &mut out)?,
            }
        }
        match self.claim_another(&job, owned, &mut tried, None, Guess::Nothing, &mut out).await? {
            Another::Block(cidr, _) => Ok(cidr),
            Another::Nothing(_) => Err(AssignErrorKind::BlocksForbidden),
        }
    }

    /// The owner's blocks in the pools of a job. Gives back empty ones in pools that do not select the node (any more).
    async fn own_blocks(&self, job: &Job<'_>) -> Result<Vec<(IpNet, Slot<BlockAffinity>)>, Fault> {
        let selecting = job.view.selecting(job.family, labels(job.view, &job.owner));
        let mut own = Vec::new();
        for (cidr, affinity) in self.affinities(&job.owner, job.family).await? {
            if job.pools.iter().any(|pool| pool.cidr.contains(&cidr)) {
                own.push((cidr, affinity));
            } else if !selecting.iter().any(|pool| pool.cidr.contains(&cidr)) {
                let how = ReleaseBlock { require_empty: true, sequence: None };
                // A block that stays, in use or for an error, is tried again with the next assignment.
                drop(self.release_block(&job.owner, &cidr, how, job.config, job.now).await);
            }
        }
        Ok(own)
    }

    /// Makes a further block the owner's, who has so many already; the first try believes what was `surveyed`.
    ///
    /// A block that is made for a handle that is new is made with its addresses taken, where the store can commit.
    async fn claim_another(
        &self,
        job: &Job<'_>,
        owned: usize,
        tried: &mut BTreeSet<IpNet>,
        mut surveyed: Option<Survey>,
        guess: Guess,
        out: &mut FamilyAssigned,
    ) -> Result<Another, AssignErrorKind> {
        let limit = job.config.block_limit(job.max_blocks);
        if owned >= usize::try_from(limit).unwrap_or(usize::MAX) {
            out.messages.push(Message::BlockLimit(limit));
            return Err(AssignErrorKind::BlockLimit { limit });
        }
        if !job.config.auto_allocate_blocks {
            return Err(AssignErrorKind::BlocksForbidden);
        }
        let new = guess == Guess::NewHandle && job.max_per_handle.is_none();
        let mut first = new.then(|| First { job, num: out.missing() });
        for attempt in 0..self.max_tries {
            // The owner's blocks were listed just now; another process of it may be the one who was faster.
            let own = if attempt == 0 { None } else { self.find_own(job, tried).await? };
            let found = match own {
                Some(found) => found,
                None => self.find_block(job, tried, surveyed.take()).await?,
            };
            let (cidr, known) = match found {
                Found::Own(cidr, affinity) => (cidr, Known::Affinity(affinity)),
                Found::Free(cidr) => (cidr, Known::Neither),
                Found::Nothing(survey) => return Ok(Another::Nothing(survey)),
            };
            match self.hold_taking(&job.owner, &cidr, known, job.fresh(), first.take()).await {
                Ok((slot, taken)) => {
                    tried.insert(cidr);
                    out.addresses.extend(taken.into_iter().map(|address| cidr_of(address, &cidr)));
                    return Ok(Another::Block(cidr, Box::new(slot)));
                }
                Err(error) => pass_over(error, &cidr, out)?,
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    /// Takes from a block of the owner's what is missing.
    async fn take_own(
        &self,
        job: &Job<'_>,
        cidr: &IpNet,
        slot: Slot<Block>,
        guess: Guess,
        at_hand: Option<&mut OwnBlocks>,
        out: &mut FamilyAssigned,
    ) -> Result<(), AssignErrorKind> {
        let result = self.take(job, cidr, slot, guess, true, Want::Any(out.missing())).await?;
        if let Some(slot) = taken(result, job, cidr, out)? {
            if let Some(at_hand) = at_hand {
                at_hand.keep(*cidr, slot);
            }
        }
        Ok(())
    }

    /// Takes from the blocks of others, as far as affinity is not strict.
    async fn borrow(
        &self,
        job: &Job<'_>,
        survey: &Survey,
        mut guess: Guess,
        out: &mut FamilyAssigned,
    ) -> Result<(), AssignErrorKind> {
        if job.config.strict_affinity && !self.makes(Mistake::IgnoresStrictness) {
            out.messages.push(Message::Strict);
            return Ok(());
        }
        let mut exhausted = Vec::new();
        for pool in &job.pools {
            let walk = Walk::new(pool, job.owner.name(), job.now);
            let mut blocks: Vec<IpNet> =
                survey.with_space().filter(|cidr| pool.cidr.contains(cidr)).collect();
            blocks.sort_by_key(|cidr| walk.place(cidr));
            for cidr in blocks {
                if out.missing() == 0 {
                    break;
                }
                let slot = self.block(&cidr).await?;
                let result = self.take(job, &cidr, slot, guess, false, Want::Any(out.missing())).await?;
                guess = Guess::Nothing;
                taken(result, job, &cidr, out)?;
            }
            if out.missing() == 0 {
                break;
            }
            exhausted.push(pool.cidr);
        }
        if !exhausted.is_empty() {
            out.messages.push(Message::PoolsFull(exhausted));
        }
        Ok(())
    }
}

/// Decides whether a block that could not be had ends the assignment, or another is tried.
fn pass_over(error: AffinityError, cidr: &IpNet, out: &mut FamilyAssigned) -> Result<(), Fault> {
    match error {
        AffinityError::Fault(Fault::Record { .. }) => {
            out.messages.push(Message::Unreadable(*cidr));
            Ok(())
        }
        AffinityError::Fault(fault) => Err(fault),
        _ => Ok(()),
    }
}
