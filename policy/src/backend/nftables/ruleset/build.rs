//! The transaction that makes the kernel as wished.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use tortie_nft_wire::EncodeError;

use super::set::{HeldPart, SetState};
use super::{Flight, Held, HeldChain, HeldMap, Lead, Pending, Ruleset, View, maps};
use crate::backend::nftables::layout::{
    Catalogue, Counter, Head, InterfaceMap, Leads, Outline, fixed_chains, network_matches, room,
};
use crate::backend::nftables::wire::{Change, Writer, map_room};
use crate::program::{Addresses, Chain, ChainKey, Match, Program, Step, StepAction};
use crate::set::SetId;

type Result<T> = core::result::Result<T, EncodeError>;

/// What cannot be written.
#[derive(Debug)]
pub(super) enum Culprit {
    Chain(ChainKey),
    Set(SetId),
}

impl Ruleset {
    /// Writes the batch. If something cannot be written, `culprit` is what it belongs to.
    pub(super) fn build(&mut self, culprit: &mut Option<Culprit>) -> Result<Flight> {
        self.mark_speakers();
        let Self {
            options,
            program,
            sets,
            families,
            names,
            held,
            pending,
            batch,
            barred,
            barred_sets,
            banned,
            tally,
            ..
        } = self;
        let view = View { names, sets, barred, families: *families };
        let mut writer = Writer::new(batch, options)?;
        let mut flight = Flight { is_fresh: !held.is_there, ..Flight::default() };
        if flight.is_fresh {
            writer.fresh_table()?;
        }
        if !flight.is_fresh {
            grow(&mut writer, program, &view, held, pending, barred_sets, &mut flight)?;
        }
        if flight.grown.is_some() {
            return Ok(flight);
        }

        // What is new.
        let mut gone = Vec::new();
        for id in pending.sets.iter().filter(|id| !barred_sets.contains(*id)) {
            let Some(state) = view.sets.get(id) else { continue };
            *culprit = Some(Culprit::Set(id.clone()));
            let (parts, old) = set(&mut writer, id, state)?;
            gone.extend(old);
            flight.sets.push((id.clone(), parts));
        }
        let mut filled = Vec::new();
        for key in &pending.chains {
            let (Some(name), Some(chain)) = (view.chain(key), program.chains.get(key)) else { continue };
            *culprit = Some(Culprit::Chain(key.clone()));
            let outline = Outline::new(key, name, chain);
            let filling = Filled { key, chain, outline, old: held.chains.get(key) };
            for head in filling.outline.heads().iter().filter(|head| !filling.is_old(&head.name)) {
                writer.add_chain(head)?;
            }
            filled.push(filling);
        }
        // A chain that is barred stays as it is: interfaces of the host may lead to it.
        let is_gone = |(key, _): &(&ChainKey, _)| !program.chains.contains_key(*key);
        let old = pending.chains.iter().filter_map(|key| Some((key, held.chains.get(key)?)));
        let over: Vec<_> = old.filter(is_gone).collect();
        *culprit = None;
        flight.counters = counters(&filled, &over, held);
        for (counter, _) in flight.counters.iter().filter(|(counter, uses)| is_begun(held, counter, *uses)) {
            writer.add_counter(&counter.name, tally.of(&counter.name))?;
        }
        let matches = network_matches(&options.network);
        let fixed = if pending.fixed { fixed_chains(program, &view, options, &matches) } else { Vec::new() };
        let is_new = |head: &&Head| !held.fixed.contains(&head.name);
        fixed.iter().map(|chain| &chain.head).filter(is_new).try_for_each(|head| writer.add_chain(head))?;
        for map in maps().filter(|map| map.is_there(program)) {
            let old = held.maps.get(map.name());
            let size = map_room(map.interfaces(program).count());
            if old.is_none_or(|old| old.size < size && is_nearly(map.interfaces(program).count(), old.size)) {
                writer.declare_map(map.name(), size)?;
                flight.maps.push((map.name(), Some(size)));
            }
        }

        // What refers to it.
        writer.reserve(filled.iter().map(|filled| filled.outline.steps()).sum());
        let mut leaves_gone = Vec::new();
        for filled in filled {
            *culprit = Some(Culprit::Chain(filled.key.clone()));
            for (head, lines) in filled.outline.lay(&view) {
                if filled.is_old(&head.name) {
                    writer.flush_chain(&head.name)?;
                }
                writer.fill(&head.name, &lines)?;
            }
            let Filled { key, chain, outline, old } = filled;
            let (heads, counters) = outline.into_parts();
            let mut names = heads.into_iter().map(|head| head.name);
            let (name, chain) = (names.next().unwrap_or_default(), Arc::clone(chain));
            let now = HeldChain { chain, name, leaves: names.collect(), counters };
            let over = old.iter().flat_map(|old| &old.leaves).filter(|leaf| !now.leaves.contains(leaf));
            leaves_gone.extend(over.cloned());
            flight.chains.push((key.clone(), Some(now)));
        }
        *culprit = None;
        for chain in &fixed {
            let name = &chain.head.name;
            if held.fixed.contains(name) {
                writer.flush_chain(name)?;
            }
            writer.fill(name, &chain.lines)?;
        }
        let empty = HeldMap::default();
        for map in maps().filter(|map| map.is_there(program)) {
            let old = held.maps.get(map.name()).unwrap_or(&empty);
            let wished = |interface: &str| {
                let leads = map.leads(program, &view, interface)?;
                Some(if banned.contains(interface) && matches!(map, InterfaceMap::Workloads(_)) {
                    Leads::Drop
                } else {
                    leads
                })
            };
            lead(&mut writer, map, old, &pending.interfaces, wished, &mut flight)?;
        }

        // What nothing refers to any more.
        if pending.fixed {
            let over: Vec<_> = (held.fixed.iter())
                .filter(|name| !fixed.iter().any(|chain| chain.head.name == **name))
                .collect();
            over.iter().try_for_each(|name| writer.flush_chain(name))?;
            over.iter().try_for_each(|name| writer.delete_chain(name))?;
            flight.fixed = Some(fixed.iter().map(|chain| chain.head.name.clone()).collect());
            for map in maps().filter(|map| !map.is_there(program) && held.maps.contains_key(map.name())) {
                writer.delete_map(map.name())?;
                flight.maps.push((map.name(), None));
            }
        }
        let all = || {
            over.iter()
                .flat_map(|(_, chain)| [&chain.name].into_iter().chain(&chain.leaves))
                .chain(&leaves_gone)
        };
        all().try_for_each(|name| writer.flush_chain(name))?;
        all().try_for_each(|name| writer.delete_chain(name))?;
        flight.chains.extend(over.iter().map(|(key, _)| ((*key).clone(), None)));
        let ended = flight.counters.iter().filter(|(_, uses)| *uses == 0);
        for (counter, _) in ended.filter(|(counter, _)| held.counters.contains_key(&counter.name)) {
            writer.delete_counter(&counter.name)?;
        }
        gone.iter().try_for_each(|held: &&HeldPart| writer.delete_part(&held.part))?;
        for (set, state) in &pending.dropped_sets {
            state.held.iter().try_for_each(|held| writer.delete_part(&held.part))?;
            flight.dropped_sets.push(set.clone());
        }
        Ok(flight)
    }

