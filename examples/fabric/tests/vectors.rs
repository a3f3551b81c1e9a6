//! Cases with a known answer, most of them those of calico@87c15906f2 felix/calc/l3_route_resolver_test.go,
//! felix/dataplane/linux/route_mgr and confd's peer and block processing.
mod kit;

use core::net::IpAddr;

use kit::{affinity, block, endpoint, node, pool, put, shown};
use serde_json::{Value, json};
use tortie_fabric::{Carrier, Change, Cluster, Peer, PeerKind, Report, fabric};
use tortie_routes::Family;

/// Two nodes with both families, one pool of each, one block each; parents known.
fn small() -> Cluster {
    let mut cluster = Cluster::new("a");
    cluster.parents.v4 = Some("eth0".into());
    cluster.parents.v6 = Some("eth0".into());
    node(&mut cluster, "a", Some("192.0.2.1/24"), Some("2001:db8::1/64"));
    node(&mut cluster, "b", Some("192.0.2.2/24"), Some("2001:db8::2/64"));
    pool(&mut cluster, "v4", &json!({"cidr": "10.0.0.0/16"}));
    pool(&mut cluster, "v6", &json!({"cidr": "fd00::/64"}));
    block(&mut cluster, "10.0.0.0/26", Some("host:a"), &[("10.0.0.1", Some("a"))]);
    block(&mut cluster, "10.0.1.0/26", Some("host:b"), &[]);
    block(&mut cluster, "fd00::/122", Some("host:a"), &[]);
    block(&mut cluster, "fd00::100/122", Some("host:b"), &[]);
    for cidr in ["10.0.0.0/26", "fd00::/122"] {
        affinity(&mut cluster, "a", cidr, "confirmed");
    }
    endpoint(&mut cluster, "a", "pod", "cali1", &["10.0.0.1/32", "fd00::1/128"]);
    cluster
}

fn advertised(cluster: &Cluster) -> Vec<String> {
    fabric(cluster).advertisements.iter().map(ToString::to_string).collect()
}

#[test]
fn every_kind_of_route() {
    let fabric = fabric(&small());
    let want = [
        "blackhole 10.0.0.0/26 proto 80",
        "10.0.0.1/32 dev cali1 proto boot scope link metric 1024",
        "10.0.1.0/26 via 192.0.2.2 dev eth0 proto 80 onlink",
        "blackhole fd00::/122 proto 80",
        "fd00::1/128 dev cali1 proto boot",
        "fd00::100/122 via 2001:db8::2 dev eth0 proto 80 onlink",
    ];
    assert_eq!(shown(&fabric), want);
    assert_eq!(fabric.reports, []);
    let metrics: Vec<_> = fabric.routes.iter().map(|route| route.metric).collect();
    assert_eq!(metrics, [0, 1024, 0, 1024, 1024, 1024]);
}

#[test]
fn metric_of_local_routes_is_configurable() {
    let mut cluster = small();
    let spec = json!({"ipv4NormalRoutePriority": 7, "ipv6NormalRoutePriority": 8});
    put(&mut cluster, "BGPConfiguration", "bgpconfigurations/default", &spec);
    let routes = shown(&fabric(&cluster));
    assert!(
        routes.contains(&"10.0.0.1/32 dev cali1 proto boot scope link metric 7".to_owned()),
        "{routes:?}"
    );
    assert!(routes.contains(&"fd00::1/128 dev cali1 proto boot metric 8".to_owned()), "{routes:?}");
}

