//! Every way that programs can go on one store, or one of them by chance.
//!
//! The only await points of a program are its store operations. So all that can happen to it is the sequence of the
//! replies it gets, and its next operation is a function of that sequence: found once, by running the real async code
//! with those replies, and then remembered. What is explored is a graph of plain values: the keys of the store, and
//! how far each program is.
//!
//! States are fewer than they look, for what makes no difference is left out: a program that has done a command knows
//! of it only what outlives a crash, and a revision that no program under way knows is as good as the first.

use super::hash::{FastSet, fingerprint};
use super::rules::Rules;
use super::store::{Contents, Keys, Reply};
use super::task::{Local, Next, Program, Tasks};
use super::{Budget, Explored, Violation};

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    keys: Keys,
    /// How far each program is: a node of its history.
    tasks: Vec<u32>,
    /// An operation that is still under way, though nobody waits for it.
    ghost: Option<u32>,
    left: Budget,
    /// Who went last, where that counts.
    last: Option<usize>,
    /// The store before the last write, where reads may be stale.
    stale: Option<Keys>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start,
    /// The next operation of a program, and its reply.
    Run(usize),
    NotApplied(usize),
    ReplyLost(usize),
    UnderWay(usize),
    AppliedLate,
    Crash(usize),
    /// A read that does not see the last write.
    Stale(usize),
}

impl Step {
    const fn task(self) -> Option<usize> {
        match self {
            Self::Start | Self::AppliedLate => None,
            Self::Run(task)
            | Self::NotApplied(task)
            | Self::ReplyLost(task)
            | Self::UnderWay(task)
            | Self::Crash(task)
            | Self::Stale(task) => Some(task),
        }
    }
}

/// One step of a way, for whoever wants to go it too.
pub(super) struct Done {
    pub(super) step: Step,
    pub(super) call: Option<u32>,
    pub(super) reply: Option<Reply>,
}

/// Who is shown ways.
pub(super) type Each<'a> = &'a mut dyn FnMut(&[Done]);

pub(super) struct Explorer<'a> {
    rules: &'a Rules,
    budget: Budget,
    pub(super) contents: Contents,
    tasks: Tasks<'a>,
    /// Stores that were found in order, and stores whose end was.
    sound: FastSet<u128>,
    settled: FastSet<u128>,
}

/// How many of the last steps of a way by chance are told.
const TOLD: usize = 60;

impl<'a> Explorer<'a> {
    pub(super) fn new(programs: &'a [Program], contents: Contents, budget: Budget, rules: &'a Rules) -> Self {
        Self {
            rules,
            budget,
            contents,
            tasks: Tasks::new(programs),
            sound: FastSet::default(),
            settled: FastSet::default(),
        }
    }

    fn first(&mut self, initial: &[(String, Vec<u8>)]) -> State {
        let keys = self.contents.initial(initial);
        let programs = 0..self.tasks.len();
        let tasks =
            programs.map(|task| self.tasks.start(task, Local::default(), &mut self.contents)).collect();
        let stale = (self.budget.stale > 0).then(|| keys.clone());
        State { keys, tasks, ghost: None, left: self.budget, last: None, stale }
    }

    /// Visits every state from a store with these keys and values, but no more than `limit`.
    ///
    /// `each` is shown every way that ends, or that comes to where another way has been before.
    pub(super) fn run(
        &mut self,
        initial: &[(String, Vec<u8>)],
        limit: usize,
        mut each: Option<Each<'_>>,
    ) -> Result<Explored, Violation> {
        let first = self.first(initial);
        let mut explored = Explored { complete: true, ..Explored::default() };
        let mut seen: FastSet<u128> = FastSet::default();
        let mut path: Vec<(Step, State, Vec<Step>)> = Vec::new();
        let mut entering = Some((Step::Start, first, true));
        loop {
            if let Some((step, state, changed)) = entering.take() {
                explored.steps += 1;
                let is_new = seen.insert(fingerprint(&state));
                let next = if is_new { self.possible(&state) } else { Vec::new() };
                let is_end = next.is_empty();
                let before = path.last().map(|(_, before, _)| before.keys.clone()).filter(|_| changed);
                path.push((step, state, next));
                if let (true, Some(each)) = (is_end, each.as_mut()) {
                    each(&self.done(&path));
                }
                if is_new {
                    explored.ends += usize::from(is_end);
                    let wrong = path.last().and_then(|(_, state, _)| {
                        if changed { self.check(before.as_ref(), state).err() } else { None }
                    });
                    if let Some(what) = wrong {
                        return Err(Violation { what, trace: self.trace(&path) });
                    }
                    if seen.len() >= limit {
                        explored.complete = false;
                        break;
                    }
                } else {
                    path.pop();
                }
            }
            match path.last_mut() {
                None => break,
                Some((_, state, next)) => match next.pop() {
                    None => drop(path.pop()),
                    Some(step) => {
                        let mut state = state.clone();
                        let (_, changed) = self.step(&mut state, step);
                        entering = Some((step, state, changed));
                    }
                },
            }
        }
        explored.states = seen.len();
        explored.histories = self.tasks.histories();
        Ok(explored)
    }

