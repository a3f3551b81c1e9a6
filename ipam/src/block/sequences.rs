//! The sequence numbers at which ordinals were assigned.

use alloc::vec::Vec;

use super::MAX_HOST_BITS;

/// The sequence numbers at which ordinals were assigned, by ordinal.
///
/// Stored as an object whose keys are the ordinals as text, sorted as text. What is no ordinal of any block is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequences {
    by_ordinal: Vec<Option<u64>>,
    /// There were never any, and it was read so: `null`, not `{}`.
    null: bool,
}

impl Sequences {
    /// What is read from `null`.
    pub(super) const fn null() -> Self {
        Self { by_ordinal: Vec::new(), null: true }
    }

    pub(super) const fn is_null(&self) -> bool {
        self.null
    }

    pub(super) fn get(&self, ordinal: u32) -> Option<u64> {
        *self.by_ordinal.get(usize::try_from(ordinal).ok()?)?
    }

    pub(super) fn insert(&mut self, ordinal: u32, sequence: u64) {
        self.null = false;
        let Ok(at) = usize::try_from(ordinal) else { return };
        if at >= self.by_ordinal.len() && at < 1 << MAX_HOST_BITS {
            self.by_ordinal.resize(at + 1, None);
        }
        if let Some(slot) = self.by_ordinal.get_mut(at) {
            *slot = Some(sequence);
        }
    }

    pub(super) fn remove(&mut self, ordinal: u32) {
        if let Some(slot) = usize::try_from(ordinal).ok().and_then(|at| self.by_ordinal.get_mut(at)) {
            *slot = None;
        }
        while self.by_ordinal.last() == Some(&None) {
            self.by_ordinal.pop();
        }
    }

    /// Forgets those at which nothing is assigned.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (at, slot) in self.by_ordinal.iter_mut().enumerate() {
            if slot.is_some() && !keep(at) {
                *slot = None;
            }
        }
        self.remove(u32::MAX);
    }

    /// Ordinal and sequence number, in the order of the ordinals' decimal digits.
    pub(super) fn in_order_of_text(&self) -> impl Iterator<Item = (u32, u64)> {
        let end = u32::try_from(self.by_ordinal.len()).unwrap_or(u32::MAX);
        let ordinals = core::iter::successors((end > 0).then_some(0), move |ordinal| after(*ordinal, end));
        ordinals.filter_map(|ordinal| Some((ordinal, self.get(ordinal)?)))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_ordinal.iter().flatten().count()
    }
}

/// The number below `end` whose digits come next in the order of text.
fn after(number: u32, end: u32) -> Option<u32> {
    // Longer ones with the same beginning come first.
    let longer = number.saturating_mul(10);
    if number > 0 && longer < end {
        return Some(longer);
    }
    let mut number = number;
    // Behind nine, and behind the last, the digit before counts on.
    while number % 10 == 9 || number + 1 >= end {
        number /= 10;
        if number == 0 {
            return None;
        }
    }
    Some(number + 1)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    /// The twin: sort the texts.
    #[test]
    fn the_order_is_that_of_the_texts() {
        for end in (0..300).chain([999, 1000, 1001, 4096, 65_536]) {
            let mut sequences = Sequences::default();
            for ordinal in 0..end {
                sequences.insert(ordinal, u64::from(ordinal) + 7);
            }
            let mut want: Vec<(u32, u64)> =
                (0..end).map(|ordinal| (ordinal, u64::from(ordinal) + 7)).collect();
            want.sort_by_key(|(ordinal, _)| ordinal.to_string());
            assert_eq!(sequences.in_order_of_text().collect::<Vec<_>>(), want, "below {end}");
        }
    }
}
