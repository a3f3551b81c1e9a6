//! The tree of a selector, its evaluation and its canonical text.

use alloc::boxed::Box;
use core::fmt;

use crate::labels::Labels;

/// Tree of a selector.
///
/// Only the parser makes one, so its depth is bounded by [`Limits::depth`](crate::Limits::depth), and recursion over it
/// is safe. Parentheses leave no trace; `a && b && c` is one `And` of three operands, `(a && b) && c` is an `And` in an
/// `And`. More than one `!` in a row collapses to one or none.
///
/// `Display` is the canonical text. It is built from these exact spellings: `name == "v"`, `name != "v"`,
/// `name contains "v"`, `name starts with "v"`, `name ends with "v"`, `name in {"a", "b"}`, `name not in {"a", "b"}`,
/// `has(name)`, `all()`, `global()`, `!x`, `(x && y)`, `(x || y)`. A string is quoted by `"`, or by `'` if it contains
/// a `"`.
///
/// Source: calico@87c15906f2 libcalico-go/lib/selector/parser/ast.go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expr {
    /// `all()`, and the empty selector: matches everything.
    All,
    /// `global()`: evaluates as `all()`; its special meaning, "what has no namespace", belongs to policy.
    Global,
    /// `has(label)`: the label is there, if only with an empty value.
    #[non_exhaustive]
    Has {
        /// Name of the label.
        label: Box<str>,
    },
    /// `label == "value"`: the label is there and its value is this one, byte by byte.
    #[non_exhaustive]
    Equal {
        /// Name of the label.
        label: Box<str>,
        /// Value to compare with.
        value: Box<str>,
    },
    /// `label != "value"`: the label has another value, or is not there.
    #[non_exhaustive]
    NotEqual {
        /// Name of the label.
        label: Box<str>,
        /// Value to compare with.
        value: Box<str>,
    },
    /// `label contains "value"`: the label is there and this is a part of its value.
    #[non_exhaustive]
    Contains {
        /// Name of the label.
        label: Box<str>,
        /// Part of the value.
        value: Box<str>,
    },
    /// `label starts with "value"`: the label is there and its value begins so.
    #[non_exhaustive]
    StartsWith {
        /// Name of the label.
        label: Box<str>,
        /// Prefix of the value.
        value: Box<str>,
    },
    /// `label ends with "value"`: the label is there and its value ends so.
    #[non_exhaustive]
    EndsWith {
        /// Name of the label.
        label: Box<str>,
        /// Suffix of the value.
        value: Box<str>,
    },
    /// `label in {..}`: the label is there and its value is one of these.
    #[non_exhaustive]
    In {
        /// Name of the label.
        label: Box<str>,
        /// The values, sorted by bytes, each once; may be empty.
        values: Box<[Box<str>]>,
    },
    /// `label not in {..}`: the label has another value than these, or is not there.
    #[non_exhaustive]
    NotIn {
        /// Name of the label.
        label: Box<str>,
        /// The values, sorted by bytes, each once; may be empty.
        values: Box<[Box<str>]>,
    },
    /// `!x`.
    #[non_exhaustive]
    Not {
        /// What is negated.
        operand: Box<Self>,
    },
    /// `x && y && z`: all of them, tried from left to right until one does not match.
    #[non_exhaustive]
    And {
        /// Two or more.
        operands: Box<[Self]>,
    },
    /// `x || y || z`: one of them, tried from left to right until one matches.
    #[non_exhaustive]
    Or {
        /// Two or more.
        operands: Box<[Self]>,
    },
}

/// Sets of at most so many values are searched from end to end, larger ones by halves.
const SCAN: usize = 8;

fn one_of(values: &[Box<str>], value: &str) -> bool {
    if values.len() <= SCAN {
        values.iter().any(|item| **item == *value)
    } else {
        values.binary_search_by(|item| (**item).cmp(value)).is_ok()
    }
}

