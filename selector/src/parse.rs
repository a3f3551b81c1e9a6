//! The grammar, read by hand in one pass over the bytes.
//!
//! What is read goes to a flat list of nodes that point into the input. A group puts a list of `||` and a list of `&&`
//! there before it is known whether they will have more than one operand; a list of one becomes a hole. `print.rs` makes
//! the tree of that list. Parentheses do not recurse: open groups wait in a vector, so that nesting costs no stack.
//!
//! The same grammar in nom is this parser's twin in the tests: the two agree on every text, and on kind and place of
//! every error. The nom grammar took four times as long.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/parser/parser.go.

use core::mem;

use smallvec::SmallVec;

use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::limits::Limits;
use crate::token::{self, Span};
use crate::tree::{CERTAIN, Node, Op, place};

/// What the parser makes of a text: nodes that point into it, with holes. As many as most selectors have are no
/// allocation.
pub(crate) type Nodes = SmallVec<[Node; 32]>;

/// Bytes around a value.
const QUOTES: usize = 2;

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
    /// Index of its node.
    node: usize,
    operands: u32,
    /// Levels of its deepest operand.
    depth: usize,
    /// How likely its least and its most likely operand holds.
    likelihood: (u8, u8),
    /// Where it begins in the text.
    start: usize,
}

/// A disjunction that is being read: the whole text, or what stands in parentheses.
struct Group {
    /// Where its parenthesis stands, or the text begins.
    start: usize,
    /// Whether an odd number of signs stands in front of it.
    negated: bool,
    or: List,
    and: List,
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    /// How far the text has been read.
    at: usize,
    nodes: &'t mut Nodes,
    terms: usize,
    size: Size,
    limits: &'t Limits,
}

/// An operand of a list.
#[derive(Clone, Copy)]
struct Operand {
    depth: usize,
    likelihood: u8,
}

/// How large a tree is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    /// Bytes of the canonical text.
    pub(crate) len: usize,
    pub(crate) nodes: usize,
}

