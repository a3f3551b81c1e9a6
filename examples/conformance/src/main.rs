//! Runs cases that somebody else wrote down: what a selector must match, and what a policy must decide.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what the tool is for")]

mod file;
mod format;
mod kernel;
mod random;
mod run;

use core::ops::AddAssign;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

use kernel::{Kernel, Place};
use random::Random;
use run::{Run, Tally, Verdicts};

/// Runs files of cases, prints those that fail and counts the rest.
#[derive(Debug, Parser)]
#[command(name = "tortie-conformance", version)]
struct Arguments {
    /// Files, or folders to search for *.jsonl and *.json
    #[arg(required_unless_present = "random")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    random: Random,
    /// Send real packets, too, in network namespaces of its own: needs nft, ip and unshare
    #[arg(long)]
    kernel: Option<Backend>,
}

/// What makes a kernel enforce policy.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    /// Of files the text that `nft` loads, of random policy what messages make
    Nftables,
}

/// How many cases held, and how many verdicts of each that gives some.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
    verdicts: Verdicts,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.verdicts += other.verdicts;
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let asks_kernel = arguments.kernel.is_some();
    if asks_kernel && let Place::Done(status) = kernel::enter()? {
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if arguments.random.is_asked() {
        return arguments.random.run(asks_kernel);
    }
    let mut kernel = asks_kernel.then(|| Kernel::new(&[])).transpose()?;
    let mut total = Count::default();
    let mut table = Vec::new();
    for path in file::find(&arguments.paths)? {
        for (schema, count) in run_file(&path, kernel.as_mut())? {
            total += count;
            table.push((schema, count, path.clone()));
        }
    }
    if table.is_empty() {
        let known: Vec<_> = format::FORMATS.iter().map(|format| format.schema).collect();
        bail!("no case was run: none is of a format that is understood, which are: {}", known.join(", "));
    }
    print(&table, &total);
    let Count { passed, failed, .. } = total;
    if failed == 0 {
        println!("all {passed} cases pass");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{failed} of {} cases fail", passed + failed);
    Ok(ExitCode::FAILURE)
}

fn print(table: &[(&'static str, Count, PathBuf)], total: &Count) {
    println!("passed failed  format               file");
    for (schema, count, path) in table {
        println!("{:>6} {:>6}  {schema:<20} {}", count.passed, count.failed, path.display());
    }
    let verdicts = |verdicts: &Verdicts| {
        [
            ("evaluator", verdicts.evaluator),
            ("interpreter", verdicts.interpreter),
            ("kernel", verdicts.kernel),
        ]
    };
    if verdicts(&total.verdicts).iter().all(|(_, tally)| tally.is_empty()) {
        return;
    }
    println!("verdicts: as expected, otherwise, and left out");
    for (_, count, path) in table {
        for (who, tally) in verdicts(&count.verdicts).into_iter().filter(|(_, tally)| !tally.is_empty()) {
            print_tally(who, &tally, &path.display().to_string());
        }
    }
    for (who, tally) in verdicts(&total.verdicts).into_iter().filter(|(_, tally)| !tally.is_empty()) {
        print_tally(who, &tally, "all");
    }
}

fn print_tally(who: &str, tally: &Tally, what: &str) {
    println!("{:>6} {:>6} {:>6}  {who:<12} {what}", tally.held, tally.failed, tally.left_out);
}

/// Runs what is understood in one file; says what is not.
fn run_file(path: &Path, mut kernel: Option<&mut Kernel>) -> Result<BTreeMap<&'static str, Count>> {
    let mut counts = BTreeMap::<_, Count>::new();
    let mut strange = BTreeMap::<String, usize>::new();
    for case in file::cases(path)? {
        let Some(format) = format::of(&case.value) else {
            let schema = case.text("schema").map_or("no schema", |schema| schema);
            *strange.entry(schema.to_owned()).or_default() += 1;
            continue;
        };
        let mut run = Run { kernel: kernel.as_deref_mut(), ..Run::default() };
        (format.run)(&case.value, &mut run);
        let count = counts.entry(format.schema).or_default();
        count.verdicts += run.verdicts;
        let outcome = if run.faults.is_empty() {
            count.passed += 1;
            "passed"
        } else {
            count.failed += 1;
            "FAILED"
        };
        if run.faults.is_empty() && run.held_wrong.is_empty() {
            continue;
        }
        let id = case.text("id").unwrap_or("without an id");
        println!("{outcome} {id} ({}:{})", path.display(), case.number);
        for line in run.faults.iter().flat_map(|fault| fault.lines()) {
            println!("    {line}");
        }
        for why in run.held_wrong {
            println!("    and found otherwise than it says, because it is held wrong: {why}");
        }
    }
    for (schema, count) in strange {
        println!("skipped: {count} cases of {}: {schema} is not understood", path.display());
    }
    Ok(counts)
}
