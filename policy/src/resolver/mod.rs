//! The program of one host, kept while all that it is made of changes.

mod chains;
mod delta;
mod flush;
mod locals;
mod nets;
mod objects;
mod pack;
mod packed;
mod policies;
mod sets;
mod slab;
mod waiting;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use hashbrown::HashMap;

use crate::compile::Rules;
use crate::convert::{BUILT_IN_TIERS, DEFAULT_ALLOW, HostEndpoint, default_allow};
use crate::endpoint::Endpoint;
use crate::error::EndpointFault;
use crate::host::Host;
use crate::key::{Owner, PolicyKey};
use crate::policy::Tier;
use crate::program::{Dispatch, HostDispatch};
use crate::settings::{Encapsulation, Failsafe, HostAction};

use chains::{Chains, Dirty};
use flush::{Programmed, Slot, Used};
use locals::Locals;
use packed::Packed;
use sets::Sets;
use slab::Slab;

pub use delta::{Delta, SetChange};
pub use policies::CheckedPolicy;

/// The program of one host, kept while all that it is made of changes.
///
/// It is told of every object of the cluster, in any order, and says by [`Delta`]s what has changed in the [`Program`] of
/// this host. It takes the same objects as [`Inputs`], with the same laws; its program is always the one that [`resolve`]
/// and [`compile`] make of them, at a cost in proportion to what a change affects:
///
/// * a change of an endpoint's labels, to the selectors that name a label which has changed;
/// * a change of a policy or profile, to the local endpoints that it governs and the policies that govern them;
/// * of all others, nothing but what they are stored in.
///
/// Nothing comes out before [`set_in_sync`](Self::set_in_sync): until all is known, the program would be another.
///
/// [`Inputs`]: crate::Inputs
/// [`Program`]: crate::Program
/// [`resolve`]: crate::resolve
/// [`compile`]: crate::compile()
///
/// # Example
///
/// ```
/// use tortie_policy::{Endpoint, Host, Program, Resolver};
///
/// let mut resolver = Resolver::new(Host::new("node-1"), |endpoint| endpoint.id.starts_with("node-1/"));
/// let spec = r#"{ "ingress": [{ "action": "Allow", "source": { "selector": "app == 'web'" } }] }"#;
/// assert!(resolver.insert_network_policy("shop", "db", &serde_json::from_str(spec)?).is_empty());
/// let endpoint = |id: &str, address: &str, app: &str| -> Result<Endpoint, core::net::AddrParseError> {
///     Ok(Endpoint {
///         id: id.into(),
///         interface: "cali1".into(),
///         namespace: Some("shop".into()),
///         labels: [("app".into(), app.into())].into(),
///         addresses: vec![address.parse()?],
///         ..Endpoint::default()
///     })
/// };
/// resolver.insert_endpoint(&endpoint("node-1/db", "10.0.0.1", "db")?);
/// resolver.set_in_sync();
///
/// let mut program = Program::default();
/// program.apply(resolver.flush());
/// assert_eq!((program.dispatch.len(), program.sets.len()), (1, 1));
///
/// // Far away, a pod starts: one address comes to one set.
/// resolver.insert_endpoint(&endpoint("node-2/web", "10.0.1.1", "web")?);
/// let delta = resolver.flush();
/// assert_eq!((delta.sets_changed.len(), delta.chains.len()), (1, 0));
/// program.apply(delta);
/// assert!(resolver.flush().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: calico@87c15906f2 felix/calc.
pub struct Resolver {
    host: Host,
    is_local: Box<dyn Fn(&Endpoint) -> bool + Send + Sync>,
    is_in_sync: bool,
    /// Whether anything has been passed on.
    is_begun: bool,

    policy_numbers: HashMap<Arc<PolicyKey>, u32>,
    policies: Slab<StoredPolicy>,
    tiers: BTreeMap<Arc<str>, Stored<Tier>>,
    profiles: HashMap<Arc<str>, Stored<Packed>>,
    /// Numbers of workloads by id, of host endpoints by name, of network sets by namespace and name.
    workloads: HashMap<Box<str>, u32>,
    host_endpoints: BTreeMap<String, (u32, HostEndpoint)>,
    network_sets: BTreeMap<(Option<String>, String), u32>,
    encapsulation: Encapsulation,
    to_host: HostAction,

    locals: Locals,
    sets: Sets,
    /// The policies that match a local endpoint, the profiles that one has, the failsafe ports.
    rules: Rules,

    /// Whether other host endpoints may be those of interfaces, or have other lists.
    hosts_dirty: bool,
    /// What has other rules than at the last flush.
    dirty: Dirty,
    guard_dirty: bool,
    host_action_dirty: bool,
    programmed: BTreeMap<Slot, Programmed>,
    /// Policies and profiles of lists.
    used: BTreeMap<Owner, Used>,
    chains: Chains,
    dispatch: BTreeMap<String, Dispatch>,
    hosts: BTreeMap<String, HostDispatch>,
    all_interfaces: Option<HostDispatch>,
    lists: u64,
}

