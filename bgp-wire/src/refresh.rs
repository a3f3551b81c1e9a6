//! ROUTE-REFRESH: a request to send the routes of a family again, perhaps filtered.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::{Afi, Family, Safi};
use crate::header::{self, BODY, HEADER_LEN, MAX_LEN, MessageType};
use crate::nlri;

/// A ROUTE-REFRESH message.
///
/// ```text
/// | AFI (2) | subtype (1) | SAFI (1) |                                   RFC 2918 §3, RFC 7313 §3.2
/// | when (1) | type (1) | length (2) | filters | type ...               RFC 5291 §4, with subtype 0
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteRefresh<'a> {
    family: Family,
    subtype: u8,
    filters: Option<RefreshFilters<'a>>,
}

impl<'a> RouteRefresh<'a> {
    /// Subtype of a plain request.
    pub const REQUEST: u8 = 0;
    /// Subtype of the message before all routes of the family are sent again (RFC 7313).
    pub const BEGIN: u8 = 1;
    /// Subtype of the message after it.
    pub const END: u8 = 2;

    /// A plain request for `family`.
    pub const fn new(family: Family) -> Self {
        Self { family, subtype: 0, filters: None }
    }

    /// The message with another subtype and without filters: 1 and 2 bracket a refresh (RFC 7313).
    #[must_use]
    pub const fn with_subtype(mut self, subtype: u8) -> Self {
        self.subtype = subtype;
        self.filters = None;
        self
    }

    /// A request that changes the filters of the peer.
    #[must_use]
    pub const fn with_filters(mut self, filters: RefreshFilters<'a>) -> Self {
        self.subtype = 0;
        self.filters = Some(filters);
        self
    }

    pub(crate) fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let len = BODY.saturating_add(u16::try_from(body.rest().len()).unwrap_or(u16::MAX));
        let bad = DecodeError::new(DecodeErrorKind::RefreshLength, 16).with_data(0, len);
        let afi = Afi::new(body.u16().ok_or(bad)?);
        let subtype = body.u8().ok_or(bad)?;
        let safi = Safi::new(body.u8().ok_or(bad)?);
        let filters = match body.rest().split_first() {
            None => None,
            Some((when, groups)) if subtype == 0 => {
                Some(RefreshFilters::from_wire(*when, groups).ok_or(bad)?)
            }
            // RFC 7313 §5: with these subtypes the length is 4.
            Some(_) => return Err(bad),
        };
        Ok(Self { family: Family::new(afi, safi), subtype, filters })
    }

    /// The family whose routes are wanted.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// 0: a request; 1 and 2: all routes begin and end (RFC 7313).
    pub const fn subtype(&self) -> u8 {
        self.subtype
    }

    /// How the peer's filters change, if at all (RFC 5291).
    pub const fn filters(&self) -> Option<RefreshFilters<'a>> {
        self.filters
    }

    /// Length of the encoded message in octets.
    pub const fn encoded_len(&self) -> usize {
        HEADER_LEN
            + 4
            + match self.filters {
                None => 0,
                Some(filters) => 1 + filters.groups.len(),
            }
    }

    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `MessageTooLong`.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        self.encode_within(buf, MAX_LEN)
    }

    /// As [`encode`](Self::encode), for a session that may have longer messages.
    pub(crate) fn encode_within(&self, buf: &mut [u8], max: usize) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        header::encode(&mut w, self.encoded_len(), MessageType::ROUTE_REFRESH, max)?;
        w.u16(self.family.afi().get())?;
        w.u8(self.subtype)?;
        w.u8(self.family.safi().get())?;
        if let Some(filters) = self.filters {
            w.u8(filters.when)?;
            w.put(filters.groups)?;
        }
        Ok(w.len())
    }
}

/// Filters in a ROUTE-REFRESH (RFC 5291 §4).
///
/// ```
/// use tortie_bgp_wire::{FilterAction, Family, FilterGroup, PrefixFilter, RefreshFilters, RouteRefresh};
///
/// let filter = PrefixFilter::new(10, true, "10.0.0.0/8".parse().unwrap()).with_lengths(16, 24);
/// let mut buf = [0; 64];
/// let groups = FilterGroup::encode_prefixes(&[FilterAction::RemoveAll, FilterAction::Add(filter)], &mut buf)?;
/// let filters = RefreshFilters::from_wire(RefreshFilters::IMMEDIATE, groups).unwrap();
/// let refresh = RouteRefresh::new(Family::IPV4_UNICAST).with_filters(filters);
/// assert_eq!(refresh.filters().unwrap().groups().next().unwrap().prefixes(refresh.family()).last(),
///            Some(FilterAction::Add(filter)));
/// # Ok::<(), tortie_bgp_wire::EncodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshFilters<'a> {
    when: u8,
    groups: &'a [u8],
}

impl<'a> RefreshFilters<'a> {
    /// Send the routes again at once.
    pub const IMMEDIATE: u8 = 1;
    /// Send the routes again only when asked once more.
    pub const DEFER: u8 = 2;

    /// Filters as they lie on the wire; `None` if the lengths do not add up.
    pub fn from_wire(when: u8, groups: &'a [u8]) -> Option<Self> {
        let mut rest = Reader::new(groups, 0);
        while !rest.is_empty() {
            group(&mut rest)?;
        }
        Some(Self { when, groups })
    }

