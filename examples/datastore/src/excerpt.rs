//! Text from outside, for messages.

use core::fmt::{self, Write as _};

/// Most octets that are shown of the beginning, and of the end of what is longer.
const SHOWN: (usize, usize) = (400, 100);

/// Beginning and end of a text that may be very long and may hold anything: on one line, without control characters.
///
/// # Example
///
/// ```
/// use tortie_datastore::Excerpt;
///
/// assert_eq!(Excerpt("one\ntwo").to_string(), "one\\ntwo");
/// let text = format!("`{}` is not a name", "x".repeat(1_000_000));
/// let excerpt = Excerpt(&text).to_string();
/// assert!(excerpt.starts_with("`xxx") && excerpt.ends_with("xxx` is not a name") && excerpt.len() < 600);
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a text with a Display")]
pub struct Excerpt<'t>(pub &'t str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let (first, last) = (text.floor_char_boundary(SHOWN.0), text.len().saturating_sub(SHOWN.1));
        let last = text.ceil_char_boundary(last);
        match (text.get(..first), text.get(last..)) {
            (Some(begin), Some(end)) if first < last => {
                plain(begin, f)?;
                write!(f, " ({} octets) ", last - first)?;
                plain(end, f)
            }
            _ => plain(text, f),
        }
    }
}

fn plain(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|character| {
        // Separators of lines and what turns the direction of writing are no control characters.
        let turns = matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            write!(f, "{}", character.escape_default())
        } else {
            f.write_char(character)
        }
    })
}
