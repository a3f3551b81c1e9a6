//! What is said of rules.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;

use super::names::{MAX_COMMENT_LEN, is_plain};
use super::{Comment, comment};
use crate::key::{Direction, Origin, Owner};

/// Texts of the comments of rules, one after the other: of rules of one policy, only the number is written anew.
#[derive(Debug, Default)]
pub(in super::super) struct Origins {
    text: String,
    /// What the text begins with, if it may begin another.
    head: Option<Head>,
}

/// What the comments of all rules of a policy begin with, in one direction.
#[derive(Debug)]
struct Head {
    owner: Owner,
    direction: Direction,
    len: usize,
    is_plain: bool,
}

impl Origins {
    /// The text of this comment, as it may stand between quotes.
    pub(in super::super) fn comment<'t>(&'t mut self, said: Comment<'t>) -> Cow<'t, str> {
        match said {
            Comment::Text(text) => Cow::Borrowed(text),
            Comment::Origin(origin) => {
                self.write(origin);
                // A number is plain.
                let is_plain = self.head.as_ref().is_some_and(|head| head.is_plain);
                if is_plain && self.text.len() <= MAX_COMMENT_LEN {
                    return Cow::Borrowed(&self.text);
                }
                comment(&self.text)
            }
        }
    }

    fn write(&mut self, origin: &Origin) {
        let Origin::Rule { owner, direction, index } = origin else {
            self.head = None;
            self.text.clear();
            // Into a text, it never fails.
            let _ = write!(self.text, "{origin}");
            return;
        };
        match &self.head {
            Some(head) if head.owner == *owner && head.direction == *direction => {
                self.text.truncate(head.len);
            }
            _ => {
                self.text.clear();
                let _ = write!(self.text, "{owner} {direction}[");
                self.head = Some(Head {
                    owner: owner.clone(),
                    direction: *direction,
                    len: self.text.len(),
                    is_plain: is_plain(&self.text),
                });
            }
        }
        push_number(&mut self.text, *index);
        self.text.push(']');
    }
}

fn push_number(text: &mut String, number: usize) {
    // No deeper than there are digits.
    if number > 9 {
        push_number(text, number / 10);
    }
    text.extend(u32::try_from(number % 10).ok().and_then(|digit| char::from_digit(digit, 10)));
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::key::PolicyKey;

    fn origin() -> impl Strategy<Value = Origin> {
        let name = prop_oneof!["[a-c]", "[a-z\"\u{fc}]{100,130}"];
        let owner = (name.clone(), any::<bool>()).prop_map(|(name, is_policy)| {
            if is_policy {
                Owner::Policy(Arc::new(PolicyKey::global(name)))
            } else {
                Owner::Profile(name.into())
            }
        });
        let direction = prop::sample::select(&Direction::ALL[..]);
        prop_oneof![
            8 => (owner.clone(), direction, 0_usize..200)
                .prop_map(|(owner, direction, index)| Origin::Rule { owner, direction, index }),
            1 => owner.prop_map(|owner| Origin::Invalid { owner }),
            1 => name.prop_map(|tier| Origin::EndOfTier { tier: tier.into() }),
            1 => Just(Origin::NoProfileMatched),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_is_the_text_of_the_origin(origins in prop::collection::vec(origin(), 1..30)) {
            let mut said = Origins::default();
            let texts: Vec<String> =
                origins.iter().map(|origin| said.comment(Comment::Origin(origin)).into_owned()).collect();
            for (origin, text) in origins.iter().zip(texts) {
                let whole = alloc::format!("{origin}");
                prop_assert_eq!(text, comment(&whole));
            }
        }
    }
}
