//! What the documentation of the Kubernetes API says of its policies, done to the letter.
//!
//! Nothing here knows tiers, selectors or rules of Calico.

use core::net::IpAddr;
use std::collections::BTreeMap;

use ipnet::IpNet;
use tortie_policy::k8s::{
    ClusterNetworkPolicySpec, ClusterPeer, ClusterProtocol, DestinationPort, IntOrString, IpBlock,
    LabelSelector, NamespacedPod, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use tortie_policy::model::PolicyType;

pub(crate) type Labels = BTreeMap<String, String>;

/// A pod that runs.
#[derive(Clone, Debug)]
pub(crate) struct TwinPod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) addresses: Vec<IpAddr>,
    /// Name, protocol and number of each.
    pub(crate) ports: Vec<(String, String, u16)>,
}

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct TwinNode {
    pub(crate) labels: Labels,
    pub(crate) addresses: Vec<IpAddr>,
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) namespaces: BTreeMap<String, Labels>,
    pub(crate) nodes: Vec<TwinNode>,
    pub(crate) pods: Vec<TwinPod>,
    /// By namespace.
    pub(crate) policies: Vec<(String, NetworkPolicySpec)>,
    pub(crate) cluster_policies: Vec<ClusterNetworkPolicySpec>,
}

/// What begins a connection.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// `TCP`, `UDP`, `SCTP`, or another that has no ports.
    pub(crate) protocol: String,
    pub(crate) port: u16,
}

/// What a rule of a policy of the cluster says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Accept,
    Deny,
    Pass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Ingress,
    Egress,
}

impl Cluster {
    /// Whether the connection comes about.
    pub(crate) fn allows(&self, attempt: &Attempt) -> bool {
        let leaves = self.pod_at(attempt.source).is_none_or(|pod| self.lets(pod, attempt, Way::Egress));
        let enters = self.pod_at(attempt.destination).is_none_or(|pod| self.lets(pod, attempt, Way::Ingress));
        leaves && enters
    }

    fn pod_at(&self, address: IpAddr) -> Option<&TwinPod> {
        self.pods.iter().find(|pod| pod.addresses.contains(&address))
    }

    fn lets(&self, pod: &TwinPod, attempt: &Attempt, way: Way) -> bool {
        match self.decides("Admin", pod, attempt, way) {
            Some(Decision::Accept) => return true,
            Some(Decision::Deny) => return false,
            Some(Decision::Pass) | None => {}
        }
        if let Some(allowed) = self.isolated(pod, attempt, way) {
            return allowed;
        }
        self.decides("Baseline", pod, attempt, way) != Some(Decision::Deny)
    }

    /// What the policies of the cluster of one tier say, by priority.
    fn decides(&self, tier: &str, pod: &TwinPod, attempt: &Attempt, way: Way) -> Option<Decision> {
        let mut policies: Vec<_> =
            self.cluster_policies.iter().filter(|policy| policy.tier == tier).collect();
        policies.sort_by_key(|policy| policy.priority);
        for policy in policies {
            let subject = (policy.subject.namespaces.as_ref(), policy.subject.pods.as_ref());
            if self.selects(subject.0, subject.1, pod) != Some(true) {
                continue;
            }
            let rules: Vec<_> = match way {
                Way::Ingress => {
                    policy.ingress.iter().map(|rule| (&rule.action, &rule.from, &rule.protocols)).collect()
                }
                Way::Egress => {
                    policy.egress.iter().map(|rule| (&rule.action, &rule.to, &rule.protocols)).collect()
                }
            };
            for (action, peers, protocols) in rules {
                let decision = match action.as_str() {
                    "Accept" => Decision::Accept,
                    "Pass" => Decision::Pass,
                    _ => Decision::Deny,
                };
                let matches = self.cluster_rule(peers, protocols.as_deref(), attempt, way);
                match (matches, decision) {
                    (Some(true), decision) => return Some(decision),
                    (None, Decision::Deny | Decision::Pass) => return Some(Decision::Deny),
                    (Some(false), _) | (None, Decision::Accept) => {}
                }
            }
        }
        None
    }

