//! Name, labels and bookkeeping of an object.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Unknown;
use super::field::FieldError;
use super::name;

/// `metadata` of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct Metadata {
    /// Unique within kind and namespace.
    pub name: String,
    /// Set exactly for namespaced kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels that selectors see.
    #[serde(
        default,
        deserialize_with = "super::text::null_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// Text for people and tools.
    #[serde(
        default,
        deserialize_with = "super::text::null_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Set once, when the object is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// RFC 3339, in UTC, whole seconds; set once, when the object is created.
    #[serde(
        default,
        deserialize_with = "super::text::null_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub creation_timestamp: Option<String>,
    /// The revision of the store at which the object was read, in decimal; never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Metadata {
    pub(super) fn validate(&self, errors: &mut Vec<FieldError>) {
        for (label, value) in &self.labels {
            name::check_label(label, value, errors);
        }
    }
}
