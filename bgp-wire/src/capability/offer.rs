//! What capabilities say beyond their presence.

use crate::family::{Afi, Family, Safi};
use crate::record::{Record, Records};

/// AFI in two octets, SAFI in one.
fn family(bytes: &[u8]) -> Option<(Family, &[u8])> {
    let ([a, b, safi], rest) = bytes.split_first_chunk()?;
    Some((Family::new(Afi::new(u16::from_be_bytes([*a, *b])), Safi::new(*safi)), rest))
}

fn family_octets(family: Family) -> [u8; 3] {
    let [a, b] = family.afi().get().to_be_bytes();
    [a, b, family.safi().get()]
}

/// A family, and the address family that its next hops may have (RFC 8950 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct ExtendedNextHop {
    /// The family of the destinations.
    pub family: Family,
    /// The address family of the next hops.
    pub next_hop: Afi,
}

impl ExtendedNextHop {
    /// The pair.
    pub const fn new(family: Family, next_hop: Afi) -> Self {
        Self { family, next_hop }
    }
}

impl Record for ExtendedNextHop {
    const LEN: usize = 6;

    fn read(bytes: &[u8]) -> Option<Self> {
        // The SAFI has two octets here; the first is zero in every SAFI there is.
        let [a, b, _, safi, c, d] = *bytes.first_chunk()?;
        let family = Family::new(Afi::new(u16::from_be_bytes([a, b])), Safi::new(safi));
        Some(Self { family, next_hop: Afi::new(u16::from_be_bytes([c, d])) })
    }

    fn octets(self) -> impl AsRef<[u8]> {
        let ([a, b, safi], [c, d]) = (family_octets(self.family), self.next_hop.get().to_be_bytes());
        [a, b, 0, safi, c, d]
    }
}

/// The role of a speaker towards its peer (RFC 9234 §4.1), any value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Role(u8);

impl Role {
    /// The peer's provider.
    pub const PROVIDER: Self = Self(0);
    /// The route server that serves the peer.
    pub const ROUTE_SERVER: Self = Self(1);
    /// A client of the peer, which is a route server.
    pub const ROUTE_SERVER_CLIENT: Self = Self(2);
    /// The peer's customer.
    pub const CUSTOMER: Self = Self(3);
    /// The peer's peer.
    pub const PEER: Self = Self(4);

    /// The role with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether the two roles belong together (RFC 9234 §4.2); if not, the session is refused with 2/11.
    pub const fn agrees_with(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::PROVIDER, Self::CUSTOMER)
                | (Self::CUSTOMER, Self::PROVIDER)
                | (Self::ROUTE_SERVER, Self::ROUTE_SERVER_CLIENT)
                | (Self::ROUTE_SERVER_CLIENT, Self::ROUTE_SERVER)
                | (Self::PEER, Self::PEER)
        )
    }
}

/// The value of the graceful restart capability (RFC 4724 §3, RFC 8538 §2).
///
/// ```text
/// | R | N | reserved (2 bits) | restart time (12 bits, seconds) | AFI (2) | SAFI (1) | F, reserved (1) | ...
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GracefulRestart<'a> {
    /// R: the speaker has restarted.
    pub restarted: bool,
    /// N: graceful restart also after a NOTIFICATION and after the hold time.
    pub notification: bool,
    /// Seconds until the session is up again, 0 to 4095.
    pub seconds: u16,
    /// The families whose routes are to be kept.
    pub families: Records<'a, RestartFamily>,
    /// The two bits that have no meaning yet.
    reserved: u16,
}

impl<'a> GracefulRestart<'a> {
    /// What to offer for these families; of `seconds` only 12 bits count.
    pub const fn new(seconds: u16, families: Records<'a, RestartFamily>) -> Self {
        Self { restarted: false, notification: false, seconds: seconds & 0xfff, families, reserved: 0 }
    }

    /// The same with the N bit.
    #[must_use]
    pub const fn with_notification(mut self) -> Self {
        self.notification = true;
        self
    }

    /// The same with the R bit.
    #[must_use]
    pub const fn with_restarted(mut self) -> Self {
        self.restarted = true;
        self
    }

    pub(super) fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk()?;
        let head = u16::from_be_bytes(*head);
        Some(Self {
            restarted: head & 0x8000 != 0,
            notification: head & 0x4000 != 0,
            seconds: head & 0xfff,
            families: Records::from_wire_or_empty(rest)?,
            reserved: head & 0x3000,
        })
    }

    pub(super) const fn flags_and_time(&self) -> u16 {
        let restarted = if self.restarted { 0x8000 } else { 0 };
        let notification = if self.notification { 0x4000 } else { 0 };
        restarted | notification | self.reserved | self.seconds & 0xfff
    }
}

/// A family of the graceful restart capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct RestartFamily {
    /// The family.
    pub family: Family,
    /// The flags as sent: 0x80 says that the forwarding state was kept.
    pub flags: u8,
}

impl RestartFamily {
    /// A family whose forwarding state was kept, or not.
    pub const fn new(family: Family, forwarding_kept: bool) -> Self {
        Self { family, flags: if forwarding_kept { 0x80 } else { 0 } }
    }

    /// F: the forwarding state was kept over the restart.
    pub const fn forwarding_kept(self) -> bool {
        self.flags & 0x80 != 0
    }
}

impl Record for RestartFamily {
    const LEN: usize = 4;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = family(bytes)?;
        Some(Self { family, flags: *rest.first()? })
    }

    fn octets(self) -> impl AsRef<[u8]> {
        let [a, b, safi] = family_octets(self.family);
        [a, b, safi, self.flags]
    }
}

