//! What a message of a batch is, and which part of it the kernel means: read again from the bytes of the batch, when asked.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::attr::{Attr, Attrs, Bytes, Field};
use crate::batch::Batch;
use crate::comment::{self, COMMENT};
use crate::expr::ObjectType;
use crate::family::Family;
use crate::message::Message;
use crate::name::Name;
use crate::protocol::{
    APPEND, DELETE_CHAIN, DELETE_ELEMENTS, DELETE_FLOWTABLE, DELETE_OBJECT, DELETE_RULE, DELETE_SET,
    DELETE_TABLE, DESTROY_CHAIN, DESTROY_ELEMENTS, DESTROY_FLOWTABLE, DESTROY_OBJECT, DESTROY_RULE,
    DESTROY_SET, DESTROY_TABLE, EXCLUSIVE, HEADER, NEW_CHAIN, NEW_ELEMENTS, NEW_FLOWTABLE, NEW_OBJECT,
    NEW_RULE, NEW_SET, NEW_TABLE, REPLACE, SUBHEADER,
};

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

/// A chain or a set: a type of message, family, table and name.
type Whole<'b> = (u8, u8, &'b [u8], &'b [u8]);

/// What stands before a message, in its chain or its set.
#[derive(Debug, Default)]
struct Before<'b> {
    /// How many rules of each chain, in order.
    chains: Vec<(Whole<'b>, u32)>,
    /// The set of the elements right before, and how many they are.
    elements: Option<(Whole<'b>, usize)>,
}

/// How many stand before a message.
#[derive(Clone, Copy, Debug)]
struct Place {
    rules: u32,
    elements: usize,
}

impl<'b> Before<'b> {
    fn count(&mut self, message: &Message<'b>) -> Place {
        let (kind, family) = kind_and_family(message);
        let value = |kind| attribute(message, kind).map_or(&[][..], |attr| attr.value);
        let mut place = Place { rules: 0, elements: 0 };
        match kind {
            NEW_RULE | DELETE_RULE | DESTROY_RULE => {
                let chain = (NEW_RULE, family, value(1), value(2));
                match self.chains.binary_search_by_key(&chain, |(chain, _)| *chain) {
                    Ok(at) => {
                        if let Some((_, count)) = self.chains.get_mut(at) {
                            place.rules = *count;
                            *count += 1;
                        }
                    }
                    Err(at) => self.chains.insert(at, (chain, 1)),
                }
                self.elements = None;
            }
            NEW_ELEMENTS | DELETE_ELEMENTS | DESTROY_ELEMENTS => {
                let set = (kind, family, value(1), value(2));
                if let Some((_, count)) = self.elements.filter(|(before, _)| *before == set) {
                    place.elements = count;
                }
                self.elements = Some((set, place.elements + Attrs(value(3)).count()));
            }
            _ => self.elements = None,
        }
        place
    }
}

fn kind_and_family(message: &Message<'_>) -> (u8, u8) {
    let [_, kind] = message.kind().to_be_bytes();
    (kind, message.payload().first().copied().unwrap_or(0))
}

fn attributes<'b>(message: &Message<'b>) -> &'b [u8] {
    message.payload().get(SUBHEADER..).unwrap_or_default()
}

fn attribute<'b>(message: &Message<'b>, kind: u16) -> Option<Attr<'b>> {
    Attrs(attributes(message)).find(|attr| attr.kind == kind)
}

/// The attribute that an offset is in, its number among these, and where its value begins. Offsets count as `base` does.
fn containing(attrs: &[u8], mut base: usize, offset: usize) -> Option<(usize, Attr<'_>, usize)> {
    for (index, attr) in Attrs(attrs).enumerate() {
        let end = base + (4 + attr.value.len()).next_multiple_of(4);
        if (base..end).contains(&offset) {
            return Some((index, attr, base + 4));
        }
        base = end;
    }
    None
}

