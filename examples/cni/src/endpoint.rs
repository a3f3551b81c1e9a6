//! Who the workload is: names of its handle, record, interface and status file, and the record itself.

use core::fmt::Write as _;
use core::net::IpAddr;
use std::collections::BTreeMap;

use ipnet::IpNet;
use sha1::{Digest, Sha1};
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_routes::Mac;

use crate::config::Config;
use crate::env::{Container, shown};
use crate::error::{Code, Error};
use crate::label::is_dns_name;

/// First letters of the host's ends of workload links, by which firewall and routes know them.
pub(crate) const INTERFACE_PREFIX: &str = "cali";

const NAMESPACE_LABEL: &str = "projectcalico.org/namespace";
const ORCHESTRATOR_LABEL: &str = "projectcalico.org/orchestrator";

/// One workload's interface on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name of the network.
    network: String,
    /// Name of this node.
    node: String,
    /// The namespace: of the pod, or the one in which other workloads live.
    pub(crate) namespace: String,
    /// The pod, under Kubernetes.
    pub(crate) pod: Option<String>,
    /// The container.
    pub(crate) container: String,
    /// The interface inside.
    pub(crate) interface: String,
    /// Labels that came with the configuration.
    labels: BTreeMap<String, String>,
}

impl Endpoint {
    /// The endpoint that a runtime speaks of. With both `K8S_POD_NAME` and `K8S_POD_NAMESPACE` it is a pod's.
    ///
    /// # Errors
    /// Code 4 when a name cannot be part of a record's name, 7 when the label that names the namespace cannot.
    pub(crate) fn new(config: &Config, container: &Container) -> Result<Self, Error> {
        let pod = container.arg("K8S_POD_NAME").zip(container.arg("K8S_POD_NAMESPACE"));
        let mut labels = config.labels.clone();
        let namespace_label = labels.remove(NAMESPACE_LABEL).filter(|namespace| !namespace.is_empty());
        let (namespace, pod) = match pod {
            Some((pod, namespace)) => {
                for (name, value) in [("K8S_POD_NAME", pod), ("K8S_POD_NAMESPACE", namespace)] {
                    if !is_dns_name(value) {
                        let message =
                            format!("{name} in CNI_ARGS is {}: it must be a DNS name", shown(value));
                        return Err(Error::new(Code::BadEnvironment, message));
                    }
                }
                (namespace.to_owned(), Some(pod.to_owned()))
            }
            None => (namespace_label.unwrap_or_else(|| "default".into()), None),
        };
        if !is_dns_name(&namespace) {
            let message = format!("label {NAMESPACE_LABEL} is {}: it must be a DNS name", shown(&namespace));
            return Err(Error::new(Code::BadConfig, message));
        }
        let endpoint = Self {
            network: config.network.clone(),
            node: config.node.clone(),
            namespace,
            pod,
            container: container.id.clone(),
            interface: container.interface.clone(),
            labels,
        };
        if endpoint.pod.is_none() && !is_dns_name(&endpoint.network) {
            // The network's profile is a record of that name.
            let message = format!("field name is {}: it must be a DNS name", shown(&endpoint.network));
            return Err(Error::new(Code::BadConfig, message));
        }
        // A name that cannot be stored must show before anything is allocated.
        endpoint.record(&[], None)?;
        Ok(endpoint)
    }

