//! The formats of cases that are understood.

mod selector;

use serde_json::Value;

/// A format of cases.
pub(crate) struct Format {
    /// What the field `schema` of its cases says.
    pub(crate) schema: &'static str,
    /// Runs one case: what does not hold, a text each.
    pub(crate) run: fn(&Value) -> Vec<String>,
}

/// All of them.
pub(crate) const FORMATS: &[Format] = &[Format { schema: "calico-selector/1", run: selector::run }];

/// The format of a case, if it is understood.
pub(crate) fn of(case: &Value) -> Option<&'static Format> {
    let schema = case.get("schema")?.as_str()?;
    FORMATS.iter().find(|format| format.schema == schema)
}
