//! What the libraries are given.

use std::collections::BTreeMap;

use tortie_datastore::convert::{self, PolicyState, endpoint_id};
use tortie_datastore::resource::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, IpPoolSpec, IpReservationSpec, NetworkPolicySpec,
    NodeSpec, ProfileSpec, WorkloadEndpointSpec, key, namespace_of_profile, namespace_profile,
};
use tortie_datastore::{Revision, client};
use tortie_ipam::Use;
use tortie_policy::{Flow, Verdict, evaluate};

use crate::{object, with_store};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_namespace_becomes_a_profile_and_comes_back() {
    let team = labels(&[("team", "blue"), ("projectcalico.org/name", "spoofed")]);
    let profile = namespace_profile("red", &team);
    assert_eq!(profile.metadata.name, "kns.red");
    let want = labels(&[("pcns.team", "blue"), ("pcns.projectcalico.org/name", "red")]);
    assert_eq!(profile.spec.labels_to_apply, want);
    assert_eq!((profile.spec.ingress.len(), profile.spec.egress.len()), (1, 1));
    assert_eq!(profile.validate(), []);
    assert_eq!(namespace_of_profile(&profile), Some(("red", labels(&[("team", "blue")]))));
    assert_eq!(namespace_of_profile(&object::<ProfileSpec>("ksa.red.x", "{}")), None);
}