/// What was converted, and whether it had no fault.
#[derive(Clone, Debug, PartialEq)]
struct Stored<T> {
    value: T,
    valid: bool,
}

/// A policy with its name.
#[derive(Clone, Debug)]
struct StoredPolicy {
    key: Arc<PolicyKey>,
    stored: Stored<Packed>,
}

/// What a [`Resolver`] holds, and what it has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolverStats {
    /// Policies of all kinds.
    pub policies: usize,
    /// Those of them that are in the list of an interface of this host.
    pub active_policies: usize,
    /// Endpoints, host endpoints and network sets.
    pub items: usize,
    /// Interfaces of workloads of this host that have rules.
    pub workloads: usize,
    /// Sets that rules in use speak of.
    pub sets: usize,
    /// Chains in use.
    pub chains: usize,
    /// How often the lists of an endpoint have been put together.
    pub lists_made: u64,
    /// How many chains have been compiled.
    pub chains_compiled: u64,
    /// How often an endpoint, network set, node or slice began or ceased to be in a set, or changed in it.
    pub set_changes: u64,
}

impl Resolver {
    /// Nothing is known yet, but which host this is, and which workloads are on it.
    #[must_use]
    pub fn new(host: Host, is_local: impl Fn(&Endpoint) -> bool + Send + Sync + 'static) -> Self {
        let built_in = |(name, value): (&str, Tier)| (Arc::from(name), Stored { value, valid: true });
        let allow = Stored { value: Packed::profile(&default_allow()), valid: true };
        Self {
            host,
            is_local: Box::new(is_local),
            is_in_sync: false,
            is_begun: false,
            policy_numbers: HashMap::new(),
            policies: Slab::default(),
            tiers: BUILT_IN_TIERS.map(built_in).into(),
            profiles: [(DEFAULT_ALLOW.into(), allow)].into_iter().collect(),
            workloads: HashMap::new(),
            host_endpoints: BTreeMap::new(),
            network_sets: BTreeMap::new(),
            encapsulation: Encapsulation::default(),
            to_host: HostAction::default(),
            locals: Locals::default(),
            sets: Sets::default(),
            rules: Rules::default(),
            hosts_dirty: true,
            dirty: Dirty::default(),
            guard_dirty: true,
            host_action_dirty: true,
            programmed: BTreeMap::new(),
            used: BTreeMap::new(),
            chains: Chains::default(),
            dispatch: BTreeMap::new(),
            hosts: BTreeMap::new(),
            all_interfaces: None,
            lists: 0,
        }
    }

    /// All that was there when this began has been told: from now on [`flush`](Self::flush) answers.
    pub const fn set_in_sync(&mut self) {
        self.is_in_sync = true;
    }

    /// Whether all that was there has been told.
    #[must_use]
    pub const fn is_in_sync(&self) -> bool {
        self.is_in_sync
    }

    /// Says which interfaces the host has, and their addresses.
    pub fn set_interfaces(&mut self, interfaces: BTreeMap<String, Vec<IpAddr>>) {
        if self.host.interfaces != interfaces {
            self.host.interfaces = interfaces;
            self.hosts_dirty = true;
        }
    }

    /// Says which encapsulated packets workloads may send.
    pub fn set_encapsulation(&mut self, encapsulation: Encapsulation) {
        self.guard_dirty |= self.encapsulation != encapsulation;
        self.encapsulation = encapsulation;
    }

    /// Says which ports host policy never closes.
    pub fn set_failsafe(&mut self, failsafe: Failsafe) {
        if self.rules.failsafe != failsafe {
            self.rules.failsafe = failsafe;
            self.dirty.failsafe = true;
            self.hosts_dirty = true;
        }
    }

    /// Says what becomes of packets from workloads to their host that policy allows; by default they are dropped.
    pub fn set_to_host(&mut self, action: HostAction) {
        self.host_action_dirty |= self.to_host != action;
        self.to_host = action;
    }

    /// Local endpoints that get no rules, or not all, and why, by id. Report them.
    #[must_use]
    pub fn faults(&self) -> Vec<EndpointFault> {
        let mut faults = self.locals.faults();
        faults.extend(self.untracked());
        faults
    }

    /// What it holds, and what it has done so far.
    #[must_use]
    pub fn stats(&self) -> ResolverStats {
        let is_policy = |owner: &&Owner| matches!(owner, Owner::Policy(_));
        ResolverStats {
            policies: self.policies.len(),
            active_policies: self.used.keys().filter(is_policy).count(),
            items: self.sets.item_count(),
            workloads: self.dispatch.len(),
            sets: self.sets.len(),
            chains: self.chains.len(),
            lists_made: self.lists,
            chains_compiled: self.chains.compiled(),
            set_changes: self.sets.changes(),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("host", &self.host)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
