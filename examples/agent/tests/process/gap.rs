//! No packet that policy denies arrives while the agent starts, dies, starts again and changes everything around it; and no
//! connection that policy allows breaks.

use core::net::IpAddr;
use core::time::Duration;
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde_json::json;
use tortie_datastore::client;
use tortie_datastore::resource::{GlobalNetworkPolicySpec, GlobalNetworkSetSpec, Resource};

use crate::kit::{
    Agent, Count, Host, Knocks, Meter, Place, Pod, Spoken, Stream, Talk, Traffic, enter, proves, raise,
    record, until,
};

/// Datagrams that are denied, and ones that are allowed.
const DENIED: Count = ("udp", 81);
const ALLOWED: Count = ("udp", 80);
/// Connections that are allowed.
const TALK: Count = ("udp", 7);
const STREAM: u16 = 8080;
/// Connections that are denied, and tried.
const KNOCK: Count = ("tcp", 82);
const ALL: [Count; 4] = [DENIED, KNOCK, ALLOWED, TALK];

/// How long packets are sent where nothing else happens.
const WHILE: Duration = Duration::from_millis(300);
/// What is many, of packets that are sent each 100 us.
const MANY: u64 = 200;

/// Who is guarded, and who sends to it.
struct Scene {
    host: Host,
    server: Pod,
    client: Pod,
    /// Of the client, and of the server.
    meters: [Meter; 2],
}

impl Scene {
    /// Records of both, and the policy that guards the server; no link and no agent yet.
    fn new() -> Self {
        let host = Host::new();
        let (server, client) = (Pod::new(1), Pod::new(2));
        host.apply(server.record(&[("app", "server")]));
        host.apply(client.record(&[("app", "client")]));
        guard(&host, 0);
        let meters = [&client, &server].map(|pod| Meter::new(&pod.namespace, &ALL));
        Self { host, server, client, meters }
    }

    /// The same with links, and an agent that has enforced the policy before.
    fn guarded() -> (Self, Agent) {
        let scene = Self::new();
        raise();
        let (agent, _) = Agent::ready(&scene.host);
        scene.host.settle();
        scene.attach();
        (scene, agent)
    }

    fn attach(&self) {
        self.server.attach(&self.host);
        self.client.attach(&self.host);
    }

    fn traffic(&self) -> Traffic {
        Traffic::start(&self.client.namespace, &self.server.addresses, &[DENIED.1, ALLOWED.1])
    }

    fn stream(&self, address: IpAddr, port: u16) -> std::io::Result<Stream> {
        Stream::start(&self.client.namespace, (&self.server.namespace, address), port)
    }

    fn denied(&self) -> u64 {
        self.meters[1].received(DENIED)
    }

    fn knocks(&self) -> Knocks {
        Knocks::start(&self.client.namespace, &self.server.namespace, &self.server.addresses, KNOCK.1)
    }

    /// What the client has sent of a flow, what has arrived, what was answered, and what of that has arrived.
    fn counts(&self, flow: Count) -> [u64; 4] {
        let [client, server] = &self.meters;
        [client.sent(flow), server.received(flow), server.sent(flow), client.received(flow)]
    }

    /// Without the policy packets arrive that it denied, and connections are made: nothing else was in their way.
    fn prove_that_they_could_arrive(&self, knocks: &Knocks) {
        assert_eq!((self.denied(), self.meters[1].received(KNOCK), knocks.made()), (0, 0, 0));
        let policies =
            self.host.wait(client::list::<GlobalNetworkPolicySpec>(&self.host.store, None)).unwrap();
        for policy in policies.items {
            self.host.remove_policy(&policy.metadata.name);
        }
        until("what nothing denies arrives", || self.denied() > MANY);
        until("what nothing denies can be made", || knocks.made() > 2);
    }
}

/// The policy that guards servers, in one of many ways to say the same of what is sent here.
fn guard(host: &Host, variant: usize) {
    let more = 1000 + variant % 7;
    host.policy(
        "guard",
        json!({ "selector": "app == 'server'", "order": 100, "types": ["Ingress"], "ingress": [
            { "action": "Allow", "protocol": "UDP", "source": { "selector": "app == 'client'" },
              "destination": { "ports": [ALLOWED.1, TALK.1, more] } },
            { "action": "Allow", "protocol": "TCP", "source": { "selector": "app == 'client'" },
              "destination": { "ports": [STREAM, more] } }] }),
    );
}

