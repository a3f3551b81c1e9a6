//! The project's commands: `cargo xtask <verb>`.
//!
//! It runs the workspace's own tools and binaries and links none of the libraries, so that a broken
//! library never takes away the command that would show it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to people")]

mod bench_report;
mod conformance;
mod demo;
mod features;
mod fuzz;
mod install;
mod prove;
mod rows;
mod shell;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What the project can do for you.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds and runs the demo: three hosts, nine pods, no root
    Demo(demo::Options),
    /// Formatting, lints, tidy, documentation, and every test
    Test(test::Options),
    /// The long proofs: more histories, states and seeds than `test` samples
    Prove(prove::Options),
    /// Looks for inputs that break what must hold, with libFuzzer
    Fuzz(fuzz::Options),
    /// Runs files of cases from elsewhere: which selectors match what
    Conformance(conformance::Options),
    /// Dependency arrows, file lengths, citations: what no compiler checks
    Tidy,
    /// Runs the benchmarks and prints each beside its rival, as ratios
    BenchReport(bench_report::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Demo(options) => demo::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Prove(options) => prove::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Conformance(options) => conformance::run(&options),
        Verb::Tidy => tidy::run(),
        Verb::BenchReport(options) => bench_report::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
