//! `cargo xtask test`: everything that must hold before a change lands.
//!
//! The order is from cheap to dear; the test runner comes last, so that its closing line is ours.

use crate::{demo, features, install, shell, tidy};
use anyhow::Context as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Tests whose names begin so need root and namespaces of their own.
const NAMESPACED: &str = "netns_";
/// The libraries: each also has to build without the standard library.
const LIBRARIES: [&str; 7] = ["selector", "ipam", "policy", "bgp-wire", "nft-wire", "bgp-speaker", "routes"];
/// The ordinary user as whom root runs the demo once more: `nobody`.
const NOBODY: u32 = 65534;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// As root: first install the Debian packages that the tests need
    #[arg(long)]
    install: bool,
    /// Leave out what needs namespaces or more than a minute
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.install {
        install::run()?;
    }
    shell::run(shell::cargo(&["fmt", "--all", "--check"]))?;
    shell::run(of_fuzz(&["fmt", "--check"]))?;
    tidy::run()?;
    let features = features::words(None)?;
    let mut clippy = shell::cargo(&["clippy", "--locked", "--workspace", "--all-targets"]);
    clippy.args(&features).args(["--", "-D", "warnings"]);
    shell::run(clippy)?;
    if !options.quick {
        without_std()?;
        documentation(&features)?;
        fuzz_targets()?;
    }
    install::report();
    if !options.quick {
        demos(&features)?;
        namespaced(&features)?;
    }
    let mut examples = shell::cargo(&["test", "--locked", "--workspace", "--doc", "--quiet"]);
    examples.args(&features);
    shell::run(examples)?;
    the_rest(&features)
}

fn without_std() -> anyhow::Result<()> {
    let mut command = shell::cargo(&["check", "--locked", "--no-default-features"]);
    for library in LIBRARIES {
        command.args(["-p", &format!("tortie-{library}")]);
    }
    shell::run(command)?;
    // What features add needs no more than they say. (Tests enable more of dependencies.)
    let mut command = shell::cargo(&["check", "--locked", "--no-default-features", "-p", "tortie-policy"]);
    command.args(["--features", "k8s,nft-wire"]);
    shell::run(command)
}

fn documentation(features: &[String]) -> anyhow::Result<()> {
    let mut command = shell::cargo(&["doc", "--locked", "--workspace", "--no-deps", "--quiet"]);
    command.args(features).env("RUSTDOCFLAGS", "-D warnings");
    shell::run(command)
}

/// A cargo command for the package of fuzz targets, which stands outside the workspace.
fn of_fuzz(arguments: &[&str]) -> Command {
    let mut command = shell::cargo(arguments);
    command.arg("--manifest-path").arg(shell::root().join("fuzz").join("Cargo.toml"));
    command
}

/// The fuzz targets build, and their seeds pass, without a fuzzer.
fn fuzz_targets() -> anyhow::Result<()> {
    if shell::find("c++").is_none() {
        println!("skipped: the fuzz targets: libFuzzer is C++, and there is no `c++`");
        return Ok(());
    }
    // With the workspace's profile in the workspace's folder, so that what both depend on is built once.
    let target = shell::target();
    let mut clippy = of_fuzz(&["clippy", "--locked", "--all-targets"]);
    clippy.arg("--target-dir").arg(&target).args(["--", "-D", "warnings"]);
    shell::run(clippy)?;
    let mut seeds = of_fuzz(&["test", "--locked", "--lib", "--quiet"]);
    seeds.arg("--target-dir").arg(&target);
    shell::run(seeds)
}

/// The demo's claims: as we are, and as an ordinary user where we are root.
fn demos(features: &[String]) -> anyhow::Result<()> {
    // Built like the tests, with all features, so that both share what they depend on.
    let mut build = shell::cargo(&["build", "--locked", "--workspace", "--bins"]);
    build.args(features);
    shell::run(build)?;
    let binaries = demo::binaries();
    let mut command = Command::new(binaries.join("tortie-demo"));
    command.arg("--check").current_dir(shell::root());
    shell::run(command)?;
    if shell::is_root() {
        ordinary(&binaries)?;
    }
    Ok(())
}

/// Copies the binaries to where an ordinary user may read them, and runs the demo as one.
fn ordinary(binaries: &Path) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("tortie-ordinary-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    for name in ["tortie-agent", "tortie-cni", "tortie-ctl", "tortie-demo"] {
        std::fs::copy(binaries.join(name), folder.join(name))
            .with_context(|| format!("cannot copy {name}"))?;
    }
    let mut command = Command::new(folder.join("tortie-demo"));
    command.arg("--check").current_dir("/").uid(NOBODY).gid(NOBODY);
    println!("as an ordinary user:");
    let result = shell::run(command);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn has_nextest() -> bool {
    let mut command = shell::cargo(&["nextest", "--version"]);
    command.output().is_ok_and(|output| output.status.success())
}

/// One at a time and with their output shown: where one skips itself, its line says why.
fn namespaced(features: &[String]) -> anyhow::Result<()> {
    let mut command = tests(
        features,
        &["--no-capture", "-E", &format!("test(/{NAMESPACED}/)")],
        &["--nocapture", "--test-threads=1", NAMESPACED],
    );
    command.env("RUST_BACKTRACE", "1");
    shell::run(command)
}

fn the_rest(features: &[String]) -> anyhow::Result<()> {
    shell::run(tests(features, &["-E", &format!("not test(/{NAMESPACED}/)")], &["--skip", NAMESPACED]))
}

/// All tests but those in documentation, narrowed by the words of nextest, or of `cargo test` where nextest is absent.
fn tests(features: &[String], nextest: &[&str], libtest: &[&str]) -> Command {
    const ALL: [&str; 2] = ["--locked", "--workspace"];
    if has_nextest() {
        let mut command = shell::cargo(&["nextest", "run"]);
        command.args(ALL).args(features).args(nextest);
        command
    } else {
        let mut command = shell::cargo(&["test", "--tests", "--bins", "--lib"]);
        command.args(ALL).args(features).arg("--").args(libtest);
        command
    }
}
