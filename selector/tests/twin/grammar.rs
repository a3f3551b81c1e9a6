//! The grammar once more, in nom: the twin of the parser that is written by hand. It shares no code with it, and the two
//! agree on every text, and on kind and place of every error.
//!
//! The input of every parser is the text that is left; a place in the text is how many bytes are left there. A parser
//! either reads its part, or says that something else stands there (`Err::Error`: the caller tries its next choice), or
//! that nothing can be right from here on (`Err::Failure`).
//!
//! Parentheses do not recurse: open groups wait in a vector, so that nesting costs no stack.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/parser/parser.go.

use core::cell::Cell;
use core::mem;

use nom::branch::alt;
use nom::combinator::{cut, opt};
use nom::multi::{fold_many0, many0_count};
use nom::sequence::{preceded, terminated};
use nom::{Err, IResult, Parser as _};
use tortie_selector::{MAX_LABEL_LEN, ParseErrorKind as Kind};

use super::Tree;

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
        Self { kind, left: skip_blanks(rest).len(), len: None }
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

/// How large a selector may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) len: usize,
    pub(crate) depth: usize,
    pub(crate) terms: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { len: 1 << 20, depth: 64, terms: 1 << 16 }
    }
}

struct Grammar<'l> {
    limits: &'l Limits,
    terms: Cell<usize>,
}

/// What is wrong, and from where to where.
pub(crate) type Wrong = (Kind, usize, usize);

/// The tree of the text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Tree, Wrong> {
    if text.len() > limits.len {
        return Err((Kind::TooLong { len: text.len(), max: limits.len }, limits.len, text.len()));
    }
    let grammar = Grammar { limits, terms: Cell::new(0) };
    let tree = match grammar.selector(text) {
        Ok((_, tree)) => tree,
        Err(Err::Error(failure) | Err::Failure(failure)) => {
            let start = text.len() - failure.left;
            let len = failure.len.unwrap_or_else(|| unknown_len(&text[start..]));
            return Err((failure.kind, start, start + len));
        }
        // No parser here is a streaming one.
        Err(Err::Incomplete(_)) => panic!("nom wants more text"),
    };
    let len = tree.canonical().len();
    if len > limits.len {
        return Err((Kind::TooLong { len, max: limits.len }, 0, text.len()));
    }
    Ok(tree)
}

/// Whether a byte may stand in a label name.
fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./-".contains(&byte)
}

/// The text after leading blanks. Only space and tab are blanks; a newline is not.
fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// The label name at the start of the text, of any length, and what is left.
fn name(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(|byte| is_label_byte(*byte)).count())
}

/// A string literal at the start of the text.
enum Literal<'a> {
    /// Its value without the quotes, and what is left.
    Closed(&'a str, &'a str),
    /// The quote is opened and never closed.
    Unterminated(char),
    /// There is no quote here.
    Absent,
}

fn literal(text: &str) -> Literal<'_> {
    let Some(quote) = text.chars().next().filter(|first| "\"'".contains(*first)) else {
        return Literal::Absent;
    };
    match text[1..].split_once(quote) {
        Some((value, rest)) => Literal::Closed(value, rest),
        None => Literal::Unterminated(quote),
    }
}

/// What is left after the word (or the two words glued or parted by blanks) at the start of the text, if it ends at a
/// word boundary.
fn words<'a>(text: &'a str, first: &str, second: Option<&str>) -> Option<&'a str> {
    let mut rest = text.strip_prefix(first)?;
    if let Some(second) = second {
        rest = skip_blanks(rest).strip_prefix(second)?;
    }
    (!rest.bytes().next().is_some_and(is_label_byte)).then_some(rest)
}

/// Length in bytes of whatever stands at the start of the text: a word, a literal, an operator, else one character.
fn unknown_len(text: &str) -> usize {
    let (word, _) = name(text);
    match literal(text) {
        _ if !word.is_empty() => word.len(),
        Literal::Closed(value, _) => value.len() + 2,
        Literal::Unterminated(_) => text.len(),
        Literal::Absent if ["&&", "||", "==", "!="].iter().any(|operator| text.starts_with(operator)) => 2,
        Literal::Absent => text.chars().next().map_or(0, char::len_utf8),
    }
}

