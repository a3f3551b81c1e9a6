//! What nobody in his right mind writes, and attackers do: an error that names its field, or the right verdict, in text and
//! messages that say nothing else.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed says why one was skipped"
)]

#[path = "../lab/mod.rs"]
#[allow(dead_code, reason = "no packet is sent here")]
mod lab;
mod names;
mod ports;
mod sizes;
#[path = "../transaction/mod.rs"]
#[allow(dead_code, reason = "one batch at a time is for others")]
mod transaction;
mod values;

use tortie_policy::testing::Both;
use tortie_policy::{Endpoint, Flow, Host, Inputs, Packet, Place, Verdict, evaluate_packet, interpret};
use tortie_policy::{Passes, Program, compile, optimise, resolve, testing};

/// The only host there is.
pub(crate) fn host() -> Host {
    Host::new("here")
}

/// A workload of this host: `cali` and its number is the interface, and the number is the end of its addresses.
pub(crate) fn endpoint(number: u16, labels: &[(&str, &str)]) -> Endpoint {
    let [high, low] = number.to_be_bytes();
    Endpoint {
        id: format!("pod-{number}"),
        interface: format!("cali{number}"),
        labels: labels.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect(),
        addresses: vec![[10, 0, high, low].into(), [0xfd00, 0, 0, 0, 0, 0, 0, number].into()],
        ..Endpoint::default()
    }
}

pub(crate) fn program(inputs: &Inputs) -> Program {
    compile(&resolve(inputs, &host(), |_| true))
}

/// What the evaluator says of a packet between two workloads of these numbers.
pub(crate) fn verdict(inputs: &Inputs, packet: &Packet<'_>) -> Verdict {
    evaluate_packet(inputs, &host(), |_| true, packet).verdict
}

/// The evaluator's verdict, which the program and the optimised ones have, too.
#[track_caller]
pub(crate) fn judged(inputs: &Inputs, programs: &[Program], packet: &Packet<'_>) -> Verdict {
    let wanted = verdict(inputs, packet);
    for program in programs {
        assert_eq!(interpret(program, packet).verdict(), wanted, "{packet:?}");
    }
    wanted
}

/// The program as it is compiled, and as it is optimised.
pub(crate) fn programs(inputs: &Inputs) -> [Program; 3] {
    let program = program(inputs);
    let [usual, eager] =
        [Passes::default(), testing::EAGER].map(|passes| optimise(&program, &passes).program);
    [program, usual, eager]
}

/// A packet from the world to the first workload.
pub(crate) fn into_first(flow: Flow) -> Packet<'static> {
    Packet::new(Place::Interface("eth0"), Place::Workload("cali1"), flow)
}

/// A resolver in sync beside the inputs.
pub(crate) fn both() -> Both {
    let mut both = Both::new(host(), |_| true);
    both.resolver.set_in_sync();
    both
}
