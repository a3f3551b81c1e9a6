//! Policy in the kernel: what differs, as one transaction at a time, and endpoints acknowledged once it holds them.

mod established;
mod feed;
mod kernel;

use crate::health::{BEAT, Metrics, Reporter};
use crate::options::Established;
use crate::status::{Status, Statuses};
use anyhow::Context as _;
use core::time::Duration;
use established::Judge;
use kernel::Kernel;
use std::collections::BTreeMap;
use std::sync::Arc;
use tortie_datastore::resource::{FelixSettings, Resource, WorkloadEndpointSpec};
use tortie_nft_wire::{AsyncSocket, Entry, Family, Listing};
use tortie_policy::nftables::{Ruleset, TABLE};
use tortie_policy::{Passes, Program};

pub(crate) use feed::Feed;

/// The first and the longest pause before what failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How many endpoints with faults are named.
const TOLD: usize = 5;
/// How long changes are gathered for one transaction.
const GATHER: Duration = Duration::from_millis(10);

/// Keeps the kernel's table as wished.
pub(crate) struct Enforcer {
    feed: Arc<Feed>,
    statuses: Statuses,
    health: Reporter,
    metrics: Metrics,
    kernel: Option<Kernel>,
    /// What is said of endpoints, by interface, once the kernel has their rules.
    endpoints: BTreeMap<String, Status>,
    judge: Judge,
}

impl Enforcer {
    pub(crate) fn new(
        established: Established,
        feed: Arc<Feed>,
        statuses: Statuses,
        health: Reporter,
        metrics: Metrics,
    ) -> Self {
        let endpoints = BTreeMap::new();
        let judge = Judge::new(established == Established::ReEvaluate);
        Self { feed, statuses, health, metrics, kernel: None, endpoints, judge }
    }

    /// Enforces every change, and repairs what others change; for ever.
    pub(crate) async fn run(mut self) {
        let mut pause = RETRY.0;
        loop {
            let wait = match self.enforce().await {
                Ok(()) => {
                    pause = RETRY.0;
                    self.judge.wait().unwrap_or(BEAT)
                }
                Err(error) => {
                    // What was committed before stays: never less than the last rules.
                    self.health.not_ready(format!("{error:#}"));
                    let wait = pause;
                    pause = (pause * 2).min(RETRY.1);
                    wait
                }
            };
            self.health.beat();
            tokio::select! {
                () = self.feed.changed() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(wait.min(BEAT)) => {}
            }
        }
    }

    /// Commits what differs, and acknowledges.
    async fn enforce(&mut self) -> anyhow::Result<()> {
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            None => self.kernel.insert(Kernel::open().await?),
        };
        let Some(changes) = self.feed.flush(&Passes::default()) else { return Ok(()) };
        if changes.is_whole {
            let mut program = Program::default();
            program.apply(changes.delta);
            kernel.ruleset.set_program(program);
        } else {
            kernel.ruleset.apply(changes.delta);
        }
        if let Some(options) = changes.options {
            kernel.set_options(options);
        }
        if let Some(network) = changes.network {
            kernel.ruleset.set_network(network);
        }
        if let Some(endpoints) = changes.endpoints {
            let addresses = |endpoint: &Resource<WorkloadEndpointSpec>| {
                let interface = endpoint.spec.interface_name.clone();
                endpoint.spec.ip_networks.clone().into_iter().map(move |net| (net.addr(), interface.clone()))
            };
            self.judge.workloads = endpoints.iter().flat_map(addresses).collect();
            let status = |endpoint: &Resource<WorkloadEndpointSpec>| {
                Some((endpoint.spec.interface_name.clone(), Status::of(endpoint)?))
            };
            self.endpoints = endpoints.iter().filter_map(status).collect();
        }
        let result = kernel.settle(&self.metrics, &mut self.judge).await;
        let denied: BTreeMap<&str, &str> =
            kernel.ruleset.denials().map(|denial| (denial.interface, denial.reason)).collect();
        self.metrics.set_counts(&kernel.ruleset.counts(), denied.len());
        result?;
        let enforced =
            self.endpoints.iter().filter(|(interface, _)| !denied.contains_key(interface.as_str()));
        self.statuses.acknowledge(enforced.map(|(_, status)| status)).await;
        if denied.is_empty() {
            // Whether others drop what we accept, only people can say.
            let foreign: Vec<_> = kernel.foreign.iter().map(ToString::to_string).collect();
            let foreign = (!foreign.is_empty())
                .then(|| format!("others drop what they do not accept: {}", foreign.join(", ")));
            let notes: Vec<_> =
                (self.judge.fault.iter().cloned()).chain(foreign).chain(notes(&self.feed.faults())).collect();
            if notes.is_empty() {
                self.health.ready();
            } else {
                self.health.ready_but(notes.join("; "));
            }
        } else {
            let names: Vec<_> =
                denied.iter().map(|(interface, reason)| format!("{interface} ({reason})")).collect();
            self.health
                .not_ready(format!("rules are refused, and all packets dropped: {}", names.join(", ")));
        }
        Ok(())
    }
}

/// What people should know of endpoints with faults, given whether they have no rules at all.
fn notes(faults: &[(String, bool)]) -> Vec<String> {
    let kinds =
        [("endpoints without rules of their own", true), ("endpoints without rules of some policies", false)];
    let note = |(what, are_closed): (&str, bool)| {
        let of = faults.iter().filter(|(_, is_closed)| *is_closed == are_closed);
        let texts: Vec<&str> = of.map(|(text, _)| text.as_str()).collect();
        let (first, more) = texts.split_at(texts.len().min(TOLD));
        let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
        (!texts.is_empty()).then(|| format!("{what}: {}{more}", first.join(", ")))
    };
    kinds.into_iter().filter_map(note).collect()
}

/// What policy the kernel has.
pub(crate) struct InForce {
    /// Whether it has any.
    pub(crate) is_policed: bool,
    /// The cluster whose policy it is, if the table says so.
    pub(crate) cluster: Option<String>,
}

/// What policy the kernel has, from an agent that was here before.
pub(crate) async fn in_force() -> anyhow::Result<InForce> {
    let mut socket =
        AsyncSocket::open(tortie_nft_wire::Options::new()).context("cannot talk to nf_tables")?;
    let tables = socket.list(Family::INET, Listing::Tables).await.context("cannot list tables")?;
    let comment = tables.iter().find_map(|(_, entry)| match entry {
        Entry::Table(table) if table.name.as_bytes() == TABLE.as_bytes() => table.comment_text(),
        _ => None,
    });
    let cluster = comment.and_then(|comment| Some(comment.strip_prefix(feed::OF_CLUSTER)?.to_owned()));
    let chains = socket.list(Family::INET, Listing::Chains).await.context("cannot list chains")?;
    Ok(InForce { is_policed: established::is_policed(&chains), cluster })
}

/// Removes the table.
pub(crate) async fn remove(settings: &FelixSettings) -> anyhow::Result<()> {
    let mut socket =
        AsyncSocket::open(tortie_nft_wire::Options::new()).context("cannot talk to nf_tables")?;
    let mut batch = Ruleset::remove(&settings.options())?;
    Ok(socket.commit(&mut batch).await?)
}
