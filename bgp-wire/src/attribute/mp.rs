//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760).

use crate::attribute::RawAttribute;
use crate::attribute::iter::Place;
use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::{Afi, Family, Safi};
use crate::nlri::{Field, NextHop, NlriIter};
use crate::session::Rules;

/// The value of MP_REACH_NLRI: a next hop and announcements of one family.
///
/// ```text
/// | AFI (2) | SAFI (1) | next hop length (1) | next hop | reserved (1) | NLRI |        RFC 4760 §3
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpReach<'a> {
    family: Family,
    add_path: bool,
    next_hop_len: u8,
    /// What follows the length of the next hop: that, the reserved octet, and the destinations.
    rest: &'a [u8],
}

impl<'a> MpReach<'a> {
    #[inline(always)]
    pub(super) fn decode(raw: RawAttribute<'a>, place: Place<'a>, rules: Rules) -> Result<Self, DecodeError> {
        let cut = DecodeErrorKind::OptionalAttribute { code: 14 };
        Self::check(raw, place, rules)?;
        Self::again(raw.value(), rules).ok_or_else(|| place.error(cut, raw))
    }

    /// Whether it can be read.
    pub(crate) fn check(raw: RawAttribute<'a>, place: Place<'a>, rules: Rules) -> Result<(), DecodeError> {
        let mut r = Reader::new(raw.value(), place.value(raw));
        let cut = place.error(DecodeErrorKind::OptionalAttribute { code: 14 }, raw);
        let family = family(&mut r).ok_or(cut)?;
        let len = r.u8().ok_or(cut)?;
        let next_hop = r.take(usize::from(len)).ok_or(cut)?;
        if !NextHop::is_good_len(family, next_hop.len(), rules.ipv6_next_hops) {
            return Err(place.error(DecodeErrorKind::NextHopLength { family, len }, raw));
        }
        r.u8().ok_or(cut)?;
        let add_path = rules.add_path.contains(family);
        let nlri = Field { family, bytes: r.rest(), add_path, withdrawn: false };
        nlri.check(r.offset()).map_err(|bad| cut.at(bad.offset()))
    }

    /// The value once more, after [`check`](Self::check) found it good.
    #[inline(always)]
    pub(crate) fn again(value: &'a [u8], rules: Rules) -> Option<Self> {
        let (&[a, b, safi, next_hop_len], rest) = value.split_first_chunk()?;
        let family = Family::new(Afi::new(u16::from_be_bytes([a, b])), Safi::new(safi));
        Some(Self { family, add_path: rules.add_path.contains(family), next_hop_len, rest })
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The next hop; `None` if there is none, as for flow specifications, or none that this crate can read.
    pub fn next_hop(&self) -> Option<NextHop> {
        if self.family.is_known() { NextHop::decode(self.family, self.next_hop_bytes()) } else { None }
    }

    /// The octets of the next hop.
    pub fn next_hop_bytes(&self) -> &'a [u8] {
        self.rest.get(..usize::from(self.next_hop_len)).unwrap_or(&[])
    }

    #[inline(always)]
    fn field(&self) -> Field<'a> {
        let bytes = self.rest.get(usize::from(self.next_hop_len) + 1..).unwrap_or(&[]);
        Field { family: self.family, bytes, add_path: self.add_path, withdrawn: false }
    }

    /// The announced destinations.
    #[inline(always)]
    pub fn nlri(&self) -> NlriIter<'a> {
        NlriIter::new(self.field())
    }

    /// Whether nothing is announced.
    pub const fn is_empty(&self) -> bool {
        self.rest.len() <= self.next_hop_len as usize + 1
    }

    /// Whether a path identifier stands before each destination.
    pub const fn has_path_ids(&self) -> bool {
        self.add_path
    }

    pub(super) const fn encoded_len(&self) -> usize {
        4 + self.rest.len()
    }

    #[inline]
    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        let ([a, b], safi) = (self.family.afi().get().to_be_bytes(), self.family.safi().get());
        w.put(&[a, b, safi, self.next_hop_len])?;
        w.put(self.rest)
    }
}

/// The value of MP_UNREACH_NLRI: withdrawals of one family.
///
/// ```text
/// | AFI (2) | SAFI (1) | withdrawn routes |        RFC 4760 §4
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpUnreach<'a> {
    nlri: Field<'a>,
}

impl<'a> MpUnreach<'a> {
    #[inline(always)]
    pub(super) fn decode(raw: RawAttribute<'a>, place: Place<'a>, rules: Rules) -> Result<Self, DecodeError> {
        let cut = DecodeErrorKind::OptionalAttribute { code: 15 };
        Self::check(raw, place, rules)?;
        Self::again(raw.value(), rules).ok_or_else(|| place.error(cut, raw))
    }

    /// Whether it can be read.
    pub(crate) fn check(raw: RawAttribute<'a>, place: Place<'a>, rules: Rules) -> Result<(), DecodeError> {
        let mut r = Reader::new(raw.value(), place.value(raw));
        let cut = place.error(DecodeErrorKind::OptionalAttribute { code: 15 }, raw);
        let family = family(&mut r).ok_or(cut)?;
        let add_path = rules.add_path.contains(family);
        let nlri = Field { family, bytes: r.rest(), add_path, withdrawn: true };
        nlri.check(r.offset()).map_err(|bad| cut.at(bad.offset()))
    }

    /// The value once more, after [`check`](Self::check) found it good.
    #[inline(always)]
    pub(crate) fn again(value: &'a [u8], rules: Rules) -> Option<Self> {
        let mut r = Reader::new(value, 0);
        let family = family(&mut r)?;
        let add_path = rules.add_path.contains(family);
        Some(Self { nlri: Field { family, bytes: r.rest(), add_path, withdrawn: true } })
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.nlri.family
    }

    /// The withdrawn destinations.
    pub const fn nlri(&self) -> NlriIter<'a> {
        NlriIter::new(self.nlri)
    }

    /// Whether nothing is withdrawn, as in End-of-RIB.
    pub const fn is_empty(&self) -> bool {
        self.nlri.bytes.is_empty()
    }

    /// Whether a path identifier stands before each destination.
    pub const fn has_path_ids(&self) -> bool {
        self.nlri.add_path
    }

    pub(super) const fn encoded_len(&self) -> usize {
        3 + self.nlri.bytes.len()
    }

    #[inline]
    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        let ([a, b], safi) = (self.nlri.family.afi().get().to_be_bytes(), self.nlri.family.safi().get());
        w.put(&[a, b, safi])?;
        w.put(self.nlri.bytes)
    }
}

#[inline(always)]
fn family(r: &mut Reader<'_>) -> Option<Family> {
    Some(Family::new(Afi::new(r.u16()?), Safi::new(r.u8()?)))
}
