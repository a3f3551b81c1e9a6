//! The tree of a selector as others see it.

use core::fmt;

use crate::labels::Labels;
use crate::tree::{Op, Tree};

/// Part of a selector: the whole of it, or an operand.
///
/// A place in the tree of a [`Selector`](crate::Selector), as small as a reference. [`term`](Self::term) tells what
/// stands there. The depth is bounded by [`Limits::depth`](crate::Limits::depth), so recursion over it is safe.
/// Parentheses leave no trace; `a && b && c` is one `And` of three operands, `(a && b) && c` is an `And` in an `And`.
/// More than one `!` in a row collapses to one or none.
///
/// `Display` is the canonical text.
///
/// # Example
///
/// ```
/// use tortie_selector::{Selector, Term};
///
/// let selector = Selector::parse("has(app) && tier == 'web'")?;
/// let Term::And { operands, .. } = selector.expr().term() else { panic!("it is a list") };
/// let texts: Vec<String> = operands.map(|operand| operand.to_string()).collect();
/// assert_eq!(texts, ["has(app)", "tier == \"web\""]);
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
///
/// Source: calico@87c15906f2 libcalico-go/lib/selector/parser/ast.go.
#[derive(Clone, Copy)]
pub struct Expr<'a> {
    pub(crate) tree: &'a Tree,
    at: u32,
}

/// What stands at a place in the tree of a selector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Term<'a> {
    /// `all()`, and the empty selector: matches everything.
    All,
    /// `global()`: evaluates as `all()`; its special meaning, "what has no namespace", belongs to policy.
    Global,
    /// `has(label)`: the label is there, if only with an empty value.
    #[non_exhaustive]
    Has {
        /// Name of the label.
        label: &'a str,
    },
    /// `label == "value"`: the label is there and its value is this one, byte by byte.
    #[non_exhaustive]
    Equal {
        /// Name of the label.
        label: &'a str,
        /// Value to compare with.
        value: &'a str,
    },
    /// `label != "value"`: the label has another value, or is not there.
    #[non_exhaustive]
    NotEqual {
        /// Name of the label.
        label: &'a str,
        /// Value to compare with.
        value: &'a str,
    },
    /// `label contains "value"`: the label is there and this is a part of its value.
    #[non_exhaustive]
    Contains {
        /// Name of the label.
        label: &'a str,
        /// Part of the value.
        value: &'a str,
    },
    /// `label starts with "value"`: the label is there and its value begins so.
    #[non_exhaustive]
    StartsWith {
        /// Name of the label.
        label: &'a str,
        /// Prefix of the value.
        value: &'a str,
    },
    /// `label ends with "value"`: the label is there and its value ends so.
    #[non_exhaustive]
    EndsWith {
        /// Name of the label.
        label: &'a str,
        /// Suffix of the value.
        value: &'a str,
    },
    /// `label in {..}`: the label is there and its value is one of these.
    #[non_exhaustive]
    In {
        /// Name of the label.
        label: &'a str,
        /// The values, sorted by bytes, each once; may be empty.
        values: Values<'a>,
    },
    /// `label not in {..}`: the label has another value than these, or is not there.
    #[non_exhaustive]
    NotIn {
        /// Name of the label.
        label: &'a str,
        /// The values, sorted by bytes, each once; may be empty.
        values: Values<'a>,
    },
    /// `!x`.
    #[non_exhaustive]
    Not {
        /// What is negated.
        operand: Expr<'a>,
    },
    /// `x && y && z`: all of them.
    #[non_exhaustive]
    And {
        /// Two or more.
        operands: Operands<'a>,
    },
    /// `x || y || z`: one of them.
    #[non_exhaustive]
    Or {
        /// Two or more.
        operands: Operands<'a>,
    },
}

/// The operands of a list, from left to right.
#[derive(Clone)]
pub struct Operands<'a> {
    tree: &'a Tree,
    at: u32,
    end: u32,
}

/// The values of a set, sorted by bytes, each once.
#[derive(Clone)]
pub struct Values<'a> {
    tree: &'a Tree,
    at: u32,
    end: u32,
}

impl<'a> Expr<'a> {
    pub(crate) const fn root(tree: &'a Tree) -> Self {
        Self { tree, at: 0 }
    }

    /// What stands here.
    #[must_use]
    pub fn term(self) -> Term<'a> {
        let Self { tree, at } = self;
        let Some(node) = tree.nodes.get(at as usize) else { return Term::All };
        let text = &*tree.text;
        let label = node.label_in(text);
        let value = node.value_in(text);
        let (from, end) = (at + 1, node.end);
        match node.op {
            Op::All | Op::Item => Term::All,
            Op::Global => Term::Global,
            Op::Has => Term::Has { label },
            Op::Equal => Term::Equal { label, value },
            Op::NotEqual => Term::NotEqual { label, value },
            Op::Contains => Term::Contains { label, value },
            Op::StartsWith => Term::StartsWith { label, value },
            Op::EndsWith => Term::EndsWith { label, value },
            Op::In => Term::In { label, values: Values { tree, at: from, end } },
            Op::NotIn => Term::NotIn { label, values: Values { tree, at: from, end } },
            Op::Not => Term::Not { operand: Self { tree, at: from } },
            Op::And => Term::And { operands: Operands { tree, at: from, end } },
            Op::Or => Term::Or { operands: Operands { tree, at: from, end } },
        }
    }

    /// Whether the labels match this part. Allocates nothing.
    #[must_use]
    pub fn matches<L: Labels + ?Sized>(self, labels: &L) -> bool {
        match self.term() {
            Term::Not { operand } => !operand.matches(labels),
            Term::And { mut operands } => operands.all(|operand| operand.matches(labels)),
            Term::Or { mut operands } => operands.any(|operand| operand.matches(labels)),
            _ => self
                .tree
                .nodes
                .get(self.at as usize)
                .is_some_and(|node| self.tree.holds(node, self.at, labels)),
        }
    }
}

impl<'a> Iterator for Operands<'a> {
    type Item = Expr<'a>;

    fn next(&mut self) -> Option<Expr<'a>> {
        let node = self.tree.nodes.get(self.at as usize).filter(|_| self.at < self.end)?;
        let expr = Expr { tree: self.tree, at: self.at };
        self.at = node.end;
        Some(expr)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let node = self.tree.nodes.get(self.at as usize).filter(|_| self.at < self.end)?;
        self.at += 1;
        Some(node.value_in(&self.tree.text))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = (self.end - self.at) as usize;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Values<'_> {}

impl fmt::Debug for Operands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl fmt::Debug for Expr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Expr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tree.text_at(self.at))
    }
}