fn path(message: &Message<'_>, place: Place, offset: Option<usize>) -> Option<Path> {
    let (kind, family) = kind_and_family(message);
    let name = |kind| attribute(message, kind).and_then(|attr| Name::read(attr.value));
    let number = |kind| attribute(message, kind).and_then(|attr| u64::read(attr.value));
    let elements = attribute(message, 3).map_or(&[][..], |attr| attr.value);
    let (subject, is_empty) = match kind {
        NEW_TABLE | DELETE_TABLE | DESTROY_TABLE => {
            let is_all = name(1).is_none() && number(4).is_none();
            (if is_all { Subject::Ruleset } else { Subject::Table }, is_all)
        }
        NEW_CHAIN | DELETE_CHAIN | DESTROY_CHAIN => (Subject::Chain(name(3)), false),
        NEW_RULE | DELETE_RULE | DESTROY_RULE => {
            let (chain, handle) = (name(2), number(3));
            let is_flush = handle.is_none() && attribute(message, 9).is_none();
            let subject = match &chain {
                None => Subject::Table,
                Some(_) if is_flush && kind == DELETE_RULE => Subject::Chain(chain),
                Some(_) => Subject::Rule {
                    chain,
                    index: place.rules,
                    handle,
                    comment: attribute(message, 7).and_then(|attr| comment::find(attr.value, COMMENT)),
                },
            };
            (subject, is_flush)
        }
        NEW_SET | DELETE_SET | DESTROY_SET => (Subject::Set(name(2)), false),
        NEW_ELEMENTS | DELETE_ELEMENTS | DESTROY_ELEMENTS => {
            let count = Attrs(elements).count();
            let subject = if count == 0 {
                Subject::Set(name(2))
            } else {
                Subject::Elements { set: name(2), first: place.elements, count }
            };
            (subject, count == 0)
        }
        NEW_OBJECT | DELETE_OBJECT | DESTROY_OBJECT => {
            let kind = attribute(message, 3).and_then(|attr| ObjectType::read(attr.value));
            (Subject::Object { name: name(2), kind }, false)
        }
        NEW_FLOWTABLE | DELETE_FLOWTABLE | DESTROY_FLOWTABLE => (Subject::Flowtable(name(2)), false),
        _ => (Subject::Other(kind), false),
    };
    let flags = message.flags();
    let action = match kind {
        NEW_TABLE | NEW_CHAIN | NEW_RULE | NEW_SET | NEW_ELEMENTS | NEW_OBJECT | NEW_FLOWTABLE => match flags
        {
            _ if flags & REPLACE > 0 => Action::Replace,
            _ if flags & EXCLUSIVE > 0 => Action::Create,
            _ if kind == NEW_RULE && flags & APPEND == 0 => Action::Insert,
            _ => Action::Add,
        },
        DELETE_TABLE | DELETE_RULE | DELETE_ELEMENTS if is_empty => Action::Flush,
        DESTROY_TABLE | DESTROY_CHAIN | DESTROY_RULE | DESTROY_SET | DESTROY_ELEMENTS | DESTROY_OBJECT
        | DESTROY_FLOWTABLE => Action::Destroy,
        _ => Action::Delete,
    };
    let part = offset.and_then(|offset| part(message, kind, place, offset));
    Some(Path { action, family: Family::new(family), table: name(1), subject, part })
}

fn part(message: &Message<'_>, kind: u8, place: Place, offset: usize) -> Option<Part> {
    let (_, attr, base) = containing(attributes(message), HEADER + SUBHEADER, offset)?;
    if let (NEW_RULE, 4) = (kind, attr.kind) {
        let (index, expr, _) = containing(attr.value, base, offset)?;
        let name = Attrs(expr.value).find(|attr| attr.kind == 1);
        let name = name.and_then(|name| name.value.split(|byte| *byte == 0).next()).unwrap_or_default();
        return Some(Part::Expression { index, name: String::from_utf8_lossy(name).into_owned() });
    }
    if let (NEW_ELEMENTS | DELETE_ELEMENTS | DESTROY_ELEMENTS, 3) = (kind, attr.kind) {
        let (index, element, _) = containing(attr.value, base, offset)?;
        let inside = |attrs, kind| Attrs(attrs).find(|attr| attr.kind == kind).map(|attr| attr.value);
        let key = inside(element.value, 1).and_then(|key| inside(key, 1)).map(Bytes::from_slice);
        return Some(Part::Element { index: place.elements + index, key });
    }
    Some(field(kind, attr.kind).map_or(Part::Offset(offset), Part::Field))
}

