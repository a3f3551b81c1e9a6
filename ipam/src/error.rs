//! Errors.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::assigned::{Assigned, Shortfall};
use crate::pool::Use;
use crate::record::Affinity;
use crate::store::StoreError;

/// A stored value that is not the record it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {what} record: {reason}")]
#[non_exhaustive]
pub struct RecordError {
    /// Which record was wanted.
    pub what: &'static str,
    /// What the decoder met, with line and column.
    pub reason: String,
}

impl RecordError {
    pub(crate) fn new(what: &'static str, reason: &impl ToString) -> Self {
        Self { what, reason: reason.to_string() }
    }
}

/// What can go wrong in any operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The store failed. If it was [unavailable](StoreError::Unavailable), the operation may have been done in part;
    /// the records are then as a crash at that point would leave them, which every operation can resume from.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A stored record cannot be read.
    #[error("the record at {key} cannot be read")]
    Record {
        /// Where it is stored.
        key: String,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// Others were faster a hundred times.
    #[error("max retries hit - excessive concurrent IPAM requests")]
    TooManyRetries,
    /// A [guard](crate::View::guards) of the view failed: read pools and configuration again.
    #[error("the view is out of date: {key} has changed")]
    ViewChanged {
        /// The key that changed.
        key: String,
    },
    /// A host name or handle id that cannot be part of a key: empty, or with a slash or control character.
    #[error("{name:?} cannot be a host name or handle id")]
    InvalidName {
        /// The name.
        name: String,
    },
}

impl Fault {
    /// Whether the same call may succeed later (for [`ViewChanged`](Self::ViewChanged): with a new view).
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Unavailable(_)) | Self::TooManyRetries | Self::ViewChanged { .. }
        )
    }
}

/// No pool may serve a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// There is no enabled pool of the family.
    #[error("cannot find a qualified ippool")]
    NoneQualified,
    /// A pool named by the request does not exist, or is disabled.
    #[error("the given pool ({cidr}) does not exist, or is not enabled")]
    NotEnabled {
        /// The CIDR that was named.
        cidr: IpNet,
    },
    /// No pool selects the node and namespace.
    #[error("no configured Calico pools for node {node}")]
    NoneForNode {
        /// The node.
        node: String,
    },
    /// No pool that selects the node and namespace is for this use.
    #[error("no configured Calico pools for node {node}, no pools match the required use ({intended})")]
    NoneForUse {
        /// The node.
        node: String,
        /// The use.
        intended: Use,
    },
}

/// An assignment that failed, with what was assigned before it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignError(Box<Failed>);

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl core::error::Error for AssignError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.0.kind.source()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Failed {
    kind: AssignErrorKind,
    assigned: Assigned,
}

impl AssignError {
    pub(crate) fn new(kind: AssignErrorKind, assigned: Assigned) -> Self {
        Self(Box::new(Failed { kind, assigned }))
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> &AssignErrorKind {
        &self.0.kind
    }

    /// What was assigned and is still held.
    ///
    /// After a [`Fault`] more may be held than this says; releasing by handle releases that too.
    #[must_use]
    pub fn assigned(&self) -> &Assigned {
        &self.0.assigned
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            AssignErrorKind::Fault(fault) | AssignErrorKind::NotUndone { fault, .. } => fault.is_retryable(),
            _ => false,
        }
    }
}

/// Why an assignment failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssignErrorKind {
    /// No pool may serve the request.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The node owns as many blocks as it may. There is no borrowing then.
    #[error("cannot allocate new block due to per host block limit")]
    BlockLimit {
        /// The limit.
        limit: u32,
    },
    /// The node's blocks are full, and the configuration forbids new ones.
    #[error("failed to find or claim a block")]
    BlocksForbidden,
    /// The handle has as many addresses of the family as it may.
    #[error("the handle {handle} has {limit} addresses already, as many as it may")]
    HandleLimit {
        /// Its id.
        handle: String,
        /// The limit.
        limit: u32,
    },
    /// The node keeps addresses of its blocks for itself, and others could take them: affinity must be strict.
    #[error("global strict affinity should not be false for a node that reserves addresses of its blocks")]
    StrictRequired,
    /// Fewer addresses than requested; only from [`assign_all`](crate::Allocator::assign_all), which kept none.
    #[error("failed to request IPv{} addresses: {}", .0.family.version(), .0)]
    Short(Shortfall),
    /// The address is in no enabled pool; only for a specific address.
    #[error("the provided IP address {address} is not in a configured pool")]
    NotInPool {
        /// The address.
        address: IpAddr,
    },
    /// The pool of the address is for other uses; only for a specific address.
    #[error("the pool {pool} of the provided IP address does not allow the use {intended}")]
    UseForbidden {
        /// Name of the pool.
        pool: String,
        /// The use.
        intended: Use,
    },
    /// The address is taken, or rests; only for a specific address.
    #[error("the address {address} is already assigned in its block")]
    AlreadyAssigned {
        /// The address.
        address: IpAddr,
    },
    /// The address is in a block of another size than its pool's blocks; only for a specific address.
    #[error("the block {cidr} of the address would overlap the block {existing}: release that first")]
    Overlaps {
        /// The block that was wanted.
        cidr: IpNet,
        /// The block that is there.
        existing: IpNet,
    },
    /// Affinity is strict and the block of the address belongs to another; only for a specific address.
    #[error("block host affinity does not match")]
    ForeignBlock {
        /// The block.
        cidr: IpNet,
        /// Its owner, if any.
        owner: Option<Affinity>,
    },
    /// The store or a record failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The assignment failed, and then its undoing did too: release by handle later.
    #[error("{first}; what was assigned could not be released")]
    NotUndone {
        /// Why the assignment failed.
        first: Box<Self>,
        /// Why the undoing failed.
        #[source]
        fault: Fault,
    },
}

