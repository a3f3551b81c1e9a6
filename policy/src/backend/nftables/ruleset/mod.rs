//! The kernel's table kept as a program: what differs, as one transaction at a time.

mod build;
mod change;
mod connection;
mod denied;
mod drift;
mod families;
mod keep;
mod refuse;
mod set;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;
use tortie_nft_wire::{Batch, EncodeError};

use super::layout::{Catalogue, Counter, InterfaceMap, Leads, Part};
use super::options::Options;
use super::wire::Writer;
use crate::program::{Chain, ChainKey, HostDispatch, Program};
use crate::rule::Family;
use crate::set::SetId;

use denied::{HeldCounter, Tally};
use families::Families;
use keep::Kept;
pub use refuse::Denial;
use refuse::Hunt;
use set::{HeldPart, SetState};

/// A table of the kernel that is kept as a program wants it. It does no I/O, and reads nothing back.
///
/// It is told what is wished, as a [whole program](Self::set_program) or [change](Self::apply) by change, and gives what
/// differs from what the kernel has as one transaction: first what is new, then what refers to it, what nothing refers to any
/// more at the end. Members of sets and interfaces are single elements; only chains that changed are written again. Where a set
/// has too little room for what comes at once, it grows by a transaction of its own before. Whoever hands the transaction to
/// the kernel says what became of it.
///
/// # Example
///
/// ```
/// use tortie_policy::{Host, Inputs, compile, nftables, resolve};
///
/// let mut ruleset = nftables::Ruleset::new(nftables::Options::default());
/// let program = compile(&resolve(&Inputs::new(), &Host::new("node-1"), |_| true));
/// ruleset.set_program(program.clone());
/// while let Some(batch) = ruleset.poll_batch()? {
///     // Here, a socket commits the batch; it may answer with the numbers of messages that are refused.
///     assert!(!batch.is_empty());
///     ruleset.confirm();
/// }
/// ruleset.set_program(program);
/// assert!(ruleset.poll_batch()?.is_none(), "nothing differs");
/// # Ok::<(), tortie_nft_wire::EncodeError>(())
/// ```
///
/// # Refusals
///
/// If the kernel refuses a batch, [`reject`](Self::reject) finds the chains and sets that are refused, and with them the
/// endpoints: these keep an entry that drops all their packets, and are [reported](Self::denials); the next batch has the rest.
/// Interfaces of the host keep the rules that they have, and stay open if they have none. What is denied is tried again when it
/// changes, or when [asked](Self::retry_denied).
#[derive(Debug)]
pub struct Ruleset {
    options: Options,
    /// As wished; its sets are beside it.
    program: Program,
    sets: HashMap<SetId, SetState>,
    families: Families,
    names: HashMap<ChainKey, String>,
    held: Held,
    pending: Pending,
    batch: Batch,
    /// What the batch makes of the kernel, while it is out.
    flight: Option<Flight>,
    /// What was wished meanwhile.
    later: Vec<change::Change>,
    barred: BTreeSet<ChainKey>,
    barred_sets: BTreeSet<SetId>,
    /// Interfaces of workloads that are denied by name, since nothing says what of them is refused.
    banned: BTreeSet<String>,
    denials: BTreeMap<String, String>,
    /// What of the program is not wished, but what the kernel took last.
    kept: Kept,
    hunt: Option<Hunt>,
    tally: Tally,
}

/// What the kernel has, but for sets.
#[derive(Debug, Default)]
struct Held {
    is_there: bool,
    chains: BTreeMap<ChainKey, HeldChain>,
    counters: BTreeMap<Arc<str>, HeldCounter>,
    /// Names of the chains that every table has.
    fixed: Vec<String>,
    maps: BTreeMap<&'static str, HeldMap>,
    /// Of interfaces of the host, as far as the kernel has taken their chains.
    hosts: BTreeMap<String, HostDispatch>,
    all_interfaces: Option<HostDispatch>,
}

#[derive(Clone, Debug)]
struct HeldChain {
    chain: Arc<Chain>,
    name: String,
    leaves: Vec<String>,
    counters: Vec<Counter>,
}

#[derive(Clone, Debug, Default)]
struct HeldMap {
    size: u32,
    leads: BTreeMap<String, Lead>,
}

/// Where an interface leads in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lead {
    Accept,
    Drop,
    Jump(String),
}

impl Lead {
    fn of(leads: Leads<'_>) -> Self {
        match leads {
            Leads::Accept => Self::Accept,
            Leads::Drop => Self::Drop,
            Leads::Jump(chain) => Self::Jump(chain.into()),
        }
    }
}