/// What an attribute is, in the words of who writes rules.
const fn field(kind: u8, attribute: u16) -> Option<&'static str> {
    Some(match (kind, attribute) {
        (NEW_TABLE | DELETE_TABLE | DESTROY_TABLE, 1) => "name",
        (NEW_TABLE, 2) => "flags",
        (_, 1) => "table",
        (NEW_CHAIN | DELETE_CHAIN | DESTROY_CHAIN, 3) => "name",
        (NEW_CHAIN, 4) => "hook",
        (NEW_CHAIN, 5) => "policy",
        (NEW_CHAIN, 7) => "type",
        (NEW_CHAIN, 8) => "counters",
        (NEW_CHAIN, 10) => "flags",
        (NEW_RULE | DELETE_RULE | DESTROY_RULE, 2) => "chain",
        (NEW_RULE | DELETE_RULE | DESTROY_RULE, 3) => "handle",
        (NEW_RULE, 6) => "position",
        (NEW_RULE, 10) => "position id",
        (NEW_SET | DELETE_SET | DESTROY_SET, 2) => "name",
        (NEW_SET, 3) => "flags",
        (NEW_SET, 4) => "type of the key",
        (NEW_SET, 5) => "length of the key",
        (NEW_SET, 6) => "type of the data",
        (NEW_SET, 7) => "length of the data",
        (NEW_SET, 9) => "layout",
        (NEW_SET, 11) => "timeout",
        (NEW_SET, 12) => "gc-interval",
        (NEW_SET, 15) => "type of the objects",
        (NEW_SET, 17 | 18) => "expressions",
        (NEW_ELEMENTS | DELETE_ELEMENTS | DESTROY_ELEMENTS, 2) => "set",
        (NEW_OBJECT | DELETE_OBJECT | DESTROY_OBJECT, 2) => "name",
        (NEW_OBJECT | DELETE_OBJECT | DESTROY_OBJECT, 3) => "type",
        (NEW_OBJECT, 4) => "data",
        (NEW_FLOWTABLE | DELETE_FLOWTABLE | DESTROY_FLOWTABLE, 2) => "name",
        (NEW_FLOWTABLE, 3) => "hook",
        (NEW_FLOWTABLE, 7) => "flags",
        _ => return None,
    })
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "add",
            Self::Create => "create",
            Self::Insert => "insert",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Destroy => "destroy",
            Self::Flush => "flush",
            Self::Commit => "commit",
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, family, table, subject, part } = self;
        write!(f, "{action} ")?;
        let elements = match (subject, part) {
            (Subject::Elements { .. }, Some(Part::Element { index, key })) => {
                write!(f, "element {index}")?;
                if let Some(key) = key {
                    write!(f, " (key 0x")?;
                    key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                    write!(f, ")")?;
                }
                true
            }
            (Subject::Elements { first, count, .. }, _) => {
                write!(f, "elements {first} to {}", (first + count).saturating_sub(1))?;
                true
            }
            _ => false,
        };
        if elements {
            write!(f, " of ")?;
        }
        f.write_str(match subject {
            Subject::Batch => return f.write_str("the batch"),
            Subject::Ruleset => "ruleset",
            Subject::Table => "table",
            Subject::Chain(_) => "chain",
            Subject::Rule { .. } => "rule",
            Subject::Set(_) | Subject::Elements { .. } => "set",
            Subject::Object { kind, .. } => kind.map_or("object", object),
            Subject::Flowtable(_) => "flowtable",
            Subject::Other(_) => "message of type",
        })?;
        if let Subject::Other(kind) = subject {
            write!(f, " {kind}")?;
        }
        if *family != Family::new(0) {
            write!(f, " {family}")?;
        }
        if let Some(table) = table {
            write!(f, " {table}")?;
        }
        let name = match subject {
            Subject::Chain(name)
            | Subject::Set(name)
            | Subject::Elements { set: name, .. }
            | Subject::Flowtable(name)
            | Subject::Object { name, .. }
            | Subject::Rule { chain: name, .. } => name.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        if let Subject::Rule { index, handle, comment, .. } = subject {
            match handle {
                Some(handle) => write!(f, " handle {handle}")?,
                None => write!(f, " index {index}")?,
            }
            if let Some(comment) = comment {
                write!(f, " comment {comment:?}")?;
            }
        }
        match part {
            Some(Part::Field(field)) => write!(f, ", its {field}"),
            Some(Part::Expression { index, name }) => write!(f, ", expression {index} ({name})"),
            Some(Part::Offset(offset)) => write!(f, ", at byte {offset}"),
            Some(Part::Element { .. }) | None => Ok(()),
        }
    }
}

/// What `nft` calls a kind of object.
const fn object(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::COUNTER => "counter",
        ObjectType::QUOTA => "quota",
        ObjectType::CT_HELPER => "ct helper",
        ObjectType::LIMIT => "limit",
        ObjectType::CONNLIMIT => "ct count",
        ObjectType::TUNNEL => "tunnel",
        ObjectType::CT_TIMEOUT => "ct timeout",
        ObjectType::SECMARK => "secmark",
        ObjectType::CT_EXPECT => "ct expectation",
        ObjectType::SYNPROXY => "synproxy",
        _ => "object",
    }
}
