//! A node's own blocks, kept between assignments so that they need not be read again.

use alloc::collections::BTreeMap;

use ipnet::IpNet;

use super::Slot;
use crate::block::Block;
use crate::keys;
use crate::record::Affinity;
use crate::store::Revision;

/// A node's own blocks as they were last read or written: for a process that assigns again and again.
///
/// Nothing here is believed: a block is written only if nobody else has written it since, else it is read again. So a
/// copy may be as old as it likes, and there may be any number. With the blocks at hand, an assignment to a new handle
/// writes handle and block, and reads nothing.
///
/// # Example
///
/// ```
/// use core::time::Duration;
/// use tortie_ipam::{Allocator, AssignRequest, MemoryStore, OwnBlocks, Pool, Use, View, block_on};
///
/// let view = View::new([Pool::new("p", "10.65.0.0/16".parse()?)]);
/// let allocator = Allocator::new(MemoryStore::new());
/// let (now, mut own) = (Duration::from_secs(1_800_000_000), OwnBlocks::default());
/// for pod in 0..100 {
///     let request = AssignRequest::new(format!("net.{pod}"), "node-1", Use::Workload).v4(1);
///     block_on(allocator.auto_assign_from(&mut own, &request, &view, now))?;
/// }
/// assert_eq!(own.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OwnBlocks {
    owner: Option<Affinity>,
    blocks: BTreeMap<IpNet, (Revision, Block)>,
}

impl OwnBlocks {
    /// How many blocks are at hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether no block is at hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Forgets blocks of others than this owner.
    pub(super) fn of(&mut self, owner: &Affinity) {
        if self.owner.as_ref() != Some(owner) {
            self.blocks.clear();
            self.owner = Some(owner.clone());
        }
    }

    /// The blocks that may have a free address.
    pub(super) fn cidrs(&self) -> impl Iterator<Item = IpNet> {
        self.blocks.keys().copied()
    }

    /// A block, which is then no longer at hand.
    pub(super) fn take(&mut self, cidr: &IpNet) -> Option<Slot<Block>> {
        let (revision, block) = self.blocks.remove(cidr)?;
        Some(Slot { key: keys::block(cidr), revision: Some(revision), value: Some(block) })
    }

    pub(super) fn keep(&mut self, cidr: IpNet, slot: Slot<Block>) {
        if let (Some(revision), Some(block)) = (slot.revision, slot.value) {
            if block.affinity() == self.owner {
                self.blocks.insert(cidr, (revision, block));
            }
        }
    }
}
