//! The plugin, as a runtime runs it, and the agent: no link carries a packet before its policy is in place.

use core::net::IpAddr;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use tortie_datastore::client;
use tortie_datastore::resource::{IpPoolSpec, Resource, WorkloadEndpointSpec};
use tortie_routes::netlink::netns;

use crate::kit::{Agent, Count, Host, Meter, NODE, Place, Pod, Traffic, enter, until};

const DENIED: Count = ("udp", 81);
const ALLOWED: Count = ("udp", 80);
const MANY: u64 = 200;
/// How long the agent stands still.
const STILL: Duration = Duration::from_millis(700);

/// The plugin beside the agent, if it was built.
fn plugin() -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_BIN_EXE_tortie-agent")).with_file_name("tortie-cni");
    file.is_file().then_some(file)
}

/// Whether this test was run, or cannot be: the plugin has to be there.
fn is_done(test: &str) -> bool {
    if let Place::Done = enter(test) {
        return true;
    }
    let is_there = plugin().is_some();
    if !is_there {
        println!(
            "skipped {test}: there is no tortie-cni beside the agent: `cargo build -p tortie-cni` makes it"
        );
    }
    !is_there
}

/// A pod without a link, whose namespace has a name; the addresses that it asks for are those of its number.
struct Sandbox {
    pod: Pod,
    path: PathBuf,
}

impl Sandbox {
    fn new(host: &Host, number: u16) -> Self {
        let mut pod = Pod::new(number);
        let path = host.path(&format!("pod-{number}"));
        pod.namespace = netns::create(&path).unwrap();
        Self { pod, path }
    }

    /// Calls the plugin, which gives it an IPv4 address.
    fn call(&self, host: &Host, command: &str) -> Child {
        let config = json!({
            "cniVersion": "0.3.1", "name": "testnet", "type": "tortie-cni", "nodename": NODE,
            "datastore_type": "embedded", "datastore": host.path("tortie.db"),
            "ipam": { "type": "calico-ipam", "assign_ipv4": "true", "assign_ipv6": "false" },
            "ipam_lock_file": host.path("ipam.lock"), "endpoint_status_dir": host.path("status"),
            "args": { "cni": { "labels": [{ "key": "app", "value": "server" }] } },
        });
        let name = format!("pod-{}", self.pod.number);
        let address = self.pod.addresses[0];
        let arguments = format!("K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};IP={address}");
        let mut child = Command::new(plugin().unwrap())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("CNI_COMMAND", command), ("CNI_CONTAINERID", &name)])
            .envs([("CNI_IFNAME", "eth0"), ("CNI_ARGS", &arguments), ("CNI_PATH", "/opt/cni/bin")])
            .env("CNI_NETNS", &self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(config.to_string().as_bytes()).unwrap();
        child
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = netns::delete(&self.path);
    }
}

