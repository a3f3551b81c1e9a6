//! The grammar, in nom. No type of nom leaves this file.
//!
//! The input of every parser is the text that is left; a place in the text is how many bytes are left there. A parser
//! either reads its part, or says that something else stands there (`Err::Error`: the caller tries its next choice), or
//! that nothing can be right from here on (`Err::Failure`).
//!
//! Parentheses do not recurse: open groups wait in a vector, so that nesting costs no stack.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/parser/parser.go.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::mem;

use nom::branch::alt;
use nom::combinator::{cut, opt};
use nom::multi::{fold_many0, many0_count};
use nom::sequence::{preceded, terminated};
use nom::{Err, IResult, Parser as _};
use smallvec::SmallVec;

use crate::ast::Expr;
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::limits::Limits;
use crate::token::{self, Literal, Span};

/// An error, located by how much text is left.
struct Failure {
    kind: Kind,
    left: usize,
    /// Its length; `None`: whatever stands there, which is measured only if the error is the last word.
    len: Option<usize>,
}

impl Failure {
    const fn new(kind: Kind, rest: &str, len: usize) -> Self {
        Self { kind, left: rest.len(), len: Some(len) }
    }

    /// Whatever stands after the blanks is not what `kind` wants.
    fn unexpected(kind: Kind, rest: &str) -> Self {
        Self { kind, left: token::skip_blanks(rest).len(), len: None }
    }
}

/// What nom's own combinators would report. The ones in use only do where a parser reads nothing, and none of ours does.
impl nom::error::ParseError<&str> for Failure {
    fn from_error_kind(rest: &str, _: nom::error::ErrorKind) -> Self {
        Self::unexpected(Kind::ExpectedTerm, rest)
    }

    fn append(_: &str, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a str, T, Failure>;

struct Grammar<'l> {
    limits: &'l Limits,
    terms: Cell<usize>,
}

/// The tree of the text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Expr, ParseError> {
    if text.len() > limits.len {
        let kind = Kind::TooLong { len: text.len(), max: limits.len };
        return Err(ParseError::new(kind, Span { start: limits.len, end: text.len() }, text));
    }
    let grammar = Grammar { limits, terms: Cell::new(0) };
    match grammar.selector(text) {
        Ok((_, expr)) => Ok(expr),
        Err(Err::Error(failure) | Err::Failure(failure)) => {
            let start = text.len() - failure.left;
            let len = failure.len.unwrap_or_else(|| token::unknown_len(text.split_at(start).1));
            Err(ParseError::new(failure.kind, Span { start, end: start + len }, text))
        }
        // No parser here is a streaming one.
        Err(Err::Incomplete(_)) => {
            let span = Span { start: text.len(), end: text.len() };
            Err(ParseError::new(Kind::ExpectedTerm, span, text))
        }
    }
}

/// Refuses a canonical text that is too long to be parsed again.
pub(crate) fn check_canonical(canonical: &str, text: &str, limits: &Limits) -> Result<(), ParseError> {
    if canonical.len() <= limits.len {
        return Ok(());
    }
    let kind = Kind::TooLong { len: canonical.len(), max: limits.len };
    Err(ParseError::new(kind, Span { start: 0, end: text.len() }, text))
}

/// A token of one character, after blanks.
fn mark<'a>(wanted: &'static str, kind: Kind) -> impl Fn(&'a str) -> Parsed<'a, ()> {
    move |rest| match token::skip_blanks(rest).strip_prefix(wanted) {
        Some(rest) => Ok((rest, ())),
        None => Err(Err::Error(Failure::unexpected(kind, rest))),
    }
}

/// What may stand between two operations.
#[derive(Clone, Copy)]
enum Joint {
    And,
    Or,
}

/// `&&` or `||`, or nothing; a single `&` or `|` is certainly wrong.
fn joint(rest: &str) -> Parsed<'_, Option<Joint>> {
    let rest = token::skip_blanks(rest);
    for (operator, half, joint) in [("&&", '&', Joint::And), ("||", '|', Joint::Or)] {
        if let Some(rest) = rest.strip_prefix(operator) {
            return Ok((rest, Some(joint)));
        }
        if rest.starts_with(half) {
            return Err(Err::Failure(Failure::new(Kind::IncompleteOperator { operator }, rest, 1)));
        }
    }
    Ok((rest, None))
}

