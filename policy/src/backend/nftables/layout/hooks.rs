//! Where the rules are hooked in, and how packets find theirs.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::chains::lines;
use super::network::{Matches, network_chains};
use super::{Catalogue, Comment, Deed, Hook, LaidChain, Leads, Line, Place, Priority, Side, Test, Tests};
use crate::backend::nftables::Options;
use crate::key::{Direction, ListKind};
use crate::model::Protocol;
use crate::program::{End, HostDispatch, Program};
use crate::settings::HostAction;

/// A base chain that packets of host endpoints come to.
struct HostHook {
    list: ListKind,
    direction: Direction,
    /// Of the map.
    name: &'static str,
    /// Of the chain.
    chain: &'static str,
    hook: Hook,
}

const HOST_HOOKS: [HostHook; 8] = {
    use Direction::{Egress, Ingress};
    use ListKind::{Forward, Normal, PreDnat, Untracked};
    use Priority::{Filter, Mangle, Raw};
    const fn of(
        list: ListKind,
        direction: Direction,
        chain: &'static str,
        name: &'static str,
        hook: Hook,
    ) -> HostHook {
        HostHook { list, direction, name, chain, hook }
    }
    [
        of(
            Untracked,
            Ingress,
            "hook-host-untracked-ingress",
            "host-untracked-ingress",
            at(Place::Prerouting, Raw, 0),
        ),
        of(
            Untracked,
            Egress,
            "hook-host-untracked-egress",
            "host-untracked-egress",
            at(Place::Output, Raw, 0),
        ),
        of(
            PreDnat,
            Ingress,
            "hook-host-prednat-ingress",
            "host-prednat-ingress",
            at(Place::Prerouting, Mangle, 0),
        ),
        of(
            Forward,
            Ingress,
            "hook-host-forward-ingress",
            "host-forward-ingress",
            at(Place::Forward, Filter, 2),
        ),
        of(Forward, Egress, "hook-host-forward-egress", "host-forward-egress", at(Place::Forward, Filter, 3)),
        of(Normal, Ingress, "hook-host-ingress", "host-ingress", at(Place::Input, Filter, 2)),
        of(Normal, Egress, "hook-host-egress", "host-egress", at(Place::Output, Filter, 0)),
        // The hook before still names the interface that led to the address before it was translated.
        of(
            Normal,
            Egress,
            "hook-host-egress-translated",
            "host-egress-translated",
            at(Place::Postrouting, Mangle, 0),
        ),
    ]
};

/// Base chains that packets of workloads come to: where, its name, whose interface, and the chain that judges.
const WORKLOAD_HOOKS: [(Hook, &str, Side, &str); 5] = [
    (at(Place::Prerouting, Priority::Raw, 0), "prerouting-check-source", Side::In, "check-source"),
    (at(Place::Forward, Priority::Filter, 0), "forward-judge-egress", Side::In, "judge-egress"),
    (at(Place::Forward, Priority::Filter, 1), "forward-judge-ingress", Side::Out, "judge-ingress"),
    (at(Place::Input, Priority::Filter, 0), "input-judge-egress-to-host", Side::In, "judge-egress-to-host"),
    (at(Place::Input, Priority::Filter, 1), "input-to-host", Side::In, "to-host"),
];

/// A chain with what a host accepts of its workloads, and what it does not, ahead of all policy.
const SOLICITATIONS: &str = "solicitations";

pub(super) const fn at(place: Place, priority: Priority, behind: u8) -> Hook {
    Hook { place, priority, behind }
}

/// Why what comes back from where its interface leads is dropped: whoever is sent from an old rule to a new chain finds it empty.
pub(super) const REPLACED: &str = "these rules are being replaced";

fn line<'a>(tests: Vec<Test<'a>>, deed: Deed<'a>) -> Line<'a> {
    Line { tests: tests.into(), counter: None, deed, comment: None }
}

pub(super) fn said<'a>(tests: impl Into<Tests<'a>>, deed: Deed<'a>, comment: &'static str) -> Line<'a> {
    Line { tests: tests.into(), counter: None, deed, comment: Some(Comment::Text(comment)) }
}

