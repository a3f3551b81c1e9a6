//! The grammar, read by hand in one pass over the bytes.
//!
//! The canonical text and the nodes of the tree are written as the input is read (`draft.rs`); only the parentheses of a
//! list wait until it has a second operand. Parentheses do not recurse: open groups wait in a vector, so that nesting
//! costs no stack.
//!
//! The same grammar in nom is this parser's twin in the tests: the two agree on every text, and on kind and place of
//! every error. The nom grammar took almost six times as long.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/parser/parser.go.

use core::mem;

use smallvec::SmallVec;

use crate::draft::{Draft, List as Written, Sink};
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::limits::Limits;
use crate::token::{self, Span};
use crate::tree::{Node, Op, Tree, place};

/// An error, located in the text.
struct Failure {
    kind: Kind,
    at: usize,
    /// Its length; `None`: whatever stands there, which is measured only when the error is reported.
    len: Option<usize>,
}

type Parsed<T> = Result<T, Failure>;

/// A list that is being read.
#[derive(Clone, Copy)]
struct List {
    /// How many nodes, and how many bytes of canonical text, stand before it.
    before: (usize, usize),
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

struct Parser<'t, 's, S> {
    text: &'t str,
    bytes: &'t [u8],
    /// How far the text has been read.
    at: usize,
    terms: usize,
    limits: &'t Limits,
    sink: &'s mut S,
}

/// The tree of the text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Tree, ParseError> {
    let mut draft = Draft::new(text.len());
    read(text, limits, &mut draft)?;
    Ok(draft.finish())
}

/// Whether the text has a tree.
pub(crate) fn validate(text: &str, limits: &Limits) -> Result<(), ParseError> {
    read(text, limits, &mut 0_usize)
}

/// Writes the text into an empty sink. (A draft is large, and stays where it is.)
fn read<S: Sink>(text: &str, limits: &Limits, sink: &mut S) -> Result<(), ParseError> {
    let max = limits.len;
    if text.len() > max {
        let kind = Kind::TooLong { len: text.len(), max };
        return Err(ParseError::new(kind, Span { start: max, end: text.len() }, text));
    }
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, terms: 0, limits, sink };
    parser.selector().map_err(|failure| failure.report(text))?;
    let len = parser.sink.len();
    if len > max {
        // It could not be parsed again.
        let kind = Kind::TooLong { len, max };
        return Err(ParseError::new(kind, Span { start: 0, end: text.len() }, text));
    }
    Ok(())
}

impl Failure {
    #[cold]
    fn report(self, text: &str) -> ParseError {
        let rest = text.get(self.at..).unwrap_or_default();
        let len = self.len.unwrap_or_else(|| token::unknown_len(rest));
        ParseError::new(self.kind, Span { start: self.at, end: self.at + len }, text)
    }

    #[cold]
    const fn new(kind: Kind, at: usize, len: usize) -> Self {
        Self { kind, at, len: Some(len) }
    }
}

