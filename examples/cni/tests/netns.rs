//! The plugin against the kernel: hosts and pods are network namespaces of the test's own. Needs root and nft.
#![expect(clippy::unwrap_used, reason = "test code: what does not hold should stop the test")]

mod kit;

use core::net::IpAddr;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kit::{Answer, Shared, call, pod_variables, start};
use serde_json::{Value, json};
use tortie_datastore::client;
use tortie_datastore::resource::{IpPoolSpec, ProfileSpec, Resource, WorkloadEndpointSpec};
use tortie_datastore::status::{EndpointStatus, file_name};
use tortie_ipam::{Allocator, AssignRequest, Use, View};
use tortie_routes::netlink::{Kernel, Link, Links, NetNs, Veth, netns, sysctl};
use tortie_routes::{Entry, Family, Op, Protocol, Route, Scan, Scope, Table};

/// Why namespaces cannot be made here; none if they can.
fn reason_to_skip() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root: run `cargo xtask test --install` as root");
    }
    let nft = Command::new("nft").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if nft.is_err() {
        return Some("needs nft: run `cargo xtask test --install`, or `apt-get install nftables`");
    }
    None
}

macro_rules! skip_unless_possible {
    () => {
        if let Some(reason) = reason_to_skip() {
            println!("skipped: {reason}");
            return;
        }
    };
}

/// A host and its pods.
struct World {
    shared: Shared,
    host: NetNs,
    names: Vec<PathBuf>,
}

impl Drop for World {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = netns::delete(name);
        }
    }
}

impl World {
    async fn new() -> Self {
        let shared = Shared::new().await;
        let path = shared.path("host");
        let host = netns::create(&path).unwrap();
        Self { shared, host, names: vec![path] }
    }

    fn pod(&mut self, name: &str) -> PathBuf {
        let path = self.shared.path(name);
        netns::create(&path).unwrap();
        self.names.push(path.clone());
        path
    }

    /// Calls the plugin on the host.
    fn call(&self, variables: &[(&str, &str)], config: &Value) -> Answer {
        self.host.run(|| call(variables, &config.to_string())).unwrap()
    }

    fn add(&self, container: &str, netns: &Path, args: &str, config: &Value) -> Answer {
        self.call(&pod_variables("ADD", container, netns, args), config)
    }

    fn del(&self, container: &str, netns: &Path, args: &str) -> Answer {
        self.call(&pod_variables("DEL", container, netns, args), &self.shared.config())
    }

    /// ADD with an agent that acknowledges whatever is in the datastore.
    async fn add_acknowledged(&self, container: &str, netns: &Path, args: &str, config: &Value) -> Answer {
        let agent = Agent::start(&self.shared);
        let answer = self.add(container, netns, args, config);
        agent.stop().await;
        answer
    }

    async fn host_links(&self) -> Vec<Link> {
        let links = Links::open_in(&self.host).unwrap().list().await.unwrap();
        links.into_iter().filter(|link| link.name.starts_with("cali")).collect()
    }

