//! The RIB entries of TABLE_DUMP_V2 (RFC 6396 §4.3.2, §4.3.4, RFC 8050 §4.1).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::cursor::Writer;
use crate::entries::{Entries, Entry};
use crate::error::EncodeError;
use crate::family::Family;
use crate::fields::{Cut, Fields, short};
use crate::mrt::attributes::PathAttributes;
use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::mrt::peers::read_entries;

/// The routes to one prefix.
///
/// ```text
/// | sequence (4) | prefix length (1) | prefix | entry count (2) | entries |        RFC 6396 §4.3.2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rib<'a> {
    sequence: u32,
    /// Bits beyond the prefix length are as they came.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::text"))]
    prefix: IpNet,
    multicast: bool,
    entries: Entries<'a, RibEntry<'a>>,
}

/// What the subtype of a [`Rib`] says.
#[derive(Debug, Clone, Copy)]
pub(super) struct RibForm {
    v6: bool,
    multicast: bool,
    add_path: bool,
}

impl<'a> Rib<'a> {
    /// Unicast routes to record.
    pub const fn unicast(sequence: u32, prefix: IpNet, entries: &'a [RibEntry<'a>]) -> Self {
        Self { sequence, prefix, multicast: false, entries: Entries::list(entries) }
    }

    /// Multicast routes to record.
    pub const fn multicast(sequence: u32, prefix: IpNet, entries: &'a [RibEntry<'a>]) -> Self {
        Self { sequence, prefix, multicast: true, entries: Entries::list(entries) }
    }

    /// The same with other routes.
    #[cfg(feature = "arbitrary")]
    pub(super) const fn with_entries(mut self, multicast: bool, entries: Entries<'a, RibEntry<'a>>) -> Self {
        (self.multicast, self.entries) = (multicast, entries);
        self
    }

    /// Number of the record, which begins at zero.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The destination; bits beyond its length are cleared.
    pub fn prefix(&self) -> IpNet {
        self.prefix.trunc()
    }

    /// The family: IPv4 or IPv6, unicast or multicast.
    pub const fn family(&self) -> Family {
        match (self.prefix, self.multicast) {
            (IpNet::V4(_), false) => Family::IPV4_UNICAST,
            (IpNet::V4(_), true) => Family::IPV4_MULTICAST,
            (IpNet::V6(_), false) => Family::IPV6_UNICAST,
            (IpNet::V6(_), true) => Family::IPV6_MULTICAST,
        }
    }

    /// The routes, one of each peer, or with path identifiers one of each path.
    pub const fn entries(&self) -> Entries<'a, RibEntry<'a>> {
        self.entries
    }

    /// Whether the routes have path identifiers (RFC 8050 §4.1).
    pub fn has_path_ids(&self) -> bool {
        self.entries.is_extended()
    }

    pub(super) const fn form(subtype: u16) -> Option<RibForm> {
        let (v6, multicast, add_path) = match subtype {
            2 => (false, false, false),
            3 => (false, true, false),
            4 => (true, false, false),
            5 => (true, true, false),
            8 => (false, false, true),
            9 => (false, true, true),
            10 => (true, false, true),
            11 => (true, true, true),
            _ => return None,
        };
        Some(RibForm { v6, multicast, add_path })
    }

    pub(super) fn subtype(&self) -> u16 {
        let first = match (self.prefix, self.multicast) {
            (IpNet::V4(_), false) => 2,
            (IpNet::V4(_), true) => 3,
            (IpNet::V6(_), false) => 4,
            (IpNet::V6(_), true) => 5,
        };
        if self.has_path_ids() { first + 6 } else { first }
    }

    pub(super) fn decode(r: &mut Fields<'a>, form: RibForm) -> Result<Self, MrtError> {
        let sequence = r.u32()?;
        let at = r.at();
        let len = r.u8()?;
        let bad = MrtError::new(MrtErrorKind::PrefixLength { len }, at);
        let octets = r.take(usize::from(len.div_ceil(8)))?;
        let prefix = prefix(octets, len, form.v6).ok_or(bad)?;
        let count = usize::from(r.u16()?);
        let entries = read_entries(r, count, form.add_path)?;
        Ok(Self { sequence, prefix, multicast: form.multicast, entries })
    }

    /// How many octets of the address are written.
    fn prefix_octets(&self) -> usize {
        usize::from(self.prefix.prefix_len().div_ceil(8))
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.entries.encoded_len().saturating_add(self.prefix_octets()).saturating_add(7)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u32(self.sequence)?;
        w.u8(self.prefix.prefix_len())?;
        let len = self.prefix_octets();
        match self.prefix.addr() {
            IpAddr::V4(address) => w.put(address.octets().get(..len).unwrap_or(&[]))?,
            IpAddr::V6(address) => w.put(address.octets().get(..len).unwrap_or(&[]))?,
        }
        w.u16(short(self.entries.len())?)?;
        self.entries.write(w)
    }
}