/// A token of one character, after blanks.
fn mark<'a>(wanted: &'static str, kind: Kind) -> impl Fn(&'a str) -> Parsed<'a, ()> {
    move |rest| match skip_blanks(rest).strip_prefix(wanted) {
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
    let rest = skip_blanks(rest);
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
        let rest = skip_blanks(rest);
        match literal(rest) {
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
        let start = skip_blanks(rest);
        let (name, rest) = name(start);
        match name.len() {
            0 => Err(Err::Error(Failure::unexpected(kind, start))),
            1..=MAX_LABEL_LEN => Ok((rest, name)),
            len => {
                let kind = Kind::LabelTooLong { len, max: MAX_LABEL_LEN };
                Err(Err::Failure(Failure::new(kind, start, len)))
            }
        }
    }
}

/// One `!` that is not the beginning of `!=`.
fn sign(rest: &str) -> Parsed<'_, ()> {
    match skip_blanks(rest).strip_prefix('!') {
        Some(rest) if !rest.starts_with('=') => Ok((rest, ())),
        _ => Err(Err::Error(Failure::unexpected(Kind::ExpectedTerm, rest))),
    }
}

fn close<'a>() -> impl Fn(&'a str) -> Parsed<'a, ()> {
    mark(")", Kind::ExpectedParenthesis)
}

/// `has(label)`, `all()` or `global()`. Only these exact words with the parenthesis at once; all else may be a label.
fn function(rest: &str) -> Parsed<'_, Tree> {
    let start = skip_blanks(rest);
    if let Some(rest) = start.strip_prefix("has(") {
        let (rest, name) = cut(terminated(label(Kind::ExpectedLabel), close())).parse(rest)?;
        return Ok((rest, Tree::Has(name.into())));
    }
    for (word, tree) in [("all(", Tree::All), ("global(", Tree::Global)] {
        if let Some(rest) = start.strip_prefix(word) {
            let (rest, ()) = cut(close()).parse(rest)?;
            return Ok((rest, tree));
        }
    }
    Err(Err::Error(Failure::unexpected(Kind::ExpectedTerm, start)))
}

/// What follows a label, in its canonical spelling.
fn operator(rest: &str) -> Parsed<'_, &'static str> {
    let start = skip_blanks(rest);
    for sign in ["==", "!="] {
        if let Some(rest) = start.strip_prefix(sign) {
            return Ok((rest, sign));
        }
    }
    for (first, second, operator) in [
        ("in", None, "in"),
        ("not", Some("in"), "not in"),
        ("contains", None, "contains"),
        ("starts", Some("with"), "starts with"),
        ("ends", Some("with"), "ends with"),
    ] {
        if let Some(rest) = words(start, first, second) {
            return Ok((rest, operator));
        }
    }
    if start.starts_with('=') {
        return Err(Err::Failure(Failure::new(Kind::IncompleteOperator { operator: "==" }, start, 1)));
    }
    Err(Err::Error(Failure::unexpected(Kind::ExpectedOperator, start)))
}

/// A tree, and what it counts for in depth.
struct Node {
    tree: Tree,
    depth: usize,
    /// A list that has no parentheses around it yet.
    bare: bool,
}

impl Node {
    fn negated_if(mut self, negated: bool) -> Self {
        if negated {
            self.tree = Tree::Not(Box::new(self.tree));
        }
        self
    }
}

/// The parts so far of an `&&` or `||` list; one part alone is no list.
enum Parts {
    None,
    One(Node),
    Many(Vec<Tree>, usize),
}

