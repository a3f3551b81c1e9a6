//! What a message is, from its bytes.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Action, Part, Path, Subject};
use crate::attr::{Attr, Attrs, Bytes, Field};
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

/// A chain or a set: a type of message, family, table and name.
type Whole<'b> = (u8, u8, &'b [u8], &'b [u8]);

/// What stands before a message, in its chain or its set.
#[derive(Debug, Default)]
pub(super) struct Before<'b> {
    /// How many rules of each chain, in order.
    chains: Vec<(Whole<'b>, u32)>,
    /// The set of the elements right before, and how many they are.
    elements: Option<(Whole<'b>, usize)>,
}

/// How many stand before a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    rules: u32,
    elements: usize,
}

impl<'b> Before<'b> {
    pub(super) fn count(&mut self, message: &Message<'b>) -> Place {
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

/// What a message is.
pub(super) fn path(message: &Message<'_>, place: Place, offset: Option<usize>) -> Option<Path> {
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
