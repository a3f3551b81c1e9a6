//! Taking everything down, and looking for what is left.

use crate::cluster::Cluster;
use crate::programs;
use crate::screen::Screen;
use crate::{bird, facts, hosts, look, network};
use anyhow::{Context as _, bail};
use core::time::Duration;
use futures_util::future::try_join_all;
use ipnet::IpNet;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use tortie_ipam::keys;

/// How long the agents may take to follow.
const LIMIT: Duration = Duration::from_secs(10);

/// Repeats a search until it finds nothing, or time is over; what it still found is the error.
async fn until_nothing(
    mut search: impl AsyncFnMut() -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        let left = search().await?;
        if left.is_empty() {
            return Ok(String::new());
        }
        if begun.elapsed() > LIMIT {
            bail!("left: {}", left.join(", "));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// CNI DEL for every pod, and nothing of any endpoint is left. Pods' processes and namespaces are still there, as they
/// are when a runtime does it.
pub(crate) async fn pods(cluster: &mut Cluster, screen: &mut Screen) -> anyhow::Result<()> {
    screen.stage("pods lose their network through tortie-cni", cluster.pods.len());
    let shared = &*cluster;
    try_join_all(shared.hosts.iter().map(async |host| {
        for pod in shared.pods.iter().filter(|pod| pod.wanted.node == host.name) {
            pod.delete(&shared.programs, host, &shared.datastore).await?;
            screen.step();
        }
        anyhow::Ok(())
    }))
    .await?;
    let records = until_nothing(async || endpoint_records(shared).await).await;
    screen.claim("after CNI DEL, no endpoint, handle or allocated address is in the datastore", records);
    let kernel = until_nothing(async || endpoint_leftovers(shared).await).await;
    screen.claim("no host has a link, rule, route or status file of any endpoint", kernel);
    let inside = until_nothing(async || {
        let mut left = Vec::new();
        for pod in &shared.pods {
            let links = network::links(&pod.netns).await?;
            left.extend(
                links.into_iter().filter(|link| link != "lo").map(|link| format!("{link} in {}", pod.name())),
            );
        }
        Ok(left)
    });
    let inside = inside.await;
    screen.claim("no pod has an interface but loopback", inside);
    let again = async {
        for pod in &shared.pods {
            pod.delete(&shared.programs, shared.host(&pod.wanted.node)?, &shared.datastore).await?;
        }
        anyhow::Ok(String::new())
    };
    let again = again.await;
    screen.claim("a second CNI DEL succeeds too", again);
    Ok(())
}

async fn endpoint_records(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut left = facts::left_under(&cluster.store, &facts::endpoints()).await?;
    left.extend(facts::left_under(&cluster.store, keys::HANDLES).await?);
    for block in facts::blocks(&cluster.store).await? {
        left.extend(
            block.allocations().map(|allocation| format!("{} in {}", allocation.address, block.cidr())),
        );
    }
    Ok(left)
}

async fn endpoint_leftovers(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for host in &cluster.hosts {
        let links = network::links(&host.netns).await?;
        left.extend(links.into_iter().filter(|link| !["lo", network::UPLINK].contains(&link.as_str())));
        let state = look::State::of(host).await?;
        for pod in &cluster.pods {
            if state.rules.contains(&pod.interface) {
                left.push(format!("a rule for {} on {}", pod.interface, host.name));
            }
            for address in &pod.addresses {
                if rules_name(&state.rules, &address.to_string()) {
                    left.push(format!("a rule for {address} on {}", host.name));
                }
                let single = IpNet::from(*address);
                let routes = state.routes.iter().filter(|route| route.destination == single);
                left.extend(routes.map(|route| format!("{route} on {}", host.name)));
            }
        }
        let files = std::fs::read_dir(&host.status).context("the status folder")?.flatten();
        left.extend(files.map(|file| file.path().display().to_string()));
    }
    Ok(left)
}

/// Whether the text of the rules names exactly this address.
fn rules_name(rules: &str, address: &str) -> bool {
    rules.split(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':').any(|word| word == address)
}

/// Agents end, release what they own and remove what they made; nothing is left.
pub(crate) async fn agents(cluster: &mut Cluster, screen: &mut Screen) -> anyhow::Result<()> {
    let names: Vec<_> = cluster.hosts.iter().map(|host| host.name.clone()).collect();
    screen.stage("agents end and uninstall", names.len());
    // The last host first, alone: BIRD must forget its blocks and keep the others'.
    let (last, others) = names.split_last().context("no hosts")?;
    let blocks = facts::blocks(&cluster.store).await?;
    uninstall(cluster, last).await?;
    screen.step();
    if let Some(bird) = &cluster.bird {
        let of = |host: &str| -> Vec<IpNet> {
            let own = blocks.iter().filter(|block| facts::owner(block).as_deref() == Some(host));
            own.map(|block| block.cidr()).collect()
        };
        let (gone, kept): (Vec<_>, Vec<_>) = (of(last), others.iter().flat_map(|host| of(host)).collect());
        let forgot = bird::until(bird, &cluster.programs, |routes| {
            let mut wrong: Vec<_> =
                gone.iter().filter(|net| routes.knows(**net)).map(|net| format!("still {net}")).collect();
            wrong.extend(routes.of(last).iter().map(|net| format!("still {net} from {last}")));
            wrong
                .extend(kept.iter().filter(|net| !routes.knows(**net)).map(|net| format!("no longer {net}")));
            wrong
        });
        let forgot = forgot.await.map(|_| format!("{} blocks gone, {} kept", gone.len(), kept.len()));
        screen.claim(
            &format!("BIRD forgets the blocks of {last} when its agent goes for good, and keeps the others'"),
            forgot,
        );
    }
    for host in others {
        uninstall(cluster, host).await?;
        screen.step();
    }
    let records = until_nothing(async || {
        let mut left = facts::left_under(&cluster.store, keys::BLOCKS).await?;
        let affinities = facts::left_under(&cluster.store, &format!("{}host/", keys::ROOT)).await?;
        left.extend(affinities.into_iter().filter(|key| key.contains("/block/")));
        left.extend(facts::left_under(&cluster.store, keys::HANDLES).await?);
        Ok(left)
    });
    let records = records.await;
    screen.claim("after `tortie-agent uninstall`, no block and no affinity is in the datastore", records);
    let kernel = until_nothing(async || {
        let mut left = Vec::new();
        for host in &cluster.hosts {
            let state = look::State::of(host).await?;
            left.extend(
                state
                    .rules
                    .lines()
                    .filter(|line| line.starts_with("table "))
                    .map(|line| format!("{line} on {}", host.name)),
            );
            left.extend(state.routes.iter().map(|route| format!("{route} on {}", host.name)));
        }
        Ok(left)
    });
    let kernel = kernel.await;
    screen.claim("no host has a table, a rule or a route but its own", kernel);
    if let Some(bird) = &cluster.bird {
        let empty =
            bird::until(bird, &cluster.programs, |routes| routes.all().map(|net| net.to_string()).collect());
        let empty = empty.await.map(|_| String::new());
        screen.claim("BIRD knows no block any more", empty);
    }
    Ok(())
}

/// SIGTERM for the agent of a host, then `tortie-agent uninstall`.
async fn uninstall(cluster: &mut Cluster, name: &str) -> anyhow::Result<()> {
    let host = cluster.hosts.iter_mut().find(|host| host.name == name).context("no such host")?;
    host.end_agent(Signal::TERM).await?;
    let mut command = cluster.programs.inside(&host.netns, &cluster.programs.agent);
    command.args(["uninstall", "--node", name, "--datastore"]).arg(hosts::datastore());
    let ended = programs::run(&mut command, "").await?;
    host.note("uninstall", &format!("{}{}", ended.out, ended.err));
    ended.out(&format!("tortie-agent uninstall on {name}")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_as_a_whole_word() {
        let rules = "elements = { 10.65.0.12, fd00:65::1c }\nip saddr 10.66.0.0/30 drop";
        assert!(
            rules_name(rules, "10.65.0.12")
                && rules_name(rules, "fd00:65::1c")
                && rules_name(rules, "10.66.0.0")
        );
        assert!(
            !rules_name(rules, "10.65.0.1")
                && !rules_name(rules, "fd00:65::1")
                && !rules_name(rules, "0.65.0.12")
        );
    }
}
