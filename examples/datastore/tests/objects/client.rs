//! Read-modify-write of objects.

use tortie_datastore::client::{self, Applied};
use tortie_datastore::resource::{
    BgpConfigurationSpec, GlobalNetworkPolicySpec, IpPoolSpec, Kind, NetworkPolicySpec, NodeSpec, key,
};
use tortie_datastore::{Datastore, Error};

use crate::{object, with_store};

async fn raw<K: Kind>(store: &Datastore, namespace: Option<&str>, name: &str) -> serde_json::Value {
    let record = store.get(&key::<K>(namespace, name).unwrap()).await.unwrap().unwrap();
    serde_json::from_slice(&record.value).unwrap()
}

fn paths<T: core::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid { errors }) => errors.0.into_iter().map(|error| error.path).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_stored_is_what_the_reference_stores() {
    with_store(async |store| {
        let pool =
            client::create(&store, object::<IpPoolSpec>("pods", r#"{"cidr":"10.77.0.0/24"}"#)).await.unwrap();
        let stored = raw::<IpPoolSpec>(&store, None, "pods").await;
        let want = serde_json::json!({
            "cidr": "10.77.0.0/24", "blockSize": 26, "vxlanMode": "Never", "ipipMode": "Never",
            "nodeSelector": "all()", "allowedUses": ["Workload", "Tunnel"], "assignmentMode": "Automatic",
        });
        assert_eq!(stored["spec"], want);
        assert_eq!(
            (&stored["apiVersion"], &stored["kind"]),
            (&"projectcalico.org/v3".into(), &"IPPool".into())
        );
        assert_eq!(stored["metadata"].get("resourceVersion"), None);
        let uid = stored["metadata"]["uid"].as_str().unwrap();
        let groups: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{uid}");
        assert_eq!(uid.as_bytes()[14], b'4', "{uid}");
        assert!(b"89ab".contains(&uid.as_bytes()[19]), "{uid}");
        let created = stored["metadata"]["creationTimestamp"].as_str().unwrap();
        assert!(created.len() == 20 && created.ends_with('Z') && created > "2020", "{created}");
        assert_eq!(pool.metadata.resource_version.as_deref(), Some("1"));
        assert_eq!(client::get(&store, None, "pods").await.unwrap(), Some(pool));

        let policy = object::<NetworkPolicySpec>("web", r#"{"egress":[{"action":"Allow"}]}"#);
        client::create(&store, policy).await.unwrap();
        let stored = raw::<NetworkPolicySpec>(&store, Some("red"), "web").await;
        assert_eq!(stored["spec"]["types"], serde_json::json!(["Egress"]));
        assert_eq!(stored["spec"]["tier"], "default");
        assert_eq!(stored["metadata"]["labels"]["projectcalico.org/tier"], "default");
    });
}

#[test]
fn create_update_delete() {
    with_store(async |store| {
        let node = object::<NodeSpec>("node-1", "{}");
        let created = client::create(&store, node.clone()).await.unwrap();
        assert!(matches!(client::create(&store, node.clone()).await, Err(Error::AlreadyExists { .. })));
        assert_eq!(paths(client::create(&store, created.clone()).await), ["metadata.resourceVersion"]);
        assert_eq!(paths(client::update(&store, node.clone()).await), ["metadata.resourceVersion"]);

        let mut changed = created.clone();
        changed.metadata.labels.insert("rack".to_owned(), "a".to_owned());
        changed.metadata.uid = Some("mine".to_owned());
        let updated = client::update(&store, changed.clone()).await.unwrap();
        assert_eq!(updated.metadata.uid, created.metadata.uid, "immutable");
        assert_eq!(updated.metadata.resource_version.as_deref(), Some("2"));
        assert!(
            matches!(client::update(&store, changed).await, Err(Error::Conflict { .. })),
            "an old version"
        );
        let got = client::get::<NodeSpec>(&store, None, "node-1").await.unwrap().unwrap();
        assert_eq!(got, updated);

        client::delete::<NodeSpec>(&store, None, "node-1").await.unwrap();
        assert!(matches!(
            client::delete::<NodeSpec>(&store, None, "node-1").await,
            Err(Error::NotFound { .. })
        ));
        assert!(matches!(client::update(&store, updated).await, Err(Error::NotFound { .. })));
        assert_eq!(client::get::<NodeSpec>(&store, None, "node-1").await.unwrap(), None);
    });
}

#[test]
fn apply_keeps_what_the_user_does_not_say() {
    with_store(async |store| {
        let key = key::<NodeSpec>(None, "node-1").unwrap();
        let stored = br#"{"apiVersion":"projectcalico.org/v3","kind":"Node","status":{"phase":"x"},
            "metadata":{"name":"node-1","uid":"u","creationTimestamp":"2020-01-01T00:00:00Z","generation":3,
                        "labels":{"old":"1"},"annotations":{"by":"x"}},
            "spec":{"orchRefs":[1],"bgp":{"ipv4Address":"10.0.0.1/24","cluster":"c"},"addresses":[{"address":"10.0.0.1"}]}}"#;
        store.create(&key, stored).await.unwrap();
        let mut wanted = object::<NodeSpec>("node-1", r#"{"bgp":{"ipv4Address":"10.0.0.2/24"}}"#);
        wanted.metadata.labels.insert("new".to_owned(), "2".to_owned());
        let (_, applied) = client::apply(&store, wanted.clone()).await.unwrap();
        assert_eq!(applied, Applied::Updated);
        let want = serde_json::json!({
            "apiVersion": "projectcalico.org/v3", "kind": "Node", "status": {"phase": "x"},
            "metadata": {"name": "node-1", "uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z", "generation": 3,
                         "labels": {"new": "2"}},
            "spec": {"orchRefs": [1], "bgp": {"ipv4Address": "10.0.0.2/24", "cluster": "c"}},
        });
        assert_eq!(raw::<NodeSpec>(&store, None, "node-1").await, want);
        let (again, applied) = client::apply(&store, wanted).await.unwrap();
        assert_eq!(applied, Applied::Unchanged);
        assert_eq!(again.metadata.resource_version.as_deref(), Some("2"), "nothing was written");
        let (_, applied) =
            client::apply(&store, object::<BgpConfigurationSpec>("default", "{}")).await.unwrap();
        assert_eq!(applied, Applied::Created);
        let policy = object::<GlobalNetworkPolicySpec>("p", r#"{"order":1.5,"ingress":[{"action":"Deny"}]}"#);
        assert_eq!(client::apply(&store, policy.clone()).await.unwrap().1, Applied::Created);
        assert_eq!(
            client::apply(&store, policy).await.unwrap().1,
            Applied::Unchanged,
            "defaults are no change"
        );
    });
}

#[test]
fn appliers_at_once_all_succeed() {
    with_store(async |store| {
        let apply = async |number: u32| {
            let mut node = object::<NodeSpec>("node-1", "{}");
            node.metadata.labels.insert("n".to_owned(), number.to_string());
            client::apply(&store, node).await.unwrap();
        };
        tokio::join!(apply(1), apply(2), apply(3), apply(4), apply(5));
        let node = client::get::<NodeSpec>(&store, None, "node-1").await.unwrap().unwrap();
        assert_eq!(node.metadata.labels.len(), 1);
    });
}

#[test]
fn pools_look_at_their_neighbours() {
    with_store(async |store| {
        let pool = |name: &str, spec: &str| object::<IpPoolSpec>(name, spec);
        client::create(&store, pool("a", r#"{"cidr":"10.77.0.0/16","disabled":true}"#)).await.unwrap();
        for cidr in ["10.77.0.0/16", "10.77.128.0/24", "10.0.0.0/8"] {
            let overlapping = pool("b", &format!(r#"{{"cidr":"{cidr}"}}"#));
            assert_eq!(paths(client::create(&store, overlapping.clone()).await), ["spec.cidr"], "{cidr}");
            assert_eq!(paths(client::apply(&store, overlapping).await), ["spec.cidr"], "{cidr}");
        }
        client::create(&store, pool("b", r#"{"cidr":"10.78.0.0/16"}"#)).await.unwrap();
        // What is there may be changed, overlap or not; but not its range.
        client::apply(&store, pool("a", r#"{"cidr":"10.77.0.0/16","natOutgoing":true}"#)).await.unwrap();
        let resized = pool("a", r#"{"cidr":"10.79.0.0/16","blockSize":28}"#);
        assert_eq!(paths(client::apply(&store, resized).await), ["spec.cidr", "spec.blockSize"]);

        store.create("/calico/ipam/v2/assignment/ipv4/block/10.80.0.64-26", b"{}").await.unwrap();
        let other_size = pool("c", r#"{"cidr":"10.80.0.0/24","blockSize":28}"#);
        assert_eq!(paths(client::create(&store, other_size).await), ["spec.cidr"]);
        client::create(&store, pool("c", r#"{"cidr":"10.80.0.0/24"}"#)).await.unwrap();
    });
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other() {
    with_store(async |store| {
        for name in ["a", "c"] {
            client::create(&store, object::<NodeSpec>(name, "{}")).await.unwrap();
        }
        let key = key::<NodeSpec>(None, "b").unwrap();
        store.create(&key, b"{\"kind\":").await.unwrap();
        let nodes = client::list::<NodeSpec>(&store, None).await.unwrap();
        let names: Vec<&str> = nodes.items.iter().map(|node| node.metadata.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(nodes.unreadable.len(), 1);
        assert_eq!(nodes.unreadable[0].key, key);
        assert_eq!(nodes.revision.get(), 3);
        assert!(matches!(client::get::<NodeSpec>(&store, None, "b").await, Err(Error::Unreadable { .. })));
        client::delete::<NodeSpec>(&store, None, "b").await.unwrap();
    });
}

#[test]
fn namespaces_are_listed_apart() {
    with_store(async |store| {
        for namespace in ["red", "red-2"] {
            let mut policy = object::<NetworkPolicySpec>("p", "{}");
            policy.metadata.namespace = Some(namespace.to_owned());
            client::create(&store, policy).await.unwrap();
        }
        assert_eq!(client::list::<NetworkPolicySpec>(&store, Some("red")).await.unwrap().items.len(), 1);
        assert_eq!(client::list::<NetworkPolicySpec>(&store, None).await.unwrap().items.len(), 2);
    });
}
