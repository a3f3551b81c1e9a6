//! The datastore is an etcd elsewhere, which a host with host policy reaches by a failsafe port: it ends, the network to it is cut,
//! and it comes back, with what it had or without.

use std::process::Command;

use tortie_datastore::client;
use tortie_datastore::resource::{ClusterInformationSpec, Resource};

use crate::failsafe::{Scene, WORLD};
use crate::kit::etcd::{Server, present};
use crate::kit::{Agent, Host, Place, Pod, Traffic, enter};

/// Failsafe from hosts, and not what the other end of the tests' own connections listens to.
const PORT: u16 = 2380;

fn nft(rules: &str) {
    assert!(Command::new("nft").arg(rules).status().unwrap().success(), "{rules}");
}

/// Nothing goes to etcd or comes from there, as if the network lost all of it.
fn cut() {
    nft(&format!(
        "table inet cut {{ chain out {{ type filter hook output priority -400; tcp dport {PORT} drop; }}
        chain in {{ type filter hook prerouting priority -400; tcp sport {PORT} drop; }}; }}"
    ));
}

/// A scene whose datastore is in etcd, at the world's address.
fn scene() -> (Scene, Server) {
    let world = Pod::outside(WORLD);
    let address = world.addresses[0].to_string();
    let host = Host::on_etcd(&format!("http://{address}:{PORT}"));
    world.attach(&host);
    let server = world.namespace.run(|| Server::start_at(&address, PORT)).unwrap();
    host.begin();
    (Scene::of(host, world), server)
}

#[test]
fn netns_the_operator_gets_in_while_etcd_is_away() {
    if let Place::Done = enter("cluster::netns_the_operator_gets_in_while_etcd_is_away") {
        return;
    }
    if !present() {
        return;
    }
    let (scene, mut server) = scene();
    let host = &scene.host;
    let traffic = scene.traffic();
    let streams = scene.streams();
    let (mut agent, took) = Agent::ready(host);
    println!("ready in {took:.1?}");
    host.settle();
    let before = scene.denied();
    scene.check("policed", before);
    let cluster =
        host.wait(client::get::<ClusterInformationSpec>(&host.store, None, "default")).unwrap().unwrap();

    // Its process ends. The agent lives on, and one that starts meanwhile does.
    server.kill();
    scene.check("etcd has ended", before);
    agent.wait_told("the datastore is not available");
    scene.check("the agent says so", before);
    agent.kill();
    agent = Agent::start(host);
    scene.check("restarted without etcd", before);
    agent.wait_told("the datastore is not available");
    scene.world.namespace.run(|| server.restart()).unwrap();
    agent.wait_followed();
    host.settle();
    scene.check("etcd is there again", before);

    // The network to it is cut, while the agent runs and while it starts.
    cut();
    scene.check("the network is cut", before);
    agent.kill();
    agent = Agent::start(host);
    scene.check("restarted while it is cut", before);
    nft("delete table inet cut");
    agent.wait_ready();
    host.settle();
    scene.check("the network is whole again", before);

    // Its disk was replaced: it has nothing.
    server.kill();
    server.forget();
    scene.world.namespace.run(|| server.restart()).unwrap();
    agent.wait_told("does not say of which cluster it is");
    scene.check("etcd has forgotten all", before);
    agent.kill();
    agent = Agent::start(host);
    agent.wait_told("does not say of which cluster it is");
    scene.check("restarted with an etcd that has forgotten all", before);
    assert!(host.wait(host.store.list("")).unwrap().items.is_empty(), "the agent writes nothing to it");
    // People write their records again, and say at last that it is the same cluster.
    host.begin();
    scene.write();
    let again = ClusterInformationSpec { cluster_guid: cluster.spec.cluster_guid, ..Default::default() };
    host.apply(Resource::new("default", again));
    agent.wait_followed();
    host.settle();
    scene.check("people have written all anew", before);
    for stream in streams {
        println!("lives on: {:?}", stream.end().unwrap());
    }
    scene.prove_that_changes_are_followed();
    traffic.into_iter().for_each(Traffic::end);
}
