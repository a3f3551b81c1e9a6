//! A store held against its contract, and made to go every way of small scenarios.

use core::pin::Pin;
use core::task::Poll;
use std::collections::{BTreeMap, BTreeSet};

use super::explore::{Chance, Explorer, Step};
use super::scenario::{Command, Node, Scenario};
use super::store::{Call, Contents, Reply};
use super::{Budget, Violation};
use crate::keys;
use crate::pool::{Pool, View};
use crate::store::{ListOptions, Op, Revision, Store, StoreError, Versioned};

/// What a store was seen to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// Whether it commits several keys at once.
    pub commits: bool,
    /// Operations whose answer was the one that the contract demands.
    pub operations: usize,
    /// Ways of small scenarios that it went from beginning to end.
    pub ways: usize,
}

/// Operations drawn by chance.
const DRAWN: usize = 1_000;
/// Counters that count at once, and how far each.
const COUNTERS: usize = 8;
const COUNTS: usize = 20;

/// Holds a store against the contract of [`Store`], and makes it go every way of two small scenarios of two nodes.
///
/// First, operations drawn by chance on a few keys, each compared with what a map would say: what create, update,
/// delete and commit refuse, what lists leave out, that no revision of a key comes twice. Then several that count up
/// one key at once. Then the scenarios, once more for each way in which their operations can follow each other.
///
/// The store must have no key under [`ROOT`](crate::keys::ROOT), and has none afterwards: **never give it a store that
/// is in use**. How long it takes is the store's: some ten thousand operations.
///
/// # Errors
/// [`Violation`]: what the store did that it must not do, and the operations before.
///
/// # Example
///
/// ```
/// use tortie_ipam::{MemoryStore, block_on, testing::prove_store};
///
/// let proof = block_on(prove_store(&MemoryStore::new()))?;
/// assert!(proof.commits && proof.ways > 100);
/// # Ok::<(), tortie_ipam::testing::Violation>(())
/// ```
pub async fn prove_store<S: Store>(store: &S) -> Result<Proof, Violation> {
    let found = store.list(keys::ROOT, &ListOptions::new().keys_only().limit(1)).await;
    if let Some(item) = found.map_err(|error| failed(&error))?.first() {
        let what = format!("the store is in use: it has {}; give one that is empty", item.key);
        return Err(Violation { what, trace: Vec::new() });
    }
    let mut proof = contract(store).await?;
    clear(store).await?;
    count(store).await?;
    clear(store).await?;
    let net = |text: &str| text.parse().expect("a prefix");
    let view = |pool: &str| View::new([Pool::new("p", net(pool)).block_len(31)]);
    let (add, del) = (|handle: &str| Command::Add(handle.into()), |handle: &str| Command::Del(handle.into()));
    for (pool, a, b) in [
        ("10.0.0.0/30", vec![add("a1"), del("a1")], vec![add("b1")]),
        ("10.0.0.0/31", vec![add("a1"), Command::Uninstall], vec![add("b1"), del("b1")]),
    ] {
        let nodes = [Node::new("a", a).tries(8, 4), Node::new("b", b).tries(8, 4)];
        let scenario = Scenario::new(view(pool), nodes).commits(proof.commits);
        let scenario = scenario.budget(Budget { switches: Some(3), ..Budget::default() });
        let (operations, ways) = scenario.replay(store).await?;
        proof.operations += operations;
        proof.ways += ways;
    }
    Ok(proof)
}

fn failed(error: &StoreError) -> Violation {
    Violation { what: format!("the store failed: {}", said(error)), trace: Vec::new() }
}

/// An error with its cause.
fn said(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(cause) => format!("{error}: {cause}"),
        other => other.to_string(),
    }
}

