//! Batches: messages that the kernel takes all, or none.

use alloc::vec::Vec;

use crate::attr::{Field, Writer};
use crate::chain::Chain;
use crate::error::EncodeError;
use crate::family::Family;
use crate::object::{Flowtable, Object};
use crate::rule::Rule;
use crate::set::{Element, Set};
use crate::table::Table;
use crate::verdict::Verdict;

/// Number of nf_tables in types of messages.
pub(crate) const SUBSYSTEM: u16 = 10;

/// Elements of one message; the list of them is one attribute, of at most 65,535 bytes. An element has at most some 600.
const ELEMENTS: usize = 60_000;
/// Types of the messages that add elements to a set, and delete them.
const NEW_ELEMENTS: u8 = 12;
const DELETE_ELEMENTS: u8 = 14;
/// Most bytes of a key.
const KEY: usize = 64;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// What a batch may add, delete or change.
pub trait Entity: sealed::Sealed {}

pub(crate) mod sealed {
    use crate::attr::Field;
    use crate::error::EncodeError;

    #[expect(unnameable_types, reason = "nobody else may implement it")]
    pub trait Sealed: Encode {
        /// Types of the messages that add it, delete it, and delete it if it is there.
        const KINDS: [u8; 3];
        /// Flags of the message that adds it.
        const FLAGS: u16 = super::CREATE;

        /// What is wrong with it.
        fn fault(&self) -> Option<EncodeError> {
            None
        }
    }

    #[expect(unnameable_types, reason = "nobody else may implement it")]
    pub trait Encode {
        /// Its attributes.
        fn encode(&self, bytes: &mut alloc::vec::Vec<u8>) -> bool;
    }

    impl<F: Field> Encode for F {
        fn encode(&self, bytes: &mut alloc::vec::Vec<u8>) -> bool {
            let mut writer = crate::attr::Writer::new(bytes);
            self.write(&mut writer);
            writer.is_whole()
        }
    }
}

macro_rules! entities {
    ($($type:ty = $kinds:expr,)*) => {$(
        impl Entity for $type {}

        impl sealed::Sealed for $type {
            const KINDS: [u8; 3] = $kinds;
        }
    )*};
}

entities! {
    Table = [0, 2, 26],
    Chain = [3, 5, 27],
    Set = [9, 11, 29],
    Object = [18, 20, 31],
    Flowtable = [22, 24, 32],
}

impl Entity for Rule {}

impl sealed::Sealed for Rule {
    const KINDS: [u8; 3] = [6, 8, 28];
    const FLAGS: u16 = CREATE | APPEND;

    fn fault(&self) -> Option<EncodeError> {
        self.fault
    }
}