/// A string literal; `kind` is the error where there is none.
fn string<'a>(kind: Kind) -> impl Fn(&'a str) -> Parsed<'a, &'a str> {
    move |rest| {
        let rest = token::skip_blanks(rest);
        match token::literal(rest) {
            Literal::Closed(value, rest) => Ok((rest, value)),
            Literal::Unterminated(quote) => {
                Err(Err::Failure(Failure::new(Kind::UnterminatedString { quote }, rest, rest.len())))
            }
            Literal::Absent => Err(Err::Error(Failure::unexpected(kind, rest))),
        }
    }
}

/// A label name; `kind` is the error where there is none.
fn label<'a>(kind: Kind) -> impl Fn(&'a str) -> Parsed<'a, &'a str> {
    move |rest| {
        let start = token::skip_blanks(rest);
        let (name, rest) = token::label(start);
        match name.len() {
            0 => Err(Err::Error(Failure::unexpected(kind, start))),
            1..=token::MAX_LABEL_LEN => Ok((rest, name)),
            len => {
                let kind = Kind::LabelTooLong { len, max: token::MAX_LABEL_LEN };
                Err(Err::Failure(Failure::new(kind, start, len)))
            }
        }
    }
}

/// One `!` that is not the beginning of `!=`.
fn sign(rest: &str) -> Parsed<'_, ()> {
    match token::skip_blanks(rest).strip_prefix('!') {
        Some(rest) if !rest.starts_with('=') => Ok((rest, ())),
        _ => Err(Err::Error(Failure::unexpected(Kind::ExpectedTerm, rest))),
    }
}

fn close<'a>() -> impl Fn(&'a str) -> Parsed<'a, ()> {
    mark(")", Kind::ExpectedParenthesis)
}

/// `has(label)`, `all()` or `global()`. Only these exact words with the parenthesis at once; all else may be a label.
fn function(rest: &str) -> Parsed<'_, Expr> {
    let start = token::skip_blanks(rest);
    if let Some(rest) = start.strip_prefix("has(") {
        let (rest, name) = cut(terminated(label(Kind::ExpectedLabel), close())).parse(rest)?;
        return Ok((rest, Expr::Has { label: name.into() }));
    }
    for (word, expr) in [("all(", Expr::All), ("global(", Expr::Global)] {
        if let Some(rest) = start.strip_prefix(word) {
            let (rest, ()) = cut(close()).parse(rest)?;
            return Ok((rest, expr));
        }
    }
    Err(Err::Error(Failure::unexpected(Kind::ExpectedTerm, start)))
}

/// What may follow a label.
#[derive(Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    In,
    NotIn,
}

fn operator(rest: &str) -> Parsed<'_, Operator> {
    let start = token::skip_blanks(rest);
    let (first, second, operator) = match start.bytes().next() {
        Some(b'=') => ("==", None, Operator::Equal),
        Some(b'!') => ("!=", None, Operator::NotEqual),
        Some(b'i') => ("in", None, Operator::In),
        Some(b'n') => ("not", Some("in"), Operator::NotIn),
        Some(b'c') => ("contains", None, Operator::Contains),
        Some(b's') => ("starts", Some("with"), Operator::StartsWith),
        _ => ("ends", Some("with"), Operator::EndsWith),
    };
    let rest = match operator {
        Operator::Equal | Operator::NotEqual => start.strip_prefix(first),
        _ => token::words(start, first, second),
    };
    if let Some(rest) = rest {
        return Ok((rest, operator));
    }
    if start.starts_with('=') {
        return Err(Err::Failure(Failure::new(Kind::IncompleteOperator { operator: "==" }, start, 1)));
    }
    Err(Err::Error(Failure::unexpected(Kind::ExpectedOperator, start)))
}

/// A tree, and what it counts for in depth.
struct Node {
    expr: Expr,
    depth: usize,
    /// A list that has no parentheses around it yet.
    bare: bool,
}

impl Node {
    fn negated_if(mut self, negated: bool) -> Self {
        if negated {
            self.expr = Expr::Not { operand: Box::new(self.expr) };
        }
        self
    }
}

/// The parts so far of an `&&` or `||` list; one part alone is no list.
enum Parts {
    None,
    One(Node),
    Many(Vec<Expr>, usize),
}

impl Parts {
    fn push(&mut self, node: Node) {
        *self = match mem::replace(self, Self::None) {
            Self::None => Self::One(node),
            Self::One(first) => {
                let depth = first.depth.max(node.depth);
                Self::Many(Vec::from([first.expr, node.expr]), depth)
            }
            Self::Many(mut parts, depth) => {
                parts.push(node.expr);
                Self::Many(parts, depth.max(node.depth))
            }
        };
    }
}

