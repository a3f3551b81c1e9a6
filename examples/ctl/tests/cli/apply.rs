//! `apply` of good manifests.

use tortie_datastore::client;
use tortie_datastore::resource::{IpPoolSpec, NetworkPolicySpec, NodeSpec, ProfileSpec, key};

use crate::{POOL, Shop, block_on};

#[test]
fn created_updated_unchanged() {
    let shop = Shop::new();
    assert_eq!(shop.apply(POOL).good(), "created IPPool pods\n");
    assert_eq!(shop.apply(POOL).good(), "unchanged IPPool pods\n");
    let open = POOL.replace("/16}", "/16, natOutgoing: true}");
    assert_eq!(shop.apply(&open).good(), "updated IPPool pods\n");
    let pool = block_on(client::get::<IpPoolSpec>(&shop.store(), None, "pods")).unwrap().unwrap();
    assert!(pool.spec.nat_outgoing);
    assert!(pool.metadata.uid.is_some() && pool.metadata.creation_timestamp.is_some());
}

#[test]
fn files_folders_lists_and_json() {
    let shop = Shop::new();
    shop.write("m/20.yaml", &format!("# nothing\n---\n{POOL}---\n\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: red\n  labels: {{team: red}}\n"));
    shop.write("m/10.json", r#"{"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [
        {"apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": "node-1"}, "spec": {}},
        {"apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": "node-2"}, "spec": {}}]}"#);
    shop.write("m/README.md", "kind: nothing");
    shop.write(
        "m/inner/np.yml",
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {}\n",
    );
    let first = "created Node node-1\ncreated Node node-2\ncreated IPPool pods\ncreated Namespace red\n";
    assert_eq!(shop.run(&["apply", "-f", "m"]).good(), first);
    let again = first.replace("created", "unchanged") + "created NetworkPolicy red/web\n";
    assert_eq!(shop.run(&["apply", "-R", "-n", "red", "-f", "m"]).good(), again);
    assert_eq!(shop.run(&["apply", "-f", "m/inner/np.yml"]).good(), "created NetworkPolicy default/web\n");
    let files = shop.run(&["apply", "-f", "m/10.json", "-f", "m/20.yaml"]).good();
    assert_eq!(files, first.replace("created", "unchanged"));
    let store = shop.store();
    let policies = block_on(client::list::<NetworkPolicySpec>(&store, None)).unwrap();
    assert_eq!(policies.items.len(), 2);
    let profile = block_on(client::get::<ProfileSpec>(&store, None, "kns.red")).unwrap().unwrap();
    assert_eq!(profile.spec.labels_to_apply["pcns.team"], "red");
    assert_eq!(profile.spec.labels_to_apply["pcns.projectcalico.org/name"], "red");
}

#[test]
fn stored_fields_that_are_not_known_survive() {
    let shop = Shop::new();
    let record = br#"{"apiVersion":"projectcalico.org/v3","kind":"Node","metadata":{"name":"node-1","generation":4},
        "spec":{"wireguard":{"interfaceIPv4Address":"10.0.0.9"},"bgp":{"ipv4Address":"10.0.0.1/24","new":1}},"status":{"a":1}}"#;
    let key = key::<NodeSpec>(None, "node-1").unwrap();
    block_on(shop.store().create(&key, record)).unwrap();
    let manifest = "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node-1, labels: {rack: a}}\nspec: {bgp: {ipv4Address: 10.0.0.2/24}}\n";
    assert_eq!(shop.apply(manifest).good(), "updated Node node-1\n");
    let stored = block_on(shop.store().get(&key)).unwrap().unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&stored.value).unwrap();
    assert_eq!(stored["spec"]["wireguard"]["interfaceIPv4Address"], "10.0.0.9");
    assert_eq!(stored["spec"]["bgp"], serde_json::json!({"ipv4Address": "10.0.0.2/24", "new": 1}));
    assert_eq!((&stored["status"]["a"], &stored["metadata"]["generation"]), (&1.into(), &4.into()));
    assert_eq!(stored["metadata"]["labels"]["rack"], "a");
}

