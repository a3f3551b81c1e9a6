//! What uses addresses besides workloads: tunnels of nodes, and services.

use core::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use tortie_datastore::resource::{NodeSpec, Resource};
use tortie_ipam::{Service, ServiceMode, Tenant};

#[derive(Debug, Args)]
pub(super) struct Listed {
    /// The cluster's services, as `kubectl get services -A -o json` prints them, so that the addresses of those of type
    /// LoadBalancer are checked too. Without it they are taken to be in use.
    #[arg(long, value_name = "FILE")]
    services: Option<PathBuf>,
}

impl Listed {
    pub(super) fn read(&self) -> Result<Option<Services>> {
        self.services.as_deref().map(Services::read).transpose()
    }
}

/// The addresses of all services that are given some.
#[derive(Debug)]
pub(super) struct Services(Vec<IpAddr>);

/// A list of Kubernetes services, as far as addresses go.
#[derive(Deserialize)]
struct Listing {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default, rename = "type")]
    kind: String,
    load_balancer_class: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    load_balancer: LoadBalancer,
}

#[derive(Default, Deserialize)]
struct LoadBalancer {
    #[serde(default)]
    ingress: Vec<Ingress>,
}

#[derive(Deserialize)]
struct Ingress {
    /// Some have a host name instead.
    ip: Option<IpAddr>,
}

impl Services {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| format!("{} is no list of Kubernetes services", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let listing: Listing = serde_saphyr::from_str(text)?;
        let served = |item: &Item| {
            let class = item.spec.load_balancer_class.clone();
            let is_load_balancer = item.spec.kind == "LoadBalancer";
            Service { class, is_load_balancer, ..Service::default() }.is_served(ServiceMode::All)
        };
        let served = listing.items.into_iter().filter(served);
        let ingress = served.flat_map(|item| item.status.load_balancer.ingress);
        Ok(Self(ingress.filter_map(|ingress| ingress.ip).map(|address| address.to_canonical()).collect()))
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().copied()
    }
}

/// Whether a service has this address, as its block says.
pub(super) fn is_of_service(tenant: &Tenant) -> bool {
    tenant.attributes.get("type").is_some_and(|kind| kind == "LoadBalancer")
}

/// The addresses of a node's tunnel devices.
///
/// Where they are: calico@87c15906f2 node/pkg/allocateip. This tool keeps them as fields that it does not know.
pub(super) fn tunnels(node: &Resource<NodeSpec>) -> Result<Vec<IpAddr>> {
    let spec = &node.spec;
    let wireguard = |field: &str| spec.unknown.get("wireguard").and_then(|wireguard| wireguard.get(field));
    let fields = [
        spec.bgp.as_ref().and_then(|bgp| bgp.unknown.get("ipv4IPIPTunnelAddr")),
        spec.unknown.get("ipv4VXLANTunnelAddr"),
        spec.unknown.get("ipv6VXLANTunnelAddr"),
        wireguard("interfaceIPv4Address"),
        wireguard("interfaceIPv6Address"),
    ];
    let texts = fields.into_iter().flatten().filter_map(Value::as_str).filter(|text| !text.is_empty());
    let parse = |text: &str| {
        let address: IpAddr = text
            .parse()
            .with_context(|| format!("the node {} has a tunnel with {text:?}", node.metadata.name))?;
        Ok(address.to_canonical())
    };
    texts.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read() {
        let text = r#"{"kind": "List", "items": [
            {"spec": {"type": "ClusterIP"}, "status": {"loadBalancer": {}}},
            {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "h"}]}}},
            {"spec": {"type": "LoadBalancer", "loadBalancerClass": "other"},
             "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}},
            {"spec": {"type": "LoadBalancer", "loadBalancerClass": "calico"}}]}"#;
        let services = Services::parse(text).unwrap();
        assert_eq!(services.0, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert!(Services::parse("{}").is_err());
    }
}
