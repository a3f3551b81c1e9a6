//! What must hold of any text: called by property tests and by fuzz targets.

use super::{Map, Tree, grammar, parse};
use tortie_selector::{Expr, Limits, ParseErrorKind, Selector, Symbols, Term};

/// The grammar in nom agrees about a text: the tree, or kind and place of the error.
fn check_grammar(text: &str, limits: &grammar::Limits) {
    let own = Limits::default().len(limits.len).depth(limits.depth).terms(limits.terms);
    let selector = Selector::parse_with(text, &own);
    assert_eq!(Selector::validate_with(text, &own), selector.as_ref().map(drop).map_err(Clone::clone));
    match (selector, grammar::parse(text, limits)) {
        (Ok(selector), Ok(tree)) => assert_eq!(selector.canonical(), tree.canonical()),
        (Err(error), Err(wrong)) => {
            assert_eq!((error.kind(), error.span().start, error.span().end), wrong, "{}", error.render(text));
        }
        (selector, tree) => panic!("{text:?} is {selector:?}, but for the grammar {tree:?}"),
    }
}

/// The crate and the twin agree about a text: whether it is a selector, its canonical form, what it matches.
pub(crate) fn check_text(text: &str) {
    check_grammar(text, &grammar::Limits::default());
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(error) => {
            let span = error.span();
            assert!(span.start <= span.end && span.end <= text.len(), "{error:?}");
            assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{error:?}");
            check_drawing(&error.render(text).to_string());
            let limited = matches!(
                error.kind(),
                ParseErrorKind::TooLong { .. }
                    | ParseErrorKind::TooDeep { .. }
                    | ParseErrorKind::TooManyTerms { .. }
            );
            assert!(limited || parse(text).is_none(), "refused, but the twin accepts: {error}");
            return;
        }
    };
    let tree = parse(text).expect("accepted, but the twin refuses");
    check_tree(&selector, &tree);

    // What was accepted is accepted again, and means the same.
    let again = Selector::parse(selector.canonical()).expect("the canonical form parses");
    for labels in probes(&tree) {
        assert_eq!(again.matches(&labels), selector.matches(&labels), "{labels:?}");
    }
    if !selector.canonical().contains("!!") {
        assert_eq!(again, selector);
        assert_eq!(Selector::normalise(text), selector.canonical());
    }
    match selector.prefixed("p.") {
        Ok(prefixed) => check_tree(&prefixed, &tree.prefixed("p.")),
        Err(error) => assert!(matches!(error.kind(), ParseErrorKind::LabelTooLong { .. }), "{error}"),
    }
}

/// Under tight limits a text is accepted as under the default ones, or refused for its size; and what is accepted is
/// accepted again in canonical form under the same limits.
pub(crate) fn check_limits(text: &str, limits: &grammar::Limits) {
    check_grammar(text, limits);
    let limits = &Limits::default().len(limits.len).depth(limits.depth).terms(limits.terms);
    match (Selector::parse_with(text, limits), Selector::parse(text)) {
        (Ok(tight), Ok(wide)) => {
            assert_eq!(tight, wide);
            let again = Selector::parse_with(tight.canonical(), limits).expect("still within the limits");
            assert!(again == tight || tight.canonical().contains("!!"));
        }
        (Ok(_), Err(error)) => panic!("tight limits accept what the default ones refuse: {error}"),
        (Err(error), Ok(_)) => assert!(
            matches!(
                error.kind(),
                ParseErrorKind::TooLong { .. }
                    | ParseErrorKind::TooDeep { .. }
                    | ParseErrorKind::TooManyTerms { .. }
            ),
            "{error}"
        ),
        (Err(_), Err(_)) => {}
    }
}

