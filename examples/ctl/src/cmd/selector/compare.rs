//! `selector compare`: how two selectors stand to each other.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Map, json};
use tortie_selector::analysis::{
    Budget, Exists, Holds, Witness, implies_with, is_disjoint_with, is_equivalent_with, is_satisfiable_with,
};

use super::parse;
use crate::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A selector.
    first: String,
    /// Another one.
    second: String,
    /// How much work each answer may cost; more than the default takes seconds.
    #[arg(long)]
    steps: Option<u64>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// An answer, and labels that show it.
struct Answer {
    says: &'static str,
    shown_by: Option<Witness>,
}

impl From<Exists> for Answer {
    fn from(answer: Exists) -> Self {
        let (says, shown_by) = match answer {
            Exists::Yes(labels) => ("yes", Some(labels)),
            Exists::No => ("no", None),
            Exists::Unknown => ("unknown", None),
        };
        Self { says, shown_by }
    }
}

impl From<Holds> for Answer {
    fn from(answer: Holds) -> Self {
        let (says, shown_by) = match answer {
            Holds::Yes => ("yes", None),
            Holds::No(labels) => ("no", Some(labels)),
            Holds::Unknown => ("unknown", None),
        };
        Self { says, shown_by }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (first, second) = (parse(&arguments.first)?, parse(&arguments.second)?);
    let budget = arguments.steps.map_or_else(Budget::default, Budget::steps);
    // What is asked, in people's words and as a key, and what shows it.
    let answers: [(&str, &str, Answer); 6] = [
        ("first can match", "firstCanMatch", is_satisfiable_with(&first, budget).into()),
        ("second can match", "secondCanMatch", is_satisfiable_with(&second, budget).into()),
        ("first implies second", "firstImpliesSecond", implies_with(&first, &second, budget).into()),
        ("second implies first", "secondImpliesFirst", implies_with(&second, &first, budget).into()),
        ("disjoint", "disjoint", is_disjoint_with(&first, &second, budget).into()),
        ("equivalent", "equivalent", is_equivalent_with(&first, &second, budget).into()),
    ];
    if arguments.output == Output::Table {
        let mut rows = vec![["QUESTION", "ANSWER", "SHOWN BY"].map(str::to_owned).to_vec()];
        for (question, _, answer) in &answers {
            let labels = answer.shown_by.as_ref().map(words).unwrap_or_default();
            rows.push(vec![(*question).to_owned(), answer.says.to_owned(), labels]);
        }
        say!("first   {first}\nsecond  {second}\n\n{}", table::plain(&rows));
    } else {
        let mut value = Map::new();
        value.insert("first".to_owned(), first.canonical().into());
        value.insert("second".to_owned(), second.canonical().into());
        for (_, key, Answer { says, shown_by }) in answers {
            let answer = match shown_by {
                Some(labels) => json!({ "answer": says, "labels": labels }),
                None => json!({ "answer": says }),
            };
            value.insert(key.to_owned(), answer);
        }
        arguments.output.print(&value.into())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn words(labels: &Witness) -> String {
    if labels.is_empty() {
        return "no labels".to_owned();
    }
    labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" ")
}
