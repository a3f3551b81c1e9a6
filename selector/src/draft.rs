//! A text that has been read, until it is a tree: where its words stand in the source, in the order of the source.

use smallvec::SmallVec;

use crate::token::Span;
use crate::tree::{Op, Tree, place};
use crate::write::write;

/// What the parser tells what it reads, in the order of the text.
pub(crate) trait Sink {
    /// Whether anything is done with it.
    const KEEPS: bool;

    /// Number of the next word.
    fn next(&self) -> u32;

    /// A sign or a term.
    fn word(&mut self, word: Word);

    /// A set and its items, with their quotes.
    fn set(&mut self, word: Word, items: impl ExactSizeIterator<Item = Span>);

    /// What joins what was read with what comes next.
    fn joint(&mut self, op: Op);

    /// A list of the words from this one on.
    fn list(&mut self, op: Op, from: u32);
}

/// For who only wants to know whether there is a tree.
pub(crate) struct Nothing;

impl Sink for Nothing {
    const KEEPS: bool = false;

    fn next(&self) -> u32 {
        0
    }

    fn word(&mut self, _: Word) {}

    fn set(&mut self, _: Word, _: impl ExactSizeIterator<Item = Span>) {}

    fn joint(&mut self, _: Op) {}

    fn list(&mut self, _: Op, _: u32) {}
}

/// A sign, a term or an item of a set, where it stands in the source.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(crate) struct Word {
    pub(crate) op: Op,
    /// What joins it with the word before it.
    pub(crate) joint: Option<Op>,
    /// Whether it is written in the canonical way; of a set, up to its brace.
    pub(crate) is_canonical: bool,
    pub(crate) label_len: u16,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) label: u32,
    /// Where its value stands, without the quotes.
    pub(crate) value: u32,
    /// Length of its value; of a set, how many items it has.
    pub(crate) value_len: u32,
}

impl Word {
    /// One that has neither label nor value, or not yet.
    #[inline]
    pub(crate) fn new(op: Op, span: Span, is_canonical: bool) -> Self {
        let (start, end) = (place(span.start), place(span.end));
        Self {
            op,
            joint: None,
            is_canonical,
            label_len: 0,
            start,
            end,
            label: start,
            value: start,
            value_len: 0,
        }
    }

    #[inline]
    pub(crate) fn with_label(self, label: Span) -> Self {
        // At most MAX_LABEL_LEN.
        let label_len = u16::try_from(label.len()).unwrap_or(u16::MAX);
        Self { label: place(label.start), label_len, ..self }
    }

    #[inline]
    pub(crate) fn with_value(self, value: Span) -> Self {
        Self { value: place(value.start), value_len: value.len(), ..self }
    }

    /// Bytes of its canonical text; of a set, up to its brace.
    #[inline]
    fn len(&self) -> u32 {
        if self.is_canonical { self.end - self.start } else { self.other_len() }
    }

    #[cold]
    fn other_len(&self) -> u32 {
        let spelled = u32::from(self.label_len) + place(self.op.spelling().len());
        match self.op {
            Op::All | Op::Global | Op::Not | Op::And | Op::Or | Op::In | Op::NotIn => spelled,
            Op::Has => spelled + 1,
            Op::Item => self.value_len + 2,
            Op::Equal | Op::NotEqual | Op::Contains | Op::StartsWith | Op::EndsWith => {
                spelled + self.value_len + 2
            }
        }
    }
}

/// A list of words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub(crate) op: Op,
    /// The first word of it, and the first behind it.
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What has been read of a text.
#[derive(Debug)]
pub(crate) struct Draft<'t> {
    source: &'t str,
    /// As many as most selectors have are no allocation.
    words: SmallVec<[Word; 32]>,
    lists: SmallVec<[List; 8]>,
    /// What joins the last word with the next.
    joint: Option<Op>,
    /// Length of the canonical text.
    len: usize,
}

impl Sink for Draft<'_> {
    const KEEPS: bool = true;

    #[inline]
    fn next(&self) -> u32 {
        place(self.words.len())
    }

    #[inline]
    fn word(&mut self, word: Word) {
        self.len += word.len() as usize;
        self.words.push(Word { joint: self.joint.take(), ..word });
    }

    #[inline]
    fn set(&mut self, word: Word, items: impl ExactSizeIterator<Item = Span>) {
        let count = items.len();
        self.word(Word { value_len: place(count), ..word });
        self.len += "}".len() + Op::Item.spelling().len() * count.saturating_sub(1);
        for item in items {
            let is_double = self.source.as_bytes().get(item.start) == Some(&b'"');
            let value = Span { start: item.start + 1, end: item.end - 1 };
            let word = Word::new(Op::Item, item, is_double).with_value(value);
            self.len += word.len() as usize;
            self.words.push(word);
        }
    }

    #[inline]
    fn joint(&mut self, op: Op) {
        self.len += op.spelling().len();
        self.joint = Some(op);
    }

    #[inline]
    fn list(&mut self, op: Op, from: u32) {
        self.len += "()".len();
        self.lists.push(List { op, from, to: self.next() });
    }
}

impl<'t> Draft<'t> {
    /// Nothing has been read of this text.
    pub(crate) fn new(source: &'t str) -> Self {
        Self { source, words: SmallVec::new(), lists: SmallVec::new(), joint: None, len: 0 }
    }

    /// Length of the canonical text.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The tree. The draft is of no use any more.
    pub(crate) fn finish(&mut self) -> Tree {
        // From the front to the back, and of those that begin together the longest first.
        if self.lists.len() > 1 {
            self.lists.sort_unstable_by_key(|list| (list.from, u32::MAX - list.to));
        }
        write(self.source, self.len, &self.words, &self.lists)
    }
}
