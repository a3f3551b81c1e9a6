//! What must hold: in every store, in every state, across every write, and at the end.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::Budget;
use super::scenario::{POOL, POOL_DISABLED};
use super::store::{Contents, Item, Keys, Record};
use super::task::Local;
use crate::block::{Allocation, Block};
use crate::config::Config;
use crate::error::ReleaseError;
use crate::keys::{self, Key};
use crate::record::{Affinity, AffinityState};
use crate::store::{ListOptions, MemoryStore, Op, Revision, Store, StoreError, Versioned};
use crate::{Allocator, block_on};

/// What must hold in a scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) commits: bool,
    /// Nobody gives affinities up: then every block has one, whoever died.
    pub(super) traces: bool,
    /// Without commits, two who are in each other's way may both give up.
    pub(super) may_give_up: bool,
    /// Whoever holds an address may lose it to a release of the same handle by another.
    pub(super) shared_handles: bool,
    /// Reads may miss writes: then what is only cleaned up may stay.
    pub(super) stale: bool,
    /// Whether a node has addresses of its own blocks only.
    pub(super) strict: bool,
    /// What nobody has.
    pub(super) reserved: Vec<IpNet>,
    /// Pods that run all the time: no program has to do with them.
    pub(super) standing: Vec<(String, Vec<IpAddr>)>,
    /// Who has blocks.
    pub(super) hosts: BTreeSet<Affinity>,
    /// Later than everybody.
    pub(super) later: Duration,
}

impl Rules {
    /// Whether this handle of this node may have that address of that block.
    fn permit(&self, block: &Block, allocation: &Allocation<'_>) -> Result<(), String> {
        let address = allocation.address;
        if self.reserved.iter().any(|range| range.contains(&address)) {
            return Err(format!("{address} is reserved, and assigned"));
        }
        if !self.strict {
            return Ok(());
        }
        let holder = allocation.attributes().active_owner;
        if let (Some(node), Some(owner)) = (holder.get("node"), block.affinity()) {
            if owner.name() != node {
                return Err(format!("{address} of {owner} is {node}'s, though affinity is strict"));
            }
        }
        Ok(())
    }

