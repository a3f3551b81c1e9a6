//! Walking the attributes of an UPDATE.

use crate::attribute::{Attribute, AttributeCode, AttributeFlags, FlaggedAttribute, RawAttribute};
use crate::cursor::Reader;
use crate::error::{DecodeError, DecodeErrorKind, ErrorAction};
use crate::session::Rules;

/// Where an attribute lies: what is left to read before its header is taken off. Offsets are for errors alone, and are
/// found out when there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a>(Reader<'a>);

impl Place<'_> {
    /// Offset of the header.
    pub(crate) fn start(self) -> u16 {
        self.0.offset()
    }

    /// Offset of the value.
    pub(crate) fn value(self, raw: RawAttribute<'_>) -> u16 {
        self.start().saturating_add(if raw.flags.contains(AttributeFlags::EXTENDED_LENGTH) { 4 } else { 3 })
    }

    /// An error at the header, with the whole attribute as the data of the NOTIFICATION.
    pub(crate) fn error(self, kind: DecodeErrorKind, raw: RawAttribute<'_>) -> DecodeError {
        let (start, value) = (self.start(), u16::try_from(raw.value.len()).unwrap_or(u16::MAX));
        let whole = (self.value(raw) - start).saturating_add(value);
        DecodeError::new(kind, start).with_data(start, whole)
    }
}

/// Takes the next attribute's header and value off the reader; `None`, and nothing is taken, if they are cut.
#[inline(always)]
pub(crate) fn frame<'a>(r: &mut Reader<'a>) -> Option<(RawAttribute<'a>, Place<'a>)> {
    let place = Place(*r);
    let bytes = r.rest();
    // The longer header is read in any case, and both lengths: which one counts depends on the peer, and is hard to
    // guess ahead.
    let head = match (bytes.first_chunk(), bytes) {
        (Some(head), _) => u32::from_be_bytes(*head),
        (None, [flags, code, len]) => u32::from_be_bytes([*flags, *code, *len, 0]),
        (None, _) => return None,
    };
    let [flags, code, short, _] = head.to_be_bytes();
    let [_, _, high, low] = head.to_be_bytes();
    let long = usize::from(u16::from_be_bytes([high, low]));
    let flags = AttributeFlags::new(flags);
    let (start, end) = if flags.contains(AttributeFlags::EXTENDED_LENGTH) {
        (4, 4 + long)
    } else {
        (3, 3 + usize::from(short))
    };
    let value = r.take(end)?.get(start..)?;
    Some((RawAttribute::new(flags, AttributeCode::new(code), value), place))
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

    /// All of them with their flags, the good ones typed, the others as [`Attribute::Unknown`]: for who keeps messages, or shows
    /// them, and does not act on them. Written again they have the same octets. Ends where framing does.
    pub const fn kept(self) -> KeptAttributes<'a> {
        KeptAttributes(self)
    }

    /// What an attribute is by these rules.
    #[cfg(feature = "arbitrary")]
    pub(crate) fn judge(&self, raw: RawAttribute<'a>) -> Result<Attribute<'a>, DecodeError> {
        Attribute::decode(raw, Place(Reader::new(raw.value, 0)), self.rules)
    }

    /// The next attribute as it lies there, and where; an error if it is cut or was there before.
    ///
    /// Always inlined, as is what uses it: the parts of an attribute then stay in registers, where a call would move
    /// the whole `Result` through memory for each.
    #[inline(always)]
    fn step(&mut self) -> Option<Result<(RawAttribute<'a>, Place<'a>), DecodeError>> {
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
            Some(Err(duplicate_error(raw.code(), place)))
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.step()? {
            Ok((raw, place)) => Some(Attribute::decode(raw, place, self.rules)),
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
                let attribute = Attribute::decode(raw, place, self.0.rules);
                Some(attribute.map(|attribute| FlaggedAttribute { flags: raw.flags(), attribute }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Iterator over all attributes in order, good or not, repeated ones included; see [`Attributes::kept`].
#[derive(Debug, Clone)]
pub struct KeptAttributes<'a>(Attributes<'a>);

impl<'a> Iterator for KeptAttributes<'a> {
    type Item = FlaggedAttribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (raw, place) = frame(&mut self.0.rest)?;
        let attribute = Attribute::decode(raw, place, self.0.rules).unwrap_or(Attribute::Unknown(raw));
        Some(FlaggedAttribute { flags: raw.flags(), attribute })
    }
}

/// RFC 7606 §3.g: the first occurrence counts.
#[cold]
fn duplicate_error(code: AttributeCode, place: Place<'_>) -> DecodeError {
    let kind = DecodeErrorKind::DuplicateAttribute { code: code.get() };
    DecodeError::new(kind, place.start()).with_action(ErrorAction::AttributeDiscard)
}

/// RFC 7606 §4: what was framed so far counts, the routes are withdrawn.
#[cold]
fn framing_error(offset: u16) -> DecodeError {
    DecodeError::new(DecodeErrorKind::MalformedAttributeList, offset)
        .with_action(ErrorAction::TreatAsWithdraw)
}

/// The type codes that were seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Below 64, as nearly all are: a register.
    low: u64,
    others: [u64; 3],
}

impl Seen {
    /// Whether the code is new.
    #[inline(always)]
    pub(crate) fn insert(&mut self, code: AttributeCode) -> bool {
        let bit = 1 << (code.get() % 64);
        if code.get() < 64 {
            let new = self.low & bit == 0;
            self.low |= bit;
            return new;
        }
        insert(&mut self.others, code)
    }

    pub(crate) fn contains(&self, code: AttributeCode) -> bool {
        let word = match usize::from(code.get() / 64).checked_sub(1) {
            None => Some(&self.low),
            Some(i) => self.others.get(i),
        };
        word.is_some_and(|word| word & 1 << (code.get() % 64) != 0)
    }
}

/// As [`Seen::insert`], of a code from 64 on.
#[cold]
fn insert(others: &mut [u64; 3], code: AttributeCode) -> bool {
    let bit = 1 << (code.get() % 64);
    let word = usize::from(code.get() / 64).checked_sub(1).and_then(|i| others.get_mut(i));
    word.is_some_and(|word| core::mem::replace(word, *word | bit) & bit == 0)
}
