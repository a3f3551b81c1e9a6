//! The header of all messages that are about one peer (RFC 7854 §4.2, RFC 8671 §4, RFC 9069 §4).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::fields::{Cut, Fields};
use crate::nlri::RouteDistinguisher;
use crate::recorded;
use crate::session::Session;

/// Type of a peer, any 8-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PeerType(u8);

impl PeerType {
    /// A peer of the router as such.
    pub const GLOBAL: Self = Self(0);
    /// A peer of a VPN instance, which the distinguisher names.
    pub const VPN: Self = Self(1);
    /// A peer of another instance; the distinguisher is the router's own choice.
    pub const LOCAL: Self = Self(2);
    /// No peer: the routes that the router has chosen (RFC 9069).
    pub const LOC_RIB: Self = Self(3);

    /// The type with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Flags of a peer. What a bit means depends on the [`PeerType`].
///
/// ```text
/// | V IPv6 | L post-policy | A two-octet AS | O Adj-RIB-Out | 0 | 0 | 0 | 0 |        RFC 7854 §4.2, RFC 8671 §4
/// | F filtered | 0 | 0 | 0 | 0 | 0 | 0 | 0 |    of PeerType::LOC_RIB               RFC 9069 §4.2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PeerFlags(u8);

impl PeerFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// The address is one of IPv6.
    pub const IPV6: Self = Self(0x80);
    /// The routes are as they were after policy; else before.
    pub const POST_POLICY: Self = Self(0x40);
    /// AS_PATH has AS numbers of two octets.
    pub const TWO_OCTET_AS: Self = Self(0x20);
    /// The routes are those the router sends to the peer; else those that it receives (RFC 8671).
    pub const ADJ_RIB_OUT: Self = Self(0x10);
    /// Of [`PeerType::LOC_RIB`]: some routes were left out.
    pub const FILTERED: Self = Self(0x80);

    /// Any octet.
    pub const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// The octet.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which peer a message is about, and when that was.
///
/// ```text
/// | type (1) | flags (1) | distinguisher (8) | address (16) | AS (4) | identifier (4) | seconds (4) | microseconds (4) |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerHeader {
    /// The type of the peer.
    pub kind: PeerType,
    /// The flags.
    pub flags: PeerFlags,
    /// Which instance the peer is in; zero for [`PeerType::GLOBAL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::text"))]
    pub distinguisher: RouteDistinguisher,
    /// The address; an IPv4 address is in the last four octets. Zero for [`PeerType::LOC_RIB`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    pub address_octets: [u8; 16],
    /// The AS number.
    pub asn: u32,
    /// The BGP identifier.
    pub identifier: Ipv4Addr,
    /// When the routes were received, in seconds since 1970; 0 if the router does not know.
    pub seconds: u32,
    /// Microseconds beyond them.
    pub microseconds: u32,
}

/// Length of a [`PeerHeader`] in octets.
pub(super) const PEER_LEN: usize = 42;

impl PeerHeader {
    /// A peer of the router, before policy, at a time that is not known.
    pub fn new(address: IpAddr, asn: u32, identifier: Ipv4Addr) -> Self {
        let (flags, address_octets) = match address {
            IpAddr::V4(address) => (PeerFlags::NONE, octets(IpAddr::V4(address))),
            IpAddr::V6(address) => (PeerFlags::IPV6, octets(IpAddr::V6(address))),
        };
        let distinguisher = RouteDistinguisher::new([0; 8]);
        let kind = PeerType::GLOBAL;
        Self { kind, flags, distinguisher, address_octets, asn, identifier, seconds: 0, microseconds: 0 }
    }

    /// The Loc-RIB of the router (RFC 9069).
    pub fn loc_rib(asn: u32, identifier: Ipv4Addr) -> Self {
        let mut header = Self::new(Ipv4Addr::UNSPECIFIED.into(), asn, identifier);
        header.kind = PeerType::LOC_RIB;
        header
    }

    /// The same with these flags as well.
    #[must_use]
    pub const fn with_flags(mut self, flags: PeerFlags) -> Self {
        self.flags = self.flags.with(flags);
        self
    }

    /// The same at this time.
    #[must_use]
    pub const fn at(mut self, seconds: u32, microseconds: u32) -> Self {
        (self.seconds, self.microseconds) = (seconds, microseconds);
        self
    }

    /// The address; `None` for [`PeerType::LOC_RIB`].
    pub fn address(&self) -> Option<IpAddr> {
        if self.is_loc_rib() { None } else { Some(self.address_of(self.address_octets)) }
    }

    /// An address as the flags have it written.
    pub(super) fn address_of(&self, octets: [u8; 16]) -> IpAddr {
        if !self.is_loc_rib() && self.flags.contains(PeerFlags::IPV6) {
            return IpAddr::V6(Ipv6Addr::from(octets));
        }
        let last = octets.last_chunk::<4>().copied().unwrap_or_default();
        IpAddr::V4(Ipv4Addr::from(last))
    }

    /// Whether the routes are those that the router has chosen, of no peer (RFC 9069).
    pub fn is_loc_rib(&self) -> bool {
        self.kind == PeerType::LOC_RIB
    }

    /// Whether the routes are those that the router sends to the peer (RFC 8671).
    pub fn is_adj_rib_out(&self) -> bool {
        !self.is_loc_rib() && self.flags.contains(PeerFlags::ADJ_RIB_OUT)
    }

    /// Whether AS_PATH has AS numbers of four octets.
    pub fn four_octet_as(&self) -> bool {
        self.is_loc_rib() || !self.flags.contains(PeerFlags::TWO_OCTET_AS)
    }

    /// The agreement that reads messages of this peer, as far as this header says it. Path identifiers are not among it:
    /// [`PeerUp::session`](super::PeerUp::session) knows more.
    pub fn session(&self) -> Session {
        recorded::session(self.four_octet_as())
    }

    pub(super) fn decode(r: &mut Fields<'_>) -> Result<Self, Cut> {
        Ok(Self {
            kind: PeerType(r.u8()?),
            flags: PeerFlags(r.u8()?),
            distinguisher: RouteDistinguisher::new(r.array()?),
            address_octets: r.array()?,
            asn: r.u32()?,
            identifier: r.v4()?,
            seconds: r.u32()?,
            microseconds: r.u32()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.put(&[self.kind.0, self.flags.0])?;
        w.put(&self.distinguisher.octets())?;
        w.put(&self.address_octets)?;
        w.u32(self.asn)?;
        w.put(&self.identifier.octets())?;
        w.u32(self.seconds)?;
        w.u32(self.microseconds)
    }
}

/// An address in sixteen octets, one of IPv4 in the last four.
pub(super) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)).to_be_bytes(),
        IpAddr::V6(address) => address.octets(),
    }
}