impl<'t, S: Sink> Parser<'t, '_, S> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Only space and tab are blanks; a newline is not.
    #[inline]
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads this byte, after blanks, if it stands there. Else only the blanks are read.
    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Whatever stands here is not what `kind` wants.
    #[cold]
    fn unexpected(&mut self, kind: Kind) -> Failure {
        self.skip_blanks();
        Failure { kind, at: self.at, len: None }
    }

    /// A node that is nothing but these words.
    fn push(&mut self, op: Op) {
        let label = self.sink.place();
        self.sink.put(op.spelling());
        self.sink.node(Node { label, ..Node::new(op) });
    }

    /// `[ disjunction ]`.
    fn selector(&mut self) -> Parsed<()> {
        self.skip_blanks();
        if self.at == self.bytes.len() {
            self.push(Op::All);
            return Ok(());
        }
        self.at = 0;
        let mut group = self.group(0);
        let mut outer = SmallVec::<[Group; 4]>::new();
        loop {
            self.operation(&mut group, &mut outer)?;
            let mut end = self.at;
            // A closed group is an operation of the group around it.
            while !outer.is_empty() && self.eat(b')') {
                let Some(around) = outer.pop() else { break };
                let inner = mem::replace(&mut group, around);
                self.close(inner, end, &mut group)?;
                end = self.at;
            }
            self.skip_blanks();
            match (self.peek(), self.bytes.get(self.at + 1)) {
                (Some(b'&'), Some(b'&')) => {
                    self.at += 2;
                    self.sink.put(Op::And.spelling());
                }
                (Some(b'|'), Some(b'|')) => {
                    self.end_conjunction(&mut group, end)?;
                    self.at += 2;
                    self.sink.put(Op::Or.spelling());
                    group.and = self.list(self.at);
                }
                (Some(b'&'), _) => {
                    return Err(Failure::new(Kind::IncompleteOperator { operator: "&&" }, self.at, 1));
                }
                (Some(b'|'), _) => {
                    return Err(Failure::new(Kind::IncompleteOperator { operator: "||" }, self.at, 1));
                }
                (None, _) if outer.is_empty() => {
                    self.disjunction(&mut group, end)?;
                    return Ok(());
                }
                _ if outer.is_empty() => return Err(self.unexpected(Kind::ExpectedEnd)),
                _ => return Err(self.unexpected(Kind::ExpectedParenthesis)),
            }
        }
    }

    #[inline]
    fn list(&self, start: usize) -> List {
        List { before: self.sink.before(), operands: 0, depth: 0, start }
    }

    /// A group whose parenthesis stands at `start` and whose inside begins here.
    #[inline]
    fn group(&self, start: usize) -> Group {
        let at = self.at;
        Group { start, or: self.list(start), and: self.list(at) }
    }

    /// `{ "!" } ( term | "(" ...`: signs and parentheses up to a term. An odd number of signs negates, an even number
    /// vanishes. Each parenthesis puts the group that it stands in away.
    fn operation(&mut self, group: &mut Group, outer: &mut SmallVec<[Group; 4]>) -> Parsed<()> {
        loop {
            let mut negated = false;
            self.skip_blanks();
            while self.peek() == Some(b'!') && self.bytes.get(self.at + 1) != Some(&b'=') {
                negated = !negated;
                self.at += 1;
                self.skip_blanks();
            }
            if negated {
                self.push(Op::Not);
            }
            if self.peek() != Some(b'(') {
                self.term()?;
                group.and.push(0);
                return Ok(());
            }
            let start = self.at;
            if outer.len() >= self.limits.depth {
                return Err(Failure::new(Kind::TooDeep { max: self.limits.depth }, start, 1));
            }
            self.at += 1;
            let inner = self.group(start);
            outer.push(mem::replace(group, inner));
        }
    }

    /// Ends a group, whose parenthesis has just been read: it is an operand of the group around it. What it holds ends at
    /// `end`.
    fn close(&mut self, mut inner: Group, end: usize, around: &mut Group) -> Parsed<()> {
        let (mut depth, is_list) = self.disjunction(&mut inner, end)?;
        // A list prints the parentheses that it has here; any other pair counts by itself.
        if !is_list {
            depth = self.deeper(depth, inner.start, self.at)?;
        }
        around.and.push(depth);
        Ok(())
    }

    /// Ends the disjunction of a group at `end`: its levels, and whether it is a list of either kind.
    fn disjunction(&mut self, group: &mut Group, end: usize) -> Parsed<(usize, bool)> {
        self.end_conjunction(group, end)?;
        let depth = self.end_list(group.or, Op::Or, end)?;
        Ok((depth, group.or.operands > 1 || group.and.operands > 1))
    }

    /// Ends the conjunction of a group at `end`: it is an operand of its disjunction.
    fn end_conjunction(&mut self, group: &mut Group, end: usize) -> Parsed<()> {
        let depth = self.end_list(group.and, Op::And, end)?;
        group.or.push(depth);
        Ok(())
    }

    /// Ends a list at `end`, and returns its levels. A list of one operand is that operand.
    fn end_list(&mut self, list: List, op: Op, end: usize) -> Parsed<usize> {
        if list.operands < 2 {
            return Ok(list.depth);
        }
        self.sink.list(Written { op, before: list.before });
        let blanks = self.bytes.get(list.start..).unwrap_or_default();
        let blanks = blanks.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.deeper(list.depth, list.start + blanks, end)
    }

    /// One more level than `depth`, which reaches from `start` to `end`.
    fn deeper(&self, depth: usize, start: usize, end: usize) -> Parsed<usize> {
        if depth >= self.limits.depth {
            return Err(Failure::new(Kind::TooDeep { max: self.limits.depth }, start, end - start));
        }
        Ok(depth + 1)
    }

    /// One more term or set item, which reaches from `start` to here.
    #[inline]
    fn count(&mut self, start: usize) -> Parsed<()> {
        self.terms += 1;
        if self.terms > self.limits.terms {
            return Err(Failure::new(Kind::TooManyTerms { max: self.limits.terms }, start, self.at - start));
        }
        Ok(())
    }

    /// `has(label)`, `all()`, `global()` or a comparison. Only these exact words with the parenthesis at once are
    /// functions; all else may be a label.
    #[inline]
    fn term(&mut self) -> Parsed<()> {
        let start = self.at;
        match self.peek() {
            Some(b'h') if self.rest().starts_with(b"has(") => {
                self.at += "has(".len();
                let label = self.label(Kind::ExpectedLabel)?;
                self.parenthesis()?;
                self.sink.put("has(");
                let at = self.sink.place();
                self.sink.put(label);
                self.sink.put(")");
                self.sink.node(Node::with_label(Op::Has, at, label));
            }
            Some(b'a') if self.rest().starts_with(b"all(") => self.function(Op::All)?,
            Some(b'g') if self.rest().starts_with(b"global(") => self.function(Op::Global)?,
            _ => self.comparison()?,
        }
        self.count(start)
    }

    /// `all()` or `global()`, of which the word and the first parenthesis stand here.
    fn function(&mut self, op: Op) -> Parsed<()> {
        self.at += op.spelling().len() - 1;
        self.parenthesis()?;
        self.push(op);
        Ok(())
    }

    fn parenthesis(&mut self) -> Parsed<()> {
        if self.eat(b')') { Ok(()) } else { Err(self.unexpected(Kind::ExpectedParenthesis)) }
    }

    /// A label name, after blanks; `kind` is the error where there is none.
    #[inline]
    fn label(&mut self, kind: Kind) -> Parsed<&'t str> {
        self.skip_blanks();
        let start = self.at;
        let len = self.rest().iter().take_while(|byte| token::is_label_byte(**byte)).count();
        if len == 0 {
            return Err(self.unexpected(kind));
        }
        if len > token::MAX_LABEL_LEN {
            let kind = Kind::LabelTooLong { len, max: token::MAX_LABEL_LEN };
            return Err(Failure::new(kind, start, len));
        }
        self.at += len;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// `label operator ( string | set )`.
    #[inline]
    fn comparison(&mut self) -> Parsed<()> {
        let start = self.at;
        let label = self.label(Kind::ExpectedTerm)?;
        let label_end = self.at;
        let op = self.operator()?;
        if matches!(op, Op::In | Op::NotIn) {
            return self.set(op, label);
        }
        let Some(value) = self.string()? else { return Err(self.unexpected(Kind::ExpectedString)) };
        let (spelling, at) = (op.spelling(), self.sink.place());
        let mut node = Node::with_label(op, at, label);
        let between = self.bytes.get(label_end..value.start - 1);
        // Most are written in the canonical way, and copied in one piece.
        if between == Some(spelling.as_bytes()) && self.bytes.get(value.start - 1) == Some(&b'"') {
            self.sink.put(self.text.get(start..self.at).unwrap_or_default());
            node.value = at + place(value.start - start);
        } else {
            self.sink.put(label);
            self.sink.put(spelling);
            node.value = self.quoted(value);
        }
        node.value_len = place(value.end - value.start);
        self.sink.node(node);
        Ok(())
    }

    /// Writes a value with its quotes, and returns where it stands. It has double ones unless one of these is in it.
    #[inline]
    fn quoted(&mut self, value: Span) -> u32 {
        let at = self.sink.place() + 1;
        let is_double = self.bytes.get(value.start - 1) == Some(&b'"');
        let bytes = self.bytes.get(value.start..value.end).unwrap_or_default();
        if is_double || bytes.contains(&b'"') {
            self.sink.put(self.text.get(value.start - 1..value.end + 1).unwrap_or_default());
        } else {
            self.sink.put("\"");
            self.sink.put(self.text.get(value.start..value.end).unwrap_or_default());
            self.sink.put("\"");
        }
        at
    }

    #[inline]
    fn operator(&mut self) -> Parsed<Op> {
        self.skip_blanks();
        let rest = self.rest();
        let (first, second, op): (&[u8], &[u8], _) = match rest.first() {
            Some(b'=') if rest.get(1) == Some(&b'=') => {
                self.at += 2;
                return Ok(Op::Equal);
            }
            Some(b'!') if rest.get(1) == Some(&b'=') => {
                self.at += 2;
                return Ok(Op::NotEqual);
            }
            Some(b'=') => {
                return Err(Failure::new(Kind::IncompleteOperator { operator: "==" }, self.at, 1));
            }
            Some(b'i') => (b"in", b"", Op::In),
            Some(b'n') => (b"not", b"in", Op::NotIn),
            Some(b'c') => (b"contains", b"", Op::Contains),
            Some(b's') => (b"starts", b"with", Op::StartsWith),
            Some(b'e') => (b"ends", b"with", Op::EndsWith),
            _ => return Err(self.unexpected(Kind::ExpectedOperator)),
        };
        let start = self.at;
        if self.word(first)
            && (second.is_empty() || {
                self.skip_blanks();
                self.word(second)
            })
            && !self.peek().is_some_and(token::is_label_byte)
        {
            return Ok(op);
        }
        self.at = start;
        Err(self.unexpected(Kind::ExpectedOperator))
    }

    /// Reads these bytes if they stand here.
    fn word(&mut self, word: &[u8]) -> bool {
        let is = self.rest().starts_with(word);
        if is {
            self.at += word.len();
        }
        is
    }

    /// A string literal, after blanks: where its value stands, without the quotes.
    #[inline]
    fn string(&mut self) -> Parsed<Option<Span>> {
        self.skip_blanks();
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return Ok(None) };
        let start = self.at + 1;
        let value = self.bytes.get(start..).unwrap_or_default();
        let Some(len) = token::find(value, quote) else {
            let kind = Kind::UnterminatedString { quote: char::from(quote) };
            return Err(Failure::new(kind, self.at, self.bytes.len() - self.at));
        };
        self.at = start + len + 1;
        Ok(Some(Span { start, end: start + len }))
    }

    /// `"{" [ string { "," string } [ "," ] ] "}"`, written sorted, each string once.
    fn set(&mut self, op: Op, label: &str) -> Parsed<()> {
        if !self.eat(b'{') {
            return Err(self.unexpected(Kind::ExpectedSet));
        }
        let mut values = SmallVec::<[Span; 16]>::new();
        loop {
            self.skip_blanks();
            let start = self.at;
            let Some(value) = self.string()? else {
                if self.eat(b'}') {
                    break;
                }
                return Err(self.unexpected(Kind::ExpectedSetItem));
            };
            self.count(start)?;
            values.push(value);
            if self.eat(b',') {
                continue;
            }
            if self.eat(b'}') {
                break;
            }
            return Err(self.unexpected(Kind::ExpectedSetEnd));
        }
        let bytes = self.bytes;
        let value = |span: &Span| bytes.get(span.start..span.end).unwrap_or_default();
        if values.len() > 1 {
            values.sort_unstable_by(|a, b| value(a).cmp(value(b)));
            values.dedup_by(|a, b| value(a) == value(b));
        }
        let at = self.sink.place();
        self.sink.put(label);
        self.sink.put(op.spelling());
        self.sink.set(Node::with_label(op, at, label), values.len());
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.sink.put(Op::Item.spelling());
            }
            let at = self.quoted(*value);
            let value_len = place(value.end - value.start);
            self.sink.node(Node { value: at, value_len, ..Node::new(Op::Item) });
        }
        self.sink.put("}");
        Ok(())
    }
}

impl List {
    fn push(&mut self, depth: usize) {
        self.operands += 1;
        self.depth = self.depth.max(depth);
    }
}
