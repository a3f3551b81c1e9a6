//! Policy in the kernel: the whole table in one transaction, and endpoints acknowledged once it holds them.

use crate::health::{BEAT, Reporter};
use crate::nft;
use crate::options::Host;
use crate::state::{PolicyWish, Wish};
use crate::status::Statuses;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;
use tortie_policy::nftables::{self, Options};
use tortie_policy::{Endpoint, Resolved};

/// The first and the longest pause before a refused rule set is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Keeps the kernel's table as wished.
pub(crate) struct Enforcer {
    /// Its name, as host endpoints have it.
    node: String,
    options: Options,
    wish: Wish<PolicyWish>,
    statuses: Statuses,
    health: Reporter,
    installed: Option<Installed>,
}

/// What was committed last.
struct Installed {
    text: String,
    /// As the kernel lists it: a listing that differs was changed by somebody else.
    listing: String,
    /// Endpoints whose rules the kernel refuses, by interface; all their packets are dropped.
    denied: BTreeSet<String>,
}

impl Enforcer {
    pub(crate) fn new(
        host: &Host,
        wish: Wish<PolicyWish>,
        statuses: Statuses,
        health: Reporter,
    ) -> anyhow::Result<Self> {
        let (node, options) = (host.node.clone(), options(host)?);
        Ok(Self { node, options, wish, statuses, health, installed: None })
    }

    /// Enforces every wish, and repairs what others change; for ever.
    pub(crate) async fn run(mut self) {
        let mut pause = RETRY.0;
        loop {
            let wish = self.wish.borrow_and_update().clone();
            let wait = match &wish {
                None => BEAT,
                Some(wish) => match self.enforce(wish).await {
                    Ok(()) => {
                        pause = RETRY.0;
                        self.report();
                        BEAT
                    }
                    Err(error) => {
                        // What was committed before stays: never less than the last rules.
                        self.health.not_ready(format!("{error:#}"));
                        let wait = pause;
                        pause = (pause * 2).min(RETRY.1);
                        wait
                    }
                },
            };
            self.health.beat();
            tokio::select! {
                changed = self.wish.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait.min(BEAT)) => {}
            }
        }
    }

    fn report(&self) {
        let denied: Vec<_> = self.installed.iter().flat_map(|installed| &installed.denied).cloned().collect();
        if denied.is_empty() {
            self.health.ready();
        } else {
            self.health.not_ready(format!(
                "the kernel refuses the rules of {}: all their packets are dropped",
                denied.join(", ")
            ));
        }
    }

    /// Commits what differs, and acknowledges.
    async fn enforce(&mut self, wish: &Arc<PolicyWish>) -> anyhow::Result<()> {
        let resolved = self.resolve(wish, &BTreeSet::new());
        for fault in resolved.faults() {
            tracing::warn!(%fault, "endpoint gets no rules: all its packets are dropped");
        }
        let text = self.render(&resolved);
        let changed = match &self.installed {
            Some(installed) if installed.text == text => {
                let drifted = nft::list(nftables::TABLE).await.as_ref().ok() != Some(&installed.listing);
                if drifted {
                    tracing::warn!("somebody changed our table: putting it back");
                }
                drifted
            }
            _ => true,
        };
        if changed {
            let denied = match nft::commit(&text).await {
                Ok(()) => BTreeSet::new(),
                Err(error) => self.deny_offenders(wish, error).await?,
            };
            let listing = nft::list(nftables::TABLE).await?;
            tracing::info!(octets = text.len(), denied = denied.len(), "policy committed");
            self.installed = Some(Installed { text, listing, denied });
        }
        let denied = self.installed.as_ref().map(|installed| &installed.denied);
        let enforced = wish
            .endpoints
            .iter()
            .filter(|endpoint| denied.is_none_or(|denied| !denied.contains(&endpoint.spec.interface_name)));
        self.statuses.acknowledge(enforced).await;
        Ok(())
    }

    /// The kernel refused the whole: finds the endpoints that it refuses, commits the rest, and leaves those with
    /// nothing, so that all their packets are dropped. One bad program never blocks a revocation.
    async fn deny_offenders(
        &self,
        wish: &PolicyWish,
        error: anyhow::Error,
    ) -> anyhow::Result<BTreeSet<String>> {
        let all: Vec<String> =
            wish.endpoints.iter().map(|endpoint| endpoint.spec.interface_name.clone()).collect();
        let everybody: BTreeSet<_> = all.iter().cloned().collect();
        if nft::check(&self.render(&self.resolve(wish, &everybody))).await.is_err() {
            // Not one endpoint's fault.
            return Err(error);
        }
        let mut denied = everybody;
        let mut halves = vec![all];
        while let Some(suspects) = halves.pop() {
            let mut trial = denied.clone();
            for interface in &suspects {
                trial.remove(interface);
            }
            if nft::check(&self.render(&self.resolve(wish, &trial))).await.is_ok() {
                denied = trial;
            } else if suspects.len() > 1 {
                let (left, right) = suspects.split_at(suspects.len() / 2);
                halves.push(right.to_vec());
                halves.push(left.to_vec());
            }
        }
        tracing::error!(?denied, %error, "the kernel refuses these endpoints: denying them, committing the rest");
        nft::commit(&self.render(&self.resolve(wish, &denied))).await?;
        Ok(denied)
    }

    /// The rules of this host's endpoints, but for those left out.
    fn resolve(&self, wish: &PolicyWish, left_out: &BTreeSet<String>) -> Resolved {
        let local: BTreeSet<String> =
            wish.endpoints.iter().map(|endpoint| tortie_datastore::convert::endpoint(endpoint).id).collect();
        let host = tortie_policy::Host::new(self.node.as_str());
        tortie_policy::resolve(&wish.inputs, &host, |endpoint: &Endpoint| {
            local.contains(&endpoint.id) && !left_out.contains(&endpoint.interface)
        })
    }

    fn render(&self, resolved: &Resolved) -> String {
        nftables::render(&tortie_policy::compile(resolved), &self.options)
    }
}

/// How this host's table is rendered.
pub(crate) fn options(host: &Host) -> anyhow::Result<Options> {
    Ok(Options::default().workload_prefix(&host.interface_prefix)?)
}
