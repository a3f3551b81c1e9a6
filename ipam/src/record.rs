//! The small records: affinity, handle, configuration.
//!
//! JSON as calico@87c15906f2 libcalico-go/lib/backend/model writes it. Fields that this crate does not know are kept
//! and written back.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::error::{ConfigError, RecordError};
use crate::span::Family;

/// Who a block belongs to. Text form: `host:<name>` or `virtual:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the stored form has these two")]
pub enum Affinity {
    /// A node.
    Host(String),
    /// Something that is no node; the only one in use is `load-balancer`.
    Virtual(String),
}

impl Affinity {
    /// A node's affinity.
    #[must_use]
    pub fn host(name: impl Into<String>) -> Self {
        Self::Host(name.into())
    }

    /// Reads the text form; `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("host", name) => Some(Self::Host(String::from(name))),
            ("virtual", name) => Some(Self::Virtual(String::from(name))),
            _ => None,
        }
    }

    /// `host` or `virtual`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Virtual(_) => "virtual",
        }
    }

    /// The name without its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Host(name) | Self::Virtual(name) => name,
        }
    }
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

#[cfg(feature = "serde")]
impl Serialize for Affinity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> Deserialize<'de> for Affinity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            || serde::de::Error::custom(alloc::format!("{text:?} is neither host:NAME nor virtual:NAME"));
        Self::parse(&text).ok_or_else(wrong)
    }
}

/// Reads `null` as the default, as the reference's decoder does.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
pub(crate) const fn is_false(value: &bool) -> bool {
    !*value
}

const fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Encodes a record. Records hold only what JSON can say.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

/// How far an affinity has got. Only [`Confirmed`](Self::Confirmed) may be routed or advertised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AffinityState {
    /// The owner is about to claim or confirm the block.
    Pending,
    /// The block is the owner's. Also what an empty state or value in old data means.
    #[default]
    Confirmed,
    /// Somebody is about to take the block from its owner.
    PendingDeletion,
    /// A state of another version of this record; treated as not confirmed.
    Other(String),
}

impl AffinityState {
    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::PendingDeletion => "pendingDeletion",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for AffinityState {
    fn from(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "" | "confirmed" => Self::Confirmed,
            "pendingDeletion" => Self::PendingDeletion,
            other => Self::Other(String::from(other)),
        }
    }
}

impl Serialize for AffinityState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AffinityState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// The claim of an owner to a block; owner and block are in the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BlockAffinity {
    /// How far the claim has got.
    #[serde(default, deserialize_with = "null_is_default")]
    pub state: AffinityState,
    /// The record counts as absent: it is being deleted from a store without compare-and-delete.
    #[serde(default, deserialize_with = "null_is_default")]
    pub deleted: bool,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl BlockAffinity {
    /// An affinity in this state.
    #[must_use]
    pub fn new(state: AffinityState) -> Self {
        Self { state, ..Self::default() }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`RecordError`] if it is neither empty nor such JSON.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        if value.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(value).map_err(|error| RecordError::new("affinity", &error))
    }

    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

