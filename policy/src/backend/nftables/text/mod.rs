//! The table as text.

mod line;
mod tables;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

use hashbrown::HashMap;
use ipnet::IpNet;

use super::TABLE;
use super::layout::{
    Catalogue, Head, Hook, InterfaceMap, Leads, Line, Origins, Outline, Part, PartKind, Place, Priority,
    chain_name, comment, fixed_chains, lockdown_chains, network_matches, part_id, parts_of, room,
};
use super::options::Options;
use crate::program::{ChainKey, Program};
use crate::rule::Family;
use crate::set::{Members, PortMember, SetId};

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
    let mut out = alloc::format!("create table inet {TABLE}\ntable inet {TABLE} {{\n");
    let mut origins = Origins::default();
    let _ = lockdown_chains(options)
        .iter()
        .try_for_each(|laid| chain(&mut out, options, &mut origins, &laid.head, &laid.lines));
    out.push_str("}\n");
    out
}

pub(super) fn render(program: &Program, options: &Options) -> String {
    let mut out = String::new();
    let network = options.network.sets().map(|(set, members)| (SetId::Network(set), members)).collect();
    let _ = write(&mut out, program, &network, &Names::new(program, &network), options);
    out
}

/// Sets with their members.
type Sets = BTreeMap<SetId, Members>;

/// What the chains and sets of one program are called.
struct Names<'a> {
    chains: BTreeMap<&'a ChainKey, String>,
    parts: HashMap<&'a SetId, [Vec<Part>; 2]>,
}

impl<'a> Names<'a> {
    fn new(program: &'a Program, network: &'a Sets) -> Self {
        let has = |family| program.sets.values().any(|members| members.len(family) > 0);
        let in_use = Family::ALL.map(|family| (family, has(family)));
        let parts = |(set, members): (&'a SetId, &'a Members)| {
            let id = part_id(set);
            let of = |(family, is_in_use)| parts_of(set, &id, family, &members.lengths(family), is_in_use);
            (set, in_use.map(of))
        };
        Self {
            chains: program.chains.keys().map(|key| (key, chain_name(key))).collect(),
            parts: program.sets.iter().chain(network).map(parts).collect(),
        }
    }
}

impl Catalogue for Names<'_> {
    fn chain(&self, key: &ChainKey) -> Option<&str> {
        self.chains.get(key).map(String::as_str)
    }

    fn parts(&self, set: &SetId, family: Family) -> &[Part] {
        self.parts.get(set).map_or(&[], |[v4, v6]| if family == Family::V4 { v4 } else { v6 })
    }
}

fn write(
    out: &mut String,
    program: &Program,
    network: &Sets,
    names: &Names<'_>,
    options: &Options,
) -> fmt::Result {
    write_remove(out)?;
    writeln!(out, "table inet {TABLE} {{")?;
    if !options.comment.is_empty() {
        writeln!(out, "\tcomment \"{}\"", options.comment)?;
    }
    for (id, members) in program.sets.iter().chain(network) {
        for part in Family::ALL.iter().flat_map(|family| names.parts(id, *family)) {
            set(out, id, part, members)?;
        }
    }
    let chains = program.chains.iter().filter_map(|(key, chain)| Some((key, names.chain(key)?, chain)));
    let outlines: Vec<_> = chains.map(|(key, name, chain)| Outline::new(key, name, chain)).collect();
    let counters: BTreeSet<_> =
        outlines.iter().flat_map(Outline::counters).map(|counter| &counter.name).collect();
    for name in counters {
        writeln!(out, "\tcounter {name} {{\n\t}}")?;
    }
    let mut origins = Origins::default();
    for (head, lines) in outlines.iter().flat_map(|outline| outline.lay(names)) {
        chain(out, options, &mut origins, head, &lines)?;
    }
    for map in InterfaceMap::all().filter(|map| map.is_there(program)) {
        verdict_map(out, map, program, names)?;
    }
    let matches = network_matches(&options.network);
    let fixed = fixed_chains(program, names, options, &matches);
    fixed.iter().try_for_each(|laid| chain(out, options, &mut origins, &laid.head, &laid.lines))?;
    writeln!(out, "}}")
}

