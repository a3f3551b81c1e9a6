//! The datastore's file is removed or emptied, or another is where it was: what is enforced stays, until it comes back or
//! somebody says that the other is to be followed.

use std::fs;

use serde_json::json;
use tortie_datastore::resource::{
    ClusterInformationSpec, GlobalNetworkPolicySpec, HostEndpointSpec, NodeSpec, Resource,
};
use tortie_datastore::{Datastore, Embedded, Error, client};

use crate::failsafe::{Scene, open};
use crate::kit::{Agent, Host, NODE, Place, STORE, enter, until};

/// What the cluster is called that the store is of.
fn cluster(host: &Host, store: &Datastore) -> String {
    let information = host.wait(client::get::<ClusterInformationSpec>(store, None, "default")).unwrap();
    information.unwrap().spec.cluster_guid
}

/// Says of which cluster the store is.
fn name(host: &Host, store: &Datastore, guid: &str) {
    let spec = ClusterInformationSpec { cluster_guid: guid.to_owned(), ..ClusterInformationSpec::default() };
    host.wait(client::apply(store, Resource::new("default", spec))).unwrap();
}

/// An empty store where there was another, as whoever opens one makes it that is not there.
fn another(host: &Host) -> Datastore {
    Embedded::open(host.path(STORE)).unwrap().into()
}

#[test]
fn netns_a_datastore_that_vanishes_changes_nothing() {
    if let Place::Done = enter("lost::netns_a_datastore_that_vanishes_changes_nothing") {
        return;
    }
    let scene = Scene::new();
    let host = &scene.host;
    let traffic = scene.traffic();
    let (agent, _) = Agent::ready(host);
    host.settle();
    let before = scene.denied();
    scene.check("policed", before);

    host.take_store();
    agent.wait_told("there is no datastore at");
    scene.check("its file is removed", before);
    // Who still has it open does not write where nobody reads.
    let written = host.wait(host.store.create("/calico/x", b""));
    assert!(matches!(&written, Err(Error::Unavailable(_))), "{written:?}");
    println!("a commit meanwhile: {}", written.unwrap_err());
    host.give_store_back();
    agent.wait_followed();
    host.settle();
    scene.check("it is there again", before);

    host.take_store();
    agent.wait_told("there is no datastore at");
    agent.kill();
    for options in [&[][..], &["--create-datastore"]] {
        let agent = Agent::start_with(host, options);
        agent.wait_told("there is no datastore at");
        scene.check("started without a datastore", before);
        assert!(!host.path(STORE).exists(), "what is in force is of another");
        agent.kill();
    }
    for contents in ["", "something else, of which nothing can be read"] {
        fs::write(host.path(STORE), contents).unwrap();
        let agent = Agent::start(host);
        agent.wait_told("cannot open");
        scene.check("started with a file that is none", before);
        agent.kill();
        assert_eq!(fs::read(host.path(STORE)).unwrap(), contents.as_bytes(), "nothing is written to it");
        fs::remove_file(host.path(STORE)).unwrap();
    }
    let agent = Agent::start(host);
    agent.wait_told("there is no datastore at");
    host.give_store_back();
    agent.wait_ready();
    scene.check("it is there again", before);
    scene.prove_that_changes_are_followed();
    traffic.into_iter().for_each(crate::kit::Traffic::end);
}

/// `> tortie.db`: the file keeps its name, and whoever has it open could go on with what is in the log and in memory.
#[test]
fn netns_a_datastore_that_is_emptied_changes_nothing() {
    if let Place::Done = enter("lost::netns_a_datastore_that_is_emptied_changes_nothing") {
        return;
    }
    let mut scene = Scene::new();
    let traffic = scene.traffic();
    let host = &scene.host;
    let (agent, _) = Agent::ready(host);
    host.settle();
    let before = scene.denied();
    scene.check("policed", before);

    // What is beside it comes back first, without which it is not whole.
    let backup = ["-wal", ""].map(|end| {
        let path = host.path(&format!("{STORE}{end}"));
        let contents = fs::read(&path).unwrap();
        (path, contents)
    });
    fs::write(host.path(STORE), "").unwrap();
    agent.wait_told("is empty");
    assert!(agent.log().contains("somebody has truncated it"), "the log says what has become of it");
    scene.check("its file is emptied", before);
    let written = host.wait(host.store.create("/calico/x", b""));
    assert!(matches!(&written, Err(Error::Unavailable(_))), "{written:?}");
    agent.kill();
    for options in [&[][..], &["--create-datastore"]] {
        let agent = Agent::start_with(host, options);
        agent.wait_told("cannot open");
        scene.check("started with the empty file", before);
        agent.kill();
        assert_eq!(fs::metadata(host.path(STORE)).unwrap().len(), 0, "nothing is written to it");
    }

    let agent = Agent::start(host);
    agent.wait_told("the file is empty");
    for end in ["-shm", "-wal", ""] {
        fs::remove_file(host.path(&format!("{STORE}{end}"))).unwrap();
    }
    for (path, contents) in backup {
        // At once: the agent looks all the time.
        fs::write(host.path("back"), contents).unwrap();
        fs::rename(host.path("back"), path).unwrap();
    }
    agent.wait_ready();
    scene.check("what it was is there again", before);
    scene.host.store = another(&scene.host);
    scene.prove_that_changes_are_followed();
    traffic.into_iter().for_each(crate::kit::Traffic::end);
}