#[test]
fn block_node_and_pool_in_any_order_give_the_same() {
    let node_spec = json!({"bgp": {"ipv4Address": "192.0.2.2/24"}});
    let (block_key, block_record) = kit::block_record("10.0.1.0/26", Some("host:b"), &[]);
    let records = [
        kit::resource("Node", "nodes/b", &node_spec),
        kit::resource("IPPool", "ippools/v4", &json!({"cidr": "10.0.0.0/16"})),
        (block_key, block_record),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut cluster = Cluster::new("a");
        cluster.parents.v4 = Some("eth0".into());
        node(&mut cluster, "a", Some("192.0.2.1/24"), None);
        for index in order {
            let (key, record): &(String, Value) = &records[index];
            assert_eq!(cluster.put(key, record.to_string().as_bytes()).unwrap(), Change::Changed);
            assert_eq!(cluster.put(key, record.to_string().as_bytes()).unwrap(), Change::Unchanged);
        }
        assert_eq!(
            shown(&fabric(&cluster)),
            ["10.0.1.0/26 via 192.0.2.2 dev eth0 proto 80 onlink"],
            "{order:?}"
        );
        for index in order {
            assert_eq!(cluster.remove(&records[index].0), Change::Changed);
            assert_eq!(cluster.remove(&records[index].0), Change::Unchanged);
        }
        assert_eq!(fabric(&cluster).routes, [], "{order:?}");
    }
}

#[test]
fn borrowed_addresses_have_routes_of_their_own_everywhere() {
    // Node c borrowed from a's and from b's block, a from b's.
    let with_loans = |name: &str| {
        let mut cluster = small();
        cluster.node = name.into();
        node(&mut cluster, "c", Some("192.0.2.3/24"), None);
        block(
            &mut cluster,
            "10.0.0.0/26",
            Some("host:a"),
            &[("10.0.0.1", Some("a")), ("10.0.0.2", Some("c"))],
        );
        block(
            &mut cluster,
            "10.0.1.0/26",
            Some("host:b"),
            &[("10.0.1.1", Some("a")), ("10.0.1.2", Some("c"))],
        );
        endpoint(&mut cluster, "a", "pod-2", "cali2", &["10.0.1.1/32"]);
        endpoint(&mut cluster, "c", "pod-3", "cali3", &["10.0.0.2/32"]);
        endpoint(&mut cluster, "c", "pod-4", "cali4", &["10.0.1.2/32"]);
        cluster
    };
    let v4 = |cluster: &Cluster| -> Vec<String> {
        shown(&fabric(cluster)).into_iter().filter(|route| !route.contains("fd00")).collect()
    };
    let want = [
        "blackhole 10.0.0.0/26 proto 80",
        "10.0.0.1/32 dev cali1 proto boot scope link metric 1024",
        "10.0.0.2/32 via 192.0.2.3 dev eth0 proto 80 onlink",
        "10.0.1.0/26 via 192.0.2.2 dev eth0 proto 80 onlink",
        "10.0.1.1/32 dev cali2 proto boot scope link metric 1024",
        "10.0.1.2/32 via 192.0.2.3 dev eth0 proto 80 onlink",
    ];
    assert_eq!(v4(&with_loans("a")), want);
    let want = [
        "10.0.0.0/26 via 192.0.2.1 dev eth0 proto 80 onlink",
        "10.0.0.2/32 via 192.0.2.3 dev eth0 proto 80 onlink",
        "blackhole 10.0.1.0/26 proto 80",
        "10.0.1.1/32 via 192.0.2.1 dev eth0 proto 80 onlink",
        "10.0.1.2/32 via 192.0.2.3 dev eth0 proto 80 onlink",
    ];
    assert_eq!(v4(&with_loans("b")), want);
    let want = [
        "10.0.0.0/26 via 192.0.2.1 dev eth0 proto 80 onlink",
        "10.0.0.2/32 dev cali3 proto boot scope link metric 1024",
        "10.0.1.0/26 via 192.0.2.2 dev eth0 proto 80 onlink",
        "10.0.1.1/32 via 192.0.2.1 dev eth0 proto 80 onlink",
        "10.0.1.2/32 dev cali4 proto boot scope link metric 1024",
    ];
    assert_eq!(v4(&with_loans("c")), want);
    // What a node borrowed it advertises by itself; what is in its own block, or another's, it does not.
    assert_eq!(advertised(&with_loans("a")), ["10.0.0.0/26", "10.0.1.1/32", "fd00::/122"]);
    assert_eq!(advertised(&with_loans("c")), ["10.0.0.2/32", "10.0.1.2/32"]);
}

