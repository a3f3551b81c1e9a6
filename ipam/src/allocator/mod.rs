//! The allocator: blocks, affinities and handles over a store.

mod address;
mod affinity;
mod assign;
mod claim;
mod family;
mod job;
mod own;
mod owner;
mod range;
mod release;
mod search;
mod settings;
mod take;
mod upgrade;

use alloc::string::String;
use alloc::vec::Vec;

use ipnet::IpNet;

use crate::block::Block;
use crate::error::{Fault, RecordError};
use crate::keys;
use crate::record::{Affinity, BlockAffinity, Handle};
use crate::span::Family;
use crate::store::{ListOptions, Op, Revision, Store, StoreError, Versioned};

pub use affinity::HostReleased;
pub(crate) use affinity::ReleaseBlock;
pub use own::OwnBlocks;
pub use owner::{Assignment, Expect, OwnerChange};
pub use range::Claimed;

/// How often an operation that others keep disturbing is tried, unless the embedder says otherwise.
const MAX_TRIES: usize = 100;
/// How many blocks one list of values brings at most.
const PAGE: usize = 256;

/// Assigns and releases addresses.
///
/// Holds nothing but its store, so any number may work on one store, in any processes. No call reads a clock: `now` is
/// the time since the Unix epoch. Every future may be dropped at any await; what was done stays done, and the records
/// are then ones that every operation can resume from.
///
/// After a [`Fault`] the outcome of an assignment is not known: release by the handle, or use
/// [`assign_all`](Self::assign_all), which does.
#[derive(Clone, Debug)]
pub struct Allocator<S> {
    store: S,
    max_tries: usize,
    #[cfg(feature = "_faults")]
    pub(crate) mistake: Option<crate::mistake::Mistake>,
}

/// A key as it was read: what a write of it must expect, and the record there.
#[derive(Clone, Debug)]
pub(crate) struct Slot<T> {
    pub(crate) key: String,
    /// None: the key does not exist.
    pub(crate) revision: Option<Revision>,
    /// None: there is no such record; the key may still exist, with a record marked deleted.
    pub(crate) value: Option<T>,
}

impl<T> Slot<T> {
    /// A key that is not there.
    const fn absent(key: String) -> Self {
        Self { key, revision: None, value: None }
    }

    /// Writes the key as it was read.
    fn put(&self, value: Vec<u8>) -> Op {
        let key = self.key.clone();
        match self.revision {
            Some(revision) => Op::Update { key, value, revision },
            None => Op::Create { key, value },
        }
    }

    /// Deletes the key as it was read; `None` if there is nothing to delete.
    fn delete(&self) -> Option<Op> {
        self.revision.map(|revision| Op::Delete { key: self.key.clone(), revision })
    }
}

/// Operations that were not all done.
struct Stopped {
    /// How many were.
    done: usize,
    error: StoreError,
}

impl Stopped {
    /// The number done, if reading again and trying again is the answer; else the fault.
    fn retry(self) -> Result<usize, Fault> {
        if self.error.is_conflict() { Ok(self.done) } else { Err(Fault::Store(self.error)) }
    }
}

fn unreadable(key: &str) -> impl Fn(RecordError) -> Fault + use<'_> {
    move |source| Fault::Record { key: String::from(key), source }
}

impl<S: Store> Allocator<S> {
    /// An allocator on this store.
    pub const fn new(store: S) -> Self {
        Self {
            store,
            max_tries: MAX_TRIES,
            #[cfg(feature = "_faults")]
            mistake: None,
        }
    }

