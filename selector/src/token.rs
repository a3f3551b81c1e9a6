//! Lexical rules: blanks, labels, string literals, punctuation.
//!
//! Each scanner takes the text that is left and gives back what it read and what is left then. They know nothing of
//! the grammar (`parse.rs`), and they look at bytes only: every byte that means something is ASCII, so every cut is at
//! a character boundary.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/tokenizer/tokenizer.go.

/// Longest label name that a selector may contain, in bytes.
///
/// Source: calico@87c15906f2 libcalico-go/lib/selector/tokenizer/tokenizer.go.
pub const MAX_LABEL_LEN: usize = 512;

/// Range of bytes in the text that was parsed.
///
/// `start` is the first byte, `end` is one past the last; they are equal where something is missing at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a range has two ends and nothing else")]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset one past the last byte.
    pub end: usize,
}

/// Whether a byte may stand in a label name: `[a-zA-Z0-9_./-]`.
pub(crate) const fn is_label_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'-')
}

/// The text after leading blanks. Only space and tab are blanks; a newline is not.
pub(crate) fn skip_blanks(text: &str) -> &str {
    let len = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.split_at(len).1
}

/// The label name at the start of the text, of any length, and what is left. The name is empty where there is none.
pub(crate) fn label(text: &str) -> (&str, &str) {
    let len = text.bytes().take_while(|byte| is_label_byte(*byte)).count();
    text.split_at(len)
}

/// A string literal at the start of the text.
pub(crate) enum Literal<'a> {
    /// Its value without the quotes, and what is left.
    Closed(&'a str, &'a str),
    /// The quote is opened and never closed.
    Unterminated(char),
    /// There is no quote here.
    Absent,
}

/// The string literal at the start of the text: from a quote to the next quote of its kind, taken verbatim. There are
/// no escapes.
pub(crate) fn literal(text: &str) -> Literal<'_> {
    let quote = match text.bytes().next() {
        Some(b'"') => '"',
        Some(b'\'') => '\'',
        _ => return Literal::Absent,
    };
    match text.split_at(1).1.split_once(quote) {
        Some((value, rest)) => Literal::Closed(value, rest),
        None => Literal::Unterminated(quote),
    }
}

/// What is left after the word (or the two words glued or parted by blanks) at the start of the text, if it ends at a
/// word boundary.
pub(crate) fn words<'a>(text: &'a str, first: &str, second: Option<&str>) -> Option<&'a str> {
    let mut rest = text.strip_prefix(first)?;
    if let Some(second) = second {
        rest = skip_blanks(rest).strip_prefix(second)?;
    }
    match rest.bytes().next() {
        Some(byte) if is_label_byte(byte) => None,
        _ => Some(rest),
    }
}

/// Length in bytes of whatever stands at the start of the text, to underline it: a word, a literal, an operator, else
/// one character. Zero at the end.
pub(crate) fn unknown_len(text: &str) -> usize {
    let (word, _) = label(text);
    if !word.is_empty() {
        return word.len();
    }
    match literal(text) {
        Literal::Closed(value, _) => return value.len() + 2,
        Literal::Unterminated(_) => return text.len(),
        Literal::Absent => {}
    }
    if ["&&", "||", "==", "!="].iter().any(|operator| text.starts_with(operator)) {
        return 2;
    }
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_space_and_tab_only() {
        assert_eq!(skip_blanks(" \t a"), "a");
        assert_eq!(skip_blanks("\n a"), "\n a");
        assert_eq!(skip_blanks("\u{a0}a"), "\u{a0}a");
    }

    #[test]
    fn words_end_at_a_boundary() {
        assert_eq!(words("in{", "in", None), Some("{"));
        assert_eq!(words("inf", "in", None), None);
        assert_eq!(words("starts \t with'a'", "starts", Some("with")), Some("'a'"));
        assert_eq!(words("startswith", "starts", Some("with")), Some(""));
        assert_eq!(words("starts withs", "starts", Some("with")), None);
    }

    #[test]
    fn a_literal_ends_at_the_next_quote_of_its_kind() {
        assert!(matches!(literal("\"a'\\\"b"), Literal::Closed("a'\\", "b")));
        assert!(matches!(literal("'a\"\n'"), Literal::Closed("a\"\n", "")));
        assert!(matches!(literal("'a\""), Literal::Unterminated('\'')));
        assert!(matches!(literal("a"), Literal::Absent));
    }

    #[test]
    fn the_unknown_is_measured_whole() {
        for (text, len) in
            [("", 0), ("word rest", 4), ("'a b' c", 5), ("'ab", 3), ("&&&", 2), ("%%", 1), ("\u{e9}x", 2)]
        {
            assert_eq!(unknown_len(text), len, "{text}");
        }
    }
}