    /// Whether a rule matches; `None` if it has a fault.
    fn cluster_rule(
        &self,
        peers: &[ClusterPeer],
        protocols: Option<&[ClusterProtocol]>,
        attempt: &Attempt,
        way: Way,
    ) -> Option<bool> {
        let address = if way == Way::Ingress { attempt.source } else { attempt.destination };
        let mut found = false;
        for peer in peers {
            found |= self.cluster_peer(peer, address)?;
        }
        let mut of_port = protocols.is_none();
        for protocol in protocols.unwrap_or_default() {
            of_port |= self.cluster_protocol(protocol, attempt)?;
        }
        Some(found && of_port)
    }

    fn cluster_peer(&self, peer: &ClusterPeer, address: IpAddr) -> Option<bool> {
        if let Some(nodes) = &peer.nodes {
            let mut found = false;
            for node in &self.nodes {
                found |= selects(nodes, &node.labels)? && node.addresses.contains(&address);
            }
            return Some(found);
        }
        if let Some(networks) = &peer.networks {
            let mut found = false;
            for network in networks {
                found |= network.parse::<IpNet>().ok()?.contains(&address);
            }
            return Some(found);
        }
        let Some(pod) = self.pod_at(address) else {
            // The selectors may have faults nevertheless.
            let (namespaces, pods) = match &peer.pods {
                Some(pods) => (&pods.namespace_selector, Some(&pods.pod_selector)),
                None => (peer.namespaces.as_ref()?, None),
            };
            selects(namespaces, &Labels::new())?;
            pods.map_or(Some(true), |pods| selects(pods, &Labels::new()))?;
            return Some(false);
        };
        self.selects(peer.namespaces.as_ref(), peer.pods.as_ref(), pod)
    }

    fn cluster_protocol(&self, protocol: &ClusterProtocol, attempt: &Attempt) -> Option<bool> {
        if let Some(name) = &protocol.destination_named_port {
            return Some(self.has_port(attempt, name, None));
        }
        let of = |ports: &Option<DestinationPort>, name: &str| {
            let Some(ports) = ports else { return Some(false) };
            let mut range = [0, 65535];
            if let Some(port) = &ports.destination_port {
                range = match (port.number, &port.range) {
                    (Some(number), None) => [number, number],
                    (None, Some(range)) => [range.start, range.end],
                    _ => return None,
                };
                if range[0] < 1 || range[1] > 65535 || range[0] > range[1] {
                    return None;
                }
            }
            Some(attempt.protocol == name && (range[0]..=range[1]).contains(&i64::from(attempt.port)))
        };
        Some(of(&protocol.tcp, "TCP")? || of(&protocol.udp, "UDP")? || of(&protocol.sctp, "SCTP")?)
    }

    /// Whether a pod is one of these; `None` if a selector has a fault.
    fn selects(
        &self,
        namespaces: Option<&LabelSelector>,
        pods: Option<&NamespacedPod>,
        pod: &TwinPod,
    ) -> Option<bool> {
        let labels = self.namespaces.get(&pod.namespace).cloned().unwrap_or_default();
        match (namespaces, pods) {
            (Some(namespaces), None) => selects(namespaces, &labels),
            (None, Some(pods)) => {
                let of_pod = selects(&pods.pod_selector, &pod.labels)?;
                Some(selects(&pods.namespace_selector, &labels)? && of_pod)
            }
            _ => None,
        }
    }

    /// Whether the pod's isolation lets it through; `None` if it is not isolated.
    fn isolated(&self, pod: &TwinPod, attempt: &Attempt, way: Way) -> Option<bool> {
        let mut isolated = false;
        for (namespace, policy) in &self.policies {
            let types: Vec<_> = match policy.policy_types.is_empty() {
                false => policy.policy_types.clone(),
                true if policy.egress.is_empty() => vec![PolicyType::Ingress],
                true => vec![PolicyType::Ingress, PolicyType::Egress],
            };
            let wanted = if way == Way::Ingress { PolicyType::Ingress } else { PolicyType::Egress };
            if *namespace != pod.namespace
                || !types.contains(&wanted)
                || selects(&policy.pod_selector, &pod.labels) != Some(true)
            {
                continue;
            }
            isolated = true;
            let rules: Vec<_> = match way {
                Way::Ingress => policy.ingress.iter().map(|rule| (&rule.from, &rule.ports)).collect(),
                Way::Egress => policy.egress.iter().map(|rule| (&rule.to, &rule.ports)).collect(),
            };
            let other = if way == Way::Ingress { attempt.source } else { attempt.destination };
            if rules
                .into_iter()
                .any(|(peers, ports)| self.rule(namespace, peers, ports, other, attempt) == Some(true))
            {
                return Some(true);
            }
        }
        isolated.then_some(false)
    }