impl Expr {
    /// Whether the labels match. Allocates nothing.
    #[must_use]
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        match self {
            Self::All | Self::Global => true,
            Self::Has { label } => labels.value(label).is_some(),
            Self::Equal { label, value } => labels.value(label).is_some_and(|v| *v == **value),
            Self::NotEqual { label, value } => labels.value(label).is_none_or(|v| *v != **value),
            Self::Contains { label, value } => labels.value(label).is_some_and(|v| v.contains(&**value)),
            Self::StartsWith { label, value } => labels.value(label).is_some_and(|v| v.starts_with(&**value)),
            Self::EndsWith { label, value } => labels.value(label).is_some_and(|v| v.ends_with(&**value)),
            Self::In { label, values } => labels.value(label).is_some_and(|v| one_of(values, v)),
            Self::NotIn { label, values } => labels.value(label).is_none_or(|v| !one_of(values, v)),
            Self::Not { operand } => !operand.matches(labels),
            Self::And { operands } => operands.iter().all(|operand| operand.matches(labels)),
            Self::Or { operands } => operands.iter().any(|operand| operand.matches(labels)),
        }
    }

    /// The same tree with another name for every label.
    pub(crate) fn with_labels<F: Fn(&str) -> Box<str>>(&self, rename: &F) -> Self {
        let all = |operands: &[Self]| operands.iter().map(|operand| operand.with_labels(rename)).collect();
        match self {
            Self::All => Self::All,
            Self::Global => Self::Global,
            Self::Has { label } => Self::Has { label: rename(label) },
            Self::Equal { label, value } => Self::Equal { label: rename(label), value: value.clone() },
            Self::NotEqual { label, value } => Self::NotEqual { label: rename(label), value: value.clone() },
            Self::Contains { label, value } => Self::Contains { label: rename(label), value: value.clone() },
            Self::StartsWith { label, value } => {
                Self::StartsWith { label: rename(label), value: value.clone() }
            }
            Self::EndsWith { label, value } => Self::EndsWith { label: rename(label), value: value.clone() },
            Self::In { label, values } => Self::In { label: rename(label), values: values.clone() },
            Self::NotIn { label, values } => Self::NotIn { label: rename(label), values: values.clone() },
            Self::Not { operand } => Self::Not { operand: Box::new(operand.with_labels(rename)) },
            Self::And { operands } => Self::And { operands: all(operands) },
            Self::Or { operands } => Self::Or { operands: all(operands) },
        }
    }

    /// Writes the canonical text.
    pub(crate) fn write<W: fmt::Write>(&self, out: &mut W) -> fmt::Result {
        match self {
            Self::All => out.write_str("all()"),
            Self::Global => out.write_str("global()"),
            Self::Has { label } => {
                out.write_str("has(")?;
                out.write_str(label)?;
                out.write_str(")")
            }
            Self::Equal { label, value } => write_comparison(out, label, " == ", value),
            Self::NotEqual { label, value } => write_comparison(out, label, " != ", value),
            Self::Contains { label, value } => write_comparison(out, label, " contains ", value),
            Self::StartsWith { label, value } => write_comparison(out, label, " starts with ", value),
            Self::EndsWith { label, value } => write_comparison(out, label, " ends with ", value),
            Self::In { label, values } => write_set(out, label, " in {", values),
            Self::NotIn { label, values } => write_set(out, label, " not in {", values),
            Self::Not { operand } => {
                out.write_str("!")?;
                operand.write(out)
            }
            Self::And { operands } => write_joined(out, operands, " && "),
            Self::Or { operands } => write_joined(out, operands, " || "),
        }
    }
}

fn write_quoted<W: fmt::Write>(out: &mut W, value: &str) -> fmt::Result {
    let quote = if value.contains('"') { "'" } else { "\"" };
    out.write_str(quote)?;
    out.write_str(value)?;
    out.write_str(quote)
}

fn write_comparison<W: fmt::Write>(out: &mut W, label: &str, operator: &str, value: &str) -> fmt::Result {
    out.write_str(label)?;
    out.write_str(operator)?;
    write_quoted(out, value)
}

fn write_set<W: fmt::Write>(out: &mut W, label: &str, operator: &str, values: &[Box<str>]) -> fmt::Result {
    out.write_str(label)?;
    out.write_str(operator)?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write_quoted(out, value)?;
    }
    out.write_str("}")
}

fn write_joined<W: fmt::Write>(out: &mut W, operands: &[Expr], operator: &str) -> fmt::Result {
    out.write_str("(")?;
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            out.write_str(operator)?;
        }
        operand.write(out)?;
    }
    out.write_str(")")
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}
