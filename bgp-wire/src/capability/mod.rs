//! Capabilities of an OPEN (RFC 5492).

mod offer;

use core::fmt;

use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::{Afi, Family, FamilySet, Safi};
use crate::record::Records;

pub use offer::{
    AddPath, ExtendedNextHop, FilterOffer, FilterOffers, Fqdn, GracefulRestart, LongLivedRestart, PathsLimit,
    RestartFamily, Role, RouteFiltering,
};

/// Code of a capability, any 8-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct CapabilityCode(u8);

impl CapabilityCode {
    /// Multiprotocol extensions (RFC 4760).
    pub const MULTIPROTOCOL: Self = Self(1);
    /// Route refresh (RFC 2918).
    pub const ROUTE_REFRESH: Self = Self(2);
    /// Outbound route filtering (RFC 5291).
    pub const ROUTE_FILTERING: Self = Self(3);
    /// Extended next hop encoding (RFC 8950).
    pub const EXTENDED_NEXT_HOP: Self = Self(5);
    /// Messages of up to 65,535 octets (RFC 8654).
    pub const EXTENDED_MESSAGE: Self = Self(6);
    /// Role of the speaker towards the peer (RFC 9234).
    pub const ROLE: Self = Self(9);
    /// Graceful restart (RFC 4724).
    pub const GRACEFUL_RESTART: Self = Self(64);
    /// Four-octet AS numbers (RFC 6793).
    pub const FOUR_OCTET_AS: Self = Self(65);
    /// Several paths to one destination (RFC 7911).
    pub const ADD_PATH: Self = Self(69);
    /// Enhanced route refresh (RFC 7313).
    pub const ENHANCED_REFRESH: Self = Self(70);
    /// Long-lived graceful restart (RFC 9494).
    pub const LONG_LIVED_RESTART: Self = Self(71);
    /// Name of the host (draft-walton-bgp-hostname-capability).
    pub const FQDN: Self = Self(73);
    /// Name and version of the software (draft-ietf-idr-software-version).
    pub const SOFTWARE_VERSION: Self = Self(75);
    /// How many paths are wanted (draft-abraitis-idr-addpath-paths-limit).
    pub const PATHS_LIMIT: Self = Self(76);
    /// Next hops that are link-local alone (draft-ietf-idr-linklocal-capability).
    pub const LINK_LOCAL_NEXT_HOP: Self = Self(77);

