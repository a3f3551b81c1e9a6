//! The grammar, read by hand in one pass over the bytes: lists, groups and signs. The terms are in `term.rs`.
//!
//! What is read is told to a sink (`draft.rs`), in the order of the text; a list when it ends. Parentheses do not
//! recurse: open groups wait in a vector, so that nesting costs no stack.
//!
//! Every reader takes the place where its words stand, after the blanks, and returns the place behind them, before the
//! blanks. `None` says that there is a failure to report: a whole error in every result would be carried through memory.
//!
//! The same grammar in nom is this parser's twin in the tests: the two agree on every text, and on kind and place of
//! every error. The nom grammar took more than six times as long.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/parser/parser.go.

use core::mem;

use smallvec::SmallVec;

use crate::draft::{Draft, Nothing, Sink, Word};
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::limits::Limits;
use crate::token::{self, Span};
use crate::tree::{Op, Tree};

/// An error, located in the text.
struct Failure {
    kind: Kind,
    at: usize,
    /// Its length; `None`: whatever stands there, which is measured only when the error is reported.
    len: Option<usize>,
}

/// A list that is being read.
#[derive(Clone, Copy)]
struct List {
    /// Number of its first word.
    from: u32,
    operands: u32,
    /// Levels of its deepest operand.
    depth: usize,
    /// Where it begins in the text.
    start: usize,
}

/// A disjunction that is being read: the whole text, or what stands in parentheses.
struct Group {
    /// Where its parenthesis stands, or the text begins.
    start: usize,
    or: List,
    and: List,
}

pub(crate) struct Parser<'t, 's, S> {
    pub(crate) bytes: &'t [u8],
    pub(crate) sink: &'s mut S,
    terms: usize,
    limits: Limits,
    failure: Option<Failure>,
}

/// The tree of the text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Tree, ParseError> {
    let mut draft = Draft::new(text);
    read(text, limits, &mut draft)?;
    let (len, max) = (draft.len(), limits.len);
    if len > max {
        // It could not be parsed again.
        let kind = Kind::TooLong { len, max };
        return Err(ParseError::new(kind, Span { start: 0, end: text.len() }, text));
    }
    Ok(draft.finish())
}

/// Whether the text has a tree.
pub(crate) fn validate(text: &str, limits: &Limits) -> Result<(), ParseError> {
    // The canonical text of a joint is at most three times as long, with the parentheses that it may cause; of anything
    // else, less. That of nothing is `all()`.
    if text.len() + 8 < limits.len / 3 {
        read(text, limits, &mut Nothing)
    } else {
        parse(text, limits).map(drop)
    }
}

/// Tells the text to an empty sink. (A draft is large, and stays where it is.)
fn read<S: Sink>(text: &str, limits: &Limits, sink: &mut S) -> Result<(), ParseError> {
    let max = limits.len;
    if text.len() > max {
        let kind = Kind::TooLong { len: text.len(), max };
        return Err(ParseError::new(kind, Span { start: max, end: text.len() }, text));
    }
    let mut parser = Parser { bytes: text.as_bytes(), sink, terms: 0, limits: *limits, failure: None };
    match (parser.selector(), parser.failure) {
        (None, Some(failure)) => Err(failure.report(text)),
        _ => Ok(()),
    }
}

impl Failure {
    #[cold]
    fn report(self, text: &str) -> ParseError {
        let rest = text.get(self.at..).unwrap_or_default();
        let len = self.len.unwrap_or_else(|| token::unknown_len(rest));
        ParseError::new(self.kind, Span { start: self.at, end: self.at + len }, text)
    }
}

impl<S: Sink> Parser<'_, '_, S> {
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    #[inline]
    pub(crate) fn is(&self, at: usize, byte: u8) -> bool {
        self.byte(at) == Some(byte)
    }

    /// The place after the blanks that stand here. Only space and tab are blanks; a newline is not.
    #[inline]
    pub(crate) fn blanks(&self, mut at: usize) -> usize {
        // One comparison for all that is no blank.
        while self.byte(at).is_some_and(|byte| byte <= b' ' && matches!(byte, b' ' | b'\t')) {
            at += 1;
        }
        at
    }

    #[cold]
    pub(crate) fn fail<T>(&mut self, kind: Kind, at: usize, len: usize) -> Option<T> {
        self.failure = Some(Failure { kind, at, len: Some(len) });
        None
    }

    /// Whatever stands here is not what `kind` wants.
    #[cold]
    pub(crate) fn unexpected<T>(&mut self, kind: Kind, at: usize) -> Option<T> {
        self.failure = Some(Failure { kind, at, len: None });
        None
    }

