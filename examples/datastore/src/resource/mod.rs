//! Typed resources: what users write, and what the store keeps as JSON.

mod bgp;
mod body;
mod cluster;
mod endpoint;
mod felix;
mod field;
mod keep;
pub mod kubernetes;
mod metadata;
mod name;
mod node;
mod policy;
mod pool;
mod reservation;
mod service;
mod text;

use alloc::collections::BTreeMap;
use core::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tortie_ipam::Versioned;

pub use bgp::{BgpConfigurationSpec, BgpPeerSpec, PeerAddress, ProgramClusterRoutes, ServiceBlock};
pub use cluster::ClusterInformationSpec;
pub use endpoint::{EndpointPort, IpNat, NameError, WorkloadEndpointSpec};
pub use felix::{FelixConfigurationSpec, FelixSettings, ProtoPort};
pub use field::{FieldError, FieldErrors};
pub(crate) use keep::keep_unknown;
pub use metadata::Metadata;
pub use name::ResourceKey;
pub use node::{NodeAddress, NodeBgp, NodeSpec};
pub use policy::{
    NetworkSetSpec, namespace_of_profile, namespace_profile, namespace_profile_name,
    service_account_of_profile, service_account_profile, service_account_profile_name,
};
pub use pool::{AllowedUse, AssignmentMode, EncapMode, IpPoolSpec};
pub use reservation::IpReservationSpec;
pub use service::{
    EndpointSliceBody, ServiceSpec, ServiceSpecPort, SliceEndpoint, SlicePort, endpoint_slice,
};
pub use text::AsNumber;
pub use tortie_policy::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec,
    StagedGlobalNetworkPolicySpec, StagedNetworkPolicySpec, TierSpec,
};

/// The API group and version of every stored resource but those of Kubernetes.
pub const API_VERSION: &str = "projectcalico.org/v3";

/// The first part of the key of every stored resource.
///
/// Source: calico@87c15906f2 libcalico-go/lib/backend/model/resource.go.
pub const PREFIX: &str = "/calico/resources/v3/projectcalico.org/";

/// The longest record, in octets: what etcd takes by default (`--max-request-bytes`). A longer one is neither written to a
/// file nor read from anywhere.
///
/// Source: etcd v3.5 server/embed/config.go, `DefaultMaxRequestBytes`.
pub const RECORD_LIMIT: usize = 1_572_864;

/// Fields of a record that this version does not know, kept as they were read.
pub type Unknown = BTreeMap<String, serde_json::Value>;

/// A kind of resource, named by the type of its `spec`.
pub trait Kind: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The API group and version as manifests write them; [`API_VERSION`] unless it is a kind of Kubernetes.
    const API_VERSION: &'static str = API_VERSION;
    /// The kind as manifests write it, such as `IPPool`.
    const KIND: &'static str;
    /// The kind as keys write it, such as `ippools`.
    const PLURAL: &'static str;
    /// Whether objects of this kind live in a namespace.
    const NAMESPACED: bool;
    /// Where its fields stand.
    const BODY: Body = Body::Spec;
    /// What those who write manifests are told of fields that this version does not know.
    const UNKNOWN: UnknownFields = UnknownFields::Refused;

    /// Everything wrong with a new object, by field. Other objects are not looked at.
    fn validate(&self, metadata: &Metadata) -> Vec<FieldError>;

    /// Everything wrong with replacing `self` by `new`: changes of immutable fields.
    fn validate_change(&self, new: &Self) -> Vec<FieldError> {
        let _ = new;
        Vec::new()
    }

    /// Paths of the fields inside this `spec` that this version does not know, such as `spec.colour`. They survive when an
    /// object that does not give them is applied.
    fn unknown_fields(&self) -> Vec<String>;

    /// Writes out the defaults that a stored record spells.
    fn complete(&mut self, metadata: &mut Metadata) {
        let _ = metadata;
    }

    /// Prefixes of the keys of the records that [`Kind::validate_among`] wants to see.
    const NEIGHBOURS: &'static [&'static str] = &[];

    /// Everything wrong with a new object in the company of the records under [`Kind::NEIGHBOURS`].
    fn validate_among(&self, metadata: &Metadata, neighbours: &[Versioned]) -> Vec<FieldError> {
        let _ = (metadata, neighbours);
        Vec::new()
    }
}

/// Where the fields of a kind stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third place")]
pub enum Body {
    /// In `spec`.
    Spec,
    /// Beside `metadata`.
    Whole,
}

/// What becomes of manifests with fields that this version does not know; stored records keep them in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "they are taken or not, and told or not")]
pub enum UnknownFields {
    /// They are refused: something was mistyped, or would not be done.
    Refused,
    /// They are taken, and whoever writes them is told that nothing comes of them.
    Told,
    /// They are taken: they are somebody else's.
    Kept,
}

