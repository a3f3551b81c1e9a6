//! TABLE_DUMP: a RIB, one route of one peer in each record (RFC 6396 §4.2).

use core::net::IpAddr;

use ipnet::IpNet;

use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::fields::{Fields, short};
use crate::mrt::address::{address_len, write_address};
use crate::mrt::attributes::PathAttributes;
use crate::mrt::error::{MrtError, MrtErrorKind};

/// One route of one peer.
///
/// ```text
/// | view (2) | sequence (2) | prefix (4 or 16) | prefix length (1) | status (1) | originated (4) |
/// | peer address (4 or 16) | peer AS (2) | attributes length (2) | attributes |        RFC 6396 §4.2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TableDump<'a> {
    /// Which of the collector's RIBs.
    pub view: u16,
    /// Number of the record, which begins again at zero after 65,535.
    pub sequence: u16,
    /// The destination. Bits beyond the prefix length are as they came.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::text"))]
    pub prefix: IpNet,
    /// Without meaning; 1.
    pub status: u8,
    /// When the route was heard of, in seconds since 1970.
    pub originated: u32,
    /// Address of the peer, of the same family as the destination.
    pub peer: IpAddr,
    /// AS number of the peer.
    pub peer_as: u16,
    /// The attributes, with AS numbers of two octets.
    pub attributes: PathAttributes<'a>,
}

impl<'a> TableDump<'a> {
    /// A route to record, in view 0, with sequence number 0.
    pub const fn new(
        prefix: IpNet,
        originated: u32,
        peer: IpAddr,
        peer_as: u16,
        attributes: PathAttributes<'a>,
    ) -> Self {
        Self { view: 0, sequence: 0, prefix, status: 1, originated, peer, peer_as, attributes }
    }

    pub(super) const fn subtype(&self) -> u16 {
        if self.peer.is_ipv4() { 1 } else { 2 }
    }

    pub(super) fn decode(r: &mut Fields<'a>, v6: bool) -> Result<Self, MrtError> {
        let (view, sequence, address) = (r.u16()?, r.u16()?, r.address(v6)?);
        let at = r.at();
        let len = r.u8()?;
        let prefix =
            IpNet::new(address, len).map_err(|_| MrtError::new(MrtErrorKind::PrefixLength { len }, at))?;
        let (status, originated, peer, peer_as) = (r.u8()?, r.u32()?, r.address(v6)?, r.u16()?);
        let len = r.u16()?;
        let attributes = PathAttributes::two_octet_as(r.take(len.into())?);
        Ok(Self { view, sequence, prefix, status, originated, peer, peer_as, attributes })
    }

    pub(super) fn encoded_len(&self) -> usize {
        let addresses = address_len(self.prefix.addr()) + address_len(self.peer);
        addresses.saturating_add(self.attributes.bytes().len()).saturating_add(14)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.prefix.addr().is_ipv4() != self.peer.is_ipv4() {
            return Err(EncodeError::MixedAddresses);
        }
        w.u16(self.view)?;
        w.u16(self.sequence)?;
        write_address(w, self.prefix.addr())?;
        w.u8(self.prefix.prefix_len())?;
        w.u8(self.status)?;
        w.u32(self.originated)?;
        write_address(w, self.peer)?;
        w.u16(self.peer_as)?;
        w.u16(short(self.attributes.bytes().len())?)?;
        w.put(self.attributes.bytes())
    }
}
