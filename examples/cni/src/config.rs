//! The network configuration: what standard input holds, checked before anything is touched.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use tortie_datastore::{Location, LocationError};

use crate::env::{is_identifier, shown};
use crate::error::{Code, Error};
use crate::label;
use crate::version::Version;

/// Longest configuration that is read, in bytes. Runtimes send a few kilobytes.
pub(crate) const CONFIG_MAX: usize = 4 << 20;

const LOCK_FILE: &str = "/var/run/calico/ipam.lock";
const STATUS_DIR: &str = "/var/run/calico/endpoint-status";
const SETUP_TIMEOUT_SECONDS: i64 = 10;
const SETUP_TIMEOUT_SECONDS_MAX: i64 = 600;
const MTU_MIN: u32 = 68;
const MTU_MIN_IPV6: u32 = 1280;
const MTU_MAX: u32 = 65_535;

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The version that the answer must have.
    pub(crate) version: Version,
    /// Name of the network: first half of the handle.
    pub(crate) network: String,
    /// Name of this node.
    pub(crate) node: String,
    /// Where the datastore is.
    pub(crate) datastore: Location,
    /// Which addresses are wanted.
    pub(crate) ipam: Ipam,
    /// MTU of both ends of the link; none leaves the kernel's default.
    pub(crate) mtu: Option<u32>,
    /// Least severe level that is logged.
    pub(crate) log_level: tracing::Level,
    /// File that the log goes to, beside standard error.
    pub(crate) log_file: Option<PathBuf>,
    /// Folder in which the agent acknowledges endpoints.
    pub(crate) status_dir: PathBuf,
    /// How long ADD waits for the agent.
    pub(crate) setup_timeout: Duration,
    /// Lock that serialises the address allocations of this host.
    pub(crate) lock_file: PathBuf,
    /// Whether the container may forward packets between its interfaces.
    pub(crate) allow_ip_forwarding: bool,
    /// Labels of the workload.
    pub(crate) labels: BTreeMap<String, String>,
    /// Result of the plugins before this one in the chain.
    pub(crate) previous: Option<Value>,
}

/// Which addresses are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ipam {
    /// Whether an IPv4 address is wanted.
    pub(crate) v4: bool,
    /// Whether an IPv6 address is wanted.
    pub(crate) v6: bool,
    /// IPv4 pools to choose from, in order; empty leaves the choice to the pools' selectors.
    pub(crate) pools4: Vec<PoolRef>,
    /// The same for IPv6.
    pub(crate) pools6: Vec<PoolRef>,
}

