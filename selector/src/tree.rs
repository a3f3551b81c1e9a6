//! The tree of a selector, flat: nodes in the order of the canonical text, which they point into.
//!
//! A selector is its text and its nodes, two allocations whatever its size. A list or a sign stands before its operands
//! and knows where they end. Evaluation does not walk the tree: each term knows which term to ask next, or that the
//! answer is known, for either outcome of its own test (`thread`).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::labels::Labels;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    All,
    Global,
    Has,
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    In,
    NotIn,
    /// A value of the set before it.
    Item,
    Not,
    And,
    Or,
}

impl Op {
    /// What stands between label and value, with the quote or brace after it.
    pub(crate) const fn spelling(self) -> &'static str {
        match self {
            Self::Equal => " == ",
            Self::NotEqual => " != ",
            Self::Contains => " contains ",
            Self::StartsWith => " starts with ",
            Self::EndsWith => " ends with ",
            Self::In => " in {",
            Self::NotIn => " not in {",
            Self::And => " && ",
            Self::Or => " || ",
            Self::All => "all()",
            Self::Global => "global()",
            Self::Has => "has(",
            Self::Not => "!",
            Self::Item => ", ",
        }
    }

    /// Whether a term like this holds without the label.
    pub(crate) const fn is_without(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotIn | Self::All | Self::Global)
    }

    /// Whether a term like this, negated or not, is likely to decide a list of this kind: few labels fulfil it, or most.
    pub(crate) fn is_asked_first(self, list: Self, negated: bool) -> bool {
        let is_unlikely =
            matches!(self, Self::Equal | Self::In | Self::StartsWith | Self::EndsWith | Self::Contains);
        (is_unlikely != negated) == (list == Self::And)
    }
}

/// Length of what is always the same about a node.
fn spelled(op: Op) -> u32 {
    place(op.spelling().len())
}

/// A place in a text, which is not longer than [`Limits::MAX_LEN`](crate::Limits::MAX_LEN).
#[expect(clippy::cast_possible_truncation, reason = "that limit is below 2^32")]
pub(crate) const fn place(at: usize) -> u32 {
    at as u32
}

/// A node. Places are in the canonical text.
///
/// The alignment makes 32 bytes of it, which are copied as two halves; 28 bytes are copied as two that overlap, and the
/// processor waits for the one before it reads the other.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) label_len: u16,
    /// Where the label stands; of what has no label, where the node itself begins.
    pub(crate) label: u32,
    /// Where the value stands, without its quotes; of a list, where its text ends.
    pub(crate) value: u32,
    /// Length of the value.
    pub(crate) value_len: u32,
    /// Index one past the last node of this subtree.
    pub(crate) end: u32,
    /// Which node to ask next if this term holds, [`YES`] or [`NO`].
    pub(crate) then: u32,
    /// Which node to ask next if it does not, [`YES`] or [`NO`].
    pub(crate) otherwise: u32,
}

/// A target that is the end: the selector matches.
pub(crate) const YES: u32 = u32::MAX;
/// A target that is the end: it does not.
pub(crate) const NO: u32 = u32::MAX - 1;

impl Node {
    pub(crate) const fn new(op: Op) -> Self {
        Self { op, label_len: 0, label: 0, value: 0, value_len: 0, end: 0, then: YES, otherwise: NO }
    }

    pub(crate) fn label_in<'t>(&self, text: &'t str) -> &'t str {
        slice(text, self.label, u32::from(self.label_len))
    }

    /// The bytes of the value, which are compared faster than the text.
    #[inline]
    pub(crate) fn bytes_in<'t>(&self, text: &'t str) -> &'t [u8] {
        let start = self.value as usize;
        text.as_bytes().get(start..start + self.value_len as usize).unwrap_or_default()
    }

    pub(crate) fn value_in<'t>(&self, text: &'t str) -> &'t str {
        slice(text, self.value, self.value_len)
    }
}

fn slice(text: &str, start: u32, len: u32) -> &str {
    let start = start as usize;
    text.get(start..start + len as usize).unwrap_or_default()
}

/// The tree of a selector, with its canonical text.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) text: Box<str>,
    pub(crate) nodes: Box<[Node]>,
    /// The term that is asked first.
    pub(crate) entry: u32,
}