/// A family of the add-path capability (RFC 7911 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct AddPath {
    /// The family.
    pub family: Family,
    /// 1: receives, 2: sends, 3: both; an entry with another value is to be ignored.
    pub mode: u8,
}

impl AddPath {
    /// The speaker can receive several paths.
    pub const RECEIVE: u8 = 1;
    /// The speaker can send several paths.
    pub const SEND: u8 = 2;
    /// Both.
    pub const BOTH: u8 = 3;

    /// An entry with this mode.
    pub const fn new(family: Family, mode: u8) -> Self {
        Self { family, mode }
    }

    /// Whether the speaker can send several paths.
    pub const fn sends(self) -> bool {
        matches!(self.mode, Self::SEND | Self::BOTH)
    }

    /// Whether the speaker can receive several paths.
    pub const fn receives(self) -> bool {
        matches!(self.mode, Self::RECEIVE | Self::BOTH)
    }
}

impl Record for AddPath {
    const LEN: usize = 4;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = family(bytes)?;
        Some(Self { family, mode: *rest.first()? })
    }

    fn octets(self) -> impl AsRef<[u8]> {
        let [a, b, safi] = family_octets(self.family);
        [a, b, safi, self.mode]
    }
}

/// A family of the long-lived graceful restart capability (RFC 9494 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct LongLivedRestart {
    /// The family.
    pub family: Family,
    /// The flags as sent: 0x80 says that the forwarding state was kept.
    pub flags: u8,
    /// How long to keep stale routes, in seconds: 0 to 16,777,215.
    pub stale_seconds: u32,
}

impl LongLivedRestart {
    /// An entry; of `stale_seconds` only 24 bits count.
    pub const fn new(family: Family, flags: u8, stale_seconds: u32) -> Self {
        Self { family, flags, stale_seconds: stale_seconds & 0xff_ffff }
    }
}

impl Record for LongLivedRestart {
    const LEN: usize = 7;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = family(bytes)?;
        let [flags, a, b, c] = *rest.first_chunk()?;
        Some(Self { family, flags, stale_seconds: u32::from_be_bytes([0, a, b, c]) })
    }

    fn octets(self) -> impl AsRef<[u8]> {
        let ([a, b, safi], [_, c, d, e]) = (family_octets(self.family), self.stale_seconds.to_be_bytes());
        [a, b, safi, self.flags, c, d, e]
    }
}

/// A family of the paths limit capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct PathsLimit {
    /// The family.
    pub family: Family,
    /// The most paths that are wanted for one destination; zero is to be ignored.
    pub limit: u16,
}

impl PathsLimit {
    /// An entry.
    pub const fn new(family: Family, limit: u16) -> Self {
        Self { family, limit }
    }
}

impl Record for PathsLimit {
    const LEN: usize = 5;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = family(bytes)?;
        Some(Self { family, limit: u16::from_be_bytes(*rest.first_chunk()?) })
    }

    fn octets(self) -> impl AsRef<[u8]> {
        let ([a, b, safi], [c, d]) = (family_octets(self.family), self.limit.to_be_bytes());
        [a, b, safi, c, d]
    }
}

/// Host and domain name of a speaker; text in whatever encoding it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fqdn<'a> {
    /// The name of the host.
    pub host: &'a [u8],
    /// The name of the domain, often empty.
    pub domain: &'a [u8],
}

impl<'a> Fqdn<'a> {
    /// The two names.
    pub const fn new(host: &'a [u8], domain: &'a [u8]) -> Self {
        Self { host, domain }
    }

    pub(super) fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first()?;
        let (host, rest) = rest.split_at_checked(usize::from(*len))?;
        let (len, domain) = rest.split_first()?;
        (usize::from(*len) == domain.len()).then_some(Self { host, domain })
    }
}

/// The value of the route filtering capability (RFC 5291 §5), as it lies on the wire.
///
/// ```text
/// | AFI (2) | reserved (1) | SAFI (1) | count (1) | type (1), send/receive (1) ... | next family ...
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteFiltering<'a>(&'a [u8]);

impl<'a> RouteFiltering<'a> {
    /// The value; `None` if its counts do not add up.
    pub fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let ([.., count], tail) = rest.split_first_chunk::<5>()?;
            rest = tail.get(usize::from(*count) * 2..)?;
        }
        Some(Self(bytes))
    }

    /// The octets.
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// What is offered, in order.
    pub const fn offers(&self) -> FilterOffers<'a> {
        FilterOffers { rest: self.0, family: Family::IPV4_UNICAST, types: &[] }
    }
}

/// One type of filter of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FilterOffer {
    /// The family whose routes are filtered.
    pub family: Family,
    /// The type of the filter; 64 filters by address prefix (RFC 5292).
    pub kind: u8,
    /// 1: takes filters, 2: sends them, 3: both.
    pub mode: u8,
}

/// Iterator over what [`RouteFiltering`] offers.
#[derive(Debug, Clone)]
pub struct FilterOffers<'a> {
    rest: &'a [u8],
    family: Family,
    types: &'a [u8],
}

impl Iterator for FilterOffers<'_> {
    type Item = FilterOffer;

    fn next(&mut self) -> Option<FilterOffer> {
        loop {
            if let Some(([kind, mode], types)) = self.types.split_first_chunk() {
                self.types = types;
                return Some(FilterOffer { family: self.family, kind: *kind, mode: *mode });
            }
            let ([a, b, _, safi, count], tail) = self.rest.split_first_chunk()?;
            self.family = Family::new(Afi::new(u16::from_be_bytes([*a, *b])), Safi::new(*safi));
            (self.types, self.rest) = tail.split_at_checked(usize::from(*count) * 2)?;
        }
    }
}
