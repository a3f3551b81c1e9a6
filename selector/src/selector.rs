//! A parsed selector, with its canonical text.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use crate::ast::Expr;
use crate::error::ParseError;
use crate::id::unique_id;
use crate::labels::Labels;
use crate::limits::Limits;
use crate::parse;

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
pub struct Selector(Arc<Inner>);

struct Inner {
    canonical: Box<str>,
    expr: Expr,
}

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
        let expr = parse::parse(text, limits)?;
        let canonical = canonical(&expr, text.len());
        parse::check_canonical(&canonical, text, limits)?;
        Ok(Self(Arc::new(Inner { canonical: canonical.into(), expr })))
    }

    /// The selector `all()`, which matches everything.
    #[must_use]
    pub fn all() -> Self {
        Self(Arc::new(Inner { canonical: "all()".into(), expr: Expr::All }))
    }

    /// The canonical text: what `Display` prints, and what the id is made of.
    ///
    /// It parses to an equal selector, but for one shape: `!(!x)` keeps both signs and prints `!!x`, which parses to
    /// `x`. The reference system does the same, and its stored ids depend on it.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// The stable id: `s:` and 38 characters, the SHA-224 of `s:` and the canonical text in URL-safe base64.
    ///
    /// Made anew at each call.
    #[must_use]
    pub fn id(&self) -> String {
        unique_id("s", &self.0.canonical)
    }

    /// Whether the labels match. Allocates nothing.
    #[must_use]
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        self.0.expr.matches(labels)
    }

    /// The tree.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.0.expr
    }

    /// The same selector with this prefix in front of every label name: `has(team)` with `pcns.` asks for `pcns.team`.
    ///
    /// The prefix should be of label characters only, and no name should outgrow
    /// [`MAX_LABEL_LEN`](crate::MAX_LABEL_LEN); else the result evaluates as said, but its canonical text is no selector.
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/selector/parser/ast.go, `PrefixVisitor`.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        let expr = self.0.expr.with_labels(&|label: &str| {
            let mut name = String::with_capacity(prefix.len() + label.len());
            name.push_str(prefix);
            name.push_str(label);
            name.into()
        });
        let canonical = canonical(&expr, self.0.canonical.len()).into();
        Self(Arc::new(Inner { canonical, expr }))
    }
}

fn canonical(expr: &Expr, len_hint: usize) -> String {
    let mut text = String::with_capacity(len_hint.saturating_add(16));
    // Writing to a string does not fail.
    let _ = expr.write(&mut text);
    text
}

impl Default for Selector {
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.canonical)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.0.canonical).finish()
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
        Arc::ptr_eq(&self.0, &other.0) || self.0.canonical == other.0.canonical
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
        self.0.canonical.cmp(&other.0.canonical)
    }
}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.canonical.hash(state);
    }
}
