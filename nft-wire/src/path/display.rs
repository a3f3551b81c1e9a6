//! Paths as an operator reads them.

use core::fmt;

use super::{Action, Part, Path, Subject};
use crate::expr::ObjectType;
use crate::family::Family;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "add",
            Self::Create => "create",
            Self::Insert => "insert",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Destroy => "destroy",
            Self::Flush => "flush",
            Self::Commit => "commit",
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, family, table, subject, part } = self;
        write!(f, "{action} ")?;
        let elements = match (subject, part) {
            (Subject::Elements { .. }, Some(Part::Element { index, key })) => {
                write!(f, "element {index}")?;
                if let Some(key) = key {
                    write!(f, " (key 0x")?;
                    key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                    write!(f, ")")?;
                }
                true
            }
            (Subject::Elements { first, count, .. }, _) => {
                write!(f, "elements {first} to {}", (first + count).saturating_sub(1))?;
                true
            }
            _ => false,
        };
        if elements {
            write!(f, " of ")?;
        }
        f.write_str(match subject {
            Subject::Batch => return f.write_str("the batch"),
            Subject::Ruleset => "ruleset",
            Subject::Table => "table",
            Subject::Chain(_) => "chain",
            Subject::Rule { .. } => "rule",
            Subject::Set(_) | Subject::Elements { .. } => "set",
            Subject::Object { kind, .. } => kind.map_or("object", object),
            Subject::Flowtable(_) => "flowtable",
            Subject::Other(_) => "message of type",
        })?;
        if let Subject::Other(kind) = subject {
            write!(f, " {kind}")?;
        }
        if *family != Family::new(0) {
            write!(f, " {family}")?;
        }
        if let Some(table) = table {
            write!(f, " {table}")?;
        }
        let name = match subject {
            Subject::Chain(name)
            | Subject::Set(name)
            | Subject::Elements { set: name, .. }
            | Subject::Flowtable(name)
            | Subject::Object { name, .. }
            | Subject::Rule { chain: name, .. } => name.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        if let Subject::Rule { index, handle, comment, .. } = subject {
            match handle {
                Some(handle) => write!(f, " handle {handle}")?,
                None => write!(f, " index {index}")?,
            }
            if let Some(comment) = comment {
                write!(f, " comment {comment:?}")?;
            }
        }
        match part {
            Some(Part::Field(field)) => write!(f, ", its {field}"),
            Some(Part::Expression { index, name }) => write!(f, ", expression {index} ({name})"),
            Some(Part::Offset(offset)) => write!(f, ", at byte {offset}"),
            Some(Part::Element { .. }) | None => Ok(()),
        }
    }
}

/// What `nft` calls a kind of object.
const fn object(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::COUNTER => "counter",
        ObjectType::QUOTA => "quota",
        ObjectType::CT_HELPER => "ct helper",
        ObjectType::LIMIT => "limit",
        ObjectType::CONNLIMIT => "ct count",
        ObjectType::TUNNEL => "tunnel",
        ObjectType::CT_TIMEOUT => "ct timeout",
        ObjectType::SECMARK => "secmark",
        ObjectType::CT_EXPECT => "ct expectation",
        ObjectType::SYNPROXY => "synproxy",
        _ => "object",
    }
}
