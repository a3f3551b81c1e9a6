//! Makes one look-up in a table of many neighbouring rules with the same verdict.
//!
//! Among rules with one verdict the order means nothing, so they are sorted by the fields that they compare, and each group
//! becomes tables: full addresses and single ports, a table for each prefix length where there are few, and boxes of a prefix
//! and a range of ports for the rest. The kernel refuses boxes that overlap; these never do.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ipnet::IpNet;

use crate::program::{Addresses, End, Match, Step, StepAction};
use crate::rule::{Family, PortRange};
use crate::table::{Row, Tuples};

use super::intervals::Ports;
use super::{is_verdict, origin};

/// Most rows that one rule may become.
const ROWS: usize = 64;
/// Most prefix lengths that get a table each, and so a look-up each.
const MASKS: usize = 6;

/// Folds each run of steps with one verdict that is longer than `inline`.
pub(super) fn fold(steps: Vec<Step>, inline: usize) -> Vec<Step> {
    let mut folded = Vec::with_capacity(steps.len());
    let mut run: Vec<Step> = Vec::new();
    for step in steps {
        if run.first().is_some_and(|first| first.action != step.action) || !is_verdict(&step) {
            flush(&mut run, &mut folded, inline);
        }
        if is_verdict(&step) { run.push(step) } else { folded.push(step) }
    }
    flush(&mut run, &mut folded, inline);
    folded
}

/// The fields that a rule compares, all of them with values that it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    address: Option<(End, Family)>,
    family: Option<Family>,
    protocol: bool,
    port: Option<End>,
}

fn flush(run: &mut Vec<Step>, folded: &mut Vec<Step>, inline: usize) {
    let Some(action) = run.first().map(|step| step.action.clone()) else { return };
    if run.len() <= inline {
        folded.append(run);
        return;
    }
    let mut groups: BTreeMap<Shape, Vec<(Step, Vec<Row>)>> = BTreeMap::new();
    let mut others = Vec::new();
    for step in run.drain(..) {
        match rows(&step) {
            Some((shape, rows)) => groups.entry(shape).or_default().push((step, rows)),
            None => others.push(step),
        }
    }
    for (shape, members) in groups {
        if members.len() <= inline.max(1) {
            others.extend(members.into_iter().map(|(step, _)| step));
            continue;
        }
        let rows = members.into_iter().flat_map(|(_, rows)| rows).collect();
        folded.extend(tables(shape, rows).into_iter().map(|tuples| step(shape, tuples, &action)));
    }
    folded.append(&mut others);
}

fn step(shape: Shape, tuples: Tuples, action: &StepAction) -> Step {
    let origin = tuples.rows().first().map(|row| row.origin.clone());
    let mut matches: Vec<Match> = shape.family.map(Match::Family).into_iter().collect();
    matches.push(Match::Tuple(Arc::new(tuples)));
    Step { matches, action: action.clone(), origin }
}

/// The rows that a rule is the sum of; `None` if it wants anything that rows cannot say.
fn rows(step: &Step) -> Option<(Shape, Vec<Row>)> {
    let mut shape = Shape { address: None, family: None, protocol: false, port: None };
    let (mut protocol, mut addresses, mut ranges) = (None, vec![None], vec![None]);
    for wanted in &step.matches {
        match wanted {
            Match::Family(family) => shape.family = Some(*family),
            Match::Protocol { number, negated: false } if protocol.is_none() => {
                shape.protocol = true;
                protocol = Some(*number);
            }
            Match::Address { end, family, addresses: Addresses::Nets(nets), negated: false }
                if shape.address.is_none() =>
            {
                shape.address = Some((*end, *family));
                addresses = nets.iter().copied().map(Some).collect();
            }
            Match::Port { end, ranges: wanted, negated: false } if shape.port.is_none() => {
                shape.port = Some(*end);
                ranges = wanted.iter().copied().map(Some).collect();
            }
            _ => return None,
        }
    }
    // Ports are read where the protocol says that they are; nothing at all, or a protocol alone, is no table.
    let is_table = shape.address.is_some() || (shape.protocol && shape.port.is_some());
    if !is_table || (shape.port.is_some() && !shape.protocol) {
        return None;
    }
    if addresses.len().checked_mul(ranges.len()).is_none_or(|rows| rows > ROWS) {
        return None;
    }
    let row = |(address, ports): (Option<IpNet>, Option<PortRange>)| Row {
        address,
        protocol,
        ports,
        origin: origin(step),
    };
    let pairs = addresses.iter().flat_map(|address| ranges.iter().map(|range| (*address, *range)));
    Some((shape, pairs.map(row).collect()))
}

