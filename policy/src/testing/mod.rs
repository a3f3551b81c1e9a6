//! A proof kit for backends: random policy of every kind, and packets that a backend must judge as the evaluator does.
//!
//! A [`Trial`] draws policy sets one after the other, each reached from the last by changes, and probes for each. Whoever
//! gives verdicts is asked about every probe, and must say what [`evaluate_packet`](crate::evaluate_packet) says: the program
//! that a [`Resolver`] keeps, as it is and optimised, and a [`Backend`]. That program must also be the one that is made
//! anew, and the rows of its tables must not overlap. What does not hold is cut down to the fewest objects and rules that
//! show it ([`Disagreement`]).
//!
//! All comes out of bytes: what is drawn from zeros alone is the simplest, so that whatever makes up the bytes (a seed,
//! proptest, a fuzzer) can shrink towards it.
//!
//! # Example: a backend of one's own
//!
//! ```
//! use tortie_policy::testing::{Backend, Trial, World, bytes_of};
//! use tortie_policy::{Delta, Packet, Program, Verdict, interpret};
//!
//! /// Judges by the program itself.
//! struct Interpreter(Program);
//!
//! impl Backend for Interpreter {
//!     fn enforce(&mut self, program: &Program, _: Option<&Delta>) -> Result<(), Box<dyn std::error::Error>> {
//!         self.0 = program.clone();
//!         Ok(())
//!     }
//!
//!     fn send(&mut self, packets: &[Packet<'_>]) -> Result<Vec<Option<bool>>, Box<dyn std::error::Error>> {
//!         let passes = |packet| interpret(&self.0, packet).verdict() == Verdict::Allow;
//!         Ok(packets.iter().map(|packet| Some(passes(packet))).collect())
//!     }
//! }
//!
//! let mut trial = Trial::new(World::new());
//! let mut backend = Interpreter(Program::default());
//! for seed in 0..5 {
//!     if let Err(disagreement) = trial.step(&bytes_of(seed, Trial::BYTES), 20, Some(&mut backend)) {
//!         panic!("{disagreement}");
//!     }
//! }
//! assert_eq!((trial.counts().sets, trial.counts().probes()), (5, 100));
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "for tests: what cannot be is a defect of the kit, and must be loud"
)]

mod counts;
mod draw;
mod object;
mod packet;
mod rules;
mod tables;
mod trial;

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use crate::Host;
#[cfg(doc)]
use crate::Resolver;

pub use counts::{Counts, kind};
pub use draw::{inputs, objects};
pub use object::{Both, Object, Spec};
pub use packet::{judgements, packet, packet_for};
pub use trial::{Backend, Disagreement, EAGER, Trial};

/// Pseudo-random bytes of a seed (xorshift64*).
#[must_use]
pub fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// Bytes to take choices from; zeros when they are used up.
#[derive(Clone, Debug)]
pub struct Choices<'a>(core::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    /// Choices that these bytes make.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    /// A number below `n`, which is at most 256.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % n
    }

    /// True once in `n` times; false if the bytes are used up, unless `n` is 1.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of the items.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn one<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.below(items.len())]
    }

    /// Up to `max` of what `make` makes.
    pub fn some<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.below(max + 1);
        (0..len).map(|_| make(self)).collect()
    }
}

/// What addresses, ports and interfaces there are to choose from.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests change some of it")]
pub struct World {
    /// Interfaces of workloads; that of the same number has the addresses.
    pub links: Vec<String>,
    /// Addresses of workload number n, one of each family.
    pub endpoints: Vec<[IpAddr; 2]>,
    /// Addresses of no workload, one of each family.
    pub outside: Vec<[IpAddr; 2]>,
    /// Ports that rules and packets speak of.
    pub ports: Vec<u16>,
    /// Addresses of the host itself, one of each family.
    pub host: [IpAddr; 2],
    /// Whether objects may have faults, and rules criteria that are not enforced.
    pub faults: bool,
    /// Interfaces that host endpoints may have; there are none of them if it is empty. `*` are all, and an empty name is
    /// found by the addresses of the host.
    pub interfaces: Vec<String>,
    /// Other interfaces of the host than those of workloads, by which packets come and go, each with its addresses.
    pub uplinks: BTreeMap<String, Vec<IpAddr>>,
    /// Whether packets may be such as only an interpreter is asked about: translated, of an interface of a workload that
    /// nobody knows, from an address to itself or beside all of these, to ports at the edges of ranges, or of ICMP other
    /// than echo requests; and whether settings of the host may be other than by default.
    pub strange: bool,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Six workloads (`cali0` and so on), two addresses outside, a host with up to four host endpoints; with faults.
    #[must_use]
    pub fn new() -> Self {
        let pair = |last: u8| {
            [IpAddr::from([10, 0, 0, last]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])]
        };
        let outside = |last: u8| {
            [IpAddr::from([192, 0, 2, last]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)])]
        };
        let host = [IpAddr::from([10, 255, 0, 1]), IpAddr::from([0xfdff, 0, 0, 0, 0, 0, 0, 1])];
        let uplinks = [("eth0", vec![]), ("eth1", vec![]), ("eth2", host.to_vec()), ("eth3", vec![])];
        Self {
            links: (0..6).map(|index| format!("cali{index}")).collect(),
            endpoints: (1..=6).map(pair).collect(),
            outside: (1..=2).map(outside).collect(),
            ports: vec![80, 81, 443, 8080, 4789],
            host,
            faults: true,
            interfaces: ["eth0", "*", "eth1", ""].map(String::from).into(),
            uplinks: uplinks.map(|(name, addresses)| (name.to_string(), addresses)).into(),
            strange: true,
        }
    }

    /// The host that its host endpoints are for.
    #[must_use]
    pub fn host(&self) -> Host {
        Host { name: "host".to_string(), interfaces: self.uplinks.clone() }
    }

    /// All addresses of a family: 0 is IPv4, 1 is IPv6.
    fn addresses(&self, family: usize) -> Vec<IpAddr> {
        let all = self.endpoints.iter().chain(&self.outside).chain([&self.host]);
        all.map(|pair| pair[family]).collect()
    }

    fn nets(&self, family: usize) -> Vec<String> {
        let mut nets: Vec<String> = self.addresses(family).iter().map(ToString::to_string).collect();
        let more: &[&str] = match family {
            0 => &[
                "10.0.0.0/30",
                "10.0.0.0/8",
                "10.0.0.4/30",
                "192.0.2.0/24",
                "0.0.0.0/0",
                "10.0.0.0/29",
                "10.0.0.2/31",
                "0.0.0.0/1",
                "10.0.0.0/25",
            ],
            _ => &[
                "fd00::/126",
                "fd00::/16",
                "fd00::4/126",
                "2001:db8::/64",
                "::/0",
                "fd00::/8",
                "fd00::2/127",
                "8000::/1",
                "fd00::/65",
            ],
        };
        nets.extend(more.iter().map(|net| (*net).to_string()));
        nets
    }
}