fn established<'a>() -> Line<'a> {
    line(vec![Test::Established], Deed::Accept)
}

/// Interfaces of the host that have rules of their own. An interface of a workload is none of the host.
fn host_interfaces(program: &Program) -> impl Iterator<Item = &str> {
    program.hosts.keys().filter(|name| !program.dispatch.contains_key(*name)).map(String::as_str)
}

/// Whether the program has rules for interfaces of the host.
pub(in super::super) fn has_hosts(program: &Program) -> bool {
    !program.hosts.is_empty() || program.all_interfaces.is_some()
}

/// A verdict map from interfaces to their chains.
#[derive(Clone, Copy)]
pub(in super::super) enum InterfaceMap {
    /// Of workloads.
    Workloads(Direction),
    /// Of the host, for one hook.
    Hosts(usize),
}

impl InterfaceMap {
    /// All that there may be; those of the host are there if it has rules.
    pub(in super::super) fn all() -> impl Iterator<Item = Self> {
        let workloads = [Direction::Egress, Direction::Ingress].map(Self::Workloads);
        workloads.into_iter().chain((0..HOST_HOOKS.len()).map(Self::Hosts))
    }

    /// Whether the table of this program has it.
    pub(in super::super) fn is_there(self, program: &Program) -> bool {
        matches!(self, Self::Workloads(_)) || has_hosts(program)
    }

    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Workloads(direction) => direction.as_str(),
            Self::Hosts(hook) => HOST_HOOKS.get(hook).map_or("", |hook| hook.name),
        }
    }

    /// The interfaces that it knows.
    pub(in super::super) fn interfaces(self, program: &Program) -> impl Iterator<Item = &str> {
        let workloads = program.dispatch.keys().filter(move |_| matches!(self, Self::Workloads(_)));
        let hosts = host_interfaces(program).filter(move |_| matches!(self, Self::Hosts(_)));
        workloads.map(String::as_str).chain(hosts)
    }

    /// Where it leads from this interface. A workload whose chain is not there is dropped; where the host has no chain, the
    /// packet goes on.
    pub(in super::super) fn leads<'a>(
        self,
        program: &Program,
        catalogue: &'a impl Catalogue,
        interface: &str,
    ) -> Option<Leads<'a>> {
        match self {
            Self::Workloads(direction) => {
                let chain = program.dispatch.get(interface)?.chain(direction);
                Some(catalogue.chain(chain).map_or(Leads::Drop, Leads::Jump))
            }
            Self::Hosts(_) if program.dispatch.contains_key(interface) => None,
            Self::Hosts(hook) => {
                Some(host_leads(catalogue, program.hosts.get(interface)?, HOST_HOOKS.get(hook)?))
            }
        }
    }
}

/// The chain of one host endpoint for this hook. Where there is none, the packet goes on.
fn host_leads<'a>(catalogue: &'a impl Catalogue, host: &HostDispatch, hook: &HostHook) -> Leads<'a> {
    let chain = host.lists.get(&(hook.list, hook.direction));
    chain.and_then(|key| catalogue.chain(key)).map_or(Leads::Accept, Leads::Jump)
}

#[cfg(feature = "nft-wire")]
/// Whether the [fixed chains](fixed_chains) of two programs are the same, if the chains that they lead to are.
pub(in super::super) fn is_fixed_equal(a: &Program, b: &Program, options: &Options) -> bool {
    let others = |program: &'_ Program| {
        let prefix = options.workload_prefix.as_str();
        let names = program.dispatch.keys().filter(|name| !name.starts_with(prefix)).cloned();
        names.collect::<Vec<_>>()
    };
    a.guard == b.guard
        && a.to_host == b.to_host
        && a.host_action == b.host_action
        && a.all_interfaces == b.all_interfaces
        && has_hosts(a) == has_hosts(b)
        && host_interfaces(a).eq(host_interfaces(b))
        && others(a) == others(b)
}

