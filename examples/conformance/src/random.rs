//! Random policy sets, one after the other in one table of the kernel.

use core::error::Error;
use core::net::IpAddr;
use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use tortie_nft_wire::{CommitError, Family, Socket};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::testing::{self, EAGER, Trial, World, bytes_of};
use tortie_policy::{Delta, Flow, Packet, Passes, Program, optimise};

use crate::kernel::{Kernel, UPLINK};

/// Random policy sets instead of files.
#[derive(Debug, clap::Args)]
#[group(id = "random_options")]
pub(crate) struct Random {
    /// So many random policy sets, each reached from the last by changes
    #[arg(long = "random", id = "random", value_name = "SETS", conflicts_with = "paths")]
    sets: Option<u64>,
    /// So many packets past each of them
    #[arg(long, value_name = "N", default_value_t = 100, requires = "random")]
    probes: usize,
    /// What the first set is drawn from; those after it are drawn from the numbers that follow
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "random")]
    seed: u64,
}

impl Random {
    pub(crate) const fn is_asked(&self) -> bool {
        self.sets.is_some()
    }

    /// Runs all sets, or up to the first disagreement, and prints what was tried.
    pub(crate) fn run(&self, asks_kernel: bool) -> Result<ExitCode> {
        let uplinks = BTreeMap::from([(UPLINK.to_owned(), World::new().host.to_vec())]);
        let interfaces = [UPLINK, "*", ""].map(String::from).into();
        let world = World { uplinks, interfaces, strange: false, ..World::new() };
        let mut kernel = asks_kernel.then(|| Messages::new(&world)).transpose()?;
        let mut trial = Trial::new(world);
        for set in 0..self.sets.unwrap_or_default() {
            let seed = self.seed.wrapping_add(set);
            let backend = kernel.as_mut().map(|kernel| -> &mut dyn testing::Backend { kernel });
            if let Err(disagreement) = trial.step(&bytes_of(seed, Trial::BYTES), self.probes, backend) {
                println!("set {set}, seed {seed} (the first was {}): {disagreement}", self.seed);
                return Ok(ExitCode::FAILURE);
            }
        }
        println!("seeds {} and on: {}", self.seed, trial.counts());
        if let Some(kernel) = kernel {
            println!("  {} transactions of the kernel, {} octets", kernel.transactions, kernel.octets);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A kernel whose one table is changed by messages.
struct Messages {
    kernel: Kernel,
    socket: Socket,
    ruleset: Ruleset,
    homes: BTreeMap<IpAddr, String>,
    way: Way,
    steps: usize,
    transactions: usize,
    octets: usize,
}

/// How the kernel's program is made of the compiled one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As it is, by what has changed of it.
    Delta,
    /// Optimised.
    Optimised,
    /// Optimised with tables even for few rules.
    Eager,
}

/// So many sets go one way before the next is taken.
const STRIDE: usize = 10;
/// How often what the kernel lists is compared to what it was given, in sets.
const LOOK: usize = 25;

impl Messages {
    fn new(world: &World) -> Result<Self> {
        let addresses = world.endpoints.iter().zip(&world.links);
        Ok(Self {
            kernel: Kernel::new(&world.host)?,
            socket: Socket::open().context("cannot talk to nf_tables")?,
            ruleset: Ruleset::new(Options::default()),
            homes: addresses.flat_map(|(pair, link)| pair.map(|address| (address, link.clone()))).collect(),
            way: Way::Delta,
            steps: 0,
            transactions: 0,
            octets: 0,
        })
    }

    fn change(&mut self, program: &Program, change: Option<&Delta>) -> Result<()> {
        let before = self.way;
        if change.is_some() {
            self.way = match self.steps / STRIDE % 3 {
                0 => Way::Delta,
                1 => Way::Optimised,
                _ => Way::Eager,
            };
            self.steps += 1;
        }
        match (self.way, change) {
            (Way::Delta, Some(delta)) if before == Way::Delta => self.ruleset.apply(delta.clone()),
            (Way::Delta, _) => self.ruleset.set_program(program.clone()),
            (Way::Optimised, _) => self.ruleset.set_program(optimise(program, &Passes::default()).program),
            (Way::Eager, _) => self.ruleset.set_program(optimise(program, &EAGER).program),
        }
        while let Some(batch) = self.ruleset.poll_batch()? {
            self.octets += batch.len_octets();
            match self.socket.commit(batch) {
                Ok(()) => self.ruleset.confirm(),
                Err(CommitError::Refused(refusals)) => {
                    let texts: Vec<_> = refusals.iter().map(ToString::to_string).collect();
                    bail!("the kernel refuses it: {}", texts.join("; "));
                }
                Err(error) => return Err(error.into()),
            }
            self.transactions += 1;
        }
        if let Some(denial) = self.ruleset.denials().next() {
            bail!("{} is denied: {}", denial.interface, denial.reason);
        }
        if self.steps.is_multiple_of(LOOK) {
            let (_, entries) = self.socket.ruleset(Family::INET)?;
            ensure!(self.ruleset.is_listed(&entries)?, "the kernel lists another table than it was given");
        }
        Ok(())
    }
}

impl testing::Backend for Messages {
    fn enforce(&mut self, program: &Program, change: Option<&Delta>) -> Result<(), Box<dyn Error>> {
        Ok(self.change(program, change)?)
    }

    fn send(&mut self, packets: &[Packet<'_>]) -> Result<Vec<Option<bool>>, Box<dyn Error>> {
        let flows: Vec<Flow> = packets.iter().map(|packet| packet.flow).collect();
        Ok(self.kernel.send(&self.homes, &flows)?)
    }
}