/// Packets that are sent, and connections that are spoken on, for as long as this is there.
struct Watch<'s> {
    scene: &'s Scene,
    traffic: Traffic,
    knocks: Knocks,
    streams: [Stream; 2],
    talks: Vec<Talk>,
    begun: Instant,
    /// What was counted before.
    before: [[u64; 4]; 2],
}

/// The flows that must arrive, by what they are called.
const ALLOWED_FLOWS: [(&str, Count); 2] = [("datagrams", ALLOWED), ("datagrams of a connection", TALK)];

impl<'s> Watch<'s> {
    /// Once what is allowed passes.
    fn begin(scene: &'s Scene) -> Self {
        let [v4, v6] = scene.server.addresses;
        let before = ALLOWED_FLOWS.map(|(_, flow)| scene.counts(flow));
        let streams = [v4, v6].map(|address| scene.stream(address, STREAM).unwrap());
        let talk = |address| Talk::start(&scene.client.namespace, (&scene.server.namespace, address), TALK.1);
        let watch = Self {
            scene,
            traffic: scene.traffic(),
            knocks: scene.knocks(),
            streams,
            talks: vec![talk(v4), talk(v6)],
            begun: Instant::now(),
            before,
        };
        thread::sleep(WHILE);
        watch
    }

    /// All that was allowed has arrived, and nothing that was denied, although it could have. Of datagrams that begin a
    /// connection one in a thousand may be lost: one that runs through rules that are being replaced finds the next ones empty
    /// and is dropped. Of connections none.
    fn end(self, what: &str) {
        let took = self.begun.elapsed();
        let [denied, knocked] = [DENIED, KNOCK].map(|flow| self.scene.meters[0].sent(flow));
        assert!(knocked > 20, "{knocked} connections tried");
        self.scene.prove_that_they_could_arrive(&self.knocks);
        self.traffic.end();
        self.knocks.end();
        self.talks.into_iter().for_each(Talk::end);
        let spoken = self.streams.map(|stream| stream.end().unwrap());
        println!("{what}, in {took:.1?}: of {denied} datagrams that are denied none has arrived");
        println!("  of {knocked} packets that would begin a connection none has arrived");
        // What was on its way arrives.
        thread::sleep(WHILE / 3);
        for ((name, flow), before) in ALLOWED_FLOWS.into_iter().zip(self.before) {
            let after = self.scene.counts(flow);
            let [sent, received, answered, heard] = [0, 1, 2, 3].map(|index| after[index] - before[index]);
            println!("  {name}: {sent} there, of which {received} arrived, and {answered} back");
            assert!(sent > MANY, "{what}: {name}");
            let lost = if flow == ALLOWED { sent / 1000 } else { 0 };
            assert!(
                received <= sent && sent - received <= lost,
                "{what}: {name}: {sent} sent, {received} arrived"
            );
            assert_eq!(answered, heard, "{what}: {name}: answered, and arrived");
        }
        for spoken in &spoken {
            let Spoken { answers, slowest, .. } = spoken;
            let again =
                spoken.retransmitted([&self.scene.client, &self.scene.server].map(|pod| &pod.namespace));
            println!("  {answers} answers by TCP, the slowest in {slowest:.1?}; {again} segments sent again");
            assert!(*answers > MANY);
            // None is lost; but a machine that stalls sends again what has arrived.
            assert!(again <= 2 + answers / 1000, "{what}: {again} segments sent again");
        }
    }
}

/// The plugin's order is record, table, link. So a link never is before there is a table, and until the agent has made its own
/// nothing passes; then at once what is allowed, and never what is not.
#[test]
fn netns_nothing_passes_before_the_first_agent() {
    if let Place::Done = enter("gap::netns_nothing_passes_before_the_first_agent") {
        return;
    }
    let scene = Scene::new();
    raise();
    scene.attach();
    let traffic = scene.traffic();
    thread::sleep(WHILE);
    let [client, server] = &scene.meters;
    assert!(client.sent(ALLOWED) > MANY && client.sent(DENIED) > MANY);
    assert_eq!((server.received(ALLOWED), scene.denied()), (0, 0), "there is no agent");
    let agent = Agent::start(&scene.host);
    let took = until("what is allowed passes", || server.received(ALLOWED) > MANY);
    println!("what is allowed passes {took:.1?} after the agent's start; {} denied", client.sent(DENIED));
    agent.wait_ready();
    traffic.end();
    Watch::begin(&scene).end("the first start");
}

