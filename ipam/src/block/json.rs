//! The JSON of a block. By hand, since a derived reader that keeps unknown fields copies everything twice.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::{Attributes, Block, MAX_HOST_BITS};
use crate::timestamp::Timestamp;

/// A key of an object; copied only where it has escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(String::from(text))))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The next value; `null` is the default, as in the reference's decoder.
fn value<'de, A: MapAccess<'de>, T: Default + Deserialize<'de>>(map: &mut A) -> Result<T, A::Error> {
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut read = Attributes::default();
                while let Some(Name(name)) = map.next_key()? {
                    match &*name {
                        "handle_id" => read.handle_id = map.next_value()?,
                        "secondary" => read.active_owner = value(&mut map)?,
                        "alternateOwnerAttrs" => read.alternate_owner = map.next_value()?,
                        "releasedAt" => read.released_at = map.next_value()?,
                        _ => drop(read.extra.insert(name.into_owned(), map.next_value()?)),
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A block as it is stored, sound or not.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) cidr: Option<IpNet>,
    pub(super) affinity: Option<String>,
    pub(super) claimed_at: Option<Timestamp>,
    pub(super) allocations: Vec<Option<u32>>,
    pub(super) unallocated: Vec<u32>,
    pub(super) attributes: Vec<Attributes>,
    pub(super) sequence: u64,
    pub(super) sequences: Sequences,
    pub(super) deleted: bool,
    pub(super) host_affinity: Option<String>,
    pub(super) extra: Map<String, Value>,
}

impl Stored {
    /// What cannot be so in a sound block.
    pub(super) fn contradictions(&self) -> Vec<&'static str> {
        let mut found = BTreeSet::new();
        let mut used = BTreeSet::new();
        for index in self.allocations.iter().flatten() {
            if usize::try_from(*index).map_or(true, |index| index >= self.attributes.len()) {
                found.insert("an address has attributes that do not exist");
            }
            used.insert(*index);
        }
        if used.len() < self.attributes.len() {
            found.insert("attributes belong to no address");
        }
        let mut free = BTreeSet::new();
        for ordinal in &self.unallocated {
            match usize::try_from(*ordinal).ok().and_then(|at| self.allocations.get(at)) {
                None => found.insert("an address beyond the block is free"),
                Some(Some(_)) => found.insert("an address is both in use and free"),
                Some(None) if !free.insert(*ordinal) => found.insert("an address is free twice"),
                Some(None) => false,
            };
        }
        if free.len() < self.allocations.iter().filter(|slot| slot.is_none()).count() {
            found.insert("an address is neither in use nor free");
        }
        found.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Stored;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stored, A::Error> {
                let mut read = Stored::default();
                while let Some(Name(name)) = map.next_key()? {
                    match &*name {
                        "cidr" => {
                            let Name(text) = map.next_value()?;
                            let cidr = text.parse::<IpNet>().map_err(de::Error::custom)?;
                            read.cidr = Some(cidr.trunc());
                        }
                        "affinity" => read.affinity = map.next_value()?,
                        "affinity_claim_time" => read.claimed_at = map.next_value()?,
                        "allocations" => read.allocations = value(&mut map)?,
                        "unallocated" => read.unallocated = value(&mut map)?,
                        "attributes" => read.attributes = value(&mut map)?,
                        "sequenceNumber" => read.sequence = value(&mut map)?,
                        "sequenceNumberForAllocation" => read.sequences = value(&mut map)?,
                        "deleted" => read.deleted = value(&mut map)?,
                        "hostAffinity" => read.host_affinity = map.next_value()?,
                        _ => drop(read.extra.insert(name.into_owned(), map.next_value()?)),
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The sequence numbers at which ordinals were assigned, by ordinal.
///
/// Stored as an object whose keys are the ordinals as text, sorted as text. What is no ordinal of any block is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequences(Vec<Option<u64>>);

impl Sequences {
    pub(super) fn get(&self, ordinal: u32) -> Option<u64> {
        *self.0.get(usize::try_from(ordinal).ok()?)?
    }

    pub(super) fn insert(&mut self, ordinal: u32, sequence: u64) {
        let Ok(at) = usize::try_from(ordinal) else { return };
        if at >= self.0.len() && at < 1 << MAX_HOST_BITS {
            self.0.resize(at + 1, None);
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = Some(sequence);
        }
    }

    pub(super) fn remove(&mut self, ordinal: u32) {
        if let Some(slot) = usize::try_from(ordinal).ok().and_then(|at| self.0.get_mut(at)) {
            *slot = None;
        }
        while self.0.last() == Some(&None) {
            self.0.pop();
        }
    }

    /// Forgets those at which nothing is assigned.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (at, slot) in self.0.iter_mut().enumerate() {
            if slot.is_some() && !keep(at) {
                *slot = None;
            }
        }
        self.remove(u32::MAX);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }
}

impl serde::Serialize for Sequences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Writes an ordinal, and those whose digits begin with its.
        fn write<M: serde::ser::SerializeMap>(
            from: &Sequences,
            ordinal: u32,
            map: &mut M,
        ) -> Result<(), M::Error> {
            if usize::try_from(ordinal).map_or(true, |at| at >= from.0.len()) {
                return Ok(());
            }
            if let Some(sequence) = from.get(ordinal) {
                map.serialize_entry(&ordinal, &sequence)?;
            }
            if ordinal > 0 {
                (0..10).try_for_each(|digit| {
                    write(from, ordinal.saturating_mul(10).saturating_add(digit), map)
                })?;
            }
            Ok(())
        }
        let mut map = serializer.serialize_map(None)?;
        (0..10).try_for_each(|digit| write(self, digit, &mut map))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Sequences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Sequences;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("sequence numbers by ordinal")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sequences, A::Error> {
                let mut read = Sequences::default();
                while let Some(Name(name)) = map.next_key()? {
                    match name.parse::<u32>() {
                        Ok(ordinal) if ordinal < 1 << MAX_HOST_BITS => {
                            read.insert(ordinal, map.next_value()?);
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl TryFrom<Stored> for Block {
    type Error = &'static str;

    /// Takes the fields over; they may still contradict each other.
    fn try_from(stored: Stored) -> Result<Self, &'static str> {
        Ok(Self {
            cidr: stored.cidr.ok_or("missing field `cidr`")?,
            affinity: stored.affinity,
            claimed_at: stored.claimed_at,
            allocations: stored.allocations,
            unallocated: stored.unallocated,
            attributes: stored.attributes,
            sequence: stored.sequence,
            sequences: stored.sequences,
            deleted: stored.deleted,
            host_affinity: stored.host_affinity,
            extra: stored.extra,
        })
    }
}

/// Attributes as they are looked for: what a handle and an owner would make.
pub(super) fn is_held(known: &Attributes, handle: &str, owner: &BTreeMap<String, String>) -> bool {
    known.handle_id.as_deref() == Some(handle)
        && known.active_owner == *owner
        && known.alternate_owner.is_none()
        && known.released_at.is_none()
        && known.extra.is_empty()
}
