//! What a rule program does with a packet.

use alloc::string::String;
use alloc::vec::Vec;

use crate::flow::Flow;
use crate::host::{Packet, Place};
use crate::key::{Direction, ListKind, Origin, Verdict};
use crate::program::{Addresses, ChainKey, End, HostDispatch, Match, Program, Step, StepAction};
use crate::rule::Family;
use crate::set::{Members, PortMember, SetId};
use crate::settings::HostAction;
use crate::table::Row;

/// What a program does with a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interpretation {
    /// What each endpoint says on the way, in the order in which they are asked; all are asked, even if one has dropped it.
    pub judgements: Vec<Judgement>,
}

impl Interpretation {
    /// Allow if all say so.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let denied = self.judgements.iter().any(|judgement| judgement.verdict == Verdict::Deny);
        if denied { Verdict::Deny } else { Verdict::Allow }
    }
}

/// What one endpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain vocabulary, which tests of backends compare")]
pub struct Judgement {
    /// Id of the endpoint, or name of the host endpoint, or of the interface that no endpoint has.
    pub endpoint: String,
    /// Direction of the packet, seen from the endpoint.
    pub direction: Direction,
    /// Which of its policies were asked.
    pub list: ListKind,
    /// The verdict.
    pub verdict: Verdict,
    /// What decided it.
    pub decided_by: Origin,
    /// Log rules that matched on the way.
    pub logged: Vec<Origin>,
}

/// Runs a packet through a program.
///
/// This is what a backend must make the kernel do; the order is that of [`evaluate_packet`](crate::evaluate_packet).
#[must_use]
pub fn interpret(program: &Program, packet: &Packet<'_>) -> Interpretation {
    let sets = |set: &SetId| program.sets.get(set);
    let mut run = Run { program, sets: &sets, judgements: Vec::new() };
    run.packet(packet);
    Interpretation { judgements: run.judgements }
}

/// What the workloads at both ends of a packet say of it, and the host of what they send it; the policy of interfaces of the
/// host is not asked. Members of sets are looked up as this function says.
#[cfg(feature = "nft-wire")]
pub(crate) fn interpret_workloads<'a>(
    program: &'a Program,
    sets: Sets<'a, '_>,
    packet: &Packet<'_>,
) -> Interpretation {
    let mut run = Run { program, sets, judgements: Vec::new() };
    let (flow, to_host) = (packet.flow.canonical(), packet.to == Place::Host);
    if let Place::Workload(name) = packet.from {
        run.sender(name, to_host, &flow);
    }
    match packet.to {
        Place::Workload(name) if packet.from != Place::Host => run.workload(name, Direction::Ingress, &flow),
        _ => {}
    }
    Interpretation { judgements: run.judgements }
}

/// Where members of sets are looked up.
type Sets<'a, 's> = &'s dyn Fn(&SetId) -> Option<&'a Members>;

/// A step that ended everything.
struct Decision<'a> {
    action: &'a StepAction,
    origin: Origin,
}

/// What becomes of the packet of a workload.
enum Sender {
    /// All is said.
    Decided,
    /// The policy of the host has nothing to say any more where the packet comes in.
    Accepted,
    /// Others are to be asked.
    Undecided,
}

struct Run<'a, 's> {
    program: &'a Program,
    sets: Sets<'a, 's>,
    judgements: Vec<Judgement>,
}

