//! The index against its stupid twin: after every change the same events and the same relation.

mod cases;
mod twin;

use cases::cases;
use proptest::prelude::*;
use twin::index::{Operation, Pair};

/// Histories of each property.
const CASES: u32 = 600;

/// Few names and values, which share their beginnings and ends.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", "c"]).prop_map(String::from)
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "x", "y", "xy", "xyz", "yx"]).prop_map(String::from)
}

/// A name may come twice.
fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), value()), 0..4)
}

fn selector() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["==", "!=", "contains", "starts with", "ends with"]);
    let leaf = prop_oneof![
        1 => Just("all()".to_owned()),
        1 => Just("global()".to_owned()),
        2 => name().prop_map(|name| format!("has({name})")),
        8 => (name(), operator, value()).prop_map(|(name, operator, value)| format!("{name} {operator} '{value}'")),
        4 => (name(), any::<bool>(), prop::collection::vec(value(), 0..4)).prop_map(|(name, negated, values)| {
            let operator = if negated { "not in" } else { "in" };
            let values: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
            format!("{name} {operator} {{{}}}", values.join(", "))
        }),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let joined = |operator: &'static str| move |parts: Vec<String>| format!("({})", parts.join(operator));
        prop_oneof![
            1 => inner.clone().prop_map(|operand| format!("!({operand})")),
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(joined(" && ")),
            2 => prop::collection::vec(inner, 2..4).prop_map(joined(" || ")),
        ]
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    // Fewer ids than the longest list of parents allows, so that a parent may be named twice.
    let (item, parent, id) = (0..6_u8, 0..4_u8, 0..6_u8);
    prop_oneof![
        5 => (item.clone(), labels(), prop::collection::vec(parent.clone(), 0..4))
            .prop_map(|(item, labels, parents)| Operation::SetItem { item, labels, parents }),
        1 => item.prop_map(|item| Operation::RemoveItem { item }),
        3 => (parent.clone(), labels()).prop_map(|(parent, labels)| Operation::SetParent { parent, labels }),
        1 => parent.prop_map(|parent| Operation::RemoveParent { parent }),
        5 => (id.clone(), selector()).prop_map(|(selector, text)| Operation::SetSelector { selector, text }),
        1 => id.prop_map(|selector| Operation::RemoveSelector { selector }),
    ]
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn a_history_has_the_events_and_the_relation_of_the_twin(history in prop::collection::vec(operation(), 1..40)) {
        let mut pair = Pair::new();
        history.iter().for_each(|operation| pair.apply(operation));
    }
}

type Labels = &'static [(&'static str, &'static str)];

