//! What is remembered of the owners of addresses, as JSON text that was checked once.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::write::{push_string, push_value};
use crate::record::null_is_default;
use crate::timestamp::Timestamp;

/// The attributes of an owner.
pub(super) type Owner = BTreeMap<String, String>;

/// What is remembered of the owner of some addresses of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Attributes {
    /// The handle that they are released by.
    pub handle_id: Option<String>,
    /// What the assigner said of the owner.
    #[serde(rename = "secondary", default, deserialize_with = "null_is_default")]
    pub active_owner: Owner,
    /// A second owner, while a virtual machine migrates; kept, not used by this crate.
    #[serde(rename = "alternateOwnerAttrs")]
    pub alternate_owner: Option<Owner>,
    /// When they were released, if they rest.
    #[serde(rename = "releasedAt")]
    pub released_at: Option<Timestamp>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Attributes {
    /// The handle, without what old versions wrote behind a carriage return.
    #[must_use]
    pub fn handle(&self) -> Option<&str> {
        self.handle_id.as_deref().map(cut)
    }
}

fn cut(handle: &str) -> &str {
    handle.split('\r').next().unwrap_or(handle)
}

/// What the JSON of attributes with a handle begins with.
pub(super) const HANDLE: &str = r#"{"handle_id":""#;
/// What it begins with if there is none.
pub(super) const NO_HANDLE: &str = r#"{"handle_id":null"#;

/// Where the handle is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Handle {
    None,
    /// In the JSON, behind [`HANDLE`], as it is.
    Within(usize),
    /// In the JSON it has escapes.
    Apart(Box<str>),
}

/// An element of a block's `attributes`.
///
/// Kept as text: most are only ever handed on from the block that was read to the block that is written. The text is
/// that which [`Entry::of`] writes, so the same attributes are the same text, but for an owner without attributes: that
/// may be `null` or `{}`, and stays what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    json: Box<str>,
    handle: Handle,
    pub(super) released_at: Option<Timestamp>,
    /// How many addresses have it.
    uses: u32,
}

/// The parts of attributes, to be written; what is `None` is `null` or left out, as the reference does it.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub(super) handle_id: Option<&'a str>,
    pub(super) active: Option<&'a Owner>,
    pub(super) alternate: Option<&'a Owner>,
    pub(super) released_at: Option<Timestamp>,
    pub(super) extra: Option<&'a Map<String, Value>>,
}

