//! AS_PATH.

use core::fmt;

use crate::cursor::{Reader, Writer};
use crate::error::EncodeError;

/// Kind of a segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKind(u8);

impl SegmentKind {
    /// AS numbers in no order; counts as one hop.
    pub const SET: Self = Self(1);
    /// AS numbers in order, the nearest first.
    pub const SEQUENCE: Self = Self(2);
    /// As [`Self::SEQUENCE`], of member ASes of the local confederation (RFC 5065); counts as no hop.
    pub const CONFED_SEQUENCE: Self = Self(3);
    /// As [`Self::SET`], of member ASes; counts as no hop.
    pub const CONFED_SET: Self = Self(4);

    /// The number on the wire.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// One segment of a path: never empty, at most 255 AS numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment<'a> {
    /// Its kind.
    pub kind: SegmentKind,
    /// Its AS numbers.
    pub asns: Asns<'a>,
}

/// Iterator over AS numbers.
#[derive(Clone)]
pub struct Asns<'a>(AsnRepr<'a>);

#[derive(Clone, Copy)]
enum AsnRepr<'a> {
    Two(&'a [u8]),
    Four(&'a [u8]),
    Native(&'a [u32]),
}

impl Asns<'_> {
    /// The first `len` of them.
    pub(super) fn first(self, len: usize) -> Self {
        Self(match self.0 {
            AsnRepr::Two(bytes) => AsnRepr::Two(bytes.get(..len * 2).unwrap_or(bytes)),
            AsnRepr::Four(bytes) => AsnRepr::Four(bytes.get(..len * 4).unwrap_or(bytes)),
            AsnRepr::Native(asns) => AsnRepr::Native(asns.get(..len).unwrap_or(asns)),
        })
    }
}

impl Iterator for Asns<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        match &mut self.0 {
            AsnRepr::Two(bytes) => {
                let (head, rest) = bytes.split_first_chunk::<2>()?;
                *bytes = rest;
                Some(u32::from(u16::from_be_bytes(*head)))
            }
            AsnRepr::Four(bytes) => {
                let (head, rest) = bytes.split_first_chunk::<4>()?;
                *bytes = rest;
                Some(u32::from_be_bytes(*head))
            }
            AsnRepr::Native(asns) => {
                let (head, rest) = asns.split_first()?;
                *asns = rest;
                Some(*head)
            }
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, u32) -> B>(self, init: B, mut f: F) -> B {
        match self.0 {
            AsnRepr::Two(bytes) => {
                let asns = bytes.chunks_exact(2).filter_map(|octets| octets.first_chunk());
                asns.fold(init, |out, octets| f(out, u32::from(u16::from_be_bytes(*octets))))
            }
            AsnRepr::Four(bytes) => {
                let asns = bytes.chunks_exact(4).filter_map(|octets| octets.first_chunk());
                asns.fold(init, |out, octets| f(out, u32::from_be_bytes(*octets)))
            }
            AsnRepr::Native(asns) => asns.iter().copied().fold(init, f),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match self.0 {
            AsnRepr::Two(bytes) => bytes.len() / 2,
            AsnRepr::Four(bytes) => bytes.len() / 4,
            AsnRepr::Native(asns) => asns.len(),
        };
        (len, Some(len))
    }
}

impl ExactSizeIterator for Asns<'_> {}

impl PartialEq for Asns<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for Asns<'_> {}

impl fmt::Debug for Asns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The ASes a route crossed; equal if the segments are, whatever the width on the wire.
///
/// `Display` is the usual notation: `64512 64513 {64514 64515}`, confederation segments in parentheses and brackets.
#[derive(Clone, Copy)]
pub struct AsPath<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Wire { bytes: &'a [u8], four: bool },
    Sequence(&'a [u32]),
}

impl<'a> AsPath<'a> {
    /// The path of a route that has crossed no AS.
    pub const EMPTY: AsPath<'static> = AsPath(Repr::Sequence(&[]));

    /// A path of one sequence, the nearest AS first. More than 255 numbers become several segments.
    pub const fn sequence(asns: &'a [u32]) -> Self {
        Self(Repr::Sequence(asns))
    }

    /// The value of an AS_PATH attribute; `None` if it is malformed: a segment that is cut, empty or of unknown kind,
    /// or AS 0 (RFC 7606 §7.2, RFC 7607).
    #[inline(always)]
    pub fn from_wire(bytes: &'a [u8], four_octet_as: bool) -> Option<Self> {
        let good = if four_octet_as { is_good::<4>(bytes) } else { is_good::<2>(bytes) };
        good.then_some(Self(Repr::Wire { bytes, four: four_octet_as }))
    }

    /// The segments, the nearest first.
    pub const fn segments(&self) -> Segments<'a> {
        Segments(self.0)
    }

    /// All AS numbers, whatever their segment.
    #[inline]
    pub const fn asns(&self) -> PathAsns<'a> {
        PathAsns { rest: Segments(self.0), current: Asns(AsnRepr::Native(&[])) }
    }

    /// Whether `asn` occurs anywhere.
    pub fn contains(&self, asn: u32) -> bool {
        self.asns().any(|n| n == asn)
    }

    /// Length for the decision process: a set counts as one, confederation segments as none (RFC 4271 §9.1.2.2, RFC 5065 §5.3).
    pub fn hops(&self) -> usize {
        self.segments()
            .map(|segment| match segment.kind {
                SegmentKind::SEQUENCE => segment.asns.len(),
                SegmentKind::SET => 1,
                _ => 0,
            })
            .sum()
    }

    /// The neighbouring AS: the first of the path if the path begins with a sequence.
    pub fn neighbor(&self) -> Option<u32> {
        let mut first = self.segments().next()?;
        if first.kind == SegmentKind::SEQUENCE { first.asns.next() } else { None }
    }

    /// Whether the path has segments of a confederation.
    pub fn has_confederation(&self) -> bool {
        self.segments().any(|segment| segment.kind.0 > 2)
    }

    /// The value as it lies on the wire, if it does with AS numbers of this width.
    #[inline(always)]
    pub(super) const fn wire(&self, four_octet_as: bool) -> Option<&'a [u8]> {
        match self.0 {
            Repr::Wire { bytes, four } if four == four_octet_as => Some(bytes),
            _ => None,
        }
    }

    /// Length of the encoded value in octets.
    pub fn encoded_len(&self, four_octet_as: bool) -> usize {
        if let Some(bytes) = self.wire(four_octet_as) {
            return bytes.len();
        }
        let width = if four_octet_as { 4 } else { 2 };
        self.segments().map(|segment| 2 + segment.asns.len() * width).sum()
    }

    /// Writes the value, and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`; `AsNeedsFourOctets` if a number does not fit the width.
    pub fn encode(&self, four_octet_as: bool, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        self.write(&mut w, four_octet_as)?;
        Ok(w.len())
    }

    /// Writes the value of the path with `asn` put in front (RFC 4271 §5.1.2), and returns its length.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_prepended(
        &self,
        asn: u32,
        four_octet_as: bool,
        buf: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        let mut rest = self.segments();
        let first = self.segments().next().filter(|s| s.kind == SegmentKind::SEQUENCE && s.asns.len() < 255);
        let tail = first.map_or(Asns(AsnRepr::Native(&[])), |segment| {
            rest.next();
            segment.asns
        });
        w.u8(SegmentKind::SEQUENCE.0)?;
        w.u8(u8::try_from(tail.len() + 1).map_err(|_| EncodeError::ValueTooLong)?)?;
        write_asn(&mut w, asn, four_octet_as)?;
        for asn in tail {
            write_asn(&mut w, asn, four_octet_as)?;
        }
        for segment in rest {
            write_segment(&mut w, segment, four_octet_as)?;
        }
        Ok(w.len())
    }

    pub(super) fn write(&self, w: &mut Writer<'_>, four_octet_as: bool) -> Result<(), EncodeError> {
        match self.wire(four_octet_as) {
            Some(bytes) => w.put(bytes),
            None => self.segments().try_for_each(|segment| write_segment(w, segment, four_octet_as)),
        }
    }
}