    /// The pods that run, and their addresses.
    fn running<'a>(&'a self, locals: &'a [&Local]) -> impl Iterator<Item = (&'a str, IpAddr)> {
        let started = locals.iter().flat_map(|local| &local.pods);
        let standing = self.standing.iter().map(|(handle, addresses)| (handle, addresses));
        started
            .chain(standing)
            .flat_map(|(handle, addresses)| addresses.iter().map(move |address| (handle.as_str(), *address)))
    }

    /// In every store.
    pub(super) fn store(&self, contents: &Contents, keys: &[Item]) -> Result<(), String> {
        let mut blocks: BTreeMap<IpNet, &Block> = BTreeMap::new();
        let mut handles = BTreeMap::new();
        for (key, record) in contents.records(keys) {
            match record {
                Record::Block(block) => {
                    for allocation in block.allocations() {
                        self.permit(block, &allocation)?;
                    }
                    blocks.insert(block.cidr(), block);
                }
                Record::Handle(id, handle) => drop(handles.insert(id.as_str(), handle)),
                Record::Broken(what) => return Err(what.clone()),
                Record::Other if key.starts_with(keys::ROOT) && Key::parse(key).is_none() => {
                    return Err(format!("unexpected key {key}"));
                }
                Record::Affinity(..) | Record::Other => {}
            }
        }
        // One confirmed owner per block, and it is the block's.
        for (_, record) in contents.records(keys) {
            let Record::Affinity(owner, cidr, AffinityState::Confirmed) = record else { continue };
            let block_owner = blocks.get(cidr).and_then(|block| block.affinity());
            if block_owner.as_ref() != Some(owner) {
                return Err(format!("{owner} is confirmed for {cidr}, which is {block_owner:?}'s"));
            }
        }
        // An address has one owner: blocks do not overlap.
        let held = contents.holders(keys);
        if let Some(pair) = held.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("{} has two owners: {} and {}", pair[0].0, pair[0].1, pair[1].1));
        }
        // A handle never names less than its blocks say.
        for (cidr, block) in &blocks {
            let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
            for allocation in block.allocations().filter(|allocation| !allocation.rests()) {
                *counts.entry(allocation.handle().unwrap_or_default()).or_default() += 1;
            }
            for (handle, count) in counts {
                let named = handles.get(handle).and_then(|handle| handle.block.get(&cidr.to_string()));
                if named.copied().unwrap_or(0) < count || (self.commits && named != Some(&count)) {
                    return Err(format!("{handle} has {count} addresses of {cidr}, and names {named:?}"));
                }
            }
        }
        Ok(())
    }

    /// In every state.
    pub(super) fn always(&self, contents: &Contents, keys: &[Item], locals: &[&Local]) -> Result<(), String> {
        if let Some(wrong) = locals.iter().find_map(|local| local.wrong.as_ref()) {
            return Err(wrong.clone());
        }
        if self.shared_handles {
            return Ok(());
        }
        let held = contents.holders(keys);
        let mut runs: Vec<(IpAddr, &str)> = Vec::new();
        for (handle, address) in self.running(locals) {
            runs.push((address, handle));
            let holder = held.binary_search_by_key(&address, |found| found.0).ok().map(|at| held[at].1);
            if holder != Some(handle) {
                return Err(format!("{handle} runs with {address}, held by {holder:?}"));
            }
        }
        runs.sort_unstable();
        match runs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(format!("{} runs twice: {} and {}", pair[0].0, pair[0].1, pair[1].1)),
            None => Ok(()),
        }
    }

    /// Across a write.
    pub(super) fn between(&self, contents: &Contents, before: &Keys, after: &Keys) -> Result<(), String> {
        let disabled = contents.items(before).any(|(key, value)| key == POOL && value == POOL_DISABLED);
        if disabled && self.commits {
            let (held, now) = (contents.holders(before), contents.holders(after));
            if let Some((address, handle)) = now.iter().find(|found| held.binary_search(found).is_err()) {
                return Err(format!("{handle} got {address} of a pool that was disabled before"));
            }
        }
        Ok(())
    }

    /// When all programs have ended and nothing is under way.
    pub(super) fn at_end(
        &self,
        contents: &Contents,
        keys: &[Item],
        locals: &[&Local],
        used: Budget,
    ) -> Result<(), String> {
        if used.delays > 0 || used.stale > 0 {
            // A write may be applied after everybody has cleaned up; only a garbage collector finds it.
            return Ok(());
        }
        if locals.iter().any(|local| local.stuck) {
            return if self.may_give_up || self.stale {
                Ok(())
            } else {
                Err(String::from("a program gave up"))
            };
        }
        let held = contents.holders(keys);
        if self.shared_handles {
            return if held.is_empty() { Ok(()) } else { Err(format!("leaked: {held:?}")) };
        }
        let running: BTreeMap<IpAddr, &str> =
            self.running(locals).map(|(handle, address)| (address, handle)).collect();
        if let Some((address, handle)) = held.iter().find(|(address, _)| !running.contains_key(address)) {
            return Err(format!("{address} is leaked by {handle}"));
        }
        let mut announced = BTreeSet::new();
        for (_, record) in contents.records(keys) {
            match record {
                Record::Handle(id, _) if self.commits && !running.values().any(|handle| handle == id) => {
                    return Err(format!("the handle {id} is leaked"));
                }
                Record::Affinity(owner, cidr, _) => drop(announced.insert((*cidr, owner.clone()))),
                _ => {}
            }
        }
        for (_, record) in contents.records(keys) {
            let Record::Block(block) = record else { continue };
            let cidr = block.cidr();
            match block.affinity() {
                None if block.is_empty() => return Err(format!("{cidr} is nobody's and empty: lost")),
                Some(owner) => {
                    // Without commits, a writer that stops between block and affinity, while another gives the
                    // affinity up, leaves the block behind; whoever needs it finds it.
                    let traced = self.commits || self.traces || used == Budget::default();
                    if traced && !announced.contains(&(cidr, owner.clone())) {
                        return Err(format!("{cidr} is {owner}'s without an affinity"));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whatever the end: every affinity heals, and once all is released nothing is left.
    pub(super) fn afterwards(&self, contents: &Contents, keys: &[Item]) -> Result<(), String> {
        let store = Plain { store: MemoryStore::new(), commits: self.commits };
        for (key, value) in contents.items(keys).filter(|(key, _)| key.starts_with(keys::ROOT)) {
            block_on(store.create(key, value)).map_err(|error| error.to_string())?;
        }
        block_on(self.clean(&Allocator::new(store)))
    }

    async fn clean<S: Store>(&self, allocator: &Allocator<S>) -> Result<(), String> {
        let config = Config::default();
        let said = |what: &str, error: &dyn core::fmt::Display| format!("afterwards, {what}: {error}");
        for host in &self.hosts {
            let settled = allocator.settle_host_affinities(host, self.later).await;
            settled.map_err(|error| said("affinities do not settle", &error))?;
        }
        let listed = |prefix: &'static str| async move {
            let found = allocator.store().list(prefix, &ListOptions::new()).await;
            found.map_err(|error| said("a list", &error))
        };
        for item in listed(keys::ROOT).await? {
            if let Some(Key::Affinity(owner, cidr)) = Key::parse(&item.key) {
                let state = crate::BlockAffinity::decode(&item.value).map(|affinity| affinity.state);
                if state != Ok(AffinityState::Confirmed) {
                    return Err(format!("the affinity of {owner} for {cidr} does not heal: {state:?}"));
                }
            }
        }
        for item in listed(keys::HANDLES).await? {
            let Some(Key::Handle(id)) = Key::parse(&item.key) else { continue };
            match allocator.release_by_handle(&id, &config, self.later).await {
                Ok(_) | Err(ReleaseError::NotFound { .. }) => {}
                Err(error) => return Err(said(&id, &error)),
            }
        }
        for host in &self.hosts {
            let released = allocator.release_host_affinities(host, false, &config, self.later).await;
            if let Some((cidr, error)) = released.map_err(|error| said("a host", &error))?.failed.first() {
                return Err(format!("afterwards, {cidr} stays: {error}"));
            }
        }
        let left: Vec<String> = listed(keys::ROOT).await?.into_iter().map(|item| item.key).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("left when all was released: {left:?}")) }
    }
}

/// A store in memory that may lack commits.
struct Plain {
    store: MemoryStore,
    commits: bool,
}

impl Store for Plain {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key).await
    }

    async fn list(&self, prefix: &str, options: &ListOptions) -> Result<Vec<Versioned>, StoreError> {
        self.store.list(prefix, options).await
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
        self.store.create(key, value).await
    }

    async fn update(&self, key: &str, value: &[u8], expected: Revision) -> Result<Revision, StoreError> {
        self.store.update(key, value, expected).await
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<(), StoreError> {
        self.store.delete(key, expected).await
    }

    async fn commit(&self, ops: &[Op]) -> Result<Revision, StoreError> {
        if self.commits { self.store.commit(ops).await } else { Err(StoreError::Unsupported) }
    }
}
