//! Parses a selector and matches it with labels, from the command line.
//!
//! ```text
//! cargo run -p tortie-selector --example parse_and_match -- "app == 'web' && !has(canary)" app=web tier=front
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use tortie_selector::Selector;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().unwrap_or_else(|| "app == 'web' && !has(canary)".into());
    let labels: BTreeMap<String, String> = arguments
        .map(|label| match label.split_once('=') {
            Some((name, value)) => (name.into(), value.into()),
            None => (label, String::new()),
        })
        .collect();

    let selector = match Selector::parse(&text) {
        Ok(selector) => selector,
        Err(error) => {
            eprintln!("{}", error.render(&text));
            return ExitCode::FAILURE;
        }
    };
    println!("selector: {selector}");
    println!("id:       {}", selector.id());
    println!("labels:   {labels:?}");
    println!("matches:  {}", selector.matches(&labels));
    ExitCode::SUCCESS
}