/// In how many addresses of which blocks a handle has a part; its id is in the key.
///
/// Counts may be too high, never too low: an interrupted writer leaves the handle naming more than it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Handle {
    /// Block CIDR to number of addresses.
    #[serde(default, deserialize_with = "null_is_default")]
    pub block: BTreeMap<String, i64>,
    /// The record counts as absent: it is being deleted from a store without compare-and-delete.
    #[serde(default, deserialize_with = "null_is_default")]
    pub deleted: bool,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Handle {
    /// Reads a stored value. CIDRs in another spelling than usual are spelt as usual.
    ///
    /// # Errors
    /// [`RecordError`] if it is not such JSON.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut handle: Self =
            serde_json::from_slice(value).map_err(|error| RecordError::new("handle", &error))?;
        let usual = |text: &str| text.parse::<IpNet>().map(|cidr| cidr.trunc().to_string());
        if handle.block.keys().any(|text| usual(text).is_ok_and(|usual| usual != *text)) {
            for (text, count) in core::mem::take(&mut handle.block) {
                let sum = handle.block.entry(usual(&text).unwrap_or(text)).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        Ok(handle)
    }

    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The blocks named; texts that are no CIDR are left out.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> {
        self.block.keys().filter_map(|cidr| cidr.parse().ok())
    }

    /// How many addresses of a family it names.
    pub(crate) fn count(&self, family: Family) -> u64 {
        let of_family = self
            .block
            .iter()
            .filter(|(cidr, _)| cidr.parse::<IpNet>().is_ok_and(|cidr| Family::of(&cidr) == family));
        of_family.map(|(_, count)| u64::try_from(*count).unwrap_or(0)).fold(0, u64::saturating_add)
    }

    /// Counts `more` addresses of a block.
    pub(crate) fn add(&mut self, cidr: &IpNet, more: usize) {
        let count = self.block.entry(cidr.to_string()).or_default();
        *count = count.saturating_add(i64::try_from(more).unwrap_or(i64::MAX));
    }

    /// Sets the count of a block; none removes the block.
    pub(crate) fn set(&mut self, cidr: &IpNet, count: usize) {
        if count == 0 {
            self.block.remove(&cidr.to_string());
        } else {
            self.block.insert(cidr.to_string(), i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// The stored configuration, under the key [`CONFIG`](crate::keys::CONFIG).
///
/// The reference leaves out false and zero, so absent means false and zero here, **not** the default of
/// [`Config`]: that holds when the whole record is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfigRecord {
    /// No borrowing from other nodes' blocks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_false")]
    pub strict_affinity: bool,
    /// New blocks may be claimed.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_false")]
    pub auto_allocate_blocks: bool,
    /// Blocks a node may own; 0 is the default of 20.
    #[serde(
        default,
        rename = "maxBlocksPerHost",
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub max_blocks_per_host: i64,
    /// Whether virtual machines keep their address; not used by this crate.
    #[serde(default, rename = "kubeVirtVMAddressPersistence", skip_serializing_if = "Option::is_none")]
    pub kube_virt_vm_address_persistence: Option<String>,
    /// How long a released address rests, in seconds; negative is zero.
    #[serde(
        default,
        rename = "ipCooldownSeconds",
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub ip_cooldown_seconds: i64,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ConfigRecord {
    /// Reads a stored value.
    ///
    /// # Errors
    /// [`RecordError`] if it is not such JSON.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice(value).map_err(|error| RecordError::new("configuration", &error))
    }

    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Whether it keeps the rules of the reference.
    ///
    /// # Errors
    /// [`ConfigError`]: which one it breaks.
    pub const fn check(&self) -> Result<(), ConfigError> {
        if !self.strict_affinity && !self.auto_allocate_blocks {
            return Err(ConfigError::NeitherStrictNorAutomatic);
        }
        if self.max_blocks_per_host < 0 {
            return Err(ConfigError::NegativeLimit { limit: self.max_blocks_per_host });
        }
        if self.max_blocks_per_host > 0 && !self.strict_affinity {
            return Err(ConfigError::LimitWithoutStrict);
        }
        let seconds = self.ip_cooldown_seconds;
        if seconds < 0 || seconds > 1200 {
            return Err(ConfigError::Cooldown { seconds });
        }
        Ok(())
    }

    /// What it says.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            strict_affinity: self.strict_affinity,
            auto_allocate_blocks: self.auto_allocate_blocks,
            max_blocks_per_host: u32::try_from(self.max_blocks_per_host.max(0)).unwrap_or(u32::MAX),
            ip_cooldown: core::time::Duration::from_secs(self.ip_cooldown_seconds.max(0).unsigned_abs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn text(value: Vec<u8>) -> String {
        String::from_utf8(value).unwrap()
    }

    #[test]
    fn affinity_json() {
        for (stored, state, written) in [
            ("", AffinityState::Confirmed, r#"{"state":"confirmed","deleted":false}"#),
            ("{}", AffinityState::Confirmed, r#"{"state":"confirmed","deleted":false}"#),
            (r#"{"state":""}"#, AffinityState::Confirmed, r#"{"state":"confirmed","deleted":false}"#),
            (
                r#"{"state":"pendingDeletion","deleted":true,"new":[1]}"#,
                AffinityState::PendingDeletion,
                r#"{"state":"pendingDeletion","deleted":true,"new":[1]}"#,
            ),
            (
                r#"{"state":"frozen","deleted":false}"#,
                AffinityState::Other(String::from("frozen")),
                r#"{"state":"frozen","deleted":false}"#,
            ),
        ] {
            let record = BlockAffinity::decode(stored.as_bytes()).unwrap();
            assert_eq!(record.state, state);
            assert_eq!(text(record.encode()), written);
        }
        let pending = BlockAffinity::new(AffinityState::Pending);
        assert_eq!(text(pending.encode()), r#"{"state":"pending","deleted":false}"#);
        assert!(BlockAffinity::decode(b"[]").is_err());
    }

    #[test]
    fn handle_json() {
        let stored = r#"{"block":{"10.0.0.0/26":2,"fd00::/122":1},"deleted":false,"tenant":"a"}"#;
        let mut handle = Handle::decode(stored.as_bytes()).unwrap();
        assert_eq!(text(handle.encode()), stored);
        let cidr: IpNet = "10.0.0.0/26".parse().unwrap();
        handle.add(&cidr, 3);
        assert_eq!(handle.block.get("10.0.0.0/26"), Some(&5));
        handle.set(&cidr, 0);
        assert_eq!(text(handle.encode()), r#"{"block":{"fd00::/122":1},"deleted":false,"tenant":"a"}"#);
        assert_eq!(Handle::decode(br#"{"block":null}"#).unwrap(), Handle::default());
        let odd = br#"{"block":{"fd00:0::5/122":1,"fd00::/122":2,"what":3}}"#;
        let odd = Handle::decode(odd).unwrap();
        assert_eq!(odd.block.into_iter().collect::<Vec<_>>(), [("fd00::/122".into(), 3), ("what".into(), 3)]);
    }

    #[test]
    fn config_json() {
        let stored = r#"{"strict_affinity":true,"maxBlocksPerHost":4,"ipCooldownSeconds":30,"x":1}"#;
        let record = ConfigRecord::decode(stored.as_bytes()).unwrap();
        assert_eq!(text(record.encode()), stored);
        let config = record.config();
        assert!(config.strict_affinity && !config.auto_allocate_blocks);
        assert_eq!((config.max_blocks_per_host, config.ip_cooldown), (4, Duration::from_secs(30)));
        let negative =
            ConfigRecord { ip_cooldown_seconds: -1, max_blocks_per_host: -1, ..ConfigRecord::default() };
        assert_eq!(negative.config().ip_cooldown, Duration::ZERO);
        assert_eq!(negative.config().max_blocks_per_host, 0);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn affinity_serde() {
        let owner = Affinity::host("a");
        assert_eq!(serde_json::to_string(&owner).unwrap(), r#""host:a""#);
        assert_eq!(
            serde_json::from_str::<Affinity>(r#""virtual:b""#).unwrap(),
            Affinity::Virtual("b".into())
        );
        assert!(
            serde_json::from_str::<Affinity>(r#""b""#).unwrap_err().to_string().contains("neither host:NAME")
        );
        let config = Config { strict_affinity: true, ..Config::default() };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    }

    #[test]
    fn affinity_text() {
        let host = Affinity::parse("host:a:b").unwrap();
        assert_eq!((host.kind(), host.name()), ("host", "a:b"));
        assert_eq!(host.to_string(), "host:a:b");
        assert_eq!(Affinity::parse("virtual:load-balancer").unwrap().kind(), "virtual");
        assert_eq!(Affinity::parse("node"), None);
    }
}
