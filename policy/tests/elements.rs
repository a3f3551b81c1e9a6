//! What a change of membership comes to in messages: elements, not rules.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failed test")]

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use tortie_nft_wire::{Data, Entry};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_policy::{Endpoint, Host, Resolver};

/// A node with one workload, whose policy speaks of `app == 'web'` and of `app == 'db'`.
struct Node {
    resolver: Resolver,
    rules: Ruleset,
}

/// Messages of a batch, by what they are about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Messages {
    elements: usize,
    sets: usize,
    /// Of rules, chains and all else.
    others: usize,
}

impl Node {
    fn new() -> Self {
        let resolver = Resolver::new(Host::new("here"), |endpoint| endpoint.id.starts_with("here/"));
        let mut node = Self { resolver, rules: Ruleset::new(Options::default()) };
        node.resolver.set_in_sync();
        let rule =
            |app: &str| format!(r#"{{ "action": "Allow", "source": {{ "selector": "app == '{app}'" }} }}"#);
        let spec =
            format!(r#"{{ "selector": "app == 'own'", "ingress": [{}, {}] }}"#, rule("web"), rule("db"));
        let spec = serde_json::from_str(&spec).unwrap();
        assert!(node.resolver.insert_global_network_policy("policy", &spec).is_empty());
        node.insert("here/pod", "own", &["10.0.0.1"]);
        node
    }

    fn insert(&mut self, id: &str, app: &str, addresses: &[&str]) {
        self.resolver.insert_endpoint(&Endpoint {
            id: id.to_string(),
            interface: "cali0".to_string(),
            labels: BTreeMap::from([("app".to_string(), app.to_string())]),
            addresses: addresses.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect(),
            ..Endpoint::default()
        });
    }

    /// Wishes for the changes so far, which nobody sends yet.
    fn wish(&mut self) {
        self.rules.apply(self.resolver.flush());
    }

    /// What the changes so far come to, all batches together.
    fn flush(&mut self) -> Messages {
        self.wish();
        let mut messages = Messages::default();
        while let Some(batch) = self.rules.poll_batch().unwrap() {
            for message in batch.messages() {
                match message.entry() {
                    Some((_, Entry::Elements { elements, .. })) => messages.elements += elements.len(),
                    Some((_, Entry::Set(_))) => messages.sets += 1,
                    Some((_, Entry::Chain(_) | Entry::Rule(_))) => messages.others += 1,
                    // What a batch begins and ends with.
                    _ => {}
                }
            }
            self.rules.confirm();
        }
        messages
    }
}

const fn elements(elements: usize) -> Messages {
    Messages { elements, sets: 0, others: 0 }
}

#[test]
fn members_are_elements_from_the_first_to_the_last() {
    let mut node = Node::new();
    node.insert("there/web-0", "web", &["10.0.1.1"]);
    let first = node.flush();
    assert!(first.others > 10 && first.sets >= 2, "{first:?}");

    // The first one of a set, one more, and none again.
    node.insert("there/db-0", "db", &["10.0.2.1"]);
    assert_eq!(node.flush(), elements(1));
    node.insert("there/db-1", "db", &["10.0.2.2"]);
    assert_eq!(node.flush(), elements(1));
    node.resolver.remove_endpoint("there/db-0");
    node.resolver.remove_endpoint("there/db-1");
    assert_eq!(node.flush(), elements(2));
}

/// A member that comes and goes, or the other way round, before anything is sent. The kernel would refuse to delete one that
/// it does not have.
#[test]
fn what_is_turned_back_before_it_is_sent_is_no_message() {
    let mut node = Node::new();
    node.insert("there/web-0", "web", &["10.0.1.1"]);
    node.insert("there/web-1", "web", &["10.0.1.2"]);
    node.flush();
    node.insert("there/web-2", "web", &["10.0.1.3"]);
    node.wish();
    node.resolver.remove_endpoint("there/web-2");
    assert_eq!(node.flush(), Messages::default());
    node.resolver.remove_endpoint("there/web-1");
    node.wish();
    node.insert("there/web-1", "web", &["10.0.1.2"]);
    assert_eq!(node.flush(), Messages::default());
}

/// Maps of the host know nothing of an interface that a workload has, though a host endpoint names it.
#[test]
fn an_interface_is_in_maps_of_the_host_or_of_workloads() {
    let mut node = Node::new();
    for (name, interface) in [("own", "cali7"), ("other", "uplink")] {
        let spec = format!(r#"{{ "node": "here", "interfaceName": "{interface}" }}"#);
        let spec = serde_json::from_str(&spec).unwrap();
        assert_eq!(node.resolver.insert_host_endpoint(name, &BTreeMap::new(), &spec), []);
    }
    let mut maps = BTreeSet::new();
    let mut turn = |node: &mut Node| {
        node.rules.apply(node.resolver.flush());
        while let Some(batch) = node.rules.poll_batch().unwrap() {
            for message in batch.messages() {
                let Some((_, Entry::Elements { set, elements, .. })) = message.entry() else { continue };
                let set = set.to_string();
                // Sets without a name are of rules.
                if set.contains('%') {
                    continue;
                }
                for element in elements {
                    let Some(Data::Value(key)) = element.key else { continue };
                    if !key.starts_with(b"cali7\0") {
                        continue;
                    } else if message.is_deletion() {
                        assert!(maps.remove(&set), "{set}");
                    } else {
                        assert!(maps.insert(set.clone()), "{set}");
                    }
                }
            }
            node.rules.confirm();
        }
        maps.iter().map(|name| name.starts_with("host-")).collect::<Vec<_>>()
    };
    let of_host = vec![true; 8];
    assert_eq!(turn(&mut node), of_host);
    node.resolver.insert_endpoint(&Endpoint {
        id: "here/pod-7".to_string(),
        interface: "cali7".to_string(),
        ..Endpoint::default()
    });
    assert_eq!(turn(&mut node), [false, false]);
    node.resolver.remove_endpoint("here/pod-7");
    assert_eq!(turn(&mut node), of_host);
}

#[test]
fn a_family_is_laid_out_when_any_set_has_a_member_of_it() {
    let mut node = Node::new();
    node.insert("there/web-0", "web", &["10.0.1.1"]);
    node.flush();
    // IPv6 begins: now both sets have a part of it, and rules.
    node.insert("there/web-1", "web", &["10.0.1.2", "fd00::1:2"]);
    let begun = node.flush();
    assert!(begun.others > 0 && begun.sets == 2, "{begun:?}");
    node.insert("there/db-0", "db", &["10.0.2.1", "fd00::2:1"]);
    assert_eq!(node.flush(), elements(2));
    node.insert("there/web-1", "web", &["10.0.1.2"]);
    assert_eq!(node.flush(), elements(1));
    // And it ends.
    node.insert("there/db-0", "db", &["10.0.2.1"]);
    let ended = node.flush();
    assert!(ended.others > 0 && ended.sets == 2, "{ended:?}");
}
