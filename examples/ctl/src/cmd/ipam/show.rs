//! `ipam show`: how full the pools are, and who has an address.

use core::net::IpAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use tortie_datastore::{Datastore, convert};
use tortie_ipam::{Allocator, Attributes, Block, BlockUtilization, ConfigRecord, Tenant, Utilization, keys};

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
    /// Show the addresses that nodes have from others' blocks, or nobody's, instead.
    #[arg(long, conflicts_with_all = ["show_blocks", "ip"])]
    show_borrowed: bool,
    /// Show the configuration instead.
    #[arg(long, conflicts_with_all = ["show_blocks", "ip", "show_borrowed"])]
    show_configuration: bool,
    /// How to print it. Counts beyond 2^64 - 1 are strings in JSON and YAML.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    if let Some(address) = arguments.ip {
        return show_address(store, address.to_canonical(), arguments.output).await;
    }
    if arguments.show_borrowed {
        return show_borrowed(store, arguments.output).await;
    }
    if arguments.show_configuration {
        // Asking for no change gives what is stored.
        let record = Allocator::new(store.clone()).update_config(|_| {}).await?;
        let config = record.config();
        match arguments.output {
            Output::Table => say!("{}", configuration(&record)),
            output => output.print(&json!({
                "strictAffinity": config.strict_affinity,
                "autoAllocateBlocks": config.auto_allocate_blocks,
                "maxBlocksPerHost": config.max_blocks_per_host,
                "ipCooldownSeconds": config.ip_cooldown.as_secs(),
                "kubeVirtVMAddressPersistence": persistence(&record),
            }))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let view = convert::pool_view(store).await?;
    let utilization = Allocator::new(store.clone()).utilization(&view, super::now()).await?;
    match arguments.output {
        Output::Table => say!("{}", table::framed(&rows(&utilization, arguments.show_blocks))),
        output => output.print(&value(&utilization, arguments.show_blocks))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration, for people.
pub(super) fn configuration(record: &ConfigRecord) -> String {
    let config = record.config();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    table::framed(&[
        row("PROPERTY", "VALUE".to_owned()),
        row("StrictAffinity", config.strict_affinity.to_string()),
        row("AutoAllocateBlocks", config.auto_allocate_blocks.to_string()),
        row("MaxBlocksPerHost", config.max_blocks_per_host.to_string()),
        row("IPCooldownSeconds", config.ip_cooldown.as_secs().to_string()),
        row("KubeVirtVMAddressPersistence", persistence(record).to_owned()),
    ])
}

/// Whether virtual machines keep their addresses; `Enabled` unless it is said otherwise.
fn persistence(record: &ConfigRecord) -> &str {
    record.kube_virt_vm_address_persistence.as_deref().unwrap_or("Enabled")
}

/// Columns as calico@87c15906f2 calicoctl/calicoctl/commands/ipam/show.go has them.
async fn show_borrowed(store: &Datastore, output: Output) -> Result<ExitCode> {
    let audit = super::audit(store, None).await?;
    let unknown = audit.tenants.iter().filter(|tenant| tenant.is_borrowed().is_none()).count();
    let borrowed: Vec<&Tenant> =
        audit.tenants.iter().filter(|tenant| tenant.is_borrowed() == Some(true)).collect();
    let of = |tenant: &Tenant, key: &str| tenant.attributes.get(key).cloned().unwrap_or_default();
    let kind = |tenant: &Tenant| match (of(tenant, "vmi-name"), of(tenant, "pod")) {
        (machine, _) if !machine.is_empty() => ("vmi".to_owned(), machine),
        (_, pod) if !pod.is_empty() => ("pod".to_owned(), format!("{}/{pod}", of(tenant, "namespace"))),
        _ => (of(tenant, "type"), tenant.handle.clone().unwrap_or_default()),
    };
    let owner =
        |tenant: &Tenant| tenant.owner.as_ref().map(|owner| owner.name().to_owned()).unwrap_or_default();
    if output != Output::Table {
        let item = |tenant: &&Tenant| {
            let (kind, user) = kind(tenant);
            json!({
                "ip": tenant.address, "borrowingNode": of(tenant, "node"), "block": tenant.block,
                "blockOwner": owner(tenant), "type": kind, "allocatedTo": user,
            })
        };
        let items: Vec<Value> = borrowed.iter().map(item).collect();
        output.print(&json!({ "borrowed": items, "withoutNode": unknown }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let heads = ["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for tenant in borrowed {
        let (kind, user) = kind(tenant);
        let (address, block) = (tenant.address.to_string(), tenant.block.to_string());
        rows.push(vec![address, of(tenant, "node"), block, owner(tenant), kind, user]);
    }
    say!("{}", table::framed(&rows));
    if unknown > 0 {
        say!("Of {unknown} more the node is not known\n");
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

async fn show_address(store: &Datastore, address: IpAddr, output: Output) -> Result<ExitCode> {
    let records = store.list(keys::BLOCKS).await?.items;
    let blocks: Vec<Block> = records.iter().filter_map(|record| Block::decode(&record.value).ok()).collect();
    let found = blocks.iter().find_map(|block| Some((block, block.allocation(address)?)));
    let found = found.filter(|(_, allocation)| !allocation.rests());
    if output != Output::Table {
        let value = match found {
            None => json!({ "ip": address, "assigned": false }),
            Some((block, allocation)) => {
                let attributes = allocation.attributes();
                json!({
                    "ip": address, "assigned": true, "block": block.cidr(),
                    "affinity": block.affinity().map(|affinity| affinity.to_string()),
                    "handle": allocation.handle(),
                    "attributes": attributes.active_owner,
                    "alternateAttributes": attributes.alternate_owner,
                })
            }
        };
        output.print(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    match found {
        None => say!("{address} is not assigned\n"),
        Some((_, allocation)) => {
            say!("IP {address} is in use\n");
            print_attributes(&allocation.attributes());
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
