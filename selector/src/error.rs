//! Why a text is no selector, where, and how to mend it.

use core::fmt;

use crate::token::{self, Span};

/// Why a text is not a selector.
///
/// `Display` gives one line of plain ASCII without the text itself: what was wanted, what was found, at which byte.
/// [`render`](Self::render) adds the text with the place underlined.
///
/// # Example
///
/// ```
/// use tortie_selector::{ParseErrorKind, Selector};
///
/// let text = "role == frontend";
/// let error = Selector::parse(text).unwrap_err();
/// assert_eq!(error.kind(), ParseErrorKind::ExpectedString);
/// assert_eq!(error.to_string(), "expected a quoted string, found a word at byte 8");
/// assert_eq!(
///     error.render(text).to_string(),
///     "error: expected a quoted string, found a word at byte 8\n  \
///        role == frontend\n          \
///                ^^^^^^^^\n  \
///      hint: put the value in quotes"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    kind: ParseErrorKind,
    span: Span,
    found: Found,
}

/// What is wrong with a text that is not a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A term must begin here: a label, `has(`, `all()`, `global()`, `!` or `(`.
    ExpectedTerm,
    /// A label name must stand between the parentheses of `has( )`.
    ExpectedLabel,
    /// After a label: `==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with`.
    ExpectedOperator,
    /// After a comparison: a string in quotes.
    ExpectedString,
    /// After `in` or `not in`: a set in braces.
    ExpectedSet,
    /// After `{` or a comma: a string in quotes or `}`.
    ExpectedSetItem,
    /// After a string in a set: a comma or `}`.
    ExpectedSetEnd,
    /// A parenthesis was opened and is not closed here.
    ExpectedParenthesis,
    /// After a whole term: `&&`, `||`, or the end of the text.
    ExpectedEnd,
    /// A single `=`, `&` or `|`.
    IncompleteOperator {
        /// The operator that was begun: `==`, `&&` or `||`.
        operator: &'static str,
    },
    /// A string literal that is opened with this quote and never closed.
    UnterminatedString {
        /// `"` or `'`.
        quote: char,
    },
    /// A label name that is too long.
    LabelTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest possible, [`MAX_LABEL_LEN`](crate::MAX_LABEL_LEN).
        max: usize,
    },
    /// The text, or its canonical form, is longer than [`Limits::len`](crate::Limits::len).
    TooLong {
        /// The length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The text nests deeper than [`Limits::depth`](crate::Limits::depth).
    TooDeep {
        /// The limit in levels.
        max: usize,
    },
    /// The text has more terms and set items than [`Limits::terms`](crate::Limits::terms).
    TooManyTerms {
        /// The limit.
        max: usize,
    },
}

/// What stands where something else was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    End,
    Word,
    Text,
    Operator(&'static str),
    Character(char),
}

impl Found {
    fn at(rest: &str) -> Self {
        if !token::label(rest).0.is_empty() {
            return Self::Word;
        }
        if let Some(operator) = ["&&", "||", "==", "!="].into_iter().find(|o| rest.starts_with(o)) {
            return Self::Operator(operator);
        }
        match rest.chars().next() {
            None => Self::End,
            Some('"' | '\'') => Self::Text,
            Some(character) => Self::Character(character),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end"),
            Self::Word => f.write_str("a word"),
            Self::Text => f.write_str("a string"),
            Self::Operator(operator) => write!(f, "`{operator}`"),
            Self::Character('\'') => f.write_str("`'`"),
            Self::Character(character) => write!(f, "`{}`", character.escape_default()),
        }
    }
}