impl<'a> Run<'a, '_> {
    fn packet(&mut self, packet: &Packet<'_>) {
        let program = self.program;
        let (flow, original) = (packet.flow.canonical(), packet.original_flow());
        let named = |place: Place<'_>| match place {
            Place::Interface(name) => program.hosts.get(name),
            Place::Host | Place::Workload(_) => None,
        };
        let host = |place: Place<'_>| match place {
            Place::Host => None,
            Place::Interface(_) | Place::Workload(_) => named(place).or(program.all_interfaces.as_ref()),
        };
        let to_host = packet.to == Place::Host;
        let from_host = packet.from == Place::Host;

        let untracked = |run: &mut Self, place, direction| {
            named(place).is_some_and(|host| run.host(host, ListKind::Untracked, direction, &original))
        };
        let mut accepted = untracked(self, packet.from, Direction::Ingress);
        if let Some(host) = host(packet.from).filter(|_| !accepted) {
            accepted = self.host(host, ListKind::PreDnat, Direction::Ingress, &original);
        }
        if let Place::Workload(name) = packet.from {
            match self.sender(name, to_host, &flow) {
                Sender::Decided => return,
                Sender::Accepted => accepted = true,
                Sender::Undecided => {}
            }
        }
        if let Some(host) = host(packet.from).filter(|_| !accepted) {
            let list = if to_host { ListKind::Normal } else { ListKind::Forward };
            self.host(host, list, Direction::Ingress, &flow);
        }
        match packet.to {
            Place::Workload(name) if !from_host => self.workload(name, Direction::Ingress, &flow),
            _ => {}
        }
        if !from_host {
            if let Some(host) = host(packet.to) {
                self.host(host, ListKind::Forward, Direction::Egress, &flow);
            }
        } else if let Place::Interface(_) = packet.to {
            let accepted = untracked(self, packet.to, Direction::Egress);
            if let Some(host) = host(packet.to).filter(|_| !accepted) {
                self.host(host, ListKind::Normal, Direction::Egress, &flow);
            }
        }
    }

    /// Asks the workload that sends a packet, and of one to its host what becomes of such.
    fn sender(&mut self, name: &str, to_host: bool, flow: &Flow) -> Sender {
        let program = self.program;
        if to_host && self.steps(name, &program.to_host, flow) {
            return Sender::Decided;
        }
        self.workload(name, Direction::Egress, flow);
        if !to_host || program.host_action == HostAction::Return {
            return Sender::Undecided;
        }
        let verdict = match program.host_action {
            HostAction::Accept => Verdict::Allow,
            HostAction::Drop | HostAction::Return => Verdict::Deny,
        };
        self.judge(name, Direction::Egress, ListKind::Normal, verdict, Origin::ToHost, Vec::new());
        Sender::Accepted
    }

    /// Asks one list of a host endpoint; whether the host's policy has accepted the packet with that.
    fn host(&mut self, host: &HostDispatch, list: ListKind, direction: Direction, flow: &Flow) -> bool {
        let mut logged = Vec::new();
        let decision = host
            .lists
            .get(&(list, direction))
            .and_then(|chain| call(self.program, self.sets, chain, flow, 0, &mut logged));
        let accepts = decision
            .as_ref()
            .is_some_and(|decision| matches!(decision.action, StepAction::AcceptHost { .. }));
        let (verdict, origin) =
            decision.map_or((Verdict::Allow, Origin::Undecided), |decision| decision.verdict());
        self.judge(&host.endpoint, direction, list, verdict, origin, logged);
        accepts
    }

    fn workload(&mut self, interface: &str, direction: Direction, flow: &Flow) {
        let program = self.program;
        let dispatch = program.dispatch.get(interface);
        let endpoint = dispatch.map_or(interface, |dispatch| &dispatch.endpoint);
        let mut logged = Vec::new();
        let guard = match direction {
            Direction::Egress => run(program, self.sets, &program.guard, flow, 0, &mut logged),
            Direction::Ingress => None,
        };
        let decision =
            guard.or_else(|| call(program, self.sets, dispatch?.chain(direction), flow, 0, &mut logged));
        let (verdict, origin) =
            decision.map_or((Verdict::Deny, Origin::UnknownInterface), |decision| decision.verdict());
        self.judge(endpoint, direction, ListKind::Normal, verdict, origin, logged);
    }

    /// Runs steps that judge ahead of a workload; whether they decided.
    fn steps(&mut self, interface: &str, list: &'a [Step], flow: &Flow) -> bool {
        let mut logged = Vec::new();
        let Some(decision) = run(self.program, self.sets, list, flow, 0, &mut logged) else { return false };
        let (verdict, origin) = decision.verdict();
        self.judge(interface, Direction::Egress, ListKind::Normal, verdict, origin, logged);
        true
    }

    fn judge(
        &mut self,
        endpoint: &str,
        direction: Direction,
        list: ListKind,
        verdict: Verdict,
        decided_by: Origin,
        logged: Vec<Origin>,
    ) {
        let endpoint = endpoint.into();
        self.judgements.push(Judgement { endpoint, direction, list, verdict, decided_by, logged });
    }
}

