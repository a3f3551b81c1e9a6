//! Which IP versions the sets of policy have members of.
//!
//! Of one that none has members of, nothing is laid out: to the kernel, each rule costs time whenever a rule of its table changes,
//! and each set whenever one is looked for. Of one that some have members of, all sets are laid out, so that the first member
//! of a set is an element and changes no rule.

use super::Ruleset;
use super::set::SetState;
use crate::rule::Family;
use crate::set::SetId;

/// How many sets of policy have members of each family.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Families {
    v4: usize,
    v6: usize,
}

/// Whether there are members of each family, in the order of [`Family::ALL`].
pub(super) type Has = [bool; 2];

impl Families {
    /// Of which there are some.
    const fn in_use(self) -> Has {
        [self.v4 > 0, self.v6 > 0]
    }

    /// Whether some set has members of this one; else none has parts of it.
    pub(super) const fn has(self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4 > 0,
            Family::V6 => self.v6 > 0,
        }
    }

    fn count(&mut self, before: Has, after: Has) {
        for ((family, before), after) in Family::ALL.into_iter().zip(before).zip(after) {
            let count = if family == Family::V4 { &mut self.v4 } else { &mut self.v6 };
            *count = match (before, after) {
                (false, true) => count.saturating_add(1),
                (true, false) => count.saturating_sub(1),
                _ => *count,
            };
        }
    }
}

impl Ruleset {
    /// The set has members of those families now, and had members of these before; if another family is in use by that, all others
    /// are laid out anew.
    pub(super) fn recount(&mut self, set: &SetId, before: Has, after: Has) {
        if matches!(set, SetId::Network(_)) {
            return;
        }
        let in_use = self.families.in_use();
        self.families.count(before, after);
        if self.families.in_use() != in_use {
            let in_use = self.families.in_use();
            for (set, state) in &mut self.sets {
                if state.lay(set, in_use) {
                    self.pending.relaid.insert(set.clone());
                    self.pending.sets.insert(set.clone());
                }
            }
        }
    }

    /// Changes the members of a set that is wished; whether there is one.
    pub(super) fn change_set(&mut self, set: &SetId, change: impl FnOnce(&mut SetState)) -> bool {
        let Some(state) = self.sets.get_mut(set) else { return false };
        let before = state.has();
        change(state);
        let after = state.has();
        self.recount(set, before, after);
        let in_use = self.families.in_use();
        if self.sets.get_mut(set).is_some_and(|state| state.lay(set, in_use)) {
            self.pending.relaid.insert(set.clone());
        }
        true
    }

    /// Wishes for this set, which is not among those that are wished.
    pub(super) fn put_set(&mut self, set: SetId, mut state: SetState) {
        self.recount(&set, [false; 2], state.has());
        // Of one that is new, nothing speaks yet but what is new too.
        if state.lay(&set, self.families.in_use()) && !state.held.is_empty() {
            self.pending.relaid.insert(set.clone());
        }
        self.sets.insert(set, state);
    }

    /// Wishes for this set no more.
    pub(super) fn take_out(&mut self, set: &SetId) -> Option<SetState> {
        let state = self.sets.remove(set)?;
        self.recount(set, state.has(), [false; 2]);
        Some(state)
    }
}