impl Parts {
    fn push(&mut self, node: Node) {
        *self = match mem::replace(self, Self::None) {
            Self::None => Self::One(node),
            Self::One(first) => {
                let depth = first.depth.max(node.depth);
                Self::Many(Vec::from([first.tree, node.tree]), depth)
            }
            Self::Many(mut parts, depth) => {
                parts.push(node.tree);
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

fn pushed(mut values: Vec<String>, value: &str) -> Vec<String> {
    values.push(value.into());
    values
}

impl Grammar<'_> {
    /// The whole text: `[ disjunction ]`.
    fn selector<'a>(&self, text: &'a str) -> Parsed<'a, Tree> {
        if skip_blanks(text).is_empty() {
            return Ok(("", Tree::All));
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
                ("", None) if outer.is_empty() => return Ok(("", self.disjunction(group, rest)?.tree)),
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
            let start = skip_blanks(after);
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
        self.joined(group.or, group.start, rest, Tree::Or)
    }

    /// Moves the conjunction of a group, which ends where `rest` begins, to its disjunction.
    fn end_conjunction<'a>(&self, group: &mut Group<'a>, rest: &'a str) -> Result<(), Err<Failure>> {
        let parts = mem::replace(&mut group.and, Parts::None);
        group.or.push(self.joined(parts, group.and_start, rest, Tree::And)?);
        Ok(())
    }

    fn joined<'a>(
        &self,
        parts: Parts,
        start: &'a str,
        rest: &'a str,
        list: impl FnOnce(Vec<Tree>) -> Tree,
    ) -> Result<Node, Err<Failure>> {
        match parts {
            // Never so: an operation was read before.
            Parts::None => Err(Err::Failure(Failure::unexpected(Kind::ExpectedTerm, rest))),
            Parts::One(node) => Ok(node),
            Parts::Many(operands, depth) => {
                let depth = self.deeper(depth, skip_blanks(start), rest)?;
                Ok(Node { tree: list(operands), depth, bare: true })
            }
        }
    }

    fn leaf<'a>(&self, text: &'a str) -> Parsed<'a, Node> {
        let (rest, tree) = alt((function, |rest| self.comparison(rest))).parse(text)?;
        self.count(skip_blanks(text), rest)?;
        Ok((rest, Node { tree, depth: 0, bare: false }))
    }

    /// `label operator ( string | set )`.
    fn comparison<'a>(&self, text: &'a str) -> Parsed<'a, Tree> {
        let (rest, name) = label(Kind::ExpectedTerm).parse(text)?;
        let (rest, operator) = cut(operator).parse(rest)?;
        if let "in" | "not in" = operator {
            let (rest, values) = cut(|rest| self.set(rest)).parse(rest)?;
            return Ok((rest, Tree::In(name.into(), operator == "not in", values)));
        }
        let (rest, value) = cut(string(Kind::ExpectedString)).parse(rest)?;
        Ok((rest, Tree::Compare(name.into(), operator, value.into())))
    }

    /// `"{" [ string { "," string } [ "," ] ] "}"`.
    fn set<'a>(&self, text: &'a str) -> Parsed<'a, Vec<String>> {
        let item = |kind| {
            move |text| {
                let (rest, value) = string(kind).parse(text)?;
                self.count(skip_blanks(text), rest)?;
                Ok((rest, value))
            }
        };
        // All but the first item, each with the comma in front of it.
        let comma = mark(",", Kind::ExpectedSetEnd);
        let more = fold_many0(preceded(&comma, item(Kind::ExpectedSetItem)), Vec::new, pushed);
        let items = opt((item(Kind::ExpectedSetItem), more, opt(&comma)));
        let (rest, items) = preceded(mark("{", Kind::ExpectedSet), items).parse(text)?;
        let (values, end) = match items {
            None => (Vec::new(), Kind::ExpectedSetItem),
            Some((first, more, None)) => (pushed(more, first), Kind::ExpectedSetEnd),
            Some((first, more, Some(()))) => (pushed(more, first), Kind::ExpectedSetItem),
        };
        let (rest, ()) = mark("}", end).parse(rest)?;
        Ok((rest, values))
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
