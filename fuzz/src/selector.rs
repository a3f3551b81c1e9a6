//! Selectors, against the twin that the property tests of the crate use.

#[path = "../../selector/tests/twin/mod.rs"]
mod twin;

use crate::bytes::Bytes;
use tortie_selector::Selector;
use twin::Tree;
use twin::index::{Operation, Pair};

/// A text is judged as by the twin: same answer, same canonical form, same matches; limits only refuse.
///
/// What is not UTF-8 is not a text, and passes.
pub fn check_selector_parse(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    twin::check::check_text(text);
    twin::check::check_limits(text, &twin::grammar::Limits { len: 64, depth: 2, terms: 5 });
}

/// Changes of an index, decoded from the bytes: after each, the same events and the same matches as in the twin.
///
/// The first 64 changes count; the rest passes.
pub fn check_selector_index(data: &[u8]) {
    let bytes = &mut Bytes::new(data);
    let mut pair = Pair::new();
    for _ in 0..64 {
        if bytes.is_empty() {
            return;
        }
        pair.apply(&operation(bytes));
    }
}

/// Few ids, names and values, which meet; values share their beginnings and ends.
fn operation(bytes: &mut Bytes<'_>) -> Operation {
    let kind = bytes.below(16);
    let id = u8::try_from(bytes.below(6)).expect("below 6");
    match kind {
        0..5 => {
            let labels = labels(bytes);
            let count = bytes.below(4);
            let parents = (0..count).map(|_| bytes.pick(&[0, 1, 2, 3])).collect();
            Operation::SetItem { item: id, labels, parents }
        }
        5 => Operation::RemoveItem { item: id },
        6..9 => Operation::SetParent { parent: id % 4, labels: labels(bytes) },
        9 => Operation::RemoveParent { parent: id % 4 },
        10..15 => Operation::SetSelector { selector: id, text: spell(&small(bytes, 3)) },
        _ => Operation::RemoveSelector { selector: id },
    }
}

const NAMES: [&str; 4] = ["a", "b", "ab", "c"];
const VALUES: [&str; 6] = ["", "x", "y", "xy", "xyz", "yx"];

/// A name may come twice.
fn labels(bytes: &mut Bytes<'_>) -> Vec<(String, String)> {
    let count = bytes.below(4);
    (0..count).map(|_| (bytes.pick(&NAMES).into(), bytes.pick(&VALUES).into())).collect()
}

/// A tree over those names and values, of at most so many levels.
fn small(bytes: &mut Bytes<'_>, depth: usize) -> Tree {
    // The last level has leaves alone.
    match bytes.below(if depth == 0 { 10 } else { 16 }) {
        0 => Tree::All,
        1 => Tree::Has(bytes.pick(&NAMES).into()),
        2..7 => {
            let operator = bytes.pick(&["==", "==", "!=", "contains", "starts with", "ends with"]);
            Tree::Compare(bytes.pick(&NAMES).into(), operator, bytes.pick(&VALUES).into())
        }
        7..10 => {
            let negated = bytes.below(3) == 2;
            let (name, count) = (bytes.pick(&NAMES), bytes.below(4));
            Tree::In(name.into(), negated, (0..count).map(|_| bytes.pick(&VALUES).into()).collect())
        }
        10 | 11 => Tree::Not(Box::new(small(bytes, depth - 1))),
        connective => {
            let count = 2 + bytes.below(2);
            let trees = (0..count).map(|_| small(bytes, depth - 1)).collect();
            if connective < 15 { Tree::And(trees) } else { Tree::Or(trees) }
        }
    }
}

