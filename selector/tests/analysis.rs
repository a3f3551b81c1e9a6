//! Reasoning about selectors: each rule by example, then against a search through all small label sets.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod cases;
mod twin;

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use cases::cases;
use proptest::prelude::*;
use twin::{Map, Tree};

use tortie_selector::analysis::{
    Budget, Exists, Holds, implies, implies_with, is_disjoint, is_equivalent, is_equivalent_with,
    is_satisfiable, is_satisfiable_with,
};
use tortie_selector::{Limits, Selector};

/// Cases of each property.
const CASES: u32 = 1000;

fn parse(text: &str) -> Selector {
    Selector::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

/// What is said about two selectors, each example being right.
#[derive(Debug, PartialEq)]
struct Said {
    satisfiable: [bool; 2],
    implies: [bool; 2],
    disjoint: bool,
    equivalent: bool,
}

fn said(a: &Selector, b: &Selector) -> Said {
    let satisfiable = [a, b].map(|selector| match is_satisfiable(selector) {
        Exists::Yes(labels) => {
            assert!(selector.matches(&labels), "{selector} on {labels:?}");
            true
        }
        Exists::No => false,
        Exists::Unknown => panic!("unknown: {selector}"),
    });
    let holds = |answer: Holds, want: &[(bool, bool)]| match answer {
        Holds::Yes => true,
        Holds::No(labels) => {
            assert!(want.contains(&(a.matches(&labels), b.matches(&labels))), "{a}, {b} on {labels:?}");
            false
        }
        Holds::Unknown => panic!("unknown: {a}, {b}"),
    };
    Said {
        satisfiable,
        implies: [holds(implies(a, b), &[(true, false)]), holds(implies(b, a), &[(false, true)])],
        disjoint: holds(is_disjoint(a, b), &[(true, true)]),
        equivalent: holds(is_equivalent(a, b), &[(true, false), (false, true)]),
    }
}

/// A selector that labels match: these.
#[track_caller]
fn example(text: &str, labels: &[(&str, &str)]) {
    let selector = parse(text);
    let want = labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    assert!(selector.matches(&want), "the test is wrong");
    assert_eq!(is_satisfiable(&selector), Exists::Yes(want));
}

#[track_caller]
fn impossible(text: &str) {
    assert_eq!(is_satisfiable(&parse(text)), Exists::No);
    // All follows from what cannot be, and it meets nothing.
    assert_eq!(implies(&parse(text), &parse("has(q)")), Holds::Yes);
    assert_eq!(is_disjoint(&parse(text), &parse("all()")), Holds::Yes);
    // The opposite is always so.
    assert_eq!(is_equivalent(&parse(&format!("!({text})")), &Selector::all()), Holds::Yes);
}

#[test]
fn presence() {
    example("all()", &[]);
    example("!has(a)", &[]);
    example("has(a)", &[("a", "x")]);
    example(
        "a != 'x' && a not in {'y'} && !(a contains 'z') && !(a starts with 'a') && !(a ends with 'b')",
        &[],
    );
    impossible("has(a) && !has(a)");
    impossible("!all()");
    impossible("!global()");
    impossible("a == 'x' && !has(a)");
    impossible("a contains 'x' && !has(a)");
    // A negated comparison is no presence, and a missing label fails each comparison.
    example("!(a == 'x') && !has(a)", &[]);
    assert!(implies(&parse("!has(a)"), &parse("a != 'x' && a not in {'x'}")).is_yes());
    assert!(is_equivalent(&parse("all()"), &parse("global()")).is_yes());
}

#[test]
fn sets() {
    example("a == 'v'", &[("a", "v")]);
    example("a in {'v', 'w'} && a != 'v'", &[("a", "w")]);
    example("a in {'v', 'w'} && a in {'w', 'x'}", &[("a", "w")]);
    example("a in {'v', 'wv'} && a ends with 'v' && a contains 'w'", &[("a", "wv")]);
    example("a not in {}", &[]);
    example("has(a) && a not in {'x', 'y'}", &[("a", "z")]);
    impossible("a in {}");
    impossible("a == 'v' && a == 'w'");
    impossible("a in {'v', 'w'} && a not in {'u', 'v', 'w'}");
    impossible("a in {'v', 'w'} && !(a == 'v' || a == 'w')");
    impossible("a == 'v' && a starts with 'w'");
    impossible("a in {'av', 'aw'} && !(a starts with 'a')");
    impossible("a in {'av', 'aw'} && !(a contains 'v') && !(a ends with 'w')");
    // Across alternatives, where the sets do not become one beforehand.
    impossible("(a == 'v' || b == 'v') && (a == 'w' || b == 'w') && b != 'v' && b != 'w'");
    impossible("(a == 'v' || a starts with 'x') && (a == 'w' || a ends with 'z') && !(a contains 'x')");
}

#[test]
fn beginnings_ends_and_parts() {
    example("a starts with 'we' && a starts with 'web'", &[("a", "webx")]);
    example("a starts with 'we' && a ends with 'be'", &[("a", "wexbe")]);
    example("a contains 'n' && a contains 'm'", &[("a", "xnxmx")]);
    example("a contains 'b' && a starts with 'ab' && a ends with 'c'", &[("a", "abxc")]);
    impossible("a starts with 'we' && a starts with 'wo'");
    impossible("a ends with 'eb' && a ends with 'ob'");
    impossible("a starts with 'web' && !(a starts with 'we')");
    impossible("a ends with 'web' && !(a ends with 'eb')");
    impossible("a starts with 'web' && !(a contains 'e')");
    impossible("a ends with 'web' && !(a contains 'e')");
    impossible("a contains 'web' && !(a contains 'e')");
    example("a starts with 'we' && !(a starts with 'web')", &[("a", "wex")]);
    example("a contains 'we' && !(a starts with 'we') && !(a ends with 'we')", &[("a", "xwex")]);
    // Neither the values next to each other nor the shortest value would do.
    example("a starts with 'x' && a ends with 'y' && !(a contains 'xy') && a != 'x'", &[("a", "xzy")]);
    example("a starts with 'aba' && a ends with 'aba' && a != 'aba' && a != 'ababa'", &[("a", "abaxaba")]);
}

#[test]
fn empty_texts() {
    for operator in ["contains", "starts with", "ends with"] {
        example(&format!("a {operator} ''"), &[("a", "x")]);
        example(&format!("!(a {operator} '')"), &[]);
        impossible(&format!("!(a {operator} '') && has(a)"));
        assert!(is_equivalent(&parse(&format!("a {operator} ''")), &parse("has(a)")).is_yes());
    }
    example("a == ''", &[("a", "")]);
    example("a in {'', 'v'} && a != 'v'", &[("a", "")]);
    impossible("a == '' && a contains 'v'");
    assert!(implies(&parse("a == ''"), &parse("has(a)")).is_yes());
}

#[test]
fn characters_that_no_text_has() {
    // The readable ones first, and any other when these are used up.
    example("has(a) && a not in {'x', 'zy'}", &[("a", "a")]);
    let readable: String = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    example(&format!("a starts with '{readable}'"), &[("a", &format!("{readable}\u{a1}"))]);
    // Another label's texts do not count.
    example("has(a) && b == 'x'", &[("a", "x"), ("b", "x")]);
    // A part of a character's bytes is no text.
    impossible("a contains '\u{e9}' && !(a contains '\u{e9}')");
    example("a starts with '\u{e9}' && !(a contains '\u{c3}')", &[("a", "\u{e9}x")]);
}

#[test]
fn alternatives() {
    impossible("(has(a) || has(b)) && !has(a) && !has(b)");
    impossible("(a == 'v' || has(b)) && a == 'w' && !has(b)");
    impossible("!(has(a) && has(b)) && a == 'v' && b == 'w'");
    example("(has(a) || has(b)) && !has(a)", &[("b", "x")]);
    let both = parse("has(a) && has(b)");
    let one = parse("has(a) || has(b)");
    assert_eq!(
        said(&both, &one),
        Said { satisfiable: [true; 2], implies: [true, false], disjoint: false, equivalent: false }
    );
    let exactly = parse("(has(a) || has(b)) && !(has(a) && has(b))");
    let spelt = parse("has(a) && !has(b) || !has(a) && has(b)");
    assert!(is_equivalent(&exactly, &spelt).is_yes());
    assert!(is_disjoint(&exactly, &both).is_yes());
}

#[test]
fn whoever_asks_both_ways_gets_both_answers() {
    let (a, b) = (parse("has(a)"), parse("has(a) && has(b)"));
    // Only the second direction has a counter-example.
    for (a, b) in [(&a, &b), (&b, &a)] {
        let Holds::No(labels) = is_equivalent(a, b) else { panic!("not equivalent") };
        assert_ne!(a.matches(&labels), b.matches(&labels));
    }
}

#[test]
fn a_budget_bounds_the_work_and_never_the_truth() {
    let text = "(a == '1' || b contains 'x') && (a == '2' || b starts with 'y') && has(c)";
    let (a, b) = (parse(text), parse("b contains 'x' || a == '1'"));
    let mut unknown = 0;
    for steps in 0..2000 {
        match implies_with(&a, &b, Budget::steps(steps)) {
            Holds::Yes => {}
            Holds::No(labels) => panic!("it does: {labels:?}"),
            Holds::Unknown => unknown += 1,
        }
        assert!(!is_satisfiable_with(&a, Budget::steps(steps)).is_no());
        assert!(!is_equivalent_with(&a, &a.prefixed("p.").unwrap(), Budget::steps(steps)).is_yes());
    }
    assert!((10..2000).contains(&unknown), "{unknown}");
    // The same budget, the same answer.
    let once = is_satisfiable_with(&a, Budget::steps(500));
    assert_eq!(once, is_satisfiable_with(&a, Budget::steps(500)));
}

/// Whether `a` implies `b` is found out in so many steps.
#[track_caller]
fn quick(a: &str, b: &str, steps: u64, want: bool) {
    let limits = Limits::default().depth(Limits::MAX_DEPTH).len(1 << 22);
    let [a, b] = [a, b].map(|text| Selector::parse_with(text, &limits).unwrap());
    match implies_with(&a, &b, Budget::steps(steps)) {
        Holds::Yes => assert!(want, "it does not"),
        Holds::No(labels) => assert!(!want && a.matches(&labels) && !b.matches(&labels)),
        Holds::Unknown => panic!("not in {steps} steps"),
    }
}

fn join(count: usize, operator: &str, term: impl Fn(usize) -> String) -> String {
    (0..count).map(term).collect::<Vec<_>>().join(operator)
}

fn set(numbers: core::ops::Range<usize>) -> String {
    let mut text = String::from("{");
    for number in numbers {
        write!(text, "'v{number}',").unwrap();
    }
    text + "}"
}

#[test]
fn large_sets_are_quick() {
    let (low, high) = (set(0..8000), set(4000..12000));
    quick(&format!("a in {low} && a in {high}"), &format!("a in {}", set(4000..8000)), 200_000, true);
    quick(&format!("a in {low} && a in {high}"), &format!("a in {}", set(4001..8000)), 200_000, false);
    quick(&format!("a in {low}"), &format!("a in {high}"), 200_000, false);
    quick(&format!("a in {low}"), "a starts with 'v'", 200_000, true);
    quick(&format!("a in {low}"), "a contains '777'", 200_000, false);
    quick(
        &format!("a in {low} && {}", join(8000, " && ", |n| format!("a != 'v{n}'"))),
        "!all()",
        200_000,
        true,
    );
    quick(
        &format!("a in {low} && {}", join(7999, " && ", |n| format!("a != 'v{n}'"))),
        "!all()",
        200_000,
        false,
    );
    quick(&join(8000, " || ", |n| format!("a == 'v{n}'")), &format!("a in {low}"), 200_000, true);
    quick(&format!("a in {low}"), &join(8000, " || ", |n| format!("a == 'v{n}'")), 200_000, true);
    let without = join(8000, " && ", |n| format!("!(a contains 'w{n}')"));
    quick(&format!("a in {low} && {without}"), "a contains 'w'", 200_000, false);
    // In alternatives, where each set stays what it is.
    let either = |set: &str| format!("(a in {set} || has(b))");
    quick(
        &format!("{} && {} && !has(b)", either(&low), either(&high)),
        &format!("a in {low}"),
        500_000,
        true,
    );
}

#[test]
fn many_terms_are_quick() {
    let labels = join(200, " && ", |n| format!("l{n} in {{'x', 'y'}}"));
    quick(&labels, &labels, 10_000, true);
    quick(&labels, &format!("{labels} && l199 == 'x'"), 10_000, false);
    let parts = join(200, " && ", |n| format!("a contains 'p{n}q'"));
    quick(&parts, "a contains '99q'", 100_000, true);
    quick(&parts, "a contains 'q99'", 100_000, false);
    quick(&join(60_000, " && ", |n| format!("has(l{n})")), "has(l59999)", 2_000_000, true);
    quick(&join(60_000, " && ", |n| format!("a != 'v{n}'")), "a != 'v7'", 2_000_000, true);
    quick(&join(60_000, " && ", |n| format!("!(a contains 'v{n}')")), "has(a)", 2_000_000, false);
}

#[test]
fn many_alternatives_are_quick() {
    let pairs = join(60, " && ", |n| format!("(l{n} == '1' || l{n} == '2')"));
    quick(&pairs, &pairs, 100_000, true);
    quick(&pairs, "l59 == '1'", 100_000, false);
    quick(&pairs, "l30 in {'1', '2'} && l31 not in {'3'}", 100_000, true);
    // The pairs turned round, and with tests that do not become one set.
    let turned = join(60, " && ", |n| format!("!(l{n} != '2' && l{n} != '1')"));
    quick(&pairs, &turned, 100_000, true);
    let loose = |n: usize| format!("(l{n} starts with '1' || l{n} ends with '2')");
    let strict = |n: usize| format!("(l{n} starts with '11' || l{n} ends with '12')");
    quick(&join(60, " && ", strict), &join(60, " && ", loose), 500_000, true);
    quick(&join(60, " && ", loose), &join(60, " && ", strict), 500_000, false);
    quick(&join(60, " && ", |n| strict(59 - n)), &join(60, " && ", loose), 500_000, true);
    // One alternative after the other fails.
    let rows = join(5000, " || ", |n| format!("a == 'v{n}' && b == 'w{n}'"));
    quick(&format!("({rows}) && a == 'none'"), "!all()", 1_000_000, true);
    quick(&format!("({rows}) && a == 'v4999'"), "b == 'w4999'", 1_000_000, true);
    // Each second alternative has a value that all of them have; the first have none in common.
    let sets = join(5000, " && ", |n| format!("(a in {{'v{n}', 'u{}'}} || b in {{'v{n}', 'z'}})", n + 1));
    quick(&sets, "!all()", 1_000_000, false);
    // A chain, each link of which is forced by the one before.
    let chain = join(1000, " && ", |n| format!("(!has(l{n}) || has(l{}))", n + 1));
    quick(&format!("has(l0) && {chain}"), "has(l1000)", 200_000, true);
    // As deep as a selector may be.
    let deep = (0..120).fold(String::from("has(z)"), |inner, n| format!("!(a{n} == 'x' && {inner})"));
    quick(&deep, &deep, 10_000, true);
    quick(&deep, &format!("!({deep})"), 100_000, false);
}

/// That so many pigeons live in one hole less, and no two in the same: false, and hard to prove.
fn pigeons(count: usize) -> String {
    let holes = count - 1;
    let housed = join(count, " && ", |p| format!("({})", join(holes, " || ", |h| format!("has(p{p}h{h})"))));
    let mut apart = String::new();
    for (hole, second) in (0..holes).flat_map(|hole| (0..count).map(move |second| (hole, second))) {
        for first in 0..second {
            write!(apart, " && !(has(p{first}h{hole}) && has(p{second}h{hole}))").unwrap();
        }
    }
    housed + &apart
}

#[test]
fn questions_too_hard_are_given_up() {
    impossible(&pigeons(6));
    let (budget, hard) = (Budget::steps(100_000), pigeons(12));
    let (selector, other) = (parse(&hard), parse("has(q)"));
    assert_eq!(is_satisfiable_with(&selector, budget), Exists::Unknown);
    // Where one direction is too hard, the other still counts if it has a counter-example, and settles nothing if not.
    assert!(is_equivalent_with(&selector, &other, budget).is_no());
    assert!(is_equivalent_with(&other, &selector, budget).is_no());
    let either = parse(&format!("{hard} || has(q)"));
    assert_eq!(is_equivalent_with(&either, &other, budget), Holds::Unknown);
    assert_eq!(is_equivalent_with(&other, &either, budget), Holds::Unknown);
}

/// A text of few letters, so that texts are parts of each other.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "x", "y", "xx", "xy", "yx"]).prop_map(String::from)
}

