//! Endpoints of services.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::set::ServiceKey;

/// Some of the endpoints of a service: an `EndpointSlice` of Kubernetes.
///
/// Whether an endpoint is ready does not matter to policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct EndpointSlice {
    /// Name of the slice, in the namespace of the service.
    pub name: String,
    /// The service, which the label `kubernetes.io/service-name` of the slice names.
    pub service: ServiceKey,
    /// Addresses of the endpoints.
    pub addresses: Vec<IpAddr>,
    /// Ports that each of the endpoints has, after any translation.
    pub ports: Vec<ServicePort>,
}

/// A port of the endpoints of a service. One without a number is to be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ServicePort {
    /// Number of the protocol: TCP, UDP or SCTP; TCP if the slice does not say.
    pub protocol: u8,
    /// The port.
    pub port: u16,
}