#[test]
fn netns_another_datastore_is_not_followed_until_somebody_says_so() {
    if let Place::Done = enter("lost::netns_another_datastore_is_not_followed_until_somebody_says_so") {
        return;
    }
    let mut scene = Scene::new();
    let traffic = scene.traffic();
    let host = &scene.host;
    let (mut agent, _) = Agent::ready(host);
    host.settle();
    let before = scene.denied();
    let ours = cluster(host, &host.store);
    println!("cluster {ours}");
    scene.check("policed", before);

    // While the agent runs: an empty one, and then the same with other things in it, and then another cluster's.
    host.take_store();
    let empty = another(host);
    agent.wait_told("does not say of which cluster it is");
    scene.check("an empty one is in its place", before);
    host.wait(client::apply(
        &empty,
        Resource::<GlobalNetworkPolicySpec>::new("open", serde_json::from_value(open()).unwrap()),
    ))
    .unwrap();
    scene.check("others write to it", before);
    agent.kill();
    agent = Agent::start(host);
    agent.wait_told("does not say of which cluster it is");
    scene.check("the agent starts with it", before);
    name(host, &empty, "another");
    agent.wait_told("is of the cluster another");
    scene.check("it is another cluster's", before);
    agent.kill();
    agent = Agent::start(host);
    agent.wait_told("is of the cluster another");
    scene.check("the agent starts with another cluster's", before);
    let written = host.wait(empty.list("")).unwrap().items.len();
    assert_eq!(written, 2, "the agent writes nothing to it");
    drop(empty);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(host.path(&format!("{STORE}{end}")));
    }

    // The old one comes back.
    host.give_store_back();
    agent.wait_ready();
    scene.check("the old one is back", before);

    // Another takes its place for good, and somebody says so.
    host.take_store();
    let new = another(host);
    agent.wait_told("does not say of which cluster it is");
    let endpoint: HostEndpointSpec =
        serde_json::from_value(json!({ "node": NODE, "interfaceName": scene.world.interface() })).unwrap();
    let mut endpoint = Resource::new("uplink", endpoint);
    endpoint.metadata.labels = [("role".to_owned(), "host".to_owned())].into();
    host.wait(async {
        client::apply(&new, endpoint).await.unwrap();
        client::apply(&new, Resource::new(NODE, NodeSpec::default())).await.unwrap();
        let deny = json!({ "selector": "role == 'host'", "types": ["Ingress", "Egress"] });
        let deny: GlobalNetworkPolicySpec = serde_json::from_value(deny).unwrap();
        client::apply(&new, Resource::new("deny-all", deny)).await.unwrap();
    });
    name(host, &new, &ours);
    agent.wait_followed();
    scene.check("a new one says that it is of this cluster", before);
    scene.host.store = new;
    scene.prove_that_changes_are_followed();
    traffic.into_iter().for_each(crate::kit::Traffic::end);
}

/// Without rules that are another's, the first agent makes a datastore if it is told to.
#[test]
fn netns_the_first_agent_makes_the_datastore_if_asked() {
    if let Place::Done = enter("lost::netns_the_first_agent_makes_the_datastore_if_asked") {
        return;
    }
    let host = Host::new();
    host.take_store();
    let agent = Agent::start(&host);
    agent.wait_told("`tortie-ctl apply` makes one, and the first agent with --create-datastore");
    assert!(!host.path(STORE).exists());
    agent.kill();
    let agent = Agent::start_with(&host, &["--create-datastore"]);
    agent.wait_followed();
    until("policy is in force", || agent.part("policy") == "ok");
    let made = another(&host);
    let guid = cluster(&host, &made);
    let listed =
        std::process::Command::new("nft").args(["list", "table", "inet", "tortie"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("comment \"cluster {guid}\"")), "{guid}: {listed:.300}");
    println!("made that of cluster {guid}");
}