impl Decision<'_> {
    fn verdict(self) -> (Verdict, Origin) {
        let verdict = match self.action {
            StepAction::Accept | StepAction::AcceptHost { .. } => Verdict::Allow,
            _ => Verdict::Deny,
        };
        (verdict, self.origin)
    }
}

fn call<'a>(
    program: &'a Program,
    sets: Sets<'a, '_>,
    key: &ChainKey,
    flow: &Flow,
    depth: usize,
    logged: &mut Vec<Origin>,
) -> Option<Decision<'a>> {
    // A compiled program never nests deeper.
    let chain = program.chain(key).filter(|_| depth < Program::MAX_DEPTH)?;
    run(program, sets, &chain.steps, flow, depth, logged)
}

/// What these steps decide; `None` if they return.
fn run<'a>(
    program: &'a Program,
    sets: Sets<'a, '_>,
    steps: &'a [Step],
    flow: &Flow,
    depth: usize,
    logged: &mut Vec<Origin>,
) -> Option<Decision<'a>> {
    for step in steps {
        if !step.matches.iter().all(|wanted| holds(sets, wanted, flow)) {
            continue;
        }
        let found = || step.matches.iter().find_map(|wanted| row(wanted, flow)).map(|row| row.origin.clone());
        let origin = || found().or_else(|| step.origin.clone()).unwrap_or(Origin::UnknownInterface);
        match &step.action {
            StepAction::Accept | StepAction::AcceptHost { .. } | StepAction::Drop => {
                return Some(Decision { action: &step.action, origin: origin() });
            }
            StepAction::Log => logged.push(origin()),
            StepAction::Return => return None,
            StepAction::Goto(key) => return call(program, sets, key, flow, depth.saturating_add(1), logged),
            StepAction::Jump(key) => {
                let decision = call(program, sets, key, flow, depth.saturating_add(1), logged);
                if decision.is_some() {
                    return decision;
                }
            }
            StepAction::Spread(spread) => {
                let leaf = spread.leaf(flow);
                let decision = leaf.and_then(|leaf| run(program, sets, leaf, flow, depth, logged));
                if decision.is_some() {
                    return decision;
                }
            }
        }
    }
    None
}

/// The row of a table that the packet has.
fn row<'m>(wanted: &'m Match, flow: &Flow) -> Option<&'m Row> {
    match wanted {
        Match::Tuple(tuples) => tuples.find(flow),
        _ => None,
    }
}

fn holds(sets: Sets<'_, '_>, wanted: &Match, flow: &Flow) -> bool {
    let is_family = |family| Family::of(&flow.source) == family && Family::of(&flow.destination) == family;
    let address = |end| match end {
        End::Source => flow.source,
        End::Destination => flow.destination,
    };
    let port = |end| {
        flow.ports().map(|(source, destination)| match end {
            End::Source => source,
            End::Destination => destination,
        })
    };
    match wanted {
        Match::Family(family) => is_family(*family),
        Match::Protocol { number, negated } => (flow.protocol() == *number) != *negated,
        Match::Address { end, family, addresses, negated } => {
            let address = address(*end);
            let member = match addresses {
                Addresses::Nets(nets) => nets.iter().any(|net| net.contains(&address)),
                Addresses::Set(id) => sets(id).is_some_and(|set| set.contains(address)),
            };
            is_family(*family) && member != *negated
        }
        Match::AddressPort { end, family, set, negated } => {
            let member = |port| PortMember { address: address(*end), protocol: flow.protocol(), port };
            let set = sets(set);
            let is_member =
                port(*end).is_some_and(|port| set.is_some_and(|set| set.contains_port(&member(port))));
            is_family(*family) && is_member != *negated
        }
        Match::Port { end, ranges, negated } => {
            port(*end).is_some_and(|port| ranges.iter().any(|range| range.contains(port))) != *negated
        }
        Match::IcmpType { family, kind, negated } => {
            is_family(*family) && flow.icmp().is_some_and(|(found, _)| found == *kind) != *negated
        }
        Match::IcmpCode { family, code, negated } => {
            is_family(*family) && flow.icmp().is_some_and(|(_, found)| found == *code) != *negated
        }
        Match::Tuple(_) => row(wanted, flow).is_some(),
    }
}