fn set(out: &mut String, id: &SetId, part: &Part, members: &Members) -> fmt::Result {
    let address = if part.family == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
    writeln!(out, "\tset {} {{", part.name)?;
    let ports = if part.kind == PartKind::Ports { " . inet_proto . inet_service" } else { "" };
    writeln!(out, "\t\ttype {address}{ports}")?;
    writeln!(out, "\t\tsize {}", room(part.kind, part.len))?;
    if part.kind == PartKind::Intervals {
        writeln!(out, "\t\tflags interval")?;
    }
    writeln!(out, "\t\tcomment \"{}\"", comment(&alloc::format!("{id}")))?;
    if part.len > 0 {
        write!(out, "\t\telements = {{ ")?;
        match part.kind {
            PartKind::Addresses | PartKind::Intervals => list(out, ELEMENTS, part.nets(members).map(Prefix)),
            PartKind::Masked(_) => list(out, ELEMENTS, part.nets(members).map(|net| net.network())),
            PartKind::Ports => {
                let text = |port: &PortMember| {
                    alloc::format!("{} . {} . {}", port.address, port.protocol, port.port)
                };
                list(out, ELEMENTS, part.ports(members).map(text))
            }
        }?;
        writeln!(out, " }}")?;
    }
    writeln!(out, "\t}}")
}

fn verdict_map(out: &mut String, map: InterfaceMap, program: &Program, names: &Names<'_>) -> fmt::Result {
    writeln!(out, "\tmap {} {{", map.name())?;
    writeln!(out, "\t\ttype ifname : verdict")?;
    let len = map.interfaces(program).count();
    writeln!(out, "\t\tsize {}", room(PartKind::Addresses, len))?;
    if len > 0 {
        write!(out, "\t\telements = {{ ")?;
        let element = |interface: &str| match map.leads(program, names, interface) {
            Some(Leads::Accept) => alloc::format!("\"{interface}\" : accept"),
            Some(Leads::Jump(chain)) => alloc::format!("\"{interface}\" : jump {chain}"),
            Some(Leads::Drop) | None => alloc::format!("\"{interface}\" : drop"),
        };
        list(out, ELEMENTS, map.interfaces(program).map(element))?;
        writeln!(out, " }}")?;
    }
    writeln!(out, "\t}}")
}

fn chain(
    out: &mut String,
    options: &Options,
    origins: &mut Origins,
    head: &Head,
    lines: &[Line<'_>],
) -> fmt::Result {
    writeln!(out, "\tchain {} {{", head.name)?;
    if let Some(hook) = head.hook {
        let Hook { place, priority, behind } = hook;
        let place = match place {
            Place::Prerouting => "prerouting",
            Place::Input => "input",
            Place::Forward => "forward",
            Place::Output => "output",
            Place::Postrouting => "postrouting",
        };
        let priority = match priority {
            Priority::Raw => "raw",
            Priority::Mangle => "mangle",
            Priority::Filter => "filter",
            Priority::SrcNat => "srcnat",
        };
        write!(out, "\t\ttype {} hook {place} priority {priority}", hook.kind())?;
        if behind > 0 {
            write!(out, " + {behind}")?;
        }
        writeln!(out, "; policy accept;")?;
    }
    if let Some(about) = &head.about {
        writeln!(out, "\t\tcomment \"{}\"", comment(about))?;
    }
    lines.iter().try_for_each(|rule| line::line(out, options, origins, rule))?;
    writeln!(out, "\t}}")
}

/// A prefix as nft writes it: an address if it is of full length.
struct Prefix(IpNet);

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// What stands between the elements of a set.
const ELEMENTS: &str = ",\n\t\t\t";

fn list<T: Display>(out: &mut String, between: &str, items: impl Iterator<Item = T>) -> fmt::Result {
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