    fn nft(&self, arguments: &[&str]) -> String {
        let output = self.host.run(|| Command::new("nft").args(arguments).output().unwrap()).unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Nothing of any pod is left on the host or in the datastore.
    async fn assert_clean(&self) {
        self.shared.assert_clean().await;
        assert_eq!(self.host_links().await, []);
        let workloads = |entry: &Entry| entry.protocol == Protocol::BOOT;
        for family in Family::ALL {
            assert!(!routes(&self.host, family).iter().any(workloads), "{:?}", routes(&self.host, family));
        }
    }
}

/// The agent as the plugin sees it: a file for each endpoint.
struct Agent(tokio::task::JoinHandle<()>, tokio::sync::oneshot::Sender<()>);

impl Agent {
    /// Runs beside the test on a thread of the runtime's, since calls of the plugin block.
    fn start(shared: &Shared) -> Self {
        let (store, folder) = (shared.store.clone(), shared.path("status"));
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                for endpoint in client::list::<WorkloadEndpointSpec>(&store, None).await.unwrap().items {
                    let text = serde_json::to_vec(&EndpointStatus::of(&endpoint)).unwrap();
                    std::fs::write(folder.join(file_name(&endpoint).unwrap()), text).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self(task, stop)
    }

    async fn stop(self) {
        self.1.send(()).unwrap();
        self.0.await.unwrap();
    }
}

fn routes(namespace: &NetNs, family: Family) -> Vec<Entry> {
    let mut kernel = Kernel::open_in(namespace).unwrap();
    kernel.scan(Scan::Routes { family, table: Table::MAIN }).unwrap().entries().to_vec()
}

fn args(pod: &str) -> String {
    format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=blue;K8S_POD_NAME={pod};K8S_POD_INFRA_CONTAINER_ID=x")
}

/// The addresses of a result, IPv4 first.
fn addresses(result: &Value) -> Vec<IpAddr> {
    let ips = result["ips"].as_array().unwrap();
    ips.iter().map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap()).collect()
}

/// Sends a datagram from one namespace to an address in another, and says whether it arrived.
fn reaches(from: &Path, to: &Path, address: IpAddr) -> bool {
    let wildcard = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let receiver = netns::enter(to, || std::net::UdpSocket::bind((address, 4000)).unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    let sender = netns::enter(from, || std::net::UdpSocket::bind(wildcard).unwrap()).unwrap();
    (0..3).any(|_| {
        let sent = sender.send_to(b"hello", (address, 4000)).is_ok();
        sent && receiver.recv(&mut [0; 8]).is_ok()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_two_pods_come_and_go() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let pods = [world.pod("pod-1"), world.pod("pod-2")];
    let mut results = Vec::new();
    for (index, netns) in pods.iter().enumerate() {
        let (container, args) = (format!("c{index}"), args(&format!("web-{index}")));
        let mut config = world.shared.config();
        config["mtu"] = json!(1400);
        let result = world.add_acknowledged(&container, netns, &args, &config).await.expect_ok();
        results.push(result);
    }

    // The result.
    let host_names: Vec<_> = world.host_links().await.into_iter().map(|link| link.name).collect();
    for (result, netns) in results.iter().zip(&pods) {
        assert_eq!(result["cniVersion"], "0.3.1");
        let interfaces = &result["interfaces"];
        assert!(host_names.contains(&interfaces[0]["name"].as_str().unwrap().to_owned()), "{result}");
        assert_eq!(interfaces[0]["name"].as_str().unwrap().len(), 15);
        assert_eq!((&interfaces[1]["name"], &interfaces[1]["sandbox"]), (&json!("eth0"), &json!(netns)));
        assert_eq!((&result["ips"][0]["version"], &result["ips"][1]["version"]), (&json!("4"), &json!("6")));
        assert!(
            result["ips"]
                .as_array()
                .unwrap()
                .iter()
                .all(|ip| ip["interface"] == 1 && ip.get("gateway").is_none())
        );
        assert_eq!(result["routes"][0]["dst"], result["ips"][0]["address"]);
    }

    // Inside.
    for (result, path) in results.iter().zip(&pods) {
        let netns = NetNs::open(path).unwrap();
        let links = Links::open_in(&netns).unwrap();
        let eth0 = links.require("eth0").await.unwrap();
        assert!(eth0.up && eth0.carrier && eth0.mtu == 1400, "{eth0:?}");
        assert_eq!(eth0.mac.unwrap().to_string(), result["interfaces"][1]["mac"]);
        let held: Vec<_> = links.addresses(Some(eth0.index)).await.unwrap();
        for address in addresses(result) {
            let found = held.iter().find(|held| held.net.addr() == address).unwrap();
            assert!(found.net.prefix_len() == found.net.max_prefix_len() && !found.tentative, "{found:?}");
        }
        let v4: Vec<_> = routes(&netns, Family::V4)
            .into_iter()
            .map(|entry| (entry.key.destination.to_string(), entry.hop.unwrap().via, entry.scope))
            .collect();
        let gateway: IpAddr = "169.254.1.1".parse().unwrap();
        assert_eq!(v4.len(), 2, "{v4:?}");
        assert!(v4.contains(&("0.0.0.0/0".into(), Some(gateway), Scope::UNIVERSE)), "{v4:?}");
        assert!(v4.contains(&("169.254.1.1/32".into(), None, Scope::LINK)), "{v4:?}");
        let v6: Vec<_> = routes(&netns, Family::V6);
        let default = v6.iter().find(|entry| entry.key.destination.prefix_len() == 0).unwrap();
        assert_eq!(default.hop.unwrap().via, Some("fe80::ecee:eeff:feee:eeee".parse().unwrap()));
        for parameter in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            assert_eq!(netns.run(|| sysctl::read(parameter)).unwrap().unwrap(), "0", "{parameter}");
        }
    }

    // On the host.
    for link in world.host_links().await {
        assert!(link.up && link.carrier && link.mtu == 1400, "{link:?}");
        assert_eq!(link.mac.unwrap().to_string(), "ee:ee:ee:ee:ee:ee");
        let wanted = [
            (Family::V4, "route_localnet", "1"),
            (Family::V4, "proxy_arp", "1"),
            (Family::V4, "forwarding", "1"),
            (Family::V6, "disable_ipv6", "0"),
            (Family::V6, "accept_dad", "0"),
            (Family::V6, "proxy_ndp", "1"),
            (Family::V6, "forwarding", "1"),
            (Family::V6, "accept_ra", "0"),
        ];
        for (family, name, value) in wanted {
            let found = world.host.run(|| sysctl::read_interface(family, &link.name, name)).unwrap();
            assert_eq!(found.unwrap(), value, "{family} {name}");
        }
        let own: Vec<_> = Family::ALL
            .into_iter()
            .flat_map(|family| routes(&world.host, family))
            .filter(|entry| entry.index() == Some(link.index) && entry.protocol == Protocol::BOOT)
            .collect();
        let result = results.iter().find(|result| result["interfaces"][0]["name"] == link.name).unwrap();
        let mut destinations: Vec<_> = own.iter().map(|entry| entry.key.destination.addr()).collect();
        destinations.sort();
        assert_eq!(destinations, addresses(result));
        assert!(own.iter().all(|entry| entry.hop.unwrap().via.is_none()));
        let v4 = own.iter().find(|entry| entry.key.destination.addr().is_ipv4()).unwrap();
        assert_eq!((v4.key.metric, v4.scope), (0, Scope::LINK));
    }

    // In the datastore.
    let records = world.shared.endpoints().await;
    assert_eq!(records.len(), 2);
    let record = records.iter().find(|record| record.spec.pod == "web-0").unwrap();
    assert_eq!(record.metadata.name, "node--1-k8s-web--0-eth0");
    assert_eq!(record.metadata.namespace.as_deref(), Some("blue"));
    assert_eq!(record.metadata.labels["app"], "web");
    assert_eq!(record.metadata.labels["projectcalico.org/namespace"], "blue");
    assert_eq!(record.metadata.labels["projectcalico.org/orchestrator"], "k8s");
    assert_eq!(record.spec.profiles, ["kns.blue"]);
    assert_eq!(record.spec.mac, results[0]["interfaces"][1]["mac"]);
    assert_eq!(record.spec.interface_name, results[0]["interfaces"][0]["name"]);
    let networks: Vec<_> = record.spec.ip_networks.iter().map(|net| net.addr()).collect();
    assert_eq!(networks, addresses(&results[0]));

    // There was no agent's table, so everything is dropped until there is one.
    assert!(world.nft(&["list", "table", "inet", "tortie"]).contains("no policy is loaded"));
    world.host.run(|| sysctl::write_interface(Family::V6, "all", "forwarding", "1")).unwrap().unwrap();
    for address in addresses(&results[1]) {
        assert!(!reaches(&pods[0], &pods[1], address), "{address}");
    }
    world.nft(&["delete", "table", "inet", "tortie"]);
    for (to, result) in [(1, &results[1]), (0, &results[0])] {
        for address in addresses(result) {
            assert!(reaches(&pods[1 - to], &pods[to], address), "{address}");
        }
    }

    // DEL, once with everything and once as runtimes repeat it.
    for (index, netns) in pods.iter().enumerate() {
        let (container, args) = (format!("c{index}"), args(&format!("web-{index}")));
        assert_eq!(world.del(&container, netns, &args).expect_ok(), Value::Null);
        assert_eq!(world.del(&container, Path::new(""), &args).expect_ok(), Value::Null);
        assert!(Links::open_in(&NetNs::open(netns).unwrap()).unwrap().find("eth0").await.unwrap().is_none());
    }
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_without_acknowledgement_nothing_stays() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let mut config = world.shared.config();
    config["policy_setup_timeout_seconds"] = json!(1);
    // An acknowledgement of an earlier pod of this name is none.
    let stale = world.shared.path("status").join("k8s blue%2Fweb eth0");
    std::fs::write(&stale, r#"{"ifaceName":"cali0","ipv4Nets":["10.77.0.0/32"]}"#).unwrap();
    let answer = world.add("c1", &netns, &args("web"), &config);
    assert_eq!(answer.code(), 11, "{answer:?}");
    world.assert_clean().await;
    assert!(Links::open_in(&NetNs::open(&netns).unwrap()).unwrap().find("eth0").await.unwrap().is_none());
    // The runtime's DEL after it, and its next try.
    world.del("c1", &netns, &args("web")).expect_ok();
    let args = format!("{};IP=10.77.0.42", args("web"));
    world.add_acknowledged("c1", &netns, &args, &config).await.expect_ok();
    // An acknowledgement of the same address, which an agent that died did not take back, is none either.
    let earlier = std::fs::read(&stale).unwrap();
    world.del("c1", Path::new(""), &args).expect_ok();
    world.assert_clean().await;
    std::fs::write(&stale, earlier).unwrap();
    assert_eq!(world.add("c2", &netns, &args, &config).code(), 11);
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_a_stale_sandbox_takes_nothing_from_its_successor() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let (first, second) = (world.pod("first"), world.pod("second"));
    let config = world.shared.config();
    let before = addresses(&world.add_acknowledged("c1", &first, &args("web"), &config).await.expect_ok());
    let after = addresses(&world.add_acknowledged("c2", &second, &args("web"), &config).await.expect_ok());
    assert!(before.iter().all(|address| !after.contains(address)), "{before:?} {after:?}");
    assert_eq!(world.shared.allocated().await.len(), 4);

    world.del("c1", &first, &args("web")).expect_ok();
    let records = world.shared.endpoints().await;
    assert_eq!((records.len(), records[0].spec.container_id.as_str()), (1, "c2"));
    let texts: Vec<_> = after.iter().map(ToString::to_string).collect();
    assert_eq!(world.shared.allocated().await, texts);
    assert_eq!(world.host_links().await.len(), 1);
    assert!(Links::open_in(&NetNs::open(&second).unwrap()).unwrap().find("eth0").await.unwrap().is_some());

    world.del("c2", &second, &args("web")).expect_ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_a_failed_second_sandbox_leaves_the_first_its_record_and_addresses() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let (first, second) = (world.pod("first"), world.pod("second"));
    let mut config = world.shared.config();
    world.add_acknowledged("c1", &first, &args("web"), &config).await.expect_ok();
    let (allocated, records) = (world.shared.allocated().await, world.shared.endpoints().await);

    config["policy_setup_timeout_seconds"] = json!(1);
    assert_eq!(world.add("c2", &second, &args("web"), &config).code(), 11);
    assert_eq!(world.shared.allocated().await, allocated);
    let restored = world.shared.endpoints().await;
    assert_eq!(
        (&restored[0].spec, &restored[0].metadata.labels),
        (&records[0].spec, &records[0].metadata.labels)
    );
    assert_eq!(restored[0].metadata.uid, records[0].metadata.uid);

    world.del("c2", &second, &args("web")).expect_ok();
    assert_eq!(world.shared.allocated().await, allocated);
    world.del("c1", &first, &args("web")).expect_ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_an_interface_that_is_there_is_refused_and_stays() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let inside = NetNs::open(&netns).unwrap();
    let links = Links::open_in(&inside).unwrap();
    links.create_veth(&Veth::new("eth0", "other0")).await.unwrap();
    let answer = world.add("c1", &netns, &args("web"), &world.shared.config());
    assert_eq!(answer.code(), 4, "{answer:?}");
    assert!(answer.said["msg"].as_str().unwrap().contains("CNI_IFNAME"), "{answer:?}");
    world.assert_clean().await;
    world.del("c1", &netns, &args("web")).expect_ok();
    assert!(links.find("eth0").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_a_second_interface_of_a_container_is_refused_and_its_del_touches_nothing() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let (config, args) = (world.shared.config(), args("web"));
    world.add_acknowledged("c1", &netns, &args, &config).await.expect_ok();
    let (allocated, records) = (world.shared.allocated().await, world.shared.endpoints().await);
    for (command, code) in [("ADD", Some(4)), ("DEL", None)] {
        let mut variables = pod_variables(command, "c1", &netns, &args);
        for variable in &mut variables {
            if variable.0 == "CNI_IFNAME" {
                variable.1 = "net1";
            }
        }
        let answer = world.call(&variables, &config);
        match code {
            Some(code) => assert_eq!(answer.code(), code, "{answer:?}"),
            None => drop(answer.expect_ok()),
        }
        assert_eq!(world.shared.allocated().await, allocated);
        assert_eq!(world.shared.endpoints().await, records);
        assert_eq!(world.host_links().await.len(), 1);
    }
    // A new sandbox may call its interface otherwise.
    let second = world.pod("second");
    let mut variables = pod_variables("ADD", "c2", &second, &args);
    variables.push(("CNI_IFNAME", "net1"));
    let agent = Agent::start(&world.shared);
    let answer = world.call(&variables, &config);
    agent.stop().await;
    answer.expect_ok();
    let names: Vec<_> =
        world.shared.endpoints().await.into_iter().map(|record| record.metadata.name).collect();
    assert_eq!(names, ["node--1-k8s-web-net1"]);
    variables.push(("CNI_COMMAND", "DEL"));
    world.call(&variables, &config).expect_ok();
    world.del("c1", &netns, &args).expect_ok();
    std::fs::remove_file(world.shared.path("status").join("k8s blue%2Fweb eth0")).ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_what_a_killed_add_left_is_taken_up() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    // It had an address and its record, and died.
    let pools =
        [("v4", "10.77.0.0/24")].map(|(name, cidr)| tortie_ipam::Pool::new(name, cidr.parse().unwrap()));
    let request = AssignRequest::new("testnet.c1", "node-1", Use::Workload).v4(3).attribute("node", "node-1");
    let allocator = Allocator::new(world.shared.store.clone());
    allocator.assign_all(&request, &View::new(pools), Duration::from_secs(1_700_000_000)).await.unwrap();
    assert_eq!(world.shared.allocated().await.len(), 3);
    let result = world.add_acknowledged("c1", &netns, &args("web"), &world.shared.config()).await.expect_ok();
    let texts: Vec<_> = addresses(&result).iter().map(ToString::to_string).collect();
    assert_eq!(world.shared.allocated().await, texts);
    world.del("c1", &netns, &args("web")).expect_ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_both_families_or_none() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    client::delete::<IpPoolSpec>(&world.shared.store, None, "v6").await.unwrap();
    let answer = world.add("c1", &netns, &args("web"), &world.shared.config());
    assert_eq!(answer.code(), 101, "{answer:?}");
    world.assert_clean().await;
    let mut config = world.shared.config();
    config["ipam"]["ipv4_pools"] = json!(["nothing"]);
    assert_eq!(world.add("c1", &netns, &args("web"), &config).code(), 7);
    config["ipam"] = json!({"type": "tortie-ipam", "ipv4_pools": ["v4"]});
    let result = world.add_acknowledged("c1", &netns, &args("web"), &config).await.expect_ok();
    assert_eq!(addresses(&result).len(), 1);
    world.del("c1", &netns, &args("web")).expect_ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_a_namespaces_labels_choose_the_pool() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let mut pool = IpPoolSpec::new("10.78.0.0/24".parse().unwrap());
    pool.namespace_selector = "team == 'red'".into();
    client::create(&world.shared.store, Resource::new("red", pool)).await.unwrap();
    client::delete::<IpPoolSpec>(&world.shared.store, None, "v4").await.unwrap();
    let config = world.shared.config();
    assert_eq!(world.add("c1", &netns, &args("web"), &config).code(), 101);
    let profile = json!({"apiVersion": "projectcalico.org/v3", "kind": "Profile", "metadata": {"name": "kns.blue"},
        "spec": {"labelsToApply": {"pcns.team": "red", "pcns.projectcalico.org/name": "blue"}}});
    let profile = Resource::<ProfileSpec>::from_value(profile).unwrap();
    client::create(&world.shared.store, profile).await.unwrap();
    let result = world.add_acknowledged("c1", &netns, &args("web"), &config).await.expect_ok();
    assert!(addresses(&result)[0].to_string().starts_with("10.78.0."), "{result}");
    world.del("c1", &netns, &args("web")).expect_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_another_workload_is_known_by_its_container() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let mut config = world.shared.config();
    config["cniVersion"] = json!("0.2.0");
    config["container_settings"] = json!({"allow_ip_forwarding": true});
    let result = world.add_acknowledged("c1", &netns, "", &config).await.expect_ok();
    let ip = |family: &str| result[family]["ip"].as_str().unwrap().to_owned();
    assert!(ip("ip4").ends_with("/32") && ip("ip6").ends_with("/128"), "{result}");
    let records = world.shared.endpoints().await;
    assert_eq!(records[0].metadata.name, "node--1-cni-c1-eth0");
    assert_eq!(records[0].metadata.namespace.as_deref(), Some("default"));
    assert_eq!(records[0].spec.profiles, ["testnet"]);
    let profile = client::get::<ProfileSpec>(&world.shared.store, None, "testnet").await.unwrap().unwrap();
    assert_eq!(profile.spec.labels_to_apply.get("testnet").map(String::as_str), Some(""));
    let forwarding = NetNs::open(&netns).unwrap().run(|| sysctl::read("ipv4/ip_forward")).unwrap();
    assert_eq!(forwarding.unwrap(), "1");
    // Again: it is as it was.
    let allocated = world.shared.allocated().await;
    assert_eq!(world.add("c1", &netns, "", &config).expect_ok(), result);
    assert_eq!(world.shared.allocated().await, allocated);
    world.del("c1", &netns, "").expect_ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_a_particular_address_and_a_route_in_its_way() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let args = format!("{};IP=10.77.0.42", args("web"));
    // Somebody else's link has the address, and dual stack must not hide it.
    let links = Links::open_in(&world.host).unwrap();
    let other = links.create_veth(&Veth::new("other0", "other1")).await.unwrap();
    links.set_up(other).await.unwrap();
    let foreign = Entry::resolve(&Route::local("10.77.0.42".parse().unwrap(), "other0"), other);
    let mut kernel = Kernel::open_in(&world.host).unwrap();
    kernel.change(&[Op::Create(foreign.clone())])[0].unwrap();
    let answer = world.add("c1", &netns, &args, &world.shared.config());
    assert_eq!(answer.code(), 11, "{answer:?}");
    assert!(answer.said["msg"].as_str().unwrap().contains("10.77.0.42"), "{answer:?}");
    assert_eq!(world.shared.allocated().await, [""; 0]);
    assert_eq!(world.host_links().await, []);
    kernel.change(&[Op::Delete(foreign)])[0].unwrap();
    let result = world.add_acknowledged("c1", &netns, &args, &world.shared.config()).await.expect_ok();
    assert_eq!(addresses(&result), ["10.77.0.42".parse::<IpAddr>().unwrap()]);
    // It is taken now.
    let second = world.pod("second");
    let answer = world.add("c2", &second, &args.replace("=web", "=web-2"), &world.shared.config());
    assert_eq!(answer.code(), 101, "{answer:?}");
    world.del("c1", &netns, &args).expect_ok();
    world.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_the_agents_table_is_left_alone() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    world.nft(&["add", "table", "inet", "tortie"]);
    world.nft(&["add", "chain", "inet", "tortie", "agent"]);
    let before = world.nft(&["list", "ruleset"]);
    world.add_acknowledged("c1", &netns, &args("web"), &world.shared.config()).await.expect_ok();
    assert_eq!(world.nft(&["list", "ruleset"]), before);
    world.del("c1", &netns, &args("web")).expect_ok();
    world.assert_clean().await;
}

/// Pods that start at once.
const STORM: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_many_pods_start_at_once() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let pods: Vec<_> = (0..STORM).map(|index| world.pod(&format!("pod-{index}"))).collect();
    let config = world.shared.config();
    let all = |command: &'static str| {
        std::thread::scope(|scope| {
            let calls: Vec<_> = pods
                .iter()
                .enumerate()
                .map(|(index, netns)| {
                    let (world, config) = (&world, &config);
                    scope.spawn(move || {
                        let (container, args) = (format!("c{index}"), args(&format!("web-{index}")));
                        world.call(&pod_variables(command, &container, netns, &args), config).expect_ok()
                    })
                })
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let agent = Agent::start(&world.shared);
    let results = tokio::task::block_in_place(|| all("ADD"));
    agent.stop().await;
    let mut held: Vec<_> = results.iter().flat_map(addresses).collect();
    held.sort();
    held.dedup();
    assert_eq!(held.len(), 2 * STORM);
    assert_eq!(world.host_links().await.len(), STORM);
    tokio::task::block_in_place(|| all("DEL"));
    world.assert_clean().await;
}

/// Moments at which the plugin is killed.
const KILLS: u32 = 24;
/// Factor for the long proof, which the environment asks for with `TORTIE_PROVE=1`.
const PROVE_FACTOR: u32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_killed_at_any_moment_del_leaves_nothing() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let netns = world.pod("pod");
    let (config, args) = (world.shared.config().to_string(), args("web"));
    // The one that nobody kills, to know how long there is; nobody acknowledges, so that it never ends by itself.
    let kills =
        if std::env::var_os("TORTIE_PROVE").is_some_and(|v| v == "1") { KILLS * PROVE_FACTOR } else { KILLS };
    let began = std::time::Instant::now();
    let mut child = world.host.run(|| start(&pod_variables("ADD", "c1", &netns, &args), &config)).unwrap();
    while world.host_links().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let whole = began.elapsed() * 5 / 4;
    let mut reached = [false; 3];
    for step in 0..kills {
        child.kill().unwrap();
        child.wait().unwrap();
        reached[0] |= !world.shared.allocated().await.is_empty();
        reached[1] |= !world.shared.endpoints().await.is_empty();
        reached[2] |= !world.host_links().await.is_empty();
        let netns = if step % 2 == 0 { netns.as_path() } else { Path::new("") };
        world.del("c1", netns, &args).expect_ok();
        world.assert_clean().await;
        child =
            world.host.run(|| start(&pod_variables("ADD", "c1", &world.names[1], &args), &config)).unwrap();
        tokio::time::sleep(whole * step / kills).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    world.del("c1", &netns, &args).expect_ok();
    world.assert_clean().await;
    assert_eq!(reached, [true; 3], "addresses, record, link");
}

/// Times that a pod's sandbox is replaced while the old one is still being removed.
const REPLACEMENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netns_a_late_del_and_the_successors_add_take_turns() {
    skip_unless_possible!();
    let mut world = World::new().await;
    let sandboxes: Vec<_> = (0..=REPLACEMENTS).map(|index| world.pod(&format!("pod-{index}"))).collect();
    let (config, args) = (world.shared.config(), args("web"));
    let agent = Agent::start(&world.shared);
    let run = |command: &str, index: usize| {
        let container = format!("c{index}");
        world.call(&pod_variables(command, &container, &sandboxes[index], &args), &config).expect_ok()
    };
    tokio::task::block_in_place(|| run("ADD", 0));
    for index in 0..REPLACEMENTS {
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| run("DEL", index));
                scope.spawn(|| run("ADD", index + 1));
            });
        });
        let records = world.shared.endpoints().await;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].spec.container_id, format!("c{}", index + 1));
        assert_eq!(world.host_links().await.len(), 1, "after replacement {index}");
        assert_eq!(world.shared.allocated().await.len(), 2);
    }
    agent.stop().await;
    tokio::task::block_in_place(|| run("DEL", REPLACEMENTS));
    world.assert_clean().await;
}
