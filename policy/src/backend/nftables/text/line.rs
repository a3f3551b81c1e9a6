//! One rule as text.

use alloc::string::String;
use core::fmt::{self, Write};
use core::net::IpAddr;

use ipnet::IpNet;

use super::{Prefix, list, one_or_set, tables};
use crate::backend::nftables::Options;
use crate::backend::nftables::layout::{Deed, Line, Origins, PartKind, Side, Test, leaf_name};
use crate::program::{Addresses, End, Match};
use crate::rule::{Family, PortRange};

pub(super) fn line(
    out: &mut String,
    options: &Options,
    origins: &mut Origins,
    line: &Line<'_>,
) -> fmt::Result {
    out.write_str("\t\t")?;
    for wanted in &line.tests {
        test(out, wanted)?;
        out.write_char(' ')?;
    }
    if let Some(counter) = &line.counter {
        write!(out, "counter name \"{counter}\" ")?;
    }
    deed(out, options, &line.deed)?;
    if let Some(said) = line.comment {
        out.write_str(" comment \"")?;
        out.write_str(&origins.comment(said))?;
        out.write_char('"')?;
    }
    out.write_char('\n')
}

fn deed(out: &mut String, options: &Options, deed: &Deed<'_>) -> fmt::Result {
    let mark = options.mark;
    match deed {
        Deed::Accept => out.write_str("accept"),
        Deed::Drop => out.write_str("drop"),
        Deed::Reject => out.write_str("reject with icmpx port-unreachable"),
        Deed::Translate { address, ports } => translate(out, *address, *ports),
        Deed::Return => out.write_str("return"),
        Deed::Log => write!(out, "log prefix \"{}\"", options.log_prefix),
        Deed::AcceptMarked { untracked } => {
            let untracked = if *untracked { "notrack " } else { "" };
            write!(out, "{untracked}meta mark set meta mark | {mark:#x} accept")
        }
        Deed::ClearMark => write!(out, "meta mark set meta mark & {:#x}", !mark),
        Deed::Jump(chain) => write!(out, "jump {chain}"),
        Deed::Goto(chain) => write!(out, "goto {chain}"),
        Deed::Dispatch(side, map) => write!(out, "{} vmap @{map}", interface(*side)),
        Deed::Spread(spread, leaves) => tables::spread(out, spread, |number| leaf_name(leaves, number)),
    }
}

fn translate(out: &mut String, address: Option<IpAddr>, ports: Option<PortRange>) -> fmt::Result {
    match (address, ports) {
        (None, None) => out.write_str("masquerade"),
        (None, Some(ports)) => write!(out, "masquerade to :{ports}"),
        (Some(IpAddr::V4(address)), None) => write!(out, "snat ip to {address}"),
        (Some(IpAddr::V4(address)), Some(ports)) => write!(out, "snat ip to {address}:{ports}"),
        (Some(IpAddr::V6(address)), None) => write!(out, "snat ip6 to {address}"),
        (Some(IpAddr::V6(address)), Some(ports)) => write!(out, "snat ip6 to [{address}]:{ports}"),
    }?;
    out.write_str(" fully-random")
}

const fn interface(side: Side) -> &'static str {
    match side {
        Side::In => "iifname",
        Side::Out => "oifname",
    }
}

/// `ip saddr` and its like.
pub(super) const fn address(end: End, family: Family) -> &'static str {
    match (end, family) {
        (End::Source, Family::V4) => "ip saddr",
        (End::Destination, Family::V4) => "ip daddr",
        (End::Source, Family::V6) => "ip6 saddr",
        (End::Destination, Family::V6) => "ip6 daddr",
    }
}

/// `th sport` and its like.
pub(super) const fn port(end: End) -> &'static str {
    match end {
        End::Source => "th sport",
        End::Destination => "th dport",
    }
}

