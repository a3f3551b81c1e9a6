//! Random policy sets, each reached from the last by changes: programs that are kept, made anew and optimised all say of
//! packets what the evaluator says.

use tortie_policy::testing::{Trial, World, bytes_of};

/// Most policy sets of an input.
const SETS: usize = 3;
/// Packets past each.
const PROBES: usize = 24;

/// Draws policy sets and packets from the bytes, and asks all for verdicts.
///
/// The first two bytes are a seed, and the third says how many sets there are and of which world. If the seed is zero, the
/// rest is what is drawn from; else the rest changes what the seed gives, so that a seed is as good as thousands of bytes.
pub fn check_policy_eval(data: &[u8]) {
    tried(data);
}

/// What was tried.
fn tried(data: &[u8]) -> Trial {
    let (seed, rest) = data.split_first_chunk().unwrap_or((&[0; 2], &[]));
    let seed = u64::from(u16::from_le_bytes(*seed));
    let (kind, rest) = rest.split_first().unwrap_or((&0, &[]));
    let sets = 1 + usize::from(kind % 4).min(SETS - 1);
    let mut world = World::new();
    world.faults = kind & 4 == 0;
    if kind & 8 != 0 {
        world.interfaces.clear();
    }
    let mut trial = Trial::new(world);
    let mut parts = rest.chunks(rest.len().div_ceil(sets).max(1));
    for set in (0_u64..).take(sets) {
        let part = parts.next().unwrap_or_default();
        let mut bytes = if seed == 0 { part.to_vec() } else { bytes_of(seed << 8 | set, Trial::BYTES) };
        if seed != 0 {
            bytes.iter_mut().zip(part).for_each(|(byte, change)| *byte ^= change);
        }
        if let Err(disagreement) = trial.step(&bytes, PROBES, None) {
            panic!("{disagreement}");
        }
    }
    trial
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The seeds reach all that rules, lists and the optimiser have.
    #[test]
    fn policy_eval_seeds_have_everything() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/policy_eval");
        let (mut decided, mut features) = (BTreeSet::new(), BTreeSet::new());
        for entry in std::fs::read_dir(folder).unwrap() {
            let trial = tried(&std::fs::read(entry.unwrap().path()).unwrap());
            decided.extend(trial.counts().decided.keys().copied());
            features.extend(trial.counts().features.keys().copied());
        }
        for wanted in [
            "policy rule",
            "profile rule",
            "invalid",
            "end of tier",
            "unknown profile",
            "no profile matched",
            "encapsulated",
            "failsafe",
            "to host",
            "log",
        ] {
            assert!(
                decided.iter().any(|(kind, ..)| *kind == wanted),
                "{wanted} decides nothing: {decided:?}"
            );
        }
        let either = ["protocol", "nets", "selector", "named port", "port", "ICMP type", "ICMP code"];
        for wanted in either.into_iter().flat_map(|name| [(name, false), (name, true)]) {
            assert!(features.contains(&wanted), "no {wanted:?}: {features:?}");
        }
        for wanted in [
            "family",
            "service",
            "nodes",
            "table of boxes",
            "table without addresses",
            "table of addresses",
            "table of prefixes",
            "accept",
            "accept before translation",
            "accept untracked",
            "drop",
            "log",
            "jump",
            "goto",
            "return",
            "spread",
        ] {
            assert!(features.contains(&(wanted, false)), "no {wanted}: {features:?}");
        }
    }
}
