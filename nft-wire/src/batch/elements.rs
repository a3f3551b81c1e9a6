//! Elements of sets and maps: one call, as many messages as they need.

use alloc::vec::Vec;

use super::entity::userdata;
use super::{Batch, KEY, put_set};
use crate::attr::{Attrs, Field, NESTED, Writer};
use crate::error::EncodeError;
use crate::family::Family;
use crate::protocol::{CREATE, DELETE_ELEMENTS, DESTROY_ELEMENTS, NEW_ELEMENTS, SUBHEADER};
use crate::set::{Element, Set};
use crate::verdict::{Data, Verdict};

/// Most bytes of an attribute: also of the list of the elements of one message.
const ATTRIBUTE: usize = 0xffff;
/// Types of the attributes of an element.
pub(super) const KEY_KIND: u16 = 1;
const DATA_KIND: u16 = 2;
pub(super) const FLAGS_KIND: u16 = 3;
pub(super) const KEY_END_KIND: u16 = 10;
/// Types of the attributes of data.
const VALUE_KIND: u16 = 1;
const VERDICT_KIND: u16 = 2;

/// What is done to the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Delete,
    Destroy,
}

impl Batch {
    /// Adds elements to a set or a map.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: nothing is in the batch then that was not before. Lengths of keys and data are held against those that
    /// the set tells, and how many different elements there are against its size.
    pub fn add_elements<'e>(
        &mut self,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Result<(), EncodeError> {
        self.elements(Change::Add, family, set, elements, whole(set))
    }

    /// Deletes elements of a set or a map; the kernel refuses the batch if one is not there.
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    pub fn delete_elements<'e>(
        &mut self,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Result<(), EncodeError> {
        self.elements(Change::Delete, family, set, elements, whole(set))
    }

    /// Deletes those elements of a set or a map that are there (Linux 6.3).
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    pub fn destroy_elements<'e>(
        &mut self,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Result<(), EncodeError> {
        self.elements(Change::Destroy, family, set, elements, whole(set))
    }

