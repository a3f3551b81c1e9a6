//! `FelixConfiguration`, and addresses of services in `BGPConfiguration`.

use core::net::IpAddr;

use tortie_datastore::resource::{
    BgpConfigurationSpec, FelixConfigurationSpec, FelixSettings, Kind, Resource,
};
use tortie_policy::nftables::{Network, Options, ServiceLoop};
use tortie_policy::{Encapsulation, Failsafe, FailsafePort, HostAction};

use crate::object;

fn configuration(spec: &str) -> Resource<FelixConfigurationSpec> {
    object("default", spec)
}

/// Every field, with a value that is not the default.
const WHOLE: &str = r#"{"defaultEndpointToHostAction":"RETURN","vxlanPort":4790,"allowVXLANPacketsFromWorkloads":true,
    "allowIPIPPacketsFromWorkloads":true,"failsafeInboundHostPorts":[{"port":22},{"protocol":"udp","port":68,"net":"10.0.0.0/8"}],
    "failsafeOutboundHostPorts":[],"natPortRange":"32000:33000","natOutgoingAddress":"192.0.2.1",
    "natOutgoingExclusions":"IPPoolsAndHostIPs","iptablesNATOutgoingInterfaceFilter":"eth+","serviceLoopPrevention":"Reject",
    "interfacePrefix":"tap","logPrefix":"denied","nftablesMarkMask":65280,"disableConntrackInvalidCheck":true}"#;

/// The same, as the environment says it.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("DEFAULTENDPOINTTOHOSTACTION", "return"),
    ("VXLANPORT", "4790"),
    ("ALLOWVXLANPACKETSFROMWORKLOADS", "true"),
    ("ALLOWIPIPPACKETSFROMWORKLOADS", "True"),
    ("FAILSAFEINBOUNDHOSTPORTS", "tcp:22, udp:10.0.0.0/8:68"),
    ("FAILSAFEOUTBOUNDHOSTPORTS", "none"),
    ("NATPORTRANGE", "32000:33000"),
    ("NATOUTGOINGADDRESS", "192.0.2.1"),
    ("NATOUTGOINGEXCLUSIONS", "IPPoolsAndHostIPs"),
    ("IPTABLESNATOUTGOINGINTERFACEFILTER", "eth+"),
    ("SERVICELOOPPREVENTION", "Reject"),
    ("INTERFACEPREFIX", "tap"),
    ("LOGPREFIX", "denied"),
    ("NFTABLESMARKMASK", "0xff00"),
    ("DISABLECONNTRACKINVALIDCHECK", "true"),
];

