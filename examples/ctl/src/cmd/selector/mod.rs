//! `selector`: what a label selector is, what it matches and why, and how two of them stand to each other.
//!
//! None of these needs a datastore. What cannot be understood ends them with status 2, as a wrong option does, so that
//! status 1 is left for an answer: not a selector (`check`), no match (`eval`).

mod check;
mod compare;
mod explain;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use tortie_selector::Selector;

use crate::Output;

/// The status for what cannot be understood.
const USAGE: u8 = 2;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say of texts whether they are selectors; print their canonical form and id.
    Check(check::Arguments),
    /// Say whether a selector matches labels; the exit status is 0 if so, 1 if not, 2 for an error.
    Eval(Arguments),
    /// Show what each term of a selector says about labels.
    Explain(Arguments),
    /// Say whether two selectors can match, imply each other, exclude each other or mean the same.
    Compare(compare::Arguments),
}

/// A selector and labels.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The selector.
    selector: String,
    /// The labels.
    #[arg(value_name = "LABEL=VALUE")]
    labels: Vec<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

type Labels = BTreeMap<String, String>;

pub(crate) fn run(command: &Command) -> ExitCode {
    let outcome = match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Eval(arguments) => eval(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(USAGE)
    })
}

/// The selector of a command line; its error has the place drawn.
fn parse(text: &str) -> Result<Selector> {
    Selector::parse(text).map_err(|error| {
        let drawn = error.render(text).to_string();
        anyhow!("{}", drawn.strip_prefix("error: ").unwrap_or(&drawn))
    })
}

/// The labels of a command line.
fn labels(words: &[String]) -> Result<Labels> {
    let mut labels = Labels::new();
    for word in words {
        let (name, value) = word.split_once('=').with_context(|| format!("`{word}` is not LABEL=VALUE"))?;
        // A selector could not ask for it.
        let is_name = Selector::parse(&format!("has({name})")).is_ok();
        ensure!(
            is_name,
            "`{name}` is no label name: these have 1 to 512 letters, digits, `_`, `.`, `/`, `-`"
        );
        let before = labels.insert(name.to_owned(), value.to_owned());
        ensure!(before.is_none(), "label `{name}` is there twice");
    }
    Ok(labels)
}

const fn verdict(matches: bool) -> &'static str {
    if matches { "match" } else { "no match" }
}

fn eval(arguments: &Arguments) -> Result<ExitCode> {
    let selector = parse(&arguments.selector)?;
    let labels = labels(&arguments.labels)?;
    let matches = selector.matches(&labels);
    match arguments.output {
        Output::Table => say!("{}\n", verdict(matches)),
        output => {
            output
                .print(&json!({ "selector": selector.canonical(), "labels": labels, "matches": matches }))?;
        }
    }
    Ok(if matches { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