/// A pool as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PoolRef {
    /// By CIDR.
    Cidr(IpNet),
    /// By name.
    Name(String),
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Code 6 when the text is not JSON, 1 when the version is not supported, 2 when a field asks for something that
    /// this plugin does not do, 7 when a field is wrong. The version in the error is the one to answer in.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, (Version, Error)> {
        if text.len() > CONFIG_MAX {
            let error = format!("the network configuration is larger than {CONFIG_MAX} bytes");
            return Err((Version::NEWEST, Error::new(Code::Decode, error)));
        }
        let value: Value = serde_json::from_slice(text).map_err(|error| {
            let error = Error::caused(Code::Decode, "the network configuration is not JSON", &error);
            (Version::NEWEST, error)
        })?;
        let version = version_of(&value).map_err(|error| (Version::NEWEST, error))?;
        Self::from_value(value, version).map_err(|error| (version, error))
    }

    fn from_value(value: Value, version: Version) -> Result<Self, Error> {
        let raw: Raw = serde_path_to_error::deserialize(value).map_err(|error| {
            let message = format!("field {} of the network configuration is wrong", error.path());
            Error::caused(Code::BadConfig, message, error.inner())
        })?;
        raw.refuse_unsupported()?;
        if !is_identifier(&raw.name) {
            return Err(bad("name", &raw.name, "must match [A-Za-z0-9][A-Za-z0-9_.-]*"));
        }
        let datastore = raw.location()?;
        let node = match raw.nodename.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => host_name()?,
        };
        if !label::is_dns_name(&node) {
            return Err(bad("nodename", &node, "must be a DNS name in lower case"));
        }
        let ipam = raw.ipam.checked()?;
        let mtu = match raw.mtu.unwrap_or(0) {
            0 => None,
            mtu if !(MTU_MIN..=MTU_MAX).contains(&mtu) => {
                return Err(bad("mtu", &mtu.to_string(), "must be 0 (kernel's default) or 68 to 65535"));
            }
            mtu if ipam.v6 && mtu < MTU_MIN_IPV6 => {
                return Err(bad("mtu", &mtu.to_string(), "must be at least 1280 with IPv6 (RFC 8200 §5)"));
            }
            mtu => Some(mtu),
        };
        let seconds = raw.policy_setup_timeout_seconds.unwrap_or(SETUP_TIMEOUT_SECONDS);
        let setup_timeout = match u64::try_from(seconds) {
            Ok(positive) if positive > 0 && seconds <= SETUP_TIMEOUT_SECONDS_MAX => {
                Duration::from_secs(positive)
            }
            _ => {
                return Err(bad(
                    "policy_setup_timeout_seconds",
                    &seconds.to_string(),
                    "must be 1 to 600: an endpoint is not handed out before the agent has its policy in place",
                ));
            }
        };
        Ok(Self {
            version,
            network: raw.name,
            node,
            datastore,
            ipam,
            mtu,
            log_level: match raw.log_level.as_deref().map(str::to_ascii_lowercase).as_deref() {
                Some("debug") => tracing::Level::DEBUG,
                Some("warning" | "warn") => tracing::Level::WARN,
                Some("error") => tracing::Level::ERROR,
                _ => tracing::Level::INFO,
            },
            log_file: raw.log_file_path.filter(|path| !path.as_os_str().is_empty()),
            status_dir: path_or(raw.endpoint_status_dir, STATUS_DIR),
            setup_timeout,
            lock_file: path_or(raw.ipam_lock_file, LOCK_FILE),
            allow_ip_forwarding: raw.container_settings.and_then(|s| s.allow_ip_forwarding).unwrap_or(false),
            labels: label::from_args(raw.args.as_ref())?,
            previous: raw.prev_result.filter(|value| !value.is_null()),
        })
    }
}

/// The version in a configuration, or what a missing one means.
fn version_of(value: &Value) -> Result<Version, Error> {
    match value.get("cniVersion") {
        None | Some(Value::Null) => Ok(Version::UNSTATED),
        Some(Value::String(text)) if text.is_empty() => Ok(Version::UNSTATED),
        Some(Value::String(text)) => Version::parse(text).ok_or_else(|| {
            let supported = Version::ALL.map(Version::as_str).join(", ");
            Error::new(Code::IncompatibleVersion, format!("unsupported CNI version {}", shown(text)))
                .details(format!("supported: {supported}"))
        }),
        Some(other) => Err(bad("cniVersion", &other.to_string(), "must be a string")),
    }
}

fn path_or(path: Option<PathBuf>, default: &str) -> PathBuf {
    path.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from(default))
}

fn host_name() -> Result<String, Error> {
    let uname = rustix::system::uname();
    match uname.nodename().to_str() {
        Ok(name) if !name.is_empty() => Ok(name.to_ascii_lowercase()),
        _ => Err(Error::new(Code::BadConfig, "field nodename is missing and this host has no name")),
    }
}

fn bad(field: &str, value: &str, rule: &str) -> Error {
    Error::new(Code::BadConfig, format!("field {field} is {}: it {rule}", shown(value)))
}

fn unsupported(field: &str, value: &str) -> Error {
    Error::new(Code::UnsupportedField, format!("unsupported value of field {field}: {}", shown(value)))
}