/// A tree over so many labels.
fn tree(labels: &'static [&'static str], size: u32) -> impl Strategy<Value = Tree> {
    let label = move || prop::sample::select(labels).prop_map(String::from);
    let operator = prop::sample::select(vec!["==", "!=", "contains", "starts with", "ends with"]);
    let leaf = prop_oneof![
        1 => prop::sample::select(vec![Tree::All, Tree::Global]),
        3 => label().prop_map(Tree::Has),
        12 => (label(), operator, text()).prop_map(|(label, operator, value)| Tree::Compare(label, operator, value)),
        4 => (label(), any::<bool>(), prop::collection::vec(text(), 0..4))
            .prop_map(|(label, negated, values)| Tree::In(label, negated, values)),
    ];
    leaf.prop_recursive(5, size, 4, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::And),
            3 => prop::collection::vec(inner, 2..4).prop_map(Tree::Or),
        ]
    })
}

/// All texts of the letters, and of one that no selector here has, up to this length.
fn all_texts(length: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut from = 0;
    for _ in 0..length {
        let to = all.len();
        for at in from..to {
            for letter in ['x', 'y', 'f'] {
                all.push(format!("{}{letter}", all[at]));
            }
        }
        from = to;
    }
    all
}

/// The leaves of a tree.
fn leaves<'t>(tree: &'t Tree, into: &mut Vec<&'t Tree>) {
    match tree {
        Tree::Not(tree) => leaves(tree, into),
        Tree::And(trees) | Tree::Or(trees) => trees.iter().for_each(|tree| leaves(tree, into)),
        _ => into.push(tree),
    }
}

