//! Connections that are there, and whether they would be accepted now.

use core::net::{IpAddr, SocketAddr};

use tortie_nft_wire::{Connection, Tuple};

use super::Ruleset;
use crate::flow::{Flow, Transport};
use crate::host::{Packet, Place};
use crate::interpret::interpret_workloads;
use crate::key::Verdict;
use crate::model::Protocol;

impl Ruleset {
    /// Bits of the marks of connections that [`connection_mark`](Self::connection_mark) speaks of.
    #[must_use]
    pub const fn connection_mask(&self) -> u32 {
        self.options.connection_mark
    }

    /// Which of [these bits](Self::connection_mask) the mark of a connection shall have: so that its packets are dropped if
    /// what is wished would not accept its first packet, so that they are not if it would. `None` if neither end is a
    /// workload of this host, or if another connection expected it: these are left alone.
    ///
    /// `place` says where an address is: any interface will do that is no workload's, since the policy of a host's own
    /// interfaces is not asked. Nobody is locked out of a host by this.
    ///
    /// It is only a calculation: done before the first batch is given to the kernel, and again behind it, no connection
    /// escapes that began without policy; done after each batch, policy holds of all connections.
    pub fn connection_mark<'p>(
        &self,
        connection: &Connection,
        place: impl Fn(IpAddr) -> Place<'p>,
    ) -> Option<u32> {
        if connection.status & Connection::EXPECTED != 0 {
            return None;
        }
        let packet = packet(connection, place)?;
        let sets = |set: &crate::set::SetId| self.sets.get(set).map(|state| &state.members);
        match interpret_workloads(&self.program, &sets, &packet).verdict() {
            Verdict::Allow => Some(0),
            Verdict::Deny => Some(self.options.connection_mark),
        }
    }
}

/// The first packet of a connection, as policy saw it; `None` if none of its ends is a workload.
fn packet<'p>(connection: &Connection, place: impl Fn(IpAddr) -> Place<'p>) -> Option<Packet<'p>> {
    let Tuple { source, destination, protocol, ports, icmp } = connection.original;
    let ends = (source.to_canonical(), connection.reply.source.to_canonical());
    let (from, to) = (place(ends.0), place(ends.1));
    let is_workload = |place| matches!(place, Place::Workload(_));
    if !is_workload(from) && !is_workload(to) {
        return None;
    }
    // Answers come from the port that it went to in the end.
    let source_port = ports.map_or(0, |(port, _)| port);
    let destination_port = connection.reply.ports.map_or(0, |(port, _)| port);
    let transport = match (protocol, icmp) {
        (Protocol::TCP, _) => Transport::Tcp { source_port, destination_port },
        (Protocol::UDP, _) => Transport::Udp { source_port, destination_port },
        (Protocol::SCTP, _) => Transport::Sctp { source_port, destination_port },
        (Protocol::ICMP | Protocol::ICMPV6, Some((kind, code))) => Transport::Icmp { kind, code },
        (other, _) => Transport::Other(other),
    };
    let original_port = ports.map_or(0, |(_, port)| port);
    let is_translated = (destination, original_port) != (connection.reply.source, destination_port);
    let original_destination = is_translated.then(|| SocketAddr::new(destination, original_port));
    Some(Packet { from, to, flow: Flow::new(ends.0, ends.1, transport), original_destination })
}
