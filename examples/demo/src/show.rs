//! Tables for the reader: routes of each host, and how full each block is.

use crate::cluster::Cluster;
use crate::{facts, look};
use core::fmt::Write as _;

/// The routes of every host.
pub(crate) async fn routes(cluster: &Cluster) -> anyhow::Result<String> {
    let mut text = String::new();
    for host in &cluster.hosts {
        writeln!(text, "{}", host.name)?;
        for route in look::routes(host).await? {
            writeln!(text, "  {route}")?;
        }
    }
    Ok(text.trim_end().to_owned())
}

/// Every block: whose it is, how full, and who borrows from it.
pub(crate) async fn blocks(cluster: &Cluster) -> anyhow::Result<String> {
    let blocks = facts::blocks(&cluster.store).await?;
    let borrowed = facts::borrowed(&blocks);
    let mut text = format!("{:24} {:8} {:>9}  borrowed", "block", "of", "in use");
    for block in &blocks {
        let cidr = block.cidr();
        let owner = facts::owner(block).unwrap_or_else(|| "nobody".to_owned());
        let used = format!("{}/{}", block.allocations().count(), block.capacity());
        let lent = borrowed.iter().filter(|lent| lent.block == cidr);
        let lent: Vec<_> = lent.map(|lent| format!("{} by {}", lent.address, lent.borrower)).collect();
        write!(text, "\n{:24} {owner:8} {used:>9}  {}", cidr.to_string(), lent.join(", "))?;
    }
    Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}
