//! The peer index table of TABLE_DUMP_V2 (RFC 6396 §4.3.1).

use core::net::{IpAddr, Ipv4Addr};

use crate::cursor::Writer;
use crate::entries::{Entries, Entry};
use crate::error::EncodeError;
use crate::fields::{Cut, Fields, short};
use crate::mrt::address::{address_len, write_address, write_asn};
use crate::mrt::error::{MrtError, MrtErrorKind};

/// The peers whose routes later records have.
///
/// ```text
/// | collector (4) | view name length (2) | view name | peer count (2) | peers |        RFC 6396 §4.3.1
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerIndexTable<'a> {
    /// BGP identifier of the collector.
    pub collector: Ipv4Addr,
    /// Name of the RIB, by rights in UTF-8; mostly empty.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub view: &'a [u8],
    /// The peers. [`RibEntry::peer`](super::RibEntry::peer) counts them from zero: keep them in a `Vec` to find them again.
    pub peers: Entries<'a, Peer>,
}

impl<'a> PeerIndexTable<'a> {
    /// A table to record, of a view without name.
    pub const fn new(collector: Ipv4Addr, peers: &'a [Peer]) -> Self {
        Self { collector, view: &[], peers: Entries::list(peers) }
    }

    pub(super) fn decode(r: &mut Fields<'a>) -> Result<Self, MrtError> {
        let collector = r.v4()?;
        let len = r.u16()?;
        let view = r.take(len.into())?;
        let count = usize::from(r.u16()?);
        let peers = read_entries(r, count, false)?;
        Ok(Self { collector, view, peers })
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.peers.encoded_len().saturating_add(self.view.len()).saturating_add(8)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.put(&self.collector.octets())?;
        w.u16(short(self.view.len())?)?;
        w.put(self.view)?;
        w.u16(short(self.peers.len())?)?;
        self.peers.write(w)
    }
}

/// Takes a list of entries off the fields.
pub(super) fn read_entries<'a, T: Entry<'a>>(
    r: &mut Fields<'a>,
    count: usize,
    extended: bool,
) -> Result<Entries<'a, T>, MrtError> {
    let end = r.at().saturating_add(r.rest().len());
    match Entries::split(r.rest(), count, extended) {
        Ok((entries, rest)) => {
            r.take(r.rest().len().saturating_sub(rest.len()))?;
            Ok(entries)
        }
        Err(cut) => Err(MrtError::new(MrtErrorKind::Cut, end.saturating_sub(cut.len()))),
    }
}

/// A peer of the collector.
///
/// ```text
/// | type (1): bit 0 IPv6, bit 1 AS number of four octets | identifier (4) | address (4 or 16) | AS (2 or 4) |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Peer {
    kind: u8,
    identifier: Ipv4Addr,
    address: IpAddr,
    asn: u32,
}

impl Peer {
    const IPV6: u8 = 1;
    const FOUR_OCTET_AS: u8 = 2;

    /// A peer, whose AS number is written in four octets.
    pub const fn new(identifier: Ipv4Addr, address: IpAddr, asn: u32) -> Self {
        let version = if address.is_ipv6() { Self::IPV6 } else { 0 };
        Self { kind: version | Self::FOUR_OCTET_AS, identifier, address, asn }
    }

    /// A peer, whose AS number is written in two octets.
    pub const fn two_octet_as(identifier: Ipv4Addr, address: IpAddr, asn: u16) -> Self {
        let version = if address.is_ipv6() { Self::IPV6 } else { 0 };
        Self { kind: version, identifier, address, asn: asn as u32 }
    }

    /// The octet that says how address and AS number are written.
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// The BGP identifier.
    pub const fn identifier(&self) -> Ipv4Addr {
        self.identifier
    }

    /// The address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The AS number.
    pub const fn asn(&self) -> u32 {
        self.asn
    }

    const fn is_wide(&self) -> bool {
        self.kind & Self::FOUR_OCTET_AS != 0
    }

    fn decode(r: &mut Fields<'_>) -> Result<Self, Cut> {
        let (kind, identifier) = (r.u8()?, r.v4()?);
        let address = r.address(kind & Self::IPV6 != 0)?;
        Ok(Self { kind, identifier, address, asn: r.asn(kind & Self::FOUR_OCTET_AS != 0)? })
    }
}

impl<'a> Entry<'a> for Peer {
    fn read(bytes: &'a [u8], _: bool) -> Option<(Self, &'a [u8])> {
        let mut r = Fields::new(bytes, 0);
        let peer = Self::decode(&mut r).ok()?;
        Some((peer, r.rest()))
    }

    fn encoded_len(&self) -> usize {
        5 + address_len(self.address) + if self.is_wide() { 4 } else { 2 }
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        w.u8(self.kind)?;
        w.put(&self.identifier.octets())?;
        write_address(&mut w, self.address)?;
        write_asn(&mut w, self.asn, self.is_wide())?;
        Ok(w.len())
    }
}
