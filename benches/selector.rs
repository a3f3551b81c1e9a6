//! Parsing and evaluation of selectors, beside a parser and an evaluator that do one obvious thing after the other.
//!
//! Input: 1,000 synthetic selectors (155 kB) and 1,000 label maps (6,473 labels); an element is one selector, or one
//! pair of a selector and a label map.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../selector/tests/twin/mod.rs"]
mod twin;

use core::hint::black_box;
use std::collections::{BTreeMap, HashMap};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::fixtures::labels;
use tortie_selector::{Labels, Selector, SortedPairs};

fn parse(criterion: &mut Criterion) {
    let texts = labels::selectors(1000, 1);
    let mut group = criterion.benchmark_group("selector parse");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| texts.iter().for_each(|text| drop(black_box(Selector::parse(text).unwrap()))));
    });
    group.bench_function("tortie with id", |bencher| {
        bencher.iter(|| {
            texts.iter().for_each(|text| {
                let selector = Selector::parse(text).unwrap();
                black_box((selector.id(), selector));
            });
        });
    });
    group.bench_function("naive twin", |bencher| {
        bencher.iter(|| {
            texts.iter().for_each(|text| {
                let tree = twin::parse(text).unwrap();
                black_box((tree.canonical(), tree));
            });
        });
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

    let mut group = criterion.benchmark_group("selector evaluate");
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
    group.bench_function("tortie, BTreeMap", |bencher| bencher.iter(|| matches(&selectors, &maps)));
    group.bench_function("tortie, HashMap", |bencher| bencher.iter(|| matches(&selectors, &hashed)));
    group.bench_function("tortie, sorted pairs", |bencher| bencher.iter(|| matches(&selectors, &sorted)));
    group.bench_with_input(BenchmarkId::from_parameter("naive twin"), &trees, |bencher, trees| {
        bencher.iter(|| {
            let count = |tree: &twin::Tree| maps.iter().filter(|labels| tree.matches(labels)).count();
            assert_eq!(trees.iter().map(count).sum::<usize>(), 299_957);
        });
    });
    group.finish();
}

fn matches<L: Labels>(selectors: &[Selector], items: &[L]) {
    let count = |selector: &Selector| items.iter().filter(|labels| selector.matches(*labels)).count();
    assert_eq!(selectors.iter().map(count).sum::<usize>(), 299_957);
}

criterion_group!(benches, parse, evaluate);
criterion_main!(benches);