#[test]
fn where_the_datastore_is() {
    let shop = Shop::new();
    let elsewhere = shop.folder.path().join("elsewhere.db");
    let elsewhere = elsewhere.to_str().unwrap();
    let ran = shop.run_with(&["--datastore", elsewhere, "apply", "-f", "-"], POOL);
    assert_eq!(ran.good(), "created IPPool pods\n");
    assert!(!shop.datastore().exists());
    for verb in [&["get", "pool"][..], &["delete", "pool", "pods"], &["ipam", "show"]] {
        let err = shop.run(verb).bad();
        assert!(err.contains("there is no datastore at"), "{err}");
    }
    assert!(!shop.datastore().exists(), "looking brings no store into being");
    assert!(shop.run(&["get", "pool", "--datastore", elsewhere]).good().contains("10.77.0.0/16"));
    let unset = std::process::Command::new(env!("CARGO_BIN_EXE_tortie-ctl"))
        .args(["get", "pool"])
        .env_remove("TORTIE_DATASTORE")
        .output()
        .unwrap();
    assert!(!unset.status.success());
    assert!(String::from_utf8(unset.stderr).unwrap().contains("TORTIE_DATASTORE"));
}

#[test]
fn fields_that_nothing_comes_of_are_told_and_kept() {
    let shop = Shop::new();
    let manifest = "apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec:\n  serviceLoopPrevention: Reject\n  bpfEnabled: false\n";
    let ran = shop.apply(manifest);
    assert_eq!(
        ran.err,
        "warning: standard input: document 1, line 6: FelixConfiguration default: spec.bpfEnabled: nothing comes of this field\n"
    );
    assert_eq!((ran.ok, ran.out.as_str()), (true, "created FelixConfiguration default\n"));
    assert!(shop.run(&["get", "felixconfig", "default", "-o", "yaml"]).good().contains("bpfEnabled: false"));
    let table = shop.run(&["get", "felixconfig"]).good();
    assert!(table.lines().nth(1).is_some_and(|line| line.contains("Reject")), "{table}");
}

/// As `kubectl get -o yaml` prints them, with fields that only others read.
#[test]
fn services_and_service_accounts_of_kubernetes() {
    let shop = Shop::new();
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot.a, namespace: red, labels: {trust: high}, generation: 1}\nsecrets: [{name: x}]\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: red, generation: 1}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80, targetPort: http}, {port: 443}], sessionAffinity: None}\nstatus: {loadBalancer: {}}\n";
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-x, namespace: red, labels: {kubernetes.io/service-name: web}, generateName: web-}\naddressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n  conditions: {ready: true}\nports: [{name: http, port: 8080, protocol: TCP}]\n";
    let all = format!("{account}---\n{service}---\n{slice}");
    let created =
        "created ServiceAccount red/robot.a\ncreated Service red/web\ncreated EndpointSlice red/web-x\n";
    assert_eq!(shop.apply(&all).good(), created);
    assert_eq!(shop.apply(&all).good(), created.replace("created", "unchanged"));
    let profile =
        block_on(client::get::<ProfileSpec>(&shop.store(), None, "ksa.red.robot.a")).unwrap().unwrap();
    assert_eq!(profile.spec.labels_to_apply["pcsa.trust"], "high");
    assert_eq!(profile.spec.labels_to_apply["pcsa.projectcalico.org/name"], "robot.a");
    assert!(profile.spec.ingress.is_empty() && profile.spec.egress.is_empty());
    for (kind, cells) in [
        ("sa", ["red", "robot.a", "trust=high"]),
        ("svc", ["web", "10.96.0.1", "80,443"]),
        ("endpointslices", ["web-x", "8080", "10.0.0.1"]),
    ] {
        let table = shop.run(&["get", kind, "-n", "red"]).good();
        assert!(cells.iter().all(|cell| table.contains(cell)) && table.lines().count() == 2, "{table}");
        assert_eq!(shop.run(&["get", kind, "-n", "blue"]).good().lines().count(), 1);
        assert_eq!(shop.run(&["get", kind, "-A"]).good().lines().count(), 2);
    }
    let shown = shop.run(&["get", "endpointslice", "web-x", "-n", "red", "-o", "yaml"]).good();
    assert!(
        shown.contains("\nendpoints:") && shown.contains("ready: true") && !shown.contains("spec:"),
        "{shown}"
    );
    assert_eq!(
        shop.run(&["delete", "sa", "robot.a", "-n", "red"]).good(),
        "deleted ServiceAccount red/robot.a\n"
    );
    shop.write("all.yaml", &format!("{service}---\n{slice}"));
    let gone = shop.run(&["delete", "-f", "all.yaml"]).good();
    assert_eq!(gone, "deleted EndpointSlice red/web-x\ndeleted Service red/web\n");
}