    /// Marks the chains that speak of sets that are laid out otherwise.
    fn mark_speakers(&mut self) {
        let relaid = core::mem::take(&mut self.pending.relaid);
        if relaid.is_empty() {
            return;
        }
        let speaks = |(_, chain): &(&ChainKey, &Arc<Chain>)| speaks_of(&chain.steps, &relaid);
        let speakers: Vec<_> =
            self.program.chains.iter().filter(speaks).map(|(key, _)| key.clone()).collect();
        self.pending.chains.extend(speakers);
        let program = &self.program;
        let is_network = relaid.iter().any(|set| matches!(set, SetId::Network(_)));
        self.pending.fixed |=
            is_network || speaks_of(&program.guard, &relaid) || speaks_of(&program.to_host, &relaid);
    }
}

/// A chain that is to be written, with its leaves, and what the kernel has of it.
struct Filled<'a> {
    key: &'a ChainKey,
    chain: &'a Arc<Chain>,
    outline: Outline<'a>,
    old: Option<&'a HeldChain>,
}

impl Filled<'_> {
    /// Whether the kernel has a chain of this name already, for the same key.
    fn is_old(&self, name: &String) -> bool {
        self.old.is_some_and(|old| old.name == *name || old.leaves.contains(name))
    }
}

/// How many chains speak of each counter of which others speak than before.
fn counters(filled: &[Filled<'_>], over: &[(&ChainKey, &HeldChain)], held: &Held) -> Vec<(Counter, usize)> {
    let mut uses: BTreeMap<&str, (&Counter, usize)> = BTreeMap::new();
    let old = filled.iter().filter_map(|filled| filled.old).chain(over.iter().map(|(_, chain)| *chain));
    let before = old.flat_map(|chain| &chain.counters).map(|counter| (counter, false));
    let now = filled.iter().flat_map(|filled| filled.outline.counters()).map(|counter| (counter, true));
    for (counter, is_more) in now.chain(before) {
        let held = || held.counters.get(&counter.name).map_or(0, |held| held.uses);
        let (_, count) = uses.entry(&counter.name).or_insert_with(|| (counter, held()));
        *count = if is_more { count.saturating_add(1) } else { count.saturating_sub(1) };
    }
    uses.into_values().map(|(counter, uses)| (counter.clone(), uses)).collect()
}

/// Whether the kernel gets this counter with this batch.
fn is_begun(held: &Held, counter: &Counter, uses: usize) -> bool {
    uses > 0 && !held.counters.contains_key(&counter.name)
}

/// Whether some of these steps speak of some of these sets.
pub(super) fn speaks_of(steps: &[Step], sets: &BTreeSet<SetId>) -> bool {
    any_set(steps, &mut |set| sets.contains(set))
}

/// Whether this holds of some set that these steps speak of; it is asked of one after the other until it does.
pub(super) fn any_set(steps: &[Step], holds: &mut dyn FnMut(&SetId) -> bool) -> bool {
    steps.iter().any(|step| {
        let in_leaves = match &step.action {
            StepAction::Spread(spread) => spread.leaves.iter().any(|leaf| any_set(leaf, holds)),
            _ => false,
        };
        let mut in_match = |wanted: &Match| match wanted {
            Match::Address { addresses: Addresses::Set(set), .. } | Match::AddressPort { set, .. } => {
                holds(set)
            }
            _ => false,
        };
        in_leaves || step.matches.iter().any(&mut in_match)
    })
}

/// Makes the kernel's sets as wished: what it has then, and which are to be deleted when nothing speaks of them any more.
fn set<'s>(
    writer: &mut Writer<'_>,
    id: &SetId,
    state: &'s SetState,
) -> Result<(Vec<HeldPart>, Vec<&'s HeldPart>)> {
    let (removed, added) = state.differences();
    let mut now = Vec::new();
    for part in state.all_parts() {
        let held = state.held.iter().find(|held| held.part.name == part.name);
        let Some(held) = held else {
            let size = room(part.kind, part.len);
            writer.begin(part, size, id, &state.members)?;
            now.push(HeldPart { part: part.clone(), size });
            continue;
        };
        let mut size = held.size;
        // While there is still some, so that a few members more seldom take a transaction before theirs.
        let wanted = room(part.kind, part.len);
        if wanted > size && is_nearly(part.kind.ends(part.len), size) {
            size = wanted;
            writer.declare(part, size, id)?;
        }
        writer.members(part, &removed, Change::Delete)?;
        writer.members(part, &added, Change::Add)?;
        now.push(HeldPart { part: part.clone(), size });
    }
    let is_gone = |held: &&HeldPart| !now.iter().any(|now| now.part.name == held.part.name);
    let gone = state.held.iter().filter(is_gone).collect();
    Ok((now, gone))
}

