//! A host's own interface: what keeps the operator in stays open whatever becomes of policy, store and agent, and nothing else does.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use serde_json::{Value, json};
use tortie_datastore::resource::{HostEndpointSpec, Resource};
use tortie_routes::netlink::NetNs;

use crate::kit::{Agent, Count, HOST, Host, Meter, NODE, Place, Pod, Stream, Traffic, enter, until};

/// Datagrams that no failsafe port is for, and ones that one is for, to the host and from it.
const DENIED: Count = ("udp", 81);
const TO_HOST: Count = ("udp", 68);
const FROM_HOST: Count = ("udp", 53);
/// Connections to the host, and from it.
const SSH: u16 = 22;
const ETCD: u16 = 2379;
const MANY: u64 = 200;
/// The number of who is outside.
pub(crate) const WORLD: u16 = 9;
/// How long packets are sent at each stage.
const WHILE: Duration = Duration::from_millis(300);
/// How long a connection that must fail is tried.
const REFUSAL: Duration = Duration::from_millis(150);

/// The host, and somebody outside.
pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) own: NetNs,
    pub(crate) world: Pod,
    meters: [Meter; 2],
}

impl Scene {
    /// All that the host endpoint does is denied by a policy, once there is an agent.
    pub(crate) fn new() -> Self {
        let (host, world) = (Host::new(), Pod::outside(WORLD));
        world.attach(&host);
        Self::of(host, world)
    }

    /// The same, on a host whose link to the world is there.
    pub(crate) fn of(host: Host, world: Pod) -> Self {
        let own = NetNs::current().unwrap();
        let meters =
            [&own, &world.namespace].map(|namespace| Meter::new(namespace, &[DENIED, TO_HOST, FROM_HOST]));
        let scene = Self { host, own, world, meters };
        scene.write();
        scene
    }

    /// Writes the records that deny all.
    pub(crate) fn write(&self) {
        let mut endpoint =
            Resource::new("uplink", HostEndpointSpec { node: NODE.into(), ..Default::default() });
        endpoint.spec.interface_name = Some(self.world.interface());
        endpoint.metadata.labels = [("role".to_owned(), "host".to_owned())].into();
        self.host.apply(endpoint);
        self.host.policy("deny-all", json!({ "selector": "role == 'host'", "types": ["Ingress", "Egress"] }));
    }

    /// Datagrams that are denied and ones that are not, all the time: to the host, and from it. Before there is an agent, all of
    /// them arrive.
    pub(crate) fn traffic(&self) -> [Traffic; 2] {
        let traffic = [
            Traffic::start(&self.world.namespace, &HOST, &[DENIED.1, TO_HOST.1]),
            Traffic::start(&self.own, &self.world.addresses, &[DENIED.1, FROM_HOST.1]),
        ];
        until("without an agent everything arrives", || {
            self.denied().into_iter().all(|arrived| arrived > MANY)
        });
        traffic
    }

    /// Connections to failsafe ports, of both families: to the host, and from it.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        let (own, world) = (&self.own, &self.world);
        let both = |family: usize| {
            [
                Stream::start(&world.namespace, (own, HOST[family]), SSH).unwrap(),
                Stream::start(own, (&world.namespace, world.addresses[family]), ETCD).unwrap(),
            ]
        };
        (0..2).flat_map(both).collect()
    }

    /// Without the policy that denies it, it arrives: nothing else was in its way.
    pub(crate) fn prove_that_changes_are_followed(&self) {
        let before = self.denied();
        self.host.remove_policy("deny-all");
        self.host.policy("open", open());
        until("what nothing denies arrives", || {
            let arrived = self.denied();
            (0..2).all(|end| arrived[end] > before[end] + MANY)
        });
    }

    /// How many datagrams that are denied have arrived at the host and outside.
    pub(crate) fn denied(&self) -> [u64; 2] {
        self.meters.each_ref().map(|meter| meter.received(DENIED))
    }

    /// New connections: what is failsafe can be made, nothing else can; and nothing that is denied has arrived.
    pub(crate) fn check(&self, what: &str, before: [u64; 2]) {
        let passed = || [self.meters[0].received(TO_HOST), self.meters[1].received(FROM_HOST)];
        let passed_before = passed();
        for (host, outside) in HOST.into_iter().zip(self.world.addresses) {
            assert!(connects(&self.world.namespace, &self.own, host, SSH), "{what}: {host} {SSH}");
            assert!(connects(&self.own, &self.world.namespace, outside, ETCD), "{what}: {outside} {ETCD}");
            assert!(!connects(&self.world.namespace, &self.own, host, 8080), "{what}: {host} 8080");
            assert!(!connects(&self.own, &self.world.namespace, outside, 8080), "{what}: {outside} 8080");
        }
        thread::sleep(WHILE);
        let after = passed();
        println!("{what}: {passed_before:?}, and then {after:?} datagrams to failsafe ports");
        assert!((0..2).all(|end| after[end] > passed_before[end] + MANY), "{what}");
        assert_eq!(self.denied(), before, "{what}: what is denied has arrived");
    }
}

/// What a policy says that allows the host everything.
pub(crate) fn open() -> Value {
    json!({ "selector": "role == 'host'", "types": ["Ingress", "Egress"],
        "ingress": [{ "action": "Allow" }], "egress": [{ "action": "Allow" }] })
}

/// Whether a new connection can be made.
fn connects(from: &NetNs, to: &NetNs, address: IpAddr, port: u16) -> bool {
    let at = SocketAddr::new(address, port);
    // Others may listen there already, for the connection that lives on.
    let _listener = to.run(|| TcpListener::bind(at)).unwrap();
    let open = [SSH, ETCD].contains(&port);
    let patience = if open { crate::kit::PATIENCE } else { REFUSAL };
    from.run(|| TcpStream::connect_timeout(&at, patience).is_ok()).unwrap()
}

#[test]
fn netns_the_operator_gets_in_whatever_becomes_of_store_and_agent() {
    if let Place::Done = enter("failsafe::netns_the_operator_gets_in_whatever_becomes_of_store_and_agent") {
        return;
    }
    let scene = Scene::new();
    let host = &scene.host;
    let traffic = scene.traffic();
    let streams = scene.streams();
    let (mut agent, _) = Agent::ready(host);
    host.settle();
    thread::sleep(WHILE / 10);
    let before = scene.denied();
    scene.check("policed", before);

    for time in 0..3 {
        agent.kill();
        scene.check("without an agent", before);
        agent = Agent::ready(host).0;
        scene.check(&format!("restarted {} times", time + 1), before);
    }

    // The store is cut: something else is in its place, or nothing that may be read.
    let file = host.path("tortie.db");
    let kept = host.path("kept.db");
    std::fs::rename(&file, &kept).unwrap();
    std::fs::write(&file, "something else, of which nothing can be read").unwrap();
    scene.check("the store is cut", before);
    agent.kill();
    for time in 0..2 {
        let cut = Agent::start(host);
        scene.check(&format!("restarted without a store, {time}"), before);
        cut.kill();
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    let cut = Agent::start(host);
    scene.check("a folder is where the store was", before);
    cut.kill();

    // It comes back.
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&kept, &file).unwrap();
    let (_agent, took) = Agent::ready(host);
    println!("ready {took:.1?} after the start with the store that was cut");
    scene.check("the store is there again", before);
    for stream in streams {
        println!("lives on: {:?}", stream.end().unwrap());
    }
    scene.prove_that_changes_are_followed();
    traffic.into_iter().for_each(Traffic::end);
}
