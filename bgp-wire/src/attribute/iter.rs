//! Walking the attributes of an UPDATE.

use crate::attribute::{Attribute, AttributeCode, AttributeFlags, FlaggedAttribute, RawAttribute};
use crate::cursor::Reader;
use crate::error::{DecodeError, DecodeErrorKind, ErrorAction};
use crate::session::Rules;

/// Where an attribute lies: offsets of its header and of its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: u16,
    pub(crate) value: u16,
}

/// Takes the next attribute's header and value off the reader; `None`, and nothing is taken, if they are cut.
#[inline(always)]
pub(crate) fn frame<'a>(r: &mut Reader<'a>) -> Option<(RawAttribute<'a>, Place)> {
    let mut rest = *r;
    let start = rest.offset();
    let [flags, code] = rest.array()?;
    let flags = AttributeFlags::new(flags);
    let len =
        if flags.contains(AttributeFlags::EXTENDED_LENGTH) { rest.u16()? } else { u16::from(rest.u8()?) };
    let value = rest.offset();
    let raw = RawAttribute::new(flags, AttributeCode::new(code), rest.take(usize::from(len))?);
    *r = rest;
    Some((raw, Place { start, value }))
}

/// Iterator over attributes as they lie on the wire, in order, repeated ones included; ends where framing does.
#[derive(Debug, Clone)]
pub struct RawAttributes<'a>(pub(crate) Reader<'a>);

impl<'a> Iterator for RawAttributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<RawAttribute<'a>> {
        frame(&mut self.0).map(|(raw, _)| raw)
    }
}

/// Iterator over typed attributes in order.
///
/// Each is `Ok`, or the error that RFC 7606 attaches to it. The second and later occurrences of an attribute are errors
/// whose action is to discard them. If the framing breaks, the last item is that error.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    pub(crate) rest: Reader<'a>,
    pub(crate) rules: Rules,
    pub(crate) seen: Seen,
}

impl<'a> Attributes<'a> {
    /// The same with the flags that each attribute was received with, for writing it as it was.
    pub const fn flagged(self) -> FlaggedAttributes<'a> {
        FlaggedAttributes(self)
    }

    /// The next attribute as it lies there, and where; an error if it is cut or was there before.
    ///
    /// Always inlined, as is what uses it: the parts of an attribute then stay in registers, where a call would move
    /// the whole `Result` through memory for each.
    #[inline(always)]
    fn step(&mut self) -> Option<Result<(RawAttribute<'a>, Place), DecodeError>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((raw, place)) = frame(&mut self.rest) else {
            let start = self.rest.offset();
            self.rest = Reader::new(&[], start);
            return Some(Err(framing_error(start)));
        };
        if self.seen.insert(raw.code()) {
            Some(Ok((raw, place)))
        } else {
            Some(Err(duplicate_error(raw.code(), place.start)))
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.step()? {
            Ok((raw, place)) => Some(Attribute::decode(raw, place.start, place.value, self.rules)),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Iterator over typed attributes in order, with their flags; see [`Attributes`].
#[derive(Debug, Clone)]
pub struct FlaggedAttributes<'a>(Attributes<'a>);

impl<'a> Iterator for FlaggedAttributes<'a> {
    type Item = Result<FlaggedAttribute<'a>, DecodeError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.0.step()? {
            Ok((raw, place)) => {
                let attribute = Attribute::decode(raw, place.start, place.value, self.0.rules);
                Some(attribute.map(|attribute| FlaggedAttribute { flags: raw.flags(), attribute }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// RFC 7606 §3.g: the first occurrence counts.
#[cold]
fn duplicate_error(code: AttributeCode, offset: u16) -> DecodeError {
    let kind = DecodeErrorKind::DuplicateAttribute { code: code.get() };
    DecodeError::new(kind, offset).with_action(ErrorAction::AttributeDiscard)
}

/// RFC 7606 §4: what was framed so far counts, the routes are withdrawn.
#[cold]
fn framing_error(offset: u16) -> DecodeError {
    DecodeError::new(DecodeErrorKind::MalformedAttributeList, offset)
        .with_action(ErrorAction::TreatAsWithdraw)
}

/// The type codes that were seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen([u64; 4]);

impl Seen {
    /// Whether the code is new.
    #[inline]
    pub(crate) fn insert(&mut self, code: AttributeCode) -> bool {
        let bit = 1 << (code.get() % 64);
        match self.0.get_mut(usize::from(code.get() / 64)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn contains(&self, code: AttributeCode) -> bool {
        self.0.get(usize::from(code.get() / 64)).is_some_and(|word| word & 1 << (code.get() % 64) != 0)
    }
}
