//! The reference command-line tool: applies manifests, shows what is stored, explains what policy decides.

#![expect(clippy::print_stderr, reason = "printing is what the tool is for")]

/// Prints to standard output; that nobody may read it any more stops no work.
macro_rules! say {
    ($($words:tt)*) => {{
        let _unread = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!($($words)*));
    }};
}

mod cmd;
mod document;
mod kind;
mod manifest;
mod node;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use tortie_datastore::{Datastore, Location};

/// Applies manifests to a tortie datastore, shows what is in it, and explains what policy decides.
#[derive(Debug, Parser)]
#[command(name = "tortie-ctl", version)]
struct Arguments {
    /// The datastore's file; without it, ETCD_ENDPOINTS and the like say where etcd is.
    #[arg(long, env = "TORTIE_DATASTORE", value_name = "PATH", global = true)]
    datastore: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create the objects in manifests, or make the stored ones like them.
    Apply(cmd::apply::Arguments),
    /// Show stored objects.
    Get(cmd::get::Arguments),
    /// Delete objects, by name or as named in manifests.
    Delete(cmd::delete::Arguments),
    /// Look at address assignment.
    #[command(subcommand)]
    Ipam(cmd::ipam::Command),
    /// Look at network policy.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at label selectors; needs no datastore.
    #[command(subcommand)]
    Selector(cmd::selector::Command),
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Say whether a connection is allowed, and which rules decide it.
    Explain(cmd::policy::Arguments),
}

/// How to print what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// YAML; `apply` reads what `get` prints.
    Yaml,
    /// JSON; `apply` reads what `get` prints.
    Json,
}

impl Output {
    /// Prints a value for machines.
    fn print(self, value: &serde_json::Value) -> Result<()> {
        match self {
            Self::Yaml => say!("{}", serde_saphyr::to_string(value)?),
            Self::Table | Self::Json => say!("{value:#}\n"),
        }
        Ok(())
    }
}

impl Arguments {
    fn open(&self, create: bool) -> Result<Datastore> {
        let location = Location::from_env(self.datastore.as_deref())
            .context("which datastore? give --datastore or set TORTIE_DATASTORE")?;
        if let Location::File(path) = &location {
            anyhow::ensure!(create || path.exists(), "there is no datastore at {}", path.display());
        }
        let opened = if create { location.open() } else { location.open_existing() };
        opened.with_context(|| location.to_string())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Apply(command) => cmd::apply::run(&arguments.open(true)?, command).await,
        Command::Get(command) => cmd::get::run(&arguments.open(false)?, command).await,
        Command::Delete(command) => cmd::delete::run(&arguments.open(false)?, command).await,
        Command::Ipam(cmd::ipam::Command::Plan(command)) => {
            // With pools of its own it needs no datastore.
            let store = if command.reads_pools() { Some(arguments.open(false)?) } else { None };
            cmd::ipam::plan::run(store.as_ref(), command).await
        }
        Command::Ipam(command) => cmd::ipam::run(&arguments.open(false)?, command).await,
        Command::Policy(PolicyCommand::Explain(command)) => {
            cmd::policy::run(&arguments.open(false)?, command).await
        }
        Command::Selector(command) => Ok(cmd::selector::run(command)),
    }
}
