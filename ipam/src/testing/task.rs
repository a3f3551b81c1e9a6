//! Programs, and what each history of replies makes of them.

use core::net::IpAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::hash::FastMap;
use super::store::{Call, Contents, Reply};
use crate::store::{ListOptions, Op, Revision, Store, StoreError, Versioned};

/// What a program knows that outlives a crash of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Local {
    /// How many commands it has done.
    pub(super) done: usize,
    /// The addresses that run, by handle.
    pub(super) pods: BTreeMap<String, Vec<IpAddr>>,
    /// It died in the command that comes next.
    pub(super) crashed: bool,
    /// It gave up, since others were always faster.
    pub(super) stuck: bool,
    /// It was told what cannot be.
    pub(super) wrong: Option<String>,
}

pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A program: commands that are async code over a store.
pub(super) struct Program {
    pub(super) commands: usize,
    /// Runs from where it is: one command, or all that are left where something in memory outlives a command.
    pub(super) begin: Box<dyn Fn(Probe, Arc<Mutex<Local>>) -> Running>,
}

struct Script {
    replies: Vec<Answer>,
    at: usize,
    asked: Option<Call>,
}

#[derive(Clone)]
enum Answer {
    Found(Vec<Versioned>),
    Written(Revision),
    Error(StoreError),
}

impl Answer {
    fn new(reply: &Reply, contents: &Contents) -> Self {
        match reply {
            Reply::Found(keys) => Self::Found(contents.versioned(keys)),
            Reply::Written(revision) => Self::Written(Revision::new(u64::from(*revision))),
            failure => Self::Error(failure.error().expect("neither found nor written")),
        }
    }
}

/// The store that a program sees: gives it the replies so far, then notes what it asks and never answers.
#[derive(Clone)]
pub(super) struct Probe(Arc<Mutex<Script>>);

impl Probe {
    async fn ask(&self, call: Call) -> Result<Answer, StoreError> {
        let mut asked = Some(call);
        core::future::poll_fn(|_| {
            let mut script = lock(&self.0);
            let at = script.at;
            if let Some(reply) = script.replies.get(at).cloned() {
                script.at += 1;
                return Poll::Ready(match reply {
                    Answer::Error(error) => Err(error),
                    reply => Ok(reply),
                });
            }
            if let Some(call) = asked.take() {
                script.asked = Some(call);
            }
            Poll::Pending
        })
        .await
    }

    async fn find(&self, call: Call) -> Result<Vec<Versioned>, StoreError> {
        match self.ask(call).await? {
            Answer::Found(items) => Ok(items),
            _ => unreachable!("reads find"),
        }
    }

    async fn write(&self, call: Call) -> Result<Revision, StoreError> {
        match self.ask(call).await? {
            Answer::Written(revision) => Ok(revision),
            _ => unreachable!("writes write"),
        }
    }
}

impl Store for Probe {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.find(Call::Get(key.to_string())).await?.pop())
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        self.find(Call::List(prefix.to_string(), options.clone())).await
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        self.write(Call::Write(Op::Create { key: key.to_string(), value: value.to_vec() })).await
    }

    async fn update(&self, key: &str, value: &[u8], revision: Revision) -> Result<Revision, StoreError> {
        self.write(Call::Write(Op::Update { key: key.to_string(), value: value.to_vec(), revision })).await
    }

    async fn delete(&self, key: &str, revision: Revision) -> Result<(), StoreError> {
        self.write(Call::Write(Op::Delete { key: key.to_string(), revision })).await.map(drop)
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        self.write(Call::Commit(ops.to_vec())).await
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that waits for the reply of the last node.
struct Live {
    future: Running,
    script: Arc<Mutex<Script>>,
    local: Arc<Mutex<Local>>,
}

/// What a program does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Call(u32),
    Done,
}

/// A program after a history of replies.
struct Node {
    task: u8,
    /// What it knew when it started, and what it knows now, by number.
    start: u32,
    local: u32,
    before: Option<(u32, Reply)>,
    next: Next,
    /// Its last operation was a write, answered or not.
    wrote: bool,
    /// The keys of which it knows a revision.
    knows: u64,
    /// The program itself, until a reply takes it further; after another reply it is run again from the start.
    live: Option<Live>,
}

/// All histories of all programs that were met.
///
/// A history begins with a command: what a program remembers of earlier ones is its [`Local`] alone.
pub(super) struct Tasks<'a> {
    programs: &'a [Program],
    nodes: Vec<Node>,
    locals: Vec<Local>,
    local_ids: FastMap<Local, u32>,
    starts: FastMap<(u8, u32), u32>,
    children: FastMap<(u32, Reply), u32>,
}

