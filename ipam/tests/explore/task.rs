//! Programs, and what each history of replies makes of them.

use core::net::IpAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tortie_ipam::{ListOptions, Op, Revision, Store, StoreError, Versioned};

use super::store::{Call, Contents, Reply, error};

/// What a program knows that outlives a crash of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Local {
    /// How many commands it has done.
    pub done: usize,
    /// The addresses that run, by handle.
    pub pods: BTreeMap<String, Vec<IpAddr>>,
    /// It died in the command that comes next.
    pub crashed: bool,
    /// It gave up, since others were always faster.
    pub stuck: bool,
}

/// A program: async code over a store.
pub type Program = Box<dyn Fn(Probe, Arc<Mutex<Local>>) -> Pin<Box<dyn Future<Output = ()> + Send>>>;

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

/// The store that a program sees: gives it the replies so far, then notes what it asks and never answers.
#[derive(Clone)]
pub struct Probe(Arc<Mutex<Script>>);

impl Probe {
    async fn ask(&self, call: Call) -> Result<Answer, StoreError> {
        let mut asked = Some(call);
        core::future::poll_fn(|_| {
            let mut script = self.0.lock().unwrap();
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

/// A program that waits for the reply of the last node.
struct Live {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    script: Arc<Mutex<Script>>,
    local: Arc<Mutex<Local>>,
}

/// What a program does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Call(u32),
    Done,
}

/// A program after a history of replies.
struct Node {
    task: usize,
    start: Local,
    before: Option<(u32, Reply)>,
    next: Next,
    local: Local,
    /// Its last operation was a write, or was one that got no reply.
    wrote: bool,
    /// The program itself, until a reply takes it further; after another reply it is run again from the start.
    live: Option<Live>,
}

/// All histories of all programs that were met.
pub struct Tasks<'a> {
    programs: &'a [Program],
    nodes: Vec<Node>,
    starts: HashMap<(usize, Local), u32>,
    children: HashMap<(u32, Reply), u32>,
    calls: Vec<Call>,
    call_ids: HashMap<Call, u32>,
}

impl<'a> Tasks<'a> {
    pub fn new(programs: &'a [Program]) -> Self {
        let (nodes, calls) = (Vec::new(), Vec::new());
        Self {
            programs,
            nodes,
            starts: HashMap::new(),
            children: HashMap::new(),
            calls,
            call_ids: HashMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.programs.len()
    }

    pub fn histories(&self) -> usize {
        self.nodes.len()
    }

    pub fn next(&self, node: u32) -> Next {
        self.nodes[node as usize].next
    }

    pub fn local(&self, node: u32) -> &Local {
        &self.nodes[node as usize].local
    }

    /// Whether the last thing it did was to write.
    pub fn wrote(&self, node: u32) -> bool {
        self.nodes[node as usize].wrote
    }

    pub fn call(&self, id: u32) -> &Call {
        &self.calls[id as usize]
    }

    /// A program that starts, knowing this.
    pub fn start(&mut self, task: usize, local: Local) -> u32 {
        if let Some(node) = self.starts.get(&(task, local.clone())) {
            return *node;
        }
        let live = self.begin(task, &local, Vec::new());
        let node = self.add(task, local.clone(), None, live);
        self.starts.insert((task, local), node);
        node
    }

    /// A program that got this reply.
    pub fn after(&mut self, node: u32, reply: Reply, contents: &Contents) -> u32 {
        let key = (node, reply);
        if let Some(child) = self.children.get(&key) {
            return *child;
        }
        let answer = |reply: &Reply| match reply {
            Reply::Found(keys, keys_only) => Answer::Found(contents.versioned(keys, *keys_only)),
            Reply::Written(revision) => Answer::Written(Revision::new(u64::from(*revision))),
            failure => Answer::Error(error(failure)),
        };
        let live = self.nodes[node as usize].live.take().unwrap_or_else(|| {
            let mut replies = Vec::new();
            let mut at = node;
            while let Some((before, reply)) = &self.nodes[at as usize].before {
                replies.push(answer(reply));
                at = *before;
            }
            replies.reverse();
            let Node { task, start, .. } = &self.nodes[node as usize];
            self.begin(*task, start, replies)
        });
        live.script.lock().unwrap().replies.push(answer(&key.1));
        let Node { task, start, .. } = &self.nodes[node as usize];
        let child = self.add(*task, start.clone(), Some(key.clone()), live);
        self.children.insert(key, child);
        child
    }

    /// A program that got no reply.
    pub fn lost(&mut self, node: u32, contents: &Contents) -> u32 {
        self.after(node, Reply::Lost, contents)
    }

    fn begin(&self, task: usize, start: &Local, replies: Vec<Answer>) -> Live {
        let script = Arc::new(Mutex::new(Script { replies, at: 0, asked: None }));
        let local = Arc::new(Mutex::new(start.clone()));
        let future = (self.programs[task])(Probe(Arc::clone(&script)), Arc::clone(&local));
        Live { future, script, local }
    }

    /// Lets a program go on until it asks for what it has no reply to.
    fn add(&mut self, task: usize, start: Local, before: Option<(u32, Reply)>, mut live: Live) -> u32 {
        let ready = live.future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let asked = {
            let mut script = live.script.lock().unwrap();
            assert_eq!(script.at, script.replies.len(), "a program uses all its replies");
            script.asked.take()
        };
        let next = match asked {
            Some(call) if !ready => {
                let fresh = u32::try_from(self.calls.len()).unwrap();
                let id = *self.call_ids.entry(call.clone()).or_insert(fresh);
                if id == fresh {
                    self.calls.push(call);
                }
                Next::Call(id)
            }
            _ => {
                assert!(ready, "a program waits for the store only");
                Next::Done
            }
        };
        let local = live.local.lock().unwrap().clone();
        let wrote = before.as_ref().is_some_and(|(node, _)| match self.nodes[*node as usize].next {
            Next::Call(call) => self.calls[call as usize].is_write(),
            Next::Done => false,
        });
        let live = Some(live).filter(|_| !ready);
        self.nodes.push(Node { task, start, before, next, local, wrote, live });
        u32::try_from(self.nodes.len() - 1).unwrap()
    }
}
