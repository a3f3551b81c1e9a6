//! Names of chains, and what is said of chains and rules.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use tortie_selector::unique_id;

use crate::key::{Direction, PolicyKey};
use crate::program::{ChainKey, ListKey, ProfilesKey, TierKey};

/// Characters of the digest that makes a name unique: 132 bits.
const DIGEST: usize = 22;
/// Characters of a name that are kept, for people.
const MAX_NAME: usize = 48;

/// The name of a chain. The digest makes it unique, and the same whatever else there is; the rest is for people.
pub(in super::super) fn chain_name(key: &ChainKey) -> String {
    let kind = |ingress, egress| if key.direction() == Direction::Ingress { ingress } else { egress };
    match key {
        ChainKey::Policy { policy, http, .. } => {
            named(kind("policy-in", "policy-out"), &name_of(policy), &format!("{http} {}", Told(policy)))
        }
        ChainKey::Profile { profile, http, .. } => {
            named(kind("profile-in", "profile-out"), profile, &format!("{http} {profile}"))
        }
        ChainKey::Tier(key) => named(kind("tier-in", "tier-out"), &key.tier, &told_tier(key)),
        ChainKey::Profiles(key) => named(kind("profiles-in", "profiles-out"), "", &told_profiles(key)),
        ChainKey::List(key) => named(kind("list-in", "list-out"), key.list.as_str(), &told_list(key)),
        ChainKey::Failsafe { replies, .. } => {
            named(kind("failsafe-in", "failsafe-out"), "", &format!("{replies}"))
        }
    }
}

/// What a policy is called by people.
pub(super) fn name_of(policy: &PolicyKey) -> Cow<'_, str> {
    match &policy.namespace {
        Some(namespace) => Cow::Owned(format!("{namespace}.{}", policy.name)),
        None => Cow::Borrowed(&policy.name),
    }
}

/// What tells a policy from all others. Lengths say where names end, here and below, and how many things come; Debug text would
/// do, and takes longer.
pub(super) struct Told<'p>(pub(super) &'p PolicyKey);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(policy) = self;
        let namespace = policy.namespace.as_deref();
        let len = namespace.map_or(0, |namespace| namespace.len().saturating_add(1));
        write!(f, "{} {len} {}{}", policy.kind, namespace.unwrap_or_default(), policy.name)
    }
}

/// What tells a tier's chain from all others of its direction.
fn told_tier(key: &TierKey) -> String {
    let TierKey { tier, is_host, passes, http, policies, direction: _ } = key;
    let mut text = format!("{is_host} {passes} {http} {} {tier}", tier.len());
    for policy in policies {
        // Into a text, it never fails; so below.
        let _ = write!(text, " {} {}", policy.name.len(), Told(policy));
    }
    text
}

fn told_profiles(key: &ProfilesKey) -> String {
    let ProfilesKey { is_host, http, profiles, direction: _ } = key;
    let mut text = format!("{is_host} {http}");
    for profile in profiles {
        let _ = write!(text, " {} {profile}", profile.len());
    }
    text
}

fn told_list(key: &ListKey) -> String {
    let ListKey { list, is_host, tiers, profiles, direction: _ } = key;
    let mut text = format!("{list} {is_host} {}", tiers.len());
    for part in tiers.iter().map(|tier| told_tier(tier)).chain(profiles.iter().map(|key| told_profiles(key)))
    {
        let _ = write!(text, " {} {part}", part.len());
    }
    text
}

/// A name for people that begins so, with a digest of what tells it apart.
pub(super) fn named(kind: &str, name: &str, what: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => character,
        _ => '_',
    };
    let id = unique_id(kind, what);
    // What a digest is written with has one byte each.
    let digest = id.get(kind.len().saturating_add(1)..).unwrap_or_default();
    let mut text = String::with_capacity(kind.len().saturating_add(MAX_NAME + DIGEST + 2));
    text.push_str(kind);
    if !name.is_empty() {
        text.push('-');
        text.extend(name.chars().take(MAX_NAME).map(plain));
    }
    text.push('-');
    text.push_str(digest.get(..DIGEST).unwrap_or(digest));
    text
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

/// Longest comment that is kept, in bytes.
pub(super) const MAX_COMMENT_LEN: usize = 120;
/// How much of the end of a longer one is kept.
const COMMENT_TAIL: usize = 40;

/// Whether nothing of a text need be replaced for it to stand between quotes.
pub(super) fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    // Of many bytes at once.
    text.bytes().fold(true, |plain, byte| plain & is_plain(byte))
}

