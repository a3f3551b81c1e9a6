//! The store of the explorer: plain values with small names, so that states compare quickly.

use core::fmt;
use core::net::IpAddr;
use std::collections::HashMap;

use ipnet::IpNet;

use super::hash::FastMap;
use crate::block::Block;
use crate::keys::Key;
use crate::record::{Affinity, AffinityState, BlockAffinity, Handle};
use crate::store::{ListOptions, Op, Revision, StoreError, Versioned};

/// What a store holds: key, value and revision by number, sorted by key. The value 0 is a key that was deleted: its
/// revision is remembered, so that it does not come again.
///
/// Revisions count the writes of a key, not of the store, so that writes of different keys commute.
pub(super) type Keys = Vec<Item>;
pub(super) type Item = (u16, u32, u32);

/// What a program asks of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Get(String),
    List(String, ListOptions),
    Write(Op),
    Commit(Vec<Op>),
}

impl Call {
    pub(super) const fn is_write(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Commit(_))
    }
}

fn short(key: &str) -> &str {
    key.strip_prefix(crate::keys::ROOT).unwrap_or(key)
}

fn show_op(op: &Op) -> String {
    match op {
        Op::Create { key, value } => format!("create {} {}", short(key), String::from_utf8_lossy(value)),
        Op::Update { key, value, revision } => {
            format!("update {}@{revision} {}", short(key), String::from_utf8_lossy(value))
        }
        Op::Delete { key, revision } => format!("delete {}@{revision}", short(key)),
        Op::Check { key, .. } => format!("check {}", short(key)),
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(key) => write!(f, "get {}", short(key)),
            Self::List(prefix, _) => write!(f, "list {}", short(prefix)),
            Self::Write(op) => f.write_str(&show_op(op)),
            Self::Commit(ops) => {
                let ops: Vec<String> = ops.iter().map(show_op).collect();
                write!(f, "commit [{}]", ops.join("; "))
            }
        }
    }
}

/// What the store answers, by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    Found(Keys),
    Written(u32),
    AlreadyExists,
    NotFound,
    Conflict,
    Unsupported,
    Lost,
}

impl Reply {
    /// The error that a program sees; `None` for what is none.
    pub(super) fn error(&self) -> Option<StoreError> {
        match self {
            Self::Found(_) | Self::Written(_) => None,
            Self::AlreadyExists => Some(StoreError::AlreadyExists),
            Self::NotFound => Some(StoreError::NotFound),
            Self::Conflict => Some(StoreError::Conflict),
            Self::Unsupported => Some(StoreError::Unsupported),
            Self::Lost => Some(StoreError::unavailable(std::io::Error::other("no reply"))),
        }
    }
}

/// An operation of a commit, by number; the last is the revision that it wants.
#[derive(Clone, Copy)]
enum Part {
    Create(u16, u32),
    Update(u16, u32, u32),
    Delete(u16, u32),
    Check(u16, Option<u32>),
}

impl Part {
    const fn key(self) -> u16 {
        let (Self::Create(key, _) | Self::Update(key, ..) | Self::Delete(key, _) | Self::Check(key, _)) =
            self;
        key
    }
}

/// A call, by number.
enum Resolved {
    Get(u16),
    List { prefix: String, options: ListOptions },
    Commit(Vec<Part>),
    Unsupported,
}

/// A value, read as what its key says.
pub(super) enum Record {
    Block(Block),
    Affinity(Affinity, IpNet, AffinityState),
    Handle(String, Handle),
    /// Of somebody else.
    Other,
    /// The allocator wrote what it cannot read.
    Broken(String),
}

impl Record {
    fn read(key: &str, value: &[u8]) -> Self {
        let broken = |error: crate::RecordError| Self::Broken(format!("{key}: {error}"));
        match Key::parse(key) {
            Some(Key::Block(_)) => Block::decode(value).map_or_else(broken, Self::Block),
            Some(Key::Affinity(owner, cidr)) => BlockAffinity::decode(value)
                .map_or_else(broken, |affinity| Self::Affinity(owner, cidr, affinity.state)),
            Some(Key::Handle(id)) => {
                Handle::decode(value).map_or_else(broken, |handle| Self::Handle(id, handle))
            }
            _ => Self::Other,
        }
    }
}

struct Value {
    bytes: Vec<u8>,
    record: Record,
    /// Who has which address of a block.
    held: Vec<(IpAddr, String)>,
}

/// The names of keys, values and calls.
pub(super) struct Contents {
    /// It can commit several keys at once.
    commits: bool,
    defect: Option<super::Defect>,
    key_names: Vec<String>,
    key_ids: HashMap<String, u16>,
    values: Vec<Value>,
    /// By key: what a value means depends on it.
    value_ids: FastMap<(u16, Vec<u8>), u32>,
    calls: Vec<(Call, Resolved)>,
    call_ids: FastMap<Call, u32>,
}

