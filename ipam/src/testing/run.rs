//! What a node does, command by command, with a real allocator.

use core::net::IpAddr;
use core::slice;
use core::time::Duration;
use std::sync::Mutex;

use super::scenario::{Command, Node, POOL, POOL_DISABLED, POOL_ENABLED};
use super::task::{Local, lock};
use crate::block::Allocation;
use crate::error::{AssignErrorKind, Fault, ReleaseError};
use crate::pool::{Use, View};
use crate::record::Affinity;
use crate::store::Store;
use crate::{Allocator, AssignRequest, LeakCollector, OwnBlocks, ReleaseRequest, Standing};

/// Why a command did not get through.
enum Failed {
    /// Others were always faster, or the store failed each time.
    Stuck,
    /// The allocator said what cannot be.
    Wrong(String),
}

pub(super) async fn run<S: Store>(node: &Node, view: &View, store: &S, local: &Mutex<Local>, all: bool) {
    let allocator = Allocator::new(store).max_tries(node.max_tries);
    #[cfg(feature = "_faults")]
    let allocator = match node.mistake {
        Some(mistake) => allocator.making(mistake),
        None => allocator,
    };
    let runner = Runner { node, view, allocator, local };
    match runner.perform(all).await {
        Ok(()) => {}
        Err(Failed::Stuck) => lock(local).stuck = true,
        Err(Failed::Wrong(what)) => lock(local).wrong = Some(what),
    }
}

struct Runner<'a, S> {
    node: &'a Node,
    view: &'a View,
    allocator: Allocator<&'a S>,
    local: &'a Mutex<Local>,
}

