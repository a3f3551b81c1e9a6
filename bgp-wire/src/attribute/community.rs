//! COMMUNITIES and CLUSTER_LIST: lists of four-octet values.

use core::fmt;
use core::net::Ipv4Addr;

use crate::record::{Record, RecordIter, Records};

/// A community (RFC 1997): by convention an AS number and a value of its choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Community(u32);

impl Community {
    /// Asks for a lower preference before a link goes down (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// Accept own routes (RFC 7611).
    pub const ACCEPT_OWN: Self = Self(0xffff_0001);
    /// A route that its origin would keep although it is stale (RFC 9494).
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// A route not to be kept when stale (RFC 9494).
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// Asks to drop traffic to this destination (RFC 7999).
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// Not to be advertised to external peers.
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// Not to be advertised to anybody.
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// Not to be advertised to external peers, not even inside the confederation.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
    /// Not to be advertised to bilateral peers (RFC 3765).
    pub const NO_PEER: Self = Self(0xffff_ff04);

    /// The community with this number.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The community `asn:value`.
    pub const fn of(asn: u16, value: u16) -> Self {
        Self((asn as u32) << 16 | value as u32)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff)
    }
}

impl Record for Community {
    const LEN: usize = 4;

    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|octets| Self(u32::from_be_bytes(*octets)))
    }

    fn octets(self) -> impl AsRef<[u8]> {
        self.0.to_be_bytes()
    }
}

impl Record for Ipv4Addr {
    const LEN: usize = 4;

    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|octets| Self::from(*octets))
    }

    fn octets(self) -> impl AsRef<[u8]> {
        Self::octets(&self)
    }
}

/// The value of COMMUNITIES.
pub type Communities<'a> = Records<'a, Community>;
/// Iterator over [`Communities`].
pub type CommunityIter<'a> = RecordIter<'a, Community>;
/// The value of CLUSTER_LIST: the last reflector first.
pub type ClusterList<'a> = Records<'a, Ipv4Addr>;
/// Iterator over [`ClusterList`].
pub type ClusterIds<'a> = RecordIter<'a, Ipv4Addr>;
