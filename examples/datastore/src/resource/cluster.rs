//! `ClusterInformation`: which cluster the records are of.

use serde::{Deserialize, Serialize};

use super::field::FieldError;
use super::text;
use super::{Kind, Metadata, Resource, Unknown, UnknownFields};
use crate::{Error, random};

/// How many characters an identifier of a cluster may have.
const GUID_LIMIT: usize = 64;

/// `spec` of the `ClusterInformation`, of which there is one, named `default`.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/clusterinfo.go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct ClusterInformationSpec {
    /// What tells the cluster from all others: who is first makes it up, and it never changes.
    #[serde(
        rename = "clusterGUID",
        deserialize_with = "text::null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub cluster_guid: String,
    /// Whether agents of the reference may act on the records; they wait while it is not `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datastore_ready: Option<bool>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl ClusterInformationSpec {
    /// The name of the one object.
    pub const NAME: &'static str = "default";

    /// That of a new cluster, with an identifier like no other: 32 hexadecimal digits, as in the reference
    /// (calico@87c15906f2 libcalico-go/lib/clientv3/client.go).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]: the system gives no random numbers.
    pub fn new_cluster() -> Result<Resource<Self>, Error> {
        let spec = Self {
            cluster_guid: random::uid()?.replace('-', ""),
            datastore_ready: Some(true),
            unknown: Unknown::new(),
        };
        Ok(Resource::new(Self::NAME, spec))
    }

    /// The identifier of the cluster; none where there is nothing that could be one.
    pub fn guid(&self) -> Option<&str> {
        let guid = self.cluster_guid.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        ((1..=GUID_LIMIT).contains(&guid.len()) && guid.bytes().all(plain)).then_some(guid)
    }
}

impl Kind for ClusterInformationSpec {
    const KIND: &'static str = "ClusterInformation";
    const PLURAL: &'static str = "clusterinformations";
    const NAMESPACED: bool = false;
    // The reference's own say which version of it wrote them, and more.
    const UNKNOWN: UnknownFields = UnknownFields::Kept;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if metadata.name != Self::NAME {
            errors.push(FieldError::new("metadata.name", format!("must be `{}`", Self::NAME)));
        }
        if self.guid().is_none() {
            let message = format!("must be 1-{GUID_LIMIT} letters, digits and `-`");
            errors.push(FieldError::new("spec.clusterGUID", message));
        }
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        self.unknown.keys().map(|name| format!("spec.{name}")).collect()
    }
}
