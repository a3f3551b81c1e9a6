//! The stupid twin of the crate: a tokeniser, a parser and an evaluator that do one obvious thing after the other.
//!
//! It is written after the rules and shares no code with the crate. Tests, benches and fuzz targets compare the two.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a failed assertion is a panic here"
)]
#![allow(dead_code, reason = "each test, bench and fuzz target that includes this file uses a part of it")]

pub(crate) mod check;
pub(crate) mod grammar;
pub(crate) mod index;

use std::collections::BTreeMap;

/// Labels of one item.
pub(crate) type Map = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    All,
    Global,
    Has(String),
    /// Label, operator as canonical text spells it, value.
    Compare(String, &'static str, String),
    /// Label, negated, values in any order.
    In(String, bool, Vec<String>),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Tree {
    pub(crate) fn matches(&self, labels: &Map) -> bool {
        match self {
            Self::All | Self::Global => true,
            Self::Has(label) => labels.contains_key(label),
            Self::Compare(label, operator, value) => match (labels.get(label), *operator) {
                (None, "!=") => true,
                (None, _) => false,
                (Some(is), "==") => is == value,
                (Some(is), "!=") => is != value,
                (Some(is), "contains") => {
                    value.is_empty() || is.as_bytes().windows(value.len()).any(|w| w == value.as_bytes())
                }
                (Some(is), "starts with") => {
                    is.len() >= value.len() && is.as_bytes()[..value.len()] == *value.as_bytes()
                }
                (Some(is), "ends with") => {
                    is.len() >= value.len() && is.as_bytes()[is.len() - value.len()..] == *value.as_bytes()
                }
                _ => unreachable!("no such operator"),
            },
            Self::In(label, negated, values) => {
                labels.get(label).is_some_and(|is| values.contains(is)) != *negated
            }
            Self::Not(tree) => !tree.matches(labels),
            Self::And(trees) => trees.iter().all(|tree| tree.matches(labels)),
            Self::Or(trees) => trees.iter().any(|tree| tree.matches(labels)),
        }
    }

    pub(crate) fn canonical(&self) -> String {
        let join = |trees: &[Self], operator: &str| {
            format!("({})", trees.iter().map(Self::canonical).collect::<Vec<_>>().join(operator))
        };
        match self {
            Self::All => "all()".into(),
            Self::Global => "global()".into(),
            Self::Has(label) => format!("has({label})"),
            Self::Compare(label, operator, value) => format!("{label} {operator} {}", quoted(value)),
            Self::In(label, negated, values) => {
                let mut values = values.clone();
                values.sort();
                values.dedup();
                let values = values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ");
                format!("{label} {} {{{values}}}", if *negated { "not in" } else { "in" })
            }
            Self::Not(tree) => format!("!{}", tree.canonical()),
            Self::And(trees) => join(trees, " && "),
            Self::Or(trees) => join(trees, " || "),
        }
    }

    /// The same tree with a prefix in front of every label.
    pub(crate) fn prefixed(&self, prefix: &str) -> Self {
        let name = |label: &String| format!("{prefix}{label}");
        let all = |trees: &[Self]| trees.iter().map(|tree| tree.prefixed(prefix)).collect();
        match self {
            Self::All => Self::All,
            Self::Global => Self::Global,
            Self::Has(label) => Self::Has(name(label)),
            Self::Compare(label, operator, value) => Self::Compare(name(label), operator, value.clone()),
            Self::In(label, negated, values) => Self::In(name(label), *negated, values.clone()),
            Self::Not(tree) => Self::Not(Box::new(tree.prefixed(prefix))),
            Self::And(trees) => Self::And(all(trees)),
            Self::Or(trees) => Self::Or(all(trees)),
        }
    }

    /// Calls back for each label with each value that it is compared with.
    pub(crate) fn each_value(&self, f: &mut impl FnMut(&str, &str)) {
        match self {
            Self::All | Self::Global => {}
            Self::Has(label) => f(label, ""),
            Self::Compare(label, _, value) => f(label, value),
            Self::In(label, _, values) => values.iter().for_each(|value| f(label, value)),
            Self::Not(tree) => tree.each_value(f),
            Self::And(trees) | Self::Or(trees) => trees.iter().for_each(|tree| tree.each_value(f)),
        }
    }
}

fn quoted(value: &str) -> String {
    if value.contains('"') { format!("'{value}'") } else { format!("\"{value}\"") }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Label(String),
    Text(String),
    /// Punctuation, or a word operator in its canonical spelling.
    Sign(&'static str),
    Has(String),
    All,
    Global,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./-".contains(c)
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// One label name at the start of the text.
fn name(text: &str) -> Option<(String, &str)> {
    let name: String = text.chars().take_while(|c| is_name(*c)).collect();
    if name.is_empty() || name.len() > 512 {
        return None;
    }
    let rest = &text[name.len()..];
    Some((name, rest))
}

/// All tokens, or `None` if there is something else in the text.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = blank(text);
    while !rest.is_empty() {
        let (token, after) = token(rest, matches!(tokens.last(), Some(Token::Label(_))))?;
        tokens.push(token);
        rest = blank(after);
    }
    Some(tokens)
}

fn token(rest: &str, after_label: bool) -> Option<(Token, &str)> {
    for sign in ["==", "!=", "&&", "||", "!", "(", ")", "{", "}", ","] {
        if let Some(rest) = rest.strip_prefix(sign) {
            return Some((Token::Sign(sign), rest));
        }
    }
    for quote in ['"', '\''] {
        if let Some(inside) = rest.strip_prefix(quote) {
            let end = inside.find(quote)?;
            return Some((Token::Text(inside[..end].into()), &inside[end + 1..]));
        }
    }
    if after_label {
        for (operator, words) in [
            ("contains", ["contains", ""]),
            ("starts with", ["starts", "with"]),
            ("ends with", ["ends", "with"]),
            ("not in", ["not", "in"]),
            ("in", ["in", ""]),
        ] {
            let after = rest.strip_prefix(words[0]).and_then(|rest| {
                if words[1].is_empty() { Some(rest) } else { blank(rest).strip_prefix(words[1]) }
            });
            if let Some(after) = after.filter(|rest| !rest.chars().next().is_some_and(is_name)) {
                return Some((Token::Sign(operator), after));
            }
        }
        return None;
    }
    if let Some(inside) = rest.strip_prefix("has(") {
        let (label, rest) = name(blank(inside))?;
        return Some((Token::Has(label), blank(rest).strip_prefix(')')?));
    }
    if let Some(inside) = rest.strip_prefix("all(") {
        return Some((Token::All, blank(inside).strip_prefix(')')?));
    }
    if let Some(inside) = rest.strip_prefix("global(") {
        return Some((Token::Global, blank(inside).strip_prefix(')')?));
    }
    let (label, rest) = name(rest)?;
    Some((Token::Label(label), rest))
}

/// The tree of a text, or `None` if it is no selector. It has no limits: do not give it endless parentheses.
pub(crate) fn parse(text: &str) -> Option<Tree> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Some(Tree::All);
    }
    let (tree, rest) = disjunction(&tokens)?;
    rest.is_empty().then_some(tree)
}

