//! The block against its stupid twin: a list of addresses, each with its state, and a clock of frees.

use alloc::collections::BTreeMap;
use alloc::string::ToString;

use proptest::prelude::*;

use super::*;
use crate::span::Spans;

const CASES: u32 = 300;

#[derive(Clone, Debug, PartialEq)]
enum State {
    /// Free since this tick.
    Free(u64),
    Held {
        handle: String,
        pod: String,
        sequence: u64,
    },
    Rests {
        since_secs: u64,
    },
}

struct Twin {
    states: Vec<State>,
    tick: u64,
    sequence: u64,
}

impl Twin {
    fn assign(
        &mut self,
        num: usize,
        handle: &str,
        pod: &str,
        reserved: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let mut taken = Vec::new();
        for _ in 0..num {
            let free =
                (0..self.states.len()).filter(|at| !reserved(*at)).filter_map(|at| match self.states[at] {
                    State::Free(tick) => Some((tick, at)),
                    _ => None,
                });
            let Some((_, at)) = free.min() else { break };
            let (handle, pod) = (handle.to_string(), pod.to_string());
            self.states[at] = State::Held { handle, pod, sequence: self.sequence };
            taken.push(at);
        }
        taken
    }

    fn release(&mut self, which: impl Fn(usize, &State) -> bool, secs: u64) {
        for (at, state) in self.states.iter_mut().enumerate() {
            if which(at, state) {
                *state = State::Rests { since_secs: secs };
            }
        }
    }

    fn collect(&mut self, secs: u64, cooldown: u64) {
        let mut freed: Vec<(u64, usize)> = Vec::new();
        for (at, state) in self.states.iter().enumerate() {
            match state {
                State::Rests { since_secs } if cooldown == 0 || secs > since_secs + cooldown => {
                    freed.push((*since_secs, at));
                }
                _ => {}
            }
        }
        freed.sort_unstable();
        for (_, at) in freed {
            self.tick += 1;
            self.states[at] = State::Free(self.tick);
        }
    }

    fn free(&self) -> Vec<usize> {
        let mut free: Vec<(u64, usize)> = Vec::new();
        for (at, state) in self.states.iter().enumerate() {
            if let State::Free(tick) = state {
                free.push((*tick, at));
            }
        }
        free.sort_unstable();
        free.into_iter().map(|(_, at)| at).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Assign(usize, u8, u8),
    AssignAddress(usize, u8, u8),
    ReleaseAddress(usize),
    ReleaseHandle(u8),
    Wait(u64),
    Rewrite,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..6, 0u8..4, 0u8..3).prop_map(|(num, handle, pod)| Step::Assign(num, handle, pod)),
        1 => (0usize..8, 0u8..4, 0u8..3).prop_map(|(at, handle, pod)| Step::AssignAddress(at, handle, pod)),
        2 => (0usize..8).prop_map(Step::ReleaseAddress),
        2 => (0u8..4).prop_map(Step::ReleaseHandle),
        2 => (0u64..4).prop_map(Step::Wait),
        1 => Just(Step::Rewrite),
    ]
}

fn owner(pod: u8) -> BTreeMap<String, String> {
    BTreeMap::from([(String::from("pod"), pod.to_string())])
}

fn compare(block: &Block, twin: &Twin) -> Result<(), TestCaseError> {
    let addresses: Vec<IpAddr> = (0..block.capacity()).map(|at| block.address(at).unwrap()).collect();
    let free: Vec<IpAddr> = block.free_addresses().collect();
    prop_assert_eq!(free, twin.free().iter().map(|at| addresses[*at]).collect::<Vec<_>>());
    for (at, state) in twin.states.iter().enumerate() {
        let found = block.allocation(addresses[at]);
        match state {
            State::Free(_) => prop_assert!(found.is_none()),
            State::Held { handle, pod, sequence } => {
                let found = found.unwrap();
                prop_assert_eq!(found.handle(), Some(handle.as_str()));
                let attributes = found.attributes();
                prop_assert_eq!(attributes.active_owner.get("pod"), Some(pod));
                prop_assert_eq!(found.sequence, Some(*sequence));
                prop_assert!(!found.rests());
            }
            State::Rests { since_secs } => {
                let found = found.unwrap();
                prop_assert!(found.rests() && found.handle().is_none());
                let released_at = found.attributes().released_at.unwrap().since_epoch();
                prop_assert_eq!(released_at, Duration::from_secs(*since_secs));
            }
        }
    }
    prop_assert_eq!(block.is_empty(), twin.states.iter().all(|state| matches!(state, State::Free(_))));
    prop_assert_eq!(block.sequence(), twin.sequence);
    // Attributes are shared, and none is left over.
    for (index, attributes) in block.attributes.iter().enumerate() {
        let index = u32::try_from(index).unwrap();
        prop_assert!(block.allocations.contains(&Some(index)));
        prop_assert_eq!(block.attributes.iter().filter(|other| other.json() == attributes.json()).count(), 1);
    }
    let sequences = block.sequences.len();
    prop_assert_eq!(sequences, block.allocations().count());
    let stored = block.encode();
    prop_assert_eq!(&Block::decode(&stored).unwrap(), block);
    Ok(())
}