impl<S: Store> Runner<'_, S> {
    async fn perform(&self, all: bool) -> Result<(), Failed> {
        let mut own = OwnBlocks::default();
        let done = lock(self.local).done;
        let commands = self.node.commands.get(done..).unwrap_or_default();
        for command in commands.iter().take(if all { usize::MAX } else { 1 }) {
            self.command(command, &mut own).await?;
            let mut local = lock(self.local);
            local.done += 1;
            local.crashed = false;
        }
        Ok(())
    }

    async fn command(&self, command: &Command, own: &mut OwnBlocks) -> Result<(), Failed> {
        let Node { now, attempts, .. } = *self.node;
        let (allocator, config) = (&self.allocator, &self.view.config);
        let owner = Affinity::host(&self.node.host);
        match command {
            Command::Add(handle) => {
                let crashed = lock(self.local).crashed;
                if crashed {
                    // What a runtime does for an ADD that got no answer.
                    self.delete(handle).await?;
                }
                let addresses = self.add(handle, own).await?;
                lock(self.local).pods.insert(handle.clone(), addresses);
            }
            Command::Del(handle) => {
                lock(self.local).pods.remove(handle);
                self.delete(handle).await?;
            }
            Command::Uninstall => {
                for _ in 0..attempts {
                    let outcome = allocator.release_host_affinities(&owner, false, config, now).await;
                    if outcome.is_ok_and(|outcome| outcome.failed.is_empty()) {
                        return Ok(());
                    }
                }
                return Err(Failed::Stuck);
            }
            Command::Settle => {
                for _ in 0..attempts {
                    if allocator.settle_host_affinities(&owner, now).await.is_ok() {
                        return Ok(());
                    }
                }
                return Err(Failed::Stuck);
            }
            Command::Reap { handle, address, sequence } => {
                let request = ReleaseRequest::new(*address).handle(handle).sequence(*sequence);
                for _ in 0..attempts {
                    match allocator.release_addresses(slice::from_ref(&request), self.view, now).await {
                        Err(ReleaseError::Fault(_)) => {}
                        _ => return Ok(()),
                    }
                }
                return Err(Failed::Stuck);
            }
            Command::Collect { gone, nodes } => {
                for _ in 0..attempts {
                    if self.collect(gone, nodes).await.is_ok() {
                        return Ok(());
                    }
                }
                return Err(Failed::Stuck);
            }
            Command::DeletePool => {
                for _ in 0..attempts {
                    if self.delete_pool().await.is_ok_and(|gone| gone) {
                        return Ok(());
                    }
                }
                return Err(Failed::Stuck);
            }
        }
        Ok(())
    }

    async fn delete(&self, handle: &str) -> Result<(), Failed> {
        for _ in 0..self.node.attempts {
            match self.allocator.release_by_handle(handle, &self.view.config, self.node.now).await {
                Ok(_) | Err(ReleaseError::NotFound { .. }) => return Ok(()),
                Err(ReleaseError::Fault(fault)) if fault.is_retryable() => {}
                Err(error) => return Err(Failed::Wrong(format!("the release of {handle}: {error:?}"))),
            }
        }
        Err(Failed::Stuck)
    }

    /// The view, with the pool as it is now.
    async fn look(&self) -> Result<View, Fault> {
        let mut view = self.view.clone();
        if self.node.guards {
            let found = self.allocator.store().get(POOL).await?;
            let enabled = found.as_ref().is_some_and(|found| found.value == POOL_ENABLED);
            view.pools.iter_mut().for_each(|pool| pool.disabled = !enabled);
            view.guards.push((POOL.to_string(), found.map(|found| found.revision)));
        }
        Ok(view)
    }

    /// One address, all or nothing; none if there is none.
    async fn add(&self, handle: &str, own: &mut OwnBlocks) -> Result<Vec<IpAddr>, Failed> {
        let Node { host, now, .. } = self.node;
        let request = AssignRequest::new(handle, host, Use::Workload)
            .v4(1)
            .attribute("node", host)
            .attribute("pod", handle)
            .attribute("namespace", "n");
        for _ in 0..self.node.attempts {
            let Ok(view) = self.look().await else { continue };
            let assigned = if self.node.keeps {
                self.allocator.assign_all_from(own, &request, &view, *now).await
            } else {
                self.allocator.assign_all(&request, &view, *now).await
            };
            match assigned {
                Ok(assigned) => return Ok(assigned.addresses().map(|net| net.addr()).collect()),
                Err(error) => {
                    if error.assigned().addresses().next().is_some() {
                        return Err(Failed::Wrong(format!("{handle} was refused, and has something")));
                    }
                    if matches!(error.kind(), AssignErrorKind::NotUndone { .. }) {
                        self.delete(handle).await?;
                    }
                    if !error.is_retryable() {
                        return Ok(Vec::new());
                    }
                }
            }
        }
        Err(Failed::Stuck)
    }

    /// Two looks, far enough apart, and then what a collector does.
    async fn collect(&self, gone: &[String], nodes: &[String]) -> Result<(), Fault> {
        let Node { now, .. } = *self.node;
        let mut collector = LeakCollector::new(Some(Duration::from_secs(1)));
        let is_node = |node: &str| !nodes.iter().any(|gone| gone == node);
        let standing = |allocation: &Allocation<'_>| {
            let handle = allocation.handle().unwrap_or_default();
            if gone.iter().any(|gone| gone == handle) { Standing::Gone } else { Standing::InUse }
        };
        let allocator = &self.allocator;
        collector.scan(allocator, self.view, now, is_node, standing).await?;
        let later = now + Duration::from_secs(2);
        let scan = collector.scan(allocator, self.view, later, is_node, standing).await?;
        let outcome = collector.collect(allocator, &scan, self.view, later).await?;
        match outcome.failed.into_iter().find_map(|(_, error)| match error {
            crate::AffinityError::Fault(fault) => Some(fault),
            _ => None,
        }) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    async fn delete_pool(&self) -> Result<bool, Fault> {
        let store = self.allocator.store();
        if let Some(found) = store.get(POOL).await? {
            if found.value != POOL_DISABLED {
                store.update(POOL, POOL_DISABLED, found.revision).await?;
            }
        }
        let Some(pool) = self.view.pools.first() else { return Ok(true) };
        let released =
            self.allocator.release_pool_affinities(&pool.cidr, &self.view.config, self.node.now).await?;
        Ok(released.failed.is_empty())
    }
}
