//! No packet that policy denies arrives while the agent starts, dies, starts again and changes everything around it; and no
//! connection that policy allows breaks.

use core::net::IpAddr;
use core::time::Duration;

use crate::kit::{Agent, Count, Host, Meter, Place, Pod, Stream, Talk, Traffic, enter, raise, until};
use serde_json::json;

/// Datagrams that are denied, and ones that are allowed.
const DENIED: Count = ("udp", 81);
const ALLOWED: Count = ("udp", 80);
/// Connections that are allowed.
const TALK: Count = ("udp", 7);
const STREAM: Count = ("tcp", 8080);
const ALL: [Count; 4] = [DENIED, ALLOWED, TALK, STREAM];

/// Who is guarded, and who sends to it.
struct Scene {
    host: Host,
    server: Pod,
    client: Pod,
    meters: [Meter; 2],
}

impl Scene {
    /// Records of both, and the policy that guards the server; no link and no agent yet.
    fn new() -> Self {
        let host = Host::new();
        let (server, client) = (Pod::new(1), Pod::new(2));
        host.apply(server.record(&[("app", "server")]));
        host.apply(client.record(&[("app", "client")]));
        host.policy(
            "guard",
            json!({ "selector": "app == 'server'", "types": ["Ingress"], "ingress": [
                { "action": "Allow", "protocol": "UDP", "source": { "selector": "app == 'client'" },
                  "destination": { "ports": [80, 7] } },
                { "action": "Allow", "protocol": "TCP", "source": { "selector": "app == 'client'" },
                  "destination": { "ports": [8080] } }] }),
        );
        let meters = [&client, &server].map(|pod| Meter::new(&pod.namespace, &ALL));
        Self { host, server, client, meters }
    }

    fn to(&self) -> (&tortie_routes::netlink::NetNs, [IpAddr; 2]) {
        (&self.server.namespace, self.server.addresses)
    }
}

#[test]
fn netns_nothing_passes_before_the_first_agent() {
    if let Place::Done = enter("gap::netns_nothing_passes_before_the_first_agent") {
        return;
    }
    let scene = Scene::new();
    raise();
    scene.server.attach(&scene.host);
    scene.client.attach(&scene.host);
    let traffic = Traffic::start(&scene.client.namespace, scene.to(), &[81, 80]);
    std::thread::sleep(Duration::from_millis(300));
    let [client, server] = &scene.meters;
    assert!(client.sent(ALLOWED) > 100 && client.sent(DENIED) > 100);
    assert_eq!((server.received(ALLOWED), server.received(DENIED)), (0, 0));
    let (agent, took) = Agent::ready(&scene.host);
    until("what is allowed passes", || server.received(ALLOWED) > 100);
    println!("ready in {took:?}: sent {}, {} arrived", client.sent(ALLOWED), server.received(ALLOWED));
    let stream =
        Stream::start(&scene.client.namespace, (&scene.server.namespace, scene.server.addresses[0]), 8080)
            .unwrap();
    let talk = Talk::start(&scene.client.namespace, (&scene.server.namespace, scene.server.addresses[1]), 7);
    std::thread::sleep(Duration::from_millis(300));
    println!("{:?} {}", stream.end().unwrap(), agent.part("policy"));
    talk.end();
    scene.host.settle();
    assert_eq!(server.received(DENIED), 0);
    traffic.end();
}