#[test]
fn objects_and_the_environment_say_the_same() {
    let object = configuration(WHOLE);
    assert_eq!((object.validate(), object.unknown_fields()), (vec![], vec![]));
    let (stored, faults) = object.spec.settings();
    assert_eq!(faults, []);
    let mut set = FelixSettings::default();
    for (parameter, text) in ENVIRONMENT {
        assert_eq!(set.set(parameter, text), Some(Ok(())), "{parameter}");
        assert_eq!(set.set(parameter, ""), Some(Ok(())), "an empty text says nothing");
    }
    assert_eq!(set, stored);
    // What a setting says comes before what the other says, whichever it is.
    assert_eq!(stored.clone().or(FelixSettings::default()), stored);
    assert_eq!(FelixSettings::default().or(stored.clone()), stored);
    let other =
        configuration(r#"{"vxlanPort":1,"failsafeInboundHostPorts":[],"logPrefix":"x"}"#).spec.settings().0;
    let both = other.or(stored.clone());
    assert_eq!(
        (both.vxlan_port, both.failsafe_inbound, both.log_prefix),
        (Some(1), Some(vec![]), Some("x".into()))
    );
    assert_eq!(both.nat_ports, stored.nat_ports);

    let port = |protocol, port, net: Option<&str>| FailsafePort {
        protocol,
        port,
        net: net.map(|net| net.parse().unwrap()),
    };
    assert_eq!(stored.host_action(), HostAction::Return);
    assert_eq!(
        stored.encapsulation(),
        Encapsulation { vxlan_port: 4790, allow_vxlan: true, allow_ipip: true }
    );
    let inbound = vec![port(6, 22, None), port(17, 68, Some("10.0.0.0/8"))];
    assert_eq!(stored.failsafe(), Failsafe { inbound, outbound: vec![] });
    let options = Options::default().workload_prefix("tap").unwrap().log_prefix("denied: ").unwrap();
    assert_eq!(stored.options(), options.mark_mask(0xff00).unwrap().judges_invalid(true));
    let hosts: [IpAddr; 2] = ["192.0.2.7", "2001:db8::7"].map(|address| address.parse().unwrap());
    let network =
        Network::new().service_loop(ServiceLoop::Reject).excluded(hosts.map(Into::into)).ports(32000..=33000);
    let network = network.address("192.0.2.1".parse().unwrap()).interface("eth+").unwrap();
    assert_eq!(stored.network(Network::new(), hosts), network);

    // Where nothing is said, defaults are those of the libraries.
    let nothing = FelixSettings::default();
    assert_eq!(nothing.options(), Options::default());
    assert_eq!(nothing.network(Network::new(), hosts), Network::new());
    assert_eq!(nothing.failsafe(), Failsafe::default());
    assert_eq!(
        (nothing.encapsulation(), nothing.host_action()),
        (Encapsulation::default(), HostAction::Drop)
    );
}

#[test]
fn a_value_that_is_wrong_is_named_and_undoes_no_other() {
    for (field, value, path, what) in [
        ("defaultEndpointToHostAction", r#""Allow""#, "", "is not one of Drop, Accept, Return"),
        ("vxlanPort", "0", "", "not between 1 and 65535"),
        ("vxlanPort", "65536", "", "not between 1 and 65535"),
        ("failsafeInboundHostPorts", r#"[{"port":1},{"port":65536}]"#, "[1].port", "not between"),
        ("failsafeInboundHostPorts", r#"[{"protocol":"icmp","port":1}]"#, "[0].protocol", "not one of TCP"),
        ("failsafeOutboundHostPorts", r#"[{"port":1,"net":"10.0.0.0/33"}]"#, "[0].net", "exceeds 32"),
        ("natPortRange", "0", "", "no port 0"),
        ("natPortRange", r#""5:4""#, "", "ends before it begins"),
        ("natPortRange", r#""http""#, "", "it is a name"),
        ("natPortRange", r#"{"a":1}"#, "", "is not a port"),
        ("natOutgoingAddress", r#""10.0.0.0/8""#, "", "is not an address"),
        ("natOutgoingAddress", r#""0.0.0.0""#, "", "others can answer to"),
        ("natOutgoingExclusions", r#""All""#, "", "not one of IPPoolsOnly, IPPoolsAndHostIPs"),
        ("iptablesNATOutgoingInterfaceFilter", r#""a\" accept""#, "", "interface is not"),
        ("serviceLoopPrevention", r#""Pass""#, "", "not one of Drop, Reject, Disabled"),
        ("interfacePrefix", r#""cali,tap""#, "", "more than one prefix"),
        ("interfacePrefix", r#""a b""#, "", "prefix of workload interfaces"),
        ("logPrefix", r#""x\"y""#, "", "prefix of log lines"),
        ("logPrefix", r#""%t""#, "", "specifiers"),
        ("nftablesMarkMask", "3", "", "fewer than three bits"),
        ("nftablesMarkMask", "4294967296", "", "no 32 bits"),
    ] {
        let object = configuration(&format!(r#"{{"{field}":{value},"allowIPIPPacketsFromWorkloads":true}}"#));
        let errors = object.validate();
        assert_eq!(errors.len(), 1, "{field}: {errors:?}");
        assert_eq!(errors[0].path, format!("spec.{field}{path}"));
        assert!(errors[0].message.contains(what), "{}", errors[0]);
        let only = FelixSettings { allow_ipip: Some(true), ..FelixSettings::default() };
        assert_eq!(object.spec.settings(), (only, errors), "{field} counts as not said");
    }
    for (parameter, text) in [
        ("vxlanport", "x"),
        ("FAILSAFEINBOUNDHOSTPORTS", "tcp:22,ftp:21"),
        ("FAILSAFEINBOUNDHOSTPORTS", "tcp:10.0.0.0/40:22"),
        ("NFTABLESMARKMASK", "0x"),
        ("ALLOWIPIPPACKETSFROMWORKLOADS", "maybe"),
    ] {
        let mut settings = FelixSettings::default();
        assert!(settings.set(parameter, text).unwrap().is_err(), "{parameter}");
        assert_eq!(settings, FelixSettings::default());
    }
    assert_eq!(FelixSettings::default().set("BPFENABLED", "true"), None);
    let mut settings = FelixSettings::default();
    assert_eq!(
        settings.set("failsafeinboundhostports", "22,udp:[2001:db8::/32]:53,sctp:2001:db8::/32:7"),
        Some(Ok(()))
    );
    let ports: Vec<_> = settings
        .failsafe_inbound
        .unwrap()
        .into_iter()
        .map(|port| (port.protocol, port.port, port.net.is_some()))
        .collect();
    assert_eq!(ports, [(6, 22, false), (17, 53, true), (132, 7, true)]);
}

#[test]
fn an_object_is_for_all_hosts_or_for_one() {
    for (name, wrong) in [("default", 0), ("node.a", 0), ("node.", 2), ("other", 1)] {
        let object: Resource<FelixConfigurationSpec> = object(name, "{}");
        assert_eq!(object.validate().len(), wrong, "{name}");
    }
    assert_eq!(FelixConfigurationSpec::node_of("node.a.b"), Some("a.b"));
    assert_eq!(FelixConfigurationSpec::node_of("default"), None);
    let others = configuration(
        r#"{"bpfEnabled":false,"failsafeInboundHostPorts":[{"port":1,"x":2}],"vxlanPort":null}"#,
    );
    assert_eq!(others.unknown_fields(), ["spec.bpfEnabled", "spec.failsafeInboundHostPorts[0].x"]);
    assert!(
        String::from_utf8(others.encode().unwrap()).unwrap().contains(r#""bpfEnabled":false"#),
        "it is kept"
    );
}

#[test]
fn addresses_of_services_are_read_one_by_one() {
    let spec = r#"{"serviceClusterIPs":[{"cidr":"10.96.0.7/12"},{"cidr":"10.0.0.0/33"}],"serviceExternalIPs":null,
        "serviceLoadBalancerIPs":[{"cidr":"fd96::/108","x":1},{"cidr":"192.0.2.9"},{}]}"#;
    let object: Resource<BgpConfigurationSpec> = object("default", spec);
    let nets: Vec<_> = object.spec.services().filter_map(Result::ok).map(|net| net.to_string()).collect();
    assert_eq!(nets, ["10.96.0.0/12", "fd96::/108", "192.0.2.9/32"]);
    let errors: Vec<_> = object.validate().into_iter().map(|error| error.path).collect();
    assert_eq!(errors, ["spec.serviceClusterIPs[1].cidr", "spec.serviceLoadBalancerIPs[2].cidr"]);
    assert_eq!(object.unknown_fields(), ["spec.serviceLoadBalancerIPs[0].x"]);
    let again = Resource::<BgpConfigurationSpec>::decode(&object.encode().unwrap()).unwrap();
    assert_eq!(again, object);
    assert!(BgpConfigurationSpec::default().unknown_fields().is_empty());
}