proptest! {
    #![proptest_config(crate::proof::config(CASES))]

    #[test]
    fn block_agrees_with_its_twin(
        steps in proptest::collection::vec(step(), 1..40),
        reserved in proptest::collection::vec(0u32..8, 0..3),
        cooldown in prop_oneof![Just(0u64), 1u64..4],
    ) {
        let mut now = Duration::new(1_000, 500_000_000);
        let cidr: IpNet = "10.0.0.0/29".parse().unwrap();
        let mut block = Block::new(cidr, &Affinity::host("a"), now).unwrap();
        let states = (0..8).map(State::Free).collect();
        let mut twin = Twin { states, tick: 8, sequence: block.sequence() };
        let nets: Vec<IpNet> =
            reserved.iter().map(|ordinal| IpNet::from(block.address(*ordinal).unwrap())).collect();
        let spans = Spans::of(Family::V4, &nets);
        let is_reserved = |at: usize| reserved.iter().any(|ordinal| usize::try_from(*ordinal) == Ok(at));
        let rest = Duration::from_secs(cooldown);
        for step in steps {
            block.collect(now, rest);
            twin.collect(now.as_secs(), cooldown);
            match step {
                Step::Assign(num, handle, pod) => {
                    let taken = block.assign_outside(num, &handle.to_string(), &owner(pod), &spans);
                    let want = twin.assign(num, &handle.to_string(), &pod.to_string(), is_reserved);
                    let want: Vec<IpAddr> =
                        want.iter().map(|at| block.address(u32::try_from(*at).unwrap()).unwrap()).collect();
                    prop_assert_eq!(taken, want);
                }
                Step::AssignAddress(at, handle, pod) => {
                    let address = block.address(u32::try_from(at).unwrap()).unwrap();
                    let taken = block.assign_address(address, &handle.to_string(), &owner(pod));
                    let want = twin.assign(1, &handle.to_string(), &pod.to_string(), |other| other != at);
                    prop_assert_eq!(taken, want == [at]);
                }
                Step::ReleaseAddress(at) => {
                    let address = block.address(u32::try_from(at).unwrap()).unwrap();
                    let held = block.allocation(address).filter(|found| !found.rests());
                    if let Some(ordinal) = held.map(|found| found.ordinal) {
                        block.release(&[ordinal], now, rest);
                        twin.release(|other, _| other == at, now.as_secs());
                        twin.collect(now.as_secs(), cooldown);
                    }
                }
                Step::ReleaseHandle(handle) => {
                    let handle = handle.to_string();
                    let ordinals: Vec<u32> = block.held_by(&handle).map(|found| found.ordinal).collect();
                    block.release(&ordinals, now, rest);
                    twin.release(
                        |_, state| matches!(state, State::Held { handle: other, .. } if *other == handle),
                        now.as_secs(),
                    );
                    twin.collect(now.as_secs(), cooldown);
                }
                Step::Wait(secs) => now += Duration::from_secs(secs),
                Step::Rewrite => block = Block::decode(&block.encode()).unwrap(),
            }
            block.bump();
            twin.sequence += 1;
            compare(&block, &twin)?;
        }
    }

    #[test]
    fn decoding_never_panics_and_gives_sound_blocks(
        cidr in "10\\.0\\.0\\.0/(29|30|31|32|33|8)",
        allocations in proptest::collection::vec(proptest::option::of(0u32..4), 0..9),
        unallocated in proptest::collection::vec(0u32..10, 0..9),
        attributes in 0usize..3,
    ) {
        let attributes: Vec<Value> = (0..attributes).map(|at| serde_json::json!({"handle_id": at.to_string()})).collect();
        let stored = serde_json::json!({
            "cidr": cidr, "allocations": allocations, "unallocated": unallocated, "attributes": attributes,
        });
        if let Ok(mut block) = Block::decode(stored.to_string().as_bytes()) {
            prop_assert_eq!(block.allocations().count() + block.unallocated.len(), block.allocations.len());
            let again = Block::decode(&block.encode()).unwrap();
            prop_assert_eq!(&again, &block);
            block.assign_outside(3, "h", &owner(0), &Spans::default());
            let held: Vec<u32> = block.allocations().map(|found| found.ordinal).collect();
            block.release(&held, Duration::ZERO, Duration::ZERO);
            prop_assert!(block.is_empty());
        }
    }
}
