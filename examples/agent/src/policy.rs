//! Policy in the kernel: what differs, as one transaction at a time, and endpoints acknowledged once it holds them.

use crate::health::{BEAT, Metrics, Reporter};
use crate::options::Host;
use crate::state::{PolicyWish, Wish};
use crate::status::Statuses;
use anyhow::{Context as _, bail};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tortie_nft_wire::{AsyncSocket, CommitError, Entry, Family, Feature, Listing, Table};
use tortie_policy::nftables::{Options, Ruleset, TABLE};
use tortie_policy::{Endpoint, Passes, Program};

/// The first and the longest pause before what failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long changes are gathered for one transaction.
const GATHER: Duration = Duration::from_millis(10);
/// Most transactions that one wish may take: more than a search for one endpoint among very many.
const MOST: usize = 1000;
/// How often a table that others may change is read and compared, at the most.
const LOOK: Duration = Duration::from_secs(30);
/// How often endpoints are tried again that the kernel refuses.
const AGAIN: Duration = Duration::from_secs(60);

/// Keeps the kernel's table as wished.
pub(crate) struct Enforcer {
    /// Its name, as host endpoints have it.
    node: String,
    prefix: Options,
    wish: Wish<PolicyWish>,
    statuses: Statuses,
    health: Reporter,
    metrics: Metrics,
    kernel: Option<Kernel>,
}

/// The socket, and the table that is kept through it.
struct Kernel {
    socket: AsyncSocket,
    /// Whether the table belongs to the socket.
    is_owned: bool,
    ruleset: Ruleset,
    /// The wish that the ruleset was given last.
    given: Option<Arc<PolicyWish>>,
    /// After our last transaction, or when others' changes were looked at.
    generation: u32,
    looked: Instant,
    retried: Instant,
}

impl Enforcer {
    pub(crate) fn new(
        host: &Host,
        wish: Wish<PolicyWish>,
        statuses: Statuses,
        health: Reporter,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let (node, prefix) = (host.node.clone(), options(host)?);
        Ok(Self { node, prefix, wish, statuses, health, metrics, kernel: None })
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
                changed = self.wish.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(GATHER).await;
                }
                () = tokio::time::sleep(wait.min(BEAT)) => {}
            }
        }
    }

    /// Commits what differs, and acknowledges.
    async fn enforce(&mut self, wish: &Arc<PolicyWish>) -> anyhow::Result<()> {
        let mut kernel = match self.kernel.take() {
            Some(kernel) => kernel,
            None => Kernel::open(self.prefix.clone()).await?,
        };
        if kernel.given.as_ref().is_none_or(|given| !Arc::ptr_eq(given, wish)) {
            kernel.ruleset.set_program(self.program(wish));
            kernel.given = Some(Arc::clone(wish));
        }
        let result = kernel.settle(&self.metrics).await;
        let denied: BTreeMap<String, String> = kernel
            .ruleset
            .denials()
            .map(|denial| (denial.interface.to_owned(), denial.reason.to_owned()))
            .collect();
        self.metrics.set_counts(&kernel.ruleset.counts(), denied.len());
        self.kernel = Some(kernel);
        result?;
        let enforced =
            wish.endpoints.iter().filter(|endpoint| !denied.contains_key(&endpoint.spec.interface_name));
        self.statuses.acknowledge(enforced).await;
        if denied.is_empty() {
            self.health.ready();
        } else {
            let names: Vec<_> =
                denied.iter().map(|(interface, reason)| format!("{interface} ({reason})")).collect();
            self.health
                .not_ready(format!("rules are refused, and all packets dropped: {}", names.join(", ")));
        }
        Ok(())
    }

    /// The rules of this host's endpoints.
    fn program(&self, wish: &PolicyWish) -> Program {
        let local: BTreeSet<String> =
            wish.endpoints.iter().map(|endpoint| tortie_datastore::convert::endpoint(endpoint).id).collect();
        let host = tortie_policy::Host::new(self.node.as_str());
        let resolved =
            tortie_policy::resolve(&wish.inputs, &host, |endpoint: &Endpoint| local.contains(&endpoint.id));
        for fault in resolved.faults() {
            tracing::warn!(%fault, "endpoint gets no rules: all its packets are dropped");
        }
        tortie_policy::optimise(&tortie_policy::compile(&resolved), &Passes::default()).program
    }
}

