//! What is wished of a set, and what the kernel has of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use ipnet::IpNet;

use super::families::Has;
use crate::backend::nftables::layout::{Lengths, Part, part_id, parts_of};
use crate::ipset::IpSet;
use crate::rule::Family;
use crate::set::{Members, PortMember, SetId};

/// A set of the kernel, and the size that it was declared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldPart {
    pub(super) part: Part,
    pub(super) size: u32,
}

/// A member of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Net(IpNet),
    Port(PortMember),
}

#[derive(Clone, Debug)]
pub(super) struct SetState {
    /// As part of names.
    id: String,
    pub(super) members: Members,
    lengths: [Lengths; 2],
    /// As wished.
    pub(super) parts: [Vec<Part>; 2],
    /// As the kernel has it; empty if it has nothing.
    pub(super) held: Vec<HeldPart>,
    /// How members differ from what the kernel has: true for those that are to be added.
    pending: BTreeMap<Member, bool>,
}

const fn place(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

fn members(of: &Members) -> Vec<Member> {
    match of {
        Members::Addresses(set) => {
            Family::ALL.iter().flat_map(|family| set.members(*family)).map(Member::Net).collect()
        }
        Members::Ports(ports) => ports.iter().copied().map(Member::Port).collect(),
    }
}

impl SetState {
    pub(super) fn new(set: &SetId, members: Members) -> Self {
        Self {
            id: part_id(set),
            lengths: Family::ALL.map(|family| members.lengths(family)),
            members,
            parts: [const { Vec::new() }; 2],
            held: Vec::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Whether it has members of each family.
    pub(super) fn has(&self) -> Has {
        self.lengths.each_ref().map(|lengths| !lengths.is_empty())
    }

    /// Lays it out; whether otherwise than before.
    pub(super) fn lay(&mut self, set: &SetId, in_use: Has) -> bool {
        let mut is_new = false;
        for (((family, lengths), parts), in_use) in
            Family::ALL.into_iter().zip(&self.lengths).zip(&mut self.parts).zip(in_use)
        {
            let laid = parts_of(set, &self.id, family, lengths, in_use);
            is_new |= !laid.iter().map(|part| part.kind).eq(parts.iter().map(|part| part.kind));
            *parts = laid;
        }
        is_new
    }

    pub(super) fn parts(&self, family: Family) -> &[Part] {
        let [v4, v6] = &self.parts;
        if family == Family::V4 { v4 } else { v6 }
    }

    pub(super) fn all_parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().flatten()
    }

    /// The kernel has nothing of it any more.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.pending.clear();
    }

    /// Changes members, but not how it is laid out.
    pub(super) fn change(&mut self, removed: &Members, added: &Members) {
        for (changes, is_added) in [(removed, false), (added, true)] {
            for member in members(changes) {
                self.note(member, is_added);
            }
        }
        self.members.change(removed, added);
    }

    /// Takes these members instead.
    pub(super) fn replace(&mut self, wished: &Members) {
        let (old, new) = (members(&self.members), members(wished));
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.into_iter().collect(), new.into_iter().collect());
        let has_ports = matches!(wished, Members::Ports(_));
        let removed = collect(has_ports, old.difference(&new));
        let added = collect(has_ports, new.difference(&old));
        self.change(&removed, &added);
    }

    /// Remembers one change against what the kernel has.
    fn note(&mut self, member: Member, is_added: bool) {
        let (family, len) = match &member {
            Member::Net(net) => (Family::of_net(net), net.prefix_len()),
            Member::Port(member) => {
                (Family::of(&member.address), if member.address.is_ipv4() { 32 } else { 128 })
            }
        };
        if let Some(lengths) = self.lengths.get_mut(place(family)) {
            let count = lengths.entry(len).or_default();
            *count = if is_added { count.saturating_add(1) } else { count.saturating_sub(1) };
            if *count == 0 {
                lengths.remove(&len);
            }
        }
        // Twice turned around is as it was.
        if self.pending.get(&member) == Some(&!is_added) {
            self.pending.remove(&member);
        } else {
            self.pending.insert(member, is_added);
        }
    }

    /// What is to be deleted in the kernel, and then to be added.
    pub(super) fn differences(&self) -> (Members, Members) {
        let has_ports = matches!(self.members, Members::Ports(_));
        let those = |wanted: bool| {
            let some = self
                .pending
                .iter()
                .filter(move |(_, is_added)| **is_added == wanted)
                .map(|(member, _)| member);
            collect(has_ports, some)
        };
        (those(false), those(true))
    }

    pub(super) fn has_differences(&self) -> bool {
        !self.pending.is_empty()
            || !self.held.iter().map(|held| &held.part.name).eq(self.all_parts().map(|part| &part.name))
    }

    /// The kernel has it now as wished, with these sizes.
    pub(super) fn confirm(&mut self, held: Vec<HeldPart>) {
        self.held = held;
        self.pending.clear();
    }
}

fn collect<'m>(has_ports: bool, some: impl Iterator<Item = &'m Member>) -> Members {
    if has_ports {
        let port = |member: &Member| match member {
            Member::Port(member) => Some(*member),
            Member::Net(_) => None,
        };
        return Members::Ports(some.filter_map(port).collect());
    }
    let net = |member: &Member| match member {
        Member::Net(net) => Some(*net),
        Member::Port(_) => None,
    };
    Members::Addresses(IpSet::new(some.filter_map(net)))
}