/// What the plugin has said, if all went well.
fn said(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The links of workloads that the host has.
fn links(host: &Host) -> Vec<String> {
    let links = host.wait(host.links.list()).unwrap();
    links.into_iter().filter(|link| link.name.starts_with("cali") && link.up).map(|link| link.name).collect()
}

/// Waits until the plugin has made a link.
fn linked(host: &Host, add: &mut Child, before: usize) {
    until("there is a link", || {
        if add.try_wait().unwrap().is_some() {
            let (mut out, mut err) = (String::new(), String::new());
            add.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            add.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("ADD has ended: {out} {err}");
        }
        links(host).len() > before
    });
}

/// A host with the pool that pods' addresses are from, and the policy that guards servers.
fn host() -> Host {
    let host = Host::new();
    host.apply(Resource::new("pods", IpPoolSpec::new("10.65.0.0/24".parse().unwrap())));
    host.policy(
        "guard",
        json!({ "selector": "app == 'server'", "types": ["Ingress"], "ingress": [
            { "action": "Allow", "protocol": "UDP", "destination": { "ports": [ALLOWED.1] } }] }),
    );
    host
}

/// Whether the pod's record is there.
fn has_record(host: &Host, number: u16) -> bool {
    let records = host.wait(client::list::<WorkloadEndpointSpec>(&host.store, None)).unwrap().items;
    records.iter().any(|record| record.spec.pod == format!("pod-{number}"))
}

#[test]
fn netns_no_link_carries_packets_before_record_and_firewall() {
    if is_done("order::netns_no_link_carries_packets_before_record_and_firewall") {
        return;
    }
    let host = host();
    let (agent, _) = Agent::ready(&host);
    let client = Pod::attached(&host, 200, &[("app", "client")]);
    host.settle();
    for number in 1..4 {
        let sandbox = Sandbox::new(&host, number);
        let meter = Meter::new(&sandbox.pod.namespace, &[DENIED, ALLOWED]);
        let to: [IpAddr; 1] = [sandbox.pod.addresses[0]];
        let traffic = Traffic::start(&client.namespace, &to, &[DENIED.1, ALLOWED.1]);
        let before = links(&host);

        agent.stop();
        let begun = Instant::now();
        let mut add = sandbox.call(&host, "ADD");
        linked(&host, &mut add, before.len());
        assert!(has_record(&host, number), "the record comes first");
        thread::sleep(STILL);
        assert!(add.try_wait().unwrap().is_none(), "ADD ends before the agent has acknowledged");
        assert_eq!([DENIED, ALLOWED].map(|flow| meter.received(flow)), [0, 0], "a link without policy");

        agent.go_on();
        let result = said(&add.wait_with_output().unwrap());
        let took = begun.elapsed();
        // From here on the runtime starts the container: what is allowed arrives at once, what is not never does.
        let at_end = meter.received(ALLOWED);
        let passes = until("what is allowed passes", || meter.received(ALLOWED) > at_end);
        println!(
            "ADD ended after {took:.1?}, {STILL:?} of which the agent stood still: {} gets the next packet in {passes:.1?}",
            result["ips"][0]["address"]
        );
        until("what is allowed passes", || meter.received(ALLOWED) > MANY);
        assert_eq!(meter.received(DENIED), 0);
        traffic.end();
        said_nothing(&sandbox.call(&host, "DEL").wait_with_output().unwrap());
        assert_eq!(links(&host), before);
        assert!(!has_record(&host, number));
    }

    // Nothing of it is because nothing could arrive.
    host.remove_policy("guard");
    let sandbox = Sandbox::new(&host, 9);
    let meter = Meter::new(&sandbox.pod.namespace, &[DENIED]);
    said(&sandbox.call(&host, "ADD").wait_with_output().unwrap());
    let traffic = Traffic::start(&client.namespace, &sandbox.pod.addresses[..1], &[DENIED.1]);
    until("what nothing denies arrives", || meter.received(DENIED) > MANY);
    traffic.end();
}

fn said_nothing(output: &Output) {
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

/// Where there is no agent, nor was one ever, the plugin's own table drops everything, and ADD says to try again.
#[test]
fn netns_without_an_agent_add_leaves_no_link_that_carries_packets() {
    if is_done("order::netns_without_an_agent_add_leaves_no_link_that_carries_packets") {
        return;
    }
    let host = host();
    let world = Pod::outside(200);
    world.attach(&host);
    let sandbox = Sandbox::new(&host, 1);
    let meter = Meter::new(&sandbox.pod.namespace, &[DENIED, ALLOWED]);
    let traffic = Traffic::start(&world.namespace, &sandbox.pod.addresses[..1], &[DENIED.1, ALLOWED.1]);
    let mut add = sandbox.call(&host, "ADD");
    linked(&host, &mut add, 0);
    thread::sleep(STILL);
    assert_eq!([DENIED, ALLOWED].map(|flow| meter.received(flow)), [0, 0], "a link without policy");
    // The first agent that ever was lets the waiting call end.
    let agent = Agent::start(&host);
    let result = said(&add.wait_with_output().unwrap());
    println!("{}", result["ips"][0]["address"]);
    until("what is allowed passes", || meter.received(ALLOWED) > MANY);
    assert_eq!(meter.received(DENIED), 0);
    agent.wait_ready();
    traffic.end();
}