impl<'a> Tasks<'a> {
    pub(super) fn new(programs: &'a [Program]) -> Self {
        Self {
            programs,
            nodes: Vec::new(),
            locals: Vec::new(),
            local_ids: FastMap::default(),
            starts: FastMap::default(),
            children: FastMap::default(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.programs.len()
    }

    pub(super) fn histories(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn next(&self, node: u32) -> Next {
        self.nodes[node as usize].next
    }

    /// What it knows, by number.
    pub(super) fn local_id(&self, node: u32) -> u32 {
        self.nodes[node as usize].local
    }

    pub(super) fn local(&self, node: u32) -> &Local {
        &self.locals[self.local_id(node) as usize]
    }

    /// Whether the last thing it did was to write.
    pub(super) fn wrote(&self, node: u32) -> bool {
        self.nodes[node as usize].wrote
    }

    /// The keys of which it knows a revision.
    pub(super) fn knows(&self, node: u32) -> u64 {
        self.nodes[node as usize].knows
    }

    fn name(&mut self, local: Local) -> u32 {
        if let Some(id) = self.local_ids.get(&local) {
            return *id;
        }
        let id = u32::try_from(self.locals.len()).expect("fewer than states");
        self.locals.push(local.clone());
        self.local_ids.insert(local, id);
        id
    }

    /// A program that starts, knowing this.
    pub(super) fn start(&mut self, task: usize, local: Local, contents: &mut Contents) -> u32 {
        let start = self.name(local);
        let task = u8::try_from(task).expect("few programs");
        if let Some(node) = self.starts.get(&(task, start)) {
            return *node;
        }
        let live = self.begin(task, start, Vec::new());
        let node = self.add(task, start, None, live, contents);
        self.starts.insert((task, start), node);
        node
    }

    /// A program that dies and starts again.
    pub(super) fn crash(&mut self, node: u32, contents: &mut Contents) -> u32 {
        let mut local = self.local(node).clone();
        local.crashed = true;
        self.start(usize::from(self.nodes[node as usize].task), local, contents)
    }

    /// A program that got this reply.
    pub(super) fn after(&mut self, node: u32, reply: Reply, contents: &mut Contents) -> u32 {
        let key = (node, reply);
        if let Some(child) = self.children.get(&key) {
            return *child;
        }
        let live = self.nodes[node as usize].live.take().unwrap_or_else(|| {
            let mut replies = Vec::new();
            let mut at = node;
            while let Some((before, reply)) = &self.nodes[at as usize].before {
                replies.push(Answer::new(reply, contents));
                at = *before;
            }
            replies.reverse();
            let Node { task, start, .. } = &self.nodes[node as usize];
            self.begin(*task, *start, replies)
        });
        lock(&live.script).replies.push(Answer::new(&key.1, contents));
        let Node { task, start, .. } = self.nodes[node as usize];
        let child = self.add(task, start, Some(key.clone()), live, contents);
        self.children.insert(key, child);
        child
    }

    fn begin(&self, task: u8, start: u32, replies: Vec<Answer>) -> Live {
        let script = Arc::new(Mutex::new(Script { replies, at: 0, asked: None }));
        let local = Arc::new(Mutex::new(self.locals[start as usize].clone()));
        let program = &self.programs[usize::from(task)];
        let future = (program.begin)(Probe(Arc::clone(&script)), Arc::clone(&local));
        Live { future, script, local }
    }

    /// Lets a program go on until it asks for what it has no reply to, or has done its command.
    fn add(
        &mut self,
        task: u8,
        start: u32,
        before: Option<(u32, Reply)>,
        mut live: Live,
        contents: &mut Contents,
    ) -> u32 {
        let ready = live.future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let asked = {
            let mut script = lock(&live.script);
            assert_eq!(script.at, script.replies.len(), "a program uses all its replies");
            script.asked.take()
        };
        let local = lock(&live.local).clone();
        let over =
            local.stuck || local.wrong.is_some() || local.done >= self.programs[usize::from(task)].commands;
        if ready && !over {
            return self.start(usize::from(task), local, contents);
        }
        let next = match asked {
            Some(call) if !ready => Next::Call(contents.name(call)),
            _ => {
                assert!(ready, "a program waits for the store only");
                Next::Done
            }
        };
        let (mut wrote, mut knows) = (false, 0);
        if let (Some((node, reply)), Next::Call(_)) = (&before, next) {
            let earlier = &self.nodes[*node as usize];
            if let Next::Call(call) = earlier.next {
                wrote = contents.call(call).is_write();
                knows = earlier.knows | contents.learnt(call, reply);
            }
        }
        let local = self.name(local);
        let live = Some(live).filter(|_| !ready);
        self.nodes.push(Node { task, start, local, before, next, wrote, knows, live });
        u32::try_from(self.nodes.len() - 1).expect("fewer than states")
    }
}
