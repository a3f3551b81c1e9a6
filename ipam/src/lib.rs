//! Block-affine allocation of IP addresses, over any store with compare-and-swap.
//!
//! For whoever builds a network agent or CNI plugin: many nodes take addresses from common pools, each from blocks of
//! its own, so that one route per block is enough. Records and keys are Calico's: the two may work on one store.
//!
//! # Example
//!
//! ```
//! use core::time::Duration;
//! use tortie_ipam::{Allocator, AssignRequest, Config, MemoryStore, Pool, Use, View, block_on};
//!
//! let view = View::new([
//!     Pool::new("v4", "10.65.0.0/16".parse()?),
//!     Pool::new("v6", "fd00:65::/64".parse()?),
//! ]);
//! let allocator = Allocator::new(MemoryStore::new());
//! let now = Duration::from_secs(1_800_000_000); // since the Unix epoch
//!
//! let request = AssignRequest::new("net.container-1", "node-1", Use::Workload).v4(1).v6(1);
//! let assigned = block_on(allocator.assign_all(&request, &view, now))?;
//! assert_eq!(assigned.v4.addresses[0].prefix_len(), 26); // that of the block
//! let released = block_on(allocator.release_by_handle("net.container-1", &Config::default(), now))?;
//! assert_eq!(released.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Model
//!
//! - A [`Pool`] is a range, cut into [`Block`]s of one size. A block belongs to one node (its [`Affinity`]) or nobody.
//! - A [`Handle`] names what is released together, such as a container's addresses.
//! - A node takes from its own blocks, then claims more, then borrows from others', in this order. What is freed is
//!   assigned again last.
//! - [`View`] is what the caller read beforehand: pools, configuration, reservations, labels. [`View::guards`] makes
//!   an assignment fail if they have changed since.
//!
//! # Guarantees
//!
//! - An address is never assigned twice, whoever dies when and whichever reply is lost: the tests explore every
//!   interleaving of small scenarios against the real code (`testing`, `tests/interleave.rs`).
//! - A confirmed affinity means that the block is its owner's. A handle never names less than its blocks say.
//! - On a store that [commits](Store::commit) several keys at once, handles are exact, and of two who are in each
//!   other's way one always gets through. On other stores a handle may name too much after a crash, which the next
//!   release by it mends, and two who fight over one handle or one block may both give up
//!   ([`Fault::TooManyRetries`]): the same call may then succeed later.
//! - [`Allocator::assign_all`] assigns all that is asked for or keeps none.
//! - No clock is read, nothing is spawned or logged. `no_std` with `alloc`; no unsafe code; no panic on any stored
//!   value; unknown fields of records survive.
//!
//! # Limits
//!
//! - A block has at most 2^16 addresses.
//! - The first assignment of a process that claims a block takes three operations, or seven on a store that cannot commit
//!   several keys; with the blocks at hand ([`OwnBlocks`]) it takes one, or two.
//! - Claiming a block lists the keys of all blocks of the family; borrowing reads them all, in pages of 256. So that
//!   all is full is said after at most six operations and those pages.
//! - A write that a store applies after it said that it failed can leak an address whose owner has already been
//!   released. [`LeakCollector`] finds it: some process of the cluster has to run one.
//!
//! # Features
//!
//! - `std` (default): [`MemoryStore`] and [`block_on`].
//! - `serde`: reports, settings and owners in serde formats; stored records need no feature.
//! - `testing`: `testing`, which explores the allocator under every interleaving, and proves a store of your own.
//!
//! MSRV 1.85.
//!
//! # Sources
//!
//! calico@87c15906f2 `libcalico-go/lib/ipam` and `libcalico-go/lib/backend/model`. README lists the deviations.

#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod allocator;
mod assigned;
mod audit;
mod block;
#[cfg(feature = "std")]
mod blocking;
mod config;
mod error;
pub mod keys;
mod leak;
mod mistake;
#[cfg(feature = "std")]
mod plan;
mod pool;
#[cfg(test)]
mod proof;
mod record;
mod report;
mod service;
mod span;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;

/// README's example, held as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use allocator::{Allocator, Assignment, Claimed, Expect, HostReleased, OwnBlocks, OwnerChange};
pub use assigned::{
    AddressRequest, AssignRequest, Assigned, FamilyAssigned, HostReserve, LOAD_BALANCER, Message,
    ReleaseRequest, Released, Shortfall,
};
pub use audit::{Audit, HandleLie, Problem, Tenant};
pub use block::{Allocation, Attributes, Block, WINDOWS_RESERVED_HANDLE};
#[cfg(feature = "std")]
pub use blocking::block_on;
pub use config::{Config, DEFAULT_MAX_BLOCKS_PER_HOST};
pub use error::{
    AffinityError, AssignError, AssignErrorKind, ConfigError, Fault, OwnerError, PoolError, RecordError,
    ReleaseError,
};
pub use leak::{Collected, Leak, LeakCollector, LeakScan, Standing};
#[cfg(feature = "_faults")]
#[doc(hidden)]
pub use mistake::Mistake;
#[cfg(feature = "std")]
pub use plan::{Figures, Plan, PlanError, Planner, SizePlan, skewed, uniform};
pub use pool::{AssignmentMode, Pool, Use, View};
pub use record::{Affinity, AffinityState, BlockAffinity, ConfigRecord, Handle};
pub use report::{BlockUtilization, PoolUtilization, Utilization};
pub use service::{
    IPV4_POOLS, IPV6_POOLS, LOAD_BALANCER_IPS, SERVICE_CLASS, Service, ServiceAddresses, ServiceError,
    ServiceMode,
};
pub use span::Family;
#[cfg(feature = "std")]
pub use store::MemoryStore;
pub use store::{BoxFuture, DynStore, ErasedStore, ListOptions, Op, Revision, Store, StoreError, Versioned};
pub use timestamp::{ParseTimestampError, Timestamp};
