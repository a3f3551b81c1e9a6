//! Assigning and releasing the addresses of a block.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::attributes::{Attributes, Entry, Owner, Parts};
use super::{Block, WINDOWS_RESERVED_HANDLE};
use crate::assigned::HostReserve;
use crate::span::{Spans, number};
use crate::timestamp::Timestamp;

fn held(handle: &str, owner: &Owner) -> Entry {
    Entry::of(&Parts { handle_id: Some(handle), active: Some(owner), ..Parts::default() })
}

impl Block {
    /// Takes addresses at both ends for the node itself; those of a block that was just made.
    pub(crate) fn reserve(&mut self, reserve: HostReserve) {
        let capacity = self.capacity();
        let kept = |ordinal: u32| ordinal < reserve.start || ordinal >= capacity.saturating_sub(reserve.end);
        let ordinals: Vec<u32> = self.unallocated.iter().copied().filter(|ordinal| kept(*ordinal)).collect();
        if ordinals.is_empty() {
            return;
        }
        let note = BTreeMap::from([(String::from("note"), String::from("windows host rsvd"))]);
        let index = self.attributes.index_of(held(WINDOWS_RESERVED_HANDLE, &note));
        self.unallocated.retain(|ordinal| !kept(*ordinal));
        for ordinal in ordinals {
            self.allocate(ordinal, index);
        }
    }

    /// Changes what is remembered of an address in use; its sequence number stays.
    pub(crate) fn set_attributes(&mut self, address: IpAddr, attributes: &Attributes) {
        let Some(ordinal) = self.ordinal(address).filter(|ordinal| self.index(*ordinal).is_some()) else {
            return;
        };
        let index = self.attributes.index_of(Entry::of_attributes(attributes));
        self.point(ordinal, index);
        self.compact();
    }

    /// Gives an ordinal these attributes, in the place of those that it had.
    fn point(&mut self, ordinal: u32, index: u32) {
        let Some(slot) = usize::try_from(ordinal).ok().and_then(|at| self.allocations.get_mut(at)) else {
            return;
        };
        self.attributes.gain(index);
        if let Some(before) = slot.replace(index) {
            self.attributes.lose(before);
        }
    }

    fn allocate(&mut self, ordinal: u32, index: u32) {
        self.point(ordinal, index);
        self.sequences.insert(ordinal, self.sequence);
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
        let usable = |block: &Self, ordinal: u32| {
            block
                .address(ordinal)
                .filter(|address| reserved.is_empty() || !reserved.contains(number(*address)))
        };
        let num = num.min(self.unallocated.len());
        if num == 0 || !self.unallocated.iter().any(|ordinal| usable(self, *ordinal).is_some()) {
            return Vec::new();
        }
        let index = self.attributes.index_of(held(handle, owner));
        let mut queue = core::mem::take(&mut self.unallocated);
        let mut taken = Vec::with_capacity(num);
        let mut take = |ordinal: u32| {
            let address = usable(self, ordinal)?;
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
        let index = self.attributes.index_of(held(handle, owner));
        self.allocate(ordinal, index);
        true
    }

    /// Releases ordinals that are in use: they rest for `cooldown`, then are free.
    ///
    /// Those that are not in use are passed over.
    pub fn release(&mut self, ordinals: &[u32], now: Duration, cooldown: Duration) {
        let at_once = cooldown.is_zero() && !self.attributes.any_resting();
        if at_once && ordinals.len() < 2 {
            return self.free_at_once(ordinals);
        }
        let mut ordinals: Vec<u32> =
            ordinals.iter().copied().filter(|ordinal| self.index(*ordinal).is_some()).collect();
        ordinals.sort_unstable();
        if at_once {
            return self.free_at_once(&ordinals);
        }
        let released_at = Some(Timestamp::from_secs_of(now));
        let resting = self.attributes.index_of(Entry::of(&Parts { released_at, ..Parts::default() }));
        for ordinal in ordinals {
            self.allocate(ordinal, resting);
        }
        self.collect(now, cooldown);
    }

    /// Frees ordinals without a rest, as if they had rested.
    fn free_at_once(&mut self, ordinals: &[u32]) {
        let (mut unused, mut last) = (0usize, None);
        for ordinal in ordinals {
            if let Some(index) = self.vacate(*ordinal) {
                unused += 1;
                last = Some(index);
            }
        }
        match last {
            Some(index) if unused == 1 => self.forget(index),
            Some(_) => self.compact(),
            None => {}
        }
    }

    /// Puts an ordinal at the end of the queue; gives the index of its attributes, if it was the last that had them.
    fn vacate(&mut self, ordinal: u32) -> Option<u32> {
        let index = self.allocations.get_mut(usize::try_from(ordinal).ok()?)?.take()?;
        self.sequences.remove(ordinal);
        self.unallocated.push(ordinal);
        self.attributes.lose(index).then_some(index)
    }

    /// Frees the addresses that have rested for more than `cooldown`, and forgets attributes that nobody has.
    ///
    /// They join the end of the queue in the order of their release. Stored moments are whole seconds, rounded down;
    /// so are those compared, and no address rests for less than it should.
    pub fn collect(&mut self, now: Duration, cooldown: Duration) {
        if !self.attributes.any_resting() {
            return;
        }
        let rested = |released: Duration| {
            cooldown.is_zero() || now.as_secs() > released.as_secs().saturating_add(cooldown.as_secs())
        };
        let mut freed: Vec<(Duration, u32)> = self
            .allocations()
            .filter_map(|allocation| {
                let released = allocation.entry.released_at?.since_epoch();
                rested(released).then_some((released, allocation.ordinal))
            })
            .collect();
        freed.sort_unstable();
        for (_, ordinal) in freed {
            self.vacate(ordinal);
        }
        self.compact();
    }

    /// Forgets the attributes at an index, that no address has.
    fn forget(&mut self, index: u32) {
        if self.attributes.remove(index) {
            for later in self.allocations.iter_mut().flatten().filter(|later| **later > index) {
                *later -= 1;
            }
        }
    }

    /// Forgets attributes that no address has, and renumbers the rest.
    pub(super) fn compact(&mut self) {
        let Some(renumbered) = self.attributes.compact() else { return };
        for index in self.allocations.iter_mut().flatten() {
            if let Some(now) = usize::try_from(*index).ok().and_then(|at| renumbered.get(at)) {
                *index = *now;
            }
        }
    }
}
