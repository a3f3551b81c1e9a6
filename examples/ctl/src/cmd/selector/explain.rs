//! `selector explain`: what each term of a selector says about labels.

use core::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tortie_selector::{Expr, Term};

use super::{Arguments, Labels, labels, parse, verdict};
use crate::Output;

/// A term, and what it came to.
struct Explained<'a> {
    /// The text of a term without operands, else what it asks of them.
    text: String,
    /// `None` if the terms before it had settled the matter.
    matches: Option<bool>,
    /// The label that it asks for, with its value.
    label: Option<(&'a str, Option<&'a str>)>,
    operands: Vec<Self>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let selector = parse(&arguments.selector)?;
    let labels = labels(&arguments.labels)?;
    let term = explained(selector.expr(), &labels, true);
    match arguments.output {
        Output::Table => {
            let mut text = String::new();
            draw(&term, 0, &mut text);
            say!("{text}");
        }
        output => output.print(&json!({
            "selector": selector.canonical(), "labels": labels, "matches": term.matches, "term": value(&term),
        }))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a term comes to, if it is asked. Calls itself for each level of the tree; the parser bounds these.
fn explained<'a>(expr: Expr<'a>, labels: &'a Labels, is_asked: bool) -> Explained<'a> {
    let (text, operands, settling): (_, Vec<Expr<'_>>, _) = match expr.term() {
        Term::Not { operand, .. } => ("not", [operand].into(), None),
        Term::And { operands, .. } => ("all of", operands.collect(), Some(false)),
        Term::Or { operands, .. } => ("one of", operands.collect(), Some(true)),
        leaf => {
            let label = match leaf {
                Term::Has { label, .. }
                | Term::Equal { label, .. }
                | Term::NotEqual { label, .. }
                | Term::Contains { label, .. }
                | Term::StartsWith { label, .. }
                | Term::EndsWith { label, .. }
                | Term::In { label, .. }
                | Term::NotIn { label, .. } => Some((label, labels.get(label).map(String::as_str))),
                _ => None,
            };
            let matches = is_asked.then(|| expr.matches(labels));
            return Explained { text: expr.to_string(), matches, label, operands: Vec::new() };
        }
    };
    // From left to right, until one settles it.
    let mut is_settled = false;
    let mut terms = Vec::with_capacity(operands.len());
    for operand in operands {
        let term = explained(operand, labels, is_asked && !is_settled);
        is_settled |= settling.is_some() && term.matches == settling;
        terms.push(term);
    }
    let matches = is_asked.then(|| match settling {
        Some(settling) => is_settled == settling,
        None => terms.first().is_some_and(|term| term.matches == Some(false)),
    });
    Explained { text: text.to_owned(), matches, label: None, operands: terms }
}

fn draw(term: &Explained<'_>, depth: usize, out: &mut String) {
    let outcome = term.matches.map_or("not asked", verdict);
    let indent = 2 * depth;
    let _infallible = write!(out, "{:indent$}{outcome:<9}  {}", "", term.text);
    let _infallible = match term.label.filter(|_| term.matches.is_some()) {
        Some((name, Some(value))) => writeln!(out, "  [{name} is {value:?}]"),
        Some((name, None)) => writeln!(out, "  [{name} is missing]"),
        None => writeln!(out),
    };
    for operand in &term.operands {
        draw(operand, depth + 1, out);
    }
}

fn value(term: &Explained<'_>) -> Value {
    let outcome = term.matches.map_or("not asked", verdict);
    let mut value = Map::new();
    value.insert("term".to_owned(), term.text.as_str().into());
    value.insert("outcome".to_owned(), outcome.into());
    if let Some((label, held)) = term.label.filter(|_| term.matches.is_some()) {
        value.insert("label".to_owned(), label.into());
        value.insert("value".to_owned(), held.into());
    }
    if !term.operands.is_empty() {
        value.insert("operands".to_owned(), term.operands.iter().map(self::value).collect());
    }
    value.into()
}
