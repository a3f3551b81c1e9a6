//! Chains of others that may drop what policy accepts.

use alloc::vec::Vec;
use core::fmt;

use tortie_nft_wire::{Entry, Family, Hook, Name, Policy};

use super::TABLE;

/// A base chain of another table that drops what none of its rules accepts. In nftables an accept ends only its own base chain, so
/// what policy accepts passes only if this one lets it.
///
/// `Display` names it for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignDrop {
    /// Family of its table.
    pub family: Family,
    /// Its table.
    pub table: Name,
    /// Its name.
    pub chain: Name,
    /// Where it is hooked in.
    pub hook: Hook,
    /// Whether it comes before others there.
    pub priority: i32,
}

impl fmt::Display for ForeignDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, priority, .. } = self;
        let family = match *family {
            Family::IPV4 => "ip",
            Family::IPV6 => "ip6",
            _ => "inet",
        };
        let hook = hook(self.hook).unwrap_or("?");
        write!(f, "table {family} {table}, chain {chain} (hook {hook}, priority {priority})")
    }
}

const fn hook(hook: Hook) -> Option<&'static str> {
    match hook {
        Hook::PREROUTING => Some("prerouting"),
        Hook::INPUT => Some("input"),
        Hook::FORWARD => Some("forward"),
        Hook::OUTPUT => Some("output"),
        Hook::POSTROUTING => Some("postrouting"),
        _ => None,
    }
}

/// The base chains among these, as a socket lists them, that are not ours, see packets on a hook of ours, and drop by default.
///
/// Whether their rules accept what policy accepts, nobody can say without running them: they are for people to look at. Tables of
/// `iptables-nft` are among them, such as what Docker makes of `FORWARD`; those of the older `iptables-legacy` are not listed
/// by nf_tables.
#[must_use]
pub fn foreign_drops(entries: &[(Family, Entry)]) -> Vec<ForeignDrop> {
    let drops = |(family, entry): &(Family, Entry)| {
        let Entry::Chain(chain) = entry else { return None };
        let attachment = chain.attachment.as_ref()?;
        let is_ours = *family == Family::INET && chain.table.as_bytes() == TABLE.as_bytes();
        let is_ip = [Family::IPV4, Family::IPV6, Family::INET].contains(family);
        let drops = chain.policy == Some(Policy::DROP) && hook(attachment.hook).is_some();
        (!is_ours && is_ip && drops).then(|| ForeignDrop {
            family: *family,
            table: chain.table.clone(),
            chain: chain.name.clone(),
            hook: attachment.hook,
            priority: attachment.priority,
        })
    };
    entries.iter().filter_map(drops).collect()
}
