//! `cargo xtask prove`: the same properties as `test`, over far more histories, states and seeds.

use crate::{features, shell};

/// The variable that the tests read: set, it multiplies their cases.
const PROVE: &str = "TORTIE_PROVE";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The crate to prove, by folder or package name; all of them where none is named
    krate: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut command = shell::cargo(&["test", "--release", "--locked"]);
    match &options.krate {
        Some(name) => {
            let folder = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
            let package =
                if folder.starts_with("tortie-") { folder.to_owned() } else { format!("tortie-{folder}") };
            command.args(["-p", &package]).args(features::words(Some(&package))?);
        }
        None => {
            command.arg("--workspace").args(features::words(None)?);
        }
    }
    // How much was explored and tried is said on the way.
    command.env(PROVE, "1").args(["--tests", "--", "--nocapture"]);
    shell::run(command)
}