    /// `[ disjunction ]`.
    fn selector(&mut self) -> Option<()> {
        let mut at = self.blanks(0);
        if at == self.bytes.len() {
            self.sink.word(Word::new(Op::All, Span { start: at, end: at }, false));
            return Some(());
        }
        let mut group = self.group(at, at);
        let mut outer = SmallVec::<[Group; 4]>::new();
        loop {
            let mut end = self.operation(at, &mut group, &mut outer)?;
            at = self.blanks(end);
            // A closed group is an operation of the group around it.
            while self.is(at, b')') {
                let Some(around) = outer.pop() else { break };
                let inner = mem::replace(&mut group, around);
                self.close(inner, end, at + 1, &mut group)?;
                end = at + 1;
                at = self.blanks(end);
            }
            match (self.byte(at), self.byte(at + 1)) {
                (Some(b'&'), Some(b'&')) => {
                    self.sink.joint(Op::And);
                    at = self.blanks(at + 2);
                }
                (Some(b'|'), Some(b'|')) => {
                    self.end_conjunction(&mut group, end)?;
                    self.sink.joint(Op::Or);
                    at = self.blanks(at + 2);
                    group.and = self.list(at);
                }
                (Some(b'&'), _) => return self.fail(Kind::IncompleteOperator { operator: "&&" }, at, 1),
                (Some(b'|'), _) => return self.fail(Kind::IncompleteOperator { operator: "||" }, at, 1),
                (None, _) if outer.is_empty() => {
                    self.disjunction(&mut group, end)?;
                    return Some(());
                }
                _ if outer.is_empty() => return self.unexpected(Kind::ExpectedEnd, at),
                _ => return self.unexpected(Kind::ExpectedParenthesis, at),
            }
        }
    }

    #[inline]
    fn list(&self, start: usize) -> List {
        List { from: self.sink.next(), operands: 0, depth: 0, start }
    }

    /// A group whose parenthesis stands at `start` and whose inside begins at `at`.
    #[inline]
    fn group(&self, start: usize, at: usize) -> Group {
        Group { start, or: self.list(start), and: self.list(at) }
    }

    /// `{ "!" } ( term | "(" ...`: signs and parentheses up to a term. An odd number of signs negates, an even number
    /// vanishes. Each parenthesis puts the group that it stands in away.
    #[inline]
    fn operation(
        &mut self,
        mut at: usize,
        group: &mut Group,
        outer: &mut SmallVec<[Group; 4]>,
    ) -> Option<usize> {
        loop {
            let mut negated = false;
            while self.is(at, b'!') && !self.is(at + 1, b'=') {
                negated = !negated;
                at = self.blanks(at + 1);
            }
            if negated {
                self.sink.word(Word::new(Op::Not, Span { start: at - 1, end: at }, true));
            }
            if !self.is(at, b'(') {
                let end = self.term(at)?;
                group.and.push(0);
                return Some(end);
            }
            let start = at;
            if outer.len() >= self.limits.depth {
                return self.fail(Kind::TooDeep { max: self.limits.depth }, start, 1);
            }
            at = self.blanks(at + 1);
            let inner = self.group(start, at);
            outer.push(mem::replace(group, inner));
        }
    }

    /// Ends a group, whose parenthesis ends at `closed`: it is an operand of the group around it. What it holds ends at
    /// `end`.
    fn close(&mut self, mut inner: Group, end: usize, closed: usize, around: &mut Group) -> Option<()> {
        let (mut depth, is_list) = self.disjunction(&mut inner, end)?;
        // A list prints the parentheses that it has here; any other pair counts by itself.
        if !is_list {
            depth = self.deeper(depth, inner.start, closed)?;
        }
        around.and.push(depth);
        Some(())
    }

    /// Ends the disjunction of a group at `end`: its levels, and whether it is a list of either kind.
    fn disjunction(&mut self, group: &mut Group, end: usize) -> Option<(usize, bool)> {
        self.end_conjunction(group, end)?;
        let depth = self.end_list(group.or, Op::Or, end)?;
        Some((depth, group.or.operands > 1 || group.and.operands > 1))
    }

    /// Ends the conjunction of a group at `end`: it is an operand of its disjunction.
    #[inline]
    fn end_conjunction(&mut self, group: &mut Group, end: usize) -> Option<()> {
        let depth = self.end_list(group.and, Op::And, end)?;
        group.or.push(depth);
        Some(())
    }

    /// Ends a list at `end`, and returns its levels. A list of one operand is that operand.
    #[inline]
    fn end_list(&mut self, list: List, op: Op, end: usize) -> Option<usize> {
        if list.operands < 2 {
            return Some(list.depth);
        }
        self.sink.list(op, list.from);
        self.deeper(list.depth, list.start, end)
    }

    /// One more level than `depth`, which reaches from `start` to `end`.
    #[inline]
    fn deeper(&mut self, depth: usize, start: usize, end: usize) -> Option<usize> {
        if depth >= self.limits.depth {
            return self.fail(Kind::TooDeep { max: self.limits.depth }, start, end - start);
        }
        Some(depth + 1)
    }

    /// One more term or set item.
    #[inline]
    pub(crate) fn count(&mut self, term: Span) -> Option<()> {
        self.terms += 1;
        if self.terms > self.limits.terms {
            return self.fail(
                Kind::TooManyTerms { max: self.limits.terms },
                term.start,
                term.end - term.start,
            );
        }
        Some(())
    }
}

impl List {
    #[inline]
    fn push(&mut self, depth: usize) {
        self.operands += 1;
        self.depth = self.depth.max(depth);
    }
}
