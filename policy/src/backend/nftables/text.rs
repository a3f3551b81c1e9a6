//! The text itself.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

use tortie_selector::Selector;

use super::options::{HostAction, Options};
use super::{TABLE, tables};
use crate::key::Direction;
use crate::model::Protocol;
use crate::program::{Addresses, Chain, ChainId, End, Match, Program, Role, Step, StepAction};
use crate::rule::Family;
use crate::table::Spread;

/// What workloads may send to their host whatever policy says: multicast listener queries, reports and done, router
/// solicitations, neighbour solicitations and advertisements.
const NEIGHBOUR_DISCOVERY: &str = "icmpv6 type { 130-133, 135-136 }";
/// Router advertisements and redirects: no workload tells its host where to route.
const ROUTING_ADVICE: &str = "icmpv6 type { 134, 137 }";

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
    let sets: Vec<_> = program.sets.keys().collect();
    let ids = sets.into_iter().map(|selector| (selector, selector.id().replace(':', "-"))).collect();
    let _ = Text { program, options, ids }.write(&mut out);
    out
}

struct Text<'a> {
    program: &'a Program,
    options: &'a Options,
    /// Ids of selectors, as parts of names.
    ids: BTreeMap<&'a Selector, String>,
}

impl Text<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        write_remove(out)?;
        writeln!(out, "table inet {TABLE} {{")?;
        self.sets(out)?;
        for (index, chain) in self.program.chains.iter().enumerate() {
            self.chain(out, ChainId(index), chain)?;
        }
        self.dispatch(out, Direction::Egress)?;
        self.dispatch(out, Direction::Ingress)?;
        self.judges(out)?;
        self.hooks(out)?;
        writeln!(out, "}}")
    }

    fn set_name(&self, selector: &Selector, family: Family) -> String {
        let version = if family == Family::V4 { '4' } else { '6' };
        let id = self.ids.get(selector).map_or("", String::as_str);
        alloc::format!("ip{version}-{id}")
    }

    fn sets(&self, out: &mut String) -> fmt::Result {
        for (selector, set) in &self.program.sets {
            for family in Family::ALL {
                let kind = if family == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
                let ranges = set.members(family).any(|net| net.prefix_len() != net.max_prefix_len());
                // The kernel counts both ends of an interval.
                let size = set.len(family).max(1).saturating_mul(if ranges { 2 } else { 1 });
                writeln!(out, "\tset {} {{", self.set_name(selector, family))?;
                writeln!(out, "\t\ttype {kind}")?;
                writeln!(out, "\t\tsize {size}")?;
                if ranges {
                    writeln!(out, "\t\tflags interval")?;
                }
                writeln!(out, "\t\tcomment \"{}\"", comment(selector.canonical()))?;
                if set.len(family) > 0 {
                    write!(out, "\t\telements = {{ ")?;
                    list(out, ",\n\t\t\t", set.members(family).map(Prefix))?;
                    writeln!(out, " }}")?;
                }
                writeln!(out, "\t}}")?;
            }
        }
        Ok(())
    }

    /// The number makes it unique, the rest is for people.
    fn chain_name(&self, id: ChainId) -> String {
        let Some(chain) = self.program.chain(id) else { return String::new() };
        let direction = if chain.direction == Direction::Ingress { "in" } else { "out" };
        let (kind, name) = match &chain.role {
            Role::Policy(key) => {
                let namespace = key.namespace.as_deref().map(|namespace| alloc::format!("{namespace}."));
                ("policy", namespace.unwrap_or_default() + &key.name)
            }
            Role::Profile(name) => ("profile", name.clone()),
            Role::Policies(_) => ("policies", String::new()),
            Role::Profiles(_) => ("profiles", String::new()),
        };
        let plain = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => character,
            _ => '_',
        };
        let name: String = name.chars().take(64).map(plain).collect();
        let hyphen = if name.is_empty() { "" } else { "-" };
        alloc::format!("{kind}-{direction}-{}{hyphen}{name}", id.index())
    }

    fn chain(&self, out: &mut String, id: ChainId, chain: &Chain) -> fmt::Result {
        let about = match &chain.role {
            Role::Policy(key) => alloc::format!("{key} {}", chain.direction),
            Role::Profile(name) => alloc::format!("Profile {name} {}", chain.direction),
            Role::Policies(keys) => {
                let mut names = String::new();
                list(&mut names, ", ", keys.iter())?;
                alloc::format!("{}: {names}", chain.direction)
            }
            Role::Profiles(names) => alloc::format!("{}, profiles: {}", chain.direction, names.join(", ")),
        };
        writeln!(out, "\tchain {} {{", self.chain_name(id))?;
        writeln!(out, "\t\tcomment \"{}\"", comment(&about))?;
        let name = self.chain_name(id);
        (chain.steps.iter().enumerate())
            .try_for_each(|(place, step)| self.step(out, step, &leaves_name(&name, place)))?;
        writeln!(out, "\t}}")?;
        for (place, step) in chain.steps.iter().enumerate() {
            if let StepAction::Spread(spread) = &step.action {
                self.leaves(out, spread, &leaves_name(&name, place))?;
            }
        }
        Ok(())
    }

    fn leaves(&self, out: &mut String, spread: &Spread, name: &str) -> fmt::Result {
        for (number, steps) in spread.leaves.iter().enumerate() {
            writeln!(out, "\tchain {name}-{number} {{")?;
            steps.iter().try_for_each(|step| self.step(out, step, name))?;
            writeln!(out, "\t}}")?;
        }
        Ok(())
    }

    /// A step; `leaves` is how the names of the chains begin that it may spread to.
    fn step(&self, out: &mut String, step: &Step, leaves: &str) -> fmt::Result {
        out.write_str("\t\t")?;
        for wanted in &step.matches {
            self.wanted(out, wanted)?;
            out.write_char(' ')?;
        }
        match &step.action {
            StepAction::Accept => out.write_str("accept"),
            StepAction::Drop => out.write_str("drop"),
            StepAction::Log => write!(out, "log prefix \"{}\"", self.options.log_prefix),
            StepAction::Jump(id) => write!(out, "jump {}", self.chain_name(*id)),
            StepAction::Goto(id) => write!(out, "goto {}", self.chain_name(*id)),
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
                    Addresses::Set(selector) => write!(out, "@{}", self.set_name(selector, *family)),
                    Addresses::Nets(nets) => one_or_set(out, nets.iter().copied().map(Prefix)),
                }
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

    /// The verdict map from interfaces to their chains.
    fn dispatch(&self, out: &mut String, direction: Direction) -> fmt::Result {
        writeln!(out, "\tmap {direction} {{")?;
        writeln!(out, "\t\ttype ifname : verdict")?;
        let dispatch = &self.program.dispatch;
        if !dispatch.is_empty() {
            write!(out, "\t\telements = {{ ")?;
            let elements = dispatch.iter().map(|(interface, chains)| {
                alloc::format!("\"{interface}\" : goto {}", self.chain_name(chains.chain(direction)))
            });
            list(out, ",\n\t\t\t", elements)?;
            writeln!(out, " }}")?;
        }
        writeln!(out, "\t}}")
    }

    /// Chains that every packet of a workload comes to, one for each way that it can go.
    fn judges(&self, out: &mut String) -> fmt::Result {
        for (name, direction, to_host) in [
            ("judge-egress", Direction::Egress, false),
            ("judge-ingress", Direction::Ingress, false),
            ("judge-egress-to-host", Direction::Egress, true),
        ] {
            writeln!(out, "\tchain {name} {{")?;
            // Plain rules, not a map or a set: while the table is replaced, a packet may still run through the old chain,
            // where the elements are gone already; an established connection would then lose it.
            writeln!(out, "\t\tct state established,related accept")?;
            writeln!(out, "\t\tct state invalid drop")?;
            if to_host {
                writeln!(out, "\t\t{NEIGHBOUR_DISCOVERY} accept")?;
                writeln!(out, "\t\t{ROUTING_ADVICE} drop")?;
            }
            let name = if direction == Direction::Egress {
                self.program.guard.iter().try_for_each(|step| self.step(out, step, ""))?;
                "iifname"
            } else {
                "oifname"
            };
            writeln!(out, "\t\t{name} vmap @{direction}")?;
            writeln!(out, "\t\tdrop comment \"unknown interface\"")?;
            writeln!(out, "\t}}")?;
        }

        writeln!(out, "\tchain to-host {{")?;
        writeln!(out, "\t\tct state established,related accept")?;
        writeln!(out, "\t\t{NEIGHBOUR_DISCOVERY} accept")?;
        let action = match self.options.endpoint_to_host {
            HostAction::Drop => "drop",
            HostAction::Accept => "accept",
            HostAction::Return => "return",
        };
        writeln!(out, "\t\t{action} comment \"from a workload to its host\"")?;
        writeln!(out, "\t}}")?;

        // Link-local addresses are not forwarded, and each interface has its own; without any address yet, a workload
        // asks whether the one that it wants is taken.
        writeln!(out, "\tchain check-source {{")?;
        writeln!(out, "\t\tip6 saddr fe80::/10 accept")?;
        writeln!(out, "\t\tip6 saddr :: ip6 daddr ff02::/16 meta l4proto {} accept", Protocol::ICMPV6)?;
        writeln!(
            out,
            "\t\tfib saddr . iif oif missing drop comment \"source address is not of this workload\""
        )?;
        writeln!(out, "\t}}")
    }

    fn hooks(&self, out: &mut String) -> fmt::Result {
        for (hook, priority, name, judge) in [
            ("prerouting", "raw", "iifname", "check-source"),
            ("forward", "filter", "iifname", "judge-egress"),
            ("forward", "filter + 1", "oifname", "judge-ingress"),
            ("input", "filter", "iifname", "judge-egress-to-host"),
            ("input", "filter + 1", "iifname", "to-host"),
        ] {
            let prefix = &self.options.workload_prefix;
            writeln!(out, "\tchain {hook}-{judge} {{")?;
            writeln!(out, "\t\ttype filter hook {hook} priority {priority}; policy accept;")?;
            writeln!(out, "\t\t{name} \"{prefix}*\" goto {judge}")?;
            let others =
                self.program.dispatch.keys().filter(|interface| !interface.starts_with(prefix.as_str()));
            for interface in others {
                writeln!(out, "\t\t{name} \"{interface}\" goto {judge}")?;
            }
            writeln!(out, "\t}}")?;
        }
        Ok(())
    }
}

/// A prefix as nft writes it: an address if it is of full length.
pub(super) struct Prefix(pub(super) ipnet::IpNet);

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

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

/// How the names begin of the chains that the step at this place of a chain spreads to.
fn leaves_name(chain: &str, place: usize) -> String {
    alloc::format!("{chain}-leaf-{place}")
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
