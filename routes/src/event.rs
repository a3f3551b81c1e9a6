//! What the reconciler is told, and what it tells.

use alloc::vec::Vec;

use crate::entry::Entry;
use crate::error::Errno;
use crate::link::LinkState;
use crate::number::{Family, Protocol, Table};
use crate::route::Key;

/// News from the kernel, in the order in which they happened there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A link is new or has changed (`RTM_NEWLINK`).
    LinkSet(LinkState),
    /// A link is gone (`RTM_DELLINK`).
    LinkGone {
        /// Its index.
        index: u32,
    },
    /// An entry was added (`RTM_NEWROUTE`).
    RouteSet {
        /// The entry.
        entry: Entry,
        /// Whether it took the place of another (`NLM_F_REPLACE`).
        replaced: bool,
    },
    /// An entry was removed (`RTM_DELROUTE`).
    RouteGone {
        /// The entry.
        entry: Entry,
    },
    /// News were lost (`ENOBUFS`), or not understood: everything must be looked at again.
    Overrun,
}

/// Something to be read from the kernel as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scan {
    /// All links.
    Links,
    /// All routes of one family in one table.
    Routes {
        /// The family.
        family: Family,
        /// The table.
        table: Table,
    },
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) content: Content,
    pub(crate) interrupted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Links(Vec<LinkState>),
    Routes(Vec<Entry>),
}

impl Snapshot {
    /// All links.
    #[must_use]
    pub const fn links(links: Vec<LinkState>) -> Self {
        Self { content: Content::Links(links), interrupted: false }
    }

    /// All routes of the family and table that were asked for. An absent table is an empty one.
    #[must_use]
    pub const fn routes(entries: Vec<Entry>) -> Self {
        Self { content: Content::Routes(entries), interrupted: false }
    }

    /// The routes that were found; none in a snapshot of links.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Routes(entries) => entries,
            Content::Links(_) => &[],
        }
    }

    /// Whether [`Snapshot::interrupted`] was said.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// The kernel's list changed while it was read (`NLM_F_DUMP_INTR`), or part of it was not understood: what is in
    /// the snapshot was there, what is not may have been. The scan will be repeated.
    #[must_use]
    pub const fn interrupted(mut self) -> Self {
        self.interrupted = true;
        self
    }
}

/// Something that whoever runs the reconciler may want to log or to report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A foreign route holds the key of a desired route, which therefore is not in the kernel.
    Conflict {
        /// The key.
        key: Key,
        /// Who wrote the foreign route.
        protocol: Protocol,
    },
    /// A conflict is over.
    ConflictEnded {
        /// The key.
        key: Key,
    },
    /// The kernel refused an operation. It will be tried again; the same refusal of the same key is told once.
    Refused {
        /// The key.
        key: Key,
        /// Why.
        errno: Errno,
    },
    /// Somebody else keeps changing a key of ours; it is repaired with growing pauses.
    Fight {
        /// The key.
        key: Key,
        /// How often in a row it was changed.
        times: u32,
    },
}

/// What a reconciler has done since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Operations handed out that create an entry.
    pub creates: u64,
    /// Operations handed out that replace an entry.
    pub replaces: u64,
    /// Operations handed out that delete an entry.
    pub deletes: u64,
    /// Operations that the kernel refused, "already gone" not counted.
    pub refusals: u64,
    /// Operations whose outcome was not learnt.
    pub lost_results: u64,
    /// Changes that others made to our keys.
    pub outside_changes: u64,
    /// Scans that were completed.
    pub scans: u64,
    /// Scans of these that the kernel interrupted.
    pub interrupted_scans: u64,
    /// Scans that failed.
    pub failed_scans: u64,
    /// [`Event::Overrun`]s.
    pub overruns: u64,
    /// Notices that nobody fetched in time.
    pub dropped_notices: u64,
    /// Desired routes.
    pub desired: usize,
    /// Keys with entries in the kernel, ours and others'.
    pub held: usize,
    /// Desired routes that a foreign route keeps out.
    pub conflicts: usize,
}

/// How a key of the desired set fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It is not desired.
    Undesired,
    /// The kernel holds it as desired, by all that is known.
    InPlace,
    /// It is being written, or waits for its turn or for a scan.
    Pending,
    /// Its interface is missing or down.
    Blocked,
    /// A foreign route of this protocol holds the key.
    Conflict(Protocol),
}
