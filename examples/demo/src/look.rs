//! What a host's kernel holds: links, rules and routes, seen from inside.

use crate::hosts::Host;
use anyhow::bail;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use tortie_nft_wire::expr::Expr;
use tortie_nft_wire::{Data, Entry as Nft, Name, Options, Socket};
use tortie_routes::netlink::{Kernel, Links, NetNs};
use tortie_routes::{Entry, Family, Kind, Protocol, Scan, Table};

/// How often routes that change while they are read are read again.
const ATTEMPTS: u8 = 20;

/// Rules and routes of a host at one moment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) rules: String,
    pub(crate) routes: BTreeSet<Line>,
}

impl State {
    pub(crate) async fn of(host: &Host) -> anyhow::Result<Self> {
        Ok(Self { rules: rules(host)?, routes: routes(host).await? })
    }

    /// Says what differs, if anything does.
    pub(crate) fn same(&self, other: &Self) -> anyhow::Result<String> {
        let texts =
            |lines: &mut dyn Iterator<Item = &Line>| lines.map(ToString::to_string).collect::<Vec<_>>();
        let gone = texts(&mut self.routes.difference(&other.routes));
        let new = texts(&mut other.routes.difference(&self.routes));
        if !gone.is_empty() || !new.is_empty() {
            bail!("routes gone: {gone:?}, new: {new:?}");
        }
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (self.rules.lines().collect(), other.rules.lines().collect());
        if before != after {
            let gone: Vec<_> = before.difference(&after).take(5).map(|line| line.trim()).collect();
            let new: Vec<_> = after.difference(&before).take(5).map(|line| line.trim()).collect();
            bail!("rules gone: {gone:?}, new: {new:?} (at most five of each)");
        }
        Ok(format!("{} routes, {} lines of rules", self.routes.len(), before.len()))
    }
}

/// All that the packet filter of the host holds, a line for each thing, without what the kernel counts and numbers.
pub(crate) fn rules(host: &Host) -> anyhow::Result<String> {
    let namespace = std::fs::File::open(&host.netns)?;
    let mut socket = Socket::open_in(namespace.as_fd(), Options::new())?;
    let (_, entries) = socket.ruleset(tortie_nft_wire::Family::new(0))?;
    let lines = entries.into_iter().flat_map(|(family, entry)| match entry {
        // Who owns it is not what it says.
        Nft::Table(table) => vec![format!("table {family:?} {}", table.name)],
        Nft::Chain(chain) => vec![format!("chain {} {:?} {:?}", chain.name, chain.attachment, chain.policy)],
        Nft::Set(set) => vec![format!("set {} {:?} {:?}", name(&set.name), set.flags, set.key_type)],
        Nft::Elements { set, elements, .. } => (elements.iter())
            .map(|element| {
                let (key, end) = (element.key.as_ref().map(value), element.key_end.as_ref().map(value));
                format!("element {} {key:?} {end:?} {:?} {:?}", name(&set), element.flags, element.data)
            })
            .collect(),
        Nft::Rule(rule) => {
            let exprs: Vec<_> = rule.exprs.iter().map(expr).collect();
            vec![format!("rule {} {}", rule.chain, exprs.join(" "))]
        }
        Nft::Object(object) => vec![format!("object {}", object.name)],
        other => vec![format!("{other:?}")],
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// A name that its maker has chosen.
fn name(name: &Name) -> String {
    let text = name.to_string();
    if text.starts_with("__") { "without name".to_owned() } else { text }
}

/// What is compared, as people write it: a name or an address, where it may be one.
fn value(data: &Data) -> String {
    let Data::Value(bytes) = data else { return format!("{data:?}") };
    let text = core::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches('\0'));
    let is_name = |text: &&str| text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let text = text.filter(is_name).map(str::to_owned);
    // What stands behind an address in a key is a protocol and a port.
    let v4 = bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).to_string());
    let v6 = bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).to_string());
    let address = if bytes.len() < 16 { v4 } else { v6 };
    format!("{} {} {bytes:02x?}", text.unwrap_or_default(), address.unwrap_or_default())
}

/// An expression, without the number of a set that has no name.
fn expr(expr: &Expr) -> String {
    match expr {
        Expr::Lookup(lookup) => format!("lookup {} {:?} {:?}", name(&lookup.set), lookup.dreg, lookup.flags),
        Expr::Cmp(cmp) => format!("{:?} {}", cmp.op, value(&cmp.data)),
        other => format!("{other:?}"),
    }
}

/// A route, with its destination apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) destination: IpNet,
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The routes of the main table, but for the kernel's own.
pub(crate) async fn routes(host: &Host) -> anyhow::Result<BTreeSet<Line>> {
    let namespace = NetNs::open(&host.netns)?;
    let links = Links::open_in(&namespace)?.list().await?;
    let names: BTreeMap<_, _> = links.into_iter().map(|link| (link.index, link.name)).collect();
    let mut kernel = Kernel::open_in(&namespace)?;
    let mut lines = BTreeSet::new();
    for family in Family::ALL {
        let mut attempts = 0..ATTEMPTS;
        let snapshot = loop {
            let snapshot = kernel.scan(Scan::Routes { family, table: Table::MAIN })?;
            if !snapshot.is_interrupted() {
                break snapshot;
            }
            if attempts.next().is_none() {
                bail!("the routes of {} change faster than they can be read", host.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let foreign = snapshot.entries().iter().filter(|entry| entry.protocol != Protocol::KERNEL);
        lines.extend(foreign.map(|entry| line(entry, &names)));
    }
    Ok(lines)
}

fn line(entry: &Entry, names: &BTreeMap<u32, String>) -> Line {
    let destination = entry.key.destination;
    let mut text = destination.to_string();
    if entry.kind != Kind::UNICAST {
        text = format!("{} {text}", entry.kind);
    }
    if let Some(hop) = entry.hop {
        if let Some(via) = hop.via {
            text.push_str(&format!(" via {via}"));
        }
        let name = names.get(&hop.index).cloned().unwrap_or_else(|| hop.index.to_string());
        text.push_str(&format!(" dev {name}"));
    }
    text.push_str(&format!(" proto {}", entry.protocol));
    Line { destination, text }
}
