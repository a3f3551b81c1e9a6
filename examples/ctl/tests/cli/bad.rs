//! `apply` of bad manifests: everything wrong is named with its place, and nothing of the document is applied.

use crate::{POOL, Shop, block_on};

/// Applies `text` as a file, and checks that it fails with exactly these lines, and writes nothing.
#[track_caller]
fn refused(text: &str, want: &[&str]) {
    let shop = Shop::new();
    shop.write("m.yaml", text);
    let ran = shop.run(&["apply", "-f", "m.yaml"]);
    assert_eq!(ran.out, "", "{text}");
    let err = ran.bad();
    let got: Vec<&str> = err.lines().filter(|line| !line.starts_with("error: ")).collect();
    assert_eq!(got, want, "{text}");
    assert_eq!(block_on(shop.store().revision()).unwrap().get(), 0, "something was written");
}

const HEAD: &str = "apiVersion: projectcalico.org/v3\n";

#[test]
fn unknown_fields() {
    refused(
        &format!(
            "{HEAD}kind: IPPool\nmetadata:\n  name: pods\nspec:\n  cidr: 10.77.0.0/16\n  blocksize: 26\n"
        ),
        &["m.yaml: document 1, line 7: IPPool pods: spec.blocksize: unknown field"],
    );
    refused(
        &format!(
            "{HEAD}kind: GlobalNetworkPolicy\nmetadata: {{name: p, lables: {{}}}}\nspec:\n  ingress:\n  - action: Allow\n    source:\n      net: [10.0.0.0/8]\nstatus: {{}}\n"
        ),
        &[
            "m.yaml: document 1, line 9: GlobalNetworkPolicy p: status: unknown field",
            "m.yaml: document 1, line 3: GlobalNetworkPolicy p: metadata.lables: unknown field",
            "m.yaml: document 1, line 8: GlobalNetworkPolicy p: spec.ingress[0].source.net: unknown field",
        ],
    );
    refused(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: red\n  colour: red\nspec: {}\n",
        &[
            "m.yaml: document 1, line 6: Namespace red: spec: unknown field",
            "m.yaml: document 1, line 5: Namespace red: metadata.colour: unknown field",
        ],
    );
    refused("apiVersion: v1\nkind: List\nitem: []\n", &["m.yaml: document 1, line 3: item: unknown field"]);
}

#[test]
fn wrong_values() {
    refused(
        &format!("{HEAD}kind: IPPool\nmetadata: {{name: pods}}\nspec:\n  cidr: 10.77.0.0/33\n"),
        &[
            "m.yaml: document 1, line 5: IPPool pods: spec.cidr: `10.77.0.0/33` is not a CIDR: prefix length 33 exceeds 32",
        ],
    );
    refused(
        &format!(
            "{HEAD}kind: IPPool\nmetadata: {{name: pods}}\nspec:\n  cidr: 10.77.0.1/16\n  blockSize: 19\n"
        ),
        &[
            "m.yaml: document 1, line 5: IPPool pods: spec.cidr: 10.77.0.1/16 has host bits set; did you mean 10.77.0.0/16?",
            "m.yaml: document 1, line 6: IPPool pods: spec.blockSize: 19 is not between 20 and 32",
        ],
    );
    refused(
        &format!(
            "{HEAD}kind: GlobalNetworkSet\nmetadata: {{name: s}}\nspec:\n  nets:\n  - 10.0.0.0/8\n  - 10.0.0.0/40\n"
        ),
        &["m.yaml: document 1, line 7: GlobalNetworkSet s: spec.nets[1]: prefix length 40 exceeds 32"],
    );
    refused(
        &format!("{HEAD}kind: Node\nmetadata:\n  name: n\n  labels:\n    rack: 7\n"),
        &[
            "m.yaml: document 1, line 6: Node n: metadata.labels.rack: invalid type: integer `7`, expected a string",
        ],
    );
    refused(
        &format!("{HEAD}kind: Node\nmetadata:\n  name: Node_1\n  labels: {{\"a b\": c}}\nspec: {{}}\n"),
        &[
            "m.yaml: document 1, line 4: Node Node_1: metadata.name: `Node_1` holds `N`; allowed are a-z, 0-9, `-` and `.`",
            "m.yaml: document 1, line 5: Node Node_1: metadata.labels[a b]: the label's name must be 1-63 letters, digits, `-`, `_`, `.`",
        ],
    );
    refused(
        &format!("{HEAD}kind: NetworkPolicy\nmetadata: {{name: p}}\nspec:\n  ingress:\n  - action: Alow\n"),
        &[
            "m.yaml: document 1, line 6: NetworkPolicy default/p: spec.ingress[0].action: \"Alow\" is no action: expected Allow, Deny, Log or Pass",
        ],
    );
    refused(
        &format!("{HEAD}kind: NetworkPolicy\nmetadata: {{name: p}}\nspec:\n  tier: mine\n"),
        &["m.yaml: document 1, line 5: NetworkPolicy default/p: spec.tier: there is no tier `mine`"],
    );
}

