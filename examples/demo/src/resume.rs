//! An agent is killed and comes back, while packets flow.

use crate::cluster::Cluster;
use crate::look;
use crate::matrix::{Expected, Way};
use crate::pods::Pod;
use crate::probe::{Answer, Ask, Protocol, Tally};
use crate::screen::Screen;
use anyhow::{Context as _, anyhow, bail};
use core::time::Duration;
use futures_util::future::try_join_all;
use rustix::process::Signal;
use std::collections::BTreeMap;
use tokio::time::sleep;

/// One message per flow in this time.
const EVERY_MS: u64 = 10;
/// How long the killed agent stays away.
const AWAY: Duration = Duration::from_secs(2);
/// How long the new one may take.
const BACK: Duration = Duration::from_secs(20);
/// How many flows of a kind there are at most.
const OF_A_KIND: usize = 3;

/// Where a flow runs, seen from the host whose agent is killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Elsewhere,
    From,
    To,
    Within,
}

impl Place {
    const fn of(from_there: bool, to_there: bool) -> Self {
        match (from_there, to_there) {
            (false, false) => Self::Elsewhere,
            (true, false) => Self::From,
            (false, true) => Self::To,
            (true, true) => Self::Within,
        }
    }
}

/// Some of the ways that policy allows, or else denies: a few of every place, family and protocol, between hosts where
/// there are two. What is denied is tried by UDP alone, which goes on trying.
fn choose(cluster: &Cluster, expected: &Expected, victim: &str, open: bool) -> anyhow::Result<Vec<Way>> {
    let node = |index: usize| cluster.pods.get(index).map_or("", |pod| pod.wanted.node.as_str());
    let mut chosen: BTreeMap<_, Vec<Way>> = BTreeMap::new();
    for (way, _) in
        expected.iter().filter(|(way, found)| **found == open && (open || way.protocol == Protocol::Udp))
    {
        let place = Place::of(node(way.from) == victim, node(way.to) == victim);
        if place == Place::Elsewhere && node(way.from) == node(way.to) {
            continue;
        }
        chosen.entry((place, way.v6, way.protocol)).or_default().push(*way);
    }
    for (place, text) in [
        (Place::Elsewhere, "between pods on other hosts"),
        (Place::From, "from its pods"),
        (Place::To, "to its pods"),
    ] {
        if !chosen.keys().any(|(found, _, _)| *found == place) {
            bail!("policy {} no flow {text} that could be watched", if open { "allows" } else { "denies" });
        }
    }
    Ok(chosen.into_values().flat_map(spread).collect())
}

/// A few of them, from all over the list.
fn spread(ways: Vec<Way>) -> impl Iterator<Item = Way> {
    let step = ways.len().div_ceil(OF_A_KIND).max(1);
    ways.into_iter().step_by(step)
}

/// Kills the agent of one host and starts it again; nothing may be lost, and nothing may change meanwhile.
pub(crate) async fn claim(
    cluster: &mut Cluster,
    screen: &mut Screen,
    expected: &Expected,
) -> anyhow::Result<()> {
    let victim =
        cluster.hosts.get(1).map(|host| host.name.clone()).ok_or_else(|| anyhow!("no second host"))?;
    let mut ways = choose(cluster, expected, &victim, true)?;
    let what = format!("{} flows go on while the agent of {victim} is killed and comes back", ways.len());
    screen.stage(what, 3);
    ways.extend(choose(cluster, expected, &victim, false)?);
    start(cluster, &ways).await?;
    sleep(Duration::from_millis(500)).await;
    screen.step();

    let (kept, back) = kill_and_return(cluster, screen, &victim).await?;
    sleep(Duration::from_millis(500)).await;
    let (open, denied): (Tallies, Tallies) =
        stop(cluster, &ways).await?.into_iter().partition(|(way, _)| expected.get(way) == Some(&true));
    screen.claim(&format!("kill -9 of the agent of {victim} leaves its rules and routes in place"), kept);
    screen.claim("the agent started again is ready, with the same rules and routes", back);
    screen.claim(
        "no packet is lost meanwhile, between other hosts, and from and to pods of this one",
        nothing_lost(&cluster.pods, &open),
    );
    screen
        .claim("nothing that policy denies gets through meanwhile", nothing_answered(&cluster.pods, &denied));
    Ok(())
}

