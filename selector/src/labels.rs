//! What a selector is evaluated against.

use alloc::collections::BTreeMap;
use core::borrow::Borrow;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;

/// Labels of one item: names to values.
///
/// Implemented for maps ([`BTreeMap`], `hashbrown::HashMap`, with feature `std` also `std::collections::HashMap`),
/// slices of pairs (searched from end to end; of two pairs with one name the first counts), [`SortedPairs`] (searched by
/// halves), [`from_fn`] (a closure), `()` (no labels), and references to all of these. It can be a trait object.
pub trait Labels {
    /// Value of the label with this name, if the item has it.
    fn value(&self, name: &str) -> Option<&str>;
}

impl<L: Labels + ?Sized> Labels for &L {
    fn value(&self, name: &str) -> Option<&str> {
        (**self).value(name)
    }
}

/// No labels.
impl Labels for () {
    fn value(&self, _: &str) -> Option<&str> {
        None
    }
}

impl<K: Borrow<str> + Ord, V: AsRef<str>> Labels for BTreeMap<K, V> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(V::as_ref)
    }
}

impl<K: Borrow<str> + Hash + Eq, V: AsRef<str>, S: BuildHasher> Labels for hashbrown::HashMap<K, V, S> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(V::as_ref)
    }
}

#[cfg(feature = "std")]
impl<K: Borrow<str> + Hash + Eq, V: AsRef<str>, S: BuildHasher> Labels
    for std::collections::HashMap<K, V, S>
{
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(V::as_ref)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Labels for [(K, V)] {
    fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.as_ref() == name).map(|(_, value)| value.as_ref())
    }
}

impl<K: AsRef<str>, V: AsRef<str>, const N: usize> Labels for [(K, V); N] {
    fn value(&self, name: &str) -> Option<&str> {
        self.as_slice().value(name)
    }
}

/// Labels in a slice of pairs that is sorted by name.
///
/// # Example
///
/// ```
/// use tortie_selector::{Selector, SortedPairs};
///
/// let labels = [("app", "web"), ("tier", "front")];
/// let labels = SortedPairs::new(&labels).expect("sorted");
/// assert!(Selector::parse("tier == 'front'")?.matches(&labels));
/// assert!(SortedPairs::new(&[("b", ""), ("a", "")]).is_none());
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
#[derive(Debug)]
pub struct SortedPairs<'a, K, V>(&'a [(K, V)]);

impl<'a, K: AsRef<str>, V: AsRef<str>> SortedPairs<'a, K, V> {
    /// The labels in the slice, or `None` if the names are not in strictly rising order of their bytes.
    ///
    /// # Complexity
    ///
    /// One comparison per pair; then a look-up takes O(log n).
    #[must_use]
    pub fn new(pairs: &'a [(K, V)]) -> Option<Self> {
        pairs.is_sorted_by(|(a, _), (b, _)| a.as_ref() < b.as_ref()).then_some(Self(pairs))
    }
}

impl<K, V> Clone for SortedPairs<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for SortedPairs<'_, K, V> {}

impl<K: AsRef<str>, V: AsRef<str>> Labels for SortedPairs<'_, K, V> {
    fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value.as_ref())
    }
}

/// Labels that a closure looks up; made by [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<'a, F> {
    look_up: F,
    values: PhantomData<&'a str>,
}

/// Labels that a closure looks up, for items whose labels are in no map of their own.
///
/// # Example
///
/// An endpoint inherits the labels of its profile; its own come first.
///
/// ```
/// use std::collections::BTreeMap;
/// use tortie_selector::{Selector, from_fn};
///
/// let own = BTreeMap::from([("app", "web")]);
/// let profile = BTreeMap::from([("app", "none"), ("team", "blue")]);
/// let both = from_fn(|name| own.get(name).or_else(|| profile.get(name)).copied());
/// assert!(Selector::parse("app == 'web' && team == 'blue'")?.matches(&both));
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
pub const fn from_fn<'a, F: Fn(&str) -> Option<&'a str>>(look_up: F) -> FromFn<'a, F> {
    FromFn { look_up, values: PhantomData }
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Labels for FromFn<'a, F> {
    fn value(&self, name: &str) -> Option<&str> {
        (self.look_up)(name)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn check<L: Labels + ?Sized>(labels: &L) {
        assert_eq!(labels.value("a"), Some("1"));
        assert_eq!(labels.value("b"), Some(""));
        assert_eq!(labels.value("c"), None);
        assert_eq!(labels.value(""), None);
    }

    #[test]
    fn every_container_looks_up_the_same() {
        let pairs = [("a", "1"), ("b", "")];
        let owned = pairs.map(|(k, v)| (String::from(k), String::from(v)));
        check(&BTreeMap::from(pairs));
        check(&BTreeMap::from(owned.clone()));
        check(&hashbrown::HashMap::<_, _>::from(pairs));
        check(&hashbrown::HashMap::<String, String>::from(owned.clone()));
        #[cfg(feature = "std")]
        check(&std::collections::HashMap::from(owned.clone()));
        check(&pairs);
        check(pairs.as_slice());
        check(&owned);
        check(&SortedPairs::new(&pairs).unwrap());
        check(&from_fn(|name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| *v)));
        check::<dyn Labels>(&BTreeMap::from(pairs));
        check(&&&pairs);
        assert_eq!(().value("a"), None);
    }

    #[test]
    fn order_is_checked_and_the_first_of_two_counts() {
        assert!(SortedPairs::new(&[("a", "1"), ("a", "2")]).is_none());
        assert!(SortedPairs::<&str, &str>::new(&[]).is_some());
        assert_eq!([("a", "1"), ("a", "2")].value("a"), Some("1"));
    }
}