type Rest<'a> = &'a [Token];

fn eat<'a>(tokens: Rest<'a>, sign: &str) -> Option<Rest<'a>> {
    match tokens {
        [Token::Sign(is), rest @ ..] if *is == sign => Some(rest),
        _ => None,
    }
}

fn disjunction(tokens: Rest<'_>) -> Option<(Tree, Rest<'_>)> {
    let (first, mut rest) = conjunction(tokens)?;
    let mut trees = vec![first];
    while let Some(after) = eat(rest, "||") {
        let (tree, after) = conjunction(after)?;
        trees.push(tree);
        rest = after;
    }
    Some((if trees.len() == 1 { trees.remove(0) } else { Tree::Or(trees) }, rest))
}

fn conjunction(tokens: Rest<'_>) -> Option<(Tree, Rest<'_>)> {
    let (first, mut rest) = operation(tokens)?;
    let mut trees = vec![first];
    while let Some(after) = eat(rest, "&&") {
        let (tree, after) = operation(after)?;
        trees.push(tree);
        rest = after;
    }
    Some((if trees.len() == 1 { trees.remove(0) } else { Tree::And(trees) }, rest))
}

fn operation(mut tokens: Rest<'_>) -> Option<(Tree, Rest<'_>)> {
    let mut negated = false;
    while let Some(rest) = eat(tokens, "!") {
        negated = !negated;
        tokens = rest;
    }
    let (tree, rest) = primary(tokens)?;
    Some((if negated { Tree::Not(Box::new(tree)) } else { tree }, rest))
}

fn primary(tokens: Rest<'_>) -> Option<(Tree, Rest<'_>)> {
    match tokens {
        [Token::Has(label), rest @ ..] => Some((Tree::Has(label.clone()), rest)),
        [Token::All, rest @ ..] => Some((Tree::All, rest)),
        [Token::Global, rest @ ..] => Some((Tree::Global, rest)),
        [Token::Sign("("), rest @ ..] => {
            let (tree, rest) = disjunction(rest)?;
            Some((tree, eat(rest, ")")?))
        }
        [Token::Label(label), Token::Sign(operator @ ("in" | "not in")), rest @ ..] => {
            let mut rest = eat(rest, "{")?;
            let mut values = Vec::new();
            while let [Token::Text(value), after @ ..] = rest {
                values.push(value.clone());
                match eat(after, ",") {
                    Some(after) => rest = after,
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            Some((Tree::In(label.clone(), *operator == "not in", values), eat(rest, "}")?))
        }
        [
            Token::Label(label),
            Token::Sign(operator @ ("==" | "!=" | "contains" | "starts with" | "ends with")),
            Token::Text(value),
            rest @ ..,
        ] => Some((Tree::Compare(label.clone(), operator, value.clone()), rest)),
        _ => None,
    }
}
