//! The vectors in `testdata/vectors.toml`, one test for each kind.

#![expect(clippy::panic, reason = "test code")]

mod twin;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tortie_selector::{Limits, Selector};
use twin::Map;
use twin::check::{check_drawing, check_text};

/// All vectors of a kind.
fn vectors<V: DeserializeOwned>(kind: &str) -> Vec<V> {
    let text = include_str!("testdata/vectors.toml");
    let mut file: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}"));
    let vectors = file.remove(kind).unwrap_or_else(|| panic!("no vector is of kind {kind}"));
    vectors.try_into().unwrap_or_else(|error| panic!("{error}"))
}

fn parse(text: &str) -> Selector {
    Selector::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

#[derive(Deserialize)]
struct Matches {
    input: String,
    want: Sets,
    source: String,
}

#[derive(Deserialize)]
struct Sets {
    matches: Vec<Map>,
    others: Vec<Map>,
}

fn check_matches(selector: &Selector, sets: &Sets, source: &str) {
    for (labels, want) in sets
        .matches
        .iter()
        .map(|labels| (labels, true))
        .chain(sets.others.iter().map(|labels| (labels, false)))
    {
        assert_eq!(selector.matches(labels), want, "{selector} on {labels:?} ({source})");
    }
}

#[test]
fn matches() {
    for Matches { input, want, source } in vectors("matches") {
        let selector = parse(&input);
        check_matches(&selector, &want, &source);
        check_matches(&parse(selector.canonical()), &want, &source);
        check_text(&input);
    }
}

#[derive(Deserialize)]
struct Canonical {
    input: String,
    want: Identity,
    source: String,
}

#[derive(Deserialize)]
struct Identity {
    canonical: String,
    id: Option<String>,
}

#[test]
fn canonical() {
    for Canonical { input, want, source } in vectors("canonical") {
        let selector = parse(&input);
        assert_eq!(selector.canonical(), want.canonical, "{input} ({source})");
        assert_eq!(selector.to_string(), want.canonical);
        assert_eq!(selector.id().len(), 40);
        if let Some(id) = want.id {
            assert_eq!(selector.id(), id, "{input} ({source})");
        }
        check_text(&input);
    }
    assert_ne!(parse("all()").id(), parse("global()").id());
    assert_ne!(parse("all()"), parse("global()"));
    assert_eq!(Selector::all(), parse(""));
    assert_eq!(Selector::default(), Selector::all());
}

#[derive(Deserialize)]
struct Prefixed {
    input: String,
    prefix: String,
    want: String,
    source: String,
}

#[test]
fn prefixed() {
    for Prefixed { input, prefix, want, source } in vectors("prefixed") {
        let selector = parse(&input).prefixed(&prefix).expect(&input);
        assert_eq!(selector.canonical(), want, "{input} ({source})");
        assert_eq!(selector.id(), parse(&want).id());
    }
}

#[derive(Deserialize)]
struct Refused {
    input: String,
    #[serde(default)]
    limits: BTreeMap<String, usize>,
    want: Place,
    source: String,
}

#[derive(Deserialize)]
struct Place {
    kind: String,
    span: [usize; 2],
}

#[test]
fn errors() {
    for Refused { input, limits: named, want, source } in vectors("error") {
        let mut limits = Limits::default();
        for (name, value) in named {
            limits = match &*name {
                "len" => limits.len(value),
                "depth" => limits.depth(value),
                "terms" => limits.terms(value),
                _ => panic!("no limit is called {name}"),
            };
        }
        let error = Selector::parse_with(&input, &limits).expect_err(&input);
        let kind = format!("{:?}", error.kind());
        let kind = kind.split(' ').next().unwrap_or_default();
        let span = [error.span().start, error.span().end];
        assert_eq!((kind, span), (&*want.kind, want.span), "{} ({source})", error.render(&input));
        check_drawing(&error.render(&input).to_string());
        check_text(&input);
    }
}

#[derive(Deserialize)]
struct Drawn {
    input: String,
    want: String,
    column: usize,
}

#[test]
fn drawings() {
    for Drawn { input, want, column } in vectors("drawing") {
        let error = Selector::parse(&input).expect_err(&input);
        let drawing = error.render(&input).to_string();
        assert_eq!(drawing, want.trim_end(), "\n{drawing}\n");
        assert_eq!(error.column(&input), column);
        check_drawing(&drawing);
    }
}