impl ParseError {
    /// `input` is the whole text; `span` lies within it.
    pub(crate) fn new(kind: ParseErrorKind, span: Span, input: &str) -> Self {
        Self { kind, span, found: Found::at(input.get(span.start..).unwrap_or_default()) }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// Where, in bytes of the text that was parsed. Empty, at the end of the text, where something is missing there.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// What would have been right, for the kinds that wanted something else: `a quoted string`.
    #[must_use]
    pub const fn expected(&self) -> Option<&'static str> {
        Some(match self.kind {
            ParseErrorKind::ExpectedTerm => "a term",
            ParseErrorKind::ExpectedLabel => "a label name",
            ParseErrorKind::ExpectedOperator => "an operator after the label",
            ParseErrorKind::ExpectedString => "a quoted string",
            ParseErrorKind::ExpectedSet => "a set in braces",
            ParseErrorKind::ExpectedSetItem => "a quoted string or }",
            ParseErrorKind::ExpectedSetEnd => "a comma or }",
            ParseErrorKind::ExpectedParenthesis => ")",
            ParseErrorKind::ExpectedEnd => "&&, || or the end of the selector",
            ParseErrorKind::IncompleteOperator { operator } => operator,
            ParseErrorKind::UnterminatedString { .. }
            | ParseErrorKind::LabelTooLong { .. }
            | ParseErrorKind::TooLong { .. }
            | ParseErrorKind::TooDeep { .. }
            | ParseErrorKind::TooManyTerms { .. } => return None,
        })
    }

    /// How to mend the most usual causes: `put the value in quotes`.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        use ParseErrorKind as Kind;
        Some(match (self.kind, self.found) {
            (_, Found::Character('\n' | '\r')) => "write the selector on one line",
            (Kind::ExpectedString | Kind::ExpectedSetItem, Found::Word) => "put the value in quotes",
            (Kind::ExpectedSet, Found::Text) => "put braces around the string",
            (Kind::ExpectedOperator, Found::Character('(')) => {
                "write has(, all( and global( without a blank before the parenthesis"
            }
            (Kind::ExpectedOperator, _) => "operators are == != in, not in, contains, starts with, ends with",
            (Kind::ExpectedTerm, Found::Text) => {
                "the label comes first, the string in quotes after the operator"
            }
            (Kind::ExpectedTerm, _) => "a term begins with a label, has(, all(), global(), ! or (",
            (Kind::ExpectedEnd, Found::Word | Found::Text) => "join terms with && or ||",
            (Kind::IncompleteOperator { .. }, _) => "operators are written twice: ==, &&, ||",
            (Kind::UnterminatedString { .. }, _) => {
                "there are no escapes: a string ends at the next quote of its kind"
            }
            (Kind::TooDeep { .. }, _) => "remove parentheses",
            _ => return None,
        })
    }

    /// The column where the error begins, counted from 1 in characters.
    ///
    /// `input` is the text that was parsed.
    #[must_use]
    pub fn column(&self, input: &str) -> usize {
        let start = floor_boundary(input, self.span.start);
        input.get(..start).unwrap_or_default().chars().count() + 1
    }

    /// The message, the text with the place underlined by carets, and a hint where there is one.
    ///
    /// Plain ASCII, at most 80 columns wide and four lines: of a long text, the part around the error is shown; what is
    /// not printable ASCII is shown as `?` and a tab as a blank. There is no newline at the end. `input` is the text that
    /// was parsed; with another text the carets are in the wrong place, and nothing worse happens.
    #[must_use]
    pub const fn render<'a>(&'a self, input: &'a str) -> Rendered<'a> {
        Rendered { error: self, input }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.span.start;
        match self.kind {
            ParseErrorKind::UnterminatedString { quote } => {
                write!(f, "no closing {quote} for the string at byte {at}")
            }
            ParseErrorKind::LabelTooLong { len, max } => {
                write!(f, "label of {len} bytes exceeds {max} at byte {at}")
            }
            ParseErrorKind::TooLong { len, max } => write!(f, "selector of {len} bytes exceeds {max}"),
            ParseErrorKind::TooDeep { max } => write!(f, "nesting exceeds {max} levels at byte {at}"),
            ParseErrorKind::TooManyTerms { max } => write!(f, "more than {max} terms at byte {at}"),
            _ => {
                let expected = self.expected().unwrap_or_default();
                write!(f, "expected {expected}, found {} at byte {at}", self.found)
            }
        }
    }
}