/// The fields as they come. Runtimes send null for absent fields, hence the options.
#[derive(Deserialize)]
struct Raw {
    name: String,
    nodename: Option<String>,
    datastore_type: Option<String>,
    datastore: Option<PathBuf>,
    etcd_endpoints: Option<String>,
    etcd_discovery_srv: Option<String>,
    etcd_ca_cert_file: Option<String>,
    etcd_cert_file: Option<String>,
    etcd_key_file: Option<String>,
    ipam: RawIpam,
    mtu: Option<u32>,
    num_queues: Option<u32>,
    device_type: Option<String>,
    dataplane_options: Option<RawTyped>,
    policy: Option<RawTyped>,
    readiness_gates: Option<Vec<String>>,
    log_level: Option<String>,
    log_file_path: Option<PathBuf>,
    endpoint_status_dir: Option<PathBuf>,
    policy_setup_timeout_seconds: Option<i64>,
    ipam_lock_file: Option<PathBuf>,
    container_settings: Option<RawSettings>,
    args: Option<Value>,
    #[serde(rename = "prevResult")]
    prev_result: Option<Value>,
}

#[derive(Deserialize)]
struct RawSettings {
    allow_ip_forwarding: Option<bool>,
}

#[derive(Deserialize)]
struct RawTyped {
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct RawIpam {
    r#type: String,
    assign_ipv4: Option<Flag>,
    assign_ipv6: Option<Flag>,
    ipv4_pools: Option<Vec<String>>,
    ipv6_pools: Option<Vec<String>>,
}

/// A boolean, or one written as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
}

impl Raw {
    /// Where the datastore is. A field comes before the variable of the environment that means the same, as in the reference
    /// (calico@87c15906f2 cni-plugin/internal/pkg/utils).
    fn location(&self) -> Result<Location, Error> {
        let field = |name: &str| match name {
            "DATASTORE_TYPE" => self.datastore_type.clone(),
            "ETCD_ENDPOINTS" => self.etcd_endpoints.clone(),
            "ETCD_DISCOVERY_SRV" => self.etcd_discovery_srv.clone(),
            "ETCD_CA_CERT_FILE" => self.etcd_ca_cert_file.clone(),
            "ETCD_CERT_FILE" => self.etcd_cert_file.clone(),
            "ETCD_KEY_FILE" => self.etcd_key_file.clone(),
            _ => None,
        };
        let setting =
            |name: &str| field(name).filter(|value| !value.is_empty()).or_else(|| std::env::var(name).ok());
        Location::choose(self.datastore.as_deref(), setting).map_err(|error| match error {
            LocationError::Missing => Error::new(
                Code::BadConfig,
                "field datastore is missing: it names the datastore's file, or etcd_endpoints an etcd cluster",
            ),
            other => Error::new(Code::BadConfig, format!("the fields for the datastore do not fit: {other}")),
        })
    }

