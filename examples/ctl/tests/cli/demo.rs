//! The demo's manifests and pods, and what policy makes of them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use serde::Deserialize;
use tortie_datastore::client;
use tortie_datastore::convert::PolicyState;
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_policy::{Flow, Transport, Verdict, evaluate};

use crate::{Shop, block_on, manifests};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pod {
    name: String,
    namespace: String,
    node: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pools: Vec<String>,
}

/// Nine pods, with addresses as they could get them.
fn pods() -> Vec<(Pod, Ipv4Addr, Ipv6Addr)> {
    let text = std::fs::read_to_string(manifests().join("../pods.json")).unwrap();
    let pods: Vec<Pod> = serde_json::from_str(&text).unwrap();
    let numbered = pods.into_iter().zip(0_u8..);
    let place = |(pod, number): (Pod, u8)| {
        let block = number / 3 * 64 + number;
        let v4 = if pod.pools.is_empty() {
            Ipv4Addr::new(10, 77, 0, block)
        } else {
            Ipv4Addr::new(10, 78, 0, number / 3 + 1)
        };
        (pod, v4, Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, block.into()))
    };
    numbered.map(place).collect()
}

fn add_endpoints(shop: &Shop) {
    let store = shop.store();
    for (pod, v4, v6) in pods() {
        let spec = WorkloadEndpointSpec {
            orchestrator: "cni".to_owned(),
            node: pod.node.clone(),
            container_id: format!("{}x", pod.name),
            pod: pod.name.clone(),
            endpoint: "eth0".to_owned(),
            interface_name: format!("cali{}", pod.name),
            profiles: vec![format!("kns.{}", pod.namespace)],
            ip_networks: vec![IpAddr::from(v4).into(), IpAddr::from(v6).into()],
            ..WorkloadEndpointSpec::default()
        };
        let mut object = Resource::namespaced(&pod.namespace, spec.name().unwrap(), spec);
        object.metadata.labels = pod.labels;
        block_on(client::create(&store, object)).unwrap();
    }
}

/// One line for each source: over IPv4 TCP, UDP, ping, then the same over IPv6, to each pod; `+` or `.`.
fn matrix(shop: &Shop) -> Vec<String> {
    let (state, faults, _) = block_on(PolicyState::load(&shop.store())).unwrap();
    assert_eq!(faults, []);
    let tcp = Transport::Tcp { source_port: 40000, destination_port: 8080 };
    let udp = Transport::Udp { source_port: 40000, destination_port: 8080 };
    let pods = pods();
    let line = |(from, from4, from6): &(Pod, Ipv4Addr, Ipv6Addr)| {
        let cell = |source: IpAddr, destination: IpAddr, transport: Transport| {
            let evaluation = evaluate(state.inputs(), &Flow::new(source, destination, transport));
            assert!(source == destination || evaluation.trace.ends.len() == 2);
            match evaluation.verdict {
                Verdict::Allow => '+',
                Verdict::Deny => '.',
            }
        };
        let mut text = format!("{:<9}", from.name);
        for (transport4, transport6) in [
            (tcp, tcp),
            (udp, udp),
            (Transport::Icmp { kind: 8, code: 0 }, Transport::Icmp { kind: 128, code: 0 }),
        ] {
            text.push(' ');
            text.extend(pods.iter().map(|to| cell((*from4).into(), to.1.into(), transport4)));
            text.push('/');
            text.extend(pods.iter().map(|to| cell((*from6).into(), to.2.into(), transport6)));
        }
        text
    };
    pods.iter().map(line).collect()
}

