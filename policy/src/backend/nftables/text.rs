//! The text itself.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

use ipnet::IpNet;

use super::options::Options;
use super::{TABLE, tables};
use crate::key::Direction;
use crate::program::{Addresses, ChainKey, End, Match, Program, Step, StepAction};
use crate::rule::Family;
use crate::set::{Members, PortMember, SetId};
use crate::table::Spread;

pub(super) fn remove(_: &Options) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_remove(&mut out);
    out
}

fn write_remove(out: &mut String) -> fmt::Result {
    // To declare what is there does nothing, and makes that there is something to delete.
    writeln!(out, "table inet {TABLE}")?;
    writeln!(out, "delete table inet {TABLE}")
}

pub(super) fn lockdown(options: &Options) -> String {
    let mut out = String::new();
    let _ = write_lockdown(&mut out, options);
    out
}

fn write_lockdown(out: &mut String, options: &Options) -> fmt::Result {
    let prefix = &options.workload_prefix;
    writeln!(out, "create table inet {TABLE}")?;
    writeln!(out, "table inet {TABLE} {{")?;
    for (hook, names) in [("forward", &["iifname", "oifname"][..]), ("input", &["iifname"])] {
        writeln!(out, "\tchain lockdown-{hook} {{")?;
        writeln!(out, "\t\ttype filter hook {hook} priority filter; policy accept;")?;
        for name in names {
            writeln!(out, "\t\t{name} \"{prefix}*\" drop comment \"no policy is loaded\"")?;
        }
        writeln!(out, "\t}}")?;
    }
    writeln!(out, "}}")
}

pub(super) fn render(program: &Program, options: &Options) -> String {
    let mut out = String::new();
    let ids = program.sets.keys().map(|set| (set, set.id().replace(':', "-"))).collect();
    let chains =
        program.chains.keys().enumerate().map(|(index, key)| (key, chain_name(index, key))).collect();
    let _ = Text { program, options, ids, chains }.write(&mut out);
    out
}

/// The number makes it unique, the rest is for people.
fn chain_name(index: usize, key: &ChainKey) -> String {
    let direction = if key.direction() == Direction::Ingress { "in" } else { "out" };
    let (kind, name) = match key {
        ChainKey::Policy { policy, .. } => {
            let namespace = policy.namespace.as_deref().map(|namespace| alloc::format!("{namespace}."));
            ("policy", namespace.unwrap_or_default() + &policy.name)
        }
        ChainKey::Profile { profile, .. } => ("profile", profile.to_string()),
        ChainKey::Tier(key) => ("tier", key.tier.to_string()),
        ChainKey::Profiles(_) => ("profiles", String::new()),
        ChainKey::List(key) => ("list", key.list.to_string()),
        ChainKey::Failsafe { .. } => ("failsafe", String::new()),
    };
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => character,
        _ => '_',
    };
    let name: String = name.chars().take(64).map(plain).collect();
    let hyphen = if name.is_empty() { "" } else { "-" };
    alloc::format!("{kind}-{direction}-{index}{hyphen}{name}")
}

/// What a chain is about, for people.
fn about(key: &ChainKey) -> String {
    let direction = key.direction();
    let names = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    match key {
        ChainKey::Policy { policy, .. } => alloc::format!("{policy} {direction}"),
        ChainKey::Profile { profile, .. } => alloc::format!("Profile {profile} {direction}"),
        ChainKey::Tier(key) => {
            let policies = names(&mut key.policies.iter().map(ToString::to_string));
            alloc::format!("{direction}, tier {}: {policies}", key.tier)
        }
        ChainKey::Profiles(key) => {
            alloc::format!(
                "{direction}, profiles: {}",
                names(&mut key.profiles.iter().map(ToString::to_string))
            )
        }
        ChainKey::List(key) => {
            let tiers = names(&mut key.tiers.iter().map(|tier| tier.tier.to_string()));
            alloc::format!("{} {direction}, tiers: {tiers}", key.list)
        }
        ChainKey::Failsafe { .. } => alloc::format!("{direction} that is never closed"),
    }
}

pub(super) struct Text<'a> {
    pub(super) program: &'a Program,
    pub(super) options: &'a Options,
    /// Ids of sets, as parts of names.
    ids: BTreeMap<&'a SetId, String>,
    chains: BTreeMap<&'a ChainKey, String>,
}