/// A release that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// There is no such handle: nothing is held under it.
    #[error("the handle {handle} does not exist")]
    NotFound {
        /// Its id.
        handle: String,
    },
    /// The address was assigned at another sequence number: released and assigned again meanwhile. Nothing of its
    /// block was released.
    #[error("{address} was assigned at sequence number {found}, not {wanted}")]
    BadSequence {
        /// The address.
        address: IpAddr,
        /// What the request said.
        wanted: u64,
        /// What the block says.
        found: u64,
    },
    /// The address belongs to another handle. Nothing of its block was released.
    #[error("{address} belongs to the handle {found:?}, not {wanted:?}")]
    BadHandle {
        /// The address.
        address: IpAddr,
        /// What the request said.
        wanted: String,
        /// What the block says, empty for none.
        found: String,
    },
    /// The store or a record failed. What was released before it stays released.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for ReleaseError {
    fn from(error: StoreError) -> Self {
        Self::Fault(Fault::Store(error))
    }
}

/// A claim or release of a block that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AffinityError {
    /// The block belongs to another, or to nobody while addresses of it are in use.
    #[error("the block {cidr} belongs to {}", OwnerText(.owner.as_ref()))]
    Conflict {
        /// The block.
        cidr: IpNet,
        /// Its owner, if any.
        owner: Option<Affinity>,
    },
    /// The block has addresses in use, and the caller wanted an empty one. Nothing was changed.
    #[error("the block {cidr} is not empty")]
    NotEmpty {
        /// The block.
        cidr: IpNet,
    },
    /// The block was written since the caller read it. Nothing was changed.
    #[error("the block {cidr} has changed")]
    Changed {
        /// The block.
        cidr: IpNet,
    },
    /// The range is in no enabled pool, or smaller than a block of it.
    #[error("the requested range {range} is not in an enabled pool, or is smaller than a block of it")]
    NotInPool {
        /// The range.
        range: IpNet,
    },
    /// The range has more than 65,536 blocks: claim parts of it.
    #[error("{range} has too many blocks to claim at once")]
    TooManyBlocks {
        /// The range.
        range: IpNet,
    },
    /// A block of another size has addresses of it, from when its pool was cut otherwise.
    #[error("the block {cidr} would overlap the block {existing}: release that first")]
    Overlaps {
        /// The block that was wanted.
        cidr: IpNet,
        /// The block that is there.
        existing: IpNet,
    },
    /// There is neither affinity nor block.
    #[error("there is no affinity for the block {cidr}")]
    NotFound {
        /// The block.
        cidr: IpNet,
    },
    /// The store or a record failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for AffinityError {
    fn from(error: StoreError) -> Self {
        Self::Fault(Fault::Store(error))
    }
}

/// A look at the owner of an address, or a change of it, that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// The address is not assigned.
    #[error("{address} is not assigned")]
    NotAssigned {
        /// The address.
        address: IpAddr,
    },
    /// The address was released a short time ago, and is not assigned again yet.
    #[error("{address} rests since its release")]
    Rests {
        /// The address.
        address: IpAddr,
    },
    /// The address belongs to another handle.
    #[error("{address} belongs to the handle {found:?}, not {wanted:?}")]
    BadHandle {
        /// The address.
        address: IpAddr,
        /// What the caller said.
        wanted: String,
        /// What the block says, empty for none.
        found: String,
    },
    /// The owner is not the expected one.
    #[error("the owner of {address} is not the expected one, but {found:?}")]
    Unexpected {
        /// The address.
        address: IpAddr,
        /// Its attributes.
        found: BTreeMap<String, String>,
    },
    /// The store or a record failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A configuration that breaks a rule, or could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nodes could then neither claim blocks nor keep to their own.
    #[error("cannot disable strict affinity and the allocation of blocks at the same time")]
    NeitherStrictNorAutomatic,
    /// A limit of blocks has no effect on nodes that borrow.
    #[error("a limit of blocks per host requires strict affinity")]
    LimitWithoutStrict,
    /// The cool-down is not within 0 to 1200 seconds.
    #[error("a cool-down of {seconds} s is not within 0 to 1200 s")]
    Cooldown {
        /// What was wanted.
        seconds: i64,
    },
    /// The limit is negative.
    #[error("a limit of {limit} blocks per host is negative")]
    NegativeLimit {
        /// What was wanted.
        limit: i64,
    },
    /// The store or the record failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

struct OwnerText<'a>(Option<&'a Affinity>);

impl fmt::Display for OwnerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(owner) => owner.fmt(f),
            None => f.write_str("nobody"),
        }
    }
}
