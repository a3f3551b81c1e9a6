//! `cargo xtask conformance PATH`: cases that somebody else wrote down, through `tortie-conformance`.

use crate::shell;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Files of cases, or folders to search for *.jsonl and *.json
    #[arg(required_unless_present = "random")]
    paths: Vec<PathBuf>,
    /// Instead of files, so many random policy sets
    #[arg(long, value_name = "SETS")]
    random: Option<u64>,
    /// The seed of the first of them
    #[arg(long, value_name = "SEED", requires = "random")]
    seed: Option<u64>,
    /// Send real packets, too, past rules of this kind: `nftables`
    #[arg(long, value_name = "BACKEND")]
    kernel: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut command = shell::cargo(&["run", "--quiet", "--locked", "-p", "tortie-conformance", "--"]);
    if let Some(kernel) = &options.kernel {
        command.args(["--kernel", kernel]);
    }
    for (name, number) in [("--random", options.random), ("--seed", options.seed)] {
        if let Some(number) = number {
            command.args([name, &number.to_string()]);
        }
    }
    for path in &options.paths {
        // It runs in the workspace's root, we perhaps elsewhere.
        command.arg(std::path::absolute(path)?);
    }
    shell::run(command)
}
