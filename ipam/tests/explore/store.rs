//! The store of the explorer: plain values with small names, so that states compare quickly.

use core::fmt;
use std::collections::HashMap;

use tortie_ipam::{ListOptions, Op, Revision, StoreError, Versioned};

/// How the store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// It can commit several keys at once.
    pub commits: bool,
    /// It does not look at revisions: a defect, to see that the explorer sees it.
    pub lax: bool,
    /// The revisions of a key begin anew when it was deleted: another.
    pub recurs: bool,
}

/// What a store holds: key, value and revision by number, sorted by key. The value 0 is a key that was deleted: its
/// revision is remembered, so that it does not come again.
///
/// Revisions count the writes of a key, not of the store, so that writes of different keys commute.
pub type Keys = Vec<(u16, u32, u32)>;

/// What a program asks of the store.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Call {
    Get(String),
    List(String, ListOptions),
    Write(Op),
    Commit(Vec<Op>),
}

impl Call {
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Commit(_))
    }
}

fn short(key: &str) -> &str {
    key.strip_prefix("/calico/ipam/v2/").unwrap_or(key)
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
pub enum Reply {
    Found(Keys, bool),
    Written(u32),
    AlreadyExists,
    NotFound,
    Conflict,
    Unsupported,
    Lost,
}

pub struct Outcome {
    pub reply: Reply,
}

/// An operation of a commit, by number; the last is the revision that it wants.
#[derive(Clone, Copy)]
enum Part {
    Create(u16, u32),
    Update(u16, u32, u32),
    Delete(u16, u32),
    Check(u16, Option<u32>),
}

/// A call, by number.
#[derive(Clone)]
enum Resolved {
    Get(u16),
    List(String, ListOptions),
    Commit(Vec<Part>),
    Unsupported,
}

/// The names of keys and values, and the store that is looked at.
pub struct Contents {
    mode: Mode,
    key_names: Vec<String>,
    key_ids: HashMap<String, u16>,
    values: Vec<Vec<u8>>,
    value_ids: HashMap<Vec<u8>, u32>,
    loaded: Keys,
    /// Calls by number, once they were executed.
    resolved: HashMap<u32, Resolved>,
}

impl Contents {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            key_names: Vec::new(),
            key_ids: HashMap::new(),
            // 0 is no value.
            values: vec![Vec::new()],
            value_ids: HashMap::new(),
            loaded: Vec::new(),
            resolved: HashMap::new(),
        }
    }

    fn key(&mut self, key: &str) -> u16 {
        if let Some(id) = self.key_ids.get(key) {
            return *id;
        }
        let id = u16::try_from(self.key_names.len()).unwrap();
        self.key_names.push(key.to_string());
        self.key_ids.insert(key.to_string(), id);
        id
    }

    fn value(&mut self, value: &[u8]) -> u32 {
        if let Some(id) = self.value_ids.get(value) {
            return *id;
        }
        let id = u32::try_from(self.values.len()).unwrap();
        self.values.push(value.to_vec());
        self.value_ids.insert(value.to_vec(), id);
        id
    }

    pub fn initial(&mut self, items: &[(String, Vec<u8>)]) -> Keys {
        let mut keys: Keys = items.iter().map(|(key, value)| (self.key(key), self.value(value), 1)).collect();
        keys.sort_unstable();
        keys
    }

    pub fn load(&mut self, keys: &Keys) {
        self.loaded.clone_from(keys);
    }

    /// The keys and values of the store that is looked at.
    pub fn items(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let present = self.loaded.iter().filter(|(_, value, _)| *value != 0);
        present.map(|(key, value, _)| {
            (self.key_names[usize::from(*key)].as_str(), self.values[*value as usize].as_slice())
        })
    }

    pub fn versioned(&self, reply: &Keys, keys_only: bool) -> Vec<Versioned> {
        let item = |(key, value, revision): &(u16, u32, u32)| Versioned {
            key: self.key_names[usize::from(*key)].clone(),
            value: if keys_only { Vec::new() } else { self.values[*value as usize].clone() },
            revision: Revision::new(u64::from(*revision)),
        };
        reply.iter().map(item).collect()
    }

    pub fn show(&self, reply: &Reply) -> String {
        match reply {
            Reply::Found(keys, keys_only) => {
                let item = |item: Versioned| {
                    format!("{}@{} {}", short(&item.key), item.revision, String::from_utf8_lossy(&item.value))
                };
                let items: Vec<String> = self.versioned(keys, *keys_only).into_iter().map(item).collect();
                format!("{items:?}")
            }
            other => format!("{other:?}"),
        }
    }

    fn resolve(&mut self, call: &Call) -> Resolved {
        let ops = match call {
            Call::Get(key) => return Resolved::Get(self.key(key)),
            Call::List(prefix, options) => return Resolved::List(prefix.clone(), options.clone()),
            Call::Commit(_) if !self.mode.commits => return Resolved::Unsupported,
            Call::Write(op) => core::slice::from_ref(op),
            Call::Commit(ops) => ops,
        };
        let number = |revision: &Revision| u32::try_from(revision.get()).unwrap();
        let part = |op: &Op| {
            let key = self.key(op.key());
            match op {
                Op::Create { value, .. } => Part::Create(key, self.value(value)),
                Op::Update { value, revision, .. } => Part::Update(key, self.value(value), number(revision)),
                Op::Delete { revision, .. } => Part::Delete(key, number(revision)),
                Op::Check { revision, .. } => Part::Check(key, revision.as_ref().map(number)),
            }
        };
        Resolved::Commit(ops.iter().map(part).collect())
    }

    /// Does a call, known by this number.
    pub fn execute(&mut self, keys: &mut Keys, id: u32, call: &Call) -> Outcome {
        if !self.resolved.contains_key(&id) {
            let resolved = self.resolve(call);
            self.resolved.insert(id, resolved);
        }
        let reply = match &self.resolved[&id] {
            Resolved::Get(key) => {
                let found = keys.iter().filter(|item| item.0 == *key && item.1 != 0);
                Reply::Found(found.copied().collect(), false)
            }
            Resolved::List(prefix, options) => {
                Reply::Found(self.list(keys, prefix, options), options.keys_only)
            }
            Resolved::Commit(parts) => {
                let reply = commit(keys, parts, self.mode.lax);
                if self.mode.recurs {
                    keys.retain(|item| item.1 != 0);
                }
                reply
            }
            Resolved::Unsupported => Reply::Unsupported,
        };
        Outcome { reply }
    }

    fn list(&self, keys: &Keys, prefix: &str, options: &ListOptions) -> Keys {
        let name = |item: &(u16, u32, u32)| self.key_names[usize::from(item.0)].as_str();
        let after = options.after.as_deref().unwrap_or("");
        let mut found: Keys = keys
            .iter()
            .filter(|item| item.1 != 0 && name(item).starts_with(prefix) && name(item) > after)
            .copied()
            .collect();
        found.sort_by_key(|item| name(item));
        found.truncate(options.limit.unwrap_or(usize::MAX));
        if options.keys_only {
            // What the caller does not see must not tell histories apart.
            found.iter_mut().for_each(|item| item.1 = 0);
        }
        found
    }
}

fn commit(keys: &mut Keys, parts: &[Part], lax: bool) -> Reply {
    let mut last = 0;
    for part in parts {
        let (Part::Create(key, _) | Part::Update(key, ..) | Part::Delete(key, _) | Part::Check(key, _)) =
            *part;
        let found = keys.iter().find(|item| item.0 == key);
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
        match keys.iter_mut().find(|item| item.0 == key) {
            Some(item) => (item.1, item.2) = (value, revision),
            None => keys.push((key, value, revision)),
        }
    }
    keys.sort_unstable();
    Reply::Written(revision)
}

/// The error that a program sees.
pub fn error(reply: &Reply) -> StoreError {
    match reply {
        Reply::AlreadyExists => StoreError::AlreadyExists,
        Reply::NotFound => StoreError::NotFound,
        Reply::Conflict => StoreError::Conflict,
        Reply::Unsupported => StoreError::Unsupported,
        _ => StoreError::unavailable(std::io::Error::other("no reply")),
    }
}