impl Text<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        write_remove(out)?;
        writeln!(out, "table inet {TABLE} {{")?;
        self.sets(out)?;
        for (key, chain) in &self.program.chains {
            writeln!(out, "\tchain {} {{", self.chain_name(key))?;
            writeln!(out, "\t\tcomment \"{}\"", comment(&about(key)))?;
            let leaves = |place: usize| alloc::format!("{}-leaf-{place}", self.chain_name(key));
            let mut numbered = chain.steps.iter().enumerate();
            numbered.try_for_each(|(place, step)| self.step_in(out, step, &leaves(place)))?;
            writeln!(out, "\t}}")?;
            for (place, step) in chain.steps.iter().enumerate() {
                if let StepAction::Spread(spread) = &step.action {
                    self.leaves(out, spread, &leaves(place))?;
                }
            }
        }
        self.write_hooks(out)?;
        writeln!(out, "}}")
    }

    pub(super) fn chain_name(&self, key: &ChainKey) -> &str {
        self.chains.get(key).map_or("", String::as_str)
    }

    fn set_name(&self, set: &SetId, family: Family) -> String {
        let version = if family == Family::V4 { '4' } else { '6' };
        let id = self.ids.get(set).map_or("", String::as_str);
        alloc::format!("ip{version}-{id}")
    }

    fn sets(&self, out: &mut String) -> fmt::Result {
        for (id, members) in &self.program.sets {
            for family in Family::ALL {
                let address = if family == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
                let len = members.len(family);
                writeln!(out, "\tset {} {{", self.set_name(id, family))?;
                let ports = if id.has_ports() { " . inet_proto . inet_service" } else { "" };
                writeln!(out, "\t\ttype {address}{ports}")?;
                let is_range = |net: IpNet| net.prefix_len() != net.max_prefix_len();
                let ranges = matches!(members, Members::Addresses(set) if set.members(family).any(is_range));
                // The kernel counts both ends of an interval.
                writeln!(out, "\t\tsize {}", len.max(1).saturating_mul(if ranges { 2 } else { 1 }))?;
                if ranges {
                    writeln!(out, "\t\tflags interval")?;
                }
                writeln!(out, "\t\tcomment \"{}\"", comment(&id.to_string()))?;
                if len > 0 {
                    write!(out, "\t\telements = {{ ")?;
                    match members {
                        Members::Addresses(set) => list(out, ELEMENTS, set.members(family).map(Prefix)),
                        Members::Ports(ports) => {
                            let ports = ports.iter().filter(|port| Family::of(&port.address) == family);
                            let text = |port: &PortMember| {
                                alloc::format!("{} . {} . {}", port.address, port.protocol, port.port)
                            };
                            list(out, ELEMENTS, ports.map(text))
                        }
                    }?;
                    writeln!(out, " }}")?;
                }
                writeln!(out, "\t}}")?;
            }
        }
        Ok(())
    }

    fn leaves(&self, out: &mut String, spread: &Spread, name: &str) -> fmt::Result {
        for (number, steps) in spread.leaves.iter().enumerate() {
            writeln!(out, "\tchain {name}-{number} {{")?;
            steps.iter().try_for_each(|step| self.step(out, step))?;
            writeln!(out, "\t}}")?;
        }
        Ok(())
    }

    /// A step that leads to no leaves.
    pub(super) fn step(&self, out: &mut String, step: &Step) -> fmt::Result {
        self.step_in(out, step, "")
    }

    /// A step; `leaves` is how the names of the chains begin that it may lead to.
    fn step_in(&self, out: &mut String, step: &Step, leaves: &str) -> fmt::Result {
        out.write_str("\t\t")?;
        for wanted in &step.matches {
            self.wanted(out, wanted)?;
            out.write_char(' ')?;
        }
        match &step.action {
            StepAction::Accept => out.write_str("accept"),
            StepAction::AcceptHost { untracked } => {
                let untracked = if *untracked { "notrack " } else { "" };
                let mark = self.options.mark;
                write!(out, "{untracked}meta mark set meta mark | {mark:#x} accept")
            }
            StepAction::Drop => out.write_str("drop"),
            StepAction::Log => write!(out, "log prefix \"{}\"", self.options.log_prefix),
            StepAction::Jump(key) => write!(out, "jump {}", self.chain_name(key)),
            StepAction::Goto(key) => write!(out, "goto {}", self.chain_name(key)),
            StepAction::Return => out.write_str("return"),
            StepAction::Spread(spread) => {
                tables::spread(out, spread, |number| alloc::format!("{leaves}-{number}"))
            }
        }?;
        match &step.origin {
            Some(origin) => writeln!(out, " comment \"{}\"", comment(&origin.to_string())),
            None => writeln!(out),
        }
    }

    fn wanted(&self, out: &mut String, wanted: &Match) -> fmt::Result {
        let not = |negated: &bool| if *negated { "!= " } else { "" };
        let icmp = |family: &Family| if *family == Family::V4 { "icmp" } else { "icmpv6" };
        match wanted {
            Match::Family(Family::V4) => out.write_str("meta nfproto ipv4"),
            Match::Family(Family::V6) => out.write_str("meta nfproto ipv6"),
            Match::Protocol { number, negated } => write!(out, "meta l4proto {}{number}", not(negated)),
            Match::Address { end, family, addresses, negated } => {
                let ip = if *family == Family::V4 { "ip" } else { "ip6" };
                let field = if *end == End::Source { "saddr" } else { "daddr" };
                write!(out, "{ip} {field} {}", not(negated))?;
                match addresses {
                    Addresses::Set(set) => write!(out, "@{}", self.set_name(set, *family)),
                    Addresses::Nets(nets) => one_or_set(out, nets.iter().copied().map(Prefix)),
                }
            }
            Match::AddressPort { end, family, set, negated } => {
                let ip = if *family == Family::V4 { "ip" } else { "ip6" };
                let (address, port) =
                    if *end == End::Source { ("saddr", "sport") } else { ("daddr", "dport") };
                let set = self.set_name(set, *family);
                write!(out, "{ip} {address} . meta l4proto . th {port} {}@{set}", not(negated))
            }
            Match::Port { end, ranges, negated } => {
                let field = if *end == End::Source { "sport" } else { "dport" };
                write!(out, "th {field} {}", not(negated))?;
                one_or_set(out, ranges.iter())
            }
            Match::IcmpType { family, kind, negated } => {
                write!(out, "{} type {}{kind}", icmp(family), not(negated))
            }
            Match::IcmpCode { family, code, negated } => {
                write!(out, "{} code {}{code}", icmp(family), not(negated))
            }
            Match::Tuple(tuples) => tables::tuples(out, tuples),
        }
    }
}

