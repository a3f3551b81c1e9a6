//! Routes in the kernel, as the fabric wants them.

use crate::health::Reporter;
use crate::policy::Feed;
use crate::state::{FabricWish, Wish};
use anyhow::{Context as _, ensure};
use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::watch;
use tortie_datastore::Excerpt;
use tortie_fabric::{Fabric, Parents};
use tortie_routes::netlink::{Driver, Kernel, Link, Links};
use tortie_routes::{Config, Notice, Ownership, Reconciler};

/// How long the plugin's own route stays before the agent must have heard of its endpoint.
const GRACE: Duration = Duration::from_secs(10);
/// The pause before a failed socket is replaced.
const RETRY: Duration = Duration::from_secs(1);
/// How often what was done is looked at: notices, readiness.
const LOOK: Duration = Duration::from_millis(200);
/// How often links and their addresses are looked at.
const LINKS: Duration = Duration::from_secs(1);
/// How long removing all routes may take.
const REMOVAL: Duration = Duration::from_secs(20);

/// Keeps the kernel's routes as the fabric wants them.
pub(crate) struct Keeper {
    prefix: String,
    wish: Wish<FabricWish>,
    parents: watch::Sender<Option<Parents>>,
    /// Told of the host's interfaces, which host endpoints may be found by.
    policy: Arc<Feed>,
    links: Links,
    health: Reporter,
}

impl Keeper {
    pub(crate) fn open(
        prefix: &str,
        wish: Wish<FabricWish>,
        parents: watch::Sender<Option<Parents>>,
        policy: Arc<Feed>,
        health: Reporter,
    ) -> anyhow::Result<Self> {
        let links = Links::open().context("cannot open a netlink socket")?;
        Ok(Self { prefix: prefix.to_owned(), wish, parents, policy, links, health })
    }

    /// For ever, with a new driver after each failure.
    pub(crate) async fn run(mut self) {
        loop {
            if let Err(error) = self.drive().await {
                self.health.not_ready(format!("{error:#}"));
            }
            if self.wish.has_changed().is_err() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn drive(&mut self) -> anyhow::Result<()> {
        let config = Config::new(Ownership::agent(&self.prefix)).grace(&self.prefix, GRACE);
        let mut driver = driver(config)?;
        self.wish.mark_changed();
        let mut looked_at_links = None;
        loop {
            if self.wish.has_changed()? {
                let wish = self.wish.borrow_and_update().clone();
                if let Some(wish) = wish {
                    if wish.parents_known {
                        desire(driver.reconciler(), &wish.fabric);
                    }
                    looked_at_links = None;
                }
            }
            if looked_at_links.is_none_or(|at: tokio::time::Instant| at.elapsed() > LINKS) {
                self.look_at_links().await?;
                looked_at_links = Some(tokio::time::Instant::now());
            }
            self.look(driver.reconciler());
            tokio::select! {
                failed = driver.run() => {
                    failed?;
                }
                changed = self.wish.changed() => {
                    changed?;
                    self.wish.mark_changed();
                }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Logs what happened, and tells how it goes.
    fn look(&self, reconciler: &mut Reconciler) {
        while let Some(notice) = reconciler.poll_notice() {
            match notice {
                Notice::Conflict { key, protocol } => {
                    tracing::warn!(?key, ?protocol, "somebody else's route holds this key");
                }
                Notice::ConflictEnded { key } => tracing::info!(?key, "the key is free"),
                Notice::Refused { key, errno } => tracing::warn!(?key, %errno, "the kernel refuses a route"),
                Notice::Fight { key, times } => {
                    tracing::warn!(?key, times, "somebody else keeps changing a route")
                }
                _ => {}
            }
        }
        let conflicts = reconciler.conflicts().count();
        let complete = self.wish.borrow().as_ref().is_some_and(|wish| wish.parents_known);
        if !complete {
            self.health.not_ready("waiting for the datastore");
        } else if conflicts > 0 {
            self.health.not_ready(format!("{conflicts} routes are kept out by somebody else's"));
        } else if reconciler.is_settled() {
            self.health.ready();
        } else {
            self.health.beat();
        }
    }

    /// Publishes which links hold this node's own addresses, and tells policy of the host's interfaces.
    async fn look_at_links(&self) -> anyhow::Result<()> {
        let addresses = self.links.addresses(None).await?;
        let links = self.links.list().await?;
        let of_host = links.iter().filter(|link| !link.name.starts_with(&self.prefix));
        let addresses_of = |link: &Link| {
            let own = addresses.iter().filter(|held| held.index == link.index);
            own.map(|held| held.net.addr()).collect()
        };
        self.policy.set_interfaces(of_host.map(|link| (link.name.clone(), addresses_of(link))).collect());
        let Some(wish) = self.wish.borrow().clone() else { return Ok(()) };
        let own = &wish.fabric.speaker;
        let holder = |own: Option<IpAddr>| {
            let held = addresses.iter().find(|held| Some(held.net.addr()) == own)?;
            links.iter().find(|link| link.index == held.index).map(|link| link.name.clone())
        };
        let found = Parents { v4: holder(own.v4), v6: holder(own.v6) };
        self.parents.send_if_modified(|parents| {
            let changed = parents.as_ref() != Some(&found);
            if changed {
                tracing::info!(v4 = ?found.v4, v6 = ?found.v6, "links of the node's own addresses");
                *parents = Some(found);
            }
            changed
        });
        Ok(())
    }
}

fn driver(config: Config) -> anyhow::Result<Driver> {
    let kernel = Kernel::open().context("cannot open netlink sockets")?;
    Ok(Driver::new(Reconciler::new(config), kernel))
}

fn desire(reconciler: &mut Reconciler, fabric: &Fabric) {
    for refused in reconciler.replace_all(fabric.routes.iter().cloned()) {
        let refused = refused.to_string();
        tracing::error!(refused = %Excerpt(&refused), "the fabric wants a route that is not ours to write");
    }
    reconciler.set_in_sync();
}

/// Removes every route of the agent.
pub(crate) async fn remove_all(prefix: &str) -> anyhow::Result<()> {
    let mut driver = driver(Config::new(Ownership::agent(prefix)))?;
    driver.reconciler().set_in_sync();
    ensure!(driver.settle(REMOVAL).await?, "some routes could not be removed in {} s", REMOVAL.as_secs());
    Ok(())
}