/// Tables with all of these rows, each without overlaps.
fn tables(shape: Shape, rows: Vec<Row>) -> Vec<Tuples> {
    let mut exact: BTreeMap<u8, Vec<Row>> = BTreeMap::new();
    let mut boxes = Vec::new();
    for row in rows {
        match (row.address, row.ports) {
            (_, Some(ports)) if ports.min != ports.max => boxes.push(row),
            // All lengths without an address are 0, all full ones the same.
            (address, _) => exact.entry(address.map_or(0, |net| net.prefix_len())).or_default().push(row),
        }
    }
    let full = exact.values().flatten().filter_map(|row| row.address).map(|net| net.max_prefix_len()).max();
    if exact.keys().filter(|len| Some(**len) != full).count() > MASKS {
        let masked: Vec<u8> = exact.keys().copied().filter(|len| Some(*len) != full).collect();
        boxes.extend(masked.into_iter().filter_map(|len| exact.remove(&len)).flatten());
    }
    let tuples = |rows| Tuples::new(shape.address, shape.port, rows);
    let mut tables: Vec<Tuples> = exact.into_values().map(|rows| tuples(distinct(rows))).collect();
    if !boxes.is_empty() {
        tables.push(tuples(disjoint(boxes)));
    }
    tables
}

/// Each value once, with the first rule that has it.
fn distinct(rows: Vec<Row>) -> Vec<Row> {
    let mut seen = BTreeSet::new();
    rows.into_iter().filter(|row| seen.insert((row.address, row.protocol, row.ports))).collect()
}

/// The same packets in boxes that do not overlap.
///
/// Prefixes contain each other or have nothing in common. So a box is what its ports have beyond those of the prefixes
/// around it.
fn disjoint(mut rows: Vec<Row>) -> Vec<Row> {
    // Outer prefixes stand right before what is in them.
    rows.sort_by_key(|row| (row.protocol, row.address.map(|net| (net.network(), net.prefix_len()))));
    let mut disjoint = Vec::with_capacity(rows.len());
    let mut around: Vec<(Option<IpNet>, Option<u8>, Ports)> = Vec::new();
    for row in rows {
        let range = row.ports.unwrap_or(PortRange { min: 0, max: u16::MAX });
        while around
            .last()
            .is_some_and(|(net, protocol, _)| *protocol != row.protocol || !contains(*net, row.address))
        {
            around.pop();
        }
        if around.last().is_none_or(|(net, ..)| *net != row.address) {
            around.push((row.address, row.protocol, Ports::default()));
        }
        let Some(((.., own), outer)) = around.split_last_mut() else { continue };
        for part in own.insert(range) {
            let mut left = vec![part];
            for (.., covered) in outer.iter() {
                left = left.into_iter().flat_map(|part| covered.missing(part)).collect();
            }
            let boxed = |ports| Row { ports: row.ports.map(|_| ports), ..row.clone() };
            disjoint.extend(left.into_iter().map(boxed));
        }
    }
    disjoint
}

fn contains(outer: Option<IpNet>, inner: Option<IpNet>) -> bool {
    match (outer, inner) {
        (Some(outer), Some(inner)) => outer.contains(&inner),
        (outer, inner) => outer == inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Origin;

    use proptest::prelude::*;

    fn row(net: (u8, u8), protocol: u8, ports: (u16, u16)) -> Row {
        let net = IpNet::new([10, 0, 0, net.0].into(), net.1).unwrap().trunc();
        let ports = PortRange { min: ports.0, max: ports.0 + ports.1 };
        Row {
            address: Some(net),
            protocol: Some(protocol),
            ports: Some(ports),
            origin: Origin::NoProfileMatched,
        }
    }

    proptest! {
        #[test]
        fn boxes_cover_the_same_and_do_not_overlap(
            rows in prop::collection::vec(((0_u8..16, 26_u8..=32), 6_u8..8, (0_u16..20, 0_u16..6)), 0..24)
        ) {
            let rows: Vec<Row> = rows.into_iter().map(|(net, protocol, ports)| row(net, protocol, ports)).collect();
            let boxes = disjoint(rows.clone());
            for address in 0_u8..64 {
                for (protocol, port) in (6_u8..8).flat_map(|protocol| (0_u16..28).map(move |port| (protocol, port))) {
                    let address = core::net::IpAddr::from([10, 0, 0, address]);
                    let count = |rows: &[Row]| rows.iter().filter(|row| row.holds(address, protocol, Some(port))).count();
                    prop_assert_eq!(count(&boxes), usize::from(count(&rows) > 0));
                }
            }
        }
    }
}
