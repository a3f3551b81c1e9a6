//! Services of Kubernetes: kept as they are, and spoken of by rules.

use tortie_datastore::convert::PolicyState;
use tortie_datastore::resource::{EndpointSliceBody, Resource, ServiceSpec, key};
use tortie_datastore::{Error, client};
use tortie_policy::{Flow, Resolver, Verdict, evaluate};

use crate::with_store;

/// A slice as kubectl prints it.
fn slice(name: &str, service: &str, addresses: &str, ports: &str) -> String {
    format!(
        r#"{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"name":"{name}","namespace":"red","generateName":"w-",
        "labels":{{"kubernetes.io/service-name":"{service}"}}}},"addressType":"IPv4",
        "endpoints":[{{"addresses":{addresses},"conditions":{{"ready":false}},"nodeName":"n"}}],"ports":{ports}}}"#
    )
}

fn decoded(json: &str) -> Resource<EndpointSliceBody> {
    Resource::decode(json.as_bytes()).unwrap()
}

#[test]
fn a_slice_has_its_fields_beside_its_name_and_keeps_all_of_them() {
    let json = slice("w-1", "web", r#"["10.0.0.1"]"#, r#"[{"port":80,"name":"http"}]"#);
    let object = decoded(&json);
    assert_eq!(object.validate(), []);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_value(&object).unwrap(), value);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&object.encode().unwrap()).unwrap(), value);
    assert_eq!(serde_json::from_value::<Resource<EndpointSliceBody>>(value).unwrap(), object);
    assert_eq!(object.unknown, [].into(), "all are of the body");
    for (json, path) in [
        (slice("w", "web", r#"[7]"#, "[]"), "endpoints[0].addresses[0]"),
        (slice("w", "web", "[]", r#"[{"port":"x"}]"#), "ports[0].port"),
        (
            r#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":7}}"#.into(),
            "metadata.name",
        ),
        (r#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice"}"#.into(), ""),
    ] {
        assert_eq!(Resource::<EndpointSliceBody>::decode(json.as_bytes()).unwrap_err().path, path, "{json}");
    }
    for (addresses, ports, path) in [
        (r#"["10.0.0.1","fd00::1"]"#, "[]", "endpoints[0].addresses[1]"),
        ("[]", r#"[{"port":0}]"#, "ports[0].port"),
        ("[]", r#"[{"port":1,"protocol":"tcp"}]"#, "ports[0].protocol"),
    ] {
        let errors = decoded(&slice("w", "web", addresses, ports)).validate();
        assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), [path]);
    }
    let other = json.replace("IPv4", "IPX");
    assert_eq!(decoded(&other).validate()[0].path, "addressType");
}

#[test]
fn services_are_stored_and_fields_of_others_survive() {
    with_store(async |store| {
        let json = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"red"},
            "spec":{"clusterIP":"10.96.0.1","ports":[{"port":80,"targetPort":"http"}],"sessionAffinity":"None"},"status":{"a":1}}"#;
        let service = Resource::<ServiceSpec>::decode(json.as_bytes()).unwrap();
        client::create(&store, service).await.unwrap();
        let key = key::<ServiceSpec>(Some("red"), "web").unwrap();
        assert_eq!(key, "/calico/resources/v3/projectcalico.org/kubernetesservices/red/web");
        let wrong = json.replace("10.96.0.1", "x").replace("\"port\":80", "\"port\":0");
        let Err(Error::Invalid { errors }) =
            client::create(&store, Resource::<ServiceSpec>::decode(wrong.as_bytes()).unwrap()).await
        else {
            panic!("it is taken");
        };
        let paths: Vec<_> = errors.0.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["spec.clusterIP", "spec.ports[0].port"]);

        // Applied by somebody who does not know all fields.
        client::create(&store, decoded(&slice("w-1", "web", r#"["10.0.0.1"]"#, "[]"))).await.unwrap();
        let bare = r#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"w-1","namespace":"red"},
            "addressType":"IPv4","endpoints":[{"addresses":["10.0.0.2"]}]}"#;
        client::apply(&store, decoded(bare)).await.unwrap();
        let stored = client::get::<EndpointSliceBody>(&store, Some("red"), "w-1").await.unwrap().unwrap();
        assert_eq!(stored.spec.endpoints[0].unknown["nodeName"], "n");
        assert_eq!(stored.spec.endpoints[0].addresses, ["10.0.0.2"]);
    });
}

/// The same rule, by the evaluator's inputs and by the agent's resolver, as slices come, change and go.
#[test]
fn rules_speak_of_services() {
    let root = "/calico/resources/v3/projectcalico.org/";
    let endpoint = |name: &str, address: &str| {
        format!(
            r#"{{"apiVersion":"projectcalico.org/v3","kind":"WorkloadEndpoint","metadata":{{"name":"{name}","namespace":"red"}},
            "spec":{{"orchestrator":"k8s","node":"n","endpoint":"eth0","pod":"{name}","interfaceName":"cali{name}",
            "ipNetworks":["{address}/32"],"profiles":["open"]}}}}"#
        )
    };
    let profile = r#"{"apiVersion":"projectcalico.org/v3","kind":"Profile","metadata":{"name":"open"},
        "spec":{"ingress":[{"action":"Allow"}],"egress":[{"action":"Allow"}]}}"#;
    let policy = r#"{"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"red"},
        "spec":{"selector":"all()","types":["Egress"],"egress":[{"action":"Allow","destination":{"services":{"name":"web"}}}]}}"#;
    let mut state = PolicyState::default();
    let mut agent = PolicyState::of_node("n", Resolver::new(tortie_policy::Host::new("n"), |_| true));
    for (key, value) in [("profiles/open", profile), ("workloadendpoints/red/a", &endpoint("a", "10.0.0.9"))]
    {
        let key = format!("{root}{key}");
        assert_eq!(state.insert(&key, value.as_bytes()), Some(vec![]));
        assert_eq!(agent.insert(&key, value.as_bytes()), Some(vec![]));
    }
    let mut program = tortie_policy::Program::default();
    let mut put = |key: &str, value: &str| {
        let key = format!("{root}{key}");
        let faults = state.insert(&key, value.as_bytes()).unwrap();
        assert_eq!(agent.insert(&key, value.as_bytes()).unwrap(), faults);
        agent.resolver().set_in_sync();
        program.apply(agent.resolver().flush());
        let members: Vec<String> = program.sets.values().map(|members| format!("{members:?}")).collect();
        let open = |address: &str, port: u16| {
            let flow =
                Flow::tcp("10.0.0.9:40000".parse().unwrap(), format!("{address}:{port}").parse().unwrap());
            evaluate(state.inputs(), &flow).verdict == Verdict::Allow
        };
        let answers = ["192.0.2.1", "192.0.2.2"].map(|address| {
            let answer = open(address, 80);
            // The set that the kernel gets has whom the evaluator lets pass.
            assert_eq!(members.iter().any(|members| members.contains(address)), answer, "{members:?}");
            answer
        });
        (faults.len(), answers[0], answers[1], open("192.0.2.1", 81))
    };
    assert_eq!(put("networkpolicies/red/p", policy), (0, false, false, false));
    let key = "kubernetesendpointslices/red/w-1";
    let http = r#"[{"port":80}]"#;
    assert_eq!(put(key, &slice("w-1", "web", r#"["192.0.2.1"]"#, http)), (0, true, false, false));
    assert_eq!(put(key, &slice("w-1", "web", r#"["192.0.2.2"]"#, http)), (0, false, true, false));
    // What is wrong in it is left out and told; what cannot be read changes nothing.
    assert_eq!(put(key, &slice("w-1", "web", r#"["192.0.2.1","x"]"#, http)), (1, true, false, false));
    assert_eq!(put(key, "{"), (1, true, false, false));
    assert_eq!(put(key, &slice("w-1", "other", r#"["192.0.2.1"]"#, http)), (0, false, false, false));
    assert_eq!(put(key, &slice("w-1", "web", r#"["192.0.2.1"]"#, "[]")), (0, false, false, false));
    assert_eq!(put(key, &slice("w-1", "web", r#"["192.0.2.1"]"#, http)), (0, true, false, false));
    // The key decides which slice it is.
    assert_eq!(
        put("kubernetesendpointslices/red/w-2", &slice("w-1", "web", r#"["192.0.2.2"]"#, http)),
        (0, true, true, false)
    );
    assert_eq!(put(key, &slice("w-1", "", r#"["192.0.2.1"]"#, http)), (0, false, true, false));
    assert!(state.remove(&format!("{root}kubernetesendpointslices/red/w-2")));
}