#[test]
fn addresses_of_services_and_choices_of_hosts() {
    refused(
        &format!(
            "{HEAD}kind: BGPConfiguration\nmetadata: {{name: default}}\nspec:\n  serviceClusterIPs:\n  - cidr: 10.96.0.0/12\n  - cidr: 10.96.0.0/33\n  serviceExternalIPs: [{{cidr: 192.0.2.0/24, x: 1}}]\n"
        ),
        &[
            "m.yaml: document 1, line 8: BGPConfiguration default: spec.serviceExternalIPs[0].x: unknown field",
            "m.yaml: document 1, line 7: BGPConfiguration default: spec.serviceClusterIPs[1].cidr: `10.96.0.0/33` is not a CIDR: prefix length 33 exceeds 32",
        ],
    );
    refused(
        &format!(
            "{HEAD}kind: FelixConfiguration\nmetadata: {{name: default}}\nspec:\n  serviceLoopPrevention: Pass\n  vxlanport: 4790\n"
        ),
        &[
            "m.yaml: document 1, line 5: FelixConfiguration default: spec.serviceLoopPrevention: `Pass` is not one of Drop, Reject, Disabled",
            "m.yaml: document 1, line 6: FelixConfiguration default: spec.vxlanport: unknown field: some letters are of another case",
        ],
    );
    refused(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: w}\naddressType: IPv4\nendpoints:\n- addresses: [10.0.0.300]\nports:\n- port: 70000\n",
        &[
            "m.yaml: document 1, line 6: EndpointSlice default/w: endpoints[0].addresses[0]: `10.0.0.300` is no address of type IPv4",
            "m.yaml: document 1, line 8: EndpointSlice default/w: ports[0].port: 70000 is not between 1 and 65535",
        ],
    );
}

#[test]
fn selectors_are_drawn() {
    refused(
        &format!("{HEAD}kind: GlobalNetworkPolicy\nmetadata: {{name: p}}\nspec:\n  selector: role = 'db'\n"),
        &[
            "m.yaml: document 1, line 5: GlobalNetworkPolicy p: spec.selector: column 6: expected ==, found `=` at byte 5",
            "  role = 'db'",
            "       ^",
            "  hint: operators are written twice: ==, &&, ||",
        ],
    );
    let shop = Shop::new();
    let pool = POOL.replace("/16}", "/16, nodeSelector: \"has(rack\"}");
    let err = shop.apply(&pool).bad();
    assert!(
        err.starts_with("standard input: document 1, line 4: IPPool pods: spec.nodeSelector: column 9: "),
        "{err}"
    );
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!((lines[1], lines[2]), ("  has(rack", "          ^"), "{err}");
}

#[test]
fn heads() {
    refused("kind: Node\nmetadata: {name: n}\n", &["m.yaml: document 1, line 1: apiVersion: missing"]);
    refused(
        &format!("{HEAD}kind: Namespace\nmetadata: {{name: n}}\n"),
        &[
            "m.yaml: document 1, line 1: apiVersion: `projectcalico.org/v3` is not v1, which goes with Namespace",
        ],
    );
    refused(&format!("{HEAD}kind: Node\n"), &["m.yaml: document 1, line 1: metadata.name: missing"]);
    refused(
        &format!("{HEAD}kind: Node\nmetadata: {{name: 7}}\n"),
        &["m.yaml: document 1, line 3: metadata.name: not a string"],
    );
    refused(
        &format!("{HEAD}kind: Node\nmetadata: {{name: n, namespace: red}}\nspec: {{}}\n"),
        &["m.yaml: document 1, line 3: metadata.namespace: not allowed: Node has none"],
    );
    refused("- one\n- two\n", &["m.yaml: document 1, line 1: kind: missing"]);
    refused("just text\n", &["m.yaml: document 1, line 1: kind: missing"]);
    let shop = Shop::new();
    for kind in ["FelixConfigurations", "WorkloadEndpoint", "ippool"] {
        let err = shop.apply(&format!("{HEAD}kind: {kind}\nmetadata: {{name: n}}\nspec: {{}}\n")).bad();
        let want = format!("standard input: document 1, line 2: kind: `{kind}` is not one of IPPool, ");
        assert!(err.starts_with(&want), "{err}");
    }
    let policy = format!("{HEAD}kind: NetworkPolicy\nmetadata: {{name: n, namespace: blue}}\nspec: {{}}\n");
    let err = shop.run_with(&["apply", "-n", "red", "-f", "-"], &policy).bad();
    assert!(err.contains("line 3: metadata.namespace: `blue` is not `red`, which -n asks for"), "{err}");
}