/// Label sets that are all there are, as far as these trees can tell: of all texts up to a length, and of no text, one
/// for each set of leaves that it passes.
fn small_maps(trees: [&Tree; 2]) -> Vec<Map> {
    let mut all = Vec::new();
    trees.into_iter().for_each(|tree| leaves(tree, &mut all));
    let mut by_label = BTreeMap::<&String, Vec<&Tree>>::new();
    for leaf in all {
        if let Tree::Has(label) | Tree::Compare(label, ..) | Tree::In(label, ..) = leaf {
            by_label.entry(label).or_default().push(leaf);
        }
    }
    let mut maps = vec![Map::new()];
    for (label, leaves) in by_label {
        let mut parts = BTreeSet::new();
        for leaf in &leaves {
            if let Tree::Compare(_, "contains" | "starts with" | "ends with", text) = leaf {
                parts.insert(text);
            }
        }
        let needed = parts.iter().map(|text| text.len() + 1).sum::<usize>() + 1;
        let mut kinds = BTreeMap::new();
        kinds.insert(leaves.iter().map(|leaf| leaf.matches(&Map::new())).collect::<Vec<_>>(), None);
        for text in all_texts(needed.clamp(2, 8)) {
            let map = Map::from([(label.clone(), text.clone())]);
            kinds.entry(leaves.iter().map(|leaf| leaf.matches(&map)).collect()).or_insert(Some(text));
        }
        maps = kinds
            .values()
            .flat_map(|value| {
                maps.iter().map(|map| {
                    let mut map = map.clone();
                    map.extend(value.clone().map(|value| (label.clone(), value)));
                    map
                })
            })
            .collect();
    }
    maps
}