#[test]
fn an_allocation_without_a_node_gives_no_route() {
    let mut cluster = small();
    block(&mut cluster, "10.0.1.0/26", Some("host:b"), &[("10.0.1.1", None), ("10.0.1.2", Some(""))]);
    block(&mut cluster, "10.0.2.0/26", None, &[("10.0.2.1", None), ("10.0.2.2", Some("b"))]);
    let routes = shown(&fabric(&cluster));
    assert!(
        !routes.iter().any(|route| route.starts_with("10.0.1.1") || route.starts_with("10.0.1.2")),
        "{routes:?}"
    );
    // A block without owner has no route, but what was allocated from it has.
    assert!(routes.contains(&"10.0.2.2/32 via 192.0.2.2 dev eth0 proto 80 onlink".to_owned()), "{routes:?}");
    assert!(
        !routes.iter().any(|route| route.contains("10.0.2.0/26") || route.contains("10.0.2.1/32")),
        "{routes:?}"
    );
}

#[test]
fn blocks_of_one_address_have_no_blackhole() {
    let mut cluster = small();
    block(&mut cluster, "10.0.3.1/32", Some("host:a"), &[("10.0.3.1", Some("a"))]);
    block(&mut cluster, "10.0.3.2/32", Some("host:a"), &[("10.0.3.2", Some("b"))]);
    block(&mut cluster, "10.0.3.3/32", Some("host:b"), &[]);
    for cidr in ["10.0.3.1/32", "10.0.3.2/32"] {
        affinity(&mut cluster, "a", cidr, "confirmed");
    }
    let routes = || -> Vec<String> { shown(&fabric(&cluster)) };
    let singles: Vec<_> = routes().into_iter().filter(|route| route.contains("10.0.3.")).collect();
    let want = [
        // Its owner lent it out.
        "10.0.3.2/32 via 192.0.2.2 dev eth0 proto 80 onlink",
        "10.0.3.3/32 via 192.0.2.2 dev eth0 proto 80 onlink",
    ];
    assert_eq!(singles, want);
    // It is advertised while a workload has it.
    assert!(!advertised(&cluster).contains(&"10.0.3.1/32".to_owned()));
    endpoint(&mut cluster, "a", "single", "cali9", &["10.0.3.1/32"]);
    assert!(advertised(&cluster).contains(&"10.0.3.1/32".to_owned()));
}

#[test]
fn a_nodes_own_address_is_left_to_the_kernel() {
    let mut cluster = small();
    // b's second address was allocated by b from a's block; its first one lies in a pool.
    let spec = json!({"bgp": {"ipv4Address": "10.0.9.9/24"}, "addresses": [{"address": "10.0.0.7"}]});
    put(&mut cluster, "Node", "nodes/b", &spec);
    block(&mut cluster, "10.0.0.0/26", Some("host:a"), &[("10.0.0.7", Some("b"))]);
    block(&mut cluster, "10.0.9.9/32", Some("host:b"), &[]);
    let routes = shown(&fabric(&cluster));
    assert!(
        !routes.iter().any(|route| route.contains("10.0.0.7") || route.starts_with("10.0.9.9")),
        "{routes:?}"
    );
    assert!(routes.contains(&"10.0.1.0/26 via 10.0.9.9 dev eth0 proto 80 onlink".to_owned()), "{routes:?}");
}