/// The chains that every table has, those for interfaces of the host if there are any, and those of the network.
pub(in super::super) fn fixed_chains<'a>(
    program: &'a Program,
    catalogue: &'a impl Catalogue,
    options: &'a Options,
    matches: &'a [Matches; 2],
) -> Vec<LaidChain<'a>> {
    let fixed = Fixed { program, catalogue, options };
    let mut chains = fixed.judges();
    chains.extend(WORKLOAD_HOOKS.iter().map(|(hook, name, side, judge)| {
        LaidChain::new(*name, Some(*hook), fixed.for_workloads(*side, &Deed::Goto(judge)))
    }));
    chains.extend(HOST_HOOKS.iter().filter(|_| has_hosts(program)).map(|hook| fixed.host_hook(hook)));
    chains.extend(network_chains(&options.network, matches, catalogue));
    chains
}

/// Chains that drop every packet from and to workloads, established connections included.
pub(in super::super) fn lockdown_chains(options: &Options) -> Vec<LaidChain<'_>> {
    let chain = |name: &str, place, sides: &[Side]| {
        let lines = sides.iter().map(|side| {
            let prefix = Test::Prefix(*side, &options.workload_prefix);
            said(vec![prefix], Deed::Drop, "no policy is loaded")
        });
        LaidChain::new(name, Some(at(place, Priority::Filter, 0)), lines.collect())
    };
    vec![
        chain("lockdown-forward", Place::Forward, &[Side::In, Side::Out]),
        chain("lockdown-input", Place::Input, &[Side::In]),
    ]
}

struct Fixed<'a, C> {
    program: &'a Program,
    catalogue: &'a C,
    options: &'a Options,
}