impl Tree {
    /// `nodes` are whole but for the order of evaluation.
    pub(crate) fn new(text: String, mut nodes: Vec<Node>) -> Self {
        let entry = thread(&mut nodes, 0, YES, NO);
        Self { text: text.into(), nodes: nodes.into(), entry }
    }

    pub(crate) fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        let mut at = self.entry;
        while let Some(node) = self.nodes.get(at as usize) {
            at = if self.holds(node, at, labels) { node.then } else { node.otherwise };
        }
        at == YES
    }

    /// Whether a term holds.
    #[inline]
    pub(crate) fn holds<L: Labels + ?Sized>(&self, node: &Node, at: u32, labels: &L) -> bool {
        let is = match node.op {
            Op::All | Op::Global => return true,
            _ => labels.value(node.label_in(&self.text)),
        };
        let Some(is) = is else { return matches!(node.op, Op::NotEqual | Op::NotIn) };
        match node.op {
            Op::In => return self.contains(node, at, is),
            Op::NotIn => return !self.contains(node, at, is),
            Op::Has => return true,
            _ => {}
        }
        compare(node.op, is, node.value_in(&self.text))
    }

    /// The canonical text of a subtree.
    pub(crate) fn text_at(&self, at: u32) -> &str {
        let node = |at: u32| self.nodes.get(at as usize);
        let Some(first) = node(at) else { return "" };
        let start = if first.op == Op::Has { first.label - spelled(Op::Has) } else { first.label };
        let mut at = at;
        while node(at).is_some_and(|node| node.op == Op::Not) {
            at += 1;
        }
        let Some(last) = node(at) else { return "" };
        let label_end = last.label + u32::from(last.label_len);
        let end = match last.op {
            Op::All | Op::Global => last.label + spelled(last.op),
            Op::Has => label_end + 1,
            Op::And | Op::Or => last.value,
            // The quote and the brace that close it.
            Op::In | Op::NotIn => match self.items(last, at).last() {
                Some(item) => item.value + item.value_len + 2,
                None => label_end + spelled(last.op) + 1,
            },
            _ => last.value + last.value_len + 1,
        };
        slice(&self.text, start, end.saturating_sub(start))
    }

    /// The values of the set at this place, sorted.
    pub(crate) fn items(&self, node: &Node, at: u32) -> &[Node] {
        self.nodes.get(at as usize + 1..node.end as usize).unwrap_or_default()
    }

    fn contains(&self, node: &Node, at: u32, value: &str) -> bool {
        /// Sets of at most so many values are searched from end to end, larger ones by halves.
        const SCAN: usize = 8;
        let items = self.items(node, at);
        if items.len() <= SCAN {
            items.iter().any(|item| item.bytes_in(&self.text) == value.as_bytes())
        } else {
            items.binary_search_by(|item| item.bytes_in(&self.text).cmp(value.as_bytes())).is_ok()
        }
    }
}

/// Compares the value of a label with that of a term.
pub(crate) fn compare(op: Op, is: &str, wanted: &str) -> bool {
    match op {
        Op::Equal => is == wanted,
        Op::NotEqual => is != wanted,
        Op::StartsWith => is.as_bytes().starts_with(wanted.as_bytes()),
        Op::EndsWith => is.as_bytes().ends_with(wanted.as_bytes()),
        Op::Contains => has_part(is, wanted),
        _ => false,
    }
}

/// Whether `part` is a part of `whole`.
fn has_part(whole: &str, part: &str) -> bool {
    /// To prepare the search of the standard library, which takes linear time, pays off only for longer texts.
    const SHORT: usize = 128;
    if whole.len() > SHORT {
        return whole.contains(part);
    }
    let (whole, part) = (whole.as_bytes(), part.as_bytes());
    let Some((first, rest)) = part.split_first() else { return true };
    let Some(last) = whole.len().checked_sub(part.len()) else { return false };
    whole
        .iter()
        .take(last + 1)
        .enumerate()
        .any(|(at, byte)| byte == first && whole.get(at + 1..).is_some_and(|tail| tail.starts_with(rest)))
}

