//! The rule program: what a backend writes in its own words.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::key::{Direction, ListKind, Origin, PolicyKey};
use crate::rule::{Family, PortRange};
use crate::set::{Members, SetId};
use crate::settings::HostAction;
use crate::table::{Spread, Tuples};

/// Rules of one host, in no backend's words.
///
/// A packet that enters by an interface of [`dispatch`](Self::dispatch) runs through the guard and then that interface's
/// egress chain; one that leaves by such an interface, through its ingress chain. An interface of a workload that is not
/// there is dropped. A packet that enters or leaves by an interface of [`hosts`](Self::hosts), or, failing that, of
/// [`all_interfaces`](Self::all_interfaces), runs through the chains of its lists. The packet goes on if all that judge
/// it accept. [`interpret`](crate::interpret) does all this, and says in which order.
///
/// Chains are shared by all that have the same key. They end in a verdict or return to where they were jumped to from;
/// there are no loops, and no chain is nested deeper than [`MAX_DEPTH`](Self::MAX_DEPTH), however many tiers there are.
/// Equal inputs make equal programs, in whatever order they were inserted.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Program {
    /// Members of the sets that matches speak of.
    pub sets: BTreeMap<SetId, Members>,
    /// All chains.
    pub chains: BTreeMap<ChainKey, Arc<Chain>>,
    /// Judges every packet from a workload, before its egress chain; ends in going on.
    pub guard: Vec<Step>,
    /// Judges every packet from a workload to its host, before all else about the workload; ends in going on.
    pub to_host: Vec<Step>,
    /// What becomes of packets from workloads to their host that their egress chains accept.
    pub host_action: HostAction,
    /// Chains of each interface of a workload, by its name: 1 to 15 of `[a-zA-Z0-9_.-]`.
    pub dispatch: BTreeMap<String, Dispatch>,
    /// Chains of each interface of the host itself that has a host endpoint, by its name.
    pub hosts: BTreeMap<String, HostDispatch>,
    /// Chains of all other interfaces, those of workloads included: they have no untracked lists, and no normal egress
    /// to workloads.
    pub all_interfaces: Option<HostDispatch>,
}

impl Program {
    /// Deepest nesting of chains: from a list to a tier, from there to a policy.
    pub const MAX_DEPTH: usize = 3;

    /// The chain with this key.
    #[must_use]
    pub fn chain(&self, key: &ChainKey) -> Option<&Chain> {
        self.chains.get(key).map(Arc::as_ref)
    }
}

/// Chains of one interface of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dispatch {
    /// Id of the endpoint.
    pub endpoint: String,
    /// Judges packets to it.
    pub ingress: ChainKey,
    /// Judges packets from it.
    pub egress: ChainKey,
}

impl Dispatch {
    /// The chain that judges its packets in this direction.
    #[must_use]
    pub const fn chain(&self, direction: Direction) -> &ChainKey {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// Chains of one host endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostDispatch {
    /// Name of the host endpoint.
    pub endpoint: String,
    /// Its chains. The normal ones are there always; where another is not there, the packet goes on.
    pub lists: BTreeMap<(ListKind, Direction), ChainKey>,
}

/// What a chain is for. Chains with equal keys are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChainKey {
    /// Rules of one policy without Pass, for all tiers where it is not the only one. No verdict returns.
    #[non_exhaustive]
    Policy {
        /// The policy.
        policy: Arc<PolicyKey>,
        /// Which of its rules.
        direction: Direction,
        /// Whether rules with HTTP criteria are among them; false if it has none.
        http: bool,
    },
    /// Rules of one profile. No verdict returns.
    #[non_exhaustive]
    Profile {
        /// Name of the profile.
        profile: Arc<str>,
        /// Which of its rules.
        direction: Direction,
        /// Whether rules with HTTP criteria are among them; false if it has none.
        http: bool,
    },
    /// Policies of one tier in order, and its default action. A Pass returns.
    Tier(Arc<TierKey>),
    /// Profiles in order, and the end of all. Ends in a verdict.
    Profiles(Arc<ProfilesKey>),
    /// Tiers in order, and what comes after them. Ends in a verdict.
    List(Arc<ListKey>),
    /// Ports that a host never closes. No verdict returns.
    #[non_exhaustive]
    Failsafe {
        /// Direction of the packets.
        direction: Direction,
        /// Whether replies are among them, because no connection is tracked.
        replies: bool,
    },
}

