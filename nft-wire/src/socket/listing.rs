//! What is to be listed, and what may follow from it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::exchange::attributes;
use crate::family::Family;
use crate::message::Entry;
use crate::name::Name;

/// What to list. Of a family, or of all with `Family::new(0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing<'n> {
    /// The tables.
    Tables,
    /// The chains.
    Chains,
    /// The rules of all chains.
    Rules,
    /// The rules of a chain.
    RulesOf {
        /// Its table.
        table: &'n Name,
        /// The chain.
        chain: &'n Name,
    },
    /// The sets, without their elements.
    Sets,
    /// The elements of a set of a table. Of a set without a declared size, the kernel may tell an element twice, or not at all,
    /// while it makes the table of hashes larger that it keeps them in; nothing says so. Declare a size where that matters.
    Elements {
        /// The table.
        table: &'n Name,
        /// The set.
        set: &'n Name,
    },
    /// Objects.
    Objects,
    /// Flow tables.
    Flowtables,
}

impl Listing<'_> {
    /// What is listed of everything, but for elements, which follow from the sets.
    pub(super) const ALL: [Self; 6] =
        [Self::Tables, Self::Chains, Self::Sets, Self::Objects, Self::Flowtables, Self::Rules];

    /// The type of the question and its attributes.
    pub(super) fn question(self) -> (u8, Vec<u8>) {
        let kind = match self {
            Self::Tables => 1,
            Self::Chains => 4,
            Self::Rules | Self::RulesOf { .. } => 7,
            Self::Sets => 10,
            Self::Elements { .. } => 13,
            Self::Objects => 19,
            Self::Flowtables => 23,
        };
        let attributes = match self {
            Self::Elements { table, set: name } | Self::RulesOf { table, chain: name } => {
                attributes(|writer| {
                    writer.put(1, table);
                    writer.put(2, name);
                })
            }
            _ => Vec::new(),
        };
        (kind, attributes)
    }
}

/// The sets among these, whose elements are to be listed.
pub(super) fn sets(entries: &[(Family, Entry)]) -> BTreeSet<(Family, Name, Name)> {
    let set = |(family, entry): &(Family, Entry)| match entry {
        Entry::Set(set) => Some((*family, set.table.clone(), set.name.clone())),
        _ => None,
    };
    entries.iter().filter_map(set).collect()
}
