//! Messages of the kernel: what a dump tells, answers, and what it tells of changes.

use alloc::vec::Vec;

use crate::attr::{Attrs, Field, record};
use crate::chain::Chain;
use crate::family::Family;
use crate::name::Name;
use crate::object::{Flowtable, Object};
use crate::protocol::{
    DELETE_CHAIN, DELETE_ELEMENTS, DELETE_FLOWTABLE, DELETE_OBJECT, DELETE_RULE, DELETE_SET, DELETE_TABLE,
    HEADER, NEW_CHAIN, NEW_ELEMENTS, NEW_FLOWTABLE, NEW_GENERATION, NEW_OBJECT, NEW_RULE, NEW_SET, NEW_TABLE,
    SUBSYSTEM,
};
use crate::rule::Rule;
use crate::set::{Element, Set};
use crate::table::Table;

/// A message as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    kind: u16,
    flags: u16,
    number: u32,
    port: u32,
    payload: &'a [u8],
}

record! {
    /// The generation of what the kernel has: it grows with each transaction.
    pub struct Generation {
        must {
            /// Its number; never 0.
            id: u32 = 1,
        }
        may {
            /// Of a change: number of the process that made it.
            process: u32 = 2,
            /// Of a change: name of the process that made it.
            process_name: Name = 3,
        }
    }
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
    /// The generation.
    Generation(Generation),
    /// What this crate does not know: the type of the message, and its attributes.
    /// [`Batch::raw`](crate::Batch::raw) writes it as it was read.
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

    #[inline]
    fn next(&mut self) -> Option<Message<'a>> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
        let len = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let payload = self.0.get(HEADER..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([e, f]),
            flags: u16::from_ne_bytes([g, h]),
            number: u32::from_ne_bytes([i, j, k, l]),
            port: u32::from_ne_bytes([m, n, o, p]),
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

    /// The netlink port of the socket that asked for it, or made the change that it tells of.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// What is behind the header of netlink.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether it tells that something is gone.
    #[must_use]
    pub const fn is_deletion(&self) -> bool {
        let [subsystem, kind] = self.kind.to_be_bytes();
        subsystem as u16 == SUBSYSTEM
            && matches!(
                kind,
                DELETE_TABLE
                    | DELETE_CHAIN
                    | DELETE_RULE
                    | DELETE_SET
                    | DELETE_ELEMENTS
                    | DELETE_OBJECT
                    | DELETE_FLOWTABLE
            )
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
            NEW_TABLE | DELETE_TABLE => Table::read(attributes).map(Entry::Table),
            NEW_CHAIN | DELETE_CHAIN => Chain::read(attributes).map(Entry::Chain),
            NEW_RULE | DELETE_RULE => Rule::read(attributes).map(Entry::Rule),
            NEW_SET | DELETE_SET => Set::read(attributes).map(Entry::Set),
            NEW_ELEMENTS | DELETE_ELEMENTS => elements(attributes),
            NEW_GENERATION => Generation::read(attributes).map(Entry::Generation),
            NEW_OBJECT | DELETE_OBJECT => Object::read(attributes).map(Entry::Object),
            NEW_FLOWTABLE | DELETE_FLOWTABLE => Flowtable::read(attributes).map(Entry::Flowtable),
            _ => None,
        };
        let entry = entry.unwrap_or_else(|| Entry::Other { kind, attributes: attributes.into() });
        Some((Family::new(*family), entry))
    }
}

fn elements(attributes: &[u8]) -> Option<Entry> {
    let (mut table, mut set, mut list) = (None, None, Vec::new());
    let mut attrs = Attrs(attributes);
    for attr in attrs.by_ref() {
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
    attrs.is_empty().then_some(Entry::Elements { table: table?, set: set?, elements: list })
}
