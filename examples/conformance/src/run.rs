//! One run of a case: who gives verdicts, and what they said.

use core::net::IpAddr;
use core::ops::AddAssign;
use std::collections::{BTreeMap, BTreeSet};

use tortie_policy::{
    Consulted, Evaluation, Flow, Host, Inputs, Outcome, Packet, Passes, Place, Program, Verdict, compile,
    evaluate, evaluate_packet, interpret, optimise, resolve,
};

use crate::format::{SUBJECT, Wanted};
use crate::kernel::Kernel;

/// Verdicts of published cases that are held to be wrong: the case, the place of the packet among all that it expects
/// (what is allowed, then what is dropped, then the rest), and why. README tells more.
const HELD_WRONG: &[(&str, usize, &str)] = &[
    (
        "kube-network-policies-008",
        0,
        "the API refuses an endPort above 65535, and a rule with a fault allows nothing",
    ),
    ("calico-polprog-092", 5, "what a host sends its own workloads is not policed"),
    ("calico-polprog-093", 2, "policy before translation governs what comes in, not what the host sends"),
    ("calico-polprog-093", 6, "policy before translation governs what comes in, not what the host sends"),
];

/// Why a verdict is held to be wrong, if it is.
pub(crate) fn held_wrong(case: &str, place: usize) -> Option<&'static str> {
    let found = HELD_WRONG.iter().find(|(id, which, _)| *id == case && *which == place);
    found.map(|(_, _, why)| *why)
}

/// How many verdicts were as they must be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) held: usize,
    pub(crate) failed: usize,
    /// Not asked: it could not have been answered.
    pub(crate) left_out: usize,
}

impl Tally {
    fn count(&mut self, held: bool) {
        if held { self.held += 1 } else { self.failed += 1 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.held + self.failed + self.left_out == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.held += other.held;
        self.failed += other.failed;
        self.left_out += other.left_out;
    }
}

/// The verdicts of each that gives some.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) evaluator: Tally,
    pub(crate) interpreter: Tally,
    pub(crate) kernel: Tally,
}

impl AddAssign for Verdicts {
    fn add_assign(&mut self, other: Self) {
        self.evaluator += other.evaluator;
        self.interpreter += other.interpreter;
        self.kernel += other.kernel;
    }
}

/// What is known of a case while it runs.
#[derive(Default)]
pub(crate) struct Run<'a> {
    /// The kernel, if it is asked.
    pub(crate) kernel: Option<&'a mut Kernel>,
    /// What does not hold.
    pub(crate) faults: Vec<String>,
    /// Verdicts that are held to be wrong, and were found otherwise.
    pub(crate) held_wrong: BTreeSet<&'static str>,
    pub(crate) verdicts: Verdicts,
}

/// A packet, and what must become of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) flow: Flow,
    pub(crate) allowed: bool,
    /// Why this is held to be wrong: then all must say otherwise.
    pub(crate) held_wrong: Option<&'static str>,
}

impl Probe {
    /// What must be found.
    fn wanted(&self) -> bool {
        self.allowed != self.held_wrong.is_some()
    }
}

/// All passes, and tables for two rules already: cases have few.
fn passes() -> Passes {
    Passes::default().inline(1)
}

/// The most faults that are told of one case.
const MOST_FAULTS: usize = 10;