/// Where links were before there was any table, the agent closes what policy denies, connections included.
#[test]
fn netns_a_host_is_taken_over() {
    if let Place::Done = enter("gap::netns_a_host_is_taken_over") {
        return;
    }
    let scene = Scene::new();
    // As any proxy of services does. Where nobody tracks connections, the kernel takes whoever speaks first afterwards for the
    // one who began.
    let tracker =
        "add table inet tracker; add chain inet tracker seen { type filter hook prerouting priority 0; };
        add rule inet tracker seen ct state new counter";
    assert!(Command::new("nft").arg(tracker).status().unwrap().success());
    scene.attach();
    let traffic = scene.traffic();
    let [v4, v6] = scene.server.addresses;
    let denied = [v4, v6].map(|address| scene.stream(address, DENIED.1).unwrap());
    let allowed = [v4, v6].map(|address| scene.stream(address, STREAM).unwrap());
    until("what nobody denies arrives", || scene.denied() > MANY);
    let (_agent, took) = Agent::ready(&scene.host);
    scene.host.settle();
    // What has come between the judgement of connections and the rules is judged again, a while later.
    thread::sleep(WHILE * 2);
    let now = || {
        let answers = |streams: &[Stream; 2]| [streams[0].answers(), streams[1].answers()];
        (scene.denied(), scene.meters[0].sent(DENIED), answers(&denied), answers(&allowed))
    };
    let before = now();
    thread::sleep(WHILE);
    let after = now();
    println!("taken over in {took:.1?}: {before:?}, and then {after:?}");
    assert_eq!((after.0, after.2), (before.0, before.2), "what policy denies is cut");
    assert!(after.1 > before.1 + MANY, "it is sent");
    assert!((0..2).all(|family| after.3[family] > before.3[family]), "what it allows goes on");
    assert!((0..2).all(|family| before.2[family] > 0), "it was spoken before");
    for stream in allowed {
        stream.end().unwrap();
    }
    traffic.end();
}

/// The table outlives the agent, and the next agent replaces it in one transaction.
#[test]
fn netns_an_agent_that_is_killed_leaves_no_gap() {
    if let Place::Done = enter("gap::netns_an_agent_that_is_killed_leaves_no_gap") {
        return;
    }
    let (scene, mut agent) = Scene::guarded();
    let watch = Watch::begin(&scene);
    let times = if proves() { 100 } else { 8 };
    for time in 0..times {
        agent.kill();
        if time % 2 == 0 {
            thread::sleep(WHILE / 10);
        }
        // Some are killed before they are ready.
        agent = Agent::start(&scene.host);
        if time % 4 == 3 {
            thread::sleep(Duration::from_millis(7) * time);
        } else {
            agent.wait_ready();
        }
    }
    agent.wait_ready();
    watch.end(&format!("killed {times} times"));
}

/// Policies, labels and sets change, so that rules are written anew, endpoints go from list to list and sets grow and shrink.
#[test]
fn netns_a_thousand_changes_leave_no_gap() {
    if let Place::Done = enter("gap::netns_a_thousand_changes_leave_no_gap") {
        return;
    }
    let (scene, agent) = Scene::guarded();
    let host = &scene.host;
    let watch = Watch::begin(&scene);
    let transactions = agent.metric("tortie_policy_apply_seconds_count");
    let changes = if proves() { 20_000 } else { 1_000 };
    for change in 0..changes {
        write(&scene, change % 6, change / 6);
        thread::sleep(Duration::from_millis(2));
    }
    host.settle();
    let transactions = agent.metric("tortie_policy_apply_seconds_count") - transactions;
    assert!(transactions > 50.0, "{transactions} transactions");
    watch.end(&format!("{changes} changes in {transactions} transactions"));
}

