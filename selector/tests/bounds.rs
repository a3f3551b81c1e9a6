//! What a selector may cost: no allocation to evaluate it, little stack whatever the nesting, errors instead of growth.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::unwrap_used, reason = "test code")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use tortie_selector::analysis::is_equivalent;
use tortie_selector::{Labels, Limits, ParseErrorKind, Selector, SortedPairs, Symbols, from_fn};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System.alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System.alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.with(Cell::get);
    let result = work();
    (ALLOCATIONS.with(Cell::get) - before, result)
}

const EVERYTHING: &str = "all() && global() && (has(a) || has(b)) && !(a == 'x') && a != 'x' && a contains 'alu' && \
    a starts with 'va' && a ends with 'ue' && a in {'value', 'b'} && c not in {'b'} && \
    a in {'1', '2', '3', '4', '5', '6', '7', '8', '9', 'value'}";

#[test]
fn matches_allocates_nothing() {
    let selector = Selector::parse(EVERYTHING).unwrap();
    let pairs = [("a", "value"), ("d", "")];
    let tree = BTreeMap::from(pairs.map(|(k, v)| (k.to_string(), v.to_string())));
    let hash: HashMap<_, _> = tree.clone().into_iter().collect();
    let sorted = SortedPairs::new(&pairs).unwrap();
    let closure = from_fn(|name| tree.get(name).map(String::as_str));
    let (count, matched) = allocations(|| {
        let all: [&dyn Labels; 5] = [&tree, &hash, &pairs, &sorted, &closure];
        all.iter().all(|labels| selector.matches(*labels)) && !selector.matches(&())
    });
    assert!(matched);
    assert_eq!(count, 0);
}

#[test]
fn a_compiled_selector_allocates_nothing_to_match() {
    let mut symbols = Symbols::new();
    let compiled = symbols.compile(&Selector::parse(EVERYTHING).unwrap());
    let labels = symbols.labels([("a", "value"), ("d", "")]);
    let others = symbols.labels([("c", "b")]);
    let (count, matched) =
        allocations(|| compiled.matches(&labels, &symbols) && !compiled.matches(&others, &symbols));
    assert!(matched);
    assert_eq!(count, 0);
}

#[test]
fn a_clone_allocates_nothing() {
    let selector = Selector::parse(EVERYTHING).unwrap();
    let (count, clone) = allocations(|| selector.clone());
    assert_eq!(count, 0);
    assert_eq!(clone, selector);
}

/// The canonical text is the longer one here, by as much as it can be.
#[test]
fn what_is_too_long_in_canonical_form_is_not_valid() {
    for text in
        ["", "a==''", "a in{}", "a==''&&b==''||c==''&&d==''", "((a==''||b=='')&&(c==''||d==''))||e==''"]
    {
        let canonical = Selector::parse(text).unwrap().canonical().len();
        assert!(canonical >= text.len() && canonical <= 3 * text.len() + 8, "{text}");
        for len in 0..4 * canonical {
            let limits = Limits::default().len(len);
            assert_eq!(Selector::validate_with(text, &limits).is_ok(), len >= canonical, "{text} {len}");
            assert_eq!(Selector::parse_with(text, &limits).is_ok(), len >= canonical, "{text} {len}");
        }
    }
}

#[test]
fn an_error_allocates_nothing_of_its_own() {
    let text = "has(a) has(b)";
    for read in [|text| Selector::parse(text).map(drop), Selector::validate] {
        let (count, error) = allocations(|| read(text).unwrap_err());
        assert_eq!(error.kind(), ParseErrorKind::ExpectedEnd);
        assert_eq!(count, 0);
    }
}

/// Work on a selector that needs as much stack as any text may make it need, on a stack of half a megabyte.
fn deep(text: String) {
    let limits = Limits::default().depth(usize::MAX);
    let work = move || {
        let selector = Selector::parse_with(&text, &limits).unwrap();
        let _ = selector.matches(&());
        assert_eq!(selector.expr().to_string(), selector.canonical());
        let copy = selector.expr();
        assert_eq!(copy.to_string(), selector.canonical());
        assert!(selector.prefixed("p.").unwrap().canonical().contains("p.a"));
        // What is accepted once is accepted again.
        let again = Selector::parse_with(selector.canonical(), &limits).unwrap();
        assert!(again.canonical().ends_with(')'));
        assert!(is_equivalent(&again, &selector).is_yes());
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn the_deepest_nesting_needs_little_stack() {
    let n = Limits::MAX_DEPTH;
    deep(format!("{}has(a){}", "(".repeat(n), ")".repeat(n)));
    deep(format!("{}has(a){}", "!(".repeat(n), ")".repeat(n)));
    deep(format!("{}has(a){}", "(has(a) && !".repeat(n), ")".repeat(n)));
    let pairs = n / 2;
    deep(format!("{}has(a){}", "(has(a) || has(a) && !".repeat(pairs), ")".repeat(pairs)));
}

#[test]
fn any_nesting_beyond_is_an_error() {
    let limits = Limits::default().depth(usize::MAX);
    let refused = |text: &str| {
        let kind = Selector::parse_with(text, &limits).unwrap_err().kind();
        assert_eq!(kind, ParseErrorKind::TooDeep { max: Limits::MAX_DEPTH });
    };
    for n in [Limits::MAX_DEPTH + 1, 500_000] {
        refused(&"(".repeat(n));
        refused(&"!(".repeat(n));
        refused(&"!!(".repeat(n / 2 + 200));
        refused(&format!("{}has(a){}", "(".repeat(n), ")".repeat(n)));
    }
    let n = Limits::MAX_DEPTH / 2 + 1;
    refused(&format!("{}has(a){}", "(has(a) || has(a) && ".repeat(n), ")".repeat(n)));
}

#[test]
fn long_and_flat_is_no_trouble() {
    // Signs do not nest.
    let signs = "!".repeat(1_000_001) + "has(a)";
    assert_eq!(Selector::parse(&signs).unwrap().canonical(), "!has(a)");

    let many = |n: usize| vec!["has(a)"; n].join(" && ");
    let wide = Selector::parse(&many(65_536)).unwrap();
    assert!(wide.matches(&[("a", "")]));
    let kind = Selector::parse(&many(65_537)).unwrap_err().kind();
    assert_eq!(kind, ParseErrorKind::TooManyTerms { max: 65_536 });

    let long = format!("a == '{}'", "x".repeat(1 << 20));
    assert_eq!(
        Selector::parse(&long).unwrap_err().kind(),
        ParseErrorKind::TooLong { len: (1 << 20) + 7, max: 1 << 20 }
    );
    let long = long.replacen("xxxxxxx", "", 1);
    assert!(Selector::parse(&long).is_ok());
}
