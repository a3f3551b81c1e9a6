//! Capabilities of an OPEN (RFC 5492).

use core::fmt;

use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::{Afi, Family, FamilySet, Safi};

/// Code of a capability, any 8-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityCode(u8);

impl CapabilityCode {
    /// Multiprotocol extensions (RFC 4760).
    pub const MULTIPROTOCOL: Self = Self(1);
    /// Route refresh (RFC 2918).
    pub const ROUTE_REFRESH: Self = Self(2);
    /// Graceful restart (RFC 4724); kept raw.
    pub const GRACEFUL_RESTART: Self = Self(64);
    /// Four-octet AS numbers (RFC 6793).
    pub const FOUR_OCTET_AS: Self = Self(65);

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability<'a> {
    /// The speaker can carry this family.
    Multiprotocol(Family),
    /// The speaker answers ROUTE-REFRESH.
    RouteRefresh,
    /// The speaker's AS number; AS numbers in messages have four octets if both sides send it.
    FourOctetAs(u32),
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
            Self::FourOctetAs(_) => CapabilityCode::FOUR_OCTET_AS,
            Self::Unknown(raw) => raw.code,
        }
    }

    /// Length of the encoded capability in octets, code and length included.
    pub const fn encoded_len(&self) -> usize {
        2 + match self {
            Self::Multiprotocol(_) | Self::FourOctetAs(_) => 4,
            Self::RouteRefresh => 0,
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
        w.u8(self.code().0)?;
        w.u8(u8::try_from(self.encoded_len().saturating_sub(2)).map_err(|_| EncodeError::ValueTooLong)?)?;
        match self {
            Self::Multiprotocol(family) => {
                w.u16(family.afi().get())?;
                w.u8(0)?;
                w.u8(family.safi().get())
            }
            Self::RouteRefresh => Ok(()),
            Self::FourOctetAs(asn) => w.u32(*asn),
            Self::Unknown(raw) => w.put(raw.value),
        }
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = r.offset();
        let cut = DecodeError::new(DecodeErrorKind::MalformedOpen, start);
        let code = CapabilityCode(r.u8().ok_or(cut)?);
        let len = r.u8().ok_or(cut)?;
        let value = r.take(usize::from(len)).ok_or(cut)?;
        let malformed = DecodeError::new(DecodeErrorKind::MalformedCapability { code: code.0 }, start);
        match (code, value) {
            (CapabilityCode::MULTIPROTOCOL, &[afi1, afi0, _, safi]) => {
                let family = Family::new(Afi::new(u16::from_be_bytes([afi1, afi0])), Safi::new(safi));
                Ok(Self::Multiprotocol(family))
            }
            (CapabilityCode::ROUTE_REFRESH, &[]) => Ok(Self::RouteRefresh),
            (CapabilityCode::FOUR_OCTET_AS, &[a, b, c, d]) => {
                Ok(Self::FourOctetAs(u32::from_be_bytes([a, b, c, d])))
            }
            (
                CapabilityCode::MULTIPROTOCOL | CapabilityCode::ROUTE_REFRESH | CapabilityCode::FOUR_OCTET_AS,
                _,
            ) => Err(malformed),
            (code, value) => Ok(Self::Unknown(RawCapability { code, value })),
        }
    }
}

/// The capabilities of an OPEN, in order; equal if they list the same.
#[derive(Clone, Copy)]
pub struct Capabilities<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Wire { parameters: Reader<'a>, extended: bool },
    List(&'a [Capability<'a>]),
}

impl<'a> Capabilities<'a> {
    /// The list to send.
    pub const fn list(capabilities: &'a [Capability<'a>]) -> Self {
        Self(Repr::List(capabilities))
    }

    /// Checks the optional parameters of an OPEN.
    pub(crate) fn decode(parameters: Reader<'a>, extended: bool) -> Result<Self, DecodeError> {
        let mut rest = parameters;
        while !rest.is_empty() {
            let mut capabilities = parameter(&mut rest, extended)?;
            while !capabilities.is_empty() {
                Capability::read(&mut capabilities)?;
            }
        }
        Ok(Self(Repr::Wire { parameters, extended }))
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

    /// Length of all capabilities in octets, without parameter headers.
    pub(crate) fn encoded_len(&self) -> usize {
        self.iter().map(|c| c.encoded_len()).sum()
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
            Repr::Wire { parameters, extended } => {
                while self.current.is_empty() {
                    if parameters.is_empty() {
                        return None;
                    }
                    self.current = parameter(parameters, *extended).ok()?;
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