type Judged = anyhow::Result<String>;
type Tallies = Vec<(Way, Tally)>;

async fn kill_and_return(
    cluster: &mut Cluster,
    screen: &Screen,
    victim: &str,
) -> anyhow::Result<(Judged, Judged)> {
    let Cluster { programs, hosts, .. } = cluster;
    let host = hosts.iter_mut().find(|host| host.name == victim).context("the victim")?;
    let before = look::State::of(host).await?;
    host.end_agent(Signal::KILL).await?;
    sleep(AWAY).await;
    screen.step();
    let meanwhile = look::State::of(host).await?;
    let kept = before.same(&meanwhile);
    host.start_agent(programs)?;
    let back = match host.until_ready(BACK).await {
        Ok(()) => {
            sleep(Duration::from_secs(1)).await;
            before.same(&look::State::of(host).await?)
        }
        Err(error) => Err(error),
    };
    screen.step();
    Ok((kept, back))
}

async fn start(cluster: &mut Cluster, ways: &[Way]) -> anyhow::Result<()> {
    let mut asks = Vec::with_capacity(cluster.pods.len());
    for from in 0..cluster.pods.len() {
        let own = ways.iter().filter(|way| way.from == from);
        let targets = own.map(|way| way.target(&cluster.pods)).collect::<Result<Vec<_>, _>>()?;
        asks.push(Ask::Start { targets, every_ms: EVERY_MS });
    }
    let started = cluster.pods.iter_mut().zip(&asks).map(async |(pod, ask)| match pod.ask(ask).await? {
        Answer::Started => Ok(()),
        other => Err(anyhow!("{} answered {other:?}", pod.name())),
    });
    try_join_all(started).await.map(drop)
}

async fn stop(cluster: &mut Cluster, ways: &[Way]) -> anyhow::Result<Tallies> {
    let stopped =
        cluster.pods.iter_mut().enumerate().map(async |(from, pod)| match pod.ask(&Ask::Stop).await? {
            Answer::Tallies(tallies) => {
                Ok(ways.iter().filter(move |way| way.from == from).copied().zip(tallies))
            }
            other => Err(anyhow!("{} answered {other:?}", pod.name())),
        });
    Ok(try_join_all(stopped).await?.into_iter().flatten().collect())
}

fn nothing_lost(pods: &[Pod], tallies: &[(Way, Tally)]) -> Judged {
    let mut bad = Vec::new();
    for (way, tally) in tallies {
        if tally.broken.is_none() && tally.lost() == 0 && tally.sent > 0 {
            continue;
        }
        let mut text = format!("{}: {} of {} answered", way.text(pods), tally.answered, tally.sent);
        if let Some(broken) = &tally.broken {
            text.push_str(&format!(", {broken}"));
        }
        if !tally.unanswered_ms.is_empty() {
            text.push_str(&format!(", not those sent after {:?} ms", tally.unanswered_ms));
        }
        bad.push(text);
    }
    if !bad.is_empty() {
        bail!("{}", bad.join("; "));
    }
    let sent: u64 = tallies.iter().map(|(_, tally)| tally.sent).sum();
    let slowest = tallies.iter().map(|(_, tally)| tally.slowest_ms).max().unwrap_or_default();
    Ok(format!("{sent} messages on {} flows, the slowest answer after {slowest} ms", tallies.len()))
}

fn nothing_answered(pods: &[Pod], tallies: &[(Way, Tally)]) -> Judged {
    let bad =
        tallies.iter().filter(|(_, tally)| tally.answered > 0 || tally.broken.is_some() || tally.sent == 0);
    let bad: Vec<_> = bad
        .map(|(way, tally)| {
            let broken = tally.broken.as_deref().map(|broken| format!(", {broken}")).unwrap_or_default();
            format!("{}: {} of {} answered{broken}", way.text(pods), tally.answered, tally.sent)
        })
        .collect();
    if !bad.is_empty() {
        bail!("{}", bad.join("; "));
    }
    let sent: u64 = tallies.iter().map(|(_, tally)| tally.sent).sum();
    Ok(format!("{sent} messages on {} flows, no answer", tallies.len()))
}
