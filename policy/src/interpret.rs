//! What a rule program does with a packet.

use alloc::vec::Vec;

use crate::flow::Flow;
use crate::key::{Direction, Origin, Verdict};
use crate::program::{Addresses, ChainId, End, Match, Program, Step, StepAction};
use crate::rule::Family;
use crate::table::Row;

/// The first packet of a connection, as it passes a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Packet<'a> {
    /// The interface of a workload that it comes from; `None` if it comes from elsewhere.
    pub in_interface: Option<&'a str>,
    /// The interface of a workload that it goes to; `None` if it goes elsewhere.
    pub out_interface: Option<&'a str>,
    /// What it is.
    pub flow: Flow,
}

/// What a program does with a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interpretation {
    /// What the interface that it comes from says.
    pub egress: Option<Judgement>,
    /// What the interface that it goes to says, even if the other dropped it.
    pub ingress: Option<Judgement>,
}

impl Interpretation {
    /// Allow if all say so.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let all = [&self.egress, &self.ingress];
        let denied = all.into_iter().flatten().any(|judgement| judgement.verdict == Verdict::Deny);
        if denied { Verdict::Deny } else { Verdict::Allow }
    }
}

/// What one interface says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain vocabulary, which tests of backends compare")]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided it.
    pub decided_by: Origin,
    /// Log rules that matched on the way.
    pub logged: Vec<Origin>,
}

/// Runs a packet through a program.
///
/// This is what a backend must make the kernel do.
#[must_use]
pub fn interpret(program: &Program, packet: &Packet<'_>) -> Interpretation {
    let flow = packet.flow.canonical();
    let judge = |interface: Option<&str>, direction| {
        let mut logged = Vec::new();
        let (verdict, decided_by) = judge(program, interface?, direction, &flow, &mut logged);
        Some(Judgement { verdict, decided_by, logged })
    };
    Interpretation {
        egress: judge(packet.in_interface, Direction::Egress),
        ingress: judge(packet.out_interface.filter(|_| !flow.from_host), Direction::Ingress),
    }
}

fn judge(
    program: &Program,
    interface: &str,
    direction: Direction,
    flow: &Flow,
    logged: &mut Vec<Origin>,
) -> (Verdict, Origin) {
    let unknown = (Verdict::Deny, Origin::UnknownInterface);
    let guard = match direction {
        Direction::Egress => run(program, &program.guard, flow, 0, logged),
        Direction::Ingress => None,
    };
    if let Some(decision) = guard {
        return decision;
    }
    let Some(dispatch) = program.dispatch.get(interface) else { return unknown };
    call(program, dispatch.chain(direction), flow, 0, logged).unwrap_or(unknown)
}

/// Deepest nesting of chains that is followed; a compiled program has two.
const MAX_DEPTH: usize = 8;

fn call(
    program: &Program,
    id: ChainId,
    flow: &Flow,
    depth: usize,
    logged: &mut Vec<Origin>,
) -> Option<(Verdict, Origin)> {
    let chain = program.chain(id).filter(|_| depth < MAX_DEPTH)?;
    run(program, &chain.steps, flow, depth, logged)
}

/// The verdict of these steps; `None` if they return.
fn run(
    program: &Program,
    steps: &[Step],
    flow: &Flow,
    depth: usize,
    logged: &mut Vec<Origin>,
) -> Option<(Verdict, Origin)> {
    for step in steps {
        if !step.matches.iter().all(|wanted| holds(program, wanted, flow)) {
            continue;
        }
        let found = || step.matches.iter().find_map(|wanted| row(wanted, flow)).map(|row| row.origin.clone());
        let origin = || found().or_else(|| step.origin.clone()).unwrap_or(Origin::UnknownInterface);
        match &step.action {
            StepAction::Accept => return Some((Verdict::Allow, origin())),
            StepAction::Drop => return Some((Verdict::Deny, origin())),
            StepAction::Log => logged.push(origin()),
            StepAction::Return => return None,
            StepAction::Goto(id) => return call(program, *id, flow, depth.saturating_add(1), logged),
            StepAction::Jump(id) => {
                let decision = call(program, *id, flow, depth.saturating_add(1), logged);
                if decision.is_some() {
                    return decision;
                }
            }
            StepAction::Spread(spread) => {
                let decision = spread.leaf(flow).and_then(|steps| run(program, steps, flow, depth, logged));
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

fn holds(program: &Program, wanted: &Match, flow: &Flow) -> bool {
    let is_family = |family| Family::of(&flow.source) == family && Family::of(&flow.destination) == family;
    match wanted {
        Match::Family(family) => is_family(*family),
        Match::Protocol { number, negated } => (flow.protocol() == *number) != *negated,
        Match::Address { end, family, addresses, negated } => {
            let address = match end {
                End::Source => flow.source,
                End::Destination => flow.destination,
            };
            let member = match addresses {
                Addresses::Nets(nets) => nets.iter().any(|net| net.contains(&address)),
                Addresses::Set(selector) => {
                    program.sets.get(selector).is_some_and(|set| set.contains(address))
                }
            };
            is_family(*family) && member != *negated
        }
        Match::Port { end, ranges, negated } => {
            let port = flow.ports().map(|(source, destination)| match end {
                End::Source => source,
                End::Destination => destination,
            });
            port.is_some_and(|port| ranges.iter().any(|range| range.contains(port))) != *negated
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
