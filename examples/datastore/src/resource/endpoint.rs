//! `WorkloadEndpoint`: one interface of one pod.

use core::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::FieldError;
use super::text;
use super::{Kind, Metadata, Unknown};

/// `spec` of a `WorkloadEndpoint`; its labels are those of its metadata.
///
/// Source: calico@87c15906f2 libcalico-go/lib/apis/internalapi/workloadendpoint.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct WorkloadEndpointSpec {
    /// Who made the endpoint: `k8s`, `cni`, `libnetwork`, or another.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub orchestrator: String,
    /// The workload, for orchestrators with no other name for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workload: String,
    /// The host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The runtime's id of the container or sandbox.
    #[serde(default, rename = "containerID", skip_serializing_if = "String::is_empty")]
    pub container_id: String,
    /// The pod.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// The interface inside, such as `eth0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// The pod's service account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// The endpoint's addresses; a bare address is a single one.
    #[serde(default, deserialize_with = "text::cidr_list", skip_serializing_if = "Vec::is_empty")]
    pub ip_networks: Vec<IpNet>,
    /// Floating addresses.
    #[serde(
        default,
        rename = "ipNATs",
        deserialize_with = "text::null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ip_nats: Vec<IpNat>,
    /// The gateway that the endpoint was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ipv4_gateway: String,
    /// The gateway that the endpoint was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ipv6_gateway: String,
    /// Profiles in order; earlier ones win where labels differ.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// The interface on the host's side.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub interface_name: String,
    /// The hardware address inside.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Named ports.
    #[serde(default, deserialize_with = "text::null_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<EndpointPort>,
    /// Sources that the endpoint may use besides its own addresses.
    #[serde(default, deserialize_with = "text::cidr_list", skip_serializing_if = "Vec::is_empty")]
    pub allow_spoofed_source_prefixes: Vec<IpNet>,
    /// Limits, kept as they are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos_controls: Option<Value>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A floating address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct IpNat {
    /// One of the endpoint's own addresses.
    #[serde(rename = "internalIP")]
    pub internal_ip: IpAddr,
    /// The address that others use.
    #[serde(rename = "externalIP")]
    pub external_ip: IpAddr,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A named port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct EndpointPort {
    /// The name; may be empty for a host port.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `TCP`, `UDP`, `SCTP`, or a number.
    pub protocol: Value,
    /// The port inside.
    pub port: u16,
    /// The port of the host that leads here; 0 means none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub host_port: u16,
    /// The host's address for `host_port`.
    #[serde(default, rename = "hostIP", skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

fn is_zero(port: &u16) -> bool {
    *port == 0
}

/// Why an endpoint has no name: a part of it is empty, or begins or ends with `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} `{value}` cannot be part of an endpoint's name: it is empty, or begins or ends with `-`")]
#[non_exhaustive]
pub struct NameError {
    /// The field of the spec.
    pub field: &'static str,
    /// Its value.
    pub value: String,
}

impl WorkloadEndpointSpec {
    /// The name that the object must have: `<node>-<orchestrator>-<workload part>-<endpoint>`, each `-` doubled.
    ///
    /// The workload part is `pod` for `k8s`, `containerID` for `cni`, the word for `libnetwork`, else `workload`.
    /// Source: calico@87c15906f2 libcalico-go/lib/names/workloadendpoint.go.
    ///
    /// # Errors
    ///
    /// When a part is empty, or begins or ends with `-`.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_datastore::resource::WorkloadEndpointSpec;
    ///
    /// let spec = WorkloadEndpointSpec {
    ///     node: "node-1".into(), orchestrator: "cni".into(), container_id: "c0ffee".into(), endpoint: "eth0".into(),
    ///     ..WorkloadEndpointSpec::default()
    /// };
    /// assert_eq!(spec.name().as_deref(), Ok("node--1-cni-c0ffee-eth0"));
    /// ```
    pub fn name(&self) -> Result<String, NameError> {
        let workload = match self.orchestrator.as_str() {
            "k8s" => ("pod", self.pod.as_str()),
            "cni" => ("containerID", self.container_id.as_str()),
            "libnetwork" => ("orchestrator", "libnetwork"),
            _ => ("workload", self.workload.as_str()),
        };
        let parts = [
            ("node", self.node.as_str()),
            ("orchestrator", &self.orchestrator),
            workload,
            ("endpoint", &self.endpoint),
        ];
        let mut name = String::new();
        for (field, value) in parts {
            if value.is_empty() || value.starts_with('-') || value.ends_with('-') {
                return Err(NameError { field, value: value.to_owned() });
            }
            if !name.is_empty() {
                name.push('-');
            }
            name.push_str(&value.replace('-', "--"));
        }
        Ok(name)
    }

    /// The endpoint's addresses without lengths.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.ip_networks.iter().map(IpNet::addr)
    }
}

impl Kind for WorkloadEndpointSpec {
    const KIND: &'static str = "WorkloadEndpoint";
    const PLURAL: &'static str = "workloadendpoints";
    const NAMESPACED: bool = true;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match self.name() {
            Ok(name) if name == metadata.name => {}
            Ok(name) => {
                let message = format!("`{}` must be `{name}`, which its spec makes", metadata.name);
                errors.push(FieldError::new("metadata.name", message));
            }
            Err(error) => errors.push(FieldError::new(format!("spec.{}", error.field), error.to_string())),
        }
        for label in metadata.labels.keys().filter(|label| super::policy::is_inherited_label(label)) {
            let message = "only the namespace or service account gives labels that begin so";
            errors.push(FieldError::new(format!("metadata.labels[{label}]"), message));
        }
        if self.interface_name.is_empty() || self.interface_name.len() > 15 {
            errors.push(FieldError::new("spec.interfaceName", "must have 1 to 15 characters"));
        }
        for (index, net) in self.ip_networks.iter().enumerate() {
            if net.prefix_len() != net.max_prefix_len() {
                let message = format!("{net} is not a single address");
                errors.push(FieldError::new(format!("spec.ipNetworks[{index}]"), message));
            }
        }
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().map(|name| format!("spec.{name}")).collect();
        for (index, nat) in self.ip_nats.iter().enumerate() {
            fields.extend(nat.unknown.keys().map(|name| format!("spec.ipNATs[{index}].{name}")));
        }
        for (index, port) in self.ports.iter().enumerate() {
            fields.extend(port.unknown.keys().map(|name| format!("spec.ports[{index}].{name}")));
        }
        fields
    }
}
