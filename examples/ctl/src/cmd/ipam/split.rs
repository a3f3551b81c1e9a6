//! `ipam split`: several pools in the place of one.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use ipnet::IpNet;
use tortie_datastore::resource::{IpPoolSpec, Resource};
use tortie_datastore::{Datastore, client};
use tortie_ipam::Op;

/// How often it is tried when others change pools.
const ATTEMPTS: usize = 16;
/// A name has at most 253 characters; so many are left to that of the old pool.
const NAME: usize = 245;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many pools to make: a power of two.
    number: u32,
    /// The pool with this range.
    #[arg(long, required_unless_present = "name", conflicts_with = "name")]
    cidr: Option<IpNet>,
    /// The pool of this name.
    #[arg(long)]
    name: Option<String>,
}

/// Replaces the pool at once: blocks and addresses stay as they are, and a host that is just assigning from the old pool
/// reads the pools anew.
pub(super) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let number = arguments.number;
    ensure!(number > 1 && number.is_power_of_two(), "{number} is not a power of two above one");
    for _ in 0..ATTEMPTS {
        let old = find(store, arguments).await?;
        let key = old.key()?;
        let revision = old.metadata.resource_version.as_deref().unwrap_or_default().parse::<u64>();
        let revision = tortie_ipam::Revision::new(revision.context("the pool has no version")?);
        let mut ops = vec![Op::Delete { key, revision }];
        let children = children(&old, number)?;
        for child in &children {
            ops.extend(client::plan(store, child.clone(), &ops).await?.op);
        }
        match store.commit(ops).await {
            Ok(_revision) => {
                for child in children {
                    say!("created IPPool {} ({})\n", child.metadata.name, child.spec.cidr);
                }
                say!("deleted IPPool {}\n", old.metadata.name);
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) if error.is_race() => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("others change the pools again and again");
}

async fn find(store: &Datastore, arguments: &Arguments) -> Result<Resource<IpPoolSpec>> {
    let pools = client::list::<IpPoolSpec>(store, None).await?;
    let is = |pool: &Resource<IpPoolSpec>| match (&arguments.name, &arguments.cidr) {
        (Some(name), _) => pool.metadata.name == *name,
        (None, cidr) => *cidr == Some(pool.spec.cidr),
    };
    pools.items.into_iter().find(is).context("there is no such pool")
}

/// The pools that together have the range of the old one, each like it.
fn children(old: &Resource<IpPoolSpec>, number: u32) -> Result<Vec<Resource<IpPoolSpec>>> {
    let spec = &old.spec;
    let bits = u8::try_from(number.trailing_zeros())?;
    let len = spec.cidr.prefix_len().saturating_add(bits);
    ensure!(
        len <= spec.block_size(),
        "{} has not {number} parts of at least a block (/{})",
        spec.cidr,
        spec.block_size()
    );
    let ranges: Vec<IpNet> = match spec.cidr {
        IpNet::V4(cidr) => cidr.subnets(len)?.map(IpNet::V4).collect(),
        IpNet::V6(cidr) => cidr.subnets(len)?.map(IpNet::V6).collect(),
    };
    let stem: String = old.metadata.name.chars().take(NAME - "split-".len()).collect();
    let child = |(index, cidr): (usize, IpNet)| {
        let name = format!("split-{}-{index}", stem.trim_end_matches(['-', '.']));
        let mut pool = Resource::new(name, IpPoolSpec { cidr, ..spec.clone() });
        pool.metadata.labels.clone_from(&old.metadata.labels);
        pool.metadata.annotations.clone_from(&old.metadata.annotations);
        pool
    };
    Ok(ranges.into_iter().enumerate().map(child).collect())
}