/// A disjunction that is being read: the whole text, or what stands in parentheses.
struct Group<'a> {
    /// Where its parenthesis stands, or the text begins.
    start: &'a str,
    /// Whether an odd number of signs stands in front of it.
    negated: bool,
    or: Parts,
    and: Parts,
    /// Where the list in `and` begins.
    and_start: &'a str,
}

impl<'a> Group<'a> {
    const fn new(start: &'a str, negated: bool, inside: &'a str) -> Self {
        Self { start, negated, or: Parts::None, and: Parts::None, and_start: inside }
    }
}

type Values<'a> = SmallVec<[&'a str; 8]>;

fn pushed<'a>(mut values: Values<'a>, value: &'a str) -> Values<'a> {
    values.push(value);
    values
}

fn sorted(mut values: Values<'_>) -> Box<[Box<str>]> {
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(Box::from).collect()
}

impl Grammar<'_> {
    /// The whole text: `[ disjunction ]`.
    fn selector<'a>(&self, text: &'a str) -> Parsed<'a, Expr> {
        if token::skip_blanks(text).is_empty() {
            return Ok(("", Expr::All));
        }
        let mut group = Group::new(text, false, text);
        let mut outer = Vec::new();
        let mut rest = text;
        loop {
            (rest, ()) = self.operation(rest, &mut group, &mut outer)?;
            (rest, ()) = self.closing(rest, &mut group, &mut outer)?;
            match joint(rest)? {
                (after, Some(Joint::And)) => rest = after,
                (after, Some(Joint::Or)) => {
                    self.end_conjunction(&mut group, rest)?;
                    group.and_start = after;
                    rest = after;
                }
                ("", None) if outer.is_empty() => return Ok(("", self.disjunction(group, rest)?.expr)),
                (_, None) => {
                    let kind = if outer.is_empty() { Kind::ExpectedEnd } else { Kind::ExpectedParenthesis };
                    return Err(Err::Failure(Failure::unexpected(kind, rest)));
                }
            }
        }
    }

    /// `{ "!" } ( leaf | "(" ...`: signs and parentheses up to a leaf. An odd number of signs negates, an even number
    /// vanishes. Each parenthesis puts the group that it stands in away.
    fn operation<'a>(
        &self,
        text: &'a str,
        group: &mut Group<'a>,
        outer: &mut Vec<Group<'a>>,
    ) -> Parsed<'a, ()> {
        let mut rest = text;
        loop {
            let (after, signs) = many0_count(sign).parse(rest)?;
            let negated = signs % 2 == 1;
            let Ok((inside, ())) = mark("(", Kind::ExpectedTerm).parse(after) else {
                let (rest, node) = self.leaf(after)?;
                group.and.push(node.negated_if(negated));
                return Ok((rest, ()));
            };
            let start = token::skip_blanks(after);
            if outer.len() >= self.limits.depth {
                return Err(Err::Failure(Failure::new(Kind::TooDeep { max: self.limits.depth }, start, 1)));
            }
            outer.push(mem::replace(group, Group::new(start, negated, inside)));
            rest = inside;
        }
    }

    /// `{ ")" }`: ends groups, each of which is an operation of the group that it stands in.
    fn closing<'a>(
        &self,
        text: &'a str,
        group: &mut Group<'a>,
        outer: &mut Vec<Group<'a>>,
    ) -> Parsed<'a, ()> {
        let mut rest = text;
        while let Ok((after, ())) = close().parse(rest) {
            let Some(around) = outer.pop() else { break };
            let inner = mem::replace(group, around);
            let (start, negated) = (inner.start, inner.negated);
            let mut node = self.disjunction(inner, rest)?;
            // A list prints the parentheses that it has here; any other pair counts by itself.
            if !mem::take(&mut node.bare) {
                node.depth = self.deeper(node.depth, start, after)?;
            }
            group.and.push(node.negated_if(negated));
            rest = after;
        }
        Ok((rest, ()))
    }

    /// The tree of a whole group, whose inside ends where `rest` begins.
    fn disjunction<'a>(&self, mut group: Group<'a>, rest: &'a str) -> Result<Node, Err<Failure>> {
        self.end_conjunction(&mut group, rest)?;
        let list = |operands| Expr::Or { operands };
        self.joined(group.or, group.start, rest, list)
    }

    /// Moves the conjunction of a group, which ends where `rest` begins, to its disjunction.
    fn end_conjunction<'a>(&self, group: &mut Group<'a>, rest: &'a str) -> Result<(), Err<Failure>> {
        let parts = mem::replace(&mut group.and, Parts::None);
        let list = |operands| Expr::And { operands };
        group.or.push(self.joined(parts, group.and_start, rest, list)?);
        Ok(())
    }

    fn joined<'a>(
        &self,
        parts: Parts,
        start: &'a str,
        rest: &'a str,
        list: impl FnOnce(Box<[Expr]>) -> Expr,
    ) -> Result<Node, Err<Failure>> {
        match parts {
            // Never so: an operation was read before.
            Parts::None => Err(Err::Failure(Failure::unexpected(Kind::ExpectedTerm, rest))),
            Parts::One(node) => Ok(node),
            Parts::Many(operands, depth) => {
                let depth = self.deeper(depth, token::skip_blanks(start), rest)?;
                Ok(Node { expr: list(operands.into()), depth, bare: true })
            }
        }
    }

    fn leaf<'a>(&self, text: &'a str) -> Parsed<'a, Node> {
        let (rest, expr) = alt((function, |rest| self.comparison(rest))).parse(text)?;
        self.count(token::skip_blanks(text), rest)?;
        Ok((rest, Node { expr, depth: 0, bare: false }))
    }

    /// `label operator ( string | set )`.
    fn comparison<'a>(&self, text: &'a str) -> Parsed<'a, Expr> {
        let (rest, name) = label(Kind::ExpectedTerm).parse(text)?;
        let (rest, operator) = cut(operator).parse(rest)?;
        let label = name.into();
        if let Operator::In | Operator::NotIn = operator {
            let (rest, values) = cut(|rest| self.set(rest)).parse(rest)?;
            let expr = match operator {
                Operator::In => Expr::In { label, values },
                _ => Expr::NotIn { label, values },
            };
            return Ok((rest, expr));
        }
        let (rest, value) = cut(string(Kind::ExpectedString)).parse(rest)?;
        let value = value.into();
        let expr = match operator {
            Operator::Equal => Expr::Equal { label, value },
            Operator::NotEqual => Expr::NotEqual { label, value },
            Operator::Contains => Expr::Contains { label, value },
            Operator::StartsWith => Expr::StartsWith { label, value },
            _ => Expr::EndsWith { label, value },
        };
        Ok((rest, expr))
    }

    /// `"{" [ string { "," string } [ "," ] ] "}"`, sorted, each string once.
    fn set<'a>(&self, text: &'a str) -> Parsed<'a, Box<[Box<str>]>> {
        let item = |kind| {
            move |text| {
                let (rest, value) = string(kind).parse(text)?;
                self.count(token::skip_blanks(text), rest)?;
                Ok((rest, value))
            }
        };
        // All but the first item, each with the comma in front of it.
        let comma = mark(",", Kind::ExpectedSetEnd);
        let more = fold_many0(preceded(&comma, item(Kind::ExpectedSetItem)), Values::new, pushed);
        let items = opt((item(Kind::ExpectedSetItem), more, opt(&comma)));
        let (rest, items) = preceded(mark("{", Kind::ExpectedSet), items).parse(text)?;
        let (values, end) = match items {
            None => (Values::new(), Kind::ExpectedSetItem),
            Some((first, more, None)) => (pushed(more, first), Kind::ExpectedSetEnd),
            Some((first, more, Some(()))) => (pushed(more, first), Kind::ExpectedSetItem),
        };
        let (rest, ()) = mark("}", end).parse(rest)?;
        Ok((rest, sorted(values)))
    }

    /// One more term or set item, which reaches from `start` to `rest`.
    fn count<'a>(&self, start: &'a str, rest: &'a str) -> Result<(), Err<Failure>> {
        let terms = self.terms.get() + 1;
        self.terms.set(terms);
        if terms > self.limits.terms {
            let kind = Kind::TooManyTerms { max: self.limits.terms };
            return Err(Err::Failure(Failure::new(kind, start, start.len() - rest.len())));
        }
        Ok(())
    }

    /// One more level than `depth`, which reaches from `start` to `rest`.
    fn deeper<'a>(&self, depth: usize, start: &'a str, rest: &'a str) -> Result<usize, Err<Failure>> {
        if depth >= self.limits.depth {
            let kind = Kind::TooDeep { max: self.limits.depth };
            return Err(Err::Failure(Failure::new(kind, start, start.len() - rest.len())));
        }
        Ok(depth + 1)
    }
}
