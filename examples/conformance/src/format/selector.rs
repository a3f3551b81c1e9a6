//! `calico-selector/1`: a selector, label maps that it matches, and label maps that it does not.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tortie_selector::Selector;

use crate::run::Run;

type Map = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Case {
    selector: String,
    matches: Vec<Map>,
    non_matches: Vec<Map>,
}

pub(crate) fn run(case: &Value, run: &mut Run<'_>) {
    run.faults.extend(faults(case));
}

fn faults(case: &Value) -> Vec<String> {
    let case = match Case::deserialize(case) {
        Ok(case) => case,
        Err(error) => return vec![format!("not a case of this format: {error}")],
    };
    if case.matches.is_empty() && case.non_matches.is_empty() {
        return vec!["no label map to match: the case proves nothing".into()];
    }
    let selector = match Selector::parse(&case.selector) {
        Ok(selector) => selector,
        Err(error) => return vec![error.render(&case.selector).to_string()],
    };
    let mut faults = case.faults(&selector, "");
    match Selector::parse(selector.canonical()) {
        Ok(again) => faults.extend(case.faults(&again, ", parsed from its canonical text,")),
        Err(error) => {
            faults.push(format!("its canonical text does not parse: {}", error.render(selector.canonical())))
        }
    }
    faults
}

impl Case {
    /// What a selector decides otherwise than the case says.
    fn faults(&self, selector: &Selector, which: &str) -> Vec<String> {
        let wanted = self.matches.iter().map(|labels| (labels, true));
        wanted
            .chain(self.non_matches.iter().map(|labels| (labels, false)))
            .filter(|(labels, want)| selector.matches(*labels) != *want)
            .map(|(labels, want)| {
                let verb = if want { "should match but does not" } else { "should not match but does" };
                format!("{selector}{which} {verb}: {labels:?}")
            })
            .collect()
    }
}
