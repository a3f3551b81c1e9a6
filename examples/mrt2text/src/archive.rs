//! Records, one after the other, as what is worth a line.

use core::fmt::Display;
use core::net::IpAddr;
use std::io;

use tortie_bgp_wire::mrt::{
    Body, PathAttributes, Peer, RawRecord, RibEntry, SessionMessage, StateChange, TableDump, Timestamp,
};
use tortie_bgp_wire::{Family, Message, NextHop, Nlri, Update};

use crate::event::{Destination, Event, Values, What};

/// Who takes what is worth a line.
pub(crate) type Print<'p> = &'p mut dyn FnMut(&Event<'_>) -> io::Result<()>;
/// Who takes what cannot be read.
pub(crate) type Warn<'w> = &'w mut dyn FnMut(&dyn Display);

/// What has to be kept from record to record.
pub(crate) struct Archive {
    /// Routes whose path has an AS_SET count as withdrawn.
    without_as_sets: bool,
    /// The peers that entries of RIBs name by number.
    peers: Vec<Peer>,
    without_line: u64,
}

/// What the routes of one message, or of one entry, have in common.
struct Common {
    form: &'static str,
    time: Timestamp,
    peer: IpAddr,
    peer_as: u32,
}

impl Archive {
    pub(crate) const fn new(without_as_sets: bool) -> Self {
        Self { without_as_sets, peers: Vec::new(), without_line: 0 }
    }

    /// How many destinations were no prefixes.
    pub(crate) const fn without_line(&self) -> u64 {
        self.without_line
    }

    /// Prints what a record says. Only printing fails.
    pub(crate) fn record(&mut self, raw: &RawRecord<'_>, print: Print<'_>, warn: Warn<'_>) -> io::Result<()> {
        let record = match raw.record() {
            Ok(record) => record,
            Err(error) => {
                warn(&error);
                return Ok(());
            }
        };
        match record.body {
            Body::Message(message) => self.message(record.time, &message, print, warn),
            Body::StateChange(change) => state(record.time, &change, print),
            Body::PeerIndexTable(table) => {
                self.peers = table.peers.iter().collect();
                Ok(())
            }
            Body::TableDump(entry) => self.table_dump(record.time, &entry, print, warn),
            Body::Rib(rib) => {
                let form = if rib.has_path_ids() { "TABLE_DUMP2_AP" } else { "TABLE_DUMP2" };
                let nlri = match rib.family() {
                    Family::IPV4_MULTICAST | Family::IPV6_MULTICAST => match rib.prefix() {
                        ipnet::IpNet::V4(net) => Nlri::Ipv4Multicast(net),
                        ipnet::IpNet::V6(net) => Nlri::Ipv6Multicast(net),
                    },
                    _ => rib.prefix().into(),
                };
                rib.entries().iter().try_for_each(|entry| {
                    self.entry((form, record.time), (nlri, entry.path_id), &entry, print, warn)
                })
            }
            Body::RibGeneric(rib) => {
                let add_path =
                    rib.path_id().is_some() || rib.entries().iter().any(|entry| entry.path_id.is_some());
                let form = if add_path { "TABLE_DUMP2_AP" } else { "TABLE_DUMP2" };
                let Some(nlri) = rib.destination() else { return Ok(()) };
                rib.entries().iter().try_for_each(|entry| {
                    let path_id = rib.path_id().or(entry.path_id);
                    self.entry((form, record.time), (nlri, path_id), &entry, print, warn)
                })
            }
            _ => Ok(()),
        }
    }

    fn message(
        &mut self,
        time: Timestamp,
        message: &SessionMessage<'_>,
        print: Print<'_>,
        warn: Warn<'_>,
    ) -> io::Result<()> {
        let update = match message.decode_message() {
            Ok(Message::Update(update)) => update,
            Ok(_) => return Ok(()),
            Err(error) => {
                warn(&error);
                return Ok(());
            }
        };
        let peering = &message.peering;
        let (peer, peer_as) = if message.form.local {
            (peering.local, peering.local_as)
        } else {
            (peering.peer, peering.peer_as)
        };
        let common = Common { form: form_of(time, message), time, peer, peer_as };
        self.update(&common, &update, print, warn)
    }

    fn update(
        &mut self,
        common: &Common,
        update: &Update<'_>,
        print: Print<'_>,
        warn: Warn<'_>,
    ) -> io::Result<()> {
        for (path_id, nlri) in update.withdrawn_paths() {
            self.print(common, What::Withdrawn(Destination { nlri, path_id }), print)?;
        }
        if update.announcements().next().is_none() {
            return Ok(());
        }
        let values = Values::new(update.attributes(), update.as_path(), update.aggregator());
        report(&values, warn);
        let withdrawn = self.without_as_sets && values.has_as_set();
        let mut known: Option<(Family, Option<NextHop>)> = None;
        // As the old tool has it: first what has a field of its own since 1995, then all else.
        for classic in [true, false] {
            let announced = update.announced_paths();
            for (path_id, nlri) in
                announced.filter(|(_, nlri)| matches!(nlri, Nlri::Ipv4Unicast(_)) == classic)
            {
                let destination = Destination { nlri, path_id };
                let family = nlri.family();
                let next_hop = match known {
                    Some((of, next_hop)) if of == family => next_hop,
                    _ => update.next_hop(family),
                };
                known = Some((family, next_hop));
                let what = if withdrawn {
                    What::Withdrawn(destination)
                } else {
                    What::Route { in_rib: false, destination, next_hop, attributes: &values }
                };
                self.print(common, what, print)?;
            }
        }
        Ok(())
    }

    fn table_dump(
        &mut self,
        time: Timestamp,
        entry: &TableDump<'_>,
        print: Print<'_>,
        warn: Warn<'_>,
    ) -> io::Result<()> {
        let common = Common { form: "TABLE_DUMP", time, peer: entry.peer, peer_as: entry.peer_as.into() };
        let destination = Destination { nlri: entry.prefix.trunc().into(), path_id: None };
        self.route(&common, destination, entry.attributes, print, warn)
    }

    fn entry(
        &mut self,
        (form, time): (&'static str, Timestamp),
        (nlri, path_id): (Nlri<'_>, Option<u32>),
        entry: &RibEntry<'_>,
        print: Print<'_>,
        warn: Warn<'_>,
    ) -> io::Result<()> {
        let Some(peer) = self.peers.get(usize::from(entry.peer)) else {
            warn(&format_args!("peer {} is not in the table of {} before", entry.peer, self.peers.len()));
            return Ok(());
        };
        let common = Common { form, time, peer: peer.address(), peer_as: peer.asn() };
        self.route(&common, Destination { nlri, path_id }, entry.attributes, print, warn)
    }

    fn route(
        &mut self,
        common: &Common,
        destination: Destination<'_>,
        attributes: PathAttributes<'_>,
        print: Print<'_>,
        warn: Warn<'_>,
    ) -> io::Result<()> {
        let values = Values::new(attributes.iter(), attributes.as_path(), attributes.aggregator());
        report(&values, warn);
        if self.without_as_sets && values.has_as_set() {
            return Ok(());
        }
        let next_hop = attributes.next_hop(destination.nlri.family());
        let what = What::Route { in_rib: true, destination, next_hop, attributes: &values };
        self.print(common, what, print)
    }

    fn print(&mut self, common: &Common, what: What<'_>, print: Print<'_>) -> io::Result<()> {
        if let What::Route { destination, .. } | What::Withdrawn(destination) = &what {
            self.without_line += u64::from(destination.nlri.prefix().is_none());
        }
        let Common { form, time, peer, peer_as } = *common;
        print(&Event { form, time, peer, peer_as, what })
    }
}

/// Says what is wrong with attributes, which then count as missing.
fn report(values: &Values<'_>, warn: Warn<'_>) {
    if let Some(fault) = &values.fault {
        warn(&format_args!("an attribute is left out: {fault}"));
    }
}

fn state(time: Timestamp, change: &StateChange, print: Print<'_>) -> io::Result<()> {
    let form = if time.microseconds.is_some() { "BGP4MP_ET" } else { "BGP4MP" };
    let (peer, peer_as) = (change.peering.peer, change.peering.peer_as);
    print(&Event { form, time, peer, peer_as, what: What::State { old: change.old, new: change.new } })
}

/// Type of a message's record, as the first word of a line.
const fn form_of(time: Timestamp, message: &SessionMessage<'_>) -> &'static str {
    match (time.microseconds.is_some(), message.form.local, message.form.add_path) {
        (false, false, false) => "BGP4MP",
        (false, false, true) => "BGP4MP_AP",
        (false, true, false) => "BGP4MP_LOCAL",
        (false, true, true) => "BGP4MP_LOCAL_AP",
        (true, false, false) => "BGP4MP_ET",
        (true, false, true) => "BGP4MP_ET_AP",
        (true, true, false) => "BGP4MP_ET_LOCAL",
        (true, true, true) => "BGP4MP_ET_LOCAL_AP",
    }
}
