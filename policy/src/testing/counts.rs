//! What was tried.

use alloc::collections::BTreeMap;
use core::fmt;

use crate::program::{Addresses, Match, Step, StepAction};
use crate::set::SetId;
use crate::{Judgement, ListKind, Origin, Owner, Packet, Place, Program, Tuples, Verdict};

/// What was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Policy sets.
    pub sets: usize,
    /// Objects that were inserted or removed on the way.
    pub changes: usize,
    /// Probes of each family, IPv4 first, that the evaluator allows.
    pub allowed: [usize; 2],
    /// Those that it denies.
    pub denied: [usize; 2],
    /// Probes that the backend was asked about, and answered as it must.
    pub sent: usize,
    /// Probes by their way through the host.
    pub ways: BTreeMap<&'static str, usize>,
    /// What decided about probes at each end, by kind, list and verdict.
    pub decided: BTreeMap<(&'static str, &'static str, &'static str), usize>,
    /// What steps of all programs, optimised or not, were made of: their matches, and whether those are negated, and their
    /// actions.
    pub features: BTreeMap<(&'static str, bool), usize>,
}

impl Counts {
    /// All probes.
    #[must_use]
    pub fn probes(&self) -> usize {
        self.allowed.iter().chain(&self.denied).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sets, changes, allowed: [allow4, allow6], denied: [deny4, deny6], sent, ways, .. } = self;
        writeln!(f, "{sets} policy sets, {changes} objects changed, {} probes", self.probes())?;
        writeln!(f, "  IPv4: {allow4} allowed, {deny4} denied; IPv6: {allow6} allowed, {deny6} denied")?;
        for (way, count) in ways {
            writeln!(f, "  {count:>7} {way}")?;
        }
        write!(f, "  {sent} of them sent past the backend")
    }
}

impl Counts {
    /// Takes in what the ends said of a probe.
    pub(super) fn decided(&mut self, judgements: &[Judgement]) {
        for Judgement { list, verdict, decided_by, logged, .. } in judgements {
            let list = if *list == ListKind::Normal { "" } else { list.as_str() };
            let word = match verdict {
                Verdict::Allow => "allow",
                Verdict::Deny => "deny",
            };
            *self.decided.entry((kind(decided_by), list, word)).or_default() += 1;
            if !logged.is_empty() {
                *self.decided.entry(("log", "", "")).or_default() += 1;
            }
        }
    }

    /// Takes in what a program is made of.
    pub(super) fn features(&mut self, program: &Program) {
        for step in program.chains.values().flat_map(|chain| &chain.steps) {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        for wanted in &step.matches {
            *self.features.entry(feature(wanted)).or_default() += 1;
        }
        let action = match &step.action {
            StepAction::Accept => "accept",
            StepAction::AcceptHost { untracked: false } => "accept before translation",
            StepAction::AcceptHost { untracked: true } => "accept untracked",
            StepAction::Drop => "drop",
            StepAction::Log => "log",
            StepAction::Jump(_) => "jump",
            StepAction::Goto(_) => "goto",
            StepAction::Return => "return",
            StepAction::Spread(spread) => {
                spread.leaves.iter().flatten().for_each(|step| self.step(step));
                "spread"
            }
        };
        *self.features.entry((action, false)).or_default() += 1;
    }
}

/// What a match looks at, and whether it is negated.
fn feature(wanted: &Match) -> (&'static str, bool) {
    match wanted {
        Match::Family(_) => ("family", false),
        Match::Protocol { negated, .. } => ("protocol", *negated),
        Match::Address { addresses: Addresses::Nets(_), negated, .. } => ("nets", *negated),
        Match::Address { addresses: Addresses::Set(set), negated, .. } => (set_kind(set), *negated),
        Match::AddressPort { set, negated, .. } => (set_kind(set), *negated),
        Match::Port { negated, .. } => ("port", *negated),
        Match::IcmpType { negated, .. } => ("ICMP type", *negated),
        Match::IcmpCode { negated, .. } => ("ICMP code", *negated),
        Match::Tuple(tuples) => (table_kind(tuples), false),
    }
}

const fn set_kind(set: &SetId) -> &'static str {
    match set {
        SetId::Selector(_) => "selector",
        SetId::NamedPort { .. } => "named port",
        SetId::Service(_) => "service",
        SetId::ServiceAddresses(_) => "service addresses",
        SetId::Nodes(_) => "nodes",
        SetId::Network(_) => "network",
    }
}

fn table_kind(tuples: &Tuples) -> &'static str {
    let full =
        |len| tuples.rows().iter().filter_map(|row| row.address).all(|net| net.max_prefix_len() == len);
    match tuples.mask() {
        None => "table of boxes",
        Some(_) if tuples.address().is_none() => "table without addresses",
        Some(len) if full(len) => "table of addresses",
        Some(_) => "table of prefixes",
    }
}

/// What decided, without its name.
#[must_use]
pub const fn kind(origin: &Origin) -> &'static str {
    match origin {
        Origin::Rule { owner: Owner::Policy(_), .. } => "policy rule",
        Origin::Rule { .. } => "profile rule",
        Origin::Invalid { .. } => "invalid",
        Origin::EndOfTier { .. } => "end of tier",
        Origin::UnknownProfile { .. } => "unknown profile",
        Origin::NoProfileMatched => "no profile matched",
        Origin::Encapsulated => "encapsulated",
        Origin::UnknownInterface => "unknown interface",
        Origin::Failsafe => "failsafe",
        Origin::Undecided => "undecided",
        Origin::NeighbourDiscovery => "neighbour discovery",
        Origin::RoutingAdvice => "routing advice",
        Origin::ToHost => "to host",
    }
}

/// The way of a packet through the host.
pub(super) fn way(packet: &Packet<'_>) -> &'static str {
    use Place::{Host, Interface, Workload};
    match (packet.from, packet.to) {
        (Workload(_), Workload(_)) => "from workload to workload",
        (Workload(_), Interface(_)) => "from workload to the world",
        (Interface(_), Workload(_)) => "from the world to workload",
        (Interface(_), Interface(_)) => "from the world to the world",
        (Workload(_), Host) => "from workload to the host",
        (Interface(_), Host) => "from the world to the host",
        (Host, Workload(_)) => "from the host to workload",
        (Host, Interface(_)) => "from the host to the world",
        (Host, Host) => "from the host to itself",
    }
}
