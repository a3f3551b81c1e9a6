//! Lists of records of one size, as they lie on the wire or as the caller has them.

use core::fmt;

use crate::cursor::Writer;
use crate::error::EncodeError;

/// A record with a fixed number of octets on the wire: what a [`Records`] holds.
pub trait Record: Copy + PartialEq + fmt::Debug {
    /// Octets of a record.
    const LEN: usize;

    /// The record in the first [`Self::LEN`] octets; `None` if there are fewer.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// The octets of the record, [`Self::LEN`] of them.
    fn octets(self) -> impl AsRef<[u8]>;
}

/// A list of records, in order; equal if it lists the same, wherever it is kept.
///
/// ```
/// use tortie_bgp_wire::{Communities, Community};
///
/// let sent = [Community::of(64512, 1), Community::of(64512, 2)];
/// let received = Communities::from_wire(&[0xfc, 0, 0, 1, 0xfc, 0, 0, 2]).unwrap();
/// assert_eq!(received, Communities::list(&sent));
/// assert_eq!(received.iter().last(), Some(Community::of(64512, 2)));
/// ```
#[derive(Clone, Copy)]
pub struct Records<'a, T>(Repr<'a, T>);

#[derive(Clone, Copy)]
enum Repr<'a, T> {
    Wire(&'a [u8]),
    List(&'a [T]),
}

impl<'a, T: Record> Records<'a, T> {
    /// The list to send.
    pub const fn list(items: &'a [T]) -> Self {
        Self(Repr::List(items))
    }

    /// A list as it lies on the wire; `None` unless it holds whole records, and at least one.
    #[inline]
    pub const fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() { None } else { Self::from_wire_or_empty(bytes) }
    }

    /// As [`from_wire`](Self::from_wire), where a list may be empty.
    #[inline]
    pub(crate) const fn from_wire_or_empty(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() % T::LEN == 0 { Some(Self(Repr::Wire(bytes))) } else { None }
    }

    /// The records in order.
    #[inline]
    pub const fn iter(&self) -> RecordIter<'a, T> {
        RecordIter(self.0)
    }

    /// How many there are.
    #[inline]
    pub const fn len(&self) -> usize {
        match self.0 {
            Repr::Wire(bytes) => bytes.len() / T::LEN,
            Repr::List(items) => items.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `item` is listed.
    pub fn contains(&self, item: T) -> bool {
        self.iter().any(|i| i == item)
    }

    /// The octets, if it lies on the wire.
    #[inline(always)]
    pub(crate) const fn wire(&self) -> Option<&'a [u8]> {
        match self.0 {
            Repr::Wire(bytes) => Some(bytes),
            Repr::List(_) => None,
        }
    }

    /// Length on the wire in octets.
    pub(crate) const fn encoded_len(&self) -> usize {
        self.len() * T::LEN
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self.0 {
            Repr::Wire(bytes) => w.put(bytes),
            Repr::List(items) => items.iter().try_for_each(|item| w.put(item.octets().as_ref())),
        }
    }
}

impl<'a, T: Record> IntoIterator for Records<'a, T> {
    type Item = T;
    type IntoIter = RecordIter<'a, T>;

    fn into_iter(self) -> RecordIter<'a, T> {
        self.iter()
    }
}

impl<T: Record> PartialEq for Records<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Record + Eq> Eq for Records<'_, T> {}

impl<T: Record> fmt::Debug for Records<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over a [`Records`].
#[derive(Clone)]
pub struct RecordIter<'a, T>(Repr<'a, T>);

impl<T: Record> Iterator for RecordIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Repr::Wire(bytes) => {
                let (head, rest) = bytes.split_at_checked(T::LEN)?;
                *bytes = rest;
                T::read(head)
            }
            Repr::List(items) => {
                let (head, rest) = items.split_first()?;
                *items = rest;
                Some(*head)
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = Records(self.0).len();
        (len, Some(len))
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, init: B, f: F) -> B {
        match self.0 {
            // One look at the kind of list for all records.
            Repr::Wire(bytes) => bytes.chunks_exact(T::LEN).filter_map(T::read).fold(init, f),
            Repr::List(items) => items.iter().copied().fold(init, f),
        }
    }
}

impl<T: Record> ExactSizeIterator for RecordIter<'_, T> {}

impl<T: Record> fmt::Debug for RecordIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
