//! Decoding with paths, unknown fields, the rules of each kind.

use tortie_datastore::resource::{
    BgpConfigurationSpec, BgpPeerSpec, ClusterInformationSpec, FieldError, GlobalNetworkPolicySpec,
    GlobalNetworkSetSpec, IpPoolSpec, Kind, NetworkPolicySpec, NodeSpec, ProfileSpec, Resource,
    WorkloadEndpointSpec, key,
};

use crate::object;

fn decode_error<K: Kind>(spec: &str) -> String {
    let json = format!(
        r#"{{"apiVersion":"projectcalico.org/v3","kind":"{}","metadata":{{"name":"x"}},"spec":{spec}}}"#,
        K::KIND
    );
    Resource::<K>::decode(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_value_that_does_not_fit_is_named_by_its_path() {
    for (got, path, what) in [
        (
            decode_error::<IpPoolSpec>(r#"{"cidr":"10.77.0.0/33"}"#),
            "spec.cidr",
            "prefix length 33 exceeds 32",
        ),
        (decode_error::<IpPoolSpec>(r#"{"cidr":"10.77.0.0"}"#), "spec.cidr", "no `/<length>`"),
        (decode_error::<IpPoolSpec>(r#"{"cidr":7}"#), "spec.cidr", "expected a string"),
        (decode_error::<IpPoolSpec>("{}"), "spec", "missing field `cidr`"),
        (decode_error::<IpPoolSpec>(r#"{"cidr":"10.0.0.0/8","blockSize":300}"#), "spec.blockSize", "u8"),
        (decode_error::<IpPoolSpec>(r#"{"cidr":"10.0.0.0/8","disabled":"no"}"#), "spec.disabled", "boolean"),
        (decode_error::<BgpPeerSpec>(r#"{"asNumber":"1.2.3"}"#), "spec.asNumber", "is not an AS number"),
        (decode_error::<BgpPeerSpec>(r#"{"asNumber":-1}"#), "spec.asNumber", "an AS number"),
        (decode_error::<BgpPeerSpec>(r#"{"peerIP":"host:179"}"#), "spec.peerIP", "is not an address"),
        (decode_error::<BgpConfigurationSpec>(r#"{"listenPort":65536}"#), "spec.listenPort", "u16"),
        (
            decode_error::<NodeSpec>(r#"{"bgp":{"ipv4Address":"1.2.3/24"}}"#),
            "spec.bgp.ipv4Address",
            "not an address",
        ),
        (
            decode_error::<NodeSpec>(r#"{"addresses":[{},{}]}"#),
            "spec.addresses[0]",
            "missing field `address`",
        ),
        (
            decode_error::<WorkloadEndpointSpec>(r#"{"ipNetworks":["10.0.0.1","x"]}"#),
            "spec.ipNetworks[1]",
            "not an address",
        ),
        (
            decode_error::<NetworkPolicySpec>(r#"{"ingress":[{"action":7}]}"#),
            "spec.ingress[0].action",
            "string",
        ),
        (decode_error::<GlobalNetworkSetSpec>(r#"{"nets":"10.0.0.0/8"}"#), "spec.nets", "sequence"),
    ] {
        assert!(got.starts_with(&format!("{path}: ")) && got.contains(what), "{path}, {what}: {got}");
    }
}

#[test]
fn other_kinds_and_other_versions_are_refused() {
    let decode = |json: &str| Resource::<IpPoolSpec>::decode(json.as_bytes()).unwrap_err().to_string();
    let rest = r#""metadata":{"name":"x"},"spec":{"cidr":"10.0.0.0/8"}}"#;
    let got = decode(&format!(r#"{{"apiVersion":"projectcalico.org/v4","kind":"IPPool",{rest}"#));
    assert_eq!(got, "apiVersion: `projectcalico.org/v4` is not projectcalico.org/v3");
    let got = decode(&format!(r#"{{"apiVersion":"projectcalico.org/v3","kind":"Node",{rest}"#));
    assert_eq!(got, "kind: `Node` is not IPPool");
    for not_json in ["", "{", "[]", "null", "\u{feff}{}"] {
        decode(not_json);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    decode(&deep);
    decode(&format!(r#"{{"apiVersion":"projectcalico.org/v3","status":{deep}}}"#));
}

#[test]
fn unknown_fields_are_named_and_survive() {
    fn check<K: Kind>(spec: &str, want: &[&str]) {
        let object: Resource<K> = object("x", spec);
        let mut got = object.unknown_fields();
        got.sort();
        assert_eq!(got, want, "{}", K::KIND);
        let again: serde_json::Value = serde_json::from_slice(&object.encode().unwrap()).unwrap();
        let wanted: serde_json::Value = serde_json::from_str(spec).unwrap();
        contains(&again["spec"], &wanted, K::KIND);
    }
    /// Whatever was written is still there.
    fn contains(got: &serde_json::Value, want: &serde_json::Value, at: &str) {
        match (got, want) {
            (serde_json::Value::Object(got), serde_json::Value::Object(want)) => {
                for (name, value) in want {
                    contains(got.get(name).unwrap_or_else(|| panic!("{at}.{name} is lost")), value, name);
                }
            }
            (serde_json::Value::Array(got), serde_json::Value::Array(want)) => {
                assert_eq!(got.len(), want.len(), "{at}");
                got.iter().zip(want).for_each(|(got, want)| contains(got, want, at));
            }
            (got, want) => assert_eq!(got, want, "{at}"),
        }
    }
    check::<IpPoolSpec>(r#"{"cidr":"10.0.0.0/8","colour":{"a":[1,null]}}"#, &["spec.colour"]);
    check::<BgpConfigurationSpec>(r#"{"bindMode":"NodeIP","asNumber":1}"#, &["spec.bindMode"]);
    check::<BgpPeerSpec>(r#"{"peerIP":"10.0.0.1","password":{}}"#, &["spec.password"]);
    check::<NodeSpec>(
        r#"{"bgp":{"ipv4Address":"10.0.0.1/24","x":1},"addresses":[{"address":"::1"},{"address":"::2","y":2}],"z":3}"#,
        &["spec.addresses[1].y", "spec.bgp.x", "spec.z"],
    );
    check::<WorkloadEndpointSpec>(
        r#"{"ports":[{"protocol":"TCP","port":1,"x":1}],"ipNATs":[{"internalIP":"10.0.0.1","externalIP":"1.1.1.1","y":1}],
            "qosControls":{"any":"thing"},"z":1}"#,
        &["spec.ipNATs[0].y", "spec.ports[0].x", "spec.z"],
    );
    check::<ClusterInformationSpec>(
        r#"{"clusterGUID":"a1","datastoreReady":true,"calicoVersion":"v3.31"}"#,
        &["spec.calicoVersion"],
    );
    check::<ProfileSpec>(r#"{"x":1,"labelsToApply":{"a":"b"}}"#, &["spec.x"]);
    check::<GlobalNetworkSetSpec>(r#"{"nets":["10.0.0.0/8"],"x":1}"#, &["spec.x"]);
    let rules = r#"{"selector":"all()","ingress":[{"action":"Allow","source":{"nat":1,"nets":["10.0.0.0/8"]},"x":2}]}"#;
    let want = ["spec.ingress[0].source.nat", "spec.ingress[0].x"];
    check::<NetworkPolicySpec>(rules, &want);
    check::<GlobalNetworkPolicySpec>(rules, &want);

    let json = r#"{"apiVersion":"projectcalico.org/v3","kind":"Node","status":{"a":1},
                   "metadata":{"name":"x","generation":7,"resourceVersion":"9"},"spec":{}}"#;
    let node = Resource::<NodeSpec>::decode(json.as_bytes()).unwrap();
    assert_eq!(node.unknown_fields(), ["status", "metadata.generation"]);
    let text = String::from_utf8(node.encode().unwrap()).unwrap();
    assert!(text.contains(r#""generation":7"#) && text.contains(r#""status":{"a":1}"#), "{text}");
    assert!(!text.contains("resourceVersion"), "{text}");
}

/// `path: part of the message` of each fault.
fn faults<K: Kind>(spec: &str) -> Vec<String> {
    object::<K>("x", spec).validate().iter().map(ToString::to_string).collect()
}

#[test]
fn rules_of_pools() {
    // Source: the list of faults in calico@87c15906f2 libcalico-go/lib/validator/v3/validator.go, validateIPPoolSpec.
    for (spec, want) in [
        (r#"{"cidr":"10.77.0.0/16"}"#, ""),
        (r#"{"cidr":"10.77.0.0/26"}"#, ""),
        (r#"{"cidr":"fd00::/116","blockSize":116}"#, ""),
        (r#"{"cidr":"10.77.0.0/28","disabled":true}"#, ""),
        (r#"{"cidr":"10.77.0.0/24","ipipMode":"CrossSubnet","allowedUses":["Tunnel"]}"#, ""),
        (r#"{"cidr":"10.77.0.0/24","namespaceSelector":"team == 'blue'"}"#, ""),
        (r#"{"cidr":"10.77.0.0/24","allowedUses":["LoadBalancer"]}"#, ""),
        (
            r#"{"cidr":"10.77.0.1/16"}"#,
            "spec.cidr: 10.77.0.1/16 has host bits set; did you mean 10.77.0.0/16?",
        ),
        (r#"{"cidr":"169.254.0.0/24"}"#, "spec.cidr: 169.254.0.0/24 overlaps link-local"),
        (r#"{"cidr":"160.0.0.0/4"}"#, "spec.cidr: 160.0.0.0/4 overlaps link-local"),
        (r#"{"cidr":"fe80::/64"}"#, "spec.cidr: fe80::/64 overlaps link-local"),
        (r#"{"cidr":"10.77.0.0/16","blockSize":19}"#, "spec.blockSize: 19 is not between 20 and 32"),
        (r#"{"cidr":"10.77.0.0/16","blockSize":33}"#, "spec.blockSize: 33 is not"),
        (r#"{"cidr":"fd00::/64","blockSize":115}"#, "spec.blockSize: 115 is not between 116 and 128"),
        (r#"{"cidr":"10.77.0.0/27"}"#, "spec.cidr: 10.77.0.0/27 is smaller than one block (/26)"),
        (
            r#"{"cidr":"10.77.0.0/16","ipipMode":"Always","vxlanMode":"Always"}"#,
            "spec.ipipMode: IP-in-IP and VXLAN",
        ),
        (r#"{"cidr":"fd00::/64","ipipMode":"Always"}"#, "spec.ipipMode: IP-in-IP is for IPv4"),
        (
            r#"{"cidr":"10.77.0.0/16","vxlanMode":"Sometimes"}"#,
            "spec.vxlanMode: `Sometimes` is not one of Never, Always",
        ),
        (r#"{"cidr":"10.77.0.0/16","assignmentMode":"x"}"#, "spec.assignmentMode: `x` is not one of"),
        (
            r#"{"cidr":"10.77.0.0/16","allowedUses":["Tunnel","Pod"]}"#,
            "spec.allowedUses[1]: `Pod` is not one of",
        ),
        (
            r#"{"cidr":"10.77.0.0/16","allowedUses":["LoadBalancer","Tunnel"]}"#,
            "spec.allowedUses: LoadBalancer",
        ),
        (
            r#"{"cidr":"10.77.0.0/16","allowedUses":["LoadBalancer"],"vxlanMode":"Always"}"#,
            "spec.allowedUses: LoadBalancer cannot be combined with encapsulation",
        ),
        (
            r#"{"cidr":"10.77.0.0/16","allowedUses":["LoadBalancer"],"disableBGPExport":true}"#,
            "spec.disableBGPExport: must be false",
        ),
        (
            r#"{"cidr":"10.77.0.0/16","allowedUses":["LoadBalancer"],"nodeSelector":"has(a)"}"#,
            "spec.nodeSelector: must be all()",
        ),
        (
            r#"{"cidr":"10.77.0.0/16","allowedUses":["Tunnel"],"namespaceSelector":"has(a)"}"#,
            "spec.namespaceSelector: not allowed",
        ),
        (
            r#"{"cidr":"10.77.0.0/16","nodeSelector":"global()"}"#,
            "spec.nodeSelector: global() is not allowed",
        ),
        (r#"{"cidr":"10.77.0.0/16","nodeSelector":"rack = 'a'"}"#, "spec.nodeSelector: column 6: "),
        (r#"{"cidr":"10.77.0.0/16","namespaceSelector":"a =="}"#, "spec.namespaceSelector: column 5: "),
    ] {
        let got = faults::<IpPoolSpec>(spec);
        match want {
            "" => assert!(got.is_empty(), "{spec}: {got:?}"),
            want => assert!(got.len() == 1 && got[0].starts_with(want), "{spec}: {got:?}"),
        }
    }
}

#[test]
fn immutable_fields_of_pools() {
    let spec = |json: &str| object::<IpPoolSpec>("x", json).spec;
    let old = spec(r#"{"cidr":"10.77.0.0/16"}"#);
    let changes = |json: &str| -> Vec<String> {
        old.validate_change(&spec(json)).iter().map(|error| error.path.clone()).collect()
    };
    assert!(changes(r#"{"cidr":"10.77.0.0/16","blockSize":26,"disabled":true}"#).is_empty());
    assert_eq!(changes(r#"{"cidr":"10.77.0.0/15","blockSize":27}"#), ["spec.cidr", "spec.blockSize"]);
    let balancer = spec(r#"{"cidr":"10.77.0.0/16","allowedUses":["LoadBalancer"]}"#);
    assert_eq!(balancer.validate_change(&old)[0].path, "spec.allowedUses");
}

#[test]
fn rules_of_bgp_and_nodes() {
    fn check<K: Kind>(spec: &str, want: &[&str]) {
        let got = faults::<K>(spec);
        assert_eq!(got.len(), want.len(), "{spec}: {got:?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.starts_with(want), "{spec}: {got}");
        }
    }
    check::<BgpPeerSpec>(r#"{"peerIP":"172.30.0.1","asNumber":64513}"#, &[]);
    check::<BgpPeerSpec>(r#"{"peerIP":"[fd00::1]:1790","node":"node-1"}"#, &[]);
    check::<BgpPeerSpec>(r#"{"peerSelector":"has(rr)","nodeSelector":"!has(rr)"}"#, &[]);
    check::<BgpPeerSpec>("{}", &["spec.peerIP: missing"]);
    check::<BgpPeerSpec>(
        r#"{"node":"a","nodeSelector":"all()","peerIP":"::1","peerSelector":"all()","asNumber":1}"#,
        &["spec.nodeSelector: not allowed", "spec.peerSelector: not allowed", "spec.asNumber: not allowed"],
    );
    check::<BgpPeerSpec>(r#"{"peerIP":"::1","nodeSelector":"has("}"#, &["spec.nodeSelector: column 5"]);
    check::<BgpConfigurationSpec>(r#"{"asNumber":"1.0","listenPort":1790}"#, &[]);
    check::<BgpConfigurationSpec>(
        r#"{"listenPort":0,"programClusterRoutes":"Perhaps"}"#,
        &["spec.listenPort: 0", "spec.programClusterRoutes: `Perhaps` is not one of Disabled, "],
    );
    check::<NodeSpec>(r#"{"bgp":{"ipv4Address":"172.30.0.11/24","ipv6Address":"fd00:30::11/64"}}"#, &[]);
    check::<NodeSpec>("{}", &[]);
    check::<NodeSpec>(r#"{"bgp":{}}"#, &["spec.bgp.ipv4Address: missing"]);
    check::<NodeSpec>(
        r#"{"bgp":{"ipv4Address":"fd00::1","ipv6Address":"10.0.0.1"},"addresses":[{"address":"here"}]}"#,
        &[
            "spec.bgp.ipv4Address: not an IPv4",
            "spec.bgp.ipv6Address: not an IPv6",
            "spec.addresses[0].address: ",
        ],
    );
}

#[test]
fn rules_of_policies_carry_their_paths_and_carets() {
    let got = object::<GlobalNetworkPolicySpec>(
        "x",
        r#"{"selector":"app = 'web'","ingress":[{"action":"Alow"},{"action":"Allow","source":{"nets":["10.0.0.0/33"]}}]}"#,
    )
    .validate();
    let text: Vec<String> = got.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 3, "{text:?}");
    assert!(text[0].starts_with("spec.selector: column 5: "), "{text:?}");
    assert!(text[1].starts_with("spec.ingress[0].action: "), "{text:?}");
    assert_eq!(text[2], "spec.ingress[1].source.nets[0]: prefix length 33 exceeds 32");
    let drawing = got[0].drawing.as_deref().unwrap();
    let lines: Vec<&str> = drawing.lines().collect();
    let caret = lines.iter().position(|line| line.trim() == "^").unwrap();
    let column = lines[caret].find('^').unwrap();
    assert_eq!(&lines[caret - 1][column..], "= 'web'", "{drawing}");

    let mut set = object::<GlobalNetworkSetSpec>("x", r#"{"nets":["10.0.0.0/8","x"]}"#);
    set.metadata.labels.insert("projectcalico.org/namespace".to_owned(), "red".to_owned());
    let paths: Vec<String> = set.validate().into_iter().map(|error| error.path).collect();
    assert!(paths.contains(&"spec.nets[1]".to_owned()) && paths.len() == 2, "{paths:?}");
}

#[test]
fn rules_of_endpoints() {
    let spec = r#"{"orchestrator":"cni","node":"node-1","containerID":"c0ffee","endpoint":"eth0","interfaceName":"cali1",
                   "ipNetworks":["10.77.0.1","fd77::1/128"]}"#;
    let mut endpoint = object::<WorkloadEndpointSpec>("node--1-cni-c0ffee-eth0", spec);
    assert_eq!(endpoint.validate(), []);
    assert!(
        String::from_utf8(endpoint.encode().unwrap()).unwrap().contains(r#"["10.77.0.1/32","fd77::1/128"]"#)
    );
    endpoint.metadata.labels.insert("pcns.team".to_owned(), "blue".to_owned());
    endpoint.metadata.name = "mine".to_owned();
    endpoint.spec.interface_name.push_str("-much-too-long");
    endpoint.spec.ip_networks = vec!["10.77.0.0/24".parse().unwrap()];
    let paths: Vec<String> = endpoint.validate().into_iter().map(|error| error.path).collect();
    let want = ["metadata.name", "metadata.labels[pcns.team]", "spec.interfaceName", "spec.ipNetworks[0]"];
    assert_eq!(paths, want);
    endpoint.spec.container_id = "-".to_owned();
    assert!(endpoint.spec.name().is_err());
}

#[test]
fn keys_are_those_of_the_reference() {
    let path = |result: Result<String, FieldError>| result.unwrap_err().path;
    let root = "/calico/resources/v3/projectcalico.org/";
    assert_eq!(key::<IpPoolSpec>(None, "a").unwrap(), format!("{root}ippools/a"));
    assert_eq!(key::<NodeSpec>(None, "a").unwrap(), format!("{root}nodes/a"));
    let cluster = ClusterInformationSpec::new_cluster().unwrap();
    assert_eq!(cluster.key().unwrap(), format!("{root}clusterinformations/default"));
    assert_eq!(key::<BgpPeerSpec>(None, "a").unwrap(), format!("{root}bgppeers/a"));
    assert_eq!(key::<BgpConfigurationSpec>(None, "a").unwrap(), format!("{root}bgpconfigurations/a"));
    assert_eq!(key::<ProfileSpec>(None, "a").unwrap(), format!("{root}profiles/a"));
    assert_eq!(key::<GlobalNetworkSetSpec>(None, "a").unwrap(), format!("{root}globalnetworksets/a"));
    assert_eq!(key::<GlobalNetworkPolicySpec>(None, "a").unwrap(), format!("{root}globalnetworkpolicies/a"));
    assert_eq!(key::<NetworkPolicySpec>(Some("n"), "a").unwrap(), format!("{root}networkpolicies/n/a"));
    assert_eq!(key::<WorkloadEndpointSpec>(Some("n"), "a").unwrap(), format!("{root}workloadendpoints/n/a"));
    assert_eq!(path(key::<NetworkPolicySpec>(None, "a")), "metadata.namespace");
    assert_eq!(path(key::<NodeSpec>(Some("n"), "a")), "metadata.namespace");
    assert_eq!(path(key::<NodeSpec>(None, "a/b")), "metadata.name");
    assert_eq!(path(key::<NetworkPolicySpec>(Some("a/b"), "c")), "metadata.namespace");
}

#[test]
fn a_cluster_is_told_from_others() {
    let [one, other] = [(); 2].map(|()| ClusterInformationSpec::new_cluster().unwrap());
    assert_eq!((one.validate(), one.spec.datastore_ready), (Vec::new(), Some(true)));
    let guid = one.spec.guid().unwrap();
    assert!(guid.len() == 32 && guid.bytes().all(|digit| digit.is_ascii_hexdigit()), "{guid}");
    assert_ne!(one.spec.guid(), other.spec.guid());
    let longest = "a".repeat(64);
    for (text, is_one) in [
        ("", false),
        ("x y", false),
        ("\"; flush", false),
        ("A-1", true),
        (&longest, true),
        (&"a".repeat(65), false),
    ] {
        let mut object = one.clone();
        object.spec.cluster_guid = text.to_owned();
        assert_eq!(object.spec.guid().is_some(), is_one, "{text}");
        let paths: Vec<String> = object.validate().into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, if is_one { vec![] } else { vec!["spec.clusterGUID"] });
    }
    assert_eq!(
        faults::<ClusterInformationSpec>(r#"{"clusterGUID":"a"}"#),
        ["metadata.name: must be `default`"]
    );
}