    /// `k8s` for pods, else `cni`.
    pub(crate) const fn orchestrator(&self) -> &'static str {
        if self.pod.is_some() { "k8s" } else { "cni" }
    }

    /// The workload's name within its namespace: the pod, else the container.
    pub(crate) fn workload(&self) -> &str {
        self.pod.as_deref().unwrap_or(&self.container)
    }

    /// Handle of its addresses: whatever a runtime forgets, it repeats network and container.
    pub(crate) fn handle(&self) -> String {
        format!("{}.{}", self.network, self.container)
    }

    /// Name of the host's end: the prefix and eleven hexadecimal digits of the SHA-1 of `<namespace>.<workload>`.
    ///
    /// Other workloads than pods are named by digest too, where the reference system takes the first letters of the
    /// container's id: two ids that begin alike would take each other's interface away.
    pub(crate) fn host_interface(&self) -> String {
        let digest = self.digest("");
        let mut name = String::from(INTERFACE_PREFIX);
        for byte in digest.iter().take(6) {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        name.truncate(INTERFACE_PREFIX.len() + 11);
        name
    }

    /// MAC address of the container's end: of the locally administered kind, and the same at each try, so that the record
    /// can name it before the link exists.
    pub(crate) fn mac(&self) -> Mac {
        let digest = self.digest(&format!(".{}.{}", self.container, self.interface));
        let mut octets = [0; 6];
        for (octet, byte) in octets.iter_mut().zip(digest) {
            *octet = byte;
        }
        if let Some(first) = octets.first_mut() {
            *first = *first & 0xfc | 0x02;
        }
        Mac::new(octets)
    }

    fn digest(&self, more: &str) -> [u8; 20] {
        Sha1::digest(format!("{}.{}{more}", self.namespace, self.workload())).into()
    }

    /// The attributes that the allocated addresses carry.
    pub(crate) fn attributes(&self, timestamp: String) -> BTreeMap<String, String> {
        let mut attributes =
            BTreeMap::from([("node".to_owned(), self.node.clone()), ("timestamp".to_owned(), timestamp)]);
        if let Some(pod) = &self.pod {
            attributes.insert("pod".to_owned(), pod.clone());
            attributes.insert("namespace".to_owned(), self.namespace.clone());
        }
        attributes
    }

    /// The profile whose policy holds where no other does: the namespace's for pods, else the network's.
    pub(crate) fn profile(&self) -> String {
        match self.pod {
            Some(_) => format!("kns.{}", self.namespace),
            None => self.network.clone(),
        }
    }

    /// The record. One that is there already keeps its name, its bookkeeping and what this plugin does not know.
    ///
    /// # Errors
    /// Code 4 when the parts make no name that a record can have.
    pub(crate) fn record(
        &self,
        addresses: &[IpAddr],
        existing: Option<Resource<WorkloadEndpointSpec>>,
    ) -> Result<Resource<WorkloadEndpointSpec>, Error> {
        let mut record = match existing {
            Some(existing) => existing,
            None => {
                let spec = WorkloadEndpointSpec {
                    orchestrator: self.orchestrator().into(),
                    node: self.node.clone(),
                    container_id: self.container.clone(),
                    pod: self.pod.clone().unwrap_or_default(),
                    endpoint: self.interface.clone(),
                    ..WorkloadEndpointSpec::default()
                };
                let name = spec.name().map_err(|error| {
                    Error::caused(
                        Code::BadEnvironment,
                        "the workload's names make no name of a record",
                        &error,
                    )
                })?;
                Resource::namespaced(self.namespace.as_str(), name, spec)
            }
        };
        record.key().map_err(|error| {
            Error::caused(Code::BadEnvironment, "the workload's names make no name of a record", &error)
        })?;
        record.metadata.labels = self.labels.clone();
        record.metadata.labels.insert(NAMESPACE_LABEL.into(), self.namespace.clone());
        record.metadata.labels.insert(ORCHESTRATOR_LABEL.into(), self.orchestrator().into());
        record.spec.container_id.clone_from(&self.container);
        record.spec.ip_networks = addresses.iter().copied().map(IpNet::from).collect();
        record.spec.profiles = vec![self.profile()];
        record.spec.interface_name = self.host_interface();
        record.spec.mac = self.mac().to_string();
        Ok(record)
    }

    /// What the keys of this workload's records begin with, whatever their interfaces are called.
    ///
    /// # Errors
    /// As [`Endpoint::record`].
    pub(crate) fn key_prefix(&self) -> Result<String, Error> {
        let key = self.record(&[], None)?.key().unwrap_or_default();
        let interface = self.interface.replace('-', "--");
        Ok(key.strip_suffix(&interface).unwrap_or(&key).to_owned())
    }

    /// Whether a record is this workload's, whatever its interface is called.
    pub(crate) fn owns(&self, spec: &WorkloadEndpointSpec) -> bool {
        spec.node == self.node
            && spec.orchestrator == self.orchestrator()
            && match &self.pod {
                Some(pod) => spec.pod == *pod,
                None => spec.container_id == self.container,
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoint(args: &[(&str, &str)], labels: &serde_json::Value) -> Result<Endpoint, Error> {
        let config = json!({"name": "net", "datastore": "/d", "nodename": "node-1", "ipam": {"type": "calico-ipam"},
            "args": {"cni": {"labels": labels}}});
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let container = Container {
            id: "c0ffee".into(),
            netns: None,
            interface: "eth0".into(),
            args: args.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect(),
        };
        Endpoint::new(&config, &container)
    }

    const POD: [(&str, &str); 2] = [("K8S_POD_NAME", "web-1"), ("K8S_POD_NAMESPACE", "blue")];

    #[test]
    fn names_of_a_pod() {
        let pod = endpoint(&POD, &json!([])).unwrap();
        assert_eq!(pod.handle(), "net.c0ffee");
        // printf 'blue.web-1' | sha1sum
        assert_eq!(pod.host_interface(), "calicd6262816bd");
        let record = pod.record(&["10.0.0.2".parse().unwrap()], None).unwrap();
        assert_eq!(record.metadata.name, "node--1-k8s-web--1-eth0");
        assert_eq!(
            record.key().unwrap(),
            "/calico/resources/v3/projectcalico.org/workloadendpoints/blue/node--1-k8s-web--1-eth0"
        );
        assert_eq!(record.spec.profiles, ["kns.blue"]);
        assert_eq!(record.validate(), []);
        assert_eq!(tortie_datastore::status::file_name(&record).as_deref(), Some("k8s blue%2Fweb-1 eth0"));
    }

    #[test]
    fn names_of_another_workload() {
        let labels =
            json!([{"key": "app", "value": "x"}, {"key": "projectcalico.org/namespace", "value": "red"}]);
        // One of the two names is not enough for a pod.
        let workload = endpoint(&POD[..1], &labels).unwrap();
        assert_eq!((workload.orchestrator(), workload.namespace.as_str()), ("cni", "red"));
        let record = workload.record(&[], None).unwrap();
        assert_eq!(record.metadata.name, "node--1-cni-c0ffee-eth0");
        assert_eq!(record.spec.profiles, ["net"]);
        let want =
            [("app", "x"), ("projectcalico.org/namespace", "red"), ("projectcalico.org/orchestrator", "cni")];
        assert_eq!(record.metadata.labels, want.into_iter().map(|(k, v)| (k.into(), v.into())).collect());
    }

    #[test]
    fn labels_cannot_move_a_pod_to_another_namespace() {
        let labels = json!([{"key": "projectcalico.org/namespace", "value": "red"},
            {"key": "projectcalico.org/orchestrator", "value": "x"}]);
        let record = endpoint(&POD, &labels).unwrap().record(&[], None).unwrap();
        assert_eq!(record.metadata.labels["projectcalico.org/namespace"], "blue");
        assert_eq!(record.metadata.labels["projectcalico.org/orchestrator"], "k8s");
    }

    #[test]
    fn a_record_that_is_there_keeps_what_is_not_known() {
        let pod = endpoint(&POD, &json!([])).unwrap();
        let mut existing = pod.record(&["10.0.0.2".parse().unwrap()], None).unwrap();
        existing.spec.container_id = "older".into();
        existing.metadata.uid = Some("u".into());
        existing.spec.unknown.insert("colour".into(), json!("grey"));
        let record = pod.record(&["10.0.0.3".parse().unwrap()], Some(existing)).unwrap();
        assert_eq!(record.metadata.uid.as_deref(), Some("u"));
        assert_eq!(record.spec.unknown["colour"], "grey");
        assert_eq!((record.spec.container_id.as_str(), record.spec.ip_networks.len()), ("c0ffee", 1));
    }

    #[test]
    fn what_makes_no_name_is_refused() {
        for args in [
            [("K8S_POD_NAME", "Web"), ("K8S_POD_NAMESPACE", "blue")],
            [("K8S_POD_NAME", "web"), ("K8S_POD_NAMESPACE", "../blue")],
        ] {
            assert_eq!(endpoint(&args, &json!([])).unwrap_err().code, Code::BadEnvironment, "{args:?}");
        }
    }

    #[test]
    fn macs_are_local_unicast_and_differ() {
        let pod = endpoint(&POD, &json!([])).unwrap();
        let [first, ..] = pod.mac().octets();
        assert_eq!(first & 0x03, 0x02);
        let mut other = pod.clone();
        other.container = "other".into();
        assert_ne!(pod.mac(), other.mac());
    }
}