impl Contents {
    pub(super) fn new(commits: bool, defect: Option<super::Defect>) -> Self {
        // 0 is no value.
        let nothing = Value { bytes: Vec::new(), record: Record::Other, held: Vec::new() };
        Self {
            commits,
            defect,
            key_names: Vec::new(),
            key_ids: HashMap::new(),
            values: vec![nothing],
            value_ids: FastMap::default(),
            calls: Vec::new(),
            call_ids: FastMap::default(),
        }
    }

    fn key(&mut self, key: &str) -> u16 {
        if let Some(id) = self.key_ids.get(key) {
            return *id;
        }
        let id = u16::try_from(self.key_names.len()).expect("few keys");
        self.key_names.push(key.to_string());
        self.key_ids.insert(key.to_string(), id);
        id
    }

    fn value(&mut self, key: u16, value: &[u8]) -> u32 {
        let name = (key, value.to_vec());
        if let Some(id) = self.value_ids.get(&name) {
            return *id;
        }
        let id = u32::try_from(self.values.len()).expect("fewer values than states");
        let record = Record::read(&self.key_names[usize::from(key)], value);
        let held = match &record {
            Record::Block(block) => block
                .allocations()
                .filter(|allocation| !allocation.rests())
                .map(|found| (found.address, found.handle().unwrap_or_default().to_string()))
                .collect(),
            _ => Vec::new(),
        };
        self.values.push(Value { bytes: value.to_vec(), record, held });
        self.value_ids.insert(name, id);
        id
    }

    pub(super) fn initial(&mut self, items: &[(String, Vec<u8>)]) -> Keys {
        let item = |(key, value): &(String, Vec<u8>)| {
            let key = self.key(key);
            (key, self.value(key, value), 1)
        };
        let mut keys: Keys = items.iter().map(item).collect();
        keys.sort_unstable();
        keys
    }

