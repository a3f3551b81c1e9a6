//! Assigning addresses.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::Allocator;
use super::own::OwnBlocks;
use crate::assigned::{AssignRequest, Assigned, ReleaseRequest};
use crate::error::{AssignError, AssignErrorKind, Fault, ReleaseError};
use crate::mistake::Mistake;
use crate::pool::View;
use crate::span::Family;
use crate::store::Store;

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
}
