//! `cargo xtask demo`: builds the binaries and hands over to `tortie-demo`.

use crate::{install, shell};
use std::path::PathBuf;
use std::process::Command;

/// The binaries of the demo: the cluster's own, and the demo itself.
const PACKAGES: [&str; 4] = ["tortie-agent", "tortie-cni", "tortie-ctl", "tortie-demo"];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one line per claim; exit 0 only when all of them hold
    #[arg(long)]
    check: bool,
    /// Leave the cluster up and say how to look inside
    #[arg(long)]
    keep: bool,
    /// As root: first install the Debian packages that the demo needs
    #[arg(long)]
    install: bool,
}

/// Where cargo leaves the binaries.
pub(crate) fn binaries() -> PathBuf {
    shell::target().join("debug")
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.install {
        install::run()?;
    }
    let mut build = shell::cargo(&["build", "--locked"]);
    for package in PACKAGES {
        build.args(["-p", package]);
    }
    shell::run(build)?;
    let mut command = Command::new(binaries().join("tortie-demo"));
    command.current_dir(shell::root());
    for (given, flag) in
        [(options.check, "--check"), (options.keep, "--keep"), (options.install, "--install")]
    {
        if given {
            command.arg(flag);
        }
    }
    shell::run(command)
}
