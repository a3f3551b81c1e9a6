//! Asks whether two selectors can match the same item, and how they stand to each other, from the command line.
//!
//! ```text
//! cargo run -p tortie-selector --example overlap -- "rack in {'1', '2'}" "rack != '1' && has(rack)"
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use std::process::ExitCode;

use tortie_selector::Selector;
use tortie_selector::analysis::{Holds, implies, is_disjoint};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let texts = [
        arguments.next().unwrap_or_else(|| "rack in {'1', '2'}".into()),
        arguments.next().unwrap_or_else(|| "rack != '1' && has(rack)".into()),
    ];
    let mut selectors = Vec::new();
    for text in &texts {
        match Selector::parse(text) {
            Ok(selector) => selectors.push(selector),
            Err(error) => {
                eprintln!("{}", error.render(text));
                return ExitCode::FAILURE;
            }
        }
    }
    let [first, second] = selectors.as_slice() else { return ExitCode::FAILURE };
    println!("first:   {first}");
    println!("second:  {second}");
    println!("overlap: {}", say("no", &is_disjoint(first, second), "yes"));
    println!("first implies second: {}", say("yes", &implies(first, second), "no"));
    println!("second implies first: {}", say("yes", &implies(second, first), "no"));
    ExitCode::SUCCESS
}

fn say(yes: &str, answer: &Holds, no: &str) -> String {
    match answer {
        Holds::Yes => yes.into(),
        Holds::No(labels) => format!("{no}: {labels:?}"),
        Holds::Unknown => "too hard to tell".into(),
    }
}
