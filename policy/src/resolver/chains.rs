//! Chains that are in use, each compiled once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::compile::Rules;
use crate::key::Owner;
use crate::program::{Chain, ChainKey, TierKey};

#[derive(Clone, Debug, Default)]
pub(super) struct Chains {
    rows: BTreeMap<ChainKey, Row>,
    compiled: u64,
}

#[derive(Clone, Debug)]
struct Row {
    chain: Arc<Chain>,
    /// How many chains and interfaces lead to it.
    uses: usize,
}

/// What a flush has to say about chains.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Chains that are new or have changed, what they lead to before them if it is new.
    pub(super) changed: Vec<(ChainKey, Arc<Chain>)>,
    /// Those that were looked at.
    seen: BTreeSet<ChainKey>,
    /// Uses that end with this turn. Only then, so that nothing is made anew that was there.
    ended: Vec<ChainKey>,
    /// What is not as it was.
    dirty: Dirty,
}

/// What is not as it was when the chains were compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirty {
    pub(super) owners: BTreeSet<Owner>,
    pub(super) failsafe: bool,
}

impl Dirty {
    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty() && !self.failsafe
    }

    /// Whether the chain with this key may not be what it was.
    fn concerns(&self, key: &ChainKey) -> bool {
        let has = |owner| self.owners.contains(&owner);
        let profile = |name: &Arc<str>| has(Owner::Profile(Arc::clone(name)));
        let tier = |key: &TierKey| key.policies.iter().any(|policy| has(Owner::Policy(Arc::clone(policy))));
        match key {
            ChainKey::Policy { policy, .. } => has(Owner::Policy(Arc::clone(policy))),
            ChainKey::Profile { profile: name, .. } => profile(name),
            ChainKey::Tier(key) => tier(key),
            ChainKey::Profiles(key) => key.profiles.iter().any(profile),
            ChainKey::List(key) => key.tiers.iter().any(|key| tier(key)),
            ChainKey::Failsafe { .. } => self.failsafe,
        }
    }
}

impl Turn {
    pub(super) fn new(dirty: Dirty) -> Self {
        Self { dirty, ..Self::default() }
    }

    /// A use of this chain ends.
    pub(super) fn end(&mut self, key: ChainKey) {
        self.ended.push(key);
    }
}

impl Chains {
    /// How many chains have been compiled so far.
    pub(super) const fn compiled(&self) -> u64 {
        self.compiled
    }

    /// How many chains there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// One use more of this chain. It is made if it is not there, and so are those that it leads to.
    pub(super) fn hold(&mut self, rules: &Rules, key: &ChainKey, turn: &mut Turn) {
        if let Some(row) = self.rows.get_mut(key) {
            row.uses += 1;
        } else {
            let chain = self.compile(rules, key);
            // No chain is nested deeper than `Program::MAX_DEPTH`.
            for next in chain.targets() {
                self.hold(rules, next, turn);
            }
            self.rows.insert(key.clone(), Row { chain: Arc::clone(&chain), uses: 1 });
            turn.seen.insert(key.clone());
            turn.changed.push((key.clone(), chain));
        }
        self.refresh(rules, key, turn);
    }

    /// Compiles what is not as it was of a chain that is there and of those that it leads to.
    fn refresh(&mut self, rules: &Rules, key: &ChainKey, turn: &mut Turn) {
        if turn.dirty.is_empty() || !turn.dirty.concerns(key) && !matches!(key, ChainKey::List(_)) {
            return;
        }
        if !turn.seen.insert(key.clone()) {
            return;
        }
        let Some(row) = self.rows.get(key) else { return };
        let mut chain = Arc::clone(&row.chain);
        if turn.dirty.concerns(key) {
            let compiled = self.compile(rules, key);
            if *compiled != *chain {
                for next in compiled.targets() {
                    self.hold(rules, next, turn);
                }
                turn.ended.extend(chain.targets().cloned());
                if let Some(row) = self.rows.get_mut(key) {
                    row.chain = Arc::clone(&compiled);
                }
                turn.changed.push((key.clone(), Arc::clone(&compiled)));
                chain = compiled;
            }
        }
        for next in chain.targets() {
            self.refresh(rules, next, turn);
        }
    }

    fn compile(&mut self, rules: &Rules, key: &ChainKey) -> Arc<Chain> {
        self.compiled += 1;
        Arc::new(rules.chain(key))
    }

    /// Ends uses. The answer is which chains changed, and which are there no more, each before those that it leads to.
    pub(super) fn finish(&mut self, turn: Turn) -> (Vec<(ChainKey, Arc<Chain>)>, Vec<ChainKey>) {
        let mut ended = turn.ended;
        let mut removed = Vec::new();
        while let Some(key) = ended.pop() {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            row.uses -= 1;
            if row.uses == 0 {
                if let Some(row) = self.rows.remove(&key) {
                    ended.extend(row.chain.targets().cloned());
                }
                removed.push(key);
            }
        }
        (turn.changed, removed)
    }
}
