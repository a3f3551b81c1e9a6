//! Parsing and evaluation of selectors, beside a parser and an evaluator that do one obvious thing after the other.
//!
//! Input: 1,000 synthetic selectors (155 kB) and 1,000 label maps (6,473 labels); an element is one selector, or one
//! pair of a selector and a label map.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../selector/tests/twin/mod.rs"]
mod twin;

use core::hint::black_box;
use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::Digest as _;
use tortie_benches::fixtures::{Fnv1a, labels};
use tortie_benches::report::Row;
use tortie_selector::{Compiled, Labels, Selector, SortedPairs, Symbols};

const PARSE: &str = "selector/parse_synthetic";
const AST: &str = "selector/parse_ast";
const VALIDATE: &str = "selector/validate_synthetic";
const EVALUATE: &str = "selector/eval_synthetic";

/// The id as it is defined, made in the obvious way.
fn naive_id(canonical: &str) -> String {
    let digest = sha2::Sha224::digest(format!("s:{canonical}"));
    format!("s:{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest))
}

/// Tree, canonical text and id.
fn parse(criterion: &mut Criterion) {
    let texts = labels::selectors(1000, 1);
    let (tortie, naive) = (Row::tortie(PARSE, "tortie"), Row::twin(PARSE));
    let nom = Row::other_twin(PARSE, "nom_twin");
    let ours = |text: &String| {
        let selector = Selector::parse(text).unwrap();
        (selector.id(), selector)
    };
    let theirs = |text: &String| {
        let tree = twin::parse(text).unwrap();
        let canonical = tree.canonical();
        (naive_id(&canonical), canonical, tree)
    };
    let grammar = |text: &String| {
        let tree = twin::grammar::parse(text, &twin::grammar::Limits::default()).unwrap();
        let canonical = tree.canonical();
        (naive_id(&canonical), canonical, tree)
    };
    tortie.check(Fnv1a::of_lines(texts.iter().map(|text| ours(text).0)));
    naive.check(Fnv1a::of_lines(texts.iter().map(|text| theirs(text).0)));
    nom.check(Fnv1a::of_lines(texts.iter().map(|text| grammar(text).0)));

    let mut group = criterion.benchmark_group(PARSE);
    group.throughput(Throughput::Elements(1000));
    group.bench_function(tortie.name(), |bencher| {
        bencher.iter(|| texts.iter().for_each(|text| drop(black_box(ours(text)))));
    });
    group.bench_function(naive.name(), |bencher| {
        bencher.iter(|| texts.iter().for_each(|text| drop(black_box(theirs(text)))));
    });
    group.bench_function(nom.name(), |bencher| {
        bencher.iter(|| texts.iter().for_each(|text| drop(black_box(grammar(text)))));
    });
    group.finish();
}

/// `Selector::parse` alone, without the id.
fn parse_ast(criterion: &mut Criterion) {
    let texts = labels::selectors(1000, 1);
    let tortie = Row::tortie(AST, "tortie");
    let ours = |text: &String| Selector::parse(text).unwrap();
    tortie.check(Fnv1a::of_lines(texts.iter().map(|text| ours(text).canonical().to_owned())));

    let mut group = criterion.benchmark_group(AST);
    group.throughput(Throughput::Elements(1000));
    group.bench_function(tortie.name(), |bencher| {
        bencher.iter(|| texts.iter().for_each(|text| drop(black_box(ours(text)))));
    });
    group.finish();
}

/// Is it a selector at all?
fn validate(criterion: &mut Criterion) {
    let texts = labels::selectors(1000, 1);
    // Each text also without its last byte, which most texts need.
    let damaged = texts.iter().map(|text| text.split_at(text.len() - 1).0.to_owned());
    let both: Vec<String> = texts.iter().cloned().chain(damaged).collect();
    let (tortie, naive) = (Row::tortie(VALIDATE, "tortie"), Row::twin(VALIDATE));
    let ours = |text: &str| Selector::validate(text).is_ok();
    let theirs = |text: &str| twin::parse(text).is_some();
    let accepted = |judge: &dyn Fn(&str) -> bool| both.iter().filter(|text| judge(text)).count();
    tortie.check(accepted(&ours));
    naive.check(accepted(&theirs));

    let mut group = criterion.benchmark_group(VALIDATE);
    group.throughput(Throughput::Elements(1000));
    group.bench_function(tortie.name(), |bencher| {
        bencher.iter(|| assert!(texts.iter().all(|text| ours(black_box(text)))));
    });
    group.bench_function(naive.name(), |bencher| {
        bencher.iter(|| assert!(texts.iter().all(|text| theirs(black_box(text)))));
    });
    group.finish();
}

fn evaluate(criterion: &mut Criterion) {
    let texts = labels::selectors(1000, 1);
    let selectors: Vec<Selector> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let trees: Vec<twin::Tree> = texts.iter().map(|text| twin::parse(text).unwrap()).collect();
    let mut lists = labels::maps(1000, 2);
    let maps: Vec<BTreeMap<String, String>> = lists
        .iter()
        .map(|labels| labels.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
        .collect();
    let hashed: Vec<HashMap<String, String>> = maps.iter().cloned().map(HashMap::from_iter).collect();
    lists.iter_mut().for_each(|labels| labels.sort_unstable());
    let sorted: Vec<_> = lists.iter().map(|labels| SortedPairs::new(labels).unwrap()).collect();

    let mut symbols = Symbols::new();
    let compiled: Vec<_> = selectors.iter().map(|selector| symbols.compile(selector)).collect();
    let sets: Vec<_> = maps.iter().map(|labels| symbols.labels(labels)).collect();

    let mut group = criterion.benchmark_group(EVALUATE);
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
    let mut row = |row: Row<'_>, count: &dyn Fn() -> usize| {
        let want = count();
        row.check(want);
        group.bench_function(row.name(), |bencher| bencher.iter(|| assert_eq!(count(), want)));
    };
    row(Row::tortie(EVALUATE, "compiled"), &|| {
        let count = |selector: &Compiled| sets.iter().filter(|set| selector.matches(set, &symbols)).count();
        black_box(&compiled).iter().map(count).sum()
    });
    row(Row::tortie(EVALUATE, "string_map"), &|| matches(&selectors, &hashed));
    row(Row::tortie(EVALUATE, "tree_map"), &|| matches(&selectors, &maps));
    row(Row::tortie(EVALUATE, "sorted_pairs"), &|| matches(&selectors, &sorted));
    row(Row::twin(EVALUATE), &|| {
        let count = |tree: &twin::Tree| maps.iter().filter(|labels| tree.matches(labels)).count();
        trees.iter().map(count).sum()
    });
    group.finish();
}

/// How many of all pairs match.
fn matches<L: Labels>(selectors: &[Selector], items: &[L]) -> usize {
    let count = |selector: &Selector| items.iter().filter(|labels| selector.matches(*labels)).count();
    black_box(selectors).iter().map(count).sum()
}

criterion_group!(benches, parse, parse_ast, validate, evaluate);
criterion_main!(benches);
