//! Batches: messages that the kernel takes all, or none.

mod elements;
mod entity;
mod intervals;

use alloc::vec::Vec;

pub use entity::Entity;
use entity::sealed::Sealed;
pub(crate) use entity::{INTERFACE, KEY, interface, rule_of};

use crate::attr::Writer;
use crate::error::EncodeError;
use crate::family::Family;
use crate::message::Messages;
use crate::name::Name;
use crate::protocol::{
    ACK, BATCH_BEGIN, BATCH_END, CREATE, DELETE_ELEMENTS, DELETE_RULE, DELETE_TABLE, EXCLUSIVE, HEADER,
    REPLACE, REQUEST, SUBHEADER, SUBSYSTEM,
};
use crate::rule::Rule;
use crate::set::Set;

/// Where the generation stands, in the message that begins a batch: behind its headers and that of the attribute.
const GENERATION: usize = HEADER + SUBHEADER + 4;

/// Messages that the kernel takes all, or none of them: a transaction, as one buffer for one `send`.
///
/// A batch may be sent, and then have more put into it, or be [cleared](Self::clear) and used again for the next transaction.
///
/// # Example
///
/// ```
/// use tortie_nft_wire::{Attachment, Batch, Chain, Family, Hook, Name, Policy, Rule, Table};
///
/// let (table, input) = (Name::new("demo")?, Name::new("input")?);
/// let filter = Attachment::new(Hook::INPUT, Attachment::FILTER);
/// let chain = Chain::new(table.clone(), input.clone()).base(Name::new("filter")?, filter).policy(Policy::DROP);
///
/// let mut batch = Batch::new();
/// batch.add(Family::INET, &Table::new(table.clone()))?;
/// batch.add(Family::INET, &chain)?;
/// batch.add(Family::INET, &Rule::new(table, input).iifname("lo").accept())?;
/// assert_eq!(batch.len(), 3);
/// assert_eq!(batch.path(3).unwrap().to_string(), "add rule inet demo input index 0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Messages between the first and the last.
    len: u32,
    /// Where the last of them begins.
    last: usize,
    /// Where the message that ends the batch begins, once it has one.
    end: Option<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        let mut batch = Self { bytes: Vec::new(), len: 0, last: 0, end: None };
        batch.clear();
        batch
    }

    /// An empty batch that the kernel takes only if nothing changed since this generation.
    #[must_use]
    pub fn at_generation(generation: u32) -> Self {
        let mut batch = Self::new();
        batch.set_generation(Some(generation));
        batch
    }

    /// Takes everything out of it; its memory stays for what is put into it next.
    pub fn clear(&mut self) {
        self.bytes.clear();
        (self.len, self.last, self.end) = (0, 0, None);
        let start = self.header(BATCH_BEGIN, REQUEST, Family::new(0), SUBSYSTEM, 0);
        // The kernel takes a generation of 0 for any.
        Writer::new(&mut self.bytes).put(1, &0_u32);
        self.close(start);
    }

    /// Makes room for so many bytes more, so that a large batch is not moved in memory each time that it outgrows its room.
    pub fn reserve(&mut self, octets: usize) {
        self.bytes.reserve(octets);
    }

    /// Makes the kernel take it only if nothing changed since this generation; `None`, in any case.
    ///
    /// No generation is 0, which stands for any.
    pub fn set_generation(&mut self, generation: Option<u32>) {
        if let Some(place) = self.bytes.get_mut(GENERATION..GENERATION + 4) {
            place.copy_from_slice(&generation.unwrap_or(0).to_be_bytes());
        }
    }

    /// The generation that it wants.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        let generation = self.bytes.get(GENERATION..)?.first_chunk()?;
        Some(u32::from_be_bytes(*generation)).filter(|generation| *generation > 0)
    }

    /// How many messages it has, without those that begin and end it. They have numbers from 1 on, which the kernel names in
    /// its answers; [`path`](Self::path) says what each is.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has no messages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes it has so far.
    #[must_use]
    pub fn len_octets(&self) -> usize {
        self.bytes.len()
    }

    /// Its messages, without those that begin and end it.
    #[must_use]
    pub fn messages(&self) -> Messages<'_> {
        let end = self.end.unwrap_or(self.bytes.len());
        Messages::new(self.bytes.get(GENERATION + 4..end).unwrap_or_default())
    }

    /// Adds it, or leaves it where it is; a rule, behind all others or behind its position.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: nothing is in the batch then that was not before.
    pub fn add<E: Entity>(&mut self, family: Family, entity: &E) -> Result<(), EncodeError> {
        self.entity(E::KINDS.add, E::FLAGS, family, entity)
    }

    /// Adds it; the kernel refuses the batch if it is there.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn create<E: Entity>(&mut self, family: Family, entity: &E) -> Result<(), EncodeError> {
        self.entity(E::KINDS.add, E::FLAGS | EXCLUSIVE, family, entity)
    }

    /// Adds a rule before all others, or before its position.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn insert(&mut self, family: Family, rule: &Rule) -> Result<(), EncodeError> {
        self.entity(Rule::KINDS.add, CREATE, family, rule)
    }

    /// Puts a rule in the place of that with its handle.
    ///
    /// # Errors
    ///
    /// [`NoHandle`](EncodeError::NoHandle), and as of [`add`](Self::add).
    pub fn replace(&mut self, family: Family, rule: &Rule) -> Result<(), EncodeError> {
        if rule.handle.is_none() {
            return Err(EncodeError::NoHandle);
        }
        self.entity(Rule::KINDS.add, REPLACE, family, rule)
    }

    /// Deletes it; the kernel refuses the batch if it is not there. A rule without a handle stands for all rules of its chain.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn delete<E: Entity>(&mut self, family: Family, entity: &E) -> Result<(), EncodeError> {
        self.entity(E::KINDS.delete, 0, family, entity)
    }

    /// Deletes it if it is there (Linux 6.3).
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn destroy<E: Entity>(&mut self, family: Family, entity: &E) -> Result<(), EncodeError> {
        self.entity(E::KINDS.destroy, 0, family, entity)
    }

    /// `flush set`: deletes all elements of a set or a map.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn flush(&mut self, family: Family, set: &Set) -> Result<(), EncodeError> {
        self.message(DELETE_ELEMENTS, 0, family, |writer| put_set(set, writer))
    }

    /// `flush chain`: deletes all rules of a chain.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn flush_chain(&mut self, family: Family, table: &Name, chain: &Name) -> Result<(), EncodeError> {
        self.message(DELETE_RULE, 0, family, |writer| {
            writer.put(1, table);
            writer.put(2, chain);
        })
    }

    /// `flush table`: deletes all rules of all chains of a table.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn flush_table(&mut self, family: Family, table: &Name) -> Result<(), EncodeError> {
        self.message(DELETE_RULE, 0, family, |writer| writer.put(1, table))
    }

    /// `flush ruleset`: deletes all tables of a family, or of all families with `None`; but those that another socket owns.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn flush_ruleset(&mut self, family: Option<Family>) -> Result<(), EncodeError> {
        self.message(DELETE_TABLE, 0, family.unwrap_or(Family::new(0)), |_| ())
    }

    /// A message of any type, with attributes as they were read: what [`Entry::Other`](crate::Entry::Other) keeps.
    ///
    /// `flags` are those of netlink, such as 0x400 to create.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn raw(
        &mut self,
        kind: u8,
        flags: u16,
        family: Family,
        attributes: &[u8],
    ) -> Result<(), EncodeError> {
        self.message(kind, flags, family, |writer| writer.raw(attributes))
    }

    /// The whole batch with the message that ends it, as it is to be sent by one `send`. What is put into it afterwards stands
    /// before a new end.
    pub fn finish(&mut self) -> &[u8] {
        if self.end.is_none() {
            // Kernels before 6.10 answer to no message that ends a batch, so the last one before it asks for the answer.
            self.set_last_flags(|flags| flags | ACK);
            let start = self.header(BATCH_END, REQUEST, Family::new(0), SUBSYSTEM, self.len + 1);
            self.close(start);
            self.end = Some(start);
        }
        &self.bytes
    }

    /// Takes the end away, so that more can be put into it.
    fn reopen(&mut self) {
        if let Some(end) = self.end.take() {
            self.bytes.truncate(end);
            self.set_last_flags(|flags| flags & !ACK);
        }
    }

    fn set_last_flags(&mut self, set: impl FnOnce(u16) -> u16) {
        let place = self.bytes.get_mut(self.last + 6..self.last + 8).filter(|_| self.len > 0);
        if let Some([low, high]) = place {
            [*low, *high] = set(u16::from_ne_bytes([*low, *high])).to_ne_bytes();
        }
    }

    fn entity<E: Entity>(
        &mut self,
        kind: u8,
        flags: u16,
        family: Family,
        entity: &E,
    ) -> Result<(), EncodeError> {
        entity.check()?;
        let start = self.open(kind, flags, family);
        let is_whole = entity.encode(&mut self.bytes);
        self.keep(start, is_whole)
    }

    fn message(
        &mut self,
        kind: u8,
        flags: u16,
        family: Family,
        write: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), EncodeError> {
        let start = self.open(kind, flags, family);
        let mut writer = Writer::new(&mut self.bytes);
        write(&mut writer);
        let is_whole = writer.is_whole();
        self.keep(start, is_whole)
    }

    /// Begins a message: where it begins.
    fn open(&mut self, kind: u8, flags: u16, family: Family) -> usize {
        self.reopen();
        self.header(SUBSYSTEM << 8 | u16::from(kind), REQUEST | flags, family, 0, self.len + 1)
    }

    /// A header, whose length is not known yet: where it begins.
    fn header(&mut self, kind: u16, flags: u16, family: Family, resource: u16, number: u32) -> usize {
        let start = self.bytes.len();
        let ([a, b], [c, d]) = (kind.to_ne_bytes(), flags.to_ne_bytes());
        let ([e, f, g, h], [i, j]) = (number.to_ne_bytes(), resource.to_be_bytes());
        // Behind the number stands the port of the sender, which the kernel fills in.
        let header = [0, 0, 0, 0, a, b, c, d, e, f, g, h, 0, 0, 0, 0, family.get(), 0, i, j];
        self.bytes.extend_from_slice(&header);
        start
    }

    /// Writes the length of a message.
    fn close(&mut self, start: usize) {
        // A message has at most some attributes of 65,535 bytes.
        let len = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
        // The next one begins at a multiple of four, also where the attributes of a raw one end elsewhere.
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Counts a message that is written, or takes it away.
    fn keep(&mut self, start: usize, is_whole: bool) -> Result<(), EncodeError> {
        if !is_whole {
            self.bytes.truncate(start);
            return Err(EncodeError::TooLarge);
        }
        self.close(start);
        self.last = start;
        self.len += 1;
        Ok(())
    }
}

fn put_set(set: &Set, writer: &mut Writer<'_>) {
    writer.put(1, &set.table);
    writer.put(2, &set.name);
    if let Some(id) = &set.id {
        writer.put(4, id);
    }
}