/// Messages that the kernel takes all, or none of them: a transaction, as one buffer for one `send`.
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
/// batch.add(Family::INET, &Rule::new(table, input).dport(6, 22).accept())?;
/// assert_eq!(batch.len(), 3);
/// let bytes = batch.finish();
/// # assert!(!bytes.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// How many messages stand between the first and the last.
    len: u32,
    /// Where the last of them begins.
    last: usize,
    is_finished: bool,
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
        Self::begin(None)
    }

    /// An empty batch that the kernel takes only if nothing changed since this generation.
    #[must_use]
    pub fn at_generation(generation: u32) -> Self {
        Self::begin(Some(generation))
    }

    fn begin(generation: Option<u32>) -> Self {
        let mut batch = Self { bytes: Vec::new(), len: 0, last: 0, is_finished: false };
        let start = batch.header(0x10, REQUEST, Family::new(0), SUBSYSTEM, 0);
        if let Some(generation) = generation {
            Writer::new(&mut batch.bytes).put(1, &generation);
        }
        batch.end(start);
        batch
    }

    /// How many messages it has, without those that begin and end it. They have numbers from 1 on, which the kernel names in
    /// its answers.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has no messages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds it, or leaves it where it is; a rule, behind all others or behind its position.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: nothing is in the batch then that was not before.
    pub fn add(&mut self, family: Family, entity: &impl Entity) -> Result<(), EncodeError> {
        self.entity(0, family, entity, CREATE)
    }

    /// Adds it; the kernel refuses the batch if it is there.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn create(&mut self, family: Family, entity: &impl Entity) -> Result<(), EncodeError> {
        self.entity(0, family, entity, CREATE | EXCLUSIVE)
    }

    /// Adds a rule before all others, or before its position.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn insert(&mut self, family: Family, rule: &Rule) -> Result<(), EncodeError> {
        self.rule(family, rule, CREATE)
    }

    /// Puts a rule in the place of that with its handle.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn replace(&mut self, family: Family, rule: &Rule) -> Result<(), EncodeError> {
        self.rule(family, rule, REPLACE)
    }

    /// Deletes it; the kernel refuses the batch if it is not there. A rule without a handle stands for all rules of its chain.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn delete(&mut self, family: Family, entity: &impl Entity) -> Result<(), EncodeError> {
        self.entity(1, family, entity, 0)
    }

    /// Deletes it if it is there (Linux 6.3).
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn destroy(&mut self, family: Family, entity: &impl Entity) -> Result<(), EncodeError> {
        self.entity(2, family, entity, 0)
    }

    /// Adds elements to a set or a map.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn add_elements<'e>(
        &mut self,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Result<(), EncodeError> {
        self.elements(NEW_ELEMENTS, CREATE, family, set, elements, put_element)
    }

    /// Deletes elements of a set or a map.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn delete_elements<'e>(
        &mut self,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Result<(), EncodeError> {
        self.elements(DELETE_ELEMENTS, 0, family, set, elements, put_element)
    }

    /// Adds elements that are keys and nothing else. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// [`KeyLength`](EncodeError::KeyLength), and as of [`add`](Self::add).
    pub fn add_keys<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), EncodeError> {
        self.elements(NEW_ELEMENTS, CREATE, family, set, keys, |key, writer| put_key(key.as_ref(), writer))
    }

    /// Deletes elements by their keys. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// [`KeyLength`](EncodeError::KeyLength), and as of [`add`](Self::add).
    pub fn delete_keys<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), EncodeError> {
        self.elements(DELETE_ELEMENTS, 0, family, set, keys, |key, writer| put_key(key.as_ref(), writer))
    }

    /// Adds verdicts by their keys to a map. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// [`KeyLength`](EncodeError::KeyLength), and as of [`add`](Self::add).
    pub fn add_verdicts<'v, K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        map: &Set,
        verdicts: impl IntoIterator<Item = (K, &'v Verdict)>,
    ) -> Result<(), EncodeError> {
        self.elements(NEW_ELEMENTS, CREATE, family, map, verdicts, |(key, verdict), writer| {
            put_key(key.as_ref(), writer)?;
            writer.nest(2, |writer| writer.put(2, verdict));
            Ok(())
        })
    }

    /// Deletes all elements of a set or a map.
    ///
    /// # Errors
    ///
    /// As of [`add`](Self::add).
    pub fn flush(&mut self, family: Family, set: &Set) -> Result<(), EncodeError> {
        let start = self.message(DELETE_ELEMENTS, 0, family);
        let mut writer = Writer::new(&mut self.bytes);
        put_set(set, &mut writer);
        let is_whole = writer.is_whole();
        self.keep(start, is_whole)
    }

    /// The whole batch, ended; more may be added only to a new one.
    pub fn finish(&mut self) -> &[u8] {
        if !self.is_finished {
            self.is_finished = true;
            // Kernels before 6.10 answer to no message that ends a batch, so the last one before it asks for the answer.
            if let Some([low, high]) =
                self.bytes.get_mut(self.last + 6..self.last + 8).filter(|_| self.len > 0)
            {
                [*low, *high] = (u16::from_ne_bytes([*low, *high]) | ACK).to_ne_bytes();
            }
            let start = self.header(0x11, REQUEST, Family::new(0), SUBSYSTEM, self.len + 1);
            self.end(start);
        }
        &self.bytes
    }

    fn rule(&mut self, family: Family, rule: &Rule, flags: u16) -> Result<(), EncodeError> {
        let [kind, ..] = <Rule as sealed::Sealed>::KINDS;
        self.encode(kind, flags, family, rule)
    }

    fn entity<E: Entity>(
        &mut self,
        index: usize,
        family: Family,
        entity: &E,
        flags: u16,
    ) -> Result<(), EncodeError> {
        let kind = E::KINDS.get(index).copied().unwrap_or_default();
        let flags = if flags & CREATE > 0 { flags | E::FLAGS } else { flags };
        self.encode(kind, flags, family, entity)
    }

    fn encode<E: Entity>(
        &mut self,
        kind: u8,
        flags: u16,
        family: Family,
        entity: &E,
    ) -> Result<(), EncodeError> {
        if let Some(fault) = entity.fault() {
            return Err(fault);
        }
        let start = self.message(kind, flags, family);
        let is_whole = sealed::Encode::encode(entity, &mut self.bytes);
        self.keep(start, is_whole)
    }

    fn elements<T>(
        &mut self,
        kind: u8,
        flags: u16,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = T>,
        mut put: impl FnMut(T, &mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let (before, len, last) = (self.bytes.len(), self.len, self.last);
        let mut elements = elements.into_iter().peekable();
        while elements.peek().is_some() {
            let start = self.message(kind, flags, family);
            let mut writer = Writer::new(&mut self.bytes);
            put_set(set, &mut writer);
            let mut result = Ok(());
            writer.nest(3, |writer| {
                let list = writer.len();
                while writer.len() - list < ELEMENTS {
                    let Some(element) = elements.next() else { break };
                    writer.nest(1, |writer| result = put(element, writer));
                    if result.is_err() {
                        break;
                    }
                }
            });
            let is_whole = writer.is_whole();
            if let Err(error) = result.and_then(|()| self.keep(start, is_whole)) {
                // Nothing of it, also of the messages before this one.
                self.bytes.truncate(before);
                (self.len, self.last) = (len, last);
                return Err(error);
            }
        }
        Ok(())
    }

    fn message(&mut self, kind: u8, flags: u16, family: Family) -> usize {
        self.header(SUBSYSTEM << 8 | u16::from(kind), REQUEST | flags, family, 0, self.len + 1)
    }

    /// A header, whose length is not known yet: where it begins.
    fn header(&mut self, kind: u16, flags: u16, family: Family, resource: u16, number: u32) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&number.to_ne_bytes());
        // The port of the sender; the kernel fills it in.
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family.get(), 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        // A message has at most some attributes of 65,535 bytes.
        let len = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    fn keep(&mut self, start: usize, is_whole: bool) -> Result<(), EncodeError> {
        if !is_whole {
            self.bytes.truncate(start);
            return Err(EncodeError::TooLarge);
        }
        self.end(start);
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

fn put_element(element: &Element, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    element.write(writer);
    Ok(())
}

#[inline]
fn put_key(key: &[u8], writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    if key.is_empty() || key.len() > KEY {
        return Err(EncodeError::KeyLength { len: key.len() });
    }
    writer.nest(1, |writer| writer.bytes(1, key));
    Ok(())
}
