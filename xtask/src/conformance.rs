//! `cargo xtask conformance PATH`: cases that somebody else wrote down, through `tortie-conformance`.

use crate::shell;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Files of cases, or folders to search for *.jsonl and *.json
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Send real packets, too, past rules of this kind: `nftables`
    #[arg(long, value_name = "BACKEND")]
    kernel: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut command = shell::cargo(&["run", "--quiet", "--locked", "-p", "tortie-conformance", "--"]);
    if let Some(kernel) = &options.kernel {
        command.args(["--kernel", kernel]);
    }
    for path in &options.paths {
        // It runs in the workspace's root, we perhaps elsewhere.
        command.arg(std::path::absolute(path)?);
    }
    shell::run(command)
}