/// What differs from the kernel, by name.
#[derive(Debug, Default)]
struct Pending {
    chains: BTreeSet<ChainKey>,
    sets: BTreeSet<SetId>,
    /// Sets that are not wished any more, and that the kernel has.
    dropped_sets: BTreeMap<SetId, SetState>,
    interfaces: BTreeSet<String>,
    fixed: bool,
    /// Sets that are laid out otherwise: chains that speak of them are to be written again.
    relaid: BTreeSet<SetId>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.chains.is_empty()
            && self.sets.is_empty()
            && self.dropped_sets.is_empty()
            && self.interfaces.is_empty()
            && !self.fixed
    }
}

/// What becomes of the kernel if it takes the batch.
#[derive(Debug, Default)]
struct Flight {
    is_fresh: bool,
    /// Sets, parts of them and maps that get another size, and nothing else: the rest is the next batch.
    grown: Option<Vec<(SetId, String, u32)>>,
    chains: Vec<(ChainKey, Option<HeldChain>)>,
    /// How many chains speak of these counters then.
    counters: Vec<(Counter, usize)>,
    fixed: Option<Vec<String>>,
    maps: Vec<(&'static str, Option<u32>)>,
    leads: Vec<(&'static str, String, Option<Lead>)>,
    sets: Vec<(SetId, Vec<HeldPart>)>,
    dropped_sets: Vec<SetId>,
}

/// Names of what is wished and not barred.
struct View<'a> {
    names: &'a HashMap<ChainKey, String>,
    sets: &'a HashMap<SetId, SetState>,
    barred: &'a BTreeSet<ChainKey>,
    families: Families,
}

impl Catalogue for View<'_> {
    fn chain(&self, key: &ChainKey) -> Option<&str> {
        if self.barred.contains(key) {
            return None;
        }
        self.names.get(key).map(String::as_str)
    }

    fn parts(&self, set: &SetId, family: Family) -> &[Part] {
        // Of most rules, half are for a family that no set has members of.
        if !self.families.has(family) && !matches!(set, SetId::Network(_)) {
            return &[];
        }
        self.sets.get(set).map_or(&[], |state| state.parts(family))
    }
}

