//! The canonical text and the nodes of a tree, while they are written.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use smallvec::SmallVec;

use crate::tree::{Node, Op, Tree, place};

/// Where the parser writes to.
pub(crate) trait Sink {
    /// How many bytes of canonical text there are.
    fn len(&self) -> usize;

    /// How many nodes, and how many bytes of text without the parentheses of lists.
    fn before(&self) -> (usize, usize);

    /// More canonical text.
    fn put(&mut self, text: &str);

    /// A node, the next in the order of the text.
    fn node(&mut self, node: Node);

    /// A set, before its items.
    fn set(&mut self, node: Node, items: usize);

    /// A list, whose last operand has just been written.
    fn list(&mut self, list: List);

    /// Where the next text will stand.
    fn place(&self) -> u32 {
        place(self.before().1)
    }
}

/// A list that has been written, but for its node and for the parenthesis before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub(crate) op: Op,
    /// How many nodes, and how many bytes of text, stand before it.
    pub(crate) before: (usize, usize),
}

/// Who only wants to know whether there is a tree counts the bytes of its text.
impl Sink for usize {
    #[inline]
    fn len(&self) -> usize {
        *self
    }

    fn before(&self) -> (usize, usize) {
        (0, 0)
    }

    #[inline]
    fn put(&mut self, text: &str) {
        *self = self.saturating_add(text.len());
    }

    fn node(&mut self, _: Node) {}

    fn set(&mut self, _: Node, _: usize) {}

    fn list(&mut self, _: List) {
        self.put("()");
    }
}

/// A tree that is being written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The text without the parentheses that open lists.
    text: String,
    /// The nodes without those of lists. As many as most selectors have are no allocation.
    nodes: SmallVec<[Node; 24]>,
    /// The lists, with how many nodes and how many bytes stand before their ends.
    lists: SmallVec<[(List, (usize, usize)); 4]>,
}

impl Draft {
    /// A draft of which the text will have about so many bytes.
    pub(crate) fn new(len: usize) -> Self {
        Self { text: String::with_capacity(len + 8), nodes: SmallVec::new(), lists: SmallVec::new() }
    }

    /// The tree. The draft is of no use any more.
    pub(crate) fn finish(&mut self) -> Tree {
        if self.lists.is_empty() {
            return Tree::new(mem::take(&mut self.text), self.nodes.to_vec());
        }
        // From the front to the back, and of those that begin together the longest first.
        self.lists.sort_unstable_by_key(|(list, end)| (list.before.0, usize::MAX - end.0));
        let lists = self.lists.as_slice();
        let lists_before = |node: usize| lists.partition_point(|(list, _)| list.before.0 < node);
        let mut nodes = Vec::with_capacity(self.nodes.len() + lists.len());
        let mut opened = 0;
        for (index, node) in self.nodes.iter().enumerate() {
            while let Some((list, end)) = lists.get(opened).filter(|(list, _)| list.before.0 == index) {
                let inner = lists_before(end.0);
                nodes.push(Node {
                    label: place(list.before.1 + opened),
                    value: place(end.1 + inner),
                    end: place(end.0 + inner),
                    ..Node::new(list.op)
                });
                opened += 1;
            }
            nodes.push(*node);
            let by = place(opened);
            if let Some(node) = nodes.last_mut() {
                node.label += by;
                node.value += by;
                node.end += by;
            }
        }
        let text = parenthesised(&self.text, lists.iter().map(|(list, _)| list.before.1));
        Tree::new(text, nodes)
    }
}

/// The text with a parenthesis opened at each of these places, which come in rising order.
fn parenthesised(text: &str, places: impl ExactSizeIterator<Item = usize>) -> String {
    let mut whole = String::with_capacity(text.len() + places.len());
    let mut copied = 0;
    for at in places {
        whole.push_str(text.get(copied..at).unwrap_or_default());
        whole.push('(');
        copied = at;
    }
    whole.push_str(text.get(copied..).unwrap_or_default());
    whole
}

impl Sink for Draft {
    fn len(&self) -> usize {
        self.text.len() + self.lists.len()
    }

    fn before(&self) -> (usize, usize) {
        (self.nodes.len(), self.text.len())
    }

    #[inline]
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    #[inline]
    fn node(&mut self, node: Node) {
        let end = place(self.nodes.len() + 1);
        self.nodes.push(Node { end, ..node });
    }

    fn set(&mut self, node: Node, items: usize) {
        let end = place(self.nodes.len() + 1 + items);
        self.nodes.push(Node { end, ..node });
    }

    fn list(&mut self, list: List) {
        self.text.push(')');
        self.lists.push((list, self.before()));
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
