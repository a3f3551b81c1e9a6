//! What a host's kernel holds: links, rules and routes, seen from inside.

use crate::hosts::Host;
use crate::programs::{self, Programs};
use anyhow::bail;
use core::fmt;
use core::time::Duration;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use tortie_routes::netlink::{Kernel, Links, NetNs};
use tortie_routes::{Entry, Family, Kind, Protocol, Scan, Table};

/// How often routes that change while they are read are read again.
const ATTEMPTS: u8 = 20;

/// Rules and routes of a host at one moment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) rules: String,
    pub(crate) routes: BTreeSet<Line>,
}

impl State {
    pub(crate) async fn of(programs: &Programs, host: &Host) -> anyhow::Result<Self> {
        Ok(Self { rules: rules(programs, host).await?, routes: routes(host).await? })
    }

    /// Says what differs, if anything does.
    pub(crate) fn same(&self, other: &Self) -> anyhow::Result<String> {
        let texts =
            |lines: &mut dyn Iterator<Item = &Line>| lines.map(ToString::to_string).collect::<Vec<_>>();
        let gone = texts(&mut self.routes.difference(&other.routes));
        let new = texts(&mut other.routes.difference(&self.routes));
        if !gone.is_empty() || !new.is_empty() {
            bail!("routes gone: {gone:?}, new: {new:?}");
        }
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (self.rules.lines().collect(), other.rules.lines().collect());
        if before != after {
            let gone: Vec<_> = before.difference(&after).take(5).map(|line| line.trim()).collect();
            let new: Vec<_> = after.difference(&before).take(5).map(|line| line.trim()).collect();
            bail!("rules gone: {gone:?}, new: {new:?} (at most five of each)");
        }
        Ok(format!("{} routes, {} lines of rules", self.routes.len(), before.len()))
    }
}

/// All rules of the host, without counters.
pub(crate) async fn rules(programs: &Programs, host: &Host) -> anyhow::Result<String> {
    let mut nft = programs.inside(&host.netns, "nft");
    programs::run(nft.args(["-s", "list", "ruleset"]), "").await?.out("nft list ruleset")
}

/// A route, with its destination apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) destination: IpNet,
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The routes of the main table, but for the kernel's own.
pub(crate) async fn routes(host: &Host) -> anyhow::Result<BTreeSet<Line>> {
    let namespace = NetNs::open(&host.netns)?;
    let links = Links::open_in(&namespace)?.list().await?;
    let names: BTreeMap<_, _> = links.into_iter().map(|link| (link.index, link.name)).collect();
    let mut kernel = Kernel::open_in(&namespace)?;
    let mut lines = BTreeSet::new();
    for family in Family::ALL {
        let mut attempts = 0..ATTEMPTS;
        let snapshot = loop {
            let snapshot = kernel.scan(Scan::Routes { family, table: Table::MAIN })?;
            if !snapshot.is_interrupted() {
                break snapshot;
            }
            if attempts.next().is_none() {
                bail!("the routes of {} change faster than they can be read", host.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let foreign = snapshot.entries().iter().filter(|entry| entry.protocol != Protocol::KERNEL);
        lines.extend(foreign.map(|entry| line(entry, &names)));
    }
    Ok(lines)
}

fn line(entry: &Entry, names: &BTreeMap<u32, String>) -> Line {
    let destination = entry.key.destination;
    let mut text = destination.to_string();
    if entry.kind != Kind::UNICAST {
        text = format!("{} {text}", entry.kind);
    }
    if let Some(hop) = entry.hop {
        if let Some(via) = hop.via {
            text.push_str(&format!(" via {via}"));
        }
        let name = names.get(&hop.index).cloned().unwrap_or_else(|| hop.index.to_string());
        text.push_str(&format!(" dev {name}"));
    }
    text.push_str(&format!(" proto {}", entry.protocol));
    Line { destination, text }
}
