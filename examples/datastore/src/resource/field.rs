//! Errors that name the field they are about.

use core::fmt;

use serde::de::{Deserialize, Deserializer};
use tortie_selector::{ParseError, Selector};

/// What is wrong with one field.
///
/// `Display` is one line, `spec.cidr: ...`; a selector's caret drawing is in [`FieldError::drawing`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The path from the top of the object, such as `spec.ingress[0].source.nets[1]`; empty for the whole object.
    pub path: String,
    /// What is wrong, and what is wanted.
    pub message: String,
    /// The text of a faulty selector with a caret under the fault.
    pub drawing: Option<String>,
}

impl FieldError {
    /// An error about the field at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), drawing: None }
    }

    /// The error of a selector `text` at `path`, with column (counted in characters from 1) and caret.
    pub fn selector(path: impl Into<String>, text: &str, error: &ParseError) -> Self {
        Self {
            path: path.into(),
            message: format!("column {}: {error}", error.column(text)),
            drawing: Some(error.render(text).to_string()),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl core::error::Error for FieldError {}

/// Everything wrong with one object; never empty when returned as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a list with a Display")]
pub struct FieldErrors(pub Vec<FieldError>);

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl core::error::Error for FieldErrors {}

impl From<FieldError> for FieldErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

/// Deserializes and turns an error into one that names the field.
pub(crate) fn decode<'de, D, T>(input: D) -> Result<T, FieldError>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        FieldError::new(if path == "." { String::new() } else { path }, error.into_inner().to_string())
    })
}

/// The longest selector that objects may hold, in characters (the limit of the Kubernetes API).
const SELECTOR_LIMIT: usize = 1024;

/// Checks a selector of an object that admits no `global()`; empty is allowed.
///
/// Source: calico@87c15906f2 libcalico-go/lib/validator/v3/validator.go.
pub(crate) fn check_selector(path: &str, text: &str, errors: &mut Vec<FieldError>) {
    if text.chars().count() > SELECTOR_LIMIT {
        errors.push(FieldError::new(path, format!("longer than {SELECTOR_LIMIT} characters")));
    } else if let Err(error) = Selector::parse(text) {
        errors.push(FieldError::selector(path, text, &error));
    } else if text.contains("global(") {
        errors.push(FieldError::new(path, "global() is not allowed here"));
    }
}
