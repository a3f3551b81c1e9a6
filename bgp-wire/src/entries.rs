//! Lists of entries that differ in length, as they lie on the wire or as the caller has them.

use core::fmt;

use crate::cursor::Writer;
use crate::error::EncodeError;

/// What an [`Entries`] lists.
pub trait Entry<'a>: Copy + PartialEq + fmt::Debug {
    /// The entry at the front, and what follows it; `None` if it is cut.
    ///
    /// `extended` says whether the list has the field that only some lists of this kind have, such as path identifiers.
    fn read(bytes: &'a [u8], extended: bool) -> Option<(Self, &'a [u8])>;

    /// Whether this entry has that field.
    fn is_extended(&self) -> bool {
        false
    }

    /// Length of the encoded entry in octets.
    fn encoded_len(&self) -> usize;

    /// Writes the entry, and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `ValueTooLong`, and what else the kind of entry names.
    fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError>;
}

/// A list of entries, in order; equal if it lists the same, wherever it is kept.
#[derive(Clone, Copy)]
pub struct Entries<'a, T>(Repr<'a, T>);

#[derive(Clone, Copy)]
enum Repr<'a, T> {
    Wire { bytes: &'a [u8], count: usize, extended: bool },
    List(&'a [T]),
}

impl<'a, T: Entry<'a>> Entries<'a, T> {
    /// The list to write.
    pub const fn list(entries: &'a [T]) -> Self {
        Self(Repr::List(entries))
    }

    /// Reads `count` entries; where one is cut, gives back from there on.
    pub(crate) fn split(bytes: &'a [u8], count: usize, extended: bool) -> Result<(Self, &'a [u8]), &'a [u8]> {
        let mut rest = bytes;
        for _ in 0..count {
            (_, rest) = T::read(rest, extended).ok_or(rest)?;
        }
        let len = bytes.len().saturating_sub(rest.len());
        let bytes = bytes.get(..len).unwrap_or(bytes);
        Ok((Self(Repr::Wire { bytes, count, extended }), rest))
    }

    /// Reads all that there are.
    #[cfg(feature = "bmp")]
    pub(crate) fn all(bytes: &'a [u8]) -> Result<Self, &'a [u8]> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            (_, rest) = T::read(rest, false).ok_or(rest)?;
            count += 1;
        }
        Ok(Self(Repr::Wire { bytes, count, extended: false }))
    }

    /// The entries in order.
    pub const fn iter(&self) -> EntryIter<'a, T> {
        EntryIter(self.0)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            Repr::Wire { count, .. } => count,
            Repr::List(entries) => entries.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the entries have the field that only some lists have.
    pub(crate) fn is_extended(&self) -> bool {
        match self.0 {
            Repr::Wire { extended, .. } => extended,
            Repr::List(entries) => entries.first().is_some_and(Entry::is_extended),
        }
    }

    pub(crate) fn encoded_len(&self) -> usize {
        match self.0 {
            Repr::Wire { bytes, .. } => bytes.len(),
            Repr::List(entries) => entries.iter().map(Entry::encoded_len).sum(),
        }
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self.0 {
            Repr::Wire { bytes, .. } => w.put(bytes),
            Repr::List(entries) => {
                let extended = self.is_extended();
                entries.iter().try_for_each(|entry| {
                    if entry.is_extended() != extended {
                        return Err(EncodeError::MixedPathIdentifiers);
                    }
                    w.fill(|room| entry.encode(room))
                })
            }
        }
    }
}

/// As many entries as raw bytes hold, for fuzzing.
#[cfg(feature = "arbitrary")]
pub(crate) fn arbitrary<'a, T: Entry<'a>>(
    bytes: &mut arbitrary::Unstructured<'a>,
    extended: bool,
) -> arbitrary::Result<Entries<'a, T>> {
    let bytes: &[u8] = bytes.arbitrary()?;
    let (mut rest, mut count) = (bytes, 0);
    while let Some((_, tail)) = T::read(rest, extended) {
        (rest, count) = (tail, count + 1);
    }
    match Entries::split(bytes, count, extended) {
        Ok((entries, _)) => Ok(entries),
        Err(_) => Err(arbitrary::Error::IncorrectFormat),
    }
}

impl<'a, T: Entry<'a>> IntoIterator for Entries<'a, T> {
    type Item = T;
    type IntoIter = EntryIter<'a, T>;

    fn into_iter(self) -> EntryIter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Entry<'a>> PartialEq for Entries<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Entry<'a> + Eq> Eq for Entries<'a, T> {}

impl<'a, T: Entry<'a>> fmt::Debug for Entries<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over an [`Entries`].
#[derive(Clone)]
pub struct EntryIter<'a, T>(Repr<'a, T>);

impl<'a, T: Entry<'a>> Iterator for EntryIter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Repr::Wire { bytes, count, extended } => {
                let (entry, rest) = T::read(bytes, *extended).filter(|_| *count > 0)?;
                (*bytes, *count) = (rest, count.saturating_sub(1));
                Some(entry)
            }
            Repr::List(entries) => {
                let (head, rest) = entries.split_first()?;
                *entries = rest;
                Some(*head)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = Entries(self.0).len();
        (len, Some(len))
    }
}

impl<'a, T: Entry<'a>> ExactSizeIterator for EntryIter<'a, T> {}

impl<'a, T: Entry<'a>> fmt::Debug for EntryIter<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
