//! Namespaces, service accounts and pods, as far as policy is about them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::endpoint::{
    Endpoint, NAMESPACE_LABEL_PREFIX, NamedPort, ORCHESTRATOR_LABEL, SERVICE_ACCOUNT_LABEL_PREFIX,
};
use crate::model::value::null_as_default;
use crate::model::{Action, ProfileSpec, Protocol, Rule, Unknown};
use crate::net;

/// Value of [`ORCHESTRATOR_LABEL`] on pods.
const KUBERNETES: &str = "k8s";
/// Label that namespaces and service accounts give besides their own: the name.
const NAME_LABEL: &str = "projectcalico.org/name";

/// Where the addresses of a pod may stand that its status does not have, in the order in which they are looked for.
const ADDRESS_ANNOTATIONS: [&str; 3] =
    ["cni.projectcalico.org/podIPs", "cni.projectcalico.org/podIP", "vpc.amazonaws.com/pod-ips"];
/// Annotation with the address of a pod; that it is empty says that the address was released.
const ADDRESS_ANNOTATION: &str = "cni.projectcalico.org/podIP";

/// Metadata of an object, as far as policy is about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ObjectMeta {
    /// Name, unique in the namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace, of objects that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When deletion was asked for; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A `Namespace` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Namespace {
    /// Its name and labels.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Namespace {
    /// Name of the profile that stands for the namespace of this name.
    #[must_use]
    pub fn profile_name(namespace: &str) -> String {
        format!("kns.{namespace}")
    }

    /// The profile that stands for it: its labels, and that everything is allowed where no policy governs.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_policy::k8s;
    ///
    /// let namespace: k8s::Namespace = serde_json::from_str(r#"{ "metadata": { "name": "shop", "labels": { "a": "b" } } }"#)?;
    /// let (name, spec) = namespace.profile();
    /// assert_eq!(name, "kns.shop");
    /// assert_eq!(spec.labels_to_apply["pcns.a"], "b");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `NamespaceToProfile`.
    #[must_use]
    pub fn profile(&self) -> (String, ProfileSpec) {
        let spec = ProfileSpec {
            ingress: [Rule::new(Action::Allow)].into(),
            egress: [Rule::new(Action::Allow)].into(),
            labels_to_apply: given_labels(&self.metadata, NAMESPACE_LABEL_PREFIX),
            ..ProfileSpec::default()
        };
        (Self::profile_name(&self.metadata.name), spec)
    }
}

/// A `ServiceAccount` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ServiceAccount {
    /// Its name, namespace and labels.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl ServiceAccount {
    /// Name of the profile that stands for the service account of this name.
    #[must_use]
    pub fn profile_name(namespace: &str, name: &str) -> String {
        format!("ksa.{namespace}.{name}")
    }

    /// The profile that stands for it: its labels, and no rules.
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `ServiceAccountToProfile`.
    #[must_use]
    pub fn profile(&self) -> (String, ProfileSpec) {
        let spec = ProfileSpec {
            labels_to_apply: given_labels(&self.metadata, SERVICE_ACCOUNT_LABEL_PREFIX),
            ..ProfileSpec::default()
        };
        (Self::profile_name(namespace(&self.metadata), &self.metadata.name), spec)
    }
}

/// Labels that an object gives to the pods that belong to it.
fn given_labels(metadata: &ObjectMeta, prefix: &str) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<_, _> =
        metadata.labels.iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone())).collect();
    labels.insert(format!("{prefix}{NAME_LABEL}"), metadata.name.clone());
    labels
}

fn namespace(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}

