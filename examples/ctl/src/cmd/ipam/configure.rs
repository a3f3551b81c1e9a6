//! `ipam configure`: how addresses are assigned.

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};
use tortie_datastore::Datastore;
use tortie_ipam::Allocator;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("settings").required(true).multiple(true))]
pub(crate) struct Arguments {
    /// Whether nodes use their own blocks alone, and borrow from no others.
    #[arg(long, value_name = "BOOL", alias = "strictaffinity", group = "settings")]
    strict_affinity: Option<bool>,
    /// How many blocks a node may own; 0 for the default of 20. Needs strict affinity.
    #[arg(long, value_name = "N", group = "settings")]
    max_blocks_per_host: Option<i64>,
    /// Whether nodes may claim further blocks.
    #[arg(long, value_name = "BOOL", group = "settings")]
    auto_allocate_blocks: Option<bool>,
    /// How many seconds a released address rests, at most 1200.
    #[arg(long, value_name = "N", group = "settings")]
    ip_cooldown_seconds: Option<i64>,
}

pub(super) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let changed =
        Allocator::new(store.clone())
            .update_config(|record| {
                let Arguments {
                    strict_affinity,
                    max_blocks_per_host,
                    auto_allocate_blocks,
                    ip_cooldown_seconds,
                } = *arguments;
                record.strict_affinity = strict_affinity.unwrap_or(record.strict_affinity);
                record.max_blocks_per_host = max_blocks_per_host.unwrap_or(record.max_blocks_per_host);
                record.auto_allocate_blocks = auto_allocate_blocks.unwrap_or(record.auto_allocate_blocks);
                record.ip_cooldown_seconds = ip_cooldown_seconds.unwrap_or(record.ip_cooldown_seconds);
            })
            .await?;
    say!("{}", super::show::configuration(&changed.config()));
    Ok(ExitCode::SUCCESS)
}