#[test]
fn the_unspecified_address_is_never_a_destination() {
    let mut cluster = small();
    pool(&mut cluster, "zero", &json!({"cidr": "0.0.0.0/24", "blockSize": 32}));
    block(&mut cluster, "0.0.0.0/32", Some("host:b"), &[]);
    endpoint(&mut cluster, "a", "zero", "cali7", &["0.0.0.0/32", "::/128"]);
    let fabric = fabric(&cluster);
    assert!(!fabric.routes.iter().any(|route| route.destination.addr().is_unspecified()));
    assert!(!fabric.advertisements.iter().any(|prefix| prefix.addr().is_unspecified()));
}

#[test]
fn encapsulated_pools_give_no_remote_route_and_a_report() {
    for (spec, carrier, words) in [
        (json!({"cidr": "10.0.0.0/16", "vxlanMode": "Always"}), Carrier::Vxlan, "VXLAN"),
        (json!({"cidr": "10.0.0.0/16", "vxlanMode": "CrossSubnet"}), Carrier::Vxlan, "VXLAN"),
        (json!({"cidr": "10.0.0.0/16", "ipipMode": "Always"}), Carrier::IpInIp, "IP-in-IP"),
    ] {
        let mut cluster = small();
        pool(&mut cluster, "v4", &spec);
        let fabric = fabric(&cluster);
        assert_eq!(fabric.reports, [Report::CarrierAbsent { pool: "v4".into(), carrier }]);
        let text = fabric.reports[0].to_string();
        assert!(text.contains("pool v4") && text.contains(words), "{text}");
        assert!(!shown(&fabric).iter().any(|route| route.starts_with("10.0.1.0/26")));
        // What stays on this host needs no carrier.
        assert!(shown(&fabric).iter().any(|route| route.starts_with("10.0.0.1/32")));
    }
}

#[test]
fn the_longest_pool_decides_and_load_balancer_pools_say_nothing() {
    let mut cluster = small();
    pool(&mut cluster, "inner", &json!({"cidr": "10.0.1.0/24", "vxlanMode": "Always"}));
    assert!(!shown(&fabric(&cluster)).iter().any(|route| route.starts_with("10.0.1.0/26")));
    pool(&mut cluster, "inner", &json!({"cidr": "10.0.1.0/24", "allowedUses": ["LoadBalancer"]}));
    assert!(shown(&fabric(&cluster)).iter().any(|route| route.starts_with("10.0.1.0/26")));
    // Disabled pools still carry what was allocated from them.
    pool(&mut cluster, "v4", &json!({"cidr": "10.0.0.0/16", "disabled": true}));
    assert!(shown(&fabric(&cluster)).iter().any(|route| route.starts_with("10.0.1.0/26")));
}

#[test]
fn what_stands_in_the_way_of_a_route_is_reported() {
    let mut cluster = small();
    cluster.parents.v6 = None;
    node(&mut cluster, "b", Some("192.0.2.1/24"), Some("2001:db8::2/64"));
    node(&mut cluster, "c", None, Some("2001:db8::3/64"));
    block(&mut cluster, "10.0.2.0/26", Some("host:c"), &[]);
    block(&mut cluster, "10.0.3.0/26", Some("host:gone"), &[]);
    block(&mut cluster, "10.9.0.0/26", Some("host:b"), &[]);
    endpoint(&mut cluster, "a", "second", "cali2", &["10.0.0.1/32", "10.0.0.128/25"]);
    endpoint(&mut cluster, "a", "third", "", &["10.0.0.3/32"]);
    let address = IpAddr::from([192, 0, 2, 1]);
    let want = [
        Report::NodeUnknown { node: "gone".into() },
        Report::NodeWithoutAddress { node: "c".into(), family: Family::V4 },
        Report::NodeAddressShared { node: "b".into(), address },
        Report::ParentUnknown { family: Family::V6 },
        Report::BlockOutsidePools { block: "10.9.0.0/26".parse().unwrap() },
        Report::AddressShared { address: IpAddr::from([10, 0, 0, 1]), endpoint: "ns/second".into() },
        Report::NetworkNotAddress { network: "10.0.0.128/25".parse().unwrap(), endpoint: "ns/second".into() },
        Report::InterfaceMissing { endpoint: "ns/third".into() },
    ];
    let fabric = fabric(&cluster);
    assert_eq!(fabric.reports, want);
    let local = ["blackhole 10.0.0.0/26 proto 80", "10.0.0.1/32 dev cali1 proto boot scope link metric 1024"];
    assert_eq!(shown(&fabric)[..2], local);
    assert!(fabric.routes.iter().all(|route| route.next_hop.as_ref().is_none_or(|hop| hop.via.is_none())));
}

