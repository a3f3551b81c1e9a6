//! The rule program: what a backend writes in its own words.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::ipset::IpSet;
use crate::key::{Direction, Origin, PolicyKey};
use crate::rule::{Family, PortRange};
use crate::table::{Spread, Tuples};

/// Rules of one host, in no backend's words.
///
/// A packet that enters by an interface of [`dispatch`](Self::dispatch) runs through the guard and then that interface's
/// egress chain; one that leaves by such an interface, through its ingress chain. It goes on if all that judge it accept.
/// An interface of a workload that is not there is dropped. [`interpret`](crate::interpret) does all this.
///
/// Chains end in a verdict or return to where they were jumped to from; there are no loops, and no chain is nested deeper
/// than two.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Program {
    /// Addresses that [`Addresses::Set`] speaks of.
    pub sets: BTreeMap<Selector, IpSet>,
    /// All chains; [`ChainId`] counts them from 0.
    pub chains: Vec<Chain>,
    /// Judges every packet from a workload, before its egress chain; ends in going on.
    pub guard: Vec<Step>,
    /// Chains of each interface, by its name: 1 to 15 of `[a-zA-Z0-9_.-]`.
    pub dispatch: BTreeMap<String, Dispatch>,
}

impl Program {
    /// The chain with this id.
    #[must_use]
    pub fn chain(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(id.index())
    }
}

/// Chains of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dispatch {
    /// Id of the endpoint.
    pub endpoint: String,
    /// Judges packets to it.
    pub ingress: ChainId,
    /// Judges packets from it.
    pub egress: ChainId,
}

impl Dispatch {
    /// The chain that judges its packets in this direction.
    #[must_use]
    pub const fn chain(&self, direction: Direction) -> ChainId {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

/// Place of a chain in [`Program::chains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId(pub(crate) usize);

impl ChainId {
    /// The place, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Steps that are tried in order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Chain {
    /// What the chain is for.
    pub role: Role,
    /// Direction of the packets that it judges.
    pub direction: Direction,
    /// The steps.
    pub steps: Vec<Step>,
}

/// What a chain is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Rules of one policy, for all lists that it is in. No verdict returns.
    Policy(PolicyKey),
    /// Rules of one profile. No verdict returns.
    Profile(String),
    /// Policies in order, and the end of their tier; shared by all endpoints with the same list. Ends in a verdict.
    Policies(Vec<PolicyKey>),
    /// Profiles in order, and the end of all. Ends in a verdict.
    Profiles(Vec<String>),
}

/// One step: if all its matches hold, its action is taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// What must hold, all of it.
    pub matches: Vec<Match>,
    /// What is done then.
    pub action: StepAction,
    /// What the step stems from; `None` for a step that only leads to another chain.
    pub origin: Option<Origin>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StepAction {
    /// This end lets the packet go on.
    Accept,
    /// The packet is dropped.
    Drop,
    /// The packet is logged, and the next step is tried.
    Log,
    /// The chain is tried, and the next step if it returns.
    Jump(ChainId),
    /// The chain is tried in place of the rest of this one.
    Goto(ChainId),
    /// The rest of this chain is skipped.
    Return,
    /// The leaf for the packet's protocol and port is tried, if there is one, and the next step if it returns.
    Spread(Arc<Spread>),
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum End {
    /// The sender.
    Source,
    /// The receiver.
    Destination,
}

/// What must hold of a packet.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Match {
    /// It is of this IP version.
    Family(Family),
    /// Its IP protocol is this one, or another if negated.
    #[non_exhaustive]
    Protocol {
        /// Number of the protocol.
        number: u8,
        /// Whether it must be another.
        negated: bool,
    },
    /// It is of this IP version, and its address is one of these, or none if negated.
    #[non_exhaustive]
    Address {
        /// Which of its addresses.
        end: End,
        /// Its IP version.
        family: Family,
        /// The addresses.
        addresses: Addresses,
        /// Whether it must be none of these.
        negated: bool,
    },
    /// Its port is one of these, or none if negated. A match of a protocol with ports goes before.
    #[non_exhaustive]
    Port {
        /// Which of its ports.
        end: End,
        /// Ports in rising order; no two ranges touch.
        ranges: Vec<PortRange>,
        /// Whether it must be none of these.
        negated: bool,
    },
    /// It is an ICMP message of this family with this type, or another if negated. A match of the protocol goes before.
    #[non_exhaustive]
    IcmpType {
        /// IPv4 for ICMP, IPv6 for ICMPv6.
        family: Family,
        /// Type of the message.
        kind: u8,
        /// Whether it must be another.
        negated: bool,
    },
    /// It is an ICMP message of this family with this code, or another if negated. A match of the protocol goes before.
    #[non_exhaustive]
    IcmpCode {
        /// IPv4 for ICMP, IPv6 for ICMPv6.
        family: Family,
        /// Code of the message.
        code: u8,
        /// Whether it must be another.
        negated: bool,
    },
    /// A row of the table has its fields.
    Tuple(Arc<Tuples>),
}

/// Addresses to compare with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Addresses {
    /// These prefixes: at least one, in rising order, all of one family, none overlapping another.
    Nets(Vec<IpNet>),
    /// Those in the set of this selector, of the family of the match.
    Set(Selector),
}