/// Whether a value is a sequence of whole segments of known kinds, none of them empty or with AS 0.
fn is_good<const N: usize>(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [kind, count, tail @ ..] = rest {
        if !(1..=4).contains(kind) || *count == 0 {
            return false;
        }
        let Some((asns, tail)) = tail.split_at_checked(usize::from(*count) * N) else { return false };
        // All are looked at, so that several can be looked at at once.
        let asns = asns.chunks_exact(N).filter_map(|asn| asn.first_chunk::<N>());
        let zeros = asns.fold(false, |zeros, asn| zeros | (*asn == [0; N]));
        if zeros {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}

/// Iterator over all AS numbers of a path.
#[derive(Debug, Clone)]
pub struct PathAsns<'a> {
    rest: Segments<'a>,
    current: Asns<'a>,
}

impl Iterator for PathAsns<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            if let Some(asn) = self.current.next() {
                return Some(asn);
            }
            self.current = self.rest.next()?.asns;
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, u32) -> B>(self, init: B, mut f: F) -> B {
        let out = self.current.fold(init, &mut f);
        self.rest.fold(out, |out, segment| segment.asns.fold(out, &mut f))
    }
}

fn write_segment(w: &mut Writer<'_>, segment: Segment<'_>, four: bool) -> Result<(), EncodeError> {
    w.u8(segment.kind.0)?;
    w.u8(u8::try_from(segment.asns.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
    segment.asns.into_iter().try_for_each(|asn| write_asn(w, asn, four))
}

pub(super) fn write_asn(w: &mut Writer<'_>, asn: u32, four: bool) -> Result<(), EncodeError> {
    match u16::try_from(asn) {
        _ if four => w.u32(asn),
        Ok(short) => w.u16(short),
        Err(_) => Err(EncodeError::AsNeedsFourOctets { asn }),
    }
}

#[inline]
fn read_segment<'a>(r: &mut Reader<'a>, four: bool) -> Option<Segment<'a>> {
    let (kind, count) = (SegmentKind(r.u8()?), usize::from(r.u8()?));
    let asns = if four { AsnRepr::Four(r.take(count * 4)?) } else { AsnRepr::Two(r.take(count * 2)?) };
    Some(Segment { kind, asns: Asns(asns) })
}

