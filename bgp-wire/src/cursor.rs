//! A reader that knows its offset in the message, and a writer that cannot overrun.

use crate::error::EncodeError;

/// Reads from the front of a slice and knows the offset from the start of the message.
///
/// It keeps where the slice ends, which reading does not change; the offset is that less what is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    end: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], offset: u16) -> Self {
        Self { bytes, end: (offset as usize).saturating_add(bytes.len()) }
    }

    #[inline]
    pub(crate) fn offset(&self) -> u16 {
        u16::try_from(self.end.saturating_sub(self.bytes.len())).unwrap_or(u16::MAX)
    }

    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(len)?;
        self.bytes = tail;
        Some(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = tail;
        Some(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

/// Writes to the front of the caller's buffer.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let end = self.len.saturating_add(bytes.len());
        let room = self.buf.get_mut(self.len..end).ok_or(EncodeError::BufferTooSmall)?;
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Writes the first `len` of a few octets. Where there is room, all are written: a fixed number is quicker than a counted one.
    #[inline(always)]
    pub(crate) fn put_first<const N: usize>(
        &mut self,
        bytes: [u8; N],
        len: usize,
    ) -> Result<(), EncodeError> {
        match self.buf.get_mut(self.len..).and_then(|room| room.first_chunk_mut()) {
            Some(room) if len <= N => {
                *room = bytes;
                self.len += len;
                Ok(())
            }
            _ => self.put(bytes.get(..len).ok_or(EncodeError::ValueTooLong)?),
        }
    }

    /// Overwrites two octets that were written before.
    pub(crate) fn set_u16(&mut self, at: usize, value: usize) -> Result<(), EncodeError> {
        let value = u16::try_from(value).map_err(|_| EncodeError::ValueTooLong)?;
        let room = self.buf.get_mut(at..).and_then(|tail| tail.first_chunk_mut());
        *room.ok_or(EncodeError::BufferTooSmall)? = value.to_be_bytes();
        Ok(())
    }

    #[inline]
    pub(crate) fn u8(&mut self, value: u8) -> Result<(), EncodeError> {
        self.put(&[value])
    }

    #[inline]
    pub(crate) fn u16(&mut self, value: u16) -> Result<(), EncodeError> {
        self.put(&value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn u32(&mut self, value: u32) -> Result<(), EncodeError> {
        self.put(&value.to_be_bytes())
    }

    /// Has somebody write to the rest of the buffer, who says how much it was.
    #[cfg(any(feature = "mrt", feature = "bmp"))]
    pub(crate) fn fill(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<(), EncodeError> {
        let room = self.buf.get_mut(self.len..).ok_or(EncodeError::BufferTooSmall)?;
        let len = write(room)?.min(room.len());
        self.len = self.len.saturating_add(len);
        Ok(())
    }
}
