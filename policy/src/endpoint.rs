//! Endpoints: the network interfaces of workloads.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use tortie_selector::combine;

/// Label that holds the namespace of an endpoint or namespaced network set.
pub const NAMESPACE_LABEL: &str = combine::NAMESPACE;
/// Label that holds the service account of an endpoint.
pub const SERVICE_ACCOUNT_LABEL: &str = combine::SERVICE_ACCOUNT;
/// Prefix of labels that stem from the namespace of an endpoint.
pub const NAMESPACE_LABEL_PREFIX: &str = combine::NAMESPACE_PREFIX;
/// Prefix of labels that stem from the service account of an endpoint.
pub const SERVICE_ACCOUNT_LABEL_PREFIX: &str = combine::SERVICE_ACCOUNT_PREFIX;

/// Label that says what runs an endpoint: `k8s` on pods.
pub const ORCHESTRATOR_LABEL: &str = "projectcalico.org/orchestrator";

/// What stands for all interfaces in a host endpoint.
pub(crate) const ALL_INTERFACES: &str = "*";

/// Longest name of a network interface, in bytes.
const MAX_INTERFACE_LEN: usize = 15;

pub(crate) fn is_interface_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=MAX_INTERFACE_LEN).contains(&name.len()) && name.bytes().all(plain)
}

/// Whether only namespaces and service accounts may give this label.
pub(crate) fn is_reserved(label: &str) -> bool {
    label == NAMESPACE_LABEL
        || label == SERVICE_ACCOUNT_LABEL
        || label.starts_with(NAMESPACE_LABEL_PREFIX)
        || label.starts_with(SERVICE_ACCOUNT_LABEL_PREFIX)
}

/// Whether only workloads have this label: what is none, but has it, would pass for one.
pub(crate) fn is_of_workloads(label: &str) -> bool {
    is_reserved(label) || label == ORCHESTRATOR_LABEL
}

/// A port of an endpoint that rules may speak of by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NamedPort {
    /// Its name; several ports may have it.
    pub name: String,
    /// Number of its protocol: TCP, UDP or SCTP.
    pub protocol: u8,
    /// Its number.
    pub port: u16,
}

/// Network interface of a workload, on any host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Endpoint {
    /// Id, unique among all endpoints of all hosts.
    pub id: String,
    /// Name of its host; empty if it is not known. It decides nothing, but may say which endpoints are local to a host.
    pub node: String,
    /// Name of the interface on the endpoint's host.
    pub interface: String,
    /// Namespace, from the metadata of the object; `None` if it has none. This alone decides the label
    /// [`NAMESPACE_LABEL`].
    pub namespace: Option<String>,
    /// Service account, from the spec of the object; `None` if it has none. This alone decides the label
    /// [`SERVICE_ACCOUNT_LABEL`].
    pub service_account: Option<String>,
    /// Labels as the workload wrote them. Those that only its namespace and service account may give
    /// ([`NAMESPACE_LABEL`], [`SERVICE_ACCOUNT_LABEL`], and all that begin with `pcns.` or `pcsa.`) are not believed.
    pub labels: BTreeMap<String, String>,
    /// Names of its profiles, in order.
    pub profiles: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its ports with names.
    pub ports: Vec<NamedPort>,
    /// Whether somebody judges the HTTP requests that it receives by its policy. Until then, rules with HTTP criteria
    /// allow it nothing.
    pub has_http_enforcer: bool,
}

impl Endpoint {
    /// Labels of its own, without those that it may not give itself, and with its namespace and service account.
    pub(crate) fn own_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let fixed = [(NAMESPACE_LABEL, &self.namespace), (SERVICE_ACCOUNT_LABEL, &self.service_account)];
        let fixed = fixed.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let labels = self.labels.iter().filter(|(name, _)| !is_reserved(name));
        labels.map(|(name, value)| (name.as_str(), value.as_str())).chain(fixed)
    }
}
