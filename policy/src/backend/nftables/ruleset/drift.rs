//! Whether the kernel still has what it was given.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use tortie_nft_wire::expr::{Expr, Lookup, Nat};
use tortie_nft_wire::{EncodeError, Entry, Family, Name, Set};

use super::Ruleset;
use crate::backend::nftables::TABLE;

impl Ruleset {
    /// Whether these entries, as a socket lists them, are the table that the kernel was given; others are not looked at. If they
    /// are not, [`forget`](Self::forget) makes the next batch mend that. Only right while [nothing](Self::is_settled) is to be
    /// done.
    ///
    /// For a check now and then, where others changed something: a table that [belongs](crate::nftables::Options::owned) to
    /// our socket is not changed by others.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: as of [`poll_batch`](Self::poll_batch).
    ///
    /// # Complexity
    ///
    /// In proportion to the whole table.
    pub fn is_listed(&self, entries: &[(Family, Entry)]) -> Result<bool, EncodeError> {
        let mut fresh = Self::new(self.options.clone());
        fresh.program = self.program.clone();
        fresh.sets = self.sets.clone();
        fresh.families = self.families;
        fresh.names = self.names.clone();
        fresh.barred = self.barred.clone();
        fresh.barred_sets = self.barred_sets.clone();
        fresh.banned = self.banned.clone();
        let Some(batch) = fresh.poll_batch()? else { return Ok(false) };
        let wished = Digest::of(batch.messages().filter_map(|message| Some(message.entry()?.1)));
        let listed = Digest::of(
            entries.iter().filter(|(family, _)| *family == Family::INET).map(|(_, entry)| entry.clone()),
        );
        Ok(wished == listed)
    }
}

/// A set by its name, and one of a batch that has none of its own by its number.
type SetKey = (Name, Option<u32>);

/// What a table means: chains with their rules in order, sets with their elements sorted. Numbers, names of anonymous sets and
/// sizes are left out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Digest {
    chains: BTreeMap<Name, (String, Vec<String>)>,
    sets: BTreeMap<Name, String>,
}

impl Digest {
    fn of(entries: impl Iterator<Item = Entry>) -> Self {
        let is_ours = |table: &Name| table.as_bytes() == TABLE.as_bytes();
        let mut digest = Self::default();
        let mut sets: BTreeMap<SetKey, (String, bool, Vec<String>)> = BTreeMap::new();
        let mut rules = Vec::new();
        let mut last: Option<SetKey> = None;
        for entry in entries {
            match entry {
                Entry::Chain(chain) if is_ours(&chain.table) => {
                    let head = format!("{:?} {:?} {:?}", chain.kind, chain.attachment, chain.policy);
                    digest.chains.entry(chain.name).or_default().0 = head;
                }
                Entry::Set(set) if is_ours(&set.table) => {
                    let is_anonymous = set.flags.unwrap_or(0) & Set::ANONYMOUS > 0;
                    let is_template = is_anonymous && set.name.to_string().contains('%');
                    let key = (set.name.clone(), set.id.filter(|_| is_template));
                    let head = format!(
                        "{} {:?} {:?} {:?}",
                        set.flags.unwrap_or(0),
                        set.key_type,
                        set.key_len,
                        set.data_type
                    );
                    sets.insert(key.clone(), (head, is_anonymous, Vec::new()));
                    last = Some(key);
                }
                Entry::Elements { table, set, elements } if is_ours(&table) => {
                    let is_template = set.to_string().contains('%');
                    // Elements of a set without a name stand right behind it.
                    let key = last.clone().filter(|_| is_template).unwrap_or((set, None));
                    let texts = elements.iter().map(|element| {
                        let flags = element.flags.unwrap_or(0);
                        format!("{:?} {:?} {:?} {flags}", element.key, element.key_end, element.data)
                    });
                    if let Some((.., list)) = sets.get_mut(&key) {
                        list.extend(texts);
                    }
                }
                Entry::Rule(rule) if is_ours(&rule.table) => rules.push(rule),
                _ => {}
            }
        }
        let mut text = BTreeMap::new();
        for (key, (head, is_anonymous, mut list)) in sets {
            list.sort_unstable();
            let whole = format!("{head} {list:?}");
            if !is_anonymous {
                digest.sets.insert(key.0.clone(), whole.clone());
            }
            text.insert(key, (is_anonymous, whole));
        }
        for rule in rules {
            let told = rule.exprs.iter().map(|expr| plain(expr, &text)).collect::<Vec<_>>();
            let line = format!("{told:?} {:?}", rule.userdata);
            digest.chains.entry(rule.chain).or_default().1.push(line);
        }
        digest
    }
}

/// An expression without what the kernel adds to it.
fn plain(expr: &Expr, sets: &BTreeMap<SetKey, (bool, String)>) -> String {
    match expr {
        Expr::Lookup(lookup) => {
            let by_number = sets.get(&(lookup.set.clone(), lookup.set_id));
            let set = by_number.or_else(|| sets.get(&(lookup.set.clone(), None)));
            let name = match set {
                Some((true, text)) => text.clone(),
                _ => lookup.set.to_string(),
            };
            let flags = lookup.flags.unwrap_or(0) & Lookup::INVERTED;
            format!("lookup {name} {:?} {:?} {flags}", lookup.sreg, lookup.dreg)
        }
        Expr::Bitwise(bitwise) => {
            format!("{:?}", tortie_nft_wire::expr::Bitwise { op: None, ..bitwise.clone() })
        }
        Expr::Nat(nat) => {
            let flags = nat.flags.map(|flags| flags & !(Nat::MAP_IPS | Nat::PROTO_SPECIFIED));
            format!("{:?}", Nat { flags, ..nat.clone() })
        }
        Expr::Log(log) => format!("log {:?} {:?}", log.group, log.prefix),
        other => format!("{other:?}"),
    }
}
