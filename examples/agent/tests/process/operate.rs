//! What people say to the agent besides policy, and what it tells them.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use tortie_datastore::resource::{
    BgpConfigurationSpec, EndpointSliceBody, FelixConfigurationSpec, IpPoolSpec, Kind, Resource,
    WorkloadEndpointSpec,
};
use tortie_routes::netlink::NetNs;

use crate::kit::{Agent, Host, Place, Pod, Stream, enter, raise, until};

/// How long something that must not arrive is waited for.
const GRACE: Duration = Duration::from_millis(100);
/// Where a host of the tests is.
const HOST: &str = "10.255.0.1";

fn object<K: Kind>(name: &str, spec: Value) -> Resource<K> {
    Resource::new(name, serde_json::from_value(spec).unwrap())
}

fn configure(host: &Host, name: &str, spec: Value) {
    host.apply(object::<FelixConfigurationSpec>(name, spec));
    host.settle();
}

fn bound(namespace: &NetNs, address: IpAddr, port: u16) -> UdpSocket {
    let socket = namespace.run(|| UdpSocket::bind(SocketAddr::new(address, port)).unwrap()).unwrap();
    socket.set_read_timeout(Some(GRACE)).unwrap();
    socket
}

/// Whom the receiver sees, if a datagram to its port arrives.
fn seen(client: &Pod, receiver: &UdpSocket) -> Option<SocketAddr> {
    let to = receiver.local_addr().unwrap();
    let sender = bound(&client.namespace, client.addresses[usize::from(to.is_ipv6())], 0);
    sender.send_to(b"x", to).unwrap();
    receiver.recv_from(&mut [0; 4]).ok().map(|(_, from)| from)
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Two pods, in an order: who is asked, and who asks. The first is in no pool.
fn pods(host: &Host) -> (Pod, Pod) {
    raise();
    (Pod::attached(host, 300, &[("app", "server")]), Pod::attached(host, 2, &[("app", "client")]))
}

/// Each setting holds at once; that of the node's own object before that of all.
#[test]
fn netns_what_settings_say_holds_at_once() {
    if let Place::Done = enter("operate::netns_what_settings_say_holds_at_once") {
        return;
    }
    let host = Host::new();
    let (server, client) = pods(&host);
    let (agent, _) = Agent::ready(&host);
    host.settle();

    let at_host = UdpSocket::bind((HOST, 7000)).unwrap();
    at_host.set_read_timeout(Some(GRACE)).unwrap();
    let arrives = || seen(&client, &at_host).is_some();
    assert!(!arrives(), "the default is to drop");
    configure(&host, "default", json!({ "defaultEndpointToHostAction": "Accept" }));
    assert!(arrives());
    configure(&host, "node.node-1", json!({ "defaultEndpointToHostAction": "Drop" }));
    assert!(!arrives());
    configure(&host, "node.node-2", json!({ "defaultEndpointToHostAction": "Accept" }));
    assert!(!arrives(), "that is of another node");
    configure(&host, "node.node-1", json!({ "defaultEndpointToHostAction": "RETURN" }));
    assert!(arrives());
    host.delete::<FelixConfigurationSpec>(None, "node.node-1");
    host.settle();
    assert!(arrives());

    // Sources of a pool, seen outside of it.
    let at_server = bound(&server.namespace, server.addresses[0], 7001);
    assert_eq!(seen(&client, &at_server).map(|from| from.ip()), Some(client.addresses[0]));
    host.apply(object::<IpPoolSpec>("pool", json!({ "cidr": "10.65.0.0/24", "natOutgoing": true })));
    configure(&host, "default", json!({ "natPortRange": "30000:30003", "natOutgoingAddress": HOST }));
    let from = seen(&client, &at_server).unwrap();
    assert!(from.ip().to_string() == HOST && (30000..=30003).contains(&from.port()), "{from}");
    configure(&host, "default", json!({ "natPortRange": 31000, "natOutgoingAddress": HOST }));
    assert_eq!(seen(&client, &at_server).map(|from| from.port()), Some(31000));

    // An address of a service that nobody has.
    host.apply(object::<BgpConfigurationSpec>(
        "default",
        json!({ "serviceClusterIPs": [{ "cidr": "10.96.0.0/12" }] }),
    ));
    run("ip", &format!("route add 10.96.0.0/12 dev {} proto static", server.interface()));
    let answer = || {
        let socket = bound(&client.namespace, client.addresses[0], 0);
        socket.connect("10.96.0.1:53").unwrap();
        socket.send(b"x").unwrap();
        socket.recv(&mut [0; 4]).unwrap_err().kind()
    };
    host.settle();
    assert_eq!(answer(), ErrorKind::WouldBlock);
    configure(&host, "default", json!({ "serviceLoopPrevention": "Reject" }));
    assert_eq!(answer(), ErrorKind::ConnectionRefused);
    assert_eq!(
        seen(&client, &at_server).map(|from| from.port() == 31000),
        Some(false),
        "that is said no more"
    );

    // The table is made anew, and the prefix waits for the next start.
    assert!(!run("nft", "list table inet tortie").contains("log prefix"));
    host.policy(
        "log",
        json!({ "selector": "app == 'server'", "ingress": [{ "action": "Log" }, { "action": "Allow" }] }),
    );
    configure(&host, "default", json!({ "logPrefix": "seen", "interfacePrefix": "tap" }));
    let table = run("nft", "list table inet tortie");
    assert!(table.contains("log prefix \"seen: \"") && table.contains("\"cali*\""), "{table}");
    assert!(
        agent.part("datastore").contains("interfacePrefix is `tap` now, and `cali` holds"),
        "{}",
        agent.part("datastore")
    );
    agent.kill();
    let (agent, _) = Agent::ready(&host);
    assert_eq!(agent.part("datastore"), "ok");
    assert!(run("nft", "list table inet tortie").contains("\"tap*\""));
}

/// A rule with a service means the endpoints in its slices, as they come and go.
#[test]
fn netns_rules_with_services_hold() {
    if let Place::Done = enter("operate::netns_rules_with_services_hold") {
        return;
    }
    let host = Host::new();
    let (server, client) = pods(&host);
    host.policy(
        "to-web",
        json!({ "selector": "app == 'client'", "types": ["Egress"], "egress": [
            { "action": "Allow", "destination": { "services": { "name": "web", "namespace": "default" } } }] }),
    );
    let (_agent, _) = Agent::ready(&host);
    host.settle();
    let sockets = [7001, 7002].map(|port| bound(&server.namespace, server.addresses[0], port));
    let arrives = || sockets.each_ref().map(|socket| seen(&client, socket).is_some());
    let slice = |addresses: Value, port: u16| {
        let body = json!({ "addressType": "IPv4", "endpoints": [{ "addresses": addresses }],
            "ports": [{ "port": port, "protocol": "UDP" }] });
        let mut slice: Resource<EndpointSliceBody> =
            Resource::namespaced("default", "web-1", serde_json::from_value(body).unwrap());
        slice.metadata.labels = [("kubernetes.io/service-name".to_owned(), "web".to_owned())].into();
        host.apply(slice);
        host.settle();
    };
    assert_eq!(arrives(), [false, false]);
    slice(json!([server.addresses[0]]), 7001);
    assert_eq!(arrives(), [true, false]);
    slice(json!([server.addresses[0]]), 7002);
    assert_eq!(arrives(), [false, true]);
    slice(json!(["192.0.2.1"]), 7002);
    assert_eq!(arrives(), [false, false]);
}

/// What the agent counts, read as Prometheus reads it, and what readiness names.
#[test]
fn netns_metrics_and_readiness_name_what_happens() {
    if let Place::Done = enter("operate::netns_metrics_and_readiness_name_what_happens") {
        return;
    }
    let host = Host::new();
    let (server, client) = pods(&host);
    host.policy(
        "guard",
        json!({ "selector": "app == 'server'", "ingress": [{ "action": "Deny", "protocol": "UDP",
            "source": { "selector": "app == 'client'" }, "destination": { "ports": [7001] } }, { "action": "Allow" }] }),
    );
    // Somebody else's chain that drops by default, whatever its rules accept.
    run("nft", "add table inet other");
    run("nft", "add chain inet other away { type filter hook forward priority 10 ; policy drop ; }");
    run("nft", "add rule inet other away accept");
    let (agent, _) = Agent::ready(&host);
    host.settle();
    let sockets = [7001, 7002].map(|port| bound(&server.namespace, server.addresses[0], port));
    for _ in 0..3 {
        let arrived = sockets.each_ref().map(|socket| seen(&client, socket).is_some());
        assert_eq!(arrived, [false, true]);
    }
    let denials = "tortie_policy_denied_packets_total{tier=\"default\",policy=\"GlobalNetworkPolicy guard\",direction=\"ingress\"}";
    let metrics = || agent.ask("/metrics").unwrap().1;
    until("denied packets are counted by policy", || metrics().contains(&format!("\n{denials} 3\n")));
    let number = |name: &str| agent.metric(&format!("tortie_policy_{name}"));
    assert!(number("rules") > 2.0 && number("chains") > 2.0 && number("sets") >= 1.0, "{}", metrics());
    assert!(number("set_members") >= 2.0, "{}", metrics());
    assert!(number("apply_seconds_count") >= 1.0 && number("apply_seconds_sum") > 0.0);
    assert_eq!((number("denied_endpoints"), number("drifts")), (0.0, 0.0));
    for line in metrics().lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        assert!(value.is_some_and(|value| value >= 0.0), "{line}");
    }
    let before = number("apply_seconds_count");
    host.settle();
    assert!(number("apply_seconds_count") > before);

    until("readiness names the chain", || {
        agent.part("policy")
            == "ok; others drop what they do not accept: table inet other, chain away (hook forward, priority 10)"
    });
    run("nft", "delete table inet other");
    until("and not any more", || agent.part("policy") == "ok");
}

