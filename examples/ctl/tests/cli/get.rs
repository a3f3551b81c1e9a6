//! `get`.

use serde_json::Value;

use crate::{POOL, Shop, manifests};

fn shop() -> Shop {
    let shop = Shop::new();
    shop.run(&["apply", "-R", "-f", manifests().to_str().unwrap()]).good();
    shop
}

#[test]
fn tables() {
    let shop = shop();
    let pools = shop.run(&["get", "ippools"]).good();
    assert_eq!(
        pools,
        "\
NAME      CIDR          BLOCKSIZE  NAT    DISABLED  NODES  NAMESPACES
pods-v4   10.77.0.0/24  26         false  false     all()  all()
pods-v6   fd77::/116    122        false  false     all()  all()
small-v4  10.78.0.0/29  30         false  false     all()  team == \"blue\"
"
    );
    let nodes = shop.run(&["get", "no", "node-2"]).good();
    assert_eq!(
        nodes,
        "\
NAME    ASNUMBER  IPV4            IPV6            LABELS
node-2            172.30.0.12/24  fd00:30::12/64  kubernetes.io/hostname=node-2,rack=a
"
    );
    let namespaces = shop.run(&["get", "ns"]).good();
    assert_eq!(
        namespaces,
        "NAME  LABELS\nblue  purpose=shop-data,team=blue\nred   purpose=shop-front,team=red\n"
    );
    assert_eq!(shop.run(&["get", "np"]).good(), "NAMESPACE  NAME  TIER  ORDER  SELECTOR  TYPES\n");
    let policies = shop.run(&["get", "policy", "-n", "red"]).good();
    let want = "red        api    default  100    app == \"api\"           Ingress\n";
    assert!(policies.contains(want), "{policies}");
    assert_eq!(shop.run(&["get", "np", "-A"]).good(), policies);
    for (kind, lines) in [
        ("bgpp", 2),
        ("bgpconfig", 2),
        ("pro", 3),
        ("gnp", 7),
        ("gnetset", 2),
        ("tier", 2),
        ("sgnp", 2),
        ("knp", 1),
        ("wep", 1),
    ] {
        assert_eq!(shop.run(&["get", kind]).good().lines().count(), lines, "{kind}");
    }
}

#[test]
fn what_is_shown_can_be_applied_again() {
    let shop = shop();
    let kinds = [
        "ippool",
        "bgpconfig",
        "bgppeer",
        "node",
        "ns",
        "profile",
        "tier",
        "gnp",
        "np",
        "gnetset",
        "sgnp",
        "knp",
    ];
    for output in ["yaml", "json"] {
        for kind in kinds {
            let mut arguments = vec!["get", kind, "-o", output];
            arguments.extend(["np", "knp"].contains(&kind).then_some("-A"));
            let shown = shop.run(&arguments).good();
            let applied = shop.apply(&shown).good();
            assert!(!applied.is_empty(), "{shown}");
            assert!(applied.lines().all(|line| line.starts_with("unchanged ")), "{applied}{shown}");
            // And elsewhere it makes the same objects.
            let copy = Shop::new();
            if kind == "gnp" {
                // Policies want their tier.
                copy.apply(&shop.run(&["get", "tier", "-o", output]).good()).good();
            }
            let applied = copy.apply(&shown).good();
            assert!(applied.lines().all(|line| line.starts_with("created ")), "{applied}");
            let strip = |text: String| -> Vec<String> {
                text.lines().filter(|line| !line.contains("resourceVersion")).map(str::to_owned).collect()
            };
            assert_eq!(strip(copy.run(&arguments).good()), strip(shown));
        }
    }
    // A default that depends on another field.
    let blue = POOL.replace("/16}", "/16, namespaceSelector: has(team)}");
    let copy = Shop::new();
    copy.apply(&blue).good();
    assert_eq!(copy.apply(&blue).good(), "unchanged IPPool pods\n");
    let shown = copy.run(&["get", "pool", "pods", "-o", "yaml"]).good();
    assert!(shown.contains("allowedUses:\n  - Workload\n") && !shown.contains("Tunnel"), "{shown}");
    assert_eq!(copy.apply(&shown).good(), "unchanged IPPool pods\n");
    let one: Value =
        serde_json::from_str(&shop.run(&["get", "node", "node-1", "-o", "json"]).good()).unwrap();
    assert_eq!((&one["kind"], &one["metadata"]["name"]), (&"Node".into(), &"node-1".into()));
    assert!(one["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > 0);
}

#[test]
fn what_is_not_there() {
    let shop = shop();
    assert!(shop.run(&["get", "pool", "nothing"]).bad().contains("there is no IPPool nothing"));
    assert!(shop.run(&["get", "np", "api"]).bad().contains("there is no NetworkPolicy default/api"));
    assert!(shop.run(&["get", "ns", "green"]).bad().contains("there is no Namespace green"));
    assert!(shop.run(&["get", "pool", "a/b"]).bad().contains("metadata.name"));
    assert!(shop.run(&["get", "pods"]).bad().contains("no such kind; known are IPPool, "));
}

#[test]
fn a_record_that_cannot_be_read_is_a_warning() {
    let shop = Shop::new();
    shop.apply(POOL).good();
    let key = "/calico/resources/v3/projectcalico.org/ippools/broken";
    crate::block_on(shop.store().create(key, b"{}")).unwrap();
    let ran = shop.run(&["get", "pool"]);
    assert!(ran.ok && ran.out.contains("10.77.0.0/16"), "{ran:?}");
    assert!(ran.err.contains(&format!("warning: {key} cannot be read as IPPool: ")), "{ran:?}");
}

#[test]
fn a_reader_that_has_gone_is_no_panic() {
    let shop = shop();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tortie-ctl"))
        .args(["get", "gnp", "-o", "yaml", "--datastore"])
        .arg(shop.datastore())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
