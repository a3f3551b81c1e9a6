//! `ipam show`: how full the pools are, and who has an address.

use core::net::IpAddr;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use tortie_datastore::{Embedded, convert};
use tortie_ipam::{Allocator, Attributes, Block, BlockUtilization, Utilization, keys};

use crate::Output;
use crate::table::{self, count, share};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show each block below its pool, and blocks that are in no pool.
    #[arg(long)]
    show_blocks: bool,
    /// Show who has this address instead.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "show_blocks")]
    ip: Option<IpAddr>,
    /// How to print it. Counts beyond 2^64 - 1 are strings in JSON and YAML.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(store: &Embedded, arguments: &Arguments) -> Result<ExitCode> {
    if let Some(address) = arguments.ip {
        return show_address(store, address.to_canonical(), arguments.output).await;
    }
    let view = convert::pool_view(store).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let utilization = Allocator::new(store.clone()).utilization(&view, now).await?;
    match arguments.output {
        Output::Table => say!("{}", table::framed(&rows(&utilization, arguments.show_blocks))),
        output => output.print(&value(&utilization, arguments.show_blocks))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Columns as calico@87c15906f2 calicoctl/calicoctl/commands/ipam/show.go has them.
fn rows(utilization: &Utilization, show_blocks: bool) -> Vec<Vec<String>> {
    let heads = ["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS RESERVED", "IPS FREE"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let mut push = |grouping: &str, cidr: String, [total, in_use, reserved, free]: [u128; 4]| {
        let shares = [in_use, reserved, free].map(|number| share(number, total));
        let mut row = vec![grouping.to_owned(), cidr, count(total)];
        row.extend(shares);
        rows.push(row);
    };
    let block_counts =
        |block: &BlockUtilization| [block.capacity, block.in_use, block.reserved, block.available];
    for pool in &utilization.pools {
        push("IP Pool", pool.cidr.to_string(), [pool.capacity, pool.in_use, pool.reserved, pool.available]);
        for block in pool.blocks.iter().filter(|_| show_blocks) {
            push("Block", block.cidr.to_string(), block_counts(block));
        }
    }
    for block in utilization.orphans.iter().filter(|_| show_blocks) {
        push("Block", block.cidr.to_string(), block_counts(block));
    }
    rows
}

/// Counts that JSON numbers hold everywhere, or their digits.
fn number(count: u128) -> Value {
    u64::try_from(count).map_or_else(|_| count.to_string().into(), Value::from)
}

fn value(utilization: &Utilization, show_blocks: bool) -> Value {
    let block = |block: &BlockUtilization| {
        json!({
            "cidr": block.cidr, "affinity": block.affinity.as_ref().map(ToString::to_string),
            "total": number(block.capacity), "inUse": number(block.in_use),
            "reserved": number(block.reserved), "free": number(block.available),
        })
    };
    let blocks = |all: &[BlockUtilization]| all.iter().map(block).collect::<Vec<_>>();
    let pools = utilization.pools.iter().map(|pool| {
        json!({
            "name": pool.name, "cidr": pool.cidr,
            "total": number(pool.capacity), "inUse": number(pool.in_use),
            "reserved": number(pool.reserved), "free": number(pool.available),
            "blocks": show_blocks.then(|| blocks(&pool.blocks)),
        })
    });
    let orphans = show_blocks.then(|| blocks(&utilization.orphans));
    json!({ "pools": pools.collect::<Vec<_>>(), "blocksInNoPool": orphans })
}

async fn show_address(store: &Embedded, address: IpAddr, output: Output) -> Result<ExitCode> {
    let records = store.list(keys::BLOCKS).await?.items;
    let blocks: Vec<Block> = records.iter().filter_map(|record| Block::decode(&record.value).ok()).collect();
    let found = blocks.iter().find_map(|block| Some((block, block.allocation(address)?)));
    let found = found.filter(|(_, allocation)| !allocation.rests());
    if output != Output::Table {
        let value = match found {
            None => json!({ "ip": address, "assigned": false }),
            Some((block, allocation)) => json!({
                "ip": address, "assigned": true, "block": block.cidr(),
                "affinity": block.affinity().map(|affinity| affinity.to_string()),
                "handle": allocation.attributes.handle(),
                "attributes": allocation.attributes.active_owner,
                "alternateAttributes": allocation.attributes.alternate_owner,
            }),
        };
        output.print(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    match found {
        None => say!("{address} is not assigned\n"),
        Some((_, allocation)) => {
            say!("IP {address} is in use\n");
            print_attributes(allocation.attributes);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_attributes(attributes: &Attributes) {
    say!("Handle ID: {}\n", attributes.handle().unwrap_or("<none>"));
    if attributes.active_owner.is_empty() {
        say!("No Active Owner attributes defined\n");
    } else {
        say!("Active Owner attributes:\n");
    }
    for (name, value) in &attributes.active_owner {
        say!("  {name}: {value}\n");
    }
    if let Some(alternate) = attributes.alternate_owner.as_ref().filter(|alternate| !alternate.is_empty()) {
        say!("Alternate Owner attributes:\n");
        for (name, value) in alternate {
            say!("  {name}: {value}\n");
        }
    }
}
