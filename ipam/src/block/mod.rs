//! The block: some addresses, who has which, and which to give out next.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::error::RecordError;
use crate::record::{Affinity, encode, null_is_default};
use crate::span::{Family, Spans, number, range};
use crate::timestamp::Timestamp;

/// A block has at most 2 to this power addresses.
pub(crate) const MAX_HOST_BITS: u8 = 16;

/// The handle of addresses that Windows keeps for itself; a block with no others counts as empty.
pub const WINDOWS_RESERVED_HANDLE: &str = "windows-reserved-ipam-handle";

/// What is remembered of the owner of some addresses of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attributes {
    /// The handle that they are released by.
    #[serde(default)]
    pub handle_id: Option<String>,
    /// What the assigner said of the owner.
    #[serde(default, rename = "secondary", deserialize_with = "null_is_default")]
    pub active_owner: BTreeMap<String, String>,
    /// A second owner, while a virtual machine migrates; kept, not used by this crate.
    #[serde(default, rename = "alternateOwnerAttrs", skip_serializing_if = "Option::is_none")]
    pub alternate_owner: Option<BTreeMap<String, String>>,
    /// When they were released, if they rest.
    #[serde(default, rename = "releasedAt", skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Attributes {
    /// The handle, without what old versions wrote behind a carriage return.
    #[must_use]
    pub fn handle(&self) -> Option<&str> {
        self.handle_id.as_deref().map(|handle| handle.split('\r').next().unwrap_or(handle))
    }

    fn is_windows_reserved(&self) -> bool {
        self.handle_id.as_deref().is_some_and(|handle| handle.eq_ignore_ascii_case(WINDOWS_RESERVED_HANDLE))
    }
}

/// An address of a block that is in use, or rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocation<'a> {
    /// The address.
    pub address: IpAddr,
    /// Its place in the block, from 0.
    pub ordinal: u32,
    /// What is remembered of the owner.
    pub attributes: &'a Attributes,
    /// The block's sequence number when it was assigned.
    pub sequence: Option<u64>,
}

impl Allocation<'_> {
    /// Released, but not to be assigned yet.
    #[must_use]
    pub const fn rests(&self) -> bool {
        self.attributes.released_at.is_some()
    }
}

fn cidr_text<S: Serializer>(cidr: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cidr)
}

fn text_cidr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<IpNet>().map(|cidr| cidr.trunc()).map_err(de::Error::custom)
}

