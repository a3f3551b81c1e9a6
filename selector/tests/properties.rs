//! The crate against its stupid twin, on random trees, random texts, and random damage to good texts.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod cases;
mod twin;

use cases::cases;
use proptest::prelude::*;
use twin::check::{check_drawing, check_limits, check_text, check_tree};
use twin::grammar::Limits;
use twin::{Map, Tree};

use tortie_selector::Selector;

/// Cases of each property.
const CASES: u32 = 4000;

/// Few labels and values, so that they meet; the labels are the words of the language, too.
fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c"]).prop_map(String::from),
        1 => prop::sample::select(vec![
            "in", "not", "notin", "has", "all", "global", "contains", "starts", "endswith", "a.in", "a/b", "-", "0",
        ])
        .prop_map(String::from),
        1 => "[a-zA-Z0-9_./-]{1,8}",
    ]
}

/// A value that a selector can hold: not both kinds of quotes.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["", "x", "y", "xy", "yx", "xyx"]).prop_map(String::from),
        1 => prop::sample::select(vec!["'", "it's", "a\\", "{", "||", "\n", "\u{e9}"]).prop_map(String::from),
        1 => "[^\"]{0,6}",
        1 => "[^']{0,6}",
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let operator = prop::sample::select(vec!["==", "!=", "contains", "starts with", "ends with"]);
    let leaf = prop_oneof![
        1 => Just(Tree::All),
        1 => Just(Tree::Global),
        3 => label().prop_map(Tree::Has),
        8 => (label(), operator, value()).prop_map(|(label, operator, value)| Tree::Compare(label, operator, value)),
        4 => (label(), any::<bool>(), prop::collection::vec(value(), 0..12))
            .prop_map(|(label, negated, values)| Tree::In(label, negated, values)),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            // The parser makes no Not of a Not without parentheses between; `spell` writes them.
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::And),
            prop::collection::vec(inner, 2..4).prop_map(Tree::Or),
        ]
    })
}

fn map() -> impl Strategy<Value = Map> {
    prop::collection::btree_map(label(), value(), 0..6)
}

/// Writes a tree as a text that parses to it, with spelling chosen by `dice`.
fn spell(tree: &Tree, dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
    fn blank(dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
        out.push_str(["", "", " ", "\t", "  "][dice(5)]);
    }
    fn quoted(value: &str, dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
        let quote = match (value.contains('"'), value.contains('\'')) {
            (true, _) => '\'',
            (_, true) => '"',
            _ => ['"', '\''][dice(2)],
        };
        out.push(quote);
        out.push_str(value);
        out.push(quote);
    }
    fn word(operator: &str, dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
        // A word operator needs a blank in front of it, and may have none between its words.
        if operator.starts_with(|c: char| c.is_ascii_alphabetic()) {
            out.push(' ');
        }
        for part in operator.split(' ') {
            blank(dice, out);
            out.push_str(part);
        }
        blank(dice, out);
    }
    blank(dice, out);
    let extra = dice(8) == 0;
    if extra {
        out.push('(');
        blank(dice, out);
    }
    match tree {
        Tree::All => {
            out.push_str("all(");
            blank(dice, out);
            out.push(')');
        }
        Tree::Global => {
            out.push_str("global(");
            blank(dice, out);
            out.push(')');
        }
        Tree::Has(label) => {
            out.push_str("has(");
            blank(dice, out);
            out.push_str(label);
            blank(dice, out);
            out.push(')');
        }
        Tree::Compare(label, operator, value) => {
            out.push_str(label);
            word(operator, dice, out);
            quoted(value, dice, out);
        }
        Tree::In(label, negated, values) => {
            out.push_str(label);
            word(if *negated { "not in" } else { "in" }, dice, out);
            out.push('{');
            for (index, value) in values.iter().enumerate() {
                blank(dice, out);
                quoted(value, dice, out);
                blank(dice, out);
                if index + 1 < values.len() || dice(3) == 0 {
                    out.push(',');
                }
            }
            blank(dice, out);
            out.push('}');
        }
        Tree::Not(tree) => {
            // An odd number of signs.
            for _ in 0..1 + 2 * (dice(8) / 6) {
                out.push('!');
                blank(dice, out);
            }
            if matches!(**tree, Tree::And(_) | Tree::Or(_) | Tree::Not(_)) {
                out.push('(');
                spell(tree, dice, out);
                out.push(')');
            } else {
                spell(tree, dice, out);
            }
        }
        Tree::And(trees) | Tree::Or(trees) => {
            let and = matches!(tree, Tree::And(_));
            for (index, tree) in trees.iter().enumerate() {
                if index > 0 {
                    blank(dice, out);
                    out.push_str(if and { "&&" } else { "||" });
                    blank(dice, out);
                }
                // `&&` binds tighter: an `And` in an `Or` needs no parentheses.
                if matches!(tree, Tree::Or(_)) || matches!(tree, Tree::And(_)) && (and || dice(2) == 0) {
                    out.push('(');
                    spell(tree, dice, out);
                    out.push(')');
                } else {
                    spell(tree, dice, out);
                }
            }
        }
    }
    blank(dice, out);
    if extra {
        out.push(')');
    }
}

