//! `ipam configure`: how addresses are assigned.

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args, ValueEnum};
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
    /// Whether virtual machines keep their address when they move or start again.
    #[arg(long, value_enum, value_name = "STATE", group = "settings")]
    kubevirt_ip_persistence: Option<Persistence>,
}

/// The values of `kubeVirtVMAddressPersistence`, spelt as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Persistence {
    #[value(name = "Enabled", alias = "enabled")]
    Enabled,
    #[value(name = "Disabled", alias = "disabled")]
    Disabled,
}

impl Persistence {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
        }
    }
}

pub(super) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let changed = Allocator::new(store.clone())
        .update_config(|record| {
            let Arguments {
                strict_affinity,
                max_blocks_per_host,
                auto_allocate_blocks,
                ip_cooldown_seconds,
                kubevirt_ip_persistence,
            } = *arguments;
            if let Some(persistence) = kubevirt_ip_persistence {
                record.kube_virt_vm_address_persistence = Some(persistence.as_str().to_owned());
            }
            record.strict_affinity = strict_affinity.unwrap_or(record.strict_affinity);
            record.max_blocks_per_host = max_blocks_per_host.unwrap_or(record.max_blocks_per_host);
            record.auto_allocate_blocks = auto_allocate_blocks.unwrap_or(record.auto_allocate_blocks);
            record.ip_cooldown_seconds = ip_cooldown_seconds.unwrap_or(record.ip_cooldown_seconds);
        })
        .await?;
    say!("{}", super::show::configuration(&changed));
    Ok(ExitCode::SUCCESS)
}
