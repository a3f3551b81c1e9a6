//! `cargo xtask fuzz TARGET --seconds N`: libFuzzer on a stable toolchain, without a tool to install.
//!
//! It builds the target with the flags that cargo-fuzz passes, and runs it on the corpus, the seeds and the regressions.

use crate::shell;
use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What makes the compiler report to libFuzzer which edges ran and what was compared.
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// What also makes it find misuse of memory, in the C++ and unsafe code of dependencies as well.
const ADDRESS: &str = "-Zsanitizer=address";
/// The later an input was found, the more often it is changed. By default, libFuzzer prefers inputs with rare features instead,
/// and looks each feature of a run up in a list of all that are rare: in the first minutes nearly all are, and most of the
/// time goes there.
const LATEST_FIRST: &str = "-entropic=0";
/// An input that takes longer is reported like a crash.
const TIMEOUT_SECONDS: u32 = 10;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The target, a file of `fuzz/fuzz_targets/`; each in turn where none is named
    target: Option<String>,
    /// How long to look for new inputs, each target
    #[arg(long, value_name = "N", required_unless_present = "minimise", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// So many processes at once, on one corpus
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Add to `fuzz/seeds/` a smallest set of inputs that reach code which no seed reaches (after N seconds, where given)
    #[arg(long)]
    minimise: bool,
    /// With the address sanitizer, which takes twice the time
    #[arg(long)]
    address: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = shell::root().join("fuzz");
    let all = targets(&folder)?;
    let chosen = match &options.target {
        None => all,
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => bail!("no fuzz target is called {name}; there are {}", all.join(", ")),
    };
    let mut crashed = Vec::new();
    for name in chosen {
        let target = Target { binary: build(&folder, &name, options.address)?, folder: folder.clone(), name };
        if let Some(seconds) = options.seconds {
            let found = target.explore(seconds, options.jobs)?;
            if !found.is_empty() {
                target.explain(&found);
                crashed.push(target.name);
                continue;
            }
        }
        if options.minimise {
            target.minimise()?;
        }
    }
    if !crashed.is_empty() {
        bail!("inputs that must not fail did, in {}", crashed.join(", "));
    }
    Ok(())
}

/// A manifest, as far as it names binaries.
#[derive(serde::Deserialize)]
struct Manifest {
    bin: Vec<Binary>,
}

#[derive(serde::Deserialize)]
struct Binary {
    name: String,
}

/// The names of all targets.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))?;
    Ok(manifest.bin.into_iter().map(|binary| binary.name).collect())
}

/// Builds a target and says where it is.
fn build(folder: &Path, name: &str, address: bool) -> anyhow::Result<PathBuf> {
    if shell::find("c++").is_none() {
        bail!("libFuzzer is C++, and there is no `c++`: install a compiler, on Debian the package g++");
    }
    // The triple makes cargo keep the flags from build scripts, which have no libFuzzer to report to.
    let triple = host()?;
    let built = shell::target().join("fuzz");
    let mut command = shell::cargo(&["build", "--locked", "--release", "--target", &triple, "--bin", name]);
    command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    let mut flags = COVERAGE.to_vec();
    if address {
        flags.push(ADDRESS);
    }
    // A stable compiler takes these flags only when it is told to.
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", &built);
    shell::run(command)?;
    Ok(built.join(triple).join("release").join(name))
}

/// The triple of this machine, as `rustc -vV` says it.
fn host() -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(rustc).arg("-vV").current_dir(shell::root()).output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}

/// A target that is built.
struct Target {
    name: String,
    binary: PathBuf,
    /// The folder of the package.
    folder: PathBuf,
}

impl Target {
    /// This target's part of a folder of the package.
    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(name).join(&self.name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).arg(format!("-timeout={TIMEOUT_SECONDS}"));
        let mut artifacts = self.part("artifacts").into_os_string();
        artifacts.push("/");
        let mut prefix = std::ffi::OsString::from("-artifact_prefix=");
        prefix.push(artifacts);
        command.arg(prefix);
        command
    }

    /// Looks for new inputs, and gives back those that fail.
    fn explore(&self, seconds: u64, jobs: u32) -> anyhow::Result<Vec<PathBuf>> {
        for name in ["corpus", "artifacts"] {
            std::fs::create_dir_all(self.part(name))?;
        }
        let start = SystemTime::now();
        let mut command = self.command();
        command.args([LATEST_FIRST, &format!("-max_total_time={seconds}")]);
        if jobs > 1 {
            command.arg(format!("-fork={jobs}"));
        }
        if let Some(dictionary) = self.dictionary() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        // What is found goes to the first folder.
        command.arg(self.part("corpus"));
        command.args(
            ["seeds", "regressions"].map(|name| self.part(name)).iter().filter(|folder| folder.is_dir()),
        );
        let result = shell::run(command);
        // The same input may have failed before: its file is then written again.
        let mut found = Vec::new();
        for path in files(&self.part("artifacts"))? {
            if std::fs::metadata(&path)?.modified()? >= start {
                found.push(path);
            }
        }
        if found.is_empty() {
            // Whatever made it fail, it was no input.
            result?;
        }
        Ok(found)
    }

    /// `dict/<target>.dict`, where somebody wrote one.
    fn dictionary(&self) -> Option<PathBuf> {
        let path = self.folder.join("dict").join(format!("{}.dict", self.name));
        path.is_file().then_some(path)
    }

    /// Says what to do with inputs that fail: with the smallest, as many are mostly one fault.
    fn explain(&self, found: &[PathBuf]) {
        println!(
            "\n{}: {} inputs fail what must hold (the panic stands above), in {}; the smallest is",
            self.name,
            found.len(),
            self.part("artifacts").display()
        );
        let len = |path: &&PathBuf| std::fs::metadata(path).map_or(u64::MAX, |data| data.len());
        if let Some(path) = found.iter().min_by_key(len) {
            println!("  {}", path.display());
            println!("keep it under a name that says what it shows:");
            println!("  mkdir -p fuzz/regressions/{}", self.name);
            println!("  cp {} fuzz/regressions/{}/NAME", path.display(), self.name);
        }
        println!("then it runs in `cd fuzz && cargo test {}`, without a fuzzer", self.name);
    }

    /// Adds to the seeds what the corpus reaches beyond them.
    fn minimise(&self) -> anyhow::Result<()> {
        let (seeds, corpus) = (self.part("seeds"), self.part("corpus"));
        std::fs::create_dir_all(&seeds)?;
        std::fs::create_dir_all(&corpus)?;
        let before = files(&seeds)?.len();
        let mut command = self.command();
        // Edges alone count here, not how often they ran, which would keep hundreds of inputs that differ in nothing to see.
        command.args(["-set_cover_merge=1", "-use_counters=0"]).arg(&seeds).arg(&corpus);
        shell::run(command)?;
        let after = files(&seeds)?.len();
        println!("{}: {before} seeds before, {after} now", self.name);
        Ok(())
    }
}

fn files(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo test` in `fuzz/` runs seeds through targets; here a target without seeds or a folder without a target is
    /// found before it.
    #[test]
    fn every_target_has_a_file_and_seeds_and_every_folder_a_target() {
        let folder = shell::root().join("fuzz");
        let names = targets(&folder).unwrap();
        for name in &names {
            assert!(folder.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "{name}");
            assert!(!files(&folder.join("seeds").join(name)).unwrap().is_empty(), "{name}");
        }
        for kind in ["seeds", "regressions", "dict"] {
            for path in files(&folder.join(kind)).unwrap() {
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(names.contains(&stem), "{} belongs to no target", path.display());
            }
        }
    }
}
