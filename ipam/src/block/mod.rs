//! The block: some addresses, who has which, and which to give out next.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::error::RecordError;
use crate::record::Affinity;
use crate::span::{Family, number};
use crate::timestamp::Timestamp;

mod attributes;
mod change;
mod json;
mod read;
mod repair;
mod sequences;
mod write;

pub use attributes::Attributes;
use attributes::{Entries, Entry};
use json::Stored;
use sequences::Sequences;

/// A block has at most 2 to this power addresses.
pub(crate) const MAX_HOST_BITS: u8 = 16;

/// The handle of addresses that Windows keeps for itself; a block with no others counts as empty.
pub const WINDOWS_RESERVED_HANDLE: &str = "windows-reserved-ipam-handle";

/// An address of a block that is in use, or rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocation<'a> {
    /// The address.
    pub address: IpAddr,
    /// Its place in the block, from 0.
    pub ordinal: u32,
    /// The block's sequence number when it was assigned.
    pub sequence: Option<u64>,
    entry: &'a Entry,
}

impl<'a> Allocation<'a> {
    /// Released, but not to be assigned yet.
    #[must_use]
    pub const fn rests(&self) -> bool {
        self.entry.released_at.is_some()
    }

    /// The handle that it is released by, without what old versions wrote behind a carriage return.
    #[must_use]
    pub fn handle(&self) -> Option<&'a str> {
        self.entry.handle()
    }

    /// What is remembered of the owner. Reads JSON each time that it is called.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        self.entry.attributes()
    }

    /// Its node keeps it for itself, as Windows does.
    pub(crate) fn is_windows_reserved(&self) -> bool {
        self.entry.is_windows_reserved()
    }
}

/// A block of addresses.
///
/// JSON is that of calico@87c15906f2 libcalico-go/lib/backend/model/block.go. A block that was read is sound: each
/// ordinal is either allocated, with attributes that exist, or once in the queue of free ones.
///
/// Reading repairs a block that is not: attributes that do not exist become empty ones, an ordinal both allocated and
/// free is allocated, one that is neither is free. Writing stores the repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Without host bits.
    cidr: IpNet,
    affinity: Option<String>,
    claimed_at: Option<Timestamp>,
    allocations: Vec<Option<u32>>,
    unallocated: Vec<u32>,
    attributes: Entries,
    sequence: u64,
    sequences: Sequences,
    deleted: bool,
    host_affinity: Option<String>,
    extra: Map<String, Value>,
}

impl Block {
    /// An empty block, claimed now; `None` if it would have more than 2^16 addresses.
    ///
    /// All addresses are free, first and last too. Sequence numbers begin at the nanoseconds of `now`, so that those
    /// of an earlier block of the same CIDR do not come again.
    #[must_use]
    pub fn new(cidr: IpNet, owner: &Affinity, now: Duration) -> Option<Self> {
        let capacity = capacity(&cidr)?;
        Some(Self {
            cidr: cidr.trunc(),
            affinity: Some(owner.to_string()),
            claimed_at: Some(Timestamp::from_secs_of(now)),
            allocations: alloc::vec![None; usize::try_from(capacity).ok()?],
            unallocated: (0..capacity).collect(),
            attributes: Entries::new(None),
            sequence: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            sequences: Sequences::default(),
            deleted: false,
            host_affinity: None,
            extra: Map::new(),
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`RecordError`] if it is not such JSON, has more than 2^16 addresses, or not one allocation for each.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        // To check the text at once is quicker than string by string.
        let text = core::str::from_utf8(value).map_err(|error| RecordError::new("block", &error))?;
        let stored = match read::read(text) {
            Some(stored) => stored,
            None => serde_json::from_str(text).map_err(|error| RecordError::new("block", &error))?,
        };
        let mut block = Self::of(stored).ok_or_else(|| RecordError::new("block", &"missing field `cidr`"))?;
        let capacity = capacity(&block.cidr)
            .ok_or_else(|| RecordError::new("block", &format!("{} has too many addresses", block.cidr)))?;
        if usize::try_from(capacity) != Ok(block.allocations.len()) {
            let reason = format!("{} has {} allocations", block.cidr, block.allocations.len());
            return Err(RecordError::new("block", &reason));
        }
        block.repair();
        Ok(block)
    }

    /// Takes stored fields over; they may still contradict each other.
    fn of(stored: Stored) -> Option<Self> {
        Some(Self {
            cidr: stored.cidr?,
            affinity: stored.affinity,
            claimed_at: stored.claimed_at,
            allocations: stored.allocations,
            unallocated: stored.unallocated,
            attributes: Entries::new(stored.attributes),
            sequence: stored.sequence,
            sequences: stored.sequences,
            deleted: stored.deleted,
            host_affinity: stored.host_affinity,
            extra: stored.extra,
        })
    }

    /// What a stored value says that contradicts itself, and that reading it repairs; `None` if it cannot be read.
    pub(crate) fn contradictions(value: &[u8]) -> Option<Vec<&'static str>> {
        serde_json::from_slice::<Stored>(value).ok().map(|stored| stored.contradictions())
    }

