//! `delete`.

use tortie_ipam::{Allocator, AssignRequest, Use};

use crate::{POOL, Shop, block_on, manifests};

#[test]
fn by_name() {
    let shop = Shop::new();
    let node = |name: &str| {
        format!("---\napiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{}}\n")
    };
    shop.apply(&format!("{}{}{}", node("a"), node("b"), node("c"))).good();
    let ran = shop.run(&["delete", "node", "a", "x", "b"]);
    assert_eq!(ran.out, "deleted Node a\ndeleted Node b\n");
    let err = ran.bad();
    assert!(
        err.contains("Node x: there is no such object") && err.contains("1 could not be deleted"),
        "{err}"
    );
    assert_eq!(
        shop.run(&["delete", "no", "x", "c", "--skip-not-exists"]).good(),
        "no Node x\ndeleted Node c\n"
    );
    shop.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: red}\n").good();
    assert_eq!(shop.run(&["delete", "ns", "red"]).good(), "deleted Namespace red\n");
    assert!(shop.run(&["delete", "node"]).bad().contains("NAME"));
    assert!(shop.run(&["delete"]).bad().contains("required"));
}

#[test]
fn as_named_in_manifests() {
    let shop = Shop::new();
    let folder = manifests();
    let folder = folder.to_str().unwrap();
    let applied = shop.run(&["apply", "-R", "-f", folder]).good();
    let deleted = shop.run(&["delete", "-R", "-f", folder]).good();
    let mut want: Vec<String> = applied.lines().map(|line| line.replace("created", "deleted")).collect();
    want.reverse();
    assert_eq!(deleted.lines().collect::<Vec<_>>(), want);
    assert!(block_on(shop.store().list("")).unwrap().items.is_empty());
    assert!(shop.run(&["delete", "-R", "-f", folder]).bad().contains("there is no such object"));
    // A manifest that would not be applied any more still names its object.
    shop.apply(POOL).good();
    let stale = POOL.replace("10.77.0.0/16", "nonsense, x: 1");
    assert_eq!(shop.run_with(&["delete", "-f", "-"], &stale).good(), "deleted IPPool pods\n");
}

#[test]
fn a_pool_gives_up_its_blocks() {
    let shop = Shop::new();
    shop.apply(POOL).good();
    shop.apply("apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node-1}\nspec: {}\n").good();
    let store = shop.store();
    block_on(async {
        let allocator = Allocator::new(store.clone());
        let view = tortie_datastore::convert::view(&store, "node-1", None).await.unwrap();
        let mut request = AssignRequest::new("net.container", "node-1", Use::Workload);
        request.num4 = 1;
        let now = core::time::Duration::from_secs(1_000_000);
        let assigned = allocator.auto_assign(&request, &view, now).await.unwrap();
        assert_eq!(assigned.addresses().count(), 1);
    });
    let affinities = || block_on(store.list("/calico/ipam/v2/host/node-1/ipv4/block/")).unwrap().items.len();
    assert_eq!(affinities(), 1);
    assert_eq!(shop.run(&["delete", "pool", "pods"]).good(), "deleted IPPool pods\n");
    assert_eq!(affinities(), 0);
    let handles = block_on(store.list("/calico/ipam/v2/handle/")).unwrap().items.len();
    assert_eq!(handles, 1, "an address in use stays so");
    let shown = shop.run(&["ipam", "show", "--show-blocks"]).good();
    assert!(shown.contains("| Block    | 10.77."), "a block in no pool: {shown}");
}

#[test]
fn a_pool_that_breaks_a_rule_can_be_deleted() {
    let shop = Shop::new();
    let record = br#"{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"old"},
        "spec":{"cidr":"169.254.1.0/24","allowedUses":["Tunnel"],"namespaceSelector":"has("}}"#;
    block_on(shop.store().create("/calico/resources/v3/projectcalico.org/ippools/old", record)).unwrap();
    block_on(shop.store().create("/calico/resources/v3/projectcalico.org/ippools/none", b"{}")).unwrap();
    assert_eq!(
        shop.run(&["delete", "pool", "old", "none"]).good(),
        "deleted IPPool old\ndeleted IPPool none\n"
    );
}