/// The terms of a list that are operands of it, negated or not: where they stand, and whether they are negated.
pub(crate) fn terms(nodes: &[Node], list: usize) -> impl Iterator<Item = (usize, &Node, bool)> {
    let end = nodes.get(list).map_or(0, |node| node.end as usize);
    let mut next = list + 1;
    core::iter::from_fn(move || {
        let mut negated = false;
        loop {
            let at = next;
            let node = nodes.get(at).filter(|_| at < end)?;
            next = at + 1;
            match node.op {
                Op::Not => negated = !negated,
                Op::And | Op::Or => (next, negated) = (node.end as usize, false),
                _ => {
                    next = node.end as usize;
                    return Some((at, node, negated));
                }
            }
        }
    })
}

/// Gives the terms of one subtree their targets, and returns the first of them to ask.
fn thread(nodes: &mut [Node], mut at: u32, mut yes: u32, mut no: u32) -> u32 {
    loop {
        let Some(node) = nodes.get_mut(at as usize) else { return no };
        match node.op {
            Op::Not => (at, yes, no) = (at + 1, no, yes),
            Op::And | Op::Or => return thread_list(nodes, at, yes, no),
            _ => {
                (node.then, node.otherwise) = (yes, no);
                return at;
            }
        }
    }
}

/// Terms of a list that are asked one after the other while each has the same outcome.
struct Chain {
    /// The first of them; where there is none, whoever comes after them.
    first: Option<u32>,
    /// The last, and the outcome that goes on.
    last: (u32, bool),
}

impl Chain {
    const EMPTY: Self = Self { first: None, last: (0, false) };

    /// Appends a term, which goes on if it `holds` or does not; else it exits.
    #[inline]
    fn push(&mut self, nodes: &mut [Node], at: u32, holds: bool, exit: u32) {
        if let Some(node) = nodes.get_mut(at as usize) {
            (node.then, node.otherwise) = (exit, exit);
        }
        self.end(nodes, at);
        self.first = self.first.or(Some(at));
        self.last = (at, holds);
    }

    /// Where the last of them goes on to. Returns the first, or that place where there are none.
    #[inline]
    fn end(&self, nodes: &mut [Node], next: u32) -> u32 {
        let Some(first) = self.first else { return next };
        let (last, holds) = self.last;
        if let Some(node) = nodes.get_mut(last as usize) {
            *(if holds { &mut node.then } else { &mut node.otherwise }) = next;
        }
        first
    }
}

/// Those terms of a list come first that are likely to decide it: of an `&&` list the unlikely ones. Lists in it come last.
/// The outcome is the same in any order. It recurses as deep as the tree.
fn thread_list(nodes: &mut [Node], list: u32, yes: u32, no: u32) -> u32 {
    let Some(node) = nodes.get(list as usize) else { return no };
    let (kind, end) = (node.op, node.end);
    let and = kind == Op::And;
    let (exit, mut next) = if and { (no, yes) } else { (yes, no) };
    let mut lists = SmallVec::<[u32; 4]>::new();
    // Those that do not decide it, and those that do.
    let mut chains = [Chain::EMPTY, Chain::EMPTY];
    let (mut at, mut operand, mut negated) = (list + 1, list + 1, false);
    while let Some(node) = nodes.get(at as usize).filter(|_| at < end) {
        let after = node.end;
        match node.op {
            Op::Not => {
                negated = !negated;
                at += 1;
                continue;
            }
            Op::And | Op::Or => lists.push(operand),
            op => {
                // Not a jump: nobody could foresee where to.
                if let Some(chain) = chains.get_mut(usize::from(op.is_asked_first(kind, negated))) {
                    chain.push(nodes, at, and != negated, exit);
                }
            }
        }
        (at, operand, negated) = (after, after, false);
    }
    // The last to ask is done first: only then is the first term of what follows a list known.
    for operand in lists.into_iter().rev() {
        next = if and { thread(nodes, operand, next, no) } else { thread(nodes, operand, yes, next) };
    }
    chains.iter().fold(next, |next, chain| chain.end(nodes, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_short_and_in_long_texts() {
        for pad in [0, 200] {
            let pad = "-".repeat(pad);
            for (whole, part, has) in [
                ("", "", true),
                ("a", "", true),
                ("", "a", false),
                ("abc", "abc", true),
                ("abc", "bc", true),
                ("abc", "ab", true),
                ("aab", "ab", true),
                ("abc", "abcd", false),
                ("abc", "ac", false),
                ("a\u{e9}b", "\u{e9}", true),
            ] {
                let whole = alloc::format!("{whole}{pad}");
                assert_eq!(has_part(&whole, part), has, "{whole} {part}");
            }
        }
    }
}
