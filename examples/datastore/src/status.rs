//! Endpoint status files: how an agent tells a plugin that an endpoint's policy is in place.
//!
//! Names and contents are those of the reference system (calico@87c15906f2 libcalico-go/lib/epstatusfile,
//! libcalico-go/lib/names/workloadendpointstatus.go), so that either side may be its agent or its plugin.

use core::fmt::Write as _;
use core::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tortie_selector::unique_id;

use crate::resource::{Resource, WorkloadEndpointSpec};

/// What a status file holds, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct EndpointStatus {
    /// Name of the endpoint's interface on its host.
    #[serde(default)]
    pub iface_name: String,
    /// The endpoint's MAC address, as in its record; may be empty.
    #[serde(default)]
    pub mac: String,
    /// Its IPv4 addresses, as /32.
    #[serde(default)]
    pub ipv4_nets: Option<Vec<IpNet>>,
    /// Its IPv6 addresses, as /128.
    #[serde(default)]
    pub ipv6_nets: Option<Vec<IpNet>>,
    /// The BGP peer that the endpoint is; none is built here, so it is written empty.
    #[serde(default)]
    pub bgp_peer_name: String,
}

impl EndpointStatus {
    /// The status of an endpoint.
    pub fn of(endpoint: &Resource<WorkloadEndpointSpec>) -> Self {
        let nets = |v4: bool| {
            endpoint.spec.addresses().filter(move |address| address.is_ipv4() == v4).map(IpNet::from)
        };
        Self {
            iface_name: endpoint.spec.interface_name.clone(),
            mac: endpoint.spec.mac.clone(),
            ipv4_nets: Some(nets(true).collect()),
            ipv6_nets: Some(nets(false).collect()),
            bgp_peer_name: String::new(),
        }
    }

    /// Whether it speaks of the endpoint with this interface and these addresses, and of no earlier one of its name.
    pub fn is_of(&self, interface: &str, addresses: &[IpAddr]) -> bool {
        let nets: Vec<&IpNet> = self.ipv4_nets.iter().chain(&self.ipv6_nets).flatten().collect();
        self.iface_name == interface && addresses.iter().all(|&address| nets.contains(&&IpNet::from(address)))
    }
}

/// Name of an endpoint's status file: orchestrator, `<namespace>/<workload>` and endpoint, each escaped as a segment of
/// a URL's path, with spaces between. `None` for an endpoint whose record names no workload.
///
/// What is longer than 254 bytes is cut and ends in a digest of the whole: names of files have at most 255, and whoever writes
/// one may put a dot before that of a draft. The reference system cannot write it then.
///
/// # Example
///
/// ```
/// use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
/// use tortie_datastore::status::file_name;
///
/// let spec = WorkloadEndpointSpec {
///     orchestrator: "k8s".into(),
///     pod: "web-1".into(),
///     endpoint: "eth0".into(),
///     ..Default::default()
/// };
/// let object = Resource::namespaced("blue", "node--1-k8s-web--1-eth0", spec);
/// assert_eq!(file_name(&object).as_deref(), Some("k8s blue%2Fweb-1 eth0"));
/// ```
pub fn file_name(endpoint: &Resource<WorkloadEndpointSpec>) -> Option<String> {
    let spec = &endpoint.spec;
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    // A pod is known by its name; whatever else, by its workload or its container.
    let names = [spec.pod.as_str(), spec.workload.as_str(), spec.container_id.as_str()];
    let workload = names.into_iter().find(|name| !name.is_empty())?;
    let workload = format!("{namespace}/{workload}");
    let name = format!("{} {} {}", escape(&spec.orchestrator), escape(&workload), escape(&spec.endpoint));
    if name.len() <= MAX_NAME_LEN {
        return Some(name);
    }
    let digest = unique_id("", &name);
    let head: String = name.chars().take(MAX_NAME_LEN.saturating_sub(digest.len())).collect();
    Some(head + &digest)
}

/// Longest name of a status file, in bytes; all of them are ASCII.
const MAX_NAME_LEN: usize = 254;

/// Escapes a segment of a URL's path as Go's `url.PathEscape` does, which reads these names back.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+=:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let written = write!(escaped, "%{byte:02X}");
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_escaped_as_go_does() {
        assert_eq!(escape("a/b c;d,e?f%g"), "a%2Fb%20c%3Bd%2Ce%3Ff%25g");
        assert_eq!(escape("plain-_.~$&+=:@"), "plain-_.~$&+=:@");
    }

    /// Names of 253 characters, each of which may be three when it is escaped, and those that lead elsewhere.
    #[test]
    fn every_name_is_that_of_a_file() {
        let named = |namespace: &str, pod: &str| {
            let spec = WorkloadEndpointSpec {
                orchestrator: "k8s".into(),
                pod: pod.into(),
                endpoint: "eth0".into(),
                ..Default::default()
            };
            file_name(&Resource::namespaced(namespace, "w", spec)).unwrap()
        };
        let long = "n".repeat(63);
        for text in ["a", "/", "..", "\n", "\0", "\u{202e}", "\u{1f600}", " ", "%"] {
            for pod in [text.to_string(), text.repeat(253), format!("{}-1", text.repeat(250))] {
                for namespace in [long.as_str(), "ns", ".."] {
                    let name = named(namespace, &pod);
                    assert!(
                        name.len() <= 254 && name.is_ascii() && !name.contains(['/', '\0', '\n']),
                        "{name}"
                    );
                    assert!(!name.starts_with('.'), "{name}");
                }
            }
        }
        let one = "x".repeat(252) + "1";
        let other = "x".repeat(252) + "2";
        assert_ne!(named(&long, &one), named(&long, &other), "what is cut is told apart");
    }

    #[test]
    fn a_status_of_an_earlier_endpoint_does_not_count() {
        let spec = WorkloadEndpointSpec {
            interface_name: "cali1".into(),
            ip_networks: vec!["10.0.0.2/32".parse().unwrap(), "fd00::2/128".parse().unwrap()],
            ..Default::default()
        };
        let status = EndpointStatus::of(&Resource::namespaced("blue", "w", spec));
        let both: Vec<IpAddr> = vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        assert!(status.is_of("cali1", &both));
        assert!(!status.is_of("cali2", &both));
        assert!(!status.is_of("cali1", &["10.0.0.3".parse().unwrap()]));
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<EndpointStatus>(&text).unwrap(), status);
        assert_eq!(serde_json::from_str::<EndpointStatus>("{}").unwrap(), EndpointStatus::default());
    }
}
