//! How the members of a set are spread over sets of the kernel.
//!
//! A set of addresses is a table of hashes, whatever its size. Prefixes are one table of hashes for each length where there are
//! few lengths, which a packet's masked address is looked up in; else they are intervals. Addresses and prefixes are never in
//! one set of the kernel: there, each new address would cost the more the more others there are.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ipnet::IpNet;

use crate::rule::Family;
use crate::set::{Members, PortMember, SetId};

/// Most lengths of prefixes that get a table of hashes each.
const MASKS: usize = 3;
/// What the size of a set is a multiple of.
const STEP: usize = 64;

/// One set of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Part {
    pub(in super::super) name: String,
    pub(in super::super) family: Family,
    pub(in super::super) kind: PartKind,
    /// How many members it has.
    pub(in super::super) len: usize,
}

/// What a set of the kernel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum PartKind {
    /// Addresses.
    Addresses,
    /// Prefixes of this length.
    Masked(u8),
    /// Prefixes of any lengths.
    Intervals,
    /// Addresses with protocols and ports.
    Ports,
}

impl PartKind {
    /// What the kernel counts for so many members: of an interval, both ends.
    pub(in super::super) fn ends(self, len: usize) -> usize {
        if self == Self::Intervals { len.saturating_mul(2) } else { len }
    }
}

/// How many members of each prefix length there are.
pub(in super::super) type Lengths = BTreeMap<u8, usize>;

impl Part {
    /// The prefixes among these members that belong in this part.
    pub(in super::super) fn nets<'m>(&self, members: &'m Members) -> impl Iterator<Item = IpNet> + 'm {
        let (kind, family) = (self.kind, self.family);
        let nets = match members {
            Members::Addresses(set) => Some(set.members(family)),
            Members::Ports(_) => None,
        };
        nets.into_iter().flatten().filter(move |net| match kind {
            PartKind::Addresses => net.prefix_len() == net.max_prefix_len(),
            PartKind::Masked(len) => net.prefix_len() == len,
            PartKind::Intervals => net.prefix_len() < net.max_prefix_len(),
            PartKind::Ports => false,
        })
    }

    /// The addresses with ports among these members that belong in this part.
    pub(in super::super) fn ports<'m>(
        &self,
        members: &'m Members,
    ) -> impl Iterator<Item = &'m PortMember> + 'm {
        let family = self.family;
        let ports = match members {
            Members::Ports(ports) => Some(ports),
            Members::Addresses(_) => None,
        };
        ports.into_iter().flatten().filter(move |member| Family::of(&member.address) == family)
    }
}

/// The id of a set as part of names, which have no colon.
pub(in super::super) fn part_id(set: &SetId) -> String {
    let mut id = set.id();
    if let Some(colon) = id.find(':') {
        id.replace_range(colon..=colon, "-");
    }
    id
}

/// The parts of a set with so many members of each length. One without members has a part for addresses if any set of policy has
/// members of this family: then its first one is an element, and no rule.
pub(in super::super) fn parts_of(
    set: &SetId,
    id: &str,
    family: Family,
    lengths: &Lengths,
    is_in_use: bool,
) -> Vec<Part> {
    let all = lengths.values().sum();
    // What the network asks for is laid out only where it is there.
    if all == 0 && (!is_in_use || matches!(set, SetId::Network(_))) {
        return Vec::new();
    }
    let (version, full) = if family == Family::V4 { ("ip4-", 32) } else { ("ip6-", 128) };
    let part = |suffix: &str, kind, len| Part { name: [version, id, suffix].concat(), family, kind, len };
    if set.has_ports() {
        return vec![part("", PartKind::Ports, all)];
    }
    let addresses = lengths.get(&full).copied().unwrap_or_default();
    let nets = || lengths.iter().filter(|(len, _)| **len != full);
    let mut parts = Vec::new();
    if addresses > 0 || all == 0 {
        parts.push(part("", PartKind::Addresses, addresses));
    }
    if nets().count() > MASKS {
        parts.push(part("-nets", PartKind::Intervals, all.saturating_sub(addresses)));
    } else {
        parts.extend(
            nets().map(|(len, count)| part(&alloc::format!("-{len}"), PartKind::Masked(*len), *count)),
        );
    }
    parts
}

/// The size that a set of the kernel for so many members is declared with: with room for half as many more.
pub(in super::super) fn room(kind: PartKind, len: usize) -> u32 {
    let len = len.saturating_add(len / 2).max(1).next_multiple_of(STEP);
    u32::try_from(kind.ends(len)).unwrap_or(u32::MAX)
}