    /// The code with this number, assigned or not.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// One capability.
///
/// What has a fixed form and does not fit it is [`Unknown`](Self::Unknown), as if it had not been offered; only
/// `Multiprotocol`, `RouteRefresh` and `FourOctetAs`, which nobody gets wrong, are errors then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability<'a> {
    /// The speaker can carry this family.
    Multiprotocol(Family),
    /// The speaker answers ROUTE-REFRESH.
    RouteRefresh,
    /// The speaker sends or takes filters in ROUTE-REFRESH.
    RouteFiltering(RouteFiltering<'a>),
    /// Families whose next hop may be of another address family.
    ExtendedNextHop(Records<'a, ExtendedNextHop>),
    /// The speaker takes messages of up to 65,535 octets.
    ExtendedMessage,
    /// The speaker's role towards the peer.
    Role(Role),
    /// The speaker keeps, or wants kept, routes while a session is down.
    GracefulRestart(GracefulRestart<'a>),
    /// The speaker's AS number; AS numbers in messages have four octets if both sides send it.
    FourOctetAs(u32),
    /// Families with several paths to one destination, and the direction.
    AddPath(Records<'a, AddPath>),
    /// The speaker knows the subtypes of ROUTE-REFRESH.
    EnhancedRefresh,
    /// Families whose stale routes are kept for long.
    LongLivedRestart(Records<'a, LongLivedRestart>),
    /// Name of the speaker.
    Fqdn(Fqdn<'a>),
    /// Name and version of the software: UTF-8, at most 254 octets.
    SoftwareVersion(&'a [u8]),
    /// How many paths the speaker wants for a destination of each family.
    PathsLimit(Records<'a, PathsLimit>),
    /// The speaker takes a link-local address as the only next hop.
    LinkLocalNextHop,
    /// Any other capability, as received.
    Unknown(RawCapability<'a>),
}

/// A capability that this crate does not type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawCapability<'a> {
    code: CapabilityCode,
    value: &'a [u8],
}

impl<'a> RawCapability<'a> {
    /// A capability with any code and value; the value may have up to 255 octets.
    pub const fn new(code: CapabilityCode, value: &'a [u8]) -> Self {
        Self { code, value }
    }

    /// The code.
    pub const fn code(&self) -> CapabilityCode {
        self.code
    }

    /// The value, without code and length.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }
}

impl<'a> Capability<'a> {
    /// The code.
    pub const fn code(&self) -> CapabilityCode {
        match self {
            Self::Multiprotocol(_) => CapabilityCode::MULTIPROTOCOL,
            Self::RouteRefresh => CapabilityCode::ROUTE_REFRESH,
            Self::RouteFiltering(_) => CapabilityCode::ROUTE_FILTERING,
            Self::ExtendedNextHop(_) => CapabilityCode::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => CapabilityCode::EXTENDED_MESSAGE,
            Self::Role(_) => CapabilityCode::ROLE,
            Self::GracefulRestart(_) => CapabilityCode::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => CapabilityCode::FOUR_OCTET_AS,
            Self::AddPath(_) => CapabilityCode::ADD_PATH,
            Self::EnhancedRefresh => CapabilityCode::ENHANCED_REFRESH,
            Self::LongLivedRestart(_) => CapabilityCode::LONG_LIVED_RESTART,
            Self::Fqdn(_) => CapabilityCode::FQDN,
            Self::SoftwareVersion(_) => CapabilityCode::SOFTWARE_VERSION,
            Self::PathsLimit(_) => CapabilityCode::PATHS_LIMIT,
            Self::LinkLocalNextHop => CapabilityCode::LINK_LOCAL_NEXT_HOP,
            Self::Unknown(raw) => raw.code,
        }
    }

    /// Length of the encoded capability in octets, code and length included.
    pub const fn encoded_len(&self) -> usize {
        2 + match self {
            Self::Multiprotocol(_) | Self::FourOctetAs(_) => 4,
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRefresh | Self::LinkLocalNextHop => 0,
            Self::Role(_) => 1,
            Self::RouteFiltering(filtering) => filtering.bytes().len(),
            Self::ExtendedNextHop(list) => list.encoded_len(),
            Self::GracefulRestart(restart) => 2 + restart.families.encoded_len(),
            Self::AddPath(list) => list.encoded_len(),
            Self::LongLivedRestart(list) => list.encoded_len(),
            Self::Fqdn(name) => 2 + name.host.len() + name.domain.len(),
            Self::SoftwareVersion(text) => 1 + text.len(),
            Self::PathsLimit(list) => list.encoded_len(),
            Self::Unknown(raw) => raw.value.len(),
        }
    }

    /// Writes code, length and value, and returns the length: also the data of a NOTIFICATION 2/7.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        self.write(&mut w)?;
        Ok(w.len())
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        let short = |len: usize| u8::try_from(len).map_err(|_| EncodeError::ValueTooLong);
        w.u8(self.code().0)?;
        w.u8(short(self.encoded_len().saturating_sub(2))?)?;
        match self {
            Self::Multiprotocol(family) => {
                w.u16(family.afi().get())?;
                w.u8(0)?;
                w.u8(family.safi().get())
            }
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRefresh | Self::LinkLocalNextHop => {
                Ok(())
            }
            Self::Role(role) => w.u8(role.get()),
            Self::FourOctetAs(asn) => w.u32(*asn),
            Self::RouteFiltering(filtering) => w.put(filtering.bytes()),
            Self::ExtendedNextHop(list) => list.write(w),
            Self::GracefulRestart(restart) => {
                w.u16(restart.flags_and_time())?;
                restart.families.write(w)
            }
            Self::AddPath(list) => list.write(w),
            Self::LongLivedRestart(list) => list.write(w),
            Self::Fqdn(name) => {
                w.u8(short(name.host.len())?)?;
                w.put(name.host)?;
                w.u8(short(name.domain.len())?)?;
                w.put(name.domain)
            }
            Self::SoftwareVersion(text) => {
                w.u8(short(text.len())?)?;
                w.put(text)
            }
            Self::PathsLimit(list) => list.write(w),
            Self::Unknown(raw) => w.put(raw.value),
        }
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = r.offset();
        let cut = DecodeError::new(DecodeErrorKind::MalformedOpen, start);
        let code = CapabilityCode(r.u8().ok_or(cut)?);
        let len = r.u8().ok_or(cut)?;
        let value = r.take(usize::from(len)).ok_or(cut)?;
        match Self::typed(code, value) {
            Some(capability) => Ok(capability),
            None if Self::is_basic(code) => {
                Err(DecodeError::new(DecodeErrorKind::MalformedCapability { code: code.0 }, start))
            }
            None => Ok(Self::Unknown(RawCapability { code, value })),
        }
    }

    /// Whether a wrong length is an error.
    const fn is_basic(code: CapabilityCode) -> bool {
        matches!(
            code,
            CapabilityCode::MULTIPROTOCOL | CapabilityCode::ROUTE_REFRESH | CapabilityCode::FOUR_OCTET_AS
        )
    }

    /// The capability, if this crate types it and the value has its form.
    fn typed(code: CapabilityCode, value: &'a [u8]) -> Option<Self> {
        match (code, value) {
            (CapabilityCode::MULTIPROTOCOL, &[afi1, afi0, _, safi]) => {
                let family = Family::new(Afi::new(u16::from_be_bytes([afi1, afi0])), Safi::new(safi));
                Some(Self::Multiprotocol(family))
            }
            (CapabilityCode::ROUTE_REFRESH, &[]) => Some(Self::RouteRefresh),
            (CapabilityCode::FOUR_OCTET_AS, &[a, b, c, d]) => {
                Some(Self::FourOctetAs(u32::from_be_bytes([a, b, c, d])))
            }
            (CapabilityCode::ROUTE_FILTERING, _) => {
                RouteFiltering::from_wire(value).map(Self::RouteFiltering)
            }
            (CapabilityCode::EXTENDED_NEXT_HOP, _) => {
                Records::from_wire_or_empty(value).map(Self::ExtendedNextHop)
            }
            (CapabilityCode::EXTENDED_MESSAGE, &[]) => Some(Self::ExtendedMessage),
            (CapabilityCode::ROLE, &[role]) => Some(Self::Role(Role::new(role))),
            (CapabilityCode::GRACEFUL_RESTART, _) => {
                GracefulRestart::from_wire(value).map(Self::GracefulRestart)
            }
            (CapabilityCode::ADD_PATH, _) => Records::from_wire_or_empty(value).map(Self::AddPath),
            (CapabilityCode::ENHANCED_REFRESH, &[]) => Some(Self::EnhancedRefresh),
            (CapabilityCode::LONG_LIVED_RESTART, _) => {
                Records::from_wire_or_empty(value).map(Self::LongLivedRestart)
            }
            (CapabilityCode::FQDN, _) => Fqdn::from_wire(value).map(Self::Fqdn),
            (CapabilityCode::SOFTWARE_VERSION, [len, text @ ..]) if usize::from(*len) == text.len() => {
                Some(Self::SoftwareVersion(text))
            }
            (CapabilityCode::PATHS_LIMIT, _) => Records::from_wire_or_empty(value).map(Self::PathsLimit),
            (CapabilityCode::LINK_LOCAL_NEXT_HOP, &[]) => Some(Self::LinkLocalNextHop),
            _ => None,
        }
    }
}

/// The capabilities of an OPEN, in order; equal if they list the same.
#[derive(Clone, Copy)]
pub struct Capabilities<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    /// The parameters; `head` is the length octet in front of extended ones, which says nothing.
    Wire {
        parameters: Reader<'a>,
        head: Option<u8>,
    },
    List(&'a [Capability<'a>]),
}

impl<'a> Capabilities<'a> {
    /// The list to send.
    pub const fn list(capabilities: &'a [Capability<'a>]) -> Self {
        Self(Repr::List(capabilities))
    }

    /// Checks the optional parameters of an OPEN.
    pub(crate) fn decode(parameters: Reader<'a>, head: Option<u8>) -> Result<Self, DecodeError> {
        let mut rest = parameters;
        while !rest.is_empty() {
            let mut capabilities = parameter(&mut rest, head.is_some())?;
            while !capabilities.is_empty() {
                Capability::read(&mut capabilities)?;
            }
        }
        Ok(Self(Repr::Wire { parameters, head }))
    }

    /// The capabilities in order.
    pub fn iter(&self) -> CapabilityIter<'a> {
        CapabilityIter { source: self.0, current: Reader::new(&[], 0) }
    }

    /// The families: those of the multiprotocol capabilities, or IPv4 unicast if there is none (RFC 4760 §8).
    pub fn families(&self) -> FamilySet {
        let mut any = false;
        let mut set = FamilySet::EMPTY;
        for capability in self.iter() {
            if let Capability::Multiprotocol(family) = capability {
                any = true;
                set = set.with(family);
            }
        }
        if any { set } else { FamilySet::IPV4 }
    }

    /// The number in the four-octet AS capability; the last one if there are several.
    pub fn four_octet_as(&self) -> Option<u32> {
        self.iter().filter_map(|c| if let Capability::FourOctetAs(asn) = c { Some(asn) } else { None }).last()
    }

    /// Whether a capability of this code is listed.
    pub fn contains(&self, code: CapabilityCode) -> bool {
        self.iter().any(|c| c.code() == code)
    }

    /// The role towards the peer; the first one if there are several.
    pub fn role(&self) -> Option<Role> {
        self.iter().find_map(|c| if let Capability::Role(role) = c { Some(role) } else { None })
    }

    /// What is said about graceful restart; the last one counts, as RFC 4724 §3 has it.
    pub fn graceful_restart(&self) -> Option<GracefulRestart<'a>> {
        let restarts = self.iter().filter_map(|c| match c {
            Capability::GracefulRestart(restart) => Some(restart),
            _ => None,
        });
        restarts.last()
    }

    /// The families of which several paths can be sent, and those of which they can be received.
    pub fn add_path(&self) -> (FamilySet, FamilySet) {
        let (mut send, mut receive) = (FamilySet::EMPTY, FamilySet::EMPTY);
        for capability in self.iter() {
            let Capability::AddPath(list) = capability else { continue };
            for entry in list {
                if entry.sends() {
                    send = send.with(entry.family);
                }
                if entry.receives() {
                    receive = receive.with(entry.family);
                }
            }
        }
        (send, receive)
    }

    /// The families of IPv4 that may have an IPv6 next hop (RFC 8950).
    pub fn ipv6_next_hops(&self) -> FamilySet {
        let mut set = FamilySet::EMPTY;
        for capability in self.iter() {
            let Capability::ExtendedNextHop(list) = capability else { continue };
            for entry in list.iter().filter(|entry| entry.next_hop == Afi::IPV6) {
                set = set.with(entry.family);
            }
        }
        set
    }

    /// Length of the optional parameters with the lengths in front of them.
    pub(crate) fn encoded_len(&self) -> usize {
        match self.0 {
            Repr::Wire { parameters, head } => parameters.rest().len() + if head.is_some() { 4 } else { 1 },
            Repr::List(list) => match list.iter().map(Capability::encoded_len).sum() {
                0 => 1,
                len @ ..=253 => len + 3,
                len => len + 7,
            },
        }
    }

    /// Writes the optional parameters with the lengths in front of them: those that were read as they were, a list as one
    /// parameter, extended (RFC 9072) only if it needs more than 255 octets.
    pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self.0 {
            Repr::Wire { parameters, head } => {
                let bytes = parameters.rest();
                match head {
                    None => w.u8(u8::try_from(bytes.len()).map_err(|_| EncodeError::ValueTooLong)?)?,
                    Some(head) => {
                        w.put(&[head, 255])?;
                        w.u16(u16::try_from(bytes.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
                    }
                }
                w.put(bytes)
            }
            Repr::List(list) => {
                let len = list.iter().map(Capability::encoded_len).sum::<usize>();
                let len = u16::try_from(len).map_err(|_| EncodeError::ValueTooLong)?;
                match u8::try_from(len) {
                    Ok(0) => w.u8(0)?,
                    Ok(len @ ..=253) => w.put(&[len + 2, 2, len])?,
                    _ => {
                        w.put(&[255, 255])?;
                        w.u16(len.checked_add(3).ok_or(EncodeError::ValueTooLong)?)?;
                        w.u8(2)?;
                        w.u16(len)?;
                    }
                }
                list.iter().try_for_each(|capability| capability.write(w))
            }
        }
    }
}

/// One optional parameter: a reader over its capabilities.
fn parameter<'a>(r: &mut Reader<'a>, extended: bool) -> Result<Reader<'a>, DecodeError> {
    let start = r.offset();
    let cut = DecodeError::new(DecodeErrorKind::MalformedOpen, start);
    let kind = r.u8().ok_or(cut)?;
    let len = if extended { r.u16() } else { r.u8().map(u16::from) }.ok_or(cut)?;
    let offset = r.offset();
    let value = r.take(usize::from(len)).ok_or(cut)?;
    if kind == 2 {
        Ok(Reader::new(value, offset))
    } else {
        Err(DecodeError::new(DecodeErrorKind::UnsupportedParameter { kind }, start))
    }
}

impl PartialEq for Capabilities<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Capabilities<'_> {}

impl fmt::Debug for Capabilities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over [`Capabilities`].
#[derive(Clone)]
pub struct CapabilityIter<'a> {
    source: Repr<'a>,
    current: Reader<'a>,
}

impl<'a> Iterator for CapabilityIter<'a> {
    type Item = Capability<'a>;

    fn next(&mut self) -> Option<Capability<'a>> {
        match &mut self.source {
            Repr::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            Repr::Wire { parameters, head } => {
                while self.current.is_empty() {
                    if parameters.is_empty() {
                        return None;
                    }
                    self.current = parameter(parameters, head.is_some()).ok()?;
                }
                Capability::read(&mut self.current).ok()
            }
        }
    }
}

impl fmt::Debug for CapabilityIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
