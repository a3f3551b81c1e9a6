//! Who an address belongs to, and how that changes while a virtual machine moves.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::net::IpAddr;

use ipnet::IpNet;

use super::{Allocator, Slot};
use crate::block::{Attributes, Block};
use crate::error::{Fault, OwnerError};
use crate::pool::View;
use crate::span::{Family, prefix_of};
use crate::store::Store;

/// An address that is assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// The address.
    pub address: IpAddr,
    /// Its block.
    pub block: IpNet,
    /// Whose the handle is, and both owners.
    pub attributes: Attributes,
    /// The block's sequence number when it was assigned.
    pub sequence: Option<u64>,
}

/// What one of the two owners of an address must be for a change of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an owner is one, or there is none")]
pub enum Expect<'a> {
    /// This pod, by its attributes `pod` and `namespace`.
    Pod {
        /// Its name.
        pod: &'a str,
        /// Its namespace.
        namespace: &'a str,
    },
    /// Nobody: no attributes.
    Nobody,
}

/// A change of one of the two owners of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnerChange<'a> {
    /// Its attributes from now on; `None` for no owner.
    pub attributes: Option<&'a BTreeMap<String, String>>,
    /// Only if it is this one now. Default: whoever it is.
    pub expect: Option<Expect<'a>>,
}

impl<'a> OwnerChange<'a> {
    /// From now on it is this one.
    #[must_use]
    pub const fn set(attributes: &'a BTreeMap<String, String>) -> Self {
        Self { attributes: Some(attributes), expect: None }
    }

    /// From now on there is none.
    #[must_use]
    pub const fn clear() -> Self {
        Self { attributes: None, expect: None }
    }

    /// Only if it is this one now.
    #[must_use]
    pub const fn expect(mut self, expect: Expect<'a>) -> Self {
        self.expect = Some(expect);
        self
    }
}

impl<S: Store> Allocator<S> {
    /// Who has an address.
    ///
    /// # Errors
    /// [`OwnerError::NotAssigned`] also for one that is in no pool, enabled or not; [`OwnerError::Rests`];
    /// [`OwnerError::Fault`].
    pub async fn assignment(&self, address: IpAddr, view: &View) -> Result<Assignment, OwnerError> {
        let slot = self.block_of(address, view).await?;
        let block = slot.value.ok_or(OwnerError::NotAssigned { address })?;
        let found = held(&block, address)?;
        let (attributes, sequence) = (found.attributes(), found.sequence);
        Ok(Assignment { address, block: block.cidr(), attributes, sequence })
    }

    /// Changes the owners of an address, both at once, under an unchanged handle.
    ///
    /// A virtual machine that moves has two pods: the one that runs, and (alternate) the one that will. `None` leaves an
    /// owner as it is, and its expectation unchecked.
    ///
    /// # Errors
    /// [`OwnerError::NotAssigned`], [`OwnerError::Rests`], [`OwnerError::BadHandle`], [`OwnerError::Unexpected`],
    /// [`OwnerError::Fault`]. Nothing was written but for a lost reply of the store.
    pub async fn set_owner(
        &self,
        address: IpAddr,
        handle: &str,
        active: Option<&OwnerChange<'_>>,
        alternate: Option<&OwnerChange<'_>>,
        view: &View,
    ) -> Result<(), OwnerError> {
        for _ in 0..self.max_tries {
            let mut slot = self.block_of(address, view).await?;
            let mut block = slot.value.take().ok_or(OwnerError::NotAssigned { address })?;
            let found = held(&block, address)?;
            let held_by = found.handle().unwrap_or_default();
            if held_by != handle {
                let (wanted, found) = (String::from(handle), String::from(held_by));
                return Err(OwnerError::BadHandle { address, wanted, found });
            }
            let before = found.attributes();
            let mut attributes = before.clone();
            if let Some(change) = active {
                meets(change.expect, &attributes.active_owner, address)?;
                attributes.active_owner = change.attributes.cloned().unwrap_or_default();
            }
            if let Some(change) = alternate {
                static NONE: BTreeMap<String, String> = BTreeMap::new();
                meets(change.expect, attributes.alternate_owner.as_ref().unwrap_or(&NONE), address)?;
                attributes.alternate_owner = change.attributes.cloned();
            }
            if attributes == before {
                return Ok(());
            }
            block.set_attributes(address, &attributes);
            block.bump();
            match self.apply(&[slot.put(block.encode())]).await {
                Ok(_) => return Ok(()),
                Err(stopped) => stopped.retry().map(drop)?,
            }
        }
        Err(Fault::TooManyRetries.into())
    }

    /// The block that an address is in: by its pool, else whichever holds it.
    async fn block_of(&self, address: IpAddr, view: &View) -> Result<Slot<Block>, Fault> {
        let pool = view.pools.iter().find(|pool| pool.is_divisible() && pool.cidr.contains(&address));
        if let Some(cidr) = pool.and_then(|pool| prefix_of(address, pool.block_len)) {
            let slot = self.block(&cidr).await?;
            if slot.value.is_some() {
                return Ok(slot);
            }
        }
        let cidrs = self.block_cidrs(Family::of_addr(address)).await?;
        match cidrs.iter().find(|cidr| cidr.contains(&address)) {
            Some(cidr) => self.block(cidr).await,
            None => Ok(Slot { key: String::new(), revision: None, value: None }),
        }
    }
}

fn held(block: &Block, address: IpAddr) -> Result<crate::block::Allocation<'_>, OwnerError> {
    match block.allocation(address) {
        None => Err(OwnerError::NotAssigned { address }),
        Some(found) if found.rests() => Err(OwnerError::Rests { address }),
        Some(found) => Ok(found),
    }
}

fn meets(
    expect: Option<Expect<'_>>,
    owner: &BTreeMap<String, String>,
    address: IpAddr,
) -> Result<(), OwnerError> {
    let is = |key: &str, wanted: &str| owner.get(key).is_some_and(|found| found == wanted);
    let met = match expect {
        None => true,
        Some(Expect::Nobody) => owner.is_empty(),
        Some(Expect::Pod { pod, namespace }) => is("pod", pod) && is("namespace", namespace),
    };
    if met { Ok(()) } else { Err(OwnerError::Unexpected { address, found: owner.clone() }) }
}
