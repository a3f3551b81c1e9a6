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
            let items = match node.op {
                Op::In | Op::NotIn => nodes.get(at as usize + 1..node.end as usize).unwrap_or_default(),
                _ => &[],
            };
            printer.node(node, items);
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

    fn node(&mut self, node: &Node, items: &[Node]) {
        let at = self.nodes.len();
        // Copied whole, and changed where it is: to change it first and then to copy it takes longer.
        self.nodes.push(*node);
        let (mut label, mut value) = (place(self.text.len()), node.value);
        let spelling = node.op.spelling();
        match node.op {
            Op::And | Op::Or => {
                self.text.push('(');
                self.open.push(Open { end: node.end, at, joint: spelling, first: true });
            }
            Op::Not => {
                self.text.push_str(spelling);
                self.signed = true;
            }
            Op::All | Op::Global => self.text.push_str(spelling),
            Op::Has => {
                self.text.push_str(spelling);
                label = self.label(node);
                self.text.push(')');
            }
            Op::In | Op::NotIn => {
                self.label(node);
                self.text.push_str(spelling);
                self.items(items);
                self.text.push('}');
            }
            _ => value = self.comparison(node),
        }
        let prefix = self.prefix.len();
        if let Some(written) = self.nodes.get_mut(at) {
            (written.label, written.value) = (label, value);
            written.end = place(at + 1 + items.len());
            if node.label_len > 0 {
                // At most MAX_LABEL_LEN.
                written.label_len = u16::try_from(usize::from(node.label_len) + prefix).unwrap_or(u16::MAX);
            }
        }
    }

    fn items(&mut self, items: &[Node]) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push_str(Op::Item.spelling());
            }
            self.nodes.push(*item);
            let value = self.value(item);
            if let Some(written) = self.nodes.last_mut() {
                written.value = value;
            }
        }
    }

    /// Returns where the label stands.
    fn label(&mut self, node: &Node) -> u32 {
        let start = place(self.text.len());
        self.text.push_str(self.prefix);
        self.text.push_str(node.label_in(self.source));
        start
    }

    /// Returns where the value stands.
    fn comparison(&mut self, node: &Node) -> u32 {
        let spelling = node.op.spelling();
        let label_end = node.label as usize + usize::from(node.label_len);
        let value_end = node.value as usize + node.value_len as usize;
        // Most are written in the canonical way, and copied in one piece.
        let between = self.source.as_bytes().get(label_end..node.value as usize);
        let canonical = between.and_then(|between| between.strip_suffix(b"\"")) == Some(spelling.as_bytes());
        match self.source.get(node.label as usize..value_end + 1) {
            Some(whole) if canonical && self.prefix.is_empty() => {
                let start = place(self.text.len());
                self.text.push_str(whole);
                start + (node.value - node.label)
            }
            _ => {
                self.label(node);
                self.text.push_str(spelling);
                self.value(node)
            }
        }
    }

    /// Returns where the value stands.
    fn value(&mut self, node: &Node) -> u32 {
        let (start, end) = (node.value as usize, node.value as usize + node.value_len as usize);
        let place = place(self.text.len() + 1);
        // The quotes are in the source, on either side; single ones stay only where they must.
        let quote = start.wrapping_sub(1);
        let single = self.source.as_bytes().get(quote) != Some(&b'"');
        if single && !node.bytes_in(self.source).contains(&b'"') {
            self.text.push('"');
            self.text.push_str(node.value_in(self.source));
            self.text.push('"');
        } else {
            self.text.push_str(self.source.get(quote..=end).unwrap_or_default());
        }
        place
    }
}
