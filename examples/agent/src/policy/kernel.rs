//! The kernel's table, kept by transactions.

use crate::health::Metrics;
use anyhow::{Context as _, bail};
use core::time::Duration;
use std::time::Instant;
use tortie_nft_wire::{AsyncSocket, CommitError, Entry, Family, Feature, Listing, Table};
use tortie_policy::nftables::{Options, Ruleset, TABLE};

/// Most transactions that one wish may take: more than a search for one endpoint among very many.
const MOST: usize = 1000;
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
    /// After our last transaction, or when others' changes were looked at.
    generation: u32,
    looked: Instant,
    retried: Instant,
}

impl Kernel {
    pub(super) async fn open(options: Options) -> anyhow::Result<Self> {
        let mut socket =
            AsyncSocket::open(tortie_nft_wire::Options::new()).context("cannot talk to nf_tables")?;
        let features = socket.features().await.context("cannot find out what nf_tables can do")?;
        // An owner alone would take the table with it.
        let is_owned =
            [Feature::Owner, Feature::Persist, Feature::Destroy].iter().all(|feature| features.has(*feature));
        tracing::info!(is_owned, "nf_tables is there");
        let now = Instant::now();
        let ruleset = Ruleset::new(options.owned(is_owned));
        Ok(Self { socket, is_owned, ruleset, generation: 0, looked: now, retried: now })
    }

    /// Makes the kernel as wished.
    pub(super) async fn settle(&mut self, metrics: &Metrics) -> anyhow::Result<()> {
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