/// Whether less than a fifth of a size would be left.
fn is_nearly(len: usize, size: u32) -> bool {
    len.saturating_add(len / 4) > usize::try_from(size).unwrap_or(usize::MAX)
}

/// Makes room where the kernel has too little for what is on the way.
///
/// The kernel takes a larger size at the end of a transaction, and until then counts what the transaction deletes.
fn grow(
    writer: &mut Writer<'_>,
    program: &Program,
    view: &View<'_>,
    held: &Held,
    pending: &Pending,
    barred: &BTreeSet<SetId>,
    flight: &mut Flight,
) -> Result<()> {
    let lacks = |most: usize, size: u32| most > usize::try_from(size).unwrap_or(usize::MAX);
    let mut grown = Vec::new();
    for id in pending.sets.iter().filter(|id| !barred.contains(*id)) {
        let Some(state) = view.sets.get(id) else { continue };
        if state.held.is_empty() {
            continue;
        }
        let added = state.differences().1;
        for part in state.all_parts() {
            let Some(held) = state.held.iter().find(|held| held.part.name == part.name) else { continue };
            let new = part.nets(&added).count().saturating_add(part.ports(&added).count());
            let most = held.part.len.saturating_add(new);
            if lacks(part.kind.ends(most), held.size) {
                let size = room(part.kind, most);
                writer.declare(part, size, id)?;
                grown.push((id.clone(), part.name.clone(), size));
            }
        }
    }
    for map in maps().filter(|map| map.is_there(program)) {
        let Some(old) = held.maps.get(map.name()) else { continue };
        let most = old.leads.len().saturating_add(pending.interfaces.len());
        if lacks(most, old.size) {
            let size = map_room(most);
            writer.declare_map(map.name(), size)?;
            flight.maps.push((map.name(), Some(size)));
        }
    }
    if !grown.is_empty() || !flight.maps.is_empty() {
        flight.grown = Some(grown);
    }
    Ok(())
}

/// Makes the elements of a map as wished, for those interfaces that may differ.
fn lead<'a>(
    writer: &mut Writer<'_>,
    map: InterfaceMap,
    old: &HeldMap,
    interfaces: &'a BTreeSet<String>,
    wished: impl Fn(&str) -> Option<Leads<'a>>,
    flight: &mut Flight,
) -> Result<()> {
    let (mut over, mut new): (Vec<&str>, Vec<(&str, Leads<'_>)>) = (Vec::new(), Vec::new());
    for interface in interfaces {
        let (before, now) = (old.leads.get(interface), wished(interface));
        let lead = now.map(Lead::of);
        if before == lead.as_ref() {
            continue;
        }
        if before.is_some() {
            over.push(interface);
        }
        if let Some(leads) = now {
            new.push((interface, leads));
        }
        flight.leads.push((map.name(), interface.clone(), lead));
    }
    if !over.is_empty() {
        writer.forget(map.name(), over.into_iter())?;
    }
    if !new.is_empty() {
        writer.lead(map.name(), &new)?;
    }
    Ok(())
}