fn spelled(tree: &Tree, seed: u64) -> String {
    let mut state = seed | 1;
    let mut dice = move |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % sides
    };
    let mut text = String::new();
    spell(tree, &mut dice, &mut text);
    text
}

/// Pieces of the language, and things that are none.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        "b",
        "has(",
        "has",
        "all(",
        "all()",
        "global()",
        "global(",
        ")",
        "(",
        "!",
        "==",
        "!=",
        "=",
        "&&",
        "||",
        "&",
        "|",
        "in",
        "not",
        "not in",
        "notin",
        "contains",
        "starts",
        "with",
        "endswith",
        "{",
        "}",
        ",",
        "\"x\"",
        "'y'",
        "\"",
        "'",
        " ",
        " ",
        " ",
        "\t",
        "\n",
        "%",
        "\u{e9}",
        "a == 'x'",
        "has(b)",
        "{'x','y'}",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn a_tree_survives_any_spelling(tree in tree(), seed: u64, maps in prop::collection::vec(map(), 1..8)) {
        let text = spelled(&tree, seed);
        let selector = Selector::parse(&text).unwrap_or_else(|error| panic!("{}", error.render(&text)));
        check_tree(&selector, &tree);
        for labels in maps {
            prop_assert_eq!(selector.matches(&labels), tree.matches(&labels), "{} on {:?}", &selector, labels);
        }
        // The twin's parser is checked by the same means.
        let twin = twin::parse(&text).expect("the twin parses it");
        prop_assert_eq!(twin.canonical(), tree.canonical());
        check_text(&text);
    }

    #[test]
    fn any_text_is_judged_as_by_the_twin(text in prop_oneof![4 => soup(), 1 => any::<String>()]) {
        check_text(&text);
    }

    #[test]
    fn damaged_text_is_judged_as_by_the_twin(tree in tree(), seed: u64, at: prop::sample::Index, with in soup()) {
        let text = spelled(&tree, seed);
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = at.index(cuts.len());
        let (from, to) = (cuts[at], *cuts.get(at + 1).unwrap_or(&text.len()));
        check_text(&format!("{}{}", &text[..from], &text[to..]));
        check_text(&format!("{}{with}{}", &text[..from], &text[from..]));
    }

    #[test]
    fn limits_only_refuse(tree in tree(), seed: u64, len in 0..200_usize, depth in 0..6_usize, terms in 0..20_usize) {
        check_limits(&spelled(&tree, seed), &Limits { len, depth, terms });
    }

    #[test]
    fn order_and_equality_follow_the_canonical_text(a in tree(), b in tree(), seed: u64) {
        let (x, y) = (spelled(&a, seed), spelled(&b, !seed));
        let (x, y) = (Selector::parse(&x).unwrap(), Selector::parse(&y).unwrap());
        prop_assert_eq!(x == y, a.canonical() == b.canonical());
        prop_assert_eq!(x.cmp(&y), a.canonical().cmp(&b.canonical()));
        prop_assert_eq!(x.id() == y.id(), x == y);
    }

    #[test]
    fn a_drawing_stands_any_other_text(text in soup(), other in any::<String>()) {
        if let Err(error) = Selector::parse(&text) {
            check_drawing(&error.render(&other).to_string());
        }
    }
}
