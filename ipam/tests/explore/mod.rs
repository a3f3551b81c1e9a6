//! Explores every interleaving of programs that work on one store.
//!
//! The only await points of a program are its store operations. So all that can happen to it is the sequence of the
//! replies it gets, and its next operation is a function of that sequence: found once, by running the real async code
//! from the start with those replies, and then remembered. What is explored is a graph of plain values: the keys of
//! the store, and how far each program is.

mod store;
mod task;

use core::hash::{Hash, Hasher};
use std::collections::{HashMap, HashSet};

pub use store::{Contents, Mode};
use store::{Keys, Outcome};
pub use task::{Local, Probe, Program};
use task::{Next, Tasks};

/// How much may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Programs that die, between any two operations, and start again.
    pub crashes: u8,
    /// Operations whose reply is lost, applied or not.
    pub losses: u8,
    /// Operations whose reply is lost, and that are applied at any time later.
    pub delays: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    keys: Keys,
    /// How far each program is: a node of its history.
    tasks: Vec<u32>,
    /// An operation that is still under way, though nobody waits for it.
    ghost: Option<u32>,
    left: Budget,
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start,
    /// The next operation of a program, and its reply.
    Run(usize),
    NotApplied(usize),
    ReplyLost(usize),
    UnderWay(usize),
    AppliedLate,
    Crash(usize),
}

/// What was explored.
#[derive(Debug, Default)]
pub struct Explored {
    pub states: usize,
    pub steps: usize,
    pub ends: usize,
    pub histories: usize,
    /// All states were visited, not only as many as allowed.
    pub complete: bool,
}

/// An invariant that did not hold, and the way there.
#[derive(Debug)]
pub struct Violation {
    pub what: String,
    pub trace: Vec<String>,
}

/// What must hold. Called with what the store holds, and what each program believes.
pub trait Invariants {
    /// What an invariant needs to know of a store; computed once for each.
    type Facts;
    fn facts(&self, contents: &Contents) -> Result<Self::Facts, String>;
    /// In every state.
    fn always(&self, facts: &Self::Facts, locals: &[&Local]) -> Result<(), String>;
    /// When all programs have ended and nothing is under way.
    fn at_end(&self, facts: &Self::Facts, locals: &[&Local], used: Budget) -> Result<(), String>;
}

/// 128 bits of two multiplicative hashes: enough that among millions of states none is taken for another.
struct Fingerprint(u64, u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let mix = |state: u64, factor: u64| {
            let mixed = (state ^ value).wrapping_mul(factor);
            mixed ^ (mixed >> 32)
        };
        self.0 = mix(self.0, 0x9e37_79b9_7f4a_7c15);
        self.1 = mix(self.1.rotate_left(17), 0xd6e8_feb8_6659_fd93);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

fn fingerprint<T: Hash>(value: &T) -> u128 {
    let mut hash = Fingerprint(1, 2);
    value.hash(&mut hash);
    u128::from(hash.0) << 64 | u128::from(hash.1)
}

pub struct Explorer<'a, I: Invariants> {
    invariants: &'a I,
    budget: Budget,
    /// States to visit at most.
    limit: usize,
    contents: Contents,
    tasks: Tasks<'a>,
    facts: HashMap<u128, I::Facts>,
}

impl<'a, I: Invariants> Explorer<'a, I> {
    pub fn new(programs: &'a [Program], mode: Mode, budget: Budget, limit: usize, invariants: &'a I) -> Self {
        let (contents, tasks) = (Contents::new(mode), Tasks::new(programs));
        Self { invariants, budget, limit, contents, tasks, facts: HashMap::new() }
    }

    /// Visits every state from a store with these keys and values.
    pub fn run(&mut self, initial: &[(String, Vec<u8>)]) -> Result<Explored, Violation> {
        let keys = self.contents.initial(initial);
        let tasks = (0..self.tasks.len()).map(|task| self.tasks.start(task, Local::default())).collect();
        let first = State { keys, tasks, ghost: None, left: self.budget };
        let mut explored = Explored { complete: true, ..Explored::default() };
        let mut seen = HashSet::new();
        let mut path: Vec<(Step, State, Vec<Step>)> = Vec::new();
        let mut entering = Some((Step::Start, first));
        loop {
            if let Some((step, state)) = entering.take() {
                explored.steps += 1;
                if seen.insert(fingerprint(&state)) {
                    let next = self.possible(&state);
                    explored.ends += usize::from(next.is_empty());
                    let wrong = self.check(&state).err();
                    path.push((step, state, next));
                    if let Some(what) = wrong {
                        return Err(Violation { what, trace: self.trace(&path) });
                    }
                    if seen.len() >= self.limit {
                        explored.complete = false;
                        break;
                    }
                }
            }
            match path.last_mut() {
                None => break,
                Some((_, state, next)) => match next.pop() {
                    None => drop(path.pop()),
                    Some(step) => {
                        let mut state = state.clone();
                        self.step(&mut state, step);
                        entering = Some((step, state));
                    }
                },
            }
        }
        explored.states = seen.len();
        explored.histories = self.tasks.histories();
        Ok(explored)
    }

