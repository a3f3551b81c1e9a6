//! A port that opens to who knocks at others first, in their order and in time.
//!
//! Each knock is a packet to the next port; it puts the sender's address into a set from which it falls after ten seconds. Whoever
//! is in the last one may connect for an hour; to all others the port seems closed. All of it happens in the kernel.
//!
//! ```text
//! cargo build --example knock --features socket
//! sudo unshare --net sh -c 'target/debug/examples/knock 22 1001 1002 1003 && nft list ruleset'
//! ```
#![expect(clippy::print_stdout, reason = "an example")]

use core::error::Error;
use core::time::Duration;

use tortie_nft_wire::{
    Attachment, Batch, Chain, CtState, Family, Hook, Name, Rule, Selector, Set, Socket, Table, Type,
};

const FAMILY: Family = Family::IPV4;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Hides a TCP port of this thread's namespace behind knocks at UDP ports: the time from one knock to the next, and how long it
/// is open.
pub(crate) fn hide(port: u16, knocks: &[u16], next: Duration, open: Duration) -> Result<(), Box<dyn Error>> {
    let (table, input) = (Name::new("knock")?, Name::new("input")?);
    let rule = || Rule::new(table.clone(), input.clone());
    let sender = [Selector::Ipv4Saddr];
    let stage = |number: usize| Name::new(format!("knocked{number}"));
    let mut batch = Batch::new();
    batch.add(FAMILY, &Table::new(table.clone()))?;
    batch.delete(FAMILY, &Table::new(table.clone()))?;
    batch.add(FAMILY, &Table::new(table.clone()))?;
    let filter = Attachment::new(Hook::INPUT, Attachment::FILTER);
    batch.add(FAMILY, &Chain::new(table.clone(), input.clone()).base(Name::new("filter")?, filter))?;

    batch.add(FAMILY, &rule().ct_state(CtState::ESTABLISHED).accept())?;
    for number in 0..knocks.len() {
        let stays = if number + 1 == knocks.len() { open } else { next };
        let set = Set::of(table.clone(), stage(number)?, u32::try_from(number)? + 1, Type::IPV4_ADDR, 4)
            .size(1 << 16)
            .timeout_ms(u64::try_from(stays.as_millis())?)
            .flags(Set::EVAL);
        batch.add(FAMILY, &set)?;
    }
    // The last one first, so that no packet is two knocks.
    for (number, knock) in knocks.iter().enumerate().rev() {
        let at_port = rule().dport(UDP, *knock);
        let in_time = match number.checked_sub(1) {
            Some(before) => at_port.in_set(&sender, stage(before)?),
            None => at_port,
        };
        batch.add(FAMILY, &in_time.update(&sender, stage(number)?, None, Vec::new()).drop())?;
    }
    if let Some(last) = knocks.len().checked_sub(1) {
        batch.add(FAMILY, &rule().dport(TCP, port).in_set(&sender, stage(last)?).accept())?;
    }
    // As if nobody listened.
    batch.add(FAMILY, &rule().dport(TCP, port).reset())?;
    Ok(Socket::open()?.commit(&mut batch)?)
}

#[cfg_attr(test, expect(dead_code, reason = "a test hides a port itself"))]
fn main() -> Result<(), Box<dyn Error>> {
    let ports = std::env::args().skip(1).map(|port| port.parse()).collect::<Result<Vec<u16>, _>>()?;
    let Some((port, knocks)) = ports.split_first() else {
        return Err("knock PORT KNOCK...: a TCP port, and the UDP ports to knock at".into());
    };
    hide(*port, knocks, Duration::from_secs(10), Duration::from_secs(3_600))?;
    println!("port {port} is hidden behind {} knocks", knocks.len());
    Ok(())
}
