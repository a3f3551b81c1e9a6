//! Records out of raw bytes, for fuzzing: such as can be encoded, and then decode to themselves.

use core::net::IpAddr;

use arbitrary::{Arbitrary, Result, Unstructured};
use ipnet::IpNet;

use crate::mrt::attributes::PathAttributes;
use crate::mrt::bgp4mp::{MessageForm, Peering, SessionMessage, State, StateChange};
use crate::mrt::generic::RibGeneric;
use crate::mrt::header::{RecordType, Timestamp};
use crate::mrt::peers::{Peer, PeerIndexTable};
use crate::mrt::record::{Body, Record, UnknownBody};
use crate::mrt::rib::{Rib, RibEntry};
use crate::mrt::table::TableDump;

/// The body of any type, at a time that fits it.
impl<'a> Arbitrary<'a> for Record<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let body = Body::arbitrary(bytes)?;
        let precise = match body {
            Body::Message(_) | Body::StateChange(_) => bytes.arbitrary()?,
            Body::Unknown(unknown) => unknown.kind.has_microseconds(),
            _ => false,
        };
        let mut time = Timestamp::new(bytes.arbitrary()?);
        time.microseconds = if precise { Some(bytes.arbitrary()?) } else { None };
        Ok(Self::new(time, body))
    }
}

/// Any body. Lists have entries as the bytes have them.
impl<'a> Arbitrary<'a> for Body<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=6)? {
            0 => {
                let four_octet_as = bytes.arbitrary()?;
                let peering = peering(bytes, four_octet_as)?;
                let form =
                    MessageForm { four_octet_as, local: bytes.arbitrary()?, add_path: bytes.arbitrary()? };
                Self::Message(SessionMessage::new(peering, form, bytes.arbitrary()?))
            }
            1 => {
                let four_octet_as = bytes.arbitrary()?;
                let peering = peering(bytes, four_octet_as)?;
                let [old, new] = bytes.arbitrary::<[u16; 2]>()?.map(State::new);
                let mut change = StateChange::new(peering, old, new);
                change.four_octet_as = four_octet_as;
                Self::StateChange(change)
            }
            2 => {
                let prefix = prefix(bytes)?;
                let peer = address(bytes, prefix.addr().is_ipv6())?;
                let (originated, peer_as) = (bytes.arbitrary()?, bytes.arbitrary()?);
                let attributes = PathAttributes::two_octet_as(bytes.arbitrary()?);
                let mut entry = TableDump::new(prefix, originated, peer, peer_as, attributes);
                (entry.view, entry.sequence, entry.status) = bytes.arbitrary()?;
                Self::TableDump(entry)
            }
            3 => {
                let mut table = PeerIndexTable::new(bytes.arbitrary()?, &[]);
                (table.view, table.peers) =
                    (bytes.arbitrary()?, crate::entries::arbitrary::<Peer>(bytes, false)?);
                Self::PeerIndexTable(table)
            }
            4 => {
                let (sequence, prefix, multicast) = (bytes.arbitrary()?, prefix(bytes)?, bytes.arbitrary()?);
                let add_path = bytes.arbitrary()?;
                let entries = crate::entries::arbitrary::<RibEntry<'_>>(bytes, add_path)?;
                Self::Rib(Rib::unicast(sequence, prefix.trunc(), &[]).with_entries(multicast, entries))
            }
            5 => {
                let rib = RibGeneric::new(bytes.arbitrary()?, prefix(bytes)?.trunc().into(), &[]);
                let in_entries = bytes.arbitrary()?;
                let entries = crate::entries::arbitrary::<RibEntry<'_>>(bytes, in_entries)?;
                let rib = rib.with_entries(entries);
                // One before the destination or one in each entry, not both.
                let before = !in_entries && bytes.arbitrary()?;
                Self::RibGeneric(if before { rib.with_path_id(bytes.arbitrary()?) } else { rib })
            }
            _ => {
                let (kind, mut subtype) = (RecordType::new(bytes.arbitrary()?), bytes.arbitrary::<u16>()?);
                let named = matches!(
                    kind,
                    RecordType::TABLE_DUMP
                        | RecordType::TABLE_DUMP_V2
                        | RecordType::BGP4MP
                        | RecordType::BGP4MP_ET
                );
                if named {
                    subtype |= 0x8000;
                }
                Self::Unknown(UnknownBody::new(kind, subtype, bytes.arbitrary()?))
            }
        })
    }
}

fn address(bytes: &mut Unstructured<'_>, v6: bool) -> Result<IpAddr> {
    Ok(if v6 {
        IpAddr::from(bytes.arbitrary::<[u8; 16]>()?)
    } else {
        IpAddr::from(bytes.arbitrary::<[u8; 4]>()?)
    })
}

fn prefix(bytes: &mut Unstructured<'_>) -> Result<IpNet> {
    let v6 = bytes.arbitrary()?;
    let address = address(bytes, v6)?;
    let len = bytes.int_in_range(0..=if v6 { 128 } else { 32 })?;
    IpNet::new(address, len).map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn peering(bytes: &mut Unstructured<'_>, four_octet_as: bool) -> Result<Peering> {
    let v6 = bytes.arbitrary()?;
    let [peer_as, local_as] =
        bytes.arbitrary::<[u32; 2]>()?.map(|asn| if four_octet_as { asn } else { asn & 0xffff });
    let mut peering = Peering::new(peer_as, address(bytes, v6)?, local_as, address(bytes, v6)?);
    peering.interface = bytes.arbitrary()?;
    Ok(peering)
}