/// A selector is this tree: same text, same matches, also when it is compiled.
pub(crate) fn check_tree(selector: &Selector, tree: &Tree) {
    assert_eq!(selector.canonical(), tree.canonical());
    check_expr(selector.expr(), tree);
    let mut symbols = Symbols::new();
    let compiled = symbols.compile(selector);
    for labels in probes(tree) {
        let set = symbols.labels(&labels);
        assert_eq!(compiled.matches(&set, &symbols), tree.matches(&labels), "{selector} on {labels:?}");
        assert_eq!(selector.matches(&labels), tree.matches(&labels), "{selector} on {labels:?}");
        assert_eq!(selector.expr().matches(&labels), tree.matches(&labels), "{selector} on {labels:?}");
    }
}

/// Each part of a selector is this part of the tree, text and all.
fn check_expr(expr: Expr<'_>, tree: &Tree) {
    assert_eq!(expr.to_string(), tree.canonical());
    let same = match (expr.term(), tree) {
        (Term::All, Tree::All) | (Term::Global, Tree::Global) => true,
        (Term::Has { label, .. }, Tree::Has(is)) => label == is,
        (Term::Equal { label, value, .. }, Tree::Compare(name, "==", is))
        | (Term::NotEqual { label, value, .. }, Tree::Compare(name, "!=", is))
        | (Term::Contains { label, value, .. }, Tree::Compare(name, "contains", is))
        | (Term::StartsWith { label, value, .. }, Tree::Compare(name, "starts with", is))
        | (Term::EndsWith { label, value, .. }, Tree::Compare(name, "ends with", is)) => {
            label == name && value == is
        }
        (Term::In { label, values, .. }, Tree::In(name, false, items))
        | (Term::NotIn { label, values, .. }, Tree::In(name, true, items)) => {
            let items: std::collections::BTreeSet<&str> = items.iter().map(String::as_str).collect();
            label == name && values.len() == items.len() && values.eq(items)
        }
        (Term::Not { operand, .. }, Tree::Not(tree)) => {
            check_expr(operand, tree);
            true
        }
        (Term::And { operands, .. }, Tree::And(trees)) | (Term::Or { operands, .. }, Tree::Or(trees)) => {
            assert_eq!(operands.clone().count(), trees.len());
            operands.zip(trees).for_each(|(operand, tree)| check_expr(operand, tree));
            true
        }
        _ => false,
    };
    assert!(same, "{:?} is not {tree:?}", expr.term());
}

/// Label maps at which the tree could tip: nothing, and for the n-th map of a few, some value of each label or one near
/// it.
pub(crate) fn probes(tree: &Tree) -> Vec<Map> {
    let mut values = std::collections::BTreeMap::<String, Vec<String>>::new();
    tree.each_value(&mut |label, value| {
        let of = values.entry(label.into()).or_default();
        if of.len() < 16 {
            of.extend([value.to_string(), format!("{value}x"), format!("x{value}"), String::new()]);
        }
    });
    let mut maps = vec![Map::new()];
    for n in 0..24_usize {
        let mut map = Map::new();
        for (index, (label, values)) in values.iter().enumerate() {
            // Any spread will do: differing steps per label, and one in three is left out.
            let pick = n.wrapping_mul(2 * index + 1).wrapping_add(index);
            if pick % 3 != 2 {
                map.insert(label.clone(), values[(pick / 3 + n) % values.len()].clone());
            }
        }
        maps.push(map);
    }
    maps
}

/// Plain ASCII, at most 80 columns and four lines, with at least one caret under the text.
pub(crate) fn check_drawing(drawing: &str) {
    let lines: Vec<&str> = drawing.split('\n').collect();
    assert!((3..=4).contains(&lines.len()), "{drawing}");
    for line in &lines {
        assert!(line.len() <= 80, "{} columns: {line}", line.len());
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
    }
    let carets = lines[2].trim_start();
    assert!(!carets.is_empty() && carets.bytes().all(|byte| byte == b'^'), "{drawing}");
    // One caret may stand behind the end of the text.
    assert!(lines[2].len() <= lines[1].len() + 1, "{drawing}");
}
