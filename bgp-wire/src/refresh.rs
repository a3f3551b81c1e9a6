//! ROUTE-REFRESH: a request to send the routes of a family again.

use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::{Afi, Family, Safi};
use crate::header::{self, BODY, HEADER_LEN, MessageType};

/// A ROUTE-REFRESH message.
///
/// ```text
/// | AFI (2) | subtype (1) | SAFI (1) |        RFC 2918 §3, RFC 7313 §3.2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteRefresh {
    family: Family,
    subtype: u8,
}

impl RouteRefresh {
    /// A plain request for `family`.
    pub const fn new(family: Family) -> Self {
        Self { family, subtype: 0 }
    }

    /// The message with another subtype: 1 and 2 bracket a refresh (RFC 7313).
    #[must_use]
    pub const fn with_subtype(mut self, subtype: u8) -> Self {
        self.subtype = subtype;
        self
    }

    pub(crate) fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let len = BODY.saturating_add(u16::try_from(body.rest().len()).unwrap_or(u16::MAX));
        let bad = DecodeError::new(DecodeErrorKind::RefreshLength, 16).with_data(0, len);
        let afi = Afi::new(body.u16().ok_or(bad)?);
        let subtype = body.u8().ok_or(bad)?;
        let safi = Safi::new(body.u8().ok_or(bad)?);
        if body.is_empty() { Ok(Self { family: Family::new(afi, safi), subtype }) } else { Err(bad) }
    }

    /// The family whose routes are wanted.
    pub const fn family(self) -> Family {
        self.family
    }

    /// 0: a request. Other values belong to RFC 7313 and RFC 5291.
    pub const fn subtype(self) -> u8 {
        self.subtype
    }

    /// Length of the encoded message in octets.
    pub const fn encoded_len(self) -> usize {
        HEADER_LEN + 4
    }

    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode(self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        header::encode(&mut w, self.encoded_len(), MessageType::ROUTE_REFRESH)?;
        w.u16(self.family.afi().get())?;
        w.u8(self.subtype)?;
        w.u8(self.family.safi().get())?;
        Ok(w.len())
    }
}
