//! Walking the attributes of an UPDATE.

use crate::attribute::{Attribute, AttributeCode, AttributeFlags, RawAttribute};
use crate::cursor::Reader;
use crate::error::{DecodeError, DecodeErrorKind, ErrorAction};
use crate::session::Session;

/// Where an attribute lies: offsets of its header and of its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: u16,
    pub(crate) value: u16,
}

/// Takes the next attribute's header and value off the reader; `None` if they are cut.
pub(crate) fn frame<'a>(r: &mut Reader<'a>) -> Option<(RawAttribute<'a>, Place)> {
    let start = r.offset();
    let flags = AttributeFlags::new(r.u8()?);
    let code = AttributeCode::new(r.u8()?);
    let len = if flags.contains(AttributeFlags::EXTENDED_LENGTH) { r.u16()? } else { u16::from(r.u8()?) };
    let value = r.offset();
    Some((RawAttribute::new(flags, code, r.take(usize::from(len))?), Place { start, value }))
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
    pub(crate) session: Session,
    pub(crate) seen: Seen,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.offset();
        let Some((raw, place)) = frame(&mut self.rest) else {
            self.rest = Reader::new(&[], start);
            return Some(Err(framing_error(start)));
        };
        if self.seen.insert(raw.code()) {
            Some(Attribute::decode(raw, place.start, place.value, &self.session))
        } else {
            let kind = DecodeErrorKind::DuplicateAttribute { code: raw.code().get() };
            Some(Err(DecodeError::new(kind, start).with_action(ErrorAction::AttributeDiscard)))
        }
    }
}

/// RFC 7606 §4: what was framed so far counts, the routes are withdrawn.
fn framing_error(offset: u16) -> DecodeError {
    DecodeError::new(DecodeErrorKind::MalformedAttributeList, offset)
        .with_action(ErrorAction::TreatAsWithdraw)
}

/// The type codes that were seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen([u64; 4]);

impl Seen {
    /// Whether the code is new.
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
