//! The layout of the table: which sets, maps and chains it has and what stands in them, whoever writes it down.

mod chains;
mod counters;
mod hooks;
mod inline;
mod names;
mod network;
mod origins;
mod parts;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

pub(super) use chains::Outline;
#[cfg(feature = "nft-wire")]
pub(super) use counters::Counter;
#[cfg(feature = "nft-wire")]
pub(super) use hooks::is_fixed_equal;
pub(super) use hooks::{InterfaceMap, fixed_chains, lockdown_chains};
#[cfg(feature = "nft-wire")]
pub(super) use inline::joined;
pub(super) use names::{about, chain_name, comment};
pub(super) use network::matches as network_matches;
pub(super) use origins::Origins;
#[cfg(feature = "nft-wire")]
pub(super) use parts::Lengths;
pub(super) use parts::{Part, PartKind, part_id, parts_of, room};

use crate::key::Origin;
use crate::program::{ChainKey, End, Match};
use crate::rule::{Family, PortRange};
use crate::set::SetId;
use crate::table::Spread;

/// What a chain needs to know of what stands beside it.
pub(super) trait Catalogue {
    /// Name of the chain with this key; `None` if there is none.
    fn chain(&self, key: &ChainKey) -> Option<&str>;
    /// The kernel's sets that a set is made of.
    fn parts(&self, set: &SetId, family: Family) -> &[Part];
}

/// What is said of a chain.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) name: String,
    /// What it is about, for people.
    pub(super) about: Option<String>,
    pub(super) hook: Option<Hook>,
}

/// A chain, and what stands in it.
#[derive(Debug)]
pub(super) struct LaidChain<'a> {
    pub(super) head: Head,
    pub(super) lines: Vec<Line<'a>>,
}

/// Where a base chain is hooked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) place: Place,
    pub(super) priority: Priority,
    /// How far behind that.
    pub(super) behind: u8,
}

/// A hook of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

/// A priority with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    Raw,
    Mangle,
    Filter,
    SrcNat,
}

impl Head {
    /// One of which nothing is said.
    fn new(name: impl Into<String>, hook: Option<Hook>) -> Self {
        Self { name: name.into(), about: None, hook }
    }
}

impl<'a> LaidChain<'a> {
    fn new(name: impl Into<String>, hook: Option<Hook>, lines: Vec<Line<'a>>) -> Self {
        Self { head: Head::new(name, hook), lines }
    }
}

impl Hook {
    /// The kind of a base chain here.
    pub(super) fn kind(self) -> &'static str {
        if self.priority == Priority::SrcNat { "nat" } else { "filter" }
    }
}

/// One rule of the kernel.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) tests: Tests<'a>,
    /// Name of what counts the packets for which all that holds.
    pub(super) counter: Option<&'a str>,
    pub(super) deed: Deed<'a>,
    pub(super) comment: Option<Comment<'a>>,
}

/// What is said of a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Comment<'a> {
    Origin(&'a Origin),
    Text(&'static str),
}

/// Which interface of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    In,
    Out,
}

/// What must hold of a packet, all of it; that of nearly all rules is no allocation.
pub(super) type Tests<'a> = SmallVec<[Test<'a>; 6]>;

/// What must hold of a packet.
#[derive(Clone, Debug)]
pub(super) enum Test<'a> {
    /// A match that speaks of no set.
    Match(&'a Match),
    /// It is of this IP version.
    Family(Family),
    /// Its address is in this part of a set, or is not.
    InSet { end: End, family: Family, part: &'a Part, negated: bool },
    /// Its port is in this range, or is not.
    Port { end: End, range: PortRange, negated: bool },
    /// Its address is from the first of these to the last, or is not.
    Between { end: End, addresses: (IpAddr, IpAddr), negated: bool },
    /// Its address is in this prefix.
    Net(End, IpNet),
    /// Its protocol is this one, or is not.
    Protocol { number: u8, negated: bool },
    /// It is of a connection that was accepted, or related to one.
    Established,
    /// This bit of the mark of its connection is set, or is not.
    ConnectionMarked { mark: u32, is_set: bool },
    /// It is of no connection, and begins none.
    Invalid,
    /// This bit of its mark is set.
    Marked(u32),
    /// It came in by an interface.
    Forwarded,
    /// The destination of its connection is translated, or is not.
    Translated(bool),
    /// Its interface has this name.
    Interface(Side, &'a str),
    /// The name of its interface begins so.
    Prefix(Side, &'a str),
    /// Its interface is none of these.
    NoneOf(Side, Vec<&'a str>),
    /// Packets to its sender do not leave by the interface that it came in by.
    Unrouted,
}

/// What is done then.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed<'a> {
    Accept,
    Drop,
    /// It is dropped, and its sender is told.
    Reject,
    /// Its source is translated, to ports among these.
    Translate {
        address: Option<IpAddr>,
        ports: Option<PortRange>,
    },
    Return,
    Log,
    /// The mark is set, and the packet accepted.
    AcceptMarked {
        untracked: bool,
    },
    /// The mark is cleared.
    ClearMark,
    Jump(&'a str),
    Goto(&'a str),
    /// What the map says of the interface.
    Dispatch(Side, &'static str),
    /// The leaf for its protocol and port, or back to the steps behind; the names of leaves begin so.
    Spread(&'a Spread, &'a str),
}

/// Name of a leaf.
pub(super) fn leaf_name(leaves: &str, number: usize) -> String {
    alloc::format!("{leaves}-{number}")
}

/// Where an interface leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads<'a> {
    Accept,
    Drop,
    /// What comes back from there is dropped.
    Jump(&'a str),
}
