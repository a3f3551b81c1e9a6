//! `Service` and `EndpointSlice` of Kubernetes, kept as they are.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use tortie_policy::model::Protocol;
use tortie_policy::{EndpointSlice, ServiceKey, ServicePort};

use super::field::FieldError;
use super::text;
use super::{Body, Kind, Metadata, Resource, Unknown, UnknownFields};

/// The label of a slice that names its service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// `spec` of a `Service` of Kubernetes, as far as it is read.
///
/// Source: Kubernetes API `core/v1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct ServiceSpec {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`; empty means the first.
    #[serde(
        rename = "type",
        deserialize_with = "text::null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
    /// Its address inside of the cluster, or `None`.
    #[serde(
        rename = "clusterIP",
        deserialize_with = "text::null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub cluster_ip: String,
    /// Its ports.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ServiceSpecPort>,
    /// All other fields.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A port of a `Service`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct ServiceSpecPort {
    /// The port.
    pub port: i64,
    /// `TCP`, `UDP` or `SCTP`; empty means TCP.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// All other fields.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// An `EndpointSlice` of Kubernetes: some of the endpoints of a service. Its fields are those of the object itself.
///
/// Source: Kubernetes API `discovery.k8s.io/v1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct EndpointSliceBody {
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// The endpoints.
    #[serde(deserialize_with = "text::null_default")]
    pub endpoints: Vec<SliceEndpoint>,
    /// Ports that each of them has.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<SlicePort>,
    /// All other fields.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One of the endpoints of an `EndpointSlice`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct SliceEndpoint {
    /// Its addresses, of the slice's type.
    #[serde(deserialize_with = "text::null_default")]
    pub addresses: Vec<String>,
    /// All other fields, such as whether it is ready.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A port of an `EndpointSlice`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct SlicePort {
    /// The port; without one, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// `TCP`, `UDP` or `SCTP`; empty means TCP.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// All other fields.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The number of a protocol of services.
fn protocol(text: &str) -> Option<u8> {
    match text {
        "" | "TCP" => Some(Protocol::TCP),
        "UDP" => Some(Protocol::UDP),
        "SCTP" => Some(Protocol::SCTP),
        _ => None,
    }
}

fn check_protocol(path: &str, text: &str, errors: &mut Vec<FieldError>) {
    if protocol(text).is_none() {
        errors.push(FieldError::new(path, format!("`{text}` is not one of TCP, UDP, SCTP")));
    }
}

fn check_port(path: &str, port: i64, errors: &mut Vec<FieldError>) {
    if !(1..=65535).contains(&port) {
        errors.push(FieldError::new(path, format!("{port} is not between 1 and 65535")));
    }
}

/// Some of a service's endpoints, as policy knows them; `None` for a slice that names no service. What of it is invalid is left
/// out, as are names of hosts, and ports without a number.
pub fn endpoint_slice(object: &Resource<EndpointSliceBody>) -> Option<EndpointSlice> {
    let Resource { metadata, spec, .. } = object;
    let name = metadata.labels.get(SERVICE_LABEL).filter(|name| !name.is_empty())?.clone();
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let addresses = spec.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
    let addresses = addresses.filter_map(|text| text.parse::<IpAddr>().ok()).map(|it| it.to_canonical());
    let port = |port: &SlicePort| {
        let number = u16::try_from(port.port?).ok().filter(|number| *number > 0)?;
        Some(ServicePort { protocol: protocol(&port.protocol)?, port: number })
    };
    Some(EndpointSlice {
        name: metadata.name.clone(),
        service: ServiceKey { namespace, name },
        addresses: addresses.collect(),
        ports: spec.ports.iter().filter_map(port).collect(),
    })
}

impl Kind for ServiceSpec {
    const API_VERSION: &'static str = "v1";
    const KIND: &'static str = "Service";
    const PLURAL: &'static str = "kubernetesservices";
    const NAMESPACED: bool = true;
    const UNKNOWN: UnknownFields = UnknownFields::Kept;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !matches!(self.cluster_ip.as_str(), "" | "None") && self.cluster_ip.parse::<IpAddr>().is_err() {
            errors
                .push(FieldError::new("spec.clusterIP", format!("`{}` is not an address", self.cluster_ip)));
        }
        for (index, port) in self.ports.iter().enumerate() {
            check_port(&format!("spec.ports[{index}].port"), port.port, &mut errors);
            check_protocol(&format!("spec.ports[{index}].protocol"), &port.protocol, &mut errors);
        }
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().map(|name| format!("spec.{name}")).collect();
        for (index, port) in self.ports.iter().enumerate() {
            fields.extend(port.unknown.keys().map(|name| format!("spec.ports[{index}].{name}")));
        }
        fields
    }
}

impl Kind for EndpointSliceBody {
    const API_VERSION: &'static str = "discovery.k8s.io/v1";
    const KIND: &'static str = "EndpointSlice";
    const PLURAL: &'static str = "kubernetesendpointslices";
    const NAMESPACED: bool = true;
    const UNKNOWN: UnknownFields = UnknownFields::Kept;
    const BODY: Body = Body::Whole;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let is_of_type: fn(&str) -> bool = match self.address_type.as_str() {
            "IPv4" => |text| text.parse::<core::net::Ipv4Addr>().is_ok(),
            "IPv6" => |text| text.parse::<core::net::Ipv6Addr>().is_ok(),
            "FQDN" => |text| !text.is_empty(),
            other => {
                let message = format!("`{other}` is not one of IPv4, IPv6, FQDN");
                errors.push(FieldError::new("addressType", message));
                |_| true
            }
        };
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            for (place, address) in endpoint.addresses.iter().enumerate() {
                if !is_of_type(address) {
                    let path = format!("endpoints[{index}].addresses[{place}]");
                    let message = format!("`{address}` is no address of type {}", self.address_type);
                    errors.push(FieldError::new(path, message));
                }
            }
        }
        for (index, port) in self.ports.iter().enumerate() {
            if let Some(number) = port.port {
                check_port(&format!("ports[{index}].port"), number, &mut errors);
            }
            check_protocol(&format!("ports[{index}].protocol"), &port.protocol, &mut errors);
        }
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().cloned().collect();
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            fields.extend(endpoint.unknown.keys().map(|name| format!("endpoints[{index}].{name}")));
        }
        for (index, port) in self.ports.iter().enumerate() {
            fields.extend(port.unknown.keys().map(|name| format!("ports[{index}].{name}")));
        }
        fields
    }
}