    /// Goes one way, by chance, until nothing can happen any more: for scenarios with too many states. Gives its steps.
    pub(super) fn walk(&mut self, initial: &[(String, Vec<u8>)], seed: u64) -> Result<usize, Violation> {
        let mut state = self.first(initial);
        let mut told: std::collections::VecDeque<Done> = std::collections::VecDeque::new();
        let (mut chance, mut steps, mut before) = (Chance(seed), 0, None);
        let mut changed = true;
        loop {
            if changed {
                if let Err(what) = self.check(before.as_ref(), &state) {
                    let trace = told.iter().map(|done| self.tell(done)).collect();
                    return Err(Violation { what, trace });
                }
            }
            let possible = self.possible(&state);
            if possible.is_empty() {
                return Ok(steps);
            }
            // What goes wrong is rare, or all of it would happen at the start.
            let rare = possible.len() * 4;
            let runs: Vec<Step> =
                possible.iter().copied().filter(|step| matches!(step, Step::Run(_))).collect();
            let step = match possible.get(chance.below(rare * usize::from(self.budget.rarity.max(1)))) {
                Some(step) => *step,
                None if runs.is_empty() => possible[0],
                None => runs[chance.below(runs.len())],
            };
            let earlier = state.keys.clone();
            let done;
            (done, changed) = self.step(&mut state, step);
            before = Some(earlier);
            steps += 1;
            told.push_back(done);
            if told.len() > TOLD {
                told.pop_front();
            }
        }
    }

    fn check(&mut self, before: Option<&Keys>, state: &State) -> Result<(), String> {
        let store = fingerprint(&Values(&state.keys));
        if self.sound.insert(store) {
            self.rules.store(&self.contents, &state.keys)?;
        }
        let locals: Vec<&Local> = state.tasks.iter().map(|node| self.tasks.local(*node)).collect();
        if self.budget.stale == state.left.stale {
            if let Some(before) = before.filter(|before| **before != state.keys) {
                self.rules.between(&self.contents, before, &state.keys)?;
            }
        }
        self.rules.always(&self.contents, &state.keys, &locals)?;
        let ended = state.tasks.iter().all(|node| self.tasks.next(*node) == Next::Done);
        if ended && state.ghost.is_none() {
            let used = Budget {
                crashes: self.budget.crashes - state.left.crashes,
                losses: self.budget.losses - state.left.losses,
                delays: self.budget.delays - state.left.delays,
                stale: self.budget.stale - state.left.stale,
                ..Budget::default()
            };
            self.rules.at_end(&self.contents, &state.keys, &locals, used)?;
            if used.delays == 0 && used.stale == 0 && self.settled.insert(store) {
                self.rules.afterwards(&self.contents, &state.keys)?;
            }
        }
        Ok(())
    }

    /// What may happen in a state. The last is explored first.
    fn possible(&self, state: &State) -> Vec<Step> {
        let mut found = Vec::new();
        let under_way = |task: usize| matches!(self.tasks.next(state.tasks[task]), Next::Call(_));
        // Nobody else may go where there are no more switches, unless whoever went last is done.
        let only = state.last.filter(|last| state.left.switches == Some(0) && under_way(*last));
        for (task, node) in state.tasks.iter().enumerate() {
            let Next::Call(call) = self.tasks.next(*node) else { continue };
            if only.is_some_and(|only| only != task) {
                continue;
            }
            let writes = self.contents.call(call).is_write();
            // To die after a read is to die before it.
            if state.left.crashes > 0 && self.tasks.wrote(*node) {
                found.push(Step::Crash(task));
            }
            if state.left.delays > 0 && state.ghost.is_none() && writes {
                found.push(Step::UnderWay(task));
            }
            if state.left.losses > 0 {
                found.push(Step::NotApplied(task));
                if writes {
                    found.push(Step::ReplyLost(task));
                }
            }
            if state.left.stale > 0 && !writes {
                found.push(Step::Stale(task));
            }
            found.push(Step::Run(task));
        }
        if state.ghost.is_some() {
            found.push(Step::AppliedLate);
        }
        found
    }