impl ChainKey {
    /// Direction of the packets that the chain judges, seen from the endpoint.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Self::Policy { direction, .. }
            | Self::Profile { direction, .. }
            | Self::Failsafe { direction, .. } => *direction,
            Self::Tier(key) => key.direction,
            Self::Profiles(key) => key.direction,
            Self::List(key) => key.direction,
        }
    }
}

/// What a chain of a tier is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct TierKey {
    /// Name of the tier.
    pub tier: Arc<str>,
    /// Direction of the packets.
    pub direction: Direction,
    /// Whether it is for a host.
    pub is_host: bool,
    /// Whether the chain returns if no rule matches; else it drops.
    pub passes: bool,
    /// Whether rules with HTTP criteria count; false if there are none.
    pub http: bool,
    /// The policies in order.
    pub policies: Vec<Arc<PolicyKey>>,
}

/// What a chain of profiles is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ProfilesKey {
    /// Direction of the packets.
    pub direction: Direction,
    /// Whether it is for a host, which a profile that is not known leaves open.
    pub is_host: bool,
    /// Whether rules with HTTP criteria count; false if there are none.
    pub http: bool,
    /// The profiles in order.
    pub profiles: Vec<Arc<str>>,
}

/// What a chain of a list is made of. What cannot be reached is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ListKey {
    /// Which list.
    pub list: ListKind,
    /// Direction of the packets.
    pub direction: Direction,
    /// Whether it is for a host: then failsafe ports come first.
    pub is_host: bool,
    /// The tiers in order.
    pub tiers: Vec<Arc<TierKey>>,
    /// Where it goes on after them.
    pub profiles: Option<Arc<ProfilesKey>>,
}

/// Steps that are tried in order.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Chain {
    /// Name of the tier that the steps stem from, if they stem from one.
    pub tier: Option<Arc<str>>,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Chain {
    /// Keys of the chains that this one leads to; one may come more than once.
    pub fn targets(&self) -> impl Iterator<Item = &ChainKey> {
        self.steps.iter().filter_map(|step| match &step.action {
            StepAction::Jump(key) | StepAction::Goto(key) => Some(key),
            _ => None,
        })
    }
}

/// One step: if all its matches hold, its action is taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// What must hold, all of it.
    pub matches: Vec<Match>,
    /// What is done then.
    pub action: StepAction,
    /// What the step stems from; `None` for a step that only leads to another chain. With the tier of its chain, this is
    /// what a kernel's rule is known by.
    pub origin: Option<Origin>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StepAction {
    /// This list lets the packet go on.
    Accept,
    /// All that the host's policy has to say where the packet comes in, or where the host sends it out, lets it go on.
    /// If `untracked`, its connection is not tracked either.
    #[non_exhaustive]
    AcceptHost {
        /// Whether the connection is not tracked.
        untracked: bool,
    },
    /// The packet is dropped.
    Drop,
    /// The packet is logged, and the next step is tried.
    Log,
    /// The chain is tried, and the next step if it returns.
    Jump(ChainKey),
    /// The chain is tried in place of the rest of this one.
    Goto(ChainKey),
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
    /// It is of this IP version, and its address and port are in this set, which has ports, or are not if negated. A
    /// packet without ports is in none.
    #[non_exhaustive]
    AddressPort {
        /// Which of its addresses and ports.
        end: End,
        /// Its IP version.
        family: Family,
        /// The set.
        set: SetId,
        /// Whether it must not be in it.
        negated: bool,
    },
    /// Its port is one of these, or none if negated. A match of a protocol with ports goes before.
    #[non_exhaustive]
    Port {
        /// Which of its ports.
        end: End,
        /// Ports in rising order; no two ranges touch. Few of them, as in nearly all rules, are no allocation.
        ranges: SmallVec<[PortRange; 4]>,
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
    /// These prefixes: at least one, in rising order, all of one family, none overlapping another. A single one, as in most
    /// rules, is no allocation.
    Nets(SmallVec<[IpNet; 1]>),
    /// Those in this set, of the family of the match.
    Set(SetId),
}