impl<'a, C: Catalogue> Fixed<'a, C> {
    /// What becomes of packets that tracking knows nothing of, unless policy is asked.
    fn invalid(&self) -> Option<Line<'a>> {
        (!self.options.judges_invalid).then(|| line(vec![Test::Invalid], Deed::Drop))
    }

    /// Chains that every packet of a workload comes to, one for each way that it can go.
    fn judges(&self) -> Vec<LaidChain<'a>> {
        let program = self.program;
        let mut chains = Vec::new();
        for (name, direction, to_host) in [
            ("judge-egress", Direction::Egress, false),
            ("judge-ingress", Direction::Ingress, false),
            ("judge-egress-to-host", Direction::Egress, true),
        ] {
            // Plain rules, not a map or a set: while the table is replaced, a packet may still run through the old chain,
            // where the elements are gone already; an established connection would then lose it.
            let marked = |is_set| Test::ConnectionMarked { mark: self.options.connection_mark, is_set };
            let mut rules = vec![
                line(vec![Test::Established, marked(false)], Deed::Accept),
                said(vec![marked(true)], Deed::Drop, "this connection is cut"),
            ];
            rules.extend(self.invalid());
            if to_host {
                rules.extend(lines(self.catalogue, &program.to_host));
            }
            let side = if direction == Direction::Egress {
                rules.extend(lines(self.catalogue, &program.guard));
                Side::In
            } else {
                Side::Out
            };
            rules.push(line(vec![], Deed::Dispatch(side, direction.as_str())));
            rules.push(said(vec![], Deed::Drop, "unknown interface, or its rules are being replaced"));
            chains.push(LaidChain::new(name, None, rules));
        }

        let mut rules = vec![established()];
        rules.extend(lines(self.catalogue, &program.to_host));
        let deed = match program.host_action {
            HostAction::Drop => Deed::Drop,
            HostAction::Accept => Deed::Accept,
            HostAction::Return => Deed::Return,
        };
        rules.push(said(vec![], deed, "from a workload to its host"));
        chains.push(LaidChain::new("to-host", None, rules));
        if self.leaves_workloads_to_hosts() {
            chains.push(LaidChain::new(SOLICITATIONS, None, lines(self.catalogue, &program.to_host)));
        }

        // Link-local addresses are not forwarded, and each interface has its own; without any address yet, a workload
        // asks whether the one that it wants is taken.
        let net = |end, address, len| Test::Net(end, Ipv6Net::new_assert(address, len).into());
        let link_local = net(End::Source, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
        let nobody = net(End::Source, Ipv6Addr::UNSPECIFIED, 128);
        let neighbours = net(End::Destination, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0), 16);
        let rules = vec![
            line(vec![link_local], Deed::Accept),
            line(
                vec![nobody, neighbours, Test::Protocol { number: Protocol::ICMPV6, negated: false }],
                Deed::Accept,
            ),
            said(vec![Test::Unrouted], Deed::Drop, "source address is not of this workload"),
        ];
        chains.push(LaidChain::new("check-source", None, rules));
        chains
    }

    /// A rule for each name that an interface of a workload may have.
    fn for_workloads(&self, side: Side, deed: &Deed<'a>) -> Vec<Line<'a>> {
        let prefix = self.options.workload_prefix.as_str();
        let names = self.program.dispatch.keys().filter(|name| !name.starts_with(prefix));
        let others = names.map(|name| Test::Interface(side, name));
        [Test::Prefix(side, prefix)].into_iter().chain(others).map(|test| line(vec![test], *deed)).collect()
    }

    /// Whether policy of the host is asked about what workloads send it.
    fn leaves_workloads_to_hosts(&self) -> bool {
        has_hosts(self.program) && self.program.host_action == HostAction::Return
    }

    /// A base chain for host endpoints.
    fn host_hook(&self, hook: &HostHook) -> LaidChain<'a> {
        let side = if hook.direction == Direction::Ingress { Side::In } else { Side::Out };
        let mut rules = Vec::new();
        // Whoever comes in does not say of himself that he is accepted.
        if hook.list == ListKind::Untracked {
            rules.push(line(vec![], Deed::ClearMark));
        }
        match hook.hook.place {
            Place::Output if hook.list == ListKind::Normal => {
                rules.push(line(vec![Test::Translated(true)], Deed::Accept));
            }
            Place::Postrouting => rules.extend(
                [Test::Forwarded, Test::Translated(false)].map(|test| line(vec![test], Deed::Accept)),
            ),
            _ => {}
        }
        match (hook.list, hook.direction) {
            // What a workload sends its host has been decided on, unless that is left to others.
            (ListKind::Normal, Direction::Ingress) if self.program.host_action != HostAction::Return => {
                rules.extend(self.for_workloads(side, &Deed::Accept));
            }
            // What has been accepted ahead of all policy is not left to anybody.
            (ListKind::Normal, Direction::Ingress) => {
                rules.extend(self.for_workloads(side, &Deed::Jump(SOLICITATIONS)));
            }
            // What the host sends its workloads is not policed.
            (ListKind::Normal, Direction::Egress) => rules.extend(self.for_workloads(side, &Deed::Accept)),
            // Before tracking, workloads have no policy of a host.
            (ListKind::Untracked, _) => rules.extend(self.for_workloads(side, &Deed::Accept)),
            _ => {}
        }
        let names: Vec<&str> = host_interfaces(self.program).collect();
        let others = || match names.is_empty() {
            true => vec![],
            false => vec![Test::NoneOf(side, names.clone())],
        };
        let all = self.program.all_interfaces.as_ref().filter(|_| hook.list != ListKind::Untracked);
        if all.is_none() {
            // No packet of an interface without host endpoint meets a rule.
            rules.push(line(others(), Deed::Accept));
        }
        if hook.list != ListKind::Untracked {
            rules.push(established());
            if (hook.list, hook.direction) != (ListKind::Forward, Direction::Egress) {
                rules.push(line(vec![Test::Marked(self.options.mark)], Deed::Accept));
            }
        }
        if matches!(hook.list, ListKind::Normal | ListKind::Forward) {
            rules.extend(self.invalid());
        }
        if let Some(host) = all {
            let deed = match host_leads(self.catalogue, host, hook) {
                Leads::Jump(chain) => Deed::Goto(chain),
                Leads::Accept | Leads::Drop => Deed::Accept,
            };
            rules.push(line(others(), deed));
        }
        rules.push(line(vec![], Deed::Dispatch(side, hook.name)));
        rules.push(said(vec![], Deed::Drop, REPLACED));
        LaidChain::new(hook.chain, Some(hook.hook), rules)
    }
}