/// The text as it may stand between quotes: what is not plain is replaced, and of what is too long the middle is left out.
pub(in super::super) fn comment(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_COMMENT_LEN && is_plain(text) {
        return Cow::Borrowed(text);
    }
    let plain = |byte: u8| match byte {
        b'"' => b'\'',
        b'\\' => b'/',
        b' '..=b'~' => byte,
        _ => b'?',
    };
    // Of a character of several bytes, the first stands for all.
    let is_first = |byte: &u8| *byte & 0xc0 != 0x80;
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend(text.bytes().filter(is_first).map(plain));
    // Plain text is text, and has a character in every byte.
    let plain_text = String::from_utf8(bytes).unwrap_or_default();
    let head = MAX_COMMENT_LEN.saturating_sub(COMMENT_TAIL + 5);
    let tail = plain_text.len().saturating_sub(COMMENT_TAIL);
    Cow::Owned(match (plain_text.get(..head), plain_text.get(tail..)) {
        (Some(head), Some(tail)) if plain_text.len() > MAX_COMMENT_LEN => format!("{head} ... {tail}"),
        _ => plain_text,
    })
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::sync::Arc;
    use alloc::vec;

    use super::*;
    use crate::key::ListKind;

    const FLAGS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];
    const DIRECTION: Direction = Direction::Ingress;

    /// Some of which could be taken for what stands around names.
    const NAMES: [&str; 4] = ["", "a", "a 1 a", "false 1"];

    fn policies() -> Vec<Arc<PolicyKey>> {
        let global = NAMES.map(PolicyKey::global);
        let namespaced =
            NAMES.iter().flat_map(|namespace| NAMES.map(|name| PolicyKey::namespaced(*namespace, name)));
        global.into_iter().chain(namespaced).map(Arc::new).collect()
    }

    fn tiers(policies: &[Vec<Arc<PolicyKey>>]) -> Vec<Arc<TierKey>> {
        let tier = |tier: &'static str, is_host, (passes, http), policies: &Vec<_>| {
            Arc::new(TierKey {
                tier: tier.into(),
                direction: DIRECTION,
                is_host,
                passes,
                http,
                policies: policies.clone(),
            })
        };
        let each = NAMES.iter().flat_map(|name| FLAGS.map(|flags| (*name, flags)));
        let each = each.flat_map(|each| [(each, false), (each, true)]);
        each.flat_map(|((name, flags), is_host)| {
            policies.iter().map(move |policies| tier(name, is_host, flags, policies))
        })
        .collect()
    }

    fn profiles() -> Vec<Arc<ProfilesKey>> {
        let pairs =
            NAMES.iter().flat_map(|one| NAMES.map(|other| [Arc::from(*one), Arc::from(other)].into()));
        let lists = pairs.chain(NAMES.map(|name| [Arc::from(name)].into())).chain([Vec::new()]);
        let key = |(profiles, (is_host, http)): (Vec<_>, _)| ProfilesKey {
            direction: DIRECTION,
            is_host,
            http,
            profiles,
        };
        lists.flat_map(|list| FLAGS.map(|flags| Arc::new(key((list.clone(), flags))))).collect()
    }

    #[test]
    fn names_are_the_same_only_for_the_same() {
        let direction = DIRECTION;
        let all = policies();
        let pairs =
            all.iter().flat_map(|one| all.iter().map(|other| [Arc::clone(one), Arc::clone(other)].into()));
        let singles = all.iter().map(|policy| [Arc::clone(policy)].into());
        let lists: Vec<Vec<_>> = pairs.chain(singles).chain([Vec::new()]).collect();
        let few = [Vec::new(), all.first().into_iter().cloned().collect()];
        let mut keys: Vec<ChainKey> = tiers(&lists).into_iter().map(ChainKey::Tier).collect();
        keys.extend(profiles().into_iter().map(ChainKey::Profiles));
        for http in [false, true] {
            keys.extend(all.iter().cloned().map(|policy| ChainKey::Policy { policy, direction, http }));
            keys.extend(NAMES.map(|name| ChainKey::Profile { profile: name.into(), direction, http }));
            keys.push(ChainKey::Failsafe { direction, replies: http });
        }
        let tiers = tiers(&few);
        let pairs =
            tiers.iter().flat_map(|one| tiers.iter().map(|other| vec![Arc::clone(one), Arc::clone(other)]));
        for tiers in pairs.chain(tiers.iter().map(|tier| vec![Arc::clone(tier)])) {
            let profiles = profiles().into_iter().step_by(3).map(Some).chain([None]);
            let list = |profiles| ListKey {
                list: ListKind::Normal,
                direction,
                is_host: true,
                tiers: tiers.clone(),
                profiles,
            };
            keys.extend(profiles.map(|profiles| ChainKey::List(Arc::new(list(profiles)))));
        }
        let mut names = BTreeMap::new();
        for key in &keys {
            let name = chain_name(key);
            assert!(name.len() < 128 && name.is_ascii(), "{name}");
            if let Some(other) = names.insert(name, key) {
                panic!("{key:?} and {other:?} have one name");
            }
        }
        assert!(names.len() > 30_000, "{}", names.len());
    }
}