impl PartialEq for AsPath<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.segments().eq(other.segments())
    }
}

impl Eq for AsPath<'_> {}

impl fmt::Debug for AsPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPath({self})")
    }
}

impl fmt::Display for AsPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments().enumerate() {
            let (open, close) = match segment.kind {
                SegmentKind::SET => ("{", "}"),
                SegmentKind::CONFED_SEQUENCE => ("(", ")"),
                SegmentKind::CONFED_SET => ("[", "]"),
                _ => ("", ""),
            };
            f.write_str(if i == 0 { "" } else { " " })?;
            f.write_str(open)?;
            for (j, asn) in segment.asns.enumerate() {
                write!(f, "{}{asn}", if j == 0 { "" } else { " " })?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

/// Iterator over the segments of a path.
#[derive(Clone)]
pub struct Segments<'a>(Repr<'a>);

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        match &mut self.0 {
            Repr::Wire { bytes, four } => {
                let mut r = Reader::new(bytes, 0);
                let segment = read_segment(&mut r, *four)?;
                *bytes = r.rest();
                Some(segment)
            }
            Repr::Sequence([]) => None,
            Repr::Sequence(asns) => {
                let (head, rest) = asns.split_at_checked(255).unwrap_or((asns, &[]));
                *asns = rest;
                Some(Segment { kind: SegmentKind::SEQUENCE, asns: Asns(AsnRepr::Native(head)) })
            }
        }
    }
}

impl fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
