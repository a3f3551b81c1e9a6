//! What the demo does, from the first namespace to the last.

use crate::cluster::{self, Cluster};
use crate::facts::{self, Judge};
use crate::hosts;
use crate::matrix::{self, Expected, Matrix, Way};
use crate::probe::Outcome;
use crate::screen::Screen;
use crate::world::Machine;
use crate::{Options, bad, bird, keep, peers, resume, routes, show, teardown, tiers};
use anyhow::{Context as _, anyhow, bail};
use core::time::Duration;
use ipnet::IpNet;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::time::{Instant, sleep};
use tortie_policy::{Origin, Verdict};

/// How long one probe waits for an answer.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long the cluster may take to become what the datastore wants.
const CONVERGE: Duration = Duration::from_secs(20);
/// How many lines of each log are shown after a failure.
const TAIL: usize = 15;
/// How many differing ways are listed.
const LISTED: usize = 12;

/// Tells it, and exits 0 only when every claim holds.
pub(crate) async fn tell(options: &Options, machine: &Machine, pid: u32) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::new(options.check);
    let mut cluster = None;
    let mut told = chapters(&mut screen, &mut cluster, machine).await;
    if let (Ok(()), Some(cluster), false) = (&told, &mut cluster, options.keep) {
        told = end(&mut screen, cluster).await;
    }
    if let Err(error) = told {
        screen.claim("the demo runs to its end", Err(error));
    }
    if screen.has_failed() {
        screen.tails(&hosts::logs(), TAIL);
        match save_logs() {
            Ok(folder) => screen.line(&format!("\nall logs are in {}", folder.display())),
            Err(error) => screen.line(&format!("\nthe logs could not be saved: {error:#}")),
        }
    }
    let held = screen.end();
    if let (Some(cluster), true) = (&mut cluster, options.keep) {
        keep::up(&screen, cluster, pid).await?;
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies the logs out of the private tmpfs.
fn save_logs() -> anyhow::Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("tortie-demo-").tempdir()?.keep();
    for entry in std::fs::read_dir(hosts::logs())? {
        let entry = entry?;
        std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(folder)
}

/// Everything up to the point at which `--keep` keeps it.
async fn chapters(
    screen: &mut Screen,
    cluster: &mut Option<Cluster>,
    machine: &Machine,
) -> anyhow::Result<()> {
    screen.claim("the demo has its own user, network, mount and PID namespaces", own_namespaces(machine));
    screen.stage("hosts, switch and router", 1);
    let cluster = cluster.insert(Cluster::build(machine).await?);
    let applied = cluster.apply(&cluster::folder().join("manifests")).await;
    let went = applied.is_ok();
    screen.claim("tortie-ctl applies the manifests", applied.map(|lines| format!("{lines} objects")));
    if !went {
        bail!("nothing works without the manifests");
    }
    bad::manifests(cluster, screen).await?;
    cluster.start_agents(screen).await?;
    screen.claim("three agents are ready: in sync, policy and routes programmed", Ok(String::new()));
    cluster.add_pods(screen).await?;
    let made = format!("{} pods", cluster.pods.len());
    screen.claim("tortie-cni gives every pod an interface and an address of each family", Ok(made));
    bad::configurations(cluster, screen).await?;

    let ways: Vec<_> = Way::all(cluster.pods.len()).collect();
    connected(screen, cluster, &ways, "before policy", |open, _| open == ways.len()).await?;
    let policies = cluster.apply(&cluster::folder().join("manifests/policies")).await;
    screen.claim("tortie-ctl applies the policies", policies.map(|lines| format!("{lines} objects")));
    let after =
        connected(screen, cluster, &ways, "after policy", |open, denied| open > 0 && denied > 0).await?;

    explain(screen, cluster, &ways).await?;
    let after = tiers::claim(screen, cluster, &ways, &after).await?;
    screen.title("routes of each host");
    screen.show(show::routes(cluster).await?);
    screen.claim(
        "each host routes its own pods, the others' blocks, and what is borrowed, and nothing else",
        routes::claim(cluster).await,
    );
    screen.title("blocks");
    screen.show(show::blocks(cluster).await?);
    borrows(screen, cluster, &after).await?;
    screen.claim(
        "every agent has one BGP connection with every other agent over each family, and with the router where BIRD runs",
        peers::claim(cluster).await,
    );
    router_learns(screen, cluster).await?;
    bad::peer(cluster, screen).await?;
    resume::claim(cluster, screen, &after).await?;
    Ok(())
}

/// Everything is taken down again.
async fn end(screen: &mut Screen, cluster: &mut Cluster) -> anyhow::Result<()> {
    teardown::pods(cluster, screen).await?;
    teardown::agents(cluster, screen).await
}

fn own_namespaces(machine: &Machine) -> anyhow::Result<String> {
    let shared = machine.shared()?;
    if !shared.is_empty() {
        bail!("shared with the machine: {}", shared.join(", "));
    }
    Ok(String::new())
}

/// Connects all to all until it is as the evaluator says, and claims it.
pub(crate) async fn connected(
    screen: &mut Screen,
    cluster: &mut Cluster,
    ways: &[Way],
    when: &str,
    plausible: impl Fn(usize, usize) -> bool,
) -> anyhow::Result<Expected> {
    screen.stage(format!("every pod connects to every other {when}"), ways.len());
    let judge = Judge::read(&cluster.store).await?;
    let expected = judge.expected(&cluster.pods, ways)?;
    let begun = Instant::now();
    let mut patience = PATIENCE;
    let matrix = loop {
        let matrix = matrix::connect(&mut cluster.pods, ways, patience).await?;
        let wrong = matrix::differing(&matrix, &expected).len();
        screen.reached(ways.len().saturating_sub(wrong));
        if wrong == 0 || begun.elapsed() > CONVERGE {
            break matrix;
        }
        // The machine may be busy: have more of it, up to a point.
        patience = (patience * 2).min(PATIENCE * 4);
        sleep(Duration::from_millis(200)).await;
    };
    screen.title(&format!("connections {when}"));
    screen.show(matrix::table(&cluster.pods, &matrix, &expected));
    screen.show(matrix::LEGEND);
    let open = expected.values().filter(|open| **open).count();
    let denied = expected.len().saturating_sub(open);
    let result = match differences(cluster, &judge, &matrix, &expected)? {
        Some(text) => Err(anyhow!("{text}")),
        None if !plausible(open, denied) => {
            Err(anyhow!("{open} open and {denied} denied is not what the policies mean"))
        }
        None => Ok(format!("{open} connect, {denied} do not")),
    };
    screen.claim(
        &format!("{when}, every pod reaches every other exactly as the reference evaluator says"),
        result,
    );
    Ok(expected)
}

/// Each way that came out otherwise, with the evaluator's verdict beside it.
fn differences(
    cluster: &Cluster,
    judge: &Judge,
    matrix: &Matrix,
    expected: &Expected,
) -> anyhow::Result<Option<String>> {
    let differing = matrix::differing(matrix, expected);
    if differing.is_empty() {
        return Ok(None);
    }
    let mut text = format!("{} of {} differ", differing.len(), expected.len());
    for way in differing.iter().take(LISTED) {
        let evaluation = judge.evaluate(&cluster.pods, way)?;
        let outcome = match matrix.get(way) {
            Some(Outcome::Open) => "open",
            Some(Outcome::Closed) | None => "closed",
            Some(Outcome::Wrong(what)) => what,
        };
        let ends = evaluation.trace.ends.iter();
        let ends: Vec<_> =
            ends.map(|end| format!("{} {} by {}", end.direction, end.verdict, end.decided_by)).collect();
        let (way, verdict, ends) = (way.text(&cluster.pods), evaluation.verdict, ends.join(", "));
        text.push_str(&format!("\n     {way}: {outcome}; the evaluator: {verdict} ({ends})"));
    }
    Ok(Some(text))
}

/// Which policy and rule decided one flow that is denied; one that a rule denies, where there is such a flow.
async fn explain(screen: &mut Screen, cluster: &Cluster, ways: &[Way]) -> anyhow::Result<()> {
    let judge = Judge::read(&cluster.store).await?;
    let mut denied = None;
    for way in ways {
        let evaluation = judge.evaluate(&cluster.pods, way)?;
        let Some(end) = evaluation.trace.ends.iter().find(|end| end.verdict == Verdict::Deny) else {
            continue;
        };
        let by_rule = matches!(end.decided_by, Origin::Rule { .. });
        if by_rule || denied.is_none() {
            let decided = format!("{} of {}: {}", end.direction, end.endpoint, end.decided_by);
            denied = Some((way, evaluation, decided));
        }
        if by_rule {
            break;
        }
    }
    let (way, evaluation, decided) = denied.context("no flow is denied")?;
    let way = way.text(&cluster.pods);
    screen.title(&format!("why {way} is denied"));
    screen.show(evaluation.to_string());
    screen.claim(&format!("the trace names the policy and rule that deny {way}"), Ok(decided));
    Ok(())
}

/// The small pool is too small for all: some host borrows, and what it borrows is reached.
async fn borrows(screen: &mut Screen, cluster: &Cluster, expected: &Expected) -> anyhow::Result<()> {
    let borrowed = facts::borrowed(&facts::blocks(&cluster.store).await?);
    let result = borrowed.first().context("no host borrows an address").and_then(|one| {
        let position = cluster.pods.iter().position(|pod| pod.addresses.contains(&one.address));
        let to = position.with_context(|| format!("{} is no pod's address", one.address))?;
        let v6 = one.address.is_ipv6();
        // The matrix came out as expected, or that claim has failed already.
        let reached = expected.iter().filter(|(way, open)| **open && way.to == to && way.v6 == v6).count();
        if reached == 0 {
            bail!("nobody may connect to {}, so that it proves nothing", one.address);
        }
        Ok(format!("{} borrows {} from {}'s {}", one.borrower, one.address, one.owner, one.block))
    });
    screen.claim("the small pool makes a host borrow an address, which others reach", result);
    Ok(())
}

/// BIRD knows every block of every host, from that host.
async fn router_learns(screen: &mut Screen, cluster: &Cluster) -> anyhow::Result<()> {
    let claim = "BIRD learns every pod block of every host, of both families, over BGP";
    let Some(bird) = &cluster.bird else {
        let why = match ["/usr/sbin/bird", "/usr/local/sbin/bird", "/sbin/bird"]
            .iter()
            .find(|file| PathBuf::from(file).is_file())
        {
            Some(file) => format!("`bird` is not in PATH ({file} is there)"),
            None => "`bird` is not in PATH; `--install` as root installs it".to_owned(),
        };
        screen.left_out(claim, &why);
        screen.left_out("BIRD forgets the blocks of a host whose agent goes for good", &why);
        return Ok(());
    };
    screen.stage("BIRD learns the blocks", 1);
    let blocks = facts::blocks(&cluster.store).await?;
    let owned: Vec<(IpNet, String)> =
        blocks.iter().filter_map(|block| facts::owner(block).map(|owner| (block.cidr(), owner))).collect();
    let learnt = bird::until(bird, &cluster.programs, |routes| {
        let missing = owned.iter().filter(|(net, host)| !routes.has(*net, host));
        missing.map(|(net, host)| format!("no {net} from {host}")).collect()
    });
    let v6 = owned.iter().filter(|(net, _)| net.addr().is_ipv6()).count();
    let every_host = |host: &hosts::Host, v6: bool| {
        owned.iter().any(|(net, owner)| *owner == host.name && net.addr().is_ipv6() == v6)
    };
    let result = match learnt.await {
        Ok(_) if !cluster.hosts.iter().all(|host| every_host(host, false) && every_host(host, true)) => {
            Err(anyhow!("some host has no block of some family"))
        }
        Ok(_) => Ok(format!("{} IPv4 and {v6} IPv6 blocks", owned.len().saturating_sub(v6))),
        Err(error) => Err(error),
    };
    screen.claim(claim, result);
    Ok(())
}
