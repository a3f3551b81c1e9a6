//! Programs of a cluster, and where they begin.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::explore::Explorer;
use super::rules::Rules;
use super::run::run;
use super::store::Contents;
use super::task::{Local, Probe, Program, lock};
use super::{Budget, Defect, Explored, Violation};
use crate::block_on;
use crate::pool::View;
use crate::record::Affinity;
use crate::store::{ListOptions, MemoryStore, Store};

/// The key of the pool, where nodes look whether it is enabled.
pub(super) const POOL: &str = "/calico/resources/v3/projectcalico.org/ippools/p";
/// What is stored there once it is not.
pub(super) const POOL_DISABLED: &[u8] = b"disabled";
pub(super) const POOL_ENABLED: &[u8] = b"enabled";

/// When programs run, unless said otherwise.
pub(super) const NOW: Duration = Duration::from_secs(1_000);

/// What a node does. A command that the store fails is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// A pod starts (CNI ADD): one address under this handle, all or nothing.
    Add(String),
    /// A pod stops (CNI DEL).
    Del(String),
    /// The node goes: its affinities are released.
    Uninstall,
    /// The node's agent starts: its affinities are settled.
    Settle,
    /// A collector releases what it saw leaked some time ago.
    Reap {
        /// The handle that it saw.
        handle: String,
        /// The address.
        address: IpAddr,
        /// The sequence number at which it was assigned.
        sequence: u64,
    },
    /// A collector looks for leaks, and collects them.
    Collect {
        /// The handles whose pods are gone.
        gone: Vec<String>,
        /// The nodes that are gone.
        nodes: Vec<String>,
    },
    /// An operator deletes the pool: disables it, then releases every affinity of it.
    DeletePool,
}

/// A node, or a controller, and what it does in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// Its name; several may have one, as processes of one node.
    pub host: String,
    /// What it does.
    pub commands: Vec<Command>,
    /// What its clock says all the time, since the Unix epoch. Default 1,000 s.
    pub now: Duration,
    /// [`Allocator::max_tries`](crate::Allocator::max_tries). Default 100.
    pub max_tries: usize,
    /// How often it tries a command that the store failed. Default 4.
    pub attempts: usize,
    /// It keeps its blocks at hand from one command to the next, while others write them. Default false.
    pub keeps: bool,
    /// It looks whether the pool is enabled before each assignment, and guards it with what it saw. Default false.
    pub guards: bool,
    #[cfg(feature = "_faults")]
    pub(super) mistake: Option<crate::Mistake>,
}

impl Node {
    /// A node that does this.
    #[must_use]
    pub fn new(host: impl Into<String>, commands: impl Into<Vec<Command>>) -> Self {
        Self {
            host: host.into(),
            commands: commands.into(),
            now: NOW,
            max_tries: 100,
            attempts: 4,
            keeps: false,
            guards: false,
            #[cfg(feature = "_faults")]
            mistake: None,
        }
    }

    /// With a clock that says this.
    #[must_use]
    pub const fn now(mut self, now: Duration) -> Self {
        self.now = now;
        self
    }

    /// With so many tries in an allocator, and attempts beyond.
    #[must_use]
    pub const fn tries(mut self, max_tries: usize, attempts: usize) -> Self {
        (self.max_tries, self.attempts) = (max_tries, attempts);
        self
    }

    /// With its blocks kept at hand.
    #[must_use]
    pub const fn keeps(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// With a look at the pool before each assignment.
    #[must_use]
    pub const fn guards(mut self) -> Self {
        self.guards = true;
        self
    }

    /// With an allocator that makes this mistake.
    #[cfg(feature = "_faults")]
    #[doc(hidden)]
    #[must_use]
    pub const fn making(mut self, mistake: crate::Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }
}

/// Nodes that work on one store at the same time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// The pools and configuration that all of them see.
    pub view: View,
    /// Who works.
    pub nodes: Vec<Node>,
    /// What the store has at the start. Default nothing.
    pub initial: Vec<(String, Vec<u8>)>,
    /// Whether the store can commit several keys at once. Default true.
    pub commits: bool,
    /// What may go wrong. Default nothing.
    pub budget: Budget,
    /// A defect of the store, to see that it is seen. Default none.
    pub defect: Option<Defect>,
    /// Pods of one handle run on several nodes: then only the store is looked at, and all must be released at the end.
    pub shared_handles: bool,
    /// States to visit at most. Default 2,000,000.
    pub limit: usize,
}

impl Scenario {
    /// These nodes on an empty store.
    #[must_use]
    pub fn new(view: View, nodes: impl Into<Vec<Node>>) -> Self {
        Self {
            view,
            nodes: nodes.into(),
            initial: Vec::new(),
            commits: true,
            budget: Budget::default(),
            defect: None,
            shared_handles: false,
            limit: 2_000_000,
        }
    }