#[test]
fn before_policies_everything_is_open_and_after_them_the_matrix_is_this() {
    let shop = Shop::new();
    let folder = manifests();
    shop.run(&["apply", "-f", folder.to_str().unwrap()]).good();
    add_endpoints(&shop);
    assert!(matrix(&shop).iter().all(|line| !line[9..].contains('.')));
    shop.run(&["apply", "-f", folder.join("policies").to_str().unwrap()]).good();
    // To: web-1 api-1 db-1 web-2 api-2 db-2 web-3 batch-3 monitor-3.
    let want = [
        //         TCP v4    v6        UDP v4    v6        ping v4   v6
        "web-1     ++.++.++./++.++.++. +..+..++./+..+..+.. +++++++++/+++++++++",
        "api-1     +.++.++++/+.++.++++ +..+..++./+..+..+.. +++++++++/+++++++++",
        "db-1      ..+..+..+/+.++.++.+ ..+..+..+/..+..+..+ .++.++.++/+++++++++",
        "web-2     ++.++.++./++.++.++. ++.++.++./++.++.+.. +++++++++/+++++++++",
        "api-2     +.++.++++/+.++.++++ ++.++.++./++.++.+.. +++++++++/+++++++++",
        "db-2      ..+..+..+/+.++.++.+ ..+..+..+/..+..+..+ .++.++.++/+++++++++",
        "web-3     ++.++.++./++.++.++. +..+..++./+..+..+.. +++++++++/+++++++++",
        "batch-3   +..+..++./+..+..++. +..+..++./+..+..+.. +..+..++./+..+..++.",
        "monitor-3 ..+..+..+/+.++.++.+ ..+..+..+/..+..+..+ .++.++.++/+++++++++",
    ];
    assert_eq!(matrix(&shop), want);
}

#[test]
fn explain_names_the_rule() {
    let shop = Shop::new();
    shop.run(&["apply", "-R", "-f", manifests().to_str().unwrap()]).good();
    add_endpoints(&shop);
    let explain = |arguments: &[&str]| {
        let mut all = vec!["policy", "explain"];
        all.extend(arguments);
        shop.run(&all)
    };
    let said =
        explain(&["--from", "red/batch-3", "--to", "blue/db-1", "--protocol", "tcp", "--port", "8080"])
            .good();
    assert_eq!(said.matches("deny: tcp ").count(), 2, "both families: {said}");
    assert!(
        said.contains(
            "ingress of blue/node--1-cni-db--1x-eth0: deny, by GlobalNetworkPolicy no-batch ingress[0]"
        ),
        "{said}"
    );
    let said = explain(&["--from", "red/web-1", "--to", "red/api-1", "--port", "8080"]).good();
    assert!(said.contains("allow, by NetworkPolicy red/api ingress[0]"), "{said}");
    let said = explain(&["--from", "192.0.2.1", "--to", "red/api-1", "--protocol", "icmp"]).good();
    assert!(
        said.starts_with("allow: icmp type 8 code 0 192.0.2.1 -> ") && said.contains("allow-ping ingress[0]"),
        "{said}"
    );
    let said = explain(&["--from", "blue/db-1", "--to", "red/web-1", "--port", "8080"]).good();
    assert!(
        said.contains("deny, by GlobalNetworkPolicy fronts ingress[0]")
            && said.contains("\nallow: tcp [fd77::"),
        "{said}"
    );
    assert!(
        said.contains(
            "with staged policies enforced: deny, by StagedGlobalNetworkPolicy close-fronts ingress[0]"
        ) && said.contains("| StagedGlobalNetworkPolicy close-fronts (order 1)"),
        "{said}"
    );
    let said = explain(&["--from", "blue/monitor-3", "--to", "red/web-1", "--port", "8080"]).good();
    assert!(
        said.matches("deny, by GlobalNetworkPolicy guard.no-monitor ingress[0]").count() == 2
            && said.contains("tier guard (order 100)"),
        "{said}"
    );
    for (arguments, why) in [
        (&["--from", "red/nobody", "--to", "red/api-1", "--port", "1"][..], "no endpoint of a pod nobody"),
        (&["--from", "web-1", "--to", "red/api-1", "--port", "1"], "neither an address nor"),
        (&["--from", "red/web-1", "--to", "red/api-1"], "tcp needs --port"),
        (&["--from", "red/web-1", "--to", "red/api-1", "--protocol", "x"], "`x` is no protocol"),
        (&["--from", "10.0.0.1", "--to", "::1", "--port", "1"], "no address family in common"),
    ] {
        let err = explain(arguments).bad();
        assert!(err.contains(why), "{err}");
    }
}
