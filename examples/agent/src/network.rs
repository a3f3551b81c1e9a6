//! What the table does for pools and services.

use tortie_datastore::resource::{AllowedUse, FelixSettings};
use tortie_fabric::Cluster;
use tortie_policy::nftables::Network;

/// The network of a cluster: members of pools with `natOutgoing` are translated outside of all pools for workloads and tunnels, and
/// services are what the BGP configuration advertises; how, settings say.
pub(crate) fn network(cluster: &Cluster, settings: &FelixSettings) -> Network {
    let of_hosts = |uses: &[AllowedUse]| uses.iter().any(|used| *used != AllowedUse::LoadBalancer);
    let pools = || cluster.pools.values().filter(|pool| of_hosts(pool.spec.allowed_uses()));
    let translated = pools().filter(|pool| pool.spec.nat_outgoing);
    let services =
        cluster.bgp_configurations.get("default").into_iter().flat_map(|object| object.spec.services());
    let network = Network::new()
        .pools(pools().map(|pool| pool.spec.cidr))
        .masqueraded(translated.map(|pool| pool.spec.cidr))
        .services(services.filter_map(Result::ok));
    settings.network(network, cluster.nodes.values().flat_map(|node| node.spec.every_address()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tortie_policy::Program;
    use tortie_policy::nftables::{Options, render};

    #[test]
    fn pools_and_services_become_rules() {
        let mut cluster = Cluster::new("a");
        let mut put = |key: &str, text: &str| {
            assert!(cluster.put(key, text.as_bytes()).is_ok(), "{key}");
        };
        let pool = |name: &str, spec: &str| {
            let key = format!("/calico/resources/v3/projectcalico.org/ippools/{name}");
            let text = format!(
                r#"{{ "kind": "IPPool", "apiVersion": "projectcalico.org/v3", "metadata": {{ "name": "{name}" }}, "spec": {{ {spec} }} }}"#
            );
            (key, text)
        };
        for (name, spec) in [
            ("a", r#""cidr": "10.1.0.0/16", "natOutgoing": true"#),
            ("b", r#""cidr": "10.2.0.0/16", "disabled": true"#),
            ("c", r#""cidr": "10.3.0.0/16", "natOutgoing": true, "allowedUses": ["LoadBalancer"]"#),
        ] {
            let (key, text) = pool(name, spec);
            put(&key, &text);
        }
        put(
            "/calico/resources/v3/projectcalico.org/bgpconfigurations/default",
            r#"{ "kind": "BGPConfiguration", "apiVersion": "projectcalico.org/v3", "metadata": { "name": "default" },
                 "spec": { "serviceClusterIPs": [{ "cidr": "10.96.0.0/12" }], "serviceExternalIPs": [{ "cidr": "bad" }] } }"#,
        );
        put(
            "/calico/resources/v3/projectcalico.org/nodes/b",
            r#"{ "kind": "Node", "apiVersion": "projectcalico.org/v3", "metadata": { "name": "b" },
                 "spec": { "addresses": [{ "address": "192.0.2.7" }] } }"#,
        );
        let mut settings = FelixSettings::default();
        let text = |settings: &FelixSettings| {
            render(&Program::default(), &Options::default().network(network(&cluster, settings)))
        };
        assert!(!text(&settings).contains("192.0.2.7"));
        settings.nat_excludes_hosts = Some(true);
        let text = text(&settings);
        assert!(text.contains("192.0.2.7"), "{text}");
        for (net, is_there) in
            [("10.1.0.0", true), ("10.2.0.0", true), ("10.3.0.0", false), ("10.96.0.0", true)]
        {
            assert_eq!(text.contains(net), is_there, "{net}\n{text}");
        }
        assert!(text.contains("masquerade"));
    }
}
