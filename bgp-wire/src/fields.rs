//! What MRT and BMP share: reading fields one after the other, at offsets beyond 65,535.

use core::net::Ipv4Addr;

use crate::error::EncodeError;

/// A field that runs out of its octets; holds the offset at which it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut(pub(crate) usize);

/// Reads fields from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    /// The offset at which the slice ends.
    end: usize,
}

impl<'a> Fields<'a> {
    /// A slice that lies at `offset`.
    pub(crate) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, end: offset.saturating_add(bytes.len()) }
    }

    /// The offset of the next field.
    pub(crate) const fn at(&self) -> usize {
        self.end.saturating_sub(self.bytes.len())
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Cut> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or_else(|| Cut(self.at()))?;
        self.bytes = tail;
        Ok(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Cut> {
        let (head, tail) = self.bytes.split_first_chunk::<N>().ok_or_else(|| Cut(self.at()))?;
        self.bytes = tail;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Cut> {
        self.array().map(|[octet]| octet)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Cut> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Cut> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn v4(&mut self) -> Result<Ipv4Addr, Cut> {
        self.array::<4>().map(Ipv4Addr::from)
    }
}

/// A length as a field of two octets.
pub(crate) fn short(len: usize) -> Result<u16, EncodeError> {
    u16::try_from(len).map_err(|_| EncodeError::ValueTooLong)
}
