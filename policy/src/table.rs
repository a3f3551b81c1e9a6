//! Tables that steps look packets up in, instead of comparing with one rule after another.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::flow::Flow;
use crate::key::Origin;
use crate::program::{End, Step};
use crate::rule::{Family, PortRange};

/// Rows that stand for one rule each, or for a part of one; all of them compare the same fields.
///
/// Either every row has a full address, or none, and a single port, or none: then a table of hashes will do. Or all prefixes
/// are of one length: then one will do for masked addresses. Or they are boxes, of which no two overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuples {
    address: Option<(End, Family)>,
    port: Option<End>,
    rows: Vec<Row>,
}

/// A row of [`Tuples`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The packet's address is in this prefix; every row of a table has one, or none.
    pub address: Option<IpNet>,
    /// Its protocol is this; every row of a table has one, or none.
    pub protocol: Option<u8>,
    /// Its port is in this range; every row of a table has one, or none.
    pub ports: Option<PortRange>,
    /// The rule that the row stems from.
    pub origin: Origin,
}

impl Row {
    /// Whether a packet with these fields is meant. The family is that of the prefix.
    pub(crate) fn holds(&self, address: IpAddr, protocol: u8, port: Option<u16>) -> bool {
        self.address.is_none_or(|net| net.contains(&address))
            && self.protocol.is_none_or(|wanted| wanted == protocol)
            && self.ports.is_none_or(|range| port.is_some_and(|port| range.contains(port)))
    }
}

impl Tuples {
    pub(crate) const fn new(address: Option<(End, Family)>, port: Option<End>, rows: Vec<Row>) -> Self {
        Self { address, port, rows }
    }

    /// Which address is compared, and of which family; `None` if none is.
    #[must_use]
    pub const fn address(&self) -> Option<(End, Family)> {
        self.address
    }

    /// Which port is compared; `None` if none is.
    #[must_use]
    pub const fn port(&self) -> Option<End> {
        self.port
    }

    /// Whether the protocol is compared.
    #[must_use]
    pub fn protocol(&self) -> bool {
        self.rows.iter().any(|row| row.protocol.is_some())
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The length of all prefixes, if they have one and no row has a range of ports: then the masked address and the rest
    /// are one key. 0 if no address is compared.
    #[must_use]
    pub fn mask(&self) -> Option<u8> {
        let len = |row: &Row| row.address.map_or(0, |net| net.prefix_len());
        let first = self.rows.first().map_or(0, len);
        let exact = |row: &Row| len(row) == first && row.ports.is_none_or(|range| range.min == range.max);
        self.rows.iter().all(exact).then_some(first)
    }

    /// The first row that means this packet.
    pub(crate) fn find(&self, flow: &Flow) -> Option<&Row> {
        let address = match self.address {
            Some((End::Destination, _)) => flow.destination,
            _ => flow.source,
        };
        if self.address.is_some_and(|(_, family)| family != Family::of(&address)) {
            return None;
        }
        let ports = flow.ports();
        let port = match self.port {
            Some(End::Source) => ports.map(|(source, _)| source),
            _ => ports.map(|(_, destination)| destination),
        };
        self.rows.iter().find(|row| row.holds(address, flow.protocol(), port))
    }
}

/// Steps that are entered by the packet's protocol and destination port.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// Which leaf is whose: sorted, and no two rows of a protocol overlap.
    pub rows: Vec<SpreadRow>,
    /// Steps that are tried in order. They end in a verdict or return.
    pub leaves: Vec<Vec<Step>>,
}

/// A row of a [`Spread`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpreadRow {
    /// The packet's protocol is this.
    pub protocol: u8,
    /// Its destination port is in this range.
    pub ports: PortRange,
    /// Place of its steps in [`Spread::leaves`].
    pub leaf: usize,
}

impl Spread {
    /// The protocols of which there are rows, each once.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = u8> {
        let protocols: BTreeSet<u8> = self.rows.iter().map(|row| row.protocol).collect();
        protocols.into_iter()
    }

    /// All ports of these protocols, in order: ranges that a row has, and between them those that none has.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u8, PortRange, Option<usize>)> {
        let mut ranges = Vec::with_capacity(self.rows.len());
        for protocol in self.protocols() {
            let mut rows: Vec<_> = self.rows.iter().filter(|row| row.protocol == protocol).collect();
            rows.sort_unstable_by_key(|row| row.ports.min);
            // The first port that no range has yet.
            let mut next = Some(0_u16);
            for row in rows {
                let PortRange { min, max } = row.ports;
                if let Some(gap) = next.zip(min.checked_sub(1)).filter(|(from, to)| from <= to) {
                    ranges.push((protocol, PortRange { min: gap.0, max: gap.1 }, None));
                }
                ranges.push((protocol, row.ports, Some(row.leaf)));
                next = max.checked_add(1);
            }
            if let Some(min) = next {
                ranges.push((protocol, PortRange { min, max: u16::MAX }, None));
            }
        }
        ranges.into_iter()
    }

    /// The steps for this packet.
    pub(crate) fn leaf(&self, flow: &Flow) -> Option<&[Step]> {
        let (_, port) = flow.ports()?;
        let means = |row: &&SpreadRow| row.protocol == flow.protocol() && row.ports.contains(port);
        let row = self.rows.iter().find(means)?;
        self.leaves.get(row.leaf).map(Vec::as_slice)
    }
}
