//! Runs cases that somebody else wrote down: what a selector must match, in files of a known format.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what the tool is for")]

mod file;
mod format;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

/// Runs files of cases, prints those that fail and counts the rest.
#[derive(Debug, Parser)]
#[command(name = "tortie-conformance", version)]
struct Arguments {
    /// Files, or folders to search for *.jsonl and *.json
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// How many cases of one format in one file held.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().paths) {
        Ok(Count { failed: 0, passed }) => {
            println!("all {passed} cases pass");
            ExitCode::SUCCESS
        }
        Ok(Count { failed, passed }) => {
            println!("{failed} of {} cases fail", passed + failed);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(paths: &[PathBuf]) -> Result<Count> {
    let mut total = Count::default();
    let mut table = Vec::new();
    for path in file::find(paths)? {
        let counts = run_file(&path)?;
        for (schema, count) in &counts {
            total.passed += count.passed;
            total.failed += count.failed;
            table.push(format!("{:>6} {:>6}  {schema:<20} {}", count.passed, count.failed, path.display()));
        }
    }
    if table.is_empty() {
        let known: Vec<_> = format::FORMATS.iter().map(|format| format.schema).collect();
        bail!("no case was run: none is of a format that is understood, which are: {}", known.join(", "));
    }
    println!("passed failed  format               file");
    table.iter().for_each(|line| println!("{line}"));
    Ok(total)
}

/// Runs what is understood in one file; says what is not.
fn run_file(path: &Path) -> Result<BTreeMap<&'static str, Count>> {
    let mut counts = BTreeMap::<_, Count>::new();
    let mut strange = BTreeMap::<String, usize>::new();
    for case in file::cases(path)? {
        let Some(format) = format::of(&case.value) else {
            let schema = case.text("schema").map_or("no schema", |schema| schema);
            *strange.entry(schema.to_owned()).or_default() += 1;
            continue;
        };
        let faults = (format.run)(&case.value);
        let count = counts.entry(format.schema).or_default();
        if faults.is_empty() {
            count.passed += 1;
            continue;
        }
        count.failed += 1;
        println!(
            "FAILED {} ({}:{})",
            case.text("id").unwrap_or("without an id"),
            path.display(),
            case.number
        );
        for line in faults.iter().flat_map(|fault| fault.lines()) {
            println!("    {line}");
        }
    }
    for (schema, count) in strange {
        println!("skipped: {count} cases of {}: {schema} is not understood", path.display());
    }
    Ok(counts)
}