    /// Takes a step; and whether the store or what outlives a crash has changed.
    fn step(&mut self, state: &mut State, step: Step) -> (Done, bool) {
        let before = step.task().map(|task| (task, state.tasks[task]));
        let call = before.and_then(|(_, node)| match self.tasks.next(node) {
            Next::Call(call) => Some(call),
            Next::Done => None,
        });
        if let (Some(task), Some(switches)) = (step.task(), state.left.switches.as_mut()) {
            let runs = |task: usize| matches!(self.tasks.next(state.tasks[task]), Next::Call(_));
            if state.last.is_some_and(|last| last != task && runs(last)) {
                *switches -= 1;
            }
            state.last = Some(task);
        }
        let mut wrote = matches!(step, Step::Start);
        let mut reply = None;
        let mut execute = |state: &mut State, call: u32| {
            if self.contents.call(call).is_write() {
                wrote = true;
                if state.stale.is_some() {
                    state.stale = Some(state.keys.clone());
                }
            }
            self.contents.execute(&mut state.keys, call)
        };
        match (step, call) {
            (Step::Run(_), Some(call)) => reply = Some(execute(state, call)),
            (Step::NotApplied(_), _) => {
                state.left.losses -= 1;
                reply = Some(Reply::Lost);
            }
            (Step::ReplyLost(_), Some(call)) => {
                state.left.losses -= 1;
                execute(state, call);
                reply = Some(Reply::Lost);
            }
            (Step::UnderWay(_), _) => {
                state.left.delays -= 1;
                state.ghost = call;
                reply = Some(Reply::Lost);
            }
            (Step::Stale(_), Some(call)) => {
                state.left.stale -= 1;
                let mut earlier = state.stale.take().unwrap_or_default();
                reply = Some(self.contents.execute(&mut earlier, call));
                state.stale = (state.left.stale > 0).then_some(earlier);
            }
            (Step::AppliedLate, _) => {
                if let Some(call) = state.ghost.take() {
                    execute(state, call);
                }
            }
            (Step::Crash(_), _) => state.left.crashes -= 1,
            (Step::Start | Step::Run(_) | Step::ReplyLost(_) | Step::Stale(_), _) => {}
        }
        let mut changed = wrote;
        if let Some((task, node)) = before {
            let after = match &reply {
                Some(reply) => self.tasks.after(node, reply.clone(), &mut self.contents),
                None => self.tasks.crash(node, &mut self.contents),
            };
            state.tasks[task] = after;
            changed |= self.tasks.local_id(after) != self.tasks.local_id(node)
                || self.tasks.next(after) == Next::Done;
        }
        let known = state.tasks.iter().fold(0, |all, node| all | self.tasks.knows(*node));
        let known = state.ghost.map_or(known, |call| known | self.contents.learnt(call, &Reply::Lost));
        self.contents.forget(&mut state.keys, if state.stale.is_some() { u64::MAX } else { known });
        (Done { step, call, reply }, changed)
    }

    /// What was done on a way.
    fn done(&mut self, path: &[(Step, State, Vec<Step>)]) -> Vec<Done> {
        path.windows(2).map(|pair| self.step(&mut pair[0].1.clone(), pair[1].0).0).collect()
    }

    /// What happened, in words.
    fn trace(&mut self, path: &[(Step, State, Vec<Step>)]) -> Vec<String> {
        let done = self.done(path);
        done.iter().map(|done| self.tell(done)).collect()
    }

    fn tell(&self, done: &Done) -> String {
        let (Some(task), Some(call)) = (done.step.task(), done.call) else {
            return String::from("what was under way is applied");
        };
        let call = self.contents.call(call);
        let what = match (done.step, &done.reply) {
            (Step::NotApplied(_), _) => String::from("not applied, no reply"),
            (Step::ReplyLost(_), _) => String::from("applied, reply lost"),
            (Step::UnderWay(_), _) => String::from("under way, no reply"),
            (Step::Crash(_), _) => String::from("crashes before this"),
            (Step::Stale(_), Some(reply)) => {
                format!("does not see the last write: {}", self.contents.show(reply))
            }
            (_, reply) => reply.as_ref().map_or_else(String::new, |reply| self.contents.show(reply)),
        };
        format!("{task}: {call} -> {what}")
    }
}

/// The keys and values of a store, whatever their revisions.
struct Values<'a>(&'a Keys);

impl core::hash::Hash for Values<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        for (key, value, _) in self.0.iter().filter(|item| item.1 != 0) {
            (key, value).hash(state);
        }
    }
}

/// splitmix64.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, number: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = u64::try_from(number).unwrap_or(u64::MAX).max(1);
        usize::try_from((mixed ^ (mixed >> 31)) % number).unwrap_or(0)
    }
}
