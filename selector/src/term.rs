//! The grammar of a term: `has(..)`, `all()`, `global()` and comparisons.

use smallvec::SmallVec;

use crate::draft::{Sink, Word};
use crate::error::ParseErrorKind as Kind;
use crate::parse::Parser;
use crate::token::{self, Span};
use crate::tree::Op;

/// A value of a set that is being read.
#[derive(Clone, Copy)]
struct Item {
    /// Its first bytes, the first one on top: they order most values without a look at the text.
    head: u128,
    value: Span,
}

impl<S: Sink> Parser<'_, '_, S> {
    fn rest(&self, at: usize) -> &[u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start..span.end).unwrap_or_default()
    }

    /// `has(label)`, `all()`, `global()` or a comparison. Only these exact words with the parenthesis at once are
    /// functions; all else may be a label.
    #[inline]
    pub(crate) fn term(&mut self, at: usize) -> Option<usize> {
        let rest = self.rest(at);
        let end = match rest.first() {
            Some(b'h') if rest.starts_with(b"has(") => self.has(at)?,
            Some(b'a') if rest.starts_with(b"all(") => self.function(Op::All, at)?,
            Some(b'g') if rest.starts_with(b"global(") => self.function(Op::Global, at)?,
            _ => self.comparison(at)?,
        };
        self.count(Span { start: at, end })?;
        Some(end)
    }

    fn has(&mut self, start: usize) -> Option<usize> {
        let at = self.blanks(start + Op::Has.spelling().len());
        let label = self.label(at, Kind::ExpectedLabel)?;
        let end = self.parenthesis(label.end)?;
        let blanks = end - start - Op::Has.spelling().len() - label.len() as usize - 1;
        self.sink.word(Word::new(Op::Has, Span { start, end }, blanks == 0).with_label(label));
        Some(end)
    }

    /// `all()` or `global()`, of which the word and the first parenthesis stand here.
    fn function(&mut self, op: Op, start: usize) -> Option<usize> {
        let len = op.spelling().len();
        let end = self.parenthesis(start + len - 1)?;
        self.sink.word(Word::new(op, Span { start, end }, end - start == len));
        Some(end)
    }

    fn parenthesis(&mut self, at: usize) -> Option<usize> {
        let at = self.blanks(at);
        if self.is(at, b')') { Some(at + 1) } else { self.unexpected(Kind::ExpectedParenthesis, at) }
    }

    /// A label name; `kind` is the error where there is none.
    #[inline]
    fn label(&mut self, at: usize, kind: Kind) -> Option<Span> {
        let len = token::label_len(self.rest(at));
        if len == 0 {
            return self.unexpected(kind, at);
        }
        if len > token::MAX_LABEL_LEN {
            return self.fail(Kind::LabelTooLong { len, max: token::MAX_LABEL_LEN }, at, len);
        }
        Some(Span { start: at, end: at + len })
    }

    /// `label operator ( string | set )`.
    #[inline]
    fn comparison(&mut self, at: usize) -> Option<usize> {
        let label = self.label(at, Kind::ExpectedTerm)?;
        let (op, end) = self.operator(self.blanks(label.end))?;
        let next = self.blanks(end);
        if matches!(op, Op::In | Op::NotIn) {
            return self.set(op, label, next);
        }
        let value = self.string(next, Kind::ExpectedString)?;
        let end = value.end + 1;
        if S::KEEPS {
            let is_canonical =
                self.is_spelled(op, Span { start: label.end, end: next }) && self.is(next, b'"');
            let word = Word::new(op, Span { start: at, end }, is_canonical);
            self.sink.word(word.with_label(label).with_value(value));
        }
        Some(end)
    }

    /// Whether this is how the operator is spelled, with what stands around it.
    #[inline]
    fn is_spelled(&self, op: Op, span: Span) -> bool {
        // Constants are compared without a call.
        match (op, self.slice(span)) {
            (Op::Equal, is) => is == Op::Equal.spelling().as_bytes(),
            (Op::NotEqual, is) => is == Op::NotEqual.spelling().as_bytes(),
            (Op::In, is) => is == Op::In.spelling().as_bytes(),
            (op, is) => is == op.spelling().as_bytes(),
        }
    }

    #[inline]
    fn operator(&mut self, at: usize) -> Option<(Op, usize)> {
        let (first, second, op): (&[u8], &[u8], _) = match (self.byte(at), self.byte(at + 1)) {
            (Some(b'='), Some(b'=')) => return Some((Op::Equal, at + 2)),
            (Some(b'!'), Some(b'=')) => return Some((Op::NotEqual, at + 2)),
            (Some(b'='), _) => return self.fail(Kind::IncompleteOperator { operator: "==" }, at, 1),
            (Some(b'i'), _) => (b"in", b"", Op::In),
            (Some(b'n'), _) => (b"not", b"in", Op::NotIn),
            (Some(b'c'), _) => (b"contains", b"", Op::Contains),
            (Some(b's'), _) => (b"starts", b"with", Op::StartsWith),
            (Some(b'e'), _) => (b"ends", b"with", Op::EndsWith),
            _ => return self.unexpected(Kind::ExpectedOperator, at),
        };
        let mut end = at + first.len();
        let mut is = self.rest(at).starts_with(first);
        if !second.is_empty() {
            let start = self.blanks(end);
            end = start + second.len();
            is &= self.rest(start).starts_with(second);
        }
        if is && !self.byte(end).is_some_and(token::is_label_byte) {
            return Some((op, end));
        }
        self.unexpected(Kind::ExpectedOperator, at)
    }

    /// A string literal: where its value stands, without the quotes; `kind` is the error where there is none.
    #[inline]
    fn string(&mut self, at: usize, kind: Kind) -> Option<Span> {
        let Some(quote @ (b'"' | b'\'')) = self.byte(at) else { return self.unexpected(kind, at) };
        let start = at + 1;
        match token::find(self.rest(start), quote) {
            Some(len) => Some(Span { start, end: start + len }),
            None => {
                let kind = Kind::UnterminatedString { quote: char::from(quote) };
                self.fail(kind, at, self.bytes.len() - at)
            }
        }
    }

    /// `"{" [ string { "," string } [ "," ] ] "}"`, kept sorted, each string once.
    fn set(&mut self, op: Op, label: Span, brace: usize) -> Option<usize> {
        if !self.is(brace, b'{') {
            return self.unexpected(Kind::ExpectedSet, brace);
        }
        let mut items = SmallVec::<[Item; 8]>::new();
        let mut at = self.blanks(brace + 1);
        while !self.is(at, b'}') {
            let value = self.string(at, Kind::ExpectedSetItem)?;
            let end = value.end + 1;
            self.count(Span { start: at, end })?;
            if S::KEEPS {
                items.push(Item { head: self.head(value), value });
            }
            at = self.blanks(end);
            if self.is(at, b',') {
                at = self.blanks(at + 1);
            } else if !self.is(at, b'}') {
                return self.unexpected(Kind::ExpectedSetEnd, at);
            }
        }
        if S::KEEPS {
            self.put_set(op, label, brace + 1, &mut items);
        }
        Some(at + 1)
    }

    /// Up to sixteen bytes of a value, as a number in the order of the values. Two values with the same may differ.
    #[inline]
    fn head(&self, value: Span) -> u128 {
        let len = (value.end - value.start).min(16);
        let Some(head) = self.rest(value.start).first_chunk::<16>() else {
            let mut head = [0; 16];
            head.iter_mut().zip(self.slice(value)).for_each(|(to, from)| *to = *from);
            return u128::from_be_bytes(head);
        };
        if len == 0 { 0 } else { u128::from_be_bytes(*head) & (u128::MAX << (128 - 8 * len)) }
    }

    /// Sorts the items of a set, whose brace ends at `end`.
    fn put_set(&mut self, op: Op, label: Span, end: usize, items: &mut SmallVec<[Item; 8]>) {
        if items.len() > 1 {
            let bytes = self.bytes;
            let value = |item: &Item| bytes.get(item.value.start..item.value.end).unwrap_or_default();
            items.sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| value(a).cmp(value(b))));
            items.dedup_by(|a, b| a.head == b.head && value(a) == value(b));
        }
        let is_canonical = self.is_spelled(op, Span { start: label.end, end });
        let word = Word::new(op, Span { start: label.start, end }, is_canonical);
        let quoted = |item: &Item| Span { start: item.value.start - 1, end: item.value.end + 1 };
        self.sink.set(word.with_label(label), items.iter().map(quoted));
    }
}