/// Puts the nodes of the text into an empty list, and says how large the tree will be.
pub(crate) fn parse(text: &str, limits: &Limits, nodes: &mut Nodes) -> Result<Size, ParseError> {
    let max = limits.len;
    if text.len() > max {
        let kind = Kind::TooLong { len: text.len(), max };
        return Err(ParseError::new(kind, Span { start: max, end: text.len() }, text));
    }
    let mut parser =
        Parser { text, bytes: text.as_bytes(), at: 0, nodes, terms: 0, size: Size::default(), limits };
    parser.selector().map_err(|failure| failure.report(text))?;
    let size = parser.size;
    if size.len > max {
        let kind = Kind::TooLong { len: size.len, max };
        return Err(ParseError::new(kind, Span { start: 0, end: text.len() }, text));
    }
    Ok(size)
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

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Only space and tab are blanks; a newline is not.
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads this byte, after blanks, if it stands there. Else only the blanks are read.
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

    /// A node that will be in the tree, and how many bytes of canonical text are its own.
    #[inline]
    fn push(&mut self, node: Node, len: usize) {
        self.size.nodes += 1;
        self.size.len = self.size.len.saturating_add(len + node.op.spelling().len());
        self.nodes.push(node);
    }

    /// `[ disjunction ]`.
    fn selector(&mut self) -> Parsed<()> {
        self.skip_blanks();
        if self.at == self.bytes.len() {
            self.push(Node::new(Op::All), 0);
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
                (Some(b'&'), Some(b'&')) => self.at += 2,
                (Some(b'|'), Some(b'|')) => {
                    self.end_conjunction(&mut group, end)?;
                    self.at += 2;
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

    fn list(&mut self, start: usize) -> List {
        self.nodes.push(Node::new(Op::Hole));
        List { node: self.nodes.len() - 1, operands: 0, depth: 0, likelihood: (CERTAIN, 0), start }
    }

    /// A group whose parenthesis stands at `start` and whose inside begins here.
    fn group(&mut self, start: usize) -> Group {
        let at = self.at;
        Group { start, negated: false, or: self.list(start), and: self.list(at) }
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
                self.push(Node::new(Op::Not), 0);
            }
            if self.peek() != Some(b'(') {
                let likelihood = self.term()?.likelihood();
                group.and.push(Operand { depth: 0, likelihood }, negated);
                return Ok(());
            }
            let start = self.at;
            if outer.len() >= self.limits.depth {
                return Err(Failure::new(Kind::TooDeep { max: self.limits.depth }, start, 1));
            }
            self.at += 1;
            let inner = Group { negated, ..self.group(start) };
            outer.push(mem::replace(group, inner));
        }
    }

    /// Ends a group, whose parenthesis has just been read: it is an operand of the group around it. What it holds ends at
    /// `end`.
    fn close(&mut self, mut inner: Group, end: usize, around: &mut Group) -> Parsed<()> {
        let (mut operand, is_list) = self.disjunction(&mut inner, end)?;
        // A list prints the parentheses that it has here; any other pair counts by itself.
        if !is_list {
            operand.depth = self.deeper(operand.depth, inner.start, self.at)?;
        }
        around.and.push(operand, inner.negated);
        Ok(())
    }

    /// Ends the disjunction of a group at `end`; also says whether it is a list of either kind.
    fn disjunction(&mut self, group: &mut Group, end: usize) -> Parsed<(Operand, bool)> {
        self.end_conjunction(group, end)?;
        let operand = self.end_list(group.or, Op::Or, end)?;
        Ok((operand, group.or.operands > 1 || group.and.operands > 1))
    }

    /// Ends the conjunction of a group at `end`: it is an operand of its disjunction.
    fn end_conjunction(&mut self, group: &mut Group, end: usize) -> Parsed<()> {
        let operand = self.end_list(group.and, Op::And, end)?;
        group.or.push(operand, false);
        Ok(())
    }

    /// Ends a list at `end`. A list of one operand is that operand, and stays a hole.
    fn end_list(&mut self, list: List, op: Op, end: usize) -> Parsed<Operand> {
        let List { operands, depth, likelihood: (least, most), .. } = list;
        let likelihood = if op == Op::And { least } else { most };
        if operands < 2 {
            return Ok(Operand { depth, likelihood });
        }
        let nodes = place(self.nodes.len());
        if let Some(node) = self.nodes.get_mut(list.node) {
            *node = Node { value_len: operands, end: nodes, likelihood, ..Node::new(op) };
        }
        self.size.nodes += 1;
        let joints = op.spelling().len() * (operands as usize - 1);
        self.size.len = self.size.len.saturating_add("()".len() + joints);
        let blanks = self.bytes.get(list.start..).unwrap_or_default();
        let blanks = blanks.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let depth = self.deeper(depth, list.start + blanks, end)?;
        Ok(Operand { depth, likelihood })
    }

    /// One more level than `depth`, which reaches from `start` to `end`.
    fn deeper(&self, depth: usize, start: usize, end: usize) -> Parsed<usize> {
        if depth >= self.limits.depth {
            return Err(Failure::new(Kind::TooDeep { max: self.limits.depth }, start, end - start));
        }
        Ok(depth + 1)
    }

    /// One more term or set item, which reaches from `start` to here.
    fn count(&mut self, start: usize) -> Parsed<()> {
        self.terms += 1;
        if self.terms > self.limits.terms {
            return Err(Failure::new(Kind::TooManyTerms { max: self.limits.terms }, start, self.at - start));
        }
        Ok(())
    }

    /// `has(label)`, `all()`, `global()` or a comparison. Only these exact words with the parenthesis at once are
    /// functions; all else may be a label.
    fn term(&mut self) -> Parsed<Op> {
        let start = self.at;
        let op = match self.peek() {
            Some(b'h') if self.rest().starts_with(b"has(") => {
                self.at += "has(".len();
                let mut node = Node::new(Op::Has);
                self.label(&mut node, Kind::ExpectedLabel)?;
                self.parenthesis()?;
                self.push(node, usize::from(node.label_len) + 1);
                Op::Has
            }
            Some(b'a') if self.rest().starts_with(b"all(") => {
                self.at += "all(".len();
                self.parenthesis()?;
                self.push(Node::new(Op::All), 0);
                Op::All
            }
            Some(b'g') if self.rest().starts_with(b"global(") => {
                self.at += "global(".len();
                self.parenthesis()?;
                self.push(Node::new(Op::Global), 0);
                Op::Global
            }
            _ => self.comparison()?,
        };
        self.count(start)?;
        Ok(op)
    }

    fn parenthesis(&mut self) -> Parsed<()> {
        if self.eat(b')') { Ok(()) } else { Err(self.unexpected(Kind::ExpectedParenthesis)) }
    }

    /// A label name, after blanks; `kind` is the error where there is none.
    fn label(&mut self, node: &mut Node, kind: Kind) -> Parsed<()> {
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
        node.label = place(start);
        // At most MAX_LABEL_LEN.
        node.label_len = u16::try_from(len).unwrap_or(u16::MAX);
        Ok(())
    }

    /// `label operator ( string | set )`.
    fn comparison(&mut self) -> Parsed<Op> {
        let mut node = Node::new(Op::Hole);
        self.label(&mut node, Kind::ExpectedTerm)?;
        let op = self.operator()?;
        node = Node { label: node.label, label_len: node.label_len, ..Node::new(op) };
        if matches!(op, Op::In | Op::NotIn) {
            self.set(node)?;
            return Ok(op);
        }
        let Some((value, len)) = self.string()? else { return Err(self.unexpected(Kind::ExpectedString)) };
        (node.value, node.value_len) = (value, len);
        self.push(node, usize::from(node.label_len) + len as usize + QUOTES);
        Ok(op)
    }

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

    /// A string literal, after blanks: where its value stands and how long it is.
    fn string(&mut self) -> Parsed<Option<(u32, u32)>> {
        self.skip_blanks();
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return Ok(None) };
        let start = self.at + 1;
        let value = self.bytes.get(start..).unwrap_or_default();
        let Some(len) = token::find(value, quote) else {
            let kind = Kind::UnterminatedString { quote: char::from(quote) };
            return Err(Failure::new(kind, self.at, self.bytes.len() - self.at));
        };
        self.at = start + len + 1;
        Ok(Some((place(start), place(len))))
    }

    /// `"{" [ string { "," string } [ "," ] ] "}"`, sorted, each string once.
    fn set(&mut self, node: Node) -> Parsed<()> {
        if !self.eat(b'{') {
            return Err(self.unexpected(Kind::ExpectedSet));
        }
        let list = self.nodes.len();
        self.push(node, usize::from(node.label_len) + 1);
        loop {
            self.skip_blanks();
            let start = self.at;
            let Some((value, value_len)) = self.string()? else {
                if self.eat(b'}') {
                    break;
                }
                return Err(self.unexpected(Kind::ExpectedSetItem));
            };
            self.count(start)?;
            self.nodes.push(Node { value, value_len, ..Node::new(Op::Item) });
            if self.eat(b',') {
                continue;
            }
            if self.eat(b'}') {
                break;
            }
            return Err(self.unexpected(Kind::ExpectedSetEnd));
        }
        self.sort(list + 1);
        let end = place(self.nodes.len());
        let items = self.nodes.get(list + 1..).unwrap_or_default();
        let joint = Op::Item.spelling().len();
        let len: usize = items.iter().map(|item| item.value_len as usize + QUOTES + joint).sum();
        self.size.nodes += items.len();
        self.size.len = self.size.len.saturating_add(len.saturating_sub(joint));
        if let Some(node) = self.nodes.get_mut(list) {
            node.end = end;
        }
        Ok(())
    }

    /// Sorts the items from `first` on, and drops repeated ones.
    fn sort(&mut self, first: usize) {
        let text = self.text;
        let Some(items) = self.nodes.get_mut(first..) else { return };
        if items.len() < 2 {
            return;
        }
        items.sort_unstable_by(|a, b| a.bytes_in(text).cmp(b.bytes_in(text)));
        let mut kept = 0;
        let mut last = None;
        for at in 0..items.len() {
            let Some(item) = items.get(at).copied() else { continue };
            let value = item.bytes_in(text);
            if last.replace(value) == Some(value) {
                continue;
            }
            if let Some(slot) = items.get_mut(kept) {
                *slot = item;
            }
            kept += 1;
        }
        self.nodes.truncate(first + kept);
    }
}

impl List {
    fn push(&mut self, operand: Operand, negated: bool) {
        let Operand { depth, likelihood } = operand;
        let likelihood = if negated { CERTAIN - likelihood } else { likelihood };
        self.operands += 1;
        self.depth = self.depth.max(depth);
        self.likelihood = (self.likelihood.0.min(likelihood), self.likelihood.1.max(likelihood));
    }
}
