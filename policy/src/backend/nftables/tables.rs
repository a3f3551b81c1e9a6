//! Tables of a program as anonymous sets and verdict maps.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::program::End;
use crate::rule::Family;
use crate::table::{Row, Spread, Tuples};

use super::text::{Prefix, list};

/// The fields that are compared, and the rows, as a set in place.
pub(super) fn tuples(out: &mut String, tuples: &Tuples) -> fmt::Result {
    let mut fields: [Option<&str>; 3] = [None; 3];
    fields[0] = tuples.address().map(|(end, family)| match (end, family) {
        (End::Source, Family::V4) => "ip saddr",
        (End::Destination, Family::V4) => "ip daddr",
        (End::Source, Family::V6) => "ip6 saddr",
        (End::Destination, Family::V6) => "ip6 daddr",
    });
    fields[1] = tuples.protocol().then_some("meta l4proto");
    fields[2] = tuples.port().map(|end| if end == End::Source { "th sport" } else { "th dport" });
    list(out, " . ", fields.into_iter().flatten())?;
    out.write_str(" { ")?;
    list(out, ", ", tuples.rows().iter().map(Key))?;
    out.write_str(" }")
}

/// The verdict map that leads to the leaves.
pub(super) fn spread(out: &mut String, spread: &Spread, leaf: impl Fn(usize) -> String) -> fmt::Result {
    out.write_str("meta l4proto . th dport vmap { ")?;
    let rows = (spread.rows.iter())
        .map(|row| alloc::format!("{} . {} : jump {}", row.protocol, row.ports, leaf(row.leaf)));
    list(out, ", ", rows)?;
    out.write_str(" }")
}

struct Key<'a>(&'a Row);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        if let Some(net) = self.0.address {
            write!(f, "{}", Prefix(net))?;
            between = " . ";
        }
        if let Some(protocol) = self.0.protocol {
            write!(f, "{between}{protocol}")?;
            between = " . ";
        }
        match self.0.ports {
            Some(ports) => write!(f, "{between}{ports}"),
            None => Ok(()),
        }
    }
}
