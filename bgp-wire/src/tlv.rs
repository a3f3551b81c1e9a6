//! Types, lengths and values.

/// A type and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(all(feature = "serde", feature = "bmp"), derive(serde::Serialize))]
#[non_exhaustive]
pub struct Tlv<'a> {
    /// The type.
    pub kind: u16,
    /// The value.
    #[cfg_attr(all(feature = "serde", feature = "bmp"), serde(serialize_with = "crate::serial::octets"))]
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// A type and its value.
    pub const fn new(kind: u16, value: &'a [u8]) -> Self {
        Self { kind, value }
    }
}

/// How wide the types and lengths of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Widths {
    /// Two octets each (link state, tunnels).
    Two,
    /// A type of one octet, a length of two (prefix SID).
    OneTwo,
    /// A type of one octet, a length of one, or of two if the type is 128 or above (parts of a tunnel).
    OneOne,
    /// A type of one octet, a length of two that counts type and length (AIGP).
    Whole,
}

/// Iterator over types and values; ends before the first that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
    widths: Widths,
}

impl<'a> Tlvs<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self::of(bytes, Widths::Two)
    }

    pub(crate) const fn of(bytes: &'a [u8], widths: Widths) -> Self {
        Self { rest: bytes, widths }
    }

    /// The list, if it has a part, and none is cut: no attribute that is a list may be empty (RFC 7606 §4).
    #[inline(always)]
    pub(crate) fn whole(bytes: &'a [u8], widths: Widths) -> Option<Self> {
        let all = Self::of(bytes, widths);
        all.is_whole().then_some(all)
    }

    fn is_whole(&self) -> bool {
        let mut all = *self;
        all.by_ref().for_each(drop);
        all.rest.is_empty() && !self.rest.is_empty()
    }

    /// The octets of the list.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The value of the first with this type.
    pub fn value_of(&self, kind: u16) -> Option<&'a [u8]> {
        let mut all = *self;
        all.find_map(|tlv| (tlv.kind == kind).then_some(tlv.value))
    }

    fn read(&self) -> Option<(Tlv<'a>, &'a [u8])> {
        let (kind, len, rest) = match (self.widths, self.rest) {
            (Widths::Two, [k1, k0, l1, l0, rest @ ..]) => {
                (u16::from_be_bytes([*k1, *k0]), u16::from_be_bytes([*l1, *l0]), rest)
            }
            (Widths::OneTwo, [kind, l1, l0, rest @ ..]) => {
                (u16::from(*kind), u16::from_be_bytes([*l1, *l0]), rest)
            }
            (Widths::OneOne, [kind, l1, l0, rest @ ..]) if *kind >= 128 => {
                (u16::from(*kind), u16::from_be_bytes([*l1, *l0]), rest)
            }
            (Widths::OneOne, [kind, len, rest @ ..]) if *kind < 128 => {
                (u16::from(*kind), u16::from(*len), rest)
            }
            (Widths::Whole, [kind, l1, l0, rest @ ..]) => {
                (u16::from(*kind), u16::from_be_bytes([*l1, *l0]).checked_sub(3)?, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(usize::from(len))?;
        Some((Tlv { kind, value }, rest))
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (tlv, rest) = self.read()?;
        self.rest = rest;
        Some(tlv)
    }
}