/// One object of a kind, as manifests and stored records spell it.
///
/// # Example
///
/// ```
/// use tortie_datastore::resource::{IpPoolSpec, Resource};
///
/// let json = r#"{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"pods"},
///                "spec":{"cidr":"10.77.0.0/24","colour":"grey"}}"#;
/// let pool: Resource<IpPoolSpec> = Resource::decode(json.as_bytes())?;
/// assert_eq!(pool.spec.block_size(), 26);
/// assert_eq!(pool.unknown_fields(), ["spec.colour"]); // unknown, but not lost:
/// assert!(String::from_utf8_lossy(&pool.encode()?).contains("grey"));
/// # Ok::<(), tortie_datastore::resource::FieldError>(())
/// ```
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<S> {
    /// That of the kind: mostly `projectcalico.org/v3`.
    pub api_version: String,
    /// The kind, such as `IPPool`.
    pub kind: String,
    /// Name, labels and bookkeeping.
    pub metadata: Metadata,
    /// What the user wants.
    pub spec: S,
    /// Unknown fields beside `spec`, such as `status`; empty for kinds whose fields stand there themselves.
    pub unknown: Unknown,
}

impl<S: Kind> Resource<S> {
    /// An object without namespace; see [`Resource::namespaced`].
    pub fn new(name: impl Into<String>, spec: S) -> Self {
        Self {
            api_version: S::API_VERSION.to_owned(),
            kind: S::KIND.to_owned(),
            metadata: Metadata { name: name.into(), ..Metadata::default() },
            spec,
            unknown: Unknown::new(),
        }
    }

    /// An object in a namespace.
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>, spec: S) -> Self {
        let mut resource = Self::new(name, spec);
        resource.metadata.namespace = Some(namespace.into());
        resource
    }

    /// The key under which this object is stored.
    ///
    /// # Errors
    ///
    /// When name or namespace is missing or malformed, or the namespace does not fit the kind.
    pub fn key(&self) -> Result<String, FieldError> {
        key::<S>(self.metadata.namespace.as_deref(), &self.metadata.name)
    }

    /// Reads a stored record or a JSON manifest; unknown fields are kept.
    ///
    /// # Errors
    ///
    /// The path of the field that does not fit, and why; or that it is longer than [`RECORD_LIMIT`].
    pub fn decode(json: &[u8]) -> Result<Self, FieldError> {
        if json.len() > RECORD_LIMIT {
            return Err(FieldError::new("", too_long(json.len())));
        }
        let mut input = serde_json::Deserializer::from_slice(json);
        let resource = body::read(&mut input)?;
        input.end().map_err(|error| FieldError::new("", error.to_string()))?;
        resource.checked()
    }

    /// Reads a value that was parsed already; unknown fields are kept.
    ///
    /// # Errors
    ///
    /// As [`Resource::decode`].
    pub fn from_value(value: serde_json::Value) -> Result<Self, FieldError> {
        body::read(value).and_then(Self::checked)
    }

    /// The record as it is stored: JSON without `resourceVersion`.
    ///
    /// # Errors
    ///
    /// Only if the value cannot be written as JSON, which no type of this crate causes.
    pub fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut stored = self.clone();
        stored.metadata.resource_version = None;
        serde_json::to_vec(&stored).map_err(|error| FieldError::new("", error.to_string()))
    }

    /// Everything wrong with this object by itself.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Err(error) = self.key() {
            errors.push(error);
        }
        self.metadata.validate(&mut errors);
        errors.extend(self.spec.validate(&self.metadata));
        errors
    }

    /// Paths of all fields that this version does not know.
    pub fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().cloned().collect();
        fields.extend(self.metadata.unknown.keys().map(|name| format!("metadata.{name}")));
        fields.extend(self.spec.unknown_fields());
        fields
    }

    fn checked(self) -> Result<Self, FieldError> {
        if self.api_version != S::API_VERSION {
            let message = format!("`{}` is not {}", self.api_version, S::API_VERSION);
            return Err(FieldError::new("apiVersion", message));
        }
        if self.kind != S::KIND {
            return Err(FieldError::new("kind", format!("`{}` is not {}", self.kind, S::KIND)));
        }
        Ok(self)
    }
}

/// That a record has so many octets, and what to do.
pub(crate) fn too_long(len: usize) -> String {
    format!("a record has at most {RECORD_LIMIT} octets, and this has {len}: split it")
}

/// The key of one object.
///
/// # Errors
///
/// When the name or namespace is malformed, or a namespace is given for a kind without (or the reverse).
pub fn key<S: Kind>(namespace: Option<&str>, name: &str) -> Result<String, FieldError> {
    name::check_name("metadata.name", name)?;
    match (S::NAMESPACED, namespace) {
        (true, Some(namespace)) => {
            name::check_name("metadata.namespace", namespace)?;
            Ok(format!("{PREFIX}{}/{namespace}/{name}", S::PLURAL))
        }
        (false, None) => Ok(format!("{PREFIX}{}/{name}", S::PLURAL)),
        (true, None) => Err(FieldError::new("metadata.namespace", format!("missing: {} has one", S::KIND))),
        (false, Some(_)) => {
            Err(FieldError::new("metadata.namespace", format!("not allowed: {} has none", S::KIND)))
        }
    }
}

/// The prefix of the keys of all objects of a kind, or of those in one namespace; ends in `/`.
pub fn prefix<S: Kind>(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if S::NAMESPACED => format!("{PREFIX}{}/{namespace}/", S::PLURAL),
        _ => format!("{PREFIX}{}/", S::PLURAL),
    }
}