impl Ruleset {
    /// One of which nothing is in the kernel, as far as is known: the first batch removes what is there, and makes all anew.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let network = options.network.clone();
        let mut ruleset = Self {
            options,
            program: Program::default(),
            sets: HashMap::new(),
            families: Families::default(),
            names: HashMap::new(),
            held: Held::default(),
            pending: Pending::default(),
            batch: Batch::new(),
            flight: None,
            later: Vec::new(),
            barred: BTreeSet::new(),
            barred_sets: BTreeSet::new(),
            banned: BTreeSet::new(),
            denials: BTreeMap::new(),
            kept: Kept::default(),
            hunt: None,
            tally: Tally::default(),
        };
        ruleset.take_network(network);
        ruleset
    }

    /// What differs from the kernel, as one transaction; `None` if nothing does. Until [`confirm`](Self::confirm) or
    /// [`reject`](Self::reject) is called, it is the same again.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: something cannot be written that belongs to no endpoint alone. What belongs to endpoints denies them.
    pub fn poll_batch(&mut self) -> Result<Option<&mut Batch>, EncodeError> {
        if self.flight.is_some() {
            return Ok(Some(&mut self.batch));
        }
        if self.held.is_there && self.pending.is_empty() {
            return Ok(None);
        }
        if !self.held.is_there {
            self.mark_all();
        }
        self.bar_full_sets();
        let flight = loop {
            self.batch.clear();
            let mut culprit = None;
            match (self.build(&mut culprit), culprit) {
                (Ok(flight), _) => break flight,
                (Err(error), Some(culprit)) if self.bar_culprit(&culprit, &error) => {}
                (Err(error), _) => return Err(error),
            }
        };
        self.flight = Some(flight);
        if self.batch.is_empty() {
            // What was changed has been changed back.
            self.confirm();
            return Ok(None);
        }
        Ok(Some(&mut self.batch))
    }

    /// The kernel has taken the batch.
    pub fn confirm(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        if let Some(grown) = flight.grown {
            self.grow(&grown, flight.maps);
            return self.catch_up();
        }
        if flight.is_fresh {
            self.held = Held { is_there: true, ..Held::default() };
        }
        for (key, chain) in flight.chains {
            match chain {
                Some(chain) => self.held.chains.insert(key, chain),
                None => self.held.chains.remove(&key),
            };
        }
        for (Counter { name, denier }, uses) in flight.counters {
            if !self.held.counters.contains_key(&name) {
                self.tally.begin(&name);
            }
            if uses > 0 {
                self.held.counters.insert(name, HeldCounter { denier, uses });
            } else {
                self.held.counters.remove(&name);
            }
        }
        self.tally.keep(&self.held.counters);
        if let Some(fixed) = flight.fixed {
            self.held.fixed = fixed;
        }
        for (name, size) in flight.maps {
            match size {
                Some(size) => self.held.maps.entry(name).or_default().size = size,
                None => drop(self.held.maps.remove(name)),
            }
        }
        for (map, interface, lead) in flight.leads {
            let leads = &mut self.held.maps.entry(map).or_default().leads;
            match lead {
                Some(lead) => leads.insert(interface, lead),
                None => leads.remove(&interface),
            };
        }
        for (set, held) in flight.sets {
            if let Some(state) = self.sets.get_mut(&set) {
                state.confirm(held);
            }
        }
        self.pending = Pending::default();
        self.hold_hosts();
        self.hunted(true);
        self.catch_up();
    }

    /// The kernel has taken other sizes.
    fn grow(&mut self, parts: &[(SetId, String, u32)], maps: Vec<(&'static str, Option<u32>)>) {
        for (set, name, size) in parts {
            let held = self.sets.get_mut(set).into_iter().flat_map(|state| &mut state.held);
            held.filter(|held| held.part.name == *name).for_each(|held| held.size = *size);
        }
        for (name, size) in maps {
            let map = self.held.maps.get_mut(name);
            map.into_iter().zip(size).for_each(|(map, size)| map.size = size);
        }
    }

    /// What is in the kernel is not known any more: because somebody else has changed or removed the table, or because nobody
    /// knows what became of a batch. The next batch makes all of it anew.
    pub fn forget(&mut self) {
        self.flight = None;
        self.lose();
        self.catch_up();
    }

    /// Knows nothing of the kernel.
    fn lose(&mut self) {
        self.held = Held::default();
        self.sets.values_mut().for_each(SetState::forget);
        self.pending = Pending::default();
    }

    /// Whether the kernel has all that is wished, but for what is denied.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.flight.is_none() && self.held.is_there && self.pending.is_empty()
    }

    /// How many chains and sets of the program the kernel has, and how many members they have in all.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let parts = || self.sets.values().flat_map(|state| &state.held);
        Counts {
            chains: self.held.chains.len(),
            sets: parts().count(),
            members: parts().map(|held| held.part.len).sum(),
            rules: self.program.chains.values().map(|chain| chain.steps.len()).sum(),
        }
    }

    fn mark_all(&mut self) {
        self.sets.values_mut().for_each(SetState::forget);
        self.pending = Pending {
            chains: self.program.chains.keys().cloned().collect(),
            sets: self.sets.keys().cloned().collect(),
            interfaces: self.program.dispatch.keys().chain(self.program.hosts.keys()).cloned().collect(),
            fixed: true,
            ..Pending::default()
        };
    }

    /// The transaction that removes the table, or does nothing if it is not there. Afterwards nothing is policed.
    ///
    /// # Errors
    ///
    /// Never: names are short.
    pub fn remove(options: &Options) -> Result<Batch, EncodeError> {
        let mut batch = Batch::new();
        Writer::new(&mut batch, options)?.remove_table()?;
        Ok(batch)
    }

    /// The transaction that drops every packet from and to workloads, established connections included, if the table is not
    /// there. If it is, the kernel refuses it with `EEXIST`, or, if somebody owns it, with `EPERM`: then other rules are in
    /// force. For whoever brings up a workload while they may not be.
    ///
    /// # Errors
    ///
    /// Never: names are short.
    pub fn lockdown(options: &Options) -> Result<Batch, EncodeError> {
        let mut batch = Batch::new();
        let mut writer = Writer::new(&mut batch, options)?;
        writer.create_table()?;
        for laid in super::layout::lockdown_chains(options) {
            writer.add_chain(&laid.head)?;
            writer.fill(&laid.head.name, &laid.lines)?;
        }
        Ok(batch)
    }
}

/// How much the kernel has of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Chains of the program.
    pub chains: usize,
    /// Steps of the program, each one rule or several.
    pub rules: usize,
    /// Sets of the kernel.
    pub sets: usize,
    /// Their members.
    pub members: usize,
}

/// The maps of a table.
fn maps() -> impl Iterator<Item = InterfaceMap> {
    InterfaceMap::all()
}
