//! `cargo xtask bench-report [CRATE]`: each benchmark beside its rival, from one run, as ratios.
//!
//! Absolute times move with the machine and its load; what two functions of one group took in the same run can be compared.

use crate::rows::Report;
use crate::{install, shell};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// The variable that tells benchmarks where to say what they did; `benches/src/report.rs` has the other end.
const CHECKS: &str = "TORTIE_BENCH_CHECKS";

/// Benchmarks that run programs of ours, which stand beside them.
const PROGRAMS: [(&str, &str); 1] = [("policy_enforce", "tortie-agent")];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The crate to measure, by folder or package name; all of them where none is named
    krate: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let benches = benches(options.krate.as_deref())?;
    let target = shell::target();
    let (criterion, checks) = (target.join("criterion"), target.join("bench-checks"));
    for folder in [&criterion, &checks] {
        if folder.exists() {
            // Figures of earlier runs must not stand beside those of this one.
            std::fs::remove_dir_all(folder)?;
        }
    }
    let (benches, skipped): (Vec<_>, Vec<_>) = benches.into_iter().partition(Bench::runs);
    for bench in skipped {
        println!(
            "skipped: the benchmark {}: it needs `protoc` and `etcd`; `cargo xtask test --install` as root installs both",
            bench.name
        );
    }
    let mut build = shell::cargo(&["bench", "--locked", "-p", "tortie-benches", "--no-run"]);
    for bench in &benches {
        build.args(["--bench", &bench.name]).args(bench.features());
    }
    shell::run(build)?;
    for (_, program) in PROGRAMS.iter().filter(|(of, _)| benches.iter().any(|bench| bench.name == *of)) {
        shell::run(shell::cargo(&["build", "--locked", "--release", "-p", program]))?;
    }
    measure(&benches, &checks, &target.join("bench-report.log"))?;
    let report = Report::read(&criterion, &checks, &shell::root().join("benches/aims.toml"))?;
    report.print();
    let path = target.join("bench-report.json");
    std::fs::write(&path, report.json()?)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// A manifest, as far as it names benchmarks.
#[derive(serde::Deserialize)]
struct Manifest {
    bench: Vec<Bench>,
}

#[derive(serde::Deserialize)]
struct Bench {
    name: String,
    #[serde(default, rename = "required-features")]
    features: Vec<String>,
}

impl Bench {
    /// Whether it can be built and run here.
    fn runs(&self) -> bool {
        let needs_etcd = self.features.iter().any(|feature| feature == "etcd");
        !needs_etcd || (install::builds_etcd() && shell::find("etcd").is_some())
    }

    fn features(&self) -> impl Iterator<Item = String> {
        self.features.iter().map(|feature| format!("--features={feature}"))
    }
}

/// The benchmarks of a crate: the one of its name, and those whose names go on from there.
fn benches(krate: Option<&str>) -> anyhow::Result<Vec<Bench>> {
    let text = std::fs::read_to_string(shell::root().join("benches/Cargo.toml"))?;
    let manifest: Manifest = toml::from_str(&text).context("cannot parse benches/Cargo.toml")?;
    let mut benches = manifest.bench;
    if let Some(krate) = krate {
        let folder = krate.trim_end_matches('/').rsplit('/').next().unwrap_or(krate);
        let word = folder.strip_prefix("tortie-").unwrap_or(folder).replace('-', "_");
        let all: Vec<String> = benches.iter().map(|bench| bench.name.clone()).collect();
        benches.retain(|bench| bench.name == word || bench.name.starts_with(&format!("{word}_")));
        if benches.is_empty() {
            bail!("no benchmark is of {krate}; there are {}", all.join(", "));
        }
    }
    Ok(benches)
}

fn command(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command =
        shell::cargo(&["bench", "--quiet", "--locked", "-p", "tortie-benches", "--bench", &bench.name]);
    command.args(bench.features()).arg("--").args(arguments).stdin(Stdio::null());
    command
}

/// Runs them, one after the other, and shows how far it is; what they print goes to a log.
fn measure(benches: &[Bench], checks: &Path, log: &Path) -> anyhow::Result<()> {
    let mut rows = 0;
    for bench in benches {
        let output = command(bench, &["--list"]).output().context("cannot start cargo")?;
        let text = String::from_utf8_lossy(&output.stdout);
        rows += text.lines().filter(|line| line.ends_with(": benchmark")).count();
    }
    let bar = ProgressBar::new(u64::try_from(rows)?);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {wide_msg}")?);
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    for bench in benches {
        let mut command = command(bench, &[]);
        command
            .env(CHECKS, checks)
            .env("CARGO_TARGET_DIR", shell::target())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?);
        let mut child = command.spawn().context("cannot start cargo")?;
        let output = child.stdout.take().context("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            writeln!(file, "{line}")?;
            follow(&bar, &line);
        }
        if !child.wait()?.success() {
            bar.abandon();
            bail!("the benchmark {} failed; {} has what it printed", bench.name, log.display());
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Criterion says what it is at; our own programs say what they have measured.
fn follow(bar: &ProgressBar, line: &str) {
    if let Some((id, step)) = line.strip_prefix("Benchmarking ").and_then(|rest| rest.split_once(": ")) {
        bar.set_message(id.to_owned());
        if step.starts_with("Analyzing") {
            bar.inc(1);
        }
    } else if let Some(row) = line.strip_prefix("measured ") {
        bar.set_message(row.to_owned());
        bar.inc(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_known_by_any_of_its_names() {
        for name in ["bgp-wire", "tortie-bgp-wire", "./bgp-wire/"] {
            assert_eq!(names(name), ["bgp_wire", "bgp_wire_mrt"]);
        }
        assert!(names("selector").contains(&"selector".to_owned()));
        assert_eq!(names("bgp"), ["bgp_wire", "bgp_wire_mrt"]);
        assert!(benches(Some("select")).is_err());
        assert!(benches(None).unwrap().len() > 4);
    }

    fn names(krate: &str) -> Vec<String> {
        benches(Some(krate)).unwrap().into_iter().map(|bench| bench.name).collect()
    }

    #[test]
    fn a_benchmark_says_which_features_it_needs() {
        for bench in benches(Some("ipam")).unwrap() {
            let wanted = if bench.name == "ipam_etcd" { vec!["--features=etcd"] } else { vec![] };
            assert!(bench.features().eq(wanted), "{}", bench.name);
            assert!(bench.runs() || bench.name == "ipam_etcd");
        }
    }
}