    /// Goes one way, by chance, until nothing can happen any more: for scenarios with too many states. Gives its steps.
    pub fn walk(&mut self, initial: &[(String, Vec<u8>)], seed: u64) -> Result<usize, Violation> {
        let keys = self.contents.initial(initial);
        let tasks = (0..self.tasks.len()).map(|task| self.tasks.start(task, Local::default())).collect();
        let state = State { keys, tasks, ghost: None, left: self.budget };
        let mut path = vec![(Step::Start, state, Vec::new())];
        let mut chance = seed;
        while let Some((_, state, _)) = path.last() {
            let mut state = state.clone();
            if let Err(what) = self.check(&state) {
                return Err(Violation { what, trace: self.trace(&path) });
            }
            let possible = self.possible(&state);
            if possible.is_empty() {
                break;
            }
            // splitmix64
            chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (chance ^ (chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let drawn = (mixed ^ (mixed >> 31)) % (possible.len() as u64 * 4);
            // What goes wrong is rare, or all of it would happen at the start.
            let runs: Vec<Step> =
                possible.iter().copied().filter(|step| matches!(step, Step::Run(_))).collect();
            let step = match possible.get(usize::try_from(drawn).unwrap()) {
                Some(step) => *step,
                None if runs.is_empty() => possible[0],
                None => runs[usize::try_from(drawn).unwrap() % runs.len()],
            };
            self.step(&mut state, step);
            path.push((step, state, Vec::new()));
        }
        Ok(path.len())
    }

    fn check(&mut self, state: &State) -> Result<(), String> {
        let store = fingerprint(&state.keys);
        if !self.facts.contains_key(&store) {
            self.contents.load(&state.keys);
            self.facts.insert(store, self.invariants.facts(&self.contents)?);
        }
        let facts = &self.facts[&store];
        let locals: Vec<&Local> = state.tasks.iter().map(|node| self.tasks.local(*node)).collect();
        self.invariants.always(facts, &locals)?;
        let ended = state.tasks.iter().all(|node| self.tasks.next(*node) == Next::Done);
        if ended && state.ghost.is_none() {
            let used = Budget {
                crashes: self.budget.crashes - state.left.crashes,
                losses: self.budget.losses - state.left.losses,
                delays: self.budget.delays - state.left.delays,
            };
            self.invariants.at_end(facts, &locals, used)?;
        }
        Ok(())
    }

    /// What may happen in a state. The last is explored first.
    fn possible(&self, state: &State) -> Vec<Step> {
        let mut found = Vec::new();
        for (task, node) in state.tasks.iter().enumerate() {
            let Next::Call(call) = self.tasks.next(*node) else { continue };
            let writes = self.tasks.call(call).is_write();
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
            found.push(Step::Run(task));
        }
        if state.ghost.is_some() {
            found.push(Step::AppliedLate);
        }
        found
    }

    fn step(&mut self, state: &mut State, step: Step) {
        let call = |tasks: &Tasks<'_>, state: &State, task: usize| match tasks.next(state.tasks[task]) {
            Next::Call(call) => call,
            Next::Done => unreachable!("only what runs can go on"),
        };
        match step {
            Step::Start => {}
            Step::Run(task) => {
                let call = call(&self.tasks, state, task);
                let Outcome { reply, .. } =
                    self.contents.execute(&mut state.keys, call, self.tasks.call(call));
                state.tasks[task] = self.tasks.after(state.tasks[task], reply, &self.contents);
            }
            Step::NotApplied(task) => {
                state.left.losses -= 1;
                state.tasks[task] = self.tasks.lost(state.tasks[task], &self.contents);
            }
            Step::ReplyLost(task) => {
                state.left.losses -= 1;
                let call = call(&self.tasks, state, task);
                self.contents.execute(&mut state.keys, call, self.tasks.call(call));
                state.tasks[task] = self.tasks.lost(state.tasks[task], &self.contents);
            }
            Step::UnderWay(task) => {
                state.left.delays -= 1;
                state.ghost = Some(call(&self.tasks, state, task));
                state.tasks[task] = self.tasks.lost(state.tasks[task], &self.contents);
            }
            Step::AppliedLate => {
                if let Some(call) = state.ghost.take() {
                    self.contents.execute(&mut state.keys, call, self.tasks.call(call));
                }
            }
            Step::Crash(task) => {
                state.left.crashes -= 1;
                let mut local = self.tasks.local(state.tasks[task]).clone();
                local.crashed = true;
                state.tasks[task] = self.tasks.start(task, local);
            }
        }
    }

    /// What happened, in words.
    fn trace(&mut self, path: &[(Step, State, Vec<Step>)]) -> Vec<String> {
        let mut told = Vec::new();
        for pair in path.windows(2) {
            let (before, step) = (&pair[0].1, pair[1].0);
            let mut say = |task: usize, what: &str| {
                if let Next::Call(id) = self.tasks.next(before.tasks[task]) {
                    let call = self.tasks.call(id);
                    let Outcome { reply, .. } = self.contents.execute(&mut before.keys.clone(), id, call);
                    let what = if what.is_empty() { self.contents.show(&reply) } else { what.to_string() };
                    told.push(format!("{task}: {call} -> {what}"));
                }
            };
            match step {
                Step::Start => {}
                Step::Run(task) => say(task, ""),
                Step::NotApplied(task) => say(task, "not applied, no reply"),
                Step::ReplyLost(task) => say(task, "applied, reply lost"),
                Step::UnderWay(task) => say(task, "under way, no reply"),
                Step::Crash(task) => say(task, "crashes before this"),
                Step::AppliedLate => told.push(String::from("what was under way is applied")),
            }
        }
        told
    }
}
