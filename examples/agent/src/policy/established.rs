//! Connections that are there: judged when this host is taken over, and after changes if that is asked for.

use anyhow::Context as _;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use tortie_nft_wire::{Conntrack, Entry, Family};
use tortie_policy::Place;
use tortie_policy::nftables::{Options, Ruleset, TABLE};
use tortie_routes::netlink::Links;

/// A chain that every table with policy has.
const JUDGE: &[u8] = b"judge-ingress";
/// Of the time, at most one part in so many is spent on connections.
const SHARE: u32 = 10;

/// What becomes of connections, and when they were judged last.
pub(super) struct Judge {
    /// Whether policy that changes is asked again about connections that are there.
    pub(super) is_strict: bool,
    /// Interfaces of this host's workloads, by address.
    pub(super) workloads: BTreeMap<IpAddr, String>,
    /// Whether something was enforced since they were judged.
    pub(super) is_due: bool,
    /// When they may be judged again.
    next: Option<Instant>,
    /// Why they could not be judged.
    pub(super) fault: Option<String>,
}

impl Judge {
    pub(super) const fn new(is_strict: bool) -> Self {
        Self { is_strict, workloads: BTreeMap::new(), is_due: false, next: None, fault: None }
    }

    /// Judges connections if it is time to.
    pub(super) async fn after_change(&mut self, ruleset: &mut Ruleset) {
        if self.is_due && self.next.is_none_or(|next| Instant::now() >= next) {
            self.try_now(ruleset).await;
        }
    }

    /// Judges connections. What fails is tried again, and keeps no rule from being enforced.
    pub(super) async fn try_now(&mut self, ruleset: &mut Ruleset) {
        self.fault = self.judge(ruleset).await.err().map(|error| format!("{error:#}"));
        if let Some(fault) = &self.fault {
            tracing::warn!(fault, "connections that are there go on for now");
        }
    }

    /// How long until connections may be judged that are to be; `None` if none are.
    pub(super) fn wait(&self) -> Option<Duration> {
        let next = self.next.filter(|_| self.is_due)?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Marks those that policy, as it is wished now, would not accept.
    async fn judge(&mut self, ruleset: &mut Ruleset) -> anyhow::Result<()> {
        let links = Links::open().context("cannot open a netlink socket")?;
        let addresses = links.addresses(None).await.context("cannot list addresses")?;
        let own: BTreeSet<IpAddr> = addresses.iter().map(|address| address.net.addr()).collect();
        let start = Instant::now();
        // Others go on meanwhile: there may be very many. All of it comes back, since nothing in there panics.
        let given = core::mem::replace(ruleset, Ruleset::new(Options::default()));
        let workloads = core::mem::take(&mut self.workloads);
        let judged = tokio::task::spawn_blocking(move || {
            let place = |address: IpAddr| match workloads.get(&address) {
                Some(interface) => Place::Workload(interface),
                None if own.contains(&address) => Place::Host,
                None => Place::Interface(""),
            };
            let marked = Conntrack::open(tortie_nft_wire::Options::new()).and_then(|mut conntrack| {
                conntrack.mark(given.connection_mask(), |connection| given.connection_mark(connection, place))
            });
            (given, workloads, marked)
        });
        let (given, workloads, marked) = judged.await.context("connections are not judged")?;
        *ruleset = given;
        self.workloads = workloads;
        let marked = marked.context("cannot judge connections")?;
        tracing::info!(seen = marked.seen, changed = marked.changed, took = ?start.elapsed(), "connections judged");
        self.is_due = false;
        self.next = Instant::now().checked_add(start.elapsed().saturating_mul(SHARE));
        Ok(())
    }
}

/// Whether chains of a table with policy are among these.
pub(super) fn is_policed(chains: &[(Family, Entry)]) -> bool {
    chains.iter().any(|(_, entry)| {
        let Entry::Chain(chain) = entry else { return false };
        chain.table.as_bytes() == TABLE.as_bytes() && chain.name.as_bytes() == JUDGE
    })
}
