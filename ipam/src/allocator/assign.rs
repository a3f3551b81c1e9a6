//! Assigning addresses.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use super::affinity::{Fresh, Known, ReleaseBlock};
use super::own::OwnBlocks;
use super::search::{Found, Survey, Walk};
use super::{Allocator, Slot, name};
use crate::assigned::{
    AddressRequest, AssignRequest, Assigned, FamilyAssigned, HostReserve, LOAD_BALANCER, Message,
    ReleaseRequest,
};
use crate::block::Block;
use crate::config::Config;
use crate::error::{AffinityError, AssignError, AssignErrorKind, Fault, ReleaseError};
use crate::keys;
use crate::mistake::Mistake;
use crate::pool::{Pool, Use, View};
use crate::record::{Affinity, BlockAffinity, Handle};
use crate::span::{Family, Spans, number, prefix_of, range};
use crate::store::{Op, Store};

/// One family of a request, with what was decided for it.
pub(super) struct Job<'a> {
    pub(super) family: Family,
    pub(super) owner: Affinity,
    pub(super) handle: &'a str,
    pub(super) attributes: &'a BTreeMap<String, String>,
    /// Where the addresses may come from, in the order of use.
    pub(super) pools: Vec<&'a Pool>,
    pub(super) reserved: Spans,
    pub(super) view: &'a View,
    pub(super) config: &'a Config,
    pub(super) now: Duration,
    /// Limits of the request, if any.
    max_blocks: Option<u32>,
    max_per_handle: Option<u32>,
    /// What the node keeps of new blocks.
    reserve: HostReserve,
}

impl Job<'_> {
    const fn fresh(&self) -> Fresh {
        Fresh { reserve: self.reserve, ..Fresh::at(self.now) }
    }

    /// Whether a block may be used: it is of one of the pools, and not wholly reserved.
    pub(super) fn serves(&self, cidr: &IpNet) -> bool {
        let (first, last) = range(cidr);
        self.pools.iter().any(|pool| pool.cidr.contains(cidr))
            && self.reserved.covering(first, last).is_none()
    }
}

/// Which addresses to take from a block.
#[derive(Clone, Copy)]
enum Want {
    /// Any, up to this many.
    Any(usize),
    /// This one.
    This(IpAddr),
}

/// What to try without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    Nothing,
    /// That there is no such handle. If there is, the write fails, and it is read.
    NewHandle,
}

/// A further block for a job, or why there is none.
enum Another {
    Block(IpNet, Box<Slot<Block>>),
    Nothing(Survey),
}

/// So many of its own blocks a node reads one by one. If it has more, and nobody's are used up, all blocks are read in
/// pages: of what is left to try then, most is full.
const READ_ALONE: usize = 2;

/// What a block gave, and the block as it is then.
type Taken = (Vec<IpAddr>, Slot<Block>);

/// Why a block gave nothing.
enum Refusal {
    /// It is not the owner's, but should be.
    Foreign(Option<Affinity>),
    /// It is not there (any more).
    Absent,
    /// The handle has as many addresses as it may.
    HandleFull(u32),
}

impl<S: Store> Allocator<S> {
    /// Assigns any addresses: IPv4 first, then IPv6.
    ///
    /// Takes them from the node's own blocks; then claims more blocks, up to the limit; then, unless affinity is
    /// strict, borrows from the blocks of others. Empty blocks of the node in pools that do not select it (any more)
    /// are given back on the way.
    ///
    /// **Fewer addresses than requested is no error**: look at [`Assigned::shortfall`], or use
    /// [`assign_all`](Self::assign_all). A handle may be used again; the new addresses add to the old.
    ///
    /// # Errors
    /// [`AssignError`], which holds what was assigned before. If IPv4 fails with an error, IPv6 is not tried.
    pub async fn auto_assign(
        &self,
        request: &AssignRequest,
        view: &View,
        now: Duration,
    ) -> Result<Assigned, AssignError> {
        self.assign_with(None, request, view, now).await
    }

    /// As [`auto_assign`](Self::auto_assign), but first from the node's blocks at hand, which it keeps up to date.
    ///
    /// Empty blocks in pools that do not select the node any more are given back only when those at hand are full.
    ///
    /// # Errors
    /// As [`auto_assign`](Self::auto_assign).
    pub async fn auto_assign_from(
        &self,
        own: &mut OwnBlocks,
        request: &AssignRequest,
        view: &View,
        now: Duration,
    ) -> Result<Assigned, AssignError> {
        self.assign_with(Some(own), request, view, now).await
    }

    async fn assign_with(
        &self,
        mut own: Option<&mut OwnBlocks>,
        request: &AssignRequest,
        view: &View,
        now: Duration,
    ) -> Result<Assigned, AssignError> {
        let mut assigned = Assigned::default();
        assigned.v4.requested = request.num4;
        assigned.v6.requested = request.num6;
        for family in Family::BOTH {
            let part = assigned.family_mut(family);
            if part.requested == 0 {
                continue;
            }
            let own = own.as_deref_mut();
            if let Err(kind) = self.assign_family(own, request, family, view, now, part).await {
                return Err(AssignError::new(kind, assigned));
            }
        }
        Ok(assigned)
    }

