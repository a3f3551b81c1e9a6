//! Assigning one particular address.

use core::time::Duration;

use ipnet::IpNet;

use super::claim::Known;
use super::job::{Job, cidr_of, owner};
use super::take::{Guess, Refusal, Want};
use super::{Allocator, name};
use crate::assigned::{AddressRequest, HostReserve};
use crate::error::{AffinityError, AssignErrorKind, Fault};
use crate::pool::View;
use crate::span::{Family, Spans, prefix_of};
use crate::store::Store;

impl<S: Store> Allocator<S> {
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
            if ours.is_some_and(|found| found.handle() == Some(handle)) {
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
}
