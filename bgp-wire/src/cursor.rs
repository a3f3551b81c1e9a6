//! A reader that knows its offset in the message, and a writer that cannot overrun.

use core::mem;

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
    /// What is not yet written.
    room: &'b mut [u8],
    /// The length of the whole buffer.
    total: usize,
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(buf: &'b mut [u8]) -> Self {
        Self { total: buf.len(), room: buf }
    }

    /// How many octets are written.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.total.saturating_sub(self.room.len())
    }

    /// What is not yet written.
    pub(crate) fn into_room(self) -> &'b mut [u8] {
        self.room
    }

    /// Has somebody write to what is not yet written, who gives back what is left of it.
    #[inline(always)]
    pub(crate) fn pass(
        &mut self,
        write: impl FnOnce(&'b mut [u8]) -> Result<&'b mut [u8], EncodeError>,
    ) -> Result<(), EncodeError> {
        self.room = write(mem::take(&mut self.room))?;
        Ok(())
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.pass(|room| put(room, bytes).ok_or(EncodeError::BufferTooSmall))
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
        let len = write(self.room)?;
        self.pass(|room| room.get_mut(len..).ok_or(EncodeError::BufferTooSmall))
    }
}

// What a loop calls that writes many things one after another. The room that is left goes in and comes out as a value, so
// that it stays in registers.

/// Writes octets, and gives the room that is left; `None` if there is too little.
#[inline(always)]
fn put<'b>(room: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let (slot, room) = room.split_at_mut_checked(bytes.len())?;
    slot.copy_from_slice(bytes);
    Some(room)
}

/// As [`put`], of octets that are seldom many.
#[inline(always)]
pub(crate) fn put_short<'b>(room: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let (slot, room) = room.split_at_mut_checked(bytes.len())?;
    if copy_short(slot, bytes).is_none() {
        slot.copy_from_slice(bytes);
    }
    Some(room)
}

/// As [`put`], of the first `len` of eight octets.
///
/// Where there is room, all are written: a fixed number is quicker than a counted one.
#[inline(always)]
pub(crate) fn put_first(room: &mut [u8], octets: [u8; 8], len: usize) -> Option<&mut [u8]> {
    let Some(slot) = room.first_chunk_mut() else { return put_few(room, octets, len) };
    *slot = octets;
    room.get_mut(len..)
}

/// As [`put_first`], where there is no room for eight.
#[cold]
fn put_few(room: &mut [u8], octets: [u8; 8], len: usize) -> Option<&mut [u8]> {
    put(room, octets.get(..len)?)
}

/// Copies 8 to 32 octets in four pieces that overlap, with no branch for how many there are; `None` for other lengths.
#[inline(always)]
fn copy_short(to: &mut [u8], from: &[u8]) -> Option<()> {
    let last = from.len().checked_sub(8).filter(|last| *last <= 24)?;
    for at in [0, 8, 16, 24] {
        let at = last.min(at);
        *to.get_mut(at..)?.first_chunk_mut::<8>()? = *from.get(at..)?.first_chunk()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::{put, put_first, put_short};

    #[test]
    fn quick_copies_do_what_plain_ones_do() {
        let octets: [u8; 64] = core::array::from_fn(|i| u8::try_from(i + 1).unwrap());
        for room in 0..80 {
            for len in 0..=64 {
                let (mut plain, mut short) = (vec![0; room], vec![0; room]);
                let left = put(&mut plain, &octets[..len]).map(|room| room.len());
                assert_eq!(put_short(&mut short, &octets[..len]).map(|room| room.len()), left);
                assert_eq!(short, plain, "{len} in {room}");
            }
            for len in 0..=8 {
                let (mut plain, mut first) = (vec![0; room], vec![0; room]);
                let left = put(&mut plain, &octets[..len]).map(|room| room.len());
                let word = *octets.first_chunk().unwrap();
                assert_eq!(put_first(&mut first, word, len).map(|room| room.len()), left);
                // What lies behind is written again by what comes next.
                if left.is_some() {
                    assert_eq!(first[..len], plain[..len], "{len} in {room}");
                }
            }
        }
    }
}