#[test]
fn texts_that_are_not_yaml() {
    let shop = Shop::new();
    for (text, line) in [("a: 1\n---\nkind: [\n", 3), ("a: 1\n---\n\nkind: Node\nkind: Node\n", 5)] {
        let err = shop.apply(text).bad();
        assert!(err.contains("standard input: document 1, line 1: kind: missing"), "{err}");
        let second = err.lines().find(|line| line.contains("document 2")).unwrap();
        assert!(
            second.starts_with(&format!("standard input: document 2, line {line}: ")) || line == 3,
            "{err}"
        );
    }
    assert!(shop.apply("").bad().contains("no object was given"));
    assert!(shop.run(&["apply", "-f", "no-such-file"]).bad().contains("no-such-file"));
    shop.write("empty.yaml", "# nothing\n");
    assert!(shop.run(&["apply", "-f", "empty.yaml"]).bad().contains("holds no object"));
    std::fs::write(shop.folder.path().join("latin.yaml"), b"a: \xe9\n").unwrap();
    assert!(shop.run(&["apply", "-f", "latin.yaml"]).bad().contains("latin.yaml"));
}

#[test]
fn a_bad_document_keeps_no_other_from_being_applied() {
    let shop = Shop::new();
    let text = format!(
        "{POOL}---\n{HEAD}kind: Node\nmetadata: {{name: n}}\nspec: {{x: 1}}\n---\n{HEAD}kind: Node\nmetadata: {{name: m}}\nspec: {{}}\n"
    );
    let ran = shop.apply(&text);
    assert_eq!(ran.out, "created IPPool pods\ncreated Node m\n");
    let err = ran.bad();
    assert!(err.contains("document 2, line 9: Node n: spec.x: unknown field"), "{err}");
    assert!(err.contains("error: 1 of 3 documents not applied"), "{err}");
}

#[test]
fn a_list_is_applied_whole_or_not_at_all() {
    let node = |name: &str, spec: &str| {
        format!(
            "- apiVersion: projectcalico.org/v3\n  kind: Node\n  metadata: {{name: {name}}}\n  spec: {spec}\n"
        )
    };
    let pool = |name: &str, cidr: &str| {
        format!(
            "- apiVersion: projectcalico.org/v3\n  kind: IPPool\n  metadata: {{name: {name}}}\n  spec:\n    cidr: {cidr}\n"
        )
    };
    let list = |items: &[String]| format!("apiVersion: v1\nkind: List\nitems:\n{}", items.concat());
    refused(
        &list(&[node("a", "{}"), node("b", "{x: 1}"), node("c", "[]")]),
        &[
            "m.yaml: document 1, line 11: Node b: items[1].spec.x: unknown field",
            "m.yaml: document 1, line 15: Node c: items[2].spec: invalid type: sequence, expected struct NodeSpec",
        ],
    );
    // Faults that only the store, or the list itself, brings to light.
    refused(
        &list(&[node("a", "{}"), pool("p", "10.0.0.0/16"), pool("q", "10.0.1.0/24")]),
        &["m.yaml: document 1, line 17: IPPool q: items[2].spec.cidr: overlaps pool `p` (10.0.0.0/16)"],
    );
    refused(
        &list(&[node("a", "{}"), node("a", "{}")]),
        &["m.yaml: document 1, line 10: Node a: items[1].metadata.name: there twice in this document"],
    );
}

#[test]
fn rules_between_pools() {
    let shop = Shop::new();
    shop.apply(POOL).good();
    let other = POOL.replace("name: pods", "name: other").replace("10.77.0.0/16", "10.77.128.0/20");
    let err = shop.apply(&other).bad();
    assert!(err.contains("line 4: IPPool other: spec.cidr: overlaps pool `pods` (10.77.0.0/16)"), "{err}");
    let err = shop.apply(&POOL.replace("10.77.0.0/16", "10.77.0.0/17, blockSize: 28")).bad();
    assert!(
        err.contains("spec.cidr: immutable: it is 10.77.0.0/16, and cannot become 10.77.0.0/17"),
        "{err}"
    );
    assert!(err.contains("spec.blockSize: immutable: it is 26, and cannot become 28"), "{err}");
    assert!(shop.run(&["get", "pool"]).good().lines().count() == 2);
}
