//! `selector check`: whether texts are selectors.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use tortie_selector::Selector;

use crate::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The texts; `-` stands for standard input, one text on each line that is not blank.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// A file of texts, one on each line that is not blank.
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// A text, and the file and line that it is from.
struct Text {
    origin: Option<String>,
    text: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let texts = texts(arguments)?;
    ensure!(!texts.is_empty(), "no text was given");
    let mut rows = vec![["ID", "SELECTOR"].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    let mut all_good = true;
    for Text { origin, text } in &texts {
        match Selector::parse(text) {
            Ok(selector) => {
                rows.push(vec![selector.id(), selector.canonical().to_owned()]);
                values.push(json!({ "text": text, "canonical": selector.canonical(), "id": selector.id() }));
            }
            Err(error) => {
                all_good = false;
                let origin = origin.as_deref().unwrap_or_default();
                eprintln!("{origin}{}", error.render(text));
                values.push(json!({
                    "text": text, "error": error.to_string(), "hint": error.hint(),
                    "start": error.span().start, "end": error.span().end,
                }));
            }
        }
    }
    match arguments.output {
        Output::Table if rows.len() > 1 => say!("{}", table::plain(&rows)),
        Output::Table => {}
        output => output.print(&Value::from(values))?,
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn texts(arguments: &Arguments) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    for text in &arguments.texts {
        if text == "-" {
            let mut lines = String::new();
            std::io::stdin().read_to_string(&mut lines).context("standard input")?;
            split(&lines, "standard input", &mut texts);
        } else {
            texts.push(Text { origin: None, text: text.clone() });
        }
    }
    for path in &arguments.file {
        let name = path.display().to_string();
        let lines = std::fs::read_to_string(path).with_context(|| name.clone())?;
        split(&lines, &name, &mut texts);
    }
    Ok(texts)
}

fn split(lines: &str, name: &str, texts: &mut Vec<Text>) {
    for (number, line) in (1..).zip(lines.lines()) {
        if !line.trim().is_empty() {
            texts.push(Text { origin: Some(format!("{name}: line {number}: ")), text: line.to_owned() });
        }
    }
}
