//! The index has the matches that the reference system has on the same inputs, in whatever order they come.

use tortie_benches::fixtures::index;
use tortie_selector::{Index, Selector};

fn set_selectors(index: &mut Index<usize, usize, usize>, selectors: &[Selector]) {
    for (id, selector) in selectors.iter().enumerate() {
        index.set_selector(id, selector, |_| {});
    }
}

#[test]
fn ten_thousand_items_and_a_thousand_selectors_have_14335_matches() {
    let selectors: Vec<Selector> =
        index::selectors(1_000, 4).iter().map(|text| text.parse().unwrap()).collect();
    for selectors_first in [false, true] {
        let mut index = Index::new();
        for k in 0..index::PROFILES {
            index.set_parent(k, index::profile(k), |_| {});
        }
        if selectors_first {
            set_selectors(&mut index, &selectors);
        }
        for (e, labels) in index::endpoints(10_000).into_iter().enumerate() {
            index.set_item(e, labels, [index::profile_of(e)], |_| {});
        }
        if !selectors_first {
            set_selectors(&mut index, &selectors);
        }
        assert_eq!(index.match_count(), 14_335);
    }
}
