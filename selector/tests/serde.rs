//! A selector as a string in serde formats.

#![cfg(feature = "serde")]

use tortie_selector::Selector;

#[test]
fn written_in_canonical_form_and_read_in_any() {
    let selector: Selector = serde_json::from_str(r#""a=='b'&&has( c )""#).unwrap();
    let written = serde_json::to_string(&selector).unwrap();
    assert_eq!(written, r#""(a == \"b\" && has(c))""#);
    assert_eq!(serde_json::from_str::<Selector>(&written).unwrap(), selector);
}

#[test]
fn an_error_names_the_place() {
    let error = serde_json::from_str::<Selector>(r#""a == b""#).unwrap_err().to_string();
    assert!(error.starts_with("expected a quoted string, found a word at byte 5"), "{error}");
    let error = serde_json::from_str::<Selector>("5").unwrap_err().to_string();
    assert!(error.contains("expected a label selector"), "{error}");
}
