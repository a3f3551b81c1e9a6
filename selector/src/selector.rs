//! A parsed selector, with its canonical text.

use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use crate::error::{ParseError, ParseErrorKind};
use crate::expr::Expr;
use crate::id::unique_id;
use crate::labels::Labels;
use crate::limits::Limits;
use crate::token::{self, Span};
use crate::tree::{Node, Op, Tree};
use crate::{parse, write};

/// Label selector: parsed once, evaluated often.
///
/// A clone shares everything with its origin. Two selectors are equal if their canonical texts are; equality is of
/// spelling, not of meaning: `all()` and `global()` differ, and so do `a && b` and `b && a`. Order and hash follow.
/// `Display` is the canonical text. The default is `all()`.
///
/// # Example
///
/// ```
/// use std::collections::BTreeMap;
/// use tortie_selector::Selector;
///
/// let selector = Selector::parse("role in {'db', 'cache'} && !has(retired)")?;
/// assert!(selector.matches(&BTreeMap::from([("role", "db")])));
/// assert!(!selector.matches(&BTreeMap::from([("role", "db"), ("retired", "")])));
/// assert_eq!(selector.canonical(), r#"(role in {"cache", "db"} && !has(retired))"#);
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Selector(Arc<Tree>);

impl Selector {
    /// The selector that this text is, within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// Any [`ParseErrorKind`](crate::ParseErrorKind): the text is not of the grammar, or exceeds a limit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(text, &Limits::default())
    }

    /// The selector that this text is, within these limits.
    ///
    /// What is accepted is accepted again, under the same limits, in its canonical form.
    ///
    /// # Errors
    ///
    /// Any [`ParseErrorKind`](crate::ParseErrorKind): the text is not of the grammar, or exceeds a limit.
    pub fn parse_with(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        parse::parse(text, limits).map(|tree| Self(Arc::new(tree)))
    }

    /// Whether this text is a selector, within the default [`Limits`]. Allocates nothing for a text of up to a third of the
    /// longest, with up to five levels of parentheses.
    ///
    /// # Errors
    ///
    /// The same as of [`parse`](Self::parse), for the same texts.
    pub fn validate(text: &str) -> Result<(), ParseError> {
        Self::validate_with(text, &Limits::default())
    }

    /// Whether this text is a selector, within these limits.
    ///
    /// # Errors
    ///
    /// The same as of [`parse_with`](Self::parse_with), for the same texts.
    pub fn validate_with(text: &str, limits: &Limits) -> Result<(), ParseError> {
        parse::validate(text, limits)
    }

    /// The canonical text of a selector; of any other text, the text itself; both without white space around them.
    ///
    /// White space is what Unicode calls so, here and nowhere else. The reference system makes of this the text by which
    /// it groups policies.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_selector::Selector;
    ///
    /// assert_eq!(Selector::normalise("\n a=='x' "), r#"a == "x""#);
    /// assert_eq!(Selector::normalise(" no selector\n"), "no selector");
    /// ```
    #[must_use]
    pub fn normalise(text: &str) -> String {
        let text = text.trim();
        Self::parse(text).map_or_else(|_| text.into(), |selector| selector.canonical().into())
    }

    /// The selector `all()`, which matches everything.
    #[must_use]
    pub fn all() -> Self {
        let nodes = [Node { end: 1, ..Node::new(Op::All) }];
        Self(Arc::new(Tree::new(Op::All.spelling().into(), nodes.into())))
    }

    /// The canonical text: what `Display` prints, and what the id is made of.
    ///
    /// It parses to an equal selector, but for one shape: `!(!x)` keeps both signs and prints `!!x`, which parses to
    /// `x`. The reference system does the same, and its stored ids depend on it.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.text
    }

    /// The stable id: `s:` and 38 characters, the SHA-224 of `s:` and the canonical text in URL-safe base64.
    ///
    /// Made anew at each call.
    #[must_use]
    pub fn id(&self) -> String {
        unique_id("s", self.canonical())
    }

    /// Whether the labels match. Allocates nothing.
    ///
    /// No label is looked up once the answer is known. Which are looked up first is not said.
    #[must_use]
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        self.0.matches(labels)
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.0
    }

    /// The tree.
    #[must_use]
    pub fn expr(&self) -> Expr<'_> {
        Expr::root(&self.0)
    }

    /// The same selector with this prefix in front of every label name: `has(team)` with `pcns.` asks for `pcns.team`.
    ///
    /// # Errors
    ///
    /// [`ExpectedLabel`](ParseErrorKind::ExpectedLabel): the prefix has a character that no label may have; the span is
    /// a place in the prefix. [`LabelTooLong`](ParseErrorKind::LabelTooLong), [`TooLong`](ParseErrorKind::TooLong): a
    /// name would exceed [`MAX_LABEL_LEN`](crate::MAX_LABEL_LEN), or the text [`Limits::MAX_LEN`]; the span is the whole
    /// prefix.
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/selector/parser/ast.go, `PrefixVisitor`.
    pub fn prefixed(&self, prefix: &str) -> Result<Self, ParseError> {
        let (name, rest) = token::label(prefix);
        if !rest.is_empty() {
            let span = Span { start: name.len(), end: name.len() + token::unknown_len(rest) };
            return Err(ParseError::new(ParseErrorKind::ExpectedLabel, span, prefix));
        }
        let tree = &*self.0;
        let labels = || tree.nodes.iter().filter(|node| node.label_len > 0);
        let longest = labels().map(|node| usize::from(node.label_len)).max();
        let len = prefix.len().saturating_mul(labels().count()).saturating_add(tree.text.len());
        let kind = match longest.map(|longest| prefix.len().saturating_add(longest)) {
            Some(len) if len > token::MAX_LABEL_LEN => {
                ParseErrorKind::LabelTooLong { len, max: token::MAX_LABEL_LEN }
            }
            _ if len > Limits::MAX_LEN => ParseErrorKind::TooLong { len, max: Limits::MAX_LEN },
            _ => return Ok(Self(Arc::new(write::prefixed(tree, prefix)))),
        };
        Err(ParseError::new(kind, Span { start: 0, end: prefix.len() }, prefix))
    }
}

impl Default for Selector {
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.canonical())
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.canonical()).finish()
    }
}

impl FromStr for Selector {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.canonical() == other.canonical()
    }
}

impl Eq for Selector {}

impl PartialOrd for Selector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Selector {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical().cmp(other.canonical())
    }
}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}
