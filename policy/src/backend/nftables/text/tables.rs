//! Tables of a program as anonymous sets and verdict maps.
//!
//! The protocol comes last. Of a table of intervals, the kernel finds all elements that have the first part of a packet's key,
//! then those of them that have the second, one by one; nearly all of them have the same protocol.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::table::{Row, Spread, Tuples};

use super::line::{address, masked, port};
use super::{Prefix, list};

/// The fields that are compared, and the rows, as a set in place.
pub(super) fn tuples(out: &mut String, tuples: &Tuples) -> fmt::Result {
    let mut between = "";
    let mask = tuples.mask();
    if let Some((end, family)) = tuples.address() {
        match mask {
            Some(len) => masked(out, end, family, len),
            None => out.write_str(address(end, family)),
        }?;
        between = " . ";
    }
    if let Some(end) = tuples.port() {
        write!(out, "{between}{}", port(end))?;
        between = " . ";
    }
    if tuples.protocol() {
        write!(out, "{between}meta l4proto")?;
    }
    out.write_str(" { ")?;
    list(out, ", ", tuples.rows().iter().map(|row| Key { row, is_masked: mask.is_some() }))?;
    out.write_str(" }")
}

/// The verdict map that leads to the leaves.
pub(super) fn spread(out: &mut String, spread: &Spread, leaf: impl Fn(usize) -> String) -> fmt::Result {
    out.write_str("th dport . meta l4proto vmap { ")?;
    let rows = spread.ranges().map(|(protocol, ports, found)| match found {
        Some(number) => alloc::format!("{ports} . {protocol} : goto {}", leaf(number)),
        None => alloc::format!("{ports} . {protocol} : return"),
    });
    list(out, ", ", rows)?;
    out.write_str(" }")
}

struct Key<'a> {
    row: &'a Row,
    /// Whether addresses are compared without the bits behind their prefix.
    is_masked: bool,
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        if let Some(net) = self.row.address {
            match self.is_masked {
                true => write!(f, "{}", net.network())?,
                false => write!(f, "{}", Prefix(net))?,
            }
            between = " . ";
        }
        if let Some(ports) = self.row.ports {
            write!(f, "{between}{ports}")?;
            between = " . ";
        }
        match self.row.protocol {
            Some(protocol) => write!(f, "{between}{protocol}"),
            None => Ok(()),
        }
    }
}
