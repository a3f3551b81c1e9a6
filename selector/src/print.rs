//! The canonical text, and with it the finished tree.

use alloc::string::String;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::parse::Size;
use crate::tree::{Node, Op, Tree, place};

/// A list that is open in the text.
struct Open {
    /// Where it ends among the nodes that are read.
    end: u32,
    /// Its index among the nodes that are written.
    at: usize,
    joint: &'static str,
    first: bool,
}

/// Writes text and nodes of a tree, side by side.
struct Printer<'t> {
    /// The text that the nodes to be read point into.
    source: &'t str,
    /// Goes in front of every label.
    prefix: &'t str,
    text: String,
    nodes: Vec<Node>,
    open: SmallVec<[Open; 8]>,
    /// A sign was written: its operand follows without a joint.
    signed: bool,
}

/// The tree that these nodes are, with this prefix in front of every label. They point into `source`, and may have
/// holes.
pub(crate) fn tree(nodes: &[Node], source: &str, prefix: &str, size: Size) -> Tree {
    let mut printer = Printer {
        source,
        prefix,
        text: String::with_capacity(size.len),
        nodes: Vec::with_capacity(size.nodes),
        open: SmallVec::new(),
        signed: false,
    };
    let mut at = 0;
    for node in nodes {
        if !matches!(node.op, Op::Hole | Op::Item) {
            printer.close(at);
            printer.join();
            printer.node(*node, nodes.get(at as usize + 1..node.end as usize).unwrap_or_default());
        }
        at += 1;
    }
    printer.close(at);
    Tree::new(printer.text, printer.nodes)
}

impl Printer<'_> {
    /// Ends the lists that end before the node with this index.
    fn close(&mut self, at: u32) {
        while self.open.last().is_some_and(|list| list.end <= at) {
            let Some(list) = self.open.pop() else { break };
            self.text.push(')');
            let (text_end, end) = (place(self.text.len()), place(self.nodes.len()));
            if let Some(node) = self.nodes.get_mut(list.at) {
                (node.value, node.end) = (text_end, end);
            }
        }
    }

    /// What stands between the operands of a list.
    fn join(&mut self) {
        if core::mem::take(&mut self.signed) {
            return;
        }
        let Some(list) = self.open.last_mut() else { return };
        if !core::mem::take(&mut list.first) {
            self.text.push_str(list.joint);
        }
    }

    fn node(&mut self, mut node: Node, items: &[Node]) {
        let at = self.nodes.len();
        let start = place(self.text.len());
        let spelling = node.op.spelling();
        match node.op {
            Op::And | Op::Or => {
                node.label = start;
                self.text.push('(');
                self.open.push(Open { end: node.end, at, joint: spelling, first: true });
            }
            Op::Not => {
                node.label = start;
                self.text.push_str(spelling);
                self.signed = true;
            }
            Op::All | Op::Global => {
                node.label = start;
                self.text.push_str(spelling);
            }
            Op::Has => {
                self.text.push_str(spelling);
                self.label(&mut node);
                self.text.push(')');
            }
            Op::In | Op::NotIn => {
                self.label(&mut node);
                self.text.push_str(spelling);
                node.end = place(at + 1 + items.len());
                self.nodes.push(node);
                self.items(items);
                self.text.push('}');
                return;
            }
            _ => self.comparison(&mut node),
        }
        node.end = place(at + 1);
        self.nodes.push(node);
    }

    fn items(&mut self, items: &[Node]) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push_str(Op::Item.spelling());
            }
            let mut item = *item;
            self.value(&mut item);
            self.nodes.push(item);
        }
    }

    fn label(&mut self, node: &mut Node) {
        let start = place(self.text.len());
        self.text.push_str(self.prefix);
        self.text.push_str(node.label_in(self.source));
        node.label = start;
        // At most MAX_LABEL_LEN.
        node.label_len = u16::try_from(self.text.len() - start as usize).unwrap_or(u16::MAX);
    }

    fn comparison(&mut self, node: &mut Node) {
        let spelling = node.op.spelling();
        let label_end = node.label as usize + usize::from(node.label_len);
        let value_end = node.value as usize + node.value_len as usize;
        // Most are written in the canonical way, and copied in one piece.
        let between = self.source.get(label_end..node.value as usize);
        let canonical = between.and_then(|between| between.strip_suffix('"')) == Some(spelling);
        match self.source.get(node.label as usize..value_end + 1) {
            Some(whole) if canonical && self.prefix.is_empty() => {
                let start = place(self.text.len());
                self.text.push_str(whole);
                node.value = start + (node.value - node.label);
                node.label = start;
            }
            _ => {
                self.label(node);
                self.text.push_str(spelling);
                self.value(node);
            }
        }
    }

    fn value(&mut self, node: &mut Node) {
        let (start, len) = (node.value as usize, node.value_len as usize);
        let place = place(self.text.len() + 1);
        // The quotes are in the source, on either side.
        let quoted = start.checked_sub(1).and_then(|quote| self.source.get(quote..=start + len));
        match quoted {
            Some(quoted) if quoted.starts_with('"') || quoted.contains('"') => self.text.push_str(quoted),
            _ => {
                self.text.push('"');
                self.text.push_str(node.value_in(self.source));
                self.text.push('"');
            }
        }
        node.value = place;
    }
}
