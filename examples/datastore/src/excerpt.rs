//! Text from outside, for messages.

use core::fmt::{self, Write as _};

/// Most characters that are shown.
const LIMIT: usize = 500;

/// The beginning of a text that may be very long and may hold anything: on one line, without control characters.
///
/// # Example
///
/// ```
/// use tortie_datastore::Excerpt;
///
/// assert_eq!(Excerpt("one\ntwo").to_string(), "one\\ntwo");
/// assert_eq!(Excerpt(&"x".repeat(1_000_000)).to_string().len(), 500 + " (and 999500 bytes more)".len());
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a text with a Display")]
pub struct Excerpt<'t>(pub &'t str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(LIMIT) {
            // Separators of lines and what turns the direction of writing are no control characters.
            let is_plain = !character.is_control()
                && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if is_plain {
                f.write_char(character)?;
            } else {
                character.escape_default().fmt(f)?;
            }
        }
        match characters.as_str().len() {
            0 => Ok(()),
            more => write!(f, " (and {more} bytes more)"),
        }
    }
}