    /// Adds elements that are keys and nothing else. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Family, Name, Set, Type};
    ///
    /// // add element inet demo blocked { 198.51.100.7, 198.51.100.8 }
    /// let blocked = Set::of(Name::new("demo")?, Name::new("blocked")?, 1, Type::IPV4_ADDR, 4);
    /// Batch::new().add_keys(Family::INET, &blocked, [[198, 51, 100, 7], [198, 51, 100, 8]])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_keys<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), EncodeError> {
        self.elements(Change::Add, family, set, keys, only_key(set))
    }

    /// Deletes elements by their keys; the kernel refuses the batch if one is not there. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    pub fn delete_keys<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), EncodeError> {
        self.elements(Change::Delete, family, set, keys, only_key(set))
    }

    /// Deletes those elements with these keys that are there (Linux 6.3). Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    pub fn destroy_keys<K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        set: &Set,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), EncodeError> {
        self.elements(Change::Destroy, family, set, keys, only_key(set))
    }

    /// Adds verdicts by their keys to a map. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Family, Name, Set, Type, Verdict};
    ///
    /// // add element inet demo services { 22 : accept, 80 : jump web }
    /// let services = Set::of(Name::new("demo")?, Name::new("services")?, 1, Type::INET_SERVICE, 2).map(Type::VERDICT, 0);
    /// let web = Verdict::Jump(Name::new("web")?);
    /// let verdicts = [(22_u16.to_be_bytes(), &Verdict::Accept), (80_u16.to_be_bytes(), &web)];
    /// Batch::new().add_verdicts(Family::INET, &services, verdicts)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_verdicts<'v, K: AsRef<[u8]>>(
        &mut self,
        family: Family,
        map: &Set,
        verdicts: impl IntoIterator<Item = (K, &'v Verdict)>,
    ) -> Result<(), EncodeError> {
        let want = map.key_len;
        self.elements(Change::Add, family, map, verdicts, |index, (key, verdict), bytes| {
            let key = key_of(index, key.as_ref(), want)?;
            put_element(bytes, |writer| {
                put_value(KEY_KIND, key, writer);
                writer.nest(DATA_KIND, |writer| writer.put(VERDICT_KIND, *verdict));
            })
        })
    }

    /// Adds data by their keys to a map. Allocates nothing for one of them.
    ///
    /// # Errors
    ///
    /// As of [`add_elements`](Self::add_elements).
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Family, Name, Set, Type};
    ///
    /// // add element ip demo backends { 0 : 10.0.0.1, 1 : 10.0.0.2 }
    /// let backends = Set::of(Name::new("demo")?, Name::new("backends")?, 1, Type::MARK, 4).map(Type::IPV4_ADDR, 4);
    /// let values = [(0_u32.to_ne_bytes(), [10, 0, 0, 1]), (1_u32.to_ne_bytes(), [10, 0, 0, 2])];
    /// Batch::new().add_values(Family::IPV4, &backends, values)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_values<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        family: Family,
        map: &Set,
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), EncodeError> {
        let (want, want_data) = (map.key_len, map.data_len);
        self.elements(Change::Add, family, map, values, |index, (key, value), bytes| {
            let key = key_of(index, key.as_ref(), want)?;
            let value = data_of(index, value.as_ref(), want_data)?;
            put_element(bytes, |writer| {
                put_value(KEY_KIND, key, writer);
                put_value(DATA_KIND, value, writer);
            })
        })
    }

    pub(super) fn elements<T>(
        &mut self,
        change: Change,
        family: Family,
        set: &Set,
        elements: impl IntoIterator<Item = T>,
        mut put: impl FnMut(usize, &T, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.reopen();
        let (before, len, last) = (self.bytes.len(), self.len, self.last);
        let mut result = self.fill(change, family, set, elements.into_iter(), &mut put);
        if let (Ok(count), Change::Add, Some(size)) =
            (result, change, set.layout.as_ref().and_then(|layout| layout.size))
        {
            let is_full = |count: usize| u32::try_from(count).map_or(true, |count| count > size);
            // The same element twice is no error; so look closer, but only where there may be too many.
            if is_full(count) {
                let count = different(self.bytes.get(before..).unwrap_or_default());
                if is_full(count) {
                    result = Err(EncodeError::SetSize { count, size });
                }
            }
        }
        result.map(drop).inspect_err(|_| {
            // Nothing of it, also of the messages before the one that is wrong.
            self.bytes.truncate(before);
            (self.len, self.last) = (len, last);
        })
    }

    /// Writes as many messages as the elements need: how many elements there were.
    fn fill<T>(
        &mut self,
        change: Change,
        family: Family,
        set: &Set,
        mut elements: impl Iterator<Item = T>,
        put: &mut impl FnMut(usize, &T, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<usize, EncodeError> {
        let (kind, flags) = match change {
            Change::Add => (NEW_ELEMENTS, CREATE),
            Change::Delete => (DELETE_ELEMENTS, 0),
            Change::Destroy => (DESTROY_ELEMENTS, 0),
        };
        let mut index = 0;
        let mut next = elements.next();
        while next.is_some() {
            let start = self.open(kind, flags, family);
            let mut writer = Writer::new(&mut self.bytes);
            put_set(set, &mut writer);
            let list = writer.open(3 | NESTED);
            let first = self.bytes.len();
            while let Some(element) = &next {
                let at = self.bytes.len();
                put(index, element, &mut self.bytes)?;
                if self.bytes.len() - list > ATTRIBUTE {
                    if at == first {
                        return Err(EncodeError::TooLarge);
                    }
                    // Into the next message.
                    self.bytes.truncate(at);
                    break;
                }
                index += 1;
                next = elements.next();
            }
            let mut writer = Writer::new(&mut self.bytes);
            writer.close(list);
            let is_whole = writer.is_whole();
            self.keep(start, is_whole)?;
        }
        Ok(index)
    }
}

#[inline]
pub(super) fn key_of(index: usize, key: &[u8], want: Option<u32>) -> Result<&[u8], EncodeError> {
    if fits(key, want) { Ok(key) } else { Err(EncodeError::KeyLength { index, len: key.len(), want }) }
}

fn data_of(index: usize, data: &[u8], want: Option<u32>) -> Result<&[u8], EncodeError> {
    if fits(data, want) { Ok(data) } else { Err(EncodeError::DataLength { index, len: data.len(), want }) }
}

#[inline]
fn fits(bytes: &[u8], want: Option<u32>) -> bool {
    let len = bytes.len();
    (1..=KEY).contains(&len) && want.is_none_or(|want| u32::try_from(len) == Ok(want))
}

/// Writes elements as they are.
fn whole<'e>(set: &Set) -> impl FnMut(usize, &&'e Element, &mut Vec<u8>) -> Result<(), EncodeError> {
    let (want, want_data) = (set.key_len, set.data_len);
    move |index, element, bytes| {
        for key in [&element.key, &element.key_end].into_iter().flatten() {
            if let Data::Value(key) = key {
                key_of(index, key, want)?;
            }
        }
        if let Some(Data::Value(data)) = &element.data {
            data_of(index, data, want_data)?;
        }
        userdata(&element.userdata)?;
        put_element(bytes, |writer| element.write(writer))
    }
}

/// Writes elements that are keys and nothing else.
fn only_key<K: AsRef<[u8]>>(set: &Set) -> impl FnMut(usize, &K, &mut Vec<u8>) -> Result<(), EncodeError> {
    let want = set.key_len;
    move |index, key, bytes| {
        put_key(key_of(index, key.as_ref(), want)?, bytes);
        Ok(())
    }
}

pub(super) fn put_element(
    bytes: &mut Vec<u8>,
    write: impl FnOnce(&mut Writer<'_>),
) -> Result<(), EncodeError> {
    let mut writer = Writer::new(bytes);
    writer.nest(1, write);
    if writer.is_whole() { Ok(()) } else { Err(EncodeError::TooLarge) }
}

pub(super) fn put_value(kind: u16, value: &[u8], writer: &mut Writer<'_>) {
    writer.bytes_inside(kind, VALUE_KIND, value);
}

pub(super) fn put_verdict(verdict: Option<&Verdict>, writer: &mut Writer<'_>) {
    if let Some(verdict) = verdict {
        writer.nest(DATA_KIND, |writer| writer.put(VERDICT_KIND, verdict));
    }
}

/// The headers of an element with `more` bytes behind its key, of its key, and of the value of that.
#[inline]
pub(super) fn headers(key: &[u8], more: usize) -> [u8; 12] {
    // At most 64 and some.
    let len = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_ne_bytes();
    let kind = |kind: u16| kind.to_ne_bytes();
    let padded = key.len().next_multiple_of(4);
    let [a, b] = len(12 + padded + more);
    let [c, d] = kind(1 | NESTED);
    let [e, f] = len(8 + padded);
    let [g, h] = kind(KEY_KIND | NESTED);
    let [i, j] = len(4 + key.len());
    let [k, l] = kind(VALUE_KIND);
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

#[inline]
pub(super) fn pad(key: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice([0; 3].get(..key.len().wrapping_neg() % 4).unwrap_or_default());
}

/// An element that is a key of at most 64 bytes and nothing else: all that is known beforehand is copied at once.
#[inline]
pub(super) fn put_key(key: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&headers(key, 0));
    bytes.extend_from_slice(key);
    pad(key, bytes);
}

/// How many different elements there are in these messages, without those that only end an interval.
fn different(messages: &[u8]) -> usize {
    let lists = crate::message::Messages::new(messages)
        .flat_map(|message| Attrs(message.payload().get(SUBHEADER..).unwrap_or_default()))
        .filter(|attr| attr.kind == 3);
    let elements = lists.flat_map(|list| Attrs(list.value)).filter(|element| {
        let flags = Attrs(element.value).find(|attr| attr.kind == FLAGS_KIND);
        let flags = flags.and_then(|flags| u32::read(flags.value)).unwrap_or(0);
        flags & Element::INTERVAL_END == 0
    });
    let mut elements: Vec<_> = elements
        .map(|element| {
            let part = |kind| Attrs(element.value).find(|attr| attr.kind == kind).map(|attr| attr.value);
            (part(KEY_KIND), part(KEY_END_KIND))
        })
        .collect();
    elements.sort_unstable();
    elements.dedup();
    elements.len()
}
