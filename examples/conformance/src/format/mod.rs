//! The formats of cases that are understood.

mod np;
mod rules;
mod selector;

use serde_json::Value;

pub(crate) use rules::{SUBJECT, Wanted};

use crate::run::Run;

/// A format of cases.
pub(crate) struct Format {
    /// What the field `schema` of its cases says.
    pub(crate) schema: &'static str,
    /// Runs one case, and tells what does not hold.
    pub(crate) run: fn(&Value, &mut Run<'_>),
}

/// All of them.
pub(crate) const FORMATS: &[Format] = &[
    Format { schema: "calico-selector/1", run: selector::run },
    Format { schema: "np-case/1", run: np::run },
    Format { schema: "calico-rules/1", run: rules::run },
];

/// The format of a case, if it is understood.
pub(crate) fn of(case: &Value) -> Option<&'static Format> {
    let schema = case.get("schema")?.as_str()?;
    FORMATS.iter().find(|format| format.schema == schema)
}