    /// Assigns all the addresses that are requested, or keeps none.
    ///
    /// Where [`auto_assign`](Self::auto_assign) fails or falls short, what this call assigned is released again, also
    /// what it cannot know to have assigned because a reply was lost. Addresses that the handle held before stay.
    /// Calls with one handle must not run at the same time.
    ///
    /// # Errors
    /// [`AssignError`] whose [`assigned`](AssignError::assigned) is empty;
    /// [`AssignErrorKind::NotUndone`] if the release failed too: release by handle later.
    pub async fn assign_all(
        &self,
        request: &AssignRequest,
        view: &View,
        now: Duration,
    ) -> Result<Assigned, AssignError> {
        self.assign_all_with(None, request, view, now).await
    }

    /// As [`assign_all`](Self::assign_all), but first from the node's blocks at hand, which it keeps up to date.
    ///
    /// # Errors
    /// As [`assign_all`](Self::assign_all).
    pub async fn assign_all_from(
        &self,
        own: &mut OwnBlocks,
        request: &AssignRequest,
        view: &View,
        now: Duration,
    ) -> Result<Assigned, AssignError> {
        self.assign_all_with(Some(own), request, view, now).await
    }

    async fn assign_all_with(
        &self,
        own: Option<&mut OwnBlocks>,
        request: &AssignRequest,
        view: &View,
        now: Duration,
    ) -> Result<Assigned, AssignError> {
        let before = match self.addresses_by_handle(&request.handle).await {
            Ok(before) => before,
            Err(fault) => return Err(AssignError::new(fault.into(), Assigned::default())),
        };
        let first = match self.assign_with(own, request, view, now).await {
            Ok(assigned) => match assigned.shortfall() {
                None => return Ok(assigned),
                Some(short) => AssignErrorKind::Short(short),
            },
            Err(error) => error.kind().clone(),
        };
        if self.makes(Mistake::KeepsOnFailure) {
            return Err(AssignError::new(first, Assigned::default()));
        }
        let kind = match self.undo(&request.handle, &before, view, now).await {
            Ok(()) => first,
            Err(fault) => AssignErrorKind::NotUndone { first: Box::new(first), fault },
        };
        Err(AssignError::new(kind, Assigned::default()))
    }

    /// Releases what a handle holds beyond `before`.
    async fn undo(&self, handle: &str, before: &[IpAddr], view: &View, now: Duration) -> Result<(), Fault> {
        let result = if before.is_empty() {
            self.release_by_handle(handle, &view.config, now).await.map(drop)
        } else {
            let held = self.addresses_by_handle(handle).await?;
            let surplus: Vec<_> = held
                .into_iter()
                .filter(|address| !before.contains(address))
                .map(|address| ReleaseRequest::new(address).handle(handle))
                .collect();
            self.release_addresses(&surplus, view, now).await.map(drop)
        };
        match result {
            Err(ReleaseError::Fault(fault)) => Err(fault),
            // Not there, or another's: not ours to undo.
            _ => Ok(()),
        }
    }