impl Entry {
    /// The one text for these parts.
    pub(super) fn of(parts: &Parts<'_>) -> Self {
        // What most need, to the byte: a handle, and an owner that has attributes, without escapes.
        let size = |owner: Option<&Owner>| {
            let pairs = owner.into_iter().flatten().map(|(key, value)| key.len() + value.len() + 6);
            pairs.sum::<usize>().saturating_sub(1)
        };
        let handle_len = parts.handle_id.map_or(0, str::len);
        let mut json = String::with_capacity(31 + handle_len + size(parts.active) + size(parts.alternate));
        let handle = match parts.handle_id {
            None => {
                json.push_str(NO_HANDLE);
                Handle::None
            }
            Some(handle) => {
                json.push_str(NO_HANDLE.strip_suffix("null").unwrap_or_default());
                let plain = push_string(&mut json, handle);
                if plain { Handle::Within(HANDLE.len() + handle.len()) } else { Handle::Apart(handle.into()) }
            }
        };
        json.push_str(r#","secondary":"#);
        match parts.active {
            None => json.push_str("null"),
            Some(active) => push_owner(&mut json, active),
        }
        if let Some(alternate) = parts.alternate {
            json.push_str(r#","alternateOwnerAttrs":"#);
            push_owner(&mut json, alternate);
        }
        if let Some(released_at) = parts.released_at {
            json.push_str(r#","releasedAt":"#);
            push_value(&mut json, &released_at);
        }
        for (name, value) in parts.extra.into_iter().flatten() {
            json.push(',');
            push_string(&mut json, name);
            json.push(':');
            push_value(&mut json, value);
        }
        json.push('}');
        Self { json: json.into_boxed_str(), handle, released_at: parts.released_at, uses: 0 }
    }

    /// The text of these attributes. An owner without attributes is `null`, as the reference writes none.
    pub(super) fn of_attributes(attributes: &Attributes) -> Self {
        let some = |owner: &&Owner| !owner.is_empty();
        Self::of(&Parts {
            handle_id: attributes.handle_id.as_deref(),
            active: Some(&attributes.active_owner).filter(some),
            alternate: attributes.alternate_owner.as_ref().filter(some),
            released_at: attributes.released_at,
            extra: Some(&attributes.extra),
        })
    }

    /// A text that is known to be what [`Entry::of`] writes, with a handle of this length that has no escapes.
    pub(super) fn checked(json: &str, handle_len: Option<usize>, released_at: Option<Timestamp>) -> Self {
        let handle = handle_len.map_or(Handle::None, |len| Handle::Within(HANDLE.len() + len));
        Self { json: json.into(), handle, released_at, uses: 0 }
    }

    pub(super) fn json(&self) -> &str {
        &self.json
    }

    /// A number that the same text has, and others mostly have not.
    fn digest(&self) -> u32 {
        let tail = self.handle_id().and_then(|handle| handle.as_bytes().last_chunk::<4>());
        let len = u32::try_from(self.json.len()).unwrap_or(u32::MAX);
        tail.map_or(0, |tail| u32::from_le_bytes(*tail)).wrapping_add(len.rotate_left(20))
    }

    fn handle_id(&self) -> Option<&str> {
        match &self.handle {
            Handle::None => None,
            Handle::Within(end) => self.json.get(HANDLE.len()..*end),
            Handle::Apart(handle) => Some(handle),
        }
    }

    /// The handle, without what old versions wrote behind a carriage return.
    pub(super) fn handle(&self) -> Option<&str> {
        match &self.handle {
            // Whatever is within has no escapes, so no carriage return.
            Handle::Within(_) | Handle::None => self.handle_id(),
            Handle::Apart(handle) => Some(cut(handle)),
        }
    }

    pub(super) fn is_windows_reserved(&self) -> bool {
        self.handle_id().is_some_and(|handle| handle.eq_ignore_ascii_case(super::WINDOWS_RESERVED_HANDLE))
    }

    /// What the text says.
    pub(super) fn attributes(&self) -> Attributes {
        // It was checked when it came, so it reads.
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}

fn push_owner(json: &mut String, owner: &Owner) {
    json.push('{');
    for (at, (key, value)) in owner.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_string(json, key);
        json.push(':');
        push_string(json, value);
    }
    json.push('}');
}

/// The `attributes` of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    list: Vec<Entry>,
    /// Of each its digest, side by side: what is looked for is mostly new, which shows at once.
    digests: Vec<u32>,
    /// How many of them rest.
    resting: usize,
    /// There were never any: `null`, not `[]`, as the reference writes it.
    never: bool,
}

impl Entries {
    pub(super) fn new(list: Option<Vec<Entry>>) -> Self {
        let never = list.is_none();
        let mut entries = Self { list: list.unwrap_or_default(), never, ..Self::default() };
        entries.count();
        entries
    }

    /// Finds out what is known of all together.
    fn count(&mut self) {
        self.digests = self.list.iter().map(Entry::digest).collect();
        self.resting = self.list.iter().filter(|entry| entry.released_at.is_some()).count();
    }

    pub(super) const fn is_null(&self) -> bool {
        self.never
    }

    pub(super) const fn any_resting(&self) -> bool {
        self.resting > 0
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, Entry> {
        self.list.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        self.list.get(usize::try_from(index).ok()?)
    }

    /// The index of these, added if they are new.
    pub(super) fn index_of(&mut self, entry: Entry) -> u32 {
        let digest = entry.digest();
        // To look at all of them is quicker than to stop.
        let known = self.digests.iter().fold(false, |known, other| known | (*other == digest));
        let found = if known { self.list.iter().position(|known| known.json == entry.json) } else { None };
        let index = found.unwrap_or_else(|| {
            self.resting += usize::from(entry.released_at.is_some());
            self.never = false;
            self.digests.push(digest);
            self.list.push(entry);
            self.list.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Counts one more address that has these; false if there are no such.
    pub(super) fn gain(&mut self, index: u32) -> bool {
        let entry = usize::try_from(index).ok().and_then(|at| self.list.get_mut(at));
        entry.is_some_and(|entry| {
            entry.uses += 1;
            true
        })
    }

    /// Counts one less; whether it was the last.
    pub(super) fn lose(&mut self, index: u32) -> bool {
        let entry = usize::try_from(index).ok().and_then(|at| self.list.get_mut(at));
        entry.is_some_and(|entry| {
            entry.uses = entry.uses.saturating_sub(1);
            entry.uses == 0
        })
    }

    /// Drops those at an index; whether others move up by one.
    pub(super) fn remove(&mut self, index: u32) -> bool {
        let Some(at) = usize::try_from(index).ok().filter(|at| *at < self.list.len()) else { return false };
        let gone = self.list.remove(at);
        self.digests.remove(at);
        self.resting -= usize::from(gone.released_at.is_some());
        at < self.list.len()
    }

    /// Drops those that no address has. Gives the new index of each old one, if any has another.
    pub(super) fn compact(&mut self) -> Option<Vec<u32>> {
        if self.list.iter().all(|entry| entry.uses > 0) {
            return None;
        }
        let mut next = 0;
        let renumbered = self.list.iter().map(|entry| {
            let index = next;
            next += u32::from(entry.uses > 0);
            index
        });
        let renumbered = renumbered.collect();
        self.list.retain(|entry| entry.uses > 0);
        self.count();
        Some(renumbered)
    }
}
