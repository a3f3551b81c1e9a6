//! Intervals as elements: their order, their parts, and their ends.

use alloc::vec::Vec;

use super::elements::{
    Change, FLAGS_KIND, KEY_END_KIND, KEY_KIND, headers, key_of, pad, put_element, put_key, put_value,
    put_verdict,
};
use super::{Batch, KEY};
use crate::error::EncodeError;
use crate::family::Family;
use crate::set::{Element, Set};
use crate::verdict::Verdict;

impl Batch {
    /// Adds intervals, both ends of which belong to them, to a set with the flag [`INTERVAL`](Set::INTERVAL). Allocates nothing
    /// for one of them.
    ///
    /// The kernel compares keys byte by byte from the first one on, so that numbers have to be in the order of the network, also
    /// those of types that are in that of the host elsewhere.
    ///
    /// Where the key is one part, intervals have to be given in order and may not overlap, which is checked on the way. Where it
    /// has [several](Set::parts), the ends of each part are an interval of that part; the kernel checks overlaps.
    ///
    /// # Errors
    ///
    /// [`IntervalEnd`](EncodeError::IntervalEnd), [`IntervalOrder`](EncodeError::IntervalOrder), and as of
    /// [`add_elements`](Self::add_elements).
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, EncodeError, Family, Name, Set, Type};
    ///
    /// // add element inet demo inside { 10.0.0.0/8, 192.168.0.0-192.168.3.255 }
    /// let inside = Set::of(Name::new("demo")?, Name::new("inside")?, 1, Type::IPV4_ADDR, 4).flags(Set::INTERVAL);
    /// let (ten, three) = (([10, 0, 0, 0], [10, 255, 255, 255]), ([192, 168, 0, 0], [192, 168, 3, 255]));
    /// let mut batch = Batch::new();
    /// batch.add_intervals(Family::INET, &inside, [ten, three])?;
    ///
    /// let result = batch.add_intervals(Family::INET, &inside, [three, ten]);
    /// assert_eq!(result, Err(EncodeError::IntervalOrder { index: 1 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_intervals<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        intervals: impl IntoIterator<Item = (K, K)>,
    ) -> Result<(), EncodeError> {
        self.intervals(Change::Add, family, set, intervals.into_iter().map(|(from, to)| (from, to, None)))
    }

    /// Deletes intervals that were added so.
    ///
    /// # Errors
    ///
    /// As of [`add_intervals`](Self::add_intervals).
    pub fn delete_intervals<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        intervals: impl IntoIterator<Item = (K, K)>,
    ) -> Result<(), EncodeError> {
        self.intervals(Change::Delete, family, set, intervals.into_iter().map(|(from, to)| (from, to, None)))
    }

    /// Adds verdicts by intervals to a map; see [`add_intervals`](Self::add_intervals).
    ///
    /// # Errors
    ///
    /// As of [`add_intervals`](Self::add_intervals).
    pub fn add_interval_verdicts<'v, K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        map: &Set,
        intervals: impl IntoIterator<Item = (K, K, &'v Verdict)>,
    ) -> Result<(), EncodeError> {
        let intervals = intervals.into_iter().map(|(from, to, verdict)| (from, to, Some(verdict)));
        self.intervals(Change::Add, family, map, intervals)
    }

    fn intervals<'v, K: AsRef<[u8]>>(
        &mut self,
        change: Change,
        family: Family,
        set: &Set,
        intervals: impl IntoIterator<Item = (K, K, Option<&'v Verdict>)>,
    ) -> Result<(), EncodeError> {
        let want = set.key_len;
        let parts = set.layout.as_ref().and_then(|layout| layout.parts.as_ref());
        let mut before = Before { end: [0; KEY], len: 0, index: None };
        self.elements(change, family, set, intervals, |index, (from, to, verdict), bytes| {
            let (from, to) = (key_of(index, from.as_ref(), want)?, key_of(index, to.as_ref(), want)?);
            if let Some(parts) = parts {
                check_parts(index, from, to, &parts.0)?;
                return put_element(bytes, |writer| {
                    put_value(KEY_KIND, from, writer);
                    put_value(KEY_END_KIND, to, writer);
                    put_verdict(*verdict, writer);
                });
            }
            before.check(index, from, to)?;
            match verdict {
                None => put_key(from, bytes),
                verdict => put_element(bytes, |writer| {
                    put_value(KEY_KIND, from, writer);
                    put_verdict(*verdict, writer);
                })?,
            }
            put_end(to, bytes);
            Ok(())
        })
    }
}

/// The end of the interval before.
struct Before {
    end: [u8; KEY],
    len: usize,
    index: Option<usize>,
}

impl Before {
    /// Whether an interval is one, and behind the one before it. It may be asked twice about one interval.
    fn check(&mut self, index: usize, from: &[u8], to: &[u8]) -> Result<(), EncodeError> {
        if to < from {
            return Err(EncodeError::IntervalEnd { index });
        }
        let end = self.end.get(..self.len).unwrap_or_default();
        if self.index.is_some_and(|before| before != index) && from <= end {
            return Err(EncodeError::IntervalOrder { index });
        }
        if let Some(place) = self.end.get_mut(..to.len()) {
            place.copy_from_slice(to);
        }
        (self.len, self.index) = (to.len(), Some(index));
        Ok(())
    }
}

/// Whether each part of one key is not behind that of the other.
fn check_parts(index: usize, mut from: &[u8], mut to: &[u8], parts: &[u32]) -> Result<(), EncodeError> {
    for part in parts {
        let len = usize::try_from(*part).unwrap_or(usize::MAX).checked_next_multiple_of(4);
        let split = len.and_then(|len| Some((from.split_at_checked(len)?, to.split_at_checked(len)?)));
        let Some(((low, from_rest), (high, to_rest))) = split else {
            return Err(EncodeError::KeyLength { index, len: from.len(), want: Some(*part) });
        };
        if high < low {
            return Err(EncodeError::IntervalEnd { index });
        }
        (from, to) = (from_rest, to_rest);
    }
    Ok(())
}

/// The element that ends an interval: the key behind the highest of it. Behind the highest of all is none, and it needs none.
#[inline]
fn put_end(to: &[u8], bytes: &mut Vec<u8>) {
    if to.iter().all(|byte| *byte == u8::MAX) {
        return;
    }
    bytes.extend_from_slice(&headers(to, 8));
    let start = bytes.len();
    bytes.extend_from_slice(to);
    for byte in bytes.iter_mut().skip(start).rev() {
        let carry;
        (*byte, carry) = byte.overflowing_add(1);
        if !carry {
            break;
        }
    }
    pad(to, bytes);
    let [a, b] = 8_u16.to_ne_bytes();
    let [c, d] = FLAGS_KIND.to_ne_bytes();
    let [e, f, g, h] = Element::INTERVAL_END.to_be_bytes();
    bytes.extend_from_slice(&[a, b, c, d, e, f, g, h]);
}