#[test]
fn a_pool_keeps_its_meaning() {
    let spec = r#"{"cidr":"10.78.0.0/29","blockSize":30,"nodeSelector":"rack == 'a'","namespaceSelector":"team == 'blue'",
                   "allowedUses":["Workload"],"assignmentMode":"Manual"}"#;
    let pool = convert::pool(&object::<IpPoolSpec>("small", spec)).unwrap();
    assert_eq!((pool.name.as_str(), pool.block_len, pool.disabled), ("small", 30, false));
    assert!(pool.node_selector.matches(&labels(&[("rack", "a")])));
    assert!(!pool.namespace_selector.as_ref().unwrap().matches(&labels(&[])));
    assert!(pool.allows(Use::Workload) && !pool.allows(Use::Tunnel));
    assert_eq!(pool.assignment_mode, tortie_ipam::AssignmentMode::Manual);

    let unknown_use = object::<IpPoolSpec>("new", r#"{"cidr":"10.0.0.0/24","allowedUses":["Moonlight"]}"#);
    let pool = convert::pool(&unknown_use).unwrap();
    assert!(pool.disabled, "an unknown use must not become the default uses");
    let unknown_mode = object::<IpPoolSpec>("new", r#"{"cidr":"10.0.0.0/24","assignmentMode":"Maybe"}"#);
    assert_eq!(convert::pool(&unknown_mode).unwrap().assignment_mode, tortie_ipam::AssignmentMode::Manual);
    let typo = object::<IpPoolSpec>("new", r#"{"cidr":"10.0.0.0/24","nodeSelector":"a = b"}"#);
    assert_eq!(convert::pool(&typo).unwrap_err().path, "spec.nodeSelector");
}

#[test]
fn a_view_is_what_an_assignment_looks_at() {
    with_store(async |store| {
        let empty = convert::view(&store, "node-1", Some("red")).await.unwrap();
        assert!(empty.pools.is_empty() && empty.namespace_labels.is_empty());
        assert_eq!(empty.guards, [("/calico/ipam/v2/config".to_owned(), None)]);

        for (name, rack) in [("node-1", "a"), ("node-10", "b")] {
            let mut node = object::<NodeSpec>(name, "{}");
            node.metadata.labels = labels(&[("rack", rack)]);
            client::create(&store, node).await.unwrap();
        }
        for (name, team) in [("red", "x"), ("red-blue", "y")] {
            client::create(&store, namespace_profile(name, &labels(&[("team", team)]))).await.unwrap();
        }
        let pool =
            client::create(&store, object::<IpPoolSpec>("pods", r#"{"cidr":"10.77.0.0/24"}"#)).await.unwrap();
        let broken = key::<IpPoolSpec>(None, "broken").unwrap();
        store.create(&broken, b"{}").await.unwrap();
        let config = br#"{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":3}"#;
        store.create("/calico/ipam/v2/config", config).await.unwrap();

        let kept = r#"{"reservedCIDRs":["10.77.0.0/30","10.77.0.9"]}"#;
        client::create(&store, object::<IpReservationSpec>("kept", kept)).await.unwrap();
        let half = r#"{"metadata":{"name":"half"},"spec":{"reservedCIDRs":["10.77.0.300","fd77::/64"]}}"#;
        let half_key = key::<IpReservationSpec>(None, "half").unwrap();
        let half = format!(r#"{{"apiVersion":"projectcalico.org/v3","kind":"IPReservation",{}"#, &half[1..]);
        store.create(&half_key, half.as_bytes()).await.unwrap();

        let view = convert::view(&store, "node-1", Some("red")).await.unwrap();
        let reserved: Vec<String> = view.reservations.iter().map(ToString::to_string).collect();
        assert_eq!(
            reserved,
            ["fd77::/64", "10.77.0.0/30", "10.77.0.9/32"],
            "what cannot be read is left out"
        );
        assert!(view.guards.iter().any(|(key, revision)| *key == half_key && revision.is_some()));
        assert_eq!(view.node_labels, labels(&[("rack", "a")]));
        assert_eq!(view.namespace_labels, labels(&[("team", "x")]));
        assert_eq!(view.pools.len(), 1);
        assert!(view.config.strict_affinity);
        assert_eq!(view.config.max_blocks_per_host, 3);
        let revision = pool.metadata.resource_version.unwrap().parse().unwrap();
        let pods = (key::<IpPoolSpec>(None, "pods").unwrap(), Some(Revision::new(revision)));
        assert!(view.guards.contains(&pods), "{:?}", view.guards);
        assert!(view.guards.iter().any(|(key, revision)| *key == broken && revision.is_some()));
    });
}

/// Two endpoints, in namespaces red and blue.
async fn cluster(store: &tortie_datastore::Datastore) {
    for (namespace, team) in [("red", "x"), ("blue", "y")] {
        client::create(store, namespace_profile(namespace, &labels(&[("team", team)]))).await.unwrap();
    }
    for (namespace, id, address) in [("red", "a", "10.77.0.1"), ("blue", "b", "10.77.0.2")] {
        let spec = format!(
            r#"{{"orchestrator":"cni","node":"node-1","containerID":"{id}","endpoint":"eth0","interfaceName":"cali{id}",
                "profiles":["kns.{namespace}"],"ipNetworks":["{address}/32"]}}"#
        );
        let mut endpoint = object::<WorkloadEndpointSpec>(&format!("node--1-cni-{id}-eth0"), &spec);
        endpoint.metadata.namespace = Some(namespace.to_owned());
        endpoint.metadata.labels = labels(&[("app", id)]);
        client::create(store, endpoint).await.unwrap();
    }
}

fn verdict(state: &PolicyState, from: &str, to: &str) -> Verdict {
    let flow = Flow::tcp(format!("{from}:40000").parse().unwrap(), format!("{to}:8080").parse().unwrap());
    evaluate(state.inputs(), &flow).verdict
}

#[test]
fn stored_objects_decide_about_packets() {
    with_store(async |store| {
        cluster(&store).await;
        let (a, b) = ("10.77.0.1", "10.77.0.2");
        let (state, faults, _) = PolicyState::load(&store).await.unwrap();
        assert_eq!(faults, []);
        assert_eq!(state.workloads().len(), 2);
        assert_eq!(verdict(&state, a, b), Verdict::Allow);

        let policy = r#"{"namespaceSelector":"team == 'y'","ingress":[{"action":"Deny","source":{"selector":"app == 'a'"}},
                                                                      {"action":"Allow"}]}"#;
        client::create(&store, object::<GlobalNetworkPolicySpec>("p", policy)).await.unwrap();
        let mut outside = object::<GlobalNetworkSetSpec>("s", r#"{"nets":["192.0.2.0/24"]}"#);
        outside.metadata.labels = labels(&[("app", "a")]);
        client::create(&store, outside).await.unwrap();
        client::create(&store, object::<NetworkPolicySpec>("n", r#"{"ingress":[]}"#)).await.unwrap();
        let (loaded, faults, _) = PolicyState::load(&store).await.unwrap();
        assert_eq!(faults, []);

        // The same, record by record.
        let mut watched = state;
        for record in store.list("").await.unwrap().items {
            watched.insert(&record.key, &record.value);
        }
        for state in [&loaded, &watched] {
            assert_eq!(verdict(state, a, b), Verdict::Deny, "the policy");
            assert_eq!(verdict(state, "192.0.2.9", b), Verdict::Deny, "the network set");
            assert_eq!(verdict(state, "198.51.100.1", b), Verdict::Allow);
            assert_eq!(verdict(state, b, a), Verdict::Deny, "the namespace's own policy");
        }
        let id = endpoint_id("blue", "node--1-cni-b-eth0");
        assert_eq!(watched.workloads()[&id].spec.interface_name, "calib");
        for record in store.list("/calico/resources/").await.unwrap().items {
            assert!(watched.remove(&record.key), "{}", record.key);
            assert!(!watched.remove(&record.key), "{}", record.key);
        }
        assert_eq!((watched.inputs().policy_keys().count(), watched.workloads().len()), (0, 0));
    });
}

#[test]
fn a_record_that_cannot_be_read_closes_and_never_opens() {
    with_store(async |store| {
        cluster(&store).await;
        let (a, b) = ("10.77.0.1", "10.77.0.2");
        let (mut state, ..) = PolicyState::load(&store).await.unwrap();
        let p = key::<GlobalNetworkPolicySpec>(None, "p").unwrap();
        let record = |spec: &str| {
            format!(
                r#"{{"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkPolicy","metadata":{{"name":"p"}},"spec":{spec}}}"#
            )
        };

        // No version yet: it denies where its selector matches, in its directions.
        let faults = state.insert(&p, record(r#"{"selector":"app == 'b'","ingress":3}"#).as_bytes()).unwrap();
        assert_eq!((faults[0].key.as_str(), faults[0].error.path.as_str()), (p.as_str(), "spec.ingress"));
        assert_eq!((verdict(&state, a, b), verdict(&state, "192.0.2.1", a)), (Verdict::Deny, Verdict::Allow));
        // Another unreadable version: what can be read of the newer one counts.
        state.insert(&p, record(r#"{"selector":"app == 'a'","ingress":3}"#).as_bytes()).unwrap();
        assert_eq!(
            (verdict(&state, "192.0.2.1", b), verdict(&state, "192.0.2.1", a)),
            (Verdict::Allow, Verdict::Deny)
        );
        // Nothing can be read.
        state.insert(&p, b"\xff").unwrap();
        assert_eq!((verdict(&state, a, b), verdict(&state, "192.0.2.1", a)), (Verdict::Deny, Verdict::Deny));
        // A version that can be read, and then one that cannot: the former stays.
        let open = record(r#"{"selector":"all()","ingress":[{"action":"Allow"}]}"#);
        assert_eq!(state.insert(&p, open.as_bytes()), Some(Vec::new()));
        assert_eq!(verdict(&state, a, b), Verdict::Allow);
        assert_eq!(state.insert(&p, b"{").unwrap().len(), 1);
        assert_eq!(verdict(&state, a, b), Verdict::Allow);
        assert!(state.remove(&p));

        // The same for a policy of a namespace: at worst it closes its namespace.
        let n = key::<NetworkPolicySpec>(Some("blue"), "n").unwrap();
        state.insert(&n, b"null").unwrap();
        assert_eq!((verdict(&state, a, b), verdict(&state, "192.0.2.1", a)), (Verdict::Deny, Verdict::Allow));
        assert!(state.remove(&n));
        assert_eq!(verdict(&state, a, b), Verdict::Allow);

        // A profile that becomes unreadable stays; one that never was is unknown, and denies.
        let profile = key::<ProfileSpec>(None, "kns.blue").unwrap();
        assert_eq!(state.insert(&profile, b"[]").unwrap().len(), 1);
        assert_eq!(verdict(&state, a, b), Verdict::Allow);
        assert!(state.remove(&profile));
        state.insert(&profile, b"[]").unwrap();
        assert_eq!(verdict(&state, a, b), Verdict::Deny);
    });
}

/// Policies of Kubernetes are kept as they are, under a plural of their own, and deny if they cannot be read.
#[test]
fn policies_of_kubernetes_isolate_also_if_they_cannot_be_read() {
    let root = "/calico/resources/v3/projectcalico.org/";
    let mut state = PolicyState::default();
    let endpoint = r#"{"apiVersion":"projectcalico.org/v3","kind":"WorkloadEndpoint","metadata":{"name":"w","namespace":"red",
        "labels":{"app":"web","projectcalico.org/orchestrator":"k8s"}},
        "spec":{"orchestrator":"k8s","node":"n","endpoint":"eth0","pod":"w","interfaceName":"cali1","ipNetworks":["10.0.0.1/32"],
        "profiles":["kns.red"]}}"#;
    let profile = r#"{"apiVersion":"projectcalico.org/v3","kind":"Profile","metadata":{"name":"kns.red"},
        "spec":{"ingress":[{"action":"Allow"}],"egress":[{"action":"Allow"}]}}"#;
    assert_eq!(state.insert(&format!("{root}workloadendpoints/red/w"), endpoint.as_bytes()), Some(vec![]));
    assert_eq!(state.insert(&format!("{root}profiles/kns.red"), profile.as_bytes()), Some(vec![]));
    let passes = |state: &PolicyState| {
        let flow = Flow::tcp("192.0.2.1:40000".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        evaluate(state.inputs(), &flow).verdict == Verdict::Allow
    };
    assert!(passes(&state));
    let record = |version: &str, kind: &str, spec: &str| {
        format!(
            r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{{"name":"p","namespace":"red"}},"spec":{spec}}}"#
        )
    };
    let key = format!("{root}kubernetesnetworkpolicies/red/p");
    let policy = |spec: &str| record("networking.k8s.io/v1", "NetworkPolicy", spec);
    for (spec, allowed, faults) in [
        (r#"{"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{"ports":[{"port":80}]}]}"#, true, 0),
        (r#"{"podSelector":{"matchLabels":{"app":"db"}}}"#, true, 0),
        (r#"{"podSelector":{}}"#, false, 0),
        (r#"{"podSelector":{"matchLabels":{"app":"db"}},"ingress":7}"#, false, 1),
    ] {
        let found = state.insert(&key, policy(spec).as_bytes()).unwrap();
        assert_eq!((passes(&state), found.len()), (allowed, faults), "{spec}: {found:?}");
    }
    assert!(state.remove(&key) && passes(&state));
    for (spec, allowed) in [
        (r#"{"podSelector":{"matchLabels":{"app":"db"}},"ingress":7}"#, true),
        (r#"{"podSelector":7}"#, false),
    ] {
        assert_eq!(state.insert(&key, policy(spec).as_bytes()).unwrap().len(), 1);
        assert_eq!(passes(&state), allowed, "{spec}");
    }
    assert!(state.remove(&key) && passes(&state));
    let key = format!("{root}kubernetesclusternetworkpolicies/p");
    let spec = r#"{"tier":"Admin","subject":{"namespaces":{}},"ingress":7}"#;
    let policy = record("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", spec);
    assert_eq!(state.insert(&key, policy.as_bytes()).unwrap().len(), 1);
    assert!(!passes(&state), "nobody knows what it says, but that it is about this pod");
    assert!(state.remove(&key) && passes(&state));
}