    /// Assigns one particular address, reserved or not, of any enabled pool, whatever its selectors and mode.
    ///
    /// Claims its block for the node if nobody has it, whatever the block limit. Gives the address with the prefix
    /// length of its block. If the handle has the address already, that is success.
    ///
    /// # Errors
    /// [`AssignErrorKind::NotInPool`], [`AssignErrorKind::UseForbidden`], [`AssignErrorKind::AlreadyAssigned`],
    /// [`AssignErrorKind::Overlaps`], [`AssignErrorKind::ForeignBlock`] under strict affinity, [`AssignErrorKind::Fault`].
    pub async fn assign_address(
        &self,
        request: &AddressRequest,
        view: &View,
        now: Duration,
    ) -> Result<IpNet, AssignErrorKind> {
        let AddressRequest { address, handle, host, intended_use, attributes, .. } = request;
        let owner = owner(host, *intended_use);
        name(handle)?;
        name(owner.name())?;
        let family = Family::of_addr(*address);
        let pools = view.active(family).into_iter().filter(|pool| pool.cidr.contains(address));
        let pool = pools.min_by_key(|pool| !pool.allows(*intended_use));
        let pool = pool.ok_or(AssignErrorKind::NotInPool { address: *address })?;
        if !pool.allows(*intended_use) {
            return Err(AssignErrorKind::UseForbidden { pool: pool.name.clone(), intended: *intended_use });
        }
        let cidr =
            prefix_of(*address, pool.block_len).ok_or(AssignErrorKind::NotInPool { address: *address })?;
        let job = Job {
            family,
            owner,
            handle,
            attributes,
            pools: alloc::vec![pool],
            reserved: Spans::default(),
            view,
            config: &view.config,
            now,
            max_blocks: None,
            max_per_handle: request.max_per_handle,
            reserve: HostReserve::default(),
        };
        for _ in 0..self.max_tries {
            let slot = self.block(&cidr).await?;
            let slot = if slot.value.is_some() {
                slot
            } else {
                match self.hold(&job.owner, &cidr, Known::Nothing, job.fresh()).await {
                    Ok(slot) => slot,
                    Err(AffinityError::Fault(fault)) => return Err(fault.into()),
                    Err(AffinityError::Overlaps { cidr, existing }) => {
                        return Err(AssignErrorKind::Overlaps { cidr, existing });
                    }
                    Err(_) => continue,
                }
            };
            let ours = slot.value.as_ref().and_then(|block| block.allocation(*address));
            if ours.is_some_and(|found| found.attributes.handle() == Some(handle)) {
                return Ok(cidr_of(*address, &cidr));
            }
            let strict = view.config.strict_affinity;
            match self.take(&job, &cidr, slot, Guess::Nothing, strict, Want::This(*address)).await? {
                Ok((taken, _)) if taken.is_empty() => {
                    return Err(AssignErrorKind::AlreadyAssigned { address: *address });
                }
                Ok(_) => return Ok(cidr_of(*address, &cidr)),
                Err(Refusal::Foreign(owner)) => return Err(AssignErrorKind::ForeignBlock { cidr, owner }),
                Err(Refusal::HandleFull(limit)) => {
                    return Err(AssignErrorKind::HandleLimit { handle: handle.clone(), limit });
                }
                Err(Refusal::Absent) => {}
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    async fn assign_family(
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
            match self.claim_another(&job, owned, &mut tried, survey.take(), out).await? {
                Another::Nothing(survey) => return self.borrow(&job, &survey, guess, out).await,
                Another::Block(cidr, slot) => {
                    owned += 1;
                    self.take_own(&job, &cidr, *slot, guess, at_hand.as_deref_mut(), out).await?;
                    guess = Guess::Nothing;
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
        match self.claim_another(&job, owned, &mut tried, None, &mut out).await? {
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
    async fn claim_another(
        &self,
        job: &Job<'_>,
        owned: usize,
        tried: &mut BTreeSet<IpNet>,
        mut surveyed: Option<Survey>,
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
            match self.hold(&job.owner, &cidr, known, job.fresh()).await {
                Ok(slot) => {
                    tried.insert(cidr);
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

    /// Takes addresses from a block, and counts them in the handle.
    ///
    /// Gives the block as it is then, too. The block is read before the handle, and the handle written no later than the block: so a handle never says
    /// less than its blocks, and whoever releases the handle meanwhile is noticed (see `release.rs`).
    async fn take(
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
            let guards = job.view.guards.iter();
            let mut ops: Vec<Op> =
                guards.map(|(key, revision)| Op::Check { key: key.clone(), revision: *revision }).collect();
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

    async fn check_guards(&self, view: &View) -> Result<(), Fault> {
        for (key, revision) in &view.guards {
            if self.store.get(key).await?.map(|found| found.revision) != *revision {
                return Err(Fault::ViewChanged { key: key.clone() });
            }
        }
        Ok(())
    }
}

/// What a family of a request comes down to.
fn job<'a>(
    request: &'a AssignRequest,
    family: Family,
    view: &'a View,
    now: Duration,
) -> Result<Job<'a>, AssignErrorKind> {
    let owner = owner(&request.host, request.intended_use);
    name(owner.name())?;
    let reserve = request.host_reserve.unwrap_or_default();
    if reserve != HostReserve::default() && !view.config.strict_affinity {
        return Err(AssignErrorKind::StrictRequired);
    }
    let named = request.named(family);
    let labels = labels(view, &owner);
    let pools = view.choose(family, &named, labels, owner.name(), request.intended_use, reserve)?;
    Ok(Job {
        family,
        owner,
        handle: &request.handle,
        attributes: &request.attributes,
        pools,
        reserved: Spans::of(family, &view.reservations),
        view,
        config: &view.config,
        now,
        max_blocks: request.max_blocks,
        max_per_handle: request.max_per_handle,
        reserve,
    })
}

/// The labels of an owner: none where it is no node.
fn labels<'a>(view: &'a View, owner: &Affinity) -> &'a BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    if matches!(owner, Affinity::Virtual(_)) { &NONE } else { &view.node_labels }
}

/// Notes what a block gave, and hands the block on.
fn taken(
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

/// Who owns the blocks that a request claims.
fn owner(host: &str, intended: Use) -> Affinity {
    if intended == Use::LoadBalancer {
        Affinity::Virtual(String::from(LOAD_BALANCER))
    } else {
        Affinity::Host(String::from(host))
    }
}

/// An address with the prefix length of its block.
fn cidr_of(address: IpAddr, block: &IpNet) -> IpNet {
    IpNet::new(address, block.prefix_len()).unwrap_or_else(|_| IpNet::from(address))
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
