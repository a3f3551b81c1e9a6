//! Prints archives of route collectors, one line a route, or as JSON.

#![expect(clippy::print_stderr, reason = "what cannot be read is said there")]

mod archive;
mod event;
mod json;
mod source;
mod text;

use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use tortie_bgp_wire::mrt::{MrtErrorKind, MrtReadError, MrtReader};

use crate::archive::Archive;
use crate::event::Event;
use crate::source::Source;

/// Prints archives of route collectors (MRT), one line a route, in the form of `bgpdump -m`.
#[derive(Debug, Parser)]
#[command(name = "mrt2text", version)]
struct Arguments {
    /// Files, compressed with gzip or bzip2 or not at all; `-` is standard input.
    #[arg(default_value = "-")]
    files: Vec<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// What to do with routes whose path has an AS_SET.
    #[arg(long, value_enum, default_value_t)]
    as_sets: AsSets,
}

/// What routes are whose path has an AS_SET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum AsSets {
    /// Routes like others.
    #[default]
    Keep,
    /// Withdrawn, as RFC 9774 has it.
    Withdraw,
}

/// So many warnings are printed for each file; the others are counted.
const WARNINGS: u64 = 10;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    let mut whole = true;
    for path in &arguments.files {
        match file(path, &arguments, &mut out) {
            Ok(()) => {}
            // Nobody reads any further.
            Err(error) if is_broken_pipe(&error) => return ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("mrt2text: {error:#}");
                whole = false;
            }
        }
    }
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == ErrorKind::BrokenPipe)
}

/// Prints a file.
fn file(path: &Path, arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let name = path.display();
    let source = Source::open(path).with_context(|| format!("cannot open {name}"))?;
    let bar = source.bar();
    let mut reader = MrtReader::new(source);
    let mut archive = Archive::new(arguments.as_sets == AsSets::Withdraw);
    let mut warnings = 0_u64;
    let mut warn = |position: u64, what: &dyn core::fmt::Display| {
        warnings += 1;
        if warnings <= WARNINGS {
            bar.suspend(|| eprintln!("mrt2text: {name}: record at {position}: {what}"));
        }
    };
    let mut print = |event: &Event<'_>| {
        if arguments.json { json::print(event, out) } else { text::print(event, out) }
    };
    let result = loop {
        let position = reader.position();
        match reader.next_record() {
            None => break Ok(()),
            Some(Ok(record)) => {
                archive
                    .record(&record, &mut print, &mut |what| warn(position, what))
                    .context("cannot write")?;
            }
            Some(Err(MrtReadError::Record { error, .. })) => {
                warn(position, &error);
                if matches!(error.kind(), MrtErrorKind::Incomplete { .. }) {
                    break Err(anyhow::anyhow!("{name} is cut: it ends within the record at {position}"));
                }
            }
            Some(Err(error)) => break Err(error).with_context(|| format!("cannot read {name}")),
        }
    };
    bar.finish_and_clear();
    out.flush().context("cannot write")?;
    if warnings > WARNINGS {
        eprintln!("mrt2text: {name}: {} more records with something wrong", warnings - WARNINGS);
    }
    if archive.without_line() > 0 && !arguments.json {
        let count = archive.without_line();
        eprintln!("mrt2text: {name}: destinations left out, being no prefixes: {count}; --json has them");
    }
    result
}
