//! Selectors, against the twin that the property tests of the crate use.

#[path = "../../selector/tests/twin/mod.rs"]
mod twin;

use crate::bytes::Bytes;
use tortie_selector::Selector;
use twin::Tree;

/// A text is judged as by the twin: same answer, same canonical form, same matches; limits only refuse.
///
/// What is not UTF-8 is not a text, and passes.
pub fn check_selector_parse(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    twin::check::check_text(text);
    twin::check::check_limits(text, &twin::grammar::Limits { len: 64, depth: 2, terms: 5 });
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
