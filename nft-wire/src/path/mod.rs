//! What a message of a batch is, and which part of it the kernel means: read again from the bytes of the batch, when asked.

mod display;
mod find;

use crate::attr::Bytes;
use crate::batch::Batch;
use crate::expr::ObjectType;
use crate::family::Family;
use crate::name::Name;
use alloc::string::String;
use alloc::vec::Vec;

use find::{Before, path};

/// What a message of a batch is, and which part of it is meant.
///
/// `Display` says it as `nft` would, such as `add rule inet demo input index 2, expression 1 (lookup)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "what a message is")]
pub struct Path {
    /// What was to be done.
    pub action: Action,
    /// In which family; 0 is all.
    pub family: Family,
    /// In which table; nothing where all are meant, or one by its handle.
    pub table: Option<Name>,
    /// To what.
    pub subject: Subject,
    /// Which part of it is meant, where that is known.
    pub part: Option<Part>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Added, or left as it is.
    Add,
    /// Added, and not to be there before.
    Create,
    /// A rule, added before others.
    Insert,
    /// A rule, put in the place of another.
    Replace,
    /// Deleted.
    Delete,
    /// Deleted if it is there.
    Destroy,
    /// Emptied.
    Flush,
    /// The transaction as a whole, put into force.
    Commit,
}

/// What something is done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// The batch as a whole.
    Batch,
    /// All tables.
    Ruleset,
    /// The table.
    Table,
    /// A chain; without a name, by its handle.
    Chain(Option<Name>),
    /// A rule of a chain.
    Rule {
        /// Its chain.
        chain: Option<Name>,
        /// How many messages about rules of that chain stand before it in the batch.
        index: u32,
        /// The handle that the batch names.
        handle: Option<u64>,
        /// Its comment.
        comment: Option<String>,
    },
    /// A set or a map, without its elements; without a name, by its handle.
    Set(Option<Name>),
    /// Elements of a set or a map.
    Elements {
        /// The set.
        set: Option<Name>,
        /// How many elements of it, added or deleted by the messages right before this one, stand before the first of these: of
        /// one call that made several messages, the number of the first element.
        first: usize,
        /// How many elements this message has.
        count: usize,
    },
    /// An object; without a name, by its handle.
    Object {
        /// Its name.
        name: Option<Name>,
        /// Its kind.
        kind: Option<ObjectType>,
    },
    /// A flow table; without a name, by its handle.
    Flowtable(Option<Name>),
    /// Something of another type of message.
    Other(u8),
}

/// Which part of a message is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// A field, by the name of its attribute.
    Field(&'static str),
    /// An expression of a rule.
    Expression {
        /// Its number in the rule, from 0 on.
        index: usize,
        /// Its name.
        name: String,
    },
    /// An element of a set.
    Element {
        /// Its number in the call, from 0 on: that of [`Elements::first`](Subject::Elements::first) and how many stand before it
        /// in its message. (An interval of one part is two elements, its beginning and its end.)
        index: usize,
        /// Its key; nothing, of the element for all that no other matches.
        key: Option<Bytes>,
    },
    /// An attribute, by how many bytes of the message stand before it.
    Offset(usize),
}

impl Batch {
    /// What the message with this number is; `None` if there is none. Number 0 is the batch itself.
    ///
    /// Nothing is kept for it while a batch is built: this reads the messages up to that one again.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Family, Name, Set, Type};
    ///
    /// let set = Set::of(Name::new("demo")?, Name::new("many")?, 1, Type::IPV4_ADDR, 4);
    /// let mut batch = Batch::new();
    /// batch.add_keys(Family::INET, &set, (0..10_000_u32).map(u32::to_be_bytes))?;
    /// assert_eq!(batch.path(3).unwrap().to_string(), "add elements 8190 to 9999 of set inet demo many");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn path(&self, number: u32) -> Option<Path> {
        self.paths(&[(number, None)]).pop()
    }

    /// What the message with this number is, and which part of it stands behind so many bytes of it: what the kernel tells as
    /// `NLMSGERR_ATTR_OFFS`.
    #[must_use]
    pub fn path_at(&self, number: u32, offset: usize) -> Option<Path> {
        self.paths(&[(number, Some(offset))]).pop()
    }

    /// What these messages are, which have to be in order, in one pass. Numbers that there are not are left out.
    pub(crate) fn paths(&self, wanted: &[(u32, Option<usize>)]) -> Vec<Path> {
        let mut wanted = wanted.iter().peekable();
        let mut paths = Vec::new();
        while wanted.next_if(|(number, _)| *number == 0).is_some() {
            paths.push(Path::BATCH);
        }
        let mut before = Before::default();
        for message in self.messages() {
            if wanted.peek().is_none() {
                break;
            }
            let place = before.count(&message);
            while let Some((_, offset)) = wanted.next_if(|(number, _)| *number == message.number()) {
                paths.extend(path(&message, place, *offset));
            }
        }
        paths
    }
}

impl Path {
    /// The batch itself.
    pub(crate) const BATCH: Self = Self {
        action: Action::Commit,
        family: Family::new(0),
        table: None,
        subject: Subject::Batch,
        part: None,
    };
}
