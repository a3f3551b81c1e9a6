//! A list of addresses whose packets are dropped before anything else: of a hundred thousand, changed in place while packets flow.
//!
//! Lines of the input say what changes: `+192.0.2.1` adds, `-192.0.2.1` removes, and `=` in front of many addresses replaces the
//! whole list by them. Each line is one transaction: a packet meets the list before it or behind it, never an empty one.
//!
//! ```text
//! cargo build --example blocklist --features socket
//! sudo unshare --net sh -c 'echo "= 192.0.2.1 192.0.2.2" | target/debug/examples/blocklist && nft list ruleset'
//! ```
#![expect(clippy::print_stdout, reason = "an example")]

use core::error::Error;
use core::net::Ipv4Addr;
use std::io::BufRead as _;

use tortie_nft_wire::{Attachment, Batch, Chain, Family, Hook, Name, Rule, Set, Socket, Table, Type};

const FAMILY: Family = Family::IPV4;
/// A set that knows how many it may have is faster, to fill and to look up.
const MOST: u32 = 1 << 17;

/// The list, as it is in the kernel.
pub(crate) struct Blocklist {
    socket: Socket,
    set: Set,
    /// Kept from one transaction to the next, for its room.
    batch: Batch,
}

impl Blocklist {
    /// An empty list, in the namespace of this thread. What was there of it before is gone.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let (table, chain, blocked) = (Name::new("blocklist")?, Name::new("early")?, Name::new("blocked")?);
        let set = Set::of(table.clone(), blocked.clone(), 1, Type::IPV4_ADDR, 4).size(MOST);
        let mut batch = Batch::new();
        // Adding it first makes sure that there is something to delete.
        batch.add(FAMILY, &Table::new(table.clone()))?;
        batch.delete(FAMILY, &Table::new(table.clone()))?;
        batch.add(FAMILY, &Table::new(table.clone()))?;
        batch.add(FAMILY, &set)?;
        // Before connections are looked for: what is dropped here costs least.
        let early = Attachment::new(Hook::PREROUTING, Attachment::RAW);
        batch.add(FAMILY, &Chain::new(table.clone(), chain.clone()).base(Name::new("filter")?, early))?;
        batch.add(FAMILY, &Rule::new(table, chain).ipv4_saddr_in(blocked).counter().drop())?;
        let mut socket = Socket::open()?;
        socket.commit(&mut batch)?;
        // The number of the set was one of that batch.
        Ok(Self { socket, set: Set { id: None, ..set }, batch })
    }

    /// Adds addresses; those that are there stay.
    pub(crate) fn add(&mut self, addresses: &[Ipv4Addr]) -> Result<(), Box<dyn Error>> {
        self.batch.clear();
        self.batch.add_keys(FAMILY, &self.set, addresses.iter().map(Ipv4Addr::octets))?;
        Ok(self.socket.commit(&mut self.batch)?)
    }

    /// Removes addresses that are there.
    pub(crate) fn remove(&mut self, addresses: &[Ipv4Addr]) -> Result<(), Box<dyn Error>> {
        self.batch.clear();
        self.batch.delete_keys(FAMILY, &self.set, addresses.iter().map(Ipv4Addr::octets))?;
        Ok(self.socket.commit(&mut self.batch)?)
    }

    /// Puts these into the place of all others.
    pub(crate) fn replace(&mut self, addresses: &[Ipv4Addr]) -> Result<(), Box<dyn Error>> {
        self.batch.clear();
        self.batch.flush(FAMILY, &self.set)?;
        self.batch.add_keys(FAMILY, &self.set, addresses.iter().map(Ipv4Addr::octets))?;
        Ok(self.socket.commit(&mut self.batch)?)
    }
}

#[cfg_attr(test, expect(dead_code, reason = "a test uses the list itself"))]
fn main() -> Result<(), Box<dyn Error>> {
    let mut list = Blocklist::new()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some((action, rest)) = line.trim().split_at_checked(1) else { continue };
        let addresses = rest.split_whitespace().map(str::parse).collect::<Result<Vec<Ipv4Addr>, _>>()?;
        match action {
            "+" => list.add(&addresses)?,
            "-" => list.remove(&addresses)?,
            "=" => list.replace(&addresses)?,
            _ => return Err(format!("a line begins with +, - or =, not with {action}").into()),
        }
        println!("{action} {} addresses", addresses.len());
    }
    Ok(())
}
