//! A firewall of a host: what it began itself, SSH from two networks, and a list of addresses that are dropped first.
//!
//! Run it in a namespace of its own, and look at what it made:
//!
//! ```text
//! cargo build --example firewall --features socket
//! sudo unshare --net sh -c 'target/debug/examples/firewall && nft list ruleset'
//! ```
#![expect(clippy::print_stdout, reason = "an example")]

use core::error::Error;

use ipnet::IpNet;
use tortie_nft_wire::{
    Attachment, Batch, Chain, CtState, Family, Hook, Name, Policy, Rule, Set, Socket, Table, Type,
};

const TCP: u8 = 6;

/// Makes it, in the namespace of this thread.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let family = Family::INET;
    let (table, input, blocked) = (Name::new("firewall")?, Name::new("input")?, Name::new("blocked")?);
    let rule = || Rule::new(table.clone(), input.clone());
    let mut batch = Batch::new();

    // A table that is new, whatever was there: adding it first makes sure that there is something to delete.
    batch.add(family, &Table::new(table.clone()))?;
    batch.delete(family, &Table::new(table.clone()))?;
    batch.add(family, &Table::new(table.clone()))?;

    let list = Set::of(table.clone(), blocked.clone(), 1, Type::IPV4_ADDR, 4).size(100_000);
    batch.add(family, &list)?;
    batch.add_keys(family, &list, [[198, 51, 100, 7], [198, 51, 100, 8]])?;

    let filter = Attachment::new(Hook::INPUT, Attachment::FILTER);
    let chain = Chain::new(table.clone(), input.clone()).base(Name::new("filter")?, filter);
    batch.add(family, &chain.policy(Policy::DROP))?;
    batch.add(family, &rule().ipv4_saddr_in(blocked).counter().drop())?;
    batch.add(family, &rule().ct_state(CtState::ESTABLISHED.or(CtState::RELATED)).accept())?;
    batch.add(family, &rule().ct_state(CtState::INVALID).drop())?;
    batch.add(family, &rule().iifname("lo").accept())?;
    for network in ["192.0.2.0/24", "2001:db8::/32"] {
        let network: IpNet = network.parse()?;
        batch.add(family, &rule().saddr(network).dport(TCP, 22).accept().comment("administrators"))?;
    }
    batch.add(family, &rule().limit_per_second(5, 5).log("dropped: "))?;

    Socket::open()?.commit(&mut batch)?;
    println!("{} messages are in force", batch.len());
    Ok(())
}