    /// The keys and values that a store has.
    pub(super) fn items<'a>(&'a self, keys: &'a [Item]) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let present = keys.iter().filter(|item| item.1 != 0);
        present.map(|item| (self.key_name(item), self.values[item.1 as usize].bytes.as_slice()))
    }

    /// What a store has, as records.
    pub(super) fn records<'a>(&'a self, keys: &'a [Item]) -> impl Iterator<Item = (&'a str, &'a Record)> {
        let present = keys.iter().filter(|item| item.1 != 0);
        present.map(|item| (self.key_name(item), &self.values[item.1 as usize].record))
    }

    /// Who has which address, sorted by address.
    pub(super) fn holders<'a>(&'a self, keys: &[Item]) -> Vec<(IpAddr, &'a str)> {
        let held = keys.iter().flat_map(|item| &self.values[item.1 as usize].held);
        let mut held: Vec<_> = held.map(|(address, handle)| (*address, handle.as_str())).collect();
        held.sort_unstable();
        held
    }

    fn key_name(&self, item: &Item) -> &str {
        &self.key_names[usize::from(item.0)]
    }

    pub(super) fn versioned(&self, reply: &[Item]) -> Vec<Versioned> {
        let item = |item: &Item| Versioned {
            key: self.key_name(item).to_string(),
            value: self.values[item.1 as usize].bytes.clone(),
            revision: Revision::new(u64::from(item.2)),
        };
        reply.iter().map(item).collect()
    }

    pub(super) fn show(&self, reply: &Reply) -> String {
        match reply {
            Reply::Found(keys) => {
                let item = |item: Versioned| {
                    format!("{}@{} {}", short(&item.key), item.revision, String::from_utf8_lossy(&item.value))
                };
                let items: Vec<String> = self.versioned(keys).into_iter().map(item).collect();
                format!("{items:?}")
            }
            other => format!("{other:?}"),
        }
    }

    /// The number of a call.
    pub(super) fn name(&mut self, call: Call) -> u32 {
        if let Some(id) = self.call_ids.get(&call) {
            return *id;
        }
        let resolved = self.resolve(&call);
        let id = u32::try_from(self.calls.len()).expect("fewer calls than states");
        self.call_ids.insert(call.clone(), id);
        self.calls.push((call, resolved));
        id
    }

    pub(super) fn call(&self, id: u32) -> &Call {
        &self.calls[id as usize].0
    }

    fn resolve(&mut self, call: &Call) -> Resolved {
        let ops = match call {
            Call::Get(key) => return Resolved::Get(self.key(key)),
            Call::List(prefix, options) => {
                return Resolved::List { prefix: prefix.clone(), options: options.clone() };
            }
            Call::Commit(_) if !self.commits => return Resolved::Unsupported,
            Call::Write(op) => core::slice::from_ref(op),
            Call::Commit(ops) => ops,
        };
        let number = |revision: &Revision| u32::try_from(revision.get()).expect("one of ours");
        let part = |op: &Op| {
            let key = self.key(op.key());
            match op {
                Op::Create { value, .. } => Part::Create(key, self.value(key, value)),
                Op::Update { value, revision, .. } => {
                    Part::Update(key, self.value(key, value), number(revision))
                }
                Op::Delete { revision, .. } => Part::Delete(key, number(revision)),
                Op::Check { revision, .. } => Part::Check(key, revision.as_ref().map(number)),
            }
        };
        Resolved::Commit(ops.iter().map(part).collect())
    }

    /// Does a call.
    pub(super) fn execute(&self, keys: &mut Keys, call: u32) -> Reply {
        match &self.calls[call as usize].1 {
            Resolved::Get(key) => {
                Reply::Found(find(keys, *key).filter(|item| item.1 != 0).into_iter().copied().collect())
            }
            Resolved::List { prefix, options } => Reply::Found(self.list(keys, prefix, options)),
            Resolved::Commit(parts) => {
                let reply = commit(keys, parts, self.defect == Some(super::Defect::IgnoresRevisions));
                if self.defect == Some(super::Defect::RevisionsRecur) {
                    keys.retain(|item| item.1 != 0);
                }
                reply
            }
            Resolved::Unsupported => Reply::Unsupported,
        }
    }

    fn list(&self, keys: &Keys, prefix: &str, options: &ListOptions) -> Keys {
        let after = options.after.as_deref().unwrap_or("");
        let wanted = |item: &&Item| {
            item.1 != 0 && self.key_name(item).starts_with(prefix) && self.key_name(item) > after
        };
        let mut found: Keys = keys.iter().filter(wanted).copied().collect();
        found.sort_by_key(|item| self.key_name(item));
        found.truncate(options.limit.unwrap_or(usize::MAX));
        if options.keys_only {
            // What the caller does not see must not tell histories apart.
            found.iter_mut().for_each(|item| item.1 = 0);
        }
        found
    }

    /// The keys that a caller knows a revision of, once it has this reply; one bit each, all bits for what is beyond.
    pub(super) fn learnt(&self, call: u32, reply: &Reply) -> u64 {
        let bit = |key: u16| 1u64.checked_shl(u32::from(key)).unwrap_or(u64::MAX);
        match (reply, &self.calls[call as usize].1) {
            (Reply::Found(keys), _) => keys.iter().fold(0, |all, item| all | bit(item.0)),
            (_, Resolved::Commit(parts)) => parts.iter().fold(0, |all, part| all | bit(part.key())),
            _ => 0,
        }
    }

    /// Takes revisions back to the first where nobody knows them: states that differ in nothing else are one.
    pub(super) fn forget(&self, keys: &mut Keys, known: u64) {
        if known == u64::MAX {
            return;
        }
        let is_known = |key: u16| known.checked_shr(u32::from(key)).is_none_or(|bits| bits & 1 == 1);
        keys.retain_mut(|(key, value, revision)| {
            if is_known(*key) {
                return true;
            }
            *revision = 1;
            *value != 0
        });
    }
}

fn find(keys: &[Item], key: u16) -> Option<&Item> {
    keys.binary_search_by_key(&key, |item| item.0).ok().map(|at| &keys[at])
}

fn commit(keys: &mut Keys, parts: &[Part], lax: bool) -> Reply {
    let mut last = 0;
    for part in parts {
        let found = find(keys, part.key());
        last = last.max(found.map_or(0, |item| item.2));
        let present = found.filter(|item| item.1 != 0).map(|item| item.2);
        match (*part, present) {
            (Part::Create(..), Some(_)) => return Reply::AlreadyExists,
            (Part::Update(..) | Part::Delete(..), None) => return Reply::NotFound,
            (Part::Update(_, _, wanted) | Part::Delete(_, wanted), Some(found))
                if !lax && wanted != found =>
            {
                return Reply::Conflict;
            }
            (Part::Check(_, wanted), found) if wanted != found => return Reply::Conflict,
            _ => {}
        }
    }
    let revision = last + 1;
    for part in parts {
        let (key, value) = match *part {
            Part::Create(key, value) | Part::Update(key, value, _) => (key, value),
            Part::Delete(key, _) => (key, 0),
            Part::Check(..) => continue,
        };
        match keys.binary_search_by_key(&key, |item| item.0) {
            Ok(at) => keys[at] = (key, value, revision),
            Err(at) => keys.insert(at, (key, value, revision)),
        }
    }
    Reply::Written(revision)
}
