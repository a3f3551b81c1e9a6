//! How large a selector may be.

/// Limits of a selector.
///
/// The reference system has none in its parser, and 1,024 characters for each selector in a resource; the selectors of
/// a rule are then joined to one. The defaults are far above what that makes.
///
/// # Example
///
/// ```
/// use tortie_selector::{Limits, ParseErrorKind, Selector};
///
/// let limits = Limits::default().len(1024);
/// let long = format!("a == '{}'", "x".repeat(2000));
/// let error = Selector::parse_with(&long, &limits).unwrap_err();
/// assert_eq!(error.kind(), ParseErrorKind::TooLong { len: 2007, max: 1024 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) len: usize,
    pub(crate) depth: usize,
    pub(crate) terms: usize,
}

impl Limits {
    /// The deepest that any limits allow: [`depth`](Self::depth) stops here. Parsing, printing, evaluating and dropping
    /// a selector of this depth stays within half a megabyte of stack, even in a build without optimisation.
    pub const MAX_DEPTH: usize = 128;

    /// The longest text that any limits allow, in bytes: [`len`](Self::len) stops here. 1 GiB.
    pub const MAX_LEN: usize = 1 << 30;

    /// Longest text, in bytes, as given and in canonical form. Default: 1,048,576; at most [`MAX_LEN`](Self::MAX_LEN).
    #[must_use]
    pub const fn len(mut self, len: usize) -> Self {
        self.len = if len < Self::MAX_LEN { len } else { Self::MAX_LEN };
        self
    }

    /// Most levels of nesting: each `&&` list in an `||` list is one, and each pair of parentheses that has another
    /// use is one. Default: 64; at most [`MAX_DEPTH`](Self::MAX_DEPTH).
    #[must_use]
    pub const fn depth(mut self, depth: usize) -> Self {
        self.depth = if depth < Self::MAX_DEPTH { depth } else { Self::MAX_DEPTH };
        self
    }

    /// Most terms (comparisons, `has(..)`, `all()`, `global()`) and strings in sets, together. Default: 65,536.
    #[must_use]
    pub const fn terms(mut self, terms: usize) -> Self {
        self.terms = terms;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { len: 1 << 20, depth: 64, terms: 1 << 16 }
    }
}