#[test]
fn an_unknown_local_node_speaks_no_bgp_and_says_so() {
    let mut cluster = small();
    cluster.remove(&format!("{}nodes/a", kit::RESOURCES));
    let fabric = fabric(&cluster);
    assert_eq!(fabric.reports, [Report::NodeUnknown { node: "a".into() }]);
    assert_eq!((fabric.peers.len(), fabric.speaker.router_id), (0, None));
}

#[test]
fn a_malformed_record_leaves_the_last_good_one() {
    let mut cluster = small();
    let before = shown(&fabric(&cluster));
    let key = format!("{}ippools/v4", kit::RESOURCES);
    let wrong = json!({"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": "v4"},
        "spec": {"cidr": "10.0.0.0/99"}});
    let error = cluster.put(&key, wrong.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains(&key), "{error}");
    let block_key = "/calico/ipam/v2/assignment/ipv4/block/10.0.1.0-26";
    assert!(cluster.put(block_key, b"{").is_err());
    assert!(cluster.put(block_key, br#"{"cidr":"10.0.2.0/26","affinity":"host:a"}"#).is_err());
    assert!(cluster.put("/calico/ipam/v2/host/a/ipv4/block/10.0.0.0-26", b"{").is_err());
    assert_eq!(shown(&fabric(&cluster)), before);
    assert_eq!(cluster.put("/calico/ipam/v2/config", b"{").unwrap(), Change::Unchanged);
    // A block marked as deleted is gone, whatever else it says.
    let (_, mut deleted) = kit::block_record("10.0.1.0/26", Some("host:b"), &[]);
    deleted["deleted"] = json!(true);
    assert_eq!(cluster.put(block_key, deleted.to_string().as_bytes()).unwrap(), Change::Changed);
    assert!(!cluster.blocks.contains_key(&"10.0.1.0/26".parse().unwrap()));
}

#[test]
fn only_confirmed_blocks_are_advertised() {
    for (state, confirmed) in
        [("pending", false), ("pendingDeletion", false), ("later", false), ("confirmed", true), ("", true)]
    {
        let mut cluster = small();
        affinity(&mut cluster, "a", "10.0.0.0/26", state);
        let advertised = advertised(&cluster);
        assert_eq!(advertised.contains(&"10.0.0.0/26".to_owned()), confirmed, "{state}: {advertised:?}");
        // Until the block is, its workloads are advertised one by one.
        assert_eq!(advertised.contains(&"10.0.0.1/32".to_owned()), !confirmed, "{state}: {advertised:?}");
    }
    // Another node's affinity is none of ours, and a block that is another's is not ours for being confirmed.
    let mut cluster = small();
    affinity(&mut cluster, "b", "10.0.1.0/26", "confirmed");
    affinity(&mut cluster, "a", "10.0.1.0/26", "confirmed");
    assert!(!advertised(&cluster).contains(&"10.0.1.0/26".to_owned()));
}

#[test]
fn pools_can_be_kept_from_peers() {
    let mut cluster = small();
    pool(&mut cluster, "v4", &json!({"cidr": "10.0.0.0/16", "disableBGPExport": true}));
    assert_eq!(advertised(&cluster), ["fd00::/122"]);
    // Also by a pool around, or within.
    let mut cluster = small();
    pool(&mut cluster, "outer", &json!({"cidr": "10.0.0.0/8", "disableBGPExport": true}));
    assert_eq!(advertised(&cluster), ["fd00::/122"]);
}

#[test]
fn addresses_outside_all_pools_are_not_advertised() {
    let mut cluster = small();
    endpoint(&mut cluster, "a", "outside", "cali5", &["172.16.0.1/32"]);
    assert_eq!(advertised(&cluster), ["10.0.0.0/26", "fd00::/122"]);
}

fn sessions(cluster: &Cluster) -> Vec<(String, u16, u32, u32, bool)> {
    let line = |peer: &Peer| (peer.name.clone(), peer.port, peer.remote_as, peer.local_as, peer.passive);
    fabric(cluster).peers.iter().map(line).collect()
}

fn peer(cluster: &mut Cluster, name: &str, spec: &Value) {
    put(cluster, "BGPPeer", &format!("bgppeers/{name}"), spec);
}

#[test]
fn the_mesh_has_both_families_and_one_end_waits() {
    let cluster = small();
    let want = [
        ("Mesh_192_0_2_2".to_owned(), 179, 64512, 64512, true),
        ("Mesh_2001_db8__2".to_owned(), 179, 64512, 64512, true),
    ];
    assert_eq!(sessions(&cluster), want);
    let mut other = cluster;
    other.node = "b".into();
    assert!(sessions(&other).iter().all(|session| !session.4));
    // As text, 192.0.2.10 comes before 192.0.2.2.
    let mut cluster = Cluster::new("a");
    node(&mut cluster, "a", Some("192.0.2.10/24"), None);
    node(&mut cluster, "b", Some("192.0.2.2/24"), None);
    assert!(sessions(&cluster)[0].4);
}

#[test]
fn the_mesh_can_be_off_and_reflectors_are_not_in_it() {
    let mut cluster = small();
    let spec = json!({"bgp": {"ipv4Address": "192.0.2.9/24", "routeReflectorClusterID": "1.0.0.1"}});
    put(&mut cluster, "Node", "nodes/r", &spec);
    assert_eq!(sessions(&cluster).len(), 2);
    let mut reflector = cluster.clone();
    reflector.node = "r".into();
    assert_eq!(sessions(&reflector), []);
    put(
        &mut cluster,
        "BGPConfiguration",
        "bgpconfigurations/default",
        &json!({"nodeToNodeMeshEnabled": false}),
    );
    assert_eq!(sessions(&cluster), []);
}

#[test]
fn as_numbers_and_ports() {
    let mut cluster = small();
    let spec = json!({"asNumber": "1.10", "listenPort": 1790});
    put(&mut cluster, "BGPConfiguration", "bgpconfigurations/default", &spec);
    put(&mut cluster, "BGPConfiguration", "bgpconfigurations/node.b", &json!({"listenPort": 1791}));
    assert_eq!(sessions(&cluster)[0], ("Mesh_192_0_2_2".to_owned(), 1791, 65_546, 65_546, true));
    let own = json!({"bgp": {"ipv4Address": "192.0.2.2/24", "asNumber": 64_999}});
    put(&mut cluster, "Node", "nodes/b", &own);
    assert_eq!(sessions(&cluster)[0], ("Mesh_192_0_2_2".to_owned(), 1791, 64_999, 65_546, true));
    // And b expects of a what a says of itself: the cluster's AS, not b's own.
    cluster.node = "b".into();
    assert_eq!(sessions(&cluster)[0], ("Mesh_192_0_2_1".to_owned(), 1790, 65_546, 64_999, false));
    assert_eq!(fabric(&cluster).speaker.listen_port, 1791);
}

#[test]
fn objects_name_peers_for_all_nodes_or_some() {
    let mut cluster = small();
    let mut labelled = cluster.nodes["a"].clone();
    labelled.metadata.labels.insert("rack".into(), "1".into());
    cluster.nodes.insert("a".into(), labelled);
    peer(&mut cluster, "all", &json!({"peerIP": "192.0.2.200", "asNumber": 64_600}));
    peer(&mut cluster, "here", &json!({"node": "a", "peerIP": "192.0.2.201:1790", "asNumber": "0.64601"}));
    peer(
        &mut cluster,
        "rack",
        &json!({"nodeSelector": "rack == '1'", "peerIP": "[2001:db8::c9]:1790", "asNumber": 64_602}),
    );
    peer(&mut cluster, "elsewhere", &json!({"node": "b", "peerIP": "192.0.2.203", "asNumber": 64_603}));
    peer(
        &mut cluster,
        "unselected",
        &json!({"nodeSelector": "rack == '2'", "peerIP": "192.0.2.204", "asNumber": 64_604}),
    );
    peer(&mut cluster, "self", &json!({"peerIP": "192.0.2.1", "asNumber": 64_512}));
    let want = [
        ("Global_192_0_2_200".to_owned(), 179, 64_600, 64_512, false),
        ("Mesh_192_0_2_2".to_owned(), 179, 64_512, 64_512, true),
        ("Mesh_2001_db8__2".to_owned(), 179, 64_512, 64_512, true),
        ("Node_192_0_2_201_port_1790".to_owned(), 1790, 64_601, 64_512, false),
        ("Node_2001_db8__c9_port_1790".to_owned(), 1790, 64_602, 64_512, false),
    ];
    assert_eq!(sessions(&cluster), want);
    assert_eq!(fabric(&cluster).reports, []);
}

#[test]
fn the_first_object_by_name_wins_and_one_for_all_nodes_before_one_for_this() {
    let mut cluster = small();
    put(
        &mut cluster,
        "BGPConfiguration",
        "bgpconfigurations/default",
        &json!({"nodeToNodeMeshEnabled": false}),
    );
    peer(&mut cluster, "z", &json!({"peerIP": "192.0.2.200", "asNumber": 1}));
    peer(&mut cluster, "y", &json!({"peerIP": "192.0.2.200", "asNumber": 2}));
    peer(&mut cluster, "a", &json!({"node": "a", "peerIP": "192.0.2.200", "asNumber": 3}));
    peer(&mut cluster, "b", &json!({"node": "a", "peerIP": "192.0.2.200:1790", "asNumber": 4}));
    let want = [
        ("Global_192_0_2_200".to_owned(), 179, 2, 64_512, false),
        ("Node_192_0_2_200_port_1790".to_owned(), 1790, 4, 64_512, false),
    ];
    assert_eq!(sessions(&cluster), want);
}

#[test]
fn an_object_that_names_a_node_replaces_its_mesh_session() {
    let mut cluster = small();
    put(&mut cluster, "BGPConfiguration", "bgpconfigurations/node.b", &json!({"listenPort": 1791}));
    peer(&mut cluster, "b", &json!({"peerIP": "192.0.2.2", "asNumber": 64_512}));
    // The port is the node's, and the end that waits is the mesh's.
    let sessions = sessions(&cluster);
    assert_eq!(sessions[0], ("Global_192_0_2_2".to_owned(), 1791, 64_512, 64_512, true));
    assert_eq!(sessions.len(), 2);
    assert_eq!(fabric(&cluster).peers[1].kind, PeerKind::Mesh);
    assert!(fabric(&cluster).peers.iter().all(Peer::is_internal));
}

#[test]
fn local_as_and_source_address() {
    let mut cluster = small();
    let spec = json!({"peerIP": "192.0.2.200", "asNumber": 64_600, "localASNumber": "64700", "sourceAddress": "None"});
    peer(&mut cluster, "all", &spec);
    let fabric = fabric(&cluster);
    assert_eq!((fabric.peers[0].local_as, fabric.peers[0].source), (64_700, None));
    assert_eq!(fabric.peers[1].source, Some(IpAddr::from([192, 0, 2, 1])));
}

#[test]
fn a_peer_that_asks_for_more_than_is_built_is_left_out() {
    let base = json!({"peerIP": "192.0.2.200", "asNumber": 64_600});
    for (field, value, reason) in [
        ("password", json!({"secretKeyRef": {"name": "s", "key": "k"}}), "spec.password is not built"),
        ("filters", json!(["f"]), "spec.filters is not built"),
        ("ttlSecurity", json!(1), "spec.ttlSecurity is not built"),
        ("reachableBy", json!("192.0.2.254"), "spec.reachableBy is not built"),
        ("localWorkloadSelector", json!("all()"), "spec.localWorkloadSelector is not built"),
        ("localASNumber", json!("x"), "spec.localASNumber"),
        ("peerSelector", json!("all()"), "spec.peerSelector is not built"),
        ("peerIP", Value::Null, "spec.peerIP is missing"),
        ("nodeSelector", json!("rack =="), "spec.nodeSelector"),
    ] {
        let mut cluster = small();
        let mut spec = base.clone();
        spec[field] = value;
        peer(&mut cluster, "p", &spec);
        let fabric = fabric(&cluster);
        assert_eq!(fabric.peers.len(), 2, "{field}");
        let [Report::PeerLeftOut { peer, reason: said }] = fabric.reports.as_slice() else {
            unreachable!("{field}: {:?}", fabric.reports)
        };
        assert!(peer == "p" && said.contains(reason), "{field}: {said}");
    }
    // Values that ask for nothing are no reason.
    let mut cluster = small();
    let mut spec = base;
    for (field, value) in [("password", Value::Null), ("filters", json!([])), ("ttlSecurity", json!(0))] {
        spec[field] = value;
    }
    peer(&mut cluster, "p", &spec);
    assert_eq!(fabric(&cluster).peers.len(), 3);
}

#[test]
fn a_mesh_with_a_password_is_left_out() {
    let mut cluster = small();
    let spec = json!({"nodeMeshPassword": {"secretKeyRef": {"name": "s", "key": "k"}}});
    put(&mut cluster, "BGPConfiguration", "bgpconfigurations/default", &spec);
    let fabric = fabric(&cluster);
    assert_eq!(fabric.peers, []);
    assert!(matches!(fabric.reports.as_slice(), [Report::MeshLeftOut { .. }]));
}

#[test]
fn a_family_that_the_node_has_no_address_of_is_not_spoken() {
    let mut cluster = small();
    node(&mut cluster, "a", None, Some("2001:db8::1/64"));
    peer(&mut cluster, "p", &json!({"peerIP": "192.0.2.200", "asNumber": 64_600}));
    let fabric = fabric(&cluster);
    assert_eq!(fabric.peers.len(), 1);
    assert_eq!(fabric.speaker.router_id, None);
    assert!(matches!(fabric.reports.as_slice(), [Report::PeerLeftOut { .. }]), "{:?}", fabric.reports);
}

#[test]
fn addresses_beside_bgp_count_where_bgp_has_none() {
    let mut cluster = small();
    let spec = json!({"addresses": [{"address": "192.0.2.7", "type": "ExternalIP"},
        {"address": "192.0.2.6/24", "type": "InternalIP"}, {"address": "192.0.2.5", "type": "Hostname"}]});
    put(&mut cluster, "Node", "nodes/b", &spec);
    let routes = shown(&fabric(&cluster));
    assert!(routes.contains(&"10.0.1.0/26 via 192.0.2.6 dev eth0 proto 80 onlink".to_owned()), "{routes:?}");
}

#[test]
fn every_report_reads_as_a_line() {
    for report in fabric(&small())
        .reports
        .iter()
        .chain(&[Report::NodeUnknown { node: "n".into() }, Report::MeshLeftOut { reason: "r".into() }])
    {
        let text = report.to_string();
        assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
    }
}