/// What there is to say, found by trying.
fn tried(a: &Tree, b: &Tree, maps: &[Map]) -> Said {
    let seen: BTreeSet<(bool, bool)> = maps.iter().map(|map| (a.matches(map), b.matches(map))).collect();
    let both = seen.contains(&(true, true));
    let [only_a, only_b] = [seen.contains(&(true, false)), seen.contains(&(false, true))];
    Said {
        satisfiable: [both || only_a, both || only_b],
        implies: [!only_a, !only_b],
        disjoint: !both,
        equivalent: !only_a && !only_b,
    }
}

/// Label, test, whether it holds.
type HardTerm = (u32, usize, bool);

const HARD_LABELS: u32 = 5;
const HARD_TESTS: [&str; 5] = ["contains ''", "== 'x'", "in {'x', 'y'}", "contains 'x'", "starts with 'y'"];
/// One value for each outcome of the tests.
const HARD_VALUES: [Option<&str>; 7] =
    [None, Some("x"), Some("y"), Some("fx"), Some("yf"), Some("yx"), Some("f")];

fn hard_term() -> impl Strategy<Value = HardTerm> {
    (0..HARD_LABELS, 0..HARD_TESTS.len(), any::<bool>())
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn one_label_is_judged_as_by_trying(a in tree(&["a"], 48), b in tree(&["a"], 48)) {
        let maps = small_maps([&a, &b]);
        prop_assert_eq!(said(&parse(&a.canonical()), &parse(&b.canonical())), tried(&a, &b, &maps));
    }

    #[test]
    fn few_labels_are_judged_as_by_trying(a in tree(&["a", "b", "c"], 16), b in tree(&["a", "b", "c"], 16)) {
        let maps = small_maps([&a, &b]);
        prop_assert_eq!(said(&parse(&a.canonical()), &parse(&b.canonical())), tried(&a, &b, &maps));
    }

    /// Three alternatives at a time, so many that about half of these cannot be: the search errs often, and learns.
    #[test]
    fn hard_choices_are_judged_as_by_trying(
        rows in prop::collection::vec([hard_term(), hard_term(), hard_term()], 25..75),
    ) {
        let text = |(label, test, holds): &HardTerm| {
            format!("{}l{label} {}", if *holds { "" } else { "!" }, HARD_TESTS[*test])
        };
        let rows_text: Vec<String> = rows.iter().map(|row| format!("({})", row.each_ref().map(text).join(" || "))).collect();
        let selector = parse(&rows_text.join(" && "));
        // Which value passes which test, as the twin sees it.
        let passes = HARD_TESTS.map(|test| {
            let tree = twin::parse(&format!("l {test}")).unwrap();
            HARD_VALUES.map(|value| tree.matches(&value.map(|value| ("l".into(), value.into())).into_iter().collect()))
        });
        let count = HARD_VALUES.len();
        let can_be = (0..count.pow(HARD_LABELS)).any(|choice| {
            let value = |label: u32| choice / count.pow(label) % count;
            rows.iter().all(|row| row.iter().any(|(label, test, holds)| passes[*test][value(*label)] == *holds))
        });
        match is_satisfiable(&selector) {
            Exists::Yes(labels) => prop_assert!(selector.matches(&labels) && can_be),
            Exists::No => prop_assert!(!can_be, "{selector}"),
            Exists::Unknown => prop_assert!(false, "unknown: {selector}"),
        }
    }

    #[test]
    fn large_trees_agree_with_samples(
        a in tree(&["a", "b", "c", "d", "e"], 120),
        b in tree(&["a", "b", "c", "d", "e"], 120),
        maps in prop::collection::vec(
            prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(String::from), text(), 0..6),
            64,
        ),
    ) {
        let said = said(&parse(&a.canonical()), &parse(&b.canonical()));
        let tried = tried(&a, &b, &maps);
        // A sample shows that something is, never that something is not.
        prop_assert!(said.satisfiable[0] || !tried.satisfiable[0], "{said:?}");
        prop_assert!(said.satisfiable[1] || !tried.satisfiable[1], "{said:?}");
        prop_assert!(!said.implies[0] || tried.implies[0], "{said:?}");
        prop_assert!(!said.implies[1] || tried.implies[1], "{said:?}");
        prop_assert!(!said.disjoint || tried.disjoint, "{said:?}");
        prop_assert!(!said.equivalent || tried.equivalent, "{said:?}");
    }

    #[test]
    fn answers_fit_together(a in tree(&["a", "b", "c", "d"], 60), b in tree(&["a", "b", "c", "d"], 60)) {
        let [not_a, either] = [Tree::Not(Box::new(a.clone())), Tree::Or(vec![a.clone(), b.clone()])];
        let [a, b, not_a, either] = [a, b, not_a, either].map(|tree| parse(&tree.canonical()));
        let said = said(&a, &b);
        prop_assert_eq!(said.implies == [true, true], said.equivalent);
        prop_assert_eq!(is_disjoint(&b, &a).is_yes(), said.disjoint);
        prop_assert_eq!(is_equivalent(&b, &a).is_yes(), said.equivalent);
        prop_assert!(implies(&a, &a).is_yes() && is_equivalent(&a, &a).is_yes());
        prop_assert!(is_disjoint(&a, &not_a).is_yes());
        prop_assert!(implies(&a, &either).is_yes() && implies(&b, &either).is_yes());
        prop_assert_eq!(is_equivalent(&either, &b).is_yes(), said.implies[0]);
        if !said.satisfiable[0] {
            prop_assert!(said.implies[0] && said.disjoint);
        }
        // Disjoint means: the one implies that the other is not.
        let not_b = parse(&format!("!({b})"));
        prop_assert_eq!(implies(&a, &not_b).is_yes(), said.disjoint);
    }
}
