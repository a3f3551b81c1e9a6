//! One run of a case: who gives verdicts, and what they said.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use tortie_policy::{Flow, Inputs, Packet, Program, Verdict, compile, evaluate, interpret, resolve};

use crate::kernel::Kernel;

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
    /// Why the case, or a part of it, was not run: it has not passed then.
    pub(crate) not_run: BTreeSet<String>,
    pub(crate) verdicts: Verdicts,
}

/// A packet, and what must become of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) flow: Flow,
    pub(crate) allowed: bool,
}

/// The most faults that are told of one case.
const MOST_FAULTS: usize = 10;

impl Run<'_> {
    /// Sends the probes past everyone that gives verdicts. The inputs are those reached by changes.
    pub(crate) fn step(&mut self, note: &str, inputs: &Inputs, probes: &[Probe]) {
        let together = compile(&resolve(inputs, |_| true));
        let alone: Vec<_> = inputs
            .endpoints()
            .map(|endpoint| (endpoint.id.clone(), compile(&resolve(inputs, |other| other.id == endpoint.id))))
            .collect();
        for probe in probes {
            let Probe { flow, allowed } = probe;
            let evaluation = evaluate(inputs, flow);
            let held = (evaluation.verdict == Verdict::Allow) == *allowed;
            self.verdicts.evaluator.count(held);
            if !held {
                self.fault(format!("{note}: must be {}, but the evaluator says {evaluation}", word(*allowed)));
            }
            let mut found = vec![interpreted(inputs, flow, |_| Some(&together))];
            found.push(interpreted(inputs, flow, |id| {
                alone.iter().find(|(other, _)| other == id).map(|(_, program)| program)
            }));
            let held = found.iter().all(|found| found == allowed);
            self.verdicts.interpreter.count(held);
            if !held {
                let place = if found.first() == Some(allowed) { "on hosts of their own" } else { "on one host" };
                self.fault(format!(
                    "{note}: must be {}, but not by the program of its endpoints {place}: {flow}",
                    word(*allowed)
                ));
            }
        }
        self.kernel(note, inputs, &together, probes);
    }

    fn kernel(&mut self, note: &str, inputs: &Inputs, program: &Program, probes: &[Probe]) {
        let Some(kernel) = self.kernel.as_deref_mut() else { return };
        let flows: Vec<_> = probes.iter().map(|probe| probe.flow).collect();
        let arrived = match kernel.send(inputs, program, &flows) {
            Ok(arrived) => arrived,
            Err(error) => {
                self.verdicts.kernel.failed += probes.len();
                self.fault(format!("{note}: kernel: {error:#}"));
                return;
            }
        };
        for (probe, arrived) in probes.iter().zip(arrived) {
            let Some(arrived) = arrived else {
                self.verdicts.kernel.left_out += 1;
                continue;
            };
            self.verdicts.kernel.count(arrived == probe.allowed);
            if arrived != probe.allowed {
                let verb = if arrived { "lets it pass" } else { "drops it" };
                self.fault(format!("{note}: the kernel {verb}: {}", evaluate(inputs, &probe.flow)));
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

/// Whether the programs of both ends let the packet pass, each that of the host that the endpoint is on.
fn interpreted<'a>(inputs: &Inputs, flow: &Flow, program: impl Fn(&str) -> Option<&'a Program>) -> bool {
    let source = inputs.endpoint_at(flow.source);
    let destination = inputs.endpoint_at(flow.destination);
    let leaves = source.is_none_or(|endpoint| {
        let packet = Packet { in_interface: Some(&endpoint.interface), out_interface: None, flow: *flow };
        program(&endpoint.id).is_some_and(|program| interpret(program, &packet).verdict() == Verdict::Allow)
    });
    let enters = destination.is_none_or(|endpoint| {
        let packet = Packet { in_interface: None, out_interface: Some(&endpoint.interface), flow: *flow };
        program(&endpoint.id).is_some_and(|program| interpret(program, &packet).verdict() == Verdict::Allow)
    });
    leaves && enters
}