/// A prefix as nft writes it: an address if it is of full length.
pub(super) struct Prefix(pub(super) IpNet);

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// What stands between the elements of a set.
pub(super) const ELEMENTS: &str = ",\n\t\t\t";

pub(super) fn list<T: Display>(
    out: &mut String,
    between: &str,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.write_str(between)?;
        }
        write!(out, "{item}")?;
    }
    Ok(())
}

fn one_or_set<T: Display>(out: &mut String, mut items: impl ExactSizeIterator<Item = T>) -> fmt::Result {
    if items.len() == 1 {
        return items.next().map_or(Ok(()), |item| write!(out, "{item}"));
    }
    out.write_str("{ ")?;
    list(out, ", ", items)?;
    out.write_str(" }")
}

/// Longest comment that the kernel keeps, in bytes.
const MAX_COMMENT_LEN: usize = 120;
/// How much of the end of a longer one is kept.
const COMMENT_TAIL: usize = 40;

/// The text as it may stand between quotes: what is not plain is replaced, and of what is too long the middle is left out.
fn comment(text: &str) -> String {
    let plain = |character: char| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    let plain: String = text.chars().map(plain).collect();
    // Plain text has a character in every byte.
    let tail = plain.len().saturating_sub(COMMENT_TAIL);
    match (plain.get(..MAX_COMMENT_LEN.saturating_sub(COMMENT_TAIL + 5)), plain.get(tail..)) {
        (Some(head), Some(tail)) if plain.len() > MAX_COMMENT_LEN => alloc::format!("{head} ... {tail}"),
        _ => plain,
    }
}