    /// Its addresses.
    #[must_use]
    pub const fn cidr(&self) -> IpNet {
        self.cidr
    }

    /// Whose it is, if anybody's. A text of another form is nobody's.
    #[must_use]
    pub fn affinity(&self) -> Option<Affinity> {
        self.affinity.as_deref().and_then(Affinity::parse)
    }

    /// Since when it is theirs (time since the Unix epoch, whole seconds).
    #[must_use]
    pub fn claimed_at(&self) -> Option<Duration> {
        self.claimed_at.map(Timestamp::since_epoch)
    }

    /// The record counts as absent: it is being deleted from a store without compare-and-delete.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The number of writes so far, counted from the nanoseconds of its creation.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many addresses it has.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        capacity(&self.cidr).unwrap_or(0)
    }

    /// How many addresses are free; those that rest are not.
    #[must_use]
    pub fn free(&self) -> u32 {
        u32::try_from(self.unallocated.len()).unwrap_or(u32::MAX)
    }

    /// The free addresses, in the order in which they will be assigned.
    pub fn free_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.unallocated.iter().filter_map(|ordinal| self.address(*ordinal))
    }

    /// Whether no address is in use or rests, but those that Windows keeps for itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.iter().all(Entry::is_windows_reserved)
    }

    /// The addresses in use and at rest, in ascending order.
    pub fn allocations(&self) -> impl Iterator<Item = Allocation<'_>> {
        (0u32..).zip(&self.allocations).filter_map(|(ordinal, index)| self.made((*index)?, ordinal))
    }

    /// What is known of an address; `None` if it is free or of another block.
    #[must_use]
    pub fn allocation(&self, address: IpAddr) -> Option<Allocation<'_>> {
        let ordinal = self.ordinal(address)?;
        self.made(self.index(ordinal)?, ordinal)
    }

    /// The attributes that an ordinal has.
    fn index(&self, ordinal: u32) -> Option<u32> {
        *self.allocations.get(usize::try_from(ordinal).ok()?)?
    }

    /// The allocation of an ordinal that has these attributes.
    fn made(&self, index: u32, ordinal: u32) -> Option<Allocation<'_>> {
        let (entry, sequence) = (self.attributes.get(index)?, self.sequences.get(ordinal));
        Some(Allocation { address: self.address(ordinal)?, ordinal, sequence, entry })
    }

    /// The place of an address, from 0; `None` if it is of another block.
    #[must_use]
    pub fn ordinal(&self, address: IpAddr) -> Option<u32> {
        self.cidr.contains(&address).then(|| number(address) - number(self.cidr.addr()))?.try_into().ok()
    }

    /// The address at a place.
    #[must_use]
    pub fn address(&self, ordinal: u32) -> Option<IpAddr> {
        let inside = ordinal < self.capacity();
        let number = number(self.cidr.addr()).checked_add(u128::from(ordinal));
        number.filter(|_| inside).and_then(|number| Family::of(&self.cidr).addr(number))
    }

    /// Whether an address is of this block and free.
    pub(crate) fn is_free(&self, address: IpAddr) -> bool {
        self.ordinal(address).is_some_and(|ordinal| self.unallocated.contains(&ordinal))
    }

    /// The addresses in use by a handle.
    pub fn held_by(&self, handle: &str) -> impl Iterator<Item = Allocation<'_>> {
        let theirs: Vec<u32> = (0u32..)
            .zip(self.attributes.iter())
            .filter_map(|(index, entry)| (entry.handle() == Some(handle)).then_some(index))
            .collect();
        (0u32..).zip(&self.allocations).filter_map(move |(ordinal, index)| {
            let index = (*index).filter(|index| theirs.contains(index))?;
            self.made(index, ordinal)
        })
    }

    /// Counts a write; call just before it.
    pub(crate) const fn bump(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Makes it nobody's.
    pub(crate) fn disown(&mut self) {
        self.affinity = None;
        self.claimed_at = None;
    }
}

/// How many addresses a block has; `None` if too many.
fn capacity(cidr: &IpNet) -> Option<u32> {
    let host_bits = Family::of(cidr).bits() - cidr.prefix_len();
    (host_bits <= MAX_HOST_BITS).then(|| 1u32 << host_bits)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
