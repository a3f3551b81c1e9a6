//! The block: some addresses, who has which, and which to give out next.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::assigned::HostReserve;
use crate::error::RecordError;
use crate::record::{Affinity, encode};
use crate::span::{Family, Spans, number, range};
use crate::timestamp::Timestamp;

mod json;

use json::{Sequences, Stored};

/// A block has at most 2 to this power addresses.
pub(crate) const MAX_HOST_BITS: u8 = 16;

/// The handle of addresses that Windows keeps for itself; a block with no others counts as empty.
pub const WINDOWS_RESERVED_HANDLE: &str = "windows-reserved-ipam-handle";

/// What is remembered of the owner of some addresses of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attributes {
    /// The handle that they are released by.
    pub handle_id: Option<String>,
    /// What the assigner said of the owner.
    #[serde(rename = "secondary")]
    pub active_owner: BTreeMap<String, String>,
    /// A second owner, while a virtual machine migrates; kept, not used by this crate.
    #[serde(rename = "alternateOwnerAttrs", skip_serializing_if = "Option::is_none")]
    pub alternate_owner: Option<BTreeMap<String, String>>,
    /// When they were released, if they rest.
    #[serde(rename = "releasedAt", skip_serializing_if = "Option::is_none")]
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

    pub(crate) fn is_windows_reserved(&self) -> bool {
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

/// A block of addresses.
///
/// JSON is that of calico@87c15906f2 libcalico-go/lib/backend/model/block.go. A block that was read is sound: each
/// ordinal is either allocated, with attributes that exist, or once in the queue of free ones.
///
/// Reading repairs a block that is not: attributes that do not exist become empty ones, an ordinal both allocated and
/// free is allocated, one that is neither is free. Writing stores the repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    #[serde(serialize_with = "cidr_text")]
    cidr: IpNet,
    affinity: Option<String>,
    #[serde(rename = "affinity_claim_time", skip_serializing_if = "Option::is_none")]
    claimed_at: Option<Timestamp>,
    allocations: Vec<Option<u32>>,
    unallocated: Vec<u32>,
    attributes: Vec<Attributes>,
    #[serde(rename = "sequenceNumber")]
    sequence: u64,
    #[serde(rename = "sequenceNumberForAllocation")]
    sequences: Sequences,
    deleted: bool,
    #[serde(rename = "hostAffinity", skip_serializing_if = "Option::is_none")]
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
            sequences: Sequences::default(),
            deleted: false,
            host_affinity: None,
            extra: Map::new(),
        })
    }

    /// Takes addresses at both ends for the node itself; those of a block that was just made.
    pub(crate) fn reserve(&mut self, reserve: HostReserve) {
        let capacity = self.capacity();
        let kept = |ordinal: u32| ordinal < reserve.start || ordinal >= capacity.saturating_sub(reserve.end);
        let ordinals: Vec<u32> = self.unallocated.iter().copied().filter(|ordinal| kept(*ordinal)).collect();
        if ordinals.is_empty() {
            return;
        }
        let note = BTreeMap::from([(String::from("note"), String::from("windows host rsvd"))]);
        let index = self.attribute(held(WINDOWS_RESERVED_HANDLE, &note));
        self.unallocated.retain(|ordinal| !kept(*ordinal));
        for ordinal in ordinals {
            self.allocate(ordinal, index);
        }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`RecordError`] if it is not such JSON, has more than 2^16 addresses, or not one allocation for each.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        // To check the text at once is quicker than string by string.
        let text = core::str::from_utf8(value).map_err(|error| RecordError::new("block", &error))?;
        let stored: Stored = serde_json::from_str(text).map_err(|error| RecordError::new("block", &error))?;
        let mut block = Self::try_from(stored).map_err(|error| RecordError::new("block", &error))?;
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
        let allocations = &self.allocations;
        self.sequences.retain(|at| allocations.get(at).is_some_and(Option::is_some));
        self.compact();
    }

    /// What a stored value says that contradicts itself, and that reading it repairs; `None` if it cannot be read.
    pub(crate) fn contradictions(value: &[u8]) -> Option<Vec<&'static str>> {
        serde_json::from_slice::<Stored>(value).ok().map(|stored| stored.contradictions())
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
            let sequence = self.sequences.get(ordinal);
            Some(Allocation { address: self.address(ordinal)?, ordinal, attributes, sequence })
        })
    }

    /// What is known of an address; `None` if it is free or of another block.
    #[must_use]
    pub fn allocation(&self, address: IpAddr) -> Option<Allocation<'_>> {
        let ordinal = self.ordinal(address)?;
        let index = (*self.allocations.get(usize::try_from(ordinal).ok()?)?)?;
        let attributes = self.attributes.get(usize::try_from(index).ok()?)?;
        let sequence = self.sequences.get(ordinal);
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

    /// Whether an address is of this block and free.
    pub(crate) fn is_free(&self, address: IpAddr) -> bool {
        self.ordinal(address).is_some_and(|ordinal| self.unallocated.contains(&ordinal))
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

    /// The index of the attributes of a handle and an owner, added if they are new.
    fn held(&mut self, handle: &str, owner: &BTreeMap<String, String>) -> u32 {
        match self.attributes.iter().position(|known| json::is_held(known, handle, owner)) {
            Some(index) => u32::try_from(index).unwrap_or(u32::MAX),
            None => self.attribute(held(handle, owner)),
        }
    }

    /// Changes what is remembered of an address in use; its sequence number stays.
    pub(crate) fn set_attributes(&mut self, address: IpAddr, attributes: Attributes) {
        let Some(ordinal) = self.ordinal(address) else { return };
        let index = self.attribute(attributes);
        let at = usize::try_from(ordinal).ok();
        if let Some(Some(slot)) = at.and_then(|at| self.allocations.get_mut(at)) {
            *slot = index;
        }
        self.compact();
    }

    fn allocate(&mut self, ordinal: u32, attributes: u32) {
        if let Some(slot) = usize::try_from(ordinal).ok().and_then(|at| self.allocations.get_mut(at)) {
            *slot = Some(attributes);
            self.sequences.insert(ordinal, self.sequence);
        }
    }

    /// Assigns up to `num` free addresses to a handle, those that are free longest first.
    ///
    /// The sequence number at which they are assigned is that of now: [`Allocator`](crate::Allocator) counts a write after.
    pub fn assign(&mut self, num: usize, handle: &str, owner: &BTreeMap<String, String>) -> Vec<IpAddr> {
        self.assign_outside(num, handle, owner, &Spans::default())
    }

    /// Assigns up to `num` free addresses. Reserved ones keep their place.
    pub(crate) fn assign_outside(
        &mut self,
        num: usize,
        handle: &str,
        owner: &BTreeMap<String, String>,
        reserved: &Spans,
    ) -> Vec<IpAddr> {
        let (cidr, first) = (self.cidr, range(&self.cidr).0);
        let address = |ordinal: u32| Family::of(&cidr).addr(first.checked_add(u128::from(ordinal))?);
        let usable = |ordinal: u32| {
            address(ordinal).filter(|address| reserved.is_empty() || !reserved.contains(number(*address)))
        };
        let num = num.min(self.unallocated.len());
        if num == 0 || !self.unallocated.iter().any(|ordinal| usable(*ordinal).is_some()) {
            return Vec::new();
        }
        let index = self.held(handle, owner);
        let mut queue = core::mem::take(&mut self.unallocated);
        let mut taken = Vec::with_capacity(num);
        let mut take = |ordinal: u32| {
            let address = usable(ordinal)?;
            self.allocate(ordinal, index);
            taken.push(address);
            Some(address)
        };
        if reserved.is_empty() {
            for ordinal in queue.drain(..num) {
                take(ordinal);
            }
        } else {
            let mut left = num;
            queue.retain(|ordinal| {
                let goes = left > 0 && take(*ordinal).is_some();
                left -= usize::from(goes);
                !goes
            });
        }
        self.unallocated = queue;
        taken
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
        let index = self.held(handle, owner);
        self.allocate(ordinal, index);
        true
    }

    /// Releases ordinals that are in use: they rest for `cooldown`, then are free.
    ///
    /// Those that are not in use are passed over.
    pub fn release(&mut self, ordinals: &[u32], now: Duration, cooldown: Duration) {
        if cooldown.is_zero() && ordinals.len() < 2 && !self.has_resting() {
            return self.free_at_once(ordinals);
        }
        let mut ordinals: Vec<u32> =
            ordinals.iter().copied().filter(|ordinal| self.index(*ordinal).is_some()).collect();
        ordinals.sort_unstable();
        if cooldown.is_zero() && !self.has_resting() {
            return self.free_at_once(&ordinals);
        }
        let released_at = Some(Timestamp::from_secs_of(now));
        let resting = self.attribute(Attributes { released_at, ..Attributes::default() });
        for ordinal in ordinals {
            self.allocate(ordinal, resting);
        }
        self.collect(now, cooldown);
    }

    /// Frees ordinals without a rest, as if they had rested.
    fn free_at_once(&mut self, ordinals: &[u32]) {
        /// Beyond this many it is cheaper to look at all attributes once.
        const FEW: usize = 4;
        for ordinal in ordinals {
            let Some(index) = self.vacate(*ordinal) else { continue };
            if ordinals.len() > FEW || self.is_used(index) {
                continue;
            }
            if let Some(at) = usize::try_from(index).ok().filter(|at| *at < self.attributes.len()) {
                self.attributes.remove(at);
                if at < self.attributes.len() {
                    for later in self.allocations.iter_mut().flatten().filter(|later| **later > index) {
                        *later -= 1;
                    }
                }
            }
        }
        if ordinals.len() > FEW {
            self.compact();
        }
    }

    /// Puts an ordinal at the end of the queue; gives the index of its attributes, if it was not free.
    fn vacate(&mut self, ordinal: u32) -> Option<u32> {
        let index = self.allocations.get_mut(usize::try_from(ordinal).ok()?)?.take()?;
        self.sequences.remove(ordinal);
        self.unallocated.push(ordinal);
        Some(index)
    }

    fn index(&self, ordinal: u32) -> Option<u32> {
        *self.allocations.get(usize::try_from(ordinal).ok()?)?
    }

    /// Whether an ordinal has these attributes. Looks at all, which is quicker than to stop.
    fn is_used(&self, index: u32) -> bool {
        self.allocations.iter().fold(false, |used, other| used | (*other == Some(index)))
    }

    fn has_resting(&self) -> bool {
        self.attributes.iter().any(|attributes| attributes.released_at.is_some())
    }

    /// Frees the addresses that have rested for more than `cooldown`, and forgets attributes that nobody has.
    ///
    /// They join the end of the queue in the order of their release. Stored moments are whole seconds, rounded down;
    /// so are those compared, and no address rests for less than it should.
    pub fn collect(&mut self, now: Duration, cooldown: Duration) {
        if !self.has_resting() {
            return;
        }
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
            self.vacate(ordinal);
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