    /// Fields that would change what is set up must not be ignored: each that asks for more than this plugin does is
    /// refused with the specification's code for it.
    fn refuse_unsupported(&self) -> Result<(), Error> {
        let stated = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        if let Some(kind) =
            stated(&self.datastore_type).filter(|kind| !matches!(kind.as_str(), "embedded" | "etcdv3"))
        {
            return Err(unsupported("datastore_type", &kind));
        }
        if !matches!(self.ipam.r#type.as_str(), "calico-ipam" | "tortie-ipam") {
            return Err(unsupported("ipam.type", &self.ipam.r#type));
        }
        if let Some(kind) = stated(&self.device_type).filter(|kind| kind != "veth") {
            return Err(unsupported("device_type", &kind));
        }
        if let Some(kind) = self.dataplane_options.as_ref().and_then(|options| stated(&options.r#type)) {
            return Err(unsupported("dataplane_options.type", &kind));
        }
        if let Some(kind) =
            self.policy.as_ref().and_then(|policy| stated(&policy.r#type)).filter(|kind| kind != "k8s")
        {
            return Err(unsupported("policy.type", &kind));
        }
        if let Some(queues) = self.num_queues.filter(|&queues| queues > 1) {
            return Err(unsupported("num_queues", &queues.to_string()));
        }
        if let Some(gate) = self.readiness_gates.as_ref().and_then(|gates| gates.first()) {
            return Err(unsupported("readiness_gates", gate));
        }
        Ok(())
    }
}

impl RawIpam {
    fn checked(self) -> Result<Ipam, Error> {
        let ipam = Ipam {
            v4: flag("ipam.assign_ipv4", self.assign_ipv4, true)?,
            v6: flag("ipam.assign_ipv6", self.assign_ipv6, false)?,
            pools4: pools("ipam.ipv4_pools", self.ipv4_pools, true)?,
            pools6: pools("ipam.ipv6_pools", self.ipv6_pools, false)?,
        };
        if !ipam.v4 && !ipam.v6 {
            return Err(Error::new(
                Code::BadConfig,
                "fields ipam.assign_ipv4 and ipam.assign_ipv6 are both false",
            ));
        }
        Ok(ipam)
    }
}

fn flag(field: &str, flag: Option<Flag>, default: bool) -> Result<bool, Error> {
    match flag {
        None => Ok(default),
        Some(Flag::Bool(value)) => Ok(value),
        Some(Flag::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "" => Ok(default),
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(bad(field, &text, "must be true or false")),
        },
    }
}

fn pools(field: &str, entries: Option<Vec<String>>, v4: bool) -> Result<Vec<PoolRef>, Error> {
    entries
        .unwrap_or_default()
        .into_iter()
        .map(|entry| {
            if let Ok(cidr) = entry.parse::<IpNet>() {
                if cidr != cidr.trunc() {
                    return Err(bad(field, &entry, "must have no bits set beyond its prefix length"));
                }
                if matches!(cidr, IpNet::V4(_)) != v4 {
                    return Err(bad(field, &entry, "must be of the field's address family"));
                }
                return Ok(PoolRef::Cidr(cidr));
            }
            if label::is_dns_name(&entry) {
                return Ok(PoolRef::Name(entry));
            }
            Err(bad(field, &entry, "must be a CIDR or the name of a pool"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn least() -> Value {
        json!({"cniVersion": "0.3.1", "name": "net", "type": "tortie-cni", "nodename": "n1", "datastore": "/d",
               "ipam": {"type": "calico-ipam"}})
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut config = least();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value;
        config
    }

    fn parse(config: &Value) -> Result<Config, (Version, Error)> {
        Config::parse(config.to_string().as_bytes())
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let config = parse(&least()).unwrap();
        assert_eq!(config.version, Version::V0_3_1);
        assert!(config.ipam.v4 && !config.ipam.v6 && config.mtu.is_none() && !config.allow_ip_forwarding);
        assert_eq!(config.setup_timeout, Duration::from_secs(10));
        assert_eq!(config.lock_file, PathBuf::from("/var/run/calico/ipam.lock"));
        assert_eq!(config.status_dir, PathBuf::from("/var/run/calico/endpoint-status"));
    }

    #[test]
    fn the_datastore_may_be_in_etcd() {
        let mut config = with("/datastore", Value::Null);
        config["etcd_endpoints"] = json!("https://10.0.0.1:2379");
        config["etcd_ca_cert_file"] = json!("/ca");
        let Location::Etcd(options) = parse(&config).unwrap().datastore else { panic!("no etcd") };
        assert_eq!(options.endpoints, ["https://10.0.0.1:2379"]);
        assert_eq!(options.ca_cert, Some("/ca".into()));
        config["etcd_key_file"] = json!("/key");
        let (_, error) = parse(&config).unwrap_err();
        assert!(error.to_string().contains("ETCD_CERT_FILE"), "{error}");
    }

    #[test]
    fn nulls_are_absent_fields() {
        for field in
            ["mtu", "args", "prevResult", "log_level", "container_settings", "readiness_gates", "policy"]
        {
            let config = with(&format!("/{field}"), Value::Null);
            assert!(parse(&config).is_ok(), "{field}");
        }
        assert_eq!(parse(&with("/cniVersion", Value::Null)).unwrap().version, Version::V0_2_0);
    }

    #[test]
    fn every_wrong_field_is_named_with_its_code() {
        let vectors = [
            ("/cniVersion", json!("1.0.0"), 1, "1.0.0"),
            ("/cniVersion", json!("0.4.0"), 1, "0.4.0"),
            ("/cniVersion", json!(3), 7, "cniVersion"),
            ("/name", json!("a/b"), 7, "name"),
            ("/name", json!(null), 7, "name"),
            ("/ipam", json!("x"), 7, "ipam"),
            ("/ipam/type", json!("host-local"), 2, "ipam.type: \"host-local\""),
            ("/ipam/assign_ipv4", json!("maybe"), 7, "ipam.assign_ipv4"),
            ("/ipam/assign_ipv4", json!("false"), 7, "ipam.assign_ipv4"),
            ("/ipam/ipv4_pools", json!(["fd00::/64"]), 7, "ipam.ipv4_pools"),
            ("/ipam/ipv4_pools", json!(["10.0.0.1/24"]), 7, "ipam.ipv4_pools"),
            ("/ipam/ipv6_pools", json!(["10.0.0.0/24"]), 7, "ipam.ipv6_pools"),
            ("/ipam/ipv6_pools", json!(["Not A Name"]), 7, "ipam.ipv6_pools"),
            ("/ipam/ipv6_pools", json!([7]), 7, "ipam"),
            ("/datastore_type", json!("kubernetes"), 2, "datastore_type: \"kubernetes\""),
            ("/datastore", json!(""), 7, "datastore"),
            ("/datastore_type", json!("etcdv3"), 7, "ETCD_ENDPOINTS"),
            ("/nodename", json!("Not/A/Node"), 7, "nodename"),
            ("/mtu", json!(67), 7, "mtu"),
            ("/mtu", json!(-1), 7, "mtu"),
            ("/mtu", json!(70000), 7, "mtu"),
            ("/device_type", json!("netkit"), 2, "device_type"),
            ("/dataplane_options", json!({"type": "linux"}), 2, "dataplane_options.type"),
            ("/policy", json!({"type": "x"}), 2, "policy.type"),
            ("/num_queues", json!(2), 2, "num_queues"),
            ("/readiness_gates", json!(["http://x"]), 2, "readiness_gates"),
            ("/policy_setup_timeout_seconds", json!(-1), 7, "policy_setup_timeout_seconds"),
            ("/policy_setup_timeout_seconds", json!(0), 7, "policy_setup_timeout_seconds"),
            ("/policy_setup_timeout_seconds", json!(601), 7, "policy_setup_timeout_seconds"),
            ("/args", json!({"cni": {"labels": {"a": "b"}}}), 7, "args.cni.labels"),
        ];
        for (pointer, value, code, words) in vectors {
            let (_, error) = parse(&with(pointer, value.clone())).unwrap_err();
            assert_eq!(error.code as u32, code, "{pointer} = {value}: {error}");
            assert!(error.message.contains(words), "{pointer} = {value}: {error}");
        }
    }

    #[test]
    fn flags_are_booleans_or_strings() {
        for (value, want) in
            [(json!("true"), true), (json!(true), true), (json!("False"), false), (json!(""), false)]
        {
            assert_eq!(parse(&with("/ipam/assign_ipv6", value)).unwrap().ipam.v6, want);
        }
    }

    #[test]
    fn pools_are_named_or_given_as_cidrs() {
        let config = parse(&with("/ipam/ipv4_pools", json!(["pool-a", "10.0.0.0/24"]))).unwrap();
        assert_eq!(
            config.ipam.pools4,
            [PoolRef::Name("pool-a".into()), PoolRef::Cidr("10.0.0.0/24".parse().unwrap())]
        );
    }

    #[test]
    fn ipv6_needs_its_least_mtu() {
        let mut config = with("/mtu", json!(1279));
        assert!(parse(&config).is_ok());
        config["ipam"]["assign_ipv6"] = json!(true);
        assert_eq!(parse(&config).unwrap_err().1.code, Code::BadConfig);
    }

    #[test]
    fn garbage_is_code_six_and_deep_nesting_does_not_recurse_for_ever() {
        for text in ["", "{", "\u{0}", "nul"] {
            assert_eq!(Config::parse(text.as_bytes()).unwrap_err().1.code, Code::Decode, "{text:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Config::parse(deep.as_bytes()).unwrap_err().1.code, Code::Decode);
        assert_eq!(Config::parse(b"[]").unwrap_err().1.code, Code::BadConfig);
        assert_eq!(Config::parse(&vec![b' '; CONFIG_MAX + 1]).unwrap_err().1.code, Code::Decode);
    }
}
