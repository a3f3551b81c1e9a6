//! Reads a block from any JSON. By hand, since a derived reader that keeps unknown fields copies everything twice.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::MAX_HOST_BITS;
use super::attributes::{Entry, Owner, Parts};
use super::sequences::Sequences;
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

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut handle_id: Option<String> = None;
                let (mut active, mut alternate): (Option<Owner>, Option<Owner>) = (None, None);
                let (mut released_at, mut extra) = (None, Map::new());
                while let Some(Name(name)) = map.next_key()? {
                    match &*name {
                        "handle_id" => handle_id = map.next_value()?,
                        "secondary" => active = map.next_value()?,
                        "alternateOwnerAttrs" => alternate = map.next_value()?,
                        "releasedAt" => released_at = map.next_value()?,
                        _ => drop(extra.insert(name.into_owned(), map.next_value()?)),
                    }
                }
                Ok(Entry::of(&Parts {
                    handle_id: handle_id.as_deref(),
                    active: active.as_ref(),
                    alternate: alternate.as_ref(),
                    released_at,
                    extra: Some(&extra),
                }))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A block as it is stored, sound or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) cidr: Option<IpNet>,
    pub(super) affinity: Option<String>,
    pub(super) claimed_at: Option<Timestamp>,
    pub(super) allocations: Vec<Option<u32>>,
    pub(super) unallocated: Vec<u32>,
    /// `None`: null.
    pub(super) attributes: Option<Vec<Entry>>,
    pub(super) sequence: u64,
    pub(super) sequences: Sequences,
    pub(super) deleted: bool,
    pub(super) host_affinity: Option<String>,
    pub(super) extra: Map<String, Value>,
}

impl Default for Stored {
    /// What a block without fields says: nothing.
    fn default() -> Self {
        Self {
            cidr: None,
            affinity: None,
            claimed_at: None,
            allocations: Vec::new(),
            unallocated: Vec::new(),
            attributes: None,
            sequence: 0,
            sequences: Sequences::null(),
            deleted: false,
            host_affinity: None,
            extra: Map::new(),
        }
    }
}

impl Stored {
    /// What cannot be so in a sound block.
    pub(super) fn contradictions(&self) -> Vec<&'static str> {
        let mut found = BTreeSet::new();
        let mut used = BTreeSet::new();
        let attributes = self.attributes.as_deref().unwrap_or_default();
        for index in self.allocations.iter().flatten() {
            if usize::try_from(*index).map_or(true, |index| index >= attributes.len()) {
                found.insert("an address has attributes that do not exist");
            }
            used.insert(*index);
        }
        if used.len() < attributes.len() {
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
                        "attributes" => read.attributes = map.next_value()?,
                        "sequenceNumber" => read.sequence = value(&mut map)?,
                        "sequenceNumberForAllocation" => {
                            read.sequences = map.next_value::<Option<_>>()?.unwrap_or_else(Sequences::null);
                        }
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
