//! The routes that each host must have, worked out from blocks and pods in the plainest way.

use crate::cluster::Cluster;
use crate::hosts::Host;
use crate::network::UPLINK;
use crate::{facts, look};
use anyhow::bail;
use core::net::IpAddr;
use core::time::Duration;
use ipnet::IpNet;
use std::collections::BTreeSet;
use tokio::time::{Instant, sleep};
use tortie_ipam::Block;

/// How long the agents may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Every host has exactly the routes that it must have.
pub(crate) async fn claim(cluster: &Cluster) -> anyhow::Result<String> {
    let blocks = facts::blocks(&cluster.store).await?;
    let begun = Instant::now();
    loop {
        let (mut count, mut wrong) = (0_usize, Vec::new());
        for host in &cluster.hosts {
            let found: BTreeSet<_> = look::routes(host).await?.iter().map(ToString::to_string).collect();
            let wanted = wanted(cluster, &blocks, host)?;
            wrong.extend(wanted.difference(&found).map(|route| format!("{} lacks {route}", host.name)));
            wrong.extend(found.difference(&wanted).map(|route| format!("{} has {route}", host.name)));
            count += found.len();
        }
        if wrong.is_empty() {
            return Ok(format!("{count} routes"));
        }
        if begun.elapsed() > LIMIT {
            bail!("{}", wrong.join(", "));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn wanted(cluster: &Cluster, blocks: &[Block], host: &Host) -> anyhow::Result<BTreeSet<String>> {
    let mut routes = BTreeSet::new();
    for pod in cluster.pods.iter().filter(|pod| pod.wanted.node == host.name) {
        let own = pod.addresses.iter().map(|address| IpNet::from(*address));
        routes.extend(own.map(|single| format!("{single} dev {} proto boot", pod.interface)));
    }
    let through = |net: IpNet, other: &Host| {
        let gateway: IpAddr = if net.addr().is_ipv6() { other.v6.into() } else { other.v4.into() };
        format!("{net} via {gateway} dev {UPLINK} proto 80")
    };
    for block in blocks {
        match facts::owner(block) {
            Some(owner) if owner == host.name => {
                routes.insert(format!("blackhole {} proto 80", block.cidr()))
            }
            Some(owner) => routes.insert(through(block.cidr(), cluster.host(&owner)?)),
            None => bail!("the block {} is nobody's", block.cidr()),
        };
    }
    for lent in facts::borrowed(blocks).into_iter().filter(|lent| lent.borrower != host.name) {
        routes.insert(through(IpNet::from(lent.address), cluster.host(&lent.borrower)?));
    }
    Ok(routes)
}