/// By default a connection that is there goes on when policy changes; it is cut if that is asked for.
#[test]
fn netns_connections_go_on_or_are_cut_as_asked() {
    if let Place::Done = enter("operate::netns_connections_go_on_or_are_cut_as_asked") {
        return;
    }
    let host = Host::new();
    let (server, client) = pods(&host);
    for (option, goes_on) in [("keep", true), ("re-evaluate", false)] {
        let agent = Agent::start_with(&host, &["--established", option]);
        agent.wait_ready();
        host.settle();
        let stream =
            Stream::start(&client.namespace, (&server.namespace, server.addresses[0]), 8080).unwrap();
        until("it speaks", || stream.answers() > 5);
        host.policy("shut", json!({ "selector": "app == 'server'", "types": ["Ingress"] }));
        host.settle();
        let has_answers = |before: u64| {
            thread::sleep(GRACE * 3);
            stream.answers() > before
        };
        if goes_on {
            assert!(has_answers(stream.answers()), "{option}");
        } else {
            until("it is cut", || !has_answers(stream.answers()));
        }
        host.remove_policy("shut");
        host.settle();
        agent.kill();
    }
}

/// Records that are no records, and names that are no names: told of in lines that people can read, and nothing to others.
#[test]
fn netns_a_hostile_datastore_is_told_of_and_hurts_no_other() {
    if let Place::Done = enter("operate::netns_a_hostile_datastore_is_told_of_and_hurts_no_other") {
        return;
    }
    const LARGE: usize = 1_500_000;
    let host = Host::new();
    let (server, client) = pods(&host);
    host.policy(
        "guard",
        json!({ "selector": "app == 'server'", "ingress": [{ "action": "Allow", "protocol": "UDP",
        "destination": { "ports": [7001] } }] }),
    );
    let (agent, _) = Agent::ready(&host);
    host.settle();
    let peak = |agent: &Agent| agent.memory("VmHWM");
    let before = peak(&agent);
    let resources = "/calico/resources/v3/projectcalico.org/";
    let text = "A".repeat(LARGE);
    let mut octets = 0;
    let mut put = |key: String, value: Vec<u8>| {
        octets += value.len();
        host.wait(host.store.create(&key, &value)).unwrap();
    };
    for kind in [
        "workloadendpoints/red",
        "globalnetworkpolicies",
        "nodes",
        "ippools",
        "felixconfigurations",
        "profiles",
        "kubernetesendpointslices/red",
        "bgpconfigurations",
        "hostendpoints",
    ] {
        put(format!("{resources}{kind}/garbage"), vec![0xff; LARGE]);
        put(format!("{resources}{kind}/text"), format!("\"{text}\"").into());
        put(
            format!("{resources}{kind}/wrong"),
            json!({ "apiVersion": "projectcalico.org/v3", "kind": text.as_str(),
            "metadata": { "name": "x" }, "spec": {} })
            .to_string()
            .into(),
        );
        put(format!("{resources}{kind}/../../../../etc/x\n2026-01-01T00:00:00Z ERROR forged"), b"{".to_vec());
    }
    put("/calico/ipam/v2/assignment/ipv4/block/../x".into(), b"{".to_vec());
    // Much longer ones are refused.
    let refused = host.wait(host.store.create(&format!("{resources}profiles/long"), &vec![b'x'; 10_000_000]));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("profiles/long`: a record has at most") && refused.contains("split it"),
        "{refused}"
    );
    // One that can be read, and whose names would lead anywhere: it is this host's.
    let spec = WorkloadEndpointSpec {
        orchestrator: "..".into(),
        node: "node-1".into(),
        pod: "../../../../tmp/evil".into(),
        endpoint: "..".into(),
        interface_name: "cali66".into(),
        ..WorkloadEndpointSpec::default()
    };
    let evil = Resource::namespaced("default", "evil", spec);
    put(format!("{resources}workloadendpoints/default/evil"), evil.encode().unwrap());
    // And one with a name that no file can have.
    let spec =
        WorkloadEndpointSpec { pod: "x".repeat(300), interface_name: "cali67".into(), ..evil.spec.clone() };
    let long = Resource::namespaced("default", "long", spec);
    put(format!("{resources}workloadendpoints/default/long"), long.encode().unwrap());

    host.settle();
    let sockets = [7001, 7002].map(|port| bound(&server.namespace, server.addresses[0], port));
    let arrived = || sockets.each_ref().map(|socket| seen(&client, socket).is_some());
    // What garbage under the key of a policy means, nobody knows: it closes what no other policy opens.
    let closed = arrived();
    assert!(!closed[1], "nothing is open that was not");
    for name in ["garbage", "text", "wrong"] {
        let key = format!("{resources}globalnetworkpolicies/{name}");
        let revision = host.wait(host.store.get(&key)).unwrap().unwrap().revision;
        host.wait(host.store.delete(&key, revision)).unwrap();
    }
    host.settle();
    assert_eq!(arrived(), [true, false], "the others are as they were: {closed:?} before");
    let newcomer = Pod::attached(&host, 4, &[("app", "server")]);
    until("a newcomer is acknowledged", || host.is_acknowledged(&newcomer.record(&[])));
    until("so are those of odd names, in the folder", || {
        host.is_acknowledged(&evil) && host.is_acknowledged(&long)
    });
    assert!(!std::path::Path::new("/tmp/evil").exists());
    let files = || std::fs::read_dir(host.path("status")).unwrap().count();
    until("nobody else is", || files() == 5);
    let log = agent.log();
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < 3_000, "a line of {longest} octets");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "no line is forged");
    for kind in ["workloadendpoints", "globalnetworkpolicies", "ippools"] {
        assert!(
            log.lines().any(|line| line.contains("WARN") && line.contains(&format!("{kind}/"))),
            "{kind}\n{log}"
        );
    }
    assert!(!log.contains("cannot acknowledge endpoints"), "{log}");
    let grown = peak(&agent) - before;
    println!(
        "{octets} octets of garbage cost at most {grown} KiB at once; {} lines of log",
        log.lines().count()
    );
    assert!(grown < 4 * octets / 1024, "{grown} KiB");
    assert_eq!(agent.part("datastore"), "ok");
}
