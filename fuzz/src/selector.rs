//! Selectors, against the twin that the property tests of the crate use.

#[path = "../../selector/tests/twin/mod.rs"]
mod twin;

/// A text is judged as by the twin: same answer, same canonical form, same matches; limits only refuse.
///
/// What is not UTF-8 is not a text, and passes.
pub fn check_selector_parse(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    twin::check::check_text(text);
    twin::check::check_limits(text, &twin::grammar::Limits { len: 64, depth: 2, terms: 5 });
}
