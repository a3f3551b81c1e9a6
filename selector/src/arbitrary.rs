//! Selectors out of raw bytes, for fuzzing.

use alloc::string::String;

use arbitrary::{Arbitrary, Error, Result, Unstructured};

use crate::selector::Selector;
use crate::token;

/// Levels of the selectors that are made.
const DEPTH: usize = 5;

/// Any selector, of five levels at most: a tree is built and written, and the text is parsed.
impl<'a> Arbitrary<'a> for Selector {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        operation(bytes, DEPTH, &mut text)?;
        Self::parse(&text).map_err(|_| Error::IncorrectFormat)
    }
}

fn operation(bytes: &mut Unstructured<'_>, depth: usize, text: &mut String) -> Result<()> {
    if bytes.ratio(1, 6)? {
        text.push('!');
    }
    if depth == 0 || bytes.ratio(2, 3)? {
        return term(bytes, text);
    }
    let joint = *bytes.choose(&[" && ", " || "])?;
    text.push('(');
    for index in 0..bytes.int_in_range(1..=3)? {
        if index > 0 {
            text.push_str(joint);
        }
        operation(bytes, depth - 1, text)?;
    }
    text.push(')');
    Ok(())
}

fn term(bytes: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    let form = *bytes.choose(&[
        "all()",
        "global()",
        "has",
        " == ",
        " != ",
        " contains ",
        " starts with ",
        " ends with ",
        " in ",
        " not in ",
    ])?;
    match form {
        "all()" | "global()" => text.push_str(form),
        "has" => {
            text.push_str("has(");
            label(bytes, text)?;
            text.push(')');
        }
        " in " | " not in " => {
            label(bytes, text)?;
            text.push_str(form);
            text.push('{');
            for _ in 0..bytes.int_in_range(0..=4)? {
                value(bytes, text)?;
                text.push(',');
            }
            text.push('}');
        }
        _ => {
            label(bytes, text)?;
            text.push_str(form);
            value(bytes, text)?;
        }
    }
    Ok(())
}

/// A label; mostly one of few, so that they meet.
fn label(bytes: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    let name = *bytes.choose(&["a", "b", "c", "in", "has", ""])?;
    if !name.is_empty() {
        text.push_str(name);
        return Ok(());
    }
    text.push('x');
    let other = <&str>::arbitrary(bytes)?;
    let rest = other.bytes().filter(|byte| token::is_label_byte(*byte)).take(token::MAX_LABEL_LEN - 1);
    text.extend(rest.map(char::from));
    Ok(())
}

/// A value with its quotes.
fn value(bytes: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    let known = *bytes.choose(&["x", "y", "xy", "", "\u{e9}", "-"])?;
    let value = if known == "-" { <&str>::arbitrary(bytes)? } else { known };
    let quote = if value.contains('"') { '\'' } else { '"' };
    text.push(quote);
    text.extend(value.chars().filter(|character| *character != quote));
    text.push(quote);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_make_a_selector() {
        let mut state = 1_u64;
        let mut lists = 0;
        for len in 0..500 {
            let bytes: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    state.to_be_bytes()[0]
                })
                .collect();
            let selector = Selector::arbitrary(&mut Unstructured::new(&bytes)).unwrap();
            lists += usize::from(selector.canonical().contains(['&', '|']));
        }
        assert!(lists > 50, "{lists} of 500 have a list");
    }
}