/// A whole state of an index: what is there, by id.
#[derive(Clone, Default)]
struct State {
    title: &'static str,
    /// With labels and parents.
    items: Vec<(u8, Labels, &'static [u8])>,
    parents: Vec<(u8, Labels)>,
    selectors: Vec<(u8, &'static str)>,
    /// How many pairs match.
    matches: usize,
}

/// The test states of the reference system's index, as far as they are about selectors and items
/// (calico@87c15906f2 felix/labelindex).
fn states() -> Vec<State> {
    const A: Labels = &[("a", "A")];
    const AB: Labels = &[("a", "A"), ("b", "B")];
    let many: Vec<_> = [
        (0, "a == 'A'"),
        (1, "a != 'A'"),
        (2, "has(a)"),
        (3, "!has(a)"),
        (4, "b in {'B', 'C'}"),
        (5, "all()"),
    ]
    .into();
    vec![
        State { title: "empty", ..State::default() },
        State {
            title: "one item, one parent",
            items: vec![(0, A, &[0])],
            parents: vec![(0, &[("p", "P")])],
            selectors: vec![(0, "a == 'A'")],
            matches: 1,
        },
        State { title: "no items", selectors: vec![(0, "a == 'A'")], ..State::default() },
        State {
            title: "a parent alone",
            parents: vec![(0, A)],
            selectors: vec![(0, "a == 'A'")],
            ..State::default()
        },
        State {
            title: "has a label",
            items: vec![(0, A, &[]), (1, &[("a", "")], &[]), (2, &[("b", "A")], &[])],
            selectors: vec![(0, "has(a)")],
            matches: 2,
            ..State::default()
        },
        State {
            title: "two items, many selectors",
            items: vec![(0, A, &[]), (1, &[("b", "B")], &[])],
            selectors: many,
            matches: 7,
            ..State::default()
        },
        State {
            title: "many items, two parents",
            items: (0..8).map(|item| (item, A, if item % 2 == 0 { &[0_u8][..] } else { &[1] })).collect(),
            parents: vec![(0, &[("p", "even")]), (1, &[("p", "odd")])],
            selectors: vec![(0, "a == 'A' && p == 'even'"), (1, "p starts with 'o'"), (2, "has(p)")],
            matches: 16,
        },
        State {
            title: "another selector of the same id",
            items: vec![(0, A, &[0])],
            parents: vec![(0, &[("p", "P")])],
            selectors: vec![(0, "a == 'B'")],
            matches: 0,
        },
        State {
            title: "other parents",
            items: vec![(0, A, &[1]), (1, A, &[1, 0])],
            parents: vec![(0, &[("p", "P")]), (1, &[("p", "Q")])],
            selectors: vec![(0, "p == 'P'"), (1, "p == 'Q'")],
            matches: 2,
        },
        State {
            title: "an item that shares a label with its parent",
            items: vec![(0, AB, &[0])],
            parents: vec![(0, &[("a", "other"), ("c", "C")])],
            selectors: vec![(0, "a == 'A'"), (1, "a == 'other'"), (2, "c == 'C'")],
            matches: 2,
        },
        State {
            title: "a parent that nobody has described",
            items: vec![(0, A, &[0, 1])],
            selectors: vec![(0, "a == 'A' && !has(p)"), (1, "p == 'P'")],
            matches: 1,
            ..State::default()
        },
        State {
            title: "a parent with other labels",
            items: vec![(0, A, &[0])],
            parents: vec![(0, &[("p", "Q"), ("a", "B")])],
            selectors: vec![(0, "p == 'P'"), (1, "p == 'Q'"), (2, "a == 'B'")],
            matches: 1,
        },
    ]
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// The changes from one state to another: first what is new or different, then what is gone; or the other way round.
fn way(from: &State, to: &State, reverse: bool) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (parent, labels) in &to.parents {
        operations.push(Operation::SetParent { parent: *parent, labels: owned(labels) });
    }
    for (item, labels, parents) in &to.items {
        let (item, labels, parents) = (*item, owned(labels), parents.to_vec());
        operations.push(Operation::SetItem { item, labels, parents });
    }
    for (selector, text) in &to.selectors {
        operations.push(Operation::SetSelector { selector: *selector, text: (*text).into() });
    }
    for (selector, _) in &from.selectors {
        if to.selectors.iter().all(|(id, _)| id != selector) {
            operations.push(Operation::RemoveSelector { selector: *selector });
        }
    }
    for (item, ..) in &from.items {
        if to.items.iter().all(|(id, ..)| id != item) {
            operations.push(Operation::RemoveItem { item: *item });
        }
    }
    for (parent, _) in &from.parents {
        if to.parents.iter().all(|(id, _)| id != parent) {
            operations.push(Operation::RemoveParent { parent: *parent });
        }
    }
    if reverse {
        operations.reverse();
    }
    operations
}

#[test]
fn every_state_is_reached_from_every_other_in_either_order() {
    let states = states();
    let empty = State::default();
    for from in &states {
        for to in &states {
            for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut pair = Pair::new();
                way(&empty, from, first).iter().for_each(|operation| pair.apply(operation));
                assert_eq!(pair.relation().len(), from.matches, "{}", from.title);
                way(from, to, second).iter().for_each(|operation| pair.apply(operation));
                assert_eq!(pair.relation().len(), to.matches, "{} after {}", to.title, from.title);
            }
        }
    }
}