    /// Gives an operation up with [`Fault::TooManyRetries`] when others were faster this often. Default 100; 0 is 1.
    #[must_use]
    pub fn max_tries(mut self, tries: usize) -> Self {
        self.max_tries = tries.max(1);
        self
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    async fn slot<T>(
        &self,
        key: String,
        decode: impl FnOnce(&[u8]) -> Result<Option<T>, RecordError>,
    ) -> Result<Slot<T>, Fault> {
        match self.store.get(&key).await? {
            None => Ok(Slot { key, revision: None, value: None }),
            Some(found) => {
                let value = decode(&found.value).map_err(unreadable(&key))?;
                Ok(Slot { key, revision: Some(found.revision), value })
            }
        }
    }

    async fn block(&self, cidr: &IpNet) -> Result<Slot<Block>, Fault> {
        self.slot(keys::block(cidr), |value| decode_block(value, cidr)).await
    }

    async fn affinity(&self, owner: &Affinity, cidr: &IpNet) -> Result<Slot<BlockAffinity>, Fault> {
        self.slot(keys::affinity(owner, cidr), decode_affinity).await
    }

    async fn handle(&self, id: &str) -> Result<Slot<Handle>, Fault> {
        let decode =
            |value: &[u8]| Handle::decode(value).map(|handle| Some(handle).filter(|handle| !handle.deleted));
        self.slot(keys::handle(id), decode).await
    }

    /// The affinities of an owner, in the order of their keys. What cannot be read is left out.
    async fn affinities(
        &self,
        owner: &Affinity,
        family: Family,
    ) -> Result<Vec<(IpNet, Slot<BlockAffinity>)>, Fault> {
        let found = self.store.list(&keys::affinities(owner, family), &ListOptions::new()).await?;
        let read = |item: Versioned| {
            let Some(keys::Key::Affinity(_, cidr)) = keys::Key::parse(&item.key) else { return None };
            let value = Some(decode_affinity(&item.value).ok()??);
            Some((cidr, Slot { key: item.key, revision: Some(item.revision), value }))
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// The CIDRs of all blocks of a family.
    async fn block_cidrs(&self, family: Family) -> Result<Vec<IpNet>, Fault> {
        let found = self.store.list(&keys::blocks(family), &ListOptions::new().keys_only()).await?;
        let read = |item: &Versioned| match keys::Key::parse(&item.key) {
            Some(keys::Key::Block(cidr)) => Some(cidr),
            _ => None,
        };
        Ok(found.iter().filter_map(read).collect())
    }

    /// Reads all blocks of a family, a page at a time. What cannot be read is left out.
    pub(crate) async fn scan(
        &self,
        family: Family,
        mut each: impl FnMut(IpNet, Slot<Block>) + Send,
    ) -> Result<(), Fault> {
        let prefix = keys::blocks(family);
        let mut options = ListOptions::new().limit(PAGE);
        loop {
            let page = self.store.list(&prefix, &options).await?;
            let Some(last) = page.last() else { return Ok(()) };
            options = options.after(last.key.clone());
            let whole = page.len() < PAGE;
            for item in page {
                let Some(keys::Key::Block(cidr)) = keys::Key::parse(&item.key) else { continue };
                if let Ok(value @ Some(_)) = decode_block(&item.value, &cidr) {
                    each(cidr, Slot { key: item.key, revision: Some(item.revision), value });
                }
            }
            if whole {
                return Ok(());
            }
        }
    }

    /// Writes a block that was read and changed, or deletes it if it is nobody's and empty; false if it has changed since.
    pub(crate) async fn write_back(&self, mut slot: Slot<Block>) -> Result<bool, Fault> {
        let Some(mut block) = slot.value.take() else { return Ok(false) };
        block.bump();
        let nobodys = block.affinity().is_none() && block.is_empty();
        let op = if nobodys { slot.delete() } else { None };
        match self.apply(&[op.unwrap_or_else(|| slot.put(block.encode()))]).await {
            Ok(_) => Ok(true),
            Err(stopped) => stopped.retry().map(|_| false),
        }
    }

    /// Does the operations at once where the store can, else in order. Gives the revision of each (`None` for deletes
    /// and checks).
    ///
    /// Callers order them such that stopping after any of them is safe.
    async fn apply(&self, ops: &[Op]) -> Result<Vec<Option<Revision>>, Stopped> {
        if ops.len() > 1 {
            match self.store.commit(ops).await {
                Err(StoreError::Unsupported) => {}
                Err(error) => return Err(Stopped { done: 0, error }),
                Ok(revision) => {
                    let written =
                        |op: &Op| matches!(op, Op::Create { .. } | Op::Update { .. }).then_some(revision);
                    return Ok(ops.iter().map(written).collect());
                }
            }
        }
        let mut revisions = Vec::with_capacity(ops.len());
        for (done, op) in ops.iter().enumerate() {
            let result = match op {
                Op::Create { key, value } => self.store.create(key, value).await.map(Some),
                Op::Update { key, value, revision } => {
                    self.store.update(key, value, *revision).await.map(Some)
                }
                Op::Delete { key, revision } => self.store.delete(key, *revision).await.map(|()| None),
                Op::Check { key, revision } => match self.store.get(key).await {
                    Ok(found) if found.as_ref().map(|found| found.revision) == *revision => Ok(None),
                    Ok(_) => Err(StoreError::Conflict),
                    Err(error) => Err(error),
                },
            };
            revisions.push(result.map_err(|error| Stopped { done, error })?);
        }
        Ok(revisions)
    }
}

fn decode_affinity(value: &[u8]) -> Result<Option<BlockAffinity>, RecordError> {
    BlockAffinity::decode(value).map(|affinity| Some(affinity).filter(|affinity| !affinity.deleted))
}

fn decode_block(value: &[u8], cidr: &IpNet) -> Result<Option<Block>, RecordError> {
    let block = Block::decode(value)?;
    if block.cidr() != *cidr {
        return Err(RecordError::new("block", &alloc::format!("{} stored as {cidr}", block.cidr())));
    }
    Ok(Some(block).filter(|block| !block.is_deleted()))
}

/// Checks a host name or handle id.
fn name(name: &str) -> Result<(), Fault> {
    if keys::is_segment(name) { Ok(()) } else { Err(Fault::InvalidName { name: String::from(name) }) }
}
