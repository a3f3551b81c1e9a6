//! Block-affine IP address allocation over a compare-and-swap store.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod allocator;
mod assigned;
mod block;
#[cfg(feature = "std")]
mod blocking;
mod config;
mod error;
pub mod keys;
mod pool;
mod record;
mod report;
mod span;
mod store;
mod timestamp;

pub use allocator::{Allocator, HostReleased};
pub use assigned::{
    AddressRequest, AssignRequest, Assigned, FamilyAssigned, LOAD_BALANCER, Message, ReleaseRequest,
    Released, Shortfall,
};
pub use block::{Allocation, Attributes, Block, WINDOWS_RESERVED_HANDLE};
#[cfg(feature = "std")]
pub use blocking::block_on;
pub use config::{Config, DEFAULT_MAX_BLOCKS_PER_HOST};
pub use error::{AffinityError, AssignError, AssignErrorKind, Fault, PoolError, RecordError, ReleaseError};
pub use pool::{AssignmentMode, Pool, Use, View};
pub use record::{Affinity, AffinityState, BlockAffinity, ConfigRecord, Handle};
pub use report::{BlockUtilization, PoolUtilization, Utilization};
pub use span::Family;
#[cfg(feature = "std")]
pub use store::MemoryStore;
pub use store::{BoxFuture, DynStore, ErasedStore, ListOptions, Op, Revision, Store, StoreError, Versioned};
pub use timestamp::{ParseTimestampError, Timestamp};
