//! The reference system's own tables, where somebody has them: `TORTIE_DATA` names the folder.

mod twin;

use serde::Deserialize;
use tortie_selector::Selector;
use twin::{Map, check::check_text};

#[derive(Deserialize)]
struct Case {
    id: String,
    selector: String,
    matches: Vec<Map>,
    non_matches: Vec<Map>,
}

#[test]
fn selectors_match_as_in_the_reference_system() {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else {
        eprintln!("skipped: TORTIE_DATA does not name a folder with policy/calico-selector.jsonl");
        return;
    };
    let path = std::path::Path::new(&folder).join("policy/calico-selector.jsonl");
    let text = std::fs::read_to_string(&path).expect("TORTIE_DATA has policy/calico-selector.jsonl");
    let mut cases = 0;
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect("one case a line");
        let selector = Selector::parse(&case.selector).expect("a selector");
        for labels in &case.matches {
            assert!(selector.matches(labels), "{}: {selector} on {labels:?}", case.id);
        }
        for labels in &case.non_matches {
            assert!(!selector.matches(labels), "{}: {selector} on {labels:?}", case.id);
        }
        check_text(&case.selector);
        cases += 1;
    }
    assert!(cases > 0, "no case in {}", path.display());
    eprintln!("{cases} cases of {}", path.display());
}