async fn clear<S: Store>(store: &S) -> Result<(), Violation> {
    let found = store.list(keys::ROOT, &ListOptions::new().keys_only()).await;
    for item in found.map_err(|error| failed(&error))? {
        store.delete(&item.key, item.revision).await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// What a store has, as the operations so far make it.
#[derive(Default)]
struct Twin {
    keys: BTreeMap<String, (Vec<u8>, Revision)>,
    /// Every revision that a key has had.
    had: BTreeMap<String, BTreeSet<Revision>>,
    trace: Vec<String>,
}

impl Twin {
    fn expect(&self, op: &Op) -> Result<(), StoreError> {
        let found = self.keys.get(op.key()).map(|found| found.1);
        match (op, found) {
            (Op::Create { .. }, Some(_)) => Err(StoreError::AlreadyExists),
            (Op::Update { .. } | Op::Delete { .. }, None) => Err(StoreError::NotFound),
            (Op::Update { revision, .. } | Op::Delete { revision, .. }, Some(found))
                if *revision != found =>
            {
                Err(StoreError::Conflict)
            }
            (Op::Check { revision, .. }, found) if *revision != found => Err(StoreError::Conflict),
            _ => Ok(()),
        }
    }

    /// Notes what was written; an error if the revision is not new.
    fn apply(&mut self, op: &Op, now: Option<Revision>) -> Result<(), String> {
        let (Op::Create { key, value } | Op::Update { key, value, .. }) = op else {
            if let Op::Delete { key, .. } = op {
                self.keys.remove(key);
            }
            return Ok(());
        };
        let Some(now) = now else { return Err(String::from("a write gave no revision")) };
        if !self.had.entry(key.clone()).or_default().insert(now) {
            return Err(format!("the revision {now} of {key} comes again"));
        }
        self.keys.insert(key.clone(), (value.clone(), now));
        Ok(())
    }

    fn list(&self, prefix: &str, options: &ListOptions) -> Vec<Versioned> {
        let after = options.after.as_deref().unwrap_or("");
        self.keys
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
            .take(options.limit.unwrap_or(usize::MAX))
            .map(|(key, (value, revision))| Versioned {
                key: key.clone(),
                value: if options.keys_only { Vec::new() } else { value.clone() },
                revision: *revision,
            })
            .collect()
    }

    fn violation(&self, what: impl Into<String>) -> Violation {
        let last = self.trace.len().saturating_sub(30);
        Violation { what: what.into(), trace: self.trace[last..].to_vec() }
    }
}

/// Operations by chance, each beside what a map would answer.
async fn contract<S: Store>(store: &S) -> Result<Proof, Violation> {
    let names: Vec<String> = ["handle/a", "handle/a/b", "handle/ab", "handle/b"]
        .map(|name| format!("{}{name}", keys::ROOT))
        .into();
    let (mut twin, mut chance) = (Twin::default(), Chance(1));
    let mut proof = Proof { commits: true, ..Proof::default() };
    let mut unsupported = 0;
    for turn in 0..DRAWN {
        let op = |key: &String, chance: &mut Chance| {
            let key = key.clone();
            let value = format!("{{\"turn\":{turn}}}").into_bytes();
            // Mostly what succeeds; else a revision that the key had, or never had.
            let present = twin.keys.get(&key).map(|found| found.1);
            let had = twin.had.get(&key).and_then(|had| had.iter().nth(chance.below(had.len())).copied());
            let revision = match (chance.below(4), present, had) {
                (1.., Some(present), _) => present,
                (_, _, Some(had)) => had,
                _ => Revision::new(u64::from(u32::MAX)),
            };
            match chance.below(4) {
                0 => Op::Create { key, value },
                1 => Op::Delete { key, revision },
                2 if chance.below(2) == 0 => {
                    Op::Check { key, revision: present.filter(|_| chance.below(4) > 0) }
                }
                _ if present.is_none() && chance.below(2) == 0 => Op::Create { key, value },
                _ => Op::Update { key, value, revision },
            }
        };
        if turn % 3 == 2 {
            let ops: Vec<Op> = names
                .iter()
                .filter(|_| chance.below(2) == 0)
                .collect::<Vec<_>>()
                .into_iter()
                .map(|key| op(key, &mut chance))
                .collect();
            if ops.len() < 2 {
                continue;
            }
            let got = store.commit(&ops).await;
            twin.trace.push(format!("{} -> {}", Call::Commit(ops.clone()), answer(&got)));
            if matches!(got, Err(StoreError::Unsupported)) {
                unsupported += 1;
                proof.commits = false;
            } else {
                let wanted = ops.iter().try_for_each(|op| twin.expect(op));
                match (got, wanted) {
                    (Ok(now), Ok(())) => {
                        for op in &ops {
                            twin.apply(op, Some(now)).map_err(|what| twin.violation(what))?;
                        }
                    }
                    // Which part a store names first is no matter.
                    (Err(got), Err(_)) if got.is_conflict() => {}
                    (_, wanted) => return Err(twin.violation(format!("a commit must answer {wanted:?}"))),
                }
                if unsupported > 0 {
                    return Err(twin.violation("a commit was unsupported before, and is not now"));
                }
            }
        } else {
            let key = &names[chance.below(names.len())];
            let op = op(key, &mut chance);
            let got = match &op {
                Op::Create { key, value } => store.create(key, value).await.map(Some),
                Op::Update { key, value, revision } => store.update(key, value, *revision).await.map(Some),
                Op::Delete { key, revision } => store.delete(key, *revision).await.map(|()| None),
                Op::Check { .. } => continue,
            };
            twin.trace.push(format!("{} -> {}", Call::Write(op.clone()), answer(&got)));
            let wanted = twin.expect(&op);
            match (got, wanted) {
                (Ok(now), Ok(())) => twin.apply(&op, now).map_err(|what| twin.violation(what))?,
                (Err(got), Err(wanted)) if got == wanted => {}
                (_, wanted) => return Err(twin.violation(format!("the answer must be {wanted:?}"))),
            }
        }
        proof.operations += 1 + look(store, &mut twin, &names, &mut chance).await?;
    }
    Ok(proof)
}

/// Reads a key and a list, and compares.
async fn look<S: Store>(
    store: &S,
    twin: &mut Twin,
    names: &[String],
    chance: &mut Chance,
) -> Result<usize, Violation> {
    let key = &names[chance.below(names.len())];
    let got = store.get(key).await.map_err(|error| failed(&error))?;
    let wanted = twin.keys.get(key);
    let item = |(value, revision): &(Vec<u8>, Revision)| Versioned {
        key: key.clone(),
        value: value.clone(),
        revision: *revision,
    };
    if got != wanted.map(item) {
        return Err(twin.violation(format!("get {key} gives {got:?}, not {wanted:?}")));
    }
    let mut options = ListOptions::new();
    if chance.below(2) == 0 {
        options = options.keys_only();
    }
    if chance.below(2) == 0 {
        options = options.limit(1 + chance.below(3));
    }
    if chance.below(2) == 0 {
        options = options.after(&names[chance.below(names.len())]);
    }
    let prefix = &names[chance.below(names.len())];
    let prefix = if chance.below(2) == 0 { keys::ROOT } else { prefix };
    let got = store.list(prefix, &options).await.map_err(|error| failed(&error))?;
    let wanted = twin.list(prefix, &options);
    if got != wanted {
        return Err(twin.violation(format!("list {prefix} {options:?} gives {got:?}, not {wanted:?}")));
    }
    Ok(2)
}

fn answer<T>(got: &Result<T, StoreError>) -> String {
    got.as_ref().map_or_else(said, |_| String::from("done"))
}

/// Several that count up one key at once: none is lost.
async fn count<S: Store>(store: &S) -> Result<(), Violation> {
    let key = format!("{}counter", keys::HANDLES);
    store.create(&key, b"0").await.map_err(|error| failed(&error))?;
    let number = |value: &[u8]| String::from_utf8_lossy(value).parse::<usize>().unwrap_or(0);
    let counter = || async {
        let mut counted = 0;
        while counted < COUNTS {
            let Some(found) = store.get(&key).await? else { return Err(StoreError::NotFound) };
            let next = (number(&found.value) + 1).to_string();
            match store.update(&key, next.as_bytes(), found.revision).await {
                Ok(_) => counted += 1,
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    type Counting<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
    let mut counters: Vec<Counting<'_>> = Vec::new();
    for _ in 0..COUNTERS {
        counters.push(Box::pin(counter()));
    }
    core::future::poll_fn(|context| {
        let mut wrong = None;
        counters.retain_mut(|counter| match counter.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                wrong = wrong.take().or_else(|| result.err());
                false
            }
        });
        match wrong {
            Some(error) => Poll::Ready(Err(failed(&error))),
            None if counters.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await?;
    let found = store.get(&key).await.map_err(|error| failed(&error))?;
    let counted = found.map_or(0, |found| number(&found.value));
    if counted == COUNTERS * COUNTS {
        return Ok(());
    }
    let what = format!("of {} updates at once, {counted} are seen", COUNTERS * COUNTS);
    Err(Violation { what, trace: Vec::new() })
}

/// One step of a way: whether its call is done, which, and what the answer must be.
type Way = Vec<(bool, u32, Option<Reply>)>;

impl Scenario {
    /// Goes every way of the scenario on a store, from the beginning to the end or to where another way went on, and
    /// compares each answer with that of the explorer's own store. Gives the operations and the ways.
    ///
    /// What is lost is not done, or its answer not looked at; [`Budget::delays`] and [`Budget::stale`] do not apply. The
    /// store must be as [`prove_store`] says; [`initial`](Self::initial) is written before each way.
    ///
    /// # Errors
    /// [`Violation`]: an answer that is another.
    pub async fn replay<S: Store>(&self, store: &S) -> Result<(usize, usize), Violation> {
        let mut ways: Vec<Way> = Vec::new();
        let (programs, rules) = (self.programs(), self.rules());
        let budget = Budget { delays: 0, stale: 0, ..self.budget };
        let mut explorer = Explorer::new(&programs, Contents::new(self.commits, self.defect), budget, &rules);
        explorer.run(
            &self.initial,
            self.limit,
            Some(&mut |done| {
                let step = |done: &super::explore::Done| match done.step {
                    Step::Run(_) => Some((true, done.call?, done.reply.clone())),
                    Step::ReplyLost(_) => Some((true, done.call?, None)),
                    _ => Some((false, done.call?, None)),
                };
                ways.push(done.iter().filter_map(step).collect());
            }),
        )?;
        let mut operations = 0;
        for way in &ways {
            clear(store).await?;
            let mut follower =
                Follower { contents: &explorer.contents, revisions: BTreeMap::new(), trace: Vec::new() };
            for (key, value) in &self.initial {
                let revision = store.create(key, value).await.map_err(|error| failed(&error))?;
                follower.revisions.insert((key.clone(), 1), revision);
            }
            for (does, call, wanted) in way {
                if *does {
                    follower.follow(store, explorer.contents.call(*call), wanted.as_ref()).await?;
                    operations += 1;
                }
            }
        }
        clear(store).await?;
        Ok((operations, ways.len()))
    }
}

/// A store that goes the explorer's way: under other revisions.
struct Follower<'a> {
    contents: &'a Contents,
    revisions: BTreeMap<(String, u64), Revision>,
    trace: Vec<String>,
}

impl Follower<'_> {
    /// The store's revision for one of the explorer's.
    fn real(&self, key: &str, revision: Revision) -> Revision {
        let known = self.revisions.get(&(key.to_string(), revision.get()));
        known.copied().unwrap_or_else(|| Revision::new(u64::from(u32::MAX)))
    }

    fn translate(&self, op: &Op) -> Op {
        let mut op = op.clone();
        match &mut op {
            Op::Create { .. } => {}
            Op::Update { key, revision, .. } | Op::Delete { key, revision } => {
                *revision = self.real(key, *revision)
            }
            Op::Check { key, revision } => *revision = revision.map(|revision| self.real(key, revision)),
        }
        op
    }

    async fn follow<S: Store>(
        &mut self,
        store: &S,
        call: &Call,
        wanted: Option<&Reply>,
    ) -> Result<(), Violation> {
        self.trace.push(call.to_string());
        let result = match call {
            Call::Get(key) => store.get(key).await.map(|found| found.into_iter().collect()),
            Call::List(prefix, options) => store.list(prefix, options).await,
            Call::Write(op) => {
                let written = match self.translate(op) {
                    Op::Create { key, value } => store.create(&key, &value).await.map(Some),
                    Op::Update { key, value, revision } => {
                        store.update(&key, &value, revision).await.map(Some)
                    }
                    Op::Delete { key, revision } => store.delete(&key, revision).await.map(|()| None),
                    Op::Check { .. } => Ok(None),
                };
                return self.written(written, wanted, core::slice::from_ref(op));
            }
            Call::Commit(ops) => {
                let translated: Vec<Op> = ops.iter().map(|op| self.translate(op)).collect();
                let written = store.commit(&translated).await.map(Some);
                return self.written(written, wanted, ops);
            }
        };
        let found = result.map_err(|error| failed(&error))?;
        let Some(Reply::Found(items)) = wanted else { return Ok(()) };
        let wanted = self.contents.versioned(items);
        let same = found.len() == wanted.len()
            && found
                .iter()
                .zip(&wanted)
                .all(|(found, wanted)| (&found.key, &found.value) == (&wanted.key, &wanted.value));
        if !same {
            return Err(self.violation(format!("found {found:?}, not {wanted:?}")));
        }
        for (found, wanted) in found.into_iter().zip(wanted) {
            self.revisions.insert((wanted.key, wanted.revision.get()), found.revision);
        }
        Ok(())
    }

    fn written(
        &mut self,
        got: Result<Option<Revision>, StoreError>,
        wanted: Option<&Reply>,
        ops: &[Op],
    ) -> Result<(), Violation> {
        match (got, wanted) {
            (Ok(now), Some(Reply::Written(revision))) => {
                for op in ops {
                    if let (Some(now), Op::Create { key, .. } | Op::Update { key, .. }) = (now, op) {
                        self.revisions.insert((key.clone(), u64::from(*revision)), now);
                    }
                }
                Ok(())
            }
            // Nobody was told: the write was applied or refused.
            (Ok(_), None) => Ok(()),
            (Err(error), None) if error.is_conflict() || error == StoreError::Unsupported => Ok(()),
            (Err(error), Some(reply)) if reply.error().as_ref() == Some(&error) => Ok(()),
            // Which part of a commit a store names first is no matter.
            (Err(error), Some(reply))
                if ops.len() > 1
                    && error.is_conflict()
                    && reply.error().is_some_and(|wanted| wanted.is_conflict()) =>
            {
                Ok(())
            }
            (got, wanted) => Err(self.violation(format!("answered {}, not {wanted:?}", answer(&got)))),
        }
    }

    fn violation(&self, what: String) -> Violation {
        Violation { what, trace: self.trace.clone() }
    }
}