impl Run<'_> {
    /// Sends the probes past everyone that gives verdicts, at both ends of each. The inputs are those reached by changes.
    pub(crate) fn step(&mut self, note: &str, inputs: &Inputs, probes: &[Probe]) {
        let host = Host::new("node");
        let together = compile(&resolve(inputs, &host, |_| true));
        let optimised = optimise(&together, &passes()).program;
        let alone: Vec<_> = inputs
            .endpoints()
            .map(|one| (one.id.clone(), compile(&resolve(inputs, &host, |other| other.id == one.id))))
            .collect();
        for probe in probes {
            let (flow, allowed) = (&probe.flow, &probe.wanted());
            self.held_wrong.extend(probe.held_wrong);
            let evaluation = evaluate(inputs, flow);
            let held = (evaluation.verdict == Verdict::Allow) == *allowed;
            self.verdicts.evaluator.count(held);
            if !held {
                self.fault(format!(
                    "{note}: must be {}, but the evaluator says {evaluation}",
                    word(*allowed)
                ));
            }
            let found = [
                interpreted(inputs, flow, |_| Some(&together)),
                interpreted(inputs, flow, |_| Some(&optimised)),
                interpreted(inputs, flow, |id| {
                    alone.iter().find(|(other, _)| other == id).map(|(_, one)| one)
                }),
            ];
            let held = found.iter().all(|found| found == allowed);
            self.verdicts.interpreter.count(held);
            if !held {
                let places = ["on one host", "on one host, optimised", "on hosts of their own"];
                let wrong = found.iter().zip(places).find(|(found, _)| *found != allowed);
                let place = wrong.map_or("", |(_, place)| place);
                self.fault(format!(
                    "{note}: must be {}, but not by the program of its endpoints {place}: {flow}",
                    word(*allowed)
                ));
            }
        }
        if self.kernel.is_some() {
            let mut homes = BTreeMap::new();
            for endpoint in inputs.endpoints() {
                let places = endpoint.addresses.iter().map(|address| (*address, endpoint.interface.clone()));
                homes.extend(places);
            }
            let flows: Vec<_> = probes.iter().map(|probe| probe.flow).collect();
            let wanted: Vec<_> = probes.iter().map(Probe::wanted).collect();
            self.kernel(note, &optimised, &homes, &flows, &wanted, |flow| evaluate(inputs, flow));
        }
    }

    /// Sends one packet past everyone that gives verdicts, on one host. If what is wanted is held wrong, all must say
    /// otherwise.
    pub(crate) fn packet(
        &mut self,
        note: &str,
        inputs: &Inputs,
        host: &Host,
        packet: &Packet<'_>,
        wanted: Wanted,
        held_wrong: Option<&'static str>,
    ) {
        self.held_wrong.extend(held_wrong);
        let evaluation = evaluate_packet(inputs, host, |endpoint| endpoint.id == SUBJECT, packet);
        let allowed = (wanted != Wanted::Denied) != held_wrong.is_some();
        let mut held = (evaluation.verdict == Verdict::Allow) == allowed;
        held &= wanted != Wanted::Unmatched || !matched(&evaluation);
        self.verdicts.evaluator.count(held);
        if !held {
            self.fault(format!("{note}: must be {wanted:?}, but the evaluator says {evaluation}"));
        }
        let program = compile(&resolve(inputs, host, |endpoint| endpoint.id == SUBJECT));
        let optimised = optimise(&program, &passes()).program;
        let mut verdicts =
            [&program, &optimised].into_iter().map(|program| interpret(program, packet).verdict());
        let held = verdicts.all(|verdict| (verdict == Verdict::Allow) == allowed);
        self.verdicts.interpreter.count(held);
        if !held {
            self.fault(format!("{note}: must be {wanted:?}, but not by the program: {}", packet.flow));
        }
        if self.kernel.is_none() {
            return;
        }
        let home = match (packet.from, packet.to) {
            (Place::Workload(name), Place::Interface(_)) => Some((packet.flow.source, name)),
            (Place::Interface(_), Place::Workload(name)) => Some((packet.flow.destination, name)),
            _ => None,
        };
        let Some((address, name)) = home.filter(|_| packet.original_destination.is_none()) else {
            self.verdicts.kernel.left_out += 1;
            return;
        };
        let homes = [(address, name.to_string())].into();
        self.kernel(note, &optimised, &homes, &[packet.flow], &[allowed], |_| evaluation.clone());
    }

    fn kernel(
        &mut self,
        note: &str,
        program: &Program,
        homes: &BTreeMap<IpAddr, String>,
        flows: &[Flow],
        wanted: &[bool],
        explain: impl Fn(&Flow) -> Evaluation,
    ) {
        let Some(kernel) = self.kernel.as_deref_mut() else { return };
        let arrived = match kernel.load(program).and_then(|()| kernel.send(homes, flows)) {
            Ok(arrived) => arrived,
            Err(error) => {
                self.verdicts.kernel.failed += flows.len();
                self.fault(format!("{note}: kernel: {error:#}"));
                return;
            }
        };
        for ((flow, wanted), arrived) in flows.iter().zip(wanted).zip(arrived) {
            let Some(arrived) = arrived else {
                self.verdicts.kernel.left_out += 1;
                continue;
            };
            self.verdicts.kernel.count(arrived == *wanted);
            if arrived != *wanted {
                let verb = if arrived { "lets it pass" } else { "drops it" };
                self.fault(format!("{note}: the kernel {verb}: {}", explain(flow)));
            }
        }
    }

    pub(crate) fn fault(&mut self, fault: String) {
        match self.faults.len() {
            MOST_FAULTS => self.faults.push("and more".into()),
            len if len < MOST_FAULTS => self.faults.push(fault),
            _ => {}
        }
    }
}

const fn word(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}

/// Whether a rule of a policy has matched.
fn matched(evaluation: &Evaluation) -> bool {
    let consulted = evaluation.trace.ends.iter().flat_map(|end| &end.consulted);
    consulted.into_iter().any(|consulted| match consulted {
        Consulted::Policy { rules, .. } => {
            rules.iter().any(|rule| matches!(rule.outcome, Outcome::Matched { .. }))
        }
        _ => false,
    })
}

/// Whether the programs of both ends let the packet pass, each that of the host that the endpoint is on.
fn interpreted<'a>(inputs: &Inputs, flow: &Flow, program: impl Fn(&str) -> Option<&'a Program>) -> bool {
    let world = Place::Interface("eth0");
    let source = inputs.endpoint_at(flow.source);
    let destination = inputs.endpoint_at(flow.destination);
    let judge = |id: &str, from, to| {
        let packet = Packet::new(from, to, *flow);
        program(id).is_some_and(|program| interpret(program, &packet).verdict() == Verdict::Allow)
    };
    let leaves = source.is_none_or(|one| judge(&one.id, Place::Workload(&one.interface), world));
    let enters = destination.is_none_or(|one| judge(&one.id, world, Place::Workload(&one.interface)));
    leaves && enters
}
