//! One allocation for equal attributes.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use super::PathAttributes;

/// All attributes in use. A tree, not a hash table: peers choose what goes in.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    known: BTreeSet<Arc<PathAttributes>>,
    sweep_at: usize,
}

impl Interner {
    /// Least number of entries worth a sweep.
    const MIN: usize = 64;

    /// The shared copy of these attributes.
    ///
    /// What nobody else holds is dropped each time the set has doubled: amortised, that costs nothing.
    pub(crate) fn intern(&mut self, attributes: PathAttributes) -> Arc<PathAttributes> {
        if let Some(known) = self.known.get(&attributes) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at.max(Self::MIN) {
            self.known.retain(|attributes| Arc::strong_count(attributes) > 1);
            self.sweep_at = self.known.len().saturating_mul(2);
        }
        let attributes = Arc::new(attributes);
        self.known.insert(Arc::clone(&attributes));
        attributes
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn with_med(med: u32) -> PathAttributes {
        PathAttributes { med: Some(med), ..PathAttributes::default() }
    }

    #[test]
    fn equal_attributes_are_one_and_unused_ones_go() {
        let mut interner = Interner::default();
        let kept: Vec<_> = (0..10).map(|i| interner.intern(with_med(i))).collect();
        for i in 0..10_000 {
            interner.intern(with_med(i));
        }
        assert!(interner.known.len() <= 2 * Interner::MIN, "{}", interner.known.len());
        for (i, attributes) in (0..).zip(&kept) {
            assert!(Arc::ptr_eq(attributes, &interner.intern(with_med(i))));
        }
    }
}