    /// Begins with what a store holds after these nodes have worked, undisturbed and one after the other, at time zero.
    ///
    /// # Panics
    /// If one of them cannot do what it is told.
    #[must_use]
    pub fn after(mut self, nodes: &[Node]) -> Self {
        let store = MemoryStore::new();
        for (key, value) in &self.initial {
            block_on(store.create(key, value)).expect("each key is given once");
        }
        for node in nodes {
            let node = Node { now: Duration::ZERO, ..node.clone() };
            let local = Mutex::new(Local::default());
            block_on(run(&node, &self.view, &store, &local, true));
            let local = lock(&local);
            assert!(local.done == node.commands.len() && local.wrong.is_none(), "{local:?}");
        }
        let items = block_on(store.list("", &ListOptions::new())).expect("memory does not fail");
        self.initial = items.into_iter().map(|item| (item.key, item.value)).collect();
        self
    }

    /// On a store that commits several keys at once, or not.
    #[must_use]
    pub const fn commits(mut self, commits: bool) -> Self {
        self.commits = commits;
        self
    }

    /// With so much that may go wrong.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// With the pool as a record that nodes look at; see [`Node::guards`].
    #[must_use]
    pub fn with_pool(mut self) -> Self {
        self.initial.push((POOL.to_string(), POOL_ENABLED.to_vec()));
        self
    }

    /// With a store that has this defect.
    #[must_use]
    pub const fn defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// With pods of one handle on several nodes.
    #[must_use]
    pub const fn shared_handles(mut self) -> Self {
        self.shared_handles = true;
        self
    }

    /// Visits so many states at most.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    pub(super) fn rules(&self) -> Rules {
        let commands = || self.nodes.iter().flat_map(|node| &node.commands);
        let gives_up = commands()
            .any(|command| !matches!(command, Command::Add(_) | Command::Del(_) | Command::Reap { .. }));
        let hosts: BTreeSet<Affinity> = self.nodes.iter().map(|node| Affinity::host(&node.host)).collect();
        let owners = self.initial.iter().filter_map(|(key, _)| match crate::keys::Key::parse(key) {
            Some(crate::keys::Key::Affinity(owner, _)) => Some(owner),
            _ => None,
        });
        Rules {
            commits: self.commits,
            traces: self.initial.is_empty() && !gives_up,
            // Few tries: here all of them may be in vain, and each makes more states.
            may_give_up: !self.commits && self.nodes.iter().all(|node| node.max_tries < 100),
            shared_handles: self.shared_handles,
            stale: self.budget.stale > 0,
            strict: self.view.config.strict_affinity,
            reserved: self.view.reservations.clone(),
            standing: self.standing(),
            hosts: hosts.into_iter().chain(owners).collect(),
            later: NOW.max(self.nodes.iter().map(|node| node.now).max().unwrap_or_default()) * 2,
        }
    }

    /// Pods of the beginning that no command has to do with.
    fn standing(&self) -> Vec<(String, Vec<IpAddr>)> {
        let mut contents = Contents::new(self.commits, None);
        let keys = contents.initial(&self.initial);
        let mut standing: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        for (address, handle) in contents.holders(&keys) {
            standing.entry(handle).or_default().push(address);
        }
        for command in self.nodes.iter().flat_map(|node| &node.commands) {
            match command {
                Command::Add(handle) | Command::Del(handle) | Command::Reap { handle, .. } => {
                    standing.remove(handle.as_str());
                }
                Command::Collect { gone, .. } => {
                    gone.iter().for_each(|handle| drop(standing.remove(handle.as_str())))
                }
                Command::Uninstall | Command::Settle | Command::DeletePool => {}
            }
        }
        standing.into_iter().map(|(handle, addresses)| (handle.to_string(), addresses)).collect()
    }

    pub(super) fn programs(&self) -> Vec<Program> {
        let program = |node: &Node| {
            let (node, view) = (Arc::new(node.clone()), Arc::new(self.view.clone()));
            let commands = node.commands.len();
            let begin = move |probe: Probe, local: Arc<Mutex<Local>>| -> super::task::Running {
                let (node, view) = (Arc::clone(&node), Arc::clone(&view));
                Box::pin(async move {
                    // What is kept at hand outlives a command.
                    run(&node, &view, &probe, &local, node.keeps).await;
                })
            };
            Program { commands, begin: Box::new(begin) }
        };
        self.nodes.iter().map(program).collect()
    }

    /// Visits every state that may come of it, with the real code of the allocator.
    ///
    /// # Errors
    /// [`Violation`]: what does not hold, and the way there.
    pub fn explore(&self) -> Result<Explored, Violation> {
        let (programs, rules) = (self.programs(), self.rules());
        let contents = Contents::new(self.commits, self.defect);
        Explorer::new(&programs, contents, self.budget, &rules).run(&self.initial, self.limit, None)
    }

    /// Goes one way by chance, for scenarios with too many states. Gives the number of steps.
    ///
    /// # Errors
    /// [`Violation`]: what does not hold, and the last steps of the way there.
    pub fn walk(&self, seed: u64) -> Result<usize, Violation> {
        let (programs, rules) = (self.programs(), self.rules());
        let contents = Contents::new(self.commits, self.defect);
        Explorer::new(&programs, contents, self.budget, &rules).walk(&self.initial, seed)
    }
}
