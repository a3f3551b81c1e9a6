//! `cargo xtask bench-report`: each benchmark beside its rival, from one run, as ratios.
//!
//! Absolute times move with the machine and its load; what two functions of one group took in the
//! same run can be compared.

use crate::shell;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the benchmarks whose names contain this
    filter: Option<String>,
}

/// Median nanoseconds per iteration of each function, by group.
type Groups = BTreeMap<String, Vec<(String, f64)>>;

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = shell::target().join("criterion");
    if folder.exists() {
        // Figures of earlier runs must not stand beside those of this one.
        std::fs::remove_dir_all(&folder)?;
    }
    let mut command = shell::cargo(&["bench", "--locked", "-p", "tortie-benches"]);
    command.env("CARGO_TARGET_DIR", shell::target());
    if let Some(filter) = &options.filter {
        command.args(["--", filter]);
    }
    shell::run(command)?;
    let mut groups = Groups::new();
    collect(&folder, &folder, &mut groups)?;
    if groups.is_empty() {
        bail!("no benchmark ran");
    }
    for (group, mut functions) in groups {
        functions.sort_by(|left, right| left.1.total_cmp(&right.1));
        println!("\n{group}");
        let fastest = functions.first().map_or(f64::NAN, |first| first.1);
        for (name, median) in functions {
            println!("  {name:<40} {:>14} {:>8.2}x", human(median), median / fastest);
        }
    }
    Ok(())
}

/// Walks to every `<group>/<function>/new/estimates.json`.
fn collect(root: &Path, folder: &Path, groups: &mut Groups) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        if path.file_name().is_some_and(|name| name == "new") && estimates.exists() {
            let function =
                path.parent().and_then(|parent| parent.strip_prefix(root).ok()).context("no name")?;
            let name = function.to_string_lossy().into_owned();
            let (group, function) = name.split_once('/').unwrap_or((&name, ""));
            let median =
                median(&std::fs::read_to_string(&estimates)?).context("no median in estimates.json")?;
            groups.entry(group.to_owned()).or_default().push((function.to_owned(), median));
        } else {
            collect(root, &path, groups)?;
        }
    }
    Ok(())
}

/// The `median.point_estimate` of criterion's file, in nanoseconds.
fn median(json: &str) -> Option<f64> {
    let after = json.split_once("\"median\"")?.1;
    let after = after.split_once("\"point_estimate\":")?.1;
    let end = after.find([',', '}'])?;
    after.get(..end)?.trim().parse().ok()
}

fn human(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.2} us", n / 1e3),
        n if n < 1e9 => format!("{:.2} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_read() {
        let json = r#"{"mean":{"point_estimate":1.0},"median":{"confidence_interval":{"lower_bound":2.0},"point_estimate":3.5,"standard_error":0.1}}"#;
        assert_eq!(median(json), Some(3.5));
        assert_eq!(median("{}"), None);
    }
}
