//! The allocator under every interleaving, crash and lost reply; and a proof kit for stores.
//!
//! A [`Scenario`] is some nodes with commands on one store. [`Scenario::explore`] runs the real code of
//! [`Allocator`](crate::Allocator) and visits every state that may come of it: at each store operation any node may go
//! next, any may die and come back with nothing in memory, and any reply may be lost, as far as the [`Budget`] allows.
//! In every state must hold, among others:
//!
//! - no address has two owners, and no block two confirmed ones;
//! - every address is found from its handle, and a pod that runs holds its address;
//! - nothing reserved is assigned, and nothing borrowed where affinity is strict;
//! - once a pool is disabled, nobody who guards it gets an address of it;
//! - at the end nothing is leaked; every affinity heals; and when all handles and nodes are released, no record is left.
//!
//! [`prove_store`] holds a store of your own against the contract of [`Store`](crate::Store), and then makes it go
//! every way of small scenarios, operation by operation.
//!
//! # Example
//!
//! ```
//! use tortie_ipam::testing::{Budget, Command, Node, Scenario};
//! use tortie_ipam::{Pool, View};
//!
//! let view = View::new([Pool::new("p", "10.0.0.0/29".parse()?).block_len(30)]);
//! let pod = |handle: &str| [Command::Add(handle.into()), Command::Del(handle.into())];
//! let nodes = [Node::new("a", pod("a1")), Node::new("b", pod("b1"))];
//! let crash = Budget { crashes: 1, ..Budget::default() };
//! let explored = Scenario::new(view, nodes).budget(crash).explore()?;
//! assert!(explored.complete && explored.states > 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "for tests: what cannot be is a defect of the kit, and must be loud"
)]

mod explore;
mod hash;
mod prove;
mod rules;
mod run;
mod scenario;
mod store;
mod task;

use core::fmt;

pub use prove::{Proof, prove_store};
pub use scenario::{Command, Node, Scenario};

/// How much may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "scenarios are written with literals, the rest by default")]
pub struct Budget {
    /// Programs that die, between any two operations, and start again.
    pub crashes: u8,
    /// Operations whose reply is lost, applied or not.
    pub losses: u8,
    /// Operations whose reply is lost, and that are applied at any time later.
    pub delays: u8,
    /// Reads that do not see the last write, as from a cache that lags. A store must not do this; that nothing is
    /// assigned twice holds all the same.
    pub stale: u8,
    /// How often another program goes on while the one that went last could; `None` (default) is as often as it likes.
    pub switches: Option<u8>,
    /// For [`Scenario::walk`]: something goes wrong every so many steps, roughly. Default (0) is often.
    pub rarity: u8,
}

/// A defect of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// It does not look at revisions.
    IgnoresRevisions,
    /// The revisions of a key begin anew when it was deleted.
    RevisionsRecur,
}

/// What was explored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Ways into them.
    pub steps: usize,
    /// States in which nothing more can happen.
    pub ends: usize,
    /// Different histories of one program.
    pub histories: usize,
    /// All states were visited, not only as many as allowed.
    pub complete: bool,
}

/// Something that does not hold, and the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// What.
    pub what: String,
    /// The steps: which program, what it asked, what it was told.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.trace.iter().try_for_each(|step| write!(f, "\n  {step}"))
    }
}

impl core::error::Error for Violation {}
