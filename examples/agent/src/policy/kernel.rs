//! The kernel's table, kept by transactions.

use super::established::{Judge, is_policed};
use crate::health::Metrics;
use anyhow::{Context as _, bail};
use core::time::Duration;
use std::time::Instant;
use tortie_nft_wire::{AsyncSocket, CommitError, Entry, Family, Feature, Listing, Table};
use tortie_policy::nftables::{ForeignDrop, Options, Ruleset, TABLE, foreign_drops};

/// Most transactions that one wish may take: more than a search for one endpoint among very many.
const MOST: usize = 1000;
/// How often counters are read, at the most.
const COUNT: Duration = Duration::from_secs(4);
/// How often a table that others may change is read and compared, at the most.
const LOOK: Duration = Duration::from_secs(30);
/// How often endpoints are tried again that the kernel refuses.
const AGAIN: Duration = Duration::from_secs(60);

/// The socket, and the table that is kept through it.
pub(super) struct Kernel {
    socket: AsyncSocket,
    /// Whether the table belongs to the socket.
    is_owned: bool,
    pub(super) ruleset: Ruleset,
    /// Whether nobody has enforced policy here before: connections are to be judged.
    is_first: bool,
    /// Chains of others that may drop what we accept.
    pub(super) foreign: Vec<ForeignDrop>,
    /// When these were looked for.
    foreign_generation: Option<u32>,
    /// After our last transaction, or when others' changes were looked at.
    generation: u32,
    looked: Instant,
    counted: Instant,
    retried: Instant,
}

impl Kernel {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let mut socket =
            AsyncSocket::open(tortie_nft_wire::Options::new()).context("cannot talk to nf_tables")?;
        let features = socket.features().await.context("cannot find out what nf_tables can do")?;
        // An owner alone would take the table with it.
        let is_owned =
            [Feature::Owner, Feature::Persist, Feature::Destroy].iter().all(|feature| features.has(*feature));
        tracing::info!(is_owned, "nf_tables is there");
        let chains = socket.list(Family::INET, Listing::Chains).await.context("cannot list chains")?;
        let is_first = !is_policed(&chains);
        let now = Instant::now();
        let mut ruleset = Ruleset::new(Options::default().owned(is_owned));
        // Counters of an earlier run go on.
        ruleset.read_counters(&socket.list(Family::INET, Listing::Objects).await?);
        let foreign = Vec::new();
        Ok(Self {
            socket,
            is_owned,
            ruleset,
            is_first,
            foreign,
            foreign_generation: None,
            generation: 0,
            looked: now,
            counted: now,
            retried: now,
        })
    }

    /// Lays the table out otherwise.
    pub(super) fn set_options(&mut self, options: Options) {
        let mark = self.ruleset.connection_mask();
        self.ruleset.set_options(options.owned(self.is_owned));
        // Connections that are cut have the old mark: they are judged again before that means nothing any more.
        self.is_first |= mark != self.ruleset.connection_mask();
    }

    /// Makes the kernel as wished.
    pub(super) async fn settle(&mut self, metrics: &Metrics, judge: &mut Judge) -> anyhow::Result<()> {
        if self.is_first {
            // First what is there is judged, then the rules are enforced; and again what has come meanwhile.
            judge.try_now(&mut self.ruleset).await;
            judge.is_due = true;
        }
        let has_changed = self.commit(metrics).await?;
        self.is_first = false;
        judge.is_due |= has_changed && judge.is_strict;
        judge.after_change(&mut self.ruleset).await;
        self.look(metrics).await
    }

    /// Reads counters, and looks for chains of others.
    async fn look(&mut self, metrics: &Metrics) -> anyhow::Result<()> {
        if self.counted.elapsed() < COUNT {
            return Ok(());
        }
        self.counted = Instant::now();
        self.ruleset.read_counters(&self.socket.list(Family::INET, Listing::Objects).await?);
        metrics.set_denied(self.ruleset.denied());
        // Others may have very many chains: they are listed only if somebody has changed something.
        let generation = self.socket.generation().await?;
        if self.foreign_generation != Some(generation) {
            self.foreign = foreign_drops(&self.socket.list(Family::new(0), Listing::Chains).await?);
            self.foreign_generation = Some(generation);
        }
        Ok(())
    }

    /// Makes the kernel as wished; whether that changed anything.
    async fn commit(&mut self, metrics: &Metrics) -> anyhow::Result<bool> {
        if self.ruleset.denials().next().is_some() && self.retried.elapsed() > AGAIN {
            self.retried = Instant::now();
            self.ruleset.retry_denied();
        }
        if self.ruleset.is_settled() && self.has_drifted().await? {
            tracing::warn!("somebody changed our table: putting it back");
            metrics.drifted();
            self.ruleset.forget();
        }
        let mut has_changed = false;
        for _ in 0..MOST {
            let Some(batch) = self.ruleset.poll_batch()? else { return Ok(has_changed) };
            let (start, octets) = (Instant::now(), batch.len_octets());
            match self.socket.commit(batch).await {
                Ok(()) => {
                    self.ruleset.confirm();
                    has_changed = true;
                    metrics.applied(start.elapsed());
                    self.generation = self.socket.generation().await?;
                    tracing::debug!(octets, took = ?start.elapsed(), "policy committed");
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
