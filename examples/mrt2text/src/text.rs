//! Lines with bars between the fields, as `bgpdump -m` has them.

use std::io::{self, Write};

use tortie_bgp_wire::{Community, MergedPath, NextHop, Origin, SegmentKind};

use crate::event::{Destination, Event, Values, What};

/// Prints an event, unless it is of a destination that is no prefix.
pub(crate) fn print(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
    let action = match &event.what {
        What::Route { destination, .. } | What::Withdrawn(destination)
            if destination.nlri.prefix().is_none() =>
        {
            return Ok(());
        }
        What::Route { in_rib: true, .. } => "B",
        What::Route { in_rib: false, .. } => "A",
        What::Withdrawn(_) => "W",
        What::State { .. } => "STATE",
    };
    write!(out, "{}|{}|{action}|{}|{}|", event.form, event.time, event.peer, event.peer_as)?;
    match &event.what {
        What::Route { destination, next_hop, attributes, .. } => {
            print_destination(destination, out)?;
            print_values(attributes, *next_hop, out)?;
        }
        What::Withdrawn(destination) => print_destination(destination, out)?,
        What::State { old, new } => write!(out, "{}|{}", old.get(), new.get())?,
    }
    out.write_all(b"\n")
}

fn print_destination(destination: &Destination<'_>, out: &mut impl Write) -> io::Result<()> {
    if let Some(prefix) = destination.nlri.prefix() {
        write!(out, "{prefix}")?;
    }
    destination.path_id.map_or(Ok(()), |path_id| write!(out, "|{path_id}"))
}

fn print_values(values: &Values<'_>, next_hop: Option<NextHop>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"|")?;
    if let Some(path) = values.path {
        print_path(path, out)?;
    }
    let origin = match values.origin {
        Some(Origin::IGP) => "IGP",
        Some(Origin::EGP) => "EGP",
        _ => "INCOMPLETE",
    };
    write!(out, "|{origin}|")?;
    match next_hop {
        Some(next_hop) => write!(out, "{}", next_hop.address())?,
        None => out.write_all(b"255.255.255.255")?,
    }
    write!(out, "|{}|{}|", values.local_pref.unwrap_or(0), values.med.unwrap_or(0))?;
    for (i, community) in values.communities.into_iter().flatten().enumerate() {
        out.write_all(if i == 0 { b"" } else { b" " })?;
        match community {
            Community::NO_EXPORT => out.write_all(b"no-export")?,
            Community::NO_ADVERTISE => out.write_all(b"no-advertise")?,
            Community::NO_EXPORT_SUBCONFED => out.write_all(b"local-AS")?,
            other => write!(out, "{other}")?,
        }
    }
    out.write_all(if values.atomic { b"|AG|" } else { b"|NAG|" })?;
    if let Some(aggregator) = values.aggregator {
        write!(out, "{} {}", aggregator.asn, aggregator.address)?;
    }
    out.write_all(b"|")
}

/// Sets have commas between their numbers, sequences have spaces.
fn print_path(path: MergedPath<'_>, out: &mut impl Write) -> io::Result<()> {
    for (i, segment) in path.segments().enumerate() {
        let (open, between, close) = match segment.kind {
            SegmentKind::SET => ("{", ",", "}"),
            SegmentKind::CONFED_SEQUENCE => ("(", " ", ")"),
            SegmentKind::CONFED_SET => ("[", ",", "]"),
            _ => ("", " ", ""),
        };
        write!(out, "{}{open}", if i == 0 { "" } else { " " })?;
        for (j, asn) in segment.asns.enumerate() {
            write!(out, "{}{asn}", if j == 0 { "" } else { between })?;
        }
        out.write_all(close.as_bytes())?;
    }
    Ok(())
}
