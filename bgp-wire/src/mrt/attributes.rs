//! The path attributes of routes in a RIB.

use crate::attribute::{
    self, Aggregator, Attribute, AttributeCode, Attributes, FlaggedAttribute, MergedPath, RawAttributes,
    Seen, frame,
};
use crate::cursor::Reader;
use crate::error::{DecodeError, EncodeError};
use crate::family::{Afi, Family, Safi};
use crate::nlri::NextHop;
use crate::recorded;
use crate::session::{Rules, Session};

/// The attributes of a route in a RIB.
///
/// They lie there as in an UPDATE, but for MP_REACH_NLRI, which in TABLE_DUMP_V2 has nothing but the next hop and the
/// octet before it that holds its length (RFC 6396 §4.3.4). Some collectors write it whole. [`next_hop`](Self::next_hop)
/// reads both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PathAttributes<'a> {
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    bytes: &'a [u8],
    four_octet_as: bool,
}

impl<'a> PathAttributes<'a> {
    /// Attributes as they lie on the wire, with AS numbers of four octets: those of TABLE_DUMP_V2.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, four_octet_as: true }
    }

    /// Attributes as they lie on the wire, with AS numbers of two octets: those of TABLE_DUMP.
    pub const fn two_octet_as(bytes: &'a [u8]) -> Self {
        Self { bytes, four_octet_as: false }
    }

    /// Writes attributes with AS numbers of four octets to `buf`, for a route of TABLE_DUMP_V2.
    ///
    /// An IPv6 next hop is an [`Attribute::Unknown`] with the code of MP_REACH_NLRI, and a length and a next hop for a value.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`.
    ///
    /// # Panics
    /// Never.
    pub fn encode(attributes: &[FlaggedAttribute<'_>], buf: &'a mut [u8]) -> Result<Self, EncodeError> {
        let len = buf.len() - FlaggedAttribute::write_all(attributes, buf, true)?.len();
        Ok(Self::new(buf.get(..len).unwrap_or(&[])))
    }

    /// The octets.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether AS numbers have four octets.
    pub const fn four_octet_as(&self) -> bool {
        self.four_octet_as
    }

    /// The attributes as they lie there.
    pub const fn raw(&self) -> RawAttributes<'a> {
        RawAttributes(Reader::new(self.bytes, 0))
    }

    /// The attributes, typed and judged one by one; offsets of errors count from the first.
    ///
    /// MP_REACH_NLRI is [`Attribute::Unknown`], since it may be short: see [`next_hop`](Self::next_hop).
    pub fn iter(&self) -> PathAttributeIter<'a> {
        let rest = Reader::new(self.bytes, 0);
        let rules: Rules = self.session().rules();
        PathAttributeIter(Attributes { rest, rules, seen: Seen::default() })
    }

    fn session(&self) -> Session {
        recorded::session(self.four_octet_as)
    }

    /// The path with four-octet AS numbers, as [`Update::as_path`](crate::Update::as_path).
    pub fn as_path(&self) -> Option<MergedPath<'a>> {
        attribute::path(self.iter().flatten(), self.four_octet_as)
    }

    /// Who formed the aggregate, as [`Update::aggregator`](crate::Update::aggregator).
    pub fn aggregator(&self) -> Option<Aggregator> {
        attribute::aggregator(self.iter().flatten(), self.four_octet_as)
    }

    /// The next hop of the route, which is of `family`: that of MP_REACH_NLRI, short or whole, else NEXT_HOP.
    pub fn next_hop(&self, family: Family) -> Option<NextHop> {
        let mut classic = None;
        for raw in self.raw() {
            match raw.code() {
                AttributeCode::MP_REACH => return reach_next_hop(family, raw.value()),
                AttributeCode::NEXT_HOP => classic = <[u8; 4]>::try_from(raw.value()).ok(),
                _ => {}
            }
        }
        classic.map(|octets| NextHop::Ipv4(octets.into()))
    }
}

/// The next hop in a value of MP_REACH_NLRI.
fn reach_next_hop(family: Family, value: &[u8]) -> Option<NextHop> {
    // A whole value starts with an address family, never with the count of all that follows.
    if let Some((len, next_hop)) = value.split_first() {
        if usize::from(*len) == next_hop.len() {
            return NextHop::decode(family, next_hop);
        }
    }
    let mut r = Reader::new(value, 0);
    let family = Family::new(Afi::new(r.u16()?), Safi::new(r.u8()?));
    let len = r.u8()?;
    NextHop::decode(family, r.take(usize::from(len))?)
}

impl<'a> IntoIterator for PathAttributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;
    type IntoIter = PathAttributeIter<'a>;

    fn into_iter(self) -> PathAttributeIter<'a> {
        self.iter()
    }
}

/// Iterator over the attributes of a route in a RIB.
#[derive(Debug, Clone)]
pub struct PathAttributeIter<'a>(Attributes<'a>);

impl<'a> Iterator for PathAttributeIter<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut after = self.0.rest;
        match frame(&mut after) {
            Some((raw, _)) if raw.code() == AttributeCode::MP_REACH && self.0.seen.insert(raw.code()) => {
                self.0.rest = after;
                Some(Ok(Attribute::Unknown(raw)))
            }
            _ => self.0.next(),
        }
    }
}
