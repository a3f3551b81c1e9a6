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
    next_hop: &'a [u8],
    reserved: u8,
    nlri: Field<'a>,
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
        let mut r = Reader::new(value, 0);
        let family = family(&mut r)?;
        let len = r.u8()?;
        let (next_hop, reserved) = (r.take(usize::from(len))?, r.u8()?);
        let add_path = rules.add_path.contains(family);
        let nlri = Field { family, bytes: r.rest(), add_path, withdrawn: false };
        Some(Self { next_hop, reserved, nlri })
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.nlri.family
    }

    /// The next hop; `None` if there is none, as for flow specifications, or none that this crate can read.
    pub fn next_hop(&self) -> Option<NextHop> {
        let family = self.nlri.family;
        if family.is_known() { NextHop::decode(family, self.next_hop) } else { None }
    }

    /// The octets of the next hop.
    pub const fn next_hop_bytes(&self) -> &'a [u8] {
        self.next_hop
    }

    /// The announced destinations.
    pub const fn nlri(&self) -> NlriIter<'a> {
        NlriIter::new(self.nlri)
    }

    /// Whether nothing is announced.
    pub const fn is_empty(&self) -> bool {
        self.nlri.bytes.is_empty()
    }

    /// Whether a path identifier stands before each destination.
    pub const fn has_path_ids(&self) -> bool {
        self.nlri.add_path
    }

    pub(super) const fn encoded_len(&self) -> usize {
        5 + self.next_hop.len() + self.nlri.bytes.len()
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u16(self.nlri.family.afi().get())?;
        w.u8(self.nlri.family.safi().get())?;
        w.u8(u8::try_from(self.next_hop.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
        w.put(self.next_hop)?;
        w.u8(self.reserved)?;
        w.put(self.nlri.bytes)
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

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u16(self.nlri.family.afi().get())?;
        w.u8(self.nlri.family.safi().get())?;
        w.put(self.nlri.bytes)
    }
}

#[inline(always)]
fn family(r: &mut Reader<'_>) -> Option<Family> {
    Some(Family::new(Afi::new(r.u16()?), Safi::new(r.u8()?)))
}
