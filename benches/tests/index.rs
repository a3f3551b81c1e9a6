//! The index has the matches that the reference system has on the same inputs, in whatever order they come.

#![expect(clippy::unwrap_used, reason = "test code")]

use tortie_benches::fixtures::index;
use tortie_selector::{Index, Selector};

fn set_selectors(index: &mut Index<usize, usize, usize>, selectors: &[Selector]) {
    for (id, selector) in selectors.iter().enumerate() {
        index.set_selector(id, selector, |_| {});
    }
}

/// The matches of so many items and selectors, loaded in either order.
fn matches(items: usize, selectors: usize, selectors_first: bool) -> usize {
    let selectors: Vec<Selector> =
        index::selectors(selectors, 4).iter().map(|text| text.parse().unwrap()).collect();
    let mut index = Index::new();
    for k in 0..index::PROFILES {
        index.set_parent(k, index::profile(k), |_| {});
    }
    if selectors_first {
        set_selectors(&mut index, &selectors);
    }
    for (e, labels) in index::endpoints(items).into_iter().enumerate() {
        index.set_item(e, labels, [index::profile_of(e)], |_| {});
    }
    if !selectors_first {
        set_selectors(&mut index, &selectors);
    }
    index.match_count()
}

#[test]
fn ten_thousand_items_and_a_thousand_selectors_have_14335_matches() {
    assert_eq!(matches(10_000, 1_000, false), 14_335);
    assert_eq!(matches(10_000, 1_000, true), 14_335);
}

#[test]
fn a_hundred_thousand_items_and_ten_thousand_selectors_have_1454826_matches() {
    assert_eq!(matches(100_000, 10_000, false), 1_454_826);
}
