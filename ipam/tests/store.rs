//! Stores that are proven, and stores with a defect that must be seen.

#![expect(clippy::unwrap_used, reason = "a test")]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tortie_ipam::testing::{Budget, Command, Node, Scenario, prove_store};
use tortie_ipam::{
    ErasedStore, ListOptions, MemoryStore, Op, Pool, Revision, Store, StoreError, Versioned, View, block_on,
};

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Sound, but commits one key at a time.
    Single,
    IgnoresRevisionOnUpdate,
    IgnoresRevisionOnDelete,
    CreatesOver,
    /// Does the parts of a commit that it can.
    CommitsInPart,
    ForgetsChecks,
    ListsOneTooMany,
    ListsFromAfter,
    ListsValues,
    ListsUnsorted,
    /// The revision is that of the whole store, so every key changes with any.
    OneRevision,
    RevisionsRecur,
    /// Says after the first write that it cannot, and does it all the same.
    AnswersLate,
}

struct Defective {
    store: MemoryStore,
    wrong: Wrong,
    writes: AtomicU64,
    answered: AtomicBool,
}

impl Defective {
    fn new(wrong: Wrong) -> Self {
        let (writes, answered) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { store: MemoryStore::new(), wrong, writes, answered }
    }

    async fn current(&self, key: &str) -> Option<Revision> {
        self.store.get(key).await.unwrap().map(|found| found.revision)
    }

    /// What callers see of a revision.
    fn shown(&self, revision: Revision) -> Revision {
        match self.wrong {
            Wrong::OneRevision => Revision::new(self.writes.load(Ordering::Relaxed)),
            Wrong::RevisionsRecur => Revision::new(revision.get() % 3),
            _ => revision,
        }
    }

    /// What is meant by a revision that a caller was shown.
    async fn meant(&self, key: &str, expected: Revision) -> Revision {
        match self.current(key).await {
            Some(current) if self.shown(current) == expected => current,
            _ => expected,
        }
    }

    fn show(&self, mut item: Versioned) -> Versioned {
        item.revision = self.shown(item.revision);
        item
    }
}

impl Store for Defective {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.store.get(key).await?.map(|item| self.show(item)))
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        let mut options = options.clone();
        let after = options.after.clone();
        match self.wrong {
            Wrong::ListsOneTooMany => options.limit = options.limit.map(|limit| limit + 1),
            Wrong::ListsFromAfter => options.after = None,
            Wrong::ListsValues => options.keys_only = false,
            _ => {}
        }
        let mut found = self.store.list(prefix, &options).await?;
        match self.wrong {
            Wrong::ListsUnsorted => found.reverse(),
            Wrong::ListsFromAfter => {
                found.retain(|item| after.as_ref().is_none_or(|after| item.key >= *after))
            }
            _ => {}
        }
        Ok(found.into_iter().map(|item| self.show(item)).collect())
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        if let (Wrong::CreatesOver, Some(revision)) = (self.wrong, self.current(key).await) {
            return self.store.update(key, value, revision).await;
        }
        let revision = self.store.create(key, value).await?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.wrong == Wrong::AnswersLate && !self.answered.swap(true, Ordering::Relaxed) {
            return Err(StoreError::Conflict);
        }
        Ok(self.shown(revision))
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        let mut expected = self.meant(key, expected).await;
        if let (Wrong::IgnoresRevisionOnUpdate, Some(current)) = (self.wrong, self.current(key).await) {
            expected = current;
        }
        let revision = self.store.update(key, value, expected).await?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(self.shown(revision))
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        let mut expected = self.meant(key, expected).await;
        if let (Wrong::IgnoresRevisionOnDelete, Some(current)) = (self.wrong, self.current(key).await) {
            expected = current;
        }
        self.store.delete(key, expected).await
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        match self.wrong {
            Wrong::Single => return Err(StoreError::Unsupported),
            Wrong::CommitsInPart => {
                let mut last = Err(StoreError::Conflict);
                for op in ops {
                    last = self.store.commit(core::slice::from_ref(op)).await;
                }
                return last;
            }
            Wrong::ForgetsChecks => {
                let ops: Vec<Op> = ops.iter().filter(|op| !matches!(op, Op::Check { .. })).cloned().collect();
                return self.store.commit(&ops).await;
            }
            _ => {}
        }
        let mut meant = ops.to_vec();
        for op in &mut meant {
            if let Op::Update { key, revision, .. }
            | Op::Delete { key, revision }
            | Op::Check { key, revision: Some(revision) } = op
            {
                *revision = self.meant(key, *revision).await;
            }
        }
        let revision = self.store.commit(&meant).await?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(self.shown(revision))
    }
}

#[test]
fn sound_stores_are_proven() {
    for (wrong, commits) in [(Wrong::Nothing, true), (Wrong::Single, false)] {
        let store = Defective::new(wrong);
        let proof = block_on(prove_store(&store)).unwrap();
        println!("{wrong:?}: {proof:?}");
        assert_eq!(proof.commits, commits);
        assert!(proof.operations > 5_000 && proof.ways > 200, "{proof:?}");
        assert!(store.store.is_empty());
    }
    let erased = ErasedStore::new(MemoryStore::new());
    assert!(block_on(prove_store(&erased)).unwrap().commits);
}

#[test]
fn every_defect_is_seen() {
    for wrong in [
        Wrong::IgnoresRevisionOnUpdate,
        Wrong::IgnoresRevisionOnDelete,
        Wrong::CreatesOver,
        Wrong::CommitsInPart,
        Wrong::ForgetsChecks,
        Wrong::ListsOneTooMany,
        Wrong::ListsFromAfter,
        Wrong::ListsValues,
        Wrong::ListsUnsorted,
        Wrong::OneRevision,
        Wrong::RevisionsRecur,
        Wrong::AnswersLate,
    ] {
        let violation = block_on(prove_store(&Defective::new(wrong))).unwrap_err();
        println!("{wrong:?}: {}", violation.what);
    }
}

#[test]
fn a_store_in_use_is_left_alone() {
    let store = MemoryStore::new();
    block_on(store.create("/calico/ipam/v2/config", b"{}")).unwrap();
    assert!(block_on(prove_store(&store)).unwrap_err().what.contains("in use"));
    assert_eq!(store.len(), 1);
}

/// Ways with crashes and lost replies, on a store of one's own.
#[test]
fn a_scenario_is_replayed() {
    let view = View::new([Pool::new("p", "10.0.0.0/30".parse().unwrap()).block_len(31)]);
    let pod = |handle: &str| [Command::Add(handle.into()), Command::Del(handle.into())];
    let budget = Budget { crashes: 1, losses: 1, switches: Some(1), ..Budget::default() };
    let nodes = [Node::new("a", pod("a1")), Node::new("b", pod("b1"))];
    let scenario =
        Scenario::new(view, nodes).after(&[Node::new("a", [Command::Add("a0".into())])]).budget(budget);
    let (operations, ways) = block_on(scenario.replay(&MemoryStore::new())).unwrap();
    println!("{operations} operations, {ways} ways");
    assert!(operations > ways && ways > 100);
    let lax = Defective::new(Wrong::IgnoresRevisionOnDelete);
    assert!(block_on(scenario.commits(false).replay(&lax)).is_err());
}