/// A `Pod` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Pod {
    /// Its name, namespace, labels and annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What it was asked to be.
    #[serde(default)]
    pub spec: PodSpec,
    /// What it is.
    #[serde(default)]
    pub status: PodStatus,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a pod was asked to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct PodSpec {
    /// The node that it runs on; absent as long as it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Whether it has the network of its node and none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Its service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Its containers.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Containers that run before those.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Container {
    /// Ports that it says it listens on.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A port that a container says it listens on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ContainerPort {
    /// What policies call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its number.
    pub container_port: i64,
    /// `TCP`, `UDP` or `SCTP`; `TCP` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a pod is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its first address.
    #[serde(default, rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// All its addresses.
    #[serde(
        default,
        rename = "podIPs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pod_ips: Vec<PodIp>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// An address of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct PodIp {
    /// The address.
    #[serde(default)]
    pub ip: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Pod {
    /// The endpoint that it is, with this interface on its node; its id is `<namespace>/<name>`.
    ///
    /// `None` if it is none: it has the network of its node, is on no node yet, has ended, or has no address.
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/{conversion,workload_endpoint_default}.go.
    #[must_use]
    pub fn endpoint(&self, interface: &str) -> Option<Endpoint> {
        let Self { metadata, spec, .. } = self;
        let scheduled = spec.node_name.as_ref().is_some_and(|node| !node.is_empty());
        if spec.host_network == Some(true) || !scheduled || self.is_finished() {
            return None;
        }
        let addresses = self.addresses();
        if addresses.is_empty() {
            return None;
        }
        let namespace = namespace(metadata);
        let account = spec.service_account_name.as_ref().filter(|name| !name.is_empty());
        let mut labels = metadata.labels.clone();
        labels.insert(ORCHESTRATOR_LABEL.to_string(), KUBERNETES.to_string());
        let mut profiles = Vec::from([Namespace::profile_name(namespace)]);
        profiles.extend(account.map(|name| ServiceAccount::profile_name(namespace, name)));
        let ports =
            spec.containers.iter().chain(&spec.init_containers).flat_map(|container| &container.ports);
        Some(Endpoint {
            id: format!("{namespace}/{}", metadata.name),
            node: spec.node_name.clone().unwrap_or_default(),
            interface: interface.to_string(),
            namespace: Some(namespace.to_string()),
            service_account: account.cloned(),
            labels,
            profiles,
            addresses,
            ports: ports.filter_map(ContainerPort::named).collect(),
            ..Endpoint::default()
        })
    }

    /// Whether it will send and receive nothing more: its addresses may be those of another.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let ended = matches!(self.status.phase.as_deref(), Some("Failed" | "Succeeded" | "Completed"));
        let released = self.metadata.annotations.get(ADDRESS_ANNOTATION).is_some_and(String::is_empty);
        ended || (self.metadata.deletion_timestamp.is_some() && released)
    }

    /// Its addresses: those of its status, else those of the first annotation that has any.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let status = &self.status;
        let all = parsed(status.pod_ips.iter().map(|address| address.ip.as_str()));
        let annotations =
            ADDRESS_ANNOTATIONS.into_iter().filter_map(|name| self.metadata.annotations.get(name));
        let texts = status.pod_ip.iter().chain(annotations);
        let others = texts.map(|text| parsed(text.split(',')));
        core::iter::once(all).chain(others).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

/// Those of the texts that are addresses, or prefixes of one address.
fn parsed<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<IpAddr> {
    let nets = texts.filter_map(|text| net::parse(text.trim()).ok());
    nets.filter(|net| net.prefix_len() == net.max_prefix_len()).map(|net| net.addr()).collect()
}

impl ContainerPort {
    /// The port as policies name it; `None` if it has no name, or one that no policy can say.
    fn named(&self) -> Option<NamedPort> {
        let name = self.name.as_ref().filter(|name| !name.is_empty())?;
        let protocol = match self.protocol.as_deref() {
            None | Some("TCP" | "") => Protocol::TCP,
            Some("UDP") => Protocol::UDP,
            Some("SCTP") => Protocol::SCTP,
            Some(_) => return None,
        };
        let port = u16::try_from(self.container_port).ok().filter(|port| *port != 0)?;
        Some(NamedPort { name: name.clone(), protocol, port })
    }
}