impl Kernel {
    async fn open(options: Options) -> anyhow::Result<Self> {
        let mut socket =
            AsyncSocket::open(tortie_nft_wire::Options::new()).context("cannot talk to nf_tables")?;
        let features = socket.features().await.context("cannot find out what nf_tables can do")?;
        // An owner alone would take the table with it.
        let is_owned =
            [Feature::Owner, Feature::Persist, Feature::Destroy].iter().all(|feature| features.has(*feature));
        tracing::info!(is_owned, "nf_tables is there");
        let now = Instant::now();
        let ruleset = Ruleset::new(options.owned(is_owned));
        Ok(Self { socket, is_owned, ruleset, given: None, generation: 0, looked: now, retried: now })
    }

    /// Makes the kernel as wished.
    async fn settle(&mut self, metrics: &Metrics) -> anyhow::Result<()> {
        if self.ruleset.denials().next().is_some() && self.retried.elapsed() > AGAIN {
            self.retried = Instant::now();
            self.ruleset.retry_denied();
        }
        if self.ruleset.is_settled() && self.has_drifted().await? {
            tracing::warn!("somebody changed our table: putting it back");
            metrics.drifted();
            self.ruleset.forget();
        }
        for _ in 0..MOST {
            let Some(batch) = self.ruleset.poll_batch()? else { return Ok(()) };
            let (start, octets) = (Instant::now(), batch.len_octets());
            match self.socket.commit(batch).await {
                Ok(()) => {
                    self.ruleset.confirm();
                    metrics.applied(start.elapsed());
                    self.generation = self.socket.generation().await?;
                    tracing::info!(octets, took = ?start.elapsed(), "policy committed");
                }
                Err(CommitError::Refused(refusals)) => {
                    for refusal in refusals.iter().take(5) {
                        tracing::error!(%refusal, "the kernel refuses rules");
                    }
                    let numbers: Vec<u32> = refusals.iter().map(|refusal| refusal.number).collect();
                    if !self.ruleset.reject(&numbers) {
                        return Err(CommitError::Refused(refusals).into());
                    }
                }
                Err(error @ CommitError::Unknown { .. }) => {
                    self.ruleset.forget();
                    return Err(error.into());
                }
                // Nothing changed: the same batch is tried again.
                Err(error) => return Err(error.into()),
            }
        }
        bail!("the rules are not taken after {MOST} transactions")
    }

    /// Whether the table is another than we made. Of one that belongs to our socket it is enough to know that it is there.
    async fn has_drifted(&mut self) -> anyhow::Result<bool> {
        let generation = self.socket.generation().await?;
        if generation == self.generation {
            return Ok(false);
        }
        if self.is_owned {
            self.generation = generation;
            let tables = self.socket.list(Family::INET, Listing::Tables).await?;
            let owner = self.socket.id()?;
            let is_ours =
                |table: &Table| table.name.as_bytes() == TABLE.as_bytes() && table.owner == Some(owner);
            return Ok(!tables
                .iter()
                .any(|(_, entry)| matches!(entry, Entry::Table(table) if is_ours(table))));
        }
        if self.looked.elapsed() < LOOK && self.is_there().await? {
            return Ok(false);
        }
        self.looked = Instant::now();
        let (generation, entries) = self.socket.ruleset(Family::INET).await?;
        self.generation = generation;
        Ok(!self.ruleset.is_listed(&entries)?)
    }

    async fn is_there(&mut self) -> anyhow::Result<bool> {
        let tables = self.socket.list(Family::INET, Listing::Tables).await?;
        Ok(tables.iter().any(
            |(_, entry)| matches!(entry, Entry::Table(table) if table.name.as_bytes() == TABLE.as_bytes()),
        ))
    }
}

/// Removes the table.
pub(crate) async fn remove(host: &Host) -> anyhow::Result<()> {
    let mut socket =
        AsyncSocket::open(tortie_nft_wire::Options::new()).context("cannot talk to nf_tables")?;
    let mut batch = Ruleset::remove(&options(host)?)?;
    Ok(socket.commit(&mut batch).await?)
}

/// How this host's table is laid out.
fn options(host: &Host) -> anyhow::Result<Options> {
    Ok(Options::default().workload_prefix(&host.interface_prefix)?)
}
