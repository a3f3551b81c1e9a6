//! Assigning addresses.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use super::affinity::ReleaseBlock;
use super::search::{Found, Walk};
use super::{Allocator, Slot, name};
use crate::assigned::{
    AddressRequest, AssignRequest, Assigned, FamilyAssigned, LOAD_BALANCER, Message, ReleaseRequest,
};
use crate::block::Block;
use crate::config::Config;
use crate::error::{AffinityError, AssignError, AssignErrorKind, Fault, ReleaseError};
use crate::pool::{Pool, Use, View};
use crate::record::Affinity;
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
}

impl Job<'_> {
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

/// Why a block gave nothing.
enum Refusal {
    /// It is not the owner's, but should be.
    Foreign(Option<Affinity>),
    /// It is not there (any more).
    Absent,
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
        let mut assigned = Assigned::default();
        assigned.v4.requested = request.num4;
        assigned.v6.requested = request.num6;
        for family in Family::BOTH {
            let part = assigned.family_mut(family);
            if part.requested == 0 {
                continue;
            }
            if let Err(kind) = self.assign_family(request, family, view, now, part).await {
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
        let before = match self.addresses_by_handle(&request.handle).await {
            Ok(before) => before,
            Err(fault) => return Err(AssignError::new(fault.into(), Assigned::default())),
        };
        let first = match self.auto_assign(request, view, now).await {
            Ok(assigned) => match assigned.shortfall() {
                None => return Ok(assigned),
                Some(short) => AssignErrorKind::Short(short),
            },
            Err(error) => error.kind().clone(),
        };
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
    /// [`AssignErrorKind::ForeignBlock`] under strict affinity, [`AssignErrorKind::Fault`].
    pub async fn assign_address(
        &self,
        request: &AddressRequest,
        view: &View,
        now: Duration,
    ) -> Result<IpNet, AssignErrorKind> {
        let AddressRequest { address, handle, host, intended_use, attributes } = request;
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
        };
        for _ in 0..self.max_tries {
            let slot = self.block(&cidr).await?;
            let slot = if slot.value.is_some() {
                slot
            } else {
                match self.hold(&job.owner, &cidr, None, now).await {
                    Ok(slot) => slot,
                    Err(AffinityError::Fault(fault)) => return Err(fault.into()),
                    Err(_) => continue,
                }
            };
            let ours = slot.value.as_ref().and_then(|block| block.allocation(*address));
            if ours.is_some_and(|found| found.attributes.handle() == Some(handle)) {
                return Ok(cidr_of(*address, &cidr));
            }
            match self.take(&job, &cidr, slot, view.config.strict_affinity, Want::This(*address)).await? {
                Ok(taken) if taken.is_empty() => {
                    return Err(AssignErrorKind::AlreadyAssigned { address: *address });
                }
                Ok(_) => return Ok(cidr_of(*address, &cidr)),
                Err(Refusal::Foreign(owner)) => return Err(AssignErrorKind::ForeignBlock { cidr, owner }),
                Err(Refusal::Absent) => {}
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    async fn assign_family(
        &self,
        request: &AssignRequest,
        family: Family,
        view: &View,
        now: Duration,
        out: &mut FamilyAssigned,
    ) -> Result<(), AssignErrorKind> {
        let owner = owner(&request.host, request.intended_use);
        name(&request.handle)?;
        name(owner.name())?;
        let no_labels = BTreeMap::new();
        let labels = if matches!(owner, Affinity::Virtual(_)) { &no_labels } else { &view.node_labels };
        let named = request.named(family);
        let pools = view.choose(family, &named, labels, owner.name(), request.intended_use)?;
        let job = Job {
            family,
            owner,
            handle: &request.handle,
            attributes: &request.attributes,
            pools,
            reserved: Spans::of(family, &view.reservations),
            view,
            config: &view.config,
            now,
        };
        let (mut own, mut owned) = (Vec::new(), 0u32);
        let selecting = view.selecting(family, labels);
        for (cidr, affinity) in self.affinities(&job.owner, family).await? {
            if job.pools.iter().any(|pool| pool.cidr.contains(&cidr)) {
                owned = owned.saturating_add(1);
                own.push((cidr, affinity));
            } else if !selecting.iter().any(|pool| pool.cidr.contains(&cidr)) {
                let how = ReleaseBlock { require_empty: true, sequence: None };
                // A block that stays, in use or for an error, is tried again with the next assignment.
                drop(self.release_block(&job.owner, &cidr, how, job.config, now).await);
            }
        }
        let mut tried = BTreeSet::new();
        for (cidr, affinity) in own {
            if out.missing() == 0 {
                return Ok(());
            }
            tried.insert(cidr);
            if !job.serves(&cidr) {
                continue;
            }
            match self.hold(&job.owner, &cidr, Some(affinity), now).await {
                Ok(slot) => self.take_own(&job, &cidr, slot, out).await?,
                Err(error) => pass_over(error, &cidr, out)?,
            }
        }
        let limit = job.config.block_limit(request.max_blocks);
        let mut lost = 0;
        while out.missing() > 0 {
            if owned >= limit {
                out.messages.push(Message::BlockLimit(limit));
                return Err(AssignErrorKind::BlockLimit { limit });
            }
            if !job.config.auto_allocate_blocks {
                return Err(AssignErrorKind::BlocksForbidden);
            }
            let (cidr, known) = match self.find_block(&job, &tried).await? {
                Found::Own(cidr, affinity) => (cidr, Some(affinity)),
                Found::Free(cidr) => (cidr, None),
                Found::Nothing => return self.borrow(&job, out).await,
            };
            match self.hold(&job.owner, &cidr, known, now).await {
                Ok(slot) => {
                    tried.insert(cidr);
                    owned = owned.saturating_add(1);
                    self.take_own(&job, &cidr, slot, out).await?;
                }
                Err(error) => {
                    pass_over(error, &cidr, out)?;
                    lost += 1;
                    if lost >= self.max_tries {
                        return Err(Fault::TooManyRetries.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes from a block of the owner's what is missing.
    async fn take_own(
        &self,
        job: &Job<'_>,
        cidr: &IpNet,
        slot: Slot<Block>,
        out: &mut FamilyAssigned,
    ) -> Result<(), Fault> {
        if let Ok(taken) = self.take(job, cidr, slot, true, Want::Any(out.missing())).await? {
            out.addresses.extend(taken.into_iter().map(|address| cidr_of(address, cidr)));
        }
        Ok(())
    }

    /// Takes from the blocks of others, as far as affinity is not strict.
    async fn borrow(&self, job: &Job<'_>, out: &mut FamilyAssigned) -> Result<(), AssignErrorKind> {
        if job.config.strict_affinity {
            out.messages.push(Message::Strict);
            return Ok(());
        }
        let mut with_space = Vec::new();
        self.scan(job.family, |cidr, slot| {
            let Some(mut block) = slot.value else { return };
            block.collect(job.now, job.config.ip_cooldown);
            if job.serves(&cidr)
                && block.free_addresses().any(|address| !job.reserved.contains(number(address)))
            {
                with_space.push(cidr);
            }
        })
        .await?;
        let mut exhausted = Vec::new();
        for pool in &job.pools {
            let walk = Walk::new(pool, job.owner.name(), job.now);
            let mut blocks: Vec<IpNet> =
                with_space.iter().filter(|cidr| pool.cidr.contains(*cidr)).copied().collect();
            blocks.sort_by_key(|cidr| walk.place(cidr));
            for cidr in blocks {
                if out.missing() == 0 {
                    break;
                }
                let slot = self.block(&cidr).await?;
                if let Ok(taken) = self.take(job, &cidr, slot, false, Want::Any(out.missing())).await? {
                    out.addresses.extend(taken.into_iter().map(|address| cidr_of(address, &cidr)));
                }
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
    /// The block is read before the handle, and the handle written no later than the block: so a handle never says
    /// less than its blocks, and whoever releases the handle meanwhile is noticed (see `release.rs`).
    async fn take(
        &self,
        job: &Job<'_>,
        cidr: &IpNet,
        slot: Slot<Block>,
        strict: bool,
        want: Want,
    ) -> Result<Result<Vec<IpAddr>, Refusal>, Fault> {
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
            let taken = match want {
                Want::Any(num) => block.assign(num, job.handle, job.attributes, &job.reserved),
                Want::This(address) if block.assign_address(address, job.handle, job.attributes) => {
                    alloc::vec![address]
                }
                Want::This(_) => Vec::new(),
            };
            if taken.is_empty() {
                return Ok(Ok(taken));
            }
            let mut handle = self.handle(job.handle).await?;
            let mut record = handle.value.take().unwrap_or_default();
            record.add(cidr, taken.len());
            block.bump();
            let guards = job.view.guards.iter();
            let mut ops: Vec<Op> =
                guards.map(|(key, revision)| Op::Check { key: key.clone(), revision: *revision }).collect();
            ops.push(handle.put(record.encode()));
            ops.push(slot.put(block.encode()));
            match self.apply(&ops).await {
                Ok(_) => return Ok(Ok(taken)),
                Err(stopped) => {
                    stopped.retry()?;
                    self.check_guards(job.view).await?;
                }
            }
        }
        Err(Fault::TooManyRetries)
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