    /// When the routes are to be sent: [`IMMEDIATE`](Self::IMMEDIATE) or [`DEFER`](Self::DEFER).
    pub const fn when(&self) -> u8 {
        self.when
    }

    /// The groups of filters of one type.
    pub const fn groups(&self) -> FilterGroups<'a> {
        FilterGroups(Reader::new(self.groups, 0))
    }
}

fn group<'a>(r: &mut Reader<'a>) -> Option<FilterGroup<'a>> {
    let (kind, len) = (r.u8()?, r.u16()?);
    Some(FilterGroup { kind, bytes: r.take(usize::from(len))? })
}

/// Iterator over the groups of [`RefreshFilters`].
#[derive(Debug, Clone)]
pub struct FilterGroups<'a>(Reader<'a>);

impl<'a> Iterator for FilterGroups<'a> {
    type Item = FilterGroup<'a>;

    fn next(&mut self) -> Option<FilterGroup<'a>> {
        group(&mut self.0)
    }
}

/// Filters of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterGroup<'a> {
    kind: u8,
    bytes: &'a [u8],
}

impl<'a> FilterGroup<'a> {
    /// The type of filters by address prefix (RFC 5292).
    pub const PREFIX: u8 = 64;

    /// The type.
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// The filters as they lie on the wire.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The filters by address prefix, for a refresh of `family`; none if the type is another. Ends before the first
    /// that is malformed.
    pub fn prefixes(&self, family: Family) -> impl Iterator<Item = FilterAction> + use<'a> {
        let mut r = Reader::new(if self.kind == Self::PREFIX { self.bytes } else { &[] }, 0);
        core::iter::from_fn(move || FilterAction::read(&mut r, family.afi()))
    }

    /// Writes one group of filters by address prefix, and returns its octets.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`.
    pub fn encode_prefixes<'b>(filters: &[FilterAction], buf: &'b mut [u8]) -> Result<&'b [u8], EncodeError> {
        let len: usize = filters.iter().map(FilterAction::len).sum();
        let mut w = Writer::new(buf);
        w.u8(Self::PREFIX)?;
        w.u16(u16::try_from(len).map_err(|_| EncodeError::ValueTooLong)?)?;
        filters.iter().try_for_each(|filter| filter.write(&mut w))?;
        let len = w.len();
        buf.get(..len).ok_or(EncodeError::BufferTooSmall)
    }
}

/// A change of the filters by address prefix (RFC 5292 §3).
///
/// ```text
/// | action (2 bits), match (1 bit), 0 | sequence (4) | shortest (1) | longest (1) | length (1) | prefix |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilterAction {
    /// Adds a filter.
    Add(PrefixFilter),
    /// Removes the filter that is the same.
    Remove(PrefixFilter),
    /// Removes all filters of the type.
    RemoveAll,
}

impl FilterAction {
    fn read(r: &mut Reader<'_>, afi: Afi) -> Option<Self> {
        let first = r.u8()?;
        if first >> 6 == 2 {
            return Some(Self::RemoveAll);
        }
        let (sequence, shortest, longest) = (r.u32()?, r.u8()?, r.u8()?);
        let len = r.u8()?;
        let octets = r.take(usize::from(len).div_ceil(8))?;
        let address = match afi {
            Afi::IPV4 => nlri::padded(octets).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))?,
            Afi::IPV6 => nlri::padded(octets).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))?,
            _ => return None,
        };
        let prefix = IpNet::new(address, len).ok()?.trunc();
        let filter = PrefixFilter { sequence, permit: first & 0x20 == 0, prefix, shortest, longest };
        match first >> 6 {
            0 => Some(Self::Add(filter)),
            1 => Some(Self::Remove(filter)),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Add(filter) | Self::Remove(filter) => 7 + nlri::encoded_len(filter.prefix),
            Self::RemoveAll => 1,
        }
    }

    fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        let (action, filter) = match self {
            Self::Add(filter) => (0, filter),
            Self::Remove(filter) => (0x40, filter),
            Self::RemoveAll => return w.u8(0x80),
        };
        w.u8(action | if filter.permit { 0 } else { 0x20 })?;
        w.u32(filter.sequence)?;
        w.put(&[filter.shortest, filter.longest])?;
        nlri::encode(filter.prefix, w)
    }
}

/// A filter by address prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PrefixFilter {
    /// The place in the list; the lowest that matches decides.
    pub sequence: u32,
    /// Whether what matches is sent.
    pub permit: bool,
    /// What is matched: the prefixes inside this one.
    pub prefix: IpNet,
    /// The shortest length that matches; 0 for the prefix's own length.
    pub shortest: u8,
    /// The longest length that matches; 0 for the prefix's own length, or the address's if `shortest` is given.
    pub longest: u8,
}

impl PrefixFilter {
    /// A filter that matches this prefix alone.
    pub const fn new(sequence: u32, permit: bool, prefix: IpNet) -> Self {
        Self { sequence, permit, prefix, shortest: 0, longest: 0 }
    }

    /// The same filter for prefixes of these lengths inside.
    #[must_use]
    pub const fn with_lengths(mut self, shortest: u8, longest: u8) -> Self {
        self.shortest = shortest;
        self.longest = longest;
        self
    }
}