    /// Whether a rule matches; `None` if it has a fault.
    fn rule(
        &self,
        namespace: &str,
        peers: &[NetworkPolicyPeer],
        ports: &[NetworkPolicyPort],
        other: IpAddr,
        attempt: &Attempt,
    ) -> Option<bool> {
        let mut of_peer = peers.is_empty();
        for peer in peers {
            of_peer |= self.peer(namespace, peer, other)?;
        }
        let mut of_port = ports.is_empty();
        for port in ports {
            of_port |= self.port(port, attempt)?;
        }
        Some(of_peer && of_port)
    }

    fn peer(&self, namespace: &str, peer: &NetworkPolicyPeer, address: IpAddr) -> Option<bool> {
        if let Some(IpBlock { cidr, except, .. }) = &peer.ip_block {
            if peer.pod_selector.is_some() || peer.namespace_selector.is_some() {
                return None;
            }
            let mut found = cidr.parse::<IpNet>().ok()?.contains(&address);
            for cidr in except {
                found &= !cidr.parse::<IpNet>().ok()?.contains(&address);
            }
            return Some(found);
        }
        if peer.pod_selector.is_none() && peer.namespace_selector.is_none() {
            return None;
        }
        let mut found = false;
        for pod in &self.pods {
            let of_namespace = match &peer.namespace_selector {
                Some(selector) => selects(selector, self.namespaces.get(&pod.namespace)?)?,
                None => pod.namespace == namespace,
            };
            let of_pod =
                peer.pod_selector.as_ref().map_or(Some(true), |selector| selects(selector, &pod.labels))?;
            found |= of_namespace && of_pod && pod.addresses.contains(&address);
        }
        Some(found)
    }

    fn port(&self, port: &NetworkPolicyPort, attempt: &Attempt) -> Option<bool> {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let of_protocol = protocol == attempt.protocol;
        let in_range = |number: i64| (1..=65535).contains(&number);
        match (&port.port, port.end_port) {
            (None, None) => Some(of_protocol),
            (Some(IntOrString::Int(port)), None) if in_range(*port) => {
                Some(of_protocol && *port == i64::from(attempt.port))
            }
            (Some(IntOrString::Int(port)), Some(end)) if in_range(*port) && in_range(end) && *port <= end => {
                Some(of_protocol && (*port..=end).contains(&i64::from(attempt.port)))
            }
            (Some(IntOrString::String(name)), None) => Some(self.has_port(attempt, name, Some(protocol))),
            _ => None,
        }
    }

    /// Whether the receiver is a pod that calls the port so.
    fn has_port(&self, attempt: &Attempt, name: &str, protocol: Option<&str>) -> bool {
        self.pod_at(attempt.destination).is_some_and(|pod| {
            pod.ports.iter().any(|(other, of, number)| {
                other == name
                    && protocol.is_none_or(|protocol| protocol == of)
                    && *of == attempt.protocol
                    && *number == attempt.port
            })
        })
    }
}

/// Whether a selector matches labels; `None` if it has a fault.
fn selects(selector: &LabelSelector, labels: &Labels) -> Option<bool> {
    let mut all = selector.match_labels.iter().all(|(name, value)| labels.get(name) == Some(value));
    for requirement in &selector.match_expressions {
        let value = labels.get(&requirement.key);
        let listed = value.is_some_and(|value| requirement.values.contains(value));
        all &= match requirement.operator.as_str() {
            "In" if !requirement.values.is_empty() => listed,
            "NotIn" if !requirement.values.is_empty() => !listed,
            "Exists" if requirement.values.is_empty() => value.is_some(),
            "DoesNotExist" if requirement.values.is_empty() => value.is_none(),
            _ => return None,
        };
    }
    Some(all)
}