/// An address without the bits behind a prefix of this length.
pub(super) fn masked(out: &mut String, end: End, family: Family, len: u8) -> fmt::Result {
    let whole = if family == Family::V4 { 32 } else { 128 };
    out.write_str(address(end, family))?;
    match IpNet::new(unspecified(family), len) {
        Ok(net) if len < whole => write!(out, " & {}", net.netmask()),
        _ => Ok(()),
    }
}

const fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
    }
}

fn test(out: &mut String, test: &Test<'_>) -> fmt::Result {
    match test {
        Test::Match(wanted) => self::wanted(out, wanted),
        Test::Family(family) => self::family(out, *family),
        Test::InSet { end, family, part, negated } => {
            match part.kind {
                PartKind::Addresses | PartKind::Intervals => out.write_str(address(*end, *family)),
                PartKind::Masked(len) => masked(out, *end, *family, len),
                PartKind::Ports => write!(out, "{} . meta l4proto . {}", address(*end, *family), port(*end)),
            }?;
            write!(out, " {}@{}", not(*negated), part.name)
        }
        Test::Port { end, range, negated } => write!(out, "{} {}{range}", port(*end), not(*negated)),
        Test::Between { end, addresses: (from, to), negated } => {
            write!(out, "{} {}{from}", address(*end, Family::of(from)), not(*negated))?;
            if from == to { Ok(()) } else { write!(out, "-{to}") }
        }
        Test::Net(end, net) => write!(out, "{} {}", address(*end, Family::of_net(net)), Prefix(*net)),
        Test::Protocol { number, negated } => write!(out, "meta l4proto {}{number}", not(*negated)),
        Test::Established => out.write_str("ct state established,related"),
        Test::ConnectionMarked { mark, is_set } => {
            write!(out, "ct mark & {mark:#x} {} 0", if *is_set { "!=" } else { "==" })
        }
        Test::Invalid => out.write_str("ct state invalid"),
        Test::Marked(mark) => write!(out, "meta mark & {mark:#x} != 0"),
        Test::Forwarded => out.write_str("iif != 0"),
        Test::Translated(is) => write!(out, "ct status & dnat {} 0", if *is { "!=" } else { "==" }),
        Test::Interface(side, name) => write!(out, "{} \"{name}\"", interface(*side)),
        Test::Prefix(side, prefix) => write!(out, "{} \"{prefix}*\"", interface(*side)),
        Test::NoneOf(side, names) => {
            write!(out, "{} != {{ ", interface(*side))?;
            list(out, ", ", names.iter().map(|name| alloc::format!("\"{name}\"")))?;
            out.write_str(" }")
        }
        Test::Unrouted => out.write_str("fib saddr . iif oif missing"),
    }
}

fn family(out: &mut String, family: Family) -> fmt::Result {
    out.write_str(if family == Family::V4 { "meta nfproto ipv4" } else { "meta nfproto ipv6" })
}

const fn not(negated: bool) -> &'static str {
    if negated { "!= " } else { "" }
}

fn wanted(out: &mut String, wanted: &Match) -> fmt::Result {
    let icmp = |family: &Family| if *family == Family::V4 { "icmp" } else { "icmpv6" };
    match wanted {
        Match::Family(family) => self::family(out, *family),
        Match::Protocol { number, negated } => write!(out, "meta l4proto {}{number}", not(*negated)),
        Match::Address { end, family, addresses: Addresses::Nets(nets), negated } => {
            write!(out, "{} {}", address(*end, *family), not(*negated))?;
            one_or_set(out, nets.iter().copied().map(Prefix))
        }
        // These are laid out as parts.
        Match::Address { .. } | Match::AddressPort { .. } => Ok(()),
        Match::Port { end, ranges, negated } => {
            write!(out, "{} {}", port(*end), not(*negated))?;
            one_or_set(out, ranges.iter())
        }
        Match::IcmpType { family, kind, negated } => {
            write!(out, "{} type {}{kind}", icmp(family), not(*negated))
        }
        Match::IcmpCode { family, code, negated } => {
            write!(out, "{} code {}{code}", icmp(family), not(*negated))
        }
        Match::Tuple(tuples) => tables::tuples(out, tuples),
    }
}