/// The canonical text of a selector parses to the same selector: same text, same id, same matches; but for `!(!x)`,
/// which is written `!!x` and read as `x`.
///
/// An even first byte makes the rest a text, an odd one choices that build a tree. What is no selector passes.
pub fn check_selector_roundtrip(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if kind.is_multiple_of(2) {
        let Ok(text) = core::str::from_utf8(rest) else { return };
        let Ok(selector) = Selector::parse(text) else { return };
        check_roundtrip(&selector, &twin::parse(text).expect("accepted, but the twin refuses"));
    } else {
        let tree = tree(&mut Bytes::new(rest), 6);
        let text = spell(&tree);
        let selector =
            Selector::parse(&text).unwrap_or_else(|error| panic!("refused: {}", error.render(&text)));
        check_roundtrip(&selector, &tree);
    }
}

fn check_roundtrip(selector: &Selector, tree: &Tree) {
    twin::check::check_tree(selector, tree);
    let again = Selector::parse(selector.canonical()).expect("the canonical text parses");
    if has_double_not(tree) {
        assert_ne!(again, *selector, "both signs are kept in print, and not in reading");
        for labels in twin::check::probes(tree) {
            assert_eq!(again.matches(&labels), selector.matches(&labels), "{selector} on {labels:?}");
        }
        let third = Selector::parse(again.canonical()).expect("the canonical text parses");
        assert_eq!(third, again, "the second reading is stable");
    } else {
        twin::check::check_tree(&again, tree);
        assert_eq!(again, *selector);
        assert_eq!(again.id(), selector.id());
    }
}

fn has_double_not(tree: &Tree) -> bool {
    match tree {
        Tree::Not(inner) => matches!(**inner, Tree::Not(_)) || has_double_not(inner),
        Tree::And(trees) | Tree::Or(trees) => trees.iter().any(has_double_not),
        _ => false,
    }
}

/// A text that parses to exactly this tree: everything that could be read otherwise is in parentheses.
fn spell(tree: &Tree) -> String {
    let join = |trees: &[Tree], operator: &str| {
        format!("({})", trees.iter().map(spell).collect::<Vec<_>>().join(operator))
    };
    match tree {
        Tree::Not(tree) => format!("!({})", spell(tree)),
        Tree::And(trees) => join(trees, "&&"),
        Tree::Or(trees) => join(trees, " || "),
        leaf => leaf.canonical(),
    }
}

/// A tree of at most so many levels.
fn tree(bytes: &mut Bytes<'_>, depth: usize) -> Tree {
    // The last level has leaves alone.
    match bytes.below(if depth == 0 { 9 } else { 12 }) {
        0 => Tree::All,
        1 => Tree::Global,
        2 => Tree::Has(label(bytes)),
        3..7 => {
            let operator = bytes.pick(&["==", "!=", "contains", "starts with", "ends with"]);
            Tree::Compare(label(bytes), operator, value(bytes))
        }
        7 | 8 => {
            let negated = bytes.below(2) == 1;
            let count = bytes.below(12);
            Tree::In(label(bytes), negated, (0..count).map(|_| value(bytes)).collect())
        }
        9 => Tree::Not(Box::new(tree(bytes, depth - 1))),
        connective => {
            let count = 2 + bytes.below(3);
            let trees = (0..count).map(|_| tree(bytes, depth - 1)).collect();
            if connective == 10 { Tree::And(trees) } else { Tree::Or(trees) }
        }
    }
}

fn label(bytes: &mut Bytes<'_>) -> String {
    let label = bytes.pick(&["", "a", "b", "in", "not", "notin", "has", "all", "starts", "a.in", "a/b", "-"]);
    if !label.is_empty() {
        return label.into();
    }
    let mut label = bytes.text(16);
    label.retain(|c| c.is_ascii_alphanumeric() || "_./-".contains(c));
    label.push('c');
    label
}

/// A value that a selector can hold: not both kinds of quotes.
fn value(bytes: &mut Bytes<'_>) -> String {
    let value = bytes.pick(&[" ", "", "x", "y", "xy", "'", "\"", "!!", "\n", "\u{e9}"]);
    if value != " " {
        return value.into();
    }
    let mut value = bytes.text(16);
    if value.contains('"') {
        value.retain(|c| c != '\'');
    }
    value
}
