//! Labels, and what an error underlines.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/selector/tokenizer/tokenizer.go.

use crate::tree::place;

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
#[inline]
pub(crate) const fn is_label_byte(byte: u8) -> bool {
    // A look-up is one load where the comparisons are up to ten jumps.
    #[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 places")]
    LABEL_BYTES[byte as usize]
}

#[expect(clippy::indexing_slicing, reason = "a failure would be one of compilation")]
const LABEL_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] =
            matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'-');
        byte += 1;
    }
    table
};

impl Span {
    /// A text is not longer than [`Limits::MAX_LEN`](crate::Limits::MAX_LEN).
    #[inline]
    pub(crate) fn len(self) -> u32 {
        place(self.end - self.start)
    }
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many bytes at the start are those of a label name.
#[inline]
pub(crate) fn label_len(bytes: &[u8]) -> usize {
    first(bytes, others, |byte| !is_label_byte(byte)).unwrap_or(bytes.len())
}

/// Where this byte is first; the quote that ends a literal is a few bytes away.
#[inline]
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let pattern = ONES * u64::from(wanted);
    first(bytes, |word| zeros(word ^ pattern), |byte| byte == wanted)
}

/// Where the first byte is that `is` says, and `among` marks with its high bit in a word of eight; above a byte that it
/// marks it may err.
///
/// Two words at a time: most names and values end in them, and how long they are is not guessed.
#[inline]
fn first(bytes: &[u8], among: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    while let Some([low, high]) = bytes.get(at..).and_then(|rest| rest.first_chunk()).map(words) {
        let (low, high) = (among(low), among(high));
        if low | high != 0 {
            let (word, before) = if low == 0 { (high, 8) } else { (low, 0) };
            return Some(at + before + word.trailing_zeros() as usize / 8);
        }
        at += 16;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| is(*byte)).map(|found| at + found)
}

/// Sixteen bytes as two numbers, the first byte lowest.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
const fn words(bytes: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*bytes);
    [both as u64, (both >> 64) as u64]
}

/// Marks the bytes that are zero. The lowest mark is right.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Marks the bytes that may not stand in a label name.
#[inline]
const fn others(word: u64) -> u64 {
    // Seven bits of each byte, to which seven bits can be added.
    let low = word & !HIGH;
    // From `-` to `9`, with `.` and `/`.
    let digits = within(low, b'-', b'9');
    let letters = within(low | (ONES * 0x20), b'a', b'z');
    let line = within(low, b'_', b'_');
    (!(digits | letters | line) | word) & HIGH
}

/// Marks the bytes from `first` to `last`; those of the word are below 128.
#[inline]
const fn within(word: u64, first: u8, last: u8) -> u64 {
    (word + ONES * (0x80 - first) as u64) ^ (word + ONES * (0x7f - last) as u64)
}

/// The label name at the start of the text, of any length, and what is left. The name is empty where there is none.
pub(crate) fn label(text: &str) -> (&str, &str) {
    let len = text.bytes().take_while(|byte| is_label_byte(*byte)).count();
    text.split_at(len)
}

/// Length in bytes of whatever stands at the start of the text, to underline it: a word, a literal, an operator, else
/// one character. Zero at the end.
pub(crate) fn unknown_len(text: &str) -> usize {
    let (word, _) = label(text);
    if !word.is_empty() {
        return word.len();
    }
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        // With both quotes, or to the end where there is no second one.
        return text.split_at(1).1.find(quote).map_or(text.len(), |len| len + 2);
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
    fn bytes_are_found_at_every_place() {
        for len in 0..40 {
            let mut bytes = alloc::vec![b'!'; len];
            assert_eq!(find(&bytes, b'"'), None);
            for at in (0..len).rev() {
                // What is found is the first one; neighbours in value are none.
                bytes[at] = b'"';
                assert_eq!(find(&bytes, b'"'), Some(at));
                assert_eq!(find(&bytes, b'#'), None);
            }
        }
        assert_eq!(find(b"\x00\xa2\"\"abcdef", b'"'), Some(2));
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