/// The prefix of these octets; `None` if it is longer than an address.
fn prefix(octets: &[u8], len: u8, v6: bool) -> Option<IpNet> {
    let mut whole = [0; 16];
    whole.get_mut(..octets.len())?.copy_from_slice(octets);
    let address = if v6 {
        IpAddr::V6(Ipv6Addr::from(whole))
    } else {
        IpAddr::V4(Ipv4Addr::from(*whole.first_chunk::<4>()?))
    };
    IpNet::new(address, len).ok()
}

/// A route to a destination that its record names.
///
/// ```text
/// | peer index (2) | originated (4) | path identifier (4), some subtypes | attributes length (2) | attributes |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RibEntry<'a> {
    /// Which peer of the [`PeerIndexTable`](super::PeerIndexTable) before, counted from zero. Nothing checks that it is there.
    pub peer: u16,
    /// When the route was heard of, in seconds since 1970.
    pub originated: u32,
    /// The path identifier: in all entries of a record, or in none.
    pub path_id: Option<u32>,
    /// The attributes, with AS numbers of four octets.
    pub attributes: PathAttributes<'a>,
}

impl<'a> RibEntry<'a> {
    /// A route to record, without path identifier.
    pub const fn new(peer: u16, originated: u32, attributes: PathAttributes<'a>) -> Self {
        Self { peer, originated, path_id: None, attributes }
    }

    /// The same with a path identifier.
    #[must_use]
    pub const fn with_path_id(mut self, path_id: u32) -> Self {
        self.path_id = Some(path_id);
        self
    }

    fn decode(r: &mut Fields<'a>, add_path: bool) -> Result<Self, Cut> {
        let (peer, originated) = (r.u16()?, r.u32()?);
        let path_id = if add_path { Some(r.u32()?) } else { None };
        let len = r.u16()?;
        Ok(Self { peer, originated, path_id, attributes: PathAttributes::new(r.take(len.into())?) })
    }
}

impl<'a> Entry<'a> for RibEntry<'a> {
    fn read(bytes: &'a [u8], extended: bool) -> Option<(Self, &'a [u8])> {
        let mut r = Fields::new(bytes, 0);
        let entry = Self::decode(&mut r, extended).ok()?;
        Some((entry, r.rest()))
    }

    fn is_extended(&self) -> bool {
        self.path_id.is_some()
    }

    fn encoded_len(&self) -> usize {
        let path_id = if self.path_id.is_some() { 4 } else { 0 };
        self.attributes.bytes().len().saturating_add(path_id + 8)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        w.u16(self.peer)?;
        w.u32(self.originated)?;
        self.path_id.map_or(Ok(()), |path_id| w.u32(path_id))?;
        w.u16(short(self.attributes.bytes().len())?)?;
        w.put(self.attributes.bytes())?;
        Ok(w.len())
    }
}