/// A block of addresses.
///
/// JSON is that of calico@87c15906f2 libcalico-go/lib/backend/model/block.go. A block that was read is sound: each
/// ordinal is either allocated, with attributes that exist, or once in the queue of free ones.
///
/// Reading repairs a block that is not: attributes that do not exist become empty ones, an ordinal both allocated and
/// free is allocated, one that is neither is free. Writing stores the repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    #[serde(serialize_with = "cidr_text", deserialize_with = "text_cidr")]
    cidr: IpNet,
    #[serde(default)]
    affinity: Option<String>,
    #[serde(default, rename = "affinity_claim_time", skip_serializing_if = "Option::is_none")]
    claimed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "null_is_default")]
    allocations: Vec<Option<u32>>,
    #[serde(default, deserialize_with = "null_is_default")]
    unallocated: Vec<u32>,
    #[serde(default, deserialize_with = "null_is_default")]
    attributes: Vec<Attributes>,
    #[serde(default, rename = "sequenceNumber", deserialize_with = "null_is_default")]
    sequence: u64,
    #[serde(default, rename = "sequenceNumberForAllocation", deserialize_with = "null_is_default")]
    sequences: BTreeMap<String, u64>,
    #[serde(default, deserialize_with = "null_is_default")]
    deleted: bool,
    #[serde(default, rename = "hostAffinity", skip_serializing_if = "Option::is_none")]
    host_affinity: Option<String>,
    #[serde(flatten)]
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
            attributes: Vec::new(),
            sequence: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            sequences: BTreeMap::new(),
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
        let mut block: Self =
            serde_json::from_slice(value).map_err(|error| RecordError::new("block", &error))?;
        let capacity = capacity(&block.cidr)
            .ok_or_else(|| RecordError::new("block", &format!("{} has too many addresses", block.cidr)))?;
        if usize::try_from(capacity) != Ok(block.allocations.len()) {
            let reason = format!("{} has {} allocations", block.cidr, block.allocations.len());
            return Err(RecordError::new("block", &reason));
        }
        block.repair();
        Ok(block)
    }

    fn repair(&mut self) {
        if let (None, Some(host)) = (&self.affinity, self.host_affinity.take()) {
            self.affinity = Some(Affinity::Host(host).to_string());
        }
        let known = self.attributes.len();
        let dangles = |index: &u32| usize::try_from(*index).map_or(true, |index| index >= known);
        if self.allocations.iter().flatten().any(dangles) {
            let empty = self.attribute(Attributes::default());
            for index in self.allocations.iter_mut().flatten() {
                if usize::try_from(*index).map_or(true, |index| index >= known) {
                    *index = empty;
                }
            }
        }
        let mut free: Vec<bool> = self.allocations.iter().map(Option::is_none).collect();
        self.unallocated.retain(|ordinal| {
            let slot = usize::try_from(*ordinal).ok().and_then(|at| free.get_mut(at));
            slot.is_some_and(core::mem::take)
        });
        self.unallocated.extend((0u32..).zip(free).filter(|(_, lost)| *lost).map(|(ordinal, _)| ordinal));
    }

    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
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
        self.allocations().all(|allocation| allocation.attributes.is_windows_reserved())
    }

    /// The addresses in use and at rest, in ascending order.
    pub fn allocations(&self) -> impl Iterator<Item = Allocation<'_>> {
        (0u32..).zip(&self.allocations).filter_map(|(ordinal, index)| {
            let attributes = self.attributes.get(usize::try_from((*index)?).ok()?)?;
            let sequence = self.sequences.get(&ordinal.to_string()).copied();
            Some(Allocation { address: self.address(ordinal)?, ordinal, attributes, sequence })
        })
    }

    /// What is known of an address; `None` if it is free or of another block.
    #[must_use]
    pub fn allocation(&self, address: IpAddr) -> Option<Allocation<'_>> {
        let ordinal = self.ordinal(address)?;
        let index = (*self.allocations.get(usize::try_from(ordinal).ok()?)?)?;
        let attributes = self.attributes.get(usize::try_from(index).ok()?)?;
        let sequence = self.sequences.get(&ordinal.to_string()).copied();
        Some(Allocation { address, ordinal, attributes, sequence })
    }

    /// The place of an address, from 0; `None` if it is of another block.
    #[must_use]
    pub fn ordinal(&self, address: IpAddr) -> Option<u32> {
        self.cidr.contains(&address).then(|| number(address) - range(&self.cidr).0)?.try_into().ok()
    }

    /// The address at a place.
    #[must_use]
    pub fn address(&self, ordinal: u32) -> Option<IpAddr> {
        let inside = ordinal < self.capacity();
        let number = range(&self.cidr).0.checked_add(u128::from(ordinal));
        number.filter(|_| inside).and_then(|number| Family::of(&self.cidr).addr(number))
    }

    /// The addresses in use by a handle.
    pub fn held_by(&self, handle: &str) -> impl Iterator<Item = Allocation<'_>> {
        self.allocations().filter(move |allocation| allocation.attributes.handle() == Some(handle))
    }

    /// The index of these attributes, added if they are new.
    fn attribute(&mut self, attributes: Attributes) -> u32 {
        let found = self.attributes.iter().position(|known| *known == attributes);
        let index = found.unwrap_or_else(|| {
            self.attributes.push(attributes);
            self.attributes.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn allocate(&mut self, ordinal: u32, attributes: u32) {
        if let Some(slot) = usize::try_from(ordinal).ok().and_then(|at| self.allocations.get_mut(at)) {
            *slot = Some(attributes);
            self.sequences.insert(ordinal.to_string(), self.sequence);
        }
    }

    /// Assigns up to `num` free addresses, those that are free longest first. Reserved ones keep their place.
    pub(crate) fn assign(
        &mut self,
        num: usize,
        handle: &str,
        owner: &BTreeMap<String, String>,
        reserved: &Spans,
    ) -> Vec<IpAddr> {
        let mut taken = Vec::new();
        let mut left = Vec::with_capacity(self.unallocated.len());
        for ordinal in core::mem::take(&mut self.unallocated) {
            match self.address(ordinal) {
                Some(address) if taken.len() < num && !reserved.contains(number(address)) => {
                    taken.push((ordinal, address));
                }
                _ => left.push(ordinal),
            }
        }
        self.unallocated = left;
        if !taken.is_empty() {
            let index = self.attribute(held(handle, owner));
            for (ordinal, _) in &taken {
                self.allocate(*ordinal, index);
            }
        }
        taken.into_iter().map(|(_, address)| address).collect()
    }

    /// Assigns one address, reserved or not; false if it is not free.
    pub(crate) fn assign_address(
        &mut self,
        address: IpAddr,
        handle: &str,
        owner: &BTreeMap<String, String>,
    ) -> bool {
        let ordinal = self.ordinal(address);
        let Some(at) = self.unallocated.iter().position(|free| Some(*free) == ordinal) else { return false };
        let ordinal = self.unallocated.remove(at);
        let index = self.attribute(held(handle, owner));
        self.allocate(ordinal, index);
        true
    }

    /// Releases ordinals that are in use: they rest for `cooldown`, then are free.
    pub(crate) fn release(&mut self, ordinals: &[u32], now: Duration, cooldown: Duration) {
        let released_at = Some(Timestamp::from_secs_of(now));
        let resting = self.attribute(Attributes { released_at, ..Attributes::default() });
        for ordinal in ordinals {
            self.allocate(*ordinal, resting);
        }
        self.collect(now, cooldown);
    }

    /// Frees the addresses that have rested for more than `cooldown`, and forgets attributes that nobody has.
    ///
    /// They join the end of the queue in the order of their release. Stored moments are whole seconds, rounded down;
    /// so are those compared, and no address rests for less than it should.
    pub fn collect(&mut self, now: Duration, cooldown: Duration) {
        let rested = |released: Duration| {
            cooldown.is_zero() || now.as_secs() > released.as_secs().saturating_add(cooldown.as_secs())
        };
        let mut freed: Vec<(Duration, u32)> = self
            .allocations()
            .filter_map(|allocation| {
                let released = allocation.attributes.released_at?.since_epoch();
                rested(released).then_some((released, allocation.ordinal))
            })
            .collect();
        freed.sort_unstable();
        for (_, ordinal) in freed {
            if let Some(slot) = usize::try_from(ordinal).ok().and_then(|at| self.allocations.get_mut(at)) {
                *slot = None;
                self.sequences.remove(&ordinal.to_string());
                self.unallocated.push(ordinal);
            }
        }
        self.compact();
    }

    /// Forgets attributes that no address has, and renumbers the rest.
    fn compact(&mut self) {
        let mut renumbered: Vec<Option<u32>> = alloc::vec![None; self.attributes.len()];
        for index in self.allocations.iter().flatten() {
            if let Some(used) = usize::try_from(*index).ok().and_then(|at| renumbered.get_mut(at)) {
                *used = Some(0);
            }
        }
        for (next, used) in (0u32..).zip(renumbered.iter_mut().flatten()) {
            *used = next;
        }
        let mut used = renumbered.iter().map(Option::is_some);
        self.attributes.retain(|_| used.next().unwrap_or(false));
        for slot in &mut self.allocations {
            *slot = slot.and_then(|index| renumbered.get(usize::try_from(index).ok()?).copied().flatten());
        }
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

fn held(handle: &str, owner: &BTreeMap<String, String>) -> Attributes {
    Attributes { handle_id: Some(String::from(handle)), active_owner: owner.clone(), ..Attributes::default() }
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
