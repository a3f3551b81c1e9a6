//! Names of chains, and what is said of chains and rules.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use tortie_selector::unique_id;

use crate::key::{Direction, PolicyKey};
use crate::program::ChainKey;

/// Characters of the digest that makes a name unique: 132 bits.
const DIGEST: usize = 22;

/// The name of a chain. The digest makes it unique, and the same whatever else there is; the rest is for people.
pub(in super::super) fn chain_name(key: &ChainKey) -> String {
    let direction = if key.direction() == Direction::Ingress { "in" } else { "out" };
    let (kind, name) = match key {
        ChainKey::Policy { policy, .. } => {
            let namespace = policy.namespace.as_deref().map(|namespace| format!("{namespace}."));
            ("policy", namespace.unwrap_or_default() + &policy.name)
        }
        ChainKey::Profile { profile, .. } => ("profile", profile.to_string()),
        ChainKey::Tier(key) => ("tier", key.tier.to_string()),
        ChainKey::Profiles(_) => ("profiles", String::new()),
        ChainKey::List(key) => ("list", key.list.to_string()),
        ChainKey::Failsafe { .. } => ("failsafe", String::new()),
    };
    let what = match key {
        ChainKey::Policy { policy, http, .. } => format!("{http} {}", told(policy)),
        // Debug text tells all fields apart.
        _ => format!("{key:?}"),
    };
    named(&format!("{kind}-{direction}"), &name, &what)
}

/// What tells a policy from all others, and is made sooner than Debug text: the length says where its namespace ends.
pub(super) fn told(policy: &PolicyKey) -> String {
    let namespace = policy.namespace.as_deref();
    let len = namespace.map_or(0, |namespace| namespace.len().saturating_add(1));
    format!("{} {len} {}{}", policy.kind, namespace.unwrap_or_default(), policy.name)
}

/// A name for people that begins so, with a digest of what tells it apart.
pub(super) fn named(kind: &str, name: &str, what: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => character,
        _ => '_',
    };
    let name: String = name.chars().take(48).map(plain).collect();
    let hyphen = if name.is_empty() { "" } else { "-" };
    let id = unique_id(kind, what);
    let digest: String = id.chars().skip(kind.len().saturating_add(1)).take(DIGEST).collect();
    format!("{kind}{hyphen}{name}-{digest}")
}

/// What a chain is about, for people.
pub(in super::super) fn about(key: &ChainKey) -> String {
    let direction = key.direction();
    let names = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    match key {
        ChainKey::Policy { policy, .. } => format!("{policy} {direction}"),
        ChainKey::Profile { profile, .. } => format!("Profile {profile} {direction}"),
        ChainKey::Tier(key) => {
            let policies = names(&mut key.policies.iter().map(ToString::to_string));
            format!("{direction}, tier {}: {policies}", key.tier)
        }
        ChainKey::Profiles(key) => {
            format!("{direction}, profiles: {}", names(&mut key.profiles.iter().map(ToString::to_string)))
        }
        ChainKey::List(key) => {
            let tiers = names(&mut key.tiers.iter().map(|tier| tier.tier.to_string()));
            format!("{} {direction}, tiers: {tiers}", key.list)
        }
        ChainKey::Failsafe { .. } => format!("{direction} that is never closed"),
    }
}

/// Longest comment that the kernel keeps, in bytes.
const MAX_COMMENT_LEN: usize = 120;
/// How much of the end of a longer one is kept.
const COMMENT_TAIL: usize = 40;

/// The text as it may stand between quotes: what is not plain is replaced, and of what is too long the middle is left out.
pub(in super::super) fn comment(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    // Of many bytes at once.
    if text.len() <= MAX_COMMENT_LEN && text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        return Cow::Borrowed(text);
    }
    let plain = |character: char| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    let plain: String = text.chars().map(plain).collect();
    // Plain text has a character in every byte.
    let tail = plain.len().saturating_sub(COMMENT_TAIL);
    Cow::Owned(match (plain.get(..MAX_COMMENT_LEN.saturating_sub(COMMENT_TAIL + 5)), plain.get(tail..)) {
        (Some(head), Some(tail)) if plain.len() > MAX_COMMENT_LEN => format!("{head} ... {tail}"),
        _ => plain,
    })
}
