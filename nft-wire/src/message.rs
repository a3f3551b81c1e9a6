//! Messages of the kernel: what a dump tells, and answers.

use alloc::vec::Vec;

use crate::attr::{Attrs, Field};
use crate::batch::SUBSYSTEM;
use crate::chain::Chain;
use crate::family::Family;
use crate::name::Name;
use crate::object::{Flowtable, Object};
use crate::rule::Rule;
use crate::set::{Element, Set};
use crate::table::Table;

/// A message as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    kind: u16,
    flags: u16,
    number: u32,
    payload: &'a [u8],
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A table.
    Table(Table),
    /// A chain.
    Chain(Chain),
    /// A rule.
    Rule(Rule),
    /// A set or a map, without its elements.
    Set(Set),
    /// Elements of a set or a map.
    Elements {
        /// Its table.
        table: Name,
        /// Its name.
        set: Name,
        /// Some of them.
        elements: Vec<Element>,
    },
    /// An object.
    Object(Object),
    /// A flow table.
    Flowtable(Flowtable),
    /// What this crate does not know, or does not know all of: the type of the message, and its attributes.
    Other {
        /// Type of the message, without the number of nf_tables.
        kind: u8,
        /// Its attributes.
        attributes: Vec<u8>,
    },
}

/// The messages in what was received. Ends before the first that is cut.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// The messages in these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header: &[u8; 16] = self.0.first_chunk()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *header;
        let len = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let payload = self.0.get(16..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([e, f]),
            flags: u16::from_ne_bytes([g, h]),
            number: u32::from_ne_bytes([i, j, k, l]),
            payload,
        })
    }
}

impl<'a> Message<'a> {
    /// Its type, with the number of the subsystem above it.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// Its flags (`NLM_F_*`).
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// Its number: of an answer, that of the question.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// What is behind the header of netlink.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// What it tells about nf_tables; `None` if it is of something else, or too short.
    #[must_use]
    pub fn entry(&self) -> Option<(Family, Entry)> {
        let [family, _, _, _, attributes @ ..] = self.payload else { return None };
        let [subsystem, kind] = self.kind.to_be_bytes();
        if u16::from(subsystem) != SUBSYSTEM {
            return None;
        }
        let entry = match kind {
            0 | 2 => Table::read(attributes).map(Entry::Table),
            3 | 5 => Chain::read(attributes).map(Entry::Chain),
            6 | 8 => Rule::read(attributes).map(Entry::Rule),
            9 | 11 => Set::read(attributes).map(Entry::Set),
            12 | 14 => elements(attributes),
            18 | 20 => Object::read(attributes).map(Entry::Object),
            22 | 24 => Flowtable::read(attributes).map(Entry::Flowtable),
            _ => None,
        };
        let entry = entry.unwrap_or_else(|| Entry::Other { kind, attributes: attributes.into() });
        Some((Family::new(*family), entry))
    }
}

fn elements(attributes: &[u8]) -> Option<Entry> {
    let (mut table, mut set, mut list) = (None, None, Vec::new());
    for attr in Attrs(attributes) {
        match attr.kind {
            1 => table = Some(Name::read(attr.value)?),
            2 => set = Some(Name::read(attr.value)?),
            3 => {
                let mut attrs = Attrs(attr.value);
                list = attrs.by_ref().map(|attr| Element::read(attr.value)).collect::<Option<_>>()?;
                attrs.is_empty().then_some(())?;
            }
            4 => {}
            _ => return None,
        }
    }
    Some(Entry::Elements { table: table?, set: set?, elements: list })
}