/// Drawing of a [`ParseError`] under the text; see [`ParseError::render`].
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'a> {
    error: &'a ParseError,
    input: &'a str,
}

/// Columns of text shown: 80 less the margin of two and the dots on either side.
const WIDTH: usize = 72;
/// Columns of text shown from the error on, at least, where there is so much text.
const AFTER: usize = 24;
const DOTS: &str = "...";

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, span) = (self.input, self.error.span);
        let start = floor_boundary(input, span.start);
        let end = floor_boundary(input, span.end).max(start);
        let (head, tail) = input.split_at(start);

        // The text is cut in front only where the error would not be seen with what follows it.
        let fits = input.chars().nth(WIDTH).is_none();
        let before = if fits { WIDTH } else { WIDTH - AFTER };
        let from = head.char_indices().rev().take(before).last().map_or(start, |(at, _)| at);
        let column = head.get(from..).unwrap_or_default().chars().count();
        let shown = WIDTH.saturating_sub(column);
        let to = tail.char_indices().nth(shown).map_or(input.len(), |(at, _)| start + at);
        let marked = input.get(start..end.min(to)).unwrap_or_default().chars().count().max(1);

        writeln!(f, "error: {}", self.error)?;
        f.write_str("  ")?;
        let mut margin = column;
        if from > 0 {
            f.write_str(DOTS)?;
            margin += DOTS.len();
        }
        for character in input.get(from..to).unwrap_or_default().chars() {
            let plain = match character {
                '\t' => ' ',
                ' '..='~' => character,
                _ => '?',
            };
            fmt::Write::write_char(f, plain)?;
        }
        if to < input.len() {
            f.write_str(DOTS)?;
        }
        write!(f, "\n  {:margin$}", "")?;
        for _ in 0..marked {
            f.write_str("^")?;
        }
        match self.error.hint() {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The greatest character boundary that is not above `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::ParseErrorKind as Kind;
    use crate::{Limits, Selector};

    /// A number for each variant: a new one does not compile until it is here, and then the test wants a vector for it.
    const fn number(kind: Kind) -> usize {
        match kind {
            Kind::ExpectedTerm => 0,
            Kind::ExpectedLabel => 1,
            Kind::ExpectedOperator => 2,
            Kind::ExpectedString => 3,
            Kind::ExpectedSet => 4,
            Kind::ExpectedSetItem => 5,
            Kind::ExpectedSetEnd => 6,
            Kind::ExpectedParenthesis => 7,
            Kind::ExpectedEnd => 8,
            Kind::IncompleteOperator { .. } => 9,
            Kind::UnterminatedString { .. } => 10,
            Kind::LabelTooLong { .. } => 11,
            Kind::TooLong { .. } => 12,
            Kind::TooDeep { .. } => 13,
            Kind::TooManyTerms { .. } => VARIANTS - 1,
        }
    }
    const VARIANTS: usize = 15;

    #[derive(serde::Deserialize)]
    struct File {
        error: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        input: String,
        #[serde(default)]
        limits: alloc::collections::BTreeMap<String, usize>,
    }

    #[test]
    fn every_kind_has_a_vector() {
        let file: File = toml::from_str(include_str!("../tests/testdata/vectors.toml")).unwrap();
        let mut seen = BTreeSet::new();
        for Vector { input, limits } in file.error {
            let of = |name: &str, default| limits.get(name).copied().unwrap_or(default);
            let Limits { len, depth, terms } = Limits::default();
            let limits = Limits { len: of("len", len), depth: of("depth", depth), terms: of("terms", terms) };
            seen.insert(number(Selector::parse_with(&input, &limits).unwrap_err().kind()));
        }
        assert_eq!(seen, (0..VARIANTS).collect());
    }
}
