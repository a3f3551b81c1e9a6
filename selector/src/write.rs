//! The tree of what has been read, and that of a tree whose labels have a prefix.

use alloc::string::String;
use alloc::vec::Vec;
use core::{mem, slice};

use smallvec::SmallVec;

use crate::draft::{List, Word};
use crate::tree::{Node, Op, Tree, place};

/// The tree of these words of the source. Its canonical text has `len` bytes; the lists come from the front to the back,
/// and of those that begin together the longest first.
pub(crate) fn write(source: &str, len: usize, words: &[Word], lists: &[List]) -> Tree {
    let mut writer = Writer {
        source,
        text: String::with_capacity(len),
        nodes: Vec::with_capacity(words.len() + lists.len()),
        signs: 0,
        open: SmallVec::new(),
    };
    let mut opening = lists.iter().peekable();
    let mut rest = words.iter();
    let mut read = 0;
    while let Some(word) = rest.next() {
        match word.joint {
            Some(Op::And) => writer.text.push_str(Op::And.spelling()),
            Some(_) => writer.text.push_str(Op::Or.spelling()),
            None => {}
        }
        while let Some(list) = opening.next_if(|list| list.from == read) {
            writer.open(list);
        }
        match word.op {
            Op::Not => writer.sign(),
            Op::In | Op::NotIn => writer.set(word, &mut rest),
            _ => writer.term(word),
        }
        read = place(words.len() - rest.len());
        while writer.open.last().is_some_and(|list| list.to == read) {
            writer.close();
        }
    }
    Tree::new(writer.text, writer.nodes)
}

/// A tree that is being written.
struct Writer<'t> {
    source: &'t str,
    text: String,
    nodes: Vec<Node>,
    /// How many signs wait for the end of what they negate.
    signs: usize,
    open: SmallVec<[Open; 4]>,
}

/// A list that is being written.
struct Open {
    node: usize,
    /// The first word behind it.
    to: u32,
    /// How many signs stand before it.
    signs: usize,
}

impl Writer<'_> {
    #[inline]
    fn at(&self) -> u32 {
        place(self.text.len())
    }

    #[inline]
    fn copy(&mut self, start: u32, end: u32) {
        self.text.push_str(self.source.get(start as usize..end as usize).unwrap_or_default());
    }

    fn sign(&mut self) {
        self.nodes.push(Node { label: self.at(), ..Node::new(Op::Not) });
        self.text.push('!');
        self.signs += 1;
    }

    #[inline]
    fn term(&mut self, word: &Word) {
        let (at, end) = (self.at(), place(self.nodes.len()) + 1);
        let (label, value) = if word.is_canonical {
            self.copy(word.start, word.end);
            (at + (word.label - word.start), at + (word.value - word.start))
        } else {
            self.spell(word)
        };
        let Word { op, label_len, value_len, .. } = *word;
        self.operand(Node { label, label_len, value, value_len, end, ..Node::new(op) });
    }

    /// Writes what is not canonical: where its label and its value stand.
    #[cold]
    fn spell(&mut self, word: &Word) -> (u32, u32) {
        let mut label = self.at();
        let spelling = word.op.spelling();
        if word.op == Op::Has {
            self.text.push_str(spelling);
            label = self.at();
        }
        self.copy(word.label, word.label + u32::from(word.label_len));
        match word.op {
            Op::Has => self.text.push(')'),
            Op::Item => {}
            _ => self.text.push_str(spelling),
        }
        let mut value = self.at();
        if matches!(
            word.op,
            Op::Equal | Op::NotEqual | Op::Contains | Op::StartsWith | Op::EndsWith | Op::Item
        ) {
            let (start, end) = (word.value as usize, (word.value + word.value_len) as usize);
            let text = self.source.get(start..end).unwrap_or_default();
            // It has double quotes unless one of these is in it.
            let quote = if text.contains('"') { '\'' } else { '"' };
            self.text.push(quote);
            self.text.push_str(text);
            self.text.push(quote);
            value += 1;
        }
        (label, value)
    }

    /// Writes a set, whose items are the next words.
    #[inline]
    fn set(&mut self, word: &Word, next: &mut slice::Iter<'_, Word>) {
        let (label, items) = (self.at(), word.value_len);
        if word.is_canonical {
            self.copy(word.start, word.end);
        } else {
            self.spell(word);
        }
        let (end, label_len) = (place(self.nodes.len()) + 1, word.label_len);
        self.operand(Node { label, label_len, end: end + items, ..Node::new(word.op) });
        for index in 0..items {
            let Some(item) = next.next() else { break };
            if index > 0 {
                self.text.push_str(Op::Item.spelling());
            }
            let mut value = self.at() + 1;
            if item.is_canonical {
                self.copy(item.start, item.end);
            } else {
                (_, value) = self.spell(item);
            }
            let (end, value_len) = (end + index + 1, item.value_len);
            self.nodes.push(Node { value, value_len, end, ..Node::new(Op::Item) });
        }
        self.text.push('}');
    }

    /// A node whose end is known: the signs before it end there, too.
    #[inline]
    fn operand(&mut self, node: Node) {
        if self.signs > 0 {
            let signs = mem::take(&mut self.signs);
            self.end_signs(self.nodes.len(), signs, node.end);
        }
        self.nodes.push(node);
    }

    /// So many signs before a node end here.
    fn end_signs(&mut self, node: usize, signs: usize, end: u32) {
        if let Some(signs) = self.nodes.get_mut(node.saturating_sub(signs)..node) {
            signs.iter_mut().for_each(|sign| sign.end = end);
        }
    }

    fn open(&mut self, list: &List) {
        self.open.push(Open { node: self.nodes.len(), to: list.to, signs: mem::take(&mut self.signs) });
        self.nodes.push(Node { label: self.at(), ..Node::new(list.op) });
        self.text.push('(');
    }

    /// Closes the list that was opened last.
    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.text.push(')');
        let (end, value) = (place(self.nodes.len()), self.at());
        if let Some(node) = self.nodes.get_mut(open.node) {
            (node.end, node.value) = (end, value);
        }
        self.end_signs(open.node, open.signs, end);
    }
}

/// The same tree with a prefix in front of every label. What comes of it is not too long.
pub(crate) fn prefixed(tree: &Tree, prefix: &str) -> Tree {
    let by = place(prefix.len());
    let labels = tree.nodes.iter().filter(|node| node.label_len > 0).count();
    let mut text = String::with_capacity(tree.text.len() + labels * prefix.len());
    let mut nodes = Vec::with_capacity(tree.nodes.len());
    // By node: how much the text before it has grown.
    let mut grown = Vec::with_capacity(tree.nodes.len() + 1);
    let mut so_far = 0;
    let mut copied = 0;
    for node in &tree.nodes {
        grown.push(so_far);
        let mut node = *node;
        let label = node.label as usize;
        node.label += so_far;
        if node.label_len > 0 {
            text.push_str(tree.text.get(copied..label).unwrap_or_default());
            text.push_str(prefix);
            copied = label;
            so_far += by;
            // At most MAX_LABEL_LEN.
            node.label_len = u16::try_from(u32::from(node.label_len) + by).unwrap_or(u16::MAX);
        }
        node.value += so_far;
        nodes.push(node);
    }
    text.push_str(tree.text.get(copied..).unwrap_or_default());
    grown.push(so_far);
    for (node, old) in nodes.iter_mut().zip(&tree.nodes) {
        if matches!(node.op, Op::And | Op::Or) {
            node.value = old.value + grown.get(node.end as usize).copied().unwrap_or_default();
        }
    }
    Tree::new(text, nodes)
}