/// A change of one of six kinds.
fn write(scene: &Scene, kind: usize, round: usize) {
    let host = &scene.host;
    match kind {
        0 => guard(host, round),
        1 => {
            let name = format!("before-{}", round % 5);
            if round / 5 % 3 == 2 {
                host.remove_policy(&name);
            } else {
                host.policy(&name, before(round));
            }
        }
        // Other policies are on the server then.
        2 => host.apply(scene.server.record(&[("app", "server"), ("stage", ["a", "b", "c"][round % 3])])),
        3 => host.apply(scene.client.record(&[("app", "client"), ("shift", ["day", "night"][round % 2])])),
        // Others come into the set of clients, and leave it.
        4 => {
            let number = u16::try_from(100 + round % 20).unwrap();
            host.apply(record("node-2", number, &[("app", ["client", "none"][round / 20 % 2])]));
        }
        _ => {
            let nets = (0..round % 9).map(|net| format!("10.77.{net}.0/24")).collect();
            let mut set = Resource::new("partners", GlobalNetworkSetSpec { nets, ..Default::default() });
            set.metadata.labels = [("role".to_owned(), "partner".to_owned())].into();
            host.apply(set);
        }
    }
}

/// A policy that comes before the guard: what it allows is not sent here, or allowed anyway; what it denies is denied anyway.
fn before(round: usize) -> serde_json::Value {
    let rule = match round % 4 {
        0 => {
            json!({ "action": "Deny", "protocol": "UDP", "destination": { "ports": [DENIED.1, 1000 + round] } })
        }
        1 => json!({ "action": "Allow", "source": { "selector": "role == 'partner'" } }),
        2 => json!({ "action": "Allow", "protocol": "UDP", "source": { "selector": "shift == 'day'" },
            "destination": { "ports": [ALLOWED.1] } }),
        _ => json!({ "action": "Allow", "source": { "notSelector": "app == 'client' || app == 'none'" } }),
    };
    let stage = ["a", "b", "c"][round % 3];
    json!({ "selector": format!("app == 'server' && stage != '{stage}'"), "order": 10 + round % 3, "types": ["Ingress"],
        "ingress": [rule] })
}

/// Endpoints beside the guarded one, each guarded from its first moment to its last.
#[test]
fn netns_endpoints_that_come_and_go_leave_no_gap() {
    if let Place::Done = enter("gap::netns_endpoints_that_come_and_go_leave_no_gap") {
        return;
    }
    let (scene, _agent) = Scene::guarded();
    let host = &scene.host;
    let watch = Watch::begin(&scene);
    // Names and addresses come again.
    let slots: Vec<Vec<IpAddr>> = (10..14).map(|number| Pod::new(number).addresses.into()).collect();
    let to = slots.concat();
    let other = Pod::attached(host, 3, &[("app", "client")]);
    let traffic = Traffic::start(&other.namespace, &to, &[DENIED.1, ALLOWED.1]);
    let mut gone: Vec<Pod> = Vec::new();
    let (times, mut arrived) = (if proves() { 1_000 } else { 40 }, 0);
    for time in 0..times {
        let pod = Pod::new(10 + time % 4);
        let meter = Meter::new(&pod.namespace, &[DENIED, ALLOWED]);
        let endpoint = pod.record(&[("app", "server"), ("stage", ["a", "b"][usize::from(time % 2)])]);
        host.apply(endpoint.clone());
        // As the plugin has it, which does not wait in between.
        pod.attach(host);
        if time % 3 > 0 {
            until("a newcomer is acknowledged", || host.is_acknowledged(&endpoint));
            until("what is allowed passes", || meter.received(ALLOWED) > 0);
        }
        // The record goes first, or the link.
        if time % 2 == 0 {
            host.remove(&endpoint);
            thread::sleep(Duration::from_millis(15));
            pod.detach(host);
        } else {
            pod.detach(host);
            host.remove(&endpoint);
        }
        assert_eq!(meter.received(DENIED), 0, "newcomer {time}");
        arrived += meter.received(ALLOWED);
        gone.push(pod);
    }
    traffic.end();
    println!("{times} endpoints came and went, and got {arrived} datagrams");
    watch.end("beside endpoints that come and go");
}
